"""--spacy_model: spaCy splits texts into words and sentences, and fills the POS column."""

from typing import NamedTuple, Optional

from cli import UserError
from serving.texts import units
from tagging.streams import _load_spacy as load_spacy


class TextEntity(NamedTuple):
    """An entity of a text: its type, characters start to end - 1, they themselves, its score."""

    type: str
    start: int
    end: int
    text: str
    score: Optional[float]


class WithSpacy:
    """A model whose texts spaCy splits. Everything but texts goes to the model itself."""

    quick = False  # spaCy takes milliseconds

    def __init__(self, model, name):
        """name: of spaCy's model, or its path. Raises UserError."""
        pipeline, why_not = load_spacy(name)
        if pipeline is None:
            raise UserError(f"--spacy_model {name}: {why_not}, or leave the flag out")
        self.model, self.pipeline = model, pipeline

    def __getattr__(self, name):
        return getattr(self.model, name)

    def entities(self, texts, split, offsets, scores):
        return [self._entities(text, split, offsets, scores) for text in texts]

    def _entities(self, text, split, offsets, scores):
        unit, found = units(text, offsets), []
        for sentence in self._sentences(text, split):
            words, pos, places = zip(*sentence)
            for start, end, kind, score in self.model.confident(
                list(words), list(pos) if all(pos) else None
            ):
                begin, last = places[start][0], places[end - 1][1]
                found.append(
                    TextEntity(
                        kind,
                        unit(begin),
                        unit(last),
                        text[begin:last],
                        score if scores else None,
                    )
                )
        return found

    def words_of(self, text, split):
        """(start, end) of the words of each sentence, in code points."""
        return [[place for _, _, place in sentence] for sentence in self._sentences(text, split)]

    def _sentences(self, text, split):
        """A list of (word, part of speech, (start, end)) for each sentence."""
        found, begin = [], 0
        for line in text.split("\n"):
            doc = self.pipeline(line)
            parts = doc.sents if split and doc.has_annotation("SENT_START") else [doc]
            for part in parts:
                sentence = [
                    (
                        token.text.replace(" ", "_"),
                        token.tag_,
                        (begin + token.idx, begin + token.idx + len(token.text)),
                    )
                    for token in part
                    if not token.is_space
                ]
                if sentence:
                    found.append(sentence)
            begin += len(line) + 1
        return found
