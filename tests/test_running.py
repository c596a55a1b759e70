"""How commands run and end: closed and non-blocking standard streams, signals, limits, names that
are not functions, paths that are not UTF-8, and the folder of a training.
"""

import gzip
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest

import checkpoint
import cli
import conll
import registry
from cli import UserError
from features import word_vectors
from files import text
from scoring import chunks, columns, tables
from support import commands
from support.commands import (
    ROOT,
    TINY,
    fit,
    left_behind,
    one_line,
    same_weights,
    sample,
    write_sample,
)
from tagging import confidence
from training import evaluation, files, hooks, run_folder
from training import fit as fit_module
from training import run as training_run
from training.run import run_args
from training.start import config_of

COMMANDS = (
    "embvec.py train.py inference.py token_eval.py chunk_eval.py test_bilm.py etc/baseline.py "
    "etc/calibration.py etc/compare.py etc/experiments.py etc/download.py etc/mix_domains.py "
    "inference/export.py inference/freeze.py inference/python/inference.py"
).split()
SCORED = b"Peter NNP B-PER B-PER\nsleeps VBZ O O\n\n"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """`run(*flags)` trains TINY for an epoch of 3 steps, in this process, and returns the Trainer.
    `run.flags`: its flags without the folder. `run.base`: the folder of a finished run.
    """
    folder = tmp_path_factory.mktemp("running")
    flags = [*write_sample(folder, 24, 8)[:4], *TINY, "--max_train_steps_per_epoch", 3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "plot_history", lambda history, path: None)
        run = lambda *more: fit(*flags, "--epoch", 1, *more)
        run.flags, run.base = flags, folder / "base"
        run("--checkpoint_dir", run.base)
        yield run


@pytest.fixture
def folder(run, tmp_path):
    """A folder with a finished model, and its content."""
    copy = tmp_path / "c"
    shutil.copytree(run.base, copy)
    return copy


def contents(folder):
    return {name: (folder / name).read_bytes() for name in os.listdir(folder)}


# ---------------------------------------------------------------- standard streams


def with_closed(closed, *command, stdin=b""):
    """Runs one of our commands from a shell with these standard streams closed."""
    ends = " ".join(["<&-", ">&-", "2>&-"][descriptor] for descriptor in closed)
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {ends}', "sh", sys.executable, *command],
        input=None if 0 in closed else stdin,
        capture_output=True,
        cwd=ROOT,
    )


