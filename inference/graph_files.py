"""Opens graphs in files: exported ones, whose weights are in a checkpoint beside them, and frozen
ones, which hold their weights. Both are checked first (graph_check.py), unless they are trusted.
"""

import os

import _top
import graph_check
from cli import UserError, check_readable, suggest
from files.text import check_not_a_page

CONFIG = "model_config"  # name of the string constant with an etagger model's settings
LONGEST_RUN = 600  # seconds; no batch takes so long, but a loop in a stranger's graph may
_GROUP = 1 << 28  # bytes of weights, about, that are assigned in one run of the session


def default_path(path):
    """The default of a flag of these scripts: `path` is relative to the folder inference/, in which
    they are usually run. At the repository's top, inference/ is put before it; in any other folder
    the default is `path` as it is.
    """
    at_the_top = os.path.realpath(os.getcwd()) == os.path.realpath(_top.ROOT)
    return os.path.normpath(os.path.join("inference", path)) if at_the_top else path


def add_graph_trust_flag(parser):
    """Adds --trust: see load_exported and load_frozen."""
    parser.add_argument(
        "--trust",
        action="store_true",
        help="open a graph with any of TensorFlow's ops, which may read and write files",
    )


def load_exported(prefix, outputs, threads=0, trust=False):
    """Opens an exported graph with the weights of its checkpoint. Returns a session on the part of
    the graph that `outputs` need; of an etagger model, model_config is kept, too. Raises UserError.

    prefix: of PREFIX.meta, .index and .data-*. outputs: names of nodes. threads: of TensorFlow; 0:
    one for each core. trust: open the whole graph as it is, whatever its ops do.
    """
    from tf1 import quiet, tf

    check_readable(prefix + ".meta", "the prefix (export.py's --export)")
    check_readable(prefix + ".index", "the prefix (export.py's --export)")
    size = os.path.getsize(prefix + ".meta")
    with tf.Graph().as_default(), quiet():
        meta = _parse(tf.MetaGraphDef(), prefix + ".meta", "export it again")
        names = {node.name for node in meta.graph_def.node}
        for name in outputs:
            if name not in names:
                raise UserError(
                    f"{prefix}.meta: the graph has no node {name}{suggest(name, names)}; "
                    "export.py lists them"
                )
        if trust:
            return _restore(meta, prefix, threads)
        keep = [*outputs, *([CONFIG] if CONFIG in names else [])]
        try:
            graph_def = tf.graph_util.extract_sub_graph(meta.graph_def, keep)
        except Exception as error:  # AssertionError where an input names no node, and others
            raise _damaged(prefix, error, "export it again") from None
        _import(graph_def, prefix, size, "export it again")
        session = _new_session(threads)
        _put_weights(session, prefix)
        return session


def load_frozen(path, threads=0, trust=False):
    """Opens a frozen graph. Returns a session on it. Raises UserError.

    threads: of TensorFlow; 0: one for each core. trust: open the graph as it is, whatever its ops
    do.
    """
    from tf1 import quiet, tf

    mend = "expected what freeze.py writes"
    check_readable(path, "the path of the frozen graph")
    check_not_a_page(path, "a frozen graph")
    with tf.Graph().as_default(), quiet():
        graph_def = _parse(tf.GraphDef(), path, mend)
        if not graph_def.node:
            raise _damaged(path, "no nodes", mend)
        if any(node.op in ("VarHandleOp", "VariableV2") for node in graph_def.node):
            raise UserError(f"{path}: not frozen, it has variables; freeze it with freeze.py")
        _import(graph_def, path, None if trust else os.path.getsize(path), mend)
        return _new_session(threads, trust)


