"""Streams of sentences: columns in, columns out; raw text in, columns out."""

import itertools
import sys
import time

import conll
from cli import Progress, UserError, note
from features.sentences import sentence_spans
from features.tokenizer import token_spans
from files.text import BOM, MAX_LINE, HeadCheck, check_line
from tagging.output import TextSentence, plain_format
from tagging.tagger import missing_columns

DEFAULT_SPACY_MODEL = "en_core_web_sm"
READ_SIZE = 1 << 16  # bytes; the sentences that end in one read are tagged together


# ---------------------------------------------------------------- columns in, columns out


class ColumnTagger:
    """Tags the conll.Blocks of a column file and writes them to `out`, a binary stream; counts
    sentences, tokens and seconds.

    name: the input's, in messages. columns: their names, or None. output_format: an OutputFormat;
    default: each row with its tag.
    """

    def __init__(self, tagger, name, columns, out, output_format=None, delimiter=""):
        self.tagger, self.out = tagger, out
        self.format = output_format or plain_format(tagger)
        self.parser = conll.SentenceParser(
            name,
            columns,
            own=tagger.meta["columns"],
            delimiter=delimiter or tagger.meta["delimiter"],
        )
        self.sentences = self.tokens = 0
        self.documents = None  # holds sentences back until the words around them are known
        if tagger.config.bert_context:
            self.documents = conll.DocumentReader(tagger.feeder.wordpiece.capacity)
        self.started = time.perf_counter()
        self.warned = False

    def process(self, blocks):
        """Tags and writes blocks. Raises UserError for a bad row, after the blocks before it are
        written.
        """
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
        if not self.tagger.seconds:  # the first sentence is a batch by itself: see timings()
            numbered = enumerate(sentences, 1)
            alone = next((i for i, sentence in numbered if not sentence.is_docstart), 0)
        first, others = sentences[:alone], sentences[alone:]
        answers = iter([*self.format.answer(first), *self.format.answer(others)])
        for block, sentence in pairs:
            self.format.write(self.out, block, next(answers) if sentence else None)
        self.out.flush()
        self.sentences += len(sentences)
        self.tokens += sum(len(sentence.words) for sentence in sentences)

    def _warn_of_missing(self, sentences):
        """Warns once, at the first sentence, of columns that the input lacks."""
        first = next((sentence for sentence in sentences if not sentence.is_docstart), None)
        if self.warned or first is None:
            return
        self.warned = True
        if missing := missing_columns(self.tagger.config, sentences, self.parser.name):
            note(missing)
        has_no_tabs = self.parser.delimiter == "tab" and len(self.parser.columns) == 1
        if has_no_tabs and any(" " in word for word in first.words):
            note(
                f"{self.parser.name} has no tabs: each row is one token, its spaces included; "
                "--delimiter space reads columns that spaces separate"
            )

    def close(self, blocks):
        """Tags and writes the last blocks, and what the output format has kept until the end."""
        self.process(blocks)
        self._write_held_back()
        self.format.close(self.out)

    def report(self, timing):
        """Sentences, tokens, seconds and milliseconds per sentence, on standard error."""
        seconds = time.perf_counter() - self.started
        bad_bytes = self.parser.bad_bytes
        _report(self.tagger, self.sentences, self.tokens, seconds, bad_bytes, self.format, timing)


def _report(tagger, sentences, tokens, seconds, bad_bytes, output_format, timing):
    """Prints the figures of a run on standard error."""
    per_sentence = _per_sentence(*tagger.timings())
    note(f"{sentences:,} sentences, {tokens:,} tokens, {seconds:.2f} s{per_sentence}")
    note_bad_bytes(bad_bytes, output_format.keeps_bytes)
    if timing:
        note(_percentiles(*tagger.timings()))


def note_bad_bytes(count, are_kept=True):
    if count:
        written = "passed through unchanged" if are_kept else "written as U+FFFD"
        note(f"{count:,} bytes are not UTF-8: read as unknown characters, {written}")


def _per_sentence(seconds, counts):
    if not counts:
        return ""
    milliseconds = 1000 * sum(seconds) / sum(counts)
    return f", {milliseconds:.3f} ms a sentence in the network (without the first and -DOCSTART-)"


