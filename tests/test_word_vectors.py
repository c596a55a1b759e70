"""Files of word vectors: word2vec's binaries, wrong headers, and files that are not word vectors.
The binaries are written here by struct, in the formats of word2vec.c and gensim.
"""

import bz2
import gzip
import io
import itertools
import lzma
import os
import random
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from cli import UserError
from features import word_vectors
from features.word_vectors import VectorReader, check_vectors
from support.commands import one_line

RESERVED = ("#PAD#", "#UNK#")
TRAIN = b"the DT B-NP O\nBerlin NNP B-NP B-LOC\n"


def read(path, dim, member=""):
    """(words, vectors as lists, notes) of a file. Checks the file first, as embvec.py does."""
    check_vectors(str(path), member, dim)
    reader = VectorReader(str(path), member, dim, False, reserved=RESERVED)
    words, vectors = reader.read()
    return words[len(RESERVED) :], vectors.tolist(), list(reader.notes())


def told(path, dim):
    """The one line of the message for a refused file, without its path."""
    with pytest.raises(UserError) as caught:
        read(path, dim)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path))
    return message[len(str(path)) :]


def binary(pairs, promised=None, newline=b"\n"):
    """A word2vec .bin file of (word as bytes, numbers). newline: empty in gensim's files."""
    header = b"%d %d\n" % (len(pairs) if promised is None else promised, len(pairs[0][1]))
    return header + b"".join(
        word + b" " + struct.pack(f"<{len(numbers)}f", *numbers) + newline
        for word, numbers in pairs
    )


def some_pairs(rng, count, dim):
    numbers = np.array([[rng.gauss(0, 1) for _ in range(dim)] for _ in range(count)], np.float32)
    return [(f"wörd{i}".encode(), row.tolist()) for i, row in enumerate(numbers)]


def all_but(pairs, *left_out):
    return (
        [word.decode() for i, (word, _) in enumerate(pairs) if i not in left_out],
        [numbers for i, (_, numbers) in enumerate(pairs) if i not in left_out],
    )


# ---------------------------------------------------------------- word2vec's .bin

PACK = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zip": lambda data: zipped({"vectors.bin": data}),
}


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize("name", ["v.bin", "v.txt", "v.gz", "v"])
@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("newline", [b"\n", b""])
def test_a_file_is_known_by_its_content(tmp_path, name, packing, newline):
    """Binary and text files are told apart under any name, compressed or not."""
    pairs = some_pairs(random.Random(1), 30, 7)
    text = b"".join(
        b"%b %b\n" % (word, " ".join(map(repr, numbers)).encode()) for word, numbers in pairs
    )
    for data in (binary(pairs, newline=newline), text, b"30 7\n" + text):
        (tmp_path / name).write_bytes(PACK[packing](data))
        words, vectors, notes = read(tmp_path / name, 7)
        assert (words, vectors) == all_but(pairs) and notes == []


def test_the_file_of_the_report(shared):
    """Three words of five numbers, whose bytes spell them."""
    path = shared("cases/w2v.bin")
    words, vectors, notes = read(path, 5)
    assert words == ["the", "Berlin", "Paris"] and notes == []
    np.testing.assert_allclose(
        vectors[0], [0.374220, -0.031003, 0.971016, -0.530719, 0.450930], atol=1e-6
    )


