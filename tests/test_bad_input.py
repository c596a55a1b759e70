"""Mistakes of a user: exit code 2, one line on standard error, only whole sentences on standard
output. The commands run in processes that cannot import TensorFlow, so each mistake is found before
TensorFlow is loaded.
"""

import os
import pathlib
import re
import shutil
import stat
import tempfile

import pytest

import checkpoint
from support.commands import TINY, fit, left_behind, one_line, sample, write_sample

ROWS = b"Peter NNP B-NP B-PER\nsleeps VBZ B-VP O\n\n"


@pytest.fixture
def folder(tmp_path):
    """A folder in which train.txt and dev.txt are good, to run commands in."""
    write_sample(tmp_path, train=20, dev=10)
    return tmp_path


@pytest.fixture
def train(folder, bare_zygote):
    """A function: runs train.py with a mistake among its flags in `folder`; returns the message.
    Nothing is written.
    """

    def run(*flags):
        before = sorted(os.listdir(folder))
        message = bare_zygote.mistake(
            "train.py", "--train_path", "train.txt", "--dev_path", "dev.txt", *flags, folder=folder
        )
        assert sorted(os.listdir(folder)) == before
        return message

    return run


@pytest.fixture
def infer(trained, folder, bare_zygote):
    """The same as `train` for inference.py and a good checkpoint."""

    def run(*flags, **rest):
        before = sorted(os.listdir(folder))
        message = bare_zygote.mistake(
            "inference.py",
            "--restore",
            trained.prefix,
            "--mode",
            "bucket",
            *flags,
            folder=folder,
            **rest,
        )
        assert sorted(os.listdir(folder)) == before
        return message

    return run


# ---------------------------------------------------------------- files of train.py


@pytest.mark.parametrize("flag", ["--train_path", "--dev_path"])
@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "bad.txt:1: no sentence in this file"),
        (b"\n\r\n  \n", "bad.txt:1: no sentence"),
        (b"-DOCSTART- -X- -X- O\n\n", "bad.txt:1: no sentence"),
        (
            ROWS + b"Rome NNP B-NP\n",
            "bad.txt:4: 3 columns, expected 4 (word pos chunk tag); mend the row",
        ),
        (ROWS + b"in IN B-PP O\n\xa0Rome NNP O\n", "bad.txt:5: 3 columns, expected 4"),
        (ROWS + b"Rome NNP B-NP B-LOC O\n", "bad.txt:4: 5 columns, expected 4"),
        (ROWS + b"caf\xe9 NN B-NP O\n", "bad.txt:4: not UTF-8, but UTF-8 was expected"),
        (b"a b c d e\n", "bad.txt:1: 5 columns, expected 1 to 4"),
        (b"Peter\n", "bad.txt:1: no tag column"),
    ],
)
def test_bad_training_file(train, folder, flag, content, message):
    (folder / "bad.txt").write_bytes(content)
    if flag == "--dev_path" and content.startswith(b"a b c"):
        message = "bad.txt:1: 5 columns"
    assert f"train.py: {message}" in train(flag, "bad.txt")


def test_files_with_other_columns(train, folder):
    (folder / "two.txt").write_bytes(b"Peter B-PER\nsleeps O\n")
    assert "two.txt:1: columns (word tag), expected (word pos chunk tag)" in train(
        "--dev_path", "two.txt"
    )


