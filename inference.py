"""Tags with a checkpoint: a file (bulk), a stream of CoNLL columns (bucket), or raw text (line).

    python inference.py --mode bucket --restore checkpoint/ner_model < data/test.txt > pred.txt

The output has the rows of the input, byte for byte and in the same order, each with the predicted
tag after it.
"""

import math

import checkpoint
from cli import Parser, UserError, run_command
from tagging import confidence
from tagging.command import add_tagging_flags, check_tagging_flags, choose_input, run
from tagging.html import html_format
from tagging.output import (
    confidence_format,
    json_format,
    least_confident_format,
    nbest_format,
    plain_format,
)
from tagging.tagger import Tagger
from tagging.trained import add_constrained_flag, add_restore_flag, add_trust_flag

__all__ = ["Tagger"]  # for Python: from inference import Tagger


def parse_args():
    parser = Parser(description=__doc__)
    add_tagging_flags(parser)
    add_restore_flag(parser, "checkpoint")
    add_constrained_flag(parser)
    parser.add_argument(
        "--json",
        action="store_true",
        help="write a line of JSON each sentence: its text, and its entities with places in "
        "characters",
    )
    parser.add_argument(
        "--confidence",
        action="store_true",
        help="after the tag, its probability, and on the tokens of an entity that of the entity, "
        "else _; with --json, an entity's score",
    )
    parser.add_argument(
        "--nbest",
        type=int,
        metavar="N",
        help="write each sentence N times, with its N best tag sequences, each under a line `# k "
        f"probability`; N is {confidence.MAX_NBEST:,} at most",
    )
    parser.add_argument(
        "--html",
        action="store_true",
        help="write a page of HTML with the entities marked; with --confidence, with their "
        "probabilities",
    )
    parser.add_argument(
        "--least_confident",
        type=int,
        metavar="N",
        help="bulk mode: write the N sentences most worth annotating, the least confident first, "
        "without tags",
    )
    parser.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="divide the scores by T before they become probabilities: etc/calibration.py fits it "
        "(default 1)",
    )
    add_trust_flag(parser)
    return choose_input(parser.parse_args())


def check_format_flags(args):
    """Checks --json, --confidence, --nbest, --least_confident and --temperature. Raises
    UserError.
    """
    given = [
        f"--{name}"
        for name in ("confidence", "nbest", "least_confident")
        if getattr(args, name) not in (None, False)
    ]
    if len(given) > 1:
        raise UserError(
            f"{' and '.join(given)}: each has a form of output of its own; expected one of them"
        )
    if args.json and given and not args.confidence:
        raise UserError(
            f"--json and {given[0]}: each has a form of output of its own; expected one of them"
        )
    if args.html and (args.json or args.nbest or args.least_confident):
        raise UserError(
            "--html: it is a form of output of its own; expected no --json, no --nbest and no "
            "--least_confident beside it"
        )
    for name in ("nbest", "least_confident"):
        count = getattr(args, name)
        if count is not None and count < 1:
            raise UserError(f"--{name} {count}: expected at least 1")
    if args.nbest:
        confidence.check_count(args.nbest, "--nbest")
    if args.temperature is not None and not 0 < args.temperature < math.inf:
        raise UserError(f"--temperature {args.temperature}: expected a number above 0")
    if args.temperature is not None and not given:
        raise UserError(
            "--temperature: it changes no tag; expected one of --confidence, --nbest and "
            "--least_confident beside it"
        )
    if args.nbest and args.mode == "line":
        raise UserError(
            "--nbest and --mode line: expected bulk or bucket mode, with a sentence in columns"
        )
    if args.least_confident and args.mode != "bulk":
        raise UserError(
            f"--least_confident and --mode {args.mode}: it looks at all sentences first, bulk mode "
            "was expected"
        )


def output_format_of(tagger, args):
    """The OutputFormat that the flags ask for."""
    if args.json:
        return json_format(tagger, args.confidence)
    if args.html:
        return html_format(tagger, scores=args.confidence)
    if args.confidence:
        return confidence_format(tagger)
    if args.nbest:
        return nbest_format(tagger, args.nbest)
    if args.least_confident:
        return least_confident_format(tagger, args.least_confident)
    return plain_format(tagger)


def check_restore(args):
    """Raises UserError where the checkpoint is not whole, or where --emb_path and --wrd_dim do not
    agree with it.
    """
    meta = checkpoint.load_meta(checkpoint.resolve(args.restore))
    checkpoint.check_wrd_dim(args.wrd_dim, meta)
    if args.emb_path:
        checkpoint.check_emb_path(args.emb_path, meta)


def main():
    args = parse_args()
    check_format_flags(args)
    check_tagging_flags(args)
    check_restore(args)
    tagger = Tagger.load(
        args.restore,
        args.batch_size,
        constrained=args.constrained,
        threads=args.threads,
        trust=args.trust,
        temperature=args.temperature or 1.0,
    )
    run(tagger, args, output_format_of(tagger, args))


if __name__ == "__main__":
    run_command(main)
