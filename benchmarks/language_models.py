"""Trains and serves models with ELMo and BERT on CoNLL-2003, from embvec.py to conlleval and C++,
by the project's own commands; prints a table.

    python benchmarks/language_models.py        # with the small models of ../shared
    python benchmarks/language_models.py bert-finetuned --epochs 2
    python benchmarks/language_models.py --bert embeddings/cased_L-12_H-768_A-12 \\
        --elmo_options O.json --elmo_weights W.hdf5 --once

With the files of published models, the rows are those configs of configs/ that need no other files;
this takes hours or days on a few cores. Each row is trained. Unless --once is given, it is trained
a second time, killed in the middle and resumed; all weights and the state of the optimizer must
then be the same, bit for bit. Dev is tagged from the checkpoint and the frozen graph in Python, and
from the frozen and the memory-mapped graph in C++; the outputs must be the same bytes.
etc/conlleval scores them. It is an error if anything differs. Finished trainings stay in
runs/bench/language_models/.
"""

import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
from typing import NamedTuple

import _top
from cli import Parser, UserError, atomic_write, run_command, suggest
from common import CC_ROOMS, Rows
from corpora import BENCH, CORPORA, ROOT, find
from f1 import is_finished_in, train_into
from served_models import binary

CONFORMANCE = os.path.join(ROOT, "..", "shared", "conformance")
SMALL = "--batch_size 20 --rnn_size 100 --rnn_layers 1 --patience 0"


class Row(NamedTuple):
    preset: str  # name of a config in configs/
    flags: str  # flags of train.py
    models: tuple  # names of language models; see embvec_flags


# The small models have random weights. Therefore fine-tuning starts from nothing, and has a larger
# learning rate and GloVe vectors as well.
ROWS = {
    "bert-features": Row("bert_glove_bilstm_crf", SMALL + " --vector_cache", ("random_cased",)),
    "bert-finetuned": Row(
        "bert_crf",
        "--batch_size 20 --bert_learning_rate 0.001 --learning_rate 0.004 --use_word True "
        "--use_chr True",
        ("random_cased",),
    ),
    "bert-real": Row("bert_glove_bilstm_crf", SMALL + " --bert_layers mix", ("pretraining_ckpt",)),
    "elmo-bilm": Row("elmo_glove_bilstm_crf", SMALL, ("bilm",)),
    "elmo-allennlp": Row("elmo_bilstm_crf", SMALL + " --vector_cache", ("allennlp",)),
    "bert-elmo": Row("bert_elmo_bilstm_crf", SMALL, ("random_cased", "bilm")),
}

PUBLISHED = {
    "bert_softmax": "b",
    "bert_crf": "b",
    "bert_bilstm_crf": "b",
    "bert_glove_bilstm_crf": "b",
    "bert_transformer_crf": "b",
    "bert_elmo_bilstm_crf": "be",
    "elmo_bilstm_crf": "e",
    "elmo_glove_bilstm_crf": "e",
}


def embvec_flags(model, args):
    """The flags of embvec.py for a language model. model: "bert" or "elmo" for the files that args
    name; otherwise the name of a model in ../shared/conformance.
    """
    if model == "bert":
        return ["--bert_init_checkpoint", args.bert]
    if model in ("random_cased", "pretraining_ckpt"):
        flags = ["--bert_init_checkpoint", os.path.join(CONFORMANCE, "bert", model)]
        if model == "random_cased":
            flags += ["--bert_vocab_path", os.path.join(CONFORMANCE, "bert", "cased_vocab.txt")]
        return flags
    folder = os.path.join(CONFORMANCE, "elmo", model)
    options, weights = f"{folder}/options.json", f"{folder}/lm_weights.hdf5"
    if model == "elmo":
        options, weights = args.elmo_options, args.elmo_weights
    return ["--elmo_options_path", options, "--elmo_weight_path", weights]


def published_rows(args):
    """The rows that are possible with the files that args name, {name: Row}."""
    named = ("b" if args.bert else "") + ("e" if args.elmo_weights else "")
    models = {"b": "bert", "e": "elmo"}
    return {
        name: Row(name, "", tuple(models[letter] for letter in needed))
        for name, needed in PUBLISHED.items()
        if set(needed) <= set(named)
    }


# ---------------------------------------------------------------- the steps


def run(command, **rest):
    """Runs a command, and returns its standard output. Raises UserError if it fails."""
    done = subprocess.run(command, cwd=ROOT, **rest)
    if done.returncode:
        raise UserError(
            f"{' '.join(command[:2])}: exit code {done.returncode}, see above; run this again to "
            "go on"
        )
    return done.stdout


def corpus(split):
    return find("data", CORPORA["conll2003"][split == "dev"])


def bench_folder(args):
    """The folder for everything that is made from these language models and word vectors."""
    named = [
        os.path.basename(os.path.normpath(path)) for path in (args.bert, args.elmo_weights) if path
    ]
    return os.path.join(BENCH, "language_models", "-".join([*named, args.vectors]))


