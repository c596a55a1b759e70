"""Every command, program and example sentence of the READMEs, of docs/ and of docstrings does what
is written there.
"""

import ast
import contextlib
import functools
import io
import os
import re
import shutil
import subprocess
import tokenize

import pytest

from support import readme
from support.commands import ROOT
from support.serving import binary

READMES = [  # docs/api.md is made of docstrings
    path
    for path in readme.tracked()
    if re.fullmatch(r"(.*/)?README\.md|CONTRIBUTING\.md|docs/.*\.md", path)
    and path != "docs/api.md"
]
SCRIPTS = [path for path in readme.tracked() if path.endswith(".py")]
PARTS = ("CONTRIBUTING.md",)  # its examples are parts of files
NEED_DATA = ("docs/data.md", "docs/language-models.md", "docs/warm-start.md")
INSTALLED = ["-o", ".venv/installed", "-o", ".venv/installed-dev"]  # nothing is to be fetched


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
        return stream.read()


def commands_of(path):
    """(place, line, Command) for each command in the blocks of a README."""
    for block in readme.blocks(text_of(path), path):
        if block.kind == "commands":
            for line in readme.command_lines(block):
                assert readme.is_command(line), f"{block.place}: no program: {line}"
                for command in readme.parse(line):
                    yield block.place, line, command


def inline_commands(path):
    """The same for commands within the text of a README."""
    for number, code in readme.inline_code(text_of(path)):
        if re.match(r"(python|perl|make|cmake|pip|tensorboard) +\S", code):
            for command in readme.parse(code):
                yield f"{path}:{number}", code, command


def docstring_commands():
    """The same for indented commands within the docstrings of our scripts."""
    for path in SCRIPTS:
        doc = ast.get_docstring(ast.parse(text_of(path))) or ""
        for block in readme.blocks(doc, path):
            for line in readme.command_lines(block) if block.kind == "commands" else []:
                for command in readme.parse(line) if readme.is_command(line) else []:
                    yield f"{path}: its docstring", line, command


