"""Reads the corpus that train.py trains and evaluates on, and settles what the config leaves to the
data.
"""

import dataclasses
import functools
import sys

import numpy as np

import conll
import schemes
import tagset
from cli import UserError
from features.feed import Feeder
from features.gazetteer import Gazetteer
from features.pretrained import check_bert_layers
from features.tokens import FEATURES
from features.vocabulary import EmbVec
from settings import tags_problem


@dataclasses.dataclass
class Data:
    """Everything that a training run needs to know but the graph."""

    train: list  # Examples
    dev: list  # Examples; tags are None where a tag was never seen in training
    sentences: (
        dict  # {"train" or "dev": conll.Sentences}, where vectors are to be computed for them
    )
    dev_gold: list  # the dev sentences' tags, in the data's own scheme
    feeder: Feeder
    emb: EmbVec
    tags: list  # the model's tags, in its scheme; the index is the id
    tag_scheme: str  # scheme in which the model learns
    data_scheme: str  # scheme of the data
    columns: tuple


def load_data(config, emb=None, gazetteer=None, tags=None, first=None, models=None, sentences=None):
    """Reads the corpus. Returns (Config with what the data decided, Data). Raises UserError.

    emb, gazetteer, tags: those of the checkpoint that training starts from. first, models: see
    EmbVec.from_sentences. sentences: {"train" or "dev": conll.Sentences} in place of the files of
    config.train_path or dev_path.
    """
    sentences = sentences or {}
    train, columns = _given("train", sentences) or _read_all(config.train_path, config)
    dev = (
        []
        if config.dev_fraction
        else (_given("dev", sentences, columns) or _read_all(config.dev_path, config, columns))[0]
    )
    scheme = _data_scheme(train, config, "train" in sentences)
    _check_dev_tags(dev, scheme, "dev" in sentences)
    for name, given in (*train, *dev) if sentences else ():
        conll.check_tags(name, given)
    lines = _lines_about_tags(train, dev, scheme, "train" in sentences)
    _warn_of_ill_formed(train, scheme)
    if emb or config.emb_path:
        emb = emb or _load_emb(config)
        _check_tags(train, emb)
    train = [sentence for _, sentences in train for sentence in sentences]
    dev = [sentence for _, sentences in dev for sentence in sentences]
    if config.dev_fraction:
        train, dev = _cut_off(train, config)
    emb = emb or EmbVec.from_sentences(train, config.wrd_dim or 50, config.lowercase, first, models)
    config = _decide(config, emb, columns)
    if config.gazetteer and gazetteer is None:
        gazetteer = Gazetteer.read(config.gazetteer)

    target = config.tag_scheme or scheme
    tags = tags or schemes.scheme_tags(emb.tags, scheme, target)
    if problem := tags_problem(tags, target):
        raise UserError(f"{config.emb_path or 'the vocabulary'}: {problem}; mend its tags")
    feeder = Feeder(
        emb, config, {tag: i for i, tag in enumerate(tags)}, gazetteer if config.gazetteer else None
    )
    sentences = {"train": train, "dev": dev} if config.vector_cache else {}
    data = Data(
        [],
        [],
        sentences,
        [sentence.tags for sentence in dev],
        feeder,
        emb,
        tags,
        target,
        scheme,
        columns,
    )
    data.train = [
        feeder.encode(sentence, schemes.convert(sentence.tags, scheme, target))
        for sentence in train
    ]
    feeder.mark_rare(data.train)
    data.dev = _encode_dev(dev, data)
    for line in lines:  # now that there is no mistake, which would be the only line
        _say_once(f"train.py: {line}")
    return config, data


def to_sentences(items, name):
    """Pairs (words, tags), lists of str, or conll.Sentences -> conll.Sentences, -DOCSTART- lines
    left out. Raises UserError.

    name: 'train' or 'dev'. In messages a sentence bears the number of its place, from 1, as its
    line.
    """
    sentences = []
    for number, item in enumerate(items, 1):
        if not isinstance(item, conll.Sentence):
            if len(item) != 2:
                raise UserError(
                    f"{name}:{number}: expected a pair (words, tags), or a conll.Sentence"
                )
            item = conll.Sentence(number, item[0], None, None, item[1])
        if isinstance(item.words, str):
            raise UserError(f"{name}:{number}: {item.words[:60]!r}, expected a list of words")
        if not item.words or item.tags is None or len(item.words) != len(item.tags):
            raise UserError(
                f"{name}:{number}: {len(item.words)} words and {len(item.tags or ())} tags, "
                "expected a tag for each word, and one word at least"
            )
        sentences.append(item._replace(first_line=number, lines=None))
    sentences = [sentence for sentence in conll.in_documents(sentences) if not sentence.is_docstart]
    if not sentences:
        raise UserError(f"{name}: no sentence, expected pairs (words, tags)")
    return sentences


