"""BERT's wordpieces and windows in C++: the wordpieces are those of the library `tokenizers` for
any text, the windows those of features/wordpiece.py.
"""

import os
import random
import re
import subprocess
import sys
import unicodedata

import pytest
import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers

from features.wordpiece import Wordpiece
from support.corpora import CORPORA, words_of
from support.corpora import NASTY_PIECES as NASTY
from support.serving import INFERENCE, probe
from support.wordpieces import KINDS, SPECIAL, normalizer, vocabulary

CODES = [chr(code) for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF and code != 10]


def reference(vocab, kind):
    """A function that takes words (bytes) and returns the ids of each word's wordpieces, by
    `tokenizers`.
    """
    tokenizer = Tokenizer(
        models.WordPiece(
            vocab={piece: i for i, piece in enumerate(vocab)},
            unk_token="[UNK]",
            max_input_chars_per_word=100,
        )
    )
    tokenizer.normalizer, tokenizer.pre_tokenizer = (
        normalizer(kind),
        pre_tokenizers.BertPreTokenizer(),
    )
    return lambda words: [
        encoded.ids
        for encoded in tokenizer.encode_batch_fast(
            [word.decode(errors="replace") for word in words], add_special_tokens=False
        )
    ]


# ---------------------------------------------------------------- normalizer and pre-tokenizer


def check_tokens(lines, kind):
    """Checks that C++ finds the tokens of `tokenizers` in lines (bytes). Returns their number."""
    normalize, split = (
        normalizer(kind).normalize_str,
        pre_tokenizers.BertPreTokenizer().pre_tokenize_str,
    )
    count = 0
    for line, ours in zip(lines, probe("bert_tokens", lines, kind), strict=True):
        expected = [token for token, _ in split(normalize(line.decode(errors="replace")))]
        assert ours.decode().split(" ")[:-1] == expected, (kind, line)
        count += len(expected)
    return count


@pytest.mark.slow
def test_the_tables_say_the_version_that_they_were_made_with():
    """With another version of `tokenizers`, the tests below show whether its tables are still the
    same.
    """
    with open(
        os.path.join(INFERENCE, "cc", "text", "unicode_wordpiece.inc"), encoding="utf-8"
    ) as stream:
        text = stream.read()
    version = re.search(r'kTokenizersVersion\[\] = "([\d.]+)"', text).group(1)
    if version == tokenizers.__version__:
        made = subprocess.run(
            [sys.executable, os.path.join(INFERENCE, "cc", "text", "make_wordpiece.py")],
            capture_output=True,
            check=True,
        ).stdout.decode()
        assert made == text


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_of_every_code_point(kind):
    """Each code point stands alone, between letters, and after a letter with marks on both
    sides.
    """
    forms = [f"{letter} a{letter}B A\u0301{letter}\u0327" for letter in CODES]
    assert (
        check_tokens([" ".join(forms[i : i + 50]).encode() for i in range(0, len(forms), 50)], kind)
        > 3_000_000
    )


def marks():
    return [letter for letter in CODES if unicodedata.combining(letter)]


