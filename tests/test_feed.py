"""Sentences -> padded arrays, batches by length, gazetteers."""
import dataclasses
import random

import numpy as np
import pytest

import feed
from cli import UserError
from config import Config
from conll import Sentence
from embvec import PAD, UNK, EmbVec
from feed import SHAPES, Feeder, WordTable, bucket, sorted_batches, training_batches
from gazetteer import Gazetteer

EMB = EmbVec([PAD, UNK, "tim", "ran", "0"], [PAD, UNK, "T", "i", "m", "r", "a", "n", "7"], [PAD, UNK, "NN", "VB"], [PAD, UNK, "B-NP"],
             ["O", "B-X"], 3)
TAGS = {"O": 0, "B-X": 1}


def sentence(words, pos=None, chunks=None):
    return Sentence(1, words.split(), pos and pos.split(), chunks and chunks.split(), None)


def config(**values):
    return dataclasses.replace(Config(), word_length=4, **values)


# ---------------------------------------------------------------- word shape

@pytest.mark.parametrize("word, shape", [
    ("the", "lower"), ("o'clock", "lower"), ("co-op", "lower"), ("EU", "upper"), ("U.S.", "upper"), ("A.", "upper"), ("A", "initial"), ("Tim", "initial"),
    ("É", "initial"), ("Éire", "initial"), ("McDonald", "mixed"), ("iPhone", "mixed"), ("O'Neil", "mixed"), ("1996", "digits"), ("1,996.5", "digits"),
    ("-3", "digits"), ("3rd", "with digit"), ("B52", "with digit"), (",", "punctuation"), ("...", "punctuation"), ("-", "punctuation"), ("东", "other"),
    ("café", "other"), ("’", "other"), ("\udcff", "other"), ("ΑΒ", "upper"), ("Ж", "initial"), ("٣", "other")])
def test_word_shape(word, shape):
    assert SHAPES[feed.word_shape(word)] == shape


def test_the_first_two_shapes_are_not_a_words():
    words = ["".join(random.Random(i).choices("aA1,é 东", k=3)) for i in range(300)]
    assert min(map(feed.word_shape, words)) >= 2 and SHAPES[:2] == ("padding", "unknown")


# ---------------------------------------------------------------- arrays

def test_inputs_of_a_batch():
    feeder = Feeder(EMB, config(use_shape=True), TAGS, Gazetteer(["P", "Q"], {("Tim",): [1]}))
    first = feeder.encode(sentence("Tim ran 7", "NN VB ?", "B-NP x B-NP"), ["B-X", "O", "O"])
    second = feeder.encode(sentence("zzzzzzTi"), ["O"])
    inputs = feeder.batch([first, second])
    expected = {
        "sentence_length": 3,
        "input_data_word_ids": [[2, 3, 4], [1, 0, 0]],
        "input_data_wordchr_ids": [[[2, 3, 4, 0], [5, 6, 7, 0], [8, 0, 0, 0]], [[1, 1, 1, 1], [0] * 4, [0] * 4]],
        "input_data_pos_ids": [[2, 3, 1], [1, 0, 0]],
        "input_data_chk_ids": [[2, 1, 2], [1, 0, 0]],
        "input_data_shape_ids": [[SHAPES.index("initial"), SHAPES.index("lower"), SHAPES.index("digits")], [SHAPES.index("mixed"), 0, 0]],
        "input_data_gazetteer": [[[0, 1], [0, 0], [0, 0]], [[0, 0]] * 3],
        "target_tag_ids": [[1, 0, 0], [0, 0, 0]]}
    assert {name: array.tolist() for name, array in inputs.items()} == expected
    assert all(array.dtype == np.int32 for array in inputs.values())


@pytest.mark.parametrize("field, name", [("use_word", "input_data_word_ids"), ("use_chr", "input_data_wordchr_ids"), ("use_pos", "input_data_pos_ids"),
                                         ("use_chk", "input_data_chk_ids"), ("use_shape", "input_data_shape_ids")])
