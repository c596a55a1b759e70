"""--spacy_model: spaCy splits texts into words and sentences, and fills the POS column."""

from cli import UserError
from serving.texts import Mistake
from tagging.streams import load_spacy
from tagging.text import text_entities


class WithSpacy:
    """A model whose texts are split by spaCy. All other calls go to the model itself."""

    quick = False  # spaCy takes milliseconds

    def __init__(self, model, name):
        """name: the name or the path of a spaCy model. Raises UserError."""
        pipeline, why_not = load_spacy(name)
        if pipeline is None:
            raise UserError(f"--spacy_model {name}: {why_not}, or leave the flag out")
        self.model, self.pipeline = model, pipeline

    def __getattr__(self, name):
        return getattr(self.model, name)

    def entities(self, texts, split, offsets, scores):
        return [self._entities(text, split, offsets, scores) for text in texts]

    def _entities(self, text, split, offsets, scores):
        words, pos, sentences = self._read(text, split)
        found = [self.model.confident(*sentence) for sentence in zip(words, pos)]
        if not scores:
            found = [[entity[:3] for entity in entities] for entities in found]
        return text_entities(text, sentences, found, offsets)

    def sentences(self, text, split):
        return self._read(text, split)[2]

    def tagged(self, text, split):
        words, pos, sentences = self._read(text, split)
        return sentences, self.model.tags(words, pos if all(pos) else None)

    def nbest(self, text, count, offsets):
        raise Mistake("nbest is not answered where spaCy splits the text (--spacy_model)")

    def _read(self, text, split):
        """Three lists with an entry for each sentence: its words, its part-of-speech tags (or
        None), and the (start, end) of its words in code points.
        """
        words, pos, sentences = [], [], []
        begin = 1 if text.startswith("\ufeff") else 0  # a byte order mark belongs to no word
        for line in text[begin:].split("\n"):
            doc = self.pipeline(line)
            parts = doc.sents if split and doc.has_annotation("SENT_START") else [doc]
            for part in parts:
                tokens = [token for token in part if not token.is_space]
                if not tokens:
                    continue
                words.append([token.text.replace(" ", "_") for token in tokens])
                tags = [token.tag_ for token in tokens]
                pos.append(tags if all(tags) else None)
                starts = [begin + token.idx for token in tokens]
                sentences.append(
                    [(start, start + len(token)) for start, token in zip(starts, tokens)]
                )
            begin += len(line) + 1
        return words, pos, sentences
