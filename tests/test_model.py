"""The graph as a whole: names, features, padding, long sentences; and the training op against
numpy.
"""

import functools
import os
import subprocess
import sys
import types

import numpy as np
import pytest

import config as config_module
import schemes
from config import Config
from model import Model
from support.graphs import ALONE, SIZES, SMALL, TAGS, Built, batch, bert_inputs, sentence, variant
from tf1 import new_session, tf
from training.optimizer import LazyAdam, averaged_variables, scheduled_rate, training_op

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@functools.cache
def plain(training=False):
    return Built(SMALL, training)


@functools.cache
def alone(**values):
    return Built(variant(**{**ALONE, **values}))


# ---------------------------------------------------------------- names


def test_names_of_inputs_and_outputs():
    built = plain()
    expected = {
        "sentence_length": [],
        "input_data_word_ids": [None, None],
        "input_data_wordchr_ids": [None, None, 4],
        "input_data_pos_ids": [None, None],
        "input_data_chk_ids": [None, None],
        "input_data_shape_ids": [None, None],
        "input_data_gazetteer": [None, None, 3],
    }
    placeholders = {
        op.name: op for op in built.graph.get_operations() if op.type.startswith("Placeholder")
    }
    assert set(placeholders) == set(built.model.inputs) == set(expected)
    for name, shape in expected.items():
        tensor = built.graph.get_tensor_by_name(f"{name}:0")
        assert tensor.dtype == tf.int32 and tensor.shape.as_list() == shape
    outputs = [
        built.graph.get_tensor_by_name(f"{name}:0")
        for name in ("logits_indices", "sentence_lengths", "logits", "crf_transitions")
    ]
    values = built.run(outputs, batch(sentence(4, 0), sentence(2, 0)))
    assert [(value.dtype, value.shape) for value in values] == [
        (np.int32, (2, 4)),
        (np.int32, (2,)),
        (np.float32, (2, 4, 5)),
        (np.float32, (5, 5)),
    ]
    assert values[1].tolist() == [4, 2]


def test_names_in_training():
    built = plain(training=True)
    assert "target_tag_ids" in built.model.inputs
    is_train = built.graph.get_tensor_by_name("is_train:0")
    assert (
        is_train.dtype == tf.bool
        and is_train.shape.as_list() == []
        and built.session.run(is_train) == np.False_
    )


def test_scopes_and_shapes_of_variables():
    features = 6 + 5 + 3 + 2 + 3 + 3
    expected = {
        "embeddings/word": [30, 6],
        "embeddings/chr": [20, 4],
        "embeddings/pos": [9, 3],
        "embeddings/chk": [6, 2],
        "embeddings/shape": [10, 3],
        "char_cnn/conv1d/kernel": [3, 4, 5],
        "char_cnn/conv1d/bias": [5],
        "projection/kernel": [14, 5],
        "projection/bias": [5],
        "crf/transitions": [5, 5],
    }
    for layer in range(2):
        for part in ("transform", "gate"):
            expected.update(
                {
                    f"highway/layer_{layer}/{part}/kernel": [features, features],
                    f"highway/layer_{layer}/{part}/bias": [features],
                }
            )
        for direction in ("forward", "backward"):
            dim = 14 if layer else features
            expected.update(
                {
                    f"encoder/bilstm_{layer}/{direction}/kernel": [dim + 7, 28],
                    f"encoder/bilstm_{layer}/{direction}/bias": [28],
                }
            )
    for training in (False, True):
        assert plain(training).shapes == expected
    kernels = {
        **{f"char_cnn/conv2d_{width}/kernel": [width, 4, 1, 5] for width in (2, 3)},
        **{f"char_cnn/conv2d_{width}/bias": [5] for width in (2, 3)},
    }
    shapes = Built(variant(chr_conv_type="conv2d", chr_filter_widths=[2, 3])).shapes
    assert {name: shape for name, shape in shapes.items() if name.startswith("char_cnn")} == kernels


# ---------------------------------------------------------------- flags

