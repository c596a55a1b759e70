"""README and docs/: their links lead somewhere, the paths that they name are there, figures have
their command and date, and the site is built without a warning.
"""

import dataclasses
import os
import re
import subprocess
import sys

import pytest

from config import Config
from support import readme
from support.commands import ROOT

PAGES = [path for path in readme.tracked() if path.endswith(".md")]
DOCS = [path for path in PAGES if path.startswith("docs/")]
TOP_FOLDERS = {path.split("/")[0] for path in readme.tracked() if "/" in path}


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
        return stream.read()


def prose(path):
    """A page without its code blocks."""
    text = re.sub(r"^```.*?^```", "", text_of(path), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^    .*\n", "", text, flags=re.MULTILINE)


def anchors(path):
    """The anchors of a page's headings, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ +(.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


# ---------------------------------------------------------------- links and paths


@pytest.mark.parametrize("path", PAGES)
def test_links_lead_somewhere(path):
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", prose(path)):
        place = os.path.normpath(os.path.join(os.path.dirname(path), target)) if target else path
        assert os.path.exists(os.path.join(ROOT, place)), f"{path}: {target}"
        if anchor:
            assert anchor in anchors(place), f"{path}: {target}#{anchor}"


@pytest.mark.parametrize("path", [*DOCS, "README.md", "CONTRIBUTING.md"])
def test_paths_within_the_text_are_there(path):
    """A path is checked if it begins with a folder of the repository or is a Python file."""
    for number, code in readme.inline_code(text_of(path)):
        if not re.fullmatch(r"[\w.-]+(/[\w.-]*)*", code) or code.startswith(readme.OF_THE_READER):
            continue
        made = ("inference/exported", "inference/cc/build", "docs/_build")
        if code.startswith(made) or code == "mine.py":
            continue
        if code.split("/")[0] in TOP_FOLDERS and "/" in code or code.endswith(".py"):
            known = any(f"/{path}".endswith(f"/{code}") for path in readme.tracked())
            assert known or os.path.exists(os.path.join(ROOT, code)), f"{path}:{number}: {code}"


def test_every_page_is_in_the_tables_of_contents():
    for page in DOCS:
        name = page.removeprefix("docs/").removesuffix(".md")
        if name != "index":
            assert re.search(rf"^{name}$", text_of("docs/index.md"), re.MULTILINE), page
        if name not in ("index", "api"):
            assert f"({page})" in text_of("README.md"), page


# ---------------------------------------------------------------- what the pages hold


def test_the_readme_is_short():
    text = text_of("README.md")
    assert text.count("\n") <= 250 and len(text.encode()) <= 14_000


def test_figures_have_their_command_and_date():
    for path in ("README.md", "docs/results.md", "docs/speed.md"):
        text = text_of(path)
        assert re.search(r"python benchmarks/\w+\.py", text), path
        assert re.search(r"\d{4}-\d\d-\d\d", text), path
    for path in PAGES:
        for script in re.findall(r"benchmarks/\w+\.py", text_of(path)):
            assert os.path.exists(os.path.join(ROOT, script)), f"{path}: {script}"


def test_lines_end_by_column_100():
    """All lines are checked except tables, examples and links."""
    for path in {*PAGES} - {"data/sample/README.md"}:
        for number, line in enumerate(text_of(path).split("\n"), 1):
            if not line.startswith(("|", " ", "#", "!")) and "](" not in line:
                assert len(line) <= 100, f"{path}:{number}"


# ---------------------------------------------------------------- the site


def test_the_site_has_no_warning(tmp_path):
    """The pages made from config.py and from docstrings are included."""
    for package in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(package)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "docs", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    flags = (tmp_path / "made" / "flags.html").read_text(encoding="utf-8")
    for field in dataclasses.fields(Config):
        assert f"--{field.name}" in re.sub("<[^>]*>", "", flags), field.name
    assert "searchindex.js" in os.listdir(tmp_path)
