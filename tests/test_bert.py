"""BERT's layers against the results of HuggingFace transformers and against plain numpy; vectors of
words from those of their wordpieces. TORCH_PYTHON names an interpreter with torch and transformers,
if this one lacks them.
"""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from features import pretrained
from layers.bert import ACTIVATIONS, bert_layers, words_of_pieces
from support.commands import ROOT
from support.numeric import check, evaluate, put
from tf1 import new_session, tf

TORCH_PYTHON = os.environ.get("TORCH_PYTHON", sys.executable)
CONFIG = {
    "vocab_size": 11,
    "hidden_size": 6,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 10,
    "max_position_embeddings": 9,
    "type_vocab_size": 2,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 0.01,
}
LENGTHS = (7, 3, 1, 5)  # pieces of the windows


def random_weights(config, deviation, seed=0):
    """{name: float32 array}; the gains of LayerNorm are near 1."""
    rng = np.random.default_rng(seed)
    return {
        name: (
            rng.standard_normal(shape, np.float32) * np.float32(deviation)
            + np.float32(name.endswith("/gamma"))
        )
        for name, shape in pretrained.bert_shapes(config).items()
    }


def windows(config, lengths, longest=0, seed=1):
    """Random token ids, mask and segment ids, int32 (windows, pieces); 0 at padding."""
    rng = np.random.default_rng(seed)
    mask = (np.arange(longest or max(lengths)) < np.array(lengths)[:, None]).astype(np.int32)
    ids, segments = (
        rng.integers(0, config[name], mask.shape).astype(np.int32) * mask
        for name in ("vocab_size", "type_vocab_size")
    )
    return ids, mask, segments


def build(config, weights, num_layers=None):
    """Returns a function of (ids, mask, segments) that computes the layers, float32 (layers,
    windows, pieces, hidden_size), and the names of all variables. weights: a function of a
    variable's name that returns its array.
    """
    with tf.Graph().as_default():
        inputs = [tf.placeholder(tf.int32, [None, None]) for _ in range(3)]
        with tf.variable_scope("bert"):
            layers = bert_layers(
                *inputs, config, config["num_hidden_layers"] if num_layers is None else num_layers
            )
        session, variables = new_session(2), tf.global_variables()
        put(session, variables, [weights(variable.op.name) for variable in variables])
        return lambda *batch: np.array(session.run(layers, dict(zip(inputs, batch)))), [
            variable.op.name for variable in variables
        ]


# -------------------------------------------- the reference: one window without padding, in float64

GELU = {
    "gelu": np.vectorize(lambda x: x * 0.5 * math.erfc(-x / math.sqrt(2.0))),
    "gelu_new": lambda x: 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3))),
    "relu": lambda x: np.maximum(x, 0.0),
}


def reference(config, weights, ids, segments):
    """ids, segments: (pieces,). Returns (layers + 1, pieces, hidden_size)."""
    weights = {name: value.astype(np.float64) for name, value in weights.items()}
    dense = lambda x, scope: x @ weights[f"{scope}/kernel"] + weights[f"{scope}/bias"]

    def norm(x, scope):
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + config["layer_norm_eps"])
        return (
            centred / deviation * weights[f"{scope}/LayerNorm/gamma"]
            + weights[f"{scope}/LayerNorm/beta"]
        )

    words, types, places = (
        weights[f"bert/embeddings/{name}_embeddings"] for name in ("word", "token_type", "position")
    )
    layers = [norm(words[ids] + types[segments] + places[: len(ids)], "bert/embeddings")]
    for k in range(config["num_hidden_layers"]):
        x, scope, size = (
            layers[-1],
            f"bert/encoder/layer_{k}",
            config["hidden_size"] // config["num_attention_heads"],
        )
        query, key, value = (
            dense(x, f"{scope}/attention/self/{name}") for name in ("query", "key", "value")
        )
        heads = []
        for first in range(0, config["hidden_size"], size):
            q, k, v = (array[:, first : first + size] for array in (query, key, value))
            scores = np.exp(q @ k.T / np.sqrt(size))
            heads.append(scores / scores.sum(axis=-1, keepdims=True) @ v)
        x = norm(
            x + dense(np.concatenate(heads, axis=-1), f"{scope}/attention/output/dense"),
            f"{scope}/attention/output",
        )
        inner = GELU[config["hidden_act"]](dense(x, f"{scope}/intermediate/dense"))
        layers.append(norm(x + dense(inner, f"{scope}/output/dense"), f"{scope}/output"))
    return np.array(layers)


# ---------------------------------------------------------------- the layers


