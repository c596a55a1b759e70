"""Model: the graph. Features -> highway network -> encoder -> decoder, to be read from top to
bottom.

The names of inputs and outputs and the variable scopes are a public interface: C++ and the tools
use them.
"""

import registry
from encoders import encode
from layers.bert import bert_layers, words_of_pieces
from layers.char_cnn import char_conv1d, char_conv2d
from layers.crf import log_likelihood, viterbi
from layers.dropout import dropout
from layers.elmo import elmo_layers, elmo_state, update_elmo_state
from layers.highway import highway
from layers.scalar_mix import scalar_mix
from tf1 import tf


class Model:
    """Builds the graph into the default graph.

    config: a Config. sizes: how many ids there are, {'wrd', 'chr', 'pos', 'chk', 'shape',
    'gazetteer', 'tag'}, and where they are in use the options of 'elmo' and the config of 'bert'.
    vectors: {name: float32 (batch, sentence, layers, dim)} of ELMo and BERT, which may be fed in
    place of what goes into them. training: adds is_train, dropout, targets and loss. legal: (begin,
    between, end), bool (tags,), (tags, tags), (tags,): the tag transitions to which decoding is
    held, or None.
    """

    def __init__(self, config, sizes, training=False, legal=None):
        self.config, self.sizes = config, sizes
        self.step = tf.train.get_or_create_global_step() if training else None
        self.is_train = tf.placeholder_with_default(False, [], "is_train") if training else None
        self.inputs, self.vectors = {}, {}

        self.sentence_length = self._input("sentence_length", [])
        x = self._features()  # (batch, sentence, features)
        self.sentence_lengths = tf.identity(self.lengths, "sentence_lengths")
        if config.use_highway:
            with tf.variable_scope("highway"):
                x = highway(x, config.highway_layers)
        x = self._dropout(x)
        with tf.variable_scope("encoder"):
            x = encode(x, self.mask, config, self.is_train)
        if config.encoder != "none":
            x = self._dropout(x)  # (batch, sentence, size)
        self.logits = self._project(x)  # (batch, sentence, tags)
        self.transitions = self._transition_matrix()  # (tags, tags)
        self.logits_indices = tf.identity(self._decode(legal), "logits_indices")
        self.variables = [
            v
            for v in tf.global_variables()
            if v is not self.step and not v.op.name.startswith("elmo/state/")
        ]
        if training:
            self.targets = self._input("target_tag_ids", [None, None])
            self.loss = self._loss()

    # ------------------------------------------------------------ features

    def _features(self):
        """Concatenates what the config wants of each token: float32 (batch, sentence, features).
        Sets lengths and mask.
        """
        config, ids = self.config, {}
        if config.use_word:
            ids["word"] = self._input("input_data_word_ids", [None, None])
        if config.use_chr:
            ids["wordchr"] = self._input("input_data_wordchr_ids", [None, None, config.word_length])
        if config.use_elmo:
            ids["elmo"] = self._input("elmo_input_data_wordchr_ids", [None, None, 50])
        if config.use_bert:
            ids["bert"] = self._input("bert_input_data_word_index", [None, None])
        self.lengths = self._lengths(ids)
        self.mask = tf.sequence_mask(self.lengths, self.sentence_length, dtype=tf.float32)

        parts = []
        if config.use_word:
            self.word_table = self._table(
                "word", self.sizes["wrd"], config.wrd_dim, trained=bool(config.train_wrd)
            )
            parts.append(tf.nn.embedding_lookup(self.word_table, ids["word"]))
        if config.use_chr:
            parts.append(self._characters(ids["wordchr"]))
        if config.use_elmo:
            parts.append(self._elmo(ids["elmo"]))
        if config.use_bert:
            parts.append(self._bert(ids["bert"]))
        for name, use, dim in (
            ("pos", config.use_pos, config.pos_dim),
            ("chk", config.use_chk, config.chk_dim),
            ("shape", config.use_shape, config.shape_dim),
        ):
            if use:
                parts.append(
                    self._embed(
                        name,
                        self._input(f"input_data_{name}_ids", [None, None]),
                        self.sizes[name],
                        dim,
                    )
                )
        if config.gazetteer:
            marks = self._input("input_data_gazetteer", [None, None, self.sizes["gazetteer"]])
            parts.append(tf.cast(marks, tf.float32))
        return tf.concat(parts, axis=-1) * self.mask[..., tf.newaxis]

    def _lengths(self, ids):
        """Tokens of each sentence, int32 (batch,), by any of the inputs: id 0 is padding."""
        name, first = next(iter(ids.items()))
        first = first[:, :, 0] if first.shape.rank == 3 else first
        lengths = tf.reduce_sum(tf.cast(first > 0, tf.int32), axis=1)
        return lengths - 2 if name == "elmo" else lengths  # without <S> and </S>

    def _embed(self, name, ids, size, dim):
        """ids (...) -> float32 (..., dim)."""
        return tf.nn.embedding_lookup(self._table(name, size, dim), ids)

    def _table(self, name, size, dim, trained=True):
        bound = (3.0 / dim) ** 0.5  # variance 1 / dim
        with tf.variable_scope("embeddings"):
            return tf.get_variable(
                name,
                [size, dim],
                trainable=trained,
                initializer=tf.random_uniform_initializer(-bound, bound),
            )

    def _characters(self, ids):
        """ids (batch, sentence, word_length) -> float32 (batch, sentence, filters)."""
        config = self.config
        words = tf.reshape(ids, [-1, config.word_length])
        characters = self._embed("chr", words, self.sizes["chr"], config.chr_dim)
        mask = tf.cast(words > 0, tf.float32)
        with tf.variable_scope("char_cnn"):
            if config.chr_conv_type == "conv1d":
                vectors = char_conv1d(
                    characters, mask, config.chr_filter_widths[0], config.num_filters
                )
            else:
                vectors = char_conv2d(
                    characters, mask, config.chr_filter_widths, config.num_filters
                )
        return tf.reshape(vectors, [tf.shape(ids)[0], tf.shape(ids)[1], vectors.shape[-1]])

    def _elmo(self, ids):
        """ids (batch, sentence + 2, 50) -> float32 (batch, sentence, 2 * projection_dim), a mix of
        ELMo's layers.
        """
        config, options, state, carry = self.config, self.sizes["elmo"], None, []
        with tf.variable_scope("elmo"):
            if self.step is not None and config.elmo_stateful:
                carried = elmo_state(options, config.batch_size)
                state = [
                    each[: tf.shape(ids)[0]] * tf.cast(self.is_train, tf.float32)
                    for each in carried
                ]
            layers, final = elmo_layers(ids, options, state)
            if state:
                carry = [
                    tf.cond(self.is_train, lambda: update_elmo_state(carried, final), tf.no_op)
                ]
            with tf.control_dependencies(carry):
                layers = self.vectors["elmo_vectors"] = tf.identity(layers, "vectors")
            with tf.variable_scope("mix"):
                x = scalar_mix(layers, self.mask, config.elmo_layer_norm)
        return dropout(x, config.elmo_keep_prob, self.is_train, config.seed)

    def _bert(self, word_index):
        """word_index (batch, sentence) -> float32 (batch, sentence, dim), what config.bert_layers
        wants of BERT.
        """
        config, bert = self.config, self.sizes["bert"]
        pieces = [
            self._input(f"bert_input_data_{name}", [None, None])
            for name in ("token_ids", "token_masks", "segment_ids")
        ]
        counts = (
            self._input("bert_input_data_word_pieces", [None, None])
            if config.bert_pooling == "mean"
            else None
        )
        number = bert["num_hidden_layers"]
        wanted = {
            "top": [number],
            "last4": range(number - 3, number + 1),
            "mix": range(number + 1),
        }.get(config.bert_layers) or [int(config.bert_layers)]
        with tf.variable_scope("bert"):
            layers = bert_layers(
                *pieces, bert, wanted[-1], config.train_bert, self.is_train, config.seed
            )
            layers = tf.stack(
                [words_of_pieces(layers[k], word_index, counts) for k in wanted], axis=2
            )
            layers = self.vectors["bert_vectors"] = tf.identity(
                layers, "vectors"
            )  # (batch, sentence, layers, dim)
            if config.bert_layers == "mix":
                with tf.variable_scope("mix"):
                    return scalar_mix(layers, self.mask)
        return tf.reshape(
            layers, [tf.shape(layers)[0], tf.shape(layers)[1], len(wanted) * bert["hidden_size"]]
        )

    # ------------------------------------------------------------ decoder

    def _project(self, x):
        """(batch, sentence, dim) -> emission scores, float32 (batch, sentence, tags)."""
        dim, tags = x.shape[-1], self.sizes["tag"]
        with tf.variable_scope("projection"):
            kernel = tf.get_variable(
                "kernel", [dim, tags], initializer=tf.glorot_uniform_initializer()
            )
            bias = tf.get_variable("bias", [tags], initializer=tf.zeros_initializer())
        return tf.add(tf.tensordot(x, kernel, 1), bias, name="logits")

    def _transition_matrix(self):
        tags = self.sizes["tag"]
        if not self.config.use_crf:
            return tf.zeros([tags, tags], name="crf_transitions")
        with tf.variable_scope("crf"):
            matrix = tf.get_variable(
                "transitions", [tags, tags], initializer=tf.glorot_uniform_initializer()
            )
        return tf.identity(matrix, "crf_transitions")

    def _decode(self, legal):
        """Viterbi, or the best tag of each token where there is neither CRF nor constraint: int32
        (batch, sentence).
        """
        if legal is None and not self.config.use_crf:
            return tf.argmax(self.logits, axis=-1, output_type=tf.int32) * tf.cast(
                self.mask, tf.int32
            )
        if legal is None:
            return viterbi(self.logits, self.lengths, self.transitions)
        begin, between, end = (tf.where_v2(allowed, 0.0, -1e9) for allowed in legal)
        return viterbi(self.logits, self.lengths, self.transitions + between, begin, end)

    def _loss(self):
        """Negative log-likelihood, the mean over sentences (CRF) or tokens (softmax), or
        config.loss: float32 ().
        """
        if self.config.loss:
            return registry.find("loss", self.config.loss)(
                self.logits, self.targets, self.mask, self.config
            )
        if self.config.use_crf:
            likelihood = log_likelihood(self.logits, self.targets, self.lengths, self.transitions)
            return tf.cast(tf.reduce_mean(-likelihood), tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels=self.targets, logits=self.logits
        )
        return tf.reduce_sum(losses * self.mask) / tf.reduce_sum(self.mask)

    # ------------------------------------------------------------ shared

    def _input(self, name, shape):
        self.inputs[name] = tf.placeholder(tf.int32, shape, name)
        return self.inputs[name]

    def _dropout(self, x):
        """Dropout on the inputs and the outputs of the encoder."""
        return dropout(x, self.config.keep_prob, self.is_train, self.config.seed)
