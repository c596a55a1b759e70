"""Reads published word vectors: GloVe text, and word2vec's text and binary files, also packed.

A file is known by what is in it, never by the ending of its name. It may come from a stranger: no
memory is asked for by the word of its header, and what is wrong with it is one line.
"""

import bz2
import collections
import contextlib
import gzip
import io
import lzma
import os
import re
import warnings
import zipfile
import zlib
from typing import NamedTuple

import numpy as np

from cli import UserError, check_readable, suggest
from files.text import BOM, HEAD, check_text, is_binary, packing_of

WIDEST = 100_000  # numbers of a vector, at most
_EXPECTED = "word vectors (the text of GloVe or word2vec, or word2vec's .bin)"
_CHUNK = 4 << 20  # bytes read at a time
_LONGEST_WORD = 4096  # bytes of a word in a binary file, at most
_AT_ONCE = 256  # vectors of a binary file that are checked together
_MOST_RATIO = 200  # of the bytes of an archive; text shrinks to a third
_WITH_SPACE = "words with a space inside, which no column can hold"


# ---------------------------------------------------------------- opening


def open_vectors(path, member=""):
    """Opens a plain, gzip, bzip2 or xz file, or a member of a zip archive (its only one, or the one
    named), as a stream of bytes. Raises UserError.
    """
    check_readable(path, "--emb_path")
    if not os.path.isfile(path):
        raise UserError(
            f"{path}: a pipe or a device, which cannot be read twice; write a file first"
        )
    with open(path, "rb") as stream:
        packing = packing_of(stream.read(HEAD))
    if not packing:
        return open(path, "rb")
    opener = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}.get(packing)
    if opener:
        return io.BufferedReader(opener(path, "rb"), 1 << 20)
    archive = zipfile.ZipFile(path)
    names = [name for name in archive.namelist() if not name.endswith("/")]
    if not member and len(names) != 1:
        raise UserError(f"{path}: {len(names)} members; name one with --member: {', '.join(names)}")
    if member and member not in names:
        raise UserError(
            f"{path}: no member {member!r}{suggest(member, names)}; it has {', '.join(names)}"
        )
    return archive.open(member or names[0])


@contextlib.contextmanager
def _opened(path, member):
    """open_vectors, where a damaged or locked file is a UserError, too."""
    try:
        with open_vectors(path, member) as stream:
            yield stream
    except (
        EOFError,
        OSError,
        RuntimeError,
        NotImplementedError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
    ) as error:
        raise UserError(
            f"{path}: damaged, truncated or locked ({error}); fetch it again, or unpack it first"
        ) from None


# ---------------------------------------------------------------- what the first bytes say


class Layout(NamedTuple):
    """How a file is to be read. promised: vectors that its header speaks of, None without one;
    start: bytes before the first vector; is_binary: word2vec's .bin.
    """

    promised: int | None
    start: int
    is_binary: bool


def check_vectors(path, member, dim):
    """Raises UserError where the file has no vectors of `dim` numbers, as far as its first bytes
    can tell.
    """
    with _opened(path, member) as stream:
        _layout(*_head(stream, dim), path, dim)


def _head(stream, dim):
    """The first bytes of a stream, enough for some vectors of `dim` numbers, and whether they are
    all.
    """
    size = max(1 << 16, 2 * _longest_line(dim))
    head = stream.read(size)
    return head, len(head) < size


def _longest_line(dim):
    """Bytes of a line of text with a vector of `dim` numbers, at most."""
    return 64 * (dim + 1) + 4096


_HEADER = re.compile(rb"[ \t]*(\d{1,18})[ \t]+(\d{1,18})[ \t]*\r?(?:\n|\Z)")


def _layout(head, is_whole, path, dim):
    """The Layout of a file that begins with the bytes `head`. Raises UserError."""
    check_text(head[:HEAD], path, _EXPECTED)
    start = len(BOM) if head.startswith(BOM) else 0
    header = _HEADER.match(head, start)
    promised, width = map(int, header.groups()) if header else (None, None)
    body = head[header.end() if header else start :]
    lines = body.split(b"\n")
    widths = [_width(line) for line in lines if line.strip()]
    if 2 * sum(map(bool, widths)) < len(widths) and is_binary(body):
        _check_header(width, width, path, dim)
        return Layout(promised, len(head) - len(body), True)
    if not is_whole:
        _check_line_ends(lines, path, dim)
        widths = widths[:-1]  # the last line is cut off
    if header and dim == 1 and width != 1 and set(widths) == {1}:
        return Layout(None, start, False)  # no header, but the vector of one number
    _check_widths(lines, widths, width, path, dim)
    return Layout(promised, len(head) - len(body), False)