@pytest.mark.parametrize("hidden_act", GELU)
def test_layers(hidden_act):
    """Windows of several lengths, with segments, are compared with each window computed by
    itself.
    """
    config = {**CONFIG, "hidden_act": hidden_act}
    weights, batch = random_weights(config, 0.5), windows(config, LENGTHS)
    run, names = build(config, weights.get)
    layers = run(*batch)
    assert sorted(names) == sorted(pretrained.bert_shapes(config))
    for window, length in enumerate(LENGTHS):
        expected = reference(config, weights, batch[0][window, :length], batch[2][window, :length])
        np.testing.assert_allclose(layers[:, window, :length], expected, atol=1e-5)


@pytest.mark.parametrize("hidden_act", GELU)
def test_activations(hidden_act):
    x = np.linspace(-6, 6, 241, dtype=np.float32)
    np.testing.assert_allclose(evaluate(ACTIVATIONS[hidden_act], x), GELU[hidden_act](x), atol=1e-6)


def test_padding_changes_nothing():
    """The content and the amount of padding, and windows of padding alone, do not change the
    result.
    """
    weights, (ids, mask, segments) = random_weights(CONFIG, 0.5), windows(CONFIG, LENGTHS)
    run, _ = build(CONFIG, weights.get)
    layers, other = run(ids, mask, segments), run(ids + 7 * (1 - mask), mask, segments)
    np.testing.assert_array_equal(layers[:, mask == 1], other[:, mask == 1])
    assert (layers[0, mask == 0] != other[0, mask == 0]).any()
    wider = run(*(np.pad(array, ((0, 2), (0, 2))) for array in (ids, mask, segments)))
    np.testing.assert_allclose(wider[:, :4, :7][:, mask == 1], layers[:, mask == 1], atol=1e-5)
    assert np.isfinite(wider).all()


@pytest.mark.parametrize("num_layers", [0, 2])
def test_fewer_layers(num_layers):
    """Layers above the last one that is used are not built, and have no variables."""
    weights, batch = random_weights(CONFIG, 0.5), windows(CONFIG, LENGTHS)
    run, names = build(CONFIG, weights.get, num_layers)
    np.testing.assert_allclose(
        run(*batch), build(CONFIG, weights.get)[0](*batch)[: num_layers + 1], atol=1e-6
    )
    assert sorted(names) == sorted(
        pretrained.bert_shapes({**CONFIG, "num_hidden_layers": num_layers})
    )


@pytest.mark.parametrize("trained", [False, True])
def test_training(trained):
    """A frozen BERT has no dropout and no trainable variables. A fine-tuned one has dropout in
    training, of embeddings, attention and both sums, and all its variables are trained.
    """
    weights, (ids, mask, segments) = random_weights(CONFIG, 0.5), windows(CONFIG, LENGTHS)
    with tf.Graph().as_default(), new_session(1) as session:
        tf.train.get_or_create_global_step()
        is_train = tf.placeholder(tf.bool, [])
        with tf.variable_scope("bert"):
            top = bert_layers(
                *map(tf.constant, (ids, mask, segments)), CONFIG, 3, trained, is_train, seed=5
            )[-1]
        variables = [variable for variable in tf.global_variables() if variable.op.name in weights]
        assert tf.trainable_variables() == (variables if trained else [])
        assert len(tf.get_collection("dropout_places")) == (1 + 3 * 3 if trained else 0)
        gradients = tf.gradients(top[..., 0], variables)
        session.run(tf.global_variables_initializer())
        put(session, variables, [weights[variable.op.name] for variable in variables])
        still, noisy, again = (session.run(top, {is_train: value}) for value in (False, True, True))
        for variable, gradient in zip(variables, session.run(gradients, {is_train: True})):
            if not variable.op.name.endswith("/key/bias"):  # which falls away in the softmax
                assert np.abs(getattr(gradient, "values", gradient)).max() > 0
    np.testing.assert_allclose(
        still, build(CONFIG, weights.get)[0](ids, mask, segments)[-1], atol=1e-5
    )
    np.testing.assert_array_equal(noisy, again)
    assert (noisy != still).any() == trained


@pytest.mark.parametrize("name, places", [("hidden", 1 + 2 * 3), ("attention_probs", 3)])
def test_places_of_dropout(name, places):
    config = {
        **CONFIG,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        f"{name}_dropout_prob": 0.3,
    }
    with tf.Graph().as_default():
        tf.train.get_or_create_global_step()
        bert_layers(*map(tf.constant, windows(CONFIG, LENGTHS)), config, 3, True, tf.constant(True))
        assert len(tf.get_collection("dropout_places")) == places


# ---------------------------------------------------------------- against transformers


