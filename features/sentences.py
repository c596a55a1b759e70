"""Splits a text into sentences.

The boundaries are those of Unicode's Standard Annex 29, without those after English abbreviations
and initials. The annex breaks after `.`, `?` and `!` (and closing quotes and brackets that follow),
but not before a lower-case letter and not within a number. It therefore also breaks in "Mr. Smith",
"J. Smith" and "Apple Inc. (AAPL)"; the lists below remove these breaks. C++ has the same rules in
inference/cc/text/sentences.cc.
"""

import re
from bisect import bisect_right

from features.sentence_break import RANGES
from features.tokenizer import SPACES

# No sentence ends after these.
ALWAYS = frozenset(
    "Mr Mrs Ms Messrs Mme Mlle Dr Drs Prof Profs Rev Hon Gen Col Lt Maj Capt Cpl Sgt Adm Cmdr "
    "Brig Pvt Gov Sen Sens Rep Reps Pres Supt Insp Msgr Amb Atty Asst Assoc e.g i.e cf viz vs Vs "
    "v ca approx incl resp".split()
)
# No sentence ends after these before a number.
BEFORE_NUMBER = frozenset(
    "No Nos no nos Nr Art art Vol vol p pp Fig Figs fig figs Eq Eqs eq Sec sec Ch ch Chap chap "
    "Para para Ref ref Tab tab".split()
)
# A sentence ends after these only before one of STARTERS. The same holds for initials and for
# letters with points (U.S.).
OFTEN = frozenset(
    "Inc Ltd Co Cos Corp Bros Jr Sr Esq St Ste Mt Ft Ave Blvd Rd Hwy Jan Feb Mar Apr Jun Jul Aug "
    "Sep Sept Oct Nov Dec Mon Tue Tues Wed Thu Thur Thurs Fri Sat Sun Ph.D etc al Dept Univ Assn "
    "Inst Intl Natl Mfg Ala Ariz Ark Calif Colo Conn Del Fla Ga Ill Ind Kan Ky La Mass Md Mich "
    "Minn Miss Mo Mont Neb Nev Okla Ore Pa Penn Tenn Tex Va Vt Wash Wis Wyo".split()
)
STARTERS = frozenset(
    "A After All Also Although An And Another Any Are As At Because Before Both But By Can Could "
    "Did Do Does Each Even For From Had Has Have He Her Here His How However I If In Is It Its "
    "Many May Meanwhile Might Moreover Most Must My No Nor Not Now Of On Once Only Or Other Our "
    "Over Several She Should Since So Some Still Such That The Their Then There These They This "
    "Those Though To Under Until Was We Were What When Where Which While Who Why Will With Would "
    "Yet You Your".split()
)
_LONGEST = 12  # letters and points of the longest abbreviation
_LETTERS = re.compile(r"[A-Za-z]+")
_POINTED = re.compile(r"[A-Za-z](?:\.[A-Za-z])+")
# Over the letters of sentence_break.py: what may end a sentence, with closing marks and spaces; and
# lower case before any other letter.
_END = re.compile("[at]x*(?:cx*)*(?:sx*)*(?:rn|[rnp])?|rn|[rnp]")
_LOWER_AHEAD = re.compile("[^oulprnat]*l")


def _rows():
    for cell in RANGES.split():
        codes, letter = cell.split(":")
        first, _, last = codes.partition("-")
        yield int(first, 16), int(last or first, 16), letter


class _Letters(dict):
    """{code point: the letter of its property Sentence_Break}; z for Other. Filled on demand."""

    def __init__(self):
        self.rows = list(_rows())
        self.firsts = [first for first, _, _ in self.rows]

    def __missing__(self, code):
        first, last, letter = self.rows[max(0, bisect_right(self.firsts, code) - 1)]
        if not first <= code <= last:
            letter = "z"
        elif letter == "i":
            letter = "ul"[(code - first) % 2]
        self[code] = letter
        return letter


_letters = _Letters()


def sentence_spans(text):
    """The sentences of a text: a list of (start, end) in code points, without the white space
    (tokenizer.SPACES) around them. A sentence of white space alone is left out.
    """
    spans, start = [], 0
    for end in [*sentence_breaks(text), len(text)]:
        sentence = text[start:end]
        body = sentence.strip(SPACES)
        if body:
            begin = start + len(sentence) - len(sentence.lstrip(SPACES))
            spans.append((begin, begin + len(body)))
        start = end
    return spans


def sentence_breaks(text, tailored=True):
    """The sentence boundaries within a text: a list of places in code points, without its end.

    tailored: remove boundaries after abbreviations and initials; otherwise they are exactly those
    of the annex, version UNICODE_VERSION.
    """
    letters, found = text.translate(_letters), []
    for match in _END.finditer(letters):
        place = match.end()
        if place < len(text) and _breaks(letters, match):
            if not tailored or not _removes(text, letters, match):
                found.append(place)
    return found


def _breaks(letters, match):
    """Whether the annex breaks after a match of _END. The comments name its rules."""
    start, end = match.span()
    after = letters[end]
    if letters[end - 1] in "rnp":
        return True  # SB4
    if after in "kat":
        return False  # SB8a
    if letters[start] == "t":
        return True  # SB11
    if match[0].strip("x") == "a":  # neither closing marks nor spaces after the full stop
        if after == "d":
            return False  # SB6
        if after == "u" and letters[:start].rstrip("x")[-1:] in ("u", "l"):
            return False  # SB7
    return not _LOWER_AHEAD.match(letters, end)  # SB8


def _removes(text, letters, match):
    """Whether an abbreviation or an initial removes the break after a match of _END."""
    point, end = match.span()
    if text[point] != "." or match[0][1:].strip("s"):
        return False
    start = point
    while start > 0 and point - start <= _LONGEST and _is_part(text[start - 1]):
        start -= 1
    if start == point and point > 0 and letters[point - 1] == "u":
        start -= 1  # an initial outside ASCII
    before = letters[start - 1] if start else "s"
    if before not in "scprn" and text[start - 1] not in "-–—/":
        return False
    word = text[start:point]
    if word in ALWAYS:
        return True
    if word in BEFORE_NUMBER:
        return letters[end] == "d"
    is_initial = len(word) == 1 and letters[start] == "u"
    if not (is_initial or word in OFTEN or _POINTED.fullmatch(word)):
        return False
    following = _LETTERS.match(text, end)
    return not (
        following
        and following[0] in STARTERS
        and text[following.end() : following.end() + 1] != "."
    )


def _is_part(character):
    return character == "." or character.isascii() and character.isalpha()
