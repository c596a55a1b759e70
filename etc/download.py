"""Fetches word vectors, language models and a corpus from their published addresses to where the
other commands look for them.

    python etc/download.py --list
    python etc/download.py glove.6B elmo-original bert-base-cased conll2003

Files go to embeddings/ and data/ of the project, or of --out; archives are unpacked there. What has
come is kept beside as NAME.part until it is whole and checked: after Ctrl-C or a broken connection
the same command goes on from there, provided that the server still has the same file. No file that
is already there is written over.

What is fetched is compared with a published sha256; --list says whose. For ELMo nobody publishes
one: a first fetch is checked for its length and its kind alone. The sha256 of all files are written
down in the format of sha256sum, such as in embeddings/elmo-original.sha256: a later fetch must give
the same, and each run compares the files that are there.

--mirror URL fetches URL/HOST/PATH in place of https://HOST/PATH: from a tree as `wget
--force-directories` makes it. The published sha256 hold for it as well.

On standard output is a line for each file: path, bytes, sha256. Standard library only.
"""

import contextlib
import errno
import fcntl
import hashlib
import http.client
import json
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
import zlib
from typing import NamedTuple

import _top
from cli import (
    Parser,
    Progress,
    UserError,
    __version__,
    atomic_write,
    check_folder,
    note,
    run_command,
    suggest,
)
from files.structured import load_json
from files.text import HEAD, page_of

PAUSE = 1.0  # seconds before the second try; doubled for each further one, up to LONGEST_PAUSE
LONGEST_PAUSE = 30.0
TIMEOUT = 60.0  # seconds without a byte, after which a connection counts as broken


# ---------------------------------------------------------------- what there is


class File(NamedTuple):
    """A file that a user gets."""

    path: str  # below the folder of its Item
    sha256: str = ""  # "" where nobody publishes it
    member: str = ""  # its name in the archive; "" where it is not from an archive


class Download(NamedTuple):
    """One address: a file, or a zip archive of files."""

    url: str
    files: tuple
    sha256: str = ""  # of an archive, "" where nobody publishes it
    size: int = 0  # bytes, as logs of others' fetches show, for --list alone; 0: not known


class Item(NamedTuple):
    """What one name fetches."""

    what: str
    terms: str
    page: str  # where the publisher describes it
    checked: str  # whose sha256 these are, "" where nobody publishes them
    folder: str  # below --out
    downloads: tuple
    links: tuple = ()  # (path below --out, file below --out that it is made a link to)


def _glove(what, name, dims, sha256, size, **known):
    """An archive of the GloVe project, with torchtext's sha256 (pytorch/text,
    torchtext/prototype/vectors.py).
    """
    files = tuple(
        File(f"{name}.{dim}.txt", known.get(f"_{dim}", ""), f"{name}.{dim}.txt") for dim in dims
    )
    archive = name + (f".{dims[0]}" if len(dims) == 1 else "")
    return Item(
        f"GloVe vectors, {what}",
        "Public Domain Dedication and License 1.0",
        "https://nlp.stanford.edu/projects/glove/",
        "torchtext",
        "embeddings",
        (Download(f"https://nlp.stanford.edu/data/{archive}.zip", files, sha256, size),),
    )


def _elmo(what, name, size=0):
    """Options and weights as the list of ELMo models links to them (allenai/allennlp-website,
    elmo.html), without sha256.
    """
    base = f"https://s3-us-west-2.amazonaws.com/allennlp/models/elmo/{name}/elmo_{name}_"
    return Item(
        f"ELMo, {what}",
        "none stated for the weights; AllenNLP's code is under the Apache License 2.0",
        "https://allenai.org/allennlp/software/elmo",
        "",
        "embeddings",
        (
            Download(f"{base}options.json", (File(f"elmo_{name}_options.json"),)),
            Download(f"{base}weights.hdf5", (File(f"elmo_{name}_weights.hdf5"),), size=size),
        ),
    )


