"""Trainer: a training run, epoch after epoch, with its hooks, its evaluation and its files."""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import signal
import sys
import time
from typing import NamedTuple

import numpy as np

import checkpoint
import registry
import schemes
from checkpoint import State
from cli import Progress, Terminated, UserError, atomic_write, taking_over_signals
from features import pretrained
from features.feed import sorted_batches, training_batches
from scoring import chunks
from scoring import tokens as tokens_module
from training import vector_cache, warm_start
from training.hooks import own_hooks


class Latest(NamedTuple):
    """Of the last step."""

    loss: float
    rate: float
    norm: float


class Trainer:
    """A graph, a session and the data: runs epochs, calls hooks, evaluates, keeps the best model
    and the last state.

    sources: {path: sha256} of what the model is made from. optimizer: see training_op. hooks: Hooks
    of the user. prefix: the checkpoint whose weights come next, so that nothing is made which they
    do not fit.
    """

    def __init__(self, config, data, sources, optimizer=None, hooks=(), prefix=""):
        if config.save_by == "loss" and not config.metric:
            _check_dev_loss(data)
        from model import Model
        from tf1 import callable_of, new_session, quiet, tf
        from training.optimizer import training_op

        self.config, self.data, self.sources, self.state = config, data, sources, State()
        self.hooks = [*own_hooks(config), *hooks]
        self.ended_by = 0  # the signal that ended the run
        self.stopped, self.latest = "", None  # stopped: why a hook ended the run
        self.lengths = [len(example) for example in data.train]
        self.graph = tf.Graph()
        with self.graph.as_default(), quiet():
            tf.set_random_seed(config.seed)
            legal = (
                schemes.legal_transitions(data.tags, data.tag_scheme)
                if config.constrained
                else None
            )
            self.model = Model(config, data.feeder.sizes(), training=True, legal=legal)
            warm_start.freeze(config)
            self.rate_factor = 1.0
            if config.lr_schedule == "plateau":
                self.rate_factor = tf.get_variable("plateau", initializer=1.0, trainable=False)
            self.train_op, self.rate, self.norm, average = training_op(
                self.model, config, self._total_steps(), self.rate_factor, optimizer
            )
            self.model_saver = tf.train.Saver(self.model.variables)
            self.state_saver = tf.train.Saver(tf.global_variables())
            self.swap, self.swap_back = _averages(average)
            if config.use_word:
                self.vectors = tf.placeholder(tf.float32, self.model.word_table.shape)
                self.put_vectors = self.model.word_table.assign(self.vectors)
            if prefix:
                checkpoint.check_shapes(prefix, self.graph)
            check_memory(tf.global_variables())
            self.session = new_session(config.threads)
            self.session.run(tf.global_variables_initializer())
            targets = {"target_tag_ids": self.model.targets}
            inputs = {
                name: tensor for name, tensor in self.model.inputs.items() if name not in targets
            }
            self.run_vectors = {
                name: callable_of(self.session, tensor, inputs)
                for name, tensor in self._cached().items()
            }
            inputs = {**inputs, **self._cached()}
            example = {
                **data.feeder.smallest(),
                **{
                    name: np.zeros([1, 1, *tensor.shape[2:]])
                    for name, tensor in self._cached().items()
                },
            }
            self.run_tags = callable_of(self.session, [self.model.logits_indices], inputs, example)
            self.run_loss = callable_of(
                self.session,
                [self.model.logits_indices, self.model.loss],
                {**inputs, **targets},
                example,
            )
            self.run_step = callable_of(
                self.session,
                [self.train_op, self.model.loss, self.rate, self.norm],
                {**inputs, **targets, "is_train": self.model.is_train},
            )
        if warm_start.is_partial(config):
            warm_start.tell_trained(self.model, self.graph)

    def load_pretrained(self):
        """Puts the EmbVec's word vectors into the graph, which are not kept twice, and the
        published weights of ELMo and BERT.
        """
        from tf1 import put

        emb = self.data.emb
        if emb.vectors is not None and self.config.use_word:
            self.session.run(self.put_vectors, {self.vectors: emb.vectors})
        emb.vectors = None
        for scope, use, about in (
            ("elmo/", self.config.use_elmo, emb.elmo),
            ("bert/", self.config.use_bert, emb.bert),
        ):
            if use:
                read = pretrained.open_weights(scope, about)
                variables = self._published(scope)
                put(self.session, variables, [read(variable.op.name) for variable in variables])

    def _published(self, scope):
        """The variables of a language model that its files hold. scope: 'elmo/' or 'bert/'."""
        return [
            variable
            for variable in self.model.variables
            if variable.op.name.startswith(scope)
            and not variable.op.name.startswith(f"{scope}mix/")
        ]

    def _hash_of(self, scope):
        """sha256 of what those variables are now, which a checkpoint may have changed, in
        hexadecimal.
        """
        digest = hashlib.sha256()
        for value in self.session.run(self._published(scope)):
            digest.update(np.ascontiguousarray(value))
        return digest.hexdigest()

    def _cached(self):
        """The model's tensors that are fed with stored vectors, {name: tensor}."""
        return {
            name: tensor
            for name, tensor in self.model.vectors.items()
            if self.config.vector_cache and not (name == "bert_vectors" and self.config.train_bert)
        }

    def fill_cache(self):
        """Gives the examples the vectors that ELMo and a frozen BERT have for them, where
        config.vector_cache wants it.
        """
        data = self.data
        weights = {name: self._hash_of(name.replace("_vectors", "/")) for name in self.run_vectors}
        if self.run_vectors:
            for name in ("train", "dev"):
                setattr(
                    data,
                    name,
                    vector_cache.fill(
                        getattr(data, name),
                        data.sentences[name],
                        data.feeder,
                        self.run_vectors,
                        weights,
                        self.config,
                        name,
                    ),
                )

    # ------------------------------------------------------------ epochs

    def run(self):
        """Epochs until the last, until a hook stops them, or Ctrl-C, SIGTERM or SIGHUP. Returns the
        signal that ended it, or 0.
        """
        self.fill_cache()
        with taking_over_signals(self._interrupt):
            try:
                self._call("start")
                return self._run_epochs()
            finally:
                self._call("end")

    def _run_epochs(self):
        state = self.state
        if not state.step:
            self.save_state()  # so that --resume works from the first step on
        elif state.eval_step == state.step:
            self._call("stop")
        while state.epoch < self.config.epoch and not self.stopped:
            started = time.monotonic()
            if not self._train_epoch():
                if self.stopped:
                    self.score()
                self.save_state()
                return self.ended_by
            self._end_epoch(time.monotonic() - started)
        return 0

    def _interrupt(self, number, _):
        """Ctrl-C, SIGTERM, SIGHUP: the step under way is finished, then the state is saved; a
        second one ends at once.
        """
        if self.ended_by:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)
        self.ended_by = number

    def stop(self, why):
        """For hooks: no further step."""
        self.stopped = why

    def _call(self, event):
        """Calls the hooks of an event. Where one of the user fails, the state is saved as it was
        when it was called.
        """
        for hook in self.hooks:
            if hook.event != event or (event == "step" and self.state.step % hook.every):
                continue
            with contextlib.ExitStack() as where_it_fails:
                if hook.of_user:
                    where_it_fails.callback(self.save_state)
                hook.call(self)
                where_it_fails.pop_all()  # it has not

    def _batches(self, epoch):
        """Lists of indices of data.train."""
        return training_batches(self.lengths, self.config, epoch)[
            : self.config.max_train_steps_per_epoch or None
        ]

    def _total_steps(self):
        """Steps of all epochs, where the learning rate depends on them."""
        from training.optimizer import TO_ZERO

        wanted = self.config.lr_schedule in TO_ZERO and not self.config.lr_total_steps
        return sum(len(self._batches(epoch)) for epoch in range(self.config.epoch)) if wanted else 0

    def scale_rate(self, factor):
        """For hooks: from the next step on, the learning rate times `factor` (lr_schedule plateau)."""
        with self.graph.as_default():
            self.rate_factor.load(self.session.run(self.rate_factor) * factor, self.session)

    def _train_epoch(self):
        """Runs what is left of an epoch. Returns False where a hook or Ctrl-C stopped it."""
        state, batches = self.state, self._batches(self.state.epoch)
        progress = Progress(f"epoch {state.epoch + 1}", len(batches), every=math.inf)
        meter = _Meter()
        for index in range(state.batch, len(batches)):
            if self.ended_by or self.stopped:
                progress.close()
                return False
            self._step(batches[index], index)
            meter.count(sum(self.lengths[i] for i in batches[index]))
            progress.update(
                index + 1,
                f"loss {state.loss_sum / state.batch:.4f}, {meter.tokens_per_second():,.0f} tokens/s",
            )
            if state.batch % 100 == 0:
                progress.close()
                print(
                    f"epoch {state.epoch + 1} step {state.step}  loss {self.latest.loss:.4f}  learning rate "
                    f"{self.latest.rate:.3g}  {meter.steps_per_second():.1f} steps/s",
                    file=sys.stderr,
                )
            self._call("step")
        progress.close()
        return True

    def _step(self, batch, index):
        """Trains on a batch, the one of this index in its epoch."""
        state = self.state
        rng = np.random.default_rng([self.config.seed, state.epoch, index])
        inputs = self.data.feeder.batch([self.data.train[i] for i in batch], rng)
        self.latest = Latest(*map(float, self.run_step({**inputs, "is_train": True})[1:]))
        if not (math.isfinite(self.latest.loss) and math.isfinite(self.latest.norm)):
            raise UserError(
                f"epoch {state.epoch + 1}, batch {index + 1} (step {state.step + 1}): the loss is "
                f"{self.latest.loss}, the gradient's norm {self.latest.norm}; try a smaller "
                "--learning_rate, some --warmup_steps or a smaller --clip_norm. "
                + (
                    f"The best model so far is {self._prefix(checkpoint.MODEL)}"
                    if state.best_step
                    else "No model of this training has been kept"
                )
            )
        state.batch, state.step, state.loss_sum = (
            index + 1,
            state.step + 1,
            state.loss_sum + self.latest.loss,
        )

    def _end_epoch(self, seconds):
        """Writes down the epoch, lets hooks evaluate it, saves the state."""
        state = self.state
        state.epoch, train_loss = state.epoch + 1, state.loss_sum / max(state.batch, 1)
        state.batch, state.loss_sum = 0, 0.0
        state.history.append(
            {
                "epoch": state.epoch,
                "step": state.step,
                "seconds": round(seconds, 1),
                "train_loss": train_loss,
                **dict.fromkeys(("dev_loss", "token_f1", "chunk_f1")),
            }
        )
        self._call("epoch")
        self.save_state()

    # ------------------------------------------------------------ evaluation

    def score(self):
        """Evaluates, unless this step has been; keeps the model if it is the best so far."""
        state, fresh = self.state, self.state.eval_step != self.state.step
        if fresh:
            state.scores, state.eval_step = self.evaluate(), state.step
            state.score = self._score(state.scores)
            self._tell_not_finite()
        if not state.batch:  # at the end of an epoch
            state.history[-1].update(state.scores)
        if not fresh:
            return
        if state.score > (-math.inf if state.best is None else state.best):
            state.best, state.best_scores, state.best_step = state.score, state.scores, state.step
            state.best_epoch = state.epoch + (state.batch > 0)
            self._swapped(
                lambda: checkpoint.save(
                    self._prefix(checkpoint.MODEL),
                    self.session,
                    self.model_saver,
                    self._meta(),
                    self.data.emb,
                )
            )
        self._call("evaluation")
        self._call("stop")

    def _score(self, scores):
        """Of scores, the one by which the best model is kept; the greater the better. -inf where it
        is not finite, or where the model gives nan: such a one is never the best.
        """
        save_by = "metric" if self.config.metric else self.config.save_by
        score = {
            "chunk": scores["chunk_f1"],
            "token": scores["token_f1"],
            "loss": -scores["dev_loss"],
            "metric": scores.get("metric"),
        }[save_by]
        broken = self.has_dev_loss and math.isnan(scores["dev_loss"])
        return score if math.isfinite(score) and not broken else -math.inf

    def _tell_not_finite(self):
        """Says why the model that has just been evaluated can not be the best."""
        if self.state.score > -math.inf:
            return
        scores, named = self.state.scores, self.config.metric
        if named and not math.isfinite(scores["metric"]):
            what, mend = f"metric {named} gave {scores['metric']}", "a finite number was expected"
        else:
            what = f"the loss on the development set is {scores['dev_loss']}"
            mend = "try a smaller --learning_rate"
        print(
            f"train.py: step {self.state.step}: {what}, so this model is not kept; {mend}",
            file=sys.stderr,
        )

    def check_best(self):
        """Raises UserError where no evaluation gave a score by which a model could be kept."""
        if not self.state.best_step:
            raise UserError(
                "no model was kept: at no evaluation was the score a finite number; the last state "
                f"is {self._prefix(checkpoint.STATE)}"
            )

    def evaluate(self):
        """{'dev_loss', 'token_f1', 'chunk_f1'} of the (averaged) weights, and 'metric' where
        config.metric names one; F1 in percent, in the data's own scheme.
        """
        return self._swapped(self._evaluate)

    def _evaluate(self):
        data, config = self.data, self.config
        batches = sorted_batches([len(example) for example in data.dev], config)
        if config.max_eval_steps < len(batches) and config.max_eval_steps:  # of all lengths
            batches = [
                batches[i * len(batches) // config.max_eval_steps]
                for i in range(config.max_eval_steps)
            ]
        losses, weights, gold, predicted = [], [], [], []
        for batch in batches:
            for known in (True, False):  # without a gold tag that the model knows there is no loss
                indices = [i for i in batch if (data.dev[i].tags is not None) == known]
                if not indices:
                    continue
                inputs = data.feeder.batch([data.dev[i] for i in indices])
                ids, *loss = (self.run_loss if known else self.run_tags)(inputs)
                losses += loss
                weights += [len(indices)] * len(loss)
                gold += [data.dev_gold[i] for i in indices]
                predicted += [
                    schemes.convert(
                        [data.tags[k] for k in row[: len(data.dev[i])]],
                        data.tag_scheme,
                        data.data_scheme,
                    )
                    for row, i in zip(ids.tolist(), indices)
                ]
        self.has_dev_loss = bool(losses)
        reading = chunks.trained_reading(data.data_scheme)
        scores = {
            "dev_loss": float(np.average(losses, weights=weights)) if losses else math.nan,
            "token_f1": tokens_module.score(gold, predicted).f1,
            "chunk_f1": chunks.score(gold, predicted, **reading, warn=False).f1,
        }
        if config.metric:
            scores["metric"] = _metric(config.metric, gold, predicted)
        return scores

    def _swapped(self, action):
        """Runs `action` while the averaged weights stand in for the weights."""
        if self.swap is None:
            return action()
        self.session.run(self.swap)
        try:
            return action()
        finally:
            self.session.run(self.swap_back)

    # ------------------------------------------------------------ files

    def _prefix(self, name):
        return os.path.join(self.config.checkpoint_dir, name)

    def _meta(self):
        data, state = self.data, self.state
        return {
            "config": self.config.to_dict(),
            "tags": data.tags,
            "tag_scheme": data.tag_scheme,
            "data_scheme": data.data_scheme,
            "columns": list(data.columns),
            "delimiter": self.config.delimiter,
            "gazetteer": data.feeder.gazetteer.to_dict() if data.feeder.gazetteer else None,
            "state": dataclasses.asdict(state),
            "made_from": self.sources,
        }

    def save_state(self):
        checkpoint.save(
            self._prefix(checkpoint.STATE),
            self.session,
            self.state_saver,
            self._meta(),
            self.data.emb,
        )
        with atomic_write(self._prefix("history.json"), "w", encoding="utf-8") as out:
            json.dump(
                [
                    {
                        name: None
                        if isinstance(value, float) and not math.isfinite(value)
                        else value
                        for name, value in row.items()
                    }  # JSON has no NaN and no Infinity
                    for row in self.state.history
                ],
                out,
                indent=1,
            )

    def restore_state(self, prefix, meta):
        checkpoint.restore(self.session, self.state_saver, prefix)
        self.state = State.of(meta["state"], f"{prefix}.json")
        self.state.step = int(self.session.run(self.model.step))


def _check_dev_loss(data):
    if all(example.tags is None for example in data.dev):
        raise UserError(
            "save_by loss: each development sentence has a tag that was never seen in training, so "
            "that there is no loss to go by; give other ones, or another save_by, such as chunk"
        )


def _metric(name, gold, predicted):
    """What the user's metric gives, as a float. Raises UserError."""
    value = registry.find("metric", name)(gold, predicted)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise UserError(f"metric {name!r}: returned {value!r:.60}, expected a number") from None


def check_memory(variables):
    """Raises UserError where TensorFlow variables need more bytes than this machine has."""
    needed = sum(each.shape.num_elements() * each.dtype.size for each in variables)
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > there:
        raise UserError(
            f"the model and its optimizer need {needed / 1e9:,.1f} GB, this machine has "
            f"{there / 1e9:,.1f}; give it fewer or smaller layers"
        )


def _averages(average):
    """Ops that put the averages in the place of the weights, and the weights back. (None, None)
    without an average.
    """
    from tf1 import tf

    if average is None:
        return None, None
    from training.optimizer import averaged_variables

    with tf.variable_scope("averages"):
        aside = {
            v: tf.get_variable(
                f"aside/{v.op.name}",
                v.shape,
                trainable=False,
                initializer=tf.zeros_initializer(),
                collections=[tf.GraphKeys.LOCAL_VARIABLES],
            )
            for v in averaged_variables()
        }
    keep = [copy.assign(v) for v, copy in aside.items()]
    with tf.control_dependencies(keep):
        swap = tf.group(*(v.assign(average.average(v)) for v in aside))
    return swap, tf.group(*(v.assign(copy) for v, copy in aside.items()))


class _Meter:
    """Speed since it was made."""

    def __init__(self):
        self.started, self.steps, self.tokens = time.monotonic(), 0, 0

    def count(self, tokens):
        self.steps, self.tokens = self.steps + 1, self.tokens + tokens

    def steps_per_second(self):
        return self.steps / (time.monotonic() - self.started)

    def tokens_per_second(self):
        return self.tokens / (time.monotonic() - self.started)
