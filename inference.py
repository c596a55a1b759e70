"""Tags with a checkpoint: a file (bulk), a stream of CoNLL columns (bucket), or raw text (line).

    python inference.py --mode bucket --restore checkpoint/ner_model < data/test.txt > pred.txt

Columns come out byte for byte as they went in, with the predicted tag behind: as many rows as before, in the same order.
"""
import array
import contextlib
import functools
import heapq
import math
import os
import sys
import time
from typing import NamedTuple

import numpy as np

import checkpoint
import chunk_eval
import confidence
import conll
import registry
from cli import Parser, Progress, UserError, atomic_write, check_readable, check_writable, parse_bool, run_command
from config import Config
from feed import Feeder, tagging_batches
from gazetteer import Gazetteer
from tokenizer import tokenize

READ_SIZE = 1 << 16       # bytes taken from the input at a time; what they complete is tagged together
WORDS_KEPT = 50_000       # distinct words whose ids are remembered


class Entity(NamedTuple):
    """Words start to end - 1 of a sentence. text: those words, joined by spaces. score: its probability (see confidence.py)."""
    type: str
    start: int
    end: int
    text: str
    score: float


class Confident(NamedTuple):
    """A sentence's tags and how sure the model is of them."""
    tags: list            # in the scheme of the training data
    probabilities: list   # of the tag that the model gave the token, in the scheme in which it learned
    entities: list        # (start, end, type, probability), end exclusive


class Figures(NamedTuple):
    """Precision, recall and F1 in percent; support: how many entities there are in the gold tags."""
    precision: float
    recall: float
    f1: float
    support: int


class Report(NamedTuple):
    """Scores of a Tagger on sentences. accuracy: of all tokens, in percent. print() shows it as a table."""
    total: Figures
    types: dict           # {entity type: Figures}, sorted
    accuracy: float

    def __str__(self):
        rows = [*self.types.items(), ("all", self.total)]
        width = max(len(name) for name, _ in rows)
        lines = [f"{'':{width}}  precision  recall      F1  support"]
        lines += [f"{name:{width}}  {each.precision:9.2f}  {each.recall:6.2f}  {each.f1:6.2f}  {each.support:7}" for name, each in rows]
        return "\n".join(lines)


