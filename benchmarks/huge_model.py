"""Writes an .etagger file with 2.2 million words of 300 dimensions, which engine.py --huge opens.

It is the default model with invented words after its own, and with random weights wherever the
larger dimension changes the shape. Its tags are meaningless.

    python benchmarks/huge_model.py FILE
"""

import json
import os

import numpy as np

import _top
import checkpoint
from cli import Parser, run_command
from config import Config
from f1 import folder_of
from features.vocabulary import EmbVec

WORDS, DIM = 2_200_000, 300


def enlarge(config, emb, weights):
    """Enlarges a model to WORDS words of DIM dimensions. Changes `config` and `weights` ({name:
    array}), and returns the new EmbVec.
    """
    rng, before, grown = np.random.default_rng(1), config.wrd_dim, DIM - config.wrd_dim
    config.wrd_dim = DIM
    words = emb.vocab["wrd"] + [f"word{i:07d}" for i in range(WORDS - len(emb.vocab["wrd"]))]
    weights["embeddings/word"] = rng.standard_normal((WORDS, DIM), np.float32)
    for name, array in weights.items():
        if name.startswith("highway/"):
            weights[name] = rng.normal(0.0, 0.05, [size + grown for size in array.shape]).astype(
                np.float32
            )
        elif name.startswith("encoder/bilstm_0/") and name.endswith("/kernel"):
            weights[name] = np.insert(
                array, [before] * grown, rng.normal(0.0, 0.05, (grown, array.shape[1])), axis=0
            )
    return EmbVec(
        words,
        *(emb.vocab[section] for section in ("chr", "pos", "chk", "tag")),
        DIM,
        None,
        emb.lowercase,
    )


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("path", help="the file to write")
    path = os.path.abspath(parser.parse_args().path)
    import engine_file
    from export import model_config
    from tf1 import tf

    prefix = os.path.join(folder_of("default"), "ner_model")
    meta = checkpoint.load_meta(prefix)
    config = Config(**meta["config"])
    reader = tf.train.load_checkpoint(prefix)
    weights = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    emb = enlarge(config, checkpoint.load_emb(prefix, meta), weights)
    engine_file.write(
        path,
        json.loads(model_config(config, meta, emb)),
        engine_file.sections_of(config, weights, emb, None, meta["gazetteer"]),
    )


if __name__ == "__main__":
    run_command(main)
