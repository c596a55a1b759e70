"""The tokens of a text with their places, for answers that show them, and for spaCy."""

import itertools

from features.tokenizer import tokenize


class Mistake(ValueError):
    """What a model says of a text or of columns that it cannot tag, one line."""


def tokens_of(model, text, split, offsets):
    """A list of (start, end, tag) for each sentence of a text."""
    sentences = model.words_of(text, split)
    tags = model.tags([[text[start:end] for start, end in places] for places in sentences])
    unit = units(text, offsets)
    return [
        [(unit(start), unit(end), tag) for (start, end), tag in zip(places, row)]
        for places, row in zip(sentences, tags)
    ]


def readings_of(model, text, split, offsets, count):
    """The `count` best Readings of a text; [] of one that holds several sentences."""
    if len(model.words_of(text, split)) > 1:
        return []
    return model.nbest(text, count, offsets)


def words_of(text, tokenizer):
    """(start, end) of the words of each line that has any, in code points."""
    found, begin = [], 0
    for line in text.split("\n"):
        places, at = [], begin
        for token in list(line) if tokenizer == "characters" else tokenize(line):
            at = text.index(token, at)
            places.append((at, at + len(token)))
            at += len(token)
        if places:
            found.append(places)
        begin += len(line) + 1
    return found


def units(text, offsets):
    """A function from a place in code points to one in the unit `offsets`."""
    if offsets == "codepoints":
        return lambda place: place
    if offsets == "utf16":
        sizes = (1 + (letter > "\uffff") for letter in text)
    else:
        sizes = (len(letter.encode(errors="surrogatepass")) for letter in text)
    return list(itertools.accumulate(sizes, initial=0)).__getitem__