class Tagger:
    """Tags sentences; Tagger.load makes one, with a graph and a session of its own.

    From Python: predict, predict_entities and evaluate take lists of words, with their POS and chunk tags where the model
    knows them, or conll.Sentences. The commands give conll.Sentences to tag, confident, nbest and log_probabilities.

    run: {input name: array} -> tag ids, int32 (batch, sentence). graph: the Graph of a checkpoint, from which all but tag()
    and predict() need the scores; None for an exported one. prefix: the checkpoint, for those who train on from it.
    """

    def __init__(self, run, config, meta, feeder, graph=None, prefix="", temperature=1.0):
        self.run, self.config, self.meta, self.feeder = run, config, meta, feeder
        self.graph, self.prefix, self.temperature = graph, prefix, temperature
        self.seconds, self.counts = array.array("d"), array.array("i")       # of each batch; its sentences

    @classmethod
    def load(cls, path, batch_size=64, max_batch_tokens=4000, constrained=False, threads=0, trust=False, temperature=1.0):
        """From a checkpoint's folder or prefix. trust: import the encoder where it is the user's own code. Raises UserError.

        temperature: what scores are divided by before they become probabilities; it changes no tag. etc/calibration.py fits it.
        """
        prefix = checkpoint.resolve(os.fspath(path))
        meta = checkpoint.load_meta(prefix)
        config = Config(**{**meta["config"], "batch_size": batch_size, "max_batch_tokens": max_batch_tokens})
        config.constrained = constrained or config.constrained
        if trust:
            registry.import_custom("encoder", config.encoder)
        emb = checkpoint.load_emb(prefix, meta)
        gazetteer = Gazetteer.from_dict(meta["gazetteer"]) if meta["gazetteer"] else None
        feeder = Feeder(emb, config, {tag: i for i, tag in enumerate(meta["tags"])}, gazetteer, limit=WORDS_KEPT)
        run, graph = _graph(prefix, config, meta, feeder.sizes(), threads)
        return cls(run, config, meta, feeder, graph, prefix, temperature)

    def save(self, path):
        """Writes a whole checkpoint into the folder `path`, which is made where it is missing: Tagger.load takes it."""
        checkpoint.save(os.path.join(path, checkpoint.MODEL), self.graph.session, self.graph.saver, self.meta, self.feeder.emb)

    # ------------------------------------------------------------ lists of words

    def predict(self, sentences, pos=None, chunks=None):
        """Lists of words -> a list of tags for each, in the scheme of the training data. pos, chunks: lists of lists, too."""
        return self.tag(_sentences(sentences, pos, chunks))

    def predict_entities(self, sentences, pos=None, chunks=None):
        """Lists of words -> a list of Entity for each."""
        given = _sentences(sentences, pos, chunks)
        return [[Entity(kind, start, end, " ".join(sentence.words[start:end]), score) for start, end, kind, score in found.entities]
                for sentence, found in zip(given, self.confident(given))]

    def evaluate(self, sentences, tags=None, pos=None, chunks=None):
        """Lists of words, and of their gold tags in the scheme of the training data -> Report. Raises UserError."""
        scheme = self.meta["data_scheme"]
        given = _sentences(sentences, pos, chunks, tags)
        if any(sentence.tags is None for sentence in given):
            raise UserError("evaluate: expected gold tags beside the words, a list for each sentence")
        reading = {"raw": True} if scheme == conll.RAW else {"scheme": scheme}
        try:
            scores = chunk_eval.score([sentence.tags for sentence in given], self.tag(given), **reading)
        except ValueError as error:
            raise UserError(f"evaluate: {error}; the model's tags are {' '.join(self.feeder.emb.tags)}") from None
        types = {kind: _figures(*scores.of(kind)) for kind in sorted({*scores.phrases, *scores.found})}
        return Report(_figures(*scores.totals), types, scores.accuracy)

    # ------------------------------------------------------------ conll.Sentences; a -DOCSTART- is O, for certain

    def tag(self, sentences):
        """A list of tags for each sentence, in the scheme of the training data."""
        tags = [["O"] * len(sentence.words) for sentence in sentences]
        for places, lengths, ids in self.in_batches(sentences, self.run):
            for place, length, row in zip(places, lengths, ids.tolist()):
                tags[place] = self._names(row[:length])
        return tags

    def confident(self, sentences):
        """A Confident for each sentence: the tags are those of tag()."""
        found = [Confident(["O"] * len(sentence.words), [1.0] * len(sentence.words), []) for sentence in sentences]
        for places, lengths, ids, chain in self._chains(sentences):
            of_tags = confidence.marginals(chain)
            rows = [row[:length] for row, length in zip(ids.tolist(), lengths)]
            spans = [(k, *span) for k, row in enumerate(rows) for span in self._entities(row)]
            for k, (place, row) in enumerate(zip(places, rows)):
                found[place] = Confident(self._names(row), of_tags[k, range(len(row)), row].tolist(), [])
            for (k, *span), probability in zip(spans, confidence.entity_probabilities(chain, spans, self.edges).tolist()):
                found[places[k]].entities.append((*span, probability))
        return found

    def nbest(self, sentences, count):
        """For each sentence its `count` best tag sequences, or all where there are fewer: (probability, tags), the best first."""
        found = [[(1.0, ["O"] * len(sentence.words))] for sentence in sentences]
        for places, lengths, _, chain in self._chains(sentences):
            paths, logs = confidence.nbest(chain, count)
            for place, length, rows, log in zip(places, lengths, paths.tolist(), logs):
                there = zip(np.exp(log).tolist(), rows[:np.isfinite(log).sum()])
                found[place] = [(probability, self._names(row[:length])) for probability, row in there]
        return found

    def log_probabilities(self, sentences):
        """log p(tags | sentence) of the tags that tag() gives each sentence."""
        found = [0.0] * len(sentences)
        for places, _, ids, chain in self._chains(sentences):
            for place, value in zip(places, confidence.sequence_log_probability(chain, ids).tolist()):
                found[place] = value
        return found

    # ------------------------------------------------------------ the network

    def in_batches(self, sentences, run):
        """Runs the sentences in batches, but -DOCSTART- and empty ones: yields (their indices, their lengths, *results)."""
        places = [i for i, sentence in enumerate(sentences) if sentence.words and not sentence.is_docstart]
        self.feeder.table.trim()
        examples = [self.feeder.encode(sentences[i]) for i in places]
        for batch, size, length in tagging_batches([len(example) for example in examples], self.config):
            filled = batch + batch[-1:] * (size - len(batch))
            started = time.perf_counter()
            results = run(self.feeder.batch([examples[k] for k in filled], length=length))
            self.seconds.append(time.perf_counter() - started)
            self.counts.append(len(batch))
            yield [places[k] for k in batch], [len(examples[k]) for k in batch], results

    def timings(self):
        """Seconds of each batch, and how many sentences it had; without the first, which pays for the start."""
        return self.seconds[1:], self.counts[1:]

    @functools.cached_property
    def scores(self):
        """`run` with the emission scores: -> [int32 (batch, sentence), float32 (batch, sentence, tags)]."""
        from tf1 import callable_of
        model = self.graph.model
        return callable_of(self.graph.session, [model.logits_indices, model.logits], model.inputs)

    @functools.cached_property
    def transitions(self):
        """float32 (tags, tags), zeros without a CRF."""
        return self.graph.session.run(self.graph.model.transitions)

    @functools.cached_property
    def edges(self):
        return confidence.edges(self.meta["tags"], self.meta["tag_scheme"])

    def _chains(self, sentences):
        """in_batches, with the scores as a Chain: yields (indices of sentences, their lengths, tag ids, Chain)."""
        for places, lengths, (ids, logits) in self.in_batches(sentences, self.scores):
            count, longest = len(places), max(lengths)
            yield places, lengths, ids[:count, :longest], confidence.chain(
                logits[:count, :longest], lengths, self.transitions, self.graph.legal, self.temperature)

    def _names(self, ids):
        names = self.meta["tags"]
        return conll.convert([names[i] for i in ids], self.meta["tag_scheme"], self.meta["data_scheme"])

    def _entities(self, ids):
        return conll.entities([self.meta["tags"][i] for i in ids], self.meta["tag_scheme"])


