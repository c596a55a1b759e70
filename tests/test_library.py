"""The C library and the Python package over it, with .etagger files: etagger.h,
inference/python.
"""

import contextlib
import copy
import json
import os
import pickle
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import types
import warnings
import zlib

import pytest

import conll
import schemes
from cli import __version__
from support.commands import ROOT, SMALL, fit, sample, write_sample
from support.rows import NASTY
from support.serving import (
    BUILD,
    INFERENCE,
    binary,
    python_package,
    randomize,
    run_binary,
    succeed,
    untrained,
)

PYTHON = os.path.join(INFERENCE, "python")
INCLUDE = os.path.join(INFERENCE, "cc", "include")
CORPUS = b"".join(sample("test")) + NASTY.replace(b"\0", b"\1")  # a C string holds no NUL
MISSING = (
    "the model was trained with the pos and chunk column, which {} lacks: tags will be worse, "
    "unless it was trained with feature_drop"
)
QUIET = ["-W", "ignore:the model was trained:UserWarning"]
pytestmark = pytest.mark.filterwarnings("ignore:the model was trained:UserWarning")
COLUMNS = {
    "words": ("words",),
    "words and pos": ("words", "pos"),
    "all": ("words", "pos", "chunks"),
}


def engine_file(folder, *flags):
    """Writes a model of random weights, scaled so that every tag occurs, as folder/model.etagger.
    Returns its path and settings.
    """
    import checkpoint
    import export

    folder.mkdir(exist_ok=True)
    fit(
        *write_sample(folder),
        *SMALL,
        "--summary_dir",
        "",
        "--epoch",
        1,
        "--max_train_steps_per_epoch",
        1,
        *flags,
    )
    prefix = randomize(
        str(folder / "checkpoint" / "ner_model"), str(folder / "random" / "ner_model"), 3.0
    )
    path = str(folder / "model.etagger")
    export.write_engine_file(prefix, path, False)
    return types.SimpleNamespace(path=path, meta=checkpoint.load_meta(prefix))


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """A model that has learned in IOBES from data in BIO."""
    binary("etagger")
    return engine_file(
        tmp_path_factory.mktemp("engine"), "--tag_scheme", "iobes", "--use_shape", "True"
    )


@pytest.fixture(scope="module")
def etagger():
    return python_package()


@pytest.fixture
def model(engine, etagger):
    with etagger.load(engine.path) as model:
        yield model


def columns_of(data):
    """The columns of CoNLL bytes, {name: list of sentences}, where a sentence is a list of str."""
    parser = conll.SentenceParser("test", own=("word", "pos", "chunk", "tag"))
    sentences = []
    reader = conll.BlockReader()
    for block in [*reader.feed(data), *reader.close()]:
        if block.rows:
            sentences.append(parser.parse(block))

    def of(column, sentence):
        return column or ["-X-"] * len(sentence.words)

    return {
        "words": [sentence.words for sentence in sentences],
        "pos": [of(sentence.pos, sentence) for sentence in sentences],
        "chunks": [of(sentence.chunks, sentence) for sentence in sentences],
    }


def command_tags(path, columns, build=BUILD):
    """The tags of the command etagger for {name: sentences}: a list for each sentence."""
    rows = [
        "\n".join(map(" ".join, zip(*sentence))) + "\n\n" for sentence in zip(*columns.values())
    ]
    names = [{"words": "word", "chunks": "chunk"}.get(name, name) for name in columns]
    out = succeed(
        run_binary(
            "etagger",
            path,
            "--columns",
            " ".join(names),
            stdin="".join(rows).encode(errors="surrogateescape"),
            build=build,
        )
    ).out
    return [
        [row.split()[-1].decode() for row in block.split(b"\n")]
        for block in out.strip(b"\n").split(b"\n\n")
    ]


# -------------------------------------------------------- the same tags, however they are asked for


@pytest.mark.parametrize("given", COLUMNS)
def test_many_sentences_are_tagged_as_one_by_one_and_by_the_command(engine, model, given):
    columns = {
        name: values for name, values in columns_of(CORPUS).items() if name in COLUMNS[given]
    }
    expected = command_tags(engine.path, columns)
    occur = {tag for tags in expected for tag in tags}
    assert occur == set(model.tags) if given == "all" else occur <= set(model.tags)
    assert [model.tag(*sentence) for sentence in zip(*columns.values())] == expected
    for threads in (0, 1, 2, 7):
        assert model.tag_sentences(*columns.values(), threads=threads) == expected


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_a_file_is_tagged_as_by_the_command(engine, model, tmp_path, threads):
    (tmp_path / "in.txt").write_bytes(CORPUS * 20)
    for columns in (None, "word pos chunk tag", "word _ _ _"):
        flags = ["--columns", columns] if columns else []
        model.tag_file(tmp_path / "in.txt", str(tmp_path / "out.txt"), columns, threads)
        assert (tmp_path / "out.txt").read_bytes() == succeed(
            run_binary("etagger", engine.path, *flags, stdin=CORPUS * 20)
        ).out


def test_a_bad_file_is_told_and_leaves_none(model, etagger, tmp_path):
    (tmp_path / "in.txt").write_bytes(b"Rome NNP B-NP O\n\nRome NNP B-NP O\nleft VBD\n\n")
    for given, what in (
        (
            (tmp_path / "in.txt", tmp_path / "out.txt"),
            f"{tmp_path}/in.txt:4: 2 columns, expected 4",
        ),
        ((tmp_path / "nowhere", tmp_path / "out.txt"), "no such file"),
        ((tmp_path / "in.txt", tmp_path / "no" / "out.txt"), "cannot be written"),
        ((tmp_path / "in.txt", tmp_path / "out.txt", "word verb"), "unknown column 'verb'"),
        ((tmp_path, tmp_path / "out.txt"), "is a directory"),
        ((tmp_path / "in.txt", tmp_path / "out.txt", None, -1), "threads -1"),
        ((None, tmp_path / "out.txt"), "expected the path of an input file"),
    ):
        with pytest.raises(etagger.Error) as caught:
            model.tag_file(*given)
        assert what in str(caught.value) and "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["in.txt"]


def test_sentences_of_every_length_keep_their_places(model):
    rng = random.Random(4)
    words = [word for sentence in columns_of(CORPUS)["words"] for word in sentence]
    sentences = [
        rng.choices(words, k=rng.choice((0, 0, 1, 2, 3, 9, 40, 700))) for _ in range(120)
    ] + [["-DOCSTART-"], [], ["-DOCSTART-", "x"]]
    expected = [model.tag(sentence) for sentence in sentences]
    assert model.tag_sentences(sentences) == model.tag_sentences(sentences, threads=3) == expected
    assert expected[-3:-1] == [["O"], []]
    assert (
        model.tag_sentences([]) == []
        and model.tag_sentences([[], []]) == [[], []]
        and model.tag([]) == []
    )


