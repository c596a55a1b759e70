"""Measures the tokens a second of training and of tagging with the fused and the normal LSTM, and
with the same architecture in PyTorch.

    python benchmarks/train_speed.py --steps 60 --rounds 7 --threads 2
    python benchmarks/train_speed.py --torch_python other/venv/bin/python

The model is the default config on CoNLL-2003 with glove.6B.50d (see corpora.py). PyTorch runs
twice: nn.LSTM over packed sequences, which is usual, and over padded ones, for which it uses
oneDNN. All systems start from the same weights, get the same batches (feed.training_batches) and
take turns; a step is everything from the examples to the updated weights. The table shows medians
over the rounds, and medians of the rounds' ratios. It is an error if the systems differ in the
number of trained parameters or in the loss at the start, or if a loss does not fall. PyTorch
(requirements-bench.txt) may be in another environment, with numpy.
"""

import os
import statistics
import sys
import tempfile
import time

import numpy as np

import _top
from cli import Parser, UserError, run_command
from common import Rows, Worker, add_afresh_flag, serve
from config import Config
from corpora import BENCH, CORPORA, emb_path, find
from features.feed import training_batches
from training.data import load_data
from training.graph import TrainingGraph

SYSTEMS = {
    "fused": "etagger, rnn_type fused",
    "normal": "etagger, rnn_type normal",
    "packed": "PyTorch, packed sequences",
    "padded": "PyTorch, padded, oneDNN's LSTM",
}
WARM_UP = 100  # steps before the first round
RNN_TYPES = ("fused", "normal")
TAGGED_AT_ONCE = 64  # sentences in a batch of tagging, as in inference.py
PUBLISHED = {"train": 3.13, "tag": 1.26}  # ratio of fused to normal, README of dsindex/etagger


# ---------------------------------------------------------------- the workers' side


class TensorFlowSystem:
    def __init__(self, config, data, kind):
        config.rnn_type = kind
        self.training = TrainingGraph(config, data)
        self.training.load_pretrained(data.emb)

        self.variables = {
            variable.op.name: variable
            for variable in self.training.model.variables
            if "Adam" not in variable.op.name
        }

    def parameters(self):
        return sum(
            variable.shape.num_elements()
            for variable in self.variables.values()
            if variable.trainable
        )

    def save(self, path):
        with self.training.graph.as_default():
            np.savez(path, **self.training.session.run(self.variables))

    def load(self, path):
        with self.training.graph.as_default(), np.load(path) as weights:
            for name, variable in self.variables.items():
                variable.load(weights[name], self.training.session)

    def loss(self, inputs):
        return float(self.training.tags_and_loss(inputs)[1])

    def step(self, inputs):
        return self.training.step(inputs).loss

    def tag(self, inputs):
        self.training.tags(inputs)


class TorchSystem:
    def __init__(self, config, data, kind):
        try:
            import torch
        except ImportError:
            raise UserError(
                "PyTorch is not here: pip install -r requirements-bench.txt, or name an "
                "interpreter that has it with --torch_python"
            ) from None
        from peers.torch_tagger import PackedBiLSTM, PaddedBiLSTM, TorchTagger

        torch.manual_seed(config.seed)
        torch.set_num_threads(config.threads)
        self.torch, self.clip_norm = torch, config.clip_norm
        bilstm = PackedBiLSTM if kind == "packed" else PaddedBiLSTM
        self.model = TorchTagger(config, data.feeder.sizes(), bilstm)
        self.optimizer = torch.optim.Adam(self.model.trained(), lr=config.learning_rate, fused=True)

    def parameters(self):
        return sum(parameter.numel() for parameter in self.model.trained())

    def load(self, path):
        with np.load(path) as weights:
            self.model.load(weights)

    def loss(self, inputs):
        self.model.eval()
        with self.torch.inference_mode():
            return self.model.loss(inputs).item()

    def step(self, inputs):
        self.model.train()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.model.loss(inputs)
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.model.trained(), self.clip_norm)
        self.optimizer.step()
        return loss.item()

    def tag(self, inputs):
        self.model.eval()
        self.model.decode(inputs).numpy()


