"""HTTP on a connection: uvicorn's protocol, with time-outs, limits, and a fast path.

The fast path: a request that tags texts, whose model is quick and whose body is short, is answered
as soon as its last byte is read, without a task and without ASGI messages. The answer is the same
(Service.now). Every other request goes to the ASGI application, as uvicorn does it.

Time-outs: uvicorn has none for a client that sends its request slowly or does not read the answer.
Here each connection notes since when it waits for its client, and `check`, which is called once a
second, closes those that wait too long.
"""

import time
from urllib.parse import quote_from_bytes

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.app import OWN_MISTAKE, note_error, route_of
from serving.requests import Refusal, read_huggingface, read_label_studio, read_parse
from serving.service import QUICK_BYTES

HEAD_SECONDS = 10.0  # for a request's head, at most
KEEP_ALIVE = 75.0  # seconds that an idle connection stays open
DRAIN_SECONDS = 1.0  # an idle connection stays open so long at the end: a request may be on its way
MOST_HEAD = 1 << 16  # bytes of a request's head
MOST_OVERHEAD = 1 << 20  # bytes of a chunked body that do not belong to the content
STEP = 1 << 16  # bytes of a body that must come within --timeout
ASCII = bytes(range(128))

# what a connection waits for
IDLE, HEAD, BODY, ANSWER = range(4)

_FIELDS = b"content-type: application/json\r\ncache-control: no-store\r\ncontent-length: "
_HEAD_OF_ANSWER = STATUS_LINE[200] + _FIELDS


