"""Tags texts, or the words of sentences, with a trained model: named entities, or whatever tags it
has learned.

    import etagger
    model = etagger.load("model.etagger")
    model("Sumogetti left Vremland.")
    # [TextEntity(type='PER', start=0, end=9, text='Sumogetti', score=0.98), ...]
    for entities in model.pipe(open("texts.txt")): ...    # any iterable, in constant memory
    model.render("Sumogetti left Vremland.")             # its entities marked, in a notebook
    model.tag(["Sumogetti", "left", "Vremland"])         # ['B-PER', 'O', 'B-LOC']
    model.entities(["Sumogetti", "left", "Vremland"])
    # [Entity(type='PER', start=0, end=1, text='Sumogetti'), ...]
    model.tag_sentences([["Sumogetti", "left"], ["Vremland"]])    # [['B-PER', 'O'], ['B-LOC']]
    model.tag_file("data/sample/test.txt", "pred.txt")   # columns, with the tag appended

The tags in these comments are those of the model that `make demo` trains.

Any number of threads may use one model at the same time: the library releases Python's global lock
while it tags. A model that is copied or pickled, for multiprocessing.Pool for example, is opened
again from its path.
"""

from __future__ import annotations

import bisect
import ctypes
import itertools
import os
import re
import struct
import sys
import threading
import warnings
from array import array
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Sequence

from .render import Rendering

__all__ = [
    "Confident",
    "Entity",
    "Error",
    "MissingColumnsWarning",
    "Model",
    "Reading",
    "Rendering",
    "ScoredEntity",
    "TextEntities",
    "TextEntity",
    "TextReading",
    "entities",
    "load",
]


class Error(ValueError):
    """A model cannot be opened, or an argument is wrong. The message is one printable line."""

    def __init__(self, text: str) -> None:
        super().__init__(_printable(text))


class MissingColumnsWarning(UserWarning):
    """A model was trained with a POS or chunk column that a call does not give, so its tags are
    worse. Each model warns once; a model that was trained with feature_drop does not warn.
    """


def _printable(text: str) -> str:
    """The text with its unprintable characters escaped, such as \\n and \\x1b, and \\xff for a byte
    that is not UTF-8.
    """
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    is_byte = "\udc80" <= letter <= "\udcff"  # PEP 383
    return f"\\x{ord(letter) - 0xDC00:02x}" if is_byte else ascii(letter)[1:-1]


def _library_path() -> str:
    """The path of libetagger.so: $ETAGGER_LIBRARY, otherwise the one that was installed with this
    package, otherwise the one that `make cc` builds.
    """
    built = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "cc", "build")
    places = [os.path.join(folder, "libetagger.so") for folder in (*__path__, built)]
    return os.environ.get("ETAGGER_LIBRARY") or next(filter(os.path.exists, places), places[-1])


class _Handle(ctypes.c_void_p):
    """An etagger_model. It is closed when its last reference goes, so not before the last call that
    uses it has returned.
    """

    _close: Callable[[Any], None]  # etagger_close

    def __del__(self) -> None:
        if self:
            self._close(self)

    def uses(self, column: str) -> bool:
        return bool(_library.etagger_uses(self, column.encode()))


class _Result(ctypes.c_void_p):
    """An etagger_result, which is freed together with this object."""

    _free: Callable[[Any], None]  # etagger_free

    def __del__(self) -> None:
        if self:
            self._free(self)


def _load_library() -> ctypes.CDLL:
    path = _library_path()
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"{error}; build it with make cc, or say in ETAGGER_LIBRARY where libetagger.so is"
        ) from None
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    number, flags = ctypes.c_int, ctypes.c_uint
    for name, result, *arguments in (
        ("open", _Handle, text),
        ("open_trusted", _Handle, text),
        ("close", None, _Handle),
        ("error", text),
        ("warning", text),
        ("version", text),
        ("stop_at", None, pointer),
        ("fingerprint", text, _Handle),
        (
            "confident",
            *(number, _Handle, *[pointer] * 3, size, ctypes.c_double, *[pointer] * 4),
        ),
        (
            "nbest",
            *(number, _Handle, *[pointer] * 3, size, size, ctypes.c_double, *[pointer] * 3),
        ),
        ("split", None, text, size, pointer),
        (
            "tag_joined",
            number,
            *(_Handle, text, size, number, number, pointer, size, number, pointer),
        ),
        ("tag_columns", number, _Handle, *[text] * 4, number),
        (
            "tag_text_into",
            ctypes.c_long,
            *(_Handle, text, size, flags, pointer, size, pointer, pointer),
        ),
        ("tag_texts", _Result, _Handle, pointer, pointer, size, flags, number),
        ("entities", pointer, _Result, pointer),
        ("tokens", pointer, _Result, pointer),
        ("nbest_text", _Result, _Handle, text, size, size, flags),
        ("probabilities", pointer, _Result, pointer),
        ("free", None, pointer),
        ("tokenizer", text, _Handle),
        ("type_count", size, _Handle),
        ("type_name", text, _Handle, size),
        ("tag_count", size, _Handle),
        ("tag_name", text, _Handle, size),
        ("uses", number, _Handle, text),
    ):
        function = getattr(library, f"etagger_{name}")
        function.restype, function.argtypes = result, arguments
    _Handle._close, _Result._free = library.etagger_close, library.etagger_free
    return library


