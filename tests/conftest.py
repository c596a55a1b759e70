"""The fixtures that all tests share."""

import os
import random
import signal
import types

import numpy as np
import pytest

pytest.register_assert_rewrite("support")

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# What a shell starts in the background ignores SIGINT and SIGQUIT, what nohup starts SIGHUP; so
# would the commands that tests send these signals to.
signal.signal(signal.SIGINT, signal.default_int_handler)
for ignored in (signal.SIGQUIT, signal.SIGHUP):
    signal.signal(ignored, signal.SIG_DFL)

LONGEST = (
    "test_serving",
    "test_train",
    "test_language_models_cc",
    "test_confidence",
    "test_model",
    "test_hooks",
    "test_running",
    "test_fit",
    "test_finetuning",
    "test_warm_start",
    "test_elmo",
    "test_bad_input",
    "test_inference",
    "test_stream",
    "test_vector_cache",
)


def pytest_collection_modifyitems(items):
    """Sorts the files that take longest to the front, so that the processes that share the files
    end at about the same time.
    """
    place = {name: i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))


@pytest.fixture(scope="session", autouse=True)
def seeded_graphs():
    """Gives every new graph a seed, so that a test draws the same weights each time. A seed that a
    training sets later (--seed) takes its place.
    """
    from tf1 import tf

    begin = tf.Graph.__init__

    def begin_seeded(graph, *args, **rest):
        begin(graph, *args, **rest)
        graph.seed = 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tf.Graph, "__init__", begin_seeded)
        yield


@pytest.fixture(autouse=True)
def seeded_globals():
    """Seeds the global generators of Python and NumPy before each test."""
    random.seed(1)
    np.random.seed(1)


@pytest.fixture(scope="session")
def shared():
    """A function that takes a path below ../shared and returns the absolute path. It skips the test
    if the file is missing.
    """

    def find(path):
        full = os.path.join(os.path.dirname(ROOT), "shared", path)
        if not os.path.exists(full):
            pytest.skip(f"../shared/{path} is not on this machine")
        return full

    return find


@pytest.fixture(scope="session")
def zygote():
    """Starts commands as processes; see support/commands.py."""
    from support import commands

    zygote = commands.Zygote("tensorflow")
    yield zygote
    zygote.close()


@pytest.fixture(scope="session")
def bare_zygote():
    """The same as zygote, in processes that cannot import TensorFlow."""
    from support import commands

    zygote = commands.Zygote("bare")
    yield zygote
    zygote.close()


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A small model that has learned something: folder, flags (which name its corpus), trainer,
    checkpoint, prefix.
    """
    from support import commands

    folder = tmp_path_factory.mktemp("trained")
    flags = commands.write_sample(folder, train=800, dev=150)
    trainer = commands.fit(
        *flags,
        "--rnn_size",
        32,
        "--rnn_layers",
        1,
        "--batch_size",
        6,
        "--learning_rate",
        0.01,
        "--epoch",
        4,
    )
    checkpoint = folder / "checkpoint"
    return types.SimpleNamespace(
        folder=folder,
        flags=flags,
        trainer=trainer,
        checkpoint=checkpoint,
        prefix=str(checkpoint / "ner_model"),
    )