class Graph(NamedTuple):
    """A checkpoint's graph in its session."""
    session: object
    model: object
    saver: object         # of the weights
    legal: tuple          # conll.legal_transitions where decoding is held to them, or None


def _graph(prefix, config, meta, sizes, threads):
    """The checkpoint's graph without dropout. Returns (`run`, see Tagger, and the Graph)."""
    from model import Model
    from tf1 import callable_of, new_session, quiet, tf
    legal = conll.legal_transitions(meta["tags"], meta["tag_scheme"]) if config.constrained else None
    with tf.Graph().as_default(), quiet():
        model = Model(config, sizes, legal=legal)
        graph = Graph(new_session(threads), model, tf.train.Saver(model.variables), legal)
        checkpoint.restore(graph.session, graph.saver, prefix)
        return callable_of(graph.session, model.logits_indices, model.inputs), graph


def _sentences(given, pos=None, chunks=None, tags=None):
    """Lists of words, or conll.Sentences, and columns beside them -> conll.Sentences, numbered from 1. Raises UserError."""
    sentences = [each if isinstance(each, conll.Sentence) else conll.Sentence(0, each, None, None, None) for each in given]
    for name, column in (("pos", pos), ("chunks", chunks), ("tags", tags)):
        cells = [getattr(each, name) for each in sentences] if column is None else list(column)
        if len(cells) != len(sentences):
            raise UserError(f"{len(sentences)} sentences and {len(cells)} of {name}, expected as many of them")
        sentences = [each._replace(**{name: own}) for each, own in zip(sentences, cells)]
    return [_checked(each._replace(first_line=i)) for i, each in enumerate(sentences, 1)]


