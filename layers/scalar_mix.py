"""Scalar mix of a language model's layers (Peters et al. 2018, equation 1)."""

from tf1 import tf


def scalar_mix(layers, mask, layer_norm=False):
    """gamma * the sum over layers of softmax(weights)[k] * layer k; the trained weights start at 0,
    the trained gamma at 1.

    layers: float32 (batch, sentence, layers, dim). mask: float32 (batch, sentence), 1 at tokens.
    Returns float32 (batch, sentence, dim). layer_norm: first each layer of a sentence is brought to
    mean 0 and variance 1 over all its tokens and dims. bilm-tf does so over all tokens of the
    batch, and what a sentence gets depends on its neighbours there; for a batch of one sentence the
    two are equal.
    """
    weights = tf.get_variable("weights", [layers.shape[2]], initializer=tf.zeros_initializer())
    gamma = tf.get_variable("gamma", [], initializer=tf.ones_initializer())
    if layer_norm:
        layers = _normalize(layers, mask[..., tf.newaxis, tf.newaxis])
    return gamma * tf.reduce_sum(layers * tf.nn.softmax(weights)[:, tf.newaxis], axis=2)


def _normalize(layers, mask):
    count = tf.reduce_sum(mask, axis=1, keepdims=True) * tf.cast(layers.shape[-1], tf.float32)
    count = tf.maximum(count, 1.0)  # a row without tokens
    mean = tf.reduce_sum(layers * mask, axis=[1, 3], keepdims=True) / count  # (batch, 1, layers, 1)
    centred = (layers - mean) * mask
    return centred * tf.rsqrt(
        tf.reduce_sum(centred * centred, axis=[1, 3], keepdims=True) / count + 1e-12
    )
