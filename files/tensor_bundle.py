"""The index of a TensorFlow checkpoint, PREFIX.index, checked before TensorFlow reads it.

TensorFlow ends the process where a shape is invalid, and asks for the memory of whatever shape the
index states. The index is a table of LevelDB (its doc/table_format.md): blocks of sorted keys, each
stored without the prefix that it shares with the key before. The value of the key '' is a
BundleHeaderProto, that of a variable's name a BundleEntryProto (tensor_bundle.proto).
"""

import math
import os
import struct
from typing import NamedTuple

from cli import UserError

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48  # bytes
_TRAILER = 5  # of a block: its compression and a checksum
# {DataType: (its name, bytes of an element)}. A string takes at least one byte, for its length.
_TYPES = {
    1: ("float32", 4),
    2: ("float64", 8),
    3: ("int32", 4),
    4: ("uint8", 1),
    5: ("int16", 2),
    6: ("int8", 1),
    7: ("string", 1),
    9: ("int64", 8),
    10: ("bool", 1),
    14: ("bfloat16", 2),
    17: ("uint16", 2),
    19: ("float16", 2),
    22: ("uint32", 4),
    23: ("uint64", 8),
}


class Entry(NamedTuple):
    """A variable of a checkpoint. dtype: numpy's name. shape: tuple of int."""

    dtype: str
    shape: tuple


def read_index(prefix):
    """{name: Entry} of a checkpoint whose index fits its data files. Raises UserError."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto

    # TensorFlow's protobufs would print its log lines; after tf1 they do not.
    from tf1 import tf  # noqa: F401

    path = prefix + ".index"
    with open(path, "rb") as stream:
        data = stream.read()
    at = ""  # the variable
    try:
        table = dict(_table(data))
        sizes = _data_sizes(prefix, BundleHeaderProto.FromString(table.pop(b"", b"")).num_shards)
        entries, total = {}, 0
        for key, value in table.items():
            at = "".join(filter(str.isprintable, key.decode(errors="replace")))[:200] + ": "
            entry, size = _entry(BundleEntryProto.FromString(value), sizes)
            total += size
            if key[:1] != b"\0":  # a slice of a variable, whose entry has the whole shape
                entries[key.decode()] = entry
        at = ""
        if total > sum(sizes):
            raise ValueError("the variables are larger than the data files")
    except (ValueError, IndexError, struct.error, DecodeError) as error:
        reason = str(error) if type(error) is ValueError else "truncated"
        raise UserError(
            f"{prefix}: {at}not as a TensorFlow checkpoint has it, or damaged ({reason}); "
            "get it again"
        ) from None
    return entries


def open_checkpoint(prefix):
    """Returns what read_index does, and a function from a variable's name to its array. Both this
    function and that one raise UserError.
    """
    from tf1 import tf

    entries = read_index(prefix)
    try:
        reader = tf.train.NewCheckpointReader(os.fsencode(prefix))
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{prefix}: not a TensorFlow checkpoint, or damaged ({_reason(error)}); get it again"
        ) from None

    def read(name):
        try:
            return reader.get_tensor(name)
        except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as error:
            raise UserError(
                f"{prefix}: {name} cannot be read ({_reason(error)}); get the checkpoint again"
            ) from None

    return entries, read


def _reason(error):
    return str(error).splitlines()[0][:150] if str(error) else type(error).__name__


def _data_sizes(prefix, shards):
    """Bytes of each data file. Raises ValueError where one is missing."""
    if not 1 <= shards <= 10_000:
        raise ValueError("its number of data files is out of bounds")
    paths = [f"{prefix}.data-{shard:05d}-of-{shards:05d}" for shard in range(shards)]
    for path in paths:
        if not os.path.isfile(path):
            raise ValueError(f"there is no {path}")
    return [os.path.getsize(path) for path in paths]


def _entry(message, sizes):
    """A BundleEntryProto -> (Entry, bytes in the data files). Raises ValueError."""
    if message.dtype not in _TYPES:
        raise ValueError(f"a variable of type {message.dtype}")
    dtype, width = _TYPES[message.dtype]
    shape = tuple(dim.size for dim in message.shape.dim)
    count = math.prod(max(size, 1) for size in shape)
    bad = message.shape.unknown_rank or len(shape) > 8 or any(size < 0 for size in shape)
    if bad or count * width > sum(sizes) + width:
        raise ValueError(f"a variable of shape ({', '.join(map(str, shape[:8]))})")
    if message.slices:  # its values are entries of their own
        return Entry(dtype, shape), 0
    whole = math.prod(shape) * width
    begin, size = message.offset, message.size
    fits = 0 <= message.shard_id < len(sizes) and begin >= 0
    fits = fits and size >= 0 and begin + size <= sizes[message.shard_id]
    if not fits or (size < whole if dtype == "string" else size != whole):
        raise ValueError("a variable that is not where the data file has it, or truncated")
    return Entry(dtype, shape), size


def _table(data):
    """Yields (key, value) of each entry of the index; both are bytes."""
    footer = data[-_FOOTER:]
    if len(footer) < _FOOTER or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError("its last bytes are not those of an index")
    _, at = _handle(footer, 0)  # of the block of meta data, which is empty
    index, _ = _handle(footer, at)
    for _, value in _block(data, *index):
        yield from _block(data, *_handle(value, 0)[0])


def _handle(data, at):
    """Reads a block handle at data[at]. Returns ((offset, size) of the block, index after the
    handle).
    """
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


def _block(data, offset, size):
    """Yields (key, value) of each entry of a block."""
    end = offset + size
    if end + _TRAILER > len(data) or size < 4:
        raise ValueError("a block that the file does not have")
    if data[end]:
        raise ValueError("a compressed block")
    restarts = struct.unpack_from("<I", data, end - 4)[0]
    at, end, key = offset, end - 4 - 4 * restarts, b""
    while at < end:
        shared, at = _varint(data, at)
        own, at = _varint(data, at)
        length, at = _varint(data, at)
        if shared > len(key) or at + own + length > end:
            raise ValueError("an entry that its block does not have")
        key = key[:shared] + data[at : at + own]
        yield key, data[at + own : at + own + length]
        at += own + length


def _varint(data, at):
    """Reads a varint at data[at]. Returns (whole number below 2**64, index after it)."""
    value = shift = 0
    while shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & ((1 << 64) - 1), at
        shift += 7
    raise ValueError("a number that does not end")
