"""The sample data, read without the project's reader."""

import functools
import os

from support.commands import ROOT

SAMPLE = os.path.join(ROOT, "data", "sample")


def sample_path(split):
    return os.path.join(SAMPLE, f"{split}.txt")


@functools.cache
def read(split):
    """The sentences of a file as lists of [word, pos, chunk, tag], read without the project's
    reader.
    """
    with open(sample_path(split), encoding="utf-8") as lines:
        blocks = lines.read().rstrip("\n").split("\n\n")
    sentences = [[line.split(" ") for line in block.split("\n")] for block in blocks]
    return [rows for rows in sentences if rows[0][0] != "-DOCSTART-"]


def spans(tags):
    """The set of (start, end, type) that well-formed BIO tags mark."""
    found = set()
    for start, tag in enumerate(tags):
        if tag.startswith("B-"):
            end = start + 1
            while end < len(tags) and tags[end] == "I-" + tag[2:]:
                end += 1
            found.add((start, end, tag[2:]))
    return found


def entities(split):
    """All entities of a file as (surface form, type)."""
    for rows in read(split):
        for start, end, kind in spans([row[3] for row in rows]):
            yield " ".join(row[0] for row in rows[start:end]), kind
