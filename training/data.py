"""Reads the corpus that a model is trained and evaluated on, and decides what the config leaves to
the data.
"""

import dataclasses
import functools

import numpy as np

import conll
import schemes
import tagset
from cli import UserError, note
from features.feed import Feeder, training_batches
from features.gazetteer import Gazetteer
from features.pretrained import check_bert_layers
from features.tokens import FEATURES
from features.vocabulary import EmbVec
from settings import tags_problem


@dataclasses.dataclass
class Data:
    """The corpus as a training needs it."""

    train: list  # Examples
    dev: list  # Examples; tags are None where a tag was never seen in training
    sentences: dict  # {"train" or "dev": conll.Sentences} with config.vector_cache, else {}
    dev_gold: list  # the dev sentences' tags, in the data's own scheme
    feeder: Feeder
    emb: EmbVec
    tags: list  # the model's tags, in its scheme; the index is the id
    tag_scheme: str  # scheme in which the model learns
    data_scheme: str  # scheme of the data
    columns: tuple
    tokenizer: str  # that splits text for the model, of features.tokenizer.TOKENIZERS


def epoch_batches(lengths, config, epoch):
    """The batches of an epoch, lists of indices of the training sentences. lengths: of these
    sentences, in tokens. epoch: its number, from 0.
    """
    batches = training_batches(lengths, config, epoch)
    return batches[: config.max_train_steps_per_epoch or None]


def load_data(
    config, *, emb=None, gazetteer=None, tags=None, first=None, models=None, sentences=None
):
    """Reads the corpus. Returns (Config with what the data decided, Data). Raises UserError.

    emb, gazetteer, tags: those of the checkpoint that training starts from. first, models: see
    EmbVec.from_sentences. sentences: {"train" or "dev": conll.Sentences} in place of the files of
    config.train_path or dev_path.
    """
    train, dev, columns, scheme, lines = _read_corpus(config, sentences or {})
    if emb is None and config.emb_path:
        emb = _load_emb(config)
    if emb is not None:
        _check_tags(train, emb)
    train = [sentence for _, part in train for sentence in part]
    dev = [sentence for _, part in dev for sentence in part]
    if config.dev_fraction:
        train, dev = _cut_off(train, config)
    if emb is None:
        emb = EmbVec.from_sentences(train, config.wrd_dim or 50, config.lowercase, first, models)
    config = _decide(config, emb, columns)
    if not config.gazetteer:
        gazetteer = None
    elif gazetteer is None:
        gazetteer = Gazetteer.read(config.gazetteer)

    target = config.tag_scheme or scheme
    tags = tags or schemes.scheme_tags(emb.tags, scheme, target)
    if problem := tags_problem(tags, target):
        raise UserError(f"{config.emb_path or 'the vocabulary'}: {problem}; mend its tags")
    feeder = Feeder(emb, config, {tag: i for i, tag in enumerate(tags)}, gazetteer)
    data = Data(
        train=_encode_train(train, feeder, scheme, target),
        dev=_encode_dev(dev, feeder, scheme, target),
        sentences={"train": train, "dev": dev} if config.vector_cache else {},
        dev_gold=[sentence.tags for sentence in dev],
        feeder=feeder,
        emb=emb,
        tags=tags,
        tag_scheme=target,
        data_scheme=scheme,
        columns=columns,
        tokenizer=_tokenizer(config, train),
    )
    for line in lines:  # now that there is no mistake, which would be the only line
        _note_once(line)
    return config, data


