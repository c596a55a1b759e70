"""Sentences -> padded arrays under the names of the graph's inputs, in buckets of similar length."""

import functools
import string
from typing import NamedTuple, Optional

import numpy as np

import conll
from features.elmo_bytes import MAX_CHARACTERS, elmo_byte_ids
from features.vocabulary import BERT
from features.wordpiece import Pieces, Wordpiece

SHAPES = (
    "padding",
    "unknown",
    "lower",
    "upper",
    "initial",
    "mixed",
    "digits",
    "with digit",
    "punctuation",
    "other",
)
_SHAPE_ID = {name: i for i, name in enumerate(SHAPES)}
_ASCII_LETTERS, _ASCII_DIGITS, _ASCII_PUNCTUATION = (
    set(string.ascii_letters),
    set(string.digits),
    set(string.punctuation),
)


def word_shape(word):
    """Id of a word's shape, an index of SHAPES. A character is upper case where str.lower() changes
    it.
    """
    if all(character in _ASCII_PUNCTUATION for character in word):
        return _SHAPE_ID["punctuation"]
    digits = sum(character in _ASCII_DIGITS for character in word)
    if digits:
        numeral = all(
            character in _ASCII_DIGITS or character in _ASCII_PUNCTUATION for character in word
        )
        return _SHAPE_ID["digits" if numeral else "with digit"]
    upper = [character.lower() != character for character in word]
    if not any(upper):
        letters = all(
            character in _ASCII_LETTERS or character in _ASCII_PUNCTUATION for character in word
        )
        return _SHAPE_ID["lower" if letters else "other"]
    if all(is_upper or word[i] in _ASCII_PUNCTUATION for i, is_upper in enumerate(upper)):
        return _SHAPE_ID["upper" if len(word) > 1 else "initial"]
    return _SHAPE_ID["initial" if upper[0] and not any(upper[1:]) else "mixed"]


class Example(NamedTuple):
    """A sentence as ids; an array that the model does not use is None."""

    rows: np.ndarray  # int32 (sentence,), rows of WordTable
    pos: Optional[np.ndarray]  # int32 (sentence,)
    chunks: Optional[np.ndarray]  # int32 (sentence,)
    gazetteer: Optional[np.ndarray]  # int32 (sentence, types), 0 or 1
    tags: Optional[np.ndarray]  # int32 (sentence,)
    pieces: Optional[Pieces]  # for BERT
    vectors: Optional[dict] = (
        None  # what ELMo and BERT have computed before, see training/vector_cache.py
    )

    def __len__(self):
        return len(self.rows)


class WordTable:
    """What the graph wants to know of each distinct word, computed once: word id, character ids,
    shape id, ELMo's byte ids.

    Row 0 is padding. `limit` bounds the rows for endless streams: trim() starts anew when there are
    more.
    """

    def __init__(self, emb, word_length, limit=0, elmo=False):
        self.emb, self.word_length, self.limit, self.elmo = emb, word_length, limit, elmo
        self._clear(1 << 12)

    def _clear(self, capacity):
        self.index = {}
        self.word_ids = np.zeros(capacity, np.int32)
        self.chr_ids = np.zeros((capacity, self.word_length), np.int32)
        self.shape_ids = np.zeros(capacity, np.int32)
        self.elmo_ids = np.zeros((capacity, MAX_CHARACTERS if self.elmo else 0), np.int32)

    def rows(self, words):
        """Rows of words, int32 (words,)."""
        index = self.index
        return np.fromiter(
            [index.get(word) or self._add(word) for word in words], np.int32, len(words)
        )

    def _add(self, word):
        row = self.index[word] = len(self.index) + 1
        if row == len(self.word_ids):
            self.word_ids, self.chr_ids, self.shape_ids, self.elmo_ids = (
                np.concatenate([table, np.zeros_like(table)])
                for table in (self.word_ids, self.chr_ids, self.shape_ids, self.elmo_ids)
            )
        self.word_ids[row] = self.emb.word_id(word)
        head = word[: self.word_length]
        self.chr_ids[row, : len(head)] = [self.emb.id("chr", character) for character in head]
        self.shape_ids[row] = word_shape(word)
        if self.elmo:
            self.elmo_ids[row] = elmo_byte_ids(word)
        return row

    def trim(self):
        """Forgets all rows when there are more than `limit`. Examples made before are worth nothing
        then.
        """
        if self.limit and len(self.index) > self.limit:
            self._clear(len(self.word_ids))


