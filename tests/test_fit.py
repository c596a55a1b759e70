"""Training from Python with `fit`, as in a notebook."""

import os
import signal

import numpy as np
import pytest

import conll
import registry
from cli import UserError
from config import Config
from features.vocabulary import EmbVec
from inference import Tagger
from support import commands
from support.commands import same_weights, sample, weights, without_seconds
from tf1 import tf
from training import files
from training.fit import fit

HYPER = {
    "rnn_size": 8,
    "rnn_layers": 1,
    "num_filters": 4,
    "batch_size": 8,
    "learning_rate": 0.01,
    "use_highway": False,
    "use_chr": False,
    "use_crf": False,
    "epoch": 2,
    "max_train_steps_per_epoch": 6,
}
FLAGS = [str(argument) for name, value in HYPER.items() for argument in (f"--{name}", value)]


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """conll.Sentences of the sample: 60 to train on, 30 for development."""
    folder = tmp_path_factory.mktemp("sentences")
    commands.write_sample(folder)
    return [conll.read_sentences(str(folder / f"{split}.txt"))[0] for split in ("train", "dev")]


@pytest.fixture
def pairs(sentences):
    """The same sentences as pairs (words, tags)."""
    return [[(sentence.words, sentence.tags) for sentence in split] for split in sentences]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The working folder of a test. The plot takes longest, and no test looks at it, so it is left
    out.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(files, "plot_history", lambda history, path: None)
    return tmp_path


def command(folder, columns, *flags):
    """Trains with train.py on the same sentences as files of these columns. Returns the prefix of
    the best model.
    """
    for split, count in (("train", 60), ("dev", 30)):
        cells = [
            [row.split(b" ") for row in sentence.strip().split(b"\n")]
            for sentence in sample(split)[:count]
        ]
        (folder / f"{split}.txt").write_bytes(
            b"".join(
                b"\n".join(b" ".join(row[i] for i in columns) for row in rows) + b"\n\n"
                for rows in cells
            )
        )
    trainer = commands.fit(
        "--train_path",
        folder / "train.txt",
        "--dev_path",
        folder / "dev.txt",
        *FLAGS,
        "--checkpoint_dir",
        folder / "of_command",
        "--summary_dir",
        "",
        *flags,
    )
    return str(folder / "of_command" / "ner_model"), trainer


def test_lists_are_what_files_are(pairs, here):
    """The model is that of train.py, bit for bit; it tags, and has its history."""
    tagger = fit(*pairs, **HYPER)
    prefix, trainer = command(here, (0, 3), "--columns", "word tag")
    assert same_weights(here / "runs" / "fit-1" / "ner_model", prefix)
    assert without_seconds(tagger.history) == without_seconds(trainer.state.history)
    assert tagger.tag(conll.read_sentences("dev.txt")[0]) == Tagger.load(prefix).tag(
        conll.read_sentences("dev.txt")[0]
    )


def test_sentences_bring_their_columns(sentences, here):
    fit(*sentences, Config(checkpoint_dir="of_fit", **HYPER))
    assert same_weights("of_fit/ner_model", command(here, (0, 1, 2, 3))[0])


def test_paths_and_config_files(sentences, here):
    """Paths and a config file are accepted, and a hyper-parameter overrides the file."""
    prefix, _ = command(here, (0, 1, 2, 3), "--keep_prob", "0.9")
    (here / "c.yaml").write_text(
        "".join(f"{name}: {value}\n" for name, value in {**HYPER, "keep_prob": 0.5}.items())
    )
    fit(here / "train.txt", ["dev.txt"], config="c.yaml", keep_prob=0.9)
    assert same_weights("runs/fit-1/ner_model", prefix)


def test_models_do_not_disturb_one_another(pairs, here):
    """Two models of different sizes and seeds are trained, then the first again: it is the same,
    and the first tagger still tags alike.
    """
    words = [conll.Sentence(1, words, None, None, None) for words, _ in pairs[1]]
    first = fit(*pairs, **HYPER)
    tags = first.tag(words)
    second = fit(*pairs, **{**HYPER, "rnn_size": 12, "seed": 2, "optimizer": "radam"})
    between = second.tag(words)
    fit(*pairs, **HYPER)
    assert same_weights("runs/fit-1/ner_model", "runs/fit-3/ner_model")
    assert first.tag(words) == tags and second.tag(words) == between != tags
    assert sorted(os.listdir(here)) == ["runs"] and sorted(os.listdir("runs")) == [
        "fit-1",
        "fit-2",
        "fit-3",
    ]


def test_going_on_from_a_tagger(pairs):
    """The training starts with the tagger's weights, and a learning rate of 0 keeps them;
    vocabulary and sizes need not be given.
    """
    tagger = fit(*pairs, **HYPER)
    rest = {name: HYPER[name] for name in ("batch_size", "epoch")}
    again = fit(*pairs, restore=tagger, learning_rate=1e-12, **rest)
    assert again.config.rnn_size == 8
    before, after = (commands.weights(model.prefix) for model in (tagger, again))
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, atol=1e-7)
    further = fit(*pairs, restore=again.prefix, learning_rate=0.01, **rest)
    assert further.history[-1]["train_loss"] < tagger.history[-1]["train_loss"]


