"""Probabilities and n best sequences of the C++ engine: they equal those of tagging/confidence.py
on the same scores, digit for digit in the output, and the sums over all tag sequences of tiny
chains.
"""

import copy
import functools
import io
import itertools
import json
import math
import re

import numpy as np
import pytest

import conll
import export
import schemes
from support.commands import SMALL, sample, write_sample
from support.rows import LONG, NASTY, NASTY_FILES
from support.serving import (
    binary_mistake,
    probe_bytes,
    python_package,
    run_binary,
    succeed,
    untrained,
)
from tagging import confidence, output, streams
from tagging.tagger import Tagger

BIO = ["O", "B-X", "I-X", "B-Y", "I-Y"]
pytestmark = pytest.mark.filterwarnings("ignore:the model was trained:UserWarning")
INSTRUCTIONS = ("avx512vbmi", "avx512", "avx2", "neon", "portable")


# ---------------------------------------------------------------- chains of their own


def tags_of(scheme):
    return ["O", "X", "Y"] if scheme == schemes.RAW else schemes.scheme_tags(BIO, "bio", scheme)


class Problem:
    """A chain with float32 scores, as the engine and as Python take it.

    emissions: (length, tags). transitions: (tags, tags), or None: a softmax. held: whether to
    well-formed sequences.
    """

    def __init__(self, scheme, emissions, transitions, held=False, temperature=1.0, count=3):
        self.tags, self.scheme, self.count = tags_of(scheme), scheme, count
        self.temperature, self.length = temperature, len(emissions)
        self.emissions = np.asarray(emissions, np.float32)
        tags = len(self.tags)
        self.transitions = np.zeros((tags, tags)) if transitions is None else transitions
        self.transitions = np.asarray(self.transitions, np.float32)
        self.legal = schemes.legal_transitions(self.tags, scheme) if held else None
        self.softmax = transitions is None and not held
        self.chain = confidence.chain(
            self.emissions[None], [self.length], self.transitions, self.legal, temperature
        )
        paths, logs = confidence.nbest(self.chain, count)
        existing = np.isfinite(logs[0]).sum()
        self.paths, self.logs = paths[0][:existing].tolist(), logs[0][:existing]
        kinds = confidence.edges(self.tags, scheme).kinds
        edge = 4  # tokens at the beginning and at the end whose spans are asked for
        places = [t for t in range(self.length) if min(t, self.length - 1 - t) < edge]
        self.spans = [
            (start, end, kind)
            for start in places
            for end in range(start + 1, min(start + 4, self.length) + 1)
            for kind in kinds
        ]

    def line(self):
        """The line for probe chain. Illegal transitions are marked as in an .etagger file."""
        legal = self.legal or ([True] * len(self.tags),)
        illegal = [np.where(allowed, 0.0, -1e9) for allowed in legal]
        begin, between, end = illegal if self.legal else (illegal[0], 0.0, illegal[0])
        scores = (self.transitions + between).astype(np.float32)
        given = {
            "tags": self.tags,
            "scheme": self.scheme,
            "temperature": self.temperature,
            "transitions": None if self.softmax else scores.ravel().tolist(),
            "begin": begin.tolist(),
            "end": end.tolist(),
            "emissions": self.emissions.ravel().tolist(),
            "ids": self.paths[0],
            "spans": self.spans,
            "count": self.count,
        }
        return json.dumps(given).encode() + b"\n"

    def check(self, answer):
        """Compares the engine with confidence.py, whose float64 logarithms are rounded to an ulp of
        the largest sum.
        """
        log_z = abs(float(self.chain.log_z[0]))
        near = {"rtol": 0, "atol": 1e-10 + 4 * np.finfo(float).eps * log_z}
        marginals = confidence.marginals(self.chain)[0][np.arange(self.length), self.paths[0]]
        np.testing.assert_allclose(answer["tags"], marginals, **near)
        edges = confidence.edges(self.tags, self.scheme)
        spans = [(0, *span) for span in self.spans]
        np.testing.assert_allclose(
            answer["spans"], confidence.entity_probabilities(self.chain, spans, edges), **near
        )
        assert [path[1:] for path in answer["paths"]] == self.paths
        np.testing.assert_allclose([path[0] for path in answer["paths"]], self.logs, **near)

    def check_by_enumeration(self, answer):
        """Compares the engine with exact sums over all paths."""
        scores, paths = [], []
        for path in itertools.product(range(len(self.tags)), repeat=self.length):
            pairs = list(zip(path, path[1:]))
            if self.legal and not (
                self.legal[0][path[0]]
                and self.legal[2][path[-1]]
                and all(self.legal[1][a][b] for a, b in pairs)
            ):
                continue
            own = [float(row[tag]) for row, tag in zip(self.emissions, path)]
            scores.append(math.fsum(own + [float(self.transitions[pair]) for pair in pairs]))
            paths.append(path)
        weights = np.exp((np.array(scores) - max(scores)) / self.temperature)
        weights /= math.fsum(weights)
        read = [set(schemes.entities([self.tags[i] for i in p], self.scheme)) for p in paths]
        for t, tag in enumerate(self.paths[0]):
            expected = math.fsum(w for w, path in zip(weights, paths) if path[t] == tag)
            assert answer["tags"][t] == pytest.approx(expected, abs=1e-10)
        for span, found in zip(self.spans, answer["spans"], strict=True):
            expected = math.fsum(w for w, of in zip(weights, read) if span in of)
            assert found == pytest.approx(expected, abs=1e-10)
        for found, expected in zip(answer["paths"], sorted(weights, reverse=True)):
            assert math.exp(found[0]) == pytest.approx(expected, abs=1e-10)


