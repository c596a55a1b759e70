"""The server's page (serving/page) in Chromium: what it marks, shows, copies and requests, by mouse
and by keyboard, and its accessibility by axe-core. It needs `make browser-deps` and Chromium, and
skips without them.
"""

import json
import re
import shutil
import subprocess
import sys
import threading
import urllib.parse
import urllib.request

import pytest

import export
from support import browser as chromium
from support import page_server, serving
from support.commands import ROOT, SMALL, write_sample
from tagging import html

pytestmark = pytest.mark.slow

TEXT = "PAUL met BERTA in CHUR"


@pytest.fixture(scope="module")
def browser():
    with chromium.open_browser() as browser:
        yield browser


@pytest.fixture
def server():
    with page_server.serving() as server:
        yield server


@pytest.fixture
def opened(browser, server):
    """A function that opens the page, optionally with the end of an address. The test fails if an
    error is left in the browser's console, such as one of the content security policy, that is not
    in `expected`.
    """
    contexts, errors, expected = [], [], []

    def open_page(fragment="", **options):
        context = browser.new_context(**options)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on(
            "console", lambda message: errors.append(message.text) if message.type == "error" else 0
        )
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.address + fragment)
        return page

    open_page.expected = expected
    yield open_page
    for context in contexts:
        context.close()
    assert [error for error in errors if not any(message in error for message in expected)] == []


def fill(page, text):
    """Puts a text into the page, and waits for its answer."""
    with page.expect_response("**/parse?*") as waited:
        page.fill("#text", text)
    page.wait_for_selector("#marked:not([aria-busy])")
    return waited.value


def marks(page):
    return page.eval_on_selector_all(
        "#marked mark", "all => all.map(each => [each.textContent, each.dataset.type])"
    )


def table(page):
    return page.eval_on_selector_all(
        "#rows tr", "all => all.map(row => [...row.cells].map(cell => cell.textContent))"
    )


def status(page):
    return page.text_content("#status")


def copied(page, what):
    """The text that the button `Copy as ...` puts on the clipboard."""
    page.click(f"[data-copy={what}]")
    page.wait_for_selector(f"#status:has-text('Copied: {what}')")
    return page.evaluate("navigator.clipboard.readText()")


# ---------------------------------------------------------------- what is marked


def test_entities_are_marked(opened):
    page = opened()
    fill(page, TEXT)
    assert page.text_content("#marked") == TEXT
    assert marks(page) == [["PAUL", "P"], ["BERTA", "B"], ["CHUR", "C"]]
    assert status(page) == "3 entities of 3 types"
    assert table(page) == [
        ["P", "PAUL", "0", "4", "0.987"],
        ["B", "BERTA", "9", "14", "0.887"],
        ["C", "CHUR", "18", "22", "0.787"],
    ]
    fill(page, "nobody")
    assert marks(page) == table(page) == [] and status(page) == "No entities found"
    page.fill("#text", "")
    page.wait_for_selector("#marked:empty")
    assert status(page) == ""


@pytest.mark.parametrize(
    "text, places",
    [
        ("😀 PAUL 👩‍👩‍👧 BERTA", [(2, 6), (13, 18)]),
        ("e\u0301\u0301 PAUL", [(4, 8)]),  # combining marks
        ("שלום PAUL שלום\nمرحبا BERTA", [(5, 9), (21, 26)]),
        ("𐐀PAUL 𐐀 CHUR\n\n  KAI  ", [(8, 12), (16, 19)]),
        ("a\u202e PAUL BERTA \u2066 CHUR", [(3, 7), (8, 13), (16, 20)]),
    ],
)
def test_places_are_code_points_whatever_the_text(opened, text, places):
    """The page requests UTF-16 units, marks by them, and shows code points."""
    page = opened()
    fill(page, text)
    assert page.text_content("#marked") == text
    assert [(int(row[2]), int(row[3])) for row in table(page)] == places
    assert [row[1] for row in table(page)] == [text[start:end] for start, end in places]
    assert [mark[0] for mark in marks(page)] == [text[start:end] for start, end in places]


