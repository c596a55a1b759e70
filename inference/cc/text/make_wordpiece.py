"""Writes unicode_wordpiece.inc, the tables of wordpiece.cc: what the installed `tokenizers`
does with each code point.

    python inference/cc/text/make_wordpiece.py > inference/cc/text/unicode_wordpiece.inc

The library has Unicode tables of several ages: categories, decompositions and lower case are each
asked of it, not of Python.
"""

import unicodedata

import tokenizers
from make_lowercase import CODES, ranges, write, write_cells
from tokenizers.normalizers import NFD, BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

HANGUL = range(0xAC00, 0xD7A4)  # syllables, which decompose by arithmetic: Unicode, section 3.12
LONGEST = 4  # places for the characters of an expansion, of which the last is 0
MOST_GAP = 4  # characters without a fold between two with one, in one block

nfd = NFD().normalize_str
clean = BertNormalizer(
    clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False
).normalize_str
strip = BertNormalizer(
    clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=False
).normalize_str
fold = BertNormalizer(
    clean_text=False, handle_chinese_chars=False, strip_accents=True, lowercase=True
).normalize_str


def is_punctuation(code):
    return [token for token, _ in BertPreTokenizer().pre_tokenize_str(f"a{chr(code)}b")] == [
        "a",
        chr(code),
        "b",
    ]


def combining_marks():
    """A character of each canonical combining class above 0 that the library knows, ordered by
    class.
    """
    of_class = {}
    for code in CODES:
        mark, kind = chr(code), unicodedata.combining(chr(code))
        if kind and kind not in of_class and nfd(mark) == mark and _is_reordered(mark):
            of_class[kind] = mark
    marks = [mark for _, mark in sorted(of_class.items())]
    assert all(
        nfd(high + low) == low + high and nfd(low + high) == low + high
        for low, high in zip(marks, marks[1:])
    )
    return marks


def _is_reordered(mark):
    """Whether its class is above 0: it stands after U+0334 (class 1), or else before U+0345 (class
    240).
    """
    return (
        nfd(mark + "\u0334") == "\u0334" + mark != mark + "\u0334"
        or nfd("\u0345" + mark) == mark + "\u0345" != "\u0345" + mark
    )


def class_of(code, marks):
    """The place of a character's combining class among those of `marks`, from 1; 0: it is not
    reordered.
    """
    text = chr(code)
    if not _is_reordered(text):
        return 0
    place = sum(nfd(mark + text) == mark + text for mark in marks)
    assert place and nfd(text + marks[place - 1]) == text + marks[place - 1], (
        text
    )  # of the same class
    return place


def stripped(marks):
    """(code, whether a part of it has class 0) of the characters of which nothing is left."""
    return [
        (code, any(not class_of(ord(part), marks) for part in nfd(chr(code))))
        for code in CODES
        if not strip(chr(code))
    ]


def flagged_ranges(pairs):
    """Sorted (code, value) -> (first, last, value) rows."""
    rows = []
    for code, value in pairs:
        if rows and rows[-1][1:] == (code - 1, value):
            rows[-1] = (rows[-1][0], code, value)
        else:
            rows.append((code, code, value))
    return rows


def folds():
    """{code: what is left of it without accents in lower case} where that is another text."""
    folded = {
        code: fold(chr(code))
        for code in CODES
        if code not in HANGUL and clean(chr(code)) not in ("", " ")
    }
    return {code: text for code, text in folded.items() if text not in ("", chr(code))}


def blocks(single):
    """{code: code} -> (first, last, place of the first's fold) rows and the folds."""
    rows, targets = [], []
    for code in sorted(single):
        if rows and code - rows[-1][1] <= MOST_GAP:
            gap = range(rows[-1][1] + 1, code)
            rows[-1] = (rows[-1][0], code, rows[-1][2])
        else:
            gap = ()
            rows.append((code, code, len(targets)))
        targets += [*gap, single[code]]
    return rows, targets


def check(folded, marks):
    """What wordpiece.cc takes for granted of the library."""
    for code in HANGUL:
        index = code - HANGUL[0]
        parts = [
            0x1100 + index // 588,
            0x1161 + index % 588 // 28,
            *([0x11A7 + index % 28] if index % 28 else []),
        ]
        assert fold(chr(code)) == "".join(map(chr, parts))
    spaces = [code for code in CODES if not BertPreTokenizer().pre_tokenize_str(chr(code))]
    assert all(
        clean(chr(code)) in ("", " ") for code in spaces
    )  # so a cleaned text has no space but U+0020
    for code, text in folded.items():
        assert len(text) < LONGEST and not any(ord(part) in spaces for part in text)
        parts = nfd(chr(code))
        reordered = [part for part in parts if class_of(ord(part), marks)]
        assert all(fold(part) in ("", part) for part in reordered)  # lower case changes no class
        if set(reordered) & set(text):  # no class 0 goes with what is stripped
            assert all(part in reordered or fold(part) for part in parts)


def main():
    marks = combining_marks()
    folded = folds()
    check(folded, marks)
    single, several = (
        {code: text for code, text in folded.items() if (len(text) == 1) == alone}
        for alone in (True, False)
    )
    rows, targets = blocks({code: ord(text) for code, text in single.items()})
    kept = [code for code in CODES if strip(chr(code)) == chr(code)]
    print(
        f"// Made by make_wordpiece.py from tokenizers {tokenizers.__version__}; not to be edited."
    )
    print(f'const char kTokenizersVersion[] = "{tokenizers.__version__}";')
    write("Range", "kDropped", ranges(code for code in CODES if not clean(chr(code))))
    write("Range", "kSpaces", ranges(code for code in CODES if clean(chr(code)) == " "))
    write(
        "Range",
        "kIdeographs",
        ranges(code for code in CODES if clean(chr(code)) == f" {chr(code)} "),
    )
    write("Range", "kPunctuation", ranges(filter(is_punctuation, CODES)))
    write("Stripped", "kStripped", flagged_ranges(stripped(marks)))
    write(
        "Class",
        "kClasses",
        flagged_ranges((code, kind) for code in kept if (kind := class_of(code, marks))),
    )
    write("Fold", "kFolds", rows)
    write_cells("uint32_t", "kFolded", [f"{code:#x}" for code in targets])
    write_cells(
        "Expansion",
        "kExpansions",
        [
            f"{{{code:#x}, {code:#x}, {{{', '.join(hex(ord(part)) for part in text)}}}}}"
            for code, text in several.items()
        ],
    )


if __name__ == "__main__":
    main()
