"""Character CNNs: a word's vector from the embeddings of its characters (Ma and Hovy 2016; Kim
2014).
"""

from tf1 import tf


def char_conv1d(characters, mask, width, num_filters):
    """One masked convolution, then the maximum over the word.

    characters: float32 (words, word_length, chr_dim). mask: float32 (words, word_length), 1 at
    characters. Returns float32 (words, num_filters). Padding counts as zeros, and never as a
    maximum.
    """
    x = characters * mask[..., tf.newaxis]
    dim = x.shape[-1]
    with tf.variable_scope("conv1d"):
        kernel = tf.get_variable(
            "kernel", [width, dim, num_filters], initializer=tf.glorot_uniform_initializer()
        )
        bias = tf.get_variable("bias", [num_filters], initializer=tf.zeros_initializer())
    scores = tf.nn.conv1d(x, kernel, stride=1, padding="SAME")  # (words, word_length, num_filters)
    scores += (1.0 - mask[..., tf.newaxis]) * tf.float32.min
    has_characters = tf.reduce_max(mask, axis=1, keepdims=True)  # 0 at padding words
    return tf.where_v2(has_characters > 0, tf.reduce_max(scores, axis=1) + bias, 0.0)


def char_conv2d(characters, mask, widths, num_filters):
    """A convolution over the whole embedding for each width, ReLU, then the maximum over the padded
    word.

    characters: float32 (words, word_length, chr_dim). mask: float32 (words, word_length), 1 at
    characters. Returns float32 (words, num_filters * len(widths)).
    """
    x = characters * mask[..., tf.newaxis]
    dim = x.shape[-1]
    pooled = []
    for width in widths:
        with tf.variable_scope(f"conv2d_{width}"):
            kernel = tf.get_variable(
                "kernel", [width, dim, 1, num_filters], initializer=tf.glorot_uniform_initializer()
            )
            bias = tf.get_variable("bias", [num_filters], initializer=tf.zeros_initializer())
        scores = tf.nn.conv2d(
            x[..., tf.newaxis], kernel, strides=1, padding="VALID"
        )  # (words, positions, 1, filters)
        pooled.append(tf.reduce_max(tf.nn.relu(scores + bias), axis=[1, 2]))
    return tf.concat(pooled, axis=-1)
