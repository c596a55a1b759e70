"""inference/: every way to serve a model gives the tags of its checkpoint, byte for byte."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import unicodedata
from pathlib import Path

import pytest

import schemes
from config import ENCODERS
from features import word_shape
from features.tokenizer import tokenize
from support.commands import ROOT, SMALL, fit, made, one_line, sample, wait_until, write_sample
from support.corpora import DEV_CORPORA as CORPORA
from support.rows import NASTY_LOWERCASE as NASTY
from support.serving import (
    BUILD,
    INFERENCE,
    SAFE_TRANSFORMS,
    Served,
    binary,
    binary_mistake,
    probe,
    python_package,
    randomize,
    run_binary,
    succeed,
    ties,
    untrained,
)

LONGEST = b"".join(b"w%d NN B-NP O\n" % i for i in range(10_000)) + b"\n"


@pytest.fixture(scope="module")
def served(trained, zygote, tmp_path_factory):
    """The trained model of conftest.py with all files that inference/ makes of it."""
    binary("inference")
    return Served(zygote, trained.prefix, tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def serve(zygote, tmp_path_factory):
    """A function that takes flags of train.py and returns a Served with random weights, scaled so
    that every tag occurs.
    """

    def make(*flags, scale=3.0, train=60):
        binary("inference")
        folder = tmp_path_factory.mktemp("random")
        prefix = untrained(
            folder / "random" / "ner_model",
            *write_sample(folder, train=train),
            *SMALL,
            *flags,
            scale=scale,
        )
        return Served(zygote, prefix, made(folder / "served"))

    return make


def same_tags(served, data, batch_sizes=(1, 32), ways=None):
    """Tags `data` in every way and checks that the bytes are the same. Returns the predicted tags.

    A sentence may differ only where its two best sequences score within 1e-4 of each other; those
    are listed.
    """
    outcomes = {}
    for name, way in served.ways().items():
        for batch_size in batch_sizes if ways is None or name in ways else ():
            outcomes[name, batch_size] = succeed(way(data, batch_size)).out
    assert len(outcomes) >= 2
    first = next(iter(outcomes.values()))
    for key, out in outcomes.items():
        if out != first:
            tied = ties(served.prefix, first, out)
            print(f"{key}: {len(tied)} sentences differ, each a tie: {tied}")
    return {line.split()[-1].decode() for line in first.split(b"\n") if line.strip()}


# ---------------------------------------------------------------- the same tags, always


def test_same_tags_of_a_trained_model(served):
    same_tags(served, b"".join(sample("test")[:80]) + NASTY)


def test_a_wrong_tag_is_no_tie(served):
    """The exception for ties in same_tags does not accept a wrong tag."""
    tagged = succeed(served.ways()["C++ frozen"](b"".join(sample("test")[:5]), 32)).out
    rows = tagged.split(b"\n")
    place = next(
        i for i, row in enumerate(rows) if row.endswith(b" B-PER") or row.endswith(b" B-LOC")
    )
    with pytest.raises(AssertionError):
        ties(
            served.prefix,
            tagged,
            b"\n".join(
                [*rows[:place], rows[place].rpartition(b" ")[0] + b" O", *rows[place + 1 :]]
            ),
        )


def test_same_tags_in_a_sentence_of_10000_tokens(served):
    same_tags(
        served,
        LONGEST,
        batch_sizes=(32,),
        ways=("restored", "C++ frozen", "C++ memory-mapped", "engine"),
    )


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--tag_scheme", "iobes"),
        ("--rnn_type", "normal", "--rnn_layers", "2"),
        ("--use_crf", "False"),
        ("--use_crf", "False", "--constrained", "True"),
        ("--chr_conv_type", "conv2d", "--chr_filter_widths", "2", "3", "--use_shape", "True"),
        ("--constrained", "True", "--tag_scheme", "bilou"),
        ("--use_chr", "False", "--use_highway", "False"),
        ("--use_word", "False"),
        ("--gazetteer", "GAZETTEER"),
        ("--columns", "word _ _ tag", "--lowercase", "False"),
        *(("--encoder", name, "--rnn_layers", "2") for name in ENCODERS if name != "bilstm"),
    ],
    ids=" ".join,
)
def test_same_tags_of_random_models(serve, tmp_path, flags):
    """Every kind of model that train.py trains, with weights under which every tag occurs."""
    (tmp_path / "names.txt").write_text(
        "PER Peter\nLOC New York\nLOC New\nORG New York Times\nPER Last\n"
    )
    served = serve(
        *(str(tmp_path / "names.txt") if flag == "GAZETTEER" else flag for flag in flags)
    )
    meta = json.loads(Path(served.prefix + ".json").read_text(encoding="utf-8"))
    data = b"".join(sample("test")) + NASTY
    predicted = same_tags(
        served,
        data,
        batch_sizes=(32,),
        ways=("restored", "frozen", "C++ frozen", "C++ transformed, memory-mapped"),
    )
    if "--use_word" not in flags:
        scheme, learned = meta["data_scheme"], meta["tag_scheme"]
        possible = (
            set(meta["tags"])
            if scheme == learned
            else set(schemes.scheme_tags(meta["tags"], learned, scheme))
        )
        assert predicted <= possible and len(possible - predicted) <= (
            "--encoder" in flags
        )  # their scores spread less


@pytest.mark.parametrize("corpus, columns", CORPORA)
def test_same_tags_of_whole_corpora(zygote, shared, tmp_path, corpus, columns):
    """Models of random weights with every tag of the corpus, from the checkpoint and in C++."""
    binary("inference")
    path = shared("data/" + corpus)
    flags = ["--train_path", path, "--dev_path", path, "--columns", columns, *SMALL]
    prefix = untrained(tmp_path / "random" / "ner_model", *flags)
    served = Served(zygote, prefix, made(tmp_path / "served"))
    with open(path, "rb") as stream:
        data = stream.read()
    predicted = same_tags(
        served, data, batch_sizes=(32,), ways=("restored", "C++ frozen", "C++ memory-mapped")
    )
    assert len(predicted) > 0.9 * len(
        json.loads(Path(served.prefix + ".json").read_text(encoding="utf-8"))["tags"]
    )


@pytest.mark.slow
@pytest.mark.parametrize("corpus, columns", CORPORA)
def test_same_tags_in_all_ways_of_whole_corpora(zygote, shared, tmp_path, corpus, columns):
    """A trained model and one of random weights, every way in batches of 32 and three of them
    sentence by sentence.
    """
    binary("inference")
    path = shared("data/" + corpus)
    fit(
        "--train_path",
        path,
        "--dev_path",
        path,
        "--columns",
        columns,
        "--checkpoint_dir",
        tmp_path / "checkpoint",
        *SMALL,
        "--summary_dir",
        "",
        "--epoch",
        1,
    )
    prefix = str(tmp_path / "checkpoint" / "ner_model")
    with open(path, "rb") as stream:
        data = stream.read()
    for name in ("trained", "random"):
        if name == "random":
            prefix = randomize(prefix, str(tmp_path / "weights" / "ner_model"), 3.0)
        served = Served(zygote, prefix, made(tmp_path / name))
        same_tags(served, data, batch_sizes=(32,))
        same_tags(
            served,
            data,
            batch_sizes=(1,),
            ways=("restored", "C++ frozen", "C++ transformed, memory-mapped", "engine"),
        )


def test_many_tags_at_batch_size_1(zygote, tmp_path):
    """A transition matrix of more than 10,000 bytes is not mapped, since the graph writes over an
    input that nothing else uses.
    """
    binary("inference")
    rows = b"".join(b"w%d B-T%d\nx I-T%d\n\n" % (i, i % 40, i % 40) for i in range(80))
    (tmp_path / "train.txt").write_bytes(rows)
    fit(
        "--train_path",
        tmp_path / "train.txt",
        "--dev_path",
        tmp_path / "train.txt",
        "--checkpoint_dir",
        tmp_path / "checkpoint",
        *SMALL,
        "--summary_dir",
        "",
        "--epoch",
        1,
    )
    served = Served(zygote, tmp_path / "checkpoint" / "ner_model", made(tmp_path / "served"))
    same_tags(served, rows, batch_sizes=(1,), ways=("restored", "C++ memory-mapped"))


# ---------------------------------------------------------------- text


def assigned():
    """All code points of this Python's version of Unicode, except surrogates and the newline."""
    return [
        chr(code)
        for code in range(0x110000)
        if unicodedata.category(chr(code)) not in ("Cs", "Cn") and code != 10
    ]


