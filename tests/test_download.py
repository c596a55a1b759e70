"""etc/download.py against a server of our own that closes connections early, changes its files,
sends wrong headers, and stalls.
"""

import gzip
import hashlib
import io
import os
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import types
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import cli
import conll
import download
from download import Download, File, Item
from support.commands import ROOT, left_behind, one_line, wait_until

SCRIPT = os.path.join(ROOT, "etc", "download.py")

BYTES = b"\x89HDF\r\n\x1a\n" + random.Random(1).randbytes(300_000)
OTHER = b"\x89HDF\r\n\x1a\n" + random.Random(2).randbytes(300_000)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves server.files as server.behave says, and logs each request in server.log."""

    def do_GET(self):
        server, data = self.server, self.server.files.get(self.path)
        self.server.log.append((self.path, self.headers["Range"], self.headers["If-Range"]))
        if server.codes or data is None:
            return self.send_error(server.codes.pop(0) if server.codes else 404)
        tags = server.tags if server.tags is not None else {"ETag": f'"{sha256(data)[:8]}"'}
        start = self.start(data, tags)
        if start is not None and start >= len(data):
            return self.send_error(416)
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if server.length:
            self.send_header("Content-Length", str(len(data) - (start or 0)))
        for tag in tags.items():
            self.send_header(*tag)
        self.end_headers()
        self.send(data[start or 0 :])

    def start(self, data, tags):
        """Where the answer begins; None for all from the beginning with status 200."""
        asked = self.headers["Range"]
        if (
            not asked
            or not self.server.ranges
            or self.server.if_range
            and self.headers["If-Range"] not in tags.values()
        ):
            return None
        return int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) + self.server.shift

    def send(self, data):
        count = self.server.breaks.pop(0) if self.server.breaks else len(data)
        self.wfile.write(data[:count])
        if count < len(data):
            self.wfile.flush()
            self.server.stall.wait(20)
            if self.server.reset:
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )

    def log_message(self, *args):
        """Writes nothing to standard error."""


@pytest.fixture
def server():
    """files: {path: bytes}; breaks: after how many bytes each next answer ends; codes: errors
    before all else; ranges, if_range, length: what the server knows of; tags: headers of every
    file; shift: of ranges; stall: awaited before it breaks off."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.files, server.log, server.breaks, server.codes, server.tags = {}, [], [], [], None
    server.ranges = server.if_range = server.length = True
    server.reset, server.shift, server.stall = False, 0, threading.Event()
    server.stall.set()
    server.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.stall.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(server, tmp_path, monkeypatch, capsys):
    """A function: runs the command in this process; returns code, out and err. Its ITEMS are those
    of `items`.
    """
    monkeypatch.setattr(download, "PAUSE", 0.001)
    monkeypatch.setattr(download, "ITEMS", items(server.address))
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["download.py", *map(str, args), "--out", str(tmp_path)])
        with pytest.raises(SystemExit) as end:
            cli.run_command(download.main)
        return types.SimpleNamespace(code=end.value.code, **capsys.readouterr()._asdict())

    return run


def item(*downloads, folder="embeddings", links=()):
    return Item("a thing", "none", "a page", "", folder, downloads, links)


def items(address, sum_of_zip="", sum_of_a=""):
    return {
        "plain": item(Download(f"{address}/x/w.hdf5", (File("w.hdf5"),))),
        "pair": item(
            Download(f"{address}/o.json", (File("o.json"),)),
            Download(f"{address}/x/w.hdf5", (File("w.hdf5"),)),
        ),
        "zip": item(
            Download(
                f"{address}/a.zip",
                (File("sub/a.txt", sum_of_a, "a.txt"), File("b.txt", "", "valid.txt")),
                sum_of_zip,
            )
        ),
        "corpus": item(
            Download(f"{address}/a.zip", (File("a.txt", "", "a.txt"),)),
            folder="data/c",
            links=(("data/a.txt", "data/c/a.txt"),),
        ),
    }


