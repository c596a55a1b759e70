"""Reads a Dockerfile: what check.py and the tests need of its language."""

import json
import shlex
from typing import NamedTuple


class Instruction(NamedTuple):
    """line: its first line's number. flags: {"from": "build"} of --from=build. words: the rest, a
    list where it has the JSON form, else the text.
    """

    line: int
    name: str
    flags: dict
    words: object


def parse(text):
    """A list of Instruction. Comments and blank lines are left out, lines that end in a backslash
    are joined.
    """
    found, pieces, first = [], [], 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("#") or not line.strip():
            continue
        first = first if pieces else number
        is_open = line.endswith("\\")
        pieces.append(line[:-1] if is_open else line)
        if not is_open:
            found.append(_instruction(first, " ".join(map(str.strip, pieces))))
            pieces = []
    if pieces:
        raise ValueError(f"line {first}: a backslash at the end of the file")
    return found


def _instruction(line, text):
    name, _, rest = text.partition(" ")
    flags = {}
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        key, _, value = flag[2:].partition("=")
        flags[key], rest = value, rest.strip()
    return Instruction(line, name.upper(), flags, _words(line, rest))


def _words(line, text):
    if not text.startswith("["):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"line {line}: {text}: {error}") from None


def stages(instructions):
    """[(name or its number, base, instructions)] of the stages, and {name: default} of the ARGs
    before the first one.
    """
    arguments, found = {}, []
    for instruction in instructions:
        if instruction.name == "FROM":
            words = instruction.words.split()
            name = words[2] if [word.lower() for word in words[1:2]] == ["as"] else str(len(found))
            found.append((name, words[0], []))
        elif found:
            found[-1][2].append(instruction)
        elif instruction.name == "ARG":
            name, _, default = instruction.words.partition("=")
            arguments[name] = default
        else:
            raise ValueError(f"line {instruction.line}: {instruction.name} before FROM")
    return found, arguments


def environment(words):
    """{name: value} of ENV's NAME=VALUE pairs."""
    return dict(word.split("=", 1) for word in shlex.split(words))
