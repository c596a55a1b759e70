"""Starts serve.py for the tests, and sends requests over real sockets."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import types

from support.commands import wait_until


class Server:
    """A running serve.py. folder: for the file with its standard error. path: added to sys.path."""

    def __init__(self, zygote, folder, *args, path=()):
        self.errors_path = os.path.join(folder, "serve.err")
        with open(os.devnull, "rb") as nothing, open(self.errors_path, "ab") as errors:
            self.process = zygote.start(
                "serve.py",
                *args,
                "--port",
                0,
                stdin=nothing,
                stdout=errors,
                stderr=errors,
                path=path,
            )
        self.pid = self.process.pid
        wait_until(lambda: self.address() or not self.runs())
        assert self.address(), self.errors()
        self.port = int(self.address()[1])

    def address(self):
        return re.search(r" at http://127\.0\.0\.1:(\d+)/ in", self.errors())

    def runs(self):
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        with open(f"/proc/{self.pid}/stat") as stream:
            return stream.read().rpartition(")")[2].split()[0] != "Z"

    def errors(self):
        with open(self.errors_path, encoding="utf-8", errors="replace") as stream:
            return stream.read()

    def workers(self):
        """The process ids of the workers."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children") as stream:
            return [int(pid) for pid in stream.read().split()]

    def send(self, number):
        os.kill(self.pid, number)

    def stop(self, number=signal.SIGTERM):
        """Ends the server. Returns its exit code."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        return self.process.wait(60)

    # ------------------------------------------------------------ asking

    def connect(self, timeout=60):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def open(self, timeout=60):
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def ask(self, method, path, body=None, headers=None, connection=None):
        """Sends a request. Returns the status, the headers and the body (bytes) of the answer."""
        own = connection or self.connect()
        try:
            own.request(method, path, body, headers or {})
            return answer_of(own)
        finally:
            if connection is None:
                own.close()

    def get(self, path, **rest):
        return self.ask("GET", path, **rest)

    def post(self, path, value, **rest):
        body = value if isinstance(value, (bytes, str)) else json.dumps(value)
        return self.ask("POST", path, body.encode() if isinstance(body, str) else body, **rest)

    def json(self, path, value=None, **rest):
        """Sends a request that must be answered with 200. Returns the answer's JSON."""
        answer = self.get(path, **rest) if value is None else self.post(path, value, **rest)
        assert answer.status == 200, answer
        return json.loads(answer.body)

    def raw(self, data, timeout=60):
        """Sends bytes, and returns all that the server answers until it closes the connection."""
        with self.open(timeout) as connection:
            connection.sendall(data)
            return read_all(connection)


def answer_of(connection):
    response = connection.getresponse()
    return types.SimpleNamespace(
        status=response.status, headers=response.headers, body=response.read()
    )


def read_all(connection):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(1 << 16):
            data += piece
    return data


def error_of(answer):
    """Checks the form of an error, and returns its message."""
    said = json.loads(answer.body)
    assert list(said) == ["error"] and isinstance(said["error"], str), said
    assert answer.headers["content-type"] == "application/json"
    return said["error"]
