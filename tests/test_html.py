"""Pages with marked entities: inference.py --html and etagger --html write the same bytes, which
show any text as it is; a Rendering of the wheel has the same marks; and the colours can be told
apart.
"""

import html.parser
import io
import itertools
import os
import random
import re
import sys
import types

import pytest

import conll
import export
import schemes
from cli import UserError
from features.tokenizer import token_spans
from support.commands import ROOT, SMALL, sample, write_sample
from support.corpora import NASTY_PIECES as NASTY
from support.serving import binary, binary_mistake, probe_bytes, run_binary, succeed, untrained
from tagging import html as pages
from tagging.output import TextSentence, confidence_format
from tagging.streams import tag_columns, tag_lines
from tagging.tagger import Tagger

BYTES = "surrogateescape"
KINDS = ["LOC", "PER", *(f"T{i:02}" for i in range(30)), 'a"b', "<i>", "日期"]
TYPES = sorted(KINDS)
MARKUP = [b"<b>", b"</p>", b"&amp;", b"&", b"<!--", b"-->", b"<script>", b"&#13;", b"]]>", b"'"]
BIDI = ["\u202e".encode(), "\u2066".encode(), "\u200f".encode(), "א".encode()]
MOST_PIECES = [*NASTY, *MARKUP, *BIDI, b"\x0c", b"\x1f", b"\xef\xbb\xbf", "\ufffe".encode()]


class Parsed(html.parser.HTMLParser):
    """The content of a page. paragraphs: the text of each; marks: (paragraph, start, text,
    attributes) of each; tags: the names of all elements; legend: the texts of its marks.
    """

    def __init__(self, page):
        super().__init__()
        self.paragraphs, self.marks, self.tags, self.legend = [], [], [], []
        self.is_head, self.is_open, self.mark = True, False, None
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.is_head = self.is_head and tag != "main"
        if tag == "p":
            self.is_open = True
            self.paragraphs.append("")
        elif tag == "mark":
            self.mark = [len(self.paragraphs), len(self.paragraphs[-1]), "", dict(attributes)]

    def handle_endtag(self, tag):
        if tag == "p":
            self.is_open = False
        elif tag == "mark":
            self.marks.append(self.mark)
            self.mark = None
        elif tag == "header":
            self.legend = [text for _, _, text, _ in self.marks]
            self.paragraphs, self.marks = [], []

    def handle_data(self, data):
        if self.is_open:
            self.paragraphs[-1] += data
        if self.mark:
            self.mark[2] += data


def shown(text):
    """The visible form of a text, one character for each, as in the docstring of
    tagging/html.py.
    """
    pictures = {chr(i): chr(0x2400 + i) for i in range(32) if chr(i) not in "\t\n\r"}
    text = "".join(pictures.get(letter, letter) for letter in text).replace("\x7f", "\u2421")
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


class FakeTagger:
    """A tagger that returns the tags and scores that a test has drawn, in order."""

    def __init__(self, scheme, tags, scores):
        every = {tag for sentence in tags for tag in sentence}
        prefixed = TYPES if scheme == schemes.RAW else [f"B-{kind}" for kind in TYPES]
        self.meta = {
            "tags": ["O", *sorted(every | {*prefixed} - {"O"})],
            "tag_scheme": scheme,
            "data_scheme": scheme,
        }
        self.drawn, self.scores = iter(tags), iter(scores)

    def entities(self, sentences):
        drawn = itertools.islice(self.drawn, len(sentences))
        return [list(schemes.entities(tags, self.meta["data_scheme"])) for tags in drawn]

    def confident(self, sentences):
        return [
            types.SimpleNamespace(
                entities=[(*span, score) for span, score in zip(spans, next(self.scores))]
            )
            for spans in self.entities(sentences)
        ]


class Sink:
    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += data


def draw_tags(rng, scheme, count):
    """Tags of any kind, well-formed or not."""
    if scheme == schemes.RAW:
        return rng.choices(["O", *KINDS], k=count)
    prefixes = {tag[0] for tag in schemes.scheme_tags(["O", "B-X"], "bio", scheme)} - {"O"}
    every = [f"{prefix}-{kind}" for prefix in prefixes for kind in KINDS]
    return rng.choices(["O", *sorted(every)], k=count)


def draw_line(rng):
    pieces = rng.choices(MOST_PIECES, k=rng.randint(0, 30))
    return b"".join(pieces).replace(b"\n", b"").rstrip(b"\r")


# ---------------------------------------------------------------- both sides, any text


