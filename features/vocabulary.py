"""EmbVec: words, characters, POS, chunks and tags <-> ids, and the word vectors; its file, and the
vocab.txt that C++ reads.
"""

import functools
import io
import pickle
import typing

import numpy as np

from cli import UserError, atomic_write, check_readable
from config import MOST_UNITS
from features.tokens import FEATURES
from files import plain_pickle
from files.structured import misfit
from files.text import BOM, HEAD, check_not_a_page, check_text, read_lines

PAD, UNK = "#PAD#", "#UNK#"  # ids 0 and 1 of words, characters, POS and chunks


FORMAT = 1


# The sections of vocab.txt: words, characters, POS, chunks and tags.
SECTIONS = (*(feature.section for feature in FEATURES if feature.section), "tag")


BERT = "bert"  # the section of BERT's pieces, only where BERT is in use


_MAGIC = "etagger EmbVec"


_HEADER = {
    "magic": str,
    "format": int,
    "wrd_dim": int,
    "words": int,
    "lowercase": bool,
    "filtered": bool,
    "sources": dict,  # {path: sha256}
    "vocab_hash": str,
    "vectors": typing.Optional[str],  # their sha256
}


_MOST_HEADER = 1 << 24  # bytes of a file within which its header ends


_MEND_VOCAB = "; make it again with embvec.py, or take the vocab.txt that export.py wrote"


_DIGITS = str.maketrans("123456789", "000000000")


