"""Counts the chunks of a file as a command's flags say."""

import sys

import schemes
import tagset
from cli import UserError
from scoring.chunks import Scorer, percentages
from scoring.columns import as_text, note
from scoring.notes import as_flags, tag_notes


def count(args, sequences, name, counted=None):
    """Scores all sequences of the file `name`. Returns the Scorer, still open. counted: a list that
    takes what Scorer.add returns."""
    if args.strict and not args.scheme:
        sequences = list(sequences)
        args.scheme = _scheme_of_gold(args, sequences)
    scorer = Scorer(args.scheme, args.strict, args.raw, args.outside)
    for first_line, gold, predicted, ended in sequences:
        try:
            pair = scorer.add(gold, predicted, ended, first_line)
        except ValueError:
            _refuse(args, name, first_line, gold, predicted)
        if counted is not None:
            counted.append(pair)
    return scorer


def _scheme_of_gold(args, sequences):
    """The scheme of the gold tags, for --strict. Raises UserError where they follow none."""
    gold = [["O" if tag == args.outside else tag for tag in each[1]] for each in sequences]
    scheme = schemes.detect(gold)
    if scheme == schemes.RAW:
        tags = dict.fromkeys((as_text(tag) for each in gold for tag in each), 0)
        why = tagset.findings(tags, sum(map(len, gold)))[0].what
        raise UserError(
            f"--strict: the gold tags follow no scheme ({why}), tags such as B-PER, I-PER and O "
            "were expected; check -o and --columns, or leave --strict out"
        )
    return scheme


def _refuse(args, name, first_line, gold, predicted):
    """Raises UserError for the first row with a tag that has no prefix of any scheme."""
    for line, row in enumerate(zip(gold, predicted), first_line):
        for tag in row:
            try:
                schemes.split_tag("O" if tag == args.outside else tag)
            except ValueError:
                raise UserError(
                    f"{name}:{line}: tag {as_text(tag)!r}, expected O or PREFIX-TYPE "
                    f"({args.scheme}); mend the tag, name the outside tag with -o, or leave out "
                    "--scheme and --strict"
                ) from None


def say_of_tags(command, scorer, name):
    """Notes of a command about the tags of the file `name`: see tag_notes."""
    places = {}
    for tag, line in scorer.tags.items():
        places.setdefault(as_text(tag), line)
    for line in tag_notes(scorer, places, name, as_flags):
        print(f"{command}: note: {line}", file=sys.stderr)


def say_notes(args, scorer, scores):
    """What the figures do not show, on standard error."""
    say_of_tags("chunk_eval.py", scorer, args.input or "<stdin>")
    if not scores.tokens:
        note("chunk_eval.py", f"no tokens in {args.input or '<stdin>'}")
    if args.outside != "O" and not (args.raw or args.scheme):
        note(
            "chunk_eval.py", "-o acts only with -r, --scheme or --strict, as in the official script"
        )
    pair = None if args.raw else scorer.difference()
    if pair and args.scheme:
        correct, found, phrases = scorer.official.scores.totals
        note(
            "chunk_eval.py",
            "the readings differ, as where {} follows {}: the official script, and this one "
            "without "
            "--scheme, counts {} phrases; found: {}; correct: {}; FB1: {:.2f}".format(
                *reversed(pair), phrases, found, correct, percentages(correct, found, phrases)[2]
            ),
        )
    elif pair:
        note(
            "chunk_eval.py",
            "the readings differ, as where {} follows {}: these are the official script's figures; "
            "--scheme reads S, E, M, L and U as what they are".format(*reversed(pair)),
        )
