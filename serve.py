"""Serves models over HTTP: texts in, entities out.

    python serve.py model.etagger
    curl 'http://127.0.0.1:5000/parse?q=Sumogetti+left+Vremland.'

A model is an .etagger file, or the folder of a checkpoint, which TensorFlow runs. There is a page
at /, and /docs describes the interface. SIGTERM ends the server after the requests in flight;
SIGHUP opens models again whose files were replaced.
"""

import importlib.util
import ipaddress
import math
import os

from cli import Parser, UserError, check_readable, check_threads, note, run_command
from serving.limits import Limits

NEEDED = (
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "msgspec",
    "prometheus_client",
    "fastapi_offline",
)
MOST_WORKERS = 256
LOCAL = ("127.0.0.1", "localhost", "::1")


def parse_args():
    parser = Parser(description=__doc__)
    add_process_flags(parser)
    add_client_flags(parser)
    add_limit_flags(parser)
    add_model_flags(parser)
    return parser.parse_args()


def add_process_flags(parser):
    """Adds the models, the address, and the number of processes and threads."""
    parser.add_argument(
        "models",
        nargs="+",
        metavar="[NAME=]MODEL",
        help="an .etagger file or a checkpoint's folder; the first one answers requests without "
        "?model=NAME",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=5000, help="port; 0: any (default 5000)")
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        help="processes; 0: one for each core, and a single one where TensorFlow runs a model",
    )
    parser.add_argument(
        "--threads",
        "-j",
        type=int,
        default=0,
        help="threads for one request; 0: one in the engine, one for each core in TensorFlow",
    )


def add_client_flags(parser):
    """Adds who may send requests, and how many."""
    parser.add_argument(
        "--token",
        default="",
        help="the token that requests must send; every user of the machine can see it in the list "
        "of processes, so rather put it in the environment, ETAGGER_TOKEN, or in a file",
    )
    parser.add_argument("--token_file", default="", help="a file whose first line is the token")
    parser.add_argument(
        "--cors",
        action="append",
        default=[],
        metavar="ORIGIN",
        help="let pages of this origin, such as https://example.org, send requests; repeatable",
    )
    parser.add_argument(
        "--rate_limit",
        type=float,
        default=0.0,
        metavar="N",
        help="most requests a second of one client; further ones get 429 (default 0: no limit)",
    )
    parser.add_argument(
        "--proxy",
        default="",
        metavar="ADDRESSES",
        help="trust these proxies, separated by commas: the client's address is taken from their "
        "header X-Forwarded-For",
    )


def add_limit_flags(parser):
    """Adds the sizes and times above which a request is refused."""
    limits = Limits()
    parser.add_argument(
        "--max_bytes",
        type=int,
        default=limits.bytes,
        help=f"most bytes of a body; /tag has no limit (default {limits.bytes:,})",
    )
    parser.add_argument(
        "--max_text",
        type=int,
        default=limits.text,
        help=f"most characters of a text (default {limits.text:,})",
    )
    parser.add_argument(
        "--max_texts",
        type=int,
        default=limits.texts,
        help=f"most texts of a request (default {limits.texts:,})",
    )
    parser.add_argument(
        "--queue",
        type=int,
        default=limits.queue,
        help="most requests that wait for a model, in each process; further ones get 503 (default "
        f"{limits.queue})",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=limits.timeout,
        help="seconds in which a client must send or read 64 KB of a body, and in which requests "
        f"in flight are answered when the server ends (default {limits.timeout:g})",
    )


def add_model_flags(parser):
    """Adds how models read texts, and what they may import."""
    parser.add_argument(
        "--spacy_model",
        default="",
        help="a spaCy model's name or path: it splits texts into words and fills the POS column, "
        "but for models of characters",
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="import the encoder that a checkpoint names as module.function",
    )


def check_flags(args):
    """Checks the flags before anything large is imported. Raises UserError."""
    check_threads(args.threads)
    if not 0 <= args.port < 1 << 16:
        raise UserError(f"--port {args.port}: expected 0 to 65535")
    if not 0 <= args.workers <= MOST_WORKERS:
        raise UserError(
            f"--workers {args.workers}: expected 0 (one for each core) or at most {MOST_WORKERS}"
        )
    for name, least in (("max_bytes", 1), ("max_text", 1), ("max_texts", 1), ("queue", 1)):
        value = getattr(args, name)
        if not least <= value <= 1 << 31:
            raise UserError(f"--{name} {value}: expected {least} or more, below 2,147,483,649")
    if not 0 < args.timeout <= 86_400:
        raise UserError(f"--timeout {args.timeout:g}: expected seconds, above 0, a day at most")
    if not 0 <= args.rate_limit < math.inf:
        raise UserError(f"--rate_limit {args.rate_limit}: expected requests a second, or 0")
    if args.proxy not in ("", "*"):
        for address in args.proxy.split(","):
            check_network(address.strip())
    for origin in args.cors:
        scheme, _, rest = origin.partition("://")
        if origin != "*" and (scheme not in ("http", "https") or not rest or "/" in rest):
            raise UserError(
                f"--cors {origin}: expected an origin such as https://example.org, without a path"
            )


def check_network(address):
    """Raises UserError for what uvicorn would take for a name, which no client has."""
    try:
        ipaddress.ip_network(address)
    except ValueError:
        raise UserError(
            f"--proxy {address}: expected addresses such as 10.0.0.1, or networks such as "
            "10.0.0.0/8, separated by commas"
        ) from None


def token_of(args):
    """The token that requests must send; "" where they need none. Raises UserError."""
    if args.token and args.token_file:
        raise UserError("--token and --token_file: expected one of them")
    token = args.token or os.environ.get("ETAGGER_TOKEN", "")
    if args.token_file:
        check_readable(args.token_file, "--token_file")
        with open(args.token_file, encoding="utf-8", errors="replace") as stream:
            token = stream.readline().strip()
        if not token:
            raise UserError(f"{args.token_file}:1: empty, a token was expected")
    if token and not (token.isascii() and token.isprintable() and " " not in token):
        raise UserError("the token: expected printable ASCII without spaces, as HTTP sends it")
    return token


def check_packages():
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)}: not installed; pip install -r requirements-serve.txt"
        )


def main():
    args = parse_args()
    check_flags(args)
    token = token_of(args)
    check_packages()
    from serving.models import sources

    found = sources(args.models)
    for source in found:
        source.check()
    from serving.workers import Options, Supervisor, raise_file_limit

    in_tensorflow = not all(source.is_engine for source in found)
    workers = args.workers or (1 if in_tensorflow else len(os.sched_getaffinity(0)))
    raise_file_limit()
    options = Options(
        host=args.host,
        port=args.port,
        workers=workers,
        threads=args.threads,
        limits=Limits(args.max_bytes, args.max_text, args.max_texts, args.queue, args.timeout),
        token=token,
        rate_limit=args.rate_limit,
        cors=args.cors,
        proxy=args.proxy,
        spacy_model=args.spacy_model,
        trust=args.trust,
    )
    supervisor = Supervisor(options, found)
    if args.host not in LOCAL and not token:
        note(f"--host {args.host} without --token: whoever reaches this address may ask")
    return supervisor.run()


if __name__ == "__main__":
    run_command(main)