@pytest.mark.parametrize(
    "flags, message",
    [
        ("--train_path nowhere.txt", "nowhere.txt: no such file"),
        ("--dev_path .", ".: is a directory, a file was expected"),
        ("--emb_path nowhere.pkl", "nowhere.pkl: no such file; check --emb_path"),
        ("--emb_path train.txt", "train.txt: "),
        ("--config_path nowhere.yaml", "nowhere.yaml: no such file; check --config_path"),
        ("--gazetteer nowhere.txt", "nowhere.txt: no such file"),
        ("--checkpoint_dir train.txt", "train.txt: "),
        ("--checkpoint_dir train.txt/deeper", "train.txt is not a folder; check --checkpoint_dir"),
        ("--summary_dir train.txt", "check --summary_dir"),
        ("--restore nowhere", "nowhere.index: no such file; check --restore"),
        ("--restore .", "./ner_model.index: no such file; check --restore"),
        ("--resume", "checkpoint/last_state.index: no such file; check --checkpoint_dir"),
        ("--resume --restore x", "--restore and --resume: expected one of them"),
        ("--bach_size 3", "unknown argument --bach_size (did you mean --batch_size?)"),
        ("--batch-size 3", "did you mean --batch_size?"),
        ("--rnnsize=3", "did you mean --rnn_size?"),
        ("--batch_size 3 stray", "unknown argument stray"),
        ("--batch_size", "expected one argument"),
        ("--batch_size x", "invalid int value: 'x'"),
        ("--batch_size 0", "batch_size: 0, expected at least 1"),
        ("--keep_prob 0", "keep_prob: 0.0, expected more than 0.0"),
        ("--keep_prob 1.5", "keep_prob: 1.5, expected at most 1.0"),
        ("--learning_rate nan", "learning_rate: nan, expected a finite number"),
        ("--learning_rate inf", "learning_rate: inf, expected a finite number"),
        ("--ema_decay nan", "ema_decay: nan, expected a finite number"),
        ("--learning_rate -1", "learning_rate: -1.0, expected more than 0.0"),
        ("--threads -1", "threads: -1, expected at least 0"),
        ("--seed -1", "seed: -1, expected at least 0"),
        ("--use_crf maybe", "expected True or False, not 'maybe'"),
        (
            "--optimizer adan",
            "optimizer: 'adan' (did you mean adam?), expected one of 'adam', 'sgd'",
        ),
        ("--save_by f1", "save_by: 'f1', expected one of"),
        ("--tag_scheme iobe", "did you mean iobes?"),
        ("--dev_fraction 0.95", "dev_fraction: 0.95, expected at most 0.9"),
        (
            "--use_word False --use_chr False",
            "use_word, use_chr, use_elmo and use_bert are all off",
        ),
        ("--chr_filter_widths 2 3", "conv1d takes one width"),
        ("--columns word", "train.txt:1: 4 columns, expected 1 (word)"),
        ("--columns word,pos,chunk,tga", "--columns: unknown column 'tga' (did you mean tag?)"),
        ("--columns word,word,chunk,tag", "--columns: 'word' is named twice"),
        ("--columns _,pos,chunk,tag", "--columns: no word column"),
        ("--columns word,pos,chunk,_", "no tag column"),
    ],
)
def test_bad_flags(train, flags, message):
    assert message in train(*flags.split())


@pytest.mark.parametrize(
    "name, content, message",
    [
        (
            "c.yaml",
            b"epoch: 3\nbach_size: 3\n",
            "c.yaml:2: unknown key 'bach_size' (did you mean batch_size?)",
        ),
        (
            "c.json",
            b'{"epoch": 3,\n "rnnsize": 3}',
            "c.json:2: unknown key 'rnnsize' (did you mean rnn_size?)",
        ),
        ("c.yaml", b"epoch: three\n", "c.yaml:1: epoch: 'three', expected int"),
        ("c.yaml", b"use_crf: 1\n", "c.yaml:1: use_crf: 1, expected bool"),
        ("c.yaml", b"epoch: 0\n", "epoch: 0, expected at least 1"),
        ("c.yaml", b"epoch: [3\n", "c.yaml:2: "),
        ("c.json", b'{"epoch": 3', "c.json:1: "),
        ("c.yaml", b"- epoch\n", "c.yaml:1: expected `key: value` lines"),
        ("c.yaml", b"epoch: 3 # caf\xe9\n", "c.yaml:1: "),
        ("c.yaml", b"learning_rate: .nan\n", "learning_rate: nan, expected a finite number"),
    ],
)
def test_bad_config_file(train, folder, name, content, message):
    (folder / name).write_bytes(content)
    assert message in train("--config_path", name)


def test_wrd_dim_that_is_not_the_vectors(train, folder):
    import numpy as np

    from conll import read_sentences
    from features.vocabulary import EmbVec

    emb = EmbVec.from_sentences(read_sentences(str(folder / "train.txt"))[0], 7, True)
    emb.vectors = np.zeros((len(emb.vocab["wrd"]), 7), np.float32)
    emb.save(str(folder / "seven.pkl"))
    assert "--wrd_dim 50: seven.pkl has vectors of 7; set --wrd_dim 7" in train(
        "--emb_path", "seven.pkl", "--wrd_dim", 50
    )
    (folder / "cut.pkl").write_bytes((folder / "seven.pkl").read_bytes()[:-100])
    assert re.search(
        "cut.pkl: .*truncated.*; make it again with embvec.py", train("--emb_path", "cut.pkl")
    )
    (folder / "new.txt").write_bytes(ROWS + b"new NN B-NP B-NEW\n")
    message = train("--emb_path", "seven.pkl", "--train_path", "train.txt", "new.txt")
    assert "new.txt:4: tag B-NEW is not in the vocabulary" in message


