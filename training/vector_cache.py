"""Keeps what ELMo and a frozen BERT compute for the sentences of a corpus in HDF5 files, so that it
is not computed again in each epoch.

There is one file for each language model and each list of sentences; its name is the hash of
everything that its vectors depend on.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cli import Progress, UserError, atomic_write
from features import pretrained
from features.feed import Example, sorted_batches


def fill_data(data, graph, config):
    """Gives the sentences of training.data.Data the vectors that ELMo and a frozen BERT have for
    them, where config.vector_cache wants it. graph: TrainingGraph. Raises UserError.
    """
    models = {
        name: Model(compute, graph.hash_of_weights(name.replace("_vectors", "/")))
        for name, compute in graph.compute_vectors.items()
    }
    if models:
        for split in ("train", "dev"):
            examples, sentences = getattr(data, split), data.sentences[split]
            setattr(data, split, fill(examples, sentences, data.feeder, models, config, split))


class Model(NamedTuple):
    """A language model. compute: a function from the graph's inputs to its vectors, float32 (batch,
    sentence, layers, dim). weights: the hash of the weights that compute them.
    """

    compute: Callable
    weights: str


def fill(examples, sentences, feeder, models, config, split):
    """Returns the examples with their stored vectors, Example.vectors. Vectors that are not yet in
    config.vector_cache are computed and put there.

    examples: of `sentences`, conll.Sentences. models: {name of the vectors: Model}. split: the
    sentences' name, for messages. Raises UserError.
    """
    os.makedirs(config.vector_cache, exist_ok=True)
    ends = np.cumsum([len(example) for example in examples])
    stored = {}
    for name, model in models.items():
        key = _key(name, model.weights, sentences, feeder.emb, config)
        path = os.path.join(config.vector_cache, f"{name}-{key}.hdf5")
        if not os.path.exists(path):
            _write(path, examples, ends, feeder, model.compute, config, f"{name} of {split}")
        stored[name] = _open(path, name, ends[-1])
    return [
        Example(
            *example[:-1],
            {name: _Rows(data, end - len(example), end) for name, data in stored.items()},
        )
        for example, end in zip(examples, ends)
    ]


class _Rows:
    """A sentence's vectors, float32 (sentence, layers, dim), which are read from the file each time
    they are used.
    """

    def __init__(self, data, first, end):
        self.data, self.first, self.end = data, first, end
        self.shape = (end - first, *data.shape[1:])

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        return self.data[self.first : self.end]


def _key(name, weights, sentences, emb, config):
    """Hash of the language model, of how it is used, and of the words, in hexadecimal. weights:
    their hash.
    """
    if name == "elmo_vectors":
        model = [weights, emb.elmo["options"]]
    else:
        settings = {
            setting: emb.bert[setting] for setting in ("config", "do_lower_case", "max_seq_length")
        }
        model = [weights, settings, emb.vocab["bert"], config.bert_layers, config.bert_pooling]
    digest = hashlib.sha256(json.dumps(model, sort_keys=True).encode())
    for sentence in sentences:
        words = [sentence.words]
        if name == "bert_vectors" and config.bert_context:
            limit, end = emb.bert["max_seq_length"], sentence.start + len(sentence.words)
            words += [
                sentence.document[max(sentence.start - limit, 0) : sentence.start],
                sentence.document[end : end + limit],
            ]
        digest.update(json.dumps(words).encode())
    return digest.hexdigest()[:32]


def _write(path, examples, ends, feeder, compute, config, what):
    """Computes the vectors of all examples and writes them atomically. ends: for each example, the
    number of tokens up to its end.
    """
    import h5py

    progress, done = Progress(what, len(examples)), 0
    with atomic_write(path) as out, h5py.File(out, "w") as file:
        data = None
        for batch in sorted_batches([len(example) for example in examples], config):
            vectors = compute(feeder.batch([examples[i] for i in batch]))
            if data is None:
                data = file.create_dataset("vectors", (ends[-1], *vectors.shape[2:]), np.float32)
            for i, rows in zip(batch, vectors):
                data[ends[i] - len(examples[i]) : ends[i]] = rows[: len(examples[i])]
            done += len(batch)
            progress.update(done)
    progress.close()


def _open(path, name, tokens):
    import h5py

    with contextlib.suppress(OSError, KeyError, RuntimeError, ValueError, TypeError):
        data = pretrained.datasets(h5py.File(path, "r"))["vectors"]
        if data.dtype == np.float32 and data.ndim == 3 and len(data) == tokens:
            pretrained.check_stored(path, [data])
            return data
    raise UserError(
        f"{path}: not the {name} of {tokens:,} tokens, or truncated; remove the file, it is "
        "computed again"
    )
