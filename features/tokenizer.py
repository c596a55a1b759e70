"""The built-in tokenizer of line mode: a few rules that C++ can follow to the letter.

White space separates; punctuation at the ends of a word stands alone, one character a token;
English clitics ('s, n't) are split off as in the Penn Treebank; a final period stays with initials
and acronyms (J., U.S.).
"""

import re

_SPACES = " \t\r\n\x0b\x0c\u00a0\u2003\u2009\u3000"
_OPENING = "\"'`([{<$#@*“‘«‹„¿¡（「『【《"
_CLOSING = "\"'`)]}>.,;:!?%*…”’»›。，、；：？！）」』】》"
_ACRONYM = re.compile(r"(?:[A-Za-z]\.){1,10}")
_CLITIC = re.compile(r"(?i)n't|['’](?:s|m|d|re|ve|ll)")
_SPLIT = re.compile(f"[^{_SPACES}]+")


def tokenize(text):
    """A line of text -> list of tokens; nothing but white space is lost."""
    return [token for word in _SPLIT.findall(text) for token in _tokens_of(word)]


def _tokens_of(word):
    start, end, after = 0, len(word), []
    while end - start > 1 and word[start] in _OPENING and not _CLITIC.fullmatch(word, start, end):
        start += 1
    while (
        end - start > 1 and word[end - 1] in _CLOSING and not _ACRONYM.fullmatch(word, start, end)
    ):
        dots = 3 if word.endswith("...", start, end) else 1
        if end - start == dots:
            break
        end -= dots
        after.append(word[end : end + dots])
    clitic = next(
        (
            end - size
            for size in (3, 2)
            if end - start > size and _CLITIC.fullmatch(word, end - size, end)
        ),
        end,
    )
    body = [word[start:clitic], word[clitic:end]]
    return [*word[:start], *filter(None, body), *reversed(after)]