def _given(name, sentences, own=None):
    """What _read_all gives of files; None where these sentences are not given."""
    if name not in sentences:
        return None
    first, *rest = sentences[name]
    columns = tuple(
        column for column, cells in zip(conll.COLUMN_NAMES, first[1:]) if cells is not None
    )
    for each in rest:
        if (
            tuple(
                column for column, cells in zip(conll.COLUMN_NAMES, each[1:]) if cells is not None
            )
            != columns
        ):
            raise UserError(
                f"{name}:{each.first_line}: other columns than the first sentence's ({' '.join(columns)})"
            )
    if own and own != columns and set(own) != set(columns):
        raise UserError(
            f"{name}: columns ({' '.join(columns)}), expected ({' '.join(own)}) as in the training sentences"
        )
    return [(name, sentences[name])], columns


def _read_all(paths, config, own=None):
    """[(path, sentences), ...] and the columns, which must be the same in all files."""
    named, parts, columns = conll.columns_of(config), [], own
    for path in paths:
        sentences, these = conll.read_sentences(path, named, columns, delimiter=config.delimiter)
        if columns and these != columns:
            raise UserError(
                f"{path}:{sentences[0].first_line}: columns ({' '.join(these)}), expected "
                f"({' '.join(columns)}) as in the other files; name them with --columns"
            )
        parts.append((path, sentences))
        columns = these
    return parts, columns


def _data_scheme(parts, config, by_value):
    """The scheme of the training sentences. Raises UserError for tags with which nobody can train,
    and for config.tag_scheme where they follow none.
    """
    counts, places = tagset.collect(parts, by_value)
    tagset.check(places)
    scheme = schemes.detect(sentence.tags for _, sentences in parts for sentence in sentences)
    if scheme == schemes.RAW and config.tag_scheme:
        why = tagset.findings(counts, sum(counts.values()))[0]
        raise UserError(
            f"{places[why.tag]}: {why.what}, but tag_scheme {config.tag_scheme} needs O and "
            f"PREFIX-TYPE; {why.mend}, or leave tag_scheme out"
        )
    return scheme


def _check_dev_tags(parts, scheme, by_value):
    """Raises UserError for dev tags that cannot be read in the scheme of the training ones."""
    places = tagset.collect(parts, by_value)[1]
    tagset.check(places)
    for tag, place in places.items() if scheme != schemes.RAW else ():
        try:
            schemes.split_tag(tag)
        except ValueError:
            meant = tagset.meant(tag)
            raise UserError(
                f"{place}: tag {tagset.shown(tag)}, expected O or PREFIX-TYPE as in the training "
                f"files ({scheme}); {f'write {meant} in its place' if meant else 'mend the tag'}"
            ) from None


def _lines_about_tags(train, dev, scheme, by_value):
    """What is probably not meant among the tags, and how they are read: a list of lines."""
    (tags, places), (more, more_places) = (
        tagset.collect(parts, by_value) for parts in (train, dev)
    )
    mixed = tagset.mixed_schemes(train, scheme)
    lines = tagset.train_lines(tags, {**more_places, **places}, scheme, more, mixed)
    mixed = tagset.mixed_schemes(dev, scheme, "the training files") if scheme != schemes.RAW else ""
    if mixed:
        lines.append(f"{mixed}, expected one scheme; convert one of them")
    return lines


@functools.cache
def _say_once(line):
    """One line on standard error, once in a process: --seeds reads the same files again."""
    print(line, file=sys.stderr)


def _warn_of_ill_formed(parts, scheme):
    places = [
        (path, sentence.line(error[0]))
        for path, sentences in parts
        for sentence in sentences
        if (error := schemes.first_error(sentence.tags, scheme))
    ]
    if places:
        print(
            f"train.py: {len(places)} training sentences are ill-formed in {scheme}, the first at {places[0][0]}:"
            f"{places[0][1]}; they are trained on as conlleval reads them",
            file=sys.stderr,
        )


