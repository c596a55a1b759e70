"""Graphs for the tests: those of small models of every kind, and random mutants of them."""

import json
import random

import numpy as np

from config import Config
from support.elmo import small_options
from support.language_models import bert_config
from tf1 import new_session, quiet, tf

OUTPUTS = ["logits_indices", "sentence_lengths", "logits", "crf_transitions"]
SIZES = {"word": 20, "chr": 20, "pos": 5, "chk": 5, "shape": 9, "gazetteer": 2, "tag": 3}
SMALL = {
    "rnn_size": 8,
    "rnn_layers": 2,
    "num_filters": 4,
    "wrd_dim": 6,
    "transformer_layers": 1,
    "ffn_size": 8,
    "attention_size": 8,
    "attention_heads": 2,
    "cnn_filters": 4,
    "use_elmo": False,
    "use_bert": False,
}
LEGAL = (np.array([1, 1, 0], bool), np.ones((3, 3), bool), np.ones(3, bool))
EDGES = [0, 1, -1, 2, 3, -2, 5, 7, 16, 255, 1 << 16, 1 << 24, -(1 << 24)]


def exported(**config):
    """The GraphDef that export.py writes for a small model, with a model_config, and its
    session.
    """
    config = Config(**{**SMALL, **config})
    sizes = {**SIZES, "elmo": small_options(), "bert": bert_config(layer_norm_eps=1e-12)}
    with tf.Graph().as_default() as graph, quiet():
        from model import Model

        Model(config, sizes, legal=LEGAL if config.constrained else None)
        tf.constant(json.dumps({"tags": ["O", "B-X", "I-X"]}), name="model_config")
        session = new_session(1)
        session.run(tf.global_variables_initializer())
        names = [*OUTPUTS, "model_config"]
        return tf.graph_util.extract_sub_graph(graph.as_graph_def(), names), session


def frozen(**config):
    """The GraphDef that freeze.py makes of an exported graph."""
    from freeze import freeze

    return freeze(exported(**config)[1], OUTPUTS)


def scopes(graph):
    """The nodes of the graph, and those of each function."""
    return [graph.node, *(function.node_def for function in graph.library.function)]


def node_of(graph, name):
    return next(node for node in graph.node if node.name == name)


def mutant(graph, seed):
    """A copy of a graph in which one to three things are changed."""
    rng, changed = random.Random(seed), tf.GraphDef()
    changed.CopyFrom(graph)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        change = rng.choice([_constant] * 3 + [_attribute] * 2 + [_input] * 2 + [_op, _function])
        change(changed, rng.choice([*scopes(changed), changed.node]), rng)
    return changed


def _constant(graph, nodes, rng):
    constants = [node for node in nodes if node.op == "Const" and node.name != "model_config"]
    if not constants:
        return
    node = rng.choice(constants)
    value = tf.make_ndarray(node.attr["value"].tensor).copy()
    kind = rng.randrange(4)
    if kind == 0 and value.size:
        odd = EDGES if value.dtype.kind == "i" else [np.nan, np.inf, -1e30, 0]
        value.flat[rng.randrange(value.size)] = rng.choice(odd)
    elif kind == 1:
        value = value[None] if rng.random() < 0.5 else value.reshape(-1)[: value.size // 2]
    elif kind == 2:
        value = value.astype(rng.choice([np.int32, np.int64, np.float32, np.float64, np.bool_]))
    else:
        shape = [rng.choice([0, 1, 2, 3, 8]) for _ in range(rng.randrange(5))]
        value = np.resize(value if value.size else np.zeros(1, value.dtype), shape)
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    node.attr["dtype"].type = node.attr["value"].tensor.dtype


def _attribute(graph, nodes, rng):
    node = rng.choice(list(nodes))
    names = sorted(set(node.attr) - {"value"})
    if not names:
        return
    name = rng.choice(names)
    value = node.attr[name]
    kind = value.WhichOneof("value")
    if kind == "i":
        value.i = rng.choice(EDGES)
    elif kind == "b":
        value.b = not value.b
    elif kind == "f":
        value.f = rng.choice([0, -1, 1e30, float("nan")])
    elif kind == "type":
        value.type = rng.choice([1, 2, 3, 9, 10, 4, 7, 14, 19, 20, 21, 101])
    elif kind == "s":
        value.s = rng.choice([b"SAME", b"VALID", b"EXPLICIT", b"NCHW", b"", b"x"])
    elif kind == "shape":
        del value.shape.dim[:]
        for _ in range(rng.randrange(4)):
            value.shape.dim.add().size = rng.choice([-2, -1, 0, 1, 8, 1 << 40])
    elif kind == "list" and value.list.i:
        value.list.i[rng.randrange(len(value.list.i))] = rng.choice(EDGES)
    elif kind == "list" and value.list.type:
        value.list.type[rng.randrange(len(value.list.type))] = rng.choice([1, 3, 9, 20, 21, 7])
    elif kind == "func":
        value.func.name = rng.choice(
            [function.signature.name for function in graph.library.function]
        )
    if rng.random() < 0.1:
        del node.attr[name]


def _input(graph, nodes, rng):
    node = rng.choice(list(nodes))
    if not node.input:
        return
    place = rng.randrange(len(node.input))
    if nodes is graph.node:
        node.input[place] = rng.choice(list(nodes)).name + rng.choice(["", "", ":1"])
    else:
        node.input[place] = rng.choice([given for other in nodes for given in other.input])
    if rng.random() < 0.1:
        del node.input[place]


def _op(graph, nodes, rng):
    node = rng.choice(list(nodes))
    node.op = rng.choice([other.op for other in nodes if len(other.input) == len(node.input)])


def _function(graph, nodes, rng):
    if not graph.library.function:
        return
    function = rng.choice(graph.library.function)
    kind = rng.randrange(3)
    if kind == 0:
        rng.choice(function.signature.input_arg).type = rng.choice([1, 3, 9, 20, 21, 7])
    elif kind == 1:
        function.ret[rng.choice(sorted(function.ret))] = rng.choice(sorted(function.ret.values()))
    else:
        del function.signature.input_arg[-1]
