"""Optimizers and learning rates are compared with numpy versions written from the papers, for dense
weights and for rows of an embedding.
"""

import math
import re
import types

import numpy as np
import pytest

from config import Config
from model import Model as WholeModel
from support.graphs import ALONE, SIZES, Built, batch, sentence, variant
from support.numeric import put
from tf1 import new_session, tf
from training import optimizer

STEPS = 12


class Numpy:
    """An optimizer of one array in float64. step() takes a gradient, or a gradient and its rows;
    `t` counts the steps of all rows.
    """

    def __init__(self, value, decayed):
        self.value, self.decayed, self.t = value.astype(np.float64), decayed, 0
        self.m, self.v = np.zeros_like(self.value), np.zeros_like(self.value)

    def step(self, rate, gradient, rows=slice(None)):
        self.t += 1
        self.value[rows] -= self.move(rate, gradient, rows)

    def moments(self, gradient, rows):
        """The bias-corrected moments, m-hat and v-hat."""
        self.m[rows] = 0.9 * self.m[rows] + 0.1 * gradient
        self.v[rows] = 0.999 * self.v[rows] + 0.001 * gradient**2
        return self.m[rows] / (1 - 0.9**self.t), self.v[rows] / (1 - 0.999**self.t)


class Momentum(Numpy):
    def move(self, rate, gradient, rows):
        self.m[rows] = 0.9 * self.m[rows] + gradient
        return rate * self.m[rows]


class Adam(Numpy):
    def move(self, rate, gradient, rows):
        m, v = self.moments(gradient, rows)
        return rate * m / (np.sqrt(v) + 1e-8)


class AdamW(Numpy):
    """Loshchilov and Hutter 2019, algorithm 2."""

    def move(self, rate, gradient, rows):
        m, v = self.moments(gradient, rows)
        return rate * (m / (np.sqrt(v) + 1e-8) + (0.1 * self.value[rows] if self.decayed else 0.0))


class RAdam(Numpy):
    """Liu et al. 2020, algorithm 2."""

    def move(self, rate, gradient, rows):
        m, v = self.moments(gradient, rows)
        rho_inf = 2 / (1 - 0.999) - 1
        rho = rho_inf - 2 * self.t * 0.999**self.t / (1 - 0.999**self.t)
        if rho <= 4:
            return rate * m
        r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        return rate * r * m / (np.sqrt(v) + 1e-8)


SYSTEMS = {"sgd": Momentum, "adam": Adam, "adamw": AdamW, "radam": RAdam}


class Model:
    """A kernel, a bias and an embedding table, each pulled to a target, in the form in which the
    optimizer finds them in a model.
    """

    targets = {"encoder/kernel": (4, 3), "encoder/bias": (3,), "crf/transitions": (3, 3)}

    def __init__(self):
        self.step = tf.train.get_or_create_global_step()
        rng = np.random.default_rng(1)
        self.start = {
            name: rng.normal(size=shape).astype(np.float32)
            for name, shape in {**self.targets, "embeddings/pos": (7, 3)}.items()
        }
        self.variables = {
            name: tf.get_variable(name, initializer=value) for name, value in self.start.items()
        }
        self.goals = {
            name: tf.placeholder(tf.float32, shape) for name, shape in self.targets.items()
        }
        self.ids = tf.placeholder(tf.int32, [5])
        looked_up = tf.nn.embedding_lookup(self.variables["embeddings/pos"], self.ids)
        self.loss = sum(
            tf.reduce_sum(tf.square(self.variables[name] - goal))
            for name, goal in self.goals.items()
        ) + tf.reduce_sum(tf.square(looked_up) * tf.constant([[1.0], [2.0], [3.0], [4.0], [5.0]]))


