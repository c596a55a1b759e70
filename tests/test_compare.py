"""etc/compare.py and etc/experiments.py: against every possible swap, plain resampling, and known histories."""
import itertools
import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "etc"))

import chunk_eval  # noqa: E402
import compare  # noqa: E402
import token_eval  # noqa: E402


def run(script, *args):
    return subprocess.run([sys.executable, os.path.join(ROOT, "etc", script), *map(str, args)], capture_output=True, timeout=120)


def random_counts(rng, sentences):
    """Counts of sentences as count_chunks gives them."""
    gold = rng.integers(0, 5, sentences)
    found = rng.integers(0, 5, (2, sentences))
    correct = np.minimum(found, rng.integers(0, 5, (2, sentences)))
    correct = np.minimum(correct, gold)
    return np.stack([correct[0], found[0], correct[1], found[1], gold], 1)


def exact_p(counts):
    """The share of all 2^n swaps with a difference at least as large, one after the other in plain Python."""
    def difference(swaps):
        f1 = []
        for side in (0, 1):
            correct, found = (sum(int(row[2 * (side ^ swap) + i]) for row, swap in zip(counts, swaps)) for i in (0, 1))
            gold = sum(int(row[4]) for row in counts)
            f1.append(2 * correct / (found + gold) if found + gold else 0)
        return abs(f1[0] - f1[1])
    real = difference([0] * len(counts))
    return np.mean([difference(swaps) >= real - 1e-12 for swaps in itertools.product((0, 1), repeat=len(counts))])


@pytest.mark.parametrize("seed", range(6))
def test_p_is_that_of_all_swaps(seed):
    counts = random_counts(np.random.default_rng(seed), 9)
    expected, shuffles = exact_p(counts), 40000
    p, at_least, _ = compare.randomization_test(counts, shuffles, seed)
    assert p == (at_least + 1) / (shuffles + 1)
    assert abs(p - expected) < 4.5 * np.sqrt(expected * (1 - expected) / shuffles) + 1e-4      # 4.5 deviations of the estimate


def test_systems_that_are_alike_and_systems_that_are_not():
    counts = random_counts(np.random.default_rng(0), 400)
    counts[:, 2:4] = counts[:, :2]
    assert compare.randomization_test(counts, 500, 1) == (1, 500, 0)
    counts[:, 0], counts[:, 2] = counts[:, 4], 0      # all and none
    assert compare.randomization_test(counts, 500, 1)[0] == 1 / 501
    swapped = counts[:, [2, 3, 0, 1, 4]]
    assert compare.randomization_test(swapped, 500, 1)[0] == 1 / 501


def test_p_is_uniform_under_the_null_hypothesis():
    """Of systems that differ by chance alone one in twenty has p below 0.05, and no more."""
    rng, below = np.random.default_rng(3), 0
    for trial in range(400):
        counts = random_counts(rng, 60)
        below += compare.randomization_test(counts, 200, trial)[0] <= 0.05
    assert 5 <= below <= 36      # 20 expected, deviation 4.4


def test_intervals_are_those_of_plain_resampling():
    counts = random_counts(np.random.default_rng(5), 50)
    rng, figures = np.random.default_rng(6), []
    for _ in range(4000):
        correct_a, found_a, correct_b, found_b, gold = counts[rng.integers(0, 50, 50)].sum(0)
        a, b = 200 * correct_a / (found_a + gold), 200 * correct_b / (found_b + gold)
        figures.append((a, b, b - a))
    expected = np.percentile(figures, [2.5, 97.5], axis=0).T
    np.testing.assert_allclose(compare.bootstrap_intervals(counts, 20000, 1), expected, atol=1.0)


def write_predictions(folder, sentences=60, seed=1):
    """Two predictions of one file; the second is better. Returns their paths, gold and predicted tags."""
    rng, tags = random.Random(seed), ["O", "O", "B-X", "I-X", "B-Y", "I-Y"]
    gold = [rng.choices(tags, k=rng.randint(1, 12)) for _ in range(sentences)]
    both = [[[tag if rng.random() < share else rng.choice(tags) for tag in each] for each in gold] for share in (0.5, 0.9)]
    paths = [folder / name for name in ("a.pred", "b.pred")]
    for path, predicted in zip(paths, both):
        path.write_text("\n".join("".join(f"w {g} {p}\n" for g, p in zip(*pair)) for pair in zip(gold, predicted)))
    return paths, gold, both


