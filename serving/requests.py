"""Requests and answers of the routes that tag texts.

Each route has a function read_... that reads a request into a Job (a model, texts, options), and a
function _write_... that makes the answer of the entities that were found. `run` tags, on the event
loop or in a lane. A bad request raises Refusal; nothing is ever truncated.
"""

import difflib
import xml.etree.ElementTree
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec
from msgspec import UNSET, Struct, UnsetType

from serving.texts import readings_of, tokens_of

UNITS = ("codepoints", "utf16", "bytes")
MOST_READINGS = 100

encode = msgspec.json.Encoder().encode


class Refusal(Exception):
    """A request that is refused. status: of HTTP. headers: (name, value) pairs of bytes."""

    def __init__(self, status, message, headers=()):
        super().__init__(message)
        self.status, self.message, self.headers = status, message, list(headers)

    def body(self):
        return encode({"error": self.message})


class Options(NamedTuple):
    """How the texts of a request are tagged. Requests with equal options are tagged together."""

    split: bool = False
    offsets: str = "codepoints"
    scores: bool = True
    nbest: int = 0
    tokens: bool = False


class Found(NamedTuple):
    """What was found in a text."""

    entities: list  # TextEntities
    readings: Any = None  # list of TextReading; None where the request asks for none
    tokens: Any = None  # a list of (start, end, tag) for each sentence; None likewise


class Job(NamedTuple):
    """A request that was read. write(job, found) returns the body of its answer, where found is a
    list of Found.
    """

    served: Any  # service.Served
    texts: list
    options: Options
    write: Callable
    extra: Any = None  # what else `write` needs


def run(model, texts, options):
    """Tags texts: a list with a Found for each."""
    split, offsets, scores, nbest, tokens = options
    found = [Found(entities) for entities in model.entities(texts, split, offsets, scores)]
    if nbest:
        found = [
            of_text._replace(readings=readings_of(model, text, split, offsets, nbest))
            for of_text, text in zip(found, texts)
        ]
    if tokens:
        found = [
            of_text._replace(tokens=tokens_of(model, text, split, offsets))
            for of_text, text in zip(found, texts)
        ]
    return found


# ---------------------------------------------------------------- parameters


def read_query(query, known):
    """Parses a query string (bytes): {name: value}. known: the names of all parameters.

    Raises Refusal for bytes that are not UTF-8, an unknown name, and a name that is given twice.
    """
    found = {}
    for part in query.split(b"&"):
        if not part:
            continue
        name, _, value = part.partition(b"=")
        try:
            name = _unquote(name)
            value = _unquote(value)
        except UnicodeDecodeError:
            raise Refusal(400, "the address holds bytes that are not UTF-8") from None
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise Refusal(
                400, f"unknown parameter {name[:40]!r}{hint}; known are {', '.join(known)}"
            )
        if name in found:
            raise Refusal(400, f"the parameter {name!r} is given twice")
        found[name] = value
    return found


def _unquote(part):
    if b"%" in part or b"+" in part:
        part = unquote_to_bytes(part.replace(b"+", b" "))
    return part.decode()


_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_PARSE = ("model", "offsets", "split", "scores", "nbest", "tokens")


def _options(query):
    if len(query) <= ("model" in query):
        return _PLAIN
    values = {name: _flag(query, name) for name in ("split", "scores", "tokens") if name in query}
    if (offsets := query.get("offsets", "codepoints")) not in UNITS:
        raise Refusal(400, f"offsets={offsets[:40]!r}: expected one of {', '.join(UNITS)}")
    count = query.get("nbest", "0")
    if not count.isascii() or not count.isdigit() or not 0 <= int(count[:9]) <= MOST_READINGS:
        raise Refusal(400, f"nbest={count[:40]!r}: expected a number, {MOST_READINGS} at most")
    return Options(offsets=offsets, nbest=int(count), **values)


def _flag(query, name):
    value = _FLAGS.get(query[name].lower())
    if value is None:
        raise Refusal(400, f"{name}={query[name][:40]!r}: expected true or false")
    return value


_PLAIN = Options()


def read_json(decoder, body, expected):
    """Decodes a body of JSON. Raises Refusal. expected: an example of a body, for the message."""
    try:
        return decoder.decode(body)
    except UnicodeDecodeError:
        raise Refusal(400, "the body is not UTF-8") from None
    except RecursionError:
        raise Refusal(400, f"the body is nested too deeply; expected {expected}") from None
    except msgspec.ValidationError as error:
        raise Refusal(400, f"{error}; expected {expected}") from None
    except msgspec.DecodeError as error:
        said = "the body is empty" if not body.strip() else f"the body is not JSON: {error}"
        raise Refusal(400, f"{said}; expected {expected}") from None


