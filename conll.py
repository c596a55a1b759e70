"""CoNLL column files in and out, and the corpora that are known by name.

The text rules are the same everywhere in etagger. Input is bytes; only `\\n` ends a line, and a
`\\r` before it is kept. A line of nothing but spaces, tabs and `\\r` is blank. Only space and tab
separate columns, and runs count as one. A byte order mark before the text passes through and
belongs to no word. A row that begins with -DOCSTART-, in any case, is a sentence of its own.

`--delimiter tab`: each single tab separates, and nothing else; tokens may have spaces, and fields
may be empty.

CoNLL-U (https://universaldependencies.org/format.html): single tabs separate; rows that begin with
`#` are comments; a row whose id is a range (1-3) or a decimal (5.1) is no token. All of these pass
through untagged, and nothing is learned from them. A file is read so where
  - the column names begin with `id`, or
  - its name ends in .conllu or .conll-u, or its first row that is no comment has ten fields, an id
    first; in both cases the column names, if given, must be ten, `_` first.

Standard library only.
"""

import os
import re
from typing import NamedTuple, Optional

from cli import UserError, check_readable, suggest
from files.text import BOM, DOCSTART, HEAD, check_line, check_text

COLUMN_NAMES = ("word", "pos", "chunk", "tag")
ID = "id"  # the first column of a CoNLL-U file
CONLLU_COLUMNS = (ID, "word", *"_" * 8)
DELIMITERS = ("space", "tab")
DEFAULT_COLUMNS = {1: ("word",), 2: ("word", "tag"), 3: ("word", "pos", "chunk"), 4: COLUMN_NAMES}

_COLUMN = re.compile(rb"[^ \t]+")
_DOCSTART = re.compile(rb"[ \t]*-DOCSTART-(?:[ \t]|\r?\Z)", re.IGNORECASE)
_NO_TAG = re.compile("[ \t\r\0]")
_CONLLU_ID = re.compile(rb"[0-9]+(?:[-.][0-9]+)?")
_CONLLU_NAMES = (".conllu", ".conll-u")


def split_columns(row, delimiter=""):
    """The columns of a row (bytes, without its `\\n`). delimiter: `tab`: each single tab separates;
    anything else: spaces and tabs do, and runs count as one.
    """
    row = row[:-1] if row.endswith(b"\r") else row
    return row.split(b"\t") if delimiter == "tab" else _COLUMN.findall(row)


# ---------------------------------------------------------------- bytes -> blocks -> sentences


class Block(NamedTuple):
    """One sentence as it stands in the stream, and the blank line that ended it."""

    first_line: int  # number of its first line, from 1
    rows: list  # its lines as bytes, without the `\n`; empty for a further blank line
    end: Optional[bytes]  # the blank line without its `\n`; None where no blank line ended it
    newline: bool  # whether the last line of the block had its `\n`
    tokens: Optional[list] = None  # indices of the rows that are tokens; None: all are
    separator: bytes = b""  # before an appended column; b"": the row's own last one, or a space

    def write(self, out, *columns):
        """Writes the block to `out`, unchanged but for the columns, which are appended to the rows
        of its tokens. A column is a list of bytes, one for each token.
        """
        lines = list(self.rows)
        places = range(len(lines)) if self.tokens is None else self.tokens
        for column in columns:
            for i, cell in zip(places, column, strict=True):
                lines[i] = _append(lines[i], cell, self.separator)
        if self.end is not None:
            lines.append(self.end)
        out.write(b"\n".join(lines) + (b"\n" if self.newline else b""))


def _append(row, cell, separator):
    """The row, the separator, then the cell; a final `\\r` stays last."""
    body, ending = (row[:-1], b"\r") if row.endswith(b"\r") else (row, b"")
    if separator:
        return body + separator + cell + ending
    if body[-1:] in (b" ", b"\t"):
        return body + cell + ending
    last = max(body.rfind(b" "), body.rfind(b"\t"))
    return body + (body[last : last + 1] if last >= 0 else b" ") + cell + ending


