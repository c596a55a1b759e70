"""The features of a token: one table, FEATURES, from which all other code goes by them.

An entry says which hyper-parameter turns the feature on, what its ids are, how they are padded and
fed, and which layer makes a vector of them. So a feature is one entry here, and its
hyper-parameters in config.py; one with a layer of its own has that in model.py. No TensorFlow.
"""

from collections.abc import Callable
from typing import NamedTuple, Optional

import numpy as np

from features.elmo_bytes import MAX_CHARACTERS, elmo_batch, elmo_byte_ids
from features.padding import padded
from features.word_shape import SHAPES, word_shape


class Feature(NamedTuple):
    """A feature of a token. Its ids depend on the word alone (of_word), or on the sentence
    (of_sentence): one of the two functions is given. All ids are int32; 0 is padding.

    `feeder` is a features.feed.Feeder.
    """

    name: str  # its key in Model's sizes; its embedding is the variable embeddings/NAME
    label: str  # what messages call it
    switch: str  # the hyper-parameter that turns it on
    input: str  # the placeholder of its ids: (batch, sentence, *shape)

    # Word -> ids
    of_word: Optional[Callable] = None  # (word, emb, config) -> an id, or at most shape[0] ids
    of_sentence: Optional[Callable] = (
        None  # (feature, conll.Sentence, feeder) -> (sentence, *shape)
    )
    batch: Optional[Callable] = None  # (feature, feeder, examples, rows, length) -> see `inputs`
    shape: Callable = lambda config, sizes: ()  # of a token's ids; sizes: see Feeder.sizes
    tells_length: bool = False  # whether its ids tell which tokens are padding

    # What an id stands for
    section: str = ""  # the vocabulary's section of which the ids are; "": none
    tokens: str = ""  # what messages call the tokens of that section
    count: Optional[Callable] = None  # without a section, (feeder) -> what `size` gives
    column: str = ""  # the column of the input that it needs, as --columns names it
    cells: str = ""  # that column's name in conll.Sentence

    # Ids -> vector
    layer: str = "embedding"  # see Model._vectors
    dim: str = ""  # the hyper-parameter that says the vector's size
    trained: str = ""  # the one that says whether the embedding is trained; "": it always is

    def is_used(self, config):
        return bool(getattr(config, self.switch))

    def size(self, feeder):
        """How many ids there are; of ELMo its options, and of BERT its config."""
        return len(feeder.emb.vocab[self.section]) if self.section else self.count(feeder)

    def inputs(self, feeder, examples, rows, length):
        """What is fed of a batch of Examples: {placeholder: int32 array}.

        rows: the words as rows of WordTable, int32 (batch, sentence), 0 at padding. length: see
        Feeder.batch.
        """
        if self.batch:
            return self.batch(self, feeder, examples, rows, length)
        if self.of_word:
            return {self.input: feeder.table.ids[self.name][rows]}
        ids = [example.of_sentence[self.name] for example in examples]
        return {self.input: padded(ids, length)}


def used_features(config):
    """The entries of FEATURES that a model of this Config uses."""
    return [feature for feature in FEATURES if feature.is_used(config)]


# ---------------------------------------------------------------- ids


def _character_ids(word, emb, config):
    return [emb.id("chr", character) for character in word[: config.word_length]]


def _column_ids(feature, sentence, feeder):
    """Ids of a column's cells, int32 (sentence,); 1, unknown, where the input lacks the column."""
    cells = getattr(sentence, feature.cells)
    if cells is None:
        return np.ones(len(sentence.words), np.int32)
    return np.array([feeder.emb.id(feature.section, cell) for cell in cells], np.int32)


def _gazetteer_marks(feature, sentence, feeder):
    """Which types of names each token belongs to, int32 (sentence, types), 0 or 1."""
    marks = np.zeros((len(sentence.words), len(feeder.gazetteer.types)), np.int32)
    for place in feeder.gazetteer.match(sentence.words):
        marks[place] = 1
    return marks


def _elmo_inputs(feature, feeder, examples, rows, length):
    return {feature.input: elmo_batch(feeder.table.ids[feature.name], rows)}


def _bert_pieces(feature, sentence, feeder):
    """wordpiece.Pieces of a sentence, with its neighbours where the config wants them."""
    wordpiece, words = feeder.wordpiece, sentence.words
    if not feeder.config.bert_context or sentence.document is None:
        return wordpiece.encode(words)
    limit, end = wordpiece.capacity, sentence.start + len(words)
    return wordpiece.encode(
        words,
        sentence.document[max(sentence.start - limit, 0) : sentence.start],
        sentence.document[end : end + limit],
    )


def _bert_inputs(feature, feeder, examples, rows, length):
    pieces = [example.of_sentence[feature.name] for example in examples]
    counts = feeder.config.bert_pooling == "mean"
    return feeder.wordpiece.batch(pieces, rows.shape[1], few_shapes=bool(length), counts=counts)


# ---------------------------------------------------------------- the table

# In the order in which their vectors stand side by side.
FEATURES = (
    Feature(
        "word",
        "word",
        switch="use_word",
        input="input_data_word_ids",
        of_word=lambda word, emb, config: emb.word_id(word),
        tells_length=True,
        section="wrd",
        tokens="words",
        dim="wrd_dim",
        trained="train_wrd",
    ),
    Feature(
        "chr",
        "characters",
        switch="use_chr",
        input="input_data_wordchr_ids",
        of_word=_character_ids,
        shape=lambda config, sizes: (config.word_length,),
        tells_length=True,
        section="chr",
        tokens="characters",
        layer="characters",
        dim="num_filters",
    ),
    Feature(
        "elmo",
        "ELMo",
        switch="use_elmo",
        input="elmo_input_data_wordchr_ids",
        of_word=lambda word, emb, config: elmo_byte_ids(word),
        batch=_elmo_inputs,
        shape=lambda config, sizes: (MAX_CHARACTERS,),
        tells_length=True,
        count=lambda feeder: (feeder.emb.elmo or {}).get("options"),
        layer="elmo",
    ),
    Feature(
        "bert",
        "BERT",
        switch="use_bert",
        input="bert_input_data_word_index",
        of_sentence=_bert_pieces,
        batch=_bert_inputs,
        tells_length=True,
        count=lambda feeder: (feeder.emb.bert or {}).get("config"),
        layer="bert",
    ),
    Feature(
        "pos",
        "POS",
        switch="use_pos",
        input="input_data_pos_ids",
        of_sentence=_column_ids,
        section="pos",
        tokens="POS",
        column="pos",
        cells="pos",
        dim="pos_dim",
    ),
    Feature(
        "chk",
        "chunk tags",
        switch="use_chk",
        input="input_data_chk_ids",
        of_sentence=_column_ids,
        section="chk",
        tokens="chunk tags",
        column="chunk",
        cells="chunks",
        dim="chk_dim",
    ),
    Feature(
        "shape",
        "shape",
        switch="use_shape",
        input="input_data_shape_ids",
        of_word=lambda word, emb, config: word_shape(word),
        count=lambda feeder: len(SHAPES),
        dim="shape_dim",
    ),
    Feature(
        "gazetteer",
        "names",
        switch="gazetteer",
        input="input_data_gazetteer",
        of_sentence=_gazetteer_marks,
        shape=lambda config, sizes: (sizes["gazetteer"],),
        count=lambda feeder: len(feeder.gazetteer.types) if feeder.gazetteer else 0,
        layer="marks",
    ),
)
