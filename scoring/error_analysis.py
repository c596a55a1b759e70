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
ENTITY_LENGTHS = (1, 2, 3, 4, 5, 7, 11)  # the least of each group, in tokens
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
    """Entities of one sentence -> [(gold entity or None, predicted entity or None)], each of them
    in exactly one pair.

    Entities of the same tokens make a pair. Of the rest those that share tokens do: the same type
    first, then the most shared tokens, then the leftmost. Who is left stays alone.
    """
    gold_left, predicted_left = (
        {entity[:2]: entity for entity in gold},
        {entity[:2]: entity for entity in predicted},
    )
    pairs = [
        (gold_left.pop(span), predicted_left.pop(span))
        for span in list(gold_left)
        if span in predicted_left
    ]
    for pair in sorted(_sharing([*gold_left.values()], [*predicted_left.values()]), key=_rank):
        first, second = pair[0][:2], pair[1][:2]
        if first in gold_left and second in predicted_left:
            pairs.append((gold_left.pop(first), predicted_left.pop(second)))
    return (
        pairs
        + [(entity, None) for entity in gold_left.values()]
        + [(None, entity) for entity in predicted_left.values()]
    )


def _sharing(gold, predicted):
    """All pairs that share tokens, of entities in order."""
    i = j = 0
    while i < len(gold) and j < len(predicted):
        if max(gold[i][0], predicted[j][0]) < min(gold[i][1], predicted[j][1]):
            yield gold[i], predicted[j]
        if gold[i][1] < predicted[j][1]:
            i += 1
        else:
            j += 1


def _rank(pair):
    """What is paired first comes first."""
    (start, end, kind), (other_start, other_end, other_kind) = pair
    return kind != other_kind, max(start, other_start) - min(end, other_end), start, other_start


def category(pair):
    """The one of CATEGORIES that a pair of `align` belongs to."""
    gold, predicted = pair
    if predicted is None:
        return "missed"
    if gold is None:
        return "spurious"
    if gold[:2] == predicted[:2]:
        return "correct" if gold[2] == predicted[2] else "type"
    return "boundary" if gold[2] == predicted[2] else "boundary and type"


# ---------------------------------------------------------------- counting


@dataclass
class Analysis:
    """Counts over all sentences. The groups' lists are [correct, found, phrases], as
    chunk_eval.percentages takes them.
    """

    pairs: Counter = field(
        default_factory=Counter
    )  # {(category, gold type or None, predicted type or None): pairs}
    entity_length: dict = field(
        default_factory=lambda: defaultdict(lambda: [0, 0, 0])
    )  # {least of the group: counts}
    sentence_length: dict = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    seen: Optional[dict] = None  # {one of SEEN: counts}; None without training entities
    worst: list = field(
        default_factory=list
    )  # [(Sentence, its wrong pairs)], the most of them first

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
        """Pairs by gold type (rows) and predicted type (columns), in the order of `kinds`; no gold
        and no prediction last.
        """
        kinds = [*self.kinds, None]
        return [
            [sum(self.pairs[name, gold, predicted] for name in CATEGORIES) for predicted in kinds]
            for gold in kinds
        ]


def analyse(sentences, trained=None, worst=10):
    """Sentences -> Analysis.

    trained: {(word, ...): set of types} of the training entities, for which all sentences need
    their words. worst: how many sentences to keep; of equally many errors the earlier one.
    """
    analysis = Analysis(seen=None if trained is None else {name: [0, 0, 0] for name in SEEN})
    wrong = []
    for sentence in sentences:
        pairs = align(sentence.gold, sentence.predicted)
        for pair in pairs:
            gold_type, predicted_type = (entity and entity[2] for entity in pair)
            analysis.pairs[category(pair), gold_type, predicted_type] += 1
            _count_groups(analysis, sentence, pair, trained)
        errors = [pair for pair in pairs if category(pair) != "correct"]
        if errors:
            wrong.append((sentence, errors))
    analysis.worst = heapq.nlargest(worst, wrong, key=lambda each: len(each[1]))
    return analysis


