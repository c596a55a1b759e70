"""The Config that a training starts with: what the flags ask for, on top of a checkpoint's."""

import dataclasses
import os
import re

import checkpoint
import registry
import schemes
from cli import UserError
from config import (
    FREE_FIELDS,
    MODEL_FIELDS,
    RUN_FIELDS,
    Config,
    load_config,
    model_path,
    read_config,
)
from files.structured import shortened

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


def config_of(args):
    """The Config that the flags ask for, on top of that of the checkpoint where there is one. User
    code that it names is imported where the user has named it now, or has given --trust. Raises
    UserError.

    args: what the parser returns. args.kept, where it is there, names those of the flags that come
    from seeds.json: the user has not given them now.
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
            "--model and --config_path: expected one of them; --model NAME stands for "
            "configs/NAME.yaml"
        )
    args.config_path = model_path(args.model) if args.model else args.config_path
    starts = [name for name in ("warm_start", "restore", "resume") if getattr(args, name)]
    if len(starts) > 1:
        raise UserError(
            f"--{starts[0]} and --{starts[1]}: expected one of them; --resume goes on with the run "
            "itself, --restore keeps the checkpoint's vocabularies, tags and sizes, --warm_start "
            "has its own"
        )
    if args.warm_start_vars is not None and not args.warm_start:
        raise UserError(
            "--warm_start_vars: without --warm_start there is nothing to take over; name a "
            "checkpoint"
        )
    if args.resume:
        return _config_to_resume(args, flags)
    if not args.restore:
        return load_config(args.config_path, flags)
    meta = checkpoint.load_meta(checkpoint.resolve(args.restore))
    base = {name: meta["config"][name] for name in MODEL_FIELDS}
    base["tag_scheme"] = "" if meta["tag_scheme"] == schemes.RAW else meta["tag_scheme"]
    config = load_config(args.config_path, flags, base)
    for name in MODEL_FIELDS:
        if getattr(config, name) != base[name] and name not in FREE_FIELDS:
            raise UserError(
                f"--{name} {getattr(config, name)}: the checkpoint has {base[name]}, and its "
                "weights fit no other; leave the flag out, or start anew without --restore"
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
