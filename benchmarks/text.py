"""Measures texts a second: model.pipe of the package etagger against spaCy and python-crfsuite, on
one thread and the same texts. Also measures how much a call costs in addition to the engine.

    make cc bench-deps
    python benchmarks/text.py
    python benchmarks/text.py --model model.etagger --spacy_model en_core_web_sm

The texts are CoNLL-2003's dev sentences with spaces between the words, --lines of them in a text.
Every system gets texts and returns entities with their places. spaCy runs an installed model
(--spacy_model), once its whole pipeline and once only its tok2vec and ner. If there is none, it
runs a blank English pipeline whose ner has the same architecture and random weights, and the table
says so. python-crfsuite tags the words of features/tokenizer.py with the model of engine.py, which
is trained first (minutes); every word gets the same POS, since a text has none. The systems take
turns on the same core.

Then it splits the time of model(text) into parts. Tokenizing, with sentences and places, is the
difference between etagger_tag_text_into and etagger_tag_joined on the same words. The binding is
the difference between model(text) or model.tag(words) and the library's function that they call.
Last, it measures a call for one short sentence, of 4 and of 30 words of the corpus. It is an error
if a peer is faster, or if the binding takes more than 10 microseconds a call.
"""

import importlib.util
import os
import statistics
import subprocess
import sys
import time
import warnings

import _top
from cli import Parser, UserError, check_readable, run_command
from common import Worker, serve
from corpora import BENCH, CORPORA, ROOT, find
from f1 import folder_of, is_finished, train
from peers import crfsuite_spacy
from served_models import script

SPACY_MODEL = "en_core_web_sm"
MOST_BINDING = 10  # microseconds of a call
SHORT = (4, 30)  # words of a short sentence
SHORT_TEXTS = 64  # short sentences, which are tagged again and again
SCORES = 2  # ETAGGER_SCORES


def read_texts(lines):
    """CoNLL-2003's dev sentences as texts of `lines` lines each."""
    import conll

    _, dev, columns, _ = CORPORA["conll2003"]
    sentences, _ = conll.read_sentences(os.path.join(ROOT, find("data", dev)), columns.split())
    rows = [" ".join(sentence.words) for sentence in sentences if not sentence.is_docstart]
    return ["\n".join(rows[i : i + lines]) for i in range(0, len(rows), lines)]


def our_model():
    """The .etagger file of the default model of benchmarks/f1.py, which is trained if it is
    missing.
    """
    path = os.path.join(BENCH, "text.etagger")
    if not is_finished("default"):
        train("default", 0)
    restore = os.path.join(folder_of("default"), "ner_model")
    script("export.py", "--restore", restore, "--engine", path)
    return path


# ---------------------------------------------------------------- systems, in their own processes


def seconds_of(action, clock=time.perf_counter):
    started = clock()
    action()
    return clock() - started


def processor_seconds(actions, rounds):
    """Of each of {name: function} the least processor time of this thread, in turns."""
    found = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            found[name].append(seconds_of(action, time.thread_time))
    return {name: min(times) for name, times in found.items()}


class Ours:
    """The package etagger, from inference/python/."""

    def __init__(self, path):
        sys.path.insert(0, os.path.join(ROOT, "inference", "python"))
        warnings.simplefilter("ignore")  # the texts have no POS column
        import etagger

        self.etagger, self.model, self.name = etagger, etagger.load(path), "etagger, model.pipe"

    def run(self, texts):
        return sum(map(len, self.model.pipe(texts, threads=1)))

    def calls(self, texts):
        """Processor seconds of calls for each text, and of the library's functions that they call:
        {"text", "text_engine", "words", "words_engine", "plain_engine"}, where plain is without
        scores.
        """
        from array import array

        from features.tokenizer import tokenize

        library, model = self.etagger._library, self.model
        handle, words = model._open_handle(), [tokenize(text) for text in texts]
        tags = array("L", bytes(8 * max(map(len, words))))
        joined = [
            ("\0".join(sentence).encode(), array("L", [len(sentence)]), tags.buffer_info()[0])
            for sentence in words
        ]

        def words_engine():
            for data, length, place in joined:
                library.etagger_tag_joined(
                    handle, data, len(data) + 1, 0, 0, length.buffer_info()[0], 1, 1, place
                )

        actions = {
            "text": lambda: [model(text) for text in texts],
            "text_engine": self._engine(texts, SCORES),
            "words": lambda: [model.tag(sentence) for sentence in words],
            "words_engine": words_engine,
            "plain_engine": self._engine(texts, 0),
        }
        return processor_seconds(actions, 3)

    def _engine(self, texts, flags):
        """A function that calls the library's etagger_tag_text_into for sentence text."""
        from array import array

        function, handle = self.etagger._library.etagger_tag_text_into, self.model._open_handle()
        datas = [text.encode() for text in texts]
        room, result = array("B", bytes(1 << 20)), array("L", [0])

        def call():
            places = room.buffer_info()[0], 10_000, result.buffer_info()[0]
            for data in datas:
                function(handle, data, len(data), flags, *places, None)

        return call

    def short_calls(self, texts):
        """Seconds of processor time of a call for one short sentence: {words: {"engine",
        "engine_scores": of the library's function, "call", "call_scores": of model(text)}}.
        """
        words, found = " ".join(texts).split(), {}
        for length in SHORT:
            short = [" ".join(words[k * length :][:length]) for k in range(SHORT_TEXTS)]
            actions = {
                "engine": self._engine(short, 0),
                "engine_scores": self._engine(short, SCORES),
                "call": lambda short=short: [self.model(text, scores=False) for text in short],
                "call_scores": lambda short=short: [self.model(text) for text in short],
            }
            seconds = processor_seconds(actions, 50)
            found[length] = {name: sentence / SHORT_TEXTS for name, sentence in seconds.items()}
        return found


