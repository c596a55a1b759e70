"""What the scorers share: their flags, and input in columns of gold and predicted tags."""

import argparse
import contextlib
import re
import sys
import warnings
from typing import NamedTuple, Optional

import cli
import schemes
from cli import UserError, check_readable, suggest
from files.text import DOCSTART, HeadCheck, check_line

BREAK = "-X-"  # first column of a line that ends a sentence
TAB = re.compile("\t")  # what `--delimiter tab` stands for
BYTE_ORDER_MARK = "\xef\xbb\xbf"  # UTF-8's, as Latin-1
COLUMNS = ("gold", "pred", "word", "pos", "chunk", "_")


# ---------------------------------------------------------------- flags


def add_column_flags(parser):
    """Adds the flags that say what the columns are."""
    parser.add_argument(
        "-d",
        dest="delimiter",
        metavar="DELIMITER",
        help="regular expression between columns, such as '\\t' (default: spaces and tabs)",
    )
    parser.add_argument(
        "--delimiter",
        dest="delimiter",
        type=_named_delimiter,
        metavar="tab",
        help="each single tab separates columns, and nothing else: they may hold spaces",
    )
    parser.add_argument(
        "--columns",
        metavar="NAMES",
        help="columns in order, such as 'word pos chunk gold pred': gold and pred are scored, "
        "word pos chunk and _ pass unread (default: the last two are gold and pred)",
    )


def _named_delimiter(text):
    """--delimiter -> TAB. Raises argparse's error for anything else."""
    if text != "tab":
        raise argparse.ArgumentTypeError(
            f"expected tab, not {text!r}; -d takes a regular expression"
        )
    return TAB


