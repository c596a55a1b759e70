"""Each encoder against a plain numpy version, sentence by sentence, and its gradients against
finite differences of that version.
"""

import numpy as np
import pytest

import encoders
import registry
from cli import UserError
from config import ENCODERS, Config
from layers.convolution import convolution
from layers.lstm import fused_lstm
from layers.lstm import lstm as one_by_one
from layers.qrnn import linear_recurrence
from layers.recurrent import recurrent_stack
from layers.transformer import positions
from support.numeric import check, evaluate, layer
from tf1 import tf

LENGTHS = np.array([4, 1, 3], np.int32)
MASK = (np.arange(4) < LENGTHS[:, None]).astype(np.float32)
SMALL = Config(
    rnn_size=2,
    rnn_layers=2,
    cnn_width=3,
    cnn_filters=4,
    transformer_layers=2,
    attention_size=4,
    attention_heads=2,
    ffn_size=3,
    ffn_kernel=3,
)


def sentences(seed=0, dim=3, garbage=5.0):
    """float32 (3, 4, dim), with garbage in the padding."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, 4, dim))
    outside = np.arange(4) >= LENGTHS[:, None]
    x[outside] = rng.normal(0, garbage, (outside.sum(), dim))
    return x.astype(np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def build(config):
    return lambda x: encoders.encode(x, tf.constant(MASK), config, None)


def by_sentence(function):
    """Applies function(real tokens, variables) to each sentence; the values at padding do not
    matter.
    """

    def reference(x, variables):
        rows = [
            function(sentence[:length].astype(np.float64), variables)
            for sentence, length in zip(x, LENGTHS)
        ]
        return np.array([np.pad(row, [(0, 4 - len(row)), (0, 0)]) for row in rows])

    return reference


def masked(config):
    """The encoder's output with zeros at padding, where it is undefined."""
    return lambda x: build(config)(x) * MASK[..., None]


# ---------------------------------------------------------------- recurrent


def lstm(x, kernel, bias):
    """One direction over one sentence (tokens, dim): gates in the order input, cell, forget,
    output.
    """
    size = len(bias) // 4
    c = h = np.zeros(size)
    states = []
    for row in x:
        i, g, f, o = np.split(np.concatenate([row, h]) @ kernel + bias, 4)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        states.append(h)
    return np.array(states)


def gru(x, weights):
    """One direction over one sentence (tokens, dim)."""
    kernel, bias, candidate_bias = weights
    size, dim = len(candidate_bias), x.shape[1]
    h, states = np.zeros(size), []
    for row in x:
        of_x, of_h = row @ kernel[:dim] + bias, h @ kernel[dim:]
        r, z = (
            sigmoid(of_x[:size] + of_h[:size]),
            sigmoid(of_x[size : 2 * size] + of_h[size : 2 * size]),
        )
        n = np.tanh(of_x[2 * size :] + r * (of_h[2 * size :] + candidate_bias))
        h = z * h + (1 - z) * n
        states.append(h)
    return np.array(states)


def qrnn(x, weights):
    kernel, bias = weights
    size, width = len(bias) // 3, len(kernel)
    padded = np.concatenate([np.zeros((width - 1, x.shape[1])), x])
    c, states = np.zeros(size), []
    for t in range(len(x)):
        z, f, o = np.split(np.einsum("wd,wdf->f", padded[t : t + width], kernel) + bias, 3)
        c = sigmoid(f) * c + (1 - sigmoid(f)) * np.tanh(z)
        states.append(sigmoid(o) * c)
    return np.array(states)


CELLS = {
    "bilstm": (lambda x, weights: lstm(x, *weights), ("kernel", "bias")),
    "bigru": (gru, ("kernel", "bias", "candidate_bias")),
    "biqrnn": (qrnn, ("kernel", "bias")),
}


def two_directions(name, num_layers=2):
    cell, parts = CELLS[name]

    def reference(x, variables):
        for k in range(num_layers):
            forward, backward = (
                [variables[f"{name}_{k}/{direction}/{part}"] for part in parts]
                for direction in ("forward", "backward")
            )
            both = np.concatenate([cell(x, forward), cell(x[::-1], backward)[::-1]], axis=-1)
            x = x + both if k else both
        return x

    return reference


@pytest.mark.parametrize(
    "name, values",
    [
        ("bilstm", {}),
        ("bilstm", {"rnn_type": "normal"}),
        ("bilstm", {"rnn_layers": 1}),
        ("bigru", {}),
        ("biqrnn", {}),
        ("biqrnn", {"qrnn_width": 1}),
        ("biqrnn", {"qrnn_width": 3}),
    ],
)
def test_recurrent(name, values):
    config = Config(**{**SMALL.to_dict(), "encoder": name, **values})
    check(build(config), by_sentence(two_directions(name, config.rnn_layers)), sentences())


