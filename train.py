"""Fits a model: from the shell, or from Python with `fit`.

    python train.py --emb_path embeddings/glove.6B.50d.txt.pkl --wrd_dim 50 \\
        --batch_size 20 --epoch 70

Writes the best model (checkpoint/ner_model), the last state (--resume goes on from it),
history.json and learning_curve.png to --checkpoint_dir, and TensorBoard summaries to --summary_dir.
"""

from cli import Parser, UserError, check_stream, note, run_command
from config import add_flags, model_names
from tagging.tagger import columns_note
from training import seeds
from training.fit import fit
from training.run import run_args
from training.start import config_of

__all__ = ["fit"]  # for Python: from train import fit


def parse_args():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--config_path", default="", help="YAML or JSON file of hyper-parameters; flags override it"
    )
    parser.add_argument(
        "--model",
        default="",
        help=f"a ready-made file of configs/ by its name: {', '.join(model_names())}",
    )
    _add_start_flags(parser)
    parser.add_argument(
        "--seeds",
        type=seeds.parse_seeds,
        metavar="N,N,...",
        help="train once for each of these seeds, into --checkpoint_dir/seed-N; prints mean and "
        "sample deviation",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="import the encoder, loss, metric and hooks that the checkpoint names as "
        "module.function; without it, those alone that are named again",
    )
    add_flags(parser)
    args = parser.parse_args()
    if args.resume and args.overwrite:
        raise UserError(
            "--resume and --overwrite: expected one of them; --resume goes on with what is there"
        )
    return args


def _add_start_flags(parser):
    """Adds the flags that say from what the training starts, and what it may replace."""
    parser.add_argument(
        "--restore",
        default="",
        help="start from the weights of this checkpoint, with a fresh optimizer",
    )
    parser.add_argument(
        "--warm_start",
        default="",
        metavar="CHECKPOINT",
        help="start a new model, with vocabularies, tags and config of its own, from what fits of "
        "this checkpoint",
    )
    parser.add_argument(
        "--warm_start_vars",
        metavar="REGEX",
        help="which variables to take over, such as encoder/ (matched from the name's beginning; "
        "default all: .*)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last state in --checkpoint_dir"
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the model that is in --checkpoint_dir, which is refused otherwise",
    )


def main():
    args = parse_args()
    check_stream(1)
    if args.seeds:
        return seeds.train_all(args)
    trainer, ended_by = run_args(args, config_of(args))
    state, folder = trainer.state, trainer.config.checkpoint_dir
    if ended_by:
        trust = " --trust" if trainer.config.custom() else ""
        note(
            f"interrupted in epoch {state.epoch + 1}; go on with --resume "
            f"--checkpoint_dir {folder}{trust}"
        )
        return 128 + ended_by
    if trainer.stopped:
        print(f"stopped: {trainer.stopped}")
    best = state.best_scores
    step = f" step {state.best_step}" if trainer.config.run_every_secs else ""
    print(
        f"best epoch {state.best_epoch}{step}: token F1 {best['token_f1']:.2f}  "
        f"chunk F1 {best['chunk_f1']:.2f}; model in {trainer.files.model_prefix}"
    )
    if about_columns := columns_note(trainer.config):
        note(about_columns)


if __name__ == "__main__":
    run_command(main)
