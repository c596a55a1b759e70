"""Checkpoints: `ner_model`, the best model, and `last_state`, to resume from, in one folder.

Each is a prefix: TensorFlow's PREFIX.index and PREFIX.data-*, PREFIX.json (config, tags, scores,
what it was made from) and PREFIX.vocab.pkl (an EmbVec without vectors, which are among the
weights). Together they hold all that is needed to tag, to go on training or to export.
"""

import contextlib
import dataclasses
import json
import os
import platform
import shutil
import typing

from cli import UserError, __version__, file_hash
from features.vocabulary import EmbVec
from files.structured import PathText, load_json, misfit, shortened
from settings import Settings, check_fields, check_model

MODEL, STATE = "ner_model", "last_state"
FORMAT = 1
_WEIGHTS = (".index", ".data-00000-of-00001")
_ENDINGS = _WEIGHTS + (".json", ".vocab.pkl")
_BESIDE = _WEIGHTS + (".vocab.pkl",)  # the files that PREFIX.json tells the sizes of
_HASHED = (".index", ".vocab.pkl")  # the weights' own checksums are in the index
_MEND = "restore it from a copy, or train again"

# ---------------------------------------------------------------- what PREFIX.json holds

Number = typing.Optional[float]
_SCORES = {"dev_loss": float, "token_f1": float, "chunk_f1": float}
_EPOCH = {"epoch": int, "step": int, "seconds": float, "train_loss": float}


class Meta(Settings):
    """The fields of PREFIX.json, its own digest among them."""

    versions: dict[str, str]  # of etagger, Python, TensorFlow, numpy
    state: dict  # of State
    made_from: dict[PathText, str]  # {path, or <train> and the like: sha256}
    sizes: dict[str, int]  # {ending of a file beside it: bytes}
    hashes: dict[str, str]  # {ending: sha256}
    digest: str  # sha256 of the rest


@dataclasses.dataclass
class State:
    """Where a run stands; with the weights it is all that --resume needs."""

    epoch: int = 0  # epochs finished
    batch: int = 0  # batches finished of the next one
    loss_sum: float = 0.0  # of those batches
    step: int = 0  # batches finished in all
    eval_step: int = 0  # step of the last evaluation
    scores: dict[str, float] = dataclasses.field(default_factory=dict)  # what that gave
    score: Number = None  # of it, the one that counts (config.metric or save_by; the loss negative)
    best: Number = None  # best score so far
    best_epoch: int = 0  # the epoch in which it was found
    best_step: int = 0
    best_scores: dict[str, float] = dataclasses.field(default_factory=dict)
    kept: dict = dataclasses.field(default_factory=dict)  # what hooks remember
    history: list[dict[str, Number]] = dataclasses.field(
        default_factory=list
    )  # a dict for each epoch; scores are None where none were made

    @classmethod
    def of(cls, given, where):
        """The State of a checkpoint's dict. Raises UserError."""
        problem = misfit(given, typing.get_type_hints(cls)) or _state_problem(given)
        if problem:
            raise UserError(f"{where}: state: {problem}; {_MEND}")
        return cls(**given)


def _state_problem(state):
    """What does not go together in a State, as a dict of the right types, or ''."""
    for name, value in state.items():
        if type(value) is int and value < 0 and name not in ("score", "best"):
            return f"{name}: {value}, expected at least 0"
    for scored, scores in (("eval_step", "scores"), ("best_step", "best_scores")):
        there = {name: state[scores].get(name) for name in _SCORES}
        if (state[scored] or state[scores]) and misfit(there, _SCORES):
            return f"{scores}: {shortened(state[scores])}, expected {', '.join(_SCORES)}"
    if bool(state["scores"]) != (state["score"] is not None):
        return f"score: {state['score']}, which is not that of scores"
    if bool(state["best_scores"]) != (state["best"] is not None):
        return f"best: {state['best']}, which is not that of best_scores"
    kept = {"plateau": 0, "no_increase": {"score": 0.0, "step": 0}, **state["kept"]}
    ours = {name: kept[name] for name in ("plateau", "no_increase")}  # see training/hooks.py
    if problem := misfit(ours, {"plateau": int, "no_increase": dict}) or misfit(
        kept["no_increase"], {"score": float, "step": int}
    ):
        return f"kept: {problem}"
    for row in state["history"]:
        rest = dict.fromkeys(_SCORES, Number)
        there = {name: row.get(name, "") for name in (*_EPOCH, *rest)}
        if problem := misfit(there, {**_EPOCH, **rest}):
            return f"history: {problem}"
    return ""


# ---------------------------------------------------------------- files


