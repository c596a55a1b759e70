"""The engine's command on streams gives the same bytes with one thread and with many, in order and
at once, and stops where it should.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest

import export
import schemes
from support.commands import SMALL, one_line, sample, wait_until, write_sample
from support.serving import INFERENCE, binary, binary_mistake, run_binary, succeed, untrained

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
    """The command with open pipes."""

    def __init__(self, *command, **how):
        self.process = subprocess.Popen(
            [binary("etagger"), *map(str, command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **how,
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
        """Waits until so many rows have come out. Returns the seconds."""
        started = time.perf_counter()
        while self.out.count(b"\n") < rows:
            assert time.perf_counter() - started < seconds, self.out[-1000:]
            time.sleep(0.001)
        return time.perf_counter() - started

    def end(self):
        """Waits for the end. Returns the exit code and the messages."""
        said = self.process.stderr.read().decode()
        self.reader.join()
        self.process.stdin.close()
        return self.process.wait(), said


@pytest.fixture(scope="module")
def expected(model, long):
    """The output of one thread that tags one sentence at a time."""
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
    """It ends at once, though the pipe stays open."""
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_leaves_no_file(model, long, tmp_path, number):
    """The process ends by the signal, as its parent expects."""
    (tmp_path / "pred.txt").write_bytes(b"as before")
    stream = Open(
        model,
        "-j",
        2,
        "--output",
        tmp_path / "pred.txt",
    )
    stream.write(long[:500_000])
    assert len(os.listdir(tmp_path)) == 2
    stream.process.send_signal(number)
    assert stream.end() == (-number, "")
    assert os.listdir(tmp_path) == ["pred.txt"]
    assert (tmp_path / "pred.txt").read_bytes() == b"as before"


def test_nohup_is_respected(model, tmp_path):
    stream = Open(
        model,
        "--output",
        tmp_path / "pred.txt",
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )
    stream.write(ROW)
    while not os.listdir(tmp_path):
        time.sleep(0.01)
    stream.process.send_signal(signal.SIGHUP)
    stream.process.stdin.close()
    assert stream.end()[0] == 0
    assert (tmp_path / "pred.txt").read_bytes().startswith(ROW[:-1])


def test_a_model_that_is_cut_short_ends_it_with_a_line(model, tmp_path):
    path = tmp_path / "model.etagger"
    shutil.copy(model, path)
    stream = Open(path, "-j", 1, "--output", tmp_path / "pred.txt")
    stream.write(ROW + b"\n")
    while len(os.listdir(tmp_path)) < 2:
        time.sleep(0.01)
    time.sleep(0.1)
    os.truncate(path, 5000)
    stream.write(ROW + b"\n")
    code, said = stream.end()
    assert code == 2 and "cut short" in one_line(said) and "by renaming" in said
    assert os.listdir(tmp_path) == ["model.etagger"]


# ---------------------------------------------------------------- descriptors


@pytest.mark.parametrize("threads", (1, 2))
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_pipes_that_do_not_block(model, long, threads, flags):
    """Both ends of standard input and output have O_NONBLOCK; reader and writer are slow."""
    data = long[: long.index(b"\n\n", 400_000) + 2]
    (there, give), (take, here) = os.pipe(), os.pipe()
    for end in (there, here):
        os.set_blocking(end, False)
    process = subprocess.Popen(
        [binary("etagger"), model, "-j", str(threads), *flags],
        stdin=there,
        stdout=here,
        stderr=subprocess.PIPE,
    )
    os.close(there), os.close(here)

    def write():
        with open(give, "wb") as out:
            out.write(data[:70_000])
            out.flush()
            time.sleep(0.2)
            out.write(data[70_000:])

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.5)
    with open(take, "rb") as stream:
        out = stream.read()
    writer.join()
    assert process.wait(20) == 0, process.stderr.read()
    process.stderr.close()
    assert out == succeed(run_binary("etagger", model, *flags, stdin=data)).out


def shell(command, *args, folder=None):
    """Runs a line of sh with arguments. Returns the exit code, standard output and standard
    error.
    """
    done = subprocess.run(
        ["sh", "-c", command, "sh", *map(str, args)], capture_output=True, timeout=60, cwd=folder
    )
    return done.returncode, done.stdout, done.stderr.decode()


CLOSED = " is closed; redirect it to a file or a pipe\n"


def test_closed_descriptors(model, tmp_path):
    """A command that needs a closed descriptor reports it; no message goes into a file of the
    run.
    """
    etagger = binary("etagger")
    (tmp_path / "in.txt").write_bytes(ROW + b"\n")
    expected = succeed(run_binary("etagger", model, stdin=ROW + b"\n")).out

    def run(flags, folder=tmp_path):
        return shell(f'"$1" "$2" {flags}', etagger, model, folder=folder)

    assert run("< in.txt >&-") == (2, b"", "etagger: standard output" + CLOSED)
    assert run("--help >&-") == (2, b"", "etagger: standard output" + CLOSED)
    assert run("--version >&-") == (2, b"", "etagger: standard output" + CLOSED)
    assert run("<&-") == (2, b"", "etagger: standard input" + CLOSED)
    assert run("<&- >&- 2>&-") == (2, b"", "")
    assert run("< in.txt 2>&-") == (0, expected, "")
    for closed in ("<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"):
        code, out, err = run(f"--input in.txt --output out.txt -j 2 {closed}")
        assert (code, out) == (0, b"") and ("1 sentences" in err or "2>" in closed)
        assert (tmp_path / "out.txt").read_bytes() == expected
    assert sorted(os.listdir(tmp_path)) == ["in.txt", "out.txt"]


def test_the_library_without_descriptors(model, tmp_path):
    """It opens and writes files in a process that has none of the three standard descriptors."""
    (tmp_path / "in.txt").write_bytes(ROW + b"\n")
    script = """
