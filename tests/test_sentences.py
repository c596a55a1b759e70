"""Sentences of a text: the boundaries of Unicode's Annex 29, abbreviations, and C++ against
Python.
"""

import itertools
import os
import random
import re

import pytest

from features import sentence_break, sentences
from features.sentences import sentence_breaks, sentence_spans
from support.corpora import NASTY_PIECES
from support.serving import probe

UNICODE_DATA = os.environ.get("UNICODE_DATA", "/usr/share/unicode")

# Texts for each rule of the annex, with `|` at breaks. Unicode's own test file and ICU agree on all
# of them.
BY_RULE = {
    "SB3, SB4": ["a\r\n|b", "a\n|\r|b", "a\u2029|b\u0085|c", "\n|\n|"],
    "SB5": ["a.\u0301 |B", "a\u00ad.\u2060\u0301B", "a\n|\u0301.\u00ad |B", "\u0301a. |B"],
    "SB6": ["3.4", "a.3", "a. 3b", "a.\u03013", "a\u2024٣"],
    "SB7": ["U.S", "a.B", "é.Á", "1.|B", "a\u00ad.\u00adB", "a.)|B", "a?|B"],
    "SB8": ["a. b", "a.) «b", "a. 12 (b", "a. |B b", "a. |中 b", "a. |(B", "a? |b", "a! |1"],
    "SB8a": ["a., b", "a?! |B", "a. : B", "a.) - B", "a?.: B", "a.) .|B"],
    "SB9, SB10": ['a?"  |B', "a.)\u2019\u00a0\t|B", "a! \n|B", "a! |)B", "a.) \u2029|B"],
    "SB11": ["好。|好", "“Go!” |“No.”", "क।|ख", "a\ufe52 |B", "שלום. |שלום"],
}
CASES = [case for cases in BY_RULE.values() for case in cases]


def marked(text, tailored):
    """The text with `|` at its breaks, and at its end if it ends with a line end."""
    bounds = [0, *sentence_breaks(text, tailored), len(text)]
    parts = [text[start:end] for start, end in zip(bounds, bounds[1:])]
    return "|".join(parts)


@pytest.mark.parametrize("rule", BY_RULE)
def test_the_rules_of_the_annex(rule):
    for case in BY_RULE[rule]:
        assert marked(case.replace("|", ""), False) == case.removesuffix("|"), case


def read_break_test(path):
    """(text, breaks) of each line of Unicode's SentenceBreakTest.txt."""
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            cells, text, breaks = line.partition("#")[0].split(), "", []
            for cell in cells:
                if cell == "÷":
                    breaks.append(len(text))
                elif cell != "×":
                    text += chr(int(cell, 16))
            if cells:
                yield text, breaks[1:-1]


def test_the_test_file_of_unicode():
    path = os.path.join(UNICODE_DATA, "auxiliary", "SentenceBreakTest.txt")
    if not os.path.exists(path):
        pytest.skip(f"{path}: no such file; Debian's package unicode-data has it")
    cases = list(read_break_test(path))
    assert len(cases) > 400
    wrong = [(text, breaks) for text, breaks in cases if sentence_breaks(text, False) != breaks]
    assert not wrong or sentence_break.UNICODE_VERSION not in open(path).readline(), wrong[:3]


# ---------------------------------------------------------------- the tailoring


@pytest.mark.parametrize(
    "text",
    [
        "Mr. Smith met Mrs. Jones. |Dr. No left.",
        "J. Smith and J. R. R. Tolkien wrote it. |He read it.",
        "G.W. Bush of the U.S. Army came at 5 p.m. |It rained.",
        "He lives in the U.S. |The house is old. |Good.",
        "Apple Inc. (AAPL) and Acme Corp. Ltd. merged. |Sales rose.",
        "He works for Apple Inc. |They pay well.",
        "See Fig. 3 (No. 5). |Say no. |Peter left.",
        "On Jan. 5 Peter came, on Feb. |He went.",
        "Prof. Dr. Ö. Müller, Ph.D. (Bonn), spoke. |We listened.",
        "Fruit, e.g. Apples, i.e. Malus. |Also pears.",
        "Roe v. Wade. |Next.",
        "He met J.-P. Sartre (Prof. Smith did not). |Why? |Nobody knows.",
        "Smith Jr. Associates. |So did I. |He ran. |Vitamin C. |It helps.",
        "Wait... |Peter! |What?! |“Mr. X.” |Yes.",
        "xMr. |Smith. |Ainc. |Peter. |3No. |4.",
        "東京です。|大阪です！|はい。",
    ],
)
def test_abbreviations_and_initials(text):
    plain = text.replace("|", "")
    assert marked(plain, True) == text
    assert set(sentence_breaks(plain, True)) <= set(sentence_breaks(plain, False))


