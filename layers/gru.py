"""GRU (Cho et al. 2014), in the form that resets after the recurrent product, as cuDNN and Keras
have it.

Variables: a kernel (dim + size, 3 * size), input rows first, gates in the order reset, update,
candidate; a bias (3 * size) and a recurrent bias of the candidate (size).
"""

from tf1 import tf


def gru(x, size):
    """x: float32 (sentence, batch, dim), read from first to last. Returns float32 (sentence, batch,
    size).

    r = sigmoid(x Wr + h Ur + br), z = sigmoid(x Wz + h Uz + bz), n = tanh(x Wn + bn + r * (h Un +
    cn)), h = z * h + (1 - z) * n.
    """
    dim, (steps, batch) = x.shape[-1], tf.unstack(tf.shape(x)[:2])
    # read outside of any loop, so that the graph can be frozen
    kernel = tf.identity(
        tf.get_variable(
            "kernel", [dim + size, 3 * size], initializer=tf.glorot_uniform_initializer()
        )
    )
    bias = tf.identity(tf.get_variable("bias", [3 * size], initializer=tf.zeros_initializer()))
    candidate_bias = tf.identity(
        tf.get_variable("candidate_bias", [size], initializer=tf.zeros_initializer())
    )
    products = tf.matmul(tf.reshape(x, [-1, dim]), kernel[:dim]) + bias  # of all steps at once
    products = tf.reshape(products, [steps, batch, 3 * size])
    return _steps(products, kernel[dim:], candidate_bias)


@tf.custom_gradient
def _steps(products, recurrent, candidate_bias):
    """products: (sentence, batch, 3 * size), the input's part of the gates. Returns h, (sentence,
    batch, size).

    The gradient goes back step by step only through what must; those of weights are one product
    over all steps.
    """
    steps, batch, size = tf.shape(products)[0], tf.shape(products)[1], recurrent.shape[0]
    zeros = tf.zeros([batch, size])

    def step(t, h, states, gates):
        of_h = tf.matmul(h, recurrent)  # (batch, 3 * size)
        rz = tf.sigmoid(products[t, :, : 2 * size] + of_h[:, : 2 * size])
        r, z = rz[:, :size], rz[:, size:]
        before = of_h[:, 2 * size :] + candidate_bias  # (batch, size), what r resets
        n = tf.tanh(products[t, :, 2 * size :] + r * before)
        h = n + z * (h - n)
        return t + 1, h, states.write(t, h), gates.write(t, tf.concat([rz, n, before], axis=-1))

    states = tf.TensorArray(tf.float32, steps, element_shape=[None, size])
    gates = tf.TensorArray(tf.float32, steps, element_shape=[None, 4 * size])
    _, _, states, gates = tf.while_loop(
        lambda t, *_: t < steps, step, (0, zeros, states, gates), back_prop=False
    )
    states, gates = states.stack(), gates.stack()

    def gradient(upstream):
        r, z, n, before = tf.split(gates, 4, axis=-1)  # (sentence, batch, size) each
        h_before = tf.pad(states[:-1], [[1, 0], [0, 0], [0, 0]])
        to_n, to_z = (1.0 - z) * (1.0 - n * n), (h_before - n) * z * (1.0 - z)
        slopes = tf.concat([before * r * (1.0 - r) * to_n, to_z, to_n], axis=-1)
        transposed = tf.transpose(recurrent)

        def back(t, dh, of_gates):
            dh += upstream[t]
            gate = (
                tf.concat([dh, dh, dh], axis=-1) * slopes[t]
            )  # before the nonlinearities of r, z, n
            of_h = tf.concat([gate[:, : 2 * size], gate[:, 2 * size :] * r[t]], axis=-1)
            return t - 1, dh * z[t] + tf.matmul(of_h, transposed), of_gates.write(t, gate)

        of_gates = tf.TensorArray(tf.float32, steps, element_shape=[None, 3 * size])
        of_gates = tf.while_loop(
            lambda t, *_: t >= 0, back, (steps - 1, zeros, of_gates), back_prop=False
        )[-1].stack()
        of_before = of_gates[..., 2 * size :] * r
        of_h = tf.concat([of_gates[..., : 2 * size], of_before], axis=-1)
        of_recurrent = tf.matmul(
            tf.reshape(h_before, [-1, size]), tf.reshape(of_h, [-1, 3 * size]), transpose_a=True
        )
        return of_gates, of_recurrent, tf.reduce_sum(of_before, axis=[0, 1])

    return states, gradient
