"""The C++ engine computes what Python computes: the same tags, and the emission scores of
TensorFlow and of a plain reference.
"""

import dataclasses
import io
import itertools
import json
import os
import shutil

import numpy as np
import pytest

import conll
import engine_file
import export
import inference
import schemes
from cli import UserError
from config import MODEL_FIELDS, Config
from features.vocabulary import PAD, UNK, EmbVec
from support.commands import ROOT, SMALL, fit, left_behind, made, sample, weights, write_sample
from support.corpora import DEV_CORPORA as CORPORA
from support.rows import LONG, NASTY_FILES, assert_rows_kept
from support.rows import NASTY_LOWERCASE as NASTY
from support.serving import (
    INFERENCE,
    binary,
    binary_mistake,
    random_weights,
    run_binary,
    succeed,
    ties,
    untrained,
)
from tagging import streams

INSTRUCTIONS = ("avx512vbmi", "avx512", "avx2", "neon", "portable")
SMALL_DATA = b"".join(sample("test")[:60]) + NASTY
SHORTER_DATA = SMALL_DATA.replace(LONG, b"")
SENTENCES = (
    b"".join(sample("test")[60:85])
    + b"Rome NNP B-NP O\n\n"
    + b"".join(b"%d. CD I-NP O\n" % i for i in range(200))
    + b"\n"
)

# Models: the scheme of the data, and flags. Together they have all that the engine covers; each
# kind of tags is learned and is given once.
MODELS = {
    "default": ("bio", "--rnn_layers 2"),
    "iobes, 3 layers of 33, conv2d": (
        "bio",
        "--tag_scheme iobes --rnn_layers 3 --rnn_size 33 --chr_conv_type conv2d "
        "--chr_filter_widths 2 3 5 --use_shape True",
    ),
    "normal cell of 200": (
        "iobes",
        "--rnn_type normal --rnn_size 200 --rnn_layers 2 --num_filters 53",
    ),
    "softmax of 5": ("bmes", "--use_crf False --rnn_size 5 --rnn_layers 2 --highway_layers 1"),
    "softmax, constrained": (
        "bmes",
        "--use_crf False --constrained True --rnn_size 16 --tag_scheme bilou --use_shape True",
    ),
    "crf, constrained": (
        "bilou",
        "--constrained True --tag_scheme bio --rnn_layers 2 --rnn_size 17 --highway_layers 3",
    ),
    "no characters, no highway, capitals": (
        "ioe2",
        "--use_chr False --use_highway False --lowercase False --tag_scheme ioe1",
    ),
    "no words": (
        "iob1",
        "--use_word False --chr_conv_type conv2d --chr_filter_widths 3 1 --word_length 4 "
        "--tag_scheme bmes --use_pos False",
    ),
    "words alone": (
        "ioe1",
        "--columns word,_,_,tag --use_chr False --tag_scheme iob1 --rnn_layers 3",
    ),
    "gazetteer": (
        "bio",
        "--gazetteer GAZETTEER --use_shape True --tag_scheme ioe2 --use_chk False",
    ),
    "filter wider than words": ("bio", "--chr_filter_widths 6 --word_length 4 --num_filters 17"),
    "frozen vectors": ("bio", "--emb_path VECTORS --wrd_dim 21 --rnn_size 64 --train_wrd False"),
    "tags without prefixes": ("raw", "--columns word,tag,_,_ --constrained True"),
    "81 tags": ("bio", "--columns word,_,_,tag --train_path MANY --dev_path MANY --rnn_layers 2"),
    "81 tags, constrained": (
        "bio",
        "--columns word,_,_,tag --train_path MANY --dev_path MANY --constrained True --tag_scheme "
        "bilou",
    ),
    "81 tags, softmax": (
        "bio",
        "--columns word,_,_,tag --train_path MANY --dev_path MANY --use_crf False",
    ),
}


