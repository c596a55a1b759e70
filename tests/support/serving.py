"""Helpers for the tests of inference/: exports, freezes, transforms and memory-maps models, and
tags with each of them.
"""

import dataclasses
import functools
import io
import json
import os
import subprocess
import types

import numpy as np
import pytest

import conll
import schemes
from support.commands import ROOT, one_line, train_args

INFERENCE = os.path.join(ROOT, "inference")
BUILD = os.path.join(INFERENCE, "cc", "build")
# they change no number
SAFE_TRANSFORMS = "strip_unused_nodes merge_duplicate_nodes fold_constants sort_by_execution_order"


def binary(name, build=BUILD):
    """The path of a C++ command. Skips the test if it is not built."""
    path = os.path.join(build, name)
    if not os.path.exists(path):
        pytest.skip(f"inference/cc/build/{name} is not built: make cc")
    return path


def run_binary(name, *args, stdin=b"", build=BUILD, environment=None, timeout=120):
    """Runs a C++ command to its end. Returns code, out (bytes) and err (str)."""
    done = subprocess.run(
        [binary(name, build), *map(str, args)],
        input=stdin,
        capture_output=True,
        timeout=timeout,
        env={**os.environ, **(environment or {})},
    )
    return types.SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr.decode())


def binary_mistake(name, *args, **rest):
    """Runs a C++ command with a user's mistake: exit code 2, nothing on standard output. Returns
    the one line of the message.
    """
    done = run_binary(name, *args, **rest)
    assert done.code == 2, done
    assert done.out == b""
    return one_line(done.err)


def succeed(done):
    assert done.code == 0, done.err
    return done


def ties(prefix, one, other):
    """Compares two files that were tagged with a checkpoint. Returns the words of the sentences
    that differ, after a check that each is a tie: both tag sequences score the same.
    """
    blocks = [
        [block.rows for block in conll.read_blocks(io.BytesIO(data)) if block.rows]
        for data in (one, other)
    ]
    assert len(blocks[0]) == len(blocks[1]) > 0
    parts = [[[row.split() for row in rows] for rows in sentences] for sentences in blocks]
    sentences = conll.in_documents(
        [
            conll.Sentence(
                1, [row[0].decode(errors="surrogateescape") for row in rows], None, None, None
            )
            for rows in parts[0]
        ]
    )
    differ = [sentence for sentence in zip(sentences, *parts) if sentence[1] != sentence[2]]
    assert differ, "the files differ, but not in their rows"
    return [_tie(prefix, *sentence) for sentence in differ]


def _tie(prefix, sentence, rows, others):
    """Checks that both tag sequences of a sentence score the same, within 1e-4. Returns its
    words.
    """
    import export
    import inference

    tagger = inference.Tagger.load(prefix)
    meta = tagger.meta
    sequences = [
        schemes.convert(
            [tag.decode() for *_, tag in tagged], meta["data_scheme"], meta["tag_scheme"]
        )
        for tagged in (rows, others)
    ]
    columns = {
        name: [row[i].decode(errors="surrogateescape") for row in rows]
        for i, name in enumerate(meta["columns"][: len(rows[0]) - 1])
    }
    example = tagger.feeder.encode(
        sentence._replace(pos=columns.get("pos"), chunks=columns.get("chunk"))
    )
    session, graph, _ = export.build(prefix)
    feeds = {f"{name}:0": value for name, value in tagger.feeder.batch([example]).items()}
    emissions, transitions = (
        array.astype(float) for array in session.run(["logits:0", "crf_transitions:0"], feeds)
    )
    ids = [[meta["tags"].index(tag) for tag in tags] for tags in sequences]
    scores = [
        sum(emissions[0, t, tag] for t, tag in enumerate(path))
        + sum(transitions[a, b] for a, b in zip(path, path[1:]))
        for path in ids
    ]
    assert abs(scores[0] - scores[1]) < 1e-4, (sentence.words, sequences, scores)
    return sentence.words