def test_a_feature_left_out_has_no_array(field, name):
    for used in (True, False):
        feeder = Feeder(EMB, config(**{field: used}), TAGS)
        assert (name in feeder.batch([feeder.encode(sentence("Tim"))])) == used


def test_without_tags_and_gazetteer_there_are_no_such_arrays():
    feeder = Feeder(EMB, config(), TAGS)
    assert {"target_tag_ids", "input_data_gazetteer"}.isdisjoint(feeder.batch([feeder.encode(sentence("Tim"))]))


def test_sizes():
    sizes = {"wrd": 5, "chr": 9, "pos": 4, "chk": 3, "shape": len(SHAPES), "tag": 2, "gazetteer": 0, "elmo": None, "bert": None}
    assert Feeder(EMB, config(), TAGS).sizes() == sizes
    assert Feeder(EMB, config(), TAGS, Gazetteer(["P", "Q"], {("a",): [0]})).sizes()["gazetteer"] == 2


def test_many_words():
    """The table grows, and equal words share a row."""
    table = WordTable(EMB, 4)
    words = [f"w{i}" for i in range(10_000)]
    rows = table.rows(words + words[::-1])
    assert sorted(rows[:10_000]) == list(range(1, 10_001)) and (rows[10_000:] == rows[:10_000][::-1]).all()
    table.rows(["Tim"])
    assert table.word_ids[table.rows(["Tim"])] == [2] and table.chr_ids[table.rows(["Tim"])].tolist() == [[2, 3, 4, 0]]
    assert table.word_ids[0] == table.chr_ids[0].max() == table.shape_ids[0] == 0


def test_trimming_forgets_only_above_the_limit():
    table = WordTable(EMB, 4, limit=3)
    table.rows(["Tim", "ran", "x"])
    table.trim()
    assert len(table.index) == 3
    table.rows(["y", "mmmm"])
    table.trim()
    assert len(table.index) == 0
    (row,) = table.rows(["r"])
    assert table.word_ids[row] == 1 and table.chr_ids[row].tolist() == [5, 0, 0, 0]     # nothing is left of the row's last word
    endless = WordTable(EMB, 4)
    endless.rows(list("abcdef"))
    endless.trim()
    assert len(endless.index) == 6


# ---------------------------------------------------------------- noise of training

def noisy(rounds=400, **values):
    """Inputs of one batch of 8 sentences, `rounds` times with noise, and once without."""
    feeder = Feeder(EMB, config(**values), TAGS)
    words = ["Tim ran w0 w1 ran", "Tim w2"] + ["Tim ran"] * 6
    examples = [feeder.encode(sentence(text, " ".join(["NN"] * len(text.split())), " ".join(["B-NP"] * len(text.split()))), ["O"] * len(text.split()))
                for text in words]
    feeder.mark_rare(examples)
    feeder.encode(sentence("seen later"))
    return [feeder.batch(examples, np.random.default_rng([1, i])) for i in range(rounds)], feeder.batch(examples)


def test_rare_words_become_unknown():
    emb = EmbVec([PAD, UNK, "tim", "ran", "w0", "w1", "w2"], *(EMB.vocab[name] for name in ("chr", "pos", "chk", "tag")), 3)
    feeder = Feeder(emb, config(unk_replace=0.3), TAGS)
    examples = [feeder.encode(sentence(text)) for text in ("Tim ran w0 w1 ran", "Tim w2")]
    feeder.mark_rare(examples)
    plain = feeder.batch(examples)["input_data_word_ids"]
    drawn = np.array([feeder.batch(examples, np.random.default_rng(i))["input_data_word_ids"] for i in range(1000)])
    assert plain.tolist() == [[2, 3, 4, 5, 3], [2, 6, 0, 0, 0]]
    once = plain >= 4                                               # w0, w1 and w2 stand once
    assert (drawn[:, ~once] == plain[~once]).all()
    assert set(np.unique(np.where(drawn == plain, 0, drawn))) == {0, 1}
    np.testing.assert_allclose((drawn == 1)[:, once].mean(axis=0), 0.3, atol=0.06)
    assert abs(np.corrcoef((drawn[:, 0, 2] == 1), (drawn[:, 0, 3] == 1))[0, 1]) < 0.12


