"""Damaged, foreign and hostile .etagger files: each is refused in one line or tags, and no flipped
bit passes --verify.
"""

import copy
import os
import random
import shutil
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest

import cli
import engine_file
import fuzz_seeds
from config import MOST_WIDTH
from support.commands import ROOT, one_line, sample
from support.serving import (
    BUILD,
    INFERENCE,
    binary,
    binary_mistake,
    python_package,
    run_binary,
    succeed,
)

FUZZ = os.path.join(INFERENCE, "cc", "fuzz")

TEXT = (
    b"EU NNP B-NP\nrejects VBZ B-VP\nGerman JJ B-NP\n\nNew NNP B-NP\nYork NNP I-NP\nTimes NNP "
    b"I-NP\n1996-08-22 CD B-NP\n\n"
    b"-DOCSTART- -X- O\n\n" + "ΣΑΣ NNP B-NP\n".encode() + b"\xff NN O\n\n"
)
COLUMNS = ("--columns", "word pos chunk")


@pytest.fixture(scope="module")
def models():
    """A function: kind of model, a key of fuzz_seeds.KINDS -> its header and sections, to be
    changed at will.
    """
    binary("etagger")
    made = {name: fuzz_seeds.model_of(**settings) for name, settings in fuzz_seeds.KINDS.items()}
    return lambda name: copy.deepcopy(made[name])


@pytest.fixture
def written(models, tmp_path, monkeypatch):
    """A function: (header, sections), or a kind of model -> the path of its file."""
    monkeypatch.setattr(
        os, "fsync", lambda file: None
    )  # thousands of files, none of them to be kept

    def write(model, name="model.etagger"):
        engine_file.write(
            str(tmp_path / name), *(models(model) if isinstance(model, str) else model)
        )
        return tmp_path / name

    return write


def refused(path, *flags):
    """The one line of the message with which the engine refuses a file."""
    message = binary_mistake("etagger", path, *flags, stdin=TEXT)
    assert message.startswith("etagger: ")
    return message


def refused_or_tags(path):
    """Whether the file tags, with as many rows out as in; otherwise checks that it is refused in
    one line.
    """
    done = run_binary("etagger", path, *COLUMNS, stdin=TEXT)
    assert done.code in (0, 2), done
    if done.code == 2:
        assert done.out == b"" and "std::" not in one_line(done.err), done.err
        return False
    assert [line.rpartition(b" ")[0] for line in done.out.split(b"\n")] == TEXT.split(b"\n")
    return True


# ---------------------------------------------------------------- the file as bytes

PRELUDE, ENTRY = struct.Struct("<8sIIQQQQQII"), struct.Struct("<48sII4QQQI5I")
FIELDS = (
    "magic",
    "version",
    "flags",
    "size",
    "header",
    "header_bytes",
    "table",
    "sections",
    "crc",
    "unused",
)
ENTRY_FIELDS = ("name", "type", "rank", "dim0", "dim1", "dim2", "dim3", "offset", "bytes", "crc")


class Raw:
    """The bytes of a file, with its prelude and its table of sections. seal() computes the
    checksums, as a hostile author would.
    """

    def __init__(self, data):
        self.data = bytearray(data)
        self.prelude = dict(zip(FIELDS, PRELUDE.unpack_from(data)))
        rows = (
            ENTRY.unpack_from(data, self.prelude["table"] + i * ENTRY.size)
            for i in range(self.prelude["sections"])
        )
        self.table = [dict(zip(ENTRY_FIELDS, row)) for row in rows]

    def entry(self, name):
        return next(entry for entry in self.table if entry["name"].rstrip(b"\0") == name.encode())

    def seal(self, **prelude):
        """The bytes of the file with its table and prelude; the arguments replace fields of the
        prelude.
        """
        self.prelude.update({"size": len(self.data), **prelude})
        at = PRELUDE.unpack_from(self.data)[FIELDS.index("table")]
        for i, entry in enumerate(self.table):
            ENTRY.pack_into(self.data, at + i * ENTRY.size, *entry.values(), *[0] * 5)
        front = self.prelude["table"] + ENTRY.size * self.prelude["sections"]
        PRELUDE.pack_into(self.data, 0, *self.prelude.values())
        self.prelude["crc"] = prelude.get(
            "crc", zlib.crc32(self.data[64:front], zlib.crc32(self.data[:56]))
        )
        PRELUDE.pack_into(self.data, 0, *self.prelude.values())
        return bytes(self.data)


