"""Tags that are probably not meant as they are read: the notes of train.py, embvec.py, fit,
Tagger.evaluate and the scorers.
"""

import json
import random
import re
import shlex
import shutil
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path

import pytest

import chunk_eval
import conll
import embvec
import schemes
import tagset
from cli import UserError
from config import Config
from scoring import chunks, columns, tokens
from training import fit
from training.data import load_data, to_sentences

ROOT = Path(__file__).resolve().parent.parent
PERL = ["perl", str(ROOT / "etc" / "conlleval")]
CHUNK, TOKEN = ([sys.executable, str(ROOT / name)] for name in ("chunk_eval.py", "token_eval.py"))

needs_perl = pytest.mark.skipif(shutil.which("perl") is None, reason="perl is not installed")


def run(command, text, args=()):
    """Runs a scorer on `text` (str or bytes). Returns the finished process, whose streams are
    bytes.
    """
    data = text.encode() if isinstance(text, str) else text
    return subprocess.run([*command, *args], input=data, capture_output=True, timeout=120)


def random_tags(rng, scheme, count):
    """Well-formed sequences of the types X and Y, of nine tokens each."""
    found = []
    for _ in range(count):
        cuts = sorted({0, 9, *(rng.randrange(10) for _ in range(4))})
        spans = [(a, b, rng.choice("XY")) for a, b in zip(cuts, cuts[1:]) if rng.random() < 0.6]
        found.append(schemes.from_chunks(spans, 9, scheme))
    return found


def write(path, *sentences):
    """Writes a file of two columns: sentences as strings of tags."""
    path.write_text(
        "\n".join(
            "".join(f"w{i} {tag}\n" for i, tag in enumerate(sentence.split(" ")))
            for sentence in sentences
        )
    )
    return str(path)


def load(*paths, dev=None, **fields):
    """The result of corpus.load_data for training files."""
    config = Config(train_path=list(paths), dev_path=[dev or paths[0]], **fields)
    return load_data(config)[1]


def scored(sentences):
    """Rows `w gold pred` with right predictions."""
    rows = ("".join(f"w {tag} {tag}\n" for tag in sentence.split(" ")) for sentence in sentences)
    return "\n".join(rows)


# ---------------------------------------------------------------- characters that do not show


def test_what_python_can_not_print_does_not_show():
    """The reference is str.isprintable, for assigned characters."""
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        category = unicodedata.category(character)
        if category in ("Cs", "Co", "Cn"):
            continue
        if not character.isprintable():
            assert tagset.hidden(f"B-P{character}R") == character, hex(code)
        elif category[0] in "LNP" and character not in tagset._BLANK:
            assert tagset.hidden(f"B-P{character}R") is None, hex(code)


@pytest.mark.parametrize("tag", [" O", "O ", "B-A\u2800", "B-\u3164", "B-A\ufe0f", "O\u200d", "\r"])
def test_blank_characters_do_not_show(tag):
    assert tagset.hidden(tag)


@pytest.mark.parametrize(
    "tag",
    [
        "O",
        "B-WORK OF ART",
        "B-نام\u200cخانوادگی",
        "B-\u2764\ufe0f",
        "B-\U0001f469\u200d\U0001f680",
        "B-ЛИЦО",
    ],
)
def test_what_shows_is_accepted(tag):
    assert tagset.hidden(tag) is None


@pytest.mark.parametrize(
    "bad", ["\u00a0", "\u200b", "\ufeff", "\u00ad", "\u2060", "\u3000", "\x7f"]
)
def test_hidden_characters_are_refused_with_file_and_line(tmp_path, bad):
    name = f"U+{ord(bad):04X}"
    good = write(tmp_path / "good.txt", "O B-A")
    path = write(tmp_path / "bad.txt", "O B-A", f"O B-A{bad} O")
    for files in ((path, None), (good, path)):
        with pytest.raises(UserError, match=rf"^{re.escape(path)}:5: .*{re.escape(name)}") as told:
            load(files[0], dev=files[1])
        assert f"B-A<{name}>" in str(told.value) and "\n" not in str(told.value)
    for scorer in (CHUNK, TOKEN):
        done = run(scorer, scored(["O B-A", f"O B-A{bad} O"]))
        assert done.returncode == 0 and f"<stdin>:5: tag B-A<{name}>".encode() in done.stderr


