"""What users bring along: encoders, losses, metrics and hooks of their own, by a registered name or
as `module.function`.

A name that is registered in this process is found by that name: its code is the user's own. One
with a dot is imported, but only by import_custom, which decides whether it may be: the user has
named it now (on the command line, in a config or in Python), or trusts the checkpoint that names
it. Nothing here knows TensorFlow.
"""

import contextlib
import importlib
import inspect
import os
import sys

from cli import UserError, suggest

KINDS = ("encoder", "loss", "metric", "hook")
_ARGUMENTS = {"encoder": 4, "loss": 4, "metric": 2}  # a hook's are in training/hooks.py
_EXPECTED = "expected module.function, the module on PYTHONPATH or in this folder"
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
    return name in _known[kind] or _is_path(name)


def _is_path(name):
    """Whether `name` has the form of module.function, such as `mine.crf.loss`."""
    parts = name.split(".")
    return len(parts) > 1 and all(part.isidentifier() for part in parts)


def _check_call(kind, found):
    """Raises ImportError where `found` cannot be called as this kind is."""
    if not callable(found):
        raise ImportError(f"{found!r:.60} is not a callable object")
    count = _ARGUMENTS.get(kind)
    with contextlib.suppress(ValueError):  # of some that are written in C nobody knows
        signature = inspect.signature(found)
        try:
            if count:
                signature.bind(*range(count))
        except TypeError:
            raise ImportError(
                f"it takes {signature}, and {count} arguments were expected"
            ) from None


def find(kind, name):
    """The function registered under a name. Raises UserError."""
    if name not in _known[kind]:
        if _is_path(name):
            raise UserError(_not_trusted(kind, name))
        near = suggest(name, _known[kind])
        raise UserError(
            f"{kind} {name!r}: not known here; expected module.function, or import the module "
            f"that registers it first{near}"
        )
    return _known[kind][name]


def _not_trusted(kind, name):
    return (
        f"{kind} {name!r}: not known here; it is code of its own, which runs only where it is "
        "trusted (--trust)"
    )


def import_custom(kind, name, own, again=""):
    """Imports `module.function` and registers it under this very name; any other name, and one
    that is registered already, is left alone.

    own: whether the user has named it now or trusts the file that names it; where not, nothing is
    imported. again: how to name it now, for the message, where the command has a way. The folder in
    which the command runs is searched, too, after all others. Raises UserError.
    """
    if not _is_path(name) or name in _known[kind]:
        return
    if not own:
        raise UserError(_not_trusted(kind, name) + again)
    module, _, function = name.rpartition(".")
    here = os.getcwd()
    sys.path.append(here)
    try:
        found = getattr(importlib.import_module(module), function)
        _check_call(kind, found)
        register(kind, name)(found)
    except (ImportError, AttributeError, SyntaxError) as error:
        raise UserError(f"{kind} {name!r}: {error}; {_EXPECTED}") from None
    finally:
        del sys.path[len(sys.path) - 1 - sys.path[::-1].index(here)]  # the last of its kind: ours
