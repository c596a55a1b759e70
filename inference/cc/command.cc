#include "command.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "backend.h"
#include "cli.h"
#include "conll.h"
#include "engine/engine.h"
#include "error.h"
#include "tagger.h"
#include "text.h"

namespace etagger {
namespace {

constexpr size_t kReadSize = 1 << 16;      // bytes taken from the input at a time; what they complete is tagged together

struct Options {
  std::string input, output;
  std::vector<std::string> columns;      // none: by their number
  size_t batch_size = 64;
  int threads = 0;
  bool timing = false;
};

Options parse_options(Cli* cli) {
  Options options;
  std::string columns;
  int batch_size = 64;
  cli->flag("--input", &options.input, "what to tag (default: standard input)");
  cli->flag("--output", &options.output, "where to write (default: standard output)");
  cli->flag("--columns", &columns, "columns in order, such as 'word pos chunk tag', _ to ignore one");
  cli->flag("--batch_size", &batch_size, "sentences in a batch, at most (default 64)");
  cli->flag("--threads", &options.threads, "threads; 0: one for each core", "-j");
  cli->flag("--timing", &options.timing, "percentiles of the time, on standard error");
  cli->parse();
  if (batch_size < 1) throw Error("--batch_size " + std::to_string(batch_size) + ": expected at least 1");
  if (options.threads < 0) throw Error("--threads " + std::to_string(options.threads) + ": expected 0 or more");
  if (!columns.empty()) options.columns = parse_columns(columns);
  options.batch_size = static_cast<size_t>(batch_size);
  return options;
}

class Work {
 public:
  Work(const Tagger& tagger, const Options& options, Sink* out)
      : tagger_(tagger), options_(options), out_(out), started_(std::chrono::steady_clock::now()),
        parser_(options.input.empty() ? "<stdin>" : options.input, options.columns, tagger.settings().columns) {}

  // Tags and writes blocks. A bad row throws Error once the blocks before it are out.
  void process(const std::vector<Block>& blocks) {
    std::vector<Sentence> sentences;
    size_t good = 0;
    try {
      for (; good < blocks.size(); ++good)
        if (!blocks[good].rows.empty()) sentences.push_back(parser_.parse(blocks[good]));
    } catch (const Error&) {
      write(blocks, good, sentences);
      throw;
    }
    write(blocks, good, sentences);
  }

  void report() const {
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started_;
    char line[200];
    std::snprintf(line, sizeof line, "%s sentences, %s tokens, %.2f s", with_commas(sentences_).c_str(), with_commas(tokens_).c_str(),
                  seconds.count());
    double total = 0;
    size_t count = 0;
    for (size_t i = 1; i < timings_.size(); ++i) total += timings_[i].seconds, count += timings_[i].sentences;
    std::string text = line;
    if (count) {
      std::snprintf(line, sizeof line, ", %.3f ms a sentence in the graph (without the first and -DOCSTART-)", 1000 * total / static_cast<double>(count));
      text += line;
    }
    note(text);
    if (parser_.bad_bytes()) note(with_commas(parser_.bad_bytes()) + " bytes are not UTF-8: read as unknown characters, passed through unchanged");
    if (options_.timing) note(percentiles());
  }

 private:
  void write(const std::vector<Block>& blocks, size_t good, const std::vector<Sentence>& sentences) {
    warn_of_missing(sentences);
    auto tags = tag(sentences);
    std::string text;
    size_t next = 0;
    for (size_t i = 0; i < good; ++i) {
      static const std::vector<std::string_view> none;
      blocks[i].write(blocks[i].rows.empty() ? none : tags[next++], &text);
    }
    out_->write(text);
    sentences_ += sentences.size();
    for (const Sentence& sentence : sentences) tokens_ += sentence.words.size();
  }

