"""The cache of the vectors of ELMo and a frozen BERT: it changes only the time, and never returns
vectors that belong to something else.
"""

import dataclasses
import json
import os

import h5py
import numpy as np
import pytest

import conll
from cli import UserError
from config import Config
from features.feed import sorted_batches
from features.vocabulary import EmbVec
from support.commands import TINY, fit, left_behind, train_args, weights, write_sample
from support.language_models import elmo_flags, write_elmo, write_embeddings, write_google
from training import files, start, vector_cache
from training.data import epoch_batches, load_data
from training.run import create_trainer


@pytest.fixture(scope="module", autouse=True)
def no_plots():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "plot_history", lambda history, path: None)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a small corpus, an EmbVec file with ELMo and BERT, and the vectors of a run of
    two epochs in `cache`.
    """
    folder = tmp_path_factory.mktemp("cached")
    write_sample(folder, train=16, dev=8)
    write_embeddings(
        folder / "emb.pkl",
        "--train_path",
        folder / "train.txt",
        "--bert_init_checkpoint",
        write_google(folder / "bert", num_hidden_layers=1),
        *elmo_flags(write_elmo(folder / "elmo")),
    )
    first = run(folder, "--vector_cache", folder / "cache")
    (folder / "first.json").write_text(json.dumps(first))
    return folder


def flags(folder, *more):
    return [
        "--train_path",
        folder / "train.txt",
        "--dev_path",
        folder / "dev.txt",
        "--checkpoint_dir",
        folder / "checkpoint",
        *TINY,
        "--threads",
        1,
        "--emb_path",
        folder / "emb.pkl",
        "--encoder",
        "none",
        "--bert_context",
        "True",
        "--bert_layers",
        "mix",
        "--epoch",
        2,
        *more,
    ]


def run(folder, *more):
    """Trains. Returns the losses and scores of each epoch."""
    return [
        {name: row[name] for name in ("train_loss", "dev_loss", "token_f1")}
        for row in fit(*flags(folder, "--overwrite", *more)).state.history
    ]


def begun(folder, *more):
    """A Trainer before its first step."""
    return create_trainer(start.config_of(train_args(*flags(folder, *more))))


def fill_cache(trainer):
    vector_cache.fill_data(trainer.data, trainer.training_graph, trainer.config)


def logits(trainer, examples):
    """The emission scores of each example."""
    found = {}
    for batch in sorted_batches([len(example) for example in examples], trainer.config):
        values = trainer.data.feeder.batch([examples[i] for i in batch])
        tensors = {**trainer.model.inputs, **trainer.training_graph.cached_vectors()}
        rows = trainer.session.run(
            trainer.model.logits,
            {tensor: values[name] for name, tensor in tensors.items() if name in values},
        )
        found.update((i, row[: len(examples[i])]) for i, row in zip(batch, rows))
    return [found[i] for i in range(len(examples))]


def names(folder, path="cache"):
    return sorted(os.listdir(folder / path))


# ---------------------------------------------------------------- the same results


def test_a_cached_run_is_the_same_run(folder, tmp_path):
    cached, plain = begun(folder, "--vector_cache", folder / "cache"), begun(folder)
    graph = cached.training_graph
    assert set(graph.compute_vectors) == {"elmo_vectors", "bert_vectors"}
    assert plain.training_graph.compute_vectors == {}
    fill_cache(cached)
    fill_cache(plain)
    assert [example.vectors for example in plain.data.train] == [None] * 16
    graph.config = dataclasses.replace(cached.config, train_bert=True)
    assert set(graph.cached_vectors()) == {"elmo_vectors"}  # what is trained is not stored
    graph.config = cached.config
    for split in ("train", "dev"):
        for got, want in zip(
            logits(cached, getattr(cached.data, split)),
            logits(plain, getattr(plain.data, split)),
            strict=True,
        ):
            np.testing.assert_allclose(got, want, atol=1e-5)
    for trainer in (cached, plain):
        trainer.step(epoch_batches(trainer.lengths, trainer.config, 0)[0])  # with dropout
    assert cached.latest.loss == pytest.approx(
        plain.latest.loss, rel=1e-5
    ) and cached.latest.norm == pytest.approx(plain.latest.norm, rel=1e-4)
    cached.session.close()
    plain.session.close()


def test_whole_runs(folder):
    """A run that fills the cache has the same history as one without it."""
    for row, other in zip(
        run(folder), json.loads((folder / "first.json").read_text()), strict=True
    ):
        assert other == pytest.approx(row, rel=1e-4)


def test_vectors_as_they_are_stored(folder):
    """There is one file for each model and split, float32 (tokens, layers, dim), in the corpus's
    order.
    """
    sizes = {
        split: sum(
            len(sentence.words)
            for sentence in conll.read_sentences(str(folder / f"{split}.txt"))[0]
        )
        for split in ("train", "dev")
    }
    shapes = []
    for name in names(folder):
        with h5py.File(folder / "cache" / name) as file:
            assert list(file) == ["vectors"] and file["vectors"].dtype == np.float32
            shapes.append((name.split("-")[0], *file["vectors"].shape))
            assert np.isfinite(file["vectors"][...]).all()
    assert sorted(shapes) == sorted(
        (name, size, *rest)
        for size in sizes.values()
        for name, *rest in (("elmo_vectors", 3, 8), ("bert_vectors", 2, 8))
    )
    assert left_behind(folder / "cache") == []


# ---------------------------------------------------------------- what belongs together


def test_nothing_is_computed_twice(folder, monkeypatch):
    """Settings that do not affect the vectors may change."""
    monkeypatch.setattr(vector_cache, "_write", None)
    before = names(folder)
    trainer = begun(
        folder,
        "--vector_cache",
        folder / "cache",
        "--keep_prob",
        0.9,
        "--batch_size",
        3,
        "--seed",
        9,
        "--elmo_layer_norm",
        "True",
    )
    fill_cache(trainer)
    assert names(folder) == before and all(
        set(example.vectors) == {"elmo_vectors", "bert_vectors"} for example in trainer.data.dev
    )
    trainer.session.close()


def test_other_words_and_other_settings_have_another_name(folder):
    emb, config = (
        EmbVec.load(str(folder / "emb.pkl")),
        dataclasses.replace(Config(), bert_context=True),
    )
    sentences = conll.in_documents(
        [conll.Sentence(1, words.split(), None, None, None) for words in ("a b", "c", "d e f")]
    )
    alone = [sentence._replace(document=None) for sentence in sentences]
    other = conll.in_documents(
        [conll.Sentence(1, words.split(), None, None, None) for words in ("a b", "c", "d e f g")]
    )[:3]
    longer = [
        *other[:2],
        other[2]._replace(words=["d", "e", "f"]),
    ]  # the same sentences, of another document

    def key(name, weights="w", given=sentences, config=config, **bert):
        changed = EmbVec(
            *list(emb.vocab.values())[:5],
            3,
            elmo=emb.elmo,
            bert={**emb.bert, **bert},
            pieces=emb.vocab["bert"],
        )
        return vector_cache._key(name, weights, given, changed, config)

    settings = {
        "mix": {"config": dataclasses.replace(config, bert_layers="mix")},
        "mean": {"config": dataclasses.replace(config, bert_pooling="mean")},
        "alone": {"config": dataclasses.replace(config, bert_context=False)},
        "length": {"max_seq_length": 30},
        "case": {"do_lower_case": False},
        "activation": {"config_": {**emb.bert["config"], "hidden_act": "relu"}},
        "document": {"given": longer},
    }
    everywhere = {
        "": {},
        "weights": {"weights": "v"},
        "words": {"given": other},
        "order": {"given": sentences[::-1]},
        "fewer": {"given": sentences[:2]},
        "cut": {
            "given": [
                sentences[0]._replace(words=["a"]),
                sentences[0]._replace(words=["b"]),
                *sentences[1:],
            ]
        },
    }
    of_bert = {
        what: key(
            "bert_vectors",
            **{
                name.rstrip("_") if name != "config_" else "config": value
                for name, value in change.items()
            },
        )
        for what, change in {**everywhere, **settings}.items()
        if what != "activation"
    }
    changed = EmbVec(
        *list(emb.vocab.values())[:5],
        3,
        elmo=emb.elmo,
        bert={**emb.bert, "config": settings["activation"]["config_"]},
        pieces=emb.vocab["bert"],
    )
    of_bert["activation"] = vector_cache._key("bert_vectors", "w", sentences, changed, config)
    assert len(set(of_bert.values())) == len(of_bert) == 13
    of_elmo = {what: key("elmo_vectors", **change) for what, change in everywhere.items()}
    assert len(set(of_elmo.values())) == 6 and not set(of_elmo.values()) & set(of_bert.values())
    assert (
        key("elmo_vectors", given=alone) == key("elmo_vectors", given=longer) == of_elmo[""]
    )  # ELMo sees no neighbours


def test_weights_of_a_checkpoint_are_other_weights(folder, tmp_path):
    """BERT was fine-tuned and then frozen, so the vectors of the published weights are not used."""
    fit(
        *flags(
            folder,
            "--checkpoint_dir",
            tmp_path,
            "--train_bert",
            "True",
            "--bert_learning_rate",
            "0.01",
            "--epoch",
            1,
            "--use_elmo",
            "False",
        )
    )
    tuned = weights(tmp_path / "ner_model")
    before = names(folder)
    histories = [
        run(
            folder,
            "--restore",
            tmp_path / "ner_model",
            "--checkpoint_dir",
            tmp_path / f"{len(cache)}",
            *cache,
        )
        for cache in ((), ("--vector_cache", folder / "cache"))
    ]
    for row, other in zip(*histories, strict=True):
        assert other == pytest.approx(row, rel=1e-4)
    added = set(names(folder)) - set(before)
    assert sorted(name.split("-")[0] for name in added) == ["bert_vectors"] * 2
    for name in added:
        os.remove(folder / "cache" / name)
    kept = weights(tmp_path / "2" / "ner_model")
    assert all(
        (kept[name] == tuned[name]).all()
        for name in kept
        if name.startswith("bert/") and "/mix/" not in name
    )


# ---------------------------------------------------------------- mishaps


class Fake:
    """A trainer with the attributes that vector_cache.fill needs."""

    def __init__(self, folder, cache):
        self.config = dataclasses.replace(
            Config(),
            vector_cache=str(cache),
            use_elmo=True,
            use_bert=False,
            use_pos=False,
            use_chk=False,
            batch_size=4,
        )
        self.feeder = load_data(
            dataclasses.replace(
                self.config,
                train_path=[str(folder / "train.txt")],
                dev_path=[str(folder / "dev.txt")],
                emb_path=str(folder / "emb.pkl"),
            )
        )[1].feeder
        self.sentences = conll.read_sentences(str(folder / "train.txt"))[0]
        self.examples = [self.feeder.encode(sentence) for sentence in self.sentences]

    def fill(self, compute):
        return vector_cache.fill(
            self.examples,
            self.sentences,
            self.feeder,
            {"elmo_vectors": vector_cache.Model(compute, "w")},
            self.config,
            "train",
        )


def by_word_id(inputs):
    """Vectors (batch, sentence, 2, 3) that identify the words."""
    return (
        np.repeat(inputs["input_data_word_ids"], 6, axis=1)
        .reshape(*inputs["input_data_word_ids"].shape, 2, 3)
        .astype(np.float32)
    )


@pytest.fixture
def fake(folder, tmp_path):
    return Fake(folder, tmp_path / "cache")


def test_each_sentence_has_its_own(fake):
    """The same holds where a batch pads them."""
    filled = fake.fill(by_word_id)
    for example in filled:
        inputs = fake.feeder.batch([example])
        np.testing.assert_array_equal(inputs["elmo_vectors"], by_word_id(inputs))
    together = fake.feeder.batch(filled[:5])
    np.testing.assert_array_equal(together["elmo_vectors"], by_word_id(together))
    assert together["elmo_vectors"].dtype == np.float32


@pytest.mark.parametrize("error", [KeyboardInterrupt, UserError, OSError("no space left")])
def test_what_is_half_done_leaves_nothing(fake, tmp_path, error):
    """After Ctrl-C or an error in the middle, the next run begins anew."""
    done = iter(range(2))

    def compute(inputs):
        if next(done, None) is None:
            raise error
        return by_word_id(inputs)

    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        fake.fill(compute)
    assert os.listdir(tmp_path / "cache") == []
    assert len(fake.fill(by_word_id)) == 16 and len(os.listdir(tmp_path / "cache")) == 1


def test_truncated_files(fake, tmp_path):
    """A truncated file, or another file altogether, gives one line that says what to do."""
    fake.fill(by_word_id)
    (name,) = os.listdir(tmp_path / "cache")
    path = tmp_path / "cache" / name
    whole = path.read_bytes()
    contents = [
        whole[:size] for size in [*range(0, len(whole), len(whole) // 20), len(whole) - 1]
    ] + [b"no HDF5"]
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["vectors"] = np.zeros((3, 2, 3), np.float32)
    for content in [*contents, (tmp_path / "other.hdf5").read_bytes()]:
        path.write_bytes(content)
        with pytest.raises(UserError) as caught:
            fake.fill(None)
        assert str(caught.value).startswith(
            f"{path}: not the elmo_vectors of "
        ) and "remove the file" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_full_disk(folder, tmp_path, zygote):
    """The exit code is 2 with one line, and no half-written file is left."""
    cache = tmp_path / "cache"
    done = zygote.run(
        "train.py",
        *flags(folder, "--vector_cache", cache, "--checkpoint_dir", tmp_path / "checkpoint"),
        largest_file=3000,
    )
    assert done.code == 2 and str(cache) in done.err and done.err.count("\n") == 1, done.err
    assert os.listdir(cache) == []
