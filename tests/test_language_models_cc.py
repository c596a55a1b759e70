"""ELMo and BERT in C++: the graph gets the same inputs as from features/feed.py, and the tags are
those of Python, byte for byte.
"""

import dataclasses
import io
import itertools
import os
import random
import subprocess
import threading
import time

import numpy as np
import pytest

import conll
import export
from config import Config
from features.feed import Feeder, tagging_batches
from features.vocabulary import PAD, UNK, EmbVec
from support.commands import SMALL
from support.corpora import words_of
from support.serving import (
    INFERENCE,
    Served,
    binary,
    probe_bytes,
    python_package,
    run_binary,
    succeed,
    ties,
    untrained,
)
from support.wordpieces import vocabulary

# Words that BERT or ELMo reads in ways of their own.
ODD = [
    "<S>",
    "</S>",
    "[SEP]",
    "[CLS]",
    "\u200b",
    "\udcff",
    "caf\udce9",
    "\ufffd\u0301",
    "a" * 49,
    "é" * 24 + "e",
    "漢字",
    "x" * 120,
    "-" * 30,
    "😀",
]


def columns_of(documents):
    """Documents, lists of lists of words, as columns (bytes) with words alone."""
    return b"".join(
        b"-DOCSTART-\n\n"
        + b"".join(
            b"".join(word.encode(errors="surrogateescape") + b"\n" for word in words) + b"\n"
            for words in document
        )
        for document in documents
    )


def odd_documents():
    """Short and long sentences of odd words, single words, and one of 10,000 tokens."""
    rng = random.Random(9)
    words = [*ODD, *"a bb Obama's U.S. naïve".split()]
    documents = [
        [rng.choices(words, k=rng.choice((1, 2, 9, 40))) for _ in range(rng.choice((1, 4, 12)))]
        for _ in range(20)
    ]
    return columns_of(
        [*documents, [["a"], rng.choices(words, k=10_000), ["b"]], [[word] for word in ODD]]
    )


# ---------------------------------------------------------------- what the graph is fed


def check_inputs(
    data, columns, counts, tmp_path, batch_size=32, max_seq_length=40, lower=False, **settings
):
    """Checks that C++ feeds the same inputs as features/feed.py for columns (bytes), in the same
    batches. counts: words, for vocabularies. Returns the number of values.
    """
    pieces = vocabulary(counts, "uncased" if lower else "cased")
    config = dataclasses.replace(
        Config(
            use_pos=False,
            use_chk=False,
            word_length=6,
            wrd_dim=1,
            batch_size=batch_size,
            max_batch_tokens=4000,
        ),
        **settings,
    )
    words = list(
        dict.fromkeys([PAD, UNK, *(word.decode(errors="ignore").lower() for word in counts)])
    )
    emb = EmbVec(
        [word for word in words if word],
        [PAD, UNK, *"abcdeé漢"],
        [PAD, UNK],
        [PAD, UNK],
        ["O"],
        1,
        elmo={"options": {}},
        bert={"do_lower_case": lower, "max_seq_length": max_seq_length},
        pieces=pieces,
    )
    meta = {
        "tags": ["O"],
        "tag_scheme": "bio",
        "data_scheme": "bio",
        "columns": columns,
        "delimiter": "",
        "tokenizer": "words",
        "gazetteer": None,
    }
    (tmp_path / "settings.json").write_text(
        export.model_config(config, meta, emb), encoding="utf-8"
    )
    (tmp_path / "vocab.txt").write_bytes(emb.vocab_text())
    lines = iter(
        probe_bytes("inputs", data, tmp_path / "settings.json", tmp_path / "vocab.txt", batch_size)
    )

    parser = conll.SentenceParser("test", None, own=columns)
    sentences = conll.in_documents(
        [parser.parse(block) for block in conll.read_blocks(io.BytesIO(data)) if block.rows]
    )
    places = [i for i, sentence in enumerate(sentences) if not sentence.is_docstart]
    feeder, total = Feeder(emb, config, {"O": 0}), 0
    examples = [feeder.encode(sentences[i]) for i in places]
    for batch, size, length in tagging_batches([len(example) for example in examples], config):
        assert [int(place) for place in next(lines).split()] == [places[k] for k in batch]
        expected = feeder.batch(
            [examples[k] for k in batch + batch[-1:] * (size - len(batch))], length=length
        )
        ours = {
            name.decode(): rest for name, _, rest in (next(lines).partition(b" ") for _ in expected)
        }
        assert ours.keys() == expected.keys()
        for name, array in expected.items():
            shape, values = (
                np.array(part.split(), np.int64) for part in ours[name].split(b"|")[:2]
            )
            assert shape.tolist() == list(array.shape) and (values == array.ravel()).all(), name
            total += array.size
    assert next(lines, None) is None
    return total


