"""Small ELMo models."""

import numpy as np

from features.pretrained import elmo_shapes


def small_options(**changes):
    """The options of an ELMo that is computed in no time. changes: other values of single
    options.
    """
    options = {
        "lstm": {
            "dim": 6,
            "projection_dim": 4,
            "n_layers": 2,
            "cell_clip": 0.4,
            "proj_clip": 0.3,
            "use_skip_connections": True,
        },
        "char_cnn": {
            "embedding": {"dim": 3},
            "filters": [[1, 2], [3, 5]],
            "activation": "relu",
            "n_highway": 1,
            "n_characters": 262,
            "max_characters_per_token": 50,
        },
    }
    for part in options.values():
        part.update((name, value) for name, value in changes.items() if name in part)
    return options


def random_weights(options, seed=0):
    """Random weights with which the variance of activations stays about the same."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(
            0,
            np.prod(shape[:-1]) ** -0.5 if len(shape) > 1 and name != "char_embed" else 0.5,
            shape,
        ).astype(np.float32)
        for name, shape in elmo_shapes(options).items()
    }