import os, sys
os.closerange(0, 3)
import etagger
model = etagger.load(sys.argv[1])
model.tag_file("in.txt", "out.txt", threads=2)
taken = [file for file in range(3) if os.path.exists(f"/proc/self/fd/{file}")]
with open("said.txt", "w") as out:
    out.write(f"{taken} {model.tag(['Berlin'], ['NNP'], ['B-NP'])}")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, model],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.path.join(INFERENCE, "python")},
        timeout=60,
    )
    tagged = succeed(run_binary("etagger", model, stdin=ROW + b"\n")).out
    assert done.returncode == 0 and (tmp_path / "out.txt").read_bytes() == tagged
    assert (tmp_path / "said.txt").read_text() == f"[] {tagged.decode().split()[-1:]}"


@pytest.mark.parametrize("flags", [(), ("--verify",)])
def test_a_pipe_is_no_model(tmp_path, flags):
    os.mkfifo(tmp_path / "pipe")
    said = binary_mistake("etagger", tmp_path / "pipe", *flags, timeout=10)
    assert said == f"etagger: {tmp_path}/pipe: not a plain file; check the path\n"


def test_more_threads_than_anybody_has(model, long, expected):
    done = succeed(run_binary("etagger", model, "-j", 1_000_000, stdin=long))
    assert done.out == expected
    assert "--threads 1000000: 256 are started" in done.err


# --------------------------------------------------------------- sentences and lines without an end

MOST = 100_000  # kMostRows of text/blocks.h


def long_rows(count):
    rng = random.Random(count)
    words = ("Peter", "Berlin", "left", "1999", "x")
    return [b"%s NNP B-NP O\n" % rng.choice(words).encode() for _ in range(count)]


def test_a_sentence_without_an_end_is_tagged_in_pieces(model):
    """The pieces are the same however the sentence comes in; each is tagged as a sentence of its
    own.
    """
    rows = long_rows(2 * MOST + 10)
    data = b"".join(rows[:5]) + b"\n" + b"".join(rows) + b"\n" + ROW
    cut = [b"".join(rows[at : at + MOST]) for at in range(0, len(rows), MOST)]
    apart = b"".join(rows[:5]) + b"\n" + b"\n".join(cut) + b"\n" + ROW
    done = succeed(run_binary("etagger", model, "-j", 2, stdin=data))
    tagged = succeed(run_binary("etagger", model, "-j", 1, stdin=apart)).out.split(b"\n")
    for blank in (5 + 1 + 2 * MOST + 1, 5 + 1 + MOST):  # the blank lines that cut it
        assert tagged.pop(blank) == b""
    assert done.out.split(b"\n") == tagged
    told = "a sentence of more than 100,000 tokens was tagged in pieces; is a blank line missing"
    assert told in done.err
    stream = Open(model, "-j", 2)  # in other pieces
    for at in range(0, len(data), 999_983):
        stream.write(data[at : at + 999_983])
        time.sleep(0.01)
    stream.process.stdin.close()
    assert stream.end()[0] == 0 and stream.out == done.out


@pytest.mark.parametrize("count", [MOST - 1, MOST, MOST + 1])
def test_the_longest_sentence(model, count):
    data = b"".join(long_rows(count))
    for end in (b"", b"\n", b"\n" + ROW):
        done = succeed(run_binary("etagger", model, "-j", 1, stdin=data + end))
        assert done.out.count(b"\n") == (data + end).count(b"\n")
        assert ("in pieces" in done.err) == (count > MOST)


