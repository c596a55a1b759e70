"""serve.py and serving/: the server, over real sockets."""

import asyncio
import contextlib
import gzip
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import types
import urllib.parse
from unittest import mock

import pytest
import uvicorn
from prometheus_client.parser import text_string_to_metric_families
from uvicorn.server import ServerState

from serving.columns import Body
from serving.limits import Limits
from serving.protocol import Protocol
from serving.worker import open_model
from support.commands import ROOT, SMALL, sample, wait_until, write_sample
from support.served import Server, answer_of, error_of, read_all
from support.serving import binary, python_package, run_binary, succeed, untrained

TEXT = "Sumogetti left Vremland for Ostring with Anna Malm of Norcom ."
SECRET = "Zyxwohlgeheim"  # in no message


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model of random weights under which every tag occurs: as a checkpoint and as two .etagger
    files, of which the second decodes only well-formed tags.
    """
    import export

    binary("libetagger.so")
    folder = tmp_path_factory.mktemp("models")
    flags = [*write_sample(folder), *SMALL, "--use_pos", "False", "--use_chk", "False"]
    prefix = untrained(folder / "ner_model", *flags, seed=1)
    paths = [str(folder / "1.etagger"), str(folder / "2.etagger")]
    for path in paths:
        export.write_engine_file(prefix, path, path == paths[1])
    return types.SimpleNamespace(path=paths[0], other=paths[1], prefix=prefix)


@pytest.fixture(scope="module")
def model(made):
    """The first .etagger file, opened in this process."""
    return python_package().load(made.path)


@pytest.fixture(scope="module")
def server(made, bare_zygote, tmp_path_factory):
    """A server of two processes, in which TensorFlow cannot be imported."""
    folder = tmp_path_factory.mktemp("server")
    server = Server(bare_zygote, folder, f"a={made.path}", "--workers", 2)
    yield server
    assert server.stop() == 0
    assert SECRET not in server.errors() and "Traceback" not in server.errors()
    assert server.errors().count("\n") == 1, server.errors()


@pytest.fixture(scope="module")
def guarded(made, bare_zygote, tmp_path_factory):
    """A server of two models with a token, limits and short time-outs."""
    folder = tmp_path_factory.mktemp("guarded")
    shutil.copy(made.other, folder / "b.etagger")
    (folder / "token").write_text("s3cret\n")
    server = Server(
        bare_zygote,
        folder,
        f"a={made.path}",
        folder / "b.etagger",
        *("--workers", 1, "--token_file", folder / "token", "--cors", "https://a.example"),
        *("--timeout", 1, "--max_bytes", 20_000, "--max_text", 1000, "--max_texts", 3),
    )
    server.b = folder / "b.etagger"
    yield server
    assert server.stop() == 0
    assert "s3cret" not in server.errors()


TOKEN = {"Authorization": "Bearer s3cret"}


def spans_of(entities):
    return [
        {"start": entity.start, "end": entity.end, "type": entity.type, "score": entity.score}
        for entity in entities
    ]


def expected(model, text, **options):
    """The answer of /parse, computed by the wheel."""
    spans = spans_of(model(text, **options))
    return {"text": text, "ents": sorted({span["type"] for span in spans}), "spans": spans}


def quoted(text):
    return urllib.parse.quote(text, safe="")


# ---------------------------------------------------------------- /parse


def test_a_text_and_its_entities(server, model):
    """The answer is the same by GET, by POST and among other texts, and it is not empty."""
    right = expected(model, TEXT)
    assert right["spans"]
    assert server.json(f"/parse?q={quoted(TEXT)}") == right
    assert server.json("/parse", {"text": TEXT}) == right
    texts = [TEXT, "明天上海的天气怎么样？", "\n", " ".join(["Vremland"] * 50)]
    answer = server.json("/parse", {"texts": texts})
    assert answer == {"results": [expected(model, text) for text in texts]}
    assert server.json(f"/parse?q={quoted(texts[1])}&model=a") == expected(model, texts[1])


@pytest.mark.parametrize("offsets", ["codepoints", "utf16", "bytes"])
def test_offsets(server, model, offsets):
    """In each unit, start and end cut the same words out of the text in that unit's encoding."""
    text = "\ufeff😀 Sumogetti \U0001f469\u200d\U0001f680 left\r\nVremland e\u0301 שלום Ostring"
    answer = server.json(f"/parse?offsets={offsets}", {"text": text})
    assert answer == expected(model, text, offsets=offsets)
    encoding, width = {
        "codepoints": ("utf-32-le", 4),
        "utf16": ("utf-16-le", 2),
        "bytes": ("utf-8", 1),
    }[offsets]
    data = text.encode(encoding)
    words = [
        data[width * span["start"] : width * span["end"]].decode(encoding)
        for span in answer["spans"]
    ]
    assert words == [entity.text for entity in model(text)] != []