class Spacy:
    """spaCy's pipeline `name`; if name is "", a blank one with random weights. alone: run only its
    components tok2vec and ner.
    """

    def __init__(self, name, alone):
        import spacy

        if name:
            self.nlp = spacy.load(name)
            self.name = f"spaCy, {name}, {'tok2vec and ner alone' if alone else 'whole'}"
        else:
            self.nlp = spacy.blank("en")
            self.nlp.add_pipe("ner").add_label("PER")
            self.nlp.initialize()
            self.name = f"spaCy, blank ner of RANDOM weights ({SPACY_MODEL} is not installed)"
        if alone:
            self.nlp.select_pipes(enable=["tok2vec", "ner"])

    def run(self, texts):
        docs = self.nlp.pipe(texts, batch_size=crfsuite_spacy.AT_ONCE)
        return sum(len([(e.label_, e.start_char, e.end_char) for e in doc.ents]) for doc in docs)


class CrfSuite:
    """python-crfsuite over the words of features/tokenizer.py."""

    name = "python-crfsuite"

    def __init__(self):
        self.tagger = crfsuite_spacy.CrfSuite(crfsuite_spacy.folder_of("crfsuite"))
        self.tagger.load()

    def run(self, texts):
        import schemes
        from features.tokenizer import token_spans

        count = 0
        for text in texts:
            for start, end in _lines(text):
                spans = token_spans(text, "words", start, end)
                tags = self.tagger.tag([[(text[a:b], "NN") for a, b in spans]])[0]
                found = schemes.entities(tags, "bio")
                count += len([(kind, spans[a][0], spans[b - 1][1]) for a, b, kind in found])
        return count


def _lines(text):
    at = 0
    for line in text.split("\n"):
        yield at, at + len(line)
        at += len(line) + 1