def checked(service, texts):
    """Returns the texts of a request. Raises Refusal where there are none or too many, and where
    one is empty or too long.
    """
    limits = service.limits
    if not texts:
        raise Refusal(400, "there are no texts; expected at least one")
    if len(texts) > limits.texts:
        raise Refusal(
            413,
            f"{len(texts):,} texts, at most {limits.texts:,} are taken at once (--max_texts); send "
            "them in parts",
        )
    for i, text in enumerate(texts, 1):
        if not text:
            raise Refusal(400, "the text is empty" if len(texts) == 1 else f"text {i} is empty")
        if len(text) > limits.text:
            which = "the text" if len(texts) == 1 else f"text {i}"
            raise Refusal(
                413,
                f"{which} has {len(text):,} characters, at most {limits.text:,} are taken "
                "(--max_text); send it in parts",
            )
    return texts


# ---------------------------------------------------------------- /parse


class ParseBody(Struct, forbid_unknown_fields=True):
    """The body of POST /parse, which has either text or texts."""

    text: str | UnsetType = UNSET
    texts: list[str] | UnsetType = UNSET


class Span(Struct, omit_defaults=True):
    """An entity: start and end (exclusive) in the text, in the unit that the request names."""

    start: int
    end: int
    type: str
    score: float | None = None


class Reading(Struct):
    """One of the n best readings of a text, and its probability."""

    probability: float
    spans: list[Span]


class Token(Struct):
    start: int
    end: int
    tag: str


class Parsed(Struct, omit_defaults=True):
    """What was found in a text. ents: the types, each once, sorted. nbest: empty where the text has
    several sentences. tokens: a list for each sentence.
    """

    text: str
    ents: list[str]
    spans: list[Span]
    nbest: list[Reading] | None = None
    tokens: list[list[Token]] | None = None


class ParsedTexts(Struct):
    results: list[Parsed]


_parse_body = msgspec.json.Decoder(ParseBody)
PARSE_EXAMPLE = '{"text": "..."} or {"texts": ["...", "..."]}'


def read_parse(service, method, query, body):
    """The Job of GET or POST /parse."""
    if method != "POST":
        given = read_query(query, ("q", *_PARSE))
        if "q" not in given:
            raise Refusal(400, "the parameter q is missing: the text, as in /parse?q=...")
        texts, write = [given.pop("q")], _write_parsed
    else:
        given = read_query(query, _PARSE)
        asked = read_json(_parse_body, body, PARSE_EXAMPLE)
        if (asked.text is UNSET) == (asked.texts is UNSET):
            raise Refusal(400, f"expected one of text and texts: {PARSE_EXAMPLE}")
        one = asked.texts is UNSET
        texts, write = ([asked.text], _write_parsed) if one else (asked.texts, _write_all)
    return Job(service.served(given.get("model")), checked(service, texts), _options(given), write)


def _spans(entities):
    return [Span(entity.start, entity.end, entity.type, entity.score) for entity in entities]


def _parsed(text, found):
    spans = _spans(found.entities)
    ents = sorted({span.type for span in spans})
    if found.readings is None and found.tokens is None:
        return Parsed(text, ents, spans)
    readings = tokens = None
    if found.readings is not None:
        readings = [
            Reading(reading.probability, _spans(reading.entities)) for reading in found.readings
        ]
    if found.tokens is not None:
        tokens = [[Token(*token) for token in sentence] for sentence in found.tokens]
    return Parsed(text, ents, spans, readings, tokens)


def _write_parsed(job, found):
    return encode(_parsed(job.texts[0], found[0]))


def _write_all(job, found):
    return encode(ParsedTexts([_parsed(text, of_text) for text, of_text in zip(job.texts, found)]))


# ---------------------------------------------------------------- HuggingFace


class Inputs(Struct):
    """The body of HuggingFace's token classification: a text or a list of texts."""

    inputs: str | list[str]
    parameters: dict[str, msgspec.Raw] | None = None


class Group(Struct):
    """An entity in the format of HuggingFace's pipeline with an aggregation strategy."""

    entity_group: str
    score: float
    word: str
    start: int
    end: int


_inputs = msgspec.json.Decoder(Inputs)
INPUTS_EXAMPLE = '{"inputs": "..."}'