def test_eight_threads_on_one_model_give_the_tags_of_one(model):
    columns = columns_of(CORPUS)
    expected = model.tag_sentences(*columns.values(), threads=1)
    outcomes = [None] * 8

    def work(i):
        one_by_one = [model.tag(*sentence) for sentence in zip(*columns.values())]
        outcomes[i] = (
            one_by_one == expected
            and model.tag_sentences(*columns.values(), threads=i % 3) == expected
        )

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [True] * 8


def test_all_kinds_of_sequences_are_taken(model):
    words = columns_of(CORPUS)["words"][0]
    expected = model.tag(words)
    assert (
        model.tag(tuple(words))
        == model.tag(iter(words))
        == model.tag(dict.fromkeys(words).keys() if len(set(words)) == len(words) else words)
        == expected
    )
    assert model.tag_sentences(iter([tuple(words), iter(words)])) == [expected, expected]


def test_a_lone_surrogate_is_an_unknown_character(model):
    contexts = columns_of(CORPUS)["words"][:100]
    ways = {
        last: model.tag_sentences([["caf" + last, last + "x", *words] for words in contexts])
        for last in ("\udce9", "\ud83d", "\udfff", "e")
    }
    assert ways["\udce9"] == ways["\ud83d"] == ways["\udfff"] != ways["e"]
    assert len(model.tag(["\ud800\udce9", "\udfff", "a b\tc\nd"])) == 3


def test_tags_and_columns_of_a_model(engine, model, etagger, tmp_path):
    meta = engine.meta
    assert meta["tag_scheme"] == "iobes" and meta["data_scheme"] == "bio"
    assert model.tags == schemes.scheme_tags(meta["tags"], "iobes", "bio")
    assert model.columns == ["word", "pos", "chunk"]
    size, _, checksum = model.fingerprint.partition("-")
    assert int(size) == os.path.getsize(engine.path) and re.fullmatch("[0-9a-f]{8}", checksum)
    other = engine_file(tmp_path, "--columns", "word pos _ tag", "--use_chk", "False")
    with etagger.load(other.path) as model:
        assert model.tags == other.meta["tags"]
        assert model.columns == ["word", "pos"]
        assert model.fingerprint != f"{size}-{checksum}"


# ---------------------------------------------------------------- entities


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
def test_entities_are_the_chunks_of_any_tags(etagger, scheme):
    """Tags may be well-formed or not; the entities are those of conll.chunks."""
    tags = schemes.scheme_tags(["O", "B-X", "I-X", "B-Y-Z", "I-Y-Z"], "bio", scheme)
    rng = random.Random(6)
    for _ in range(1000):
        sequence = rng.choices(tags, k=rng.randint(0, 8))
        words = [f"w{i}" for i in range(len(sequence))]
        expected = [
            (kind, start, end, " ".join(words[start:end]))
            for start, end, kind in schemes.chunks(sequence)
        ]
        assert etagger.entities(words, sequence) == expected


def test_entities_of_a_sentence(model, etagger):
    sentences = list(zip(*columns_of(CORPUS).values()))
    assert any(model.entities(*sentence) for sentence in sentences)
    for sentence in sentences[:20]:
        assert model.entities(*sentence) == etagger.entities(sentence[0], model.tag(*sentence))
    for tags in (["NN"], ["O-X"], [""], ["X-PER"]):
        with pytest.raises(etagger.Error, match="neither O nor PREFIX-TYPE"):
            etagger.entities(["word"], tags)
    with pytest.raises(etagger.Error, match="1 tags for 2 words"):
        etagger.entities(["a", "b"], ["O"])


# ---------------------------------------------------------------- mistakes


class Liar(list):
    """A list that is shorter than it says."""

    def __len__(self):
        return super().__len__() + 1


@pytest.mark.parametrize(
    "ask, what",
    [
        (
            lambda model: model.tag("Obama left"),
            "words: expected a list of str, not one str; split it first",
        ),
        (lambda model: model.tag(None), "words: expected a list of str, not None"),
        (lambda model: model.tag(["a", 3]), r"words: 3 \(word 2 of sentence 1\): expected a str"),
        (lambda model: model.tag([b"a"]), r"words: b'a' \(word 1 of sentence 1\): expected a str"),
        (
            lambda model: model.tag(["a", "b"], [None, "NN"]),
            r"pos: None \(word 1 of sentence 1\): expected a str",
        ),
        (lambda model: model.tag(["a"], chunks="B"), "chunks: expected a list of str, not one str"),
        (
            lambda model: model.tag(["a", "b\0c"]),
            r"words: 'b\\x00c' \(word 2 of sentence 1\): a NUL is no part of a text",
        ),
        (
            lambda model: model.tag(["a", ""]),
            "word 2 of sentence 1 is empty, expected text; leave it out",
        ),
        (
            lambda model: model.tag(["a", "b"], ["NN"]),
            "pos: 1 column values for 2 words in sentence 1",
        ),
        (
            lambda model: model.tag(Liar(["a"])),
            "a list was changed while it was read, or is not as long as it says",
        ),
        (lambda model: model.tag_sentences("ab"), "words: expected a list of str, not one str"),
        (lambda model: model.tag_sentences(["ab"]), "words: expected a list of str, not one str"),
        (
            lambda model: model.tag_sentences([["a"], None]),
            "words: expected a list of str, not None",
        ),
        (
            lambda model: model.tag_sentences([["a"], [], ["b", "c", 4.5]]),
            r"words: 4.5 \(word 3 of sentence 3\): expected a str",
        ),
        (
            lambda model: model.tag_sentences([["a"], ["b", "c"]], [["x"], ["y", "\0"]]),
            r"pos: '\\x00' \(word 2 of sentence 2\)",
        ),
        (
            lambda model: model.tag_sentences([["a"], [], ["b", ""]]),
            "word 2 of sentence 3 is empty",
        ),
        (
            lambda model: model.tag_sentences([["a"], ["b"]], [["x"]]),
            "pos: 1 sentences, expected 2",
        ),
        (
            lambda model: model.tag_sentences([["a"], ["b"]], None, [["x"], ["y", "z"]]),
            "chunks: 2 column values for 1 words in sentence 2",
        ),
        (lambda model: model.tag_sentences([["a"]], threads=-1), "threads -1: expected 0 or more"),
        (
            lambda model: model.tag_sentences([["a"]], threads="two"),
            "threads 'two': expected 0 or more",
        ),
        (
            lambda model: model.tag_sentences([["a"]], threads=1 << 40),
            "threads 1099511627776: expected 0 or more",
        ),
    ],
)
def test_a_mistake_is_an_error_of_one_line(model, etagger, ask, what):
    with pytest.raises(etagger.Error, match=what) as caught:
        ask(model)
    assert "\n" not in str(caught.value)
    assert model.tag(["Peter"])[0] in model.tags  # the model goes on


