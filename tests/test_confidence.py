"""Probabilities against enumeration of all tag sequences, and every form of output of inference.py."""
import itertools
import math
import os
import re
import runpy
import sys

import numpy as np
import pytest

import checkpoint
import confidence
import conll
import inference
from cli import UserError
from commands import ROOT, TINY, fit, one_line, sample, same_weights, write_sample
from inference import Tagger

BIO = ["O", "B-X", "I-X", "B-Y", "I-Y"]


# ---------------------------------------------------------------- the sums, against enumeration

def problem(seed, tags, batch=5, steps=4, scale=1.5):
    """Random emissions (garbage behind the ends), transitions and lengths; one sentence is full, one has one token."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, steps + 1, batch)
    lengths[0], lengths[-1] = steps, 1
    return rng.normal(0, scale, (batch, steps, tags)), lengths, rng.normal(0, scale, (tags, tags))


def enumerated(emissions, length, transitions, legal=None):
    """{path: probability} of one sentence, over its legal paths."""
    scores = {}
    for path in itertools.product(range(len(transitions)), repeat=int(length)):
        if legal and not (legal[0][path[0]] and legal[2][path[-1]] and all(legal[1][a][b] for a, b in zip(path, path[1:]))):
            continue
        scores[path] = sum(emissions[t, tag] for t, tag in enumerate(path)) + sum(transitions[a, b] for a, b in zip(path, path[1:]))
    peak = max(scores.values())
    total = math.fsum(math.exp(score - peak) for score in scores.values())
    return {path: math.exp(score - peak) / total for path, score in scores.items()}


def tags_of(scheme):
    """A vocabulary of two types (one where that would be too many paths)."""
    tags = ["O", "X", "Y"] if scheme == conll.RAW else BIO if scheme == "bio" else conll.scheme_tags(BIO, "bio", scheme)
    return tags[:5] if scheme in ("iobes", "bmes", "bilou") else tags


CASES = [(scheme, held, softmax) for scheme in (*conll.SCHEMES, conll.RAW) for held in (False, True) for softmax in (False, True)]


@pytest.fixture(scope="module", params=CASES, ids=str)
def case(request):
    """A Chain, its scheme and tags, and the probabilities of all paths of each sentence."""
    scheme, held, softmax = request.param
    tags = tags_of(scheme)
    emissions, lengths, transitions = problem(len(scheme), len(tags))
    emissions[:, :, 0] -= 1             # more entities
    if softmax:
        transitions = np.zeros_like(transitions)
    legal = conll.legal_transitions(tags, scheme) if held else None
    every = [enumerated(row, length, transitions, legal) for row, length in zip(emissions, lengths)]
    return confidence.chain(emissions, lengths, transitions, legal), scheme, tags, every


def test_marginals(case):
    chain, _, tags, every = case
    got = confidence.marginals(chain)
    for row, length, paths in zip(got, chain.lengths, every):
        for t, tag in itertools.product(range(length), range(len(tags))):
            assert row[t, tag] == pytest.approx(math.fsum(p for path, p in paths.items() if path[t] == tag), abs=1e-12)
        np.testing.assert_allclose(row[:length].sum(axis=-1), 1.0, rtol=1e-12)


def test_sequences(case):
    """The probability of the most and of the least probable sequence, and of all of them together."""
    chain, _, _, every = case
    for pick in (min, max):
        paths = [pick(paths, key=paths.get) for paths in every]
        padded = np.array([[*path, *[0] * (4 - len(path))] for path in paths])
        np.testing.assert_allclose(np.exp(confidence.sequence_log_probability(chain, padded)),
                                   [of[path] for of, path in zip(every, paths)], rtol=1e-10)


def test_entities(case):
    """Every entity that can be read anywhere: the sum over the sequences in which conll.entities reads it."""
    chain, scheme, tags, every = case
    expected = {}
    for k, paths in enumerate(every):
        for path, probability in paths.items():
            for span in conll.entities([tags[i] for i in path], scheme):
                expected[k, *span] = expected.get((k, *span), 0.0) + probability
    spans = sorted(expected)
    assert len(spans) > 15
    got = confidence.entity_probabilities(chain, spans, confidence.edges(tags, scheme))
    np.testing.assert_allclose(got, [expected[span] for span in spans], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_the_n_best(case, count):
    """All of them where there are fewer than asked for."""
    chain, _, _, every = case
    paths, logs = confidence.nbest(chain, count)
    for rows, log, length, of in zip(paths, logs, chain.lengths, every):
        best = sorted(of.items(), key=lambda item: -item[1])[:count]
        assert np.isfinite(log).sum() == len(best)
        np.testing.assert_allclose(np.exp(log[:len(best)]), [probability for _, probability in best], rtol=1e-9)
        found = [tuple(row[:length]) for row in rows[:len(best)]]
        assert len(set(found)) == len(found)
        np.testing.assert_allclose([of[path] for path in found], np.exp(log[:len(best)]), rtol=1e-9)


def test_of_equals_the_lower_tags_come_first():
    """As viterbi in layers/crf.py decides."""
    chain = confidence.chain(np.zeros((1, 3, 2)), [3], np.zeros((2, 2)))
    paths, _ = confidence.nbest(chain, 8)
    assert [tuple(path) for path in paths[0]] == sorted(itertools.product((0, 1), repeat=3), key=lambda path: path[::-1])


def test_temperature():
    emissions, lengths, transitions = problem(3, 3)
    hot = confidence.marginals(confidence.chain(emissions, lengths, transitions, temperature=2.5))
    want = confidence.marginals(confidence.chain(emissions / 2.5, lengths, transitions / 2.5))
    np.testing.assert_allclose(hot[0], want[0], rtol=1e-12)


@pytest.mark.parametrize("emitted, moved", [(1e5, 1.0), (1.0, 1e4), (1e4, 1e4), (1e-30, 1e-30), (0.0, 0.0)])
def test_extreme_scores(emitted, moved):
    """Also where exp() of a difference is 0 in float64, and nothing warns."""
    emissions, lengths, transitions = problem(5, 3, scale=1.0)
    emissions, transitions = emissions * emitted, transitions * moved
    with np.errstate(all="raise", under="ignore"):
        chain = confidence.chain(emissions, lengths, transitions)
        got = confidence.marginals(chain)
    for row, scores, length in zip(got, emissions, lengths):
        paths = enumerated(scores, length, transitions)
        for t, tag in itertools.product(range(length), range(3)):
            assert row[t, tag] == pytest.approx(math.fsum(p for path, p in paths.items() if path[t] == tag), abs=1e-9)


def test_a_very_long_sentence():
    """10,000 tokens. What far tokens do to the middle dies out, so enumeration around a place is exact there; a second
    way round all of it: sentences that are cut where a score of 1,000 leaves one tag only.
    """
    rng = np.random.default_rng(0)
    emissions, transitions = rng.normal(0, 4, (1, 10_000, 5)), rng.normal(0, 1, (5, 5))
    emissions[0, 3::4, 0] = 1e5                     # each fourth token is O, whatever stands beside it
    chain = confidence.chain(emissions, [10_000], transitions)
    got = confidence.marginals(chain)[0]
    np.testing.assert_allclose(got.sum(axis=-1), 1.0, rtol=1e-12)
    edges = confidence.edges(BIO, "bio")
    for start in (0, 4, 5000, 9996):
        paths = enumerated(emissions[0, start:start + 4], 4, transitions)
        if start:
            paths = enumerated(emissions[0, start - 1:start + 4], 5, transitions)
            paths = {path[1:]: probability for path, probability in paths.items() if path[0] == 0}
        for t, tag in itertools.product(range(4), range(5)):
            expected = math.fsum(p for path, p in paths.items() if path[t] == tag)
            assert got[start + t, tag] == pytest.approx(expected, abs=1e-6)
        spans = [(a, b, kind) for a in range(3) for b in range(a + 1, 4) for kind in "XY"]
        expected = [math.fsum(p for path, p in paths.items() if span in conll.entities([BIO[i] for i in path], "bio")) for span in spans]
        given = [(0, start + a, start + b, kind) for a, b, kind in spans]
        np.testing.assert_allclose(confidence.entity_probabilities(chain, given, edges), expected, atol=1e-6)
    paths, logs = confidence.nbest(chain, 3)
    scores = [emissions[0, np.arange(10_000), path].sum() + transitions[path[:-1], path[1:]].sum() for path in paths[0]]
    np.testing.assert_allclose(np.diff(scores), np.diff(logs[0]), atol=1e-5)
    assert (np.diff(logs[0]) < 0).all() and len({path.tobytes() for path in paths[0]}) == 3
    np.testing.assert_allclose(confidence.sequence_log_probability(chain, paths[:, 1]), logs[0, 1], atol=1e-5)
