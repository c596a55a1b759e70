"""How sure a linear-chain model is of its tags: exact probabilities of tokens, sentences and
entities, and the n best tag sequences.

The scores are emission scores and a transition matrix, as the graph gives them (`logits`,
`crf_transitions`); a softmax for each token is a chain whose transition scores are 0. All sums run
over all tag sequences, or over the well-formed ones alone where decoding is constrained to them.
They are logarithms in float64, and a batch is computed at a time. Numpy only.
"""

from typing import NamedTuple

import numpy as np

import schemes
from cli import UserError

MAX_NBEST = 1000  # sequences: nbest keeps so many for each token and each tag
PATHS_AT_ONCE = 1 << 22  # how many paths nbest compares at a time: some 100 MB
TINY = 1e-250  # sums of exp() below it are computed again as logarithms: they may be rounded to 0


class Chain(NamedTuple):
    """The scores of a batch, and their sums by the forward-backward algorithm; -inf is forbidden.

    After a sentence's end the numbers mean nothing.
    """

    # Emission scores, float64 (sentence, batch, tags), at most 0; -inf also for a tag that no
    # sequence may begin or end with.
    emissions: np.ndarray
    lengths: np.ndarray  # int (batch,)
    transitions: np.ndarray  # float64 (tags, tags), from row to column
    # Forward variables, float64 (sentence, batch, tags): the sum over all beginnings up to this
    # token with this tag, its emission score included.
    alpha: np.ndarray
    # Backward variables, the same shape: the sum over all continuations after this token with this
    # tag, its emission score not included.
    beta: np.ndarray
    log_z: np.ndarray  # float64 (batch,): the sum over all sequences


def chain(emissions, lengths, transitions, legal=None, temperature=1.0):
    """The Chain of a batch: sums over all tag sequences by the forward-backward algorithm (Rabiner
    1989; Lafferty, McCallum and Pereira 2001).

    emissions: float (batch, sentence, tags). lengths: (batch,), at least 1. transitions: float
    (tags, tags). legal: what schemes.legal_transitions gives, to which the sequences are
    constrained, or None. temperature: what all scores are divided by.
    """
    lengths = np.asarray(lengths)
    emissions = np.array(np.swapaxes(emissions, 0, 1), np.float64) / temperature
    # This changes no probability, and keeps long sums small.
    emissions -= emissions.max(axis=-1, keepdims=True)
    transitions = np.asarray(transitions, np.float64) / temperature
    if legal:
        begin, between, end = (np.where(allowed, 0.0, -np.inf) for allowed in legal)
        transitions = transitions + between
        emissions[0] += begin
        emissions[lengths - 1, np.arange(len(lengths))] += end
    steps = len(emissions)
    inside = (np.arange(steps)[:, None] < lengths)[..., None]  # (sentence, batch, 1)
    alpha, beta = np.empty_like(emissions), np.zeros_like(emissions)
    alpha[0] = emissions[0]
    forward, backward = _move(transitions), _move(transitions.T)
    for t in range(1, steps):
        alpha[t] = np.where(inside[t], forward(alpha[t - 1]) + emissions[t], alpha[t - 1])
    for t in range(steps - 2, -1, -1):
        beta[t] = np.where(inside[t + 1], backward(beta[t + 1] + emissions[t + 1]), 0.0)
    return Chain(emissions, lengths, transitions, alpha, beta, _log_sum(alpha[-1], axis=-1))


def _move(transitions):
    """One step of the forward or the backward algorithm, as a function: scores (rows, from) -> the
    log of the sum over `from` of exp(scores + transitions), (rows, to).
    """
    highest = transitions.max()
    factors = np.exp(transitions - highest)

    def move(scores):
        peak = np.maximum(scores.max(axis=-1, keepdims=True), np.finfo(np.float64).min)
        sums = np.exp(scores - peak) @ factors
        small = sums < TINY
        if not small.any():
            return np.log(sums) + (peak + highest)
        rows = small.any(axis=-1)
        moved = np.log(np.where(small, 1.0, sums)) + (peak + highest)
        moved[rows] = _log_sum(scores[rows, :, None] + transitions, axis=1)
        return moved

    return move


def _log_sum(scores, axis):
    """The log of the sum of exp(scores) along an axis; -inf where all scores are -inf."""
    peak = scores.max(axis=axis, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(scores - peak).sum(axis=axis)) + peak.squeeze(axis)


# ---------------------------------------------------------------- tokens and sentences


def marginals(chain):
    """p(tag of a token | sentence), float64 (batch, sentence, tags): 1 in sum for each token."""
    scores = chain.alpha + chain.beta
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.swapaxes(weights / weights.sum(axis=-1, keepdims=True), 0, 1)


def sequence_log_probability(chain, tags):
    """log p(tags | sentence), float64 (batch,). tags: int (batch, sentence); those after the end of
    a sentence do not count.
    """
    tags = np.swapaxes(tags, 0, 1)
    scores = np.take_along_axis(chain.emissions, tags[..., None], axis=-1)[..., 0]
    scores[1:] += chain.transitions[tags[:-1], tags[1:]]
    inside = np.arange(len(chain.emissions))[:, None] < chain.lengths  # (sentence, batch)
    return np.where(inside, scores, 0.0).sum(axis=0) - chain.log_z


# ---------------------------------------------------------------- entities


class Edges(NamedTuple):
    """How schemes.entities reads neighbouring tags."""

    kinds: dict  # {entity type: number}
    kind_of: np.ndarray  # int (tags,): the number of a tag's type; -1: O
    starts: np.ndarray  # bool (tags, tags): an entity starts with the second of two tags
    ends: np.ndarray  # bool (tags, tags): an entity ends with the first of them


