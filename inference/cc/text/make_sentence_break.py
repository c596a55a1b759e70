"""Writes the table of Unicode's property Sentence_Break that both sides read: unicode_sentence.inc
for sentences.cc, and with --python features/sentence_break.py.

    python inference/cc/text/make_sentence_break.py SentenceBreakProperty.txt \
      > inference/cc/text/unicode_sentence.inc
    python inference/cc/text/make_sentence_break.py SentenceBreakProperty.txt --python \
      > features/sentence_break.py

The file is a part of the Unicode Character Database (auxiliary/); Debian's package unicode-data has
it under /usr/share/unicode.
"""

import argparse
import re

# The letters that stand for the values. Extend and Format are one: the rules ignore both alike.
LETTERS = {
    "CR": "r",
    "LF": "n",
    "Sep": "p",
    "Extend": "x",
    "Format": "x",
    "Sp": "s",
    "Lower": "l",
    "Upper": "u",
    "OLetter": "o",
    "Numeric": "d",
    "ATerm": "a",
    "SContinue": "k",
    "STerm": "t",
    "Close": "c",
}
ALTERNATE = "i"  # Upper, Lower, Upper, Lower, ...
ROW = re.compile(r"([0-9A-F]+)(?:\.\.([0-9A-F]+))? *; *(\w+)")


def read_property(path):
    """(Unicode's version, {code point: letter})."""
    letters = {}
    with open(path, encoding="utf-8") as stream:
        version = re.search(r"-(\d+\.\d+\.\d+)\.txt", stream.readline())[1]
        for line in stream:
            if row := ROW.match(line):
                first, last, value = row.groups()
                for code in range(int(first, 16), int(last or first, 16) + 1):
                    letters[code] = LETTERS[value]
    return version, letters


def ranges(letters):
    """Sorted rows [first, last, letter]; pairs of upper and lower case are ranges of ALTERNATE."""
    rows, codes = [], sorted(letters)
    while codes:
        first = codes[0]
        same, pairs = (_run(first, letters, cycle) for cycle in (letters[first], "ul"))
        row = [first, first + max(same, pairs) - 1, letters[first] if same >= pairs else ALTERNATE]
        rows.append(row)
        codes = codes[row[1] - first + 1 :]
    return rows


def _run(first, letters, cycle):
    """How many code points from `first` on have the letters of `cycle` in turn."""
    count = 0
    while letters.get(first + count) == cycle[count % len(cycle)]:
        count += 1
    return count


def write_cpp(version, rows):
    print("// Made by make_sentence_break.py; not to be edited.")
    print(f'const char kSentenceBreakVersion[] = "{version}";  // of Unicode')
    print("\nconst BreakRange kSentenceBreak[] = {")
    for line in _lines((f"{{{a:#x}, {b:#x}, '{letter}'}}," for a, b, letter in rows), 95):
        print("    " + line)
    print("};")


def write_python(version, rows):
    print('"""Made by inference/cc/text/make_sentence_break.py; not to be edited."""\n')
    print(f'UNICODE_VERSION = "{version}"')
    print(
        "# first-last:letter, code points in hexadecimal. The script explains the letters; i is a"
    )
    print("# range in which upper and lower case alternate. All other code points are Other.")
    print('RANGES = """')
    cells = (f"{a:x}:{letter}" if a == b else f"{a:x}-{b:x}:{letter}" for a, b, letter in rows)
    for line in _lines(cells, 98):
        print(line)
    print('"""')


def _lines(cells, width):
    line = ""
    for cell in cells:
        if line and len(line) + 1 + len(cell) > width:
            yield line
            line = ""
        line += (" " if line else "") + cell
    yield line


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", help="SentenceBreakProperty.txt")
    parser.add_argument("--python", action="store_true", help="write Python in place of C++")
    args = parser.parse_args()
    version, letters = read_property(args.path)
    (write_python if args.python else write_cpp)(version, ranges(letters))


if __name__ == "__main__":
    main()
