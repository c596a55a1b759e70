"""etc/compare.py and etc/experiments.py: against every possible swap, plain resampling, and known
histories.
"""

import itertools
import json
import os
import random
import subprocess
import sys

import numpy as np
import pytest

import compare
import experiments
from scoring import chunks, tokens
from support.commands import ROOT


def run(script, *args):
    return subprocess.run(
        [sys.executable, os.path.join(ROOT, "etc", script), *map(str, args)],
        capture_output=True,
        timeout=120,
    )


def random_counts(rng, sentences):
    """Counts of sentences as count_chunks gives them."""
    gold = rng.integers(0, 5, sentences)
    found = rng.integers(0, 5, (2, sentences))
    correct = np.minimum(found, rng.integers(0, 5, (2, sentences)))
    correct = np.minimum(correct, gold)
    return np.stack([correct[0], found[0], correct[1], found[1], gold], 1)


def exact_p(counts):
    """The share of all 2^n swaps whose difference is at least as large, counted one by one in plain
    Python.
    """

    def difference(swaps):
        f1 = []
        for side in (0, 1):
            correct, found = (
                sum(int(row[2 * (side ^ swap) + i]) for row, swap in zip(counts, swaps))
                for i in (0, 1)
            )
            gold = sum(int(row[4]) for row in counts)
            f1.append(2 * correct / (found + gold) if found + gold else 0)
        return abs(f1[0] - f1[1])

    real = difference([0] * len(counts))
    return np.mean(
        [
            difference(swaps) >= real - 1e-12
            for swaps in itertools.product((0, 1), repeat=len(counts))
        ]
    )


@pytest.mark.parametrize("seed", range(6))
def test_p_is_that_of_all_swaps(seed):
    counts = random_counts(np.random.default_rng(seed), 9)
    expected, shuffles = exact_p(counts), 40000
    p, at_least, _ = compare.randomization_test(counts, shuffles, seed)
    assert p == (at_least + 1) / (shuffles + 1)
    assert (
        abs(p - expected) < 4.5 * np.sqrt(expected * (1 - expected) / shuffles) + 1e-4
    )  # 4.5 deviations of the estimate


def test_systems_that_are_alike_and_systems_that_are_not():
    counts = random_counts(np.random.default_rng(0), 400)
    counts[:, 2:4] = counts[:, :2]
    assert compare.randomization_test(counts, 500, 1) == (1, 500, 0)
    counts[:, 0], counts[:, 2] = counts[:, 4], 0  # all and none
    assert compare.randomization_test(counts, 500, 1)[0] == 1 / 501
    swapped = counts[:, [2, 3, 0, 1, 4]]
    assert compare.randomization_test(swapped, 500, 1)[0] == 1 / 501


def test_p_is_uniform_under_the_null_hypothesis():
    """If two systems differ only by chance, p is below 0.05 in one case of twenty, and not more
    often.
    """
    rng, below = np.random.default_rng(3), 0
    for trial in range(400):
        counts = random_counts(rng, 60)
        below += compare.randomization_test(counts, 200, trial)[0] <= 0.05
    assert 5 <= below <= 36  # 20 expected, deviation 4.4


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
    """Two predictions of one file; the second is better. Returns their paths, gold and predicted
    tags.
    """
    rng, tags = random.Random(seed), ["O", "O", "B-X", "I-X", "B-Y", "I-Y"]
    gold = [rng.choices(tags, k=rng.randint(1, 12)) for _ in range(sentences)]
    both = [
        [
            [tag if rng.random() < share else rng.choice(tags) for tag in sentence]
            for sentence in gold
        ]
        for share in (0.5, 0.9)
    ]
    paths = [folder / name for name in ("a.pred", "b.pred")]
    for path, predicted in zip(paths, both):
        path.write_text(
            "\n".join(
                "".join(f"w {g} {p}\n" for g, p in zip(*pair)) for pair in zip(gold, predicted)
            )
        )
    return paths, gold, both


@pytest.mark.parametrize(
    "flags, score",
    [
        ([], chunks.score),
        (["--metric", "token"], tokens.score),
        (["-r"], lambda *tags: chunks.score(*tags, raw=True)),
        (["--scheme", "bio"], lambda *tags: chunks.score(*tags, scheme="bio")),
    ],
)
def test_figures_are_the_scorers(tmp_path, flags, score):
    (a, b), gold, both = write_predictions(tmp_path)
    result = json.loads(run("compare.py", a, b, "--json", "--shuffles", 300, *flags).stdout)
    expected = [score(gold, predicted).f1 for predicted in both]
    assert result["f1"] == pytest.approx(expected) and result["difference"] == pytest.approx(
        expected[1] - expected[0]
    )
    assert result["p"] == 1 / 301 and result["shuffles"] == 300 and result["sentences"] == 60
    for figure, (low, high) in zip(
        [*result["f1"], result["difference"]], result["intervals"], strict=True
    ):
        assert low < figure < high


