"""Makes an EmbVec file, <emb_path>.pkl: vocabularies of words, characters, POS, chunks and tags,
and the word vectors.

It reads word vectors and a corpus, and prints the vocabularies for C++:

    python embvec.py --emb_path embeddings/glove.6B.50d.txt --wrd_dim 50 \\
        --train_path data/train.txt > embeddings/vocab.txt
"""

import sys

import numpy as np

import cli
import conll
import schemes
import tagset
from cli import Parser, UserError, check_stream, check_writable, file_hash, parse_bool, run_command
from features import pretrained
from features.vocabulary import BERT, PAD, UNK, EmbVec, Vocabularies, read_tokens
from features.word_vectors import WIDEST, VectorReader, check_vectors


def build(args):
    """Reads what the flags name. Returns (EmbVec, lines for the user about what was read and what
    was skipped). Raises UserError.
    """
    corpus, of_tags = _read_corpus(args)
    hashes = {path: file_hash(path) for path in [*args.train_path, *args.total_path]}
    models = read_language_models(args)
    if args.emb_path:
        hashes[args.emb_path] = file_hash(args.emb_path)
        emb, notes = _with_vectors(args, corpus, hashes, models)
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
            f"no --emb_path: {len(words) - 2:,} words of the corpus, whose vectors of "
            f"{args.wrd_dim} start at random"
        ]
    if emb.elmo:
        notes.append(
            f"ELMo from {args.elmo_weight_path}{_known_to_elmo(args.elmo_vocab_path, corpus)}"
        )
    if emb.bert:
        cased = "lowercased, without accents" if emb.bert["do_lower_case"] else "case kept"
        notes.append(
            f"BERT from {emb.bert['weights']}: {len(emb.vocab[BERT]):,} pieces, {cased}, "
            f"{emb.bert['max_seq_length']} at once"
        )
    return emb, of_tags + notes


def _read_corpus(args) -> tuple[Vocabularies, list[str]]:
    """Vocabularies of --train_path and --total_path, and lines about the tags. Raises UserError."""
    vocabularies = Vocabularies(args.lowercase)
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
    scheme = schemes.detect(sentence.tags for _, sentences in parts for sentence in sentences)
    lines = tagset.train_lines(counts, places, scheme, mixed=tagset.mixed_schemes(parts, scheme))
    for _, sentences in parts:
        for sentence in sentences:
            vocabularies.add(sentence)
    for path in args.total_path:
        sentences, _ = conll.read_sentences(path, columns, own, ("word",), args.delimiter)
        for sentence in sentences:
            vocabularies.add(sentence, with_tags=False)
    return vocabularies, lines


def _with_vectors(args, corpus: Vocabularies, hashes, models):
    """Returns what build does: an EmbVec with the vectors of --emb_path, and lines about them."""
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
    words.extend(unseen)  # these start at the vector of the unknown word
    emb.ids["wrd"].update({word: read + 2 + i for i, word in enumerate(unseen)})
    emb.vectors = np.concatenate(
        [np.zeros_like(unknown), unknown, vectors, np.repeat(unknown, len(unseen), axis=0)]
    )
    notes = [
        f"{read:,} vectors of {args.wrd_dim} from {args.emb_path}; {len(unseen):,} words of the "
        "corpus have none, they start at the mean of all, as the unknown word does"
    ]
    notes += reader.notes()
    if args.filter:
        notes.append(
            "--filter: only words of the corpus were kept: good for training experiments, not for "
            "service"
        )
    return emb, notes


def read_language_models(args):
    """The keyword arguments of EmbVec for the language models that the flags name: elmo, bert and
    pieces. All their files are checked. Raises UserError.
    """
    models = {}
    if args.elmo_options_path:
        options = pretrained.read_elmo_options(args.elmo_options_path)
        pretrained.elmo_weights(options, args.elmo_weight_path)
        models["elmo"] = {
            "options": options,
            "weights": args.elmo_weight_path,
            "hash": file_hash(args.elmo_weight_path),
        }
    if args.bert_init_checkpoint:
        models["pieces"], models["bert"] = _read_bert(args)
    return models


def _read_bert(args):
    """(BERT's pieces, the dict with which an EmbVec describes BERT). Raises UserError."""
    weights = pretrained.find_bert(args.bert_init_checkpoint)
    config_path, vocab_path = pretrained.bert_neighbours(
        weights, args.bert_config_path, args.bert_vocab_path
    )
    config = pretrained.read_bert_config(config_path)
    pieces = pretrained.read_bert_vocab(vocab_path, config)
    longest = config["max_position_embeddings"]
    length = args.bert_max_seq_length
    if length is None:
        length = min(longest, 512)
    if not 3 <= length <= longest:
        raise UserError(
            f"--bert_max_seq_length {length}: expected at least 3, and at most the {longest} "
            f"max_position_embeddings of {config_path}"
        )
    do_lower_case = args.bert_do_lower_case
    if do_lower_case is None:
        do_lower_case = pretrained.lowercases(pieces)
    read = pretrained.open_bert(config, weights)
    for name in pretrained.bert_shapes(config):
        read(name)
    return pieces, {
        "config": config,
        "do_lower_case": do_lower_case,
        "max_seq_length": length,
        "weights": weights,
        "hash": file_hash(*pretrained.bert_files(weights)),
    }


def _known_to_elmo(path, corpus):
    """The part of a line that says how many words of the corpus ELMo's vocabulary has."""
    if not path:
        return ""
    known = set(pretrained.read_elmo_vocab(path))
    words = corpus.spelled()
    count = sum(word in known for word in words)
    return (
        f"; its vocabulary has {count:,} of the corpus's {len(words):,} words, the others are read "
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
    conll.add_column_flags(parser, "columns in order, such as 'word pos chunk tag'")
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
        "TensorFlow 1 checkpoint (D/bert_model.ckpt), a model.safetensors, or a folder with one "
        "of them",
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
        help="lowercase words for BERT and take off their accents (default: unless its vocabulary "
        "has capitals)",
    )
    parser.add_argument(
        "--bert_max_seq_length",
        type=int,
        help="pieces that BERT sees at once, at most; longer sentences are cut into overlapping "
        "windows (default: max_position_embeddings, but no more than 512)",
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
            "--filter and --member: there are no vectors to choose from; give --emb_path, or leave "
            "them out"
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
        cli.note(note)


if __name__ == "__main__":
    run_command(main)
