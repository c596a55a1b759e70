"""Scores the chunks of a tagged file: precision, recall and F1 by type, as the conlleval script
prints them.

    python chunk_eval.py < pred.txt
    python chunk_eval.py -d '\\t' < pred.tsv
    python chunk_eval.py --scheme iobes --strict --json < pred.txt
    python chunk_eval.py --errors --train_path data/train.txt --plot errors.png < pred.txt

The last two columns are the gold tag and the predicted tag, unless --columns names others. Blank
lines, and lines whose first column is -X-, end a sentence; a -DOCSTART- line counts as a token, as
it does for the official script, and is a sentence of its own. A byte order mark before all of it
belongs to no column.

Tags that are probably not meant as they are read (no O among them, no prefixes, a character that
does not show) change no figure: a note on standard error, or a warning from `score`, says how they
are read and which flag reads them as meant.
"""

import argparse
import functools
import io
import itertools
import json
import re
import shlex
import sys
import warnings
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

import conll
import tagset
from cli import Parser, UserError, check_readable, run_command, suggest
from textfile import HEAD, check_encoding

BREAK = "-X-"  # first column of a line that ends a sentence
TAB = re.compile("\t")  # what `--delimiter tab` stands for
BYTE_ORDER_MARK = "\xef\xbb\xbf"  # UTF-8's, as Latin-1
COLUMNS = ("gold", "pred", "word", "pos", "chunk", "_")

READINGS = """\
how chunks are read:
  By default as the official script reads them, oddities included: it knows B, I, O and E, so that two chunks of one type
  side by side, such as S-PER S-PER or E-LOC B-LOC, count as one. --scheme reads B, S and U as the first token of a chunk
  and E, S, L and U as its last. A note says when the two readings differ. -o acts only with -r, --scheme or --strict:
  the official script ignores it without -r, and lists a chunk that has no type twice.
  Tags without prefixes, such as PER and LOC, are no chunks to the official script. train.py reads
  them as -r does: each token that is not O is a chunk. A note says so, and names tags that are
  neither O nor PREFIX-TYPE.

how columns are found:
  Spaces and tabs separate columns, runs count as one, and CRLF is understood. --delimiter tab
  splits at each single tab and at nothing else: columns may hold spaces, or be empty. -d ' ' splits
  at each single space, as the official script does; any other -d is a regular expression, as there:
  empty columns at a line's end are dropped.

--errors puts each gold and each predicted entity in one category; gold and prediction make a pair in all but the last two:
  correct             the same tokens, the same type
  type                the same tokens, another type
  boundary            some tokens in common, not all, the same type
  boundary and type   some tokens in common, not all, another type
  missed              a gold entity without a partner
  spurious            a predicted entity without a partner
  Each has one partner at most. Entities of the same tokens pair first; of the rest those that share tokens: the same type
  first, then the most shared tokens, then the leftmost. So the first four and missed add up to the gold entities, the first
  four and spurious to the predicted ones, and the rows and columns of the table of types to those of a type. F1 by length
  counts gold and predicted entities by their own length; seen are those whose words stand as an entity in --train_path.

figures are percentages, in the table, in --json and from score().
"""


# ---------------------------------------------------------------- reading tags as chunks

# Neighbouring prefixes of one type between which conlleval ends a chunk, and between which it
# starts one.
_ENDS = frozenset(["BB", "BO", "IB", "IO", "EE", "EI", "EO"])
_STARTS = frozenset(["BB", "IB", "OB", "OI", "OE", "EE", "EI"])


def conlleval_split(tag):
    """'B-PER' -> ('B', 'PER'); 'NONE' -> ('NONE', ''). The type 0 counts as none: Perl holds it for
    false.
    """
    prefix, _, kind = tag.partition("-")
    return prefix, "" if kind == "0" else kind


def conlleval_boundary(before, after):
    """Whether a chunk ends and whether one starts between two (prefix, type): (bool, bool).

    The rules of the CoNLL-2000 scorer for any mixture of schemes, and for brackets, which are
    chunks of one token (Tjong Kim Sang and Veenstra 1999, "Representing text chunks").
    """
    (last, last_kind), (this, kind) = before, after
    pair = last + this if len(last) == len(this) == 1 else ""
    ends = pair in _ENDS or last in ("[", "]") or (kind != last_kind and last not in ("O", "."))
    starts = pair in _STARTS or this in ("[", "]") or (kind != last_kind and this not in ("O", "."))
    return ends, starts