def test_a_line_of_too_many_words_stays_one_line(model):
    words = b" ".join(row.split()[0] for row in long_rows(MOST + 7))
    whole = succeed(run_binary("etagger", model, "--line", stdin=b"Rome\n" + words + b"\n"))
    cut = words.split(b" ")
    apart = b"Rome\n" + b" ".join(cut[:MOST]) + b"\n" + b" ".join(cut[MOST:]) + b"\n"
    pieces = succeed(run_binary("etagger", model, "--line", stdin=apart)).out
    assert whole.out.count(b"\n\n") == 2 and "in pieces" in whole.err
    assert whole.out.replace(b"\n\n", b"\n") == pieces.replace(b"\n\n", b"\n")
    records = succeed(run_binary("etagger", model, "--line", "--json", stdin=words)).out
    assert json.loads(records)["text"].encode() == words


@pytest.mark.parametrize("flags", [("-j", 1), ("-j", 2), ("--line",)])
def test_a_line_without_an_end_is_refused(model, long, flags):
    """It is refused once the sentences before it are written, and long before all of it is in
    memory.
    """
    good = long[: long.index(b"\n\n", 300_000) + 2]
    data = good + b"x" * 17_000_000
    done = run_binary("etagger", model, *flags, stdin=data)
    assert done.code == 2
    line = good.count(b"\n") + 1
    assert f"<stdin>:{line}: a line of more than 16,777,216 bytes" in done.err
    assert done.out == succeed(run_binary("etagger", model, *flags, stdin=good)).out


# ---------------------------------------------------------------- columns that the model misses

MISSING = (
    "the model was trained with the pos and chunk column, which <stdin> lacks: tags will be worse, "
    "unless it was trained with feature_drop"
)


@pytest.mark.parametrize("flags", [(), ("--line",), ("--json",), ("--line", "--json")])
def test_missing_columns_are_told_once(model, flags):
    data = b"-DOCSTART-\n\n" + b"Berlin\n\n" * 9
    err = succeed(run_binary("etagger", model, *flags, stdin=data)).err
    assert err.count("lacks") == 1 and f"etagger: {MISSING}\n" in err


def test_missing_columns_are_told_where_a_document_begins_alone(model):
    stream = Open(model)
    stream.write(b"-DOCSTART-\n\n")
    stream.wait_for(2)
    stream.write(b"Berlin\n\n")
    stream.wait_for(4)
    stream.process.stdin.close()
    code, said = stream.end()
    assert code == 0 and said.count(MISSING) == 1


def test_what_is_not_missing_is_not_told(model, tmp_path_factory):
    assert "lacks" not in run_binary("etagger", model, stdin=b"-DOCSTART-\n\n" + ROW).err
    assert "lacks" not in run_binary("etagger", model, stdin=b"-DOCSTART-\n\n").err
    folder = tmp_path_factory.mktemp("drop")
    flags = [*write_sample(folder), *SMALL, "--feature_drop", "0.3"]
    export.write_engine_file(
        untrained(folder / "ner_model", *flags), str(folder / "drop.etagger"), False
    )
    assert "lacks" not in run_binary("etagger", folder / "drop.etagger", stdin=b"Berlin\n").err


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
    "Obama's wife left Berlin (Ms. O'Neil didn't).\r\n\n  \n-DOCSTART-\nÉCOLE 😀 漢字 "
    '"U.S."\\\x01\n'.encode()
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
    """There is one line for each sentence, including -DOCSTART-; blank lines alone have none."""
    out = succeed(run_binary("etagger", model, "--json", stdin=long)).out
    sentences = [rows for rows in blocks_of(expected) if rows]
    records = [json.loads(line) for line in out.split(b"\n")[:-1]]
    assert len(records) == len(sentences)
    for record, rows in zip(records, sentences):
        assert record["text"] == " ".join(row[0] for row in rows)
        check_entities(record, rows)


def blocks_of(data):
    """The rows of each block of columns (bytes), as lists of cells; [] is a blank line alone."""
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
    """Checks that the entities are the chunks of the rows' tags, and that their places are
    right.
    """
    assert [entity["type"] for entity in record["entities"]] == [
        kind for _, _, kind in schemes.chunks([row[-1] for row in rows])
    ]
    last = 0
    for entity, (start, end, _) in zip(
        record["entities"], schemes.chunks([row[-1] for row in rows])
    ):
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
    """Compares resident memory after 4 MB and after 60 MB of columns."""
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
