"""Seeds for the fuzz targets: small models of every kind with random weights, column files and
JSON; and a dictionary for JSON.

python fuzz_seeds.py FOLDER          # writes FOLDER/TARGET/* and FOLDER/json.dict
"""

import json
import os
import sys

import numpy as np

import _top
import engine_file
import export
from config import Config
from features.vocabulary import PAD, UNK, EmbVec
from features.word_shape import SHAPES
from schemes import legal_transitions, scheme_tags

WORDS = [
    "eu",
    "rejects",
    "German",
    "a",
    "New",
    "York",
    "Times",
    "0000-00-00",
    "donaudampfschifffahrtsgesellschaft",
    "σας",
]
POS, CHUNKS, TAGS = (
    ["NNP", "VBZ", "JJ", "NN"],
    ["B-NP", "I-NP", "O"],
    ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"],
)
GAZETTEER = {
    "types": ["LOC", "ORG"],
    "names": [[["New", "York"], [0]], [["New", "York", "Times"], [1]], [["EU"], [0, 1]]],
}
SMALL = {
    "wrd_dim": 3,
    "chr_dim": 2,
    "pos_dim": 2,
    "chk_dim": 1,
    "shape_dim": 2,
    "num_filters": 2,
    "word_length": 6,
    "rnn_size": 3,
    "rnn_layers": 1,
    "highway_layers": 1,
}
KINDS = {
    "default": {},
    "words": {
        "use_chr": False,
        "use_pos": False,
        "use_chk": False,
        "use_highway": False,
        "use_crf": False,
    },
    "iobes": {"tag_scheme": "iobes", "constrained": True, "rnn_layers": 2},
    "shape": {"use_shape": True, "rnn_size": 17, "use_highway": False},
    "conv2d": {"chr_conv_type": "conv2d", "chr_filter_widths": [2, 3], "use_word": False},
    "gazetteer": {"use_chk": False, "gazetteer": "names.txt"},
}


def model_of(seed=0, **settings):
    """A model with random weights, as engine_file.write takes it: header (a dict) and sections
    ({name: array}).
    """
    config = Config(**{**SMALL, **settings}).check()
    source = config.tag_scheme or "bio"
    tags = scheme_tags(TAGS, "bio", source)
    emb = EmbVec(
        [PAD, UNK, *WORDS],
        [PAD, UNK, *sorted(set("".join(WORDS)))],
        [PAD, UNK, *POS],
        [PAD, UNK, *CHUNKS],
        tags,
        config.wrd_dim,
    )
    gazetteer = GAZETTEER if config.gazetteer else None
    columns = [
        name
        for name, used in (
            ("word", True),
            ("pos", config.use_pos),
            ("chunk", config.use_chk),
            ("tag", True),
        )
        if used
    ]
    meta = {
        "tags": tags,
        "tag_scheme": source,
        "data_scheme": "bio",
        "columns": columns,
        "delimiter": config.delimiter,
        "tokenizer": "words",
        "gazetteer": gazetteer,
    }
    header = json.loads(export.model_config(config, meta, emb))
    if gazetteer:
        header["gazetteer"] = {**gazetteer, "names": []}
    legal = legal_transitions(tags, source) if config.constrained else None
    rng = np.random.default_rng(seed)
    weights = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in shapes_of(config, emb, len(tags)).items()
    }
    return header, engine_file.sections_of(config, weights, emb, legal, gazetteer)


def shapes_of(config, emb, tags):
    """{name: shape} of a checkpoint's weights."""
    shapes, features = {}, len(GAZETTEER["types"]) if config.gazetteer else 0
    for name, section, used, dim in (
        ("word", "wrd", config.use_word, config.wrd_dim),
        ("pos", "pos", config.use_pos, config.pos_dim),
        ("chk", "chk", config.use_chk, config.chk_dim),
    ):
        if used:
            shapes[f"embeddings/{name}"] = (len(emb.vocab[section]), dim)
            features += dim
    if config.use_shape:
        shapes["embeddings/shape"] = (len(SHAPES), config.shape_dim)
        features += config.shape_dim
    if config.use_chr:
        shapes["embeddings/chr"] = (len(emb.vocab["chr"]), config.chr_dim)
        for width in config.chr_filter_widths:
            scope = (
                "char_cnn/conv1d"
                if config.chr_conv_type == "conv1d"
                else f"char_cnn/conv2d_{width}"
            )
            shapes[f"{scope}/kernel"] = (width, config.chr_dim, config.num_filters)
            shapes[f"{scope}/bias"] = (config.num_filters,)
            features += config.num_filters
    for layer in range(config.highway_layers if config.use_highway else 0):
        for part in ("transform", "gate"):
            shapes[f"highway/layer_{layer}/{part}/kernel"] = (features, features)
            shapes[f"highway/layer_{layer}/{part}/bias"] = (features,)
    size = config.rnn_size
    for layer in range(config.rnn_layers):
        for direction in ("forward", "backward"):
            shapes[f"encoder/bilstm_{layer}/{direction}/kernel"] = (
                (2 * size if layer else features) + size,
                4 * size,
            )
            shapes[f"encoder/bilstm_{layer}/{direction}/bias"] = (4 * size,)
    shapes["projection/kernel"], shapes["projection/bias"], shapes["crf/transitions"] = (
        (2 * size, tags),
        (tags,),
        (tags, tags),
    )
    return shapes