class Pair:
    """A checkpoint, and the engine's file that is made of it."""

    def __init__(self, prefix, folder, constrained=False):
        self.prefix, self.file, self.tagger = (
            prefix,
            str(folder / "model.etagger"),
            inference.Tagger.load(prefix, constrained=constrained),
        )
        export.write_engine_file(prefix, self.file, constrained)

    def python(self, data, batch_size=64):
        """The output of inference.py for columns (bytes)."""
        self.tagger.config = dataclasses.replace(self.tagger.config, batch_size=batch_size)
        out, reader = io.BytesIO(), conll.BlockReader()
        work = streams.ColumnTagger(self.tagger, "<stdin>", None, out)
        work.process(reader.feed(data))
        work.process(reader.close())
        return out.getvalue()

    def engine(self, data, *flags):
        return succeed(run_binary("etagger", self.file, *flags, stdin=data)).out

    def examples(self, data):
        """The sentences of columns (bytes) as features/feed.py encodes them."""
        parser = conll.SentenceParser("<stdin>", None, self.tagger.meta["columns"])
        return [
            self.tagger.feeder.encode(parser.parse(block))
            for block in conll.read_blocks(io.BytesIO(data))
            if block.rows
        ]

    def tensorflow_scores(self, data):
        """The emission scores of TensorFlow, float32 (tokens, tags) for each sentence."""
        examples = self.examples(data)
        session, _, _ = export.build(self.prefix)
        with session:
            logits = session.run(
                "logits:0",
                {f"{name}:0": value for name, value in self.tagger.feeder.batch(examples).items()},
            )
        return [scores[: len(example)] for scores, example in zip(logits, examples)]

    def reference_scores(self, data):
        """The emission scores in float64, with recurrent kernels rounded as in the engine's
        file.
        """
        config, rounded = self.tagger.config, weights(self.prefix)
        for name, array in rounded.items():
            if name.startswith("encoder/") and name.endswith("/kernel"):
                array[-config.rnn_size :] = to_16_digits(array[-config.rnn_size :])
        return [
            emission_scores(
                config,
                rounded,
                {
                    name: array[0]
                    for name, array in self.tagger.feeder.batch([example]).items()
                    if name != "sentence_length"
                },
            )
            for example in self.examples(data)
        ]


def to_16_digits(array):
    """float32 rounded to 16 binary digits, ties to even."""
    fraction, exponent = np.frexp(array.astype(float))
    return np.ldexp(np.rint(fraction * 2**16), exponent - 16).astype(np.float32)


