"""The rooms of inference/cc: each includes only itself and those before it, as CMakeLists.txt says."""

import os
import re

import pytest

CC = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "inference", "cc")
BELOW = {  # what a room may include, besides itself
    "base": (),
    "text": ("base",),
    "tagging": ("base", "text"),
    "engine": ("base", "text", "tagging"),
    "tensorflow": ("base", "text", "tagging"),
    "library": ("base", "text", "tagging", "engine"),
    "commands": ("base", "text", "tagging", "engine"),
}


@pytest.mark.parametrize("room", BELOW)
def test_a_room_includes_no_room_above_it(room):
    allowed = (room, *BELOW[room])
    for name in sorted(os.listdir(os.path.join(CC, room))):
        if not name.endswith((".cc", ".h", ".inc")):
            continue
        with open(os.path.join(CC, room, name), encoding="utf-8") as stream:
            included = re.findall(r'^#include "([^"]+)"', stream.read(), re.MULTILINE)
        for path in included:
            if os.path.exists(os.path.join(CC, path)):
                assert path.split("/")[0] in allowed, f"{room}/{name} includes {path}"


def test_every_folder_of_code_is_a_room():
    others = {"include", "fuzz", "tests", "build"}
    folders = {each for each in os.listdir(CC) if os.path.isdir(os.path.join(CC, each))}
    assert folders - others == set(BELOW)
