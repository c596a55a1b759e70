"""What is probably not meant in a set of tags: no O, no prefixes, letters that look alike.

A tag is O or PREFIX-TYPE, such as B-PER (`schemes.split_tag`). Where one tag is neither, all tags
are read without prefixes: the whole tag is a type, and each token that is not O is an entity of its
own. That is right for part-of-speech tags and wrong for `B_PER`, `b-per`, `PER-B`, `(PER*` or a 0
in place of O. So every command that reads tags says how it reads them, in one line for each
Finding. Pure rules; standard library only, since the scorers import it.
"""

import re
import string
import unicodedata
from collections import Counter
from typing import NamedTuple

import schemes
from cli import UserError

# What stands for outside where no tag is O, whatever its case.
_OUTSIDE = frozenset("0 o _ __ - -- * none null nil nan n/a na other out outside no".split()) | {""}

_SEPARATORS = r"[-_:/.|=+~ ]"
_PREFIX_FIRST = re.compile(rf"([BIEMSLUWbiemsluw]){_SEPARATORS}(.+)", re.DOTALL)  # W: whole, S
_PREFIX_LAST = re.compile(rf"(.+){_SEPARATORS}([BIEMSLUbiemslu])", re.DOTALL)
_BRACKETS = re.compile(r"((?:\([^()*\s]+)*)\*?(\)*)")  # OntoNotes and CoNLL-2005: (PER* * *) (LOC)

# Letters of other scripts that look like Latin ones, and hyphens of other lengths (the part of
# Unicode's confusables, UTS 39, that keyboards and word processors put into tags); and full-width
# forms.
_WIDE = string.ascii_letters + string.digits + "-_*"
_LOOKS = str.maketrans(
    {
        # Cyrillic
        **dict(zip("АВЕКМНОРСТУХІЈЅ", "ABEKMHOPCTYXIJS")),
        **dict(zip("аеорсухіјѕ", "aeopcyxijs")),
        # Greek
        **dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧο", "ABEZHIKMNOPTYXo")),
        # full-width
        **{chr(ord(character) + 0xFEE0): character for character in _WIDE},
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63", "-"),
    }
)

# Characters without a mark of their own that Unicode counts among letters, marks and symbols.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# They shape their neighbours in scripts such as Persian, and in emoji: see `hidden`.
_JOINERS = frozenset("\u200c\u200d" + "".join(map(chr, range(0xFE00, 0xFE10))))
_FIRST_JOINED = "\u0590"  # the first letter after Latin, Greek, Cyrillic and Armenian


class Finding(NamedTuple):
    """Something in a set of tags that is probably not meant."""

    kind: str  # stray, plain, column, prefixes, outside, untyped, alike or case
    tag: str  # the first tag that it is about
    what: str  # what is found: the beginning of a sentence
    mend: str  # what to do about it: the end of that sentence
    meant: str = ""  # the tag that is probably meant; "" where that is not known


# ---------------------------------------------------------------- characters that do not show


_HIDDEN = frozenset(["Cc", "Cf", "Zs", "Zl", "Zp"])  # Unicode's general categories


def hidden(tag):
    """The first character of a tag that does not show, so that two tags look the same; or None.

    These are control and format characters, all spaces but ASCII's, and that one too at an end.
    """
    for i, character in enumerate(tag):
        if character == " " and 0 < i < len(tag) - 1:
            continue
        if character in _JOINERS and _joins(tag, i):
            continue
        blank = character in _BLANK or character in _JOINERS
        if blank or unicodedata.category(character) in _HIDDEN:
            return character
    return None


def _joins(tag, i):
    """Whether the joiner or variation selector at an index of a tag shows: whether the characters
    around it belong to a joined script or are emoji.
    """
    before, after = tag[i - 1 : i] if i else "", tag[i + 1 : i + 2]
    return before >= _FIRST_JOINED and (tag[i] >= "\ufe00" or after >= _FIRST_JOINED)


def named(character):
    """'U+00A0 NO-BREAK SPACE'."""
    name = unicodedata.name(character, "a control character")
    return f"U+{ord(character):04X} {name}"


def shown(tag):
    """A tag as messages show it: characters that do not show are given by their numbers."""
    if not tag:
        return "'' (empty)"
    numbers = {
        character: f"<U+{ord(character):04X}>" for character in tag if hidden(f"x{character}x")
    }
    if tag != tag.strip(" "):
        numbers[" "] = "<U+0020>"
    return "".join(numbers.get(character, character) for character in tag)