def run_once(session, path, output, inputs, shape):
    """Runs a graph once. Returns the value of the node `output`, float32 of this shape. Raises
    UserError, also where the value is of another type or shape.

    path: the graph's, for messages. inputs: {name of a placeholder: its value as lists}.
    """
    from tf1 import quiet, tf

    graph = session.graph
    try:
        feeds = {graph.get_tensor_by_name(f"{name}:0"): value for name, value in inputs.items()}
        fetch = graph.get_tensor_by_name(f"{output}:0")
        with quiet():
            value = session.run(fetch, feeds)
    except (KeyError, ValueError, TypeError, tf.errors.OpError) as error:
        raise UserError(f"{path}: does not run ({reason(error)}); freeze it again") from None
    if fetch.dtype != tf.float32 or value.shape != shape:
        raise UserError(f"{path}: {output} is not float32 {shape}; freeze it again")
    return value


def _parse(message, path, mend):
    """Reads a file into a protocol buffer, which is returned. Raises UserError."""
    try:
        with open(path, "rb") as stream:
            message.ParseFromString(stream.read())
    except Exception as error:  # protobuf's errors have no common base
        raise _damaged(path, error, mend) from None
    return message


def _import(graph_def, path, size, mend):
    """Imports a graph into the default graph. Raises UserError.

    size: bytes of its file, which bound what the checks accept; None: the graph is not checked.
    """
    from tf1 import tf

    try:
        if size is not None:
            graph_check.check_graph(graph_def, size)
            graph_check.normalize(graph_def)
            graph_check.check_shapes(graph_def, size)
        tf.import_graph_def(graph_def, name="")
    except graph_check.Refused as refused:
        raise UserError(f"{path}: {refused}; {graph_check.MEND}") from None
    except Exception as error:  # TensorFlow's errors have no common base
        raise _damaged(path, error, mend) from None


def _new_session(threads, trust=False):
    from tf1 import new_session

    return new_session(threads, rewrite=False, seconds=0 if trust else LONGEST_RUN)


def _restore(meta, prefix, threads):
    """A session on a whole meta graph, whose weights are restored by the graph's own ops. Raises
    UserError.
    """
    from files import tensor_bundle
    from tf1 import tf

    tensor_bundle.read_index(prefix)
    try:
        saver = tf.train.import_meta_graph(meta, clear_devices=True)
        session = _new_session(threads, trust=True)
        if saver:  # None where there is no variable
            saver.restore(session, prefix)
    except Exception as error:
        raise _damaged(prefix, error, "export it again") from None
    return session


def _put_weights(session, prefix):
    """Assigns the checkpoint's weights to the variables of the default graph, a group at a time, so
    that the weights are not in memory twice. Raises UserError.
    """
    from files import tensor_bundle
    from tf1 import tf

    entries, read = tensor_bundle.open_checkpoint(prefix)
    variables = [op for op in tf.get_default_graph().get_operations() if op.type == "VarHandleOp"]
    puts, group, size = [], {}, 0
    for variable in variables:
        name = variable.get_attr("shared_name").decode(errors="replace") or variable.name
        dtype, shape = variable.get_attr("dtype"), tf.TensorShape(variable.get_attr("shape"))
        entry = entries.get(name)
        if not entry or entry.dtype != dtype.name or not shape.is_compatible_with(entry.shape):
            raise UserError(
                f"{prefix}: {name} is not in the checkpoint as the graph wants it; export it again"
            )
        value = tf.placeholder(dtype, shape)
        put = tf.raw_ops.AssignVariableOp(resource=variable.outputs[0], value=value)
        tf.raw_ops.ReadVariableOp(  # freeze.py's converter reads the variable by this name
            resource=variable.outputs[0], dtype=dtype, name=f"{variable.name}/Read/ReadVariableOp"
        )
        puts.append((name, value, put))
    for name, value, put in puts:
        group[put] = (value, read(name))
        size += group[put][1].nbytes
        if size > _GROUP or put is puts[-1][-1]:
            session.run(list(group), dict(group.values()))
            group, size = {}, 0


def _damaged(path, error, mend):
    return UserError(f"{path}: not a graph, or truncated ({reason(error)}); {mend}")


def reason(error):
    """The first line of an error's message, or the error's type where it has none."""
    lines = str(getattr(error, "message", None) or error).strip().splitlines()
    return "".join(filter(str.isprintable, (lines or [type(error).__name__])[0][:200]))