_library = _load_library()
__version__: str = _library.etagger_version().decode()


class Entity(NamedTuple):
    """Words start to end - 1 of a sentence. text: those words, joined by spaces."""

    type: str
    start: int
    end: int
    text: str


class ScoredEntity(NamedTuple):
    """Words start to end - 1 of a sentence. text: those words, joined by spaces. score: the
    probability that exactly these words are an entity of this type.
    """

    type: str
    start: int
    end: int
    text: str
    score: float


class Confident(NamedTuple):
    """The tags of a sentence, their marginal probabilities, and the entities with their scores.

    probabilities: one for each tag, 0 to 1. If the model has learned in another scheme, it is that
    of the corresponding tag in that scheme.
    """

    tags: list[str]
    probabilities: list[float]
    entities: list[ScoredEntity]


class Reading(NamedTuple):
    """One of the n best tag sequences of a sentence, and its probability."""

    probability: float
    tags: list[str]


class TextEntity(NamedTuple):
    """An entity of a text.

    start, end: its place in the text, end exclusive, in the unit of the call's `offsets`. text: the
    text from start to end. score: its probability, 0 to 1; None with scores=False.
    """

    type: str
    start: int
    end: int
    text: str
    score: float | None


class TextEntities(List[TextEntity]):
    """The entities of a text, from left to right, and in `tokens` how many tokens the text has."""

    __slots__ = ("tokens",)

    def __init__(self, entities: Iterable[TextEntity] = (), tokens: int = 0) -> None:
        super().__init__(entities)
        self.tokens = tokens


class TextReading(NamedTuple):
    """One of the n best readings of a text: its probability, and its entities without scores."""

    probability: float
    entities: list[TextEntity]