def test_half_of_a_pair_is_asked_as_what_it_can_be(opened, server):
    """An unpaired surrogate has no UTF-8, so it is replaced by a character that also has one
    unit.
    """
    page = opened()
    with page.expect_response("**/parse?*"):
        page.evaluate("text.value = '\\ud83d PAUL'; text.dispatchEvent(new Event('input'))")
    page.wait_for_selector("#marked mark")
    assert server.texts() == ["\ufffd PAUL"] and marks(page) == [["PAUL", "P"]]


HOSTILE = (
    "<b>PAUL</b> <img src=x onerror=document.title='bad'> BERTA <script>document.title='bad'"
    "</script> &lt;CHUR &amp; \"'` <!-- DORA --> ]]> {{EMIL}} </div></textarea> KAI"
)


def test_markup_in_a_text_stays_text(opened, server):
    """The same holds for the name of a type and for an error of the server."""
    server.models = [{"name": "<i>m</i>", "types": ["<u>P</u>"], "tokenizer": "<b>"}]
    page = opened()
    fill(page, HOSTILE)
    page.click("summary")
    page.wait_for_selector("#nbest li")
    for place in ("#marked", "#rows", "#types", "#nbest", "#about"):
        inside = page.eval_on_selector_all(f"{place} *", "all => all.map(each => each.localName)")
        assert {*inside} <= {"mark", "tr", "td", "button", "li", "span"}, place
    assert page.text_content("#marked") == HOSTILE
    assert page.text_content("#about") == "<i>m</i>, 1 type, reads <b>"
    server.refusal = 400, {}, b'{"detail": "<img src=x onerror=document.title=1>\\n  and more"}'
    opened.expected.append("400")
    fill(page, "other")
    assert page.text_content("#error") == "400: <img src=x onerror=document.title=1> and more"
    assert page.query_selector("#error *") is None and page.title() == "etagger"


def test_spans_that_no_tagger_gives_do_no_harm(opened, server):
    """The spans are out of range, overlapping, empty, or not in order."""
    spans = [(5, 9), (0, 4), (2, 6), (7, 7), (3, 99), (-1, 3)]
    said = {"text": TEXT, "spans": [{"start": a, "end": b, "type": "X"} for a, b in spans]}
    server.refusal = 200, {}, json.dumps(said).encode()
    page = opened()
    fill(page, TEXT)
    assert page.text_content("#marked") == TEXT
    assert [mark[0] for mark in marks(page)] == ["PAUL", "met "]


# ---------------------------------------------------------------- scores, types, readings


def test_the_score_is_there_on_hover_and_on_focus(opened):
    page = opened()
    fill(page, TEXT)
    assert page.is_hidden("#tip")
    page.hover("mark >> nth=1")
    assert page.text_content("#tip") == "B, score 0.887" and page.is_visible("#tip")
    page.hover("#tip")  # the pointer may rest on it (WCAG 1.4.13)
    assert page.is_visible("#tip")
    page.keyboard.press("Escape")
    assert page.is_hidden("#tip")
    page.hover("h1")
    page.focus("mark >> nth=0")
    assert page.text_content("#tip") == "P, score 0.987" and page.is_visible("#tip")
    assert page.get_attribute("mark >> nth=0", "aria-describedby") == "tip"
    page.focus("#text")
    assert page.is_hidden("#tip")
    assert page.get_attribute("mark >> nth=0", "aria-describedby") is None


def test_all_marks_are_one_stop_and_arrows_go_between_them(opened):
    page = opened()
    fill(page, TEXT)
    page.focus("#types button >> nth=2")
    focused = lambda: page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Tab")
    assert focused() == "PAUL"
    for key, then in [
        ("ArrowLeft", "PAUL"),
        ("ArrowRight", "BERTA"),
        ("End", "CHUR"),
        ("ArrowRight", "CHUR"),
        ("ArrowLeft", "BERTA"),
    ]:
        page.keyboard.press(key)
        assert focused() == then
    page.keyboard.press("Tab")
    assert focused() == "Copy as JSON"
    page.keyboard.press("Shift+Tab")
    assert focused() == "BERTA"
    page.keyboard.press("Home")
    assert focused() == "PAUL"