def test_sentences_lose_a_column():
    drawn, plain = noisy(feature_drop=0.25)
    lost = {}
    for name in ("input_data_pos_ids", "input_data_chk_ids"):
        arrays, whole = np.array([inputs[name] for inputs in drawn]), plain[name]
        gone = (arrays == np.minimum(whole, 1)).all(axis=2)
        assert (gone | (arrays == whole).all(axis=2)).all()         # a sentence keeps all of its column, or nothing
        assert abs(gone.mean() - 0.25) < 0.03
        lost[name] = gone
    both = np.logical_and(*lost.values()).mean()
    assert abs(both - 0.25 ** 2) < 0.02                             # independent of one another


def test_noise_leaves_the_rest_alone():
    drawn, plain = noisy(rounds=5, feature_drop=0.5, unk_replace=0.5)
    for inputs in drawn:
        for name in set(plain) - {"input_data_word_ids", "input_data_pos_ids", "input_data_chk_ids"}:
            np.testing.assert_array_equal(inputs[name], plain[name])
        assert all(inputs[name].dtype == np.int32 and inputs[name].shape == plain[name].shape for name in plain)
    for inputs in noisy(rounds=5)[0]:
        assert all((inputs[name] == plain[name]).all() for name in plain)


def test_noise_depends_on_the_generator_alone():
    first, second = noisy(rounds=20, feature_drop=0.5)[0], noisy(rounds=20, feature_drop=0.5)[0]
    assert all((a[name] == b[name]).all() for a, b in zip(first, second) for name in a)
    assert any((a["input_data_pos_ids"] != first[0]["input_data_pos_ids"]).any() for a in first)


# ---------------------------------------------------------------- batches

def corpus(seed, size=2500):
    """Random lengths, most of them short, as in CoNLL-2003."""
    return [int(length) for length in np.random.default_rng(seed).gamma(2.0, 7.0, size).clip(1, 120)]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("make", [lambda lengths, config: training_batches(lengths, config, 3), sorted_batches])
def test_each_sentence_is_in_one_batch_and_batches_are_bounded(seed, make):
    lengths, cfg = corpus(seed) + [5000], Config(batch_size=20, max_batch_tokens=400)
    batches = make(lengths, cfg)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= 20
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 400


@pytest.mark.parametrize("make", [lambda lengths, config: training_batches(lengths, config, 0), sorted_batches])
def test_little_is_padded(make):
    lengths = corpus(0)
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in make(lengths, Config()))
    assert padded < 1.2 * sum(lengths)
    shuffled = [range(start, min(start + 20, len(lengths))) for start in range(0, len(lengths), 20)]
    assert sum(len(batch) * max(lengths[i] for i in batch) for batch in shuffled) > 1.8 * sum(lengths)     # without buckets


def test_a_long_sentence_does_not_pad_much_in_a_large_corpus():
    lengths = corpus(3) + [113]
    (batch,) = [batch for batch in training_batches(lengths, Config(), 0) if len(lengths) - 1 in batch]
    assert min(lengths[i] for i in batch) > 2 * np.mean(lengths)


@pytest.mark.parametrize("make", [lambda lengths, config: training_batches(lengths, config, 0), sorted_batches])
def test_a_long_sentence_does_not_pad_19_short_ones(make):
    lengths = [10] * 19 + [113]
    assert not any(len(batch) > 1 and 19 in batch for batch in make(lengths, Config()))


@pytest.mark.parametrize("lengths, batch_size, max_tokens, expected", [
    ([], 2, 10, []), ([5], 2, 3, [[0]]), ([1, 2, 3], 2, 100, [[0, 1], [2]]), ([1, 2, 3], 9, 4, [[0, 1], [2]]), ([2, 2, 2, 9], 9, 6, [[0, 1, 2], [3]]),
    ([3, 3, 3], 9, 9, [[0, 1, 2]]), ([3, 3, 3], 9, 8, [[0, 1], [2]])])