class BlockReader:
    """Cuts a stream of bytes into Blocks. A block is returned as soon as its blank line is read.

    A byte order mark at the beginning is a block without rows, whose `end` is the mark.
    """

    def __init__(self, name="<stdin>"):
        """name: the file's name in messages."""
        self.name = name
        self.partial = []  # pieces of the last line, whose end has not been read yet
        self.size = 0  # bytes of these pieces
        self.rows = []  # the lines of the block that is being read
        self.line = 0  # number of the last whole line
        self.has_docstart = False  # whether self.rows is a -DOCSTART- row alone
        self.head = b""  # the first bytes, while they may be part of a mark; None after that

    def feed(self, data):
        """Takes the next bytes of the stream. Returns the list of blocks that they complete. Raises
        UserError for a line of more than files.text.MAX_LINE bytes.
        """
        blocks = []
        if self.head is not None:
            data = self.head + data
            if len(data) < len(BOM) and BOM.startswith(data):
                self.head = data
                return blocks
            self.head = None
            if data.startswith(BOM):
                blocks.append(Block(1, [], BOM, False))
                data = data.removeprefix(BOM)
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = b"".join(self.partial) + lines[0]
            self.partial, self.size = [], 0
        if rest:
            self.partial.append(rest)
            self.size += len(rest)
            check_line(self.size, self.name, self.line + len(lines) + 1)
        for line in lines:
            self._take(line, blocks)
        return blocks

    def close(self):
        """The end of the stream. Returns the last blocks: a sentence without a blank line or a
        final newline.
        """
        rest = (self.head or b"") + b"".join(self.partial)
        blocks = []
        if rest:
            self._take(rest, blocks)
        if self.rows:
            blocks.append(Block(self.line - len(self.rows) + 1, self.rows, None, True))
        if rest:
            blocks[-1] = blocks[-1]._replace(newline=False)
        return blocks

    def _take(self, line, blocks):
        """Adds the block that ends with the next line, or before it, to `blocks`."""
        self.line += 1
        if not line.strip(b" \t\r"):
            blocks.append(Block(self.line - len(self.rows), self.rows, line, True))
            self.rows, self.has_docstart = [], False
            return
        is_docstart = line[:1] in b"- \t" and bool(_DOCSTART.match(line))
        if self.rows and (is_docstart or self.has_docstart):
            blocks.append(Block(self.line - len(self.rows), self.rows, None, True))
            self.rows = []
        self.rows.append(line)
        self.has_docstart = is_docstart


class Sentence(NamedTuple):
    """Columns of one sentence; a column that is not there is None."""

    first_line: int
    words: list
    pos: Optional[list]
    chunks: Optional[list]
    tags: Optional[list]
    document: Optional[list] = None  # all words of its document, or None: see in_documents
    start: int = 0  # index of its first word in the document
    lines: Optional[list] = None  # numbers of its tokens' lines; None: they are consecutive

    @property
    def is_docstart(self):
        """Whether the sentence is a -DOCSTART- line, which marks the beginning of a document. It is
        tagged O, and nothing is learned from it.
        """
        return len(self.words) == 1 and self.words[0].lower() == DOCSTART.lower()

    def line(self, i):
        """The number of the line of its token i."""
        return self.first_line + i if self.lines is None else self.lines[i]


def in_documents(sentences, past=()):
    """The sentences with the words of their documents. A -DOCSTART- sentence begins a document. A
    sentence whose document is already set keeps it.

    past: words of the first document that come before the first sentence.
    """
    document, placed = list(past), []
    for sentence in sentences:
        if sentence.is_docstart:
            document = []
        elif sentence.document is None:
            sentence = sentence._replace(document=document, start=len(document))
            document.extend(sentence.words)
        placed.append(sentence)
    return placed


