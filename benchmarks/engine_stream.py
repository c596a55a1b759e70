"""Sends a hundred million tokens through a pipe of the engine's command, and measures its memory;
then closes the pipe while the command writes.

    python benchmarks/engine_stream.py                       # some ten minutes on 2 cores
    python benchmarks/engine_stream.py --tokens 5000000

CoNLL-2003's dev file goes to the standard input of `etagger MODEL` again and again; the output must
be the same each time. Resident memory is read from /proc after each time. It is an error if it
grows by more than 5% after the first twentieth, if the command fails, or if it writes to standard
error.
"""

import os
import subprocess
import threading
import time

import _top
import engine
from cli import Parser, Progress, UserError, run_command
from served_models import memory_of


def feed(process, text, rounds):
    """Writes the text `rounds` times, in another thread."""

    def write():
        try:
            for _ in range(rounds):
                process.stdin.write(text)
            process.stdin.close()
        except BrokenPipeError:
            pass

    threading.Thread(target=write, daemon=True).start()


def read(stream, size):
    """Reads `size` bytes, or fewer if the stream ends."""
    parts, left = [], size
    while left and (part := stream.read1(min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def stream(command, text, expected, rounds):
    """Tags the text `rounds` times. Returns the resident memory in MB after each round, and the
    time in seconds.
    """
    started, memory, progress = time.perf_counter(), [], Progress("rounds", rounds)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        feed(process, text, rounds)
        for number in range(rounds):
            if read(process.stdout, len(expected)) != expected:
                raise UserError(f"round {number + 1}: other bytes than in the first one")
            memory += memory_of(process.pid, "Rss")
            progress.update(number + 1)
        rest, said = process.stdout.read(), process.stderr.read().decode()
    progress.close()
    if process.returncode or rest:
        raise UserError(
            f"the command ended with {process.returncode} and {len(rest)} bytes too many: {said}"
        )
    return memory, time.perf_counter() - started


def leave(command, text):
    """Closes the reading end after some output. Returns the exit code and the messages."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        feed(process, text, 10)
        process.stdout.read(1000)
        process.stdout.close()
        return process.wait(), process.stderr.read().decode()


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--tokens", type=int, default=100_000_000, help="how many, at least (default 100,000,000)"
    )
    parser.add_argument(
        "--model", choices=engine.MODELS, default="1layer", help="which (default 1layer)"
    )
    parser.add_argument(
        "-j", "--threads", type=int, default=0, help="of the command (default 0: one for each core)"
    )
    args = parser.parse_args()
    expected = engine.prepare()[args.model]
    with open(engine.DEV, "rb") as dev:
        text = dev.read()
    tokens = sum(1 for line in text.splitlines() if line)
    rounds = -(-args.tokens // tokens)
    command = [*engine.engine(args.model), "-j", str(args.threads)]
    memory, seconds = stream(command, text, expected, rounds)
    first, last = max(memory[: max(1, rounds // 20)]), max(memory)
    print(
        f"{rounds * tokens:,} tokens in {seconds:,.0f} s, {rounds * tokens / seconds:,.0f} a "
        f"second, on {args.threads or os.cpu_count()} threads; resident memory {first:.1f} MB at "
        f"most after the first twentieth, {last:.1f} MB at most after all"
    )
    code, said = leave(command, text)
    print(f"a reader that goes away: exit code {code}, {said or 'nothing said'}")
    if last > 1.05 * first or code or said:
        raise UserError("memory grows, or the end is not quiet")


if __name__ == "__main__":
    run_command(main)