def _checked(sentence):
    if isinstance(sentence.words, str) or not all(isinstance(word, str) for word in sentence.words):
        raise UserError(f"sentence {sentence.first_line}: {str(sentence.words)[:60]!r}, expected a list of words; "
                        "tokenizer.tokenize splits a text into words")
    for name in ("pos", "chunks", "tags"):
        column = getattr(sentence, name)
        if column is not None and len(column) != len(sentence.words):
            raise UserError(f"sentence {sentence.first_line}: {len(sentence.words)} words and {len(column)} {name}, expected as many of them")
    return sentence


def _figures(correct, found, gold):
    return Figures(*chunk_eval.percentages(correct, found, gold), gold)


# ---------------------------------------------------------------- what is written of a sentence

class Form(NamedTuple):
    """What comes out. answer: conll.Sentences -> an answer for each. write(out, block, answer): answer is None for blank lines."""
    answer: object
    write: object
    close: object = lambda out: None      # at the end of the input


def plain_form(tagger):
    """The rows, and the tag."""
    return Form(lambda sentences: [(tags,) for tags in tagger.tag(sentences)], write_columns)


def confidence_form(tagger):
    """The rows, the tag, its probability, and on each token of an entity that of the entity."""
    return Form(lambda sentences: [_confidence_columns(found) for found in tagger.confident(sentences)], write_columns)


def _confidence_columns(found):
    of_entities = ["_"] * len(found.tags)
    for start, end, _, probability in found.entities:
        of_entities[start:end] = [f"{probability:.6f}"] * (end - start)
    return found.tags, [f"{probability:.6f}" for probability in found.probabilities], of_entities


def write_columns(out, block, columns):
    block.write(out, *([cell.encode() for cell in column] for column in columns or ()))


def nbest_form(tagger, count):
    """Each sentence `count` times, the rows and the tag, under a line `# k probability` and with a blank line behind."""
    return Form(lambda sentences: tagger.nbest(sentences, count), _write_nbest)


def _write_nbest(out, block, paths):
    if paths is None:
        block.write(out)
        return
    for k, (probability, tags) in enumerate(paths, 1):
        out.write(b"# %d %b%b\n" % (k, f"{probability:.6g}".encode(), _carriage(block)))
        write_columns(out, _ended(block), (tags,))


def least_confident_form(tagger, count):
    """The `count` sentences of which the model is least confident, as they came; the least confident first."""
    picked = LeastConfident(count)

    def answer(sentences):
        logs = tagger.log_probabilities(sentences)
        return [(sentence, log / len(sentence.words)) for sentence, log in zip(sentences, logs)]
    return Form(answer, picked.add, picked.write)


class LeastConfident:
    """Keeps the sentences that are worth annotating: those with the least log p(tags | sentence) / tokens.

    Least confidence (Culotta and McCallum 2005; Settles and Craven 2008), by the token, as in Shen et al. 2018: without that
    the longest sentences would be picked. Of sentences with the same words the first one is kept.
    """

    def __init__(self, count):
        self.count, self.heap, self.words = count, [], set()      # the heap's first is the most confident

    def add(self, _, block, answer):
        if answer is None or answer[0].is_docstart or tuple(answer[0].words) in self.words:
            return
        words, sureness = tuple(answer[0].words), answer[1]
        self.words.add(words)
        heapq.heappush(self.heap, (-sureness, -block.first_line, words, block))
        if len(self.heap) > self.count:
            self.words.remove(heapq.heappop(self.heap)[2])

    def write(self, out):
        for *_, block in sorted(self.heap, reverse=True):
            _ended(block).write(out)
        out.flush()


def _ended(block):
    """The block, ended by a blank line."""
    return block._replace(end=_carriage(block) if block.end is None else block.end, newline=True)


def _carriage(block):
    return b"\r" if block.rows[0].endswith(b"\r") else b""


# ---------------------------------------------------------------- columns in, columns out

