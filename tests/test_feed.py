"""From sentences to padded arrays; batches by length; gazetteers."""

import dataclasses
import random

import numpy as np
import pytest

from cli import UserError
from config import Config
from conll import Sentence
from features.elmo_bytes import elmo_ids
from features.feed import (
    Feeder,
    WordTable,
    bucket,
    sorted_batches,
    tagging_batches,
    training_batches,
)
from features.gazetteer import Gazetteer
from features.vocabulary import PAD, UNK, EmbVec
from features.word_shape import SHAPES, word_shape

EMB = EmbVec(
    [PAD, UNK, "tim", "ran", "0"],
    [PAD, UNK, "T", "i", "m", "r", "a", "n", "7"],
    [PAD, UNK, "NN", "VB"],
    [PAD, UNK, "B-NP"],
    ["O", "B-X"],
    3,
)
TAGS = {"O": 0, "B-X": 1}


def sentence_of(words, pos=None, chunks=None):
    return Sentence(1, words.split(), pos and pos.split(), chunks and chunks.split(), None)


def config(**values):
    return dataclasses.replace(Config(), word_length=4, **values)


# ---------------------------------------------------------------- word shape


@pytest.mark.parametrize(
    "word, shape",
    [
        ("the", "lower"),
        ("o'clock", "lower"),
        ("co-op", "lower"),
        ("EU", "upper"),
        ("U.S.", "upper"),
        ("A.", "upper"),
        ("A", "initial"),
        ("Tim", "initial"),
        ("É", "initial"),
        ("Éire", "initial"),
        ("McDonald", "mixed"),
        ("iPhone", "mixed"),
        ("O'Neil", "mixed"),
        ("1996", "digits"),
        ("1,996.5", "digits"),
        ("-3", "digits"),
        ("3rd", "with digit"),
        ("B52", "with digit"),
        (",", "punctuation"),
        ("...", "punctuation"),
        ("-", "punctuation"),
        ("东", "other"),
        ("café", "other"),
        ("’", "other"),
        ("\udcff", "other"),
        ("ΑΒ", "upper"),
        ("Ж", "initial"),
        ("٣", "other"),
    ],
)
def test_word_shape(word, shape):
    assert SHAPES[word_shape(word)] == shape


def test_the_first_two_shapes_are_not_a_words():
    words = ["".join(random.Random(i).choices("aA1,é 东", k=3)) for i in range(300)]
    assert min(map(word_shape, words)) >= 2 and SHAPES[:2] == ("padding", "unknown")


# ---------------------------------------------------------------- arrays


def test_inputs_of_a_batch():
    gazetteer = Gazetteer(["P", "Q"], {("Tim",): [1]})
    feeder = Feeder(EMB, config(use_shape=True, gazetteer="names.txt"), TAGS, gazetteer)
    first = feeder.encode(sentence_of("Tim ran 7", "NN VB ?", "B-NP x B-NP"), ["B-X", "O", "O"])
    second = feeder.encode(sentence_of("zzzzzzTi"), ["O"])
    inputs = feeder.batch([first, second])
    expected = {
        "sentence_length": 3,
        "input_data_word_ids": [[2, 3, 4], [1, 0, 0]],
        "input_data_wordchr_ids": [
            [[2, 3, 4, 0], [5, 6, 7, 0], [8, 0, 0, 0]],
            [[1, 1, 1, 1], [0] * 4, [0] * 4],
        ],
        "input_data_pos_ids": [[2, 3, 1], [1, 0, 0]],
        "input_data_chk_ids": [[2, 1, 2], [1, 0, 0]],
        "input_data_shape_ids": [
            [SHAPES.index("initial"), SHAPES.index("lower"), SHAPES.index("digits")],
            [SHAPES.index("mixed"), 0, 0],
        ],
        "input_data_gazetteer": [[[0, 1], [0, 0], [0, 0]], [[0, 0]] * 3],
        "target_tag_ids": [[1, 0, 0], [0, 0, 0]],
    }
    assert {name: array.tolist() for name, array in inputs.items()} == expected
    assert all(array.dtype == np.int32 for array in inputs.values())