def _check_line_ends(lines, path, dim):
    if len(lines) < 2:
        raise UserError(
            f"{path}: no line ends in its first {len(lines[0]):,} bytes, but vectors of {dim} "
            "numbers were expected, a line each; check --emb_path and --wrd_dim"
        )


def _check_widths(lines, widths, of_header, path, dim):
    """Raises UserError where most of the lines, whose widths are `widths`, have no vector of `dim`
    numbers. of_header: the width that the header speaks of, None without one.
    """
    found = collections.Counter(filter(None, widths))
    usual = dim if found[dim] == max(found.values(), default=0) else max(found, key=found.get)
    if of_header is not None:
        _check_header(of_header, usual if found else of_header, path, dim)
    if not found:
        line = next((line for line in lines if line.strip()), None)
        first = line and f"the first line is {line[:60].decode(errors='replace')!r}"
        raise UserError(
            f"{path}:1: no word vector that can be used, {first or 'the file is empty'}; "
            "expected `word number number ...` lines, or word2vec's .bin"
        )
    if usual != dim:
        numbered = enumerate(lines, 1 if of_header is None else 2)
        at = next(number for number, line in numbered if _width(line) == usual)
        raise UserError(
            f"{path}:{at}: the vectors have {usual} numbers, but --wrd_dim is {dim}; "
            f"set --wrd_dim {usual}"
        )


def _check_header(width, found, path, dim):
    """Raises UserError where the header's width (None without a header) is not that of the vectors,
    or not `dim`.
    """
    if width is None:
        raise UserError(f"{path}: not {_EXPECTED}, but binary data of an unknown kind")
    if not 0 < width <= WIDEST:
        raise UserError(
            f"{path}:1: the vectors have {width} numbers by this header, expected 1 to {WIDEST:,}; "
            "is it a file of word vectors?"
        )
    if width != found:
        raise UserError(
            f"{path}:1: the vectors have {width} numbers by this header, but {found} where they "
            "stand; mend the header, or take it off"
        )
    if width != dim:
        raise UserError(
            f"{path}:1: the vectors have {width} numbers, but --wrd_dim is {dim}; "
            f"set --wrd_dim {width}"
        )


def _width(line):
    """How many numbers stand at the end of a line, after its word."""
    fields = line.split()[1:]
    if fields and _are_numbers(fields):
        return len(fields)
    return next((i for i, field in enumerate(reversed(fields)) if not _are_numbers([field])), 0)


def _to_floats(text):
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # numpy stops at what is no number: seen by the length
        try:
            return np.fromstring(text, dtype=np.float32, sep=" ")
        except ValueError:  # ... and will raise one day
            return np.empty(0, np.float32)


def _are_numbers(fields):
    return len(_to_floats(b" ".join(fields))) == len(fields)


# ---------------------------------------------------------------- reading