class Model:
    """A model; load() opens one.

    A copy, pickled or not, opens the file again, and raises Error if the file has changed since. In
    a forked process the model can still be used, unless TensorFlow serves it (a folder): then its
    calls raise Error there.
    """

    def __init__(self, handle: _Handle, path: bytes, trust: bool = False) -> None:
        """path, trust: with which the handle was opened; the path is absolute."""
        self._path, self._trust = path, trust
        self._fingerprint = _library.etagger_fingerprint(handle)
        # Whether a call may still have to warn of missing columns.
        self._may_warn = handle.uses("pos") or handle.uses("chunk")
        self._set_handle(handle)

    def _set_handle(self, handle: _Handle | None, failure: Error | None = None) -> None:
        self._handle = handle
        self._failure = failure  # why the handle is None, unless the model was closed
        self._names = _Names()

    def __getstate__(self) -> dict[str, Any]:
        self._open_handle()
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in ("_handle", "_failure", "_names")
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        try:
            self._set_handle(_open(self._path, self._trust, self._fingerprint))
        except Error as error:
            # A worker process that cannot unpickle its task ends, and its pool waits for ever.
            # Therefore a model in a worker raises the error in its first call.
            if not _is_worker():
                raise
            self._set_handle(None, error)

    def __call__(
        self,
        text: str | bytes,
        *,
        split: bool = False,
        offsets: str = "codepoints",
        scores: bool = True,
    ) -> TextEntities:
        """The entities of a text, from left to right. Raises Error.

        The text is split into words or characters, as the training data were (see tokenizer).

        text: a str, or bytes of UTF-8. A byte that is not UTF-8 is an unknown character; in
            TextEntity.text it is a lone surrogate, as with errors="surrogateescape".
        split: a line may have several sentences, which are split by Unicode's rules and a list of
            abbreviations; otherwise each line is a sentence.
        offsets: the unit of start and end: "codepoints", as in Python; "utf16", as in JavaScript
            and Java; or "bytes" of UTF-8.
        scores: compute probabilities. An .etagger file has them, a graph of TensorFlow does not.
        """
        data, flags = _data(text), _flags(split, offsets, scores)
        if len(data) > _LONG_TEXT:
            return self._find([text], [data], flags, 1)[0]
        room = _ROOM[:]
        address = room.buffer_info()[0]
        rest = address + _REST
        count = _library.etagger_tag_text_into(
            self._open_handle(), data, len(data), flags, address, _MOST, rest, rest + _SIZE
        )
        if count < 0 or self._may_warn:
            self._check(_said(count))
        if count > _MOST:
            found = _records(_Result(room[-2]))
        else:
            found = _ENTITY.iter_unpack(memoryview(room)[: count * _WORDS])
        return TextEntities(_text_entities(text, data, flags, found, self._names), room[-1])

    def pipe(
        self,
        texts: Iterable[str | bytes],
        *,
        split: bool = False,
        offsets: str = "codepoints",
        scores: bool = True,
        threads: int = 0,
        batch: int = 256,
    ) -> Iterator[TextEntities]:
        """Yields the entities of each text, in order: the same as calling the model for each text,
        but faster. It reads at most `batch` texts at a time, or fewer if they are long, so that
        the memory does not grow with their number.

        texts: any iterable of str or bytes. threads: 0 is one for each core. split, offsets,
        scores: see __call__. Raises Error; for an item that is not a text it names its number,
        from 1.
        """
        flags = _flags(split, offsets, scores)
        _checked_threads(threads)
        if not isinstance(batch, int) or batch < 1:
            raise Error(f"batch {batch!r}: expected 1 or more")
        if isinstance(texts, (str, bytes)):
            raise Error(f"texts: expected an iterable of str, not one {type(texts).__name__}")
        try:
            iterator = iter(texts)
        except TypeError:
            raise Error(f"texts: expected an iterable of str, not {texts!r}") from None
        return self._piped(iterator, flags, threads, batch)

    def _piped(
        self, texts: Iterator[str | bytes], flags: int, threads: int, batch: int
    ) -> Iterator[TextEntities]:
        number = itertools.count(1)
        while True:
            taken: list[str | bytes] = []
            datas: list[bytes] = []
            size = 0
            for text in texts:
                datas.append(_data(text, next(number)))
                taken.append(text)
                size += len(datas[-1])
                if len(taken) >= batch or size >= _MOST_BYTES:
                    break
            if not taken:
                return
            yield from self._find(taken, datas, flags, threads)

    def nbest_text(
        self, text: str | bytes, count: int, *, offsets: str = "codepoints"
    ) -> list[TextReading]:
        """The `count` most probable readings of a text that is one sentence, or all if there are
        fewer, the best first. offsets: see __call__. Raises Error, also if several lines of the
        text have words.
        """
        data, flags = _data(text), _flags(False, offsets, False)
        if not isinstance(count, int) or not 0 <= count < 1 << 63:
            raise Error(f"count {count!r}: expected a number from 1 on")
        said = _interruptibly(
            _library.etagger_nbest_text, self._open_handle(), data, len(data), count, flags
        )
        self._check(said)
        number = array("L", [0])
        place = _library.etagger_probabilities(said.value, _address(number))
        records: list[list[Any]] = [[] for _ in range(number[0])]
        for record in _records(said.value):
            records[record[-1]].append(record)
        probabilities = struct.unpack(f"{number[0]}d", ctypes.string_at(place, 8 * number[0]))
        return [
            TextReading(probability, _text_entities(text, data, flags, found, self._names))
            for probability, found in zip(probabilities, records)
        ]

    def render(self, text: str | bytes, *, split: bool = False, scores: bool = True) -> Rendering:
        """The text with its entities marked: a notebook shows it, and str() of it is HTML. See
        __call__ for the arguments. Raises Error.
        """
        return Rendering(text, self(text, split=split, scores=scores), self.types)

    def _find(
        self, texts: list[str | bytes], datas: list[bytes], flags: int, threads: int
    ) -> list[TextEntities]:
        """The entities of each text. datas: the texts as UTF-8."""
        sizes = array("L", map(len, datas))
        pointers = (ctypes.c_char_p * len(datas))(*datas)
        call = _interruptibly if sum(sizes) > _LONG_TEXT else _at_once
        said = call(
            _library.etagger_tag_texts,
            self._open_handle(),
            ctypes.addressof(pointers),
            _address(sizes),
            len(datas),
            flags,
            threads,
            keep=(pointers, sizes, datas),
        )
        self._check(said)
        records: list[list[Any]] = [[] for _ in texts]
        for record in _records(said.value):
            records[record[-1]].append(record)
        number = array("L", [0])
        tokens = array("L")
        place = _library.etagger_tokens(said.value, _address(number))
        tokens.frombytes(ctypes.string_at(place, number[0] * _SIZE))
        return [
            TextEntities(
                _text_entities(text, data, flags, found, self._names) if found else (), count
            )
            for text, data, found, count in zip(texts, datas, records, tokens)
        ]

    def tag(
        self,
        words: Sequence[str],
        pos: Sequence[str] | None = None,
        chunks: Sequence[str] | None = None,
    ) -> list[str]:
        """The tags of one sentence, one for each word, in the scheme of the training data.

        pos, chunks: its part-of-speech and chunk tags, one for each word, if there are any. Raises
        Error.
        """
        if pos is chunks is None and isinstance(words, (list, tuple)):
            tags = self._tag_words(words)
            if tags is not None:
                return tags
        return self._tag(_one_sentence(words, pos, chunks), threads=1)

    def tag_sentences(
        self,
        sentences: Iterable[Sequence[str]],
        pos: Iterable[Sequence[str]] | None = None,
        chunks: Iterable[Sequence[str]] | None = None,
        threads: int = 0,
    ) -> list[list[str]]:
        """The tags of many sentences, in batches: the same as tag() of each, but faster. A model
        with document context (bert_context) reads each sentence together with its neighbours; a
        sentence of the single word -DOCSTART- begins a new document.

        sentences: lists of words. pos, chunks: a list for each sentence, if there are any.
        threads: 0 is one for each core. Raises Error.
        """
        _checked_threads(threads)
        columns = {name: _table(name, column) for name, column in _given(sentences, pos, chunks)}
        tags = iter(self._tag(columns, threads))
        return [list(itertools.islice(tags, len(words))) for words in columns["words"]]

    def entities(
        self,
        words: Sequence[str],
        pos: Sequence[str] | None = None,
        chunks: Sequence[str] | None = None,
    ) -> list[Entity]:
        """The entities of a sentence, from left to right. Raises Error, also if the model's tags do
        not mark entities.
        """
        words = _column("words", words)
        return entities(words, self.tag(words, pos, chunks))

    # ------------------------------------------------------------ probabilities

    def confident(
        self,
        words: Sequence[str],
        pos: Sequence[str] | None = None,
        chunks: Sequence[str] | None = None,
        temperature: float = 1.0,
    ) -> Confident:
        """The tags of a sentence, the same as from tag(), with probabilities, and its entities.

        temperature: the model's scores are divided by it before they become probabilities; it does
        not change the tags. pos, chunks: see tag(). Raises Error, also for a model that TensorFlow
        serves (a folder).
        """
        columns = _one_sentence(words, pos, chunks)
        words = columns["words"][0]
        probabilities, spans = array("d", bytes(8 * len(words))), (_Span * len(words))()
        into = (_address(probabilities), ctypes.addressof(spans))
        tags, count = self._call("confident", columns, 1, (temperature,), into)
        return Confident(
            tags,
            probabilities.tolist(),
            [
                ScoredEntity(
                    span.type.decode(),
                    span.start,
                    span.end,
                    " ".join(words[span.start : span.end]),
                    span.score,
                )
                for span in spans[:count]
            ],
        )

    def nbest(
        self,
        words: Sequence[str],
        count: int,
        pos: Sequence[str] | None = None,
        chunks: Sequence[str] | None = None,
        temperature: float = 1.0,
    ) -> list[Reading]:
        """The `count` most probable tag sequences of a sentence, or all if there are fewer, the
        best first. count: 1 to 1000. The other parameters and errors are those of confident().
        """
        if not isinstance(count, int) or not 1 <= count <= _MOST_READINGS:
            raise Error(f"count {count!r}: expected 1 to {_MOST_READINGS:,}")
        columns = _one_sentence(words, pos, chunks)
        length = len(columns["words"][0])
        probabilities = array("d", bytes(8 * count))
        into = (_address(probabilities),)
        tags, found = self._call("nbest", columns, count, (count, temperature), into)
        return [
            Reading(probabilities[k], tags[k * length : (k + 1) * length]) for k in range(found)
        ]

    def _call(
        self,
        name: str,
        columns: dict[str, list[Any]],
        most: int,
        options: tuple[Any, ...],
        into: tuple[int, ...],
    ) -> tuple[list[str], int]:
        """Calls etagger_confident or etagger_nbest for a sentence.

        most: the most tag sequences. options, into: the function's arguments before and after
        `tags`. Returns the tags, one sequence after the other, and the number of entities or of
        sequences.
        """
        handle = self._open_handle()
        if not isinstance(options[-1], (int, float)):
            raise Error(f"temperature {options[-1]!r}: expected a number above 0")
        length = len(columns["words"][0])
        text, pointers = _pointers(columns, array("L", [length]))
        place = dict(zip(columns, itertools.count(_address(pointers), _SIZE * length)))
        tags, found = array("L", bytes(_SIZE * length * most)), array("L", [0])
        call = _interruptibly if length * most > _LONG else _at_once
        said = call(
            getattr(_library, f"etagger_{name}"),
            handle,
            place["words"],
            place.get("pos"),
            place.get("chunks"),
            length,
            *options,
            _address(tags),
            *into,
            _address(found),
            keep=(text, pointers, tags, found),
        )
        self._check(said)
        sequences = 1 if name == "confident" else found[0]
        return list(map(self._names.__getitem__, tags[: length * sequences])), found[0]

    # ------------------------------------------------------------ files

    def tag_file(
        self,
        input: str | os.PathLike,
        output: str | os.PathLike,
        columns: str | None = None,
        threads: int = 0,
        delimiter: str | None = None,
    ) -> None:
        """Tags a file of columns: each row is written unchanged with its tag appended. The output
        file is written atomically.

        columns: the columns in order, such as "word pos chunk tag", with _ for one to ignore and id
            first in CoNLL-U; default: by their number.
        delimiter: "tab", where each single tab separates columns, for tokens with spaces and empty
            fields; or "space", where runs of spaces and tabs do; default: as the model was trained.
        threads: 0 is one for each core.

        Raises Error; for a bad row it names the line.
        """
        paths = [
            _path(path, what)
            for path, what in ((input, "an input file"), (output, "an output file"))
        ]
        self._check(
            _interruptibly(
                _library.etagger_tag_columns,
                self._open_handle(),
                *paths,
                None if columns is None else _text(columns, "columns"),
                None if delimiter is None else _text(delimiter, "delimiter"),
                _checked_threads(threads),
            )
        )

    @property
    def tags(self) -> list[str]:
        """All tags of the model."""
        handle = self._open_handle()
        return [
            _library.etagger_tag_name(handle, i).decode()
            for i in range(_library.etagger_tag_count(handle))
        ]

    @property
    def types(self) -> list[str]:
        """All types of entities of the model, sorted."""
        handle = self._open_handle()
        return sorted(
            _library.etagger_type_name(handle, i).decode()
            for i in range(_library.etagger_type_count(handle))
        )

    @property
    def tokenizer(self) -> str:
        """How a text is split into tokens, as the training data were: "words"; or "characters",
        where each character that is not white space is a token.
        """
        return _library.etagger_tokenizer(self._open_handle()).decode()

    @property
    def columns(self) -> list[str]:
        """Those of "word", "pos" and "chunk" that the model uses. Its tags are worse if a call
        lacks one of them.
        """
        return list(filter(self._open_handle().uses, ("word", "pos", "chunk")))

    @property
    def fingerprint(self) -> str:
        """Differs from model to model: the size of its file and a checksum of its contents. A copy
        of the file has the same.
        """
        return self._fingerprint.decode()

    def close(self) -> None:
        """Frees the model once the calls of other threads that use it have returned."""
        self._set_handle(None)

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _open_handle(self) -> _Handle:
        handle = self._handle
        if handle is None:
            raise self._failure or Error("the model is closed")
        return handle

    def _tag_words(self, words: Sequence[str]) -> list[str] | None:
        """The same as _tag for the words of one sentence, in a third of the time. None if it is
        long, or if something is wrong with it, which _tag then reports.
        """
        count = len(words)
        try:
            text = "\0".join(words).encode()
        except (TypeError, UnicodeEncodeError):
            return None
        if not 0 < count <= _LONG or text.count(b"\0") != count - 1:
            return None
        room = array("L", [count]) * (count + 1)  # the tags, and the sentence's length
        place = room.buffer_info()[0]
        value = _library.etagger_tag_joined(
            self._open_handle(), text, len(text) + 1, 0, 0, place + _SIZE * count, 1, 1, place
        )
        if value < 0 or self._may_warn:
            self._check(_said(value))
        del room[count]
        return list(map(self._names.__getitem__, room))

    def _tag(self, columns: dict[str, list[Any]], threads: int) -> list[str]:
        """The tags of all words, a flat list. columns: {"words": a list of sentences}, with "pos"
        and "chunks" likewise if they are given.
        """
        lengths = array("L", map(len, columns["words"]))
        text = _joined(columns, lengths)
        tags = array("L", bytes(_SIZE * sum(lengths)))
        call = _interruptibly if len(tags) > _LONG else _at_once
        said = call(
            _library.etagger_tag_joined,
            self._open_handle(),
            text,
            len(text) + 1 if tags else 0,
            "pos" in columns,
            "chunks" in columns,
            _address(lengths),
            len(lengths),
            threads,
            _address(tags),
            keep=(lengths, tags),
        )
        self._check(said)
        return list(map(self._names.__getitem__, tags))

    def _check(self, said: _Said) -> None:
        """Raises Error for a call that failed, and warns of missing columns once."""
        if said.error is not None:
            raise Error(said.error.decode(errors="surrogateescape"))
        if not said.warning or not self._may_warn:
            return
        self._may_warn = False
        try:
            warnings.warn(said.warning.decode(), MissingColumnsWarning, _level_of_caller())
        except MissingColumnsWarning:  # a filter turns it into an error, also in the next call
            self._may_warn = True
            raise


