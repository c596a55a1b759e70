"""Measures time and peak memory of embvec.py on glove.6B.50d (400,000 words), with the vocabularies
of CoNLL-2003.

    python benchmarks/embvec_speed.py --runs 3

The vectors are plain text: a compressed file is unpacked to runs/bench/ before the measurement. It
is an error if a run takes 10 seconds or 1 GB.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time

import _top
from cli import Parser, UserError, run_command
from corpora import BENCH, CORPORA, GLOVE, ROOT, find
from features.word_vectors import open_vectors

MOST_SECONDS, MOST_BYTES = 10.0, 1e9


def plain_vectors():
    """The path of the word vectors as plain text."""
    path = find("embeddings", GLOVE)
    if path.endswith(".txt"):
        return path
    plain = os.path.join(BENCH, GLOVE)
    if not os.path.exists(plain):
        os.makedirs(BENCH, exist_ok=True)
        with open_vectors(os.path.join(ROOT, path)) as packed, open(plain + ".part", "wb") as out:
            shutil.copyfileobj(packed, out, 1 << 20)
        os.rename(plain + ".part", plain)
    return plain


def timed(command):
    """Runs a command. Returns its time in seconds and its peak of resident memory in bytes."""
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise UserError("embvec.py failed; run it by hand to see why: " + " ".join(command))
    return seconds, usage.ru_maxrss * 1024


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs (default 3)")
    args = parser.parse_args()
    if args.runs < 1:
        raise UserError("--runs: expected at least 1")
    train, dev, columns, _ = CORPORA["conll2003"]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "embvec.py",
            "--emb_path",
            plain_vectors(),
            "--wrd_dim",
            "50",
            "--columns",
            columns,
            "--train_path",
            find("data", train),
            "--total_path",
            find("data", dev),
            "--out_path",
            os.path.join(folder, "out.pkl"),
        ]
        print(f"{'run':>3}{'seconds':>10}{'peak MB':>10}")
        for run in range(1, args.runs + 1):
            seconds, peak = timed(command)
            print(f"{run:3}{seconds:10.2f}{peak / 1e6:10.0f}", flush=True)
            if seconds >= MOST_SECONDS or peak >= MOST_BYTES:
                raise UserError(
                    f"expected less than {MOST_SECONDS:.0f} s and {MOST_BYTES / 1e6:.0f} MB; is "
                    "the machine busy?"
                )


if __name__ == "__main__":
    run_command(main)
