"""Stacks of recurrent layers, in one or both directions (Schuster and Paliwal 1997)."""

from tf1 import tf

BOTH = ("forward", "backward")


def recurrent_stack(x, lengths, num_layers, layer, name, directions=BOTH):
    """Layers `layer` of one kind, from the second on with a residual connection.

    x: float32 (batch, sentence, dim). lengths: int32 (batch,). layer: a function (sentence, batch,
    dim) -> (sentence, batch, size) that reads from first to last; it is called in the variable
    scope NAME_LAYER/DIRECTION. The backward direction reads each sentence from its own last token.
    Returns float32 (batch, sentence, size * directions), 0 at padding.
    """
    x = tf.transpose(x, [1, 0, 2])  # time first: (sentence, batch, dim)
    mask = tf.cast(tf.range(tf.shape(x)[0])[:, tf.newaxis] < lengths, x.dtype)[
        ..., tf.newaxis
    ]  # (sentence, batch, 1)
    for k in range(num_layers):
        outputs = []
        for direction in directions:
            with tf.variable_scope(f"{name}_{k}/{direction}"):
                if direction == "forward":
                    outputs.append(layer(x) * mask)
                else:
                    outputs.append(_reverse(layer(_reverse(x, lengths)), lengths) * mask)
        y = tf.concat(outputs, axis=-1)
        x = x + y if k else y
    return tf.transpose(x, [1, 0, 2])


def _reverse(x, lengths):
    return tf.reverse_sequence(x, lengths, seq_axis=0, batch_axis=1)