@pytest.mark.parametrize(
    "field, name",
    [
        ("use_word", "input_data_word_ids"),
        ("use_chr", "input_data_wordchr_ids"),
        ("use_pos", "input_data_pos_ids"),
        ("use_chk", "input_data_chk_ids"),
        ("use_shape", "input_data_shape_ids"),
    ],
)
def test_a_feature_left_out_has_no_array(field, name):
    for used in (True, False):
        feeder = Feeder(EMB, config(**{field: used}), TAGS)
        assert (name in feeder.batch([feeder.encode(sentence_of("Tim"))])) == used


def test_without_tags_and_gazetteer_there_are_no_such_arrays():
    feeder = Feeder(EMB, config(), TAGS)
    assert {"target_tag_ids", "input_data_gazetteer"}.isdisjoint(
        feeder.batch([feeder.encode(sentence_of("Tim"))])
    )


def test_sizes():
    sizes = {
        "word": 5,
        "chr": 9,
        "pos": 4,
        "chk": 3,
        "shape": len(SHAPES),
        "tag": 2,
        "gazetteer": 0,
        "elmo": None,
        "bert": None,
    }
    assert Feeder(EMB, config(), TAGS).sizes() == sizes
    assert (
        Feeder(EMB, config(), TAGS, Gazetteer(["P", "Q"], {("a",): [0]})).sizes()["gazetteer"] == 2
    )


def test_many_words():
    """The table grows, and equal words share a row."""
    table = WordTable(EMB, config(use_shape=True))
    words = [f"w{i}" for i in range(10_000)]
    rows = table.rows(words + words[::-1])
    assert (
        sorted(rows[:10_000]) == list(range(1, 10_001))
        and (rows[10_000:] == rows[:10_000][::-1]).all()
    )
    table.rows(["Tim"])
    assert table.ids["word"][table.rows(["Tim"])] == [2] and table.ids["chr"][
        table.rows(["Tim"])
    ].tolist() == [[2, 3, 4, 0]]
    assert table.ids["word"][0] == table.ids["chr"][0].max() == table.ids["shape"][0] == 0


def test_trimming_forgets_only_above_the_limit():
    table = WordTable(EMB, config(), limit=3)
    table.rows(["Tim", "ran", "x"])
    table.trim()
    assert len(table.index) == 3
    table.rows(["y", "mmmm"])
    table.trim()
    assert len(table.index) == 0
    (row,) = table.rows(["r"])
    assert table.ids["word"][row] == 1 and table.ids["chr"][row].tolist() == [
        5,
        0,
        0,
        0,
    ]  # nothing is left of the row's last word
    endless = WordTable(EMB, config())
    endless.rows(list("abcdef"))
    endless.trim()
    assert len(endless.index) == 6


# ---------------------------------------------------------------- ELMo and BERT

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *"abcdefg",
    *(f"##{letter}" for letter in "abcdefg"),
]  # a word of n letters has n pieces
LENGTH = 20


def language_feeder(**values):
    emb = EmbVec(
        *EMB.vocab.values(),
        3,
        elmo={"options": {"some": 1}},
        pieces=PIECES,
        bert={"config": {"layers": 2}, "do_lower_case": False, "max_seq_length": LENGTH},
    )
    return Feeder(emb, config(**{"use_elmo": True, "use_bert": True, **values}), TAGS)


def random_sentences(seed, count=9):
    rng = random.Random(seed)
    words = lambda: [
        "".join(rng.choices("abcdefgX", k=rng.choice((1, 1, 2, 3, 30))))
        for _ in range(rng.choice((1, 3, 8, 20)))
    ]
    return [Sentence(1, words(), None, None, None) for _ in range(count)]


