"""The network of a checkpoint in ONNX Runtime, a peer of engine.py, written to be as fast as we
know how for single sentences.

    python benchmarks/peers/onnx_tagger.py --restore PREFIX --out FOLDER

It writes FOLDER/network.onnx and FOLDER/dev.npz. The graph goes from ids to emission scores:
embeddings, character CNN, highway network, BiLSTM layers with residual connections and projection,
with the checkpoint's weights; the CRF is not part of it. Sentences come one at a time, so only the
characters of a word are padded. dev.npz has the ids of CoNLL-2003's dev sentences from our Feeder,
TensorFlow's emission scores for each, and the transition matrix of the CRF. With --run the process
answers questions as a worker; see Session.
"""

import os
import time

import numpy as np

import _top
import checkpoint
import conll
import schemes
from cli import Parser, UserError, run_command
from common import serve
from config import Config
from features.feed import Feeder
from served_models import dev_sentences

INPUTS = ("word", "wordchr", "pos", "chk")
FAR = 1e9  # subtracted from the scores of a padding character


# ---------------------------------------------------------------- the graph


class Graph:
    """Nodes and weights of an ONNX graph, in the order in which they are added."""

    def __init__(self):
        self.nodes, self.weights = [], []

    def weight(self, array):
        from onnx import numpy_helper

        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, kind, *inputs, outputs=1, **attributes):
        """Adds a node. inputs: names, or arrays that become weights. Returns the name of its
        output, or a list of names if it has several outputs.
        """
        from onnx import helper

        names = [given if isinstance(given, str) else self.weight(given) for given in inputs]
        made = [f"{kind}_{len(self.nodes)}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, names, made, **attributes))
        return made[0] if outputs == 1 else made

    def write(self, path, word_length, tags):
        """Writes the ONNX file. Its inputs are INPUTS, int32 (tokens,), or (tokens, word_length)
        for wordchr; its output is `emissions`, float32 (tokens, tags).
        """
        import onnx
        from onnx import TensorProto, helper

        shapes = {
            name: ["tokens", word_length] if name == "wordchr" else ["tokens"] for name in INPUTS
        }
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT32, shape)
            for name, shape in shapes.items()
        ]
        self.nodes[-1].output[0] = "emissions"
        output = helper.make_tensor_value_info("emissions", TensorProto.FLOAT, ["tokens", tags])
        graph = helper.make_graph(self.nodes, "etagger", inputs, [output], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, path)


def characters(graph, config, weights):
    """The character CNN: a convolution, and the maximum over the characters. Returns (tokens,
    filters).

    The embeddings have an additional dimension, which is 1 for padding. Its weight subtracts FAR
    from the scores there, so that no mask is needed.
    """
    table = weights["embeddings/chr"].copy()
    table[0] = 0.0
    table = np.pad(table, ((0, 0), (0, 1)))
    table[0, -1] = 1.0
    width = config.chr_filter_widths[0]
    left = (width - 1) // 2
    kernel = weights["char_cnn/conv1d/kernel"].transpose(2, 1, 0)
    kernel = np.pad(kernel, ((0, 0), (0, 1), (0, 0)))  # (filters, chr_dim + 1, width)
    kernel[:, -1, left] = -FAR
    x = graph.add("Transpose", graph.add("Gather", table, "wordchr"), perm=[0, 2, 1])
    x = graph.add("Conv", x, kernel, weights["char_cnn/conv1d/bias"], pads=[left, width - 1 - left])
    return graph.add("ReduceMax", x, axes=[2], keepdims=0)


def highway(graph, x, config, weights):
    """Highway layers: x + gate * (relu(x W + b) - x), with both matrix products in one node."""
    for layer in range(config.highway_layers):
        kernel, bias = (
            np.concatenate(
                [weights[f"highway/layer_{layer}/{part}/{name}"] for part in ("transform", "gate")],
                axis=-1,
            )
            for name in ("kernel", "bias")
        )
        transform, gate = graph.add("Split", graph.add("Gemm", x, kernel, bias), outputs=2, axis=1)
        change = graph.add("Sub", graph.add("Relu", transform), x)
        x = graph.add("Add", x, graph.add("Mul", graph.add("Sigmoid", gate), change))
    return x


def bilstm(graph, x, layer, config, weights):
    """A BiLSTM layer, both directions in one node. Returns (tokens, 2 * rnn_size). The gates of
    ONNX are in the order i, o, f, c; the forget bias of 1 is added to the bias.
    """
    size, parts = config.rnn_size, ([], [], [])
    for direction in ("forward", "backward"):
        kernel, bias = (
            weights[f"encoder/bilstm_{layer}/{direction}/{name}"] for name in ("kernel", "bias")
        )
        i, c, f, o = np.split(np.arange(4 * size), 4)
        order = np.concatenate([i, o, f, c])
        bias = bias + np.where(np.isin(np.arange(4 * size), f), np.float32(1.0), np.float32(0.0))
        for part, array in zip(
            parts,
            (kernel[:-size, order].T, kernel[-size:, order].T, np.pad(bias[order], (0, 4 * size))),
        ):
            part.append(array)
    steps = graph.add("Unsqueeze", x, np.array([1]))  # (tokens, 1, dim)
    y = graph.add("LSTM", steps, *map(np.stack, parts), direction="bidirectional", hidden_size=size)
    return graph.add("Reshape", y, np.array([-1, 2 * size]))  # from (tokens, 2, 1, rnn_size)


