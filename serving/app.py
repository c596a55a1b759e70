"""The HTTP application: FastAPI for routes, validation and the description of the interface.

The routes that tag texts are added with add_route: their bodies are read by msgspec, which costs a
fraction of what FastAPI's validation costs, and openapi.py describes them. Gate, around the
application, does what every request needs: tokens, rate limit, counters, and errors as
{"error": "..."}.
"""

import sys
import time
import traceback

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, Response
from starlette.exceptions import HTTPException

from cli import __version__, note
from serving.columns import Body, Columns, Gone, check_coding, closing_is_gone
from serving.openapi import Health, Models, Version, describe
from serving.pages import docs_files, page_files
from serving.requests import Refusal, encode, read_huggingface, read_label_studio, read_parse

JSON = "application/json"
OPEN = {"/health", "/ready", "/openapi.json"}  # these and the pages' files need no token
# FastAPI would hand exceptions and addresses, which hold texts, to OpenTelemetry
NO_TELEMETRY = dict.fromkeys(
    ("tracing", "metrics", "logs", "operation_spans", "auto_configure"), False
)
OWN_MISTAKE = Refusal(500, "a mistake of the server's; its log names the place")
DRAIN_BYTES = 1 << 24  # so much of a refused body is read, so that the client sees the answer


def build(service):
    """The ASGI application of a Service."""
    app = FastAPI(
        title="etagger",
        version=__version__,
        description='Texts in, entities out. Every error is {"error": "..."}.',
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry=NO_TELEMETRY,
    )
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(Exception, _own_mistake)
    _tagging_routes(app, service)
    _other_routes(app, service)
    files = {**page_files(), **docs_files()}
    for path in files:
        app.add_route(path, _file(files[path]), ["GET"], include_in_schema=False)
    return Gate(app, service, OPEN | files.keys())


def _tagging_routes(app, service):
    async def parse(request):
        return await _answer(service, request, read_parse, request.method)

    async def huggingface(request):
        return await _answer(service, request, read_huggingface, request.path_params["model"])

    async def label_studio(request):
        return await _answer(service, request, read_label_studio, request.method)

    app.add_route("/parse", parse, ["GET", "POST"])
    app.add_route("/tag", Columns(service), ["POST"])
    app.add_route("/models/{model}", huggingface, ["POST"])
    app.add_route("/predict", label_studio, ["POST"])


async def _answer(service, request, read, about):
    """Reads a request by one of the functions read_..., and answers it."""
    body = await read_body(request.receive, request.headers, service.limits.bytes)
    query = request.scope["query_string"]
    job = read(service, about, query, body)
    answer = await service.answer(job, len(query) + len(body))
    return Response(answer, media_type=JSON, headers={"cache-control": "no-store"})


async def read_body(receive, headers, most):
    """A request's body. Raises Refusal where it is compressed or has more than `most` bytes."""
    check_coding(headers.raw)
    length = headers.get("content-length", "")
    body = Body(receive)
    if length.isdigit() and int(length) > most:
        await _drain(body, int(length))
        raise too_large(most)
    pieces, size = [], 0
    while piece := await body.read():
        size += len(piece)
        if size > most:
            await _drain(body, DRAIN_BYTES)
            raise too_large(most)
        pieces.append(piece)
    return b"".join(pieces)


async def _drain(body, size):
    """Reads the rest of a refused body, unless it is huge: a client that is still writing does not
    read the answer.
    """
    left = DRAIN_BYTES if size <= DRAIN_BYTES else 0
    while left > 0 and (piece := await body.read()):
        left -= len(piece)


def too_large(most):
    return Refusal(
        413,
        f"the body has more than {most:,} bytes (--max_bytes); send the texts in parts",
        [(b"connection", b"close")],
    )


# ---------------------------------------------------------------- the other routes


