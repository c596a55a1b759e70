"""Highway network (Srivastava, Greff and Schmidhuber 2015)."""

from tf1 import tf


def highway(x, num_layers):
    """y = gate * relu(x W + b) + (1 - gate) * x, `num_layers` times. x: float32 (..., dim); returns
    the same shape.

    The gate's bias starts at -1: at first the layer lets its input pass.
    """
    dim, shape = x.shape[-1], tf.shape(x)
    x = tf.reshape(x, [-1, dim])  # one product for all tokens, not one for each sentence
    for layer in range(num_layers):
        with tf.variable_scope(f"layer_{layer}"):
            transform = tf.nn.relu(_dense(x, dim, "transform", tf.zeros_initializer()))
            gate = tf.sigmoid(_dense(x, dim, "gate", tf.constant_initializer(-1.0)))
        x = gate * transform + (1.0 - gate) * x
    return tf.reshape(x, shape)


def _dense(x, dim, name, bias_initializer):
    kernel = tf.get_variable(
        f"{name}/kernel", [dim, dim], initializer=tf.glorot_uniform_initializer()
    )
    bias = tf.get_variable(f"{name}/bias", [dim], initializer=bias_initializer)
    return tf.matmul(x, kernel) + bias