ALPHABETS = {
    "all planes": lambda: CODES,
    "below U+3100": lambda: CODES[:0x3100],
    "combining": lambda: [
        *marks(),
        *"aEÅéσΣ",
        *"\u034f\u0344\u0f73\u0f75\u0f81\u1d15e\u302e\u302f",
        *map(chr, range(0x1D157, 0x1D173)),
        *map(chr, range(0x1D1B9, 0x1D1C1)),
    ],
    "hangul": lambda: [
        *map(chr, range(0x1100, 0x1200)),
        *map(chr, range(0xAC00, 0xAC00 + 2000)),
        *map(chr, range(0xD7B0, 0xD7FC)),
        "\u302e",
        "\u302f",
    ],
    "case": lambda: [*"aAbBΣσςİIıßẞǅéÉὈὨ", "\u0307", "\u0345", "\u00ad", "-", "'", "ﬁ", "Ⅷ", "𐐀"],
    "invisible": lambda: [
        *"ab.[]#漢豈丽",
        "\0",
        "\x01",
        "\t",
        "\r",
        "\x7f",
        "\x85",
        "\xa0",
        "\xad",
        "\u200b",
        "\u200c",
        "\u200d",
        "\u2028",
        "\u2029",
        "\u3000",
        "\ufeff",
        "\ufffd",
        "\uffff",
        "\ue000",
        "\U000e0020",
        "\U000f0000",
        "\u0301",
        "👩",
        "\U0001f3fd",
    ],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_tokens_of_random_strings(alphabet, kind):
    rng, letters = random.Random(alphabet), ALPHABETS[alphabet]()
    check_tokens(
        ["".join(rng.choices(letters, k=rng.randint(1, 12))).encode() for _ in range(20_000)], kind
    )


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_of_bytes_that_are_not_utf8(kind):
    rng = random.Random(6)
    parts = [*NASTY, *(bytes([byte]) for byte in range(0x80, 0x100))]
    check_tokens([b"".join(rng.choices(parts, k=rng.randint(1, 10))) for _ in range(20_000)], kind)


# ---------------------------------------------------------------- pieces


def scripts():
    """Every seventh letter or digit of Unicode, without ideographs and syllables."""
    return [
        letter
        for letter in CODES
        if unicodedata.category(letter)[0] in "LN"
        and not "\u3400" <= letter <= "\u9fff"
        and not "\uac00" <= letter <= "\ud7a3"
        and letter < "\U00020000"
    ][::7]


def published(shared):
    with open(shared("conformance/bert/cased_vocab.txt"), encoding="utf-8") as stream:
        return stream.read().split("\n")[:-1]


CHINESE = [corpus for corpus in CORPORA if "resume" in corpus]
ENGLISH = [corpus for corpus in CORPORA if "resume" not in corpus]
# {name: (kind, function -> pieces)}: a published one, and three that are made here.
VOCABULARIES = {
    "cased": ("cased", published),
    "uncased": ("uncased", lambda shared: vocabulary(words_of(shared, ENGLISH), "uncased")),
    "chinese": ("uncased", lambda shared: vocabulary(words_of(shared, CHINESE), "uncased")),
    "multilingual": ("cased", lambda shared: vocabulary(words_of(shared), "cased", scripts())),
}


def save(vocab, path):
    path.write_text("".join(piece + "\n" for piece in vocab), encoding="utf-8", newline="")
    return path


def check_pieces(words, vocab, kind, path):
    """Checks that C++ splits words (bytes) into the wordpieces of `tokenizers`. Returns the set of
    all ids.
    """
    seen = set()
    for word, ids, ours in zip(
        words,
        reference(vocab, kind)(words),
        probe("wordpiece", words, str(path), kind),
        strict=True,
    ):
        assert [int(id) for id in ours.split()] == ids, word
        seen.update(ids)
    return seen


@pytest.mark.parametrize("name", VOCABULARIES)
def test_pieces_of_every_word_of_the_corpora(shared, tmp_path, name):
    """Every vocabulary is used on every corpus, as it is, in upper case, and with four words
    joined.
    """
    kind, make = VOCABULARIES[name]
    vocab = make(shared)
    words = sorted(words_of(shared))
    words += [word.decode().upper().encode() for word in words] + [
        b"".join(words[i : i + 4]) for i in range(0, len(words), 4)
    ]
    assert len(words) > 100_000
    seen = check_pieces(words, vocab, kind, save(vocab, tmp_path / "vocab.txt"))
    assert len(seen) > (3000 if name != "chinese" else 1500)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_of_random_words(tmp_path, kind):
    """A small vocabulary whose wordpieces overlap, and words that are too long or have characters
    that it lacks: ##d, and the letter z.
    """
    rng = random.Random(7)
    letters = "abcd" + ("e" if kind == "uncased" else "é")
    pieces = ["".join(rng.choices(letters, k=rng.randint(2, 4))) for _ in range(200)]
    vocab = list(
        dict.fromkeys(
            [
                *SPECIAL,
                "",
                "##",
                "#",
                "[",
                "]",
                ".",
                "漢",
                *letters,
                *pieces,
                *("##" + piece for piece in pieces[::2]),
                *("##" + letter for letter in letters if letter != "d"),
            ]
        )
    )
    words = [
        "".join(rng.choices("abcdé漢.", (9, 9, 9, 2, 3, 1, 1), k=rng.choice((1, 3, 8, 20))))
        for _ in range(20_000)
    ]
    words += [
        letter * count + end
        for letter in "aéz漢Å"
        for count in (98, 99, 100, 101, 200)
        for end in ("", "b", "\u0301", "\u200b", ".")
    ]
    words += ["[SEP]", "[UNK]", "##a", "#", "a##b", "\u200b", "\ufffd", " "]
    seen = check_pieces(
        [word.encode() for word in words], vocab, kind, save(vocab, tmp_path / "vocab.txt")
    )
    assert len(seen) > 0.8 * len(vocab) and 1 in seen


# ---------------------------------------------------------------- windows

WORDS = [
    "a",
    "bb",
    "aab",
    "Cd",
    "a.b",
    "x",
    "漢字漢",
    "\u200b",
    "\udcff",
    "z" * 120,
    "-" * 7,
    "a" * 40,
]


def check_windows(documents, max_seq_length, path):
    """Checks that C++ makes the windows of features/wordpiece.py for documents, which are lists of
    sentences. Returns their number.
    """
    vocab = path.read_text(encoding="utf-8").split("\n")[:-1]
    wordpiece, count = Wordpiece(vocab, False, max_seq_length), 0
    lines = [
        " ".join(words).encode(errors="surrogateescape")
        for document in documents
        for words in [*document, ""]
    ]
    given = iter(probe("windows", lines, str(path), "cased", max_seq_length))
    for document in documents:
        for i, words in enumerate(document):
            before, after = (
                [word for sentence in part for word in sentence]
                for part in (document[:i], document[i + 1 :])
            )
            expected = wordpiece.encode(words, before, after)
            window, offset, *windows = (
                [int(number) for number in part.split()] for part in next(given).split(b"|")[:-1]
            )
            assert windows == [window.tolist() for window in expected.windows], words
            assert (window, offset) == (expected.window.tolist(), expected.offset.tolist())
            count += len(windows)
    assert next(given, None) is None
    return count


@pytest.mark.parametrize("max_seq_length", [3, 4, 9, 40, 180])
def test_windows_of_random_documents(tmp_path, max_seq_length):
    path = save([*SPECIAL, *"abcdC.-漢字", "##a", "##b", "##d"], tmp_path / "vocab.txt")
    rng = random.Random(max_seq_length)
    documents = [
        [
            rng.choices(WORDS, k=rng.choice((1, 2, 5, 20, 90)))
            for _ in range(rng.choice((1, 2, 3, 9)))
        ]
        for _ in range(60)
    ]
    assert check_windows(documents, max_seq_length, path) > 400
    assert (
        check_windows(
            [[["a"] * (max_seq_length + k)] * 3 for k in range(-4, 3) if max_seq_length + k > 0],
            max_seq_length,
            path,
        )
        > 10
    )


@pytest.mark.parametrize("max_seq_length", [3, 64, 512])
def test_windows_of_10000_tokens(tmp_path, max_seq_length):
    path = save([*SPECIAL, *"abcdC.-漢字", "##a", "##b", "##d"], tmp_path / "vocab.txt")
    rng = random.Random(8)
    documents = [
        [["a"] * 10_000],
        [["a"], rng.choices(WORDS, k=10_000), ["bb"]],
        [[word] for word in rng.choices(WORDS, k=1000)],
    ]
    assert check_windows(documents, max_seq_length, path) > 1000