SETTINGS = {
    "ELMo": {"use_elmo": True, "use_bert": False, "use_word": False, "use_chr": False},
    "BERT": {"use_bert": True, "use_elmo": False, "use_word": False, "use_chr": False},
    "both, with context": {
        "use_elmo": True,
        "use_bert": True,
        "bert_pooling": "mean",
        "bert_context": True,
    },
}


@pytest.mark.parametrize("name", SETTINGS)
def test_inputs_of_odd_words_and_long_sentences(tmp_path, name):
    data = odd_documents()
    counts = dict.fromkeys(data.split(), 3)
    for lower, max_seq_length in ((False, 40), (True, 9)):
        assert (
            check_inputs(
                data,
                ["word"],
                counts,
                tmp_path,
                lower=lower,
                max_seq_length=max_seq_length,
                **SETTINGS[name],
            )
            > 40_000
        )


@pytest.mark.parametrize(
    "corpus, columns, lower, max_seq_length",
    [
        ("conll2003/dev.txt", "word pos chunk tag", False, 64),
        ("resume_ner/dev.char.bmes", "word tag", True, 32),
        ("wnut17/dev.conll", "word tag", True, 128),
    ],
)
def test_inputs_of_corpora(shared, tmp_path, corpus, columns, lower, max_seq_length):
    with open(shared("data/" + corpus), "rb") as stream:
        data = stream.read()
    assert (
        check_inputs(
            data,
            columns.split(),
            words_of(shared, [corpus]),
            tmp_path,
            lower=lower,
            max_seq_length=max_seq_length,
            **SETTINGS["both, with context"],
        )
        > 1_000_000
    )


# ---------------------------------------------------------------- documents in a stream


def _conllu_row(number, word):
    """A row of CoNLL-U, after a row that is not a token."""
    if word == "-DOCSTART-":
        return word + "\n"
    rest = "\t_" * 8 + "\n"
    return f"# a comment\n{number}-{number + 1}\tx{rest}{number}\t{word}{rest}"


@pytest.mark.parametrize("size", [1, 7, 40, 10_000])
@pytest.mark.parametrize("limit", [1, 2, 9, 60])
@pytest.mark.parametrize("is_conllu", [False, True])
def test_sentences_are_held_back_for_their_documents(limit, size, is_conllu):
    """C++ returns the same sentences after the same bytes as conll.DocumentReader, each with at
    least the words that it has around it.
    """
    rng = random.Random(f"{limit} {size}")
    words = (f"w{i}" for i in range(10_000))
    blocks = [
        [next(words) for _ in range(rng.choice((1, 1, 2, 5, 30)))]
        if rng.random() < 0.8
        else rng.choice(([], [], ["-DOCSTART-"]))
        for _ in range(150)
    ]
    row = _conllu_row if is_conllu else lambda _, word: word + "\n"
    data = "".join("".join(itertools.starmap(row, enumerate(b, 1))) + "\n" for b in blocks).encode()
    expected, reader, held, parser = (
        [],
        conll.BlockReader(),
        conll.DocumentReader(limit),
        conll.SentenceParser("test", own=("word",)),
    )
    for reads, at in enumerate(range(0, len(data), size), 1):
        pairs = [
            (block, parser.parse(block) if block.rows else None)
            for block in reader.feed(data[at : at + size])
        ]
        expected += [(reads, sentence) for _, sentence in held.feed(pairs) if sentence]
    expected += [(reads, sentence) for _, sentence in held.close() if sentence]
    for line, (reads, sentence) in zip(
        probe_bytes("documents", data, limit, size), expected, strict=True
    ):
        when, before, own, after = (part.split() for part in line.decode().split("|")[:-1])
        assert (int(when[0]), own) == (reads, sentence.words)
        if not sentence.is_docstart:
            end = sentence.start + len(sentence.words)
            assert (
                _nearest(before[::-1], limit)[::-1] == sentence.document[: sentence.start][-limit:]
            )
            assert _nearest(after, limit) == sentence.document[end : end + limit]


def _nearest(words, limit):
    """The first words, at most `limit`, up to a document's boundary."""
    return words[: ([*words, "-DOCSTART-"]).index("-DOCSTART-")][:limit]


# ---------------------------------------------------------------- the same tags