def write_models_data(folder, scheme):
    """The sample with its tags in a scheme as train.txt, and with 80 tags as many.txt; names.txt
    and vectors.pkl. Returns flags of train.py.
    """
    flags = write_sample(folder, train=150, dev=5)
    blocks = [
        [row.split() for row in block.splitlines()]
        for block in (folder / "train.txt").read_text().split("\n\n")
        if block.strip()
    ]
    blocks.append(
        [
            [word, "NNP", "B-NP", tag]
            for word, tag in zip(
                ["New", "York", "Paris", "Rome"], ["B-LOC", "I-LOC", "B-LOC", "B-LOC"]
            )
        ]
    )

    def write(name, retag):
        """retag: the tags of a sentence, and its number -> other tags."""
        tagged = (
            [[*row[:3], tag] for row, tag in zip(rows, retag([row[3] for row in rows], i))]
            for i, rows in enumerate(blocks)
        )
        (folder / name).write_text(
            "".join("".join(" ".join(row) + "\n" for row in rows) + "\n" for rows in tagged)
        )

    write(
        "train.txt",
        lambda tags, _: tags if scheme == "raw" else schemes.convert(tags, "bio", scheme),
    )
    write(
        "many.txt",
        lambda tags, i: [f"{'BI'[k % 2]}-T{(i + k // 2) % 40}" for k in range(len(tags))],
    )
    (folder / "dev.txt").write_bytes((folder / "train.txt").read_bytes())
    (folder / "names.txt").write_text(
        "PER Peter\nLOC New York\nLOC New\nORG New York Times\nPER Last\nMISC New\n"
    )
    words = list(
        dict.fromkeys(
            [
                PAD,
                UNK,
                "EU",
                "peter",
                "Peter",
                "0000",
                *(row[0] for rows in blocks[::2] for row in rows),
            ]
        )
    )
    columns = (
        list(dict.fromkeys([PAD, UNK, *column]))
        for column in ("abcdefghijklmnopqrstuvwxyzP.", ["NN", "NNP"], ["B-NP"])
    )
    tags = list(dict.fromkeys(["O", *(row[-1] for rows in blocks for row in rows)]))
    vectors = np.random.default_rng(1).normal(size=(len(words), 21)).astype(np.float32)
    EmbVec(words, *columns, tags, 21, vectors).save(folder / "vectors.pkl")
    return flags


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A function that takes a name in MODELS and returns its Pair, with random weights under which
    many tags occur and rounding errors stay small.
    """
    binary("etagger")
    pairs = {}

    def make(name):
        if name not in pairs:
            scheme, flags = MODELS[name]
            folder = tmp_path_factory.mktemp("model")
            flags = [*write_models_data(folder, scheme), *SMALL, *flags.split()]
            files = {"GAZETTEER": "names.txt", "VECTORS": "vectors.pkl", "MANY": "many.txt"}
            flags = [str(folder / files[flag]) if flag in files else flag for flag in flags]
            pairs[name] = Pair(
                untrained(folder / "checkpoint" / "ner_model", *flags, scale=2.0), folder
            )
            assert pairs[name].tagger.meta["data_scheme"] == scheme
        return pairs[name]

    return make


def known_instructions(file):
    """The instruction sets of this machine."""
    known = [
        name
        for name in INSTRUCTIONS
        if run_binary("etagger", file, "--instructions", name).code == 0
    ]
    assert "portable" in known
    return known


def predicted(out):
    return {line.split()[-1].decode() for line in out.split(b"\n") if line.strip()}


def assert_same(prefix, one, other):
    """Checks that outputs are the same bytes, except for sentences whose two best tag sequences
    score the same.
    """
    if one != other:
        print(f"ties: {ties(prefix, one, other)}")


# ---------------------------------------------------------------- the same tags


@pytest.mark.parametrize("name", MODELS)
def test_same_tags(pair, name):
    pair = pair(name)
    expected = pair.python(SMALL_DATA)
    for flags in (
        (),
        ("--batch_size", 1),
        *(("--instructions", instructions) for instructions in known_instructions(pair.file)),
    ):
        assert_same(pair.prefix, expected, pair.engine(SMALL_DATA, *flags))
    assert_same(
        pair.prefix,
        pair.python(SHORTER_DATA, batch_size=1),
        pair.engine(SHORTER_DATA, "--batch_size", 1),
    )
    meta = pair.tagger.meta
    possible = len(schemes.scheme_tags(meta["tags"], meta["tag_scheme"], meta["data_scheme"]))
    assert len(predicted(expected)) > 0.3 * possible


@pytest.mark.parametrize("corpus, columns", [*CORPORA, ("conll2000/train.txt", "word pos tag")])
def test_same_tags_of_whole_corpora(shared, tmp_path, corpus, columns):
    """Models with random weights and every tag of the corpus. conll2000 has no development set, so
    its last 1,000 sentences are used.
    """
    binary("etagger")
    with open(shared("data/" + corpus), "rb") as stream:
        data = stream.read()
    if corpus.startswith("conll2000"):
        data = b"\n\n".join(data.rstrip().split(b"\n\n")[-1000:]) + b"\n\n"
    path = tmp_path / "data.txt"
    path.write_bytes(data)
    pair = Pair(
        untrained(
            tmp_path / "checkpoint" / "ner_model",
            "--train_path",
            path,
            "--dev_path",
            path,
            "--columns",
            columns,
            *SMALL,
        ),
        tmp_path,
    )
    expected = pair.python(data)
    for flags in ((), ("--batch_size", 1)):
        assert_same(pair.prefix, expected, pair.engine(data, *flags))
    assert len(predicted(expected)) > 0.9 * len(pair.tagger.meta["tags"])


@pytest.mark.parametrize("name", NASTY_FILES)
def test_rows_out_are_rows_in(pair, name):
    pair = pair("default")
    out = pair.engine(NASTY_FILES[name])
    assert_rows_kept(NASTY_FILES[name], out)
    assert_same(pair.prefix, pair.python(NASTY_FILES[name]), out)


def test_constrained_at_export(pair, tmp_path):
    """--constrained decodes well-formed sequences with a model that was trained without it."""
    free = pair("default")
    held = Pair(free.prefix, tmp_path, constrained=True)
    data = b"".join(sample("test"))
    expected = held.python(data)
    assert_same(held.prefix, expected, held.engine(data))
    sentences = [
        [row.split()[-1].decode() for row in block.rows]
        for block in conll.read_blocks(io.BytesIO(expected))
        if block.rows
    ]
    assert all(schemes.first_error(tags, "bio") is None for tags in sentences)
    assert expected != free.engine(data)


def test_a_moving_average_is_what_inference_restores(tmp_path):
    """The best model has the averages; the last state has the weights and the state of the
    optimizer.
    """
    binary("etagger")
    fit(*write_sample(tmp_path), *SMALL, "--ema_decay", 0.9, "--epoch", 1, "--use_highway", False)
    scores = []
    for name in ("ner_model", "last_state"):
        (tmp_path / name).mkdir()
        pair = Pair(str(tmp_path / "checkpoint" / name), tmp_path / name)
        scores.append(engine_scores(pair.file, SENTENCES))
        assert largest_difference(scores[-1], pair.tensorflow_scores(SENTENCES)) < 1e-4
    assert largest_difference(*scores) > 1e-2


# ---------------------------------------------------------------- emission scores


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-np.clip(x, -700.0, 700.0)))


def lstm(x, kernel, bias):
    """x: (tokens, dim). Returns (tokens, size)."""
    size = kernel.shape[1] // 4
    c, h, outputs = np.zeros(size), np.zeros(size), []
    for step in x @ kernel[:-size] + bias:
        i, g, f, o = np.split(step + h @ kernel[-size:], 4)
        c = sigmoid(f + 1.0) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs)


def character_cnn(config, weights, ids):
    """ids: (tokens, word_length). Returns (tokens, filters)."""
    x = weights["embeddings/chr"][ids] * (ids > 0)[..., np.newaxis]
    parts = []
    for width in config.chr_filter_widths:
        masked = config.chr_conv_type == "conv1d"
        scope = "char_cnn/conv1d" if masked else f"char_cnn/conv2d_{width}"
        kernel = weights[f"{scope}/kernel"].reshape(width, config.chr_dim, config.num_filters)
        left = (width - 1) // 2 if masked else 0
        padded = np.pad(x, ((0, 0), (left, width - 1 - left if masked else 0), (0, 0)))
        positions = padded.shape[1] - width + 1
        scores = (
            np.stack(
                [np.tensordot(padded[:, t : t + width], kernel, 2) for t in range(positions)],
                axis=1,
            )
            + weights[f"{scope}/bias"]
        )
        parts.append(
            np.where((ids > 0)[..., np.newaxis], scores, -np.inf).max(1)
            if masked
            else np.maximum(scores, 0.0).max(1)
        )
    return np.concatenate(parts, axis=1)


def emission_scores(config, weights, inputs):
    """The network in float64, step by step. inputs: {input name: array (tokens, ...)} of one
    sentence. Returns (tokens, tags).
    """
    weights = {name: array.astype(float) for name, array in weights.items()}
    parts = []
    if config.use_word:
        parts.append(weights["embeddings/word"][inputs["input_data_word_ids"]])
    if config.use_chr:
        parts.append(character_cnn(config, weights, inputs["input_data_wordchr_ids"]))
    for name in ("pos", "chk", "shape"):
        if getattr(config, f"use_{name}"):
            parts.append(weights[f"embeddings/{name}"][inputs[f"input_data_{name}_ids"]])
    if config.gazetteer:
        parts.append(inputs["input_data_gazetteer"])
    x = np.concatenate(parts, axis=1)
    for layer in range(config.highway_layers if config.use_highway else 0):
        transform, gate = (
            x @ weights[f"highway/layer_{layer}/{part}/kernel"]
            + weights[f"highway/layer_{layer}/{part}/bias"]
            for part in ("transform", "gate")
        )
        x = sigmoid(gate) * np.maximum(transform, 0.0) + (1.0 - sigmoid(gate)) * x
    for layer in range(config.rnn_layers):
        forward, backward = (
            [weights[f"encoder/bilstm_{layer}/{direction}/{part}"] for part in ("kernel", "bias")]
            for direction in ("forward", "backward")
        )
        y = np.concatenate([lstm(x, *forward), lstm(x[::-1], *backward)[::-1]], axis=1)
        x = x + y if layer else y
    return x @ weights["projection/kernel"] + weights["projection/bias"]


def engine_scores(file, data, *args):
    """The emission scores of the engine, float32 (tokens, tags) for each sentence. args:
    instructions, batch size.
    """
    out = succeed(run_binary("probe", "emissions", file, *args, stdin=data)).out.decode()
    return [
        np.array([row.split() for row in block.split("\n")], np.float32)
        for block in out.split("\n\n")[:-1]
    ]


def largest_difference(ours, theirs):
    assert [array.shape for array in ours] == [array.shape for array in theirs]
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs))


@pytest.mark.parametrize("name", MODELS)
def test_emission_scores(pair, name):
    """The engine's scores agree with TensorFlow's and with a plain network in float64, whatever the
    other sentences in a batch.
    """
    pair = pair(name)
    tensorflow, reference = pair.tensorflow_scores(SENTENCES), pair.reference_scores(SENTENCES)
    largest = max(np.abs(logits).max() for logits in reference)
    portable = engine_scores(pair.file, SENTENCES, "portable")
    for instructions in known_instructions(pair.file):
        ours = engine_scores(pair.file, SENTENCES, instructions)
        differences = largest_difference(ours, tensorflow), largest_difference(ours, reference)
        print(
            f"{name}: {instructions} differs by {differences[0]:.1e} from TensorFlow, by "
            f"{differences[1]:.1e} from float64, "
            f"TensorFlow from float64 by {largest_difference(tensorflow, reference):.1e}; scores "
            f"up to {largest:.1f}"
        )
        assert differences[0] < 1e-4 and differences[1] < 2e-5
        assert largest_difference(ours, portable) < 1e-5 * largest
        assert largest_difference(ours, engine_scores(pair.file, SENTENCES, instructions, 1)) == 0.0


def test_rounding_of_recurrent_kernels():
    values = np.random.default_rng(1).normal(0, 1, 10_000).astype(np.float32) ** 3
    values = np.concatenate(
        [values, np.float32([0, -0.0, 1, -1, 1 + 2**-16, 1 + 3 * 2**-16, 2 - 2**-17, 1e-38, -3e38])]
    )
    assert np.array_equal(engine_file.rounded(values), to_16_digits(values))
    packed = engine_file.upper_bytes(engine_file.rounded(values))
    three = np.concatenate(
        [np.zeros((len(values), 1), np.uint8), packed[:-16].reshape(-1, 3)], axis=1
    )
    assert np.array_equal(three.reshape(-1).view(np.float32), engine_file.rounded(values))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, corpus",
    [
        (name, "conll2003/dev.txt")
        for name in ("default", "1layer", "glove-bilstm-crf", "ema", "trained")
    ]
    + [
        ("conll2000", "conll2000/train.txt"),
        ("mit-movie", "mit_movie_trivia/dev.conll"),
        ("wnut17", "wnut17/dev.conll"),
        ("resume", "resume_ner/dev.char.bmes"),
    ],
)
def test_trained_models(shared, tmp_path, name, corpus):
    """Tags and emission scores of the models that benchmarks/f1.py trained."""
    prefix = os.path.join(ROOT, "runs", "bench", "f1", name, "ner_model")
    if not os.path.exists(prefix + ".index"):
        pytest.skip(f"runs/bench/f1/{name} is not there: python benchmarks/f1.py {name}")
    with open(shared("data/" + corpus), "rb") as stream:
        data = stream.read()
    pair = Pair(prefix, tmp_path)
    sentences = data.rstrip().split(b"\n\n")
    some = b"\n\n".join(sentences[:: max(1, len(sentences) // 300)]) + b"\n\n"
    for batch_size in (64, 1):
        assert_same(
            prefix, pair.python(data, batch_size), pair.engine(data, "--batch_size", batch_size)
        )
    tensorflow = pair.tensorflow_scores(some)
    for instructions in known_instructions(pair.file):
        difference = largest_difference(engine_scores(pair.file, some, instructions), tensorflow)
        print(
            f"{name}: {instructions} differs by {difference:.1e} from TensorFlow; scores up to "
            f"{max(np.abs(logits).max() for logits in tensorflow):.1f}"
        )
        assert difference < 1e-4


# ----------------------------------------------------- the kernels, on models that are made by hand


def write_model(path, config, weights, tags, words, scheme=schemes.RAW):
    """An .etagger file from weights. Its words are w0, w1, ..."""
    emb = EmbVec(
        [PAD, UNK, *(f"w{i}" for i in range(words))],
        [PAD, UNK],
        [PAD, UNK],
        [PAD, UNK],
        tags,
        config.wrd_dim,
    )
    meta = {
        "tags": tags,
        "tag_scheme": scheme,
        "data_scheme": scheme,
        "columns": ["word"],
        "delimiter": "",
        "tokenizer": "words",
        "gazetteer": None,
    }
    legal = schemes.legal_transitions(tags, scheme) if config.constrained else None
    engine_file.write(
        path,
        json.loads(export.model_config(config, meta, emb)),
        engine_file.sections_of(config, weights, emb, legal, None),
    )
    return path


def words_alone(**rest):
    """A Config without characters and columns."""
    return Config(use_chr=False, use_pos=False, use_chk=False, **rest)


def shapes(config, words, tags):
    """{variable name: shape} of a model of words alone."""
    dim, size = config.wrd_dim, config.rnn_size
    found = {
        "embeddings/word": (words + 2, dim),
        "projection/kernel": (2 * size, tags),
        "projection/bias": (tags,),
        "crf/transitions": (tags, tags),
    }
    for layer in range(config.highway_layers if config.use_highway else 0):
        for part in ("transform", "gate"):
            found.update(
                {
                    f"highway/layer_{layer}/{part}/kernel": (dim, dim),
                    f"highway/layer_{layer}/{part}/bias": (dim,),
                }
            )
    for layer in range(config.rnn_layers):
        for direction in ("forward", "backward"):
            scope = f"encoder/bilstm_{layer}/{direction}"
            found.update(
                {
                    f"{scope}/kernel": ((2 * size if layer else dim) + size, 4 * size),
                    f"{scope}/bias": (4 * size,),
                }
            )
    return found


@pytest.mark.parametrize(
    "size, dim, layers, highway, tags",
    [
        (1, 1, 1, 0, 1),
        (2, 3, 2, 1, 2),
        (5, 17, 3, 2, 5),
        (15, 16, 2, 1, 16),
        (16, 64, 3, 1, 17),
        (17, 65, 2, 3, 63),
        (31, 5, 2, 0, 64),
        (48, 130, 2, 1, 65),
        (65, 50, 2, 2, 9),
        (100, 63, 2, 1, 130),
        (112, 7, 1, 0, 9),
        (113, 20, 2, 1, 9),
        (175, 33, 1, 0, 3),
        (200, 128, 2, 2, 33),
    ],
    ids=str,
)
def test_every_size(tmp_path, size, dim, layers, highway, tags):
    """Sizes that are multiples of nothing and sizes that fill whole blocks of the kernels; batches
    of many sentences of any length.
    """
    binary("probe")
    rng = np.random.default_rng(size)
    config = words_alone(
        wrd_dim=dim,
        rnn_size=size,
        rnn_layers=layers,
        use_highway=highway > 0,
        highway_layers=max(highway, 1),
    )
    random = random_weights(shapes(config, 40, tags), 2.0, seed=size)
    file = write_model(
        str(tmp_path / "model.etagger"), config, random, [f"T{i}" for i in range(tags)], 40
    )
    sentences = [rng.integers(0, 40, rng.integers(1, 14)) for _ in range(150 if size < 64 else 30)]
    data = b"".join(b"".join(b"w%d\n" % i for i in sentence) + b"\n" for sentence in sentences)
    reference = [
        emission_scores(config, random, {"input_data_word_ids": sentence + 2})
        for sentence in sentences
    ]
    for instructions in known_instructions(file):
        ours = engine_scores(file, data, instructions, 150)
        assert largest_difference(ours, reference) < 3e-5
        for batch_size in (1, 3, 64):
            assert (
                largest_difference(ours, engine_scores(file, data, instructions, batch_size)) == 0.0
            )


def test_sigmoid_and_hyperbolic_tangent(tmp_path):
    """Through an LSTM of two units whose kernels pick the gates: sigmoid(x) tanh(1), and
    tanh(tanh(x)), for x from -3e38 to 3e38.
    """
    binary("probe")
    limits = [0.0, 1e-45, 1e-38, 1e-8, 87.0, 87.5, 88.0, 88.5, 89.0, 103.0, 104.0, 1e4, 1e30, 3e38]
    x = np.unique(
        np.concatenate(
            [
                np.linspace(-20, 20, 4001),
                np.linspace(-120, 120, 999),
                limits,
                [-limit for limit in limits],
            ]
        ).astype(np.float32)
    )
    config = words_alone(wrd_dim=1, rnn_size=2, rnn_layers=1, use_highway=False)
    weights = {
        name: np.zeros(shape, np.float32) for name, shape in shapes(config, len(x), 2).items()
    }
    weights["embeddings/word"][2:, 0] = x
    i, g, f, o = range(0, 8, 2)  # where a gate's first unit is
    weights["encoder/bilstm_0/forward/kernel"][0, [o, g + 1]] = 1.0
    weights["encoder/bilstm_0/forward/bias"][[i, g, i + 1, o + 1]] = 100.0
    weights["projection/kernel"][[0, 1], [0, 1]] = 1.0
    file = write_model(str(tmp_path / "model.etagger"), config, weights, ["T0", "T1"], len(x))
    data = b"".join(b"w%d\n\n" % k for k in range(len(x)))
    wide = x.astype(float)
    for instructions in known_instructions(file):
        ours = np.concatenate(engine_scores(file, data, instructions))
        for unit, expected in enumerate((sigmoid(wide) * np.tanh(1.0), np.tanh(np.tanh(wide)))):
            assert np.abs(ours[:, unit] - expected).max() < 3e-7


def best_path(scores, transitions, begin, end):
    """Viterbi in float64; of several best paths, the one whose later tags have lower ids."""
    score, pointers = scores[0] + begin, []
    for row in scores[1:]:
        paths = score[:, np.newaxis] + transitions
        pointers.append(paths.argmax(0))
        score = paths.max(0) + row
    path = [int((score + end).argmax())]
    for pointer in reversed(pointers):
        path.append(int(pointer[path[-1]]))
    return path[::-1]


def best_of_all_paths(scores, transitions, begin, end):
    """The same by enumeration of all sequences."""
    tokens, tags = scores.shape

    def score(path):
        return (
            sum(scores[t, tag] for t, tag in enumerate(path))
            + sum(transitions[a, b] for a, b in zip(path, path[1:]))
            + begin[path[0]]
            + end[path[-1]]
        )

    return list(
        min(
            itertools.product(range(tags), repeat=tokens),
            key=lambda path: (-score(path), path[::-1]),
        )
    )


@pytest.mark.parametrize("tags", [1, 2, 3, 4, 16, 17, 33, 64, 65, 130])
@pytest.mark.parametrize("decoder", ["crf", "constrained crf", "constrained softmax", "softmax"])
def test_decoding(tmp_path, decoder, tags):
    """The scores are small integers, so that sums are exact and ties are frequent."""
    binary("probe")
    rng = np.random.default_rng(tags)
    config = words_alone(
        wrd_dim=1,
        rnn_size=1,
        rnn_layers=1,
        use_highway=False,
        use_crf="crf" in decoder,
        constrained="constrained" in decoder,
    )
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes(config, 1, tags).items()}
    weights["crf/transitions"] = rng.integers(-2, 3, (tags, tags)).astype(np.float32)
    names = ["O", *(f"{prefix}-{kind}" for kind in range(tags) for prefix in "SBIE")][:tags]
    file = write_model(str(tmp_path / "model.etagger"), config, weights, names, 1, "iobes")
    transitions = (
        weights["crf/transitions"].astype(float) if config.use_crf else np.zeros((tags, tags))
    )
    begin, between, end = (
        [np.where(allowed, 0.0, -1e6) for allowed in schemes.legal_transitions(names, "iobes")]
        if config.constrained
        else (np.zeros(tags), np.zeros((tags, tags)), np.zeros(tags))
    )
    sentences = [
        rng.integers(-2, 3, (rng.integers(1, 6 if tags <= 4 else 40), tags)) for _ in range(60)
    ]
    decode = best_of_all_paths if tags <= 4 else best_path
    expected = [decode(scores, transitions + between, begin, end) for scores in sentences]
    text = "".join(
        "".join(" ".join(map(str, row)) + "\n" for row in scores) + "\n" for scores in sentences
    ).encode()
    for instructions in known_instructions(file):
        out = succeed(run_binary("probe", "decode", file, instructions, stdin=text)).out.decode()
        assert [list(map(int, line.split())) for line in out.splitlines()] == expected


def test_a_long_sentence_is_decoded_exactly(tmp_path):
    """Scores do not grow with the sentence: 20,000 tokens differ in the seventh digit."""
    binary("probe")
    rng = np.random.default_rng(1)
    config = words_alone(wrd_dim=1, rnn_size=1, rnn_layers=1, use_highway=False)
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes(config, 1, 5).items()}
    file = write_model(
        str(tmp_path / "model.etagger"), config, weights, [f"T{i}" for i in range(5)], 1
    )
    scores = (10.0 + 1e-5 * rng.integers(0, 100, (20_000, 5))).astype(np.float32)
    text = "".join(" ".join(f"{score:.9g}" for score in row) + "\n" for row in scores) + "\n"
    for instructions in known_instructions(file):
        out = succeed(run_binary("probe", "decode", file, instructions, stdin=text.encode())).out
        assert list(map(int, out.split())) == scores.argmax(1).tolist()


# ---------------------------------------------------------------- instruction sets


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_instruction_sets(pair, name):
    """This machine's own sets are listed; a set that it lacks and an unknown name are refused."""
    file = pair("default").file
    if name not in known_instructions(file):
        assert (
            f"--instructions {name}: unknown, or not on this machine, which has "
            in binary_mistake("etagger", file, "--instructions", name)
        )
        pytest.skip(f"this machine has no {name}")
    assert (
        name
        in binary_mistake("etagger", file, "--instructions", "sse9").partition(
            "this machine, which has "
        )[2]
    )


