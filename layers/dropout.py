"""Dropout that can be resumed: its noise depends on (seed, step) alone."""
from tf1 import tf


def dropout(x, keep_prob, is_train, seed):
    """Inverted dropout (Srivastava et al. 2014), any shape.

    is_train: bool tensor. seed: int64 (2,), another for each place and step: the noise is stateless, so that a resumed
    run draws what the interrupted one would have drawn.
    """
    if keep_prob >= 1.0:
        return x

    def drop():
        noise = tf.random.stateless_uniform(tf.shape(x), seed)
        return tf.where_v2(noise < keep_prob, x / keep_prob, 0.0)

    return tf.cond(is_train, drop, lambda: tf.identity(x))
