#include "commands/command.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tagging/backend.h"
#include "base/cli.h"
#include "text/columns.h"
#include "engine/engine.h"
#include "base/error.h"
#include "base/files.h"
#include "base/parallel.h"
#include "tagging/stream.h"
#include "tagging/tagger.h"
#include "base/utf8.h"

namespace etagger {
namespace {

struct Options {
  std::string input, output;
  std::vector<std::string> columns;  // none: by their number
  Delimiter delimiter = Delimiter::kUnsaid;
  size_t batch_size = 64;
  int threads = 0;
  bool timing = false, lines = false, split = false, json = false, html = false;
  bool confidence = false;
  std::optional<int> nbest;
  std::optional<double> temperature;
};

// The flags that all commands have, and after them a command's own.
Options parse_options(Cli* cli, const std::function<void(Options*)>& own = [](Options*) {}) {
  Options options;
  std::string columns, delimiter;
  int batch_size = 64;
  cli->flag("--input", &options.input, "what to tag (default: standard input)");
  cli->flag("--output", &options.output, "where to write (default: standard output)");
  cli->flag("--columns", &columns,
            "columns in order, such as 'word pos chunk tag', _ to ignore one, id first in CoNLL-U");
  cli->flag("--delimiter", &delimiter,
            "tab: each single tab separates columns, for tokens with spaces and empty fields; "
            "space: spaces and tabs do, runs count as one (default: as the model was trained)");
  cli->flag("--batch_size", &batch_size, "sentences in a batch, at most (default 64)");
  cli->flag("--threads", &options.threads, "threads; 0: one for each core", "-j");
  cli->flag("--timing", &options.timing, "percentiles of the time, on standard error");
  own(&options);
  cli->parse();
  if (batch_size < 1)
    throw Error("--batch_size " + std::to_string(batch_size) + ": expected at least 1");
  if (options.threads < 0)
    throw Error("--threads " + std::to_string(options.threads) + ": expected 0 or more");
  const int most = static_cast<int>(thread_count(options.threads));
  if (options.threads > most) {
    note("--threads " + std::to_string(options.threads) + ": " + std::to_string(most) +
         " are started, more are of no use");
    options.threads = most;
  }
  options.delimiter = parse_delimiter(delimiter);
  if (!columns.empty()) options.columns = parse_columns(columns, options.delimiter);
  options.batch_size = static_cast<size_t>(batch_size);
  return options;
}

std::string percentiles(const Durations& waits) {
  if (!waits.count()) return "no sentence but the first: no percentiles";
  std::string text = "milliseconds of a sentence's batch: ";
  for (size_t p : {50, 90, 99}) {
    char pick[40];
    std::snprintf(pick, sizeof pick, "%sp%zu %.3f", p == 50 ? "" : "  ", p,
                  1000 * waits.percentile(p));
    text += pick;
  }
  return text;
}

void tell(const StreamReport& report, double seconds, const Options& options) {
  char figure[120];
  std::snprintf(figure, sizeof figure, " tokens, %.2f s", seconds);
  std::string text =
      with_commas(report.sentences) + " sentences, " + with_commas(report.tokens) + figure;
  if (report.waits.count()) {
    std::snprintf(figure, sizeof figure,
                  ", %.3f ms a sentence in the network (without the first and -DOCSTART-)",
                  1000 * report.seconds / static_cast<double>(report.waits.count()));
    text += figure;
  }
  note(text);
  if (report.pieces)
    note("a sentence of more than " + with_commas(kMostRows) +
         " tokens was tagged in pieces; is a blank line missing after each sentence?");
  const char* written =
      options.json || options.html ? "written as U+FFFD" : "passed through unchanged";
  if (report.bad_bytes)
    note(with_commas(report.bad_bytes) + " bytes are not UTF-8: read as unknown characters, " +
         written);
  if (options.timing) note(percentiles(report.waits));
}

// Checks --confidence, --nbest and --temperature, as inference.py does. Throws Error.
void check_format_flags(const Options& options) {
  if (options.confidence && options.nbest)
    throw Error(
        "--confidence and --nbest: each has a form of output of its own; expected one of them");
  if (options.json && options.nbest)
    throw Error("--json and --nbest: each has a form of output of its own; expected one of them");
  if (options.html && (options.json || options.nbest))
    throw Error(
        "--html: it is a form of output of its own; expected no --json and no --nbest beside it");
  const int count = options.nbest.value_or(1);
  if (count < 1) throw Error("--nbest " + std::to_string(count) + ": expected at least 1");
  if (static_cast<size_t>(count) > kMostReadings)
    throw Error("--nbest " + std::to_string(count) + ": expected 1 to " +
                with_commas(kMostReadings) + "; time and memory grow with it");
  const double temperature = options.temperature.value_or(1.0);
  if (!(temperature > 0 && std::isfinite(temperature))) {
    char text[40];
    std::snprintf(text, sizeof text, "%g", temperature);
    throw Error(std::string("--temperature ") + text + ": expected a number above 0");
  }
  if (options.temperature && !options.confidence && !options.nbest)
    throw Error(
        "--temperature: it changes no tag; expected one of --confidence and --nbest beside it");
  if (options.nbest && options.lines)
    throw Error("--nbest and --line: expected a sentence in columns; leave one of them out");
}

// threads: that tag.
void run(const Tagger& tagger, const Options& options, size_t threads, Source* input,
         Sink* output) {
  auto started = std::chrono::steady_clock::now();
  StreamOptions stream;
  stream.columns = options.columns;
  stream.delimiter = options.delimiter;
  stream.batch_size = options.batch_size;
  stream.threads = threads;
  stream.lines = options.lines;
  stream.split = options.split;
  stream.json = options.json;
  stream.confidence = options.confidence;
  stream.nbest = static_cast<size_t>(options.nbest.value_or(0));
  stream.temperature = options.temperature.value_or(1.0);
  stream.html = options.html;
  stream.warn = note;
  StreamReport report = tag_stream(tagger, stream, input, output);
  output->finish();
  tell(report, std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count(),
       options);
}

}  // namespace

int tag_with_graph(int argc, char** argv, GraphFile kind) {
  return run_command(argv[0], [&] {
    Cli cli(
        argc, argv, "GRAPH VOCAB",
        "Tags columns from standard input; each row comes out with the predicted tag after it.");
    std::string graph, vocab;
    bool trust = false;
    cli.positional(&graph, "GRAPH", "the graph's file");
    cli.positional(&vocab, "VOCAB", "vocab.txt, as embvec.py or export.py wrote it");
    Options options = parse_options(&cli, [&](Options*) { cli.trust_flag(&trust); });
    Source input(options.input);  // what is wrong is reported before TensorFlow is loaded
    if (options.output.empty()) Sink("");
    std::unique_ptr<Tagger> tagger = open_graph_tagger(graph, kind, vocab, options.threads, trust);
    Sink output(options.output);
    run(*tagger, options, 1, &input, &output);
  });
}

int tag_with_engine(int argc, char** argv) {
  return run_command(argv[0], [&] {
    Cli cli(argc, argv, "MODEL",
            "Tags columns, or lines of text, from standard input; each row comes out with the "
            "predicted tag after it.");
    std::string model, instructions;
    bool verify = false;
    cli.positional(&model, "MODEL", "the .etagger file that export.py --engine wrote");
    Options options = parse_options(&cli, [&](Options* flags) {
      cli.flag("--line", &flags->lines,
               "raw text, a sentence a line, instead of columns; out come word O O O tag");
      cli.flag("--split", &flags->split,
               "with --line: a line may have several sentences, by Unicode's rules and "
               "abbreviations");
      cli.flag("--json", &flags->json,
               "write a line of JSON each sentence: its text, and its entities with places in "
               "characters");
      cli.flag("--html", &flags->html, "write a page of HTML with the entities marked");
      cli.flag("--confidence", &flags->confidence,
               "after the tag, its probability, and on the tokens of an entity that of the entity, "
               "else _; with --json, an entity's score");
      cli.flag("--nbest", &flags->nbest,
               "write each sentence N times, with its N best tag sequences, each under a line `# k "
               "probability`; N is 1,000 at most");
      cli.flag("--temperature", &flags->temperature,
               "divide the scores by T before they become probabilities: etc/calibration.py fits "
               "it (default 1)");
      cli.flag(
          "--instructions", &instructions,
          "avx512vbmi, avx512, avx2, neon or portable (default: the best that this machine has)");
      cli.flag("--verify", &verify, "check every byte of the model, and tag nothing");
    });
    if (options.lines && !options.columns.empty())
      throw Error("--line and --columns: raw text has no columns; leave one of them out");
    if (options.split && !options.lines)
      throw Error("--split: it splits raw text, columns have sentences already; add --line");
    if (options.lines && options.delimiter != Delimiter::kUnsaid)
      throw Error("--line and --delimiter: raw text has no columns; leave one of them out");
    check_format_flags(options);
    if (verify)
      return note(model + ": verified, " + with_commas(verify_engine_file(model)) + " bytes");
    std::unique_ptr<Engine> engine = open_engine(model, instructions);
    Source input(options.input);
    Sink output(options.output);
    run(*engine, options, thread_count(options.threads), &input, &output);
  });
}

}  // namespace etagger