@pytest.mark.parametrize("name", SYSTEMS)
def test_an_optimizer_is_its_paper(name):
    """Dense and sparse variables, with a learning rate that falls. A row that is in no batch does
    not change.
    """
    cfg = Config(
        optimizer=name,
        learning_rate=0.05,
        weight_decay=0.1,
        clip_norm=1e9,
        lr_decay_steps=5,
        lr_decay_rate=0.5,
    )
    rng = np.random.default_rng(2)
    with tf.Graph().as_default(), new_session(1) as session:
        model = Model()
        op, rate, *_ = optimizer.training_op(model, cfg)
        session.run(tf.global_variables_initializer())
        systems = {
            var: SYSTEMS[name](value, var == "encoder/kernel") for var, value in model.start.items()
        }
        for step in range(STEPS):
            goals = {
                var: rng.normal(size=shape).astype(np.float32)
                for var, shape in model.targets.items()
            }
            rows = rng.integers(0, 6, 5)
            feeds = {model.goals[var]: goal for var, goal in goals.items()}
            _, a_rate = session.run([op, rate], {**feeds, model.ids: rows})
            assert a_rate == pytest.approx(0.05 * 0.5 ** (step // 5), rel=1e-6)
            for var, goal in goals.items():
                systems[var].step(a_rate, 2 * (systems[var].value - goal))
            table = systems["embeddings/pos"]
            gradient = np.zeros_like(table.value)
            np.add.at(gradient, rows, 2 * table.value[rows] * np.arange(1, 6)[:, None])
            table.step(a_rate, gradient[np.unique(rows)], np.unique(rows))
            for var, value in session.run(model.variables).items():
                np.testing.assert_allclose(
                    value, systems[var].value, atol=2e-5, err_msg=f"{var} at step {step}"
                )
        assert (
            session.run(model.variables["embeddings/pos"])[6] == model.start["embeddings/pos"][6]
        ).all()


def test_radam_is_rectified_within_the_test():
    """By algorithm 2, the first four steps are momentum alone, and the later ones are rectified."""
    rhos = [1999 - 2 * t * 0.999**t / (1 - 0.999**t) for t in range(1, STEPS + 1)]
    assert [rho > 4 for rho in rhos] == [False] * 4 + [True] * (STEPS - 4)


def test_what_decays():
    with tf.Graph().as_default():
        shapes = {
            "encoder/kernel": [3, 4],
            "char_cnn/filters": [3, 4, 5],
            "encoder/bias": [4],
            "encoder/layer_norm/gamma": [4],
            "embeddings/word": [9, 4],
            "crf/transitions": [4, 4],
            "highway/kernel": [4, 4],
        }
        decayed = {
            name
            for name, shape in shapes.items()
            if optimizer.is_decayed(tf.get_variable(name, shape))
        }
    assert decayed == {"encoder/kernel", "char_cnn/filters", "highway/kernel"}


def test_what_decays_of_language_models():
    """In BERT everything but biases and layer normalization decays, as in google-research/bert; in
    the mixes nothing.
    """
    config = Config(use_elmo=True, use_bert=True, train_bert=True, bert_layers="mix", wrd_dim=4)
    with tf.Graph().as_default():
        WholeModel(config, SIZES, training=True)
        names = {
            variable.op.name: optimizer.is_decayed(variable)
            for variable in tf.trainable_variables()
            if variable.op.name.startswith(("bert/", "elmo/"))
        }
    assert len(names) == 4 + 5 + 4 * 16
    for name, decayed in names.items():
        assert decayed == name.endswith(("/kernel", "_embeddings")), name


# ---------------------------------------------------------------- BERT's own rates


def test_rates_by_layer():
    config = Config(learning_rate=0.001, bert_learning_rate=0.0001, bert_layer_decay=0.5)
    factors = {
        "bert/encoder/layer_2/output/dense/kernel": 0.1,
        "bert/encoder/layer_2/attention/self/query/bias": 0.1,
        "bert/encoder/layer_1/output/LayerNorm/gamma": 0.05,
        "bert/encoder/layer_0/output/dense/kernel": 0.025,
        "bert/embeddings/word_embeddings": 0.0125,
        "bert/embeddings/LayerNorm/beta": 0.0125,
        "bert/mix/weights": 1.0,
        "elmo/mix/gamma": 1.0,
        "encoder/bilstm_0/forward/kernel": 1.0,
        "embeddings/word": 1.0,
        "projection/bias": 1.0,
    }
    assert optimizer.rate_factors(list(factors), config) == pytest.approx(list(factors.values()))
    names = [
        f"bert/encoder/layer_{k}/output/dense/bias" for k in range(12)
    ]  # as numbers, not as words
    assert optimizer.rate_factors(names, config) == pytest.approx(
        [0.1 * 0.5 ** (11 - k) for k in range(12)]
    )
    assert optimizer.rate_factors(["encoder/kernel"], config) == [1.0]
    flat = Config(learning_rate=0.001, bert_learning_rate=0.0001)
    assert optimizer.rate_factors(names, flat) == pytest.approx([0.1] * 12)


RATES = {
    "encoder/kernel": 0.05,
    "bert/encoder/layer_1/output/dense/kernel": 0.02,
    "bert/encoder/layer_1/output/LayerNorm/gamma": 0.02,
    "bert/encoder/layer_0/output/dense/kernel": 0.01,
    "bert/embeddings/word_embeddings": 0.005,
}
TABLE = "bert/embeddings/word_embeddings"


@pytest.mark.parametrize("name", SYSTEMS)
def test_an_optimizer_at_several_rates(name):
    """Each variable moves as if it were alone with its rate. AdamW's decay applies to all rows of
    BERT's embeddings, in the batch or not.
    """
    config = Config(
        optimizer=name,
        learning_rate=0.05,
        weight_decay=0.1,
        clip_norm=1e9,
        lr_schedule="linear",
        lr_total_steps=20,
        bert_learning_rate=0.02,
        bert_layer_decay=0.5,
    )
    rng = np.random.default_rng(2)
    start = {
        var: rng.normal(size=(3,) if var.endswith("gamma") else (7, 3)).astype(np.float32)
        for var in RATES
    }
    with tf.Graph().as_default(), new_session(1) as session:
        variables = {var: tf.get_variable(var, initializer=value) for var, value in start.items()}
        goals = {
            var: tf.placeholder(tf.float32, value.shape)
            for var, value in start.items()
            if var != TABLE
        }
        ids = tf.placeholder(tf.int32, [4])
        loss = sum(tf.reduce_sum(tf.square(variables[var] - goal)) for var, goal in goals.items())
        loss += tf.reduce_sum(tf.square(tf.nn.embedding_lookup(variables[TABLE], ids)))
        op, rate, *_ = optimizer.training_op(
            types.SimpleNamespace(loss=loss, step=tf.train.get_or_create_global_step()), config
        )
        session.run(tf.global_variables_initializer())
        systems = {
            var: SYSTEMS[name](value, var.endswith("kernel")) for var, value in start.items()
        }
        for step in range(8):
            targets = {var: rng.normal(size=start[var].shape) for var in goals}
            rows = rng.integers(0, 6, 4)
            feeds = {goals[var]: target for var, target in targets.items()}
            _, a_rate = session.run([op, rate], {**feeds, ids: rows})
            assert a_rate == pytest.approx(0.05 * (1 - step / 20), rel=1e-5)
            scale = 1 - step / 20
            for var, target in targets.items():
                systems[var].step(RATES[var] * scale, 2 * (systems[var].value - target))
            table, (touched, counts) = systems[TABLE], np.unique(rows, return_counts=True)
            fade = RATES[TABLE] * scale * 0.1 * table.value if name == "adamw" else 0.0
            table.step(RATES[TABLE] * scale, 2 * counts[:, None] * table.value[touched], touched)
            table.value -= fade
            for var, value in session.run(variables).items():
                np.testing.assert_allclose(
                    value, systems[var].value, atol=2e-5, err_msg=f"{var} at step {step}"
                )
        untouched = session.run(variables[TABLE])[6] / start[TABLE][6]
        np.testing.assert_allclose(
            untouched,
            np.prod([1 - 0.005 * (1 - k / 20) * 0.1 for k in range(8)]) if name == "adamw" else 1.0,
            rtol=1e-5,
        )


def test_a_step_of_a_whole_model():
    """With plain gradient descent, each variable moves by its gradient times its own learning
    rate.
    """
    config = variant(
        **{**ALONE, "use_word": True},
        use_bert=True,
        train_bert=True,
        bert_layers="mix",
        train_wrd=True,
        optimizer="sgd",
        momentum=0.0,
        clip_norm=1e9,
        learning_rate=0.02,
        bert_learning_rate=0.005,
        bert_layer_decay=0.5,
        lr_schedule="constant",
    )
    built = Built(config, learning=True)
    inputs = batch(*(sentence(5, seed) for seed in range(3)))
    with built.graph.as_default():
        variables = {variable.op.name: variable for variable in tf.trainable_variables()}
        gradients = dict(
            zip(
                variables,
                map(tf.convert_to_tensor, tf.gradients(built.model.loss, list(variables.values()))),
            )
        )
    before, slopes = built.session.run(variables), built.run(gradients, inputs, is_train=True)
    built.run(built.train_op, inputs, is_train=True)
    after, moved = built.session.run(variables), set()
    for name in variables:
        layer = re.match("bert/encoder/layer_([0-9])/", name)
        expected = 0.02
        if layer:
            expected = 0.005 * 0.5 ** (3 - int(layer[1]))
        elif name.startswith("bert/embeddings/"):
            expected = 0.005 * 0.5**4
        np.testing.assert_allclose(
            before[name] - after[name], expected * slopes[name], atol=1e-6, rtol=1e-3, err_msg=name
        )
        moved |= {round(expected, 9)} if (before[name] != after[name]).any() else set()
    assert len(moved) == 6 and built.session.run(built.model.step) == 1


def test_optimizers_by_value():
    """A function gets the scheduled learning rate; an optimizer has its own, and none is returned
    for it.
    """

    def run(by_value, **values):
        with tf.Graph().as_default(), new_session(1) as session:
            model = Model()
            op, rate, *_ = optimizer.training_op(
                model, Config(learning_rate=0.1, clip_norm=1e9, **values), optimizer=by_value
            )
            session.run(tf.global_variables_initializer())
            feeds = {
                **{goal: np.zeros(goal.shape) for goal in model.goals.values()},
                model.ids: np.zeros(5),
            }
            got = session.run([op, rate], feeds)[1]
            return got, session.run(model.variables["encoder/bias"]) / model.start["encoder/bias"]

    rate, left = run(lambda rate: tf.train.GradientDescentOptimizer(rate), warmup_steps=2)
    assert rate == pytest.approx(0.05)
    np.testing.assert_allclose(left, 0.9, rtol=1e-5)
    rate, left = run(tf.train.GradientDescentOptimizer(0.25), warmup_steps=2)
    assert math.isnan(rate)
    np.testing.assert_allclose(left, 0.5, rtol=1e-5)


# ---------------------------------------------------------------- learning rates


def expected_rate(schedule, k, warmup):
    """The rate for learning_rate 0.5, lr_decay_rate 0.9, lr_decay_steps 10, 40 steps in all, and a
    plateau's factor of 0.25.
    """
    warm = min(1.0, (k + 1) / warmup) if warmup else 1.0
    done = min(max(k - warmup, 0) / (40 - warmup), 1)
    after = {
        "constant": 1.0,
        "exponential": 0.9 ** (k // 10),
        "plateau": 0.25,
        "linear": 1 - done,
        "cosine": (1 + math.cos(math.pi * done)) / 2,
    }[schedule]
    return 0.5 * warm * after


@pytest.mark.parametrize("schedule", ["constant", "exponential", "cosine", "linear", "plateau"])
@pytest.mark.parametrize("warmup", [0, 4])
def test_schedules(schedule, warmup):
    cfg = Config(
        learning_rate=0.5,
        lr_schedule=schedule,
        lr_decay_rate=0.9,
        lr_decay_steps=10,
        warmup_steps=warmup,
    )
    with tf.Graph().as_default(), new_session(1) as session:
        step = tf.placeholder(tf.int64, [])
        rate = optimizer.scheduled_rate(cfg, step, total_steps=40, factor=tf.constant(0.25))
        got = [session.run(rate, {step: k}) for k in range(45)]
    np.testing.assert_allclose(
        got, [expected_rate(schedule, k, warmup) for k in range(45)], rtol=1e-5, atol=1e-7
    )


def test_total_steps_of_the_config_come_first():
    with tf.Graph().as_default(), new_session(1) as session:
        step = tf.train.get_or_create_global_step()
        rate = optimizer.scheduled_rate(
            Config(lr_schedule="cosine", lr_total_steps=10, learning_rate=1.0), step, total_steps=40
        )
        session.run(tf.global_variables_initializer())
        put(session, [step], [5])
        assert session.run(rate) == pytest.approx(0.5)
