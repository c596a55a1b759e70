"""Convolutions over the words of a sentence."""

from tf1 import tf


def convolution(x, mask, width, num_filters, causal=False):
    """y[t] = bias + the sum over k < width of x[t + k - before] kernel[k]; what lies outside of the
    sentence counts as zeros.

    before: width // 2, so that the window lies around t; causal: width - 1, so that it ends at t.
    x: float32 (batch, sentence, dim). mask: float32 (batch, sentence), 1 at tokens. Returns float32
    (batch, sentence, num_filters). One matrix product over the windows: quicker here than conv1d,
    which keeps something for each shape that it meets.
    """
    dim, steps = x.shape[-1], tf.shape(x)[1]
    before = width - 1 if causal else width // 2
    kernel = tf.get_variable(
        "kernel", [width, dim, num_filters], initializer=tf.glorot_uniform_initializer()
    )
    bias = tf.get_variable("bias", [num_filters], initializer=tf.zeros_initializer())
    padded = tf.pad(x * mask[..., tf.newaxis], [[0, 0], [before, width - 1 - before], [0, 0]])
    windows = tf.concat(
        [padded[:, k : k + steps] for k in range(width)], axis=-1
    )  # (batch, sentence, width * dim)
    product = (
        tf.matmul(
            tf.reshape(windows, [-1, width * dim]), tf.reshape(kernel, [width * dim, num_filters])
        )
        + bias
    )
    return tf.reshape(product, [tf.shape(x)[0], steps, num_filters])
