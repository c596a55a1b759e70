"""etc/mix_domains.py takes equal shares, copies rows byte for byte, gives the same for the same
seed, and refuses bad input.
"""

import collections

import pytest

SCRIPT = "etc/mix_domains.py"


def write(folder, name, sentences, end=b"\n\n", head=b""):
    """Writes sentences, which are lists of rows, with `end` after each row. Returns the path."""
    (folder / name).write_bytes(head + b"".join(b"\n".join(rows) + end for rows in sentences))
    return folder / name


def domain(name, count):
    """Sentences of one to three rows that name their domain, with odd separators and bytes."""
    return [
        [b"%s%d\t \xff O" % (name, i), *[b"x  y B-%s\r" % name] * (i % 3)] for i in range(count)
    ]


@pytest.fixture
def files(tmp_path):
    return [
        write(tmp_path, "a", domain(b"a", 30), head=b"-DOCSTART- O\n\n"),
        write(tmp_path, "b", domain(b"b", 9), end=b"\n \n\n\n"),
        write(tmp_path, "c", domain(b"c", 12)),
    ]


def run(zygote, files, count, seed):
    done = zygote.run(
        SCRIPT,
        *files[:-1],
        "--new",
        files[-1],
        "--sentences",
        count,
        "--seed",
        seed,
        "--columns",
        "word _ tag",
    )
    assert done.code == 0, done.err
    return done.out


def test_equal_shares_byte_for_byte(bare_zygote, files):
    out = run(bare_zygote, files, 9, 1)
    assert out.endswith(b"\n\n")
    found = [tuple(block.split(b"\n")) for block in out[:-2].split(b"\n\n")]
    known = {
        tuple(rows): name
        for name, count in ((b"a", 30), (b"b", 9), (b"c", 12))
        for rows in domain(name, count)
    }
    assert len(set(found)) == 27
    shares = [known[rows] for rows in found]
    assert collections.Counter(shares) == {b"a": 9, b"b": 9, b"c": 9}
    assert shares != sorted(shares)


def test_seeds(bare_zygote, files):
    first, again, other = (run(bare_zygote, files, 5, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_mistakes(bare_zygote, files, tmp_path):
    def told(*args):
        return bare_zygote.mistake(SCRIPT, *args, "--columns", "word _ tag")

    assert f"{files[1]}: 9 sentences, expected 10" in told(
        *files[:2], "--new", files[2], "--sentences", 10
    )
    assert f"{files[0]}: named twice" in told(files[0], "--new", files[0], "--sentences", 1)
    assert "--sentences 0" in told(files[0], "--new", files[2], "--sentences", 0)
    two = write(tmp_path, "two", [[b"x y O"], [b"x O"]])
    assert f"{two}:3: 2 columns, expected 3 (word _ tag)" in told(
        files[0], "--new", two, "--sentences", 1
    )
    four = write(tmp_path, "four", [[b"x NN B-NP O"]])
    pair = write(tmp_path, "pair", [[b"x O"]], head=b"\n\n")
    assert f"{pair}:3: 2 columns, expected 4 (word pos chunk tag)" in bare_zygote.mistake(
        SCRIPT, four, "--new", pair, "--sentences", 1
    )
    words = write(tmp_path, "words", [[b"x"]])
    assert f"{words}:1: no tag column" in bare_zygote.mistake(
        SCRIPT, words, "--new", pair, "--sentences", 1
    )
    assert "no such file" in told(files[0], "--new", tmp_path / "absent", "--sentences", 1)
