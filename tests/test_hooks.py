"""Hooks, and with them evaluation, plateau and early stopping; losses and metrics of the user; and
--resume with all of these.
"""

import json
import math
import os
import random
import signal
import types

import numpy as np
import pytest

import checkpoint
import registry
from checkpoint import State
from cli import UserError
from config import Config
from support.commands import (
    TINY,
    one_line,
    same_weights,
    train_args,
    weights,
    without_seconds,
    write_sample,
)
from tf1 import tf
from training import files, start
from training import trainer as trainer_module
from training.graph import TrainingGraph
from training.hooks import Hook, no_increase, out_of_patience, own_hooks, plateau, user_hooks
from training.run import PythonInputs, run_args

MINE = """
import os, signal
imported = open("imported.txt", "a").write("x")

def log(run, config, path="log.txt", word="-"):
    with open(path, "a") as out:
        state, loss = run.state, f"{run.latest.loss:.6f}"
        print(word, state.epoch, state.step, config.rnn_size, loss, file=out)

def fail(run, at):
    if run.state.step == at and not os.path.exists("mended"):
        raise RuntimeError("of my own")

def stop(run, at):
    if run.state.step == at:
        run.stop("I have seen enough")

def recall(gold, predicted):
    pairs = [(g, p) for gs, ps in zip(gold, predicted) for g, p in zip(gs, ps) if g != "O"]
    return -sum(g == p for g, p in pairs)

def loss(logits, targets, mask, config):
    from tf1 import tf
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)
    return tf.reduce_sum(losses * mask) / tf.reduce_sum(mask)

not_a_function = 3
"""


@pytest.fixture
def corpus(tmp_path):
    """The flags of a small run in tmp_path with 5 steps an epoch. The folder has a module of the
    user.
    """
    (tmp_path / "mine.py").write_text(MINE)
    return [*write_sample(tmp_path), *TINY, "--max_train_steps_per_epoch", 5, "--epoch", 3]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """`run(*flags, hooks=..., to=folder)` trains a small model. Returns the Trainer. `run.base`:
    without flags.
    """
    folder = tmp_path_factory.mktemp("small")
    flags = [*write_sample(folder), *TINY, "--max_train_steps_per_epoch", 5, "--epoch", 3]
    numbers = iter(range(1000))

    def run(*more, hooks=(), to=None):
        to = to or folder / str(next(numbers))
        return training(
            *([] if "--resume" in more else flags), "--checkpoint_dir", to, *more, hooks=hooks
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "plot_history", lambda history, path: None)
        run.base = run()
        yield run


def training(*flags, hooks=()):
    args = train_args(*flags)
    trainer, _ = run_args(args, start.config_of(args), PythonInputs(hooks=tuple(hooks)))
    trainer.session.close()
    return trainer


def prefix(trainer, name=checkpoint.STATE):
    return os.path.join(trainer.config.checkpoint_dir, name)


def assert_same_run(one, other):
    for name in (checkpoint.STATE, checkpoint.MODEL):
        assert same_weights(prefix(one, name), prefix(other, name))
    (state, history), (other_state, other_history) = (
        (vars(run.state) | {"history": None}, without_seconds(run.state.history))
        for run in (one, other)
    )
    assert state == other_state and history == other_history


# ---------------------------------------------------------------- hooks of the user


def test_hooks_of_a_config_file(corpus, tmp_path, zygote):
    """They run after each epoch and after every N steps, with parameters, and with the config if
    they ask for it.
    """
    (tmp_path / "c.yaml").write_text(
        "hooks:\n- mine.log\n- {call: mine.log, every: 4, path: steps.txt, word: step}\n"
    )
    done = zygote.run("train.py", *corpus, "--config_path", "c.yaml", folder=tmp_path)
    assert done.code == 0, done.err
    epochs, steps = (
        [line.split() for line in (tmp_path / name).read_text().splitlines()]
        for name in ("log.txt", "steps.txt")
    )
    assert [line[:4] for line in epochs] == [
        ["-", "1", "5", "8"],
        ["-", "2", "10", "8"],
        ["-", "3", "15", "8"],
    ]
    assert [line[:3] for line in steps] == [
        ["step", "0", "4"],
        ["step", "1", "8"],
        ["step", "2", "12"],
    ]
    assert all(0 < float(line[4]) < 10 for line in epochs + steps)
    assert checkpoint.load_meta(str(tmp_path / "checkpoint" / "ner_model"))["config"]["hooks"] == [
        {"call": "mine.log"},
        {"call": "mine.log", "every": 4, "path": "steps.txt", "word": "step"},
    ]