  // The first sentence goes alone: it is left out of the figures, for it pays for the start.
  std::vector<std::vector<std::string_view>> tag(const std::vector<Sentence>& sentences) {
    size_t alone = 0;
    if (timings_.empty()) {
      auto real = std::find_if(sentences.begin(), sentences.end(), [](const Sentence& each) { return !each.is_docstart; });
      if (real != sentences.end()) alone = static_cast<size_t>(real - sentences.begin()) + 1;
    }
    auto tags = tagger_.tag(sentences.data(), alone, options_.batch_size, &timings_);
    auto rest = tagger_.tag(sentences.data() + alone, sentences.size() - alone, options_.batch_size, &timings_);
    tags.insert(tags.end(), rest.begin(), rest.end());
    return tags;
  }

  void warn_of_missing(const std::vector<Sentence>& sentences) {
    auto real = std::find_if(sentences.begin(), sentences.end(), [](const Sentence& each) { return !each.is_docstart; });
    if (warned_ || real == sentences.end()) return;
    warned_ = true;
    bool no_pos = tagger_.settings().use_pos && !real->has_pos, no_chunks = tagger_.settings().use_chk && !real->has_chunks;
    if (!no_pos && !no_chunks) return;
    note(std::string("the model was trained with the ") + (no_pos ? "pos" : "") + (no_pos && no_chunks ? " and " : "") +
         (no_chunks ? "chunk" : "") + " column, which " + parser_.name() +
         " lacks: tags will be worse, unless it was trained with feature_drop");
  }

  // How long a sentence waited for the batch that it was tagged in.
  std::string percentiles() const {
    std::vector<double> waits;
    for (size_t i = 1; i < timings_.size(); ++i) waits.insert(waits.end(), timings_[i].sentences, 1000 * timings_[i].seconds);
    if (waits.empty()) return "no sentence but the first: no percentiles";
    std::sort(waits.begin(), waits.end());
    std::string text = "milliseconds of a sentence's batch: ";
    for (size_t p : {50, 90, 99}) {
      char pick[40];
      std::snprintf(pick, sizeof pick, "%sp%zu %.3f", p == 50 ? "" : "  ", p, waits[std::min(waits.size() - 1, waits.size() * p / 100)]);
      text += pick;
    }
    return text;
  }

  const Tagger& tagger_;
  const Options& options_;
  Sink* out_;
  std::chrono::steady_clock::time_point started_;
  SentenceParser parser_;
  std::vector<Timing> timings_;
  size_t sentences_ = 0, tokens_ = 0;
  bool warned_ = false;
};

void run(const Tagger& tagger, const Options& options) {
  Source input(options.input);
  Sink output(options.output);
  Work work(tagger, options, &output);
  BlockReader reader;
  while (size_t size = input.read(reader.room(kReadSize), kReadSize)) work.process(reader.feed(size));
  work.process(reader.close());
  output.finish();
  work.report();
}

}  // namespace

int tag_with_graph(int argc, char** argv, GraphFile kind) {
  return run_command(argv[0], [&] {
    Cli cli(argc, argv, "GRAPH VOCAB", "Tags columns from standard input; each row comes out with the predicted tag behind it.");
    std::string graph, vocab;
    cli.positional(&graph, "GRAPH", "the graph's file");
    cli.positional(&vocab, "VOCAB", "vocab.txt, as embvec.py or export.py wrote it");
    Options options = parse_options(&cli);
    Source input(options.input);        // told before TensorFlow is loaded
    silence_tensorflow();
    run(*open_graph_tagger(graph, kind, vocab, options.threads), options);
  });
}

int tag_with_engine(int argc, char** argv) {
  return run_command(argv[0], [&] {
    Cli cli(argc, argv, "MODEL", "Tags columns from standard input; each row comes out with the predicted tag behind it.");
    std::string model, instructions;
    cli.positional(&model, "MODEL", "the .etagger file that export.py --engine wrote");
    cli.flag("--instructions", &instructions, "avx512, avx2, neon or portable (default: the best that this machine has)");
    Options options = parse_options(&cli);
    run(*open_engine(model, instructions), options);
  });
}

}  // namespace etagger