def load(path: str | os.PathLike[str], trust: bool = False) -> Model:
    """Opens a model: an .etagger file, or a folder with a graph that TensorFlow serves (see
    etagger_open in etagger.h). trust: open a graph whatever its ops do. Raises Error.
    """
    name = _path(path, "an .etagger file")
    return Model(_open(name, trust), os.path.abspath(name), trust)


def _open(path: bytes, trust: bool, fingerprint: bytes | None = None) -> _Handle:
    """Opens a model. fingerprint: that which the model must have, if any. Raises Error."""
    handle = (_library.etagger_open_trusted if trust else _library.etagger_open)(path)
    if not handle:
        raise Error(_library.etagger_error().decode(errors="surrogateescape"))
    found = _library.etagger_fingerprint(handle)
    if fingerprint is not None and found != fingerprint:
        raise Error(
            f"{os.fsdecode(path)}: the file was changed since the model was opened "
            f"(size and checksum "
            f"{found.decode()}, expected {fingerprint.decode()}); load it again"
        )
    return handle


def entities(words: Sequence[str], tags: Sequence[str]) -> list[Entity]:
    """The entities that tags mark in a sentence, in any scheme (BIO, IOB1, IOE1, IOE2, IOBES, BMES,
    BILOU). Raises Error.

    B, S and U begin an entity; E, S, L and U end it. An entity also begins where the tag before is
    O or of another type.
    """
    if len(words) != len(tags):
        raise Error(f"{len(tags)} tags for {len(words)} words")
    found: list[Entity] = []
    start, open_type = -1, None
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, this = tag.partition("-")
        if prefix not in _PREFIXES or (prefix == "O" and this):
            raise Error(f"tag {tag!r} is neither O nor PREFIX-TYPE: no entities")
        if open_type is not None and (prefix in "OBSU" or this != open_type):
            found.append(Entity(open_type, start, i, " ".join(words[start:i])))
            open_type = None
        if prefix != "O" and open_type is None:
            start, open_type = i, this
        if prefix in "ESLU":
            found.append(Entity(this, start, i + 1, " ".join(words[start : i + 1])))
            open_type = None
    return found


