"""A training run from its beginning to its end: fresh, restored, resumed or warm-started."""

import hashlib
import os
from collections.abc import Callable
from typing import NamedTuple, Optional

import checkpoint
from cli import UserError, atomic_write, check_folder, check_readable, file_hash
from features.vocabulary import EmbVec
from tagging.trained import load
from training import run_folder, warm_start
from training.data import load_data
from training.hooks import user_hooks
from training.trainer import Trainer

# ---------------------------------------------------------------- a training run


class Given(NamedTuple):
    """What `fit` hands over by value, in place of what the config names."""

    sentences: dict = {}  # {"train" or "dev": conll.Sentences}
    emb: Optional[EmbVec] = None
    optimizer: Optional[Callable] = None  # see training_op
    hooks: tuple = ()  # see hooks.user_hooks

    def hashes(self):
        return {
            f"<{name}>": hashlib.sha256(
                repr([each[1:5] for each in sentences]).encode()
            ).hexdigest()
            for name, sentences in self.sentences.items()
        }


def run_training(config, restore="", resume=False, source=None, given=Given(), overwrite=False):
    """Trains a model by a Config, of which config_of has imported the user's own code; restore:
    checkpoint to start from; resume: go on from the last state; source: what warm_start.read gives,
    to take over what fits; overwrite: a model in config.checkpoint_dir may be replaced.

    Returns the Trainer, whose state has the history, and the signal that ended it, or 0.
    """
    given = given._replace(hooks=[*user_hooks(config.hooks), *user_hooks(given.hooks, own=True)])
    for name in ("checkpoint_dir", "summary_dir", "vector_cache"):
        check_folder(getattr(config, name), f"--{name}")
    with run_folder.claimed(config.checkpoint_dir):
        if not (resume or overwrite):
            run_folder.check_free(config.checkpoint_dir)
        trainer = _begun(config, restore, resume, source, given)
        ended_by = trainer.run()
        if trainer.state.history:
            plot_history(
                trainer.state.history,
                os.path.join(trainer.config.checkpoint_dir, "learning_curve.png"),
            )
    if not ended_by:
        trainer.check_best()
    return trainer, ended_by


def _begun(config, restore, resume, source, given):
    """The Trainer before its first step, or where --resume goes on."""
    if resume:
        return _resumed(config, given)
    if restore:
        return _restored(config, checkpoint.resolve(restore), given)
    if source:
        return _warm_started(config, source, given)
    config, data = load_data(config, given.emb, sentences=given.sentences)
    trainer = Trainer(config, data, _hashes(config, given), given.optimizer, given.hooks)
    trainer.load_pretrained()
    return trainer


def run_args(args, config, given=Given()):
    """run_training as the flags say."""
    source = (
        warm_start.read(args.warm_start, args.warm_start_vars or ".*") if args.warm_start else None
    )
    return run_training(config, args.restore, args.resume, source, given, args.overwrite)


def _restored(config, prefix, given):
    trained = load(prefix)
    meta = trained.meta
    config, data = load_data(
        config, trained.emb, trained.gazetteer, meta["tags"], sentences=given.sentences
    )
    sources = {
        **_hashes(config, given, meta["made_from"]),
        prefix: file_hash(prefix + ".data-00000-of-00001"),
    }
    trainer = Trainer(config, data, sources, given.optimizer, given.hooks, prefix)
    checkpoint.restore(trainer.session, trainer.model_saver, prefix)
    return trainer


def _warm_started(config, source, given):
    config, first, models = warm_start.vocabulary(source, config)
    config, data = load_data(
        config, given.emb, first=first, models=models, sentences=given.sentences
    )
    warm_start.check_scheme(source, data)
    trainer = Trainer(
        config, data, {**_hashes(config, given), **source.hashes()}, given.optimizer, given.hooks
    )
    trainer.load_pretrained()
    warm_start.take_over(source, trainer.model, trainer.session, data)
    return trainer


def _resumed(config, given):
    prefix = os.path.join(config.checkpoint_dir, checkpoint.STATE)
    trained = load(prefix)
    meta = trained.meta
    by_value = [path for path in meta["made_from"] if path.startswith("<")]
    if by_value:
        raise UserError(
            f"{prefix}: its sentences ({' '.join(by_value)}) were given to train.fit in Python, and --resume can not "
            "read them again; go on there with fit(..., restore=...)"
        )
    for path in corpus_paths(config):
        check_readable(path, "--train_path and --dev_path")
        if not os.path.isfile(path):  # a device may have no end, and the checkpoint names it
            raise UserError(f"{path}: not a plain file; bring back the one that was trained on")
        if file_hash(path) != meta["made_from"].get(path):
            raise UserError(
                f"{path}: not the file that the interrupted run was trained on; bring it back, "
                "or start afresh with --restore"
            )
    trainer = Trainer(
        *load_data(config, trained.emb, trained.gazetteer, meta["tags"]),
        meta["made_from"],
        given.optimizer,
        given.hooks,
        prefix,
    )
    trainer.restore_state(prefix, meta)
    return trainer


def corpus_paths(config):
    return config.train_path + ([] if config.dev_fraction else config.dev_path)


def _hashes(config, given, made_from=None):
    """{path: sha256} of what a model is made from. made_from: that of the checkpoint that training
    starts from, which has a gazetteer of its own.
    """
    files = [*corpus_paths(config), *filter(None, (config.emb_path,))]
    names = {}
    if config.gazetteer and made_from is None:
        files.append(config.gazetteer)
    elif config.gazetteer in (made_from or {}):
        names = {config.gazetteer: made_from[config.gazetteer]}
    return {**{path: file_hash(path) for path in files}, **names, **given.hashes()}


def plot_history(history, path):
    """Learning curve: losses on the left, F1 on the right, by epoch."""
    from matplotlib.figure import Figure  # not pyplot, whose backend is a notebook's own business

    figure = Figure(figsize=(10, 4))
    left, right = figure.subplots(1, 2)
    for axes, names, label in (
        (left, ("train_loss", "dev_loss"), "loss"),
        (right, ("token_f1", "chunk_f1"), "dev F1 (%)"),
    ):
        for name in names:
            rows = [row for row in history if row[name] is not None]
            axes.plot(
                [row["epoch"] for row in rows],
                [row[name] for row in rows],
                marker=".",
                label=name.replace("_", " "),
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.legend()
    figure.tight_layout()
    with atomic_write(path) as out:
        figure.savefig(out, format="png")
