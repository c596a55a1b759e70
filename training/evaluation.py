"""Scores of a model on the development set, and which of them says what the best model is."""

import math
from typing import NamedTuple

import numpy as np

import registry
import schemes
from cli import UserError
from features.feed import sorted_batches
from scoring import chunks, tokens


class Evaluation(NamedTuple):
    """scores: {"dev_loss", "token_f1", "chunk_f1"} and, where config.metric names one, "metric"; F1
    in percent, in the data's own scheme. dev_loss is NaN where no sentence has a loss.

    score: the one by which the best model is kept, the greater the better; -inf for a model that is
    never the best, because the score is not finite or the model gives NaN.
    """

    scores: dict
    score: float


def evaluate(graph, data, config):
    """Evaluates the (averaged) weights of a TrainingGraph on the development sentences. data:
    training.data.Data. Returns an Evaluation.
    """
    losses, weights, gold, predicted = [], [], [], []
    with graph.averaged_weights():
        for indices in _batches(data, config):
            inputs = data.feeder.batch([data.dev[i] for i in indices])
            if data.dev[indices[0]].tags is None:
                ids = graph.tags(inputs)
            else:
                ids, loss = graph.tags_and_loss(inputs)
                losses.append(loss)
                weights.append(len(indices))
            gold += [data.dev_gold[i] for i in indices]
            predicted += [_tags(row, data, i) for row, i in zip(ids.tolist(), indices)]
    reading = chunks.trained_reading(data.data_scheme)
    scores = {
        "dev_loss": float(np.average(losses, weights=weights)) if losses else math.nan,
        "token_f1": tokens.score(gold, predicted).f1,
        "chunk_f1": chunks.score(gold, predicted, **reading, warn=False).f1,
    }
    if config.metric:
        scores["metric"] = call_metric(config.metric, gold, predicted)
    return Evaluation(scores, score_to_keep_by(scores, config, has_loss=bool(losses)))


def _batches(data, config):
    """Lists of indices of data.dev. Sentences with a gold tag that the model does not know have no
    loss: they are in batches of their own.
    """
    batches = sorted_batches([len(example) for example in data.dev], config)
    if 0 < config.max_eval_steps < len(batches):  # some of all lengths
        batches = [
            batches[i * len(batches) // config.max_eval_steps] for i in range(config.max_eval_steps)
        ]
    for batch in batches:
        known = [i for i in batch if data.dev[i].tags is not None]
        unknown = [i for i in batch if data.dev[i].tags is None]
        yield from (indices for indices in (known, unknown) if indices)


def _tags(ids, data, i):
    """The tags of data.dev[i] in the data's own scheme. ids: of the model, padded."""
    tags = [data.tags[k] for k in ids[: len(data.dev[i])]]
    return schemes.convert(tags, data.tag_scheme, data.data_scheme)


def score_to_keep_by(scores, config, has_loss):
    """Evaluation.score of Evaluation.scores. has_loss: whether a sentence had a loss."""
    save_by = "metric" if config.metric else config.save_by
    score = {
        "chunk": scores["chunk_f1"],
        "token": scores["token_f1"],
        "loss": -scores["dev_loss"],
        "metric": scores.get("metric"),
    }[save_by]
    model_gives_nan = has_loss and math.isnan(scores["dev_loss"])
    return score if math.isfinite(score) and not model_gives_nan else -math.inf


def why_not_kept(scores, config):
    """Says why a model with these scores, whose score is -inf, cannot be the best."""
    if config.metric and not math.isfinite(scores["metric"]):
        gave = f"metric {config.metric} gave {scores['metric']}"
        return f"{gave}, so this model is not kept; a finite number was expected"
    return (
        f"the loss on the development set is {scores['dev_loss']}, so this model is not kept; "
        "try a smaller --learning_rate"
    )


def call_metric(name, gold, predicted):
    """What the user's metric gives, as a float. Raises UserError."""
    value = registry.find("metric", name)(gold, predicted)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError(f"metric {name!r}: returned {value!r:.60}, expected a number") from None