def test_lowercase_of_every_code_point():
    letters = assigned()
    lowered = [line.decode() for line in probe("lower", [letter.encode() for letter in letters])]
    wrong = [
        (letter, ours)
        for letter, ours in zip(letters, lowered, strict=True)
        if ours != letter.lower()
    ]
    assert wrong == []


def test_lowercase_of_the_capital_sigma_beside_every_code_point():
    """Tests Final_Sigma with cased and case-ignorable characters on both sides."""
    words = [
        form.format(letter) for letter in assigned() for form in ("a{}Σ", "{}Σ", "aΣ{}", "aΣ{}b")
    ]
    lowered = [line.decode() for line in probe("lower", [word.encode() for word in words])]
    wrong = [
        (word, ours) for word, ours in zip(words, lowered, strict=True) if ours != word.lower()
    ]
    if unicodedata.unidata_version == "15.0.0":
        assert wrong == []
    else:  # a few properties of old characters change from version to version
        assert len(wrong) < 40, wrong


def test_lowercase_and_shape_of_random_strings():
    rng = random.Random(1)
    alphabet = list("abzABZ019.,'-ΣσςİIıéÉßẞǅ\u0307\u00ad\u0345·") + ["שלום", "😀", "𐐀", "Ⅷ", "ﬁ"]
    words = ["".join(rng.choices(alphabet, k=rng.randint(1, 8))) for _ in range(20_000)]
    assert probe("lower", [word.encode() for word in words]) == [
        word.lower().encode() for word in words
    ]
    assert [int(line) for line in probe("shape", [word.encode() for word in words])] == [
        word_shape.word_shape(word) for word in words
    ]


def test_bytes_that_are_not_utf8_pass_through_lowercasing():
    rng = random.Random(2)
    pieces = [bytes([byte]) for byte in range(0x80, 0x100)] + [
        b"A",
        "É".encode(),
        "Σ".encode(),
        "😀".encode(),
        b"\xed\xa0\x80",
        b"\xc0\xaf",
    ]
    words = [b"".join(rng.choices(pieces, k=rng.randint(1, 6))) for _ in range(20_000)]
    texts = [word.decode(errors="surrogateescape") for word in words]
    assert probe("lower", words) == [
        text.lower().encode(errors="surrogateescape") for text in texts
    ]
    assert [int(line) for line in probe("shape", words)] == [
        word_shape.word_shape(text) for text in texts
    ]


