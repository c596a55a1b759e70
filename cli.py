"""What every command shares: one-line errors and exit codes, atomic files, progress, the version.

Standard library only, so that a user's mistake is reported before TensorFlow is imported. What is
needed by some commands, or at a mistake alone, is imported in its function, so that the scorers
start at once.
"""

import argparse
import contextlib
import errno
import io
import os
import re
import select
import signal
import sys
import threading
import time

__version__ = "0.1.0"


class UserError(Exception):
    """A mistake of the user. Its text is one line: `file:line: what is wrong, what was expected,
    how to mend it`. A command that raises it exits with 2.
    """


# ---------------------------------------------------------------- how a command runs


def run_command(main):
    """Runs a command's `main()` and exits as every command does.

    UserError: one line on standard error, exit code 2. Ctrl-C: exit code 130. SIGTERM and SIGHUP:
    128 plus their number, after temporary files are removed. A broken pipe: exit code 0, without a
    message. An error of the operating system (file not found, disk full): one line, exit code 2.
    """
    take_standard_streams()
    with _ending_signals():
        try:
            code = _finish(main)
        except UserError as error:
            code = _say(str(error), 2)
        except KeyboardInterrupt:
            code = _say("interrupted", 130)
        except Terminated as end:
            code = _say(f"ended by {signal.Signals(end.number).name}", 128 + end.number)
        except UnicodeEncodeError as error:  # raised by TensorFlow for a path
            code = _say(f"{error.object!r:.200}: not UTF-8, but UTF-8 was expected here", 2)
        except BrokenPipeError:
            code = 0
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            code = _say(f"{where}{error.strerror or error}", 2)
        _close_stdout()
    sys.exit(code)


def _finish(main):
    """Runs main and writes out what is left for standard output. Returns the exit code."""
    try:
        code = main() or 0
    except SystemExit as end:  # --help and --version
        code = end.code or 0
    except Exception:
        if _ended_by:  # the code that was interrupted turned Terminated into another exception
            raise Terminated(_ended_by[0]) from None
        raise
    sys.stdout.flush()
    return code


def note(message):
    """Prints a line on standard error that begins with the name of the command that runs; with
    `etagger` in an interactive Python, where there is none.
    """
    name = os.path.basename(sys.argv[0])
    if name in ("", "-c"):
        name = "etagger"
    print(f"{name}: {message}", file=sys.stderr, flush=True)


def _say(message, code):
    note(message)
    return code


def _close_stdout():
    """Flushes standard output now, so that a closed pipe or a full disk is not reported again while
    Python exits.
    """
    try:
        sys.stdout.flush()
    except (OSError, UserError):
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, sys.stdout.fileno())
        os.close(null_device)


# ---------------------------------------------------------------- signals

ENDING = (signal.SIGTERM, signal.SIGHUP)

_ended_by = []  # the signals of ENDING that have reached this process


class Terminated(BaseException):
    """Raised where a signal of ENDING reaches a command, so that temporary files are removed."""

    def __init__(self, number):
        super().__init__(number)
        self.number = number


def _terminate(number, _):
    _ended_by.append(number)
    raise Terminated(number)


@contextlib.contextmanager
def _ending_signals():
    """Within it, SIGTERM and SIGHUP raise Terminated. One that is ignored (nohup) stays ignored."""
    hook = sys.unraisablehook
    sys.unraisablehook = _send_again
    ending = [number for number in ENDING if signal.getsignal(number) == signal.SIG_DFL]
    try:
        with _handlers(dict.fromkeys(ending, _terminate)):
            yield
    finally:
        sys.unraisablehook = hook