def to_sentences(items, name):
    """Returns conll.Sentences, without -DOCSTART- lines. Raises UserError.

    items: pairs (words, tags) of lists of str, or conll.Sentences. name: 'train' or 'dev'. In
    messages the number of a sentence among the items, from 1, stands for its line.
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


def _read_corpus(config, sentences):
    """The corpus with its tags checked: (train, dev, columns, scheme of the tags, lines for the
    user about the tags). train, dev: see _read. sentences: see load_data. Raises UserError.
    """
    train, columns = _read("train", config, sentences)
    dev = []
    if not config.dev_fraction:
        dev, _ = _read("dev", config, sentences, columns)
    scheme = _data_scheme(train, config, "train" in sentences)
    _check_dev_tags(dev, scheme, "dev" in sentences)
    for name, given in (*train, *dev) if sentences else ():
        conll.check_tags(name, given)
    lines = _lines_about_tags(train, dev, scheme, "train" in sentences)
    _warn_of_ill_formed(train, scheme)
    return train, dev, columns, scheme, lines


def _read(name, config, sentences, columns=None):
    """The training or the development sentences: ([(path, sentences), ...], columns). Raises
    UserError.

    name: 'train' or 'dev'. sentences: see load_data. columns: of the training sentences, which
    those of the development set must have, too.
    """
    if name in sentences:
        return _from_python(name, sentences[name], columns)
    paths = {"train": config.train_path, "dev": config.dev_path}
    return _from_files(paths[name], config, columns)


def _from_python(name, sentences, expected):
    """What _read returns, of sentences that are given as such."""
    columns = _columns(sentences[0])
    for sentence in sentences:
        if _columns(sentence) != columns:
            raise UserError(
                f"{name}:{sentence.first_line}: other columns than the first sentence's "
                f"({' '.join(columns)})"
            )
    if expected and set(expected) != set(columns):
        raise UserError(
            f"{name}: columns ({' '.join(columns)}), expected ({' '.join(expected)}) as in the "
            "training sentences"
        )
    return [(name, sentences)], columns


def _columns(sentence):
    """The names of the columns that a conll.Sentence has."""
    pairs = zip(conll.COLUMN_NAMES, sentence[1:])
    return tuple(column for column, cells in pairs if cells is not None)


def _from_files(paths, config, columns):
    """What _read returns, of files, whose columns must be the same."""
    named, parts = conll.columns_of(config), []
    for path in paths:
        sentences, found = conll.read_sentences(path, named, columns, delimiter=config.delimiter)
        if columns and found != columns:
            raise UserError(
                f"{path}:{sentences[0].first_line}: columns ({' '.join(found)}), expected "
                f"({' '.join(columns)}) as in the other files; name them with --columns"
            )
        parts.append((path, sentences))
        columns = found
    return parts, columns


def _data_scheme(parts, config, by_value):
    """The scheme of the training sentences. Raises UserError for tags that cannot be trained on,
    and for a config.tag_scheme where the tags follow no scheme. parts: [(path, sentences), ...].
    by_value: whether they are given in Python, not read from files.
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


def _tokenizer(config, train):
    """The tokenizer of the config; auto: characters where each word of the training sentences is
    one.
    """
    if config.tokenizer != "auto":
        return config.tokenizer
    by_character = all(len(word) == 1 for sentence in train for word in sentence.words)
    return "characters" if by_character else "words"


def _lines_about_tags(train, dev, scheme, by_value):
    """Lines about tags that are probably not meant, and about how the tags are read."""
    tags, places = tagset.collect(train, by_value)
    dev_tags, dev_places = tagset.collect(dev, by_value)
    mixed = tagset.mixed_schemes(train, scheme)
    lines = tagset.train_lines(tags, {**dev_places, **places}, scheme, dev_tags, mixed)
    if scheme != schemes.RAW:
        mixed = tagset.mixed_schemes(dev, scheme, "the training files")
        if mixed:
            lines.append(f"{mixed}, expected one scheme; convert one of them")
    return lines


@functools.cache
def _note_once(line):
    """A note that a process prints once: --seeds reads the same files again."""
    note(line)


def _warn_of_ill_formed(parts, scheme):
    places = [
        (path, sentence.line(error[0]))
        for path, sentences in parts
        for sentence in sentences
        if (error := schemes.first_error(sentence.tags, scheme))
    ]
    if places:
        path, line = places[0]
        note(
            f"{len(places)} training sentences are ill-formed in {scheme}, the first at "
            f"{path}:{line}; they are trained on as conlleval reads them"
        )