def test_warm_start_takes_over_what_fits(pairs):
    """A model without persons, and one that learns persons from it: everything but the weights of
    new tags begins as the old model ended.
    """
    train, dev = (
        [(words, ["O" if tag.endswith("PER") else tag for tag in tags]) for words, tags in split]
        for split in pairs
    )
    old = fit(train, dev, **{**HYPER, "epoch": 1})
    new = fit(*pairs, warm_start=old, **{**HYPER, "epoch": 1, "learning_rate": 1e-12})
    assert set(new.meta["tags"]) - set(old.meta["tags"]) == {"B-PER", "I-PER"}
    before, after = weights(old.prefix), weights(new.prefix)
    np.testing.assert_allclose(
        after["encoder/bilstm_0/forward/kernel"],
        before["encoder/bilstm_0/forward/kernel"],
        atol=1e-6,
    )
    places = [new.meta["tags"].index(tag) for tag in old.meta["tags"]]
    np.testing.assert_allclose(
        after["projection/kernel"][:, places], before["projection/kernel"], atol=1e-6
    )


def test_a_ready_made_config_by_its_name(pairs):
    assert fit(*pairs, config="bigru", **{**HYPER, "epoch": 1}).config.encoder == "bigru"


def test_optimizer_and_hooks_by_value(pairs):
    calls = []
    hooks = [
        lambda run: calls.append(run.state.step),
        {
            "call": lambda run, config, word: calls.append((word, config.rnn_size)),
            "every": 5,
            "word": "x",
        },
    ]
    fit(
        *pairs,
        **HYPER,
        checkpoint_dir="a",
        hooks=hooks,
        optimizer=lambda rate: tf.train.MomentumOptimizer(rate, 0.9),
    )
    assert calls == [("x", 8), 6, ("x", 8), 12]
    fit(*pairs, **HYPER, checkpoint_dir="b", optimizer="sgd")
    fit(
        *pairs,
        **HYPER,
        checkpoint_dir="c",
        optimizer=tf.train.MomentumOptimizer(0.01, 0.9),
        lr_schedule="constant",
    )
    assert same_weights("a/ner_model", "b/ner_model") and same_weights("c/ner_model", "b/ner_model")


def test_embeddings_by_value(pairs, sentences, here):
    """They start as they are in the EmbVec, which stays as it is; by its file it is the same."""
    emb = EmbVec.from_sentences(sentences[0], 10, True)
    emb.vectors = (
        np.random.default_rng(0).normal(size=(len(emb.vocab["wrd"]), 10)).astype(np.float32)
    )
    emb.save("e.pkl")
    for name, given in (("a", emb), ("b", here / "e.pkl")):
        fit(*pairs, **HYPER, checkpoint_dir=name, embeddings=given)
    assert same_weights("a/ner_model", "b/ner_model")
    assert (commands.weights("a/ner_model")["embeddings/word"] == emb.vectors).all()


def test_ctrl_c(pairs):
    """The best model so far is returned; if there is none, KeyboardInterrupt is raised."""
    interrupt = {"call": lambda run: os.kill(os.getpid(), signal.SIGINT)}
    assert len(fit(*pairs, **HYPER, hooks=[{**interrupt, "every": 8}]).history) == 1
    with pytest.raises(KeyboardInterrupt):
        fit(*pairs, **HYPER, hooks=[{**interrupt, "every": 2}])


def test_registered_names_and_resume(pairs, bare_zygote, here):
    """A metric is used by its registered name; a training on sentences cannot be resumed from the
    shell.
    """
    registry.register("metric", "test_of_notebook")(lambda gold, predicted: len(gold))
    assert fit(*pairs, **HYPER, checkpoint_dir="c").history[0].get("metric") is None
    assert (
        fit(*pairs, **{**HYPER, "epoch": 1}, metric="test_of_notebook").history[0]["metric"] == 30
    )
    told = bare_zygote.mistake("train.py", "--resume", "--checkpoint_dir", "c", folder=here)
    assert "its sentences (<train> <dev>) were given to train.fit in Python" in told


@pytest.mark.parametrize(
    "values, message",
    [
        ({"rnn_sise": 3}, "unknown key 'rnn_sise' .did you mean rnn_size"),
        ({"rnn_size": 0}, "rnn_size: 0, expected at least 1"),
        ({"dev": None}, "expected either dev, or a dev_fraction"),
        ({"dev_fraction": 0.1}, "expected either dev, or a dev_fraction"),
        ({"train": []}, "train: no sentence"),
        (
            {"train": [(["a", "b"], ["O"])]},
            "train:1: 2 words and 1 tags, expected a tag for each word",
        ),
        ({"train": [(["a"], ["O"]), (["a"],)]}, "train:2: expected a pair"),
        ({"train": [("a b", "O O")]}, "train:1: 'a b', expected a list of words"),
        (
            {"dev": [conll.Sentence(1, ["a"], ["NN"], None, ["O"])]},
            "dev: columns .word pos tag., expected .word tag.",
        ),
        ({"train": "nowhere.txt"}, "nowhere.txt: no such file"),
        ({"config": "nowhere.yaml"}, "nowhere.yaml: no such file"),
        ({"restore": "nowhere"}, "nowhere.index: no such file"),
        ({"optimizer": "adan"}, "optimizer: 'adan' .did you mean adam"),
        ({"hooks": [lambda: None]}, "too many positional arguments"),
    ],
)
def test_mistakes(pairs, values, message):
    with pytest.raises(UserError, match=message):
        fit(**{"train": pairs[0], "dev": pairs[1], "checkpoint_dir": "c", **values})
