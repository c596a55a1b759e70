"""The built-in tokenizer of line mode: a few rules that C++ can follow to the letter.

White space separates; punctuation at the ends of a word stands alone, one character a token; English clitics ('s, n't) are
split off as in the Penn Treebank; a final period stays with initials and acronyms (J., U.S.).
"""
import re

_SPACES = " \t\r\n\x0b\x0c\u00a0\u2003\u2009\u3000"
_OPENING = "\"'`([{<$#@*“‘«‹„¿¡（「『【《"
_CLOSING = "\"'`)]}>.,;:!?%*…”’»›。，、；：？！）」』】》"
_ACRONYM = re.compile(r"(?:[A-Za-z]\.)+")
_CLITIC = re.compile(r"(?i)(.+?)(n't|['’](?:s|m|d|re|ve|ll))")
_SPLIT = re.compile(f"[^{_SPACES}]+")


def tokenize(text):
    """A line of text -> list of tokens; nothing but white space is lost."""
    return [token for word in _SPLIT.findall(text) for token in _tokens_of(word)]


def _tokens_of(word):
    before, after = [], []
    while len(word) > 1 and word[0] in _OPENING and not _CLITIC.fullmatch("x" + word):
        before.append(word[0])
        word = word[1:]
    while len(word) > 1 and word[-1] in _CLOSING and word != "..." and not _ACRONYM.fullmatch(word):
        cut = 3 if word.endswith("...") and len(word) > 3 else 1
        after.insert(0, word[-cut:])
        word = word[:-cut]
    clitic = _CLITIC.fullmatch(word)
    return before + ([clitic[1], clitic[2]] if clitic else [word]) + after
