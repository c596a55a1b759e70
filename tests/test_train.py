"""train.py as a user runs it: it learns, repeats, resumes bit for bit, obeys every flag and leaves
no half-written file.
"""

import json
import math
import os
import random
import shutil
import signal

import numpy as np
import pytest

import checkpoint
import conll
from cli import UserError
from config import ENCODERS, Config
from features.feed import training_batches
from features.vocabulary import EmbVec
from support.commands import (
    SMALL,
    TINY,
    assert_same_run,
    fit,
    left_behind,
    one_line,
    prefix,
    same_weights,
    sample,
    scores,
    weights,
    write_sample,
)
from tf1 import tf
from training import files
from training.trainer import Trainer


@pytest.fixture
def corpus(tmp_path):
    """Flags that name a small corpus and the output, in tmp_path."""
    return write_sample(tmp_path)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """`run(*flags)` trains TINY for two epochs and returns the Trainer, once for the same flags.
    `run.base`: the run without flags.
    """
    folder = tmp_path_factory.mktemp("tiny")
    flags = write_sample(folder)
    done = {}

    def run(*more):
        key = " ".join(map(str, more))
        if key not in done:
            done[key] = fit(
                *flags, *TINY, "--epoch", 2, "--checkpoint_dir", folder / str(len(done)), *more
            )
        return done[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "plot_history", lambda history, path: None)
        run.base = run()
        yield run


def test_it_learns(trained):
    history = trained.trainer.state.history
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert history[-1]["train_loss"] < history[0]["train_loss"] / 2
    assert history[-1]["dev_loss"] < history[0]["dev_loss"]
    assert max(row["chunk_f1"] for row in history) > 60