def test_files_without_permission(bare_zygote):
    """Runs as a user without rights; root has to become one first."""
    root = os.geteuid() == 0
    if root and not os.stat(os.path.dirname(checkpoint.__file__)).st_mode & stat.S_IXOTH:
        pytest.skip("the repository is closed to the user nobody")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_sample(folder, train=20, dev=10)
        (folder / "secret.txt").write_bytes(ROWS)
        (folder / "closed").mkdir()
        for path, mode in ((folder, 0o777), (folder / "secret.txt", 0), (folder / "closed", 0o555)):
            path.chmod(mode)
        for script, flags, message in (
            ("train.py", "--train_path secret.txt", "secret.txt: permission denied; check"),
            (
                "train.py",
                "--train_path train.txt --dev_path dev.txt --checkpoint_dir closed/deep/c",
                "closed/deep/c: permission denied; check --checkpoint_dir",
            ),
            ("inference.py", "--input secret.txt", "secret.txt: permission denied; check --input"),
            (
                "inference.py",
                "--input dev.txt --output closed/out.txt",
                "closed/out.txt: permission denied; check --output",
            ),
            (
                "inference/export.py",
                "--engine closed/out.etagger",
                "closed/out.etagger: permission denied; check --engine",
            ),
        ):
            assert message in bare_zygote.mistake(
                script, *flags.split(), folder=folder, nobody=root
            )
        assert os.listdir(folder / "closed") == []


# ---------------------------------------------------------------- what is no mistake


def test_good_oddities_in_training(folder):
    """CRLF, tabs, runs of spaces, no final newline, a sentence of one token, -DOCSTART-, and a POS
    that only dev has are accepted.
    """
    (folder / "odd.txt").write_bytes(
        b"-DOCSTART- -X- -X- O\r\n\r\nPeter\tNNP\tB-NP \t B-PER\r\nsleeps VBZ  B-VP O "
        b"\r\n\r\n\r\nRome NNP B-NP B-LOC"
    )
    (folder / "odd_dev.txt").write_bytes(b"Peter UNSEEN B-NEVER B-PER\n\nRome NNP B-NP B-LOC")
    trainer = fit(
        "--train_path",
        folder / "odd.txt",
        "--dev_path",
        folder / "odd_dev.txt",
        *TINY,
        "--epoch",
        1,
        "--checkpoint_dir",
        folder / "c",
    )
    assert [len(example) for example in trainer.data.train] == [2, 1]
    assert trainer.data.emb.vocab["wrd"][2:] == ["peter", "sleeps", "rome"]
    assert trainer.data.tags == ["O", "B-PER", "B-LOC"]
    assert trainer.data.dev[0].of_sentence["pos"].tolist() == [1]


def test_tags_never_seen_in_training(zygote, folder):
    (folder / "dev.txt").write_bytes(b"Peter NNP B-NP B-NEW\n\n" + sample("dev")[0])
    done = zygote.run(
        "train.py",
        "--train_path",
        "train.txt",
        "--dev_path",
        "dev.txt",
        *TINY,
        "--epoch",
        1,
        folder=folder,
    )
    assert done.code == 0
    notes = done.err.splitlines()
    assert len(notes) == 2 and "tags never seen in training (B-NEW)" in notes[0]
    assert "trained with the pos column" in notes[1] and "--feature_drop" in notes[1]
    assert [line.split(b"/")[0] for line in done.out.splitlines()][0] == b"epoch 1"


# ---------------------------------------------------------------- inference.py