def test_embvec_and_tags_path_refuse_hidden_characters(tmp_path, bare_zygote):
    path, good = write(tmp_path / "a.txt", "O B-A\u200b"), write(tmp_path / "b.txt", "O B-A")
    (tmp_path / "tags").write_text("B-A\nB-A\u200b\n")
    out = tmp_path / "out.pkl"
    for flags in ([path], [good, "--tags_path", tmp_path / "tags"]):
        line = bare_zygote.mistake("embvec.py", "--out_path", out, "--train_path", *flags)
        assert ":2: tag B-A<U+200B> holds U+200B ZERO WIDTH SPACE" in line and not out.exists()


@pytest.mark.parametrize("tag, what", [("", "is empty"), (3, "of type int"), ("O\n", "U\\+000A")])
def test_sentences_given_from_python_are_checked(tag, what):
    pairs = to_sentences([(["a"], ["O"]), (["b", "c"], ["O", tag])], "train")
    with pytest.raises(UserError, match=f"^train:2: .*{what}"):
        load_data(Config(dev_fraction=0.5), sentences={"train": pairs})


# ---------------------------------------------------------------- what is meant


@pytest.mark.parametrize("scheme", schemes.SCHEMES)
def test_other_spellings_of_a_scheme_are_understood(scheme):
    tags = {tag for sentence in random_tags(random.Random(1), scheme, 50) for tag in sentence}
    for tag in tags - {"O"}:
        prefix, kind = tag.split("-")
        for spelled in (
            f"{prefix}_{kind}",
            f"{kind}-{prefix}",
            f"{prefix.lower()}-{kind}",
            f"{kind}_{prefix.lower()}",
            f"{prefix}\u2013{kind}",
            f"{prefix}:{kind}",
            "".join(chr(ord(letter) + 0xFEE0) for letter in tag),
        ):
            assert tagset.meant(spelled) == tag, spelled


def test_sets_that_are_in_a_scheme_are_not_commented():
    for scheme in schemes.SCHEMES:
        for types in ("XY", ["PER", "Миф"], ["work of art", "人名"], ["É", "e"]):
            sequences = random_tags(random.Random(2), scheme, 60)
            tags = {
                tag.replace("X", types[0]).replace("Y", types[1]): 1
                for sequence in sequences
                for tag in sequence
            }
            assert tagset.findings(tags, 1000) == []


@pytest.mark.parametrize(
    "path",
    [
        "conll2003/dev.txt",
        "wnut17/dev.conll",
        "resume_ner/dev.char.bmes",
        "mit_movie_trivia/dev.conll",
    ],
)
def test_real_corpora_are_not_commented(shared, path):
    parts = [(path, conll.read_sentences(shared(f"data/{path}"))[0])]
    scheme = schemes.detect(sentence.tags for sentence in parts[0][1])
    mixed = tagset.mixed_schemes(parts, scheme)
    assert tagset.train_lines(*tagset.collect(parts), scheme, mixed=mixed) == []