_PREFIXES = frozenset("OBIESMLU")


# ---------------------------------------------------------------- calls of the library

_MOST_READINGS = 1000  # as in etagger.h
_LONG = 500  # words: tagging more of them takes much longer than starting a thread


class _Span(ctypes.Structure):
    """etagger_span."""

    _fields_ = (
        ("type", ctypes.c_char_p),
        ("start", ctypes.c_size_t),
        ("end", ctypes.c_size_t),
        ("score", ctypes.c_double),
    )


class _Said(NamedTuple):
    """The result of a call of the library, with its error and warning. The library keeps these for
    each thread until the next call, so they are read at once.
    """

    value: Any
    error: bytes | None
    warning: bytes


def _said(value: Any) -> _Said:
    """value: what a function of the library returned; negative or NULL if it failed."""
    if value < 0 if isinstance(value, int) else not value:
        return _Said(value, _library.etagger_error(), b"")
    return _Said(value, None, _library.etagger_warning())


def _at_once(function: Callable[..., Any], *args: Any, keep: Any = None) -> _Said:
    """Calls a function of the library. keep: objects that must stay in memory until it returns."""
    return _said(function(*args))


def _interruptibly(function: Callable[..., Any], *args: Any, keep: Any = None) -> _Said:
    """The same as _at_once, but soon raises KeyboardInterrupt, or what any signal handler raises.

    Python runs signal handlers only in its main thread, and not while that is in the library.
    Therefore another thread makes the call, and is stopped if a handler raises.
    """
    if threading.current_thread() is not threading.main_thread():
        return _at_once(function, *args, keep=keep)
    stop, done, came = ctypes.c_int(0), threading.Event(), []

    def work() -> None:
        try:
            _library.etagger_stop_at(ctypes.byref(stop))
            came.append(_at_once(function, *args, keep=keep))
        finally:
            done.set()

    try:
        threading.Thread(target=work, name="etagger").start()
    except RuntimeError:  # no thread can be started
        return _at_once(function, *args, keep=keep)
    except BaseException:
        stop.value = 1
        raise
    interrupt = None
    while True:
        try:
            done.wait()
            break
        except BaseException as error:
            interrupt, stop.value = interrupt or error, 1
    if interrupt:
        raise interrupt
    return came[0]


