"""Measures the tokens a second of `inference.py --mode bucket`, and of its session alone, on 1 and
2 threads.

    python benchmarks/tag_speed.py --copies 10 --rounds 3
    python benchmarks/tag_speed.py --restore checkpoint/ner_model

The text is --copies copies of CoNLL-2003's dev file. Without --restore a model of the default
config is trained for some steps (the weights do not matter here). The session alone gets the same
batches, which are made beforehand. The share of Python is the part of the time that a pass over the
file spends outside of the session's calls: reading, parsing, ids, padding, names of tags, writing.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import time

import _top
from cli import Parser, UserError, run_command
from common import Rows, Worker, add_afresh_flag, serve
from corpora import BENCH, CORPORA, ROOT, corpus_flags, find

THREADS = (1, 2)


def text(copies):
    """The path of the file to tag, which is made if it is missing."""
    path = os.path.join(BENCH, f"dev-{copies}.txt")
    if not os.path.exists(path):
        os.makedirs(BENCH, exist_ok=True)
        with (
            open(os.path.join(ROOT, find("data", CORPORA["conll2003"][1])), "rb") as dev,
            open(path, "wb") as out,
        ):
            out.write((dev.read().rstrip(b"\n") + b"\n\n") * copies)
    return path


def model():
    """The prefix of a checkpoint of the default config, which is trained for some steps if it is
    missing.
    """
    folder = os.path.join(BENCH, "tagger")
    if not os.path.exists(os.path.join(folder, "ner_model.json")):
        command = [
            sys.executable,
            "train.py",
            *corpus_flags("conll2003"),
            "--checkpoint_dir",
            folder,
            "--summary_dir",
            "",
            "--epoch",
            "1",
            "--max_train_steps_per_epoch",
            "300",
            "--max_eval_steps",
            "10",
        ]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return os.path.join(folder, "ner_model")


def whole_process(path, restore, threads):
    """Runs inference.py. Returns the seconds to its end, the seconds from its first output to its
    end, and the tokens in both times.
    """
    command = [
        sys.executable,
        "inference.py",
        "--mode",
        "bucket",
        "--restore",
        restore,
        "--threads",
        str(threads),
    ]
    with open(path, "rb") as stream:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT
        )
        first = os.read(process.stdout.fileno(), 1 << 20)
        first_out = time.perf_counter()
        rest = process.stdout.read()
        if process.wait():
            raise UserError("inference.py failed; run it by hand to see why: " + " ".join(command))
        ended = time.perf_counter()
    tokens = [sum(1 for line in part.split(b"\n") if line.strip()) for part in (first, rest)]
    return {
        "seconds": ended - started,
        "tokens": sum(tokens),
        "later_seconds": ended - first_out,
        "later_tokens": tokens[1],
    }


class Session:
    """The worker's side: tags the file within one process, and runs the session alone."""

    def __init__(self, path, restore, threads):
        import inference
        from tagging import streams

        self.path, self.tag_columns = path, streams.tag_columns
        self.tagger = inference.Tagger.load(restore, threads=threads)
        self.call, self.tagger.run = self.tagger.run, self._recorded
        self._pass()

    def _recorded(self, inputs):
        started = time.perf_counter()
        ids = self.call(inputs)
        self.seconds += time.perf_counter() - started
        self.batches.append(inputs)
        return ids

    def _pass(self):
        """Tags the file. Returns the seconds; self.seconds are those within the session's calls."""
        self.seconds, self.batches, started = 0.0, [], time.perf_counter()
        with open(self.path, "rb") as stream, io.BytesIO() as out:
            self.tag_columns(
                self.tagger,
                argparse.Namespace(columns="", delimiter="", timing=False),
                stream,
                self.path,
                out,
            )
        return time.perf_counter() - started

    def answer(self):
        seconds = self._pass()
        started = time.perf_counter()
        for inputs in self.batches:
            self.call(inputs)
        return {
            "seconds": time.perf_counter() - started,
            "python": 1.0 - self.seconds / seconds,
            "tokens": sum(
                int((inputs["input_data_word_ids"] > 0).sum()) for inputs in self.batches
            ),
        }


def measure(path, restore, rounds, rows):
    """Measures until there are `rounds` rounds; the whole process and the session take turns."""
    workers = {
        threads: Worker(
            [
                sys.executable,
                os.path.abspath(__file__),
                "--worker",
                str(threads),
                "--restore",
                restore,
                "--input",
                path,
            ]
        )
        for threads in THREADS
    }
    while len(rows.rows) < rounds:
        rows.add(
            {
                str(threads): {
                    "whole": whole_process(path, restore, threads),
                    "session": worker.ask(),
                }
                for threads, worker in workers.items()
            }
        )
        print(f"round {len(rows.rows)} of {rounds}", file=sys.stderr)
    for worker in workers.values():
        worker.close()


def report(rows):
    print(f"{rows[0]['1']['whole']['tokens']:,} tokens, medians of {len(rows)} rounds")
    print(
        f"{'tokens/s':40}"
        + "".join(f"{threads} thread{'s' * (threads > 1)}".rjust(12) for threads in THREADS)
    )
    kinds = {
        "whole process, start included": lambda row: (
            row["whole"]["tokens"] / row["whole"]["seconds"]
        ),
        "whole process after the first output": lambda row: (
            row["whole"]["later_tokens"] / row["whole"]["later_seconds"]
        ),
        "session alone": lambda row: row["session"]["tokens"] / row["session"]["seconds"],
    }
    for title, speed in kinds.items():
        print(
            f"{title:40}"
            + "".join(f"{_median(rows, threads, speed):12,.0f}" for threads in THREADS)
        )
    shares = (
        100 * _median(rows, threads, lambda row: row["session"]["python"]) for threads in THREADS
    )
    print(f"{'share of Python in a pass':40}" + "".join(f"{share:11.0f}%" for share in shares))


def _median(rows, threads, figure):
    return statistics.median(figure(row[str(threads)]) for row in rows)


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--copies", type=int, default=10, help="copies of the dev file (default 10)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument(
        "--restore", default="", help="a checkpoint (default: one of its own in runs/bench)"
    )
    add_afresh_flag(parser)
    parser.add_argument("--input", default="", help="file to tag (default: see above)")
    parser.add_argument(
        "--worker",
        type=int,
        default=0,
        help="serve the session on so many threads (the benchmark's own use)",
    )
    args = parser.parse_args()
    if args.copies < 1 or args.rounds < 1:
        raise UserError("--copies and --rounds: expected at least 1")
    path = os.path.abspath(args.input or text(args.copies))
    restore = os.path.abspath(args.restore or model())
    if args.worker:
        serve(Session(path, restore, args.worker).answer)
        return
    rows = Rows("tag_speed", [path, restore], args.afresh)
    if len(rows.rows) < args.rounds:
        measure(path, restore, args.rounds, rows)
    report(rows.rows[: args.rounds])


if __name__ == "__main__":
    run_command(main)
