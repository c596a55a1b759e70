"""A process that imports what a command needs once, and forks a real process for each command that
a test runs.

Importing TensorFlow takes seconds, a fork takes none. commands.py runs this as
`python zygote.py SOCKET tensorflow|bare`. In a bare zygote TensorFlow cannot be imported: what
works there is decided before TensorFlow is loaded.
"""

import importlib
import json
import os
import resource
import runpy
import signal
import socket
import sys

# What runpy, argparse and the commands import late: the user "nobody" may not read where Python
# keeps its library.
LATE = ("difflib", "hashlib", "locale", "pkgutil", "tempfile")

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def serve(path):
    """Forks a waiter for each request, and the waiter a child. Returns the request in the child
    only.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    while True:
        connection = server.accept()[0]
        if os.fork():
            connection.close()
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        server.close()
        data, files, _, _ = socket.recv_fds(connection, 1 << 16, 3)
        if not (child := os.fork()):
            connection.close()
            return json.loads(data), files
        for file in files:
            os.close(file)
        connection.sendall(f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)


def become(request, files):
    """Makes this process what the request asks for."""
    for target, file in enumerate(files):
        os.dup2(file, target)
        os.close(file)
    os.chdir(request["folder"])
    sys.path[:0] = [
        *request["path"],
        os.path.dirname(os.path.join(ROOT, request["argv"][0])),
    ]  # as python SCRIPT does
    sys.argv = request["argv"]
    if request["largest_file"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest_file"],) * 2)
    if request["signal"]:
        signal_in_training(*request["signal"])
    for descriptor in request["closed"]:
        os.close(descriptor)
    if request["nobody"]:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def signal_in_training(number, batches):
    """The process sends itself a signal while it makes ready a training batch, `batches` others
    being done.
    """
    from features import feed

    batch, done = feed.Feeder.batch, iter(range(1 << 30))

    def counting(self, examples, rng=None):
        if rng is not None and next(done) == batches:
            os.kill(os.getpid(), number)
        return batch(self, examples, rng)

    feed.Feeder.batch = counting


def main():
    sys.path[0] = ROOT  # in place of this folder, whose serving.py is not the room serving/
    for name in LATE:
        importlib.import_module(name)
    if sys.argv[2] == "tensorflow":
        import tf1  # noqa: F401
    else:
        sys.modules["tensorflow"] = None
        import serving.worker  # noqa: F401   (takes long)
        import train  # noqa: F401   (for the same reason)
    become(*serve(sys.argv[1]))
    runpy.run_path(os.path.join(ROOT, sys.argv[0]), run_name="__main__")


if __name__ == "__main__":
    main()
