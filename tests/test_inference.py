"""inference.py as a user runs it: rows out are rows in, byte for byte and at once, in every
mode.
"""

import copy
import dataclasses
import io
import itertools
import os
import random
import re
import signal
import sys
import threading
import time
import types
import warnings

import pytest

import conll
import schemes
from cli import Parser, UserError
from config import Config
from features.feed import tagging_batches
from features.tokenizer import tokenize
from inference import Tagger
from support.commands import (
    TINY,
    arguments,
    fit,
    left_behind,
    no_spacy,
    one_line,
    piped,
    read_some,
    same_weights,
    sample,
    wait_until,
    write_sample,
)
from support.rows import NASTY, NASTY_FILES, TAG, assert_rows_kept
from tagging import command, streams
from tagging.tagger import MissingColumns, columns_note, missing_columns


@pytest.fixture(scope="module")
def tagger(trained):
    return Tagger.load(trained.prefix)


@pytest.fixture
def tag(tagger, tmp_path):
    """A function that tags bytes by bulk mode from file to file and returns the output."""

    def run(data, tagger=tagger, **flags):
        (tmp_path / "in.txt").write_bytes(data)
        command.run(
            tagger,
            arguments(input=str(tmp_path / "in.txt"), output=str(tmp_path / "out.txt"), **flags),
        )
        return (tmp_path / "out.txt").read_bytes()

    return run


def predictions(out):
    return [line.split()[-1] for line in out.split(b"\n") if line.strip()]


# ---------------------------------------------------------------- rows


@pytest.mark.parametrize("name", NASTY_FILES)
def test_rows_out_are_rows_in(tag, name, capsys):
    given = NASTY_FILES[name]
    assert_rows_kept(given, tag(given))
    counted = re.search(r"(\d+) bytes are not UTF-8", capsys.readouterr().err)
    assert (counted and int(counted[1])) == (10 if b"caf" in given else None)


def test_docstart_is_O_wherever_it_stands(tag):
    rows = tag(NASTY).split(b"\n")
    assert [row.split()[-1] for row in rows if row.startswith(b"-DOCSTART-")] == [b"O"] * 4


@pytest.fixture
def standard_input():
    """A function that puts an open file in place of standard input until the test ends."""
    kept = os.dup(0)
    yield lambda file: os.dup2(file.fileno(), 0)
    os.dup2(kept, 0)
    os.close(kept)


