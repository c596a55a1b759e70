"""How the house is built, read from the code itself: which file imports or includes which, and how
long the lines are. Each check takes the top folder and returns a list of what is wrong, one line
each.
"""

import ast
import os
import re
import subprocess

# Imports run one way: a room imports those before it in this list, never one after it.
ROOMS = ("files", "layers", "features", "scoring", "tagging", "training", "serving")
# The same for the folders of C++; folders in the same tuple do not include each other.
CC_ROOMS = (
    ("include",),
    ("base",),
    ("text",),
    ("tagging",),
    ("engine", "tensorflow"),
    ("library",),
    ("commands",),
    ("tests", "fuzz"),
)
# Scripts may import anything; nothing at the top or in a room imports them.
SCRIPTS = ("etc", "benchmarks", "inference", "docs", "docker")
MOST_COLUMNS = 100
GENERATED = ("unicode_lower.inc", "unicode_wordpiece.inc", "unicode_sentence.inc")


def source_files(top, *endings):
    """Paths below `top` that git knows or would add; without git, all files."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=top,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        paths = [
            os.path.relpath(os.path.join(folder, name), top)
            for folder, _, names in os.walk(top)
            for name in names
        ]
    else:
        paths = [path for path in done.stdout.splitlines() if os.path.exists(f"{top}/{path}")]
    return sorted(path for path in paths if path.endswith(endings))


def read(top, path):
    with open(os.path.join(top, path), encoding="utf-8") as stream:
        return stream.read()


# ---------------------------------------------------------------- Python


def modules(top):
    """{dotted name: path} of the modules that a file can import: those at the top and in the rooms,
    such as cli and features.feed.
    """
    found = {}
    for path in source_files(top, ".py"):
        parts = path.removesuffix(".py").split("/")
        if len(parts) <= 2 and parts[0] != "tests":
            found[".".join(part for part in parts if part != "__init__")] = path
    return found


def imports_of(text, known):
    """{path: line} of the known modules that a module imports anywhere in its text."""
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            if name in known:
                found.setdefault(known[name], node.lineno)
    return found


def import_graph(top):
    """{path: {imported path: line}} of the files at the top and in the rooms."""
    known = modules(top)
    return {
        path: imports_of(read(top, path), known)
        for path in known.values()
        if path.split("/")[0] not in SCRIPTS
    }


def is_command(text):
    """Whether a module runs as a script, that is, tests whether __name__ is "__main__"."""
    return any(
        isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        for node in ast.parse(text).body
    )


def imports_upwards(top):
    """Imports of a later room, and imports of a command or a script."""
    graph, wrong = import_graph(top), []
    commands = {path for path in graph if "/" not in path and is_command(read(top, path))}
    for path, imported in graph.items():
        for target, line in imported.items():
            room, other = (name.split("/")[0] for name in (path, target))
            if target in commands or other in SCRIPTS:
                wrong.append(f"{path}:{line}: imports {target}, which is a command or a script")
            elif room in ROOMS and other in ROOMS and ROOMS.index(room) < ROOMS.index(other):
                wrong.append(f"{path}:{line}: {room}/ imports {target}, which is a later room's")
    return wrong


def unknown_rooms(top):
    """Folders of modules that ROOMS does not name."""
    folders = {path.split("/")[0] for path in modules(top).values() if "/" in path}
    return [
        f"{folder}/: no room of ROOMS in tests/support/house.py"
        for folder in sorted(folders - {*ROOMS, *SCRIPTS})
    ]


def circles(graph):
    """The cycles of a graph {node: targets} that a depth-first search finds, each as "a -> b ->
    a".
    """
    found, done = [], set()

    def walk(node, way):
        if node in way:
            found.append(" -> ".join([*way[way.index(node) :], node]))
            return
        if node in done:
            return
        for target in sorted(graph.get(node, ())):
            walk(target, [*way, node])
        done.add(node)

    for node in sorted(graph):
        walk(node, [])
    return found


def tests_that_import_tests(top):
    """Tests that import another test, and shared helpers that import one."""
    paths = source_files(top, ".py")
    known = {
        os.path.basename(path).removesuffix(".py"): path
        for path in paths
        if re.fullmatch(r"tests/test_\w+\.py", path)
    }
    return [
        f"{path}:{line}: imports {target}; move what both need to tests/support"
        for path in paths
        if path.startswith("tests/")
        for target, line in imports_of(read(top, path), known).items()
    ]


# ---------------------------------------------------------------- C++


def includes_of(text):
    """{path in #include "...": line}."""
    return {
        found[1]: number
        for number, line in enumerate(text.split("\n"), 1)
        if (found := re.match(r'\s*#\s*include\s+"([^"]+)"', line))
    }


def include_graph(top, folder="inference/cc"):
    """{path below `folder`: {included path: line}}. An include is looked up beside the file, then
    from `folder`.
    """
    paths = [
        path.removeprefix(folder + "/")
        for path in source_files(top, ".cc", ".h", ".inc")
        if path.startswith(folder + "/")
    ]
    graph = {}
    for path in paths:
        graph[path] = {}
        for name, line in includes_of(read(top, f"{folder}/{path}")).items():
            beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
            target = next((candidate for candidate in (beside, name) if candidate in paths), None)
            if target:
                graph[path][target] = line
    return graph


def cc_rank(path):
    """The index of a path's folder in CC_ROOMS; None for a file in another folder."""
    folder = path.split("/")[0]
    return next((rank for rank, names in enumerate(CC_ROOMS) if folder in names), None)


def includes_upwards(graph):
    """Includes of a later folder, or of another folder with the same rank."""
    wrong = []
    for path, included in graph.items():
        for target, line in included.items():
            ranks = cc_rank(path), cc_rank(target)
            same = path.split("/")[0] == target.split("/")[0]
            if None not in ranks and not same and ranks[0] <= ranks[1]:
                wrong.append(f"{path}:{line}: includes {target}, of a later room")
    return wrong


# ---------------------------------------------------------------- lines


def long_lines(top):
    """Lines of more than MOST_COLUMNS characters, except in tables that our scripts write."""
    return [
        f"{path}:{number}: {len(line)} columns"
        for path in source_files(top, ".py", ".cc", ".h", ".inc")
        if not path.endswith(GENERATED)
        for number, line in enumerate(read(top, path).split("\n"), 1)
        if len(line) > MOST_COLUMNS
    ]
