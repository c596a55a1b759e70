"""serve.py under load: signals, replaced models, memory, and requests of a stranger. It takes
minutes.
"""

import contextlib
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
import types

import pytest

from support.commands import SMALL, sample, wait_until, write_sample
from support.served import Server, read_all
from support.serving import binary, untrained

pytestmark = pytest.mark.slow

WORDS = [word for block in sample("train")[:300] for word in block.decode().split()]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model of random weights as two different .etagger files."""
    import export

    binary("libetagger.so")
    folder = tmp_path_factory.mktemp("models")
    flags = [*write_sample(folder), *SMALL, "--use_pos", "False", "--use_chk", "False"]
    prefix = untrained(folder / "ner_model", *flags, seed=1)
    paths = [str(folder / "1.etagger"), str(folder / "2.etagger")]
    for path in paths:
        export.write_engine_file(prefix, path, path == paths[1])
    return types.SimpleNamespace(path=paths[0], other=paths[1])


@contextlib.contextmanager
def serving(bare_zygote, folder, *args):
    server = Server(bare_zygote, folder, *args)
    try:
        yield server
    finally:
        server.stop()
    assert "Traceback" not in server.errors()


class Clients:
    """Threads that send requests, each over a connection that it keeps, until they are stopped.
    answered: the number of right answers. lost: a list of (whether the request was the first of its
    connection, the exception or status) for the others.
    """

    def __init__(self, server, count=6):
        self.server, self.answered, self.lost = server, 0, []
        self.stopped, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self._ask, args=(i,)) for i in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def _ask(self, seed):
        generator, connection, is_new = random.Random(seed), None, True
        while not self.stopped.is_set():
            text = " ".join(generator.choices(WORDS, k=12))
            try:
                if connection is None:
                    connection, is_new = self.server.connect(30), True
                    connection.connect()
                connection.request("POST", "/parse", json.dumps({"text": text}).encode())
                response = connection.getresponse()
                body = response.read()
                if response.status == 200 and json.loads(body)["text"] == text:
                    with self.lock:
                        self.answered += 1
                else:
                    self.lost.append((is_new, response.status))
                if response.headers["connection"] == "close":
                    connection.close()
                    connection = None
                is_new = False
            except ConnectionRefusedError:
                connection = None
                if self.stopped.wait(0.01):
                    return
            except (OSError, http.client.HTTPException) as error:
                self.lost.append((is_new, repr(error)))
                connection.close()
                connection = None

    def wait_for(self, count):
        """Waits until so many further requests are answered."""
        wanted = self.answered + count
        wait_until(lambda: self.answered >= wanted)


def memory(pid):
    """The resident memory in bytes that a process does not share."""
    with open(f"/proc/{pid}/smaps_rollup") as stream:
        fields = dict(line.split(":") for line in stream if line.count(":") == 1)
    return sum(int(fields[name].split()[0]) for name in ("Private_Dirty", "Private_Clean")) * 1024


# ---------------------------------------------------------------- signals under load


def test_no_request_is_lost_by_sigterm(made, bare_zygote, tmp_path):
    for _ in range(5):
        server = Server(bare_zygote, tmp_path, made.path, "--workers", 2)
        with Clients(server) as clients:
            clients.wait_for(200)
            server.send(signal.SIGTERM)
            assert server.process.wait(60) == 0
        assert clients.lost == []
        os.remove(server.errors_path)


def test_the_others_answer_where_a_process_is_killed(made, bare_zygote, tmp_path):
    """Only requests that the killed process had accepted may be lost."""
    kills = 10
    with serving(bare_zygote, tmp_path, made.path, "--workers", 2) as server:
        with Clients(server) as clients:
            for _ in range(kills):
                clients.wait_for(200)
                killed = server.workers()[0]
                os.kill(killed, signal.SIGKILL)
                clients.wait_for(50)
                wait_until(
                    lambda killed=killed: (
                        len(server.workers()) == 2 and killed not in server.workers()
                    )
                )
            clients.wait_for(200)
        assert len(clients.lost) <= kills * len(clients.threads)
        assert server.errors().count("ended by signal 9") == kills


def test_a_thousand_swaps(made, bare_zygote, tmp_path):
    """Models are replaced under load: no request is lost, and memory does not grow."""
    path = tmp_path / "model.etagger"
    shutil.copy(made.path, path)
    with serving(bare_zygote, tmp_path, path, "--workers", 1) as server:
        (worker,) = server.workers()
        with Clients(server, 2) as clients:

            def swap(i):
                beside = tmp_path / "beside"
                shutil.copy((made.path, made.other)[i % 2], beside)
                os.replace(beside, path)
                server.send(signal.SIGHUP)
                wait_until(lambda: server.errors().count("was replaced") == i)

            for i in range(1, 101):
                swap(i)
            clients.wait_for(100)
            before, files = memory(worker), len(os.listdir(f"/proc/{worker}/fd"))
            for i in range(101, 1001):
                swap(i)
            clients.wait_for(100)
        assert clients.lost == []
        wait_until(lambda: len(os.listdir(f"/proc/{worker}/fd")) <= files + 2)
        assert memory(worker) < 1.05 * before
        with open(f"/proc/{worker}/maps") as maps:
            assert maps.read().count("model.etagger") <= 8
        assert server.workers() == [worker]


# ---------------------------------------------------------------- memory


@pytest.mark.parametrize("count", [100_000])
def test_memory_is_flat(made, bare_zygote, tmp_path, count):
    """Different texts with new words come over one connection, pipelined so that it takes only a
    minute.
    """
    with serving(bare_zygote, tmp_path, made.path, "--workers", 1) as server:
        (worker,) = server.workers()
        generator = random.Random(1)

        def ask(count):
            with server.open() as connection, connection.makefile("rb") as stream:
                for begin in range(0, count, 50):
                    bodies = [
                        json.dumps(
                            {"text": " ".join(generator.choices(WORDS, k=8)) + f" w{begin + i}x"}
                        ).encode()
                        for i in range(50)
                    ]
                    connection.sendall(
                        b"".join(
                            b"POST /parse HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(b), b)
                            for b in bodies
                        )
                    )
                    for _ in bodies:
                        assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
                        size = 0
                        while (line := stream.readline()) != b"\r\n":
                            if line.lower().startswith(b"content-length"):
                                size = int(line.split()[1])
                        stream.read(size)

        ask(count // 10)
        before = memory(worker)
        ask(count)
        assert memory(worker) < 1.02 * before


def test_a_long_stream_of_columns_in_constant_memory(made, bare_zygote, tmp_path):
    block = b"".join(sample("test"))
    with serving(bare_zygote, tmp_path, made.path, "--workers", 1) as server:
        (worker,) = server.workers()
        most = []

        def stream(count):
            with server.open() as connection:
                connection.sendall(b"POST /tag HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n")

                def send():
                    for _ in range(count):
                        connection.sendall(b"%x\r\n%b\r\n" % (len(block), block))
                    connection.sendall(b"0\r\n\r\n")

                sender = threading.Thread(target=send)
                sender.start()
                size, end = 0, b""
                while not end.endswith(b"\r\n0\r\n\r\n"):
                    piece = connection.recv(1 << 20)
                    assert piece
                    size, end = size + len(piece), (end + piece)[-16:]
                sender.join()
                most.append(memory(worker))
            assert size > count * len(block)

        for _ in range(6):  # the allocator settles
            stream(400)
        stream(1600)
        assert most[-1] < 1.05 * most[-2], most


# ---------------------------------------------------------------- strangers


def test_bytes_of_a_stranger(made, bare_zygote, tmp_path):
    """Requests are cut, duplicated and changed at random: there is no 5xx, no process ends, and the
    server answers afterwards.
    """
    body = json.dumps({"text": "Anna left Vremland ."}).encode()
    seeds = [
        b"GET /parse?q=Anna%20left&offsets=utf16 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /parse?nbest=2 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
        b"POST /parse HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
        % (len(body), body),
        b"POST /tag?columns=word HTTP/1.1\r\nContent-Length: 14\r\n\r\nAnna\nleft\n\nx\n\n",
        b'POST /models/a HTTP/1.1\r\nContent-Length: 18\r\n\r\n{"inputs": "Anna"}',
        b'POST /predict HTTP/1.1\r\nContent-Length: 34\r\n\r\n{"tasks": [{"data": {"text": "A"}}',
        b"GET /metrics HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\n\r\n",
        b"HEAD /docs HTTP/1.0\r\n\r\n",
    ]
    tokens = [
        b"\r\n",
        b"\0",
        b"\xff",
        b"%",
        b": ",
        b"Content-Length: 5\r\n",
        b"chunked",
        b"HTTP/1.1",
    ]
    generator = random.Random(1)

    def mutated():
        data = bytearray(b"".join(generator.choices(seeds, k=generator.randint(1, 3))))
        for _ in range(generator.randint(0, 4)):
            at, kind = generator.randrange(len(data) + 1), generator.randrange(4)
            if kind == 0:
                data[at : at + generator.randint(1, 9)] = b""
            elif kind == 1:
                data[at:at] = generator.choice(tokens)
            elif kind == 2 and at < len(data):
                data[at] = generator.randrange(256)
            else:
                data[at:at] = data[at : at + generator.randint(1, 40)]
        return bytes(data)

    with serving(bare_zygote, tmp_path, f"a={made.path}", "--workers", 1, "--timeout", 5) as server:
        workers = server.workers()
        for _ in range(3000):
            data = mutated()
            with server.open() as connection:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(data)
                    connection.shutdown(socket.SHUT_WR)
                said = read_all(connection)
            for line in said.split(b"\r\n"):
                assert not line.startswith(b"HTTP/1.1 5"), (data, said)
        assert server.workers() == workers
        assert server.json("/parse?q=a")["text"] == "a"
        assert "please report" not in server.errors()


def test_slow_bodies_do_not_stop_the_others(made, bare_zygote, tmp_path):
    """There are 500 connections that send a byte of their columns now and then."""
    with (
        serving(bare_zygote, tmp_path, made.path, "--workers", 1, "--timeout", 3) as server,
        contextlib.ExitStack() as stack,
    ):
        slow = [stack.enter_context(server.open()) for _ in range(500)]
        for connection in slow:
            connection.sendall(b"POST /tag HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na")
        end = time.monotonic() + 4
        while time.monotonic() < end:
            assert server.get("/parse?q=a").status == 200
            assert server.post("/tag", b"a\n").status == 200
            for connection in slow[::50]:
                with contextlib.suppress(OSError):
                    connection.sendall(b"\r\n1\r\na")
        for connection in slow:
            assert b"408" in read_all(connection)


def test_schemathesis_finds_no_5xx(made, bare_zygote, tmp_path):
    """It makes right and wrong requests from /openapi.json, and the answers are as described."""
    command = shutil.which("schemathesis")
    if not command:
        pytest.skip("schemathesis is not installed")
    with serving(bare_zygote, tmp_path, f"a={made.path}", "--workers", 1) as server:
        done = subprocess.run(
            [
                command,
                "run",
                f"http://127.0.0.1:{server.port}/openapi.json",
                *("--max-examples", "100", "--seed", "1", "--no-color"),
                "--checks",
                "not_a_server_error,status_code_conformance,content_type_conformance,"
                "response_schema_conformance",
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout
        assert "please report" not in server.errors()