def what_does_not_show(tag):
    """The words that name a tag's hidden character; '' where it has none."""
    character = hidden(tag)
    if character is None:
        return ""
    return f"tag {shown(tag)} holds {named(character)}, which does not show"


def check(tags):
    """Raises UserError for a tag that cannot be trained on: one that is not a str, an empty one,
    and one with a character that does not show.

    tags: {tag: the first place where it is, such as 'train.txt:7'}.
    """
    for tag, place in tags.items():
        if not isinstance(tag, str):
            kind = type(tag).__name__
            raise UserError(f"{place}: tag {tag!r} is of type {kind}, expected str; give its name")
        if not tag:
            raise UserError(f"{place}: the tag is empty, expected one; write O outside of entities")
        what = what_does_not_show(tag)
        if what:
            raise UserError(
                f"{place}: {what}, expected visible characters alone; take it out of the tags"
            )


# ---------------------------------------------------------------- what is meant


def _parts(tag):
    """(prefix, type) of a tag that is O or PREFIX-TYPE; None for any other."""
    try:
        return schemes.split_tag(tag)
    except ValueError:
        return None


def looks(tag):
    """The tag in the Latin letters, digits and hyphens that it looks like."""
    return unicodedata.normalize("NFC", tag).translate(_LOOKS)


def meant(tag):
    """The O or PREFIX-TYPE that is probably meant by a tag that is neither; None where that is not
    known.

    >>> [meant(tag) for tag in ("0", "B_PER", "b-PER", "PER-B", "(PER*", "X-PER")]
    ['O', 'B-PER', 'B-PER', 'B-PER', 'B-PER', None]
    """
    latin = looks(tag)
    if latin.strip().lower() in _OUTSIDE or latin == "O":
        return "O"
    if latin != tag and _parts(latin):
        return latin
    brackets = _BRACKETS.fullmatch(latin)
    if brackets:
        opened = brackets[1].rpartition("(")[2]
        return f"B-{opened}" if opened else "I-..."
    prefix_first = _PREFIX_FIRST.fullmatch(latin)
    if prefix_first:
        prefix, kind = prefix_first.groups()
        return f"{prefix.upper().replace('W', 'S')}-{kind}"
    prefix_last = _PREFIX_LAST.fullmatch(latin)
    if prefix_last:
        kind, prefix = prefix_last.groups()
        return f"{prefix.upper()}-{kind}"
    return None


def outside(tags):
    """The tag that probably means O in a set of tags, where none is O; or None."""
    if "O" in tags:
        return None
    strays = [tag for tag in tags if _parts(tag) is None]
    for tag in strays:
        if meant(tag) == "O":
            return tag
    if len(strays) == 1 and len(tags) > 1 and _typed(tags) and "-" not in strays[0]:
        return strays[0]
    return None


def _typed(tags):
    """The tags of the form PREFIX-TYPE, with a type."""
    parts_of = {tag: _parts(tag) for tag in tags}
    return [tag for tag, parts in parts_of.items() if parts and parts[1]]


def findings(tags, tokens=0, more=()):
    """What is probably not meant in a set of tags: a list of Finding, at most one of each kind.

    tags: {tag: how many tokens have it, or 0}, in order of appearance. tokens: how many tokens
    there are; 0 where that is not known. more: tags of another set, which should have the types of
    the first.
    """
    strays = [tag for tag in tags if _parts(tag) is None]
    found = [_of_strays(tags, strays, tokens)] if strays else _of_prefixes(tags)
    found.append(_untyped(tags, strays))
    about = {finding.tag for finding in found if finding}
    both = {**tags, **{tag: 0 for tag in more if tag not in tags}}
    found += [_alike(both, about), _case(both, about)]
    return [finding for finding in found if finding]