# what each changes: the inputs, the variables, which are trained, the operations; or, with the same
# weights, the logits or tags
FLAGS = [
    ("use_word", False, "inputs variables"),
    ("wrd_dim", 8, "variables"),
    ("train_wrd", True, "trained"),
    ("use_chr", False, "inputs variables"),
    ("chr_dim", 5, "variables"),
    ("chr_conv_type", "conv2d", "variables"),
    ("chr_filter_widths", [2], "variables"),
    ("num_filters", 6, "variables"),
    ("word_length", 5, "inputs"),
    ("use_pos", False, "inputs variables"),
    ("pos_dim", 4, "variables"),
    ("use_chk", False, "inputs variables"),
    ("chk_dim", 3, "variables"),
    ("use_shape", False, "inputs variables"),
    ("shape_dim", 4, "variables"),
    ("gazetteer", "", "inputs variables"),
    ("use_highway", False, "variables logits"),
    ("highway_layers", 1, "variables logits"),
    ("encoder", "bigru", "variables"),
    ("rnn_type", "normal", "operations"),
    ("rnn_size", 8, "variables"),
    ("rnn_layers", 1, "variables logits"),
    ("use_crf", False, "variables tags"),
    ("constrained", True, "tags"),
]


# What only some encoders have: the encoder, the flag, another value, and whether that changes the
# variables.
ENCODER_FLAGS = [
    ("bigru", "rnn_size", 8, True),
    ("bigru", "rnn_layers", 1, True),
    ("biqrnn", "qrnn_width", 3, True),
    ("cnn_lstm", "cnn_width", 5, True),
    ("cnn_lstm", "cnn_filters", 6, True),
    ("cnn_lstm", "rnn_layers", 1, True),
    ("transformer", "transformer_layers", 1, True),
    ("transformer", "attention_size", 16, True),
    ("transformer", "attention_heads", 2, False),
    ("transformer", "ffn_size", 7, True),
    ("transformer", "ffn_kernel", 1, True),
    ("bilstm_attention", "attention_size", 16, True),
    ("bilstm_attention", "attention_heads", 1, False),
    ("bilstm_transformer", "transformer_layers", 1, True),
    ("bilstm_transformer", "rnn_layers", 1, True),
]


# What ELMo and BERT have: the config, the flag, another value, and what that changes.
LANGUAGE_FLAGS = [
    ({"use_bert": True}, "use_elmo", True, "inputs variables"),
    ({"use_elmo": True}, "elmo_layer_norm", True, "logits"),
    ({"use_elmo": True}, "use_bert", True, "inputs variables"),
    *(
        ({"use_bert": True}, "bert_layers", value, "variables")
        for value in ("last4", "mix", "3", "0")
    ),
    ({"use_bert": True, "bert_layers": "3"}, "bert_layers", "2", "variables"),
    ({"use_bert": True}, "bert_pooling", "mean", "inputs logits"),
]


def test_every_flag_of_the_model_is_tested():
    not_of_the_graph = {"tag_scheme", "lowercase", "bert_context"}
    tested = {name for name, _, _ in FLAGS} | {
        name for _, name, _, _ in ENCODER_FLAGS + LANGUAGE_FLAGS
    }
    assert tested == set(config_module.MODEL_FIELDS) - not_of_the_graph


@pytest.mark.parametrize("encoder, name, value, variables", ENCODER_FLAGS)
def test_every_flag_of_an_encoder_changes_it(encoder, name, value, variables):
    before, after = (Built(variant(encoder=encoder, **values)) for values in ({}, {name: value}))
    assert (before.shapes != after.shapes) == variables
    inputs = batch(*(sentence(9, seed) for seed in range(8)))
    assert np.abs(before.tag(inputs)[0] - after.tag(inputs)[0]).max() > 1e-3


@pytest.mark.parametrize("base, name, value, changes", LANGUAGE_FLAGS)
def test_every_flag_of_a_language_model_changes_it(base, name, value, changes):
    before, after = alone(**base), alone(**{**base, name: value})
    one, other = traits(before), traits(after)
    assert {trait for trait in ("inputs", "variables") if one[trait] != other[trait]} == set(
        changes.split()
    ) - {"logits"}
    if "logits" in changes:
        inputs = batch(*(sentence(9, seed) for seed in range(8)))
        assert np.abs(before.tag(inputs)[0] - after.tag(inputs)[0]).max() > 1e-3


def traits(built):
    model = built.model
    with built.graph.as_default():
        trained = {variable.op.name for variable in tf.trainable_variables()}
    return {
        "inputs": {name: tensor.shape.as_list() for name, tensor in model.inputs.items()},
        "variables": built.shapes,
        "trained": trained,
        "operations": sorted({op.type for op in built.graph.get_operations()}),
    }


