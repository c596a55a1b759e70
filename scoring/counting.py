"""Counts the chunks of a file as a command's flags say."""

import cli
import schemes
from cli import UserError
from scoring.chunks import Scorer, percentages
from scoring.columns import as_text, held, note


def count(args, sequences, name, counted=None):
    """Scores all sequences of the file `name`. Returns the Scorer, not yet closed. counted: a list
    to which what Scorer.add returns is added, or None.
    """
    if args.strict and not args.scheme:
        sequences = held(sequences)
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
    gold = [["O" if tag == args.outside else tag for tag in tags] for _, tags, _, _ in sequences]
    scheme = schemes.detect(gold)
    if scheme == schemes.RAW:
        import tagset

        tags = dict.fromkeys((as_text(tag) for sequence in gold for tag in sequence), 0)
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


def print_tag_notes(scorer, name):
    """Prints notes about the tags of the file `name` on standard error: see notes.tag_notes."""
    from scoring.notes import as_flags, tag_notes  # here, so that mistakes and --help come at once

    places = {}
    for tag, line in scorer.tags.items():
        places.setdefault(as_text(tag), line)
    for line in tag_notes(scorer, places, name, as_flags):
        cli.note(f"note: {line}")


def print_notes(args, scorer, scores):
    """Prints on standard error what the figures of chunk_eval.py do not show."""
    name = args.input or "<stdin>"
    print_tag_notes(scorer, name)
    if not scores.tokens:
        note(f"no tokens in {name}")
    if args.outside != "O" and not (args.raw or args.scheme):
        note("-o acts only with -r, --scheme or --strict, as in the official script")
    pair = None if args.raw else scorer.difference()
    if pair is None:
        return
    before, after = pair
    differ = f"the readings differ, as where {after} follows {before}"
    if args.scheme:
        correct, found, phrases = scorer.official.scores.totals
        f1 = percentages(correct, found, phrases)[2]
        note(
            f"{differ}: the official script, and this one without --scheme, counts {phrases} "
            f"phrases; found: {found}; correct: {correct}; FB1: {f1:.2f}"
        )
    else:
        note(
            f"{differ}: these are the official script's figures; --scheme reads S, E, M, L and U "
            "as what they are"
        )
