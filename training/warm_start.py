"""What a new model takes over from a trained one (--warm_start), and which of its variables are
trained (--train_vars).

Both name variables by a regular expression that matches from the beginning of the name on
(re.match), as tf.estimator.WarmStartSettings and tf.get_collection have it: `encoder/` names all in
that scope, `.*` all that there is.
"""

import dataclasses
import re
from typing import NamedTuple

import numpy as np

import checkpoint
from cli import UserError, compile_regex, file_hash, note
from features.tokens import FEATURES
from features.vocabulary import BERT, EmbVec
from tagging.trained import load

FINE_TUNED = "embeddings/|projection/|crf/"  # what learns where the config says fine_tune

# What the places along each axis of a variable stand for; they are taken over by token, all others
# as they stand.
_TABLES = {feature.section: f"embeddings/{feature.name}" for feature in FEATURES if feature.section}
_AXES = {
    **{name: (section, None) for section, name in _TABLES.items()},
    "projection/kernel": (None, "tag"),
    "projection/bias": ("tag",),
    "crf/transitions": ("tag", "tag"),
}
_KINDS = {feature.section: feature.tokens for feature in FEATURES if feature.section}
_KINDS["tag"] = "tags"


# ---------------------------------------------------------------- warm start


class Source(NamedTuple):
    """A trained model, and what of it is wanted."""

    prefix: str
    meta: dict
    emb: EmbVec
    wanted: re.Pattern

    def tokens(self):
        """{section: its tokens by id}. Tags are in the scheme in which the model learned them."""
        return {**self.emb.vocab, "tag": self.meta["tags"]}

    def hashes(self):
        """{path: sha256}, for made_from."""
        return {self.prefix: file_hash(self.prefix + ".data-00000-of-00001")}


def read(path, pattern=".*"):
    """The Source of --warm_start PATH --warm_start_vars PATTERN. Raises UserError."""
    prefix = checkpoint.resolve(path, "--warm_start")
    trained = load(prefix)
    return Source(prefix, trained.meta, trained.emb, compile_regex(pattern, "--warm_start_vars"))


def vocabulary(source, config):
    """Without --emb_path, an embedding table that is taken over brings its vocabulary along, so
    that a few sentences do not make the model forget all other words; and ELMo and BERT come along
    with their weights.

    Returns (Config, {section: tokens that come first}, what EmbVec says of ELMo and BERT: {"elmo",
    "bert", "pieces"}).
    """
    if config.emb_path:
        return config, {}, {}
    first = {
        section: source.emb.vocab[section]
        for section, name in _TABLES.items()
        if source.wanted.match(name)
    }
    if "wrd" in first and config.use_word:
        if config.lowercase != source.emb.lowercase:
            raise UserError(
                f"--lowercase {config.lowercase}: the checkpoint's words have "
                f"{source.emb.lowercase}; give the same, or leave the words out: --warm_start_vars "
                "'(?!embeddings/word)'"
            )
        config = dataclasses.replace(config, wrd_dim=config.wrd_dim or source.emb.wrd_dim)
    models, used = {}, source.meta["config"]
    if used.get("use_elmo") and source.wanted.match("elmo/char_embed"):
        models["elmo"] = source.emb.elmo
    if used.get("use_bert") and source.wanted.match("bert/embeddings/word_embeddings"):
        models.update(bert=source.emb.bert, pieces=source.emb.vocab[BERT])
    return config, first, models


def check_scheme(source, data):
    """Raises UserError where weights of tags are wanted, and the same tag means another thing in
    the new scheme.
    """
    old, new = source.meta["tag_scheme"], data.tag_scheme
    wanted = [name for name, axes in _AXES.items() if "tag" in axes and source.wanted.match(name)]
    if old != new and wanted:
        raise UserError(
            f"--warm_start: the checkpoint's tags are in {old}, the new ones in {new}, where the "
            f"same tag means another thing; give --tag_scheme {old}, or leave the tags' weights "
            "out: --warm_start_vars '(?!projection/|crf/)'"
        )


def take_over(source, model, session, data):
    """Replaces new weights by those of the source that are wanted and fit, and says so on standard
    error, a line for each variable. Rows and columns of tokens that the source does not know keep
    the values of the new model.

    Raises UserError where nothing is taken.
    """
    from files.tensor_bundle import open_checkpoint
    from tf1 import put

    entries, read = open_checkpoint(source.prefix)
    new_tokens = {**data.emb.vocab, "tag": data.tags}
    settings = (
        _settings(
            source.meta["config"], (source.meta["gazetteer"] or {}).get("types", []), source.emb
        ),
        _settings(
            model.config.to_dict(),
            data.feeder.gazetteer.types if data.feeder.gazetteer else [],
            data.emb,
        ),
    )
    taken = []
    for variable, value in zip(model.variables, session.run(model.variables)):
        name, value = variable.op.name, np.array(value)
        problem = _problem(source, name, variable.shape.as_list(), entries.get(name), settings)
        if problem:
            note(f"{name} {tuple(variable.shape.as_list())}: not taken, {problem}")
            continue
        counts = copy_by_token(read(name), value, _AXES.get(name, ()), source.tokens(), new_tokens)
        note(f"{name} {value.shape}: taken{', ' if counts else ''}{counts}")
        taken.append((variable, value))
    if not taken:
        raise UserError(
            f"--warm_start {source.prefix}: nothing is taken over, see above; "
            f"the variables' scopes are {_scopes(entries.keys() - {'global_step'})}"
        )
    put(session, *zip(*taken))