def test_a_hook_that_fails(corpus, tmp_path, zygote, small):
    """Its traceback is shown; the state is saved as it was, and the run resumes from there, bit for
    bit.
    """
    flags = [*corpus, "--hooks", "{call: mine.fail, every: 2, at: 8}"]
    done = zygote.run("train.py", *flags, folder=tmp_path)
    assert done.code == 1 and "RuntimeError: of my own" in done.err and "in fail" in done.err
    state = checkpoint.load_meta(str(tmp_path / "checkpoint" / checkpoint.STATE))["state"]
    assert (state["epoch"], state["batch"], state["step"]) == (1, 3, 8)
    (tmp_path / "mended").write_text("")
    assert zygote.run("train.py", *flags, "--resume", folder=tmp_path).code == 0
    whole = small.base
    for name in (checkpoint.STATE, checkpoint.MODEL):
        assert same_weights(prefix(whole, name), tmp_path / "checkpoint" / name)


def test_a_hook_that_stops(corpus, tmp_path, zygote):
    """It stops in the middle of the first epoch: the model is evaluated and kept, and --resume goes
    on.
    """
    done = zygote.run(
        "train.py", *corpus, "--hooks", "{call: mine.stop, every: 1, at: 3}", folder=tmp_path
    )
    lines = done.out.decode().splitlines()
    assert (
        done.code == 0
        and lines[0] == "stopped: I have seen enough"
        and lines[1].startswith("best epoch 1: ")
    )
    state = checkpoint.load_meta(str(tmp_path / "checkpoint" / "ner_model"))["state"]
    assert state["best_step"] == state["step"] == 3
    assert (
        zygote.run(
            "train.py",
            "--resume",
            "--checkpoint_dir",
            tmp_path / "checkpoint",
            "--trust",
            folder=tmp_path,
        ).code
        == 0
    )
    assert (
        checkpoint.load_meta(str(tmp_path / "checkpoint" / checkpoint.STATE))["state"]["step"] == 15
    )


@pytest.mark.parametrize(
    "flags, message",
    [
        (
            "--hooks nowhere.log",
            "hook 'nowhere.log': No module named 'nowhere'; expected module.function",
        ),
        ("--hooks mine.logg", "hook 'mine.logg': module 'mine' has no attribute 'logg'"),
        ("--hooks log", "hook 'log': not known here"),
        ("--hooks mine.stop", "hook mine.stop: missing a required argument: 'at'"),
        ("--hooks mine.not_a_function", "hook 'mine.not_a_function': 3 is not a callable object"),
        (
            "--hooks {call:\tmine.stop,\tat:\t3,\ttoo:\t4}",
            "hook mine.stop: got an unexpected keyword argument 'too'",
        ),
        ("--hooks {call:\tmine.log,\tevery:\t0}", "`every` to be a number of steps from 1 on"),
        ("--loss nowhere.loss --use_crf False", "loss 'nowhere.loss': No module named 'nowhere'"),
        ("--loss mine.loss --use_crf True", "set use_crf to False"),
        ("--metric nowhere.f1", "metric 'nowhere.f1': No module named 'nowhere'"),
        ("--metric f1", "metric 'f1': not known here"),
    ],
)
def test_mistakes(corpus, tmp_path, bare_zygote, flags, message):
    """Mistakes are found before TensorFlow is imported and told in one line, and nothing is
    written.
    """
    before = sorted(os.listdir(tmp_path))
    told = bare_zygote.mistake(
        "train.py",
        *corpus,
        *(flag.replace("\t", " ") for flag in flags.split(" ")),
        folder=tmp_path,
    )
    assert message in told
    assert set(os.listdir(tmp_path)) - set(before) <= {"imported.txt", "__pycache__"}


