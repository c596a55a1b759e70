"""The files of a training: the best model, the last state, the history and the learning curve."""

import dataclasses
import json
import math
import os

import checkpoint
from cli import atomic_write


class TrainingFiles:
    """Writes to config.checkpoint_dir. model_prefix: of the best model's checkpoint. state_prefix:
    of the last state's, from which --resume goes on.
    """

    def __init__(self, config, data, made_from):
        """data: training.data.Data. made_from: {path: sha256} of what the model is made from."""
        self.config, self.data, self.made_from = config, data, made_from
        self.model_prefix = os.path.join(config.checkpoint_dir, checkpoint.MODEL)
        self.state_prefix = os.path.join(config.checkpoint_dir, checkpoint.STATE)

    def save_model(self, graph, state):
        """graph: TrainingGraph. state: checkpoint.State."""
        graph.save_model(self.model_prefix, self.meta(state), self.data.emb)

    def save_state(self, graph, state):
        """Saves the state and the history. graph: TrainingGraph. state: checkpoint.State."""
        graph.save_state(self.state_prefix, self.meta(state), self.data.emb)
        path = os.path.join(self.config.checkpoint_dir, "history.json")
        with atomic_write(path, "w", encoding="utf-8") as out:
            json.dump([_finite(row) for row in state.history], out, indent=1)

    def plot_history(self, history):
        """Draws the learning curve. history: State.history."""
        plot_history(history, os.path.join(self.config.checkpoint_dir, "learning_curve.png"))

    def meta(self, state):
        """What checkpoint.Meta holds of the training."""
        data, gazetteer = self.data, self.data.feeder.gazetteer
        return {
            "config": self.config.to_dict(),
            "tags": data.tags,
            "tag_scheme": data.tag_scheme,
            "data_scheme": data.data_scheme,
            "columns": list(data.columns),
            "delimiter": self.config.delimiter,
            "tokenizer": data.tokenizer,
            "gazetteer": gazetteer.to_dict() if gazetteer else None,
            "state": dataclasses.asdict(state),
            "made_from": self.made_from,
        }


def _finite(row):
    """A dict in which None stands for NaN and Infinity, which JSON does not have."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }


def plot_history(history, path):
    """Learning curve as PNG: losses on the left, F1 on the right. history: State.history."""
    from matplotlib.figure import Figure  # pyplot's backend is for a notebook itself to choose

    figure = Figure(figsize=(10, 4))
    left, right = figure.subplots(1, 2)
    for axes, names, label in (
        (left, ("train_loss", "dev_loss"), "loss"),
        (right, ("token_f1", "chunk_f1"), "dev F1 (%)"),
    ):
        for name in names:
            rows = [row for row in history if row[name] is not None]
            axes.plot(
                [row["epoch"] for row in rows],
                [row[name] for row in rows],
                marker=".",
                label=name.replace("_", " "),
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(label)
        axes.legend()
    figure.tight_layout()
    with atomic_write(path) as out:
        figure.savefig(out, format="png")