def test_a_type_is_switched_off_and_on(opened):
    page = opened()
    fill(page, "PAUL PETRA BERTA")
    assert page.eval_on_selector_all("#types button", "all => all.map(b => b.textContent)") == [
        "B 1",
        "P 2",
    ]
    page.focus("#types button >> nth=1")
    page.keyboard.press("Space")
    assert page.get_attribute("#types button >> nth=1", "aria-pressed") == "false"
    assert marks(page) == [["BERTA", "B"]] and len(table(page)) == 1
    assert page.text_content("#marked") == "PAUL PETRA BERTA"
    assert json.loads(copied(page, "JSON"))["ents"] == ["B"]
    fill(page, "PAUL BERTA again")  # it stays off
    assert marks(page) == [["BERTA", "B"]]
    page.click("#types button >> nth=1")
    assert marks(page) == [["PAUL", "P"], ["BERTA", "B"]]


def test_types_have_looks_of_their_own(opened, server):
    """There are 28 types, more than there are colours, and each has its label as well."""
    types = [chr(ord("A") + i) for i in range(26)]
    server.models = [{"name": "many", "types": types}]
    page = opened()
    fill(page, " ".join(2 * kind for kind in types))
    look = "each => {const s = getComputedStyle(each); return [s.backgroundColor, s.borderBottom]}"
    looks = page.eval_on_selector_all("#marked mark", f"all => all.map({look})")
    assert len({*map(tuple, looks)}) == len(types)
    tree = page.locator("#marked").aria_snapshot()
    assert all(f"- mark: {2 * kind} {kind}\n" in f"{tree}\n" for kind in types)


def test_readings_are_asked_for_once_they_are_open(opened, server):
    page = opened()
    fill(page, TEXT)
    assert "nbest" not in server.requests[-1][1]
    page.focus("summary")
    page.keyboard.press("Enter")
    page.wait_for_selector("#nbest li >> nth=4")
    assert server.requests[-1][1]["nbest"] == "5"
    said = page.eval_on_selector_all("#nbest li", "all => all.map(each => each.textContent)")
    assert said[0] == "50.0%PAULBERTACHUR" and said[4] == "3.1%no entities"
    page.click("summary")
    fill(page, "BERTA")
    assert "nbest" not in server.requests[-1][1]


# ---------------------------------------------------------------- copies, the link


@pytest.mark.parametrize("text", [TEXT, HOSTILE, "😀 PAUL's\n$HOME `id` \\ BERTA"])
def test_json_is_what_the_server_answers(opened, text):
    page = opened()
    fill(page, text)
    assert json.loads(copied(page, "JSON")) == page_server.answer(text)


@pytest.mark.parametrize("text", [TEXT, HOSTILE, "😀 PAUL's\n$HOME `id` \\ BERTA\n"])
def test_curl_gives_the_same_in_a_shell(opened, text):
    if not shutil.which("curl"):
        pytest.skip("no curl here")
    page = opened()
    fill(page, text)
    done = subprocess.run(
        ["sh", "-c", copied(page, "curl")], capture_output=True, text=True, timeout=30
    )
    assert json.loads(done.stdout) == page_server.answer(text), done.stderr


def test_conll_has_a_row_each_token(opened):
    page = opened()
    fill(page, "😀 PAUL left")
    assert copied(page, "CoNLL") == "😀 O\nPAUL B-P\nleft O\n\n"


def test_copies_without_the_clipboard_api(opened):
    """Over plain HTTP the clipboard API is missing, as it needs a secure context."""
    page = opened()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    fill(page, TEXT)
    page.click("[data-copy=CoNLL]")
    page.wait_for_selector("#status:has-text('Copied')")
    assert page.evaluate("document.activeElement.textContent") == "Copy as CoNLL"
    page.fill("#text", "")
    page.focus("#text")
    page.keyboard.press("Control+V")
    assert page.input_value("#text").startswith("PAUL B-P\nmet O\n")


