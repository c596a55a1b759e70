"""What the READMEs tell a reader to type: commands, programs in Python and in C; and the output.

A code block (indented by four columns, or fenced) is one of them by what stands in it. In its
commands, a path below data/ or embeddings/ that is not in the repository is data of the reader's
own; a command that takes one, or a file that only such a command makes, needs data.
"""

import ast
import os
import re
import shlex
import shutil
import subprocess
from typing import NamedTuple

from support.commands import ROOT

SEPARATORS = {"&&", "||", "|", ";", "&"}
# Flags whose value a command writes. All other paths are read.
WRITTEN = {
    *("--out_path", "--output", "--export", "--export-pb", "--engine", "--checkpoint_dir"),
    *("--summary_dir", "--plot", "--out_graph", "--frozen_model_name", "--prefix", "-B"),
}
ENDINGS = r"\.(txt|pkl|pb|memmapped|etagger|png|yaml|json|jsonl|py|hdf5|safetensors)$"
OF_THE_READER = ("data/", "embeddings/")
NETWORK = ("etc/download.py", "pip")  # what fetches from elsewhere
ENGINES = ("docker", "kubectl")  # what needs a container engine, or a cluster
SERVER = ("serve.py", "curl", "kill")  # tests/test_serve.py runs them


class Block(NamedTuple):
    """A code block. kind: commands, python, c or output."""

    place: str  # file:line
    kind: str
    lines: list[str]


class Command(NamedTuple):
    """One program with its arguments."""

    words: list[str]
    reads: list[str]
    writes: list[str]


def tracked():
    """The repository's files."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return listed.stdout.splitlines()


def blocks(text, place):
    """The code blocks of Markdown."""
    found, lines, fence = [], [], False
    for number, line in enumerate([*text.split("\n"), ""], 1):
        if line.startswith("```"):
            fence = not fence
            line = ""
        if fence or line.startswith("    "):
            lines = lines or [f"{place}:{number}"]
            lines.append(line if fence else line[4:])
        elif lines and line:
            found.append(Block(lines[0], kind_of(lines[1:]), lines[1:]))
            lines = []
        elif lines:
            lines.append("")
    if lines:
        found.append(Block(lines[0], kind_of(lines[1:]), lines[1:]))
    return [part for block in found for part in at_blank_lines(block)]


def at_blank_lines(block):
    """A block of commands, with what they print after a blank line, in its parts."""
    if block.kind != "commands":
        return [block]
    text = "\n".join(block.lines).strip("\n")
    parts = [part.split("\n") for part in text.split("\n\n")]
    return [Block(block.place, kind_of(part), part) for part in parts if "".join(part).strip()]


def kind_of(lines):
    first = next((line for line in lines if line.strip()), "")
    if is_command(first):
        return "commands"
    if any(line.startswith("#include") for line in lines):
        return "c"
    try:
        nodes = ast.parse("\n".join(lines)).body
    except SyntaxError:
        return "output"
    told = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.Assign)
    return "python" if any(isinstance(node, told) for node in nodes) else "output"


def is_command(line):
    """Whether the first word of a line is a program of the machine, the environment or a build."""
    word = re.sub(r"^(\w+=\S+ +)*", "", line).partition(" ")[0]
    if line.split(" ")[1:2] in (["="], ["import"]) or line.startswith(("import ", "from ")):
        return False  # `import` is a program of ImageMagick's as well
    return "/build/" in word or bool(word and re.match(r"[\w.+-]+$", word) and program(word))


def program(word):
    environment = os.path.join(ROOT, ".venv", "bin", word)
    return os.path.exists(environment) or shutil.which(word)


def command_lines(block):
    """The lines of a block of commands, as they are to be typed, continued ones joined."""
    return [
        line for line in "\n".join(block.lines).replace("\\\n", " ").split("\n") if line.strip()
    ]


def inline_code(text):
    """(line number, code) of each `code` in Markdown that stands in no block."""
    for number, line in enumerate(text.split("\n"), 1):
        if not line.startswith("    "):
            for code in re.findall(r"`([^`]+)`", line):
                yield number, code.replace("\\|", "|")


def parse(line):
    """The programs that a line of a shell runs, as Commands."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found, words, reads, writes = [], [], [], []
    tokens = [*lexer, ";"]
    for i, token in enumerate(tokens):
        if token in SEPARATORS:
            if words:
                found.append(Command(words, reads + read_by(words), writes + written_by(words)))
            words, reads, writes = [], [], []
        elif tokens[i - 1] in ("<", ">", ">>") and i:
            (reads if tokens[i - 1] == "<" else writes).append(token)
        elif token not in ("<", ">", ">>"):
            words.append(token)
    return found


