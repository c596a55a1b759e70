"""Document context from file to tags: each sentence is tagged with its neighbours, however the
stream is cut.
"""

import io
import random

import pytest

import conll
import schemes
from cli import UserError
from inference import Tagger
from support.commands import SMALL, arguments, one_line, piped, read_some, sample, write_sample
from support.language_models import write_embeddings, write_google
from support.serving import untrained
from tagging import command, streams

DOCSTART = b"-DOCSTART- -X- -X- O\n\n"


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    """The flags of a model with document context whose only features are BERT's."""
    folder = tmp_path_factory.mktemp("model")
    flags = write_sample(folder)
    emb = write_embeddings(
        folder / "emb.pkl",
        "--train_path",
        folder / "train.txt",
        "--bert_init_checkpoint",
        write_google(folder / "bert"),
    )
    off = [
        argument
        for name in ("use_word", "use_chr", "use_pos", "use_chk", "use_highway")
        for argument in (f"--{name}", "False")
    ]
    return [*flags, *SMALL, *off, "--emb_path", emb, "--encoder", "none", "--bert_context", "True"]


@pytest.fixture(scope="module")
def prefix(flags, tmp_path_factory):
    """The checkpoint of such a model of random weights."""
    return untrained(tmp_path_factory.mktemp("model") / "ner_model", *flags)


@pytest.fixture(scope="module")
def tagger(prefix):
    """A tagger whose weights make a word's tag depend on the words around it."""
    tagger = Tagger.load(prefix)
    assert tagger.feeder.wordpiece.capacity == 46
    return tagger


@pytest.fixture(scope="module")
def text():
    """Documents of one to nine sentences, short ones, with blank lines here and there."""
    rng, parts = random.Random(3), []
    sentences = sorted(sample("test")[:200], key=len)[:90]
    rng.shuffle(sentences)
    for k in range(0, 90, 9):
        parts += (
            [DOCSTART] * (k > 0)
            + sentences[k : k + rng.randint(1, 9)]
            + [b"\n"] * rng.choice((0, 0, 2))
        )
    return b"".join(parts)


def tagged(tagger, data, cuts=()):
    """The output of inference.py for a stream in pieces that end at `cuts`."""
    out, reader, bounds = io.BytesIO(), conll.BlockReader(), [0, *sorted(cuts), len(data)]
    work = streams.ColumnTagger(tagger, "<stdin>", None, out)
    try:
        for start, end in zip(bounds, bounds[1:]):
            work.process(reader.feed(data[start:end]))
        work.close(reader.close())
    except UserError as error:
        return out.getvalue(), str(error)
    return out.getvalue()


def tags_of(out):
    return [
        [row.split(b" ")[-1].decode() for row in block.rows]
        for block in conll.read_blocks(io.BytesIO(out))
        if block.rows
    ]


def test_neighbours_count(tagger, text):
    """A sentence alone gets other tags, as -DOCSTART- lines separate the documents."""
    whole = tags_of(tagged(tagger, text))
    sentences = [block for block in text.split(b"\n\n") if block.strip()]
    alone = [tags_of(tagged(tagger, sentence))[0] for sentence in sentences]
    assert sum(a != b for a, b in zip(whole, alone, strict=True)) > 10
    documents = [
        tags
        for document in text.split(DOCSTART)
        for tags in [["O"], *tags_of(tagged(tagger, document))]
    ][1:]
    assert whole == documents != tags_of(tagged(tagger, text.replace(DOCSTART, b"")))


def test_tags_are_those_of_each_sentence_by_itself(tagger, text):
    """The reference is a batch of one, through features/feed.py alone, whose pieces hold the
    neighbours.
    """
    sentences = conll.in_documents(
        [
            conll.SentenceParser("x", None, own=tagger.meta["columns"]).parse(block)
            for block in conll.read_blocks(io.BytesIO(text))
            if block.rows
        ]
    )
    for sentence, tags in zip(sentences, tags_of(tagged(tagger, text)), strict=True):
        if not sentence.is_docstart:
            ids = tagger.run(tagger.feeder.batch([tagger.feeder.encode(sentence)]))[0]
            assert (
                schemes.convert(
                    [tagger.meta["tags"][i] for i in ids],
                    tagger.meta["tag_scheme"],
                    tagger.meta["data_scheme"],
                )
                == tags
            )


