"""Error analysis of tagged sentences: what `chunk_eval.py --errors` prints, draws, or gives as
JSON.

An entity is (start, end, type), end exclusive; those of one tagging do not overlap. `align` puts
each gold and each predicted entity in exactly one pair, alone or with one partner, and a pair has
one of CATEGORIES, which `chunk_eval.py --help` defines.
"""

import heapq
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

from cli import UserError, atomic_write, check_readable, check_writable
from scoring import counting, tables
from scoring.chunks import percentages
from scoring.columns import (
    Columns,
    as_text,
    columns_of,
    note,
    print_latin,
    read_file,
    tag_sequences,
)
from scoring.tables import figures, json_figures

CATEGORIES = ("correct", "type", "boundary", "boundary and type", "missed", "spurious")
SEEN = ("seen with its type", "seen with others", "unseen")
ENTITY_LENGTHS = (1, 2, 3, 4, 5, 7, 11)  # the lowest length of each group, in tokens
SENTENCE_LENGTHS = (1, 6, 11, 21, 31, 51)


class Sentence(NamedTuple):
    """A tagged sentence. Entities are (start, end, type), in order and disjoint."""

    line: int  # number of its first line
    length: int  # tokens
    words: Optional[list]  # None: no word column
    gold: list
    predicted: list


# ---------------------------------------------------------------- pairs and their categories


def align(gold, predicted):
    """Entities of one sentence -> [(gold entity or None, predicted entity or None)], each entity in
    exactly one pair.

    Entities of the same tokens make a pair. Of the rest those that share tokens do: the same type
    first, then the most shared tokens, then the leftmost. An entity that is left has no partner.
    """
    gold_left = {entity[:2]: entity for entity in gold}
    predicted_left = {entity[:2]: entity for entity in predicted}
    pairs = [
        (gold_left.pop(span), predicted_left.pop(span))
        for span in list(gold_left)
        if span in predicted_left
    ]
    for pair in sorted(_sharing([*gold_left.values()], [*predicted_left.values()]), key=_rank):
        first, second = pair[0][:2], pair[1][:2]
        if first in gold_left and second in predicted_left:
            pairs.append((gold_left.pop(first), predicted_left.pop(second)))
    pairs += [(entity, None) for entity in gold_left.values()]
    pairs += [(None, entity) for entity in predicted_left.values()]
    return pairs


def _sharing(gold, predicted):
    """Yields all pairs (gold, predicted) of entities that share tokens. Both lists are in order."""
    i = j = 0
    while i < len(gold) and j < len(predicted):
        if max(gold[i][0], predicted[j][0]) < min(gold[i][1], predicted[j][1]):
            yield gold[i], predicted[j]
        if gold[i][1] < predicted[j][1]:
            i += 1
        else:
            j += 1


def _rank(pair):
    """The sort key of a pair: pairs are made in this order."""
    (start, end, kind), (other_start, other_end, other_kind) = pair
    return kind != other_kind, max(start, other_start) - min(end, other_end), start, other_start


def category(pair):
    """The one of CATEGORIES to which a pair of `align` belongs."""
    gold, predicted = pair
    if predicted is None:
        return "missed"
    if gold is None:
        return "spurious"
    if gold[:2] == predicted[:2]:
        return "correct" if gold[2] == predicted[2] else "type"
    return "boundary" if gold[2] == predicted[2] else "boundary and type"


# ---------------------------------------------------------------- counting


def _no_counts():
    return [0, 0, 0]


@dataclass
class Analysis:
    """Counts over all sentences. The counts of a group are [correct, found, phrases], as
    scoring.chunks.percentages takes them.
    """

    # {(category, gold type or None, predicted type or None): pairs}
    pairs: Counter = field(default_factory=Counter)
    # {lowest length of the group: counts}
    entity_length: dict = field(default_factory=lambda: defaultdict(_no_counts))
    sentence_length: dict = field(default_factory=lambda: defaultdict(_no_counts))
    # {one of SEEN: counts}; None without training entities
    seen: Optional[dict] = None
    # [(Sentence, its wrong pairs)], the sentences with the most of them first
    worst: list = field(default_factory=list)

    @property
    def categories(self):
        """{category: pairs}."""
        return {
            name: sum(count for key, count in self.pairs.items() if key[0] == name)
            for name in CATEGORIES
        }

    @property
    def kinds(self):
        """All types, sorted."""
        return sorted({kind for _, *kinds in self.pairs for kind in kinds if kind is not None})

    @property
    def table(self):
        """Numbers of pairs by gold type (rows) and predicted type (columns), in the order of
        `kinds`. The last row has the pairs without a gold entity, the last column those without a
        predicted one.
        """
        kinds = [*self.kinds, None]
        return [
            [sum(self.pairs[name, gold, predicted] for name in CATEGORIES) for predicted in kinds]
            for gold in kinds
        ]


