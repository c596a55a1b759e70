"""The sample data are what etc/make_sample.py writes, well-formed, and hard enough that a word list
is a bad tagger.
"""

import collections
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from support.sample_data import SAMPLE, entities, read, sample_path, spans

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VECTORS = os.path.join(ROOT, "embeddings", "sample.50d.txt")
MIN_SENTENCES = {"train": 1000, "dev": 200, "test": 200}
TYPES = {"PER", "LOC", "ORG", "MISC"}


def column_is_bio(tags):
    before = "O"
    for tag in tags:
        if tag.startswith("I-") and before[2:] != tag[2:]:
            return False
        before = tag
    return True


def read_vectors(path):
    with open(path, encoding="utf-8") as lines:
        rows = [line.split(" ") for line in lines]
    return [row[0] for row in rows], np.array([row[1:] for row in rows], dtype=float)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with newly made files."""
    folder = tmp_path_factory.mktemp("made")
    run("make_sample.py", "--out_dir", str(folder))
    return folder


def run(script, *arguments, data=b""):
    """Runs a script of etc/ and returns what it prints."""
    command = [sys.executable, os.path.join(ROOT, "etc", script), *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("split", MIN_SENTENCES)
def test_sentences_are_what_the_script_makes(made, split):
    with open(sample_path(split), "rb") as committed:
        assert (made / "data" / "sample" / f"{split}.txt").read_bytes() == committed.read()


def test_vectors_are_what_the_script_makes(made):
    """The words are the same, and the numbers up to rounding, since linear algebra differs in its
    last bits between machines.
    """
    words, vectors = read_vectors(VECTORS)
    new_words, new_vectors = read_vectors(made / "embeddings" / "sample.50d.txt")
    assert words == new_words
    np.testing.assert_allclose(vectors, new_vectors, atol=1e-3)


def test_vectors_are_in_glove_format():
    words, vectors = read_vectors(VECTORS)
    assert vectors.shape == (len(words), 50) and len(set(words)) == len(words)
    assert all(word == word.lower() and not re.search("[1-9]", word) for word in words)
    assert 0.3 < vectors.std() < 0.5


def test_size():
    sizes = [
        os.path.getsize(path)
        for path in [VECTORS] + [os.path.join(SAMPLE, name) for name in os.listdir(SAMPLE)]
    ]
    assert sum(sizes) < 3_000_000


@pytest.mark.parametrize("split", MIN_SENTENCES)
def test_files_are_well_formed(split):
    sentences = read(split)
    assert len(sentences) >= MIN_SENTENCES[split]
    assert all(len(row) == 4 and all(row) for rows in sentences for row in rows)
    assert all(len(rows) <= 40 for rows in sentences)
    for column in (2, 3):
        assert all(column_is_bio([row[column] for row in rows]) for rows in sentences)
    assert {kind for _, kind in entities(split)} == TYPES
    with open(sample_path(split), encoding="utf-8") as lines:
        text = lines.read()
    assert (
        text.startswith("-DOCSTART- -X- -X- O\n\n")
        and text.endswith("\n")
        and not text.endswith("\n\n")
    )
    assert "\n\n\n" not in text and not re.search("DOCSTART.*\n[^\n]", text)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_many_names_are_new(split):
    known = {form for form, _ in entities("train")}
    forms = {form for form, _ in entities(split)}
    assert len(forms - known) / len(forms) > 0.35


def test_readme_tells_the_statistics():
    with open(os.path.join(SAMPLE, "README.md"), encoding="utf-8") as lines:
        table = [
            [cell.strip() for cell in line.split("|")[1:-1]]
            for line in lines
            if line.startswith("| ")
        ]
    told = {row[0]: row[1:] for row in table}
    assert told["sentences"] == [f"{len(read(split)):,}" for split in MIN_SENTENCES]
    assert told["tokens"] == [f"{sum(map(len, read(split))):,}" for split in MIN_SENTENCES]
    assert told["entities"] == [f"{len(list(entities(split))):,}" for split in MIN_SENTENCES]
    for kind in TYPES:
        assert told[kind] == [
            f"{[k for _, k in entities(split)].count(kind):,}" for split in MIN_SENTENCES
        ]


def test_some_new_words_have_a_vector_and_some_have_none():
    known = {row[0] for rows in read("train") for row in rows}
    names = {row[0] for rows in read("test") for row in rows if row[3] != "O" and row[0].isalpha()}
    new = {name.lower() for name in names - known}
    with_vector = new & set(read_vectors(VECTORS)[0])
    assert with_vector and new - with_vector


def test_names_of_several_words():
    lengths = collections.Counter(len(form.split()) for form, _ in entities("train"))
    assert all(lengths[n] > 20 for n in (1, 2, 3, 4))


def test_ambiguous_names():
    types, tags = collections.defaultdict(set), collections.defaultdict(set)
    for form, kind in entities("train"):
        types[form].add(kind)
    for rows in read("train"):
        for row in rows:
            tags[row[0]].add(row[3] == "O")
    assert sum(len(kinds) > 1 for kinds in types.values()) > 20
    assert sum(len(kinds) > 2 for kinds in types.values()) > 0
    assert all(
        len(tags[word]) == 2 for word in ("March", "Snow", "Hope", "Banks")
    )  # a name here, a word there


def chunk_f1(gold, predicted):
    """F1 in percent over sequences of tags."""
    right = found = there = 0
    for a, b in zip(gold, predicted):
        a, b = spans(a), spans(b)
        right, found, there = right + len(a & b), found + len(b), there + len(a)
    return 200 * right / (found + there)


def test_baseline_is_far_from_perfect_and_as_documented():
    """The F1 is computed here independently. spans() drops an I- without a B-, which differs a
    little from conlleval.
    """
    with open(sample_path("test"), "rb") as lines:
        data = lines.read()
    lines = run("baseline.py", sample_path("train"), data=data).decode().rstrip("\n").split("\n")
    assert [line.rpartition(" ")[0] for line in lines] == data.decode().rstrip("\n").split("\n")
    counts = collections.defaultdict(collections.Counter)
    for rows in read("train"):
        for word, _, _, tag in rows:
            counts[word][tag] += 1
    best = {word: tags.most_common(1)[0][0] for word, tags in counts.items()}
    expected = [[best.get(row[0], "O") for row in rows] for rows in read("test")]
    predicted = [
        line.rpartition(" ")[2] for line in lines if line and not line.startswith("-DOCSTART-")
    ]
    assert predicted == [tag for tags in expected for tag in tags]
    assert 45 < chunk_f1([[row[3] for row in rows] for rows in read("test")], expected) < 70


def test_baseline_takes_other_columns_and_reports_mistakes(tmp_path):
    train = tmp_path / "train.tsv"
    train.write_text("B-LOC\tMorlia\nO\tis\n\nO\tMorlia\n\nB-LOC\tMorlia\n")
    tagged = run("baseline.py", str(train), "--columns", "tag word", data=b"O\tMorlia\nO\tisles\n")
    assert tagged == b"O\tMorlia\tB-LOC\nO\tisles\tO\n"
    with pytest.raises(subprocess.CalledProcessError) as failure:
        run("baseline.py", str(tmp_path / "absent"))
    assert failure.value.returncode == 2 and failure.value.stderr.count(b"\n") == 1
