"""Small models in a graph and a session, and random sentences to feed them."""

import dataclasses

import numpy as np

from config import Config
from features.elmo_bytes import elmo_ids
from model import Model
from support.elmo import small_options
from support.numeric import put, put_by_name
from tf1 import new_session, tf
from training.optimizer import training_op

BERT = {
    "vocab_size": 20,
    "hidden_size": 8,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "gelu",
    "max_position_embeddings": 40,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "layer_norm_eps": 1e-12,
}

SIZES = {
    "word": 30,
    "chr": 20,
    "pos": 9,
    "chk": 6,
    "shape": 10,
    "gazetteer": 3,
    "tag": 5,
    "bert": BERT,
    "elmo": small_options(),
}

TAGS = ["O", "B-X", "I-X", "B-Y", "I-Y"]

SMALL = Config(
    wrd_dim=6,
    chr_dim=4,
    num_filters=5,
    word_length=4,
    pos_dim=3,
    chk_dim=2,
    shape_dim=3,
    rnn_size=7,
    use_shape=True,
    gazetteer="names.txt",
    chr_filter_widths=[3],
)

# A model without any of its own features, for tests of ELMo and BERT.
ALONE = {
    "use_word": False,
    "use_chr": False,
    "use_pos": False,
    "use_chk": False,
    "use_shape": False,
    "gazetteer": "",
    "use_highway": False,
    "encoder": "none",
    "use_crf": False,
}


def variant(**values):
    return dataclasses.replace(SMALL, **values)


def sentence(length, seed):
    """Random ids of a sentence under the names of the inputs, each (length, ...)."""
    rng = np.random.default_rng([length, seed])
    characters = rng.integers(1, SIZES["chr"], (length, 4)) * (
        np.arange(4) < rng.integers(1, 5, (length, 1))
    )
    ids = {
        f"input_data_{name}_ids": rng.integers(1, SIZES[size], length)
        for name, size in (("word", "word"), ("pos", "pos"), ("chk", "chk"), ("shape", "shape"))
    }
    words = ["".join(map(chr, rng.integers(97, 101, rng.integers(1, 9)))) for _ in range(length)]
    return {
        **ids,
        "input_data_wordchr_ids": characters,
        "input_data_gazetteer": rng.integers(0, 2, (length, 3)),
        "target_tag_ids": rng.integers(0, 5, length),
        "elmo_input_data_wordchr_ids": elmo_ids(words),
        "bert": windows(length, rng),
    }


def windows(length, rng):
    """Random wordpieces, one to three for each word, in windows of eight words: a list of windows,
    each a list of words, each a list of ids.
    """
    pieces = [
        rng.integers(4, BERT["vocab_size"], rng.integers(1, 4)).tolist() for _ in range(length)
    ]
    return [pieces[start : start + 8] for start in range(0, length, 8)]


def batch(*sentences, more_windows=0, more_pieces=0):
    """The padded inputs of a batch of sentences."""
    length = len(sentences[0]["input_data_word_ids"])
    longest = max(len(sentence["input_data_word_ids"]) for sentence in sentences)
    inputs = {"sentence_length": np.int32(longest)}
    for name in sentences[0].keys() - {"bert"}:
        first = sentences[0][name]
        inputs[name] = np.zeros(
            (len(sentences), longest + len(first) - length, *first.shape[1:]), np.int32
        )
        for row, sentence in zip(inputs[name], sentences):
            row[: len(sentence[name])] = sentence[name]
    return {
        **inputs,
        **bert_inputs([words["bert"] for words in sentences], longest, more_windows, more_pieces),
    }


def bert_inputs(sentences, longest, more_windows=0, more_pieces=0):
    """The inputs of BERT. sentences: for each a list of windows, as windows() returns them. The id
    of [CLS] is 2, that of [SEP] is 3.
    """
    together = [[2, *sum(window, []), 3] for windows in sentences for window in windows]
    size = max(map(len, together)) + more_pieces
    tokens = [window + [0] * (size - len(window)) for window in together] + [
        [0] * size
    ] * more_windows
    masks = [[1] * len(window) + [0] * (size - len(window)) for window in together] + [
        [0] * size
    ] * more_windows
    index, counts, row = [], [], 0
    for windows in sentences:
        places = []
        for window in windows:
            starts = np.cumsum([1] + [len(word) for word in window])[:-1]
            places += [row * size + start for start in starts]
            row += 1
        index.append(places + [0] * (longest - len(places)))
        counts.append(
            [len(word) for window in windows for word in window] + [0] * (longest - len(places))
        )
    names = "token_ids", "token_masks", "segment_ids", "word_index", "word_pieces"
    return {
        f"bert_input_data_{name}": np.array(value, np.int32)
        for name, value in zip(names, (tokens, masks, np.zeros_like(tokens), index, counts))
    }


class Built:
    """A model in a graph and a session of its own. The values of its variables depend on their
    names alone.
    """

    def __init__(self, config, training=False, learning=False, legal=None):
        self.graph = tf.Graph()
        with self.graph.as_default():
            self.model = Model(config, SIZES, training or learning, legal)
            self.train_op = training_op(self.model, config)[0] if learning else None
            self.session = new_session(1)
            if training or learning:
                self.session.run(tf.global_variables_initializer())
            put_by_name(self.session, self.model.variables)
        self.shapes = {
            variable.op.name: variable.shape.as_list() for variable in self.model.variables
        }

    def run(self, fetches, inputs, **more):
        feeds = {tensor: inputs[name] for name, tensor in self.model.inputs.items()}
        feeds.update(
            {self.graph.get_tensor_by_name(f"{name}:0"): value for name, value in more.items()}
        )
        return self.session.run(fetches, feeds)

    def set_step(self, step):
        put(self.session, [self.model.step], [step])

    def tag(self, inputs):
        """Returns the logits and the tag ids."""
        return self.run([self.model.logits, self.model.logits_indices], inputs)
