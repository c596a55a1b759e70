"""Chinese by characters, from training to the page: the résumés of ../shared, by the commands that
a user gives.
"""

import json
import os
import types

import pytest

from support import browser as chromium
from support.commands import ROOT
from support.served import Server
from support.serving import binary, python_package, run_binary, succeed

pytestmark = pytest.mark.slow

TEXT = "王芳女士，硕士研究生，上海交通大学副教授。"
MIXED = "\ufeff😀 王芳女士，硕士研究生\r\n\n上海交通大学副教授 𠮷e\u0301。高勇，中国国籍"


@pytest.fixture(scope="module")
def made(zygote, shared, tmp_path_factory):
    """A model that one epoch has trained. columns: the rows of the development set."""
    binary("etagger")
    folder = tmp_path_factory.mktemp("chinese")
    train, dev = (shared(f"data/resume_ner/{name}.char.bmes") for name in ("train", "dev"))
    resume = ["--config_path", os.path.join(ROOT, "configs", "resume.yaml"), "--epoch", 1]
    vectors, checkpoint, path = (folder / name for name in ("emb.pkl", "model", "zh.etagger"))
    vocabularies = succeed(
        zygote.run("embvec.py", "--train_path", train, "--wrd_dim", 100, "--out_path", vectors)
    )
    assert "高 2\n".encode() in vocabularies.out
    files = ["--emb_path", vectors, "--train_path", train, "--dev_path", dev]
    succeed(zygote.run("train.py", *resume, *files, "--checkpoint_dir", checkpoint, timeout=600))
    succeed(zygote.run("inference/export.py", "--restore", checkpoint, "--engine", path))
    with open(dev, "rb") as stream:
        columns = stream.read(100_000).rpartition(b"\n\n")[0] + b"\n\n"
    return types.SimpleNamespace(checkpoint=checkpoint, path=str(path), columns=columns)


@pytest.fixture(scope="module")
def model(made):
    return python_package().load(made.path)


@pytest.fixture(scope="module")
def server(made, bare_zygote, tmp_path_factory):
    server = Server(bare_zygote, tmp_path_factory.mktemp("server"), made.path, "--workers", 1)
    yield server
    assert server.stop() == 0


def test_entities_are_found(model):
    assert (model.tokenizer, model.types[:3]) == ("characters", ["CONT", "EDU", "LOC"])
    found = [(entity.type, entity.text) for entity in model(TEXT)]
    assert ("EDU", "硕士研究生") in found and ("ORG", "上海交通大学") in found


def test_both_commands_write_the_same(made, zygote):
    """The lines, with scores within rounding; and the columns."""
    given = [*("--mode", "line", "--restore", made.checkpoint), "--json", "--confidence"]
    text = (TEXT + "\n" + MIXED).encode()
    python = succeed(zygote.run("inference.py", *given, stdin=text)).out
    engine = succeed(run_binary("etagger", made.path, "--line", *given[-2:], stdin=text)).out
    ours, theirs = ([json.loads(line) for line in out.splitlines()] for out in (python, engine))
    for line, other in zip(ours, theirs, strict=True):
        for entity, twin in zip(line["entities"], other["entities"], strict=True):
            assert abs(entity.pop("score") - twin.pop("score")) < 1e-3
            assert line["text"][entity["start"] : entity["end"]] == entity["text"]
    assert ours == theirs and sum(len(line["entities"]) for line in ours) > 4
    python = succeed(
        zygote.run("inference.py", "--mode", "bucket", *given[2:4], stdin=made.columns)
    )
    engine = succeed(run_binary("etagger", made.path, stdin=made.columns))
    assert python.out == engine.out and engine.out.count(b"\n") == made.columns.count(b"\n")


def test_the_server_answers(made, model, server):
    """In all three units, and the columns of the command."""
    said = server.raw("GET /parse?q=明天上海的天气怎么样？ HTTP/1.0\r\n\r\n".encode())
    answer = json.loads(said.splitlines()[-1])
    assert list(answer) == ["text", "ents", "spans"] and answer["text"].startswith("明天上海")
    assert all(list(span) == ["start", "end", "type", "score"] for span in answer["spans"])
    for text in (TEXT, MIXED):
        whole = {
            "codepoints": (text, str),
            "utf16": (text.encode("utf-16-le"), lambda part: part.decode("utf-16-le")),
            "bytes": (text.encode(), bytes.decode),
        }
        for offsets, (data, decode) in whole.items():
            answer = server.json(f"/parse?offsets={offsets}", {"text": text})
            assert answer["text"] == text and len(answer["spans"]) > 1
            assert answer["ents"] == sorted({span["type"] for span in answer["spans"]})
            size = 2 if offsets == "utf16" else 1
            parts = [
                (span["type"], decode(data[size * span["start"] : size * span["end"]]))
                for span in answer["spans"]
            ]
            assert parts == [(entity.type, entity.text) for entity in model(text)]
    answer = server.post("/tag", made.columns)
    assert answer.body == succeed(run_binary("etagger", made.path, stdin=made.columns)).out


def test_the_page_marks_them(model, server):
    with chromium.open_browser() as browser:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}/")
        for text in (TEXT, MIXED.replace("\r\n", "\n")):  # as a text field has it
            with page.expect_response("**/parse?*"):
                page.fill("#text", text)
            page.wait_for_selector("#marked:not([aria-busy])")
            marks = page.eval_on_selector_all(
                "#marked mark", "all => all.map(each => [each.dataset.type, each.textContent])"
            )
            assert marks == [[entity.type, entity.text] for entity in model(text)] != []
