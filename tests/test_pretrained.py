"""The files of BERT in the formats of Google and HuggingFace, what embvec.py makes of them and of
ELMo's files, and bad files.
"""

import json
import os
import re
import shutil

import numpy as np
import pytest

from cli import UserError
from features import pretrained
from features.vocabulary import BERT, PAD, UNK, EmbVec, load_header
from layers.bert import ACTIVATIONS, bert_layers
from support.commands import ROOT
from support.language_models import (
    PIECES,
    bert_config,
    bert_weights,
    build_embeddings,
    elmo_flags,
    huggingface_name,
    write_elmo,
    write_embeddings,
    write_google,
    write_huggingface,
)
from tf1 import tf

TRAIN = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n1996 CD B-NP O\n\nZürich NNP B-NP B-LOC\n"


@pytest.fixture
def folder(tmp_path):
    """A folder with train.txt; with the same BERT in `google` and `huggingface`; and with an ELMo
    in `elmo`.
    """
    (tmp_path / "train.txt").write_text(TRAIN, encoding="utf-8")
    write_huggingface(tmp_path / "huggingface")
    write_elmo(tmp_path / "elmo")
    return tmp_path


@pytest.fixture(scope="module")
def google(tmp_path_factory):
    """The folder of write_google. A test that changes it copies it first."""
    return write_google(tmp_path_factory.mktemp("published") / "google")


@pytest.fixture
def refused(folder):
    """A function that runs embvec.py with bad flags and returns the one line of the message.
    Nothing is written.
    """

    def run(
        *flags, corpus=("--train_path", folder / "train.txt", "--out_path", folder / "emb.pkl")
    ):
        with pytest.raises(UserError) as caught:
            build_embeddings(*corpus, *flags)
        assert "\n" not in str(caught.value) and not (folder / "emb.pkl").exists()
        return str(caught.value)

    return run


def read_all(path):
    """{name: array} of all weights that the graph takes from a folder, a file or a prefix."""
    weights = pretrained.find_bert(str(path))
    config = pretrained.read_bert_config(pretrained.bert_neighbours(weights, "", "")[0])
    read = pretrained.open_bert(config, weights)
    return {name: read(name) for name in pretrained.bert_shapes(config)}


def assert_same(got, expected):
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        assert got[name].dtype == np.float32 and got[name].flags.c_contiguous
        np.testing.assert_array_equal(got[name], value, err_msg=name)


# ---------------------------------------------------------------- BERT's files


def test_activations_and_shapes_are_those_of_the_graph():
    assert set(pretrained.BERT_ACTIVATIONS) == set(ACTIVATIONS)
    config = {**bert_config(intermediate_size=20, type_vocab_size=3), "layer_norm_eps": 1e-12}
    with tf.Graph().as_default(), tf.variable_scope("bert"):
        bert_layers(*[tf.zeros([1, 2], tf.int32)] * 3, config, 3)
        assert {
            variable.op.name: tuple(variable.shape.as_list()) for variable in tf.global_variables()
        } == pretrained.bert_shapes(config)


def test_a_checkpoint_of_tensorflow(google):
    """It may be named in several ways; the optimizer's slots and the heads are not read."""
    expected = bert_weights(bert_config())
    for path in (
        google,
        f"{google}/",
        f"{google}/bert_model.ckpt",
        f"{google}/bert_model.ckpt.index",
        f"{google}/bert_model.ckpt.data-00000-of-00001",
    ):
        assert_same(read_all(path), expected)


