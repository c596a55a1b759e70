"""Builds docs/ as a site with search: make docs. Pages are Markdown (MyST); api.md comes from the
docstrings, flags.md from config.py.
"""

import dataclasses
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))

from cli import __version__  # noqa: E402
from config import Config  # noqa: E402

project = "etagger"
author = "the etagger authors"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"etagger {release}"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
default_role = "code"  # `name` in a docstring is code
autodoc_typehints = "none"
suppress_warnings = ["myst.strikethrough"]


def flags_page():
    """The text of flags.md: every hyper-parameter of config.Config, in the order and under the
    headings of config.py.
    """
    lines = [
        "# Flags of train.py",
        "",
        "Each is a flag, and a key of a YAML or JSON file (`--config_path`). `python train.py --help`",
        "prints this list, and what is no hyper-parameter.",
    ]
    headings = _headings()
    for field in dataclasses.fields(Config):
        if field.name in headings:
            lines += ["", f"## {headings[field.name]}", "", "| flag | default | meaning |"]
            lines += ["|---|---|---|"]
        lines.append(f"| `--{field.name}` | {_default(field)} | {_cell(field.metadata['help'])} |")
    return "\n".join(lines) + "\n"


def _headings():
    """{first hyper-parameter after a comment line of config.Config: that comment}."""
    with open(os.path.join(HERE, "..", "config.py"), encoding="utf-8") as source:
        found = re.findall(r"\n    # ([A-Z][^\n]*)\n    (\w+):", source.read())
    return {name: comment.rstrip(".") for comment, name in found}


def _default(field):
    value = field.default
    if value is dataclasses.MISSING:
        value = field.default_factory()
    return f"`{value}`" if value not in (None, "", []) else ""


def _cell(text):
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "\\<")


def as_rest(app, what, name, obj, options, lines):
    """Docstrings are plain text: an indented block is an example, and a star is a star."""
    text = "\n".join(lines).replace("*", "\\*")
    text = re.sub(r"([^\n:])\n\n(    )", r"\1\n\n::\n\n\2", text)
    text = re.sub(r":\n\n(    )", r"::\n\n\1", text)
    lines[:] = text.split("\n")


def setup(app):
    app.connect("autodoc-process-docstring", as_rest)
    with open(os.path.join(HERE, "flags.md"), "w", encoding="utf-8") as page:
        page.write(flags_page())