COLUMNS = [
    b"EU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\n-DOCSTART- -X- O O\n\n"
    b"Peter\tNNP\tB-NP\tB-PER\r\n\r\n",
    b"a\nb \n c\n \t\r\n\n\nd",
    b"word O\r\n\xff\xfe O\n",
    "Σ NN B-NP O\n".encode() * 40,
    b"one NN B-NP\nshort NN\n\n",
    b"x" * 600 + b"\n\n",
    b"\xef\xbb\xbf-docstart- -X-\nEU O\n-DOCSTART-\n\n\xef\xbb\xbfa O",
    b"# text = d\n1-2\tdu\tX\n1\tde\tO\r\n2\t\tO\n2.1\tx\tO\n\n# end\n",
    b"1\tDa\t" + b"_\t" * 7 + b"NE=B-LOC|x=y\n2\t10 000\t" + b"_\t" * 7 + b"\n\n",
    b"10 000\tB-X\n\tO\n \t\tO\n",
]
JSON = [
    b'{"a": [1, -2.5e3, true, false, null, "\\u00e9\\ud83d\\ude00\\n"]}',
    b"[[[[[[]]]]]]",
    b"[" * 50_000,
    b'"\xc3\xa9"',
    b"1e999",
    b'{"a":1,"a":2}',
]


DOCUMENTS = [
    b"-DOCSTART- -X- O O\n\na\nb\n\nc\n\n\n\nd\n" * 3,
    b"a\n\n" * 30 + b"-DOCSTART-\n\n" + b"b\nc\n\n" * 20,
    b"a\n" * 200 + b"\n" + b" -DOCSTART-\t\r\n\r\nx\n",
]
# the third byte of an input: how long they are
PIECES = b"a b c ##a ##b ##c an ##ana [ ] # U S . e ##e \xe6\xbc\xa2 i ##\xcc\x87 "
WORDPIECE = [
    (
        PIECES,
        "banana anac Éa. U.S. [SEP] \u200b\nİ 漢字漢 e\u0301\u0327 \u1d15e\u302e\n\ue000".encode()
        + b" \xff\xc3a",
    ),
    (PIECES, b"a " * 300 + b"\n" + b"b\n" * 40 + b"c" * 120),
    (b"", "ᄀ가각 ΑΣ ﬁ\u0344\u0f73\u302f".encode()),
]
LINES = [
    b"Obama's wife left Berlin (Ms. O'Neil didn't) ... U.S.A.",
    '«É漢😀’ll» \u3000\x01\x02 "a\\'.encode(),
    b"\xff\xed\xa0\x80 \xf0\x9f x",
]


def write_all(folder):
    """Writes all seeds below `folder`."""
    for name in ("model", "columns", "documents", "lines", "wordpiece", "json"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    words = set()
    for name, settings in KINDS.items():
        header, sections = model_of(**settings)
        engine_file.write(os.path.join(folder, "model", f"{name}.etagger"), header, sections)
        _write(folder, "json", name, json.dumps(header).encode())
        words.update(
            header, header["config"], (json.dumps(value) for value in header["config"].values())
        )
    for kind, seeds in (("columns", COLUMNS), ("json", JSON)):
        for number, seed in enumerate(seeds):
            _write(
                folder,
                kind,
                str(number),
                (bytes([30, 1, 99, 0, 255, 7, 2, number]) if kind == "columns" else b"") + seed,
            )
    for number, line in enumerate(LINES):
        _write(folder, "lines", str(number), bytes([1, 2, 3, 4, 0, 5, 1, 7, number]) + line)
    for number, text in enumerate(DOCUMENTS):
        _write(
            folder,
            "documents",
            str(number),
            bytes([3 * number, 1, 99, 0, 255, 7, 2, number]) + text,
        )
    for number, (pieces, text) in enumerate(WORDPIECE):
        _write(
            folder,
            "wordpiece",
            str(number),
            bytes([number, 9 * number, len(pieces)]) + pieces + text,
        )
    with open(os.path.join(folder, "json.dict"), "w", encoding="utf-8") as out:
        for word in sorted(words) + [
            "1048576",
            "1e300",
            "-1",
            "0.5",
            "conv1d",
            "null",
            "[[",
            "\\ud800",
            "word pos",
            "_",
        ]:
            out.write('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"\n')


def _write(folder, kind, name, data):
    with open(os.path.join(folder, kind, name), "wb") as out:
        out.write(data)


if __name__ == "__main__":
    write_all(sys.argv[1])
