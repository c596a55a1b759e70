"""What a model says of itself, in a checkpoint's JSON and in an exported graph: its fields, checked
once, where they are read. A stranger may have written them.
"""

import typing

import conll
import schemes
from cli import UserError, __version__
from config import MODEL_FIELDS, of_model
from features.gazetteer import MOST_NAME_WORDS, MOST_TYPES, Gazetteer
from features.tokenizer import TOKENIZERS
from files.structured import conforms, misfit, shortened


class Settings(typing.TypedDict):
    """Fields that checkpoints and graphs have in common."""

    format: int
    config: dict  # see config.of_model
    tags: list[str]  # the model's, in tag_scheme; the index is the id
    tag_scheme: str  # in which the model has learned
    data_scheme: str  # of the training data
    columns: list[str]  # of the training data
    delimiter: str  # between them, as --delimiter names it; "" where the training did not say
    tokenizer: str  # that splits text for it, of features.tokenizer.TOKENIZERS
    gazetteer: typing.Optional[dict]  # see Gazetteer.to_dict
    vocab_hash: str  # EmbVec.vocab_hash


class GraphSettings(Settings):
    """The constant `model_config` of an exported graph; its config has MODEL_FIELDS alone."""

    etagger: str  # version that wrote it
    lowercase: bool  # the word vectors' words are lowercased
    bert: typing.Optional[dict]  # {"do_lower_case": bool, "max_seq_length": int}
    feature_drop: float  # of the training; 0 where an older version did not say


_BERT = {"do_lower_case": bool, "max_seq_length": int}
_GAZETTEER = {"types": list[str], "names": list}
GRAPH_FORMAT = 1  # of model_config
MOST_PIECES = 1 << 20  # in a window of BERT


def check_fields(given, fields, where, mend):
    """Raises UserError where `given` is not a dict of exactly the fields of a TypedDict. Adds the
    delimiter and the tokenizer, which an older version did not write.
    """
    if isinstance(given, dict):
        given.setdefault("delimiter", "")
        given.setdefault("tokenizer", "words")
        if isinstance(given.get("config"), dict):
            given["config"].setdefault("tokenizer", "auto")
    problem = misfit(given, typing.get_type_hints(fields))
    if problem:
        raise UserError(f"{where}: {problem}; {mend}")


def check_model(given, where, mend, version=__version__, names=None):
    """Checks what Settings has, the types apart, and replaces given["config"] by the whole one.

    where: the file; mend: how to mend it, for messages. version, names: see config.of_model.
    Returns the Config. Raises UserError.
    """
    config = of_model(given["config"], where, names, version)
    given["config"] = config.to_dict()
    problem = (
        tags_problem(given["tags"], given["tag_scheme"])
        or _schemes_problem(given["tag_scheme"], given["data_scheme"])
        or _columns_problem(given["columns"], given["delimiter"])
        or _tokenizer_problem(given["tokenizer"])
        or _gazetteer_problem(given["gazetteer"], config)
    )
    if problem:
        raise UserError(f"{where}: {problem}; {mend}")
    return config


def graph_settings(given, where):
    """What a graph's `model_config` holds, checked. Returns (dict as GraphSettings, Config).
    Raises UserError.
    """
    mend = "export it again with this version"
    if isinstance(given, dict):
        given.setdefault("feature_drop", 0.0)
    check_fields(given, GraphSettings, where, mend)
    if given["format"] != GRAPH_FORMAT:
        raise UserError(
            f"{where}: model_config of format {given['format']}, expected {GRAPH_FORMAT}; {mend}"
        )
    config = check_model(given, where, mend, given["etagger"], MODEL_FIELDS)
    bert = given["bert"]
    if config.use_bert or bert:
        problem = misfit(bert, _BERT)
        if not problem and not 3 <= bert["max_seq_length"] <= MOST_PIECES:
            problem = f"max_seq_length: {bert['max_seq_length']}, expected 3 to {MOST_PIECES:,}"
        if problem:
            raise UserError(f"{where}: bert: {problem}; {mend}")
    return given, config


def tags_problem(tags, scheme):
    """What is wrong with a model's tags, '' where nothing is."""
    if not tags or tags[0] != "O" or len(set(tags)) < len(tags):
        return f"tags: {shortened(tags)}, expected O as the first, and each tag once"
    for tag in tags:
        if not tag or set(tag) & set(" \t\r\n\0"):
            return f"tags: {shortened(tag)}, expected a word"
    if scheme in schemes.SCHEMES:
        try:
            for tag in tags:
                schemes.split_tag(tag)
        except ValueError as error:
            return f"tags: {error}, which the scheme {scheme} expects"
    return ""


def _schemes_problem(tag_scheme, data_scheme):
    for name, scheme in (("tag_scheme", tag_scheme), ("data_scheme", data_scheme)):
        if scheme not in (*schemes.SCHEMES, schemes.RAW):
            known = ", ".join((*schemes.SCHEMES, schemes.RAW))
            return f"{name}: {shortened(scheme)}, expected one of {known}"
    if (tag_scheme == schemes.RAW) != (data_scheme == schemes.RAW):
        return f"tag_scheme {tag_scheme} and data_scheme {data_scheme}: neither reads as the other"
    return ""


def _columns_problem(columns, delimiter):
    if problem := conll.columns_problem(columns):
        return f"columns: {problem}"
    if delimiter not in ("", *conll.DELIMITERS):
        return f"delimiter: {shortened(delimiter)}, expected one of {', '.join(conll.DELIMITERS)}"
    return ""


def _tokenizer_problem(tokenizer):
    if tokenizer not in TOKENIZERS:
        return f"tokenizer: {shortened(tokenizer)}, expected one of {', '.join(TOKENIZERS)}"
    return ""


def _gazetteer_problem(plain, config):
    if bool(config.gazetteer) != bool(plain):
        return f"gazetteer: {shortened(config.gazetteer)} in the config, and {shortened(plain)}"
    problem = misfit(plain, _GAZETTEER) if plain else ""
    if not plain or problem:
        return problem and f"gazetteer: {problem}"
    types = plain["types"]
    if not types or len(set(types)) < len(types) or len(types) > MOST_TYPES:
        return f"gazetteer: {len(types):,} types, expected 1 to {MOST_TYPES:,}, each once"
    for entry in plain["names"]:
        if not _is_name(entry, len(types)):
            return (
                f"gazetteer: {shortened(entry)}, expected [words, types], 1 to {MOST_NAME_WORDS} "
                f"words and numbers of the {len(types)} types"
            )
    words = " ".join(word for words, _ in plain["names"] for word in words)
    return "" if conforms(words, str) else "gazetteer: a word that is not UTF-8"


def _is_name(entry, types):
    if type(entry) is not list or [type(part) for part in entry] != [list, list]:
        return False
    words, kinds = entry
    return (
        0 < len(words) <= MOST_NAME_WORDS
        and all(type(word) is str for word in words)
        and all(type(kind) is int and 0 <= kind < types for kind in kinds)
    )


def gazetteer_of(given):
    """The Gazetteer of a model's settings, or None."""
    return Gazetteer.from_dict(given["gazetteer"]) if given["gazetteer"] else None
