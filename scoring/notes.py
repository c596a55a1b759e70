"""Tags that are probably not meant as a scorer reads them, in lines for the user."""

import shlex

import schemes
import tagset
from scoring.columns import as_text

# ---------------------------------------------------------------- tags that are probably not meant


def tag_notes(scorer, places, name, options):
    """Lines about tags that are probably not meant as a Scorer reads them.

    places: {tag: the line where it stood first, or 0}, as text. name: the file's, for its lines.
    options: a function from arguments of `score` to the words that name them.
    """
    at = {tag: f"{name}:{line}: " if line else "" for tag, line in places.items()}
    lines = hidden_notes(at)
    own = as_text(scorer.outside) if options is as_flags else scorer.outside
    read = {"O" if tag == own else tag: 0 for tag in places if not tagset.hidden(tag)}
    for found in tagset.findings(read, scorer.official.scores.tokens):
        how = _how_read(scorer, found, read, options)
        if how is not None:
            lines.append(f"{at.get(found.tag, '')}{found.what}; {how}{found.mend}")
    return lines


def hidden_notes(at):
    """A line about the first tag with a character that does not show. at: {tag: 'file:line: '}."""
    for tag, place in at.items():
        if tag and (what := tagset.what_does_not_show(tag)):
            return [f"{place}{what}: it is another tag than one without; take it out of the tags"]
    return []


def _how_read(scorer, found, tags, options):
    """How a Scorer reads what a tagset.Finding is about, up to what is to be done; None where it
    reads that as it is meant.
    """
    if found.kind in ("alike", "case"):
        return ""
    no_o = tagset.outside(tags)
    if scorer.raw:
        if no_o is None:
            return None
        return f"{options(raw=True, outside=no_o)} reads {tagset.shown(no_o)} as outside; or "
    if found.kind == "untyped":
        return ""
    if scorer.scheme or found.kind not in ("stray", "plain", "column"):
        return None
    if found.kind == "stray":
        rest = [[tag] for tag in tags if tag != no_o]
        scheme = schemes.detect(rest)
        if found.tag == no_o and scheme != schemes.RAW:
            flags = options(scheme=scheme, outside=no_o)
            return f"the official script does not know it as outside, {flags} does; or "
        return (
            "the official script takes what stands before the first hyphen for the prefix, and the "
            "rest for the type; "
        )
    flags = options(raw=True) if no_o is None else options(raw=True, outside=no_o)
    not_outside = f" that is not {'O' if no_o is None else tagset.shown(no_o)}"
    if no_o is None and "O" not in tags:
        not_outside = ""
    return (
        f"the official script finds no chunks in them; {flags} reads each token{not_outside} as a "
        "chunk, as train.py does; "
    )


def as_flags(scheme=None, raw=False, outside=None):
    """Arguments of `score` as flags of the command."""
    words = ["-r"] * raw + ([f"--scheme {scheme}"] if scheme else [])
    return " ".join(words + ([f"-o {shlex.quote(outside)}"] if outside is not None else []))


def _as_arguments(**options):
    return ", ".join(f"{name}={value!r}" for name, value in options.items())
