"""TensorFlow's version 1 interface, `from tf1 import tf`, without the log lines that would bury
ours; and sessions.
"""

import contextlib
import os
import sys

from cli import check_threads


@contextlib.contextmanager
def quiet():
    """Keeps from standard error what TensorFlow's C++ logs as errors at import and with the first
    session (CUDA not found); no setting of 2.21 silences that. What goes wrong comes as exceptions,
    and passes.
    """
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


os.environ.setdefault(
    "TF_CPP_MIN_LOG_LEVEL", "2"
)  # no warnings: BlockLSTM has one for each step of odd size
with quiet():
    import tensorflow.compat.v1 as tf
tf.logging.set_verbosity(tf.logging.ERROR)


def new_session(threads=0, rewrite=True, seconds=0):
    """A session of the default graph on `threads` threads; 0: one for each core. rewrite: whether
    TensorFlow may rewrite the graph, which takes its constants on trust. seconds: that a run may
    take, before it fails; 0: any number. Raises UserError.
    """
    check_threads(threads)
    threads = threads or os.cpu_count()
    config = tf.ConfigProto(
        intra_op_parallelism_threads=threads,
        inter_op_parallelism_threads=threads,
        operation_timeout_in_ms=1000 * seconds,
    )
    if not rewrite:
        config.graph_options.optimizer_options.opt_level = -1  # L0
        config.graph_options.rewrite_options.disable_meta_optimizer = True
    return tf.Session(config=config)


def put(session, variables, values):
    """Gives variables their values, arrays of their shapes, without ops of their own in the graph.
    All in one run: a session prepares each new one by a walk over the whole graph, which for BERT's
    200 variables takes longer than the values themselves.
    """
    feeds = {
        variable.initializer.inputs[1]: value
        for variable, value in zip(variables, values, strict=True)
    }
    session.run([variable.initializer for variable in variables], feeds)


def callable_of(session, fetches, inputs, example=None):
    """A function {input name: array} -> values of `fetches`. inputs: {name: placeholder}; the rest
    of a dict is ignored.

    example: a dict to run once, so that the first call is as fast as the later ones.
    """
    call = session.make_callable(fetches, feed_list=list(inputs.values()))
    run = lambda values: call(*(values[name] for name in inputs))
    if example:
        run(example)
    return run