@pytest.mark.parametrize("text", [TEXT, HOSTILE, "a+b=c&d#e%f 😀 \n\n שלום PAUL"])
def test_a_link_holds_the_text(opened, server, text):
    page = opened()
    fill(page, text)
    link = copied(page, "link")
    assert link.startswith(f"{server.address}#text=") and page.url == server.address
    server.requests.clear()
    other = opened(link.removeprefix(server.address))
    other.wait_for_selector("#marked mark")
    assert other.input_value("#text") == other.text_content("#marked") == text
    assert server.texts() == [text]
    paths = [path + json.dumps(query) for path, query, _, _ in server.requests]
    assert not any("PAUL" in path for path in paths)  # a fragment is not sent


def test_a_link_keeps_the_model_and_the_sentences(opened, server):
    server.models = [{"name": name, "types": ["P"]} for name in ("one", "two & three")]
    link = "#" + urllib.parse.urlencode({"text": "PAUL", "split": "true", "model": "two & three"})
    page = opened(link)
    page.wait_for_selector("#marked mark")
    query = server.requests[-1][1]
    assert query["model"] == "two & three" and query["split"] == "true"
    assert page.is_checked("#split") and page.input_value("#model") == "two & three"


# ---------------------------------------------------------------- models, errors, tokens


def test_a_model_is_chosen_where_there_are_several(opened, server):
    page = opened()
    fill(page, TEXT)
    assert page.is_hidden("#models") and "model" not in server.requests[-1][1]
    assert page.text_content("#about") == "small, 12 types, reads words"
    server.models = [
        {"name": "english", "types": ["B", "C", "P"], "tokenizer": "words"},
        {"name": "chinese", "types": ["P"], "tokenizer": "characters"},
    ]
    page = opened()
    fill(page, TEXT)
    assert page.is_visible("#models") and server.requests[-1][1]["model"] == "english"
    with page.expect_response("**/parse?*"):
        page.select_option("#model", label="chinese")
    assert server.requests[-1][1]["model"] == "chinese"
    assert page.text_content("#about") == "1 type, reads characters"


@pytest.mark.parametrize(
    "status, headers, body, line",
    [
        (413, {}, b'{"detail": "the text has 9 MB, the limit is 1 MB"}', "413: the text has 9 MB"),
        (422, {}, b'{"detail": [{"loc": ["q"], "msg": "one"}, {"msg": "two"}]}', "422: one; two"),
        (400, {}, b'{"error": "bad"}', "400: bad"),
        (503, {"Retry-After": "2"}, b'{"detail": "busy"}', "503: busy (try again in 2 s)"),
        (502, {}, b"<html>\n<h1>Bad\nGateway</h1>", "502: <html> <h1>Bad Gateway</h1>"),
        (500, {}, b"", "500: Internal Server Error"),
        (200, {}, b"{", "The server's answer is not JSON."),
    ],
)
def test_an_error_is_one_line(opened, server, status, headers, body, line):
    opened.expected.append(str(status))
    page = opened()
    fill(page, TEXT)
    server.refusal = status, headers, body
    fill(page, "PAUL again")
    said = page.text_content("#error")
    assert said.startswith(line) and "\n" not in said
    assert page.text_content("#marked") == TEXT  # the last answer stays
    server.refusal = None
    fill(page, "PAUL again and again")
    assert page.text_content("#error") == "" and len(marks(page)) == 1


def test_a_server_that_is_gone_is_named(opened, server):
    opened.expected.append("ERR_")
    page = opened()
    fill(page, TEXT)
    page.route("**/parse?*", lambda route: route.abort("connectionrefused"))
    page.fill("#text", "PAUL again")
    page.wait_for_selector("#error:not(:empty)")
    assert page.text_content("#error") == "The server does not answer. Is it still running?"