@pytest.mark.parametrize("steps, batch", [(1, 1), (1, 5), (30, 7)])
def test_fused_and_normal_are_the_same(steps, batch):
    """Both have the same variables by name, the same outputs and the same gradients."""
    rng = np.random.default_rng(steps)
    x = rng.normal(size=(batch, steps, 10)).astype(np.float32)
    lengths = rng.integers(1, steps + 1, batch).astype(np.int32)
    lengths[0] = steps
    fused, normal = (
        layer(
            lambda x: recurrent_stack(x, tf.constant(lengths), 2, lambda x: cell(x, 8), "bilstm"), x
        )
        for cell in (fused_lstm, one_by_one)
    )
    assert list(fused[1]) == list(normal[1])
    np.testing.assert_allclose(fused[0], normal[0], atol=2e-6)
    np.testing.assert_allclose(fused[3], normal[3], atol=1e-4)
    for name in fused[4]:
        np.testing.assert_allclose(
            fused[4][name], normal[4][name], rtol=1e-4, atol=1e-4, err_msg=name
        )


def test_cnn_lstm():
    def reference(x, variables):
        x = np.maximum(around(x, variables["convolution/kernel"], variables["convolution/bias"]), 0)
        for k in range(2):
            y = lstm(x, variables[f"lstm_{k}/forward/kernel"], variables[f"lstm_{k}/forward/bias"])
            x = x + y if k else y
        return x

    check(
        build(Config(**{**SMALL.to_dict(), "encoder": "cnn_lstm"})),
        by_sentence(reference),
        sentences(),
    )


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 8, 9, 100])
def test_linear_recurrence(steps):
    """Against one step after the other, and its gradient against that of the steps written out in
    the graph.
    """
    rng = np.random.default_rng(steps)
    factors, summands, upstream = (
        rng.uniform(0, 1, (steps, 3)),
        rng.normal(size=(steps, 3)),
        rng.normal(size=(steps, 3)),
    )
    factors, summands, upstream = (
        array.astype(np.float32) for array in (factors, summands, upstream)
    )

    def one_by_one(factors, summands):
        states = [summands[0]]
        for t in range(1, steps):
            states.append(factors[t] * states[-1] + summands[t])
        return tf.stack(states)

    def both(factors, summands, upstream):
        return [
            [y, *tf.gradients(y, [factors, summands], upstream, unconnected_gradients="zero")]
            for y in (function(factors, summands) for function in (linear_recurrence, one_by_one))
        ]

    for got, want in zip(*evaluate(both, factors, summands, upstream)):
        np.testing.assert_allclose(got, want, atol=2e-6)


# ---------------------------------------------------------------- convolution


def around(x, kernel, bias, causal=False):
    """A window around each token of one sentence (causal: the window that ends at it), with zeros
    outside.
    """
    width = len(kernel)
    before = width - 1 if causal else width // 2
    padded = np.concatenate([np.zeros((before, x.shape[1])), x, np.zeros((width, x.shape[1]))])
    return np.array(
        [np.einsum("wd,wdf->f", padded[t : t + width], kernel) + bias for t in range(len(x))]
    )


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("width", [1, 2, 3, 6])
def test_convolution(width, causal):
    check(
        lambda x: convolution(x, tf.constant(MASK), width, 2, causal) * MASK[..., None],
        by_sentence(lambda x, variables: around(x, variables["kernel"], variables["bias"], causal)),
        sentences(),
    )


# ---------------------------------------------------------------- attention


def layer_norm(x, variables, scope):
    centred = x - x.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-6)
    return scaled * variables[f"{scope}/layer_norm/gain"] + variables[f"{scope}/layer_norm/bias"]


def self_attention(x, variables, scope, size, num_heads):
    """Self-attention for one head and one token after the other."""
    parts = (
        x @ variables[f"{scope}/query_key_value/kernel"]
        + variables[f"{scope}/query_key_value/bias"]
    )
    query, key, value = np.split(parts, 3, axis=-1)
    head = size // num_heads
    heads = np.zeros((len(x), size))
    for h in range(num_heads):
        own = slice(h * head, (h + 1) * head)
        for t in range(len(x)):
            weights = np.exp(key[:, own] @ query[t, own] / np.sqrt(head))
            heads[t, own] = weights / weights.sum() @ value[:, own]
    return heads @ variables[f"{scope}/output/kernel"] + variables[f"{scope}/output/bias"]


