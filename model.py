"""Model: the graph. Features -> highway network -> encoder -> decoder, to be read from top to
bottom. The features are those of features/tokens.py.

The names of inputs and outputs and the variable scopes are a public interface: C++ and the tools
use them.
"""

import registry
from encoders import encode
from features.tokens import used_features
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

    config: a Config. sizes: see Feeder.sizes. training: adds is_train, dropout, targets and loss.
    legal: (begin, between, end), bool (tags,), (tags, tags), (tags,): the tag transitions to which
    decoding is held, or None.

    inputs: {name: placeholder}. vectors: {name: float32 (batch, sentence, layers, dim)} of ELMo and
    BERT, which may be fed in place of what goes into them. variables: the weights, which a
    checkpoint keeps. word_table: the word embedding, float32 (words, dim), where words are in use.
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
        """Concatenates the vectors of all features in use: float32 (batch, sentence, features).
        Sets lengths and mask.
        """
        features = used_features(self.config)
        ids = {feature: self._ids(feature) for feature in features if feature.tells_length}
        self.lengths = self._lengths(*next(iter(ids.items())))
        self.mask = tf.sequence_mask(self.lengths, self.sentence_length, dtype=tf.float32)
        vectors = [
            self._vectors(feature, ids[feature] if feature in ids else self._ids(feature))
            for feature in features
        ]
        return tf.concat(vectors, axis=-1) * self.mask[..., tf.newaxis]

    def _ids(self, feature):
        """The placeholder of a feature's ids, int32 (batch, sentence, *shape)."""
        return self._input(feature.input, [None, None, *feature.shape(self.config, self.sizes)])

    def _lengths(self, feature, ids):
        """Tokens of each sentence, int32 (batch,), by the ids of a feature: id 0 is padding."""
        first = ids[:, :, 0] if ids.shape.rank == 3 else ids
        lengths = tf.reduce_sum(tf.cast(first > 0, tf.int32), axis=1)
        return lengths - 2 if feature.name == "elmo" else lengths  # without <S> and </S>

    def _vectors(self, feature, ids):
        """The vectors of a feature, float32 (batch, sentence, dim)."""
        layers = {
            "embedding": self._embedding,
            "characters": self._characters,
            "elmo": self._elmo,
            "bert": self._bert,
            "marks": self._marks,
        }
        return layers[feature.layer](feature, ids)

    def _embedding(self, feature, ids):
        """ids (batch, sentence) -> float32 (batch, sentence, dim)."""
        trained = bool(getattr(self.config, feature.trained)) if feature.trained else True
        size, dim = self.sizes[feature.name], getattr(self.config, feature.dim)
        table = self._table(feature.name, size, dim, trained)
        if feature.name == "word":
            self.word_table = table
        return tf.nn.embedding_lookup(table, ids)

    def _table(self, name, size, dim, trained=True):
        bound = (3.0 / dim) ** 0.5  # variance 1 / dim
        with tf.variable_scope("embeddings"):
            return tf.get_variable(
                name,
                [size, dim],
                trainable=trained,
                initializer=tf.random_uniform_initializer(-bound, bound),
            )

    def _characters(self, feature, ids):
        """ids (batch, sentence, word_length) -> float32 (batch, sentence, filters)."""
        config = self.config
        words = tf.reshape(ids, [-1, config.word_length])
        table = self._table(feature.name, self.sizes[feature.name], config.chr_dim)
        characters = tf.nn.embedding_lookup(table, words)  # (words, word_length, chr_dim)
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

    def _elmo(self, feature, ids):
        """ids (batch, sentence + 2, 50) -> float32 (batch, sentence, 2 * projection_dim), a mix of
        ELMo's layers.
        """
        config, options, state, carry = self.config, self.sizes[feature.name], None, []
        with tf.variable_scope("elmo"):
            if self.step is not None and config.elmo_stateful:
                carried = elmo_state(options, config.batch_size)
                state = [
                    variable[: tf.shape(ids)[0]] * tf.cast(self.is_train, tf.float32)
                    for variable in carried
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

    def _bert(self, feature, word_index):
        """word_index (batch, sentence), where a word's first piece lies among all windows' pieces
        -> float32 (batch, sentence, dim), the layers that config.bert_layers names.
        """
        config, bert = self.config, self.sizes[feature.name]
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
            layers = tf.identity(layers, "vectors")  # (batch, sentence, layers, dim)
            self.vectors["bert_vectors"] = layers
            if config.bert_layers == "mix":
                with tf.variable_scope("mix"):
                    return scalar_mix(layers, self.mask)
        return tf.reshape(
            layers, [tf.shape(layers)[0], tf.shape(layers)[1], len(wanted) * bert["hidden_size"]]
        )

    def _marks(self, feature, marks):
        """marks (batch, sentence, types), 0 or 1 -> float32 of the same shape."""
        return tf.cast(marks, tf.float32)

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
