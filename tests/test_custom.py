"""An encoder of the user's as module.function, from training to C++. Its module is not imported
unless it is trusted or trained.
"""

import pytest

from support.commands import TINY, sample, write_sample
from support.serving import INFERENCE, run_binary, succeed

MODULE = """
import pathlib
pathlib.Path(__file__).with_name("imported").write_text("yes")

from encoders import bilstm
from tf1 import tf

def double_bilstm(x, mask, config, is_train):
    with tf.variable_scope("lower"):
        x = bilstm(x, mask, config, is_train)
    with tf.variable_scope("upper"):
        return bilstm(x, mask, config, is_train)

def note(run):
    pathlib.Path(__file__).with_name("noted").write_text(str(run.state.epoch))
"""


@pytest.fixture(scope="module")
def own(zygote, tmp_path_factory):
    """A folder with a module of an encoder and a hook, and a checkpoint that names both."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.py").write_text(MODULE)
    flags = [*write_sample(folder), *TINY, "--epoch", "1", "--max_train_steps_per_epoch", "2"]
    succeed(
        zygote.run(
            "train.py",
            *flags,
            "--encoder",
            "mine.double_bilstm",
            "--hooks",
            "mine.note",
            folder=folder,
        )
    )
    assert (folder / "noted").read_text() == "1"
    (folder / "imported").unlink()
    return folder


def test_nothing_is_imported_without_trust(own, zygote):
    prefix, data = own / "checkpoint" / "ner_model", b"".join(sample("test")[:5])
    for script, args in (
        ("inference.py", ("--mode", "bucket")),
        (f"{INFERENCE}/export.py", ("--engine", own / "x.etagger")),
    ):
        message = zygote.mistake(script, "--restore", prefix, *args, stdin=data, folder=own)
        assert (
            "encoder 'mine.double_bilstm': not known here; it is code of its own, which runs only "
            "where it is trusted (--trust)" in message
        )
    assert not (own / "imported").exists() and not (own / "x.etagger").exists()


def test_with_trust_it_tags_and_is_exported(own, zygote):
    prefix, data = own / "checkpoint" / "ner_model", b"".join(sample("test")[:30])
    (own / "noted").unlink(missing_ok=True)
    tagged = succeed(
        zygote.run(
            "inference.py",
            "--mode",
            "bucket",
            "--restore",
            prefix,
            "--trust",
            stdin=data,
            folder=own,
        )
    ).out
    assert (own / "imported").exists() and not (own / "noted").exists()
    exported = own / "exported"
    succeed(
        zygote.run(
            f"{INFERENCE}/export.py",
            "--restore",
            prefix,
            "--export",
            exported / "ner_model",
            "--export-pb",
            exported,
            "--trust",
            folder=own,
        )
    )
    succeed(zygote.run(f"{INFERENCE}/freeze.py", "--model_dir", exported))
    (own / "imported").unlink()
    assert (
        succeed(
            run_binary("inference", exported / "ner_frozen.pb", exported / "vocab.txt", stdin=data)
        ).out
        == tagged
    )


def test_a_function_that_is_not_there(own, zygote):
    message = zygote.mistake(
        "train.py", *write_sample(own), *TINY, "--encoder", "mine.single_bilstm", folder=own
    )
    assert (
        "encoder 'mine.single_bilstm': module 'mine' has no attribute 'single_bilstm'; expected "
        "module.function" in message
    )
    message = zygote.mistake(
        "train.py", *write_sample(own), *TINY, "--encoder", "yours.bilstm", folder=own
    )
    assert (
        "encoder 'yours.bilstm': No module named 'yours'; expected module.function, the module on "
        "PYTHONPATH or in this folder" in message
    )
