"""ELMo and BERT from C++: the graph is fed what feed.py feeds it, and the tags are those of Python, byte for byte."""
import dataclasses
import io
import random
import sys

import numpy as np
import pytest

import conll
from config import Config
from embvec import PAD, UNK, EmbVec
from feed import Feeder, tagging_batches
from serving import INFERENCE, probe_bytes
from test_wordpiece_cc import vocabulary, words_of

sys.path.insert(0, INFERENCE)
import export  # noqa: E402

# Words that BERT or ELMo reads in ways of their own.
ODD = ["<S>", "</S>", "[SEP]", "[CLS]", "\u200b", "\udcff", "caf\udce9", "\ufffd\u0301", "a" * 49, "é" * 24 + "e", "漢字", "x" * 120, "-" * 30, "😀"]


def columns_of(documents):
    """Documents, lists of lists of words, as columns (bytes) of words alone."""
    return b"".join(b"-DOCSTART-\n\n" + b"".join(b"".join(word.encode(errors="surrogateescape") + b"\n" for word in words) + b"\n" for words in document)
                    for document in documents)


def odd_documents():
    """Short and long sentences of odd words, single words, and one of 10,000 tokens."""
    rng = random.Random(9)
    words = [*ODD, *"a bb Obama's U.S. naïve".split()]
    documents = [[rng.choices(words, k=rng.choice((1, 2, 9, 40))) for _ in range(rng.choice((1, 4, 12)))] for _ in range(20)]
    return columns_of([*documents, [["a"], rng.choices(words, k=10_000), ["b"]], [[word] for word in ODD]])


# ---------------------------------------------------------------- what the graph is fed

def check_inputs(data, columns, counts, tmp_path, batch_size=32, max_seq_length=40, lower=False, **settings):
    """C++ feeds for columns (bytes) what feed.py feeds, in the same batches. counts: words, for vocabularies. Returns how many numbers."""
    pieces = vocabulary(counts, "uncased" if lower else "cased")
    config = dataclasses.replace(Config(use_pos=False, use_chk=False, word_length=6, wrd_dim=1, batch_size=batch_size, max_batch_tokens=4000), **settings)
    words = list(dict.fromkeys([PAD, UNK, *(word.decode(errors="ignore").lower() for word in counts)]))
    emb = EmbVec([word for word in words if word], [PAD, UNK, *"abcdeé漢"], [PAD, UNK], [PAD, UNK], ["O"], 1, elmo={"options": {}},
                 bert={"do_lower_case": lower, "max_seq_length": max_seq_length}, pieces=pieces)
    meta = {"tags": ["O"], "tag_scheme": "bio", "data_scheme": "bio", "columns": columns, "gazetteer": None}
    (tmp_path / "settings.json").write_text(export.model_config(config, meta, emb), encoding="utf-8")
    (tmp_path / "vocab.txt").write_bytes(emb.vocab_text())
    lines = iter(probe_bytes("inputs", data, tmp_path / "settings.json", tmp_path / "vocab.txt", batch_size))

    parser = conll.SentenceParser("test", None, own=columns)
    sentences = conll.in_documents([parser.parse(block) for block in conll.read_blocks(io.BytesIO(data)) if block.rows])
    places = [i for i, sentence in enumerate(sentences) if not sentence.is_docstart]
    feeder, total = Feeder(emb, config, {"O": 0}), 0
    examples = [feeder.encode(sentences[i]) for i in places]
    for batch, size, length in tagging_batches([len(example) for example in examples], config):
        assert [int(place) for place in next(lines).split()] == [places[k] for k in batch]
        expected = feeder.batch([examples[k] for k in batch + batch[-1:] * (size - len(batch))], length=length)
        ours = {name.decode(): rest for name, _, rest in (next(lines).partition(b" ") for _ in expected)}
        assert ours.keys() == expected.keys()
        for name, array in expected.items():
            shape, values = (np.array(part.split(), np.int64) for part in ours[name].split(b"|")[:2])
            assert shape.tolist() == list(array.shape) and (values == array.ravel()).all(), name
            total += array.size
    assert next(lines, None) is None
    return total


SETTINGS = {"ELMo": {"use_elmo": True, "use_bert": False, "use_word": False, "use_chr": False},
            "BERT": {"use_bert": True, "use_elmo": False, "use_word": False, "use_chr": False},
            "both, with context": {"use_elmo": True, "use_bert": True, "bert_pooling": "mean", "bert_context": True}}


@pytest.mark.parametrize("name", SETTINGS)
def test_inputs_of_odd_words_and_long_sentences(tmp_path, name):
    data = odd_documents()
    counts = dict.fromkeys(data.split(), 3)
    for lower, max_seq_length in ((False, 40), (True, 9)):
        assert check_inputs(data, ["word"], counts, tmp_path, lower=lower, max_seq_length=max_seq_length, **SETTINGS[name]) > 40_000


@pytest.mark.parametrize("corpus, columns, lower, max_seq_length", [
    ("conll2003/dev.txt", "word pos chunk tag", False, 64), ("resume_ner/dev.char.bmes", "word tag", True, 32), ("wnut17/dev.conll", "word tag", True, 128)])
def test_inputs_of_corpora(shared, tmp_path, corpus, columns, lower, max_seq_length):
    with open(shared("data/" + corpus), "rb") as stream:
        data = stream.read()
    assert check_inputs(data, columns.split(), words_of(shared, [corpus]), tmp_path, lower=lower, max_seq_length=max_seq_length,
                        **SETTINGS["both, with context"]) > 1_000_000