@pytest.mark.parametrize(
    "mode, given, begun, has_default, expected",
    [
        (None, "file", 0, True, ""),
        (None, "file", 0, False, ""),
        (None, "file", 1, True, "data/test.txt"),  # a loop of the shell reads it
        (None, "empty", 0, True, "data/test.txt"),
        (None, "/dev/null", 0, True, "data/test.txt"),
        (None, "/dev/null", 0, False, "data/test.txt"),
        (None, "pipe", 0, True, "data/test.txt"),
        (None, "pipe", 0, False, ""),
        ("bulk", "file", 0, True, "data/test.txt"),
        ("bulk", "pipe", 0, False, "data/test.txt"),
        ("bucket", "file", 1, True, ""),
        ("line", "pipe", 0, True, ""),
    ],
)
def test_what_is_tagged_by_default(
    standard_input, tmp_path, monkeypatch, mode, given, begun, has_default, expected
):
    """'' is standard input."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    if has_default:
        (tmp_path / "data" / "test.txt").touch()
    (tmp_path / "file").write_bytes(b"Berlin\n")
    (tmp_path / "empty").touch()
    if given == "pipe":
        file, other_end = map(os.fdopen, os.pipe(), ("rb", "wb"))
        other_end.close()
    else:
        file = open(tmp_path / given, "rb")
        os.lseek(file.fileno(), begun, os.SEEK_SET)
    with file:
        standard_input(file)
    parser = Parser()
    command.add_tagging_flags(parser)
    flags = ["--mode", mode] if mode else []
    args = command.choose_input(parser.parse_args(flags))
    assert (args.mode, args.input) == (mode or "bulk", expected)
    assert command.choose_input(parser.parse_args([*flags, "--input", "x"])).input == "x"


def test_a_file_on_standard_input_is_tagged_without_flags(trained, zygote, tag):
    assert zygote.run("inference.py", "--restore", trained.prefix, stdin=NASTY).out == tag(NASTY)


def test_bucket_mode_is_bulk_mode(trained, tag, zygote):
    """Through pipes and as a process, the output is the same as from file to file; the figures go
    to standard error.
    """
    done = zygote.run(
        "inference.py", "--mode", "bucket", "--restore", trained.prefix, "--timing", stdin=NASTY
    )
    assert done.code == 0
    assert done.out == tag(NASTY)
    assert re.search(r"16 sentences, 3,0\d\d tokens, [\d.]+ s, [\d.]+ ms a sentence", done.err)
    p50, p90, p99 = map(
        float, re.search(r"p50 ([\d.]+)  p90 ([\d.]+)  p99 ([\d.]+)", done.err).groups()
    )
    assert 0 < p50 <= p90 <= p99


def test_bulk_mode_to_standard_output(trained, tag, zygote):
    done = zygote.run(
        "inference.py", "--restore", trained.checkpoint, "--input", trained.folder / "dev.txt"
    )
    assert done.code == 0
    assert done.out == tag((trained.folder / "dev.txt").read_bytes())
    assert "150 sentences" in one_line(done.err)


def test_it_tags_well(trained, tag):
    from scoring.chunks import score

    out = tag((trained.folder / "dev.txt").read_bytes()).decode()
    rows = [
        [line.split()[-2:] for line in block.split("\n")] for block in out.strip().split("\n\n")
    ]
    gold, predicted = ([[row[i] for row in sentence] for sentence in rows] for i in (0, 1))
    best = max(row["chunk_f1"] for row in trained.trainer.state.history)
    assert score(gold, predicted).f1 == pytest.approx(best)


def test_batches_do_not_change_tags(trained, tagger, tag):
    text = b"".join(sample("test")[:40])
    one = Tagger.load(trained.prefix, batch_size=1)
    assert tag(text, one) == tag(text)
    assert set(tagger.counts) != {1} and set(one.counts) == {1}


def test_cut_anywhere(tagger, trained, tag):
    """The output does not depend on the pieces of the stream."""
    want, out = tag(NASTY), io.BytesIO()
    work = streams.ColumnTagger(tagger, "<stdin>", None, out)
    reader = conll.BlockReader()
    for i in range(0, len(NASTY), 7):
        work.process(reader.feed(NASTY[i : i + 7]))
    work.process(reader.close())
    assert out.getvalue() == want


# ---------------------------------------------------------------- columns


def cut(text, count):
    """The first columns of a file."""
    return b"\n".join(b" ".join(line.split()[:count]) for line in text.split(b"\n"))


def test_without_gold(tag, capsys):
    text = b"".join(sample("test")[:40])
    assert predictions(tag(cut(text, 3))) == predictions(tag(text))
    assert "lacks" not in capsys.readouterr().err


def test_without_pos_and_chunk_warns_once(tag, tagger, tmp_path, capsys):
    text = cut(b"".join(sample("test")), 1)
    text *= 1 + (3 * streams.READ_SIZE) // len(text)  # several reads
    assert_rows_kept(text, tag(text))
    err = capsys.readouterr().err
    assert err.count("lacks") == 1 and "pos and chunk column" in err
    two = b"".join(
        b" ".join([line.split()[0], line.split()[3]]) + b"\n" if line.strip() else b"\n"
        for line in sample("test")[0].split(b"\n")[:-1]
    )
    assert_rows_kept(two, tag(two))
    assert capsys.readouterr().err.count("lacks") == 1


def test_columns_flag(tag):
    text = b"".join(sample("test")[:40])
    mixed = b"\n".join(
        b" ".join([cells[3], b"?", cells[2], cells[0], b"?", cells[1]])
        if (cells := line.split())
        else b""
        for line in text.split(b"\n")
    )
    assert predictions(tag(mixed, columns="tag _ chunk word _ pos")) == predictions(tag(text))


# ---------------------------------------------------------------- schemes


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A model with random initial weights and IOBES tags, whose tags are nonsense."""
    folder = tmp_path_factory.mktemp("untrained")
    trainer = fit(
        *write_sample(folder),
        *TINY,
        "--tag_scheme",
        "iobes",
        "--epoch",
        1,
        "--max_train_steps_per_epoch",
        1,
        "--learning_rate",
        1e-12,
    )
    return os.path.join(trainer.config.checkpoint_dir, "ner_model")