@pytest.mark.parametrize(
    "path, what",
    [
        ("nowhere.etagger", "nowhere.etagger: no such file"),
        ("a\0b", "a NUL is no part of a path"),
        (None, "expected the path of an .etagger file"),
        (os.path.join(ROOT, "README.md"), "README.md: not an .etagger file"),
        ("/dev/null", "not a plain file"),
        (ROOT, "neither ner_frozen.pb.memmapped nor ner_frozen.pb is in it"),
    ],
)
def test_what_is_no_model_is_an_error_of_one_line(etagger, path, what):
    with pytest.raises(etagger.Error, match=what) as caught:
        etagger.load(path)
    assert "\n" not in str(caught.value)


def test_a_closed_model_says_so(engine, etagger):
    with etagger.load(engine.path) as model:
        assert model.tag(["-DOCSTART-"]) == ["O"]
    model.close()
    for ask in (
        lambda: model.tag(["a"]),
        lambda: model.tag_sentences([["a"]]),
        lambda: model.entities(["a"]),
        lambda: model.tags,
        lambda: model.columns,
    ):
        with pytest.raises(etagger.Error, match="the model is closed"):
            ask()


NO_MEMORY = """
import resource, sys
import etagger
model = etagger.load(sys.argv[1])
before = model.tag(["Peter", "sleeps"])
with open("/proc/self/statm") as stream:
    pages = int(stream.read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (256 << 20),) * 2)
for threads in (1, 2):
    try:
        model.tag_sentences([["Peter"] * 1_000_000] * 2, threads=threads)
    except etagger.Error as error:
        print(error)
print(model.tag(["Peter", "sleeps"]) == before)
"""


def test_too_little_memory_is_an_error_and_not_the_end(engine):
    """It may also be missing in a thread of the library's own."""
    done = subprocess.run(
        [sys.executable, *QUIET, "-c", NO_MEMORY, engine.path],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": PYTHON},
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "out of memory\nout of memory\nTrue\n",
        "",
    )


NO_THREADS = "#include <errno.h>\nint pthread_create() { return EAGAIN; }\n"
WITHOUT_THREADS = """
import os, sys
import etagger
model = etagger.load(sys.argv[1])
count = lambda: len(os.listdir("/proc/self/fd"))
before = count()
for _ in range(3):
    try:
        model.tag_file(sys.argv[2], sys.argv[3], threads=4)
    except etagger.Error as error:
        print(error)
print(count() - before, os.path.exists(sys.argv[3]))
model.tag_file(sys.argv[2], sys.argv[3], threads=1)
print(os.path.exists(sys.argv[3]))
"""


def test_no_thread_to_start_is_an_error_that_leaves_no_file_open(engine, tmp_path):
    (tmp_path / "none.c").write_text(NO_THREADS)
    flags = ["-shared", "-fPIC", "-o", tmp_path / "none.so", tmp_path / "none.c"]
    subprocess.run(["cc", *flags], check=True)
    (tmp_path / "in.txt").write_bytes(CORPUS * 4)  # more than one thread takes at once
    done = subprocess.run(
        [sys.executable, *QUIET, "-c", WITHOUT_THREADS, engine.path, "in.txt", "out.txt"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": PYTHON, "LD_PRELOAD": str(tmp_path / "none.so")},
    )
    told = 3 * "no thread can be started; try -j 1\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{told}0 False\nTrue\n", "")
    assert sorted(os.listdir(tmp_path)) == ["in.txt", "none.c", "none.so", "out.txt"]


# ---------------------------------------------------------------- copies, and other processes


def copies_of(model):
    """Every way to copy a model."""
    return [
        copy.copy(model),
        copy.deepcopy({"model": [model]})["model"][0],
        *(pickle.loads(pickle.dumps(model, i)) for i in range(pickle.HIGHEST_PROTOCOL + 1)),
    ]


def test_a_copy_opens_the_file_again(engine, etagger, tmp_path, monkeypatch):
    """Also if it was opened by a relative path from another folder; each copy is closed on its
    own.
    """
    monkeypatch.chdir(os.path.dirname(engine.path))
    model = etagger.load(os.path.basename(engine.path))
    model.note = "mine"
    monkeypatch.chdir(tmp_path)
    words = columns_of(CORPUS)["words"][:20]
    expected = model.tag_sentences(words)
    copies = [*copies_of(model), pickle.loads(pickle.dumps(copy.copy(model)))]
    for copied in copies:
        assert copied.tag_sentences(words) == expected and copied.note == "mine"
        copied.close()
        assert model.tag_sentences(words) == expected
    model.close()
    for ask in (copies_of, lambda model: pickle.dumps(copies[0]), lambda model: model.tag(["a"])):
        with pytest.raises(etagger.Error, match="^the model is closed$"):
            ask(model)


def test_a_copy_tells_that_the_file_has_changed(engine, etagger, tmp_path):
    path = tmp_path / "model.etagger"
    shutil.copy(engine.path, path)
    model, data = etagger.load(path), path.read_bytes()
    kept = pickle.dumps(model)
    expected = model.tag(["Peter"])
    (tmp_path / "same").write_bytes(data)  # a copy of the file is the same
    os.replace(tmp_path / "same", path)
    assert pickle.loads(kept).tag(["Peter"]) == expected
    assert pickle.loads(kept).fingerprint == etagger.load(path).fingerprint == model.fingerprint
    flipped = bytearray(data)
    flipped[56] ^= 1  # of the checksum
    for changed, what in (
        (bytes(flipped), "its header is damaged"),
        (resealed(data), f"{path}: the file was changed since the model was opened"),
        (None, f"{path}: no such file"),
    ):
        os.unlink(path)
        if changed:
            path.write_bytes(changed)
        for again in (lambda: pickle.loads(kept), lambda: copies_of(model)):
            with pytest.raises(etagger.Error) as caught:
                again()
            assert what in str(caught.value)
        assert model.tag(["Peter"]) == expected  # which is mapped still


def resealed(data):
    """An .etagger file with another checksum of a section, otherwise valid."""
    header, size, table, sections = struct.unpack_from("<QQQQ", data, 24)
    changed = bytearray(data)
    changed[table + 104] ^= 1
    check = zlib.crc32(changed[64 : table + 128 * sections], zlib.crc32(changed[:56]))
    changed[56:60] = struct.pack("<I", check)
    assert header == 64 and size < table
    return bytes(changed)


def test_a_file_that_was_cut_short_is_an_error(engine, etagger, tmp_path):
    path = tmp_path / "model.etagger"
    shutil.copy(engine.path, path)
    with etagger.load(path) as model:
        os.truncate(path, 5000)
        for ask in (lambda: model.tag(["Peter"]), lambda: model.tag_sentences([["Peter"]] * 9)):
            with pytest.raises(etagger.Error, match="the file was cut short while it was open"):
                ask()


