"""Tagger: a trained model as an object, for the commands and for notebooks."""

import array
import functools
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

import checkpoint
import conll
import schemes
from cli import UserError
from features.feed import tagging_batches
from features.tokens import FEATURES, used_features
from tagging import confidence
from tagging.text import TextEntities, TextReading, check_offsets, find, nbest
from tagging.trained import feeder_of, load, open_graph

WORDS_KEPT = 50_000  # distinct words whose ids are remembered


class MissingColumns(UserWarning):
    """The sentences lack columns that the model was trained with; see missing_columns."""


def missing_columns(config, sentences, whose):
    """A line about columns that the model of this Config was trained with and some of the
    conll.Sentences lack. It is '' where none is missing, or the model was trained with
    feature_drop.

    whose: the name of the input.
    """
    real = [sentence for sentence in sentences if sentence.words and not sentence.is_docstart]
    missing = [
        feature.column
        for feature in FEATURES
        if feature.column in trained_columns(config)
        and any(getattr(sentence, feature.cells) is None for sentence in real)
    ]
    if not missing:
        return ""
    return (
        f"the model was trained with the {' and '.join(missing)} column, which {whose} lacks: "
        "tags will be worse, unless it was trained with feature_drop"
    )


def trained_columns(config):
    """Of the pos and chunk columns those that a model of this Config cannot do well without."""
    columns = [feature.column for feature in used_features(config) if feature.column]
    return [] if config.feature_drop else columns


def columns_note(config):
    """A line for the end of a training; '' where the model needs no columns but the words."""
    names = trained_columns(config)
    if not names:
        return ""
    return (
        f"the model was trained with the {' and '.join(names)} column: where the input lacks it, "
        "tags will be worse; training with --feature_drop 0.3 helps"
    )


class Entity(NamedTuple):
    """Words start to end - 1 of a sentence. text: those words, joined by spaces. score: its
    probability (see confidence.py).
    """

    type: str
    start: int
    end: int
    text: str
    score: float


class Confident(NamedTuple):
    """A sentence's tags and how sure the model is of them."""

    tags: list  # in the scheme of the training data
    probabilities: list  # of the tag that the model gave each token, in the model's own scheme
    entities: list  # (start, end, type, probability), end exclusive


class Figures(NamedTuple):
    """Precision, recall and F1 in percent; support: the number of entities in the gold tags."""

    precision: float
    recall: float
    f1: float
    support: int


class Report(NamedTuple):
    """Scores of a Tagger on sentences; str() of it is a table. accuracy: the share of tokens with
    the right tag, in percent.
    """

    total: Figures
    types: dict  # {entity type: Figures}, sorted
    accuracy: float

    def __str__(self):
        rows = [*self.types.items(), ("all", self.total)]
        width = max(len(name) for name, _ in rows)
        lines = [f"{'':{width}}  precision  recall      F1  support"]
        lines += [
            f"{name:{width}}  {row.precision:9.2f}  {row.recall:6.2f}  {row.f1:6.2f}  "
            f"{row.support:7}"
            for name, row in rows
        ]
        return "\n".join(lines)


Columns = Iterable[Sequence[str] | None]  # a sentence's cells, one for each word
Words = Iterable[Sequence[str] | conll.Sentence]


