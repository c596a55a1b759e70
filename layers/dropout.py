"""Dropout that can be resumed: its noise depends on seed, place and step alone."""

from tf1 import tf


def dropout(x, keep_prob, is_train, seed):
    """Inverted dropout (Srivastava et al. 2014), any shape.

    is_train: bool tensor; None in a graph that only tags. seed: that of the config. Each call in a
    graph is a place with noise of its own at each step. The noise is stateless, so that a resumed
    run draws what the interrupted one would have.
    """
    if is_train is None or keep_prob >= 1.0:
        return x
    places = tf.get_collection_ref("dropout_places")
    places.append(x)
    seeds = tf.stack([tf.constant(seed * 1000 + len(places), tf.int64), tf.train.get_global_step()])

    def drop():
        noise = tf.random.stateless_uniform(tf.shape(x), seeds)
        return tf.where_v2(noise < keep_prob, x / keep_prob, 0.0)

    return tf.cond(is_train, drop, lambda: tf.identity(x))