def work(args):
    """The worker's side: what of the texts, "run", "calls" or "short" -> seconds."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    name, _, what = args.worker.partition(":")
    texts = read_texts(args.lines)
    if name == "spacy":
        system = Spacy(args.spacy_model, what == "alone")
    else:
        system = Ours(args.model) if name == "ours" else CrfSuite()
    system.run(texts)  # fills caches

    def answer(what):
        if what == "calls":
            return system.calls(texts)
        if what == "short":
            return system.short_calls(texts)
        found = []
        seconds = seconds_of(lambda: found.append(system.run(texts)))
        return {"seconds": seconds, "found": found[0], "name": system.name}

    serve(answer)


# ---------------------------------------------------------------- the table


def has_spacy_model(name):
    """Whether spaCy can load a model. name: of a package, or the path of a folder."""
    return importlib.util.find_spec(name) is not None if name.isidentifier() else True


def start(args, names):
    """Starts the systems, {name: a Worker}."""
    command = [sys.executable, os.path.abspath(__file__), "--lines", str(args.lines)]
    command += ["--model", args.model, "--spacy_model", args.spacy_model, "--worker"]
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    return {name: Worker([*command, name]) for name in names}


def systems_of(args):
    """The systems that can run here."""
    names = ["ours"]
    if importlib.util.find_spec("spacy"):
        names += ["spacy:whole", "spacy:alone"] if args.spacy_model else ["spacy:blank"]
    if importlib.util.find_spec("pycrfsuite"):
        if not crfsuite_spacy.note("crfsuite"):
            print("crfsuite is trained first, minutes", file=sys.stderr)
            path = os.path.join(ROOT, "benchmarks", "peers", "crfsuite_spacy.py")
            subprocess.run([sys.executable, path, "crfsuite", "--train"], check=True)
        names.append("crfsuite")
    return names


def measure(args):
    """{system: {"seconds", "found", "name"}}; {what: seconds} of the calls; and {words: {what:
    seconds}} of the short ones: medians.
    """
    workers = start(args, systems_of(args))
    rounds, calls, short = {name: [] for name in workers}, [], []
    for number in range(args.rounds):
        order = list(workers)
        for name in order[number % len(order) :] + order[: number % len(order)]:
            rounds[name].append(workers[name].ask(what="run"))
        calls.append(workers["ours"].ask(what="calls"))
        short.append(workers["ours"].ask(what="short"))
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
    for worker in workers.values():
        worker.close()
    systems = {
        name: {**measured[-1], "seconds": statistics.median(one["seconds"] for one in measured)}
        for name, measured in rounds.items()
    }
    lengths = {words: medians([sentence[words] for sentence in short]) for words in short[0]}
    return systems, medians(calls), lengths


def medians(rounds):
    """{key: the median of its values} of dicts."""
    return {key: statistics.median(seconds[key] for seconds in rounds) for key in rounds[0]}


def report(systems, calls, short, texts):
    """Prints the table. Returns what is not as it must be."""
    count, ours, missed = len(texts), systems["ours"]["seconds"], []
    characters = sum(map(len, texts)) / count
    print(f"{count:,} texts of {characters:.0f} characters in the mean, 1 thread\n")
    print("| system | texts/s | entities | ours / theirs |")
    print("|---|---|---|---|")
    for name, system in systems.items():
        ratio = system["seconds"] / ours
        shown = "" if name == "ours" else f"{ratio:.2f}"
        speed = count / system["seconds"]
        print(f"| {system['name']} | {speed:,.0f} | {system['found']:,} | {shown} |")
        if ratio < 1:
            missed.append(f"{system['name']} is faster")
    per_call = {key: 1e6 * seconds / count for key, seconds in calls.items()}
    binding = per_call["text"] - per_call["text_engine"]
    of_tag = per_call["words"] - per_call["words_engine"]
    tokenizing = per_call["plain_engine"] - per_call["words_engine"]
    print(f"\nmodel(text): {per_call['text']:.1f} us a call")
    for what, figure in (("tokenizing and places", tokenizing), ("the binding", binding)):
        print(f"  {what}: {figure:.1f} us, {100 * figure / per_call['text']:.1f} %")
    print(f"model.tag(words): {per_call['words']:.1f} us a call, the binding {of_tag:.1f} us of it")
    for what, figure in (("model(text)", binding), ("model.tag(words)", of_tag)):
        if figure > MOST_BINDING:
            missed.append(f"the binding of {what} takes more than {MOST_BINDING} us")
    report_short(short)
    return missed


def report_short(short):
    """Prints what a call for a short sentence takes; the library's function is called by ctypes."""
    print("\nmicroseconds of processor time of a call for one sentence\n")
    print(
        "| words | etagger_tag_text_into | with scores | model(text, scores=False) | model(text) |"
    )
    print("|---|---|---|---|---|")
    for words, seconds in short.items():
        names = ("engine", "engine_scores", "call", "call_scores")
        print(f"| {words} | " + " | ".join(f"{1e6 * seconds[name]:.1f}" for name in names) + " |")


def parse_args():
    parser = Parser(description=__doc__)
    parser.add_argument("--model", default="", help="an .etagger file (default: that of f1.py)")
    parser.add_argument(
        "--spacy_model",
        default=SPACY_MODEL,
        help="a spaCy model's name or path (default %(default)s)",
    )
    parser.add_argument("--lines", type=int, default=1, help="sentences in a text (default 1)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--worker", default="", help="which system to be; used by the benchmark")
    args = parser.parse_args()
    if args.rounds < 1 or args.lines < 1:
        raise UserError("--rounds and --lines: expected at least 1")
    return args


def main():
    args = parse_args()
    if args.worker:
        return work(args)
    if args.model:
        check_readable(args.model, "--model")
    args.model = os.path.abspath(args.model or our_model())
    if not has_spacy_model(args.spacy_model):
        print(f"no spaCy model {args.spacy_model}: random weights in its place", file=sys.stderr)
        args.spacy_model = ""
    missed = report(*measure(args), read_texts(args.lines))
    if missed:
        raise UserError("; ".join(missed))


if __name__ == "__main__":
    run_command(main)
