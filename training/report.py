"""What a training prints as it goes: scores on standard output, progress on standard error."""

import math
import sys
import time

from cli import Progress

_STEPS = 100  # between two lines about the steps


class EpochProgress:
    """How far an epoch has got: a bar on a terminal, and a line after each 100 steps."""

    def __init__(self, epoch, batches):
        """epoch: its number, from 1. batches: how many it has."""
        self._bar = Progress(f"epoch {epoch}", batches, every=math.inf)
        self._started, self._steps, self._tokens = time.monotonic(), 0, 0

    def seconds(self):
        """Since the epoch began, or since --resume went on with it."""
        return time.monotonic() - self._started

    def update(self, state, latest, tokens):
        """After a step. state: checkpoint.State. latest: the StepResult. tokens: of the batch."""
        self._steps += 1
        self._tokens += tokens
        mean = state.loss_sum / state.batch
        self._bar.update(
            state.batch, f"loss {mean:.4f}, {self._tokens / self.seconds():,.0f} tokens/s"
        )
        if state.batch % _STEPS == 0:
            self._bar.close()
            print(
                f"epoch {state.epoch + 1} step {state.step}  loss {latest.loss:.4f}  "
                f"learning rate {latest.rate:.3g}  {self._steps / self.seconds():.1f} steps/s",
                file=sys.stderr,
            )

    def close(self):
        self._bar.close()


def print_evaluation(state):
    """The line about an evaluation within an epoch. state: checkpoint.State."""
    print(f"step {state.step}  {scores_text(state.scores)}  {_rank(state)}", flush=True)


def print_epoch(state, epochs):
    """The line about the epoch that has just ended. state: checkpoint.State. epochs: in all."""
    row = state.history[-1]
    line = (
        f"epoch {state.epoch}/{epochs}  {row['seconds']:.1f} s  train loss {row['train_loss']:.4f}"
    )
    if state.eval_step == state.step:
        line += f"  {scores_text(state.scores)}  {_rank(state)}"
    print(line, flush=True)


def scores_text(scores):
    """'dev loss 1.2223  token F1 88.43  chunk F1 86.51'"""
    text = (
        f"dev loss {scores['dev_loss']:.4f}  token F1 {scores['token_f1']:.2f}  "
        f"chunk F1 {scores['chunk_f1']:.2f}"
    )
    return f"{text}  metric {scores['metric']:.4f}" if "metric" in scores else text


def _rank(state):
    """How the last evaluation compares with the best one."""
    if not state.best_step:
        return "none kept yet"
    if state.best_step == state.step:
        return "best so far"
    if state.batch:  # within an epoch
        return f"{state.step - state.best_step} steps since the best"
    return f"{state.epoch - state.best_epoch} since the best"
