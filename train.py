"""Fits a model.

    python train.py --emb_path embeddings/glove.6B.50d.txt.pkl --wrd_dim 50 --batch_size 20 --epoch 70

Writes the best model (checkpoint/ner_model), the last state (--resume goes on from it), history.json and
learning_curve.png to --checkpoint_dir, and TensorBoard summaries to --summary_dir.
"""
import dataclasses
import json
import math
import os
import signal
import sys
import time

import numpy as np

import checkpoint
import chunk_eval
import conll
import registry
import token_eval
from cli import Parser, Progress, UserError, atomic_write, check_folder, check_readable, run_command
from config import FREE_FIELDS, MODEL_FIELDS, RUN_FIELDS, Config, add_flags, load_config, model_names, model_path, read_config
from corpus import load_data
from embvec import file_hash
from feed import sorted_batches, training_batches
from gazetteer import Gazetteer


# ---------------------------------------------------------------- the state of a run

@dataclasses.dataclass
class State:
    """Where a run stands; with the weights it is all that --resume needs."""
    epoch: int = 0             # epochs finished
    batch: int = 0             # batches finished of the next one
    loss_sum: float = 0.0      # of those batches
    best: float = None         # best dev score so far (the loss counts negative)
    best_epoch: int = 0
    history: list = dataclasses.field(default_factory=list)    # a dict for each epoch


