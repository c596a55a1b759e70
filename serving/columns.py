"""POST /tag: columns in, columns out, streamed both ways.

A thread reads rows from one pipe and writes tagged rows into another; the event loop fills the
first and empties the second. Memory holds no more than the pipes do, and the current sentence.
"""

import asyncio
import concurrent.futures
import contextlib
import fcntl
import os

from serving.requests import Refusal, read_query
from serving.service import busy
from serving.texts import Mistake

STREAMS = 64  # streams at once in a process; each has a thread
HELD = 1 << 16  # bytes of output that are held back: until then, a mistake is answered with 400
PIPE = 1 << 16  # bytes
DELIMITERS = ("space", "tab")


class Columns:
    """The ASGI application of /tag."""

    def __init__(self, service):
        self.service = service
        self.threads = concurrent.futures.ThreadPoolExecutor(STREAMS, "columns")
        self.open = 0

    async def __call__(self, scope, receive, send):
        query = read_query(scope["query_string"], ("model", "columns", "delimiter"))
        delimiter = query.get("delimiter") or None
        if delimiter and delimiter not in DELIMITERS:
            raise Refusal(400, f"delimiter={delimiter[:40]!r}: expected {' or '.join(DELIMITERS)}")
        check_type(scope["headers"])
        check_coding(scope["headers"])
        served = self.service.served(query.get("model"))
        if self.open >= STREAMS:
            raise busy(f"{STREAMS} streams of columns are open already")
        body = Body(receive)
        held = await body.beginning()
        if not held:
            raise Refusal(400, "the body is empty; expected columns, a token a line")
        self.open += 1
        try:
            await self._stream(served.model, held, body, send, query.get("columns"), delimiter)
        finally:
            self.open -= 1

    async def _stream(self, model, held, body, send, columns, delimiter):
        given, feed = _pipe()
        results, taken = _pipe()
        os.set_blocking(feed, False)
        os.set_blocking(results, False)

        def tag():
            try:
                model.tag_columns(given, taken, columns, delimiter)
            finally:
                os.close(given)
                os.close(taken)

        loop = asyncio.get_running_loop()
        tagging = loop.run_in_executor(self.threads, tag)
        feeding = loop.create_task(_feed(feed, held, body))
        answer = Answer(send)
        try:
            while data := await _read(results):
                await answer.write(data)
        finally:
            os.close(results)
            feeding.cancel()  # where the tagger has stopped early
            await asyncio.wait([feeding, tagging])
        if not feeding.cancelled() and feeding.exception():
            raise feeding.exception()
        try:
            tagging.result()
        except Mistake as error:
            answer.fail(Refusal(400, str(error)))
        await answer.end()


class Gone(Exception):
    """The connection is closed: the client has left, or nothing more can be answered."""


@contextlib.contextmanager
def closing_is_gone():
    """Raises Gone in place of the RuntimeError of uvloop for a connection that was just closed."""
    try:
        yield
    except RuntimeError as error:
        if "closed" in str(error):
            raise Gone from None
        raise


class Body:
    """A request's body, in pieces."""

    def __init__(self, receive):
        self.receive, self.more = receive, True

    async def read(self):
        """The next piece; b"" at the end. Raises Gone."""
        while self.more:
            with closing_is_gone():
                message = await self.receive()
            if message["type"] != "http.request":
                raise Gone
            self.more = message.get("more_body", False)
            if message.get("body"):
                return message["body"]
        return b""

    async def beginning(self):
        """The first HELD bytes or more, or the whole body where it is shorter: a slow client with a
        small body then occupies no thread.
        """
        pieces, size = [], 0
        while size < HELD and (piece := await self.read()):
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)


class Answer:
    """The answer. Its head is sent once HELD bytes of it are there, or once it is complete."""

    HEAD = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"x-content-type-options", b"nosniff"),
    ]

    def __init__(self, send):
        self.send, self.held, self.begun = send, bytearray(), False

    async def write(self, data):
        self.held += data
        if len(self.held) >= HELD or self.begun:
            await self._flush()

    async def _flush(self, more=True):
        if not self.begun:
            self.begun = True
            head = list(self.HEAD)
            if not more:
                head.append((b"content-length", str(len(self.held)).encode()))
            await self.send({"type": "http.response.start", "status": 200, "headers": head})
        data, self.held = bytes(self.held), bytearray()
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    def fail(self, refusal):
        """Raises the refusal; or Gone where a part of the answer is sent already: then the chunked
        body has no end, and every client reports an error.
        """
        raise Gone if self.begun else refusal

    async def end(self):
        await self._flush(more=False)


def check_type(headers):
    """Raises Refusal for a content type that cannot be columns."""
    kind = next((value for name, value in headers if name == b"content-type"), b"")
    kind = kind.partition(b";")[0].strip().lower()
    if kind in (b"application/json", b"multipart/form-data"):
        raise Refusal(415, f"{kind.decode()}: expected text/plain, columns with a token a line")


def check_coding(headers):
    """Refuses a body that is compressed: a small one might become any size."""
    coding = next((value for name, value in headers if name == b"content-encoding"), b"")
    if coding.strip().lower() not in (b"", b"identity"):
        raise Refusal(
            415,
            f"Content-Encoding {coding[:40].decode('latin-1')!r}: send the body as it is",
            [(b"accept-encoding", b"identity")],
        )


def _pipe():
    ends = os.pipe()
    fcntl.fcntl(ends[0], fcntl.F_SETPIPE_SZ, PIPE)
    return ends


async def _feed(descriptor, data, body):
    """Writes `data` and then the rest of the body into a pipe, and closes it."""
    try:
        while data:
            view = memoryview(data)
            while view:
                try:
                    view = view[os.write(descriptor, view) :]
                except BlockingIOError:
                    await _ready(descriptor, "writer")
            data = await body.read()
    except BrokenPipeError:  # the tagger has stopped, and raises its own error
        pass
    finally:
        os.close(descriptor)


async def _read(descriptor):
    while True:
        try:
            return os.read(descriptor, PIPE)
        except BlockingIOError:
            await _ready(descriptor, "reader")


async def _ready(descriptor, kind):
    """Waits until a descriptor can be read or written."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    getattr(loop, f"add_{kind}")(descriptor, lambda: future.done() or future.set_result(None))
    try:
        await future
    finally:
        getattr(loop, f"remove_{kind}")(descriptor)