def _send_again(unraisable):
    """Sends a signal again that came while a destructor ran: Python drops its exception."""
    error = unraisable.exc_value
    if isinstance(error, (KeyboardInterrupt, Terminated)):
        number = getattr(error, "number", signal.SIGINT)
        again = threading.Timer(0.05, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(unraisable)


@contextlib.contextmanager
def taking_over_signals(handler):
    """Within it, handler(number, frame) is called at Ctrl-C, and at SIGTERM and SIGHUP where they
    would end a command. It changes nothing outside of the main thread.
    """
    ending = [number for number in ENDING if signal.getsignal(number) is _terminate]
    with _handlers(dict.fromkeys([signal.SIGINT, *ending], handler)):
        yield


@contextlib.contextmanager
def _handlers(handlers):
    before = {}
    try:
        with contextlib.suppress(ValueError):  # only the main thread can set them
            for number, handler in handlers.items():
                before[number] = signal.signal(number, handler)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


# ---------------------------------------------------------------- standard input, output and error


class _Standard(io.RawIOBase):
    """Standard input (descriptor 0), output (1) or error (2).

    Where another process has made a shared terminal or pipe non-blocking, reading and writing wait.
    What standard error does not take is dropped: hours of work must not end because of a message.
    """

    NAMES = ("standard input", "standard output", "standard error")

    def __init__(self, descriptor):
        self.descriptor = descriptor
        self.name = ("<stdin>", "<stdout>", "<stderr>")[descriptor]

    def fileno(self):
        return self.descriptor

    def isatty(self):
        return os.isatty(self.descriptor)

    def readable(self):
        return self.descriptor == 0

    def writable(self):
        return self.descriptor > 0

    def readinto(self, buffer):
        return self._do(lambda: os.readv(0, [buffer]), select.POLLIN)

    def write(self, data):
        try:
            return self._do(lambda: os.write(self.descriptor, data), select.POLLOUT)
        except (OSError, UserError):
            if self.descriptor == 2:
                return len(data)
            raise

    def _do(self, call, event):
        while True:
            try:
                return call()
            except BlockingIOError:
                ready = select.poll()
                ready.register(self.descriptor, event)
                ready.poll()
            except OSError as error:
                error.filename = self.NAMES[self.descriptor]
                if error.errno == errno.EBADF:
                    raise _closed(self.descriptor) from None
                raise


def _closed(descriptor):
    """The UserError of a command that needs a standard stream which is closed."""
    mend = ("< FILE", "> FILE, or > /dev/null", "")[descriptor]
    return UserError(f"{_Standard.NAMES[descriptor]} is closed; open it, such as with {mend}")


def take_standard_streams():
    """Puts _Standard under sys.stdin, sys.stdout and sys.stderr, unless a program replaced them.

    Where a descriptor is closed (`<&-`, `>&-`, `2>&-`) the next file that is opened would get its
    number, and messages or results would be written into it. So its number is reserved: reading
    and writing fail, and what is written to standard error is lost.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        _reserve(descriptor)
        stream = getattr(sys, name)
        if stream is not None and stream is not getattr(sys, f"__{name}__"):
            continue
        if stream is not None and descriptor:
            with contextlib.suppress(OSError):
                stream.flush()
        raw = _Standard(descriptor)
        unbuffered = getattr(stream, "write_through", False)  # python -u
        text = io.TextIOWrapper(
            io.BufferedWriter(raw) if descriptor else io.BufferedReader(raw, 1 << 16),
            encoding=getattr(stream, "encoding", None),
            # a path that is not UTF-8 is printed as the bytes that it has
            errors="backslashreplace" if descriptor == 2 else "surrogateescape",
            line_buffering=descriptor == 2 or raw.isatty() or unbuffered,
        )
        setattr(sys, name, text)


def _reserve(descriptor):
    """Gives the number of a closed standard stream to /dev/null. Standard input is opened for
    writing and standard output for reading, so that their use fails (as in gnulib's stdopen);
    standard error takes what is written and drops it.
    """
    try:
        os.fstat(descriptor)
    except OSError:
        null_device = os.open(os.devnull, os.O_RDONLY if descriptor == 1 else os.O_WRONLY)
        if null_device != descriptor:
            os.dup2(null_device, descriptor)
            os.close(null_device)
        os.set_inheritable(descriptor, True)


if None in (sys.stdin, sys.stdout, sys.stderr):  # also where a user's program imports this
    take_standard_streams()


def check_stream(descriptor):
    """Raises UserError where standard input (0) or output (1) is closed: for commands that would
    find out only when their work is done.
    """
    try:
        if descriptor == 0:
            os.read(0, 0)
        else:
            os.write(1, b"")
    except OSError as error:
        if error.errno == errno.EBADF:
            raise _closed(descriptor) from None


# ---------------------------------------------------------------- flags


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are one line, with the nearest flag for a misspelled one."""

    def __init__(self, **kwargs):
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )
        self.add_argument("--version", action="version", version=f"etagger {__version__}")

    def parse_args(self, args=None, namespace=None):
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            flag = unknown[0].split("=")[0]
            nearest = suggest(flag, self._option_string_actions)
            self.error(f"unknown argument {unknown[0]}{nearest}")
        return parsed

    def error(self, message):
        raise UserError(f"{message}; see --help")


def suggest(word, known):
    """' (did you mean X?)' for the nearest of `known`, or ''."""
    import difflib

    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def parse_bool(text):
    """'True', 'false', '1', 'no' ... -> bool. Raises argparse's error for anything else."""
    word = str(text).lower()
    if word in ("true", "1", "yes", "on"):
        return True
    if word in ("false", "0", "no", "off"):
        return False
    raise argparse.ArgumentTypeError(f"expected True or False, not {text!r}")


def compile_regex(pattern, flag):
    """The compiled `pattern`. Raises UserError, with the name of its flag, where it is not a
    regular expression.
    """
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UserError(
            f"{flag} {pattern!r}: not a regular expression ({error}); mend it, or give a scope "
            "such as encoder/"
        ) from None


MAX_THREADS = 1024  # many thousands of threads end the process


def add_threads_flag(parser):
    """Adds --threads, for the commands that run a network. See check_threads."""
    parser.add_argument(
        "--threads", "-j", type=int, default=0, help="threads; 0: one for each core"
    )


def check_threads(count):
    """Raises UserError for a --threads below 0 or above MAX_THREADS."""
    if not 0 <= count <= MAX_THREADS:
        raise UserError(
            f"--threads {count}: expected 0 (one for each core) or at most {MAX_THREADS:,}"
        )


# ---------------------------------------------------------------- files


def check_readable(path, flag):
    """Raises UserError when `path`, the value of `flag`, is not a file that can be read."""
    if not os.path.exists(path):
        raise UserError(f"{path}: no such file; check {flag}")
    if os.path.isdir(path):
        raise UserError(f"{path}: is a directory, a file was expected; check {flag}")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path}: permission denied; check {flag}")


