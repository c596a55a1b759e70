"""The encoders, which let each token see its sentence: functions (x, mask, config, is_train) -> y.

x: the tokens' features, float32 (batch, sentence, dim). mask: float32 (batch, sentence), 1 at
tokens and 0 at padding. is_train: bool (), or None in a graph that only tags. y: float32 (batch,
sentence, size). The values of x at padding must not change y at tokens.

A function whose name is in config.ENCODERS is found by that name. This adds one of your own:

    @register("encoder", "double_bilstm")
    def double_bilstm(x, mask, config, is_train): ...

`encoder: my_module.double_bilstm` in a config does the same without registering.
"""

from cli import UserError
from config import ENCODERS
from layers.convolution import convolution
from layers.dropout import dropout
from layers.gru import gru
from layers.lstm import fused_lstm, lstm
from layers.qrnn import qrnn
from layers.recurrent import recurrent_stack
from layers.transformer import layer_norm, positions, self_attention, transformer_block
from registry import find, register
from tf1 import tf


def encode(x, mask, config, is_train):
    """Runs the encoder that the config names, see the top. Raises UserError where a user's encoder
    returns another shape.
    """
    y = find("encoder", config.encoder)(x, mask, config, is_train)
    if y.shape.rank != 3 or y.shape[-1] is None:
        raise UserError(
            f"encoder {config.encoder!r}: returned shape {y.shape}, expected "
            "(batch, sentence, size) with a known size"
        )
    return y


def bilstm(x, mask, config, is_train):
    """BiLSTM layers (Graves and Schmidhuber 2005), with residual connections from the second on."""
    return recurrent_stack(x, _lengths(mask), config.rnn_layers, _lstm(config), "bilstm")


def bigru(x, mask, config, is_train):
    return recurrent_stack(
        x, _lengths(mask), config.rnn_layers, lambda x: gru(x, config.rnn_size), "bigru"
    )


def biqrnn(x, mask, config, is_train):
    layer = lambda x: qrnn(x, config.qrnn_width, config.rnn_size)
    return recurrent_stack(x, _lengths(mask), config.rnn_layers, layer, "biqrnn")


def cnn_lstm(x, mask, config, is_train):
    """A convolution over words, then LSTM layers that read forward. Only the convolution sees the
    words after a word.
    """
    with tf.variable_scope("convolution"):
        x = tf.nn.relu(convolution(x, mask, config.cnn_width, config.cnn_filters))
    return recurrent_stack(
        x, _lengths(mask), config.rnn_layers, _lstm(config), "lstm", directions=("forward",)
    )


def transformer(x, mask, config, is_train):
    """Blocks of self-attention and convolutions, with sinusoidal positions (Vaswani et al. 2017).
    Every block has the size of the features.
    """
    drop = lambda x: dropout(x, config.transformer_keep_prob, is_train, config.seed)
    x += positions(tf.shape(x)[1], x.shape[-1])
    for k in range(config.transformer_layers):
        with tf.variable_scope(f"block_{k}"):
            x = transformer_block(
                x,
                mask,
                config.attention_size,
                config.attention_heads,
                config.ffn_size,
                config.ffn_kernel,
                drop,
            )
    with tf.variable_scope("output"):
        return layer_norm(x)


def bilstm_transformer(x, mask, config, is_train):
    x = bilstm(x, mask, config, is_train)
    return transformer(dropout(x, config.keep_prob, is_train, config.seed), mask, config, is_train)


def bilstm_attention(x, mask, config, is_train):
    """Multi-head self-attention over the BiLSTM's output, added to it."""
    x = bilstm(x, mask, config, is_train)
    with tf.variable_scope("attention"):
        x = layer_norm(x)
        return x + self_attention(x, mask, config.attention_size, config.attention_heads)


def none(x, mask, config, is_train):
    """No encoder: each token is tagged by its features alone, as in the plain fine-tuning of BERT
    (Devlin et al. 2019).
    """
    return x


def _lstm(config):
    return lambda x: (fused_lstm if config.rnn_type == "fused" else lstm)(x, config.rnn_size)


def _lengths(mask):
    return tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)  # (batch,)


for _name in ENCODERS:
    register("encoder", _name)(globals()[_name])