def analyse(sentences, trained=None, worst=10):
    """Sentences -> Analysis.

    trained: {(word, ...): set of types} of the training entities, for which all sentences need
    their words; or None. worst: how many of the sentences with the most errors to keep; of two with
    as many errors, the earlier one comes first.
    """
    analysis = Analysis()
    if trained is not None:
        analysis.seen = {name: _no_counts() for name in SEEN}
    wrong = []
    for sentence in sentences:
        pairs = align(sentence.gold, sentence.predicted)
        for pair in pairs:
            gold_type, predicted_type = (entity[2] if entity else None for entity in pair)
            analysis.pairs[category(pair), gold_type, predicted_type] += 1
            _count_groups(analysis, sentence, pair, trained)
        errors = [pair for pair in pairs if category(pair) != "correct"]
        if errors:
            wrong.append((sentence, errors))
    analysis.worst = heapq.nlargest(worst, wrong, key=lambda item: len(item[1]))
    return analysis


def _count_groups(analysis, sentence, pair, trained):
    """Adds a pair to the counts of the groups that its entities are in."""
    gold, predicted = pair
    if predicted is not None:
        for counts in _counts_of(analysis, sentence, predicted, trained):
            counts[1] += 1
    if gold is not None:
        for counts in _counts_of(analysis, sentence, gold, trained):
            counts[2] += 1
            counts[0] += gold == predicted  # both entities are in the same groups


def _counts_of(analysis, sentence, entity, trained):
    """The counts of the groups that an entity is in, as a list."""
    start, end, kind = entity
    groups = [
        analysis.entity_length[_group(end - start, ENTITY_LENGTHS)],
        analysis.sentence_length[_group(sentence.length, SENTENCE_LENGTHS)],
    ]
    if trained is not None:
        groups.append(analysis.seen[_seen(kind, trained.get(tuple(sentence.words[start:end]), ()))])
    return groups


def _seen(kind, trained_kinds):
    """The one of SEEN for an entity whose words have `trained_kinds` in the training files."""
    with_its_type, with_others, unseen = SEEN
    if kind in trained_kinds:
        return with_its_type
    return with_others if trained_kinds else unseen


def _group(length, lowest):
    """The lowest length of the group that a length is in. lowest: those of all groups."""
    return max(first for first in lowest if first <= length)


def group_name(group, lowest):
    """'7-10', '11+' and the like, for the group whose lowest length is `group`."""
    higher = [first for first in lowest if first > group]
    if not higher:
        return f"{group}+"
    if higher[0] == group + 1:
        return str(group)
    return f"{group}-{higher[0] - 1}"


def groups_of(analysis):
    """[(title, {name of a group: counts})]: by entity length, by sentence length, and seen against
    unseen where there are training entities.
    """
    groups = [
        ("entity length, in tokens", _named(analysis.entity_length, ENTITY_LENGTHS)),
        ("sentence length, in tokens", _named(analysis.sentence_length, SENTENCE_LENGTHS)),
    ]
    if analysis.seen is not None:
        groups.append(("seen in the training files", analysis.seen))
    return groups


def _named(groups, lowest):
    return {group_name(group, lowest): groups[group] for group in sorted(groups)}


# ---------------------------------------------------------------- output


