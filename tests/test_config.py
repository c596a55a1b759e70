"""Hyper-parameters: the published defaults, config files, flags, and invalid values."""

import argparse
import dataclasses
import json
import os
import re
import subprocess
import sys

import pytest
import yaml

import config
from cli import Parser, UserError
from config import Config, load_config

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NAMES = [field.name for field in dataclasses.fields(Config)]
OTHER = {  # a value for each field that is not its default
    "train_path": ["a", "b"],
    "dev_path": ["c"],
    "dev_fraction": 0.25,
    "columns": "word tag",
    "delimiter": "tab",
    "tokenizer": "characters",
    "tag_scheme": "iobes",
    "emb_path": "e.pkl",
    "checkpoint_dir": "k",
    "summary_dir": "s",
    "use_word": False,
    "wrd_dim": 60,
    "train_wrd": True,
    "lowercase": False,
    "use_chr": False,
    "chr_dim": 26,
    "chr_conv_type": "conv2d",
    "chr_filter_widths": [4],
    "num_filters": 54,
    "word_length": 16,
    "use_pos": False,
    "pos_dim": 8,
    "use_chk": False,
    "chk_dim": 11,
    "use_shape": True,
    "shape_dim": 6,
    "gazetteer": "g.txt",
    "use_highway": False,
    "highway_layers": 3,
    "encoder": "bigru",
    "qrnn_width": 3,
    "cnn_width": 5,
    "cnn_filters": 7,
    "transformer_layers": 2,
    "attention_size": 32,
    "attention_heads": 2,
    "ffn_size": 9,
    "ffn_kernel": 1,
    "transformer_keep_prob": 0.8,
    "rnn_type": "normal",
    "rnn_size": 201,
    "rnn_layers": 3,
    "use_crf": False,
    "constrained": True,
    "keep_prob": 0.5,
    "feature_drop": 0.1,
    "unk_replace": 0.3,
    "batch_size": 21,
    "max_batch_tokens": 4001,
    "epoch": 71,
    "patience": 11,
    "optimizer": "sgd",
    "learning_rate": 0.002,
    "momentum": 0.8,
    "lr_decay_rate": 0.8,
    "lr_decay_steps": 12001,
    "warmup_steps": 1,
    "clip_norm": 5.0,
    "ema_decay": 0.999,
    "loss": "losses.focal",
    "weight_decay": 0.1,
    "lr_schedule": "cosine",
    "lr_total_steps": 100,
    "lr_factor": 0.1,
    "lr_patience": 2,
    "metric": "metrics.recall",
    "eval_every": 2,
    "run_every_secs": 30.0,
    "max_steps_without_increase": 1000,
    "min_steps": 500,
    "hooks": [{"call": "mine.log", "every": 100, "path": "a.txt"}, {"call": "mine.stop"}],
    "train_vars": "encoder/",
    "fine_tune": True,
    "use_elmo": False,
    "elmo_keep_prob": 0.6,
    "elmo_layer_norm": True,
    "elmo_stateful": True,
    "use_bert": True,
    "bert_layers": "mix",
    "bert_pooling": "mean",
    "bert_context": True,
    "train_bert": True,
    "bert_learning_rate": 2e-5,
    "bert_layer_decay": 0.95,
    "vector_cache": "v",
    "save_by": "loss",
    "seed": 2,
    "threads": 1,
    "max_train_steps_per_epoch": 5,
    "max_eval_steps": 6,
}


def flags(*arguments):
    """The values that a command line sets, as {name: value}."""
    parser = Parser()
    config.add_flags(parser)
    return vars(parser.parse_args(list(arguments)))


def from_text(tmp_path, text, name="c.yaml", **given):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_config(str(path), given)


def test_the_defaults_are_the_published_model():
    published = {
        "use_word": True,
        "use_chr": True,
        "chr_dim": 25,
        "num_filters": 53,
        "chr_filter_widths": [3],
        "word_length": 15,
        "use_pos": True,
        "pos_dim": 7,
        "use_chk": True,
        "chk_dim": 10,
        "use_shape": False,
        "gazetteer": "",
        "keep_prob": 0.7,
        "use_highway": True,
        "highway_layers": 2,
        "rnn_layers": 2,
        "rnn_size": 200,
        "rnn_type": "fused",
        "use_crf": True,
        "optimizer": "adam",
        "learning_rate": 0.001,
        "lr_decay_rate": 0.9,
        "lr_decay_steps": 12000,
        "clip_norm": 10.0,
        "batch_size": 20,
        "epoch": 70,
        "patience": 10,
        "lr_schedule": "exponential",
        "train_path": ["data/train.txt"],
        "dev_path": ["data/dev.txt"],
        "ema_decay": 0.0,
        "warmup_steps": 0,
    }
    values = load_config().to_dict()
    assert {name: values[name] for name in published} == published


