"""Graphs in files: exported ones, whose weights are a checkpoint beside them, and frozen ones,
which are whole in themselves.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from cli import UserError, check_readable  # noqa: E402
from textfile import check_not_a_page  # noqa: E402

CONFIG = "model_config"  # name of the string constant with an etagger model's settings


def default_path(path):
    """A default path of these scripts. path: as seen from the folder inference/. At the repository's
    top the same place has another name; anywhere else `path` itself is taken.
    """
    at_the_top = os.path.realpath(os.getcwd()) == os.path.realpath(ROOT)
    return os.path.normpath(os.path.join("inference", path)) if at_the_top else path


def load_exported(prefix, threads=0):
    """A session on PREFIX.meta with the weights of its checkpoint. Raises UserError."""
    from tf1 import new_session, quiet, tf

    check_readable(prefix + ".meta", "the prefix (export.py's --export)")
    with tf.Graph().as_default(), quiet():
        try:
            saver = tf.train.import_meta_graph(prefix + ".meta", clear_devices=True)
            session = new_session(threads)
            if saver:  # None where there is no variable
                saver.restore(session, prefix)
        except Exception as error:  # those of protobuf and TensorFlow have no common base
            raise _damaged(prefix, error, "export it again") from None
    return session


def load_frozen(path, threads=0):
    """A session on a frozen graph. Raises UserError."""
    from tf1 import new_session, quiet, tf

    check_readable(path, "the path of the frozen graph")
    check_not_a_page(path, "a frozen graph")
    graph_def = tf.GraphDef()
    with open(path, "rb") as stream, tf.Graph().as_default(), quiet():
        try:
            graph_def.ParseFromString(stream.read())
            tf.import_graph_def(graph_def, name="")
        except Exception as error:
            raise _damaged(path, error, "expected what freeze.py writes") from None
        if any(node.op == "VarHandleOp" for node in graph_def.node):
            raise UserError(f"{path}: not frozen, it has variables; freeze it with freeze.py")
        return new_session(threads)


def _damaged(path, error, mend):
    reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return UserError(f"{path}: not a graph, or truncated ({reason}); {mend}")