class ColumnTagger:
    """Tags Blocks of a column file and writes them; counts sentences, tokens and seconds."""

    def __init__(self, tagger, name, columns, out, form=None):
        self.tagger, self.out, self.form = tagger, out, form or plain_form(tagger)
        self.parser = conll.SentenceParser(name, columns, own=tagger.meta["columns"])
        self.sentences = self.tokens = 0
        self.started = time.perf_counter()
        self.warned = False

    def process(self, blocks):
        """Tags and writes blocks. A bad row raises UserError once the blocks before it are out."""
        good, failure = [], None
        for block in blocks:
            try:
                good.append((block, self.parser.parse(block) if block.rows else None))
            except UserError as error:
                failure = error
                break
        self._write(good)
        if failure:
            raise failure

    def _write(self, pairs):
        sentences = [sentence for _, sentence in pairs if sentence]
        self._warn_of_missing(sentences)
        alone = 0
        if not self.tagger.seconds:       # the first sentence goes alone: it is left out of the figures
            alone = next((i for i, sentence in enumerate(sentences, 1) if not sentence.is_docstart), 0)
        answers = iter([*self.form.answer(sentences[:alone]), *self.form.answer(sentences[alone:])])
        for block, sentence in pairs:
            self.form.write(self.out, block, next(answers) if sentence else None)
        self.out.flush()
        self.sentences += len(sentences)
        self.tokens += sum(len(sentence.words) for sentence in sentences)

    def _warn_of_missing(self, sentences):
        config = self.tagger.config
        real = next((sentence for sentence in sentences if not sentence.is_docstart), None)
        if self.warned or real is None:
            return
        self.warned = True
        missing = [name for name, used, column in (("pos", config.use_pos, real.pos), ("chunk", config.use_chk, real.chunks))
                   if used and column is None]
        if missing:
            note(f"the model was trained with the {' and '.join(missing)} column, which {self.parser.name} lacks: "
                 "tags will be worse, unless it was trained with feature_drop")

    def close(self, blocks):
        """Tags and writes the last blocks, and what the form has kept."""
        self.process(blocks)
        self.form.close(self.out)

    def report(self, timing):
        """Sentences, tokens, seconds and milliseconds per sentence, on standard error."""
        seconds = time.perf_counter() - self.started
        note(f"{self.sentences:,} sentences, {self.tokens:,} tokens, {seconds:.2f} s{_per_sentence(*self.tagger.timings())}")
        note_bad_bytes(self.parser.bad_bytes)
        if timing:
            note(_percentiles(*self.tagger.timings()))


def _per_sentence(seconds, counts):
    if not counts:
        return ""
    return f", {1000 * sum(seconds) / sum(counts):.3f} ms a sentence in the network (without the first and -DOCSTART-)"


def _percentiles(seconds, counts):
    """How long a sentence waited for the batch that it was tagged in."""
    waits = sorted(1000 * each for each, count in zip(seconds, counts) for _ in range(count))
    if not waits:
        return "no sentence but the first: no percentiles"
    picks = "  ".join(f"p{p} {waits[min(len(waits) - 1, len(waits) * p // 100)]:.3f}" for p in (50, 90, 99))
    return f"milliseconds of a sentence's batch: {picks}"


def tag_columns(tagger, args, stream, name, out, size=0, form=None):
    """bucket and bulk mode. size: bytes of the input, for the progress bar; 0: no bar."""
    columns = conll.parse_columns(args.columns) if args.columns else None
    work = ColumnTagger(tagger, name, columns, out, form)
    reader, done = conll.BlockReader(), 0
    progress = Progress("bytes", size) if size else None
    while data := os.read(stream.fileno(), READ_SIZE):      # returns with what is there: a slow pipe is answered at once
        work.process(reader.feed(data))
        done += len(data)
        if progress:
            progress.update(done, f"{work.tokens:,} tokens")
    work.close(reader.close())
    if progress:
        progress.close()
    work.report(args.timing)


# ---------------------------------------------------------------- raw text in, columns out

