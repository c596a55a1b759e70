"""A look at ELMo's layers: of each layer of each sentence its shape, its mean, and the L2 norm of its vectors, the mean over tokens.

    python test_bilm.py --elmo_options_path options.json --elmo_weight_path weights.hdf5
    python test_bilm.py --elmo_options_path options.json --elmo_weight_path weights.hdf5 --input sentences.txt --stateful

Layer 0 is the token layer, twice; the layers above are the LSTMs', forward beside backward. Only sums of weights and bytes
go in, so the same files give the same figures here, in bilm-tf and in AllenNLP.
"""
import sys

import numpy as np

from cli import Parser, UserError, check_readable, run_command
from elmo_bytes import elmo_ids
from pretrained import elmo_weights, read_elmo_options, read_elmo_vocab

SENTENCES = ["Our language models read each sentence from both ends .", "In Lisbon , Ms. Duarte paid 40 euros for the book ."]


def read_sentences(path):
    """Sentences of a file, one a line, tokens apart by spaces or tabs; [[word, ...], ...]. Blank lines are none. Raises UserError."""
    check_readable(path, "--input")
    with open(path, "rb") as stream:
        lines = stream.read().decode(errors="surrogateescape").split("\n")
    sentences = [line.replace("\t", " ").rstrip("\r").split(" ") for line in lines]
    sentences = [[word for word in sentence if word] for sentence in sentences]
    sentences = [sentence for sentence in sentences if sentence]
    if not sentences:
        raise UserError(f"{path}: no sentence, expected one a line, its tokens apart by spaces")
    return sentences


def layers_of(sentences, options, weights, batch_size, stateful=False, threads=0):
    """Yields the layers of each sentence, float32 (sentence, n_layers + 1, 2 * projection_dim), batch by batch.

    stateful: row k of a batch goes on from the LSTM states that row k of the batch before has left, as in bilm-tf; else each
    sentence starts from zeros.
    """
    from layers.elmo import elmo_layers, elmo_state, update_elmo_state
    from tf1 import new_session, quiet, tf
    characters = options["char_cnn"]["max_characters_per_token"]
    with tf.Graph().as_default(), quiet():
        ids = tf.placeholder(tf.int32, [None, None, characters])
        with tf.variable_scope("elmo"):
            state = elmo_state(options, batch_size) if stateful else []
            layers, final = elmo_layers(ids, options, [each[:tf.shape(ids)[0]] for each in state] or None)
            update = update_elmo_state(state, final)
        session = new_session(threads)
        session.run(tf.global_variables_initializer())
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        for name, value in weights.items():
            initializer = variables[f"elmo/{name}"].initializer
            session.run(initializer, {initializer.inputs[1]: value})
    for start in range(0, len(sentences), batch_size):
        batch = [elmo_ids(words, characters) for words in sentences[start:start + batch_size]]
        padded = np.zeros((len(batch), max(map(len, batch)), characters), np.int32)
        for row, each in zip(padded, batch):
            row[:len(each)] = each
        values, _ = session.run([layers, update], {ids: padded})
        yield from (value[:len(each) - 2] for value, each in zip(values, batch))


def report(number, words, layers):
    """Lines about a sentence. layers: float32 (sentence, layers, dim)."""
    head = " ".join(words).encode(errors="replace").decode()
    lines = [f"sentence {number}: {len(words)} tokens: {head[:60]}{' ...' if len(head) > 60 else ''}"]
    for k in range(layers.shape[1]):
        layer = layers[:, k]
        norm = np.linalg.norm(layer, axis=-1).mean()
        lines.append(f"  layer {k}: shape {layer.shape}, mean {layer.mean():.6f}, norm {norm:.6f}")
    return "\n".join(lines)


def parse_args():
    parser = Parser(description=__doc__)
    parser.add_argument("--elmo_options_path", required=True, help="ELMo's options.json")
    parser.add_argument("--elmo_weight_path", required=True, help="ELMo's weights, HDF5")
    parser.add_argument("--elmo_vocab_path", default="", help="ELMo's vocabulary, checked: the bytes of a word say all else")
    parser.add_argument("--input", default="", help="sentences, one a line, tokens apart by spaces (default: two sample sentences)")
    parser.add_argument("--batch_size", type=int, default=16, help="sentences in a batch (default 16)")
    parser.add_argument("--stateful", action="store_true",
                        help="carry the LSTM states from batch to batch, as bilm-tf does (default: each sentence by itself)")
    parser.add_argument("--threads", "-j", type=int, default=0, help="threads; 0: one for each core")
    args = parser.parse_args()
    if args.batch_size < 1:
        raise UserError(f"--batch_size {args.batch_size}: expected at least 1")
    for flag in ("elmo_options_path", "elmo_weight_path", "elmo_vocab_path"):
        if getattr(args, flag):
            check_readable(getattr(args, flag), f"--{flag}")
    return args


def main():
    args = parse_args()
    sentences = read_sentences(args.input) if args.input else [text.split() for text in SENTENCES]
    options = read_elmo_options(args.elmo_options_path)
    if args.elmo_vocab_path:
        read_elmo_vocab(args.elmo_vocab_path)
    weights = elmo_weights(options, args.elmo_weight_path)
    print(f"{args.elmo_weight_path}: {sum(value.size for value in weights.values()):,} weights", file=sys.stderr)
    layers = layers_of(sentences, options, weights, args.batch_size, args.stateful, args.threads)
    for number, (words, value) in enumerate(zip(sentences, layers), 1):
        print(report(number, words, value), flush=True)


if __name__ == "__main__":
    run_command(main)
