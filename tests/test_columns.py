"""CoNLL-U, --delimiter tab, byte order marks and -DOCSTART- in Python and in C++, which must read
and write the same bytes.
"""

import io
import itertools
import json
import os
import random
import re
import types

import numpy as np
import pytest

import conll
import export
from cli import UserError
from features.gazetteer import Gazetteer
from features.vocabulary import PAD, UNK, EmbVec
from support.commands import ROOT, SMALL, sample
from support.serving import Served, binary, probe, run_binary, succeed, untrained
from tagging import output, streams
from tagging.tagger import Tagger

MARK = b"\xef\xbb\xbf"
CONLLU = b"""# newdoc id = d1
# text = D\xc3\xa1melo ya.
1-2\tD\xc3\xa1melo\t_\t_\t_\t_\t_\t_\t_\t_
1\tDa\tdar\tVERB\t_\t_\t0\troot\t_\tNE=B-LOC|x=y
2\tlo\t\xc3\xa9l\tPRON\t_\t_\t1\tobj\t_\t_

# sent_id = s2
1\t#1\t#1\tNUM\t_\t_\t0\troot\t_\t_
1.1\tgusta\tgustar\tVERB\t_\t_\t_\t_\t2:conj\t_
2\t10 000\t10 000\tNUM\t_\t_\t1\tx\t_\t_
"""
TAGGED_CONLLU = (
    CONLLU.replace(b"x=y\n", b"x=y\tT\n")
    .replace(b"obj\t_\t_\n", b"obj\t_\t_\tT\n")
    .replace(b"0\troot\t_\t_\n", b"0\troot\t_\t_\tT\n")
    .replace(b"1\tx\t_\t_\n", b"1\tx\t_\t_\tT\n")
)
CONLLU_WORDS = [["Da", "lo"], ["#1", "10 000"]]
POS_TAGGER = ("id", "word", "_", "tag", *"_" * 6)

