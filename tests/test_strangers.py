"""Files from a stranger: code that they name is not imported, and a bad file gives one line, in
bounded time and memory.
"""

import gzip
import json
import os
import pickle
import random
import shutil
import struct
import time
import tracemalloc

import h5py
import numpy as np
import pytest

import checkpoint
import config
import engine_file
from cli import UserError
from features import pretrained, word_vectors
from features.vocabulary import PAD, UNK, EmbVec
from files import plain_pickle, structured
from settings import graph_settings
from support.commands import TINY, fit, one_line, train_args, write_sample
from support.serving import run_binary, succeed
from training import fit as fit_module
from training import start, vector_cache

# A module of a stranger's, in the folder of the checkpoint; that it was imported shows in a file.
EVIL = """
import os
open(os.path.join(os.path.dirname(__file__), "ran"), "w").close()
def call(*_, **__):
    pass
"""


def forge(prefix, change):
    """Changes a checkpoint's JSON and its digest, as someone does who knows how the digest is
    made.
    """
    path = f"{prefix}.json"
    with open(path, encoding="utf-8") as stream:
        meta = json.load(stream)
    meta = change(meta) or meta
    whole = json.dumps({**meta, "digest": checkpoint._digest(meta)})
    with open(path, "w", encoding="utf-8") as out:
        out.write(whole)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A folder with a small corpus and a checkpoint of two steps: the folder, and its flags."""
    folder = tmp_path_factory.mktemp("small")
    flags = [*write_sample(folder), *TINY, "--max_train_steps_per_epoch", 2, "--epoch", 1]
    fit(*flags)
    return folder, list(map(str, flags))


@pytest.fixture
def home(small, tmp_path):
    """A working folder, with a stranger's checkpoint and its code in a folder below it."""
    shutil.copytree(small[0] / "checkpoint", tmp_path / "theirs")
    (tmp_path / "theirs" / "evil.py").write_text(EVIL)
    return tmp_path


def names(kind):
    """Makes a checkpoint name the stranger's function as `kind`."""

    def change(meta):
        if kind == "hooks":
            meta["config"]["hooks"] = [{"call": "theirs.evil.call", "every": 1}]
        else:
            meta["config"][kind] = "theirs.evil.call"

    return change


# ---------------------------------------------------------------- code by name


@pytest.mark.parametrize("kind", ["encoder", "loss", "metric", "hooks"])
def test_resume_imports_nothing_that_nobody_has_named(home, bare_zygote, kind):
    forge(home / "theirs" / "last_state", names(kind))
    message = bare_zygote.mistake(
        "train.py", "--resume", "--checkpoint_dir", "theirs", "--epoch", 2, folder=home
    )
    what = "hook" if kind == "hooks" else kind
    assert f"{what} 'theirs.evil.call': not known here; it is code of its own" in message
    assert "(--trust)" in message and f"--{kind}" in message
    assert not (home / "theirs" / "ran").exists()


@pytest.mark.parametrize("kind", ["encoder", "loss", "metric", "hooks"])
def test_restore_imports_nothing_that_nobody_has_named(home, small, bare_zygote, kind):
    """It takes the encoder's name, but not those of loss, metric and hooks."""
    flags = [*small[1], "--restore", "theirs", "--checkpoint_dir", "mine"]
    forge(home / "theirs" / "ner_model", names(kind))
    done = bare_zygote.run("train.py", *flags, folder=home)
    assert ("encoder 'theirs.evil.call': not known here" in done.err) == (kind == "encoder")
    assert not (home / "theirs" / "ran").exists()


def test_fit_imports_nothing_without_trust(home, small, monkeypatch):
    forge(home / "theirs" / "ner_model", names("encoder"))
    monkeypatch.chdir(home)
    given = {"dev": small[1][3], "restore": "theirs", "checkpoint_dir": "mine", "use_pos": True}
    with pytest.raises(UserError, match="encoder 'theirs.evil.call': not known here"):
        fit_module.fit(small[1][1], **given)
    assert not (home / "theirs" / "ran").exists() and not (home / "mine").exists()


@pytest.mark.parametrize("how", ["trust", "flag", "config"])
def test_what_is_named_again_or_trusted_is_imported(home, bare_zygote, how):
    """The run goes on until the process, which has no TensorFlow, imports it."""
    for kind in ("loss", "metric", "hooks"):
        forge(home / "theirs" / "last_state", names(kind))
    (home / "c.yaml").write_text(
        "loss: theirs.evil.call\nmetric: theirs.evil.call\n"
        "hooks: [{call: theirs.evil.call, every: 1}]\n"
    )
    again = {
        "trust": ["--trust"],
        "flag": ["--loss", "theirs.evil.call", "--metric", "theirs.evil.call"]
        + ["--hooks", "{call: theirs.evil.call, every: 1}"],
        "config": ["--config_path", "c.yaml"],
    }[how]
    done = bare_zygote.run(
        "train.py", "--resume", "--checkpoint_dir", "theirs", "--epoch", 2, *again, folder=home
    )
    assert "not known here" not in done.err and (home / "theirs" / "ran").exists()


