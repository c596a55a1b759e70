"""What chunk_eval.py prints: the table of the conlleval script, LaTeX, JSON."""

from scoring.chunks import percentages
from scoring.columns import as_text


def listed_types(scores):
    """The types in the order of their bytes. Where both columns have chunks without a type,
    conlleval lists that type, '', twice.
    """
    types = set(scores.phrases) | set(scores.found)
    twice = [""] if "" in scores.phrases and "" in scores.found else []
    return twice + sorted(types)


def text_table(scores):
    """Scores -> the table that conlleval prints."""
    correct, found, phrases = scores.totals
    lines = [
        f"processed {scores.tokens} tokens with {phrases} phrases; "
        f"found: {found} phrases; correct: {correct}."
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
    """Scores of a strict count -> a line that says how many sequences were ill-formed."""
    return (
        f"ill-formed sequences ({scores.reading}): gold {scores.ill_formed_gold}, "
        f"predicted {scores.ill_formed_predicted}, of {scores.sequences}\n"
    )


def json_figures(correct, found, gold, *, name_of_gold="phrases"):
    """Counts -> a dict of them and their percentages."""
    precision, recall, f1 = percentages(correct, found, gold)
    return {
        name_of_gold: gold,
        "found": found,
        "correct": correct,
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }


def json_text(scores, strict, **more):
    """Scores -> one JSON object, with `more` as further entries; figures in percent."""
    import json

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
    """What chunk_eval.py prints for its flags. more: further entries of --json."""
    if args.json:
        return json_text(scores, args.strict, **more)
    table = latex_table(scores) if args.latex else text_table(scores)
    return table + strict_line(scores) if args.strict else table
