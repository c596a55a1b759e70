"""The description of the interface, OpenAPI 3.1. FastAPI describes its own routes; those that tag
texts, which are added with add_route, are described here.
"""

from typing import Any

import msgspec
from pydantic import BaseModel

from serving.columns import DELIMITERS
from serving.requests import (
    INPUTS_EXAMPLE,
    MOST_READINGS,
    PARSE_EXAMPLE,
    TASKS_EXAMPLE,
    UNITS,
    Group,
    Inputs,
    ParseBody,
    Parsed,
    ParsedTexts,
    Tasks,
)


class Error(BaseModel):
    """The body of every answer whose status is not 200."""

    error: str


class Health(BaseModel):
    status: str
    model_class: str


class Version(BaseModel):
    model_version: str


class Model(BaseModel):
    """A model that is served. version: it changes when the model is replaced. columns: those of
    word, pos and chunk that the model uses.
    """

    name: str
    kind: str
    version: str
    tokenizer: str
    types: list[str]
    tags: list[str]
    columns: list[str]


class Models(BaseModel):
    """default: the model for requests that name none. limits: a larger request gets 413."""

    models: list[Model]
    default: str
    limits: dict[str, int]
    version: str


def describe(app, service):
    """The description of an application, as a dict."""
    from fastapi.openapi.utils import get_openapi

    whole = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    (body, parsed, parsed_texts, inputs, group, tasks), schemas = msgspec.json.schema_components(
        (ParseBody, Parsed, ParsedTexts, Inputs, Group, Tasks),
        ref_template="#/components/schemas/{name}",
    )
    # a body has either text or texts, which a struct cannot express
    schemas["ParseBody"]["oneOf"] = [{"required": ["text"]}, {"required": ["texts"]}]
    error_schema = Error.model_json_schema()
    whole.setdefault("components", {}).setdefault("schemas", {}).update(
        {**schemas, "Error": error_schema}
    )
    whole["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    models = sorted(service.models)
    whole["paths"].update(_parse(body, parsed, parsed_texts, models))
    whole["paths"].update(_tag(models))
    whole["paths"].update(_others(inputs, group, tasks, models))
    for path, operations in whole["paths"].items():
        for operation in operations.values():
            _finish(operation, is_open=path in ("/health", "/ready"))
    return whole


def _finish(operation, is_open):
    """Adds the errors and the security scheme that all operations share."""
    errors = operation.pop("errors", {}) | {"429": "too many requests of this client"}
    if not is_open:
        errors["401"] = "the token is missing or wrong, where the server asks for one"
        operation["security"] = [{}, {"token": []}]
    else:
        del errors["429"]
        errors["503"] = "the server is about to end"
    operation["responses"].pop("422", None)
    for status, about in sorted(errors.items()):
        operation["responses"][status] = {
            "description": about,
            "content": _json({"$ref": "#/components/schemas/Error"}),
        }


def _json(schema, example=None):
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"application/json": content}


def _parameter(name, about, schema, required=False, place="query"):
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": about,
        "schema": schema,
    }


def _model(models):
    about = f"one of {', '.join(models)}; default: the first that was named"
    return _parameter("model", about, {"type": "string", "enum": models})


def _flag(name, about, default):
    return _parameter(name, about, {"type": "boolean", "default": default})


_TAGGING_ERRORS = {
    "400": "the request is not as described",
    "404": "there is no such model",
    "408": "the body came too slowly",
    "413": "a text, the texts or the body are above a limit, which the message names",
    "415": "the body is compressed",
    "503": "too many requests wait; Retry-After says when to ask again",
}