POOLS = """
import concurrent.futures, dataclasses, functools, gc, multiprocessing, os, sys, threading
import etagger

WORDS = ["Peter", "left", "New", "York", "."]

TEXT = "Peter left Berlin.\\n" * 3

@dataclasses.dataclass
class Job:
    model: etagger.Model
    words: list

def run(job):
    return job.model.tag(job.words)

def forked(model, expected):
    "A child that uses its parent's model, drops it, and ends as a program does."
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    same = model.tag(WORDS) == expected and model.tag_sentences([WORDS] * 300) == [expected] * 300
    same = same and list(model.pipe([TEXT] * 300)) == [model(TEXT)] * 300
    del model
    gc.collect()
    sys.exit(0 if same else 1)

def main():
    model = etagger.load(sys.argv[1])
    expected = model.tag(WORDS)
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(2) as pool:
            assert pool.map(model.tag, [WORDS] * 20) == [expected] * 20
            assert pool.map(run, [Job(model, WORDS)] * 4) == [expected] * 4
            assert pool.map(model, [TEXT] * 4) == [model(TEXT)] * 4
            assert pool.map(functools.partial(model.tag, pos=["NNP"] * 5), [WORDS])
        with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
            assert pool.submit(model.tag_sentences, [WORDS] * 200).result() == [expected] * 200
    many = [WORDS] * 20000
    threads = [threading.Thread(target=model.tag_sentences, args=(many,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert [forked(model, expected) for _ in range(5)] == [0] * 5
    for thread in threads:
        thread.join()
    os.unlink(sys.argv[1])
    with multiprocessing.get_context("fork").Pool(1) as pool:
        for ask in (pool.map_async(model.tag, [WORDS]), pool.map_async(run, [Job(model, WORDS)])):
            try:
                ask.get(20)
            except etagger.Error as error:
                print(error)
    assert model.tag(WORDS) == expected

if __name__ == "__main__":
    main()
"""


def test_pools_of_processes_tag_with_one_model(engine, tmp_path):
    """With every way to start processes, from data classes and partials, and in forks while threads
    tag. A model whose file is gone raises an error, and the pool does not wait for ever.
    """
    shutil.copy(engine.path, tmp_path / "model.etagger")
    (tmp_path / "pools.py").write_text(POOLS)
    done = subprocess.run(
        [sys.executable, *QUIET, "pools.py", "model.etagger"],
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": PYTHON, "PYTHONWARNINGS": QUIET[1]},
    )
    gone = f"{tmp_path}/model.etagger: no such file; check the path\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, 2 * gone, "")


# ---------------------------------------------------------------- warnings, and what an error shows


def test_missing_columns_are_told_once_a_model(engine, etagger, tmp_path):
    (tmp_path / "in.txt").write_bytes(b"-DOCSTART-\n\nPeter\nleft\n")
    told = MISSING.format("the call")
    ask = {
        "tag": lambda model: model.tag(["Peter"]),
        "text": lambda model: model("Peter"),
        "pipe": lambda model: list(model.pipe(["Peter"])),
        "tag_sentences": lambda model: model.tag_sentences([[], ["-DOCSTART-"], ["Peter"]]),
        "entities": lambda model: model.entities(["Peter"]),
        "long": lambda model: model.tag_sentences([["Peter"] * 1000]),
        "tag_file": lambda model: model.tag_file(tmp_path / "in.txt", tmp_path / "out.txt"),
    }
    for name, action in ask.items():
        model = etagger.load(engine.path)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            action(model)
            for again in ask.values():
                again(model)
            again(copy.copy(model))
        (warning,) = caught
        assert warning.category is etagger.MissingColumnsWarning
        assert warning.filename == __file__
        assert str(warning.message) == (
            MISSING.format(tmp_path / "in.txt") if name == "tag_file" else told
        )


@pytest.fixture
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_what_lacks_no_column_is_not_told(engine, etagger, tmp_path, warnings_are_errors):
    with etagger.load(engine.path) as model:
        model.tag([]), model.tag_sentences([[], []]), model.tag(["-DOCSTART-"])
        model.tag(["Peter"], ["NNP"], ["B-NP"])
        (tmp_path / "in.txt").write_bytes(b"-DOCSTART- -X- O O\n\nPeter NNP B-NP O\n")
        model.tag_file(tmp_path / "in.txt", tmp_path / "out.txt")
        for _ in range(2):  # as often as it happens, where it is an error
            with pytest.raises(etagger.MissingColumnsWarning, match="the chunk column"):
                model.tag(["Peter"], ["NNP"])
    flags = [*write_sample(tmp_path), *SMALL, "--feature_drop", "0.3"]
    prefix = untrained(tmp_path / "ner_model", *flags)
    import export

    export.write_engine_file(prefix, str(tmp_path / "drop.etagger"), False)
    with etagger.load(tmp_path / "drop.etagger") as model:
        model.tag(["Peter"]), model.tag_sentences([["Peter"]], pos=[["NNP"]])


@pytest.mark.parametrize(
    "name, shown",
    [
        ("a\nb", r"a\nb"),
        ("a\r\x1b[31m\x7f\x85", r"a\r\x1b[31m\x7f\x85"),
        ("caf\udce9", r"caf\xe9"),
        ("\u2028\u202e", r"\u2028\u202e"),
        ("café 漢字", "café 漢字"),
    ],
)
def test_an_error_is_one_printable_line(model, etagger, tmp_path, name, shown):
    for ask in (
        lambda: etagger.load(tmp_path / name),
        lambda: model.tag_file(tmp_path / name, tmp_path / "out.txt"),
        lambda: etagger.load(ROOT + "/README.md/" + name),
    ):
        with pytest.raises(etagger.Error) as caught:
            ask()
        text = str(caught.value)
        assert shown in text and text.isprintable() and text.encode()
        assert str(pickle.loads(pickle.dumps(caught.value))) == text
    with pytest.raises(etagger.Error, match="a path"):
        etagger.load("\ud800")  # which no bytes stand for


def test_paths_that_are_not_utf8(engine, model, etagger, tmp_path):
    folder = os.path.join(os.fsencode(tmp_path), b"caf\xe9\n")
    os.mkdir(folder)
    shutil.copy(os.fsencode(engine.path), os.path.join(folder, b"\xff.etagger"))
    for path in (os.path.join(folder, b"\xff.etagger"), os.fsdecode(folder) + "/\udcff.etagger"):
        with etagger.load(path) as again:
            assert copy.copy(again).tag(["Peter"]) == model.tag(["Peter"])
    with open(os.path.join(folder, b"in"), "wb") as out:
        out.write(b"Peter NNP B-NP O\n")
    model.tag_file(os.path.join(folder, b"in"), os.fsdecode(folder) + "/\udcffout")
    assert sorted(os.listdir(folder)) == [b"in", b"\xff.etagger", b"\xffout"]


# ---------------------------------------------------------------- Ctrl-C


