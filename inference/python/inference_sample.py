"""Runs the graph that train_sample.py wrote.

inference/cc/build/inference_sample prints the same.
"""

import _top
from cli import Parser, run_command
from graph_files import add_graph_trust_flag, default_path, load_frozen, run_once


def main():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--graph",
        default=default_path("exported/sample_frozen.pb"),
        help="the frozen graph (default %(default)s)",
    )
    add_graph_trust_flag(parser)
    args = parser.parse_args()
    xs = [-2.0, -1.0, 0.0, 1.0, 2.0]
    session = load_frozen(args.graph, trust=args.trust)
    for x, y in zip(xs, run_once(session, args.graph, "y", {"x": xs}, (len(xs),))):
        print(f"{x:g} {y:.4f}")


if __name__ == "__main__":
    run_command(main)
