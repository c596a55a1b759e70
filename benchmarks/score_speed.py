"""Compares the scorers in rows a second on the same random file. Each line shows the best of --runs
runs.

    python benchmarks/score_speed.py
    python benchmarks/score_speed.py --rows 100000 --runs 1

A row has five columns (word pos chunk gold pred), and a sentence has 14 tokens on average. One
prediction in ten is random.
"""

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

import _top
from cli import Parser, UserError, run_command

SENTENCE = 14  # tokens on average
TYPES = ("PER", "LOC", "ORG", "MISC")
SCORERS = {
    "chunk_eval.py": [sys.executable, "chunk_eval.py"],
    "chunk_eval.py -d ' '": [sys.executable, "chunk_eval.py", "-d", " "],
    "chunk_eval.py --scheme iobes": [sys.executable, "chunk_eval.py", "--scheme", "iobes"],
    "chunk_eval.py --strict": [sys.executable, "chunk_eval.py", "--strict"],
    "token_eval.py": [sys.executable, "token_eval.py"],
    "perl etc/conlleval": ["perl", "etc/conlleval"],
}


def tags(length, rng):
    """Random BIO tags, `length` of them, about one in five inside a chunk."""
    out = []
    while len(out) < length:
        out.append("O")
        if rng.random() < 0.15:
            kind = rng.choice(TYPES)
            out += [f"B-{kind}"] + [f"I-{kind}"] * rng.randrange(3)
    return out[:length]


def write_rows(out, rows, rng):
    """Writes `rows` rows with blank lines between sentences."""
    vocabulary = ["B-" + kind for kind in TYPES] + ["I-" + kind for kind in TYPES] + ["O"]
    while rows:
        gold = tags(min(rows, rng.randint(1, 2 * SENTENCE - 1)), rng)
        rows -= len(gold)
        for tag in gold:
            predicted = rng.choice(vocabulary) if rng.random() < 0.1 else tag
            out.write(f"word{rng.randrange(20000)} NNP I-NP {tag} {predicted}\n")
        out.write("\n")


def best_times(command, path, runs):
    """(seconds, processor seconds) of the fastest of `runs` runs, with the start of the
    interpreter.
    """
    times = []
    for _ in range(runs):
        with open(path, "rb") as rows:
            used, start = processor_seconds(), time.perf_counter()
            subprocess.run(
                command,
                stdin=rows,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
                cwd=_top.ROOT,
            )
            times.append((time.perf_counter() - start, processor_seconds() - used))
    return min(times)


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def parse_args():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="rows of the file (default 1,000,000)"
    )
    parser.add_argument(
        "--runs",
        type=int,
        default=3,
        help="runs of each scorer, of which the best counts (default 3)",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the made-up rows (default 1)")
    args = parser.parse_args()
    if args.rows < 1 or args.runs < 1:
        raise UserError("--rows and --runs: expected at least 1")
    return args


def main():
    args = parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "rows.txt")
        with open(path, "w") as out:
            write_rows(out, args.rows, random.Random(args.seed))
        print(f"{args.rows:,} rows, {os.path.getsize(path) / 1e6:.1f} MB; best of {args.runs}")
        print(f"{'scorer':<30} {'seconds':>8} {'processor s':>12} {'rows/s':>12}")
        for name, command in SCORERS.items():
            if shutil.which(command[0]) is None:
                print(f"{name:<30} {command[0]} is not installed")
                continue
            seconds, processor = best_times(command, path, args.runs)
            print(
                f"{name:<30} {seconds:8.2f} {processor:12.2f} {args.rows / seconds:12,.0f}",
                flush=True,
            )


if __name__ == "__main__":
    run_command(main)