def test_constrained_is_well_formed(untrained, tag):
    """The tags are well-formed in the model's scheme (IOBES), and are written in that of the data
    (BIO).
    """
    sentences = [
        conll.Sentence(1, sentence.split(b"\n")[0].decode().split(), None, None, None)
        for sentence in sample("test")[:60]
    ]
    loose, held = Tagger.load(untrained), Tagger.load(untrained, constrained=True)
    for model in (loose, held):
        model.meta["data_scheme"] = "iobes"  # answer in the scheme of the decoded tags
    assert not all(schemes.well_formed(tags, "iobes") for tags in loose.tag(sentences))
    assert all(schemes.well_formed(tags, "iobes") for tags in held.tag(sentences))


def test_iobes_model_tags_in_bio(untrained, tag):
    tagger = Tagger.load(untrained)
    assert {tag[0] for tag in tagger.meta["tags"]} == set("OBIES")
    found = predictions(tag(b"".join(sample("test")[:60]), tagger))
    assert {tag[:1] for tag in found} == {b"O", b"B", b"I"}


# ---------------------------------------------------------------- from Python


def columns_of(split, count):
    """Words, POS, chunks and tags of the sample's first sentences, as lists of lists."""
    rows = [
        [line.decode().split() for line in sentence.split(b"\n") if line]
        for sentence in sample(split)[:count]
    ]
    return tuple([[row[i] for row in sentence] for sentence in rows] for i in range(4))


def test_predict(tagger, tag):
    words, pos, chunks, _ = columns_of("test", 60)
    want = predictions(tag(b"".join(sample("test")[:60])))
    assert [
        tag.encode() for tags in tagger.predict(words, pos=pos, chunks=chunks) for tag in tags
    ] == want
    assert tagger.predict(iter(map(tuple, words))) == tagger.predict(words)
    assert tagger.predict([[], ["-DOCSTART-"], words[0]]) == [
        [],
        ["O"],
        tagger.predict(words[:1])[0],
    ]
    read = [conll.Sentence(1, *columns) for columns in zip(words, pos, chunks, chunks)]
    assert tagger.predict(read) == tagger.predict(words, pos, chunks) != tagger.predict(words)
    assert tagger.predict([]) == tagger.predict_entities([]) == []


def test_predict_entities(tagger):
    words, pos, chunks, _ = columns_of("test", 60)
    found = tagger.predict_entities(words, pos, chunks)
    assert [
        [(entity.start, entity.end, entity.type) for entity in entities] for entities in found
    ] == [schemes.chunks(tags) for tags in tagger.predict(words, pos, chunks)]
    for sentence, entities in zip(words, found):
        assert all(
            entity.text == " ".join(sentence[entity.start : entity.end]) and 0 < entity.score <= 1
            for entity in entities
        )
    assert sum(map(len, found)) > 60
    assert tagger.predict_entities([[]]) == [[]]