@contextlib.contextmanager
def interrupted(seconds):
    """Sends this process SIGINT after a while; the code within ends soon, with
    KeyboardInterrupt.
    """
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    started = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        yield
    timer.join()
    assert time.perf_counter() - started < seconds + 1.5


def test_ctrl_c_ends_a_long_call(model, tmp_path):
    (tmp_path / "in.txt").write_bytes(ROW * 2_000_000)  # some 10 s
    (tmp_path / "out.txt").write_bytes(b"as before")
    sentences = [["Berlin"] * 10] * 200_000
    for threads in (1, 2):
        with interrupted(0.3):
            model.tag_file(tmp_path / "in.txt", tmp_path / "out.txt", threads=threads)
        assert sorted(os.listdir(tmp_path)) == ["in.txt", "out.txt"]
        assert (tmp_path / "out.txt").read_bytes() == b"as before"
    with interrupted(0.3):
        while True:  # it may come between two calls
            model.tag_sentences(sentences, threads=1)
    text = "Berlin is far. \n" * 100_000
    for call in (lambda: model(text), lambda: list(model.pipe([text, text]))):
        with interrupted(0.3):
            while True:
                call()
    assert model.tag(["Peter"])[0] in model.tags


ROW = b"Berlin NNP B-NP O\n"


@pytest.mark.parametrize("silent", ["input", "output", "input that is open"])
def test_ctrl_c_ends_the_waiting_for_a_pipe(model, tmp_path, silent):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "in.txt").write_bytes(ROW)
    there = os.open(tmp_path / "pipe", os.O_RDWR) if "open" in silent else None
    paths = [tmp_path / "in.txt", tmp_path / "pipe"]
    with interrupted(0.2):
        model.tag_file(*(paths if silent == "output" else (paths[1], tmp_path / "out.txt")))
    assert sorted(os.listdir(tmp_path)) == ["in.txt", "pipe"]
    if there:
        os.close(there)


def test_named_pipes_are_read_and_written(model, tmp_path):
    os.mkfifo(tmp_path / "in"), os.mkfifo(tmp_path / "out")
    (tmp_path / "in.txt").write_bytes(CORPUS)
    model.tag_file(tmp_path / "in.txt", tmp_path / "out.txt")
    ends = [
        subprocess.Popen(f"sleep 0.1; {command}", shell=True, cwd=tmp_path)
        for command in ("cat in.txt > in", "cat out > copy.txt")
    ]
    model.tag_file(tmp_path / "in", tmp_path / "out")
    assert [process.wait(20) for process in ends] == [0, 0]
    assert (tmp_path / "copy.txt").read_bytes() == (tmp_path / "out.txt").read_bytes()


# ------------------------------------------------------------ Python's lock, and the end of a model


class Watched:
    """The library of the package, whose long call records when it begins and ends."""

    def __init__(self, library):
        self.library, self.begun, self.times = library, threading.Event(), []

    def __getattr__(self, name):
        return getattr(self.library, name)

    def etagger_tag_joined(self, *args):
        self.times.append(time.perf_counter())
        self.begun.set()
        code = self.library.etagger_tag_joined(*args)
        self.times.append(time.perf_counter())
        return code


@pytest.fixture
def long_call(model, etagger, monkeypatch):
    """Starts a thread that tags for a while. Yields the thread, the watched library that it calls,
    and the list for its tags.
    """
    sentences = columns_of(CORPUS)["words"]
    seconds = min(_seconds(lambda: model.tag_sentences(sentences, threads=1)) for _ in range(3))
    sentences = sentences * max(1, round(0.7 / seconds))
    watched, tags = Watched(etagger._library), []
    monkeypatch.setattr(etagger, "_library", watched)
    thread = threading.Thread(target=lambda: tags.extend(model.tag_sentences(sentences, threads=1)))
    return types.SimpleNamespace(thread=thread, watched=watched, tags=tags, expected=len(sentences))


def _seconds(action):
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def test_other_threads_of_python_go_on_while_the_library_tags(long_call):
    ticks = []
    long_call.thread.start()
    while long_call.thread.is_alive():
        ticks.append(time.perf_counter())
        time.sleep(0.002)
    begin, end = long_call.watched.times
    assert sum(begin < tick < end for tick in ticks) > 5  # hardly one, if the call held the lock


def test_a_model_that_is_closed_in_the_middle_of_a_call_lives_to_its_end(
    long_call, model, etagger, monkeypatch
):
    closed = []
    close = etagger._Handle._close
    monkeypatch.setattr(
        etagger._Handle,
        "_close",
        staticmethod(lambda handle: (closed.append(time.perf_counter()), close(handle))),
    )
    long_call.thread.start()
    assert long_call.watched.begun.wait(120)
    model.close()
    with pytest.raises(etagger.Error, match="the model is closed"):
        model.tag(["a"])
    long_call.thread.join()
    assert len(long_call.tags) == long_call.expected
    assert len(closed) == 1 and closed[0] > long_call.watched.times[1]


# ---------------------------------------------------------------- C

