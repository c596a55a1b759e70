"""BERT's wordpieces against those of HuggingFace's tokenizer; windows and context against a plain
search.
"""

import json
import random
import time

import numpy as np
import pytest

from features import wordpiece
from features.pretrained import read_bert_vocab
from features.wordpiece import Wordpiece, choose_windows, windows_of

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefg"
VOCAB = [
    *SPECIAL,
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
]  # a word of n letters has n pieces
ODD = [
    "Donaudampfschifffahrt",
    "naïve",
    "ÉCOLE",
    "don't",
    "U.S.A.",
    "北京大学",
    "日本",
    "한국어",
    "x²",
    "①",
    "😀",
    "a\u0301b",
    "ﬁne",
    "İstanbul",
    "ß",
    "–",
    "€5",
    "http://a.b/c?d=1",
    "a" * 100,
    "b" * 101,
    "\u00ad",
    "soft\u00adhyphen",
    "ﷺ",
    "१२३",
    "\u2028",
    "co-op",
    "$",
    "^_^",
    "`",
    "Ωmega",
    "ÀÉÎÕÜ",
]


def letters(rng, count):
    return "".join(rng.choices(LETTERS, k=count))


# ---------------------------------------------------------------- pieces of words


@pytest.mark.parametrize(
    "name, vocab, lower, length",
    [
        ("random_cased", "cased_vocab.txt", False, 128),
        ("pretraining_ckpt", "pretraining_ckpt/vocab.txt", True, 16),
    ],
)
def test_pieces_and_places_as_published(shared, name, vocab, lower, length):
    """Ids, and the place of each word's first wordpiece. Other sentences around it change only the
    window.
    """
    with open(shared(f"conformance/bert/{name}/expected.json"), encoding="utf-8") as stream:
        expected = json.load(stream)
    with open(shared(f"conformance/bert/{vocab}"), encoding="utf-8") as stream:
        pieces = stream.read().split("\n")
    pieces = pieces[:-1] if not pieces[-1] else pieces
    tokenizer = Wordpiece(pieces, lower, length)
    for words, wanted, first in zip(
        expected["sentences"], expected["pieces"], expected["first_piece"], strict=True
    ):
        got = tokenizer.encode(words)
        (window,) = got.windows
        assert window.dtype == got.window.dtype == got.offset.dtype == got.count.dtype == np.int32
        assert [pieces[i] for i in window] == wanted
        assert got.offset.tolist() == first and not got.window.any()
        assert got.count.tolist() == np.diff([*first, len(wanted) - 1]).tolist()
        (wide,), *_ = surrounded = tokenizer.encode(words, before=["no", "play"], after=["boy"])
        assert [pieces[i] for i in wide] == ["[CLS]", "no", "play", *wanted[1:-1], "boy", "[SEP]"]
        assert (surrounded.offset == got.offset + 2).all()


@pytest.mark.parametrize("lower", [False, True])
def test_pieces_are_those_of_transformers(shared, lower):
    """If transformers is installed, words are compared one at a time, as BERT's tokenizer is used
    for tagging.
    """
    transformers = pytest.importorskip("transformers")
    path = shared("conformance/bert/cased_vocab.txt")
    theirs = transformers.BertTokenizer(path, do_lower_case=lower)
    pieces = read_bert_vocab(path, {"vocab_size": 28996})
    ours, words = Wordpiece(pieces, lower, 512), list(ODD)
    for split in ("train", "dev"):
        with open(shared(f"data/wnut17/{split}.conll"), encoding="utf-8") as stream:
            words += [line.split("\t")[0] for line in stream if line.strip()]
    for word in dict.fromkeys(words):
        assert [pieces[i] for i in ours.pieces(word)] == (theirs.tokenize(word) or ["[UNK]"]), word


@pytest.mark.parametrize(
    "lower, word, expected",
    [
        (False, "abc", "a ##b ##c"),
        (False, "aBc", "[UNK]"),
        (True, "aBc", "a ##b ##c"),
        (True, "áb", "a ##b"),
        (False, "áb", "[UNK]"),
        (False, "a.b", "a [UNK] b"),
        (False, "a b\tc", "a b c"),
        (False, "", "[UNK]"),
        (False, "\u200b", "[UNK]"),
        (True, "\u0301", "[UNK]"),
        (False, "\x00\x07", "[UNK]"),
        (False, "\ufffd", "[UNK]"),
        (False, "a\u200bb", "a ##b"),
        (False, "a" + "b" * 99, "a" + " ##b" * 99),
        (False, "a" + "b" * 100, "[UNK]"),
    ],
)
def test_words(lower, word, expected):
    assert [VOCAB[i] for i in Wordpiece(VOCAB, lower, 200).pieces(word)] == expected.split(" ")


@pytest.mark.parametrize(
    "raw, same",
    [
        (b"ab\xff", "ab"),
        (b"\xffab", "ab"),
        (b"a\xffb", "ab"),
        (b"a\xc3b", "ab"),
        (b"\xed\xa0\x80", ""),
        (b"\xff", ""),
    ],
)
def test_bytes_that_are_not_utf8_are_dropped(raw, same):
    tokenizer = Wordpiece(VOCAB, False, 200)
    assert tokenizer.pieces(raw.decode(errors="surrogateescape")) == tokenizer.pieces(same)


