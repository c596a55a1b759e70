"""Tags that are probably not meant as a scorer reads them, in lines for the user."""

import shlex

import schemes
import tagset
from scoring.columns import as_text


def tag_notes(scorer, places, name, options):
    """Lines about tags that are probably not meant as a Scorer reads them.

    places: {tag: number of the first line that has it, or 0}. name: that of the file. options:
    as_flags or as_arguments, which says how the user chooses another reading.
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
    """A list of one line about the first tag with a character that does not show, or an empty list.
    at: {tag: 'file:line: '}.
    """
    for tag, place in at.items():
        what = tagset.what_does_not_show(tag) if tag else ""
        if what:
            return [f"{place}{what}: it is another tag than one without; take it out of the tags"]
    return []


def token_notes(tags, outside):
    """Lines about tags that token_eval.py counts: about one that probably means O, where none is
    the outside tag, and about one with a character that does not show.

    tags: {tag: 'file:line: '}, as text. outside: the outside tag.
    """
    lines = hidden_notes(tags)
    tags = [tag for tag in tags if not tagset.hidden(tag)]
    wanted = tagset.outside(tags)
    if outside in tags or not tags:
        return lines
    if wanted is not None:
        lines.append(
            f"no tag is {outside}, so that all tags count in the last line; {tagset.shown(wanted)} "
            f"probably means outside: {as_flags(outside=wanted)} leaves it out"
        )
        return lines
    kinds = {finding.kind for finding in tagset.findings(dict.fromkeys(tags, 0))}
    if not kinds.isdisjoint(("stray", "plain", "column")):
        lines.append(
            f"no tag is {outside}, so that all tags count in the last line; -o names the outside "
            "tag, if there is one"
        )
    return lines


def _how_read(scorer, found, tags, options):
    """The middle of a line: how a Scorer reads what a tagset.Finding is about; '' where that needs
    no words, None where the reading is the one that is meant.
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
        others = [[tag] for tag in tags if tag != no_o]
        scheme = schemes.detect(others)
        if found.tag == no_o and scheme != schemes.RAW:
            flags = options(scheme=scheme, outside=no_o)
            return f"the official script does not know it as outside, {flags} does; or "
        return (
            "the official script takes what stands before the first hyphen for the prefix, and the "
            "rest for the type; "
        )
    if no_o is not None:
        flags, not_outside = options(raw=True, outside=no_o), f" that is not {tagset.shown(no_o)}"
    else:
        flags, not_outside = options(raw=True), " that is not O" if "O" in tags else ""
    return (
        f"the official script finds no chunks in them; {flags} reads each token{not_outside} as a "
        "chunk, as train.py does; "
    )


def as_flags(scheme=None, raw=False, outside=None):
    """Arguments of `score` as flags of the commands that score."""
    flags = []
    if raw:
        flags.append("-r")
    if scheme:
        flags.append(f"--scheme {scheme}")
    if outside is not None:
        flags.append(f"-o {shlex.quote(outside)}")
    return " ".join(flags)


def as_arguments(**options):
    """Arguments of `score` as Python writes them."""
    return ", ".join(f"{name}={value!r}" for name, value in options.items())
