"""Helpers for the benchmarks of inference/: exported, frozen and converted models, and processes
that tag sentence by sentence.
"""

import functools
import os
import statistics
import subprocess
import sys
import time

import _top
from cli import UserError
from conll import read_blocks
from corpora import BENCH, CORPORA, ROOT, find
from f1 import folder_of, is_finished, train

INFERENCE = os.path.join(ROOT, "inference")
BUILD = os.path.join(INFERENCE, "cc", "build")
FOLDED = "strip_unused_nodes fold_constants merge_duplicate_nodes sort_by_execution_order"
ROUNDED = (
    "strip_unused_nodes fold_constants merge_duplicate_nodes round_weights(num_steps=256) "
    "sort_by_execution_order"
)


def binary(name):
    path = os.path.join(BUILD, name)
    if not os.path.exists(path):
        raise UserError(f"{os.path.relpath(path, ROOT)}: not built; make cc")
    return path


def script(*command):
    subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=INFERENCE,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def tool(name, *flags):
    subprocess.run([binary(name), *flags], check=True, stderr=subprocess.DEVNULL)


def served(row):
    """The folder with the exported, frozen, transformed and memory-mapped graphs of a model of
    benchmarks/f1.py. The model is trained if it is missing.
    """
    if not is_finished(row):
        train(row, 0)
    checkpoint = os.path.join(folder_of(row), "ner_model")
    folder = os.path.join(BENCH, "served", row)
    done = os.path.join(folder, "ner_frozen.pb.rounded.memmapped")
    if os.path.exists(done) and os.path.getmtime(done) > os.path.getmtime(checkpoint + ".json"):
        return folder
    os.makedirs(folder, exist_ok=True)
    script(
        "export.py",
        "--restore",
        checkpoint,
        "--export",
        os.path.join(folder, "ner_model"),
        "--export-pb",
        folder,
    )
    script("freeze.py", "--model_dir", folder)
    frozen = os.path.join(folder, "ner_frozen.pb")
    for ending, transforms in (("folded", FOLDED), ("rounded", ROUNDED)):
        tool(
            "transform_graph",
            f"--in_graph={frozen}",
            f"--out_graph={frozen}.{ending}",
            f"--transforms={transforms}",
        )
    for ending in ("", ".folded", ".rounded"):
        tool(
            "convert_graphdef_memmapped_format",
            f"--in_graph={frozen}{ending}",
            f"--out_graph={frozen}{ending}.memmapped",
        )
    return folder


def command_of(system, row, graph=""):
    """The command that tags with a model. system: one of SYSTEMS. row: of benchmarks/f1.py. graph:
    the ending that is appended to ner_frozen.pb.
    """
    folder = served(row)
    frozen, vocab = os.path.join(folder, "ner_frozen.pb") + graph, os.path.join(folder, "vocab.txt")
    commands = {
        "Python restored": [
            sys.executable,
            os.path.join(ROOT, "inference.py"),
            "--mode",
            "bucket",
            "--restore",
            folder_of(row),
        ],
        "Python frozen": [
            sys.executable,
            os.path.join(INFERENCE, "python", "inference.py"),
            "--vocab_path",
            vocab,
            "--frozen_path",
            frozen,
        ],
        "C++ frozen": [binary("inference"), frozen, vocab],
        "C++ memory-mapped": [binary("inference_mm"), frozen + ".memmapped", vocab],
    }
    return commands[system]


SYSTEMS = ("Python restored", "Python frozen", "C++ frozen", "C++ memory-mapped")


@functools.cache
def dev_sentences():
    """The sentences of CoNLL-2003's dev file as bytes, each with its blank line, without
    -DOCSTART-.
    """
    with open(os.path.join(ROOT, find("data", CORPORA["conll2003"][1])), "rb") as stream:
        blocks = [
            block
            for block in read_blocks(stream)
            if block.rows and not block.rows[0].startswith(b"-DOCSTART-")
        ]
    return [b"\n".join(block.rows) + b"\n\n" for block in blocks]


def memory_of(pid, *kinds):
    """The memory of a process in MB. kinds: names in /proc/PID/smaps_rollup, such as Anonymous or
    Rss.
    """
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as stream:
        kilobytes = {
            line.split()[0][:-1]: int(line.split()[1]) for line in stream if line.endswith(" kB\n")
        }
    return [kilobytes[kind] / 1024 for kind in kinds]


class Conversation:
    """A process that tags one sentence at a time through open pipes."""

    def __init__(self, command, threads, onednn=True):
        self.started = time.perf_counter()
        self.process = subprocess.Popen(
            [*command, "-j", str(threads), "--batch_size", "1", "--timing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": str(int(onednn))},
        )

    def tag(self, sentence):
        """Returns the tagged rows and the seconds from the first byte in to the last byte out."""
        out, rows, answer = self.process.stdout.fileno(), sentence.count(b"\n"), b""
        started = time.perf_counter()
        self.process.stdin.write(sentence)
        self.process.stdin.flush()
        while answer.count(b"\n") < rows:
            part = os.read(out, 1 << 20)
            if not part:
                raise UserError(
                    f"{self.process.args[0]} ended: {self.process.stderr.read().decode()}"
                )
            answer += part
        return answer, time.perf_counter() - started

    def age(self):
        """The seconds since the process began."""
        return time.perf_counter() - self.started

    def memory(self, *kinds):
        """The memory of the process in MB; see memory_of."""
        return memory_of(self.process.pid, *kinds)

    def close(self):
        """Ends the process. Returns what it wrote to standard error."""
        self.process.stdin.close()
        said = self.process.stderr.read().decode()
        if self.process.wait():
            raise UserError(f"{self.process.args[0]}: {said}")
        return said


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


def milliseconds(seconds):
    """The median and the 99th percentile of a list of seconds, in milliseconds."""
    return 1000 * statistics.median(seconds), 1000 * percentile(seconds, 99)
