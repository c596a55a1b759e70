"""BERT's encoder (Devlin et al. 2019), as google-research/bert's modeling.py computes it, under the
names of its checkpoints.
"""

import math

from layers.dropout import dropout
from tf1 import tf

ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1.0 + tf.erf(x * math.sqrt(0.5))),  # Hendrycks and Gimpel 2016
    "gelu_new": lambda x: (
        0.5 * x * (1.0 + tf.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))
    ),  # its approximation
    "relu": tf.nn.relu,
}


def bert_layers(
    token_ids, mask, segment_ids, config, num_layers, trained=False, is_train=None, seed=0
):
    """Hidden states of the embeddings and of the first `num_layers` layers.

    token_ids, mask (1 at pieces), segment_ids: int32 (windows, pieces), pieces <=
    max_position_embeddings. config: what bert_config.json says. trained: the weights are trainable,
    and dropout acts where is_train. Returns a list of num_layers + 1 tensors, float32 (windows,
    pieces, hidden_size).
    """
    is_train = is_train if trained else None
    drop = lambda x, what: dropout(x, 1.0 - config[f"{what}_dropout_prob"], is_train, seed)
    hide = (tf.cast(mask, tf.float32) - 1.0)[
        :, tf.newaxis, tf.newaxis
    ] * 10000.0  # (windows, 1, 1, pieces)
    shape = tf.shape(token_ids)
    with tf.variable_scope(tf.get_variable_scope(), custom_getter=_trainable_or_not(trained)):
        with tf.variable_scope("embeddings"):
            x = drop(_embeddings(token_ids, segment_ids, config), "hidden")
        x = tf.reshape(x, [-1, config["hidden_size"]])  # one product for all windows
        layers = [x]
        for k in range(num_layers):
            with tf.variable_scope(f"encoder/layer_{k}"):
                layers.append(_layer(layers[-1], hide, shape, config, drop))
    return [tf.reshape(x, [shape[0], shape[1], config["hidden_size"]]) for x in layers]


def _trainable_or_not(trained):
    return lambda getter, *args, **kwargs: getter(*args, **{**kwargs, "trainable": trained})


def _embeddings(token_ids, segment_ids, config):
    """Sums of the pieces', the segments' and the places' embeddings: (windows, pieces,
    hidden_size).
    """
    size, deviation = (
        config["hidden_size"],
        tf.truncated_normal_initializer(stddev=config["initializer_range"]),
    )
    words = tf.get_variable("word_embeddings", [config["vocab_size"], size], initializer=deviation)
    segments = tf.get_variable(
        "token_type_embeddings", [config["type_vocab_size"], size], initializer=deviation
    )
    places = tf.get_variable(
        "position_embeddings", [config["max_position_embeddings"], size], initializer=deviation
    )
    x = tf.nn.embedding_lookup(words, token_ids) + tf.nn.embedding_lookup(segments, segment_ids)
    return _layer_norm(x + places[: tf.shape(token_ids)[1]], config)


def _layer(x, hide, shape, config, drop):
    """Self-attention, then feed-forward, each added to what went in and normalized. x: (windows *
    pieces, hidden_size).
    """
    with tf.variable_scope("attention"):
        with tf.variable_scope("self"):
            y = _self_attention(x, hide, shape, config, drop)
        with tf.variable_scope("output"):
            x = _layer_norm(
                x + drop(_dense(y, config["hidden_size"], "dense", config), "hidden"), config
            )
    with tf.variable_scope("intermediate"):
        y = ACTIVATIONS[config["hidden_act"]](
            _dense(x, config["intermediate_size"], "dense", config)
        )
    with tf.variable_scope("output"):
        return _layer_norm(
            x + drop(_dense(y, config["hidden_size"], "dense", config), "hidden"), config
        )


def _self_attention(x, hide, shape, config, drop):
    heads, size = config["num_attention_heads"], config["hidden_size"]

    def split(name):
        """-> (windows, heads, pieces, size / heads)."""
        return tf.transpose(
            tf.reshape(_dense(x, size, name, config), [shape[0], shape[1], heads, size // heads]),
            [0, 2, 1, 3],
        )

    scores = tf.matmul(split("query") * (size // heads) ** -0.5, split("key"), transpose_b=True)
    weights = drop(tf.nn.softmax(scores + hide), "attention_probs")  # (windows, heads, from, to)
    y = tf.transpose(
        tf.matmul(weights, split("value")), [0, 2, 1, 3]
    )  # (windows, pieces, heads, size / heads)
    return tf.reshape(
        y, tf.shape(x)
    )  # not [-1, size]: the sum that follows is fused where shapes are known to be equal


def _dense(x, size, name, config):
    with tf.variable_scope(name):
        kernel = tf.get_variable(
            "kernel",
            [x.shape[-1], size],
            initializer=tf.truncated_normal_initializer(stddev=config["initializer_range"]),
        )
        bias = tf.get_variable("bias", [size], initializer=tf.zeros_initializer())
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def _layer_norm(x, config):
    with tf.variable_scope("LayerNorm"):
        beta = tf.get_variable("beta", [x.shape[-1]], initializer=tf.zeros_initializer())
        gamma = tf.get_variable("gamma", [x.shape[-1]], initializer=tf.ones_initializer())
    mean, variance = tf.nn.moments(x, axes=[-1], keepdims=True)
    return (x - mean) * tf.rsqrt(variance + config["layer_norm_eps"]) * gamma + beta


def words_of_pieces(x, word_index, word_pieces=None):
    """Each word's vector: that of its first piece, or the mean of its pieces where word_pieces is
    given.

    x: float32 (windows, pieces, dim). word_index: int32 (batch, sentence), where a word's first
    piece lies among all windows' pieces. word_pieces: int32 (batch, sentence), how many there are;
    0 at padding. Returns float32 (batch, sentence, dim).
    """
    x = tf.reshape(x, [-1, x.shape[-1]])
    if word_pieces is None:
        return tf.gather(x, word_index)
    index, counts = tf.reshape(word_index, [-1]), tf.reshape(word_pieces, [-1])
    word = tf.repeat(tf.range(tf.size(counts)), counts)  # of each piece
    nth = tf.range(tf.size(word)) - tf.gather(tf.cumsum(counts, exclusive=True), word)
    sums = tf.math.unsorted_segment_sum(
        tf.gather(x, tf.gather(index, word) + nth), word, tf.size(counts)
    )
    means = sums / tf.cast(tf.maximum(counts, 1), tf.float32)[:, tf.newaxis]
    return tf.reshape(means, [tf.shape(word_index)[0], tf.shape(word_index)[1], x.shape[-1]])
