"""Probabilities are compared with enumeration of all tag sequences, and every form of output of
inference.py is checked.
"""

import itertools
import math
import os
import re
import types

import numpy as np
import pytest

import calibration
import conll
import schemes
from inference import Tagger
from layers.crf import log_partition
from support.commands import TINY, arguments, fit, no_spacy, sample, write_sample
from support.numeric import evaluate
from support.rows import NASTY, NASTY_FILES, TAG
from tagging import command, confidence, output
from tf1 import tf

BIO = ["O", "B-X", "I-X", "B-Y", "I-Y"]


# ---------------------------------------------------------------- the sums, against enumeration


def problem(seed, tags, batch=5, steps=4, scale=1.5):
    """Random emission scores (garbage after the ends), transition scores and lengths; one sentence
    is full, one has a single token.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, steps + 1, batch)
    lengths[0], lengths[-1] = steps, 1
    return rng.normal(0, scale, (batch, steps, tags)), lengths, rng.normal(0, scale, (tags, tags))


def enumerated(emissions, length, transitions, legal=None):
    """{path: probability} of one sentence, over its legal paths."""
    scores = {}
    for path in itertools.product(range(len(transitions)), repeat=int(length)):
        if legal and not (
            legal[0][path[0]]
            and legal[2][path[-1]]
            and all(legal[1][a][b] for a, b in zip(path, path[1:]))
        ):
            continue
        scores[path] = sum(emissions[t, tag] for t, tag in enumerate(path)) + sum(
            transitions[a, b] for a, b in zip(path, path[1:])
        )
    peak = max(scores.values())
    total = math.fsum(math.exp(score - peak) for score in scores.values())
    return {path: math.exp(score - peak) / total for path, score in scores.items()}


def tags_of(scheme):
    """A tag vocabulary of two types, or of one type where two would give too many paths."""
    if scheme == schemes.RAW:
        return ["O", "X", "Y"]
    if scheme == "bio":
        return BIO
    tags = schemes.scheme_tags(BIO, "bio", scheme)
    return tags[:5] if scheme in ("iobes", "bmes", "bilou") else tags


CASES = [
    (scheme, held, softmax)
    for scheme in (*schemes.SCHEMES, schemes.RAW)
    for held in (False, True)
    for softmax in (False, True)
]


@pytest.fixture(scope="module", params=CASES, ids=str)
def case(request):
    """A Chain, its scheme and tags, and the probabilities of all paths of each sentence."""
    scheme, held, softmax = request.param
    tags = tags_of(scheme)
    emissions, lengths, transitions = problem(len(scheme), len(tags))
    emissions[:, :, 0] -= 1  # more entities
    if softmax:
        transitions = np.zeros_like(transitions)
    legal = schemes.legal_transitions(tags, scheme) if held else None
    every = [enumerated(row, length, transitions, legal) for row, length in zip(emissions, lengths)]
    return confidence.chain(emissions, lengths, transitions, legal), scheme, tags, every


def test_marginals(case):
    chain, _, tags, every = case
    got = confidence.marginals(chain)
    for row, length, paths in zip(got, chain.lengths, every):
        for t, tag in itertools.product(range(length), range(len(tags))):
            assert row[t, tag] == pytest.approx(
                math.fsum(p for path, p in paths.items() if path[t] == tag), abs=1e-12
            )
        np.testing.assert_allclose(row[:length].sum(axis=-1), 1.0, rtol=1e-12)


def test_sequences(case):
    """The probabilities of the most and of the least probable sequence, and the sum over all of
    them.
    """
    chain, _, _, every = case
    for pick in (min, max):
        paths = [pick(paths, key=paths.get) for paths in every]
        padded = np.array([[*path, *[0] * (4 - len(path))] for path in paths])
        np.testing.assert_allclose(
            np.exp(confidence.sequence_log_probability(chain, padded)),
            [of[path] for of, path in zip(every, paths)],
            rtol=1e-10,
        )


def test_entities(case):
    """The probability of every possible entity is the sum over the sequences in which
    conll.entities reads it.
    """
    chain, scheme, tags, every = case
    expected = {}
    for k, paths in enumerate(every):
        for path, probability in paths.items():
            for span in schemes.entities([tags[i] for i in path], scheme):
                place = (k, *span)
                expected[place] = expected.get(place, 0.0) + probability
    spans = sorted(expected)
    assert len(spans) > 15
    got = confidence.entity_probabilities(chain, spans, confidence.edges(tags, scheme))
    np.testing.assert_allclose(got, [expected[span] for span in spans], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_the_n_best(case, count):
    """All sequences are returned if there are fewer than `count`."""
    chain, _, _, every = case
    paths, logs = confidence.nbest(chain, count)
    for rows, log, length, of in zip(paths, logs, chain.lengths, every):
        best = sorted(of.items(), key=lambda item: -item[1])[:count]
        assert np.isfinite(log).sum() == len(best)
        np.testing.assert_allclose(
            np.exp(log[: len(best)]), [probability for _, probability in best], rtol=1e-9
        )
        found = [tuple(row[:length]) for row in rows[: len(best)]]
        assert len(set(found)) == len(found)
        np.testing.assert_allclose(
            [of[path] for path in found], np.exp(log[: len(best)]), rtol=1e-9
        )


def test_of_equals_the_lower_tags_come_first():
    """Ties are decided as by viterbi in layers/crf.py."""
    chain = confidence.chain(np.zeros((1, 3, 2)), [3], np.zeros((2, 2)))
    paths, _ = confidence.nbest(chain, 8)
    assert [tuple(path) for path in paths[0]] == sorted(
        itertools.product((0, 1), repeat=3), key=lambda path: path[::-1]
    )


def test_temperature():
    emissions, lengths, transitions = problem(3, 3)
    hot = confidence.marginals(confidence.chain(emissions, lengths, transitions, temperature=2.5))
    want = confidence.marginals(confidence.chain(emissions / 2.5, lengths, transitions / 2.5))
    np.testing.assert_allclose(hot[0], want[0], rtol=1e-12)


@pytest.mark.parametrize(
    "emitted, moved", [(1e5, 1.0), (1.0, 1e4), (1e4, 1e4), (1e-30, 1e-30), (0.0, 0.0)]
)
def test_extreme_scores(emitted, moved):
    """The sums are right even where exp() of a difference underflows in float64, and nothing
    warns.
    """
    emissions, lengths, transitions = problem(5, 3, scale=1.0)
    emissions, transitions = emissions * emitted, transitions * moved
    with np.errstate(all="raise", under="ignore"):
        chain = confidence.chain(emissions, lengths, transitions)
        got = confidence.marginals(chain)
    for row, scores, length in zip(got, emissions, lengths):
        paths = enumerated(scores, length, transitions)
        for t, tag in itertools.product(range(length), range(3)):
            assert row[t, tag] == pytest.approx(
                math.fsum(p for path, p in paths.items() if path[t] == tag), abs=1e-9
            )


def test_a_very_long_sentence():
    """Of 10,000 tokens each fourth is certainly O, so the tokens between two of them can be
    enumerated alone.
    """
    rng = np.random.default_rng(0)
    emissions, transitions = rng.normal(0, 4, (1, 10_000, 5)), rng.normal(0, 1, (5, 5))
    emissions[0, 3::4, 0] = 1e5
    chain = confidence.chain(emissions, [10_000], transitions)
    got = confidence.marginals(chain)[0]
    np.testing.assert_allclose(got.sum(axis=-1), 1.0, rtol=1e-12)
    edges = confidence.edges(BIO, "bio")
    for start in (0, 4, 5000, 9996):
        paths = enumerated(emissions[0, start : start + 4], 4, transitions)
        if start:
            paths = enumerated(emissions[0, start - 1 : start + 4], 5, transitions)
            paths = {path[1:]: probability for path, probability in paths.items() if path[0] == 0}
        for t, tag in itertools.product(range(4), range(5)):
            expected = math.fsum(p for path, p in paths.items() if path[t] == tag)
            assert got[start + t, tag] == pytest.approx(expected, abs=1e-6)
        spans = [(a, b, kind) for a in range(3) for b in range(a + 1, 4) for kind in "XY"]
        read = [schemes.entities([BIO[i] for i in path], "bio") for path in paths]
        expected = [
            math.fsum(p for p, found in zip(paths.values(), read) if span in found)
            for span in spans
        ]
        given = [(0, start + a, start + b, kind) for a, b, kind in spans]
        np.testing.assert_allclose(
            confidence.entity_probabilities(chain, given, edges), expected, atol=1e-6
        )
    paths, logs = confidence.nbest(chain, 3)
    scores = [
        emissions[0, np.arange(10_000), path].sum() + transitions[path[:-1], path[1:]].sum()
        for path in paths[0]
    ]
    np.testing.assert_allclose(np.diff(scores), np.diff(logs[0]), atol=1e-5)
    assert (np.diff(logs[0]) < 0).all() and len({path.tobytes() for path in paths[0]}) == 3
    np.testing.assert_allclose(
        confidence.sequence_log_probability(chain, paths[:, 1]), logs[0, 1], atol=1e-5
    )


def test_the_graph_sums_the_same():
    """In layers/crf.py, the gradient of log Z is the marginals, for 10,000 tokens beside a short
    sentence.
    """
    rng = np.random.default_rng(1)
    emissions, transitions, lengths = (
        rng.normal(0, 4, (2, 10_000, 9)),
        rng.normal(0, 1, (9, 9)),
        np.array([10_000, 30], np.int32),
    )
    (want,) = evaluate(
        lambda e, t, n: tf.gradients(log_partition(e, t, n), [e]), emissions, transitions, lengths
    )
    got = confidence.marginals(confidence.chain(emissions, lengths, transitions))
    np.testing.assert_allclose(got[0], want[0], atol=1e-6)
    np.testing.assert_allclose(got[1, :30], want[1, :30], atol=1e-9)


# ---------------------------------------------------------------- a trained model


@pytest.fixture(scope="module")
def softmax(tmp_path_factory):
    """A model with a softmax and IOBES tags that has learned little."""
    flags = write_sample(tmp_path_factory.mktemp("softmax"), train=200, dev=30)
    trainer = fit(*flags, *TINY, "--tag_scheme", "iobes", "--epoch", 1)
    return os.path.join(trainer.config.checkpoint_dir, "ner_model")


@pytest.fixture(
    scope="module", params=["CRF", "CRF, constrained", "softmax", "softmax, constrained"]
)
def tagger(request, trained, softmax):
    return Tagger.load(
        trained.prefix if "CRF" in request.param else softmax,
        constrained="constrained" in request.param,
        threads=1,
    )


def sentences_of(text):
    """Columns as bytes -> conll.Sentences."""
    reader, parser = conll.BlockReader(), conll.SentenceParser("text", None)
    return [parser.parse(block) for block in [*reader.feed(text), *reader.close()] if block.rows]


TEXT = b"-DOCSTART- -X- O O\n\n" + b"".join(sample("test")[:60])


def test_a_tagger_against_enumeration(tagger):
    """All probabilities of sentences of two and three tokens, from the scores of the tagger's
    network.
    """
    given = sentences_of(
        b"".join(sentence for sentence in sample("test") if sentence.count(b"\n") in (3, 4))
    )[:6]
    assert len(given) == 6
    meta, found = tagger.meta, tagger.confident(given)
    best, logs = tagger.nbest(given, 5), tagger.log_probabilities(given)
    legal = (
        schemes.legal_transitions(meta["tags"], meta["tag_scheme"])
        if tagger.config.constrained
        else None
    )
    for sentence, of, several, log in zip(given, found, best, logs):
        ((_, _, (ids, logits)),) = tagger.in_batches([sentence], tagger.scores)
        length = len(sentence.words)
        paths = enumerated(logits[0].astype(float), length, tagger.transitions.astype(float), legal)
        path = tuple(ids[0, :length])
        for t, probability in enumerate(of.probabilities):
            assert probability == pytest.approx(
                math.fsum(p for other, p in paths.items() if other[t] == path[t]), abs=1e-6
            )
        assert math.exp(log) == pytest.approx(paths[path], abs=1e-6)
        spans = [
            schemes.entities([meta["tags"][i] for i in path], meta["tag_scheme"]) for path in paths
        ]
        for start, end, kind, probability in of.entities:
            expected = math.fsum(
                p for p, read in zip(paths.values(), spans) if (start, end, kind) in read
            )
            assert probability == pytest.approx(expected, abs=1e-6)
        np.testing.assert_allclose(
            [p for p, _ in several], sorted(paths.values())[:-6:-1], atol=1e-6
        )


def test_the_tags_are_those_without_confidence(tagger):
    given = sentences_of(TEXT)
    tags, best = tagger.tag(given), [paths[0] for paths in tagger.nbest(given, 2)]
    found = tagger.confident(given)
    assert [of.tags for of in found] == tags == [path for _, path in best]
    np.testing.assert_allclose(
        [p for p, _ in best], np.exp(tagger.log_probabilities(given)), rtol=1e-6
    )
    assert [[span[:3] for span in of.entities] for of in found] == [
        schemes.chunks(sentence) for sentence in tags
    ]


def test_temperature_of_a_tagger(trained):
    """A higher temperature makes the model less sure, and does not change the tags."""
    given = sentences_of(TEXT)
    cool = Tagger.load(trained.prefix, threads=1, temperature=0.5)
    hot = Tagger.load(trained.prefix, threads=1, temperature=4.0)
    assert cool.tag(given) == hot.tag(given)
    assert np.mean(cool.log_probabilities(given)) > np.mean(hot.log_probabilities(given))
    ((_, lengths, (_, logits)),) = hot.in_batches(given[1:2], hot.scores)
    paths, chain = (
        hot.nbest(given[1:2], 1),
        confidence.chain(logits / 4, lengths, hot.transitions / 4),
    )
    assert math.log(paths[0][0][0]) == pytest.approx(confidence.nbest(chain, 1)[1][0, 0], abs=1e-5)


# ---------------------------------------------------------------- what the command writes


@pytest.fixture(scope="module")
def crf(trained):
    return Tagger.load(trained.prefix, threads=1)


@pytest.fixture
def write(tmp_path):
    """A function: bytes and an OutputFormat -> bytes, by bulk mode from file to file."""

    def run(data, tagger, form):
        (tmp_path / "in.txt").write_bytes(data)
        command.run(
            tagger,
            arguments(input=str(tmp_path / "in.txt"), output=str(tmp_path / "out.txt")),
            form,
        )
        return (tmp_path / "out.txt").read_bytes()

    return run


NUMBER = rb"[01]\.\d{6}"


@pytest.mark.parametrize("name", NASTY_FILES)
def test_rows_of_confidence(crf, write, name):
    """Each row is that without --confidence plus two columns; an entity's probability stands on
    each of its tokens.
    """
    given = NASTY_FILES[name]
    out, plain = (write(given, crf, form) for form in (output.confidence_format(crf), None))
    cut = [
        re.sub(rb"(?<=.)[ \t]%b[ \t](%b|_)(\r?)$" % (NUMBER, NUMBER), rb"\2", row)
        for row in out.split(b"\n")
    ]
    assert [row.rstrip(b"\r") for row in cut] == [row.rstrip(b"\r") for row in plain.split(b"\n")]
    assert [row.endswith(b"\r") for row in out.split(b"\n")] == [
        row.endswith(b"\r") for row in given.split(b"\n")
    ]
    for row in filter(lambda row: row.strip(), out.split(b"\n")):
        tag, probability, of_entity = row.split()[-3:]
        assert 0 < float(probability) <= 1
        assert of_entity == b"_" if tag == b"O" else 0 < float(of_entity) <= 1


def test_confidence_in_every_mode(trained, crf, write, zygote):
    want = write(TEXT, crf, output.confidence_format(crf))
    assert want.startswith(b"-DOCSTART- -X- O O O 1.000000 _\n")
    bucket = zygote.run(
        "inference.py", "--mode", "bucket", "--restore", trained.prefix, "--confidence", stdin=TEXT
    )
    assert bucket.code == 0
    for row, other in zip(
        bucket.out.split(b"\n"), want.split(b"\n"), strict=True
    ):  # another batch may round otherwise
        (*cells, p, q), (*others, p_, q_) = row.split() or b"00", other.split() or b"00"
        assert cells == others and abs(float(p) - float(p_)) < 1e-5
        assert q == q_ or abs(float(q) - float(q_)) < 1e-5
    line = zygote.run(
        "inference.py",
        "--mode",
        "line",
        "--restore",
        trained.prefix,
        "--confidence",
        stdin=b"Peter sleeps in Rome.\n\n",
        path=[no_spacy(trained.folder)],
    )
    assert line.code == 0
    assert re.fullmatch(rb"(\S+ O O O %b %b (%b|_)\n){5}\n\n" % (TAG, NUMBER, NUMBER), line.out)


def test_nbest_output(crf, write, trained, zygote):
    """Each sentence comes three times, the first time with its usual tags; everything between
    sentences is kept.
    """
    given = TEXT + b"Peter NNP B-NP B-PER\r\nsleeps VBZ B-VP O\r"
    out = write(given, crf, output.nbest_format(crf, 3))
    parts = re.split(rb"(?m)^# (\d+) (\S+)(\r?)\n", out)
    assert parts.pop(0) == b""
    ranks, probabilities, rows = (
        [int(number) for number in parts[::4]],
        [float(number) for number in parts[1::4]],
        parts[3::4],
    )
    assert ranks == [1] + [1, 2, 3] * 61 and probabilities[0] == 1
    for k in range(1, len(ranks), 3):
        assert (
            sum(probabilities[k : k + 3]) <= 1
            and probabilities[k] >= probabilities[k + 1] >= probabilities[k + 2] > 0
        )
        assert len(set(rows[k : k + 3])) == 3
    assert b"".join([rows[0], *rows[1::3]]) == write(given, crf, None) + b"\n\r\n"
    assert parts[-2] == b"\r" and all(row.endswith((b"\n\n", b"\n\r\n")) for row in rows)
    assert (
        re.sub(
            rb"# \d \S+\n", b"#", write(b"\na O O O\n ", crf, output.nbest_format(crf, 2))
        ).count(b"\n \n")
        == 2
    )
    assert write(b"\n \r\n", crf, output.nbest_format(crf, 3)) == b"\n \r\n"
    done = zygote.run(
        "inference.py", "--mode", "bucket", "--restore", trained.prefix, "--nbest", 2, stdin=TEXT
    )
    assert done.code == 0 and done.out.count(b"# 1 ") == 61 and done.out.count(b"# 2 ") == 60


def test_nbest_of_a_token_has_no_more_than_the_tags(crf):
    (paths,) = crf.nbest(sentences_of(b"Rome NNP B-NP B-LOC\n"), 100)
    assert sorted(tags[0] for _, tags in paths) == sorted(crf.meta["tags"])
    assert math.fsum(probability for probability, _ in paths) == pytest.approx(1)


def test_the_least_confident_sentences(crf, write, trained, zygote, tmp_path):
    """The sentences are written unchanged, except for the blank line at the end, each once, the
    least confident first.
    """
    sentences = sample("test")[:60]
    given = b"-DOCSTART- -X- O O\n\n\n" + b"".join(
        sentences[:50] + sentences[:20] + sentences[50:]
    ).rstrip(b"\n")
    parsed = sentences_of(b"".join(sentences))
    logs = [crf.log_probabilities([sentence])[0] / len(sentence.words) for sentence in parsed]
    order = sorted(range(60), key=lambda i: logs[i])
    out = write(given, crf, output.least_confident_format(crf, 10))
    assert out == b"".join(sentences[i] for i in order[:10])
    everything = write(given, crf, output.least_confident_format(crf, 1000))
    assert sorted(everything.split(b"\n\n")) == sorted(set(b"".join(sentences).split(b"\n\n")))
    (tmp_path / "in.txt").write_bytes(given)
    done = zygote.run(
        "inference.py",
        "--restore",
        trained.prefix,
        "--input",
        tmp_path / "in.txt",
        "--least_confident",
        2,
    )
    assert done.out == b"".join(sentences[i] for i in order[:2]), done.err
    picked, blocks = (
        sentences_of(text)
        for text in (write(NASTY, crf, output.least_confident_format(crf, 100)), NASTY)
    )
    assert sorted(sentence.words for sentence in picked) == sorted(
        block.words for block in blocks if not block.is_docstart
    )


@pytest.mark.parametrize(
    "flags, message",
    [
        (
            "--confidence --nbest 2",
            "--confidence and --nbest: each has a form of output of its own; expected one of them",
        ),
        ("--confidence --least_confident 2", "--confidence and --least_confident"),
        ("--nbest 2 --least_confident 2", "--nbest and --least_confident"),
        ("--nbest 0", "--nbest 0: expected at least 1"),
        ("--least_confident -3", "--least_confident -3: expected at least 1"),
        ("--nbest two", "--nbest: invalid int value: 'two'"),
        ("--nbest 2 --mode line", "--nbest and --mode line: expected bulk or bucket mode"),
        (
            "--least_confident 2 --mode bucket",
            "--least_confident and --mode bucket: it looks at all sentences first, bulk mode was "
            "expected",
        ),
        ("--least_confident 2 --mode line", "bulk mode was expected"),
        ("--confidence --temperature 0", "--temperature 0.0: expected a number above 0"),
        ("--nbest 2 --temperature nan", "--temperature nan: expected a number above 0"),
        (
            "--temperature 2",
            "--temperature: it changes no tag; expected one of --confidence, --nbest and "
            "--least_confident beside it",
        ),
        ("--confidense", "did you mean --confidence?"),
    ],
)
def test_flags_that_do_not_go_together(trained, bare_zygote, flags, message):
    assert message in bare_zygote.mistake(
        "inference.py", "--restore", trained.prefix, *flags.split()
    )


# ---------------------------------------------------------------- etc/calibration.py


def test_calibration_error():
    """Two bins computed by hand: 0.2 and 0.4, one of them right; 0.9 and 1, both right."""
    events = calibration.Events(np.array([0.2, 0.4, 0.9, 1.0]), np.array([False, True, True, True]))
    assert calibration.calibration_error(events, 2) == pytest.approx(
        (2 * abs(0.3 - 0.5) + 2 * abs(0.95 - 1.0)) / 4
    )
    sizes, probable, right = calibration.bins_of(events, 2)
    assert (sizes.tolist(), right.tolist()) == (
        [2, 2],
        [0.5, 1.0],
    ) and probable.tolist() == pytest.approx([0.3, 0.95])
    assert (
        calibration.calibration_error(calibration.Events(np.zeros(0), np.zeros(0, bool)), 15) == 0
    )


def test_a_temperature_is_found_again():
    """Gold tags are drawn from a chain, whose scores the model then multiplies by 2.5. Scaling
    finds this factor, and the calibration error falls to nearly 0.
    """
    rng, tags = np.random.default_rng(0), BIO
    emissions, transitions = rng.normal(0, 1.5, (1500, 3, 5)), rng.normal(0, 1, (5, 5))
    gold = []
    for row in emissions:
        paths = enumerated(row, 3, transitions)
        gold.append(list(paths)[rng.choice(len(paths), p=list(paths.values()))])
    gold = np.array(gold)
    model = types.SimpleNamespace(
        transitions=transitions * 2.5,
        graph=types.SimpleNamespace(legal=None),
        edges=confidence.edges(tags, "bio"),
        meta={"tags": tags, "tag_scheme": "bio"},
    )
    ids = confidence.nbest(confidence.chain(emissions, [3] * 1500, transitions), 1)[0][:, 0]
    spans = [set(schemes.chunks([tags[i] for i in row])) for row in gold]
    parts = [calibration.Part(ids, emissions * 2.5, [3] * 1500, gold, spans)]
    temperature = calibration.fitted_temperature(model, parts)
    assert temperature == pytest.approx(2.5, rel=0.1)
    before = calibration.result_of("", model, parts, 1.0)
    after = calibration.result_of("", model, parts, temperature)
    for one, other in ((before.tokens, after.tokens), (before.entities, after.entities)):
        assert (
            calibration.calibration_error(one, 15) > 0.08
            and calibration.calibration_error(other, 15) < 0.04
        )
    assert after.nll < before.nll


def test_calibration_from_a_shell(trained, softmax, zygote, bare_zygote, tmp_path):
    (tmp_path / "gold.txt").write_bytes(b"-DOCSTART- -X- O O\n\n" + b"".join(sample("test")[:61]))
    given = [
        "etc/calibration.py",
        "--restore",
        softmax,
        trained.checkpoint,
        "--input",
        tmp_path / "gold.txt",
    ]
    done = zygote.run(*given, "--plot", tmp_path / "plot.png", "-j", 1)
    assert done.code == 0, done.err
    lines = done.out.decode().splitlines()
    assert "fitted on 31 sentences, figures in percent of 30 others, 15 bins" in lines[0]
    rows = [
        re.fullmatch(
            r"(softmax|CRF) (\S+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) "
            r"+([\d.]+) +([\d.]+)",
            line,
        )
        for line in lines[3:]
    ]
    assert [row[1] for row in rows] == ["softmax"] * 2 + ["CRF"] * 2
    assert [float(row[3]) == 1 for row in rows] == [True, False] * 2
    assert (
        rows[0][5] == rows[1][5] and rows[2][9] == rows[3][9]
    )  # accuracy does not change, but the probabilities do
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert "plot.txt/x.png: there is no folder" in bare_zygote.mistake(
        *given, "--plot", "plot.txt/x.png"
    )
    assert "--bins 0: expected at least 1" in bare_zygote.mistake(*given, "--bins", 0)
    (tmp_path / "gold.txt").write_bytes(sample("test")[0])
    assert "one sentence, expected two at least" in bare_zygote.mistake(*given)
    (tmp_path / "gold.txt").write_bytes(sample("test")[0] + b"Rome NNP B-NP LOC\n")
    assert "'LOC' is not O or PREFIX-TYPE" in bare_zygote.mistake(*given)