def test_printed_lines_and_seed(tmp_path):
    (a, b), *_ = write_predictions(tmp_path)
    outputs = [
        run("compare.py", a, b, "--shuffles", 200, "--seed", seed).stdout.decode()
        for seed in (1, 1, 2)
    ]
    assert outputs[0] == outputs[1] != outputs[2]
    lines = outputs[0].splitlines()
    assert (
        lines[0].startswith("A      chunk F1 ")
        and lines[0].endswith(f"  {a}")
        and lines[2].startswith("B - A  chunk F1 +")
    )
    assert lines[3].startswith(
        "p = 0.004975: of 200 shuffles 0 differ as much (p = (r + 1) / (shuffles + 1)); "
    )


@pytest.mark.parametrize(
    "a, b, flags, message",
    [
        (
            "w O O\nw B-X O\n",
            "w O O\n\n\nw B-X O\n",
            [],
            "a.pred:2: gold B-X, {b}:2 has no token; expected two predictions of",
        ),
        ("w O O\n\nw B-X O\n", "w O O\n\n\nw B-Y O\n", [], "a.pred:3: gold B-X, {b}:4 has B-Y;"),
        ("w O O\n\nw O O\n", "w O O\n", [], "a.pred:3: the other file ends before this sentence"),
        ("w O O\n", "w O O\n\nw O O\n", [], "b.pred:3: the other file ends before this sentence"),
        ("", "", [], "a.pred:1: no sentence in this file"),
        ("w O O\n", "w O\n\nw\n", [], "b.pred:3: 1 column, expected 2 as in line 1"),
        (
            "w O O\n",
            "w O x\n",
            ["--scheme", "bio"],
            "b.pred:1: tag 'x', expected O or PREFIX-TYPE (bio)",
        ),
        ("w O O\n", "w O O\n", ["--shuffles", "0"], "--shuffles 0: expected 1 or more"),
        ("w O O\n", "w O O\n", ["--metric", "token", "-r"], "leave -r and --scheme out"),
    ],
)
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


# ---------------------------------------------------------------- etc/experiments.py


def write_run(folder, scores, best_epoch=None, **config):
    """A checkpoint folder with these dev chunk F1; token F1 is one above. Epoch k takes k
    seconds.
    """
    folder.mkdir(parents=True)
    history = [
        {
            "epoch": k,
            "step": 10 * k,
            "seconds": float(k),
            "train_loss": 1.0,
            "dev_loss": 1.0,
            "token_f1": f1 + 1,
            "chunk_f1": f1,
        }
        for k, f1 in enumerate(scores, 1)
    ]
    best = best_epoch or max(history, key=lambda row: row["chunk_f1"])["epoch"]
    config = {**experiments.Config().to_dict(), "checkpoint_dir": str(folder), **config}
    (folder / "history.json").write_text(json.dumps(history))
    (folder / "ner_model.json").write_text(
        json.dumps({"config": config, "state": {"best_epoch": best}})
    )


def rows(done):
    """The table's rows as lists of cells, its two head lines left out."""
    assert done.returncode == 0, done.stderr
    return [
        line.strip("| ").split(" | ")
        if "|  |" not in line
        else [cell.strip() for cell in line.split("|")[1:-1]]
        for line in done.stdout.decode().splitlines()[2:]
    ]


def test_table_of_runs(tmp_path):
    write_run(tmp_path / "base", [80, 90, 85])
    write_run(
        tmp_path / "more" / "slow",
        [70, 71, 72.125, 72],
        rnn_layers=3,
        columns="word tag",
        summary_dir="x",
    )
    write_run(tmp_path / "more" / "loss", [70, 71], best_epoch=1, rnn_layers=1)
    assert rows(run("experiments.py", tmp_path)) == [
        ["base", "", "2 of 3", "90.00", "91.00", "2.0"],
        ["more/loss", "`--rnn_layers 1`", "1 of 2", "70.00", "71.00", "1.5"],
        ["more/slow", "`--columns 'word tag' --rnn_layers 3`", "3 of 4", "72.12", "73.12", "2.5"],
    ]
    assert rows(run("experiments.py", tmp_path / "base", tmp_path / "base")) == [
        ["base", "", "2 of 3", "90.00", "91.00", "2.0"]
    ]