def _parse(body, parsed, parsed_texts, models):
    options = [
        _model(models),
        _parameter(
            "offsets",
            "the unit of start and end",
            {"type": "string", "enum": list(UNITS), "default": UNITS[0]},
        ),
        _flag("split", "split each line into sentences", False),
        _flag("scores", "answer the probability of each entity", True),
        _parameter(
            "nbest",
            "answer as many readings of the text besides, the best first",
            {"type": "integer", "minimum": 0, "maximum": MOST_READINGS, "default": 0},
        ),
        _flag("tokens", "answer the tokens and their tags besides", False),
    ]
    text = _parameter("q", "the text", {"type": "string", "minLength": 1}, required=True)
    get = {
        "summary": "The entities of a text",
        "operationId": "parse_get",
        "tags": ["tagging"],
        "parameters": [text, *options],
        "responses": {"200": {"description": "what was found", "content": _json(parsed)}},
        "errors": _TAGGING_ERRORS,
    }
    post = {
        "summary": "The entities of a text, or of several",
        "description": f"The body is {PARSE_EXAMPLE}. Several texts are answered as `results`.",
        "operationId": "parse_post",
        "tags": ["tagging"],
        "parameters": options,
        "requestBody": {
            "required": True,
            "content": _json(body, {"text": "Sumogetti left Vremland."}),
        },
        "responses": {
            "200": {
                "description": "what was found",
                "content": _json({"anyOf": [parsed, parsed_texts]}),
            }
        },
        "errors": _TAGGING_ERRORS,
    }
    return {"/parse": {"get": get, "post": post}}


def _tag(models):
    columns = {"text/plain": {"schema": {"type": "string", "format": "binary"}}}
    post = {
        "summary": "Columns in, and the same columns with the tag after them out",
        "description": "CoNLL columns, a token a line and a blank line after each sentence. The "
        "answer begins while the body still comes, whatever its size. A bad row that comes later "
        "breaks the connection: the answer then has no end.",
        "operationId": "tag",
        "tags": ["tagging"],
        "parameters": [
            _model(models),
            _parameter(
                "columns",
                "the columns in order, such as `word pos chunk tag`, _ to ignore one; default: by "
                "their number",
                {"type": "string"},
            ),
            _parameter(
                "delimiter",
                "tab: each single tab separates columns; space: spaces and tabs do; default: as "
                "the model was trained",
                {"type": "string", "enum": list(DELIMITERS)},
            ),
        ],
        "requestBody": {"required": True, "content": columns},
        "responses": {"200": {"description": "the rows and their tags", "content": columns}},
        "errors": {
            **{status: about for status, about in _TAGGING_ERRORS.items() if status != "413"},
            "415": "the body is of another type than text, or compressed",
        },
    }
    return {"/tag": {"post": post}}


def _others(inputs, group, tasks, models):
    groups = {"type": "array", "items": group}
    huggingface = {
        "summary": "Token classification as HuggingFace's API has it",
        "description": f"The body is {INPUTS_EXAMPLE}; a list of texts gets a list of lists.",
        "operationId": "huggingface",
        "tags": ["HuggingFace"],
        "parameters": [
            _parameter("model", "the model", {"type": "string", "enum": models}, True, "path")
        ],
        "requestBody": {
            "required": True,
            "content": _json(inputs, {"inputs": "Sumogetti left Vremland."}),
        },
        "responses": {
            "200": {
                "description": "the entities",
                "content": _json({"anyOf": [groups, {"type": "array", "items": groups}]}),
            }
        },
        "errors": _TAGGING_ERRORS,
    }
    predict = {
        "summary": "Predictions as Label Studio asks its ML backends for them",
        "description": f"The body is {TASKS_EXAMPLE}.",
        "operationId": "label_studio",
        "tags": ["Label Studio"],
        "parameters": [_model(models)],
        "requestBody": {"required": True, "content": _json(tasks)},
        "responses": {
            "200": {
                "description": "a prediction for each task",
                "content": _json(
                    {
                        "type": "object",
                        "required": ["results"],
                        "properties": {"results": {"type": "array", "items": {"type": "object"}}},
                    }
                ),
            }
        },
        "errors": _TAGGING_ERRORS,
    }
    return {"/models/{model}": {"post": huggingface}, "/predict": {"post": predict}}