def make_emb(row, args):
    """The path of the EmbVec file with a row's language models, which is made if it is missing."""
    path = os.path.join(bench_folder(args), "-".join(row.models) + ".pkl")
    if not os.path.exists(path):
        flags = [flag for model in row.models for flag in embvec_flags(model, args)]
        run(
            [
                sys.executable,
                "embvec.py",
                "--emb_path",
                find("embeddings", args.vectors),
                "--wrd_dim",
                str(args.wrd_dim),
                "--train_path",
                corpus("train"),
                "--total_path",
                corpus("dev"),
                *flags,
                "--out_path",
                path,
            ],
            stdout=subprocess.DEVNULL,
        )
    return path


def train_flags(row, args):
    flags = row.flags.replace(
        "--vector_cache", f"--vector_cache {os.path.join(bench_folder(args), 'vectors')}"
    ).split()
    flags += ["--epoch", str(args.epochs)] if args.epochs else []
    flags += ["--max_train_steps_per_epoch", str(args.steps)] if args.steps else []
    return [
        "--train_path",
        corpus("train"),
        "--dev_path",
        corpus("dev"),
        "--emb_path",
        make_emb(row, args),
        "--model",
        row.preset,
        *flags,
    ]


def train_killed(folder, flags, threads, epoch):
    """Trains, kills the training in the middle of epoch `epoch`, and resumes it to its end."""
    if is_finished_in(folder):
        return
    shutil.rmtree(folder, ignore_errors=True)
    command = [
        sys.executable,
        "train.py",
        "--checkpoint_dir",
        os.path.relpath(folder, ROOT),
        "--threads",
        str(threads),
        "--summary_dir",
        "",
        *flags,
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = []
    for line in process.stdout:
        said.append(line)
        if re.match(rf"epoch {epoch} step \d+ ", line):
            process.kill()
    if process.wait() != -signal.SIGKILL:
        raise UserError(
            f"{os.path.relpath(folder, ROOT)}: the training ended before it was killed in epoch "
            f"{epoch}: {''.join(said[-2:]).strip()}"
        )
    train_into(folder, threads, lambda: flags)


def tags_of(system, folder):
    """Tags the dev file with one of SYSTEMS. Returns the output, and keeps it in `folder`."""
    exported, data = os.path.join(folder, "exported"), os.path.join(ROOT, corpus("dev"))
    frozen, vocab = os.path.join(exported, "ner_frozen.pb"), os.path.join(exported, "vocab.txt")
    commands = {
        "Python restored": [
            sys.executable,
            "inference.py",
            "--mode",
            "bucket",
            "--restore",
            os.path.join(folder, "straight"),
        ],
        "Python frozen": [
            sys.executable,
            "inference/python/inference.py",
            "--mode",
            "bucket",
            "--vocab_path",
            vocab,
            "--frozen_path",
            frozen,
        ],
        "C++ frozen": [binary("inference"), frozen, vocab],
        "C++ memory-mapped": [binary("inference_mm"), frozen + ".memmapped", vocab],
    }
    with open(data, "rb") as stream:
        tagged = run(
            commands[system], stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    with atomic_write(os.path.join(folder, system.lower().replace(" ", "-") + ".txt")) as out:
        out.write(tagged)
    return tagged


SYSTEMS = ("Python restored", "Python frozen", "C++ frozen", "C++ memory-mapped")


def export(folder):
    """Makes the frozen and the memory-mapped graph of the checkpoint."""
    exported = os.path.join(folder, "exported")
    frozen = os.path.join(exported, "ner_frozen.pb")
    os.makedirs(exported, exist_ok=True)
    for command in (
        [
            sys.executable,
            "inference/export.py",
            "--restore",
            os.path.join(folder, "straight"),
            "--export",
            os.path.join(exported, "ner_model"),
            "--export-pb",
            exported,
        ],
        [sys.executable, "inference/freeze.py", "--model_dir", exported],
        [
            binary("convert_graphdef_memmapped_format"),
            f"--in_graph={frozen}",
            f"--out_graph={frozen}.memmapped",
        ],
    ):
        run(command, stdout=subprocess.DEVNULL)


def dev_f1(tagged):
    """The chunk F1 that etc/conlleval prints."""
    report = run(["perl", "etc/conlleval"], input=tagged, stdout=subprocess.PIPE).decode()
    return float(re.search(r"FB1: +([\d.]+)", report)[1])


def tensors(prefix):
    """The variables of a checkpoint, {name: array}."""
    from tf1 import tf

    reader = tf.train.load_checkpoint(prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def same_bits(one, other):
    """Whether the best models and the last states in two folders have the same tensors, bit for
    bit.
    """
    pairs = [
        [tensors(os.path.join(folder, name)) for folder in (one, other)]
        for name in ("ner_model", "last_state")
    ]
    return all(
        a.keys() == b.keys() and all(a[name].tobytes() == b[name].tobytes() for name in a)
        for a, b in pairs
    )


# ---------------------------------------------------------------- a row


def do(name, row, args):
    """Runs every step of a row. Returns its cells of the table, {column: value}."""
    epochs = f"-epochs{args.epochs}" if args.epochs else ""
    steps = f"-steps{args.steps}" if args.steps else ""
    folder = os.path.join(bench_folder(args), f"{name}{epochs}{steps}")
    stored = Rows(
        "language_models",
        [folder, row, args.once],
        folders=("inference", *(f"inference/cc/{room}" for room in CC_ROOMS)),
    )
    if stored.rows:
        return stored.rows[-1]
    straight, flags = os.path.join(folder, "straight"), train_flags(row, args)
    if not is_finished_in(straight):
        train_into(straight, args.threads, lambda: flags)
    with open(os.path.join(straight, "history.json"), encoding="utf-8") as stream:
        history = json.load(stream)
    found = {
        "config": row.preset,
        "models": " + ".join(row.models),
        "parameters": parameters(straight),
        "epochs": len(history),
        "seconds": statistics.median(epoch["seconds"] for epoch in history),
    }
    if not args.once:
        killed = os.path.join(folder, "killed")
        train_killed(killed, flags, args.threads, len(history) // 2 + 1)
        found["same bits"] = same_bits(straight, killed)
    export(folder)
    restored, *others = (tags_of(system, folder) for system in SYSTEMS)
    found["f1"] = dev_f1(restored)
    found["differ"] = {
        system: differing(restored, tagged)
        for system, tagged in zip(SYSTEMS[1:], others)
        if tagged != restored
    }
    stored.add(found)
    return found


def parameters(folder):
    """The parameters of the best model: (of ELMo and BERT, of the word embeddings, all others)."""
    sizes = {name: array.size for name, array in tensors(os.path.join(folder, "ner_model")).items()}
    pretrained = sum(size for name, size in sizes.items() if re.match("(elmo|bert)/(?!mix/)", name))
    words = sizes.get("embeddings/word", 0)
    return pretrained, words, sum(sizes.values()) - pretrained - words


def differing(one, other):
    """The number of lines in which two files differ."""
    pairs = zip(one.split(b"\n"), other.split(b"\n"))
    return sum(a != b for a, b in pairs) + abs(one.count(b"\n") - other.count(b"\n"))


def print_table(rows):
    print(
        "| row | `--model` | ELMo, BERT | their parameters | word vectors | others | epochs | s an "
        "epoch | dev F1 | killed, resumed | same tags |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, row in rows.items():
        pretrained, words, others = row["parameters"]
        bits = "not tried"
        if "same bits" in row:
            bits = "the same bits" if row["same bits"] else "**other bits**"
        differ = [f"**{system}: {count} lines differ**" for system, count in row["differ"].items()]
        tags = ", ".join(differ) or "all"
        print(
            f"| {name} | `{row['config']}` | {row['models']} | {pretrained:,} | {words:,} | "
            f"{others:,} | {row['epochs']} | {row['seconds']:.1f} | {row['f1']:.2f} | {bits} | "
            f"{tags} |"
        )


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "rows",
        nargs="*",
        help=f"of {', '.join(ROWS)}, or with published files of {', '.join(PUBLISHED)}; default: "
        "all",
    )
    parser.add_argument(
        "--epochs",
        type=int,
        help="epochs of each training (default 6; published files: what the config says)",
    )
    parser.add_argument("--steps", type=int, help="batches of each epoch, at most: for a trial")
    parser.add_argument(
        "--once",
        action="store_true",
        help="do not train each row a second time, killed and resumed",
    )
    parser.add_argument("--bert", default="", help="a published BERT's folder")
    parser.add_argument("--elmo_options", default="", help="a published ELMo's options.json")
    parser.add_argument("--elmo_weights", default="", help="and its weights.hdf5")
    parser.add_argument(
        "--vectors",
        default="glove.6B.50d.txt",
        help="word vectors of embeddings/ (default glove.6B.50d.txt)",
    )
    parser.add_argument("--wrd_dim", type=int, default=50, help="numbers of a vector (default 50)")
    parser.add_argument(
        "--threads", "-j", type=int, default=0, help="threads of a training; 0: one for each core"
    )
    args = parser.parse_args()
    for name in ("bert", "elmo_options", "elmo_weights"):
        path = getattr(args, name)
        setattr(args, name, os.path.abspath(path) if path else "")
    if bool(args.elmo_options) != bool(args.elmo_weights):
        raise UserError("--elmo_options and --elmo_weights: expected both or neither")
    rows = published_rows(args) or ROWS
    if rows is ROWS and args.epochs is None:
        args.epochs = 6
    for name in args.rows:
        if name not in rows:
            raise UserError(f"no row {name!r}{suggest(name, rows)}; known are {', '.join(rows)}")
    for command in ("inference", "inference_mm", "convert_graphdef_memmapped_format"):
        binary(command)  # fails before the trainings if it is not built
    os.makedirs(bench_folder(args), exist_ok=True)
    done = {name: do(name, rows[name], args) for name in args.rows or rows}
    print_table(done)
    failed = [name for name, row in done.items() if row.get("same bits") is False or row["differ"]]
    if failed:
        raise UserError(f"not reached: {', '.join(failed)}")


if __name__ == "__main__":
    run_command(main)