def resolve(path, flag="--restore"):
    """A folder, or a prefix such as checkpoint/ner_model -> the prefix, whose files are all there.
    Raises UserError.
    """
    prefix = os.path.join(path, MODEL) if os.path.isdir(path) else path
    _finish(prefix)
    missing = [prefix + ending for ending in _ENDINGS if not os.path.isfile(prefix + ending)]
    if missing:
        raise UserError(
            f"{missing[0]}: no such file; check {flag} (a folder that train.py wrote, or "
            f"checkpoint/{MODEL})"
        )
    return prefix


def exists(prefix):
    """Whether there is a checkpoint under this prefix."""
    _finish(prefix)
    return os.path.isfile(prefix + ".json")


def is_begun(prefix):
    """Whether there is a checkpoint under this prefix, or a part of one."""
    _finish(prefix)
    return any(os.path.lexists(prefix + ending) for ending in _ENDINGS)


def remove(prefix):
    """Removes what there is of a checkpoint."""
    _finish(prefix)
    for ending in reversed(_ENDINGS):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(prefix + ending)


def save(prefix, session, saver, meta, emb):
    """Writes a checkpoint: whole, or the one before stays as it was. meta: a dict for PREFIX.json.
    emb: an EmbVec without vectors.

    All files are written to a folder beside, which is renamed once it is whole; only then do they
    take the place of the old ones, and whoever comes after a crash in between finishes that (see
    _finish).
    """
    import tempfile

    from tf1 import quiet, tf

    folder, name = os.path.split(os.path.abspath(prefix))
    os.makedirs(folder, exist_ok=True)
    _finish(prefix)
    _sweep(folder)
    beside = tempfile.mkdtemp(prefix=".saving-", dir=folder)
    try:
        with quiet():
            _write_parts(
                os.path.join(beside, name), session, saver, {"versions": _versions(tf), **meta}, emb
            )
        os.rename(beside, prefix + ".ready")
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        if isinstance(error, (OSError, tf.errors.OpError)):
            raise UserError(
                f"{prefix}: cannot be written ({reason(error)}); is the disk full? "
                "The checkpoint before is untouched"
            ) from None
        raise
    _finish(prefix)


def _write_parts(prefix, session, saver, meta, emb):
    # as Saver.save does it, which knows no path that is not UTF-8
    names = saver.saver_def
    session.run(names.save_tensor_name, {names.filename_tensor_name: os.fsencode(prefix)})
    emb.save(prefix + ".vocab.pkl")
    whole = {
        "format": FORMAT,
        "vocab_hash": emb.vocab_hash,
        **meta,
        "sizes": {ending: os.path.getsize(prefix + ending) for ending in _BESIDE},
        "hashes": {ending: file_hash(prefix + ending) for ending in _HASHED},
    }
    # backslashreplace writes the lone surrogates of a path that is not UTF-8 as JSON does: \udcff
    with open(prefix + ".json", "w", encoding="utf-8", errors="backslashreplace") as out:
        json.dump({**whole, "digest": _digest(whole)}, out, indent=1, ensure_ascii=False)
    for ending in _ENDINGS:
        with open(prefix + ending, "rb") as part:
            os.fsync(part.fileno())