def test_a_token_is_asked_for_and_kept_for_the_session(opened, server):
    opened.expected.append("401")
    server.token = "secret"
    page = opened()
    page.wait_for_selector("#unlock:visible")
    assert page.evaluate("document.activeElement.id") == "token"
    assert page.text_content("#error") == "401: a bearer token is needed"
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("#error:has-text('401')")
    page.fill("#token", "secret")
    with page.expect_response("**/model"):
        page.keyboard.press("Enter")
    page.wait_for_selector("#unlock", state="hidden")
    fill(page, TEXT)
    assert len(marks(page)) == 3 and page.text_content("#error") == ""
    assert "secret" not in copied(page, "curl") and "$ETAGGER_TOKEN" in copied(page, "curl")
    assert "secret" not in copied(page, "link")
    page.reload()
    fill(page, TEXT)
    assert page.is_hidden("#unlock") and len(marks(page)) == 3
    assert page.evaluate("localStorage.length") == 0


# ---------------------------------------------------------------- requests


def test_keys_in_a_row_are_one_request(opened, server):
    page = opened()
    page.wait_for_selector("#about:not(:empty)")
    page.focus("#text")
    page.keyboard.type(TEXT * 5)  # no time between the keys
    page.wait_for_selector("mark >> nth=10")
    assert len(server.texts()) <= 3 and server.texts()[-1] == TEXT * 5


def test_the_latest_text_wins(opened, server):
    """The answer to an earlier text comes after the answer to a later one, or never."""
    waiting, go = threading.Event(), threading.Event()

    def gate(text):
        if text == "PAUL":
            waiting.set()
            go.wait(10)

    server.gate = gate
    page = opened()
    page.fill("#text", "PAUL")
    assert waiting.wait(10)
    fill(page, "BERTA")
    assert marks(page) == [["BERTA", "B"]]
    go.set()
    fill(page, "BERTA CHUR")
    assert server.texts() == ["PAUL", "BERTA", "BERTA CHUR"]
    assert marks(page) == [["BERTA", "B"], ["CHUR", "C"]] and page.text_content("#error") == ""


# ---------------------------------------------------------------- accessibility, phones


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened, server, scheme):
    """The states of the page: empty, with an answer, with a type switched off, with a score shown,
    with readings, with an error, with the field for a token.
    """
    types = [chr(ord("A") + i) for i in range(26)]
    server.models = [{"name": name, "types": types, "tokenizer": "words"} for name in "xy"]
    opened.expected += ["413", "401"]
    page = opened(color_scheme=scheme)
    page.wait_for_selector("#about:not(:empty)")
    assert chromium.violations(page) == []
    page.click("summary")
    fill(page, " ".join(2 * kind for kind in types) + " and others")
    page.wait_for_selector("#nbest li")
    page.focus("mark >> nth=2")
    assert page.is_visible("#tip")
    page.click("#types button >> nth=0")
    page.hover("mark >> nth=3")
    assert chromium.violations(page) == []
    server.refusal = 413, {}, b'{"detail": "too long"}'
    fill(page, "BERTA")
    assert page.is_visible("#error")
    assert chromium.violations(page) == []
    server.token = "secret"
    page.reload()
    page.wait_for_selector("#unlock:visible")
    assert chromium.violations(page) == []
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (dark == "rgb(255, 255, 255)") == (scheme == "light")


def test_axe_would_find_something(opened):
    page = opened()
    page.evaluate("document.querySelector('label[for=text]').remove()")
    page.evaluate("document.getElementById('text').removeAttribute('placeholder')")
    assert any(line.startswith("label: <textarea") for line in chromium.violations(page))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_page_of_the_commands(browser, tmp_path, scheme):
    """A page of inference.py --html; tests/test_html.py tests its content."""
    types = [chr(ord("A") + i) for i in range(26)]
    spans = [(i, i + 1, kind, 0.5) for i, kind in enumerate(types)]
    body = html.marked("".join(types) + " and others", spans, html.looks_of(types))
    path = tmp_path / "page.html"
    path.write_text(f"{html.head(types)}<p>{body}</p>\n{html.FOOT}", encoding="utf-8")
    page = browser.new_page(color_scheme=scheme)
    page.goto(path.as_uri())
    assert page.text_content("main").strip() == "".join(types) + " and others"
    assert chromium.violations(page) == []
    page.close()


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_scrolls_one_way(opened, width):
    """320 CSS pixels are also the width of a screen of 1280 at 400% (WCAG 1.4.10)."""
    page = opened(viewport={"width": width, "height": 700}, has_touch=True, is_mobile=True)
    page.click("summary")
    fill(page, f"PAUL met {'X' * 300} and {'y' * 300} BERTA in CHUR")
    page.wait_for_selector("#nbest li")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.tap("mark >> nth=2")
    page.focus("mark >> nth=2")
    tip = page.locator("#tip").bounding_box()
    assert tip["x"] >= 0 and tip["x"] + tip["width"] <= width
    small = "all => all.filter(each => each.offsetHeight < 44).map(each => each.outerHTML)"
    assert page.eval_on_selector_all("button:visible", small) == []