class DocumentReader:
    """Holds pairs (block, Sentence or None) of a stream back until the words around each sentence
    are known.

    limit: how many words on each side must be known; fewer where the document begins or ends.
    """

    def __init__(self, limit):
        self.limit = limit
        self.waiting = []  # the pairs that are held back
        self.past = []  # words of the document before these pairs

    def feed(self, pairs):
        """Takes the next pairs. Returns those that are ready."""
        self.waiting += pairs
        ready = len(self.waiting)
        words_after = 0  # after the pairs that are ready
        while ready and words_after < self.limit:
            sentence = self.waiting[ready - 1][1]
            if sentence and sentence.is_docstart:
                break
            ready -= 1
            words_after += len(sentence.words) if sentence else 0
        return self._take(ready)

    def close(self):
        """The end of the stream. Returns the last pairs."""
        return self._take(len(self.waiting))

    def _take(self, count):
        sentences = [sentence for _, sentence in self.waiting if sentence]
        placed = iter(in_documents(sentences, self.past))
        pairs = [(block, next(placed) if sentence else None) for block, sentence in self.waiting]
        for _, sentence in pairs[:count]:
            if sentence and sentence.is_docstart:
                self.past = []
            elif sentence:
                end = sentence.start + len(sentence.words)
                self.past = sentence.document[:end][-self.limit :]
        self.waiting = self.waiting[count:]
        return pairs[:count]


def columns_problem(names):
    """What is wrong with the names of a file's columns; '' where nothing is."""
    for name in names:
        if name not in COLUMN_NAMES + ("_", ID):
            return (
                f"unknown column {name!r}{suggest(name, COLUMN_NAMES)}; known are "
                f"{' '.join(COLUMN_NAMES)}, {ID} in a CoNLL-U file, and _ to ignore one"
            )
        if name != "_" and names.count(name) > 1:
            return f"{name!r} is named twice"
    if "word" not in names:
        return f"no word column in {' '.join(names)!r}; name one of the columns `word`"
    if ID in names[1:]:
        return f"{ID!r} is CoNLL-U's first column, expected it before {names[0]!r}"
    return ""


def parse_columns(text, delimiter=""):
    """'word pos chunk tag' (or with commas) -> tuple of names. `_` ignores a column, `id` before
    the others is that of CoNLL-U. delimiter: what --delimiter says. Raises UserError.
    """
    names = tuple(text.replace(",", " ").split())
    if problem := columns_problem(names):
        raise UserError(f"--columns: {problem}")
    if ID in names and delimiter == "space":
        raise UserError(
            f"--delimiter space: single tabs separate the columns of CoNLL-U, which {ID!r} in "
            "--columns names; leave one of them out"
        )
    return names


def columns_of(args):
    """The column names that --columns gives, a tuple; None without it, where the number of columns
    decides. Raises UserError.
    """
    return parse_columns(args.columns, args.delimiter) if args.columns else None


def add_column_flags(parser, columns_help):
    """Adds --columns and --delimiter, for the commands that read columns. columns_help: the help of
    --columns.
    """
    parser.add_argument("--columns", default="", help=columns_help)
    parser.add_argument(
        "--delimiter",
        choices=DELIMITERS,
        default="",
        help="tab: each single tab separates columns, for tokens with spaces and empty fields; "
        "space: spaces and tabs do, runs count as one (default: the model's own, or space)",
    )


def choose_columns(count, own=None):
    """The names of the columns of a file whose rows have `count` columns, where --columns does not
    give them: a tuple, or None where they are not known.

    own: the columns of a trained model, which are tried first, with and without the tag.
    """
    return _own_columns(count, own) or DEFAULT_COLUMNS.get(count)


def _own_columns(count, own):
    """`own`, or `own` without the tag, where it has `count` names; else None."""
    own = tuple(own or ())
    for columns in (own, tuple(name for name in own if name != "tag")):
        if len(columns) == count:
            return columns or None
    return None