def check_bert(feeder, sentences, inputs):
    """Checks that each word's pieces stand in the flat token_ids from word_index on, and that the
    rest is padding. Returns the shape of token_ids.
    """
    tokens, masks, segments, index = (
        inputs[f"bert_input_data_{name}"]
        for name in ("token_ids", "token_masks", "segment_ids", "word_index")
    )
    assert (
        tokens.shape == masks.shape == segments.shape
        and tokens.shape[1] <= LENGTH
        and not segments.any()
    )
    assert index.shape == (len(sentences), inputs["sentence_length"])
    assert all(array.dtype == np.int32 for array in (tokens, masks, segments, index))
    expected = [
        window
        for sentence in sentences
        for window in feeder.wordpiece.encode(sentence.words).windows
    ]
    for row, mask, window in zip(tokens, masks, expected):
        assert row.tolist() == [*window, *[PIECES.index("[PAD]")] * (len(row) - len(window))]
        assert mask.tolist() == [1] * len(window) + [0] * (len(row) - len(window))
    assert (
        len(tokens) >= len(expected)
        and not tokens[len(expected) :].any()
        and not masks[len(expected) :].any()
    )
    for i, sentence in enumerate(sentences):
        for word, place in zip(sentence.words, index[i]):
            pieces = feeder.wordpiece.pieces(word)
            assert (
                place > 0
                and tuple(tokens.ravel()[place : place + len(pieces)]) == pieces
                and masks.ravel()[place : place + len(pieces)].all()
            )
        assert not index[i, len(sentence.words) :].any()
    return tokens.shape


@pytest.mark.parametrize("seed", range(20))
def test_pieces_of_a_batch(seed):
    feeder, sentences = language_feeder(), random_sentences(seed)
    examples = [feeder.encode(sentence) for sentence in sentences]
    shape = check_bert(feeder, sentences, feeder.batch(examples))
    assert shape == (
        sum(len(example.of_sentence["bert"].windows) for example in examples),
        max(len(window) for example in examples for window in example.of_sentence["bert"].windows),
    )
    padded = feeder.batch(examples, length=32)
    count, size = check_bert(feeder, sentences, padded)
    for length, at_least, most in ((count, shape[0], 1 << 30), (size, shape[1], LENGTH)):
        assert at_least <= length <= max(1.25 * at_least, 8) and (
            bin(length).rstrip("0").count("1") <= 3 or length == most
        )
    assert "bert_input_data_word_pieces" not in padded


def test_shapes_of_tagging_are_few():
    """TensorFlow keeps something for each shape, of windows as well as of sentences."""
    feeder, shapes = language_feeder(), set()
    for seed in range(60):
        sentences = random_sentences(seed, random.Random(seed).randint(1, 30))
        examples = [feeder.encode(sentence) for sentence in sentences]
        for batch, size, length in tagging_batches(
            [len(example) for example in examples], feeder.config
        ):
            filled = batch + batch[-1:] * (size - len(batch))
            shapes.add(
                check_bert(
                    feeder,
                    [sentences[i] for i in filled],
                    feeder.batch([examples[i] for i in filled], length=length),
                )
            )
    assert len({count for count, _ in shapes}) <= 20 and len({size for _, size in shapes}) <= 12
    assert max(count for count, _ in shapes) > 40


def test_counts_of_pieces_for_their_mean():
    feeder = language_feeder(bert_pooling="mean")
    sentences = [sentence_of("abc X d"), sentence_of("g")]
    inputs = feeder.batch([feeder.encode(sentence) for sentence in sentences], length=4)
    assert inputs["bert_input_data_word_pieces"].tolist() == [[3, 1, 1, 0], [1, 0, 0, 0]]
    assert inputs["bert_input_data_word_index"].tolist() == [[1, 4, 5, 0], [8, 0, 0, 0]]
    assert inputs["bert_input_data_token_ids"][:, :3].tolist() == [[2, 4, 12], [2, 10, 3]]