@pytest.mark.parametrize("name, value, changes", FLAGS)
def test_every_flag_of_the_model_changes_it(name, value, changes):
    legal = schemes.legal_transitions(TAGS, "bio") if name == "constrained" else None
    changed = Built(variant(**{name: value}), legal=legal)
    before, after = traits(plain()), traits(changed)
    for trait in ("inputs", "variables", "trained", "operations"):
        if trait in changes:
            assert before[trait] != after[trait]
    inputs = batch(*(sentence(9, seed) for seed in range(8)))
    inputs["input_data_wordchr_ids"] = (
        inputs["input_data_wordchr_ids"]
        if name != "word_length"
        else np.pad(inputs["input_data_wordchr_ids"], [(0, 0)] * 2 + [(0, 1)])
    )
    logits, tags = changed.tag(inputs)
    assert logits.shape == (8, 9, 5) and np.isfinite(logits).all()
    if name == "word_length":
        return
    same_logits, same_tags = plain().tag(inputs)
    if "logits" in changes:
        assert np.abs(logits - same_logits).max() > 0.01
    if "tags" in changes:
        np.testing.assert_allclose(logits, same_logits, atol=1e-6)
        assert (tags != same_tags).any()
    if name == "rnn_type":
        np.testing.assert_allclose(logits, same_logits, atol=1e-5)


@pytest.mark.parametrize(
    "field, name",
    [
        ("use_word", "input_data_word_ids"),
        ("use_chr", "input_data_wordchr_ids"),
        ("use_pos", "input_data_pos_ids"),
        ("use_chk", "input_data_chk_ids"),
        ("use_shape", "input_data_shape_ids"),
        ("gazetteer", "input_data_gazetteer"),
    ],
)
def test_a_feature_left_out_has_no_placeholder_and_every_other_one_counts(field, name):
    without = Built(variant(**{field: False}))
    assert name not in without.model.inputs and name not in {
        op.name for op in without.graph.get_operations()
    }
    built, inputs = plain(), batch(sentence(5, 1))
    other = {
        **inputs,
        name: np.maximum(1, inputs[name] - 1)
        if name != "input_data_gazetteer"
        else 1 - inputs[name],
    }
    assert np.abs(built.tag(inputs)[0] - built.tag(other)[0]).max() > 1e-3


def test_without_a_crf_each_token_has_its_best_tag():
    inputs = batch(sentence(6, 0), sentence(3, 0))
    logits, tags = Built(variant(use_crf=False)).tag(inputs)
    np.testing.assert_array_equal(
        tags, logits.argmax(axis=-1) * (inputs["input_data_word_ids"] > 0)
    )


@pytest.mark.parametrize("use_crf", [True, False])
def test_constrained_tags_are_well_formed(use_crf):
    inputs = batch(*(sentence(6, seed) for seed in range(40)))
    legal = schemes.legal_transitions(TAGS, "bio")
    free, held = (
        Built(variant(use_crf=use_crf), legal=allowed).tag(inputs)[1] for allowed in (None, legal)
    )
    ill_formed = [
        sum(not schemes.well_formed([TAGS[i] for i in row], "bio") for row in tags)
        for tags in (free, held)
    ]
    assert ill_formed[0] > 5 and ill_formed[1] == 0


# ---------------------------------------------------------------- ELMo and BERT


def test_names_of_the_inputs_of_language_models():
    built = alone(use_elmo=True, use_bert=True, bert_pooling="mean")
    names = (
        "bert_input_data_token_ids",
        "bert_input_data_token_masks",
        "bert_input_data_segment_ids",
        "bert_input_data_word_index",
        "bert_input_data_word_pieces",
    )
    expected = {
        "sentence_length": [],
        "elmo_input_data_wordchr_ids": [None, None, 50],
        **dict.fromkeys(names, [None, None]),
    }
    assert {
        op.name for op in built.graph.get_operations() if op.type.startswith("Placeholder")
    } == set(expected)
    for name, shape in expected.items():
        tensor = built.graph.get_tensor_by_name(f"{name}:0")
        assert tensor.dtype == tf.int32 and tensor.shape.as_list() == shape
    assert {name: tensor.shape.as_list()[2:] for name, tensor in built.model.vectors.items()} == {
        "elmo_vectors": [3, 8],
        "bert_vectors": [1, 8],
    }


@pytest.mark.parametrize(
    "values",
    [
        {"use_elmo": True},
        {"use_bert": True},
        {"use_elmo": True, "use_bert": True},
        {"use_chr": True, "use_bert": True},
        {"use_word": True, "use_elmo": True},
    ],
    ids=str,
)
def test_lengths_by_any_of_the_inputs(values):
    built = alone(**values)
    lengths = (3, 1, 17, 16, 2)
    inputs = batch(*(sentence(length, 4) for length in lengths))
    got, logits, tags = built.run(["sentence_lengths:0", "logits:0", "logits_indices:0"], inputs)
    assert got.tolist() == list(lengths)
    np.testing.assert_array_equal(
        tags, logits.argmax(axis=-1) * (np.arange(17) < np.array(lengths)[:, None])
    )