SMALLEST = [
    *SMALL,
    "--use_chr",
    "False",
    "--use_highway",
    "False",
    "--use_pos",
    "False",
    "--use_chk",
    "False",
    "--summary_dir",
    "",
]
MODELS = {
    "both": ("--use_word", "False", "--bert_context", "True", "--bert_pooling", "mean"),
    "BERT": (),
    "uncased": ("--use_word", "False"),
    "ELMo": ("--use_word", "False"),
}


@pytest.fixture(scope="module")
def models(zygote, shared, tmp_path_factory):
    """A function that takes a name and returns a Served with the fixtures' weights, and with random
    ones in the other layers, under which every tag occurs.
    """
    made = {}

    def make(name):
        if name not in made:
            made[name] = _serve(zygote, shared, name, tmp_path_factory.mktemp("language_model"))
        return made[name]

    return make


def _serve(zygote, shared, name, folder):
    binary("inference")
    corpus = shared("data/conll2003/dev.txt")
    bert = [
        "--bert_init_checkpoint",
        shared("conformance/bert/random_cased/bert_model.ckpt.index")[: -len(".index")],
        "--bert_config_path",
        shared("conformance/bert/random_cased/bert_config.json"),
        "--bert_vocab_path",
        shared("conformance/bert/cased_vocab.txt"),
        "--bert_max_seq_length",
        40,
        "--bert_do_lower_case",
        name == "uncased",
    ]
    elmo = [
        "--elmo_options_path",
        shared("conformance/elmo/allennlp/options.json"),
        "--elmo_weight_path",
        shared("conformance/elmo/allennlp/lm_weights.hdf5"),
    ]
    flags = elmo if name == "ELMo" else bert
    if name == "both":
        flags = bert + elmo
    succeed(
        zygote.run(
            "embvec.py",
            "--train_path",
            corpus,
            "--wrd_dim",
            8,
            "--out_path",
            folder / "emb.pkl",
            *flags,
        )
    )
    prefix = untrained(
        folder / "random" / "ner_model",
        "--train_path",
        corpus,
        "--dev_path",
        corpus,
        "--emb_path",
        folder / "emb.pkl",
        *SMALLEST,
        *MODELS[name],
    )
    (folder / "served").mkdir()
    return Served(zygote, prefix, folder / "served")


def conll_part(shared, sentences):
    """The first sentences of CoNLL-2003's dev part, -DOCSTART- lines included."""
    with open(shared("data/conll2003/dev.txt"), "rb") as stream:
        return b"\n\n".join(stream.read().split(b"\n\n")[:sentences]) + b"\n\n"


def odd_rows():
    """odd_documents() with the columns of CoNLL-2003."""
    return b"".join(
        line + b" NN O O\n" if line else b"\n" for line in odd_documents().split(b"\n")[:-1]
    )


@pytest.mark.parametrize(
    "name",
    ["both", *(pytest.param(name, marks=pytest.mark.slow) for name in ("BERT", "uncased", "ELMo"))],
)
def test_same_tags(models, shared, name):
    served, data = (
        models(name),
        b"a NN O O\n\n" + conll_part(shared, 300).partition(b"\n\n")[2] + odd_rows(),
    )
    ways = served.ways()
    first = succeed(ways["restored"](data, 32)).out
    for way, batch_size in (
        ("frozen", 32),
        ("C++ frozen", 32),
        ("C++ memory-mapped", 32),
        ("C++ transformed", 1),
    ):
        out = succeed(ways[way](data, batch_size)).out
        if out != first:
            print(f"{way}, {batch_size}: ties: {ties(served.prefix, first, out)}")
    assert len({line.split()[-1] for line in first.split(b"\n") if line}) >= 7


# --------------------------------------------------------- document context, from streams and lists


def tagged(served, data):
    return succeed(run_binary(*served.command("inference"), stdin=data))


def test_tags_depend_on_the_document(models, shared):
    """Sentences on their own have other tags, and -DOCSTART- before each sentence makes it stand on
    its own.
    """
    served, data = models("both"), conll_part(shared, 60)
    sentences = [
        part + b"\n\n" for part in data.split(b"\n\n")[:-1] if not part.startswith(b"-DOCSTART-")
    ]
    together = tagged(served, b"".join(sentences)).out
    documents = b"".join(b"-DOCSTART- -X- O O\n\n" + sentence for sentence in sentences)
    alone = tagged(served, documents).out
    assert together != alone.replace(b"-DOCSTART- -X- O O O\n\n", b"")
    assert b"".join(tagged(served, sentence).out for sentence in sentences[:5]) == b"".join(
        part + b"\n\n" for part in alone.split(b"\n\n")[1:10:2]
    )