def test_hooks_named_again_take_the_place_of_the_checkpoint_s(home, bare_zygote, monkeypatch):
    """Their parameters are also those that the user gives now."""
    forge(home / "theirs" / "last_state", names("hooks"))
    args = ["--hooks", "{call: theirs.evil.call, word: mine}"]
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))
    args = train_args("--resume", "--checkpoint_dir", "theirs", *args)
    assert start.config_of(args).hooks == [{"call": "theirs.evil.call", "word": "mine"}]


@pytest.mark.slow
def test_a_run_of_the_user_s_own_goes_on(home, small, zygote, bare_zygote):
    """A run with a loss and a hook can be resumed only if both are named again."""
    flags = [*small[1], "--checkpoint_dir", "theirs"]
    own = ["--loss", "theirs.mine.loss", "--hooks", "theirs.mine.note"]
    (home / "theirs" / "mine.py").write_text(
        "def loss(logits, targets, mask, config):\n"
        "    from tf1 import tf\n"
        "    return tf.reduce_sum(logits * mask[..., None])\n"
        "def note(run):\n"
        "    open('noted', 'a').write('x')\n"
    )
    succeed(zygote.run("train.py", *flags, *own, folder=home))
    resume = ["train.py", "--resume", "--checkpoint_dir", "theirs", "--epoch"]
    assert "loss 'theirs.mine.loss'" in bare_zygote.mistake(*resume, 2, folder=home)
    assert "hook 'theirs.mine.note'" in bare_zygote.mistake(*resume, 2, *own[:2], folder=home)
    succeed(zygote.run(*resume, 2, *own, folder=home))
    assert (home / "noted").read_text() == "xx"


def test_flags_that_seeds_json_has_kept_are_not_named_now(home, small, bare_zygote):
    """Flags kept there, and those of a config that it names, do not count as named by the user;
    flags that are given again do.
    """
    (home / "c.yaml").write_text("hooks: theirs.evil.call\n")
    run = ["train.py", "--seeds", "1,2", "--resume", "--checkpoint_dir", "theirs"]
    paths = {"train_path": [small[1][1]], "dev_path": [small[1][3]]}
    for kept in ({"hooks": [{"call": "theirs.evil.call"}]}, {"config_path": "c.yaml"}):
        report = {"flags": {**paths, **kept}}
        (home / "theirs" / "seeds.json").write_text(json.dumps(report))
        assert "hook 'theirs.evil.call': not known" in bare_zygote.mistake(*run, folder=home)
    assert not (home / "theirs" / "ran").exists()
    bare_zygote.run(*run, "--hooks", "theirs.evil.call", folder=home)
    assert (home / "theirs" / "ran").exists()


@pytest.mark.parametrize("name", ["summary_dir", "vector_cache"])
def test_a_checkpoint_names_no_folder_elsewhere(home, bare_zygote, name):
    """Nothing is written outside of the working folder and the output."""
    elsewhere = home / "elsewhere"
    (home / "here").mkdir()
    (home / "here" / "link").symlink_to(elsewhere)
    shutil.move(home / "theirs", home / "here" / "theirs")
    for place in (elsewhere, "../elsewhere", "link/deeper"):
        forge(
            home / "here" / "theirs" / "last_state",
            lambda meta, place=place: meta["config"].update({name: str(place)}),
        )
        run = ["train.py", "--resume", "--checkpoint_dir", "theirs", "--epoch", 2]
        message = bare_zygote.mistake(*run, folder=home / "here")
        assert f"{name} {place}: the checkpoint names a folder that is neither below" in message
        for again in (["--trust"], [f"--{name}", place] if name == "summary_dir" else []):
            done = bare_zygote.run(*run, *again, folder=home / "here")
            assert ("names a folder" in done.err) == (not again)
    assert not elsewhere.exists()


@pytest.mark.parametrize("pattern", ["(a+)+$", "(.*)*x", ".*.*.*.*.*.*x", "(a|a){99}"])
def test_a_checkpoint_names_no_endless_pattern(home, bare_zygote, pattern):
    run = ["train.py", "--resume", "--checkpoint_dir", "theirs", "--epoch", 2]
    forge(home / "theirs" / "last_state", lambda meta: meta["config"].update(train_vars=pattern))
    assert "pattern that may take without end" in bare_zygote.mistake(*run, folder=home)