class VectorReader:
    """Reads the vectors of a file, chunk by chunk. What is skipped is counted, with the first place
    of each kind.
    """

    def __init__(self, path, member, wrd_dim, lowercase, keep=None, reserved=()):
        """keep: the spellings that are wanted, None for all. reserved: words that come first, and
        have no vector in the file.
        """
        self.path, self.member, self.dim, self.lowercase, self.keep = (
            path,
            member,
            wrd_dim,
            lowercase,
            keep,
        )
        self.words, self.reserved, self.parts = dict.fromkeys(reserved), len(reserved), []
        self.layout = None
        self.line = 0  # lines that are read; of a binary file: vectors
        self.blank = 0  # of them, those that are blank
        self._skipped = {}
        self._leftover = 0  # bytes after the last vector of a binary file

    def read(self):
        """Returns (words, float32 array (words - reserved, dim)): the reserved words, then those of
        the file in its order. Raises UserError.
        """
        with _opened(self.path, self.member) as stream:
            head, is_whole = _head(stream, self.dim)
            self.layout = _layout(head, is_whole, self.path, self.dim)
            chunks = _chunks(head[self.layout.start :], stream, self.path)
            if self.layout.is_binary:
                self._read_binary(chunks)
            else:
                self._read_text(chunks)
        if not self.parts and self.keep is not None:
            raise UserError(
                f"{self.path}: no vector for any word of the corpus; check --lowercase, or leave "
                "--filter out"
            )
        if not self.parts:
            raise UserError(
                f"{self.path}:1: no word vector that can be used, "
                f"{next(self.notes(), 'the file has none')}"
            )
        return list(self.words), np.concatenate(self.parts)

    def notes(self):
        """Lines for the user about what the header says wrongly, and what was skipped."""
        promised, count = self.layout.promised, self._count()
        if promised is not None and promised != count:
            yield (
                f"the header at {self.path}:1 says {promised:,} vectors, there are {count:,}: "
                + ("is the file cut off?" if count < promised else "all were read")
            )
        if self._leftover:
            yield f"skipped {self._leftover:,} bytes after the last vector of {self.path}"
        for why, (count, number) in self._skipped.items():
            place = f"vector {number:,} of {self.path}"
            if not self.layout.is_binary:
                place = f"{self.path}:{number}"
            yield f"skipped {count:,} {why}; the first at {place}"

    def _count(self):
        has_header = self.layout.promised is not None and not self.layout.is_binary
        return self.line - self.blank - has_header

    # ------------------------------------------------------------ text

    def _read_text(self, chunks):
        self.line = int(self.layout.promised is not None)
        rest = b""
        for data in chunks:
            lines = (rest + data).split(b"\n")
            rest = lines.pop()
            self._take(lines)
            if len(rest) > _longest_line(self.dim):
                raise UserError(
                    f"{self.path}:{self.line + 1}: a line of more than {len(rest):,} bytes, but "
                    f"vectors of {self.dim} numbers were expected; fetch the file again"
                )
        if rest:
            self._take([rest])

    def _take(self, lines):
        words, rests = [], []
        for i, line in enumerate(lines):
            word, _, rest = line.rstrip().partition(b" ")
            if rest.count(b" ") != self.dim - 1 or not word or b"\t" in line:
                word, rest = self._odd_line(line, self.line + i + 1)
            words.append(word)
            rests.append(rest)
        self._add(words, self._parse(rests, words))
        self.line += len(lines)

    def _odd_line(self, line, number):
        """A line with other blanks than single spaces, or of a wrong width: (None, zeros) where it
        is skipped.
        """
        fields = line.split()
        if len(fields) == self.dim + 1:
            return fields[0], b" ".join(fields[1:])
        self.blank += not fields
        if (
            len(fields) > self.dim + 1
            and _are_numbers(fields[-self.dim :])
            and not _are_numbers(fields[1:])
        ):
            self._skip(_WITH_SPACE, number)
        else:
            self._skip(f"lines of a width other than {self.dim}", number)
        return None, b" ".join([b"0"] * self.dim)

    def _parse(self, rests, words):
        """Numbers of all lines at once; where that fails, line by line, skipping those that are not
        numbers.
        """
        vectors = _to_floats(b" ".join(rests))
        if len(vectors) == len(rests) * self.dim and np.isfinite(vectors).all():
            return vectors.reshape(-1, self.dim)
        vectors = np.zeros((len(rests), self.dim), np.float32)
        for i, rest in enumerate(rests):
            values = _to_floats(rest)
            if len(values) == self.dim and np.isfinite(values).all():
                vectors[i] = values
            elif words[i] is not None:
                words[i] = None
                self._skip("lines with something that is not a finite number", self.line + i + 1)
        return vectors

    # ------------------------------------------------------------ word2vec's .bin

    def _read_binary(self, chunks):
        records = _Records(self.path, self.dim, self.layout.promised, chunks)
        for words, vectors in records:
            for i in np.flatnonzero(~np.isfinite(vectors).all(axis=1)):
                words[i] = None
                self._skip("vectors with a number that is not finite", self.line + i + 1)
            for i, word in enumerate(words):
                if word is not None and (not word or len(word.split()) != 1):
                    words[i] = None
                    self._skip(_WITH_SPACE if word.split() else "empty words", self.line + i + 1)
            self._add(words, vectors)
            self.line += len(words)
        self._leftover = records.leftover

    # ------------------------------------------------------------ both

    def _add(self, words, vectors):
        """Takes words (bytes, None for one that is skipped) and their vectors (words, dim)."""
        rows = []
        for i, raw in enumerate(words):
            if raw is None:
                continue
            try:
                word = raw.decode()
            except UnicodeDecodeError:
                self._skip("words that are not UTF-8", self.line + i + 1)
                continue
            spelling = word.lower() if self.lowercase else word
            if self.keep is not None and spelling not in self.keep:
                continue
            if spelling in self.words:
                together = spelling != word or self.lowercase
                self._skip(
                    "words whose spelling, lowercased, stood before (the first vector is kept)"
                    if together
                    else "words that stood before (the first vector is kept)",
                    self.line + i + 1,
                )
                continue
            self.words[spelling] = None
            rows.append(i)
        if rows:
            self.parts.append(vectors[rows] if len(rows) < len(words) else vectors)

    def _skip(self, why, number):
        count, first = self._skipped.get(why, (0, number))
        self._skipped[why] = (count + 1, first)


