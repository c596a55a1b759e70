"""Sentences -> padded arrays by the names of the graph's inputs, in batches of similar length."""

from typing import NamedTuple, Optional

import numpy as np

import conll
from features.padding import padded, rounded_up
from features.tokens import FEATURES, used_features
from features.vocabulary import BERT
from features.wordpiece import Wordpiece


class Example(NamedTuple):
    """A sentence as ids."""

    rows: np.ndarray  # int32 (sentence,), rows of WordTable
    of_sentence: dict  # {feature: what Feature.of_sentence gives}, of the features in use
    tags: Optional[np.ndarray]  # int32 (sentence,); None where they are not known
    vectors: Optional[dict] = None  # of ELMo and BERT, computed before: training/vector_cache.py

    def __len__(self):
        return len(self.rows)


class WordTable:
    """The ids of each distinct word, computed once: `ids` is {feature: int32 (rows, *shape)}, for
    the features in use that depend on the word alone.

    Row 0 is padding. limit: trim() starts anew where there are more rows, so that an endless stream
    does not take all memory; 0: never.
    """

    def __init__(self, emb, config, limit=0):
        self.emb, self.config, self.limit = emb, config, limit
        self.features = [feature for feature in used_features(config) if feature.of_word]
        self._clear(1 << 12)

    def _clear(self, capacity):
        self.index, self.capacity = {}, capacity
        self.ids = {
            feature.name: np.zeros((capacity, *feature.shape(self.config, {})), np.int32)
            for feature in self.features
        }

    def rows(self, words):
        """Rows of words, int32 (words,)."""
        index = self.index
        return np.fromiter(
            [index.get(word) or self._add(word) for word in words], np.int32, len(words)
        )

    def _add(self, word):
        row = self.index[word] = len(self.index) + 1
        if row == self.capacity:
            self.capacity *= 2
            for name, table in self.ids.items():
                self.ids[name] = np.concatenate([table, np.zeros_like(table)])
        for feature in self.features:
            table, ids = self.ids[feature.name], feature.of_word(word, self.emb, self.config)
            if table.ndim == 1:
                table[row] = ids
            else:
                table[row, : len(ids)] = ids
        return row

    def trim(self):
        """Forgets all rows where there are more than `limit`. Examples that were made before must
        not be used any more then.
        """
        if self.limit and len(self.index) > self.limit:
            self._clear(self.capacity)


class Feeder:
    """Turns sentences into Examples, and lists of Examples into the graph's inputs."""

    def __init__(self, emb, config, tag_ids, gazetteer=None, limit=0):
        """tag_ids: {tag in the model's scheme: id}. gazetteer: a Gazetteer, where the config names
        one. limit: see WordTable.
        """
        self.emb, self.config, self.tag_ids, self.gazetteer = emb, config, tag_ids, gazetteer
        self.features = used_features(config)
        self.table = WordTable(emb, config, limit)
        self.wordpiece = None
        if config.use_bert:
            self.wordpiece = Wordpiece(
                emb.vocab[BERT], emb.bert["do_lower_case"], emb.bert["max_seq_length"]
            )
        self.rare_rows = None

    def sizes(self):
        """What Model must know of each feature, in use or not: {feature: Feature.size, "tag": the
        number of tags}.
        """
        return {
            **{feature.name: feature.size(self) for feature in FEATURES},
            "tag": len(self.tag_ids),
        }

    def encode(self, sentence, tags=None):
        """conll.Sentence -> Example. tags: in the model's scheme. The cells of a column that the
        sentence lacks are unknown.
        """
        return Example(
            self.table.rows(sentence.words),
            {
                feature.name: feature.of_sentence(feature, sentence, self)
                for feature in self.features
                if feature.of_sentence
            },
            None if tags is None else np.array([self.tag_ids[tag] for tag in tags], np.int32),
        )

    def smallest(self):
        """Inputs of a sentence of one word, tagged O."""
        example = self.encode(conll.Sentence(1, ["a"], None, None, None))
        return {**self.batch([example]), "target_tag_ids": np.zeros([1, 1], np.int32)}

    def mark_rare(self, examples):
        """Notes which words occur once in `examples`, for config.unk_replace."""
        counts = np.zeros(len(self.table.index) + 1, np.int64)
        for example in examples:
            np.add.at(counts, example.rows, 1)
        self.rare_rows = counts == 1

    def batch(self, examples, rng=None, length=0):
        """Examples -> {input name: array}, padded to the longest, or to `length` where that is
        more. rng: draws the noise of training; None: no noise.
        """
        rows = padded([example.rows for example in examples], length)
        inputs = {"sentence_length": np.int32(rows.shape[1])}
        for feature in self.features:
            inputs.update(feature.inputs(self, examples, rows, length))
        for name in examples[0].vectors or ():
            inputs[name] = padded(
                [example.vectors[name] for example in examples], length, np.float32
            )
        if examples[0].tags is not None:
            inputs["target_tag_ids"] = padded([example.tags for example in examples], length)
        if rng is not None:
            self._disturb(inputs, rows, rng)
        return inputs

    def _disturb(self, inputs, rows, rng):
        """Rare words become unknown, and sentences lose columns, as the config says."""
        config = self.config
        if config.use_word and config.unk_replace:
            lost = self.rare_rows[rows] & (rng.random(rows.shape) < config.unk_replace)
            inputs["input_data_word_ids"] = np.where(lost, 1, inputs["input_data_word_ids"])
        for feature in self.features if config.feature_drop else ():
            if feature.column:
                lost = rng.random((len(rows), 1)) < config.feature_drop
                ids = inputs[feature.input]
                inputs[feature.input] = np.where(lost, np.minimum(ids, 1), ids)


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
