"""Tags with a checkpoint: a file (bulk), a stream of CoNLL columns (bucket), or raw text (line).

    python inference.py --mode bucket --restore checkpoint/ner_model < data/test.txt > pred.txt

Columns come out byte for byte as they went in, with the predicted tag behind: as many rows as
before, in the same order.
"""

import contextlib
import heapq
import itertools
import math
import os
import sys
import time
from typing import NamedTuple

import checkpoint
import confidence
import conll
from cli import (
    Parser,
    Progress,
    UserError,
    atomic_write,
    check_readable,
    check_stream,
    check_threads,
    check_writable,
    parse_bool,
    run_command,
)
from tagger import Tagger, missing_columns
from textfile import BOM, HeadCheck
from tokenizer import tokenize

DEFAULT_SPACY_MODEL = "en_core_web_sm"
READ_SIZE = 1 << 16  # bytes taken from the input at a time; what they complete is tagged together


# ---------------------------------------------------------------- what is written of a sentence


class Form(NamedTuple):
    """What comes out. answer: conll.Sentences -> an answer for each. write(out, block, answer):
    answer is None for blank lines.
    """

    answer: object
    write: object
    close: object = lambda out: None  # at the end of the input


def plain_form(tagger):
    """The rows, and the tag."""
    return Form(lambda sentences: [(tags,) for tags in tagger.tag(sentences)], write_columns)


def confidence_form(tagger):
    """The rows, the tag, its probability, and on each token of an entity that of the entity."""
    return Form(
        lambda sentences: [_confidence_columns(found) for found in tagger.confident(sentences)],
        write_columns,
    )


def _confidence_columns(found):
    of_entities = ["_"] * len(found.tags)
    for start, end, _, probability in found.entities:
        of_entities[start:end] = [f"{probability:.6f}"] * (end - start)
    return found.tags, [f"{probability:.6f}" for probability in found.probabilities], of_entities


def write_columns(out, block, columns):
    block.write(out, *([cell.encode() for cell in column] for column in columns or ()))


def nbest_form(tagger, count):
    """Each sentence `count` times, the rows and the tag, under a line `# k probability` and with a
    blank line behind.
    """
    return Form(lambda sentences: tagger.nbest(sentences, count), _write_nbest)


def _write_nbest(out, block, paths):
    if paths is None:
        block.write(out)
        return
    for k, (probability, tags) in enumerate(paths, 1):
        out.write(b"# %d %b%b\n" % (k, f"{probability:.6g}".encode(), _carriage(block)))
        write_columns(out, _ended(block), (tags,))


def least_confident_form(tagger, count):
    """The `count` sentences of which the model is least confident, as they came; the least
    confident first.
    """
    picked = LeastConfident(count)

    def answer(sentences):
        logs = tagger.log_probabilities(sentences)
        return [(sentence, log / len(sentence.words)) for sentence, log in zip(sentences, logs)]

    return Form(answer, picked.add, picked.write)