def _chunks(head, stream, path):
    """The bytes `head`, then the rest of a stream, part by part. Raises UserError where the file
    `path` unpacks to much more than vectors do.
    """
    most = max(_MOST_RATIO * os.path.getsize(path), 1 << 26)
    total = len(head)
    yield head
    while data := stream.read(_CHUNK):
        total += len(data)
        if total > most:
            raise UserError(
                f"{path}: it unpacks to more than {most:,} bytes, {_MOST_RATIO} times its size, "
                "which vectors do not; fetch the file again"
            )
        yield data


class _Records:
    """The vectors of word2vec's .bin: iterates over (words as bytes, float32 array (words, dim)).

    A record is a word, a space, and `dim` numbers, float32 little-endian; word2vec.c writes a
    newline after it, gensim does not. A word ends at the first space. Where that leads to a vector
    or to a next word that cannot be, and a later space does not, the word has a space inside.
    leftover: bytes after the vectors that the header promised, which are none themselves.
    """

    def __init__(self, path, dim, promised, chunks):
        self.path, self.promised, self.chunks = path, promised, chunks
        self.dim, self.size = dim, 4 * dim
        self.data, self.at, self.is_last = b"", 0, False
        self.done = self.leftover = 0
        self.newline = None  # whether one follows each vector; None: not known yet

    def __iter__(self):
        while self._fill():
            words, starts, begins = self._scan() if self.newline is not None else ([], [], [])
            vectors = self._vectors(starts)
            good = self._plausible_ones(words, vectors, begins)
            if good:
                self.at = begins[good]
                self.done += good
                yield words[:good], vectors[:good]
                continue
            end = self._end_of_word()
            if end is None:
                return self._finish()
            word, vector = self._word(self.at, end), self._vectors([end + 1])
            self.at = self._after(end)
            self.done += 1
            yield [word], vector

    def _fill(self):
        """Makes ready what is needed for a record and the next word. Returns whether anything is
        left.
        """
        need = 2 * _LONGEST_WORD + self.size + 2
        while not self.is_last and len(self.data) - self.at < need:
            chunk = next(self.chunks, None)
            self.is_last = chunk is None
            self.data, self.at = self.data[self.at :] + (chunk or b""), 0
        return not self.is_last or bool(self.data[self.at :].strip(b"\n"))

    def _scan(self):
        """Some records, each word ending at its first space: (words, where their vectors start,
        where they begin, and the one after them).
        """
        words, starts, begins, at = [], [], [self.at], self.at
        while len(words) < _AT_ONCE:
            end = self.data.find(b" ", at, at + _LONGEST_WORD)
            if end < 0 or end + 1 + self.size > len(self.data):
                break
            words.append(self._word(at, end))
            starts.append(end + 1)
            at = self._after(end)
            begins.append(at)
        return words, starts, begins

    def _plausible_ones(self, words, vectors, begins):
        """How many of the scanned records, from the first on, can be what they seem."""
        sane = _are_sane(vectors).tolist()
        are_words = [_is_word(word) for word in words[1:]] + [False]  # the last one: next time
        for k in range(len(words)):
            ends_well = not self.newline or self.data[begins[k + 1] - 1] == ord(b"\n")
            if not (sane[k] and are_words[k] and ends_well):
                return k
        return len(words)

    def _end_of_word(self):
        """Where the word of the record at self.at ends: at its first space, or at a later one that
        makes more sense. None: there is no whole record, or none that must be there.
        """
        spaces, at = [], self.at
        while (
            len(spaces) < 16
            and 0
            <= (at := self.data.find(b" ", at, self.at + _LONGEST_WORD))
            < len(self.data) - self.size
        ):
            if spaces and not _is_word(self._word(self.at, at)):
                break
            spaces.append(at)
            at += 1
        for newline in (True, False) if self.newline is None else (self.newline,):
            for end in spaces:
                if self._is_sane(end) and self._leads_to_word(end, newline):
                    self.newline = newline
                    return end
        if not spaces or self.done >= self.promised:
            return None
        # The vector is odd, or the next word is: what follows the vector, or its numbers tell.
        followed = [] if self.newline is False else filter(self._newline, spaces)
        end = next(iter(followed), None)
        self.newline = self.newline or end is not None
        if self.newline:
            return end
        end = next(filter(self._is_sane, spaces), spaces[0])
        return None if _are_wild(self._vectors([end + 1]))[0] else end

    def _is_sane(self, end):
        return bool(_are_sane(self._vectors([end + 1]))[0])

    def _leads_to_word(self, end, newline):
        """Whether the vector of a word that ends there is followed by a newline, where that is
        expected, and by a word or the end of the file.
        """
        if newline and not self._newline(end):
            return False
        after = self._after(end)
        next_end = self.data.find(b" ", after, after + _LONGEST_WORD)
        if next_end >= 0:
            return _is_word(self._word(after, next_end))
        rest = self.data[after : after + _LONGEST_WORD]
        return self.is_last and (not rest.strip(b"\n") or _is_word(rest))

    def _finish(self):
        """No whole record follows: what is left may be something else, or the file is damaged."""
        if self.done >= self.promised:
            self.leftover = len(self.data) - self.at + sum(map(len, self.chunks))
            return
        place = f"{self.path}: vector {self.done + 1:,} of {self.promised:,}"
        space = self.data.find(b" ", self.at, self.at + _LONGEST_WORD)
        left = len(self.data) - self.at
        if self.is_last and (
            space < 0 and left < _LONGEST_WORD or space + self.size >= len(self.data)
        ):
            raise UserError(f"{place}: the file ends in the middle of it; fetch it again")
        raise UserError(
            f"{place}: no word and vector of {self.dim} numbers can be told apart there; "
            "fetch the file again, or write it as text"
        )

    def _word(self, begin, end):
        return self.data[begin:end].lstrip(b"\n")

    def _newline(self, end):
        """Whether a newline or the end of the file follows the vector of a word that ends there."""
        after = end + 1 + self.size
        return self.data[after : after + 1] == b"\n" or (self.is_last and after == len(self.data))

    def _after(self, end):
        """Where the record after that of a word that ends there begins."""
        after = end + 1 + self.size
        return after + (self.data[after : after + 1] == b"\n")

    def _vectors(self, starts):
        """The numbers at these places, float32 (places, dim)."""
        parts = b"".join([self.data[start : start + self.size] for start in starts])
        return np.frombuffer(parts, "<f4").reshape(-1, self.dim).astype(np.float32, copy=False)


def _is_word(word):
    """Whether these bytes may be a word: UTF-8 without control characters."""
    if not word or re.search(rb"[\x00-\x1f\x7f]", word):
        return False
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True


def _are_sane(vectors):
    """Whether the numbers of each vector are of a size that word vectors have, bool (vectors,).

    Bytes that are no vector, or are one shifted by some bytes, give numbers of all sizes.
    """
    sizes = np.abs(vectors)
    return ((sizes == 0) | ((sizes > 1e-15) & (sizes < 1e12))).all(axis=1)


def _are_wild(vectors):
    """Whether some number of each vector is too large for a word vector, though finite."""
    return (np.isfinite(vectors) & (np.abs(vectors) > 1e12)).any(axis=1)
