"""Each layer against a plain numpy version, and its gradients against finite differences of that
version.
"""

import numpy as np
import pytest

from layers.char_cnn import char_conv1d, char_conv2d
from layers.dropout import dropout
from layers.highway import highway
from support.numeric import check, evaluate, layer, put
from tf1 import new_session, tf

LENGTHS = np.array([4, 1, 3], np.int32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# ---------------------------------------------------------------- character CNN

CHR_LENGTHS = np.array([5, 1, 2, 0, 4])
CHR_MASK = (np.arange(5) < CHR_LENGTHS[:, None]).astype(np.float32)


def characters(garbage=0.0):
    """float32 (5 words, 5 characters, 3)."""
    rng = np.random.default_rng(1)
    return (
        rng.normal(size=(5, 5, 3))
        + (1 - CHR_MASK[..., None]) * rng.normal(0, 1, (5, 5, 3)) * garbage
    ).astype(np.float32)


def conv1d_reference(x, variables, width):
    """The maximum response over a window around each character of a word, with zeros outside the
    word; padding words are 0.
    """
    kernel, bias = variables["conv1d/kernel"], variables["conv1d/bias"]
    left = (width - 1) // 2
    words = []
    for word, length in zip(x, CHR_LENGTHS):
        padded = np.concatenate([np.zeros((left, 3)), word[:length], np.zeros((width, 3))])
        responses = [
            np.einsum("wd,wdf->f", padded[t : t + width], kernel) + bias for t in range(length)
        ]
        words.append(np.max(responses, axis=0) if responses else np.zeros(len(bias)))
    return np.array(words)


def conv2d_reference(x, variables, widths):
    """The maximum after ReLU over windows inside the padded word, for each width."""
    parts = []
    for width in widths:
        kernel, bias = variables[f"conv2d_{width}/kernel"], variables[f"conv2d_{width}/bias"]
        clean = x * CHR_MASK[..., None]
        responses = [
            np.einsum("nwd,wdf->nf", clean[:, t : t + width], kernel[:, :, 0]) + bias
            for t in range(x.shape[1] - width + 1)
        ]
        parts.append(np.maximum(np.max(responses, axis=0), 0))
    return np.concatenate(parts, axis=-1)


@pytest.mark.parametrize("width", [1, 2, 3, 5, 7])
def test_char_conv1d(width):
    check(
        lambda x: char_conv1d(x, tf.constant(CHR_MASK), width, 4),
        lambda x, variables: conv1d_reference(x, variables, width),
        characters(3.0),
    )


@pytest.mark.parametrize("widths", [[3], [1, 2, 5]])
def test_char_conv2d(widths):
    check(
        lambda x: char_conv2d(x, tf.constant(CHR_MASK), widths, 4),
        lambda x, variables: conv2d_reference(x, variables, widths),
        characters(3.0),
    )


@pytest.mark.parametrize(
    "build",
    [
        lambda x: char_conv1d(x, tf.constant(CHR_MASK), 3, 4),
        lambda x: char_conv2d(x, tf.constant(CHR_MASK), [2, 3], 4),
    ],
)
def test_padding_of_a_word_does_not_matter(build):
    first, second = layer(build, characters(0.0)), layer(build, characters(100.0))
    np.testing.assert_array_equal(first[0], second[0])
    assert (second[3][CHR_MASK == 0] == 0).all()


def test_a_word_may_respond_below_zero():
    """conv1d has no ReLU, so a maximum over zeros in the padding would be noticed."""
    output = layer(lambda x: char_conv1d(x, tf.constant(CHR_MASK), 1, 40), characters())[0]
    assert (output[1] < 0).any() and (output[3] == 0).all()


# ---------------------------------------------------------------- highway


@pytest.mark.parametrize("num_layers", [1, 2])
def test_highway(num_layers):
    def reference(x, variables):
        for k in range(num_layers):
            transform, gate = (
                x @ variables[f"layer_{k}/{part}/kernel"] + variables[f"layer_{k}/{part}/bias"]
                for part in ("transform", "gate")
            )
            x = sigmoid(gate) * np.maximum(transform, 0) + (1 - sigmoid(gate)) * x
        return x

    check(
        lambda x: highway(x, num_layers),
        reference,
        np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32),
    )