class Feeder:
    """Turns sentences into Examples, and lists of Examples into the graph's inputs."""

    def __init__(self, emb, config, tag_ids, gazetteer=None, limit=0):
        """tag_ids: {tag in the model's scheme: id}. gazetteer: a Gazetteer or None. limit: see
        WordTable.
        """
        self.emb, self.config, self.tag_ids, self.gazetteer = emb, config, tag_ids, gazetteer
        self.table = WordTable(emb, config.word_length, limit, config.use_elmo)
        self.wordpiece = None
        if config.use_bert:
            self.wordpiece = Wordpiece(
                emb.vocab[BERT], emb.bert["do_lower_case"], emb.bert["max_seq_length"]
            )
        self.rare_rows = None

    def sizes(self):
        """How many ids there are of each kind, and what ELMo and BERT are made of, as Model wants
        it.
        """
        vocab, elmo, bert = self.emb.vocab, self.emb.elmo or {}, self.emb.bert or {}
        return {
            **{name: len(vocab[name]) for name in ("wrd", "chr", "pos", "chk")},
            "shape": len(SHAPES),
            "tag": len(self.tag_ids),
            "gazetteer": len(self.gazetteer.types) if self.gazetteer else 0,
            "elmo": elmo.get("options"),
            "bert": bert.get("config"),
        }

    def encode(self, sentence, tags=None):
        """conll.Sentence -> Example. tags: in the model's scheme; a column that is not there is
        unknown throughout.
        """
        config, count = self.config, len(sentence.words)
        return Example(
            self.table.rows(sentence.words),
            self._column("pos", sentence.pos, count) if config.use_pos else None,
            self._column("chk", sentence.chunks, count) if config.use_chk else None,
            self._names(sentence.words) if self.gazetteer else None,
            None if tags is None else np.array([self.tag_ids[tag] for tag in tags], np.int32),
            self._pieces(sentence) if config.use_bert else None,
        )

    def smallest(self):
        """Inputs of a sentence of one word, tagged O."""
        example = self.encode(conll.Sentence(1, ["a"], None, None, None))
        return {**self.batch([example]), "target_tag_ids": np.zeros([1, 1], np.int32)}

    def _pieces(self, sentence):
        if not self.config.bert_context or sentence.document is None:
            return self.wordpiece.encode(sentence.words)
        limit, end = self.wordpiece.capacity, sentence.start + len(sentence.words)
        return self.wordpiece.encode(
            sentence.words,
            sentence.document[max(sentence.start - limit, 0) : sentence.start],
            sentence.document[end : end + limit],
        )

    def _column(self, section, column, count):
        if column is None:
            return np.ones(count, np.int32)
        return np.array([self.emb.id(section, token) for token in column], np.int32)

    def _names(self, words):
        marks = np.zeros((len(words), len(self.gazetteer.types)), np.int32)
        for place in self.gazetteer.match(words):
            marks[place] = 1
        return marks

    def mark_rare(self, examples):
        """Notes which words occur once in `examples`, for config.unk_replace."""
        counts = np.zeros(len(self.table.index) + 1, np.int64)
        for example in examples:
            np.add.at(counts, example.rows, 1)
        self.rare_rows = counts == 1

    def batch(self, examples, rng=None, length=0):
        """Examples -> {input name: array}, padded to the longest, or to `length`. rng: makes the
        noise of training, if given.
        """
        config, table, pad = self.config, self.table, functools.partial(_pad, length=length)
        rows = pad([example.rows for example in examples])
        inputs = {"sentence_length": np.int32(rows.shape[1])}
        if config.use_word:
            inputs["input_data_word_ids"] = table.word_ids[rows]
        if config.use_chr:
            inputs["input_data_wordchr_ids"] = table.chr_ids[rows]
        if config.use_pos:
            inputs["input_data_pos_ids"] = pad([example.pos for example in examples])
        if config.use_chk:
            inputs["input_data_chk_ids"] = pad([example.chunks for example in examples])
        if config.use_shape:
            inputs["input_data_shape_ids"] = table.shape_ids[rows]
        if self.gazetteer:
            inputs["input_data_gazetteer"] = pad([example.gazetteer for example in examples])
        if config.use_elmo:
            inputs["elmo_input_data_wordchr_ids"] = self._elmo_ids(rows)
        if config.use_bert:
            inputs.update(
                self._windows(
                    [example.pieces for example in examples], rows.shape[1], few_shapes=bool(length)
                )
            )
        for name in examples[0].vectors or ():
            inputs[name] = pad([example.vectors[name] for example in examples], dtype=np.float32)
        if examples[0].tags is not None:
            inputs["target_tag_ids"] = pad([example.tags for example in examples])
        if rng is not None:
            self._disturb(inputs, rows, rng)
        return inputs

    def _elmo_ids(self, rows):
        """Rows of the table, int32 (batch, sentence) -> byte ids, int32 (batch, sentence + 2, 50),
        <S> and </S> around each.
        """
        ids = np.zeros((len(rows), rows.shape[1] + 2, MAX_CHARACTERS), np.int32)
        ids[:, 0] = elmo_byte_ids("<S>")
        ids[:, 1:-1] = self.table.elmo_ids[rows]
        ids[np.arange(len(rows)), 1 + np.count_nonzero(rows, axis=1)] = elmo_byte_ids("</S>")
        return ids

    def _windows(self, sentences, longest, few_shapes):
        """Pieces of sentences -> BERT's inputs, the windows of all of them one below the other.

        few_shapes: the windows and their pieces are padded to round numbers, see tagging_batches.
        """
        windows = [window for each in sentences for window in each.windows]
        count, size = len(windows), max(map(len, windows))
        if few_shapes:
            count, size = (
                rounded_up(count, 3),
                min(rounded_up(size, 3), self.wordpiece.capacity + 2),
            )
        tokens = np.full((count, size), self.wordpiece.pad, np.int32)
        masks, index = np.zeros_like(tokens), np.zeros((len(sentences), longest), np.int32)
        for token, mask, window in zip(tokens, masks, windows):
            token[: len(window)], mask[: len(window)] = window, 1
        first = 0
        for row, each in zip(index, sentences):
            row[: len(each.offset)] = (first + each.window) * size + each.offset
            first += len(each.windows)
        inputs = {
            "bert_input_data_token_ids": tokens,
            "bert_input_data_token_masks": masks,
            "bert_input_data_segment_ids": np.zeros_like(tokens),
            "bert_input_data_word_index": index,
        }
        if self.config.bert_pooling == "mean":
            inputs["bert_input_data_word_pieces"] = _pad(
                [each.count for each in sentences], longest
            )
        return inputs

    def _disturb(self, inputs, rows, rng):
        """Rare words become unknown, and sentences lose their POS or chunk column, as the config
        says.
        """
        config = self.config
        if config.use_word and config.unk_replace:
            lost = self.rare_rows[rows] & (rng.random(rows.shape) < config.unk_replace)
            inputs["input_data_word_ids"] = np.where(lost, 1, inputs["input_data_word_ids"])
        for name in ("input_data_pos_ids", "input_data_chk_ids"):
            if name in inputs and config.feature_drop:
                lost = rng.random((len(rows), 1)) < config.feature_drop
                inputs[name] = np.where(lost, np.minimum(inputs[name], 1), inputs[name])


