"""The training op: learning rate, clipped gradients, optimizer, moving average of the weights."""
from tf1 import tf


class LazyAdam(tf.train.AdamOptimizer):
    """Adam (Kingma and Ba 2015) that moves only those rows of an embedding that a batch has touched.

    Plain Adam decays the moments of every row at every step: for 400,000 words that costs more than the network.
    """

    def _resource_apply_sparse(self, grad, var, indices):
        """grad: (rows, dim), one for each of the distinct `indices` (rows,)."""
        beta1, beta2, epsilon = (tf.cast(each, grad.dtype) for each in (self._beta1_t, self._beta2_t, self._epsilon_t))
        power1, power2 = self._get_beta_accumulators()
        rate = tf.cast(self._lr_t, grad.dtype) * tf.sqrt(1.0 - power2) / (1.0 - power1)
        m, v = self.get_slot(var, "m"), self.get_slot(var, "v")
        m_rows = beta1 * tf.gather(m, indices) + (1.0 - beta1) * grad
        v_rows = beta2 * tf.gather(v, indices) + (1.0 - beta2) * tf.square(grad)
        return tf.group(tf.scatter_update(m, indices, m_rows), tf.scatter_update(v, indices, v_rows),
                        tf.scatter_sub(var, indices, rate * m_rows / (tf.sqrt(v_rows) + epsilon)))


def scheduled_rate(config, step):
    """Learning rate at a step: linear warm-up, then exponential decay in stairs. float32 ()."""
    rate = tf.train.exponential_decay(config.learning_rate, step, config.lr_decay_steps, config.lr_decay_rate, staircase=True)
    if config.warmup_steps:
        rate *= tf.minimum(1.0, tf.cast(step + 1, tf.float32) / config.warmup_steps)
    return rate


def training_op(model, config):
    """Returns (op that makes one step, learning rate, norm of the gradient, ExponentialMovingAverage or None)."""
    rate = scheduled_rate(config, model.step)
    if config.optimizer == "sgd":
        optimizer = tf.train.MomentumOptimizer(rate, config.momentum)
    else:
        optimizer = LazyAdam(rate)
    variables = tf.trainable_variables()
    clipped, norm = tf.clip_by_global_norm(tf.gradients(model.loss, variables), config.clip_norm)
    op = optimizer.apply_gradients(zip(clipped, variables), global_step=model.step)
    if not config.ema_decay:
        return op, rate, norm, None
    average = tf.train.ExponentialMovingAverage(config.ema_decay, num_updates=model.step)
    with tf.control_dependencies([op]):
        return average.apply(averaged_variables()), rate, norm, average


def averaged_variables():
    """What the moving average is kept of: all that is trained but word embeddings, whose rows move too seldom."""
    return [variable for variable in tf.trainable_variables() if variable.op.name != "embeddings/word"]