# Bytes, how they are read (settings of SentenceParser), the words, and what comes out with the tag
# T for each token.
READINGS = {
    "a mark": (MARK + b"a O\n", {}, [["a"]], MARK + b"a O T\n"),
    "a mark alone": (MARK, {}, [], MARK),
    "a mark and a blank line": (MARK + b"\na O", {}, [["a"]], MARK + b"\na O T"),
    "a mark and blanks": (MARK + b" \t\r\n\n", {}, [], MARK + b" \t\r\n\n"),
    "a part of a mark": (MARK[:2], {}, [["\udcef\udcbb"]], MARK[:2] + b" T"),
    "two marks": (MARK + MARK + b"a O", {}, [["\ufeffa"]], MARK + MARK + b"a O T"),
    "a mark further on": (b"a O\n" + MARK + b"b O", {}, [["a", "\ufeffb"]], None),
    "a mark before a -DOCSTART-": (
        MARK + b"-DOCSTART- O\na O\n",
        {},
        [["-DOCSTART-"], ["a"]],
        MARK + b"-DOCSTART- O T\na O T\n",
    ),
    "a mark before CoNLL-U": (MARK + CONLLU, {}, CONLLU_WORDS, MARK + TAGGED_CONLLU),
    "CoNLL-U by its first row": (CONLLU, {}, CONLLU_WORDS, TAGGED_CONLLU),
    "CoNLL-U by id": (CONLLU, {"columns": POS_TAGGER}, CONLLU_WORDS, TAGGED_CONLLU),
    "CoNLL-U by ten names": (
        CONLLU,
        {"columns": ("_", *POS_TAGGER[1:])},
        CONLLU_WORDS,
        TAGGED_CONLLU,
    ),
    "CoNLL-U by its name": (
        b"# a\n# b\n\n" + CONLLU,
        {"name": "x.conllu"},
        CONLLU_WORDS,
        b"# a\n# b\n\n" + TAGGED_CONLLU,
    ),
    "CoNLL-U by the model": (
        b"# a b\n\n" + CONLLU,
        {"own": POS_TAGGER},
        CONLLU_WORDS,
        b"# a b\n\n" + TAGGED_CONLLU,
    ),
    "CoNLL-U of fewer columns": (
        b"# c\n1-2\tx\n1\ta b\n2\t\r\n",
        {"own": ("id", "word", "tag")},
        [["a b", ""]],
        b"# c\n1-2\tx\n1\ta b\tT\n2\t\tT\r\n",
    ),
    "a plain file for a model of CoNLL-U": (
        b"#a\n10 NUM\n",
        {"own": POS_TAGGER, "columns": ("word", "tag")},
        None,
        None,
    ),
    "words for a model of CoNLL-U": (
        b"#a\n10\n",
        {"own": POS_TAGGER},
        [["#a", "10"]],
        b"#a T\n10 T\n",
    ),
    "ten columns that spaces separate": (
        b"1 a _ _ _ _ _ _ _ _\n",
        {"columns": ("_", "word", *"_" * 8)},
        [["a"]],
        b"1 a _ _ _ _ _ _ _ _ T\n",
    ),
    "CoNLL-U that is to be read with spaces": (
        b"1\ta\t_\t_\t_\t_\t_\t_\t_\t_ \n",
        {"columns": ("_", "word", *"_" * 8), "delimiter": "space"},
        [["a"]],
        b"1\ta\t_\t_\t_\t_\t_\t_\t_\t_ T\n",
    ),
    "tabs": (
        b"10 000\tO\n \tO\n\tO\na\t\nb\tO\r\n\n\t \n\xc2\xa0\tB-X",
        {"delimiter": "tab"},
        [["10 000", " ", "", "a", "b"], ["\u00a0"]],
        b"10 000\tO\tT\n \tO\tT\n\tO\tT\na\t\tT\nb\tO\tT\r\n\n\t \n\xc2\xa0\tB-X\tT",
    ),
    "one tabbed column": (b"a b\nc \n", {"delimiter": "tab"}, [["a b", "c "]], b"a b\tT\nc \tT\n"),
    "tabs and -DOCSTART-": (
        b"a\tO\n-docstart-\tO\nb c\tO\n",
        {"delimiter": "tab"},
        [["a"], ["-docstart-"], ["b c"]],
        b"a\tO\tT\n-docstart-\tO\tT\nb c\tO\tT\n",
    ),
    "what is no blank to us": (
        "\u0085a\u2028 O\nb\x0b\x0c\u00a0\x1cc O\n\u00a0 O\n\x00 O\nd\re O\r\r\n".encode(),
        {},
        [["\u0085a\u2028", "b\x0b\x0c\u00a0\x1cc", "\u00a0", "\x00", "d\re"]],
        None,
    ),
}


def tagged(data, name="FILE", tag=b"T", **settings):
    """Sentences' words, and the bytes with `tag` for each token."""
    parser, out, sentences = conll.SentenceParser(name, **settings), io.BytesIO(), []
    for block in conll.read_blocks(io.BytesIO(data), 7):
        block = parser.place(block) if block.rows else block
        sentence = parser.parse(block) if block.rows else None
        block.write(out, [tag] * len(sentence.words if sentence else ()))
        sentences += [sentence.words] if sentence else []
    return sentences, out.getvalue()


@pytest.mark.parametrize("name", READINGS)
def test_what_is_read_and_written(name):
    data, settings, words, out = READINGS[name]
    if words is None:
        return
    found = tagged(data, **settings)
    assert found[0] == words
    expected = out or b"\n".join(
        row and re.sub(rb"(\r?)\Z", rb" T\1", row, count=1) for row in data.split(b"\n")
    )
    assert found[1] == expected


@pytest.mark.parametrize(
    "data, settings, message",
    [
        (
            b"a\tb c\td\n",
            {"columns": ("word", "pos", "tag")},
            ":1: 4 columns, expected 3 (word pos",
        ),
        (b"a\tb c\td e\n", {}, ":1: 5 columns, expected 1 to 4"),
        (b"a\t\tO\n", {"columns": ("word", "pos", "tag")}, ":1: 2 columns, expected 3"),
    ],
)
def test_a_row_with_tabs_and_other_columns_suggests_the_delimiter(data, settings, message):
    with pytest.raises(UserError) as error:
        tagged(data, **settings)
    assert message in str(error.value) and "--delimiter tab" in str(error.value)
    assert tagged(data, **settings, delimiter="tab")[0]


