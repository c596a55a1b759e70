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
        beta1, beta2 = (tf.cast(each, grad.dtype) for each in (self._beta1_t, self._beta2_t))
        return beta1 * m + (1.0 - beta1) * grad, beta2 * v + (1.0 - beta2) * tf.square(grad)

    def _move(self, m, v):
        """What the moments take off the weights."""
        power1, power2 = self._get_beta_accumulators()
        rate = tf.cast(self._lr_t, m.dtype) * tf.sqrt(1.0 - power2) / (1.0 - power1)
        return rate * m / (tf.sqrt(v) + tf.cast(self._epsilon_t, m.dtype))


class AdamW(LazyAdam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2): weights lose rate
    * decay of themselves at each step, whatever their gradient; the paper's lambda is learning_rate
    * decay. See is_decayed for which do.
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
    """Whether AdamW decays a variable: kernels and filters. Not vectors (biases, layer norm); not
    embeddings, whose rare rows would fade away between two sentences that have them; not the CRF's
    transitions, which are scores as biases are. Of BERT all but biases and LayerNorm, its
    embeddings too, as google-research/bert has it.
    """
    return len(variable.shape) > 1 and variable.op.name.partition("/")[0] not in (
        "embeddings",
        "crf",
    )


class RAdam(LazyAdam):
    """Rectified Adam (Liu et al. 2020, algorithm 2): steps of plain momentum while the mean of the
    squared gradients is of too few to be relied on, then Adam's, the shorter the less it is to be
    relied on. step: those done so far, int64 ().
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
        beta1, beta2 = (tf.constant(each, tf.float64) for each in (self._beta1, self._beta2))
        t = tf.cast(
            self._step + 1, tf.float64
        )  # float64, or 1 - beta2^t is nothing but its rounding
        unbiased1, unbiased2 = 1.0 - beta1**t, 1.0 - beta2**t
        longest = (
            2.0 / (1.0 - beta2) - 1.0
        )  # the paper's rho, of infinity and of t: length of the average
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
    """Learning rate at a step, float32 (): linear warm-up times config.lr_schedule.

    constant. exponential: lr_decay_rate for each lr_decay_steps, in stairs. cosine: from the end of
    the warm-up down to 0 at lr_total_steps, or else total_steps, as half a wave (Loshchilov and
    Hutter 2017, without restarts). linear: the same in a straight line (Devlin et al. 2019).
    plateau: `factor`, float32 (), which the hook of that name lowers.
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


# ---------------------------------------------------------------- both


def training_op(model, config, total_steps=0, factor=1.0, optimizer=None):
    """Returns (op that makes one step, learning rate, norm of the gradient,
    ExponentialMovingAverage or None).

    total_steps, factor: see scheduled_rate. optimizer: in place of the config's: a function rate ->
    tf.train.Optimizer, or a tf.train.Optimizer, whose rate is its own (the one returned is NaN
    then).
    """
    rate = scheduled_rate(config, model.step, total_steps, factor)
    make = optimizer or (lambda rate: make_optimizer(config, rate, model.step))
    variables = tf.trainable_variables()
    clipped, norm = tf.clip_by_global_norm(tf.gradients(model.loss, variables), config.clip_norm)
    if isinstance(optimizer, tf.train.Optimizer):
        rate, op = (
            tf.constant(math.nan),
            optimizer.apply_gradients(zip(clipped, variables), global_step=model.step),
        )
    else:
        op = _apply_by_rate(make, rate, clipped, variables, config, model.step)
    if not config.ema_decay:
        return op, rate, norm, None
    average = tf.train.ExponentialMovingAverage(config.ema_decay, num_updates=model.step)
    with tf.control_dependencies([op]):
        return average.apply(averaged_variables()), rate, norm, average


def _apply_by_rate(make, rate, gradients, variables, config, step):
    """Applies gradients, each at the learning rate of its variable: an optimizer of its own for
    each rate. make: rate -> optimizer.
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
    """Of variables, by their names: learning rate / config.learning_rate. BERT has a rate of its
    own, bert_learning_rate for the topmost layer, and times bert_layer_decay for each layer further
    down (Howard and Ruder 2018), down to the embeddings.
    """
    layers = [
        int(found[1]) + 1 if (found := re.match(r"bert/encoder/layer_(\d+)/", name)) else 0
        for name in names
    ]
    ratio = config.bert_learning_rate / config.learning_rate
    return [
        ratio * config.bert_layer_decay ** (max(layers) - layer)
        if layer or name.startswith("bert/embeddings/")
        else 1.0
        for name, layer in zip(names, layers)
    ]


def averaged_variables():
    """What the moving average is kept of: all that is trained but word embeddings, whose rows move
    too seldom.
    """
    return [
        variable for variable in tf.trainable_variables() if variable.op.name != "embeddings/word"
    ]
