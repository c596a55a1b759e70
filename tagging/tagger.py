"""Tagger: a trained model as an object, for the commands and for notebooks."""

import array
import functools
import os
import time
import warnings
from typing import NamedTuple

import numpy as np

import checkpoint
import conll
import schemes
import tagset
from cli import UserError
from features.feed import tagging_batches
from features.tokens import FEATURES, used_features
from scoring import chunks as chunks_module
from scoring.chunks import percentages, trained_reading
from tagging import confidence
from tagging.trained import feeder_of, load, open_graph

WORDS_KEPT = 50_000  # distinct words whose ids are remembered


class MissingColumns(UserWarning):
    """The sentences lack columns that the model was trained with: see missing_columns."""


def missing_columns(config, sentences, whose):
    """The line about columns that the model of this Config was trained with and some of the
    conll.Sentences lack; '' where none is missing, or the model was trained with feature_drop.

    whose: the name of the input.
    """
    real = [each for each in sentences if each.words and not each.is_docstart]
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
    """The line for the end of a training: '' where the model needs no columns but the words."""
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
    probabilities: (
        list  # of the tag that the model gave the token, in the scheme in which it learned
    )
    entities: list  # (start, end, type, probability), end exclusive


class Figures(NamedTuple):
    """Precision, recall and F1 in percent; support: how many entities there are in the gold tags."""

    precision: float
    recall: float
    f1: float
    support: int


class Report(NamedTuple):
    """Scores of a Tagger on sentences. accuracy: of all tokens, in percent. print() shows it as a
    table.
    """

    total: Figures
    types: dict  # {entity type: Figures}, sorted
    accuracy: float

    def __str__(self):
        rows = [*self.types.items(), ("all", self.total)]
        width = max(len(name) for name, _ in rows)
        lines = [f"{'':{width}}  precision  recall      F1  support"]
        lines += [
            f"{name:{width}}  {each.precision:9.2f}  {each.recall:6.2f}  {each.f1:6.2f}  {each.support:7}"
            for name, each in rows
        ]
        return "\n".join(lines)


