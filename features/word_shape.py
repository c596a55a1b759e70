"""The shape of a word: upper case, digits, punctuation. C++ has the same rules."""

import string

SHAPES = (  # the index is the id; the first two are no word's
    "padding",
    "unknown",
    "lower",
    "upper",
    "initial",
    "mixed",
    "digits",
    "with digit",
    "punctuation",
    "other",
)
_SHAPE_ID = {name: i for i, name in enumerate(SHAPES)}
_ASCII_LETTERS = set(string.ascii_letters)
_ASCII_DIGITS = set(string.digits)
_ASCII_PUNCTUATION = set(string.punctuation)


def word_shape(word):
    """Id of a word's shape, an index of SHAPES. A character is upper case where str.lower() changes
    it.
    """
    if all(character in _ASCII_PUNCTUATION for character in word):
        return _SHAPE_ID["punctuation"]
    digits = sum(character in _ASCII_DIGITS for character in word)
    if digits:
        numeral = all(
            character in _ASCII_DIGITS or character in _ASCII_PUNCTUATION for character in word
        )
        return _SHAPE_ID["digits" if numeral else "with digit"]
    upper = [character.lower() != character for character in word]
    if not any(upper):
        letters = all(
            character in _ASCII_LETTERS or character in _ASCII_PUNCTUATION for character in word
        )
        return _SHAPE_ID["lower" if letters else "other"]
    if all(is_upper or word[i] in _ASCII_PUNCTUATION for i, is_upper in enumerate(upper)):
        return _SHAPE_ID["upper" if len(word) > 1 else "initial"]
    return _SHAPE_ID["initial" if upper[0] and not any(upper[1:]) else "mixed"]
