"""chunk_eval.py --errors, compared with a matcher that tries every pairing, with set intersections,
and with counts made by hand.
"""

import json
import os
import random
import subprocess
import sys
from collections import Counter

import pytest

import chunk_eval
import conll
from cli import UserError
from scoring import chunks, error_analysis
from support.sample_data import entities, sample_path

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def random_entities(rng, length, kinds="XYZ"):
    """Disjoint entities in order, some of one token, many side by side."""
    cuts = sorted(
        {0, length, *(rng.randrange(length + 1) for _ in range(rng.randrange(length + 1)))}
    )
    return [
        (start, end, rng.choice(kinds)) for start, end in zip(cuts, cuts[1:]) if rng.random() < 0.7
    ]


def random_sentence(rng):
    length = rng.randint(1, 9)
    gold = random_entities(rng, length)
    predicted = random_entities(rng, length)
    if rng.random() < 0.5:  # some in common
        taken = {i for start, end, _ in predicted[:1] for i in range(start, end)}
        predicted = sorted(
            predicted[:1]
            + [entity for entity in gold if not taken.intersection(range(*entity[:2]))]
        )
    return error_analysis.Sentence(1, length, None, gold, predicted)


def every_pairing(candidates):
    """All sets of (gold, predicted) candidates in which no entity occurs twice."""
    if not candidates:
        return [[]]
    (gold, predicted), rest = candidates[0], candidates[1:]
    free = [pair for pair in rest if pair[0] != gold and pair[1] != predicted]
    return every_pairing(rest) + [[candidates[0], *pairing] for pairing in every_pairing(free)]


def best_pairing(gold, predicted):
    """The pairing whose best pair is the best of all, then whose second best pair is, and so on, as
    --help says.
    """

    def tokens(entity):
        return set(range(entity[0], entity[1]))

    def worth(pair):
        a, b = pair
        return tokens(a) != tokens(b), a[2] != b[2], -len(tokens(a) & tokens(b)), a, b

    candidates = [(a, b) for a in gold for b in predicted if tokens(a) & tokens(b)]
    end = [(2,)]  # worse than any pair: of two pairings that begin alike the longer is better
    return min(every_pairing(candidates), key=lambda pairing: sorted(map(worth, pairing)) + end)


def brute_force_category(gold, predicted):
    if gold is None or predicted is None:
        return "spurious" if gold is None else "missed"
    names = ["boundary"] * (gold[:2] != predicted[:2]) + ["type"] * (gold[2] != predicted[2])
    return " and ".join(names) or "correct"


@pytest.mark.parametrize("seed", range(8))
def test_pairs_are_those_of_a_brute_force_matcher(seed):
    rng = random.Random(seed)
    for _ in range(150):
        _, _, _, gold, predicted = random_sentence(rng)
        pairs = error_analysis.align(gold, predicted)
        best = best_pairing(gold, predicted)
        alone = [(entity, None) for entity in gold if entity not in [a for a, _ in best]]
        alone += [(None, entity) for entity in predicted if entity not in [b for _, b in best]]
        assert Counter(pairs) == Counter(best + alone), (gold, predicted)
        assert Counter(map(error_analysis.category, pairs)) == Counter(
            brute_force_category(*pair) for pair in best + alone
        )


