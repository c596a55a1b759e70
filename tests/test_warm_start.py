"""train.py --warm_start, --train_vars and fine_tune: which weights are taken, which stay the same,
and the cost of a new label.
"""

import contextlib
import os
import random
import sys

import numpy as np
import pytest

import checkpoint
import conll
from cli import UserError
from features.vocabulary import EmbVec
from files.tensor_bundle import Entry
from scoring import chunks
from support.commands import (
    SMALL,
    TINY,
    fit,
    same_weights,
    sample,
    train_args,
    weights,
    without_seconds,
)
from training import files, start, warm_start
from training.run import Start, create_trainer

# CRF, characters and highway network, all small.
FLAGS = [*SMALL, "--highway_layers", "1", "--chr_dim", "4", "--summary_dir", "", "--threads", "1"]
SCOPES = ("embeddings/", "char_cnn/", "highway/", "encoder/", "projection/", "crf/")
TOKENS = {
    "embeddings/word": ("wrd", None),
    "embeddings/chr": ("chr", None),
    "embeddings/pos": ("pos", None),
    "embeddings/chk": ("chk", None),
    "projection/kernel": (None, "tag"),
    "projection/bias": ("tag",),
    "crf/transitions": ("tag", "tag"),
}


def without_misc(sentence):
    return b"\n".join(
        row.rpartition(b" ")[0] + b" O" if row.endswith(b"-MISC") else row
        for row in sentence.split(b"\n")
    )


@pytest.fixture(scope="module", autouse=True)
def no_plots():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "plot_history", lambda history, path: None)
        patch.setattr(sys, "argv", ["train.py"])  # messages name the command
        yield


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    """A model of PER, LOC and ORG. Its folder also has new.txt with other sentences, which have
    MISC.
    """
    folder = tmp_path_factory.mktemp("old")
    (folder / "old.txt").write_bytes(b"".join(map(without_misc, sample("train")[:60])))
    (folder / "new.txt").write_bytes(b"".join(sample("train")[60:100]))
    (folder / "dev.txt").write_bytes(b"".join(sample("dev")[:20]))
    fit(
        "--train_path",
        folder / "old.txt",
        "--dev_path",
        folder / "dev.txt",
        "--checkpoint_dir",
        folder / "c",
        *FLAGS,
        "--epoch",
        2,
    )
    return folder


@contextlib.contextmanager
def begun(old, *flags):
    """The Trainer of a new model before its first step, and {name: value} of its variables."""
    args = train_args(
        "--train_path", old / "new.txt", "--dev_path", old / "dev.txt", *FLAGS, *flags
    )
    config = start.config_of(args)
    source = None
    if args.warm_start:
        source = warm_start.read(args.warm_start, args.warm_start_vars or ".*")
    trainer = create_trainer(config, Start(source=source))
    with trainer.session as session:
        yield (
            trainer,
            {
                variable.op.name: value
                for variable, value in zip(
                    trainer.model.variables, session.run(trainer.model.variables)
                )
            },
        )


def told(err, *words):
    """The names of the variables whose line on standard error has all these words."""
    lines = [line for line in err.splitlines() if line.startswith("train.py: ") and "taken" in line]
    return [line.split()[1] for line in lines if all(word in line for word in words)]


# ---------------------------------------------------------------- rows and columns


def test_old_tokens_keep_their_weights_bit_for_bit(old, tmp_path):
    """The vocabularies have another order. A cell has the checkpoint's value if the checkpoint
    knows all its tokens, otherwise a new one.
    """
    sentences, _ = conll.read_sentences(str(old / "new.txt"))
    own = EmbVec.from_sentences(sentences[::-1], 50, True)
    vectors = np.random.default_rng(1).normal(size=(len(own.vocab["wrd"]), 50)).astype(np.float32)
    own.vectors = vectors
    own.save(str(tmp_path / "own.pkl"))
    before, meta = (
        weights(old / "c" / "ner_model"),
        checkpoint.load_meta(str(old / "c" / "ner_model")),
    )
    known = {**checkpoint.load_emb(str(old / "c" / "ner_model"), meta).vocab, "tag": meta["tags"]}
    with begun(old, "--emb_path", tmp_path / "own.pkl") as (_, fresh):
        pass
    with begun(old, "--emb_path", tmp_path / "own.pkl", "--warm_start", old / "c") as (
        trainer,
        warm,
    ):
        new = {**trainer.data.emb.vocab, "tag": trainer.data.tags}
    assert (
        set(new["tag"]) - set(known["tag"]) == {"B-MISC", "I-MISC"}
        and new["tag"][:7] != known["tag"]
    )
    assert (fresh["embeddings/word"] == vectors).all()
    kept = grown = 0
    for name, value in warm.items():
        for place in np.ndindex(value.shape):
            tokens = [
                place[axis] if section is None else new[section][place[axis]]
                for axis, section in enumerate(TOKENS.get(name, (None,) * value.ndim))
            ]
            at = [
                known[section].index(token) if section and token in known[section] else token
                for section, token in zip(TOKENS.get(name, (None,) * value.ndim), tokens)
            ]
            if all(isinstance(at_layer, int) for at_layer in at):
                assert value[place] == before[name][tuple(at)]
                kept += 1
            else:
                assert value[place] == fresh[name][place]
                grown += 1
    assert kept > 10_000 and grown > 1000


