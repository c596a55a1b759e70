"""One table of many training runs: what sets each apart, its best epoch and scores, seconds an
epoch; and a chart.

    python etc/experiments.py runs/bilstm runs/transformer
    python etc/experiments.py --plot chart.png runs

A run is a checkpoint folder of train.py; all below the given folders are found. `flags` are the
hyper-parameters in which a run is not as most of the runs are (of equally many as the default is);
checkpoint_dir and summary_dir set no run apart. Runs that differ in nothing but the seed stand
together, and their mean below them, ± the sample standard deviation. The best epoch is that of the
model that was kept; seconds are the median of the epochs, without evaluation. F1 in percent.
"""

import json
import os
import shlex
import statistics
from typing import NamedTuple

import _top
from checkpoint import MODEL
from cli import Parser, UserError, atomic_write, check_writable, note, run_command
from config import Config
from files.structured import load_json

HISTORY, META = "history.json", f"{MODEL}.json"
OWN = ("checkpoint_dir", "summary_dir", "seed")  # what sets no run apart
MEASURES = ("epoch", "chunk_f1", "token_f1", "seconds")


class Run(NamedTuple):
    """A finished or interrupted training."""

    folder: str
    config: dict  # all hyper-parameters
    history: list  # a dict for each epoch: epoch, seconds, chunk_f1, token_f1, ...
    best_epoch: int
    best_scores: dict  # of the best model, also in the middle of an epoch; {} for old trainings

    @property
    def figures(self):
        """{measure: value} of the best epoch; seconds are the median of all."""
        row = {row["epoch"]: row for row in self.history}.get(
            self.best_epoch, {"epoch": self.best_epoch}
        )
        best = {**row, **self.best_scores}
        return {
            **{name: best[name] for name in MEASURES},
            "seconds": statistics.median(row["seconds"] for row in self.history),
        }


# ---------------------------------------------------------------- reading


def find_folders(folders):
    """All checkpoint folders at and below `folders`, sorted within each. Raises UserError for one
    that has none.
    """
    found = {}
    for top in folders:
        if not os.path.isdir(top):
            raise UserError(
                f"{top}: no such folder; expected checkpoint folders of train.py, or one that they "
                "are in"
            )
        here = sorted(
            os.path.realpath(folder)
            for folder, _, files in os.walk(top)
            if HISTORY in files or META in files
        )
        if not here:
            raise UserError(
                f"{top}: no checkpoint folder of train.py in it, expected {HISTORY} and {META} "
                "there or below"
            )
        found.update(dict.fromkeys(here))
    return list(found)


def read_run(folder):
    """A checkpoint folder -> Run. Raises UserError where its files are missing or damaged."""
    history, meta = (_read_json(os.path.join(folder, name)) for name in (HISTORY, META))
    try:
        run = Run(
            folder,
            dict(meta["config"]),
            history,
            meta["state"]["best_epoch"],
            meta["state"].get("best_scores", {}),
        )
        if all(isinstance(run.figures[name], (int, float)) for name in MEASURES):
            return run
    except (LookupError, TypeError, ValueError, AttributeError):
        pass
    raise UserError(
        f"{folder}: {HISTORY} and {META} do not tell the scores of a best epoch; they are damaged "
        "or of two runs"
    )


def _read_json(path):
    try:
        with open(path, encoding="utf-8") as stream:
            return load_json(stream.read())
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file; the training has not finished an epoch, or the file was moved"
        ) from None
    except ValueError as error:
        raise UserError(f"{path}:{getattr(error, 'lineno', 1)}: truncated or not JSON") from None


# ---------------------------------------------------------------- what sets runs apart


def flags_of(runs):
    """For each run the flags that set it apart: ['--rnn_layers 1 --keep_prob 0.5', ...]; see the
    top of this file.
    """
    defaults = Config().to_dict()
    configs = [{**defaults, **run.config} for run in runs]
    flags = [[] for _ in runs]
    for name in [name for name in configs[0] if name not in OWN]:
        values = [config.get(name) for config in configs]
        usual = _usual(values, defaults.get(name))
        for own, value in zip(flags, values):
            if [value] != usual:
                own.append(f"--{name} {_value(value)}")
    return [" ".join(own) for own in flags]


