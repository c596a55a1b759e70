"""Measures the latency of TensorFlow models, one sentence at a time: Python and C++, frozen and
memory-mapped.

    python benchmarks/serve_latency.py  # all rows, some ten minutes; finished ones are kept
    python benchmarks/serve_latency.py --sentences 500   # sentences for each row

Each dev sentence of CoNLL-2003 goes once through the pipes of a process that stays open. "line to
tag" is the time from the first byte in to the last byte out; "session" is the time that the process
measures around its call of TensorFlow; "start" is the time from the process's start to the tags of
a first sentence. The models are the rows `default` (2 BiLSTM layers) and `1layer` of
benchmarks/f1.py. It is an error if the tags of the systems differ.
"""

import re
import sys

import _top
from cli import Parser, UserError, run_command
from common import CC_ROOMS, Rows, add_afresh_flag
from served_models import INFERENCE, SYSTEMS, Conversation, command_of, dev_sentences, milliseconds

MODELS = ("1layer", "default")


def measure(system, model, threads, onednn, sentences):
    """Measures a system. Returns its row of the table, and the tagged text."""
    talk = Conversation(command_of(system, model), threads, onednn)
    first, _ = talk.tag(sentences[0])
    start = talk.age()
    answers = [talk.tag(sentence) for sentence in sentences[1:]]
    anonymous, resident = talk.memory("Anonymous", "Rss")
    session = re.search(r"p50 ([\d.]+)  p90 [\d.]+  p99 ([\d.]+)", talk.close())
    p50, p99 = milliseconds([seconds for _, seconds in answers])
    row = {
        "system": system,
        "model": model,
        "threads": threads,
        "onednn": onednn,
        "start": start,
        "p50": p50,
        "p99": p99,
        "session_p50": float(session[1]),
        "session_p99": float(session[2]),
        "anonymous": anonymous,
        "resident": resident,
    }
    return row, first + b"".join(answer for answer, _ in answers)


def report(rows):
    print(
        "| model | oneDNN | threads | system | line to tag p50 | p99 | session p50 | p99 | start s "
        "| anonymous MB | all MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            "| {model} | {} | {threads} | {system} | {p50:.2f} | {p99:.2f} | {session_p50:.2f} | "
            "{session_p99:.2f} | {start:.1f} | "
            "{anonymous:.0f} | {resident:.0f} |".format("on" if row["onednn"] else "off", **row)
        )


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--sentences",
        type=int,
        default=1000,
        help="sentences of the dev file for each row (default 1000; 0: all)",
    )
    add_afresh_flag(parser)
    args = parser.parse_args()
    sentences = dev_sentences()[: args.sentences or None]
    rows = Rows(
        "serve_latency",
        [args.sentences],
        args.afresh,
        folders=(
            INFERENCE,
            f"{INFERENCE}/python",
            *(f"{INFERENCE}/cc/{room}" for room in CC_ROOMS),
        ),
    )
    done = {(row["system"], row["model"], row["threads"], row["onednn"]) for row in rows.rows}
    for model in MODELS:
        tagged = {}
        for onednn in (True, False):
            for threads in (1, 2):
                for system in SYSTEMS:
                    if (system, model, threads, onednn) in done:
                        continue
                    row, text = measure(system, model, threads, onednn, sentences)
                    tagged[system, threads, onednn] = text
                    rows.add(row)
                    print(f"{len(rows.rows)} rows", file=sys.stderr)
        if len(set(tagged.values())) > 1:
            raise UserError(f"{model}: the systems' tags differ; the tests of inference/ say where")
    report(
        sorted(
            rows.rows,
            key=lambda row: (
                row["model"],
                not row["onednn"],
                row["threads"],
                SYSTEMS.index(row["system"]),
            ),
        )
    )


if __name__ == "__main__":
    run_command(main)