@pytest.mark.parametrize("flags, score", [([], chunk_eval.score), (["--metric", "token"], token_eval.score),
                                          (["-r"], lambda *each: chunk_eval.score(*each, raw=True)),
                                          (["--scheme", "bio"], lambda *each: chunk_eval.score(*each, scheme="bio"))])
def test_figures_are_the_scorers(tmp_path, flags, score):
    (a, b), gold, both = write_predictions(tmp_path)
    result = json.loads(run("compare.py", a, b, "--json", "--shuffles", 300, *flags).stdout)
    expected = [score(gold, predicted).f1 for predicted in both]
    assert result["f1"] == pytest.approx(expected) and result["difference"] == pytest.approx(expected[1] - expected[0])
    assert result["p"] == 1 / 301 and result["shuffles"] == 300 and result["sentences"] == 60
    for figure, (low, high) in zip([*result["f1"], result["difference"]], result["intervals"], strict=True):
        assert low < figure < high


def test_printed_lines_and_seed(tmp_path):
    (a, b), *_ = write_predictions(tmp_path)
    outputs = [run("compare.py", a, b, "--shuffles", 200, "--seed", seed).stdout.decode() for seed in (1, 1, 2)]
    assert outputs[0] == outputs[1] != outputs[2]
    lines = outputs[0].splitlines()
    assert lines[0].startswith("A      chunk F1 ") and lines[0].endswith(f"  {a}") and lines[2].startswith("B - A  chunk F1 +")
    assert lines[3].startswith("p = 0.004975: of 200 shuffles 0 differ as much (p = (r + 1) / (shuffles + 1)); ")


@pytest.mark.parametrize("a, b, flags, message", [
    ("w O O\nw B-X O\n", "w O O\n\n\nw B-X O\n", [], "a.pred:2: gold B-X, {b}:2 has no token; expected two predictions of one file"),
    ("w O O\n\nw B-X O\n", "w O O\n\n\nw B-Y O\n", [], "a.pred:3: gold B-X, {b}:4 has B-Y;"),
    ("w O O\n\nw O O\n", "w O O\n", [], "a.pred:3: the other file ends before this sentence"),
    ("w O O\n", "w O O\n\nw O O\n", [], "b.pred:3: the other file ends before this sentence"),
    ("", "", [], "a.pred:1: no sentence in this file"),
    ("w O O\n", "w O\n\nw\n", [], "b.pred:3: 1 column, expected 2 as in line 1"),
    ("w O O\n", "w O x\n", ["--scheme", "bio"], "b.pred:1: tag 'x', expected O or PREFIX-TYPE (bio)"),
    ("w O O\n", "w O O\n", ["--shuffles", "0"], "--shuffles 0: expected 1 or more"),
    ("w O O\n", "w O O\n", ["--metric", "token", "-r"], "leave -r and --scheme out"),
])
def test_mistakes_end_in_one_line(tmp_path, a, b, flags, message):
    paths = [tmp_path / name for name in ("a.pred", "b.pred")]
    for path, text in zip(paths, (a, b)):
        path.write_text(text)
    done = run("compare.py", *paths, *flags)
    err = done.stderr.decode()
    assert (done.returncode, done.stdout, err.count("\n")) == (2, b"", 1)
    assert message.format(b=paths[1]) in err


def test_files_may_differ_in_columns_and_blank_lines(tmp_path):
    (a, b), *_ = write_predictions(tmp_path)
    before = run("compare.py", a, b, "--json").stdout
    b.write_text("\n" + b.read_text().replace("w ", "word pos ").replace("\n\n", "\n\n\n"))
    assert run("compare.py", a, b, "--json").stdout == before != b""
