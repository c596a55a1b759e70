"""The ready-made configs of ELMo and BERT: each builds what its name says."""
import dataclasses

import numpy as np
import pytest

import encoders
import model as model_module
from config import load_config, model_names, model_path
from optimizer import rate_factors, training_op
from tf1 import quiet, tf

BERT = {"vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 5, "num_attention_heads": 2, "intermediate_size": 12, "hidden_act": "gelu",
        "max_position_embeddings": 16, "type_vocab_size": 2, "initializer_range": 0.02, "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1, "layer_norm_eps": 1e-12}
ELMO = {"lstm": {"dim": 6, "projection_dim": 4, "n_layers": 2, "cell_clip": 3, "proj_clip": 3, "use_skip_connections": True},
        "char_cnn": {"embedding": {"dim": 3}, "filters": [[1, 2], [3, 5]], "activation": "relu", "n_highway": 1, "n_characters": 262,
                     "max_characters_per_token": 50}}
SIZES = {"wrd": 9, "chr": 9, "pos": 3, "chk": 3, "shape": 10, "gazetteer": 0, "tag": 5, "bert": BERT, "elmo": ELMO}

# name: scopes of the graph, size of a token's features
PRESETS = {"bert_softmax": ("bert projection", 8),
           "bert_crf": ("bert crf projection", 8),
           "bert_bilstm_crf": ("bert crf encoder projection", 4 * 8),
           "bert_glove_bilstm_crf": ("bert char_cnn crf embeddings encoder projection", 4 * 8 + 50 + 53),
           "bert_transformer_crf": ("bert crf encoder projection", 8),
           "bert_elmo_bilstm_crf": ("bert crf elmo encoder projection", 4 * 8 + 8),
           "elmo_bilstm_crf": ("crf elmo encoder projection", 8),
           "elmo_glove_bilstm_crf": ("char_cnn crf elmo embeddings encoder projection", 8 + 50 + 128)}


def test_all_are_tried():
    assert set(PRESETS) == {name for name in model_names() if name.startswith(("bert", "elmo"))}


@pytest.mark.parametrize("name", PRESETS)
def test_preset(name, monkeypatch):
    """The graph has the parts of its name and no other; BERT is trained where it is fine-tuned, at its own rate, and never ELMo."""
    (scopes, size), seen = PRESETS[name], []
    monkeypatch.setattr(model_module, "encode", lambda x, *rest: seen.append(x.shape[-1]) or encoders.encode(x, *rest))
    config = dataclasses.replace(load_config(model_path(name)), wrd_dim=50, train_wrd=False, unk_replace=0.0).check()
    with tf.Graph().as_default(), quiet():
        model = model_module.Model(config, SIZES, training=True)
        training_op(model, config, total_steps=10)
        trained = tf.trainable_variables()
        assert all(gradient is not None for gradient in tf.gradients(model.loss, trained))
    assert {variable.op.name.partition("/")[0] for variable in model.variables} == set(scopes.split())
    names = [variable.op.name for variable in trained]
    of_bert = [each for each in names if each.startswith("bert/") and not each.startswith("bert/mix/")]
    assert bool(of_bert) == (name in ("bert_softmax", "bert_crf"))
    rates = [config.learning_rate * factor for factor in rate_factors(of_bert, config)]
    np.testing.assert_allclose(rates, 5e-5)
    assert [each for each in names if each.startswith("elmo/")] == [each for each in names if each.startswith("elmo/mix/")]
    assert seen == [size]