class LeastConfident:
    """Keeps the sentences that are worth annotating: those with the least log p(tags | sentence) /
    tokens.

    Least confidence (Culotta and McCallum 2005; Settles and Craven 2008), by the token, as in Shen
    et al. 2018: without that the longest sentences would be picked. Of sentences with the same
    words the first one is kept.
    """

    def __init__(self, count):
        self.count, self.heap, self.words = (
            count,
            [],
            set(),
        )  # the heap's first is the most confident

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

    def __init__(self, tagger, name, columns, out, form=None, delimiter=""):
        self.tagger, self.out, self.form = tagger, out, form or plain_form(tagger)
        self.parser = conll.SentenceParser(
            name,
            columns,
            own=tagger.meta["columns"],
            delimiter=delimiter or tagger.meta["delimiter"],
        )
        self.sentences = self.tokens = 0
        self.documents = None  # holds back what is tagged by its neighbours
        if tagger.config.bert_context:
            self.documents = conll.DocumentReader(tagger.feeder.wordpiece.capacity)
        self.started = time.perf_counter()
        self.warned = False

    def process(self, blocks):
        """Tags and writes blocks. A bad row raises UserError once the blocks before it are out."""
        good, failure = [], None
        for block in blocks:
            try:
                block = self.parser.place(block) if block.rows else block
                good.append((block, self.parser.parse(block) if block.rows else None))
            except UserError as error:
                failure = error
                break
        self._write(self.documents.feed(good) if self.documents else good)
        if failure:
            self._write_held_back()
            raise failure

    def _write_held_back(self):
        if self.documents:
            self._write(self.documents.close())

    def _write(self, pairs):
        sentences = [sentence for _, sentence in pairs if sentence]
        self._warn_of_missing(sentences)
        alone = 0
        if not self.tagger.seconds:  # the first sentence goes alone: it is left out of the figures
            alone = next(
                (i for i, sentence in enumerate(sentences, 1) if not sentence.is_docstart), 0
            )
        answers = iter([*self.form.answer(sentences[:alone]), *self.form.answer(sentences[alone:])])
        for block, sentence in pairs:
            self.form.write(self.out, block, next(answers) if sentence else None)
        self.out.flush()
        self.sentences += len(sentences)
        self.tokens += sum(len(sentence.words) for sentence in sentences)

    def _warn_of_missing(self, sentences):
        if self.warned or not any(not sentence.is_docstart for sentence in sentences):
            return
        self.warned = True
        if missing := missing_columns(self.tagger.config, sentences, self.parser.name):
            note(missing)
        real = next(sentence for sentence in sentences if not sentence.is_docstart)
        if self.parser.delimiter == "tab" and len(self.parser.columns) == 1:
            if any(" " in word for word in real.words):
                note(
                    f"{self.parser.name} has no tabs: each row is one token, its spaces included; "
                    "--delimiter space reads columns that spaces separate"
                )

    def close(self, blocks):
        """Tags and writes the last blocks, and what the form has kept."""
        self.process(blocks)
        self._write_held_back()
        self.form.close(self.out)

    def report(self, timing):
        """Sentences, tokens, seconds and milliseconds per sentence, on standard error."""
        seconds = time.perf_counter() - self.started
        note(
            f"{self.sentences:,} sentences, {self.tokens:,} tokens, {seconds:.2f} s{_per_sentence(*self.tagger.timings())}"
        )
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
    picks = "  ".join(
        f"p{p} {waits[min(len(waits) - 1, len(waits) * p // 100)]:.3f}" for p in (50, 90, 99)
    )
    return f"milliseconds of a sentence's batch: {picks}"


def tag_columns(tagger, args, stream, name, out, size=0, form=None):
    """bucket and bulk mode. size: bytes of the input, for the progress bar; 0: no bar."""
    work = ColumnTagger(tagger, name, conll.columns_of(args), out, form, args.delimiter)
    reader, done, head = conll.BlockReader(name), 0, HeadCheck(name)
    progress = Progress("bytes", size) if size else None
    while data := stream.read1(READ_SIZE):  # what is there: a slow pipe is answered at once
        head.feed(data)
        work.process(reader.feed(data))
        done += len(data)
        if progress:
            progress.update(done, f"{work.tokens:,} tokens")
    work.close(reader.close())
    if progress:
        progress.close()
    work.report(args.timing)


# ---------------------------------------------------------------- raw text in, columns out


def tag_lines(tagger, args, stream, name, out, form):
    """line mode: a sentence a line; out come `word pos chunk tag prediction` rows and a blank line.
    name: of the stream, in messages. form: one of columns.
    """
    analyze = _analyzer(args.spacy_model)
    prompt = stream.isatty()
    sentences = tokens = bad_bytes = 0
    head = HeadCheck(name)
    started = time.perf_counter()
    for number in itertools.count(1):
        if prompt:
            print("> ", end="", file=sys.stderr, flush=True)
        line = stream.readline(conll.MAX_LINE + 1)
        if number == 1 and line.startswith(BOM):
            out.write(BOM)
            line = line.removeprefix(BOM)
        if not line:
            break
        head.feed(line)
        conll.check_line(len(line), name, number, "a sentence")
        text = line.decode(errors="surrogateescape")
        bad_bytes += conll.bad_bytes(text)
        words, pos, entities = analyze(text)
        if words:
            sentence = conll.Sentence(sentences + 1, words, pos, None, None)
            if not sentences and (missing := missing_columns(tagger.config, [sentence], name)):
                note(missing)
            columns = form.answer([sentence])[0]
            rows = zip(words, pos or ["O"] * len(words), ["O"] * len(words), entities, *columns)
            out.write(
                "".join(" ".join(row) + "\n" for row in rows).encode(errors="surrogateescape")
            )
            sentences, tokens = sentences + 1, tokens + len(words)
        out.write(b"\n")
        out.flush()
    note(
        f"{sentences:,} sentences, {tokens:,} tokens, {time.perf_counter() - started:.2f} s{_per_sentence(*tagger.timings())}"
    )
    note_bad_bytes(bad_bytes)
    if args.timing:
        note(_percentiles(*tagger.timings()))