@pytest.mark.parametrize("word", SPECIAL)
def test_a_special_piece_in_the_text_is_text(word):
    """[SEP] in a text is three wordpieces, none of which is the special one."""
    tokenizer = Wordpiece(
        [
            *VOCAB,
            "[",
            "]",
            *(letter for letter in word[1:-1][:1]),
            *dict.fromkeys(f"##{letter}" for letter in word[2:-1]),
        ],
        False,
        40,
    )
    pieces = tokenizer.pieces(word)
    assert len(pieces) == len(word) and set(pieces).isdisjoint(
        {tokenizer.pad, tokenizer.unknown, tokenizer.cls, tokenizer.sep, 4}
    )


def test_a_word_is_cut_off_where_a_window_ends():
    tokenizer = Wordpiece(VOCAB, False, 6)
    got = tokenizer.encode(["abcdefg"])
    assert [VOCAB[i] for i in got.windows[0]] == [
        "[CLS]",
        "a",
        "##b",
        "##c",
        "##d",
        "[SEP]",
    ] and got.count.tolist() == [4]
    got = tokenizer.encode(["ab", "gfedcba", "c"])
    assert [" ".join(VOCAB[i] for i in window) for window in got.windows] == [
        "[CLS] a ##b [SEP]",
        "[CLS] g ##f ##e ##d [SEP]",
        "[CLS] c [SEP]",
    ]
    assert (got.window.tolist(), got.offset.tolist()) == ([0, 1, 2], [1, 1, 1])


def test_remembered_words_are_few(monkeypatch):
    monkeypatch.setattr(wordpiece, "WORDS_KEPT", 3)
    tokenizer, rng = Wordpiece(VOCAB, False, 40), random.Random(1)
    for word in [letters(rng, rng.randint(1, 2)) for _ in range(200)]:
        assert tokenizer.pieces(word) == tuple(
            VOCAB.index(letter if not i else f"##{letter}") for i, letter in enumerate(word)
        )
        assert len(tokenizer._known) <= 3


# ---------------------------------------------------------------- windows


def search_windows(counts, capacity):
    """The same by trying all ends and beginnings."""
    spans, first = [], 0
    while True:
        end = max(e for e in range(first, len(counts) + 1) if sum(counts[first:e]) <= capacity)
        spans.append((first, end))
        if end == len(counts):
            return spans
        first = max(
            [
                first + 1,
                *(
                    e
                    for e in range(first + 1, len(counts))
                    if sum(counts[first:e]) <= capacity // 2
                ),
            ]
        )


def contexts(counts, span, word):
    """The wordpieces of a window before and after a word."""
    first, end = span
    return sum(counts[first:word]), sum(counts[word + 1 : end])


def check_windows(counts, capacity, spans, chosen):
    """Checks what must hold for windows, however they are found."""
    assert spans[0][0] == 0 and spans[-1][1] == len(counts)
    assert all(sum(counts[first:end]) <= capacity for first, end in spans)
    for (first, end), (second, following) in zip(spans, spans[1:]):
        assert first < second <= end <= following  # they go on, and leave no word out
        assert sum(counts[first:second]) <= max(
            capacity // 2, counts[first]
        )  # about half a window further
    assert all(spans[k][0] <= word < spans[k][1] for word, k in enumerate(chosen))


@pytest.mark.parametrize("seed", range(40))
def test_windows_against_a_search(seed):
    rng = random.Random(seed)
    for _ in range(8):
        capacity = rng.choice((1, 2, 3, 5, 8, 20, 61))
        longest = rng.randint(1, capacity)
        counts = [rng.randint(1, longest) for _ in range(rng.randint(1, 60))]
        spans = windows_of(counts, capacity)
        chosen = choose_windows(counts, spans)
        assert spans == search_windows(counts, capacity)
        check_windows(counts, capacity, spans, chosen)
        for word, k in enumerate(chosen):
            lesser = [
                min(contexts(counts, span, word)) if span[0] <= word < span[1] else -1
                for span in spans
            ]
            assert k == lesser.index(max(lesser))


def test_one_window_where_all_fits():
    assert windows_of([2, 3, 1], 6) == [(0, 3)] and choose_windows([2, 3, 1], [(0, 3)]) == [0, 0, 0]


def test_words_have_context_on_both_sides():
    """Words of one wordpiece in windows of 20: except at the sentence's ends, each word has at
    least 4 words on either side.
    """
    counts = [1] * 200
    spans = windows_of(counts, 20)
    least = [
        min(contexts(counts, spans[k], word))
        for word, k in enumerate(choose_windows(counts, spans))
    ]
    assert min(least[4:-4]) >= 4