@pytest.mark.parametrize(
    "args, what",
    [
        ((), "MODEL is missing"),
        (("FILE", "more"), "unknown argument more"),
        (("nowhere.etagger",), "nowhere.etagger: no such file"),
        (("FOLDER",), "not a plain file"),
        (("TEXT",), "not an .etagger file"),
        (("FILE", "--batch_size", "0"), "--batch_size 0: expected at least 1"),
        (("FILE", "--columns", "pos"), "no word column"),
        (("FILE", "--input", "nowhere.txt"), "nowhere.txt: no such file"),
        (("FILE", "--output", "/nowhere/x"), "/nowhere/x: cannot be written"),
        (("FILE", "--instructions"), "--instructions: a value is missing"),
    ],
    ids=str,
)
def test_a_mistake_is_one_line(pair, tmp_path, args, what):
    (tmp_path / "text").write_bytes(NASTY)
    names = {"FILE": pair("default").file, "FOLDER": tmp_path, "TEXT": tmp_path / "text"}
    assert what in binary_mistake("etagger", *(names.get(arg, arg) for arg in args))


# ---------------------------------------------------------------- what is refused


@pytest.fixture
def refused(pair, zygote, tmp_path):
    """A function: runs export.py --engine with a mistake; nothing is written. Returns the
    message.
    """

    def run(restore, path, **rest):
        before = sorted(os.listdir(tmp_path))
        message = zygote.mistake(
            os.path.join(INFERENCE, "export.py"), "--restore", restore, "--engine", path, **rest
        )
        assert sorted(os.listdir(tmp_path)) == before and left_behind(tmp_path) == []
        return message

    return run