def probe(what, lines, *args):
    """The lines that the command probe writes for lines (bytes)."""
    return probe_bytes(what, b"".join(line + b"\n" for line in lines), *args)


def probe_bytes(what, data, *args):
    """The lines that the command probe writes for bytes."""
    return succeed(run_binary("probe", what, *args, stdin=data)).out.split(b"\n")[:-1]


class Served:
    """A checkpoint and the files that inference/ makes of it, in one folder. A file is made when it
    is first asked for.
    """

    def __init__(self, zygote, prefix, folder, constrained=False):
        self.zygote, self.prefix, self.folder = zygote, str(prefix), folder
        self.flags = ["--restore", self.prefix, *(["--constrained"] if constrained else [])]
        self.exported = str(folder / "ner_model")
        self.vocab, self.graph, self.frozen = (
            str(folder / name) for name in ("vocab.txt", "ner_graph.pb", "ner_frozen.pb")
        )
        to = ["--export", self.exported, "--export-pb", folder]
        self.listing = succeed(self.script("export.py", *self.flags, *to)).out.decode()
        succeed(self.script("freeze.py", "--model_dir", folder))
        with open(f"{prefix}.json", encoding="utf-8") as meta:
            config = json.load(meta)["config"]
        self.covered = (  # by the engine
            config["encoder"] == "bilstm" and not config["use_elmo"] and not config["use_bert"]
        )

    @functools.cached_property
    def engine(self):
        path = str(self.folder / "ner.etagger")
        succeed(self.script("export.py", *self.flags, "--engine", path))
        return path

    @functools.cached_property
    def transformed(self):
        path = self.frozen + ".transformed"
        flags = ["--inputs=sentence_length", f"--transforms={SAFE_TRANSFORMS}"]
        graphs = [f"--in_graph={self.frozen}", f"--out_graph={path}"]
        succeed(run_binary("transform_graph", *graphs, *flags))
        return path

    @functools.cached_property
    def mapped(self):
        return self._mapped(self.frozen)

    @functools.cached_property
    def transformed_mapped(self):
        return self._mapped(self.transformed)

    @staticmethod
    def _mapped(graph):
        path = graph + ".memmapped"
        graphs = [f"--in_graph={graph}", f"--out_graph={path}"]
        succeed(run_binary("convert_graphdef_memmapped_format", *graphs))
        return path

    def script(self, name, *args, **rest):
        """Runs a script of inference/."""
        return self.zygote.run(os.path.join(INFERENCE, name), *args, **rest)

    def command(self, name):
        """A C++ command that tags, and what it tags with."""
        if name == "etagger":
            return name, self.engine
        return name, self.mapped if name == "inference_mm" else self.frozen, self.vocab

    def ways(self):
        """All ways to tag, {name: a function of (bytes, batch size) that returns the output}."""

        def python(script, *flags):
            return lambda data, batch_size: self.zygote.run(
                script, *flags, "--mode", "bucket", "--batch_size", batch_size, stdin=data
            )

        def cc(command, *files):  # files: names of attributes
            return lambda data, batch_size: run_binary(
                command,
                *(getattr(self, file) for file in files),
                "--batch_size",
                batch_size,
                stdin=data,
            )

        on_graph = os.path.join(INFERENCE, "python", "inference.py")
        return {
            "restored": python("inference.py", "--restore", self.prefix),
            "exported": python(on_graph, "--vocab_path", self.vocab, "--restore", self.exported),
            "frozen": python(on_graph, "--vocab_path", self.vocab, "--frozen_path", self.frozen),
            "C++ frozen": cc("inference", "frozen", "vocab"),
            "C++ transformed": cc("inference", "transformed", "vocab"),
            "C++ memory-mapped": cc("inference_mm", "mapped", "vocab"),
            "C++ transformed, memory-mapped": cc("inference_mm", "transformed_mapped", "vocab"),
            **({"engine": cc("etagger", "engine")} if self.covered else {}),
        }