OLD_NAMES = {"weight": "gamma", "bias": "beta"}


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name,
        lambda name: f"bert.{name}",
        lambda name: re.sub(
            "LayerNorm.(weight|bias)",
            lambda match: f"LayerNorm.{OLD_NAMES[match[1]]}",
            f"bert.{name}",
        ),
    ],
    ids=["plain", "bert.", "gamma and beta"],
)
def test_a_folder_of_huggingface(tmp_path, rename):
    more = {
        "bert.embeddings.position_ids": np.arange(48)[None],
        "cls.predictions.bias": np.zeros(3, np.float32),
        "bert.pooler.dense.weight": np.zeros((8, 8), np.float32),
    }
    folder = write_huggingface(tmp_path / "h", rename=rename, more=more)
    for path in (folder, f"{folder}/model.safetensors"):
        assert_same(read_all(path), bert_weights(bert_config()))


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_weights_of_other_precision(tmp_path, dtype):
    expected = {
        name: value.astype(dtype).astype(np.float32)
        for name, value in bert_weights(bert_config()).items()
    }
    assert_same(read_all(write_huggingface(tmp_path / "h", dtype=dtype)), expected)


def test_published_weights_as_huggingface_has_them(shared, tmp_path):
    """The real checkpoint, and the same as a folder of HuggingFace, give the same arrays."""
    for name in ("pretraining_ckpt", "random_cased"):
        config = pretrained.read_bert_config(shared(f"conformance/bert/{name}/bert_config.json"))
        prefix = pretrained.find_bert(shared(f"conformance/bert/{name}"))
        read = pretrained.open_bert(config, prefix)
        weights = {variable: read(variable) for variable in pretrained.bert_shapes(config)}
        reader = tf.train.load_checkpoint(prefix)
        assert_same(weights, {variable: reader.get_tensor(variable) for variable in weights})
        write_huggingface(tmp_path / name, weights, ["[PAD]"], **config)
        assert_same(read_all(tmp_path / name), weights)
        assert pretrained.read_bert_config(str(tmp_path / name / "config.json")) == config


def test_names_of_huggingface():
    """The names are those of transformers' BertModel, for a model of one layer."""
    scopes = [
        "encoder.layer.0.attention.self.query",
        "encoder.layer.0.attention.self.key",
        "encoder.layer.0.attention.self.value",
        "encoder.layer.0.attention.output.dense",
        "encoder.layer.0.attention.output.LayerNorm",
        "encoder.layer.0.intermediate.dense",
        "encoder.layer.0.output.dense",
        "encoder.layer.0.output.LayerNorm",
        "embeddings.LayerNorm",
    ]
    expected = {
        f"embeddings.{name}_embeddings.weight" for name in ("word", "position", "token_type")
    }
    expected |= {f"{scope}.{name}" for scope in scopes for name in ("weight", "bias")}
    assert {
        huggingface_name(name) for name in pretrained.bert_shapes(bert_config(num_hidden_layers=1))
    } == expected