def test_what_a_writer_left_is_moved_by_name(home, infer):
    """Files with other names in the folder that a killed writer leaves stay where they are."""
    ready = home / "theirs" / "ner_model.ready"
    ready.mkdir()
    (ready / "evil.py").write_text("print(1)")
    (ready / "ner_model.json").write_text("{}")
    assert "ner_model.json: not a checkpoint" in infer(home)
    assert (
        os.listdir(ready) == ["evil.py"]
        and "import os" in (home / "theirs" / "evil.py").read_text()
    )


@pytest.fixture
def infer(bare_zygote):
    """Tags with the stranger's checkpoint in a folder. Returns the message of the mistake."""
    return lambda folder: bare_zygote.mistake(
        "inference.py", "--mode", "bucket", "--restore", "theirs", stdin=b"a\n", folder=folder
    )


# ---------------------------------------------------------------- a checkpoint's JSON

VALUES = (
    None,
    True,
    -1,
    10**9,
    10**30,
    0.5,
    float("nan"),
    "x",
    "\ud800",
    [],
    {},
    [[]],
    [{}],
    "9" * 99,
)


@pytest.fixture
def theirs(small, tmp_path):
    """The prefix of a copy of the checkpoint."""
    shutil.copytree(small[0] / "checkpoint", tmp_path / "theirs")
    return str(tmp_path / "theirs" / "ner_model")


def told(prefix):
    """The message of load_meta and load_emb for a checkpoint, or ''."""
    try:
        checkpoint.load_emb(prefix, checkpoint.load_meta(prefix))
    except UserError as error:
        message = str(error)
        assert message.startswith(prefix) and "\n" not in message and len(message) < 500
        return message
    return ""


@pytest.mark.parametrize("part", ["", "config", "state"])
def test_every_value_of_every_field(theirs, part):
    """Each field is left out, or gets a value of any other type or size. The result is one line of
    error or a good checkpoint, whose values have the right types.
    """
    with open(f"{theirs}.json", encoding="utf-8") as stream:
        whole = json.load(stream)
    fields = whole[part] if part else whole
    kinds = {name: type(value) for name, value in fields.items()}
    for name in [name for name in fields if name not in ("digest", "sizes", "hashes")]:
        rest = {field: value for field, value in fields.items() if field != name}
        forge(theirs, lambda meta: {**whole, part: rest} if part else rest)
        # older checkpoints have none
        assert name in told(theirs) or name in ("delimiter", "tokenizer")
        for value in VALUES[:: 2 if part else 1]:
            changed = {**fields, name: value}
            forge(theirs, lambda meta: {**whole, part: changed} if part else changed)
            try:
                meta = checkpoint.load_meta(theirs)
            except UserError as error:
                assert "\n" not in str(error) and len(str(error)) < 500
                continue
            got = meta[part][name] if part else meta[name]
            optional = value is None or kinds[name] in (type(None), float)
            assert optional or type(got) is kinds[name], (name, value)


def test_a_checkpoint_from_before_the_tokenizer(theirs):
    """It splits text into words."""

    def older(meta):
        del meta["tokenizer"], meta["config"]["tokenizer"]
        return meta

    forge(theirs, older)
    meta = checkpoint.load_meta(theirs)
    assert (meta["tokenizer"], meta["config"]["tokenizer"]) == ("words", "auto")


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda meta: meta.update(crc=1), "unknown key 'crc', perhaps of a newer etagger"),
        (
            lambda meta: meta["config"].update(rnn_sise=1),
            "config has the unknown key 'rnn_sise' (did you mean rnn_size?), perhaps of a newer",
        ),
        (
            lambda meta: meta["config"].update(word_length=10**9),
            "word_length: 1000000000, expected at most 1024",
        ),
        (
            lambda meta: meta["config"].update(rnn_layers=10**7),
            "rnn_layers: 10000000, expected at most 100",
        ),
        (
            lambda meta: meta["config"].update(rnn_size=2**17),
            "rnn_size: 131072, expected at most 65536",
        ),
        (lambda meta: meta["config"].update(wrd_dim=0), "wrd_dim: 0, expected at least 1"),
        (lambda meta: meta["config"].update(wrd_dim=51), "word vectors of 50, the config has 51"),
        (lambda meta: meta["config"].update(use_crf="no"), "use_crf: 'no', expected bool"),
        (
            lambda meta: meta["config"].update(use_elmo=True),
            "it names no elmo, which the config uses",
        ),
        (
            lambda meta: meta["config"].update(gazetteer="/dev/zero"),
            "gazetteer: '/dev/zero' in the config, and None",
        ),
        (
            lambda meta: meta["config"].update(hooks=[{"call": 3}]),
            "hooks: {'call': 3}, expected {call",
        ),
        (
            lambda meta: meta.update(tags=meta["tags"] * 2),
            "expected O as the first, and each tag once",
        ),
        (lambda meta: meta.update(tags=["B-X", "O"]), "expected O as the first"),
        (lambda meta: meta.update(tags=["O", "B X"]), "tags: 'B X', expected a word"),
        (lambda meta: meta.update(tags=["O", "noun"]), "tags: 'noun' is not O or PREFIX-TYPE"),
        (lambda meta: meta.update(data_scheme="raw"), "neither reads as the other"),
        (
            lambda meta: meta.update(columns=["pos", "word", "pos"]),
            "columns: 'pos' is named twice",
        ),
        (lambda meta: meta["sizes"].update({"/../../x": 1}), "sizes and hashes are not of"),
        (
            lambda meta: meta["state"].update(history=[{"epoch": 1}]),
            "state: history: step: '', expected int",
        ),
        (
            lambda meta: meta["state"].update(best_scores={}),
            "state: best_scores: {}, expected dev_loss",
        ),
        (lambda meta: meta.update(versions={}), ""),
    ],
)
def test_what_a_checkpoint_says_is_checked(theirs, change, message):
    forge(theirs, lambda meta: change(meta) and None)
    assert message in told(theirs) and bool(message) == bool(told(theirs))


