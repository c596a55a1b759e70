"""`fit`: training from Python."""

import argparse
import contextlib
import copy
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from cli import UserError
from config import Config, model_names, model_path, read_config, typed
from features.vocabulary import EmbVec
from tagging.tagger import Tagger
from training.data import to_sentences
from training.run import PythonInputs, run_args
from training.start import config_of

Path = str | os.PathLike[str]
Corpus = Path | Sequence[Path] | Iterable[Sequence[Any]]


def fit(
    train: Corpus,
    dev: Corpus | None = None,
    config: Config | Path | None = None,
    optimizer: Any = None,
    hooks: Iterable[Callable[[Any], Any] | dict[str, Any]] = (),
    embeddings: EmbVec | Path | None = None,
    restore: Tagger | Path | None = None,
    warm_start: Tagger | Path | None = None,
    warm_start_vars: str | None = None,
    overwrite: bool = False,
    trust: bool = False,
    **hyper_parameters: Any,
) -> Tagger:
    """Trains a model and returns the best one by dev score, a tagging.tagger.Tagger whose `history`
    has the scores by epoch.

        tagger = fit(sentences[100:], sentences[:100], epoch=20, optimizer="adamw", rnn_size=100)

    train, dev: pairs (words, tags) of lists of str; or conll.Sentences; or one path or several.
    Without dev, the hyper-parameter dev_fraction says which part of the training sentences is the
    development set. config: a Config, a file, or the name of one in configs/. hyper_parameters:
    fields of config.Config by name; they override config. optimizer: a name, or a function from the
    learning rate, float32 (), to a tf.train.Optimizer, or a tf.train.Optimizer, which has a
    learning rate of its own. hooks: functions hook(run), called after each epoch, or dicts as
    config.hooks holds them with a function as `call`: {"call": function, "every": 100}. embeddings:
    an EmbVec, or its file. restore: a Tagger or a checkpoint whose weights the training starts
    from, with a fresh optimizer. warm_start: a Tagger or a checkpoint from which a new model, with
    tags and vocabularies of its own, takes over what fits of the variables that warm_start_vars
    matches (default: all). trust: whether to import the user's own code that the checkpoint of
    `restore` names, where it is not named again here.

    Files are written to checkpoint_dir, by default a new folder runs/fit-1, runs/fit-2, ..., and
    nowhere else: summary_dir is off. A model that is in checkpoint_dir is only replaced with
    overwrite=True. Ctrl-C ends the training; the best model so far is returned. Raises
    cli.UserError.
    """
    values: dict[str, Any] = {
        "summary_dir": "",
        **_by_name(config),
        **typed(hyper_parameters),
    }
    sentences: dict[str, list] = {}
    for split, corpus in (("train", train), ("dev", dev)):
        values[f"{split}_path"], given = _paths_or_sentences(corpus, split)
        if given:
            sentences[split] = given
    if (dev is None) != bool(values.get("dev_fraction")):
        raise UserError("fit: expected either dev, or a dev_fraction such as 0.1")
    if isinstance(optimizer, str):
        values["optimizer"], optimizer = optimizer, None
    if isinstance(embeddings, (str, os.PathLike)):
        values["emb_path"], embeddings = os.fspath(embeddings), None
    if embeddings is not None and restore:
        raise UserError(
            "fit: embeddings and restore, expected one of them: the restored model has its own"
        )
    args = argparse.Namespace(
        config_path="",
        model="",
        restore=_prefix(restore),
        resume=False,
        warm_start=_prefix(warm_start),
        warm_start_vars=warm_start_vars,
        overwrite=overwrite,
        trust=trust,
        **values,
    )
    checked = config_of(args)
    if "checkpoint_dir" not in values:
        checked = dataclasses.replace(
            checked, checkpoint_dir=_new_folder(os.path.join("runs", "fit"))
        )
    inputs = PythonInputs(sentences, copy.copy(embeddings), optimizer, tuple(hooks))
    trainer, ended_by = run_args(args, checked, inputs)
    trainer.session.close()
    if ended_by and not trainer.state.best_step:
        raise KeyboardInterrupt
    return _tagger(trainer)


def _prefix(model):
    """The prefix of a Tagger, or the path of a checkpoint, as str; '' for None."""
    if model is None:
        return ""
    return os.fspath(getattr(model, "prefix", model))


def _by_name(config):
    """{name: value} of the hyper-parameters that a Config, a file or a ready-made config sets to
    other values than the default. config: None, too.
    """
    if config is None:
        return {}
    if isinstance(config, Config):
        defaults = Config().to_dict()
        return {name: value for name, value in config.to_dict().items() if value != defaults[name]}
    return read_config(model_path(config) if config in model_names() else os.fspath(config))


def _paths_or_sentences(corpus, name):
    """What fit takes as train or dev -> (paths, conll.Sentences), one of them empty; both are empty
    where corpus is None. name: 'train' or 'dev'. Raises UserError.
    """
    if corpus is None:
        return [], []
    items = [corpus] if isinstance(corpus, (str, os.PathLike)) else list(corpus)
    if items and all(isinstance(item, (str, os.PathLike)) for item in items):
        return [os.fspath(item) for item in items], []
    return [], to_sentences(items, name)


def _new_folder(stem):
    """Makes the first of stem-1, stem-2, ... that is not there yet."""
    for number in itertools.count(1):
        with contextlib.suppress(FileExistsError):
            os.makedirs(f"{stem}-{number}")
            return f"{stem}-{number}"


def _tagger(trainer):
    """The best model of a run, with its history."""
    tagger = Tagger.load(trainer.files.model_prefix, trust=True)  # this process has made it
    tagger.history = trainer.state.history
    return tagger
