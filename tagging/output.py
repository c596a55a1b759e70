"""What is written for a tagged sentence: its rows with the tag, with probabilities, n times, or
only the rows of the least confident sentences.
"""

import heapq
from typing import NamedTuple


class OutputFormat(NamedTuple):
    """How tagged sentences are written. The fields are functions.

    answer(sentences): list of conll.Sentence -> a list with what `write` needs of each. write(out,
    block, answer): writes one conll.Block; answer is None for blank lines. close(out): writes what
    is left at the end of the input. write_line(out, line, answer): writes a line of raw text;
    answer is None for one without words. Without it, line mode writes columns. keeps_bytes: whether
    bytes that are not UTF-8 come out as they are; else they become U+FFFD.
    """

    answer: object
    write: object
    close: object = lambda out: None
    write_line: object = None
    keeps_bytes: bool = True


def plain_format(tagger):
    """Each row with its tag."""

    def answer(sentences):
        return [(tags,) for tags in tagger.tag(sentences)]

    return OutputFormat(answer, write_columns)


def confidence_format(tagger):
    """Each row with its tag, the tag's probability, and the probability of the entity that the
    token is in; `_` outside of entities.
    """

    def answer(sentences):
        return [_confidence_columns(found) for found in tagger.confident(sentences)]

    return OutputFormat(answer, write_columns)


def _confidence_columns(found):
    of_tags = [f"{probability:.6f}" for probability in found.probabilities]
    of_entities = ["_"] * len(found.tags)
    for start, end, _, probability in found.entities:
        of_entities[start:end] = [f"{probability:.6f}"] * (end - start)
    return found.tags, of_tags, of_entities


def write_columns(out, block, columns):
    """Writes a conll.Block with columns, lists of str, after its rows; None: without any."""
    encoded = [[cell.encode() for cell in column] for column in columns or ()]
    block.write(out, *encoded)


def nbest_format(tagger, count):
    """Each sentence `count` times: a line `# k probability`, the rows with their tags, and a blank
    line.
    """
    return OutputFormat(lambda sentences: tagger.nbest(sentences, count), _write_nbest)


def _write_nbest(out, block, paths):
    if paths is None:
        block.write(out)
        return
    for k, (probability, tags) in enumerate(paths, 1):
        out.write(b"# %d %b%b\n" % (k, f"{probability:.6g}".encode(), _carriage(block)))
        write_columns(out, _ended(block), (tags,))


def least_confident_format(tagger, count):
    """The `count` sentences of which the model is least confident, unchanged and without tags; the
    least confident first.
    """
    picked = LeastConfident(count)

    def answer(sentences):
        logs = tagger.log_probabilities(sentences)
        return [(sentence, log / len(sentence.words)) for sentence, log in zip(sentences, logs)]

    return OutputFormat(answer, picked.add, picked.write)


class LeastConfident:
    """Keeps the sentences most worth annotating: those whose log p(tags | sentence), divided by the
    number of tokens, is lowest.

    This is least confidence (Culotta and McCallum 2005; Settles and Craven 2008), normalized by
    length as in Shen et al. 2018: without that the longest sentences would be picked. Of several
    sentences with the same words the first one is kept.
    """

    def __init__(self, count):
        self.count = count
        self.heap = []  # the most confident of those that are kept comes first
        self.words = set()  # the words of each sentence in the heap

    def add(self, _, block, answer):
        if answer is None:
            return
        sentence, log_probability = answer
        words = tuple(sentence.words)
        if sentence.is_docstart or words in self.words:
            return
        self.words.add(words)
        heapq.heappush(self.heap, (-log_probability, -block.first_line, words, block))
        if len(self.heap) > self.count:
            self.words.remove(heapq.heappop(self.heap)[2])

    def write(self, out):
        for *_, block in sorted(self.heap, reverse=True):
            _ended(block).write(out)
        out.flush()


def _ended(block):
    """The block, ended by a blank line."""
    end = _carriage(block) if block.end is None else block.end
    return block._replace(end=end, newline=True)


def _carriage(block):
    """The carriage return that ends the block's lines, or nothing."""
    return b"\r" if block.rows[0].endswith(b"\r") else b""
