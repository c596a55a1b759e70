"""Files in other encodings and files that are not text, in every reader."""

import dataclasses
import json
import random
import sys
import types

import pytest

import export
from cli import UserError
from config import Config, load_config
from conll import read_sentences
from features import gazetteer, pretrained
from features.vocabulary import EmbVec, read_tokens
from files.text import BOM, HeadCheck, encoding_of, kind_of
from support.commands import TINY
from support.serving import binary_mistake, run_binary, succeed
from tagging import output
from tagging.command import run

HTML = b"\n<!DOCTYPE html>\n<html><head><title>404</title></head><body>404</body></html>\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 347116733\n"
NPY = b"\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (3, 5), }\n"

ENCODINGS = {
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16LE",
    "utf-16-be": "UTF-16BE",
    "utf-32": "UTF-32",
    "utf-32-le": "UTF-32LE",
    "utf-32-be": "UTF-32BE",
}
COLUMNS = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nZürich NNP B-NP B-LOC\n"
VOCABULARY = (
    EmbVec(["#PAD#", "#UNK#", "é"], ["a"], ["NN"], ["B-NP"], ["O"], 3).vocab_text().decode()
)
BERT = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\n"
READERS = {  # name: (a function of a path, a text that it takes)
    "vocabulary": (EmbVec.from_vocab_text, VOCABULARY),
    "columns": (read_sentences, COLUMNS),
    "gazetteer": (gazetteer.Gazetteer.read, "LOC New York\nPER Zoë\n"),
    "tags": (lambda path: read_tokens(path, "--tags_path"), "O\nB-ORG\n"),
    "characters": (lambda path: read_tokens(path, "--chars_path"), "a\né\nb\n"),
    "yaml": (load_config, "epoch: 3\nseed: 2\n"),
    "json": (load_config, '{"epoch": 3, "seed": 2}'),
    "elmo_vocab": (pretrained.read_elmo_vocab, "<S>\n</S>\nthe\n"),
    "bert_vocab": (lambda path: pretrained.read_bert_vocab(path, {"vocab_size": 5}), BERT),
    "bert_config": (
        pretrained.read_bert_config,
        json.dumps(dict.fromkeys(pretrained._BERT_SIZES, 8)),
    ),
}


def path_of(folder, reader):
    return str(folder / f"file.{'json' if reader == 'json' else 'txt'}")


def refusal(reader, path):
    """The one line of a reader's message, without the path at its beginning."""
    with pytest.raises(UserError) as caught:
        READERS[reader][0](path)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(f"{path}: ")
    return message[len(path) + 2 :]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_other_encodings_are_named(tmp_path, reader, encoding):
    path, name = path_of(tmp_path, reader), ENCODINGS[encoding]
    with open(path, "w", encoding=encoding, newline="") as out:
        out.write(READERS[reader][1])
    assert refusal(reader, path) == (
        f"not UTF-8, but {name}; convert it with `iconv -f {name} -t UTF-8`"
    )


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"columns"}))
def test_a_byte_order_mark_changes_nothing(tmp_path, reader):
    path, (read, text) = path_of(tmp_path, reader), READERS[reader]
    found = []
    for encoding in ("utf-8", "utf-8-sig"):
        with open(path, "w", encoding=encoding, newline="") as out:
            out.write(text)
        value = read(path)
        found.append(getattr(value, "__dict__", value))
    assert found[0] == found[1] and found[0]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "data, kind", [(HTML, "an HTML page"), (LFS, "a Git LFS pointer"), (NPY, "a NumPy")]
)
def test_files_that_are_no_text_are_named(tmp_path, reader, data, kind):
    path = path_of(tmp_path, reader)
    with open(path, "wb") as out:
        out.write(data)
    assert f", but {kind}" in refusal(reader, path)


@pytest.mark.parametrize("reader", ["gazetteer", "tags", "characters", "elmo_vocab", "bert_vocab"])
def test_a_line_of_a_list_is_bounded(tmp_path, reader):
    path = path_of(tmp_path, reader)
    with open(path, "wb") as out:
        out.write(b"O\n" if reader == "tags" else b"<S>\n")
        out.truncate(1 << 33)  # 8 GB, of which the disk holds nothing
        out.seek(4)
        out.write(b"a" * (2 << 20))
    with pytest.raises(UserError, match="file.txt:[12]: "):
        READERS[reader][0](path)


@pytest.mark.parametrize(
    "text", [COLUMNS, "a\n", "\ufeffa b\n", "ab\0\n", "\0" * 40, "a\0b\0\0c\0" * 9]
)
def test_utf_8_is_no_other_encoding(text):
    assert encoding_of(text.encode()) is None
    assert kind_of(text.encode()) is None


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_scorers_name_it(tmp_path, bare_zygote, encoding):
    data = "EU B-ORG B-ORG\nrejects O O\n".encode(encoding)
    for command in ("chunk_eval.py", "token_eval.py"):
        message = bare_zygote.mistake(command, stdin=data)
        assert f"<stdin>: not UTF-8, but {ENCODINGS[encoding]}; convert it with `iconv" in message