class Protocol(HttpToolsProtocol):
    """A connection. service: the Service. quick: whether to use the fast path. most: the number of
    connections that may be open in this process.
    """

    def __init__(self, *args, service, quick=True, most=4096, **rest):
        super().__init__(*args, **rest)
        self.service, self.may_be_quick, self.most = service, quick, most
        self.limits = service.limits
        self.state, self.since = HEAD, self.loop.time()
        self.in_head = True  # whether the next byte belongs to the head of a request
        self.parsed = False  # whether a head or a body ended in the data that is being read
        self.begun = False  # whether the next byte is one of a request that has begun
        self.in_line = False  # whether it is one of that request's first line
        self.head_bytes = self.body_bytes = self.raw_bytes = self.step = 0
        self.stalled = None  # the time since which the client does not read
        self.closing = None  # the time since which the connection is being closed
        self.draining = False
        self.quick = None  # pieces of the body of a request on the fast path; None on the other

    # ------------------------------------------------------------ the connection

    def connection_made(self, transport):
        super().connection_made(transport)
        if self.service.draining:
            self.shutdown()
        if len(self.connections) > self.most:
            self._make_room()

    def _make_room(self):
        """Closes the connection that has waited longest for a request, as there are too many."""
        waiting = [other for other in self.connections if other.state in (IDLE, HEAD)]
        oldest = min(waiting, key=lambda other: other.since, default=self)
        oldest.transport.abort()

    def data_received(self, data):
        if self.transport.is_closing():
            return
        if self.state == IDLE:
            self.state, self.since = HEAD, self.loop.time()
        self.parsed = False
        if self.in_line or not self.begun:
            data = self._ascii_line(data)
        super().data_received(data)
        if self.in_head and not self.parsed:
            self.head_bytes += len(data)
            if self.head_bytes > MOST_HEAD:
                self._refuse(431, f"the head of the request has more than {MOST_HEAD:,} bytes")
        elif not self.in_head:
            self.raw_bytes += len(data)
            if self.raw_bytes > MOST_OVERHEAD + 8 * self.body_bytes:
                self._refuse(431, "the body's chunks have more around them than in them")

    def _ascii_line(self, data):
        """Percent-encodes what is not ASCII of a request's first line, as browsers do: curl sends
        an address as it was typed, and the parser refuses that.
        """
        # blank lines may come before
        begin = 0 if self.in_line else len(data) - len(data.lstrip(b"\r\n"))
        end = data.find(b"\n", begin) + 1
        self.in_line = not end and begin < len(data)
        line, rest = (data[:end], data[end:]) if end else (data, b"")
        if line.isascii():
            return data
        return quote_from_bytes(line, ASCII).encode() + rest

    def check(self, now):
        """Closes the connection if its client has kept it waiting for too long. now: the event
        loop's time.
        """
        timeout = self.limits.timeout
        if self.transport.is_closing():
            # the connection stays open while data is left to write
            self.closing = self.closing or now
            if now - self.closing > timeout:
                self.transport.abort()
        elif self.flow.write_paused:
            self.stalled = self.stalled or now
            if now - self.stalled > timeout:
                self.transport.abort()
            return
        elif self.state == IDLE:
            if now - self.since > (DRAIN_SECONDS if self.draining else KEEP_ALIVE):
                self.transport.close()
        elif self.state == HEAD:
            limit = min(timeout, HEAD_SECONDS)
            if now - self.since > limit:
                self._refuse(408, f"the head of the request did not come within {limit:g} s")
        elif self.state == BODY:
            if self.flow.read_paused:  # the server is slow, not the client
                self.since = now
            elif now - self.since > timeout and self._is_answered():
                self.transport.close()
            elif now - self.since > timeout:
                self._refuse(
                    408, f"the body came too slowly: {STEP:,} bytes within {timeout:g} s are asked"
                )
        self.stalled = None

    def shutdown(self):
        """Ends the connection once its requests are answered, as the server ends. It stays open for
        a moment if it is idle, as a request may be on its way.
        """
        self.draining = True
        if self.state == HEAD and not self.head_bytes:
            self.state = IDLE
        if self.state == IDLE:
            self.since = self.loop.time()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def _is_answered(self):
        return self.cycle is not None and self.cycle.response_complete and self.quick is None

    def _refuse(self, status, message):
        """Answers a request with an error, and closes the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:  # the client notices that the answer is cut off
                self.transport.abort()
                return
        self._write(status, Refusal(status, message), keep=False)
        self.service.row.request("other", status, 0.0)

    def send_400_response(self, msg):
        """Answers what is not HTTP; uvicorn calls it."""
        self._refuse(400, "not a request of HTTP/1.1")

    # ------------------------------------------------------------ the parser's calls

    def on_message_begin(self):
        super().on_message_begin()
        self.begun = True
        self.quick, self.step = None, 0

    def on_headers_complete(self):
        if self.transport.is_closing():  # more data of a request that was refused
            return
        self.in_head, self.parsed = False, True
        self.head_bytes = self.body_bytes = self.raw_bytes = 0
        self.state, self.since = BODY, self.loop.time()
        if self._goes_quick():
            self.quick = []
            self.started = time.perf_counter()
            return
        super().on_headers_complete()
        if self.draining:
            self.cycle.keep_alive = False

    def _goes_quick(self):
        """Whether this request is short, and of a route that the fast path knows."""
        if not self.may_be_quick or self.expect_100_continue or self.flow.write_paused:
            return False
        if self.cycle is not None and not self.cycle.response_complete:
            return False  # answers keep the order of the requests
        parser = self.parser
        if parser.get_http_version() != "1.1" or parser.should_upgrade():
            return False
        url = self.url
        self.method = parser.get_method()
        if self.method == b"GET":
            if not url.startswith(b"/parse?") or len(url) > QUICK_BYTES:
                return False
            length = b"0"
        elif self.method == b"POST":
            length = b""
        else:
            return False
        for name, value in self.headers:
            if name == b"content-length":
                length = value
            elif name in (b"transfer-encoding", b"content-encoding"):
                return False
        if not length.isdigit() or int(length) > QUICK_BYTES:
            return False
        path, _, self.query = url.partition(b"#")[0].partition(b"?")
        self.path = path.decode("latin-1")
        return path in (b"/parse", b"/predict") or (
            path.startswith(b"/models/") and b"%" not in path and path.count(b"/") == 2
        )

    def on_body(self, body):
        self.body_bytes += len(body)
        self.step += len(body)
        if self.step >= STEP:
            self.step, self.since = 0, self.loop.time()
        if self.quick is not None:
            self.quick.append(body)
        elif self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self):
        self.begun = False
        self.in_head = self.parsed = True
        if self.quick is None:
            if self.state == BODY:
                self.state, self.since = ANSWER, self.loop.time()
                if self._is_answered():
                    self.state = IDLE
            if self.cycle is not None:
                super().on_message_complete()
            return
        body, self.quick = b"".join(self.quick), None
        self._answer(body)

    def on_response_complete(self):
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
        elif self.state == ANSWER:
            self.state, self.since = IDLE, self.loop.time()

    # ------------------------------------------------------------ the fast path

    def _answer(self, body):
        """Answers a request on the fast path, whose body is complete."""
        route = route_of(self.path)
        try:
            answer, status = self._job_answer(route, body), 200
            if answer is None:
                self._go_long(body)
                return
        except Refusal as refusal:
            answer, status = refusal, refusal.status
        except Exception as error:
            note_error(error)
            answer, status = OWN_MISTAKE, 500
        # count first, so that a client that has its answer finds it counted
        self.service.row.request(route, status, time.perf_counter() - self.started)
        self.server_state.total_requests += 1
        self._write(status, answer, self.parser.should_keep_alive() and not self.draining)
        self.state, self.since = IDLE, self.loop.time()

    def _job_answer(self, route, body):
        """The body of the answer; None where another thread must tag."""
        service = self.service
        service.admit(self.headers, self.client[0] if self.client else "")
        if route == "parse":
            job = read_parse(service, self.method.decode(), self.query, body)
        elif route == "huggingface":
            job = read_huggingface(service, self.path.rpartition("/")[2], self.query, body)
        else:
            job = read_label_studio(service, "POST", self.query, body)
        return service.now(job) if service.is_quick(len(body) + len(self.query), job) else None

    def _go_long(self, body):
        """Hands a request of the fast path over to the ASGI application."""
        self.state = ANSWER
        super().on_headers_complete()
        self.scope["etagger.admitted"] = True
        if self.draining:
            self.cycle.keep_alive = False
        self.cycle.body += body
        self.cycle.more_body = False
        self.cycle.message_event.set()

    def _write(self, status, answer, keep):
        """Writes an answer, and closes the connection unless `keep`.

        answer: JSON as bytes where status is 200, otherwise a Refusal.
        """
        if status == 200:
            head, body, fields = _HEAD_OF_ANSWER, answer, b""
        else:
            head, body = STATUS_LINE[status] + _FIELDS, answer.body()
            fields = b"".join(b"%b: %b\r\n" % field for field in answer.headers)
        if not keep:
            fields += b"connection: close\r\n"
        for field in self.server_state.default_headers:  # the date
            fields += b"%b: %b\r\n" % field
        self.transport.write(b"%b%d\r\n%b\r\n%b" % (head, len(body), fields, body))
        if not keep:
            self.transport.close()
