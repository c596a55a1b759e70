"""Vectors and vocabularies: files that are read, lines that are skipped with a note, and files that
must not run code.
"""

import builtins
import bz2
import gzip
import lzma
import os
import pickle
import random
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import embvec
from cli import UserError
from features import vocabulary
from features.vocabulary import PAD, UNK, EmbVec

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GLOVE = "the 0.1 -0.2 1e-3\n, 1 2 3\nEU 4 5 6\n0000 7 8 9\ncafé .5 -.5 +.25\n"
VECTORS = {
    "the": [0.1, -0.2, 0.001],
    ",": [1, 2, 3],
    "eu": [4, 5, 6],
    "0000": [7, 8, 9],
    "café": [0.5, -0.5, 0.25],
}
TRAIN = "EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n1996 CD B-NP O\n\nZürich NNP B-NP B-LOC\n"


@pytest.fixture
def folder(tmp_path):
    """A folder with the files glove.txt and train.txt."""
    (tmp_path / "glove.txt").write_text(GLOVE, encoding="utf-8")
    (tmp_path / "train.txt").write_text(TRAIN, encoding="utf-8")
    return tmp_path


def run(folder, *flags, emb="glove.txt", dim=3):
    """Runs embvec.py's own code in this process. Returns (EmbVec, notes)."""
    argv = ["embvec.py", "--emb_path", str(folder / emb), "--wrd_dim", str(dim), *map(str, flags)]
    if "--train_path" not in flags:
        argv += ["--train_path", str(folder / "train.txt")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", argv)
        return embvec.build(embvec.parse_args())


def command(folder, *flags, emb="glove.txt", dim=3):
    """Runs embvec.py as a user does. Returns the finished process."""
    return subprocess.run(
        [
            sys.executable,
            os.path.join(ROOT, "embvec.py"),
            "--emb_path",
            emb,
            "--wrd_dim",
            str(dim),
            "--train_path",
            "train.txt",
            *flags,
        ],
        cwd=folder,
        capture_output=True,
    )


def vector_of(emb, word):
    return emb.vectors[emb.word_id(word)].tolist()


def read_with(folder, data, dim=3):
    """Vectors of a file with these bytes, as {word: list}, and the notes about skipped lines."""
    (folder / "odd.txt").write_bytes(data)
    emb, notes = run(folder, emb="odd.txt", dim=dim)
    known = int(notes[0].split()[0].replace(",", ""))
    return (
        {
            word: vector.tolist()
            for word, vector in zip(emb.vocab["wrd"][2 : 2 + known], emb.vectors[2:])
        },
        [note for note in notes if note.startswith("skipped")],
    )


# ---------------------------------------------------------------- formats


def _write_zip(path, data, names=("glove.txt",), flags=0):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", b"")
        for name in names:
            archive.writestr(name, data if name == "glove.txt" else b"other 0 0 0\n")


@pytest.mark.parametrize("header", ["", "5 3\n"])
@pytest.mark.parametrize("kind", ["txt", "gz", "bz2", "xz", "zip", "members.zip"])
@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", " \n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace(" ", "  "),
    ],
)
def test_every_format_gives_the_same(folder, header, kind, change):
    data = (header + change(GLOVE)).encode()
    name, flags = f"vectors.{kind}", ()
    if kind == "members.zip":
        flags = ("--member", "glove.txt")
        _write_zip(folder / name, data, ("a.txt", "glove.txt"))
    elif kind == "zip":
        _write_zip(folder / name, data)
    else:
        opener = {"txt": open, "gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}[kind]
        with opener(folder / name, "wb") as out:
            out.write(data)
    emb, notes = run(folder, *flags, emb=name)
    assert emb.vocab["wrd"] == [PAD, UNK, "the", ",", "eu", "0000", "café", "rejects", "zürich"]
    assert emb.vectors.dtype == np.float32
    mean = np.mean(list(VECTORS.values()), axis=0)
    np.testing.assert_allclose(
        emb.vectors, [[0, 0, 0], mean, *VECTORS.values(), mean, mean], rtol=1e-6
    )
    assert (
        len(notes) == 1
        and notes[0].startswith("5 vectors of 3")
        and "2 words of the corpus" in notes[0]
    )


def test_long_files_are_read_in_parts(folder):
    """In a file of several parts of 4 MB, no line is lost or torn where the parts meet, and line
    numbers are right.
    """
    numbers = np.random.default_rng(0).normal(size=(60_000, 10)).round(6).astype(np.float32)
    lines = [
        f"w{i} {' '.join(f'{number:.6f}' for number in row)}\n" for i, row in enumerate(numbers)
    ]
    lines.insert(55_000, "bad 1 2\n")
    words, notes = read_with(folder, "".join(lines).encode(), dim=10)
    assert list(words) == [f"w{i}" for i in range(60_000)]
    np.testing.assert_allclose(list(words.values()), numbers, atol=1e-6)
    assert (
        len(notes) == 1
        and notes[0].startswith("skipped 1 lines of a width")
        and notes[0].endswith("odd.txt:55001")
    )


# ---------------------------------------------------------------- odd lines


@pytest.mark.parametrize(
    "line, what",
    [
        (b"x 1 2", "lines of a width other than 3"),
        (b"x 1 2 3 4", "lines of a width other than 3"),
        (b"", "lines of a width other than 3"),
        (b"x", "lines of a width other than 3"),
        (b". . 1 2 3", "words with a space inside"),
        (b"at a b 1 2 3", "words with a space inside"),
        (b"x nan 2 3", "not a finite number"),
        (b"x 1 inf 3", "not a finite number"),
        (b"x 1 2 1e99", "not a finite number"),
        (b"x 1 two 3", "not a finite number"),
        (b"x 1 2 3.4.5", "not a finite number"),
        (b"x 1  2", "not a finite number"),
        (b"\xff 1 2 3", "not UTF-8"),
        (b"a\xc3 1 2 3", "not UTF-8"),
        (b"ONE 7 7 7", "stood before"),
        (b"one 7 7 7", "stood before"),
        (b"#PAD# 1 2 3", "#PAD#"),
        (b"#UNK# 1 2 3", "#UNK#"),
    ],
)
def test_an_odd_line_is_skipped_counted_and_told(folder, line, what):
    plain = {"one": [1, 2, 3], "two": [4, 5, 6]}
    if what.startswith("#"):  # lowercased, these are words like any other
        words, notes = read_with(folder, b"one 1 2 3\n" + line + b"\ntwo 4 5 6\n")
        assert (
            words == {"one": [1, 2, 3], what.lower(): [1, 2, 3], "two": [4, 5, 6]} and notes == []
        )
        return
    words, notes = read_with(folder, b"one 1 2 3\n" + line + b"\ntwo 4 5 6\n" + line + b"\n")
    assert words == plain
    assert len(notes) == 1 and what in notes[0]
    assert notes[0].startswith("skipped 2 ") and notes[0].endswith("odd.txt:2")
    assert read_with(folder, b"2 3\none 1 2 3\n" + line + b"\ntwo 4 5 6\n")[1][0].endswith(
        "odd.txt:3"
    )


def test_kinds_of_odd_lines_are_told_apart(folder):
    _, notes = read_with(
        folder, b"one 1 2 3\nx 1\n. . 1 2 3\ny nan 1 2\n\xff 1 2 3\nOne 1 2 3\nz 1 2\n"
    )
    assert [re.match(r"skipped (\d+)", note)[1] for note in notes] == ["2", "1", "1", "1", "1"]
    assert [note.rpartition(":")[2] for note in notes] == ["2", "3", "4", "5", "6"]


@pytest.mark.parametrize("text", ["\u00a0", "\u2028", "\x0b", "\u0085"])
def test_strange_characters_are_part_of_a_word(folder, text):
    words, notes = read_with(folder, f"one 1 2 3\na{text}b 4 5 6\n".encode())
    assert words == {"one": [1, 2, 3], f"a{text}b": [4, 5, 6]} and notes == []


@pytest.mark.parametrize(
    "data, dim, message",
    [
        (GLOVE.encode(), 5, ":1: the vectors have 3 numbers, but --wrd_dim is 5; set --wrd_dim 3"),
        (b"5 7\n" + GLOVE.encode(), 3, ":1: the vectors have 7 numbers"),
        (b"", 3, ":1: no word vector"),
        (b"\n", 3, ":1: no word vector"),
        (b"2 3\n", 3, ":1: no word vector that can be used"),
        (b"one 1 2 x\n", 3, ":1: no word vector that can be used"),
    ],
)
def test_a_file_that_can_not_be_used(folder, data, dim, message):
    with pytest.raises(UserError, match="odd.txt" + re.escape(message)):
        read_with(folder, data, dim)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zip"])
def test_damaged_archives(folder, kind):
    """An archive that is truncated, of another format, or has any byte changed gives one line of
    error, or the right vectors.
    """
    path = folder / f"vectors.{kind}"
    if kind == "zip":
        _write_zip(path, GLOVE.encode() * 20)
    else:
        with {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open}[kind](path, "wb") as out:
            out.write(GLOVE.encode() * 20)
    whole, rng, refused = path.read_bytes(), random.Random(kind), 0
    cases = [whole[: len(whole) // 2], whole[:20], GLOVE.encode(), b""]
    for _ in range(100):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= rng.randrange(1, 256)
        cases.append(bytes(damaged))
    for data in cases:
        path.write_bytes(data)
        try:
            assert run(folder, emb=path.name)[0].vocab["wrd"][2:7] == list(VECTORS)
        except UserError as error:
            refused += 1
            assert str(error).startswith(str(path)) and "\n" not in str(error)
    assert refused > 30


@pytest.mark.parametrize(
    "flags, message",
    [
        ((), "2 members; name one with --member: a.txt, glove.txt"),
        (("--member", "glov.txt"), "did you mean glove.txt"),
    ],
)
def test_members_of_a_zip(folder, flags, message):
    _write_zip(folder / "v.zip", GLOVE.encode(), ("a.txt", "glove.txt"))
    with pytest.raises(UserError, match=re.escape(message)):
        run(folder, *flags, emb="v.zip")


# ---------------------------------------------------------------- flags


def test_filter_keeps_the_words_of_the_corpus(folder):
    emb, notes = run(folder, "--filter")
    assert emb.vocab["wrd"] == [PAD, UNK, "eu", "0000", "rejects", "zürich"] and emb.filtered
    assert vector_of(emb, "EU") == [4, 5, 6] and vector_of(emb, "1234") == [7, 8, 9]
    np.testing.assert_allclose(emb.vectors[1], [5.5, 6.5, 7.5])
    assert "not for service" in notes[-1]


def test_filter_that_leaves_nothing(folder):
    (folder / "other.txt").write_text("one 1 2 3\ntwo 4 5 6\n")
    with pytest.raises(UserError, match="other.txt: no vector for any word of the corpus"):
        run(folder, "--filter", emb="other.txt")


def test_total_path_adds_all_but_tags(folder):
    (folder / "total.txt").write_text("Ω VB B-VP B-NEW\nthe DT B-NP O\n", encoding="utf-8")
    plain, (emb, _) = run(folder)[0], run(folder, "--total_path", folder / "total.txt")
    assert emb.vocab["wrd"] == plain.vocab["wrd"] + ["ω"] and emb.vocab["chr"] == plain.vocab[
        "chr"
    ] + ["Ω"]
    assert emb.vocab["pos"] == [PAD, UNK, "NNP", "VBZ", "CD", "VB", "DT"] and emb.vocab["chk"] == [
        PAD,
        UNK,
        "B-NP",
        "B-VP",
    ]
    assert emb.vocab["tag"] == ["O", "B-ORG", "B-LOC"]
    assert set(emb.sources) == {
        str(folder / name) for name in ("glove.txt", "train.txt", "total.txt")
    }


def test_total_path_without_tags(folder):
    (folder / "total.txt").write_text("Ω VB B-VP\n", encoding="utf-8")
    assert run(folder, "--total_path", folder / "total.txt")[0].vocab["pos"][-1] == "VB"


def test_tags_and_characters_can_be_fixed(folder):
    (folder / "tags.txt").write_text("B-LOC\nO\nB-NEW\n")
    (folder / "chars.txt").write_text("z\r\nE\r\n", encoding="utf-8")
    emb, _ = run(folder, "--tags_path", folder / "tags.txt", "--chars_path", folder / "chars.txt")
    assert emb.vocab["tag"] == ["O", "B-LOC", "B-NEW", "B-ORG"]
    assert emb.vocab["chr"][:5] == [PAD, UNK, "z", "E", "U"] and len(set(emb.vocab["chr"])) == len(
        emb.vocab["chr"]
    )


def test_vocabularies_can_be_fixed_by_those_of_another_run(folder):
    """The sections of vocab.txt, as files for --tags_path and --chars_path, give the same ids
    again.
    """
    emb, _ = run(folder)
    (folder / "tags.txt").write_text("\n".join(emb.vocab["tag"]), encoding="utf-8")
    (folder / "chars.txt").write_text("\n".join(emb.vocab["chr"]), encoding="utf-8")
    (folder / "train.txt").write_text("Qq NN B-NP B-XYZ\n" + TRAIN, encoding="utf-8")
    again, _ = run(folder, "--tags_path", folder / "tags.txt", "--chars_path", folder / "chars.txt")
    assert again.vocab["tag"] == emb.vocab["tag"] + ["B-XYZ"] and again.vocab["chr"] == emb.vocab[
        "chr"
    ] + ["Q", "q"]


@pytest.mark.parametrize(
    "flag, data, message",
    [
        ("--tags_path", b"O\nB X\n", ":2: 'B X', expected one tag a line"),
        ("--chars_path", b"a\nbc\n", ":2: 'bc', expected one character"),
        ("--chars_path", b"a\n\na\n", ":3: 'a' stands twice"),
        ("--tags_path", b"\xff\n", ":1: not UTF-8"),
    ],
)
def test_files_of_ids_that_can_not_be_used(folder, flag, data, message):
    (folder / "ids.txt").write_bytes(data)
    with pytest.raises(UserError, match=re.escape(f"{folder / 'ids.txt'}{message}")):
        run(folder, flag, folder / "ids.txt")


def test_without_lowercasing_spellings_stay_apart(folder):
    (folder / "glove.txt").write_text("eu 1 1 1\nEU 2 2 2\n0000 3 3 3\nEU 4 4 4\n")
    emb, notes = run(folder, "--lowercase", "False")
    assert emb.vocab["wrd"] == [PAD, UNK, "eu", "EU", "0000", "rejects", "Zürich"]
    assert [vector_of(emb, word) for word in ("eu", "EU", "Eu")] == [
        [1, 1, 1],
        [2, 2, 2],
        emb.vectors[1].tolist(),
    ]
    assert vector_of(emb, "1996") == [3, 3, 3]
    assert notes[1].startswith("skipped 1 words that stood before") and notes[1].endswith(":4")


# ---------------------------------------------------------------- lookup


@pytest.mark.parametrize(
    "word, lowercase, expected",
    [
        ("Tim", True, "Tim"),
        ("tim", True, "tim"),
        ("TIM", True, "tim"),
        ("TIM", False, UNK),
        ("A1", True, "A1"),
        ("a1", True, "a0"),
        ("A2", True, "a0"),
        ("A2", False, UNK),
        ("a2", False, "a0"),
        ("2009", True, "0000"),
        ("２009", True, UNK),
        ("٣", True, UNK),
        ("0", True, UNK),
        ("İ", True, "i̇"),
        ("nothing", True, UNK),
        (PAD, True, UNK),
        (UNK, True, UNK),
        (PAD.lower(), True, UNK),
        ("", True, UNK),
    ],
)
def test_words_are_looked_up_exact_then_lower_then_digits(word, lowercase, expected):
    words = [PAD, UNK, "Tim", "tim", "A1", "a0", "0000", "i̇"]
    emb = EmbVec(words, [PAD, UNK], [PAD, UNK], [PAD, UNK], ["O"], 3, lowercase=lowercase)
    assert emb.word_id(word) == words.index(expected)


def test_padding_is_never_the_id_of_a_token():
    emb = EmbVec([PAD, UNK], [PAD, UNK, "a"], [PAD, UNK, "NN"], [PAD, UNK, "B"], ["O"], 3)
    assert [
        emb.id(section, token) for section in ("chr", "pos", "chk") for token in (PAD, UNK, "?")
    ] == [1] * 9
    assert [emb.id("chr", "a"), emb.id("pos", "NN"), emb.id("chk", "B")] == [2, 2, 2]


def test_vocabularies_of_sentences_alone():
    from conll import Sentence

    sentences = [
        Sentence(1, ["Ab", "ab"], ["X", "Y"], None, ["B-P", "O"]),
        Sentence(4, ["c1"], ["X"], None, ["I-P"]),
    ]
    emb = EmbVec.from_sentences(sentences, 7, lowercase=True)
    assert emb.vocab == {
        "wrd": [PAD, UNK, "ab", "c1"],
        "chr": [PAD, UNK, "A", "b", "a", "c", "1"],
        "pos": [PAD, UNK, "X", "Y"],
        "chk": [PAD, UNK],
        "tag": ["O", "B-P", "I-P"],
    }
    assert emb.vectors is None and emb.wrd_dim == 7
    assert EmbVec.from_sentences(sentences, 7, lowercase=False).vocab["wrd"] == [
        PAD,
        UNK,
        "Ab",
        "ab",
        "c1",
    ]


# ---------------------------------------------------------------- files


def test_vocabulary_text_has_five_sections(folder):
    emb, _ = run(folder)
    lines = emb.vocab_text().decode().split("\n")
    assert lines.pop() == ""
    for section in ("wrd", "chr", "pos", "chk", "tag"):
        mark, name, count = lines.pop(0).split(" ")
        assert (mark, name) == ("#", f"{section}_vocab")
        rows, lines = lines[: int(count)], lines[int(count) :]
        assert [row.rpartition(" ")[0] for row in rows] == emb.vocab[section]
        assert [int(row.rpartition(" ")[2]) for row in rows] == list(range(int(count)))
    assert lines == []


@pytest.mark.parametrize("with_vectors", [True, False])
def test_save_and_load(folder, with_vectors):
    emb, _ = run(folder)
    if not with_vectors:
        emb.vectors = None
    path = str(folder / "emb.pkl")
    emb.save(path)
    again = EmbVec.load(path)
    assert again.header() == emb.header() and vocabulary.load_header(path) == emb.header()
    assert again.vocab == emb.vocab and again.ids == emb.ids and again.sources == emb.sources
    assert (again.wrd_dim, again.lowercase, again.filtered, again.vocab_hash) == (
        3,
        True,
        False,
        emb.vocab_hash,
    )
    assert again.vectors is None if not with_vectors else (again.vectors == emb.vectors).all()
    assert sorted(os.listdir(folder)) == ["emb.pkl", "glove.txt", "train.txt"]


def test_the_vocabulary_hash_tells_vocabularies_apart(folder):
    hashes = {
        run(folder)[0].vocab_hash,
        run(folder, "--filter")[0].vocab_hash,
        run(folder, "--lowercase", "False")[0].vocab_hash,
    }
    assert len(hashes) == 3 and run(folder)[0].vocab_hash in hashes


def test_damaged_files_are_refused_or_read(folder):
    """Files are truncated anywhere, or random bytes are changed: the result is UserError or an
    EmbVec, never another exception.
    """
    emb, _ = run(folder)
    path = folder / "emb.pkl"
    emb.save(str(path))
    whole, rng = path.read_bytes(), random.Random(0)
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError):
            EmbVec.load(str(path))
    for _ in range(1000):
        damaged = bytearray(whole)
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            assert isinstance(EmbVec.load(str(path)), EmbVec)
        except UserError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)


@pytest.mark.parametrize(
    "change",
    [
        lambda h, b: h.pop("lowercase"),
        lambda h, b: b.pop("vectors"),
        lambda h, b: b["vocab"].pop("pos"),
        lambda h, b: b.update(vectors=b["vectors"][:-1]),
        lambda h, b: b.update(vectors=[1.0]),
        lambda h, b: b.update(vectors=b["vectors"].astype(np.float64)),
        lambda h, b: h.update(format=99),
        lambda h, b: h.update(magic="x"),
        lambda h, b: b["vocab"]["wrd"].append("more"),
        lambda h, b: b["vocab"].update(wrd=None),
    ],
)
def test_files_of_another_make_are_refused(folder, change):
    emb, _ = run(folder)
    header, body = emb.header(), {"vocab": emb.vocab, "vectors": emb.vectors}
    change(header, body)
    (folder / "other.pkl").write_bytes(pickle.dumps(header) + pickle.dumps(body))
    with pytest.raises(UserError, match="other.pkl"):
        EmbVec.load(str(folder / "other.pkl"))


# ---------------------------------------------------------------- malicious files


class Calls:
    """Pickles as a call of `function`, and then, where `state` is given, as setting its state."""

    def __init__(self, function, *arguments, state=None):
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self):
        return self.parts


