"""How far a model's probabilities can be believed: reliability diagram and expected calibration
error.

    python etc/calibration.py --restore softmax/checkpoint crf/checkpoint --input data/dev.txt
    python etc/calibration.py --restore checkpoint --input data/dev.txt --plot reliability.png

For each checkpoint, with a softmax or a CRF, the table has two rows: the model as it is, and after
temperature scaling, which divides all its scores by one number. A row compares the probability of
the predicted tag of each token, and of each predicted entity, with how often they are right. The
expected calibration error is the mean distance of the two over bins of probability, weighted by the
number of predictions in a bin (Guo et al. 2017). The temperature is fitted on every other sentence
(the first, the third, ...) by the negative log-likelihood of the gold tags of the tokens; all
figures are those of the other sentences. inference.py --temperature takes the temperature. --input
needs gold tags, best those of sentences by which the model was not selected.
"""

import math
from typing import NamedTuple

import numpy as np

import _top
import checkpoint
import conll
import schemes
from cli import (
    Parser,
    UserError,
    add_threads_flag,
    atomic_write,
    check_readable,
    check_threads,
    check_writable,
    note,
    run_command,
)
from tagging import confidence
from tagging.tagger import Tagger, missing_columns

COOLEST, HOTTEST = 0.1, 10.0  # the temperatures that are tried


class Part(NamedTuple):
    """A batch: what the network says, and the truth in the model's own scheme."""

    ids: np.ndarray  # int32 (batch, sentence)
    logits: np.ndarray  # float32 (batch, sentence, tags)
    lengths: list  # tokens of each sentence
    # int (batch, sentence); -1: a tag that the model does not know, or after the sentence's end
    gold: np.ndarray
    gold_entities: list  # a set of (start, end, type) for each sentence


class Events(NamedTuple):
    """Predictions: their probabilities by the model (float64) and whether they are right (bool)."""

    probable: np.ndarray
    right: np.ndarray


class Result(NamedTuple):
    name: str
    temperature: float
    tokens: Events
    entities: Events
    nll: float  # of the gold tags, the mean over tokens


# ---------------------------------------------------------------- figures


def bins_of(events, count):
    """(number of predictions, mean probability, share that is right) of `count` bins of equal width
    in 0..1; empty ones left out.
    """
    place = np.minimum((events.probable * count).astype(int), count - 1)
    sizes = np.bincount(place, minlength=count)
    probable = np.bincount(place, weights=events.probable, minlength=count)
    right = np.bincount(place, weights=events.right, minlength=count)
    filled = sizes > 0
    return sizes[filled], probable[filled] / sizes[filled], right[filled] / sizes[filled]


def calibration_error(events, count):
    """Expected calibration error, 0 to 1 (Guo et al. 2017); 0 where there are no predictions."""
    sizes, probable, right = bins_of(events, count)
    return float((sizes * np.abs(probable - right)).sum() / max(sizes.sum(), 1))


def minimum(function, low, high, steps=30):
    """Where a function with one minimum between low and high has it, by golden section search."""
    ratio = (math.sqrt(5) - 1) / 2
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(steps):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = function(right)
    return (low + high) / 2


# ---------------------------------------------------------------- a model on sentences


def parts_of(tagger, sentences):
    """Runs the network once over conll.Sentences with gold tags: a list of Parts."""
    meta, parts = tagger.meta, []
    for places, lengths, (ids, logits) in tagger.in_batches(sentences, tagger.scores):
        gold = np.full((len(places), max(lengths)), -1)
        entities = []
        for row, place in zip(gold, places):
            tags = schemes.convert(sentences[place].tags, meta["data_scheme"], meta["tag_scheme"])
            row[: len(tags)] = [tagger.feeder.tag_ids.get(tag, -1) for tag in tags]
            entities.append(set(schemes.entities(tags, meta["tag_scheme"])))
        count, longest = gold.shape
        part = Part(ids[:count, :longest], logits[:count, :longest], lengths, gold, entities)
        parts.append(part)
    return parts


