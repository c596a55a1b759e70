"""A small server for the page of serving/page. It has the routes that the page calls, answers in
the same formats as the real server, and tags by a simple rule, so that a test knows each answer.
"""

import contextlib
import http.server
import json
import os
import re
import threading
import urllib.parse

from support.commands import ROOT

PAGE = os.path.join(ROOT, "serving", "page")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:"
)
FILES = {
    "/": ("index.html", "text/html"),
    "/page.js": ("page.js", "text/javascript"),
    "/page.css": ("page.css", "text/css"),
}


class PageServer(http.server.ThreadingHTTPServer):
    """What a test sets: models, token, refusal, gate. What it reads: requests, a list of (path,
    query, headers, JSON) of every /parse and /model.

    Words in capitals are entities, their first letter is the type: PAUL is a P.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.models = [{"name": "small", "types": list("ABCDEFGHIJKP"), "tokenizer": "words"}]
        self.token = ""  # the token that requests must send
        self.refusal = None  # (status, headers, body), the answer to every /parse
        self.gate = lambda text: None  # called before each answer; it may wait
        self.requests = []
        self.lock = threading.Lock()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/"

    def texts(self):
        """The texts for which the page asked, in order."""
        with self.lock:
            return [body["text"] for path, _, _, body in self.requests if path == "/parse"]

    def handle_error(self, request, client_address):
        """Ignores broken connections, which a browser causes when it aborts a request."""


@contextlib.contextmanager
def serving():
    server = PageServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def utf16(text, place):
    """The number of UTF-16 units of a text."""
    return len(text[:place].encode("utf-16-le")) // 2


def answer(text, offsets="codepoints", nbest=0, tokens=False):
    """The answer of /parse. The scores of the entities fall from left to right."""
    unit = (lambda place: utf16(text, place)) if offsets == "utf16" else (lambda place: place)
    words = [(match.start(), match.end(), match[0]) for match in re.finditer(r"\S+", text)]
    found = [word for word in words if word[2].isascii() and re.fullmatch("[A-Z]{2,}", word[2])]
    spans = [
        {"start": unit(start), "end": unit(end), "type": word[0], "score": 0.987 - 0.1 * (i % 9)}
        for i, (start, end, word) in enumerate(found)
    ]
    said = {"text": text, "ents": sorted({span["type"] for span in spans}), "spans": spans}
    if nbest:
        said["nbest"] = [
            {"probability": 0.5 ** (k + 1), "spans": spans[k:]} for k in range(int(nbest))
        ]
    if tokens:
        tags = {start: f"B-{word[0]}" for start, _, word in found}
        said["tokens"] = [
            [
                {"start": unit(start), "end": unit(end), "tag": tags.get(start, "O")}
                for start, end, _ in words
            ]
        ]
    return said


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        if path in FILES:
            name, kind = FILES[path]
            with open(os.path.join(PAGE, name), "rb") as stream:
                self._send(200, stream.read(), kind)
        elif path == "/model":
            self._answer(path, {}, lambda: {"models": self.server.models})
        else:
            self._send(404, b'{"detail": "Not Found"}')

    def do_POST(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))

        def parsed():
            self.server.gate(body["text"])
            return answer(
                body["text"], query.get("offsets"), query.get("nbest"), query.get("tokens")
            )

        self._answer(url.path, query, parsed, body)

    def _answer(self, path, query, make, body=None):
        server = self.server
        with server.lock:
            server.requests.append((path, query, dict(self.headers), body))
        if server.token and self.headers["Authorization"] != f"Bearer {server.token}":
            self._send(401, b'{"detail": "a bearer token is needed"}')
        elif server.refusal and path == "/parse":
            status, headers, said = server.refusal
            self._send(status, said, headers=headers)
        else:
            self._send(200, json.dumps(make()).encode())

    def _send(self, status, body, kind="application/json", headers=()):
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