def test_evaluate(tagger):
    words, pos, chunks, tags = columns_of("test", 100)
    report = tagger.evaluate(words, tags, pos, chunks)
    gold, found = (
        [{(i, *chunk) for i, sentence in enumerate(all_tags) for chunk in schemes.chunks(sentence)}]
        for all_tags in (tags, tagger.predict(words, pos, chunks))
    )
    for kind, figures in [*report.types.items(), (None, report.total)]:
        mine, theirs = (
            {chunk for chunk in chunks if kind in (None, chunk[3])} for chunks in (*found, *gold)
        )
        correct = len(mine & theirs)
        assert figures.support == len(theirs)
        assert figures[:3] == pytest.approx(
            (
                100 * correct / len(mine),
                100 * correct / len(theirs),
                200 * correct / (len(mine) + len(theirs)),
            )
        )
    assert list(report.types) == ["LOC", "MISC", "ORG", "PER"]
    right = sum(
        a == b
        for one, other in zip(tags, tagger.predict(words, pos, chunks))
        for a, b in zip(one, other)
    )
    assert report.accuracy == pytest.approx(100 * right / sum(map(len, tags)))
    assert (
        tagger.evaluate([conll.Sentence(1, *columns) for columns in zip(words, pos, chunks, tags)])
        == report
    )
    lines = str(report).splitlines()
    assert (
        len(lines) == 6
        and lines[5].split()[0] == "all"
        and lines[5].split()[-1] == str(report.total.support)
    )


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda tagger: tagger.predict(["Peter went to Rome"]),
            "sentence 1: 'Peter went to Rome', expected a list of words",
        ),
        (lambda tagger: tagger.predict("Peter went"), "sentence 1: 'P', expected a list of words"),
        (
            lambda tagger: tagger.predict([["Peter"], [1]]),
            "sentence 2: '\\[1\\]', expected a list of words",
        ),
        (
            lambda tagger: tagger.predict_entities([["Peter", "went"]], pos=[["NNP"]]),
            "sentence 1: 2 words and 1 pos, expected as many",
        ),
        (
            lambda tagger: tagger.predict([["Peter"]], chunks=[]),
            "1 sentences and 0 of chunks, expected as many",
        ),
        (
            lambda tagger: tagger.evaluate([["Peter"]]),
            "evaluate: expected gold tags beside the words",
        ),
        (
            lambda tagger: tagger.evaluate([["Peter"]], [["PERSON"]]),
            "evaluate: 'PERSON' is not O or PREFIX-TYPE; the model's tags are O B-",
        ),
    ],
)
def test_mistakes_in_python(tagger, call, message):
    with pytest.raises(UserError, match=message):
        call(tagger)


def test_save(trained, tagger, tmp_path):
    """The saved checkpoint is complete and has the weights in use, even if their own checkpoint is
    gone.
    """
    words, *_ = columns_of("test", 20)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in os.listdir(trained.checkpoint):
        if name.startswith("ner_model"):
            (copy / name).write_bytes((trained.checkpoint / name).read_bytes())
    one = Tagger.load(copy)
    assert one.prefix == str(copy / "ner_model")
    for name in os.listdir(copy):
        (copy / name).unlink()
    one.save(tmp_path / "new" / "folder")
    assert same_weights(tmp_path / "new" / "folder" / "ner_model", trained.prefix)
    other = Tagger.load(tmp_path / "new" / "folder")
    assert (
        other.meta["config"] == tagger.meta["config"]
        and other.meta["made_from"] == tagger.meta["made_from"]
    )
    assert (
        other.predict_entities(words)
        == one.predict_entities(words)
        == tagger.predict_entities(words)
    )
    other.save(tmp_path / "new" / "folder")  # onto itself
    assert Tagger.load(tmp_path / "new" / "folder" / "ner_model").predict(words) == tagger.predict(
        words
    )
    assert left_behind(tmp_path / "new" / "folder") == []


