"""Fits a model: from the shell, or from Python with `fit`.

    python train.py --emb_path embeddings/glove.6B.50d.txt.pkl --wrd_dim 50 --batch_size 20 --epoch 70

Writes the best model (checkpoint/ner_model), the last state (--resume goes on from it),
history.json and learning_curve.png to --checkpoint_dir, and TensorBoard summaries to --summary_dir.
"""

import argparse
import contextlib
import copy
import dataclasses
import hashlib
import itertools
import os
import re
import sys
from typing import Callable, NamedTuple, Optional

import checkpoint
import conll
import registry
import run_folder
import seeds
import warm_start
from cli import (
    Parser,
    UserError,
    atomic_write,
    check_folder,
    check_readable,
    check_stream,
    run_command,
)
from config import (
    FREE_FIELDS,
    MODEL_FIELDS,
    RUN_FIELDS,
    Config,
    add_flags,
    load_config,
    model_names,
    model_path,
    read_config,
    typed,
)
from corpus import load_data, to_sentences
from embvec import EmbVec, file_hash
from hooks import user_hooks
from settings import gazetteer_of
from structured import shortened
from tagger import columns_note
from trainer import Trainer


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
    meta = checkpoint.load_meta(prefix)
    emb, gazetteer = _vocabulary(prefix, meta)
    config, data = load_data(config, emb, gazetteer, meta["tags"], sentences=given.sentences)
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
    meta = checkpoint.load_meta(prefix)
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
    emb, gazetteer = _vocabulary(prefix, meta)
    trainer = Trainer(
        *load_data(config, emb, gazetteer, meta["tags"]),
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


def _vocabulary(prefix, meta):
    return checkpoint.load_emb(prefix, meta), gazetteer_of(meta)


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


# ---------------------------------------------------------------- from Python


def fit(
    train,
    dev=None,
    config=None,
    optimizer=None,
    hooks=(),
    embeddings=None,
    restore=None,
    warm_start=None,
    warm_start_vars=None,
    overwrite=False,
    trust=False,
    **hyper_parameters,
):
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
    values, sentences = {"summary_dir": "", **_by_name(config), **typed(hyper_parameters)}, {}
    for name, given in (("train", train), ("dev", dev)):
        values[f"{name}_path"], by_value = _paths_or_sentences(given, name)
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
    config = config_of(args)
    if "checkpoint_dir" not in values:
        config = dataclasses.replace(
            config, checkpoint_dir=_new_folder(os.path.join("runs", "fit"))
        )
    given = Given(sentences, copy.copy(embeddings), optimizer, tuple(hooks))
    trainer, ended_by = run_args(args, config, given)
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
    from inference import Tagger

    tagger = Tagger.load(
        os.path.join(trainer.config.checkpoint_dir, checkpoint.MODEL), trust=True
    )  # it is of this process
    tagger.history = trainer.state.history
    return tagger


# ---------------------------------------------------------------- the command

# Flags that are no hyper-parameters.
NOT_IN_CONFIG = (
    "config_path",
    "model",
    "restore",
    "resume",
    "warm_start",
    "warm_start_vars",
    "seeds",
    "overwrite",
    "trust",
    "kept",
)


def parse_args():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--config_path", default="", help="YAML or JSON file of hyper-parameters; flags override it"
    )
    parser.add_argument(
        "--model",
        default="",
        help=f"a ready-made file of configs/ by its name: {', '.join(model_names())}",
    )
    parser.add_argument(
        "--restore",
        default="",
        help="start from the weights of this checkpoint, with a fresh optimizer",
    )
    parser.add_argument(
        "--warm_start",
        default="",
        metavar="CHECKPOINT",
        help="start a new model, with vocabularies, tags and config of its own, from what fits of this checkpoint",
    )
    parser.add_argument(
        "--warm_start_vars",
        metavar="REGEX",
        help="which variables to take over, such as encoder/ (matched from the name's beginning; default all: .*)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last state in --checkpoint_dir"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the model that is in --checkpoint_dir, which is refused otherwise",
    )
    parser.add_argument(
        "--seeds",
        type=seeds.parse_seeds,
        metavar="N,N,...",
        help="train once for each of these seeds, into --checkpoint_dir/seed-N; prints mean and sample deviation",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="import the encoder, loss, metric and hooks that the checkpoint names as "
        "module.function; without it, those alone that are named again",
    )
    add_flags(parser)
    args = parser.parse_args()
    if args.resume and args.overwrite:
        raise UserError(
            "--resume and --overwrite: expected one of them; --resume goes on with what is there"
        )
    return args


def config_of(args):
    """The Config that the flags ask for, on top of that of the checkpoint where there is one. The
    user's own code that it names is imported, as far as the user names it now or trusts who does.
    Raises UserError.

    args: what the parser gives. args.kept, where it is there: the flags among them that seeds.json
    has kept, which nobody has named now.
    """
    config, kept = _merged(args), getattr(args, "kept", ())
    own = {name for name in vars(args) if name not in kept}
    if args.config_path and not {"config_path", "model"} & set(kept):
        own |= read_config(args.config_path).keys()
    for kind, name in config.custom():
        again = f", or where it is named again: --{kind} {name}, or in the config"
        if kind == "hook":
            again = ", or where --hooks or the config name it again, with its parameters"
        named = ("hooks" if kind == "hook" else kind) in own
        registry.import_custom(kind, name, args.trust or named, again)
    if not args.trust:
        _check_outside(config, own)
    return config