def chain_of(tagger, part, temperature):
    """The confidence.Chain of a Part."""
    return confidence.chain(
        part.logits, part.lengths, tagger.transitions, tagger.graph.legal, temperature
    )


def result_of(name, tagger, parts, temperature):
    """The Result of a model on Parts."""
    tokens, entities, losses = [], [], []
    for part in parts:
        chain = chain_of(tagger, part, temperature)
        marginals = confidence.marginals(chain)
        inside = np.arange(part.ids.shape[1]) < np.array(part.lengths)[:, None]
        of_predicted = np.take_along_axis(marginals, part.ids[..., None], axis=-1)[..., 0]
        tokens.append((of_predicted[inside], (part.ids == part.gold)[inside]))
        losses.append(gold_losses(marginals, part.gold))
        spans = predicted_entities(tagger, part)
        probable = confidence.entity_probabilities(chain, spans, tagger.edges)
        right = [tuple(span) in part.gold_entities[k] for k, *span in spans]
        entities.append((probable, np.array(right, bool)))
    losses = np.concatenate(losses)
    return Result(
        name,
        temperature,
        *(Events(*map(np.concatenate, zip(*pairs))) for pairs in (tokens, entities)),
        float(losses.mean()) if len(losses) else math.nan,
    )


def predicted_entities(tagger, part):
    """The entities that a model predicts in a Part: [(index of the sentence, start, end, type)]."""
    names, scheme = tagger.meta["tags"], tagger.meta["tag_scheme"]
    return [
        (k, *span)
        for k, (row, length) in enumerate(zip(part.ids.tolist(), part.lengths))
        for span in schemes.entities([names[i] for i in row[:length]], scheme)
    ]


def read_gold(path, args):
    """The sentences of --input as the checkpoint `path` reads them. Raises UserError."""
    meta = checkpoint.load_meta(checkpoint.resolve(path))
    sentences, _ = conll.read_sentences(
        args.input,
        conll.columns_of(args),
        own=meta["columns"],
        delimiter=args.delimiter or meta["delimiter"],
    )
    if len(sentences) < 2:
        raise UserError(
            f"{args.input}:1: one sentence, expected two at least: one to fit on and one to score"
        )
    for sentence in sentences if meta["tag_scheme"] != schemes.RAW else ():
        for i, tag in enumerate(sentence.tags):
            try:
                schemes.split_tag(tag)
            except ValueError as error:
                raise UserError(
                    f"{args.input}:{sentence.line(i)}: {error}, as the tags of {path} are; "
                    "mend the tag, or name the columns with --columns"
                ) from None
    return sentences


def gold_losses(marginals, gold):
    """-log of the probability of each gold tag that the model knows, float64 (tokens,)."""
    known = gold >= 0
    of_gold = np.take_along_axis(marginals, np.maximum(gold, 0)[..., None], axis=-1)[..., 0]
    return -np.log(np.maximum(of_gold[known], 1e-300))


def fitted_temperature(tagger, parts):
    """The temperature at which the gold tags of Parts are most probable (temperature scaling, Guo
    et al. 2017).
    """

    def loss(log_temperature):
        temperature = math.exp(log_temperature)
        losses = [
            gold_losses(confidence.marginals(chain_of(tagger, part, temperature)), part.gold)
            for part in parts
        ]
        return np.concatenate(losses).sum()

    return math.exp(minimum(loss, math.log(COOLEST), math.log(HOTTEST)))


def results_of(path, sentences, args):
    """The Results of a checkpoint on conll.Sentences with gold tags: as it is, and with its
    temperature.
    """
    tagger = Tagger.load(path, args.batch_size, threads=args.threads, trust=args.trust)
    if missing := missing_columns(tagger.config, sentences, args.input):
        note(missing)
    fit, held_out = parts_of(tagger, sentences[::2]), parts_of(tagger, sentences[1::2])
    name = f"{'CRF' if tagger.config.use_crf else 'softmax'} {path}"
    return [
        result_of(name, tagger, held_out, temperature)
        for temperature in (1.0, fitted_temperature(tagger, fit))
    ]