def test_tagging_imports_nothing(corpus, tmp_path, zygote):
    """A checkpoint has the names of hook, loss and metric; their module is imported only in
    training.
    """
    flags = ["--hooks", "mine.log", "--loss", "mine.loss", "--metric", "mine.recall", "--epoch", 1]
    assert zygote.run("train.py", *corpus, *flags, folder=tmp_path).code == 0
    (tmp_path / "imported.txt").unlink()
    done = zygote.run("inference.py", "--input", "dev.txt", folder=tmp_path)
    assert done.code == 0 and done.out.count(b"\n") == (tmp_path / "dev.txt").read_bytes().count(
        b"\n"
    )
    (tmp_path / "mine.py").unlink()
    assert zygote.run("inference.py", "--input", "dev.txt", folder=tmp_path).out == done.out
    assert not (tmp_path / "imported.txt").exists()
    assert "'mine" in one_line(
        zygote.run("train.py", "--resume", "--epoch", 2, folder=tmp_path).err
    )


def test_a_loss_of_the_user(small):
    """The softmax's own loss under another name trains the same model; half of it, with clipped
    gradients, trains another one.
    """

    @registry.register("loss", "test_same")
    def same(logits, targets, mask, config):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)
        return tf.reduce_sum(losses * mask) / tf.reduce_sum(mask)

    registry.register("loss", "test_squared")(
        lambda logits, targets, mask, config: (
            tf.reduce_mean(
                tf.square(logits - tf.one_hot(targets, logits.shape[-1])) * mask[..., tf.newaxis]
            )
            * config.learning_rate
        )
    )
    base, other = small.base, small("--loss", "test_squared")
    assert_same_run(small("--loss", "test_same"), base)
    assert not same_weights(prefix(other), prefix(base))
    assert other.state.history[0]["train_loss"] < 0.05 < base.state.history[0]["train_loss"]


def test_a_metric_of_the_user(small):
    """It chooses the best model, and is in the history; it gets the tags as lists of str."""
    seen, values = [], iter([1, 5, 3])

    @registry.register("metric", "test_scripted")
    def scripted(gold, predicted):
        seen.append((gold, predicted))
        return next(values)

    trainer = small("--metric", "test_scripted")
    assert [row["metric"] for row in trainer.state.history] == [1, 5, 3]
    assert (trainer.state.best, trainer.state.best_epoch) == (5, 2)
    assert checkpoint.load_meta(prefix(trainer, checkpoint.MODEL))["state"]["epoch"] == 2
    gold, predicted = seen[0]
    assert sorted(map(tuple, gold)) == sorted(map(tuple, trainer.data.dev_gold))
    assert [len(tags) for tags in predicted] == [len(tags) for tags in gold]
    assert {tag for tags in predicted for tag in tags} <= set(trainer.data.tags)


# ---------------------------------------------------------------- evaluation


def test_eval_every(small):
    """Epochs without an evaluation have no scores, the last epoch always has, and the weights do
    not depend on it.
    """
    base, every = small.base, small("--eval_every", 2)
    assert [row["chunk_f1"] is None for row in every.state.history] == [True, False, False]
    assert same_weights(prefix(base), prefix(every))
    assert without_seconds(base.state.history)[1:] == without_seconds(every.state.history)[1:]
    assert every.state.best_epoch >= 2