def _digest(meta):
    """sha256 of a JSON dict without its own digest, in hexadecimal."""
    import hashlib

    rest = {name: value for name, value in meta.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _versions(tf):
    import numpy

    return {
        "etagger": __version__,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "numpy": numpy.__version__,
    }


def _finish(prefix):
    """Moves the files of a checkpoint that was whole when its writer stopped to their place, and no
    others: the folder may be a stranger's.
    """
    ready = prefix + ".ready"
    if not os.path.isdir(ready) or os.path.islink(ready):
        return
    for ending in _ENDINGS:
        with contextlib.suppress(FileNotFoundError):  # another process finishes it too
            os.replace(os.path.join(ready, os.path.basename(prefix) + ending), prefix + ending)
    with contextlib.suppress(OSError):
        os.rmdir(ready)


def _sweep(folder):
    """Removes the temporary folders of writers that were killed."""
    for entry in os.scandir(folder):
        if entry.name.startswith(".saving-"):
            shutil.rmtree(entry.path, ignore_errors=True)


def load_meta(prefix):
    """PREFIX.json as a dict with the fields of Meta, checked, after checking that the files beside
    it are those that it was written with. Its config is whole. Raises UserError.
    """
    path = prefix + ".json"
    meta = _read(path)
    digest = _digest(meta)
    check_fields(meta, Meta, path, _MEND)
    if meta["digest"] != digest:
        raise UserError(f"{path}: damaged, not what was written; {_MEND}")
    if not set(_HASHED) == meta["hashes"].keys() < meta["sizes"].keys() == set(_BESIDE):
        raise UserError(f"{path}: sizes and hashes are not of {' '.join(_BESIDE)}; {_MEND}")
    for ending, size in meta["sizes"].items():
        actual = os.path.getsize(prefix + ending)
        if actual != size:
            raise UserError(
                f"{prefix}{ending}: {actual:,} bytes, expected {size:,}; the file is truncated or "
                f"of another checkpoint: {_MEND}"
            )
    for ending, known in meta["hashes"].items():
        if file_hash(prefix + ending) != known:
            raise UserError(f"{prefix}{ending}: damaged, not what was written; {_MEND}")
    check_model(meta, path, _MEND, meta["versions"].get("etagger"))
    State.of(meta["state"], path)
    return meta


def _read(path):
    """A checkpoint's JSON as a dict of this format."""
    try:
        with open(path, encoding="utf-8") as stream:
            meta = load_json(stream.read())
    except ValueError as error:
        raise UserError(
            f"{path}: truncated or not JSON ({str(error).splitlines()[0][:100]}); {_MEND}"
        ) from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise UserError(f"{path}: not a checkpoint of this version (format {FORMAT}); train again")
    return meta


def load_emb(prefix, meta):
    """The EmbVec of a checkpoint, without vectors, which its config must fit. Raises UserError."""
    path, config = prefix + ".vocab.pkl", meta["config"]
    emb = EmbVec.load(path)
    if emb.vocab_hash != meta["vocab_hash"]:
        raise UserError(f"{path}: not the vocabulary of {prefix}; {_MEND}")
    for name in ("elmo", "bert"):
        if config[f"use_{name}"] and not getattr(emb, name):
            raise UserError(f"{path}: it names no {name}, which the config uses; {_MEND}")
    if config["use_word"] and config["wrd_dim"] != emb.wrd_dim:
        raise UserError(
            f"{path}: word vectors of {emb.wrd_dim}, the config has {config['wrd_dim']}; {_MEND}"
        )
    if config["use_bert"]:
        from features.pretrained import check_bert_layers

        check_bert_layers(config["bert_layers"], emb.bert["config"], f"{prefix}.json: bert_layers")
    return emb


def check_emb_path(path, meta):
    """Raises UserError where the EmbVec file `path` is not the one that the checkpoint was trained
    with.
    """
    from features.vocabulary import load_header

    if load_header(path)["vocab_hash"] != meta["vocab_hash"]:
        raise UserError(
            f"{path}: not the vocabulary that the checkpoint was trained with; "
            "leave --emb_path out (the checkpoint holds its own), or give the file of that training"
        )


def check_wrd_dim(wrd_dim, meta):
    """Raises UserError where --wrd_dim is not the checkpoint's."""
    if wrd_dim and wrd_dim != meta["config"]["wrd_dim"]:
        raise UserError(
            f"--wrd_dim {wrd_dim}: the checkpoint has word vectors of {meta['config']['wrd_dim']}; "
            "leave --wrd_dim out, or correct it"
        )


def check_shapes(prefix, graph):
    """Raises UserError where variables of a TensorFlow graph have another shape or type in a
    checkpoint, which tf.train.Saver does not look at; before any memory is taken for them.
    """
    from files.tensor_bundle import read_index
    from tf1 import tf

    entries = read_index(prefix)
    for variable in graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES):
        name, wanted = variable.op.name, (variable.dtype.base_dtype.name, (*variable.shape,))
        if name in entries and entries[name] != wanted:
            dtype, shape = entries[name]
            there = f"{name} is {dtype} {[*shape]}, the config wants {wanted[0]} {[*wanted[1]]}"
            raise UserError(_unreadable(prefix, there))


def _unreadable(prefix, error):
    what = error if isinstance(error, str) else reason(error)
    return (
        f"{prefix}: the weights cannot be read ({what}); they are damaged or of another model: "
        "restore them from a copy, or train again"
    )


def restore(session, saver, prefix):
    """Reads the weights into a session. Raises UserError where they are damaged or do not fit the
    graph.
    """
    from tf1 import quiet, tf

    check_shapes(prefix, session.graph)
    try:
        with quiet():
            names = saver.saver_def
            session.run(names.restore_op_name, {names.filename_tensor_name: os.fsencode(prefix)})
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(_unreadable(prefix, error)) from None


def reason(error):
    """What went wrong, in one line. TensorFlow says it after the lines about the node."""
    lines = (
        (getattr(error, "message", None) or getattr(error, "strerror", None) or str(error))
        .strip()
        .splitlines()
    )
    after = next((i + 1 for i, line in enumerate(lines) if line.startswith("Node:")), 0)
    return lines[min(after, len(lines) - 1)].rpartition("; ")[2][:200]