def pieces_of(words):
    """The same windows with each wordpiece as a word of its own."""
    return [[[piece] for word in window for piece in word] for window in words]


@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_layers_of_bert(pooling):
    """Each choice of layers is compared with the mix of all; the mean is that of the vectors of the
    wordpieces.
    """
    sentences = [sentence(length, 7) for length in (20, 3)]
    inputs = batch(*sentences)
    every = alone(use_bert=True, bert_layers="mix", bert_pooling=pooling).run(
        "bert/vectors:0", inputs
    )
    assert every.shape == (2, 20, 5, 8)
    for name, layers in {"top": [4], "last4": [1, 2, 3, 4], "0": [0], "3": [3]}.items():
        np.testing.assert_allclose(
            alone(use_bert=True, bert_layers=name, bert_pooling=pooling).run(
                "bert/vectors:0", inputs
            ),
            every[:, :, layers],
            atol=1e-5,
            err_msg=name,
        )
    shattered = bert_inputs([pieces_of(sentence["bert"]) for sentence in sentences], 60)
    vectors = alone(use_bert=True, bert_layers="mix", bert_pooling="first").run(
        "bert/vectors:0", {**inputs, **shattered, "sentence_length": 60}
    )
    for got, of_pieces, example in zip(every, vectors, sentences):
        at = 0
        for i, word in enumerate(word for window in example["bert"] for word in window):
            own = of_pieces[at : at + len(word)]
            np.testing.assert_allclose(
                got[i], own.mean(axis=0) if pooling == "mean" else own[0], atol=1e-5
            )
            at += len(word)


def test_features_of_bert():
    """Concatenated layers, or their mix, are the direct input of the projection."""
    inputs = batch(sentence(9, 0), sentence(4, 0))
    for layers in ("top", "last4", "mix"):
        built = alone(use_bert=True, bert_layers=layers, bert_pooling="first")
        kernel, bias = (
            next(v for v in built.model.variables if v.op.name == f"projection/{name}")
            for name in ("kernel", "bias")
        )
        vectors, kernel, bias, logits = built.run(
            ["bert/vectors:0", kernel, bias, "logits:0"], inputs
        )
        features = vectors.reshape(2, 9, -1)
        if layers == "mix":
            weights, gamma = built.session.run(
                [v for v in built.model.variables if v.op.name.startswith("bert/mix/")]
            )
            features = gamma * np.einsum(
                "bslf,l->bsf", vectors, np.exp(weights) / np.exp(weights).sum()
            )
        np.testing.assert_allclose(logits[0], features[0] @ kernel + bias, atol=1e-4)
        np.testing.assert_allclose(logits[1, :4], features[1, :4] @ kernel + bias, atol=1e-4)


def test_stored_vectors_may_be_fed_in_place_of_what_goes_in():
    built = alone(use_elmo=True, use_bert=True, bert_pooling="mean")
    inputs = batch(sentence(9, 0), sentence(4, 0))
    logits, *vectors = built.run([built.model.logits, "elmo/vectors:0", "bert/vectors:0"], inputs)
    nothing = {
        name: np.zeros_like(value)
        for name, value in inputs.items()
        if name.startswith("bert_input_data_token")
    }
    fed = built.run(
        built.model.logits,
        {**inputs, **nothing},
        **{"elmo/vectors": vectors[0], "bert/vectors": vectors[1]},
    )
    np.testing.assert_array_equal(fed, logits)
    assert (
        np.abs(
            built.run(built.model.logits, inputs, **{"elmo/vectors": 0 * vectors[0]}) - logits
        ).max()
        > 1e-3
    )


@pytest.mark.parametrize("train_bert", [False, True])
def test_what_of_the_language_models_is_trained(train_bert):
    built = alone(use_elmo=True, use_bert=True, bert_layers="mix", train_bert=train_bert)
    trained, of_models = (
        traits(built)["trained"],
        [name for name in built.shapes if name.startswith(("elmo/", "bert/"))],
    )
    mixes = {"elmo/mix/weights", "elmo/mix/gamma", "bert/mix/weights", "bert/mix/gamma"}
    assert {name for name in of_models if name in trained} == mixes | (
        {name for name in of_models if name.startswith("bert/")} if train_bert else set()
    )