def transformer(x, variables, config):
    x, half = x.copy(), x.shape[1] // 2
    for t in range(len(x)):
        for k in range(half):
            angle = t / 10000 ** (k / max(half - 1, 1))
            x[t, k], x[t, half + k] = x[t, k] + np.sin(angle), x[t, half + k] + np.cos(angle)
    for k in range(config.transformer_layers):
        normed = layer_norm(x, variables, f"block_{k}/attention")
        x = normed + self_attention(
            normed, variables, f"block_{k}/attention", config.attention_size, config.attention_heads
        )
        normed = layer_norm(x, variables, f"block_{k}/feed_forward")
        inner = np.maximum(
            around(
                normed,
                *(variables[f"block_{k}/feed_forward/inner/{part}"] for part in ("kernel", "bias")),
            ),
            0,
        )
        x = normed + around(
            inner,
            *(variables[f"block_{k}/feed_forward/outer/{part}"] for part in ("kernel", "bias")),
        )
    return layer_norm(x, variables, "output")


@pytest.mark.parametrize("ffn_kernel", [1, 3])
def test_transformer(ffn_kernel):
    config = Config(**{**SMALL.to_dict(), "encoder": "transformer", "ffn_kernel": ffn_kernel})
    check(
        masked(config),
        by_sentence(lambda x, variables: transformer(x, variables, config)),
        sentences(),
    )


def test_bilstm_transformer():
    config = Config(
        **{
            **SMALL.to_dict(),
            "encoder": "bilstm_transformer",
            "transformer_layers": 1,
            "rnn_layers": 1,
        }
    )
    check(
        masked(config),
        by_sentence(
            lambda x, variables: transformer(
                two_directions("bilstm", 1)(x, variables), variables, config
            )
        ),
        sentences(),
    )


def test_bilstm_attention():
    def reference(x, variables):
        normed = layer_norm(two_directions("bilstm")(x, variables), variables, "attention")
        return normed + self_attention(normed, variables, "attention", 4, 2)

    check(
        masked(Config(**{**SMALL.to_dict(), "encoder": "bilstm_attention"})),
        by_sentence(reference),
        sentences(),
    )


@pytest.mark.parametrize("dim", [2, 5, 64])
def test_positions(dim):
    (waves,) = evaluate(lambda: [positions(300, dim)])
    half = dim // 2
    for t, k in [(0, 0), (1, 0), (299, 0), (7, half - 1), (123, half // 2)]:
        angle = t / 10000 ** (k / max(half - 1, 1))
        assert waves[t, k] == pytest.approx(np.sin(angle), abs=2e-4) and waves[
            t, half + k
        ] == pytest.approx(np.cos(angle), abs=2e-4)
    assert waves.shape == (300, dim) and (waves[:, 2 * half :] == 0).all()


# ---------------------------------------------------------------- all of them


@pytest.mark.parametrize("name", ENCODERS)
def test_what_stands_at_padding_changes_neither_outputs_nor_gradients(name):
    config = Config(**{**SMALL.to_dict(), "encoder": name})
    first, second = (layer(masked(config), sentences(garbage=garbage)) for garbage in (1.0, 100.0))
    outside = np.arange(4) >= LENGTHS[:, None]
    np.testing.assert_allclose(first[0], second[0], atol=1e-6)
    assert (first[3][outside] == 0).all() and (second[3][outside] == 0).all()
    for variable in first[4]:
        np.testing.assert_allclose(
            first[4][variable], second[4][variable], atol=1e-5, err_msg=variable
        )


def test_every_built_in_encoder_is_registered_under_its_name_in_the_config():
    for name in ENCODERS:
        assert registry.find("encoder", name).__name__ == name


def test_an_encoder_of_ones_own():
    registry.register("encoder", "doubled")(
        lambda x, mask, config, is_train: 2.0 * x * mask[..., tf.newaxis]
    )
    config = Config(encoder="doubled").check()
    x = sentences()
    np.testing.assert_array_equal(evaluate(lambda x: build(config)(x), x), 2 * x * MASK[..., None])


@pytest.mark.parametrize(
    "function",
    [
        lambda x, mask, config, is_train: mask,
        lambda x, *_: tf.placeholder(tf.float32, [None, None, None]),
    ],
)
def test_an_encoder_of_another_shape_is_refused(function):
    registry.register("encoder", "wrong")(function)
    with (
        tf.Graph().as_default(),
        pytest.raises(
            UserError,
            match=r"encoder 'wrong': returned shape .* expected \(batch, sentence, size\)",
        ),
    ):
        build(Config(encoder="wrong"))(tf.constant(sentences()))