def random_problems(lengths, scales):
    """Chains in every scheme, constrained or not, with transitions or not."""
    rng = np.random.default_rng(1)
    for scheme, held, crf, length, (emitted, moved) in itertools.product(
        (*schemes.SCHEMES, schemes.RAW), (False, True), (False, True), lengths, scales
    ):
        tags = len(tags_of(scheme))
        yield Problem(
            scheme,
            rng.normal(0, emitted, (length, tags)),
            rng.normal(0, moved, (tags, tags)) if crf else None,
            held,
            temperature=rng.choice([1.0, 0.3, 2.5]),
            count=int(rng.integers(1, 9)),
        )


def ties():
    """Chains whose scores are all the same, or one of a few values."""
    rng = np.random.default_rng(2)
    for crf in (False, True):
        yield Problem("raw", np.zeros((4, 3)), np.zeros((3, 3)) if crf else None, count=90)
        for _ in range(5):
            emissions, transitions = rng.integers(0, 2, (6, 5)), rng.integers(0, 2, (5, 5))
            yield Problem("bio", emissions, transitions if crf else None, count=50)


def what_is_rounded_to_0():
    """Tags whose scores fall far below the others and rise again; each step alone is harmless."""
    for fall in (60, 100, 180, 229, 231, 500):
        for block in (1, 3, 8):
            emissions = np.zeros((4 * block, 3))
            emissions[:block, 1:] = emissions[2 * block : 3 * block, 1:] = -fall
            emissions[block : 2 * block, ::2] = emissions[3 * block :, :2] = -fall
            for apart in (1, 110, 116):
                yield Problem("raw", emissions, apart * (np.eye(3) - 1))


def long_problems():
    rng = np.random.default_rng(3)
    for scheme, held, crf in (("iobes", True, True), ("bio", False, False)):
        tags = len(tags_of(scheme))
        transitions = rng.normal(0, 1, (tags, tags)) if crf else None
        yield Problem(scheme, rng.normal(0, 4, (10_000, tags)), transitions, held)


def answers(problems, instructions=""):
    lines = b"".join(problem.line() for problem in problems)
    return map(json.loads, probe_bytes("chain", lines, instructions))


def known_instructions():
    return [name for name in INSTRUCTIONS if run_binary("probe", "chain", name).code == 0]


CHAINS = {
    "like a model's": lambda: random_problems((1, 2, 3, 17), [(3.0, 1.0)]),
    "extreme": lambda: random_problems(
        (1, 12), [(1e4, 1.0), (1.0, 1e4), (1e4, 1e4), (100.0, 30.0)]
    ),
    "ties": ties,
    "rounded to 0": what_is_rounded_to_0,
    "long": long_problems,
}


@pytest.mark.parametrize("kind", CHAINS)
def test_chains_as_in_python(kind):
    problems = list(CHAINS[kind]())
    for instructions in known_instructions() if kind != "long" else [""]:
        for problem, answer in zip(problems, answers(problems, instructions), strict=True):
            problem.check(answer)


def test_tiny_chains_against_enumeration():
    problems = [
        problem
        for problem in random_problems((1, 3), [(1.5, 1.5), (1e4, 1e4), (1e4, 1.0)])
        if len(problem.tags) <= 9
    ]
    for problem, answer in zip(problems, answers(problems), strict=True):
        problem.check_by_enumeration(answer)


