"""QRNN (Bradbury et al. 2017): gates from a convolution, then fo-pooling, the only part that goes
from step to step.
"""

from layers.convolution import convolution
from tf1 import tf


def qrnn(x, width, size):
    """x: float32 (sentence, batch, dim), read from first to last. Returns float32 (sentence, batch,
    size).

    z = tanh, f = sigmoid, o = sigmoid of causal convolutions `width` wide; c[t] = f[t] c[t-1] + (1
    - f[t]) z[t], h[t] = o[t] c[t].
    """
    x = tf.transpose(x, [1, 0, 2])
    gates = convolution(
        x, tf.ones(tf.shape(x)[:2]), width, 3 * size, causal=True
    )  # padding comes last: not seen
    z, f, o = tf.split(tf.transpose(gates, [1, 0, 2]), 3, axis=-1)  # (sentence, batch, size) each
    f = tf.sigmoid(f)
    return tf.sigmoid(o) * linear_recurrence(f, (1.0 - f) * tf.tanh(z))


@tf.custom_gradient
def linear_recurrence(factors, summands):
    """c[t] = factors[t] c[t-1] + summands[t], from c = 0. float32 (steps, ...) each; its gradient
    is such a recurrence backwards.
    """
    states = _doubled(factors, summands)

    def gradient(upstream):
        following = tf.concat([factors[1:], tf.zeros_like(factors[:1])], axis=0)
        of_states = _doubled(following[::-1], upstream[::-1])[::-1]
        before = tf.concat([tf.zeros_like(states[:1]), states[:-1]], axis=0)
        return of_states * before, of_states

    return states, gradient


def _doubled(factors, summands):
    """The recurrence by doubling (Hillis and Steele 1986): log2(steps) rounds over all steps, not
    one for each step.
    """
    steps, rest = tf.shape(factors)[0], [[0, 0]] * (factors.shape.rank - 1)

    def double(distance, a, b):
        """From c[t] = a[t] c[t - distance] + b[t], the same for twice the distance."""
        earlier_a, earlier_b = (tf.pad(term[:-distance], [[distance, 0], *rest]) for term in (a, b))
        return 2 * distance, a * earlier_a, b + a * earlier_b

    shapes = (tf.TensorShape([]), *[tf.TensorShape([None, *factors.shape[1:]])] * 2)
    return tf.while_loop(
        lambda distance, *_: distance < steps,
        double,
        (1, factors, summands),
        shapes,
        back_prop=False,
    )[-1]
