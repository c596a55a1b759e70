"""Line mode and JSON in C++: the tokens of features/tokenizer.py, the chunks of conll.py, and JSON
that json.loads reads, whatever the text is.
"""

import json
import random
import re

import pytest

import conll
import schemes
from features.tokenizer import SPACES, tokenize
from support.corpora import CORPORA, LINE_ENDS
from support.corpora import NASTY_PIECES as NASTY
from support.serving import probe

SCHEMES = [*schemes.SCHEMES, schemes.RAW]


def decoded(line):
    """Decodes a line as inference.py does in line mode."""
    return line.decode(errors="surrogateescape")


# ---------------------------------------------------------------- tokens


def check_tokens(lines, tokenizer="words"):
    """Checks that C++ finds the tokens of features/tokenizer.py in lines (bytes), in order and with
    only white space between them.
    """
    count = 0
    for line, places in zip(lines, probe("tokenize", lines, tokenizer), strict=True):
        spans = [tuple(map(int, place.split(b"-"))) for place in places.split()]
        expected = tokenize(decoded(line), tokenizer)
        assert [decoded(line[begin:end]) for begin, end in spans] == expected, line
        bounds = [0, *(place for span in spans for place in span), len(line)]
        assert bounds == sorted(bounds)
        assert not tokenize(
            decoded(b"".join(line[end:begin] for end, begin in zip(bounds[::2], bounds[1::2])))
        ), line
        count += len(expected)
    return count


def test_tokens_of_every_code_point():
    """Each code point stands alone and between letters, except the newline; a lone surrogate stands
    as the bytes to which Python encodes it.
    """
    words = [
        f"{character} a{character}b".encode(errors="surrogatepass")
        for code in range(0x110000)
        if (character := chr(code)) != "\n"
    ]
    assert (
        check_tokens([b" ".join(words[i : i + 20]) for i in range(0, len(words), 20)]) > 2_200_000
    )


def test_tokens_of_characters_in_every_place():
    """The characters in the rules, those that Python folds to a letter of the clitics, and all up
    to U+3100, in every place that a rule reads.
    """
    folded = re.compile("(?i)[smdrevlnt.'’]")
    near = [*range(0x3100), *range(0xFE00, 0x10000)]
    far = [code for code in range(0x110000) if folded.fullmatch(chr(code))]
    characters = [chr(code) for code in {*near, *far} - {10}]
    forms = (
        "'{0} x'{0} x’{0} x'{0}e {0}{0} {0}. .{0} ({0} {0}) A.{0}. {0}.B. x{0}'t xn{0}t xn'{0} "
        "x{0}s x'r{0} {0}'s "
        "...{0} {0}... '{0}s x '' {0}"
    )
    assert len(characters) > 0x3100
    check_tokens(
        [forms.format(character).encode(errors="surrogatepass") for character in characters]
    )


def test_tokens_of_random_strings():
    rng = random.Random(1)
    pieces = [
        *"\"'`([{<$#@*“‘«¿（「)]}>.,;:!?%…”’»›。，",
        "n't",
        "N'T",
        "'s",
        "’S",
        "'ſ",
        "'re",
        "’ve",
        "'LL",
        "'d",
        "'m",
        "nt",
        "...",
        "..",
        "J.",
        "U.S.",
        "A.b.C.",
        "a.b.c.d.e.f.g.h.i.j.",
        "k.",
        "é",
        "漢",
        "😀",
        "x",
        "Word",
        "1",
        "-",
        " ",
        "\t",
        "\u00a0",
        "\u2003",
        "\u3000",
        "\v",
        "\r",
    ]
    texts = ["".join(rng.choices(pieces, k=rng.randint(0, 12))).encode() for _ in range(40_000)]
    assert check_tokens(texts) > 100_000


def test_tokens_of_bytes_that_are_not_utf8():
    rng = random.Random(2)
    pieces = [
        *NASTY,
        b"'",
        b"\xe2\x80\x99",
        b"\x80",
        b"\x99",
        b"\xe2",
        b"\xc2",
        b"\xa0",
        b"n't",
        b"U.S.",
    ]
    check_tokens([b"".join(rng.choices(pieces, k=rng.randint(1, 12))) for _ in range(20_000)])
    check_tokens([rng.randbytes(rng.randint(1, 30)).replace(b"\n", b"") for _ in range(20_000)])


def test_tokens_of_characters():
    """A model that was trained with characters: each is a token that is no white space, a byte that
    is not UTF-8 included.
    """
    rng = random.Random(3)
    pieces = [
        *NASTY,
        *(letter.encode() for letter in "明天á👩‍👧🇨🇭שלום\u3000\u00a0\u200f\ufeff\r"),
        b"\xe6\x98",
    ]
    lines = [b"".join(rng.choices(pieces, k=rng.randint(0, 20))) for _ in range(3000)]
    lines = [line.replace(b"\n", b"") for line in lines]
    assert check_tokens(lines, "characters") > 12_000
    for line, places in zip(lines, probe("tokenize", lines, "characters"), strict=True):
        assert len(places.split()) == sum(letter not in SPACES for letter in decoded(line))


def test_tokens_of_corpora(shared):
    lines = []
    for corpus in CORPORA:
        with open(shared("data/" + corpus), "rb") as stream:
            lines += [
                b" ".join(row.split()[0] for row in block.rows)
                for block in conll.read_blocks(stream)
                if block.rows
            ]
            lines += [line.replace(b" ", b"") for line in lines[-200:]]
    assert check_tokens(lines) > 500_000


