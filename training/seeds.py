"""Several trainings that differ in their seed only: train.py --seeds 1,2,3."""

import argparse
import json
import os

import checkpoint
from cli import UserError, atomic_write, note
from config import Config, model_path, read_config, typed
from files.structured import conforms, load_json
from tagging.tagger import columns_note
from training import run_folder
from training.run import run_args
from training.start import config_of

FILE = "seeds.json"
SCORES = ("token_f1", "chunk_f1")
_NOT_KEPT = ("resume", "seeds", "overwrite", "trust")
_EMPTY_BY_DEFAULT = ("config_path", "model", "restore", "warm_start", "warm_start_vars")


def parse_seeds(text):
    """'1,2,3' -> [1, 2, 3]. Raises argparse's error for anything else, for a single seed, and for
    one that occurs twice.
    """
    try:
        seeds = [int(number) for number in text.split(",")]
    except ValueError:
        seeds = []
    if len(seeds) < 2 or len(set(seeds)) < len(seeds):
        raise argparse.ArgumentTypeError(
            f"expected two seeds or more, each once, such as 1,2,3, not {text!r}"
        )
    return seeds


def train_all(args):
    """Trains once for each of args.seeds, one after the other, into CHECKPOINT_DIR/seed-N; prints
    the scores of each and their mean, and writes CHECKPOINT_DIR/seeds.json.

    args: what train.py's parser returns. With --resume a training that is there goes on, and one
    that is not begins with the flags of the command that began them all. Returns the exit code.
    """
    if hasattr(args, "seed"):
        raise UserError("--seeds and --seed: expected one of them")
    folder = _setting(vars(args), "checkpoint_dir")
    kept = _kept_flags(folder) if args.resume else _flags(args)
    runs = [_of_seed(args, kept, seed, folder) for seed in args.seeds]
    configs = [config_of(run) for run in runs]  # a mistake ends the command before the first run
    _check_free(runs, args, folder)
    report = {"seeds": args.seeds, "flags": kept, "runs": []}
    _write(folder, report)
    for run, config in zip(runs, configs):
        note(f"seed {run.seed}, into {run.checkpoint_dir}")
        trainer, ended_by = run_args(run, config)
        trainer.session.close()
        state = trainer.state
        if ended_by:
            trust = " --trust" if config.custom() else ""
            note(
                f"interrupted in epoch {state.epoch + 1} of seed {run.seed}; go on with --resume "
                f"--seeds {','.join(map(str, args.seeds))} --checkpoint_dir {folder}{trust}"
            )
            return 128 + ended_by
        report["runs"].append(
            {
                "seed": run.seed,
                "checkpoint": run.checkpoint_dir,
                "best_epoch": state.best_epoch,
                "epochs": state.epoch,
                **{name: state.best_scores[name] for name in SCORES},
            }
        )
        _write(folder, report)
    report.update(summary(report["runs"]))
    _write(folder, report)
    print(table(report))
    if about_columns := columns_note(trainer.config):
        note(about_columns)
    return 0


def _check_free(runs, args, folder):
    """Raises UserError where a training that is there would be replaced. With --overwrite it
    removes all of them now, so that a later --resume takes no old training for one of these.
    """
    for run in runs:
        if args.overwrite:
            with run_folder.claimed(run.checkpoint_dir):
                for name in (checkpoint.MODEL, checkpoint.STATE):
                    checkpoint.remove(os.path.join(run.checkpoint_dir, name))
        elif not run.resume:
            run_folder.check_free(run.checkpoint_dir)
    if not (args.resume or args.overwrite) and os.path.exists(os.path.join(folder, FILE)):
        _check_report(folder)


def _check_report(folder):
    path = os.path.join(folder, FILE)
    try:
        with open(path, encoding="utf-8") as stream:
            seeds = list(json.load(stream)["seeds"])
    except (ValueError, KeyError, TypeError):
        seeds = []
    if any(run_folder.work_in(os.path.join(folder, f"seed-{seed}")) for seed in seeds):
        raise UserError(
            f"{path}: has the figures of seeds {','.join(map(str, seeds))}, which this training "
            "would replace; give another --checkpoint_dir, or --overwrite"
        )


def summary(runs):
    """{'mean': {score: mean}, 'deviation': {score: sample deviation}} of two runs or more."""
    import statistics

    columns = {name: [run[name] for run in runs] for name in SCORES}
    return {
        "mean": {name: statistics.mean(values) for name, values in columns.items()},
        "deviation": {name: statistics.stdev(values) for name, values in columns.items()},
    }


def table(report):
    """The report's runs, a line for each, then mean and sample deviation."""
    lines = [
        f"seed {run['seed']}: best epoch {run['best_epoch']} of {run['epochs']}: "
        f"token F1 {run['token_f1']:.2f}  chunk F1 {run['chunk_f1']:.2f}; "
        f"model in {os.path.join(run['checkpoint'], checkpoint.MODEL)}"
        for run in report["runs"]
    ]
    means = (
        f"{label} F1 {report['mean'][name]:.2f} (deviation {report['deviation'][name]:.2f})"
        for label, name in (("token", "token_f1"), ("chunk", "chunk_f1"))
    )
    return "\n".join([*lines, f"mean of {len(lines)} seeds: {'  '.join(means)}"])


def _of_seed(args, kept, seed, folder):
    """The arguments of the training of one seed."""
    values = vars(args).copy()
    own = os.path.join(folder, f"seed-{seed}")
    values["resume"] = args.resume and checkpoint.exists(os.path.join(own, checkpoint.STATE))
    if args.resume and not values["resume"]:
        values.update({**kept, **_flags(args)}, kept=kept.keys() - _flags(args).keys())
    if values["resume"]:
        values.update(restore="", warm_start="", warm_start_vars=None)
    summaries = _setting(values, "summary_dir")
    values.update(
        seed=seed,
        checkpoint_dir=own,
        summary_dir=os.path.join(summaries, f"seed-{seed}") if summaries else "",
    )
    return argparse.Namespace(**values)


def _setting(values, name):
    """The value of a hyper-parameter: of its flag, else of the config file, else the default."""
    path = model_path(values["model"]) if values["model"] else values["config_path"]
    return {**Config().to_dict(), **read_config(path), **values}[name]


def _flags(args):
    """The flags that the user gave, as seeds.json keeps them."""
    return {
        name: value
        for name, value in vars(args).items()
        if name not in _NOT_KEPT and (value or name not in _EMPTY_BY_DEFAULT)
    }


def _kept_flags(folder):
    """The flags that seeds.json keeps. Raises UserError."""
    path = os.path.join(folder, FILE)
    try:
        with open(path, encoding="utf-8") as stream:
            flags = load_json(stream.read())["flags"]
        ours = {name: flags.pop(name) for name in _EMPTY_BY_DEFAULT if name in flags}
        if conforms(ours, dict[str, str]):
            return {**ours, **typed(flags, path)}
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; --seeds with --resume goes on with a run of --seeds: check "
            "--checkpoint_dir, or leave --resume out"
        ) from None
    except (ValueError, LookupError, TypeError, AttributeError):
        pass
    raise UserError(f"{path}: damaged; leave --resume out to train all seeds anew")


def _write(folder, report):
    os.makedirs(folder, exist_ok=True)
    with atomic_write(os.path.join(folder, FILE), "w", encoding="utf-8") as out:
        json.dump(report, out, indent=1)