# ---------------------------------------------------------------- what is shown


def table(results, bins):
    """Results -> lines: for tokens and entities the mean probability, the share that is right, and
    the calibration error.
    """
    width = max(len(result.name) for result in results)
    lines = [
        f"{'':{width + 15}}{'tokens':<36}entities",
        f"{'':{width}}  temperature  probable   right     ECE     NLL    probable   right     ECE",
    ]
    for result in results:
        tokens, entities = (
            f"{percent(units.probable):8.2f}  {percent(units.right):6.2f}  "
            f"{100 * calibration_error(units, bins):6.2f}"
            for units in (result.tokens, result.entities)
        )
        lines.append(
            f"{result.name:{width}}  {result.temperature:11.3f}  {tokens}  {result.nll:6.4f}    "
            f"{entities}"
        )
    return "\n".join(lines)


def percent(values):
    return 100 * float(values.mean()) if len(values) else 0.0


def plot(results, bins, path):
    """Reliability diagram: the share that is right over the mean probability of each bin; the
    larger a point, the more is in its bin.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7))
    for axes, what in zip(figure.subplots(1, 2), ("tokens", "entities")):
        axes.plot([0, 1], [0, 1], color="gray", linestyle=":")
        for i, result in enumerate(results):
            events = getattr(result, what)
            sizes, probable, right = bins_of(events, bins)
            axes.plot(
                probable,
                right,
                color=f"C{i // 2}",
                linestyle="--" if i % 2 else "-",
                linewidth=1,
                label=f"{result.name}, temperature {result.temperature:.2f}: ECE "
                f"{100 * calibration_error(events, bins):.2f}%",
            )
            axes.scatter(
                probable, right, 5 + 15 * np.log10(sizes) ** 2, color=f"C{i // 2}", alpha=0.5
            )
        axes.set(
            xlabel=f"mean probability of the predicted {what}",
            ylabel="share that is right",
            xlim=(0, 1.02),
            ylim=(0, 1.02),
        )
        axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.1))
    figure.tight_layout()
    with atomic_write(path) as out:
        figure.savefig(out, format="png")


# ---------------------------------------------------------------- the command


def parse_args():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "--restore", nargs="+", required=True, help="checkpoints, folders or prefixes"
    )
    parser.add_argument("--input", required=True, help="column file with gold tags")
    conll.add_column_flags(
        parser, "columns in order, such as 'word pos chunk tag', _ to ignore one"
    )
    parser.add_argument("--bins", type=int, default=15, help="bins of equal width (default 15)")
    parser.add_argument("--plot", default="", help="write a reliability diagram there (PNG)")
    parser.add_argument(
        "--batch_size", type=int, default=64, help="sentences in a batch, at most (default 64)"
    )
    add_threads_flag(parser)
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run the code that a checkpoint names where its encoder is not ours",
    )
    args = parser.parse_args()
    for name, least in (("bins", 1), ("batch_size", 1)):
        if getattr(args, name) < least:
            raise UserError(f"--{name} {getattr(args, name)}: expected at least {least}")
    check_threads(args.threads)
    check_readable(args.input, "--input")
    if args.plot:
        check_writable(args.plot, "--plot")
    return args


def main():
    args = parse_args()
    gold = [read_gold(path, args) for path in args.restore]
    results = [
        result
        for path, sentences in zip(args.restore, gold)
        for result in results_of(path, sentences, args)
    ]
    count = len(gold[0])
    print(
        f"{args.input}: temperatures fitted on {count - count // 2:,} sentences, figures in "
        f"percent of {count // 2:,} others, {args.bins} bins"
    )
    print(table(results, args.bins))
    if args.plot:
        plot(results, args.bins, args.plot)


if __name__ == "__main__":
    run_command(main)
