"""Compares every encoder and decoder of configs/ on CoNLL-2003 with GloVe 50d: dev F1, parameters
and speed, as a table and a chart.

    python benchmarks/architectures.py          # trains what is missing, hours; measures speed
    python benchmarks/architectures.py --train transformer bigru    # trains these rows alone
    python benchmarks/architectures.py --table  # the tables of what is finished, no training

All presets are trained with seed 1 and the same budget (BUDGET). Speed is measured apart from the
trainings, in one process on one thread. In each round every preset in turn trains on the same
batches, a random sample of an epoch, and tags the same dev sentences one at a time, from words to
tags. The seconds of an epoch are those of the sample, scaled to all batches. All figures are
medians over the rounds.

The Transformer's two feed-forward widths are compared over three seeds of KERNEL_EPOCHS epochs
each. It is an error where the Transformer is more than 0.7 F1 below the BiLSTM-CRF, width 3 less
than 1 F1 above width 1, or the CRF's epoch takes more than 1.5 times that of softmax.
"""

import json
import os
import statistics
import sys
import time

import numpy as np

import _top
from cli import Parser, UserError, atomic_write, run_command, suggest
from common import Rows
from config import load_config, model_path
from corpora import BENCH, ROOT, corpus_flags
from f1 import is_finished_in, train_into

PRESETS = (
    "bilstm",
    "bilstm_crf",
    "bigru",
    "bigru_crf",
    "biqrnn",
    "cnn_lstm",
    "cnn_lstm_crf",
    "transformer",
    "bilstm_transformer",
    "bilstm_attention",
)
BUDGET = "--epoch 30 --patience 6"
SEEDS, KERNEL_EPOCHS = (1, 2, 3), 8
KERNELS = {
    f"kernel-{width}-seed-{seed}": (
        f"--ffn_kernel {width} --seed {seed} --epoch {KERNEL_EPOCHS} --patience 0"
    )
    for width in (3, 1)
    for seed in SEEDS
}
# name: (preset, flags of train.py)
ROWS = {
    **{name: (name, BUDGET) for name in PRESETS},
    **{name: ("transformer", flags) for name, flags in KERNELS.items()},
}
CHART = os.path.join(ROOT, "benchmarks", "architectures.png")


def folder_of(row):
    return os.path.join(BENCH, "architectures", row)


def is_finished(row):
    return is_finished_in(folder_of(row))


def train(row, threads):
    preset, flags = ROWS[row]
    train_into(
        folder_of(row),
        threads,
        lambda: [*corpus_flags("conll2003"), "--model", preset, *flags.split()],
    )


def best_epoch(row):
    """The history entry of a row's best epoch, and the number of epochs."""
    with open(os.path.join(folder_of(row), "history.json"), encoding="utf-8") as stream:
        history = json.load(stream)
    return max(history, key=lambda epoch: epoch["chunk_f1"]), len(history)


# ---------------------------------------------------------------- speed


class Timed:
    """A preset with its own graph and session, on data that all presets share."""

    def __init__(self, name, config, data):
        from training.graph import TrainingGraph

        self.name, self.data = name, data
        self.training = TrainingGraph(config, data)
        trained = {
            variable.op.name
            for variable in self.training.graph.get_collection("trainable_variables")
        }
        sizes = {
            variable.op.name: variable.shape.num_elements()
            for variable in self.training.model.variables
        }
        self.trainable = sum(size for name, size in sizes.items() if name in trained)
        self.other = sum(sizes.values()) - self.trainable

    def steps(self, batches):
        """Returns the seconds of training on batches, which are lists of example indices."""
        started = time.perf_counter()
        for batch in batches:
            inputs = self.data.feeder.batch(
                [self.data.train[i] for i in batch], np.random.default_rng(0)
            )
            self.training.step(inputs)
        return time.perf_counter() - started

    def tag(self, examples):
        """Returns the seconds of tagging the sentences one at a time."""
        started = time.perf_counter()
        for example in examples:
            self.training.tags(self.data.feeder.batch([example]))
        return time.perf_counter() - started


def speeds(rounds, steps, sentences):
    """{preset: [seconds an epoch, milliseconds a sentence, trainable, other parameters]}, kept in
    runs/bench/architectures.jsonl.
    """
    from features.feed import training_batches
    from training.data import load_data

    stored = Rows("architectures", [rounds, steps, sentences, PRESETS])
    if stored.rows:
        return stored.rows[-1]
    flags = dict(zip(*[iter(corpus_flags("conll2003"))] * 2))
    given = {
        "train_path": [flags["--train_path"]],
        "dev_path": [flags["--dev_path"]],
        "emb_path": flags["--emb_path"],
        "threads": 1,
        "summary_dir": "",
        "columns": flags.get("--columns", ""),
    }
    os.chdir(ROOT)
    base, data = load_data(load_config("", given))
    systems = [
        Timed(name, load_config(model_path(name), given, base.to_dict()), data) for name in PRESETS
    ]
    batches = training_batches([len(example) for example in data.train], base, 0)
    rng = np.random.default_rng(1)
    sample = [batches[i] for i in rng.choice(len(batches), steps, replace=False)]
    examples = [data.dev[i] for i in rng.choice(len(data.dev), sentences, replace=False)]
    times = {system.name: ([], []) for system in systems}
    for k in range(rounds + 1):
        for system in systems:
            of_steps, of_tags = system.steps(sample), system.tag(examples)
            if k:  # the first round is slower, as all shapes are new
                times[system.name][0].append(of_steps / steps * len(batches))
                times[system.name][1].append(1000 * of_tags / sentences)
        print(f"round {k} of {rounds}", file=sys.stderr)
    figures = {
        system.name: [*map(statistics.median, times[system.name]), system.trainable, system.other]
        for system in systems
    }
    figures["CRF / softmax"] = statistics.median(
        crf / softmax for crf, softmax in zip(times["bilstm_crf"][0], times["bilstm"][0])
    )
    stored.add(figures)
    return figures