def test_each_entity_is_in_one_category_and_counts_add_up():
    sentences = [random_sentence(random.Random(seed)) for seed in range(600)]
    trained = {("a",): {"X"}, ("a", "b"): {"Y", "Z"}, ("b",): {"Z"}}
    rng = random.Random(0)
    sentences = [
        sentence._replace(words=rng.choices("abc", k=sentence.length)) for sentence in sentences
    ]
    analysis = error_analysis.analyse(sentences, trained, worst=len(sentences))
    gold = Counter(kind for sentence in sentences for *_, kind in sentence.gold)
    predicted = Counter(kind for sentence in sentences for *_, kind in sentence.predicted)
    correct = sum(len(set(sentence.gold) & set(sentence.predicted)) for sentence in sentences)
    counts = analysis.categories
    assert set(counts) == set(error_analysis.CATEGORIES) and all(counts.values())
    assert counts["correct"] == correct
    assert gold.total() == sum(counts.values()) - counts["spurious"]
    assert predicted.total() == sum(counts.values()) - counts["missed"]
    assert analysis.kinds == ["X", "Y", "Z"]
    assert [sum(row) for row in analysis.table[:-1]] == [gold[kind] for kind in "XYZ"]
    assert [sum(column) for column in zip(*analysis.table)][:-1] == [
        predicted[kind] for kind in "XYZ"
    ]
    assert (
        sum(analysis.table[-1]) == counts["spurious"]
        and sum(row[-1] for row in analysis.table) == counts["missed"]
    )
    for _, groups in error_analysis.groups_of(analysis):
        assert [sum(column) for column in zip(*groups.values())] == [
            correct,
            predicted.total(),
            gold.total(),
        ]
    assert sum(len(wrong) for _, wrong in analysis.worst) == sum(counts.values()) - correct
    sizes = [len(wrong) for _, wrong in analysis.worst]
    assert sizes == sorted(sizes, reverse=True) and 0 not in sizes


def test_gold_and_prediction_are_treated_alike():
    mirror = {"missed": "spurious", "spurious": "missed"}
    for seed in range(600):
        _, _, _, gold, predicted = random_sentence(random.Random(seed))
        there = Counter(
            (error_analysis.category(pair), *pair) for pair in error_analysis.align(gold, predicted)
        )
        back = Counter(
            (mirror.get(name := error_analysis.category(pair), name), *pair[::-1])
            for pair in error_analysis.align(predicted, gold)
        )
        assert there == back


def test_groups_against_plain_counting():
    """F1 by entity length, by sentence length and by what was seen in training, counted group by
    group.
    """
    rng = random.Random(7)
    sentences = []
    for _ in range(300):
        length = rng.choice([1, 5, 6, 12, 25, 40, 60])
        gold, predicted = (random_entities(rng, length) for _ in range(2))
        sentences.append(
            error_analysis.Sentence(
                1, length, rng.choices("ab", k=length), gold, rng.choice([gold, predicted])
            )
        )
    trained = {("a",): {"X", "Y"}, ("b", "b"): {"Z"}}
    analysis = error_analysis.analyse(sentences, trained)

    def counts(fits):
        gold, predicted = (
            {
                (i, *entity)
                for i, sentence in enumerate(sentences)
                for entity in sentence[side]
                if fits(sentence, entity)
            }
            for side in (3, 4)
        )
        return [len(gold & predicted), len(predicted), len(gold)]

    def seen(sentence, entity):
        kinds = trained.get(tuple(sentence.words[entity[0] : entity[1]]))
        if not kinds:
            return "unseen"
        return "seen with its type" if entity[2] in kinds else "seen with others"

    by_entity, by_sentence, by_seen = (groups for _, groups in error_analysis.groups_of(analysis))
    assert list(by_sentence) == ["1-5", "6-10", "11-20", "21-30", "31-50", "51+"]
    for name, (low, high) in {
        "1": (1, 1),
        "3": (3, 3),
        "5-6": (5, 6),
        "7-10": (7, 10),
        "11+": (11, 99),
    }.items():
        assert by_entity[name] == counts(lambda _, entity: low <= entity[1] - entity[0] <= high)
    assert by_sentence["6-10"] == counts(lambda sentence, _: sentence.length == 6)
    assert by_sentence["51+"] == counts(lambda sentence, _: sentence.length == 60)
    assert by_seen == {
        name: counts(lambda *pair: seen(*pair) == name) for name in error_analysis.SEEN
    }


# ---------------------------------------------------------------- the command


@pytest.fixture
def analysis_of(monkeypatch, capsysbinary, tmp_path):
    """The object of chunk_eval.py --errors --json for a text, without a process of its own."""

    def main(text, *args):
        path = tmp_path / "pred.txt"
        path.write_bytes(text.encode())
        monkeypatch.setattr(
            sys,
            "argv",
            ["chunk_eval.py", "--errors", "--json", *map(str, args), "--input", str(path)],
        )
        chunk_eval.main()
        return json.loads(capsysbinary.readouterr().out)

    return main