def write_network(config, weights, path):
    """Writes the ONNX file of a checkpoint's network up to the emission scores."""
    if (
        not (
            config.use_word
            and config.use_chr
            and config.use_pos
            and config.use_chk
            and config.use_highway
            and config.use_crf
            and config.chr_conv_type == "conv1d"
        )
        or config.use_shape
        or config.gazetteer
    ):
        raise UserError("only the features of the default config are written as ONNX")
    graph = Graph()
    x = graph.add(
        "Concat",
        graph.add("Gather", weights["embeddings/word"], "word"),
        characters(graph, config, weights),
        graph.add("Gather", weights["embeddings/pos"], "pos"),
        graph.add("Gather", weights["embeddings/chk"], "chk"),
        axis=1,
    )
    x = highway(graph, x, config, weights)
    for layer in range(config.rnn_layers):
        y = bilstm(graph, x, layer, config, weights)
        x = graph.add("Add", x, y) if layer else y
    graph.add("Gemm", x, weights["projection/kernel"], weights["projection/bias"])
    graph.write(path, config.word_length, len(weights["projection/bias"]))


# ---------------------------------------------------------------- the network and its test data


def prepare(prefix, folder):
    """Writes network.onnx and dev.npz."""
    from export import build
    from tf1 import tf

    meta = checkpoint.load_meta(prefix)
    config = Config(**meta["config"])
    session, graph, emb = build(prefix)
    reader = tf.train.load_checkpoint(prefix)
    write_network(
        config,
        {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()},
        os.path.join(folder, "network.onnx"),
    )
    feeder = Feeder(emb, config, {tag: i for i, tag in enumerate(meta["tags"])})
    parser = conll.SentenceParser("dev", own=meta["columns"])
    parts = {name: [] for name in (*INPUTS, "emissions", "lengths")}
    for text in dev_sentences():
        (block,) = conll.BlockReader().feed(text)
        inputs = feeder.batch([feeder.encode(parser.parse(block))])
        feeds = {f"{name}:0": array for name, array in inputs.items()}
        emissions = session.run("logits:0", feeds)[0]
        for name in INPUTS:
            parts[name].append(inputs[f"input_data_{name}_ids"][0])
        parts["emissions"].append(emissions)
        parts["lengths"].append([len(emissions)])
    arrays = {name: np.concatenate(part) for name, part in parts.items()}
    np.savez(
        os.path.join(folder, "dev.npz"), transitions=session.run("crf_transitions:0"), **arrays
    )


# ---------------------------------------------------------------- the worker's side


def viterbi(emissions, transitions):
    """The tag ids of the best path. emissions: (tokens, tags). transitions: (tags, tags), from row
    to column.
    """
    score, pointers = emissions[0], []
    for emission in emissions[1:]:
        paths = score[:, np.newaxis] + transitions
        pointers.append(paths.argmax(axis=0))
        score = paths.max(axis=0) + emission
    path = [int(score.argmax())]
    for origin in reversed(pointers):
        path.append(int(origin[path[-1]]))
    return path[::-1]


class Session:
    """Runs the network on each dev sentence once, with one thread."""

    def __init__(self, prefix, folder):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(
            os.path.join(folder, "network.onnx"), options, providers=["CPUExecutionProvider"]
        )
        self.meta = checkpoint.load_meta(prefix)
        with np.load(os.path.join(folder, "dev.npz")) as data:
            cuts = np.cumsum(data["lengths"])[:-1]
            self.sentences = [
                dict(zip(INPUTS, arrays))
                for arrays in zip(*(np.split(data[name], cuts) for name in INPUTS))
            ]
            self.expected, self.transitions = data["emissions"], data["transitions"]

    def answer(self):
        """{"seconds": of the session's calls without the first one, "difference": the largest from
        TensorFlow's emission scores, "tags": a list for each sentence}.
        """
        outputs, seconds = [], []
        for inputs in self.sentences:
            started = time.perf_counter()
            outputs += self.session.run(["emissions"], inputs)
            seconds.append(time.perf_counter() - started)
        names = self.meta["tags"]
        tags = [
            schemes.convert(
                [names[i] for i in viterbi(scores, self.transitions)],
                self.meta["tag_scheme"],
                self.meta["data_scheme"],
            )
            for scores in outputs
        ]
        return {
            "seconds": sum(seconds[1:]),
            "difference": float(np.abs(np.concatenate(outputs) - self.expected).max()),
            "tags": tags,
        }


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("--restore", required=True, help="prefix of a checkpoint")
    parser.add_argument("--out", required=True, help="folder of network.onnx and dev.npz")
    parser.add_argument(
        "--run", action="store_true", help="serve the session (engine.py's own use)"
    )
    args = parser.parse_args()
    if args.run:
        serve(Session(args.restore, args.out).answer)
    else:
        prepare(args.restore, args.out)


if __name__ == "__main__":
    run_command(main)