@pytest.mark.parametrize("most, sentences", [(100, 20), (3000, 110)])
def test_tags_do_not_depend_on_how_the_stream_comes(models, shared, most, sentences):
    """The stream comes in pieces of up to `most` bytes with pauses between them, and as a whole."""
    served, rng = models("both"), random.Random(10)
    data = (
        b"a NN O O\n\n"
        + conll_part(shared, sentences).partition(b"\n\n")[2]
        + b"\n\n \t\n"
        + conll_part(shared, 10)[:-1]
    )
    process = subprocess.Popen(
        [binary("inference"), *served.command("inference")[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    at = len(
        b"\n\n".join(data.split(b"\n\n")[:4]) + b"\n\n"
    )  # the first sentence, and little more than it must know
    process.stdin.write(data[:at])
    process.stdin.flush()
    pieces = [
        process.stdout.readline()
    ]  # the first sentence is out, with what follows it as far as it counts: TensorFlow is there
    reader = threading.Thread(target=lambda: pieces.append(process.stdout.read()))
    reader.start()
    while at < len(data):
        size = rng.randint(1, most)
        process.stdin.write(data[at : at + size])
        process.stdin.flush()
        at += size
        time.sleep(0.005)
    process.stdin.close()
    reader.join()
    assert process.wait(120) == 0
    assert b"".join(pieces) == tagged(served, data).out


def test_a_document_that_ends_is_answered_at_once(models):
    served = models("both")
    process = subprocess.Popen(
        [binary("inference"), *served.command("inference")[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    process.stdin.write(b"a NN O O\n\nb NN O O\n\n-DOCSTART- -X- O O\n\n")
    process.stdin.flush()
    assert [process.stdout.readline().split(b" ")[0] for _ in range(5)] == [
        b"a",
        b"\n",
        b"b",
        b"\n",
        b"-DOCSTART-",
    ]
    process.stdin.write(b"c NN O O\n\n" * 60)
    process.stdin.flush()
    assert [process.stdout.readline()[:1] for _ in range(41)] == [
        b"\n",
        *[b"c", b"\n"] * 20,
    ]  # those with 38 words after them
    process.stdin.close()
    assert process.stdout.read().count(b"c") == 40
    assert process.wait(120) == 0


def test_a_bad_row_is_told_alike(models, zygote, shared):
    served, rows = models("both"), conll_part(shared, 40)
    for data in (rows + b"a NN\n\n" + rows, b"a NN O O\n\nb\n\n"):
        python = zygote.run(
            "inference.py", "--mode", "bucket", "--restore", served.prefix, stdin=data
        )
        cc = run_binary(*served.command("inference"), stdin=data)
        assert python.code == cc.code == 2
        assert python.out == cc.out != b""
        assert python.err.partition(": ")[2] == cc.err.partition(": ")[2]


def test_the_library_takes_neighbours_from_the_list(models, shared, tmp_path):
    """Files and lists of sentences give the same tags with one thread and with four, however the
    list is cut.
    """
    served, data = models("both"), conll_part(shared, 1000)
    sentences = [
        [row.split()[0].decode() for row in part.split(b"\n")] for part in data.split(b"\n\n")[:-1]
    ]
    expected = [
        [row.split()[-1].decode() for row in part.split(b"\n")]
        for part in tagged(served, data).out.split(b"\n\n")[:-1]
    ]
    (tmp_path / "in.txt").write_bytes(data)
    with python_package().load(served.folder) as model:
        for threads in (1, 4):
            assert model.tag_sentences(sentences, threads=threads) == expected
            model.tag_file(tmp_path / "in.txt", tmp_path / "out.txt", threads=threads)
            assert [
                [row.split()[-1].decode() for row in part.split(b"\n")]
                for part in (tmp_path / "out.txt").read_bytes().split(b"\n\n")[:-1]
            ] == expected
        assert (
            model.tag(sentences[1])
            == model.tag_sentences([sentences[1], ["-DOCSTART-"], sentences[2]])[0]
        )


def test_the_engine_refuses_it(models, zygote, tmp_path):
    message = zygote.mistake(
        os.path.join(INFERENCE, "export.py"),
        "--restore",
        models("both").prefix,
        "--engine",
        tmp_path / "x.etagger",
    )
    assert (
        "--engine: use_bert True: the C++ engine does not cover it; serve this model with "
        "TensorFlow: export.py without --engine, then "
        "freeze.py; inference/README.md says how" in message
    )
    assert os.listdir(tmp_path) == []
