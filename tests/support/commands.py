"""Runs the commands for the tests: as processes of their own, or `fit` inside the test's
process.
"""

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types

import checkpoint
import train
from training.run import run_args
from training.start import config_of

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# A small model with all parts.
SMALL = [
    "--rnn_size",
    "8",
    "--rnn_layers",
    "1",
    "--num_filters",
    "8",
    "--batch_size",
    "8",
    "--learning_rate",
    "0.01",
]
# The smallest model that learns something; its graph is built in a second.
TINY = [
    *SMALL,
    "--use_highway",
    "False",
    "--use_chr",
    "False",
    "--use_chk",
    "False",
    "--use_crf",
    "False",
    "--summary_dir",
    "",
]


class Zygote:
    """Starts processes, see zygote.py."""

    def __init__(self, kind):
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.folder.name, "socket")
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "tests", "support", "zygote.py"), self.path, kind]
        )

    def start(
        self,
        script,
        *args,
        stdin,
        stdout,
        stderr,
        folder=ROOT,
        path=(),
        signal=None,
        largest_file=0,
        nobody=False,
        closed=(),
    ):
        """Starts `script args` on open files. Returns a Process. folder: to run in. path: added to
        sys.path.

        signal: (number, training batches) to send itself one. largest_file: bytes, as on a full
        disk. nobody: no rights. closed: descriptors of the standard streams to close.
        """
        request = {
            "argv": [script, *map(str, args)],
            "folder": str(folder),
            "path": list(map(str, path)),
            "signal": signal,
            "largest_file": largest_file,
            "nobody": nobody,
            "closed": closed,
        }
        connection = self._connect()
        socket.send_fds(
            connection,
            [json.dumps(request).encode()],
            [stream.fileno() for stream in (stdin, stdout, stderr)],
        )
        return Process(connection)

    def run(self, script, *args, stdin=b"", timeout=120, **rest):
        """Runs `script args` to its end. Returns code, out (bytes) and err (str)."""
        with (
            tempfile.TemporaryFile() as given,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            given.write(stdin)
            given.seek(0)
            code = self.start(script, *args, stdin=given, stdout=out, stderr=err, **rest).wait(
                timeout
            )
            out.seek(0)
            err.seek(0)
            return types.SimpleNamespace(code=code, out=out.read(), err=err.read().decode())

    def mistake(self, script, *args, **rest):
        """Runs a command with a user's mistake: exit code 2, nothing on standard output. Returns
        the one line of the message.
        """
        done = self.run(script, *args, **rest)
        assert done.code == 2, done
        assert done.out == b""
        return one_line(done.err)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()

    def _connect(self):
        for _ in range(1200):
            try:
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(self.path)
                return connection
            except OSError:
                connection.close()
                time.sleep(0.1)
        raise TimeoutError("the zygote does not answer")


class Process:
    """A process that a Zygote started."""

    def __init__(self, connection):
        self.connection = connection
        self.answers = connection.makefile()
        self.pid = int(self.answers.readline())

    def wait(self, timeout=120):
        """Waits for the process. Returns its exit code, or minus the number of the signal that
        ended it.
        """
        self.connection.settimeout(timeout)
        try:
            return int(self.answers.readline())
        except TimeoutError:
            os.kill(self.pid, signal.SIGKILL)
            raise
        finally:
            self.answers.close()
            self.connection.close()


def one_line(err):
    assert err.endswith("\n") and err.count("\n") == 1, err
    assert "Traceback" not in err
    return err


def sample(split):
    """Sentences of the sample as bytes, each with its blank line."""
    with open(os.path.join(ROOT, "data", "sample", f"{split}.txt"), "rb") as stream:
        blocks = stream.read().split(b"\n\n")
    return [
        block + b"\n\n" for block in blocks if block.strip() and not block.startswith(b"-DOCSTART-")
    ]


def write_sample(folder, train=60, dev=30):
    """Writes the first sentences of the sample to train.txt and dev.txt. Returns the flags that
    name them, and the output.
    """
    for split, count in (("train", train), ("dev", dev)):
        (folder / f"{split}.txt").write_bytes(b"".join(sample(split)[:count]))
    return [
        "--train_path",
        str(folder / "train.txt"),
        "--dev_path",
        str(folder / "dev.txt"),
        "--checkpoint_dir",
        str(folder / "checkpoint"),
        "--summary_dir",
        str(folder / "summaries"),
    ]


def train_args(*flags):
    """Parses these flags as train.py does."""
    before, sys.argv = sys.argv, ["train.py", *map(str, flags)]
    try:
        return train.parse_args()
    finally:
        sys.argv = before


def fit(*flags):
    """Trains in this process, as train.py does with these flags. Returns the Trainer."""
    args = train_args(*flags)
    trainer, interrupted = run_args(args, config_of(args))
    assert not interrupted
    trainer.session.close()
    return trainer


def weights(prefix):
    """{name: array} of a checkpoint."""
    from tf1 import tf

    reader = tf.train.load_checkpoint(str(prefix))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def same_weights(one, other):
    """Whether two checkpoints have the same tensors, bit for bit."""
    one, other = weights(one), weights(other)
    return one.keys() == other.keys() and all(
        one[name].tobytes() == other[name].tobytes() for name in one
    )


def wait_until(condition, seconds=120):
    """Waits until condition() is true, however slow the machine is."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} seconds in vain"
        time.sleep(0.005)


def without_seconds(history):
    return [{name: value for name, value in row.items() if name != "seconds"} for row in history]


def left_behind(folder):
    """Temporary files that a writer should have removed."""
    return [
        entry for entry in os.listdir(folder) if entry.startswith(".") or entry.endswith(".ready")
    ]


def scores(trainer):
    return without_seconds(trainer.state.history)


def prefix(trainer, name=checkpoint.STATE):
    return os.path.join(trainer.config.checkpoint_dir, name)


def assert_same_run(trainer, other_folder):
    for name in (checkpoint.STATE, checkpoint.MODEL):
        assert same_weights(prefix(trainer, name), other_folder / name)
    history = json.loads((other_folder / "history.json").read_text())
    assert without_seconds(history) == scores(trainer)
    assert left_behind(other_folder) == []


def arguments(**given):
    """The flags of inference.py as its parser returns them."""
    return types.SimpleNamespace(
        **{
            "mode": "bulk",
            "input": "",
            "output": "",
            "columns": "",
            "delimiter": "",
            "timing": False,
            "spacy_model": "",
            "split": False,
            **given,
        }
    )


@contextlib.contextmanager
def piped(zygote, script, *args, **rest):
    """A process on pipes, with .given and .out (files), .process and .pid. err: the path of a file
    for its standard error. It is killed at the end.
    """
    given, feed = os.pipe()
    results, out = os.pipe()
    err = rest.pop("err")
    with (
        open(given, "rb", 0) as given,
        open(feed, "wb", 0) as feed,
        open(results, "rb", 0) as results,
        open(out, "wb", 0) as out,
        open(err, "wb") as errors,
    ):
        process = zygote.start(script, *args, stdin=given, stdout=out, stderr=errors, **rest)
        given.close()
        out.close()
        yield types.SimpleNamespace(process=process, given=feed, out=results, pid=process.pid)


def read_some(stream, seconds=60):
    assert select.select([stream], [], [], seconds)[0], "nothing comes"
    data = stream.read(1 << 16)
    assert data, "the process has ended"
    return data


def no_spacy(folder):
    """A folder for sys.path in which `import spacy` fails, whatever is installed."""
    (folder / "no_spacy").mkdir(exist_ok=True)
    (folder / "no_spacy" / "spacy.py").write_text("raise ImportError('No module named spacy')\n")
    return folder / "no_spacy"


def made(folder):
    folder.mkdir()
    return folder