@pytest.mark.parametrize(
    "args, tags",
    [
        ([], "O B-X I-X B-Y I-Y"),
        ([], "O B-X I-X E-X S-Y M-Y L-X U-X"),
        (["--scheme", "iobes"], "O B-X I-X E-X S-X B-Y E-Y"),
        (["--strict"], "O B-X I-X I-Y B-Y"),
        (["-r"], "O B-X X Y NONE"),
        (["-r", "-o", "NONE"], "O B-X X Y NONE"),
        (["--scheme", "bmes", "-o", "NONE"], "NONE B-X M-X E-X S-X S-Y"),
    ],
)
def test_categories_add_up_to_the_scorers_counts(analysis_of, args, tags):
    """Phrases, found and correct are those of the table, for every reading and however ill-formed
    the tags.
    """
    rng, tags = random.Random(1), tags.split()
    for _ in range(5):
        gold = [rng.choices(tags, k=rng.randint(1, 8)) for _ in range(40)]
        rows = [
            [(g, g if rng.random() < 0.6 else rng.choice(tags)) for g in sentence]
            for sentence in gold
        ]
        result = analysis_of(
            "\n".join("".join(f"w {g} {p}\n" for g, p in sentence) for sentence in rows), *args
        )
        counts = result["errors"]["categories"]
        both = sum(counts[name] for name in error_analysis.CATEGORIES[:4])
        assert (counts["correct"], both + counts["spurious"], both + counts["missed"]) == (
            result["correct"],
            result["found"],
            result["phrases"],
        )
        for kind, of_type in result["types"].items():
            assert (
                sum(cell["count"] for cell in result["errors"]["types"] if cell["gold"] == kind)
                == of_type["phrases"]
            )
            assert (
                sum(
                    cell["count"] for cell in result["errors"]["types"] if cell["predicted"] == kind
                )
                == of_type["found"]
            )


TEXT = """\
EU B-ORG B-LOC
rejects O O
German B-MISC O
call O B-PER
\n\
Ice B-MISC B-MISC
Cold I-MISC I-MISC
in I-MISC O
Alex I-MISC B-PER
, O O
New B-LOC I-ORG
York I-LOC I-ORG
Post O I-ORG
"""


def test_by_hand(analysis_of):
    result = analysis_of(TEXT)["errors"]
    assert result["categories"] == {
        "correct": 0,
        "type": 1,
        "boundary": 1,
        "boundary and type": 1,
        "missed": 1,
        "spurious": 2,
    }
    assert result["seen"] is None
    assert [(sentence["line"], len(sentence["errors"])) for sentence in result["worst"]] == [
        (1, 3),
        (6, 3),
    ]
    assert result["worst"][1]["words"] == "Ice Cold in Alex , New York Post".split()
    assert {
        "category": "boundary",
        "gold": {"start": 0, "end": 4, "type": "MISC"},
        "predicted": {"start": 0, "end": 2, "type": "MISC"},
    } in result["worst"][1]["errors"]
    assert [(cell["gold"], cell["predicted"]) for cell in result["types"]] == [
        ("ORG", "LOC"),
        ("MISC", "MISC"),
        ("LOC", "ORG"),
        ("MISC", None),
        (None, "PER"),
    ]
    assert len(analysis_of(TEXT, "--worst", "1")["errors"]["worst"]) == 1


def run(text, *args):
    return subprocess.run(
        [sys.executable, os.path.join(ROOT, "chunk_eval.py"), *map(str, args)],
        input=text.encode(),
        capture_output=True,
        timeout=120,
    )


