"""The folder that a training writes to: one training writes there at a time, and it replaces work
that is there only when it is asked to.
"""

import contextlib
import fcntl
import os
import socket

import checkpoint
from cli import UserError, note

LOCK = "training.lock"  # holds `PID HOST`; removed when the training ends
_held = set()  # descriptors of the locks of this process


@contextlib.contextmanager
def claimed(folder):
    """Makes the folder, which no other training can claim inside this context. Raises UserError
    where another one has claimed it.

    The lock is flock's: it ends with its process, however that ends, and a forked process does not
    keep it. On a file system without locks a line on standard error says that there is none. A
    folder that was made here and is still empty at the end is removed again.
    """
    made = _make(folder)
    path = os.path.join(folder, LOCK)
    descriptor = _lock(path, folder)
    try:
        yield
    finally:
        if descriptor is not None:
            # Removed before the lock is released: who has opened the file meanwhile tries again.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            _release(descriptor)
        with contextlib.suppress(OSError):
            for folder_made in made:
                os.rmdir(folder_made)


def _make(folder):
    """Makes a folder and those above it. Returns what it made, the innermost first."""
    made, path = [], os.path.abspath(folder)
    while not os.path.isdir(path):
        made.append(path)
        path = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    return made


def _lock(path, folder):
    """The descriptor of the locked file; None where the file system has no locks."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_there = os.path.exists(path) and os.path.samestat(
                os.fstat(descriptor), os.stat(path)
            )
        except BlockingIOError:
            owner = os.read(descriptor, 200).decode(errors="replace").split()
            os.close(descriptor)
            who = f" by process {owner[0]} on {owner[1]}" if len(owner) == 2 else ""
            raise UserError(
                f"{folder}: another training is under way here{who}; wait for its end, or give "
                "another --checkpoint_dir"
            ) from None
        except OSError as error:
            os.close(descriptor)
            os.unlink(path)
            note(
                f"note: {folder} cannot be locked ({error.strerror}); start no other training "
                "there meanwhile"
            )
            return None
        if is_there:
            break
        os.close(descriptor)  # its owner has just removed the file
    _held.add(descriptor)
    os.truncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()} {socket.gethostname()}\n".encode())
    return descriptor


def _release(descriptor):
    _held.discard(descriptor)
    os.close(descriptor)


def _forget_all():
    """In a process that was forked: its parent alone holds the locks."""
    for descriptor in list(_held):
        _release(descriptor)


os.register_at_fork(after_in_child=_forget_all)


# ---------------------------------------------------------------- what is there


def check_free(folder):
    """Raises UserError where a training that begins in `folder` would replace a model, or the state
    of an interrupted training: it says what is there, and which flags do what may be meant.
    """
    what = work_in(folder)
    if what:
        raise UserError(
            f"{what}, which this training would replace; --resume goes on with it, --restore "
            f"{folder} with another --checkpoint_dir begins from its weights, --overwrite "
            "(overwrite=True in Python) replaces it, and with another --checkpoint_dir it stays"
        )


def work_in(folder):
    """Says what work is in a folder, 'PREFIX: a trained model is here (...)'; '' where there is
    none. A state before the first step is no work.
    """
    for name, what in ((checkpoint.MODEL, "a trained model"), (checkpoint.STATE, "a training")):
        prefix = os.path.join(folder, name)
        if not checkpoint.is_begun(prefix):
            continue
        try:
            state = checkpoint.load_meta(checkpoint.resolve(prefix))["state"]
            step, details = state["step"], _details(name, state)
        except (UserError, OSError, LookupError, TypeError, ValueError):
            step, details = 1, "damaged or incomplete"
        if step:
            return f"{prefix}: {what} is here ({details})"
    return ""


def _details(name, state):
    """How far a training got, or how good its best model is. state: of the checkpoint `name`."""
    if name == checkpoint.STATE:
        return f"interrupted in epoch {state['epoch'] + 1}, step {state['step']}"
    scores = state["best_scores"]
    return (
        f"best epoch {state['best_epoch']}: token F1 {scores['token_f1']:.2f}, chunk F1 "
        f"{scores['chunk_f1']:.2f}"
    )
