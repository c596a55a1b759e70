"""The CRF against enumeration over all tag sequences, and against finite differences."""

import itertools

import numpy as np
import pytest

import schemes
from layers.crf import log_likelihood, log_partition, viterbi
from support.numeric import evaluate, finite_differences
from tf1 import new_session, tf


def problem(seed, batch=4, steps=5, tags=3, scale=1.5):
    """Random emission scores (garbage after the ends), transition scores and lengths; one sentence
    is full, one has a single token.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, steps + 1, batch).astype(np.int32)
    lengths[0], lengths[-1] = steps, 1
    emissions = rng.normal(0, scale, (batch, steps, tags))
    for row, length in zip(emissions, lengths):
        row[length:] = rng.normal(0, 50, (steps - length, tags))
    return emissions, rng.normal(0, scale, (tags, tags)), lengths


def paths(length, tags):
    return list(itertools.product(range(tags), repeat=length))


def path_score(path, emissions, transitions, begin=None, end=None):
    score = sum(emissions[t, tag] for t, tag in enumerate(path)) + sum(
        transitions[a, b] for a, b in zip(path, path[1:])
    )
    return score + (0 if begin is None else begin[path[0]]) + (0 if end is None else end[path[-1]])


def logsumexp(scores):
    scores = np.array(scores, np.float64)
    return scores.max() + np.log(np.exp(scores - scores.max()).sum())


def enumerated(emissions, transitions, lengths):
    """For each sentence: log partition, {path: score}."""
    tags, found = len(transitions), []
    for row, length in zip(emissions, lengths):
        scores = {path: path_score(path, row, transitions) for path in paths(length, tags)}
        found.append((logsumexp(list(scores.values())), scores))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_log_partition(seed):
    emissions, transitions, lengths = problem(seed, tags=2 + seed % 3)
    expected = [log_z for log_z, _ in enumerated(emissions, transitions, lengths)]
    np.testing.assert_allclose(
        evaluate(log_partition, emissions, transitions, lengths), expected, rtol=1e-12
    )


@pytest.mark.parametrize("seed", range(4))
def test_log_likelihood(seed):
    """The log-likelihood of random tag sequences, padded with 0; and of all sequences of a
    sentence, whose probabilities sum to 1.
    """
    emissions, transitions, lengths = problem(seed)
    rng = np.random.default_rng(seed)
    tags = rng.integers(0, 3, emissions.shape[:2]).astype(np.int32) * (
        np.arange(5) < lengths[:, None]
    )
    got = evaluate(
        log_likelihood,
        emissions.astype(np.float32),
        tags.astype(np.int32),
        lengths,
        transitions.astype(np.float32),
    )
    expected = [
        scores[tuple(row[:length])] - log_z
        for row, length, (log_z, scores) in zip(
            tags,
            lengths,
            enumerated(emissions.astype(np.float32), transitions.astype(np.float32), lengths),
        )
    ]
    assert got.dtype == np.float64
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    every = np.array(paths(5, 3), np.int32)
    all_of_one = evaluate(
        log_likelihood,
        np.repeat(emissions[:1], len(every), axis=0),
        every,
        np.full(len(every), 5, np.int32),
        transitions,
    )
    np.testing.assert_allclose(np.exp(all_of_one).sum(), 1.0, rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_marginal_probabilities(seed):
    """The gradient of log Z is the probability of each tag at each token, and the expected count of
    each transition.
    """
    emissions, transitions, lengths = problem(seed)
    upstream = np.random.default_rng(seed + 100).normal(size=len(lengths))

    def gradients(emissions, transitions, lengths):
        return tf.gradients(
            tf.reduce_sum(log_partition(emissions, transitions, lengths) * upstream),
            [emissions, transitions],
        )

    of_emissions, of_transitions = evaluate(gradients, emissions, transitions, lengths)
    expected, moved = np.zeros_like(emissions), np.zeros_like(transitions)
    for i, (log_z, scores) in enumerate(enumerated(emissions, transitions, lengths)):
        for path, score in scores.items():
            probability = np.exp(score - log_z) * upstream[i]
            for t, tag in enumerate(path):
                expected[i, t, tag] += probability
            for a, b in zip(path, path[1:]):
                moved[a, b] += probability
    np.testing.assert_allclose(of_emissions, expected, atol=1e-10)
    np.testing.assert_allclose(of_transitions, moved, atol=1e-10)


def test_gradients_of_the_log_likelihood_against_finite_differences():
    emissions, transitions, lengths = problem(7)
    tags = (
        np.random.default_rng(7).integers(0, 3, emissions.shape[:2])
        * (np.arange(5) < lengths[:, None])
    ).astype(np.int32)
    weights = np.array([1.0, -2.0, 0.5, 3.0])
    with tf.Graph().as_default(), new_session(1) as session:
        e, t = (
            tf.placeholder(tf.float64, emissions.shape),
            tf.placeholder(tf.float64, transitions.shape),
        )
        loss = tf.reduce_sum(log_likelihood(e, tags, lengths, t) * weights)
        gradients = session.run(tf.gradients(loss, [e, t]), {e: emissions, t: transitions})
        call = session.make_callable(loss, [e, t])
        expected = finite_differences(call, [emissions, transitions], 1e-5)
    for got, want in zip(gradients, expected):
        np.testing.assert_allclose(got, want, atol=1e-7)
    assert (gradients[0][np.arange(5) >= lengths[:, None]] == 0).all()


@pytest.mark.parametrize("seed", range(6))
def test_viterbi(seed):
    emissions, transitions, lengths = (
        array.astype(kind)
        for array, kind in zip(problem(seed, tags=2 + seed % 3), (np.float32, np.float32, np.int32))
    )
    rng = np.random.default_rng(seed)
    begin, end = rng.normal(0, 2, (2, len(transitions))).astype(np.float32)
    for frame in ((), (begin, end)):
        got = evaluate(viterbi, emissions, lengths, transitions, *frame)
        for row, length, decoded in zip(emissions, lengths, got):
            best = max(
                paths(length, len(transitions)),
                key=lambda path: path_score(path, row, transitions, *frame),
            )
            assert tuple(decoded[:length]) == best and (decoded[length:] == 0).all()


@pytest.mark.parametrize("seed", range(4))
def test_viterbi_of_equals(seed):
    """Of several best paths, Viterbi returns the one whose later tags have lower ids."""
    rng = np.random.default_rng(seed)
    emissions = rng.integers(0, 2, (6, 5, 3)).astype(np.float32)
    transitions, lengths = (
        rng.integers(0, 2, (3, 3)).astype(np.float32),
        np.array([5, 4, 3, 2, 1, 5], np.int32),
    )
    for row, length, decoded in zip(
        emissions, lengths, evaluate(viterbi, emissions, lengths, transitions)
    ):
        best = min(
            paths(length, 3), key=lambda path: (-path_score(path, row, transitions), path[::-1])
        )
        assert tuple(decoded[:length]) == best


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
def test_constrained_decoding(scheme):
    """Viterbi returns the best of the well-formed sequences."""
    tags = (
        schemes.scheme_tags(["O", "B-X", "I-X", "B-Y", "I-Y"], "bio", scheme)
        if scheme != "bio"
        else ["O", "B-X", "I-X", "B-Y", "I-Y"]
    )
    tags = tags[:6] if len(tags) > 6 else tags
    legal = schemes.legal_transitions(tags, scheme)
    begin, between, end = (np.where(allowed, 0.0, -1e9).astype(np.float32) for allowed in legal)
    emissions, transitions, lengths = problem(11, batch=6, steps=4, tags=len(tags))
    emissions, transitions = emissions.astype(np.float32), transitions.astype(np.float32)
    emissions[:, :, 0] -= 3  # few O, so that much is ill-formed without the constraint
    got = evaluate(viterbi, emissions, lengths, transitions + between, begin, end)
    free = evaluate(viterbi, emissions, lengths, transitions)
    for row, length, decoded in zip(emissions, lengths, got):
        good = [
            path
            for path in paths(length, len(tags))
            if schemes.first_error([tags[i] for i in path], scheme) is None
        ]
        assert tuple(decoded[:length]) == max(
            good, key=lambda path: path_score(path, row, transitions)
        )
    assert (got != free).any()


def forward(emissions, transitions):
    """The forward algorithm and Viterbi's best score for one sentence, float64, step by step."""
    alpha = best = emissions[0]
    for row in emissions[1:]:
        moves = alpha[:, None] + transitions
        peak = moves.max(axis=0)
        alpha = peak + np.log(np.exp(moves - peak).sum(axis=0)) + row
        best = (best[:, None] + transitions).max(axis=0) + row
    return logsumexp(alpha), best.max()