def _cut_off(sentences, config):
    """Draws a development set of config.dev_fraction by the seed. Returns (train, dev)."""
    drawn = np.random.default_rng([config.seed, 0]).permutation(len(sentences))
    size = max(1, round(config.dev_fraction * len(sentences)))
    if size >= len(sentences):
        raise UserError(
            f"--dev_fraction {config.dev_fraction}: nothing is left to train on of "
            f"{len(sentences)} sentences"
        )
    in_dev = set(drawn[:size].tolist())
    train = [sentence for i, sentence in enumerate(sentences) if i not in in_dev]
    dev = [sentence for i, sentence in enumerate(sentences) if i in in_dev]
    return train, dev


def _load_emb(config):
    emb = EmbVec.load(config.emb_path)
    if config.wrd_dim and config.wrd_dim != emb.wrd_dim:
        raise UserError(
            f"--wrd_dim {config.wrd_dim}: {config.emb_path} has vectors of {emb.wrd_dim}; set "
            f"--wrd_dim {emb.wrd_dim}"
        )
    return emb


def _decide(config, emb, columns):
    """Fills in what the config leaves to the data: sizes, features without a column, how random
    vectors are trained.
    """
    train_wrd, unk_replace = config.train_wrd, config.unk_replace
    if train_wrd is None:
        train_wrd = emb.vectors is None
    if unk_replace is None:
        unk_replace = 0.5 if train_wrd else 0.0
    return dataclasses.replace(
        config,
        wrd_dim=emb.wrd_dim,
        train_wrd=train_wrd,
        **_decide_language_models(config, emb),
        unk_replace=unk_replace,
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
                f"--use_{name} True: {config.emb_path or 'the vocabulary'} names no "
                f"{_MODELS[name]}; make the embeddings' file with embvec.py --{flag} ..."
            )
        used[name] = bool(there) if wanted is None else wanted
    if used["bert"]:
        check_bert_layers(config.bert_layers, emb.bert["config"], "--bert_layers")
    for flag, name in (("train_bert", "bert"), ("elmo_stateful", "elmo")):
        if getattr(config, flag) and not used[name]:
            raise UserError(
                f"--{flag} True: the model has no {_MODELS[name]}; leave the flag out, or give "
                "embeddings that name one"
            )
    if config.vector_cache and not (used["elmo"] or used["bert"] and not config.train_bert):
        raise UserError(
            "--vector_cache: the model has neither ELMo nor a frozen BERT, whose vectors it would "
            "keep; leave it out"
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
            "embeddings' file again from this training file, or give --warm_start instead of "
            "--restore: it keeps the weights of the old tags and grows the new ones'"
        )


def _encode_train(sentences, feeder, data_scheme, tag_scheme):
    """Training Examples, whose tags are converted to the scheme in which the model learns."""
    examples = [
        feeder.encode(sentence, schemes.convert(sentence.tags, data_scheme, tag_scheme))
        for sentence in sentences
    ]
    feeder.mark_rare(examples)
    return examples


def _encode_dev(sentences, feeder, data_scheme, tag_scheme):
    """Development Examples. A tag that was never seen in training cannot be predicted: its sentence
    counts in F1 but not in the loss.
    """
    examples, strange = [], {}
    for sentence in sentences:
        tags = schemes.convert(sentence.tags, data_scheme, tag_scheme)
        unseen = [tag for tag in tags if tag not in feeder.tag_ids]
        strange.update(dict.fromkeys(unseen))
        examples.append(feeder.encode(sentence, None if unseen else tags))
    if strange:
        note(
            f"the dev set has tags never seen in training ({' '.join(strange)}): they count as "
            "errors"
        )
    return examples


def check_dev_loss(config, data):
    """Raises UserError where the best model is kept by the loss, and no development sentence has
    one.
    """
    wanted = config.save_by == "loss" and not config.metric
    if wanted and all(example.tags is None for example in data.dev):
        raise UserError(
            "save_by loss: each development sentence has a tag that was never seen in training, so "
            "that there is no loss to go by; give other ones, or another save_by, such as chunk"
        )
