"""The corpora in ../shared/data, and pieces of text that are hard to read."""

import collections

CORPORA = [
    "conll2003/train.txt",
    "conll2003/dev.txt",
    "conll2000/train.txt",
    "wnut17/train.conll",
    "wnut17/dev.conll",
    "mit_movie_trivia/train.conll",
    "mit_movie_trivia/dev.conll",
    "resume_ner/train.char.bmes",
    "resume_ner/dev.char.bmes",
]

# The dev files with their columns.
DEV_CORPORA = [
    ("conll2003/dev.txt", "word pos chunk tag"),
    ("wnut17/dev.conll", "word tag"),
    ("resume_ner/dev.char.bmes", "word tag"),
    ("mit_movie_trivia/dev.conll", "word tag"),
]

LINE_ENDS = "\x85\u2028\u2029"  # those that JSON allows in a string

NASTY_PIECES = [
    b"a",
    b"Bc",
    b" ",
    b"\t",
    b"\r",
    b"\0",
    b"\x1b",
    b"\x7f",
    b'"',
    b"\\",
    b"/",
    b"\\u0041",
    b"'s",
    b".",
    b"...",
    b"(",
    *(
        text.encode()
        for text in (
            "é",
            "漢",
            "😀",
            "e\u0301",
            "\u00a0",
            "\u3000",
            "\ufeff",
            "\ufffd",
            "\uffff",
            *LINE_ENDS,
        )
    ),
    b"\xff",
    b"\xc3",
    b"\xe2\x80",
    b"\xf0\x9f\x98",
    b"\xed\xa0\x80",
    b"\xc0\xaf",
    b"\xf4\x90\x80\x80",
]


def words_of(shared, corpora=CORPORA):
    """The distinct words (bytes) of corpora, with their frequencies."""
    words = collections.Counter()
    for corpus in corpora:
        with open(shared("data/" + corpus), "rb") as stream:
            words.update(line.split()[0] for line in stream if line.strip())
    return words
