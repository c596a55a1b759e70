"""Tags with a checkpoint: a file (bulk), a stream of CoNLL columns (bucket), or raw text (line).

    python inference.py --mode bucket --restore checkpoint/ner_model < data/test.txt > pred.txt

Columns come out byte for byte as they went in, with the predicted tag behind: as many rows as before, in the same order.
"""
import array
import contextlib
import os
import sys
import time

import checkpoint
import conll
import registry
from cli import Parser, Progress, UserError, atomic_write, check_readable, check_writable, parse_bool, run_command
from config import Config
from feed import Feeder, tagging_batches
from gazetteer import Gazetteer
from tokenizer import tokenize

READ_SIZE = 1 << 16       # bytes taken from the input at a time; what they complete is tagged together
WORDS_KEPT = 50_000       # distinct words whose ids are remembered


class Tagger:
    """Tags sentences by `run`, {input name: array} -> tag ids, int32 (batch, sentence); Tagger.load makes one."""

    def __init__(self, run, config, meta, feeder):
        self.run, self.config, self.meta, self.feeder = run, config, meta, feeder
        self.seconds, self.counts = array.array("d"), array.array("i")       # of each batch; its sentences

    @classmethod
    def load(cls, path, batch_size=64, max_batch_tokens=4000, constrained=False, threads=0, trust=False):
        """From a checkpoint's folder or prefix. trust: import the encoder where it is the user's own code. Raises UserError."""
        prefix = checkpoint.resolve(path)
        meta = checkpoint.load_meta(prefix)
        config = Config(**{**meta["config"], "batch_size": batch_size, "max_batch_tokens": max_batch_tokens})
        config.constrained = constrained or config.constrained
        if trust:
            registry.import_custom("encoder", config.encoder)
        emb = checkpoint.load_emb(prefix, meta)
        gazetteer = Gazetteer.from_dict(meta["gazetteer"]) if meta["gazetteer"] else None
        feeder = Feeder(emb, config, {tag: i for i, tag in enumerate(meta["tags"])}, gazetteer, limit=WORDS_KEPT)
        return cls(_graph(prefix, config, meta, feeder.sizes(), threads), config, meta, feeder)

    def tag(self, sentences):
        """conll.Sentences -> a list of tags for each, in the scheme of the training data; -DOCSTART- is O."""
        tags = [["O"] * len(sentence.words) for sentence in sentences]
        places = [i for i, sentence in enumerate(sentences) if not sentence.is_docstart]
        self.feeder.table.trim()
        examples = [self.feeder.encode(sentences[i]) for i in places]
        for batch, size, length in tagging_batches([len(example) for example in examples], self.config):
            filled = batch + batch[-1:] * (size - len(batch))
            started = time.perf_counter()
            ids = self.run(self.feeder.batch([examples[k] for k in filled], length=length))
            self.seconds.append(time.perf_counter() - started)
            self.counts.append(len(batch))
            for row, k in zip(ids.tolist(), batch):
                tags[places[k]] = self._names(row[:len(examples[k])])
        return tags

    def timings(self):
        """Seconds of each batch, and how many sentences it had; without the first, which pays for the start."""
        return self.seconds[1:], self.counts[1:]

    def _names(self, ids):
        names = self.meta["tags"]
        return conll.convert([names[i] for i in ids], self.meta["tag_scheme"], self.meta["data_scheme"])


def _graph(prefix, config, meta, sizes, threads):
    """The checkpoint's graph without dropout. Returns `run`, see Tagger."""
    from model import Model
    from tf1 import callable_of, new_session, quiet, tf
    legal = conll.legal_transitions(meta["tags"], meta["tag_scheme"]) if config.constrained else None
    with tf.Graph().as_default(), quiet():
        model = Model(config, sizes, legal=legal)
        session = new_session(threads)
        checkpoint.restore(session, tf.train.Saver(model.variables), prefix)
        return callable_of(session, model.logits_indices, model.inputs)


# ---------------------------------------------------------------- columns in, columns out

class ColumnTagger:
    """Tags Blocks of a column file and writes them; counts sentences, tokens and seconds."""

    def __init__(self, tagger, name, columns, out):
        self.tagger, self.out = tagger, out
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
        tagged = iter([*self.tagger.tag(sentences[:alone]), *self.tagger.tag(sentences[alone:])])
        for block, sentence in pairs:
            block.write(self.out, [tag.encode() for tag in next(tagged)] if sentence else [])
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


def tag_columns(tagger, args, stream, name, out, size=0):
    """bucket and bulk mode. size: bytes of the input, for the progress bar; 0: no bar."""
    columns = conll.parse_columns(args.columns) if args.columns else None
    work = ColumnTagger(tagger, name, columns, out)
    reader, done = conll.BlockReader(), 0
    progress = Progress("bytes", size) if size else None
    while data := os.read(stream.fileno(), READ_SIZE):      # returns with what is there: a slow pipe is answered at once
        work.process(reader.feed(data))
        done += len(data)
        if progress:
            progress.update(done, f"{work.tokens:,} tokens")
    work.process(reader.close())
    if progress:
        progress.close()
    work.report(args.timing)


# ---------------------------------------------------------------- raw text in, columns out

def tag_lines(tagger, args, stream, name, out):
    """line mode: a sentence a line; out come `word pos chunk tag prediction` rows and a blank line."""
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
            tags = tagger.tag([conll.Sentence(sentences + 1, words, pos, None, None)])[0]
            rows = zip(words, pos or ["O"] * len(words), ["O"] * len(words), entities, tags)
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
    parser.add_argument("--trust", action="store_true", help="import the encoder that the checkpoint names as module.function")
    return parser.parse_args()


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


def run(tagger, args):
    """Tags what the flags name."""
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(open(args.input, "rb")) if args.input else sys.stdin.buffer
        out = stack.enter_context(opened_output(args.output))
        name = args.input or "<stdin>"
        if args.mode == "line":
            tag_lines(tagger, args, stream, name, out)
        else:
            size = os.path.getsize(args.input) if args.input else 0
            tag_columns(tagger, args, stream, name, out, size)


def main():
    args = parse_args()
    check_tagging_flags(args)
    check_restore(args)
    run(Tagger.load(args.restore, args.batch_size, constrained=args.constrained, threads=args.threads,
                    trust=args.trust), args)


if __name__ == "__main__":
    run_command(main)