@pytest.mark.parametrize(
    "gazetteer, message",
    [
        ({"types": ["A"], "names": [[["a"], [0]]]}, ""),
        ({"types": ["A"], "names": [[["a"], [1]]]}, "[['a'], [1]], expected [words, types]"),
        ({"types": ["A"], "names": [[[], [0]]]}, "[[], [0]], expected"),
        ({"types": ["A"], "names": [[["a"] * 257, [0]]]}, "1 to 256 words"),
        ({"types": ["A"], "names": [[["\udc00"], [0]]]}, "a word that is not UTF-8"),
        ({"types": ["A"], "names": [[[["a"]], [0]]]}, "expected [words, types]"),
        ({"types": ["A"] * 2, "names": []}, "2 types, expected 1 to 1,024, each once"),
        ({"types": [str(i) for i in range(1025)], "names": []}, "1,025 types"),
        ({"types": ["A"]}, "names is missing"),
    ],
)
def test_a_gazetteer_of_a_checkpoint(theirs, gazetteer, message):
    forge(
        theirs,
        lambda meta: {
            **meta,
            "gazetteer": gazetteer,
            "config": {**meta["config"], "gazetteer": "g"},
        },
    )
    assert message in told(theirs) and bool(message) == bool(told(theirs))


def test_a_field_that_an_older_version_did_not_know(theirs):
    """It gets its default; in a checkpoint of this version its absence is an error."""
    forge(theirs, lambda meta: meta["config"].pop("clip_norm") and None)
    assert "config lacks clip_norm" in told(theirs)
    forge(theirs, lambda meta: meta["versions"].update(etagger="0.0.1"))
    assert told(theirs) == "" and checkpoint.load_meta(theirs)["config"]["clip_norm"] == 10.0


def test_weights_of_other_sizes(home, small, zygote, infer):
    """The JSON has more tags or layers than the weights, or huge sizes: training refuses them
    before it takes memory.
    """
    forge(home / "theirs" / "ner_model", lambda meta: meta["tags"].append("B-NEW"))
    done = zygote.run("inference.py", "--restore", "theirs", "--input", small[1][3], folder=home)
    assert done.code == 2 and "the weights cannot be read" in one_line(done.err)
    forge(home / "theirs" / "ner_model", lambda meta: meta["config"].update(rnn_size=1 << 16))
    flags = [*small[1], "--restore", "theirs", "--checkpoint_dir", "mine", "--rnn_size", 1 << 16]
    done = zygote.run("train.py", *flags, folder=home)
    assert done.code == 2 and "the config wants float32 [" in one_line(done.err)


def test_a_config_that_asks_for_more_memory_than_there_is(home, small, zygote):
    (home / "c.yaml").write_text("cnn_filters: 65536\ncnn_width: 1024\nencoder: cnn_lstm\n")
    done = zygote.run("train.py", *small[1], "--config_path", "c.yaml", "--overwrite", folder=home)
    assert done.code == 2 and "GB, this machine has" in one_line(done.err)


# ---------------------------------------------------------------- text that stands for much

