"""Adds a new label to an old model: trains on PER, LOC and ORG alone, then adds MISC with 200
sentences, by warm start.

    python benchmarks/new_labels.py

The data are CoNLL-2003 with GloVe 50d. Every seventh sentence of the training set is set aside. The
old model is trained on the others, in which MISC is replaced by O. The new sentences are 200 of
those set aside that have a MISC, with all their labels. The new model learns them together with 200
old sentences (etc/mix_domains.py), in which MISC remains O. This teaches O for some mentions of
MISC, but there are five right mentions for each wrong one. The 200 new sentences alone would teach
that every sentence has a MISC, which the last two columns of the table show.

Prints the dev F1 of the old types (with MISC replaced by O in gold and prediction) before and
after, and the F1 of MISC. It is an error if the old types lose more than 1 point. Finished
trainings are kept in runs/bench/new_labels/.
"""

import os
import statistics
import subprocess
import sys

import _top
from cli import Parser, UserError, add_threads_flag, atomic_write, run_command
from conll import DOCSTART, read_blocks
from corpora import BENCH, CORPORA, ROOT, emb_path, find
from f1 import is_finished_in, train_into
from missing_columns import tag, tag_column
from scoring import chunks

FOLDER = os.path.join(BENCH, "new_labels")
SENTENCES = 200
OLD_FLAGS = ["--rnn_layers", "1", "--epoch", "8"]
NEW_FLAGS = [
    "--rnn_layers",
    "1",
    "--epoch",
    "15",
    "--patience",
    "4",
    "--learning_rate",
    "0.0005",
]  # with a learning rate of 0.001 the model forgets more


def path_of(name):
    return os.path.relpath(os.path.join(FOLDER, name), ROOT)


def sentences(path):
    """A file's sentences, each a list of rows as bytes."""
    with open(os.path.join(ROOT, path), "rb") as stream:
        return [
            block.rows
            for block in read_blocks(stream)
            if block.rows and not block.rows[0].startswith(DOCSTART.encode())
        ]


def write(name, rows_of_sentences):
    with atomic_write(os.path.join(FOLDER, name)) as out:
        for rows in rows_of_sentences:
            out.write(b"".join(row + b"\n" for row in rows) + b"\n")


def without_misc(rows):
    return [row.rpartition(b" ")[0] + b" O" if row.endswith(b"-MISC") else row for row in rows]


def has_misc(rows):
    return any(row.endswith(b"-MISC") for row in rows)


def make_data(seeds):
    """Writes old.txt, old-dev.txt, new.txt and dev.txt; mixed-N.txt and alone-N.txt for each seed
    N; and old.pkl, the EmbVec file of the old model.
    """
    os.makedirs(FOLDER, exist_ok=True)
    train, dev = (sentences(find("data", name)) for name in CORPORA["conll2003"][:2])
    write("old.txt", [without_misc(rows) for i, rows in enumerate(train) if i % 7 != 6])
    write("old-dev.txt", map(without_misc, dev))
    write("new.txt", filter(has_misc, train[6::7]))
    write("dev.txt", dev)
    for seed in seeds:
        command = [
            sys.executable,
            "etc/mix_domains.py",
            path_of("old.txt"),
            "--new",
            path_of("new.txt"),
            "--sentences",
            str(SENTENCES),
            "--seed",
            str(seed),
        ]
        with atomic_write(os.path.join(FOLDER, f"mixed-{seed}.txt")) as out:
            subprocess.run(command, cwd=ROOT, stdout=out, check=True)
        write(f"alone-{seed}.txt", filter(has_misc, sentences(path_of(f"mixed-{seed}.txt"))))
    if not os.path.exists(os.path.join(FOLDER, "old.pkl")):
        subprocess.run(
            [
                sys.executable,
                "embvec.py",
                "--emb_path",
                find("embeddings", CORPORA["conll2003"][3]),
                "--wrd_dim",
                "50",
                "--train_path",
                path_of("old.txt"),
                "--total_path",
                path_of("dev.txt"),
                path_of("new.txt"),
                "--out_path",
                path_of("old.pkl"),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            check=True,
        )


def train_old(seed, threads):
    train_once(
        f"old-{seed}",
        threads,
        [
            "--train_path",
            path_of("old.txt"),
            "--dev_path",
            path_of("old-dev.txt"),
            "--emb_path",
            path_of("old.pkl"),
            "--seed",
            str(seed),
            *OLD_FLAGS,
        ],
    )


def train_new(name, seed, threads):
    """Trains the new model of a seed on the file NAME-SEED.txt. name: mixed or alone."""
    train_once(
        f"{name}-{seed}",
        threads,
        [
            "--train_path",
            path_of(f"{name}-{seed}.txt"),
            "--dev_path",
            path_of("dev.txt"),
            "--emb_path",
            emb_path("conll2003"),
            "--warm_start",
            path_of(f"old-{seed}"),
            "--seed",
            str(seed),
            *NEW_FLAGS,
        ],
    )


def train_once(name, threads, flags):
    folder = os.path.join(FOLDER, name)
    if not is_finished_in(folder):
        train_into(folder, threads, lambda: flags)


def scores(checkpoint):
    """Dev F1 of the old types and of MISC, in percent."""
    with open(os.path.join(FOLDER, "dev.txt"), "rb") as stream:
        data = stream.read()
    gold, predicted = tag_column(data), tag_column(tag(checkpoint, data))
    return [
        chunks.score(only(gold, misc), only(predicted, misc), scheme="bio").f1
        for misc in (False, True)
    ]


def only(sequences, misc):
    """Tag sequences with O in place of MISC or, if `misc`, in place of all other types."""
    return [[tag if tag.endswith("-MISC") == misc else "O" for tag in tags] for tags in sequences]


def figures(seed):
    """Five F1 scores: the old types before the training; the old types and MISC after it, with old
    sentences among the new ones; and the same two without old sentences.
    """
    old, mixed, alone = (
        scores(os.path.join(FOLDER, f"{name}-{seed}")) for name in ("old", "mixed", "alone")
    )
    return [old[0], *mixed, *alone]


def table(rows):
    """Prints a Markdown table. rows: {seed: figures}."""
    print(
        f"| seed | old types before | after {SENTENCES} new and {SENTENCES} old sentences | MISC | "
        f"after the {SENTENCES} new ones alone | MISC |"
    )
    print("|---|---|---|---|---|---|")
    for seed, row in rows.items():
        print(f"| {seed} | " + " | ".join(f"{figure:.2f}" for figure in row) + " |")
    if len(rows) > 1:
        columns = zip(*rows.values())
        print(
            "| mean (deviation) | "
            + " | ".join(
                f"{statistics.mean(column):.2f} ({statistics.stdev(column):.2f})"
                for column in columns
            )
            + " |"
        )


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="default 1 2 3")
    add_threads_flag(parser)
    args = parser.parse_args()
    make_data(args.seeds)
    for seed in args.seeds:
        train_old(seed, args.threads)
        for name in ("mixed", "alone"):
            train_new(name, seed, args.threads)
    rows = {seed: figures(seed) for seed in args.seeds}
    table(rows)
    loss = max(before - after for before, after, *_ in rows.values())
    if loss > 1:
        raise UserError(f"the old types lose {loss:.2f} points, expected 1 at most")


if __name__ == "__main__":
    run_command(main)
