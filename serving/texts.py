"""Tokens with their tags, and n best readings, of a text."""

from tagging.text import Places


class Mistake(ValueError):
    """A text or columns that a model cannot tag. The message is one line."""


def tokens_of(model, text, split, offsets):
    """A list of (start, end, tag) for each sentence of a text. offsets: their unit."""
    sentences, tags = model.tagged(text, split)
    places = Places(text, offsets)
    return [
        [
            (places.units_before(start), places.units_before(end), tag)
            for (start, end), tag in zip(*sentence)
        ]
        for sentence in zip(sentences, tags)
    ]


def readings_of(model, text, split, offsets, count):
    """The `count` best TextReadings of a text; [] where it has several sentences."""
    if len(model.sentences(text, split)) > 1:
        return []
    return model.nbest(text, count, offsets)