def _of_strays(tags, strays, tokens):
    """The Finding of tags of which some are neither O nor PREFIX-TYPE."""
    typed, no_o = _typed(tags), outside(tags)
    if 4 * len(typed) < len(strays):
        typed = []  # such as the words E-mail and B-52
    guesses = {tag: "O" if tag == no_o else meant(tag) for tag in strays}
    prefixed = [tag for tag in strays if guesses[tag] not in (None, "O")]
    others = [tag for tag in strays if no_o is None or guesses[tag] != "O"]
    if not typed and 2 * len(prefixed) <= len(others):
        return _plain(tags, strays, no_o, tokens)
    first = no_o if typed and no_o is not None else (prefixed or strays)[0]
    guess = guesses[first]
    look = f" ({_unlike(first)})" if first != looks(first) else ""
    what = f"tag {shown(first)}{look} is neither O nor PREFIX-TYPE"
    mend = "mend the tag"
    if guess:
        what += f", and probably means {guess}" + (", which no tag is" if first == no_o else "")
        mend = f"write {guess} in its place"
    if first != no_o and no_o is not None:
        mend += f", and O in place of {shown(no_o)}"
    if guess and _BRACKETS.fullmatch(first) and guess != "O":
        kind = guess.partition("-")[2]
        mend = f"write B-{kind}, I-{kind} and O in place of the brackets"
    return Finding("stray", first, what, mend, guess or "")


def _plain(tags, strays, no_o, tokens):
    """The Finding of tags without prefixes."""
    types = [tag for tag in tags if tag not in ("O", no_o)]
    some = ", ".join(map(shown, types[:3])) + (", ..." if len(types) > 3 else "")
    if len(tags) > 1000 or (len(tags) > 20 and 3 * len(tags) > tokens > 0):
        count = f" for {tokens:,} tokens" if tokens else ""
        what = f"{len(tags):,} different tags{count} ({some}) are probably another column"
        return Finding("column", strays[0], what, "name the columns with --columns")
    what = f"the tags have no prefixes such as B- and I- ({some})"
    mend = "where neighbours of one type are one entity, write I- before the types"
    if no_o is not None:
        what += f", and {shown(no_o)} probably means O, which no tag is"
        mend = f"write O in place of {shown(no_o)}; {mend}"
    elif "O" not in tags:
        what += ", and none is O"
    return Finding("plain", strays[0], what, mend, "" if no_o is None else "O")


def _of_prefixes(tags):
    """The Findings of tags that all are O or PREFIX-TYPE, as a list."""
    if not tags:
        return []
    first = {}
    for tag in tags:
        first.setdefault(_parts(tag)[0], tag)
    prefixes = sorted(first.keys() - {"O"})
    found = []
    if schemes.detect([[tag] for tag in tags]) == schemes.RAW:
        what = f"the prefixes {' '.join(prefixes)} belong to no one scheme"
        tokens_of = {
            prefix: sum(tags[tag] for tag in tags if tag[0] == prefix) for prefix in prefixes
        }
        rarest = min(prefixes, key=tokens_of.get)
        mend = f"bring the tags into one of {', '.join(schemes.SCHEMES)}"
        found.append(Finding("prefixes", first[rarest], what, mend))
    if "O" not in tags:
        what = "no tag is O, so that each token is part of an entity"
        found.append(Finding("outside", next(iter(tags)), what, "write O outside of entities"))
    return found


def _untyped(tags, strays):
    """Prefixes without a type, such as `B-` and `E`, among tags that have types."""
    parts = {tag: _parts(tag) for tag in tags if tag not in strays and tag != "O"}
    bare = [tag for tag, (_, kind) in parts.items() if not kind]
    odd = bare if len(bare) < len(parts) else [tag for tag in bare if len(tag) > 1]
    if not odd:
        return None
    what = f"tag {odd[0]} has no type, and is read as an entity without one"
    return Finding("untyped", odd[0], what, f"write {odd[0][0]}-TYPE, or O")


def _names(tags):
    """{type, or the whole tag where it has no prefix: [the tags that have it]}."""
    names = {}
    for tag in tags:
        parts = _parts(tag)
        names.setdefault(parts[1] if parts and parts[1] else tag, []).append(tag)
    return names


