"""train.py with ELMo and BERT: what is trained and what is frozen, resumed and restored runs, and
warm starts.
"""

import os
import shutil
import signal
import sys

import numpy as np
import pytest

from checkpoint import MODEL, STATE
from cli import UserError
from features import pretrained
from features.vocabulary import EmbVec
from support.commands import TINY, assert_same_run, fit, sample, train_args, weights, write_sample
from support.elmo import random_weights, small_options
from support.language_models import (
    PIECES,
    bert_config,
    bert_weights,
    elmo_flags,
    write_elmo,
    write_embeddings,
    write_google,
    write_huggingface,
)
from training import files, start, warm_start
from training.run import Start, create_trainer


@pytest.fixture(scope="module", autouse=True)
def no_plots():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "plot_history", lambda history, path: None)
        patch.setattr(sys, "argv", ["train.py"])  # messages name the command
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Has a small corpus and emb.pkl, with ELMo and BERT."""
    folder = tmp_path_factory.mktemp("models")
    write_sample(folder, train=24, dev=10)
    write_embeddings(
        folder / "emb.pkl",
        "--train_path",
        folder / "train.txt",
        "--bert_init_checkpoint",
        write_google(folder / "bert", num_hidden_layers=2),
        *elmo_flags(write_elmo(folder / "elmo")),
    )
    return folder


def flags(folder, checkpoint, *more):
    return [
        "--train_path",
        folder / "train.txt",
        "--dev_path",
        folder / "dev.txt",
        "--checkpoint_dir",
        checkpoint,
        *TINY,
        "--encoder",
        "none",
        "--emb_path",
        folder / "emb.pkl",
        *more,
    ]


FINE_TUNED = [
    "--train_bert",
    "True",
    "--bert_layers",
    "mix",
    "--bert_pooling",
    "mean",
    "--bert_context",
    "True",
    "--optimizer",
    "adamw",
    "--lr_schedule",
    "linear",
    "--bert_learning_rate",
    "0.003",
    "--bert_layer_decay",
    "0.8",
    "--elmo_stateful",
    "True",
    "--epoch",
    2,
]


@pytest.fixture(scope="module")
def fine_tuned(folder):
    """A run in which every part that can be trained is, and its folder."""
    return fit(*flags(folder, folder / "tuned", *FINE_TUNED)), folder / "tuned"


def published(kind):
    """{variable's name: array} in the files of the language models."""
    if kind == "bert/":
        return bert_weights(bert_config(num_hidden_layers=2))
    return {f"elmo/{name}": value for name, value in random_weights(small_options()).items()}


def changed(kept, kind):
    """The names of a language model's weights in `kept`, {name: array}, that differ from the
    published ones.
    """
    values = published(kind)
    assert set(values) == {
        name
        for name in kept
        if name.startswith(kind)
        and "/mix/" not in name
        and "/state/" not in name
        and not slot_of(name)
    }
    return {name for name, value in values.items() if (kept[name] != value).any()}


def slot_of(name):
    return "Adam" in name or "_power" in name


# ---------------------------------------------------------------- what learns, and what stays


def test_fine_tuning_changes_bert_and_never_elmo(fine_tuned):
    trainer, checkpoint = fine_tuned
    kept = weights(checkpoint / MODEL)
    still = {
        name for name in published("bert/") if name.endswith("/key/bias")
    }  # falls away in the softmax: its gradient is noise
    assert (
        changed(kept, "bert/") | still == set(published("bert/"))
        and changed(kept, "elmo/") == set()
    )
    assert (
        (kept["elmo/mix/weights"] != 0).all()
        and kept["elmo/mix/gamma"] != 1
        and (kept["bert/mix/weights"] != 0).all()
        and kept["bert/mix/gamma"] != 1
    )
    history = trainer.state.history
    assert history[1]["train_loss"] < history[0]["train_loss"]


def test_states_of_elmo_are_in_what_resume_needs_alone(fine_tuned):
    _, checkpoint = fine_tuned
    states = {name for name in weights(checkpoint / STATE) if name.startswith("elmo/state/")}
    assert len(states) == 8 and any(
        (weights(checkpoint / STATE)[name] != 0).any() for name in states
    )
    assert not [name for name in weights(checkpoint / MODEL) if "/state/" in name]


def test_frozen_weights_stay(folder, tmp_path):
    """Of BERT and ELMo, only the mixes have slots of the optimizer."""
    fit(*flags(folder, tmp_path, "--bert_layers", "mix", "--epoch", 1))
    state = weights(tmp_path / STATE)
    assert changed(state, "bert/") == changed(state, "elmo/") == set()
    assert {
        name.rpartition("/")[0]
        for name in state
        if slot_of(name) and name.startswith(("elmo/", "bert/"))
    } == {f"{kind}/mix/{part}" for kind in ("elmo", "bert") for part in ("weights", "gamma")}


def test_variables_of_bert_by_expression(folder, tmp_path, capsys):
    """Only its top layer is trained; the other layers and all the rest are not."""
    fit(
        *flags(
            folder,
            tmp_path,
            "--use_elmo",
            "False",
            "--train_bert",
            "True",
            "--train_vars",
            "bert/encoder/layer_1/",
            "--epoch",
            1,
        )
    )
    state = weights(tmp_path / STATE)
    top = {name for name in published("bert/") if name.startswith("bert/encoder/layer_1/")}
    assert changed(state, "bert/") | {name for name in top if name.endswith("/key/bias")} == top
    assert {name.rpartition("/")[0] for name in state if slot_of(name) and "/" in name} == top
    assert f"are trained: {' '.join(sorted(top))[:30]}" in capsys.readouterr().err
    with pytest.raises(
        UserError,
        match="--train_vars bert/: matches no variable that can be trained; expected one or more "
        "of the scopes",
    ):
        fit(*flags(folder, tmp_path, "--overwrite", "--use_elmo", "False", "--train_vars", "bert/"))


def test_only_the_layers_that_are_read_are_there(folder, tmp_path):
    fit(
        *flags(
            folder,
            tmp_path,
            "--use_elmo",
            "False",
            "--bert_layers",
            "1",
            "--epoch",
            1,
            "--max_train_steps_per_epoch",
            1,
        )
    )
    kept = weights(tmp_path / MODEL)
    assert {name for name in kept if name.startswith("bert/")} == {
        name
        for name in published("bert/")
        if not name.startswith(("bert/encoder/layer_1/", "bert/encoder/layer_1/"))
    }
    assert not [name for name in kept if name.startswith("elmo/")]


# ---------------------------------------------------------------- the same again


def test_resume_after_kill(folder, fine_tuned, tmp_path, zygote):
    """After kill -9 in the second epoch, BERT, the slots of its optimizers and the states of ELMo
    end with the same bits.
    """
    trainer, _ = fine_tuned
    steps = trainer.state.history[0]["step"]
    assert steps > 2
    killed = zygote.run(
        "train.py", *flags(folder, tmp_path, *FINE_TUNED), signal=(signal.SIGKILL, steps + 2)
    )
    assert killed.code == -signal.SIGKILL, killed.err
    fit("--resume", "--checkpoint_dir", tmp_path)
    assert_same_run(trainer, tmp_path)


def test_restore(folder, fine_tuned, tmp_path, monkeypatch):
    """The weights are the checkpoint's; the published files are no longer needed."""
    monkeypatch.setattr(pretrained, "open_weights", None)
    fit(
        "--train_path",
        folder / "train.txt",
        "--dev_path",
        folder / "dev.txt",
        "--restore",
        fine_tuned[1],
        "--checkpoint_dir",
        tmp_path,
        *TINY,
        "--epoch",
        1,
        "--max_train_steps_per_epoch",
        1,
        "--learning_rate",
        1e-9,
    )
    before, after = weights(fine_tuned[1] / MODEL), weights(tmp_path / MODEL)
    assert before.keys() == after.keys()
    for name in before.keys() - {"global_step"}:
        np.testing.assert_allclose(after[name], before[name], atol=1e-6, err_msg=name)
    assert all(
        (before[name] == after[name]).all()
        for name in before
        if name.startswith(("bert/", "elmo/")) and "/mix/" not in name
    )


# ---------------------------------------------------------------- --warm_start


def taken_over(folder, fine_tuned, *more):
    """A new model, of a corpus with a label that is new, before its first step: {variable's name:
    value}, its Trainer's config.
    """
    new = folder / "new.txt"
    new.write_bytes(b"Brand NNP B-NP B-NEW\n\n" + b"".join(sample("train")[40:50]))
    args = train_args(
        "--train_path",
        new,
        "--dev_path",
        new,
        *TINY,
        "--encoder",
        "none",
        "--warm_start",
        fine_tuned[1],
        *more,
    )
    config = start.config_of(args)
    source = warm_start.read(args.warm_start, args.warm_start_vars or ".*")
    trainer = create_trainer(config, Start(source=source))
    with trainer.session as session:
        return dict(
            zip(
                [variable.op.name for variable in trainer.model.variables],
                session.run(trainer.model.variables),
            )
        ), trainer.config


def test_warm_start_takes_the_fine_tuned_bert(folder, fine_tuned, capsys):
    """ELMo and the scalars of the mixes are taken as well; without --emb_path the language models
    come from the checkpoint.
    """
    values, config = taken_over(
        folder, fine_tuned, "--bert_layers", "mix", "--bert_pooling", "mean"
    )
    assert config.use_bert and config.use_elmo
    before, err = weights(fine_tuned[1] / MODEL), capsys.readouterr().err
    of_models = {name for name in before if name.startswith(("bert/", "elmo/"))}
    assert {
        name for name in values if name.startswith(("bert/", "elmo/"))
    } == of_models and not changed(values, "elmo/")
    for name in of_models:
        np.testing.assert_array_equal(values[name], before[name], err_msg=name)
    assert sum(
        "taken" in line and "not taken" not in line
        for line in err.splitlines()
        if line.startswith(("train.py: bert/", "train.py: elmo/"))
    ) == len(of_models)
    without, config = taken_over(folder, fine_tuned, "--warm_start_vars", "embeddings/")
    assert (
        not config.use_bert
        and not config.use_elmo
        and not [name for name in without if name.startswith(("bert/", "elmo/"))]
    )


def test_warm_start_into_another_bert(folder, fine_tuned, tmp_path, capsys):
    """It has the same shapes but another origin, so its wordpieces may differ. It keeps its own
    weights.
    """
    own = {name: value + 1 for name, value in published("bert/").items()}
    emb = write_embeddings(
        tmp_path / "emb.pkl",
        "--train_path",
        folder / "train.txt",
        "--tags_path",
        tags_file(tmp_path),
        "--bert_init_checkpoint",
        write_huggingface(tmp_path / "other", own, PIECES[::-1], num_hidden_layers=2),
    )
    values, _ = taken_over(
        folder, fine_tuned, "--emb_path", emb, "--bert_layers", "mix", "--bert_pooling", "mean"
    )
    assert all((values[name] == own[name]).all() for name in own)
    lines = [
        line
        for line in capsys.readouterr().err.splitlines()
        if line.startswith("train.py: bert/") and "/mix/" not in line
    ]
    assert len(lines) == len(own) and all(
        "not taken, its meaning differs: begun with the published weights" in line for line in lines
    )
    assert (values["bert/mix/weights"] == weights(fine_tuned[1] / MODEL)["bert/mix/weights"]).all()


def tags_file(folder):
    (folder / "tags.txt").write_text(
        "\n".join(
            [
                "B-NEW",
                *(f"{prefix}-{kind}" for kind in ("PER", "LOC", "ORG", "MISC") for prefix in "BI"),
            ]
        )
    )
    return folder / "tags.txt"


# ---------------------------------------------------------------- what does not fit


@pytest.fixture
def copied(folder, tmp_path):
    """A folder whose emb.pkl names files of its own; and a function: flags -> the one line that
    refuses them, before anything is written.
    """
    for name in ("train.txt", "dev.txt"):
        shutil.copy(folder / name, tmp_path)
    write_embeddings(
        tmp_path / "emb.pkl",
        "--train_path",
        tmp_path / "train.txt",
        *elmo_flags(write_elmo(tmp_path / "elmo")),
        "--bert_init_checkpoint",
        write_huggingface(tmp_path / "bert"),
    )

    def refused(*more):
        with pytest.raises(UserError) as caught:
            fit(*flags(tmp_path, tmp_path / "checkpoint", *more))
        assert "\n" not in str(caught.value) and not os.path.exists(tmp_path / "checkpoint")
        return str(caught.value)

    return tmp_path, refused


def test_weights_that_are_no_longer_the_same(copied):
    folder, refused = copied
    write_huggingface(folder / "bert", bert_weights(bert_config(), seed=2))
    assert refused("--use_elmo", "False") == (
        f"{folder}/bert/model.safetensors: not the weights that embvec.py has read; bring them "
        f"back, or make the "
        "embeddings' file again"
    )
    write_elmo(folder / "elmo", seed=2)
    assert refused("--use_bert", "False").startswith(
        f"{folder}/elmo/weights.hdf5: not the weights that embvec.py has read"
    )
    os.remove(folder / "elmo" / "weights.hdf5")
    assert refused("--use_bert", "False").startswith(
        f"{folder}/elmo/weights.hdf5: no such file; check the embeddings' file, which names it"
    )


@pytest.mark.parametrize("layers", ["4", "12", "last4"])
def test_layers_that_are_not_there(copied, layers):
    folder, refused = copied
    emb = EmbVec.load(str(folder / "emb.pkl"))
    emb.bert = {
        **emb.bert,
        "config": {**emb.bert["config"], "num_hidden_layers": 2 if layers == "last4" else 3},
    }
    emb.save(str(folder / "emb.pkl"))
    number = emb.bert["config"]["num_hidden_layers"]
    assert refused("--bert_layers", layers) == (
        f"--bert_layers {layers}: this BERT has {number} layers above its embeddings, layer 0; "
        f"expected top, "
        f"mix or a number from 0 to {number}"
    )


def test_a_cache_that_can_not_be_made(copied):
    folder, refused = copied
    assert (
        refused("--vector_cache", folder / "train.txt" / "cache")
        == f"{folder}/train.txt/cache: {folder}/train.txt is not a folder; check --vector_cache"
    )


def test_language_models_that_are_not_there(copied):
    folder, refused = copied
    write_embeddings(folder / "emb.pkl", "--train_path", folder / "train.txt")
    for name, what, flag in (
        ("elmo", "ELMo", "elmo_options_path"),
        ("bert", "BERT", "bert_init_checkpoint"),
    ):
        assert refused(f"--use_{name}", "True") == (
            f"--use_{name} True: {folder}/emb.pkl names no {what}; make the embeddings' file with "
            f"embvec.py --{flag} ..."
        )
    assert "use_word, use_chr, use_elmo and use_bert are all off" in refused("--use_word", "False")


@pytest.mark.parametrize(
    "given, message",
    [
        (
            ["--use_bert", "False", "--train_bert", "True"],
            "--train_bert True: the model has no BERT",
        ),
        (
            ["--use_elmo", "False", "--elmo_stateful", "True"],
            "--elmo_stateful True: the model has no ELMo",
        ),
        (
            ["--use_elmo", "False", "--train_bert", "True", "--vector_cache", "v"],
            "--vector_cache: the model has neither ELMo nor a frozen BERT",
        ),
        (
            ["--use_elmo", "False", "--use_bert", "False", "--vector_cache", "v"],
            "--vector_cache: the model has neither ELMo nor a frozen BERT",
        ),
    ],
)
def test_flags_of_a_language_model_that_is_off(copied, given, message):
    assert copied[1](*given).startswith(message)