def assert_words_are_found(tokenizer, words, got):
    """Checks that each word's wordpieces stand in full at its place, in windows that fit, between
    [CLS] and [SEP].
    """
    assert max(map(len, got.windows)) <= tokenizer.capacity + 2
    assert all(window[0] == tokenizer.cls and window[-1] == tokenizer.sep for window in got.windows)
    for word, window, offset, count in zip(words, got.window, got.offset, got.count, strict=True):
        assert (
            tuple(got.windows[window][offset : offset + count]) == tokenizer.pieces(word)
            and offset >= 1
        )
        assert offset + count < len(got.windows[window])


@pytest.mark.parametrize("seed", range(20))
def test_long_sentences_lose_no_piece(seed):
    rng = random.Random(seed)
    tokenizer = Wordpiece(VOCAB, False, rng.choice((3, 4, 7, 16, 33)))
    words = [letters(rng, rng.choice((1, 1, 1, 2, 5, 40))) for _ in range(rng.randint(1, 80))]
    got = tokenizer.encode(words)
    assert_words_are_found(tokenizer, words, got)
    counts = got.count.tolist()
    assert [len(window) - 2 for window in got.windows] == [
        sum(counts[first:end]) for first, end in windows_of(counts, tokenizer.capacity)
    ]
    same = tokenizer.encode(words, before=["a"] * 9, after=["b"] * 9)
    if len(got.windows) > 1:  # a sentence that does not fit sees no others
        assert all((a == b).all() for a, b in zip(same.windows, got.windows, strict=True))


def test_10000_words():
    """The time grows with the number of words, and not with its square."""
    rng = random.Random(5)
    words = [letters(rng, rng.randint(1, 4)) for _ in range(10_000)]
    tokenizer = Wordpiece(VOCAB, False, 128)
    tokenizer.encode(words)
    started = time.process_time()
    got = tokenizer.encode(words)
    assert time.process_time() - started < 1
    assert_words_are_found(tokenizer, words, got)
    spans = windows_of(got.count.tolist(), 126)
    check_windows(got.count.tolist(), 126, spans, got.window.tolist())
    assert (
        len(spans) == len(got.windows) and 10_000 * 2.5 / 126 < len(spans) < 3 * 10_000 * 2.5 / 126
    )


# ---------------------------------------------------------------- context


def search_context(counts, room, before, after):
    """The numbers of words before and after that are taken, by the rule. before, after: the numbers
    of wordpieces of each word of the document, in order.
    """
    left = max(
        i
        for i in range(len(before) + 1)
        if sum(before[len(before) - i :]) <= max(room // 2, room - sum(after))
    )
    taken = sum(before[len(before) - left :])
    return left, max(i for i in range(len(after) + 1) if sum(after[:i]) <= room - taken)


@pytest.mark.parametrize("seed", range(40))
def test_context_against_a_search(seed):
    rng = random.Random(seed)
    for _ in range(5):
        tokenizer = Wordpiece(VOCAB, False, rng.choice((3, 8, 20, 50)))
        before, words, after = (
            [letters(rng, rng.randint(1, rng.choice((1, 3, 7)))) for _ in range(rng.choice(sizes))]
            for sizes in ((0, 1, 5, 40), (1, 2, 6), (0, 1, 5, 40))
        )
        counts = [
            [len(tokenizer.pieces(word)) for word in sentence]
            for sentence in (before, words, after)
        ]
        if (room := tokenizer.capacity - sum(counts[1])) < 0:
            continue
        left, right = search_context(counts[1], room, counts[0], counts[2])
        got = tokenizer.encode(words, before, after)
        (window,) = got.windows
        shown = [*before[len(before) - left :], *words, *after[:right]]
        assert window[1:-1].tolist() == [
            piece for word in shown for piece in tokenizer.pieces(word)
        ]
        assert_words_are_found(tokenizer, words, got)
        assert got.offset[0] == 1 + sum(counts[0][len(before) - left :])
        if sum(map(sum, counts)) <= tokenizer.capacity:
            assert (left, right) == (len(before), len(after))
        far = tokenizer.encode(
            words,
            ["g"] * 50 + before[-tokenizer.capacity :]
            if len(before) > tokenizer.capacity
            else before,
            after[: tokenizer.capacity],
        )
        assert (
            far.windows[0] == window
        ).all()  # capacity words on each side are all that ever counts


def test_context_is_on_both_sides():
    """Half of the room is for words before and the rest for words after; where one side is short,
    the other gets more.
    """
    tokenizer = Wordpiece(VOCAB, False, 12)
    text = lambda *args: "".join(VOCAB[i] for i in tokenizer.encode(*args).windows[0][1:-1])
    assert text(["g"], list("abcdef") * 9, list("fedcba") * 9) == "cdefg" + "fedcb"
    assert text(["g"], list("abcdef") * 9, ["a"]) == "efabcdefg" + "a"
    assert text(["g"], ["a"], list("fedcba") * 9) == "ag" + "fedcbafe"
    assert text(["g"], list("abcdef") * 9, []) == "defabcdefg" and text(["g"], [], []) == "g"
    assert (
        text(["g"], ["a", "bcdefg"], ["bcdefga", "a"]) == "gb##c##d##e##f##g##a" + "a"
    )  # whole words only, the nearest first