def text(analysis, has_words):
    """Analysis -> the lines to print."""
    counts = analysis.categories
    shared = sum(counts[name] for name in CATEGORIES[:4])
    lines = [
        "",
        f"errors: {shared + counts['missed']} gold entities, "
        f"{shared + counts['spurious']} predicted, {shared} pairs of them with tokens in common",
    ]
    lines += [f"{name:>17}: {counts[name]}" for name in CATEGORIES]
    lines += ["", "types: gold in rows, predicted in columns", *_matrix(analysis)]
    for title, groups in groups_of(analysis):
        lines += ["", f"{title}:"]
        for name, (correct, found, phrases) in groups.items():
            shown = figures(correct, found, phrases)
            lines.append(f"{name:>18}: {shown}  {phrases} gold, {found} predicted")
    if analysis.worst:
        hint = "" if has_words else " (to read them, name their column: --columns)"
        lines += ["", f"the sentences with the most errors{hint}:"]
    for sentence, errors in analysis.worst:
        found = Counter(map(category, errors))
        numbers = ", ".join(f"{found[name]} {name}" for name in CATEGORIES if found[name])
        lines.append(f"line {sentence.line}: {numbers}")
        if sentence.words:
            lines.append(f"    gold: {marked(sentence.words, sentence.gold)}")
            lines.append(f"    pred: {marked(sentence.words, sentence.predicted)}")
    return "\n".join(lines) + "\n"


def _matrix(analysis):
    """The lines of the table of types."""
    names = [kind or "(none)" for kind in analysis.kinds]
    rows = [["", *names, "missed"]]
    rows += [
        [name, *map(str, counts)] for name, counts in zip([*names, "spurious"], analysis.table)
    ]
    rows[-1][-1] = ""
    widths = [max(map(len, column)) for column in zip(*rows)]
    widths[0] = 17
    return [
        "  ".join(f"{cell:>{width}}" for cell, width in zip(row, widths)).rstrip() for row in rows
    ]


def marked(words, entities):
    """The sentence with its entities in brackets: [ORG EU] rejects [MISC German] call."""
    words = list(words)
    for start, end, kind in entities:
        words[start] = f"[{kind or '(none)'} {words[start]}"
        words[end - 1] += "]"
    return " ".join(words)


def as_json(analysis):
    """Analysis -> what --json shows under `errors`. A type is null where there is no entity."""

    def json_kind(kind):
        return None if kind is None else as_text(kind)

    def json_entity(entity):
        if entity is None:
            return None
        start, end, kind = entity
        return {"start": start, "end": end, "type": as_text(kind)}

    by_entity, by_sentence, *by_seen = (
        {name: json_figures(*counts) for name, counts in groups.items()}
        for _, groups in groups_of(analysis)
    )
    worst = [
        {
            "line": sentence.line,
            "words": sentence.words and [as_text(word) for word in sentence.words],
            "errors": [
                {
                    "category": category((gold, predicted)),
                    "gold": json_entity(gold),
                    "predicted": json_entity(predicted),
                }
                for gold, predicted in errors
            ],
        }
        for sentence, errors in analysis.worst
    ]
    order = sorted(
        analysis.pairs, key=lambda key: (CATEGORIES.index(key[0]), key[1] or "", key[2] or "")
    )
    pairs = [
        {
            "category": name,
            "gold": json_kind(gold),
            "predicted": json_kind(predicted),
            "count": analysis.pairs[name, gold, predicted],
        }
        for name, gold, predicted in order
    ]
    return {
        "categories": analysis.categories,
        "types": pairs,
        "entity_length": by_entity,
        "sentence_length": by_sentence,
        "seen": by_seen[0] if by_seen else None,
        "worst": worst,
    }


def draw(analysis):
    """Analysis -> a matplotlib Figure: the errors of each type, the table of types, F1 by group."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError(
            "--plot: matplotlib is not installed; pip install matplotlib, or leave --plot out"
        ) from None
    figure = Figure(figsize=(13, 9))
    groups = groups_of(analysis)
    panels = figure.subplot_mosaic("AAABBB;CCDDEE" if len(groups) == 3 else "AAABBB;CCCDDD")
    _draw_categories(panels["A"], analysis)
    _draw_matrix(panels["B"], analysis)
    for panel, (title, counts_by_name) in zip("CDE", groups):
        _draw_groups(panels[panel], title, counts_by_name)
    figure.tight_layout()
    return figure


def _label(kind):
    return as_text(kind) or "(none)"


def _draw_categories(axes, analysis):
    """Draws stacked bars of the errors of each type. An error counts for its gold type, a spurious
    entity for its own.
    """
    kinds = analysis.kinds
    errors = Counter()  # {(category, type): pairs}
    for (name, gold, predicted), count in analysis.pairs.items():
        errors[name, predicted if gold is None else gold] += count
    left = [0] * len(kinds)
    for name in CATEGORIES[1:]:
        counts = [errors[name, kind] for kind in kinds]
        axes.barh([_label(kind) for kind in kinds], counts, left=left, label=name)
        left = [before + count for before, count in zip(left, counts)]
    axes.invert_yaxis()
    axes.set_xlabel("errors")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3)


def _draw_matrix(axes, analysis):
    """Draws the table of types; a cell's colour shows its share of the row."""
    kinds, table = analysis.kinds, analysis.table
    shares = [[count / max(sum(row), 1) for count in row] for row in table]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(table):
        for j, count in enumerate(row):
            if i + j == 2 * len(kinds):  # neither a gold nor a predicted entity
                continue
            color = "white" if count > 0.6 * sum(row) else "black"
            axes.text(j, i, count, ha="center", va="center", color=color)
    axes.set_xticks(range(len(kinds) + 1), [*map(_label, kinds), "missed"], rotation=45, ha="right")
    axes.set_yticks(range(len(kinds) + 1), [*map(_label, kinds), "spurious"])
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")


