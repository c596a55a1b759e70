r"""Tags with a frozen or an exported graph: everything of the model is in it but the vocabulary.

    python inference/python/inference.py --vocab_path inference/exported/vocab.txt \
      --frozen_path inference/exported/ner_frozen.pb < data/sample/test.txt > pred.txt
    python inference/python/inference.py --emb_path runs/demo/sample.50d.pkl \
      --restore inference/exported/ner_model < data/sample/test.txt > pred.txt

The flags are those of inference.py at the top, which does the same with a checkpoint.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, "inference")]

import inference  # noqa: E402
from cli import Parser, UserError, check_readable, run_command  # noqa: E402
from embvec import EmbVec  # noqa: E402
from feed import Feeder  # noqa: E402
from graph_files import CONFIG, load_exported, load_frozen  # noqa: E402
from settings import graph_settings, gazetteer_of  # noqa: E402
from structured import load_json  # noqa: E402
from tagger import WORDS_KEPT, Tagger  # noqa: E402


def load(path, frozen, emb, batch_size=64, threads=0):
    """A Tagger on a frozen graph (a file) or an exported one (a prefix). emb: EmbVec. Raises
    UserError.
    """
    session = (load_frozen if frozen else load_exported)(path, threads)
    meta, config = _settings(session, path)
    if emb.vocab_hash != meta["vocab_hash"]:
        raise UserError(
            f"the vocabulary is not the one that {path} was trained with; give the vocab.txt that export.py wrote "
            "beside it, or the EmbVec file of that training"
        )
    emb.lowercase, emb.bert = meta["lowercase"], meta.get("bert")
    config.batch_size, config.feature_drop = batch_size, meta["feature_drop"]
    gazetteer = gazetteer_of(meta)
    feeder = Feeder(
        emb, config, {tag: i for i, tag in enumerate(meta["tags"])}, gazetteer, limit=WORDS_KEPT
    )
    return Tagger(_callable(session, feeder), config, meta, feeder)


def _settings(session, path):
    """What the graph says of itself, see settings.graph_settings: (dict, Config)."""
    operations = {operation.name: operation for operation in session.graph.get_operations()}
    if CONFIG not in operations or "logits_indices" not in operations:
        raise UserError(
            f"{path}: no etagger model: {CONFIG} or logits_indices is missing; export it with export.py"
        )
    constant = operations[CONFIG]
    if constant.type != "Const":
        raise UserError(f"{path}: {CONFIG} is no constant; export it with export.py")
    try:
        settings = load_json(constant.get_attr("value").string_val[0])
    except (ValueError, IndexError, TypeError):
        raise UserError(f"{path}: {CONFIG} is not JSON; export it with export.py") from None
    return graph_settings(settings, path)


def _callable(session, feeder):
    from tf1 import callable_of, quiet

    graph = session.graph
    inputs = {
        operation.name: operation.outputs[0]
        for operation in graph.get_operations()
        if operation.type == "Placeholder"
        and ("input_data" in operation.name or operation.name == "sentence_length")
    }
    with quiet():
        return callable_of(
            session, graph.get_tensor_by_name("logits_indices:0"), inputs, feeder.smallest()
        )


def parse_args():
    parser = Parser(description=__doc__)
    inference.add_tagging_flags(parser, mode="bucket")
    parser.add_argument(
        "--vocab_path",
        default="",
        help="vocab.txt, as embvec.py or export.py wrote it (or --emb_path)",
    )
    parser.add_argument("--frozen_path", default="", help="a frozen graph")
    parser.add_argument(
        "--restore", default="", help="an exported, unfrozen graph: export.py's --export"
    )
    args = parser.parse_args()
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
            f"--wrd_dim {args.wrd_dim}: {args.emb_path} has vectors of {emb.wrd_dim}; leave --wrd_dim out, or correct it"
        )
    emb.vectors = None
    return emb


def main():
    args = parse_args()
    inference.check_tagging_flags(args)
    check_readable(
        args.frozen_path or args.restore + ".meta",
        "--frozen_path" if args.frozen_path else "--restore",
    )
    emb = load_vocabulary(args)
    tagger = load(
        args.frozen_path or args.restore, bool(args.frozen_path), emb, args.batch_size, args.threads
    )
    inference.run(tagger, args)


if __name__ == "__main__":
    run_command(main)