@pytest.mark.parametrize("length", [0, 40])
def test_byte_ids_of_a_batch(length):
    """Each sentence stands between <S> and </S>, as features/elmo_bytes.py encodes it alone, with 0
    after it.
    """
    feeder, sentences = (
        language_feeder(),
        [*random_sentences(3), sentence_of("<S> a </S>"), sentence_of("é")],
    )
    inputs = feeder.batch([feeder.encode(sentence) for sentence in sentences], length=length)
    ids = inputs["elmo_input_data_wordchr_ids"]
    assert ids.dtype == np.int32 and ids.shape == (
        len(sentences),
        inputs["sentence_length"] + 2,
        50,
    )
    for row, sentence in zip(ids, sentences):
        expected = elmo_ids(sentence.words)
        np.testing.assert_array_equal(row[: len(expected)], expected)
        assert not row[len(expected) :].any()


def test_byte_ids_of_many_words():
    """The table grows."""
    feeder = language_feeder(use_bert=False)
    words = [f"w{i}" for i in range(9_000)]
    ids = feeder.batch([feeder.encode(Sentence(1, words, None, None, None))])[
        "elmo_input_data_wordchr_ids"
    ]
    np.testing.assert_array_equal(ids[0], elmo_ids(words))


def test_a_language_model_left_out_has_no_arrays():
    for use_elmo, use_bert in ((False, True), (True, False), (None, None)):
        feeder = language_feeder(use_elmo=use_elmo, use_bert=use_bert, bert_pooling="mean")
        names = feeder.batch([feeder.encode(sentence_of("a"))])
        assert ("elmo_input_data_wordchr_ids" in names) == bool(use_elmo)
        assert sum(name.startswith("bert_input_data_") for name in names) == 5 * bool(use_bert)
        assert feeder.sizes()["elmo"] == {"some": 1} and feeder.sizes()["bert"] == {"layers": 2}


def test_words_of_the_document_fill_the_window():
    document = [
        letter * (i % 3 + 1) for i, letter in enumerate("abcdefgabcdefgabcdefgabcdefgabcdefg")
    ]
    feeder, without = language_feeder(bert_context=True), language_feeder()
    for start, count in ((0, 2), (5, 1), (17, 3), (30, 5)):
        given = Sentence(1, document[start : start + count], None, None, None, document, start)
        (window,) = feeder.encode(given).of_sentence["bert"].windows
        (expected,) = feeder.wordpiece.encode(
            given.words, document[:start], document[start + count :]
        ).windows
        np.testing.assert_array_equal(window, expected)
        (alone,) = without.encode(given).of_sentence["bert"].windows
        assert len(alone) < len(window) == len(feeder.encode(given).of_sentence["bert"].windows[0])
        (unplaced,) = feeder.encode(given._replace(document=None)).of_sentence["bert"].windows
        np.testing.assert_array_equal(unplaced, alone)


# ---------------------------------------------------------------- noise of training


def noisy(rounds=400, **values):
    """Inputs of one batch of 8 sentences, `rounds` times with noise, and once without."""
    feeder = Feeder(EMB, config(**values), TAGS)
    words = ["Tim ran w0 w1 ran", "Tim w2"] + ["Tim ran"] * 6
    examples = [
        feeder.encode(
            sentence_of(
                text, " ".join(["NN"] * len(text.split())), " ".join(["B-NP"] * len(text.split()))
            ),
            ["O"] * len(text.split()),
        )
        for text in words
    ]
    feeder.mark_rare(examples)
    feeder.encode(sentence_of("seen later"))
    return [
        feeder.batch(examples, np.random.default_rng([1, i])) for i in range(rounds)
    ], feeder.batch(examples)