def test_files_of_a_run(trained):
    assert (
        json.loads((trained.checkpoint / "history.json").read_text())
        == trained.trainer.state.history
    )
    assert (trained.checkpoint / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert left_behind(trained.checkpoint) == []
    meta = checkpoint.load_meta(trained.prefix)
    assert set(meta["made_from"]) == {
        str(trained.folder / "train.txt"),
        str(trained.folder / "dev.txt"),
    }
    assert (
        meta["tags"][0] == "O"
        and meta["data_scheme"] == "bio"
        and meta["columns"] == ["word", "pos", "chunk", "tag"]
    )


def test_summaries(trained):
    """TensorBoard's files have the scalars of train and dev, at the right steps."""
    found = {}
    for name in ("train", "dev"):
        for file in sorted((trained.folder / "summaries" / name).iterdir()):
            for event in tf.train.summary_iterator(str(file)):
                for value in event.summary.value:
                    found.setdefault((name, value.tag), {})[event.step] = value.simple_value
    history = trained.trainer.state.history
    assert set(found) == {
        ("train", "loss"),
        ("train", "learning_rate"),
        ("train", "epoch_loss"),
        ("dev", "loss"),
        ("dev", "token_f1"),
        ("dev", "chunk_f1"),
    }
    assert found["dev", "chunk_f1"] == {
        row["step"]: pytest.approx(row["chunk_f1"], rel=1e-5) for row in history
    }
    assert found["train", "epoch_loss"] == {
        row["step"]: pytest.approx(row["train_loss"], rel=1e-5) for row in history
    }
    assert list(found["train", "loss"]) == [
        row["step"] - row["step"] // row["epoch"] + 100 for row in history
    ]
    assert found["train", "learning_rate"].popitem()[1] == pytest.approx(0.01)


# ---------------------------------------------------------------- the same again


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """A run that uses everything random, and its flags. Interrupted runs must end like it."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    flags = [
        *write_sample(folder),
        *SMALL,
        "--epoch",
        "3",
        "--ema_decay",
        "0.9",
        "--feature_drop",
        "0.3",
        "--max_train_steps_per_epoch",
        "7",
        "--use_highway",
        "False",
    ]
    return fit(*flags), flags


def test_same_seed_same_weights(uninterrupted, tmp_path):
    trainer, flags = uninterrupted
    fit(*flags, "--checkpoint_dir", tmp_path)
    assert_same_run(trainer, tmp_path)


def test_other_seed_other_weights(uninterrupted, tmp_path):
    trainer, flags = uninterrupted
    other = fit(*flags, "--checkpoint_dir", tmp_path, "--seed", 2, "--epoch", 1)
    assert not same_weights(prefix(trainer), prefix(other))
    assert scores(other) != scores(trainer)[:1]


def test_resume_after_kill(uninterrupted, tmp_path, zygote):
    """kill -9 comes at two random steps inside an epoch, each in a process of its own; the third
    process ends the run.
    """
    trainer, flags = uninterrupted
    draw = random.Random(20)
    flags = [*flags, "--checkpoint_dir", tmp_path]
    for epoch in range(2):
        first = epoch == 0
        batches = draw.randint(1, 6) + (
            0 if first else 7
        )  # the epoch under way is begun anew, and then one more
        killed = zygote.run(
            "train.py", *flags, *([] if first else ["--resume"]), signal=(signal.SIGKILL, batches)
        )
        assert killed.code == -signal.SIGKILL, killed.err
        assert len(json.loads((tmp_path / "history.json").read_text())) == epoch
    done = zygote.run("train.py", *flags, "--resume")
    assert done.code == 0, done.err
    assert_same_run(trainer, tmp_path)


def fit_and_copy(monkeypatch, to, *flags):
    """Trains, and copies the checkpoint folder once the first epoch is saved, as if the run had
    ended there.
    """
    save_state = Trainer.save_state

    def save_and_copy(trainer):
        save_state(trainer)
        if trainer.state.epoch == 1 and not to.exists():
            shutil.copytree(trainer.config.checkpoint_dir, to)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save_state", save_and_copy)
        return fit(*flags)


@pytest.mark.parametrize("encoder", ENCODERS[1:])
def test_every_encoder_trains_stops_and_resumes(corpus, tmp_path, monkeypatch, encoder):
    flags = [
        *corpus[:4],
        *TINY,
        "--encoder",
        encoder,
        "--keep_prob",
        "0.5",
        "--max_train_steps_per_epoch",
        3,
        "--transformer_layers",
        1,
    ]
    flags += ["--epoch", 2, "--checkpoint_dir", tmp_path / "whole"]
    whole = fit_and_copy(monkeypatch, tmp_path / "parts", *flags)
    fit("--resume", "--checkpoint_dir", tmp_path / "parts")
    assert_same_run(whole, tmp_path / "parts")
    assert whole.state.history[0]["train_loss"] > whole.state.history[1]["train_loss"]


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)]
)
def test_interrupt_and_resume(uninterrupted, tmp_path, zygote, number):
    """Ctrl-C in the second epoch ends with 130; the best model is there, and the saved state is
    that of the last step. SIGTERM and SIGHUP do the same.
    """
    trainer, flags = uninterrupted
    stopped = zygote.run("train.py", *flags, "--checkpoint_dir", tmp_path, signal=(number, 10))
    assert stopped.code == 128 + number
    assert "--resume" in one_line(stopped.err)
    checkpoint.load_meta(checkpoint.resolve(str(tmp_path)))
    state = checkpoint.load_meta(str(tmp_path / checkpoint.STATE))["state"]
    assert (state["epoch"], state["batch"]) == (1, 4)
    assert left_behind(tmp_path) == [] and not (tmp_path / "training.lock").exists()
    if number != signal.SIGINT:
        return
    fit("--resume", "--checkpoint_dir", tmp_path)
    assert_same_run(trainer, tmp_path)


def test_resume_of_a_finished_run_with_more_epochs(uninterrupted, tmp_path):
    trainer, flags = uninterrupted
    fit(*flags, "--checkpoint_dir", tmp_path, "--epoch", 2)
    fit("--resume", "--checkpoint_dir", tmp_path, "--epoch", 3)
    assert_same_run(trainer, tmp_path)


def test_resume_with_the_config_file_of_the_run(corpus, tmp_path):
    """The command of the run with --resume resumes it, wherever the file puts the checkpoint."""
    (tmp_path / "c.json").write_text(
        json.dumps({"checkpoint_dir": str(tmp_path / "elsewhere"), "epoch": 1, "keep_prob": 0.9})
    )
    fit(*corpus[:4], *TINY, "--config_path", tmp_path / "c.json")
    trainer = fit(
        *corpus[:4], *TINY, "--config_path", tmp_path / "c.json", "--resume", "--epoch", 2
    )
    assert trainer.config.keep_prob == 0.9 and len(trainer.state.history) == 2


# ---------------------------------------------------------------- every flag


@pytest.mark.parametrize(
    "flags, base",
    [
        ("--batch_size 3", ""),
        ("--max_batch_tokens 60", ""),
        ("--optimizer sgd", ""),
        ("--optimizer sgd --momentum 0.5", "--optimizer sgd"),
        ("--learning_rate 0.02", ""),
        ("--lr_decay_steps 2", ""),
        ("--lr_decay_steps 2 --lr_decay_rate 0.5", "--lr_decay_steps 2"),
        ("--warmup_steps 5", ""),
        ("--clip_norm 0.001", ""),
        ("--keep_prob 0.5", ""),
        ("--feature_drop 0.5", ""),
        ("--unk_replace 0", ""),
        ("--train_wrd False", ""),
        ("--tag_scheme iobes", ""),
        ("--seed 2", ""),
        ("--dev_fraction 0.2", ""),
        ("--max_train_steps_per_epoch 3", ""),
        ("--lowercase False", ""),
    ],
)
def test_flag_changes_the_weights(tiny, flags, base):
    other = tiny(*base.split()) if base else tiny.base
    trainer = tiny(*flags.split())
    assert scores(trainer) != scores(other)
    assert [row["train_loss"] for row in scores(trainer)] != [
        row["train_loss"] for row in scores(other)
    ]
    changed, before = weights(prefix(trainer)), weights(prefix(other))
    assert any(
        changed[name].shape != before[name].shape or (changed[name] != before[name]).any()
        for name in changed.keys() & before.keys()
        if name.startswith("projection/")
    )


def test_batches_are_bounded():
    config = Config(batch_size=5, max_batch_tokens=40)
    lengths = [random.Random(1).randint(1, 30) for _ in range(200)] + [90]
    batches = training_batches(lengths, config, 0)
    assert sorted(i for batch in batches for i in batch) == list(range(201))
    assert max(map(len, batches)) == 5
    assert all(
        len(batch) == 1 or max(lengths[i] for i in batch) * len(batch) <= 40 for batch in batches
    )
    assert batches != training_batches(lengths, config, 1)


def test_learning_rate_schedule():
    from training.optimizer import scheduled_rate

    config = Config(learning_rate=1.0, warmup_steps=4, lr_decay_steps=10, lr_decay_rate=0.5)
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = scheduled_rate(config, step)
        rates = [float(session.run(rate, {step: i})) for i in (0, 1, 3, 9, 10, 19, 20)]
    assert rates == [0.25, 0.5, 1.0, 1.0, 0.5, 0.5, 0.25]


def test_train_wrd_false_freezes_the_words(tiny):
    trainer = tiny("--train_wrd", "False")
    other = tiny("--train_wrd", "False", "--max_train_steps_per_epoch", 1)
    name = "embeddings/word"
    assert (weights(prefix(trainer))[name] == weights(prefix(other))[name]).all()
    assert (weights(prefix(tiny.base))[name] != weights(prefix(other))[name]).any()


def test_tag_scheme(tiny):
    trainer = tiny("--tag_scheme", "iobes")
    assert {tag[0] for tag in trainer.data.tags} == set("OBIES")
    assert {tag[0] for tag in tiny.base.data.tags} == set("OBI")


def test_ema_is_what_is_kept(tiny):
    """ner_model has the averages in place of the weights; the run itself goes on with the
    weights.
    """
    trainer = tiny("--ema_decay", 0.9, "--epoch", 1)
    model, state = weights(prefix(trainer, checkpoint.MODEL)), weights(prefix(trainer))
    average = state["projection/kernel/ExponentialMovingAverage"]
    assert (model["projection/kernel"] == average).all()
    assert (state["projection/kernel"] != average).any()
    assert scores(trainer)[0]["train_loss"] == scores(tiny.base)[0]["train_loss"]
    assert scores(trainer)[0]["dev_loss"] != scores(tiny.base)[0]["dev_loss"]


def test_epoch_and_patience(tiny):
    standing = ["--learning_rate", 1e-12, "--epoch", 4]
    assert len(tiny(*standing, "--patience", 2).state.history) == 3
    assert len(tiny(*standing, "--patience", 0).state.history) == 4


@pytest.mark.parametrize(
    "name, score", [("chunk", "chunk_f1"), ("token", "token_f1"), ("loss", "dev_loss")]
)
def test_save_by(tiny, name, score):
    """The epoch with the best score of each kind is kept; this run overfits, so that loss and F1
    are best in different epochs.
    """
    trainer = tiny(
        "--save_by", name, "--epoch", 9, "--learning_rate", 0.1, "--keep_prob", 1.0, "--patience", 0
    )
    history = trainer.state.history
    values = [-row[score] if name == "loss" else row[score] for row in history]
    best = 1 + values.index(max(values))
    assert trainer.state.best_epoch == best
    assert checkpoint.load_meta(prefix(trainer, checkpoint.MODEL))["state"]["epoch"] == best
    assert min(range(9), key=lambda i: history[i]["dev_loss"]) != max(
        range(9), key=lambda i: history[i]["chunk_f1"]
    )


def test_max_eval_steps_changes_scores_alone(tiny):
    trainer = tiny("--max_eval_steps", 1)
    assert same_weights(prefix(trainer), prefix(tiny.base))
    assert scores(trainer) != scores(tiny.base)


def test_threads(tiny):
    trainer = tiny("-j", 1)
    assert trainer.config.threads == 1
    assert scores(trainer)[-1]["train_loss"] == pytest.approx(
        scores(tiny.base)[-1]["train_loss"], rel=1e-3
    )


def test_several_training_files(tiny, tmp_path):
    for name, part in (("a", sample("train")[:25]), ("b", sample("train")[25:60])):
        (tmp_path / name).write_bytes(b"".join(part))
    trainer = tiny("--train_path", tmp_path / "a", tmp_path / "b")
    assert same_weights(prefix(trainer), prefix(tiny.base))


def test_config_file_and_flags(tiny, tmp_path):
    """A file sets what a flag sets; a flag overrides it."""
    (tmp_path / "c.yaml").write_text(
        "keep_prob: 0.5\nlearning_rate: 1e-2\nbatch_size: 3\nchr_filter_widths: 3\n"
    )
    trainer = tiny("--config_path", tmp_path / "c.yaml", "--batch_size", 8)
    assert (trainer.config.keep_prob, trainer.config.learning_rate, trainer.config.batch_size) == (
        0.5,
        0.01,
        8,
    )
    assert same_weights(prefix(trainer), prefix(tiny("--keep_prob", 0.5)))


# ---------------------------------------------------------------- --restore


def test_restore_takes_weights_and_a_fresh_optimizer(trained, tmp_path):
    trainer = fit(
        *trained.flags,
        "--checkpoint_dir",
        tmp_path,
        "--restore",
        trained.checkpoint,
        "--epoch",
        1,
        "--max_train_steps_per_epoch",
        1,
        "--learning_rate",
        1e-9,
    )
    assert trainer.config.rnn_size == 32
    before, after = weights(trained.prefix), weights(prefix(trainer))
    for name, tensor in before.items():
        np.testing.assert_allclose(after[name], tensor, atol=1e-6)
    assert after["global_step"] == 1
    assert after["beta1_power"] == pytest.approx(0.9**2)
    kept = max(row["chunk_f1"] for row in trained.trainer.state.history)
    assert trainer.state.history[0]["chunk_f1"] == pytest.approx(kept, abs=0.5)


def test_restore_keeps_the_tag_scheme_of_the_model(tiny, tmp_path):
    """A BIO model is trained further in BIO, though the new corpus is IOB1, and then tags in
    IOB1.
    """
    import schemes

    rows = []
    for sentence in sample("train")[:60]:
        cells = [line.split(b" ") for line in sentence.strip().split(b"\n")]
        tags = schemes.convert([row[3].decode() for row in cells], "bio", "iob1")
        rows += [b" ".join([*row[:3], tag.encode()]) + b"\n" for row, tag in zip(cells, tags)] + [
            b"\n"
        ]
    (tmp_path / "iob1.txt").write_bytes(b"".join(rows))
    trainer = tiny(
        "--restore",
        prefix(tiny.base, checkpoint.MODEL),
        "--train_path",
        tmp_path / "iob1.txt",
        "--dev_path",
        tmp_path / "iob1.txt",
    )
    assert (trainer.data.tag_scheme, trainer.data.data_scheme) == ("bio", "iob1")
    assert trainer.data.tags == tiny.base.data.tags
    assert trainer.state.history[0]["chunk_f1"] >= tiny.base.state.history[0]["chunk_f1"]


# ---------------------------------------------------------------- mishaps


def test_loss_that_is_not_finite(corpus, zygote):
    done = zygote.run("train.py", *corpus, *TINY, "--learning_rate", 1e38)
    assert done.code == 2
    assert "epoch 1, batch" in one_line(done.err)
    assert "smaller --learning_rate" in done.err


def test_vector_that_is_not_a_number(corpus, tmp_path):
    sentences, _ = conll.read_sentences(str(tmp_path / "train.txt"))
    emb = EmbVec.from_sentences(sentences, 10, True)
    emb.vectors = np.zeros((len(emb.vocab["wrd"]), 10), np.float32)
    emb.vectors[2:40] = math.nan
    emb.save(str(tmp_path / "nan.pkl"))
    with pytest.raises(UserError, match="the loss is nan"):
        fit(*corpus, *TINY, "--emb_path", tmp_path / "nan.pkl")


def test_full_disk(tiny, tmp_path, zygote):
    """If a file cannot be written, the exit code is 2 with one line, the earlier checkpoint is
    whole, and --resume works from it.
    """
    shutil.copytree(tiny.base.config.checkpoint_dir, tmp_path / "c")
    folder = tmp_path / "c"
    before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
    # the best model fits, the state with the optimizer's moments does not
    ends = ".data-00000-of-00001"
    largest = (len(before["ner_model" + ends]) + len(before["last_state" + ends])) // 2
    flags = [
        "--resume",
        "--checkpoint_dir",
        folder,
        "--epoch",
        3,
        "--summary_dir",
        tmp_path / "summaries",
    ]
    done = zygote.run("train.py", *flags, largest_file=largest)
    assert done.code == 2
    assert "disk full" in one_line(done.err)
    assert left_behind(folder) == []
    for name, content in before.items():
        if name.startswith("last_state"):
            assert (folder / name).read_bytes() == content
    checkpoint.load_meta(checkpoint.resolve(str(folder)))
    weights(folder / "ner_model")
    fit(*flags)
    assert same_weights(folder / "last_state", prefix(tiny("--epoch", 3)))


@pytest.mark.parametrize("renames", range(6))
def test_crash_while_a_checkpoint_takes_its_place(tiny, tmp_path, monkeypatch, renames):
    """A crash before the first rename leaves the old checkpoint, and one after it is completed
    later; there is never a mixture.
    """
    new = tiny.base
    folder = tmp_path / "c"
    shutil.copytree(new.config.checkpoint_dir, folder)
    old = tiny("--seed", 2)
    for name in os.listdir(folder):
        if name.startswith("ner_model"):
            shutil.copy(prefix(old, name), folder)
    crash_after(monkeypatch, renames)
    with tf.Graph().as_default(), tf.Session() as session, pytest.raises(SystemError):
        tensors = {
            name: tf.Variable(value)
            for name, value in weights(prefix(new, checkpoint.MODEL)).items()
        }
        session.run(tf.global_variables_initializer())
        checkpoint.save(
            str(folder / "ner_model"),
            session,
            tf.train.Saver(tensors),
            new.files.meta(new.state),
            new.data.emb,
        )
    monkeypatch.undo()
    meta = checkpoint.load_meta(checkpoint.resolve(str(folder)))
    whole = new if renames > 1 else old
    assert meta["config"]["seed"] == whole.config.seed
    assert same_weights(folder / "ner_model", prefix(whole, checkpoint.MODEL))
    assert [name for name in left_behind(folder) if not name.startswith(".saving-")] == []


def crash_after(monkeypatch, renames):
    """Makes os.rename and os.replace raise after `renames` of them: the vocabulary's, the folder's,
    the four files'.
    """
    left = iter(range(renames))

    def crashing(real):
        def rename(*args):
            if next(left, None) is None:
                raise SystemError("crash")
            return real(*args)

        return rename

    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, crashing(getattr(os, name)))


def test_what_a_killed_writer_left_is_swept(corpus, tmp_path):
    (tmp_path / "checkpoint" / ".saving-abc").mkdir(parents=True)
    (tmp_path / "checkpoint" / ".saving-abc" / "ner_model.index").write_bytes(b"half")
    fit(*corpus, *TINY, "--epoch", 1)
    assert left_behind(tmp_path / "checkpoint") == []


def test_dev_tags_never_seen_in_training(corpus, tmp_path, capsys):
    """They count as errors in F1. If no dev sentence is left for the loss, no model can be kept by
    it, which is reported before training.
    """
    text = b"".join(b"Q NN B-NP B-NEW\n" + sentence for sentence in sample("dev")[:5])
    (tmp_path / "dev.txt").write_bytes(text)
    with pytest.raises(UserError, match="save_by loss: .* no loss to go by"):
        fit(*corpus, *TINY, "--epoch", 1, "--save_by", "loss")
    assert not (tmp_path / "checkpoint").exists()
    trainer = fit(*corpus, *TINY, "--epoch", 1)
    assert trainer.state.best_epoch == 1
    checkpoint.load_meta(checkpoint.resolve(str(tmp_path / "checkpoint")))
    assert "never seen in training" in capsys.readouterr().err
