"""Checkpoints: `ner_model`, the best model, and `last_state`, to resume from, in one folder.

Each is a prefix: TensorFlow's PREFIX.index and PREFIX.data-*, PREFIX.json (config, tags, scores,
what it was made from) and PREFIX.vocab.pkl (an EmbVec without vectors, which are among the
weights). Together they hold all that is needed to tag, to go on training or to export.
"""

import contextlib
import hashlib
import json
import os
import platform
import shutil
import tempfile

from cli import UserError, __version__
from embvec import EmbVec, file_hash

MODEL, STATE = "ner_model", "last_state"
FORMAT = 1
_WEIGHTS = (".index", ".data-00000-of-00001")
_ENDINGS = _WEIGHTS + (".json", ".vocab.pkl")
_HASHED = (".index", ".vocab.pkl")  # the weights' own checksums are in the index


def resolve(path, flag="--restore"):
    """A folder, or a prefix such as checkpoint/ner_model -> the prefix, whose files are all there.
    Raises UserError.
    """
    prefix = os.path.join(path, MODEL) if os.path.isdir(path) else path
    _finish(prefix)
    missing = [prefix + ending for ending in _ENDINGS if not os.path.isfile(prefix + ending)]
    if missing:
        raise UserError(
            f"{missing[0]}: no such file; check {flag} (a folder that train.py wrote, or checkpoint/{MODEL})"
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
        "sizes": {
            ending: os.path.getsize(prefix + ending) for ending in _ENDINGS if ending != ".json"
        },
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
    """Moves the files of a checkpoint that was whole when its writer stopped to their place."""
    ready = prefix + ".ready"
    if not os.path.isdir(ready):
        return
    folder = os.path.dirname(os.path.abspath(prefix))
    for file in os.listdir(ready):
        with contextlib.suppress(FileNotFoundError):  # another process finishes it too
            os.replace(os.path.join(ready, file), os.path.join(folder, file))
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(ready)


def _sweep(folder):
    """Removes what a writer that was killed has left behind."""
    for entry in os.scandir(folder):
        if entry.name.startswith(".saving-"):
            shutil.rmtree(entry.path, ignore_errors=True)


def load_meta(prefix):
    """PREFIX.json as a dict, after checking that the files beside it are those that it was written
    with.
    """
    path = prefix + ".json"
    try:
        with open(path, encoding="utf-8") as stream:
            meta = json.load(stream)
    except ValueError:
        raise UserError(
            f"{path}: truncated or not JSON; restore it from a copy, or train again"
        ) from None
    if not isinstance(meta, dict) or meta.get("format") != FORMAT:
        raise UserError(f"{path}: not a checkpoint of this version (format {FORMAT}); train again")
    if meta.get("digest") != _digest(meta):
        raise UserError(
            f"{path}: damaged, not what was written; restore it from a copy, or train again"
        )
    for ending, size in meta["sizes"].items():
        actual = os.path.getsize(prefix + ending)
        if actual != size:
            raise UserError(
                f"{prefix}{ending}: {actual:,} bytes, expected {size:,}; the file is truncated or of another "
                "checkpoint: restore it from a copy, or train again"
            )
    for ending, known in meta["hashes"].items():
        if file_hash(prefix + ending) != known:
            raise UserError(
                f"{prefix}{ending}: damaged, not what was written; restore it from a copy, or train again"
            )
    return meta


def load_emb(prefix, meta):
    """The EmbVec of a checkpoint, without vectors."""
    emb = EmbVec.load(prefix + ".vocab.pkl")
    if emb.vocab_hash != meta["vocab_hash"]:
        raise UserError(
            f"{prefix}.vocab.pkl: not the vocabulary of {prefix}; restore it from a copy, or train again"
        )
    return emb


def check_emb_path(path, meta):
    """Raises UserError where the EmbVec file `path` is not the one that the checkpoint was trained
    with.
    """
    from embvec import load_header

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


def restore(session, saver, prefix):
    """Reads the weights into a session. Raises UserError where they are damaged or do not fit the
    graph.
    """
    from tf1 import quiet, tf

    try:
        with quiet():
            names = saver.saver_def
            session.run(names.restore_op_name, {names.filename_tensor_name: os.fsencode(prefix)})
    except (tf.errors.OpError, ValueError) as error:
        raise UserError(
            f"{prefix}: the weights cannot be read ({reason(error)}); "
            "they are damaged or of another model: restore them from a copy, or train again"
        ) from None


def reason(error):
    """What went wrong, in one line; TensorFlow says it behind the place in the graph."""
    lines = (
        (getattr(error, "message", None) or getattr(error, "strerror", None) or str(error))
        .strip()
        .splitlines()
    )
    behind = next((i + 1 for i, line in enumerate(lines) if line.startswith("Node:")), 0)
    return lines[min(behind, len(lines) - 1)].rpartition("; ")[2][:200]