def test_sealing_is_what_the_writer_does(written):
    data = written("gazetteer").read_bytes()
    assert Raw(data).seal() == data
    assert all(
        zlib.crc32(data[entry["offset"] : entry["offset"] + entry["bytes"]]) == entry["crc"]
        for entry in Raw(data).table
    )


def test_truncated_anywhere(written):
    """At each section's begin and end, around the prelude and the table, and anywhere."""
    path = written("default")
    data = path.read_bytes()
    raw = Raw(data)
    places = {0, 1, 63, 64, 65, raw.prelude["table"], raw.prelude["table"] + 100, len(data) - 1}
    places |= {
        place
        for entry in raw.table
        for place in (entry["offset"], entry["offset"] + entry["bytes"])
    }
    places |= set(random.Random(1).sample(range(len(data)), 40))
    for size in places - {len(data)}:
        path.write_bytes(data[:size])
        assert "truncated" in refused(path)
    path.write_bytes(data + b"\0")
    assert "truncated, or added to" in refused(path)


def test_truncated_where_its_size_says_so(written):
    """The same with a prelude that has the smaller size and its checksum."""
    path = written("default")
    data = path.read_bytes()
    for size in {entry["offset"] for entry in Raw(data).table} | set(
        random.Random(2).sample(range(64, len(data)), 20)
    ):
        raw = Raw(data)
        del raw.data[size:]
        if size >= raw.prelude["table"] + ENTRY.size * len(raw.table):
            path.write_bytes(raw.seal())
        else:
            path.write_bytes(struct.pack("<8sIIQ", b"etagger\0", 1, 0, size) + raw.data[24:])
        assert "outside of it" in refused(path)


@pytest.mark.parametrize(
    "data, what",
    [
        (b"", "truncated"),
        (b"\0" * 64, "not an .etagger file"),
        (b"etagger\n" + b"\0" * 100, "not an .etagger file"),
        (b"{}" * 100, "not an .etagger file"),
        (b"EU NNP B-NP B-ORG\n" * 10, "not an .etagger file"),
        (
            struct.pack("<8sII", b"etagger\0", 1, 0) + b"\xff" * 48,
            "64 bytes, expected 18446744073709551615",
        ),
    ],
)
def test_other_files(tmp_path, data, what):
    (tmp_path / "other").write_bytes(data)
    message = refused(tmp_path / "other")
    assert what in message and "make it again with export.py --engine" in message


@pytest.mark.parametrize(
    "fields, what",
    [
        ({"version": 2}, "format version 2.0, this engine reads 1.0"),
        ({"version": 0}, "format version 0.0"),
        ({"flags": 1}, "format version 1.1"),
        ({"magic": b"ETAGGER\0"}, "not an .etagger file"),
        ({"crc": 5}, "its header is damaged"),
        ({"unused": 1}, "its header is damaged"),
        ({"size": 2**63}, "truncated"),
        ({"header": 0}, "outside of it"),
        ({"header": 65}, "outside of it"),
        ({"header_bytes": 2**64 - 1}, "outside of it"),
        ({"header_bytes": 0}, "outside of it"),
        ({"table": 0}, "outside of it"),
        ({"table": 2**64 - 64}, "outside of it"),
        ({"sections": 2**57}, "outside of it"),
        ({"sections": 4097}, "outside of it"),
        ({"sections": 0}, "is missing"),
        ({"sections": 3}, "outside of it"),
    ],
)
def test_preludes(written, fields, what):
    path = written("words")
    path.write_bytes(
        Raw(path.read_bytes()).seal(
            **{"crc": 0, **fields}
            if {"header_bytes", "table", "sections"} & fields.keys()
            else fields
        )
    )
    if fields.get("sections", 9) < 4:
        raw = Raw(path.read_bytes())
        raw.data[56:60] = struct.pack(
            "<I",
            zlib.crc32(
                raw.data[64 : raw.prelude["table"] + ENTRY.size * fields["sections"]],
                zlib.crc32(raw.data[:56]),
            ),
        )
        path.write_bytes(raw.data)
        what = "is missing"
    assert what in refused(path)