def test_binaries_of_any_shape_in_chunks_of_any_size():
    """Words with spaces, words that are not UTF-8 and numbers that are not finite do not shift
    anything.
    """
    rng = random.Random(0)
    for trial in range(150):
        dim, newline = rng.choice([6, 10, 50]), rng.choice([b"\n", b""])
        pairs, odd = some_pairs(rng, rng.randint(1, 40), dim), {}
        for i in rng.sample(range(len(pairs)), len(pairs) // 5):
            word, numbers = pairs[i]
            odd[i] = rng.choice(["New York", "a b c d", b"\xff\xfe", b"\xe9t\xe9", "nan", "inf"])
            if odd[i] in ("nan", "inf"):
                numbers = [*numbers[1:], float(odd[i])]
            else:
                word = odd[i].encode() if isinstance(odd[i], str) else odd[i]
            pairs[i] = word, numbers
        data = binary(pairs, newline=newline)
        body, cut = data[data.index(b"\n") + 1 :], rng.choice([1, 13, 1000, 1 << 20])
        chunks = (body[at : at + cut] for at in range(0, len(body), cut))
        words, vectors = [], []
        for some, numbers in word_vectors._Records("x", dim, len(pairs), chunks):
            words += some
            vectors += numbers.tolist()
        assert words == [word for word, _ in pairs], (trial, odd)
        np.testing.assert_array_equal(vectors, [numbers for _, numbers in pairs])


@pytest.mark.parametrize("newline", [b"\n", b""])
def test_odd_vectors_are_skipped_and_counted(tmp_path, newline):
    pairs = some_pairs(random.Random(3), 600, 8)
    for i, word in ((3, b"New York"), (300, b"San Jose"), (7, b"\xe9"), (8, b""), (20, b"wrd")):
        pairs[i] = word, pairs[i][1]
    pairs[11] = pairs[11][0], [float("nan"), *pairs[11][1][1:]]
    pairs[599] = pairs[599][0], [float("inf"), *pairs[599][1][1:]]
    (tmp_path / "v.bin").write_bytes(binary(pairs, newline=newline))
    words, vectors, notes = read(tmp_path / "v.bin", 8)
    assert (words, vectors) == all_but(pairs, 3, 300, 7, 8, 11, 599)
    assert len(notes) == 4
    for note, (start, place) in zip(
        sorted(notes),
        [
            ("skipped 1 empty words", 9),
            ("skipped 1 words that are not UTF-8", 8),
            ("skipped 2 vectors with a number that is not finite", 12),
            ("skipped 2 words with a space inside", 4),
        ],
    ):
        assert note.startswith(start) and note.endswith(f"vector {place} of {tmp_path}/v.bin")


@pytest.mark.parametrize("newline", [b"\n", b""])
def test_a_binary_that_ends_too_early(tmp_path, newline):
    """If it ends between two vectors, it is read with a note; if it ends within one, it is
    refused.
    """
    pairs = some_pairs(random.Random(4), 4, 20)
    whole = binary(pairs, newline=newline)
    ends = [len(binary(pairs[:k], 4, newline)) for k in range(1, 5)]
    for length in range(whole.index(b"\n") + 90, len(whole) + 1):
        (tmp_path / "v.bin").write_bytes(whole[:length])
        left = [k for k, end in enumerate(ends, 1) if length in (end, end - len(newline))]
        if left:
            words, vectors, notes = read(tmp_path / "v.bin", 20)
            assert (words, vectors) == all_but(pairs[: left[0]])
            assert len(notes) == (left[0] < 4)
            assert left[0] == 4 or f"says 4 vectors, there are {left[0]}" in notes[0]
        else:
            k = sum(end <= length for end in ends) + 1
            assert told(tmp_path / "v.bin", 20).startswith(
                f": vector {k} of 4: the file ends in the middle of it"
            )


def test_bytes_missing_in_the_middle(tmp_path):
    """They shift everything that follows, so no wrong vector may be read."""
    pairs = some_pairs(random.Random(5), 50, 40)
    for newline in (b"\n", b""):
        whole = binary(pairs, newline=newline)
        for at, gap in itertools.product((880, 901), (1, 2, 3, 4, 7, 30, 81)):
            (tmp_path / "v.bin").write_bytes(whole[:at] + whole[at + gap :])
            assert told(tmp_path / "v.bin", 40).startswith(": vector 6 of 50: no word")


# ---------------------------------------------------------------- headers and first lines


@pytest.mark.parametrize("packing", ["plain", "gzip"])
@pytest.mark.parametrize("promised", [0, 1, 3, 10**12])
@pytest.mark.parametrize("kind", ["text", "binary"])
def test_a_header_with_another_number(tmp_path, packing, promised, kind):
    """The vectors that are there are read with a note; no memory is taken because of the header."""
    pairs = some_pairs(random.Random(6), 2, 5)
    data = binary(pairs, promised)
    if kind == "text":
        data = b"%d 5\nwrd0 1 2 3 4 5\nwrd1 1 2 3 4 5\n" % promised
    (tmp_path / "v").write_bytes(PACK[packing](data))
    words, vectors, notes = read(tmp_path / "v", 5)
    assert len(words) == len(vectors) == 2 and len(notes) == 1
    assert notes[0].startswith(
        f"the header at {tmp_path}/v:1 says {promised:,} vectors, there are 2:"
    )
    assert notes[0].endswith("cut off?" if promised > 2 else "all were read")


@pytest.mark.parametrize("kind", ["text", "binary"])
def test_a_header_with_other_dimensions(tmp_path, kind):
    pairs = some_pairs(random.Random(7), 3, 6)
    text = b"3 6\nx 1 2 3 4 5 6\ny 1 2 3 4 5 6\n"
    (tmp_path / "v").write_bytes(binary(pairs) if kind == "binary" else text)
    assert told(tmp_path / "v", 5) == (
        ":1: the vectors have 6 numbers, but --wrd_dim is 5; set --wrd_dim 6"
    )
    for width in (0, 10**12, 10**18 - 1):
        (tmp_path / "v").write_bytes(b"3 %d\n" % width + (tmp_path / "v").read_bytes()[4:])
        assert told(tmp_path / "v", 5).startswith(f":1: the vectors have {width} numbers")


@pytest.mark.parametrize(
    "first",
    [
        "These are vectors of mine, 2024",
        "# word number number",
        "word",
        ". . 1 2 3",
        "at home 1 2 3",
        "400000 3 glove",
        "x nan 2 3",
        "9" * 5000 + " 3",
        "\ufffd",
    ],
)
def test_an_odd_first_line(tmp_path, first):
    """It is skipped if the lines after it fit together; otherwise the advice follows from those."""
    (tmp_path / "v").write_text(f"{first}\none 1 2 3\ntwo 4 5 6\nsix 7 8 9\n", encoding="utf-8")
    words, _, notes = read(tmp_path / "v", 3)
    assert words == ["one", "two", "six"] and len(notes) == 1
    assert notes[0].startswith("skipped 1 ") and notes[0].endswith("v:1")
    (tmp_path / "w").write_text(f"{first}\none 1 2\ntwo 4 5\nsix 7 8\n", encoding="utf-8")
    assert told(tmp_path / "w", 50).endswith(
        ":2: the vectors have 2 numbers, but --wrd_dim is 50; set --wrd_dim 2"
    )


@pytest.mark.parametrize("text", ["the,0.1,0.2\n", "no vector\n", "3 5\n", "\n\n", ""])
def test_no_vector_at_all(tmp_path, text):
    (tmp_path / "v").write_text(text)
    message = told(tmp_path / "v", 5)
    assert message.startswith(":1: no word vector that can be used") and "--wrd_dim" not in message


@pytest.mark.parametrize("data", [b"a", b"1 ", b"\xc3\xa9"])
def test_a_line_without_end_is_bounded(tmp_path, data):
    """Three gigabytes without a newline, compressed, are refused at once, by their first bytes."""
    with lzma.open(tmp_path / "v.xz", "wb", preset=0) as out:
        out.write(data * (1 << 20))
    assert told(tmp_path / "v.xz", 5).startswith(": no line ends in its first 65,536 bytes")


def test_a_line_without_end_is_bounded_later_on(tmp_path, monkeypatch):
    taken = []

    class Endless(io.BytesIO):
        def read(self, size=-1):
            taken.append(size)
            return (
                b"one 1 2 3\n" + b"1 " * (size // 2 - 5) if len(taken) == 1 else b"1 " * (size // 2)
            )

    (tmp_path / "x").write_bytes(b"as much as is on the disk")
    monkeypatch.setattr(word_vectors, "open_vectors", lambda path, member: Endless())
    path = tmp_path / "x"
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"x:2: a line of more than .* bytes"):
        VectorReader(str(tmp_path / "x"), "", 3, True).read()
    assert sum(taken) < 1 << 24


def test_a_byte_order_mark_belongs_to_no_word(tmp_path):
    for header in ("", "2 3\n"):
        (tmp_path / "v").write_text(f"{header}one 1 2 3\ntwo 4 5 6\n", encoding="utf-8-sig")
        assert read(tmp_path / "v", 3) == (["one", "two"], [[1, 2, 3], [4, 5, 6]], [])


# ---------------------------------------------------------------- what is no file of word vectors


def npy():
    out = io.BytesIO()
    np.save(out, np.ones((3, 5), np.float32))
    return out.getvalue()


def npz():
    out = io.BytesIO()
    np.savez(out, vectors=np.ones((3, 5), np.float32))
    return out.getvalue()


def safetensors_file():
    from safetensors.numpy import save

    return save({"vectors": np.ones((3, 5), np.float32)})


def sqlite():
    import sqlite3

    with sqlite3.connect(":memory:") as base:
        base.execute("create table magnitude (key text)")
        return base.serialize()


def hdf5():
    import h5py

    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["vectors"] = np.ones((3, 5))
    return out.getvalue()


def tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("glove.txt")
        member.size = 10
        archive.addfile(member, io.BytesIO(b"the 1 2 3\n"))
    return out.getvalue()


def pickled(value, protocol=4):
    import pickle

    return pickle.dumps(value, protocol)


def gensim_pickle():
    """The beginning of a file of gensim, which is recognized by the class's name."""
    return b"\x80\x04\x95\x20\x00\x00\x00\x00\x00\x00\x00\x8c\x1bgensim.models.keyedvectors\x94"


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 347116733\n"
HTML = b"\n<!DOCTYPE html>\n<html><head><title>404</title></head><body>404</body></html>\n"
FASTTEXT = struct.pack("<ii", 793712314, 12) + bytes(range(256)) * 4
OTHERS = [
    (lambda: FASTTEXT, "a fastText model; give the .vec file"),
    (npy, "a NumPy .npy file"),
    (npz, "a NumPy .npz archive"),
    (safetensors_file, "a safetensors file"),
    (sqlite, "an SQLite database, as .magnitude"),
    (hdf5, "an HDF5 file"),
    (lambda: pickled({"the": [1.0, 2.0]}), "a Python pickle"),
    (lambda: pickled(np.ones(3), 2), "a Python pickle"),
    (gensim_pickle, "a gensim file"),
    (lambda: HTML, "an HTML page; fetch the file itself"),
    (lambda: b"<html>\n<body>moved</body></html>", "an HTML page"),
    (lambda: b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "an XML document"),
    (lambda: LFS, "a Git LFS pointer"),
    (tar, "a tar archive; unpack it with `tar xf"),
    (lambda: gzip.compress(tar()), "a tar archive"),
    (lambda: gzip.compress(gzip.compress(b"the 1 2 3 4 5\n")), "a gzip file"),
    (lambda: zipped({"model/data.pkl": b"x"}), "a PyTorch file"),
    (lambda: b"\x28\xb5\x2f\xfd" + bytes(50), "a Zstandard file"),
    (lambda: random.Random(0).randbytes(5000), "binary data of an unknown kind"),
]


@pytest.mark.parametrize("make, kind", OTHERS, ids=[kind[:20] for _, kind in OTHERS])
@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin", "vectors.gz"])
def test_other_files_are_refused_by_name(tmp_path, make, kind, name):
    (tmp_path / name).write_bytes(make())
    message = told(tmp_path / name, 5)
    assert message.startswith(": not word vectors (") and f", but {kind}" in message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le"])
def test_other_encodings_are_refused_by_name(tmp_path, encoding):
    (tmp_path / "v").write_text("the 1 2 3\nof 4 5 6\n", encoding=encoding)
    name = encoding.upper().replace("-LE", "LE").replace("-BE", "BE")
    assert told(tmp_path / "v", 3) == (
        f": not UTF-8, but {name}; convert it with `iconv -f {name} -t UTF-8`"
    )


def test_the_fasttext_file_of_the_report(shared):
    message = told(shared("cases/fasttext.bin"), 5)
    assert "a fastText model; give the .vec file" in message and "print-word-vectors" in message


def test_a_pipe_is_told(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert told(tmp_path / "pipe", 5).startswith(": a pipe or a device")


# ---------------------------------------------------------------- the command


def test_the_command_refuses_before_it_reads_the_corpus(tmp_path, bare_zygote):
    """The corpus does not even exist."""
    (tmp_path / "cc.en.300.bin").write_bytes(FASTTEXT)
    message = bare_zygote.mistake(
        "embvec.py", "--emb_path", "cc.en.300.bin", "--wrd_dim", 300, folder=tmp_path
    )
    assert "cc.en.300.bin: not word vectors" in message and "fastText" in message
    assert not list(tmp_path.glob("*.pkl"))


def test_the_command_reads_a_binary(tmp_path, bare_zygote):
    pairs = [(b"the", [1, 2, 3]), (b"Berlin", [4, 5, 6])]
    (tmp_path / "train.txt").write_bytes(TRAIN)
    (tmp_path / "v.bin").write_bytes(binary(pairs, promised=3))
    done = bare_zygote.run(
        "embvec.py",
        "--emb_path",
        "v.bin",
        "--wrd_dim",
        3,
        "--train_path",
        "train.txt",
        folder=tmp_path,
    )
    assert done.code == 0, done.err
    assert b"the 2\nberlin 3\n" in done.out
    assert (
        "embvec.py: the header at v.bin:1 says 3 vectors, there are 2: is the file cut off?\n"
        in done.err
    )
    for flags in (["--wrd_dim", 4], ["--wrd_dim", 10**12]):
        message = bare_zygote.run("embvec.py", "--emb_path", "v.bin", *flags, folder=tmp_path)
        assert message.code == 2 and one_line(message.err)