def test_defaults_are_not_shared():
    Config().train_path.append("x")
    assert Config().train_path == ["data/train.txt"]


def test_other_values_are_known_for_every_field():
    assert sorted(OTHER) == sorted(NAMES)
    assert all(getattr(Config(), name) != value for name, value in OTHER.items())


@pytest.mark.parametrize("name", NAMES)
def test_every_field_has_a_flag_and_a_key(tmp_path, name):
    value = OTHER[name]
    given = flags(f"--{name}", *map(str, value if isinstance(value, list) else [value]))
    assert given == {name: value}
    base = {}
    if name == "chr_filter_widths":
        base = {"chr_conv_type": "conv2d"}
    elif name == "loss":
        base = {"use_crf": False}
    expected = {**Config().to_dict(), **base, name: value}
    assert load_config(flags=given, base=base).to_dict() == expected
    assert load_config(base={**expected, "of another version": 1}).to_dict() == expected
    for suffix, write in (("yaml", yaml.safe_dump), ("yml", json.dumps), ("json", json.dumps)):
        assert (
            from_text(tmp_path, write({**base, name: value}), f"c.{suffix}").to_dict() == expected
        )


def test_flags_that_are_not_given_leave_no_trace():
    assert flags() == {}


def test_hooks_as_flags():
    """A flag takes the same text as a YAML file."""
    assert flags("--hooks", "a.b", "{call: c.d, every: 3, path: x.txt}") == {
        "hooks": [{"call": "a.b"}, {"call": "c.d", "every": 3, "path": "x.txt"}]
    }


def test_values_given_in_python():
    assert config.typed({"learning_rate": 1, "chr_filter_widths": 4, "hooks": ["a.b"]}) == {
        "learning_rate": 1.0,
        "chr_filter_widths": [4],
        "hooks": [{"call": "a.b"}],
    }
    with pytest.raises(
        UserError, match="hyper-parameters: unknown key 'rnn_sise' .did you mean rnn_size"
    ):
        config.typed({"rnn_sise": 3})
    with pytest.raises(UserError, match="rnn_size: 2.5, expected int"):
        config.typed({"rnn_size": 2.5})


def test_short_flag_for_threads():
    assert flags("-j", "3") == {"threads": 3}


def test_every_field_is_explained():
    parser = argparse.ArgumentParser()
    config.add_flags(parser)
    text = "".join(parser.format_help().split())  # lines are broken after hyphens, too
    for field in dataclasses.fields(Config):
        assert f"--{field.name}" in text and "".join(field.metadata["help"].split()) in text


def test_flags_override_the_file_and_the_file_the_base(tmp_path):
    made = from_text(tmp_path, "rnn_size: 7\nepoch: 8\n", epoch=9)
    assert (made.rnn_size, made.epoch, made.batch_size) == (7, 9, 20)
    path = str(tmp_path / "c.yaml")
    made = load_config(path, {"epoch": 9}, {"epoch": 1, "rnn_size": 2, "pos_dim": 3})
    assert (made.rnn_size, made.epoch, made.pos_dim) == (7, 9, 3)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "{}"])
def test_an_empty_file_changes_nothing(tmp_path, text):
    assert from_text(tmp_path, text) == Config()


@pytest.mark.parametrize(
    "text, name, value",
    [
        ("learning_rate: 1e-3", "learning_rate", 0.001),
        ("learning_rate: 1", "learning_rate", 1.0),
        ("train_path: a.txt", "train_path", ["a.txt"]),
        ("chr_conv_type: conv2d\nchr_filter_widths: [2, 3]", "chr_filter_widths", [2, 3]),
        ("chr_filter_widths: 5", "chr_filter_widths", [5]),
        ("hooks: a.b", "hooks", [{"call": "a.b"}]),
        (
            "hooks:\n- a.b\n- {call: c.d, every: 3}",
            "hooks",
            [{"call": "a.b"}, {"call": "c.d", "every": 3}],
        ),
        ("bert_layers: 3", "bert_layers", "3"),
        ("bert_layers: '3'", "bert_layers", "3"),
        ("use_bert: null", "use_bert", None),
        ("train_wrd: null", "train_wrd", None),
        ("train_wrd: yes", "train_wrd", True),
        ("unk_replace: 0", "unk_replace", 0.0),
    ],
)
def test_values_in_files_take_the_type_of_their_field(tmp_path, text, name, value):
    got = getattr(from_text(tmp_path, text), name)
    assert got == value and type(got) is type(value)


