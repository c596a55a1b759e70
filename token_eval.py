"""Scores the tags of a tagged file, token by token: precision, recall and F1 of each tag, and of
all tags but O.

    python token_eval.py < pred.txt
    python token_eval.py --columns "word gold pred" --json < pred.txt

The last two columns are the gold tag and the predicted tag, unless --columns names others. Blank
lines, and lines whose first column is -X-, are no tokens; a -DOCSTART- line is one, as for
chunk_eval.py, and a byte order mark before all of it belongs to no column. Where no tag is the
outside tag and one of them probably means it, or a tag holds a character that does not show, a
note on standard error says so; no figure changes.
"""

import cli
from cli import Parser, run_command
from scoring.chunks import remember
from scoring.columns import add_input_flags, as_latin, as_text, note, print_latin, read_input
from scoring.tables import figures, json_figures
from scoring.tokens import Scores, score

__all__ = ["score"]  # for Python: from token_eval import score

FIGURES = """\
figures:
  The last line, "per-token (partial)", is the micro average over all tags but O: a token whose gold
  tag is not O and is found counts, even where its chunk is found only in part. The number after
  each F1 is that of the tokens predicted as that tag.
  Figures are percentages, in the table, in --json and from score().
"""


def text_table(scores):
    """Scores -> a table in the manner of conlleval."""
    lines = [
        f"processed {scores.tokens} tokens; correct: {scores.correct}; "
        f"accuracy: {scores.accuracy:6.2f}%"
    ]
    rows = [*scores.by_tag().items(), ("per-token (partial)", scores.micro)]
    for name, (correct, found, gold) in rows:
        lines.append(f"{name:>19}: {figures(correct, found, gold)}  {found}")
    return "\n".join(lines) + "\n"


def json_text(scores):
    """Scores -> one JSON object; figures in percent."""
    import json

    result = {
        "tokens": scores.tokens,
        "correct": scores.correct,
        "accuracy": scores.accuracy,
        "micro": json_figures(*scores.micro, name_of_gold="gold"),
        "tags": {
            as_text(tag): json_figures(*counts, name_of_gold="gold")
            for tag, counts in scores.by_tag().items()
        },
    }
    return json.dumps(result, indent=2) + "\n"


def parse_args():
    parser = Parser(description=__doc__, epilog=FIGURES)
    add_input_flags(parser)
    parser.add_argument(
        "-o",
        dest="outside",
        default="O",
        metavar="TAG",
        type=as_latin,
        help="outside tag, left out of the micro average (default O)",
    )
    return parser.parse_args()


def main():
    args = parse_args()
    name = args.input or "<stdin>"
    scores = Scores(args.outside)
    places: dict[str, int] = {}  # {tag: number of the first line that has it}
    for first_line, gold, predicted, _ in read_input(args):
        known = len(scores.pairs)
        scores.pairs.update(zip(gold, predicted))
        if len(scores.pairs) > known:
            remember(places, gold, first_line)
            remember(places, predicted, first_line)
    print_latin(json_text(scores) if args.json else text_table(scores))
    if not scores.tokens:
        note(f"no tokens in {name}")
    from scoring.notes import token_notes  # here, so that mistakes and --help come at once

    tags = {as_text(tag): f"{name}:{line}: " for tag, line in places.items()}
    for line in token_notes(tags, as_text(args.outside)):
        cli.note(f"note: {line}")


if __name__ == "__main__":
    run_command(main)
