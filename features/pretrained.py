"""Published language models: reads their files, checked by name and shape, for layers/elmo.py and
layers/bert.py. No TensorFlow.
"""

import glob
import json
import os
import re

import numpy as np

from cli import UserError, check_readable, file_hash
from config import MOST_LAYERS, MOST_UNITS
from features.wordpiece import SPECIAL
from files.structured import load_json, misfit, shortened
from files.text import HEAD, check_not_a_page, check_text, kind_of, read_lines

LARGEST = 1e30  # of a bound or a constant; float32 ends a little above

# ---------------------------------------------------------------- ELMo


def read_elmo_options(path):
    """ELMo's options.json as a dict: what the graph relies on, checked, with bilm-tf's defaults
    where it says nothing.

    {"lstm": {"dim", "projection_dim", "n_layers", "cell_clip", "proj_clip" (None: no clipping),
    "use_skip_connections"}, "char_cnn": {"embedding": {"dim"}, "filters": [[width, filters], ...],
    "activation": "relu" or "tanh", "n_highway", "n_characters", "max_characters_per_token"}}.
    Raises UserError.
    """
    return _elmo_options(_read_json(path, "--elmo_options_path"), path)


def _elmo_options(given, path):
    """What read_elmo_options returns. given: the file's JSON."""
    read = _OptionReader(given, path)
    options = {"lstm": _elmo_lstm(read), "char_cnn": _elmo_char_cnn(read)}
    lstm, cnn = options["lstm"], options["char_cnn"]
    if lstm["projection_dim"] > lstm["dim"]:
        raise UserError(
            f"{path}: lstm.projection_dim {lstm['projection_dim']} is above lstm.dim "
            f"{lstm['dim']}, expected at most that"
        )
    widest = max(width for width, _ in cnn["filters"])
    if widest > cnn["max_characters_per_token"]:
        raise UserError(
            f"{path}: char_cnn.filters has a width of {widest}, but a word has at most "
            f"{cnn['max_characters_per_token']} characters (max_characters_per_token)"
        )
    return options


def _elmo_lstm(read):
    """The options of the LSTMs. read: an _OptionReader."""
    return {
        "dim": read.size("lstm.dim"),
        "projection_dim": read.size("lstm.projection_dim"),
        "n_layers": read.size("lstm.n_layers", 1, high=MOST_LAYERS),
        "cell_clip": read.clip("lstm.cell_clip"),
        "proj_clip": read.clip("lstm.proj_clip"),
        "use_skip_connections": read.option(
            "lstm.use_skip_connections", "true or false", lambda value: isinstance(value, bool)
        ),
    }


def _elmo_char_cnn(read):
    """The options of the layers from bytes to words. read: an _OptionReader."""
    return {
        "embedding": {"dim": read.size("char_cnn.embedding.dim")},
        "filters": read.option("char_cnn.filters", "a list of [width, filters]", _are_filters),
        "activation": read.option(
            "char_cnn.activation", '"relu" or "tanh"', lambda value: value in ("relu", "tanh")
        ),
        "n_highway": read.size("char_cnn.n_highway", 0, low=0, high=MOST_LAYERS),
        "n_characters": read.option(
            "char_cnn.n_characters", "262 (training writes 261: set it to 262)", _is(262)
        ),
        "max_characters_per_token": read.option("char_cnn.max_characters_per_token", "50", _is(50)),
    }


class _OptionReader:
    """Looks up options in the JSON of ELMo's options.json, and checks them. A name is a path, such
    as `lstm.dim`. default: the value where the file has none. Raises UserError.
    """

    def __init__(self, given, path):
        """path: the file's, for messages."""
        self.given, self.path = given, path

    def option(self, name, expected, is_right, *default):
        """The value of an option for which is_right(value) holds."""
        value = self.given
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is None and default:
            return default[0]
        if not is_right(value):
            raise UserError(
                f"{self.path}: {name} is {'missing' if value is None else _shown(value)}, "
                f"expected {expected}"
            )
        return value

    def size(self, name, *default, low=1, high=MOST_UNITS):
        """A whole number from low to high."""
        whole = f"a whole number, at least {low}"
        self.option(name, whole, lambda value: type(value) is int and value >= low, *default)
        return self.option(name, f"at most {high}", lambda value: value <= high, *default)

    def clip(self, name):
        """A number above 0, or None where the file has none."""
        return self.option(
            name,
            "a number above 0",
            lambda value: type(value) in (int, float) and 0 < value < LARGEST,
            None,
        )