def _percentiles(seconds, counts):
    """A line with the percentiles of the time that sentences waited for their batch."""
    waits = sorted(1000 * wait for wait, count in zip(seconds, counts) for _ in range(count))
    if not waits:
        return "no sentence but the first: no percentiles"
    places = {percent: min(len(waits) - 1, len(waits) * percent // 100) for percent in (50, 90, 99)}
    picks = "  ".join(f"p{percent} {waits[place]:.3f}" for percent, place in places.items())
    return f"milliseconds of a sentence's batch: {picks}"


def tag_columns(tagger, args, stream, name, out, size=0, output_format=None):
    """Tags a stream of columns: bucket and bulk mode. stream, out: binary. name: the input's, in
    messages. size: bytes of the input, for the progress bar; 0: no bar.
    """
    work = ColumnTagger(tagger, name, conll.columns_of(args), out, output_format, args.delimiter)
    reader, head = conll.BlockReader(name), HeadCheck(name)
    done = 0
    progress = Progress("bytes", size) if size else None
    # read1 returns what has come so far, so that a slow pipe is answered at once.
    while data := stream.read1(READ_SIZE):
        head.feed(data)
        work.process(reader.feed(data))
        done += len(data)
        if progress:
            progress.update(done, f"{work.tokens:,} tokens")
    work.close(reader.close())
    if progress:
        progress.close()
    work.report(args.timing)


# ---------------------------------------------------------------- raw text in


def tag_lines(tagger, args, stream, name, out, output_format):
    """Tags raw text, a sentence a line, or with args.split the sentences of each: line mode. Writes
    `word pos chunk tag prediction` rows and a blank line after each sentence, or what
    output_format.write_text makes of it.

    stream, out: binary. name: the input's, in messages.
    """
    analyze = _analyzer(args.spacy_model, tagger.meta["tokenizer"])
    prompt = stream.isatty()
    sentences = tokens = bad_bytes = 0
    head = HeadCheck(name)
    started = time.perf_counter()
    for number in itertools.count(1):
        if prompt:
            print("> ", end="", file=sys.stderr, flush=True)
        line = stream.readline(MAX_LINE + 1)
        if number == 1 and line.startswith(BOM):
            if output_format.keeps_bytes:
                out.write(BOM)
            line = line.removeprefix(BOM)
        if not line:
            break
        head.feed(line)
        check_line(len(line), name, number, "a sentence")
        text = line.decode(errors="surrogateescape").removesuffix("\n").removesuffix("\r")
        bad_bytes += conll.bad_bytes(text)
        for part in _sentences_of(text) if args.split else [text]:
            analyzed = analyze(part)
            answer = None
            if analyzed.words:
                sentence = conll.Sentence(sentences + 1, analyzed.words, analyzed.pos, None, None)
                missing = "" if sentences else missing_columns(tagger.config, [sentence], name)
                if missing:
                    note(missing)
                answer = output_format.answer([sentence])[0]
                sentences += 1
                tokens += len(analyzed.words)
            output_format.write_text(out, analyzed, answer)
        out.flush()
    output_format.close(out)
    seconds = time.perf_counter() - started
    _report(tagger, sentences, tokens, seconds, bad_bytes, output_format, args.timing)


def _sentences_of(line):
    """The sentences of a line; an empty one where it has none, so that each line is answered."""
    return [line[start:end] for start, end in sentence_spans(line)] or [""]


def _analyzer(spacy_model, tokenizer="words"):
    """A function text -> TextSentence, by spaCy where it is installed with a model, else by the
    built-in tokenizer. tokenizer: the model's; one that was trained with characters takes spaCy's
    words only where --spacy_model asks for them.
    """
    if tokenizer == "characters" and not spacy_model:
        note(
            "the model was trained with characters: each is a token, and the POS, chunk and tag "
            "columns are O"
        )
        return lambda text: _plain(text, tokenizer)
    pipeline, why_not = load_spacy(spacy_model or DEFAULT_SPACY_MODEL)
    if pipeline:
        note(
            f"spaCy ({pipeline.meta['lang']}_{pipeline.meta['name']}) splits the text and fills "
            "the POS and tag columns"
        )
        return lambda text: _with_spacy(pipeline, text, tokenizer)
    if spacy_model:
        raise UserError(f"--spacy_model {spacy_model}: {why_not}, or leave the flag out")
    note(
        f"no spaCy with {DEFAULT_SPACY_MODEL} here: the built-in tokenizer splits the text, and "
        f"the POS, chunk and tag columns are O; {why_not}"
    )
    return lambda text: _plain(text, tokenizer)


def load_spacy(name):
    """(spaCy's pipeline `name`, ""); or (None, why it cannot be loaded and what helps)."""
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
    except Exception:  # whatever a spaCy raises that is too old, or damaged
        installed = ""
    models = f"with the models {installed}" if installed else "without any model that it knows of"
    return None, (
        f"{reason}; spaCy is installed {models}: name another with --spacy_model, or get this one "
        f"with `python -m spacy download {name}`"
    )


def _first_line(error):
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _plain(text, tokenizer="words"):
    spans = token_spans(text, tokenizer)
    words = [text[start:end] for start, end in spans]
    return TextSentence(text, spans, words, None, ["O"] * len(words))


def _with_spacy(pipeline, text, tokenizer="words"):
    if conll.bad_bytes(text):  # spaCy accepts UTF-8 alone
        return _plain(text, tokenizer)
    before = len(text) - len(text.lstrip())  # white space, which spaCy would make a token of
    tokens = [token for token in pipeline(text.strip()) if not token.is_space]
    pos = [token.tag_ for token in tokens]
    entities = [
        f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O" for token in tokens
    ]
    words = [token.text.replace(" ", "_") for token in tokens]
    spans = [(before + token.idx, before + token.idx + len(token.text)) for token in tokens]
    return TextSentence(text, spans, words, pos if all(pos) else None, entities)
