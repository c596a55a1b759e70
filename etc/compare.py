"""Whether one tagger is better than another, or only luckier: F1 of two predictions of one file,
and an approximate randomization test of the difference.

    python inference.py --restore runs/a < data/test.txt > a.pred
    python inference.py --restore runs/b < data/test.txt > b.pred
    python etc/compare.py a.pred b.pred

The null hypothesis: both files come from one system, so that in each sentence the two predictions
may as well be swapped. The test swaps them at random, sentence by sentence, `--shuffles` times, and
counts how often the difference of F1 is at least as large as the real one, in either direction (r):
p = (r + 1) / (shuffles + 1), which is never 0 and never too small (Noreen 1989, "Computer-intensive
methods for testing hypotheses"; Yeh 2000, "More accurate tests for the statistical significance of
result differences", COLING). Sentences on which the two agree stay as they are under any swap and
are not shuffled.

Beside each figure stands its 95% interval by the bootstrap, the 2.5th and the 97.5th percentile of
as many samples of sentences with replacement, the same for both systems (Efron 1979).
"""

import itertools
import json

import numpy as np

import _top
from cli import Parser, UserError, run_command
from scoring import counting
from scoring.columns import (
    add_column_flags,
    add_reading_flags,
    as_text,
    columns_of,
    held,
    read_file,
    tag_sequences,
)

BLOCK = 1000  # shuffles at a time


# ---------------------------------------------------------------- counts of each sentence


def read_both(args):
    """The sentences of A and of B, as scoring.columns.tag_sequences gives them. Raises UserError
    where their gold tags differ.
    """
    columns = columns_of(args)
    a, b = (
        held(tag_sequences(read_file(path, args.delimiter, columns.width, "the path"), columns))
        for path in (args.a, args.b)
    )
    for one, other in zip(a, b):
        for i, (gold, again) in enumerate(itertools.zip_longest(one[1], other[1])):
            if gold != again:
                tag, there = (
                    "no token" if given is None else as_text(given) for given in (gold, again)
                )
                raise UserError(
                    f"{args.a}:{one[0] + i}: gold {tag}, {args.b}:{other[0] + i} has {there}; "
                    "expected two predictions of one file, with the same gold column"
                )
    if len(a) != len(b):
        longer, line = (args.a, a[len(b)][0]) if len(a) > len(b) else (args.b, b[len(a)][0])
        raise UserError(
            f"{longer}:{line}: the other file ends before this sentence; expected two predictions "
            "of one file"
        )
    if not a:
        raise UserError(
            f"{args.a}:1: no sentence in this file, expected rows that end with gold and predicted "
            "tag"
        )
    return a, b


def count_chunks(args, *files):
    """For each sentence the chunks correct in A, found in A, correct in B, found in B, gold: int
    array (sentences, 5).
    """
    columns = []
    for path, sequences in zip((args.a, args.b), files):
        counted = []
        scorer = counting.count(args, sequences, path, counted)
        if path == args.a:
            counting.print_tag_notes(scorer, path)
        chunks = [[set(scorer.chunks(tags)) for tags in pair] for pair in counted]
        columns += [
            [len(gold & found) for gold, found in chunks],
            [len(found) for _, found in chunks],
        ]
    return np.array([*columns, [len(gold) for gold, _ in chunks]]).T


def count_tokens(args, *files):
    """The same of the tokens whose tag is not outside, as token_eval.py counts them."""
    columns = []
    for sequences in files:
        columns.append(
            [
                sum(tag == wanted != args.outside for wanted, tag in zip(gold, found))
                for _, gold, found, _ in sequences
            ]
        )
        columns.append([sum(tag != args.outside for tag in found) for _, _, found, _ in sequences])
    return np.array(
        [*columns, [sum(tag != args.outside for tag in gold) for _, gold, _, _ in files[0]]]
    ).T


# ---------------------------------------------------------------- statistics


def f1(correct, found, gold):
    """F1 in percent of arrays of counts of one shape; 0 where there is nothing to divide by."""
    return 200 * correct / np.maximum(found + gold, 1)


def both_f1(counts):
    """Counts (..., 5) -> F1 of A and of B, in percent, each (...)."""
    correct_a, found_a, correct_b, found_b, gold = np.moveaxis(counts, -1, 0)
    return f1(correct_a, found_a, gold), f1(correct_b, found_b, gold)


