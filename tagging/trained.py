"""A trained model: what its checkpoint holds, and its graph in a session. It is opened by

    trained = load(checkpoint.resolve("checkpoint"))
    feeder = feeder_of(trained.meta, trained.config, trained.emb)
    graph = open_graph(trained, feeder)

which tagging/tagger.py, inference/export.py and training/run.py all do.
"""

from typing import NamedTuple, Optional

import checkpoint
import registry
import schemes
from cli import parse_bool
from config import Config
from features.feed import Feeder
from features.gazetteer import Gazetteer
from features.vocabulary import EmbVec
from settings import gazetteer_of


class Trained(NamedTuple):
    """What a checkpoint holds but its weights."""

    prefix: str
    meta: dict  # see checkpoint.Meta
    config: Config
    emb: EmbVec  # without vectors, which are among the weights
    gazetteer: Optional[Gazetteer]


class Graph(NamedTuple):
    """A trained model's graph in its session."""

    session: object
    model: object
    saver: object  # of the weights
    legal: tuple  # see legal_of


# ---------------------------------------------------------------- flags


def add_restore_flag(parser, default):
    """Adds --restore."""
    parser.add_argument(
        "--restore",
        default=default,
        help="the checkpoint, a folder or a prefix (default %(default)s)",
    )


def add_constrained_flag(parser):
    """Adds --constrained: see `load`."""
    parser.add_argument(
        "--constrained",
        type=parse_bool,
        nargs="?",
        const=True,
        default=False,
        metavar="TRUE|FALSE",
        help="decode well-formed tag sequences only",
    )


def add_trust_flag(parser):
    """Adds --trust: see open_graph."""
    parser.add_argument(
        "--trust",
        action="store_true",
        help="import the encoder that the checkpoint names as module.function",
    )


# ---------------------------------------------------------------- opening


def load(prefix, constrained=False, **changed):
    """Reads a checkpoint but its weights. Raises UserError where it is not whole.

    prefix: as checkpoint.resolve gives it. constrained: decode well-formed tag sequences only, also
    where the training did not say so. changed: hyper-parameters with another value, such as
    batch_size.
    """
    meta = checkpoint.load_meta(prefix)
    config = Config(**{**meta["config"], **changed})
    config.constrained = constrained or config.constrained
    return Trained(prefix, meta, config, checkpoint.load_emb(prefix, meta), gazetteer_of(meta))


def feeder_of(meta, config, emb, limit=0):
    """The Feeder of a trained model. meta: the Settings of its checkpoint or its exported graph.
    limit: see WordTable.
    """
    tag_ids = {tag: i for i, tag in enumerate(meta["tags"])}
    return Feeder(emb, config, tag_ids, gazetteer_of(meta), limit)


def legal_of(meta, config):
    """The schemes.legal_transitions to which decoding is held, or None where it is free."""
    if not config.constrained:
        return None
    return schemes.legal_transitions(meta["tags"], meta["tag_scheme"])


def open_graph(trained, feeder, threads=0, trust=False, constants=()):
    """The Graph that tags, without dropout, with the checkpoint's weights. Raises UserError.

    threads: of TensorFlow; 0: one for each core. trust: import the encoder where it is the user's
    own code. constants: {name: string} that the graph shall hold besides.
    """
    registry.import_custom("encoder", trained.config.encoder, own=trust)
    from model import Model
    from tf1 import new_session, quiet, tf

    legal = legal_of(trained.meta, trained.config)
    with tf.Graph().as_default(), quiet():
        model = Model(trained.config, feeder.sizes(), legal=legal)
        for name in constants:
            tf.constant(constants[name], name=name)
        graph = Graph(new_session(threads), model, tf.train.Saver(model.variables), legal)
        checkpoint.restore(graph.session, graph.saver, trained.prefix)
    return graph
