r"""Tags with a frozen or an exported graph: everything of the model is in it but the vocabulary.

    python inference/python/inference.py --vocab_path inference/exported/vocab.txt \
      --frozen_path inference/exported/ner_frozen.pb < data/sample/test.txt > pred.txt
    python inference/python/inference.py --emb_path runs/demo/sample.50d.pkl \
      --restore inference/exported/ner_model < data/sample/test.txt > pred.txt

The flags are those of inference.py at the top, which does the same with a checkpoint.
"""

import _top
from cli import Parser, UserError, check_readable, run_command
from features.tokens import FEATURES
from features.vocabulary import EmbVec
from files.structured import load_json
from graph_files import CONFIG, add_graph_trust_flag, load_exported, load_frozen, reason
from settings import graph_settings
from tagging import command
from tagging.tagger import WORDS_KEPT, Tagger
from tagging.trained import feeder_of

LOGITS = "logits_indices"
# Inputs that have a row for each sentence: a model has one of them at least.
ROWS = [feature.input for feature in FEATURES if feature.tells_length]


def load(path, frozen, emb, batch_size=64, threads=0, trust=False):
    """A Tagger on a frozen graph (a file) or an exported one (a prefix). emb: EmbVec. Raises
    UserError.

    trust: open the graph whatever its ops do: they may write files.
    """
    if frozen:
        session = load_frozen(path, threads, trust)
    else:
        session = load_exported(path, [LOGITS], threads, trust)
    meta, config = _settings(session, path)
    if emb.vocab_hash != meta["vocab_hash"]:
        raise UserError(
            f"the vocabulary is not the one that {path} was trained with; give the vocab.txt that "
            "export.py wrote beside it, or the EmbVec file of that training"
        )
    emb.lowercase, emb.bert = meta["lowercase"], meta.get("bert")
    config.batch_size, config.feature_drop = batch_size, meta["feature_drop"]
    feeder = feeder_of(meta, config, emb, limit=WORDS_KEPT)
    return Tagger(_checked_run(session, feeder, path, len(meta["tags"])), config, meta, feeder)


def _settings(session, path):
    """What the graph says of itself, see settings.graph_settings: (dict, Config)."""
    operations = {operation.name: operation for operation in session.graph.get_operations()}
    config = operations.get(CONFIG)
    text = config.get_attr("value").string_val if config and config.type == "Const" else []
    if len(text) != 1 or LOGITS not in operations:
        raise UserError(
            f"{path}: no etagger model: {CONFIG} or {LOGITS} is missing; export it with export.py"
        )
    try:
        settings = load_json(text[0])
    except ValueError:
        raise UserError(f"{path}: {CONFIG} is not JSON; export it with export.py") from None
    return graph_settings(settings, path)


def _checked_run(session, feeder, path, tags):
    """{input name: array} -> tag ids below `tags`, int32 (batch, sentence). Raises UserError where
    the graph gives something else.
    """
    from tf1 import callable_of, quiet, tf

    graph, fed = session.graph, feeder.smallest()
    inputs = {
        operation.name: operation.outputs[0]
        for operation in graph.get_operations()
        if operation.type == "Placeholder" and operation.name in fed
    }
    for name, tensor in inputs.items():
        if tensor.dtype != tf.int32:
            raise UserError(
                f"{path}: its placeholder {name} is not int32; export it with export.py"
            )
    operation = graph.get_operation_by_name(LOGITS)
    if not operation.outputs or operation.outputs[0].dtype != tf.int32:
        raise UserError(f"{path}: {LOGITS} has no whole numbers; export it with export.py")
    call = callable_of(session, operation.outputs[0], inputs)

    def run(values):
        try:
            ids = call(values)
        except (tf.errors.OpError, ValueError, TypeError, MemoryError) as error:
            raise UserError(
                f"{path}: the graph does not run ({reason(error)}); export the model again"
            ) from None
        rows = next(len(values[name]) for name in ROWS if name in values)
        shape = (rows, int(values["sentence_length"]))
        if ids.shape != shape or ids.size and not 0 <= ids.min() <= ids.max() < tags:
            raise UserError(
                f"{path}: the graph gives tags that its model_config does not know; "
                "export the model again"
            )
        return ids

    with quiet():
        run(fed)
    return run


def parse_args():
    parser = Parser(description=__doc__)
    command.add_tagging_flags(parser, mode="bucket")
    parser.add_argument(
        "--vocab_path",
        default="",
        help="vocab.txt, as embvec.py or export.py wrote it (or --emb_path)",
    )
    parser.add_argument("--frozen_path", default="", help="a frozen graph")
    parser.add_argument(
        "--restore", default="", help="an exported, unfrozen graph: export.py's --export"
    )
    add_graph_trust_flag(parser)
    args = command.choose_input(parser.parse_args())
    if bool(args.frozen_path) == bool(args.restore):
        raise UserError("expected one of --frozen_path and --restore")
    if bool(args.emb_path) == bool(args.vocab_path):
        raise UserError("expected one of --emb_path and --vocab_path")
    return args


def load_vocabulary(args):
    """The EmbVec that --emb_path or --vocab_path names, without vectors. Raises UserError."""
    if args.vocab_path:
        return EmbVec.from_vocab_text(args.vocab_path)
    emb = EmbVec.load(args.emb_path)
    if args.wrd_dim and args.wrd_dim != emb.wrd_dim:
        raise UserError(
            f"--wrd_dim {args.wrd_dim}: {args.emb_path} has vectors of {emb.wrd_dim}; "
            "leave --wrd_dim out, or correct it"
        )
    emb.vectors = None
    return emb


def main():
    args = parse_args()
    command.check_tagging_flags(args)
    check_readable(
        args.frozen_path or args.restore + ".meta",
        "--frozen_path" if args.frozen_path else "--restore",
    )
    emb = load_vocabulary(args)
    tagger = load(
        args.frozen_path or args.restore,
        bool(args.frozen_path),
        emb,
        args.batch_size,
        args.threads,
        args.trust,
    )
    command.run(tagger, args)


if __name__ == "__main__":
    run_command(main)