@functools.cache
def recipe(target):
    """The commands that make would run for a target. Fails where there is no such target."""
    done = subprocess.run(
        ["make", "-n", "--no-print-directory", *INSTALLED, target],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing to be done" not in done.stdout, done.stdout
    return [re.sub(r"^\S*/bin/", "", line) for line in done.stdout.replace("\\\n", " ").split("\n")]


@pytest.fixture(scope="module")
def help_of(bare_zygote):
    """A function that takes the path of a script or of a C++ command and returns the flags in its
    --help.
    """

    @functools.cache
    def flags(path):
        if path.endswith(".py"):
            done = bare_zygote.run(path, "--help")
            said = done.out.decode()
            if peer := re.search(r"No module named '(\w+)'", done.err):
                assert peer[1] in text_of("requirements-bench.txt"), done.err
                said = text_of(path)  # a peer that is not installed: its flags as they are written
        else:
            done = subprocess.run([binary(os.path.basename(path)), "--help"], capture_output=True)
            said = done.stdout.decode()
        return set(re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", said))

    return flags


# ---------------------------------------------------------------- each command by itself


def check(place, line, command, help_of):
    """Checks that the program exists and knows the flags, and that make has the targets."""
    words = [word for word in command.words if not re.match(r"\w+=", word)]
    where = f"{place}: {line}"
    if script := readme.script_of(command):
        assert script in SCRIPTS, where
        flags = readme.flags_of(command)
        assert not flags or flags <= help_of(script), where
    elif words[:2] == ["python", "-c"]:
        compile(words[2], where, "exec")
    elif "/build/" in words[0]:
        assert readme.flags_of(command) <= help_of(words[0]), where
    elif words[0] == "make":
        for target in readme.make_targets(command):
            recipe(target)
    else:
        assert readme.program(words[0]), where


@pytest.mark.parametrize("path", READMES)
def test_commands_have_their_flags(path, help_of):
    for command in [*commands_of(path), *inline_commands(path)]:
        check(*command, help_of)


def test_commands_of_docstrings_have_their_flags(help_of):
    found = list(docstring_commands())
    assert len(found) > 30
    for command in found:
        check(*command, help_of)


def test_flags_within_the_text_are_those_of_a_command(help_of):
    commands = [
        command for path in READMES for command in [*commands_of(path), *inline_commands(path)]
    ]
    scripts = {readme.script_of(command) for _, _, command in commands} - {None}
    programs = {command.words[0] for _, _, command in commands if "/build/" in command.words[0]}
    known = set().union(*map(help_of, scripts | programs))
    for path in READMES:
        for number, code in readme.inline_code(text_of(path)):
            if code.startswith("--"):
                for flag in re.findall(r"--[A-Za-z][\w-]*", code):
                    assert flag in known, f"{path}:{number}: {code}"


# ---------------------------------------------------------------- all of them, in order


@pytest.mark.parametrize("path", READMES)
def test_every_path_is_there_or_made_before(path):
    """Each path is in the repository, is made by an earlier command of the README or by make demo,
    or has a name that marks it as the reader's own data.
    """
    reader = readme.Reader(recipe)
    if "make demo" in text_of(path):
        reader.type(readme.parse("make demo")[0])
    for place, line, command in commands_of(path):
        _, missing = reader.type(command)
        assert not missing, f"{place}: {line}: {missing} is not there"


def test_most_commands_need_no_data():
    needs = {True: 0, False: 0}
    for path in READMES:
        reader = readme.Reader(recipe)
        reader.type(readme.parse("make demo")[0])
        for _, _, command in commands_of(path):
            needs[reader.type(command)[0]] += 1
    assert needs[False] > 2 * needs[True] > 10, needs


def test_make_within_inference_is_make_at_the_top():
    for target in ("cc", "demo-cc"):
        done = subprocess.run(
            ["make", "-n", *INSTALLED, target],
            cwd=os.path.join(ROOT, "inference"),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0 and "cmake" in done.stdout, done


@pytest.mark.parametrize(
    "folder, target", [(".", "tests"), (".", "inference"), ("inference", "python")]
)
def test_a_folder_is_no_target(folder, target):
    done = subprocess.run(
        ["make", target], cwd=os.path.join(ROOT, folder), capture_output=True, text=True
    )
    assert done.returncode == 2 and "Nothing to be done" not in done.stdout, done


def test_scripts_of_inference_know_where_they_are_called(bare_zygote):
    """Their default paths are the same places at the top and inside the folder."""
    for script in ("export.py", "freeze.py", "train_iris.py", "python/inference_iris.py"):
        path = os.path.join(ROOT, "inference", script)
        said = [
            re.findall(
                r"\(default\s+(\S*exported\S*)\)",
                bare_zygote.run(path, "--help", folder=folder).out.decode(),
            )
            for folder in (ROOT, os.path.join(ROOT, "inference"))
        ]
        assert said[0] and said[0] == [os.path.normpath(f"inference/{path}") for path in said[1]]


def test_the_versions_of_python_are_the_same_everywhere():
    first, last = re.search(r"Python (3\.\d+) to (3\.\d+)", text_of("README.md")).groups()
    makefile = text_of("Makefile")
    bounds = re.search(r"\((3), (\d+)\) <= sys.version_info < \((3), (\d+)\)", makefile).groups()
    assert (first, last) == (f"3.{bounds[1]}", f"3.{int(bounds[3]) - 1}")
    assert f"no Python {first} to {last} found" in makefile
    assert f'target-version = "py{first.replace(".", "")}"' in text_of("pyproject.toml")


# ---------------------------------------------------------------- what they print


class Clone:
    """The repository's files in a folder of their own, as a newcomer has them, with this
    environment and without network.
    """

    def __init__(self, folder):
        self.folder, self.said = folder, ""
        for path in readme.tracked():
            if os.path.isfile(os.path.join(ROOT, path)):
                os.makedirs(os.path.dirname(folder / path), exist_ok=True)
                shutil.copy2(os.path.join(ROOT, path), folder / path)
        for path in folder.glob("requirements*.txt"):
            os.utime(path, (0, 0))  # older than what was installed from them
        (folder / ".venv").symlink_to(os.path.join(ROOT, ".venv"))
        (folder / "home").mkdir()
        self.environment = {
            **os.environ,
            "HOME": str(folder / "home"),
            "PATH": f"{folder}/.venv/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(folder / "inference" / "python"),  # as pip install would put it there
        }

    def run(self, *command, data=None):
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            input=data,
            capture_output=True,
            text=True,
            timeout=3600,
        )
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
        self.said += done.stdout
        return done.stdout

    def demo(self):
        if not (self.folder / "runs" / "demo" / "pred.txt").exists():
            self.type("make demo", [])

    def type(self, line, commands):
        """Runs a line in a shell, and keeps what it prints and what it writes to files."""
        self.run("bash", "-euo", "pipefail", "-c", line)
        for path in (path for command in commands for path in command.writes):
            with contextlib.suppress(OSError, UnicodeDecodeError):
                self.said += (self.folder / path).read_text()

    def compile_and_run(self, source):
        (self.folder / "main.c").write_text(source)
        build = self.folder / "inference" / "cc" / "build"
        flags = ["-Iinference/cc/include", f"-L{build}", "-letagger", f"-Wl,-rpath,{build}"]
        self.run("cc", "-o", "main", "main.c", *flags)
        return self.run("./main")


def examples(source):
    """The lines of a program, and each expression with a comment that begins as a value does as
    `_shows(value, comment)`.
    """
    comments = {
        token.start[0]: token.string[1:].strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    lines = source.split("\n")
    for node in ast.parse(source).body:
        comment = comments.get(node.end_lineno, "")
        if isinstance(node, ast.Expr) and re.match(r"[\[{('\"\d]", comment):
            value = ast.get_source_segment(source, node)
            lines[node.lineno - 1 : node.end_lineno] = [
                f"_shows({value}, {comment!r})",
                *[""] * (node.end_lineno - node.lineno),
            ]
    return "\n".join(lines)


SHOWS = """
import doctest
def _shows(value, comment):
    texts = (comment + "\\n", repr(value) + "\\n")
    same = doctest.OutputChecker().check_output(*texts, doctest.ELLIPSIS)
    assert same, f"{value!r} is not {comment}"
"""


def test_examples_are_compared():
    """A test of the tests: a wrong comment is found, a right one passes."""
    for comment, right in (("[1, 2]", True), ("[1, ...]", True), ("[1, 3]", False), ("two", True)):
        code = SHOWS + examples(f"x = [1, 2]\nx       # {comment}\n")
        with contextlib.nullcontext() if right else pytest.raises(AssertionError, match="is not"):
            exec(code, {})


def is_example(line):
    """Whether a line of output shows a tagged sentence: JSON, or a row that ends with tags."""
    return line.startswith('{"') or re.search(r" (O|[BI]-[A-Z]+)( [\d.]+| _)*$", line)


def without_figures(text):
    """Removes figures, whose last digits depend on the processor."""
    return re.sub(r"\b0\.\d+|1\.0+\b", "#", text)


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return Clone(tmp_path_factory.mktemp("clone") / "etagger")


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in READMES if path not in PARTS])
def test_what_needs_no_data_runs_in_order(clone, path):
    reader, ran = readme.Reader(recipe), 0
    if "make demo" in text_of(path):
        clone.demo()
        reader.type(readme.parse("make demo")[0])
    text = text_of(path)
    for block in readme.blocks(text, path):
        said = "\n".join(block.lines)
        if block.kind == "commands":
            for line in readme.command_lines(block):
                commands = readme.parse(line)
                needs = [reader.type(command)[0] for command in commands]
                targets = [
                    t for c in commands if c.words[0] == "make" for t in readme.make_targets(c)
                ]
                if not any(needs) and not any(
                    "pytest" in line for t in targets for line in recipe(t)
                ):
                    clone.type(line, commands)
                    ran += 1
        elif block.kind == "python" and "mine.py" in before_block(text, block):
            (clone.folder / "mine.py").write_text(said)
        elif block.kind == "python":
            clone.run("python", "-", data=SHOWS + examples(said))
            ran += 1
        elif block.kind == "c":
            rows = clone.compile_and_run(said)
            assert rows == "Sumogetti B-PER\nleft O\nVremland B-LOC\n"
        else:
            for row in filter(is_example, block.lines):
                assert without_figures(row) in without_figures(clone.said), (block.place, row)
    assert ran or not list(commands_of(path)) or path in NEED_DATA


def before_block(text, block):
    """The line of text before a block."""
    number = int(block.place.rpartition(":")[2])
    return next((line for line in reversed(text.split("\n")[: number - 1]) if line.strip()), "")


@pytest.mark.slow
def test_the_docstring_of_the_package(clone):
    if not (clone.folder / "model.etagger").exists():
        clone.demo()
        clone.type("make cc", [])
        clone.type(
            "python inference/export.py --restore runs/demo/checkpoint --engine model.etagger", []
        )
    doc = ast.get_docstring(ast.parse(text_of("inference/python/etagger/__init__.py")))
    (block,) = (block for block in readme.blocks(doc, "etagger") if block.kind == "python")
    clone.run("python", "-", data=SHOWS + examples("\n".join(block.lines)))