def _twins(tags, key):
    """(type, its twin) of the first two types with one `key`, the rarer first; or None."""
    names, groups = _names(tags), {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    for group in groups.values():
        if len(group) > 1:
            group.sort(key=lambda name: -sum(tags[tag] for tag in names[name]))
            return group[-1], group[0]
    return None


def _words(one, other, names):
    """'types PER and per', or tags where they are no types."""
    both = [one, other]
    kind = "tags" if all(names[name] == [name] for name in both) else "types"
    return f"{kind} {' and '.join(map(shown, both))}"


def _alike(tags, about):
    """The Finding of two types that look the same, or of one type with both Latin letters and
    letters of another script that look Latin; or None.
    """
    names, twins = _names(tags), _twins(tags, looks)
    if twins:
        rare, other = twins
        odd = rare if looks(rare) != rare else other
        words = _words(rare, other, names)
        what = f"{words} look the same ({_unlike(odd)}), and are read as two"
        finding = Finding("alike", names[rare][0], what, "write them alike if they are one type")
    else:
        mixed = [name for name in names if looks(name) != name and re.search("[A-Za-z]", name)]
        mixed = [name for name in mixed if _unlike(name)]
        if not mixed:
            return None
        tag = names[mixed[0]][0]
        what = f"tag {shown(tag)}: {_unlike(mixed[0])}"
        finding = Finding("alike", tag, what, f"write {looks(tag)} if that is meant")
    return None if finding.tag in about else finding


def _unlike(tag):
    """How a tag differs from what it looks like: 'U+0420 CYRILLIC CAPITAL LETTER ER looks like P',
    of its first such character, or that it is composed in another way; '' where it does not differ.
    """
    for character in tag:
        latin = character.translate(_LOOKS)
        if latin != character:
            return f"{named(character)} looks like {latin}"
    return "" if tag == unicodedata.normalize("NFC", tag) else "composed in another way"


def _case(tags, about):
    """The Finding of two types that differ in case alone, or None."""
    twins = _twins(tags, str.casefold)
    if not twins:
        return None
    rare, other = twins
    tag = _names(tags)[rare][0]
    if tag in about or looks(rare) == looks(other):
        return None
    words = _words(rare, other, _names(tags))
    what = f"{words} differ in case alone, and are read as two"
    return Finding("case", tag, what, "write them alike if they are one type")


# ---------------------------------------------------------------- how training reads them


def collect(parts, by_value=False):
    """({tag: how many tokens have it}, {tag: its first place}) of [(name, conll.Sentences)].

    A place is name:line; with by_value, where the sentences come from no file, name:sentence.
    """
    counts, places = Counter(), {}
    for name, sentences in parts:
        for sentence in sentences:
            for i, tag in enumerate(sentence.tags):
                if tag not in places:
                    places[tag] = f"{name}:{sentence.first_line + (0 if by_value else i)}"
            counts.update(sentence.tags)
    return counts, places


def train_lines(tags, places, scheme, more=(), mixed=""):
    """What train.py and embvec.py say of the training tags: a list of lines.

    tags, more: see `findings`. places: {tag: its first place}, for both. scheme: that of the tags,
    by schemes.detect. mixed: what `mixed_schemes` returns.
    """
    lines = []
    for found in findings(tags, sum(tags.values()), more):
        read, what = "", found.what
        if scheme == schemes.RAW and found.kind in ("stray", "plain", "column", "prefixes"):
            all_but = " that is not O" if "O" in tags else ""
            read = (
                f"; all tags are read as types, each token{all_but} as an entity of its own, as by "
                "chunk_eval.py -r"
            )
        if mixed and found.kind == "prefixes":
            what, mixed = f"{what} ({mixed})", ""
        lines.append(f"{places[found.tag]}: {what}{read}; {found.mend}")
    if mixed:
        lines.append(f"{mixed}, expected one scheme in all files; the tags are read as {scheme}")
    return lines


def mixed_schemes(parts, scheme, others=""):
    """'a.txt is in bio, b.txt in iobes' where the files [(name, conll.Sentences)] are in several
    schemes, or in another one than `scheme`; else ''.

    scheme: that of all files together, or of `others`, with which they are compared. A file differs
    where at most half as many of its tag sequences are well-formed in `scheme` as in its own.
    """
    own, differ = {}, set()
    for name, sentences in parts:
        distinct = {tuple(one.tags) for one in sentences if set(one.tags) != {"O"}}
        own[name] = schemes.detect(distinct)
        if own[name] in (schemes.RAW, scheme):
            continue
        in_own = _count_well_formed(distinct, own[name])
        if distinct and 2 * _count_well_formed(distinct, scheme) <= in_own:
            differ.add(name)
    if not differ or (scheme == schemes.RAW and len({own[name] for name in differ}) < 2):
        return ""
    pairs = [(name, found) for name, found in own.items() if not others or name in differ]
    if others:
        pairs.append((others, scheme))
    (first, first_scheme), *rest = pairs
    return ", ".join(
        [f"{first} is in {first_scheme}", *(f"{name} in {found}" for name, found in rest)]
    )


def _count_well_formed(sequences, scheme):
    """How many sequences are well-formed in a scheme; 0 for RAW, which is none."""
    if scheme == schemes.RAW:
        return 0
    return sum(schemes.well_formed(tags, scheme) for tags in sequences)
