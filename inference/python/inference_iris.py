"""Classifies flowers with the graph that train_iris.py and freeze.py wrote.

inference/cc/build/inference_iris prints the same.
"""

import _top
from cli import Parser, run_command
from graph_files import add_graph_trust_flag, default_path, load_frozen, run_once

SPECIES = ("setosa", "versicolor", "virginica")
# Centimetres: sepal length, sepal width, petal length, petal width.
FLOWERS = [[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.6, 2.0]]


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--graph",
        default=default_path("exported/iris_frozen.pb"),
        help="the frozen graph (default %(default)s)",
    )
    add_graph_trust_flag(parser)
    args = parser.parse_args()
    session = load_frozen(args.graph, trust=args.trust)
    rows = run_once(session, args.graph, "logits", {"features": FLOWERS}, (3, len(SPECIES)))
    for logits in rows:
        print(SPECIES[logits.argmax()], *(f"{logit:.4f}" for logit in logits))


if __name__ == "__main__":
    run_command(main)