ODD = (0, 1, 3, 2**31 - 1, 2**32, 2**62, 2**63, 2**64 - 1, 2**64 - 64)


@pytest.mark.parametrize(
    "field", ["type", "rank", "dim0", "dim1", "dim2", "dim3", "offset", "bytes"]
)
def test_tables(written, field):
    """Odd numbers in each field of some sections, with right checksums: no file with inconsistent
    numbers is opened.
    """
    path = written("default")
    data = path.read_bytes()
    for name in (
        "wrd.text",
        "wrd.table",
        "wrd.vectors",
        "chr.taps.0",
        "projection.bias",
        "crf.end",
    ):
        for value in ODD + (len(data), len(data) - 63, len(data) - 64):
            raw = Raw(data)
            before = raw.entry(name)[field]
            if value == before or (field in ("type", "rank") and value >= 2**32):
                continue
            raw.entry(name)[field] = value
            path.write_bytes(raw.seal())
            assert refused(path)


def test_sections_that_overlap_or_stand_twice(written):
    path = written("words")
    raw = Raw(path.read_bytes())
    raw.table[-2:] = raw.table[:-3:-1]
    path.write_bytes(raw.seal())
    assert "overlap, or have one name" in refused(path)
    raw = Raw(written("default").read_bytes())
    raw.entry("highway.0.gate")["offset"] = raw.entry("highway.0.transform")["offset"]
    path.write_bytes(raw.seal())
    assert "overlap, or have one name" in refused(path)
    raw = Raw(written("default").read_bytes())
    raw.entry("highway.0.gate")["name"] = b"highway.0.transform"
    path.write_bytes(raw.seal())
    assert "overlap, or have one name" in refused(path)


def test_a_name_without_an_end(written):
    path = written("words")
    raw = Raw(path.read_bytes())
    raw.table[0]["name"] = b"x" * 48
    path.write_bytes(raw.seal())
    assert refused(path)


def test_a_message_stays_one_line(written):
    """Text from the file can neither end the line nor control the terminal."""
    path = written("words")
    raw = Raw(path.read_bytes())
    raw.table[-1]["name"], raw.table[-1]["crc"] = b"evil\n\x1b[2Jetagger: all is well", 0
    path.write_bytes(raw.seal())
    assert "section evil\\n\\x1b[2Jetagger: all is well is damaged" in refused(path, "--verify")


# ---------------------------------------------------------------- the header

VALUES = (
    None,
    True,
    False,
    -1,
    0,
    1,
    2,
    0.5,
    1e300,
    -1e300,
    2**31,
    2**63,
    2**20 + 1,
    "",
    "x",
    "bio",
    "a b",
    "\n",
    "\0",
    [],
    ["x"],
    [[]],
    [0],
    ["O"],
    {},
    {"x": {}},
)


def paths_of(header):
    """Each key of a header, those of its objects included, as tuples."""
    return [(key,) for key in header] + [
        (key, inner) for key, value in header.items() if isinstance(value, dict) for inner in value
    ]


