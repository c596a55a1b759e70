"""Rows of column files that are hard to read, and the check that all rows come out again."""

import re

TAG = rb"(?:O|[BI]-(?:PER|LOC|ORG|MISC))"

LONG = b"".join(b"w%d NN B-NP O\n" % i for i in range(3000))

NASTY = (
    b"-DOCSTART- -X- -X- O\r\n\r\n"
    b"EU NNP B-NP B-ORG\r\nrejects VBZ B-VP O\r\n\r\n"
    b" \t\n\n"
    b"Peter\tNNP\tB-NP\tB-PER\nsaid \t VBD  B-VP   O\n. . O O \n\n" + LONG + b"\n"
    b"-DOCSTART- -X- O O\n\n"
    b"-DOCSTART-\n\n"
    b"-DOCSTART- NN B-NP O\nagain RB B-NP O\n\n"
    b"\xf0\x9f\x98\x80 NN B-NP O\n\xf0\xa0\x80\x80\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x9a\x80 NN "
    b"B-NP O\n\n"
    b"caf\xe9 NN B-NP O\n\xff\xfe\x80 NN B-NP O\n\xed\xa0\x80 \xc0\xaf \xf5 O\n\n"
    + "שלום NN B-NP O\nمرحبا NN B-NP O\n\n".encode()
    + b"x" * 300
    + b" NN B-NP O\n\n"
    b"#PAD# #PAD# #PAD# O\n#UNK# #UNK# #UNK# O\n\n"
    b"a\xc2\xa0b NN B-NP O\nc\x0bd\x0ce\x1cf NN B-NP O\ng\xe2\x80\xa8h\xc2\x85i NN B-NP O\nj\rk NN "
    b"B-NP O\nl\x00m NN B-NP O\n"
    b" leading NN B-NP O\n\n"
    b"I\xcc\x87 \xef\xbb\xbfNN B-NP I-NEVER-SEEN\n\n"
    b"Last NNP B-NP B-PER\n"
)

NASTY_FILES = {
    "no final newline": NASTY[:-1],
    "final newline": NASTY,
    "CR at the end": NASTY[:-1] + b"\r",
    "empty lines at the end": NASTY + b"\n\n\r\n \n\n",
    "blanks at the end": NASTY + b"\n  ",
    "nothing": b"",
    "an empty line": b"\n",
    "one token": b"Rome NNP B-NP B-LOC",
    "empty lines first": b"\n\n" + NASTY,
}

# The same, with words whose lower case differs from the lower case of their single characters.
NASTY_LOWERCASE = NASTY.replace(
    b"Last NNP",
    "ΟΔΥΣΣΕΥΣ NNP B-NP O\nİSTANBUL NNP B-NP O\nÉCOLE NN B-NP O\nΣ NN B-NP O\n".encode() * 2
    + b"Last NNP",
)


def assert_rows_kept(given, out):
    """Checks that each row of `out` is that of `given` with a tag appended, and that blank lines
    are the same.
    """
    lines, tagged = given.split(b"\n"), out.split(b"\n")
    assert len(lines) == len(tagged)
    for line, row in zip(lines, tagged):
        if not line.strip(b" \t\r"):
            assert row == line
            continue
        body, ending = (line[:-1], b"\r") if line.endswith(b"\r") else (line, b"")
        separator = b"" if body[-1:] in b" \t" else rb"[ \t]"
        assert row.startswith(body) and re.fullmatch(separator + TAG + ending, row[len(body) :]), (
            row
        )
