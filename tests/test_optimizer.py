"""Optimizers and learning rates against numpy, written from the papers; dense weights and rows of an embedding."""
import math

import numpy as np
import pytest

import optimizer
from config import Config
from numeric import put
from tf1 import new_session, tf

STEPS = 12


class Numpy:
    """An optimizer of one array in float64. step: a gradient, or the rows that it is of; `t` counts the steps of all rows."""

    def __init__(self, value, decayed):
        self.value, self.decayed, self.t = value.astype(np.float64), decayed, 0
        self.m, self.v = np.zeros_like(self.value), np.zeros_like(self.value)

    def step(self, rate, gradient, rows=slice(None)):
        self.t += 1
        self.value[rows] -= self.move(rate, gradient, rows)

    def moments(self, gradient, rows):
        """Bias-corrected: m-hat, v-hat."""
        self.m[rows] = 0.9 * self.m[rows] + 0.1 * gradient
        self.v[rows] = 0.999 * self.v[rows] + 0.001 * gradient ** 2
        return self.m[rows] / (1 - 0.9 ** self.t), self.v[rows] / (1 - 0.999 ** self.t)


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
        rho = rho_inf - 2 * self.t * 0.999 ** self.t / (1 - 0.999 ** self.t)
        if rho <= 4:
            return rate * m
        r = math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
        return rate * r * m / (np.sqrt(v) + 1e-8)


SYSTEMS = {"sgd": Momentum, "adam": Adam, "adamw": AdamW, "radam": RAdam}


class Model:
    """A kernel, a bias and an embedding table, which all are pulled to targets; each as the optimizer finds it in a model."""
    targets = {"encoder/kernel": (4, 3), "encoder/bias": (3,), "crf/transitions": (3, 3)}

    def __init__(self):
        self.step = tf.train.get_or_create_global_step()
        rng = np.random.default_rng(1)
        self.start = {name: rng.normal(size=shape).astype(np.float32)
                      for name, shape in {**self.targets, "embeddings/pos": (7, 3)}.items()}
        self.variables = {name: tf.get_variable(name, initializer=value) for name, value in self.start.items()}
        self.goals = {name: tf.placeholder(tf.float32, shape) for name, shape in self.targets.items()}
        self.ids = tf.placeholder(tf.int32, [5])
        looked_up = tf.nn.embedding_lookup(self.variables["embeddings/pos"], self.ids)
        self.loss = (sum(tf.reduce_sum(tf.square(self.variables[name] - goal)) for name, goal in self.goals.items())
                     + tf.reduce_sum(tf.square(looked_up) * tf.constant([[1.], [2.], [3.], [4.], [5.]])))


@pytest.mark.parametrize("name", SYSTEMS)
def test_an_optimizer_is_its_paper(name):
    """Dense and sparse; the learning rate falls on the way; a row that no batch has touched stays as it was."""
    cfg = Config(optimizer=name, learning_rate=0.05, weight_decay=0.1, clip_norm=1e9, lr_decay_steps=5, lr_decay_rate=0.5)
    rng = np.random.default_rng(2)
    with tf.Graph().as_default(), new_session(1) as session:
        model = Model()
        op, rate, *_ = optimizer.training_op(model, cfg)
        session.run(tf.global_variables_initializer())
        systems = {name_: SYSTEMS[name](value, name_ == "encoder/kernel") for name_, value in model.start.items()}
        for step in range(STEPS):
            goals = {each: rng.normal(size=shape).astype(np.float32) for each, shape in model.targets.items()}
            rows = rng.integers(0, 6, 5)
            _, a_rate = session.run([op, rate], {**{model.goals[each]: goal for each, goal in goals.items()}, model.ids: rows})
            assert a_rate == pytest.approx(0.05 * 0.5 ** (step // 5), rel=1e-6)
            for each, goal in goals.items():
                systems[each].step(a_rate, 2 * (systems[each].value - goal))
            table = systems["embeddings/pos"]
            gradient = np.zeros_like(table.value)
            np.add.at(gradient, rows, 2 * table.value[rows] * np.arange(1, 6)[:, None])
            table.step(a_rate, gradient[np.unique(rows)], np.unique(rows))
            for each, value in session.run(model.variables).items():
                np.testing.assert_allclose(value, systems[each].value, atol=2e-5, err_msg=f"{each} at step {step}")
        assert (session.run(model.variables["embeddings/pos"])[6] == model.start["embeddings/pos"][6]).all()


def test_radam_is_rectified_within_the_test():
    """The numbers of algorithm 2: the first four steps are momentum alone, the later are rectified."""
    rhos = [1999 - 2 * t * 0.999 ** t / (1 - 0.999 ** t) for t in range(1, STEPS + 1)]
    assert [rho > 4 for rho in rhos] == [False] * 4 + [True] * (STEPS - 4)


def test_what_decays():
    with tf.Graph().as_default():
        shapes = {"encoder/kernel": [3, 4], "char_cnn/filters": [3, 4, 5], "encoder/bias": [4], "encoder/layer_norm/gamma": [4],
                  "embeddings/word": [9, 4], "crf/transitions": [4, 4], "highway/kernel": [4, 4]}
        decayed = {name for name, shape in shapes.items() if optimizer.is_decayed(tf.get_variable(name, shape))}
    assert decayed == {"encoder/kernel", "char_cnn/filters", "highway/kernel"}


def test_optimizers_by_value():
    """A function gets the scheduled rate; an optimizer has its own, and none is returned for it."""
    def run(by_value, **values):
        with tf.Graph().as_default(), new_session(1) as session:
            model = Model()
            op, rate, *_ = optimizer.training_op(model, Config(learning_rate=0.1, clip_norm=1e9, **values), optimizer=by_value)
            session.run(tf.global_variables_initializer())
            feeds = {**{goal: np.zeros(goal.shape) for goal in model.goals.values()}, model.ids: np.zeros(5)}
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
    """Of learning_rate 0.5 with lr_decay_rate 0.9, lr_decay_steps 10, 40 steps in all, a plateau's factor of 0.25."""
    warm = min(1.0, (k + 1) / warmup) if warmup else 1.0
    after = {"constant": 1.0, "exponential": 0.9 ** (k // 10), "plateau": 0.25,
             "cosine": (1 + math.cos(math.pi * min(max(k - warmup, 0) / (40 - warmup), 1))) / 2}[schedule]
    return 0.5 * warm * after


@pytest.mark.parametrize("schedule", ["constant", "exponential", "cosine", "plateau"])
@pytest.mark.parametrize("warmup", [0, 4])
def test_schedules(schedule, warmup):
    cfg = Config(learning_rate=0.5, lr_schedule=schedule, lr_decay_rate=0.9, lr_decay_steps=10, warmup_steps=warmup)
    with tf.Graph().as_default(), new_session(1) as session:
        step = tf.placeholder(tf.int64, [])
        rate = optimizer.scheduled_rate(cfg, step, total_steps=40, factor=tf.constant(0.25))
        got = [session.run(rate, {step: k}) for k in range(45)]
    np.testing.assert_allclose(got, [expected_rate(schedule, k, warmup) for k in range(45)], rtol=1e-5, atol=1e-7)


def test_total_steps_of_the_config_come_first():
    with tf.Graph().as_default(), new_session(1) as session:
        step = tf.train.get_or_create_global_step()
        rate = optimizer.scheduled_rate(Config(lr_schedule="cosine", lr_total_steps=10, learning_rate=1.0), step, total_steps=40)
        session.run(tf.global_variables_initializer())
        put(session, [step], [5])
        assert session.run(rate) == pytest.approx(0.5)
