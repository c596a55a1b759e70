"""What users bring along: encoders, losses, metrics and hooks of their own, by a registered name or
as `module.function`.

A name that is registered in this process is found by that name. One with a dot is imported, but
only by import_custom: training does that, since the user wrote the config; tagging and serving do
it only when they are told to trust a checkpoint. Nothing here knows TensorFlow.
"""

import importlib
import os
import sys

from cli import UserError, suggest

KINDS = ("encoder", "loss", "metric", "hook")
_known = {kind: {} for kind in KINDS}


def register(kind, name):
    """Decorator: the function is found as `name` from now on; a later one of the same name takes
    its place.
    """

    def keep(function):
        _known[kind][name] = function
        return function

    return keep


def is_known(kind, name):
    """Whether `name` is registered, or has the form of module.function."""
    return name in _known[kind] or "." in name


def find(kind, name):
    """The function registered under a name. Raises UserError."""
    if name not in _known[kind]:
        mend = (
            "it is code of its own, which runs only where it is trusted (--trust)"
            if "." in name
            else f"import the module that registers it first{suggest(name, _known[kind])}"
        )
        raise UserError(f"{kind} {name!r}: not known here; {mend}")
    return _known[kind][name]


def import_custom(kind, name):
    """Imports `module.function` and registers it under this very name; any other name is left
    alone. Raises UserError.

    The folder in which the command runs is searched, too, behind all others.
    """
    if "." not in name or name in _known[kind]:
        return
    module, _, function = name.rpartition(".")
    here = os.getcwd()
    sys.path.append(here)
    try:
        register(kind, name)(getattr(importlib.import_module(module), function))
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"{kind} {name!r}: {error}; expected module.function, the module on PYTHONPATH or in this folder"
        ) from None
    finally:
        del sys.path[len(sys.path) - 1 - sys.path[::-1].index(here)]  # the last of its kind: ours