MAIN = r"""
#include <stdio.h>
#include <string.h>

#include "etagger.h"

static int row(const char *const *tags, size_t from, size_t to) {
  while (from < to) printf("%s ", tags[from++]);
  return puts("");
}

static void failed(int code) { printf("%d %s\n", code, etagger_error()); }

int main(int argc, char **argv) {
  etagger_model *model = argc == 2 ? etagger_open(argv[1]) : NULL;
  const char *words[] = {"Peter", "sleeps", "-DOCSTART-", "Berlin"};
  const char *pos[] = {"NNP", "VBZ", "-X-", "NNP"}, *tags[4], *texts[3];
  size_t lengths[] = {2, 0, 1, 1}, i;
  int stop = 0;
  if (!model) return puts(etagger_error()), 1;
  if (etagger_tag(model, words, pos, NULL, 2, tags)) return 2;
  row(tags, 0, 2);
  puts(etagger_warning());
  if (etagger_tag_sentences(model, words, NULL, NULL, lengths, 4, 0, tags)) return 3;
  row(tags, 0, 4);
  puts(etagger_warning());
  if (etagger_tag(model, words, pos, pos, 2, tags) || *etagger_warning()) return 5;
  puts(etagger_fingerprint(model));
  etagger_stop_at(&stop);
  stop = 1;
  failed(etagger_tag_sentences(model, words, pos, pos, lengths, 4, 2, tags));
  failed(etagger_tag_file(model, argv[1], "/dev/null", "word", 0));
  etagger_stop_at(NULL);
  for (i = 0; i < etagger_tag_count(model); ++i) printf("%s ", etagger_tag_name(model, i));
  printf("%d\n", etagger_tag_name(model, i) == NULL);
  printf("%d %d %d\n", etagger_uses(model, "pos"), etagger_uses(model, "chunk"),
         etagger_uses(model, "tag"));
  etagger_split("a\0\0bc", 3, texts);
  printf("%s,%s,%s\n", texts[0], texts[1], texts[2]);
  printf("%d %d\n", etagger_tag(model, NULL, NULL, NULL, 0, NULL),
         etagger_tag_sentences(model, NULL, NULL, NULL, NULL, 0, 0, NULL));

  failed(etagger_tag(NULL, words, NULL, NULL, 2, tags));
  failed(etagger_tag(model, NULL, NULL, NULL, 2, tags));
  failed(etagger_tag(model, words, NULL, NULL, 2, NULL));
  failed(etagger_tag_sentences(model, words, NULL, NULL, NULL, 2, 0, tags));
  failed(etagger_tag_sentences(model, words, NULL, NULL, lengths, 4, -1, tags));
  pos[3] = NULL;
  failed(etagger_tag_sentences(model, words, pos, NULL, lengths, 4, 0, tags));
  failed(etagger_tag_sentences(model, words, NULL, pos, lengths, 4, 0, tags));
  words[1] = "";
  failed(etagger_tag(model, words, NULL, NULL, 2, tags));
  words[1] = NULL;
  failed(etagger_tag(model, words, NULL, NULL, 2, tags));
  etagger_close(model);
  etagger_close(NULL);
  if (etagger_open(NULL)) return 4;
  failed(etagger_tag_count(NULL) || etagger_tag_name(NULL, 0) || etagger_uses(NULL, "pos") ||
         etagger_fingerprint(NULL) || etagger_uses(model = NULL, NULL));
  return strcmp(etagger_version(), VERSION);
}
"""
MISTAKES = """\
-1 the model is NULL; etagger_open could not open it, or it was not asked to
-1 words is NULL, expected an array
-1 tags is NULL, expected an array
-1 lengths is NULL, expected the number of words of each sentence
-1 threads -1: expected 0 or more
-1 word 1 of sentence 4 has NULL as pos, expected text
-1 word 1 of sentence 4 has NULL as chunk, expected text
-1 word 2 of sentence 1 is empty, expected text; leave it out
-1 word 2 of sentence 1 is NULL, expected text
0 the path is NULL, expected that of an .etagger file
"""


def run_c(folder, source, *args, include=INCLUDE, library=BUILD, flags=()):
    """Compiles a C program as C11 against the library and runs it to its end."""
    (folder / "main.c").write_text(source)
    subprocess.run(
        [
            "cc",
            "-std=c11",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            f'-DVERSION="{__version__}"',
            *flags,
            str(folder / "main.c"),
            "-o",
            str(folder / "main"),
            "-I" + str(include),
            "-L" + str(library),
            "-letagger",
            "-Wl,-rpath," + str(library),
        ],
        check=True,
    )
    return subprocess.run([folder / "main", *args], capture_output=True, text=True, timeout=120)


def check_main(done, engine):
    """Checks the output of MAIN, against the command."""
    assert (done.returncode, done.stderr) == (0, "")
    one = command_tags(engine.path, {"words": [["Peter", "sleeps"]], "pos": [["NNP", "VBZ"]]})
    many = command_tags(engine.path, {"words": [["Peter", "sleeps"], ["-DOCSTART-"], ["Berlin"]]})
    names = schemes.scheme_tags(engine.meta["tags"], "iobes", "bio")
    rows = [" ".join(tags) for tags in (one[0], sum(many, []), names)]
    size = os.path.getsize(engine.path)
    with open(engine.path, "rb") as stream:
        (check,) = struct.unpack_from("<I", stream.read(60), 56)
    missing = MISSING.format("the call")
    stopped = "-1 stopped, as the caller asked for\n"
    assert done.stdout == (
        f"{rows[0]} \n{missing.replace('pos and chunk', 'chunk')}\n{rows[1]} \n{missing}\n"
        f"{size}-{check:08x}\n{2 * stopped}{rows[2]} 1\n1 1 0\na,,bc\n0 0\n{MISTAKES}"
    )


def test_a_c_program(engine, tmp_path):
    check_main(run_c(tmp_path, MAIN, engine.path), engine)
    done = run_c(tmp_path, MAIN, "nowhere.etagger")
    assert (done.returncode, done.stdout) == (1, "nowhere.etagger: no such file; check the path\n")