def _is_worker() -> bool:
    """Whether multiprocessing started this process."""
    module = sys.modules.get("multiprocessing")
    return module is not None and module.current_process().name != "MainProcess"


def _level_of_caller() -> int:
    """The stacklevel for warnings.warn() with which the warning names the caller's line, outside
    this module.
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals is globals():
        level, frame = level + 1, frame.f_back
    return level


# ---------------------------------------------------------------- lists of str to char *[]

_SIZE = array("L").itemsize  # of a pointer and of a size_t on Linux
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


class _Names(Dict[int, str]):
    """{address of a tag's text: the tag}. The text belongs to the model and is not moved."""

    def __missing__(self, address: int) -> str:
        tag = self[address] = ctypes.string_at(address).decode()
        return tag


def _joined(columns: dict[str, list[Any]], lengths: array[int]) -> bytes:
    """All words, one column after the other, joined by NUL. Raises Error."""
    for name, sentences in columns.items():
        if array("L", map(len, sentences)) != lengths:
            raise _lengths_differ(name, sentences, lengths)
    words = list(itertools.chain.from_iterable(itertools.chain.from_iterable(columns.values())))
    if len(words) != sum(lengths) * len(columns):
        raise Error("a list was changed while it was read, or is not as long as it says")
    try:
        text = _encode("\0".join(words))
    except TypeError:
        raise _bad_word(
            columns, lengths, words, lambda word: not isinstance(word, str), "expected a str"
        ) from None
    if words and text.count(b"\0") != len(words) - 1:
        raise _bad_word(
            columns, lengths, words, lambda word: "\0" in word, "a NUL is no part of a text"
        )
    return text


def _pointers(columns: dict[str, list[Any]], lengths: array[int]) -> tuple[bytes, array[int]]:
    """All words joined by NUL, and the address of each word. Raises Error."""
    text = _joined(columns, lengths)
    pointers = array("L", bytes(_SIZE * sum(lengths) * len(columns)))
    _library.etagger_split(text, len(pointers), _address(pointers))
    return text, pointers


def _encode(text: str) -> bytes:
    """UTF-8. A lone surrogate becomes the byte that it stands for (PEP 383), or another one that is
    not UTF-8.
    """
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError:
        return _NO_BYTE.sub("\udcff", text).encode(errors="surrogateescape")


def _address(values: array[Any]) -> int:
    return values.buffer_info()[0]


# ---------------------------------------------------------------- texts and their entities

_SPLIT, _SCORES, _UTF16, _BYTES = 1, 2, 4, 8  # ETAGGER_SPLIT, ...
_UNITS = {"codepoints": 0, "utf16": _UTF16, "bytes": _BYTES}
_ENTITY = struct.Struct("PNNNNdN")  # etagger_entity
_WORDS = _ENTITY.size // _SIZE
_MOST = 32  # so many entities of a text fit into a room; more need a result of the library
_REST = _MOST * _ENTITY.size  # place of the pointer to a result in a room, before the tokens
_ROOM = array("L", bytes(_REST + 2 * _SIZE))
_LONG_TEXT = 3000  # bytes: tagging more of them takes much longer than starting a thread
_MOST_BYTES = 1 << 20  # a batch of pipe() ends with the text that reaches this number
_LONE, _BAD = re.compile("[\ud800-\udfff]"), "\udcff"


def _flags(split: bool, offsets: str, scores: bool) -> int:
    try:
        unit = _UNITS[offsets]
    except (KeyError, TypeError):
        raise Error(f"offsets {offsets!r}: expected one of {', '.join(_UNITS)}") from None
    return unit | (_SPLIT if split else 0) | (_SCORES if scores else 0)


def _data(text: Any, number: int = 0) -> bytes:
    """A text as UTF-8; a lone surrogate becomes a byte that is not UTF-8. number: for messages."""
    if isinstance(text, bytes):
        return text
    try:
        return text.encode()
    except UnicodeEncodeError:
        # The bytes that they stand for might form a character together; copies of _BAD cannot.
        return _LONE.sub(_BAD, text).encode(errors="surrogateescape")
    except AttributeError:
        where = f"text {number}: " if number else ""
        raise Error(f"{where}expected a str or bytes, not {text!r}") from None


def _records(result: _Result) -> Iterator[tuple[Any, ...]]:
    """The entities of a result, as tuples of the fields of _ENTITY."""
    count = array("L", [0])
    place = _library.etagger_entities(result, _address(count))
    return _ENTITY.iter_unpack(ctypes.string_at(place, count[0] * _ENTITY.size) if place else b"")


def _part(text: str | bytes, data: bytes, first: int, last: int) -> str:
    """The part of a text whose UTF-8 is bytes first to last - 1 of `data`."""
    part = data[first:last].decode(errors="surrogateescape")
    if isinstance(text, str) and _BAD in part:  # any lone surrogate, see _data
        start = len(data[:first].decode(errors="surrogateescape"))
        return text[start : start + len(part)]
    return part


def _text_entities(
    text: str | bytes, data: bytes, flags: int, records: Iterable[tuple[Any, ...]], names: _Names
) -> list[TextEntity]:
    """The entities of a text. data: the text as UTF-8. records: tuples of the fields of _ENTITY."""
    scored = flags & _SCORES
    if isinstance(text, str) and (not flags & (_UTF16 | _BYTES) or len(text) == len(data)):
        return [
            TextEntity(names[kind], start, end, text[start:end], score if scored else None)
            for kind, start, end, _, _, score, _ in records
        ]
    return [
        TextEntity(
            names[kind], start, end, _part(text, data, first, last), score if scored else None
        )
        for kind, start, end, first, last, score, _ in records
    ]


# ---------------------------------------------------------------- arguments


def _path(path: Any, what: str) -> bytes:
    try:
        name = os.fsencode(path)
    except TypeError:
        raise Error(f"expected the path of {what}, not {path!r}") from None
    except UnicodeEncodeError:  # a lone surrogate; or the locale is not UTF-8
        raise Error(f"{path!r}: cannot be written as bytes of a path") from None
    if b"\0" in name:
        raise Error(f"{path!r}: a NUL is no part of a path")
    return name


def _text(value: Any, what: str) -> bytes:
    if not isinstance(value, str) or "\0" in value:
        raise Error(f"{what}: expected a str without NUL, not {value!r}")
    return _encode(value)


def _checked_threads(threads: Any) -> int:
    if not isinstance(threads, int) or not 0 <= threads < 1 << 31:
        raise Error(f"threads {threads!r}: expected 0 or more")
    return threads


def _given(words: Any, pos: Any, chunks: Any) -> Iterator[tuple[str, Any]]:
    return (
        (name, column)
        for name, column in (("words", words), ("pos", pos), ("chunks", chunks))
        if name == "words" or column is not None
    )


def _one_sentence(words: Any, pos: Any, chunks: Any) -> dict[str, list[Any]]:
    """The columns of one sentence that are given, {name: [column]}. Raises Error."""
    return {name: [_column(name, column)] for name, column in _given(words, pos, chunks)}


def _column(name: str, values: Any) -> Sequence[Any]:
    """A column of one sentence, as a sequence with a length. Raises Error."""
    if isinstance(values, (str, bytes)):
        raise Error(
            f"{name}: expected a list of str, not one {type(values).__name__}; split it first"
        )
    try:
        return values if hasattr(values, "__len__") else list(values)
    except TypeError:
        raise Error(f"{name}: expected a list of str, not {values!r}") from None


def _table(name: str, sentences: Any) -> list[Any]:
    """A column of many sentences. Raises Error."""
    return [_column(name, sentence) for sentence in _column(name, sentences)]


def _lengths_differ(name: str, sentences: list[Any], lengths: array[int]) -> Error:
    if len(sentences) != len(lengths):
        return Error(f"{name}: {len(sentences)} sentences, expected {len(lengths)}")
    i, count = next(
        (i, len(values)) for i, values in enumerate(sentences) if len(values) != lengths[i]
    )
    return Error(f"{name}: {count} column values for {lengths[i]} words in sentence {i + 1}")


def _bad_word(
    columns: dict[str, list[Any]],
    lengths: array[int],
    words: list[Any],
    is_bad: Callable[[Any], bool],
    expected: str,
) -> Error:
    """An Error that names the first bad word. words: those of all columns."""
    place = next(i for i, word in enumerate(words) if is_bad(word))
    column, at = divmod(place, sum(lengths))
    sentence = bisect.bisect_right(list(itertools.accumulate(lengths)), at)
    word = at - sum(lengths[:sentence]) + 1
    where = f"word {word} of sentence {sentence + 1}"
    return Error(f"{list(columns)[column]}: {words[place]!r} ({where}): {expected}")
