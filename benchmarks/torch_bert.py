"""BERT with a softmax over tags in HuggingFace transformers, the peer of pretrained.py; a worker, see common.serve.

    python benchmarks/torch_bert.py FOLDER --attention sdpa --threads 2

FOLDER: bert_config.json, and weights.npz with Google's names (see pretrained.bert_shapes), projection/kernel and projection/bias.
PyTorch's float32 products are MKL's, which knows no AVX-512 on processors that are not Intel's. --onednn has those of the dense layers
from oneDNN, as TensorFlow's are, for tagging.
"""
import os
import resource
import time

import numpy as np

from common import serve

from cli import Parser, UserError, run_command  # noqa: E402


def state_name(name):
    """Google's name of a weight, or ours of the projection -> transformers' name in a BertForTokenClassification."""
    if name.startswith("projection/"):
        return {"kernel": "classifier.weight", "bias": "classifier.bias"}[name.partition("/")[2]]
    name = name.replace("layer_", "layer.").replace("/", ".")
    if name.endswith("_embeddings"):
        return f"{name}.weight"
    return name.replace(".kernel", ".weight").replace(".gamma", ".weight").replace(".beta", ".bias")


class TorchBert:
    """A BertForTokenClassification with our weights. Batches come as .npz files: token_ids, mask, segment_ids, tags (all (windows, pieces))."""

    def __init__(self, folder, attention, threads, onednn):
        try:
            import torch
            import transformers
        except ImportError:
            raise UserError("PyTorch or transformers are not here: pip install -r requirements-bench.txt, or name an interpreter that "
                            "has them with --torch_python") from None
        started = time.perf_counter()
        torch.set_num_threads(threads)
        self.torch = torch
        with np.load(os.path.join(folder, "weights.npz")) as file:
            state = {state_name(name): torch.from_numpy(file[name].T.copy() if name.endswith("/kernel") else file[name]) for name in file}
        config = transformers.BertConfig.from_json_file(os.path.join(folder, "bert_config.json"))
        config._attn_implementation, config.num_labels = attention, len(state["classifier.bias"])
        self.model = transformers.BertForTokenClassification(config)
        self.model.load_state_dict(state)
        if onednn:
            self._products_by_onednn()
        self.optimizer = None
        self.loaded = time.perf_counter() - started

    def _products_by_onednn(self):
        product = self.torch.ops.mkldnn
        for layer in self.model.modules():
            if isinstance(layer, self.torch.nn.Linear):
                weight, bias = product._reorder_linear_weight(layer.weight.detach()), layer.bias.detach()
                layer.forward = lambda x, weight=weight, bias=bias: product._linear_pointwise(x, weight, bias, "none", [], "")

    def answer(self, do, **arguments):
        return getattr(self, do)(**arguments)

    def about(self):
        return {"load": self.loaded, "parameters": sum(each.numel() for each in self.model.parameters()),
                "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9}

    def save(self, folder):
        """As HuggingFace gives models out."""
        self.model.save_pretrained(folder)
        return {}

    def hidden(self, batch, out):
        """Writes the hidden states, float32 (layers + 1, windows, pieces, hidden_size)."""
        inputs, _ = self._inputs(batch)
        self.model.eval()
        with self.torch.inference_mode():
            np.save(out, self.torch.stack(self.model(**inputs, output_hidden_states=True).hidden_states).numpy())
        return {}

    def tag(self, batch, out=""):
        """Seconds of one batch, from ids to the best tags; the emission scores go to `out`."""
        inputs, _ = self._inputs(batch)
        self.model.eval()
        with self.torch.inference_mode():
            started = time.perf_counter()
            logits = self.model(**inputs).logits
            logits.argmax(dim=-1).numpy()
            seconds = time.perf_counter() - started
        if out:
            np.save(out, logits.numpy())
        return {"seconds": seconds}

    def step(self, batch, rate, decay, clip_norm):
        """Seconds and loss of a training step: AdamW, gradients clipped."""
        inputs, tags = self._inputs(batch)
        self.model.train()
        self.optimizer = self.optimizer or self.torch.optim.AdamW(self.model.parameters(), lr=rate, weight_decay=decay, fused=True)
        started = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.model(**inputs, labels=tags).loss
        loss.backward()
        self.torch.nn.utils.clip_grad_norm_(self.model.parameters(), clip_norm)
        self.optimizer.step()
        return {"seconds": time.perf_counter() - started, "loss": loss.item()}

    def _inputs(self, batch):
        with np.load(batch) as file:
            tensors = {name: self.torch.from_numpy(file[name].astype(np.int64)) for name in file}
        return {"input_ids": tensors["token_ids"], "attention_mask": tensors["mask"], "token_type_ids": tensors["segment_ids"]}, tensors.get("tags")


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("folder", help="where bert_config.json and weights.npz are")
    parser.add_argument("--attention", default="sdpa", choices=("eager", "sdpa"), help="how transformers computes attention")
    parser.add_argument("--threads", "-j", type=int, default=2, help="threads (default 2)")
    parser.add_argument("--onednn", action="store_true", help="products of the dense layers by oneDNN")
    args = parser.parse_args()
    serve(TorchBert(args.folder, args.attention, args.threads, args.onednn).answer)


if __name__ == "__main__":
    run_command(main)
