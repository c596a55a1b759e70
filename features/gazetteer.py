"""Gazetteers: lists of known names, as a feature of each token for each type of name."""

from cli import UserError
from files.text import read_lines

MOST_NAME_WORDS = 256  # of a name: a look-up tries each length up to that of the longest
MOST_TYPES = 1024  # each token has a mark for each type


class Gazetteer:
    """names: {tuple of words: list of type indices}; types: list of type names. Names match as they
    are spelled.
    """

    def __init__(self, types, names):
        self.types, self.names = types, names
        self.longest = max(map(len, names), default=0)
        self.starts = {name[0] for name in names}

    @classmethod
    def read(cls, path):
        """Reads `TYPE word word ...` lines, UTF-8, blank lines ignored. Raises UserError naming
        file and line.
        """
        types, names = {}, {}
        for number, line in read_lines(path, "--gazetteer"):
            fields = [field for field in line.replace("\t", " ").split(" ") if field]
            if len(fields) == 1:
                raise UserError(
                    f"{path}:{number}: only {fields[0]!r}, expected `TYPE word word ...`"
                )
            if len(fields) > MOST_NAME_WORDS + 1:
                raise UserError(
                    f"{path}:{number}: a name of {len(fields) - 1:,} words, expected at most "
                    f"{MOST_NAME_WORDS}"
                )
            if fields:
                index = types.setdefault(fields[0], len(types))
                known = names.setdefault(tuple(fields[1:]), [])
                if index not in known:
                    known.append(index)
        if len(types) > MOST_TYPES:
            raise UserError(
                f"{path}: {len(types):,} types, expected at most {MOST_TYPES:,}; a line is "
                "`TYPE word word ...`"
            )
        if not names:
            raise UserError(f"{path}:1: no name in this file, expected `TYPE word word ...` lines")
        return cls(list(types), names)

    def match(self, words):
        """Longest match from the left, names do not overlap. Returns {(token index, type index),
        ...}.
        """
        found, i = set(), 0
        while i < len(words):
            length = self._longest_at(words, i) if words[i] in self.starts else 0
            for kind in self.names[tuple(words[i : i + length])] if length else ():
                found.update((i + k, kind) for k in range(length))
            i += length or 1
        return found

    def _longest_at(self, words, i):
        for length in range(min(self.longest, len(words) - i), 0, -1):
            if tuple(words[i : i + length]) in self.names:
                return length
        return 0

    def to_dict(self):
        """Plain containers for a checkpoint."""
        return {
            "types": self.types,
            "names": [[list(name), kinds] for name, kinds in self.names.items()],
        }

    @classmethod
    def from_dict(cls, plain):
        return cls(plain["types"], {tuple(name): kinds for name, kinds in plain["names"]})
