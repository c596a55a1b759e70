"""What is written of a tagged sentence."""

import heapq
from typing import NamedTuple

# ---------------------------------------------------------------- what is written of a sentence


class Form(NamedTuple):
    """What comes out. answer: conll.Sentences -> an answer for each. write(out, block, answer):
    answer is None for blank lines.
    """

    answer: object
    write: object
    close: object = lambda out: None  # at the end of the input


def plain_form(tagger):
    """The rows, and the tag."""
    return Form(lambda sentences: [(tags,) for tags in tagger.tag(sentences)], write_columns)


def confidence_form(tagger):
    """The rows, the tag, its probability, and on each token of an entity that of the entity."""
    return Form(
        lambda sentences: [_confidence_columns(found) for found in tagger.confident(sentences)],
        write_columns,
    )


def _confidence_columns(found):
    of_entities = ["_"] * len(found.tags)
    for start, end, _, probability in found.entities:
        of_entities[start:end] = [f"{probability:.6f}"] * (end - start)
    return found.tags, [f"{probability:.6f}" for probability in found.probabilities], of_entities


def write_columns(out, block, columns):
    block.write(out, *([cell.encode() for cell in column] for column in columns or ()))


def nbest_form(tagger, count):
    """Each sentence `count` times, the rows and the tag, under a line `# k probability` and with a
    blank line behind.
    """
    return Form(lambda sentences: tagger.nbest(sentences, count), _write_nbest)


def _write_nbest(out, block, paths):
    if paths is None:
        block.write(out)
        return
    for k, (probability, tags) in enumerate(paths, 1):
        out.write(b"# %d %b%b\n" % (k, f"{probability:.6g}".encode(), _carriage(block)))
        write_columns(out, _ended(block), (tags,))


def least_confident_form(tagger, count):
    """The `count` sentences of which the model is least confident, as they came; the least
    confident first.
    """
    picked = LeastConfident(count)

    def answer(sentences):
        logs = tagger.log_probabilities(sentences)
        return [(sentence, log / len(sentence.words)) for sentence, log in zip(sentences, logs)]

    return Form(answer, picked.add, picked.write)


class LeastConfident:
    """Keeps the sentences that are worth annotating: those with the least log p(tags | sentence) /
    tokens.

    Least confidence (Culotta and McCallum 2005; Settles and Craven 2008), by the token, as in Shen
    et al. 2018: without that the longest sentences would be picked. Of sentences with the same
    words the first one is kept.
    """

    def __init__(self, count):
        self.count, self.heap, self.words = (
            count,
            [],
            set(),
        )  # the heap's first is the most confident

    def add(self, _, block, answer):
        if answer is None or answer[0].is_docstart or tuple(answer[0].words) in self.words:
            return
        words, sureness = tuple(answer[0].words), answer[1]
        self.words.add(words)
        heapq.heappush(self.heap, (-sureness, -block.first_line, words, block))
        if len(self.heap) > self.count:
            self.words.remove(heapq.heappop(self.heap)[2])

    def write(self, out):
        for *_, block in sorted(self.heap, reverse=True):
            _ended(block).write(out)
        out.flush()


def _ended(block):
    """The block, ended by a blank line."""
    return block._replace(end=_carriage(block) if block.end is None else block.end, newline=True)


def _carriage(block):
    return b"\r" if block.rows[0].endswith(b"\r") else b""