# ---------------------------------------------------------------- tables


def print_presets(figures):
    print(f"budget: {BUDGET}, seed 1")
    print(
        "| `--model` | dev chunk F1 | dev token F1 | best epoch | trained parameters | others | s "
        "an epoch | ms a sentence |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in filter(is_finished, PRESETS):
        best, epochs = best_epoch(name)
        seconds, milliseconds, trainable, other = figures[name]
        print(
            f"| `{name}` | {best['chunk_f1']:.2f} | {best['token_f1']:.2f} | {best['epoch']} of "
            f"{epochs} | {trainable:,} | {other:,} | {seconds:.1f} | {milliseconds:.2f} |"
        )


def print_kernels():
    """Prints the mean and standard deviation of the best epochs' F1 over the seeds. Returns {width:
    mean} of the widths that are finished.
    """
    means = {}
    for width in (3, 1):
        rows = [f"kernel-{width}-seed-{seed}" for seed in SEEDS]
        if all(map(is_finished, rows)):
            scores = [best_epoch(row)[0]["chunk_f1"] for row in rows]
            means[width] = statistics.mean(scores)
            print(
                f"Transformer, ffn_kernel {width}, {KERNEL_EPOCHS} epochs: {means[width]:.2f} "
                f"(deviation {statistics.stdev(scores):.2f}; "
                f"{', '.join(f'{score:.2f}' for score in scores)})"
            )
    return means


def check(figures, kernels):
    """Raises UserError if finished rows miss the goals in the module's docstring."""
    failures = []
    if all(map(is_finished, ("transformer", "bilstm_crf"))):
        below = best_epoch("bilstm_crf")[0]["chunk_f1"] - best_epoch("transformer")[0]["chunk_f1"]
        print(f"Transformer below the BiLSTM-CRF: {below:.2f} F1 (at most 0.7)")
        failures += ["the Transformer"] if below > 0.7 else []
    if len(kernels) == 2:
        print(f"width 3 above width 1: {kernels[3] - kernels[1]:.2f} F1 (at least 1)")
        failures += ["the kernel width"] if kernels[3] - kernels[1] < 1 else []
    print(
        f"an epoch with CRF against softmax (bilstm_crf, bilstm): {figures['CRF / softmax']:.2f} "
        "times (at most 1.5)"
    )
    failures += ["the CRF's time"] if figures["CRF / softmax"] > 1.5 else []
    if failures:
        raise UserError(f"not reached: {', '.join(failures)}")


def draw(figures):
    """Draws the chart of dev F1 against milliseconds a sentence."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for name in filter(is_finished, PRESETS):
        x, y = figures[name][1], best_epoch(name)[0]["chunk_f1"]
        axes.scatter(
            x, y, marker="o" if load_config(model_path(name)).use_crf else "x", color="tab:blue"
        )
        axes.annotate(name, (x, y), textcoords="offset points", xytext=(5, 4), fontsize=8)
    axes.set_xlabel("milliseconds a sentence, one at a time, 1 thread (x: softmax, o: CRF)")
    axes.set_ylabel("dev chunk F1 (%)")
    axes.margins(x=0.15, y=0.1)
    figure.tight_layout()
    with atomic_write(CHART) as out:
        figure.savefig(out, format="png", dpi=90, metadata={"Software": None})


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--train", nargs="+", metavar="ROW", help=f"train these rows alone, of {', '.join(ROWS)}"
    )
    parser.add_argument("--table", action="store_true", help="the tables of what is finished")
    parser.add_argument(
        "--threads", "-j", type=int, default=1, help="threads of a training (default 1)"
    )
    parser.add_argument(
        "--rounds", type=int, default=7, help="rounds of the speed measurement (default 7)"
    )
    args = parser.parse_args()
    for row in args.train or ():
        if row not in ROWS:
            raise UserError(f"no row {row!r}{suggest(row, ROWS)}; known are {', '.join(ROWS)}")
    for row in () if args.table else args.train or ROWS:
        if not is_finished(row):
            train(row, args.threads)
    if args.train:
        return
    figures = speeds(args.rounds, steps=40, sentences=100)
    print_presets(figures)
    kernels = print_kernels()
    draw(figures)
    check(figures, kernels)


if __name__ == "__main__":
    run_command(main)