class EmbVec:
    """Vocabularies as lists, whose index is the id, and float32 word vectors (words, wrd_dim), or
    None: start at random.

    elmo, bert: the language models beside them, or None; their weights stay in their files. elmo:
    {"options": what options.json says, "weights": path, "hash": sha256}. bert: {"config": what
    bert_config.json says, "do_lower_case", "max_seq_length", "weights": path, "hash"}; pieces:
    BERT's vocabulary.
    """

    def __init__(
        self,
        words,
        chars,
        pos,
        chunks,
        tags,
        wrd_dim,
        vectors=None,
        lowercase=True,
        filtered=False,
        sources=(),
        elmo=None,
        bert=None,
        pieces=(),
    ):
        self.vocab = {
            "wrd": words,
            "chr": chars,
            "pos": pos,
            "chk": chunks,
            "tag": tags,
            **({BERT: list(pieces)} if pieces else {}),
        }
        self.wrd_dim, self.vectors, self.lowercase, self.filtered = (
            wrd_dim,
            vectors,
            lowercase,
            filtered,
        )
        self.sources, self.elmo, self.bert = dict(sources), elmo, bert
        self.ids = {
            name: {token: i for i, token in enumerate(tokens)}
            for name, tokens in self.vocab.items()
        }

    @property
    def tags(self):
        return self.vocab["tag"]

    def word_id(self, word):
        """The word as it is; lowercased, where the vectors are; then with its ASCII digits as 0;
        else unknown (1).
        """
        words = self.ids["wrd"]
        found = words.get(word)
        if found is None and self.lowercase:
            word = word.lower()
            found = words.get(word)
        if found is None:
            found = words.get(word.translate(_DIGITS))
        return found or 1  # never 0, that is padding, even for a word spelled #PAD#

    def id(self, section, token):
        """Id of a character ('chr'), POS ('pos') or chunk ('chk'); unknown is 1."""
        return self.ids[section].get(token) or 1

    def vocab_text(self):
        """What C++ reads, as bytes: `# wrd_vocab N`, then N lines `token id`; chr, pos, chk, tag
        and BERT's pieces alike.
        """
        out = io.StringIO()
        for name, tokens in self.vocab.items():
            out.write(f"# {name}_vocab {len(tokens)}\n")
            out.writelines(f"{token} {i}\n" for i, token in enumerate(tokens))
        return out.getvalue().encode()

    @functools.cached_property
    def vocab_hash(self):
        """sha256 of vocab_text(), in hexadecimal."""
        import hashlib

        return hashlib.sha256(self.vocab_text()).hexdigest()

    def header(self):
        """What load_header() reads without reading the vectors."""
        import hashlib

        return {
            "magic": _MAGIC,
            "format": FORMAT,
            "wrd_dim": self.wrd_dim,
            "words": len(self.vocab["wrd"]),
            "lowercase": self.lowercase,
            "filtered": self.filtered,
            "sources": self.sources,
            "vocab_hash": self.vocab_hash,
            **({"elmo": self.elmo} if self.elmo else {}),
            **({"bert": self.bert} if self.bert else {}),
            "vectors": None
            if self.vectors is None
            else hashlib.sha256(np.ascontiguousarray(self.vectors)).hexdigest(),
        }

    def save(self, path):
        """Two pickles of plain containers and arrays: the header, then vocabularies and vectors.
        Whole or not at all.
        """
        body = {"vocab": self.vocab, "vectors": self.vectors}
        with atomic_write(path) as out:
            for part in (self.header(), body):
                pickle.dump(part, out, protocol=4)

    @classmethod
    def load(cls, path):
        """Raises UserError when the file is missing, truncated, of another version, or holds any
        class of its own.
        """
        check_readable(path, "--emb_path")
        with open(path, "rb") as stream:
            data = stream.read()
        header, end = _load_header(data, path)
        body, _ = _load_plain(data, end, path)
        try:
            vectors = None if body["vectors"] is None else body["vectors"].value
            whole = vectors is None or (
                vectors.dtype == np.float32
                and vectors.shape == (header["words"], header["wrd_dim"])
            )
            if whole := whole and _are_vocabularies(body["vocab"]):
                emb = cls(
                    *(body["vocab"][name] for name in SECTIONS),
                    header["wrd_dim"],
                    vectors,
                    header["lowercase"],
                    header["filtered"],
                    header["sources"],
                    header.get("elmo"),
                    header.get("bert"),
                    body["vocab"].get(BERT, ()),
                )
                whole = emb.header() == header  # the same hashes: no bit has flipped
        except (LookupError, TypeError, ValueError, AttributeError):
            whole = False
        if not whole:
            raise UserError(f"{path}: not a whole EmbVec file; make it again with embvec.py")
        from features import pretrained

        pretrained.check_models(emb.elmo, emb.bert, emb.vocab.get(BERT, []), path)
        return emb

    @classmethod
    def from_vocab_text(cls, path):
        """Reads what vocab_text() gives: vocabularies alone, no vectors, wrd_dim 0. Raises
        UserError naming file and line.
        """
        check_readable(path, "--vocab_path")
        with open(path, "rb") as stream:
            data = stream.read()
        check_text(data[:HEAD], path, "a vocabulary, vocab.txt")
        lines, vocab, at = data.removeprefix(BOM).split(b"\n"), {}, 0
        for name in SECTIONS:
            vocab[name], at = _read_section(name, lines, at, path)
        pieces = ()
        if lines[at].startswith(b"# bert_vocab "):
            pieces, at = _read_section(BERT, lines, at, path)
        if lines[at:] != [b""]:
            raise UserError(f"{path}:{at + 1}: more than the sections of a vocabulary{_MEND_VOCAB}")
        return cls(*vocab.values(), wrd_dim=0, pieces=pieces)

    @classmethod
    def from_sentences(cls, sentences, wrd_dim, lowercase, first=None, models=None):
        """Vocabularies of training sentences alone; the word vectors start at random.

        first: tokens that come before those of the sentences, {section but 'tag': tokens}. models:
        {"elmo", "bert", "pieces"}.
        """
        first, builder = first or {}, Vocabularies(lowercase)
        for section in first.keys() - {"wrd"}:
            builder.fix(section, first[section])
        for sentence in sentences:
            builder.add(sentence)
        words = list(dict.fromkeys((PAD, UNK, *first.get("wrd", ()), *builder.words)))
        return cls(words, *builder.tables(), wrd_dim, None, lowercase, **(models or {}))


def _read_section(name, lines, at, path):
    """Tokens of the section that begins at lines[at], and where it ends."""
    heading = f"# {name}_vocab ".encode()
    count = lines[at][len(heading) :] if lines[at].startswith(heading) else b""
    if not count.isdigit() or len(count) > 18:
        raise UserError(f"{path}:{at + 1}: expected `{heading.decode()}N`{_MEND_VOCAB}")
    tokens = []
    for row in range(at + 1, at + 1 + int(count)):
        if row >= len(lines) - 1:
            raise UserError(
                f"{path}:{row + 1}: the file ends in section {name}, {int(count)} tokens were "
                f"expected{_MEND_VOCAB}"
            )
        token, _, number = lines[row].rpartition(b" ")
        if number != str(len(tokens)).encode():
            raise UserError(f"{path}:{row + 1}: expected `token {len(tokens)}`{_MEND_VOCAB}")
        tokens.append(token.decode(errors="surrogateescape"))
    return tokens, at + 1 + int(count)


def load_header(path):
    """The header of an EmbVec file, see EmbVec.header(). Raises UserError."""
    check_readable(path, "--emb_path")
    with open(path, "rb") as stream:
        return _load_header(stream.read(_MOST_HEADER), path)[0]