def zipped(**members):
    """A zip archive as bytes; __ in a name stands for a slash, and _ for the dot."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), data)
    return out.getvalue()


def failed(done):
    """The last line on standard error of a run that must end with a user's mistake."""
    assert done.code == 2 and done.out == "" and "Traceback" not in done.err, done
    return done.err.splitlines()[-1]


def listed(folder):
    return sorted(
        os.path.relpath(os.path.join(place, name), folder)
        for place, _, names in os.walk(folder)
        for name in names
    )


def ranges(server):
    return [int(asked[6:-1]) if asked else 0 for _, asked, _ in server.log]


# ---------------------------------------------------------------- what there is


def test_table():
    paths = []
    for name, item in download.ITEMS.items():
        assert (
            item.folder.split("/")[0] in ("embeddings", "data")
            and item.terms
            and item.page.startswith("https://")
        )
        for source in item.downloads:
            assert source.url.startswith("https://") and source.files
            assert bool(item.checked) == bool(
                source.sha256 or all(file.sha256 for file in source.files)
            ), name
            assert all(bool(file.member) == source.url.endswith(".zip") for file in source.files)
            for digest in [source.sha256, *[file.sha256 for file in source.files]]:
                assert re.fullmatch("([0-9a-f]{64})?", digest)
            paths += [f"{item.folder}/{file.path}" for file in source.files]
    assert len(paths) == len(set(paths)) == 10 + 4 * 2 + 6 * 5 + 3
    corpus = conll.CORPORA["conll2003"]
    assert {f"data/conll2003/{split}.{corpus.ending}" for split in corpus.splits} <= set(paths)