def test_every_abbreviation_removes_a_break():
    for word in sentences.ALWAYS | sentences.OFTEN:
        assert marked(f"On {word}. Peter", True) == f"On {word}. Peter"
        assert marked(f"on {word}. Peter", False) == f"on {word}. |Peter"
        starts = "" if word in sentences.ALWAYS else "|"
        assert marked(f"({word}. The", True) == f"({word}. {starts}The"
    for word in sentences.BEFORE_NUMBER:
        assert marked(f"on {word}. 5 Peter", False) == f"on {word}. |5 Peter"
        assert marked(f"on {word}. 5 Peter", True) == f"on {word}. 5 Peter"
        assert marked(f"on {word}. Peter", True) == f"on {word}. |Peter"
    longest = max(map(len, sentences.ALWAYS | sentences.OFTEN | sentences.BEFORE_NUMBER))
    assert longest <= sentences._LONGEST


def test_spans_have_no_white_space_around_them():
    text = " \u3000A b.  C!\r\n \u00a0\nd? \u2029"
    assert [text[start:end] for start, end in sentence_spans(text)] == ["A b.", "C!", "d? \u2029"]
    assert sentence_spans(" \r\n\t") == sentence_spans("") == []


# ---------------------------------------------------------------- C++


def python_ends(text, tailored):
    """The ends of sentences in bytes."""
    bounds = [0, *sentence_breaks(text, tailored), len(text)] if text else []
    sizes = [
        len(text[start:end].encode(errors="surrogateescape"))
        for start, end in zip(bounds, bounds[1:])
    ]
    return list(itertools.accumulate(sizes))


def check_cpp(texts):
    """Checks that C++ ends sentences where Python does. Returns their number."""
    count = 0
    lines = [text.encode(errors="surrogateescape").hex().encode() for text in texts]
    for how in ("plain", "tailored"):
        for text, places in zip(texts, probe("sentences", lines, how), strict=True):
            ends = [int(place) for place in places.split()]
            assert ends == python_ends(text, how == "tailored"), text
            count += len(ends)
    return count


def test_cpp_knows_the_property_of_every_code_point():
    """Each code point stands between letters, as the end of a sentence, and after the end of
    one.
    """
    codes = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    letters = "".join(map(chr, codes)).translate(sentences._letters)
    known = [code for code, letter in zip(codes, letters) if letter not in "zo"]
    forms = "{0} B. {0}b! {0}. A{0}.B."
    texts = [
        " ".join(map(forms.format, map(chr, known[i : i + 20]))) for i in range(0, len(known), 20)
    ]
    assert len(known) > 7000 and check_cpp(texts) > 4 * len(known)
    others = [chr(code) for code, letter in zip(codes, letters) if letter in "zo"]
    others = [*others[:20_000], *others[20_000::100]]
    check_cpp([f". {'b. '.join(others[i : i + 400])}" for i in range(0, len(others), 400)])


def test_cpp_splits_random_text_as_python():
    rng = random.Random(1)
    words = [*sentences.ALWAYS, *sentences.OFTEN, *sentences.BEFORE_NUMBER, *sentences.STARTERS]
    pieces = [
        *re.findall("[^|]", "".join(CASES)),
        *"....  ?!)]\"'AaBb1-–—/",
        "U.S",
        "\ufeff",
        "👩‍👧",
    ]
    pieces += [piece.decode(errors="surrogateescape") for piece in NASTY_PIECES]
    texts = [
        "".join(
            rng.choice(words) if rng.random() < 0.3 else rng.choice(pieces)
            for _ in range(rng.randint(0, 15))
        )
        for _ in range(20_000)
    ]
    texts = [text.encode(errors="surrogateescape") for text in texts]
    assert check_cpp([text.decode(errors="surrogateescape") for text in texts]) > 60_000


def test_long_texts_take_linear_time():
    """No rule reads a text again and again."""
    for piece in (". ", ".1 ", ".)", "a\u0301.", "1" * 50 + ". ", "\u0301", "A.", ". \u0301"):
        text = piece * (100_000 // len(piece))
        bounds = python_ends(text, True)
        assert probe("sentences", [text.encode().hex().encode()], "tailored") == [
            b"".join(b"%d " % end for end in bounds)
        ]
