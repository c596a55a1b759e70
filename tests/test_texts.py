"""From texts to entities: the wheel and the toolkit give the same places in every unit, whatever
the text, and inference.py --json gives the lines of etagger --json.
"""

import copy
import functools
import html
import io
import itertools
import json
import os
import pickle
import random
import re
import threading
import types

import pytest

import conll
import export
import schemes
from cli import UserError
from config import Config
from features.sentences import sentence_spans
from features.tokenizer import TOKENIZERS, tokenize
from support.commands import SMALL
from support.corpora import NASTY_PIECES
from support.serving import binary, python_package, run_binary, untrained
from tagging import output, streams
from tagging.tagger import Tagger
from training import data

UNITS = ("codepoints", "utf16", "bytes")
WORDS = [
    *("Ana", "Quito", "10", "left", ".", ",", "Mr", "U.S.", "😀", "🇨🇭", "e\u0301", "שלום", "東京"),
    *("\ufeff", "\u200f", "don't", "a\0b", "\udcff", "(", ")"),
]
TEXTS = [
    "",
    " \r\n\n\t\u3000",
    "Ana left Quito.",
    "\ufeffAna left.\r\nQuito 😀 Ana\u0301 Quito.\r\n",
    "\ufeff\ufeff Ana \ufeffQuito",
    "👩‍👧 Ana 🇨🇭Quito😀, 😀😀 Ana.",
    "e\u0301\u0301 Ana\u0308 (Quito\u0301)",
    "\u200fשלום Ana \u202bעולם Quito\u202c!",
    "Ana\0 \0Quito \0",
    "Mr. Ana left. Quito left the U.S. Ana came? Yes.\u2028Quito\u2029Ana",
    "-DOCSTART-\nAna\n-docstart-",
    b"\xff\xfe Ana \xe2\x82 Quito\xf0\x9f\x98 \xc0\x80Ana\xed\xa0\x80 \xef\xbb Quito",
    b"\xef\xbb\xbfAna \xef\xbb\xbf\xff\r\nQuito \xf0\x9f\x98\x80 Ana",
    "Ana \udcc3\udca9 Quito\ud83d \ude00 Ana \udcff",
    "明天上海的天气怎么样？ 我在\u3000东京。\n好",
    " ".join(["Ana left Quito ."] * 40),
]