@pytest.mark.parametrize(
    "text, line, message",
    [
        ("seed: 2\nrnn_sise: 3\n", 2, r"unknown key 'rnn_sise' \(did you mean rnn_size\?\)"),
        ("lr_decay_rate: 0.5\nlr: 1\n", 2, "unknown key 'lr'"),
        ("lr_decay_steps: 4\n\nbatchsize: 3\n", 3, "did you mean batch_size"),
        ("rnn_size: big\n", 1, "rnn_size: 'big', expected int"),
        ("\nrnn_size: 2.5\n", 2, "expected int"),
        ("rnn_size: true\n", 1, "expected int"),
        ("use_crf: 1\n", 1, "expected bool"),
        ("keep_prob: yes\n", 1, "expected float"),
        ("keep_prob: half\n", 1, "expected float"),
        ("rnn_type: 3\n", 1, "expected str"),
        ("bert_layers: true\n", 1, "expected str"),
        ("rnn_size: null\n", 1, "expected int"),
        ("rnn_size: [1, 2]\n", 1, "expected int"),
        ("train_path: [1]\n", 1, "expected str"),
        ("- a\n- b\n", 1, "expected `key: value`"),
        ("seed: 2\n  epoch: [\n", 2, "expected YAML"),
        ("seed: 1\n5: 6\n", 2, "unknown key 5"),
        ("{seed: 2, rnn_sise: 1}", 1, "did you mean rnn_size"),
        (b"seed: 2\nemb_path: \xff\n", 2, "not UTF-8"),
    ],
)
def test_mistakes_in_files_are_told_with_their_line(tmp_path, text, line, message):
    with pytest.raises(
        UserError, match=f"{re.escape(str(tmp_path / 'c.yaml'))}:{line}: .*{message}"
    ) as error:
        from_text(tmp_path, text)
    assert "\n" not in str(error.value)


def test_mistakes_in_json(tmp_path):
    with pytest.raises(UserError, match=r"c\.json:3: .*expected YAML .* or JSON"):
        from_text(tmp_path, '{"seed": 2,\n "epoch": 3\n "rnn_size": 4}', "c.json")
    with pytest.raises(
        UserError, match=r"c\.json:2: unknown key 'epochs' \(did you mean epoch\?\)"
    ):
        from_text(tmp_path, '{"seed": 2,\n "epochs": 3}', "c.json")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="absent.yaml: no such file; check --config_path"):
        load_config(str(tmp_path / "absent.yaml"))


@pytest.mark.parametrize(
    "name, good, bad",
    [
        ("keep_prob", [0.01, 1.0], [0.0, -0.1, 1.01, float("nan")]),
        ("rnn_size", [1], [0, -1]),
        ("learning_rate", [1e-9, 5.0], [0.0, -1.0, float("nan")]),
        ("feature_drop", [0.0, 1.0], [-0.1, 1.1, float("nan")]),
        ("unk_replace", [None, 0.0, 1.0], [-0.1, 1.1]),
        ("ema_decay", [0.0, 0.9999], [1.0, -0.1]),
        ("batch_size", [1], [0]),
        ("patience", [0], [-1]),
        ("seed", [0, 2**31 - 1], [-1, 2**31]),
        ("dev_fraction", [0.0, 0.9], [0.95, -0.1]),
        ("chr_filter_widths", [[1], [15]], [[0], [2, 3], []]),
        ("clip_norm", [0.1], [0.0, float("nan")]),
        ("rnn_type", ["fused", "normal"], ["", "gru", "fsued"]),
        ("tag_scheme", ["", "bio", "bilou"], ["BIO", "iob"]),
        ("save_by", ["chunk", "token", "loss"], ["f1"]),
        ("optimizer", ["sgd", "adamw", "radam"], ["adagrad"]),
        ("lr_schedule", ["constant", "plateau", "linear"], ["step"]),
        ("lr_factor", [0.1, 1.0], [0.0, 1.1]),
        ("eval_every", [1], [0]),
        ("metric", ["", "a.b"], ["f1"]),
        ("weight_decay", [0.0], [-0.1]),
        ("lr_patience", [1], [0]),
        (
            "hooks",
            [[], [{"call": "a.b"}], [{"call": "a.b", "every": 1}]],
            [[{}], [{"call": "a.b", "every": 0}], [{"call": "a.b", "every": "x"}]],
        ),
        ("bert_layers", ["top", "last4", "mix", "0", "12"], ["all", "-1", "1,2"]),
        ("bert_pooling", ["mean"], ["max"]),
        ("elmo_keep_prob", [1.0], [0.0, 1.1]),
        ("bert_layer_decay", [1.0], [0.0, 1.1]),
        ("bert_learning_rate", [1e-9], [0.0]),
        ("lr_decay_rate", [1.0, 0.1], [0.0, 1.1]),
        ("warmup_steps", [0], [-1]),
        ("word_length", [1], [0]),
    ],
)
def test_bounds(name, good, bad):
    for value in good:
        assert getattr(load_config(flags={name: value}), name) == value
    for value in bad:
        with pytest.raises(UserError, match=name):
            load_config(flags={name: value})