def values(words):
    """The (flag, value) pairs of a command's words; a flag without value has ""."""
    flag = ""
    for word in words:
        if word.startswith("-") and "=" in word:
            yield tuple(word.split("=", 1))
        elif word.startswith("-"):
            flag = word
        else:
            yield flag, word


def is_path(word):
    return bool(
        not re.search(r"[\s{}()'\"|,]|://|^~|^\.\.\.$", word)
        and ("/" in word or re.search(ENDINGS, word))
    )


def read_by(words):
    inputs = [value for flag, value in values(words) if flag not in WRITTEN and is_path(value)]
    return [re.sub(r"^\./", "", path).rstrip("/") for path in inputs]


def written_by(words):
    """The paths that a command writes, including those that no flag names."""
    outputs = [value for flag, value in values(words) if flag in WRITTEN]
    flags = dict(values(words))
    if "train.py" in words:
        outputs += [] if "--checkpoint_dir" in flags else ["checkpoint"]
        outputs += [] if "--summary_dir" in flags else ["runs/summaries"]
    if "embvec.py" in words and "--emb_path" in flags:
        outputs.append(flags["--emb_path"] + ".pkl")
    return outputs


def script_of(command):
    """The Python script of a command, or None."""
    words = [word for word in command.words if "=" not in word]
    return (
        words[1] if len(words) > 1 and words[0] == "python" and words[1].endswith(".py") else None
    )


def flags_of(command):
    return {
        word.partition("=")[0]
        for word in command.words
        if re.match(r"--?[A-Za-z][\w-]*(=|$)", word)
    }


def make_targets(command):
    return [word for word in command.words[1:] if not re.search("^-|=", word)]


class Reader:
    """A reader who types the commands of one README, one after the other."""

    def __init__(self, recipe):
        self.recipe = recipe  # make target -> the lines of its recipe
        files = tracked()
        self.tracked = {*files, *(os.path.dirname(path) for path in files)}
        self.made, self.made_from_data = set(), set()  # files, and folders with all below them

    def type(self, command):
        """Runs through a command. Returns whether it needs data, and the paths that are missing."""
        if command.words[0] == "make":
            return self._make(make_targets(command)), []
        needs = any(word in NETWORK + ENGINES + SERVER for word in command.words)
        missing = []
        for path in command.reads:
            needs = needs or path.startswith("benchmarks/") or within(path, self.made_from_data)
            if path in self.tracked or within(path, self.made | self.made_from_data):
                continue
            if path.startswith(OF_THE_READER):
                needs = True
            else:
                missing.append(path)
        (self.made_from_data if needs else self.made).update(command.writes)
        return needs, missing

    def _make(self, targets):
        lines = [line for target in targets for line in self.recipe(target)]
        for line in filter(is_command, lines):
            for command in parse(line):
                self.made.update(command.writes)
        return any("pip install" in line or "docker/build.sh" in line for line in lines)


def within(path, paths):
    """Whether a path is one of `paths`, or below one of them."""
    return any(path == parent or path.startswith(parent + "/") for parent in paths)
