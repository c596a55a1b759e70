"""Compares the C++ engine with TensorFlow's C++ API, ONNX Runtime, inference.py, python-crfsuite
and spaCy: the headline table.

    python benchmarks/engine.py                   # all sections, ten minutes with trained peers
    python benchmarks/engine.py start memory      # some sections; finished ones are kept
    python benchmarks/engine.py --huge            # a model of 2.2 million words as well

--huge makes a model of 2.2 million words of 300 dimensions, which needs 2.7 GB of disk.

The models are the rows `default` (2 BiLSTM layers) and `1layer` of benchmarks/f1.py. The text is
CoNLL-2003's dev file without -DOCSTART- lines. In each round a new process tags it, from a file of
columns to a file of columns. The measured time is the wall time of the command on the file, less
that of the same command on the file's first sentence alone, so that the start is not included;
milliseconds a sentence and tokens a second are those of the other sentences. Systems that are
compared take turns; differences and ratios are computed from the medians of the rounds. All
systems that run our models must give the same tags, byte for byte, in every round. It is an error
if a row misses its goal.

    tensorflow  one sentence at a time: `inference` on the frozen graph and on the graph with
                constants folded, with and without oneDNN; the fastest of the four is compared. Then
                through an open pipe, from a sentence's first byte in to its last byte out
    onnx        one sentence at a time: the engine, from line to tag, against the session of ONNX
                Runtime alone (peers/onnx_tagger.py: the network without CRF, from ready ids). Its
                emission scores must be within 1e-4 of TensorFlow's, and the tags that numpy decodes
                from them (which is not timed) must be the engine's
    bulk        a long file, ten copies of dev, against `inference.py --mode bulk`, each with its
                default batches; once from the command's start to its end, and once without the
                starts. Each has one core, on which Python and TensorFlow's thread are faster than
                on two
    crfsuite    dev; this and spacy have models of their own, trained on the same data
                (peers/crfsuite_spacy.py)
    threads     the long file, -j 2 against -j 1. Two processes with one thread each, at the same
                time, show how much the machine gives to two threads: a virtual machine does not
                always have two whole cores. Rounds go on until this is 1.9 times as much; the round
                with the most is reported
    start       from the process's start to the tags of a first sentence, with the pipe kept open;
                `true` from its start to its end
    memory      after dev, one sentence at a time, with the pipe still open. Most pages are both
                anonymous and private dirty, so the sum counts them twice
    size        libetagger.so, stripped
    opening     a process that opens the model and gets no input, less `etagger --version`

Everything but `threads` uses one thread.
"""

import datetime
import importlib.metadata
import os
import statistics
import subprocess
import sys
import time

import _top
from cli import Parser, UserError, file_hash, run_command, suggest
from common import Rows, Worker, add_afresh_flag
from corpora import BENCH, ROOT
from f1 import folder_of
from missing_columns import tag_column
from peers import crfsuite_spacy
from scoring import chunks
from served_models import (
    INFERENCE,
    Conversation,
    binary,
    command_of,
    dev_sentences,
    milliseconds,
    script,
    served,
)

MODELS = {"1layer": "1 layer", "default": "2 layers"}
FOLDER = os.path.join(BENCH, "engine")
FIRST, DEV, LONG = (os.path.join(FOLDER, f"{name}.txt") for name in ("first", "dev", "long"))
COPIES = 10  # copies of dev in LONG
RUNS = 50  # runs of commands that take milliseconds
MOST_ROUNDS = 20  # rounds in which to wait for two whole cores
TOLERANCE = 1e-4  # largest difference of an emission score
PACKAGES = {
    "onnx": ("onnx", "onnxruntime"),
    "crfsuite": ("python-crfsuite",),
    "spacy": ("spacy",),
}  # packages that a section needs


# ---------------------------------------------------------------- models, and commands that tag


def model_file(model):
    return os.path.join(FOLDER, f"{model}.etagger")


def engine(model):
    return [binary("etagger"), model_file(model)]


def our_script(name, *flags):
    return [sys.executable, os.path.join(ROOT, "benchmarks", name), *flags]


def prepare():
    """Writes the texts and the .etagger files. Returns {model: the engine's output for DEV}."""
    os.makedirs(FOLDER, exist_ok=True)
    sentences = dev_sentences()
    for path, text in ((FIRST, sentences[:1]), (DEV, sentences), (LONG, sentences * COPIES)):
        with open(path, "wb") as out:
            out.write(b"".join(text))
    for model in MODELS:
        served(model)
        script(
            "export.py",
            "--restore",
            os.path.join(folder_of(model), "ner_model"),
            "--engine",
            model_file(model),
        )
    return {model: tag([*engine(model), "-j", "1"], DEV, {})[1] for model in MODELS}