@pytest.mark.parametrize(
    "data, settings, message",
    [
        (b"a O\n", {"delimiter": "tab", "columns": ("word", "tag")}, ":1: 1 column, expected 2"),
        (b"# x\n\n1\ta\n", {"name": "a.conllu"}, ":3: 2 columns, expected 10 in a CoNLL-U file"),
        (CONLLU + b"3\tx\n", {}, ":11: 2 columns, expected 10"),
        (CONLLU + b"\n\n# c\nx\ty\n", {}, ":14: no CoNLL-U id in the first column"),
        (CONLLU + b"3-\ty\n", {}, ":11: no CoNLL-U id in the first column"),
        (CONLLU + b"\xb2\ty\n", {}, ":11: no CoNLL-U id in the first column"),
    ],
)
def test_a_bad_row_is_named(data, settings, message):
    with pytest.raises(UserError) as error:
        tagged(data, **settings)
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "columns, delimiter, message",
    [
        ("word id", "", "'id' is CoNLL-U's first column"),
        ("id id word", "", "'id' is named twice"),
        ("id word tag", "space", "leave one of them out"),
        ("id tag", "", "no word column"),
    ],
)
def test_columns_that_cannot_be(columns, delimiter, message):
    with pytest.raises(UserError, match=re.escape(message)):
        conll.parse_columns(columns, delimiter)


# ---------------------------------------------------------------- training files


def read(folder, data, name="train.txt", **settings):
    path = folder / name
    path.write_bytes(data)
    return conll.read_sentences(str(path), **settings)


def test_nothing_is_learned_from_comments_ranges_and_empty_nodes(tmp_path):
    sentences, columns = read(tmp_path, CONLLU, "a.conllu", columns=("_", *POS_TAGGER[1:]))
    assert columns == POS_TAGGER
    assert [(sentence.words, sentence.tags) for sentence in sentences] == [
        (["Da", "lo"], ["VERB", "PRON"]),
        (["#1", "10 000"], ["NUM", "NUM"]),
    ]
    assert [[sentence.line(i) for i in (0, 1)] for sentence in sentences] == [[4, 5], [8, 10]]


@pytest.mark.parametrize(
    "data, settings, message",
    [
        (CONLLU.replace(b"10 000\t10 000", b"1\xff\t_"), {"columns": POS_TAGGER}, ":10: not UTF-8"),
        (CONLLU, {}, ":1: no tag column in (id word _ _"),
        (CONLLU.replace(b"NUM\t_\t_\t1", b"\t_\t_\t1"), {"columns": POS_TAGGER}, ":10: '' as tag"),
        (b"a\tO\n\nb\tB X\n", {"delimiter": "tab"}, ":3: 'B X' as tag, expected one"),
        (b"a O\nb B\0X\n", {}, ":2: 'B\\x00X' as tag, expected one"),
        (b"# c\n\n1-2\tab\t_\n", {"columns": ("id", "word", "tag")}, ":1: no sentence"),
    ],
)
def test_a_training_file_that_cannot_be(tmp_path, data, settings, message):
    with pytest.raises(UserError) as error:
        read(tmp_path, data, **settings)
    assert message in str(error.value)


def test_shared_cases(shared):
    for name in ("train.conllu", "dev.conllu", "strip2.conllu"):
        with open(shared(f"cases/{name}"), "rb") as stream:
            data = stream.read()
        words, out = tagged(data, name)
        ids = [re.match(rb"(\d+)\t([^\t]*)", row) for row in data.split(b"\n")]
        assert [word for words_of_sentence in words for word in words_of_sentence] == [
            columns[2].decode() for columns in ids if columns
        ]
        assert out == b"\n".join(
            row + b"\tT" * bool(columns) for row, columns in zip(data.split(b"\n"), ids)
        )
    sentences, _ = conll.read_sentences(shared("cases/tabspace.train"), delimiter="tab")
    assert sentences[0].words == ["Ana ", "10 000", " ", "\u00a0", "\u3000", "Quito"]


