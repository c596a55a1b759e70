"""Streams of sentences: columns in, columns out; raw text in, columns out."""

import itertools
import sys
import time

import conll
from cli import Progress, UserError
from features.tokenizer import tokenize
from files.text import BOM, HeadCheck
from tagging.output import plain_form
from tagging.tagger import missing_columns

DEFAULT_SPACY_MODEL = "en_core_web_sm"


READ_SIZE = 1 << 16  # bytes taken from the input at a time; what they complete is tagged together


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
            f"{self.sentences:,} sentences, {self.tokens:,} tokens, {seconds:.2f} "
            f"s{_per_sentence(*self.tagger.timings())}"
        )
        note_bad_bytes(self.parser.bad_bytes)
        if timing:
            note(_percentiles(*self.tagger.timings()))


def _per_sentence(seconds, counts):
    if not counts:
        return ""
    return (
        f", {1000 * sum(seconds) / sum(counts):.3f} ms a sentence in the network (without the "
        "first and -DOCSTART-)"
    )


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
        f"{sentences:,} sentences, {tokens:,} tokens, {time.perf_counter() - started:.2f} "
        f"s{_per_sentence(*tagger.timings())}"
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
            f"spaCy ({pipeline.meta['lang']}_{pipeline.meta['name']}) splits the text and fills "
            "the POS and tag columns"
        )
        return lambda text: _with_spacy(pipeline, text)
    if spacy_model:
        raise UserError(f"--spacy_model {spacy_model}: {why_not}, or leave the flag out")
    note(
        f"no spaCy with {DEFAULT_SPACY_MODEL} here: the built-in tokenizer splits the text, and "
        f"the POS, chunk and tag columns are O; {why_not}"
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