def test_config_of_bert(folder):
    config = pretrained.read_bert_config(f"{folder}/huggingface/config.json")
    assert config == {**bert_config(), "layer_norm_eps": 1e-12}
    short = {
        name: value
        for name, value in bert_config().items()
        if name.endswith("_size") or name.startswith(("num", "max"))
    }
    (folder / "short.json").write_text(
        json.dumps(
            {**short, "directionality": "bidi", "layer_norm_eps": 1e-5, "hidden_act": "gelu_new"}
        )
    )
    assert pretrained.read_bert_config(f"{folder}/short.json") == {
        **short,
        "hidden_act": "gelu_new",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "layer_norm_eps": 1e-5,
    }


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("hidden_act", "gelu_fast", "hidden_act 'gelu_fast', expected one of gelu, gelu_new, relu"),
        ("hidden_act", ["gelu"], "hidden_act ['gelu'], expected one of"),
        ("model_type", "roberta", "model_type 'roberta', expected bert"),
        (
            "position_embedding_type",
            "relative_key",
            "position_embedding_type 'relative_key', expected absolute",
        ),
        ("num_attention_heads", 3, "hidden_size 8, expected a multiple of num_attention_heads 3"),
        ("hidden_size", None, "hidden_size is None, expected a whole number"),
        ("vocab_size", "9", "vocab_size is '9', expected a whole number"),
        ("num_hidden_layers", 0, "num_hidden_layers is 0, expected a whole number from 1 on"),
        ("type_vocab_size", True, "type_vocab_size is True, expected a whole number"),
        ("hidden_size", 8.0, "hidden_size is 8.0, expected a whole number"),
        (
            "hidden_dropout_prob",
            1.0,
            "hidden_dropout_prob is 1.0, expected a number from 0 to below 1",
        ),
        ("attention_probs_dropout_prob", "0", "attention_probs_dropout_prob is '0'"),
        ("hidden_dropout_prob", float("nan"), "hidden_dropout_prob is nan"),
        ("layer_norm_eps", "1e-12", "layer_norm_eps is '1e-12', expected a number above 0"),
        ("layer_norm_eps", 0, "layer_norm_eps is 0, expected"),
        ("initializer_range", None, "initializer_range is None, expected a number above 0"),
        (
            "max_position_embeddings",
            50,
            "bert/embeddings/position_embeddings is (48, 8), the config wants (50, 8); config and "
            "weights do not belong together",
        ),
        (
            "num_hidden_layers",
            4,
            "no bert/encoder/layer_3/attention/self/query/kernel (8, 8) in it; config and weights "
            "do not belong together",
        ),
        (
            "intermediate_size",
            13,
            "bert/encoder/layer_0/intermediate/dense/kernel is (8, 12), the config wants (8, 13)",
        ),
        (
            "vocab_size",
            900,
            f"{len(PIECES)} pieces, and the config's vocab_size is 900; vocabulary and config do "
            f"not belong together",
        ),
    ],
)
def test_configs_that_are_refused(folder, refused, name, value, message):
    path = folder / "huggingface" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
    told = refused("--bert_init_checkpoint", folder / "huggingface")
    assert told.startswith(f"{folder}/huggingface/") and f": {message}" in told


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[1]", b"null"])
def test_configs_that_are_none(folder, refused, text):
    (folder / "huggingface" / "config.json").write_bytes(text)
    assert refused("--bert_init_checkpoint", folder / "huggingface").startswith(
        f"{folder}/huggingface/config.json: "
    )


@pytest.mark.parametrize(
    "pieces, message",
    [
        ([*PIECES[:-1], "a"], f":{len(PIECES)}: 'a' stands twice"),
        (
            [piece for piece in PIECES if piece != "[CLS]"],
            ": no [CLS] in it, expected the vocab.txt of a BERT",
        ),
        (PIECES[:-1], f": {len(PIECES) - 1} pieces, and the config's vocab_size is {len(PIECES)}"),
        ([*PIECES, "ää", "öö"], f": {len(PIECES) + 2} pieces, and the config's"),
        ([], ": no [PAD] in it"),
    ],
)
def test_vocabularies_that_are_refused(folder, refused, pieces, message):
    path = folder / "huggingface" / "vocab.txt"
    path.write_text("\n".join(pieces))
    assert refused("--bert_init_checkpoint", folder / "huggingface").startswith(f"{path}{message}")


def test_a_vocabulary_in_another_encoding(folder, refused):
    path = folder / "huggingface" / "vocab.txt"
    path.write_bytes(b"[PAD]\ncaf\xe9\n")
    assert refused("--bert_init_checkpoint", folder / "huggingface").startswith(
        f"{path}:2: not UTF-8"
    )


def test_vocabularies_as_they_are(tmp_path):
    """Lines end with \\r\\n or \\n, with or without one at the end; odd blanks are wordpieces, and
    so is an empty line.
    """
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2028", "\u00a0", "", "##\u3000", " "]
    for end in ("\n", "\r\n"):
        for last in ("", end):
            (tmp_path / "vocab.txt").write_bytes((end.join(pieces) + last).encode())
            assert (
                pretrained.read_bert_vocab(str(tmp_path / "vocab.txt"), {"vocab_size": 9}) == pieces
            )


def without(name):
    weights = bert_weights(bert_config())
    return {variable: value for variable, value in weights.items() if variable != name}


BIAS = "bert/encoder/layer_2/output/dense/bias"


