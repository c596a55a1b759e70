"""Measures time and peak memory of loading, training and tagging with a full-size BERT-base and a
full-size ELMo of random weights; compares BERT with HuggingFace transformers.

    python benchmarks/pretrained.py --rounds 10 --threads 2
    python benchmarks/pretrained.py --torch_python other/venv/bin/python

It writes the files of both models in their published formats, a corpus of one batch (16 sentences
of 126 words, which are 128 wordpieces with [CLS] and [SEP]) and the EmbVec files. It trains an
epoch of configs/bert_softmax.yaml (fine-tuned) and of configs/elmo_bilstm_crf.yaml, that is one
batch with its evaluation and its checkpoints, and tags with the model. Each system trains, and
tags, in a process of its own, whose peak of resident memory is measured. transformers
(requirements-bench.txt, see peers/torch_bert.py) gets the weights of the trained model and the same
batch; it is an error if its emission scores differ. Systems take turns; only two of them train, as
memory is short. The fastest rounds are printed, as other work on the machine slows PyTorch far more
than us. The exit code is 1 if tagging with BERT takes more than 1.2 times as long as transformers
with the faster attention, or if a process of ours needs 12 GB. It takes 4 GB of disk in runs/bench/
while it runs.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

import _top
import checkpoint
import conll
from cli import Parser, UserError, run_command
from common import Worker, peak_memory, serve
from config import load_config, model_path
from corpora import BENCH, ROOT
from features.pretrained import bert_shapes, elmo_shapes
from features.wordpiece import SPECIAL

MODELS = {"bert": ("BERT-base", "bert_softmax"), "elmo": ("ELMo", "elmo_bilstm_crf")}
OURS = "etagger"
PEERS = {
    "eager": "transformers, eager attention",
    "sdpa": "transformers, SDPA",
    "onednn": "transformers, SDPA, oneDNN's products",
}
MOST_RATIO, MOST_GIGABYTES = 1.2, 12.0
FURTHEST = 1e-3  # largest difference of emission scores from those of transformers

BERT_BASE = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
}
ELMO = {
    "lstm": {
        "dim": 4096,
        "projection_dim": 512,
        "n_layers": 2,
        "cell_clip": 3,
        "proj_clip": 3,
        "use_skip_connections": True,
    },
    "char_cnn": {
        "embedding": {"dim": 16},
        "filters": [[1, 32], [2, 32], [3, 64], [4, 128], [5, 256], [6, 512], [7, 1024]],
        "activation": "relu",
        "n_highway": 2,
        "n_characters": 262,
        "max_characters_per_token": 50,
    },
}
SENTENCES, WORDS = 16, 126


# ---------------------------------------------------------------- files


def make_files(folder):
    """Writes the models, the corpus, and the EmbVec files bert.pkl and elmo.pkl."""
    import h5py

    rng = np.random.default_rng(1)
    words = [f"w{i:05d}" for i in range(BERT_BASE["vocab_size"] - len(SPECIAL))]
    in_folder = lambda name: os.path.join(folder, name)
    _write(in_folder("vocab.txt"), "".join(f"{piece}\n" for piece in [*SPECIAL, *words]))
    sentences = [
        [f"{rng.choice(words)} {rng.choice(['O', 'B-PER', 'B-LOC'])}\n" for _ in range(WORDS)]
        for _ in range(SENTENCES)
    ]
    _write(in_folder("train.txt"), "\n".join("".join(rows) for rows in sentences))
    _write(in_folder("bert_config.json"), json.dumps(BERT_BASE))
    _write(in_folder("options.json"), json.dumps(ELMO))
    # Published checkpoints have the pooler, which tagging does not need.
    pooler = {"bert/pooler/dense/kernel": (768, 768), "bert/pooler/dense/bias": (768,)}
    shapes = bert_shapes(BERT_BASE) | pooler
    weights = {name: _random(rng, name, shape) for name, shape in shapes.items()}
    _write_checkpoint(in_folder("bert_model.ckpt"), weights)
    with h5py.File(in_folder("weights.hdf5"), "w") as file:
        for name, shape in elmo_shapes(ELMO).items():
            file[name] = _random(rng, name, shape)
    _make_emb_files(folder)


def _make_emb_files(folder):
    """Runs embvec.py for each of MODELS on the files that make_files has written."""
    in_folder = lambda name: os.path.join(folder, name)
    flags = {
        "bert": [
            "--bert_init_checkpoint",
            folder,
            "--bert_do_lower_case",
            "True",
            "--bert_max_seq_length",
            str(WORDS + 2),
        ],
        "elmo": [
            "--elmo_options_path",
            in_folder("options.json"),
            "--elmo_weight_path",
            in_folder("weights.hdf5"),
        ],
    }
    for name in MODELS:
        subprocess.run(
            [
                sys.executable,
                "embvec.py",
                "--train_path",
                in_folder("train.txt"),
                "--columns",
                "word tag",
                "--wrd_dim",
                "50",
                "--out_path",
                in_folder(f"{name}.pkl"),
                *flags[name],
            ],
            cwd=ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )


def _write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)


def _write_checkpoint(path, weights):
    from tf1 import new_session, put, quiet, tf

    with tf.Graph().as_default(), quiet():
        variables = [tf.get_variable(name, value.shape) for name, value in weights.items()]
        saver = tf.train.Saver(variables)
        with new_session() as session:
            put(session, variables, weights.values())
            saver.save(session, path, write_meta_graph=False)


def _random(rng, name, shape):
    """Random weights, float32; the gains of layer normalization are near 1."""
    return rng.standard_normal(shape, np.float32) * np.float32(0.04) + np.float32(
        name.endswith("/gamma")
    )


# ---------------------------------------------------------------- the workers' side


class Ours:
    """The base of our workers, which answers questions by calling its methods."""

    def answer(self, do, **arguments):
        return getattr(self, do)(**arguments)

    def about(self):
        return {"load": self.loaded, "gigabytes": peak_memory() / 1e9}


class Training(Ours):
    def __init__(self, name, folder, threads):
        from training.run import create_trainer

        started = time.perf_counter()
        path = os.path.join(folder, "train.txt")
        config = load_config(
            model_path(MODELS[name][1]),
            {
                "emb_path": os.path.join(folder, f"{name}.pkl"),
                "train_path": [path],
                "dev_path": [path],
                "columns": "word tag",
                "epoch": 1,
                "checkpoint_dir": os.path.join(folder, name),
                "summary_dir": "",
                "threads": threads,
            },
        )
        os.mkdir(config.checkpoint_dir)
        self.trainer = create_trainer(config)
        self.loaded = time.perf_counter() - started
        data = self.trainer.data
        self.inputs = data.feeder.batch(data.train)

    def run(self):
        """Trains an epoch: one batch, its evaluation, the best model and the last state."""
        from training.trainer import train

        train(self.trainer)
        return {}

    def step(self):
        started = time.perf_counter()
        self.trainer.training_graph.step(self.inputs)
        return {"seconds": time.perf_counter() - started}

    def batch(self, out):
        """Writes BERT's batch for peers/torch_bert.py. Each word is one wordpiece."""
        no_tag = -100  # the label that transformers ignores
        tags = np.pad(self.inputs["target_tag_ids"], ((0, 0), (1, 1)), constant_values=no_tag)
        names = {"token_ids": "token_ids", "mask": "token_masks", "segment_ids": "segment_ids"}
        np.savez(
            out,
            tags=tags,
            **{name: self.inputs[f"bert_input_data_{ours}"] for name, ours in names.items()},
        )
        return {}