class Bench:
    """A system, and the batches that all systems get."""

    def __init__(self, name, threads):
        train, dev, columns, _ = CORPORA["conll2003"]
        config = Config(
            train_path=[find("data", train)],
            dev_path=[find("data", dev)],
            columns=columns,
            summary_dir="",
            emb_path=emb_path("conll2003"),
            threads=threads,
        )
        self.config, self.data = load_data(config)
        self.system = (TensorFlowSystem if name in RNN_TYPES else TorchSystem)(
            self.config, self.data, name
        )
        self.batches = {
            "train": training_batches([len(example) for example in self.data.train], self.config, 0)
        }
        self.config.batch_size = TAGGED_AT_ONCE
        self.batches["tag"] = training_batches(
            [len(example) for example in self.data.dev], self.config, 0
        )

    def answer(self, do, **arguments):
        return getattr(self, do)(**arguments)

    def parameters(self):
        return {"parameters": self.system.parameters()}

    def save(self, path):
        self.system.save(path)
        return {}

    def load(self, path):
        """Loads weights. Returns the loss of the first batch, without dropout."""
        self.system.load(path)
        return {"loss": self.system.loss(self._inputs("train", 0)[0])}

    def _inputs(self, what, index):
        batches = self.batches[what]
        examples = self.data.train if what == "train" else self.data.dev
        chosen = sorted((examples[i] for i in batches[index % len(batches)]), key=len, reverse=True)
        rng = np.random.default_rng([self.config.seed, index]) if what == "train" else None
        return self.data.feeder.batch(chosen, rng), sum(map(len, chosen))

    def run(self, what, first, count):
        """Runs `count` steps of 'train' or 'tag', from batch `first` on."""
        call = self.system.step if what == "train" else self.system.tag
        started, tokens, losses = time.perf_counter(), 0, []
        for index in range(first, first + count):
            inputs, real = self._inputs(what, index)
            losses.append(call(inputs))
            tokens += real
        return {
            "seconds": time.perf_counter() - started,
            "tokens": tokens,
            "loss": statistics.mean(losses) if what == "train" else None,
        }


# ---------------------------------------------------------------- the measurement