@pytest.mark.parametrize(
    "name, value", [("emissions", 1e39), ("emissions", -1e39), ("transitions", 1e39)]
)
def test_scores_that_are_no_numbers(name, value):
    """Scores that are infinite in float32 give an error instead of an invalid probability."""
    given = json.loads(Problem("bio", np.zeros((2, 5)), np.zeros((5, 5))).line())
    given[name][3] = value
    message = binary_mistake("probe", "chain", stdin=json.dumps(given).encode() + b"\n")
    assert "the model gives scores that are no numbers; export it again" in message


def test_scores_that_allow_nothing():
    given = json.loads(Problem("bio", np.zeros((2, 5)), np.zeros((5, 5))).line())
    given["begin"] = [-1e9] * 5
    message = binary_mistake("probe", "chain", stdin=json.dumps(given).encode() + b"\n")
    assert "the model gives scores that allow no tag sequence" in message


# ---------------------------------------------------------------- models


class Pair:
    """A checkpoint's Tagger, and the engine's file."""

    def __init__(self, prefix, folder, constrained=False):
        self.tagger = Tagger.load(prefix, constrained=constrained, threads=1)
        self.file = str(folder / "model.etagger")
        export.write_engine_file(prefix, self.file, constrained)

    def engine(self, data, *flags):
        return succeed(run_binary("etagger", self.file, *flags, stdin=data)).out

    def python(self, data, form, instructions="", temperature=1.0):
        """What inference.py would write of columns (bytes), had its network given the engine's
        scores. form: a function: Tagger -> OutputFormat.
        """
        known = self._scores(data, instructions)
        tagger = copy.copy(self.tagger)
        tagger.temperature = temperature

        def in_batches(given, _):
            for i, sentence in enumerate(given):
                if sentence.words and not sentence.is_docstart:
                    yield [i], [len(sentence.words)], known[_key(sentence)]

        tagger.in_batches = in_batches
        out, reader = io.BytesIO(), conll.BlockReader()
        work = streams.ColumnTagger(tagger, "<stdin>", None, out, form(tagger))
        work.process(reader.feed(data))
        work.close(reader.close())
        return out.getvalue()

    @functools.cache  # noqa: B019, of a few texts
    def _scores(self, data, instructions):
        """{columns of a sentence: [tag ids, (1, tokens); emission scores, (1, tokens, tags)]} of
        the engine, a sentence at a time.
        """
        parser = conll.SentenceParser("<stdin>", None, self.tagger.meta["columns"])
        reader = conll.BlockReader()
        blocks = [*reader.feed(data), *reader.close()]
        sentences = [parser.parse(block) for block in blocks if block.rows]
        rows = probe_bytes("emissions", data, self.file, instructions, 1)
        text = b"".join(row + b"\n" for row in rows)
        ids = probe_bytes("decode", text, self.file, instructions)
        scores = text.split(b"\n\n")[:-1]
        known = {}
        for sentence, own, best in zip(sentences, scores, ids, strict=True):
            logits = np.array([row.split() for row in own.split(b"\n")], np.float32)
            known[_key(sentence)] = np.array([best.split()], int), logits[None]
        return known


def _key(sentence):
    return tuple(tuple(column or ()) for column in (sentence.words, sentence.pos, sentence.chunks))


MODELS = ("CRF", "CRF, constrained", "softmax", "softmax, constrained")


@pytest.fixture(scope="module")
def pair(trained, tmp_path_factory):
    """A function: one of MODELS -> its Pair. The softmax has random weights and IOBES tags."""
    pairs = {}

    def make(name):
        if name not in pairs:
            folder, prefix = tmp_path_factory.mktemp("model"), trained.prefix
            if "softmax" in name:
                flags = [*write_sample(folder, train=100, dev=5), *SMALL, "--use_crf", "False"]
                prefix = untrained(
                    folder / "checkpoint" / "ner_model", *flags, "--tag_scheme", "iobes", scale=2.0
                )
            pairs[name] = Pair(prefix, folder, "constrained" in name)
        return pairs[name]

    return make


TEXT = b"".join(sample("test")[:40]) + NASTY.replace(LONG, b"".join(LONG.splitlines(True)[:300]))


@pytest.mark.parametrize("name", MODELS)
def test_the_digits_of_python(pair, name):
    """--confidence and --nbest are the same bytes as Python's on the engine's own emission
    scores.
    """
    pair = pair(name)
    for instructions in ("", "portable"):
        flags = ["--batch_size", 1, *(["--instructions", instructions] if instructions else [])]
        temperature = 2.5 if instructions else 1.0
        hot = [*flags, "--temperature", temperature]
        expected = pair.python(TEXT, output.confidence_format, instructions, temperature)
        assert pair.engine(TEXT, *hot, "--confidence") == expected
        expected = pair.python(
            TEXT, lambda tagger: output.nbest_format(tagger, 4), instructions, temperature
        )
        assert pair.engine(TEXT, *hot, "--nbest", 4) == expected


