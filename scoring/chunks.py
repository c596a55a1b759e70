"""Tags read as chunks, and chunks counted: precision, recall and F1 by type."""

import warnings
from collections import defaultdict
from dataclasses import dataclass, field

import schemes
from scoring.notes import _as_arguments, tag_notes

# ---------------------------------------------------------------- reading tags as chunks

# Neighbouring prefixes of one type between which conlleval ends a chunk, and between which it
# starts one.
_ENDS = frozenset(["BB", "BO", "IB", "IO", "EE", "EI", "EO"])


_STARTS = frozenset(["BB", "IB", "OB", "OI", "OE", "EE", "EI"])


def conlleval_split(tag):
    """'B-PER' -> ('B', 'PER'); 'NONE' -> ('NONE', ''). The type 0 counts as none: Perl holds it for
    false.
    """
    prefix, _, kind = tag.partition("-")
    return prefix, "" if kind == "0" else kind


def conlleval_boundary(before, after):
    """Whether a chunk ends and whether one starts between two (prefix, type): (bool, bool).

    The rules of the CoNLL-2000 scorer for any mixture of schemes, and for brackets, which are
    chunks of one token (Tjong Kim Sang and Veenstra 1999, "Representing text chunks").
    """
    (last, last_kind), (this, kind) = before, after
    pair = last + this if len(last) == len(this) == 1 else ""
    ends = pair in _ENDS or last in ("[", "]") or (kind != last_kind and last not in ("O", "."))
    starts = pair in _STARTS or this in ("[", "]") or (kind != last_kind and this not in ("O", "."))
    return ends, starts


class _Steps(dict):
    """What may follow one tag: {tag: (chunk ends, chunk starts, (prefix, type), steps from there)},
    filled when met.
    """

    def __init__(self, reading, parts):
        super().__init__()
        self.reading, self.parts = reading, parts

    def __missing__(self, tag):
        steps = self.reading.steps(tag)
        self[tag] = step = (*self.reading.boundary(self.parts, steps.parts), steps.parts, steps)
        return step


class Reading:
    """A way to read tags as chunks. split: tag -> (prefix, type), ValueError for a bad tag;
    boundary: as above.
    """

    def __init__(self, split, boundary):
        self.split, self.boundary, self.known = split, boundary, {}

    def steps(self, tag):
        if tag not in self.known:
            self.known[tag] = _Steps(self, self.split(tag))
        return self.known[tag]

    def chunks(self, tags):
        """The chunks of one sequence as (start, end, type), end exclusive: one for each token that
        starts one.
        """
        found, start, kind, steps = [], None, None, self.steps("O")
        for i, tag in enumerate(tags):
            ends, starts, parts, steps = steps[tag]
            if start is not None and (ends or starts):
                found.append((start, i, kind))
                start = None
            if starts:
                start, kind = i, parts[1]
        if start is not None:
            found.append((start, len(tags), kind))
        return found


def conlleval_reading():
    return Reading(conlleval_split, conlleval_boundary)


def raw_reading(outside):
    """-r: a tag is a type without prefix, and every token that is not outside is a chunk of its
    own.
    """

    def split(tag):
        return ("O", "") if tag in ("O", outside) else ("B", "" if tag == "0" else tag)

    return Reading(split, conlleval_boundary)


def scheme_reading():
    return Reading(schemes.split_tag, schemes.boundary)


# ---------------------------------------------------------------- counting


def percentages(correct, found, phrases):
    """(precision, recall, F1) in percent; 0 where there is nothing to divide by."""
    precision = 100 * correct / found if found else 0.0
    recall = 100 * correct / phrases if phrases else 0.0
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0


@dataclass
class Scores:
    """Chunks by type: phrases (gold), found (predicted) and correct; tokens whose tag is right;
    percentages of all.
    """

    tokens: int = 0
    correct_tags: int = 0
    phrases: dict = field(default_factory=lambda: defaultdict(int))
    found: dict = field(default_factory=lambda: defaultdict(int))
    correct: dict = field(default_factory=lambda: defaultdict(int))
    reading: str = "conlleval"  # or raw, or the scheme
    sequences: int = 0
    ill_formed_gold: int = 0  # sequences, counted with strict
    ill_formed_predicted: int = 0

    @property
    def totals(self):
        """(correct, found, phrases) over all types."""
        return sum(self.correct.values()), sum(self.found.values()), sum(self.phrases.values())

    def of(self, kind):
        """(correct, found, phrases) of one type."""
        return self.correct.get(kind, 0), self.found.get(kind, 0), self.phrases.get(kind, 0)

    @property
    def accuracy(self):
        return 100 * self.correct_tags / self.tokens if self.tokens else 0.0

    @property
    def precision(self):
        return percentages(*self.totals)[0]

    @property
    def recall(self):
        return percentages(*self.totals)[1]

    @property
    def f1(self):
        return percentages(*self.totals)[2]


