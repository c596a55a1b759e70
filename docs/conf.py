"""Builds docs/ as a site with search: make docs. Pages are Markdown (MyST).

The pages in docs/made/ are made here: flags.md from config.py, and the rest from Markdown that has
its place elsewhere in the repository. api.md comes from the docstrings. Links are written as they
work in the repository; a link out of docs/ leads to the page that is made of that file, or is shown
as the file's path.
"""

import dataclasses
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, ROOT)

from sphinx.util import logging  # noqa: E402

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

PAGES = {  # file of the repository: its page
    "config.py": "made/flags.md",
    "inference/python/README.md": "made/package.md",
    "inference/cc/engine/README.md": "made/engine-file.md",
    "benchmarks/README.md": "made/benchmarks.md",
    "CONTRIBUTING.md": "made/contributing.md",
    "CHANGELOG.md": "made/changelog.md",
}
LINK = re.compile(r"(?<!!)\[([^]]*)\]\(([^)#:]+)(#[^)]*)?\)")  # of a file, not of the web
log = logging.getLogger("docs.conf")


# ---------------------------------------------------------------- pages of other files


def made_pages():
    """{page: its text}, paths from docs/."""
    pages = {"made/flags.md": flags_page()}
    for path, page in PAGES.items():
        if path.endswith(".md"):
            with open(os.path.join(ROOT, path), encoding="utf-8") as source:
                pages[page] = relinked(source.read(), os.path.dirname(path), page)
    return pages


def relinked(text, folder, page):
    """Markdown with its links turned into those of the site.

    folder: that from which the links are written, from the repository's top. page: where the text
    goes, from docs/. A link to what is not there is a warning, which ends the build.
    """

    def link(match):
        label, target, anchor = match[1], match[2], match[3] or ""
        path = os.path.normpath(os.path.join(folder, target))
        if not os.path.exists(os.path.join(ROOT, path)):
            log.warning("%s: link to %s, which is not there", page, target)
        if path in PAGES:
            path = os.path.join("docs", PAGES[path])
        if not path.startswith("docs/"):
            return f"`{path}`" if path != label.strip("`") else f"`{label.strip('`')}`"
        place = os.path.relpath(path, os.path.join("docs", os.path.dirname(page)))
        return f"[{label}]({place}{anchor})"

    return LINK.sub(link, text)


def relink_page(app, name, source):
    """The pages that are written in docs/."""
    if not name.startswith("made/"):
        source[0] = relinked(source[0], "docs", f"{name}.md")


# ---------------------------------------------------------------- flags


def flags_page():
    """Every hyper-parameter of config.Config, in the order and under the headings of config.py."""
    lines = [
        "# Flags of train.py",
        "",
        "Each is a flag, and a key of a YAML or JSON file (`--config_path`).",
        "`python train.py --help` prints this list, and the flags that are no hyper-parameters.",
    ]
    headings = flag_headings()
    for field in dataclasses.fields(Config):
        if field.name in headings:
            lines += ["", f"## {headings[field.name]}", "", "| flag | default | meaning |"]
            lines += ["|---|---|---|"]
        meaning = re.sub(r"[|*<]", r"\\\g<0>", field.metadata["help"])
        lines.append(f"| `--{field.name}` | {default_of(field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def flag_headings():
    """{first hyper-parameter after a comment line of config.Config: that comment}."""
    with open(os.path.join(ROOT, "config.py"), encoding="utf-8") as source:
        found = re.findall(r"\n    # ([A-Z][^\n]*)\n    (\w+):", source.read())
    return {name: comment.rstrip(".") for comment, name in found}


def default_of(field):
    """The default as it is written on the command line; nothing where there is none."""
    value = field.default
    if value is dataclasses.MISSING:
        value = field.default_factory()
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return f"`{value}`" if value not in (None, "") else ""


# ---------------------------------------------------------------- docstrings


def as_rest(app, what, name, obj, options, lines):
    """Docstrings are plain text: an indented block is an example, and a star is a star."""
    text = "\n".join(lines).replace("*", "\\*")
    text = re.sub(r"([^\n])\n\n(?=    )", lambda match: example_after(match[1]), text)
    lines[:] = text.split("\n")


def example_after(character):
    """What marks an indented block as an example: two colons, after the text or by themselves."""
    return "::\n\n" if character == ":" else f"{character}\n\n::\n\n"


def setup(app):
    app.connect("autodoc-process-docstring", as_rest)
    app.connect("source-read", relink_page)
    os.makedirs(os.path.join(HERE, "made"), exist_ok=True)
    for page, text in made_pages().items():
        with open(os.path.join(HERE, page), "w", encoding="utf-8") as out:
            out.write(text)