def randomization_test(counts, shuffles, seed):
    """(p, r, sentences shuffled) of the two-sided test, by counts (sentences, 5)."""
    total = counts.sum(0)
    real = np.abs(np.subtract(*both_f1(total)))
    change = counts[:, 2:4] - counts[:, :2]  # what A gains and B loses by a swap: correct, found
    change = change[change.any(1)].astype(np.float64)  # exact below 2**53, and a quick product
    change = np.concatenate([change, -change, np.zeros((len(change), 1))], 1)
    rng, at_least = np.random.default_rng(seed), 0
    for done in range(0, shuffles, BLOCK):
        swapped = rng.integers(0, 2, (min(BLOCK, shuffles - done), len(change)), np.int8)
        differences = np.subtract(*both_f1(total + swapped @ change))
        # What differs by rounding alone counts as equal.
        at_least += int((np.abs(differences) >= real - 1e-9).sum())
    return (at_least + 1) / (shuffles + 1), at_least, len(change)


def bootstrap_intervals(counts, samples, seed):
    """95% intervals of F1 of A, of B, and of B - A: three pairs (low, high), by counts (sentences,
    5).

    Sentences with the same counts are interchangeable, so a sample is the number of times that each
    kind of them was drawn.
    """
    kinds, times = np.unique(counts, axis=0, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(times.sum(), times / times.sum(), samples)  # (samples, kinds)
    a, b = both_f1(drawn @ kinds)
    return [tuple(np.percentile(drawn_f1, [2.5, 97.5])) for drawn_f1 in (a, b, b - a)]


# ---------------------------------------------------------------- the command


def parse_args():
    parser = Parser(description=__doc__)
    parser.set_defaults(strict=False)
    parser.add_argument("a", metavar="A.pred", help="tagged file: gold and predicted tag last")
    parser.add_argument("b", metavar="B.pred", help="the same file, tagged by another system")
    add_column_flags(parser)
    add_reading_flags(parser)
    parser.add_argument(
        "--metric",
        choices=("chunk", "token"),
        default="chunk",
        help="F1 of chunks (default), or of tags but O",
    )
    parser.add_argument(
        "--shuffles",
        type=int,
        default=10000,
        help="random swaps, and samples of the bootstrap (default 10000)",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (default 1)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args()
    for name, least in (("shuffles", 1), ("seed", 0)):
        if getattr(args, name) < least:
            raise UserError(f"--{name} {getattr(args, name)}: expected {least} or more")
    if args.raw and args.scheme:
        raise UserError(
            "-r says that tags have no prefixes, --scheme reads prefixes; leave one out"
        )
    if args.metric == "token" and (args.raw or args.scheme):
        raise UserError("--metric token compares tags as they stand; leave -r and --scheme out")
    return args


def main():
    args = parse_args()
    counts = (count_chunks if args.metric == "chunk" else count_tokens)(args, *read_both(args))
    a, b = map(float, both_f1(counts.sum(0)))
    p, at_least, shuffled = randomization_test(counts, args.shuffles, args.seed)
    intervals = bootstrap_intervals(counts, args.shuffles, args.seed)
    if args.json:
        print(
            json.dumps(
                {
                    "metric": args.metric,
                    "sentences": len(counts),
                    "differing": shuffled,
                    "f1": [a, b],
                    "difference": b - a,
                    "intervals": intervals,
                    "p": p,
                    "at_least": at_least,
                    "shuffles": args.shuffles,
                    "seed": args.seed,
                },
                indent=2,
            )
        )
        return
    for name, figure, (low, high) in zip(["A", "B", "B - A"], [a, b, b - a], intervals):
        sign, path = {"A": ("", f"  {args.a}"), "B": ("", f"  {args.b}"), "B - A": ("+", "")}[name]
        print(
            f"{name:<5}  {args.metric} F1 {figure:{sign}6.2f}  95% {low:{sign}.2f} to "
            f"{high:{sign}.2f}{path}"
        )
    print(
        f"p = {p:.4g}: of {args.shuffles:,} shuffles {at_least:,} differ as much "
        f"(p = (r + 1) / (shuffles + 1)); {shuffled:,} of {len(counts):,} sentences differ in "
        f"their counts, seed {args.seed}"
    )


if __name__ == "__main__":
    run_command(main)