@pytest.mark.parametrize("closed", [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_closed_streams_of_a_scorer(closed):
    """It needs input and output: without one of them it ends with 2, and reports it if it can."""
    done = with_closed(closed, "chunk_eval.py", stdin=SCORED)
    expected = tables.text_table(chunks.score([["B-PER", "O"]], [["B-PER", "O"]])).encode()
    needs = {0, 1} & set(closed)
    assert done.returncode == (2 if needs else 0)
    assert done.stdout == (b"" if needs else expected)
    if needs and 2 not in closed:
        stream = "input" if 0 in closed else "output"
        assert f"chunk_eval.py: standard {stream} is closed" in one_line(done.stderr.decode())
    else:
        assert done.stderr == b""


def test_closed_streams_of_a_scorer_that_reads_a_file(tmp_path):
    (tmp_path / "in").write_bytes(SCORED)
    done = with_closed((0, 2), "token_eval.py", "--input", tmp_path / "in")
    assert (done.returncode, done.stderr) == (0, b"") and b"accuracy: 100.00%" in done.stdout
    done = with_closed((1,), "token_eval.py", "--input", tmp_path / "in")
    assert done.returncode == 2 and (tmp_path / "in").read_bytes() == SCORED


@pytest.mark.parametrize("command", COMMANDS)
def test_help_with_closed_output(bare_zygote, command):
    told = bare_zygote.mistake(command, "--help", closed=(0, 1))
    assert f"{os.path.basename(command)}: standard output is closed" in told


def test_full_standard_output():
    with open("/dev/full", "wb") as full:
        for flags in ((), ("--help",)):
            done = subprocess.run(
                [sys.executable, "token_eval.py", *flags],
                input=SCORED,
                stdout=full,
                stderr=subprocess.PIPE,
                cwd=ROOT,
            )
            assert done.returncode == 2
            assert "standard output: No space left" in one_line(done.stderr.decode())
        done = subprocess.run(
            [sys.executable, "token_eval.py"],
            input=b"",
            stdout=subprocess.PIPE,
            stderr=full,
            cwd=ROOT,
        )
        assert done.returncode == 0 and b"processed 0 tokens" in done.stdout


def test_training_with_closed_streams(run, zygote, tmp_path):
    """Only messages are lost: no file of the run contains any of them."""
    flags = [*run.flags, "--epoch", 1, "--checkpoint_dir", tmp_path / "c"]
    told = zygote.mistake("train.py", *flags, closed=(1,))
    assert "standard output is closed" in told and os.listdir(tmp_path) == []
    done = zygote.run("train.py", *flags, closed=(0, 2))
    assert done.code == 0 and done.out.startswith(b"epoch 1/1")
    assert same_weights(tmp_path / "c" / "last_state", run.base / "last_state")
    checkpoint.load_meta(checkpoint.resolve(str(tmp_path / "c")))


@pytest.fixture(scope="module")
def tagged(run, zygote):
    """Flags of inference.py that read columns from standard input, such columns, and the output."""
    flags = ["inference.py", "--mode", "bucket", "--restore", run.base]
    data = b"".join(sample("test"))
    return flags, data, zygote.run(*flags, stdin=data).out


def test_tagging_with_closed_streams(tagged, zygote, bare_zygote, tmp_path):
    flags, data, expected = tagged
    for closed in (0, 1):
        stream = ("input", "output")[closed]
        assert f"standard {stream} is closed" in bare_zygote.mistake(*flags, closed=(closed,))
    done = bare_zygote.run(*flags, closed=(0, 1, 2))
    assert (done.code, done.out, done.err) == (2, b"", "")
    done = zygote.run(*flags, "--output", tmp_path / "out", stdin=data, closed=(1, 2))
    assert done.code == 0 and (tmp_path / "out").read_bytes() == expected


def test_non_blocking_streams(tagged, zygote):
    """A slow writer and a slow reader with non-blocking pipes get the same output."""
    flags, data, expected = tagged
    assert slowly(zygote, flags, data) == expected and len(expected) > 1 << 16


@pytest.mark.slow
def test_non_blocking_streams_in_line_mode(tagged, zygote):
    flags, data = [*tagged[0][:2], "line", *tagged[0][3:]], b"Peter Blackburn sleeps.\n" * 3000
    assert slowly(zygote, flags, data) == zygote.run(*flags, stdin=data).out


def slowly(zygote, command, data):
    """The output of a command for `data`, through non-blocking pipes and in pieces."""
    (given, to), (back, out), (_, err) = os.pipe(), os.pipe(), os.pipe()
    for descriptor in (given, out):
        os.set_blocking(descriptor, False)
    opened = [os.fdopen(given, "rb"), os.fdopen(out, "wb"), os.fdopen(err, "wb")]
    process = zygote.start(*command, **dict(zip(("stdin", "stdout", "stderr"), opened)))
    for stream in opened:
        stream.close()

    def write():
        piece = 1 + len(data) // 3
        with os.fdopen(to, "wb", buffering=0) as stream:
            for first in range(0, len(data), piece):
                time.sleep(0.1)
                stream.write(data[first : first + piece])

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.5)  # the pipe is full by then
    with os.fdopen(back, "rb") as stream:
        answer = stream.read()
    writer.join()
    assert process.wait() == 0
    return answer


# ---------------------------------------------------------------- signals


ENDED = """
import os, signal, sys
sys.path.insert(0, {root!r})
import cli, tempfile
class Late:
    def __del__(self):
        os.kill(os.getpid(), {number})
def main():
    with cli.atomic_write("out") as out, tempfile.TemporaryDirectory(dir="."):
        out.write(b"x")
        {end}
        while True: signal.pause()
{before}
cli.run_command(main)
"""


def ended(tmp_path, number, end="os.kill(os.getpid(), {number})", before=""):
    script = ENDED.format(root=ROOT, number=int(number), end=end, before=before)
    return subprocess.run(
        [sys.executable, "-c", script.replace("{number}", str(int(number)))],
        cwd=tmp_path,
        capture_output=True,
        timeout=30,
    )


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), {number})", "Late()"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_no_temporary_file(tmp_path, number, end):
    """Not even a signal during a destructor, where Python drops exceptions."""
    done = ended(tmp_path, number, end)
    assert done.returncode == 128 + number, done.stderr
    assert os.listdir(tmp_path) == []
    one_line(done.stderr.decode())