DEEP = {"json": "[" * 100_000, "objects": '{"a":' * 50_000, "closed": "[" * 999 + "]" * 999}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_deep_nesting_in_json(theirs, text, bare_zygote, tmp_path):
    """Each JSON file that is read gives one line, and no RecursionError."""
    (tmp_path / "deep.json").write_text(text)
    with open(f"{theirs}.json", "w") as out:
        out.write(text)
    assert "brackets in one another" in told(theirs)
    for script, *flags in (
        ("train.py", "--config_path", "deep.json"),
        (
            "embvec.py",
            "--train_path",
            "t.txt",
            "--out_path",
            "e.pkl",
            "--elmo_options_path",
            "deep.json",
        )
        + ("--elmo_weight_path", "w"),
        (
            "embvec.py",
            "--train_path",
            "t.txt",
            "--out_path",
            "e.pkl",
            "--bert_config_path",
            "deep.json",
        )
        + ("--bert_init_checkpoint", "b.safetensors", "--bert_vocab_path", "t.txt"),
    ):
        (tmp_path / "t.txt").write_text("a O\n")
        (tmp_path / "b.safetensors").write_text("")
        message = bare_zygote.mistake(script, *flags, folder=tmp_path)
        assert "deep.json:" in message and "brackets in one another" in message
    with pytest.raises(ValueError):
        structured.load_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "rnn_size: " + "[" * 100_000,
        "rnn_size: " + "{a: " * 100_000,
        "\n".join(" " * i + "- " for i in range(3000)),
        "- " * 100_000,
        "? " * 100_000,
        "a: &a [x, x]\nb: &b [*a, *a]\nrnn_size: *b\n",
        "<<: &a {rnn_size: 3}\n",
        "rnn_size: !!int ''",
        "rnn_size: !!bool x",
        "rnn_size: !!timestamp x",
        "rnn_size: !!float ''",
        "rnn_size: 2026-99-99",
        "rnn_size: 0x" + "f" * 4000,
        "rnn_size: 1" + ":59" * 100_000,
        "rnn_size: " + "9" * 5000,
        "rnn_size: !!python/object/apply:os.system [true]",
        "x" * (1 << 19),
        "? [a]\n: b\n",
        "[a]: b",
        "keep_prob: " + "1" * 400,
        "hooks: [{call: a.b, 3: 4}]",
        "hooks: {call: [a.b]}",
        "bert_layers: " + "9" * 100,
    ],
    ids=range(23),
)
def test_yaml_that_stands_for_much(tmp_path, text):
    """YAML in a file and on the command line gives one line, and soon."""
    (tmp_path / "c.yaml").write_text(text)
    started = time.monotonic()
    with pytest.raises(UserError) as error:
        config.load_config(str(tmp_path / "c.yaml"))
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
    with pytest.raises(UserError) as error:
        args = train_args("--hooks", f"{{call: a.b, x: {text}}}" if ":" not in text else text)
        config.load_config(flags={"hooks": args.hooks})
    assert "\n" not in str(error.value).replace(text, "") and time.monotonic() - started < 10


# ---------------------------------------------------------------- pickles


def pickled(*opcodes):
    """A pickle of protocol 4 with these bytes."""
    return b"\x80\x04" + b"".join(opcodes) + b"."


SMALL_AND_GREEDY = {
    "memo of 2 GB": pickled(b"N", b"r" + struct.pack("<I", 1 << 28)),
    "memo, in decimals": pickled(b"N", b"p999999999\n"),
    "bytes of 2 GB": pickled(b"\x8e" + struct.pack("<Q", 1 << 31)),
    "bytes, 32 bits": pickled(b"B" + struct.pack("<I", (1 << 32) - 1)),
    "text of 2 GB": pickled(b"\x8d" + struct.pack("<Q", 1 << 62)),
    "a byte array": pickled(b"\x96" + struct.pack("<Q", 1 << 40)),
    "a frame": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62) + b"N",
    "tuples, doubled": pickled(b"}", b")", b"\x940\x940\x94" + b"2\x86" * 64, b"K\x01s"),
    "doubled by the memo": pickled(
        b"}N\x94", b"".join(b"h%ch%c\x86\x94" % (i, i) for i in range(200)), b"K\x01s"
    ),
    "a deep key": pickled(b"}N", b"\x85" * 9000, b"K\x01s"),
    "deep lists": pickled(b"]" * 9000, b"a" * 8999),
    "many lists": pickled(b"(", b"]" * 1_000_000, b"t"),
    "many dicts": pickled(b"(", b"}" * 1_000_000, b"t"),
    "many numbers in the memo": pickled(b"N", b"\x94" * 1_000_000, b"h\xff"),
    "a set": pickled(b"\x8f"),
    "a list in itself": pickled(b"]\x94h\x00a"),
    "a dict in itself": pickled(b"}\x94\x8c\x01ah\x00s"),
    "long": pickled(b"\x8b" + struct.pack("<i", (1 << 31) - 1)),
    "an array of 2 GB": pickle.dumps(np.zeros(1, np.float32), 4).replace(
        b"K\x01\x85", b"J" + struct.pack("<i", 1 << 29) + b"\x85"
    ),
}