def _usual(values, default):
    """[the value that most runs have], of several the default; [] where they are all others."""
    most = max(map(values.count, values))
    usual = [
        value
        for i, value in enumerate(values)
        if values.count(value) == most and value not in values[:i]
    ]
    return usual if len(usual) == 1 else [value for value in usual if value == default]


def _value(value):
    values = value if isinstance(value, list) else [value]
    return " ".join(shlex.quote(str(one)) for one in values)


def by_seed(runs):
    """Runs in groups that differ in nothing but the seed, in order: a list of lists."""
    groups = {}
    for run in runs:
        key = json.dumps(
            {name: value for name, value in run.config.items() if name not in OWN}, sort_keys=True
        )
        groups.setdefault(key, []).append(run)
    return list(groups.values())


def names_of(runs):
    """{folder: the shortest path that tells the runs apart}."""
    above = os.path.commonpath([os.path.dirname(run.folder) for run in runs])
    return {run.folder: os.path.relpath(run.folder, above) for run in runs}


# ---------------------------------------------------------------- output


def table(runs):
    """Runs -> lines of a Markdown table, runs of different seeds together."""
    names = names_of(runs)
    flags = {run.folder: flag for run, flag in zip(runs, flags_of(runs))}
    lines = [
        "| run | flags | best epoch | dev chunk F1 | dev token F1 | s/epoch |",
        "|---|---|---|---|---|---|",
    ]
    for group in by_seed(runs):
        for run in group:
            figures = run.figures
            seed = f"--seed {run.config.get('seed')}" if len(group) > 1 else ""
            flag = " ".join(filter(None, [flags[run.folder], seed]))
            lines.append(
                f"| {names[run.folder]} | {f'`{flag}`' if flag else ''} | {figures['epoch']} of "
                f"{len(run.history)} | {figures['chunk_f1']:.2f} | {figures['token_f1']:.2f} | "
                f"{figures['seconds']:.1f} |"
            )
        if len(group) > 1:
            columns = [[run.figures[name] for run in group] for name in MEASURES]
            means = [
                f"{statistics.mean(column):.{places}f} ± {statistics.stdev(column):.{places}f}"
                for column, places in zip(columns, (1, 2, 2, 1))
            ]
            flag = flags[group[0].folder]
            cells = [f"mean of {len(group)}", f"`{flag}`" if flag else "", *means]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def draw(runs):
    """Runs -> a matplotlib Figure: dev chunk F1 by epoch, a line for each run with a dot at its
    best; seeds share a colour.
    """
    from matplotlib.figure import Figure

    names, figure = names_of(runs), Figure(figsize=(10, 6))
    axes = figure.subplots()
    for i, group in enumerate(by_seed(runs)):
        for k, run in enumerate(group):
            others = (
                f" and {len(group) - 1} more seed{'s' * (len(group) > 2)}" if len(group) > 1 else ""
            )
            known = [row for row in run.history if row["chunk_f1"] is not None]
            axes.plot(
                [row["epoch"] for row in known],
                [row["chunk_f1"] for row in known],
                color=f"C{i % 10}",
                linestyle=("-", "--", ":", "-.")[i // 10 % 4],
                linewidth=1,
                label=None if k else names[run.folder] + others,
            )
            axes.plot(run.best_epoch, run.figures["chunk_f1"], "o", color=f"C{i % 10}")
    axes.set_xlabel("epoch")
    axes.set_ylabel("dev chunk F1 (%)")
    axes.legend()
    figure.tight_layout()
    return figure


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "folders",
        nargs="+",
        metavar="RUN_DIR",
        help="checkpoint folders, or folders that they are in",
    )
    parser.add_argument("--plot", metavar="FILE", help="draw chunk F1 by epoch to this PNG file")
    args = parser.parse_args()
    if args.plot:
        check_writable(args.plot, "--plot")
    runs = []
    for folder in find_folders(args.folders):
        try:
            runs.append(read_run(folder))
        except UserError as error:
            note(f"left out: {error}")
    if not runs:
        raise UserError(f"{args.folders[0]}: no run that can be read, see above")
    print("\n".join(table(runs)))
    if args.plot:
        figure = draw(runs)
        with atomic_write(args.plot) as out:
            figure.savefig(out, format="png")


if __name__ == "__main__":
    run_command(main)