class Trainer:
    """A graph, a session and the data: runs epochs, evaluates, keeps the best model and the last state."""

    def __init__(self, config, data, sources):
        from model import Model
        from optimizer import training_op
        from tf1 import callable_of, new_session, quiet, tf
        self.config, self.data, self.state, self.stopping = config, data, State(), False
        self.sources = sources      # {path: sha256} of what the model is made from
        self.graph = tf.Graph()
        with self.graph.as_default(), quiet():
            tf.set_random_seed(config.seed)
            legal = conll.legal_transitions(data.tags, data.tag_scheme) if config.constrained else None
            self.model = Model(config, data.feeder.sizes(), training=True, legal=legal)
            self.train_op, self.rate, self.norm, average = training_op(self.model, config)
            self.model_saver = tf.train.Saver(self.model.variables)
            self.state_saver = tf.train.Saver(tf.global_variables())
            self.swap, self.swap_back = _averages(average)
            if config.use_word:
                self.vectors = tf.placeholder(tf.float32, self.model.word_table.shape)
                self.put_vectors = self.model.word_table.assign(self.vectors)
            self.session = new_session(config.threads)
            self.session.run(tf.global_variables_initializer())
            self.writers = {name: tf.summary.FileWriter(os.path.join(config.summary_dir, name)) if config.summary_dir else None
                            for name in ("train", "dev")}
            self._summary, self._session_start = tf.Summary, tf.SessionLog(status=tf.SessionLog.START)
            inputs = {name: tensor for name, tensor in self.model.inputs.items() if name != "target_tag_ids"}
            self.run_tags = callable_of(self.session, [self.model.logits_indices], inputs)
            self.run_loss = callable_of(self.session, [self.model.logits_indices, self.model.loss], self.model.inputs)
            self.run_step = callable_of(self.session, [self.train_op, self.model.loss, self.rate, self.norm],
                                        {**self.model.inputs, "is_train": self.model.is_train}, warm_up=False)

    def load_vectors(self):
        """Puts the EmbVec's word vectors into the graph; they are not kept twice."""
        emb = self.data.emb
        if emb.vectors is not None and self.config.use_word:
            self.session.run(self.put_vectors, {self.vectors: emb.vectors})
        emb.vectors = None

    # ------------------------------------------------------------ epochs

    def run(self):
        """Epochs until the last, early stopping or Ctrl-C. Returns True where Ctrl-C ended it."""
        config, state = self.config, self.state
        previous = _on_interrupt(self._stop)
        try:
            if not state.history and not state.batch:
                self.save_state()       # so that --resume works from the first step on
            while state.epoch < config.epoch and not self._out_of_patience():
                started = time.monotonic()
                if not self._train_epoch():
                    self.save_state()
                    return True
                self._end_epoch(started)
        finally:
            _on_interrupt(previous)
            self._close()
        return False

    def _stop(self, *_):
        """Ctrl-C: the step under way is finished, then the state is saved; a second one ends at once."""
        if self.stopping:
            raise KeyboardInterrupt
        self.stopping = True

    def _out_of_patience(self):
        return self.config.patience and self.state.epoch - self.state.best_epoch >= self.config.patience and self.state.epoch

    def _train_epoch(self):
        """Runs what is left of an epoch. Returns False where Ctrl-C stopped it."""
        config, state, feeder = self.config, self.state, self.data.feeder
        batches = training_batches([len(example) for example in self.data.train], config, state.epoch)
        if config.max_train_steps_per_epoch:
            batches = batches[:config.max_train_steps_per_epoch]
        progress = Progress(f"epoch {state.epoch + 1}", len(batches), every=math.inf)
        meter = _Meter()
        for index in range(state.batch, len(batches)):
            if self.stopping:
                progress.close()
                return False
            rng = np.random.default_rng([config.seed, state.epoch, index])
            inputs = feeder.batch([self.data.train[i] for i in batches[index]], rng)
            _, loss, rate, norm = self.run_step({**inputs, "is_train": True})
            self._check_finite(loss, norm, index)
            state.batch, state.loss_sum = index + 1, state.loss_sum + float(loss)
            meter.count(sum(len(self.data.train[i]) for i in batches[index]))
            progress.update(index + 1, f"loss {state.loss_sum / state.batch:.4f}, {meter.tokens_per_second():,.0f} tokens/s")
            if (index + 1) % 100 == 0:
                self._log_step(progress, index + 1, loss, rate, meter)
        progress.close()
        return True

    def _log_step(self, progress, batch, loss, rate, meter):
        step = self._step()
        progress.close()
        print(f"epoch {self.state.epoch + 1} step {step}  loss {loss:.4f}  learning rate {rate:.3g}  "
              f"{meter.steps_per_second():.1f} steps/s", file=sys.stderr)
        self._summarize("train", step, loss=loss, learning_rate=rate)

    def _check_finite(self, loss, norm, index):
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise UserError(f"epoch {self.state.epoch + 1}, batch {index + 1}: the loss is {loss}, the gradient's norm {norm}; "
                            "try a smaller --learning_rate, some --warmup_steps or a smaller --clip_norm. "
                            f"The best model so far is in {self.config.checkpoint_dir}")

    def _end_epoch(self, started):
        """Evaluates, writes down the epoch, keeps the model if it is the best, saves the state."""
        state, config = self.state, self.config
        seconds = time.monotonic() - started
        scores = self.evaluate()
        score = {"chunk": scores["chunk_f1"], "token": scores["token_f1"], "loss": -scores["dev_loss"]}[config.save_by]
        state.epoch, train_loss = state.epoch + 1, state.loss_sum / max(state.batch, 1)
        state.batch, state.loss_sum = 0, 0.0
        score = -math.inf if math.isnan(score) else score       # no dev sentence has a loss
        better = state.best is None or score > state.best
        if better:
            state.best, state.best_epoch = score, state.epoch
        state.history.append({"epoch": state.epoch, "step": self._step(), "seconds": round(seconds, 1),
                              "train_loss": train_loss, **scores})
        since = state.epoch - state.best_epoch
        print(f"epoch {state.epoch}/{config.epoch}  {seconds:.1f} s  train loss {train_loss:.4f}  dev loss "
              f"{scores['dev_loss']:.4f}  token F1 {scores['token_f1']:.2f}  chunk F1 {scores['chunk_f1']:.2f}  "
              + ("best so far" if better else f"{since} since the best"), flush=True)
        self._summarize("train", self._step(), epoch_loss=train_loss)
        self._summarize("dev", self._step(), loss=scores["dev_loss"], token_f1=scores["token_f1"], chunk_f1=scores["chunk_f1"])
        if better:
            self._swapped(lambda: checkpoint.save(self._prefix(checkpoint.MODEL), self.session, self.model_saver,
                                                  self._meta(), self.data.emb))
        self.save_state()

    # ------------------------------------------------------------ evaluation

    def evaluate(self):
        """{'dev_loss', 'token_f1', 'chunk_f1'} of the (averaged) weights; F1 in percent, in the data's own scheme."""
        return self._swapped(self._evaluate)

    def _evaluate(self):
        data, config = self.data, self.config
        batches = sorted_batches([len(example) for example in data.dev], config)
        if config.max_eval_steps < len(batches) and config.max_eval_steps:     # of all lengths
            batches = [batches[i * len(batches) // config.max_eval_steps] for i in range(config.max_eval_steps)]
        losses, weights, gold, predicted = [], [], [], []
        for batch in batches:
            for known in (True, False):       # without a gold tag that the model knows there is no loss
                indices = [i for i in batch if (data.dev[i].tags is not None) == known]
                if not indices:
                    continue
                inputs = data.feeder.batch([data.dev[i] for i in indices])
                ids, *loss = (self.run_loss if known else self.run_tags)(inputs)
                losses += loss
                weights += [len(indices)] * len(loss)
                gold += [data.dev_gold[i] for i in indices]
                predicted += [conll.convert([data.tags[k] for k in row[:len(data.dev[i])]], data.tag_scheme, data.data_scheme)
                              for row, i in zip(ids.tolist(), indices)]
        reading = {"raw": True} if data.data_scheme == conll.RAW else {"scheme": data.data_scheme}
        return {"dev_loss": float(np.average(losses, weights=weights)) if losses else math.nan,
                "token_f1": token_eval.score(gold, predicted).f1,
                "chunk_f1": chunk_eval.score(gold, predicted, **reading).f1}

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
        return {"config": self.config.to_dict(), "tags": data.tags, "tag_scheme": data.tag_scheme,
                "data_scheme": data.data_scheme, "columns": list(data.columns),
                "gazetteer": data.feeder.gazetteer.to_dict() if data.feeder.gazetteer else None,
                "state": dataclasses.asdict(state), "made_from": self.sources}

    def save_state(self):
        checkpoint.save(self._prefix(checkpoint.STATE), self.session, self.state_saver, self._meta(), self.data.emb)
        with atomic_write(self._prefix("history.json"), "w", encoding="utf-8") as out:
            json.dump([{name: None if value != value else value for name, value in row.items()}    # JSON has no NaN
                       for row in self.state.history], out, indent=1)

    def restore_state(self, prefix, meta):
        checkpoint.restore(self.session, self.state_saver, prefix)
        self.state = State(**meta["state"])
        for writer in filter(None, self.writers.values()):       # TensorBoard drops what the interrupted run wrote behind
            writer.add_session_log(self._session_start, self._step())

    def _step(self):
        return int(self.session.run(self.model.step))

    def _summarize(self, writer, step, **values):
        if self.writers[writer]:
            summary = self._summary(value=[self._summary.Value(tag=tag, simple_value=float(value)) for tag, value in values.items()])
            self.writers[writer].add_summary(summary, step)
            self.writers[writer].flush()

    def _close(self):
        for writer in self.writers.values():
            if writer:
                writer.close()


def _averages(average):
    """Ops that put the averages in the place of the weights, and the weights back. (None, None) without an average."""
    from tf1 import tf
    if average is None:
        return None, None
    from optimizer import averaged_variables
    with tf.variable_scope("averages"):
        aside = {v: tf.get_variable(f"aside/{v.op.name}", v.shape, trainable=False, initializer=tf.zeros_initializer(),
                                    collections=[tf.GraphKeys.LOCAL_VARIABLES]) for v in averaged_variables()}
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


def _on_interrupt(handler):
    """Sets the handler of Ctrl-C where that is possible (the main thread). Returns the one before."""
    try:
        return signal.signal(signal.SIGINT, handler)
    except ValueError:
        return None


# ---------------------------------------------------------------- the command

def fit(config, restore="", resume=False):
    """Trains a model by a Config; restore: checkpoint to start from; resume: go on from the last state.

    Returns the Trainer, whose state has the history, and whether Ctrl-C ended it.
    """
    for name in ("checkpoint_dir", "summary_dir"):
        check_folder(getattr(config, name), f"--{name}")
    registry.import_custom("encoder", config.encoder)
    if resume:
        trainer = _resumed(config)
    elif restore:
        trainer = _restored(config, checkpoint.resolve(restore))
    else:
        config, data = load_data(config)
        trainer = Trainer(config, data, _hashes(config))
        trainer.load_vectors()
    interrupted = trainer.run()
    if trainer.state.history:
        plot_history(trainer.state.history, os.path.join(trainer.config.checkpoint_dir, "learning_curve.png"))
    return trainer, interrupted


def _restored(config, prefix):
    meta = checkpoint.load_meta(prefix)
    emb, gazetteer = _vocabulary(prefix, meta)
    config, data = load_data(config, emb, gazetteer, meta["tags"])
    trainer = Trainer(config, data, {**_hashes(config), prefix: file_hash(prefix + ".data-00000-of-00001")})
    checkpoint.restore(trainer.session, trainer.model_saver, prefix)
    return trainer


def _resumed(config):
    prefix = os.path.join(config.checkpoint_dir, checkpoint.STATE)
    meta = checkpoint.load_meta(prefix)
    for path in corpus_paths(config):
        check_readable(path, "--train_path and --dev_path")
        if file_hash(path) != meta["made_from"].get(path):
            raise UserError(f"{path}: not the file that the interrupted run was trained on; bring it back, "
                            "or start afresh with --restore")
    emb, gazetteer = _vocabulary(prefix, meta)
    trainer = Trainer(*load_data(config, emb, gazetteer, meta["tags"]), meta["made_from"])
    trainer.restore_state(prefix, meta)
    return trainer


def corpus_paths(config):
    return config.train_path + ([] if config.dev_fraction else config.dev_path)


def _hashes(config):
    return {path: file_hash(path) for path in [*corpus_paths(config), *filter(None, (config.emb_path, config.gazetteer))]}


def _vocabulary(prefix, meta):
    emb = checkpoint.load_emb(prefix, meta)
    return emb, Gazetteer.from_dict(meta["gazetteer"]) if meta["gazetteer"] else None


def plot_history(history, path):
    """Learning curve: losses on the left, F1 on the right, by epoch."""
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    epochs = [row["epoch"] for row in history]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4))
    for axes, names, label in ((left, ("train_loss", "dev_loss"), "loss"), (right, ("token_f1", "chunk_f1"), "dev F1 (%)")):
        for name in names:
            axes.plot(epochs, [row[name] for row in history], marker=".", label=name.replace("_", " "))
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.legend()
    figure.tight_layout()
    with atomic_write(path) as out:
        figure.savefig(out, format="png")
    pyplot.close(figure)


