"""Published language models: reads their files, checked by name and shape, for layers/elmo.py and layers/bert.py. No TensorFlow."""
import json
import math

import h5py
import numpy as np

from cli import UserError

# ---------------------------------------------------------------- ELMo

def read_elmo_options(path):
    """ELMo's options.json as a dict: what the graph relies on, checked, with bilm-tf's defaults where it says nothing.

    {"lstm": {"dim", "projection_dim", "n_layers", "cell_clip", "proj_clip" (None: no clip), "use_skip_connections"},
    "char_cnn": {"embedding": {"dim"}, "filters": [[width, filters], ...], "activation": "relu" or "tanh", "n_highway",
    "n_characters", "max_characters_per_token"}}. Raises UserError.
    """
    given = _read_json(path)

    def option(name, expected, is_right, *default):
        value = given
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value is None and default:
            return default[0]
        if not is_right(value):
            raise UserError(f"{path}: {name} is {'missing' if value is None else json.dumps(value)}, expected {expected}")
        return value

    def size(name, *default, low=1):
        return option(name, f"a whole number, at least {low}", lambda value: _is_whole(value, low), *default)

    def clip(name):
        return option(name, "a number above 0", lambda value: type(value) in (int, float) and 0 < value < math.inf, None)

    lstm = {"dim": size("lstm.dim"), "projection_dim": size("lstm.projection_dim"), "n_layers": size("lstm.n_layers", 1),
            "cell_clip": clip("lstm.cell_clip"), "proj_clip": clip("lstm.proj_clip"),
            "use_skip_connections": option("lstm.use_skip_connections", "true or false", lambda value: isinstance(value, bool))}
    cnn = {"embedding": {"dim": size("char_cnn.embedding.dim")},
           "filters": option("char_cnn.filters", "a list of [width, filters]", _are_filters),
           "activation": option("char_cnn.activation", '"relu" or "tanh"', lambda value: value in ("relu", "tanh")),
           "n_highway": size("char_cnn.n_highway", 0, low=0),
           "n_characters": option("char_cnn.n_characters", "262 (training writes 261: set it to 262)", lambda value: value == 262),
           "max_characters_per_token": size("char_cnn.max_characters_per_token", low=3)}
    if lstm["projection_dim"] > lstm["dim"]:
        raise UserError(f"{path}: lstm.projection_dim {lstm['projection_dim']} is above lstm.dim {lstm['dim']}, expected at most that")
    widest = max(width for width, _ in cnn["filters"])
    if widest > cnn["max_characters_per_token"]:
        raise UserError(f"{path}: char_cnn.filters has a width of {widest}, but a word has at most "
                        f"{cnn['max_characters_per_token']} characters (max_characters_per_token)")
    return {"lstm": lstm, "char_cnn": cnn}


def elmo_shapes(options):
    """{name in the weights file, and in the graph: shape}."""
    lstm, cnn = options["lstm"], options["char_cnn"]
    dim, size, characters = lstm["dim"], lstm["projection_dim"], cnn["embedding"]["dim"]
    total = sum(filters for _, filters in cnn["filters"])
    shapes = {"char_embed": (cnn["n_characters"] - 1, characters)}        # the file has no row for padding
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
    """{name: float32 array} of a weights file (HDF5). Raises UserError where it is damaged, or of another shape than the options."""
    shapes = elmo_shapes(options)
    try:
        with h5py.File(path, "r") as file:
            found = {}
            file.visititems(lambda name, item: found.update({name: item}) if isinstance(item, h5py.Dataset) else None)
            _check_datasets(path, {name: item.shape for name, item in found.items()}, shapes)
            weights = {name: np.asarray(found[name], np.float32) for name in shapes}
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:      # as h5py tells of damage
        raise UserError(f"{path}: not an HDF5 file of weights, or truncated ({error}); fetch it again") from None
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise UserError(f"{path}: {name} has values that are not finite numbers; fetch it again")
    return weights


def _check_datasets(path, found, wanted):
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
    """The words of a vocabulary, one a line. ELMo reads words by their bytes, so only <S> and </S> must be there, as in bilm-tf.

    Raises UserError.
    """
    with open(path, "rb") as stream:
        lines = stream.read().split(b"\n")
    words = []
    for number, line in enumerate(lines, 1):
        try:
            words.append(line.decode().strip())
        except UnicodeDecodeError:
            raise UserError(f"{path}:{number}: not UTF-8, but UTF-8 was expected; is it ELMo's vocabulary?") from None
    for special in ("<S>", "</S>"):
        if special not in words:
            raise UserError(f"{path}: there is no line {special}, expected one word a line, <S> and </S> among them")
    return [word for word in words if word]


def _is_whole(value, low):
    return type(value) is int and value >= low


def _are_filters(value):
    return isinstance(value, list) and bool(value) and all(
        isinstance(each, list) and len(each) == 2 and all(_is_whole(number, 1) for number in each) for each in value)


# ---------------------------------------------------------------- shared

def _read_json(path):
    """An object of a JSON file. Raises UserError."""
    with open(path, "rb") as stream:
        text = stream.read()
    try:
        value = json.loads(text)
    except ValueError as error:                                           # UnicodeDecodeError is one
        raise UserError(f"{path}: not JSON ({error})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object {{...}}")
    return value