def check_writable(path, flag):
    """Raises UserError when `path`, the value of `flag`, cannot become a file."""
    folder = os.path.dirname(os.path.abspath(path))
    if os.path.isdir(path):
        raise UserError(f"{path}: is a directory, a file was expected; check {flag}")
    if not os.path.isdir(folder):
        raise UserError(f"{path}: there is no folder {folder}; make it, or check {flag}")
    if not os.access(path if _is_special(path) else folder, os.W_OK):
        raise UserError(f"{path}: permission denied; check {flag}")


def check_folder(path, flag):
    """Raises UserError when the folder `path`, the value of `flag`, can neither be written to nor
    made.
    """
    nearest = os.path.abspath(path)
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    if not os.path.isdir(nearest):
        raise UserError(f"{path}: {nearest} is not a folder; check {flag}")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(f"{path}: permission denied; check {flag}")


def _is_special(path):
    """Whether `path` is a pipe or a device, which cannot be replaced by renaming a file."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


@contextlib.contextmanager
def atomic_write(path, mode="wb", **kwargs):
    """Opens a file that is written atomically: beside `path`, flushed to disk, then renamed. After
    an error nothing is left of it, and what was at `path` before is unchanged.
    """
    import tempfile

    if _is_special(path):
        with open(path, mode, **kwargs) as out:
            yield out
        return
    path = os.path.realpath(path)  # a symbolic link stays, and its target is replaced
    handle, beside = tempfile.mkstemp(
        prefix=f".{os.path.basename(path)}.", dir=os.path.dirname(path)
    )
    try:
        with os.fdopen(handle, mode, **kwargs) as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.chmod(beside, 0o666 & ~_umask())
        os.replace(beside, path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
            error.filename = error.filename or path  # the error of a full disk names no file
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


# ---------------------------------------------------------------- progress


class Progress:
    """Progress of long work on standard error: a bar on a terminal; elsewhere a plain line every
    `every` seconds.
    """

    def __init__(self, what, total, every=30.0, begun=0):
        """begun: how many of `total` were finished before this work began; the estimate of the time
        that is left does not count them.
        """
        self.what, self.total, self.every, self.begun = what, total, every, begun
        self.terminal = sys.stderr.isatty()
        self.start = self.last = time.monotonic()

    def update(self, done, extra=""):
        """Shows that `done` of `total` (0: unknown) are finished, and after that `extra`, such as
        'loss 0.41'.
        """
        now = time.monotonic()
        if now - self.last < (0.2 if self.terminal else self.every):
            return
        self.last = now
        text = f"{self.what} {done:,}"
        if self.total:
            left = (now - self.start) / max(done - self.begun, 1) * (self.total - done)
            percent = 100 * done // self.total
            text = f"{self.what} {done:,}/{self.total:,} {percent}%, {_clock(left)} left"
            if self.terminal:
                filled = 24 * done // self.total
                text = f"[{'#' * filled}{'.' * (24 - filled)}] {text}"
        text += f", {extra}" if extra else ""
        sys.stderr.write(f"\r\033[K{text}" if self.terminal else f"{text}\n")
        sys.stderr.flush()

    def close(self):
        if self.terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


def _clock(seconds):
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


def file_hash(*paths):
    """sha256 of one or several files, one after the other, in hexadecimal."""
    import hashlib

    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as stream:
            while data := stream.read(1 << 20):
                digest.update(data)
    return digest.hexdigest()