def tag(command, path, environment, one_core=False):
    """Returns the time of a command from its start to its end in seconds, and its output."""
    with open(os.path.join(FOLDER, "pred.txt"), "w+b") as out:
        started = time.perf_counter()
        done = subprocess.run(
            [*command, "--input", path],
            stdout=out,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **environment},
            preexec_fn=stay_on_one_core if one_core else None,
        )
        seconds = time.perf_counter() - started
        out.seek(0)
        tagged = out.read()
    if done.returncode:
        raise UserError(f"{' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return seconds, tagged


def stay_on_one_core():
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


class System:
    """A command that tags the file `path`. expected: the output that it must write; None allows
    any. one_core: all its threads share one core. environment: variables to set.
    """

    def __init__(self, command, path, expected, one_core=False, **environment):
        self.command, self.path, self.expected = command, path, expected
        self.one_core, self.environment = one_core, environment
        self.tagged = b""

    def round(self):
        """Returns the seconds for the first sentence alone, and those for the file."""
        first, _ = tag(self.command, FIRST, self.environment, self.one_core)
        whole, self.tagged = tag(self.command, self.path, self.environment, self.one_core)
        if self.expected is not None and self.tagged != self.expected:
            raise UserError(
                f"{' '.join(self.command)}: other tags than the engine's; the tests of inference/ "
                "say where"
            )
        return first, whole


class OnnxSession:
    """ONNX Runtime on a model's network, in a new process each round."""

    def __init__(self, model, expected):
        folder = os.path.join(FOLDER, f"onnx-{model}")
        self.model, self.expected = model, tag_column(expected)
        self.command = our_script(
            "peers/onnx_tagger.py",
            "--restore",
            os.path.join(folder_of(model), "ner_model"),
            "--out",
            folder,
        )
        os.makedirs(folder, exist_ok=True)
        subprocess.run(
            self.command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def round(self):
        """Returns 0, and the seconds in the session for all sentences but the first."""
        worker = Worker([*self.command, "--run"])
        answer = worker.ask()
        worker.close()
        if answer["difference"] > TOLERANCE:
            raise UserError(
                f"ONNX Runtime, {self.model}: an emission score is {answer['difference']:.1e} from "
                f"TensorFlow's, expected {TOLERANCE:.0e} at most"
            )
        if answer["tags"] != self.expected:
            raise UserError(f"ONNX Runtime, {self.model}: other tags than the engine's")
        return 0.0, answer["seconds"]


def take_turns(systems, rounds, both=False):
    """Measures systems in turn, each round in another order. systems: {name: a System}.

    Returns {name: seconds for the file without its first sentence}, from the medians of the rounds;
    with `both`, {name: (seconds for the first sentence, seconds for the whole file)}.
    """
    names, seconds = list(systems), {name: [] for name in systems}
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            seconds[name].append(systems[name].round())
        print(
            f"round {number + 1} of {rounds}, first and whole: "
            + ", ".join(
                "{} {:.2f} {:.2f} s".format(name, *pairs[-1]) for name, pairs in seconds.items()
            ),
            file=sys.stderr,
        )
    medians = {
        name: [statistics.median(times) for times in zip(*pairs)] for name, pairs in seconds.items()
    }
    return medians if both else {name: whole - first for name, (first, whole) in medians.items()}


# ---------------------------------------------------------------- rows of the table


def a_sentence(seconds):
    """Milliseconds a sentence. seconds: for dev without its first sentence."""
    return 1000 * seconds / (len(dev_sentences()) - 1)


def a_second(seconds, copies=1):
    """Tokens a second. seconds: for `copies` copies of dev without the first sentence."""
    tokens = [text.count(b"\n") - 1 for text in dev_sentences()]
    return (copies * sum(tokens) - tokens[0]) / seconds


def beside(what, unit, ours, theirs, note, factor=None):
    """A row of the table in which ours must be `factor` times as good as theirs. A factor of 1
    means better; None sets no goal.
    """
    ratio = ours / theirs if unit == "tokens/s" else theirs / ours
    must, reached = "", None
    if factor == 1:
        must, reached = "faster", ratio > 1
    elif factor is not None:
        must, reached = f"{factor}x", ratio >= factor
    return {
        "what": what,
        "must": must,
        "ours": _figure(ours, unit),
        "theirs": f"{_figure(theirs, unit)}, {note}",
        "ratio": f"{ratio:.2f}",
        "reached": reached,
    }


def below(what, unit, ours, limit, note=""):
    """A row of the table in which ours must be below a limit."""
    return {
        "what": what,
        "must": f"< {limit} {unit}",
        "ours": _figure(ours, unit),
        "theirs": note,
        "ratio": "",
        "reached": ours < limit,
    }


def _figure(value, unit):
    return f"{value:,.0f} {unit}" if unit == "tokens/s" else f"{value:.2f} {unit}"


# ---------------------------------------------------------------- sections
# A section is a function of the number of rounds and {model: the engine's output for DEV}, which
# returns rows of the table.


def tensorflow(rounds, tagged):
    rows = []
    for model, title in MODELS.items():
        settings = {
            f"{name} graph, oneDNN {'on' if onednn else 'off'}": (
                command_of("C++ frozen", model, ending),
                onednn,
            )
            for ending, name in (("", "frozen"), (".folded", "folded"))
            for onednn in (True, False)
        }
        systems = {"engine": System(one_by_one(engine(model)), DEV, tagged[model])}
        for name, (command, onednn) in settings.items():
            systems[name] = System(
                one_by_one(command), DEV, tagged[model], TF_ENABLE_ONEDNN_OPTS=str(int(onednn))
            )
        times = {name: a_sentence(seconds) for name, seconds in take_turns(systems, rounds).items()}
        ours = times.pop("engine")
        best = min(times, key=times.get)
        note = f"TensorFlow C++, {best} (the slowest of 4 settings: {max(times.values()):.2f})"
        rows.append(
            beside(f"{title}, a sentence at a time", "ms", ours, times[best], note, factor=5)
        )
        command, onednn = settings[best]
        rows += through_pipes(
            title, tagged[model], Conversation(engine(model), 1), Conversation(command, 1, onednn)
        )
    return rows


def one_by_one(command):
    return [*command, "-j", "1", "--batch_size", "1"]


def through_pipes(title, expected, *talks):
    """The rows of latency. The engine and TensorFlow take turns of 250 sentences."""
    answers, sentences = [[] for _ in talks], dev_sentences()
    for first in range(0, len(sentences), 250):
        for talk, own in zip(talks, answers):
            own += [talk.tag(sentence) for sentence in sentences[first : first + 250]]
    for talk, own in zip(talks, answers):
        talk.close()
        if b"".join(text for text, _ in own) != expected:
            raise UserError(f"{title}: other tags through a pipe than from the file")
    latencies = [milliseconds([seconds for _, seconds in own[1:]]) for own in answers]
    return [
        beside(f"{title}, through an open pipe, {name}", "ms", *figures, "TensorFlow C++")
        for name, *figures in zip(("p50", "p99"), *latencies)
    ]


def onnx(rounds, tagged):
    rows = []
    for model, title in MODELS.items():
        systems = {
            "engine": System(one_by_one(engine(model)), DEV, tagged[model]),
            "ONNX Runtime": OnnxSession(model, tagged[model]),
        }
        times = take_turns(systems, rounds)
        rows.append(
            beside(
                f"{title}, a sentence at a time",
                "ms",
                *map(a_sentence, times.values()),
                "ONNX Runtime, the session alone",
                factor=1,
            )
        )
    return rows


def bulk(rounds, tagged):
    rows = []
    for model, title in MODELS.items():
        python = [
            sys.executable,
            "inference.py",
            "--mode",
            "bulk",
            "--restore",
            folder_of(model),
            "-j",
            "1",
        ]
        pairs = take_turns(
            {
                "engine": System(
                    [*engine(model), "-j", "1"], LONG, tagged[model] * COPIES, one_core=True
                ),
                "inference.py": System(
                    python, LONG, tagged[model] * COPIES, one_core=True, OMP_NUM_THREADS="1"
                ),
            },
            rounds,
            both=True,
        )
        with_start = [a_second(whole, COPIES) for _, whole in pairs.values()]
        without = [a_second(whole - first, COPIES) for first, whole in pairs.values()]
        rows.append(
            beside(
                f"{title}, a long file, start to end",
                "tokens/s",
                *with_start,
                "inference.py --mode bulk",
                factor=5,
            )
        )
        rows.append(
            beside(
                f"{title}, a long file, without the starts",
                "tokens/s",
                *without,
                "inference.py --mode bulk",
            )
        )
    return rows


def peer(name, factors, rounds, tagged):
    """The rows of python-crfsuite or spaCy. factors: the goal of each of our models."""
    command = our_script("peers/crfsuite_spacy.py", name)
    if not crfsuite_spacy.note(name):
        print(f"{name} is trained first, minutes", file=sys.stderr)
        subprocess.run(["nice", *command, "--train"], check=True)
    systems = {model: System([*engine(model), "-j", "1"], DEV, tagged[model]) for model in MODELS}
    systems[name] = System(command, DEV, None, OMP_NUM_THREADS="1")
    speeds = {name: a_second(seconds) for name, seconds in take_turns(systems, rounds).items()}
    gold = tag_column(b"".join(dev_sentences()))
    scores = {
        name: chunks.score(gold, tag_column(system.tagged)).f1 for name, system in systems.items()
    }
    return [
        beside(
            f"{title}, dev (chunk F1 {scores[model]:.2f})",
            "tokens/s",
            speeds[model],
            speeds[name],
            f"{name} (F1 {scores[name]:.2f})",
            factor,
        )
        for (model, title), factor in zip(MODELS.items(), factors)
    ]


def crfsuite(rounds, tagged):
    return peer("crfsuite", (1, None), rounds, tagged)


def spacy(rounds, tagged):
    return peer("spacy", (1, 1), rounds, tagged)


def threads(_rounds, tagged):
    rows = []
    for model, title in MODELS.items():
        best = None
        for number in range(MOST_ROUNDS):
            one, two = (tag([*engine(model), "-j", str(count)], LONG, {}) for count in (1, 2))
            if not one[1] == two[1] == tagged[model] * COPIES:
                raise UserError(f"{title}: other tags of 2 threads than of 1")
            both = at_once([*engine(model), "-j", "1"])
            print(
                f"round {number + 1}: -j 1 {one[0]:.2f} s, -j 2 {two[0]:.2f} s, two of -j 1 at "
                f"once {both:.2f} s",
                file=sys.stderr,
            )
            machine = 2 * one[0] / both
            if best is None or machine > best[0]:
                best = machine, one[0], two[0]
            if machine >= 1.9:
                break
            time.sleep(5)
        machine, *seconds = best
        one, two = (a_second(taken, COPIES) for taken in seconds)
        rows.append(
            beside(
                f"{title}, a long file, 2 threads",
                "tokens/s",
                two,
                one,
                f"1 thread; two processes at once: {machine:.2f} times as much",
                factor=1.8,
            )
        )
    return rows


def at_once(command):
    """Returns the seconds until two processes, started together, have tagged the long file."""
    started = time.perf_counter()
    talks = [
        subprocess.Popen(
            [*command, "--input", LONG],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        for _ in range(2)
    ]
    codes = [talk.wait() for talk in talks]
    if any(codes):
        raise UserError(f"{' '.join(command)}: failed beside another process")
    return time.perf_counter() - started


def start(_rounds, _tagged):
    pairs = [(first_tag(engine("default")), lifetime(["true"])) for _ in range(RUNS)]
    ours, bare = map(statistics.median, zip(*pairs))
    return [
        below("start to first tag, 400,000 words", "ms", ours, 15, f"{_figure(bare, 'ms')}, `true`")
    ]


def first_tag(command):
    """Returns the milliseconds from a process's start to the tags of a first sentence."""
    talk = Conversation(command, 1)
    talk.tag(dev_sentences()[0])
    seconds = talk.age()
    talk.close()
    return 1000 * seconds


def lifetime(command):
    """Returns the milliseconds from a process's start to its end; it gets no input."""
    started = time.perf_counter()
    subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return 1000 * (time.perf_counter() - started)


def memory(_rounds, _tagged):
    rows = []
    for model, title in MODELS.items():
        talk = Conversation(engine(model), 1)
        for sentence in dev_sentences():
            talk.tag(sentence)
        anonymous, dirty = talk.memory("Anonymous", "Private_Dirty")
        talk.close()
        rows.append(
            below(
                f"{title}, anonymous + private dirty memory",
                "MB",
                anonymous + dirty,
                20,
                f"{anonymous:.2f} + {dirty:.2f}",
            )
        )
    return rows


def size(_rounds, _tagged):
    path = os.path.join(FOLDER, "libetagger.so")
    subprocess.run(["strip", "-o", path, binary("libetagger.so")], check=True)
    return [below("libetagger.so, stripped", "MB", os.path.getsize(path) / 1e6, 1)]


def opening(_rounds, _tagged):
    return [
        below("opening 400,000 words of 50 dimensions", "ms", time_to_open(engine("default")), 5)
    ]


def time_to_open(command):
    """The median time in milliseconds in which RUNS processes open the model."""
    pairs = [(lifetime(command), lifetime([binary("etagger"), "--version"])) for _ in range(RUNS)]
    whole, bare = map(statistics.median, zip(*pairs))
    return whole - bare


def huge(_rounds, _tagged):
    path = model_file("huge")
    try:
        subprocess.run(our_script("huge_model.py", path), check=True, stderr=subprocess.DEVNULL)
        command = [binary("etagger"), path]
        return [
            below("opening 2.2 million words of 300 dimensions", "ms", time_to_open(command), 5),
            below(
                "start to first tag, 2.2 million words",
                "ms",
                statistics.median(first_tag(command) for _ in range(RUNS)),
                15,
            ),
        ]
    finally:
        if os.path.exists(path):
            os.unlink(path)


SECTIONS = {
    section.__name__: section
    for section in (
        tensorflow,
        onnx,
        bulk,
        crfsuite,
        spacy,
        threads,
        start,
        memory,
        size,
        opening,
        huge,
    )
}


# ---------------------------------------------------------------- the command


def version(package):
    """The version of an installed package; "" if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def report(rows):
    with open("/proc/cpuinfo", encoding="utf-8") as stream:
        processor = next(
            (line.partition(":")[2].strip() for line in stream if line.startswith("model name")),
            "unknown",
        )
    versions = [
        f"{package} {version(package)}"
        for package in ("tensorflow", *sum(PACKAGES.values(), ()))
        if version(package)
    ]
    print(
        f"{' and '.join(sorted({row['date'] for row in rows}))}, {len(os.sched_getaffinity(0))} "
        f"cores of {processor}; {', '.join(versions)}\n"
    )
    print("| 1 thread where nothing else is said | must be | the engine | beside it | ratio | |")
    print("|---|---|---|---|---|---|")
    for row in sorted(rows, key=lambda row: list(SECTIONS).index(row["section"])):
        for line in row["lines"]:
            reached = ""
            if line["reached"] is not None:
                reached = "reached" if line["reached"] else "**not reached**"
            print("| {what} | {must} | {ours} | {theirs} | {ratio} | {} |".format(reached, **line))
    for name in crfsuite_spacy.PEERS:
        if any(row["section"] == name for row in rows):
            print(f"\n{crfsuite_spacy.note(name)}")


def parse_args():
    parser = Parser(description=__doc__)
    parser.add_argument(
        "sections", nargs="*", help=f"of {', '.join(SECTIONS)} (default: all but huge)"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default 3)")
    parser.add_argument("--huge", action="store_true", help="the section huge as well")
    add_afresh_flag(parser)
    args = parser.parse_args()
    if args.rounds < 1:
        raise UserError("--rounds: expected at least 1")
    for name in args.sections:
        if name not in SECTIONS:
            raise UserError(
                f"no section {name!r}{suggest(name, SECTIONS)}; known are {', '.join(SECTIONS)}"
            )
    args.sections = args.sections or [name for name in SECTIONS if name != "huge"]
    if args.huge and "huge" not in args.sections:
        args.sections.append("huge")
    return args


def main():
    args = parse_args()
    tagged = prepare()
    identity = [
        file_hash(path)
        for path in (
            *map(binary, ("etagger", "inference", "libetagger.so", "libetagger_tf.so")),
            *map(model_file, MODELS),
        )
    ]
    rows = Rows(
        "engine",
        [args.rounds, identity, *map(version, ("tensorflow", *sum(PACKAGES.values(), ())))],
        args.afresh,
        folders=(INFERENCE,),
    )
    done = {row["section"] for row in rows.rows}
    for name in args.sections:
        missing = [package for package in PACKAGES.get(name, ()) if not version(package)]
        if missing:
            print(
                f"{name}: left out, {' and '.join(missing)} is not installed; make bench-deps",
                file=sys.stderr,
            )
        elif name not in done:
            rows.add(
                {
                    "section": name,
                    "date": datetime.date.today().isoformat(),
                    "lines": SECTIONS[name](args.rounds, tagged),
                }
            )
    wanted = [row for row in rows.rows if row["section"] in args.sections]
    report(wanted)
    missed = sum(line["reached"] is False for row in wanted for line in row["lines"])
    if missed:
        raise UserError(f"{missed} rows do not reach what they must, see above")


if __name__ == "__main__":
    run_command(main)