@pytest.mark.parametrize("kind", ["gazetteer", "conv2d"])
def test_odd_values_in_the_header(models, written, kind):
    """Each value is tried for each key, and each key is left out: the file tags, or is refused in
    one line.
    """
    tags = 0
    for keys in paths_of(models(kind)[0]):
        for value in VALUES + ("left out",):
            header, sections = models(kind)
            inside = header if len(keys) == 1 else header[keys[0]]
            inside[keys[-1]] = value
            if value == "left out":
                del inside[keys[-1]]
            tags += refused_or_tags(written((header, sections)))
    assert tags > 100  # what the engine does not look at


@pytest.mark.parametrize(
    "change, what",
    [
        (
            lambda header: header["config"].update(word_length=MOST_WIDTH + 1),
            f"word_length is no whole number from 1 to {MOST_WIDTH}",
        ),
        (
            lambda header: header["config"].update(word_length=2**20),
            f"word_length is no whole number from 1 to {MOST_WIDTH}",
        ),
        (lambda header: header["config"].update(rnn_size=2**20), "other dimensions than the model"),
        (lambda header: header["config"].update(rnn_layers=2**20), "is missing"),
        (lambda header: header["config"].update(highway_layers=2**20), "is missing"),
        (lambda header: header["config"].update(num_filters=2**20), ""),
        (
            lambda header: header["config"].update(chr_filter_widths=[2**20]),
            "other dimensions than the model",
        ),
        (lambda header: header["config"].update(chr_filter_widths=[3] * 100_000), "is missing"),
        (
            lambda header: header["config"].update(chr_filter_widths=[3, 1.5]),
            "a filter's width is no whole number",
        ),
        (
            lambda header: header.update(
                tags=[f"B-{i}" for i in range(60_000)], data_scheme="iobes"
            ),
            "other dimensions than the model",
        ),
        (
            lambda header: header.update(tags=["O", "B PER", "I-PER", "B-LOC", "I-LOC"]),
            "a tag is empty, or has a blank in it",
        ),
        (lambda header: header.update(tags=["O", "", "I-PER", "B-LOC", "I-LOC"]), "a tag is empty"),
        (
            lambda header: header.update(tags=["O", "B-PER\0", "I-PER", "B-LOC", "I-LOC"]),
            "has a blank in it",
        ),
        (
            lambda header: header.update(tags=["O", "B-PER\nO", "I-PER", "B-LOC", "I-LOC"]),
            "has a blank in it",
        ),
        (lambda header: header.update(columns=["tag"]), "no word column"),
        (
            lambda header: header.update(columns=["word", "word", "pos", "tag"]),
            "'word' is named twice",
        ),
        (
            lambda header: header.update(columns=["word", "pos", "pos", "tag"]),
            "'pos' is named twice",
        ),
        (
            lambda header: header.update(columns=["word", "pos", "x\ny", "tag"]),
            "unknown column 'x\\ny'",
        ),
        (lambda header: header.update(data_scheme="nobody's"), "unknown tag scheme"),
        (
            lambda header: header.update(
                gazetteer={"types": [str(i) for i in range(33)], "names": []}
            ),
            "more than 32 types",
        ),
        (
            lambda header: header.update(gazetteer={"types": ["LOC"], "names": [[["New"], [1]]]}),
            "a gazetteer's type is no whole number from 0 to 0",
        ),
        (
            lambda header: header.update(gazetteer={"types": ["LOC"], "names": [[[], [0]]]}),
            "a gazetteer's name is not [words, types]",
        ),
        (
            lambda header: header.update(gazetteer={"types": ["LOC"], "names": [[["New"]]]}),
            "a gazetteer's name is not [words, types]",
        ),
    ],
)
def test_hostile_headers(models, written, change, what):
    """They are refused without asking for more than 256 MB of memory."""
    header, sections = models("gazetteer")
    change(header)
    path = written((header, sections))

    def little_memory():
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (256 << 20, 256 << 20))

    done = subprocess.run(
        [binary("etagger"), path],
        input=TEXT,
        capture_output=True,
        preexec_fn=little_memory,
        timeout=120,
    )
    assert done.returncode == 2 and done.stdout == b""
    assert what in one_line(done.stderr.decode()) and "bad_alloc" not in done.stderr.decode()