def test_cutting_into_batches(lengths, batch_size, max_tokens, expected):
    assert bucket(lengths, range(len(lengths)), batch_size, max_tokens) == expected


def test_the_order_depends_on_seed_and_epoch_alone():
    lengths, cfg = corpus(1), Config()
    np.random.seed(1)
    first = training_batches(lengths, cfg, 0)
    np.random.seed(2)
    assert training_batches(lengths, dataclasses.replace(cfg, rnn_size=1, epoch=3, learning_rate=1.0), 0) == first
    others = [training_batches(lengths, cfg, 1), training_batches(lengths, dataclasses.replace(cfg, seed=2), 0), training_batches(lengths, cfg, 2)]
    assert all(a != b for a in others for b in [first] + [other for other in others if other is not a])


def test_the_shuffle_is_thorough():
    """Short sentences do not come first; the neighbours of a sentence change from epoch to epoch."""
    lengths, cfg = corpus(2), Config()
    epochs = [training_batches(lengths, cfg, epoch) for epoch in range(2)]
    for batches in epochs:
        means = [np.mean([lengths[i] for i in batch]) for batch in batches]
        assert abs(np.corrcoef(range(len(means)), means)[0, 1]) < 0.3
    pairs = [{frozenset((a, b)) for batch in batches for a in batch for b in batch if a < b} for batches in epochs]
    assert len(pairs[0] & pairs[1]) < 0.2 * len(pairs[0])


# ---------------------------------------------------------------- gazetteers

def read_names(tmp_path, data):
    path = tmp_path / "names.txt"
    path.write_bytes(data)
    return Gazetteer.read(str(path))


def test_the_longest_match_from_the_left_wins(tmp_path):
    names = read_names(tmp_path, b"LOC New York\nORG  New\tYork Times\r\n\nLOC York\nPER York\nLOC York\nORG York Times Square\n")
    assert names.types == ["LOC", "ORG", "PER"]
    match = lambda text: sorted(names.match(text.split()))
    assert match("in New York .") == [(1, 0), (2, 0)]
    assert match("New York Times Square") == [(0, 1), (1, 1), (2, 1)]
    assert match("York New York York") == [(0, 0), (0, 2), (1, 0), (2, 0), (3, 0), (3, 2)]
    assert match("new york NEW") == [] and match("New") == [] and match("") == []


@pytest.mark.parametrize("seed", range(30))
def test_matches_against_a_slow_search(seed):
    rng = random.Random(seed)
    pick = lambda size: tuple(rng.choice("ab") for _ in range(size))
    names = {pick(rng.randrange(1, 5)): [rng.randrange(3)] for _ in range(6)}
    words, expected, i = list(pick(15)), set(), 0
    while i < len(words):
        ends = [end for end in range(i + 1, len(words) + 1) if tuple(words[i:end]) in names]
        if ends:
            expected |= {(k, kind) for k in range(i, ends[-1]) for kind in names[tuple(words[i:ends[-1]])]}
        i = ends[-1] if ends else i + 1
    gazetteer = Gazetteer(["x", "y", "z"], names)
    assert gazetteer.match(words) == expected
    assert Gazetteer.from_dict(gazetteer.to_dict()).match(words) == expected


def test_gazetteers_survive_json(tmp_path):
    import json
    names = read_names(tmp_path, "LOC Köln\nORG 1. FC Köln\n".encode())
    again = Gazetteer.from_dict(json.loads(json.dumps(names.to_dict())))
    assert (again.types, again.names, again.longest, again.starts) == (names.types, names.names, 3, {"Köln", "1."})


@pytest.mark.parametrize("data, message", [(b"LOC Rome\nLOC\n", ":2: only 'LOC'"), (b"LOC \xff\n", ":1: not UTF-8"), (b"", ":1: no name"), (b"\n\n", ":1: no name")])
def test_gazetteers_that_can_not_be_used(tmp_path, data, message):
    with pytest.raises(UserError, match=f"names.txt{message}"):
        read_names(tmp_path, data)