@pytest.mark.parametrize(
    "flags, message",
    [
        ("--mode bulk --input nowhere.txt", "nowhere.txt: no such file; check --input"),
        ("--mode bulk", "data/test.txt: no such file; check --input"),
        ("--input .", ".: is a directory"),
        ("--output .", ".: is a directory, a file was expected; check --output"),
        ("--output nowhere/out.txt", "nowhere/out.txt: there is no folder"),
        ("--restore nowhere", "nowhere.index: no such file; check --restore"),
        ("--restore .", "./ner_model.index: no such file; check --restore"),
        ("--wrd_dim 300", "--wrd_dim 300: the checkpoint has word vectors of 50"),
        ("--emb_path nowhere.pkl", "nowhere.pkl: no such file; check --emb_path"),
        ("--emb_path dev.txt", "dev.txt: "),
        ("--mode buckets", "invalid choice: 'buckets'"),
        ("--batch_size 0", "--batch_size 0: expected at least 1"),
        ("--threads -2", "--threads -2: expected 0 (one for each core) or at most 1,024"),
        ("--columns words", "unknown column 'words' (did you mean word?)"),
        ("--restor x", "unknown argument --restor (did you mean --restore?)"),
        ("--constrained perhaps", "expected True or False, not 'perhaps'"),
    ],
)
def test_bad_flags_of_inference(infer, flags, message):
    assert message in infer(*flags.split())


def test_emb_path_of_another_training(infer, trained, folder):
    from features.vocabulary import EmbVec

    EmbVec(["#PAD#", "#UNK#", "x"], ["#PAD#", "#UNK#"], [], [], ["O"], 50).save(
        str(folder / "other.pkl")
    )
    assert "other.pkl: not the vocabulary that the checkpoint was trained with" in infer(
        "--emb_path", "other.pkl"
    )
    shutil.copy(trained.prefix + ".vocab.pkl", folder / "same.pkl")
    assert "check --input" in infer("--emb_path", "same.pkl", "--wrd_dim", 50, "--input", "nowhere")


@pytest.mark.parametrize(
    "bad, message",
    [
        (b"b NN\n", "<stdin>:%d: 2 columns, expected 4"),
        (b"b NN B-NP O\nc\n", "<stdin>:%d: 1 column, expected 4"),
    ],
)
def test_bad_row_in_a_stream(trained, zygote, bad, message):
    """The sentences before the bad row are written in full, and the message names its line."""
    before = b"".join(sample("test")[:20])
    done = zygote.run(
        "inference.py",
        "--mode",
        "bucket",
        "--restore",
        trained.prefix,
        stdin=before + bad + b"\n" + ROWS,
    )
    assert done.code == 2
    assert message % (before.count(b"\n") + bad.count(b"\n")) in one_line(done.err)
    assert done.out.count(b"\n") == before.count(b"\n") and done.out.endswith(b"\n\n")


def test_bad_row_leaves_no_output(trained, zygote, tmp_path):
    (tmp_path / "in.txt").write_bytes(ROWS * 3 + b"x\n")
    done = zygote.run(
        "inference.py",
        "--input",
        tmp_path / "in.txt",
        "--output",
        tmp_path / "out.txt",
        "--restore",
        trained.prefix,
    )
    assert done.code == 2 and done.out == b""
    assert "in.txt:10: 1 column, expected 4" in one_line(done.err)
    assert os.listdir(tmp_path) == ["in.txt"]


# ---------------------------------------------------------------- checkpoints

ENDINGS = (".index", ".data-00000-of-00001", ".json", ".vocab.pkl")


@pytest.fixture
def copy(trained, tmp_path):
    """The folder of a copy of the trained checkpoint, to be damaged."""
    shutil.copytree(trained.checkpoint, tmp_path / "copy")
    return tmp_path / "copy"


def damage(path, how):
    content = bytearray(path.read_bytes())
    if how == "deleted":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(content[:-1])
    elif how == "longer":
        path.write_bytes(content + b"\n")
    else:
        content[int(how * len(content))] ^= 4
        path.write_bytes(content)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("how", ["deleted", "empty", "truncated", "longer"])
def test_incomplete_checkpoint(infer, copy, ending, how):
    if (ending, how) == (".json", "longer"):
        pytest.skip("a blank line after JSON is JSON")
    damage(copy / f"ner_model{ending}", how)
    assert f"ner_model{ending}: " in infer("--restore", copy)


@pytest.mark.parametrize("ending", [ending for ending in ENDINGS if not ending.startswith(".data")])
@pytest.mark.parametrize("place", [0, 0.1, 0.5, 0.77, 0.999])
def test_damaged_checkpoint(infer, copy, ending, place):
    """One bit of a file is flipped."""
    damage(copy / f"ner_model{ending}", place)
    assert f"ner_model{ending}: " in infer("--restore", copy)


