"""Runs the graph that train_sample.py wrote.

inference/cc/build/inference_sample prints the same.
"""

import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [ROOT, os.path.join(ROOT, "inference")]

from cli import Parser, run_command  # noqa: E402
from graph_files import default_path, load_frozen  # noqa: E402


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--graph",
        default=default_path("exported/sample_frozen.pb"),
        help="the frozen graph (default %(default)s)",
    )
    args = parser.parse_args()
    xs = [-2.0, -1.0, 0.0, 1.0, 2.0]
    for x, y in zip(xs, load_frozen(args.graph).run("y:0", {"x:0": xs})):
        print(f"{x:g} {y:.4f}")


if __name__ == "__main__":
    run_command(main)