def test_a_signal_that_is_ignored_stays_so(tmp_path):
    """nohup ignores SIGHUP."""
    done = ended(
        tmp_path,
        signal.SIGHUP,
        "os.kill(os.getpid(), {number}); return",
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)",
    )
    assert done.returncode == 0 and os.listdir(tmp_path) == ["out"]


# ---------------------------------------------------------------- limits


def test_threads_and_nbest_are_bounded(run, bare_zygote):
    tag = ["inference.py", "--restore", run.base, "--mode", "bucket"]
    for count in (-1, cli.MAX_THREADS + 1):
        told = bare_zygote.mistake(*tag, "-j", count)
        assert f"--threads {count}: expected 0" in told and f"{cli.MAX_THREADS:,}" in told
    told = bare_zygote.mistake("train.py", *run.flags, "-j", 10**6)
    assert f"threads: 1000000, expected at most {cli.MAX_THREADS}" in told
    told = bare_zygote.mistake(*tag, "--nbest", 100_000)
    assert f"--nbest 100000: expected 1 to {confidence.MAX_NBEST:,}" in told


def test_nbest_of_many_tags_at_once_or_of_one(monkeypatch):
    rng = np.random.default_rng(7)
    scores = rng.integers(-3, 3, (3, 6, 5))  # whole numbers: there are ties
    chain = confidence.chain(scores, [6, 1, 4], rng.integers(-3, 3, (5, 5)))
    whole = confidence.nbest(chain, 9)
    for at_once in (1, 100, 300):
        monkeypatch.setattr(confidence, "PATHS_AT_ONCE", at_once)
        for one, other in zip(confidence.nbest(chain, 9), whole):
            assert (one == other).all()


class Counting:
    """A stream of one endless line."""

    taken = 0

    def read(self, size):
        self.taken += size
        return b"x" * size


def test_a_line_without_an_end(monkeypatch, tmp_path):
    """It is refused by its number once its first part is read."""
    monkeypatch.setattr(text, "MAX_LINE", 1000)
    endless = Counting()
    with pytest.raises(UserError, match="<stdin>:1: a line of more than 1,000 bytes"):
        list(conll.read_blocks(endless, 100))
    assert endless.taken == 1100
    whole = b"Peter NNP B-NP O\n" + b"y" * 1000 + b"\n\n"
    assert [len(block.rows) for block in conll.read_blocks(open_bytes(tmp_path, whole), 64)] == [2]

    path = str(tmp_path / "v.gz")
    for before, message in (
        (b"", "v.gz: no line ends in its first 65,536 bytes"),
        (b"the 1 2\n", "v.gz:2: a line of more than 65,528 bytes"),
        (b"2 2\nthe 1 2\n", "v.gz:3: a line of more than 65,524 bytes"),
    ):
        with gzip.open(path, "wb", 1) as out:
            out.write(before + b"x" * 100_000 + b"\nof 1 2\n")
        reader = word_vectors.VectorReader(path, "", 2, True, None)
        with pytest.raises(UserError, match=message):
            reader.read()
    (tmp_path / "p").write_bytes(SCORED + b"x" * 2000)
    with pytest.raises(UserError, match="p:4: a line of more than 1,000 bytes"):
        list(columns.read_file(str(tmp_path / "p")))


