"""BERT with a softmax over tags in HuggingFace transformers, the peer of pretrained.py. It is a
worker; see common.serve.

    python benchmarks/peers/torch_bert.py FOLDER --attention sdpa --threads 2

FOLDER has bert_config.json; weights.npz with Google's names (see pretrained.bert_shapes),
projection/kernel and projection/bias; and batch.npz with token_ids, mask, segment_ids and, for
training, tags (-100: none), each of shape (windows, pieces). PyTorch computes float32 matrix
products by MKL, which does not use AVX-512 on processors other than Intel's. With --onednn, oneDNN
computes those of the dense layers in tagging, as it does for TensorFlow.
"""

import os
import time

import numpy as np
import torch
import transformers

import _top
from cli import Parser, run_command
from common import peak_memory, serve
from config import load_config, model_path


def state_name(name):
    """The name of a weight in transformers' BertForTokenClassification. name: Google's, or ours for
    the projection.
    """
    if name == "projection/kernel":
        return "classifier.weight"
    if name == "projection/bias":
        return "classifier.bias"
    name = name.replace("layer_", "layer.").replace("/", ".")
    if name.endswith("_embeddings"):
        return f"{name}.weight"
    return name.replace(".kernel", ".weight").replace(".gamma", ".weight").replace(".beta", ".bias")


class TorchBert:
    """A BertForTokenClassification with our weights, and its batch."""

    def __init__(self, folder, attention, threads, onednn):
        started = time.perf_counter()
        torch.set_num_threads(threads)
        with np.load(os.path.join(folder, "weights.npz")) as file:
            state = {
                state_name(name): torch.from_numpy(
                    file[name].T.copy() if name.endswith("/kernel") else file[name]
                )
                for name in file
            }
        config = transformers.BertConfig.from_json_file(os.path.join(folder, "bert_config.json"))
        config.num_labels = len(state["classifier.bias"])
        self.model = transformers.AutoModelForTokenClassification.from_config(
            config, attn_implementation=attention
        )
        self.model.load_state_dict(state)
        if onednn:
            self._products_by_onednn()
        with np.load(os.path.join(folder, "batch.npz")) as file:
            batch = {name: torch.from_numpy(file[name].astype(np.int64)) for name in file}
        self.inputs = {
            "input_ids": batch["token_ids"],
            "attention_mask": batch["mask"],
            "token_type_ids": batch["segment_ids"],
        }
        self.tags, recipe = batch.get("tags"), load_config(model_path("bert_softmax"))
        self.clip_norm = recipe.clip_norm
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=recipe.bert_learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        self.loaded = time.perf_counter() - started

    def _products_by_onednn(self):
        product = torch.ops.mkldnn
        for layer in self.model.modules():
            if isinstance(layer, torch.nn.Linear):
                weight = product._reorder_linear_weight(layer.weight.detach())
                bias = layer.bias.detach()
                layer.forward = lambda x, weight=weight, bias=bias: product._linear_pointwise(
                    x, weight, bias, "none", [], ""
                )

    def answer(self, do, **arguments):
        return getattr(self, do)(**arguments)

    def about(self):
        """{"load": seconds of loading, "gigabytes": peak of resident memory}."""
        return {"load": self.loaded, "gigabytes": peak_memory() / 1e9}

    def save(self, folder):
        """Writes the model in HuggingFace's format."""
        self.model.save_pretrained(folder)
        return {}

    def hidden(self, out):
        """Writes the hidden states, float32 (layers + 1, windows, pieces, hidden_size)."""
        with self._inference():
            states = self.model(**self.inputs, output_hidden_states=True).hidden_states
            np.save(out, torch.stack(states).numpy())
        return {}

    def scores(self, out):
        """Writes emission scores, float32 (windows, pieces, tags)."""
        with self._inference():
            np.save(out, self.model(**self.inputs).logits.numpy())
        return {}

    def tag(self):
        """Tags the batch. Returns the seconds from ids to tags."""
        with self._inference():
            started = time.perf_counter()
            self.model(**self.inputs).logits.argmax(dim=-1).numpy()
            return {"seconds": time.perf_counter() - started}

    def _inference(self):
        self.model.eval()
        return torch.inference_mode()

    def step(self):
        """Trains a step as configs/bert_softmax.yaml does: AdamW with clipped gradients. Returns
        the seconds and the loss.
        """
        self.model.train()
        started = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.model(**self.inputs, labels=self.tags).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.step()
        return {"seconds": time.perf_counter() - started, "loss": loss.item()}


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("folder", help="where bert_config.json and weights.npz are")
    parser.add_argument(
        "--attention",
        default="sdpa",
        choices=("eager", "sdpa"),
        help="how transformers computes attention",
    )
    parser.add_argument("--threads", "-j", type=int, default=2, help="threads (default 2)")
    parser.add_argument(
        "--onednn", action="store_true", help="products of the dense layers by oneDNN"
    )
    args = parser.parse_args()
    serve(TorchBert(args.folder, args.attention, args.threads, args.onednn).answer)


if __name__ == "__main__":
    run_command(main)
