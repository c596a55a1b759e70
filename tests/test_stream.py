"""The engine's command on streams: by one thread or many it gives the same bytes, in order, at
once, and stops where it should.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

import conll
from commands import SMALL, one_line, sample, wait_until, write_sample
from serving import INFERENCE, binary, binary_mistake, run_binary, succeed, untrained

sys.path.insert(0, INFERENCE)
import export  # noqa: E402

THREADS = (1, 2, 8)
ROW = b"Berlin NNP B-NP O\n"


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """A checkpoint of random weights."""
    folder = tmp_path_factory.mktemp("model")
    return untrained(folder / "ner_model", *write_sample(folder), *SMALL)


@pytest.fixture(scope="module")
def model(prefix, tmp_path_factory):
    """The .etagger file of `prefix`."""
    binary("etagger")
    path = str(tmp_path_factory.mktemp("engine") / "model.etagger")
    export.write_engine_file(prefix, path, False)
    return path


@pytest.fixture(scope="module")
def long():
    """Sentences of all lengths, some 2 MB of columns."""
    rng = random.Random(1)
    sentences = (
        sample("train")
        + [ROW * rng.randint(1, 40) + b"\n" for _ in range(300)]
        + [ROW * 3000 + b"\n", b"\n", b"-DOCSTART- -X- O O\n\n"]
    )
    while sum(map(len, sentences)) < 2_000_000:
        sentences += sentences[:2000]
    rng.shuffle(sentences)
    return b"".join(sentences)


@pytest.mark.parametrize("flags", [[], ["--line"], ["--json"]])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-be"])
def test_another_encoding_is_named(model, flags, encoding):
    name = encoding.upper().replace("-BE", "BE")
    message = binary_mistake("etagger", model, *flags, stdin="Berlin NNP B-NP O\n".encode(encoding))
    assert f"<stdin>: not UTF-8, but {name}; convert it with `iconv -f {name} -t UTF-8`" in message


class Open:
    """The command with its pipes open."""

    def __init__(self, *command):
        self.process = subprocess.Popen(
            [binary("etagger"), *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.out = b""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        while part := os.read(self.process.stdout.fileno(), 1 << 16):
            self.out += part

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def wait_for(self, rows, seconds=120):
        """Seconds until so many rows came out."""
        started = time.perf_counter()
        while self.out.count(b"\n") < rows:
            assert time.perf_counter() - started < seconds, self.out[-1000:]
            time.sleep(0.001)
        return time.perf_counter() - started

    def end(self):
        """Waits for the end. Returns its exit code and what it said."""
        said = self.process.stderr.read().decode()
        self.reader.join()
        self.process.stdin.close()
        return self.process.wait(), said


@pytest.fixture(scope="module")
def expected(model, long):
    """What one thread makes of it, a sentence at a time."""
    return succeed(run_binary("etagger", model, "-j", 1, "--batch_size", 1, stdin=long)).out


@pytest.mark.parametrize("threads", THREADS)
def test_threads_keep_the_order(model, long, expected, threads):
    assert succeed(run_binary("etagger", model, "-j", threads, stdin=long)).out == expected


def test_rows_out_are_rows_in(long, expected):
    assert [row.rpartition(b" ")[0] if row else row for row in expected.split(b"\n")] == long.split(
        b"\n"
    )


@pytest.mark.parametrize("threads", THREADS)
def test_pieces_of_any_size_give_the_same(model, long, expected, threads):
    rng, stream, at = random.Random(threads), Open(model, "-j", threads), 0
    data = long[:300_000]
    while at < len(data):
        size = rng.choice([1, 2, 10, 100, 5_000, 70_000])
        stream.write(data[at : at + size])
        at += size
    stream.process.stdin.close()
    code, said = stream.end()
    assert code == 0, said
    whole = data[: data.rindex(b"\n\n") + 2].count(b"\n")
    assert stream.out.split(b"\n")[:whole] == expected.split(b"\n")[:whole]
    assert stream.out.count(b"\n") == data.count(b"\n")


@pytest.mark.parametrize("threads", THREADS)
def test_an_open_pipe_is_answered_at_once(model, long, threads):
    stream = Open(model, "-j", threads)
    stream.write(long)
    rows = long.count(b"\n")
    stream.wait_for(rows)
    waits = []
    for _ in range(5):
        stream.write(ROW + b"\n")
        rows += 2
        waits.append(stream.wait_for(rows))
    assert min(waits) < 0.2  # other work on the machine makes some of them longer, not all
    stream.write(b"Berlin NNP B-NP O\n")  # not yet whole
    time.sleep(0.05)
    assert stream.out.count(b"\n") == rows
    stream.process.stdin.close()
    assert stream.end()[0] == 0
    assert stream.out.count(b"\n") == rows + 1


@pytest.mark.parametrize("threads", THREADS)
def test_a_bad_row_ends_it_once_the_sentences_before_are_out(model, long, expected, threads):
    """At once, though the pipe stays open."""
    good = long[: long.index(b"\n\n", 1_000_000) + 2]
    stream = Open(model, "-j", threads)
    stream.write(good + ROW + b"Berlin NNP\n\n" + ROW + b"\n")
    code, said = stream.end()
    assert code == 2
    assert f"<stdin>:{good.count(bytes([10])) + 2}: 2 columns, expected 4" in one_line(said)
    assert stream.out == expected[: len(stream.out)] and stream.out.count(b"\n") == good.count(
        b"\n"
    )


@pytest.mark.parametrize("threads", THREADS)
def test_a_reader_that_goes_away_ends_it_quietly(model, long, threads):
    with subprocess.Popen(
        [binary("etagger"), model, "-j", str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        writer = threading.Thread(target=write_all, args=(process.stdin, long * 2))
        writer.start()
        assert len(process.stdout.read(100)) == 100
        process.stdout.close()
        assert process.wait(120) == 0
        assert process.stderr.read() == b""
        writer.join()


def write_all(stream, data):
    try:
        stream.write(data)
        stream.close()
    except BrokenPipeError:
        pass


@pytest.mark.parametrize("threads", THREADS)
def test_ctrl_c_leaves_no_file(model, long, tmp_path, threads):
    stream = Open(model, "-j", threads, "--output", tmp_path / "pred.txt")
    stream.write(long)
    wait_until(lambda: os.listdir(tmp_path))  # under its temporary name
    stream.process.send_signal(signal.SIGINT)
    code, said = stream.end()
    assert code == 130 and one_line(said) == "etagger: interrupted\n"
    assert os.listdir(tmp_path) == []


def test_threads_attached_to_their_flag(model):
    data = ROW + b"\n"
    assert (
        run_binary("etagger", model, "-j2", stdin=data).out
        == run_binary("etagger", model, "--threads=2", stdin=data).out
        != b""
    )
    assert "-x2" in one_line(run_binary("etagger", model, "-x2").err)


# ---------------------------------------------------------------- raw text in, JSON out

TEXT = (
    "Obama's wife left Berlin (Ms. O'Neil didn't).\r\n\n  \n-DOCSTART-\nÉCOLE 😀 漢字 \"U.S.\"\\\x01\n".encode()
    + b"\xff\xfe left\nno end"
)


@pytest.fixture(scope="module")
def text(long):
    """Lines of raw text: those of TEXT, and the words of `long`."""
    blocks = long[:500_000].split(b"\n\n")
    return (
        b"".join(
            b" ".join(row.split()[0] for row in block.split(b"\n") if row) + b"\n"
            for block in blocks
        )
        + TEXT
    )


def test_lines_are_tagged_as_in_python(zygote, prefix, model, tmp_path):
    (tmp_path / "spacy.py").write_text("raise ImportError")
    expected = zygote.run(
        "inference.py", "--mode", "line", "--restore", prefix, stdin=TEXT, path=[tmp_path]
    )
    assert succeed(run_binary("etagger", model, "--line", stdin=TEXT)).out == expected.out
    assert expected.out.count(b"\n\n") >= 4


@pytest.mark.parametrize("threads", THREADS)
def test_lines_in_are_lines_of_json_out(model, text, threads):
    done = succeed(run_binary("etagger", model, "--line", "--json", "-j", threads, stdin=text))
    lines = text.split(b"\n")
    records = [json.loads(line) for line in done.out.split(b"\n")[:-1]]
    tagged = succeed(run_binary("etagger", model, "--line", "--batch_size", 1, stdin=text)).out
    assert len(records) == len(lines) == len(list(blocks_of(tagged)))
    for line, record, rows in zip(lines, records, blocks_of(tagged)):
        check_entities(record, rows)
        assert len(record["text"]) == len(line.removesuffix(b"\r").decode(errors="surrogateescape"))
    assert sum(len(record["entities"]) for record in records) > 100
    assert "2 bytes are not UTF-8: read as unknown characters, written as U+FFFD" in done.err


def test_columns_as_json(model, long, expected):
    """A line each sentence, -DOCSTART- included; blank lines alone have none."""
    out = succeed(run_binary("etagger", model, "--json", stdin=long)).out
    sentences = [rows for rows in blocks_of(expected) if rows]
    records = [json.loads(line) for line in out.split(b"\n")[:-1]]
    assert len(records) == len(sentences)
    for record, rows in zip(records, sentences):
        assert record["text"] == " ".join(row[0] for row in rows)
        check_entities(record, rows)


def blocks_of(data):
    """Columns (bytes) -> the rows of each block, as lists of cells; [] is a blank line alone."""
    rows = []
    for line in data.split(b"\n")[:-1]:
        if line:
            rows.append(line.decode(errors="replace").split(" "))
            continue
        yield rows
        rows = []
    if rows:
        yield rows


def check_entities(record, rows):
    """The entities are the chunks of the rows' tags, and stand where they say."""
    assert [entity["type"] for entity in record["entities"]] == [
        kind for _, _, kind in conll.chunks([row[-1] for row in rows])
    ]
    last = 0
    for entity, (start, end, _) in zip(record["entities"], conll.chunks([row[-1] for row in rows])):
        assert (
            record["text"][entity["start"] : entity["end"]] == entity["text"]
            and entity["start"] >= last
        )
        assert "".join(entity["text"].split()) == "".join(row[0] for row in rows[start:end])
        last = entity["end"]


def test_lines_have_no_columns(model):
    assert "--line and --columns" in binary_mistake("etagger", model, "--line", "--columns", "word")


def test_an_open_pipe_of_lines_is_answered_at_once(model):
    stream = Open(model, "--line", "--json")
    waits = []
    for number in range(1, 6):
        stream.write(b"Obama left Berlin .\n")
        waits.append(stream.wait_for(number))
    assert min(waits) < 0.2  # other work on the machine makes some of them longer, not all
    stream.process.stdin.close()
    assert stream.end()[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize("threads", (1, 4))
def test_memory_does_not_grow(model, long, threads):
    """Resident memory behind 4 MB and behind 60 MB of columns."""
    stream, rows, seen = Open(model, "-j", threads), 0, []
    for number in range(30):
        stream.write(long)
        rows += long.count(b"\n")
        stream.wait_for(rows, 60)
        stream.out, rows = b"", 0
        if number in (1, 29):
            with open(f"/proc/{stream.process.pid}/status", encoding="utf-8") as status:
                seen.append(
                    next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
                )
    stream.process.stdin.close()
    assert stream.end()[0] == 0
    assert seen[1] < seen[0] + 4096, seen
