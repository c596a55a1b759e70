"""What the speed benchmarks share: workers that take turns, and finished rows on disk."""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys

import _top
from cli import UserError
from corpora import BENCH, ROOT

# The folders of inference/cc with the sources of the commands that tag.
CC_ROOMS = ("base", "text", "tagging", "engine", "tensorflow", "commands")


class Worker:
    """A process that answers a line of JSON with a line of JSON, and sleeps between two questions.

    Systems that are compared run in processes of their own, so that their threads do not compete.
    They take turns, so that other work on the machine slows all of them alike.
    """

    def __init__(self, command):
        self.name = " ".join(os.path.basename(word) for word in command[1:4])
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def ask(self, **question):
        """Returns the answer to a question, a dict. Raises UserError if the process has ended."""
        answer = ""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        if not answer:
            raise UserError(f"{self.name}: the worker ended, its message stands above")
        return json.loads(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def serve(answer):
    """Answers questions on standard input; this is the worker's side. answer: a function that takes
    the question's keys as arguments and returns a dict.
    """
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # libraries that print write to standard error
    for line in sys.stdin:
        print(json.dumps(answer(**json.loads(line))), file=out, flush=True)


def peak_memory():
    """The peak of this process's resident memory in bytes. getrusage is not used, as its value is
    never below the peak of the process that started this one.
    """
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read())[1]) * 1024


def add_afresh_flag(parser):
    """Adds --afresh: see Rows."""
    parser.add_argument("--afresh", action="store_true", help="measure again what was stored")


class Rows:
    """Finished rows of a benchmark, in runs/bench/NAME.jsonl. Only rows with the same settings and
    the same code are used.

    afresh: measure all rows again. folders: folders whose code is compared in addition to CODE.
    """

    def __init__(self, name, settings, afresh=False, folders=()):
        self.path = os.path.join(BENCH, f"{name}.jsonl")
        identity = json.dumps([settings, _code_hash(folders)]).encode()
        self.key = hashlib.sha256(identity).hexdigest()[:16]
        self.rows = [] if afresh else self._stored()
        if self.rows:
            print(
                f"{len(self.rows)} rows are in {self.path} already (--afresh measures them again)",
                file=sys.stderr,
            )

    def _stored(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path) as lines:
            rows = [json.loads(line) for line in lines]
        return [row["row"] for row in rows if row["key"] == self.key]

    def add(self, row):
        self.rows.append(row)
        os.makedirs(BENCH, exist_ok=True)
        with open(self.path, "a") as out:
            out.write(json.dumps({"key": self.key, "row": row}) + "\n")


CODE = ("", "layers", "features", "files", "scoring", "tagging", "training")
CODE += ("benchmarks", "benchmarks/peers")  # folders with code that a benchmark may run


def _code_hash(folders):
    """The sha256 of all source files of CODE and of `folders`, in hexadecimal."""
    digest = hashlib.sha256()
    for folder in (*CODE, *folders):
        for name in sorted(os.listdir(os.path.join(ROOT, folder))):
            if name.endswith((".py", ".cc", ".h")):
                with open(os.path.join(ROOT, folder, name), "rb") as source:
                    digest.update(source.read())
    return digest.hexdigest()
