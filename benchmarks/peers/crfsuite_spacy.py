"""python-crfsuite and spaCy on CoNLL-2003, the peers of engine.py: trains a model, and tags a file
with it.

    python benchmarks/peers/crfsuite_spacy.py crfsuite --train
    python benchmarks/peers/crfsuite_spacy.py crfsuite --input FILE > pred.txt

Training takes some minutes and writes into runs/bench/engine/crfsuite or spacy. Tagging writes each
row with the predicted tag appended; reading and writing are simple, so that little time is spent
outside of the libraries. python-crfsuite is a linear-chain CRF over the usual features of words and
POS; the features of a word are computed once. spaCy is the `ner` component over its small CNN; it
gets the words alone, as ready tokens.
"""

import functools
import json
import os
import random
import sys
import time

import _top
import conll
from cli import Parser, UserError, check_readable, run_command
from corpora import BENCH, CORPORA, ROOT, emb_path, find
from features.vocabulary import EmbVec
from scoring import chunks

AT_ONCE = 256  # sentences in a batch of spaCy


def corpus():
    """CoNLL-2003's training and dev sentences."""
    train, dev, columns, _ = CORPORA["conll2003"]
    return [
        conll.read_sentences(os.path.join(ROOT, find("data", path)), columns.split())[0]
        for path in (train, dev)
    ]


# ---------------------------------------------------------------- python-crfsuite
# WHAT names all settings; a model is trained again if they have changed.


class CrfSuite:
    """A CRF over features of the words and POS up to two tokens away on either side, trained by
    L-BFGS with L1 and L2 regularization.
    """

    WHAT = (
        "words, POS and shapes of 5 tokens, affixes of 3, L-BFGS with c1 0.1 and c2 0.1, 100 "
        "iterations"
    )

    def __init__(self, folder):
        self.path = os.path.join(folder, "model.crfsuite")

    def train(self):
        import pycrfsuite

        trainer = pycrfsuite.Trainer(verbose=False)
        for sentence in corpus()[0]:
            trainer.append(features(sentence.words, sentence.pos), sentence.tags)
        trainer.set_params(
            {"c1": 0.1, "c2": 0.1, "max_iterations": 100, "feature.possible_transitions": True}
        )
        trainer.train(self.path)

    def load(self):
        import pycrfsuite

        self.tagger = pycrfsuite.Tagger()
        self.tagger.open(self.path)

    def tag(self, sentences):
        """A list of tags for each sentence, which is a list of (word, POS)."""
        return [self.tagger.tag(features(*zip(*sentence))) for sentence in sentences]


@functools.lru_cache(maxsize=1 << 17)
def word_features(word, pos, place):
    """The features of a token for the token that is `place` tokens before it (or after, if
    negative).
    """
    lower = word.lower()
    parts = [
        f"word={word}",
        f"lower={lower}",
        f"pos={pos}",
        f"pos2={pos[:2]}",
        f"shape={shape(word)}",
    ]
    if abs(place) < 2:
        parts += [
            f"suffix3={lower[-3:]}",
            f"suffix2={lower[-2:]}",
            f"prefix3={lower[:3]}",
            f"title={word.istitle()}",
            f"upper={word.isupper()}",
            f"digits={word.isdigit()}",
        ]
    return [f"{place}:{part}" for part in parts]


def shape(word):
    """The kinds of a word's characters, without repetitions: 'McDonald-2' -> 'XxXx-d'."""
    kinds = [character_kind(character) for character in word]
    return "".join(kind for i, kind in enumerate(kinds) if not i or kinds[i - 1] != kind)


def character_kind(character):
    if character.isupper():
        return "X"
    if character.islower():
        return "x"
    return "d" if character.isdigit() else character


def features(words, pos):
    """The features of each token of a sentence, a list of lists of str."""
    count, found = len(words), []
    for i in range(count):
        mine = ["bias", *word_features(words[i], pos[i], 0)]
        for place in (-2, -1, 1, 2):
            if 0 <= i + place < count:
                mine += word_features(words[i + place], pos[i + place], place)
            else:
                mine.append(f"{place}:none")
        found.append(mine)
    return found


# ---------------------------------------------------------------- spaCy


