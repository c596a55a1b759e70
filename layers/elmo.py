"""ELMo (Peters et al. 2018): character CNN, highway layers, projected LSTMs in both directions, as
bilm-tf computes them.

All variables are made in the current scope under the names of the weights file, and are not
trained.
"""

from tf1 import tf


def elmo_layers(ids, options, state=None):
    """The layers of each token.

    ids: int32 (batch, sentence + 2, characters), see features/elmo_bytes.py, with the rows of <S>
    and </S>, 0 at padding. options: see pretrained.read_elmo_options. state: initial states as
    elmo_state makes them; None: zeros. Returns the layers, float32 (batch, sentence, n_layers + 1,
    2 * projection_dim), without <S> and </S>, 0 at padding; layer 0 is the token layer, twice; and
    the final states, a list in the order of `state`. No gradient flows through.
    """
    lstm = options["lstm"]
    lengths = tf.reduce_sum(
        tf.cast(ids[:, :, 0] > 0, tf.int32), axis=1
    )  # (batch,), <S> and </S> included
    tokens = tf.transpose(_token_layer(ids, options["char_cnn"], lstm["projection_dim"]), [1, 0, 2])
    if state is None:
        sizes = [lstm["dim"], lstm["projection_dim"]] * (2 * lstm["n_layers"])
        state = [tf.zeros([tf.shape(ids)[0], size]) for size in sizes]

    directions, final = [], []  # layers (sentence + 2, batch, projection_dim) of each
    for direction in range(2):
        x, layers = _reverse(tokens, lengths) if direction else tokens, [tokens]
        for k in range(lstm["n_layers"]):
            with tf.variable_scope(f"RNN_{direction}/RNN/MultiRNNCell/Cell{k}/LSTMCell"):
                y, *states = _projected_lstm(x, lengths, *state[len(final) : len(final) + 2], lstm)
            x = x + y if k and lstm["use_skip_connections"] else y
            layers.append(_reverse(x, lengths) if direction else x)
            final += states
        directions.append(layers)

    both = [tf.concat(pair, axis=-1) for pair in zip(*directions)]
    layers = tf.transpose(tf.stack(both, axis=2)[1:-1], [1, 0, 2, 3])
    mask = tf.sequence_mask(lengths - 2, tf.shape(layers)[1])[..., tf.newaxis, tf.newaxis]
    return tf.stop_gradient(tf.where_v2(mask, layers, 0.0)), final


def elmo_state(options, max_batch):
    """Variables that carry the LSTMs' states from batch to batch, in the scope `state`: for each
    direction and layer, cell state, float32 (max_batch, dim), and hidden state, float32 (max_batch,
    projection_dim); zeros at first.

    To carry them: layers, final = elmo_layers(ids, options, [part[:batch] for part in variables]),
    and run update_elmo_state(variables, final) with it.
    """
    lstm, variables = options["lstm"], []
    for direction in range(2):
        for k in range(lstm["n_layers"]):
            with tf.variable_scope(f"state/RNN_{direction}/Cell{k}"):
                variables += [
                    tf.get_variable(
                        name, [max_batch, size], initializer=tf.zeros_initializer(), trainable=False
                    )
                    for name, size in (("c", lstm["dim"]), ("h", lstm["projection_dim"]))
                ]
    return variables


def update_elmo_state(variables, final):
    """The op that stores final states (batch, size) in the variables' first rows; the rows beyond
    the batch stay (as bilm-tf).
    """
    return tf.group(
        *[
            tf.assign(variable, tf.concat([value, variable[tf.shape(value)[0] :]], axis=0))
            for variable, value in zip(variables, final)
        ]
    )


def _token_layer(ids, options, projection_dim):
    """ids: int32 (batch, sentence, characters). Returns float32 (batch, sentence, projection_dim),
    which no context changes.

    Computed once for each distinct word, and on no more characters than the longest word needs:
    further windows hold nothing but padding, and one of them is enough for the maximum.
    """
    max_characters, widest = (
        options["max_characters_per_token"],
        max(width for width, _ in options["filters"]),
    )
    words, places = tf.raw_ops.UniqueV2(x=tf.reshape(ids, [-1, max_characters]), axis=[0])
    words = tf.reshape(words, [-1, max_characters])
    is_padding = tf.equal(
        words % (options["n_characters"] - 1), 0
    )  # of the batch, 0, or of a word, the last character
    longest = max_characters - tf.reduce_min(tf.reduce_sum(tf.cast(is_padding, tf.int32), axis=1))
    x = _char_cnn(words[:, : tf.minimum(longest + widest, max_characters)], options)
    for k in range(options["n_highway"]):
        carry = tf.sigmoid(
            _dense(x, f"CNN_high_{k}/W_carry", f"CNN_high_{k}/b_carry")
        )  # as bilm-tf calls the gate
        transform = tf.nn.relu(_dense(x, f"CNN_high_{k}/W_transform", f"CNN_high_{k}/b_transform"))
        x = carry * transform + (1.0 - carry) * x
    if x.shape[-1] != projection_dim:
        x = _dense(x, "CNN_proj/W_proj", "CNN_proj/b_proj", projection_dim)
    return tf.reshape(tf.gather(x, places), [tf.shape(ids)[0], tf.shape(ids)[1], projection_dim])