@pytest.mark.parametrize("has_scores", [False, True])
@pytest.mark.parametrize("scheme", ["bio", "iobes", schemes.RAW])
@pytest.mark.parametrize("kind", ["line", "columns"])
def test_any_text_comes_out_as_it_is(kind, scheme, has_scores):
    """Python and C++ write the same page, and its text and marks are those of the sentences."""
    rng = random.Random(f"{kind}{scheme}{has_scores}")
    lines = [draw_line(rng) for _ in range(120)]
    if kind == "columns":
        lines = [b" ".join(re.split(rb"[ \t\r\n\x0b\x0c]+", line.strip())) for line in lines]
        lines = [line for line in lines if line.strip()]
    texts = [line.decode(errors="surrogateescape") for line in lines]
    places = [token_spans(text) for text in texts]
    words = [
        text.split(" ") if kind == "columns" else [text[start:end] for start, end in spans]
        for text, spans in zip(texts, places)
    ]
    tags = [draw_tags(rng, scheme, len(sentence)) for sentence in words]
    spans = [schemes.entities(sentence, scheme) for sentence in tags]
    scores = [[rng.random() for _ in sentence] for sentence in spans]

    format_ = pages.html_format(FakeTagger(scheme, tags, scores), scores=has_scores)
    out = Sink()
    for text, own, its_places in zip(texts, words, places):
        answer = format_.answer([conll.Sentence(1, own, None, None, None)])[0]
        if kind == "line":
            format_.write_text(out, TextSentence(text, its_places, own, None, []), answer)
        else:
            format_.write(out, None, answer)
    format_.close(out)
    read = Parsed(out.data.decode())

    assert read.legend == TYPES
    assert read.paragraphs == [shown(text) for text in texts]
    assert {*read.tags} == {*"html head meta title style body header h1 p main mark".split()}
    marks = iter(read.marks)
    for i, (own, entities, numbers) in enumerate(zip(words, spans, scores), 1):
        for (start, end, name), score in zip(entities, numbers):
            paragraph, place, text, attributes = next(marks)
            assert (paragraph, attributes["data-type"]) == (i, name)
            assert text.replace(" ", "").replace("\t", "").startswith(shown(own[start]))
            assert text.endswith(shown(own[end - 1]))
            assert read.paragraphs[i - 1][place : place + len(text)] == text
            assert attributes.get("data-score") == (f"{score:.3f}" if has_scores else None)
    assert next(marks, None) is None

    given = b"".join(
        b"%b\n%b\n%b\n"
        % (
            line,
            " ".join(sentence).encode(),
            " ".join(map(repr, numbers)).encode() if has_scores else b"",
        )
        for line, sentence, numbers in zip(lines, tags, scores)
    )
    printed = b"\n".join([*probe_bytes("html", given, kind, scheme, *TYPES), b""])
    assert printed == out.data


def test_looks_are_as_many_as_there_are():
    looks = pages.looks_of([str(i) for i in range(28)])
    assert len({*looks.values()}) == 28
    defined = {*re.findall(r"\.etagger \.([cs]\d)", pages.STYLE)}
    assert {name for look in looks.values() for name in look.split()} == defined


# ---------------------------------------------------------------- the commands


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """prefix of a checkpoint of random weights; its .etagger file; its tagger."""
    binary("etagger")
    folder = tmp_path_factory.mktemp("model")
    prefix = untrained(folder / "ner_model", *write_sample(folder), *SMALL)
    file = folder / "model.etagger"
    export.write_engine_file(prefix, str(file), False)
    return types.SimpleNamespace(prefix=prefix, file=file, tagger=Tagger.load(prefix))


def python_page(model, data, lines, format_, split=False):
    """The output of inference.py for an input: (bytes, the message of a mistake in it or "")."""
    args = types.SimpleNamespace(
        columns="", delimiter="", spacy_model="", timing=False, split=split
    )
    out, tag = io.BytesIO(), tag_lines if lines else tag_columns
    how = {"output_format": format_}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "spacy", None)
        try:
            tag(model.tagger, args, io.BytesIO(data), "<stdin>", out, **how)
        except UserError as error:
            return out.getvalue(), str(error)
    return out.getvalue(), ""