TEXTS = r"""
#include <math.h>
#include <stdio.h>

#include "etagger.h"

static int failed(const etagger_result *result) {
  return printf("%d %s\n", result != NULL, etagger_error());
}

int main(int argc, char **argv) {
  etagger_model *model = argc == 2 ? etagger_open(argv[1]) : NULL;
  const char text[] = "\xef\xbb\xbfPeter \xf0\x9f\x98\x80\0 Anna\r\nBerlin";
  const char *texts[] = {text, NULL, "Rome"};
  const size_t sizes[] = {sizeof text - 1, 0, 4};
  const unsigned units[] = {0, ETAGGER_UTF16, ETAGGER_BYTES};
  etagger_entity room[2];
  etagger_result *more;
  size_t count, tokens = 99;
  if (!model) return 1;
  for (int k = 0; k < 3; ++k) {
    etagger_result *result = etagger_tag_texts(model, texts, sizes, 3, units[k], 2);
    const etagger_entity *found = etagger_entities(result, &count);
    for (size_t i = 0; i < count; ++i)
      printf("%s %zu %zu %zu %zu %zu %d\n", found[i].type, found[i].text, found[i].start,
             found[i].end, found[i].first_byte, found[i].end_byte, isnan(found[i].score));
    const size_t *of_texts = etagger_tokens(result, &count);
    printf("%zu: %zu %zu %zu\n", count, of_texts[0], of_texts[1], of_texts[2]);
    etagger_free(result);
  }
  puts(etagger_warning());
  puts(etagger_tokenizer(model));
  for (size_t i = 0; i < etagger_type_count(model); ++i)
    printf("%s ", etagger_type_name(model, i));
  etagger_result *whole = etagger_tag_text(model, text, sizeof text - 1, ETAGGER_SCORES);
  long all = etagger_tag_text_into(model, text, sizeof text - 1, ETAGGER_SCORES, room, 2, &more,
                                   &tokens);
  const etagger_entity *found = etagger_entities(whole, &count);
  printf("%d %d %d %zu %zu\n", all == (long)count, (more != NULL) == (all > 2),
         all < 1 || (room[0].end == found[0].end && room[0].score == found[0].score), tokens,
         etagger_tokens(whole, NULL)[0]);
  etagger_free(more);
  etagger_free(whole);
  failed(etagger_tag_text(NULL, text, 1, 0));
  failed(etagger_tag_text(model, NULL, 1, 0));
  failed(etagger_tag_texts(model, texts, NULL, 1, 0, 0));
  failed(etagger_tag_texts(model, texts, sizes, 1, 16, 0));
  failed(etagger_tag_texts(model, texts, sizes, 1, ETAGGER_UTF16 | ETAGGER_BYTES, 0));
  failed(etagger_tag_texts(model, texts, sizes, 1, 0, -1));
  int stop = 1;
  etagger_stop_at(&stop);
  failed(etagger_tag_text(model, text, sizeof text - 1, 0));
  etagger_stop_at(NULL);
  printf("%ld ", etagger_tag_text_into(model, text, 1, 0, NULL, 1, &more, NULL));
  puts(etagger_error());
  printf("%d %d %d\n", etagger_entities(NULL, &count) == NULL && count == 0,
         etagger_tokenizer(NULL) == NULL, etagger_type_name(model, 99) == NULL);
  etagger_free(NULL);
  etagger_result *best = etagger_nbest_text(model, texts[2], sizes[2], 3, ETAGGER_UTF16);
  const double *probabilities = etagger_probabilities(best, &count);
  printf("%d %d ", (int)count, probabilities[0] >= probabilities[count - 1]);
  printf("%d ", etagger_tokens(best, &count)[0] == 1 && count == 1);
  etagger_free(best);
  best = etagger_nbest_text(model, "\xef\xbb\xbf \n", 5, 9, 0);
  printf("%d ", etagger_probabilities(best, &count)[0] == 1 && count == 1);
  printf("%zu ", etagger_tokens(best, &count)[0]);
  etagger_free(best);
  printf("%d ", etagger_probabilities(NULL, &count) == NULL && count == 0);
  count = 1;
  printf("%d\n", etagger_tokens(NULL, &count) == NULL && count == 0);
  failed(etagger_nbest_text(model, texts[2], sizes[2], 0, 0));
  failed(etagger_nbest_text(model, texts[2], sizes[2], 1, ETAGGER_SPLIT));
  failed(etagger_nbest_text(model, text, sizeof text - 1, 1, 0));
  const char *tags[2], joined[] = "Peter\0sleeps";
  const size_t length = 2;
  printf("%d\n", etagger_tag_joined(model, joined, sizeof joined, 0, 0, &length, 1, 1, tags));
  printf("%d ", etagger_tag_joined(model, joined, sizeof joined - 1, 0, 0, &length, 1, 1, tags));
  puts(etagger_error());
  printf("%d ", etagger_tag_joined(model, joined, sizeof joined, 1, 0, &length, 1, 1, tags));
  puts(etagger_error());
  etagger_close(model);
  return 0;
}
"""
FLAGS = "expected a sum of ETAGGER_SPLIT, ETAGGER_SCORES and one of ETAGGER_UTF16 and ETAGGER_BYTES"
TEXT_MISTAKES = """\
1 1 1 4 4
0 the model is NULL; etagger_open could not open it, or it was not asked to
0 text 1 is NULL, expected 1 bytes
0 texts or sizes is NULL, expected an array
0 flags 16: {0}
0 flags 12: {0}
0 threads -1: expected 0 or more
0 stopped, as the caller asked for
-1 entities is NULL, expected a place
1 1 1
3 1 1 1 0 1 1
0 count 0: expected 1 to 1,000
0 flags 1: expected 0, ETAGGER_UTF16 or ETAGGER_BYTES
0 the text has several lines with words, expected one sentence; give one line
0
-1 the last of the joined texts has no NUL
-1 the joined texts are not 4, as many as lengths and columns say
"""


def check_texts(done, model):
    """Checks the output of TEXTS, against the package."""
    assert (done.returncode, done.stderr) == (0, "")
    texts, rows = [b"\xef\xbb\xbfPeter \xf0\x9f\x98\x80\0 Anna\r\nBerlin", b"", b"Rome"], []
    for offsets in ("codepoints", "utf16", "bytes"):
        for number, text in enumerate(texts):
            places = model(text, offsets="bytes", scores=False)
            for entity, place in zip(model(text, offsets=offsets, scores=False), places):
                cells = (entity.type, number, *entity[1:3], *place[1:3], 1)
                rows.append(" ".join(map(str, cells)) + "\n")
        rows.append("3: 4 0 1\n")
    types = "".join(kind + " " for kind in model.types)
    said = MISSING.format("the call")
    assert done.stdout == f"{''.join(rows)}{said}\nwords\n{types}{TEXT_MISTAKES.format(FLAGS)}"


def test_texts_in_a_c_program(engine, model, tmp_path):
    check_texts(run_c(tmp_path, TEXTS, engine.path), model)


def test_the_header_is_cpp_too(tmp_path):
    (tmp_path / "main.cc").write_text(
        '#include "etagger.h"\nint main() { return etagger_error()[0]; }\n'
    )
    subprocess.run(
        [
            "c++",
            "-std=c++17",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-pedantic",
            "-fsyntax-only",
            "-I" + INCLUDE,
            str(tmp_path / "main.cc"),
        ],
        check=True,
    )


def exported_names(library):
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True
    ).stdout
    return {line.split()[-1] for line in listing.splitlines()}


def test_the_library_shows_its_header_and_nothing_else():
    with open(os.path.join(INCLUDE, "etagger.h"), encoding="utf-8") as stream:
        declared = set(
            re.findall(r"^ETAGGER_API [^(]*?(etagger_\w+)\(", stream.read(), re.MULTILINE)
        )
    assert len(declared) >= 10
    assert exported_names(binary("libetagger.so")) == declared


# ---------------------------------------------------------- installed, and built without TensorFlow

TAG = """
import importlib.util, json, sys
import etagger
model = etagger.load(sys.argv[1])
sentences = json.load(sys.stdin)
try:
    etagger.load(sys.argv[2])
    said = ""
except etagger.Error as error:
    said = str(error)
has_tensorflow = importlib.util.find_spec("tensorflow") is not None or "tensorflow" in sys.modules
print(json.dumps({"tags": model.tag_sentences(sentences), "said": said,
                  "version": etagger.__version__, "file": etagger.__file__,
                  "tensorflow": has_tensorflow}))
"""


def run_python(python, model, folder, sentences, environment=None):
    """Tags in another process, where only `python` determines where packages are."""
    done = subprocess.run(
        [python, *QUIET, "-c", TAG, model, str(folder)],
        input=json.dumps(sentences),
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        env={
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "ETAGGER"))
        }
        | (environment or {}),
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return types.SimpleNamespace(**json.loads(done.stdout))


def test_the_package_works_from_the_source_tree(engine, model, tmp_path):
    sentences = columns_of(CORPUS)["words"][:40]
    done = run_python(sys.executable, engine.path, tmp_path, sentences, {"PYTHONPATH": PYTHON})
    assert done.tags == model.tag_sentences(sentences)
    assert (
        done.file == os.path.join(PYTHON, "etagger", "__init__.py") and done.version == __version__
    )
    missing = subprocess.run(
        [sys.executable, "-c", "import etagger"],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": PYTHON,
            "ETAGGER_LIBRARY": str(tmp_path / "libetagger.so"),
        },
    )
    assert re.search(
        r"^ImportError: .*build it with make cc, or say in ETAGGER_LIBRARY where libetagger.so is$",
        missing.stderr,
        re.MULTILINE,
    )


