"""chunk_eval.py, token_eval.py and etc/conlleval are compared with the official script's output,
with one another, and with plain counting.
"""

import io
import itertools
import json
import random
import shutil
import subprocess
import sys
import types
from collections import Counter
from pathlib import Path

import pytest

import chunk_eval
import schemes
from cli import UserError
from scoring import chunks as chunks_module
from scoring import tokens as tokens_module
from scoring.chunks import only_well_formed
from scoring.columns import read_file, read_rows, split_blanks, tag_sequences

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT.parent / "shared" / "conformance" / "conlleval"
PERL = ["perl", str(ROOT / "etc" / "conlleval")]
CHUNK, TOKEN = ([sys.executable, str(ROOT / name)] for name in ("chunk_eval.py", "token_eval.py"))

needs_perl = pytest.mark.skipif(shutil.which("perl") is None, reason="perl is not installed")
needs_cases = pytest.mark.skipif(
    not CASES.is_dir(), reason="../shared/conformance/conlleval is not here"
)


def run(command, text="", args=()):
    """Runs a scorer on `text` (str or bytes). Returns the finished process, whose streams are
    bytes.
    """
    data = text.encode() if isinstance(text, str) else text
    return subprocess.run([*command, *args], input=data, capture_output=True, timeout=120)


@pytest.fixture
def chunk_main(monkeypatch, capsysbinary, tmp_path):
    """Runs chunk_eval.py without a process of its own on bytes. Returns what it prints."""

    def main(data, args):
        path = tmp_path / "pred.txt"
        path.write_bytes(data)
        monkeypatch.setattr(sys, "argv", ["chunk_eval.py", *args, "--input", str(path)])
        chunk_eval.main()
        return capsysbinary.readouterr().out

    return main


def table(*sentences):
    """Rows `w gold pred` for pairs (gold tags, predicted tags), each in one string."""
    return "\n".join(
        "".join(f"w {g} {p}\n" for g, p in zip(gold.split(), pred.split(), strict=True))
        for gold, pred in sentences
    )


def figures(text, *args):
    """(phrases, found, correct) of chunk_eval.py --json."""
    result = json.loads(run(CHUNK, text, ["--json", *args]).stdout)
    return result["phrases"], result["found"], result["correct"]


# ---------------------------------------------------------------- the official script's figures


def official_cases():
    """(name, input, arguments, expected output) of each case."""
    for case in sorted(CASES.glob("*.in")):
        args = case.with_suffix(".args").read_text().splitlines()
        yield case.name, case.read_bytes(), args, case.with_suffix(".out").read_bytes()


@needs_cases
def test_official_cases(chunk_main):
    for name, data, args, expected in official_cases():
        assert chunk_main(data, args) == expected, name


@needs_cases
@needs_perl
def test_official_cases_in_perl():
    for name, data, args, expected in official_cases():
        done = run(PERL, data, args)
        assert (done.stdout, done.stderr, done.returncode) == (expected, b"", 0), name


@needs_cases
def test_official_cases_are_there():
    assert len(list(official_cases())) >= 44


def wild_tag(rng, style):
    """A tag of one scheme, of no scheme, or of several at once."""
    if style == "raw":
        return rng.choice(["O", "O", "NONE", "0", "00", "A", "B-A", "-", "A-B"])
    if rng.random() < 0.3:
        return "O"
    prefixes = {
        "bio": "BI",
        "iobes": "BIES",
        "wild": ["B", "I", "O", "E", "S", "M", ".", "[", "]", "NONE", "BB", "-"],
    }
    kinds = (
        ["A", "B"]
        if style != "wild"
        else ["A", "a-b", "0", "", "é", "%s", "more-than-seventeen-letters"]
    )
    prefix = rng.choice(prefixes[style])
    return prefix if style == "wild" and rng.random() < 0.3 else f"{prefix}-{rng.choice(kinds)}"