@pytest.mark.parametrize(
    "values, message",
    [
        (
            {"use_word": False, "use_chr": False, "use_elmo": False, "use_bert": False},
            "use_word, use_chr, use_elmo and use_bert are all off",
        ),
        (
            {"elmo_stateful": True, "vector_cache": "v"},
            "elmo_stateful and vector_cache are both given",
        ),
        (
            {"bert_layers": "last"},
            "bert_layers: 'last' .did you mean last4.., expected one of top, last4, mix or a "
            "layer's number",
        ),
        ({"bert_layers": "-1"}, "or a layer's number"),
        ({"bert_layers": ""}, "or a layer's number"),
        ({"bert_layers": "1.5"}, "or a layer's number"),
        ({"chr_conv_type": "conv2d", "chr_filter_widths": [3, 3]}, "each width once"),
        ({"chr_conv_type": "conv2d", "chr_filter_widths": [3, 16]}, "none above word_length 15"),
        ({"chr_conv_type": "conv2d", "chr_filter_widths": []}, "one at least"),
        (
            {"loss": "a.b"},
            "does not see the CRF's transitions, which nothing would train; set use_crf to False",
        ),
        ({"hooks": [{"call": "b"}]}, "hook 'b': not known here"),
        ({"train_vars": "crf/", "fine_tune": True}, "expected one of them"),
        ({"train_vars": "("}, "train_vars '[(]': not a regular expression"),
        ({"rnn_type": "fussed"}, "did you mean fused"),
    ],
)
def test_values_that_do_not_go_together(values, message):
    with pytest.raises(UserError, match=message):
        load_config(flags=values)


@pytest.mark.parametrize("left", ["use_word", "use_chr", "use_elmo", "use_bert"])
def test_one_feature_is_enough(left):
    """No other feature is needed if the EmbVec file has ELMo or BERT."""
    off = {name: False for name in ("use_word", "use_chr", "use_elmo", "use_bert") if name != left}
    assert getattr(load_config(flags={**off, left: True}), left)
    if left in ("use_elmo", "use_bert"):
        assert getattr(load_config(flags=off), left) is None


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--rnn_size", "big"], "--rnn_size: invalid int value: 'big'"),
        (["--use_crf", "perhaps"], "expected True or False"),
        (["--rnn_sise", "3"], "did you mean --rnn_size"),
        (["--rnn_size"], "expected one argument"),
        (["--hooks", "{call: "], r"--hooks: '\{call: ': .*expected module.function"),
        (["--hooks", "3"], "expected module.function"),
    ],
)
def test_mistakes_in_flags(arguments, message):
    with pytest.raises(UserError, match=message):
        flags(*arguments)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("True", True),
        ("true", True),
        ("1", True),
        ("yes", True),
        ("False", False),
        ("FALSE", False),
        ("0", False),
        ("off", False),
    ],
)
def test_booleans(text, expected):
    assert flags("--use_crf", text) == {"use_crf": expected}


def test_model_and_run_fields_are_fields():
    assert set(config.MODEL_FIELDS) | set(config.RUN_FIELDS) <= set(NAMES)
    assert not set(config.MODEL_FIELDS) & set(config.RUN_FIELDS)


def test_the_command_tells_a_mistake_in_one_line(tmp_path):
    """The message comes in one line, before TensorFlow is imported."""
    (tmp_path / "c.yaml").write_text("seed: 3\nrnn_sise: 4\n")
    done = subprocess.run(
        [sys.executable, os.path.join(ROOT, "train.py"), "--config_path", "c.yaml"],
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 2 and done.stdout == b""
    assert re.fullmatch(
        r"train\.py: c\.yaml:2: unknown key 'rnn_sise' \(did you mean rnn_size\?\).*\n",
        done.stderr.decode(),
    )
