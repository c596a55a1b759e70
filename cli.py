"""What every command shares: one-line errors and exit codes, atomic files, progress, the version.

Standard library only, so that the scorers start at once and a user's mistake is told before
TensorFlow is imported.
"""

import argparse
import contextlib
import difflib
import os
import re
import sys
import tempfile
import time

__version__ = "0.1.0"


class UserError(Exception):
    """A mistake of the user: one line `file:line: what is wrong, what was expected, how to mend
    it`; exit code 2.
    """


def run_command(main):
    """Runs a command's `main()` and exits as every command of the house does.

    UserError: one line on standard error, exit code 2. Ctrl-C: 130. A reader that goes away:
    quietly 0. An error of the operating system (file not found, disk full): one line, exit code 2.
    """
    try:
        code = main() or 0
        sys.stdout.flush()
    except UserError as error:
        code = _say(str(error), 2)
    except KeyboardInterrupt:
        code = _say("interrupted", 130)
    except BrokenPipeError:
        code = 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        code = _say(f"{where}{error.strerror or error}", 2)
    if code in (0, 2):
        _close_stdout()
    sys.exit(code)


def _say(message, code):
    print(f"{os.path.basename(sys.argv[0])}: {message}", file=sys.stderr, flush=True)
    return code


def _close_stdout():
    """Flushes standard output now, so that a closed pipe or a full disk is not reported again while
    Python exits.
    """
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line, and which suggests the nearest flag for a misspelled one."""

    def __init__(self, **kwargs):
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )
        self.add_argument("--version", action="version", version=f"etagger {__version__}")

    def parse_args(self, args=None, namespace=None):
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(
                f"unknown argument {unknown[0]}{suggest(unknown[0].split('=')[0], self._option_string_actions)}"
            )
        return parsed

    def error(self, message):
        raise UserError(f"{message}; see --help")


def suggest(word, known):
    """' (did you mean X?)' for the nearest of `known`, or ''."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def parse_bool(text):
    """'True', 'false', '1', 'no' ... -> bool. Raises argparse's error for anything else."""
    value = {
        "true": True,
        "1": True,
        "yes": True,
        "on": True,
        "false": False,
        "0": False,
        "no": False,
        "off": False,
    }.get(str(text).lower())
    if value is None:
        raise argparse.ArgumentTypeError(f"expected True or False, not {text!r}")
    return value


def compile_regex(pattern, flag):
    """A regular expression. Raises UserError where the value of `flag` is none."""
    try:
        return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UserError(
            f"{flag} {pattern!r}: not a regular expression ({error}); mend it, or give a scope such as encoder/"
        ) from None


def check_readable(path, flag):
    """Raises UserError when `path`, the value of `flag`, is not a file that can be read."""
    if not os.path.exists(path):
        raise UserError(f"{path}: no such file; check {flag}")
    if os.path.isdir(path):
        raise UserError(f"{path}: is a directory, a file was expected; check {flag}")
    if not os.access(path, os.R_OK):
        raise UserError(f"{path}: permission denied; check {flag}")


def check_writable(path, flag):
    """Raises UserError when `path`, the value of `flag`, can not become a file."""
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
    there = os.path.abspath(path)
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise UserError(f"{path}: {there} is not a folder; check {flag}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UserError(f"{path}: permission denied; check {flag}")


def _is_special(path):
    """Whether `path` is a pipe or a device, which can not be renamed over."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


@contextlib.contextmanager
def atomic_write(path, mode="wb", **kwargs):
    """A file that bears its name only once it is whole: written beside `path`, flushed to disk,
    then renamed.
    """
    if _is_special(path):
        with open(path, mode, **kwargs) as out:
            yield out
        return
    path = os.path.realpath(path)  # a link stays one
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
            error.filename = error.filename or path  # a full disk is told without a name
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


class Progress:
    """Progress of long work on standard error: a bar on a terminal, a plain line every `every`
    seconds elsewhere.
    """

    def __init__(self, what, total, every=30.0, begun=0):
        """begun: how many were finished before this work began, so that the time left is not told
        too short.
        """
        self.what, self.total, self.every, self.begun = what, total, every, begun
        self.terminal = sys.stderr.isatty()
        self.start = self.last = time.monotonic()

    def update(self, done, extra=""):
        """`done` of `total` (0: unknown) is finished; `extra` is shown behind it, such as 'loss
        0.41'.
        """
        now = time.monotonic()
        if now - self.last < (0.2 if self.terminal else self.every):
            return
        self.last = now
        text = f"{self.what} {done:,}"
        if self.total:
            left = (now - self.start) / max(done - self.begun, 1) * (self.total - done)
            text = f"{self.what} {done:,}/{self.total:,} {100 * done // self.total}%, {_clock(left)} left"
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
