"""Column files and tag schemes, compared with the text rules of the project and with
enumeration.
"""

import doctest
import io
import itertools
import os
import random
import re

import pytest

import conll
import schemes
from cli import UserError
from conll import BlockReader, SentenceParser
from schemes import RAW, SCHEMES
from support import sample_data

STRANGE = [
    "\x0b",
    "\x0c",
    "\x1c",
    "\u0085",
    "\u2028",
    "\u00a0",
    "\u3000",
    "\ufeff",
]  # blanks to str.split(), not to us
PAIRS = list(itertools.product(SCHEMES, SCHEMES))


def blocks_of(data, cuts=()):
    """Blocks of `data`, fed in pieces that end at `cuts`."""
    reader, bounds = BlockReader(), [0, *sorted(cuts), len(data)]
    found = [
        block for start, end in zip(bounds, bounds[1:]) for block in reader.feed(data[start:end])
    ]
    return found + reader.close()


def tagged(data, tag=b"T", cuts=()):
    out = io.BytesIO()
    for block in blocks_of(data, cuts):
        block.write(out, [tag] * len(block.rows))
    return out.getvalue()


def parse(data, **settings):
    """Sentences of `data`."""
    parser = SentenceParser("FILE", **settings)
    return [parser.parse(block) for block in blocks_of(data) if block.rows]


def without_mark(data):
    return data.removeprefix(b"\xef\xbb\xbf")


def random_stream(rng):
    pieces = [
        b" ",
        b"\t",
        b"\r",
        b"\n",
        b"\n",
        b"\n",
        b"\r\n",
        b"\n\n",
        b"a",
        b"bc",
        b"x y",
        b"\xff",
        b"\xc3\xa9",
        b"\xe2\x80",
        b"-DOCSTART-",
        b"\n-docstart-",
    ] + [text.encode() for text in STRANGE]
    mark = b"\xef\xbb\xbf" * rng.choice((0, 0, 1, 2))
    return mark + b"".join(rng.choice(pieces) for _ in range(rng.randrange(60)))


# ---------------------------------------------------------------- text rules


@pytest.mark.parametrize("seed", range(400))
def test_rows_out_are_rows_in(seed):
    """A random stream is cut anywhere; each line comes out unchanged except for the tag column."""
    rng = random.Random(seed)
    data = random_stream(rng)
    cuts = [rng.randrange(len(data) + 1) for _ in range(rng.randrange(8))]
    out = tagged(data, b"\x01", cuts)
    assert out.startswith(b"\xef\xbb\xbf") == data.startswith(b"\xef\xbb\xbf")
    before, after = (without_mark(stream).split(b"\n") for stream in (data, out))
    assert len(before) == len(after)
    for line, out in zip(before, after):
        if re.fullmatch(rb"[ \t\r]*", line):
            assert out == line
            continue
        assert line in (out.replace(b"\x01", b""), re.sub(rb"[ \t]\x01", b"", out))
        columns = [column for column in re.split(rb"[ \t]+", re.sub(rb"\r$", b"", line)) if column]
        assert [
            column for column in re.split(rb"[ \t]+", re.sub(rb"\r$", b"", out)) if column
        ] == columns + [b"\x01"]
        assert out.endswith(b"\r") == line.endswith(b"\r")


@pytest.mark.parametrize("seed", range(200))
def test_blocks_do_not_depend_on_where_the_stream_is_cut(seed):
    rng = random.Random(seed)
    data = random_stream(rng)
    whole = blocks_of(data)
    assert blocks_of(data, range(len(data))) == whole
    assert list(conll.read_blocks(io.BytesIO(data), rng.randrange(1, 9))) == whole


@pytest.mark.parametrize("seed", range(200))
def test_line_numbers(seed):
    data = without_mark(random_stream(random.Random(seed)))
    lines = data.split(b"\n")
    number = 1
    for block in blocks_of(b"\xef\xbb\xbf" + data)[1:]:
        assert block.first_line == number
        ended = block.rows + ([] if block.end is None else [block.end])
        assert lines[number - 1 : number - 1 + len(ended)] == ended
        number += len(ended)
    assert number in (
        len(lines),
        len(lines) + 1,
    )  # the piece after the last newline is a line unless it is empty