def test_eval_within_epochs(small, monkeypatch):
    """Evaluations come at intervals of time; the best of them is kept, and the weights do not
    depend on them.
    """
    clock = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(trainer_module, "time", types.SimpleNamespace(monotonic=lambda: clock.now))
    evaluated, step = [], TrainingGraph.step

    def tick(self, inputs):
        clock.now += 1.0
        return step(self, inputs)

    def note(run):
        evaluated.append((run.state.eval_step, run.state.score))

    monkeypatch.setattr(TrainingGraph, "step", tick)
    monkeypatch.setattr(
        trainer_module,
        "own_hooks",
        lambda config: [*own_hooks(config), Hook(note, "evaluation")],
    )
    base, trainer = small.base, small("--run_every_secs", 3)
    assert same_weights(prefix(base), prefix(trainer))
    assert [step for step, _ in evaluated] == [3, 5, 6, 9, 10, 12, 15]
    best = max(evaluated, key=lambda pair: (pair[1], -pair[0]))
    assert (trainer.state.best_step, trainer.state.best) == best
    assert checkpoint.load_meta(prefix(trainer, checkpoint.MODEL))["state"]["step"] == best[0]


def test_the_end_of_an_epoch_is_evaluated_once(small, monkeypatch):
    calls = []
    evaluate = trainer_module.evaluate

    def count(graph, data, config):
        calls.append(graph.steps_done())
        return evaluate(graph, data, config)

    monkeypatch.setattr(trainer_module, "evaluate", count)
    trainer = small("--run_every_secs", 1e-9)
    assert calls == list(range(1, 16))
    assert all(row["chunk_f1"] is not None for row in trainer.state.history)


def test_summaries_of_epochs_without_evaluation(small, tmp_path):
    registry.register("metric", "test_one")(lambda gold, predicted: 1.0)
    small("--eval_every", 2, "--summary_dir", tmp_path, "--metric", "test_one")
    found = [
        (event.step, value.tag)
        for file in (tmp_path / "dev").iterdir()
        for event in tf.train.summary_iterator(str(file))
        for value in event.summary.value
    ]
    assert found == [
        (step, tag) for step in (10, 15) for tag in ("loss", "token_f1", "chunk_f1", "metric")
    ]


# ---------------------------------------------------------------- plateau and early stopping


def follow(hook, config, scores, steps):
    """Runs a hook on evaluations with these scores at these steps. Returns the step at which it
    stops, and its factors on the learning rate.
    """
    state = State()
    run = types.SimpleNamespace(config=config, state=state, stopped=None, scaled=[])
    run.stop = lambda why: setattr(run, "stopped", state.step)
    run.scale_rate = lambda factor: run.scaled.append((state.step, factor))
    for score, step in zip(scores, steps):
        state.score, state.step = score, step
        state.epoch += 1
        if state.best is None or score > state.best:
            state.best, state.best_step, state.best_epoch = score, step, state.epoch
        hook(run)
        hook(
            run
        ) if hook is no_increase and step % 2 else None  # deciding once more changes nothing
        if run.stopped:
            break
    return run


def no_increase_by_definition(scores, steps, config):
    """The first evaluation from min_steps on that follows so many steps without a better one."""
    counted = [(step, score) for step, score in zip(steps, scores) if step >= config.min_steps]
    for i, (step, _) in enumerate(counted):
        best = max(score for _, score in counted[: i + 1])
        if (
            step - next(at for at, score in counted if score == best)
            >= config.max_steps_without_increase
        ):
            return step
    return None