@pytest.mark.parametrize("write", [write_google, write_huggingface])
@pytest.mark.parametrize(
    "weights, message",
    [
        (without(BIAS), f"no {BIAS} (8,) in it"),
        (
            {**without(BIAS), BIAS: np.zeros(9, np.float32)},
            f"{BIAS} is (9,), the config wants (8,)",
        ),
        (
            {
                **without(BIAS),
                "bert/encoder/layer_0/intermediate/dense/kernel": np.zeros((12, 8), np.float32),
                BIAS: np.zeros(8, np.float32),
            },
            "bert/encoder/layer_0/intermediate/dense/kernel is (12, 8), the config wants (8, 12)",
        ),
        (
            {**without(BIAS), BIAS: np.full(8, np.nan, np.float32)},
            f"{BIAS} has values that are not finite numbers",
        ),
    ],
    ids=["missing", "size", "turned", "nan"],
)
def test_weights_that_are_refused(folder, refused, write, weights, message):
    path = pretrained.find_bert(write(folder / "bad", weights))
    assert refused("--bert_init_checkpoint", folder / "bad").startswith(f"{path}: {message}")


def test_weights_that_are_no_floats(folder, refused):
    path = write_huggingface(folder / "bad", dtype=np.int32)
    told = refused("--bert_init_checkpoint", folder / "bad")
    assert (
        told
        == f"{path}/model.safetensors: bert.embeddings.word_embeddings.weight is I32, expected "
        f"F32, F16 or F64; save the model as float32"
    )