def test_taggers_do_not_disturb_one_another(trained, untrained, tagger):
    """Two models, and one of them twice, are used in turns and from threads; each gives the same as
    alone.
    """
    words, *_ = columns_of("test", 30)
    models = [
        Tagger.load(trained.prefix, threads=1),
        Tagger.load(untrained, threads=1),
        Tagger.load(untrained, constrained=True, threads=1),
    ]
    alone = [model.predict_entities(words) for model in models]
    assert alone[0] == tagger.predict_entities(words)
    assert len({str(entities) for entities in alone}) == 3
    for i in range(0, 30, 10):
        for model, want in zip(models, alone):
            assert [
                [entity[:4] for entity in entities]
                for entities in model.predict_entities(words[i : i + 10])
            ] == [[entity[:4] for entity in entities] for entities in want[i : i + 10]]
    results = {}
    workers = [
        threading.Thread(
            target=lambda k=k: results.setdefault(k, models[k].predict_entities(words))
        )
        for k in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [results[k] for k in range(3)] == alone


@pytest.fixture(scope="module")
def custom(tmp_path_factory):
    """A model with the user's own encoder: its folder with the code, and its prefix."""
    folder = tmp_path_factory.mktemp("custom")
    (folder / "my_encoder.py").write_text(
        "def plain(x, mask, config, is_train):\n    return x * 2\n"
    )
    sys.path.insert(0, str(folder))
    try:
        trainer = fit(*write_sample(folder), *TINY, "--encoder", "my_encoder.plain", "--epoch", 1)
    finally:
        sys.path.remove(str(folder))
    return folder, os.path.join(trainer.config.checkpoint_dir, "ner_model")


def test_trust(custom, zygote):
    """A checkpoint's own code runs only if it is trusted."""
    folder, prefix = custom
    given = ["inference.py", "--restore", prefix, "--input", folder / "dev.txt"]
    assert (
        "'my_encoder.plain': not known here; it is code of its own, which runs only where it is "
        "trusted (--trust)" in zygote.mistake(*given, folder=folder)
    )
    done = zygote.run(*given, "--trust", folder=folder)
    assert done.code == 0 and done.out.count(b"\n") == (folder / "dev.txt").read_bytes().count(
        b"\n"
    ), done.err


# ---------------------------------------------------------------- streams


def read_until(stream, ending):
    """Reads the output up to `ending`."""
    data = b""
    while not data.endswith(ending):
        data += read_some(stream)
    return data


def test_answers_at_once(trained, zygote, tmp_path):
    """While the pipe is open, a sentence's tags come within 0.2 s. The shortest wait counts: other
    work on the machine makes some waits longer, but a reader that waits for more input makes all of
    them longer.
    """
    waits = []
    with piped(
        zygote,
        "inference.py",
        "--mode",
        "bucket",
        "--restore",
        trained.prefix,
        err=tmp_path / "err",
    ) as run:
        for sentence in sample("test")[:12]:
            run.given.write(sentence[:-1])
            started = time.monotonic()
            run.given.write(b"\n")
            assert_rows_kept(sentence, read_until(run.out, b"\n\n"))
            waits.append(time.monotonic() - started)
        run.given.close()
        assert run.process.wait() == 0
    waits = sorted(waits[1:])
    print(
        f"from the blank line to the tags: median {1000 * waits[5]:.1f} ms, longest "
        f"{1000 * waits[-1]:.1f} ms"
    )
    assert waits[0] < 0.2


def test_reader_goes_away(trained, zygote, tmp_path):
    """As in `inference.py | head -1`, the command ends quietly with 0."""
    with piped(
        zygote,
        "inference.py",
        "--restore",
        trained.prefix,
        "--input",
        trained.folder / "train.txt",
        err=tmp_path / "err",
    ) as run:
        assert run.out.read(1)
        run.out.close()
        assert run.process.wait() == 0
    assert (tmp_path / "err").read_text() == ""


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)]
)
def test_interrupt(trained, zygote, tmp_path, number):
    """Ctrl-C while tagging ends with 130 and leaves no half-written --output. SIGTERM and SIGHUP do
    the same.
    """
    with piped(
        zygote,
        "inference.py",
        "--mode",
        "bucket",
        "--restore",
        trained.prefix,
        "--output",
        tmp_path / "out.txt",
        err=tmp_path / "err",
    ) as run:
        run.given.write(sample("test")[0])
        wait_until(lambda: any(name.startswith(".out.txt") for name in os.listdir(tmp_path)))
        os.kill(run.pid, number)
        assert run.process.wait() == 128 + number
    said = "interrupted" if number == signal.SIGINT else "ended by SIG"
    assert said in one_line((tmp_path / "err").read_text())
    assert os.listdir(tmp_path) == ["err"]


def test_output_is_whole_or_as_before(tag, tagger, tmp_path):
    (tmp_path / "out.txt").write_bytes(b"from before")
    with pytest.raises(UserError, match=r"in.txt:4: 2 columns, expected 4"):
        tag(b"a NN B-NP O\nb NN B-NP O\n\nc NN\n\n")
    assert (tmp_path / "out.txt").read_bytes() == b"from before"
    tag(sample("test")[0])
    assert_rows_kept(sample("test")[0], (tmp_path / "out.txt").read_bytes())
    assert left_behind(tmp_path) == []


