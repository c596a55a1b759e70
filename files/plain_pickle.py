"""Reads pickles of plain containers and arrays of numbers, and runs no code.

Python's own unpickler allocates what the file says: nine bytes make its memo two gigabytes, and it
takes years to hash a key of nested tuples. So this module reads the few opcodes that protocol 4 has
for dicts with keys of text, lists, text, bytes, numbers and numpy arrays, and no others (CPython's
Lib/pickletools.py documents them). Memory and time are in proportion to the file.
"""

import pickle
import re
import struct

import numpy as np

MOST_CONTAINERS = 10_000  # empty ones take sixty times their bytes in the file

_MARK = object()
_SIZE = {  # opcodes with text or bytes: how their length is written
    0x58: ("<I", 4, True),
    0x8D: ("<Q", 8, True),
    0x43: ("B", 1, False),
    0x42: ("<I", 4, False),
    0x8E: ("<Q", 8, False),
}
_NUMBER = {0x4B: ("B", 1), 0x4D: ("<H", 2), 0x4A: ("<i", 4), 0x47: (">d", 8)}
_CONSTANT = {0x4E: None, 0x88: True, 0x89: False}
_TUPLE = {0x29: 0, 0x85: 1, 0x86: 2, 0x87: 3}


class Refused(ValueError):
    """The pickle holds something other than plain containers and arrays; the message says what."""


class _Dtype:
    """Stands in for numpy.dtype: numpy's own trusts the flags that the file gives it."""

    def __init__(self, code="", *_):
        self.code = code

    def set(self, state):
        self.order = state[1]


class _Array:
    """Stands in for an array; `value` is the array, read-only, once its state is there."""

    def __init__(self, *_):
        self.value = None

    def set(self, state):
        _, shape, dtype, by_column, data = state
        name = f"{dtype.order}{dtype.code}"
        if not re.fullmatch("[<=>|][biuf][0-9]+", name):
            raise Refused(f"it holds an array of {name}, which are not numbers")
        array = np.frombuffer(data, name)
        self.value = array.reshape(shape, order="F" if by_column else "C")


_CLASSES = {
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("numpy.core.multiarray", "_reconstruct"): _Array,  # numpy 1
    ("numpy._core.multiarray", "_reconstruct"): _Array,  # numpy 2
}


def load(data, at=0):
    """The pickle that begins at data[at]; data: bytes. Returns (value, where it ends).

    Raises Refused, and any other exception where it is damaged.
    """
    return _Reader(data, at).read()


