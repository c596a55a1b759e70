"""A worker: one process that answers requests, with uvicorn."""

import asyncio
import contextlib
import functools
import json
import logging
import os
import resource
import signal
import socket

import uvicorn
from starlette.middleware.cors import CORSMiddleware

from cli import UserError
from serving.app import build
from serving.protocol import Protocol
from serving.service import Service

MOST_CONNECTIONS = 8192
ACCEPT_SECONDS = 0.2  # at the end, connections that are already open are accepted for so long
SPARE_FILES = 256  # descriptors for other things than connections


def main(options, sources, listener, control, metrics, row, rate):
    """Serves until SIGTERM, or until the supervisor has ended.

    listener: the listening socket. control: the socket to the supervisor.
    """
    try:
        models = [open_model(source, options) for source in sources]
    except UserError as error:
        control.send(json.dumps({"error": str(error)}).encode())
        return
    for name in ("uvicorn", "uvicorn.error", "asyncio"):
        logging.getLogger(name).disabled = True  # their messages may hold texts
    service = Service(models, options.limits, metrics, row, rate, options.token)
    del models
    app = build(service)
    quick = not options.cors and not options.proxy
    if options.cors:
        app = CORSMiddleware(
            app,
            allow_origins=options.cors,
            allow_methods=["GET", "POST"],
            allow_headers=["authorization", "content-type"],
            max_age=3600,
        )
    config = uvicorn.Config(
        app,
        http=functools.partial(
            Protocol, service=service, quick=quick, most=most_connections(options)
        ),
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(options.proxy),
        forwarded_allow_ips=options.proxy or None,
        timeout_graceful_shutdown=options.limits.timeout,
    )
    Server(config, service, control, sources, options).run(sockets=[listener])


def open_model(source, options):
    """The model of a Source. Raises UserError."""
    model = source.open(options.threads, options.trust)
    if not options.spacy_model or model.tokenizer == "characters":
        return model
    from serving.spacy_text import WithSpacy

    return WithSpacy(model, options.spacy_model)


def most_connections(options):
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return max(16, min(MOST_CONNECTIONS, files - SPARE_FILES))


class Server(uvicorn.Server):
    """uvicorn's server, which also checks its connections, and takes messages of the supervisor."""

    def __init__(self, config, service, control, sources, options):
        super().__init__(config)
        self.service, self.control, self.options = service, control, options
        self.sources = list(sources)
        self.reloading = asyncio.Lock()
        self.tasks = set()

    @contextlib.contextmanager
    def capture_signals(self):
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end)
        yield

    def _end(self):
        self.should_exit = True
        self.service.draining = True

    async def startup(self, sockets=None):
        await super().startup(sockets)
        loop = asyncio.get_running_loop()
        self.control.setblocking(False)
        loop.add_reader(self.control.fileno(), self._hear)
        self.control.send(b'{"started": true}')
        self._keep(self._look_after())

    async def shutdown(self, sockets=None):
        await asyncio.sleep(ACCEPT_SECONDS)
        await super().shutdown(sockets)

    def _keep(self, coroutine):
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _look_after(self):
        """Once a second, closes connections whose clients are too slow, and sets the gauges."""
        loop, row = asyncio.get_running_loop(), self.service.row
        while True:
            now = loop.time()
            connections = self.server_state.connections
            for connection in tuple(connections):
                connection.check(now)
            row.set("connections", len(connections))
            row.set("queue", self.service.waiting())
            slow = min(1.0, self.service.limits.timeout / 4)
            await asyncio.sleep(0.1 if self.service.draining else slow)

    def _hear(self):
        """Reads the messages of the supervisor."""
        while True:
            try:
                data, files, _, _ = socket.recv_fds(self.control, 1 << 16, 1)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            if not data:  # the supervisor has ended
                asyncio.get_running_loop().remove_reader(self.control.fileno())
                self._end()
                return
            said = json.loads(data)
            self._keep(self._reload(said["reload"], files[0] if files else None))

    async def _reload(self, index, descriptor):
        """Opens the new model and then serves it in place of the old one.

        index: of the source. descriptor: of the open file; None for a checkpoint.
        """
        loop = asyncio.get_running_loop()
        source = self.sources[index].replaced(descriptor)
        async with self.reloading:
            try:
                model = await loop.run_in_executor(None, open_model, source, self.options)
            except Exception as error:
                why = str(error) if isinstance(error, UserError) else type(error).__name__
                said = f"{why}; the model {source.name} that was opened before is served on"
                with contextlib.suppress(OSError):
                    self.control.send(json.dumps({"error": said}).encode())
            else:
                self.service.replace(model)
            finally:
                if descriptor is not None:
                    os.close(descriptor)
