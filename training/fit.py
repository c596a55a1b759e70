"""`fit`: training from Python."""

import argparse
import contextlib
import copy
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import checkpoint
from cli import UserError
from config import Config, model_names, model_path, read_config, typed
from features.vocabulary import EmbVec
from tagging.tagger import Tagger
from training.data import to_sentences
from training.run import Given, run_args
from training.start import config_of

# ---------------------------------------------------------------- from Python


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
    """Trains a model and returns it, the best by dev score, as an inference.Tagger whose `history`
    has the scores by epoch.

        tagger = fit(sentences[100:], sentences[:100], epoch=20, optimizer="adamw", rnn_size=100)

    train, dev: pairs (words, tags), lists of str; or conll.Sentences; or a path, or several.
    Without dev, dev_fraction says which part of the training sentences serves. hyper_parameters:
    fields of config.Config by name, on top of `config`, a Config, a file, or the name of one in
    configs/. optimizer: a name, or a tf.train.Optimizer (its learning rate is its own then), or a
    function from the learning rate, float32 (), to one. hooks: functions hook(run), called after
    each epoch, or what config.hooks may hold with a function as `call`: {"call": function, "every":
    100}. embeddings: an EmbVec, or its file. restore: a Tagger or a checkpoint to go on from, with
    a fresh optimizer. warm_start: one from which a new model, with tags and vocabularies of its
    own, takes over what fits of the variables that warm_start_vars matches (default: all). trust:
    import the encoder that the checkpoint of `restore` names, where it is code of its own and not
    named again here.

    Files go to checkpoint_dir, by default a new folder runs/fit-1, runs/fit-2, ..., and nowhere
    else: summary_dir is off. A model that is in checkpoint_dir is replaced with overwrite=True
    alone. Ctrl-C ends the training; what is best so far is returned. Raises cli.UserError.
    """
    values: dict[str, Any] = {
        "summary_dir": "",
        **_by_name(config),
        **typed(hyper_parameters),
    }
    sentences: dict[str, list] = {}
    for name, corpus in (("train", train), ("dev", dev)):
        values[f"{name}_path"], by_value = _paths_or_sentences(corpus, name)
        sentences.update({name: by_value} if by_value else {})
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
    given = Given(sentences, copy.copy(embeddings), optimizer, tuple(hooks))
    trainer, ended_by = run_args(args, checked, given)
    trainer.session.close()
    if ended_by and not trainer.state.best_step:
        raise KeyboardInterrupt
    return _tagger(trainer)


def _prefix(model):
    """Of a Tagger or a checkpoint's path; '' of None."""
    return os.fspath(getattr(model, "prefix", model) or "")


def _by_name(config):
    """What a Config, a file or a ready-made config says that is not the default, {name: value}."""
    if isinstance(config, Config):
        return {
            name: value
            for name, value in config.to_dict().items()
            if value != Config().to_dict()[name]
        }
    return read_config(model_path(config) if config in model_names() else os.fspath(config or ""))


def _paths_or_sentences(given, name):
    """What fit takes as train or dev -> (paths, conll.Sentences), one of them empty; both where
    there is nothing.
    """
    items = [given] if isinstance(given, (str, os.PathLike)) else list(given or ())
    if items and all(isinstance(item, (str, os.PathLike)) for item in items):
        return [os.fspath(item) for item in items], []
    return [], to_sentences(items, name) if given is not None else []


def _new_folder(stem):
    """Makes the first of stem-1, stem-2, ... that is not there yet."""
    for number in itertools.count(1):
        with contextlib.suppress(FileExistsError):
            os.makedirs(f"{stem}-{number}")
            return f"{stem}-{number}"


def _tagger(trainer):
    """The best model of a run, with its history."""
    tagger = Tagger.load(
        os.path.join(trainer.config.checkpoint_dir, checkpoint.MODEL), trust=True
    )  # it is of this process
    tagger.history = trainer.state.history
    return tagger