def both(model, data, lines=False, split=False, scores=False):
    """Checks that both commands write the same page for an input. Returns the page and the message
    of a mistake.
    """
    format_ = pages.html_format(model.tagger, scores)
    page, mistake = python_page(model, data, lines, format_, split)
    flags = {"--line": lines, "--split": split, "--confidence": scores}
    for threads in (1, 4):
        given = [flag for flag, is_given in flags.items() if is_given]
        done = run_binary("etagger", model.file, "--html", "-j", threads, *given, stdin=data)
        assert done.out == page and done.code == (2 if mistake else 0), done.err
        assert mistake in done.err
    return page, mistake


def test_columns_become_a_page(model, zygote):
    rows = b"".join(sample("test")[:150]) + b"\n\n<b> & O\n\xff\xfe x O\n\n-DOCSTART- O O\n"
    data = b"".join(
        b" ".join([*row.split()[:1], b"NN B-NP O"]) + b"\n" if row.strip() else b"\n"
        for row in rows.split(b"\n")
    )
    page, _ = both(model, data)
    expected = [
        shown(b" ".join(row.split()[0] for row in block.split(b"\n") if row).decode(errors=BYTES))
        for block in data.split(b"\n\n")
        if block.strip()
    ]
    read = Parsed(page.decode())
    assert read.paragraphs == expected and len(read.marks) > 100
    assert read.legend == sorted({"LOC", "MISC", "ORG", "PER"})
    flags = ["--mode", "bucket", "--restore", model.prefix]
    done = succeed(zygote.run("inference.py", *flags, "--html", stdin=data))
    assert done.out == page
    assert "2 bytes are not UTF-8: read as unknown characters, written as U+FFFD" in done.err


def test_lines_become_a_page(model):
    texts = [
        " ".join(row.split()[0].decode() for row in block.split(b"\n") if row)
        for block in sample("test")[:60]
    ]
    data = "\ufeff" + "\n".join([*texts, "", "  two  spaces\r", "<b>Paul</b> & \x1b\x00 Berta"])
    page, _ = both(model, data.encode(), lines=True)
    read = Parsed(page.decode())
    assert read.paragraphs == [*texts, "", "  two  spaces", "<b>Paul</b> & \u241b\u2400 Berta"]
    assert read.marks
    page, _ = both(model, b"One. Two three. \n\nFour", lines=True, split=True)
    assert Parsed(page.decode()).paragraphs == ["One.", "Two three.", "", "Four"]


@pytest.mark.parametrize("lines", [False, True])
def test_no_text_is_a_page_as_well(model, lines):
    read = Parsed(both(model, b"", lines=lines)[0].decode())
    assert read.tags[-1] == "main" and read.paragraphs == []


def test_what_comes_before_a_bad_row_is_out(model):
    page, mistake = both(model, b"Paul NN B-NP O\n\nBerta NN\n\n")
    assert mistake.startswith("<stdin>:3:")
    assert page.endswith(b"</p>\n") and b"Paul" in page
    page, mistake = both(model, b"\nPaul NN B-NP O\nBerta NN\n\n")
    assert mistake.startswith("<stdin>:3:") and page == b""


def test_scores_are_those_of_confidence(model):
    data = b"".join(sample("test")[:40])
    page, _ = both(model, data, scores=True)
    rows, _ = python_page(model, data, False, confidence_format(model.tagger))
    cells = [row.split() or ["O", "", ""] for row in rows.decode().split("\n")]
    found = [cells[start][-1] for start, _, _ in schemes.chunks([row[-3] for row in cells])]
    marks = Parsed(page.decode()).marks
    assert len(marks) == len(found) > 20
    for mark, score in zip(marks, found):
        assert abs(float(mark[3]["data-score"]) - float(score)) <= 0.0005001


def test_flags_that_do_not_go_together(bare_zygote, model):
    expected = "--html: it is a form of output of its own; expected no --json"
    for flags in (["--nbest", "2"], ["--least_confident", "2"], ["--json"]):
        message = bare_zygote.mistake("inference.py", "--restore", model.prefix, "--html", *flags)
        assert expected in message
    for flags in (["--nbest", "2"], ["--json"]):
        assert expected in binary_mistake("etagger", model.file, "--html", *flags)


# ---------------------------------------------------------------- the wheel


@pytest.fixture(scope="module")
def rendering():
    binary("libetagger.so")
    from etagger.render import Rendering

    return Rendering


