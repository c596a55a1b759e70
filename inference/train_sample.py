"""Fits a line and freezes it: the smallest graph that goes from Python to C++.

    python inference/train_sample.py
    python inference/python/inference_sample.py
    inference/cc/build/inference_sample --graph inference/exported/sample_frozen.pb

The last two print the same.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import numpy as np

from cli import Parser, atomic_write, check_folder, run_command
from graph_files import default_path


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--export",
        default=default_path("exported"),
        help="folder to write sample_frozen.pb to (default %(default)s)",
    )
    args = parser.parse_args()
    check_folder(args.export, "--export")
    from freeze import freeze
    from tf1 import new_session, quiet, tf

    rng = np.random.default_rng(1)
    inputs = rng.uniform(-3, 3, 200).astype(np.float32)
    targets = 2 * inputs + 1 + rng.normal(0, 0.1, 200).astype(np.float32)
    with tf.Graph().as_default(), quiet():
        x = tf.placeholder(tf.float32, [None], "x")
        zero = tf.zeros_initializer()
        slope, intercept = (
            tf.get_variable(name, [], None, zero) for name in ("slope", "intercept")
        )
        y = tf.add(slope * x, intercept, name="y")
        loss = tf.reduce_mean(tf.square(y - targets))
        step = tf.train.GradientDescentOptimizer(0.1).minimize(loss)
        session = new_session()
        session.run(tf.global_variables_initializer())
        for _ in range(200):
            session.run(step, {x: inputs})
        fitted = session.run([slope, intercept, loss], {x: inputs})
        frozen = freeze(session, ["y"])
    os.makedirs(args.export, exist_ok=True)
    path = os.path.join(args.export, "sample_frozen.pb")
    with atomic_write(path) as out:
        out.write(frozen.SerializeToString())
    print("slope {:.3f}  intercept {:.3f}  loss {:.4f}".format(*fitted))
    print(f"{path} is written")


if __name__ == "__main__":
    run_command(main)
