"""TensorFlow's version 1 interface, `from tf1 import tf`, without the log lines that would bury
ours; sessions, and what runs in them.
"""

import contextlib
import os
import sys

from cli import check_threads


@contextlib.contextmanager
def quiet():
    """Keeps TensorFlow's C++ log lines from standard error. At import and with the first session it
    logs as an error that CUDA is not found, and no setting of version 2.21 silences that. Real
    errors are exceptions, and pass.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    null_device = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null_device, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(null_device)


# No warnings: BlockLSTM gives one at each step of odd size.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
with quiet():
    import tensorflow.compat.v1 as tf
tf.logging.set_verbosity(tf.logging.ERROR)


def new_session(threads=0, rewrite=True, seconds=0):
    """A session of the default graph. Raises UserError for a number of threads out of bounds.

    threads: how many; 0: one for each core. rewrite: whether TensorFlow may rewrite the graph; its
    rewriter does not check the graph's constants. seconds: how long a run may take before it
    fails; 0: without limit.
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
    """Gives variables their values, arrays of the variables' shapes, by the initializers that the
    graph has already.

    It is one run for all variables: a session prepares each new set of fetches by a walk over the
    whole graph, which for BERT's 200 variables takes longer than the values themselves.
    """
    feeds = {
        variable.initializer.inputs[1]: value
        for variable, value in zip(variables, values, strict=True)
    }
    session.run([variable.initializer for variable in variables], feeds)


def callable_of(session, fetches, inputs, example=None):
    """A function that runs `fetches` in the session: {input name: array} -> their values. Entries
    that are not among the inputs are ignored.

    inputs: {name: placeholder}. example: input to run once, so that the first call is as fast as
    the later ones.
    """
    call = session.make_callable(fetches, feed_list=list(inputs.values()))

    def run(values):
        return call(*(values[name] for name in inputs))

    if example:
        with quiet():  # the first run logs what the processor lacks
            run(example)
    return run