def test_rare_words_become_unknown():
    emb = EmbVec(
        [PAD, UNK, "tim", "ran", "w0", "w1", "w2"],
        *(EMB.vocab[name] for name in ("chr", "pos", "chk", "tag")),
        3,
    )
    feeder = Feeder(emb, config(unk_replace=0.3), TAGS)
    examples = [feeder.encode(sentence_of(text)) for text in ("Tim ran w0 w1 ran", "Tim w2")]
    feeder.mark_rare(examples)
    plain = feeder.batch(examples)["input_data_word_ids"]
    drawn = np.array(
        [
            feeder.batch(examples, np.random.default_rng(i))["input_data_word_ids"]
            for i in range(1000)
        ]
    )
    assert plain.tolist() == [[2, 3, 4, 5, 3], [2, 6, 0, 0, 0]]
    once = plain >= 4  # w0, w1 and w2 stand once
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
        assert (
            gone | (arrays == whole).all(axis=2)
        ).all()  # a sentence keeps all of its column, or nothing
        assert abs(gone.mean() - 0.25) < 0.03
        lost[name] = gone
    both = np.logical_and(*lost.values()).mean()
    assert abs(both - 0.25**2) < 0.02  # independent of one another


def test_noise_leaves_the_rest_alone():
    drawn, plain = noisy(rounds=5, feature_drop=0.5, unk_replace=0.5)
    for inputs in drawn:
        for name in set(plain) - {
            "input_data_word_ids",
            "input_data_pos_ids",
            "input_data_chk_ids",
        }:
            np.testing.assert_array_equal(inputs[name], plain[name])
        assert all(
            inputs[name].dtype == np.int32 and inputs[name].shape == plain[name].shape
            for name in plain
        )
    for inputs in noisy(rounds=5)[0]:
        assert all((inputs[name] == plain[name]).all() for name in plain)


def test_noise_depends_on_the_generator_alone():
    first, second = noisy(rounds=20, feature_drop=0.5)[0], noisy(rounds=20, feature_drop=0.5)[0]
    assert all((a[name] == b[name]).all() for a, b in zip(first, second) for name in a)
    assert any((a["input_data_pos_ids"] != first[0]["input_data_pos_ids"]).any() for a in first)


# ---------------------------------------------------------------- batches


def corpus(seed, size=2500):
    """Random lengths of sentences, most of them short, as in CoNLL-2003."""
    return [
        int(length) for length in np.random.default_rng(seed).gamma(2.0, 7.0, size).clip(1, 120)
    ]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "make", [lambda lengths, config: training_batches(lengths, config, 3), sorted_batches]
)
def test_each_sentence_is_in_one_batch_and_batches_are_bounded(seed, make):
    lengths, cfg = corpus(seed) + [5000], Config(batch_size=20, max_batch_tokens=400)
    batches = make(lengths, cfg)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert 1 <= len(batch) <= 20
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 400


@pytest.mark.parametrize(
    "make", [lambda lengths, config: training_batches(lengths, config, 0), sorted_batches]
)
def test_little_is_padded(make):
    lengths = corpus(0)
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in make(lengths, Config()))
    assert padded < 1.2 * sum(lengths)
    shuffled = [range(start, min(start + 20, len(lengths))) for start in range(0, len(lengths), 20)]
    assert sum(len(batch) * max(lengths[i] for i in batch) for batch in shuffled) > 1.8 * sum(
        lengths
    )  # without buckets


def test_a_long_sentence_does_not_pad_much_in_a_large_corpus():
    lengths = corpus(3) + [113]
    (batch,) = [
        batch for batch in training_batches(lengths, Config(), 0) if len(lengths) - 1 in batch
    ]
    assert min(lengths[i] for i in batch) > 2 * np.mean(lengths)


@pytest.mark.parametrize(
    "make", [lambda lengths, config: training_batches(lengths, config, 0), sorted_batches]
)
def test_a_long_sentence_does_not_pad_19_short_ones(make):
    lengths = [10] * 19 + [113]
    assert not any(len(batch) > 1 and 19 in batch for batch in make(lengths, Config()))