def test_a_new_highway_lets_its_input_pass():
    x = np.random.default_rng(0).normal(size=(4, 20, 100)).astype(np.float32)

    def build(x):
        output = highway(x, 1)
        return output, [v for v in tf.global_variables() if v.op.name == "layer_0/gate/bias"]

    output, (bias,) = evaluate(build, x)  # over 25 seeds the ratio is 0.36 to 0.37
    assert (bias == -1).all() and np.abs(output - x).mean() < 0.5 * np.abs(x).mean()


def test_the_tests_draw_the_same_weights_each_time():
    def build(x):
        return tf.get_variable("weights", [3]), tf.random_normal([3]) + x

    one, other = (np.concatenate(evaluate(build, np.zeros(3, np.float32))) for _ in range(2))
    assert (one == other).all() and len(set(one)) == 6


# ---------------------------------------------------------------- dropout


def at_step(step):
    """Gives the graph a global step that starts at `step`."""
    tf.get_variable(
        "global_step",
        initializer=tf.constant(step, tf.int64),
        trainable=False,
        collections=[tf.GraphKeys.GLOBAL_VARIABLES, tf.GraphKeys.GLOBAL_STEP],
    )


def dropped(x, keep_prob, seed, step=1, is_train=True, places=0):
    """places: how many others come before in the graph."""

    def build(x):
        at_step(step)
        return [dropout(x, keep_prob, tf.constant(is_train), seed) for _ in range(places + 1)][-1]

    return evaluate(build, x)


@pytest.mark.parametrize("keep_prob", [0.1, 0.5, 0.7])
def test_dropout_keeps_its_share_and_the_mean(keep_prob):
    x = np.random.default_rng(0).uniform(1, 2, (300, 200)).astype(np.float32)
    y = dropped(x, keep_prob, 1, 2)
    kept = y != 0
    np.testing.assert_allclose(y[kept], x[kept] / np.float32(keep_prob), rtol=1e-6)
    assert abs(kept.mean() - keep_prob) < 0.01 and abs(y.mean() - x.mean()) < 0.05
    assert (
        abs(kept.mean(axis=0) - keep_prob).max() < 0.15
        and abs(kept.mean(axis=1) - keep_prob).max() < 0.2
    )  # no pattern


def test_dropout_depends_on_seed_step_and_place_alone():
    x = np.ones((50, 40), np.float32)
    first = dropped(x, 0.5, 3, 7)
    np.testing.assert_array_equal(dropped(x, 0.5, 3, 7), first)
    others = [
        dropped(x, 0.5, 3, 8),
        dropped(x, 0.5, 4, 7),
        dropped(x, 0.5, 7, 3),
        dropped(x, 0.5, 3, 7, places=1),
    ]
    for other in others:
        assert abs((other == first).mean() - 0.5) < 0.06


def test_no_dropout():
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(dropped(x, 1.0, 1), x)
    np.testing.assert_array_equal(dropped(x, 0.5, 1, is_train=False), x)
    with tf.Graph().as_default() as graph:
        dropout(tf.constant(x), 1.0, tf.constant(True), 1)
        dropout(tf.constant(x), 0.5, None, 1)
        assert not [op for op in graph.get_operations() if "Random" in op.type or "If" in op.type]


def test_the_gradient_of_dropout_is_its_mask():
    x = np.random.default_rng(0).normal(size=(20, 10)).astype(np.float32)

    def build(x):
        at_step(5)
        y = dropout(x, 0.25, tf.constant(True), 5)
        return y, tf.gradients(3.0 * y, x)

    y, (gradient,) = evaluate(build, x)
    np.testing.assert_allclose(gradient, np.where(y != 0, 3.0 / 0.25, 0.0), rtol=1e-6)


def test_the_noise_of_dropout_is_that_of_the_graph_in_any_session():
    """Two sessions, and several runs of one, draw the same noise: no state is kept between
    steps.
    """
    x = np.ones((30, 30), np.float32)
    with tf.Graph().as_default():
        at_step(0)
        y = dropout(tf.constant(x), 0.5, tf.constant(True), 9)
        with new_session(1) as one, new_session(1) as two:
            drawn = []
            for session, step in ((one, 0), (one, 1), (one, 0), (two, 1)):
                put(session, [tf.train.get_global_step()], [step])
                drawn.append(session.run(y))
    np.testing.assert_array_equal(drawn[0], drawn[2])
    np.testing.assert_array_equal(drawn[1], drawn[3])
    assert (drawn[0] != drawn[1]).any()