def elmo_shapes(options):
    """{name: shape} of the weights, whose names in the file are those in the graph."""
    lstm, cnn = options["lstm"], options["char_cnn"]
    dim, size, characters = lstm["dim"], lstm["projection_dim"], cnn["embedding"]["dim"]
    total = sum(filters for _, filters in cnn["filters"])
    # The file has no row for padding.
    shapes = {"char_embed": (cnn["n_characters"] - 1, characters)}
    for i, (width, filters) in enumerate(cnn["filters"]):
        shapes |= {f"CNN/W_cnn_{i}": (1, width, characters, filters), f"CNN/b_cnn_{i}": (filters,)}
    for k in range(cnn["n_highway"]):
        for part in ("carry", "transform"):
            shapes |= {f"CNN_high_{k}/W_{part}": (total, total), f"CNN_high_{k}/b_{part}": (total,)}
    if total != size:
        shapes |= {"CNN_proj/W_proj": (total, size), "CNN_proj/b_proj": (size,)}
    for direction in range(2):
        for k in range(lstm["n_layers"]):
            cell = f"RNN_{direction}/RNN/MultiRNNCell/Cell{k}/LSTMCell"
            shapes |= {f"{cell}/W_0": (2 * size, 4 * dim), f"{cell}/B": (4 * dim,)}
            if size < dim:
                shapes[f"{cell}/W_P_0"] = (dim, size)
    return shapes


def elmo_weights(options, path):
    """{name: float32 array} of a weights file (HDF5). Raises UserError where it is damaged, or of
    another shape than the options.
    """
    import h5py

    check_readable(path, "--elmo_weight_path")
    check_not_a_page(path, "ELMo's weights (HDF5)")
    shapes = elmo_shapes(options)
    try:
        with h5py.File(path, "r") as file:
            found = datasets(file)
            _check_datasets(path, {name: item.shape for name, item in found.items()}, shapes)
            check_stored(path, [found[name] for name in shapes])
            weights = {name: np.asarray(found[name], np.float32) for name in shapes}
    # What h5py raises for a damaged file.
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError) as error:
        raise UserError(
            f"{path}: not an HDF5 file of weights, or truncated ({_one_line(error)}); "
            "fetch it again"
        ) from None
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise UserError(
                f"{path}: {name} has values that are not finite numbers; fetch it again"
            )
    return weights


def datasets(file):
    """{name: dataset} of an open HDF5 file. Datasets that its links lead to are left out."""
    import h5py

    found = {}
    file.visititems(
        lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None
    )
    return found


def check_stored(path, wanted):
    """Raises UserError where the values of HDF5 datasets are not all in the file itself, one after
    the other. In any other layout a few bytes can describe a huge dataset, or name another file.

    path: the file's. wanted: the datasets, open.
    """
    from h5py import h5d

    plain, size = (h5d.CONTIGUOUS, h5d.COMPACT), 0
    for dataset in wanted:
        stored = dataset.id.get_create_plist()
        if stored.get_layout() not in plain or stored.get_external_count():
            raise UserError(
                f"{path}: {dataset.name} is compressed, in chunks, or in another file; expected "
                "as published, contiguous: h5repack -l CONTI -f NONE"
            )
        if dataset.dtype.kind != "f":
            raise UserError(f"{path}: {dataset.name} is {dataset.dtype}, expected numbers (float)")
        size += dataset.size * dataset.dtype.itemsize
    if size > os.path.getsize(path):
        raise UserError(
            f"{path}: its datasets have {size:,} bytes, which is more than the whole file; "
            "fetch it again"
        )


def _one_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0][:150]


