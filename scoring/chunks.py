"""Tags read as chunks, and chunks counted: precision, recall and F1 by type."""

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from types import SimpleNamespace

import schemes

# ---------------------------------------------------------------- reading tags as chunks

# Neighbouring prefixes of one type between which conlleval ends a chunk, and between which it
# starts one.
_ENDS = frozenset(["BB", "BO", "IB", "IO", "EE", "EI", "EO"])
_STARTS = frozenset(["BB", "IB", "OB", "OI", "OE", "EE", "EI"])


def conlleval_split(tag):
    """'B-PER' -> ('B', 'PER'); 'NONE' -> ('NONE', ''). The type 0 counts as no type, since the
    script is in Perl, where '0' is false.
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
    """What the tags that follow one tag mean: {tag: (chunk ends, chunk starts, (prefix, type), the
    _Steps of that tag)}. An entry is made when it is first looked up.
    """

    def __init__(self, reading, parts):
        super().__init__()
        self.reading, self.parts = reading, parts

    def __missing__(self, tag):
        steps = self.reading.steps(tag)
        self[tag] = step = (*self.reading.boundary(self.parts, steps.parts), steps.parts, steps)
        return step


class Reading:
    """A way to read tags as chunks. split: tag -> (prefix, type), or ValueError for a bad tag.
    boundary: conlleval_boundary or scheme_boundary.
    """

    def __init__(self, split, boundary):
        self.split, self.boundary = split, boundary
        self.known = {}  # {tag: its _Steps}

    def steps(self, tag):
        """The _Steps of a tag."""
        if tag not in self.known:
            self.known[tag] = _Steps(self, self.split(tag))
        return self.known[tag]

    def chunks(self, tags):
        """The chunks of one sequence as (start, end, type), end exclusive. Each token that starts a
        chunk gives one.
        """
        found, steps = [], self.steps("O")
        start = kind = None
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
    """The reading of the official script."""
    return Reading(conlleval_split, conlleval_boundary)


def raw_reading(outside):
    """The reading of -r: a tag is a type without a prefix, and every token that is not outside is a
    chunk of its own.
    """

    def split(tag):
        return ("O", "") if tag in ("O", outside) else ("B", "" if tag == "0" else tag)

    return Reading(split, conlleval_boundary)


def scheme_reading():
    return Reading(schemes.split_tag, schemes.boundary)


# ---------------------------------------------------------------- counting


def percentages(correct: int, found: int, phrases: int) -> tuple[float, float, float]:
    """(precision, recall, F1) in percent; 0 where there is nothing to divide by."""
    precision = 100 * correct / found if found else 0.0
    recall = 100 * correct / phrases if phrases else 0.0
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0


class Scores(SimpleNamespace):
    """Numbers of chunks by type: phrases (gold), found (predicted) and correct; numbers of tokens
    and of tokens whose tag is right; percentages over all types.

    No dataclass: the scorers take half as long again to start where `dataclasses` is imported.
    """

    def __init__(self):
        self.tokens = 0
        self.correct_tags = 0
        self.phrases: dict[str, int] = defaultdict(int)
        self.found: dict[str, int] = defaultdict(int)
        self.correct: dict[str, int] = defaultdict(int)
        self.reading = "conlleval"  # or raw, or the scheme
        self.sequences = 0
        self.ill_formed_gold = 0  # sequences, counted with strict
        self.ill_formed_predicted = 0

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
    """Counts chunks in pairs of tag sequences. A chunk is correct when gold and predicted tags
    start it at the same token, with the same type, and end it at the same token.
    """

    def __init__(self, reading):
        self.reading, self.scores = reading, Scores()
        outside = reading.steps("O")
        self.state = (outside, outside, "", False)

    def add(self, gold, predicted, ended=True):
        """Counts two sequences of one length. ended: whether a sentence ends here, which conlleval
        reads as one more O.
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
        """Ends the input. Returns the Scores."""
        *_, kind, is_open = self.state
        if is_open:
            self.scores.correct[kind] += 1
        return self.scores


def only_well_formed(tags, scheme):
    """The sequence with O in place of every chunk that is ill-formed in `scheme`."""
    spans = schemes.chunks(tags)
    kept = ["O"] * len(tags)
    expected = schemes.from_chunks(spans, len(tags), scheme)
    for start, end, _ in spans:
        if list(tags[start:end]) == expected[start:end]:
            kept[start:end] = tags[start:end]
    return kept


