"""LSTM (Hochreiter and Schmidhuber 1997), fused or with a cell in a loop.

Both kinds have the same variables: a kernel (dim + size, 4 * size), input rows first, and a bias (4
* size), gates in the order input, cell, forget, output; 1 is added to the forget gate.
"""

from tf1 import tf


def _weights(dim, size):
    kernel = tf.get_variable(
        "kernel", [dim + size, 4 * size], initializer=tf.glorot_uniform_initializer()
    )
    bias = tf.get_variable("bias", [4 * size], initializer=tf.zeros_initializer())
    return tf.identity(kernel), tf.identity(
        bias
    )  # read outside of any loop, so that the graph can be frozen


def fused_lstm(x, size):
    """All steps in one op. x: float32 (sentence, batch, dim), read from first to last. Returns
    float32 (sentence, batch, size).
    """
    kernel, bias = _weights(x.shape[-1], size)
    zeros, no_peephole = tf.zeros([tf.shape(x)[1], size]), tf.zeros([size])
    with tf.get_default_graph().gradient_override_map({"BlockLSTM": "BlockLSTMInTwoParts"}):
        return tf.raw_ops.BlockLSTM(
            seq_len_max=tf.cast(tf.shape(x)[0], tf.int64),
            x=x,
            cs_prev=zeros,
            h_prev=zeros,
            w=kernel,
            b=bias,
            wci=no_peephole,
            wcf=no_peephole,
            wco=no_peephole,
            forget_bias=1.0,
            cell_clip=-1.0,
            use_peephole=False,
        ).h


@tf.RegisterGradient("BlockLSTMInTwoParts")
def _fused_gradient(op, *upstream):
    """Gradient of the h of a BlockLSTM that starts from zeros.

    BlockLSTMGrad multiplies by the whole kernel at each step. Here a loop carries back what must go
    step by step, the gradients dc and dh of cell and hidden state; those of input, kernel and bias
    are one product each over all steps.
    """
    x, zeros, kernel = op.inputs[1], op.inputs[2], op.inputs[4]
    i, c, f, o, g, tanh_c, h = op.outputs  # (sentence, batch, size) each
    dim, steps, batch = x.shape[-1], tf.shape(x)[0], tf.shape(x)[1]
    c_before = tf.pad(c[:-1], [[1, 0], [0, 0], [0, 0]])
    slopes = tf.concat(
        [g * i * (1.0 - i), i * (1.0 - g * g), c_before * f * (1.0 - f), tanh_c * o * (1.0 - o)],
        axis=-1,
    )
    h_to_c, recurrent = o * (1.0 - tanh_c * tanh_c), tf.transpose(kernel[dim:])

    def step(t, dc, dh, gates):
        dh += upstream[-1][t]
        dc += dh * h_to_c[t]
        gate = (
            tf.concat([dc, dc, dc, dh], axis=-1) * slopes[t]
        )  # (batch, 4 * size), before the nonlinearities
        return t - 1, dc * f[t], tf.matmul(gate, recurrent), gates.write(t, gate)

    gates = tf.TensorArray(tf.float32, steps, element_shape=[None, kernel.shape[1]])
    gates = tf.while_loop(
        lambda t, *_: t >= 0, step, (steps - 1, zeros, zeros, gates), back_prop=False
    )[-1].concat()
    dx = tf.matmul(gates, kernel[:dim], transpose_b=True)  # gates: (sentence * batch, 4 * size)
    dkernel = tf.concat(
        [
            tf.matmul(tf.reshape(x, [-1, dim]), gates, transpose_a=True),
            tf.matmul(tf.reshape(h[:-1], [-1, h.shape[-1]]), gates[batch:], transpose_a=True),
        ],
        axis=0,
    )
    return (
        None,
        tf.reshape(dx, tf.shape(x)),
        None,
        None,
        dkernel,
        None,
        None,
        None,
        tf.reduce_sum(gates, axis=0),
    )


def lstm(x, size):
    """The same, one step after the other."""
    kernel, bias = _weights(x.shape[-1], size)
    steps, batch = tf.shape(x)[0], tf.shape(x)[1]
    inputs = tf.TensorArray(tf.float32, steps).unstack(x)

    def step(t, c, h, outputs):
        gates = tf.matmul(tf.concat([inputs.read(t), h], axis=1), kernel) + bias
        i, g, f, o = tf.split(gates, 4, axis=1)
        c = tf.sigmoid(f + 1.0) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        return t + 1, c, h, outputs.write(t, h)

    zeros = tf.zeros([batch, size])
    outputs = tf.TensorArray(tf.float32, steps, element_shape=[None, size])
    return tf.while_loop(lambda t, *_: t < steps, step, (0, zeros, zeros, outputs))[-1].stack()