def scheme_boundary(before, after):
    """The same by the reading of `conll.chunks`: B, S and U start a chunk; E, S, L and U end it."""
    (last, last_kind), (this, kind) = before, after
    changes = last in ("O", "E", "S", "L", "U") or this in ("O", "B", "S", "U") or kind != last_kind
    return changes and last != "O", changes and this != "O"


class _Steps(dict):
    """What may follow one tag: {tag: (chunk ends, chunk starts, (prefix, type), steps from there)},
    filled when met.
    """

    def __init__(self, reading, parts):
        super().__init__()
        self.reading, self.parts = reading, parts

    def __missing__(self, tag):
        steps = self.reading.steps(tag)
        self[tag] = step = (*self.reading.boundary(self.parts, steps.parts), steps.parts, steps)
        return step


class Reading:
    """A way to read tags as chunks. split: tag -> (prefix, type), ValueError for a bad tag;
    boundary: as above.
    """

    def __init__(self, split, boundary):
        self.split, self.boundary, self.known = split, boundary, {}

    def steps(self, tag):
        if tag not in self.known:
            self.known[tag] = _Steps(self, self.split(tag))
        return self.known[tag]

    def chunks(self, tags):
        """The chunks of one sequence as (start, end, type), end exclusive: one for each token that
        starts one.
        """
        found, start, kind, steps = [], None, None, self.steps("O")
        for i, tag in enumerate(tags):
            ends, starts, parts, steps = steps[tag]
            if start is not None and (ends or starts):
                found.append((start, i, kind))
                start = None
            if starts:
                start, kind = i, parts[1]
        if start is not None:
            found.append((start, len(tags), kind))
        return found


def conlleval_reading():
    return Reading(conlleval_split, conlleval_boundary)


def raw_reading(outside):
    """-r: a tag is a type without prefix, and every token that is not outside is a chunk of its
    own.
    """

    def split(tag):
        return ("O", "") if tag in ("O", outside) else ("B", "" if tag == "0" else tag)

    return Reading(split, conlleval_boundary)


def scheme_reading():
    return Reading(conll.split_tag, scheme_boundary)


# ---------------------------------------------------------------- counting


def percentages(correct, found, phrases):
    """(precision, recall, F1) in percent; 0 where there is nothing to divide by."""
    precision = 100 * correct / found if found else 0.0
    recall = 100 * correct / phrases if phrases else 0.0
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0


@dataclass
class Scores:
    """Chunks by type: phrases (gold), found (predicted) and correct; tokens whose tag is right;
    percentages of all.
    """

    tokens: int = 0
    correct_tags: int = 0
    phrases: dict = field(default_factory=lambda: defaultdict(int))
    found: dict = field(default_factory=lambda: defaultdict(int))
    correct: dict = field(default_factory=lambda: defaultdict(int))
    reading: str = "conlleval"  # or raw, or the scheme
    sequences: int = 0
    ill_formed_gold: int = 0  # sequences, counted with strict
    ill_formed_predicted: int = 0

    @property
    def totals(self):
        """(correct, found, phrases) over all types."""
        return sum(self.correct.values()), sum(self.found.values()), sum(self.phrases.values())

    def of(self, kind):
        """(correct, found, phrases) of one type."""
        return self.correct.get(kind, 0), self.found.get(kind, 0), self.phrases.get(kind, 0)

    @property
    def accuracy(self):
        return 100 * self.correct_tags / self.tokens if self.tokens else 0.0

    @property
    def precision(self):
        return percentages(*self.totals)[0]

    @property
    def recall(self):
        return percentages(*self.totals)[1]

    @property
    def f1(self):
        return percentages(*self.totals)[2]


