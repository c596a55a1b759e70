"""EmbVec: words, characters, POS, chunks and tags <-> ids, and the word vectors.

As a command it reads word vectors and a corpus, writes <emb_path>.pkl, and prints the vocabularies
for C++:

    python embvec.py --emb_path embeddings/glove.6B.50d.txt --wrd_dim 50 --train_path data/train.txt > embeddings/vocab.txt
"""

import functools
import hashlib
import io
import pickle
import sys
import typing

import numpy as np

import conll
import plain_pickle
import pretrained
import tagset
from cli import (
    Parser,
    UserError,
    atomic_write,
    check_readable,
    check_stream,
    check_writable,
    parse_bool,
    run_command,
)
from config import MOST_UNITS
from structured import misfit
from textfile import BOM, HEAD, check_not_a_page, check_text, read_lines
from word_vectors import WIDEST, VectorReader, check_vectors

PAD, UNK = "#PAD#", "#UNK#"  # ids 0 and 1 of words, characters, POS and chunks
FORMAT = 1
SECTIONS = ("wrd", "chr", "pos", "chk", "tag")
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
        return hashlib.sha256(self.vocab_text()).hexdigest()

    def header(self):
        """What load_header() reads without reading the vectors."""
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
        first, builder = first or {}, _Vocabularies(lowercase)
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
                f"{path}:{row + 1}: the file ends in section {name}, {int(count)} tokens were expected{_MEND_VOCAB}"
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
            f"{path}: EmbVec format {header.get('format')}, expected {FORMAT}; make it again with embvec.py"
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
    reserved = all(vocab[name][:2] == [PAD, UNK] for name in ("wrd", "chr", "pos", "chk"))
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