@pytest.mark.parametrize(
    "line, expected",
    [
        (b"a", b"a T"),
        (b"a b", b"a b T"),
        (b"a\tb", b"a\tb\tT"),
        (b"a b\tc", b"a b\tc\tT"),
        (b"a\tb c", b"a\tb c T"),
        (b"a b \t ", b"a b \t T"),
        (b"a b\r", b"a b T\r"),
        (b"a\tb\t\r", b"a\tb\tT\r"),
        (b"  a", b"  a T"),
        (b"\xff\xfe", b"\xff\xfe T"),
        (b"a\xc2\xa0b", b"a\xc2\xa0b T"),
        (b"a\r\r", b"a\r T\r"),
        (b"-DOCSTART- -X- O O", b"-DOCSTART- -X- O O T"),
    ],
)
def test_the_tag_follows_the_row(line, expected):
    for end in (b"", b"\n", b"\n\n", b"\n \t\r\n"):
        assert tagged(line + end) == expected + end


def test_a_block_is_out_as_soon_as_its_blank_line_is_in():
    reader = BlockReader()
    assert (
        reader.feed(b"a O\nb") == [] and reader.feed(b" O\n") == [] and reader.feed(b" \t\r") == []
    )
    (block,) = reader.feed(b"\nc O")
    assert block.rows == [b"a O", b"b O"] and block.end == b" \t\r"
    assert reader.close() == [conll.Block(4, [b"c O"], None, False)]


@pytest.mark.parametrize("blank", [b"", b" ", b"\t", b"\r", b" \t \r", b"\r\r", b"\r "])
def test_blank_lines(blank):
    data = b"a O\n" + blank + b"\n" + blank + b"\nb O\n"
    assert [sentence.words for sentence in parse(data)] == [["a"], ["b"]]
    assert [sentence.first_line for sentence in parse(data)] == [1, 4]
    assert tagged(data) == data.replace(b"O", b"O T")


@pytest.mark.parametrize("text", STRANGE)
def test_only_space_and_tab_separate_columns_and_only_newline_ends_a_line(text):
    (sentence,) = parse(f"a O\n{text}x{text}y{text} O\n{text} B-X".encode())
    assert sentence.words == ["a", f"{text}x{text}y{text}", text]
    assert sentence.tags == ["O", "O", "B-X"]


@pytest.mark.parametrize("separator", [b" ", b"\t", b"   ", b" \t\t "])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_separators_and_line_ends_do_not_change_what_is_read(separator, newline):
    rows = [[b"EU", b"NNP", b"B-NP", b"B-ORG"], [b"r\xc3\xa9jects", b"VBZ", b"B-VP", b"O"]]
    plain = b"\n".join(b" ".join(row) for row in rows)
    for data in (
        newline.join(separator.join(row) for row in rows) + tail
        for tail in (b"", newline, newline * 3)
    ):
        assert (
            parse(data)
            == parse(plain)
            == [
                conll.Sentence(
                    1, ["EU", "réjects"], ["NNP", "VBZ"], ["B-NP", "B-VP"], ["B-ORG", "O"]
                )
            ]
        )


def test_no_sentence_is_lost_at_the_end():
    for data, count in (
        (b"", 0),
        (b"\n", 0),
        (b"a O", 1),
        (b"a O\n", 1),
        (b"a O\n\n", 1),
        (b"a O\n\n\n", 1),
        (b"a O\n\nb O", 2),
    ):
        assert len(parse(data)) == count


@pytest.mark.parametrize("seed", range(100))
def test_each_byte_that_is_not_utf8_is_one_character(seed):
    rng = random.Random(seed)
    pieces = [
        b"a",
        b"\xc3\xa9",
        b"\xe4\xbd\xa0",
        b"\xf0\x9f\x98\x80",
        b"\xff",
        b"\xc3",
        b"\xe4\xbd",
        b"\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xc0\xaf",
    ]
    chosen = [rng.choice(pieces[:4] if rng.random() < 0.5 else pieces) for _ in range(6)]
    bad = sum(len(piece) for piece in chosen if piece not in pieces[:4])
    parser = SentenceParser("FILE")
    (block,) = blocks_of(b"a".join(chosen) + b" O")  # an `a` between, so that halves do not join
    (word,) = parser.parse(block).words
    assert parser.bad_bytes == bad
    assert len(word) == bad + sum(piece in pieces[:4] for piece in chosen) + 5
    assert word.encode(errors="surrogateescape") == b"a".join(chosen)
    if bad:
        with pytest.raises(UserError, match="^FILE:1: not UTF-8"):
            SentenceParser("FILE", strict=True).parse(block)