class ChunkCounter:
    """Counts chunks in pairs of tag sequences. A chunk is correct when gold and prediction start it
    at one token, with one type, and end it at one token."""

    def __init__(self, reading):
        self.reading, self.scores = reading, Scores()
        outside = reading.steps("O")
        self.state = (outside, outside, "", False)

    def add(self, gold, predicted, ended=True):
        """Counts two sequences of one length. ended: a sentence ends here, which conlleval takes
        for one more O.
        """
        scores = self.scores
        phrases, found, correct, same = scores.phrases, scores.found, scores.correct, 0
        gold_steps, pred_steps, kind, is_open = self.state
        scores.tokens += len(gold)
        if ended:
            gold, predicted, same = [*gold, "O"], [*predicted, "O"], -1
        for gold_tag, pred_tag in zip(gold, predicted, strict=True):
            gold_ends, gold_starts, gold_parts, gold_steps = gold_steps[gold_tag]
            pred_ends, pred_starts, pred_parts, pred_steps = pred_steps[pred_tag]
            if gold_ends or pred_ends:
                if is_open and gold_ends and pred_ends:
                    correct[kind] += 1
                is_open = False
            kind = gold_parts[1]
            if gold_parts == pred_parts:
                same += 1
            elif kind != pred_parts[1]:
                is_open = False
            if gold_starts:
                phrases[kind] += 1
                if pred_starts and kind == pred_parts[1]:
                    is_open = True
            if pred_starts:
                found[pred_parts[1]] += 1
        scores.correct_tags += same
        self.state = gold_steps, pred_steps, kind, is_open

    def close(self):
        """The end of the input. Returns the Scores."""
        *_, kind, is_open = self.state
        if is_open:
            self.scores.correct[kind] += 1
        return self.scores


def only_well_formed(tags, scheme):
    """The sequence with O in place of every chunk that is ill-formed in `scheme`."""
    spans, kept = conll.chunks(tags), ["O"] * len(tags)
    expected = conll.from_chunks(spans, len(tags), scheme)
    for start, end, _ in spans:
        if list(tags[start:end]) == expected[start:end]:
            kept[start:end] = tags[start:end]
    return kept


def remember(places, tags, first_line):
    """Puts the tags of a sequence that are new into {tag: the line where it stood first}.

    first_line: the line of the first of them, from 1; 0 where there are no lines.
    """
    for i, tag in enumerate(tags):
        places.setdefault(tag, first_line + i if first_line else 0)


class Scorer:
    """Scores pairs of sequences in conlleval's reading, and beside it in that of a scheme when
    there is one.
    """

    def __init__(self, scheme=None, strict=False, raw=False, outside="O"):
        self.scheme, self.strict, self.raw, self.outside = scheme, strict, raw, outside
        self.official = ChunkCounter(raw_reading(outside) if raw else conlleval_reading())
        self.own = ChunkCounter(scheme_reading()) if scheme else None
        self.sequences, self.ill_formed = 0, [0, 0]
        self.tags = {}  # all tags that were counted, and the line where each stood first
        self.known = 0  # how many tags the reading had met when that was last looked after

    def add(self, gold, predicted, ended=True, first_line=0):
        """Counts two sequences of one length. Returns them as they are counted: with a scheme O is
        the outside tag, and with strict there are well-formed chunks only. first_line: see
        remember."""
        as_given = gold, predicted
        if self.scheme and self.outside != "O":
            gold, predicted = (
                ["O" if tag == self.outside else tag for tag in tags] for tags in (gold, predicted)
            )
        self.sequences += 1
        self.official.add(gold, predicted, ended)
        known = len(self.official.reading.known)  # with an O from the start
        if known > self.known or "O" not in self.tags:
            self.known = known
            for tags in as_given:
                remember(self.tags, tags, first_line)
        if self.scheme:
            if self.strict:
                gold, predicted = self._well_formed(0, gold), self._well_formed(1, predicted)
            self.own.add(gold, predicted, ended)
        return gold, predicted

    def chunks(self, tags):
        """The chunks of a sequence that `add` returned, (start, end, type)."""
        return (self.own or self.official).reading.chunks(tags)

    def _well_formed(self, side, tags):
        if conll.well_formed(tags, self.scheme):
            return tags
        self.ill_formed[side] += 1
        return only_well_formed(tags, self.scheme)

    def close(self):
        """Returns the Scores. Accuracy is always that of the tags as they stand."""
        official = self.official.close()
        scores = self.own.close() if self.own else official
        scores.tokens, scores.correct_tags = official.tokens, official.correct_tags
        scores.reading = self.scheme or ("raw" if self.raw else "conlleval")
        scores.sequences = self.sequences
        scores.ill_formed_gold, scores.ill_formed_predicted = self.ill_formed
        return scores

    def difference(self):
        """A pair of neighbouring tags that conlleval reads otherwise than a scheme does, or None."""
        for last, steps in self.official.reading.known.items():
            for tag, (ends, starts, *_) in steps.items():
                try:
                    parts = conll.split_tag(last), conll.split_tag(tag)
                except ValueError:
                    continue
                if scheme_boundary(*parts) != (ends, starts):
                    return last, tag
        return None