RECONSTRUCT = np.empty(0).__reduce__()[0]


def object_array(flags):
    """An array of objects whose dtype says, by its flags, that its elements are plain bytes: numpy
    takes them for pointers.
    """
    dtype = Calls(np.dtype, "O", False, True, state=(3, "|", None, None, None, -1, -1, flags))
    return Calls(RECONSTRUCT, np.ndarray, (0,), b"b", state=(1, (2,), dtype, False, b"A" * 16))


ATTACKS = {
    "os.system": lambda mark: Calls(os.system, f"touch {mark}"),
    "eval": lambda mark: Calls(builtins.eval, f"open({mark!r}, 'w')"),
    "exec": lambda mark: Calls(builtins.exec, f"open({mark!r}, 'w')"),
    "open": lambda mark: Calls(builtins.open, mark, "w"),
    "getattr": lambda mark: Calls(builtins.getattr, "", "join"),
    "subprocess": lambda mark: Calls(subprocess.Popen, ["touch", mark]),
    "numpy.load": lambda mark: Calls(np.load, mark),
    "numpy.memmap": lambda mark: Calls(np.memmap, mark, "uint8", "w+", 0, 10),
    "array of objects": lambda mark: np.array([Calls(builtins.open, mark, "w")], dtype=object),
    "array of plain objects": lambda mark: np.array([None, "x"], dtype=object),
    "state of an array": lambda mark: Calls(
        RECONSTRUCT, np.ndarray, (0,), b"b", state=Calls(builtins.open, mark, "w")
    ),
    "pointers, no flag": lambda mark: object_array(0),
    "pointers, all but the list flag": lambda mark: object_array(45),
    "a class": lambda mark: Calls(UserError, "x"),
    "a set of calls": lambda mark: {"a": [(Calls(builtins.open, mark, "w"),)]},
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", ATTACKS)
def test_a_malicious_file_runs_nothing(folder, name, protocol):
    """The pickle stands as the header, as the whole body, as a key, or in place of an array; it is
    loaded in this process.
    """
    emb, _ = run(folder)
    mark = str(folder / "ran")
    attack = ATTACKS[name](mark)
    header, body = emb.header(), {"vocab": emb.vocab, "vectors": attack}
    path = folder / "evil.pkl"
    for parts in (
        (attack, body),
        (header, attack),
        (header, body),
        ({**header, "sources": attack}, body),
    ):
        path.write_bytes(b"".join(pickle.dumps(part, protocol) for part in parts))
        os.path.exists(mark) and os.unlink(
            mark
        )  # numpy.memmap leaves the file when it is made, not when it is read
        with pytest.raises(UserError, match="evil.pkl: (refused|truncated or not)"):
            EmbVec.load(str(path))
        assert not os.path.exists(mark)


@pytest.mark.parametrize(
    "raw",
    [
        b"cposix\nsystem\n(S'touch MARK'\ntR.",
        b"(S'touch MARK'\nios\nsystem\n.",
        b"cos\nsystem\n(S'touch MARK'\ntR.",
        b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x09os.getcwd\x85R.",
        b"\x80\x02\x82\x01.",
        b"Pid\n.",
        b"cnumpy\nndarray\n(cos\nsystem\ntR.",
    ],
)
def test_handwritten_pickles_run_nothing(folder, raw):
    path, mark = folder / "evil.pkl", folder / "ran"
    path.write_bytes(raw.replace(b"MARK", str(mark).encode()))
    with pytest.raises(UserError, match="evil.pkl: "):
        EmbVec.load(str(path))
    assert not mark.exists()


# ---------------------------------------------------------------- the command


def test_the_command(folder):
    done = command(folder)
    assert done.returncode == 0
    assert done.stdout == EmbVec.load(str(folder / "glove.txt.pkl")).vocab_text()
    assert (
        all(line.startswith(b"embvec.py: ") for line in done.stderr.splitlines())
        and b"wrote glove.txt.pkl" in done.stderr
    )
    assert command(folder, "--out_path", "other.pkl").stdout == done.stdout
    assert (folder / "other.pkl").read_bytes() == (folder / "glove.txt.pkl").read_bytes()


@pytest.mark.parametrize(
    "flags, emb, dim, message",
    [
        ((), "glove.txt", 5, r"glove\.txt:1: the vectors have 3 numbers.*set --wrd_dim 3"),
        ((), "absent.txt", 3, r"absent\.txt: no such file"),
        ((), "glove.txt", 0, "--wrd_dim 0: expected at least 1"),
        (("--tags_path", "bad.txt"), "glove.txt", 3, r"bad\.txt:2: 'x y'"),
        (("--total_path", "bad.txt"), "glove.txt", 3, r"bad\.txt:2: 2 columns, expected 1"),
        (("--lowercase", "perhaps"), "glove.txt", 3, "expected True or False"),
        (("--filtre",), "glove.txt", 3, "did you mean --filter"),
        (("--columns", "word tga _ _"), "glove.txt", 3, "did you mean tag"),
    ],
)
def test_a_mistake_ends_in_one_line_and_exit_code_2(folder, flags, emb, dim, message):
    (folder / "bad.txt").write_text("x\nx y\n")
    done = command(folder, *flags, emb=emb, dim=dim)
    assert done.returncode == 2 and done.stdout == b""
    assert re.fullmatch(rf"embvec\.py: .*{message}.*\n", done.stderr.decode())
    assert not list(folder.glob("*.pkl"))


def test_the_command_refuses_nothing_of_the_real_glove(shared, folder):
    """In the first megabyte of the real file, each line is a word with its vector."""
    with gzip.open(shared("embeddings/glove.6B.50d.txt.gz"), "rb") as stream:
        lines = stream.readlines(1 << 20)
    (folder / "real.txt").write_bytes(b"".join(lines))
    emb, notes = run(folder, emb="real.txt", dim=50)
    assert len(notes) == 1 and emb.vocab["wrd"][2 : 2 + len(lines)] == [
        line.split(b" ")[0].decode() for line in lines
    ]
    some = random.Random(0).sample(range(len(lines)), 200)
    np.testing.assert_array_equal(
        emb.vectors[[i + 2 for i in some]],
        [np.array(lines[i].split()[1:], np.float32) for i in some],
    )