def test_the_table_of_lower_case_says_its_unicode_version():
    with open(
        os.path.join(INFERENCE, "cc", "text", "unicode_lower.inc"), encoding="utf-8"
    ) as stream:
        text = stream.read()
    assert re.search(r'kUnicodeVersion\[\] = "\d+\.\d+\.\d+"', text)
    if f'"{unicodedata.unidata_version}"' in text:
        made = subprocess.run(
            [sys.executable, os.path.join(INFERENCE, "cc", "text", "make_lowercase.py")],
            capture_output=True,
            check=True,
        ).stdout.decode()
        assert made.splitlines()[1:] == text.splitlines()[1:]


@pytest.mark.parametrize("size", [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000])
def test_sha256(size):
    data = random.Random(size).randbytes(size)
    assert (
        succeed(run_binary("probe", "sha256", stdin=data)).out.decode().strip()
        == hashlib.sha256(data).hexdigest()
    )


def test_json_strings():
    texts = [
        "",
        "a",
        'quote " backslash \\ slash /',
        "tab\tbell\x07\x08\x0c",
        "é ß 漢 😀 \U0010ffff",
    ]
    for ascii_only in (True, False):
        assert probe(
            "json", [json.dumps(text, ensure_ascii=ascii_only).encode() for text in texts]
        ) == [text.encode() for text in texts]
    assert "not JSON" in binary_mistake("probe", "json", stdin=b'"a\n')


@pytest.mark.parametrize("target", schemes.SCHEMES)
@pytest.mark.parametrize("source", ["bio", "iobes", "bmes", "ioe1"])
def test_schemes(source, target):
    """Any sequence of tags, well-formed or not, is converted as by conll.convert."""
    tags = schemes.scheme_tags(["O", "B-X", "I-X", "B-Y-Z", "I-Y-Z"], "bio", source)
    rng = random.Random(3)
    sequences = [[rng.randrange(len(tags)) for _ in range(rng.randint(1, 9))] for _ in range(2000)]
    ours = probe(
        "scheme", [" ".join(map(str, ids)).encode() for ids in sequences], source, target, *tags
    )
    assert ours == [
        " ".join(schemes.convert([tags[i] for i in ids], source, target)).encode()
        for ids in sequences
    ]


# ---------------------------------------------------------------- what travels in the graph


def test_export_lists_the_graph_and_leaves_training_behind(served):
    assert re.match(r"operations: \d+\n  sentence_length  Placeholder\n", served.listing)
    assert "input_data_wordchr_ids:0  int32  (?, ?, 15)" in served.listing
    assert "logits_indices:0  int32" in served.listing
    for name in ("is_train", "global_step", "tateless", "gradients", "Adam"):
        assert not re.search(
            rf"^  \S*{name}\S*  (?!StatelessWhile)", served.listing, re.MULTILINE
        ), name


def test_a_frozen_graph_holds_its_own_settings(served, trained):
    from tf1 import tf

    with open(served.transformed_mapped[: -len(".memmapped")], "rb") as stream:
        graph = tf.GraphDef.FromString(stream.read())
    nodes = {node.name: node for node in graph.node}
    settings = json.loads(nodes["model_config"].attr["value"].tensor.string_val[0])
    assert settings["tags"] == trained.trainer.data.tags
    assert settings["vocab_hash"] == hashlib.sha256(Path(served.vocab).read_bytes()).hexdigest()
    assert not any(node.op in ("VarHandleOp", "ReadVariableOp") for node in graph.node)
    assert not any("_gradient_op_type" in node.attr for node in graph.node)


def test_the_wrong_vocabulary_is_refused(served, zygote, tmp_path):
    with open(served.vocab, "rb") as stream:
        text = stream.read()
    (tmp_path / "vocab.txt").write_bytes(text.replace(b"#UNK# 1\n", b"#UNC# 1\n"))
    assert "not the vocabulary that" in binary_mistake(
        "inference", served.frozen, tmp_path / "vocab.txt"
    )
    script = os.path.join(INFERENCE, "python", "inference.py")
    assert "is not the one that" in zygote.mistake(
        script, "--vocab_path", tmp_path / "vocab.txt", "--frozen_path", served.frozen
    )


@pytest.mark.parametrize(
    "spoil, what",
    [
        (lambda text: b"", ":1: expected `# wrd_vocab N`"),
        (lambda text: text[:200], "the file ends in section wrd"),
        (lambda text: text.replace(b"#UNK# 1\n", b"#UNK# 7\n", 1), ":3: expected `token 1`"),
        (lambda text: text + b"more\n", "more than the sections of a vocabulary"),
    ],
)
def test_a_damaged_vocabulary_is_told_alike(served, zygote, tmp_path, spoil, what):
    with open(served.vocab, "rb") as stream:
        (tmp_path / "vocab.txt").write_bytes(spoil(stream.read()))
    python = zygote.mistake(
        os.path.join(INFERENCE, "python", "inference.py"),
        "--vocab_path",
        tmp_path / "vocab.txt",
        "--frozen_path",
        served.frozen,
    )
    cc = binary_mistake("inference", served.frozen, tmp_path / "vocab.txt")
    assert what in python
    assert python.partition(": ")[2] == cc.partition(": ")[2]


