"""Small language models as files for the tests: a BERT in the formats of Google and of HuggingFace,
an ELMo, and EmbVec files that name them.
"""

import json
import re
import sys

import h5py
import numpy as np
import pytest
import safetensors.numpy

import embvec
from features.pretrained import bert_shapes
from support.elmo import random_weights, small_options
from tf1 import new_session, quiet, tf

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
    *".,-'()$:/&",
]


def bert_config(**changes):
    return {
        "vocab_size": len(PIECES),
        "hidden_size": 8,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "hidden_act": "gelu",
        "max_position_embeddings": 48,
        "type_vocab_size": 2,
        "initializer_range": 0.02,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        **changes,
    }


def bert_weights(config, seed=0):
    """{name in Google's checkpoints: float32 array}."""
    rng = np.random.default_rng(seed)
    return {
        name: (rng.normal(0, 0.3, shape) + name.endswith("/gamma")).astype(np.float32)
        for name, shape in bert_shapes(config).items()
    }


def write_google(folder, weights=None, pieces=PIECES, **changes):
    """bert_config.json, vocab.txt and bert_model.ckpt, with heads of the pre-training and slots of
    its optimizer. Returns `folder` as str.
    """
    config = bert_config(**changes)
    _write_texts(folder, "bert_config.json", config, pieces)
    weights = bert_weights(config) if weights is None else weights
    with tf.Graph().as_default(), quiet(), new_session(1) as session:
        rest = {
            "cls/predictions/output_bias": np.zeros(3),
            "global_step": np.int64(7),
            "bert/pooler/dense/bias": np.zeros(8),
            **{f"{name}/adam_m": np.zeros_like(value) for name, value in weights.items()},
        }
        variables = {name: tf.Variable(value) for name, value in {**weights, **rest}.items()}
        session.run(tf.global_variables_initializer())
        tf.train.Saver(variables).save(
            session, f"{folder}/bert_model.ckpt", write_meta_graph=False, write_state=False
        )
    return str(folder)


def huggingface_name(name):
    """bert/encoder/layer_0/output/LayerNorm/gamma -> encoder.layer.0.output.LayerNorm.weight."""
    name = name.removeprefix("bert/").replace("/", ".").replace("layer_", "layer.") + (
        ".weight" if name.endswith("_embeddings") else ""
    )
    return re.sub("(kernel|gamma)$", "weight", re.sub("beta$", "bias", name))


def write_huggingface(
    folder,
    weights=None,
    pieces=PIECES,
    rename=lambda name: f"bert.{name}",
    dtype=np.float32,
    more=None,
    **changes,
):
    """config.json, vocab.txt and model.safetensors. rename: of the names there. more: further
    tensors. Returns `folder` as str.
    """
    config = bert_config(**changes)
    _write_texts(
        folder,
        "config.json",
        {"model_type": "bert", "architectures": ["BertForMaskedLM"], **config},
        pieces,
    )
    weights = bert_weights(config) if weights is None else weights
    tensors = {
        rename(huggingface_name(name)): np.ascontiguousarray(
            value.T if name.endswith("/kernel") else value, dtype=dtype
        )
        for name, value in weights.items()
    }
    safetensors.numpy.save_file(
        {**tensors, **(more or {})}, f"{folder}/model.safetensors", metadata={"format": "pt"}
    )
    return str(folder)


def _write_texts(folder, name, config, pieces):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(config), encoding="utf-8")
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")


def write_elmo(folder, seed=0, **changes):
    """options.json and weights.hdf5. Returns `folder` as str."""
    folder.mkdir(exist_ok=True)
    options = small_options(**changes)
    (folder / "options.json").write_text(json.dumps(options))
    with h5py.File(folder / "weights.hdf5", "w") as file:
        for name, value in random_weights(options, seed).items():
            file[name] = value
    return str(folder)


def elmo_flags(folder):
    return [
        "--elmo_options_path",
        f"{folder}/options.json",
        "--elmo_weight_path",
        f"{folder}/weights.hdf5",
    ]


def build_embeddings(*flags):
    """Runs the code of embvec.py in this process. Returns (EmbVec, notes, its arguments)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["embvec.py", *map(str, flags)])
        args = embvec.parse_args()
        return *embvec.build(args), args


def write_embeddings(path, *flags):
    """The EmbVec file that embvec.py writes with these flags. Returns its path as str."""
    build_embeddings("--out_path", path, *flags)[0].save(str(path))
    return str(path)
