"""Writes a checkpoint as one `.etagger` file, which the C++ engine maps into memory: cc/engine/README.md has the format.

Weights are laid out in the order in which the engine reads them, so that opening is mapping.
"""
import json
import os
import struct
import sys
import zlib

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from cli import UserError, atomic_write  # noqa: E402

MAGIC, VERSION = b"etagger\0", 1
LANES = 16                       # floats that the engine computes side by side
ALIGNMENT = 64
PRELUDE, ENTRY = 64, 128         # bytes
TYPES = {"uint8": 0, "int32": 1, "uint32": 2, "uint64": 3, "float32": 4}
FNV_BASIS, FNV_PRIME = 0xcbf29ce484222325, 0x100000001b3


def padded_size(size):
    """The next multiple of LANES."""
    return -(-size // LANES) * LANES


def hashes(tokens):
    """FNV-1a of each token (bytes), its halves folded, uint32 (tokens,): computed for tokens of one length at a time."""
    lengths = np.array([len(token) for token in tokens])
    folded = np.zeros(len(tokens), np.uint32)
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        text = np.frombuffer(b"".join(tokens[i] for i in places), np.uint8).reshape(len(places), length)
        state = np.full(len(places), FNV_BASIS, np.uint64)
        for column in range(length):
            state = (state ^ text[:, column]) * np.uint64(FNV_PRIME)
        folded[places] = (state ^ state >> np.uint64(32)).astype(np.uint32)
    return folded


def index(name, tokens):
    """Sections of a vocabulary: its text, where each token begins in it, and a hash table of open addressing (id + 1; 0: a gap)."""
    tokens = [token.encode() for token in tokens]
    offsets = np.zeros(len(tokens) + 1, np.uint64)
    np.cumsum([len(token) for token in tokens], out=offsets[1:])
    slots = 16
    while slots < 2 * len(tokens):
        slots *= 2
    table = [0] * slots
    for number, at in enumerate((hashes(tokens) & np.uint32(slots - 1)).tolist()):
        while table[at]:
            at = at + 1 & slots - 1
        table[at] = number + 1
    return {f"{name}.text": np.frombuffer(b"".join(tokens), np.uint8), f"{name}.offsets": offsets,
            f"{name}.table": np.array(table, np.uint32)}


def columns(matrix, width):
    """A matrix (dim, width') padded with zeros to `width` columns and packed as the engine multiplies: (width / LANES, dim, LANES)."""
    dim = matrix.shape[0]
    full = np.zeros((dim, width), np.float32)
    full[:, :matrix.shape[1]] = matrix
    return full.reshape(dim, width // LANES, LANES).transpose(1, 0, 2)


def gates(matrix, size):
    """An LSTM's matrix (dim, 4 * size), gates i, c, f, o -> (blocks, dim, 4, LANES), a block for LANES hidden units."""
    dim, blocks = matrix.shape[0], padded_size(size) // LANES
    full = np.zeros((dim, 4, blocks * LANES), np.float32)
    full[:, :, :size] = matrix.reshape(dim, 4, size)
    return full.reshape(dim, 4, blocks, LANES).transpose(2, 0, 1, 3)


def rows_at(matrix, places, count):
    """A matrix whose row k stands at places[k] of `count` rows, zeros elsewhere."""
    full = np.zeros((count, matrix.shape[1]), np.float32)
    full[places] = matrix
    return full


def write(path, header, sections):
    """Writes the file, whole or not at all. header: a dict. sections: {name: array}. Raises UserError."""
    header = json.dumps(header, sort_keys=True).encode()
    table_at = _aligned(PRELUDE + len(header))
    at = _aligned(table_at + ENTRY * len(sections))
    table, places = b"", []
    for name, array in sections.items():
        array = np.ascontiguousarray(array)
        if array.ndim > 4 or len(name) > 47:
            raise UserError(f"section {name}: more than 4 dimensions or a name of more than 47 bytes")
        dims = list(array.shape) + [1] * (4 - array.ndim)
        table += struct.pack("<48sII4QQQI20x", name.encode(), TYPES[array.dtype.name], array.ndim, *dims, at, array.nbytes, zlib.crc32(array))
        places.append((at, array))
        at = _aligned(at + array.nbytes)
    prelude = struct.pack("<8sIIQQQQQ", MAGIC, VERSION, 0, at, PRELUDE, len(header), table_at, len(sections))
    front = (prelude + b"\0" * 8 + header).ljust(table_at, b"\0") + table
    check = zlib.crc32(front[PRELUDE:], zlib.crc32(prelude))
    with atomic_write(path) as out:
        out.write(prelude + struct.pack("<II", check, 0) + front[PRELUDE:])
        for place, array in places:
            out.write(b"\0" * (place - out.tell()))
            out.write(array.reshape(-1).view(np.uint8))
        out.write(b"\0" * (at - out.tell()))


def _aligned(at):
    return -(-at // ALIGNMENT) * ALIGNMENT