@pytest.mark.parametrize(
    "lengths, batch_size, max_tokens, expected",
    [
        ([], 2, 10, []),
        ([5], 2, 3, [[0]]),
        ([1, 2, 3], 2, 100, [[0, 1], [2]]),
        ([1, 2, 3], 9, 4, [[0, 1], [2]]),
        ([2, 2, 2, 9], 9, 6, [[0, 1, 2], [3]]),
        ([3, 3, 3], 9, 9, [[0, 1, 2]]),
        ([3, 3, 3], 9, 8, [[0, 1], [2]]),
    ],
)
def test_cutting_into_batches(lengths, batch_size, max_tokens, expected):
    assert bucket(lengths, range(len(lengths)), batch_size, max_tokens) == expected


def test_the_order_depends_on_seed_and_epoch_alone():
    lengths, cfg = corpus(1), Config()
    np.random.seed(1)
    first = training_batches(lengths, cfg, 0)
    np.random.seed(2)
    assert (
        training_batches(
            lengths, dataclasses.replace(cfg, rnn_size=1, epoch=3, learning_rate=1.0), 0
        )
        == first
    )
    others = [
        training_batches(lengths, cfg, 1),
        training_batches(lengths, dataclasses.replace(cfg, seed=2), 0),
        training_batches(lengths, cfg, 2),
    ]
    assert all(
        a != b for a in others for b in [first] + [other for other in others if other is not a]
    )


def test_the_shuffle_is_thorough():
    """Short sentences do not come first, and the neighbours of a sentence change from epoch to
    epoch.
    """
    lengths, cfg = corpus(2), Config()
    epochs = [training_batches(lengths, cfg, epoch) for epoch in range(2)]
    for batches in epochs:
        means = [np.mean([lengths[i] for i in batch]) for batch in batches]
        assert abs(np.corrcoef(range(len(means)), means)[0, 1]) < 0.3
    pairs = [
        {frozenset((a, b)) for batch in batches for a in batch for b in batch if a < b}
        for batches in epochs
    ]
    assert len(pairs[0] & pairs[1]) < 0.2 * len(pairs[0])


# ---------------------------------------------------------------- gazetteers


def read_names(tmp_path, data):
    path = tmp_path / "names.txt"
    path.write_bytes(data)
    return Gazetteer.read(str(path))


def test_the_longest_match_from_the_left_wins(tmp_path):
    names = read_names(
        tmp_path,
        b"LOC New York\nORG  New\tYork Times\r\n\nLOC York\nPER York\nLOC York\nORG York Times "
        b"Square\n",
    )
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
            expected |= {
                (k, kind) for k in range(i, ends[-1]) for kind in names[tuple(words[i : ends[-1]])]
            }
        i = ends[-1] if ends else i + 1
    gazetteer = Gazetteer(["x", "y", "z"], names)
    assert gazetteer.match(words) == expected
    assert Gazetteer.from_dict(gazetteer.to_dict()).match(words) == expected


def test_gazetteers_survive_json(tmp_path):
    import json

    names = read_names(tmp_path, "LOC Köln\nORG 1. FC Köln\n".encode())
    again = Gazetteer.from_dict(json.loads(json.dumps(names.to_dict())))
    assert (again.types, again.names, again.longest, again.starts) == (
        names.types,
        names.names,
        3,
        {"Köln", "1."},
    )


@pytest.mark.parametrize(
    "data, message",
    [
        (b"LOC Rome\nLOC\n", ":2: only 'LOC'"),
        (b"LOC \xff\n", ":1: not UTF-8"),
        (b"", ":1: no name"),
        (b"\n\n", ":1: no name"),
    ],
)
def test_gazetteers_that_can_not_be_used(tmp_path, data, message):
    with pytest.raises(UserError, match=f"names.txt{message}"):
        read_names(tmp_path, data)