def parse_args():
    parser = Parser(description=__doc__)
    parser.add_argument("--config_path", default="", help="YAML or JSON file of hyper-parameters; flags override it")
    parser.add_argument("--model", default="", help=f"a ready-made file of configs/ by its name: {', '.join(model_names())}")
    parser.add_argument("--restore", default="", help="start from the weights of this checkpoint, with a fresh optimizer")
    parser.add_argument("--resume", action="store_true", help="go on from the last state in --checkpoint_dir")
    add_flags(parser)
    return parser.parse_args()


def config_of(args):
    """The Config that the flags ask for, on top of that of the checkpoint where there is one."""
    flags = {name: value for name, value in vars(args).items() if name not in ("config_path", "model", "restore", "resume")}
    if args.model and args.config_path:
        raise UserError("--model and --config_path: expected one of them; --model NAME stands for configs/NAME.yaml")
    args.config_path = model_path(args.model) if args.model else args.config_path
    if args.restore and args.resume:
        raise UserError("--restore and --resume: expected one of them; --resume goes on with the run itself")
    if args.resume:
        return _config_to_resume(args, flags)
    if not args.restore:
        return load_config(args.config_path, flags)
    meta = checkpoint.load_meta(checkpoint.resolve(args.restore))
    base = {name: meta["config"].get(name, getattr(Config(), name)) for name in MODEL_FIELDS}    # older ones had fewer
    base["tag_scheme"] = "" if meta["tag_scheme"] == conll.RAW else meta["tag_scheme"]
    config = load_config(args.config_path, flags, base)
    for name in MODEL_FIELDS:
        if getattr(config, name) != base[name] and name not in FREE_FIELDS:
            raise UserError(f"--{name} {getattr(config, name)}: the checkpoint has {base[name]}, and its weights fit no other; "
                            "leave the flag out, or start anew without --restore")
    checkpoint.check_wrd_dim(config.wrd_dim, meta)
    if config.emb_path:
        checkpoint.check_emb_path(config.emb_path, meta)
    return config