def gazetteer_model(folder, types):
    folder.mkdir()
    (folder / "names.txt").write_text(
        "".join(f"T{i} w{i}\nT{i} W{i} Rome\n" for i in range(types)) + "T0 w31\n"
    )
    return untrained(
        folder / "ner_model", *write_sample(folder), *SMALL, "--gazetteer", folder / "names.txt"
    )


def test_more_types_than_bits(refused, tmp_path):
    data = (
        b"".join(b"w%d NN B-NP O\nW%d NN B-NP O\nRome NN B-NP O\n" % (i, i) for i in range(33))
        + b"\n"
    )
    most = Pair(gazetteer_model(tmp_path / "most", 32), tmp_path)
    assert largest_difference(engine_scores(most.file, data), most.tensorflow_scores(data)) < 1e-4
    message = refused(gazetteer_model(tmp_path / "more", 33), tmp_path / "out.etagger")
    assert (
        "--engine: a gazetteer of 33 types, more than 32: the C++ engine does not cover it; serve "
        "this model with TensorFlow: "
        "export.py without --engine, then freeze.py" in message
    )


def test_what_it_does_not_know_is_refused(pair, tmp_path, monkeypatch):
    """A future feature or encoder is refused by its hyper-parameter (unless that is off), by its
    value, and by its variables.
    """
    assert set(engine_file.COVERED) <= set(MODEL_FIELDS)
    settings = {
        "config": {**Config().to_dict(), "elmo": "", "use_bert": False, "heads": 0},
        "gazetteer": None,
    }
    settings["config"] = {
        name: value
        for name, value in settings["config"].items()
        if name in (*MODEL_FIELDS, "elmo", "use_bert", "heads")
    }
    engine_file.check_covered(settings)
    for name, value in (
        ("elmo", "weights.hdf5"),
        ("use_bert", True),
        ("heads", 4),
        ("encoder", "bigru"),
        ("rnn_type", "gru"),
        ("chr_conv_type", ""),
    ):
        with pytest.raises(
            UserError, match=f"--engine: {name} {value}: the C\\+\\+ engine does not cover it"
        ):
            engine_file.check_covered({**settings, "config": {**settings["config"], name: value}})
    monkeypatch.delitem(engine_file.COVERED, "use_shape")
    with pytest.raises(UserError, match="--engine: use_shape True: the C"):
        export.write_engine_file(pair("gazetteer").prefix, str(tmp_path / "out.etagger"), False)
    assert os.listdir(tmp_path) == []