def remember(places, tags, first_line):
    """Adds the tags of a sequence that are new to `places`, {tag: number of the first line that has
    it}.

    first_line: the line of the sequence's first tag, from 1; 0 where there are no lines.
    """
    for i, tag in enumerate(tags):
        places.setdefault(tag, first_line + i if first_line else 0)


class Scorer:
    """Scores pairs of sequences by conlleval's reading and, where a scheme is given, by its reading
    too.
    """

    def __init__(self, scheme=None, strict=False, raw=False, outside="O"):
        self.scheme, self.strict, self.raw, self.outside = scheme, strict, raw, outside
        self.official = ChunkCounter(raw_reading(outside) if raw else conlleval_reading())
        self.own = ChunkCounter(scheme_reading()) if scheme else None
        self.sequences = 0
        self.ill_formed = [0, 0]  # sequences: gold, predicted
        self.tags = {}  # {tag that was counted: number of the first line that has it}
        self.known = 0  # how many tags the reading had met when `tags` was last brought up to date

    def add(self, gold, predicted, ended=True, first_line=0):
        """Counts two sequences of one length. Returns them as they are counted: with a scheme O is
        the outside tag, and with strict there are well-formed chunks only. first_line: see
        `remember`.
        """
        as_given = gold, predicted
        if self.scheme and self.outside != "O":
            gold, predicted = self._with_o(gold), self._with_o(predicted)
        self.sequences += 1
        self.official.add(gold, predicted, ended)
        known = len(self.official.reading.known)  # with an O from the start
        if known > self.known or "O" not in self.tags:
            self.known = known
            for tags in as_given:
                remember(self.tags, tags, first_line)
        if self.own:
            if self.strict:
                gold, predicted = self._well_formed(0, gold), self._well_formed(1, predicted)
            self.own.add(gold, predicted, ended)
        return gold, predicted

    def chunks(self, tags):
        """The chunks of a sequence that `add` returned, (start, end, type)."""
        return (self.own or self.official).reading.chunks(tags)

    def _with_o(self, tags):
        return ["O" if tag == self.outside else tag for tag in tags]

    def _well_formed(self, side, tags):
        if schemes.well_formed(tags, self.scheme):
            return tags
        self.ill_formed[side] += 1
        return only_well_formed(tags, self.scheme)

    def close(self):
        """Returns the Scores. Accuracy is always that of the tags as they were given."""
        official = self.official.close()
        scores = self.own.close() if self.own else official
        scores.tokens, scores.correct_tags = official.tokens, official.correct_tags
        scores.reading = self.scheme or ("raw" if self.raw else "conlleval")
        scores.sequences = self.sequences
        scores.ill_formed_gold, scores.ill_formed_predicted = self.ill_formed
        return scores

    def difference(self):
        """A pair of neighbouring tags that conlleval and a scheme read differently, or None."""
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
    gold_sequences: Iterable[Sequence[str]],
    predicted_sequences: Iterable[Sequence[str]],
    scheme: str | None = None,
    strict: bool = False,
    raw: bool = False,
    outside: str = "O",
    warn: bool = True,
) -> Scores:
    """The Scores of gold and predicted tag sequences (iterables of lists of str), as conlleval
    counts, or as `scheme` reads the tags. Precision, recall and F1 are percentages.

    scheme: one of schemes.SCHEMES. strict (with a scheme): only well-formed chunks count. raw: tags
    have no prefixes. outside: the outside tag of raw tags or of a scheme. warn: warn of tags that
    are probably not meant as they are read. Raises ValueError for sequences of unequal length, and
    with a scheme for a tag that is not O or PREFIX-TYPE.
    """
    scorer = Scorer(scheme, strict, raw, outside)
    for gold, predicted in zip(gold_sequences, predicted_sequences, strict=True):
        scorer.add(gold, predicted)
    if warn:
        from scoring.notes import as_arguments, tag_notes

        for line in tag_notes(scorer, scorer.tags, "", as_arguments):
            warnings.warn(line, stacklevel=2)
    return scorer.close()


def trained_reading(scheme):
    """The arguments with which training calls `score`. scheme: what schemes.detect returns."""
    return {"raw": True} if scheme == schemes.RAW else {"scheme": scheme}