@pytest.mark.parametrize("mode", ["bulk", "line"])
def test_tagging_names_it(tmp_path, monkeypatch, mode):
    """The file is refused before the first sentence reaches the tagger, which is missing here."""
    monkeypatch.setitem(sys.modules, "spacy", None)
    path = tmp_path / "in"
    path.write_bytes(COLUMNS.encode("utf-16"))
    tagger = types.SimpleNamespace(
        meta={"columns": None, "delimiter": "", "tokenizer": "words"}, config=Config()
    )
    args = types.SimpleNamespace(
        mode=mode, input=str(path), output="", columns="", delimiter="", spacy_model="", split=False
    )
    with pytest.raises(UserError) as caught:
        run(tagger, args, output.OutputFormat(None, None))
    assert str(caught.value) == (
        f"{path}: not UTF-8, but UTF-16; convert it with `iconv -f UTF-16 -t UTF-8`"
    )


def test_the_first_bytes_may_come_one_by_one():
    """The encoding is detected once its mark, or enough of its zero bytes, have come."""
    for encoding, name in ENCODINGS.items():
        data = COLUMNS.encode(encoding)
        head = HeadCheck("<stdin>")
        with pytest.raises(UserError, match=f"not UTF-8, but {name}"[:19]):
            for at in range(len(data)):
                head.feed(data[at : at + 1])
    head = HeadCheck("<stdin>")
    for at in range(40):
        head.feed(COLUMNS.encode()[at : at + 1])


def test_training_on_a_pointer_is_refused(tmp_path, bare_zygote):
    """A pointer of Git LFS has three lines that look like two columns, a word and a tag."""
    (tmp_path / "train.txt").write_bytes(LFS)
    message = bare_zygote.mistake(
        "train.py", "--train_path", "train.txt", "--dev_path", "train.txt", *TINY, folder=tmp_path
    )
    assert "train.txt: not UTF-8 text, but a Git LFS pointer" in message


# ---------------------------------------------------------------- language models


@pytest.mark.parametrize("data, kind", [(HTML, "an HTML page"), (LFS, "a Git LFS pointer")])
def test_pages_in_place_of_weights(tmp_path, data, kind):
    for name in ("weights.hdf5", "model.safetensors", "pytorch_model.bin", "ckpt.index"):
        (tmp_path / name).write_bytes(data)
    (tmp_path / "ckpt.data-00000-of-00001").write_bytes(b"x")
    options = {"lstm": {"dim": 1, "projection_dim": 1, "n_layers": 1}}
    config = dict.fromkeys((*pretrained._BERT_SIZES,), 8)
    for read in (
        lambda: pretrained.elmo_weights(options, str(tmp_path / "weights.hdf5")),
        lambda: pretrained.open_bert(config, str(tmp_path / "model.safetensors")),
        lambda: pretrained.open_bert(config, str(tmp_path / "ckpt")),
        lambda: pretrained.find_bert(str(tmp_path / "pytorch_model.bin")),
        lambda: EmbVec.load(str(tmp_path / "pytorch_model.bin")),
    ):
        with pytest.raises(UserError, match=f", but {kind}") as caught:
            read()
        assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- C++


def test_the_same_in_cpp():
    """Texts in each encoding are cut anywhere, and so are random bytes with zeros among them."""
    rng, heads = random.Random(0), [b""]
    for encoding in (*ENCODINGS, "utf-8", "utf-8-sig"):
        for text in (COLUMNS, VOCABULARY, "東京 B-LOC\n", "東京、大阪。" * 9):
            data = text.encode(encoding)
            heads += [data, *(data[: rng.randrange(len(data))] for _ in range(20))]
    heads += [bytes(rng.choices([0, 0, 65, 10, 255], k=rng.randrange(40))) for _ in range(500)]
    given = "".join(head.hex() + "\n" for head in heads)
    done = run_binary("probe", "encoding", stdin=given.encode())
    assert done.code == 0, done.err
    for head, line in zip(heads, done.out.decode().split("\n")[:-1], strict=True):
        name = encoding_of(head)
        expected = (
            f"FILE: not UTF-8, but {name}; convert it with `iconv -f {name} -t UTF-8`"
            if name
            else ""
        )
        assert line == expected, head


def test_vocabularies_in_cpp(tmp_path):
    """A byte order mark changes nothing; other encodings are named."""
    emb = EmbVec.from_sentences(read_columns(tmp_path), 3, True)
    meta = {"gazetteer": None, "tags": emb.tags, "tag_scheme": "bio", "data_scheme": "bio"}
    settings = export.model_config(
        dataclasses.replace(Config(), use_elmo=False, use_bert=False),
        {**meta, "columns": ["word", "pos", "chunk", "tag"], "delimiter": "", "tokenizer": "words"},
        emb,
    )
    (tmp_path / "settings.json").write_text(settings, encoding="utf-8")
    given = ["probe", "inputs", tmp_path / "settings.json", tmp_path / "vocab.txt", 2]
    (tmp_path / "vocab.txt").write_bytes(emb.vocab_text())
    plain = succeed(run_binary(*given, stdin=COLUMNS.encode()))
    (tmp_path / "vocab.txt").write_bytes(BOM + emb.vocab_text())
    assert succeed(run_binary(*given, stdin=COLUMNS.encode())).out == plain.out != b""
    for encoding, name in ENCODINGS.items():
        (tmp_path / "vocab.txt").write_bytes(emb.vocab_text().decode().encode(encoding))
        assert f"vocab.txt: not UTF-8, but {name}; " in binary_mistake(*given)


def read_columns(folder):
    (folder / "columns.txt").write_text(COLUMNS, encoding="utf-8")
    return read_sentences(str(folder / "columns.txt"))[0]