def two_columns(tmp, tokens, name):
    """The Tagger and the .etagger file of a model of random weights that is trained with these
    tokens.
    """
    rng, rows = random.Random(1), []
    for _ in range(20):
        rows += [f"{rng.choice(tokens)} {tag}" for tag in ("B-PER", "I-PER", "O", "B-LOC", "O")]
        rows.append("")
    (tmp / "train.txt").write_text("\n".join(rows) + "\n", encoding="utf-8")
    path = tmp / "train.txt"
    prefix = untrained(tmp / "ner_model", "--train_path", path, "--dev_path", path, *SMALL, seed=5)
    export.write_engine_file(prefix, str(tmp / f"{name}.etagger"), False)
    return Tagger.load(prefix), str(tmp / f"{name}.etagger"), prefix


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A function that takes "words" or "characters" and returns (Tagger, the wheel's Model,
    .etagger file).
    """
    binary("etagger")
    made = {}

    def make(name):
        if name not in made:
            tokens = {
                "words": "Ana Quito left 10 .".split(),
                "characters": [*"明天上海气我在京。A"],
            }
            tagger, path, _ = two_columns(tmp_path_factory.mktemp(name), tokens[name], name)
            made[name] = tagger, python_package().load(path), path
        return made[name]

    return make


def test_the_tokenizer_is_that_of_the_training_data():
    """auto chooses characters if every token is one character; a base letter with its accent is
    two.
    """
    sentences = {
        kind: [conll.Sentence(1, words.split(), None, None, None)]
        for kind, words in (("characters", "明 a 😀 ."), ("words", "明 e\u0301 a"))
    }
    for kind, given in sentences.items():
        assert data._tokenizer(Config(), given) == kind
        for named in TOKENIZERS:
            assert data._tokenizer(Config(tokenizer=named), given) == named


# ---------------------------------------------------------------- the reference


def as_str(text):
    return text.decode(errors="surrogateescape") if isinstance(text, bytes) else text


def units(part, offsets):
    """The length of a text in units of `offsets`, where a lone surrogate counts as one."""
    part = re.sub("[\ud800-\udfff]", "?", part)
    if offsets == "utf16":
        return len(part.encode("utf-16-le")) // 2
    return len(part.encode()) if offsets == "bytes" else len(part)


@functools.cache
def entities_of(tagger, words):
    """The entities of a sentence, as (start, end, type) in words."""
    tags = tagger.tag([conll.Sentence(1, list(words), None, None, None)])[0] if words else []
    return schemes.entities(tags, tagger.meta["data_scheme"])


def sentences_of(tagger, text, split):
    """Of each sentence of a text, a str: where it begins, and its tokens."""
    found, at = [], 0
    for number, line in enumerate(text.split("\n")):
        begin = at
        if number == 0 and line.startswith("\ufeff"):
            line, begin = line[1:], at + 1
        at = begin + len(line) + 1
        for start, end in sentence_spans(line) if split else [(0, len(line))]:
            found.append((begin + start, tokenize(line[start:end], tagger.meta["tokenizer"])))
    return found


def tokens_in(tagger, text, split):
    """How many tokens a text has."""
    return sum(len(words) for _, words in sentences_of(tagger, as_str(text), split))


def expected(tagger, text, split, offsets):
    """(type, start, end, text) of each entity, by the slow way: lines, sentences, the tokens of
    each found again in the text, their tags, their chunks.
    """
    text, found = as_str(text), []
    for place, words in sentences_of(tagger, text, split):
        spans = []
        for word in words:
            place = text.index(word, place)
            spans.append((place, place + len(word)))
            place += len(word)
        for first, last, kind in entities_of(tagger, tuple(words)):
            a, b = spans[first][0], spans[last - 1][1]
            found.append((kind, units(text[:a], offsets), units(text[:b], offsets), text[a:b]))
    return found


def alike(ours, theirs):
    """Whether two lists of TextEntity are equal, with scores within 1e-3."""
    assert [entity[:4] for entity in ours] == [entity[:4] for entity in theirs]
    assert all(abs(a.score - b.score) < 1e-3 for a, b in zip(ours, theirs))
    return True


def check(tagger, model, text):
    """Compares the entities of a text with the expected ones. Returns their number."""
    count = 0
    for split, offsets in itertools.product((False, True), UNITS):
        want = expected(tagger, text, split, offsets)
        given = {"split": split, "offsets": offsets}
        ours, theirs = model(text, **given), tagger(text, **given)
        assert [entity[:4] for entity in ours] == want, (text, given)
        assert alike(ours, theirs) and all(0 <= entity.score <= 1 for entity in ours)
        assert ours.tokens == theirs.tokens == tokens_in(tagger, text, split)
        for one in (model, tagger)[: 1 + (offsets == "utf16")]:
            found = one(text, **given, scores=False)
            assert [tuple(entity) for entity in found] == [(*entity, None) for entity in want]
        count += len(want)
    return count


# ---------------------------------------------------------------- places


@pytest.mark.parametrize("name", ["words", "characters"])
def test_places_of_every_kind_of_text(models, name):
    tagger, model, _ = models(name)
    assert model.tokenizer == tagger.meta["tokenizer"] == name
    assert model.types == ["LOC", "PER"]
    assert sum(check(tagger, model, text) for text in TEXTS) > 300


@pytest.mark.parametrize("name", ["words", "characters"])
def test_places_in_random_texts(models, name):
    rng, (tagger, model, _) = random.Random(name), models(name)
    pieces = [*WORDS, " ", " ", "\n", "\r\n", ". ", "? A", "Ana ", *map(as_str, NASTY_PIECES)]
    texts = ["".join(rng.choices(pieces, k=rng.randrange(30))) for _ in range(30)]
    texts += [rng.randbytes(rng.randrange(40)) for _ in range(10)]
    texts += [text.encode(errors="surrogateescape") for text in texts[:10]]
    for offsets, split in itertools.product(UNITS, (False, True)):
        given = {"split": split, "offsets": offsets}
        ours = list(model.pipe(texts, **given))
        assert all(map(alike, ours, tagger.pipe(texts, **given, batch=7)))
        assert [found.tokens for found in ours] == [
            tokens_in(tagger, text, split) for text in texts
        ]
        assert [[entity[:4] for entity in found] for found in ours] == [
            expected(tagger, text, split, offsets) for text in texts
        ]


def test_pipe_gives_what_the_calls_give(models):
    """The results come in order, for any iterable, with one thread or many, whatever the batch."""
    tagger, model, _ = models("words")
    texts = TEXTS * 3 + ["Ana. \n" * 9000]
    one_by_one = [model(text, split=True) for text in texts]
    assert sum(map(len, one_by_one)) > 500
    tokens = [tokens_in(tagger, text, True) for text in texts]
    assert [found.tokens for found in one_by_one] == tokens and tokens[-1] == 18_000
    for threads, batch in ((1, 256), (0, 5), (3, 1), (4, 1000)):
        found = list(model.pipe(iter(texts), split=True, threads=threads, batch=batch))
        assert all(map(alike, found, one_by_one))
        assert [each.tokens for each in found] == tokens
    endless = itertools.cycle(texts[:5])
    assert len(list(itertools.islice(model.pipe(endless, batch=3), 20))) == 20
    assert len(list(itertools.islice(tagger.pipe(endless, batch=3), 20))) == 20
    assert list(model.pipe([])) == list(tagger.pipe([])) == []


def test_a_line_of_more_words_than_a_sentence_may_have(models):
    """It is tagged in pieces, and no word is lost."""
    _, model, _ = models("words")
    text = "Ana Quito left . " * 30_000
    found = model(text, scores=False)
    assert len(found) > 10_000 and found.tokens == 120_000
    assert all(text[entity.start : entity.end] == entity.text for entity in found)
    assert [entity.start for entity in found] == sorted(entity.start for entity in found)
    assert found[-1].end > len(text) - 100


@pytest.mark.parametrize("name", ["words", "characters"])
def test_nbest_of_a_text(models, name):
    """Both give the same readings, as do the tags of the words; the best one is that of the
    call.
    """
    tagger, model, _ = models(name)
    for text in [text for text in TEXTS if len(as_str(text).split("\n")) == 1][:10]:
        words = tokenize(as_str(text).removeprefix("\ufeff"), tagger.meta["tokenizer"])
        sentence = conll.Sentence(1, words, None, None, None)
        want = tagger.nbest([sentence], 5)[0] if words else [(1.0, [])]
        for offsets in UNITS:
            ours = model.nbest_text(text, 5, offsets=offsets)
            theirs = tagger.nbest_text(text, 5, offsets=offsets)
            assert ours[0].entities == model(text, offsets=offsets, scores=False)
            assert len(ours) == len(theirs) == len(want)
            for one, other, (probability, tags) in zip(ours, theirs, want):
                assert abs(one.probability - probability) < 1e-3
                assert abs(other.probability - probability) < 1e-6
                kinds = [kind for *_, kind in schemes.entities(tags, "bio")]
                assert [entity.type for entity in one.entities] == kinds
                assert one.entities == other.entities
    for one in (tagger, model):
        with pytest.raises(ValueError if one is model else UserError, match="several lines"):
            one.nbest_text("Ana\nQuito 明\n", 2)
        with pytest.raises(
            ValueError if one is model else UserError, match="expected 1 to|least 1"
        ):
            one.nbest_text("Ana", 0)


@pytest.mark.parametrize("name", ["words", "characters"])
def test_a_text_is_rendered(models, name):
    """What a notebook shows: the text as it is, but for the marks, and each entity in one."""
    _, model, _ = models(name)
    count = 0
    for text, split, scores in itertools.product(TEXTS, (False, True), (False, True)):
        made = model.render(text, split=split, scores=scores)
        marks = re.findall("<mark ([^>]*)>(.*?)</mark>", made._repr_html_(), re.DOTALL)
        for (attributes, inner), entity in zip(
            marks, model(text, split=split, scores=scores), strict=True
        ):
            assert f'data-type="{entity.type}"' in attributes
            assert ("data-score=" in attributes) == scores
            assert len(html.unescape(inner)) == len(entity.text)
            count += 1
        assert model.types == made.types and str(made) == made._repr_html_()
    assert count > 50
    page = str(model.render("<script>Ana</script> & Quito"))
    assert "<script>" not in page and "&lt;" in page
    with pytest.raises(ValueError, match="expected a str or bytes"):
        model.render(None)


def test_threads_and_copies(models):
    _, model, _ = models("words")
    other, want = pickle.loads(pickle.dumps(model)), [model(text) for text in TEXTS]
    wrong = []

    def work(one):
        for _ in range(5):
            if [one(text) for text in TEXTS] != want or list(one.pipe(TEXTS, threads=2)) != want:
                wrong.append(one)

    for kept in (pickle.loads(pickle.dumps(want[2])), copy.copy(want[2])):
        assert kept == want[2] and kept.tokens == want[2].tokens == 4
    threads = [threading.Thread(target=work, args=(one,)) for one in (model, other) * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def reads():
    """How often this process has read from a file."""
    with open("/proc/self/io") as counts:
        return int(re.search(r"syscr: (\d+)", counts.read())[1])


@pytest.mark.skipif(not os.access("/proc/self/io", os.R_OK), reason="no /proc/self/io here")
def test_a_call_reads_no_file(models):
    """Asking the system for its cores, for one, takes as long as tagging a few words."""
    _, model, _ = models("words")
    for call in (
        lambda: model("Ana left Quito."),
        lambda: model("Ana left Quito.", scores=False),
        lambda: model.tag(["Ana", "left"]),
        lambda: model.tag_sentences([["Ana", "left"]]),
        lambda: list(model.pipe(["Ana left Quito."])),
    ):
        call()
        before = reads()
        for _ in range(100):
            call()
        assert reads() - before < 50


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda model: model(1), "expected a str or bytes"),
        (lambda model: model(None), "expected a str or bytes"),
        (lambda model: model("a", offsets="lines"), "offsets 'lines': expected one of codepoints"),
        (lambda model: model.pipe("Ana"), "expected an iterable of str"),
        (lambda model: list(model.pipe(["a", ["b"]])), "text 2: "),
        (lambda model: model.pipe(["a"], offsets=[]), "expected one of codepoints"),
        (lambda model: model.pipe(["a"], batch=0), "batch 0: expected"),
    ],
)
def test_mistakes_are_one_line(models, call, message):
    tagger, model, _ = models("words")
    for one in (tagger, model):
        with pytest.raises((UserError, python_package().Error), match=re.escape(message)) as caught:
            call(one)
        assert "\n" not in str(caught.value)


def test_a_closed_model_and_missing_columns(models, tmp_path):
    package, (_, _, path) = python_package(), models("words")
    model = package.load(path)
    model.close()
    for call in (lambda: model("a"), lambda: list(model.pipe(["a"])), lambda: model.types):
        with pytest.raises(package.Error, match="closed"):
            call()


# ---------------------------------------------------------------- JSON


def without_scores(data):
    return re.sub(rb', "score": [01]\.\d{6}', b"", data)


def python_json(tagger, data, has_scores, **given):
    """The output of inference.py --json for raw text on standard input, or for columns."""
    out, how = io.BytesIO(), output.json_format(tagger, has_scores)
    if given:
        args = types.SimpleNamespace(spacy_model="", timing=False, **given)
        streams.tag_lines(tagger, args, io.BytesIO(data), "<stdin>", out, how)
    else:
        args = types.SimpleNamespace(columns="", delimiter="", timing=False)
        streams.tag_columns(tagger, args, io.BytesIO(data), "<stdin>", out, output_format=how)
    return out.getvalue()


def test_json_is_that_of_the_command(models, monkeypatch):
    """In line mode and for columns, with scores and without, the bytes are the same, with scores
    within 1e-3.
    """
    monkeypatch.setattr(
        streams, "_analyzer", lambda _, tokenizer: lambda text: streams._plain(text, tokenizer)
    )
    rng = random.Random(4)
    pieces = [
        *NASTY_PIECES,
        b"Ana ",
        b"Quito. ",
        "明".encode(),
        b"\n",
        b"\r\n",
        b"\xc2\x85",
        b"\x1f",
    ]
    for name in ("words", "characters"):
        tagger, _, path = models(name)
        for flags, given in (
            (("--line",), {"split": False}),
            (("--line", "--split"), {"split": True}),
            ((), {}),
        ):
            data = b"".join(rng.choices(pieces, k=300))
            if not given:
                cells = [re.sub(rb"\s", b"", rng.choice(pieces)) or b"x" for _ in range(100)]
                data = b"\xef\xbb\xbf" + b"".join(
                    cell + rng.choice([b"\n", b"\n\n"]) for cell in cells
                )
            plain = run_binary("etagger", path, "--json", *flags, stdin=data)
            scored = run_binary("etagger", path, "--json", "--confidence", *flags, stdin=data)
            assert plain.code == scored.code == 0, plain.err
            assert plain.out == python_json(tagger, data, False, **given)
            theirs = python_json(tagger, data, True, **given)
            assert without_scores(scored.out) == without_scores(theirs) == plain.out
            assert scored.out.count(b'"score"') == plain.out.count(b'"type"') > 20
            for one, other in zip(scored.out.splitlines(), theirs.splitlines(), strict=True):
                ours, others = json.loads(one)["entities"], json.loads(other)["entities"]
                assert all(abs(a["score"] - b["score"]) < 1e-3 for a, b in zip(ours, others))