def test_tools_name_what_they_left_out_or_added(served, tmp_path):
    done = succeed(
        run_binary(
            "transform_graph",
            f"--in_graph={served.frozen}",
            f"--out_graph={tmp_path / 'out.pb'}",
            "--inputs=is_train,sentence_length",
            f"--transforms={SAFE_TRANSFORMS}",
        )
    )
    assert "--inputs is_train: not in this graph, left out" in done.err
    assert "--inputs: input_data_word_ids is a placeholder too, added" in done.err


def test_rounded_weights_compress(served, tmp_path):
    import zlib

    out = tmp_path / "rounded.pb"
    succeed(
        run_binary(
            "transform_graph",
            f"--in_graph={served.frozen}",
            f"--out_graph={out}",
            "--transforms=round_weights(num_steps=256)",
        )
    )
    with open(served.frozen, "rb") as frozen:
        assert len(zlib.compress(out.read_bytes())) < 0.5 * len(zlib.compress(frozen.read()))


# ------------------------------------------------------------- the C++ commands as a user runs them


@pytest.mark.parametrize("command", ["inference", "etagger"])
def test_a_missing_column_is_told_alike(served, zygote, command):
    data = b"EU NNP B-NP B-ORG\n\nPeter NNP\n\n"
    python = zygote.run("inference.py", "--mode", "bucket", "--restore", served.prefix, stdin=data)
    cc = run_binary(*served.command(command), stdin=data)
    assert python.code == cc.code == 2
    assert python.out == cc.out != b""
    assert (
        one_line(cc.err)
        == f"{command}: <stdin>:3: 2 columns, expected 4 (word pos chunk tag); mend the row, or "
        f"name the columns with --columns\n"
    )
    assert one_line(python.err).partition(": ")[2] == cc.err.partition(": ")[2]


@pytest.mark.parametrize(
    "data, flags",
    [
        (b"a b c d e\n", ()),
        (b"a b c d e\n", ("--columns", "word _ _ _ tag")),
        (b"a b\n", ()),
        (b"a\n", ()),
        (b"a b c\n", ()),
        (b"x a\n", ("--columns", "_,word")),
    ],
)
def test_columns_are_understood_alike(served, zygote, data, flags):
    python = zygote.run(
        "inference.py", "--mode", "bucket", "--restore", served.prefix, *flags, stdin=data
    )
    for command in ("inference", "etagger"):
        cc = run_binary(*served.command(command), *flags, stdin=data)
        assert (python.code, python.out) == (cc.code, cc.out)
        messages = [
            re.sub(r", [0-9.]+ s.*", "", done.err.splitlines()[0].partition(": ")[2])
            for done in (python, cc)
        ]
        assert messages[0] == messages[1]


