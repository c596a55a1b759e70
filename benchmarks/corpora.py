"""Finds corpora and word vectors for the benchmarks, in data/ and embeddings/ or in ../shared."""

import os
import subprocess
import sys

import _top
import conll
from cli import UserError

ROOT = _top.ROOT
BENCH = os.path.join(ROOT, "runs", "bench")
GLOVE = "glove.6B.50d.txt"
PLACES = (ROOT, os.path.join(os.path.dirname(ROOT), "shared"))

# name: (training file, development file, columns, word vectors, or None where they start at random)
CORPORA = {
    name: (
        *(
            f"{name}/{split}.{corpus.ending}" if split in corpus.splits else None
            for split in ("train", "dev")
        ),
        " ".join(corpus.columns),
        None if name == "resume_ner" else GLOVE,
    )
    for name, corpus in conll.CORPORA.items()
    if name != "sample"
}


def find(folder, name):
    """The path of a file in data/ or embeddings/ (`folder`), here or in ../shared. Raises UserError
    if there is none.
    """
    endings = ("", ".gz", ".zip") if folder == "embeddings" else ("",)
    for base in PLACES:
        for ending in endings:
            path = os.path.join(base, folder, name + ending)
            if os.path.exists(path):
                return os.path.relpath(path, ROOT)
    raise UserError(
        f"{folder}/{name}: no such file, neither here nor in ../shared; put it there to run this "
        "benchmark"
    )


def corpus_flags(name):
    """The flags of train.py for a corpus, whose EmbVec file is made if it is missing."""
    train, dev, columns, vectors = CORPORA[name]
    flags = ["--train_path", find("data", train), "--columns", columns]
    flags += ["--dev_path", find("data", dev)] if dev else ["--dev_fraction", "0.1"]
    return flags + (["--emb_path", emb_path(name)] if vectors else [])


def emb_path(name):
    """The path of a corpus's EmbVec file, which is made if it is missing. It has all words of the
    word vectors, as a model that is served should have.
    """
    train, dev, columns, vectors = CORPORA[name]
    path = os.path.join(BENCH, f"{name}.pkl")
    if not os.path.exists(path):
        os.makedirs(BENCH, exist_ok=True)
        command = [
            sys.executable,
            "embvec.py",
            "--emb_path",
            find("embeddings", vectors),
            "--wrd_dim",
            "50",
            "--train_path",
            find("data", train),
            "--columns",
            columns,
            "--out_path",
            path,
        ]
        command += ["--total_path", find("data", dev)] if dev else []
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return os.path.relpath(path, ROOT)