def test_early_stopping_by_steps():
    draw, stopped = random.Random(5), 0
    for _ in range(300):
        steps = sorted(draw.sample(range(1, 100), 12))
        scores = [draw.randint(0, 5) + i // 3 for i in range(12)]
        config = Config(
            min_steps=draw.choice([0, 20, 50]), max_steps_without_increase=draw.choice([1, 10, 30])
        )
        expected = no_increase_by_definition(scores, steps, config)
        assert follow(no_increase, config, scores, steps).stopped == expected
        stopped += expected is not None
    assert 50 < stopped < 290


def test_early_stopping_by_epochs():
    config, steps = Config(patience=3), range(10, 200, 10)
    assert follow(out_of_patience, config, [1, 2, 2, 1, 2, 9], steps).stopped == 50
    assert follow(out_of_patience, config, [1, 2, 2, 1, 3, 3, 3], steps).stopped is None


def test_plateau_on_scores():
    config, steps = Config(lr_patience=2, lr_factor=0.5), range(10, 200, 10)
    run = follow(plateau, config, [1, 1, 2, 2, 1, 2, 2, 3, 3, 3], steps)
    assert run.scaled == [(50, 0.5), (70, 0.5), (100, 0.5)]


def test_plateau_in_training(small):
    """The learning rate falls; its factor is part of the state, and not of the model."""
    rates = []
    registry.register("metric", "test_constant")(lambda gold, predicted: 1.0)
    trainer = small(
        "--lr_schedule",
        "plateau",
        "--lr_patience",
        1,
        "--lr_factor",
        0.1,
        "--metric",
        "test_constant",
        "--warmup_steps",
        2,
        hooks=[{"call": lambda run: rates.append(run.latest.rate), "every": 1}],
    )
    np.testing.assert_allclose(rates, [0.005] + [0.01] * 9 + [0.001] * 5, rtol=1e-5)
    assert weights(prefix(trainer))["plateau"] == pytest.approx(1e-2)
    assert "plateau" not in weights(prefix(trainer, checkpoint.MODEL))


def test_cosine_in_training(small):
    rates = []
    small(
        "--lr_schedule",
        "cosine",
        hooks=[{"call": lambda run: rates.append(run.latest.rate), "every": 1}],
    )
    np.testing.assert_allclose(
        rates, [0.005 * (1 + math.cos(math.pi * k / 15)) for k in range(15)], rtol=1e-4
    )


def test_early_stopping_in_training(small):
    """No score is better than the first, so training stops at the first evaluation at least 4 steps
    later; --resume does not go on.
    """
    registry.register("metric", "test_constant")(lambda gold, predicted: 1.0)
    trainer = small(
        "--metric",
        "test_constant",
        "--run_every_secs",
        1e-9,
        "--max_steps_without_increase",
        4,
        "--min_steps",
        3,
    )
    assert trainer.state.step == 7 and trainer.stopped == "4 steps without a better score"
    again = small("--resume", to=trainer.config.checkpoint_dir)
    assert again.state.step == 7
    further = small("--resume", "--max_steps_without_increase", 6, to=trainer.config.checkpoint_dir)
    assert further.state.step == 9


# ---------------------------------------------------------------- --resume


class Killed(BaseException):
    """Stands for kill -9: no code catches it to save the state."""


def kill_at(step):
    def kill(run):
        if run.state.step == step:
            raise Killed

    return {"call": kill, "every": 1}


@pytest.mark.parametrize(
    "flags",
    [
        "--optimizer sgd --lr_schedule plateau --lr_patience 1 --metric test_falling",
        "--optimizer adamw --lr_schedule cosine --warmup_steps 3 --eval_every 2 --patience 1",
        "--optimizer radam --lr_schedule constant --ema_decay 0.9",
        "--optimizer adam --lr_schedule plateau --run_every_secs 1e-9 --max_steps_without_increase "
        "11 --metric test_falling",
    ],
)
def test_resume_is_exact(small, tmp_path, flags):
    """A run is killed in the second epoch, stopped by Ctrl-C in the third, and then ends: weights,
    moments, learning rates, scores and state are exact.
    """
    registry.register("metric", "test_falling")(
        lambda gold, predicted: -sum(tags.count("O") for tags in predicted)
    )
    flags = flags.split()
    whole = small(*flags)
    with pytest.raises(Killed):
        small(*flags, hooks=[kill_at(8)], to=tmp_path)
    interrupted = small(
        "--resume",
        hooks=[{"call": lambda run: os.kill(os.getpid(), signal.SIGINT), "every": 12}],
        to=tmp_path,
    )
    assert interrupted.state.step == min(whole.state.step, 12)
    assert_same_run(small("--resume", to=tmp_path), whole)
    assert json.loads((tmp_path / "history.json").read_text()) != []


def test_a_hook_by_value_that_is_none():
    with pytest.raises(UserError, match="hook 3: 3 is not a callable object"):
        user_hooks([3])