class ChunkCounter:
    """Counts chunks in pairs of tag sequences. A chunk is correct when gold and prediction start it
    at one token, with one type, and end it at one token."""

    def __init__(self, reading):
        self.reading, self.scores = reading, Scores()
        outside = reading.steps("O")
        self.state = (outside, outside, "", False)

    def add(self, gold, predicted, ended=True):
        """Counts two sequences of one length. ended: a sentence ends here, which conlleval takes
        for one more O.
        """
        scores = self.scores
        phrases, found, correct, same = scores.phrases, scores.found, scores.correct, 0
        gold_steps, pred_steps, kind, is_open = self.state
        scores.tokens += len(gold)
        if ended:
            gold, predicted, same = [*gold, "O"], [*predicted, "O"], -1
        for gold_tag, pred_tag in zip(gold, predicted, strict=True):
            gold_ends, gold_starts, gold_parts, gold_steps = gold_steps[gold_tag]
            pred_ends, pred_starts, pred_parts, pred_steps = pred_steps[pred_tag]
            if gold_ends or pred_ends:
                if is_open and gold_ends and pred_ends:
                    correct[kind] += 1
                is_open = False
            kind = gold_parts[1]
            if gold_parts == pred_parts:
                same += 1
            elif kind != pred_parts[1]:
                is_open = False
            if gold_starts:
                phrases[kind] += 1
                if pred_starts and kind == pred_parts[1]:
                    is_open = True
            if pred_starts:
                found[pred_parts[1]] += 1
        scores.correct_tags += same
        self.state = gold_steps, pred_steps, kind, is_open

    def close(self):
        """The end of the input. Returns the Scores."""
        *_, kind, is_open = self.state
        if is_open:
            self.scores.correct[kind] += 1
        return self.scores


def only_well_formed(tags, scheme):
    """The sequence with O in place of every chunk that is ill-formed in `scheme`."""
    spans, kept = schemes.chunks(tags), ["O"] * len(tags)
    expected = schemes.from_chunks(spans, len(tags), scheme)
    for start, end, _ in spans:
        if list(tags[start:end]) == expected[start:end]:
            kept[start:end] = tags[start:end]
    return kept


def remember(places, tags, first_line):
    """Puts the tags of a sequence that are new into {tag: the line where it stood first}.

    first_line: the line of the first of them, from 1; 0 where there are no lines.
    """
    for i, tag in enumerate(tags):
        places.setdefault(tag, first_line + i if first_line else 0)


class Scorer:
    """Scores pairs of sequences in conlleval's reading, and beside it in that of a scheme when
    there is one.
    """

    def __init__(self, scheme=None, strict=False, raw=False, outside="O"):
        self.scheme, self.strict, self.raw, self.outside = scheme, strict, raw, outside
        self.official = ChunkCounter(raw_reading(outside) if raw else conlleval_reading())
        self.own = ChunkCounter(scheme_reading()) if scheme else None
        self.sequences, self.ill_formed = 0, [0, 0]
        self.tags = {}  # all tags that were counted, and the line where each stood first
        self.known = 0  # how many tags the reading had met when that was last looked after

    def add(self, gold, predicted, ended=True, first_line=0):
        """Counts two sequences of one length. Returns them as they are counted: with a scheme O is
        the outside tag, and with strict there are well-formed chunks only. first_line: see
        remember."""
        as_given = gold, predicted
        if self.scheme and self.outside != "O":
            gold, predicted = (
                ["O" if tag == self.outside else tag for tag in tags] for tags in (gold, predicted)
            )
        self.sequences += 1
        self.official.add(gold, predicted, ended)
        known = len(self.official.reading.known)  # with an O from the start
        if known > self.known or "O" not in self.tags:
            self.known = known
            for tags in as_given:
                remember(self.tags, tags, first_line)
        if self.scheme:
            if self.strict:
                gold, predicted = self._well_formed(0, gold), self._well_formed(1, predicted)
            self.own.add(gold, predicted, ended)
        return gold, predicted

    def chunks(self, tags):
        """The chunks of a sequence that `add` returned, (start, end, type)."""
        return (self.own or self.official).reading.chunks(tags)

    def _well_formed(self, side, tags):
        if schemes.well_formed(tags, self.scheme):
            return tags
        self.ill_formed[side] += 1
        return only_well_formed(tags, self.scheme)

    def close(self):
        """Returns the Scores. Accuracy is always that of the tags as they stand."""
        official = self.official.close()
        scores = self.own.close() if self.own else official
        scores.tokens, scores.correct_tags = official.tokens, official.correct_tags
        scores.reading = self.scheme or ("raw" if self.raw else "conlleval")
        scores.sequences = self.sequences
        scores.ill_formed_gold, scores.ill_formed_predicted = self.ill_formed
        return scores

    def difference(self):
        """A pair of neighbouring tags that conlleval reads otherwise than a scheme does, or None."""
        for last, steps in self.official.reading.known.items():
            for tag, (ends, starts, *_) in steps.items():
                try:
                    parts = schemes.split_tag(last), schemes.split_tag(tag)
                except ValueError:
                    continue
                if schemes.boundary(*parts) != (ends, starts):
                    return last, tag
        return None


def score(
    gold_sequences,
    predicted_sequences,
    scheme=None,
    strict=False,
    raw=False,
    outside="O",
    warn=True,
):
    """Scores of gold and predicted tag sequences (iterables of lists of str): conlleval's, unless
    `scheme` is given.

    scheme: one of conll.SCHEMES; strict (with a scheme): only well-formed chunks count; raw: tags
    have no prefixes; outside: the outside tag of raw tags or of a scheme. `.f1` and its like are
    percentages. warn: warn of tags that are probably not meant as they are read. Raises ValueError
    for sequences of unequal length, and with a scheme for a tag that is not O or PREFIX-TYPE.
    """
    scorer = Scorer(scheme, strict, raw, outside)
    for gold, predicted in zip(gold_sequences, predicted_sequences, strict=True):
        scorer.add(gold, predicted)
    for line in tag_notes(scorer, scorer.tags, "", _as_arguments) if warn else ():
        warnings.warn(line, stacklevel=2)
    return scorer.close()


def trained_reading(scheme):
    """The arguments of `score` with which training scores tags in what conll.detect finds."""
    return {"raw": True} if scheme == schemes.RAW else {"scheme": scheme}