@pytest.mark.parametrize("name", NASTY_FILES)
def test_rows_of_every_file(pair, name):
    pair, data = pair("CRF"), NASTY_FILES[name].replace(LONG, b"")
    for form, *flags in (
        (output.confidence_format, "--confidence"),
        (lambda tagger: output.nbest_format(tagger, 2), "--nbest", 2),
    ):
        assert pair.engine(data, "--batch_size", 1, *flags) == pair.python(data, form)


@pytest.mark.parametrize("flags", [("--confidence",), ("--nbest", 3), ("--json", "--confidence")])
def test_threads_write_the_same(pair, flags):
    data = (TEXT + b"\n\n") * 30
    assert len(data) > 1 << 18
    one, several = (pair("CRF").engine(data, *flags, "-j", threads) for threads in (1, 4))
    assert one == several and one.count(b"\n") > 1000


def test_near_the_scores_of_tensorflow(pair):
    """The engine rounds recurrent weights; the tags are the same."""
    pair, data = pair("CRF"), b"".join(sample("test"))
    out = io.BytesIO()
    reader, work = (
        conll.BlockReader(),
        streams.ColumnTagger(
            pair.tagger, "<stdin>", None, out, output.confidence_format(pair.tagger)
        ),
    )
    work.process([*reader.feed(data), *reader.close()])
    count = 0
    for row, other in zip(
        out.getvalue().split(b"\n"), pair.engine(data, "--confidence").split(b"\n"), strict=True
    ):
        (*cells, p, q), (*others, p_, q_) = row.split() or b"00", other.split() or b"00"
        assert cells == others and abs(float(p) - float(p_)) < 1e-3
        assert q == q_ or abs(float(q) - float(q_)) < 1e-3
        count += q not in (b"_", 48)
    assert count > 100


def test_scores_in_lines_and_in_json(pair):
    """A line of raw text has the same probabilities as its words in columns; JSON has those of the
    entities.
    """
    pair = pair("CRF")
    text = b"\xef\xbb\xbfKlivian painter Sumogetti left Vremland.\n\n  \nNobody\r\n"
    lines = pair.engine(text, "--line", "--confidence")
    plain = pair.engine(text, "--line")
    number = rb"[01]\.\d{6}"
    assert re.sub(rb"(?m) %b (%b|_)$" % (number, number), b"", lines) == plain
    rows = [row.split() for row in lines.split(b"\n") if row.strip()]
    found = [
        json.loads(line, parse_float=str)
        for line in pair.engine(text, "--line", "--json", "--confidence").splitlines()
    ]
    without = [json.loads(line) for line in pair.engine(text, "--line", "--json").splitlines()]
    scores = [entity.pop("score") for line in found for entity in line["entities"]]
    assert found == without and scores
    assert all(re.fullmatch(r"[01]\.\d{6}", score) for score in scores)
    # an entity's score is in the last column of each of its rows
    column = [row[-1].decode() for row in rows if row[-1] != b"_"]
    assert [score for score, _ in itertools.groupby(column)] == scores
    in_columns = pair.engine(TEXT, "--json", "--confidence").splitlines()
    confident = pair.engine(TEXT, "--confidence")
    assert {
        e["score"] for line in in_columns for e in json.loads(line, parse_float=str)["entities"]
    } == {row.split()[-1].decode() for row in confident.split(b"\n") if row.strip()} - {"_"}


def test_pieces_of_a_long_line_are_one_sentence(pair):
    """The first 100,000 words are tagged together; the entities of the rest have their places in
    the line.
    """
    pair, word = pair("CRF"), b"Sumogetti left "
    line = word * 50_002 + b"\n"
    out = pair.engine(line, "--line", "--confidence")
    assert out.count(b"\n") == 100_005
    assert [row.rsplit(b" ", 2)[0] for row in out.split(b"\n")] == pair.engine(
        line, "--line"
    ).split(b"\n")
    (found,) = pair.engine(line, "--line", "--json", "--confidence").splitlines()
    (without,) = pair.engine(line, "--line", "--json").splitlines()
    entities = json.loads(found)["entities"]
    assert len(entities) > 40_000
    assert [{k: e[k] for k in e if k != "score"} for e in entities] == json.loads(without)[
        "entities"
    ]


