"""Linear-chain CRF (Lafferty, McCallum and Pereira 2001): log-likelihood by the forward algorithm,
Viterbi decoding.
"""

from tf1 import tf


def log_likelihood(emissions, tags, lengths, transitions):
    """log p(tags | emissions) of each sentence.

    emissions: float32 (batch, sentence, tags), the emission scores. tags: int32 (batch, sentence).
    lengths: int32 (batch,), at least 1. transitions: float32 (tags, tags), the score of going from
    row to column. Returns float64 (batch,).
    """
    emissions, transitions = tf.cast(emissions, tf.float64), tf.cast(transitions, tf.float64)
    return _path_score(emissions, tags, lengths, transitions) - log_partition(
        emissions, transitions, lengths
    )


def _path_score(emissions, tags, lengths, transitions):
    num_tags = emissions.shape[-1]
    mask = tf.sequence_mask(lengths, tf.shape(tags)[1], dtype=tf.float64)  # (batch, sentence)
    emitted = tf.reduce_sum(emissions * tf.one_hot(tags, num_tags, dtype=tf.float64), axis=-1)
    moved = tf.gather(
        tf.reshape(transitions, [-1]), tags[:, :-1] * num_tags + tags[:, 1:]
    )  # (batch, sentence - 1)
    return tf.reduce_sum(emitted * mask, axis=1) + tf.reduce_sum(moved * mask[:, 1:], axis=1)


@tf.custom_gradient
def log_partition(emissions, transitions, lengths):
    """log of the sum over all tag sequences of exp(score). float64 (batch,).

    emissions: float64 (batch, sentence, tags). transitions: float64 (tags, tags). lengths: int32
    (batch,). Its gradient is the marginal probabilities, which the same loop gives: nothing is kept
    for a backward pass.
    """
    alpha, beta = _forward_backward(emissions, transitions, lengths)
    last = tf.gather(alpha, lengths - 1, batch_dims=1)
    log_z = tf.reduce_logsumexp(last, axis=-1)  # (batch,)

    def gradient(upstream):
        mask = tf.sequence_mask(lengths, tf.shape(emissions)[1])[..., tf.newaxis]
        log_z_ = log_z[:, tf.newaxis, tf.newaxis]
        marginals = tf.where_v2(
            mask, tf.exp(alpha + beta - emissions - log_z_), 0.0
        )  # (batch, sentence, tags)
        # p(i, j at t, t+1) = exp(alpha[t, i] + transitions[i, j] + beta[t+1, j] - log_z), summed
        # over t as one product
        peak = tf.reduce_max(alpha[:, :-1], axis=-1, keepdims=True)
        left = tf.exp(alpha[:, :-1] - peak) * upstream[:, tf.newaxis, tf.newaxis]
        right = tf.where_v2(mask[:, 1:], tf.exp(beta[:, 1:] + peak - log_z_), 0.0)
        pairs = tf.einsum("bti,btj->ij", left, right) * tf.exp(transitions)
        return marginals * upstream[:, tf.newaxis, tf.newaxis], pairs, None

    return log_z, gradient


def _forward_backward(emissions, transitions, lengths):
    """alpha and beta, float64 (batch, sentence, tags) each; both hold the emission score of their
    own position.

    The backward recursion is the forward one over the reversed sentence and the transposed
    transitions, so one loop runs both, stacked along the first axis. Past a sentence's end the
    values are finite and mean nothing.
    """
    both = tf.stack([emissions, tf.reverse_sequence(emissions, lengths, seq_axis=1, batch_axis=0)])
    inputs = tf.transpose(both, [2, 0, 1, 3])  # (sentence, 2, batch, tags)
    factors = tf.exp(tf.stack([transitions, tf.transpose(transitions)]))  # (2, tags, tags)
    steps = tf.shape(inputs)[0]
    scores = tf.TensorArray(
        tf.float64, steps, element_shape=inputs.shape[1:], clear_after_read=False
    )

    def step(t, previous, scores):
        peak = tf.reduce_max(previous, axis=-1, keepdims=True)
        current = tf.log(tf.matmul(tf.exp(previous - peak), factors)) + peak + inputs[t]
        return t + 1, current, scores.write(t, current)

    first = inputs[0]
    _, _, scores = tf.while_loop(
        lambda t, *_: t < steps, step, (1, first, scores.write(0, first)), back_prop=False
    )
    alpha, beta = tf.unstack(tf.transpose(scores.stack(), [1, 2, 0, 3]))  # (batch, sentence, tags)
    return alpha, tf.reverse_sequence(beta, lengths, seq_axis=1, batch_axis=0)


def viterbi(emissions, lengths, transitions, begin=None, end=None):
    """The best tag sequence of each sentence; of equals, the one whose later tags have lower ids.

    emissions: float32 (batch, sentence, tags). lengths: int32 (batch,). transitions: float32 (tags,
    tags). begin, end: float32 (tags,), scores of the first and the last tag. Returns int32 (batch,
    sentence), 0 at padding.
    """
    steps, num_tags = tf.shape(emissions)[1], emissions.shape[-1]
    inputs = tf.transpose(emissions, [1, 0, 2])  # (sentence, batch, tags)
    inside = (tf.range(steps)[:, tf.newaxis] < lengths)[..., tf.newaxis]  # (sentence, batch, 1)
    stay = tf.range(num_tags, dtype=tf.int32)[tf.newaxis]
    pointers = tf.TensorArray(
        tf.int32, steps, element_shape=[None, num_tags], clear_after_read=False
    )

    def forward(t, score, pointers):
        paths = score[:, :, tf.newaxis] + transitions  # (batch, from, to)
        best = tf.reduce_max(paths, axis=1) + inputs[t]
        best = tf.where_v2(
            inside[t], best - tf.reduce_max(best, axis=-1, keepdims=True), score
        )  # small: long sentences stay exact
        origin = tf.where_v2(inside[t], tf.argmax(paths, axis=1, output_type=tf.int32), stay)
        return t + 1, best, pointers.write(t, origin)

    first = inputs[0] if begin is None else inputs[0] + begin
    _, score, pointers = tf.while_loop(
        lambda t, *_: t < steps, forward, (1, first, pointers), back_prop=False
    )

    def backward(t, tag, path):
        tag = tf.gather(pointers.read(t), tag, batch_dims=1)
        return t - 1, tag, path.write(t - 1, tag)

    last = tf.argmax(
        score if end is None else score + end, axis=-1, output_type=tf.int32
    )  # (batch,)
    path = tf.TensorArray(tf.int32, steps, element_shape=[None]).write(steps - 1, last)
    _, _, path = tf.while_loop(
        lambda t, *_: t > 0, backward, (steps - 1, last, path), back_prop=False
    )
    decoded = tf.transpose(path.stack())
    return tf.where_v2(tf.sequence_mask(lengths, steps), decoded, 0)