def open_bytes(folder, data):
    (folder / "data").write_bytes(data)
    return open(folder / "data", "rb")


# ---------------------------------------------------------------- names that are no functions


@pytest.mark.parametrize("flag", ["encoder", "loss", "metric", "hooks"])
def test_names_that_are_no_functions(run, flag, tmp_path):
    wrong = () if flag == "hooks" else ("math.sqrt",)  # which takes one argument, as a hook does
    for name in ("..", ".", "a.", ".a", "..x", "a b.c", "a.b-c", "math.pi", *wrong):
        args = commands.train_args(
            *run.flags, f"--{flag}", name, "--checkpoint_dir", tmp_path / "c"
        )
        with pytest.raises(UserError, match="expected .*module.function") as told:
            run_args(args, config_of(args))
        assert f"{name!r}" in str(told.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "hook", [3, None, "..", {"every": 2}, {"call": print, "every": "x"}, {"call": print, 3: 4}]
)
def test_hooks_that_are_no_functions(hook):
    with pytest.raises(UserError, match="hook"):
        hooks.user_hooks([hook])


# ---------------------------------------------------------------- paths that are not UTF-8


def test_paths_that_are_not_utf8(run, zygote, tmp_path):
    """Trains, resumes, restores, tags and saves in a folder whose name is not UTF-8."""
    from tagging.tagger import Tagger

    folder = os.fsdecode(bytes(tmp_path) + b"/\xff\xe9")
    os.mkdir(folder)
    for name in ("train.txt", "dev.txt"):
        shutil.copy(run.base.parent / name, folder)
    path = lambda name: os.path.join(folder, name)
    data = ["--train_path", path("train.txt"), "--dev_path", path("dev.txt")]
    run(*data, "--checkpoint_dir", path("c"), "--summary_dir", path("s"))
    assert path("train.txt") in checkpoint.load_meta(path("c/ner_model"))["made_from"]
    assert sorted(os.listdir(path("s"))) == ["dev", "train"]
    resumed = fit("--resume", "--checkpoint_dir", path("c"), "--epoch", 2)
    assert len(resumed.state.history) == 2
    run(*data, "--checkpoint_dir", path("w"), "--warm_start", path("c"))
    Tagger.load(path("c")).save(path("saved"))
    flags = ["--restore", path("saved"), "--input", path("dev.txt"), "--output", path("out")]
    assert zygote.run("inference.py", *flags).code == 0
    with open(path("out"), "rb") as out, open(path("dev.txt"), "rb") as given:
        assert out.read().count(b"\n") == given.read().count(b"\n")
    assert left_behind(path("c")) == []


# ---------------------------------------------------------------- the folder of a training


@pytest.mark.parametrize("start", ["", "--restore", "--warm_start"])
def test_a_finished_model_is_not_replaced(run, bare_zygote, folder, start):
    """This holds whatever a training starts from, even the model itself; the message says what to
    do.
    """
    before = contents(folder)
    start = [start, folder] if start else []
    told = bare_zygote.mistake(
        "train.py", *run.flags, "--epoch", 1, *start, "--checkpoint_dir", folder
    )
    best = checkpoint.load_meta(str(folder / "ner_model"))["state"]["best_scores"]
    assert f"{folder}/ner_model: a trained model is here (best epoch 1: " in told
    assert f"chunk F1 {best['chunk_f1']:.2f}" in told
    for flag in ("--resume", "--restore", "--overwrite", "--checkpoint_dir"):
        assert flag in told
    assert contents(folder) == before