def file_hash(path):
    """sha256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while data := stream.read(1 << 20):
            digest.update(data)
    return digest.hexdigest()


# ---------------------------------------------------------------- vocabularies of a corpus


class _Vocabularies:
    """Collects words (as the vectors spell them), characters, POS, chunks and tags in order of
    appearance.
    """

    def __init__(self, lowercase):
        self.lowercase = lowercase
        self.words = {}
        self._tables = {name: dict.fromkeys((PAD, UNK)) for name in ("chr", "pos", "chk")}
        self._tags = {"O": None}
        self._seen = set()

    chars = property(lambda self: list(self._tables["chr"]))
    pos = property(lambda self: list(self._tables["pos"]))
    chunks = property(lambda self: list(self._tables["chk"]))
    tags = property(lambda self: list(self._tags))

    def tables(self):
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
        for name, column in (("pos", sentence.pos), ("chk", sentence.chunks)):
            self._tables[name].update(dict.fromkeys(column or ()))
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


# ---------------------------------------------------------------- the command


def build(args):
    """Reads what the flags name. Returns (EmbVec, lines for the user about what was read and
    skipped).
    """
    corpus, of_tags = _read_corpus(args)
    hashes = {path: file_hash(path) for path in [*args.train_path, *args.total_path]}
    models = read_language_models(args)
    if args.emb_path:
        emb, notes = _with_vectors(
            args, corpus, {**hashes, args.emb_path: file_hash(args.emb_path)}, models
        )
    else:
        words = dict.fromkeys((PAD, UNK, *corpus.words))
        emb = EmbVec(
            list(words),
            *corpus.tables(),
            args.wrd_dim,
            None,
            args.lowercase,
            sources=hashes,
            **models,
        )
        notes = [
            f"no --emb_path: {len(words) - 2:,} words of the corpus, whose vectors of {args.wrd_dim} start at random"
        ]
    if emb.elmo:
        notes.append(
            f"ELMo from {args.elmo_weight_path}{_known_to_elmo(args.elmo_vocab_path, corpus)}"
        )
    if emb.bert:
        cased = "lowercased, without accents" if emb.bert["do_lower_case"] else "case kept"
        notes.append(
            f"BERT from {emb.bert['weights']}: {len(emb.vocab[BERT]):,} pieces, {cased}, {emb.bert['max_seq_length']} at once"
        )
    return emb, of_tags + notes


def _read_corpus(args):
    """Vocabularies of --train_path and --total_path, and lines about the tags. Raises UserError."""
    vocabularies = _Vocabularies(args.lowercase)
    for flag, section in (("tags_path", "tag"), ("chars_path", "chr")):
        if getattr(args, flag):
            vocabularies.fix(section, read_tokens(getattr(args, flag), f"--{flag}"))
    columns = conll.columns_of(args)
    parts = []
    for path in args.train_path:
        sentences, own = conll.read_sentences(path, columns, delimiter=args.delimiter)
        parts.append((path, sentences))
    counts, places = tagset.collect(parts)
    tagset.check(places)
    scheme = conll.detect(sentence.tags for _, sentences in parts for sentence in sentences)
    lines = tagset.train_lines(counts, places, scheme, mixed=tagset.mixed_schemes(parts, scheme))
    for _, sentences in parts:
        for sentence in sentences:
            vocabularies.add(sentence)
    for path in args.total_path:
        sentences, _ = conll.read_sentences(path, columns, own, ("word",), args.delimiter)
        for sentence in sentences:
            vocabularies.add(sentence, with_tags=False)
    return vocabularies, lines


def _with_vectors(args, corpus, hashes, models):
    """The vocabularies, and the vectors of --emb_path. Returns what build does."""
    reader = VectorReader(
        args.emb_path,
        args.member,
        args.wrd_dim,
        args.lowercase,
        corpus.spellings() if args.filter else None,
        reserved=(PAD, UNK),
    )
    words, vectors = reader.read()
    read = len(words) - 2
    emb = EmbVec(
        words, *corpus.tables(), args.wrd_dim, None, args.lowercase, args.filter, hashes, **models
    )
    unseen = [word for word in corpus.words if emb.word_id(word) == 1 and word not in (PAD, UNK)]
    unknown = vectors.mean(axis=0, keepdims=True)
    words.extend(unseen)  # without a vector of their own they start where the unknown word does
    emb.ids["wrd"].update({word: read + 2 + i for i, word in enumerate(unseen)})
    emb.vectors = np.concatenate(
        [np.zeros_like(unknown), unknown, vectors, np.repeat(unknown, len(unseen), axis=0)]
    )
    notes = [
        f"{read:,} vectors of {args.wrd_dim} from {args.emb_path}; {len(unseen):,} words of the corpus have none, "
        "they start at the mean of all, as the unknown word does"
    ]
    notes += reader.notes()
    if args.filter:
        notes.append(
            "--filter: only words of the corpus were kept: good for training experiments, not for service"
        )
    return emb, notes


def read_language_models(args):
    """What EmbVec says of ELMo and BERT, {"elmo", "bert", "pieces"}, as the flags name them; all
    files are checked. Raises UserError.
    """
    found = {}
    if args.elmo_options_path:
        options = pretrained.read_elmo_options(args.elmo_options_path)
        pretrained.elmo_weights(options, args.elmo_weight_path)
        found["elmo"] = {
            "options": options,
            "weights": args.elmo_weight_path,
            "hash": pretrained.files_hash([args.elmo_weight_path]),
        }
    if args.bert_init_checkpoint:
        weights = pretrained.find_bert(args.bert_init_checkpoint)
        config_path, vocab_path = pretrained.bert_neighbours(
            weights, args.bert_config_path, args.bert_vocab_path
        )
        config = pretrained.read_bert_config(config_path)
        found["pieces"] = pretrained.read_bert_vocab(vocab_path, config)
        length = (
            min(config["max_position_embeddings"], 512)
            if args.bert_max_seq_length is None
            else args.bert_max_seq_length
        )
        if not 3 <= length <= config["max_position_embeddings"]:
            raise UserError(
                f"--bert_max_seq_length {length}: expected at least 3, and at most the {config['max_position_embeddings']} "
                f"max_position_embeddings of {config_path}"
            )
        lower = (
            pretrained.lowercases(found["pieces"])
            if args.bert_do_lower_case is None
            else args.bert_do_lower_case
        )
        read = pretrained.open_bert(config, weights)
        for name in pretrained.bert_shapes(config):
            read(name)
        found["bert"] = {
            "config": config,
            "do_lower_case": lower,
            "max_seq_length": length,
            "weights": weights,
            "hash": pretrained.files_hash(pretrained.bert_files(weights)),
        }
    return found


def _known_to_elmo(path, corpus):
    if not path:
        return ""
    known = set(pretrained.read_elmo_vocab(path))
    words = corpus.spelled()
    return (
        f"; its vocabulary has {sum(word in known for word in words):,} of the corpus's {len(words):,} words, the others are read "
        "by their characters all the same"
    )


def parse_args():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--emb_path",
        default="",
        help="vectors: GloVe or word2vec text, or word2vec's .bin; plain, .gz, .bz2, .xz, .zip; "
        "without it, the corpus's words, whose vectors start at random",
    )
    parser.add_argument("--member", default="", help="member of a .zip that has several")
    parser.add_argument(
        "--wrd_dim", type=int, help="numbers of a vector (without --emb_path: default 50)"
    )
    parser.add_argument(
        "--train_path",
        nargs="+",
        default=["data/train.txt"],
        help="training files: vocabularies and tags",
    )
    parser.add_argument(
        "--total_path",
        nargs="+",
        default=[],
        help="more files for the vocabularies, not for the tags",
    )
    parser.add_argument(
        "--columns", default="", help="columns in order, such as 'word pos chunk tag'"
    )
    conll.add_delimiter_flag(parser)
    parser.add_argument(
        "--lowercase",
        type=parse_bool,
        default=True,
        metavar="TRUE|FALSE",
        help="lowercase the words of the vectors (default True)",
    )
    parser.add_argument(
        "--filter",
        action="store_true",
        help="keep only the corpus's words: for training, not for service",
    )
    parser.add_argument(
        "--tags_path", default="", help="file that fixes tag ids, one tag a line (O is always 0)"
    )
    parser.add_argument(
        "--chars_path", default="", help="file that fixes character ids, one character a line"
    )
    _add_language_model_flags(parser)
    parser.add_argument("--out_path", default="", help="where to write (default: <emb_path>.pkl)")
    args = parser.parse_args()
    _check_args(args)
    if args.emb_path:
        check_vectors(args.emb_path, args.member, args.wrd_dim)
    args.out_path = args.out_path or args.emb_path + ".pkl"
    check_writable(args.out_path, "--out_path")
    return args


def _add_language_model_flags(parser):
    parser.add_argument(
        "--elmo_options_path",
        default="",
        help="ELMo's options.json; with it, the model reads ELMo's vectors",
    )
    parser.add_argument("--elmo_weight_path", default="", help="ELMo's weights.hdf5")
    parser.add_argument(
        "--elmo_vocab_path",
        default="",
        help="ELMo's vocabulary, a word a line: tells how many of the corpus's words it has",
    )
    parser.add_argument(
        "--bert_init_checkpoint",
        default="",
        help="BERT's weights; with them, the model reads BERT's vectors: the prefix of a "
        "TensorFlow 1 checkpoint (D/bert_model.ckpt), a model.safetensors, or a folder with one of them",
    )
    parser.add_argument(
        "--bert_config_path",
        default="",
        help="its bert_config.json or config.json (default: the one beside the weights)",
    )
    parser.add_argument(
        "--bert_vocab_path", default="", help="its vocab.txt (default: the one beside the weights)"
    )
    parser.add_argument(
        "--bert_do_lower_case",
        type=parse_bool,
        metavar="TRUE|FALSE",
        help="lowercase words for BERT and take off their accents (default: unless its vocabulary has capitals)",
    )
    parser.add_argument(
        "--bert_max_seq_length",
        type=int,
        help="pieces that BERT sees at once, at most; longer sentences are cut into overlapping windows "
        "(default: max_position_embeddings, but no more than 512)",
    )


def _check_args(args):
    if args.wrd_dim is None and args.emb_path:
        raise UserError(
            "--wrd_dim: expected the numbers of a vector in --emb_path, such as --wrd_dim 100"
        )
    args.wrd_dim = 50 if args.wrd_dim is None else args.wrd_dim
    if not 1 <= args.wrd_dim <= WIDEST:
        raise UserError(f"--wrd_dim {args.wrd_dim}: expected at least 1, and at most {WIDEST:,}")
    if not args.emb_path and not args.out_path:
        raise UserError(
            "--emb_path: expected word vectors, or --out_path to say where to write without them"
        )
    if not args.emb_path and (args.filter or args.member):
        raise UserError(
            "--filter and --member: there are no vectors to choose from; give --emb_path, or leave them out"
        )
    if bool(args.elmo_options_path) != bool(args.elmo_weight_path):
        raise UserError("--elmo_options_path and --elmo_weight_path: expected both or neither")
    if args.elmo_vocab_path and not args.elmo_options_path:
        raise UserError(
            "--elmo_vocab_path: expected --elmo_options_path and --elmo_weight_path beside it"
        )
    for name in (
        "bert_config_path",
        "bert_vocab_path",
        "bert_do_lower_case",
        "bert_max_seq_length",
    ):
        if getattr(args, name) not in ("", None) and not args.bert_init_checkpoint:
            raise UserError(f"--{name}: expected --bert_init_checkpoint beside it, BERT's weights")


def main():
    args = parse_args()
    check_stream(1)
    emb, notes = build(args)
    emb.save(args.out_path)
    sys.stdout.buffer.write(emb.vocab_text())
    sizes = ", ".join(f"{len(tokens):,} {name}" for name, tokens in emb.vocab.items())
    for note in notes + [f"wrote {args.out_path}: vocabularies of {sizes}"]:
        print(f"embvec.py: {note}", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
