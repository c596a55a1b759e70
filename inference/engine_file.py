"""Writes a checkpoint as one `.etagger` file, which the C++ engine maps into memory:
cc/engine/README.md has the format.

Weights are laid out in the order in which the engine reads them, so that opening is mapping.
"""

import json
import struct
import zlib

import numpy as np

import _top
from cli import UserError, atomic_write
from config import ANY, ENGINE_FIELDS
from features.tokens import used_features

MAGIC, VERSION = b"etagger\0", 1
LANES = 16  # floats that the engine computes side by side
ALIGNMENT = 64
PRELUDE, ENTRY = 64, 128  # bytes
TYPES = {"uint8": 0, "int32": 1, "uint32": 2, "uint64": 3, "float32": 4}
# What the engine takes, so that no file can make it search or allocate without end.
MOST_PROBES = 256  # slots of a hash table that a look-up visits
MOST_HEADER, MOST_SECTIONS = 1 << 20, 4096
MOST_NAME_WORDS = 64
ID_BITS = 24  # of an entry of a hash table; above them stand the hash's own highest bits
FNV_BASIS, FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3


def padded_size(size):
    """The next multiple of LANES."""
    return -(-size // LANES) * LANES


def hashes(tokens):
    """FNV-1a of each token (bytes), its halves folded, uint32 (tokens,): computed for tokens of one
    length at a time.
    """
    lengths = np.array([len(token) for token in tokens])
    folded = np.zeros(len(tokens), np.uint32)
    for length in np.unique(lengths):
        places = np.flatnonzero(lengths == length)
        text = np.frombuffer(b"".join(tokens[i] for i in places), np.uint8).reshape(
            len(places), length
        )
        state = np.full(len(places), FNV_BASIS, np.uint64)
        for column in range(length):
            state = (state ^ text[:, column]) * np.uint64(FNV_PRIME)
        folded[places] = (state ^ state >> np.uint64(32)).astype(np.uint32)
    return folded


def index(name, tokens):
    """Sections of a vocabulary: its text, where each token begins in it, and a hash table of open
    addressing.

    An entry is 0, a gap, or id + 1 in its lower ID_BITS and the token's hash in those above.
    """
    if len(tokens) >= (1 << ID_BITS) - 1:
        raise UserError(
            f"{name}: {len(tokens):,} tokens, at most {(1 << ID_BITS) - 2:,} go; "
            "serve the model with TensorFlow: freeze.py"
        )
    tokens = [token.encode() for token in tokens]
    offsets = np.zeros(len(tokens) + 1, np.uint64)
    np.cumsum([len(token) for token in tokens], out=offsets[1:])
    folded, slots, table = hashes(tokens), 16, None
    while slots < 2 * len(tokens):
        slots *= 2
    while (table := _table(folded, slots)) is None:
        slots *= 2
        if slots > 64 * len(tokens):
            raise UserError(
                f"{name}: {MOST_PROBES} of its tokens have one hash; "
                "serve the model with TensorFlow: freeze.py"
            )
    return {
        f"{name}.text": np.frombuffer(b"".join(tokens), np.uint8),
        f"{name}.offsets": offsets,
        f"{name}.table": table,
    }


def _table(folded, slots):
    """uint32 (slots,), each entry within MOST_PROBES slots of where its hash points; None where
    that cannot be.
    """
    table = [0] * slots
    for number, at in enumerate((folded & np.uint32(slots - 1)).tolist(), 1):
        last = at + MOST_PROBES
        while table[at & slots - 1]:
            at += 1
        if at >= last:
            return None
        table[at & slots - 1] = number
    table = np.array(table, np.uint32)
    taken = np.flatnonzero(table)
    table[taken] |= folded[table[taken] - 1] >> np.uint32(ID_BITS) << np.uint32(ID_BITS)
    return table


def gates(matrix, size):
    """An LSTM's matrix (dim, 4 * size), gates i, c, f, o -> (blocks, dim, 4, LANES), a block for
    LANES hidden units.
    """
    dim, blocks = matrix.shape[0], padded_size(size) // LANES
    full = np.zeros((dim, 4, blocks * LANES), np.float32)
    full[:, :, :size] = matrix.reshape(dim, 4, size)
    return full.reshape(dim, 4, blocks, LANES).transpose(2, 0, 1, 3)


def rounded(array):
    """float32 -> float32 whose lowest byte is 0: 16 binary digits, a relative error of 2^-17 at
    most.
    """
    bits = np.ascontiguousarray(array).view(np.uint32)
    return (bits + (0x7F + (bits >> 8 & 1)).astype(np.uint32) & np.uint32(0xFFFFFF00)).view(
        np.float32
    )


def upper_bytes(array):
    """The upper 3 bytes of each rounded() float, uint8, and LANES bytes after them, because a load
    of the last ones may read so far.
    """
    three = np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(-1, 4)[:, 1:]
    return np.concatenate([three.reshape(-1), np.zeros(LANES, np.uint8)])


def rows_at(matrix, places, count):
    """A matrix whose row k stands at places[k] of `count` rows, zeros elsewhere."""
    full = np.zeros((count, matrix.shape[1]), np.float32)
    full[places] = matrix
    return full


def write(path, header, sections):
    """Writes the file, whole or not at all. header: a dict. sections: {name: array}. Raises
    UserError.
    """
    header = json.dumps(header, sort_keys=True).encode()
    if len(header) > MOST_HEADER or len(sections) > MOST_SECTIONS:
        raise UserError(
            f"{path}: a header of {len(header):,} bytes and {len(sections):,} sections, "
            f"at most {MOST_HEADER:,} and {MOST_SECTIONS:,} go; "
            "serve the model with TensorFlow: freeze.py"
        )
    table_at = _aligned(PRELUDE + len(header))
    at = _aligned(table_at + ENTRY * len(sections))
    table, places = b"", []
    for name, array in sections.items():
        array = np.ascontiguousarray(array)
        assert 1 <= array.ndim <= 4 and array.size and len(name) <= 47, name
        dims = list(array.shape) + [1] * (4 - array.ndim)
        table += struct.pack(
            "<48sII4QQQI20x",
            name.encode(),
            TYPES[array.dtype.name],
            array.ndim,
            *dims,
            at,
            array.nbytes,
            zlib.crc32(array),
        )
        places.append((at, array))
        at = _aligned(at + array.nbytes)
    prelude = struct.pack(
        "<8sIIQQQQQ", MAGIC, VERSION, 0, at, PRELUDE, len(header), table_at, len(sections)
    )
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


# ------------------------------------------------------------ what the engine covers

# {hyper-parameter: the values with which the engine computes a model, or ANY}, as config.py says of
# each one. Any other hyper-parameter must be off.
COVERED = dict(ENGINE_FIELDS)
MOST_GAZETTEER_TYPES = 32  # a bit for each


def refuse(what):
    """Raises UserError for a model that the engine does not compute."""
    raise UserError(
        f"--engine: {what}: the C++ engine does not cover it; serve this model with TensorFlow: "
        "export.py without --engine, then freeze.py; "
        "inference/README.md says how"
    )


def check_covered(settings):
    """Raises UserError where a model has what the engine does not compute. settings: its config and
    gazetteer, as in the header.
    """
    for name, value in settings["config"].items():
        known = COVERED.get(name, ())
        if known is not ANY and value not in known and (known or value):
            refuse(f"{name} {value}")
    types = settings["gazetteer"]["types"] if settings["gazetteer"] else []
    if len(types) > MOST_GAZETTEER_TYPES:
        refuse(f"a gazetteer of {len(types)} types, more than {MOST_GAZETTEER_TYPES}")


class Weights(dict):
    """{variable name: array}; remembers which of them were read."""

    def __init__(self, *args):
        super().__init__(*args)
        self.read = set()

    def __getitem__(self, name):
        self.read.add(name)
        return super().__getitem__(name)

    def check_all_read(self):
        """Raises UserError where a variable went into no section."""
        for name in sorted(self.keys() - self.read):
            refuse(f"variable {name}")


# ------------------------------------------------------------ a checkpoint's sections

GROUP = 4 * LANES  # columns that a product computes at once


def packed(matrix, width=0):
    """A matrix (dim, n) -> (groups, dim, 4, LANES), columns padded with zeros to `width` or the
    next multiple of GROUP.
    """
    dim, count = matrix.shape
    groups = -(-max(width, count) // GROUP)
    full = np.zeros((dim, groups * GROUP), np.float32)
    full[:, :count] = matrix
    return full.reshape(dim, groups, 4, LANES).transpose(1, 0, 2, 3)


def packed_bias(bias):
    return packed(bias[np.newaxis])[:, 0]


def character_sections(config, weights):
    """Each character's share in each tap of each filter: (characters, width, padded filters); and
    the biases.
    """
    if not config.use_chr:
        return {}
    table = weights["embeddings/chr"].copy()
    table[0] = 0.0  # padding counts as zeros
    sections = {}
    for i, width in enumerate(config.chr_filter_widths):
        scope = (
            "char_cnn/conv1d" if config.chr_conv_type == "conv1d" else f"char_cnn/conv2d_{width}"
        )
        kernel = weights[f"{scope}/kernel"].reshape(width, config.chr_dim, config.num_filters)
        full = np.zeros((len(table), width, padded_size(config.num_filters)), np.float32)
        full[:, :, : config.num_filters] = np.einsum("cd,wdf->cwf", table, kernel)
        sections[f"chr.taps.{i}"] = full
        sections[f"chr.bias.{i}"] = np.pad(
            weights[f"{scope}/bias"], (0, full.shape[2] - config.num_filters)
        )
    return sections


def encoder_sections(config, weights):
    """BiLSTM layers. A layer's output has its directions padded to whole blocks; the next layer's
    kernels have zeros there.
    """
    size, wide, sections = config.rnn_size, padded_size(config.rnn_size), {}
    places = np.concatenate([np.arange(size), wide + np.arange(size)])
    for layer in range(config.rnn_layers):
        inputs, biases = [], []
        for direction in ("forward", "backward"):
            kernel, bias = (
                weights[f"encoder/bilstm_{layer}/{direction}/{part}"] for part in ("kernel", "bias")
            )
            bias = np.concatenate(
                [bias[: 2 * size], bias[2 * size : 3 * size] + 1.0, bias[3 * size :]]
            )  # the forget gate's
            inputs.append(
                gates(rows_at(kernel[:-size], places, 2 * wide) if layer else kernel[:-size], size)
            )
            biases.append(gates(bias[np.newaxis], size)[:, 0])
            recurrent = rounded(gates(kernel[-size:], size))
            (
                sections[f"bilstm.{layer}.{direction}"],
                sections[f"bilstm.{layer}.{direction}.packed"],
            ) = recurrent, upper_bytes(recurrent)
        sections[f"bilstm.{layer}.input"], sections[f"bilstm.{layer}.bias"] = (
            np.concatenate(inputs),
            np.concatenate(biases),
        )
    sections["projection.kernel"] = packed(rows_at(weights["projection/kernel"], places, 2 * wide))
    sections["projection.bias"] = packed_bias(weights["projection/bias"])
    return sections


def decoder_sections(config, weights, legal):
    """Transitions (tags, padded tags), with -1e9 where a transition is not legal, and scores of the
    first and the last tag.
    """
    if not config.use_crf and legal is None:
        return {}
    tags = len(weights["projection/bias"])
    transitions = (
        weights["crf/transitions"] if config.use_crf else np.zeros((tags, tags), np.float32)
    )
    begin, between, end = (
        (np.where(allowed, 0.0, -1e9).astype(np.float32) for allowed in legal)
        if legal
        else (np.zeros(tags, np.float32), 0.0, np.zeros(tags, np.float32))
    )
    full = np.full((tags, padded_size(tags)), -1e30, np.float32)
    full[:, :tags] = transitions + between
    return {"crf.transitions": full, "crf.begin": begin, "crf.end": end}


def gazetteer_sections(gazetteer):
    """Names joined by spaces and the types of each as bits; and the length in words of the longest
    name by its first word.
    """
    if not gazetteer:
        return {}
    longest = {}
    if too_long := [words for words, _ in gazetteer["names"] if len(words) > MOST_NAME_WORDS]:
        raise UserError(
            f"--engine: a gazetteer's name of {len(too_long[0])} words "
            f"({' '.join(too_long[0][:5])} ...), at most {MOST_NAME_WORDS} go; "
            "leave it out, or serve the model with TensorFlow: freeze.py"
        )
    for words, _ in gazetteer["names"]:
        longest[words[0]] = max(longest.get(words[0], 0), len(words))
    kinds = [sum(1 << kind for kind in kinds) for _, kinds in gazetteer["names"]]
    return {
        **index("gazetteer.names", [" ".join(words) for words, _ in gazetteer["names"]]),
        "gazetteer.kinds": np.array(kinds, np.uint32),
        **index("gazetteer.starts", list(longest)),
        "gazetteer.longest": np.array(list(longest.values()), np.uint32),
    }


def sections_of(config, weights, emb, legal, gazetteer):
    """Everything but the header: {name: array}. weights: {variable name: array}. legal: as Model
    takes it. gazetteer: Gazetteer.to_dict() or None.
    """
    sections = {}
    for feature in used_features(config):
        if feature.layer != "embedding":
            continue
        if feature.section:
            sections.update(index(feature.section, emb.vocab[feature.section]))
        vectors = weights[f"embeddings/{feature.name}"]
        sections[f"{feature.section or feature.name}.vectors"] = vectors
    if config.use_chr:
        sections.update(index("chr", emb.vocab["chr"]))
    sections.update(character_sections(config, weights))
    if config.use_highway:
        for layer in range(config.highway_layers):
            for part in ("transform", "gate"):
                scope = f"highway/layer_{layer}/{part}"
                sections[f"highway.{layer}.{part}"] = packed(weights[f"{scope}/kernel"])
                sections[f"highway.{layer}.{part}.bias"] = packed_bias(weights[f"{scope}/bias"])
    sections.update(encoder_sections(config, weights))
    sections.update(decoder_sections(config, weights, legal))
    sections.update(gazetteer_sections(gazetteer))
    return sections