def _char_cnn(ids, options):
    """A convolution over the characters for each width, the maximum over the word, the activation.

    ids: int32 (words, characters). Returns float32 (words, all filters).
    """
    dim, activation = (
        options["embedding"]["dim"],
        {"relu": tf.nn.relu, "tanh": tf.tanh}[options["activation"]],
    )
    embeddings = _variable("char_embed", [options["n_characters"] - 1, dim])
    embeddings = tf.pad(
        embeddings, [[1, 0], [0, 0]]
    )  # padding of the batch, id 0, is not in the file
    characters = tf.nn.embedding_lookup(embeddings, ids)  # (words, characters, dim)
    pooled = []
    for i, (width, filters) in enumerate(options["filters"]):
        kernel, bias = (
            _variable(f"CNN/W_cnn_{i}", [1, width, dim, filters]),
            _variable(f"CNN/b_cnn_{i}", [filters]),
        )
        positions = tf.shape(ids)[1] - width + 1
        windows = tf.concat([characters[:, j : j + positions] for j in range(width)], axis=-1)
        scores = tf.matmul(
            tf.reshape(windows, [-1, width * dim]), tf.reshape(kernel, [width * dim, filters])
        )
        scores = tf.reshape(scores, [tf.shape(ids)[0], positions, filters])
        pooled.append(activation(tf.reduce_max(scores, axis=1) + bias))
    return tf.concat(pooled, axis=-1)


def _projected_lstm(x, lengths, c, h, options):
    """TensorFlow 1's LSTMCell with projection and clipping; gates in the order i, j, f, o; 1 is
    added to the forget gate.

    x: float32 (sentence, batch, projection_dim), read from the first step to each sentence's
    length. c: float32 (batch, dim), h: float32 (batch, projection_dim): initial states. Returns
    float32 (sentence, batch, projection_dim), and the final c and h.
    """
    dim, size, steps = options["dim"], options["projection_dim"], tf.shape(x)[0]
    kernel, bias = _variable("W_0", [2 * size, 4 * dim]), _variable("B", [4 * dim])
    projection = _variable("W_P_0", [dim, size]) if size < dim else None
    bias += tf.concat([tf.zeros([2 * dim]), tf.ones([dim]), tf.zeros([dim])], axis=0)
    products = tf.matmul(tf.reshape(x, [-1, size]), kernel[:size]) + bias
    products, recurrent = tf.reshape(products, [steps, tf.shape(x)[1], 4 * dim]), kernel[size:]

    def step(t, c, h, outputs):
        i, j, f, o = tf.split(products[t] + tf.matmul(h, recurrent), 4, axis=1)
        new_c = _clip(tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(j), options["cell_clip"])
        new_h = tf.sigmoid(o) * tf.tanh(new_c)
        if projection is not None:
            new_h = _clip(tf.matmul(new_h, projection), options["proj_clip"])
        reading = (t < lengths)[:, tf.newaxis]
        return (
            t + 1,
            tf.where_v2(reading, new_c, c),
            tf.where_v2(reading, new_h, h),
            outputs.write(t, new_h),
        )

    outputs = tf.TensorArray(tf.float32, steps, element_shape=[None, size])
    _, c, h, outputs = tf.while_loop(
        lambda t, *_: t < steps, step, (0, c, h, outputs), back_prop=False
    )
    return outputs.stack(), c, h


def _clip(x, bound):
    return x if bound is None else tf.clip_by_value(x, -bound, bound)


def _dense(x, kernel, bias, size=None):
    size = size or x.shape[-1]
    return tf.matmul(x, _variable(kernel, [x.shape[-1], size])) + _variable(bias, [size])


def _variable(name, shape):
    variable = tf.get_variable(name, shape, initializer=tf.zeros_initializer(), trainable=False)
    return tf.identity(variable)  # read outside of any loop, so that the graph can be frozen


def _reverse(x, lengths):
    return tf.reverse_sequence(x, lengths, seq_axis=0, batch_axis=1)