def _check_datasets(path, found, wanted):
    """Raises UserError where the datasets of a weights file, {name: shape}, are not those that the
    options want.
    """
    apart = "options and weights do not belong together"
    for name, shape in wanted.items():
        if name not in found:
            raise UserError(f"{path}: there is no {name}, the options want {shape}; {apart}")
        if found[name] != shape:
            raise UserError(f"{path}: {name} is {found[name]}, the options want {shape}; {apart}")
    for name in found:
        if name not in wanted and name.startswith(("CNN", "RNN_")):
            raise UserError(f"{path}: {name} is {found[name]}, the options want none; {apart}")


def read_elmo_vocab(path):
    """The words of a vocabulary, one a line. ELMo reads words by their bytes, so only <S> and </S>
    must be there, as in bilm-tf.

    Raises UserError.
    """
    words = [line.strip() for _, line in read_lines(path, "--elmo_vocab_path")]
    for special in ("<S>", "</S>"):
        if special not in words:
            raise UserError(
                f"{path}: there is no line {special}, expected one word a line, "
                "<S> and </S> among them"
            )
    return [word for word in words if word]


def _shown(value):
    """A value of an options file for messages, shortened: as JSON where JSON has such values."""
    try:
        return json.dumps(value)[:100]
    except (TypeError, ValueError, RecursionError):
        return shortened(value)


def _is_whole(value, low, high):
    return type(value) is int and low <= value <= high


def _is(number):
    return lambda value: type(value) is int and value == number


def _are_filters(value):
    """Whether a JSON value is a list of [width, filters]."""
    return (
        isinstance(value, list)
        and 0 < len(value) <= MOST_LAYERS
        and all(
            isinstance(pair, list)
            and len(pair) == 2
            and all(_is_whole(number, 1, MOST_UNITS) for number in pair)
            for pair in value
        )
    )


# ---------------------------------------------------------------- BERT

_BERT_SIZES = {  # name: the most that is accepted, far above what any model has
    "vocab_size": 1 << 24,
    "hidden_size": MOST_UNITS,
    "num_hidden_layers": MOST_LAYERS,
    "num_attention_heads": MOST_UNITS,
    "intermediate_size": MOST_UNITS,
    "max_position_embeddings": 1 << 20,
    "type_vocab_size": MOST_UNITS,
}
_BERT_DEFAULTS = {
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "layer_norm_eps": 1e-12,
}
BERT_ACTIVATIONS = ("gelu", "gelu_new", "relu")
# In the folders that Google and HuggingFace publish.
_BERT_NAMES = ("bert_model.ckpt", "model.safetensors")
_BERT_WEIGHTS = "the prefix of a TensorFlow checkpoint, a model.safetensors, or a folder with one"


def read_bert_config(path):
    """What Google's bert_config.json, or HuggingFace's config.json, says of the network, as a dict
    with the names of _BERT_SIZES and _BERT_DEFAULTS. Raises UserError.
    """
    return _bert_config(_read_json(path, "--bert_config_path"), path)


def _bert_config(values, path):
    """What read_bert_config returns. values: the file's JSON."""
    if values.get("model_type", "bert") != "bert":
        raise UserError(
            f"{path}: model_type {shortened(values['model_type'])}, expected bert; "
            "other models compute something else"
        )
    if values.get("position_embedding_type", "absolute") != "absolute":
        raise UserError(
            f"{path}: position_embedding_type {shortened(values['position_embedding_type'])}, "
            "expected absolute"
        )
    for name, most in _BERT_SIZES.items():
        if not _is_whole(values.get(name), 1, most):
            raise UserError(
                f"{path}: {name} is {shortened(values.get(name))}, expected a whole number from 1 "
                f"on, at most {most:,}, as bert_config.json has it"
            )
    config = {
        name: values.get(name, _BERT_DEFAULTS.get(name)) for name in (*_BERT_SIZES, *_BERT_DEFAULTS)
    }
    if config["hidden_act"] not in BERT_ACTIVATIONS:
        raise UserError(
            f"{path}: hidden_act {shortened(config['hidden_act'])}, expected one of "
            f"{', '.join(BERT_ACTIVATIONS)}"
        )
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
        if type(config[name]) not in (int, float) or not 0 <= config[name] < 1:
            raise UserError(
                f"{path}: {name} is {shortened(config[name])}, expected a number from 0 to below 1"
            )
    for name in ("initializer_range", "layer_norm_eps"):
        if type(config[name]) not in (int, float) or not 0 < config[name] < LARGEST:
            raise UserError(
                f"{path}: {name} is {shortened(config[name])}, expected a number above 0"
            )
    if config["hidden_size"] % config["num_attention_heads"]:
        raise UserError(
            f"{path}: hidden_size {config['hidden_size']}, expected a multiple of "
            f"num_attention_heads {config['num_attention_heads']}"
        )
    return config


