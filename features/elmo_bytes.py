"""ELMo's input: a word as the ids of its UTF-8 bytes (Peters et al. 2018; bilm-tf's
UnicodeCharsVocabulary). No TensorFlow.
"""

import numpy as np

MAX_CHARACTERS = 50  # a word, begin and end of word included
_BEGIN_SENTENCE, _END_SENTENCE, _BEGIN_WORD, _END_WORD, _PADDING = range(256, 261)


def elmo_byte_ids(word, max_characters=MAX_CHARACTERS):
    """The ids of a word, int32 (max_characters,), all + 1: begin of word, its first max_characters
    - 2 bytes, end of word, padding.

    The words <S> and </S> are the begin and the end of a sentence, as in bilm-tf and AllenNLP, in
    the text as well. A lone surrogate, as bytes.decode(errors="surrogateescape") makes it, is the
    byte that was no UTF-8.
    """
    special = {"<S>": [_BEGIN_SENTENCE], "</S>": [_END_SENTENCE]}
    text = special.get(word) or list(word.encode(errors="surrogateescape")[: max_characters - 2])
    ids = np.full(max_characters, _PADDING + 1, np.int32)
    ids[: len(text) + 2] = [byte + 1 for byte in (_BEGIN_WORD, *text, _END_WORD)]
    return ids


def elmo_ids(words, max_characters=MAX_CHARACTERS):
    """The ids of a sentence, int32 (words + 2, max_characters), with the rows of <S> and </S>."""
    return np.stack([elmo_byte_ids(word, max_characters) for word in ("<S>", *words, "</S>")])


def elmo_batch(table, rows):
    """The ids of a batch, int32 (batch, sentence + 2, MAX_CHARACTERS), with the rows of <S> and
    </S> around each sentence and zeros after it.

    table: the ids of words, int32 (words, MAX_CHARACTERS), zeros at row 0. rows: the words of the
    sentences as rows of the table, int32 (batch, sentence), 0 at padding.
    """
    ids = np.zeros((len(rows), rows.shape[1] + 2, MAX_CHARACTERS), np.int32)
    ids[:, 0] = elmo_byte_ids("<S>")
    ids[:, 1:-1] = table[rows]
    ids[np.arange(len(rows)), 1 + np.count_nonzero(rows, axis=1)] = elmo_byte_ids("</S>")
    return ids