def test_the_line_that_is_not_utf8_is_named(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_bytes(b"a O\n\nb O\nc\xe9 O\n")
    with pytest.raises(UserError, match=rf"^{re.escape(str(path))}:4: not UTF-8"):
        conll.read_sentences(str(path))


# ---------------------------------------------------------------- columns


@pytest.mark.parametrize(
    "text, expected",
    [
        ("word pos chunk tag", ("word", "pos", "chunk", "tag")),
        ("tag,word", ("tag", "word")),
        ("_ word _ _", ("_", "word", "_", "_")),
    ],
)
def test_columns_by_name(text, expected):
    assert conll.parse_columns(text) == expected


@pytest.mark.parametrize(
    "text, message",
    [
        ("word tga", "did you mean tag"),
        ("word word", "twice"),
        ("pos tag", "no word column"),
        ("", "no word column"),
    ],
)
def test_columns_that_cannot_be(text, message):
    with pytest.raises(UserError, match=message):
        conll.parse_columns(text)


def test_columns_in_another_order():
    (sentence,) = parse(b"1 B-X x Tim\n2 O y ran\n", columns=("_", "tag", "_", "word"))
    assert sentence == conll.Sentence(1, ["Tim", "ran"], None, None, ["B-X", "O"])


@pytest.mark.parametrize(
    "count, own, expected",
    [
        (1, None, ("word",)),
        (2, None, ("word", "tag")),
        (3, None, ("word", "pos", "chunk")),
        (4, None, conll.COLUMN_NAMES),
        (5, None, None),
        (3, ("word", "pos", "tag"), ("word", "pos", "tag")),
        (2, ("word", "pos", "tag"), ("word", "pos")),
        (5, ("_", "_", "word", "pos", "tag"), ("_", "_", "word", "pos", "tag")),
        (1, ("word", "pos", "tag"), ("word",)),
        (1, ("word", "tag"), ("word",)),
        (3, ("word", "pos", "chunk", "tag"), ("word", "pos", "chunk")),
    ],
)
def test_columns_by_number(count, own, expected):
    assert conll.choose_columns(count, own) == expected


@pytest.mark.parametrize(
    "data, line",
    [
        (b"a b c d\n\na b c d\na b c\n", 4),
        (b"a O\nb\n", 2),
        (b"a O\n\n\nb x O\n", 4),
        (b"a b c d e\n", 1),
    ],
)
def test_a_row_with_other_columns_is_named(data, line):
    with pytest.raises(UserError, match=f"^FILE:{line}: "):
        parse(data)


def test_docstart():
    """A -DOCSTART- line may have any number of columns, and does not decide the columns of the
    file.
    """
    first, second = parse(b"-DOCSTART- -X- -X- O\n\na O\n")
    assert (
        first.is_docstart
        and first.tags == ["O"]
        and not second.is_docstart
        and second.tags == ["O"]
    )


@pytest.mark.parametrize("seed", range(100))
def test_sentences_are_those_of_a_plain_reading(seed):
    """A plain reader goes line by line: a blank line ends a sentence, a -DOCSTART- row is a
    sentence of its own.
    """
    data = random_stream(random.Random(seed))
    expected, rows = [], []
    for line in without_mark(data).split(b"\n") + [b""]:
        first = re.match(rb"[ \t]*([^ \t]*?)(?:[ \t]|\r?\Z)", line)[1]
        is_docstart = first.lower() == b"-docstart-"
        if is_docstart or not line.strip(b" \t\r"):
            expected, rows = expected + [rows], []
        if is_docstart:
            expected.append([line])
        elif line.strip(b" \t\r"):
            rows.append(line)
    assert [block.rows for block in blocks_of(data) if block.rows] == list(filter(None, expected))


@pytest.mark.parametrize(
    "row", [b"-DOCSTART- -X- O", b"-docstart-", b" -DocStart-\tx\r", b"-DOCSTART-\r"]
)
@pytest.mark.parametrize("before", [b"", b"a O\n", b"a O\n\n"])
@pytest.mark.parametrize("after", [b"", b"\n", b"\nb O", b"\n\nb O\n", b"\n-DOCSTART-\nb O"])
def test_docstart_is_a_sentence_wherever_it_stands(row, before, after):
    found = parse(before + row + after)
    alone = [sentence for sentence in found if sentence.is_docstart]
    assert len(alone) == 1 + after.count(b"-D")
    assert [sentence.words for sentence in found if not sentence.is_docstart] == [
        [word] for word in "ab" if word.encode() + b" O" in before + after
    ]
    assert tagged(before + row + after).count(b"\n") == (before + row + after).count(b"\n")


@pytest.mark.parametrize(
    "row", [b"-DOCSTART-x O", b"x-DOCSTART- O", b"-DOC\xc5\xbfTART- O", b"DOCSTART O"]
)
def test_what_is_no_docstart(row):
    (sentence,) = parse(b"a O\n" + row)
    assert len(sentence.words) == 2


def test_docstart_is_not_read_for_training(tmp_path):
    path = tmp_path / "train.txt"
    path.write_bytes(b"-DOCSTART- O\n\na O\n\n-DOCSTART- O\n\n")
    sentences, columns = conll.read_sentences(str(path))
    assert [sentence.words for sentence in sentences] == [["a"]] and columns == ("word", "tag")


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", ":1: no sentence"),
        (b"\n \n", ":1: no sentence"),
        (b"-DOCSTART- O\n", ":1: no sentence"),
        (b"\na b c\n", ":2: no tag column"),
    ],
)
def test_files_without_what_training_needs(tmp_path, data, message):
    path = tmp_path / "train.txt"
    path.write_bytes(data)
    with pytest.raises(UserError, match=re.escape(str(path)) + message):
        conll.read_sentences(str(path))