def _check_outside(config, own):
    """Raises UserError for what a stranger's checkpoint may not ask for. own: the hyper-parameters
    that the user has named now.
    """
    output = os.path.dirname(os.path.abspath(config.checkpoint_dir))
    places = [os.path.realpath(place) for place in (output, os.getcwd())]
    for name in ("summary_dir", "vector_cache"):
        path = getattr(config, name)
        inside = any(
            os.path.commonpath([place, os.path.realpath(path)]) == place for place in places
        )
        if path and name not in own and not inside:
            raise UserError(
                f"{name} {path}: the checkpoint names a folder that is neither below this one nor "
                f"below {output}; give it again (--{name} {path}), or --trust"
            )
    patterns = len(re.findall(r"[*+{]", config.train_vars))
    if "train_vars" not in own and (patterns > 2 or re.search(r"\)\s*[*+{]", config.train_vars)):
        raise UserError(
            f"train_vars {shortened(config.train_vars)}: the checkpoint names a pattern that may "
            "take without end to match; give it again (--train_vars), or --trust"
        )


def _merged(args):
    """The Config that the flags ask for, on top of that of the checkpoint where there is one."""
    flags = {name: value for name, value in vars(args).items() if name not in NOT_IN_CONFIG}
    if args.model and args.config_path:
        raise UserError(
            "--model and --config_path: expected one of them; --model NAME stands for configs/NAME.yaml"
        )
    args.config_path = model_path(args.model) if args.model else args.config_path
    starts = [name for name in ("warm_start", "restore", "resume") if getattr(args, name)]
    if len(starts) > 1:
        raise UserError(
            f"--{starts[0]} and --{starts[1]}: expected one of them; --resume goes on with the run itself, --restore "
            "keeps the checkpoint's vocabularies, tags and sizes, --warm_start has its own"
        )
    if args.warm_start_vars is not None and not args.warm_start:
        raise UserError(
            "--warm_start_vars: without --warm_start there is nothing to take over; name a checkpoint"
        )
    if args.resume:
        return _config_to_resume(args, flags)
    if not args.restore:
        return load_config(args.config_path, flags)
    meta = checkpoint.load_meta(checkpoint.resolve(args.restore))
    base = {name: meta["config"][name] for name in MODEL_FIELDS}
    base["tag_scheme"] = "" if meta["tag_scheme"] == conll.RAW else meta["tag_scheme"]
    config = load_config(args.config_path, flags, base)
    for name in MODEL_FIELDS:
        if getattr(config, name) != base[name] and name not in FREE_FIELDS:
            raise UserError(
                f"--{name} {getattr(config, name)}: the checkpoint has {base[name]}, and its weights fit no other; "
                "leave the flag out, or start anew without --restore"
            )
    checkpoint.check_wrd_dim(config.wrd_dim, meta)
    if config.emb_path:
        checkpoint.check_emb_path(config.emb_path, meta)
    return config


def _config_to_resume(args, flags):
    """The interrupted run's own config; only what does not change the training may be another."""
    flags = {**read_config(args.config_path), **flags}
    folder = flags.get("checkpoint_dir", Config().checkpoint_dir)
    meta = checkpoint.load_meta(
        checkpoint.resolve(os.path.join(folder, checkpoint.STATE), "--checkpoint_dir")
    )
    left_to_data = {
        "wrd_dim": 0,
        "train_wrd": None,
        "unk_replace": None,
        "use_elmo": None,
        "use_bert": None,
    }
    config = load_config(
        "", {name: value for name, value in flags.items() if name in RUN_FIELDS}, meta["config"]
    )
    for name, value in flags.items():
        was = meta["config"][name]
        if name not in RUN_FIELDS and value not in (was, left_to_data.get(name, was)):
            raise UserError(
                f"--{name} {value}: the interrupted run has {was}, and --resume goes on with it; "
                "leave the flag out, or start anew with --restore"
            )
    return dataclasses.replace(config, checkpoint_dir=folder)


def main():
    args = parse_args()
    check_stream(1)
    if args.seeds:
        return seeds.train_all(args, config_of, run_args)
    trainer, ended_by = run_args(args, config_of(args))
    state, folder = trainer.state, trainer.config.checkpoint_dir
    if ended_by:
        print(
            f"train.py: interrupted in epoch {state.epoch + 1}; go on with --resume "
            f"--checkpoint_dir {folder}{' --trust' if trainer.config.custom() else ''}",
            file=sys.stderr,
        )
        return 128 + ended_by
    if trainer.stopped:
        print(f"stopped: {trainer.stopped}")
    best, step = (
        state.best_scores,
        f" step {state.best_step}" if trainer.config.run_every_secs else "",
    )
    print(
        f"best epoch {state.best_epoch}{step}: token F1 {best['token_f1']:.2f}  chunk F1 {best['chunk_f1']:.2f}; "
        f"model in {os.path.join(folder, checkpoint.MODEL)}"
    )
    if note := columns_note(trainer.config):
        print(f"train.py: {note}", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
