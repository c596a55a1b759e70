"""Prints ELMo's layers for each sentence: the shape of each layer, its mean, and the mean L2 norm
of its token vectors.

    python test_bilm.py     # the ELMo that etc/download.py has put into embeddings/
    python test_bilm.py --emb_path embeddings/glove.6B.100d.txt.pkl
    python test_bilm.py --elmo_options_path options.json --elmo_weight_path weights.hdf5 \\
        --input sentences.txt --stateful

Layer 0 is the token layer, twice; the layers above are those of the LSTMs, forward and backward
concatenated. Each sentence is read by itself; with --stateful the figures are those of bilm-tf for
the same batches.
"""

import glob
import os
import sys

import numpy as np

from cli import Parser, UserError, add_threads_flag, check_readable, check_threads, run_command
from features.elmo_bytes import elmo_ids
from features.pretrained import elmo_weights, read_elmo_options, read_elmo_vocab
from features.vocabulary import load_header
from files.text import BOM, HEAD, check_text

SENTENCES = [
    "Our language models read each sentence from both ends .",
    "In Lisbon , Ms. Duarte paid 40 euros for the book .",
]


def read_sentences(path):
    """The sentences of a file, lists of words: one sentence a line, its tokens separated by spaces
    or tabs; blank lines are left out. Raises UserError.
    """
    check_readable(path, "--input")
    with open(path, "rb") as stream:
        data = stream.read()
    check_text(data[:HEAD], path)
    lines = data.removeprefix(BOM).decode(errors="surrogateescape").split("\n")
    sentences = [line.replace("\t", " ").rstrip("\r").split(" ") for line in lines]
    sentences = [[word for word in sentence if word] for sentence in sentences]
    sentences = [sentence for sentence in sentences if sentence]
    if not sentences:
        raise UserError(f"{path}: no sentence, expected one a line, its tokens apart by spaces")
    return sentences


def layers_of(sentences, options, weights, batch_size, stateful=False, threads=0):
    """Yields the layers of each sentence, float32 (sentence, n_layers + 1, 2 * projection_dim),
    batch by batch.

    stateful: row k of a batch starts from the LSTM states after row k of the batch before, as in
    bilm-tf; otherwise each sentence starts from zeros.
    """
    from layers.elmo import elmo_layers, elmo_state, update_elmo_state
    from tf1 import new_session, put, quiet, tf

    characters = options["char_cnn"]["max_characters_per_token"]
    with tf.Graph().as_default(), quiet():
        ids = tf.placeholder(tf.int32, [None, None, characters])
        with tf.variable_scope("elmo"):
            state = elmo_state(options, batch_size) if stateful else []
            initial = [variable[: tf.shape(ids)[0]] for variable in state]
            layers, final = elmo_layers(ids, options, initial or None)
            update = update_elmo_state(state, final)
        session = new_session(threads)
        session.run(tf.global_variables_initializer())
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        put(session, [variables[f"elmo/{name}"] for name in weights], weights.values())
    for start in range(0, len(sentences), batch_size):
        batch = [elmo_ids(words, characters) for words in sentences[start : start + batch_size]]
        padded = np.zeros((len(batch), max(map(len, batch)), characters), np.int32)
        for row, sentence in zip(padded, batch):
            row[: len(sentence)] = sentence
        values, _ = session.run([layers, update], {ids: padded})
        for value, sentence in zip(values, batch):
            yield value[: len(sentence) - 2]  # without <S> and </S>


def report(number, words, layers):
    """The lines about a sentence. layers: float32 (sentence, layers, dim)."""
    text = " ".join(words).encode(errors="replace").decode()
    if len(text) > 60:
        text = f"{text[:60]} ..."
    lines = [f"sentence {number}: {len(words)} tokens: {text}"]
    for k in range(layers.shape[1]):
        layer = layers[:, k]
        norm = np.linalg.norm(layer, axis=-1).mean()
        lines.append(f"  layer {k}: shape {layer.shape}, mean {layer.mean():.6f}, norm {norm:.6f}")
    return "\n".join(lines)


def parse_args():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--emb_path",
        default="",
        help="an EmbVec file that names ELMo's files (embvec.py --elmo_options_path ...)",
    )
    parser.add_argument(
        "--elmo_options_path", default="", help="without --emb_path: ELMo's options.json"
    )
    parser.add_argument(
        "--elmo_weight_path", default="", help="without --emb_path: ELMo's weights, HDF5"
    )
    parser.add_argument(
        "--elmo_vocab_path",
        default="",
        help="ELMo's vocabulary, checked: the bytes of a word say all else",
    )
    parser.add_argument(
        "--input",
        default="",
        help="sentences, one a line, tokens apart by spaces (default: two sample sentences)",
    )
    parser.add_argument(
        "--batch_size", type=int, default=16, help="sentences in a batch (default 16)"
    )
    parser.add_argument(
        "--stateful",
        action="store_true",
        help="carry the LSTM states from batch to batch, as bilm-tf does (default: each sentence "
        "by itself)",
    )
    add_threads_flag(parser)
    args = parser.parse_args()
    if args.batch_size < 1:
        raise UserError(f"--batch_size {args.batch_size}: expected at least 1")
    check_threads(args.threads)
    if bool(args.elmo_options_path) != bool(args.elmo_weight_path) or (
        args.elmo_options_path and args.emb_path
    ):
        raise UserError(
            "expected --elmo_options_path and --elmo_weight_path, or --emb_path, an embeddings' "
            "file that names them"
        )
    return args


def find_elmo(args):
    """(options, path of the weights) of the ELMo that the flags name, or else of the only one in
    embeddings/. Raises UserError.
    """
    if args.elmo_options_path:
        return read_elmo_options(args.elmo_options_path), args.elmo_weight_path
    if not args.emb_path:
        found = sorted(glob.glob(os.path.join("embeddings", "elmo_*_options.json")))
        if len(found) != 1:
            raise UserError(
                f"embeddings/elmo_*_options.json: {len(found)} files, expected one; fetch it with "
                "etc/download.py elmo-original, or name one with --elmo_options_path and "
                "--elmo_weight_path, or with --emb_path"
            )
        return read_elmo_options(found[0]), found[0].replace("_options.json", "_weights.hdf5")
    elmo = load_header(args.emb_path).get("elmo")
    if not elmo:
        raise UserError(
            f"{args.emb_path}: names no ELMo; make it with embvec.py --elmo_options_path ... "
            "--elmo_weight_path ..."
        )
    return elmo["options"], elmo["weights"]


def main():
    args = parse_args()
    sentences = read_sentences(args.input) if args.input else [text.split() for text in SENTENCES]
    options, path = find_elmo(args)
    if args.elmo_vocab_path:
        read_elmo_vocab(args.elmo_vocab_path)
    weights = elmo_weights(options, path)
    print(f"{path}: {sum(value.size for value in weights.values()):,} weights", file=sys.stderr)
    layers = layers_of(sentences, options, weights, args.batch_size, args.stateful, args.threads)
    for number, (words, value) in enumerate(zip(sentences, layers), 1):
        print(report(number, words, value), flush=True)


if __name__ == "__main__":
    run_command(main)
