"""Model: the graph. Features -> highway network -> encoder -> decoder, to be read from top to bottom.

The names of inputs and outputs and the variable scopes are a public interface: C++ and the tools use them.
"""
import registry
from encoders import encode
from layers.char_cnn import char_conv1d, char_conv2d
from layers.crf import log_likelihood, viterbi
from layers.dropout import dropout
from layers.highway import highway
from tf1 import tf


class Model:
    """Builds the graph into the default graph.

    config: a Config. sizes: how many ids there are, {'wrd', 'chr', 'pos', 'chk', 'shape', 'gazetteer', 'tag'}.
    training: adds is_train, dropout, targets and loss. legal: (begin, between, end), bool (tags,), (tags, tags), (tags,):
    the tag transitions to which decoding is held, or None.
    """

    def __init__(self, config, sizes, training=False, legal=None):
        self.config, self.sizes = config, sizes
        self.step = tf.train.get_or_create_global_step() if training else None
        self.is_train = tf.placeholder_with_default(False, [], "is_train") if training else None
        self.inputs = {}

        self.sentence_length = self._input("sentence_length", [])
        x = self._features()                                                # (batch, sentence, features)
        self.sentence_lengths = tf.identity(self.lengths, "sentence_lengths")
        if config.use_highway:
            with tf.variable_scope("highway"):
                x = highway(x, config.highway_layers)
        x = self._dropout(x)
        with tf.variable_scope("encoder"):
            x = encode(x, self.mask, config, self.is_train)
        x = self._dropout(x)                                                # (batch, sentence, size)
        self.logits = self._project(x)                                      # (batch, sentence, tags)
        self.transitions = self._transition_matrix()                        # (tags, tags)
        self.logits_indices = tf.identity(self._decode(legal), "logits_indices")
        self.variables = [v for v in tf.global_variables() if v is not self.step]
        if training:
            self.targets = self._input("target_tag_ids", [None, None])
            self.loss = self._loss()

    # ------------------------------------------------------------ features

    def _features(self):
        """Concatenates what the config wants of each token: float32 (batch, sentence, features). Sets lengths and mask."""
        config, ids = self.config, {}
        if config.use_word:
            ids["word"] = self._input("input_data_word_ids", [None, None])
        if config.use_chr:
            ids["wordchr"] = self._input("input_data_wordchr_ids", [None, None, config.word_length])
        first = ids["word"] if config.use_word else ids["wordchr"][:, :, 0]
        self.lengths = tf.reduce_sum(tf.cast(first > 0, tf.int32), axis=1)  # (batch,); id 0 is padding
        self.mask = tf.sequence_mask(self.lengths, self.sentence_length, dtype=tf.float32)

        parts = []
        if config.use_word:
            self.word_table = self._table("word", self.sizes["wrd"], config.wrd_dim, trained=bool(config.train_wrd))
            parts.append(tf.nn.embedding_lookup(self.word_table, ids["word"]))
        if config.use_chr:
            parts.append(self._characters(ids["wordchr"]))
        for name, use, dim in (("pos", config.use_pos, config.pos_dim), ("chk", config.use_chk, config.chk_dim),
                               ("shape", config.use_shape, config.shape_dim)):
            if use:
                parts.append(self._embed(name, self._input(f"input_data_{name}_ids", [None, None]), self.sizes[name], dim))
        if config.gazetteer:
            marks = self._input("input_data_gazetteer", [None, None, self.sizes["gazetteer"]])
            parts.append(tf.cast(marks, tf.float32))
        return tf.concat(parts, axis=-1) * self.mask[..., tf.newaxis]

    def _embed(self, name, ids, size, dim):
        """ids (...) -> float32 (..., dim)."""
        return tf.nn.embedding_lookup(self._table(name, size, dim), ids)

    def _table(self, name, size, dim, trained=True):
        bound = (3.0 / dim) ** 0.5                                          # variance 1 / dim
        with tf.variable_scope("embeddings"):
            return tf.get_variable(name, [size, dim], trainable=trained,
                                   initializer=tf.random_uniform_initializer(-bound, bound))

    def _characters(self, ids):
        """ids (batch, sentence, word_length) -> float32 (batch, sentence, filters)."""
        config = self.config
        words = tf.reshape(ids, [-1, config.word_length])
        characters = self._embed("chr", words, self.sizes["chr"], config.chr_dim)
        mask = tf.cast(words > 0, tf.float32)
        with tf.variable_scope("char_cnn"):
            if config.chr_conv_type == "conv1d":
                vectors = char_conv1d(characters, mask, config.chr_filter_widths[0], config.num_filters)
            else:
                vectors = char_conv2d(characters, mask, config.chr_filter_widths, config.num_filters)
        return tf.reshape(vectors, [tf.shape(ids)[0], tf.shape(ids)[1], vectors.shape[-1]])

    # ------------------------------------------------------------ decoder

    def _project(self, x):
        """(batch, sentence, dim) -> emission scores, float32 (batch, sentence, tags)."""
        dim, tags = x.shape[-1], self.sizes["tag"]
        with tf.variable_scope("projection"):
            kernel = tf.get_variable("kernel", [dim, tags], initializer=tf.glorot_uniform_initializer())
            bias = tf.get_variable("bias", [tags], initializer=tf.zeros_initializer())
        return tf.add(tf.tensordot(x, kernel, 1), bias, name="logits")

    def _transition_matrix(self):
        tags = self.sizes["tag"]
        if not self.config.use_crf:
            return tf.zeros([tags, tags], name="crf_transitions")
        with tf.variable_scope("crf"):
            matrix = tf.get_variable("transitions", [tags, tags], initializer=tf.glorot_uniform_initializer())
        return tf.identity(matrix, "crf_transitions")

    def _decode(self, legal):
        """Viterbi, or the best tag of each token where there is neither CRF nor constraint: int32 (batch, sentence)."""
        if legal is None and not self.config.use_crf:
            return tf.argmax(self.logits, axis=-1, output_type=tf.int32) * tf.cast(self.mask, tf.int32)
        if legal is None:
            return viterbi(self.logits, self.lengths, self.transitions)
        begin, between, end = (tf.where_v2(allowed, 0.0, -1e9) for allowed in legal)
        return viterbi(self.logits, self.lengths, self.transitions + between, begin, end)

    def _loss(self):
        """Negative log-likelihood, the mean over sentences (CRF) or tokens (softmax), or config.loss: float32 ()."""
        if self.config.loss:
            return registry.find("loss", self.config.loss)(self.logits, self.targets, self.mask, self.config)
        if self.config.use_crf:
            likelihood = log_likelihood(self.logits, self.targets, self.lengths, self.transitions)
            return tf.cast(tf.reduce_mean(-likelihood), tf.float32)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=self.targets, logits=self.logits)
        return tf.reduce_sum(losses * self.mask) / tf.reduce_sum(self.mask)

    # ------------------------------------------------------------ shared

    def _input(self, name, shape):
        self.inputs[name] = tf.placeholder(tf.int32, shape, name)
        return self.inputs[name]

    def _dropout(self, x):
        """Dropout on the inputs and the outputs of the encoder."""
        return dropout(x, self.config.keep_prob, self.is_train, self.config.seed)
