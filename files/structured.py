"""JSON and YAML from files that may come from a stranger: the one place that reads them, and checks
of what they hold. Standard library only, and PyYAML for YAML.

A mistake in a file is a ValueError of one line. Where the number of its line is known, it is the
error's `lineno`, as for json.JSONDecodeError.
"""

import json
import reprlib
import typing

MOST_NESTED = 64  # depth of brackets; in what etagger writes it is six
MOST_YAML = 1 << 18  # characters; PyYAML is slow, and a config has a few hundred
MOST_SCALAR = 1 << 12  # characters of a value in YAML; a path has no more

_short = reprlib.Repr()
_short.maxstring = _short.maxother = 80


def shortened(value):
    """repr(value), cut so that it fits into a message."""
    try:
        return _short.repr(value)
    except ValueError:  # Python prints no number of more than 4300 digits
        return "a number of thousands of digits"


def load_json(text):
    """A JSON text, str or bytes, as Python values. Raises ValueError."""
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError(_too_deep()) from None
    level = [value]
    for _ in range(MOST_NESTED):
        level = [
            child
            for container in level
            for child in _children(container)
            if type(child) in (list, dict)
        ]
    if level:
        raise ValueError(_too_deep())
    return value


def _children(value):
    if type(value) is dict:
        return value.values()
    return value if type(value) is list else ()


def _too_deep():
    return f"more than {MOST_NESTED} brackets in one another"


# ---------------------------------------------------------------- YAML


def load_yaml(text):
    """A YAML text as Python values: plain ones only, without anchors and aliases, by which a short
    text can stand for a huge value. Raises ValueError.
    """
    import yaml

    if len(text) > MOST_YAML:
        raise ValueError(f"{len(text):,} characters, expected at most {MOST_YAML:,}")
    try:
        return yaml.load(text, _plain_loader())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = ValueError(getattr(error, "problem", None) or "not YAML")
        problem.lineno = mark.line + 1 if mark else 1
        raise problem from None
    except (ValueError, LookupError, AttributeError, TypeError, OverflowError, RecursionError):
        # as PyYAML fails on values such as `!!int ''` and 2026-99-99
        raise ValueError("a value that is not what it says") from None


def _plain_loader():
    """A subclass of yaml.SafeLoader that keeps to the bounds above."""
    import yaml

    class PlainLoader(yaml.SafeLoader):
        depth = 0

        def refuse(self, what):
            raise yaml.composer.ComposerError(None, None, what, self.get_mark())

        def fetch_flow_collection_start(self, token):
            if self.flow_level >= MOST_NESTED:  # PyYAML's time is quadratic in it
                self.refuse(_too_deep())
            super().fetch_flow_collection_start(token)

        def compose_node(self, parent, index):
            event = self.peek_event()
            if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
                self.refuse("an anchor or an alias, which are not read: write the value out")
            if self.depth >= MOST_NESTED:
                self.refuse(_too_deep())
            self.depth += 1
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def compose_scalar_node(self, anchor):
            if len(self.peek_event().value) > MOST_SCALAR:
                self.refuse(f"a value of more than {MOST_SCALAR:,} characters")
            return super().compose_scalar_node(anchor)

    return PlainLoader


# ---------------------------------------------------------------- types


# The text of a path: Python has a lone surrogate for each byte that is not UTF-8 (PEP 383).
PathText = typing.NewType("PathText", str)


def conforms(value, kind):
    """Whether a value of JSON is of a type: str, PathText, int, float, bool or dict, or an
    Optional, list or dict of these. A whole number must fit into 64 bits, and text must be
    encodable as UTF-8, that of a path with the error handler surrogateescape.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Union:
        return any(conforms(value, option) for option in arguments)
    if origin is list:
        return type(value) is list and all(conforms(item, arguments[0]) for item in value)
    if origin is dict:
        return type(value) is dict and all(
            conforms(name, arguments[0]) and conforms(item, arguments[1])
            for name, item in value.items()
        )
    if kind in (str, PathText):
        return type(value) is str and _is_utf8(value, "strict" if kind is str else _OF_PATHS)
    if kind is float and type(value) is float:
        return True
    if kind in (int, float):
        return type(value) is int and -(1 << 63) <= value < 1 << 63
    return type(value) is kind


_OF_PATHS = "surrogateescape"


def _is_utf8(text, errors):
    try:
        text.encode(errors=errors)
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def misfit(given, kinds):
    """What is wrong with `given`, expected to be a dict of exactly the fields of `kinds`, {name:
    type}; '' where nothing is.
    """
    if type(given) is not dict:
        return f"{shortened(given)}, expected an object with the fields {', '.join(kinds)}"
    for name in given:
        if name not in kinds:
            return f"unknown key {shortened(name)}, perhaps of a newer etagger"
    for name, kind in kinds.items():
        if name not in given:
            return f"{name} is missing"
        if not conforms(given[name], kind):
            return f"{name}: {shortened(given[name])}, expected {type_name(kind)}"
    return ""


def type_name(kind):
    """A type in words: 'a list of str', 'float or null'."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Union:
        return " or ".join(map(type_name, arguments))
    if origin in (list, dict):
        return f"{'a list' if origin is list else 'an object'} of {type_name(arguments[-1])}"
    if kind is type(None):
        return "null"
    return "an object" if kind is dict else kind.__name__