def test_overwrite(run, folder, bare_zygote):
    """The training starts from the model that it replaces, whose weights are read first."""
    still = ["--learning_rate", 1e-12, "--checkpoint_dir", folder, "--overwrite"]
    done = run("--restore", folder, *still)
    assert checkpoint.load_meta(str(folder / "ner_model"))["config"]["learning_rate"] == 1e-12
    assert done.state.history[0]["dev_loss"] == pytest.approx(
        run_of(run.base)["history"][0]["dev_loss"], rel=1e-4
    )
    assert not (folder / run_folder.LOCK).exists()
    told = bare_zygote.mistake("train.py", "--checkpoint_dir", folder, "--resume", "--overwrite")
    assert "--resume and --overwrite: expected one of them" in told


def run_of(folder):
    return checkpoint.load_meta(str(folder / "ner_model"))["state"]


def test_fit_does_not_replace(folder, monkeypatch):
    pairs = [(["Peter", "sleeps"], ["B-PER", "O"])] * 8
    before = contents(folder)
    with pytest.raises(UserError, match="overwrite=True"):
        fit_module.fit(pairs, pairs, checkpoint_dir=str(folder))
    assert contents(folder) == before
    monkeypatch.setattr(training_run, "create_trainer", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit_module.fit(pairs, pairs, checkpoint_dir=str(folder), overwrite=True)


@pytest.mark.parametrize("damage", ["cut", "removed"])
def test_a_damaged_model_is_not_replaced_either(folder, damage):
    if damage == "cut":
        (folder / "ner_model.json").write_bytes(b"{")
    else:
        (folder / "ner_model.json").unlink()
    with pytest.raises(
        UserError, match="ner_model: a trained model is here .damaged or incomplete"
    ):
        run_folder.check_free(str(folder))


def test_an_interrupted_training_is_not_replaced(folder, monkeypatch):
    """A state with steps but without a model is kept; a state without steps may be replaced."""
    checkpoint.remove(str(folder / "ner_model"))
    with pytest.raises(UserError, match=r"last_state: a training is here \(interrupted in epoch 2"):
        run_folder.check_free(str(folder))
    meta = checkpoint.load_meta(str(folder / "last_state"))
    meta["state"].update(step=0, epoch=0)
    monkeypatch.setattr(checkpoint, "load_meta", lambda prefix: meta)
    run_folder.check_free(str(folder))


@pytest.mark.slow
def test_a_training_that_was_killed_at_once_begins_anew(run, tmp_path, zygote):
    flags = [*run.flags, "--epoch", 1, "--checkpoint_dir", tmp_path]
    assert zygote.run("train.py", *flags, signal=(signal.SIGKILL, 0)).code == -signal.SIGKILL
    assert (tmp_path / "last_state.json").exists() and (tmp_path / run_folder.LOCK).exists()
    run("--checkpoint_dir", tmp_path)
    assert not (tmp_path / run_folder.LOCK).exists()


def test_seeds_do_not_replace(run, bare_zygote, tmp_path):
    """--seeds replaces neither the model of a seed nor the figures of other runs."""
    shutil.copytree(run.base, tmp_path / "seed-2")
    (tmp_path / "seeds.json").write_text('{"seeds": [2, 3], "flags": {}, "runs": []}')
    flags = ["train.py", *run.flags, "--checkpoint_dir", tmp_path, "--seeds"]
    assert "seed-2/ner_model: a trained model is here" in bare_zygote.mistake(*flags, "1,2")
    told = bare_zygote.mistake(*flags, "4,5")
    assert "seeds.json: has the figures of seeds 2,3" in told and "--overwrite" in told
    assert sorted(os.listdir(tmp_path)) == ["seed-2", "seeds.json"]


def test_two_trainings_at_once(run, bare_zygote, folder):
    """The second one is refused, whatever it is to do; a finished one frees the folder."""
    with run_folder.claimed(str(folder)):
        for flags in ([*run.flags, "--overwrite"], ["--resume", "--epoch", 2]):
            told = bare_zygote.mistake("train.py", *flags, "--checkpoint_dir", folder)
            assert f"{folder}: another training is under way here by process {os.getpid()}" in told
    assert not (folder / run_folder.LOCK).exists()
    with run_folder.claimed(str(folder)):
        pass


def test_a_lock_dies_with_its_process(tmp_path):
    """It does not live on in processes that were forked."""
    (ends, end), (told, tell) = os.pipe(), os.pipe()
    claims = os.fork()
    if not claims:
        os.close(end)
        with run_folder.claimed(str(tmp_path)):
            if not os.fork():
                os.read(ends, 1)  # until the test ends
                os._exit(0)
            os.write(tell, b".")
            os._exit(0)  # as if it were killed
    try:
        os.waitpid(claims, 0)
        assert os.read(told, 1) == b"." and (tmp_path / run_folder.LOCK).exists()
        with run_folder.claimed(str(tmp_path)):
            pass
    finally:
        os.close(end)
    assert os.listdir(tmp_path) == []


def test_a_file_system_without_locks(tmp_path, monkeypatch, capsys):
    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(run_folder.fcntl, "flock", no_locks)
    with run_folder.claimed(str(tmp_path / "a" / "b")):
        assert "cannot be locked (No locks available)" in one_line(capsys.readouterr().err)
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------- what is never the best


@pytest.mark.parametrize("save_by", ["chunk", "token", "loss", "metric"])
def test_only_finite_scores_can_be_the_best(save_by):
    """Enumerates scores. The score by which a model is kept is -inf, which is never the best,
    unless the model's own score is finite and its loss is not NaN.
    """
    numbers = (0.5, math.nan, math.inf, -math.inf)
    config = types.SimpleNamespace(
        save_by="chunk" if save_by == "metric" else save_by,
        metric="m" if save_by == "metric" else "",
    )
    for own in numbers:
        for loss in (own,) if save_by == "loss" else (0.5, math.nan):
            for known in (True, False):
                scores = {"chunk_f1": own, "token_f1": own, "dev_loss": loss, "metric": own}
                kept_by = evaluation.score_to_keep_by(scores, config, has_loss=known)
                finite = math.isfinite(own) and not (known and math.isnan(loss))
                sign = -1 if save_by == "loss" else 1
                assert kept_by == (sign * own if finite else -math.inf)


def test_metric_that_is_nan(run, tmp_path, capsys):
    values = iter([math.nan, 1.0, math.inf])
    registry.register("metric", "of_running")(lambda gold, predicted: next(values))
    flags = ["--metric", "of_running", "--epoch", 3, "--checkpoint_dir", tmp_path / "c"]
    assert run(*flags).state.best_epoch == 2
    told = [line for line in capsys.readouterr().err.splitlines() if "not kept" in line]
    assert [line.partition(":")[2].partition(",")[0] for line in told] == [
        " step 3: metric of_running gave nan",
        " step 9: metric of_running gave inf",
    ]
    registry.register("metric", "of_running")(lambda gold, predicted: math.nan)
    with pytest.raises(UserError, match="no model was kept"):
        run(*flags[:2], "--checkpoint_dir", tmp_path / "d")
    assert not (tmp_path / "d" / "ner_model.json").exists()
    assert (tmp_path / "d" / "last_state.json").exists()
    registry.register("metric", "of_running")(lambda gold, predicted: None)
    with pytest.raises(UserError, match="metric 'of_running': returned None, expected a number"):
        evaluation.call_metric("of_running", [], [])


# ---------------------------------------------------------------- TensorBoard


def test_tensorboard_on_a_full_disk(run, tmp_path, monkeypatch, capsys):
    """Training goes on, to the same weights; one line says that summaries are no longer written."""
    add, limit = hooks.TensorBoard._add, resource.getrlimit(resource.RLIMIT_FSIZE)

    def full(self, *args, **content):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))  # bytes of a file
        try:
            add(self, *args, **content)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    monkeypatch.setattr(hooks.TensorBoard, "_add", full)
    run("--checkpoint_dir", tmp_path / "c", "--summary_dir", tmp_path / "s")
    told = one_line(capsys.readouterr().err)
    assert f"{tmp_path}/s: TensorBoard's files cannot be written (" in told
    assert "training goes on" in told
    assert same_weights(tmp_path / "c" / "ner_model", run.base / "ner_model")