@pytest.mark.parametrize(
    "flags, message",
    [
        (
            "--confidence --nbest 2",
            "--confidence and --nbest: each has a form of output of its own; expected one of them",
        ),
        ("--json --nbest 2", "--json and --nbest: each has a form of output of its own"),
        ("--nbest 0", "--nbest 0: expected at least 1"),
        ("--nbest 1001", "--nbest 1001: expected 1 to 1,000; time and memory grow with it"),
        ("--nbest two", "--nbest two: expected a whole number"),
        ("--nbest 2 --line", "--nbest and --line: expected a sentence in columns"),
        ("--confidence --temperature 0", "--temperature 0: expected a number above 0"),
        ("--nbest 2 --temperature nan", "--temperature nan: expected a number above 0"),
        ("--nbest 2 --temperature hot", "--temperature hot: expected a number"),
        (
            "--temperature 2",
            "--temperature: it changes no tag; expected one of --confidence and --nbest beside it",
        ),
    ],
)
def test_flags_that_do_not_go_together(pair, flags, message):
    assert message in binary_mistake("etagger", pair("CRF").file, *flags.split())


# ---------------------------------------------------------------- the library


@pytest.fixture(scope="module")
def etagger():
    return python_package()


def given_sentences():
    """Columns of a few sentences: [words, POS tags, chunk tags] each."""
    sentences = [
        [row.decode().split() for row in block.splitlines() if row] for block in sample("test")[:30]
    ]
    return [[list(column) for column in list(zip(*rows))[:3]] for rows in sentences]


@pytest.mark.parametrize("name", MODELS)
def test_the_wheel_gives_what_the_command_writes(pair, etagger, name):
    pair, sentences = pair(name), given_sentences()
    data = b"".join(sample("test")[:30])
    rows = pair.engine(data, "--batch_size", 1, "--confidence", "--temperature", 1.5).split(b"\n")
    written = [row.decode().split()[-3:] for row in rows if row]
    readings = pair.engine(data, "--batch_size", 1, "--nbest", 3, "--temperature", 1.5)
    best = iter(re.split(rb"(?m)^# \d (\S+)\n", readings)[1:])
    with etagger.load(pair.file) as model:
        for columns in sentences:
            words = columns[0]
            found = model.confident(*columns, temperature=1.5)
            assert found.tags == model.tag(*columns)
            of_entities = ["_"] * len(words)
            for kind, start, end, text, score in found.entities:
                assert text == " ".join(words[start:end])
                of_entities[start:end] = [f"{score:.6f}"] * (end - start)
                assert {tag.partition("-")[2] for tag in found.tags[start:end]} == {kind}
            own = [
                [tag, f"{p:.6f}", q]
                for tag, p, q in zip(found.tags, found.probabilities, of_entities, strict=True)
            ]
            assert own == written[: len(words)]
            del written[: len(words)]
            for probability, tags in model.nbest(words, 3, *columns[1:], temperature=1.5):
                assert f"{probability:.6g}" == next(best).decode()
                assert tags == [row.decode().split()[-1] for row in next(best).splitlines() if row]
    assert not written and next(best, None) is None


def test_every_reading_of_a_word(pair, etagger):
    pair = pair("CRF")
    with etagger.load(pair.file) as model:
        readings = model.nbest(["Rome"], 1000, ["NNP"], ["B-NP"])
        assert sorted(tags[0] for _, tags in readings) == sorted(model.tags)
        assert math.fsum(p for p, _ in readings) == pytest.approx(1)
        assert model.confident(["-DOCSTART-"]) == (["O"], [1.0], [])
        assert model.nbest(["-DOCSTART-"], 5) == [(1.0, ["O"])]
        assert model.confident([]) == ([], [], []) and model.nbest([], 5) == [(1.0, [])]


def test_what_is_no_temperature_or_count(pair, etagger):
    with etagger.load(pair("CRF").file) as model:
        for call, message in (
            (lambda: model.nbest(["a"], 0), "count 0: expected 1 to 1,000"),
            (lambda: model.nbest(["a"], 1001), "count 1001: expected 1 to 1,000"),
            (lambda: model.nbest(["a"], 2.0), "count 2.0: expected 1 to 1,000"),
            (lambda: model.nbest("a", 2), "words: expected a list of str"),
            (lambda: model.confident(["a", ""]), "word 2 of sentence 1 is empty"),
            (lambda: model.confident(["a"], ["b", "c"]), "pos: 2 column values for 1 words"),
            (lambda: model.confident(["a"], temperature=-1), "expected a number above 0"),
            (lambda: model.confident(["a"], temperature=math.nan), "expected a number above 0"),
            (lambda: model.confident(["a"], temperature="1"), "temperature '1': expected a number"),
        ):
            with pytest.raises(etagger.Error) as caught:
                call()
            assert message in str(caught.value)