@pytest.mark.parametrize("place", [0.02, 0.5])
def test_damaged_weights(trained, zygote, copy, place):
    """TensorFlow itself finds the flipped bit, and its log lines are not shown."""
    damage(copy / "ner_model.data-00000-of-00001", place)
    message = zygote.mistake("inference.py", "--mode", "bucket", "--restore", copy, stdin=ROWS)
    assert re.search(
        r"ner_model: the weights cannot be read \(.*[Cc]hecksum does not match", message
    )


def test_parts_of_two_checkpoints(infer, trained, copy):
    """Undamaged files of two different checkpoints are refused."""
    for ending in ENDINGS[:2]:
        shutil.copy(trained.checkpoint / f"last_state{ending}", copy / f"ner_model{ending}")
    assert "of another checkpoint" in infer("--restore", copy)


def test_folder_for_a_prefix(trained, zygote):
    """--restore takes the folder, with or without a slash, as well as the prefix."""
    outs = {
        zygote.run("inference.py", "--mode", "bucket", "--restore", checkpoint, stdin=ROWS).out
        for checkpoint in (trained.prefix, f"{trained.checkpoint}{os.sep}")
    }
    assert len(outs) == 1 and outs.pop().count(b"\n") == 3


# ---------------------------------------------------------------- --restore and --resume


@pytest.mark.parametrize(
    "flags, message",
    [
        ("--rnn_size 16", "--rnn_size 16: the checkpoint has 32, and its weights fit no other"),
        ("--use_crf False", "--use_crf False: the checkpoint has True"),
        ("--tag_scheme iobes", "--tag_scheme iobes: the checkpoint has bio"),
        ("--wrd_dim 100", "--wrd_dim 100: the checkpoint has word vectors of 50"),
        ("--train_path new.txt", "new.txt:1: tag B-NEW is not in the vocabulary"),
    ],
)
def test_restore_with_another_model(train, trained, folder, flags, message):
    (folder / "new.txt").write_bytes(b"new NN B-NP B-NEW\n")
    assert message in train("--restore", trained.prefix, *flags.split())


@pytest.mark.parametrize(
    "flags, message",
    [
        (
            "--batch_size 7",
            "--batch_size 7: the interrupted run has 6, and --resume goes on with it",
        ),
        ("--config_path c.yaml", "--keep_prob 0.1: the interrupted run has 0.7"),
        ("--train_path nowhere.txt", "--train_path ['nowhere.txt']: the interrupted run has"),
    ],
)
def test_resume_with_other_flags(bare_zygote, trained, folder, flags, message):
    (folder / "c.yaml").write_text("keep_prob: 0.1\n")
    resume = ["--resume", "--checkpoint_dir", trained.checkpoint]
    assert message in bare_zygote.mistake("train.py", *resume, *flags.split(), folder=folder)


def test_resume_with_another_corpus(bare_zygote, folder):
    flags = [
        "--train_path",
        folder / "train.txt",
        "--dev_path",
        folder / "dev.txt",
        "--checkpoint_dir",
        folder / "c",
    ]
    fit(*flags, *TINY, "--epoch", 1)
    before = {path.name: path.read_bytes() for path in (folder / "c").iterdir()}
    with open(folder / "train.txt", "ab") as more:
        more.write(ROWS)
    message = bare_zygote.mistake(
        "train.py", "--resume", "--checkpoint_dir", folder / "c", "--epoch", 2
    )
    assert "train.txt: not the file that the interrupted run was trained on" in message
    (folder / "train.txt").unlink()
    assert "train.txt: no such file" in bare_zygote.mistake(
        "train.py", "--resume", "--checkpoint_dir", folder / "c"
    )
    assert {path.name: path.read_bytes() for path in (folder / "c").iterdir()} == before
    assert left_behind(folder / "c") == []


def test_help_and_version(bare_zygote):
    for script in ("train.py", "inference.py"):
        shown = bare_zygote.run(script, "--help")
        assert (shown.code, shown.err) == (0, "") and b"--restore" in shown.out
        assert re.fullmatch(rb"etagger \d+\.\d+\.\d+\n", bare_zygote.run(script, "--version").out)