@pytest.mark.parametrize("data", SMALL_AND_GREEDY.values(), ids=SMALL_AND_GREEDY)
def test_small_pickles_that_ask_for_much(tmp_path, data):
    """As header and as body they give one line, in time and memory of the file's size."""
    emb = EmbVec(*([[PAD, UNK]] * 4), ["O"], 2)
    header = pickle.dumps(emb.header(), 4)
    for whole in (data, header + data):
        (tmp_path / "e.pkl").write_bytes(whole)
        tracemalloc.start()
        started = time.monotonic()
        with pytest.raises(UserError, match="e.pkl: ") as error:
            EmbVec.load(str(tmp_path / "e.pkl"))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20 or len(data) > 1 << 18
        assert tracemalloc.get_traced_memory()[1] < 40 * len(data) + (1 << 20)
        assert time.monotonic() - started < 5 and len(str(error.value)) < 300
        tracemalloc.stop()


def test_plain_pickles_are_read_as_python_reads_them():
    rng = random.Random(1)

    def value(depth):
        kinds = [
            lambda: rng.choice(["", "a", "ü" * 300, "x" * 70_000]),
            lambda: rng.choice([0, -1, 255, 256, 65_536, -(2**31), 2**40, 2**200]),
            lambda: rng.choice([None, True, False, 0.5, -1e300, b"", b"ab", b"x" * 300]),
            lambda: [value(depth + 1) for _ in range(rng.randrange(3))],
            lambda: tuple(value(depth + 1) for _ in range(rng.randrange(6))),
            lambda: {str(i): value(depth + 1) for i in range(rng.randrange(3))},
        ]
        return rng.choice(kinds[: 3 if depth > 4 else 6])()

    for _ in range(300):
        plain = value(0)
        data = pickle.dumps(plain, 4)
        assert plain_pickle.load(b"ab" + data, 2) == (plain, 2 + len(data))
    for array in (np.arange(6, dtype=np.float32).reshape(2, 3), np.asfortranarray(np.eye(3))):
        got, _ = plain_pickle.load(pickle.dumps(array, 4))
        assert got.value.dtype == array.dtype and (got.value == array).all()


@pytest.mark.parametrize(
    "change",
    [
        lambda header, body: body["vocab"]["tag"].__setitem__(0, "X"),
        lambda header, body: body["vocab"]["wrd"].__setitem__(0, "X"),
        lambda header, body: body["vocab"].update(tag=["O", 5]),
        lambda header, body: body["vocab"].update(tag=("O", "B-X")),
        lambda header, body: body["vocab"].update(chr="#PAD#"),
        lambda header, body: body["vocab"].update(more=[]),
        lambda header, body: header.update(wrd_dim=10**9),
        lambda header, body: header.update(wrd_dim=2.0),
        lambda header, body: header.update(lowercase="yes"),
        lambda header, body: header.update(sources=[]),
        lambda header, body: header.update(elmo={"weights": "/etc/passwd"}),
        lambda header, body: header.update(elmo=[1]),
        lambda header, body: header.update(
            bert={"config": {"num_hidden_layers": 10**7}, "do_lower_case": True}
            | {"max_seq_length": 9, "weights": "w", "hash": "h"}
        ),
        lambda header, body: header.update(
            elmo={"options": {"lstm": {"dim": 10**9}}, "weights": "w", "hash": "h"}
        ),
    ],
)
def test_vocabularies_of_other_types(tmp_path, change):
    """Whoever writes the file can also write its hashes."""
    emb = EmbVec(*([[PAD, UNK, "a"]] * 4), ["O", "B-X"], 2)
    header, body = emb.header(), {"vocab": dict(emb.vocab), "vectors": None}
    body["vocab"] = {name: list(tokens) for name, tokens in emb.vocab.items()}
    change(header, body)
    try:
        emb.vocab = body["vocab"]
        del emb.vocab_hash
        header["vocab_hash"] = emb.vocab_hash
    except (TypeError, AttributeError):
        pass
    (tmp_path / "e.pkl").write_bytes(pickle.dumps(header, 4) + pickle.dumps(body, 4))
    with pytest.raises(UserError, match="e.pkl: ") as error:
        EmbVec.load(str(tmp_path / "e.pkl"))
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "line, message",
    [
        (b"a 1 2\n" + b"x" * (5 << 20), "vectors.txt.gz:2: a line of more than 65,530 bytes"),
        (b"x" * (5 << 20), "vectors.txt.gz: no line ends in its first 65,536 bytes"),
        (b"a 1 2\n" * (12 << 20), "it unpacks to more than 67,108,864 bytes"),
        (b"9" * 5000 + b" 2\n", "vectors.txt.gz:1: the vectors have 1 numbers"),
    ],
)
def test_vectors_in_an_archive_that_unpacks_without_end(tmp_path, line, message):
    path = tmp_path / "vectors.txt.gz"
    path.write_bytes(gzip.compress(line, 1))
    with pytest.raises(UserError) as error:
        word_vectors.VectorReader(str(path), "", 2, True, None).read()
    assert message in str(error.value) and len(str(error.value)) < 300