def test_printed_text():
    table, done = run(TEXT).stdout.decode(), run(TEXT, "--errors")
    printed = done.stdout.decode()
    assert done.stderr == b"" and printed.startswith(table)
    assert (
        "errors: 4 gold entities, 5 predicted, 3 pairs of them with tokens in common\n" in printed
    )
    assert (
        "             MISC    0     1    0    0       1\n" in printed
        and "         spurious    0     0    0    2\n" in printed
    )
    assert printed.endswith(
        "line 6: 1 boundary, 1 boundary and type, 1 spurious\n"
        "    gold: [MISC Ice Cold in Alex] , [LOC New York] Post\n"
        "    pred: [MISC Ice Cold] in [PER Alex] , [ORG New York Post]\n"
    )


def test_columns_and_delimiter(analysis_of, tmp_path):
    expected = analysis_of(TEXT)["errors"]
    rows = [line.split() for line in TEXT.splitlines()]
    other = "".join(
        "|".join([row[2], row[0], "x y", row[1]]) + "\n" if row else "\n" for row in rows
    )
    args = ["-d", r"\|", "--columns", "pred word _ gold"]
    assert analysis_of(other, *args)["errors"] == expected
    train = tmp_path / "train.txt"
    train.write_text(
        "Ice|x y|B-MISC\nCold|x y|I-MISC\nin|x y|I-MISC\nAlex|x y|I-MISC\n\nGerman|x y|B-LOC\n"
    )
    seen = analysis_of(other, *args, "--train_path", train)["errors"]["seen"]
    train.write_text(train.read_text().replace("|x y|", " "))
    assert analysis_of(TEXT, "--train_path", train)["errors"]["seen"] == seen
    assert {name: (group["phrases"], group["found"]) for name, group in seen.items()} == {
        "seen with its type": (1, 0),
        "seen with others": (1, 0),
        "unseen": (2, 5),
    }


def test_without_words(analysis_of, tmp_path):
    bare = "".join(line.partition(" ")[2] + "\n" for line in TEXT.splitlines())
    result = analysis_of(bare)["errors"]
    assert (
        result["categories"] == analysis_of(TEXT)["errors"]["categories"]
        and result["worst"][0]["words"] is None
    )
    printed = run(bare, "--errors").stdout
    assert (
        b"(to read them, name their column: --columns):\nline 1: 1 type, 1 missed, 1 "
        b"spurious\nline 6" in printed
    )
    for text, columns in ((bare, []), (TEXT, ["--columns", "_ gold pred"])):
        done = run(text, "--errors", "--train_path", sample_path("train"), *columns)
        assert (
            done.returncode == 2
            and b"<stdin>:1: --train_path needs the words" in done.stderr
            and done.stdout == b""
        )


def test_seen_entities_of_the_sample(analysis_of):
    """With the gold tags as predictions, there are as many unseen mentions as in the sample's own
    test.
    """
    sentences, _ = conll.read_sentences(sample_path("test"))
    text = "\n".join(
        "".join(f"{word} {tag} {tag}\n" for word, tag in zip(sentence.words, sentence.tags))
        for sentence in sentences
    )
    trained = set(entities("train"))
    forms = {form for form, _ in trained}

    def seen_of(entity):
        if entity in trained:
            return "seen with its type"
        return "seen with others" if entity[0] in forms else "unseen"

    expected = Counter(map(seen_of, entities("test")))
    seen = analysis_of(text, "--train_path", sample_path("train"))["errors"]["seen"]
    assert {name: group["correct"] for name, group in seen.items()} == expected
    assert all(group["f1"] == 100 for group in seen.values())
    both = analysis_of(text, "--train_path", sample_path("train"), sample_path("test"))["errors"][
        "seen"
    ]
    assert both["seen with its type"]["phrases"] == sum(expected.values())


@pytest.mark.parametrize(
    "text, args, message",
    [
        (TEXT, ["--worst", "3"], b"--worst is part of the error analysis; add --errors"),
        (TEXT, ["--plot", "x.png"], b"--plot is part of the error analysis"),
        (TEXT, ["--train_path", "x"], b"--train_path is part of the error analysis"),
        (TEXT, ["--errors", "-l"], b"leave it or --errors out"),
        (TEXT, ["--errors", "--worst", "-1"], b"expected 0 or more"),
        (
            TEXT,
            ["--errors", "--train_path", "no/such"],
            b"no/such: no such file; check --train_path",
        ),
        (TEXT, ["--errors", "--plot", "no/such/plot.png"], b"check --plot"),
        (
            "w B-A\nw x\n\n",
            ["--errors", "--scheme", "bio", "--columns", "gold pred"],
            b"<stdin>:1: tag 'w'",
        ),
    ],
)
def test_mistakes_end_in_one_line(text, args, message):
    done = run(text, *args)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr and done.stderr.count(b"\n") == 1