class Tagging(Ours):
    def __init__(self, name, folder, threads):
        from tagging.tagger import Tagger

        started = time.perf_counter()
        self.tagger = Tagger.load(os.path.join(folder, name), threads=threads)
        self.loaded = time.perf_counter() - started
        path = os.path.join(folder, "train.txt")
        feeder, (sentences, *_) = self.tagger.feeder, conll.read_sentences(path, ["word", "tag"])
        self.inputs = feeder.batch([feeder.encode(sentence) for sentence in sentences])

    def tag(self):
        """Tags the batch. Returns the seconds from ids to tags."""
        started = time.perf_counter()
        self.tagger.run(self.inputs)
        return {"seconds": time.perf_counter() - started}

    def scores(self, out):
        """Writes emission scores, float32 (sentences, words, tags)."""
        np.save(out, self.tagger.scores(self.inputs)[1])
        return {}


# ---------------------------------------------------------------- the measurement


class Bench:
    def __init__(self, folder, args):
        self.folder, self.args = folder, args

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def ours(self, name, task):
        return Worker(
            [
                sys.executable,
                os.path.abspath(__file__),
                "--worker",
                f"{name}/{task}",
                "--folder",
                self.folder,
                "--threads",
                str(self.args.threads),
            ]
        )

    def peer(self, kind):
        return Worker(
            [
                self.args.torch_python,
                os.path.join(ROOT, "benchmarks", "peers", "torch_bert.py"),
                self.path("peer"),
                "--attention",
                "eager" if kind == "eager" else "sdpa",
                "--threads",
                str(self.args.threads),
                *["--onednn"] * (kind == "onednn"),
            ]
        )

    def rounds(self, do, workers):
        """Asks the workers in turn. Returns {name: {"load", "gigabytes", "seconds"}}, where seconds
        are those of the fastest round.
        """
        seconds = {name: [] for name in workers}
        for _ in range(self.args.rounds):
            for name, worker in workers.items():
                seconds[name].append(worker.ask(do=do)["seconds"])
        rows = {
            name: {**worker.ask(do="about"), "seconds": min(seconds[name])}
            for name, worker in workers.items()
        }
        for worker in workers.values():
            worker.close()
        return rows

    def train(self, name):
        """Trains the epoch, and then measures single steps. Returns rows as rounds() does."""
        worker = self.ours(name, "train")
        workers = {OURS: worker}
        worker.ask(do="run")
        if name == "bert":
            os.mkdir(self.path("peer"))
            shutil.copy(self.path("bert_config.json"), self.path("peer"))
            worker.ask(do="batch", out=self.path("peer", "batch.npz"))
            np.savez(self.path("peer", "weights.npz"), **self.weights(name))
            workers["sdpa"] = self.peer("sdpa")
        return self.rounds("step", workers)

    def weights(self, name):
        """{variable: array} of the trained model."""
        from tf1 import tf

        reader = tf.train.load_checkpoint(self.path(name, checkpoint.MODEL))
        return {
            variable: reader.get_tensor(variable) for variable in reader.get_variable_to_shape_map()
        }

    def tag(self, name):
        """Measures tagging. Returns rows as rounds() does. Raises UserError if the emission scores
        of a peer differ.
        """
        workers = {}
        for kind in (OURS, *(PEERS if name == "bert" else ())):
            workers[kind] = self.ours(name, "tag") if kind == OURS else self.peer(kind)
            # A worker answers once it has loaded, so only one loads at a time.
            workers[kind].ask(do="scores", out=self.path(f"{kind}.npy"))
        ours = np.load(self.path(f"{OURS}.npy"))
        for kind in [*workers][1:]:
            theirs = np.load(self.path(f"{kind}.npy"))[:, 1:-1]  # without [CLS] and [SEP]
            far = float(np.abs(theirs - ours).max())
            print(f"{PEERS[kind]}: emission scores are within {far:.1e} of ours", file=sys.stderr)
            if not far < FURTHEST:
                raise UserError(
                    f"{PEERS[kind]}: an emission score is {far:.1e} from ours, expected "
                    f"{FURTHEST:.0e} at most"
                )
        return self.rounds("tag", workers)


