"""Tags the words of sentences with a trained model: named entities, and what else it has learned.

    import etagger
    model = etagger.load("model.etagger")
    model.tag(["Sumogetti", "left", "Vremland"])         # ['B-PER', 'O', 'B-LOC']
    model.entities(["Sumogetti", "left", "Vremland"])
    # [Entity(type='PER', start=0, end=1, text='Sumogetti'), ...]
    model.tag_sentences([["Sumogetti", "left"], ["Vremland"]])    # [['B-PER', 'O'], ['B-LOC']]
    model.tag_file("data/sample/test.txt", "pred.txt")   # columns, and the tag after them

The tags in these comments are those of the model that `make demo` trains.

Any number of threads may use one model: the library tags without Python's lock, and they do not
wait for each other. A model that is copied or pickled, such as for multiprocessing.Pool, is opened
again by its path.
"""

from __future__ import annotations

import bisect
import ctypes
import itertools
import os
import re
import sys
import threading
import warnings
from array import array
from typing import Any, Callable, Dict, Iterable, Iterator, NamedTuple, Sequence

__all__ = [
    "Confident",
    "Entity",
    "Error",
    "MissingColumnsWarning",
    "Model",
    "Reading",
    "ScoredEntity",
    "entities",
    "load",
]


class Error(ValueError):
    """What was wrong with a model or with what it was given, one line of printable characters."""

    def __init__(self, text: str) -> None:
        super().__init__(_printable(text))


class MissingColumnsWarning(UserWarning):
    """A model was trained with a POS or chunk column that it is not given: its tags are worse. Said
    once a model; not of one that was trained with feature_drop.
    """


def _printable(text: str) -> str:
    """Whatever would not show as itself, escaped: \\n, \\x1b, and \\xff for a byte that is not
    UTF-8.
    """
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    is_byte = "\udc80" <= letter <= "\udcff"  # PEP 383
    return f"\\x{ord(letter) - 0xDC00:02x}" if is_byte else ascii(letter)[1:-1]


def _library_path() -> str:
    """$ETAGGER_LIBRARY; or the library that was installed with this package; or the one that make
    cc builds.
    """
    built = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "cc", "build")
    places = [os.path.join(folder, "libetagger.so") for folder in (*__path__, built)]
    return os.environ.get("ETAGGER_LIBRARY") or next(filter(os.path.exists, places), places[-1])


class _Handle(ctypes.c_void_p):
    """An etagger_model. It is closed once nobody refers to it, so not before the last call that
    uses it is back.
    """

    _close: Callable[[Any], None]  # etagger_close

    def __del__(self) -> None:
        if self:
            self._close(self)

    def uses(self, column: str) -> bool:
        return bool(_library.etagger_uses(self, column.encode()))


