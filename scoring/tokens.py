"""Tags counted token by token."""

from collections import Counter
from collections.abc import Iterable, Sequence
from types import SimpleNamespace

from scoring.chunks import percentages


class Scores(SimpleNamespace):
    """Numbers of tokens by (gold tag, predicted tag), and percentages over all tags but the outside
    tag.

    No dataclass, as in scoring/chunks.py.
    """

    def __init__(self, outside: str = "O"):
        self.outside = outside
        self.pairs: Counter[tuple[str, str]] = Counter()

    def by_tag(self) -> dict[str, tuple[int, int, int]]:
        """{tag: (correct, found, gold)}, tags sorted."""
        found: Counter[str] = Counter()
        gold: Counter[str] = Counter()
        for (gold_tag, predicted_tag), count in self.pairs.items():
            gold[gold_tag] += count
            found[predicted_tag] += count
        return {
            tag: (self.pairs[tag, tag], found[tag], gold[tag])
            for tag in sorted(gold.keys() | found.keys())
        }

    @property
    def tokens(self):
        return self.pairs.total()

    @property
    def correct(self):
        return sum(count for (gold, predicted), count in self.pairs.items() if gold == predicted)

    @property
    def accuracy(self):
        return 100 * self.correct / self.tokens if self.tokens else 0.0

    @property
    def micro(self) -> tuple[int, int, int]:
        """(correct, found, gold) over all tags but the outside tag."""
        counts = [counts for tag, counts in self.by_tag().items() if tag != self.outside]
        correct, found, gold = (sum(numbers) for numbers in zip(*counts or [(0, 0, 0)]))
        return correct, found, gold

    @property
    def precision(self):
        return percentages(*self.micro)[0]

    @property
    def recall(self):
        return percentages(*self.micro)[1]

    @property
    def f1(self):
        return percentages(*self.micro)[2]


def score(
    gold_sequences: Iterable[Sequence[str]],
    predicted_sequences: Iterable[Sequence[str]],
    outside: str = "O",
) -> Scores:
    """Scores of gold and predicted tag sequences (iterables of lists of str).

    Raises ValueError for sequences of unequal length.
    """
    scores = Scores(outside)
    for gold, predicted in zip(gold_sequences, predicted_sequences, strict=True):
        scores.pairs.update(zip(gold, predicted, strict=True))
    return scores