def score(
    gold_sequences,
    predicted_sequences,
    scheme=None,
    strict=False,
    raw=False,
    outside="O",
    warn=True,
):
    """Scores of gold and predicted tag sequences (iterables of lists of str): conlleval's, unless
    `scheme` is given.

    scheme: one of conll.SCHEMES; strict (with a scheme): only well-formed chunks count; raw: tags
    have no prefixes; outside: the outside tag of raw tags or of a scheme. `.f1` and its like are
    percentages. warn: warn of tags that are probably not meant as they are read. Raises ValueError
    for sequences of unequal length, and with a scheme for a tag that is not O or PREFIX-TYPE.
    """
    scorer = Scorer(scheme, strict, raw, outside)
    for gold, predicted in zip(gold_sequences, predicted_sequences, strict=True):
        scorer.add(gold, predicted)
    for line in tag_notes(scorer, scorer.tags, "", _as_arguments) if warn else ():
        warnings.warn(line, stacklevel=2)
    return scorer.close()


def trained_reading(scheme):
    """The arguments of `score` with which training scores tags in what conll.detect finds."""
    return {"raw": True} if scheme == conll.RAW else {"scheme": scheme}


# ---------------------------------------------------------------- tags that are probably not meant


def tag_notes(scorer, places, name, options):
    """Lines about tags that are probably not meant as a Scorer reads them.

    places: {tag: the line where it stood first, or 0}, as text. name: the file's, for its lines.
    options: a function from arguments of `score` to the words that name them.
    """
    at = {tag: f"{name}:{line}: " if line else "" for tag, line in places.items()}
    lines = hidden_notes(at)
    own = as_text(scorer.outside) if options is as_flags else scorer.outside
    read = {"O" if tag == own else tag: 0 for tag in places if not tagset.hidden(tag)}
    for found in tagset.findings(read, scorer.official.scores.tokens):
        how = _how_read(scorer, found, read, options)
        if how is not None:
            lines.append(f"{at.get(found.tag, '')}{found.what}; {how}{found.mend}")
    return lines


def hidden_notes(at):
    """A line about the first tag with a character that does not show. at: {tag: 'file:line: '}."""
    for tag, place in at.items():
        if tag and (what := tagset.what_does_not_show(tag)):
            return [f"{place}{what}: it is another tag than one without; take it out of the tags"]
    return []


def _how_read(scorer, found, tags, options):
    """How a Scorer reads what a tagset.Finding is about, up to what is to be done; None where it
    reads that as it is meant.
    """
    if found.kind in ("alike", "case"):
        return ""
    no_o = tagset.outside(tags)
    if scorer.raw:
        if no_o is None:
            return None
        return f"{options(raw=True, outside=no_o)} reads {tagset.shown(no_o)} as outside; or "
    if found.kind == "untyped":
        return ""
    if scorer.scheme or found.kind not in ("stray", "plain", "column"):
        return None
    if found.kind == "stray":
        rest = [[tag] for tag in tags if tag != no_o]
        scheme = conll.detect(rest)
        if found.tag == no_o and scheme != conll.RAW:
            flags = options(scheme=scheme, outside=no_o)
            return f"the official script does not know it as outside, {flags} does; or "
        return (
            "the official script takes what stands before the first hyphen for the prefix, and the "
            "rest for the type; "
        )
    flags = options(raw=True) if no_o is None else options(raw=True, outside=no_o)
    not_outside = f" that is not {'O' if no_o is None else tagset.shown(no_o)}"
    if no_o is None and "O" not in tags:
        not_outside = ""
    return (
        f"the official script finds no chunks in them; {flags} reads each token{not_outside} as a "
        "chunk, as train.py does; "
    )


def as_flags(scheme=None, raw=False, outside=None):
    """Arguments of `score` as flags of the command."""
    words = ["-r"] * raw + ([f"--scheme {scheme}"] if scheme else [])
    return " ".join(words + ([f"-o {shlex.quote(outside)}"] if outside is not None else []))


