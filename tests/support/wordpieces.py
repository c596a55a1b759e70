"""The normalizer of BERT as in the library `tokenizers`, and vocabularies made from words."""

import collections

from tokenizers import normalizers, pre_tokenizers

KINDS = ("cased", "uncased")

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


def normalizer(kind):
    return normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=None, lowercase=kind == "uncased"
    )


def vocabulary(counts, kind, characters=""):
    """A vocabulary of these characters, of frequent words, and of their frequent parts."""
    normalize, split = (
        normalizer(kind).normalize_str,
        pre_tokenizers.BertPreTokenizer().pre_tokenize_str,
    )
    whole, parts, letters = (
        collections.Counter(),
        collections.Counter(),
        collections.Counter(dict.fromkeys(characters, 10)),
    )
    for word, count in counts.items():
        for token, _ in split(normalize(word.decode(errors="replace"))):
            whole[token] += count
            letters.update(token)
            for at in range(1, len(token)):
                parts.update(token[at : at + size] for size in (2, 3, 4))
    letters = sorted(letter for letter, count in letters.items() if count > 2)
    pieces = [
        *SPECIAL,
        *letters,
        *("##" + letter for letter in letters),
        *(token for token, _ in whole.most_common(4000)),
        *("##" + part for part, _ in parts.most_common(4000)),
    ]
    return list(dict.fromkeys(pieces))
