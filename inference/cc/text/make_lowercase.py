"""Writes unicode_lower.inc, the tables of lower() in lowercase.cc: what this Python's str.lower()
does with each code point.

    python inference/cc/text/make_lowercase.py > inference/cc/text/unicode_lower.inc

Whether a character is cased or case-ignorable is asked of str.lower() too, by what it makes of a
capital sigma beside it.
"""

import sys
import unicodedata

SIGMA, FINAL = "\u03a3", "\u03c2"
CODES = [code for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF]


def case_pairs():
    """(code, lower case) for each code point that lower() maps to another one; U+0130, which
    becomes two, is lowercase.cc's.
    """
    for code in CODES:
        low = chr(code).lower()
        if len(low) == 1 and ord(low) != code:
            yield code, ord(low)


def case_ranges(pairs):
    """(first, last, step, delta) rows: neighbours, or every second code point, that move by the
    same delta.
    """
    rows = []
    for code, low in pairs:
        if rows:
            first, last, step, delta = rows[-1]
            gap = code - last
            if delta == low - code and gap in (1, 2) and (first == last or gap == step):
                rows[-1] = (first, code, gap, delta)
                continue
        rows.append((code, code, 1, low - code))
    return rows


def ranges(codes):
    """Sorted code points -> (first, last) rows."""
    rows = []
    for code in codes:
        if rows and code == rows[-1][1] + 1:
            rows[-1] = (rows[-1][0], code)
        else:
            rows.append((code, code))
    return rows


def ends_in_final_sigma(text):
    return text.lower().endswith(FINAL)


def is_case_ignorable(code):
    return ends_in_final_sigma("a" + chr(code) + SIGMA) and not ends_in_final_sigma(
        chr(code) + SIGMA
    )


def is_cased(code):
    return ends_in_final_sigma(chr(code) + SIGMA)


def write(kind, name, rows):
    write_cells(
        kind,
        name,
        [
            "{"
            + ", ".join(str(value) if i == 3 else f"{value:#x}" for i, value in enumerate(row))
            + "}"
            for row in rows
        ],
    )


def write_cells(kind, name, cells):
    """A C++ array of these initializers, in lines."""
    print(f"\nconst {kind} {name}[] = {{")
    line = "   "
    for cell in cells:
        if len(line) + 2 + len(cell) > 118:
            print(line)
            line = "   "
        line += " " + cell + ","
    print(line)
    print("};")


def main():
    print(f"// Made by make_lowercase.py from Python {sys.version.split()[0]}; not to be edited.")
    print(f'const char kUnicodeVersion[] = "{unicodedata.unidata_version}";')
    write("CaseRange", "kLowerCase", case_ranges(case_pairs()))
    write("Range", "kCased", ranges(filter(is_cased, CODES)))
    write("Range", "kCaseIgnorable", ranges(filter(is_case_ignorable, CODES)))


if __name__ == "__main__":
    main()