class Tagger:
    """Tags sentences. Tagger.load makes one from a checkpoint, with a graph and a session of its
    own.

    predict, predict_entities and evaluate are for Python: they take lists of words, with POS and
    chunk tags where the model was trained with them (a MissingColumns warning, once, where they are
    missing), or conll.Sentences. A model with bert_context reads each list as a document. The
    commands give conll.Sentences to tag, confident, nbest and log_probabilities.

    run: a function {input name: array} -> tag ids, int32 (batch, sentence). graph: the Graph of a
    checkpoint, whose scores all methods but tag() and predict() need; None for an exported graph.
    prefix: that of the checkpoint, for trainings that start from it.
    """

    history: list[dict[str, Any]]  # the scores by epoch, where training.fit made it

    def __init__(self, run, config, meta, feeder, graph=None, prefix="", temperature=1.0):
        self.run, self.config, self.meta, self.feeder = run, config, meta, feeder
        self.graph, self.prefix, self.temperature = graph, prefix, temperature
        self.seconds = array.array("d")  # that each batch took
        self.counts = array.array("i")  # sentences of each batch
        self.warned = False  # whether there was a warning of missing columns

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        batch_size: int = 64,
        max_batch_tokens: int = 4000,
        constrained: bool = False,
        threads: int = 0,
        trust: bool = False,
        temperature: float = 1.0,
    ) -> "Tagger":
        """A Tagger from a checkpoint's folder or prefix. Raises UserError.

        batch_size and max_batch_tokens: the largest batch, in sentences and in tokens. constrained:
        decode well-formed tag sequences only. threads: 0: one for each core. trust: import the
        encoder where it is the user's own code. temperature: what scores are divided by before
        they become probabilities; it changes no tag, and etc/calibration.py fits it.
        """
        from tf1 import callable_of

        prefix = checkpoint.resolve(os.fspath(path))
        trained = load(
            prefix, constrained, batch_size=batch_size, max_batch_tokens=max_batch_tokens
        )
        meta, config = trained.meta, trained.config
        feeder = feeder_of(meta, config, trained.emb, limit=WORDS_KEPT)
        graph = open_graph(trained, feeder, threads, trust)
        run = callable_of(
            graph.session, graph.model.logits_indices, graph.model.inputs, feeder.smallest()
        )
        return cls(run, config, meta, feeder, graph, prefix, temperature)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a checkpoint that Tagger.load takes into the folder `path`, which is made where it
        is missing.
        """
        checkpoint.save(
            os.path.join(path, checkpoint.MODEL),
            self.graph.session,
            self.graph.saver,
            self.meta,
            self.feeder.emb,
        )

    # ------------------------------------------------------------ texts

    def __call__(
        self,
        text: str | bytes,
        *,
        split: bool = False,
        offsets: str = "codepoints",
        scores: bool = True,
    ) -> TextEntities:
        """The entities of a text, from left to right: a list of TextEntity whose `tokens` is how
        many tokens the text has. Raises UserError.

        The text is split into words, or characters, as the training data were. Each line is a
        sentence. split: a line may have several, by Unicode's rules and abbreviations. offsets:
        what start and end count of the text as it is given: "codepoints", "utf16" or "bytes" of
        UTF-8. scores: with probabilities, which an exported graph does not have. text: a byte that
        is not UTF-8 is an unknown character, in TextEntity.text a lone surrogate.
        """
        (found,) = self.pipe([text], split=split, offsets=offsets, scores=scores)
        return found

    def pipe(
        self,
        texts: Iterable[str | bytes],
        *,
        split: bool = False,
        offsets: str = "codepoints",
        scores: bool = True,
        batch: int = 256,
    ) -> Iterator[TextEntities]:
        """The entities of each text, in order: the same as the tagger's own call of each, and
        quicker. It reads `batch` texts at a time, at most.
        """
        check_offsets(offsets)
        if isinstance(texts, (str, bytes)):
            raise UserError(f"texts: {texts[:60]!r}, expected an iterable of str")
        if batch < 1:
            raise UserError(f"batch {batch}: expected at least 1")
        return find(self, texts, split, offsets, scores, batch)

    def nbest_text(
        self, text: str | bytes, count: int, *, offsets: str = "codepoints"
    ) -> list[TextReading]:
        """The `count` most probable readings of a text that is one sentence, or all where there are
        fewer, the best first. Raises UserError, also where several lines have words.
        """
        check_offsets(offsets)
        confidence.check_count(count, "nbest_text")
        return nbest(self, text, count, offsets)

    # ------------------------------------------------------------ lists of words

    def predict(
        self, sentences: Words, pos: Columns | None = None, chunks: Columns | None = None
    ) -> list[list[str]]:
        """Lists of words -> a list of tags for each, in the scheme of the training data. pos,
        chunks: lists of tags, one for each list of words.
        """
        return self.tag(self._as_sentences(sentences, pos, chunks))

    def predict_entities(
        self, sentences: Words, pos: Columns | None = None, chunks: Columns | None = None
    ) -> list[list[Entity]]:
        """Lists of words -> a list of Entity for each."""
        given = self._as_sentences(sentences, pos, chunks)
        return [
            [
                Entity(kind, start, end, " ".join(sentence.words[start:end]), score)
                for start, end, kind, score in found.entities
            ]
            for sentence, found in zip(given, self.confident(given))
        ]

    def evaluate(
        self,
        sentences: Words,
        tags: Columns | None = None,
        pos: Columns | None = None,
        chunks: Columns | None = None,
    ) -> Report:
        """Lists of words, and of their gold tags in the scheme of the training data -> Report.

        Warns of gold tags that are probably not meant as they are read. Raises UserError.
        """
        from scoring import chunks as scoring_chunks

        scheme = self.meta["data_scheme"]
        given = self._as_sentences(sentences, pos, chunks, tags)
        if any(sentence.tags is None for sentence in given):
            raise UserError(
                "evaluate: expected gold tags beside the words, a list for each sentence"
            )
        reading = scoring_chunks.trained_reading(scheme)
        try:
            scores = scoring_chunks.score(
                [sentence.tags for sentence in given], self.tag(given), **reading, warn=False
            )
        except ValueError as error:
            raise UserError(
                f"evaluate: {error}; the model's tags are {' '.join(self.feeder.emb.tags)}"
            ) from None
        for line in self._gold_lines(given):
            warnings.warn(line, stacklevel=2)
        types = {
            kind: _figures(*scores.of(kind)) for kind in sorted({*scores.phrases, *scores.found})
        }
        return Report(_figures(*scores.totals), types, scores.accuracy)

    def _gold_lines(self, sentences):
        """Lines about gold tags that are probably not meant as they are read. Raises UserError for
        tags that tagset.check refuses.
        """
        import tagset

        scheme, parts = self.meta["data_scheme"], [("evaluate", sentences)]
        tags, places = tagset.collect(parts, by_value=True)
        tagset.check(places)
        if scheme == schemes.RAW:
            lines, name = tagset.train_lines(tags, places, scheme), lambda tag: tag
        else:
            mixed = tagset.mixed_schemes(parts, scheme, "the model's tags")
            lines, name = [mixed] if mixed else [], lambda tag: schemes.split_tag(tag)[1]
        known = dict.fromkeys(map(name, self.feeder.emb.tags))
        strange = {name(tag): place for tag, place in places.items() if name(tag) not in known}
        if strange:
            lines.append(
                f"{next(iter(strange.values()))}: the model has no {', '.join(strange)}, which "
                f"count as errors; it has {' '.join(filter(None, known))}"
            )
        return lines

    def _as_sentences(self, *columns):
        """What the module's _as_sentences gives; warns the first time that a column is missing."""
        given = _as_sentences(*columns)
        self.warn_of_missing(given)
        return given

    def warn_of_missing(self, sentences):
        """Warns the first time that conll.Sentences lack a column."""
        missing = "" if self.warned else missing_columns(self.config, sentences, "the input")
        if missing:
            self.warned = True
            warnings.warn(missing, MissingColumns, stacklevel=4)

    # ------------------------------------------------------------ conll.Sentences
    # A -DOCSTART- sentence is not run: its tag is O, with probability 1.

    def tag(self, sentences: Sequence[conll.Sentence]) -> list[list[str]]:
        """A list of tags for each sentence, in the scheme of the training data."""
        tags = [["O"] * len(sentence.words) for sentence in sentences]
        for places, lengths, ids in self.in_batches(sentences, self.run):
            for place, length, row in zip(places, lengths, ids.tolist()):
                tags[place] = self._names(row[:length])
        return tags

    def entities(self, sentences: Sequence[conll.Sentence]) -> list[list[tuple[int, int, str]]]:
        """The entities of the tags that tag() gives each sentence, as (start, end, type) in words,
        end exclusive.
        """
        scheme = self.meta["data_scheme"]
        return [list(schemes.entities(tags, scheme)) for tags in self.tag(sentences)]

    def confident(self, sentences: Sequence[conll.Sentence]) -> list[Confident]:
        """A Confident for each sentence: the tags are those of tag()."""
        found = [
            Confident(["O"] * len(sentence.words), [1.0] * len(sentence.words), [])
            for sentence in sentences
        ]
        for places, lengths, ids, chain in self._chains(sentences):
            of_tags = confidence.marginals(chain)
            rows = [row[:length] for row, length in zip(ids.tolist(), lengths)]
            spans = [(k, *span) for k, row in enumerate(rows) for span in self._entities(row)]
            for k, (place, row) in enumerate(zip(places, rows)):
                probabilities = of_tags[k, range(len(row)), row].tolist()
                found[place] = Confident(self._names(row), probabilities, [])
            of_spans = confidence.entity_probabilities(chain, spans, self.edges)
            for (k, *span), probability in zip(spans, of_spans.tolist()):
                found[places[k]].entities.append((*span, probability))
        return found

    def nbest(
        self, sentences: Sequence[conll.Sentence], count: int
    ) -> list[list[tuple[float, list[str]]]]:
        """For each sentence its `count` best tag sequences, or all where there are fewer, as
        (probability, tags), the best first. Raises UserError for a count below 1 or above
        confidence.MAX_NBEST.
        """
        confidence.check_count(count, "nbest")
        found = [[(1.0, ["O"] * len(sentence.words))] for sentence in sentences]
        for places, lengths, _, chain in self._chains(sentences):
            paths, logs = confidence.nbest(chain, count)
            for place, length, rows, log in zip(places, lengths, paths.tolist(), logs):
                existing = zip(np.exp(log).tolist(), rows[: np.isfinite(log).sum()])
                found[place] = [
                    (probability, self._names(row[:length])) for probability, row in existing
                ]
        return found

    def log_probabilities(self, sentences: Sequence[conll.Sentence]) -> list[float]:
        """log p(tags | sentence) of the tags that tag() gives each sentence."""
        found = [0.0] * len(sentences)
        for places, _, ids, chain in self._chains(sentences):
            values = confidence.sequence_log_probability(chain, ids)
            for place, value in zip(places, values.tolist()):
                found[place] = value
        return found

    # ------------------------------------------------------------ the network

    def in_batches(self, sentences, run):
        """Runs `run` on the sentences in batches, except -DOCSTART- and empty ones. Yields (indices
        of the batch's sentences, their lengths, what `run` returned).
        """
        if self.config.bert_context:
            sentences = conll.in_documents(sentences)
        places = [
            i for i, sentence in enumerate(sentences) if sentence.words and not sentence.is_docstart
        ]
        self.feeder.table.trim()
        examples = [self.feeder.encode(sentences[i]) for i in places]
        sizes = [len(example) for example in examples]
        for batch, size, length in tagging_batches(sizes, self.config):
            filled = batch + batch[-1:] * (size - len(batch))
            started = time.perf_counter()
            results = run(self.feeder.batch([examples[k] for k in filled], length=length))
            self.seconds.append(time.perf_counter() - started)
            self.counts.append(len(batch))
            yield [places[k] for k in batch], [sizes[k] for k in batch], results

    def timings(self) -> tuple[Sequence[float], Sequence[int]]:
        """(seconds of each batch, sentences of each batch), without the first batch, which includes
        what the session prepares once.
        """
        return self.seconds[1:], self.counts[1:]

    @functools.cached_property
    def scores(self):
        """A function like `run` that returns [tag ids, int32 (batch, sentence); emission scores,
        float32 (batch, sentence, tags)].
        """
        from tf1 import callable_of

        model = self.graph.model
        return callable_of(
            self.graph.session,
            [model.logits_indices, model.logits],
            model.inputs,
            self.feeder.smallest(),
        )

    @functools.cached_property
    def transitions(self):
        """float32 (tags, tags), zeros without a CRF."""
        return self.graph.session.run(self.graph.model.transitions)

    @functools.cached_property
    def edges(self):
        return confidence.edges(self.meta["tags"], self.meta["tag_scheme"])

    def _chains(self, sentences):
        """Runs the sentences in batches, see in_batches. Yields (indices of the batch's sentences,
        their lengths, tag ids, the scores as a Chain).
        """
        for places, lengths, (ids, logits) in self.in_batches(sentences, self.scores):
            count, longest = len(places), max(lengths)
            chain = confidence.chain(
                logits[:count, :longest],
                lengths,
                self.transitions,
                self.graph.legal,
                self.temperature,
            )
            yield places, lengths, ids[:count, :longest], chain

    def _names(self, ids):
        names = self.meta["tags"]
        return schemes.convert(
            [names[i] for i in ids], self.meta["tag_scheme"], self.meta["data_scheme"]
        )

    def _entities(self, ids):
        return schemes.entities([self.meta["tags"][i] for i in ids], self.meta["tag_scheme"])


