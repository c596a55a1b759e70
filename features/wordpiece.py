"""BERT's pieces of words, and the windows of pieces in which sentences are fed (Devlin et al.
2019).

A word is normalized, split at punctuation and cut into pieces by itself, as it stands in its
column.
"""

import itertools
from typing import NamedTuple

import numpy as np

from features.padding import padded, rounded_up

LONGEST = 100  # characters between blanks and punctuation; what is longer is unknown
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
WORDS_KEPT = 50_000  # distinct words whose pieces are remembered


class Pieces(NamedTuple):
    """A sentence as BERT reads it."""

    windows: list  # of int32 (pieces,), [CLS] and [SEP] included
    window: np.ndarray  # int32 (sentence,): the one in which a word is read
    offset: np.ndarray  # int32 (sentence,): where its first piece lies there
    count: np.ndarray  # int32 (sentence,): how many pieces it has there


class Wordpiece:
    """Cuts sentences into windows of at most max_seq_length pieces.

    vocab: pieces; the index is the id. do_lower_case: words are lowercased and lose their accents.
    """

    def __init__(self, vocab, do_lower_case, max_seq_length):
        self.ids = {piece: i for i, piece in enumerate(vocab)}
        self.pad, self.unknown, self.cls, self.sep = (self.ids[piece] for piece in SPECIAL)
        self.capacity = max_seq_length - 2
        self._tokenizer = _tokenizer(self.ids, do_lower_case)
        self._known = {}

    def pieces(self, word):
        """Ids of a word's pieces, a tuple: [UNK] where there are none, and no more than a window
        holds.

        Bytes that are not UTF-8 (surrogate escapes) count as U+FFFD, which the normalizer drops,
        like control characters.
        """
        if word not in self._known:
            if len(self._known) == WORDS_KEPT:
                self._known.clear()
            text = word.encode(errors="surrogateescape").decode(errors="replace")
            found = self._tokenizer.encode(text, add_special_tokens=False).ids
            self._known[word] = tuple(found[: self.capacity]) or (self.unknown,)
        return self._known[word]

    def encode(self, words, before=(), after=()):
        """A sentence's words -> Pieces. before, after: the words around it in its document, which
        fill its window.
        """
        pieces = [self.pieces(word) for word in words]
        counts = [len(of_word) for of_word in pieces]
        room = self.capacity - sum(counts)
        if room < 0:
            spans = windows_of(counts, self.capacity)
            context = (), ()
        else:
            spans = [(0, len(words))]
            context = self._context(room, before, after)
        left = 1 + len(context[0])  # after [CLS]
        window = choose_windows(counts, spans)
        places = list(itertools.accumulate(counts, initial=0))
        return Pieces(
            [
                np.array(
                    [
                        self.cls,
                        *context[0],
                        *itertools.chain(*pieces[first:end]),
                        *context[1],
                        self.sep,
                    ],
                    np.int32,
                )
                for first, end in spans
            ],
            np.array(window, np.int32),
            np.array(
                [left + places[i] - places[spans[k][0]] for i, k in enumerate(window)], np.int32
            ),
            np.array(counts, np.int32),
        )

    def batch(self, sentences, longest, few_shapes=False, counts=False):
        """Pieces of sentences -> {input name: int32 array}, the windows of all sentences in one
        array (windows, pieces).

        longest: the words to which the arrays (batch, sentence) are padded. few_shapes: windows and
        pieces are padded to round numbers, see feed.tagging_batches. counts: with the number of
        pieces of each word.
        """
        windows = [window for sentence in sentences for window in sentence.windows]
        count, size = len(windows), max(map(len, windows))
        if few_shapes:
            count, size = rounded_up(count, 3), min(rounded_up(size, 3), self.capacity + 2)
        tokens = np.full((count, size), self.pad, np.int32)
        masks = np.zeros_like(tokens)
        for token, mask, window in zip(tokens, masks, windows):
            token[: len(window)], mask[: len(window)] = window, 1
        index, first = np.zeros((len(sentences), longest), np.int32), 0
        for row, sentence in zip(index, sentences):
            row[: len(sentence.offset)] = (first + sentence.window) * size + sentence.offset
            first += len(sentence.windows)
        inputs = {
            "bert_input_data_token_ids": tokens,
            "bert_input_data_token_masks": masks,
            "bert_input_data_segment_ids": np.zeros_like(tokens),
            "bert_input_data_word_index": index,
        }
        if counts:
            inputs["bert_input_data_word_pieces"] = padded(
                [sentence.count for sentence in sentences], longest
            )
        return inputs

    def _context(self, room, before, after):
        """Pieces of the nearest words, whole ones, that fit into `room`: half of it before, or more
        where less comes after it.
        """
        after = list(itertools.islice(map(self.pieces, after), room))  # each has one at least
        before = list(itertools.islice(map(self.pieces, reversed(before)), room))
        left = _while_they_fit(before, max(room // 2, room - sum(map(len, after))))
        right = _while_they_fit(after, room - sum(map(len, left)))
        return list(itertools.chain(*reversed(left))), list(itertools.chain(*right))


def _while_they_fit(pieces, room):
    total = 0
    for i, of_word in enumerate(pieces):
        total += len(of_word)
        if total > room:
            return pieces[:i]
    return pieces


def windows_of(counts, capacity):
    """Overlapping windows of whole words: [(first, end), ...]. counts: pieces of each word, none
    above `capacity`.

    A window takes the words that fit; the next one begins about half a window further.
    """
    spans, first = [], 0
    while True:
        end, used = first, 0
        while end < len(counts) and used + counts[end] <= capacity:
            used, end = used + counts[end], end + 1
        spans.append((first, end))
        if end == len(counts):
            return spans
        skipped, following = counts[first], first + 1
        while skipped + counts[following] <= capacity // 2:
            skipped, following = skipped + counts[following], following + 1
        first = following


def choose_windows(counts, spans):
    """For each word the window in which the lesser of its contexts, before or after, is the
    greatest; of equals the first.
    """
    places = list(itertools.accumulate(counts, initial=0))
    best, chosen = [-1] * len(counts), [0] * len(counts)
    for k, (first, end) in enumerate(spans):
        for i in range(first, end):
            context = min(places[i] - places[first], places[end] - places[i + 1])
            if context > best[i]:
                best[i], chosen[i] = context, k
    return chosen


def _tokenizer(ids, do_lower_case):
    """BERT's own, without special tokens: a word that reads [SEP] is text."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    tokenizer = Tokenizer(WordPiece(vocab=ids, unk_token="[UNK]", max_input_chars_per_word=LONGEST))
    tokenizer.normalizer = BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=do_lower_case
    )
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer
