"""The structure of the project: imports and includes run one way, a test imports no other test, and
lines end by column 100.
"""

import os

import pytest

from support import house
from support.commands import ROOT

TOPS = {"etc": 1, "benchmarks": 1, "inference": 1, "inference/python": 2, "inference/cc/fuzz": 3}


def test_imports_run_one_way():
    assert house.imports_upwards(ROOT) == []


def test_every_folder_of_modules_is_a_known_room():
    assert house.unknown_rooms(ROOT) == []


def test_no_circle_of_imports():
    assert house.circles(house.import_graph(ROOT)) == []


def test_no_test_imports_another():
    assert house.tests_that_import_tests(ROOT) == []


def test_includes_run_one_way():
    graph = house.include_graph(ROOT)
    assert sum(map(len, graph.values())) > 100  # they are found
    assert house.includes_upwards(graph) == []
    assert house.circles(graph) == []


def test_lines_end_by_column_100():
    assert house.long_lines(ROOT) == []


@pytest.mark.parametrize("folder", TOPS)
def test_every_top_adds_the_same_paths(folder, monkeypatch):
    """The _top.py of one folder can stand for that of another, whichever a process imports
    first.
    """
    path = os.path.join(ROOT, folder, "_top.py")
    names = {"__file__": path}
    monkeypatch.setattr("sys.path", ["script's own"])
    exec(compile(house.read(ROOT, f"{folder}/_top.py"), path, "exec"), names)
    import sys

    assert names["ROOT"] == ROOT
    assert sys.path == ["script's own", ROOT, os.path.join(ROOT, "inference")]


# ---------------------------------------------------------------- each check can fail


@pytest.fixture
def other(tmp_path):
    """A function that takes {path: text} and returns the top folder of a project with these
    files.
    """

    def write(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        return str(tmp_path)

    return write


COMMAND = 'import cli\n\n\nif __name__ == "__main__":\n    cli.run()\n'


def test_a_room_that_imports_a_later_room_is_found(other):
    top = other(
        {
            "features/feed.py": "",
            "files/text.py": "def late():\n    from features import feed\n",
            "training/fit.py": "import features.feed\n",
        }
    )
    (wrong,) = house.imports_upwards(top)
    assert wrong == "files/text.py:2: files/ imports features/feed.py, which is a later room's"


@pytest.mark.parametrize("path", ["tagging/tagger.py", "cli.py", "train.py"])
def test_whoever_imports_a_command_is_found(other, path):
    files = {"inference.py": COMMAND, "train.py": COMMAND, "cli.py": "", "inference/export.py": ""}
    (wrong,) = house.imports_upwards(other({**files, path: "from inference import Tagger\n"}))
    assert wrong == f"{path}:1: imports inference.py, which is a command or a script"
    (wrong,) = house.imports_upwards(other({**files, path: "import inference.export\n"}))
    assert wrong == f"{path}:1: imports inference/export.py, which is a command or a script"


def test_a_new_folder_of_modules_is_named(other):
    (wrong,) = house.unknown_rooms(other({"attic/box.py": "", "files/text.py": ""}))
    assert wrong.startswith("attic/: no room of ROOMS")


def test_a_circle_is_found(other):
    top = other({"cli.py": "import conll", "conll.py": "import tf1", "tf1.py": "import conll"})
    assert house.circles(house.import_graph(top)) == ["conll.py -> tf1.py -> conll.py"]
    assert house.circles({"a": {"a"}}) == ["a -> a"]
    assert house.circles({"a": {"b", "c"}, "b": {"c"}, "c": {}}) == []


def test_a_test_that_imports_a_test_is_found(other):
    files = {
        "test_bilm.py": COMMAND,
        "tests/test_a.py": "import test_bilm",
        "tests/test_b.py": "def test_b():\n    from test_a import x",
    }
    (wrong,) = house.tests_that_import_tests(other(files))
    assert wrong.startswith("tests/test_b.py:2: imports tests/test_a.py;")


def test_an_include_of_a_later_folder_is_found(other):
    files = {
        "base/json.h": '#include "text/vocab.h"\n',
        "text/vocab.h": "",
        "engine/engine.cc": '#include "engine.h"\n#include "base/json.h"\n',
        "engine/engine.h": '#  include "tensorflow/graph.h"\n',
        "tensorflow/graph.h": '#include "tensorflow/core/graph.h"\n',
    }
    graph = house.include_graph(other({f"inference/cc/{path}": files[path] for path in files}))
    assert graph["engine/engine.cc"] == {"engine/engine.h": 1, "base/json.h": 2}
    assert house.includes_upwards(graph) == [
        "base/json.h:1: includes text/vocab.h, of a later room",
        "engine/engine.h:1: includes tensorflow/graph.h, of a later room",
    ]


def test_a_long_line_is_found(other):
    long, short = "é" * 101, "é" * 100
    files = {"a.py": f"{short}\n# {long}\n", "b.cc": f"{long}\n", "unicode_lower.inc": long * 2}
    assert house.long_lines(other(files)) == ["a.py:2: 103 columns", "b.cc:1: 101 columns"]