def _load_library() -> ctypes.CDLL:
    path = _library_path()
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"{error}; build it with make cc, or say in ETAGGER_LIBRARY where libetagger.so is"
        ) from None
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    for name, result, *arguments in (
        ("open", _Handle, text),
        ("open_trusted", _Handle, text),
        ("close", None, _Handle),
        ("error", text),
        ("warning", text),
        ("version", text),
        ("stop_at", None, pointer),
        ("fingerprint", text, _Handle),
        ("tag_sentences", ctypes.c_int, _Handle, *[pointer] * 4, size, ctypes.c_int, pointer),
        (
            "confident",
            *(ctypes.c_int, _Handle, *[pointer] * 3, size, ctypes.c_double, *[pointer] * 4),
        ),
        (
            "nbest",
            *(ctypes.c_int, _Handle, *[pointer] * 3, size, size, ctypes.c_double, *[pointer] * 3),
        ),
        ("tag_columns", ctypes.c_int, _Handle, *[text] * 4, ctypes.c_int),
        ("split", None, text, size, pointer),
        ("tag_count", size, _Handle),
        ("tag_name", text, _Handle, size),
        ("uses", ctypes.c_int, _Handle, text),
    ):
        function = getattr(library, f"etagger_{name}")
        function.restype, function.argtypes = result, arguments
    _Handle._close = library.etagger_close
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
    probability that just these words are an entity of just this type.
    """

    type: str
    start: int
    end: int
    text: str
    score: float


class Confident(NamedTuple):
    """The tags of a sentence, and how sure the model is of them.

    probabilities: of each tag, or of the one that stands for it in the scheme in which the model
    has learned.
    """

    tags: list[str]
    probabilities: list[float]
    entities: list[ScoredEntity]


class Reading(NamedTuple):
    """One of the tag sequences of a sentence."""

    probability: float
    tags: list[str]


class Model:
    """A model; load() opens one.

    A copy, pickled or not, opens the same file again, and raises Error where that is another one by
    now. In a forked process the model itself goes on, but one of TensorFlow's (a folder): its calls
    raise Error there.
    """

    def __init__(self, handle: _Handle, path: bytes, trust: bool = False) -> None:
        """path, trust: those with which the handle was opened; the path is absolute."""
        self._path, self._trust = path, trust
        self._fingerprint = _library.etagger_fingerprint(handle)
        self._warned = False  # of missing columns
        self._set_handle(handle)

    def _set_handle(self, handle: _Handle | None, failure: Error | None = None) -> None:
        self._handle = handle
        self._failure = failure  # why the handle is none, if the model is not closed
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
            # A worker process that cannot unpickle its task ends, and leaves its pool waiting.
            # There the first call raises it.
            if not _is_worker():
                raise
            self._set_handle(None, error)

    def tag(
        self,
        words: Sequence[str],
        pos: Sequence[str] | None = None,
        chunks: Sequence[str] | None = None,
    ) -> list[str]:
        """Tags of one sentence, one for each word, in the scheme of the training data.

        pos, chunks: its part-of-speech and chunk columns, as many as words, where there are any.
        Raises Error.
        """
        return self._tag(_one_sentence(words, pos, chunks), threads=1)

    def tag_sentences(
        self,
        sentences: Iterable[Sequence[str]],
        pos: Iterable[Sequence[str]] | None = None,
        chunks: Iterable[Sequence[str]] | None = None,
        threads: int = 0,
    ) -> list[list[str]]:
        """Tags of many sentences, in batches: the same as tag() of each, and quicker. A model with
        document context (bert_context) reads each sentence with those around it, as far as a
        sentence of the one word -DOCSTART-.

        sentences: lists of words. pos, chunks: a list for each sentence, where there are any.
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
        """The entities of a sentence, from left to right. Raises Error, also where the model's tags
        are none of entities.
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
        """The tags that tag() gives a sentence, with probabilities, and its entities.

        temperature: what the model's scores are divided by before they become probabilities; it
        changes no tag. Raises Error, also for a model of TensorFlow's (a folder).
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
        """The `count` most probable tag sequences of a sentence, 1 to 1000, or all where there are
        fewer, the best first. The rest is as for confident().
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
        """Calls etagger_confident or etagger_nbest for a sentence. most: tag sequences, at most.
        options, into: its arguments before and after `tags`. Returns the tags, one sequence after
        the other, and how many entities or sequences there are.
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
        """Tags a file of columns: each row comes out with its tag after it. The output is whole or
        not there.

        columns: such as "word pos chunk tag", _ to ignore one, id first in CoNLL-U; default: by
        their number. delimiter: "tab", each single tab separates columns, for tokens with spaces
        and empty fields; "space", spaces and tabs do, runs count as one; default: as the model was
        trained. threads: 0 is one for each core. Raises Error, which names the line of a bad row.
        """
        paths = [
            _path(each, what)
            for each, what in ((input, "an input file"), (output, "an output file"))
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
        """Every tag that the model may give."""
        handle = self._open_handle()
        return [
            _library.etagger_tag_name(handle, i).decode()
            for i in range(_library.etagger_tag_count(handle))
        ]

    @property
    def columns(self) -> list[str]:
        """Of word, pos and chunk those that the model looks at; without one of them its tags are
        worse.
        """
        return list(filter(self._open_handle().uses, ("word", "pos", "chunk")))

    def close(self) -> None:
        """Frees the model, once the calls of other threads that use it are back."""
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

    def _tag(self, columns: dict[str, list[Any]], threads: int) -> list[str]:
        """Tags of all words, a flat list. columns: words, and pos and chunks where they are given,
        as lists of sentences.
        """
        handle = self._open_handle()
        lengths = array("L", map(len, columns["words"]))
        text, pointers = _pointers(columns, lengths)  # text: what the pointers point into
        tags = array("L", bytes(_SIZE * sum(lengths)))
        place = dict(zip(columns, itertools.count(_address(pointers), _SIZE * len(tags))))
        call = _interruptibly if len(tags) > _LONG else _at_once
        said = call(
            _library.etagger_tag_sentences,
            handle,
            place["words"],
            place.get("pos"),
            place.get("chunks"),
            _address(lengths),
            len(lengths),
            threads,
            _address(tags),
            keep=(text, pointers, lengths, tags),
        )
        self._check(said)
        return list(map(self._names.__getitem__, tags))

    def _check(self, said: _Said) -> None:
        """Raises Error for a call that failed, and warns of missing columns, once."""
        if said.error is not None:
            raise Error(said.error.decode(errors="surrogateescape"))
        if not said.warning or self._warned:
            return
        self._warned = True
        try:
            warnings.warn(said.warning.decode(), MissingColumnsWarning, _level_of_caller())
        except MissingColumnsWarning:  # a filter makes an error of it, of this call's and the next
            self._warned = False
            raise


def load(path: str | os.PathLike[str], trust: bool = False) -> Model:
    """Opens a model: an .etagger file, or a folder that TensorFlow serves; see etagger_open in
    etagger.h. trust: open a folder's graph whatever its ops do. Raises Error.
    """
    name = _path(path, "an .etagger file")
    return Model(_open(name, trust), os.path.abspath(name), trust)


def _open(path: bytes, trust: bool, fingerprint: bytes | None = None) -> _Handle:
    """A model's handle. fingerprint: that of the model that is meant. Raises Error."""
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
    """The entities that tags of any scheme (BIO, IOB1, IOE1, IOE2, IOBES, BMES, BILOU) mark in a
    sentence. Raises Error.

    B, S and U begin an entity, E, S, L and U end it; besides, it begins where the tag before is O
    or of another type.
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
_LONG = 500  # words: what takes much longer than another thread takes to start


class _Span(ctypes.Structure):
    """etagger_span."""

    _fields_ = (
        ("type", ctypes.c_char_p),
        ("start", ctypes.c_size_t),
        ("end", ctypes.c_size_t),
        ("score", ctypes.c_double),
    )


class _Said(NamedTuple):
    """What a call came to. The library keeps it for each thread, so that it is asked at once."""

    error: bytes | None
    warning: bytes


def _at_once(function: Callable[..., int], *args: Any, keep: Any = None) -> _Said:
    """Calls a function of the library. keep: what must stay in memory meanwhile."""
    if function(*args):
        return _Said(_library.etagger_error(), b"")
    return _Said(None, _library.etagger_warning())


def _interruptibly(function: Callable[..., int], *args: Any, keep: Any = None) -> _Said:
    """The same, and raises KeyboardInterrupt, or what another signal handler raises, soon.

    Python runs handlers in its main thread alone, and not while that is in the library: another
    thread makes the call meanwhile, and is stopped.
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
    except RuntimeError:  # there is none to be had
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
    """The stacklevel of warnings.warn() with which the warning names the line outside of this
    module.
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals is globals():
        level, frame = level + 1, frame.f_back
    return level


# ---------------------------------------------------------------- lists of str to char *[]

_SIZE = array("L").itemsize  # of a pointer and of a size_t on Linux
_NO_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


class _Names(Dict[int, str]):
    """{address of a tag's text: the tag}; the text belongs to the model and stays where it is."""

    def __missing__(self, address: int) -> str:
        tag = self[address] = ctypes.string_at(address).decode()
        return tag


def _pointers(columns: dict[str, list[Any]], lengths: array[int]) -> tuple[bytes, array[int]]:
    """Where the text of each word begins, one column after the other: the texts, joined, and their
    addresses. Raises Error.
    """
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
    pointers = array("L", bytes(_SIZE * len(words)))
    _library.etagger_split(text, len(words), _address(pointers))
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


# ---------------------------------------------------------------- what is given


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
    """Its columns, those that are given. Raises Error."""
    return {name: [_column(name, column)] for name, column in _given(words, pos, chunks)}


def _column(name: str, values: Any) -> Sequence[Any]:
    """A column of one sentence, as something with a length. Raises Error."""
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
    """Names the first bad one of words, those of all columns."""
    place = next(i for i, word in enumerate(words) if is_bad(word))
    column, at = divmod(place, sum(lengths))
    sentence = bisect.bisect_right(list(itertools.accumulate(lengths)), at)
    word = at - sum(lengths[:sentence]) + 1
    where = f"word {word} of sentence {sentence + 1}"
    return Error(f"{list(columns)[column]}: {words[place]!r} ({where}): {expected}")