def test_output_to_a_link_and_to_a_pipe(tag, tagger, tmp_path):
    """A link stays a link; a named pipe (or /dev/null) is written to and not replaced."""
    (tmp_path / "target").write_bytes(b"")
    (tmp_path / "out.txt").symlink_to("target")
    tag(sample("test")[0])
    assert (tmp_path / "out.txt").is_symlink()
    assert_rows_kept(sample("test")[0], (tmp_path / "target").read_bytes())
    os.mkfifo(tmp_path / "pipe")
    came = []
    reader = threading.Thread(
        target=lambda: came.append((tmp_path / "pipe").read_bytes()), daemon=True
    )
    reader.start()
    command.run(tagger, arguments(input=str(tmp_path / "in.txt"), output=str(tmp_path / "pipe")))
    reader.join(10)
    assert_rows_kept(sample("test")[0], came[0])
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.slow
def test_memory_does_not_grow(trained, zygote, tmp_path):
    """The peaks of memory after 5 MB and after 50 MB of a stream with nearly all words distinct
    differ by less than 20 MB.
    """
    draw, peaks = random.Random(1), []
    with piped(
        zygote,
        "inference.py",
        "--mode",
        "bucket",
        "--restore",
        trained.prefix,
        err=tmp_path / "err",
    ) as run:
        for megabytes in (5, 45):
            for _ in range(megabytes):
                rows = (
                    b"".join(
                        b"%d NN B-NP O\n%s" % (draw.getrandbits(40), b"\n" * (draw.random() < 0.05))
                        for _ in range(45_500)
                    )
                    + b"\n"
                )
                threading.Thread(target=run.given.write, args=[rows], daemon=True).start()
                left = rows.count(b"\n")
                while left:
                    left -= read_some(run.out).count(b"\n")
            with open(f"/proc/{run.pid}/status") as status:
                peaks.append(int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) / 1024)
        run.given.close()
        assert run.process.wait() == 0
    print(f"peak memory after 5 MB: {peaks[0]:.1f} MB, after 50 MB: {peaks[1]:.1f} MB")
    assert peaks[1] - peaks[0] < 20


def test_batches_have_few_shapes():
    """TensorFlow remembers each shape, so its memory grows unless there are few of them, whatever
    the input.
    """
    draw, config, shapes = random.Random(1), Config(batch_size=64, max_batch_tokens=4000), set()
    for _ in range(300):
        lengths = [1 + int(draw.expovariate(1 / 20)) for _ in range(draw.randint(1, 300))]
        batches = list(tagging_batches(lengths, config))
        assert sorted(i for batch, _, _ in batches for i in batch) == list(range(len(lengths)))
        for batch, size, longest in batches:
            assert len(batch) <= size < 2 * len(batch) or size == len(batch)
            assert (
                max(lengths[i] for i in batch)
                <= longest
                < 1.25 * max(lengths[i] for i in batch) + 1
            )
            assert size <= 64 and (size * longest <= 4000 or size == 1)
            shapes.add((size, longest))
    assert len(shapes) < 150
    assert list(tagging_batches([5000], config)) == [([0], 1, 5120)]
    assert list(tagging_batches([], config)) == []


# ---------------------------------------------------------------- columns that are missing


@pytest.mark.parametrize("use_pos", [True, False])
@pytest.mark.parametrize("use_chk", [True, False])
@pytest.mark.parametrize("feature_drop", [0.0, 0.3])
def test_which_columns_are_missing(use_pos, use_chk, feature_drop):
    """The columns that the model has and the sentences lack; none if it has learned to do
    without.
    """
    config = Config(use_pos=use_pos, use_chk=use_chk, feature_drop=feature_drop)
    for pos, chunks in itertools.product((None, ["NN"]), repeat=2):
        sentences = [
            conll.Sentence(1, ["-DOCSTART-"], None, None, ["O"]),
            conll.Sentence(2, [], None, None, None),
            conll.Sentence(3, ["a"], pos, chunks, None),
        ]
        expected = []
        if not feature_drop:
            expected += ["pos"] if use_pos and not pos else []
            expected += ["chunk"] if use_chk and not chunks else []
        line = missing_columns(config, sentences, "FILE")
        assert re.findall("pos|chunk", line) == expected
        assert not line or "column, which FILE lacks: tags will be worse" in line
        assert missing_columns(config, sentences[:2], "FILE") == ""
    note = columns_note(config)
    assert bool(note) == (not feature_drop and (use_pos or use_chk))
    assert not note or "--feature_drop" in note and ("chunk" in note) == use_chk


