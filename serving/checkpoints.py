"""Serves checkpoints, which TensorFlow runs."""

import contextlib
import threading
import warnings

import conll
import schemes
from cli import UserError
from files.text import HeadCheck
from serving.texts import Mistake
from tagging.output import OutputFormat, write_columns
from tagging.streams import READ_SIZE, ColumnTagger
from tagging.tagger import MissingColumns, Tagger, trained_columns
from tagging.text import read_sentences


class Checkpoint:
    """A model that TensorFlow runs, one call at a time. Its methods are those of models.Engine."""

    quick = False

    def __init__(self, name, path, threads, trust):
        warnings.simplefilter("ignore", MissingColumns)  # GET /model lists the columns
        self.name, self.path = name, path
        self.tagger = Tagger.load(path, threads=threads, trust=trust)
        self.tokenizer = self.tagger.meta["tokenizer"]
        self.lock = threading.Lock()  # a Tagger caches words, which is not safe with many threads
        self.tagger.predict([["a"]])  # the first call of TensorFlow is slow

    def entities(self, texts, split, offsets, scores):
        with self.lock, _mistakes():
            return list(self.tagger.pipe(texts, split=split, offsets=offsets, scores=scores))

    def sentences(self, text, split):
        return read_sentences(text, self.tokenizer, split)

    def tagged(self, text, split):
        sentences = self.sentences(text, split)
        words = [[text[start:end] for start, end in sentence] for sentence in sentences]
        return sentences, self.tags(words)

    def nbest(self, text, count, offsets):
        with self.lock, _mistakes():
            return self.tagger.nbest_text(text, count, offsets=offsets)

    def tags(self, sentences, pos=None):
        with self.lock, _mistakes():
            return self.tagger.predict(sentences, pos)

    def confident(self, words, pos=None):
        with self.lock, _mistakes():
            sentence = conll.Sentence(1, words, pos, None, None)
            return self.tagger.confident([sentence])[0].entities

    def tag_columns(self, source, sink, columns, delimiter):
        def answer(sentences):
            with self.lock:
                return [(tags,) for tags in self.tagger.tag(sentences)]

        with (
            _mistakes(),
            open(source, "rb", 0, closefd=False) as given,
            open(sink, "wb", closefd=False) as taken,
        ):
            work = ColumnTagger(
                self.tagger,
                "body",
                conll.parse_columns(columns, delimiter) if columns else None,
                taken,
                OutputFormat(answer, write_columns),
                delimiter or "",
            )
            work.warned = True  # nobody reads its warnings here
            reader, head = conll.BlockReader("body"), HeadCheck("body")
            while data := given.read(READ_SIZE):
                head.feed(data)
                work.process(reader.feed(data))
            work.close(reader.close())

    def info(self):
        meta = self.tagger.meta
        types = set()
        if meta["data_scheme"] != schemes.RAW:  # raw tags mark no entities
            types = {schemes.split_tag(tag)[1] for tag in meta["tags"]}
        return {
            "name": self.name,
            "kind": "tensorflow",
            "version": meta["digest"],
            "tokenizer": self.tokenizer,
            "types": sorted(filter(None, types)),
            "tags": list(meta["tags"]),
            "columns": ["word", *trained_columns(self.tagger.config)],
        }


@contextlib.contextmanager
def _mistakes():
    """Raises Mistake in place of the UserError that the toolkit raises for a bad input."""
    try:
        yield
    except UserError as error:
        raise Mistake(str(error)) from None