def tag_lines(tagger, args, stream, out, form):
    """line mode: a sentence a line; out come `word pos chunk tag prediction` rows and a blank line. form: one of columns."""
    analyze = _analyzer(args.spacy_model)
    prompt = stream.isatty()
    sentences = tokens = bad_bytes = 0
    started = time.perf_counter()
    while True:
        if prompt:
            print("> ", end="", file=sys.stderr, flush=True)
        line = stream.readline()
        if not line:
            break
        text = line.decode(errors="surrogateescape")
        bad_bytes += conll.bad_bytes(text)
        words, pos, entities = analyze(text)
        if words:
            columns = form.answer([conll.Sentence(sentences + 1, words, pos, None, None)])[0]
            rows = zip(words, pos or ["O"] * len(words), ["O"] * len(words), entities, *columns)
            out.write("".join(" ".join(row) + "\n" for row in rows).encode(errors="surrogateescape"))
            sentences, tokens = sentences + 1, tokens + len(words)
        out.write(b"\n")
        out.flush()
    note(f"{sentences:,} sentences, {tokens:,} tokens, {time.perf_counter() - started:.2f} s{_per_sentence(*tagger.timings())}")
    note_bad_bytes(bad_bytes)
    if args.timing:
        note(_percentiles(*tagger.timings()))


def _analyzer(spacy_model):
    """A function text -> (words, POS or None, entity tags): spaCy where it is installed with a model, or our own tokenizer."""
    try:
        import spacy
        pipeline = spacy.load(spacy_model or "en_core_web_sm")
    except (ImportError, OSError) as error:
        if spacy_model:
            raise UserError(f"--spacy_model {spacy_model}: {str(error).splitlines()[0]}; install it, or leave the flag out") from None
        note("no spaCy with a model here: the built-in tokenizer splits the text, and the POS, chunk and tag columns are O")
        return lambda text: _plain(tokenize(text))
    note(f"spaCy ({pipeline.meta['lang']}_{pipeline.meta['name']}) splits the text and fills the POS and tag columns")
    return lambda text: _with_spacy(pipeline, text)


def _plain(words):
    return words, None, ["O"] * len(words)


def _with_spacy(pipeline, text):
    if conll.bad_bytes(text):        # spaCy takes nothing that is not UTF-8
        return _plain(tokenize(text))
    tokens = [token for token in pipeline(text.strip()) if not token.is_space]
    pos = [token.tag_ for token in tokens]
    entities = [f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O" for token in tokens]
    words = [token.text.replace(" ", "_") for token in tokens]
    return words, pos if all(pos) else None, entities


# ---------------------------------------------------------------- the command

def note(text):
    print(f"inference.py: {text}", file=sys.stderr)


def note_bad_bytes(count):
    if count:
        note(f"{count:,} bytes are not UTF-8: read as unknown characters, passed through unchanged")


@contextlib.contextmanager
def opened_output(path):
    """Standard output, or a file that bears its name only once it is whole."""
    if not path:
        yield sys.stdout.buffer
        return
    with atomic_write(path) as out:
        yield out


def add_tagging_flags(parser, mode="bulk"):
    """The flags that every command has that tags."""
    parser.add_argument("--mode", choices=("bulk", "bucket", "line"), default=mode,
                        help=f"bulk: a file; bucket: columns from standard input; line: raw text (default {mode})")
    parser.add_argument("--emb_path", default="", help="the EmbVec file of the training")
    parser.add_argument("--wrd_dim", type=int, default=0, help="its vectors' size")
    parser.add_argument("--input", default="", help="what to tag (default: data/test.txt in bulk mode, else standard input)")
    parser.add_argument("--output", default="", help="where to write (default: standard output)")
    parser.add_argument("--columns", default="", help="columns in order, such as 'word pos chunk tag', _ to ignore one")
    parser.add_argument("--batch_size", type=int, default=64, help="sentences in a batch, at most (default 64)")
    parser.add_argument("--threads", "-j", type=int, default=0, help="threads; 0: one for each core")
    parser.add_argument("--timing", action="store_true", help="percentiles of the time, on standard error")
    parser.add_argument("--spacy_model", default="", help="line mode: a spaCy model's name or path")


def parse_args():
    parser = Parser(description=__doc__)
    add_tagging_flags(parser)
    parser.add_argument("--restore", default="checkpoint", help="the checkpoint, a folder or a prefix (default checkpoint)")
    parser.add_argument("--constrained", type=parse_bool, nargs="?", const=True, default=False, metavar="TRUE|FALSE",
                        help="decode well-formed tag sequences only")
    parser.add_argument("--confidence", action="store_true",
                        help="after the tag, its probability, and on the tokens of an entity that of the entity, else _")
    parser.add_argument("--nbest", type=int, metavar="N",
                        help="write each sentence N times, with its N best tag sequences, each under a line `# k probability`")
    parser.add_argument("--least_confident", type=int, metavar="N",
                        help="bulk mode: write the N sentences most worth annotating, the least confident first, without tags")
    parser.add_argument("--temperature", type=float, metavar="T",
                        help="divide the scores by T before they become probabilities: etc/calibration.py fits it (default 1)")
    parser.add_argument("--trust", action="store_true", help="import the encoder that the checkpoint names as module.function")
    return parser.parse_args()


def check_form_flags(args):
    """Checks --confidence, --nbest, --least_confident and --temperature. Raises UserError."""
    given = [f"--{name}" for name in ("confidence", "nbest", "least_confident") if getattr(args, name) not in (None, False)]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)}: each has a form of output of its own; expected one of them")
    for name in ("nbest", "least_confident"):
        count = getattr(args, name)
        if count is not None and count < 1:
            raise UserError(f"--{name} {count}: expected at least 1")
    if args.temperature is not None and not 0 < args.temperature < math.inf:
        raise UserError(f"--temperature {args.temperature}: expected a number above 0")
    if args.temperature is not None and not given:
        raise UserError("--temperature: it changes no tag; expected one of --confidence, --nbest and --least_confident beside it")
    if args.nbest and args.mode == "line":
        raise UserError("--nbest and --mode line: expected bulk or bucket mode, with a sentence in columns")
    if args.least_confident and args.mode != "bulk":
        raise UserError(f"--least_confident and --mode {args.mode}: it looks at all sentences first, bulk mode was expected")