def _other_routes(app, service):
    @app.get("/model", summary="What is served", response_model=Models, tags=["about"])
    async def model():
        return Response(encode(models_info(service)), media_type=JSON)

    @app.get("/health", summary="Whether this process lives", response_model=Health, tags=["about"])
    async def health():
        # the answer that Label Studio expects
        return Response(b'{"status":"UP","model_class":"etagger"}', media_type=JSON)

    @app.get("/ready", summary="Whether requests are taken", response_model=Health, tags=["about"])
    async def ready():
        if service.draining:
            raise Refusal(503, "the server is about to end", [(b"retry-after", b"1")])
        return Response(b'{"status":"UP","model_class":"etagger"}', media_type=JSON)

    @app.get(
        "/metrics",
        summary="Counters, for Prometheus",
        response_class=PlainTextResponse,
        tags=["about"],
    )
    async def metrics():
        service.row.set("queue", service.waiting())
        return Response(
            service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    @app.post(
        "/setup", summary="Label Studio connects", response_model=Version, tags=["Label Studio"]
    )
    async def setup():
        return Response(encode({"model_version": service.served().version}), media_type=JSON)

    description = {}

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi():
        if not description:
            description["json"] = encode(describe(app, service))
        return Response(description["json"], media_type=JSON)

    for each in (model, health, ready, metrics):  # some load balancers ask by HEAD
        app.add_api_route(f"/{each.__name__}", each, methods=["HEAD"], include_in_schema=False)
    app.add_api_route("/openapi.json", openapi, methods=["HEAD"], include_in_schema=False)


def models_info(service):
    limits = service.limits
    return {
        "models": [served.info for served in service.models.values()],
        "default": service.default,
        "limits": {
            "max_bytes": limits.bytes,
            "max_text": limits.text,
            "max_texts": limits.texts,
        },
        "version": __version__,
    }


def _file(file):
    async def send(request):
        known = request.headers.get("if-none-match", "")
        if file.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=file.headers)
        return Response(file.body, headers=file.headers)

    return send


# ---------------------------------------------------------------- errors


async def _http_error(request, error):
    allow = (error.headers or {}).get("Allow") or (error.headers or {}).get("allow")
    message = str(error.detail)
    if error.status_code == 404:
        message = "there is nothing at this address; /docs lists what there is"
    elif error.status_code == 405:
        message = f"{request.method} is not answered here" + (f", but {allow} is" if allow else "")
    headers = [(b"allow", allow.encode())] if allow else []
    return _refused(Refusal(error.status_code, message, headers))


async def _validation_error(request, error):
    first = error.errors()[0]
    place = ".".join(map(str, first.get("loc", ())))
    return _refused(Refusal(400, f"{place}: {first.get('msg', 'not valid')}"))


async def _refusal(request, error):
    return _refused(error)


async def _own_mistake(request, error):
    """Starlette raises the exception again after this answer, and Gate notes it."""
    return _refused(OWN_MISTAKE)


def _refused(refusal):
    response = Response(refusal.body(), refusal.status, media_type=JSON)
    response.raw_headers.extend(refusal.headers)
    return response


# ---------------------------------------------------------------- around every request


def route_of(path):
    """The name in metrics.ROUTES under which requests for a path are counted."""
    if path == "/parse":
        return "parse"
    if path == "/tag":
        return "tag"
    if path == "/predict":
        return "label_studio"
    return "huggingface" if path.startswith("/models/") else "other"


class Gate:
    """Passes requests on to an ASGI application, and counts them.

    is_open: the paths that need no token. An exception that is a mistake of the server is answered
    with 500, and noted without its message, which may hold a text of the request.
    """

    def __init__(self, app, service, is_open):
        self.app, self.service, self.is_open = app, service, is_open

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        started, path, status = time.perf_counter(), scope["path"], 0

        async def sending(message):
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            with closing_is_gone():
                await send(message)

        try:
            if path not in self.is_open and "etagger.admitted" not in scope:
                client = scope["client"]
                self.service.admit(scope["headers"], client[0] if client else "")
            await self.app(scope, receive, sending)
        except Refusal as refusal:
            await self._refuse(refusal, sending)
        except Gone:
            status = status or 499
        except Exception as error:
            note_error(error)
            if not status:
                await self._refuse(OWN_MISTAKE, sending)
        finally:
            self.service.row.request(route_of(path), status, time.perf_counter() - started)

    @staticmethod
    async def _refuse(refusal, send):
        body = refusal.body()
        head = [
            (b"content-type", JSON.encode()),
            (b"content-length", str(len(body)).encode()),
            *refusal.headers,
        ]
        await send({"type": "http.response.start", "status": refusal.status, "headers": head})
        await send({"type": "http.response.body", "body": body})


def note_error(error):
    """Notes the place and the class of an exception, but not its message."""
    place = traceback.extract_tb(sys.exc_info()[2])[-1]
    note(f"{place.filename}:{place.lineno}: {type(error).__name__} in a request; please report it")