def test_lists_of_words_are_one_document(tagger, text):
    sentences = [sentence for sentence in conll.load("sample", "test") if len(sentence.words) < 9][
        :12
    ]
    words = [sentence.words for sentence in sentences]
    plain = b"".join(
        b"".join(word.encode() + b" NN B-NP O\n" for word in sentence) + b"\n" for sentence in words
    )
    assert tagger.predict(words) == tags_of(tagged(tagger, plain))
    assert tagger.predict(words[::-1])[::-1] != tagger.predict(words)
    assert (
        tagger.predict(sentences[3:4]) == tagger.predict(sentences)[3:4]
    )  # these know their documents
    assert [found.tags for found in tagger.confident(sentences)] == tagger.predict(sentences)


@pytest.mark.parametrize("seed", range(4))
def test_cut_anywhere(tagger, text, seed):
    rng = random.Random(seed)
    cuts = (
        range(0, len(text), 7)
        if not seed
        else [rng.randrange(len(text)) for _ in range(rng.choice((1, 5, 40)))]
    )
    assert tagged(tagger, text, cuts) == tagged(tagger, text)


@pytest.mark.parametrize("seed", range(3))
def test_a_bad_row_ends_the_document(tagger, text, seed):
    """The sentences before it are written and tagged as if nothing followed, wherever the stream is
    cut.
    """
    rng = random.Random(seed)
    place = text.index(b"\n\n", rng.randrange(len(text) // 2)) + 2
    bad = text[:place] + b"one two\n\n" + text[place:]
    out, message = tagged(
        tagger, bad, [rng.randrange(len(bad)) for _ in range(rng.choice((0, 3, 20)))]
    )
    line = text[:place].count(b"\n") + 1
    assert (
        message
        == f"<stdin>:{line}: 2 columns, expected 4 (word pos chunk tag); mend the row, or name the "
        f"columns with --columns"
    )
    assert out == tagged(tagger, text[:place])


def test_without_bert_nothing_is_held_back(flags, tmp_path):
    """A model without BERT ignores --bert_context."""
    tagger, out = (
        Tagger.load(
            untrained(tmp_path / "ner_model", *flags, "--use_bert", "False", "--use_word", "True")
        ),
        io.BytesIO(),
    )
    streams.ColumnTagger(tagger, "<stdin>", None, out).process(
        conll.BlockReader().feed(sample("test")[0])
    )
    assert out.getvalue().count(b"\n") == sample("test")[0].count(b"\n")


# ---------------------------------------------------------------- the command


def test_the_command_on_a_pipe(prefix, tagger, text, zygote, tmp_path):
    """One write, many small writes and a file give the same bytes. A document is written once the
    next one begins, while the pipe is open.
    """
    (tmp_path / "in.txt").write_bytes(text)
    command.run(tagger, arguments(input=str(tmp_path / "in.txt"), output=str(tmp_path / "out.txt")))
    expected = (tmp_path / "out.txt").read_bytes()
    whole = zygote.run("inference.py", "--mode", "bucket", "--restore", prefix, stdin=text)
    assert (whole.code, whole.out) == (0, expected) and expected == tagged(tagger, text)
    known = text.rindex(DOCSTART) + len(DOCSTART)
    rows = text[:known].count(b"\n")
    with piped(
        zygote, "inference.py", "--mode", "bucket", "--restore", prefix, err=tmp_path / "err"
    ) as run:
        rng, at, out = random.Random(7), 0, b""
        while at < known:
            size = min(rng.choice((1, 3, 20, 400)), known - at)
            run.given.write(text[at : at + size])
            at += size
        while out.count(b"\n") < rows:
            out += read_some(run.out)
        assert out == b"\n".join(expected.split(b"\n")[:rows]) + b"\n"
        run.given.write(text[known:])
        run.given.close()
        while part := run.out.read(1 << 16):
            out += part
        assert run.process.wait() == 0 and out == expected


def test_the_command_ends_at_a_bad_row(prefix, tagger, text, zygote):
    place = text.index(DOCSTART, len(text) // 2)
    place = text.index(b"\n\n", place + len(DOCSTART)) + 2  # within a document
    done = zygote.run(
        "inference.py",
        "--mode",
        "bucket",
        "--restore",
        prefix,
        stdin=text[:place] + b"one two\n\n" + text[place:],
    )
    assert done.code == 2 and "2 columns, expected 4" in one_line(done.err)
    assert done.out == tagged(tagger, text[:place])