def _pad(arrays, length=0, dtype=np.int32):
    """Arrays (sentence, ...) -> (batch, longest or `length`, ...), 0 behind the end."""
    padded = np.zeros((len(arrays), max(length, *map(len, arrays)), *arrays[0].shape[1:]), dtype)
    for row, array in zip(padded, arrays):
        row[: len(array)] = array
    return padded


def bucket(lengths, order, batch_size, max_tokens):
    """Cuts indices that are sorted by length, up or down, into batches of at most batch_size
    sentences and max_tokens padded tokens. No sentence is padded to much more than twice its
    length, even where that makes a small batch.
    """
    batches, current = [], []
    for i in order:
        if current:
            shortest, longest = sorted((lengths[i], lengths[current[0]]))
            full = len(current) == batch_size or longest * (len(current) + 1) > max_tokens
            if full or longest > 2 * shortest + 8:
                batches.append(current)
                current = []
        current.append(i)
    return batches + [current] if current else batches


def training_batches(lengths, config, epoch):
    """Batches of one epoch as lists of indices: a shuffle that depends on seed and epoch alone.

    Sentences are shuffled, sorted by length within pools of 50 batches, cut, and the batches
    shuffled again: similar lengths meet, but not always the same sentences.
    """
    rng = np.random.default_rng([config.seed, epoch])
    shuffled = rng.permutation(len(lengths))
    pool = 50 * config.batch_size
    batches = []
    for start in range(0, len(shuffled), pool):
        order = sorted(shuffled[start : start + pool], key=lambda i: lengths[i])
        batches += bucket(lengths, order, config.batch_size, config.max_batch_tokens)
    return [batches[i] for i in rng.permutation(len(batches))]


def sorted_batches(lengths, config):
    """Batches for evaluation, as lists of indices, by length."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    return bucket(lengths, order, config.batch_size, config.max_batch_tokens)


def tagging_batches(lengths, config):
    """Batches for tagging, the longest sentences first: yields (indices, sentences to fill it up
    to, length to pad to).

    They have few shapes: TensorFlow keeps some 300 KB of oneDNN primitives for each that it has
    met, and an endless stream has thousands. What does not fill a batch are the shortest sentences,
    so that filling up costs little.
    """
    padded = [rounded_up(length, 3) for length in lengths]
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    for batch in bucket(padded, order, config.batch_size, config.max_batch_tokens):
        longest = padded[batch[0]]
        full = max(1, min(config.batch_size, config.max_batch_tokens // longest))
        yield batch, min(rounded_up(len(batch), 1), full), longest


def rounded_up(count, digits):
    """The next number with at most so many binary digits before its zeros; for 1: the next power of
    two.
    """
    unit = 1 << max(count.bit_length() - digits, 0)
    return -(-count // unit) * unit