@pytest.mark.parametrize(
    "name", ["model.safetensors", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"]
)
def test_truncated_weights(folder, google, name):
    """A truncated file gives one line with its name, before any of it is used."""
    shutil.copytree(google, folder / "google")
    path = folder / ("huggingface" if name == "model.safetensors" else "google") / name
    whole = path.read_bytes()
    needed = len(whole) - (
        500 if name.endswith("00001") else 1
    )  # the checkpoint ends with 480 bytes of the pre-training
    for length in [*range(0, needed, needed // 30), needed]:
        path.write_bytes(whole[:length])
        with pytest.raises(UserError) as caught:
            read_all(path.parent)
        assert (
            str(caught.value).startswith(f"{path.parent}/")
            and "\n" not in str(caught.value)
            and "get it again" in str(caught.value)
        )


def test_a_truncated_checkpoint_is_told_by_embvec(folder, refused, google):
    shutil.copytree(google, folder / "google")
    path = folder / "google" / "bert_model.ckpt.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:3000])
    assert refused("--bert_init_checkpoint", folder / "google").startswith(
        f"{folder}/google/bert_model.ckpt: bert/e"
    )
    path.unlink()
    assert refused("--bert_init_checkpoint", folder / "google").startswith(str(folder / "google"))


def test_files_that_are_not_there(folder, refused, google):
    """Each message has the name of the file and the flag that would give it."""
    bert = folder / "huggingface"
    assert refused("--bert_init_checkpoint", folder / "none").startswith(
        f"{folder}/none.index: no such file; check --bert_init_checkpoint"
    )
    assert refused("--bert_init_checkpoint", folder / "none.safetensors").startswith(
        f"{folder}/none.safetensors: no such file; check --bert_init"
    )
    assert "neither of bert_model.ckpt and model.safetensors in this folder" in refused(
        "--bert_init_checkpoint", folder / "elmo"
    )
    assert (
        refused("--bert_init_checkpoint", bert, "--bert_vocab_path", "no.txt")
        == "no.txt: no such file; check --bert_vocab_path"
    )
    assert (
        refused("--bert_init_checkpoint", bert, "--bert_config_path", "no.json")
        == "no.json: no such file; check --bert_config_path"
    )
    os.rename(bert / "config.json", folder / "elsewhere.json")
    assert "neither bert_config.json nor config.json beside the weights" in refused(
        "--bert_init_checkpoint", bert
    )
    emb, *_ = build_embeddings(
        "--train_path",
        folder / "train.txt",
        "--out_path",
        folder / "emb.pkl",
        "--bert_init_checkpoint",
        bert,
        "--bert_config_path",
        folder / "elsewhere.json",
    )
    assert emb.bert["config"]["hidden_size"] == 8
    for file in os.listdir(google):
        shutil.copy(f"{google}/{file}", bert)
    assert "both of bert_model.ckpt and model.safetensors in this folder" in refused(
        "--bert_init_checkpoint", bert
    )


# ---------------------------------------------------------------- case


def test_case_by_the_vocabulary(shared):
    with open(shared("conformance/bert/cased_vocab.txt"), encoding="utf-8") as stream:
        pieces = stream.read().split("\n")
    assert not pretrained.lowercases(pieces)
    assert pretrained.lowercases(
        [piece for piece in pieces if piece == piece.lower() or piece.startswith("[")]
    )
    assert pretrained.lowercases(PIECES) and not pretrained.lowercases([*PIECES, "##É"])


def test_case_by_the_flag(folder):
    flags = [
        "--train_path",
        folder / "train.txt",
        "--out_path",
        folder / "emb.pkl",
        "--bert_init_checkpoint",
        folder / "huggingface",
    ]
    for more, expected, said in (
        ((), True, "lowercased, without accents"),
        (("--bert_do_lower_case", "False"), False, "case kept"),
        (("--bert_do_lower_case", "True"), True, "lowercased, without accents"),
    ):
        emb, notes, _ = build_embeddings(*flags, *more)
        assert emb.bert["do_lower_case"] is expected
        assert (
            notes[-1]
            == f"BERT from {folder}/huggingface/model.safetensors: {len(PIECES)} pieces, {said}, "
            f"48 at once"
        )


# ---------------------------------------------------------------- embvec.py


@pytest.mark.parametrize(
    "length, message",
    [
        (
            "49",
            "--bert_max_seq_length 49: expected at least 3, and at most the 48 "
            "max_position_embeddings of FOLDER/huggingface/config.json",
        ),
        ("2", "--bert_max_seq_length 2: expected at least 3"),
        ("0", "--bert_max_seq_length 0: expected at least 3"),
        ("-5", "--bert_max_seq_length -5: expected"),
    ],
)
def test_lengths_that_are_refused(folder, refused, length, message):
    told = refused(
        "--bert_init_checkpoint", folder / "huggingface", "--bert_max_seq_length", length
    )
    assert told.startswith(message.replace("FOLDER", str(folder)))


@pytest.mark.parametrize(
    "flags, message",
    [
        (
            ["--bert_config_path", "x"],
            "--bert_config_path: expected --bert_init_checkpoint beside it",
        ),
        (
            ["--bert_vocab_path", "x"],
            "--bert_vocab_path: expected --bert_init_checkpoint beside it",
        ),
        (
            ["--bert_do_lower_case", "False"],
            "--bert_do_lower_case: expected --bert_init_checkpoint beside it",
        ),
        (
            ["--bert_max_seq_length", "0"],
            "--bert_max_seq_length: expected --bert_init_checkpoint beside it",
        ),
        (
            ["--elmo_options_path", "x"],
            "--elmo_options_path and --elmo_weight_path: expected both or neither",
        ),
        (
            ["--elmo_weight_path", "x"],
            "--elmo_options_path and --elmo_weight_path: expected both or neither",
        ),
        (
            ["--elmo_vocab_path", "x"],
            "--elmo_vocab_path: expected --elmo_options_path and --elmo_weight_path beside it",
        ),
        (["--filter"], "--filter and --member: there are no vectors to choose from"),
        (["--member", "x"], "--filter and --member: there are no vectors"),
        (["--wrd_dim", "0"], "--wrd_dim 0: expected at least 1"),
        (["--emb_path", "x.txt"], "--wrd_dim: expected the numbers of a vector in --emb_path"),
    ],
)
def test_flags_that_do_not_go_together(refused, flags, message):
    assert refused(*flags).startswith(message)


def test_without_vectors_the_file_must_be_named(refused):
    assert refused(corpus=()).startswith(
        "--emb_path: expected word vectors, or --out_path to say where to write without them"
    )


def test_without_vectors(folder):
    """The vocabulary has the corpus's words, lowercased, and their vectors start at random."""
    emb, notes, _ = build_embeddings(
        "--train_path", folder / "train.txt", "--out_path", folder / "emb.pkl"
    )
    assert emb.vocab["wrd"] == [PAD, UNK, "eu", "rejects", "1996", "zürich"] and emb.tags == [
        "O",
        "B-ORG",
        "B-LOC",
    ]
    assert (emb.vectors, emb.wrd_dim, emb.lowercase, emb.elmo, emb.bert) == (
        None,
        50,
        True,
        None,
        None,
    )
    assert notes == ["no --emb_path: 4 words of the corpus, whose vectors of 50 start at random"]
    assert set(emb.sources) == {str(folder / "train.txt")}
    (folder / "total.txt").write_text("Ab\n")
    emb, _, _ = build_embeddings(
        "--train_path",
        folder / "train.txt",
        "--out_path",
        folder / "emb.pkl",
        "--lowercase",
        "False",
        "--wrd_dim",
        7,
        "--total_path",
        folder / "total.txt",
    )
    assert (
        emb.vocab["wrd"] == [PAD, UNK, "EU", "rejects", "1996", "Zürich", "Ab"] and emb.wrd_dim == 7
    )


def test_elmos_vocabulary_is_told(folder):
    (folder / "elmo_vocab.txt").write_text("<S>\n</S>\nEU\nrejects\nelse\n")
    emb, notes, _ = build_embeddings(
        "--train_path",
        folder / "train.txt",
        "--out_path",
        folder / "emb.pkl",
        *elmo_flags(folder / "elmo"),
        "--elmo_vocab_path",
        folder / "elmo_vocab.txt",
    )
    assert notes[-1] == (
        f"ELMo from {folder}/elmo/weights.hdf5; its vocabulary has 2 of the corpus's 4 words, the "
        f"others are read by their "
        "characters all the same"
    )
    assert (
        emb.elmo["options"]["lstm"]["dim"] == 6
        and emb.elmo["weights"] == f"{folder}/elmo/weights.hdf5"
    )


def test_elmos_files_are_checked(folder, refused):
    path = folder / "elmo" / "weights.hdf5"
    path.write_bytes(path.read_bytes()[:2000])
    assert refused(*elmo_flags(folder / "elmo")).startswith(
        f"{path}: not an HDF5 file of weights, or truncated"
    )


@pytest.fixture
def both(folder):
    """An EmbVec with ELMo and BERT, and its file."""
    flags = [
        "--train_path",
        folder / "train.txt",
        *elmo_flags(folder / "elmo"),
        "--bert_init_checkpoint",
        folder / "huggingface",
        "--bert_max_seq_length",
        20,
    ]
    path = write_embeddings(folder / "emb.pkl", *flags)
    return EmbVec.load(path), path


def test_saved_and_loaded(both, folder):
    emb, path = both
    assert emb.vocab[BERT] == PIECES and emb.ids[BERT]["##a"] == PIECES.index("##a")
    assert {name: emb.bert[name] for name in ("do_lower_case", "max_seq_length", "weights")} == {
        "do_lower_case": True,
        "max_seq_length": 20,
        "weights": f"{folder}/huggingface/model.safetensors",
    }
    assert emb.bert["config"] == {**bert_config(), "layer_norm_eps": 1e-12}
    assert emb.elmo["options"] == pretrained.read_elmo_options(f"{folder}/elmo/options.json")
    header = load_header(path)
    assert header == emb.header() and (header["elmo"], header["bert"]) == (emb.elmo, emb.bert)
    emb.save(str(folder / "again.pkl"))
    assert (folder / "again.pkl").read_bytes() == (folder / "emb.pkl").read_bytes()
    other = EmbVec(*(emb.vocab[name] for name in ("wrd", "chr", "pos", "chk", "tag")), 50)
    assert other.vocab_hash != emb.vocab_hash and BERT not in other.vocab


def test_files_without_language_models_are_as_before(folder):
    """EmbVec files of earlier versions have neither of them, and no sixth section."""
    path = write_embeddings(folder / "emb.pkl", "--train_path", folder / "train.txt")
    assert set(load_header(path)) == {
        "magic",
        "format",
        "wrd_dim",
        "words",
        "lowercase",
        "filtered",
        "sources",
        "vocab_hash",
        "vectors",
    }
    emb = EmbVec.load(path)
    assert (emb.elmo, emb.bert) == (None, None) and list(emb.vocab) == [
        "wrd",
        "chr",
        "pos",
        "chk",
        "tag",
    ]


def test_vocabulary_text_has_a_sixth_section(both, folder):
    emb, _ = both
    text = emb.vocab_text().decode()
    assert text.endswith(
        "".join(
            [f"# bert_vocab {len(PIECES)}\n", *(f"{piece} {i}\n" for i, piece in enumerate(PIECES))]
        )
    )
    (folder / "vocab.txt").write_text(text, encoding="utf-8")
    again = EmbVec.from_vocab_text(str(folder / "vocab.txt"))
    assert again.vocab == emb.vocab and again.vocab_hash == emb.vocab_hash


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda text: text.replace("##b 42", "##b 43"), "expected `token 42`"),
        (lambda text: text[:-20], "the file ends in section bert"),
        (lambda text: text + "# more_vocab 0\n", "more than the sections of a vocabulary"),
        (
            lambda text: text.replace("# bert_vocab 8", "# bert_vocab x"),
            "expected `# bert_vocab N`",
        ),
    ],
)
def test_vocabulary_texts_that_are_refused(both, folder, change, message):
    text = both[0].vocab_text().decode()
    assert "##b 42\n" in text and change(text) != text
    (folder / "vocab.txt").write_text(change(text), encoding="utf-8")
    with pytest.raises(UserError, match="vocab.txt:[0-9]+: " + re.escape(message)):
        EmbVec.from_vocab_text(str(folder / "vocab.txt"))