def read_huggingface(service, model, query, body):
    """The Job of POST /models/{model}."""
    read_query(query, ())
    asked = read_json(_inputs, body, INPUTS_EXAMPLE)
    strategy = (asked.parameters or {}).get("aggregation_strategy")
    if strategy is not None and bytes(strategy) == b'"none"':
        raise Refusal(400, "aggregation_strategy none: entities are answered, not pieces of words")
    one = isinstance(asked.inputs, str)
    texts = checked(service, [asked.inputs] if one else asked.inputs)
    return Job(service.served(model), texts, _PLAIN, _write_groups, one)


def _write_groups(job, found):
    groups = [[_group(entity) for entity in of_text.entities] for of_text in found]
    return encode(groups[0] if job.extra else groups)


def _group(entity):
    return Group(entity.type, entity.score, entity.text, entity.start, entity.end)


# ---------------------------------------------------------------- Label Studio


class Task(Struct):
    data: dict[str, msgspec.Raw] = {}


class Tasks(Struct):
    """The body that Label Studio sends to an ML backend's /predict."""

    tasks: list[Task]
    label_config: str | None = None


class Control(NamedTuple):
    """The names and labels of a labelling configuration of Label Studio."""

    from_name: str = "label"
    to_name: str = "text"
    key: str = "text"  # the field of a task's data that holds the text
    labels: Any = None  # {type of the model: label}; None where the labels are the types


_tasks = msgspec.json.Decoder(Tasks)
_string = msgspec.json.Decoder(str)
TASKS_EXAMPLE = '{"tasks": [{"data": {"text": "..."}}], "label_config": "<View>...</View>"}'


def read_label_studio(service, method, query, body):
    """The Job of POST /predict. A task without a text gets a prediction without regions."""
    given = read_query(query, ("model",))
    asked = read_json(_tasks, body, TASKS_EXAMPLE)
    control = read_label_config(asked.label_config) if asked.label_config else Control()
    texts = [_text_of(task, control.key) for task in asked.tasks]
    served = service.served(given.get("model"))
    if not texts:
        return Job(served, [], _PLAIN, _write_predictions, (control, texts))
    if len(texts) <= service.limits.texts:
        present = [text for text in texts if text]
    else:
        present = texts  # `checked` refuses them
    return Job(
        served,
        checked(service, present) if present else [],
        _PLAIN,
        _write_predictions,
        (control, texts),
    )


def _text_of(task, key):
    """The text of a task; "" where it has none."""
    raw = task.data.get(key)
    if raw is None or not bytes(raw).startswith(b'"'):
        return ""
    return read_json(_string, raw, TASKS_EXAMPLE)


def read_label_config(config):
    """Reads a labelling configuration (XML) into a Control. Raises Refusal."""
    if "<!" in config.replace("<!--", ""):
        raise Refusal(400, "label_config: a configuration without DOCTYPE and ENTITY was expected")
    try:
        root = xml.etree.ElementTree.fromstring(config)
    except (xml.etree.ElementTree.ParseError, ValueError, RecursionError) as error:
        raise Refusal(400, f"label_config is not XML: {error}") from None
    keys = {
        element.get("name"): element.get("value", "").lstrip("$") for element in root.iter("Text")
    }
    for labels in root.iter("Labels"):
        to_name = (labels.get("toName") or "").split(",")[0]
        if to_name in keys:
            return Control(
                labels.get("name") or "label", to_name, keys[to_name] or "text", _labels_of(labels)
            )
    raise Refusal(400, "label_config: expected a <Labels> whose toName is that of a <Text>")


def _labels_of(labels):
    """{type of the model: label}. A label stands for the type with its name, and for the types that
    its attribute predicted_values lists.
    """
    found = {}
    for label in labels.iter("Label"):
        name = label.get("value") or ""
        others = (label.get("predicted_values") or "").split(",")
        for kind in (name, *map(str.strip, others)):
            if kind:
                found.setdefault(kind, name)
    return found or None


def _write_predictions(job, found):
    control, texts = job.extra
    by_text = iter(found)
    version = job.served.version
    results = [_prediction(next(by_text).entities if text else (), control) for text in texts]
    return encode({"results": [{**result, "model_version": version} for result in results]})


def _prediction(entities, control):
    regions, labels = [], control.labels
    for entity in entities:
        label = entity.type if labels is None else labels.get(entity.type)
        if label is None:  # the configuration has no label for this type
            continue
        regions.append(
            {
                "from_name": control.from_name,
                "to_name": control.to_name,
                "type": "labels",
                "score": entity.score,
                "value": {
                    "start": entity.start,
                    "end": entity.end,
                    "text": entity.text,
                    "labels": [label],
                },
            }
        )
    scores = [region["score"] for region in regions]
    return {"result": regions, "score": min(scores) if scores else 1.0}