def test_a_screen_reader_hears_what_happens(opened):
    """Checks roles and names in the browser's accessibility tree."""
    page = opened()
    fill(page, TEXT)
    tree = page.locator("body").aria_snapshot()
    for line in (
        '- heading "etagger" [level=1]',
        '- textbox "Text"',
        "- status: 3 entities of 3 types",
        '- group "Types that are shown"',
        '- button "P 1" [pressed]',
        "- mark: PAUL P",
        '- button "Copy as JSON"',
        '- columnheader "Score"',
    ):
        assert line in tree, f"{line}\n{tree}"
    assert page.get_attribute("#error", "role") == "alert"


# ---------------------------------------------------------------- the server itself


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The address of serve.py with a model of random weights."""
    for package in ("fastapi", "uvicorn", "msgspec"):
        pytest.importorskip(package, reason="pip install -r requirements-serve.txt")
    serving.binary("libetagger.so")
    folder = tmp_path_factory.mktemp("model")
    prefix = serving.untrained(folder / "ner_model", *write_sample(folder), *SMALL)
    export.write_engine_file(prefix, str(folder / "model.etagger"), False)
    command = [sys.executable, "serve.py", folder / "model.etagger", "--port", "0"]
    process = subprocess.Popen([*map(str, command)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    lines = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"http://\S+", line):
            break
    assert found, lines
    yield found[0]
    process.terminate()
    process.stderr.close()
    assert process.wait(60) == 0


def test_the_page_of_the_server_itself(browser, served):
    """The page works with serve.py as with the stub of the other tests: the marks are the spans of
    /parse, in a text whose length differs in each unit, under the server's own policy.
    """
    text = "😀 Sumogetti left Vremland.\n<b>שלום</b> Paul & Berta"
    errors = []
    context = browser.new_context()
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(served)
    fill(page, text)
    given = urllib.parse.urlencode({"q": text, "tokens": "true"})
    with urllib.request.urlopen(f"{served}parse?{given}", timeout=30) as answer:
        said = json.load(answer)
    assert page.text_content("#marked") == text
    assert marks(page) == [
        [text[span["start"] : span["end"]], span["type"]] for span in said["spans"]
    ]
    assert said["spans"] and table(page) == [
        [
            span["type"],
            text[span["start"] : span["end"]],
            str(span["start"]),
            str(span["end"]),
            f"{span['score']:.3f}",
        ]
        for span in said["spans"]
    ]
    rows = [
        "".join(f"{text[token['start'] : token['end']]} {token['tag']}\n" for token in sentence)
        for sentence in said["tokens"]
    ]
    assert copied(page, "CoNLL") == "".join(f"{row}\n" for row in rows)
    done = subprocess.run(
        ["sh", "-c", copied(page, "curl")], capture_output=True, text=True, timeout=30
    )
    assert json.loads(done.stdout)["spans"] == said["spans"]
    page.click("summary")
    page.wait_for_selector("#no-nbest:has-text('one sentence')")
    fill(page, "Sumogetti left Vremland.")
    page.wait_for_selector("#nbest li >> nth=4")
    assert page.text_content("#error") == "" and errors == []
    context.close()