def form_of(tagger, args):
    """The Form that the flags ask for."""
    if args.confidence:
        return confidence_form(tagger)
    if args.nbest:
        return nbest_form(tagger, args.nbest)
    return least_confident_form(tagger, args.least_confident) if args.least_confident else plain_form(tagger)


def check_tagging_flags(args):
    """Checks the flags of add_tagging_flags before TensorFlow is imported. Raises UserError."""
    if args.batch_size < 1:
        raise UserError(f"--batch_size {args.batch_size}: expected at least 1")
    if args.threads < 0:
        raise UserError(f"--threads {args.threads}: expected 0 or more")
    if args.columns:
        conll.parse_columns(args.columns)
    args.input = args.input or ("data/test.txt" if args.mode == "bulk" else "")
    if args.input:
        check_readable(args.input, "--input")
    if args.output:
        check_writable(args.output, "--output")


def check_restore(args):
    """Checks that the checkpoint is whole, and the one that --emb_path and --wrd_dim speak of. Raises UserError."""
    meta = checkpoint.load_meta(checkpoint.resolve(args.restore))
    checkpoint.check_wrd_dim(args.wrd_dim, meta)
    if args.emb_path:
        checkpoint.check_emb_path(args.emb_path, meta)


def run(tagger, args, form=None):
    """Tags what the flags name. form: what comes out; default: the rows, and the tag."""
    form = form or plain_form(tagger)
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(open(args.input, "rb")) if args.input else sys.stdin.buffer
        out = stack.enter_context(opened_output(args.output))
        name = args.input or "<stdin>"
        if args.mode == "line":
            tag_lines(tagger, args, stream, out, form)
        else:
            size = os.path.getsize(args.input) if args.input else 0
            tag_columns(tagger, args, stream, name, out, size, form)


def main():
    args = parse_args()
    check_form_flags(args)
    check_tagging_flags(args)
    check_restore(args)
    tagger = Tagger.load(args.restore, args.batch_size, constrained=args.constrained, threads=args.threads, trust=args.trust,
                         temperature=args.temperature or 1.0)
    run(tagger, args, form_of(tagger, args))


if __name__ == "__main__":
    run_command(main)