def wild_input(rng):
    """(arguments, rows) that both scorers accept."""
    style, delimiter, extra = (
        rng.choice(["raw", "bio", "iobes", "wild"]),
        rng.choice("  \t|"),
        rng.randrange(3),
    )
    args = {
        " ": [[], ["-d", " "]],
        "\t": [["-d", "\t"], ["-d", "\\t"], ["-d", "\\s"]],
        "|": [["-d", "\\|"]],
    }
    args = rng.choice(args[delimiter])
    args = args + rng.choice(
        [[], [], ["-l"], ["-r"], ["-o", "NONE"], ["-r", "-l", "-r", "-o", "NONE"]]
    )
    lines = []
    for _ in range(rng.choice([0, 1, 5, 40])):
        gold = wild_tag(rng, style)
        pred = gold if rng.random() < 0.6 else wild_tag(rng, style)
        words = [
            rng.choice(["w", "-DOCSTART-", "a\u00a0b", "\u0085", "\u2028", "-X-"])
            for _ in range(extra)
        ]
        lines.append(
            rng.choice(["", delimiter * 2])
            if rng.random() < 0.15
            else delimiter.join([*words, gold, pred])
        )
    return args, "\n".join(lines) + rng.choice(["", "\n", "\n\n"])


@needs_perl
def test_both_programs_print_the_same_bytes(chunk_main):
    rng = random.Random(5)
    for _ in range(150):
        args, text = wild_input(rng)
        perl = run(PERL, text, args)
        assert (perl.returncode, perl.stderr) == (0, b""), (args, text)
        assert perl.stdout == chunk_main(text.encode(), args), (args, text)


@needs_perl
def test_perl_program_refuses_what_the_official_one_refuses():
    for args, message in (
        (["-d"], b"conlleval: -d requires delimiter character"),
        (["-o"], b"conlleval: -o requires delimiter character"),
        (["-x"], b"conlleval: unknown argument -x\n"),
        (["pred.txt"], b"conlleval: unexpected command line argument\n"),
    ):
        done = run(PERL, "", args)
        assert done.returncode != 0 and done.stdout == b"" and done.stderr.startswith(message)
    done = run(PERL, "w O O\nw O\n")
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        b"",
        b"unexpected number of features: 2 (3)\n",
    )
    done = run(PERL, "w\n")
    assert (
        done.returncode != 0
        and done.stderr == b"conlleval: unexpected number of features in line w\n"
    )


def test_chunks_without_a_type_are_listed_twice():
    lines = run(CHUNK, "w B B\nw O O\n").stdout.decode().splitlines()
    assert lines[2:] == [f"{'':>17}: precision: 100.00%; recall: 100.00%; FB1: 100.00  1"] * 2


def test_minus_o_is_a_chunk_without_minus_r():
    text = "w B-A B-A\nw NONE O\n"
    assert figures(text, "-o", "NONE") == (2, 1, 1)
    assert figures(text, "-o", "NONE", "--scheme", "bio") == (1, 1, 1)
    assert b"-o acts only with -r" in run(CHUNK, text, ["-o", "NONE"]).stderr
    assert figures("w A A\nw A NONE\nw NONE A\n", "-r", "-o", "NONE") == (2, 2, 1)


# ---------------------------------------------------------------- plain counting