def test_a_variable_that_it_does_not_read_is_refused(tmp_path, monkeypatch):
    from model import Model
    from tf1 import tf

    project = Model._project
    monkeypatch.setattr(
        Model,
        "_project",
        lambda self, x: project(
            self, x * tf.get_variable("attention/scale", [], initializer=tf.ones_initializer())
        ),
    )
    prefix = untrained(tmp_path / "ner_model", *write_sample(tmp_path), *SMALL)
    with pytest.raises(UserError, match="--engine: variable attention/scale: the C"):
        export.write_engine_file(prefix, str(tmp_path / "out.etagger"), False)
    assert not (tmp_path / "out.etagger").exists() and left_behind(tmp_path) == []


def test_where_it_can_not_be_written(refused, pair, tmp_path):
    prefix = pair("default").prefix
    assert "out.etagger: is a directory, a file was expected; check --engine" in refused(
        prefix, made(tmp_path / "out.etagger")
    )
    assert "there is no folder" in refused(prefix, tmp_path / "nowhere" / "out.etagger")
    assert "out2.etagger: File too large" in refused(
        prefix, tmp_path / "out2.etagger", largest_file=10_000
    )


def test_a_damaged_checkpoint_is_told(refused, pair, tmp_path):
    assert "nowhere.index: no such file; check --restore" in refused(
        "nowhere", tmp_path / "out.etagger"
    )
    folder = made(tmp_path / "damaged")
    for ending in (".index", ".json", ".vocab.pkl", ".data-00000-of-00001"):
        shutil.copy(pair("default").prefix + ending, folder / ("ner_model" + ending))
    data = bytearray((folder / "ner_model.data-00000-of-00001").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "ner_model.data-00000-of-00001").write_bytes(data)
    assert "the weights cannot be read" in refused(folder, tmp_path / "out.etagger")