def test_scores_readings_and_tokens_where_asked(server, model):
    assert server.json("/parse?scores=false", {"text": TEXT})["spans"] == [
        {name: span[name] for name in ("start", "end", "type")}
        for span in expected(model, TEXT)["spans"]
    ]
    answer = server.json("/parse?nbest=3&tokens=true", {"text": TEXT})
    readings = model.nbest_text(TEXT, 3)
    assert [reading["probability"] for reading in answer["nbest"]] == [
        reading.probability for reading in readings
    ]
    assert [
        [(span["start"], span["end"], span["type"]) for span in reading["spans"]]
        for reading in answer["nbest"]
    ] == [[(entity.start, entity.end, entity.type) for entity in one.entities] for one in readings]
    (sentence,) = answer["tokens"]
    words = [TEXT[token["start"] : token["end"]] for token in sentence]
    assert words == TEXT.split()
    assert [token["tag"] for token in sentence] == model.tag(words)
    several = server.json("/parse?nbest=3&tokens=true", {"text": "Anna left .\nAnna left ."})
    assert several["nbest"] == [] and len(several["tokens"]) == 2


MISTAKES = {
    "no JSON": ("POST", "/parse", b'{"text": "Anna', 400, "not JSON"),
    "no object": ("POST", "/parse", b'["Anna"]', 400, "Expected `object`"),
    "no body": ("POST", "/parse", b"", 400, "the body is empty"),
    "no UTF-8": ("POST", "/parse", b'{"text": "Anna \xff"}', 400, "not UTF-8"),
    "half a pair": ("POST", "/parse", b'{"text": "\\ud83d"}', 400, "not JSON"),
    "deep": ("POST", "/parse", b'{"text": ' + b"[" * 10_000, 400, "expected"),
    "neither": ("POST", "/parse", b"{}", 400, "one of text and texts"),
    "both": ("POST", "/parse", b'{"text": "a", "texts": ["b"]}', 400, "one of text and texts"),
    "a field": ("POST", "/parse", b'{"txt": "a"}', 400, "unknown field `txt`"),
    "a type": ("POST", "/parse", b'{"text": 1}', 400, "Expected `str`"),
    "no text": ("POST", "/parse", b'{"text": ""}', 400, "the text is empty"),
    "no texts": ("POST", "/parse", b'{"texts": []}', 400, "no texts"),
    "one empty": ("POST", "/parse", b'{"texts": ["a", ""]}', 400, "text 2 is empty"),
    "no q": ("GET", "/parse", None, 400, "parameter q is missing"),
    "empty q": ("GET", "/parse?q=", None, 400, "the text is empty"),
    "q no UTF-8": ("GET", "/parse?q=%FF", None, 400, "not UTF-8"),
    "unknown": ("GET", "/parse?q=a&offset=utf16", None, 400, "did you mean offsets?"),
    "twice": ("GET", "/parse?q=a&q=b", None, 400, "given twice"),
    "offsets": ("GET", "/parse?q=a&offsets=utf8", None, 400, "codepoints, utf16, bytes"),
    "split": ("GET", "/parse?q=a&split=maybe", None, 400, "true or false"),
    "nbest": ("GET", "/parse?q=a&nbest=-1", None, 400, "expected a number"),
    "nbest high": ("GET", "/parse?q=a&nbest=99999999999", None, 400, "100 at most"),
    "model": ("GET", "/parse?q=a&model=c", None, 404, "no model 'c'"),
    "method": ("PUT", "/parse", b"", 405, "not answered here"),
    "address": ("GET", "/parse/", None, 404, "nothing at this address"),
    "dots": ("GET", "/../serve.py", None, 404, "nothing at this address"),
    "HF model": ("POST", "/models/c", b'{"inputs": "a"}', 404, "no model 'c'"),
    "HF type": ("POST", "/models/a", b'{"inputs": 5}', 400, "Expected `str | array`"),
    "HF empty": ("POST", "/models/a", b'{"inputs": ""}', 400, "the text is empty"),
    "HF pieces": (
        "POST",
        "/models/a",
        b'{"inputs": "a", "parameters": {"aggregation_strategy": "none"}}',
        400,
        "aggregation_strategy",
    ),
    "LS": ("POST", "/predict", b'{"task": []}', 400, "missing required field `tasks`"),
    "LS XML": ("POST", "/predict", b'{"tasks": [], "label_config": "<View"}', 400, "not XML"),
    "LS entities": (
        "POST",
        "/predict",
        b'{"tasks": [], "label_config": "<!DOCTYPE a [<!ENTITY b \\"c\\">]><View/>"}',
        400,
        "without DOCTYPE",
    ),
    "columns": ("POST", "/tag", b"Anna NNP I-NP\nleft\n\n", 400, "body:2: "),
    "no columns": ("POST", "/tag", b"", 400, "the body is empty"),
    "delimiter": ("POST", "/tag?delimiter=comma", b"a\n", 400, "space or tab"),
    "column names": ("POST", "/tag?columns=wort", b"a\n", 400, "wort"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_are_named(server, name):
    method, path, body, status, message = MISTAKES[name]
    answer = server.ask(method, path, body)
    assert answer.status == status, answer
    assert message in error_of(answer)
    if status == 405:
        assert answer.headers["allow"] == "GET, POST, HEAD" or "POST" in answer.headers["allow"]


def test_both_ways_of_a_request_answer_alike(server):
    """A short request takes the fast path; one with a chunked body goes through the application.
    The answers are the same.
    """
    for name, (method, path, body, *_) in MISTAKES.items():
        if method == "POST" and not path.startswith("/tag"):
            one = server.ask(method, path, body)
            other = server.ask(method, path, iter([body[:1], body[1:]]))
            assert (one.status, one.body) == (other.status, other.body), name
    for path, value in (
        ("/parse?offsets=bytes", {"text": "é " + TEXT}),
        ("/models/a", {"inputs": [TEXT, "a"]}),
        ("/predict", {"tasks": [{"data": {"text": TEXT}}]}),
    ):
        body = json.dumps(value).encode()
        one = server.post(path, value)
        other = server.ask("POST", path, iter([body]))
        assert one.status == 200 and one.body == other.body
        assert one.headers["content-type"] == other.headers["content-type"]
        assert one.headers["cache-control"] == other.headers["cache-control"] == "no-store"


def test_nothing_is_truncated(guarded):
    """A request above a limit is refused with the limit's name; one at the limit is accepted."""

    def ask(value, **rest):
        return guarded.post("/parse", value, headers=TOKEN, **rest)

    assert ask({"text": "é" * 1000}).status == 200
    answer = ask({"text": "é" * 1001})
    assert answer.status == 413 and "1,001 characters, at most 1,000" in error_of(answer)
    assert ask({"texts": ["a"] * 3}).status == 200
    answer = ask({"texts": ["a"] * 4})
    assert answer.status == 413 and "4 texts, at most 3" in error_of(answer)
    body = json.dumps({"text": "a"}).encode()
    assert ask(body.ljust(20_000)).status == 200
    for size in (20_001, 1 << 20, 8 << 20):
        answer = ask(body.ljust(size))
        assert answer.status == 413 and "20,000 bytes" in error_of(answer)
    chunks = iter([b" " * 5000] * 5)
    answer = guarded.ask("POST", "/parse", chunks, TOKEN)
    assert answer.status == 413 and "20,000 bytes" in error_of(answer)


def test_a_megabyte_of_one_word(server):
    answer = server.post("/parse", {"text": "a" * 1_000_000})
    assert answer.status == 413 and "100,000" in error_of(answer)
    assert server.json("/parse", {"text": "a" * 100_000})["text"] == "a" * 100_000


# ---------------------------------------------------------------- /tag


def tagged(made, data, *flags):
    return succeed(run_binary("etagger", made.path, *flags, stdin=data)).out


def test_columns_are_those_of_the_command(server, made):
    """The output is the same byte for byte, whatever the pieces of the body."""
    data = (
        b"\xef\xbb\xbf"
        + 2 * b"".join(sample("test")[:400])
        + b"caf\xe9 NN I-NP O\r\n\r\n\r\nlast X Y O"
    )
    assert len(data) > 1 << 17
    right = tagged(made, data)
    assert server.post("/tag", data).body == right
    generator = random.Random(1)
    pieces = []
    at = 0
    while at < len(data):
        size = generator.choice((1, 100, 70_000))
        pieces.append(data[at : at + size])
        at += size
    answer = server.ask("POST", "/tag", iter(pieces))
    assert answer.status == 200 and answer.body == right
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    tabs = b"New York\tO\n\n"
    answer = server.post("/tag?columns=word+tag&delimiter=tab", tabs)
    assert answer.body == tagged(made, tabs, "--columns", "word tag", "--delimiter", "tab")


def test_tags_come_while_the_body_comes(server):
    block = b"".join(sample("test")[:100])
    with server.open() as connection:
        connection.sendall(b"POST /tag HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"%x\r\n%b\r\n" % (len(block), block)
        for _ in range(1 + (1 << 17) // len(block)):
            connection.sendall(chunk)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 OK")
        connection.sendall(b"0\r\n\r\n")
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            data += connection.recv(1 << 16)


def test_a_bad_row_in_a_long_stream_breaks_the_answer(server):
    """The first rows are sent with 200 already, so the answer must not look complete."""
    data = 2 * b"".join(sample("test")[:400]) + b"two columns\n\n"
    connection = server.connect()
    connection.request("POST", "/tag", data)
    with pytest.raises(http.client.IncompleteRead), contextlib.closing(connection):
        answer_of(connection)


def test_no_other_type_is_taken_for_columns(server):
    answer = server.post("/tag", {"text": "a"}, headers={"Content-Type": "application/json"})
    assert answer.status == 415 and "text/plain" in error_of(answer)


# ---------------------------------------------------------------- other clients


def test_huggingface_shape(server, model):
    right = [
        {
            "entity_group": entity.type,
            "score": entity.score,
            "word": TEXT[entity.start : entity.end],
            "start": entity.start,
            "end": entity.end,
        }
        for entity in model(TEXT)
    ]
    parameters = {"aggregation_strategy": "simple"}
    assert server.json("/models/a", {"inputs": TEXT, "parameters": parameters}) == right
    assert server.json("/models/a", {"inputs": [TEXT, "a"]})[0] == right


CONFIG = """<View>
  <!-- the regions -->
  <Labels name="ner" toName="doc"><Label value="PER"/>
    <Label value="Place" predicted_values="LOC, GPE"/></Labels>
  <Text name="doc" value="$body"/>
</View>"""


def test_label_studio(server, model):
    """The labels are those of the configuration; a type without a label is left out."""
    tasks = [{"id": 1, "data": {"body": TEXT}}, {"data": {"title": "none"}}, {"data": {"body": ""}}]
    answer = server.json("/predict", {"tasks": tasks, "label_config": CONFIG, "project": "1.2"})
    names = {"PER": "PER", "LOC": "Place"}
    right = [
        {
            "from_name": "ner",
            "to_name": "doc",
            "type": "labels",
            "score": entity.score,
            "value": {
                "start": entity.start,
                "end": entity.end,
                "text": TEXT[entity.start : entity.end],
                "labels": [names[entity.type]],
            },
        }
        for entity in model(TEXT)
        if entity.type in names
    ]
    first, *others = answer["results"]
    assert right and first["result"] == right
    assert [prediction["result"] for prediction in others] == [[], []]
    (info,) = server.json("/model")["models"]
    assert {prediction["model_version"] for prediction in answer["results"]} == {info["version"]}
    assert server.json("/setup", {"project": "1", "schema": CONFIG}) == {
        "model_version": info["version"]
    }
    assert server.json("/health")["status"] == "UP"


# ---------------------------------------------------------------- about the server


def test_what_is_served(server, model):
    answer = server.json("/model")
    (info,) = answer["models"]
    assert info["name"] == answer["default"] == "a" and info["kind"] == "engine"
    assert info["types"] == sorted({tag[2:] for tag in model.tags if tag != "O"})
    assert info["tags"] == model.tags and info["tokenizer"] == "words"
    assert server.json("/ready")["status"] == "UP"


def test_no_tensorflow_in_any_process(server):
    for pid in [server.pid, *server.workers()]:
        with open(f"/proc/{pid}/maps") as maps:
            mapped = maps.read()
        assert "libetagger.so" in mapped and ".etagger" in mapped or pid == server.pid
        assert "tensorflow" not in mapped and "libetagger_tf" not in mapped


def metrics_of(server):
    """{(name, sorted labels): value} of a page of metrics."""
    page = server.get("/metrics").body.decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_metrics_count_over_all_processes(server):
    """Each request has its own connection, so that both processes get some."""
    before = metrics_of(server)
    for _ in range(20):
        server.json("/parse", {"texts": ["a", "b !", "c d"]})
    assert server.post("/parse", b"{").status == 400
    after = metrics_of(server)

    def grown(name, **labels):
        key = (name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0)

    assert grown("etagger_requests_total", route="parse", status="200") == 20
    assert grown("etagger_requests_total", route="parse", status="400") == 1
    assert grown("etagger_request_seconds_count", route="parse") == 21
    assert grown("etagger_request_seconds_bucket", route="parse", le="+Inf") == 21
    assert grown("etagger_texts_total") == 60
    assert grown("etagger_characters_total") == 140
    assert grown("etagger_tokens_total") == 100
    assert after["etagger_processes", ()] == 2


def test_the_description_is_whole(server):
    """Each reference can be resolved, each route is described, and the examples are answered."""
    whole = server.json("/openapi.json")
    text = json.dumps(whole)
    for reference in re.findall(r'"#/components/schemas/([^"]+)"', text):
        assert reference in whole["components"]["schemas"]
    assert set(whole["paths"]) == {
        "/parse", "/tag", "/models/{model}", "/predict", "/setup",
        "/model", "/health", "/ready", "/metrics",
    }  # fmt: skip
    for path, operations in whole["paths"].items():
        for method, operation in operations.items():
            assert "429" in operation["responses"] or path in ("/health", "/ready")
            content = operation.get("requestBody", {}).get("content", {})
            example = content.get("application/json", {}).get("example")
            if example:
                path = path.replace("{model}", "a")
                assert server.ask(method.upper(), path, json.dumps(example)).status == 200


def test_pages(server):
    """Everything that the pages load is served here, under a policy that allows nothing else."""
    for page in ("/docs", "/"):
        answer = server.get(page)
        if page == "/" and answer.status == 404:
            continue  # the page is not built into this tree
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "http" not in policy
        text = answer.body.decode()
        files = re.findall(r'(?:src|href)="([^":]+)"', text)
        assert files and "//" not in "".join(files)
        for file in files:
            part = server.get(urllib.parse.urljoin(page, file))
            kind = "text/css" if file.endswith(".css") else "text/javascript"
            assert part.status == 200 and part.headers["content-type"].startswith(kind)
            assert part.headers["x-content-type-options"] == "nosniff"
            tag = part.headers["etag"]
            again = server.get(urllib.parse.urljoin(page, file), headers={"If-None-Match": tag})
            assert again.status == 304 and again.body == b"" and again.headers["etag"] == tag


def test_the_examples_of_the_page_are_answered(server):
    """Each curl command of docs/server.md and README.md is run with this server's port."""
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    lines = []
    for path in ("docs/server.md", "README.md"):
        with open(os.path.join(ROOT, path), encoding="utf-8") as page:
            lines += [line.strip() for line in page if line.startswith("    curl ")]
    assert len(lines) > 4
    for line in lines:
        command = line.replace("127.0.0.1:5000", f"127.0.0.1:{server.port}")
        command = command.replace("curl ", "curl -sS --fail-with-body ")
        done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0 and "Sumogetti" in done.stdout or "/tag" in line, done


# ---------------------------------------------------------------- who may ask


def test_a_token_is_asked_for(guarded):
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "s3cret"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic !"},
    ):
        for path in ("/parse?q=a", "/model", "/metrics", "/nothing"):
            answer = guarded.get(path, headers=headers)
            assert answer.status == 401 and "Bearer" in error_of(answer)
            assert answer.headers["www-authenticate"] == "Bearer"
    assert guarded.get("/parse?q=a", headers=TOKEN).status == 200
    basic = {"Authorization": "Basic YW55Ym9keTpzM2NyZXQ="}  # anybody:s3cret, as Label Studio
    assert guarded.post("/predict", {"tasks": []}, headers=basic).status == 200
    for path in ("/health", "/ready", "/docs", "/openapi.json"):
        assert guarded.get(path).status == 200


def test_pages_of_other_origins(guarded, server):
    asked = {
        "Origin": "https://a.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    answer = guarded.ask("OPTIONS", "/parse", headers=asked)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    answer = guarded.get("/parse?q=a", headers={**TOKEN, "Origin": "https://a.example"})
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    other = guarded.get("/parse?q=a", headers={**TOKEN, "Origin": "https://b.example"})
    assert "access-control-allow-origin" not in other.headers
    plain = server.get("/parse?q=a", headers={"Origin": "https://a.example"})
    assert "access-control-allow-origin" not in plain.headers


def test_rate_limit_lets_through_what_the_rule_says():
    """The reference simulates a bucket of `rate` tokens that fills at `rate` a second."""
    from serving.metrics import RateLimit

    for rate in (1, 5, 40):
        limit, generator = RateLimit(rate), random.Random(rate)
        level, last, now = float(rate), 0.0, 100.0
        passed = 0
        for _ in range(500):
            now += generator.expovariate(rate * 1.5)
            level = min(rate, level + (now - last) * rate)
            last = now
            wait = limit.wait("10.0.0.1", now)
            assert (wait == 0) == (level >= 1 - 1e-6) or abs(level - 1) < 1e-6
            if wait == 0:
                level -= 1
                passed += 1
            else:
                assert wait == pytest.approx((1 - level) / rate, abs=1e-6)
        assert 100 < passed < 500
        assert limit.wait("10.0.0.2", now) == 0  # another client
        limit.wait("2001:db8:1:2::1", now)
    assert RateLimit(0).wait("10.0.0.1", 0.0) == 0


def test_too_many_requests_of_a_client(made, bare_zygote, tmp_path):
    server = Server(bare_zygote, tmp_path, made.path, "--workers", 1, "--rate_limit", 5)
    try:
        answers = [server.get("/parse?q=a") for _ in range(12)]
        refused = [answer for answer in answers if answer.status == 429]
        assert [answer.status for answer in answers[:5]] == [200] * 5 and refused
        assert refused[0].headers["retry-after"] == "1" and "5 requests" in error_of(refused[0])
        assert server.get("/health").status == 200
    finally:
        assert server.stop(signal.SIGINT) == 130


# ---------------------------------------------------------------- connections


def test_requests_one_after_the_other_in_one_piece(server):
    """Pipelined requests of both paths are answered in order."""
    wanted = ["/parse?q=a", "/model", "/parse?q=b", "/parse?q=c&nbest=1", "/parse?q=d", "/health"]
    data = b"".join(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path.encode() for path in wanted)
    with server.open() as connection:
        connection.sendall(data)
        found = []
        with connection.makefile("rb") as stream:
            for _ in wanted:
                assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
                fields = {}
                while (line := stream.readline()) != b"\r\n":
                    name, _, value = line.partition(b": ")
                    fields[name.lower()] = value.strip()
                found.append(json.loads(stream.read(int(fields[b"content-length"]))))
    assert [body.get("text") for body in found] == ["a", None, "b", "c", "d", None]
    assert found[1]["default"] == "a" and found[5]["status"] == "UP"


def test_an_address_as_it_is_typed(server, model):
    """Not percent-encoded, as curl sends it."""
    text = "明天上海的天气怎么样？😀Anna"
    line, end = f"GET /parse?q={text}&offsets=utf16 HTTP/1.1\r\n", "Connection: close\r\n\r\n"
    right = expected(model, text, offsets="utf16")
    said = server.raw((line + end).encode())
    assert said.startswith(b"HTTP/1.1 200 ") and json.loads(said.splitlines()[-1]) == right
    body = json.dumps({"text": text}, ensure_ascii=False).encode()
    head = f"POST /parse?offsets=utf16 HTTP/1.1\r\nContent-Length: {len(body)}\r\n{end}"
    assert json.loads(server.raw(head.encode() + body).splitlines()[-1]) == right
    said = server.raw(b"GET /parse?q=\xff HTTP/1.1\r\n" + end.encode())
    assert said.startswith(b"HTTP/1.1 400 ") and b"not UTF-8" in said
    said = server.raw(f"GÉT /parse?q=a HTTP/1.1\r\n{end}".encode())
    assert said.startswith(b"HTTP/1.1 400 ") and b"not a request" in said


def requests_of(pieces, count):
    """The requests that a connection reads of pieces: path, query, field A, body."""
    found = []

    async def read():
        done = asyncio.Event()

        async def application(scope, receive, send):
            body = await Body(receive).beginning()
            found.append((scope["path"], scope["query_string"], dict(scope["headers"])[b"a"], body))
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})
            if len(found) == count:
                done.set()

        config = uvicorn.Config(application, log_config=None)
        service = types.SimpleNamespace(limits=Limits(), draining=False)
        connection = Protocol(config, ServerState(), {}, service=service, quick=False)
        transport = mock.Mock(asyncio.Transport)
        transport.is_closing.return_value, transport.get_extra_info.return_value = False, None
        connection.connection_made(transport)
        for piece in filter(None, pieces):
            connection.data_received(piece)
        await asyncio.wait_for(done.wait(), 60)

    asyncio.run(read())
    return found


def test_the_first_line_alone_is_encoded():
    """Wherever a request is cut: no field's value and no body is changed."""
    rest = " HTTP/1.1\r\nA: ü\r\nContent-Length: 4\r\n\r\né\r\n"
    typed, plain = (f"\r\nPOST {path}{rest}".encode() for path in ("/é?q=明&b=%41", "/e?q=1"))
    asked = ("/é", b"q=%E6%98%8E&b=%41", "ü".encode(), "é\r\n".encode())
    other = ("/e", b"q=1", *asked[2:])
    for cut in range(len(typed)):
        assert requests_of([typed[:cut], typed[cut:], typed], 2) == [asked, asked], cut
    for cut in range(len(plain)):
        # the beginning of a request comes with the one before
        assert requests_of([typed + plain[:cut], plain[cut:], typed], 3) == [asked, other, asked]


def test_head_is_answered_as_get_without_a_body(server):
    for path in ("/health", "/ready", "/model", "/metrics", "/openapi.json", "/parse?q=a", "/docs"):
        given, head = server.get(path), server.ask("HEAD", path)
        assert (given.status, head.status, head.body) == (200, 200, b""), path
        assert head.headers["content-type"] == given.headers["content-type"]


@pytest.mark.parametrize("path", ["/parse", "/models/a", "/predict", "/tag"])
def test_what_is_compressed_is_refused(server, path):
    body = gzip.compress(b'{"text": "Anna"}')
    answer = server.post(path, body, headers={"Content-Encoding": "gzip"})
    assert answer.status == 415 and "gzip" in error_of(answer)
    assert answer.headers["accept-encoding"] == "identity"


def test_what_is_not_http(server):
    for data in (b"\0\xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET\r\n\r\n", b"\x16\x03\x01\x02"):
        said = server.raw(data + b"\r\n\r\n")
        assert said.startswith(b"HTTP/1.1 400 ") and said.endswith(b'HTTP/1.1"}'), data
    said = server.raw(b"GET / HTTP/1.1\r\nA: " + b"a" * 100_000)
    assert said.startswith(b"HTTP/1.1 431 ") and b"65,536" in said
    with server.open() as connection:
        connection.sendall(b"GET /parse?q=a HTTP/1.0\r\n\r\n")
        said = read_all(connection)
    assert said.startswith(b"HTTP/1.1 200 OK") and said.endswith(b"]}")
    assert b"connection: close" in said


def test_slow_clients_are_given_up(guarded):
    """A head or a body that does not come is answered with 408; --timeout is 1."""
    head = (
        b"POST /parse HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s3cret\r\nContent-Length: 9\r\n"
    )
    sent = (b"GET /parse?q=", head, head + b"\r\n{", head + b"Expect: 100-continue\r\n\r\n{")
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(guarded.open()) for _ in sent]
        for connection, data in zip(connections, sent):
            connection.sendall(data)
        for connection, data in zip(connections, sent):
            said = read_all(connection)
            assert b"HTTP/1.1 408 " in said and b'{"error":' in said, data
    assert guarded.get("/parse?q=a", headers=TOKEN).status == 200


def test_a_client_that_does_not_read_is_given_up(guarded):
    """The server reads columns only as long as the client reads the output."""
    block = b"".join(sample("test")[:50])
    chunk = b"%x\r\n%b\r\n" % (len(block), block)
    with guarded.open() as connection:
        connection.sendall(
            b"POST /tag HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer s3cret\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        with pytest.raises(OSError):
            while True:
                connection.sendall(chunk)
    assert guarded.get("/parse?q=a", headers=TOKEN).status == 200


def test_idle_connections_do_not_stop_the_others(server):
    """There are 500 connections that send nothing, or the beginning of a head or a body."""
    beginnings = (b"", b"GET /par", b"POST /parse HTTP/1.1\r\nContent-Length: 9\r\n\r\n{")
    with contextlib.ExitStack() as stack:
        for i in range(500):
            connection = stack.enter_context(server.open())
            connection.sendall(beginnings[i % 3])
        for _ in range(20):
            assert server.get("/parse?q=a").status == 200


# ---------------------------------------------------------------- processes


def test_a_model_that_is_replaced(guarded, made):
    """After SIGHUP the new model is served at the same address; a damaged one is not served, and is
    named.
    """

    def versions():
        models = guarded.json("/model", headers=TOKEN)["models"]
        return {model["name"]: model["version"] for model in models}

    before = versions()
    beside = f"{guarded.b}.new"
    shutil.copy(made.path, beside)
    os.replace(beside, guarded.b)
    assert versions() == before
    guarded.send(signal.SIGHUP)
    wait_until(lambda: versions()["b"] == before["a"])
    (worker,) = guarded.workers()
    with open(beside, "wb") as stream:
        stream.write(b"no model")
    os.replace(beside, guarded.b)
    guarded.send(signal.SIGHUP)
    wait_until(lambda: "b.etagger: " in guarded.errors())
    assert "opened before is served on" in guarded.errors()
    os.kill(worker, signal.SIGKILL)  # the one in its place serves the same model
    wait_until(lambda: guarded.workers() not in ([], [worker]))
    assert versions() == {"a": before["a"], "b": before["a"]}


def test_a_process_that_ends_comes_back(made, bare_zygote, tmp_path):
    server = Server(bare_zygote, tmp_path, made.path, "--workers", 2)
    try:
        for _ in range(5):
            assert server.get("/parse?q=a").status == 200
        one, other = server.workers()
        os.kill(one, signal.SIGKILL)
        wait_until(lambda: len(server.workers()) == 2 and one not in server.workers())
        assert other in server.workers()
        for _ in range(5):
            assert server.get("/parse?q=a").status == 200
        metrics = metrics_of(server)
        assert metrics["etagger_restarts_total", ()] == 1
        parsed = (("route", "parse"), ("status", "200"))
        assert metrics["etagger_requests_total", parsed] == 10  # nothing that was counted is lost
    finally:
        assert server.stop() == 0


def test_requests_in_flight_are_finished(made, bare_zygote, tmp_path):
    """After SIGTERM there are no new connections; a body that is on its way is read and
    answered.
    """
    server = Server(bare_zygote, tmp_path, made.path, "--workers", 1)
    idle = server.connect()
    assert server.ask("GET", "/health", connection=idle).status == 200
    body = b'{"text": "Vremland"}'
    with server.open() as busy:
        busy.sendall(b"POST /parse HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body))
        busy.sendall(body[:5])
        assert server.ask("GET", "/health", connection=idle).status == 200
        server.send(signal.SIGTERM)
        wait_until(lambda: not listens(server.port))
        # a connection that was idle is answered once more, and told to go
        answer = server.ask("GET", "/ready", connection=idle)
        assert answer.status == 503 and answer.headers["connection"] == "close"
        busy.sendall(body[5:])
        said = read_all(busy)
        assert said.startswith(b"HTTP/1.1 200 OK") and b'"text":"Vremland"' in said
    assert server.process.wait(60) == 0


def test_a_second_signal_ends_at_once(made, bare_zygote, tmp_path):
    server = Server(bare_zygote, tmp_path, made.path, "--workers", 1)
    with server.open() as busy:
        busy.sendall(b"POST /parse HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        server.send(signal.SIGTERM)
        wait_until(lambda: not listens(server.port))
        assert server.runs()
        server.send(signal.SIGTERM)
        assert server.process.wait(10) == 0
        assert read_all(busy) == b""


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return False
    except ConnectionResetError:
        return True
    return True


def test_the_workers_end_with_the_supervisor(made, bare_zygote, tmp_path):
    server = Server(bare_zygote, tmp_path, made.path, "--workers", 2)
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not listens(server.port))


# ---------------------------------------------------------------- spaCy

SPACY = '''
"""spaCy, as far as the server uses it: words are what spaces separate, sentences end in `.`."""
import re


class Token:
    def __init__(self, idx, text):
        self.idx, self.text, self.tag_, self.is_space = idx, text, "NN", not text.strip()

    def __len__(self):
        return len(self.text)


class Doc(list):
    def has_annotation(self, name):
        return name == "SENT_START"

    @property
    def sents(self):
        begin = 0
        for i, token in enumerate(self, 1):
            if token.text == "." or i == len(self):
                yield self[begin:i]
                begin = i


class Pipeline:
    meta = {"lang": "xx", "name": "fake"}

    def __call__(self, text):
        return Doc(Token(match.start(), match[0]) for match in re.finditer(r"\\S+|\\s+", text))


def load(name):
    return Pipeline()
'''


def test_spacy_splits_the_text_where_asked(made, model, bare_zygote, tmp_path):
    (tmp_path / "spacy.py").write_text(SPACY)
    server = Server(
        bare_zygote, tmp_path, made.path, "--workers", 1, "--spacy_model", "fake", path=[tmp_path]
    )
    try:
        text = "\ufeff😀 Anna  left, Vremland .\nOstring won . Norcom lost ."
        for split, sentences in (
            ("false", text[1:].split("\n")),
            ("true", ["😀 Anna  left, Vremland .", "Ostring won .", "Norcom lost ."]),
        ):
            right, tokens, begin = [], [], 0
            for sentence in sentences:
                begin = text.index(sentence, begin)
                matches = re.finditer(r"\S+", sentence)
                words = [(match.start() + begin, match[0]) for match in matches]
                names = [word for _, word in words]
                found = model.confident(names, ["NN"] * len(names))
                for entity in found.entities:
                    start, (last, word) = words[entity.start][0], words[entity.end - 1]
                    right.append((start, last + len(word), entity.type, entity.score))
                tags = model.tag(names, ["NN"] * len(names))
                tokens.append([(at, at + len(word), tag) for (at, word), tag in zip(words, tags)])
            answer = server.json(f"/parse?split={split}&tokens=true", {"text": text})
            assert [tuple(span.values()) for span in answer["spans"]] == right != []
            assert [[tuple(token.values()) for token in one] for one in answer["tokens"]] == tokens
        words = len(text.replace("\n", " ").split())
        assert metrics_of(server)["etagger_tokens_total", ()] == 2 * words
        refused = server.post("/parse?nbest=2", {"text": text})
        assert refused.status == 400 or json.loads(refused.body)["nbest"] == []
    finally:
        assert server.stop() == 0


def test_spacy_splits_no_text_of_characters():
    """The model has learned characters, and knows no words."""
    model = types.SimpleNamespace(tokenizer="characters")
    source = types.SimpleNamespace(open=lambda threads, trust: model)
    options = types.SimpleNamespace(threads=0, trust=False, spacy_model="none")
    assert open_model(source, options) is model


# ---------------------------------------------------------------- the command


def test_flags_are_checked(made, bare_zygote, tmp_path):
    model = made.path
    (tmp_path / "empty").write_text("")
    (tmp_path / "other.etagger").write_text("no model")
    for args, message in (
        ([], "required"),
        ([tmp_path / "none.etagger"], "no such file or folder"),
        ([tmp_path / "other.etagger"], "other.etagger"),
        ([tmp_path], "ner_model.index: no such file; check the path (a folder that train.py wrote"),
        ([model, model], "another model has the name 1"),
        ([f"a b={model}"], "letters, digits"),
        ([model, "--port", 70000], "--port 70000"),
        ([model, "--workers", -1], "--workers -1"),
        ([model, "--timeout", 0], "--timeout 0"),
        ([model, "--max_bytes", 0], "--max_bytes 0"),
        ([model, "--rate_limit", -1], "--rate_limit -1"),
        ([model, "--rate_limit", "nan"], "--rate_limit nan"),
        ([model, "--cors", "example.org"], "--cors example.org"),
        ([model, "--proxy", "10.0.0.1,nginx"], "--proxy nginx: expected addresses"),
        ([model, "--proxy", "10.0.0.1/8"], "--proxy 10.0.0.1/8: expected addresses"),
        ([model, "--token", "a b"], "printable ASCII"),
        ([model, "--token", "a", "--token_file", model], "one of them"),
        ([model, "--token_file", tmp_path / "empty"], "empty:1: "),
        ([model, "--host", "no such host"], "--host no such host"),
        ([model, "--worker", 1], "did you mean --workers?"),
    ):
        assert message in bare_zygote.mistake("serve.py", *args), args


def test_a_port_that_is_taken(made, server, bare_zygote):
    said = bare_zygote.mistake("serve.py", made.path, "--port", server.port)
    assert f"--port {server.port}: Address already in use" in said


# ---------------------------------------------------------------- lanes: batches, a bounded queue


class Counted:
    """A slow model that waits for `go`, and counts its calls."""

    name = "slow"


def test_requests_that_wait_are_tagged_together():
    from serving.lane import Full, Lane

    batches, go, begun = [], threading.Event(), threading.Event()

    def run(model, texts, options):
        begun.set()
        assert go.wait(60)
        batches.append(texts)
        if "bad" in texts:
            raise ValueError("bad")
        return [text.upper() for text in texts]

    async def main():
        lane = Lane(run, most=5)
        model, other = Counted(), Counted()
        first = asyncio.create_task(lane.ask(model, ["first"], ()))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        tasks = [
            asyncio.create_task(lane.ask(*asked))
            for asked in (
                (model, ["a", "b"], ()),
                (model, ["c"], ("other",)),
                (other, ["d"], ()),
                (model, ["bad"], ()),
                (model, ["e"], ()),
            )
        ]
        await asyncio.sleep(0.01)
        with pytest.raises(Full):
            await lane.ask(model, ["f"], ())
        go.set()
        assert await first == ["FIRST"]
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(result) for result in found] == ["['A', 'B']", "['C']", "['D']", "bad", "['E']"]
        lane.close()
        thread = lane.thread
        await asyncio.to_thread(thread.join, 60)
        assert not thread.is_alive()

    asyncio.run(main())
    assert batches == [
        ["first"], ["a", "b", "bad", "e"], ["a", "b"], ["bad"], ["e"], ["c"], ["d"]
    ]  # fmt: skip


# ---------------------------------------------------------------- a checkpoint, by TensorFlow


@pytest.mark.slow
def test_a_checkpoint_is_served(made, zygote, tmp_path):
    """It gives the same answers as the engine, to many clients at once, and the same columns as
    inference.py.
    """
    server = Server(zygote, tmp_path, f"a={made.path}", f"tf={made.prefix}")
    try:
        infos = {model["name"]: model for model in server.json("/model")["models"]}
        assert infos["tf"]["kind"] == "tensorflow"
        assert infos["tf"]["types"] == infos["a"]["types"]
        lines = [" ".join(word.split()[0].decode() for word in block.split(b"\n") if word)
                 for block in sample("test")[:24]]  # fmt: skip
        answers = {}

        def ask(i):
            answers[i] = server.json("/parse?model=tf", {"text": lines[i]})

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(lines))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for i, line in enumerate(lines):
            right = server.json("/parse", {"text": line})
            for span in right["spans"] + answers[i]["spans"]:
                span["score"] = round(span["score"], 4)
            assert answers[i] == right
        data = b"".join(sample("test")[:20])
        assert server.post("/tag?model=tf", data).body == server.post("/tag", data).body
        bad = server.post("/tag?model=tf", b"a b c\nd\n")
        assert bad.status == 400 and "body:2: " in error_of(bad)
    finally:
        assert server.stop() == 0