# ---------------------------------------------------------------- the command


def test_the_command(folder, google, zygote):
    flags = [
        "--out_path",
        "emb.pkl",
        "--train_path",
        "train.txt",
        *elmo_flags("elmo"),
        "--bert_init_checkpoint",
        google,
        "--bert_max_seq_length",
        30,
    ]
    done = zygote.run("embvec.py", *flags, folder=folder, path=[ROOT])
    assert done.code == 0, done.err
    emb = EmbVec.load(str(folder / "emb.pkl"))
    assert done.out == emb.vocab_text() and emb.bert["max_seq_length"] == 30
    assert [line.split(":")[1].split()[0] for line in done.err.splitlines()] == [
        "no",
        "ELMo",
        "BERT",
        "wrote",
    ]


@pytest.mark.parametrize(
    "flags, message",
    [
        (
            ["--bert_max_seq_length", "49"],
            "--bert_max_seq_length 49: expected at least 3, and at most the 48 "
            "max_position_embeddings of huggingface/config.json\n",
        ),
        (["--bert_vocab_path", "elmo/options.json"], "elmo/options.json: no [PAD] in it"),
    ],
)
def test_a_mistake_is_told_in_one_line(folder, bare_zygote, flags, message):
    """A model.safetensors needs no TensorFlow."""
    told = bare_zygote.mistake(
        "embvec.py",
        "--out_path",
        "emb.pkl",
        "--train_path",
        "train.txt",
        "--bert_init_checkpoint",
        "huggingface",
        *flags,
        folder=folder,
        path=[ROOT],
    )
    assert told.startswith(f"embvec.py: {message}") and not (folder / "emb.pkl").exists()
