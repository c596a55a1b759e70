"""The configs of ELMo and BERT: each builds what its name says, and tags a sentence alike whatever
else is in its batch.
"""

import dataclasses

import numpy as np
import pytest

import conll
import encoders
import model as model_module
from config import load_config, model_names, model_path
from features.feed import Feeder
from features.vocabulary import PAD, UNK, EmbVec
from support.elmo import small_options
from support.numeric import put
from support.serving import random_weights
from tf1 import new_session, quiet, tf
from training.optimizer import rate_factors, training_op

BERT = {
    "vocab_size": 20,
    "hidden_size": 8,
    "num_hidden_layers": 5,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "hidden_act": "gelu",
    "max_position_embeddings": 16,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "layer_norm_eps": 1e-12,
}
ELMO = small_options(cell_clip=3, proj_clip=3)
LETTERS = "abcdefgh"
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]

# name: scopes of the graph, size of a token's features
PRESETS = {
    "bert_softmax": ("bert projection", 8),
    "bert_crf": ("bert crf projection", 8),
    "bert_bilstm_crf": ("bert crf encoder projection", 4 * 8),
    "bert_glove_bilstm_crf": ("bert char_cnn crf embeddings encoder projection", 4 * 8 + 50 + 53),
    "bert_transformer_crf": ("bert crf encoder projection", 8),
    "bert_elmo_bilstm_crf": ("bert crf elmo encoder projection", 4 * 8 + 8),
    "elmo_bilstm_crf": ("crf elmo encoder projection", 8),
    "elmo_glove_bilstm_crf": ("char_cnn crf elmo embeddings encoder projection", 8 + 50 + 128),
}


def small(name):
    """(Config of a preset, Feeder): small layers, windows of 10 pieces."""
    config = dataclasses.replace(
        load_config(model_path(name)),
        wrd_dim=50,
        train_wrd=False,
        unk_replace=0.0,
        rnn_size=8,
        attention_size=8,
    ).check()
    about = {"weights": "", "hash": ""}
    emb = EmbVec(
        [PAD, UNK, *LETTERS],
        [PAD, UNK, *LETTERS],
        [PAD, UNK],
        [PAD, UNK],
        ["O", "B-X", "I-X"],
        50,
        elmo={"options": ELMO, **about},
        bert={"config": BERT, "do_lower_case": False, "max_seq_length": 10, **about},
        pieces=PIECES,
    )
    return config, Feeder(emb, config, {tag: i for i, tag in enumerate(emb.tags)})


def test_all_are_tried():
    assert set(PRESETS) == {name for name in model_names() if name.startswith(("bert", "elmo"))}


@pytest.mark.parametrize("name", PRESETS)
def test_preset(name, monkeypatch):
    """The graph has the parts in its name and no others. BERT is trained only if it is fine-tuned,
    at its own learning rate; ELMo is never trained.
    """
    (scopes, size), seen = PRESETS[name], []
    monkeypatch.setattr(
        model_module,
        "encode",
        lambda x, *rest: seen.append(x.shape[-1]) or encoders.encode(x, *rest),
    )
    config, feeder = small(name)
    with tf.Graph().as_default(), quiet():
        model = model_module.Model(config, feeder.sizes(), training=True)
        training_op(model, config, total_steps=10)
        trained = tf.trainable_variables()
        assert all(gradient is not None for gradient in tf.gradients(model.loss, trained))
    assert {variable.op.name.partition("/")[0] for variable in model.variables} == set(
        scopes.split()
    )
    names = [variable.op.name for variable in trained]
    of_bert = [
        name for name in names if name.startswith("bert/") and not name.startswith("bert/mix/")
    ]
    assert bool(of_bert) == (name in ("bert_softmax", "bert_crf"))
    rates = [config.learning_rate * factor for factor in rate_factors(of_bert, config)]
    np.testing.assert_allclose(rates, 5e-5)
    assert [name for name in names if name.startswith("elmo/")] == [
        name for name in names if name.startswith("elmo/mix/")
    ]
    assert seen == [size]


@pytest.mark.parametrize("name", PRESETS)
def test_alone_and_in_a_batch(name):
    """Scores and lengths are the same alone, and with short sentences, one of several windows, and
    padding in the batch.
    """
    config, feeder = small(name)
    rng = np.random.default_rng(1)
    sentences = [
        ["".join(rng.choice(list(LETTERS), rng.integers(1, 4))) for _ in range(count)]
        for count in (1, 3, 14, 4)
    ]
    examples = [feeder.encode(conll.Sentence(1, words, None, None, None)) for words in sentences]
    with tf.Graph().as_default(), quiet():
        model = model_module.Model(config, feeder.sizes())
        session = new_session()
        put(
            session,
            model.variables,
            random_weights(
                {variable.op.name: variable.shape.as_list() for variable in model.variables}, 2.0
            ).values(),
        )
        run = lambda inputs: session.run(
            [model.sentence_lengths, model.logits],
            {model.inputs[name]: inputs[name] for name in model.inputs},
        )
        lengths, logits = run(feeder.batch(examples, length=17))
        alone = [run(feeder.batch([example])) for example in examples]
    assert lengths.tolist() == [1, 3, 14, 4]
    for row, length, (own_length, own) in zip(logits, lengths, alone):
        assert own_length.tolist() == [length]
        np.testing.assert_allclose(row[:length], own[0], atol=1e-4 * np.abs(logits).max())
        assert np.ptp(own[0]) > 0.1