def report(title, train, tag):
    """Prints a model's table. Returns a line for each goal that is missed."""
    line = "{:40}{:>10}{:>9}{:>9}{:>11}{:>9}{:>9}".format
    print(title)
    print(line("", "training:", "", "", "tagging:", "", ""))
    print(line("", *2 * ("load s", "batch s", "peak GB")))
    for name, row in tag.items():
        cells = [
            [f"{task['load']:.1f}", f"{task['seconds']:.2f}", f"{task['gigabytes']:.2f}"]
            if task
            else "---"
            for task in (train.get(name), row)
        ]
        print(line(PEERS.get(name, name), *cells[0], *cells[1]), flush=True)
    missed = [
        f"{row['gigabytes']:.1f} GB, expected less than {MOST_GIGABYTES:.0f}"
        for row in (train[OURS], tag[OURS])
        if row["gigabytes"] >= MOST_GIGABYTES
    ]
    for name in [*tag][1:]:
        ratios = {
            task: rows[OURS]["seconds"] / rows[name]["seconds"]
            for task, rows in (("tagging", tag), ("training", train))
            if name in rows
        }
        print(
            f"{OURS} / {PEERS[name]}: "
            + ", ".join(f"{task} {ratio:.2f}" for task, ratio in ratios.items())
        )
        if ratios["tagging"] > MOST_RATIO and name != "onednn":
            missed.append(
                f"tagging takes {ratios['tagging']:.2f} times as long as {PEERS[name]}, expected "
                f"{MOST_RATIO} at most"
            )
    return missed


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="rounds (default 10)")
    parser.add_argument(
        "--threads", "-j", type=int, default=2, help="threads of each system (default 2)"
    )
    parser.add_argument(
        "--torch_python",
        default=sys.executable,
        help="interpreter that has PyTorch and transformers (default: this one)",
    )
    parser.add_argument(
        "--worker", default="", help="serve as MODEL/TASK (the benchmark's own use)"
    )
    parser.add_argument("--folder", default="", help="of --worker")
    args = parser.parse_args()
    if args.rounds < 1 or args.threads < 1:
        raise UserError("--rounds and --threads: expected at least 1")
    if args.worker:
        name, task = args.worker.split("/")
        worker = Training if task == "train" else Tagging
        return serve(worker(name, args.folder, args.threads).answer)
    check = [args.torch_python, "-c", "import torch, transformers"]
    if subprocess.run(check, stderr=subprocess.DEVNULL).returncode:
        raise UserError(
            f"{args.torch_python}: PyTorch and transformers are not there: pip install -r "
            "requirements-bench.txt, or name an interpreter that has them with --torch_python"
        )
    os.makedirs(BENCH, exist_ok=True)
    missed = []
    with tempfile.TemporaryDirectory(dir=BENCH) as folder:
        bench = Bench(folder, args)
        make_files(folder)
        for name, (title, _) in MODELS.items():
            train = bench.train(name)
            count = sum(
                value.size
                for variable, value in bench.weights(name).items()
                if variable.startswith(f"{name}/")
            )
            missed += report(
                f"{title}, {count:,} weights; {SENTENCES} x {WORDS} words; {args.threads} "
                f"thread{'s' * (args.threads > 1)}",
                train,
                bench.tag(name),
            )
    for line in missed:
        print(f"not reached: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    run_command(main)
