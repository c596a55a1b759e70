r"""Exports a checkpoint: the graph that tags, without dropout, is_train or anything else of
training.

    python inference/export.py --restore runs/demo/checkpoint \
      --export inference/exported/ner_model --export-pb inference/exported

Writes --export as a checkpoint of its own (.meta, .index, .data-*), and to the folder --export-pb
the unfrozen graph (ner_graph.pb) and the vocabulary that C++ reads (vocab.txt). Lists operations,
placeholders and tensors.
"""

import json
import os
import sys
import tempfile

import _top
import checkpoint
from cli import (
    Parser,
    UserError,
    __version__,
    atomic_write,
    check_folder,
    check_writable,
    run_command,
)
from config import MODEL_FIELDS, Config
from graph_files import CONFIG, default_path
from settings import GRAPH_FORMAT
from tagging.trained import (
    add_constrained_flag,
    add_restore_flag,
    add_trust_flag,
    feeder_of,
    legal_of,
    load,
    open_graph,
)

OUTPUTS = ("logits_indices", "sentence_lengths", "logits", "crf_transitions")


def model_config(config, meta, emb):
    """What a graph says of itself: config, tags, schemes, columns and the vocabulary's hash, as
    JSON.
    """
    return json.dumps(
        {
            "format": GRAPH_FORMAT,
            "etagger": __version__,
            "config": {name: getattr(config, name) for name in sorted(MODEL_FIELDS)},
            "bert": {name: emb.bert[name] for name in ("do_lower_case", "max_seq_length")}
            if config.use_bert
            else None,
            "feature_drop": config.feature_drop,
            "lowercase": emb.lowercase,
            "vocab_hash": emb.vocab_hash,
            "gazetteer": meta["gazetteer"],
            **{name: meta[name] for name in ("tags", "tag_scheme", "data_scheme", "columns")},
            "delimiter": meta["delimiter"],
            "tokenizer": meta["tokenizer"],
        }
    )


def build(prefix, constrained=False, trust=False):
    """The graph that tags, with the weights of a checkpoint. Returns (session, its graph, EmbVec).
    Raises UserError.

    trust: import the encoder where it is the user's own code.
    """
    trained = load(prefix, constrained)
    meta, config, emb = trained.meta, trained.config, trained.emb
    constants = {CONFIG: model_config(config, meta, emb)}
    graph = open_graph(trained, feeder_of(meta, config, emb), trust=trust, constants=constants)
    return graph.session, graph.session.graph, emb


def write(session, graph, prefix):
    """Writes the graph and its weights as a checkpoint: PREFIX.meta, .index, .data-*; whole or not
    at all.
    """
    from tf1 import quiet, tf

    folder, name = os.path.split(os.path.abspath(prefix))
    os.makedirs(folder, exist_ok=True)
    if os.path.isdir(os.path.join(folder, "checkpoint")):
        raise UserError(
            f"{folder}/checkpoint: is a folder, and TensorFlow wants to write a file of this name; "
            "export to another folder"
        )
    with (
        tempfile.TemporaryDirectory(prefix=".exporting-", dir=folder) as beside,
        graph.as_default(),
        quiet(),
    ):
        try:
            tf.train.Saver().save(session, os.path.join(beside, name), write_state=False)
        except (tf.errors.OpError, OSError) as error:
            raise UserError(
                f"{prefix}: cannot be written ({str(error).splitlines()[0]}); is the disk full?"
            ) from None
        for file in sorted(os.listdir(beside)):
            os.replace(os.path.join(beside, file), os.path.join(folder, file))
        tf.train.update_checkpoint_state(folder, name)  # freeze.py finds the latest one by this


def list_graph(graph_def, graph):
    """Prints operations, placeholders and tensors, as (name, type, shape)."""
    names = {node.name for node in graph_def.node}
    operations = [operation for operation in graph.get_operations() if operation.name in names]
    print(f"operations: {len(operations)}")
    for operation in operations:
        print(f"  {operation.name}  {operation.type}")
    print("placeholders:")
    for operation in operations:
        if operation.type == "Placeholder":
            print(f"  {_describe(operation.outputs[0])}")
    print("tensors:")
    for operation in operations:
        for tensor in operation.outputs:
            print(f"  {_describe(tensor)}")


def _describe(tensor):
    shape = (
        "?"
        if tensor.shape.rank is None
        else "(" + ", ".join(str(size or "?") for size in tensor.shape.as_list()) + ")"
    )
    return f"{tensor.name}  {tensor.dtype.name}  {shape}"


def write_engine_file(prefix, path, constrained, trust=False):
    """Writes a checkpoint as an .etagger file. trust: see build. Raises UserError, also where the
    engine does not compute the model.
    """
    import engine_file
    from tf1 import tf

    session, graph, emb = build(prefix, constrained, trust)
    with session:
        settings = json.loads(session.run(f"{CONFIG}:0"))
        engine_file.check_covered(settings)
        variables = graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)
        weights = engine_file.Weights(
            session.run({variable.op.name: variable for variable in variables})
        )
    config = Config(**settings["config"])
    legal = legal_of(settings, config)
    sections = engine_file.sections_of(config, weights, emb, legal, settings["gazetteer"])
    weights.check_all_read()
    if settings["gazetteer"]:
        settings["gazetteer"]["names"] = []  # they are sections of their own
    engine_file.write(path, settings, sections)
    print(f"export.py: {path} is written, {os.path.getsize(path):,} bytes", file=sys.stderr)


def parse_args():
    parser = Parser(description=__doc__)
    add_restore_flag(parser, default_path("../checkpoint"))
    parser.add_argument(
        "--export",
        default=default_path("exported/ner_model"),
        help="prefix of the exported checkpoint (default %(default)s)",
    )
    parser.add_argument(
        "--export-pb",
        default=default_path("exported"),
        help="folder for the unfrozen graph and vocab.txt (default %(default)s)",
    )
    parser.add_argument(
        "--engine",
        default="",
        help="write one .etagger file for the C++ engine here, and nothing else",
    )
    add_constrained_flag(parser)
    add_trust_flag(parser)
    return parser.parse_args()


def main():
    args = parse_args()
    if args.engine:
        check_writable(args.engine, "--engine")
        prefix = checkpoint.resolve(args.restore)
        return write_engine_file(prefix, args.engine, args.constrained, args.trust)
    check_folder(os.path.dirname(os.path.abspath(args.export)), "--export")
    check_folder(args.export_pb, "--export-pb")
    session, graph, emb = build(checkpoint.resolve(args.restore), args.constrained, args.trust)
    from tf1 import quiet, tf

    with quiet():
        graph_def = tf.graph_util.extract_sub_graph(graph.as_graph_def(), [*OUTPUTS, CONFIG])
    list_graph(graph_def, graph)
    write(session, graph, args.export)
    os.makedirs(args.export_pb, exist_ok=True)
    pb, vocab = (os.path.join(args.export_pb, name) for name in ("ner_graph.pb", "vocab.txt"))
    for path, data in ((pb, graph_def.SerializeToString()), (vocab, emb.vocab_text())):
        with atomic_write(path) as out:
            out.write(data)
    print(
        f"export.py: {args.export}, {pb} and {vocab} are written; freeze.py comes next",
        file=sys.stderr,
    )


if __name__ == "__main__":
    run_command(main)
