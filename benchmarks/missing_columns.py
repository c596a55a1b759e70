"""Prints the dev F1 on input without POS and chunk columns, of the default model and of one trained
with feature_drop.

    python benchmarks/missing_columns.py

The models are the rows `default` and `feature-drop` of benchmarks/f1.py, which are trained if they
are not finished.
"""

import subprocess
import sys

import _top
from cli import Parser, run_command
from conll import read_blocks
from corpora import CORPORA, ROOT, find
from f1 import folder_of, is_finished, train
from scoring import chunks


def words_alone(path):
    """The first column of a file, as bytes, with blank lines between sentences."""
    with open(path, "rb") as stream:
        return b"".join(
            b"".join(row.split()[0] + b"\n" for row in block.rows) + b"\n"
            for block in read_blocks(stream)
        )


def tag(checkpoint, data):
    command = [sys.executable, "inference.py", "--mode", "bucket", "--restore", checkpoint]
    return subprocess.run(command, cwd=ROOT, input=data, stdout=subprocess.PIPE, check=True).stdout


def tag_column(data, index=-1):
    """One column of a file's rows, a list for each sentence."""
    return [
        [row.split()[index] for row in sentence.split("\n")]
        for sentence in data.decode().strip().split("\n\n")
    ]


def main():
    Parser(description=__doc__).parse_args()
    path = find("data", CORPORA["conll2003"][1])
    with open(f"{ROOT}/{path}", "rb") as stream:
        full = stream.read()
    gold = tag_column(full)
    print("| model | chunk F1 with POS and chunk columns | with words alone |")
    print("|---|---|---|")
    for name in ("default", "feature-drop"):
        if not is_finished(name):
            train(name, 0)
        figures = [
            chunks.score(gold, tag_column(tag(folder_of(name), data))).f1
            for data in (full, words_alone(f"{ROOT}/{path}"))
        ]
        print("| {} | {:.2f} | {:.2f} |".format(name, *figures))


if __name__ == "__main__":
    run_command(main)