def random_sequences(rng, scheme, count=200):
    """Pairs of well-formed sequences, the second much like the first."""

    def spans(length):
        cuts = sorted({0, length, *(rng.randrange(length + 1) for _ in range(length // 2))})
        return [(a, b, rng.choice("XY")) for a, b in zip(cuts, cuts[1:]) if rng.random() < 0.6]

    pairs = []
    for _ in range(count):
        length = rng.randint(1, 12)
        gold = spans(length)
        pred = gold if rng.random() < 0.5 else spans(length)
        pairs.append([schemes.from_chunks(s, length, scheme) for s in (gold, pred)])
    return pairs


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
def test_chunk_scores_are_set_intersections(scheme):
    pairs = random_sequences(random.Random(3), scheme)
    expected = Counter()
    for gold, pred in pairs:
        gold, pred = set(schemes.chunks(gold)), set(schemes.chunks(pred))
        for name, chunks in (("gold", gold), ("pred", pred), ("both", gold & pred)):
            expected.update((name, kind) for _, _, kind in chunks)
    for strict in (False, True):
        scores = chunks_module.score(*zip(*pairs), scheme=scheme, strict=strict)
        for kind in "XY":
            assert scores.of(kind) == (
                expected["both", kind],
                expected["pred", kind],
                expected["gold", kind],
            )
        assert scores.ill_formed_gold == scores.ill_formed_predicted == 0
    both, pred, gold = (
        sum(expected[name, kind] for kind in "XY") for name in ("both", "pred", "gold")
    )
    assert scores.f1 == pytest.approx(200 * both / (pred + gold))
    if scheme in ("bio", "iob1"):
        official = chunks_module.score(*zip(*pairs))
        assert (official.totals, official.accuracy) == (scores.totals, scores.accuracy)


def test_scores_of_nothing_are_zero():
    for scores in (
        chunks_module.score([], []),
        chunks_module.score([["O"]], [["O"]]),
        tokens_module.score([["O"]], [["O"]]),
    ):
        assert (scores.precision, scores.recall, scores.f1) == (0, 0, 0)


def test_sequences_of_unequal_length_are_refused():
    for score in (chunks_module.score, tokens_module.score):
        with pytest.raises(ValueError):
            score([["O", "O"]], [["O"]])
        with pytest.raises(ValueError):
            score([["O"]], [])


def test_token_scores():
    rng = random.Random(4)
    tags = ["O", "B-X", "I-X", "B-Y"]
    gold = [rng.choices(tags, k=9) for _ in range(30)]
    pred = [rng.choices(tags, k=9) for _ in range(30)]
    scores = tokens_module.score(gold, pred)
    tokens = [(g, p) for a, b in zip(gold, pred) for g, p in zip(a, b)]
    right = sum(g == p != "O" for g, p in tokens)
    found, wanted = sum(p != "O" for _, p in tokens), sum(g != "O" for g, _ in tokens)
    assert (scores.precision, scores.recall) == pytest.approx(
        (100 * right / found, 100 * right / wanted)
    )
    assert scores.f1 == pytest.approx(200 * right / (found + wanted))
    assert scores.by_tag()["B-Y"] == tuple(
        sum(test) for test in zip(*[(g == p == "B-Y", p == "B-Y", g == "B-Y") for g, p in tokens])
    )
    assert scores.accuracy == pytest.approx(100 * sum(g == p for g, p in tokens) / len(tokens))


def test_token_table():
    lines = run(TOKEN, table(("O B-X I-X", "O B-X O"), ("B-X", "I-X"))).stdout.decode().splitlines()
    assert lines == [
        "processed 4 tokens; correct: 2; accuracy:  50.00%",
        "                B-X: precision: 100.00%; recall:  50.00%; FB1:  66.67  1",
        "                I-X: precision:   0.00%; recall:   0.00%; FB1:   0.00  1",
        "                  O: precision:  50.00%; recall: 100.00%; FB1:  66.67  2",
        "per-token (partial): precision:  50.00%; recall:  33.33%; FB1:  40.00  2",
    ]


# ---------------------------------------------------------------- readings


def test_schemes_read_neighbouring_chunks_apart():
    for tags, scheme, official, own in (
        ("S-A S-A", "iobes", 1, 2),
        ("B-A E-A B-A M-A E-A S-A", "bmes", 1, 3),
        ("U-A U-A B-A L-A", "bilou", 1, 3),
        ("B-A I-A B-A", "bio", 2, 2),
        ("I-A E-A E-A", "ioe2", 2, 2),
    ):
        text = table((tags, tags))
        assert figures(text) == (official,) * 3
        assert figures(text, "--scheme", scheme) == (own,) * 3
        for args in ([], ["--scheme", scheme]):
            assert (b"the readings differ" in run(CHUNK, text, args).stderr) == (official != own)


def test_note_gives_the_official_figures():
    done = run(CHUNK, table(("S-A S-A O", "S-A S-A S-B")), ["--scheme", "iobes"])
    assert done.stdout.startswith(
        b"processed 3 tokens with 2 phrases; found: 3 phrases; correct: 2.\n"
    )
    assert (
        b"where S-A follows S-A" in done.stderr
        and b"counts 1 phrases; found: 2; correct: 1; FB1: 66.67" in done.stderr
    )


def test_strict_counts_well_formed_chunks():
    text = table(("B-A I-A O B-B", "I-A I-A O B-B"), ("O O", "O O"), ("B-A I-A", "B-A I-B"))
    assert figures(text) == (3, 4, 2)
    assert figures(text, "--strict") == figures(text, "--strict", "--scheme", "bio") == (3, 2, 1)
    done = run(CHUNK, text, ["--strict"])
    assert done.stdout.endswith(b"\nill-formed sequences (bio): gold 0, predicted 2, of 3\n")
    assert b"accuracy:  75.00%" in done.stdout
    assert json.loads(run(CHUNK, text, ["--strict", "--json"]).stdout)["ill_formed"] == {
        "gold": 0,
        "predicted": 2,
    }


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
def test_only_well_formed_keeps_what_is_well_formed(scheme):
    prefixes = sorted(
        {
            prefix
            for prefix in "BIESMLU"
            for tags in random_sequences(random.Random(1), scheme, 50)
            for tag in tags[0]
            if tag.startswith(prefix)
        }
    )
    for tags in itertools.product(
        ["O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in "XY")], repeat=3
    ):
        kept = only_well_formed(tags, scheme)
        assert set(schemes.chunks(kept)) <= set(schemes.chunks(tags))
        assert (
            schemes.well_formed(tags, scheme)
            == (kept == list(tags))
            == (schemes.first_error(list(tags), scheme) is None)
        )


# ---------------------------------------------------------------- input and output


def test_columns_find_gold_and_prediction():
    rows = "B-A w B-A x\nI-A w O x\n\nO w O x\n"
    assert figures(rows, "--columns", "gold _ pred _") == (1, 1, 0)
    assert figures(rows, "--columns", "pred,word,gold,_") == (1, 1, 0)
    done = run(TOKEN, rows, ["--columns", "gold word pred _", "--json"])
    assert json.loads(done.stdout)["micro"]["correct"] == 1
    for columns, message in (
        ("gold word", b"pred is named 0 times"),
        ("gold gold pred", b"gold is named 2 times"),
        ("gold prd", b"did you mean pred?"),
    ):
        done = run(CHUNK, rows, ["--columns", columns])
        assert done.returncode == 2 and message in done.stderr
    done = run(CHUNK, rows, ["--columns", "word gold pred"])
    assert (
        done.returncode == 2
        and b"<stdin>:1: 4 columns, expected 3 as --columns names" in done.stderr
    )


def test_json():
    result = json.loads(run(CHUNK, "w B-É B-É\nw O B-A\n", ["--json"]).stdout)
    assert (result["reading"], result["tokens"], result["accuracy"], result["recall"]) == (
        "conlleval",
        2,
        50,
        100,
    )
    assert result["types"]["É"] == {
        "phrases": 1,
        "found": 1,
        "correct": 1,
        "precision": 100,
        "recall": 100,
        "f1": 100,
    }
    assert list(result["types"]) == ["A", "É"]


def test_tabs_crlf_and_runs_need_no_flag():
    plain = "w N B-A B-A\nw N I-A O\n\nw N O O"
    expected = run(CHUNK, plain).stdout
    for text in (
        plain.replace(" ", "\t"),
        plain.replace("\n", "\r\n"),
        plain.replace(" ", " \t "),
        " " + plain,
        plain + "\n",
        plain.replace("\n\n", "\n \t\r\n\n"),
        plain.replace("w", "w\u00a0\u0085\x0b\x1c"),
    ):
        assert run(CHUNK, text).stdout == expected
    assert (
        run(CHUNK, plain.replace(" ", "\t").replace("\n", "\r\n"), ["-d", "\t"]).stdout == expected
    )


def test_tags_that_are_not_utf8_pass_through():
    row = run(CHUNK, b"w B-\xff\xfe B-\xff\xfe\n").stdout.splitlines()[2]
    assert row.startswith(b"               \xff\xfe: precision: 100.00%")


def test_empty_input_is_no_error():
    for text in ("", "\n\n"):
        for scorer in (CHUNK, TOKEN):
            done = run(scorer, text)
            assert done.returncode == 0 and b"no tokens in <stdin>" in done.stderr
            assert done.stdout.startswith(b"processed 0 tokens")
        assert (
            run(CHUNK, text).stdout
            == b"processed 0 tokens with 0 phrases; found: 0 phrases; correct: 0.\n"
        )


@pytest.mark.parametrize(
    "text, args, message",
    [
        ("w O O\n\nw O\n", [], b"<stdin>:3: 2 columns, expected 3 as in line 1; mend the row"),
        ("w\n", [], b"<stdin>:1: 1 column, expected at least 2"),
        ("w O O\n", ["-d", "|"], b"matches the empty string"),
        ("w O O\n", ["-d", "["], b"not a regular expression"),
        ("w O O\n", ["-d", "[[:space:]]"], b"not a regular expression"),
        (
            "w O O\nw B-A per\n",
            ["--scheme", "iobes"],
            b"<stdin>:2: tag 'per', expected O or PREFIX-TYPE (iobes)",
        ),
        ("w NN NN\n", ["--strict"], b"the gold tags follow no scheme"),
        ("", ["-r", "--strict"], b"leave one out"),
        ("", ["-l", "--json"], b"leave one out"),
        ("", ["--schema", "bio"], b"did you mean --scheme?"),
        ("", ["--input", "no/such/file"], b"no/such/file: no such file; check --input"),
    ],
)
def test_mistakes_end_in_one_line(text, args, message):
    done = run(CHUNK, text, args)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr and done.stderr.count(b"\n") == 1


def test_input_flag(tmp_path):
    path = tmp_path / "pred.txt"
    path.write_text("w O O\nw O\n")
    done = run(CHUNK, "", ["--input", path])
    assert done.returncode == 2 and f"{path}:2: 2 columns".encode() in done.stderr
    path.write_text("w B-A B-A\n")
    assert run(TOKEN, "", ["--input", path]).stdout == run(TOKEN, "w B-A B-A\n").stdout


def test_reader_names_lines_and_ends():
    lines = ["\n", "-X- a b\n", "w O B-A\n", "w O O\n", "-X- a b\n", "\n", "w B-A O"]
    assert list(tag_sequences(read_rows(lines, "f", split_blanks))) == [
        (3, ["O", "O"], ["B-A", "O"], True),
        (7, ["B-A"], ["O"], False),
    ]
    with pytest.raises(UserError, match="f:2: 1 column, expected 3 as in line 1"):
        list(read_rows(["w O O\n", "O\n"], "f", split_blanks))


def test_a_reader_that_goes_away_ends_quietly():
    for scorer in (CHUNK, TOKEN):
        process = subprocess.Popen(
            scorer, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.stdout.close()
        process.stdin.write(b"w B-A B-A\n")
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=60) == 0
        process.stderr.close()


@pytest.mark.parametrize("size", [1, 2, 3, 50, 1 << 16])
def test_rows_are_the_same_however_the_bytes_arrive(monkeypatch, size):
    """A pipe may cut its bytes anywhere: within a byte order mark, before a newline, after a
    `\\r`.
    """
    rng = random.Random(size)
    lines = [
        f"w{'x' * rng.randint(0, 60)} O B-A{rng.choice(['', chr(13), ' '])}" for _ in range(3000)
    ]
    for k in rng.sample(range(1, 3000), 400):
        lines[k] = rng.choice(["", " ", "-X- O O", "-DOCSTART- O O"])
    text = "\n".join(lines) + rng.choice(["", "\n", "\n\n"])
    stream = io.BytesIO(b"\xef\xbb\xbf" + text.encode())
    take = stream.read1
    stream = types.SimpleNamespace(read1=lambda _: take(size))
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=stream))
    assert list(read_file("")) == list(
        read_rows(io.StringIO(text, newline="\n"), "f", split_blanks)
    )


def test_scorers_import_neither_tensorflow_nor_numpy():
    code = (
        "import sys, chunk_eval, token_eval; chunk_eval.score([['O']], [['O']], scheme='bio', "
        "strict=True); "
        "sys.exit(bool({'numpy', 'tensorflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_scorers_start_with_few_modules():
    """Modules that take long to import are imported where they are needed."""
    slow = {"conll", "dataclasses", "difflib", "json", "numpy", "random", "tagset", "tempfile"}
    code = "import sys, chunk_eval, token_eval; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, stdout=subprocess.PIPE)
    found = set(done.stdout.decode().split())
    assert {"chunk_eval", "token_eval"} <= found and not slow & found


def test_speed_benchmark_runs():
    done = run(
        [
            sys.executable,
            str(ROOT / "benchmarks" / "score_speed.py"),
            "--rows",
            "2000",
            "--runs",
            "1",
        ]
    )
    assert (
        done.returncode == 0
        and b"chunk_eval.py --strict" in done.stdout
        and b"token_eval.py" in done.stdout
    )