def test_a_vocabulary_that_claims_a_number_without_end(tmp_path):
    (tmp_path / "vocab.txt").write_bytes(b"# wrd_vocab " + b"9" * 5000 + b"\n")
    with pytest.raises(UserError, match="vocab.txt:1: expected `# wrd_vocab N`"):
        EmbVec.from_vocab_text(str(tmp_path / "vocab.txt"))


# ---------------------------------------------------------------- HDF5, BERT and ELMo


def greedy(file, name, shape, how):
    """A dataset that claims more than the file has, or the bytes of another file."""
    if how == "in chunks":
        file.create_dataset(name, shape, np.float32, chunks=tuple(min(n, 64) for n in shape))
    elif how == "compressed":
        file.create_dataset(name, data=np.zeros(shape, np.float32), compression="gzip")
    elif how == "external file":
        file.create_dataset(
            name, shape, np.float32, external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
        )
    elif how == "external link":
        file[name] = h5py.ExternalLink("other.hdf5", "/x")
    elif how == "soft link":
        file[name] = h5py.SoftLink("/CNN/nowhere")
    elif how == "virtual":
        layout = h5py.VirtualLayout(shape, np.float32)
        layout[...] = h5py.VirtualSource("other.hdf5", "x", shape)
        file.create_virtual_dataset(name, layout)
    elif how == "text":
        file.create_dataset(name, shape, h5py.string_dtype())
    else:  # nothing is written of it
        file.create_dataset(name, shape, np.float32)


@pytest.mark.parametrize(
    "how",
    ["in chunks", "compressed", "external file", "external link", "soft link", "virtual", "text"]
    + ["never written"],
)
def test_hdf5_that_stands_for_more_than_it_has(tmp_path, how):
    """ELMo's weights claim more than the file has; the options, which come with them, may ask for
    the same sizes.
    """
    options = {
        "lstm": {"dim": 30_000, "projection_dim": 20_000, "n_layers": 2}
        | {"cell_clip": 3, "proj_clip": 3, "use_skip_connections": True},
        "char_cnn": {"embedding": {"dim": 16}, "filters": [[1, 20_000]], "activation": "relu"}
        | {"n_highway": 1, "n_characters": 262, "max_characters_per_token": 50},
    }
    if how == "compressed":
        options["lstm"].update(dim=200, projection_dim=100)
        options["char_cnn"]["filters"] = [[1, 100]]
    (tmp_path / "options.json").write_text(json.dumps(options))
    options = pretrained.read_elmo_options(str(tmp_path / "options.json"))
    path = str(tmp_path / "weights.hdf5")
    with h5py.File(path, "w") as file:
        for name, shape in pretrained.elmo_shapes(options).items():
            greedy(file, name, shape, how)
    assert os.path.getsize(path) < 100_000 or how == "text"
    tracemalloc.start()
    with pytest.raises(UserError, match="weights.hdf5: ") as error:
        pretrained.elmo_weights(options, path)
    assert tracemalloc.get_traced_memory()[1] < 20 << 20 and "\n" not in str(error.value)
    tracemalloc.stop()
    expected = {
        "external link": "there is no",
        "soft link": "there is no",
        "text": "expected numbers",
    }
    usual = "more than the whole file" if how == "never written" else "is compressed, in chunks, or"
    assert how == "text" or expected.get(how, usual) in str(error.value)


@pytest.mark.parametrize("name", ["num_hidden_layers", "hidden_size", "vocab_size"])
def test_a_bert_that_asks_for_much(tmp_path, name):
    values = dict.fromkeys(pretrained._BERT_SIZES, 12)
    (tmp_path / "c.json").write_text(json.dumps({**values, name: 10**8}))
    with pytest.raises(UserError, match=f"{name} is 100000000, expected a whole number.*at most"):
        pretrained.read_bert_config(str(tmp_path / "c.json"))


def test_a_safetensors_header_that_is_nested(tmp_path):
    text = b'{"a":' + b"[" * 200_000
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    with pytest.raises(UserError, match="model.safetensors: not a safetensors file") as error:
        pretrained.open_bert(
            dict.fromkeys(pretrained._BERT_SIZES, 12), str(tmp_path / "model.safetensors")
        )
    assert "\n" not in str(error.value)


