"""Writes sentences as a page of HTML in which the entities are marked.

Each type has a colour and a label.
The page needs no other file. All text of the input is escaped. Characters that HTML cannot hold are
replaced: control characters by their pictures (U+2400 to U+2421), a byte that is not UTF-8 by
U+FFFD. The command etagger writes the same bytes (inference/cc/tagging/html.cc).
"""

import schemes
from tagging.output import OutputFormat, entities_of, joined_spans

# The colours of Okabe and Ito (2008), which colour-blind readers can tell apart. --line is the
# colour itself, for the line below a mark; --tint is mixed with white, for the light background;
# --shade is mixed with black, for the dark one. From the eighth type on the colours are repeated
# with other styles of line. The same rules are in the wheel, in C++ and in the server's page.
STYLE = """\
.etagger mark { color: #1a1a1a; background: var(--tint); border-bottom: 3px solid var(--line);
  border-radius: 3px; padding: 0 3px; unicode-bidi: isolate;
  -webkit-box-decoration-break: clone; box-decoration-break: clone; }
.etagger mark::after { content: " " attr(data-type); font: 600 .7em system-ui, sans-serif;
  unicode-bidi: isolate; }
.etagger mark[data-score]::after { content: " " attr(data-type) " " attr(data-score); }
.etagger .c0 { --line: #0072b2; --tint: #80b9d9; --shade: #0c3b56; }
.etagger .c1 { --line: #e69f00; --tint: #f3cf80; --shade: #6c4e0c; }
.etagger .c2 { --line: #009e73; --tint: #80cfb9; --shade: #0c4e3c; }
.etagger .c3 { --line: #cc79a7; --tint: #e6bcd3; --shade: #613e52; }
.etagger .c4 { --line: #d55e00; --tint: #eaaf80; --shade: #65330c; }
.etagger .c5 { --line: #56b4e9; --tint: #abdaf4; --shade: #30576d; }
.etagger .c6 { --line: #f0e442; --tint: #f8f2a1; --shade: #706b27; }
.etagger .s1 { border-bottom-style: double; }
.etagger .s2 { border-bottom-style: dashed; }
.etagger .s3 { border-bottom-style: dotted; }
@media (prefers-color-scheme: dark) {
  .etagger mark { color: #f2f2f2; background: var(--shade); }
}
"""
_PAGE_STYLE = """\
body { margin: 0 auto; padding: 1rem; max-width: 60rem; color: #1a1a1a; background: #fff;
  font: 1rem/2 system-ui, sans-serif; }
p { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; }
header mark::after { content: none; }
@media (prefers-color-scheme: dark) {
  body { color: #f2f2f2; background: #15171a; }
}
"""
_COLOURS, _LINES = 7, 4  # c0 to c6; s1 to s3, and the solid line

_HEAD = f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; style-src 'unsafe-inline'">
<title>Entities</title>
<style>
{STYLE}{_PAGE_STYLE}</style>
</head>
<body class="etagger">
<header>
<h1>Entities</h1>
"""
FOOT = "</main>\n</body>\n</html>\n"

_PICTURES = {code: chr(0x2400 + code) for code in range(32)} | {0x7F: "\u2421"}
_BAD_BYTES = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")  # PEP 383, and all other surrogates
_KEPT = {"\t": "\t", "\n": "\n", "\r": "&#13;", "&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPES = _PICTURES | _BAD_BYTES | {ord(key): value for key, value in _KEPT.items()}
_ESCAPES[ord('"')] = "&quot;"


def escape(text):
    """Escapes a text for HTML, within an element or an attribute in double quotes."""
    return text.translate(_ESCAPES)


def types_of(tags, scheme):
    """The types of a model's tags, sorted. scheme: that of the tags."""
    if scheme == schemes.RAW:
        return sorted({*tags} - {"O"})
    return sorted({schemes.split_tag(tag)[1] for tag in tags if tag != "O"})


def looks_of(types):
    """The CSS classes of each type: {type: classes}."""
    looks = {}
    for i, name in enumerate(types):
        line = i // _COLOURS % _LINES
        looks[name] = f"c{i % _COLOURS} s{line}" if line else f"c{i % _COLOURS}"
    return looks


def marked(text, spans, looks):
    """The text as HTML with its spans marked. spans: (start, end, type, score or None) in code
    points, sorted and disjoint. looks: as looks_of returns them.
    """
    parts, at = [], 0
    for start, end, kind, score in spans:
        data_score = "" if score is None else f' data-score="{score:.3f}"'
        attributes = f'class="{looks[kind]}" data-type="{escape(kind)}"{data_score}'
        inside = escape(text[start:end])
        parts += [escape(text[at:start]), f"<mark {attributes}>", inside, "</mark>"]
        at = end
    return "".join([*parts, escape(text[at:])])


def head(types):
    """The beginning of the page, up to the first sentence, with a legend of the types."""
    marks = [
        f'<mark class="{look}">{escape(kind)}</mark>' for kind, look in looks_of(types).items()
    ]
    return f'{_HEAD}<p>{" ".join(marks)}</p>\n</header>\n<main lang="">\n'


def html_format(tagger, scores=False):
    """The OutputFormat of a page with a paragraph for each sentence. scores: the marks show the
    probability of each entity.
    """
    page = _Page(types_of(tagger.meta["tags"], tagger.meta["tag_scheme"]))

    def answer(sentences):
        return list(zip(sentences, entities_of(tagger, sentences, scores)))

    return OutputFormat(answer, page.write, page.write_text, page.close, keeps_bytes=False)


class _Page:
    """Writes a page sentence by sentence: its head before the first one, or at the end."""

    def __init__(self, types):
        self.types, self.looks, self.is_begun = types, looks_of(types), False

    def write(self, out, _, answer):
        """Writes the words of a sentence, joined by spaces. answer: (sentence, entities); None for
        blank lines.
        """
        if answer:
            words = answer[0].words
            self._write(out, " ".join(words), joined_spans(words), answer[1])

    def write_text(self, out, sentence, answer):
        """Writes a TextSentence. answer: (sentence, entities); None if it has no words."""
        self._write(out, sentence.text, sentence.spans, answer[1] if answer else [])

    def close(self, out):
        self._begin(out)
        out.write(FOOT.encode())

    def _begin(self, out):
        if not self.is_begun:
            out.write(head(self.types).encode())
            self.is_begun = True

    def _write(self, out, text, places, entities):
        """Writes a paragraph. places: (start, end) of each word in the text. entities: (start, end,
        type) or (start, end, type, probability), where start and end count words.
        """
        self._begin(out)
        spans = [
            (places[start][0], places[end - 1][1], kind, score[0] if score else None)
            for start, end, kind, *score in entities
        ]
        out.write(f"<p>{marked(text, spans, self.looks)}</p>\n".encode())
