"""Shows how each step after training changes size, memory, speed and F1, for the default model on
CoNLL-2003's dev file.

    python benchmarks/serve_steps.py

"compressed" is the size after gzip. "anonymous" is the anonymous memory of the process after it has
tagged 200 sentences one by one; the next column is that figure less the memory of a process that
runs a graph of a few bytes. The speed is that of the command on the whole file.
"""

import gzip
import os
import subprocess
import sys
import time

import _top
from cli import Parser, run_command
from corpora import CORPORA, ROOT, find
from missing_columns import tag_column
from scoring import chunks
from served_models import (
    INFERENCE,
    Conversation,
    binary,
    command_of,
    dev_sentences,
    memory_of,
    served,
)

# name: (system, ending that is appended to ner_frozen.pb)
STEPS = {
    "frozen": ("C++ frozen", ""),
    "constants folded": ("C++ frozen", ".folded"),
    "weights rounded to 256 values": ("C++ frozen", ".rounded"),
    "memory-mapped": ("C++ memory-mapped", ""),
    "constants folded, memory-mapped": ("C++ memory-mapped", ".folded"),
    "weights rounded, memory-mapped": ("C++ memory-mapped", ".rounded"),
}


def empty_session():
    """The anonymous memory in MB of a process that has run a graph of a few hundred bytes."""
    subprocess.run(
        [sys.executable, "train_sample.py"], cwd=INFERENCE, check=True, stdout=subprocess.DEVNULL
    )
    process = subprocess.Popen(
        [binary("inference_sample"), "--wait"],
        cwd=INFERENCE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    for _ in range(5):
        process.stdout.readline()
    (anonymous,) = memory_of(process.pid, "Anonymous")
    process.stdin.close()
    process.wait()
    return anonymous


def measure(system, ending, data, gold, empty):
    command = command_of(system, "default", ending)
    path = next(arg for arg in command if "ner_frozen.pb" in arg)
    with open(path, "rb") as stream:
        size, compressed = os.path.getsize(path), len(gzip.compress(stream.read(), 6))
    talk = Conversation(command, 1)
    for sentence in dev_sentences()[:200]:
        talk.tag(sentence)
    (anonymous,) = talk.memory("Anonymous")
    talk.close()
    started = time.perf_counter()
    tagged = subprocess.run(
        command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    ).stdout
    seconds = time.perf_counter() - started
    tokens = sum(map(len, gold))
    return (
        size / 1e6,
        compressed / 1e6,
        anonymous,
        anonymous - empty,
        tokens / seconds,
        chunks.score(gold, tag_column(tagged)).f1,
    )


def main():
    Parser(description=__doc__).parse_args()
    served("default")
    with open(os.path.join(ROOT, find("data", CORPORA["conll2003"][1])), "rb") as stream:
        data = stream.read()
    gold, empty = tag_column(data), empty_session()
    print(
        "| step | MB | compressed MB | anonymous MB | above an empty session | tokens/s, start "
        "included | chunk F1 |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, (system, ending) in STEPS.items():
        print(
            "| {} | {:.1f} | {:.1f} | {:.0f} | {:.0f} | {:,.0f} | {:.2f} |".format(
                name, *measure(system, ending, data, gold, empty)
            ),
            flush=True,
        )


if __name__ == "__main__":
    run_command(main)
