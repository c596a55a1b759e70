"""Hooks: functions that a training calls as it goes. TensorBoard, plateau and early stopping are
hooks.

A hook of the user is a function hook(run, **parameters), named in the config (`hooks`) or given to
train.fit; one that has a parameter named `config` gets the Config. It is called after each epoch,
or after each `every` steps.

`run` is the Trainer of trainer.py. run.config is the Config; run.state what --resume goes on from;
run.latest the loss, learning rate (`rate`) and gradient norm (`norm`) of the last step; run.data
the corpus; run.graph, run.session and run.model are TensorFlow's graph and session and the Model in
them. run.stop(why) stops the training before its next step, run.score() evaluates and keeps the
best model. What a hook must remember when the training is interrupted, it puts into the dict
run.state.kept, as values that JSON knows.
"""

import inspect
import os
import socket
import time
from collections.abc import Callable
from typing import NamedTuple

import checkpoint
import registry
from cli import UserError, note


class Hook(NamedTuple):
    """A function that is called, with the Trainer, at an event.

    The events are start: before the first step, and where --resume goes on. step: after each
    `every` steps. epoch: after an epoch. evaluation: after an evaluation. stop: after `evaluation`,
    and again where --resume goes on from one, to decide whether the training must stop. end: the
    training is over, however it ended.
    """

    call: Callable
    event: str
    every: int = 1
    of_user: bool = False


def own_hooks(config):
    """The hooks that the config asks for besides the user's, in the order of their calls."""
    hooks = []
    if config.summary_dir:
        board = TensorBoard()
        hooks += [
            Hook(getattr(board, event), event)
            for event in ("start", "step", "epoch", "evaluation", "end")
        ]
    if config.lr_schedule == "plateau":
        hooks.append(Hook(plateau, "evaluation"))
    if config.patience:
        hooks.append(Hook(out_of_patience, "stop"))
    if config.max_steps_without_increase:
        hooks.append(Hook(no_increase, "stop"))
    return hooks


# ---------------------------------------------------------------- hooks of the user


def user_hooks(entries, own=False):
    """A list of Hooks. entries: dicts as config.hooks has them, such dicts with a function as
    `call`, or functions. own: whether the user has named them now, see registry.import_custom.
    Raises UserError.
    """
    entries = [entry if isinstance(entry, dict) else {"call": entry} for entry in entries]
    for entry in entries:
        if not all(isinstance(name, str) for name in entry):
            raise UserError(f"hook {entry}: expected names of parameters, such as {{every: 100}}")
    return [_user_hook(own, **entry) for entry in entries]


def _user_hook(own, /, call=None, every=0, **parameters):
    if isinstance(every, bool) or not isinstance(every, int) or every < 0:
        raise UserError(f"hook {call}: every: {every!r}, expected a number of steps")
    name = call if isinstance(call, str) else getattr(call, "__name__", str(call))
    if isinstance(call, str):
        registry.import_custom("hook", call, own)
        call = registry.find("hook", call)
    try:
        signature = inspect.signature(call)
        wants_config = "config" in signature.parameters
        signature.bind(None, **parameters, **({"config": None} if wants_config else {}))
    except (TypeError, ValueError) as error:
        raise UserError(
            f"hook {name}: {error}; expected a function of the run and of the parameters given"
        ) from None

    def hook(run):
        call(run, **parameters, **({"config": run.config} if wants_config else {}))

    return Hook(hook, "step" if every else "epoch", every or 1, of_user=True)


# ---------------------------------------------------------------- learning rate and early stopping


def plateau(run):
    """Multiplies the learning rate by lr_factor after lr_patience evaluations without a better
    score.
    """
    state, config = run.state, run.config
    since = 0 if state.best_step == state.step else state.kept.get("plateau", 0) + 1
    if since == config.lr_patience:
        run.scale_rate(config.lr_factor)
        since = 0
    state.kept["plateau"] = since


def out_of_patience(run):
    """Early stopping after `patience` epochs without a better score."""
    since = run.state.epoch - run.state.best_epoch
    if since >= run.config.patience:
        run.stop(f"{since} epochs without a better score")


def no_increase(run):
    """Early stopping after max_steps_without_increase steps without a better score, as
    tf.estimator's stop_if_no_increase_hook does it: scores before min_steps do not count.
    """
    state = run.state
    if state.step < run.config.min_steps:
        return
    best = state.kept.setdefault("no_increase", {"score": state.score, "step": state.step})
    if state.score > best["score"]:
        best.update(score=state.score, step=state.step)
    if state.step - best["step"] >= run.config.max_steps_without_increase:
        run.stop(f"{state.step - best['step']} steps without a better score")


# ---------------------------------------------------------------- TensorBoard


class TensorBoard:
    """Writes scalars to the folders train and dev of config.summary_dir.

    Where that fails, as on a full disk, one line says so and training goes on without the files.
    They are written at once, in this thread: the thread of tf.summary.FileWriter dies when the disk
    is full, and FileWriter knows no path that is not UTF-8.
    """

    def start(self, run):
        self.folder, self.writers = run.config.summary_dir, {}
        self._attempt(self._open, run.state.step)

    def step(self, run):
        if run.state.batch % 100 == 0:
            self._write(
                "train", run.state.step, loss=run.latest.loss, learning_rate=run.latest.rate
            )

    def epoch(self, run):
        self._write("train", run.state.step, epoch_loss=run.state.history[-1]["train_loss"])

    def evaluation(self, run):
        self._write(
            "dev",
            run.state.step,
            **{name.removeprefix("dev_"): value for name, value in run.state.scores.items()},
        )

    def end(self, run):
        self._attempt(lambda: [writer.close() for writer in self.writers.values()])

    def _open(self, step):
        """Begins the files. A step other than 0 tells TensorBoard to drop what comes after it."""
        from tf1 import tf

        for name in ("train", "dev"):
            folder = os.path.join(self.folder, name)
            os.makedirs(folder, exist_ok=True)
            file = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}"
            path = os.path.join(folder, f"{file}.{os.getpid()}.{time.time_ns()}")
            self.writers[name] = tf.python_io.TFRecordWriter(os.fsencode(path))
            self._add(name, 0, file_version="brain.Event:2")
            if step:
                self._add(name, step, session_log=tf.SessionLog(status=tf.SessionLog.START))

    def _write(self, name, step, **values):
        if self.writers:
            self._attempt(self._add_scalars, name, step, values)

    def _add_scalars(self, name, step, values):
        from tf1 import tf

        scalars = [
            tf.Summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items()
        ]
        self._add(name, step, summary=tf.Summary(value=scalars))

    def _add(self, name, step, **content):
        from tf1 import tf

        event = tf.Event(wall_time=time.time(), step=step, **content)
        self.writers[name].write(event.SerializeToString())
        self.writers[name].flush()

    def _attempt(self, call, *args):
        from tf1 import tf

        try:
            call(*args)
        except (OSError, tf.errors.OpError) as error:
            self.writers = {}
            note(
                f"{self.folder}: TensorBoard's files cannot be written "
                f"({checkpoint.reason(error)}); training goes on without them"
            )