def test_dropout_of_language_models(monkeypatch):
    """ELMo has its own dropout; a trained BERT has that of layers/bert.py; without an encoder there
    is one before the projection.
    """
    places = []
    monkeypatch.setattr(
        "model.dropout",
        lambda x, keep_prob, is_train, seed: places.append((x.shape[-1], keep_prob)) or x,
    )
    with tf.Graph().as_default():
        Model(
            variant(use_elmo=True, use_bert=True, elmo_keep_prob=0.25, **ALONE),
            SIZES,
            training=True,
        )
    assert places == [(8, 0.25), (16, 0.7)]
    monkeypatch.undo()
    inputs = batch(sentence(8, 0))
    for train_bert in (True, False):
        built = Built(
            variant(use_bert=True, train_bert=train_bert, keep_prob=1.0, **ALONE), training=True
        )
        first, again = (built.run("logits:0", inputs, is_train=True) for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert (np.abs(first - built.run("logits:0", inputs)).max() > 1e-3) == train_bert


def test_elmos_state_is_carried_in_training_only():
    """The state is carried from batch to batch, row by row; evaluation starts from zeros and does
    not change it.
    """
    cfg = variant(
        use_elmo=True, elmo_stateful=True, elmo_keep_prob=1.0, keep_prob=1.0, batch_size=3, **ALONE
    )
    built = Built(cfg, training=True)
    with built.graph.as_default():
        state = [v for v in tf.global_variables() if v.op.name.startswith("elmo/state/")]
    assert (
        len(state) == 8
        and state[0].shape[0] == 3
        and not [name for name in built.shapes if "/state/" in name]
    )
    one, two = batch(sentence(5, 0), sentence(9, 1)), batch(sentence(4, 2))
    plain = {
        name: alone(use_elmo=True).run("logits:0", inputs)
        for name, inputs in (("one", one), ("two", two))
    }
    np.testing.assert_allclose(built.run("logits:0", one), plain["one"], atol=1e-6)
    assert all((value == 0).all() for value in built.session.run(state))
    np.testing.assert_allclose(
        built.run("logits:0", one, is_train=True), plain["one"], atol=1e-6
    )  # from zeros
    kept = built.session.run(state)
    assert all((value[:2] != 0).all() and (value[2:] == 0).all() for value in kept)
    np.testing.assert_allclose(built.run("logits:0", two), plain["two"], atol=1e-6)
    assert all((now == before).all() for now, before in zip(built.session.run(state), kept))
    assert np.abs(built.run("logits:0", two, is_train=True) - plain["two"]).max() > 1e-3
    assert not [
        op
        for op in alone(use_elmo=True, elmo_stateful=True).graph.get_operations()
        if "/state/" in op.name
    ]  # a graph that only tags has none


# ---------------------------------------------------------------- padding


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"rnn_type": "normal", "use_pos": False},
        {"chr_conv_type": "conv2d", "chr_filter_widths": [2, 3], "use_chk": False},
        {"rnn_type": "normal", "chr_conv_type": "conv2d", "use_shape": False},
        {"use_word": False, "gazetteer": ""},
        {"use_chr": False, "rnn_layers": 3},
        {
            "use_pos": False,
            "use_chk": False,
            "use_shape": False,
            "gazetteer": "",
            "use_highway": False,
        },
        {"use_crf": False},
        {"constrained": True},
        {"use_elmo": True, "elmo_layer_norm": True, "use_word": False, "use_chr": False},
        {"use_bert": True, "bert_layers": "mix", "bert_pooling": "mean"},
        {
            "use_elmo": True,
            "use_bert": True,
            "bert_layers": "last4",
            "encoder": "none",
            "use_word": False,
            "use_chr": False,
        },
        *({"encoder": name} for name in config_module.ENCODERS[1:]),
    ],
)
def test_padding_never_changes_the_result_of_a_token(values):
    """A sentence gives the same alone and in a batch with longer ones."""
    built = Built(
        variant(**values),
        legal=schemes.legal_transitions(TAGS, "bio") if "constrained" in values else None,
    )
    sentences = [sentence(length, seed) for seed, length in enumerate((1, 2, 5, 13, 30, 3, 1, 29))]
    logits, tags = built.tag(batch(*sentences))
    for example, some_logits, some_tags in zip(sentences, logits, tags):
        length = len(example["input_data_word_ids"])
        alone_logits, alone_tags = built.tag(batch(example))
        np.testing.assert_allclose(some_logits[:length], alone_logits[0], atol=1e-5)
        assert (some_tags[:length] == alone_tags[0]).all() and (some_tags[length:] == 0).all()


def test_windows_and_pieces_of_padding_change_nothing():
    built = alone(use_bert=True, bert_layers="mix", bert_pooling="mean")
    sentences = [sentence(length, 0) for length in (20, 3, 1)]
    logits, tags = built.tag(batch(*sentences))
    for more in ((0, 5), (3, 0), (2, 7)):
        padded, same = built.tag(batch(*sentences, more_windows=more[0], more_pieces=more[1]))
        np.testing.assert_allclose(padded, logits, atol=1e-5)
        assert (same == tags).all()


