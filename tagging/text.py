"""From texts to entities: splits texts into sentences and tokens, tags them, and finds the places
of entities in the text. C++ does the same in inference/cc/tagging/texts.cc.
"""

import itertools
import re
from typing import NamedTuple

import conll
import schemes
from cli import UserError
from features.sentences import sentence_spans
from features.tokenizer import token_spans
from tagging.output import entities_of

UNITS = ("codepoints", "utf16", "bytes")  # of offsets
MOST_CHARACTERS = 1 << 20  # a batch ends with the text that reaches this number
_MARK = "\ufeff"  # a byte order mark
_LONE = re.compile("[\ud800-\udfff]")  # a lone surrogate: a byte that is not UTF-8; counts as one
_WIDE = re.compile("[\U00010000-\U0010ffff]")  # two units of UTF-16


class TextEntity(NamedTuple):
    """An entity of a text.

    start, end: its place in the text, end exclusive, in the unit of the call's `offsets`. text: the
    text from start to end. score: its probability (see confidence.py); None with scores=False.
    """

    type: str
    start: int
    end: int
    text: str
    score: float | None


class TextEntities(list):
    """The entities of a text, from left to right, and in `tokens` how many tokens the text has."""

    __slots__ = ("tokens",)

    def __init__(self, entities=(), tokens=0):
        super().__init__(entities)
        self.tokens = tokens


class TextReading(NamedTuple):
    """One of the n best readings of a text: its probability, and its entities without scores."""

    probability: float
    entities: list[TextEntity]


def check_offsets(offsets):
    """Raises UserError for an unknown unit."""
    if offsets not in UNITS:
        raise UserError(f"offsets {offsets!r}: expected one of {', '.join(UNITS)}")


def decoded(text, number):
    """A text (str or bytes) as a str; a byte that is not UTF-8 becomes a lone surrogate.

    number: the text's number from 1, for messages. Raises UserError for any other type.
    """
    if isinstance(text, bytes):
        return text.decode(errors="surrogateescape")
    if not isinstance(text, str):
        raise UserError(f"text {number}: {str(text)[:60]!r}, expected a str or bytes")
    return text


def read_sentences(text, tokenizer, split):
    """The sentences of a text: for each, a list of the (start, end) of its tokens in code points.

    tokenizer: one of features.tokenizer.TOKENIZERS. split: a line may have several sentences (see
    features/sentences.py); otherwise each line is one. A byte order mark at the beginning of the
    text belongs to no token.
    """
    found, start = [], len(_MARK) if text.startswith(_MARK) else 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        parts = [(start, end)]
        if split:
            parts = [(start + a, start + b) for a, b in sentence_spans(text[start:end])]
        found += [token_spans(text, tokenizer, *part) for part in parts]
        start = end + 1
    return [spans for spans in found if spans]


class Places:
    """Converts places in a text from code points into another unit of UNITS.

    Places must be asked for in ascending order; all together they take linear time.
    """

    def __init__(self, text, offsets):
        self.text, self.offsets, self.at, self.units = text, offsets, 0, 0

    def units_before(self, place):
        """The number of units before a place (in code points)."""
        part = self.text[self.at : place]
        self.units += len(part)
        if not part.isascii():
            if self.offsets == "utf16":
                self.units += len(_WIDE.findall(part))
            elif self.offsets == "bytes":
                self.units += len(_LONE.sub("?", part).encode()) - len(part)
        self.at = place
        return self.units


def text_entities(text, sentences, entities, offsets):
    """The entities of a text as TextEntities, in the unit `offsets`.

    sentences: as read_sentences returns them. entities: for each sentence a list of (start, end,
    type) or (start, end, type, probability), where start and end count tokens.
    """
    places, found = Places(text, offsets), TextEntities(tokens=sum(map(len, sentences)))
    for spans, of_sentence in zip(sentences, entities):
        for first, last, kind, *score in of_sentence:
            start, end = spans[first][0], spans[last - 1][1]
            begin = places.units_before(start)
            found.append(
                TextEntity(kind, begin, places.units_before(end), text[start:end], *score or [None])
            )
    return found


def find(tagger, texts, split, offsets, scores, batch):
    """Yields the TextEntities of each text, in order; Tagger.pipe explains the parameters.

    batch: the most texts that are read at a time.
    """
    numbered = enumerate(texts, 1)
    while taken := _take(numbered, batch):
        # each text is a document for a model with document context
        size = 1 if tagger.config.bert_context else len(taken)
        for at in range(0, len(taken), size):
            group = taken[at : at + size]
            parts = [read_sentences(text, tagger.meta["tokenizer"], split) for text in group]
            answers = iter(_answers(tagger, group, parts, scores))
            for text, part in zip(group, parts):
                yield text_entities(text, part, itertools.islice(answers, len(part)), offsets)


def _take(numbered, batch):
    taken, size = [], 0
    for number, text in numbered:
        taken.append(decoded(text, number))
        size += len(taken[-1])
        if len(taken) >= batch or size >= MOST_CHARACTERS:
            break
    return taken


def _answers(tagger, texts, parts, scores):
    """The entities of each sentence of all texts, in order. parts: the sentences of each text."""
    sentences = [_sentence(text, spans) for text, part in zip(texts, parts) for spans in part]
    tagger.warn_of_missing(sentences)
    return entities_of(tagger, sentences, scores)


def nbest(tagger, text, count, offsets):
    """See Tagger.nbest_text."""
    text = decoded(text, 1)
    part = read_sentences(text, tagger.meta["tokenizer"], False)
    if len(part) > 1:
        raise UserError(
            "the text has several lines with words, expected one sentence; give one line"
        )
    if not part:
        return [TextReading(1.0, [])]
    sentence = _sentence(text, part[0])
    tagger.warn_of_missing([sentence])
    scheme = tagger.meta["data_scheme"]
    return [
        TextReading(
            probability, text_entities(text, part, [schemes.entities(tags, scheme)], offsets)
        )
        for probability, tags in tagger.nbest([sentence], count)[0]
    ]


def _sentence(text, spans):
    return conll.Sentence(0, [text[start:end] for start, end in spans], None, None, None)
