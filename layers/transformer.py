"""Transformer encoder (Vaswani et al. 2017), with convolutions as feed-forward layers."""

import math

from layers.convolution import convolution
from tf1 import tf


def transformer_block(x, mask, size, num_heads, ffn_size, ffn_kernel, drop):
    """Self-attention, then feed-forward: x_norm = layer_norm(x); x = drop(x_norm + y(x_norm)),
    twice.

    x: float32 (batch, sentence, dim). mask: float32 (batch, sentence), 1 at tokens. size: of
    queries, keys and values, all heads together. drop: the dropout of the residual sums. Returns
    float32 (batch, sentence, dim).
    """
    with tf.variable_scope("attention"):
        x = layer_norm(x)
        x = drop(x + self_attention(x, mask, size, num_heads))
    with tf.variable_scope("feed_forward"):
        x = layer_norm(x)
        return drop(x + feed_forward(x, mask, ffn_size, ffn_kernel))


def self_attention(x, mask, size, num_heads):
    """Multi-head scaled dot-product attention of each token to all tokens of its sentence, padding
    left out.

    Returns float32 (batch, sentence, dim), dim being that of x.
    """
    batch, steps, dim = tf.shape(x)[0], tf.shape(x)[1], x.shape[-1]
    parts = tf.reshape(
        dense(x, 3 * size, "query_key_value"), [batch, steps, 3, num_heads, size // num_heads]
    )
    query, key, value = tf.unstack(
        tf.transpose(parts, [2, 0, 3, 1, 4])
    )  # (batch, heads, sentence, size / heads)
    scores = tf.matmul(
        query * (size // num_heads) ** -0.5, key, transpose_b=True
    )  # (batch, heads, from, to)
    weights = tf.nn.softmax(scores + (mask - 1.0)[:, tf.newaxis, tf.newaxis] * 1e9)
    heads = tf.transpose(
        tf.matmul(weights, value), [0, 2, 1, 3]
    )  # (batch, sentence, heads, size / heads)
    return dense(tf.reshape(heads, [batch, steps, size]), dim, "output")


def feed_forward(x, mask, size, width):
    """Two convolutions `width` wide, ReLU between them: float32 (batch, sentence, dim) -> the same,
    by way of `size`.
    """
    with tf.variable_scope("inner"):
        inner = tf.nn.relu(convolution(x, mask, width, size))
    with tf.variable_scope("outer"):
        return convolution(inner, mask, width, x.shape[-1])


def layer_norm(x):
    """Layer normalization over the last dimension only (Ba, Kiros and Hinton 2016): a token's sum
    does not see its neighbours.
    """
    dim = x.shape[-1]
    with tf.variable_scope("layer_norm"):
        gain = tf.get_variable("gain", [dim], initializer=tf.ones_initializer())
        bias = tf.get_variable("bias", [dim], initializer=tf.zeros_initializer())
    mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
    return (x - mean) * tf.rsqrt(variance + 1e-6) * gain + bias


def dense(x, size, name):
    """x W + b: float32 (batch, sentence, dim) -> (batch, sentence, size), one product for all
    tokens.
    """
    dim = x.shape[-1]
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [dim, size], initializer=tf.glorot_uniform_initializer())
        bias = tf.get_variable("bias", [size], initializer=tf.zeros_initializer())
    return tf.reshape(
        tf.matmul(tf.reshape(x, [-1, dim]), kernel) + bias, [tf.shape(x)[0], tf.shape(x)[1], size]
    )


def positions(steps, dim):
    """Sinusoids for the places in a sentence, float32 (steps, dim): sines in the first half,
    cosines in the second; wave lengths from 2 pi to 10,000 * 2 pi.
    """
    half = dim // 2
    rates = tf.exp(tf.range(half, dtype=tf.float32) * (-math.log(10000.0) / max(half - 1, 1)))
    angles = tf.range(tf.cast(steps, tf.float32))[:, tf.newaxis] * rates
    waves = tf.concat([tf.sin(angles), tf.cos(angles)], axis=-1)
    return tf.pad(waves, [[0, 0], [0, dim - 2 * half]])
