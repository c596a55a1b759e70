"""The engine's command on streams: by one thread or many it gives the same bytes, in order, at once, and stops where it should."""
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from commands import SMALL, one_line, sample, write_sample
from serving import INFERENCE, binary, run_binary, succeed, untrained

sys.path.insert(0, INFERENCE)
import export  # noqa: E402

THREADS = (1, 2, 8)
ROW = b"Berlin NNP B-NP O\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An .etagger file of random weights."""
    binary("etagger")
    folder = tmp_path_factory.mktemp("model")
    path = str(folder / "model.etagger")
    export.write_engine_file(untrained(folder / "ner_model", *write_sample(folder), *SMALL), path, False)
    return path


@pytest.fixture(scope="module")
def long():
    """Sentences of all lengths, some 2 MB of columns."""
    rng = random.Random(1)
    sentences = sample("train") + [ROW * rng.randint(1, 40) + b"\n" for _ in range(300)] + [ROW * 3000 + b"\n", b"\n", b"-DOCSTART- -X- O O\n\n"]
    while sum(map(len, sentences)) < 2_000_000:
        sentences += sentences[:2000]
    rng.shuffle(sentences)
    return b"".join(sentences)


class Open:
    """The command with its pipes open."""

    def __init__(self, *command):
        self.process = subprocess.Popen([binary("etagger"), *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.out = b""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        while part := os.read(self.process.stdout.fileno(), 1 << 16):
            self.out += part

    def write(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def wait_for(self, rows, seconds=20):
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
    assert [row.rpartition(b" ")[0] if row else row for row in expected.split(b"\n")] == long.split(b"\n")


@pytest.mark.parametrize("threads", THREADS)
def test_pieces_of_any_size_give_the_same(model, long, expected, threads):
    rng, stream, at = random.Random(threads), Open(model, "-j", threads), 0
    data = long[:300_000]
    while at < len(data):
        size = rng.choice([1, 2, 10, 100, 5_000, 70_000])
        stream.write(data[at:at + size])
        at += size
    stream.process.stdin.close()
    code, said = stream.end()
    assert code == 0, said
    whole = data[:data.rindex(b"\n\n") + 2].count(b"\n")
    assert stream.out.split(b"\n")[:whole] == expected.split(b"\n")[:whole]
    assert stream.out.count(b"\n") == data.count(b"\n")


@pytest.mark.parametrize("threads", THREADS)
def test_an_open_pipe_is_answered_at_once(model, long, threads):
    stream = Open(model, "-j", threads)
    stream.write(long)
    rows = long.count(b"\n")
    stream.wait_for(rows)
    for _ in range(3):
        stream.write(ROW + b"\n")
        rows += 2
        assert stream.wait_for(rows) < 0.2
    stream.write(b"Berlin NNP B-NP O\n")           # not yet whole
    time.sleep(0.05)
    assert stream.out.count(b"\n") == rows
    stream.process.stdin.close()
    assert stream.end()[0] == 0
    assert stream.out.count(b"\n") == rows + 1


@pytest.mark.parametrize("threads", THREADS)
def test_a_bad_row_ends_it_once_the_sentences_before_are_out(model, long, expected, threads):
    """At once, though the pipe stays open."""
    good = long[:long.index(b"\n\n", 1_000_000) + 2]
    stream = Open(model, "-j", threads)
    stream.write(good + ROW + b"Berlin NNP\n\n" + ROW + b"\n")
    code, said = stream.end()
    assert code == 2
    assert f"<stdin>:{good.count(bytes([10])) + 2}: 2 columns, expected 4" in one_line(said)
    assert stream.out == expected[:len(stream.out)] and stream.out.count(b"\n") == good.count(b"\n")


@pytest.mark.parametrize("threads", THREADS)
def test_a_reader_that_goes_away_ends_it_quietly(model, long, threads):
    with subprocess.Popen([binary("etagger"), model, "-j", str(threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        writer = threading.Thread(target=write_all, args=(process.stdin, long * 2))
        writer.start()
        assert len(process.stdout.read(100)) == 100
        process.stdout.close()
        assert process.wait(20) == 0
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
    assert os.listdir(tmp_path)                    # under its temporary name
    stream.process.send_signal(signal.SIGINT)
    code, said = stream.end()
    assert code == 130 and one_line(said) == "etagger: interrupted\n"
    assert os.listdir(tmp_path) == []


def test_threads_attached_to_their_flag(model):
    data = ROW + b"\n"
    assert run_binary("etagger", model, "-j2", stdin=data).out == run_binary("etagger", model, "--threads=2", stdin=data).out != b""
    assert "-x2" in one_line(run_binary("etagger", model, "-x2").err)


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
                seen.append(next(int(line.split()[1]) for line in status if line.startswith("VmRSS")))
    stream.process.stdin.close()
    assert stream.end()[0] == 0
    assert seen[1] < seen[0] + 4096, seen