def _load_header(data, path):
    check_not_a_page(path, "an EmbVec file")
    header, end = _load_plain(data, 0, path)
    if not isinstance(header, dict) or header.get("magic") != _MAGIC:
        raise UserError(
            f"{path}: not an EmbVec file; make it with embvec.py, and give the .pkl that it writes"
        )
    if header.get("format") != FORMAT:
        raise UserError(
            f"{path}: EmbVec format {header.get('format')}, expected {FORMAT}; "
            "make it again with embvec.py"
        )
    of_models = {name: dict for name in ("elmo", "bert") if name in header}
    problem = misfit(header, {**_HEADER, **of_models})
    if problem or not 0 <= header["wrd_dim"] <= MOST_UNITS:
        what = problem or f"wrd_dim: {header['wrd_dim']}, expected at most {MOST_UNITS}"
        raise UserError(f"{path}: not a whole EmbVec file: {what}; make it again with embvec.py")
    return header, end


def _are_vocabularies(vocab):
    """Whether what a file holds is {section: tokens}, with the reserved ones at their places."""
    if set(vocab) - {BERT} != set(SECTIONS):
        return False
    for tokens in vocab.values():
        if type(tokens) is not list or any(type(token) is not str for token in tokens):
            return False
    reserved = all(vocab[name][:2] == [PAD, UNK] for name in SECTIONS if name != "tag")
    return reserved and vocab["tag"][:1] == ["O"]


def _load_plain(data, at, path):
    """The pickle at data[at], and where it ends. Raises UserError."""
    try:
        return plain_pickle.load(data, at)
    except plain_pickle.Refused as error:
        raise UserError(f"{path}: refused: {error}; make it again with embvec.py") from None
    except Exception:  # a damaged pickle fails in any way
        raise UserError(
            f"{path}: truncated or not an EmbVec file; make it again with embvec.py"
        ) from None


# ---------------------------------------------------------------- vocabularies of a corpus


_COLUMNS = [(feature.section, feature.cells) for feature in FEATURES if feature.cells]


class Vocabularies:
    """Collects words (as the vectors spell them), characters, POS, chunks and tags in order of
    appearance.
    """

    def __init__(self, lowercase):
        self.lowercase = lowercase
        self.words = {}
        self._tables = {name: dict.fromkeys((PAD, UNK)) for name in SECTIONS[1:-1]}
        self._tags = {"O": None}
        self._seen = set()

    chars = property(lambda self: list(self._tables["chr"]))
    pos = property(lambda self: list(self._tables["pos"]))
    chunks = property(lambda self: list(self._tables["chk"]))
    tags = property(lambda self: list(self._tags))

    def tables(self) -> tuple[list, list, list, list]:
        """Characters, POS, chunks and tags, as EmbVec takes them."""
        return self.chars, self.pos, self.chunks, self.tags

    def spelled(self):
        """The corpus's distinct words as they stand there."""
        return self._seen

    def add(self, sentence, with_tags=True):
        for word in sentence.words:
            if word not in self._seen:
                self._seen.add(word)
                self.words[word.lower() if self.lowercase else word] = None
                self._tables["chr"].update(dict.fromkeys(word))
        for section, cells in _COLUMNS:
            self._tables[section].update(dict.fromkeys(getattr(sentence, cells) or ()))
        if with_tags:
            self._tags.update(dict.fromkeys(sentence.tags))

    def fix(self, section, tokens):
        """Gives `tokens` the first ids of a section other than 'wrd', after the reserved ones."""
        if section == "tag":
            self._tags.update(dict.fromkeys(tokens))
        else:
            self._tables[section].update(dict.fromkeys(tokens))

    def spellings(self):
        """Every key under which EmbVec.word_id may look for a word of the corpus."""
        keys = set()
        for word in self._seen:
            lower = word.lower() if self.lowercase else word
            keys.update((word, lower, lower.translate(_DIGITS)))
        return keys


def read_tokens(path, flag):
    """Tokens of a file, one a line, for --tags_path and --chars_path. Raises UserError."""
    import tagset

    tokens = {}
    for number, token in read_lines(path, flag):
        if not token:
            continue
        if (
            " " in token
            or "\t" in token
            or (flag == "--chars_path" and len(token) != 1 and token not in (PAD, UNK))
        ):
            what = "one character" if flag == "--chars_path" else "one tag"
            raise UserError(f"{path}:{number}: {token!r}, expected {what} a line")
        if token in tokens:
            raise UserError(f"{path}:{number}: {token!r} stands twice, expected each once")
        if flag == "--tags_path":
            tagset.check({token: f"{path}:{number}"})
        tokens[token] = None
    return list(tokens)