def read_bert_vocab(path, config):
    """The pieces of vocab.txt, one a line, as a list; the index is the id. Raises UserError, also
    where their number is not that of the config.
    """
    pieces = {}
    for number, piece in read_lines(path, "--bert_vocab_path"):
        if piece in pieces:
            raise UserError(f"{path}:{number}: {piece!r} stands twice, expected each piece once")
        pieces[piece] = None
    for piece in SPECIAL:
        if piece not in pieces:
            raise UserError(
                f"{path}: no {piece} in it, expected the vocab.txt of a BERT model; "
                "check --bert_vocab_path"
            )
    if len(pieces) != config["vocab_size"]:
        raise UserError(
            f"{path}: {len(pieces):,} pieces, and the config's vocab_size is "
            f"{config['vocab_size']:,}; vocabulary and config do not belong together"
        )
    return list(pieces)


def lowercases(pieces):
    """Whether the model of these pieces reads lowercased words: whether no piece has a capital, the
    special ones apart.
    """
    return not any(piece.lower() != piece for piece in pieces if not piece.startswith("["))


def bert_shapes(config):
    """{name: shape} of the graph's variables, whose names are those of Google's checkpoints."""
    size, inner = config["hidden_size"], config["intermediate_size"]
    norm = lambda scope: {f"{scope}/LayerNorm/beta": (size,), f"{scope}/LayerNorm/gamma": (size,)}
    dense = lambda scope, of, to: {f"{scope}/kernel": (of, to), f"{scope}/bias": (to,)}
    shapes = {
        "bert/embeddings/word_embeddings": (config["vocab_size"], size),
        "bert/embeddings/token_type_embeddings": (config["type_vocab_size"], size),
        "bert/embeddings/position_embeddings": (config["max_position_embeddings"], size),
        **norm("bert/embeddings"),
    }
    for k in range(config["num_hidden_layers"]):
        layer = f"bert/encoder/layer_{k}"
        for name in ("query", "key", "value"):
            shapes.update(dense(f"{layer}/attention/self/{name}", size, size))
        shapes.update(
            {
                **dense(f"{layer}/attention/output/dense", size, size),
                **norm(f"{layer}/attention/output"),
                **dense(f"{layer}/intermediate/dense", size, inner),
                **dense(f"{layer}/output/dense", inner, size),
                **norm(f"{layer}/output"),
            }
        )
    return shapes


def check_bert_layers(wanted, config, where):
    """Raises UserError where a BERT of this config lacks the layers of Config.bert_layers."""
    number = config["num_hidden_layers"]
    if (wanted == "last4" and number < 3) or (wanted.isdecimal() and int(wanted) > number):
        raise UserError(
            f"{where} {wanted}: this BERT has {number} layers above its embeddings, layer 0; "
            f"expected top, mix or a number from 0 to {number}"
        )


def find_bert(path):
    """The path of BERT's weights: the prefix of a TensorFlow 1 checkpoint, or a .safetensors file.
    Raises UserError.

    path: one of these, or a folder that has one of them.
    """
    if os.path.isdir(path):
        found = [
            os.path.join(path, name)
            for name in _BERT_NAMES
            if os.path.exists(os.path.join(path, name + ".index"))
            or os.path.exists(os.path.join(path, name))
        ]
        if len(found) != 1:
            raise UserError(
                f"{path}: {'both' if found else 'neither'} of {' and '.join(_BERT_NAMES)} "
                "in this folder; name the file with --bert_init_checkpoint"
            )
        return found[0]
    for ending in (".index", ".meta", ".data-00000-of-00001"):
        path = path.removesuffix(ending)
    if path.endswith(".safetensors"):
        check_readable(path, "--bert_init_checkpoint")
        return path
    if os.path.isfile(path) and not os.path.exists(path + ".index"):
        _refuse_bert_file(path)
    check_readable(path + ".index", f"--bert_init_checkpoint ({_BERT_WEIGHTS})")
    return path