WORDS = " ".join(f"w{i}" for i in range(40))
# Sentences of tags, then what the one line of train.py and that of chunk_eval.py have to say.
CASES = {
    "zero": (["B-A 0 0", "0 B-B 0"], "tag 0 .* means O, which no tag is", "--scheme bio -o 0"),
    "cyrillic O": (["B-A О", "О I-A"], r"U\+041E .* looks like O", "-o 'О'"),
    "OTHER": (["B-A OTHER", "OTHER"], "tag OTHER .* means O", "-o OTHER"),
    "any name": (["B-A whatever I-B"], "tag whatever .* means O", "-o whatever"),
    "stray zero": (["B-A 0 O", "O B-B 0"], "tag 0 .* means O; ", "write O in its place"),
    "lower": (["b-A i-A o", "o b-B"], "tag b-A .* means B-A; .* O in place of o", "write B-A"),
    "under": (["B_A I_A O", "O B_B"], "tag B_A .* means B-A", "write B-A"),
    "suffix": (["A-B A-I O"], "tag A-B .* means B-A", "write B-A"),
    "brackets": (["(A* * *) *", "(B) *"], r"tag \(A\* .* means B-A", "write B-A, I-A and O"),
    "unknown prefix": (["B-A X-A O"], "tag X-A is neither O nor PREFIX-TYPE; ", "mend the tag"),
    "types": (["A A O", "O B O"], r"no prefixes .*\(A, B\); .* that is not O",
              "-r reads each token that is"),
    "types, no O": (["DT NN VB", "NN VB"], r"\(DT, NN, VB\), and none is O",
                    "-r reads each token as"),
    "types and _": (["A _ B", "_ _"], "_ probably means O, which",
                    "-r -o _ reads each token that is not _"),
    "words": ([WORDS], "40 different tags for 40 tokens .* another column", "--columns"),
    "no type": (["B-A E O", "B-A I-A"], "tag E has no type", "write E-TYPE"),
    "no type after": (["B- O", "B-A I-A"], "tag B- has no type", "write B-TYPE"),
    "case": (["B-PER O", "B-PER B-per"], "types per and PER differ in case alone",
             "write them alike"),
    "look": (["B-PER O", "B-PER B-РER"], r"РER and PER look the same \(U\+0420",
             "write them alike"),
    "mixed letters": (["B-РER O"], r"tag B-РER: U\+0420 .* looks like P", "write B-PER"),
    "no O": (["B-A I-A", "B-B"], "no tag is O", None),
    "prefixes": (["B-A M-A I-A E-A O"], "prefixes B E I M belong to no one scheme", None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_training_says_how_it_reads_the_tags(tmp_path, capsys, monkeypatch, case):
    monkeypatch.setattr(sys, "argv", ["train.py"])  # messages name the command
    sentences, what, _ = CASES[case]
    path = write(tmp_path / "train.txt", *sentences)
    data = load(path)
    lines = [line for line in capsys.readouterr().err.splitlines() if "ill-formed" not in line]
    assert len(lines) == 1 and re.match(rf"train\.py: {re.escape(path)}:\d+: .*{what}", lines[0])
    assert ("all tags are read as types, each token" in lines[0]) == (
        data.data_scheme == schemes.RAW
    )
    load(path)  # --seeds reads the same files again
    assert "no tag" not in capsys.readouterr().err.replace("ill-formed", "")
    notes = _embvec_notes(path)
    assert notes[0] == lines[0].removeprefix("train.py: ") and len(notes) == 2


def _embvec_notes(path):
    before, sys.argv = sys.argv, ["embvec.py", "--train_path", path, "--out_path", path + ".pkl"]
    try:
        return embvec.build(embvec.parse_args())[1]
    finally:
        sys.argv = before


@pytest.mark.parametrize("case", CASES)
def test_chunk_eval_says_how_it_reads_the_tags(case, capsysbinary, monkeypatch, tmp_path):
    sentences, what, mend = CASES[case]
    path = tmp_path / "pred"
    path.write_text(scored(sentences))
    for flags in ([], ["--json"], ["-l"], ["--errors"]):
        monkeypatch.setattr(sys, "argv", ["chunk_eval.py", "--input", str(path), *flags])
        chunk_eval.main()
        lines = capsysbinary.readouterr().err.decode().splitlines()
        others = ("the readings differ", "start chunks that end nowhere")
        lines = [line for line in lines if not any(other in line for other in others)]
        if mend is None:
            assert lines == []
        else:
            (line,) = lines
            assert re.search(re.escape(mend), line) and line.startswith(
                f"chunk_eval.py: note: {path}:"
            )
            assert re.search(what.split("; ")[0], line)


@pytest.mark.parametrize(
    "case", ["zero", "cyrillic O", "OTHER", "any name", "types", "types and _"]
)
def test_the_flags_that_a_note_names_read_the_tags_as_meant(case):
    """With these flags there are as many phrases as in the same file with O in place of those
    tags.
    """
    sentences, text = CASES[case][0], scored(CASES[case][0])
    note = run(CHUNK, text).stderr.decode()
    flags = re.search(r"(outside, |chunks in them; )((-r|--scheme bio)( -o \S+)?)", note)
    flags = shlex.split(flags[2])
    meant = [
        re.sub(r"(?<!\S)(0|О|OTHER|whatever|_)(?!\S)", "O", sentence) for sentence in sentences
    ]
    reading = chunks.trained_reading(schemes.detect(sentence.split() for sentence in meant))
    gold = [sentence.split() for sentence in meant]
    expected = chunks.score(gold, gold, **reading, warn=False)
    result = json.loads(run(CHUNK, text, [*flags, "--json"]).stdout)
    assert (result["phrases"], result["correct"]) == (expected.totals[2], expected.totals[0])
    assert expected.totals[0] > 0


@needs_perl
def test_training_scores_as_the_official_script_does():
    """Tags without prefixes are scored as with -r, those of a BIO scheme as without it."""
    rng, types = random.Random(6), ["NN", "VB", "O", "A-B"]
    raw = [rng.choices(types, k=6) for _ in range(80)]
    for scheme, tags, args in (
        (schemes.RAW, raw, ["-r"]),
        ("bio", random_tags(rng, "bio", 80), []),
    ):
        pairs = list(zip(tags[:40], tags[40:]))
        assert schemes.detect(gold for gold, _ in pairs) == scheme
        scores = chunks.score(*zip(*pairs), **chunks.trained_reading(scheme), warn=False)
        rows = "\n".join("".join(f"w {g} {p}\n" for g, p in zip(*pair)) for pair in pairs)
        assert f"FB1: {scores.f1:6.2f}\n".encode() in run(PERL, rows, args).stdout


def test_token_eval_says_that_no_tag_is_outside():
    for sentences, expected in (
        (["B-A 0"], b"0 probably means outside: -o 0 leaves it out"),
        (["A _"], b"_ probably means outside: -o _ leaves it out"),
        (["NN VB"], b"-o names the outside tag"),
    ):
        done = run(TOKEN, scored(sentences))
        assert expected in done.stderr and done.stderr.count(b"\n") == 1 and done.returncode == 0
    for sentences, args in ((["B-A O"], []), (["A O"], []), (["B-A"], []), (["A _"], ["-o", "_"])):
        assert run(TOKEN, scored(sentences), args).stderr == b""


def test_raw_reading_names_the_outside_tag():
    assert b"-r -o 0 reads 0 as outside" in run(CHUNK, scored(["A 0"]), ["-r"]).stderr
    for args in (["-r", "-o", "0"], ["-r"]):
        text = scored(["A 0" if "-o" in args else "A O"])
        assert run(CHUNK, text, args).stderr == b""


def test_score_warns_in_python():
    with pytest.warns(UserWarning, match="no prefixes .* raw=True reads each token"):
        chunks.score([["A", "O"]], [["A", "O"]])
    with pytest.warns(UserWarning, match="scheme='bio', outside='0' does"):
        chunks.score([["B-A", "0"]], [["B-A", "0"]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chunks.score([["B-A", "0"]], [["B-A", "0"]], scheme="bio", outside="0")
        chunks.score([["A", "O"]], [["A", "O"]], raw=True)
        chunks.score([["B-A", "O"]], [["B-A", "O"]])
        tokens.score([["B-A", "O"]], [["B-A", "O"]])


# ---------------------------------------------------------------- several files


def test_dev_tags_are_read_in_the_scheme_of_the_training_tags(tmp_path):
    good = write(tmp_path / "train.txt", "B-A I-A O")
    for tag, mend in (("0", "write O in its place"), ("B_A", "write B-A"), ("PER", "mend the tag")):
        bad = write(tmp_path / "dev.txt", "O", f"B-A {tag}")
        with pytest.raises(
            UserError, match=rf"dev\.txt:4: tag {tag}, expected O or .*\(bio\); {mend}"
        ):
            load(good, dev=bad)


@pytest.mark.parametrize("one, other", [("bio", "iobes"), ("bio", "bmes"), ("bilou", "iob1")])
def test_files_of_several_schemes_are_named(tmp_path, capsys, one, other):
    def file(scheme):
        sequences = random_tags(random.Random(3), scheme, 60)
        return write(tmp_path / f"{scheme}.txt", *map(" ".join, sequences))

    load(file(one), file(other))
    err = capsys.readouterr().err
    assert f"{one}.txt is in {one}, " in err and f"{other}.txt in {other}" in err
    load(file(one), dev=file(other))
    err = capsys.readouterr().err
    assert f"{other}.txt is in {other}, the training files in {one}, expected one scheme" in err
    load(file(one), file(one), dev=file(one))
    assert "expected one scheme" not in capsys.readouterr().err


def test_a_dev_type_that_differs_in_case(tmp_path, capsys):
    dev = write(tmp_path / "dev.txt", "O", "B-per")
    load(write(tmp_path / "train.txt", "B-PER O"), dev=dev)
    assert f"{dev}:3: types per and PER differ in case alone" in capsys.readouterr().err


def test_tag_scheme_without_prefixes_is_refused(tmp_path):
    path = write(tmp_path / "train.txt", "B-A 0")
    with pytest.raises(UserError, match="train.txt:2: tag 0 .* means O.*tag_scheme iobes needs"):
        load(path, tag_scheme="iobes")


def test_fit_and_evaluate(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pairs = [(["Ana", "vive", "Quito"], ["PER", "O", "LOC"])] * 12
    tagger = fit.fit(
        pairs,
        pairs[:4],
        epoch=1,
        rnn_size=8,
        rnn_layers=1,
        use_highway=False,
        use_chr=False,
        use_crf=False,
    )
    err = capsys.readouterr().err
    assert err.count("train:1: the tags have no prefixes such as B- and I- (PER, LOC)") == 1
    words, gold = zip(*pairs[:4])
    with pytest.warns(UserWarning, match="^evaluate:1: the tags have no prefixes") as told:
        report = tagger.evaluate(words, gold)
    assert len(told) == 1
    scores = chunks.score(gold, tagger.predict(words), raw=True)
    assert (report.total.f1, tagger.history[-1]["chunk_f1"]) == (scores.f1, scores.f1)
    with pytest.warns(UserWarning) as warned:
        tagger.evaluate(words[:2], [gold[0], ["person", "O", "LOC"]])
    assert any("evaluate:2: the model has no person, which" in str(told.message) for told in warned)
    with pytest.raises(UserError, match="^evaluate:1: tag LOC<U\\+00A0> holds"):
        tagger.evaluate(words[:1], [["PER", "O", "LOC\u00a0"]])
    tagger.meta["data_scheme"] = "bio"
    tagger.tag = lambda sentences: [["B-LOC", "O", "O"]] * len(sentences)
    tagger.feeder.emb.vocab["tag"] = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    with pytest.warns(UserWarning, match="^evaluate is in iobes, the model's tags in bio"):
        tagger.evaluate(words[:1], [["S-PER", "B-LOC", "E-LOC"]])
    with pytest.warns(UserWarning, match="^evaluate:1: the model has no ORG, .* it has PER LOC"):
        tagger.evaluate(words[:1], [["B-ORG", "I-ORG", "O"]])


# ---------------------------------------------------------------- the scorers' input


@needs_perl
def test_byte_order_mark_belongs_to_no_column():
    plain, tabs = "B-A B-A\nO O\n\nB-A O\n", ["-d", "\t"]
    for text in (plain, f"\n{plain}", f"-X- O\n{plain}"):
        for scorer, args in ((CHUNK, []), (TOKEN, []), (CHUNK, tabs), (PERL, [])):
            given = text.replace(" ", "\t") if args else text
            marked, unmarked = run(scorer, "\ufeff" + given, args), run(scorer, given, args)
            assert (marked.returncode, marked.stdout) == (0, unmarked.stdout)
    done = run(CHUNK, f"\ufeff{plain}\ufeffB-A O\n")
    assert b"<stdin>:5: tag <U+FEFF>B-A holds U+FEFF" in done.stderr  # elsewhere it is a character


def test_docstart_is_a_sentence_of_its_own():
    lines = "a O B-A\n-DOCSTART- O O\nb B-A B-A\n\n-docstart- O O\n\nc O O\n-X- O O\n-DocStart- O O"
    rows = columns.read_rows(lines.splitlines(True), "f", columns.split_blanks)
    assert [(line, [row[0] for row in rows], ended) for line, rows, ended in rows] == [
        (1, ["a"], False),
        (2, ["-DOCSTART-"], False),
        (3, ["b"], True),
        (5, ["-docstart-"], True),
        (7, ["c"], True),
        (9, ["-DocStart-"], False),
    ]
    errors = json.loads(run(CHUNK, lines, ["--errors", "--json"]).stdout)["errors"]
    assert [sentence["words"] for sentence in errors["worst"]] == [["a"]]


@needs_perl
def test_docstart_changes_no_figure_of_the_official_script():
    rng = random.Random(8)
    tags = ["O", "B-A", "I-A", "E-A", "B-B", "NONE"]
    for _ in range(6):
        rows = [
            rng.choice(["", *3 * [f"{rng.choice(['w', 'w', '-DOCSTART-', '-docstart-'])} "
                                  f"{rng.choice(tags)} {rng.choice(tags)}"]])
            for _ in range(200)
        ]  # fmt: skip
        text = "\n".join(rows)
        assert run(CHUNK, text).stdout == run(PERL, text).stdout, text


def test_delimiter_tab_splits_at_each_tab_alone():
    rng = random.Random(9)
    words = ["a", "10 000", " ", "\u00a0", "\u3000", "", "-DOCSTART-", "x  y"]
    rows, plain = [], []
    for _ in range(200):
        gold, pred = rng.choice(["O", "B-A", "I-A"]), rng.choice(["O", "B-A", "I-B"])
        blank = rng.random() < 0.2
        rows.append(
            rng.choice(["", " ", "\t \t"]) if blank else f"{rng.choice(words)}\t\t{gold}\t{pred}"
        )
        plain.append("" if blank else f"w {gold} {pred}")
    for scorer in (CHUNK, TOKEN):
        expected = run(scorer, "\n".join(plain)).stdout
        for ending in ("\n", "\r\n"):
            done = run(scorer, ending.join(rows), ["--delimiter", "tab"])
            assert done.stdout == expected and done.returncode == 0
    done = run(CHUNK, "a\tB-A\t\n", ["--delimiter", "tab"])
    assert b"tag '' (empty) is neither O" in done.stderr and b"found: 0 phrases" in done.stdout
    done = run(CHUNK, "a\tO\tO\n", ["--delimiter", "space"])
    assert done.returncode == 2 and b"expected tab, not 'space'" in done.stderr


def test_tokens_with_spaces_are_scored(shared):
    data = Path(shared("cases/tabspace.train")).read_bytes()
    rows = b"".join(
        line + b"\t" + line.split(b"\t")[-1] + b"\n" if line else b"\n"
        for line in data.split(b"\n")
    )
    done = run(CHUNK, rows, ["--delimiter", "tab", "--json"])
    result = json.loads(done.stdout)
    assert (result["tokens"], result["correct"], result["f1"]) == (6, 2, 100)


@pytest.mark.parametrize("name", ["zero", "types", "under", "onto", "suffix", "lower"])
def test_shared_cases_are_told(shared, name, capsys):
    load(shared(f"cases/{name}.train"))
    assert "all tags are read as types" in capsys.readouterr().err


def test_compare_says_it_once(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(scored(["A O", "B O"]))
    command = [sys.executable, str(ROOT / "etc" / "compare.py"), tmp_path / "a", tmp_path / "b"]
    done = subprocess.run([*command, "--shuffles", "10"], capture_output=True, timeout=120)
    assert done.stderr.count(b"compare.py: note: ") == 1 and b"no prefixes" in done.stderr