def randomize(prefix, to, scale, seed=0):
    """Writes a checkpoint like `prefix` whose weights are random, see random_weights. Returns
    `to`.
    """
    import checkpoint
    from config import Config
    from features.feed import Feeder
    from features.gazetteer import Gazetteer

    meta = checkpoint.load_meta(prefix)
    emb = checkpoint.load_emb(prefix, meta)
    config = Config(**meta["config"])
    gazetteer = Gazetteer.from_dict(meta["gazetteer"]) if meta["gazetteer"] else None
    rest = {name: meta[name] for name in META}
    return _save_random(
        to,
        config,
        Feeder(emb, config, dict.fromkeys(meta["tags"]), gazetteer).sizes(),
        rest,
        emb,
        scale,
        seed,
    )


def untrained(prefix, *flags, scale=3.0, seed=0):
    """Writes the checkpoint of a model that train.py would train with these flags, with random
    weights. Returns `prefix`.
    """
    from checkpoint import State
    from training import start
    from training.data import load_data

    config, data = load_data(start.config_of(train_args(*flags)))
    gazetteer = data.feeder.gazetteer.to_dict() if data.feeder.gazetteer else None
    meta = dict(
        zip(
            META,
            (
                config.to_dict(),
                data.tags,
                data.tag_scheme,
                data.data_scheme,
                list(data.columns),
                config.delimiter,
                data.tokenizer,
                gazetteer,
                dataclasses.asdict(State()),
                {},
            ),
            strict=True,
        )
    )
    return _save_random(str(prefix), config, data.feeder.sizes(), meta, data.emb, scale, seed)


META = (
    "config",
    "tags",
    "tag_scheme",
    "data_scheme",
    "columns",
    "delimiter",
    "tokenizer",
    "gazetteer",
    "state",
    "made_from",
)


def _save_random(prefix, config, sizes, meta, emb, scale, seed):
    import checkpoint
    from model import Model
    from support.numeric import put
    from tf1 import new_session, quiet, tf

    emb.vectors = None  # they are among the weights
    with tf.Graph().as_default(), quiet():
        model = Model(config, sizes)
        session = new_session()
        shapes = {variable.op.name: variable.shape.as_list() for variable in model.variables}
        put(
            session,
            model.variables,
            {
                **random_weights(shapes, scale, seed),
                **published_weights(shapes, config, emb),
            }.values(),
        )
        checkpoint.save(prefix, session, tf.train.Saver(model.variables), meta, emb)
    return prefix


def published_weights(names, config, emb):
    """{variable name: float32 array} of the weights in the files of ELMo and BERT."""
    from features import pretrained

    weights = {}
    for scope, use, about in (
        ("elmo/", config.use_elmo, emb.elmo),
        ("bert/", config.use_bert, emb.bert),
    ):
        read = pretrained.open_weights(scope, about) if use else None
        weights.update(
            {
                name: read(name)
                for name in names
                if name.startswith(scope) and not name.startswith(f"{scope}mix/")
            }
        )
    return weights


def random_weights(shapes, scale, seed=0):
    """{variable name: float32 array} for {variable name: shape}: kernels `scale` times as large as
    at the start of a training, embeddings of variance 1, the gains of a layer norm near 1, biases
    and transitions small, so that every tag occurs.
    """
    rng, weights = np.random.default_rng(seed), {}
    for name, shape in shapes.items():
        large = len(shape) > 1 and not name.startswith("crf/")
        deviation = scale / np.sqrt(np.prod(shape[:-1])) if large else 0.1
        mean = 1.0 if name.endswith("/gain") else 0.0
        weights[name] = rng.normal(
            mean, 1.0 if name.startswith("embeddings/") else deviation, shape
        ).astype(np.float32)
    return weights


def python_package():
    """The Python wrapper over the C library, imported from the repository."""
    binary("libetagger.so")
    import etagger

    return etagger
