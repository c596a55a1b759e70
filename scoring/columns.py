"""Input that the scorers share: columns of gold and predicted tags."""

import argparse
import functools
import io
import itertools
import re
import sys
import warnings
from typing import NamedTuple, Optional

import conll
import schemes
from cli import UserError, check_readable, suggest
from files.text import HEAD, check_encoding

BREAK = "-X-"  # first column of a line that ends a sentence


TAB = re.compile("\t")  # what `--delimiter tab` stands for


BYTE_ORDER_MARK = "\xef\xbb\xbf"  # UTF-8's, as Latin-1


COLUMNS = ("gold", "pred", "word", "pos", "chunk", "_")


# ---------------------------------------------------------------- input, shared with token_eval.py


def add_column_flags(parser):
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
    add_column_flags(parser)
    parser.add_argument("--input", metavar="FILE", help="file to score (default: standard input)")
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_reading_flags(parser):
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


class Columns(NamedTuple):
    """Where the columns are, from 0 or, counted from the last, from -1. width None: as many as the
    first row has.
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
    """The rows of a file, or of standard input without a path: see read_rows. Lines come as
    Latin-1, a character for each byte, so that widths, order and bytes are those of the official
    script; a byte order mark before them all is left out."""
    split = delimiter_split(delimiter) if delimiter is not None else split_blanks
    if path:
        check_readable(path, flag)
    stream = open(path, "rb") if path else sys.stdin.buffer
    text = io.TextIOWrapper(stream, encoding="latin-1", newline="\n")
    lines = iter(functools.partial(text.readline, conll.MAX_LINE + 1), "")
    first = [line.removeprefix(BYTE_ORDER_MARK) for line in itertools.islice(lines, 1)]
    return read_rows(itertools.chain(first, lines), path or "<stdin>", split, width, last)


def split_blanks(line):
    """Columns of a line; a blank line has none."""
    cells = line.rstrip("\r\n").replace("\t", " ").split(" ")
    return [cell for cell in cells if cell] if "" in cells else cells


def split_tabs(line):
    """Columns of a line, of which some may be empty; a line of blanks alone has none."""
    line = line.removesuffix("\n").removesuffix("\r")
    return line.split("\t") if line.strip(" \t\r") else []


def delimiter_split(delimiter):
    """-d, or TAB -> a function from a line to its columns; for -d, as in Perl's split, empty
    columns at the end are dropped.
    """
    if delimiter is TAB:
        return split_tabs
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # [[:space:]] is only a FutureWarning
            pattern = re.compile(
                delimiter.encode(errors="surrogateescape").decode("latin-1"), re.ASCII
            )
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


def read_rows(stream, name, split, width=None, last="gold and predicted tag last"):
    """(number of its first line, its rows as lists of columns, whether a line ended it) for each
    sentence of a text stream. A row that begins with -DOCSTART- is one of its own; no line ends it,
    or what is before it, but a blank one.

    width: how many columns a row has; None: as many as the first row, 2 at least (last: what they
    are). Raises UserError for a row with another number.
    """
    because = "as --columns names" if width else ""
    rows, alone = [], False  # alone: the last row is a -DOCSTART-
    for number, line in enumerate(stream, 1):
        if number == 1:
            check_encoding(line[:HEAD].encode("latin-1"), name)
        if len(line) > conll.MAX_LINE:
            conll.check_line(len(line), name, number)
        cells = split(line)
        if len(cells) != width and cells:
            if width is not None or len(cells) < 2:
                raise UserError(
                    f"{name}:{number}: {len(cells)} column{'s' * (len(cells) != 1)}, expected "
                    f"{f'{width} {because}' if width else f'at least 2, {last}'}; "
                    "mend the row, or give the delimiter with -d or --delimiter tab"
                )
            width, because = len(cells), f"as in line {number}"
        if not cells or cells[0] == BREAK:
            if rows:
                yield number - len(rows), rows, True
                rows, alone = [], False
        elif alone or (len(cells[0]) == len(conll.DOCSTART) and _is_docstart(cells[0])):
            if rows:
                yield number - len(rows), rows, False
            rows, alone = [cells], _is_docstart(cells[0])
        else:
            rows.append(cells)
    if rows:
        yield number - len(rows) + 1, rows, False


def _is_docstart(word):
    return word.upper() == conll.DOCSTART


def tag_sequences(sentences, columns=Columns()):
    """What read_rows yields -> (number of its first line, gold tags, predicted tags, whether a line
    ended it) of each.
    """
    intern, gold_at, pred_at = sys.intern, columns.gold, columns.pred
    for first_line, rows, ended in sentences:
        yield (
            first_line,
            [intern(row[gold_at]) for row in rows],
            [intern(row[pred_at]) for row in rows],
            ended,
        )


def as_text(latin):
    """What was read as Latin-1 -> the Unicode text that its bytes are."""
    return latin.encode("latin-1").decode("utf-8", "replace")


def as_latin(text):
    """What came from the command line -> its bytes as Latin-1, as the input is read."""
    return text.encode(errors="surrogateescape").decode("latin-1")


def print_latin(text):
    """Prints text that was read as Latin-1: the bytes that came in."""
    sys.stdout.buffer.write(text.encode("latin-1"))


def note(command, text):
    print(f"{command}: note: {as_text(text)}", file=sys.stderr)