def test_a_wheel_without_tensorflow(engine, model, tmp_path):
    """Built without network, installed into a fresh environment: the same tags, and folders are
    refused in one line.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    subprocess.run(
        [
            *pip,
            "wheel",
            "-q",
            "--no-build-isolation",
            "--no-deps",
            "--no-index",
            "-w",
            str(tmp_path),
            PYTHON,
        ],
        check=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith(f"etagger-{__version__}-py3-none-")
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True
    )
    python = str(tmp_path / "venv" / "bin" / "python")
    subprocess.run(
        [*pip, "--python", python, "install", "-q", "--no-deps", "--no-index", str(wheel)],
        check=True,
    )
    sentences = columns_of(CORPUS)["words"][:40]
    done = run_python(python, engine.path, tmp_path, sentences)
    assert done.tags == model.tag_sentences(sentences)
    assert (
        not done.tensorflow
        and done.version == __version__
        and done.file.startswith(str(tmp_path / "venv"))
    )
    assert (
        done.said
        == f"{tmp_path}: this build of etagger has no TensorFlow route; give an .etagger file, "
        f"which export.py --engine writes"
    )
    check_small(os.path.join(os.path.dirname(done.file), "libetagger.so"))


def check_small(library):
    """Checks a stripped library without TensorFlow: it is small, needs only the C library and its
    parts, and names no library to load.
    """
    assert os.path.getsize(library) < 1_000_000
    needed = re.findall(
        r"\(NEEDED\).*\[(.*)\]",
        subprocess.run(
            ["readelf", "-d", library], capture_output=True, text=True, check=True
        ).stdout,
    )
    assert needed and all(
        re.match(r"(libc|libm|libpthread|libdl|ld-linux.*)\.so", name) for name in needed
    ), needed
    with open(library, "rb") as stream:
        assert b"libetagger_tf" not in stream.read()
    assert exported_names(library) == exported_names(binary("libetagger.so"))


def build_without_tensorflow(folder, *flags, compiler="c++"):
    cmake = shutil.which("cmake") or os.path.join(ROOT, ".venv", "bin", "cmake")
    subprocess.run(
        [
            cmake,
            "-S",
            os.path.join(INFERENCE, "cc"),
            "-B",
            str(folder),
            "-DETAGGER_TENSORFLOW=OFF",
            f"-DCMAKE_CXX_COMPILER={compiler}",
            *flags,
        ],
        check=True,
        capture_output=True,
    )
    done = subprocess.run([cmake, "--build", str(folder), "-j2"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return cmake


@pytest.mark.slow
@pytest.mark.parametrize("compiler", ["g++", "clang++-14"])
def test_a_compiler_alone_builds_it_without_a_warning(engine, model, tmp_path, compiler):
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} on this machine")
    cmake = build_without_tensorflow(
        tmp_path / "build",
        "-DCMAKE_CXX_FLAGS=-Werror",
        "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
        compiler=compiler,
    )
    with open(tmp_path / "build" / "compile_commands.json", encoding="utf-8") as stream:
        commands = [entry["command"] for entry in json.load(stream)]
    assert len(commands) > 10 and all(
        " -O3 " in command and "-Wextra" in command for command in commands
    )
    assert not re.search(
        "^(Python|TensorFlow)", (tmp_path / "build" / "CMakeCache.txt").read_text(), re.MULTILINE
    )  # nobody looked for them
    prefix = tmp_path / "prefix"
    subprocess.run(
        [cmake, "--install", str(tmp_path / "build"), "--prefix", str(prefix), "--strip"],
        check=True,
        capture_output=True,
    )
    (library,) = prefix.glob("lib*/libetagger.so")
    assert sorted(
        str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()
    ) == ["bin/etagger", "include/etagger.h", str(library.relative_to(prefix))]
    check_small(library)
    check_main(
        run_c(tmp_path, MAIN, engine.path, include=prefix / "include", library=library.parent),
        engine,
    )
    columns = columns_of(CORPUS)
    assert command_tags(engine.path, columns, build=str(prefix / "bin")) == model.tag_sentences(
        *columns.values()
    )


THREADS = r"""
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "etagger.h"

enum { kWords = 4000, kSentences = 400, kThreads = 8 };
static etagger_model *model;
static const char *words[kWords], *expected[kWords];
static size_t lengths[kSentences];

static void *work(void *place) {
  static const char *tags[kThreads][kWords];
  size_t me = (size_t)place, i;
  const char *none = NULL;
  if (etagger_tag(model, &none, NULL, NULL, 1, tags[me]) == 0 || !strstr(etagger_error(), "NULL"))
    return "no error";
  if (etagger_tag_sentences(model, words, NULL, NULL, lengths, kSentences, (int)me % 3, tags[me]))
    return (void *)etagger_error();
  for (i = 0; i < kWords; i += 10)
    if (etagger_tag(model, words + i, NULL, NULL, 10, tags[me] + i)) return (void *)etagger_error();
  for (i = 0; i < kWords; ++i)
    if (strcmp(tags[me][i], expected[i])) return "another tag";
  return NULL;
}

int main(int argc, char **argv) {
  static const char *const some[] = {"Peter", "New",  "York", "1999", "\xc3\x89" "cole",
                                     "\xff",  "x",    "a b"};
  pthread_t threads[kThreads];
  size_t i;
  if (argc != 2 || !(model = etagger_open(argv[1]))) return puts(etagger_error()), 1;
  for (i = 0; i < kWords; ++i) words[i] = some[i * i % 8];
  for (i = 0; i < kSentences; ++i) lengths[i] = 10;
  if (etagger_tag_sentences(model, words, NULL, NULL, lengths, kSentences, 1, expected))
    return puts(etagger_error()), 2;
  for (i = 0; i < kThreads; ++i) pthread_create(&threads[i], NULL, work, (void *)i);
  for (i = 0; i < kThreads; ++i) {
    void *wrong;
    pthread_join(threads[i], &wrong);
    puts(wrong ? (char *)wrong : "right");
  }
  etagger_close(model);
  return 0;
}
"""


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_sanitizers_find_nothing_in_the_library(engine, model, tmp_path, sanitizer):
    """Eight threads of a C program use one model, and every mistake of MAIN and TEXTS is made."""
    build_without_tensorflow(tmp_path / "build", f"-DETAGGER_SANITIZE={sanitizer}")
    for source in (MAIN, TEXTS, THREADS):
        done = run_c(
            tmp_path,
            source,
            engine.path,
            library=tmp_path / "build",
            flags=["-pthread", f"-fsanitize={sanitizer}"],
        )
        if source == MAIN:
            check_main(done, engine)
        elif source == TEXTS:
            check_texts(done, model)
        else:
            assert (done.returncode, done.stdout, done.stderr) == (0, "right\n" * 8, "")
