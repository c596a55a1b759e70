"""The last lines of `make demo`: what it made, how far it is above the baseline, and what to try
next.
"""

import os
import sys

import _top
import conll
from cli import run_command
from scoring import chunks, columns

TEXT = """
Chunk F1 on the test file: {ours:.2f}; each word's most frequent tag: {baseline:.2f}; \
{gain:.2f} above it.

Made in {folder}/:
  sample.50d.pkl, vocab.txt   word vectors and vocabularies
  checkpoint/ner_model.*      the best model, with all that is needed to tag
  checkpoint/learning_curve.png, history.json
  summaries/                  tensorboard --logdir {folder}/summaries/ --port 6008
  pred.txt                    data/sample/test.txt with the predicted tag after each row

Try next:
  echo "{text}" | .venv/bin/python inference.py --mode line --restore {folder}/checkpoint
  .venv/bin/python chunk_eval.py < {folder}/pred.txt
  .venv/bin/python train.py --help
"""


def chunk_f1(path):
    """Chunk F1 in percent of a file whose last two columns are the gold and the predicted tag."""
    with open(path, encoding="latin-1", newline="\n") as stream:
        sequences = list(
            columns.tag_sequences(columns.read_rows(stream, path, columns.split_blanks))
        )
    return chunks.score(
        [gold for _, gold, _, _ in sequences], [predicted for _, _, predicted, _ in sequences]
    ).f1


def some_text(path):
    """The words of a sentence of some length, as text to tag."""
    for sentence in conll.read_sentences(path)[0]:
        if len(sentence.words) > 8 and '"' not in sentence.words:
            return " ".join(sentence.words)
    return "Hello"


def main():
    folder = sys.argv[1]
    ours, baseline = (chunk_f1(os.path.join(folder, name)) for name in ("pred.txt", "baseline.txt"))
    print(
        TEXT.format(
            folder=folder,
            ours=ours,
            baseline=baseline,
            gain=ours - baseline,
            text=some_text("data/sample/test.txt"),
        )
    )


if __name__ == "__main__":
    run_command(main)