def test_a_rendering_has_the_marks_of_a_page(rendering):
    rng = random.Random(1)
    looks = pages.looks_of(TYPES)
    for _ in range(300):
        text = draw_line(rng).decode(errors="surrogateescape") + rng.choice(["", "\n", "\ud83d"])
        places = sorted(rng.sample(range(len(text) + 1), k=2 * min(4, (len(text) + 1) // 2)))
        spans = [
            (start, end, rng.choice(TYPES), rng.choice([None, rng.random()]))
            for start, end in zip(places[::2], places[1::2])
        ]
        entities = [
            types.SimpleNamespace(type=kind, start=start, end=end, score=score)
            for start, end, kind, score in spans
        ]
        made = rendering(text, entities, TYPES)
        page = made._repr_html_()
        assert str(made) == page and pages.STYLE in page
        assert f">{pages.marked(text, spans, looks)}</div>" in page
        page.encode()
    assert rendering("PAUL", []).types == []


def test_bytes_are_rendered_too(rendering):
    entity = types.SimpleNamespace(type="PER", start=2, end=5, score=0.5)
    page = str(rendering(b"\xff Eva", [entity]))
    assert '\ufffd <mark class="c0" data-type="PER" data-score="0.500">Eva</mark></div>' in page


# ---------------------------------------------------------------- one look, colours


def text_of(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as stream:
        return stream.read()


@pytest.mark.parametrize(
    "path",
    ["serving/page/page.css", "inference/cc/tagging/html.cc", "inference/python/etagger/render.py"],
)
def test_the_marks_look_alike_everywhere(path):
    assert pages.STYLE in text_of(path)


def palette():
    """(lines, light backgrounds, dark backgrounds), each a list of (red, green, blue), 0 to 1."""
    rows = re.findall(r"--line: #(\w+); --tint: #(\w+); --shade: #(\w+);", pages.STYLE)
    return [
        [tuple(int(color[i : i + 2], 16) / 255 for i in (0, 2, 4)) for color in column]
        for column in zip(*rows)
    ]


def linear(colour):
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]


def luminance(colour):
    return sum(part * c for part, c in zip((0.2126, 0.7152, 0.0722), linear(colour)))


def test_text_on_a_mark_has_enough_contrast():
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    _, light, dark = palette()
    assert len(light) == 7
    for text, backgrounds in ((0x1A, light), (0xF2, dark)):
        ink = luminance([text / 255] * 3)
        for background in map(luminance, backgrounds):
            low, high = sorted((ink, background))
            assert (high + 0.05) / (low + 0.05) >= 4.5


# Machado, Oliveira and Fernandes 2009, severity 1: what of linear red, green and blue is seen.
SIGHT = {
    "all colours": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}


def lab(colour, sight):
    """The CIELAB value of a colour as a reader sees it."""
    seen = [min(1, max(0, sum(a * b for a, b in zip(row, linear(colour))))) for row in sight]
    rows = (
        (0.4124 / 0.9505, 0.3576 / 0.9505, 0.1805 / 0.9505),
        (0.2126, 0.7152, 0.0722),
        (0.0193 / 1.089, 0.1192 / 1.089, 0.9505 / 1.089),
    )
    x, y, z = (
        t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116
        for t in (sum(a * b for a, b in zip(row, seen)) for row in rows)
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("sight", SIGHT)
def test_a_colour_blind_person_tells_the_colours_apart(sight):
    """By the difference of CIE 1976; 2.3 is what can just be seen of two areas side by side. Red
    and green of the same lightness fail.
    """
    distance = lambda one, other: sum((a - b) ** 2 for a, b in zip(one, other)) ** 0.5
    for colours, least in zip(palette(), (15, 6, 6)):
        seen = [lab(colour, SIGHT[sight]) for colour in colours]
        assert min(itertools.starmap(distance, itertools.combinations(seen, 2))) > least
    if sight == "deuteranopia":
        bad = [lab(colour, SIGHT[sight]) for colour in ((0.75, 0.4, 0.2), (0.5, 0.5, 0.2))]
        assert distance(*bad) < 15


# ---------------------------------------------------------------- the server's page


def test_the_page_has_no_markup_that_its_policy_forbids():
    """default-src 'none'; script-src 'self'; style-src 'self': nothing inline, nothing from
    elsewhere.
    """
    found = []

    class Page(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            names = dict(attributes)
            found.append(tag)
            assert not any(name == "style" or name.startswith("on") for name in names), tag
            for name in ("src", "href"):
                assert re.fullmatch(r"page\.(js|css)|data:,", names.get(name) or "page.js"), tag
            assert tag not in ("style", "base", "iframe") and (tag != "script" or "src" in names)

    Page().feed(text_of("serving/page/index.html"))
    assert "script" in found and "textarea" in found
    script = text_of("serving/page/page.js")
    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "http:"):
        assert way not in script