class SentenceParser:
    """Blocks -> Sentences. Checks that every row has as many columns as the first row, or as
    --columns names.

    name: the file's name in messages. columns: their names, or None. own: the columns of the model.
    strict: refuse bytes that are not UTF-8 (for training); otherwise each such byte becomes one
    lone surrogate (PEP 383), which no vocabulary has, and is counted in `bad_bytes`. delimiter:
    `tab`, `space`, or "": tab for a CoNLL-U file, else space.
    """

    def __init__(self, name, columns=None, own=None, strict=False, delimiter=""):
        self.name, self.columns, self.own, self.strict = name, columns, own, strict
        self.delimiter = delimiter
        self.is_conllu = None  # until the first sentence
        self.bad_bytes = 0

    def place(self, block):
        """The block with its `tokens` and `separator`, as the kind of its file decides them."""
        is_docstart = len(block.rows) == 1 and _DOCSTART.match(block.rows[0])
        if self.is_conllu is None and not is_docstart:
            self._settle(block.rows)
        if self.delimiter == "tab":
            block = block._replace(separator=b"\t")
        if not self.is_conllu or is_docstart:
            return block
        return block._replace(tokens=[i for i, row in enumerate(block.rows) if _is_token(row)])

    def parse(self, block):
        """A Block with rows -> Sentence, or None where no row is a token. Raises UserError with
        file and line.
        """
        block = self.place(block)
        if block.tokens is None:
            rows, lines = block.rows, None
        else:
            self._check_conllu(block)
            rows = [block.rows[i] for i in block.tokens]
            lines = [block.first_line + i for i in block.tokens]
        if len(rows) == 1 and _DOCSTART.match(rows[0]):
            word = _COLUMN.search(rows[0])[0].rstrip(b"\r").decode()
            return Sentence(block.first_line, [word], None, None, ["O"])
        if not rows:
            return None
        table = [split_columns(row, self.delimiter) for row in rows]
        if self.columns is None:
            self.columns = self._detect(rows[0], lines[0] if lines else block.first_line)
        for i, row in enumerate(table):
            if len(row) != len(self.columns):
                self._fail_width(rows[i], lines[i] if lines else block.first_line + i)
        sentence = Sentence(block.first_line, None, None, None, None, lines=lines)
        by_name = {
            name: self._decode([row[i] for row in table], sentence)
            for i, name in enumerate(self.columns)
            if name not in ("_", ID)
        }
        words, *others = (by_name.get(name) for name in COLUMN_NAMES)
        return Sentence(block.first_line, words, *others, lines=lines)

    def _settle(self, rows):
        """Decides by the first sentence's rows whether the file is CoNLL-U; see the module."""
        self.is_conllu = self._looks_like_conllu(rows)
        if self.is_conllu:
            self.delimiter = "tab"
            if self.columns is not None:
                self.columns = (ID, *self.columns[1:])

    def _looks_like_conllu(self, rows):
        named = self.columns
        if named is not None and ID in named:
            return True
        if self.delimiter == "space" or named is not None and not _may_be_conllu(named):
            return False
        if self.name.lower().endswith(_CONLLU_NAMES):
            return True
        own = self.own if named is None and self.own and ID in self.own else ()
        first = next((row for row in rows if not row.startswith(b"#")), None)
        if first is None:
            return bool(own)
        cells = split_columns(first, "tab")
        width_fits = len(cells) == len(CONLLU_COLUMNS) or _own_columns(len(cells), own)
        return bool(width_fits and _CONLLU_ID.fullmatch(cells[0]))

    def _check_conllu(self, block):
        """Raises UserError for a row that is neither a comment nor begins with an id."""
        for i, row in enumerate(block.rows):
            cell = split_columns(row, "tab")[0]
            if not row.startswith(b"#") and not _CONLLU_ID.fullmatch(cell):
                self._fail(
                    block.first_line + i,
                    "no CoNLL-U id in the first column, expected a number, a range such as 3-4, or "
                    "a decimal such as 3.1; mend the row, or name the columns with --columns",
                )

    def _detect(self, row, line):
        """The columns of a file with this first row. Raises UserError where they are unknown."""
        count = len(split_columns(row, self.delimiter))
        own = self.own or ()
        if self.is_conllu:
            own = (ID, *own[1:]) if ID in own or _may_be_conllu(own) else ()
            columns = _own_columns(count, own)
            if columns is None and count == len(CONLLU_COLUMNS):
                columns = CONLLU_COLUMNS
            expected = f"expected {len(CONLLU_COLUMNS)} in a CoNLL-U file"
        else:
            columns = choose_columns(count, () if ID in own else own)
            expected = "expected 1 to 4 (word pos chunk tag)"
        if columns is None:
            self._fail(
                line,
                f"{_count(count)}, {expected}; name the columns with --columns, with _ for each to "
                f"ignore{self._hint(row)}",
            )
        return columns

    def _fail_width(self, row, line):
        self._fail(
            line,
            f"{_count(len(split_columns(row, self.delimiter)))}, expected {len(self.columns)} "
            f"({' '.join(self.columns)}); mend the row, or name the columns with --columns"
            f"{self._hint(row)}",
        )

    def _hint(self, row):
        """What to say of a row that another delimiter cuts into other columns, or ''."""
        if self.is_conllu:
            return ""
        if self.delimiter == "tab":
            return "" if b"\t" in row else "; it has no tab: --delimiter space cuts it at spaces"
        if b"\t" not in row or len(split_columns(row)) == len(split_columns(row, "tab")):
            return ""
        return "; it has tabs: --delimiter tab cuts it at each of them, and nowhere else"

    def _decode(self, column, sentence):
        try:
            return [cell.decode() for cell in column]
        except UnicodeDecodeError:
            if self.strict:
                bad = next(i for i, cell in enumerate(column) if not _is_utf8(cell))
                self._fail(
                    sentence.line(bad),
                    "not UTF-8, but UTF-8 was expected; convert the file, "
                    "for example with iconv -f latin1 -t utf-8",
                )
        decoded = [cell.decode(errors="surrogateescape") for cell in column]
        self.bad_bytes += sum(map(bad_bytes, decoded))
        return decoded

    def _fail(self, line, message):
        raise UserError(f"{self.name}:{line}: {message}")


