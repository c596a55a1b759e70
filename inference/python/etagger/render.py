"""A text with its entities marked, as HTML, for a notebook: what model.render(text) returns.

    Rendering("Sumogetti left Vremland.", model("Sumogetti left Vremland."), model.types)

The text is escaped. Characters that HTML cannot hold are replaced: control characters by their
pictures (U+2400 to U+2421), a byte that is not UTF-8 by U+FFFD.
"""

from __future__ import annotations

from typing import Any, Iterable, Sequence

__all__ = ["Rendering"]

# The same rules as in the pages of inference.py --html; a test compares them.
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
_COLOURS, _LINES = 7, 4  # c0 to c6; s1 to s3, and the solid line

_ESCAPES = {
    **{code: chr(0x2400 + code) for code in range(32)},
    0x7F: "\u2421",
    **dict.fromkeys(range(0xD800, 0xE000), "\ufffd"),  # a byte that is not UTF-8 (PEP 383)
    **str.maketrans({"\t": "\t", "\n": "\n", "\r": "&#13;"}),
    **str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}),
}


class Rendering:
    """A marked text. A notebook shows it by _repr_html_(); str() returns the same HTML."""

    def __init__(
        self, text: str | bytes, entities: Iterable[Any], types: Sequence[str] | None = None
    ) -> None:
        """entities: objects with type, start, end (in code points of the text) and score (a float
        or None), sorted and disjoint, as a model returns them. types: the types of the model, whose
        order decides the colours; default: the types of the entities.
        """
        self.text = text if isinstance(text, str) else text.decode(errors="surrogateescape")
        self.entities = list(entities)
        if types is None:
            types = sorted({entity.type for entity in self.entities})
        self.types = list(types)

    def _repr_html_(self) -> str:
        style = f"<style>\n{STYLE}</style>\n"
        box = "white-space: pre-wrap; overflow-wrap: anywhere; line-height: 2"
        return f'{style}<div class="etagger" style="{box}">{self._marked()}</div>\n'

    __str__ = _repr_html_

    def __repr__(self) -> str:
        return f"<Rendering of {len(self.text)} characters, {len(self.entities)} entities>"

    def _marked(self) -> str:
        parts, at = [], 0
        for entity in self.entities:
            parts += [_escape(self.text[at : entity.start]), self._mark(entity)]
            at = entity.end
        return "".join([*parts, _escape(self.text[at:])])

    def _mark(self, entity: Any) -> str:
        place = self.types.index(entity.type)
        line = place // _COLOURS % _LINES
        look = f"c{place % _COLOURS} s{line}" if line else f"c{place % _COLOURS}"
        score = "" if entity.score is None else f' data-score="{entity.score:.3f}"'
        attributes = f'class="{look}" data-type="{_escape(entity.type)}"{score}'
        return f"<mark {attributes}>{_escape(self.text[entity.start : entity.end])}</mark>"


def _escape(text: str) -> str:
    """Escapes a text for HTML, within an element or an attribute in double quotes."""
    return text.translate(_ESCAPES)
