"""Trains a small network to tell three species of iris, and writes a checkpoint for freeze.py.

    python inference/train_iris.py
    python inference/freeze.py --output_node_names logits --frozen_model_name iris_frozen.pb
    python inference/python/inference_iris.py
    inference/cc/build/inference_iris --graph inference/exported/iris_frozen.pb

The flowers are drawn by a seed from normal distributions with the means and standard deviations
that Fisher (1936), "The use of multiple measurements in taxonomic problems", reports for each
species.
"""

import os

import numpy as np

import _top
from cli import Parser, check_folder, run_command
from graph_files import default_path

# Centimetres: sepal length, sepal width, petal length, petal width; mean, then standard deviation.
SPECIES = {
    "setosa": ((5.006, 3.428, 1.462, 0.246), (0.352, 0.379, 0.174, 0.105)),
    "versicolor": ((5.936, 2.770, 4.260, 1.326), (0.516, 0.314, 0.470, 0.198)),
    "virginica": ((6.588, 2.974, 5.552, 2.026), (0.636, 0.322, 0.552, 0.275)),
}


def flowers(count, rng):
    """`count` flowers of each species: features, float32 (3 * count, 4), and species, int32
    (3 * count,).
    """
    features = np.concatenate(
        [rng.normal(mean, deviation, (count, 4)) for mean, deviation in SPECIES.values()]
    )
    return features.astype(np.float32), np.repeat(np.arange(len(SPECIES), dtype=np.int32), count)


def dense(x, size, name):
    """x: float32 (batch, dim) -> (batch, size), before any nonlinearity."""
    from tf1 import tf

    with tf.variable_scope(name):
        kernel = tf.get_variable(
            "kernel", [x.shape[-1], size], initializer=tf.glorot_uniform_initializer(seed=1)
        )
        return tf.matmul(x, kernel) + tf.get_variable(
            "bias", [size], initializer=tf.zeros_initializer()
        )


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--export",
        default=default_path("exported"),
        help="folder to write the checkpoint to (default %(default)s)",
    )
    args = parser.parse_args()
    check_folder(args.export, "--export")
    from export import write
    from tf1 import new_session, quiet, tf

    rng = np.random.default_rng(1)
    train, test = flowers(50, rng), flowers(200, rng)
    with tf.Graph().as_default() as graph, quiet():
        features = tf.placeholder(tf.float32, [None, 4], "features")
        species = tf.placeholder(tf.int32, [None], "species")
        logits = tf.identity(
            dense(tf.nn.relu(dense(features, 16, "hidden")), len(SPECIES), "output"), name="logits"
        )
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=species, logits=logits)
        )
        right = tf.reduce_mean(
            tf.cast(tf.equal(tf.argmax(logits, -1, output_type=tf.int32), species), tf.float32)
        )
        step = tf.train.AdamOptimizer(0.02).minimize(loss)
        session = new_session()
        session.run(tf.global_variables_initializer())
        for _ in range(300):
            session.run(step, dict(zip((features, species), train)))
        accuracy = session.run(right, dict(zip((features, species), test)))
    prefix = os.path.join(args.export, "iris")
    write(session, graph, prefix)
    print(f"accuracy on {len(test[1])} flowers it has not seen: {100 * accuracy:.1f}%")
    print(f"{prefix} is written; freeze.py comes next")


if __name__ == "__main__":
    run_command(main)
