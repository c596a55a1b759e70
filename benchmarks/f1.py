"""Trains models to their end and prints their dev F1 in one table. Finished models are kept in
runs/bench/f1/, and an interrupted training is resumed.

    python benchmarks/f1.py default glove-bilstm-crf        # rows by name
    python benchmarks/f1.py --all                           # hours
    python benchmarks/f1.py                                 # the table of what is finished
"""

import json
import os
import statistics
import subprocess
import sys

import _top
from cli import Parser, UserError, add_threads_flag, run_command, suggest
from corpora import BENCH, ROOT, corpus_flags

# name: (corpus, flags of train.py)
ROWS = {
    "default": ("conll2003", ""),
    # Changes that the literature proposes, one at a time from the default, on CoNLL-2003 with
    # GloVe 6B 50d, 12 epochs
    "iobes": ("conll2003", "--epoch 12 --tag_scheme iobes"),
    "ema": ("conll2003", "--epoch 12 --ema_decay 0.999"),
    "keep0.5": ("conll2003", "--epoch 12 --keep_prob 0.5"),
    "trained": ("conll2003", "--epoch 12 --train_wrd True"),
    "1layer": ("conll2003", "--epoch 12 --rnn_layers 1"),
    "sgd": ("conll2003", "--epoch 12 --optimizer sgd --learning_rate 0.015 --clip_norm 5"),
    "feature-drop": ("conll2003", "--epoch 12 --feature_drop 0.3"),
    # All of them together, trained to the end
    "glove-bilstm-crf": ("conll2003", "--config_path configs/glove-bilstm-crf.yaml"),
    # The other corpora, each with its own config
    "wnut17": ("wnut17", "--config_path configs/wnut17.yaml"),
    "mit-movie": ("mit_movie_trivia", "--config_path configs/mit-movie.yaml"),
    "conll2000": ("conll2000", "--config_path configs/conll2000.yaml"),
    "resume": ("resume_ner", "--config_path configs/resume.yaml"),
}


def folder_of(name):
    return os.path.join(BENCH, "f1", name)


def is_finished(name):
    return is_finished_in(folder_of(name))


def is_finished_in(folder):
    """Whether a training has ended, either with its last epoch or after `patience` epochs without a
    better score.
    """
    try:
        with open(os.path.join(folder, "last_state.json"), encoding="utf-8") as stream:
            meta = json.load(stream)
    except FileNotFoundError:
        return False
    config, state = meta["config"], meta["state"]
    if state["epoch"] >= config["epoch"]:
        return True
    patience = config["patience"]
    return bool(patience) and state["epoch"] - state["best_epoch"] >= patience


def train(name, threads):
    """Trains a row to its end, or resumes its training."""
    corpus, flags = ROWS[name]
    train_into(folder_of(name), threads, lambda: [*corpus_flags(corpus), *flags.split()])


def train_into(folder, threads, flags):
    """Trains into a folder to the end, or resumes a training there. flags: a function that returns
    the flags of a new training.
    """
    folder = os.path.relpath(folder, ROOT)
    command = [sys.executable, "train.py", "--checkpoint_dir", folder, "--threads", str(threads)]
    if os.path.exists(os.path.join(ROOT, folder, "last_state.json")):
        command.append("--resume")
    else:
        command += ["--summary_dir", "", *flags()]
    if subprocess.run(command, cwd=ROOT).returncode:
        raise UserError(f"{folder}: training failed, see above; run this again to go on")


def table(names):
    """Prints a Markdown table of the finished rows."""
    print("| row | corpus | flags | best epoch | token F1 | chunk F1 | s/epoch |")
    print("|---|---|---|---|---|---|---|")
    for name in filter(is_finished, names):
        with open(os.path.join(folder_of(name), "history.json"), encoding="utf-8") as stream:
            history = json.load(stream)
        best = max(history, key=lambda row: row["chunk_f1"])
        corpus, flags = ROWS[name]
        print(
            f"| {name} | {corpus} | `{flags or '(none)'}` | {best['epoch']} of {len(history)} | "
            f"{best['token_f1']:.2f} | {best['chunk_f1']:.2f} | "
            f"{statistics.median(row['seconds'] for row in history):.0f} |"
        )


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("rows", nargs="*", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--all", action="store_true", help="every row")
    add_threads_flag(parser)
    args = parser.parse_args()
    for name in args.rows:
        if name not in ROWS:
            raise UserError(f"no row {name!r}{suggest(name, ROWS)}; known are {', '.join(ROWS)}")
    for name in list(ROWS) if args.all else args.rows:
        if not is_finished(name):
            train(name, args.threads)
    table(args.rows or ROWS)


if __name__ == "__main__":
    run_command(main)