class Tagger:
    """Tags sentences; Tagger.load makes one, with a graph and a session of its own.

    From Python: predict, predict_entities and evaluate take lists of words, with their POS and
    chunk tags where the model knows them (without those: a MissingColumns warning, once), or
    conll.Sentences. A model with bert_context reads each list as a document. The commands give
    conll.Sentences to tag, confident, nbest and log_probabilities.

    run: {input name: array} -> tag ids, int32 (batch, sentence). graph: the Graph of a checkpoint,
    from which all but tag() and predict() need the scores; None for an exported one. prefix: the
    checkpoint, for those who train on from it.
    """

    def __init__(self, run, config, meta, feeder, graph=None, prefix="", temperature=1.0):
        self.run, self.config, self.meta, self.feeder = run, config, meta, feeder
        self.graph, self.prefix, self.temperature = graph, prefix, temperature
        self.seconds, self.counts = (
            array.array("d"),
            array.array("i"),
        )  # of each batch; its sentences
        self.warned = False  # of missing columns

    @classmethod
    def load(
        cls,
        path,
        batch_size=64,
        max_batch_tokens=4000,
        constrained=False,
        threads=0,
        trust=False,
        temperature=1.0,
    ):
        """From a checkpoint's folder or prefix. trust: import the encoder where it is the user's
        own code. Raises UserError.

        temperature: what scores are divided by before they become probabilities; it changes no tag.
        etc/calibration.py fits it.
        """
        from tf1 import callable_of, quiet

        prefix = checkpoint.resolve(os.fspath(path))
        trained = load(
            prefix, constrained, batch_size=batch_size, max_batch_tokens=max_batch_tokens
        )
        meta, config = trained.meta, trained.config
        feeder = feeder_of(meta, config, trained.emb, limit=WORDS_KEPT)
        graph = open_graph(trained, feeder, threads, trust)
        with quiet():
            run = callable_of(
                graph.session, graph.model.logits_indices, graph.model.inputs, feeder.smallest()
            )
        return cls(run, config, meta, feeder, graph, prefix, temperature)

    def save(self, path):
        """Writes a whole checkpoint into the folder `path`, which is made where it is missing:
        Tagger.load takes it.
        """
        checkpoint.save(
            os.path.join(path, checkpoint.MODEL),
            self.graph.session,
            self.graph.saver,
            self.meta,
            self.feeder.emb,
        )

    # ------------------------------------------------------------ lists of words

    def predict(self, sentences, pos=None, chunks=None):
        """Lists of words -> a list of tags for each, in the scheme of the training data. pos,
        chunks: lists of lists, too.
        """
        return self.tag(self._given(sentences, pos, chunks))

    def predict_entities(self, sentences, pos=None, chunks=None):
        """Lists of words -> a list of Entity for each."""
        given = self._given(sentences, pos, chunks)
        return [
            [
                Entity(kind, start, end, " ".join(sentence.words[start:end]), score)
                for start, end, kind, score in found.entities
            ]
            for sentence, found in zip(given, self.confident(given))
        ]

    def evaluate(self, sentences, tags=None, pos=None, chunks=None):
        """Lists of words, and of their gold tags in the scheme of the training data -> Report.

        Warns of gold tags that are probably not meant as they are read. Raises UserError.
        """
        scheme = self.meta["data_scheme"]
        given = self._given(sentences, pos, chunks, tags)
        if any(sentence.tags is None for sentence in given):
            raise UserError(
                "evaluate: expected gold tags beside the words, a list for each sentence"
            )
        reading = trained_reading(scheme)
        try:
            scores = chunks_module.score(
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
        """What is probably not meant among gold tags: a list of lines. Raises UserError for tags
        with which nobody can train.
        """
        scheme, parts = self.meta["data_scheme"], [("evaluate", sentences)]
        tags, places = tagset.collect(parts, by_value=True)
        tagset.check(places)
        if scheme == schemes.RAW:
            lines, name = tagset.train_lines(tags, places, scheme), str
        else:
            mixed = tagset.mixed_schemes(parts, scheme, "the model's tags")
            lines, name = [mixed] if mixed else [], lambda tag: schemes.split_tag(tag)[1]
        known = dict.fromkeys(map(name, self.feeder.emb.tags))
        strange = {name(tag): place for tag, place in places.items() if name(tag) not in known}
        if strange:
            lines.append(
                f"{next(iter(strange.values()))}: the model has no {', '.join(strange)}, which count "
                f"as errors; it has {' '.join(filter(None, known))}"
            )
        return lines

    def _given(self, *columns):
        """_sentences; the first time that they lack a column, a warning about it."""
        given = _sentences(*columns)
        missing = "" if self.warned else missing_columns(self.config, given, "the input")
        if missing:
            self.warned = True
            warnings.warn(missing, MissingColumns, stacklevel=3)
        return given

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
        found = [
            Confident(["O"] * len(sentence.words), [1.0] * len(sentence.words), [])
            for sentence in sentences
        ]
        for places, lengths, ids, chain in self._chains(sentences):
            of_tags = confidence.marginals(chain)
            rows = [row[:length] for row, length in zip(ids.tolist(), lengths)]
            spans = [(k, *span) for k, row in enumerate(rows) for span in self._entities(row)]
            for k, (place, row) in enumerate(zip(places, rows)):
                found[place] = Confident(
                    self._names(row), of_tags[k, range(len(row)), row].tolist(), []
                )
            for (k, *span), probability in zip(
                spans, confidence.entity_probabilities(chain, spans, self.edges).tolist()
            ):
                found[places[k]].entities.append((*span, probability))
        return found

    def nbest(self, sentences, count):
        """For each sentence its `count` best tag sequences, or all where there are fewer:
        (probability, tags), the best first. Raises UserError for a count above confidence.MAX_NBEST.
        """
        confidence.check_count(count, "nbest")
        found = [[(1.0, ["O"] * len(sentence.words))] for sentence in sentences]
        for places, lengths, _, chain in self._chains(sentences):
            paths, logs = confidence.nbest(chain, count)
            for place, length, rows, log in zip(places, lengths, paths.tolist(), logs):
                there = zip(np.exp(log).tolist(), rows[: np.isfinite(log).sum()])
                found[place] = [
                    (probability, self._names(row[:length])) for probability, row in there
                ]
        return found

    def log_probabilities(self, sentences):
        """log p(tags | sentence) of the tags that tag() gives each sentence."""
        found = [0.0] * len(sentences)
        for places, _, ids, chain in self._chains(sentences):
            for place, value in zip(
                places, confidence.sequence_log_probability(chain, ids).tolist()
            ):
                found[place] = value
        return found

    # ------------------------------------------------------------ the network

    def in_batches(self, sentences, run):
        """Runs the sentences in batches, but -DOCSTART- and empty ones: yields (their indices,
        their lengths, *results).
        """
        if self.config.bert_context:
            sentences = conll.in_documents(sentences)
        places = [
            i for i, sentence in enumerate(sentences) if sentence.words and not sentence.is_docstart
        ]
        self.feeder.table.trim()
        examples = [self.feeder.encode(sentences[i]) for i in places]
        for batch, size, length in tagging_batches(
            [len(example) for example in examples], self.config
        ):
            filled = batch + batch[-1:] * (size - len(batch))
            started = time.perf_counter()
            results = run(self.feeder.batch([examples[k] for k in filled], length=length))
            self.seconds.append(time.perf_counter() - started)
            self.counts.append(len(batch))
            yield [places[k] for k in batch], [len(examples[k]) for k in batch], results

    def timings(self):
        """Seconds of each batch, and how many sentences it had; without the first, which pays for
        the start.
        """
        return self.seconds[1:], self.counts[1:]

    @functools.cached_property
    def scores(self):
        """`run` with the emission scores: -> [int32 (batch, sentence), float32 (batch, sentence,
        tags)].
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
        """in_batches, with the scores as a Chain: yields (indices of sentences, their lengths, tag
        ids, Chain).
        """
        for places, lengths, (ids, logits) in self.in_batches(sentences, self.scores):
            count, longest = len(places), max(lengths)
            yield (
                places,
                lengths,
                ids[:count, :longest],
                confidence.chain(
                    logits[:count, :longest],
                    lengths,
                    self.transitions,
                    self.graph.legal,
                    self.temperature,
                ),
            )

    def _names(self, ids):
        names = self.meta["tags"]
        return schemes.convert(
            [names[i] for i in ids], self.meta["tag_scheme"], self.meta["data_scheme"]
        )

    def _entities(self, ids):
        return schemes.entities([self.meta["tags"][i] for i in ids], self.meta["tag_scheme"])


def _sentences(given, pos=None, chunks=None, tags=None):
    """Lists of words, or conll.Sentences, and columns beside them -> conll.Sentences, numbered from
    1. Raises UserError.
    """
    sentences = [
        each if isinstance(each, conll.Sentence) else conll.Sentence(0, each, None, None, None)
        for each in given
    ]
    for name, column in (("pos", pos), ("chunks", chunks), ("tags", tags)):
        cells = [getattr(each, name) for each in sentences] if column is None else list(column)
        if len(cells) != len(sentences):
            raise UserError(
                f"{len(sentences)} sentences and {len(cells)} of {name}, expected as many of them"
            )
        sentences = [each._replace(**{name: own}) for each, own in zip(sentences, cells)]
    return [_checked(each._replace(first_line=i)) for i, each in enumerate(sentences, 1)]


def _checked(sentence):
    if isinstance(sentence.words, str) or not all(isinstance(word, str) for word in sentence.words):
        raise UserError(
            f"sentence {sentence.first_line}: {str(sentence.words)[:60]!r}, expected a list of words; "
            "tokenizer.tokenize splits a text into words"
        )
    for name in ("pos", "chunks", "tags"):
        column = getattr(sentence, name)
        if column is not None and len(column) != len(sentence.words):
            raise UserError(
                f"sentence {sentence.first_line}: {len(sentence.words)} words and {len(column)} {name}, expected as many of them"
            )
    return sentence


def _figures(correct, found, gold):
    return Figures(*percentages(correct, found, gold), gold)
