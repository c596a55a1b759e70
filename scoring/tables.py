"""What chunk_eval.py prints: the table of the conlleval script, LaTeX, JSON."""

import json

from scoring.chunks import percentages
from scoring.columns import as_text

# ---------------------------------------------------------------- output


def listed_types(scores):
    """Types in order of their bytes. conlleval lists a chunk without a type twice if both columns
    have one.
    """
    types = set(scores.phrases) | set(scores.found)
    twice = [""] if "" in scores.phrases and "" in scores.found else []
    return twice + sorted(types)


def text_table(scores):
    """Scores -> what conlleval prints; after a strict count, one line more."""
    correct, found, phrases = scores.totals
    lines = [
        f"processed {scores.tokens} tokens with {phrases} phrases; found: {found} phrases; "
        f"correct: {correct}."
    ]
    if scores.tokens:
        lines.append(f"accuracy: {scores.accuracy:6.2f}%; {figures(correct, found, phrases)}")
    for kind in listed_types(scores):
        lines.append(f"{kind:>17}: {figures(*scores.of(kind))}  {scores.of(kind)[1]}")
    return "\n".join(lines) + "\n"


def figures(*counts):
    """(correct, found, phrases) -> their percentages as the table shows them."""
    return "precision: {:6.2f}%; recall: {:6.2f}%; FB1: {:6.2f}".format(*percentages(*counts))


def latex_table(scores):
    """Scores -> what conlleval -l prints."""

    def row(name, counts):
        return name + " &  {:6.2f}\\% & {:6.2f}\\% & {:6.2f} \\\\".format(*percentages(*counts))

    rows = ["        & Precision &  Recall  & F$_{\\beta=1} \\\\\\hline"]
    rows += [row(f"{kind:<7}", scores.of(kind)) for kind in listed_types(scores)]
    return "\n".join(rows) + "\\hline\n" + row("Overall", scores.totals) + "\\hline\n"


def strict_line(scores):
    return (
        f"ill-formed sequences ({scores.reading}): gold {scores.ill_formed_gold}, "
        f"predicted {scores.ill_formed_predicted}, of {scores.sequences}\n"
    )


def json_figures(correct, found, phrases):
    """Counts -> a dict of them and their percentages."""
    precision, recall, f1 = percentages(correct, found, phrases)
    return {
        "phrases": phrases,
        "found": found,
        "correct": correct,
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


def json_text(scores, strict, **more):
    """Scores, and what else there is -> one JSON object; figures in percent."""
    result = {
        "reading": scores.reading,
        "strict": strict,
        "sequences": scores.sequences,
        "tokens": scores.tokens,
        "accuracy": scores.accuracy,
        **json_figures(*scores.totals),
    }
    if strict:
        result["ill_formed"] = {
            "gold": scores.ill_formed_gold,
            "predicted": scores.ill_formed_predicted,
        }
    result["types"] = {
        as_text(kind): json_figures(*scores.of(kind)) for kind in listed_types(scores)
    }
    return json.dumps({**result, **more}, indent=2) + "\n"


def output(args, scores, **more):
    """What the flags ask for. more: what else --json shows."""
    if args.json:
        return json_text(scores, args.strict, **more)
    return (latex_table(scores) if args.latex else text_table(scores)) + (
        strict_line(scores) if args.strict else ""
    )
