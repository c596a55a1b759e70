"""The built-in tokenizers: what splits a line of text into the tokens that a model was trained
with. A few rules that C++ can follow to the letter (inference/cc/text/tokenizer.cc).

words: white space separates; punctuation at the ends of a word stands alone, one character a token;
English clitics ('s, n't) are split off as in the Penn Treebank; a final period stays with initials
and acronyms (J., U.S.).
characters: each character that is no white space is a token.
"""

import re

TOKENIZERS = ("words", "characters")

SPACES = " \t\r\n\x0b\x0c\u00a0\u2003\u2009\u3000"
_OPENING = "\"'`([{<$#@*“‘«‹„¿¡（「『【《"
_CLOSING = "\"'`)]}>.,;:!?%*…”’»›。，、；：？！）」』】》"
_ACRONYM = re.compile(r"(?:[A-Za-z]\.){1,10}")
_CLITIC = re.compile(r"(?i)n't|['’](?:s|m|d|re|ve|ll)")
_SPLIT = re.compile(f"[^{SPACES}]+")


def tokenize(text, tokenizer="words"):
    """A line of text -> list of tokens; nothing but white space is lost. tokenizer: one of
    TOKENIZERS.
    """
    return [text[start:end] for start, end in token_spans(text, tokenizer)]


def token_spans(text, tokenizer="words", start=0, end=None):
    """The places of the tokens of text[start:end]: a list of (start, end) in `text`, in order."""
    end = len(text) if end is None else end
    if tokenizer == "characters":
        return [(i, i + 1) for i in range(start, end) if text[i] not in SPACES]
    return [
        span
        for word in _SPLIT.finditer(text, start, end)
        for span in _spans_of(text, word.start(), word.end())
    ]


def _spans_of(text, start, end):
    """The tokens of the word text[start:end]."""
    before, after = [], []
    while end - start > 1 and text[start] in _OPENING and not _CLITIC.fullmatch(text, start, end):
        before.append((start, start + 1))
        start += 1
    while (
        end - start > 1 and text[end - 1] in _CLOSING and not _ACRONYM.fullmatch(text, start, end)
    ):
        dots = 3 if text.endswith("...", start, end) else 1
        if end - start == dots:
            break
        after.append((end - dots, end))
        end -= dots
    clitic = next(
        (
            end - size
            for size in (3, 2)
            if end - start > size and _CLITIC.fullmatch(text, end - size, end)
        ),
        end,
    )
    body = [(start, clitic), (clitic, end)] if clitic < end else [(start, end)]
    return [*before, *body, *reversed(after)]
