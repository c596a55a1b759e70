"""Text files of the user. A file that is not UTF-8 text is refused in a line that says what it is
and what to do about it.

A file is recognized by its first bytes, never by the ending of its name. Standard library only.
"""

import re
from typing import NamedTuple

from cli import UserError, check_readable

HEAD = 4096  # bytes at the beginning of a file that say what it is
LONGEST_LINE = 1 << 20  # bytes of a line in a list of names, tags, characters or pieces, at most
MAX_LINE = 1 << 24  # bytes of a line of any other text: one without newlines is not held in memory
BOM = b"\xef\xbb\xbf"  # UTF-8's byte order mark
DOCSTART = "-DOCSTART-"  # in column files, the first column of a row that begins a document

# ---------------------------------------------------------------- what a file is


class Kind(NamedTuple):
    """What a file that is not text is. mend: what the user does about it; {path} is the path."""

    name: str
    mend: str


_UNPACK = "unpack it with `{} {{path}}`"
_PACKED = {  # magic number: (packing_of, Kind)
    b"\x1f\x8b": ("gzip", Kind("a gzip file", _UNPACK.format("gunzip -k"))),
    b"BZh": ("bzip2", Kind("a bzip2 file", _UNPACK.format("bunzip2 -k"))),
    b"\xfd7zXZ\x00": ("xz", Kind("an xz file", _UNPACK.format("unxz -k"))),
    b"PK\x03\x04": ("zip", Kind("a zip archive", _UNPACK.format("unzip"))),
    b"PK\x05\x06": ("zip", Kind("an empty zip archive", "fetch it again")),
}
_EXPORT = "export what it holds as text from the program that wrote it"
_FETCH = "fetch the file itself"
_LFS = b"version https://git-lfs.github.com/spec/"
_MAGIC = {
    b"\x28\xb5\x2f\xfd": Kind("a Zstandard file", _UNPACK.format("unzstd")),
    b"7z\xbc\xaf\x27\x1c": Kind("a 7-Zip archive", _UNPACK.format("7z x")),
    b"Rar!\x1a\x07": Kind("a RAR archive", _UNPACK.format("unrar x")),
    b"\x1f\x9d": Kind("a file of `compress`", _UNPACK.format("uncompress")),
    # fastText's FASTTEXT_FILEFORMAT_MAGIC_INT32, 793712314, little-endian.
    b"\xba\x16\x4f\x2f": Kind(
        "a fastText model",
        "give the .vec file that comes with it, or write one: `fasttext print-word-vectors {path} "
        "< words.txt > vectors.vec` (`fasttext dump {path} dict` lists its words)",
    ),
    b"\x93NUMPY": Kind("a NumPy .npy file", _EXPORT),
    b"\x89HDF\r\n\x1a\n": Kind("an HDF5 file", _EXPORT),
    b"SQLite format 3\x00": Kind("an SQLite database, as .magnitude files are", _EXPORT),
    b"PAR1": Kind("a Parquet file", _EXPORT),
    b"ARROW1": Kind("an Arrow file", _EXPORT),
    b"%PDF-": Kind("a PDF", _EXPORT),
    b"\x7fELF": Kind("a program", "check the path"),
    _LFS: Kind(
        "a Git LFS pointer to it",
        f"{_FETCH}: `git lfs pull` in its repository",
    ),
}
_ENCODINGS = (  # the longer mark first
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


def kind_of(head):
    """The Kind of a file with these first bytes, or None: it may be text."""
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    for magic, (_, kind) in _PACKED.items():
        if head.startswith(magic):
            return _zip_kind(head) or kind
    if head[257:262] == b"ustar":
        return Kind("a tar archive", "unpack it with `tar xf {path}`, and give the file in it")
    if re.match(rb"\x80[\x02-\x05]", head):
        return _pickle_kind(head)
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < 1 << 32:
        return Kind("a safetensors file", _EXPORT)
    return page_of(head)


def packing_of(head):
    """'gzip', 'bzip2', 'xz' or 'zip' for a file with these first bytes, which a text may be packed
    in; else None.
    """
    for magic, (packing, _) in _PACKED.items():
        if head.startswith(magic) and not _zip_kind(head):
            return packing
    return None


def page_of(head):
    """The Kind of a page that a server sent in place of a file, or None."""
    text = head.removeprefix(BOM).lstrip().lower()
    is_html = text.startswith(b"<!doctype html") or (
        re.match(rb"<html[\s>]", text) and re.search(rb"<(head|body|title)[\s>]", text)
    )
    if is_html:
        return Kind("an HTML page", f"{_FETCH}: its address gave a page instead")
    if text.startswith(b"<?xml "):
        return Kind("an XML document", f"{_FETCH}: its address may have given an error instead")
    return None


def _zip_kind(head):
    """The Kind of a file that is a zip archive inside, known by the name of its first member; None
    for an archive of files.
    """
    if not head.startswith(b"PK\x03\x04"):
        return None
    member = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    if member.endswith(b".npy"):
        return Kind("a NumPy .npz archive", _EXPORT)
    if member.endswith((b"/data.pkl", b"/.format_version")):
        return Kind("a PyTorch file", _EXPORT)
    if member == b"[Content_Types].xml":
        return Kind("an Office document", _EXPORT)
    return None


def _pickle_kind(head):
    if b"etagger EmbVec" in head:
        return Kind("an EmbVec file, which embvec.py has written", "give it to train.py --emb_path")
    if b"gensim" in head:
        return Kind(
            "a gensim file",
            "write its vectors as text in Python: gensim.models.KeyedVectors.load(...)"
            ".save_word2vec_format('vectors.txt'), or of a whole model Word2Vec.load(...).wv",
        )
    return Kind("a Python pickle", _EXPORT)


def encoding_of(head):
    """'UTF-16' or 'UTF-32' where a byte order mark says so; with LE or BE after it where only
    the zeros of its ASCII characters do; else None. head: at least 8 bytes for the latter.
    """
    for mark, name in _ENCODINGS:
        if head.startswith(mark):
            return name
    head = head[: min(len(head), 256) // 4 * 4]
    zeros = [head[k::4].count(0) for k in range(4)]
    quarter = len(head) // 4
    if quarter < 2 or 10 * sum(zeros) < 3 * len(head):
        return None
    if zeros[2] == zeros[3] == quarter and not zeros[0]:
        return "UTF-32LE"
    if zeros[0] == zeros[1] == quarter and not zeros[3]:
        return "UTF-32BE"
    if not zeros[0] and not zeros[2]:
        return "UTF-16LE"
    return "UTF-16BE" if not zeros[1] and not zeros[3] else None


def is_binary(head):
    """Whether these first bytes of a file are no text: control characters, or not UTF-8."""
    if re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", head):
        return True
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start < len(head) - 3  # else the last character is cut off
    return False


# ---------------------------------------------------------------- refusals


def check_text(head, path, expected="UTF-8 text"):
    """Raises UserError where the file `path`, which begins with the bytes `head`, is of a Kind or
    has another encoding than UTF-8. expected: what the message says was expected.
    """
    kind = kind_of(head)
    if kind:
        import shlex  # here, so that the scorers start without it

        mend = kind.mend.replace("{path}", shlex.quote(path))
        raise UserError(f"{path}: not {expected}, but {kind.name}; {mend}")
    check_encoding(head, path)


def check_encoding(head, name):
    """Raises UserError where a stream that begins with the bytes `head` is UTF-16 or UTF-32. name:
    the stream's, for the message.
    """
    encoding = encoding_of(head)
    if encoding:
        raise UserError(
            f"{name}: not UTF-8, but {encoding}; convert it with `iconv -f {encoding} -t UTF-8`"
        )


class HeadCheck:
    """check_encoding for a stream that is read in pieces. name: the stream's, for the message."""

    def __init__(self, name):
        self.name, self.head = name, b""

    def feed(self, data):
        """Takes the next bytes of the stream. Raises UserError."""
        if len(self.head) < HEAD:
            self.head += data[:HEAD]
            check_encoding(self.head, self.name)


def check_not_a_page(path, expected):
    """Raises UserError where the file `path`, expected to be binary, is an HTML page or a Git LFS
    pointer that came in its place.
    """
    with open(path, "rb") as stream:
        head = stream.read(HEAD)
    if page_of(head) or head.startswith(_LFS):
        check_text(head, path, expected)


def check_line(size, name, number, what="a token"):
    """Raises UserError for a line of more than MAX_LINE bytes, which should be `what`."""
    if size > MAX_LINE:
        raise UserError(
            f"{name}:{number}: a line of more than {MAX_LINE:,} bytes, expected {what} a line; "
            "check that this is the file that was meant"
        )


# ---------------------------------------------------------------- reading


def read_text(path, flag, expected="UTF-8 text"):
    """The text of a file, the value of `flag`, without a byte order mark. Raises UserError."""
    check_readable(path, flag)
    with open(path, "rb") as stream:
        data = stream.read()
    check_text(data[:HEAD], path, expected)
    data = data.removeprefix(BOM)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _not_utf8(path, data.count(b"\n", 0, error.start) + 1) from None


def read_lines(path, flag):
    """Yields (number, line) of a file, the value of `flag`. Numbers count from 1; lines are str
    without `\\n`, the `\\r` before it, and a byte order mark. Raises UserError.
    """
    check_readable(path, flag)
    with open(path, "rb") as stream:
        check_text(stream.peek(HEAD)[:HEAD], path)
        number = 0
        while line := stream.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise UserError(
                    f"{path}:{number}: a line of more than {LONGEST_LINE:,} bytes, a list was "
                    f"expected, one entry a line; check {flag}"
                )
            line = line.removeprefix(BOM) if number == 1 else line
            try:
                yield number, line.removesuffix(b"\n").rstrip(b"\r").decode()
            except UnicodeDecodeError:
                raise _not_utf8(path, number) from None


def _not_utf8(path, number):
    return UserError(
        f"{path}:{number}: not UTF-8, but UTF-8 was expected; convert the file, "
        "for example with iconv -f latin1 -t utf-8"
    )