def test_without_emb_path_the_vocabulary_comes_along(old):
    vocab = checkpoint.load_emb(
        str(old / "c" / "ner_model"), checkpoint.load_meta(str(old / "c" / "ner_model"))
    ).vocab
    sentences, _ = conll.read_sentences(str(old / "new.txt"))
    words = {word.lower() for sentence in sentences for word in sentence.words}
    with begun(old, "--warm_start", old / "c") as (trainer, warm):
        joined = trainer.data.emb.vocab
    assert joined["wrd"][: len(vocab["wrd"])] == vocab["wrd"] and set(joined["wrd"]) == {
        *vocab["wrd"],
        *words,
    }
    assert joined["chr"][: len(vocab["chr"])] == vocab["chr"]
    assert (
        warm["embeddings/word"][: len(vocab["wrd"])]
        == weights(old / "c" / "ner_model")["embeddings/word"]
    ).all()
    with begun(old, "--warm_start", old / "c", "--warm_start_vars", "encoder/") as (trainer, _):
        assert set(trainer.data.emb.vocab["wrd"]) == {"#PAD#", "#UNK#", *words}


# ---------------------------------------------------------------- which variables


def test_variables_by_expression(old, capsys):
    """Each expression selects the scopes that it names, and no others."""
    before = weights(old / "c" / "ner_model")
    patterns = {
        ".*": SCOPES,
        "(?!projection/)": [scope for scope in SCOPES if scope != "projection/"],
        "encoder/": ["encoder/"],
        "embeddings/|encoder/": ["embeddings/", "encoder/"],
    }
    with begun(old) as (trainer, names):
        for pattern, scopes in patterns.items():
            trainer.session.run([variable.initializer for variable in trainer.model.variables])
            fresh = dict(zip(names, trainer.session.run(trainer.model.variables)))
            warm_start.take_over(
                warm_start.read(old / "c", pattern), trainer.model, trainer.session, trainer.data
            )
            err, matched = (
                capsys.readouterr().err,
                [name for name in fresh if name.startswith(tuple(scopes))],
            )
            assert told(err, "): taken") == matched
            assert told(err, "not taken, not matched by --warm_start_vars") == [
                name for name in fresh if name not in matched
            ]
            warm = dict(zip(fresh, trainer.session.run(trainer.model.variables)))
            for name in set(fresh) - set(TOKENS):
                assert (warm[name] == (before if name in matched else fresh)[name]).all()


def test_what_does_not_fit_is_told(old, capsys):
    with begun(
        old,
        "--warm_start",
        old / "c",
        "--rnn_size",
        9,
        "--use_shape",
        "True",
        "--shape_dim",
        5,
        "--num_filters",
        3,
        "--pos_dim",
        6,
        "--chk_dim",
        11,
    ) as (_, warm):  # filters - 5, POS - 1, chunk + 1, shape + 5: as many features
        err = capsys.readouterr().err
    assert told(err, "not taken, the shape differs: (POS, 6) here, (POS, 7) in the checkpoint") == [
        "embeddings/pos"
    ]
    assert told(err, "not taken, not in the checkpoint") == ["embeddings/shape"]
    assert told(err, "the shape differs") == [
        "char_cnn/conv1d/kernel",
        "char_cnn/conv1d/bias",
        "embeddings/pos",
        "embeddings/chk",
        *(
            f"encoder/bilstm_0/{direction}/{name}"
            for direction in ("forward", "backward")
            for name in ("kernel", "bias")
        ),
        "projection/kernel",
    ]
    assert told(
        err,
        "its meaning differs: features of word 50, characters 3, POS 6, chunk tags 11, shape 5 "
        "here",
    ) == [name for name in warm if name.startswith("highway/")]
    assert told(err, "): taken, 7 of 9 tags") == ["projection/bias", "crf/transitions"]