def test_predict_warns_once(tagger):
    """It warns of missing columns at the caller's line, and again with another Tagger."""
    words, tags = [["Peter", "sleeps"]], [["O", "O"]]
    for ask in (
        lambda tagger: tagger.predict(words),
        lambda tagger: tagger.predict_entities(words, pos=[["NNP", "VBZ"]]),
        lambda tagger: tagger.evaluate(words, tags),
    ):
        own = copy.copy(tagger)
        own.warned = False
        with pytest.warns(
            MissingColumns, match="trained with the .*chunk column, which the input"
        ) as told:
            ask(own)
            ask(own)
        assert len(told) == 1 and told[0].filename == __file__
    own = copy.copy(tagger)
    own.warned = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own.predict([["-DOCSTART-"]])
        own.predict(words, [["NNP", "VBZ"]], [["B-NP", "B-VP"]])
        own.config = dataclasses.replace(own.config, feature_drop=0.5)
        own.predict(words)


# ---------------------------------------------------------------- lines


def test_lines(trained, zygote):
    text = "Peter Blackburn went to Rome.\n\n   \nIt's U.S. policy!\ncaf\udce9 here".encode(
        errors="surrogateescape"
    )
    done = zygote.run(
        "inference.py",
        "--mode",
        "line",
        "--restore",
        trained.prefix,
        stdin=text,
        path=[no_spacy(trained.folder)],
    )
    assert done.code == 0
    blocks = [
        [row.split(b" ") for row in block.split(b"\n") if row] for block in done.out.split(b"\n\n")
    ]
    words = [[row[0] for row in block] for block in blocks if block]
    assert words == [
        b"Peter Blackburn went to Rome .".split(),
        b"It 's U.S. policy !".split(),
        b"caf\xe9 here".split(),
    ]
    assert all(
        row[1:4] == [b"O", b"O", b"O"] and re.fullmatch(TAG, row[4])
        for block in blocks
        for row in block
    )
    assert done.out.count(b"\n\n") + done.out.count(b"\n\n\n") >= 3
    notes = done.err.splitlines()
    assert (
        "built-in tokenizer" in notes[0]
        and "trained with the pos and chunk column, which <stdin> lacks" in notes[1]
        and "3 sentences, 13 tokens" in notes[2]
        and "1 bytes are not UTF-8" in notes[3]
        and len(notes) == 4
    )


STUB = """
import types
def load(name):
    if name != "stub":
        raise OSError(f"[E050] Can't find model '{name}'.\\nSecond line.")
    def pipeline(text):
        text.encode()
        words = text.split()
        return [
            types.SimpleNamespace(
                text=word,
                idx=0,
                is_space=False,
                tag_="NNP" if word[0].isupper() else "NN",
                ent_type_="PER" if word == "Peter" else "",
                ent_iob_="B" if word == "Peter" else "O",
            )
            for word in words
        ]
    pipeline.meta = {"lang": "xx", "name": "stub"}
    return pipeline
"""


def test_lines_with_spacy(trained, zygote, tmp_path):
    """spaCy gives the words, the POS in column 2 and its entities in column 4; a line that it
    cannot process is split without it.
    """
    (tmp_path / "spacy.py").write_text(STUB)
    given = ["--mode", "line", "--restore", trained.prefix]
    done = zygote.run(
        "inference.py",
        *given,
        "--spacy_model",
        "stub",
        stdin=b"Peter sleeps.\n\xff x!\n",
        path=[tmp_path],
    )
    assert done.code == 0, done.err
    assert re.fullmatch(
        rb"Peter NNP O B-PER %b\nsleeps. NN O O %b\n\n\xff O O O %b\nx O O O %b\n! O O O %b\n\n"
        % ((TAG,) * 5),
        done.out,
    )
    assert "spaCy (xx_stub) splits the text" in done.err.splitlines()[0]
    fallback = zygote.run("inference.py", *given, stdin=b"Peter sleeps.\n", path=[tmp_path])
    assert fallback.code == 0 and fallback.out.count(b"\n") == 4
    assert "built-in tokenizer" in fallback.err
    message = zygote.mistake(
        "inference.py", *given, "--spacy_model", "nope", stdin=b"Peter sleeps.\n", path=[tmp_path]
    )
    assert "--spacy_model nope: [E050] Can't find model 'nope'." in message