# ---------------------------------------------------------------- schemes

SAMPLE = [(0, 1, "X"), (1, 3, "X"), (4, 7, "Y"), (7, 8, "X"), (8, 9, "X")]
IN_SCHEME = {  # of ten tokens, written down by hand from the definitions
    "bio": "B-X B-X I-X O B-Y I-Y I-Y B-X B-X O",
    "iob1": "I-X B-X I-X O I-Y I-Y I-Y I-X B-X O",
    "ioe1": "E-X I-X I-X O I-Y I-Y I-Y E-X I-X O",
    "ioe2": "E-X I-X E-X O I-Y I-Y E-Y E-X E-X O",
    "iobes": "S-X B-X E-X O B-Y I-Y E-Y S-X S-X O",
    "bmes": "S-X B-X E-X O B-Y M-Y E-Y S-X S-X O",
    "bilou": "U-X B-X L-X O B-Y I-Y L-Y U-X U-X O",
}


def random_layout(rng, length, kinds=("X", "Y", "A-B")):
    """Random disjoint chunks of a sentence, as (start, end, type)."""
    spans, i = [], 0
    while i < length:
        size = min(rng.randrange(1, 5), length - i)
        if rng.random() < 0.6:
            spans.append((i, i + size, rng.choice(kinds)))
        i += size
    return spans


def layouts(length, kinds):
    """All possible sets of disjoint chunks over `length` tokens."""
    if length == 0:
        yield []
        return
    for size in range(1, length + 1):
        for rest in layouts(length - size, kinds):
            moved = [(start + size, end + size, kind) for start, end, kind in rest]
            for kind in kinds:
                yield [(0, size, kind), *moved]
            if size == 1:
                yield moved


def well_formed_sequences(length, scheme, kinds=("X", "Y")):
    return {tuple(schemes.from_chunks(layout, length, scheme)) for layout in layouts(length, kinds)}