def test_list_without_other_packages():
    """Users run it before they install anything."""
    done = subprocess.run(
        [sys.executable, "-E", "-s", "-S", SCRIPT, "--list"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.findall(r"(?m)^(\S+): ", done.stdout) == list(download.ITEMS)
    for item in download.ITEMS.values():
        assert all(
            text in done.stdout
            for text in (
                item.what,
                item.terms,
                item.page,
                *[source.url for source in item.downloads],
            )
        )


def test_checksum_of_a_vocabulary(shared):
    with open(shared("conformance/bert/cased_vocab.txt"), "rb") as stream:
        vocab = sha256(stream.read())
    cased = [
        file.sha256
        for file in download.ITEMS["bert-base-cased"].downloads[0].files
        if file.path.endswith("vocab.txt")
    ]
    assert cased == [vocab]


@pytest.mark.slow
def test_checksum_of_glove(shared):
    with gzip.open(shared("embeddings/glove.6B.50d.txt.gz")) as stream:
        assert download.ITEMS["glove.6B"].downloads[0].files[0].sha256 == download.sha256_of(
            stream, "", 0
        )


# ---------------------------------------------------------------- fetching


def test_fetches_and_then_nothing_more(run, server, tmp_path):
    server.files = {"/x/w.hdf5": BYTES, "/o.json": b'{"a": 1}'}
    done = run("pair", "pair")
    assert done.code == 0
    assert done.out == "".join(
        f"{tmp_path}/embeddings/{name}  {len(data):,} bytes  sha256 {sha256(data)}\n"
        for name, data in (("o.json", b'{"a": 1}'), ("w.hdf5", BYTES))
    )
    assert (
        "pair: a thing; terms: none\n" in done.err
        and done.err.count("pair: nobody publishes checksums; those of this") == 1
    )
    assert listed(tmp_path) == ["embeddings/o.json", "embeddings/pair.sha256", "embeddings/w.hdf5"]
    assert (tmp_path / "embeddings/w.hdf5").read_bytes() == BYTES
    check = subprocess.run(
        ["sha256sum", "-c", "pair.sha256"],
        cwd=tmp_path / "embeddings",
        capture_output=True,
        text=True,
    )
    assert (check.returncode, check.stdout) == (0, "o.json: OK\nw.hdf5: OK\n")
    requests, before = (
        len(server.log),
        [os.stat(tmp_path / "embeddings" / name) for name in os.listdir(tmp_path / "embeddings")],
    )
    again = run("pair")
    assert (again.code, again.out) == (
        0,
        done.out,
    ) and again.err == "download.py: pair: there already, nothing to fetch\n"
    assert len(server.log) == requests == 2
    after = [
        os.stat(tmp_path / "embeddings" / name) for name in os.listdir(tmp_path / "embeddings")
    ]
    assert [status.st_mtime_ns for status in after] == [status.st_mtime_ns for status in before]


@pytest.mark.parametrize("reset", (False, True))
def test_goes_on_where_it_broke_off(run, server, tmp_path, reset):
    server.files, server.breaks, server.reset = (
        {"/x/w.hdf5": BYTES},
        [70_000, 1, 100_000, 60_000, 50_000],
        reset,
    )
    done = run("plain", "--tries", 2)  # failures in a row that brought nothing: none
    assert done.code == 0 and (tmp_path / "embeddings/w.hdf5").read_bytes() == BYTES
    assert len(server.log) == 6 and ranges(server) == sorted(set(ranges(server)))
    assert {tag for _, _, tag in server.log[1:]} == {f'"{sha256(BYTES)[:8]}"'}
    if not reset:
        assert ranges(server) == [0, 70_000, 70_001, 170_001, 230_001, 280_001]
        assert (
            f"{server.address}/x/w.hdf5: broke off after 70,000 of {len(BYTES):,} bytes; again in "
            f"0.001 s" in done.err
        )
    assert listed(tmp_path) == ["embeddings/plain.sha256", "embeddings/w.hdf5"]


def test_gives_up_and_goes_on_in_the_next_run(run, server, tmp_path):
    server.files, server.breaks = {"/x/w.hdf5": BYTES}, [1000, 0, 0, 0, 0]
    assert "given up after 3 tries" in failed(run("plain", "--tries", 3))
    assert ranges(server) == [0, 1000, 1000]
    assert listed(tmp_path) == ["embeddings/w.hdf5.part", "embeddings/w.hdf5.part.json"]
    assert (tmp_path / "embeddings/w.hdf5.part").read_bytes() == BYTES[:1000]
    server.breaks.clear()
    assert run("plain").code == 0
    assert ranges(server)[3:] == [1000]
    assert (tmp_path / "embeddings/w.hdf5").read_bytes() == BYTES


@pytest.mark.parametrize("without", ("ranges", "tags"))
def test_server_that_can_not_go_on(run, server, tmp_path, without):
    """A server without ranges sends the file from the beginning; without ETag and Last-Modified,
    the file may have changed.
    """
    server.files, server.breaks = {"/x/w.hdf5": BYTES}, [70_000, 200_000, 80_000]
    server.ranges, server.tags = without != "ranges", {} if without == "tags" else None
    done = run("plain", "--tries", 3)
    assert done.code == 0 and (tmp_path / "embeddings/w.hdf5").read_bytes() == BYTES
    assert ranges(server) == ([0, 70_000, 200_000, 80_000] if without == "ranges" else [0] * 4)
    assert ("the server starts from the beginning" in done.err) == (without == "ranges")
    assert listed(tmp_path) == ["embeddings/plain.sha256", "embeddings/w.hdf5"]


def test_server_that_never_comes_to_its_end(run, server, tmp_path):
    server.files, server.breaks, server.ranges = {"/x/w.hdf5": BYTES}, [70_000] * 9, False
    assert f"broke off after 70,000 of {len(BYTES):,} bytes; given up after 4 tries" in failed(
        run("plain", "--tries", 4)
    )
    assert len(server.log) == 4
    assert "embeddings/w.hdf5" not in listed(tmp_path)


@pytest.mark.parametrize(
    "tags, validator",
    (
        ({"Last-Modified": "Mon, 01 Jan 2018 00:00:00 GMT"}, "Mon, 01 Jan 2018 00:00:00 GMT"),
        (
            {"ETag": 'W/"1"', "Last-Modified": "Mon, 01 Jan 2018 00:00:00 GMT"},
            "Mon, 01 Jan 2018 00:00:00 GMT",
        ),
        ({"ETag": '"1"', "Last-Modified": "Mon, 01 Jan 2018 00:00:00 GMT"}, '"1"'),
    ),
)
def test_validators(run, server, tmp_path, tags, validator):
    server.files, server.breaks, server.tags = {"/x/w.hdf5": BYTES}, [70_000], tags
    assert run("plain").code == 0 and (tmp_path / "embeddings/w.hdf5").read_bytes() == BYTES
    assert server.log[1][1:] == ("bytes=70000-", validator)


@pytest.mark.parametrize("if_range", (True, False))
@pytest.mark.parametrize("size", (None, 200_000, 60_000))
def test_file_changed_between_two_tries(run, server, tmp_path, if_range, size):
    """A server that does not know If-Range sends the rest of another file, or refuses the range
    (416).
    """
    server.files, server.breaks, server.if_range = {"/x/w.hdf5": BYTES}, [70_000, 0], if_range
    assert run("plain", "--tries", 1).code == 2
    server.files["/x/w.hdf5"] = OTHER[:size]
    server.breaks.clear()
    done = run("plain")
    assert done.code == 0 and (tmp_path / "embeddings/w.hdf5").read_bytes() == OTHER[:size]
    assert ranges(server) == [0, 70_000] + [0] * (not if_range)
    assert listed(tmp_path) == ["embeddings/plain.sha256", "embeddings/w.hdf5"]


@pytest.mark.parametrize("size, shift", ((250_000, 0), (None, 1), (None, -70_000)))
def test_range_that_does_not_fit(run, server, tmp_path, size, shift):
    """The ETag is the same, but the length is another, or the range begins elsewhere."""
    server.files, server.breaks, server.tags = {"/x/w.hdf5": BYTES}, [70_000, 0], {"ETag": '"1"'}
    assert run("plain", "--tries", 1).code == 2
    server.files["/x/w.hdf5"], server.shift = BYTES[:size], shift
    server.breaks.clear()
    done = run("plain")
    assert done.code == 0 and "the file has changed on the server; again in" in done.err
    assert (tmp_path / "embeddings/w.hdf5").read_bytes() == BYTES[:size] and ranges(server) == [
        0,
        70_000,
        0,
    ]


def test_part_of_another_address(run, server, tmp_path):
    server.files, server.breaks = {"/x/w.hdf5": BYTES}, [70_000]
    assert run("plain", "--tries", 1).code == 2
    server.files[f"/m/127.0.0.1:{server.server_port}/x/w.hdf5"] = BYTES
    assert run("plain", "--mirror", f"{server.address}/m/").code == 0
    assert ranges(server) == [0, 0]


def test_part_without_a_note(run, server, tmp_path):
    server.files = {"/x/w.hdf5": BYTES}
    (tmp_path / "embeddings").mkdir()
    (tmp_path / "embeddings/w.hdf5.part").write_bytes(OTHER[:1000])
    (tmp_path / "embeddings/w.hdf5.part.json").write_bytes(b"[]")
    assert run("plain").code == 0 and ranges(server) == [0]
    assert (tmp_path / "embeddings/w.hdf5").read_bytes() == BYTES


def test_part_that_is_whole(run, server, tmp_path, monkeypatch):
    """A run that ended after the last byte and before the rename; nothing is downloaded again."""

    def interrupt(*args):
        raise KeyboardInterrupt

    server.files = {"/x/w.hdf5": BYTES}
    with monkeypatch.context() as patch:
        patch.setattr(download, "check_kind", interrupt)
        assert run("plain").code == 130
    assert listed(tmp_path) == ["embeddings/w.hdf5.part", "embeddings/w.hdf5.part.json"]
    assert run("plain").code == 0 and len(server.log) == 1
    assert (tmp_path / "embeddings/w.hdf5").read_bytes() == BYTES


def test_length_unknown(run, server, tmp_path):
    server.files, server.length = {"/a.zip": zipped(a_txt=b"a", valid_txt=b"b")}, False
    assert run("zip").code == 0
    assert (tmp_path / "embeddings/sub/a.txt").read_bytes() == b"a"
    assert (tmp_path / "embeddings/b.txt").read_bytes() == b"b"


@pytest.mark.parametrize("code, tries", ((404, 1), (403, 1), (500, 3), (503, 3), (429, 3)))
def test_error_of_the_server(run, server, tmp_path, code, tries):
    server.files, server.codes = {"/x/w.hdf5": BYTES}, [code] * 3
    assert f"{server.address}/x/w.hdf5: {code} " in failed(run("plain", "--tries", 3))
    assert len(server.log) == tries and listed(tmp_path) == []
    server.codes = [503, 503]
    assert run("plain", "--tries", 3).code == 0


def test_nobody_there(run, server, tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setattr(download, "ITEMS", items(f"http://127.0.0.1:{free.getsockname()[1]}"))
    assert "/x/w.hdf5: Connection refused; given up after 2 tries" in failed(
        run("plain", "--tries", 2)
    )
    assert listed(tmp_path) == []


def test_silence(run, server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    server.files, server.breaks = {"/x/w.hdf5": BYTES}, [70_000]
    server.stall.clear()
    done = run("plain")  # it stalls once, as `breaks` is empty then
    assert done.code == 0 and "timed out; again in" in done.err and ranges(server) == [0, 70_000]


def test_progress(run, server, monkeypatch):
    begins = []

    def every_time(what, total, begun=0):
        begins.append((what, begun))
        return cli.Progress(what, total, 0.0, begun)

    monkeypatch.setattr(download, "Progress", every_time)
    server.files, server.breaks = {"/x/w.hdf5": BYTES}, [150_000]
    lines = [line for line in run("plain").err.splitlines() if line.startswith("w.hdf5 ")]
    done = [
        int(re.match(r"w.hdf5 ([\d,]+)/300,008 \d+%, \d+:\d\d left$", line)[1].replace(",", ""))
        for line in lines
    ]
    assert done == sorted(done) and done[-1] == len(BYTES) and 150_000 in done and len(done) > 4
    assert begins == [("w.hdf5", 0), ("w.hdf5", 150_000), ("checking w.hdf5.part", 0)]


def test_time_left_counts_this_run_alone(monkeypatch, capsys):
    clock = iter((0.0, 10.0))
    monkeypatch.setattr(cli.time, "monotonic", lambda: next(clock))
    cli.Progress("x", 1000, 1.0, begun=800).update(900)  # 100 in 10 s, 100 to do
    assert capsys.readouterr().err == "x 900/1,000 90%, 0:10 left\n"


# ---------------------------------------------------------------- checking


def test_published_checksums(run, server, tmp_path, monkeypatch):
    archive = zipped(a_txt=b"a" * 9, valid_txt=b"b")
    server.files = {"/a.zip": archive}
    for sums in ((sha256(b""), ""), ("", sha256(b"")), (sha256(archive), sha256(b""))):
        monkeypatch.setattr(download, "ITEMS", items(server.address, *sums))
        message = failed(run("zip"))
        assert f"published is {sha256(b'')}; it is not kept" in message
        assert (
            sha256(archive) in message
            if sums[0] == sha256(b"")
            else f"sub/a.txt came with sha256 {sha256(b'a' * 9)}" in message
        )
        assert listed(tmp_path) == []
    monkeypatch.setattr(download, "ITEMS", items(server.address, sha256(archive), sha256(b"a" * 9)))
    assert run("zip").code == 0
    assert listed(tmp_path) == ["embeddings/b.txt", "embeddings/sub/a.txt", "embeddings/zip.sha256"]


def test_the_first_fetch_is_what_later_ones_are_compared_with(run, server, tmp_path):
    server.files = {"/x/w.hdf5": BYTES}
    assert run("plain").code == 0
    (tmp_path / "embeddings/w.hdf5").unlink()
    server.files = {"/x/w.hdf5": OTHER}
    message = failed(run("plain"))
    assert (
        f"w.hdf5 came with sha256 {sha256(OTHER)}, the first time with {sha256(BYTES)} (" in message
    )
    assert f"({tmp_path}/embeddings/plain.sha256); it is not kept" in message
    assert listed(tmp_path) == ["embeddings/plain.sha256"]
    server.files = {"/x/w.hdf5": BYTES}
    assert run("plain").code == 0
    record = (tmp_path / "embeddings/plain.sha256").read_text()
    assert record == f"# plain: {server.address}/x/w.hdf5\n{sha256(BYTES)}  w.hdf5\n"
    (tmp_path / "embeddings/plain.sha256").write_text(record + "w.hdf5\n")
    assert f"{tmp_path}/embeddings/plain.sha256:3: expected 'sha256  file'" in failed(run("plain"))


def test_files_that_are_there_are_never_written_over(run, server, tmp_path):
    server.files = {"/x/w.hdf5": BYTES, "/o.json": b'{"a": 1}'}
    (tmp_path / "embeddings").mkdir()
    path = tmp_path / "embeddings/w.hdf5"
    path.write_bytes(b"mine")
    assert (
        f"{path}: is there, but {tmp_path}/embeddings/pair.sha256 does not say whether it is whole"
        in failed(run("pair"))
    )
    assert (
        server.log == []
        and listed(tmp_path) == ["embeddings/w.hdf5"]
        and path.read_bytes() == b"mine"
    )
    path.unlink()
    assert run("pair").code == 0
    path.write_bytes(BYTES + b"!")
    assert f"{path}: has sha256 {sha256(BYTES + b'!')}, expected {sha256(BYTES)}" in failed(
        run("pair")
    )
    path.unlink()
    server.log.clear()
    assert run("pair").code == 0
    assert [path for path, _, _ in server.log] == ["/x/w.hdf5"]  # o.json is whole


def test_file_with_a_published_checksum_may_be_there(run, server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "ITEMS", items(server.address, "", sha256(b"a")))
    server.files = {"/a.zip": zipped(a_txt=b"another", valid_txt=b"b")}
    (tmp_path / "embeddings/sub").mkdir(parents=True)
    (tmp_path / "embeddings/sub/a.txt").write_bytes(b"a")
    (tmp_path / "embeddings/zip.sha256").write_text(f"{sha256(b'edited')}  sub/a.txt\n")
    assert run("zip").code == 0
    assert f"{sha256(b'a')}  sub/a.txt\n" in (tmp_path / "embeddings/zip.sha256").read_text()
    assert (tmp_path / "embeddings/sub/a.txt").read_bytes() == b"a" and (
        tmp_path / "embeddings/b.txt"
    ).read_bytes() == b"b"


@pytest.mark.parametrize("page", (b"<html>Log in", b"{", b"", b"\xff"))
def test_what_came_is_another_thing(run, server, tmp_path, page):
    for name, kind in (("/o.json", "JSON"), ("/x/w.hdf5", "HDF5")):
        server.files = {"/x/w.hdf5": BYTES, "/o.json": b'{"a": 1}', name: page}
        assert f"{name}: what came is not {kind}, it begins with {page!r}" in failed(run("pair"))
        assert not [
            path for path in listed(tmp_path) if path.endswith((os.path.basename(name), ".part"))
        ]


def test_a_page_in_place_of_a_file_is_named(run, server, tmp_path):
    page = b"<!DOCTYPE html>\n<html><head><title>Log in</title></head></html>\n"
    for name, which in (("/o.json", "pair"), ("/x/w.hdf5", "pair"), ("/a.zip", "zip")):
        server.files = {"/x/w.hdf5": BYTES, "/o.json": b'{"a": 1}', name: page}
        told = f"{name}: what came is an HTML page in place of the file; it is not kept"
        assert told in failed(run(which))
        assert not [path for path in listed(tmp_path) if path.endswith(".part")]
        for path in listed(tmp_path):
            (tmp_path / path).unlink()


@pytest.mark.parametrize(
    "name", ("../evil.txt", "/evil.txt", "x/../../evil.txt", "..\\evil.txt", "\\evil.txt")
)
def test_archive_with_a_path_outside(run, server, tmp_path, name):
    server.files = {"/a.zip": zipped(a_txt=b"a", valid_txt=b"b")}
    out = io.BytesIO(server.files["/a.zip"])
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(name, b"evil")
    server.files["/a.zip"] = out.getvalue()
    assert f"the archive has a path outside of its folder, {name!r}" in failed(run("zip"))
    assert listed(tmp_path) == [] and not os.path.exists("/evil.txt")


def test_only_what_was_asked_for_is_unpacked(run, server, tmp_path):
    server.files = {"/a.zip": zipped(a_txt=b"a", valid_txt=b"b", metadata=b"c", deep__er_txt=b"d")}
    assert run("zip").code == 0
    assert listed(tmp_path) == ["embeddings/b.txt", "embeddings/sub/a.txt", "embeddings/zip.sha256"]


def test_damaged_archives(run, server, tmp_path):
    """An archive is truncated anywhere, or any byte is flipped: it is either refused in one line or
    unpacked correctly.
    """
    rng = random.Random(1)
    good = zipped(a_txt=rng.randbytes(2000), valid_txt=b"b" * 5000)
    whole, refused = {}, 0
    for i in range(60):
        data = bytearray(good)
        if i < 20:
            del data[rng.randrange(len(data)) :]
        elif i < 59:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        server.files = {"/a.zip": bytes(data)}
        done = run("zip")
        if done.code == 0:
            whole[i] = [
                (tmp_path / "embeddings" / name).read_bytes() for name in ("sub/a.txt", "b.txt")
            ]
            for name in listed(tmp_path):
                (tmp_path / name).unlink()
        else:
            assert (
                "a.zip: a damaged archive, or not the one expected (" in failed(done)
                or "outside of its folder" in done.err
            )
            refused += 1
            for name in listed(
                tmp_path
            ):  # the first file is whole, written down and kept, where the second is damaged
                assert name in ("embeddings/zip.sha256", "embeddings/sub/a.txt")
                (tmp_path / name).unlink()
    assert refused > 40 and whole[59] and all(files == whole[59] for files in whole.values())


def test_corpus_is_linked_to_where_train_looks(run, server, tmp_path):
    server.files = {"/a.zip": zipped(a_txt=b"a")}
    assert run("corpus").code == 0
    link = tmp_path / "data/a.txt"
    assert os.readlink(link) == "c/a.txt" and link.read_bytes() == b"a"
    assert "stays" not in run("corpus").err
    link.unlink()
    link.write_bytes(b"mine")
    done = run("corpus")
    assert (
        done.code == 0
        and f"{link}: is there already and stays" in done.err
        and link.read_bytes() == b"mine"
    )


# --------------------------------------------------------------- users' mistakes, and the machine's


def test_mistakes(run, server, tmp_path):
    assert "no NAME of what to fetch; --list" in failed(run())
    assert "plan: nothing of this name (did you mean plain?); --list" in failed(run("zip", "plan"))
    assert "--tries 0: expected 1 or more" in failed(run("plain", "--tries", 0))
    for mirror in (
        "ftp://host",
        "file:///etc",
        "http://",
        "http:/host",
        "host",
        "http://host:x",
        "http://[host",
    ):
        assert f"--mirror {mirror}: not an address" in failed(run("plain", "--mirror", mirror))
    assert server.log == [] and listed(tmp_path) == []
    (tmp_path / "embeddings").write_bytes(b"")
    assert "embeddings: File exists" in failed(run("plain"))


def test_two_at_once(run, server, tmp_path):
    server.files = {"/x/w.hdf5": BYTES}
    (tmp_path / "embeddings").mkdir()
    with download.open_part(str(tmp_path / "embeddings/w.hdf5.part")):
        assert "w.hdf5.part: another process is fetching it" in failed(run("plain"))
    assert server.log == [] and run("plain").code == 0


def test_disk_too_small(run, server, tmp_path, monkeypatch):
    free = types.SimpleNamespace(free=100_000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda folder: free)
    server.files = {"/x/w.hdf5": BYTES, "/a.zip": zipped(a_txt=b"a" * 99_999, valid_txt=b"bb")}
    assert "embeddings: 300,008 more bytes are needed, 100,000 are free" in failed(run("plain"))
    assert listed(tmp_path) == []
    assert "embeddings: 100,001 more bytes are needed, 100,000 are free" in failed(run("zip"))
    assert listed(tmp_path) == ["embeddings/a.zip.part", "embeddings/a.zip.part.json"]
    free.free = 1 << 30
    assert run("zip").code == 0 and len(server.log) == 2  # the archive was whole


# ---------------------------------------------------- as a process, with the addresses of the table

NAME = "2x1024_128_2048cnn_1xhighway/elmo_2x1024_128_2048cnn_1xhighway"
ELMO = f"/s3-us-west-2.amazonaws.com/allennlp/models/elmo/{NAME}"


@pytest.fixture
def start(server, tmp_path):
    """A function: starts the command as a process, with our server as the mirror."""
    server.files = {f"{ELMO}_options.json": b'{"a": 1}', f"{ELMO}_weights.hdf5": BYTES}

    def start(*args, **rest):
        return subprocess.Popen(
            [sys.executable, SCRIPT, *args, "--out", "here", "--mirror", server.address],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "no_proxy": "127.0.0.1"},
            **rest,
        )

    (tmp_path / "here").mkdir()
    return start


def end(process):
    out, err = process.communicate(timeout=120)
    return types.SimpleNamespace(code=process.returncode, out=out, err=err)


def weights(tmp_path, ending=""):
    return tmp_path / f"here/embeddings/{os.path.basename(NAME)}_weights.hdf5{ending}"


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGKILL))
def test_interrupted_and_going_on(start, server, tmp_path, number):
    server.breaks = [8, 200_000]  # of the options all
    server.stall.clear()
    process = start("elmo-small")
    part = weights(tmp_path, ".part")
    wait_until(lambda: part.exists() and part.stat().st_size > 100_000)
    process.send_signal(number)
    done = end(process)
    assert done.code == (130 if number == signal.SIGINT else -number)
    if number == signal.SIGINT:
        assert done.err.endswith("download.py: interrupted\n") and "Traceback" not in done.err
    have = weights(tmp_path, ".part").stat().st_size
    assert 100_000 < have <= 200_000 and not weights(tmp_path).exists()
    server.stall.set()
    server.breaks.clear()
    done = end(start("elmo-small"))
    assert done.code == 0 and ranges(server)[2:] == [have]
    assert weights(tmp_path).read_bytes() == BYTES
    assert (
        done.out.splitlines()[1]
        == f"{weights(tmp_path).relative_to(tmp_path)}  {len(BYTES):,} bytes  sha256 "
        f"{sha256(BYTES)}"
    )


def test_full_disk(start, server, tmp_path):
    done = end(
        start(
            "elmo-small",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (150_000,) * 2),
        )
    )
    assert done.code == 2 and "Traceback" not in done.err
    assert done.err.endswith(
        f"download.py: {weights(tmp_path, '.part').relative_to(tmp_path)}: File too large\n"
    )
    assert not weights(tmp_path).exists() and left_behind(tmp_path / "here/embeddings") == []
    assert end(start("elmo-small")).code == 0
    assert 0 < ranges(server)[-1] <= 150_000 and weights(tmp_path).read_bytes() == BYTES


def test_terms_are_told_and_checksums_hold_for_a_mirror(start, server, tmp_path):
    archive = zipped(train_txt=b"a", valid_txt=b"b", test_txt=b"c")
    server.files = {"/data.deepai.org/conll2003.zip": archive}
    done = end(start("conll2003"))
    terms, message = done.err.splitlines()
    assert done.code == 2 and "for research only, by agreement with NIST" in terms
    assert f"/conll2003.zip: came with sha256 {sha256(archive)}, published is 96a104d1" in message
    assert listed(tmp_path) == []
    assert (
        one_line(end(start("glove.6b")).err)
        == "download.py: glove.6b: nothing of this name (did you mean glove.6B?); --list prints "
        "what there is\n"
    )