def test_stored_vectors_of_a_stranger(tmp_path):
    for how in ("in chunks", "external file", "external link", "virtual", "never written"):
        path = str(tmp_path / f"{how}.hdf5")
        with h5py.File(path, "w") as file:
            greedy(file, "vectors", (9000, 3, 1024), how)
        with pytest.raises(UserError, match="hdf5: "):
            vector_cache._open(path, "elmo_vectors", 9000)


# ---------------------------------------------------------------- C++


@pytest.fixture
def settings(tmp_path):
    """The path of a file with a model's settings as C++ reads them, after a change."""
    emb = EmbVec(*([[PAD, UNK, "a"]] * 4), ["O"], 2)
    own = {"tags": ["O"], "tag_scheme": "bio", "data_scheme": "bio", "columns": ["word", "tag"]}
    from export import model_config

    whole = json.loads(
        model_config(
            config.Config(wrd_dim=2, use_crf=False),
            {**own, "delimiter": "", "tokenizer": "words", "gazetteer": None},
            emb,
        )
    )

    def write(change=lambda settings: None):
        settings = json.loads(json.dumps(whole))
        text = change(settings)
        (tmp_path / "s.json").write_text(text if isinstance(text, str) else json.dumps(settings))
        (tmp_path / "vocab.txt").write_bytes(emb.vocab_text())
        return str(tmp_path / "s.json")

    return write


def test_words_that_collide(settings, tmp_path):
    """As many words as the look-up visits may collide; one more is refused, so that opening takes
    no quadratic time.
    """
    count = 300  # a table of 1,024 slots
    tokens = [b"w%d" % i for i in range(400_000)]
    slots = engine_file.hashes(tokens) & np.uint32(1023)
    tokens = [tokens[i].decode() for i in np.flatnonzero(slots == slots[0])[:count]]
    path = settings()
    for total, code in ((200, 0), (count, 2)):
        words = tokens[:total]
        words += [f"v{i}" for i in range(count - total)]  # the table keeps its size
        vocabulary = EmbVec(words, *([[PAD, UNK]] * 3), ["O"], 2).vocab_text()
        (tmp_path / "vocab.txt").write_bytes(vocabulary)
        done = run_binary("probe", "inputs", path, tmp_path / "vocab.txt", "1", stdin=b"a O\n")
        assert done.code == code, done.err
    assert "vocab.txt:258: its hash is that of 256 tokens before" in one_line(done.err)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda s: "[" * 100_000, "too many brackets"),
        (lambda s: '{"a":' * 100_000, "too many brackets"),
        (lambda s: s["config"].update(word_length=10**9), "word_length is no whole number from 1"),
        (lambda s: s["config"].update(word_length=1025), "whole number from 1 to 1024"),
        (lambda s: s["config"].update(rnn_layers=10**7), "rnn_layers is no whole number from 1"),
        (lambda s: s.update(tokenizer="bytes"), "tokenizer is neither words nor characters"),
        (
            lambda s: s.update(gazetteer={"types": ["A"] * 1025, "names": []}),
            "more than 1024 types",
        ),
        (
            lambda s: s.update(gazetteer={"types": ["A"], "names": [[["a"] * 257, [0]]]}),
            "more than 256 words",
        ),
    ],
)
def test_settings_that_ask_for_much_in_cpp(settings, tmp_path, change, message):
    done = run_binary("probe", "inputs", settings(change), tmp_path / "vocab.txt", "1", stdin=b"")
    assert done.code == 2 and message in one_line(done.err)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda s: None, ""),
        (lambda s: s.pop("tokenizer") and None, ""),  # a model from before
        (lambda s: s.update(tokenizer="bytes"), "tokenizer: 'bytes', expected one of words, char"),
        (lambda s: s["config"].update(word_length=10**9), "word_length: 1000000000, expected at"),
        (lambda s: s["config"].pop("rnn_size") and None, "config lacks rnn_size"),
        (lambda s: s.pop("tags") and None, "tags is missing"),
        (lambda s: s.update(lowercase=1), "lowercase: 1, expected bool"),
        (lambda s: s["config"].update(use_bert=True), "bert: None, expected an object"),
        (lambda s: s.update(more=1), "unknown key 'more'"),
    ],
)
def test_settings_of_a_graph_in_python(settings, change, message):
    with open(settings(change)) as stream:
        given = json.load(stream)
    try:
        graph_settings(given, "g.pb")
        assert not message
    except UserError as error:
        assert message and str(error).startswith("g.pb: ") and message in str(error)