def _may_be_conllu(columns):
    return len(columns) == len(CONLLU_COLUMNS) and columns[0] == "_"


def _is_token(row):
    """Whether a row of CoNLL-U is a token, not a comment, a range of words or an empty node."""
    return split_columns(row, "tab")[0].isdigit()


def bad_bytes(text):
    """How many bytes were not UTF-8 where `text` was decoded: the lone surrogates of PEP 383."""
    return sum("\udc80" <= character <= "\udcff" for character in text)


def _count(columns):
    return "1 column" if columns == 1 else f"{columns} columns"


def _is_utf8(cell):
    try:
        cell.decode()
    except UnicodeDecodeError:
        return False
    return True


def read_blocks(stream, size=1 << 16, name="<stdin>"):
    """Yields the Blocks of a binary stream. size: bytes read at a time. name: the file's, in
    messages.
    """
    reader = BlockReader(name)
    while data := stream.read(size):
        yield from reader.feed(data)
    yield from reader.close()


def read_sentences(path, columns=None, own=None, need=("word", "tag"), delimiter=""):
    """All sentences of a training or development file, -DOCSTART- lines left out.

    columns: names in order, or None to go by their number, `own` first (choose_columns). need:
    columns that must be there. delimiter: see SentenceParser. Returns (sentences, columns). Raises
    UserError for an empty file, a short row, a byte that is not UTF-8, a tag that cannot be one.
    """
    check_readable(path, "the path")
    parser = SentenceParser(path, columns, own, strict=True, delimiter=delimiter)
    with open(path, "rb") as stream:
        check_text(stream.peek(HEAD)[:HEAD], path)
        sentences = [parser.parse(block) for block in read_blocks(stream, name=path) if block.rows]
    sentences = in_documents([sentence for sentence in sentences if sentence])
    sentences = [sentence for sentence in sentences if not sentence.is_docstart]
    if not sentences:
        raise UserError(
            f"{path}:1: no sentence in this file, expected rows of columns with blank lines "
            "between sentences"
        )
    for name in need:
        if name not in parser.columns:
            raise UserError(
                f"{path}:{sentences[0].first_line}: no {name} column in "
                f"({' '.join(parser.columns)}); name the columns with --columns"
            )
    if "tag" in need:
        check_tags(path, sentences)
    return sentences, parser.columns