def test_a_very_long_sentence():
    """With 10,000 tokens beside a short sentence, the sums are finite and exact, and the best path
    is right up to float32 rounding.
    """
    rng = np.random.default_rng(0)
    emissions, transitions = rng.normal(0, 4, (2, 10_000, 9)), rng.normal(0, 1, (9, 9))
    lengths = np.array([10_000, 3], np.int32)

    def build(emissions, transitions, lengths):
        log_z = log_partition(emissions, transitions, lengths)
        path = viterbi(tf.cast(emissions, tf.float32), lengths, tf.cast(transitions, tf.float32))
        return log_z, tf.gradients(log_z, [emissions, transitions]), path

    log_z, (of_emissions, of_transitions), path = evaluate(build, emissions, transitions, lengths)
    expected, best = forward(emissions[0], transitions)
    np.testing.assert_allclose(
        log_z, [expected, forward(emissions[1, :3], transitions)[0]], rtol=1e-12
    )
    np.testing.assert_allclose(
        of_emissions.sum(axis=-1), np.arange(10_000) < lengths[:, None], atol=1e-6
    )
    np.testing.assert_allclose(of_transitions.sum(), 9_999 + 2, rtol=1e-8)
    assert path_score(path[0], emissions[0], transitions) > best - 1.0 and best > 50_000
    short = max(paths(3, 9), key=lambda path: path_score(path, emissions[1], transitions))
    assert tuple(path[1, :3]) == short and (path[1, 3:] == 0).all()


@pytest.mark.parametrize(
    "emitted, moved", [(1e6, 1.0), (1e4, 300.0), (1e-30, 1e-30), (0.0, 0.0), (1.0, 300.0)]
)
def test_extreme_scores(emitted, moved):
    emissions, transitions, lengths = problem(5, scale=1.0)
    emissions, transitions = emissions * emitted, np.clip(transitions, -1, 1) * moved

    def build(emissions, transitions, lengths):
        log_z = log_partition(emissions, transitions, lengths)
        return log_z, tf.gradients(log_z, [emissions, transitions])

    log_z, (of_emissions, of_transitions) = evaluate(build, emissions, transitions, lengths)
    np.testing.assert_allclose(
        log_z, [value for value, _ in enumerated(emissions, transitions, lengths)], rtol=1e-9
    )
    assert np.isfinite(of_emissions).all() and np.isfinite(of_transitions).all()
    np.testing.assert_allclose(
        of_emissions.sum(axis=-1), np.arange(5) < lengths[:, None], atol=1e-6
    )
    np.testing.assert_allclose(of_transitions.sum(), (lengths - 1).sum(), atol=1e-5)
