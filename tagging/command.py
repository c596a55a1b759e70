"""What the commands that tag share: their flags, and a run from input to output."""

import contextlib
import os
import stat
import sys

import conll
from cli import (
    UserError,
    add_threads_flag,
    atomic_write,
    check_readable,
    check_stream,
    check_threads,
    check_writable,
)
from tagging.output import plain_format
from tagging.streams import DEFAULT_SPACY_MODEL, tag_columns, tag_lines

DEFAULT_INPUT = "data/test.txt"  # of bulk mode


def add_tagging_flags(parser, mode="bulk"):
    """Adds the flags that all commands that tag have. mode: the default of --mode. What is parsed
    is completed by choose_input.
    """
    parser.set_defaults(default_mode=mode)
    parser.add_argument(
        "--mode",
        choices=("bulk", "bucket", "line"),
        help=f"bulk: a file; bucket: columns from standard input; line: raw text (default {mode})",
    )
    parser.add_argument("--emb_path", default="", help="the EmbVec file of the training")
    parser.add_argument("--wrd_dim", type=int, default=0, help="its vectors' size")
    parser.add_argument(
        "--input",
        default="",
        help="what to tag (default: data/test.txt in bulk mode, else standard input; without --mode"
        " that, too, where it is a file, as in < FILE)",
    )
    parser.add_argument("--output", default="", help="where to write (default: standard output)")
    conll.add_column_flags(
        parser,
        "columns in order, such as 'word pos chunk tag', _ to ignore one, id first in CoNLL-U",
    )
    parser.add_argument(
        "--batch_size", type=int, default=64, help="sentences in a batch, at most (default 64)"
    )
    add_threads_flag(parser)
    parser.add_argument(
        "--timing", action="store_true", help="percentiles of the time, on standard error"
    )
    parser.add_argument(
        "--split",
        action="store_true",
        help="line mode: a line may have several sentences, by Unicode's rules and abbreviations",
    )
    parser.add_argument(
        "--spacy_model",
        default="",
        help="line mode: a spaCy model's name or path (default: "
        f"{DEFAULT_SPACY_MODEL}, where it is installed)",
    )


def choose_input(args):
    """Sets --mode and --input where they are not given, and returns the arguments.

    Bulk mode is for a file, data/test.txt by default. But who writes `inference.py < FILE` wants
    that file to be tagged. So standard input is read where neither flag is given, and it is a file
    of which nothing has been read: a loop of the shell reads the file that its commands inherit. A
    pipe may be inherited too, and be without end: it is read where there is no data/test.txt.
    """
    mode = args.mode or args.default_mode
    if mode == "bulk" and not args.input and (args.mode or not _is_meant()):
        args.input = DEFAULT_INPUT
    args.mode = mode
    return args


def _is_meant():
    """Whether standard input is what the user means to tag: see choose_input."""
    about = os.fstat(0)
    if stat.S_ISFIFO(about.st_mode):
        return not os.path.exists(DEFAULT_INPUT)
    is_file = stat.S_ISREG(about.st_mode) and about.st_size > 0
    return is_file and os.lseek(0, 0, os.SEEK_CUR) == 0


def check_tagging_flags(args):
    """Checks the flags of add_tagging_flags before TensorFlow is imported. Raises UserError."""
    if args.batch_size < 1:
        raise UserError(f"--batch_size {args.batch_size}: expected at least 1")
    check_threads(args.threads)
    if args.split and args.mode != "line":
        raise UserError(
            f"--split and --mode {args.mode}: it splits raw text, columns have sentences already; "
            "leave it out, or give --mode line"
        )
    if args.mode == "line" and args.delimiter:
        raise UserError(
            "--delimiter and --mode line: raw text has no columns; leave one of them out"
        )
    conll.columns_of(args)
    if args.input:
        check_readable(args.input, "--input")
    else:
        check_stream(0)
    if args.output:
        check_writable(args.output, "--output")
    else:
        check_stream(1)


def run(tagger, args, output_format=None):
    """Tags what the flags name. output_format: an OutputFormat; default: each row with its tag."""
    output_format = output_format or plain_format(tagger)
    name = args.input or "<stdin>"
    with _open_input(args.input) as stream, _open_output(args.output) as out:
        if args.mode == "line":
            tag_lines(tagger, args, stream, name, out, output_format)
        else:
            size = os.path.getsize(args.input) if args.input else 0
            tag_columns(tagger, args, stream, name, out, size, output_format)


def _open_input(path):
    """A context manager: the file, or standard input, which stays open after it."""
    return open(path, "rb") if path else contextlib.nullcontext(sys.stdin.buffer)


def _open_output(path):
    """A context manager: a file that is written atomically, or standard output."""
    return atomic_write(path) if path else contextlib.nullcontext(sys.stdout.buffer)