@pytest.mark.parametrize(
    "args, what",
    [
        ((), "GRAPH is missing"),
        (("FROZEN",), "VOCAB is missing"),
        (("FROZEN", "VOCAB", "more"), "unknown argument more"),
        (("nowhere.pb", "VOCAB"), "nowhere.pb: no such file"),
        (("VOCAB", "VOCAB"), "not a graph, or truncated"),
        (("MAPPED", "VOCAB"), "not a graph, or truncated"),
        (("GRAPH", "VOCAB"), "not frozen, it has variables"),
        (("FOLDER", "VOCAB"), "not a plain file"),
        (("FROZEN", "nowhere.txt"), "nowhere.txt: no such file"),
        (("FROZEN", "VOCAB", "--batch_size", "0"), "--batch_size 0: expected at least 1"),
        (("FROZEN", "VOCAB", "-j", "x"), "--threads x: expected a whole number"),
        (("FROZEN", "VOCAB", "--columns", "pos"), "no word column"),
        (("FROZEN", "VOCAB", "--input", "nowhere.txt"), "nowhere.txt: no such file"),
        (("FROZEN", "VOCAB", "--output", "/nowhere/x"), "/nowhere/x: cannot be written"),
        (("FROZEN", "VOCAB", "--timing=1"), "unknown argument --timing=1"),
        (("FROZEN", "VOCAB", "--input"), "--input: a value is missing"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_mistake_is_one_line(served, args, what):
    names = {
        "FROZEN": served.frozen,
        "MAPPED": served.mapped,
        "GRAPH": served.graph,
        "VOCAB": served.vocab,
        "FOLDER": served.folder,
    }
    assert what in binary_mistake("inference", *(names.get(arg, arg) for arg in args))


@pytest.mark.parametrize(
    "script, args, what",
    [
        ("export.py", ("--restore", "nowhere"), "nowhere.index: no such file"),
        ("freeze.py", ("--model_dir", "nowhere"), "nowhere: no such folder"),
        ("freeze.py", ("--model_dir", "EMPTY"), "no checkpoint with a graph in it"),
        (
            "freeze.py",
            ("--model_dir", "FOLDER", "--output_node_names", "logit_indices"),
            "did you mean logits_indices?",
        ),
        (
            "python/inference.py",
            ("--frozen_path", "VOCAB", "--vocab_path", "VOCAB"),
            "not a graph, or truncated",
        ),
        (
            "python/inference.py",
            ("--frozen_path", "GRAPH", "--vocab_path", "VOCAB"),
            "not frozen, it has variables",
        ),
        (
            "python/inference.py",
            ("--restore", "nowhere", "--vocab_path", "VOCAB"),
            "nowhere.meta: no such file",
        ),
        (
            "python/inference.py",
            ("--frozen_path", "FROZEN"),
            "expected one of --emb_path and --vocab_path",
        ),
        (
            "python/inference.py",
            ("--vocab_path", "VOCAB"),
            "expected one of --frozen_path and --restore",
        ),
    ],
    ids=str,
)
def test_a_mistake_with_a_script_is_one_line(served, zygote, tmp_path, script, args, what):
    names = {
        "FROZEN": served.frozen,
        "GRAPH": served.graph,
        "VOCAB": served.vocab,
        "FOLDER": served.folder,
        "EMPTY": tmp_path,
    }
    assert what in zygote.mistake(
        os.path.join(INFERENCE, script), *(names.get(arg, arg) for arg in args)
    )


@pytest.mark.parametrize(
    "tool, args, what",
    [
        (
            "transform_graph",
            ("--in_graph=FROZEN", "--transforms=nonsense"),
            "'nonsense' not recognized",
        ),
        ("convert_graphdef_memmapped_format", ("--in_graph=GRAPH",), "give --in_checkpoint"),
        (
            "convert_graphdef_memmapped_format",
            ("--in_graph=GRAPH", "--in_checkpoint=nowhere"),
            "nowhere.index: no such file",
        ),
    ],
    ids=str,
)
def test_a_mistake_with_a_tool_leaves_no_file(served, tmp_path, tool, args, what):
    args = [arg.replace("FROZEN", served.frozen).replace("GRAPH", served.graph) for arg in args]
    assert what in binary_mistake(tool, *args, f"--out_graph={tmp_path / 'out'}")
    assert os.listdir(tmp_path) == []


def test_a_truncated_graph_is_refused(served, tmp_path):
    for command, path in (("inference", served.frozen), ("inference_mm", served.mapped)):
        with open(path, "rb") as stream:
            data = stream.read()
        for size in (0, 10, len(data) // 2, len(data) - 10):
            (tmp_path / "graph").write_bytes(data[:size])
            assert "truncated" in binary_mistake(command, tmp_path / "graph", served.vocab)


@pytest.mark.parametrize("command", ["inference", "etagger"])
def test_figures(served, command):
    done = succeed(run_binary(*served.command(command), "--timing", stdin=NASTY))
    assert re.search(r"\d+ sentences, 3,0\d\d tokens, [\d.]+ s, [\d.]+ ms a sentence", done.err)
    assert "10 bytes are not UTF-8" in done.err
    p50, p90, p99 = map(
        float, re.search(r"p50 ([\d.]+)  p90 ([\d.]+)  p99 ([\d.]+)", done.err).groups()
    )
    assert 0 < p50 <= p90 <= p99


COMMANDS = (
    "etagger",
    "inference",
    "inference_mm",
    "transform_graph",
    "convert_graphdef_memmapped_format",
    "inference_sample",
    "inference_iris",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_version_and_help(command):
    from cli import __version__

    assert run_binary(command, "--version").out.decode() == f"etagger {__version__}\n"
    assert "--help" in run_binary(command, "--help").out.decode()
    closed = f"{command}: standard output is closed; redirect it to a file or a pipe\n"
    for flag in ("--version", "--help"):
        assert without("1>&-", (command,), flag) == (2, b"", closed)


def without(closed, command, *args):
    """Runs a C++ command with some of its descriptors closed, in the notation of sh. Returns the
    exit code, standard output and standard error.
    """
    name, *rest = command
    line = ["sh", "-c", f'"$@" {closed}', "sh", binary(name), *rest, *map(str, args)]
    done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=100)
    return done.returncode, done.stdout, done.stderr.decode()


def test_without_descriptors_nothing_goes_into_our_files(served, tmp_path):
    """Neither our messages nor TensorFlow's log go into them."""
    (tmp_path / "in.txt").write_bytes(sample("test")[0])
    expected = succeed(run_binary(*served.command("inference"), stdin=sample("test")[0])).out
    files = ("--input", tmp_path / "in.txt", "--output", tmp_path / "out.txt")
    assert without("<&- >&- 2>&-", served.command("inference"), *files) == (0, b"", "")
    assert (tmp_path / "out.txt").read_bytes() == expected
    code, out, err = without("1>&-", served.command("inference"), *files[:2])
    assert (code, out) == (2, b"") and "standard output is closed" in one_line(err)
    graph = str(tmp_path / "graph.pb")
    flags = f"--in_graph={served.frozen}", f"--out_graph={graph}", f"--transforms={SAFE_TRANSFORMS}"
    assert without("<&- >&- 2>&-", ("transform_graph",), *flags) == (0, b"", "")
    assert succeed(run_binary("inference", graph, served.vocab, *files[:2])).out == expected


def piped(command, *flags, **streams):
    """A C++ command as a process with pipes. command: its name and the files that it needs."""
    name, *model = command
    return subprocess.Popen(
        [binary(name), *model, *flags],
        **{
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.DEVNULL,
            **streams,
        },
    )


@pytest.mark.parametrize("command", ["inference", "inference_mm", "etagger"])
def test_an_open_pipe_is_answered_at_once(served, command):
    process = piped(served.command(command))
    waits = []
    for sentence in sample("test")[:6]:
        started = time.monotonic()
        process.stdin.write(sentence)
        process.stdin.flush()
        for _ in range(sentence.count(b"\n")):
            process.stdout.readline()
        waits.append(time.monotonic() - started)
    process.stdin.close()
    assert process.wait(120) == 0
    assert (
        min(waits[1:]) < 0.2
    )  # the first one waits for TensorFlow to start, others for the machine


@pytest.mark.parametrize("command", ["inference", "etagger"])
def test_a_reader_that_goes_away_ends_it_quietly(served, command):
    process = piped(served.command(command), stderr=subprocess.PIPE)
    process.stdin.write(sample("test")[0])
    process.stdin.flush()
    process.stdout.readline()
    process.stdout.close()
    process.stdin.write(b"".join(sample("test")[:200]))
    process.stdin.close()
    assert process.wait(120) == 0
    assert process.stderr.read() == b""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("command", ["inference", "etagger"])
def test_a_signal_leaves_no_file(served, tmp_path, command, number):
    """Ctrl-C exits with 130; the other signals end the process themselves."""
    process = piped(
        served.command(command), "--output", str(tmp_path / "out.txt"), stderr=subprocess.PIPE
    )
    process.stdin.write(sample("test")[0])
    process.stdin.flush()
    wait_until(lambda: os.listdir(tmp_path))
    process.send_signal(number)
    assert process.wait(120) == (130 if number == signal.SIGINT else -number)
    said = process.stderr.read().decode()
    assert said == (f"{command}: interrupted\n" if number == signal.SIGINT else "")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("command", ["inference", "etagger"])
def test_a_full_disk_leaves_no_file(served, tmp_path, command):
    def few_bytes():
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    name, *model = served.command(command)
    done = subprocess.run(
        [binary(name), *model, "--output", str(tmp_path / "out.txt")],
        input=b"".join(sample("test")),
        capture_output=True,
        preexec_fn=few_bytes,
        timeout=60,
    )
    assert done.returncode == 2
    assert "out.txt: File too large" in one_line(done.stderr.decode())
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------- memory


def mapped_lines(pid, path):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as stream:
        return [line for line in stream if line.rstrip().endswith(path)]


def rollup(pid, path=None):
    """{name: kB} of smaps_rollup, or of the parts of smaps that map `path`."""
    totals, here = {}, path is None
    with open(f"/proc/{pid}/{'smaps' if path else 'smaps_rollup'}", encoding="utf-8") as stream:
        for line in stream:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                here = path is None or line.rstrip().endswith(path)
            elif here and line.endswith(" kB\n"):
                name, value = line.split()[:2]
                totals[name[:-1]] = totals.get(name[:-1], 0) + int(value)
    return totals


@pytest.fixture(scope="module")
def large(zygote, tmp_path_factory):
    """A model with 400,000 words of 50 dimensions."""
    import numpy as np

    from features.vocabulary import PAD, UNK, EmbVec

    binary("inference")
    folder = tmp_path_factory.mktemp("large")
    flags = write_sample(folder)
    words = [PAD, UNK] + [f"word{i}" for i in range(400_000)]
    columns = (
        list(dict.fromkeys((PAD, UNK, *column)))
        for column in ("abcdefghijklmnopqrstuvwxyz", ["NN"], ["B-NP"])
    )
    tags = sorted(
        {
            line.split()[-1].decode()
            for sentence in sample("train")
            for line in sentence.splitlines()
            if line.strip()
        },
        key=lambda tag: tag != "O",
    )
    vectors = np.random.default_rng(1).normal(size=(len(words), 50)).astype(np.float32)
    EmbVec(words, *columns, tags, 50, vectors).save(folder / "large.pkl")
    fit(
        *flags,
        *SMALL,
        "--emb_path",
        folder / "large.pkl",
        "--summary_dir",
        "",
        "--epoch",
        1,
        "--max_train_steps_per_epoch",
        1,
    )
    return Served(zygote, folder / "checkpoint" / "ner_model", made(folder / "served"))


def running(command):
    """A process that has tagged one sentence and waits for the next."""
    process = piped(command, "-j", "1")
    sentence = sample("test")[0]
    process.stdin.write(sentence)
    process.stdin.flush()
    for _ in range(sentence.count(b"\n")):
        process.stdout.readline()
    return process


def stop(processes):
    for process in processes:
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize("command", ["inference_mm", "etagger"])
def test_weights_are_mapped_shared_and_read_only(large, command):
    mapped = large.command(command)[1]
    processes = [running(large.command(command)) for _ in range(4)]
    try:
        lines = mapped_lines(processes[0].pid, mapped)
        assert lines and all(line.split()[1] == "r--s" for line in lines)
        size = os.path.getsize(mapped) / 1024
        held = [rollup(process.pid, mapped) for process in processes]
        assert (
            sum(process["Pss"] for process in held) <= 1.05 * size
        )  # the file's pages once, whoever has touched them
        assert all(process["Private_Dirty"] == 0 for process in held)
    finally:
        stop(processes)


def test_a_mapped_graph_needs_little_memory_of_its_own(large, served):
    """Above a session with nearly no weights, it needs at most a quarter of the memory of the
    frozen graph.
    """
    processes = [
        running(command)
        for command in (
            served.command("inference"),
            large.command("inference"),
            large.command("inference_mm"),
            served.command("etagger"),
            large.command("etagger"),
        )
    ]
    try:
        empty, frozen, mapped, small_engine, engine = (
            rollup(process.pid)["Anonymous"] for process in processes
        )
        assert frozen - empty > 70_000
        assert mapped - empty <= (frozen - empty) / 4
        assert engine - small_engine < 1_000  # kB
    finally:
        stop(processes)


@pytest.mark.slow
def test_weights_of_more_than_2_gb(zygote, tmp_path):
    """freeze.py refuses them and names another way, which works: converting the checkpoint itself,
    region by region.
    """
    import numpy as np

    from features.vocabulary import PAD, UNK, EmbVec

    flags = write_sample(tmp_path)
    words = [PAD, UNK] + [f"word{i}" for i in range(1_900_000)]
    columns = (
        list(dict.fromkeys((PAD, UNK, *column)))
        for column in ("abcdefghijklmnopqrstuvwxyz", ["NN"], ["B-NP"])
    )
    tags = sorted(
        {
            line.split()[-1].decode()
            for sentence in sample("train")
            for line in sentence.splitlines()
            if line.strip()
        },
        key=lambda tag: tag != "O",
    )
    vectors = np.random.default_rng(1).normal(size=(len(words), 300)).astype(np.float32)
    EmbVec(words, *columns, tags, 300, vectors).save(tmp_path / "large.pkl")
    fit(
        *flags,
        *SMALL,
        "--emb_path",
        tmp_path / "large.pkl",
        "--summary_dir",
        "",
        "--epoch",
        1,
        "--max_train_steps_per_epoch",
        1,
    )
    os.unlink(tmp_path / "large.pkl")
    prefix, out = tmp_path / "checkpoint" / "ner_model", tmp_path / "exported"
    succeed(
        zygote.run(
            os.path.join(INFERENCE, "export.py"),
            "--restore",
            prefix,
            "--export",
            out / "ner_model",
            "--export-pb",
            out,
            timeout=300,
        )
    )
    message = zygote.mistake(os.path.join(INFERENCE, "freeze.py"), "--model_dir", out, timeout=300)
    assert "2 GB" in message and "convert_graphdef_memmapped_format" in message
    mapped = out / "ner_frozen.pb.memmapped"
    succeed(
        run_binary(
            "convert_graphdef_memmapped_format",
            f"--in_graph={out / 'ner_graph.pb'}",
            f"--in_checkpoint={out / 'ner_model'}",
            f"--out_graph={mapped}",
            timeout=300,
        )
    )
    assert os.path.getsize(mapped) > 2**31
    data = b"".join(sample("test")[:50])
    python = succeed(
        zygote.run("inference.py", "--mode", "bucket", "--restore", prefix, stdin=data, timeout=300)
    )
    assert (
        succeed(run_binary("inference_mm", mapped, out / "vocab.txt", stdin=data)).out == python.out
    )


# ---------------------------------------------------------------- the C library, from Python


def test_library_tags_as_the_command_does_from_eight_threads(served):
    etagger = python_package()
    sentences = [
        [line.split() for line in sentence.decode().splitlines() if line.strip()]
        for sentence in sample("test")[:60]
    ]
    expected = [
        [line.split()[-1].decode() for line in block.split(b"\n") if line.strip()]
        for block in succeed(
            run_binary(
                "inference_mm", served.mapped, served.vocab, stdin=b"".join(sample("test")[:60])
            )
        ).out.split(b"\n\n")
    ][:60]
    failures = []
    with etagger.load(served.folder) as model:

        def work():
            for rows, tags in zip(sentences, expected, strict=True):
                words, pos, chunks, _ = zip(*rows)
                if model.tag(words, pos, chunks) != tags:
                    failures.append(words)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert model.tag_sentences(*zip(*(list(zip(*rows))[:3] for rows in sentences))) == expected
        assert model.tag([]) == []
        assert model.tag(["-DOCSTART-"]) == ["O"]
        assert len(model.tag(["caf\udce9", "\udcff"])) == 2
        with pytest.raises(ValueError, match="1 column values for 2 words"):
            model.tag(["a", "b"], ["NN"])
        for ask in (lambda: model.confident(["Rome"]), lambda: model.nbest(["Rome"], 2)):
            with pytest.raises(ValueError, match="probabilities come from an .etagger file"):
                ask()


FORK = """
import copy, gc, os, pickle, sys
import etagger
model = etagger.load(sys.argv[1])
words = ["Peter", "sleeps"]
expected = model.tag(words)
assert pickle.loads(pickle.dumps(model)).tag(words) == copy.copy(model).tag(words) == expected
child = os.fork()
if child:
    os.waitpid(child, 0)
    assert model.tag(words) == expected
else:
    for ask in (lambda: model.tag(words), lambda: copy.copy(model)):
        try:
            ask()
        except etagger.Error as error:
            print(error)
    model = None
    gc.collect()
"""


def test_a_fork_cannot_use_tensorflow_and_says_so(served):
    """It does not wait for ever for the threads of its parent, and it ends as it should."""
    python_package()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK, served.folder],
        env={**os.environ, "PYTHONPATH": os.path.join(INFERENCE, "python")},
        capture_output=True,
        text=True,
        timeout=100,
    )
    said = "TensorFlow was loaded before this process was forked, and does not go on in it"
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(said) == done.stdout.count("\n") == 2


def test_library_says_what_is_wrong(served, tmp_path):
    etagger = python_package()
    with pytest.raises(
        etagger.Error, match="neither ner_frozen.pb.memmapped nor ner_frozen.pb is in it"
    ):
        etagger.load(tmp_path)
    (tmp_path / "ner_frozen.pb").write_bytes(b"x")
    with pytest.raises(etagger.Error, match="not a graph, or truncated"):
        etagger.load(tmp_path)


def test_the_header_is_c(served, tmp_path):
    """A C program, compiled as C, opens a model, tags and closes it."""
    (tmp_path / "main.c").write_text("""
#include <stdio.h>
#include "etagger.h"
int main(int argc, char **argv) {
  etagger_model *model = etagger_open(argv[1]);
  const char *words[] = {"Peter", "sleeps"}, *tags[2];
  if (argc < 2 || !model || etagger_tag(model, words, NULL, NULL, 2, tags)) {
    puts(etagger_error());
    return 1;
  }
  printf("%s %s\\n", tags[0], tags[1]);
  etagger_close(model);
  return 0;
}
""")
    binary("libetagger.so")
    subprocess.run(
        [
            "cc",
            "-std=c99",
            "-Wall",
            "-Werror",
            "-pedantic",
            str(tmp_path / "main.c"),
            "-o",
            str(tmp_path / "main"),
            "-I" + os.path.join(INFERENCE, "cc", "include"),
            "-L" + BUILD,
            "-letagger",
            "-Wl,-rpath," + BUILD,
        ],
        check=True,
    )
    done = subprocess.run(
        [tmp_path / "main", served.folder], capture_output=True, text=True, check=True
    )
    with python_package().load(served.folder) as model:
        assert done.stdout.split() == model.tag(["Peter", "sleeps"])
    assert done.stderr == ""


# -------------------------------------------------------------- sample and iris, and the sanitizers


def test_sample_and_iris_are_the_same_in_cc(zygote, tmp_path):
    binary("inference_sample")
    folder = tmp_path / "exported"
    succeed(zygote.run(os.path.join(INFERENCE, "train_sample.py"), "--export", folder))
    succeed(zygote.run(os.path.join(INFERENCE, "train_iris.py"), "--export", folder))
    succeed(
        zygote.run(
            os.path.join(INFERENCE, "freeze.py"),
            "--model_dir",
            folder,
            "--output_node_names",
            "logits",
            "--frozen_model_name",
            "iris_frozen.pb",
        )
    )
    for name in ("sample", "iris"):
        graph = folder / f"{name}_frozen.pb"
        python = succeed(
            zygote.run(os.path.join(INFERENCE, "python", f"inference_{name}.py"), "--graph", graph)
        ).out
        assert python == succeed(run_binary(f"inference_{name}", "--graph", graph)).out
    assert [line.split()[0] for line in python.decode().splitlines()] == [
        "setosa",
        "versicolor",
        "virginica",
    ]


@pytest.mark.slow
def test_sanitizers_find_nothing(served, tmp_path):
    """All our files, except those that include TensorFlow, are built with AddressSanitizer and
    UndefinedBehaviorSanitizer.
    """
    cmake = shutil.which("cmake") or os.path.join(ROOT, ".venv", "bin", "cmake")
    build = str(tmp_path / "build")
    subprocess.run(
        [
            cmake,
            "-S",
            os.path.join(INFERENCE, "cc"),
            "-B",
            build,
            "-DETAGGER_SANITIZE=address,undefined",
            f"-DPython3_EXECUTABLE={sys.executable}",
        ],
        check=True,
        capture_output=True,
    )
    subprocess.run([cmake, "--build", build, "-j2"], check=True, capture_output=True)
    quiet = {"ASAN_OPTIONS": "detect_leaks=0"}
    runs = [
        (command, "--batch_size", size)
        for command in ("inference", "inference_mm", "etagger")
        for size in (1, 32)
    ]
    runs += [("etagger", "--instructions", name) for name in ("portable", "avx2", "avx512")]
    for command, *flags in runs:
        plain = run_binary(*served.command(command), *flags, stdin=NASTY)
        if plain.code == 2 and "not on this machine" in plain.err:
            continue
        checked = succeed(
            run_binary(
                *served.command(command), *flags, stdin=NASTY, build=build, environment=quiet
            )
        )
        assert checked.out == succeed(plain).out
        assert "Sanitizer" not in checked.err and "runtime error" not in checked.err
    rng = random.Random(5)
    for _ in range(20):
        junk = bytes(rng.choices(b"ab \t\r\n\xff\xc3\xa9\xe2", k=400))
        for command in ("inference", "etagger"):
            done = run_binary(
                *served.command(command),
                "--columns",
                "word",
                stdin=junk,
                build=build,
                environment=quiet,
            )
            assert (
                done.code in (0, 2)
                and "Sanitizer" not in done.err
                and "runtime error" not in done.err
            )
    words = [bytes(rng.choices(range(256), k=5)).replace(b"\n", b"") for _ in range(2000)]
    for what in (
        ["lower"],
        ["shape"],
        ["tokenize"],
        ["bert_tokens", "cased"],
        ["bert_tokens", "uncased"],
    ):
        succeed(run_binary("probe", *what, stdin=b"\n".join(words), build=build, environment=quiet))
    words = [word for word in words if len(tokenize(word.decode(errors="surrogateescape"))) == 1]
    tagged = b"".join(
        word + b"\n" + rng.choice((b"S-X", b"I-\xff", b"O", b"x")) + b"\n" for word in words
    )
    for kind in ("line", "columns"):
        succeed(
            run_binary(
                "probe", "entities", kind, "bio", stdin=tagged, build=build, environment=quiet
            )
        )