def _config_to_resume(args, flags):
    """The interrupted run's own config; only what does not change the training may be another."""
    flags = {**read_config(args.config_path), **flags}
    folder = flags.get("checkpoint_dir", Config().checkpoint_dir)
    meta = checkpoint.load_meta(checkpoint.resolve(os.path.join(folder, checkpoint.STATE), "--checkpoint_dir"))
    left_to_data = {"wrd_dim": 0, "train_wrd": None, "unk_replace": None}
    config = load_config("", {name: value for name, value in flags.items() if name in RUN_FIELDS}, meta["config"])
    for name, value in flags.items():
        was = meta["config"].get(name, getattr(Config(), name))
        if name not in RUN_FIELDS and value not in (was, left_to_data.get(name, was)):
            raise UserError(f"--{name} {value}: the interrupted run has {was}, and --resume goes on with it; "
                            "leave the flag out, or start anew with --restore")
    return dataclasses.replace(config, checkpoint_dir=folder)


def main():
    args = parse_args()
    trainer, interrupted = fit(config_of(args), args.restore, args.resume)
    state, folder = trainer.state, trainer.config.checkpoint_dir
    if interrupted:
        print(f"train.py: interrupted in epoch {state.epoch + 1}; go on with --resume --checkpoint_dir {folder}", file=sys.stderr)
        return 130
    best = state.history[state.best_epoch - 1]
    print(f"best epoch {state.best_epoch}: token F1 {best['token_f1']:.2f}  chunk F1 {best['chunk_f1']:.2f}; "
          f"model in {os.path.join(folder, checkpoint.MODEL)}")


if __name__ == "__main__":
    run_command(main)