def test_mistakes_in_the_training_file(tmp_path):
    path = tmp_path / "train.txt"
    for content, args, message in (
        ("w O\nw x\n", ["--scheme", "bio"], ":2: tag 'x', expected O or PREFIX-TYPE"),
        ("w\n", [], ":1: 1 column, expected at least 2, word first and tag last"),
        (
            "w x O\n",
            ["--columns", "word gold pred"],
            ":1: 3 columns, expected 2 as --columns names",
        ),
    ):
        path.write_text(content)
        done = run(TEXT, "--errors", "--train_path", path, *args)
        assert (
            done.returncode == 2
            and f"{path}{message}".encode() in done.stderr
            and done.stdout == b""
        )


def test_brackets_are_told():
    """The official script counts two chunks if a bracket follows a chunk without a type, and closes
    neither.
    """
    done = run("w I I\nw [ [\n", "--errors")
    assert (
        done.returncode == 0
        and b"of the official script's 1 correct chunks the analysis finds 2" in done.stderr
    )


def test_words_that_are_not_utf8_pass_through(tmp_path):
    path = tmp_path / "pred.txt"
    path.write_bytes(b"a\xff B-\xfe O\n")
    done = run("", "--errors", "--input", path)
    assert b"    gold: [\xfe a\xff]\n    pred: a\xff\n" in done.stdout
    assert json.loads(run("", "--errors", "--json", "--input", path).stdout)["errors"]["worst"][0][
        "words"
    ] == ["a\ufffd"]


def test_empty_input():
    done = run("", "--errors", "--train_path", sample_path("train"))
    assert (
        done.returncode == 0
        and b"errors: 0 gold entities, 0 predicted" in done.stdout
        and b"no tokens" in done.stderr
    )


def test_plot(tmp_path):
    path = tmp_path / "errors.png"
    for args in ([], ["--train_path", sample_path("train")]):
        done = run(TEXT, "--errors", "--plot", path, *args)
        assert (done.returncode, done.stderr) == (0, b"")
        assert path.read_bytes().startswith(b"\x89PNG\r\n") and path.stat().st_size > 20000
        assert os.listdir(tmp_path) == ["errors.png"]
        path.unlink()


def test_drawn_figures():
    """The bars and the table show the counts."""
    sentences = [random_sentence(random.Random(seed)) for seed in range(100)]
    analysis = error_analysis.analyse(sentences)
    bars, table, *groups = error_analysis.draw(analysis).axes
    assert (
        sum(bar.get_width() for bar in bars.patches)
        == sum(analysis.categories.values()) - analysis.categories["correct"]
    )
    assert [int(cell.get_text()) for cell in table.texts] == [
        count for row in analysis.table for count in row
    ][:-1]
    for axes, (_, group) in zip(groups, error_analysis.groups_of(analysis), strict=True):
        assert [bar.get_height() for bar in axes.patches] == [
            chunks.percentages(*counts)[2] for counts in group.values()
        ]


def test_matplotlib_is_imported_only_for_a_plot():
    code = (
        "import sys; sys.argv = ['chunk_eval.py', *sys.argv[1:]]; import chunk_eval; "
        "chunk_eval.main(); "
        "sys.exit(len({'scoring.error_analysis', 'matplotlib', 'numpy'} & set(sys.modules)))"
    )
    for args, modules in (([], 0), (["--errors"], 1)):
        done = subprocess.run(
            [sys.executable, "-c", code, *args],
            input=TEXT.encode(),
            cwd=ROOT,
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == modules


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match="matplotlib is not installed"):
        error_analysis.draw(error_analysis.analyse([]))