def add_input_flags(parser):
    """Adds the flags for one file to score, and for JSON."""
    add_column_flags(parser)
    parser.add_argument("--input", metavar="FILE", help="file to score (default: standard input)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_reading_flags(parser):
    """Adds the flags that say how tags are read as chunks."""
    parser.add_argument(
        "-o",
        dest="outside",
        default="O",
        metavar="TAG",
        help="outside tag (default O)",
        type=as_latin,
    )
    parser.add_argument(
        "-r",
        dest="raw",
        action="store_true",
        help="raw tags, without prefixes; each token is a chunk",
    )
    parser.add_argument(
        "--scheme", choices=schemes.SCHEMES, help="read the tags as this scheme means them"
    )


# ---------------------------------------------------------------- input


class Columns(NamedTuple):
    """Indices of the columns, from 0, or from -1 counted from the last. width: how many there are;
    None: as many as the first row has.
    """

    width: Optional[int] = None
    gold: int = -2
    pred: int = -1
    word: Optional[int] = None


def parse_columns(text):
    """'word pos chunk gold pred' (or with commas) -> Columns."""
    names = text.replace(",", " ").split()
    for name in names:
        if name not in COLUMNS:
            raise UserError(
                f"--columns: unknown column {name!r}{suggest(name, COLUMNS)}; known are "
                f"{' '.join(COLUMNS)}"
            )
    for name in ("gold", "pred"):
        if names.count(name) != 1:
            raise UserError(
                f"--columns: {name} is named {names.count(name)} times in {text!r}, expected once; "
                "such as --columns 'word pos chunk gold pred'"
            )
    return Columns(
        len(names),
        names.index("gold"),
        names.index("pred"),
        names.index("word") if "word" in names else None,
    )


def columns_of(args):
    """--columns -> Columns."""
    return parse_columns(args.columns) if args.columns is not None else Columns()


def read_input(args):
    """The sequences of --input or standard input: see tag_sequences."""
    columns = columns_of(args)
    return tag_sequences(read_file(args.input, args.delimiter, columns.width), columns)


def read_file(path, delimiter=None, width=None, flag="--input", last="gold and predicted tag last"):
    """The rows of a file, or of standard input where `path` is empty: see read_rows.

    Lines are decoded as Latin-1, a character for each byte, so that widths, order and bytes are
    those of the official script. A byte order mark at the beginning is left out.
    """
    split = delimiter_split(delimiter) if delimiter is not None else split_blanks
    if path:
        check_readable(path, flag)
    return read_rows(_read_lines(path), path or "<stdin>", split, width, last)


def _read_lines(path):
    """Yields the lines of a file, or of standard input where `path` is empty, as read_file decodes
    them, without `\\n`. Raises UserError for UTF-16, UTF-32 and a line that is too long.
    """
    name = path or "<stdin>"
    head, number, rest = HeadCheck(name), 0, ""  # number: of the last whole line; rest: after it
    with open(path, "rb") if path else contextlib.nullcontext(sys.stdin.buffer) as stream:
        while data := stream.read1(1 << 16):
            head.feed(data)
            *lines, rest = (rest + data.decode("latin-1")).split("\n")
            if lines and not number:
                lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
            yield from lines
            number += len(lines)
            check_line(len(rest), name, number + 1)
    if rest:
        yield rest if number else rest.removeprefix(BYTE_ORDER_MARK)


def split_blanks(line):
    """The columns of a line, which spaces and tabs separate; a blank line has none."""
    cells = line.rstrip("\r\n").replace("\t", " ").split(" ")
    return [cell for cell in cells if cell] if "" in cells else cells


def split_tabs(line):
    """The columns of a line, which single tabs separate; some may be empty. A blank line has no
    columns.
    """
    line = line.removesuffix("\n").removesuffix("\r")
    return line.split("\t") if line.strip(" \t\r") else []


def delimiter_split(delimiter):
    """A function from a line to its columns. delimiter: TAB, or the regular expression of -d, for
    which empty columns at the end are dropped, as Perl's split does.
    """
    if delimiter is TAB:
        return split_tabs
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # for [[:space:]] there is only a FutureWarning
            pattern = re.compile(as_latin(delimiter), re.ASCII)
    except (re.error, FutureWarning) as error:
        raise UserError(
            f"-d {delimiter}: not a regular expression ({error}); write a backslash before "
            "a special character, and \\s for white space"
        ) from None
    if pattern.search(""):
        raise UserError(
            f"-d {delimiter!r}: matches the empty string, a delimiter was expected; "
            "write a backslash before a special character, such as -d '\\|'"
        )

    def split(line):
        cells = pattern.split(line.rstrip("\r\n"))
        while cells and not cells[-1]:
            cells.pop()
        return cells

    return split


def read_rows(lines, name, split, width=None, last="gold and predicted tag last"):
    """Yields (number of its first line, its rows as lists of columns, whether a line ended it) for
    each sentence of an iterable of lines, with or without `\\n`. A row that begins with -DOCSTART-
    is a sentence of its own; neither that sentence nor the one before it counts as ended, unless a
    blank line comes.

    name: the file's, in messages. split: a function from a line to its columns. width: the
    expected number of columns; None: as many as the first row, at least 2. last: what those two
    are, for the message. Raises UserError for a row with another number of columns.
    """
    because = "as --columns names" if width else ""
    rows, alone = [], False  # alone: the last row is a -DOCSTART-
    docstart_length = len(DOCSTART)
    for number, line in enumerate(lines, 1):
        cells = split(line)
        if len(cells) != width and cells:
            if width is not None or len(cells) < 2:
                count = f"{len(cells)} column{'s' * (len(cells) != 1)}"
                expected = f"{width} {because}" if width else f"at least 2, {last}"
                raise UserError(
                    f"{name}:{number}: {count}, expected {expected}; "
                    "mend the row, or give the delimiter with -d or --delimiter tab"
                )
            width, because = len(cells), f"as in line {number}"
        if not cells or cells[0] == BREAK:
            if rows:
                yield number - len(rows), rows, True
                rows, alone = [], False
        elif alone or (len(cells[0]) == docstart_length and _is_docstart(cells[0])):
            if rows:
                yield number - len(rows), rows, False
            rows, alone = [cells], _is_docstart(cells[0])
        else:
            rows.append(cells)
    if rows:
        yield number - len(rows) + 1, rows, False


def _is_docstart(word):
    return word.upper() == DOCSTART


def tag_sequences(sentences, columns=Columns()):
    """Yields (number of its first line, gold tags, predicted tags, whether a line ended it) for
    each sentence that read_rows yields.
    """
    gold_at, pred_at = columns.gold, columns.pred
    for first_line, rows, ended in sentences:
        yield first_line, [row[gold_at] for row in rows], [row[pred_at] for row in rows], ended


def held(sequences):
    """A list of what tag_sequences yields, in which each distinct tag is one object in memory."""
    intern = sys.intern
    return [
        (first_line, [intern(tag) for tag in gold], [intern(tag) for tag in predicted], ended)
        for first_line, gold, predicted, ended in sequences
    ]


def as_text(latin):
    """Text that was read as Latin-1 -> the Unicode text that its bytes encode in UTF-8."""
    return latin.encode("latin-1").decode("utf-8", "replace")


def as_latin(text):
    """Text of the command line -> its bytes as Latin-1, as the input is read."""
    return text.encode(errors="surrogateescape").decode("latin-1")


def print_latin(text):
    """Prints text that was read as Latin-1, as the bytes that were read."""
    sys.stdout.buffer.write(text.encode("latin-1"))


def note(text):
    """Prints a note, text that was read as Latin-1, on standard error."""
    cli.note(f"note: {as_text(text)}")