def test_runs_that_differ_in_the_seed_alone(tmp_path):
    for seed, best in ((1, 90), (2, 92), (3, 97)):
        write_run(tmp_path / "crf" / f"seed-{seed}", [80, best], seed=seed)
    write_run(tmp_path / "softmax" / "seed-1", [80, 81], seed=1, use_crf=False)
    found = rows(run("experiments.py", tmp_path))
    assert [row[0] for row in found] == [
        "crf/seed-1",
        "crf/seed-2",
        "crf/seed-3",
        "mean of 3",
        "softmax/seed-1",
    ]
    assert found[2][1] == "`--seed 3`" and found[4][1] == "`--use_crf False`"
    deviation = np.std([90, 92, 97], ddof=1)
    assert found[3] == [
        "mean of 3",
        "",
        "2.0 ± 0.0",
        f"93.00 ± {deviation:.2f}",
        f"94.00 ± {deviation:.2f}",
        "1.5 ± 0.0",
    ]


def test_the_usual_value_is_not_shown():
    runs = [
        experiments.Run(str(i), config, [], 1, {})
        for i, config in enumerate(
            [
                {"epoch": 5, "rnn_size": 7},
                {"epoch": 5, "rnn_size": 8},
                {"epoch": 70, "rnn_size": 200},
            ]
        )
    ]
    assert experiments.flags_of(runs) == [
        "--rnn_size 7",
        "--rnn_size 8",
        "--epoch 70",
    ]  # of three sizes the default
    assert experiments.flags_of(runs[:2]) == ["--rnn_size 7", "--rnn_size 8"]


def test_damaged_runs_are_left_out_in_one_line(tmp_path):
    write_run(tmp_path / "good", [80])
    for name, spoil in {
        "cut": lambda folder: (folder / "history.json").write_text('[\n {"epoch": 1,'),
        "empty": lambda folder: (folder / "history.json").write_text("[]"),
        "lost": lambda folder: (folder / "history.json").unlink(),
        "nan": lambda folder: (folder / "history.json").write_text(
            (folder / "history.json").read_text().replace("80", "null")
        ),
        "started": lambda folder: (folder / "ner_model.json").unlink(),
    }.items():
        write_run(tmp_path / name, [80])
        spoil(tmp_path / name)
    done = run("experiments.py", tmp_path)
    assert [row[0] for row in rows(done)] == ["good"]
    lines = done.stderr.decode().splitlines()
    assert [line.split(str(tmp_path))[1] for line in lines] == [
        "/cut/history.json:2: truncated or not JSON",
        "/empty: history.json and ner_model.json do not tell the scores of a best epoch; they are "
        "damaged or of two runs",
        "/lost/history.json: no such file; the training has not finished an epoch, or the file was "
        "moved",
        "/nan: history.json and ner_model.json do not tell the scores of a best epoch; they are "
        "damaged or of two runs",
        "/started/ner_model.json: no such file; the training has not finished an epoch, or the "
        "file was moved",
    ]
    (tmp_path / "none").mkdir()
    for folder, message in (
        ("cut", "no run that can be read"),
        ("none", "no checkpoint folder of train.py in it"),
        ("absent", "no such folder"),
    ):
        done = run("experiments.py", tmp_path / folder)
        assert done.returncode == 2 and done.stdout == b"" and message in done.stderr.decode()


def test_chart(tmp_path):
    for seed in (1, 2):
        write_run(tmp_path / "a" / f"seed-{seed}", [80, 90 + seed, 85], seed=seed)
    write_run(tmp_path / "b", [70], rnn_size=5)
    runs = [experiments.read_run(folder) for folder in experiments.find_folders([str(tmp_path)])]
    (axes,) = experiments.draw(runs).axes
    drawn = [line.get_xydata().tolist() for line in axes.lines]
    assert drawn == [
        [[1, 80], [2, 91], [3, 85]],
        [[2, 91]],
        [[1, 80], [2, 92], [3, 85]],
        [[2, 92]],
        [[1, 70]],
        [[1, 70]],
    ]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "a/seed-1 and 1 more seed",
        "b",
    ]
    assert run("experiments.py", tmp_path, "--plot", tmp_path / "chart.png").returncode == 0
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_run_of_train_py(trained):
    found = rows(run("experiments.py", trained.folder))
    best = trained.trainer.state.history[trained.trainer.state.best_epoch - 1]
    assert [row[:5] for row in found] == [
        [
            "checkpoint",
            "",
            f"{best['epoch']} of 4",
            f"{best['chunk_f1']:.2f}",
            f"{best['token_f1']:.2f}",
        ]
    ]
