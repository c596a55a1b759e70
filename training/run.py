"""A training from its beginning to its end: fresh, restored, resumed or warm-started."""

import hashlib
import os
from collections.abc import Callable
from typing import NamedTuple, Optional

import checkpoint
from checkpoint import State
from cli import UserError, check_folder, check_readable, file_hash
from features.vocabulary import EmbVec
from tagging.trained import load
from training import run_folder, warm_start
from training.data import load_data
from training.graph import TrainingGraph
from training.hooks import user_hooks
from training.trainer import Trainer, train


class Start(NamedTuple):
    """What a training begins from: one of these, or nothing, for a fresh model."""

    restore: str = ""  # a checkpoint whose weights it takes, with a fresh optimizer
    resume: bool = False  # goes on from the last state in config.checkpoint_dir
    source: Optional[warm_start.Source] = None  # a new model takes over what fits of it


class PythonInputs(NamedTuple):
    """What a caller of `fit` hands over as objects, in place of what the config names."""

    sentences: dict = {}  # {"train" or "dev": conll.Sentences}
    embeddings: Optional[EmbVec] = None
    optimizer: Optional[Callable] = None  # see training_op
    hooks: tuple = ()  # see hooks.user_hooks

    def hashes(self):
        """{"<train>" or "<dev>": sha256 of the sentences}"""
        return {
            f"<{name}>": hashlib.sha256(
                repr([sentence[1:5] for sentence in sentences]).encode()
            ).hexdigest()
            for name, sentences in self.sentences.items()
        }


def run_args(args, config, inputs=PythonInputs()):
    """Trains as the flags of train.py say. Returns what run_training does."""
    source = None
    if args.warm_start:
        source = warm_start.read(args.warm_start, args.warm_start_vars or ".*")
    start = Start(args.restore, args.resume, source)
    return run_training(config, start, inputs, overwrite=args.overwrite)


def run_training(config, start=Start(), inputs=PythonInputs(), overwrite=False):
    """Trains a model by a Config, of which config_of has imported the user's own code. overwrite:
    whether a model in config.checkpoint_dir may be replaced.

    Returns (Trainer, whose state has the history; the signal that ended the training, or 0). Raises
    UserError, also where the training ended without a model to keep.
    """
    hooks = [*user_hooks(config.hooks), *user_hooks(inputs.hooks, own=True)]
    for name in ("checkpoint_dir", "summary_dir", "vector_cache"):
        check_folder(getattr(config, name), f"--{name}")
    with run_folder.claimed(config.checkpoint_dir):
        if not (start.resume or overwrite):
            run_folder.check_free(config.checkpoint_dir)
        trainer = create_trainer(config, start, inputs, hooks)
        ended_by = train(trainer)
        if trainer.state.history:
            trainer.files.plot_history(trainer.state.history)
    if not (ended_by or trainer.state.best_step):
        raise UserError(
            "no model was kept: at no evaluation was the score a finite number; the last state "
            f"is {trainer.files.state_prefix}"
        )
    return trainer, ended_by


# ---------------------------------------------------------------- four ways to begin


def create_trainer(config, start=Start(), inputs=PythonInputs(), hooks=()):
    """A Trainer that is ready for its next step, whatever it begins from. hooks: see hooks.Hook.
    Raises UserError.
    """
    if start.resume:
        return _resumed(config, inputs, hooks)
    if start.restore:
        return _restored(config, checkpoint.resolve(start.restore), inputs, hooks)
    if start.source:
        return _warm_started(config, start.source, inputs, hooks)
    return _fresh(config, inputs, hooks)


def _fresh(config, inputs, hooks):
    config, data = load_data(config, emb=inputs.embeddings, sentences=inputs.sentences)
    made_from = _hashes(config, inputs)
    graph = TrainingGraph(config, data, inputs.optimizer)
    graph.load_pretrained(data.emb)
    return Trainer(config, data, graph, made_from, hooks)


def _warm_started(config, source, inputs, hooks):
    config, first, models = warm_start.vocabulary(source, config)
    config, data = load_data(
        config, emb=inputs.embeddings, first=first, models=models, sentences=inputs.sentences
    )
    warm_start.check_scheme(source, data)
    made_from = {**_hashes(config, inputs), **source.hashes()}
    graph = TrainingGraph(config, data, inputs.optimizer)
    graph.load_pretrained(data.emb)
    warm_start.take_over(source, graph.model, graph.session, data)
    return Trainer(config, data, graph, made_from, hooks)


def _restored(config, prefix, inputs, hooks):
    trained = load(prefix)
    config, data = load_data(config, **_vocabulary(trained), sentences=inputs.sentences)
    made_from = {
        **_hashes(config, inputs, trained.meta["made_from"]),
        prefix: file_hash(prefix + ".data-00000-of-00001"),
    }
    graph = TrainingGraph(config, data, inputs.optimizer, prefix)
    graph.restore_model(prefix)
    return Trainer(config, data, graph, made_from, hooks)


def _resumed(config, inputs, hooks):
    prefix = os.path.join(config.checkpoint_dir, checkpoint.STATE)
    trained = load(prefix)
    made_from = trained.meta["made_from"]
    _check_same_corpus(config, prefix, made_from)
    config, data = load_data(config, **_vocabulary(trained))
    graph = TrainingGraph(config, data, inputs.optimizer, prefix)
    graph.restore_state(prefix)
    state = State.of(trained.meta["state"], f"{prefix}.json")
    state.step = graph.steps_done()
    return Trainer(config, data, graph, made_from, hooks, state)


def _vocabulary(trained):
    """What load_data takes over from a checkpoint, see tagging.trained.load."""
    return {
        "emb": trained.emb,
        "gazetteer": trained.gazetteer,
        "tags": trained.meta["tags"],
    }


def _check_same_corpus(config, prefix, made_from):
    """Raises UserError where the corpus is not the one of the interrupted training."""
    by_value = [path for path in made_from if path.startswith("<")]
    if by_value:
        raise UserError(
            f"{prefix}: its sentences ({' '.join(by_value)}) were given to train.fit in Python, "
            "and --resume cannot read them again; go on there with fit(..., restore=...)"
        )
    for path in _corpus_paths(config):
        check_readable(path, "--train_path and --dev_path")
        if not os.path.isfile(path):  # a device may have no end, and the checkpoint names it
            raise UserError(f"{path}: not a plain file; bring back the one that was trained on")
        if file_hash(path) != made_from.get(path):
            raise UserError(
                f"{path}: not the file that the interrupted run was trained on; bring it back, "
                "or start afresh with --restore"
            )


def _corpus_paths(config):
    return config.train_path + ([] if config.dev_fraction else config.dev_path)


def _hashes(config, inputs, made_from=None):
    """{path: sha256} of what a model is made from. made_from: that of the checkpoint that training
    starts from, which has a gazetteer of its own.
    """
    files, names = _corpus_paths(config), {}
    if config.emb_path:
        files = [*files, config.emb_path]
    if config.gazetteer and made_from is None:
        files = [*files, config.gazetteer]
    elif made_from and config.gazetteer in made_from:
        names = {config.gazetteer: made_from[config.gazetteer]}
    return {**{path: file_hash(path) for path in files}, **names, **inputs.hashes()}