def copy_by_token(old, new, axes, old_tokens, new_tokens):
    """Copies the array `old` into `new`, in place, along each axis from a token's old place to its
    new one.

    axes: for each axis a section of the tokens ({section: list}), or None, or nothing at all: place
    by place. Returns how many of the new tokens were known, in words.
    """
    sources, targets, counts = [], [], {}
    for axis, section in enumerate(axes or (None,) * new.ndim):
        if section is None:
            both = range(new.shape[axis])
            pairs = [(i, i) for i in both]
        else:
            place = {token: i for i, token in enumerate(old_tokens[section])}
            pairs = [
                (place[token], i) for i, token in enumerate(new_tokens[section]) if token in place
            ]
            counts[section] = f"{len(pairs):,} of {new.shape[axis]:,} {_KINDS[section]}"
        sources.append([pair[0] for pair in pairs])
        targets.append([pair[1] for pair in pairs])
    new[np.ix_(*targets)] = old[np.ix_(*sources)]
    return ", ".join(counts.values())


def _problem(source, name, shape, entry, settings):
    """Why a variable is not taken over, or ''. entry: of the checkpoint, or None."""
    if not source.wanted.match(name):
        return "not matched by --warm_start_vars"
    if entry is None:
        return "not in the checkpoint"
    if not entry.dtype.startswith("float"):
        return f"its numbers are {entry.dtype} in the checkpoint"
    axes = _AXES.get(name, (None,) * len(shape))
    old, new = (
        [_KINDS.get(section, size) for section, size in zip(axes, sizes)]
        for sizes in (entry.shape, shape)
    )
    if len(entry.shape) != len(shape) or old != new:
        return f"the shape differs: {_shape(new)} here, {_shape(old)} in the checkpoint"
    for (part, before), (_, now) in zip(*settings):
        if part.match(name) and before != now:
            return f"its meaning differs: {now} here, {before} in the checkpoint"
    return ""


def _shape(sizes):
    return f"({', '.join(map(str, sizes))})"


def _settings(config, types, emb):
    """What variables of the same shape mean: [(pattern of their names, setting in words), ...].

    The highway network and the encoder read all features side by side: these must be the same ones.
    types: the gazetteer's. A language model goes on from the files that it began with, whose
    vocabulary and config no shape tells.
    """
    features = [
        f"{feature.label} {config[feature.dim]}"
        for feature in FEATURES
        if feature.dim and config[feature.switch]
    ]
    features += ["ELMo"] * bool(config.get("use_elmo"))
    if config.get("use_bert"):
        features.append(f"BERT {config['bert_layers']} {config['bert_pooling']}")
    features += [f"names of {' '.join(types)}"] * bool(types)
    return [
        (re.compile("highway/|encoder/"), f"features of {', '.join(features)}"),
        (
            re.compile("encoder/(.*/)?attention/"),
            f"{config.get('attention_heads')} attention heads",
        ),
        (re.compile("elmo/(?!mix/)"), _begun_with(emb.elmo)),
        (re.compile("bert/(?!mix/)"), _begun_with(emb.bert)),
    ]


def _begun_with(about):
    """The setting of a language model's variables. about: what EmbVec says of it, or None."""
    return f"begun with the published weights {about['hash'][:8] if about else '-'}"


# ---------------------------------------------------------------- partial training


def is_partial(config):
    return bool(config.train_vars or config.fine_tune)


def freeze(config):
    """Leaves as trainable, in the default graph, the variables that the config wants trained.

    Everything of the training (gradients, slots of the optimizer, moving averages) goes by
    tf.trainable_variables(). Word vectors that train_wrd keeps as they are stay so, whatever
    matches. Raises UserError where nothing is left.
    """
    from tf1 import tf

    if not is_partial(config):
        return
    wanted = compile_regex(config.train_vars or FINE_TUNED, "--train_vars")
    trainable = tf.get_collection_ref(tf.GraphKeys.TRAINABLE_VARIABLES)
    trained = [variable for variable in trainable if wanted.match(variable.op.name)]
    if not trained:
        message = (
            f"--train_vars {config.train_vars}: matches no variable that can be trained; expected "
            f"one or more of the scopes {_scopes(variable.op.name for variable in trainable)}"
        )
        if not config.train_wrd:
            message += "; the word vectors are trained with --train_wrd True only"
        if config.use_bert and not config.train_bert:
            message += "; BERT is trained with --train_bert True only"
        raise UserError(message)
    trainable[:] = trained


def tell_trained(model, graph):
    """Says what is trained, in one line on standard error."""
    trained = graph.get_collection("trainable_variables")
    names = " ".join(variable.op.name for variable in trained)
    note(f"{_size(trained):,} of {_size(model.variables):,} parameters are trained: {names}")


def _size(variables):
    return sum(variable.shape.num_elements() for variable in variables)


def _scopes(names):
    return " ".join(dict.fromkeys(f"{name.split('/')[0]}/" for name in sorted(names)))