def test_attention_of_as_many_heads(old):
    """The weights of 2 heads have the same shape as those of 4, but another meaning."""
    source = warm_start.read(old / "c")
    config = {**source.meta["config"], "attention_heads": 2}
    heads = (
        warm_start._settings(config, [], source.emb),
        warm_start._settings({**config, "attention_heads": 4}, [], source.emb),
    )
    for name, problem in (
        ("encoder/block_0/attention/output/kernel", "2 attention heads in the checkpoint"),
        ("encoder/attention/query_key_value/kernel", "4 attention heads here"),
        ("encoder/bilstm_0/forward/kernel", ""),
    ):
        told = warm_start._problem(source, name, [4, 4], Entry("float32", (4, 4)), heads)
        assert problem in told and bool(problem) == bool(told)
    told = warm_start._problem(source, name, [4, 4], Entry("int32", (4, 4)), heads)
    assert told == "its numbers are int32 in the checkpoint"


def test_made_from_and_resume(old, tmp_path):
    """An interrupted warm start resumes to the same weights, and keeps the name of its origin."""
    flags = [
        "--train_path",
        old / "new.txt",
        "--dev_path",
        old / "dev.txt",
        *FLAGS,
        "--warm_start",
        old / "c",
        "--train_vars",
        "projection/|crf/",
        "--ema_decay",
        "0.9",
    ]
    whole = fit(*flags, "--epoch", 2, "--checkpoint_dir", tmp_path / "whole")
    fit(*flags, "--epoch", 1, "--checkpoint_dir", tmp_path / "parts")
    parts = fit("--resume", "--epoch", 2, "--checkpoint_dir", tmp_path / "parts")
    assert same_weights(tmp_path / "whole" / "last_state", tmp_path / "parts" / "last_state")
    assert without_seconds(whole.state.history) == without_seconds(parts.state.history)
    prefix = str(old / "c" / "ner_model")
    meta = checkpoint.load_meta(str(tmp_path / "parts" / "ner_model"))
    assert meta["made_from"][prefix] == warm_start.file_hash(prefix + ".data-00000-of-00001")
    before, after = weights(prefix), weights(tmp_path / "whole" / "last_state")
    assert {
        name.split("/")[0] for name in after if "Adam" in name or "ExponentialMovingAverage" in name
    } == {"projection", "crf"}
    for name in before:
        if name.startswith(("encoder/", "highway/", "char_cnn/")):
            assert (before[name] == after[name]).all()


def test_mistakes(old, bare_zygote, zygote):
    data = [
        "--train_path",
        old / "new.txt",
        "--dev_path",
        old / "dev.txt",
        "--checkpoint_dir",
        old / "none",
        *FLAGS,
    ]

    def mistake(*flags):
        return bare_zygote.mistake("train.py", *data, *flags)

    assert "--warm_start and --restore: expected one of them" in mistake(
        "--warm_start", old / "c", "--restore", old / "c"
    )
    assert "--warm_start and --resume: expected one of them" in mistake(
        "--warm_start", old / "c", "--resume"
    )
    assert "without --warm_start there is nothing" in mistake("--warm_start_vars", "encoder/")
    assert "--warm_start_vars 'encoder/(': not a regular expression" in mistake(
        "--warm_start", old / "c", "--warm_start_vars", "encoder/("
    )
    assert "no such file; check --warm_start" in mistake("--warm_start", old / "absent")
    assert "in bio, the new ones in iobes" in mistake(
        "--warm_start", old / "c", "--tag_scheme", "iobes"
    )
    assert "--lowercase False: the checkpoint's words have True" in mistake(
        "--warm_start", old / "c", "--lowercase", "False"
    )
    err = mistake("--restore", old / "c")
    assert "MISC is not in the vocabulary" in err and "--warm_start instead of --restore" in err
    nothing = zygote.run(
        "train.py", *data, "--warm_start", old / "c", "--warm_start_vars", "encodr/"
    )
    assert nothing.code == 2 and nothing.err.splitlines()[-1].endswith(
        "nothing is taken over, see above; the variables' scopes are char_cnn/ crf/ embeddings/ "
        "encoder/ highway/ projection/"
    )
    assert not os.path.exists(old / "none")


def test_another_scheme_without_the_tags(old, capsys):
    with begun(
        old,
        "--warm_start",
        old / "c",
        "--tag_scheme",
        "iobes",
        "--warm_start_vars",
        "(?!projection/|crf/)",
    ):
        pass
    assert {name.split("/")[0] for name in told(capsys.readouterr().err, "): taken")} == {
        "embeddings",
        "char_cnn",
        "highway",
        "encoder",
    }


# ---------------------------------------------------------------- partial training


