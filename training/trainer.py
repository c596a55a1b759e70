"""The training loop: train, evaluate, keep the best model, save the state, stop."""

import math
import signal
import time

import numpy as np

from checkpoint import State
from cli import Terminated, UserError, note, taking_over_signals
from training import vector_cache
from training.data import epoch_batches
from training.evaluation import evaluate, why_not_kept
from training.files import TrainingFiles
from training.hooks import own_hooks
from training.report import EpochProgress, print_epoch, print_evaluation


def train(trainer):
    """Trains to the last epoch, until a hook stops it, or until Ctrl-C, SIGTERM or SIGHUP. Returns
    the signal that ended it, or 0. Raises UserError where the loss is not finite.
    """
    vector_cache.fill_data(trainer.data, trainer.training_graph, trainer.config)
    with taking_over_signals(trainer.interrupt):
        try:
            trainer.call_hooks("start")
            return _train_epochs(trainer)
        finally:
            trainer.call_hooks("end")


def _train_epochs(trainer):
    config, state = trainer.config, trainer.state
    if not state.step:
        trainer.save_state()  # so that --resume works from the first step on
    elif state.eval_step == state.step:
        trainer.call_hooks("stop")  # --resume goes on from an evaluation: must the training stop?

    while state.epoch < config.epoch and not trainer.stopped:
        batches = epoch_batches(trainer.lengths, config, state.epoch)
        progress = EpochProgress(state.epoch + 1, len(batches))

        while state.batch < len(batches):  # --resume begins in the middle
            if trainer.stopped or trainer.ended_by:
                progress.close()
                if trainer.stopped:
                    trainer.score()
                trainer.save_state()
                return trainer.ended_by

            batch = batches[state.batch]
            trainer.step(batch)
            progress.update(state, trainer.latest, sum(trainer.lengths[i] for i in batch))
            if trainer.is_evaluation_due():
                trainer.score()
                trainer.save_state()  # the time that has passed cannot be repeated
                print_evaluation(state)
                trainer.last_evaluation = time.monotonic()
            trainer.call_hooks("step")

        progress.close()
        trainer.end_epoch(progress.seconds())
        if state.epoch % config.eval_every == 0 or state.epoch == config.epoch:
            trainer.score()
        print_epoch(state, config.epoch)
        trainer.call_hooks("epoch")
        trainer.save_state()
    return 0


class Trainer:
    """A training under way: what it trains, how far it has got, and what its hooks get as `run`.

    config: Config. data: training.data.Data. training_graph: TrainingGraph, whose graph, session
    and model are here as well. state: checkpoint.State, all that --resume goes on from besides the
    weights. latest: the StepResult of the last step, None before the first. stopped: why a hook
    stopped the training, or ''. ended_by: the signal that ended it, or 0. files: TrainingFiles.
    """

    def __init__(self, config, data, training_graph, made_from, hooks=(), state=None):
        """made_from: {path: sha256} of what the model is made from. hooks: those of the user, see
        hooks.Hook. state: where the training goes on; by default it begins.
        """
        self.config, self.data, self.training_graph = config, data, training_graph
        self.files = TrainingFiles(config, data, made_from)
        self.hooks = [*own_hooks(config), *hooks]
        self.state = State() if state is None else state
        self.latest, self.stopped, self.ended_by = None, "", 0
        self.lengths = [len(example) for example in data.train]
        self.last_evaluation = time.monotonic()  # within an epoch, for run_every_secs

    @property
    def graph(self):
        return self.training_graph.graph

    @property
    def session(self):
        return self.training_graph.session

    @property
    def model(self):
        return self.training_graph.model

    # ------------------------------------------------------------ for hooks

    def stop(self, why):
        """Stops the training before its next step."""
        self.stopped = why

    def score(self):
        """Evaluates, unless that has been done after this step; keeps the model if it is the best
        so far.
        """
        state = self.state
        evaluated_before = state.eval_step == state.step
        if not evaluated_before:
            state.scores, state.score = evaluate(self.training_graph, self.data, self.config)
            state.eval_step = state.step
            if state.score == -math.inf:
                note(f"step {state.step}: {why_not_kept(state.scores, self.config)}")
        if not state.batch:  # at the end of an epoch
            state.history[-1].update(state.scores)
        if evaluated_before:
            return
        if state.score > (-math.inf if state.best is None else state.best):
            state.best, state.best_scores, state.best_step = state.score, state.scores, state.step
            state.best_epoch = state.epoch + (state.batch > 0)
            self.files.save_model(self.training_graph, state)
        self.call_hooks("evaluation")
        self.call_hooks("stop")

    def save_state(self):
        """Saves what --resume goes on from."""
        self.files.save_state(self.training_graph, self.state)

    def scale_rate(self, factor):
        """Multiplies the learning rate of all further steps by `factor` (lr_schedule plateau)."""
        self.training_graph.scale_rate(factor)

    # ------------------------------------------------------------ for the loop

    def step(self, batch):
        """Trains on the next batch of the epoch. batch: indices of data.train. Raises UserError."""
        state = self.state
        rng = np.random.default_rng([self.config.seed, state.epoch, state.batch])
        inputs = self.data.feeder.batch([self.data.train[i] for i in batch], rng)
        self.latest = self.training_graph.step(inputs)
        if not (math.isfinite(self.latest.loss) and math.isfinite(self.latest.norm)):
            raise UserError(self._not_finite())
        state.batch += 1
        state.step += 1
        state.loss_sum += self.latest.loss

    def _not_finite(self):
        state, latest = self.state, self.latest
        kept = "No model of this training has been kept"
        if state.best_step:
            kept = f"The best model so far is {self.files.model_prefix}"
        return (
            f"epoch {state.epoch + 1}, batch {state.batch + 1} (step {state.step + 1}): the loss "
            f"is {latest.loss}, the gradient's norm {latest.norm}; try a smaller --learning_rate, "
            f"some --warmup_steps or a smaller --clip_norm. {kept}"
        )

    def is_evaluation_due(self):
        """Whether run_every_secs have passed since the last evaluation within an epoch."""
        seconds = self.config.run_every_secs
        return bool(seconds) and time.monotonic() - self.last_evaluation >= seconds

    def end_epoch(self, seconds):
        """Adds the epoch to the history; its scores are not known yet. seconds: that it took."""
        state = self.state
        train_loss = state.loss_sum / max(state.batch, 1)
        state.epoch += 1
        state.batch, state.loss_sum = 0, 0.0
        state.history.append(
            {
                "epoch": state.epoch,
                "step": state.step,
                "seconds": round(seconds, 1),
                "train_loss": train_loss,
                "dev_loss": None,
                "token_f1": None,
                "chunk_f1": None,
            }
        )

    def call_hooks(self, event):
        """Calls the hooks of an event. Where one of the user fails, the state is saved as it is."""
        for hook in self.hooks:
            if hook.event != event or (event == "step" and self.state.step % hook.every):
                continue
            try:
                hook.call(self)
            except BaseException:
                if hook.of_user:
                    self.save_state()
                raise

    def interrupt(self, number, _):
        """Handles Ctrl-C, SIGTERM and SIGHUP: the step under way is finished and the state saved;
        a second signal ends the training at once.
        """
        if self.ended_by:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)
        self.ended_by = number