@pytest.mark.parametrize("use_crf", [True, False])
def test_padding_never_changes_the_loss(use_crf):
    """The loss is the mean over sentences (CRF) or tokens (softmax) of the loss of each sentence
    alone.
    """
    built = Built(variant(use_crf=use_crf), training=True)
    sentences = [sentence(length, 5) for length in (4, 1, 9)]
    alone = [built.run(built.model.loss, batch(sentence)) for sentence in sentences]
    expected = np.mean(alone) if use_crf else np.average(alone, weights=[4, 1, 9])
    np.testing.assert_allclose(built.run(built.model.loss, batch(*sentences)), expected, rtol=1e-5)
    if not use_crf:
        logits = built.run(built.model.logits, batch(sentences[0]))[0].astype(np.float64)
        likelihood = logits[range(4), sentences[0]["target_tag_ids"]] - np.log(
            np.exp(logits).sum(axis=-1)
        )
        np.testing.assert_allclose(alone[0], -likelihood.mean(), rtol=1e-5)


# ---------------------------------------------------------------- training


def test_dropout_is_of_the_step_and_the_seed_and_only_in_training():
    inputs = batch(sentence(8, 0))
    built = plain(training=True)
    without = built.run("logits:0", inputs)
    np.testing.assert_allclose(without, plain().tag(inputs)[0], atol=1e-6)
    first, again = (built.run("logits:0", inputs, is_train=True) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(
        first, Built(SMALL, training=True).run("logits:0", inputs, is_train=True)
    )
    others = [Built(variant(seed=2), training=True), Built(variant(keep_prob=0.5), training=True)]
    assert all(
        np.abs(other.run("logits:0", inputs, is_train=True) - first).max() > 1e-3
        for other in others
    )
    assert np.abs(first - without).max() > 1e-3
    built.set_step(1)
    assert np.abs(built.run("logits:0", inputs, is_train=True) - first).max() > 1e-3
    built.set_step(0)
    np.testing.assert_array_equal(first, built.run("logits:0", inputs, is_train=True))
    certain = Built(variant(keep_prob=1.0), training=True)
    np.testing.assert_array_equal(
        certain.run("logits:0", inputs, is_train=True), certain.run("logits:0", inputs)
    )


def test_dropout_is_on_inputs_and_outputs_of_the_encoder(monkeypatch):
    places = []
    monkeypatch.setattr(
        "model.dropout",
        lambda x, keep_prob, is_train, seed: places.append((x.shape[-1], keep_prob)) or x,
    )
    with tf.Graph().as_default():
        Model(SMALL, SIZES, training=True)
    assert places == [(22, 0.7), (14, 0.7)]


def test_dropout_draws_anew_at_each_place():
    """The inputs and the outputs of the encoder have different noise; ones as inputs show which
    units are kept.
    """
    with tf.Graph().as_default():
        model = Model(
            variant(rnn_size=11), SIZES, training=True
        )  # the encoder has 22 inputs and 22 outputs
        places = [model._dropout(tf.ones([50, 22])) for _ in range(2)]
        with new_session(1) as session:
            session.run(tf.global_variables_initializer())
            first, second = session.run(places, {model.is_train: True})
    assert 0.4 < ((first == 0) == (second == 0)).mean() < 0.75


@pytest.mark.parametrize(
    "optimizer, train_wrd, ema_decay",
    [("adam", True, 0.9), ("adam", False, 0.0), ("sgd", True, 0.0)],
)
def test_training_learns_and_moves_what_it_should(optimizer, train_wrd, ema_decay):
    cfg = variant(
        optimizer=optimizer,
        train_wrd=train_wrd,
        ema_decay=ema_decay,
        learning_rate=0.02,
        keep_prob=1.0,
    )
    built = Built(cfg, learning=True)
    inputs = batch(*(sentence(5, seed) for seed in range(6)))
    before = built.session.run({variable.op.name: variable for variable in built.model.variables})
    losses = [
        built.run([built.model.loss, built.train_op], inputs, is_train=True)[0] for _ in range(30)
    ]
    after = built.session.run({variable.op.name: variable for variable in built.model.variables})
    assert losses[-1] < 0.5 * losses[0]
    still = {name for name in before if (before[name] == after[name]).all()}
    assert still == (set() if train_wrd else {"embeddings/word"})
    if train_wrd:
        seen = np.zeros(SIZES["word"], bool)
        seen[inputs["input_data_word_ids"]] = True
        moved = (before["embeddings/word"] != after["embeddings/word"]).any(axis=1)
        np.testing.assert_array_equal(moved, seen)
        assert not seen.all()
    assert built.session.run(built.model.step) == 30


class Adam:
    """Kingma and Ba 2015, algorithm 1, in the order of computation of its section 2."""

    def __init__(self, value, rate):
        self.value, self.rate, self.t = value.copy(), rate, 0
        self.m, self.v = np.zeros_like(value), np.zeros_like(value)

    def step(self, gradient, rows=slice(None)):
        self.t += 1
        self.m[rows] = 0.9 * self.m[rows] + 0.1 * gradient
        self.v[rows] = 0.999 * self.v[rows] + 0.001 * gradient**2
        rate = self.rate * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)
        self.value[rows] -= rate * self.m[rows] / (np.sqrt(self.v[rows]) + 1e-8)