def _as_arguments(**options):
    return ", ".join(f"{name}={value!r}" for name, value in options.items())


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
        "--scheme", choices=conll.SCHEMES, help="read the tags as this scheme means them"
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
                f"--columns: unknown column {name!r}{suggest(name, COLUMNS)}; known are {' '.join(COLUMNS)}"
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


# ---------------------------------------------------------------- output


def listed_types(scores):
    """Types in order of their bytes. conlleval lists a chunk without a type twice if both columns
    have one.
    """
    types = set(scores.phrases) | set(scores.found)
    twice = [""] if "" in scores.phrases and "" in scores.found else []
    return twice + sorted(types)


def text_table(scores):
    """Scores -> what conlleval prints; after a strict count, one line more."""
    correct, found, phrases = scores.totals
    lines = [
        f"processed {scores.tokens} tokens with {phrases} phrases; found: {found} phrases; correct: {correct}."
    ]
    if scores.tokens:
        lines.append(f"accuracy: {scores.accuracy:6.2f}%; {figures(correct, found, phrases)}")
    for kind in listed_types(scores):
        lines.append(f"{kind:>17}: {figures(*scores.of(kind))}  {scores.of(kind)[1]}")
    return "\n".join(lines) + "\n"


def figures(*counts):
    """(correct, found, phrases) -> their percentages as the table shows them."""
    return "precision: {:6.2f}%; recall: {:6.2f}%; FB1: {:6.2f}".format(*percentages(*counts))


def latex_table(scores):
    """Scores -> what conlleval -l prints."""

    def row(name, counts):
        return name + " &  {:6.2f}\\% & {:6.2f}\\% & {:6.2f} \\\\".format(*percentages(*counts))

    rows = ["        & Precision &  Recall  & F$_{\\beta=1} \\\\\\hline"]
    rows += [row(f"{kind:<7}", scores.of(kind)) for kind in listed_types(scores)]
    return "\n".join(rows) + "\\hline\n" + row("Overall", scores.totals) + "\\hline\n"


def strict_line(scores):
    return (
        f"ill-formed sequences ({scores.reading}): gold {scores.ill_formed_gold}, "
        f"predicted {scores.ill_formed_predicted}, of {scores.sequences}\n"
    )


def json_figures(correct, found, phrases):
    """Counts -> a dict of them and their percentages."""
    precision, recall, f1 = percentages(correct, found, phrases)
    return {
        "phrases": phrases,
        "found": found,
        "correct": correct,
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


def json_text(scores, strict, **more):
    """Scores, and what else there is -> one JSON object; figures in percent."""
    result = {
        "reading": scores.reading,
        "strict": strict,
        "sequences": scores.sequences,
        "tokens": scores.tokens,
        "accuracy": scores.accuracy,
        **json_figures(*scores.totals),
    }
    if strict:
        result["ill_formed"] = {
            "gold": scores.ill_formed_gold,
            "predicted": scores.ill_formed_predicted,
        }
    result["types"] = {
        as_text(kind): json_figures(*scores.of(kind)) for kind in listed_types(scores)
    }
    return json.dumps({**result, **more}, indent=2) + "\n"


def output(args, scores, **more):
    """What the flags ask for. more: what else --json shows."""
    if args.json:
        return json_text(scores, args.strict, **more)
    return (latex_table(scores) if args.latex else text_table(scores)) + (
        strict_line(scores) if args.strict else ""
    )


# ---------------------------------------------------------------- the command


def parse_args():
    parser = Parser(description=__doc__, epilog=READINGS)
    add_input_flags(parser)
    add_reading_flags(parser)
    parser.add_argument("-l", dest="latex", action="store_true", help="print a LaTeX table")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="count only well-formed chunks, and say how many sequences were ill-formed; without --scheme "
        "the gold tags decide the scheme, and the tags are held in memory",
    )
    group = parser.add_argument_group(
        "error analysis (the file is held in memory; words are the column `word`, or without "
        "--columns the first of three or more)"
    )
    group.add_argument(
        "--errors",
        action="store_true",
        help="what the errors are, by type and length; the worst sentences",
    )
    group.add_argument(
        "--train_path",
        metavar="FILE",
        nargs="+",
        help="training files, with the columns of the input but for pred (without --columns: word first, tag "
        "last): F1 of entities seen there and unseen",
    )
    group.add_argument("--worst", metavar="N", type=int, help="show so many sentences (default 10)")
    group.add_argument("--plot", metavar="FILE", help="draw the figures to this PNG file")
    args = parser.parse_args()
    if args.raw and (args.scheme or args.strict):
        raise UserError(
            "-r says that tags have no prefixes, --scheme and --strict read prefixes; leave one out"
        )
    if args.json and args.latex:
        raise UserError("--json and -l are two forms of output; leave one out")
    if args.errors and args.latex:
        raise UserError("-l prints the official script's table alone; leave it or --errors out")
    for name in ("train_path", "worst", "plot"):
        if getattr(args, name) is not None and not args.errors:
            raise UserError(
                f"--{name} is part of the error analysis; add --errors, or leave it out"
            )
    if args.worst is not None and args.worst < 0:
        raise UserError(f"--worst {args.worst}: expected 0 or more")
    return args


