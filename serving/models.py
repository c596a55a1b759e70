"""The models that are served: .etagger files, and checkpoints (checkpoints.py).

A Source is a model on disk, which the supervisor watches. Engine and Checkpoint are opened models,
and have the same methods. Serving .etagger files needs neither TensorFlow nor NumPy.
"""

import copy
import os
import sys
import warnings

from cli import UserError, note
from serving.texts import Mistake
from tagging.text import read_sentences

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


# ---------------------------------------------------------------- on disk


class Source:
    """A model on disk: its name, its path, and whether the engine serves it.

    An .etagger file stays open, so that every process opens the same file, even if another one is
    renamed over its path meanwhile. Raises UserError where there is no model at the path.
    """

    def __init__(self, name, path):
        self.name, self.path = name, path
        self.is_engine = os.path.isfile(path) and not os.path.exists(path + ".json")
        self.prefix = self.descriptor = None
        if self.is_engine:
            self.descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        else:
            import checkpoint

            self.prefix = checkpoint.resolve(path, "the path")
        self.state = self._look(self.descriptor)

    def _look(self, descriptor=None):
        """Device, inode, size and time of the file; they change when the model is replaced."""
        path = self.path if self.is_engine else f"{self.prefix}.json"
        found = os.stat(path if descriptor is None else descriptor)
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def has_changed(self):
        """Whether another model is at the path now. Raises OSError where there is none."""
        return self._look() != self.state

    def open(self, threads=0, trust=False):
        """Opens the model in this process: an Engine or a Checkpoint.

        threads: for one request; 0 is the default of the model's kind. trust: import the encoder
        that a checkpoint names. Raises UserError.
        """
        if self.is_engine:
            return Engine(self.name, self.path, self.descriptor, threads or 1)
        from serving.checkpoints import Checkpoint

        return Checkpoint(self.name, self.path, threads, trust)

    def replaced(self, descriptor):
        """A copy of this source with another open file. descriptor: None for a checkpoint."""
        new = copy.copy(self)
        new.descriptor = descriptor
        return new

    def check(self):
        """Raises UserError where the model is damaged, as far as that shows without TensorFlow.
        Notes the columns that it was trained with and texts lack.
        """
        if self.is_engine:
            warning = self.open().warning
        else:
            import checkpoint
            from config import Config
            from tagging.tagger import columns_note

            warning = columns_note(Config(**checkpoint.load_meta(self.prefix)["config"]))
        if warning:
            note(f"{self.path}: {warning.replace('the call', 'a text')}")

    def close(self):
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def sources(paths):
    """A Source for each PATH or NAME=PATH, in order. Raises UserError.

    The default name is that of the file or folder: a for a.etagger, demo for the folder
    runs/demo/checkpoint.
    """
    found = {}
    for given in paths:
        name, path = _name_and_path(given)
        if name in found:
            raise UserError(
                f"{given}: another model has the name {name}; give it one of its own: NAME={path}"
            )
        if not os.path.exists(path) and not os.path.exists(path + ".json"):
            raise UserError(
                f"{path}: no such file or folder; expected an .etagger file (inference/export.py "
                "--engine writes it) or the folder of a checkpoint"
            )
        found[name] = Source(name, path)
    return list(found.values())


def _name_and_path(given):
    name, equals, path = given.partition("=")
    if not equals or os.path.exists(given):
        path = given
        name = os.path.basename(os.path.abspath(path))
        name = name.removesuffix(".etagger")
        if name in ("checkpoint", "ner_model"):
            name = _folder_name(path) or name
    if not path or not _is_name(name):
        raise UserError(
            f"{given}: a model's name is of letters, digits and _ - . only, as it is a part of "
            "addresses; give it one: NAME=PATH"
        )
    return name, path


def _folder_name(path):
    """The name of the folder that a checkpoint's files or folder are in."""
    parts = os.path.abspath(path).split(os.sep)
    return next((part for part in reversed(parts) if part not in ("checkpoint", "ner_model")), "")


def _is_name(name):
    return bool(name) and all(letter.isalnum() or letter in "_-." for letter in name)