def _analyzer(spacy_model):
    """A function text -> (words, POS or None, entity tags): spaCy where it is installed with a
    model, or our own tokenizer.
    """
    pipeline, why_not = _load_spacy(spacy_model or DEFAULT_SPACY_MODEL)
    if pipeline:
        note(
            f"spaCy ({pipeline.meta['lang']}_{pipeline.meta['name']}) splits the text and fills the "
            "POS and tag columns"
        )
        return lambda text: _with_spacy(pipeline, text)
    if spacy_model:
        raise UserError(f"--spacy_model {spacy_model}: {why_not}, or leave the flag out")
    note(
        f"no spaCy with {DEFAULT_SPACY_MODEL} here: the built-in tokenizer splits the text, and the "
        f"POS, chunk and tag columns are O; {why_not}"
    )
    return lambda text: _plain(tokenize(text))


def _load_spacy(name):
    """spaCy's pipeline `name` and ""; or None, and why it is not there and what helps."""
    try:
        import spacy
    except ImportError as error:
        if getattr(error, "name", "") == "spacy":
            return None, "spaCy is not installed; install it and a model for --spacy_model"
        return None, f"spaCy cannot be imported ({_first_line(error)}); install it anew"
    try:
        return spacy.load(name), ""
    except (ImportError, OSError, ValueError) as error:
        reason = _first_line(error)
    try:
        installed = ", ".join(sorted(spacy.util.get_installed_models()))
    except Exception:  # of a spaCy that is too old, or damaged
        installed = ""
    there = f"with the models {installed}" if installed else "without any model that it knows of"
    return None, (
        f"{reason}; spaCy is installed {there}: name another with --spacy_model, or get this one "
        f"with `python -m spacy download {name}`"
    )


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _plain(words):
    return words, None, ["O"] * len(words)


def _with_spacy(pipeline, text):
    if conll.bad_bytes(text):  # spaCy takes nothing that is not UTF-8
        return _plain(tokenize(text))
    tokens = [token for token in pipeline(text.strip()) if not token.is_space]
    pos = [token.tag_ for token in tokens]
    entities = [
        f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O" for token in tokens
    ]
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
    parser.add_argument(
        "--mode",
        choices=("bulk", "bucket", "line"),
        default=mode,
        help=f"bulk: a file; bucket: columns from standard input; line: raw text (default {mode})",
    )
    parser.add_argument("--emb_path", default="", help="the EmbVec file of the training")
    parser.add_argument("--wrd_dim", type=int, default=0, help="its vectors' size")
    parser.add_argument(
        "--input",
        default="",
        help="what to tag (default: data/test.txt in bulk mode, else standard input)",
    )
    parser.add_argument("--output", default="", help="where to write (default: standard output)")
    parser.add_argument(
        "--columns",
        default="",
        help="columns in order, such as 'word pos chunk tag', _ to ignore one, id first in CoNLL-U",
    )
    conll.add_delimiter_flag(parser)
    parser.add_argument(
        "--batch_size", type=int, default=64, help="sentences in a batch, at most (default 64)"
    )
    parser.add_argument(
        "--threads", "-j", type=int, default=0, help="threads; 0: one for each core"
    )
    parser.add_argument(
        "--timing", action="store_true", help="percentiles of the time, on standard error"
    )
    parser.add_argument(
        "--spacy_model",
        default="",
        help="line mode: a spaCy model's name or path (default: "
        f"{DEFAULT_SPACY_MODEL}, where it is installed)",
    )