def _bert(what, date, name, config, data, index, meta, vocab, size=0):
    """A zip archive of google-research/bert (README.md, multilingual.md), with NVIDIA's sha256 of
    its files (NVIDIA/DeepLearningExamples,
    PyTorch/LanguageModeling/BERT/data/GooglePretrainedWeightDownloader.py)."""
    digests = {
        "bert_config.json": config,
        "bert_model.ckpt.data-00000-of-00001": data,
        "bert_model.ckpt.index": index,
        "bert_model.ckpt.meta": meta,
        "vocab.txt": vocab,
    }
    files = tuple(
        File(f"{name}/{file}", digest, f"{name}/{file}") for file, digest in digests.items()
    )
    return Item(
        f"BERT, {what}",
        "Apache License 2.0",
        "https://github.com/google-research/bert",
        "NVIDIA",
        "embeddings",
        (
            Download(
                f"https://storage.googleapis.com/bert_models/{date}/{name}.zip", files, size=size
            ),
        ),
    )


# The vocab.txt of both sizes.
_UNCASED = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
_CASED = "eeaa9875b23b04b4c54ef759d03db9d1ba1554838f8fb26c5d96fa551df93d02"

ITEMS = {
    "glove.6B": _glove(
        "Wikipedia 2014 and Gigaword 5, uncased, 400,000 words",
        "glove.6B",
        ("50d", "100d", "200d", "300d"),
        "617afb2fe6cbd085c235baf7a465b96f4112bd7f7ccb2b2cbd649fed9cbcf2fb",
        862182613,
        # The file's own, computed; its sha1 is that of MXNet (apache/mxnet,
        # python/mxnet/contrib/text/_constants.py).
        _50d="d8f717f8dd4b545cb7f418ef9f3d0c3e6e68a6f48b97d32f8b7aae40cb31f96f",
    ),
    "glove.42B.300d": _glove(
        "Common Crawl of 42 billion tokens, uncased, 1.9 million words",
        "glove.42B",
        ("300d",),
        "03d5d7fa28e58762ace4b85fb71fe86a345ef0b5ff39f5390c14869da0fc1970",
        1877800501,
    ),
    "glove.840B.300d": _glove(
        "Common Crawl of 840 billion tokens, cased, 2.2 million words",
        "glove.840B",
        ("300d",),
        "c06db255e65095393609f19a4cfca20bf3a71e20cc53e892aafa490347e3849f",
        2176768927,
    ),
    "glove.twitter.27B": _glove(
        "Twitter, uncased, 1.2 million words",
        "glove.twitter.27B",
        ("25d", "50d", "100d", "200d"),
        "792af52f795d1a32c9842a3240f5f3fe5e941a8ff6df5eb0f9d668092ebc019c",
        1520408563,
    ),
    "elmo-small": _elmo(
        "13.6 million parameters, 1 Billion Word Benchmark", "2x1024_128_2048cnn_1xhighway"
    ),
    "elmo-medium": _elmo(
        "28.0 million parameters, 1 Billion Word Benchmark", "2x2048_256_2048cnn_1xhighway"
    ),
    "elmo-original": _elmo(
        "93.6 million parameters, 1 Billion Word Benchmark",
        "2x4096_512_2048cnn_2xhighway",
        374434792,
    ),
    "elmo-5.5B": _elmo(
        "93.6 million parameters, Wikipedia and news of 5.5 billion tokens",
        "2x4096_512_2048cnn_2xhighway_5.5B",
    ),
    "bert-base-uncased": _bert(
        "base, English, uncased",
        "2018_10_18",
        "uncased_L-12_H-768_A-12",
        "7b4e5f53efbd058c67cda0aacfafb340113ea1b5797d9ce6ee411704ba21fcbc",
        "58580dc5e0bf0ae0d2efd51d0e8272b2f808857f0a43a88aaf7549da6d7a8a84",
        "04c1323086e2f1c5b7c0759d8d3e484afbb0ab45f51793daab9f647113a0117b",
        "dd5682170a10c3ea0280c2e9b9a45fee894eb62da649bbdea37b38b0ded5f60e",
        _UNCASED,
        407727028,
    ),
    "bert-large-uncased": _bert(
        "large, English, uncased",
        "2018_10_18",
        "uncased_L-24_H-1024_A-16",
        "bfa42236d269e2aeb3a6d30412a33d15dbe8ea597e2b01dc9518c63cc6efafcb",
        "bc6b3363e3be458c99ecf64b7f472d2b7c67534fd8f564c0556a678f90f4eea1",
        "68b52f2205ffc64dc627d1120cf399c1ef1cbc35ea5021d1afc889ffe2ce2093",
        "6fcce8ff7628f229a885a593625e3d5ff9687542d5ef128d9beb1b0c05edc4a1",
        _UNCASED,
    ),
    "bert-base-cased": _bert(
        "base, English, cased",
        "2018_10_18",
        "cased_L-12_H-768_A-12",
        "f11dfb757bea16339a33e1bf327b0aade6e57fd9c29dc6b84f7ddb20682f48bc",
        "734d5a1b68bf98d4e9cb6b6692725d00842a1937af73902e51776905d8f760ea",
        "517d6ef5c41fc2ca1f595276d6fccf5521810d57f5a74e32616151557790f7b1",
        "5f8a9771ff25dadd61582abb4e3a748215a10a6b55947cbb66d0f0ba1694be98",
        _CASED,
    ),
    "bert-large-cased": _bert(
        "large, English, cased",
        "2018_10_18",
        "cased_L-24_H-1024_A-16",
        "7adb2125c8225da495656c982fd1c5f64ba8f20ad020838571a3f8a954c2df57",
        "6ff33640f40d472f7a16af0c17b1179ca9dcc0373155fb05335b6a4dd1657ef0",
        "ef42a53f577fbe07381f4161b13c7cab4f4fc3b167cec6a9ae382c53d18049cf",
        "d2ddff3ed33b80091eac95171e94149736ea74eb645e575d942ec4a5e01a40a1",
        _CASED,
    ),
    "bert-base-multilingual-cased": _bert(
        "base, 104 languages, cased",
        "2018_11_23",
        "multi_cased_L-12_H-768_A-12",
        "e76c3964bc14a8bb37a5530cdc802699d2f4a6fddfab0611e153aa2528f234f0",
        "55b8a2df41f69c60c5180e50a7c31b7cdf6238909390c4ddf05fbc0d37aa1ac5",
        "7d8509c2a62b4e300feb55f8e5f1eef41638f4998dd4d887736f42d4f6a34b37",
        "95e5f1997e8831f1c31e5cf530f1a2e99f121e9cd20887f2dce6fe9e3343e3fa",
        "fe0fda7c425b48c516fc8f160d594c8022a0808447475c1a7c6d6479763f310c",
        662903077,
    ),
    "bert-base-chinese": _bert(
        "base, Chinese",
        "2018_11_03",
        "chinese_L-12_H-768_A-12",
        "7aaad0335058e2640bcb2c2e9a932b1cd9da200c46ea7b8957d54431f201c015",
        "756699356b78ad0ef1ca9ba6528297bcb3dd1aef5feadd31f4775d7c7fc989ba",
        "46315546e05ce62327b3e2cd1bed22836adcb2ff29735ec87721396edb21b82e",
        "c0f8d51e1ab986604bc2b25d6ec0af7fd21ff94cf67081996ec3f3bf5d823047",
        "45bbac6b341c319adc98a532532882e91a9cefc0329aa57bac9ae761c27b291c",
    ),
    # Address, bytes and sha256 as in tensorflow/datasets,
    # tensorflow_datasets/text/conll2003/checksums.tsv.
    "conll2003": Item(
        "CoNLL-2003 English, word pos chunk tag, tags in BIO; an unofficial copy",
        "the text is Reuters', for research only, by agreement with NIST: "
        "https://trec.nist.gov/data/reuters/reuters.html",
        "https://www.clips.uantwerpen.be/conll2003/ner/",
        "TensorFlow Datasets",
        "data/conll2003",
        (
            Download(
                "https://data.deepai.org/conll2003.zip",
                (
                    File("train.txt", "", "train.txt"),
                    File("dev.txt", "", "valid.txt"),
                    File("test.txt", "", "test.txt"),
                ),
                "96a104d174ddae7558bab603f19382c5fe02ff1da5c077a7f3ce2ced1578a2c3",
                982975,
            ),
        ),
        tuple(
            (f"data/{split}.txt", f"data/conll2003/{split}.txt")
            for split in ("train", "dev", "test")
        ),
    ),
}


