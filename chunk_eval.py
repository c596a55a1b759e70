"""Scores the chunks of a tagged file: precision, recall and F1 by type, as the conlleval script
prints them.

    python chunk_eval.py < pred.txt
    python chunk_eval.py -d '\\t' < pred.tsv
    python chunk_eval.py --scheme iobes --strict --json < pred.txt
    python chunk_eval.py --errors --train_path data/train.txt --plot errors.png < pred.txt

The last two columns are the gold tag and the predicted tag, unless --columns names others. Blank
lines, and lines whose first column is -X-, end a sentence; a -DOCSTART- line counts as a token, as
it does for the official script, and is a sentence of its own. A byte order mark at the beginning
belongs to no column.

Tags that are probably not meant as they are read (no O among them, no prefixes, a character that
does not show) change no figure: a note on standard error, or a warning from `score`, says how they
are read and which flag reads them as meant.
"""

from cli import Parser, UserError, run_command
from scoring.chunks import score
from scoring.columns import add_input_flags, add_reading_flags, print_latin, read_input
from scoring.counting import count, print_notes
from scoring.tables import output

__all__ = ["score"]  # for Python: from chunk_eval import score

READINGS = """\
how chunks are read:
  By default as the official script reads them, oddities included: it knows B, I, O and E, so that
  two chunks of one type side by side, such as S-PER S-PER or E-LOC B-LOC, count as one. --scheme
  reads B, S and U as the first token of a chunk and E, S, L and U as its last. A note says when the
  two readings differ. -o acts only with -r, --scheme or --strict: the official script ignores it
  without -r, and lists a chunk that has no type twice.
  Tags without prefixes, such as PER and LOC, are no chunks to the official script. train.py reads
  them as -r does: each token that is not O is a chunk. A note says so, and names tags that are
  neither O nor PREFIX-TYPE.

how columns are found:
  Spaces and tabs separate columns, runs count as one, and CRLF is understood. --delimiter tab
  splits at each single tab and at nothing else: columns may hold spaces, or be empty. -d ' ' splits
  at each single space, as the official script does; any other -d is a regular expression, as there:
  empty columns at a line's end are dropped.

--errors puts each gold and each predicted entity in one category; in all but the last two, a gold
and a predicted entity make a pair:
  correct             the same tokens, the same type
  type                the same tokens, another type
  boundary            some tokens in common, not all, the same type
  boundary and type   some tokens in common, not all, another type
  missed              a gold entity without a partner
  spurious            a predicted entity without a partner
  Each has one partner at most. Entities of the same tokens pair first; of the rest those that share
  tokens: the same type first, then the most shared tokens, then the leftmost. So the first four and
  missed add up to the gold entities, the first four and spurious to the predicted ones, and the
  rows and columns of the table of types to those of a type. F1 by length counts gold and predicted
  entities by their own length. An entity is seen where its words are an entity in --train_path.

figures are percentages, in the table, in --json and from score().
"""


# ---------------------------------------------------------------- the command


def parse_args():
    parser = Parser(description=__doc__, epilog=READINGS)
    add_input_flags(parser)
    add_reading_flags(parser)
    parser.add_argument("-l", dest="latex", action="store_true", help="print a LaTeX table")
    parser.add_argument(
        "--strict",
        action="store_true",
        help="count only well-formed chunks, and say how many sequences were ill-formed; without "
        "--scheme the gold tags decide the scheme, and the tags are held in memory",
    )
    group = parser.add_argument_group(
        "error analysis (the file is held in memory; words are the column `word`, or without "
        "--columns the first of three or more)"
    )
    group.add_argument(
        "--errors",
        action="store_true",
        help="what the errors are, by type and length; the worst sentences",
    )
    group.add_argument(
        "--train_path",
        metavar="FILE",
        nargs="+",
        help="training files, with the columns of the input but for pred (without --columns: word "
        "first, tag last): F1 of entities seen there and unseen",
    )
    group.add_argument("--worst", metavar="N", type=int, help="show so many sentences (default 10)")
    group.add_argument("--plot", metavar="FILE", help="draw the figures to this PNG file")
    args = parser.parse_args()
    if args.raw and (args.scheme or args.strict):
        raise UserError(
            "-r says that tags have no prefixes, --scheme and --strict read prefixes; leave one out"
        )
    if args.json and args.latex:
        raise UserError("--json and -l are two forms of output; leave one out")
    if args.errors and args.latex:
        raise UserError("-l prints the official script's table alone; leave it or --errors out")
    for name in ("train_path", "worst", "plot"):
        if getattr(args, name) is not None and not args.errors:
            raise UserError(
                f"--{name} is part of the error analysis; add --errors, or leave it out"
            )
    if args.worst is not None and args.worst < 0:
        raise UserError(f"--worst {args.worst}: expected 0 or more")
    return args


def main():
    args = parse_args()
    if args.errors:
        from scoring import error_analysis

        return error_analysis.run(args)
    scorer = count(args, read_input(args), args.input or "<stdin>")
    scores = scorer.close()
    print_latin(output(args, scores))
    print_notes(args, scorer, scores)


if __name__ == "__main__":
    run_command(main)