@pytest.mark.parametrize(
    "header, what",
    [
        (b"", "it ends too early"),
        (b"[" * 100_000, "too many brackets"),
        (b'{"format": 1, "format": 1}', "a key stands twice"),
        (b'{"format": 1', "it ends too early"),
        (b'{"format": 2}', "another format, expected 1"),
        (b'{"format": 1e999}', "another format"),
        (b'"\\ud800\\u0041"', "half of a surrogate pair"),
        (b'{"format": 1} x', "something after the value"),
        (b"\xff\xfe", "not a value"),
        (b"\0", "not a value"),
        (b'{"format": "1"}', "a number was expected"),
        (b" " * (1 << 20), "it ends too early"),
        (b" " * ((1 << 20) + 1), "too large"),
    ],
)
def test_headers_that_are_no_settings(models, written, header, what):
    path = written("words")
    raw = Raw(path.read_bytes())
    table = -(-(64 + len(header)) // 64) * 64
    moved = table - raw.prelude["table"]
    for entry in raw.table:
        entry["offset"] += moved
    raw.data = raw.data[:64] + header.ljust(table - 64, b"\0") + raw.data[raw.prelude["table"] :]
    struct.pack_into("<QQ", raw.data, 32, len(header), table)
    raw.prelude.update(header_bytes=len(header), table=table)
    path.write_bytes(raw.seal())
    assert what in refused(path)


# ---------------------------------------------------------------- the sections

# Where fewer or more of them are no mistake: ids beyond them are unknown.
LOOSE = (
    "wrd.",
    "pos.",
    "chk.",
    "shape.",
    "chr.text",
    "chr.offsets",
    "chr.table",
    "chr.taps",
    "gazetteer.",
)


@pytest.mark.parametrize("kind", ["shape", "iobes", "gazetteer", "conv2d"])
def test_sections_missing_or_of_other_dimensions(models, written, kind):
    for name, array in models(kind)[1].items():
        others = {
            "missing": None,
            "type": np.zeros(array.shape, np.int32),
            "rank": array[..., np.newaxis] if array.ndim < 4 else array[0],
            "fewer": array[:-1],
            "more": np.concatenate([array, array[:1]]),
            "one": array[:1],
            "wide": np.repeat(array, 2, axis=-1),
        }
        for how, other in others.items():
            header, sections = models(kind)
            sections[name] = other
            if other is None:
                del sections[name]
            elif not other.size:
                continue
            tags = refused_or_tags(written((header, sections)))
            assert (
                not tags
                or (name.startswith(LOOSE) and how not in ("missing", "type", "rank"))
                or np.array_equal(other, array)
            ), (name, how)


def test_odd_weights(models, written):
    """With numbers that are not finite the file still tags."""
    for value in (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45):
        for kind in ("default", "iobes", "conv2d", "shape"):
            header, sections = models(kind)
            for name, array in sections.items():
                if array.dtype == np.float32:
                    sections[name] = np.where(
                        np.random.default_rng(3).random(array.shape) < 0.1, value, array
                    ).astype(np.float32)
            assert refused_or_tags(written((header, sections)))


def test_transitions_that_are_no_numbers(models, written):
    """Tags, but no probabilities, however often they are asked for."""
    header, sections = models("default")
    sections["crf.transitions"] = np.full_like(sections["crf.transitions"], np.nan)
    with python_package().load(written((header, sections))) as model:
        for _ in range(3):
            assert len(model.tag(*[["a", "b"]] * 3)) == 2
            with pytest.raises(ValueError, match="scores that are no numbers"):
                model.confident(*[["a", "b"]] * 3)


def test_odd_indices(models, written):
    """Offsets and entries of the hash tables point anywhere."""
    rng = np.random.default_rng(4)
    for turn in range(30):
        header, sections = models("gazetteer")
        for name, array in sections.items():
            kind = name.rpartition(".")[2]
            if kind in ("offsets", "table", "kinds", "longest"):
                odd = rng.choice(
                    np.array(
                        [0, 1, 2, 7, len(array) - 1, len(array), 2**31, 2**32 - 1, 2**24 - 1],
                        array.dtype,
                    ),
                    len(array),
                )
                if kind == "offsets" and turn % 2:
                    odd = rng.choice(np.array([2**64 - 1, 2**63, 2**32, 5], np.uint64), len(array))
                sections[name] = np.where(
                    rng.random(len(array)) < (1.0 if turn % 3 else 0.3), odd, array
                )
        assert refused_or_tags(written((header, sections)))
    for far in (1 << 12, 1 << 40, 2**64 - (1 << 12)):
        header, sections = models("gazetteer")
        for name, array in sections.items():
            if name.endswith("offsets"):
                sections[name] = array + np.uint64(far)  # each token as long as before
        assert refused_or_tags(written((header, sections)))


def test_a_table_without_gaps_is_not_searched_to_its_end(models, written):
    """The table has 4 million slots and no gap; the look-up of 50,000 tokens still ends soon."""
    header, sections = models("words")
    sections["wrd.table"] = np.random.default_rng(5).integers(1, 2**32, 1 << 22, dtype=np.uint32)
    path = written((header, sections))
    data = b"".join(b"Word%d\n" % i for i in range(50_000)) + b"\n"
    assert (
        succeed(
            run_binary("etagger", path, "--columns", "word", stdin=data, timeout=120)
        ).out.count(b"\n")
        == 50_001
    )


def test_names_that_do_not_end(models, written):
    """Each word begins a name of 4 billion words: the look-up stops at 64."""
    header, sections = models("gazetteer")
    sections["gazetteer.longest"] = np.full(2, 2**32 - 1, np.uint32)
    data = b"New NNP\n" * 5_000 + b"\n"
    assert (
        succeed(
            run_binary(
                "etagger",
                written((header, sections)),
                "--columns",
                "word pos",
                stdin=data,
                timeout=120,
            )
        ).out.count(b"\n")
        == 5_001
    )


def test_a_vocabulary_of_one_hash_is_refused_at_export(monkeypatch):
    """The writer guarantees what the reader relies on: no token is farther than MOST_PROBES slots
    from its place.
    """
    tokens = [f"token{i}" for i in range(20_000)]
    sections = engine_file.index("wrd", tokens)
    table = sections["wrd.table"] & np.uint32((1 << 24) - 1)
    slots = np.flatnonzero(table)
    places = engine_file.hashes([token.encode() for token in tokens])[table[slots] - 1] & np.uint32(
        len(table) - 1
    )
    assert sorted(table[slots]) == list(range(1, 20_001))
    assert np.max((slots - places) % len(table)) < engine_file.MOST_PROBES
    monkeypatch.setattr(
        engine_file, "hashes", lambda tokens: np.full(len(tokens), 12345, np.uint32)
    )
    assert engine_file.index("wrd", tokens[: engine_file.MOST_PROBES])
    with pytest.raises(cli.UserError, match="of its tokens have one hash"):
        engine_file.index("wrd", tokens[: engine_file.MOST_PROBES + 1])


def test_what_the_engine_refuses_is_not_exported(models, tmp_path):
    with pytest.raises(cli.UserError, match=f"word_length: 1025, expected at most {MOST_WIDTH}"):
        fuzz_seeds.model_of(word_length=MOST_WIDTH + 1)
    gazetteer = {"types": ["LOC"], "names": [[["New"] * 65, [0]]]}
    with pytest.raises(cli.UserError, match="a gazetteer's name of 65 words"):
        engine_file.gazetteer_sections(gazetteer)
    header, sections = models("words")
    with pytest.raises(cli.UserError, match="a header of 1,"):
        engine_file.write(str(tmp_path / "large"), {**header, "more": " " * (1 << 20)}, sections)
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------- --verify


def test_verify_refuses_every_flipped_bit(written):
    path = written("words")
    assert (
        succeed(run_binary("flips", path)).out.decode()
        == f"{8 * path.stat().st_size} bits flipped\n"
    )


def test_verify(written):
    """It prints what it checked, or what is damaged, and reads nothing from standard input."""
    path = written("gazetteer")
    process = subprocess.Popen(
        [binary("etagger"), path, "--verify"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.wait(20) == 0  # with standard input open
    assert (
        process.stderr.read().decode()
        == f"etagger: {path}: verified, {path.stat().st_size:,} bytes\n"
    )
    assert process.stdout.read() == b""
    for pipe in (process.stdin, process.stdout, process.stderr):
        pipe.close()
    data, raw = path.read_bytes(), Raw(path.read_bytes())
    vectors = raw.entry("wrd.vectors")
    for place, what in (
        (vectors["offset"] + 5, "section wrd.vectors is damaged"),
        (vectors["offset"] + vectors["bytes"], "a byte between its sections is damaged"),
        (70, "its header is damaged"),
        (62, "its header is damaged"),
        (raw.prelude["table"] + 60, "its header is damaged"),
        (len(data) - 1, "damaged"),
    ):
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        assert what in refused(path, "--verify")


def test_verify_opens_the_model_too(models, written):
    header, sections = models("words")
    del sections["projection.bias"]
    assert "section projection.bias is missing" in refused(written((header, sections)), "--verify")
    assert "no such file" in refused("nowhere.etagger", "--verify")


# ---------------------------------------------------------------- fuzzers and sanitizers


@pytest.mark.slow
def test_fuzzers_find_nothing(tmp_path):
    """make fuzz with 25 seconds for each target."""
    done = subprocess.run(
        [sys.executable, os.path.join(FUZZ, "run.py"), "--seconds", "25", "--build", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    if done.returncode == 2 and "no clang++ with libFuzzer" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("nothing found") == done.stdout.count("\n") >= 3
    for line in done.stdout.splitlines():
        assert int(line.split()[1].replace(",", "")) > 1000, line


@pytest.mark.slow
@pytest.mark.parametrize("sanitizers", ["thread", "address,undefined"])
def test_eight_threads_on_one_model(written, tmp_path, sanitizers):
    """8 threads give the same tags as one, with every instruction set of the machine, and the
    sanitizers report nothing.
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
            f"-DETAGGER_SANITIZE={sanitizers}",
            "-DETAGGER_TENSORFLOW=OFF",
            f"-DPython3_EXECUTABLE={sys.executable}",
        ],
        check=True,
        capture_output=True,
    )
    subprocess.run(
        [cmake, "--build", build, "-j2", "--target", "threads", "etagger_command", "flips"],
        check=True,
        capture_output=True,
    )
    data = b"".join(sample("test")[:150]) + b"-DOCSTART- -X- O O\n\n"

    def run(name, *args, stdin=data):
        done = run_binary(name, *args, stdin=stdin, build=build, timeout=600)
        if "unexpected memory mapping" in done.err:
            pytest.skip(
                "ThreadSanitizer cannot run here: the kernel puts memory where it wants its own"
            )
        succeed(done)
        assert "Sanitizer" not in done.err and "runtime error" not in done.err, done.err
        return done.out

    for kind in ("default", "iobes", "conv2d"):
        path = written(kind)
        out = run("threads", path, 8).decode()
        assert "portable: 151 sentences, the same tags from 8 threads\n" in out
        tagged = run("etagger", path, "-j", 8, "--columns", "word pos chunk tag", stdin=data * 20)
        assert (
            tagged
            == succeed(
                run_binary(
                    "etagger",
                    path,
                    "-j",
                    1,
                    "--columns",
                    "word pos chunk tag",
                    stdin=data * 20,
                    build=BUILD,
                )
            ).out
        )
    path = written("words")
    run("etagger", path, "--verify")
    if sanitizers != "thread":
        assert b"bits flipped" in run("flips", path)
