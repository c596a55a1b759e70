"""Measures the requests a second of serve.py on the loopback interface with wrk, against bare HTTP
applications and spaCy.

    python benchmarks/serve_http.py --model model.etagger      # some ten minutes

Each system is one process: serve.py with one worker; a bare ASGI application and a bare FastAPI
endpoint, which read the body and answer a constant; spaCy's small model behind FastAPI
(peers/http_apps.py). wrk posts the sentences of CoNLL-2003's dev set, or of the bundled sample,
over 1, 16 and 256 connections, with 1 and with 32 sentences a request. The systems take turns in
several rounds; a row shows the round with the median rate. wrk needs a core for itself.

It is an error if serve.py has less than 0.6 of the bare ASGI application's rate with one sentence a
request, or less than 10 times spaCy's rate. --spacy_python names an interpreter that has spaCy,
fastapi and uvicorn; without spaCy its rows are left out, with a message.
"""

import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import _top
import conll
from cli import Parser, UserError, check_readable, run_command
from corpora import CORPORA, ROOT, find

CONNECTIONS = (1, 16, 256)
SIZES = (1, 32)  # sentences in a request
LEAST_OF_ASGI, LEAST_OF_SPACY = 0.6, 10.0

# Script of wrk: posts the bodies in the file of its argument, one after the other, and prints the
# figures as JSON.
SCRIPT = """
local requests, at = {}, 0
init = function(args)
  for line in io.lines(args[1]) do
    local fields = {["Content-Type"] = "application/json"}
    requests[#requests + 1] = wrk.format("POST", "/parse", fields, line)
  end
end
request = function()
  at = at % #requests + 1
  return requests[at]
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'FIGURES {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def texts():
    """The sentences as texts, with spaces between the words, and the path of their file."""
    try:
        path = find("data", CORPORA["conll2003"][1])
    except UserError:
        path = os.path.join("data", "sample", "test.txt")
    with open(os.path.join(ROOT, path), "rb") as stream:
        return [
            " ".join(row.split()[0].decode() for row in block.rows)
            for block in conll.read_blocks(stream)
            if block.rows and not block.rows[0].startswith(b"-DOCSTART-")
        ], path


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def running(command):
    """Runs a system as a process; yields its port once it answers."""
    port = free_port()
    process = subprocess.Popen([*command, "--port", str(port)], cwd=ROOT)
    try:
        end = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            if process.poll() is not None or time.monotonic() > end:
                raise UserError(f"{' '.join(command[:4])}: it does not start, see above")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def measure(port, connections, bodies, seconds):
    """Runs wrk for a round: {"requests", "seconds", "p50", "p99" (milliseconds), "errors"}."""
    done = subprocess.run(
        [
            "wrk",
            *(
                "-t",
                "1",
                "-c",
                str(connections),
                "-d",
                f"{seconds}s",
                "--latency",
                "--timeout",
                "60s",
            ),
            *("-s", bodies.script, f"http://127.0.0.1:{port}/", "--", bodies.path),
        ],
        capture_output=True,
        text=True,
    )
    found = re.search(r"FIGURES (.*)", done.stdout)
    if not found:
        raise UserError(f"wrk: {done.stdout} {done.stderr}")
    figures = json.loads(found[1])
    if figures["errors"]:
        raise UserError(f"wrk: {figures['errors']} requests were not answered with 200")
    return figures


class Bodies:
    """The file with the bodies of requests of one size, and the script of wrk."""

    def __init__(self, folder, texts, size):
        self.script = os.path.join(folder, "post.lua")
        self.path = os.path.join(folder, f"{size}.json")
        with open(self.script, "w") as out:
            out.write(SCRIPT)
        with open(self.path, "w") as out:
            for begin in range(0, len(texts) - size + 1, size):
                part = texts[begin : begin + size]
                out.write(json.dumps({"text": part[0]} if size == 1 else {"texts": part}) + "\n")


def systems(args):
    """The systems that can run here, {name: command}."""
    apps = os.path.join("benchmarks", "peers", "http_apps.py")
    found = {
        "serve.py": [sys.executable, "serve.py", args.model, "--workers", "1"],
        "ASGI, a constant": [sys.executable, apps, "asgi"],
        "FastAPI, a constant": [sys.executable, apps, "fastapi"],
    }
    has_spacy = subprocess.run(
        [args.spacy_python, "-c", "import spacy, fastapi, uvicorn, uvloop, httptools"],
        capture_output=True,
    )
    if has_spacy.returncode:
        print("spaCy, fastapi and uvicorn are not there: no row of spaCy (see --spacy_python)")
        return found
    found["spaCy, FastAPI"] = [args.spacy_python, apps, "spacy", "--spacy_model", args.spacy_model]
    installed = subprocess.run(
        [args.spacy_python, "-c", f"import spacy; spacy.load({args.spacy_model!r})"],
        capture_output=True,
    )
    if installed.returncode:
        print(
            f"spaCy's {args.spacy_model} is not installed: an untrained pipeline of its components "
            "and sizes takes its place"
        )
    return found


def rows_of(ports, bodies, args):
    """{(size, connections, system): the figures of the median round}."""
    found = {}
    for size in SIZES:
        for connections in CONNECTIONS:
            rounds = {name: [] for name in ports}
            for _ in range(args.rounds):
                for name, port in ports.items():
                    rounds[name].append(measure(port, connections, bodies[size], args.seconds))
            for name, figures in rounds.items():
                rate = [run["requests"] / run["seconds"] for run in figures]
                middle = rate.index(statistics.median_low(rate))
                found[size, connections, name] = {**figures[middle], "rate": rate[middle]}
    return found


def report(rows):
    print("| sentences | connections | system | requests/s | sentences/s | p50 ms | p99 ms |")
    print("|---|---|---|---|---|---|---|")
    for (size, connections, name), row in rows.items():
        print(
            f"| {size} | {connections} | {name} | {row['rate']:,.0f} | {size * row['rate']:,.0f} | "
            f"{row['p50']:.2f} | {row['p99']:.2f} |"
        )


def check(rows):
    """A line for each goal that is missed."""
    wrong = []
    for (size, connections, name), row in rows.items():
        ours = rows[size, connections, "serve.py"]["rate"]
        at = f"{size} sentences, {connections} connections"
        if name.startswith("ASGI") and size == 1 and ours < LEAST_OF_ASGI * row["rate"]:
            wrong.append(
                f"{at}: {ours / row['rate']:.2f} of the bare ASGI application, expected "
                f"{LEAST_OF_ASGI}"
            )
        if name.startswith("spaCy") and ours < LEAST_OF_SPACY * row["rate"]:
            wrong.append(f"{at}: {ours / row['rate']:.1f} times spaCy, expected {LEAST_OF_SPACY:g}")
    return wrong


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("--model", default="model.etagger", help="an .etagger file")
    parser.add_argument("--seconds", type=int, default=5, help="seconds of a round (default 5)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each row (default 3)")
    parser.add_argument(
        "--spacy_python", default=sys.executable, help="an interpreter (default: this one)"
    )
    parser.add_argument("--spacy_model", default="en_core_web_sm", help="(default en_core_web_sm)")
    args = parser.parse_args()
    check_readable(args.model, "--model")
    if not shutil.which("wrk"):
        raise UserError("wrk is not installed; it is in Debian's package wrk")
    args.model = os.path.abspath(args.model)
    given, path = texts()
    print(f"{args.model}; {len(given):,} sentences of {path}")
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        bodies = {size: Bodies(folder, given, size) for size in SIZES}
        commands = systems(args)
        ports = {name: stack.enter_context(running(commands[name])) for name in commands}
        rows = rows_of(ports, bodies, args)
    report(rows)
    wrong = check(rows)
    for line in wrong:
        print(f"not reached: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    run_command(main)