class SpaCy:
    """The `ner` component over its default CNN, with the GloVe vectors of our models as static
    vectors.
    """

    WHAT = (
        "blank English, ner over HashEmbedCNN (width 96, depth 4) with GloVe 6B 50d, the best of "
        "10 epochs on dev"
    )

    def __init__(self, folder):
        self.path = os.path.join(folder, "model")

    def train(self):
        import spacy
        from spacy.training import Example
        from spacy.training.batchers import minibatch_by_words

        spacy.util.fix_random_seed(1)
        self.nlp = nlp = spacy.blank("en")
        emb = EmbVec.load(os.path.join(ROOT, emb_path("conll2003")))
        nlp.vocab.vectors = by_lower_case(nlp.vocab, emb.vectors, emb.vocab["wrd"])
        nlp.add_pipe("ner", config={"model": {"tok2vec": {"pretrained_vectors": True}}})
        train, dev = corpus()
        examples = [
            Example(self.doc(sentence.words), self.doc(sentence.words, sentence.tags))
            for sentence in train
        ]
        optimizer, best = nlp.initialize(lambda: examples), -1.0
        for epoch in range(10):
            random.Random(epoch).shuffle(examples)
            for batch in minibatch_by_words(examples, size=1000):
                nlp.update(batch, sgd=optimizer, drop=0.1)
            score = chunks.score(
                [sentence.tags for sentence in dev],
                self.tag([[(word, "") for word in sentence.words] for sentence in dev]),
            ).f1
            print(f"spacy: epoch {epoch + 1}, dev chunk F1 {score:.2f}", file=sys.stderr)
            if score > best:
                best = score
                nlp.to_disk(self.path)

    def doc(self, words, tags=None):
        from spacy.tokens import Doc

        return Doc(self.nlp.vocab, words=words, ents=tags)

    def load(self):
        import spacy

        self.nlp = spacy.load(self.path)
        stored = self.nlp.vocab.vectors
        self.nlp.vocab.vectors = by_lower_case(
            self.nlp.vocab, stored.data, sorted(stored.key2row, key=stored.key2row.get)
        )

    def tag(self, sentences):
        """As CrfSuite.tag."""
        docs = self.nlp.pipe(
            (self.doc([word for word, _ in sentence]) for sentence in sentences), batch_size=AT_ONCE
        )
        return [
            [f"{token.ent_iob_}-{token.ent_type_}" if token.ent_type_ else "O" for token in doc]
            for doc in docs
        ]


def by_lower_case(vocab, data, keys):
    """Word vectors that spaCy looks up by the lower case of a token. Its files do not keep this
    setting, so it is made again after loading.
    """
    from spacy.vectors import Vectors

    return Vectors(strings=vocab.strings, data=data, keys=keys, name="glove", attr="LOWER")


# ---------------------------------------------------------------- the command

PEERS = {"crfsuite": CrfSuite, "spacy": SpaCy}


def tag_file(peer, path, out):
    """Tags a file of columns with blank lines between sentences."""
    with open(path, encoding="utf-8") as stream:
        blocks = [block.split("\n") for block in stream.read().strip("\n").split("\n\n")]
    sentences = [[tuple(row.split()[:2]) for row in rows] for rows in blocks]
    for rows, tags in zip(blocks, peer.tag(sentences)):
        out.write("\n".join(f"{row} {tag}" for row, tag in zip(rows, tags)) + "\n\n")


def folder_of(name):
    return os.path.join(BENCH, "engine", name)


def note(name):
    """A line with a model's settings and the processor seconds of its training; None if there is no
    model with the settings of WHAT.
    """
    try:
        with open(os.path.join(folder_of(name), "trained.json"), encoding="utf-8") as stream:
            done = json.load(stream)
    except FileNotFoundError:
        return None
    if done["what"] != PEERS[name].WHAT:
        return None
    return f"{name}: {done['what']}; {done['cpu_seconds']:.0f} s of training"


def train(name):
    """Trains a model, and then writes trained.json, which marks it as finished."""
    os.makedirs(folder_of(name), exist_ok=True)
    started = time.process_time()
    PEERS[name](folder_of(name)).train()
    with open(os.path.join(folder_of(name), "trained.json"), "w", encoding="utf-8") as out:
        json.dump({"what": PEERS[name].WHAT, "cpu_seconds": time.process_time() - started}, out)


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("--train", action="store_true", help="train its model")
    parser.add_argument("--input", default="", help="the file to tag")
    args = parser.parse_args()
    if args.train:
        return train(args.peer)
    check_readable(args.input, "--input")
    if not note(args.peer):
        raise UserError(f"{args.peer}: there is no model yet; train one with --train")
    peer = PEERS[args.peer](folder_of(args.peer))
    peer.load()
    tag_file(peer, args.input, sys.stdout)


if __name__ == "__main__":
    run_command(main)
