"""Graphs in files: exported ones, whose weights are a checkpoint beside them, and frozen ones,
which are whole in themselves. Both are checked first (graph_check.py), unless they are trusted.
"""

import os

import _top
import graph_check
from cli import UserError, check_readable, suggest
from files.text import check_not_a_page

CONFIG = "model_config"  # name of the string constant with an etagger model's settings
LONGEST_RUN = 600  # seconds; no batch takes so long, but a loop in a graph may
_GROUP = 1 << 28  # bytes of weights that are put into the session at once


def default_path(path):
    """A default path of these scripts. path: as seen from the folder inference/. At the
    repository's top the same place has another name; anywhere else `path` itself is taken.
    """
    at_the_top = os.path.realpath(os.getcwd()) == os.path.realpath(_top.ROOT)
    return os.path.normpath(os.path.join("inference", path)) if at_the_top else path


def add_trust(parser):
    parser.add_argument(
        "--trust",
        action="store_true",
        help="open a graph with any of TensorFlow's ops, which may read and write files",
    )


def load_exported(prefix, outputs, threads=0, trust=False):
    """A session on what `outputs`, names of nodes, need of PREFIX.meta, with the weights of its
    checkpoint. An etagger model keeps its model_config. Raises UserError.

    trust: take the graph as it is, whatever its ops do.
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
        except Exception as error:  # assertions, of nodes that are not there
            raise _damaged(prefix, error, "export it again") from None
        _import(graph_def, prefix, size, "export it again")
        session = _new_session(threads)
        _put_weights(session, prefix)
        return session


def load_frozen(path, threads=0, trust=False):
    """A session on a frozen graph. Raises UserError.

    trust: take the graph as it is, whatever its ops do.
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
    """The value of `output`, a node: float32 of this shape. inputs: {name of a placeholder: list}.
    Raises UserError, also where the graph gives something else.
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
    try:
        with open(path, "rb") as stream:
            message.ParseFromString(stream.read())
    except Exception as error:  # those of protobuf have no common base
        raise _damaged(path, error, mend) from None
    return message


def _import(graph_def, path, size, mend):
    """Puts a graph, checked unless `size` (bytes of its file) is None, into the default one."""
    from tf1 import tf

    try:
        if size is not None:
            graph_check.check_graph(graph_def, size)
            graph_check.normalize(graph_def)
            graph_check.check_shapes(graph_def, size)
        tf.import_graph_def(graph_def, name="")
    except graph_check.Refused as refused:
        raise UserError(f"{path}: {refused}; {graph_check.MEND}") from None
    except Exception as error:  # TensorFlow's have no common base
        raise _damaged(path, error, mend) from None


def _new_session(threads, trust=False):
    from tf1 import new_session

    return new_session(threads, rewrite=False, seconds=0 if trust else LONGEST_RUN)


def _restore(meta, prefix, threads):
    """A session on a whole meta graph, by what it says itself of how its weights are restored."""
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
    """Gives the variables of the default graph what the checkpoint has for them, some at a time."""
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
    """The first line of what an error says."""
    lines = str(getattr(error, "message", None) or error).strip().splitlines()
    return "".join(filter(str.isprintable, (lines or [type(error).__name__])[0][:200]))