def _count_groups(analysis, sentence, pair, trained):
    """Adds a pair to the groups of its entities; those of a correct pair are in the same ones."""
    for place, entity in ((1, pair[1]), (2, pair[0])):
        if entity is None:
            continue
        groups = [
            analysis.entity_length[_group(entity[1] - entity[0], ENTITY_LENGTHS)],
            analysis.sentence_length[_group(sentence.length, SENTENCE_LENGTHS)],
        ]
        if trained is not None:
            kinds = trained.get(tuple(sentence.words[entity[0] : entity[1]]), ())
            groups.append(analysis.seen[SEEN[0 if entity[2] in kinds else 1 if kinds else 2]])
        for group in groups:
            group[place] += 1
            group[0] += place == 2 and pair[0] == pair[1]


def _group(length, least):
    return max(each for each in least if each <= length)


def group_name(group, least):
    """The first of a group of lengths -> '7-10', '11+' and the like."""
    after = [each for each in least if each > group]
    return (
        f"{group}+"
        if not after
        else str(group)
        if after[0] == group + 1
        else f"{group}-{after[0] - 1}"
    )


def groups_of(analysis):
    """[(title, {name of a group: counts})]: by entity length, by sentence length, and seen against
    unseen where it is known.
    """
    lengths = {
        group_name(each, ENTITY_LENGTHS): analysis.entity_length[each]
        for each in sorted(analysis.entity_length)
    }
    sentences = {
        group_name(each, SENTENCE_LENGTHS): analysis.sentence_length[each]
        for each in sorted(analysis.sentence_length)
    }
    groups = [("entity length, in tokens", lengths), ("sentence length, in tokens", sentences)]
    return groups + (
        [("seen in the training files", analysis.seen)] if analysis.seen is not None else []
    )


# ---------------------------------------------------------------- output


def text(analysis, has_words):
    """Analysis -> the lines to print."""
    counts = analysis.categories
    shared = sum(counts[name] for name in CATEGORIES[:4])
    lines = [
        "",
        f"errors: {shared + counts['missed']} gold entities, {shared + counts['spurious']} "
        f"predicted, {shared} pairs of them with tokens in common",
    ]
    lines += [f"{name:>17}: {counts[name]}" for name in CATEGORIES]
    lines += ["", "types: gold in rows, predicted in columns", *_matrix(analysis)]
    for title, groups in groups_of(analysis):
        lines += ["", f"{title}:"] + [
            f"{name:>18}: {figures(*each)}  {each[2]} gold, {each[1]} predicted"
            for name, each in groups.items()
        ]
    if analysis.worst:
        hint = "" if has_words else " (to read them, name their column: --columns)"
        lines += ["", f"the sentences with the most errors{hint}:"]
    for sentence, errors in analysis.worst:
        found = Counter(map(category, errors))
        lines.append(
            f"line {sentence.line}: "
            + ", ".join(f"{found[name]} {name}" for name in CATEGORIES if found[name])
        )
        if sentence.words:
            lines += [
                f"    {name}: {marked(sentence.words, entities)}"
                for name, entities in (("gold", sentence.gold), ("pred", sentence.predicted))
            ]
    return "\n".join(lines) + "\n"