@pytest.mark.parametrize("name", ["random_cased", "pretraining_ckpt"])
def test_conformance(shared, name):
    """The hidden states of every layer agree, with all sentences in one batch and with each
    alone.
    """
    folder = shared(f"conformance/bert/{name}")
    config = pretrained.read_bert_config(f"{folder}/bert_config.json")
    weights = pretrained.open_bert(config, pretrained.find_bert(folder))
    with np.load(f"{folder}/expected.npz") as file:
        count = len(file.files) // 2
        ids, expected = ([file[f"{what}_{i}"] for i in range(count)] for what in ("ids", "layers"))
    longest = max(map(len, ids))
    batch = np.array([np.pad(pieces, (0, longest - len(pieces))) for pieces in ids], np.int32)
    mask = np.array([np.arange(longest) < len(pieces) for pieces in ids], np.int32)
    run, _ = build(config, weights)
    together = run(batch, mask, 0 * mask)
    for i, want in enumerate(expected):
        np.testing.assert_allclose(together[:, i, : len(ids[i])], want, atol=1e-4)
        alone = run(ids[i : i + 1], [np.ones_like(ids[i])], [np.zeros_like(ids[i])])
        np.testing.assert_allclose(alone[:, 0], want, atol=1e-4)


@pytest.mark.slow
def test_base_against_transformers(tmp_path):
    """A full-size model: the hidden states of every layer, and the file that transformers writes,
    read back.
    """
    if subprocess.run(
        [TORCH_PYTHON, "-c", "import torch, transformers"], stderr=subprocess.DEVNULL
    ).returncode:
        pytest.skip(
            "torch and transformers are not here: make bench-deps, or name an interpreter that has "
            "them with TORCH_PYTHON"
        )
    config = {
        **CONFIG,
        "vocab_size": 30522,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
        "layer_norm_eps": 1e-12,
    }
    weights, batch = random_weights(config, 0.04), windows(config, (40, 25))
    (tmp_path / "bert_config.json").write_text(json.dumps(config))
    projection = {
        "projection/kernel": np.zeros((768, 9), np.float32),
        "projection/bias": np.zeros(9, np.float32),
    }
    np.savez(tmp_path / "weights.npz", **weights, **projection)
    np.savez(tmp_path / "batch.npz", **dict(zip(("token_ids", "mask", "segment_ids"), batch)))
    questions = [
        {"do": "hidden", "out": str(tmp_path / "hidden.npy")},
        {"do": "save", "folder": str(tmp_path / "published")},
    ]
    subprocess.run(
        [TORCH_PYTHON, "benchmarks/peers/torch_bert.py", tmp_path],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
        input="".join(json.dumps(question) + "\n" for question in questions).encode(),
    )
    layers = build(config, weights.get)[0](*batch)
    np.testing.assert_allclose(
        layers[:, batch[1] == 1], np.load(tmp_path / "hidden.npy")[:, batch[1] == 1], atol=1e-4
    )
    config = pretrained.read_bert_config(str(tmp_path / "published" / "config.json"))
    read = pretrained.open_bert(config, pretrained.find_bert(str(tmp_path / "published")))
    for name, value in weights.items():
        np.testing.assert_array_equal(read(name), value)


# ---------------------------------------------------------------- words

# Two windows of 5 pieces; three sentences, the last one without a word. Pieces without a word are
# [CLS], [SEP] and padding.
INDEX = np.array([[1, 3, 6, 8], [7, 0, 0, 0], [0, 0, 0, 0]], np.int32)
COUNTS = np.array([[2, 1, 1, 2], [3, 0, 0, 0], [0, 0, 0, 0]], np.int32)


def test_first_piece_of_words():
    """Padding gets the very first vector, which is ignored later."""

    def reference(x, _):
        return np.array([[x[place // 5, place % 5] for place in row] for row in INDEX])

    check(
        lambda x: words_of_pieces(x, tf.constant(INDEX)),
        reference,
        np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32),
    )


def test_mean_of_pieces():
    def reference(x, _):
        flat, words = x.reshape(10, 3), np.zeros((3, 4, 3))
        for place in np.ndindex(INDEX.shape):
            for nth in range(COUNTS[place]):
                words[place] += flat[INDEX[place] + nth] / COUNTS[place]
        return words

    check(
        lambda x: words_of_pieces(x, tf.constant(INDEX), tf.constant(COUNTS)),
        reference,
        np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32),
    )


def test_no_word_at_all():
    x = np.ones((2, 5, 3), np.float32)
    words = evaluate(
        lambda x: words_of_pieces(x, tf.constant(INDEX[2:]), tf.constant(COUNTS[2:])), x
    )
    np.testing.assert_array_equal(words, np.zeros((1, 4, 3)))