def measure(args, rows):
    """Measures until there are args.rounds rounds in `rows`."""
    workers = {
        name: Worker(
            [
                sys.executable if name in RNN_TYPES else args.torch_python,
                os.path.abspath(__file__),
                "--worker",
                name,
                "--threads",
                str(args.threads),
            ]
        )
        for name in SYSTEMS
    }
    _check_same(workers)
    counts = {"train": args.steps, "tag": args.steps // 2}
    early = {
        name: worker.ask(do="run", what="train", first=0, count=WARM_UP)["loss"]
        for name, worker in workers.items()
    }
    for worker in workers.values():
        worker.ask(do="run", what="tag", first=0, count=WARM_UP)
    while len(rows.rows) < args.rounds:
        done = len(rows.rows)
        first = done % len(SYSTEMS)
        names = [*SYSTEMS][first:] + [*SYSTEMS][:first]
        row = {}
        for what, count in counts.items():
            start = WARM_UP + done * count
            row[what] = {
                name: workers[name].ask(do="run", what=what, first=start, count=count)
                for name in names
            }
        rows.add(row)
        print(f"round {done + 1} of {args.rounds}", file=sys.stderr)
    _check_learned(workers, rows, early)


def _check_learned(workers, rows, early):
    """Ends the workers. Raises UserError if a loss has not fallen. early: {name: mean loss of the
    warm-up}.
    """
    for name, worker in workers.items():
        worker.close()
        late = rows.rows[-1]["train"][name]["loss"]
        if not late < early[name]:
            raise UserError(
                f"{SYSTEMS[name]}: the loss went from {early[name]:.3f} to {late:.3f}, expected it "
                "to fall"
            )
    print(
        "mean loss of the warm-up and of the last round: "
        + ", ".join(
            f"{name} {early[name]:.3f} {rows.rows[-1]['train'][name]['loss']:.3f}"
            for name in SYSTEMS
        ),
        file=sys.stderr,
    )


def _check_same(workers):
    """Gives all systems the same weights. Raises UserError if they do not compute the same loss."""
    parameters = {
        name: worker.ask(do="parameters")["parameters"] for name, worker in workers.items()
    }
    os.makedirs(BENCH, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BENCH) as folder:
        path = os.path.join(folder, "weights.npz")
        workers["fused"].ask(do="save", path=path)
        losses = {
            name: worker.ask(do="load", path=path)["loss"] for name, worker in workers.items()
        }
    if len(set(parameters.values())) > 1:
        raise UserError(f"trained parameters: {parameters}, expected as many in each")
    if max(losses.values()) - min(losses.values()) > 1e-3:
        raise UserError(
            f"loss of the first batch from the same weights: {losses}, expected the same"
        )
    print(
        f"{parameters['fused']:,} trained parameters in each; the first batch's loss from the same "
        "weights: " + ", ".join(f"{name} {loss:.5f}" for name, loss in losses.items()),
        file=sys.stderr,
    )


def report(rows, args):
    print(
        f"{len(rows)} rounds of {args.steps} steps, {args.threads} thread{'s' * (args.threads > 1)}"
    )
    print(f"{'tokens/s, median of the rounds':32}{'training':>10}{'tagging':>10}")
    for name, title in SYSTEMS.items():
        speeds = [statistics.median(_speed(row, what, name) for row in rows) for what in PUBLISHED]
        print(f"{title:32}{speeds[0]:10,.0f}{speeds[1]:10,.0f}")
    others = {
        "fused / PyTorch packed": "packed",
        "fused / PyTorch padded": "padded",
        "fused / normal": "normal",
    }
    for title, other in others.items():
        ratios = [
            statistics.median(_speed(row, what, "fused") / _speed(row, what, other) for row in rows)
            for what in PUBLISHED
        ]
        print(f"{title:32}{ratios[0]:10.2f}{ratios[1]:10.2f}")
    print(
        f"{'fused / normal, published':32}{PUBLISHED['train']:10.2f}{PUBLISHED['tag']:10.2f}   "
        "dsindex/etagger, README"
    )


def _speed(row, what, name):
    return row[what][name]["tokens"] / row[what][name]["seconds"]


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--steps",
        type=int,
        default=60,
        help="training steps in a round; half as many of tagging (default 60)",
    )
    parser.add_argument("--rounds", type=int, default=7, help="rounds (default 7)")
    parser.add_argument(
        "--threads", "-j", type=int, default=2, help="threads of each system (default 2)"
    )
    parser.add_argument(
        "--torch_python",
        default=sys.executable,
        help="interpreter that has PyTorch (default: this one)",
    )
    add_afresh_flag(parser)
    parser.add_argument(
        "--worker",
        default="",
        choices=("", *SYSTEMS),
        help="serve as this system (the benchmark's own use)",
    )
    args = parser.parse_args()
    if args.steps < 2 or args.rounds < 1 or args.threads < 1:
        raise UserError("--steps, --rounds and --threads: expected at least 2, 1 and 1")
    if args.worker:
        serve(Bench(args.worker, args.threads).answer)
        return
    rows = Rows("train_speed", [args.steps, args.threads], args.afresh)
    if len(rows.rows) < args.rounds:
        emb_path("conll2003")
        measure(args, rows)
    report(rows.rows[: args.rounds], args)


if __name__ == "__main__":
    run_command(main)