def edges(tags, scheme):
    """The Edges of a tag vocabulary. scheme: one of schemes.SCHEMES, or schemes.RAW."""
    if scheme == schemes.RAW:
        parts = [("O", "") if tag == "O" else ("S", tag) for tag in tags]
    else:
        parts = [schemes.split_tag(tag) for tag in tags]
    distinct = dict.fromkeys(kind for prefix, kind in parts if prefix != "O")
    kinds = {kind: i for i, kind in enumerate(distinct)}
    kind_of = np.array([-1 if prefix == "O" else kinds[kind] for prefix, kind in parts])
    both = np.array(
        [[schemes.boundary(before, after) for after in parts] for before in parts], bool
    )
    return Edges(kinds, kind_of, both[..., 1], both[..., 0])


def entity_probabilities(chain, spans, edges):
    """How probable entities are, float64 (entities,). spans: (index in the batch, start, end, type)
    of each, end exclusive.

    The probability of an entity is that of all tag sequences in which schemes.entities reads an
    entity with this start, this end and this type, whatever the other tags are: constrained
    forward-backward (Culotta and McCallum 2004). A sequence in which the entity begins before
    `start`, or goes on after `end`, does not count.
    """
    if not spans:
        return np.zeros(0)
    row, start, end = np.array([span[:3] for span in spans]).T
    kinds = np.array([edges.kinds[kind] for *_, kind in spans])
    of_kind = kinds[:, None] == edges.kind_of  # (entities, tags)
    into, within, out_of = (
        np.where(allowed, chain.transitions, -np.inf)
        for allowed in (edges.starts, ~edges.starts, edges.ends)
    )

    before = _log_sum(chain.alpha[start - 1, row][..., None] + into, axis=1)
    scores = np.where((start > 0)[:, None], before, 0.0) + chain.emissions[start, row]
    scores = np.where(of_kind, scores, -np.inf)
    for t in range(1, (end - start).max()):
        longer = start + t < end  # the entities that have a token at start + t
        moved = _log_sum(scores[longer][..., None] + within, axis=1)
        moved = moved + chain.emissions[start[longer] + t, row[longer]]
        scores[longer] = np.where(of_kind[longer], moved, -np.inf)

    at_end = end == chain.lengths[row]
    following = np.minimum(end, len(chain.alpha) - 1)  # the token after the entity, if there is one
    after = _log_sum(scores[..., None] + out_of, axis=1)
    after = after + chain.emissions[following, row] + chain.beta[following, row]
    # This is chain.log_z, but with the rounding errors that `scores` and `after` have as well.
    log_z = _log_sum(chain.alpha[start, row] + chain.beta[start, row], axis=-1)
    total = _log_sum(np.where(at_end[:, None], scores, after), axis=-1) - log_z
    return np.exp(np.minimum(total, 0.0))


# ---------------------------------------------------------------- the n best


def check_count(count, name):
    """Raises UserError for a count that nbest does not take. name: of the flag or argument."""
    if not 1 <= count <= MAX_NBEST:
        raise UserError(
            f"{name} {count}: expected 1 to {MAX_NBEST:,}; time and memory grow with it"
        )


def nbest(chain, count):
    """The `count` best tag sequences, by the list Viterbi algorithm (Seshadri and Sundberg 1994),
    which is exact.

    Returns tags, int32 (batch, count, sentence), and log probabilities, float64 (batch, count), the
    best first; -inf where there are fewer sequences. Of sequences with one probability, the one
    whose later tags have lower ids comes first.
    """
    emissions = chain.emissions
    steps, batch, tags = emissions.shape
    inside = (np.arange(steps)[:, None] < chain.lengths)[..., None, None]  # (sentence, batch, 1, 1)
    stay = np.arange(tags * count).reshape(tags, count)
    # The back pointers are tag * count + rank of the token before.
    pointers = np.empty((steps, batch, tags, count), np.int32)
    scores = np.full((batch, tags, count), -np.inf)  # of the best paths to each tag
    scores[:, :, 0] = emissions[0]
    for t in range(1, steps):
        origin, best = _best_paths(scores, chain.transitions)
        best += emissions[t][..., None]
        scores = np.where(inside[t], best, scores)
        pointers[t] = np.where(inside[t], origin, stay)

    scores = scores.reshape(batch, tags * count)
    place = np.argsort(-scores, axis=-1, kind="stable")[:, :count]  # (batch, count)
    found = np.empty((batch, count, steps), np.int32)
    for t in range(steps - 1, -1, -1):
        found[:, :, t] = place // count
        if t:
            place = np.take_along_axis(pointers[t].reshape(batch, -1), place, axis=-1)
    return found, -np.sort(-scores, axis=-1)[:, :count] - chain.log_z[:, None]


def _best_paths(scores, transitions):
    """One step of the list Viterbi algorithm: the `count` best paths to each tag of the next token.

    scores: float64 (batch, tags, count), of the best paths to each tag. Returns back pointers
    (tag * count + rank) and scores, both (batch, tags, count).
    """
    batch, tags, count = scores.shape
    origin = np.empty((batch, tags, count), np.int32)
    best = np.empty((batch, tags, count))
    at_once = max(1, PATHS_AT_ONCE // (batch * tags * count))  # tags
    for first in range(0, tags, at_once):
        to = slice(first, first + at_once)
        paths = scores[:, None] + transitions.T[to, :, None]  # (batch, to, from, rank)
        paths = paths.reshape(batch, -1, tags * count)
        origin[:, to] = np.argsort(-paths, axis=-1, kind="stable")[..., :count]
        best[:, to] = np.take_along_axis(paths, origin[:, to], axis=-1)
    return origin, best
