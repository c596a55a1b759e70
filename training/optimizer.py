"""The training op: learning rate, clipped gradients, optimizer, moving average of the weights."""

import math
import re

from tf1 import tf

# ---------------------------------------------------------------- optimizers


class LazyAdam(tf.train.AdamOptimizer):
    """Adam (Kingma and Ba 2015) that moves only those rows of an embedding that a batch has
    touched.

    Plain Adam decays the moments of every row at every step: for 400,000 words that costs more than
    the network.
    """

    def _resource_apply_sparse(self, grad, var, indices):
        """grad: (rows, dim), one for each of the distinct `indices` (rows,)."""
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        m_rows, v_rows = self._moments(tf.gather(m, indices), tf.gather(v, indices), grad)
        return tf.group(
            tf.scatter_update(m, indices, m_rows),
            tf.scatter_update(v, indices, v_rows),
            tf.scatter_sub(var, indices, self._move(m_rows, v_rows)),
        )

    def _moments(self, m, v, grad):
        """The moments after a gradient: running means of itself and of its square."""
        beta1, beta2 = tf.cast(self._beta1_t, grad.dtype), tf.cast(self._beta2_t, grad.dtype)
        return beta1 * m + (1.0 - beta1) * grad, beta2 * v + (1.0 - beta2) * tf.square(grad)

    def _move(self, m, v):
        """What the moments take off the weights."""
        power1, power2 = self._get_beta_accumulators()
        rate = tf.cast(self._lr_t, m.dtype) * tf.sqrt(1.0 - power2) / (1.0 - power1)
        return rate * m / (tf.sqrt(v) + tf.cast(self._epsilon_t, m.dtype))