@pytest.mark.parametrize(
    "flags, trained, gradients",
    [
        (["--train_vars", "projection/|crf/"], ["crf", "projection"], []),
        (["--train_vars", "encoder/bilstm_0/forward"], ["encoder"], ["encoder"]),
        (
            ["--fine_tune", "True", "--train_wrd", "False"],
            ["crf", "embeddings", "projection"],
            ["char_cnn", "encoder", "highway"],
        ),
    ],
)
def test_the_rest_is_frozen(old, tmp_path, capsys, flags, trained, gradients):
    """Frozen variables have no gradient, slot or average, and keep the checkpoint's weights; the
    trained ones change.
    """
    trainer = fit(
        "--train_path",
        old / "new.txt",
        "--dev_path",
        old / "dev.txt",
        "--checkpoint_dir",
        tmp_path,
        *FLAGS,
        *flags,
        "--warm_start",
        old / "c",
        "--epoch",
        1,
        "--ema_decay",
        "0.9",
    )
    line = next(line for line in capsys.readouterr().err.splitlines() if "are trained" in line)
    before, after = weights(old / "c" / "ner_model"), weights(tmp_path / "last_state")
    own = {name for name in before if any(f"{name}/{slot}" in after for slot in ("Adam", "Adam_1"))}
    assert sorted({name.split("/")[0] for name in own}) == trained
    assert (
        own
        == {name for name in before if f"{name}/ExponentialMovingAverage" in after}
        == set(line.split(": ")[2].split())
    )
    assert (
        f"{sum(after[name].size for name in own):,} of "
        f"{sum(after[name].size for name in before):,} parameters" in line
    )
    for name in before.keys() - set(TOKENS):
        assert (before[name] == after[name]).all() == (name not in own), name
    made = {
        name.split("/")[1]
        for name in (op.name for op in trainer.graph.get_operations())
        if name.startswith("gradients/")
    }
    assert {scope for scope in ("char_cnn", "encoder", "highway") if scope in made} == set(
        gradients
    )


def test_nothing_to_train(old, tmp_path):
    flags = [
        "--train_path",
        old / "old.txt",
        "--dev_path",
        old / "dev.txt",
        "--checkpoint_dir",
        tmp_path,
        *TINY,
    ]
    with pytest.raises(
        UserError,
        match="--train_vars crf/: matches no variable .* scopes embeddings/ encoder/ projection/$",
    ):
        fit(*flags, "--train_vars", "crf/")
    with pytest.raises(UserError, match="the word vectors are trained with --train_wrd True only"):
        fit(*flags, "--train_vars", "embeddings/word", "--train_wrd", "False")


# ---------------------------------------------------------------- a new label


def test_new_label_on_an_old_model(tmp_path, zygote):
    """As in benchmarks/new_labels.py: PER, LOC and ORG, then MISC from 60 sentences that have it
    and as many old ones.
    """
    train_set, dev = sample("train"), sample("dev")
    old, new = (
        list(map(without_misc, train_set[:800])),
        [sentence for sentence in train_set[800:] if b"-MISC" in sentence][:60],
    )
    files = {
        "old": old,
        "old-dev": map(without_misc, dev),
        "dev": dev,
        "mixed": new + random.Random(1).sample(old, 60),
    }
    for name, sentences in files.items():
        (tmp_path / name).write_bytes(b"".join(sentences))
    flags = [
        "--rnn_size",
        32,
        "--rnn_layers",
        1,
        "--num_filters",
        16,
        "--batch_size",
        10,
        "--use_highway",
        "False",
        "--summary_dir",
        "",
        "--threads",
        1,
    ]
    fit(
        "--train_path",
        tmp_path / "old",
        "--dev_path",
        tmp_path / "old-dev",
        "--checkpoint_dir",
        tmp_path / "c",
        *flags,
        "--epoch",
        5,
        "--learning_rate",
        0.01,
    )
    fit(
        "--train_path",
        tmp_path / "mixed",
        "--dev_path",
        tmp_path / "dev",
        "--checkpoint_dir",
        tmp_path / "d",
        *flags,
        "--epoch",
        10,
        "--learning_rate",
        0.005,
        "--warm_start",
        tmp_path / "c",
    )
    before, after = (f1_by_type(zygote, tmp_path / folder, b"".join(dev)) for folder in ("c", "d"))
    assert before[True] == 0
    assert after[False] > before[False] - 1
    assert after[True] > 60


def f1_by_type(zygote, folder, data):
    """{misc: chunk F1 of MISC alone, or of all other types}."""
    done = zygote.run("inference.py", "--mode", "bucket", "--restore", folder, "-j", 1, stdin=data)
    tables = [
        [row.split() for row in block.split("\n")]
        for block in done.out.decode().strip().split("\n\n")
    ]
    gold, predicted = ([[row[column] for row in table] for table in tables] for column in (-2, -1))
    return {
        misc: chunks.score(
            *(
                [[tag if tag.endswith("-MISC") == misc else "O" for tag in tags] for tags in column]
                for column in (gold, predicted)
            ),
            scheme="bio",
        ).f1
        for misc in (False, True)
    }