def _as_sentences(given, pos=None, chunks=None, tags=None):
    """Lists of words, or conll.Sentences, and columns beside them -> conll.Sentences, numbered from
    1. Raises UserError.
    """
    sentences = [
        one if isinstance(one, conll.Sentence) else conll.Sentence(0, one, None, None, None)
        for one in given
    ]
    for name, column in (("pos", pos), ("chunks", chunks), ("tags", tags)):
        if column is None:
            continue
        cells = list(column)
        if len(cells) != len(sentences):
            raise UserError(
                f"{len(sentences)} sentences and {len(cells)} of {name}, expected as many of them"
            )
        sentences = [sentence._replace(**{name: own}) for sentence, own in zip(sentences, cells)]
    sentences = [sentence._replace(first_line=i) for i, sentence in enumerate(sentences, 1)]
    for sentence in sentences:
        _check(sentence)
    return sentences


def _check(sentence):
    """Raises UserError for words that are no list of str, and for a column of another length."""
    if isinstance(sentence.words, str) or not all(isinstance(word, str) for word in sentence.words):
        raise UserError(
            f"sentence {sentence.first_line}: {str(sentence.words)[:60]!r}, expected a list of "
            "words; features.tokenizer.tokenize splits a text into words"
        )
    for name in ("pos", "chunks", "tags"):
        column = getattr(sentence, name)
        if column is not None and len(column) != len(sentence.words):
            raise UserError(
                f"sentence {sentence.first_line}: {len(sentence.words)} words and {len(column)} "
                f"{name}, expected as many of them"
            )


def _figures(correct, found, gold):
    from scoring.chunks import percentages

    return Figures(*percentages(correct, found, gold), gold)