def test_lazy_adam():
    """A dense variable follows plain Adam. In an embedding only the rows of the batch do, with
    duplicates summed.
    """
    rng = np.random.default_rng(0)
    start, table_start = rng.normal(size=(4, 3)), rng.normal(size=(7, 3))
    dense, lazy = Adam(start, 0.05), Adam(table_start, 0.05)
    with tf.Graph().as_default(), new_session(1) as session:
        kernel, table = (
            tf.get_variable(name, initializer=value.astype(np.float32))
            for name, value in (("kernel", start), ("table", table_start))
        )
        target, ids = tf.placeholder(tf.float32, [4, 3]), tf.placeholder(tf.int32, [5])
        loss = tf.reduce_sum(tf.square(kernel - target)) + tf.reduce_sum(
            tf.square(tf.nn.embedding_lookup(table, ids))
            * tf.constant([[1.0], [2.0], [3.0], [4.0], [5.0]])
        )
        step = LazyAdam(0.05).minimize(loss)
        session.run(tf.global_variables_initializer())
        for _ in range(8):
            goal, rows = rng.normal(size=(4, 3)).astype(np.float32), rng.integers(0, 6, 5)
            session.run(step, {target: goal, ids: rows})
            dense.step(2 * (dense.value - goal))
            gradient = np.zeros_like(lazy.value)
            np.add.at(gradient, rows, 2 * lazy.value[rows] * np.arange(1, 6)[:, None])
            lazy.step(gradient[np.unique(rows)], np.unique(rows))
            np.testing.assert_allclose(session.run(kernel), dense.value, atol=1e-5)
            np.testing.assert_allclose(session.run(table), lazy.value, atol=1e-5)
        assert (session.run(table)[6] == table_start[6].astype(np.float32)).all()


def steps_of(cfg, gradients):
    """The values of a variable and of its average while training_op follows these gradients, with
    learning rates and norms.
    """
    with tf.Graph().as_default(), new_session(1) as session:
        x = tf.get_variable("x", [2], initializer=tf.zeros_initializer())
        slope = tf.placeholder(tf.float32, [2])
        model = types.SimpleNamespace(
            loss=tf.reduce_sum(x * slope), step=tf.train.get_or_create_global_step()
        )
        op, rate, norm, average = training_op(model, cfg)
        session.run(tf.global_variables_initializer())
        rows = []
        for gradient in gradients:
            _, a_rate, a_norm = session.run([op, rate, norm], {slope: gradient})
            rows.append(
                (
                    session.run(x),
                    session.run(average.average(x)) if average else None,
                    a_rate,
                    a_norm,
                )
            )
        return rows


GRADIENTS = np.random.default_rng(0).normal(0, 5, (12, 2))


def test_momentum_and_clipping():
    x = velocity = np.zeros(2)
    cfg = Config(optimizer="sgd", learning_rate=0.1, momentum=0.8, clip_norm=4.0, lr_decay_rate=1.0)
    clipped = 0
    for gradient, (value, average, rate, norm) in zip(GRADIENTS, steps_of(cfg, GRADIENTS)):
        length = np.linalg.norm(gradient)
        velocity = 0.8 * velocity + gradient * min(1.0, 4.0 / length)
        x = x - 0.1 * velocity
        clipped += length > 4.0
        np.testing.assert_allclose(value, x, atol=1e-5)
        np.testing.assert_allclose([rate, norm], [0.1, length], rtol=1e-5)
        assert average is None
    assert 2 < clipped < 12


