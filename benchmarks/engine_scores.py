"""Measures what probabilities cost in the C++ engine: processor seconds of `etagger MODEL` with and
without them, on CoNLL-2003's dev file (or --input), with one thread. The commands take turns; all
figures are medians over the rounds.

    python benchmarks/engine_scores.py model.etagger

It is an error if --confidence takes more than 1.3 times as long as plain tagging. The ratio holds
only for the model that is measured: the faster the network, the larger the share of the
probabilities. Run `make cc` first; export.py --engine writes the model.
"""

import os
import resource
import statistics
import subprocess
import sys

import _top
from cli import Parser, UserError, check_readable, run_command
from corpora import find
from served_models import binary

MOST = 1.3  # times plain tagging, for --confidence
# {label: (the flags, the flags of the run that it is compared with)}
WAYS = {
    "plain": ([], []),
    "--confidence": (["--confidence"], []),
    "--confidence, a sentence at a time": (
        ["--confidence", "--batch_size", "1"],
        ["--batch_size", "1"],
    ),
    "--json": (["--json"], []),
    "--json --confidence": (["--json", "--confidence"], ["--json"]),
    "--nbest 3": (["--nbest", "3"], []),
    "--nbest 100": (["--nbest", "100"], []),
}


def processor_seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise UserError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(model, path, rounds):
    """{flags as text: median of the processor seconds}."""
    base = [binary("etagger"), model, "-j", "1", "--input", path]
    wanted = {" ".join(flags): flags for both in WAYS.values() for flags in both}
    seconds = {name: [] for name in wanted}
    for number in range(rounds):
        names = list(wanted)[number % len(wanted) :] + list(wanted)[: number % len(wanted)]
        for name in names:
            seconds[name].append(processor_seconds([*base, *wanted[name]]))
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    return {name: statistics.median(measured) for name, measured in seconds.items()}


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("model", help="an .etagger file")
    parser.add_argument("--input", default="", help="columns (default: CoNLL-2003's dev file)")
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    path = args.input or os.path.join(_top.ROOT, find("data", "conll2003/dev.txt"))
    check_readable(path, "--input")
    check_readable(args.model, "MODEL")
    if args.rounds < 1:
        raise UserError(f"--rounds {args.rounds}: expected at least 1")
    seconds = measure(args.model, path, args.rounds)
    for name, (flags, beside) in WAYS.items():
        used, other = seconds[" ".join(flags)], seconds[" ".join(beside)]
        ratio = f"{used / other:5.2f} x {' '.join(beside) or 'plain'}" if flags else ""
        print(f"{name:36}{used:7.2f} s  {ratio}".rstrip())
    ratio = seconds["--confidence"] / seconds[""]
    if ratio > MOST:
        raise UserError(f"--confidence takes {ratio:.2f} times plain tagging, expected {MOST}")


if __name__ == "__main__":
    run_command(main)