def _refuse_bert_file(path):
    """Raises UserError for a file that is neither a checkpoint's nor a .safetensors file."""
    check_not_a_page(path, _BERT_WEIGHTS)
    with open(path, "rb") as stream:
        kind = kind_of(stream.read(HEAD))
    raise UserError(
        f"{path}: not {_BERT_WEIGHTS}, but {kind.name if kind else 'another file'}; of a model of "
        "HuggingFace, save_pretrained writes a model.safetensors"
    )


def bert_neighbours(weights, config_path, vocab_path):
    """Paths of the config and of the vocabulary: those given, or else those beside the weights.
    Raises UserError.
    """
    folder = os.path.dirname(weights)
    configs = [
        name
        for name in ("bert_config.json", "config.json")
        if os.path.exists(os.path.join(folder, name))
    ]
    if not config_path and not configs:
        raise UserError(
            f"{folder or '.'}: neither bert_config.json nor config.json beside the weights; "
            "name it with --bert_config_path"
        )
    return config_path or os.path.join(folder, configs[0]), vocab_path or os.path.join(
        folder, "vocab.txt"
    )


def bert_files(path):
    """The files that hold the weights. path: what find_bert returns. Raises UserError."""
    if path.endswith(".safetensors"):
        return [path]
    shards = sorted(glob.glob(glob.escape(path) + ".data-*"))
    if not shards:
        raise UserError(
            f"{path}.data-00000-of-00001: no such file, beside {path}.index; get the checkpoint "
            "again"
        )
    return shards


class _TensorFlowWeights:
    """The weights in a TensorFlow 1 checkpoint. The optimizer's slots and the heads of the
    pre-training are not read.
    """

    def __init__(self, path):
        from files.tensor_bundle import open_checkpoint

        self._path = path
        self._entries, self.read = open_checkpoint(path)

    def shape(self, name):
        """The shape of a variable, as the graph has it; None where the checkpoint lacks it."""
        entry = self._entries.get(name)
        if entry and "float" not in entry.dtype:
            raise UserError(
                f"{self._path}: {name} is {entry.dtype}, expected floats; get the checkpoint again"
            )
        return entry and entry.shape


class _SafetensorsWeights:
    """The weights in HuggingFace's model.safetensors, whose kernels are transposed and whose names
    differ from the graph's.
    """

    def __init__(self, path):
        import safetensors

        try:
            self._file = safetensors.safe_open(path, framework="np")
        except (safetensors.SafetensorError, OSError) as error:
            raise UserError(
                f"{path}: not a safetensors file, or truncated ({_one_line(error)}); get it again"
            ) from None
        self._path, self._names = path, {_google_name(name): name for name in self._file.keys()}

    def shape(self, name):
        if name not in self._names:
            return None
        part = self._file.get_slice(self._names[name])
        if part.get_dtype() not in ("F16", "F32", "F64"):
            raise UserError(
                f"{self._path}: {self._names[name]} is {part.get_dtype()}, expected F32, F16 or "
                "F64; save the model as float32"
            )
        return tuple(reversed(part.get_shape()) if name.endswith("/kernel") else part.get_shape())

    def read(self, name):
        value = self._file.get_tensor(self._names[name])
        return value.T if name.endswith("/kernel") else value


def _google_name(name):
    """The name of a weight in Google's checkpoints. name: HuggingFace's."""
    scope, _, last = name.removeprefix("bert.").rpartition(".")
    in_norm = scope.endswith("LayerNorm")
    last = {"weight": "gamma" if in_norm else "kernel", "bias": "beta" if in_norm else "bias"}.get(
        last, last
    )
    scope = "bert/" + re.sub(r"\blayer\.(\d+)", r"layer_\1", scope).replace(".", "/")
    return scope if scope.endswith("_embeddings") else f"{scope}/{last}"


