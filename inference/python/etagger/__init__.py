"""Tags sentences through the C library.

    import etagger
    model = etagger.load("exported")
    model.tag(["Obama", "left", "Berlin"])          # ['B-PER', 'O', 'B-LOC']

Many threads may use one model: the library runs without Python's lock.
"""
import ctypes
import os

_LIBRARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "cc", "build", "libetagger.so")


class Error(Exception):
    """What the library could not do, one line."""


def _load_library():
    path = os.environ.get("ETAGGER_LIBRARY", _LIBRARY)
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"{error}; build it with make cc, or say in ETAGGER_LIBRARY where libetagger.so is") from None
    strings = ctypes.POINTER(ctypes.c_char_p)
    library.etagger_open.argtypes, library.etagger_open.restype = [ctypes.c_char_p], ctypes.c_void_p
    library.etagger_tag.argtypes = [ctypes.c_void_p, strings, strings, strings, ctypes.c_size_t, strings]
    library.etagger_close.argtypes, library.etagger_close.restype = [ctypes.c_void_p], None
    for name in ("etagger_error", "etagger_version"):
        getattr(library, name).argtypes, getattr(library, name).restype = [], ctypes.c_char_p
    return library


_library = _load_library()
__version__ = _library.etagger_version().decode()


def _error():
    return Error(_library.etagger_error().decode(errors="replace"))


def _array(words, count):
    """Strings -> char *[count], or NULL for None. Lone surrogates become the bytes that they stand for (PEP 383)."""
    if words is None:
        return None
    if len(words) != count:
        raise ValueError(f"{len(words)} column values for {count} words")
    return (ctypes.c_char_p * count)(*(word.encode(errors="surrogateescape") for word in words))


class Model:
    """A model in memory; load() opens one."""

    def __init__(self, handle):
        self._handle = handle

    def tag(self, words, pos=None, chunks=None):
        """Tags of a sentence, a list of words; pos and chunks are its columns, where there are any. Raises Error."""
        tags = (ctypes.c_char_p * len(words))()
        arrays = (_array(column, len(words)) for column in (words, pos, chunks))
        if _library.etagger_tag(self._handle, *arrays, len(words), tags):
            raise _error()
        return [tag.decode() for tag in tags]

    def close(self):
        """Frees the model; no thread may be using it."""
        handle, self._handle = self._handle, None
        _library.etagger_close(handle)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        if getattr(self, "_handle", None):
            self.close()


def load(path):
    """Opens a model, see etagger_open in etagger.h. Raises Error."""
    handle = _library.etagger_open(os.fsencode(path))
    if not handle:
        raise _error()
    return Model(handle)