class AdamW(LazyAdam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2): at each step the
    weights that is_decayed names shrink by rate * decay of themselves, whatever their gradient. The
    paper's lambda is learning_rate * decay.
    """

    def __init__(self, rate, decay):
        super().__init__(rate)
        self._decay = decay

    def _resource_apply_dense(self, grad, var):
        with tf.control_dependencies(self._decayed(grad, var)):
            return super()._resource_apply_dense(grad, var)

    def _resource_apply_sparse(self, grad, var, indices):
        with tf.control_dependencies(self._decayed(grad, var)):
            return super()._resource_apply_sparse(grad, var, indices)

    def _decayed(self, grad, var):
        if not is_decayed(var):
            return []
        with tf.control_dependencies([grad]):  # the weights are read before
            return [var.assign_sub(tf.cast(self._lr_t, var.dtype.base_dtype) * self._decay * var)]


def is_decayed(variable):
    """Whether AdamW decays a variable: it decays kernels and filters. It does not decay vectors
    (biases, layer norm), embeddings, whose rare rows would fade away between two sentences that
    have them, or the CRF's transitions, which are scores as biases are. Of BERT it decays all but
    biases and LayerNorm, also the embeddings, as google-research/bert does.
    """
    return len(variable.shape) > 1 and variable.op.name.partition("/")[0] not in (
        "embeddings",
        "crf",
    )


class RAdam(LazyAdam):
    """Rectified Adam (Liu et al. 2020, algorithm 2). While the mean of the squared gradients is
    taken over too few steps to be reliable, a step is one of plain momentum; then it is Adam's,
    shortened as long as the mean is not yet reliable. step: number of steps done, int64 ().
    """

    def __init__(self, rate, step):
        super().__init__(rate)
        self._step = step

    def _resource_apply_dense(self, grad, var):
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        m_next, v_next = self._moments(m, v, grad)
        return tf.group(
            m.assign(m_next), v.assign(v_next), var.assign_sub(self._move(m_next, v_next))
        )

    def _move(self, m, v):
        # In float64: in float32, 1 - beta2^t is nothing but its rounding error at the first steps.
        beta1, beta2 = tf.constant(self._beta1, tf.float64), tf.constant(self._beta2, tf.float64)
        t = tf.cast(self._step + 1, tf.float64)
        unbiased1, unbiased2 = 1.0 - beta1**t, 1.0 - beta2**t
        # The length of the average, the paper's rho: of infinitely many steps, and of t steps.
        longest = 2.0 / (1.0 - beta2) - 1.0
        length = longest - 2.0 * t * beta2**t / unbiased2
        safe = tf.maximum(length, 4.0 + 1e-9)
        rectified = tf.sqrt(
            (safe - 4.0) * (safe - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * safe)
        )
        adaptive = tf.cast(rectified * tf.sqrt(unbiased2), m.dtype) / (
            tf.sqrt(v) + tf.cast(self._epsilon_t, m.dtype)
        )
        rate = tf.cast(self._lr_t, m.dtype) / tf.cast(unbiased1, m.dtype)
        return rate * m * tf.where_v2(length > 4.0, adaptive, tf.ones_like(v))


def make_optimizer(config, rate, step):
    """The optimizer that config.optimizer names, a tf.train.Optimizer. rate: float32 (); step:
    int64 ().
    """
    return {
        "sgd": lambda: tf.train.MomentumOptimizer(rate, config.momentum),
        "adam": lambda: LazyAdam(rate),
        "adamw": lambda: AdamW(rate, config.weight_decay),
        "radam": lambda: RAdam(rate, step),
    }[config.optimizer]()


# ---------------------------------------------------------------- learning rate

TO_ZERO = ("cosine", "linear")  # the schedules that end at 0 with the last step


def scheduled_rate(config, step, total_steps=0, factor=1.0):
    """Learning rate at a step, float32 (): config.learning_rate, times a linear warm-up, times what
    config.lr_schedule names:

    constant: 1. exponential: lr_decay_rate once more after each lr_decay_steps. cosine: from 1 at
    the end of the warm-up to 0 at lr_total_steps (total_steps where that is 0), as half a wave
    (Loshchilov and Hutter 2017, without restarts). linear: the same in a straight line (Devlin et
    al. 2019). plateau: `factor`, float32 (), which the hook `plateau` lowers.
    """
    rate = tf.constant(config.learning_rate)
    if config.lr_schedule == "exponential":
        rate = tf.train.exponential_decay(
            config.learning_rate, step, config.lr_decay_steps, config.lr_decay_rate, staircase=True
        )
    if config.lr_schedule in TO_ZERO:
        length = max((config.lr_total_steps or total_steps) - config.warmup_steps, 1)
        done = tf.clip_by_value(tf.cast(step - config.warmup_steps, tf.float32) / length, 0.0, 1.0)
        rate *= (
            1.0 - done if config.lr_schedule == "linear" else 0.5 * (1.0 + tf.cos(math.pi * done))
        )
    if config.lr_schedule == "plateau":
        rate *= factor
    if config.warmup_steps:
        rate *= tf.minimum(1.0, tf.cast(step + 1, tf.float32) / config.warmup_steps)
    return rate


# ---------------------------------------------------------------- the training op


def training_op(model, config, total_steps=0, factor=1.0, optimizer=None):
    """Returns (op that makes one step, learning rate, norm of the gradient,
    ExponentialMovingAverage or None).

    total_steps, factor: see scheduled_rate. optimizer: replaces the one that the config names. It
    is a function rate -> tf.train.Optimizer, or a tf.train.Optimizer, which has a rate of its own;
    the rate that is returned is NaN then.
    """
    rate = scheduled_rate(config, model.step, total_steps, factor)
    make = optimizer or (lambda rate: make_optimizer(config, rate, model.step))
    variables = tf.trainable_variables()
    clipped, norm = tf.clip_by_global_norm(tf.gradients(model.loss, variables), config.clip_norm)
    if isinstance(optimizer, tf.train.Optimizer):
        rate = tf.constant(math.nan)
        op = optimizer.apply_gradients(zip(clipped, variables), global_step=model.step)
    else:
        op = _apply_by_rate(make, rate, clipped, variables, config, model.step)
    if not config.ema_decay:
        return op, rate, norm, None
    average = tf.train.ExponentialMovingAverage(config.ema_decay, num_updates=model.step)
    with tf.control_dependencies([op]):
        return average.apply(averaged_variables()), rate, norm, average


def _apply_by_rate(make, rate, gradients, variables, config, step):
    """Applies gradients, each at the learning rate of its variable, with an optimizer for each
    rate. make: a function rate -> tf.train.Optimizer.
    """
    factors = rate_factors([variable.op.name for variable in variables], config)
    groups = {factor: [] for factor in factors}
    for factor, *pair in zip(factors, gradients, variables):
        groups[factor].append(pair)
    ops = [
        make(rate * factor if factor != 1.0 else rate).apply_gradients(pairs)
        for factor, pairs in groups.items()
    ]
    with tf.control_dependencies(ops):
        return step.assign_add(1)


def rate_factors(names, config):
    """For each variable, by its name: its learning rate / config.learning_rate. BERT has rates of
    its own: bert_learning_rate for the topmost layer, which is multiplied by bert_layer_decay for
    each layer further down (Howard and Ruder 2018), down to the embeddings.
    """
    layers = [_bert_layer(name) for name in names]
    topmost = max((layer for layer in layers if layer is not None), default=0)
    ratio = config.bert_learning_rate / config.learning_rate
    return [
        1.0 if layer is None else ratio * config.bert_layer_decay ** (topmost - layer)
        for layer in layers
    ]


def _bert_layer(name):
    """The layer of BERT to which a variable belongs, from 1; 0 for the embeddings; None for all
    other variables.
    """
    if found := re.match(r"bert/encoder/layer_(\d+)/", name):
        return int(found[1]) + 1
    return 0 if name.startswith("bert/embeddings/") else None


def averaged_variables():
    """The variables of which a moving average is kept: all that are trained but the word
    embeddings, whose rows change too seldom.
    """
    return [
        variable for variable in tf.trainable_variables() if variable.op.name != "embeddings/word"
    ]