def _matrix(analysis):
    """The lines of the table of types."""
    names = [kind or "(none)" for kind in analysis.kinds]
    rows = [["", *names, "missed"]]
    rows += [
        [name, *map(str, counts)] for name, counts in zip([*names, "spurious"], analysis.table)
    ]
    rows[-1][-1] = ""
    width = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            [f"{row[0]:>17}", *(f"{cell:>{size}}" for cell, size in zip(row[1:], width[1:]))]
        ).rstrip()
        for row in rows
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

    def kind(name):
        return name if name is None else as_text(name)

    def entity(each):
        return each and {"start": each[0], "end": each[1], "type": as_text(each[2])}

    by_entity, by_sentence, *by_seen = (
        {name: json_figures(*each) for name, each in groups.items()}
        for _, groups in groups_of(analysis)
    )
    worst = [
        {
            "line": sentence.line,
            "words": sentence.words and [as_text(word) for word in sentence.words],
            "errors": [
                {"category": category(pair), "gold": entity(pair[0]), "predicted": entity(pair[1])}
                for pair in errors
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
            "gold": kind(gold),
            "predicted": kind(predicted),
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
    figure, groups = Figure(figsize=(13, 9)), groups_of(analysis)
    panels = figure.subplot_mosaic("AAABBB;CCDDEE" if len(groups) == 3 else "AAABBB;CCCDDD")
    _draw_categories(panels["A"], analysis)
    _draw_matrix(panels["B"], analysis)
    for name, (title, each) in zip("CDE", groups):
        _draw_groups(panels[name], title, each)
    figure.tight_layout()
    return figure


def _label(kind):
    return as_text(kind) or "(none)"


def _draw_categories(axes, analysis):
    """Stacked bars of the errors of each type; an error counts for its gold type, a spurious entity
    for its own.
    """
    kinds, errors = analysis.kinds, Counter()
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
    """The table of types, coloured by the share of a row."""
    kinds, table = analysis.kinds, analysis.table
    axes.imshow(
        [[count / max(sum(row), 1) for count in row] for row in table], cmap="Blues", vmin=0, vmax=1
    )
    for i, row in enumerate(table):
        for j, count in enumerate(row):
            if i + j < 2 * len(kinds):
                axes.text(
                    j,
                    i,
                    count,
                    ha="center",
                    va="center",
                    color="white" if count > 0.6 * sum(row) else "black",
                )
    axes.set_xticks(range(len(kinds) + 1), [*map(_label, kinds), "missed"], rotation=45, ha="right")
    axes.set_yticks(range(len(kinds) + 1), [*map(_label, kinds), "spurious"])
    axes.set_xlabel("predicted")
    axes.set_ylabel("gold")


def _draw_groups(axes, title, groups):
    """F1 of each group as a bar, the gold entities in it above."""
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
    """Prints what chunk_eval.py prints, then the analysis. args: those of chunk_eval.parse_args."""
    if args.plot:
        check_writable(args.plot, "--plot")
    for path in args.train_path or []:
        check_readable(path, "--train_path")
    columns = columns_of(args)
    name, rows, counted = (
        args.input or "<stdin>",
        list(read_file(args.input, args.delimiter, columns.width)),
        [],
    )
    word_at = columns.word if columns.width else 0 if rows and len(rows[0][1][0]) > 2 else None
    if rows and args.train_path and word_at is None:
        raise UserError(
            f"{name}:{rows[0][0]}: --train_path needs the words, and there is no word column; "
            "name it, as in --columns 'word gold pred', or leave --train_path out"
        )
    scorer = counting.count(args, tag_sequences(rows, columns), name, counted)
    scores = scorer.close()
    trained = training_entities(args, columns) if args.train_path else None
    analysis = analyse(
        _sentences(rows, counted, scorer, word_at),
        trained,
        10 if args.worst is None else args.worst,
    )
    if args.plot:
        figure = draw(analysis)
        with atomic_write(args.plot) as out:
            figure.savefig(out, format="png")
    more = {"errors": as_json(analysis)} if args.json else {}
    print_latin(
        tables.output(args, scores, **more)
        + ("" if args.json else text(analysis, word_at is not None))
    )
    counting.say_notes(args, scorer, scores)
    if analysis.categories["correct"] != scores.totals[0]:
        note(
            "chunk_eval.py",
            "brackets and the like start chunks that end nowhere: of the official script's "
            f"{scores.totals[0]} correct chunks the analysis finds "
            f"{analysis.categories['correct']}",
        )


def _sentences(rows, counted, scorer, word_at):
    """A Sentence for each sentence read."""
    for (line, cells, _), tags in zip(rows, counted):
        words = None if word_at is None else [row[word_at] for row in cells]
        yield Sentence(line, len(cells), words, *map(scorer.chunks, tags))


def training_entities(args, columns):
    """The entities of --train_path, {(word, ...): set of types}; its columns are those of the input
    without `pred`.
    """
    if columns.width:
        gold, word = (at - (at > columns.pred) for at in (columns.gold, columns.word))
        columns = Columns(columns.width - 1, gold, gold, word)
    else:
        columns = Columns(None, -1, -1, 0)
    entities = defaultdict(set)
    for path in args.train_path:
        counted, rows = (
            [],
            list(
                read_file(
                    path, args.delimiter, columns.width, "--train_path", "word first and tag last"
                )
            ),
        )
        scorer = counting.count(args, tag_sequences(rows, columns), path, counted)
        for sentence in _sentences(rows, counted, scorer, columns.word):
            for start, end, kind in sentence.gold:
                entities[tuple(sentence.words[start:end])].add(kind)
    return entities