def parse_args():
    parser = Parser(description=__doc__)
    add_tagging_flags(parser)
    parser.add_argument(
        "--restore",
        default="checkpoint",
        help="the checkpoint, a folder or a prefix (default checkpoint)",
    )
    parser.add_argument(
        "--constrained",
        type=parse_bool,
        nargs="?",
        const=True,
        default=False,
        metavar="TRUE|FALSE",
        help="decode well-formed tag sequences only",
    )
    parser.add_argument(
        "--confidence",
        action="store_true",
        help="after the tag, its probability, and on the tokens of an entity that of the entity, else _",
    )
    parser.add_argument(
        "--nbest",
        type=int,
        metavar="N",
        help="write each sentence N times, with its N best tag sequences, each under a line `# k probability`; "
        f"N is {confidence.MAX_NBEST:,} at most",
    )
    parser.add_argument(
        "--least_confident",
        type=int,
        metavar="N",
        help="bulk mode: write the N sentences most worth annotating, the least confident first, without tags",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="divide the scores by T before they become probabilities: etc/calibration.py fits it (default 1)",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="import the encoder that the checkpoint names as module.function",
    )
    return parser.parse_args()


def check_form_flags(args):
    """Checks --confidence, --nbest, --least_confident and --temperature. Raises UserError."""
    given = [
        f"--{name}"
        for name in ("confidence", "nbest", "least_confident")
        if getattr(args, name) not in (None, False)
    ]
    if len(given) > 1:
        raise UserError(
            f"{' and '.join(given)}: each has a form of output of its own; expected one of them"
        )
    for name in ("nbest", "least_confident"):
        count = getattr(args, name)
        if count is not None and count < 1:
            raise UserError(f"--{name} {count}: expected at least 1")
    if args.nbest:
        confidence.check_count(args.nbest, "--nbest")
    if args.temperature is not None and not 0 < args.temperature < math.inf:
        raise UserError(f"--temperature {args.temperature}: expected a number above 0")
    if args.temperature is not None and not given:
        raise UserError(
            "--temperature: it changes no tag; expected one of --confidence, --nbest and --least_confident beside it"
        )
    if args.nbest and args.mode == "line":
        raise UserError(
            "--nbest and --mode line: expected bulk or bucket mode, with a sentence in columns"
        )
    if args.least_confident and args.mode != "bulk":
        raise UserError(
            f"--least_confident and --mode {args.mode}: it looks at all sentences first, bulk mode was expected"
        )


def form_of(tagger, args):
    """The Form that the flags ask for."""
    if args.confidence:
        return confidence_form(tagger)
    if args.nbest:
        return nbest_form(tagger, args.nbest)
    return (
        least_confident_form(tagger, args.least_confident)
        if args.least_confident
        else plain_form(tagger)
    )


def check_tagging_flags(args):
    """Checks the flags of add_tagging_flags before TensorFlow is imported. Raises UserError."""
    if args.batch_size < 1:
        raise UserError(f"--batch_size {args.batch_size}: expected at least 1")
    check_threads(args.threads)
    if args.mode == "line" and args.delimiter:
        raise UserError(
            "--delimiter and --mode line: raw text has no columns; leave one of them out"
        )
    conll.columns_of(args)
    args.input = args.input or ("data/test.txt" if args.mode == "bulk" else "")
    if args.input:
        check_readable(args.input, "--input")
    else:
        check_stream(0)
    if args.output:
        check_writable(args.output, "--output")
    else:
        check_stream(1)


def check_restore(args):
    """Checks that the checkpoint is whole, and the one that --emb_path and --wrd_dim speak of.
    Raises UserError.
    """
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
            tag_lines(tagger, args, stream, name, out, form)
        else:
            size = os.path.getsize(args.input) if args.input else 0
            tag_columns(tagger, args, stream, name, out, size, form)


def main():
    args = parse_args()
    check_form_flags(args)
    check_tagging_flags(args)
    check_restore(args)
    tagger = Tagger.load(
        args.restore,
        args.batch_size,
        constrained=args.constrained,
        threads=args.threads,
        trust=args.trust,
        temperature=args.temperature or 1.0,
    )
    run(tagger, args, form_of(tagger, args))


if __name__ == "__main__":
    run_command(main)