# ---------------------------------------------------------------- JSON


def random_tags(rng, count, scheme):
    """Tags in the prefixes of a scheme, well-formed or not."""
    if scheme == schemes.RAW:
        return rng.choices(["O", "NN", "B-NP", "-", "Ñ"], k=count)
    prefixes = sorted({tag[0] for tag in schemes.scheme_tags(["O", "B-x"], "bio", scheme)} - {"O"})
    return rng.choices(
        [
            "O",
            *(f"{prefix}-{kind}" for prefix in prefixes for kind in ("PER", "LOC", 'a-"b')),
            *prefixes,
        ],
        k=count,
    )


def read_chunks(tags, scheme):
    if scheme == schemes.RAW:
        return [(i, i + 1, tag) for i, tag in enumerate(tags) if tag != "O"]
    return schemes.chunks(tags)


def places(text, tokens):
    """The places of tokens in a text: (start, end) in characters."""
    found, at = [], 0
    for token in tokens:
        start = text.index(token, at)
        at = start + len(token)
        found.append((start, at))
    return found


def shown(text):
    """The form of a text (decoded with surrogateescape) in JSON."""
    return re.sub("[\udc80-\udcff]", "\ufffd", text)


def check_json(kind, sentences, scheme):
    """Checks that each line of C++ is the JSON that Python writes. sentences: (text as bytes, its
    tokens as str, their tags). Returns the number of entities.
    """
    out = probe(
        "entities",
        [part for text, _, tags in sentences for part in (text, " ".join(tags).encode())],
        kind,
        scheme,
    )
    assert len(out) == len(sentences) == len(b"\n".join(out).decode().splitlines())
    count = 0
    for line, (text, tokens, tags) in zip(out, sentences):
        text, read = decoded(text), json.loads(line.decode())
        spans = places(text, tokens)
        expected = [
            {
                "text": shown(text[spans[start][0] : spans[end - 1][1]]),
                "type": kind,
                "start": spans[start][0],
                "end": spans[end - 1][1],
            }
            for start, end, kind in read_chunks(tags, scheme)
        ]
        assert read == {"text": shown(text), "entities": expected}, line
        assert list(read) == ["text", "entities"] and all(
            list(entity) == ["text", "type", "start", "end"] for entity in read["entities"]
        )
        assert all(
            read["text"][entity["start"] : entity["end"]] == entity["text"]
            for entity in read["entities"]
        )
        count += len(expected)
    return count


@pytest.mark.parametrize("scheme", SCHEMES)
def test_json_of_lines(scheme):
    """Lines of nasty characters and of random bytes, tags in every scheme."""
    rng = random.Random(3)
    lines = [b"".join(rng.choices(NASTY, k=rng.randint(0, 20))) for _ in range(2000)]
    lines += [rng.randbytes(rng.randint(0, 30)).replace(b"\n", b"") for _ in range(2000)]
    sentences = [
        (line, tokens := tokenize(decoded(line)), random_tags(rng, len(tokens), scheme))
        for line in lines
    ]
    assert check_json("line", sentences, scheme) > 5000


@pytest.mark.parametrize("scheme", SCHEMES)
def test_json_of_columns(scheme):
    """The same for words that are given, which may hold white space and anything else."""
    rng = random.Random(4)
    letters = [piece for piece in NASTY if piece not in (b" ", b"\t")]
    words = [
        [b"".join(rng.choices(letters, k=rng.randint(1, 4))) for _ in range(rng.randint(1, 12))]
        for _ in range(2000)
    ]
    sentences = [
        (b" ".join(sentence), list(map(decoded, sentence)), random_tags(rng, len(sentence), scheme))
        for sentence in words
    ]
    assert check_json("columns", sentences, scheme) > 3000


def test_every_code_point_in_json():
    """Each code point stands as itself, or is escaped: those that JSON requires, and line ends."""
    characters = [
        chr(code) for code in range(0x110000) if code != 10 and not 0xD800 <= code < 0xE000
    ]
    lines = ["x".join(characters[i : i + 1000]) for i in range(0, len(characters), 1000)]
    out = [
        line.decode()
        for line in probe(
            "entities", [part for line in lines for part in (line.encode(), b"")], "line", "bio"
        )
    ]
    assert [json.loads(line)["text"] for line in out] == lines
    escaped = {
        json.loads(f'"{escape}"')
        for line in out
        for escape in re.findall(r"\\(?:u[0-9a-f]{4}|.)", line)
    }
    assert escaped == {*map(chr, range(32)), '"', "\\", *LINE_ENDS} - {"\n"}


def test_json_of_corpora(shared):
    """Gold tags and joined words give the entities that conll.py reads, in every scheme of a
    corpus.
    """
    count = 0
    for corpus, columns in (
        ("conll2003/dev.txt", None),
        ("wnut17/dev.conll", None),
        ("resume_ner/dev.char.bmes", None),
    ):
        sentences, _ = conll.read_sentences(shared("data/" + corpus), columns)
        scheme = schemes.detect([sentence.tags for sentence in sentences])
        count += check_json(
            "columns",
            [
                (" ".join(sentence.words).encode(), sentence.words, sentence.tags)
                for sentence in sentences
            ],
            scheme,
        )
    assert count > 5000


def test_json_of_a_long_line_takes_linear_time():
    """With 300,000 entities, a scan from the left for each of them would take minutes."""
    words = ["é"] * 300_000
    assert check_json(
        "line", [(" ".join(words).encode(), words, ["B-X"] * len(words))], "bio"
    ) == len(words)
