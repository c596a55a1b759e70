"""The encoders by name: each a function (x, mask, config, is_train) -> x, of the tokens' features
and their neighbours'.

x: float32 (batch, sentence, dim). mask: float32 (batch, sentence), 1 at tokens. is_train: bool ();
None in a graph that only tags. Returns float32 (batch, sentence, size). What stands at padding must
not change what comes out at tokens.

    @register("encoder", "double_bilstm")
    def double_bilstm(x, mask, config, is_train): ...

adds one of your own; `encoder: my_module.double_bilstm` in a config does the same without
registering.
"""

from cli import UserError
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
    """Runs the encoder that the config names. Raises UserError where a user's encoder returns
    something else.
    """
    y = find("encoder", config.encoder)(x, mask, config, is_train)
    if y.shape.rank != 3 or y.shape[-1] is None:
        raise UserError(
            f"encoder {config.encoder!r}: returned shape {y.shape}, expected (batch, sentence, size) with a known size"
        )
    return y


@register("encoder", "bilstm")
def bilstm(x, mask, config, is_train):
    """BiLSTM layers (Graves and Schmidhuber 2005), from the second on with a residual connection."""
    return recurrent_stack(x, _lengths(mask), config.rnn_layers, _lstm(config), "bilstm")


@register("encoder", "bigru")
def bigru(x, mask, config, is_train):
    return recurrent_stack(
        x, _lengths(mask), config.rnn_layers, lambda x: gru(x, config.rnn_size), "bigru"
    )


@register("encoder", "biqrnn")
def biqrnn(x, mask, config, is_train):
    layer = lambda x: qrnn(x, config.qrnn_width, config.rnn_size)
    return recurrent_stack(x, _lengths(mask), config.rnn_layers, layer, "biqrnn")


@register("encoder", "cnn_lstm")
def cnn_lstm(x, mask, config, is_train):
    """A convolution over words, then LSTM layers that read forward: what comes behind a word is
    seen by the former alone.
    """
    with tf.variable_scope("convolution"):
        x = tf.nn.relu(convolution(x, mask, config.cnn_width, config.cnn_filters))
    return recurrent_stack(
        x, _lengths(mask), config.rnn_layers, _lstm(config), "lstm", directions=("forward",)
    )


@register("encoder", "transformer")
def transformer(x, mask, config, is_train):
    """Blocks of self-attention and convolutions, with sinusoidal positions; the size is that of the
    features throughout.
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


@register("encoder", "bilstm_transformer")
def bilstm_transformer(x, mask, config, is_train):
    x = bilstm(x, mask, config, is_train)
    return transformer(dropout(x, config.keep_prob, is_train, config.seed), mask, config, is_train)


@register("encoder", "bilstm_attention")
def bilstm_attention(x, mask, config, is_train):
    """Multi-head self-attention over the BiLSTM's output, added to it."""
    x = bilstm(x, mask, config, is_train)
    with tf.variable_scope("attention"):
        x = layer_norm(x)
        return x + self_attention(x, mask, config.attention_size, config.attention_heads)


@register("encoder", "none")
def none(x, mask, config, is_train):
    """No encoder: each token is tagged by its features alone, as in the plain fine-tuning of BERT
    (Devlin et al. 2019).
    """
    return x


def _lstm(config):
    return lambda x: (fused_lstm if config.rnn_type == "fused" else lstm)(x, config.rnn_size)


def _lengths(mask):
    return tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)  # (batch,)
