"""The processes of the server: a supervisor, and workers that it forks.

The supervisor opens the sockets and the models' files, checks them, and forks a worker for each
core; if a worker ends, it forks another. It loads no model itself and has no threads, so that
forking is safe. It handles signals:

    SIGTERM, SIGINT   the workers finish the requests in flight and end; a second one ends them now
    SIGHUP            every worker opens the models again whose files have changed

Each worker has a listening socket of its own (SO_REUSEPORT: the kernel spreads connections over
them). The supervisor keeps all of them open as well, so that no waiting connection is lost while a
worker is started again. Worker and supervisor exchange messages of JSON over a pair of sockets; a
message about a new model comes with the descriptor of its open file.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import selectors
import signal
import socket
import struct
import sys
import time
from typing import NamedTuple

from cli import UserError, note
from serving.limits import Limits
from serving.metrics import Metrics, RateLimit
from serving.models import Source

RESTART_SECONDS = 1.0  # a worker that lived for less time than this is started again later
SO_ATTACH_FILTER = 26  # a socket option of Linux
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MOST_WAIT = 10.0  # longest wait in seconds before a worker is started again


def listen(host, port, count):
    """Opens `count` listening sockets at one address. Raises UserError."""
    try:
        family, kind, protocol, _, address = min(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE),
            key=lambda found: found[0] != socket.AF_INET,
        )
    except (socket.gaierror, UnicodeError) as error:
        raise UserError(f"--host {host}: {error}; expected a name or an address") from None
    sockets = []
    try:
        with socket.socket(family, kind, protocol) as probe:
            # the probe lacks SO_REUSEPORT, so that it fails if another server has the port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            address = (*address[:1], probe.getsockname()[1], *address[2:])
        for _ in range(count):
            sockets.append(socket.socket(family, kind, protocol))
            sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sockets[-1].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sockets[-1].bind(address)
            sockets[-1].listen(2048)
            sockets[-1].setblocking(False)
    except OSError as error:
        raise UserError(
            f"--host {host} --port {port}: {error.strerror}; is another server there? Name another "
            "port"
        ) from None
    return sockets


def take_no_more(listener):
    """Makes the kernel ignore new connections; those that are being opened are still completed.

    Closing a listening socket resets the connections that wait to be accepted. Therefore no new one
    may come while these are accepted: a socket filter drops the packets that open a connection (SYN
    without ACK). A client tries again after a second, and finds the socket closed.
    """
    program = struct.pack(
        "HBBI" * 4,
        *(0x30, 0, 0, 13),  # load the byte of the TCP header that holds the flags
        *(0x45, 0, 1, 0x10),  # is ACK among them?
        *(0x06, 0, 0, 0x7FFFFFFF),  # yes: keep the packet
        *(0x06, 0, 0, 0),  # no: drop it
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    with contextlib.suppress(OSError):  # a kernel without filters
        listener.setsockopt(
            socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", 4, ctypes.addressof(buffer))
        )


class Options(NamedTuple):
    """The flags of serve.py, whose help explains them."""

    host: str
    port: int
    workers: int
    threads: int
    limits: Limits
    token: str
    rate_limit: float
    cors: list
    proxy: str
    spacy_model: str
    trust: bool


class Worker:
    """A worker as the supervisor sees it.

    slot: the index of its listening socket and of its row in Metrics. control: the socket to it.
    """

    def __init__(self, slot, pid, control):
        self.slot, self.pid, self.control = slot, pid, control
        self.began = time.monotonic()
        self.ready = False


class Supervisor:
    """Runs a server until a signal ends it.

    options: Options. sources: list of Source.
    """

    def __init__(self, options, sources):
        self.options, self.sources = options, sources
        self.metrics = Metrics(options.workers + 1)
        self.row = self.metrics.row(options.workers)
        self.rate = RateLimit(options.rate_limit)
        self.sockets = listen(options.host, options.port, options.workers)
        self.workers = {}  # pid: Worker
        self.later = []  # (time, slot): when a worker is to be started again
        self.short_lives = 0  # workers in a row that ended within RESTART_SECONDS
        self.signals = []
        self.ending = None  # the signal that ends the server
        self.announced = False

    # ------------------------------------------------------------ the loop

    def run(self):
        """Runs the server, and returns its exit code. Raises UserError if no worker can start."""
        import serving.worker  # before forking, so that all workers share it

        self.main = serving.worker.main
        gc.collect()
        gc.freeze()
        self.selector = selectors.DefaultSelector()
        wake, woken = socket.socketpair()
        wake.setblocking(False)
        woken.setblocking(False)
        self.selector.register(woken, selectors.EVENT_READ, None)
        self.inherited = [wake, woken]
        with self._signals(wake):
            try:
                for slot in range(self.options.workers):
                    self._start(slot)
                while self.workers or not self.ending:
                    self._turn(woken)
            except BaseException:
                self._kill()
                raise
        return 130 if self.ending == signal.SIGINT else 0

    def _turn(self, woken):
        wait = 5
        if self.later:
            wait = max(0, min(due for due, _ in self.later) - time.monotonic())
        for key, _ in self.selector.select(wait):
            if key.data is None:
                with contextlib.suppress(BlockingIOError):
                    woken.recv(4096)
            else:
                self._hear(key.data)
        while self.signals:
            self._take_signal(self.signals.pop(0))
        self._bury()
        now = time.monotonic()
        slots = [slot for due, slot in self.later if due <= now]
        self.later = [(due, slot) for due, slot in self.later if due > now]
        for slot in slots:
            if not self.ending:
                self._start(slot)

    @contextlib.contextmanager
    def _signals(self, wake):
        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        before = {
            number: signal.signal(number, lambda number, _: self.signals.append(number))
            for number in numbers
        }
        fd = signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(fd)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _take_signal(self, number):
        if number == signal.SIGHUP:
            self._reload()
        elif number in (signal.SIGTERM, signal.SIGINT):
            if self.ending:
                self._kill()
                return
            self.ending = number
            for listener in self.sockets:
                take_no_more(listener)
                listener.close()
            for worker in self.workers.values():
                self._signal(worker, signal.SIGTERM)

    def _kill(self):
        for worker in self.workers.values():
            self._signal(worker, signal.SIGKILL)
        for worker in self.workers.values():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(worker.pid, 0)
        self.workers.clear()

    @staticmethod
    def _signal(worker, number):
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, number)

    # ------------------------------------------------------------ workers begin and end

    def _start(self, slot):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        pid = os.fork()
        if not pid:
            code = 1
            try:
                self._become_worker(slot, theirs, ours)
                code = 0
            except BaseException as error:  # the worker must not go on with the supervisor's code
                with contextlib.suppress(BaseException):
                    serving_error(error)
            finally:
                os._exit(code)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        theirs.close()
        ours.setblocking(False)
        worker = self.workers[pid] = Worker(slot, pid, ours)
        self.selector.register(ours, selectors.EVENT_READ, worker)

    def _become_worker(self, slot, control, others_end):
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGHUP):  # the supervisor handles them
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
        self.selector.close()
        for other in (
            others_end,
            *self.inherited,
            *(worker.control for worker in self.workers.values()),
        ):
            other.close()
        own = self.sockets[slot]
        for listener in self.sockets:
            if listener is not own:
                listener.close()
        row = self.metrics.row(slot)
        row.reset_gauges()
        self.main(self.options, self.sources, own, control, self.metrics, row, self.rate)

    def _bury(self):
        """Removes workers that have ended, and plans to start others in their place."""
        while self.workers:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            worker = self.workers.pop(pid, None)
            if worker is None:
                continue
            self._hear(worker)  # messages that it sent before it ended
            self.selector.unregister(worker.control)
            worker.control.close()
            if not self.ending:
                self._start_again(worker, os.waitstatus_to_exitcode(status))

    def _start_again(self, worker, code):
        if not self.announced:
            raise UserError("a process of the server ended while it started; see above")
        self.row.count("restarts")
        lived = time.monotonic() - worker.began
        self.short_lives = self.short_lives + 1 if lived < RESTART_SECONDS else 0
        wait = min(MOST_WAIT, 0.1 * 2**self.short_lives) if self.short_lives else 0
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        note(f"process {worker.pid} ended {how}; it is started again")
        self.later.append((time.monotonic() + wait, worker.slot))

    def _hear(self, worker):
        """Reads messages of a worker: that it has started, or what went wrong."""
        while True:
            try:
                data = worker.control.recv(1 << 16)
            except (BlockingIOError, ConnectionError):
                return
            if not data:
                return
            said = json.loads(data)
            if said.get("started"):
                worker.ready = True
                if not self.announced and all(other.ready for other in self.workers.values()):
                    self.announced = True
                    self._announce()
            elif not self.announced and not self.ending:
                raise UserError(said["error"])
            else:
                self.row.count("failed_reloads")
                note(said["error"])

    def _announce(self):
        host, port = self.sockets[0].getsockname()[:2]
        host = f"[{host}]" if ":" in host else host
        names = ", ".join(source.name for source in self.sources)
        count = self.options.workers
        note(
            f"{names} at http://{host}:{port}/ in {count} process{'es' if count > 1 else ''}, the "
            f"interface at /docs; signals go to {os.getpid()}"
        )

    # ------------------------------------------------------------ models are replaced

    def _reload(self):
        """Tells every worker to open the models whose files have changed."""
        for i, source in enumerate(self.sources):
            try:
                if not source.has_changed():
                    continue
                new = Source(source.name, source.path)
                new.check()
            except (UserError, OSError) as error:
                self.row.count("failed_reloads")
                note(f"{error}; the model {source.name} that was opened before is served on")
                continue
            self.sources[i] = new
            self.row.count("reloads")
            message = json.dumps({"reload": i, "path": new.path}).encode()
            files = [] if new.descriptor is None else [new.descriptor]
            for worker in self.workers.values():
                worker.control.setblocking(True)
                with contextlib.suppress(OSError):  # it has ended
                    socket.send_fds(worker.control, [message], files)
                worker.control.setblocking(False)
            source.close()
            note(f"the model {source.name} was replaced")


def serving_error(error):
    place = error.__traceback__
    while place.tb_next:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
    note(f"{where}: {type(error).__name__} in a process of the server: {error}")


def raise_file_limit():
    """Raises the limit of open files as far as the system allows, and returns it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