# ---------------------------------------------------------------- the engine


def engine_package():
    """The Python package etagger: from the source tree if the engine is built there, otherwise the
    installed one. Raises UserError.
    """
    folder = os.path.join(ROOT, "inference", "python")
    built = os.path.join(ROOT, "inference", "cc", "build", "libetagger.so")
    if (os.path.exists(built) or "ETAGGER_LIBRARY" in os.environ) and folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        import etagger
    except (ImportError, AttributeError) as error:  # AttributeError: the library is older
        raise UserError(
            f"the engine is not here ({error}); build it with `make cc`, or `pip install "
            "./inference/python`"
        ) from None
    return etagger


class Engine:
    """An opened .etagger file. Its calls release Python's global lock, so that any number of
    threads may make them.
    """

    quick = True  # tagging a short text takes less time than starting a thread

    def __init__(self, name, path, descriptor, threads):
        """descriptor: of the open file; path: for messages. threads: for one request."""
        self.package = engine_package()
        self.name, self.path, self.threads = name, path, threads
        opened = f"/proc/self/fd/{descriptor}"
        try:
            self.model = self.package.load(opened)
        except self.package.Error as error:
            raise UserError(str(error).replace(opened, path)) from None
        self.tokenizer = self.model.tokenizer
        self.warning = self._warm_up()

    def _warm_up(self):
        """The engine's warning of missing columns, or ""; the engine does not repeat it."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.model.tag(["a"])
        warnings.simplefilter("ignore", self.package.MissingColumnsWarning)
        return str(caught[0].message) if caught else ""

    def _ask(self, function, *args, **rest):
        """Calls a function of the model. Raises Mistake in place of the engine's Error."""
        try:
            return function(*args, **rest)
        except self.package.Error as error:
            raise Mistake(str(error)) from None

    def entities(self, texts, split, offsets, scores):
        """TextEntities for each text. Raises Mistake."""
        asked = {"split": split, "offsets": offsets, "scores": scores}
        if len(texts) == 1:
            return [self._ask(self.model, texts[0], **asked)]
        # pipe() raises Error only where it reaches the bad text, so list() stands within _ask
        return self._ask(lambda: list(self.model.pipe(texts, threads=self.threads, **asked)))

    def sentences(self, text, split):
        """The sentences of a text: lists of the (start, end) of their words, in code points."""
        return read_sentences(text, self.tokenizer, split)

    def tagged(self, text, split):
        """The sentences of a text, as sentences() gives them, and a list of tags for each."""
        sentences = self.sentences(text, split)
        words = [[text[start:end] for start, end in sentence] for sentence in sentences]
        return sentences, self.tags(words)

    def nbest(self, text, count, offsets):
        """The `count` best TextReadings of a text that is one sentence. Raises Mistake."""
        return self._ask(self.model.nbest_text, text, count, offsets=offsets)

    def tags(self, sentences, pos=None):
        """The tags of sentences, which are lists of words. pos: parts of speech, or None."""
        return self._ask(self.model.tag_sentences, sentences, pos, threads=self.threads)

    def confident(self, words, pos=None):
        """(start, end, type, score) of the entities of one sentence. Raises Mistake."""
        found = self._ask(self.model.confident, words, pos).entities
        return [(entity.start, entity.end, entity.type, entity.score) for entity in found]

    def tag_columns(self, source, sink, columns, delimiter):
        """Tags a stream of columns; each row is written unchanged with its tag appended.

        source, sink: descriptors of pipes. Raises Mistake, which names the line of a bad row.
        """
        given, taken = f"/proc/self/fd/{source}", f"/proc/self/fd/{sink}"
        try:
            self._ask(self.model.tag_file, given, taken, columns, self.threads, delimiter)
        except Mistake as error:
            raise Mistake(str(error).replace(given, "body")) from None

    def info(self):
        return {
            "name": self.name,
            "kind": "engine",
            "version": self.model.fingerprint,
            "tokenizer": self.tokenizer,
            "types": self.model.types,
            "tags": self.model.tags,
            "columns": self.model.columns,
        }
