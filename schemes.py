"""Tag schemes: detect, convert, validate, and the chunks that tags stand for. Pure rules, standard
library only.
"""

import functools
import itertools

from cli import UserError

# The prefixes of a chunk of one token, and of the first, inner and last token of a longer one. IOB1
# and IOE1 mark a chunk only where it touches another of its own type (Ramshaw and Marcus 1995;
# Tjong Kim Sang and Veenstra 1999): see from_chunks.
_PREFIXES = {
    "bio": ("B", "B", "I", "I"),
    "iob1": ("I", "I", "I", "I"),
    "ioe2": ("E", "I", "I", "E"),
    "ioe1": ("I", "I", "I", "I"),
    "iobes": ("S", "B", "I", "E"),
    "bmes": ("S", "B", "M", "E"),
    "bilou": ("U", "B", "I", "L"),
}

SCHEMES = tuple(_PREFIXES)
RAW = "raw"  # tags without prefixes, such as part-of-speech tags

_STARTS, _ENDS = set("BSU"), set("ESLU")


def split_tag(tag):
    """'B-PER' -> ('B', 'PER'); 'O' -> ('O', ''). Raises ValueError for a tag without a known
    prefix.
    """
    prefix, _, kind = tag.partition("-")
    if prefix not in "BIOEMSLU" or len(prefix) != 1 or (prefix == "O") != (tag == "O"):
        raise ValueError(f"{tag!r} is not O or PREFIX-TYPE")
    return prefix, kind


def chunks(tags):
    """Chunks of a tag sequence in any of SCHEMES, well-formed or not, as (start, end, type) with
    end exclusive.

    One reading serves all schemes: B, S and U begin a chunk, and E, S, L and U end it; a chunk also
    begins where the tag before is O or of another type. An ill-formed sequence is read as conlleval
    reads it.
    """
    found, start, before = [], None, "O"
    for i, tag in enumerate([*tags, "O"]):
        ends, starts = _boundary(before, tag)
        if ends:
            found.append((start, i, split_tag(before)[1]))
        if starts:
            start = i
        before = tag
    return found


def boundary(before, after):
    """Whether a chunk ends and whether one starts between two (prefix, type): (bool, bool).

    This is the one reading of all SCHEMES, see `chunks`.
    """
    (last, last_kind), (this, kind) = before, after
    changes = last == "O" or last in _ENDS or this == "O" or this in _STARTS or kind != last_kind
    return changes and last != "O", changes and this != "O"


@functools.lru_cache(maxsize=1 << 16)
def _boundary(before, tag):
    return boundary(split_tag(before), split_tag(tag))


def entities(tags, scheme):
    """The entities of a tag sequence, as (start, end, type) with end exclusive. scheme: one of
    SCHEMES, where they are the chunks, or RAW, where each token that is not O is an entity.
    """
    if scheme == RAW:
        return [(i, i + 1, tag) for i, tag in enumerate(tags) if tag != "O"]
    return chunks(tags)


def from_chunks(spans, length, scheme):
    """Chunks (start, end, type), sorted and disjoint -> a list of `length` tags in `scheme`, one of
    SCHEMES.
    """
    single, first, inner, last = _PREFIXES[scheme]
    tags = ["O"] * length
    for k, (start, end, kind) in enumerate(spans):
        if end - start == 1:
            prefixes = [single]
        else:
            prefixes = [first] + [inner] * (end - start - 2) + [last]
        if scheme == "iob1" and k and spans[k - 1][1:] == (start, kind):
            prefixes[0] = "B"
        if scheme == "ioe1" and k + 1 < len(spans):
            next_start, _, next_kind = spans[k + 1]
            if (next_start, next_kind) == (end, kind):
                prefixes[-1] = "E"
        tags[start:end] = [f"{prefix}-{kind}" if kind else prefix for prefix in prefixes]
    return tags


def convert(tags, source, target):
    """A tag sequence in `source` -> the same chunks in `target`. Without loss; where both schemes
    are the same the tags are unchanged.
    """
    return list(tags) if source == target else from_chunks(chunks(tags), len(tags), target)


def first_error(tags, scheme):
    """(index, expected tag) of the first tag that is ill-formed in `scheme`, or None."""
    if scheme == RAW:
        return None
    expected = from_chunks(chunks(tags), len(tags), scheme)
    for i, (tag, well_formed_tag) in enumerate(zip(tags, expected)):
        if tag != well_formed_tag:
            return i, well_formed_tag
    return None