E050 = OSError("[E050] Can't find model 'en_core_web_sm'.\nSecond line.")


def fake_spacy(error, *installed):
    """A spaCy whose load() raises `error` and which has these models."""

    def load(name):
        raise error

    util = types.SimpleNamespace(get_installed_models=lambda: list(installed))
    return types.SimpleNamespace(load=load, util=util)


@pytest.mark.parametrize(
    "spacy, told",
    [
        (None, ["spaCy is not installed"]),
        (fake_spacy(E050), ["[E050] Can't find model", "without any model", "spacy download"]),
        (
            fake_spacy(E050, "xx_ent_wiki_sm", "de_core_news_sm"),
            ["[E050]", "with the models de_core_news_sm, xx_ent_wiki_sm: name another with"],
        ),
        (
            fake_spacy(ValueError("[E002] Can't find factory"), "en_core_web_sm"),
            ["[E002] Can't find factory", "with the models en_core_web_sm"],
        ),
        (types.SimpleNamespace(load=fake_spacy(E050).load), ["[E050]", "without any model"]),
    ],
)
def test_what_there_is_of_spacy_is_told(monkeypatch, capsys, spacy, told):
    """The message names the model that was looked for, the installed ones, and the flag that
    helps.
    """
    monkeypatch.setitem(sys.modules, "spacy", spacy)
    text = " Peter sleeps."
    assert streams._analyzer("")(text) == (
        text,
        [(1, 6), (7, 13), (13, 14)],
        ["Peter", "sleeps", "."],
        None,
        ["O"] * 3,
    )
    note = one_line(capsys.readouterr().err)
    assert "en_core_web_sm" in note and "--spacy_model" in note and "built-in tokenizer" in note
    assert all(part in note for part in told), note
    with pytest.raises(UserError, match="^--spacy_model en_other: ") as caught:
        streams._analyzer("en_other")
    assert all(part in str(caught.value) for part in told) and "\n" not in str(caught.value)


def test_lines_with_the_real_spacy():
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    text = " Peter went  to Rome.\n"
    _, spans, words, pos, entities = streams._with_spacy(pipeline, text)
    assert [text[start:end] for start, end in spans] == words
    assert words == ["Peter", "went", "to", "Rome", "."] and pos is None and entities == ["O"] * 5


@pytest.mark.parametrize(
    "text, tokens",
    [
        ("", ""),
        (" \t\u3000\n", ""),
        ("Peter went to Rome.", "Peter went to Rome ."),
        ('He said: "Go!" (twice)', 'He said : " Go ! " ( twice )'),
        ("J. Smith of the U.S. left.", "J. Smith of the U.S. left ."),
        ("don't can't it's we'll they’re", "do n't ca n't it 's we 'll they ’re"),
        ("Wait... no…", "Wait ... no …"),
        ("3.5% of $1,000.50", "3.5 % of $ 1,000.50"),
        ("東京、大阪。", "東京、大阪 。"),
        ("well-known and/or x@y.org", "well-known and/or x@y.org"),
        ("...", "..."),
        ("((a))", "( ( a ) )"),
        ("O'Neill's", "O'Neill 's"),
    ],
)
def test_tokenize(text, tokens):
    assert tokenize(text) == tokens.split()


def test_tokenize_loses_only_white_space():
    text = "\"'`([{<$#@*“‘ 'tis n't 's .,;:!?%*…”’ a.b.c. ''' ..a.. \ud800 \x00 é́"
    assert "".join(tokenize(text)) == "".join(text.split())
