"""train.py --seeds: each run is the same as with that seed alone, can be stopped and resumed, and
the figures are those of its history.
"""

import json
import math
import os
import signal

import pytest

import checkpoint
from support.commands import TINY, fit, left_behind, same_weights, write_sample
from training import seeds


@pytest.fixture(scope="module")
def several(tmp_path_factory, zygote):
    """A finished run of --seeds 3,1: its flags without the folder, the folder, and the finished
    process.
    """
    folder = tmp_path_factory.mktemp("several")
    flags = [*write_sample(folder, 24, 20)[:4], *TINY, "--epoch", 2]
    done = zygote.run("train.py", *flags, "--seeds", "3,1", "--checkpoint_dir", folder / "c")
    assert done.code == 0, done.err
    return flags, folder / "c", done


def assert_same_runs(one, other, numbers):
    for seed in numbers:
        for name in (checkpoint.MODEL, checkpoint.STATE):
            assert same_weights(one / f"seed-{seed}" / name, other / f"seed-{seed}" / name)


def test_each_is_the_run_of_its_seed(several, tmp_path):
    flags, folder, _ = several
    fit(*flags, "--seed", 1, "--checkpoint_dir", tmp_path / "seed-1")
    assert_same_runs(folder, tmp_path, [1])
    assert not same_weights(
        folder / "seed-1" / checkpoint.STATE, folder / "seed-3" / checkpoint.STATE
    )


def test_figures(several):
    """The figures are compared with the histories, by the formula of the sample standard deviation
    of two values.
    """
    _, folder, done = several
    report = json.loads((folder / "seeds.json").read_text())
    assert [run["seed"] for run in report["runs"]] == [3, 1]
    assert left_behind(folder) == []
    assert done.err.count("--feature_drop") == 1  # the sample has a POS column
    for name in ("token_f1", "chunk_f1"):
        best = []
        for run in report["runs"]:
            history = json.loads((folder / f"seed-{run['seed']}" / "history.json").read_text())
            row = max(history, key=lambda row: row["chunk_f1"])
            assert run["best_epoch"] == row["epoch"] and run[name] == row[name]
            best.append(row[name])
        assert report["mean"][name] == pytest.approx(sum(best) / 2)
        assert report["deviation"][name] == pytest.approx(abs(best[0] - best[1]) / math.sqrt(2))
        assert (
            f"{report['mean'][name]:.2f} (deviation {report['deviation'][name]:.2f})"
            in done.out.decode().splitlines()[-1]
        )


def test_interrupt_and_resume(several, tmp_path, zygote):
    """Ctrl-C in the first of two runs ends both; --resume needs only the folder and the seeds."""
    flags, folder, _ = several
    stopped = zygote.run(
        "train.py",
        *flags,
        "--seeds",
        "3,1",
        "--checkpoint_dir",
        tmp_path,
        signal=(signal.SIGINT, 2),
    )
    assert stopped.code == 130 and "go on with --resume --seeds 3,1" in stopped.err, stopped.err
    assert sorted(os.listdir(tmp_path)) == ["seed-3", "seeds.json"]
    done = zygote.run("train.py", "--resume", "--seeds", "3,1", "--checkpoint_dir", tmp_path)
    assert done.code == 0, done.err
    assert_same_runs(folder, tmp_path, (1, 3))


def test_folders_of_summaries(several, tmp_path):
    from support.commands import train_args
    from training import start

    flags, _, _ = several
    args = train_args(
        *flags[:-2],
        "--summary_dir",
        tmp_path / "s",
        "--checkpoint_dir",
        tmp_path / "c",
        "--seeds",
        "1,2",
    )
    runs = [seeds._of_seed(args, {}, seed, str(tmp_path / "c")) for seed in args.seeds]
    assert [start.config_of(run).summary_dir for run in runs] == [
        os.path.join(tmp_path, "s", f"seed-{seed}") for seed in (1, 2)
    ]


def test_mistakes(bare_zygote, tmp_path):
    def told(*args):
        return bare_zygote.mistake("train.py", "--checkpoint_dir", tmp_path, *args)

    assert "--seeds and --seed: expected one of them" in told("--seeds", "1,2", "--seed", 1)
    for text in ("1", "1,1", "1,x", "", "1,,2"):
        assert "expected two seeds or more" in told("--seeds", text)
    assert "seed: -1, expected at least 0" in told("--seeds=-1,2")
    assert "seeds.json: no such file" in told("--seeds", "1,2", "--resume")
    (tmp_path / "seeds.json").write_text("{")
    assert "seeds.json: damaged" in told("--seeds", "1,2", "--resume")
    assert os.listdir(tmp_path) == ["seeds.json"]