def _draw_groups(axes, title, groups):
    """Draws F1 of each group as a bar, with the number of its gold entities above."""
    bars = axes.bar(
        [name.replace(" with", "\nwith") for name in groups],
        [percentages(*counts)[2] for counts in groups.values()],
    )
    axes.bar_label(bars, [counts[2] for counts in groups.values()])
    axes.set_ylim(0, 107)
    axes.set_xlabel(title)
    axes.set_ylabel("F1 (%); above: gold entities")


# ---------------------------------------------------------------- chunk_eval.py --errors


def run(args):
    """Prints the figures of chunk_eval.py, then the analysis. args: from chunk_eval.parse_args."""
    if args.plot:
        check_writable(args.plot, "--plot")
    for path in args.train_path or []:
        check_readable(path, "--train_path")
    columns = columns_of(args)
    name = args.input or "<stdin>"
    rows = list(read_file(args.input, args.delimiter, columns.width))
    word_at = _word_column(columns, rows)
    if rows and args.train_path and word_at is None:
        raise UserError(
            f"{name}:{rows[0][0]}: --train_path needs the words, and there is no word column; "
            "name it, as in --columns 'word gold pred', or leave --train_path out"
        )
    counted = []
    scorer = counting.count(args, tag_sequences(rows, columns), name, counted)
    scores = scorer.close()
    trained = training_entities(args, columns) if args.train_path else None
    worst = 10 if args.worst is None else args.worst
    analysis = analyse(_sentences(rows, counted, scorer, word_at), trained, worst)
    if args.plot:
        figure = draw(analysis)
        with atomic_write(args.plot) as out:
            figure.savefig(out, format="png")
    if args.json:
        print_latin(tables.output(args, scores, errors=as_json(analysis)))
    else:
        print_latin(tables.output(args, scores) + text(analysis, word_at is not None))
    counting.print_notes(args, scorer, scores)
    official, found = scores.totals[0], analysis.categories["correct"]
    if found != official:
        note(
            "brackets and the like start chunks that end nowhere: of the official script's "
            f"{official} correct chunks the analysis finds {found}"
        )


def _word_column(columns, rows):
    """The index of the column of words: the one that --columns names, or without --columns the
    first of three or more; else None.
    """
    if columns.width:
        return columns.word
    has_words = rows and len(rows[0][1][0]) > 2
    return 0 if has_words else None


def _sentences(rows, counted, scorer, word_at):
    """Yields a Sentence for each sentence that was read and counted."""
    for (line, cells, _), tags in zip(rows, counted):
        words = None if word_at is None else [row[word_at] for row in cells]
        yield Sentence(line, len(cells), words, *map(scorer.chunks, tags))


def training_entities(args, columns):
    """The entities of --train_path, {(word, ...): set of types}. The columns of these files are
    those of the input without `pred`.
    """
    if columns.width:
        gold, word = (at - (at > columns.pred) for at in (columns.gold, columns.word))
        columns = Columns(columns.width - 1, gold, gold, word)
    else:
        columns = Columns(None, -1, -1, 0)
    entities = defaultdict(set)
    for path in args.train_path:
        expected = "word first and tag last"
        rows = list(read_file(path, args.delimiter, columns.width, "--train_path", expected))
        counted = []
        scorer = counting.count(args, tag_sequences(rows, columns), path, counted)
        for sentence in _sentences(rows, counted, scorer, columns.word):
            for start, end, kind in sentence.gold:
                entities[tuple(sentence.words[start:end])].add(kind)
    return entities
