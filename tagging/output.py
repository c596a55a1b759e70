"""What is written for a tagged sentence: its rows with the tag, with probabilities, n times, or
only the rows of the least confident sentences.
"""

import heapq
import json
import re
from typing import NamedTuple


class OutputFormat(NamedTuple):
    """How tagged sentences are written. The fields are functions.

    answer(sentences): list of conll.Sentence -> a list with what the others need of each.
    write(out, block, answer): writes one conll.Block; answer is None for blank lines.
    write_text(out, sentence, answer): writes one TextSentence of line mode; answer is None where it
    has no words. close(out): writes what is left at the end of the input. keeps_bytes: whether the
    input's bytes come out as they are: a byte order mark, and those that are not UTF-8, which
    become U+FFFD otherwise.
    """

    answer: object
    write: object
    write_text: object = None
    close: object = lambda out: None
    keeps_bytes: bool = True


class TextSentence(NamedTuple):
    """A sentence of raw text, as line mode has split it."""

    text: str
    spans: list  # (start, end) of each word in it
    words: list
    pos: object  # a list of POS tags, or None
    tags: list  # of entities, where something else has found them; else O


def plain_format(tagger):
    """Each row with its tag."""

    def answer(sentences):
        return [(tags,) for tags in tagger.tag(sentences)]

    return OutputFormat(answer, write_columns, write_rows)


def confidence_format(tagger):
    """Each row with its tag, the tag's probability, and the probability of the entity that the
    token is in; `_` outside of entities.
    """

    def answer(sentences):
        return [_confidence_columns(found) for found in tagger.confident(sentences)]

    return OutputFormat(answer, write_columns, write_rows)


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


def write_rows(out, sentence, columns):
    """Writes a TextSentence as rows `word pos chunk tag` with columns, lists of str, after them,
    and a blank line.
    """
    if columns:
        empty = ["O"] * len(sentence.words)
        rows = zip(sentence.words, sentence.pos or empty, empty, sentence.tags, *columns)
        lines = "".join(" ".join(row) + "\n" for row in rows)
        out.write(lines.encode(errors="surrogateescape"))
    out.write(b"\n")


def json_format(tagger, has_scores=False):
    """Each sentence as a line of JSON, as the command etagger writes it:

        {"text": "Peter!", "entities": [{"text": "Peter", "type": "PER", "start": 0, "end": 5}]}

    start and end count characters of `text`, which of columns is the words joined by spaces.
    has_scores: an entity has its probability, too.
    """

    def answer(sentences):
        return list(zip(sentences, entities_of(tagger, sentences, has_scores)))

    def write(out, block, answer):
        if answer:
            words = answer[0].words
            out.write(_json_line(" ".join(words), joined_spans(words), answer[1]))

    def write_text(out, sentence, answer):
        out.write(_json_line(sentence.text, sentence.spans, answer[1] if answer else []))

    return OutputFormat(answer, write, write_text, keeps_bytes=False)


def entities_of(tagger, sentences, has_scores):
    """A list of (start, end, type), in words, for each conll.Sentence; with has_scores a
    probability after the type.
    """
    if has_scores:
        return [found.entities for found in tagger.confident(sentences)]
    return tagger.entities(sentences)


def joined_spans(words):
    """Where each word is in the words joined by spaces."""
    spans, at = [], 0
    for word in words:
        spans.append((at, at + len(word)))
        at += len(word) + 1
    return spans


def _json_line(text, spans, entities):
    """One sentence as a line of JSON, bytes. entities: (start, end, type), in words, and perhaps a
    probability.
    """
    parts = []
    for first, end, kind, *score in entities:
        start, end = spans[first][0], spans[end - 1][1]
        scored = "".join(f', "score": {number:.6f}' for number in score)
        parts.append(
            f'{{"text": {_json_text(text[start:end])}, "type": {_json_text(kind)}, '
            f'"start": {start}, "end": {end}{scored}}}'
        )
    return f'{{"text": {_json_text(text)}, "entities": [{", ".join(parts)}]}}\n'.encode()


_LONE = re.compile("[\ud800-\udfff]")  # a byte that is not UTF-8
_LINE_END = re.compile("[\x85\u2028\u2029]")


def _json_text(text):
    """A JSON string without a character that ends a line."""
    escaped = json.dumps(_LONE.sub("\ufffd", text), ensure_ascii=False)
    return _LINE_END.sub(lambda end: f"\\u{ord(end[0]):04x}", escaped)


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

    return OutputFormat(answer, picked.add, close=picked.write)


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
