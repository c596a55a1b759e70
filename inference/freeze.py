r"""Freezes the latest checkpoint of a folder: its variables become constants of one file.

    python inference/freeze.py --model_dir inference/exported \
      --output_node_names logits_indices,sentence_lengths --frozen_model_name ner_frozen.pb

What the outputs do not need is left out; an etagger model keeps its model_config.
"""

import os

import _top
from cli import Parser, UserError, atomic_write, run_command, suggest
from graph_files import CONFIG, add_graph_trust_flag, default_path, load_exported

LARGEST = 2**31 - 1 - 2**20  # bytes of a protobuf, and some room for the graph itself


def latest_checkpoint(folder):
    """The prefix that the folder's `checkpoint` file names. Raises UserError."""
    from tf1 import tf

    if not os.path.isdir(folder):
        raise UserError(
            f"{folder}: no such folder; check --model_dir (the folder that export.py wrote)"
        )
    prefix = tf.train.latest_checkpoint(folder)
    if not prefix or not os.path.exists(prefix + ".meta"):
        raise UserError(f"{folder}: no checkpoint with a graph in it; make one with export.py")
    return prefix


def freeze(session, outputs):
    """GraphDef of `outputs` with constants for variables. Raises UserError where it would be over
    protobuf's 2 GB.
    """
    from tf1 import quiet, tf

    graph = session.graph
    names = {operation.name for operation in graph.get_operations()}
    for name in outputs:
        if name not in names:
            raise UserError(
                f"--output_node_names {name}: the graph has no such node{suggest(name, names)}; "
                "export.py lists them"
            )
    size = sum(
        tf.TensorShape(variable.get_attr("shape")).num_elements() * variable.get_attr("dtype").size
        for variable in graph.get_operations()
        if variable.type == "VarHandleOp"
    )
    if size > LARGEST:
        raise UserError(
            f"the weights are {size:,} bytes, and a frozen graph ends at protobuf's 2 GB; "
            "convert the checkpoint itself: inference/cc/build/convert_graphdef_memmapped_format "
            "--in_graph=inference/exported/ner_graph.pb "
            "--in_checkpoint=inference/exported/ner_model "
            "--out_graph=inference/exported/ner_frozen.pb.memmapped"
        )
    keep = [*outputs, *([CONFIG] if CONFIG in names else [])]
    with quiet():
        frozen = tf.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), keep)
    for nodes in (frozen.node, *(function.node_def for function in frozen.library.function)):
        for node in nodes:
            node.attr.pop("_gradient_op_type", None)  # nobody will ask for gradients
    return frozen


def parse_args():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--model_dir",
        default=default_path("exported"),
        help="folder with a checkpoint (default %(default)s)",
    )
    parser.add_argument(
        "--output_node_names",
        default="logits_indices,sentence_lengths",
        help="what is to be computed, with commas",
    )
    parser.add_argument(
        "--frozen_model_name",
        default="ner_frozen.pb",
        help="file to write in --model_dir (default ner_frozen.pb)",
    )
    add_graph_trust_flag(parser)
    return parser.parse_args()


def main():
    args = parse_args()
    outputs = [name.strip() for name in args.output_node_names.split(",")]
    session = load_exported(latest_checkpoint(args.model_dir), outputs, trust=args.trust)
    frozen = freeze(session, outputs)
    path = os.path.join(args.model_dir, args.frozen_model_name)
    with atomic_write(path) as out:
        out.write(frozen.SerializeToString())
    print(f"{path}: {len(frozen.node)} nodes, {os.path.getsize(path):,} bytes")


if __name__ == "__main__":
    run_command(main)
