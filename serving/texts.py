"""What is found in a text besides its entities: its tokens and their tags, its n best readings."""

from tagging.text import Places


class Mistake(ValueError):
    """What a model says of a text or of columns that it cannot tag, one line."""


def tokens_of(model, text, split, offsets):
    """A list of (start, end, tag) for each sentence of a text."""
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
    """The `count` best Readings of a text; [] of one that holds several sentences."""
    if len(model.sentences(text, split)) > 1:
        return []
    return model.nbest(text, count, offsets)