def listing():
    """What --list prints, as lines."""
    for name, item in ITEMS.items():
        yield f"{name}: {item.what}"
        for download in item.downloads:
            yield f"    {download.url}" + (
                f"  {download.size / 1e6:,.0f} MB" if download.size else ""
            )
        yield f"    goes to {item.folder}/; sha256: {item.checked or 'nobody publishes it'}"
        yield f"    terms: {item.terms}; see {item.page}"


# ---------------------------------------------------------------- fetching


class Broken(Exception):
    """A connection that may do better when it is tried again."""


class Changed(Broken):
    """What has come so far is not the beginning of what the server has; it is to be fetched from
    its beginning.
    """


@contextlib.contextmanager
def open_part(part):
    """The file `part` open for appending, for this process alone. Raises UserError where another
    one is at work on it.
    """
    try:
        with open(part, "ab") as out:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield out
    except BlockingIOError:
        raise UserError(f"{part}: another process is fetching it; wait for that one") from None
    except OSError as error:
        error.filename = error.filename or part  # the error of a full disk names no file
        raise


def fetch(url, out, tries):
    """Downloads `url` into the open file `out`, going on from what it has.

    Raises UserError for an answer that no further try would change, and after `tries` failures in a
    row; one that brought the file forward counts as the first.
    """
    failures = 0
    try:
        while True:
            before = out.tell()
            try:
                receive(url, out)
                out.flush()
                return os.fsync(out.fileno())
            except Broken as error:
                failures = failures + 1 if out.tell() <= before else 1
                if isinstance(error, Changed):
                    clear(out)
                if failures >= tries:
                    raise UserError(
                        f"{url}: {error}; given up after {tries} tries, the same command goes on "
                        "later"
                    ) from None
                pause = min(PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
                note(f"{url}: {error}; again in {pause:g} s")
                time.sleep(pause)
    except BaseException:
        if not out.tell():
            discard(out.name)
        raise


def receive(url, out):
    """One connection: appends to the file `out` what it lacks. Raises Broken where that does not
    come to its end.
    """
    have = out.tell()
    state = read_state(out.name, url)
    if have and not state:
        have = clear(out)
    if have and have == state["length"]:
        return
    with connect(
        url, {"Range": f"bytes={have}-", "If-Range": state["validator"]} if have else {}
    ) as response:
        if have and response.status == 200:
            note(f"{url}: the server starts from the beginning")
            have = clear(out)
        length = length_of(response, have, state)
        check_space(os.path.dirname(out.name), (length or have) - have)
        if not have:
            write_state(out.name, url, response, length)
        progress = Progress(
            os.path.basename(out.name).removesuffix(".part"), length or 0, begun=have
        )
        try:
            while data := read(response):
                out.write(data)
                have += len(data)
                progress.update(have)
        finally:
            progress.close()
    if length is not None and have != length:
        raise Broken(f"broke off after {have:,} of {length:,} bytes")


def connect(url, headers):
    """The response of a GET. Raises Broken where another try may help, UserError where not."""
    request = urllib.request.Request(
        url, headers={"User-Agent": f"etagger/{__version__}", **headers}
    )
    try:
        return urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            raise Changed("the server has fewer bytes than are here") from None
        if error.code in (408, 429) or error.code >= 500:
            raise Broken(f"{error.code} {error.reason}") from None
        raise UserError(
            f"{url}: {error.code} {error.reason}; if the file has moved, fetch it from a --mirror "
            "or by hand"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise UserError(
                f"{url}: {reason.verify_message}; mend this machine's certificates, or those of "
                "its proxy"
            ) from None
        raise Broken(reason_of(reason)) from None


def read(response):
    """The next bytes of a response, b"" at its end."""
    try:
        return response.read1(1 << 16)
    except (OSError, http.client.HTTPException) as error:
        raise Broken(reason_of(error)) from None


def reason_of(error):
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def length_of(response, have, state):
    """Bytes of the whole file, None where the server does not tell. Raises Changed for a 206 answer
    that does not go on.
    """
    if not have:
        length = response.headers["Content-Length"] or ""
        return int(length) if length.isdecimal() else None
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers["Content-Range"] or "")
    place = found and [int(number) for number in found.groups()]
    if place != [have, state["length"]] or validator_of(response) not in (None, state["validator"]):
        raise Changed("the file has changed on the server")
    return state["length"]


def validator_of(response):
    """What tells one version of a file from another: a strong ETag, else Last-Modified, else None
    (RFC 9110, 13.1.5).
    """
    tag = response.headers["ETag"]
    return tag if tag and not tag.startswith("W/") else response.headers["Last-Modified"]


def read_state(part, url):
    """What write_state wrote for this `url`, else None: then there is nothing to go on from."""
    try:
        with open(f"{part}.json", encoding="utf-8") as stream:
            state = load_json(stream.read())
    except (FileNotFoundError, ValueError):
        return None
    return state if isinstance(state, dict) and state.get("url") == url else None


def write_state(part, url, response, length):
    """Notes beside `part` what it is the beginning of; nothing where the answer cannot tell one
    version from another.
    """
    state = {"url": url, "validator": validator_of(response), "length": length}
    if None in state.values():
        discard(part, (".json",))
    else:
        with atomic_write(f"{part}.json", "w", encoding="utf-8") as out:
            json.dump(state, out)


def clear(out):
    """Empties an open file. Returns its new length, 0."""
    out.seek(0)
    out.truncate()
    return 0


def discard(part, endings=("", ".json")):
    """Takes away what there is of a part and the note beside it."""
    for ending in endings:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part + ending)