def vocabulary(scheme, kinds=("X", "Y")):
    return sorted(
        {tag for sequence in well_formed_sequences(3, scheme, kinds) for tag in sequence},
        key=lambda tag: (tag != "O", tag),
    )


def test_every_scheme_is_tested():
    assert set(IN_SCHEME) == set(SCHEMES)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_schemes_as_defined(scheme):
    tags = IN_SCHEME[scheme].split()
    assert schemes.from_chunks(SAMPLE, 10, scheme) == tags
    assert schemes.chunks(tags) == SAMPLE
    assert schemes.first_error(tags, scheme) is None and schemes.well_formed(tags, scheme)


@pytest.mark.parametrize("source, target", PAIRS)
def test_conversion_loses_nothing(source, target):
    rng = random.Random(f"{source} {target}")
    for _ in range(60):
        length = rng.randrange(1, 15)
        layout = random_layout(rng, length)
        tags = schemes.from_chunks(layout, length, source)
        there = schemes.convert(tags, source, target)
        assert schemes.chunks(tags) == schemes.chunks(there) == layout
        assert schemes.convert(there, target, source) == tags and len(there) == length


def test_tags_without_a_type():
    assert schemes.convert(["B", "I", "O", "B"], "bio", "iobes") == ["B", "E", "O", "S"]
    assert schemes.convert(["B", "E", "O", "S"], "iobes", "bio") == ["B", "I", "O", "B"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_detection(scheme):
    rng = random.Random(scheme)
    corpus = [schemes.from_chunks(random_layout(rng, 12), 12, scheme) for _ in range(60)]
    assert schemes.detect(corpus) == scheme
    broken = [["O", corpus[0][-1], "O"]] + corpus  # a few ill-formed sentences do not matter
    assert schemes.detect(broken) == scheme


@pytest.mark.parametrize(
    "tags, expected",
    [
        (["NN", "VB"], RAW),
        (["B-X", "Z-X"], RAW),
        (["B-X", "I-X", "E-X", "M-X"], RAW),
        (["O"], "bio"),
        (["B-X", "O"], "bio"),
        (["B", "I"], "bio"),
        (["I-X", "O"], "iob1"),
        (["E-X", "O"], "ioe2"),
        (["U-X"], "bilou"),
    ],
)
def test_detection_of_single_sentences(tags, expected):
    assert schemes.detect([tags]) == expected


def test_raw_tags_pass():
    assert schemes.convert(["NN", "VB"], RAW, RAW) == ["NN", "VB"]
    assert schemes.first_error(["NN"], RAW) is None and schemes.well_formed(["NN"], RAW)
    begin, between, end = schemes.legal_transitions(["O", "NN"], RAW)
    assert all(begin) and all(end) and all(map(all, between))


@pytest.mark.parametrize("tag", ["", "-", "-X", "O-X", "X", "BX", "BB-X", "b-X", "NN"])
def test_what_is_no_chunk_tag(tag):
    with pytest.raises(ValueError):
        schemes.split_tag(tag)


def test_a_type_may_hold_hyphens():
    assert schemes.split_tag("B-A-B") == ("B", "A-B")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_well_formed_means_that_some_chunks_are_written_so(scheme):
    tags = vocabulary(scheme)
    for length in (1, 2, 3, 4):
        good = well_formed_sequences(length, scheme)
        for sequence in itertools.product(tags, repeat=length):
            assert schemes.well_formed(sequence, scheme) == (sequence in good)
            assert (schemes.first_error(sequence, scheme) is None) == (sequence in good)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_legal_transitions_allow_the_well_formed_sequences_and_no_others(scheme):
    tags = vocabulary(scheme)
    begin, between, end = schemes.legal_transitions(tags, scheme)
    for length in (1, 2, 3, 4):
        allowed = {
            tuple(tags[i] for i in path)
            for path in itertools.product(range(len(tags)), repeat=length)
            if begin[path[0]]
            and end[path[-1]]
            and all(between[a][b] for a, b in zip(path, path[1:]))
        }
        assert allowed == well_formed_sequences(length, scheme)


@pytest.mark.parametrize(
    "tags, scheme, place, expected",
    [
        ("O I-X", "bio", 1, "B-X"),
        ("B-X I-Y", "bio", 1, "B-Y"),
        ("B-X O", "iob1", 0, "I-X"),
        ("B-X O", "iobes", 0, "S-X"),
        ("B-X I-X", "iobes", 1, "E-X"),
        ("O E-X", "bmes", 1, "S-X"),
        ("I-X O", "ioe2", 0, "E-X"),
        ("U-X L-X", "bilou", 1, "U-X"),
    ],
)
def test_the_first_error_and_what_was_expected(tags, scheme, place, expected):
    assert schemes.first_error(tags.split(), scheme) == (place, expected)


def test_validation_names_file_and_line():
    sentences = parse(b"a B-X\nb I-X\n\nc O\nd I-X\n")
    schemes.validate(sentences[:1], "bio", "FILE")
    with pytest.raises(UserError, match="^FILE:5: I-X is ill-formed in bio, expected B-X"):
        schemes.validate(sentences, "bio", "FILE")


@pytest.mark.parametrize("source, target", PAIRS)
def test_tag_vocabulary_in_another_scheme(source, target):
    """The vocabulary has all tags that converted sequences can have and no others, with O first."""
    converted = schemes.scheme_tags(vocabulary(source), source, target)
    assert converted[0] == "O" and len(set(converted)) == len(converted)
    assert set(converted) == set(vocabulary(target))


# ---------------------------------------------------------------- real corpora


@pytest.mark.parametrize(
    "path, columns, scheme",
    [
        ("conll2003/dev.txt", None, "bio"),
        ("wnut17/train.conll", None, "bio"),
        ("mit_movie_trivia/dev.conll", None, "bio"),
        ("resume_ner/dev.char.bmes", None, "bmes"),
        ("conll2000/train.txt", ("word", "pos", "tag"), "bio"),
    ],
)
def test_real_corpora(shared, path, columns, scheme):
    path = shared(f"data/{path}")
    with open(path, "rb") as stream:
        data = stream.read()
    expected = [
        part
        for part in re.split(r"\n(?:[ \t\r]*\n)+", data.decode().strip("\n"))
        if not part.startswith("-DOCSTART-")
    ]
    sentences, names = conll.read_sentences(path, columns)
    assert [len(sentence.words) for sentence in sentences] == [
        part.count("\n") + 1 for part in expected
    ]
    assert [sentence.words[0] for sentence in sentences] == [
        re.split("[ \t]", part)[0] for part in expected
    ]
    assert [sentence.tags[-1] for sentence in sentences] == [
        re.split("[ \t]", part.rstrip("\r"))[-1] for part in expected
    ]
    assert schemes.detect(sentence.tags for sentence in sentences) == scheme
    assert re.sub(rb"[ \t]\x01", b"", tagged(data, b"\x01")) == data
    for sentence in sentences:
        other = schemes.convert(sentence.tags, scheme, "iobes" if scheme == "bio" else "bio")
        assert schemes.well_formed(other, "iobes" if scheme == "bio" else "bio")
        if schemes.well_formed(sentence.tags, scheme):
            assert (
                schemes.convert(other, "iobes" if scheme == "bio" else "bio", scheme)
                == sentence.tags
            )


def test_conll2003_sizes_are_the_published_ones(shared):
    assert len(conll.read_sentences(shared("data/conll2003/train.txt"))[0]) == 14041
    assert len(conll.read_sentences(shared("data/conll2003/dev.txt"))[0]) == 3250


# ---------------------------------------------------------------- corpora by name


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_load_the_sample(split):
    sentences = conll.load("sample", split)
    assert [
        [list(row) for row in zip(*sentence[1:5])] for sentence in sentences
    ] == sample_data.read(split)


@pytest.mark.parametrize(
    "name, split, sizes",
    [
        ("conll2003", "train", (14041, 203621)),
        ("conll2003", "dev", (3250, 51362)),  # as published, -DOCSTART- left out
        ("conll2000", "train", (8936, 211727)),
        ("wnut17", "train", (3394, 62730)),
        ("wnut17", "dev", (1009, 15733)),
        ("mit_movie_trivia", "dev", None),
        ("resume_ner", "dev", (463, 13890)),
    ],
)
def test_load_corpora(shared, name, split, sizes):
    folders = [conll.DATA, os.path.dirname(shared(f"data/{name}"))]
    sentences = conll.load(name, split, folders)
    if sizes:
        assert (len(sentences), sum(len(sentence.words) for sentence in sentences)) == sizes
    assert all(
        len(column) == len(sentence.words)
        for sentence in sentences
        for column in sentence[1:5]
        if column is not None
    )
    assert (sentences[0].pos is not None) == (name in ("conll2003", "conll2000"))
    assert (sentences[0].chunks is not None) == (name == "conll2003")
    assert not any(sentence.is_docstart for sentence in sentences)


def test_load_takes_the_first_folder_that_has_the_file(tmp_path):
    places = [tmp_path / "project", tmp_path / "shared"]
    with pytest.raises(UserError) as error:
        conll.load("conll2003", "test", places)
    assert all(str(place / "conll2003/test.txt") in str(error.value) for place in places)
    assert "put it at one of these paths" in str(error.value)
    assert "https://www.clips.uantwerpen.be/conll2003/ner/" in str(error.value)
    for place in reversed(places):
        (place / "conll2003").mkdir(parents=True)
        (place / "conll2003" / "test.txt").write_text(
            f"-DOCSTART- -X- O O\n\n{place.name} NN I-NP O\n"
        )
        (sentence,) = conll.load("conll2003", "test", places)
        assert sentence[1:5] == ([place.name], ["NN"], ["I-NP"], ["O"])


def test_load_says_where_one_corpus_is_missing(tmp_path):
    with pytest.raises(UserError) as error:
        conll.load("wnut17", "dev", [tmp_path])
    assert str(error.value) == (
        f"{tmp_path}/wnut17/dev.conll: no such file; WNUT-17 comes from "
        "https://github.com/leondz/emerging_entities_17; put it at this path"
    )


@pytest.mark.parametrize(
    "name, split, message",
    [
        (
            "conll2030",
            "dev",
            "no corpus of this name (did you mean conll2003?); known are conll2003, conll2000, "
            "wnut17",
        ),
        ("conll2000", "dev", "no split 'dev'; it has train, test"),
        ("sample", "deu", "(did you mean dev?); it has train, dev, test"),
    ],
)
def test_load_what_is_not_known(name, split, message):
    with pytest.raises(UserError) as error:
        conll.load(name, split)
    assert message in str(error.value)


def test_example_of_load():
    (example,) = doctest.DocTestFinder(recurse=False).find(conll.load, "load", globs={})
    assert example.examples and not doctest.DocTestRunner().run(example).failed


# ---------------------------------------------------------------- documents


def documents_of(data):
    """For each sentence of `data` except -DOCSTART-, the words before it and after it in its
    document, found by splitting at -DOCSTART-.
    """
    found, document = [], []
    for sentence in [*parse(data, columns=("word",)), None]:
        if sentence is None or sentence.is_docstart:
            for i in range(len(document)):
                found.append(
                    (
                        list(itertools.chain(*document[:i])),
                        list(itertools.chain(*document[i + 1 :])),
                    )
                )
            document = []
        else:
            document.append(sentence.words)
    return found


def around(sentences):
    """The same for placed Sentences."""
    return [
        (
            sentence.document[: sentence.start],
            sentence.document[sentence.start + len(sentence.words) :],
        )
        for sentence in sentences
        if not sentence.is_docstart
    ]


def stream_of_documents(rng, sentences=30):
    """Documents of many lengths, blank lines and -DOCSTART- wherever they may stand."""
    blocks = [b"-DOCSTART-\n"] * rng.randint(0, 2)
    for _ in range(rng.randint(1, sentences)):
        words = [b"w%d" % rng.randrange(1000) for _ in range(rng.choice((1, 2, 5, 12)))]
        blocks.append(b"\n".join(words) + b"\n")
        blocks += [b"-DOCSTART-\n"] * (rng.random() < 0.15) + [b""] * rng.choice((0, 0, 1, 4))
        blocks += [b"-DOCSTART-\nword\n"] * (rng.random() < 0.05)  # without a blank line after it
    return b"\n".join(blocks) + b"\n" * rng.randint(0, 2)


@pytest.mark.parametrize("seed", range(30))
def test_sentences_in_documents(seed):
    data = stream_of_documents(random.Random(seed))
    placed = conll.in_documents(parse(data, columns=("word",)))
    assert around(placed) == documents_of(data)
    plain = parse(data, columns=("word",))
    assert [sentence[:5] for sentence in placed] == [sentence[:5] for sentence in plain]
    assert all(
        sentence.document[sentence.start : sentence.start + len(sentence.words)] == sentence.words
        for sentence in placed
        if not sentence.is_docstart
    )
    assert all(sentence.document is None for sentence in placed if sentence.is_docstart)


def test_a_sentence_keeps_its_document():
    """The sentences of a part of a corpus keep the words of their document outside of the part;
    rows between them do not count.
    """
    sentences = conll.in_documents(parse(b"a\n\nb\nc\n\nd\n", columns=("word",)))
    again = conll.in_documents(
        [sentences[2], conll.Sentence(1, ["x"], None, None, None), sentences[0]]
    )
    assert around(again) == [(["a", "b", "c"], []), ([], []), ([], ["b", "c", "d"])]


def test_words_before_the_first_sentence():
    first, _, second = conll.in_documents(
        parse(b"a\n\n-DOCSTART-\n\nb\n", columns=("word",)), past=["x", "y"]
    )
    assert around([first, second]) == [(["x", "y"], []), ([], [])]


def read_documents(data, limit, cuts=()):
    """What DocumentReader gives for a stream in pieces that end at `cuts`: [(pairs that come with a
    piece, words in so far)].
    """
    reader, parser, documents = (
        BlockReader(),
        SentenceParser("FILE", columns=("word",)),
        conll.DocumentReader(limit),
    )
    bounds, given = [0, *sorted(cuts), len(data)], []
    for start, end in zip(bounds, bounds[1:]):
        blocks = reader.feed(data[start:end])
        given.append(
            documents.feed(
                [(block, parser.parse(block) if block.rows else None) for block in blocks]
            )
        )
    given.append(
        documents.feed(
            [(block, parser.parse(block) if block.rows else None) for block in reader.close()]
        )
    )
    return [*given, documents.close()]


@pytest.mark.parametrize("seed", range(60))
def test_a_stream_in_pieces_has_the_contexts_of_the_whole(seed):
    rng = random.Random(seed)
    data = stream_of_documents(rng)
    limit = rng.choice((1, 2, 7, 30, 1000))
    cuts = (
        range(len(data))
        if seed % 3 == 0
        else [rng.randrange(len(data) + 1) for _ in range(rng.randrange(9))]
    )
    pairs = [pair for part in read_documents(data, limit, cuts) for pair in part]
    assert [block for block, _ in pairs] == blocks_of(data)
    assert all((sentence is None) == (not block.rows) for block, sentence in pairs)
    got = around([sentence for _, sentence in pairs if sentence])
    near = lambda contexts: [(before[-limit:], after[:limit]) for before, after in contexts]
    assert near(got) == near(documents_of(data))


@pytest.mark.parametrize("seed", range(20))
def test_a_sentence_is_out_as_soon_as_what_follows_is_known(seed):
    """A sentence is returned once `limit` words after it are known or its document ends, and not
    before.
    """
    rng = random.Random(seed)
    data, limit = stream_of_documents(rng), rng.choice((1, 3, 10))
    sentences = list(parse(data, columns=("word",)))
    blocks, documents = blocks_of(data), conll.DocumentReader(limit)
    parsed, out = iter(sentences), []
    for k, block in enumerate(blocks):
        out += documents.feed([(block, next(parsed) if block.rows else None)])
        seen = blocks[: k + 1]
        for i, sentence in enumerate(seen):
            after = [later.rows for later in seen[i + 1 :] if later.rows]
            ended = [b"-DOCSTART-"] in after or sentence.rows == [b"-DOCSTART-"]
            words = sum(map(len, itertools.takewhile(lambda rows: rows != [b"-DOCSTART-"], after)))
            assert (i < len(out)) == (ended or words >= limit)
    assert len(out) + len(documents.close()) == len(blocks)