def check_tags(name, sentences):
    """Raises UserError for the first tag that cannot be written as a column. name: the file's, in
    the message.
    """
    distinct = {tag for sentence in sentences for tag in sentence.tags}
    if all(tag and not _NO_TAG.search(tag) for tag in distinct):
        return
    for sentence in sentences:
        for i, tag in enumerate(sentence.tags):
            if not tag or _NO_TAG.search(tag):
                raise UserError(
                    f"{name}:{sentence.line(i)}: {tag!r} as tag, expected one that is not empty "
                    "and has no space in it; mend the tag, or name the columns with --columns"
                )


# ---------------------------------------------------------------- corpora by name


class Corpus(NamedTuple):
    """Where a corpus is: the files NAME/SPLIT.ending of a folder such as data/."""

    ending: str
    columns: tuple
    splits: tuple
    source: str  # where a user gets it, and what to do with it


_ALL = ("train", "dev", "test")

CORPORA = {
    "conll2003": Corpus(
        "txt",
        COLUMN_NAMES,
        _ALL,
        "CoNLL-2003 English, with its tags in BIO, comes from "
        "https://www.clips.uantwerpen.be/conll2003/ner/ and needs the Reuters corpus; "
        "python etc/download.py conll2003 fetches an unofficial copy, for research only",
    ),
    "conll2000": Corpus(
        "txt",
        ("word", "pos", "tag"),
        ("train", "test"),
        "CoNLL-2000 chunking comes from https://www.clips.uantwerpen.be/conll2000/chunking/",
    ),
    "wnut17": Corpus(
        "conll",
        ("word", "tag"),
        _ALL,
        "WNUT-17 comes from https://github.com/leondz/emerging_entities_17",
    ),
    "mit_movie_trivia": Corpus(
        "conll",
        ("word", "tag"),
        _ALL,
        "MIT Movie trivia10k13 comes from "
        "https://groups.csail.mit.edu/sls/downloads/movie/, with the tag before the word and "
        "without a dev part: here the word is first, and dev is cut from the end of train",
    ),
    "resume_ner": Corpus(
        "char.bmes",
        ("word", "tag"),
        _ALL,
        "the Chinese resumes come from https://github.com/jiesutd/LatticeLSTM, folder ResumeNER",
    ),
    "sample": Corpus(
        "txt",
        COLUMN_NAMES,
        _ALL,
        "the sample ships with the project; python etc/make_sample.py makes it anew",
    ),
}

DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")


def load(name, split, folders=(DATA,)):
    """The sentences of a corpus, -DOCSTART- lines left out: a list of Sentence, with .words .pos
    .chunks .tags, lists of str (None for a column that the corpus does not have).

    name: one of CORPORA. split: train, dev or test. folders: those that may hold NAME/; the first
    one that has the file counts. Raises UserError for an unknown name, and for a file that is
    in none of the folders; the message says where to get it.

    >>> import conll
    >>> sentences = conll.load("sample", "dev")
    >>> len(sentences)
    400
    >>> list(zip(sentences[0].words, sentences[0].tags))
    [('BRAPIZMINSTER', 'B-LOC'), ('THEATRE', 'O'), ('REOPENS', 'O')]
    """
    if name not in CORPORA:
        near = suggest(str(name), CORPORA)
        raise UserError(f"{name}: no corpus of this name{near}; known are {', '.join(CORPORA)}")
    corpus = CORPORA[name]
    if split not in corpus.splits:
        near = suggest(str(split), corpus.splits)
        raise UserError(f"{name}: no split {split!r}{near}; it has {', '.join(corpus.splits)}")
    paths = [os.path.join(folder, name, f"{split}.{corpus.ending}") for folder in folders]
    path = next(filter(os.path.exists, paths), None)
    if path is None:
        others = "".join(f", nor {other}" for other in paths[1:])
        where = "one of these paths" if others else "this path"
        raise UserError(f"{paths[0]}: no such file{others}; {corpus.source}; put it at {where}")
    return read_sentences(path, corpus.columns)[0]