def test_the_average_follows_the_weights():
    """decay = min(ema_decay, (1 + step) / (10 + step)), as in tf.train.ExponentialMovingAverage."""
    cfg = Config(optimizer="sgd", learning_rate=0.1, momentum=0.0, clip_norm=100.0, ema_decay=0.5)
    average = np.zeros(2)
    for step, (value, got, _, _) in enumerate(steps_of(cfg, GRADIENTS), 1):
        decay = min(0.5, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * value
        np.testing.assert_allclose(got, average, atol=1e-5)


def test_adam_in_the_training_op():
    adam, cfg = Adam(np.zeros(2), 0.01), Config(learning_rate=0.01, clip_norm=1000.0)
    for gradient, (value, *_) in zip(GRADIENTS, steps_of(cfg, GRADIENTS)):
        adam.step(gradient)
        np.testing.assert_allclose(value, adam.value, atol=1e-6)


def test_the_average_leaves_word_embeddings_out():
    with tf.Graph().as_default():
        Model(variant(train_wrd=True), SIZES)
        names = {variable.op.name for variable in averaged_variables()}
        assert names == {variable.op.name for variable in tf.trainable_variables()} - {
            "embeddings/word"
        }


@pytest.mark.parametrize("warmup", [0, 4])
def test_schedule(warmup):
    cfg = Config(learning_rate=0.5, lr_decay_rate=0.9, lr_decay_steps=10, warmup_steps=warmup)
    with tf.Graph().as_default(), new_session(1) as session:
        step = tf.placeholder(tf.int64, [])
        rate = scheduled_rate(cfg, step)
        got = [session.run(rate, {step: k}) for k in range(35)]
    expected = [
        0.5 * 0.9 ** (k // 10) * (min(1.0, (k + 1) / warmup) if warmup else 1.0) for k in range(35)
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-5)


# ---------------------------------------------------------------- the graph in service


@pytest.mark.parametrize(
    "values",
    [
        {"rnn_type": "fused"},
        {"rnn_type": "normal"},
        {**ALONE, "use_elmo": True, "use_bert": True, "bert_pooling": "mean"},
    ],
)
def test_the_graph_can_be_frozen(values):
    """With weights as constants, written and read again, the graph gives the same numbers under the
    same names.
    """
    built, inputs = Built(variant(**values)), batch(sentence(6, 0), sentence(4, 0))
    with built.graph.as_default():
        frozen = tf.graph_util.convert_variables_to_constants(
            built.session,
            built.graph.as_graph_def(),
            ["logits_indices", "logits", "crf_transitions"],
        )
    with tf.Graph().as_default() as graph, new_session(1) as session:
        tf.import_graph_def(tf.GraphDef.FromString(frozen.SerializeToString()), name="")
        assert not [op for op in graph.get_operations() if "VarHandle" in op.type]
        placeholders = {
            op.name: op.outputs[0] for op in graph.get_operations() if op.type == "Placeholder"
        }
        assert set(placeholders) == set(built.model.inputs)
        values = session.run(
            ["logits:0", "logits_indices:0"],
            {tensor: inputs[name] for name, tensor in placeholders.items()},
        )
    for got, expected in zip(values, built.tag(inputs)):
        np.testing.assert_allclose(got, expected, atol=1e-6)


LONG = """
import resource, sys
import numpy as np
from config import Config
from features.elmo_bytes import elmo_ids
from model import Model
from tf1 import new_session, tf
tokens, rng = int(sys.argv[1]), np.random.default_rng(0)
with tf.Graph().as_default(), new_session(2) as session:
    tf.set_random_seed(2)
    sizes = {"word": 1000, "chr": 90, "pos": 47, "chk": 20, "shape": 0, "gazetteer": 0, "tag": 17}
    model = Model(Config(wrd_dim=50, rnn_type=sys.argv[2]), sizes)
    session.run(tf.global_variables_initializer())
    feeds = {
        tensor: rng.integers(1, 20, [size or n for size, n in zip(tensor.shape, (1, tokens, 0))])
        for tensor in model.inputs.values()
        if tensor.shape.rank
    }
    feeds[model.sentence_length] = tokens
    tags, logits = session.run([model.logits_indices, model.logits], feeds)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(tags.shape, np.isfinite(logits).all(), len(np.unique(tags)) > 1, memory)
"""


@pytest.mark.parametrize("rnn_type", ["fused", "normal"])
def test_a_sentence_of_10000_tokens(rnn_type):
    """The default model tags it with less than 8 GB of memory."""
    done = subprocess.run(
        [sys.executable, "-c", LONG, "10000", rnn_type], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result, kilobytes = done.stdout.rsplit(" ", 1)
    assert result == "(1, 10000) True True"
    assert int(kilobytes) < 2 * 1024**2