class _Reader:
    """A pickle machine: a stack, and a memo of values by number."""

    def __init__(self, data, at):
        self.data, self.at = data, at
        self.stack, self.memo, self.containers = [], [], 0

    def read(self):
        """The value of the pickle, and the index after it.

        The two opcodes of short text, of which a vocabulary has hundreds of thousands, come first.
        """
        data, stack, memo, at = self.data, self.stack, self.memo, self.at
        while True:
            opcode = data[at]
            if opcode == 0x8C:  # SHORT_BINUNICODE
                end = at + 2 + data[at + 1]
                stack.append(data[at + 2 : end].decode("utf-8", "surrogatepass"))
                at = end
            elif opcode == 0x94:  # MEMOIZE
                memo.append(stack[-1])
                at += 1
            elif opcode == 0x2E:  # STOP
                (value,) = stack
                return value, at + 1
            else:
                self.at = at + 1
                self._rare(opcode)
                at = self.at

    def _text(self, size_format, width, is_text):
        """Text or bytes. More than 1 MiB of bytes is a memoryview, so that there is no copy."""
        (size,) = struct.unpack_from(size_format, self.data, self.at)
        start = self.at + width
        self.at = start + size
        if self.at > len(self.data):
            raise EOFError
        if size > 1 << 20 and not is_text:
            return memoryview(self.data)[start : self.at]
        piece = self.data[start : self.at]
        return piece.decode("utf-8", "surrogatepass") if is_text else piece

    def _number(self, number_format, width):
        (value,) = struct.unpack_from(number_format, self.data, self.at)
        self.at += width
        return value

    def _rare(self, opcode):
        """Any other opcode; most of these are rare in a file."""
        stack = self.stack
        if opcode in _SIZE:
            stack.append(self._text(*_SIZE[opcode]))
        elif opcode in _NUMBER:
            stack.append(self._number(*_NUMBER[opcode]))
        elif opcode in _CONSTANT:
            stack.append(_CONSTANT[opcode])
        elif opcode == 0x68:  # BINGET
            stack.append(self.memo[self._number("B", 1)])
        elif opcode == 0x6A:  # LONG_BINGET
            stack.append(self.memo[self._number("<I", 4)])
        elif opcode == 0x8A:  # LONG1
            size = self._number("B", 1)
            stack.append(int.from_bytes(self.data[self.at : self.at + size], "little", signed=True))
            self.at += size
        elif opcode == 0x28:
            stack.append(_MARK)
        elif opcode == 0x95:  # FRAME, whose length nobody needs
            self._number("<Q", 8)
        elif opcode == 0x80:  # PROTO
            self._number("B", 1)
        else:
            self._build(opcode)

    def _build(self, opcode):
        """Containers and arrays."""
        stack = self.stack
        self.containers += 1
        if self.containers > MOST_CONTAINERS:
            raise Refused(f"it holds more than {MOST_CONTAINERS:,} containers")
        if opcode in (0x7D, 0x5D):
            stack.append({} if opcode == 0x7D else [])
        elif opcode in _TUPLE:
            count = len(stack) - _TUPLE[opcode]
            stack[count:] = [tuple(stack[count:])]
        elif opcode == 0x74:  # TUPLE, from the mark on
            stack.append(tuple(self._from_mark()))
        elif opcode in (0x61, 0x65):  # APPEND, APPENDS
            items = [stack.pop()] if opcode == 0x61 else self._from_mark()
            _of(list, stack[-1]).extend(items)
        elif opcode in (0x73, 0x75):  # SETITEM, SETITEMS
            items = [stack.pop(-2), stack.pop()] if opcode == 0x73 else self._from_mark()
            if not all(type(name) is str for name in items[::2]):
                raise Refused("it holds a dict with a key that is not text")
            _of(dict, stack[-1]).update(zip(items[::2], items[1::2], strict=True))
        else:
            self._array(opcode)

    def _array(self, opcode):
        """Classes, calls of them, and their states; an array's are the only ones."""
        stack = self.stack
        if opcode == 0x93:  # STACK_GLOBAL
            name = stack.pop()
            stack.append(_class(stack.pop(), name))
        elif opcode == 0x63:  # GLOBAL, of older protocols
            module, name = self.data[self.at : self.at + 200].split(b"\n", 2)[:2]
            stack.append(_class(module.decode(), name.decode()))
            self.at += len(module) + len(name) + 2
        elif opcode == 0x52:  # REDUCE
            arguments = stack.pop()
            function = stack.pop()
            if function not in (_Array, _Dtype):
                raise Refused("it holds a call")
            stack.append(function(*_of(tuple, arguments)))
        elif opcode == 0x62:  # BUILD
            state = _of(tuple, stack.pop())
            if type(stack[-1]) not in (_Array, _Dtype):
                raise Refused("it holds the state of an object")
            stack[-1].set(state)
        else:
            raise Refused(f"it holds the opcode {chr(opcode)!r}, which no plain container needs")

    def _from_mark(self):
        """Takes what was pushed since the last mark."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items


def _of(kind, value):
    if type(value) is not kind:
        raise pickle.UnpicklingError(f"{kind.__name__} expected")
    return value


def _class(module, name):
    if (module, name) not in _CLASSES:
        raise Refused(f"it holds {module}.{name}, which is neither a plain container nor an array")
    return _CLASSES[module, name]
