"""The small-sample set with which a trained model learns new labels or a new domain without
forgetting the old ones: equal numbers of sentences drawn from each old domain and from the new one.

    python etc/mix_domains.py data/train.txt --new data/new.txt --sentences 200 --seed 1 > mixed.txt

Rows pass through byte for byte, in a random order of sentences; -DOCSTART- lines are left out. All
files must have the same columns. The same seed draws the same sentences. Standard library only.
"""

import random
import sys

import _top
from cli import Parser, UserError, check_readable, run_command
from conll import SentenceParser, add_column_flags, columns_of, read_blocks
from files.text import HEAD, check_text


def read_rows(path, columns, delimiter):
    """A file's sentences, each a list of rows as bytes, and the columns. columns: those expected,
    or None: by their number. delimiter: see SentenceParser.
    """
    check_readable(path, "the path")
    parser, sentences = SentenceParser(path, columns, delimiter=delimiter), []
    with open(path, "rb") as stream:
        check_text(stream.peek(HEAD)[:HEAD], path)
        for block in read_blocks(stream):
            sentence = parser.parse(block) if block.rows else None
            if sentence and not sentence.is_docstart:
                sentences.append(block.rows)
                if sentence.tags is None:
                    raise UserError(
                        f"{path}:{block.first_line}: no tag column in "
                        f"({' '.join(parser.columns)}); name the columns with --columns"
                    )
    if not sentences:
        raise UserError(
            f"{path}:1: no sentence in this file, expected rows of columns with blank lines "
            "between sentences"
        )
    return sentences, parser.columns


def mix(domains, count, seed):
    """`count` sentences of each domain, drawn without replacement, in one random order.

    domains: {path: sentences}. Raises UserError where one has too few.
    """
    rng, drawn = random.Random(seed), []
    for path, sentences in domains.items():
        if len(sentences) < count:
            raise UserError(
                f"{path}: {len(sentences)} sentences, expected {count} at least; give a smaller "
                "--sentences"
            )
        drawn += rng.sample(sentences, count)
    rng.shuffle(drawn)
    return drawn


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "old", nargs="+", help="column files, one for each domain that the model knows"
    )
    parser.add_argument(
        "--new", required=True, help="column file of the new domain, or with the new labels"
    )
    parser.add_argument("--sentences", type=int, required=True, help="how many of each file")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw (default 1)")
    add_column_flags(parser, "their names, such as 'word _ tag' (default: by number)")
    args = parser.parse_args()
    if args.sentences < 1:
        raise UserError(f"--sentences {args.sentences}: expected 1 at least")
    paths, domains, columns = [*args.old, args.new], {}, columns_of(args)
    if len(set(paths)) < len(paths):
        raise UserError(
            f"{max(paths, key=paths.count)}: named twice, expected a file for each domain"
        )
    for path in paths:
        domains[path], columns = read_rows(path, columns, args.delimiter)
    for rows in mix(domains, args.sentences, args.seed):
        sys.stdout.buffer.write(b"".join(row + b"\n" for row in rows) + b"\n")


if __name__ == "__main__":
    run_command(main)