def open_bert(config, path):
    """Opens BERT's weights, and checks names and shapes. Returns a function from a variable's name
    to its float32 array, which checks the numbers. Raises UserError, and so does that function.

    config: see read_bert_config. path: what find_bert returns.
    """
    for file in bert_files(path) + ([] if path.endswith(".safetensors") else [path + ".index"]):
        check_not_a_page(file, "BERT's weights")
    weights = (_SafetensorsWeights if path.endswith(".safetensors") else _TensorFlowWeights)(path)
    for name, shape in bert_shapes(config).items():
        if weights.shape(name) is None:
            raise UserError(
                f"{path}: no {name} {shape} in it; config and weights do not belong together"
            )
        if weights.shape(name) != shape:
            raise UserError(
                f"{path}: {name} is {weights.shape(name)}, the config wants {shape}; "
                "config and weights do not belong together"
            )

    def read(name):
        try:
            value = np.ascontiguousarray(weights.read(name), dtype=np.float32)
        except (RuntimeError, ValueError, OSError) as error:
            raise UserError(
                f"{path}: {name} cannot be read ({_one_line(error)}); get it again"
            ) from None
        if not np.isfinite(value).all():
            raise UserError(f"{path}: {name} has values that are not finite numbers; get it again")
        return value

    return read


# ---------------------------------------------------------------- both


def open_weights(scope, about):
    """Opens the weights that an EmbVec names. Returns a function from a variable's name to its
    float32 array. Raises UserError where they are no longer those that embvec.py has read.

    scope: 'elmo/' or 'bert/'. about: the EmbVec's `elmo` or `bert`.
    """
    path = about["weights"]
    files = [path] if scope == "elmo/" else bert_files(path)
    for file in files:
        check_readable(file, "the embeddings' file, which names it: embvec.py makes it again")
        if not os.path.isfile(file):  # a device may have no end
            raise UserError(f"{file}: not a plain file, but the embeddings' file names it")
    if file_hash(*files) != about["hash"]:
        raise UserError(
            f"{path}: not the weights that embvec.py has read; bring them back, "
            "or make the embeddings' file again"
        )
    if scope == "bert/":
        return open_bert(about["config"], path)
    weights = elmo_weights(about["options"], path)
    return lambda name: weights[name.removeprefix(scope)]


_ELMO = {"options": dict, "weights": str, "hash": str}
_BERT = {
    "config": dict,
    "do_lower_case": bool,
    "max_seq_length": int,
    "weights": str,
    "hash": str,
}


def check_models(elmo, bert, pieces, path):
    """Checks what an EmbVec says of ELMo and BERT as their own files are checked. Raises UserError.

    elmo, bert: the EmbVec's. pieces: BERT's vocabulary. path: the EmbVec's file, for messages.
    """
    mend = "; make it again with embvec.py"
    problem = (elmo and misfit(elmo, _ELMO)) or (bert and misfit(bert, _BERT))
    if problem:
        raise UserError(f"{path}: of a language model: {problem}{mend}")
    if elmo and _elmo_options(elmo["options"], path) != elmo["options"]:
        raise UserError(f"{path}: ELMo's options are not whole{mend}")
    if not bert:
        return
    config = _bert_config(bert["config"], path)
    if config != bert["config"]:
        raise UserError(f"{path}: BERT's config is not whole{mend}")
    if not 3 <= bert["max_seq_length"] <= config["max_position_embeddings"]:
        raise UserError(
            f"{path}: max_seq_length {bert['max_seq_length']}, expected 3 to "
            f"{config['max_position_embeddings']}{mend}"
        )
    if len(set(pieces)) != config["vocab_size"] or not set(SPECIAL) <= set(pieces):
        raise UserError(
            f"{path}: {len(pieces):,} pieces, expected {config['vocab_size']:,} different ones, "
            f"{' '.join(SPECIAL)} among them{mend}"
        )


# ---------------------------------------------------------------- shared


def _read_json(path, flag):
    """The object in a JSON file, as a dict. path: the value of `flag`. Raises UserError."""
    check_readable(path, flag)
    with open(path, "rb") as stream:
        text = stream.read()
    check_text(text[:HEAD], path, "JSON")
    try:
        value = load_json(text)
    except ValueError as error:  # UnicodeDecodeError is one
        raise UserError(f"{path}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object {{...}}")
    return value