def _cut_off(sentences, config):
    """A development set of config.dev_fraction, drawn by the seed."""
    drawn = np.random.default_rng([config.seed, 0]).permutation(len(sentences))
    size = max(1, round(config.dev_fraction * len(sentences)))
    if size >= len(sentences):
        raise UserError(
            f"--dev_fraction {config.dev_fraction}: nothing is left to train on of {len(sentences)} sentences"
        )
    dev = set(drawn[:size].tolist())
    return (
        [each for i, each in enumerate(sentences) if i not in dev],
        [each for i, each in enumerate(sentences) if i in dev],
    )


def _load_emb(config):
    emb = EmbVec.load(config.emb_path)
    if config.wrd_dim and config.wrd_dim != emb.wrd_dim:
        raise UserError(
            f"--wrd_dim {config.wrd_dim}: {config.emb_path} has vectors of {emb.wrd_dim}; set --wrd_dim {emb.wrd_dim}"
        )
    return emb


def _decide(config, emb, columns):
    """Fills in what the config leaves to the data: sizes, features without a column, how random
    vectors are trained.
    """
    train_wrd = emb.vectors is None if config.train_wrd is None else config.train_wrd
    return dataclasses.replace(
        config,
        wrd_dim=emb.wrd_dim,
        train_wrd=train_wrd,
        **_decide_language_models(config, emb),
        unk_replace=(0.5 if train_wrd else 0.0)
        if config.unk_replace is None
        else config.unk_replace,
        **{
            feature.switch: getattr(config, feature.switch) and feature.column in columns
            for feature in FEATURES
            if feature.column
        },
    ).check()


_MODELS = {"elmo": "ELMo", "bert": "BERT"}


def _decide_language_models(config, emb):
    """use_elmo, use_bert and bert_context as they will be. Raises UserError for what is wanted and
    is not there.
    """
    used = {}
    for name, there, flag in (
        ("elmo", emb.elmo, "elmo_options_path"),
        ("bert", emb.bert, "bert_init_checkpoint"),
    ):
        wanted = getattr(config, f"use_{name}")
        if wanted and not there:
            raise UserError(
                f"--use_{name} True: {config.emb_path or 'the vocabulary'} names no {_MODELS[name]}; make the embeddings' file "
                f"with embvec.py --{flag} ..."
            )
        used[name] = bool(there) if wanted is None else wanted
    if used["bert"]:
        check_bert_layers(config.bert_layers, emb.bert["config"], "--bert_layers")
    for flag, name in (("train_bert", "bert"), ("elmo_stateful", "elmo")):
        if getattr(config, flag) and not used[name]:
            raise UserError(
                f"--{flag} True: the model has no {_MODELS[name]}; leave the flag out, or give embeddings that name one"
            )
    if config.vector_cache and not (used["elmo"] or used["bert"] and not config.train_bert):
        raise UserError(
            "--vector_cache: the model has neither ELMo nor a frozen BERT, whose vectors it would keep; leave it out"
        )
    return {
        "use_elmo": used["elmo"],
        "use_bert": used["bert"],
        "bert_context": config.bert_context and used["bert"],
    }


def _check_tags(parts, emb):
    """Raises UserError for the first training tag that the vocabulary lacks."""
    unknown = (
        (path, sentence.line(i), tag)
        for path, sentences in parts
        for sentence in sentences
        for i, tag in enumerate(sentence.tags)
        if tag not in emb.ids["tag"]
    )
    for path, line, tag in unknown:
        raise UserError(
            f"{path}:{line}: tag {tag} is not in the vocabulary ({' '.join(emb.tags)}); make the "
            "embeddings' file again from this training file, or give --warm_start instead of --restore: "
            "it keeps the weights of the old tags and grows the new ones'"
        )


def _encode_dev(dev, data):
    """Dev Examples. A tag never seen in training can not be predicted: its sentence counts in F1
    but not in the loss.
    """
    examples, strange = [], {}
    for sentence in dev:
        tags = schemes.convert(sentence.tags, data.data_scheme, data.tag_scheme)
        unseen = [tag for tag in tags if tag not in data.feeder.tag_ids]
        strange.update(dict.fromkeys(unseen))
        examples.append(data.feeder.encode(sentence, None if unseen else tags))
    if strange:
        print(
            f"train.py: the dev set has tags never seen in training ({' '.join(strange)}): they count as errors",
            file=sys.stderr,
        )
    return examples