def test_the_commands_know_the_delimiter(tmp_path, bare_zygote):
    """embvec.py, and the small tools that read columns."""
    path = tmp_path / "train.txt"
    path.write_bytes(MARK + b"-DOCSTART-\tO\nAna \tB-PER\n\tO\n10 000\tO\n\n" * 2)
    done = succeed(
        bare_zygote.run(
            *("embvec.py", "--train_path", path, "--delimiter", "tab"),
            *("--out_path", tmp_path / "emb.pkl", "--lowercase", "False"),
        )
    )
    assert done.out.startswith(b"# wrd_vocab 5\n#PAD# 0\n#UNK# 1\nAna  2\n 3\n10 000 4\n# chr")
    tags = bare_zygote.run("etc/baseline.py", path, "--delimiter", "tab", stdin=b"\t_\nAna \t_\n\n")
    assert tags.out == b"\t_\tO\nAna \t_\tB-PER\n\n", tags.err
    for name in ("old.conllu", "new.conllu"):
        (tmp_path / name).write_bytes(CONLLU)
    columns = ("--columns", " ".join(POS_TAGGER), "--sentences", 2)
    mixed = bare_zygote.run(
        *("etc/mix_domains.py", tmp_path / "old.conllu", "--new", tmp_path / "new.conllu", *columns)
    )
    assert sorted(mixed.out.split(b"\n\n")) == sorted([b"", *CONLLU.strip().split(b"\n\n") * 2])
    for command in ("inference.py", "train.py", "embvec.py"):
        said = bare_zygote.mistake(command, "--delimiter", ",")
        assert "delimiter" in said and "tab" in said


# ---------------------------------------------------------------- vocabularies

WORDS = ["", " ", "  ", "a ", " a", "10 000", "# wrd_vocab 3", "\u00a0", "\u3000", "\u2028", "a\rb"]
WORDS += [
    "\r",
    "\x00",
    "x\x00y",
    "\ufeff",
    "\ufeffx",
    "\x85",
    "\x0b",
    "Ana",
    "ana ",
    "-DOCSTART-",
    "1 1",
]


def test_tokens_with_spaces_and_empty_ones_keep_their_ids_in_vocab_txt(tmp_path):
    sentence = conll.Sentence(1, WORDS, WORDS[::-1], WORDS, ["O"] * len(WORDS))
    emb = EmbVec.from_sentences([sentence], 3, lowercase=False)
    (tmp_path / "vocab.txt").write_bytes(emb.vocab_text())
    again = EmbVec.from_vocab_text(str(tmp_path / "vocab.txt"))
    assert again.vocab == emb.vocab and again.vocab_hash == emb.vocab_hash
    assert emb.vocab["wrd"] == [PAD, UNK, *WORDS]


# ---------------------------------------------------------------- Python and C++

TOKENS = [word.encode() for word in WORDS] + [b"#1", b"\xff", b"\xe2\x80", b"Quito", b"x" * 40]
PLAIN_TOKENS = [word for word in TOKENS if word and not re.search(rb"[ \t]|\r\Z", word)]
FLAGS = {
    "plain": ((), ("--delimiter", "tab"), ("--columns", "word _ _ tag"), ("--columns", "id word")),
    "tab": ((), ("--delimiter", "space"), ("--columns", "_ word")),
    "conllu": ((), ("--columns", "word"), ("--columns", "_ word _ _ _ _ _ _ _ _")),
}