def check_space(folder, need):
    """Raises OSError where the disk of `folder` has not `need` bytes left."""
    free = shutil.disk_usage(folder).free
    if need > free:
        raise OSError(
            errno.ENOSPC, f"{need:,} more bytes are needed, {free:,} are free on this disk", folder
        )


# ---------------------------------------------------------------- checking and unpacking

AGAIN = "it is not kept; try again later, or from a --mirror"


class Wrong(UserError):
    """What came is not what was to come, and is thrown away."""


class Record:
    """The sha256 of an item's files in a file of sha256sum's format, so that each fetch and each
    run is compared with the first.
    """

    def __init__(self, path, title):
        self.path, self.title, self.known = path, title, {}
        if not os.path.exists(path):
            return
        with open(path, encoding="utf-8", errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                found = re.fullmatch(r"([0-9a-f]{64})  (.+)\n?", line)
                if not found and not line.startswith("#"):
                    raise UserError(
                        f"{path}:{number}: expected 'sha256  file'; mend the line, or delete the "
                        "file"
                    )
                if found:
                    self.known[found[2]] = found[1]

    def expected(self, file):
        """Its published sha256, else that of the first fetch, else None."""
        return file.sha256 or self.known.get(file.path)

    def add(self, file, digest, url):
        """Writes down the sha256 of a File that came from `url`. Raises Wrong where another one was
        expected.
        """
        if self.known.get(file.path) == digest:
            return
        expected = self.expected(file) or digest
        if digest != expected and file.sha256:
            raise Wrong(
                f"{url}: {file.path} came with sha256 {digest}, published is {expected}; {AGAIN}"
            )
        if digest != expected:
            raise Wrong(
                f"{url}: {file.path} came with sha256 {digest}, the first time with {expected} "
                f"({self.path}); it is not kept; if the publisher has changed it, delete its line "
                "there and fetch it again"
            )
        self.known[file.path] = digest
        with atomic_write(self.path, "w", encoding="utf-8") as out:
            out.write(
                f"# {self.title}\n"
                + "".join(f"{digest}  {path}\n" for path, digest in self.known.items())
            )


def sha256_of(stream, what, size, out=None):
    """The sha256 of a stream, in hexadecimal; copies it to the file `out`, if there is one. what,
    size: for the progress.
    """
    digest, done, progress = hashlib.sha256(), 0, Progress(what, size)
    try:
        while data := stream.read(1 << 20):
            digest.update(data)
            if out:
                out.write(data)
            done += len(data)
            progress.update(done)
    finally:
        progress.close()
    return digest.hexdigest()


def sha256_of_file(path):
    with open(path, "rb") as stream:
        return sha256_of(stream, f"checking {os.path.basename(path)}", os.path.getsize(path))


def check_no_page(path, url):
    """Raises Wrong where a page came in place of a file: of a proxy, or an error."""
    with open(path, "rb") as stream:
        page = page_of(stream.read(HEAD))
    if page:
        raise Wrong(f"{url}: what came is {page.name} in place of the file; {AGAIN}")


def check_kind(path, name, url):
    """Raises Wrong for a file of which the beginning already says that it is another kind: a
    proxy's page, for example.
    """
    with open(path, "rb") as stream:
        head = stream.read(1 << 16)
    try:
        good = (
            head.startswith(b"\x89HDF\r\n\x1a\n")
            if name.endswith(".hdf5")
            else bool(load_json(head))
        )
    except ValueError:
        good = False
    if not good:
        kind = "HDF5" if name.endswith(".hdf5") else "JSON"
        raise Wrong(f"{url}: what came is not {kind}, it begins with {head[:20]!r}; {AGAIN}")


def unpack(archive, files, folder, record, url):
    """Unpacks the members `files` of a zip archive below `folder`, nothing else. Raises Wrong for a
    damaged or unfit archive.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            for name in zipped.namelist():
                if name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name):
                    raise Wrong(
                        f"{url}: the archive has a path outside of its folder, {name!r}; it is not "
                        "kept"
                    )
            members = [zipped.getinfo(file.member) for file in files]
            check_space(folder, sum(member.file_size for member in members))
            for file, member in zip(files, members):
                path = os.path.join(folder, file.path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with zipped.open(member) as stream, atomic_write(path) as out:
                    record.add(
                        file,
                        sha256_of(stream, f"unpacking {file.path}", member.file_size, out),
                        url,
                    )
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        KeyError,
        ValueError,
        NotImplementedError,
        RuntimeError,
        OSError,
    ) as error:
        # EINVAL is what seeking to before the archive's beginning gives.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise Wrong(
            f"{url}: a damaged archive, or not the one expected ({reason_of(error)}); {AGAIN}"
        ) from None


# ---------------------------------------------------------------- the command


def get(name, item, out, mirror, tries):
    """Makes the files of an Item be there and whole; prints a line for each."""
    folder = os.path.normpath(os.path.join(out, item.folder))
    os.makedirs(folder, exist_ok=True)
    record = Record(
        os.path.join(folder, f"{name}.sha256"),
        f"{name}: {' '.join(download.url for download in item.downloads)}",
    )
    missing = [
        (download, [file for file in download.files if not is_whole(file, folder, record)])
        for download in item.downloads
    ]
    if any(files for _, files in missing):
        note(f"{name}: {item.what}; terms: {item.terms}")
    else:
        note(f"{name}: there already, nothing to fetch")
    for download, files in missing:
        if files:
            get_download(download, files, folder, record, mirror, tries)
    if not item.checked and any(files for _, files in missing):
        note(
            f"{name}: nobody publishes checksums; those of this fetch are in {record.path}, a "
            "later one must have the same"
        )
    for link, target in item.links:
        make_link(
            os.path.normpath(os.path.join(out, link)), os.path.normpath(os.path.join(out, target))
        )
    for file in [file for download in item.downloads for file in download.files]:
        path = os.path.join(folder, file.path)
        print(
            f"{path}  {os.path.getsize(path):,} bytes  sha256 {record.known[file.path]}", flush=True
        )


def is_whole(file, folder, record):
    """Whether a File is there. Raises UserError where it is, but is not the one that was published
    or fetched first.
    """
    path = os.path.join(folder, file.path)
    if not os.path.exists(path):
        return False
    expected = record.expected(file)
    if not expected:
        raise UserError(
            f"{path}: is there, but {record.path} does not say whether it is whole; move it away "
            "to fetch it"
        )
    if (digest := sha256_of_file(path)) != expected:
        raise UserError(
            f"{path}: has sha256 {digest}, expected {expected}: changed or damaged; move it away "
            "to fetch it again"
        )
    record.add(file, digest, path)
    return True


def get_download(download, files, folder, record, mirror, tries):
    """Fetches one address and puts `files` of it below `folder`."""
    _, host, path, _, _ = urllib.parse.urlsplit(download.url)
    url = f"{mirror.rstrip('/')}/{host}{path}" if mirror else download.url
    part = os.path.join(folder, os.path.basename(path) + ".part")
    with open_part(part) as out:
        fetch(url, out, tries)
        try:
            check_no_page(part, url)
            if download.sha256 and (digest := sha256_of_file(part)) != download.sha256:
                raise Wrong(
                    f"{url}: came with sha256 {digest}, published is {download.sha256}; {AGAIN}"
                )
            if files[0].member:
                unpack(part, files, folder, record, url)
            else:
                check_kind(part, path, url)
                record.add(files[0], sha256_of_file(part), url)
                os.replace(part, os.path.join(folder, files[0].path))
        except Wrong:
            discard(part)
            raise
        discard(part)


def is_address(url):
    """Whether `url` begins with http:// or https:// and a host."""
    try:
        parts = urllib.parse.urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number
        return False


def make_link(link, target):
    """Makes `link` a link to `target`. A file that is there stays."""
    if not os.path.lexists(link):
        os.symlink(os.path.relpath(target, os.path.dirname(link)), link)
    elif os.path.realpath(link) != os.path.realpath(target):
        note(f"{link}: is there already and stays; {target} is what was fetched")


def main():
    parser = Parser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to fetch, see --list")
    parser.add_argument(
        "--list", action="store_true", help="print what there is: names, addresses, terms"
    )
    parser.add_argument(
        "--out",
        default=os.path.relpath(_top.ROOT),
        metavar="DIR",
        help="the folder that embeddings/ and data/ are in, or are made in (default: the project)",
    )
    parser.add_argument(
        "--mirror", metavar="URL", help="fetch URL/HOST/PATH in place of https://HOST/PATH"
    )
    parser.add_argument(
        "--tries",
        type=int,
        default=5,
        metavar="N",
        help="give up after N failures in a row (default: 5)",
    )
    args = parser.parse_args()
    if args.list:
        print("\n".join(listing()))
        return
    if not args.names:
        raise UserError("no NAME of what to fetch; --list prints them")
    for name in args.names:
        if name not in ITEMS:
            raise UserError(
                f"{name}: nothing of this name{suggest(name, ITEMS)}; --list prints what there is"
            )
    if args.mirror and not is_address(args.mirror):
        raise UserError(
            f"--mirror {args.mirror}: not an address, expected http://HOST... or https://HOST..."
        )
    if args.tries < 1:
        raise UserError(f"--tries {args.tries}: expected 1 or more")
    check_folder(args.out, "--out")
    for name in dict.fromkeys(args.names):
        get(name, ITEMS[name], args.out, args.mirror, args.tries)


if __name__ == "__main__":
    run_command(main)