def well_formed(tags, scheme):
    """Whether first_error finds nothing. It looks at pairs of neighbouring tags, and is quicker."""
    return scheme == RAW or all(
        map(_may_follow, ["O", *tags], [*tags, "O"], itertools.repeat(scheme))
    )


@functools.lru_cache(maxsize=1 << 16)
def _may_follow(before, tag, scheme):
    return _pair(split_tag(before), split_tag(tag)) in _legal_pairs(scheme)


def validate(sentences, scheme, name):
    """Raises UserError for the first tag of conll.Sentences that is ill-formed in `scheme`. name:
    the file's, for the message.
    """
    for sentence in sentences:
        error = first_error(sentence.tags, scheme)
        if error:
            i, expected = error
            raise UserError(
                f"{name}:{sentence.line(i)}: {sentence.tags[i]} is ill-formed in {scheme}, "
                f"expected {expected}; mend the tag, or check the scheme"
            )


def detect(sequences):
    """The scheme of tag sequences: RAW, or the one of SCHEMES in which most of them are
    well-formed.
    """
    distinct = {tuple(tags) for tags in sequences}
    try:
        prefixes = {split_tag(tag)[0] for tags in distinct for tag in tags}
    except ValueError:
        return RAW
    able = [scheme for scheme in SCHEMES if prefixes <= {"O", *_PREFIXES[scheme], *_extra(scheme)}]
    if not able:
        return RAW
    return max(able, key=lambda scheme: sum(well_formed(tags, scheme) for tags in distinct))


def _extra(scheme):
    """The prefix that a scheme has only where two chunks of one type touch, or ''."""
    return {"iob1": "B", "ioe1": "E"}.get(scheme, "")


def scheme_tags(tags, source, target):
    """A tag vocabulary in another scheme: O, then for each type, in order of appearance, a tag for
    each of the target's prefixes.
    """
    if source == target:
        return list(tags)
    kinds = dict.fromkeys(split_tag(tag)[1] for tag in tags if tag != "O")
    prefixes = dict.fromkeys(_PREFIXES[target][1:] + _PREFIXES[target][:1] + tuple(_extra(target)))
    return ["O"] + [f"{prefix}-{kind}" for kind in kinds for prefix in prefixes]


@functools.cache
def _legal_pairs(scheme):
    """The pairs of neighbours in well-formed sequences, as (prefix, prefix, same type). ^ and $
    mark the beginning and the end.

    In every scheme, pairs of neighbours decide whether a sequence is well-formed, and the sequences
    of four tokens and two types contain every legal pair.
    """
    pairs = set()
    for cuts in itertools.product((False, True), repeat=3):
        bounds = [0] + [i + 1 for i, cut in enumerate(cuts) if cut] + [4]
        spans = list(zip(bounds, bounds[1:]))
        for kinds in itertools.product(("", "x", "y"), repeat=len(spans)):
            layout = [(start, end, kind) for (start, end), kind in zip(spans, kinds) if kind]
            tags = [split_tag(tag) for tag in from_chunks(layout, 4, scheme)]
            framed = [("^", "")] + tags + [("$", "")]
            pairs |= {_pair(before, after) for before, after in zip(framed, framed[1:])}
    return pairs


def _pair(before, after):
    """Two (prefix, type) -> (prefix, prefix, whether both are in chunks of one type)."""
    (last, last_kind), (this, kind) = before, after
    return last, this, last_kind == kind and last not in "^O" and this not in "$O"


def legal_transitions(tags, scheme):
    """Which tags of a vocabulary may begin a well-formed sequence, follow one another, and end it.

    Returns (begin, between, end), lists of bool of shapes (tags,), (tags, tags) from row to column,
    and (tags,).
    """
    if scheme == RAW:
        return [True] * len(tags), [[True] * len(tags)] * len(tags), [True] * len(tags)
    pairs = _legal_pairs(scheme)
    split = [split_tag(tag) for tag in tags]
    begin = [_pair(("^", ""), tag) in pairs for tag in split]
    between = [[_pair(before, tag) in pairs for tag in split] for before in split]
    end = [_pair(tag, ("$", "")) in pairs for tag in split]
    return begin, between, end