def count(args, sequences, name, counted=None):
    """Scores all sequences of the file `name`. Returns the Scorer, still open. counted: a list that
    takes what Scorer.add returns."""
    if args.strict and not args.scheme:
        sequences = list(sequences)
        args.scheme = _scheme_of_gold(args, sequences)
    scorer = Scorer(args.scheme, args.strict, args.raw, args.outside)
    for first_line, gold, predicted, ended in sequences:
        try:
            pair = scorer.add(gold, predicted, ended, first_line)
        except ValueError:
            _refuse(args, name, first_line, gold, predicted)
        if counted is not None:
            counted.append(pair)
    return scorer


def _scheme_of_gold(args, sequences):
    """The scheme of the gold tags, for --strict. Raises UserError where they follow none."""
    gold = [["O" if tag == args.outside else tag for tag in each[1]] for each in sequences]
    scheme = conll.detect(gold)
    if scheme == conll.RAW:
        tags = dict.fromkeys((as_text(tag) for each in gold for tag in each), 0)
        why = tagset.findings(tags, sum(map(len, gold)))[0].what
        raise UserError(
            f"--strict: the gold tags follow no scheme ({why}), tags such as B-PER, I-PER and O "
            "were expected; check -o and --columns, or leave --strict out"
        )
    return scheme


def _refuse(args, name, first_line, gold, predicted):
    """Raises UserError for the first row with a tag that has no prefix of any scheme."""
    for line, row in enumerate(zip(gold, predicted), first_line):
        for tag in row:
            try:
                conll.split_tag("O" if tag == args.outside else tag)
            except ValueError:
                raise UserError(
                    f"{name}:{line}: tag {as_text(tag)!r}, expected O or PREFIX-TYPE ({args.scheme}); mend the "
                    "tag, name the outside tag with -o, or leave out --scheme and --strict"
                ) from None


def say_of_tags(command, scorer, name):
    """Notes of a command about the tags of the file `name`: see tag_notes."""
    places = {}
    for tag, line in scorer.tags.items():
        places.setdefault(as_text(tag), line)
    for line in tag_notes(scorer, places, name, as_flags):
        print(f"{command}: note: {line}", file=sys.stderr)


def say_notes(args, scorer, scores):
    """What the figures do not show, on standard error."""
    say_of_tags("chunk_eval.py", scorer, args.input or "<stdin>")
    if not scores.tokens:
        note("chunk_eval.py", f"no tokens in {args.input or '<stdin>'}")
    if args.outside != "O" and not (args.raw or args.scheme):
        note(
            "chunk_eval.py", "-o acts only with -r, --scheme or --strict, as in the official script"
        )
    pair = None if args.raw else scorer.difference()
    if pair and args.scheme:
        correct, found, phrases = scorer.official.scores.totals
        note(
            "chunk_eval.py",
            "the readings differ, as where {} follows {}: the official script, and this one without "
            "--scheme, counts {} phrases; found: {}; correct: {}; FB1: {:.2f}".format(
                *reversed(pair), phrases, found, correct, percentages(correct, found, phrases)[2]
            ),
        )
    elif pair:
        note(
            "chunk_eval.py",
            "the readings differ, as where {} follows {}: these are the official script's figures; "
            "--scheme reads S, E, M, L and U as what they are".format(*reversed(pair)),
        )


def main():
    args = parse_args()
    if args.errors:
        import errors

        return errors.run(args)
    scorer = count(args, read_input(args), args.input or "<stdin>")
    scores = scorer.close()
    print_latin(output(args, scores))
    say_notes(args, scorer, scores)


if __name__ == "__main__":
    run_command(main)