def corpus(name):
    """A training file with all of WORDS, and the flags that read it."""
    if name == "plain":
        return b"".join(sample("train")[:30]), ()
    rows = [[word, (b"O", b"B-X", b"I-X")[i % 3]] for i, word in enumerate(map(str.encode, WORDS))]
    if name == "tab":
        return b"\n".join(map(b"\t".join, rows)), ("--delimiter", "tab")
    ids = [b"%d" % i for i in range(1, len(rows) + 1)]
    rows = [[i, word, b"_", tag, *[b"_"] * 6] for i, (word, tag) in zip(ids, rows)]
    return b"# c\n" + b"\n".join(map(b"\t".join, rows)), ("--columns", " ".join(POS_TAGGER))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A function that takes a name of FLAGS and returns a model of random weights as (Tagger,
    .etagger file, prefix).
    """
    made = {}

    def make(name):
        if name not in made:
            binary("etagger")
            folder = tmp_path_factory.mktemp(name)
            data, flags = corpus(name)
            (folder / "train.txt").write_bytes(data)
            path = folder / "train.txt"
            names = folder / "names.txt"
            names.write_bytes(MARK + b"LOC Ana Quito\nORG 10 000 Ana\nORG ana\nLOC Quito\n")
            prefix = untrained(
                folder / "ner_model",
                *("--train_path", path, "--dev_path", path, *flags, *SMALL),
                *("--gazetteer", names, "--use_shape", "True"),
            )
            export.write_engine_file(prefix, str(folder / "model.etagger"), False)
            made[name] = Tagger.load(prefix), str(folder / "model.etagger"), prefix
        return made[name]

    return make


def python_tags(tagger, data, flags, capsys):
    """The output of inference.py for bytes on standard input, and its messages without figures."""
    given = dict(zip(flags[::2], flags[1::2]))
    args = types.SimpleNamespace(
        columns=given.get("--columns", ""), delimiter=given.get("--delimiter", "")
    )
    out = io.BytesIO()
    work = streams.ColumnTagger(
        tagger, "<stdin>", conll.columns_of(args), out, delimiter=args.delimiter
    )
    reader, said = conll.BlockReader(), ""
    capsys.readouterr()
    try:
        work.process(reader.feed(data))
        work.close(reader.close())
        streams.note_bad_bytes(work.parser.bad_bytes)
    except UserError as error:
        said = f"inference.py: {error}\n"
    return out.getvalue(), capsys.readouterr().err + said


def said_alike(said):
    """The messages of a command without its name and its figures."""
    lines = [line.partition(": ")[2] for line in said.splitlines()]
    return [line for line in lines if " tokens, " not in line]


def nasty(rng, name):
    """A column file with oddities that a user may have."""
    lines = []
    for _ in range(rng.randrange(1, 7)):
        if rng.random() < 0.25:
            lines.append(rng.choice([b"-DOCSTART-", b"-docstart- -X- O O", b"-DOCSTART-\tO\r"]))
        rows = [_row(rng, name, i) for i in range(1, rng.randrange(1, 6))]
        if name == "conllu":
            rows = list(itertools.chain(*(_with_neighbours(rng, row) for row in rows)))
        lines += rows
        lines += rng.choice([[], [b""], [b""], [b" \t\r"], [b"\r", b""]])
    end = rng.choice([b"", b"\n", b"\n\n", b"\r\n"])
    return rng.choice([b"", b"", MARK, MARK + MARK, MARK + b"\n"]) + b"\n".join(lines) + end


def _row(rng, name, number):
    pick = lambda tokens: rng.choice(tokens)
    if name == "conllu":
        cells = [b"%d" % number, pick(TOKENS), b"_", pick([b"O", b"", b"B-X"]), *[b"_"] * 6]
    elif name == "tab":
        cells = [pick(TOKENS), pick([b"O", b"", b"B-X"])]
    else:
        cells = [pick(PLAIN_TOKENS), pick([b"NN", b"\xff", b"\xc2\xa0"]), b"B-NP", b"O"]
    if rng.random() < 0.01:
        cells = cells[:-1]
    separators = [b"\t"] if name != "plain" else [b" ", b"\t", b"  ", b"\t "]
    row = cells[0] + b"".join(pick(separators) + cell for cell in cells[1:])
    return row + pick([b"", b"", b"\r"])


def _with_neighbours(rng, row):
    rest = b"\tx" + b"\t_" * 8
    around = [b"# c \xff", b"#", b"1-2" + rest, b"0.1" + rest + b"\r", b"12.34" + rest]
    return [*rng.choices(around, k=rng.choice([0, 0, 1, 2])), row]


@pytest.mark.parametrize("name", FLAGS)
def test_python_and_cc_write_the_same_bytes(models, name, capsys):
    rng, (tagger, engine, _), good = random.Random(name), models(name), 0
    for turn in range(60):
        flags = FLAGS[name][0 if turn % 2 else turn // 2 % len(FLAGS[name])]
        data = nasty(rng, name)
        out, said = python_tags(tagger, data, flags, capsys)
        done = run_binary("etagger", engine, *flags, stdin=data)
        assert done.out == out, (flags, data)
        assert said_alike(done.err) == said_alike(said), (flags, data)
        assert done.code == (2 if re.search(r"<stdin>:\d+: ", said) else 0), said
        if not done.code:
            good += 1
            assert out.count(b"\n") == data.count(b"\n")
            assert out.startswith(MARK) == data.startswith(MARK)
    assert good > 20


@pytest.mark.parametrize("name", FLAGS)
def test_json_has_the_same_words(models, name):
    """There is one line for each sentence, and no byte order mark, which JSON forbids."""
    rng, (_, engine, _) = random.Random(name), models(name)
    for _ in range(10):
        data = nasty(rng, name)
        done = run_binary("etagger", engine, "--json", stdin=data)
        if done.code:
            continue
        own = conll.SentenceParser("<stdin>", None, POS_TAGGER if name == "conllu" else None)
        own.delimiter = "tab" if name == "tab" else ""
        sentences = [
            own.parse(block) for block in conll.read_blocks(io.BytesIO(data)) if block.rows
        ]
        texts = [
            " ".join(sentence.words).encode(errors="surrogateescape").decode(errors="replace")
            for sentence in sentences
            if sentence
        ]
        found = [json.loads(line)["text"] for line in done.out.splitlines()]
        assert [_plain(text) for text in found] == [_plain(text) for text in texts]


def _plain(text):
    """Replaces runs of U+FFFD by one, as Python's decoder and ours count bytes that are not UTF-8
    differently.
    """
    return re.sub("\ufffd+", "\ufffd", text)


def test_line_mode_writes_the_same_bytes(models, monkeypatch):
    tagger, engine, _ = models("plain")
    monkeypatch.setattr(streams, "_analyzer", lambda *_: streams._plain)
    pieces = [
        b"Ana ",
        b"\xc2\xa0",
        b"\r",
        b"\0",
        b"-DOCSTART-",
        b"-docstart-\n",
        b"Mr. Ana. ",
        b"\n",
        b"\n\n",
        MARK,
    ]
    pieces += [
        b"\xff",
        "\u2028".encode(),
        b"\xc2\x85",
        b"\x0b",
        b"\x0c",
        b"it's",
        b"\t",
        b"\xe2\x80",
    ]
    rng = random.Random(1)
    texts = [b"", MARK, MARK + b"\n", MARK + b"Ana", MARK + MARK + b"\n" + MARK, b"\xef\xbb"]
    texts += [b"".join(rng.choices(pieces, k=rng.randrange(12))) for _ in range(40)]
    for text in texts:
        for flags in ((), ("--split",)):
            args = types.SimpleNamespace(spacy_model="", timing=False, split=bool(flags))
            for more, how in (((), output.plain_format), (("--json",), output.json_format)):
                out = io.BytesIO()
                streams.tag_lines(tagger, args, io.BytesIO(text), "<stdin>", out, how(tagger))
                done = run_binary("etagger", engine, "--line", *flags, *more, stdin=text)
                assert done.out == out.getvalue(), (text, flags, more)
                assert more or done.out.startswith(MARK) or not text.startswith(MARK)
        lines = text.removeprefix(MARK).split(b"\n")
        found = run_binary("etagger", engine, "--line", "--json", stdin=text).out
        assert len(list(map(json.loads, found.splitlines()))) == len(lines) - (not lines[-1])


def test_conllu_gets_the_tags_of_its_words(models):
    """The tags are the same as for these words in a plain column file."""
    _, engine, _ = models("conllu")
    words = [["Ana", "10 000", "#1"], [""], ["Quito", "a ", "\u00a0"]]
    rows = [
        b"# c\n1-2\tx"
        + b"\t_" * 8
        + b"\n"
        + b"".join(
            b"%d\t%s" % (i, word.encode()) + b"\t_" * 8 + b"\n0.1\ty" + b"\t_" * 8 + b"\n"
            for i, word in enumerate(sentence, 1)
        )
        for sentence in words
    ]
    plain = "\n\n".join("\n".join("x\t" + word for word in sentence) for sentence in words).encode()
    found = run_binary("etagger", engine, stdin=b"\n".join(rows)).out
    flags = ("--columns", "_ word", "--delimiter", "tab")
    expected = run_binary("etagger", engine, *flags, stdin=plain).out
    tags = [row.rsplit(b"\t")[-1] for row in found.split(b"\n") if row.count(b"\t") == 10]
    assert tags == [row.rsplit(b"\t")[-1] for row in expected.split(b"\n") if row]
    assert len(tags) == 7


def test_a_token_with_a_space_is_none_of_a_name(models):
    """The names of the gazetteer consist of whole tokens: it has `Ana` and `Quito`, not `Ana
    Quito`.
    """
    tagger, engine, _ = models("tab")
    match = tagger.feeder.gazetteer.match
    assert match(["Ana", "Quito"]) and not match(["10", "000 Ana"]) and not match(["Ana Quito"])
    given = [
        ["10", "000", "Ana"],
        ["10", "000 Ana"],
        ["Ana", "Quito"],
        ["Ana Quito"],
        ["x", "10 000 Ana"],
    ]
    sentences = [conll.Sentence(1, words, None, None, None) for words in given]
    scores = [
        logits[0, : len(sentence.words)]
        for sentence in sentences
        for _, _, (_, logits) in tagger.in_batches([sentence], tagger.scores)
    ]
    data = "\n\n".join("\n".join(words) for words in given).encode()
    rows = [row for row in probe("emissions", [data], engine) if row]
    found = np.array([[float(number) for number in row.split()] for row in rows])
    assert np.abs(found - np.concatenate(scores)).max() < 1e-3


def test_the_library_knows_the_delimiter(models, tmp_path):
    from support.serving import python_package

    package = python_package()
    _, engine, _ = models("plain")
    (tmp_path / "in.txt").write_bytes(MARK + b"a b\tNN\tB-NP\tO\n\tNN\tB-NP\tO\n")
    with package.load(engine) as model:
        model.tag_file(tmp_path / "in.txt", tmp_path / "out.txt", delimiter="tab")
        rows = (tmp_path / "out.txt").read_bytes().split(b"\n")
        assert re.fullmatch(MARK + rb"a b\tNN\tB-NP\tO\t[A-Z-]+", rows[0])
        assert re.fullmatch(rb"\tNN\tB-NP\tO\t[A-Z-]+", rows[1])
        with pytest.raises(package.Error, match="--delimiter ,: expected space or tab"):
            model.tag_file(tmp_path / "in.txt", tmp_path / "out.txt", delimiter=",")
        (tmp_path / "in.conllu").write_bytes(CONLLU)
        model.tag_file(tmp_path / "in.conllu", tmp_path / "out.txt")
        rows = (tmp_path / "out.txt").read_bytes().split(b"\n")
        assert [row.count(b"\t") for row in rows] == [0, 0, 9, 10, 10, 0, 0, 10, 9, 10, 0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tab", "conllu"])
def test_every_way_to_tag_writes_the_same_bytes(models, zygote, tmp_path, name):
    served, rng = Served(zygote, models(name)[2], tmp_path), random.Random(name)
    texts = [nasty(rng, name) for _ in range(20)]
    good = [
        text.removeprefix(MARK)
        for text in texts
        if not run_binary("etagger", served.engine, stdin=text).code
    ]
    data = MARK + b"\n\n".join(good)
    outs = {way: succeed(tag(data, 8)).out for way, tag in served.ways().items()}
    assert len(good) > 10 and len(set(outs.values())) == 1, outs.keys()
    for flags in (("--input", ROOT), ("--delimiter", ";")):
        done = run_binary(*served.command("inference"), *flags)
        assert done.code == 2 and done.err.count("\n") == 1


def test_gazetteer_with_a_mark(tmp_path):
    (tmp_path / "names.txt").write_bytes(MARK + b"LOC Quito\n")
    assert Gazetteer.read(str(tmp_path / "names.txt")).types == ["LOC"]
    assert os.path.exists(tmp_path / "names.txt")
