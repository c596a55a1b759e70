"""The baseline that every tagger must beat: each word gets the tag that it has most often in TRAIN,
a new word gets O.

    python etc/baseline.py data/sample/train.txt < data/sample/test.txt > test.baseline

Reads column files on standard input and writes every line unchanged, with the predicted tag
appended: the format that chunk_eval.py and conlleval score. Of tags equally frequent, the one seen
first wins. No TensorFlow, no third-party code.
"""

import collections
import sys

import _top
from cli import Parser, run_command
from conll import SentenceParser, add_column_flags, columns_of, read_blocks, read_sentences


def most_frequent_tags(sentences):
    """Sentences with words and tags -> {word: its most frequent tag}."""
    counts = collections.defaultdict(collections.Counter)
    for sentence in sentences:
        for word, tag in zip(sentence.words, sentence.tags):
            counts[word][tag] += 1
    return {word: tags.most_common(1)[0][0] for word, tags in counts.items()}


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("train", help="column file with the tags to learn")
    add_column_flags(parser, "their names, such as 'word _ tag' (default: by number)")
    args = parser.parse_args()
    named = columns_of(args)
    sentences, columns = read_sentences(args.train, named, delimiter=args.delimiter)
    tag_of = most_frequent_tags(sentences)
    reader = SentenceParser("<stdin>", named, own=columns, delimiter=args.delimiter)
    for block in read_blocks(sys.stdin.buffer):
        block = reader.place(block) if block.rows else block
        sentence = reader.parse(block) if block.rows else None
        words = sentence.words if sentence else []
        block.write(sys.stdout.buffer, [tag_of.get(word, "O").encode() for word in words])


if __name__ == "__main__":
    run_command(main)
