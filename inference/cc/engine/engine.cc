#include "engine/engine.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <memory>
#include <mutex>

#include "base/error.h"
#include "base/utf8.h"
#include "tagging/feed.h"
#include "engine/kernels.h"
#include "engine/model_file.h"
#include "engine/network.h"
#include "tagging/scheme.h"

namespace etagger {
namespace {

constexpr size_t kMaxBatchTokens = 640;  // of a batch: what they need stays in the L2 and L3 caches
constexpr size_t kMostNameWords = 64;    // of a name in a gazetteer; export.py refuses more

// Ids of an .etagger file.
class FileIds : public Ids {
 public:
  FileIds(const ModelFile& file, const Settings& settings)
      : types_(settings.gazetteer_types.size()) {
    if (settings.has(Feature::kWord)) words_ = TokenIndex(file, "wrd");
    if (settings.has(Feature::kPos)) pos_ = TokenIndex(file, "pos");
    if (settings.has(Feature::kChunk)) chunks_ = TokenIndex(file, "chk");
    if (types_ > 32)
      throw Error(file.path() + ": a gazetteer of more than 32 types; export it again");
    if (types_) {
      names_ = TokenIndex(file, "gazetteer.names");
      starts_ = TokenIndex(file, "gazetteer.starts");
      kinds_ = file.words("gazetteer.kinds");
      longest_ = file.words("gazetteer.longest");
    }
    if (!settings.has(Feature::kCharacters)) return;
    chars_ = TokenIndex(file, "chr");
    for (uint32_t code = 0; code < 128; ++code) ascii_ids_[code] = find_character(code);
  }

  int word_id(std::string_view word, bool lowercase) const override {
    return look_up_word(word, lowercase,
                        [&](std::string_view token) { return words_.find(token); });
  }
  int character_id(uint32_t code) const override {
    if (code < 128) return ascii_ids_[code];
    return code == kBadByte ? 1 : find_character(code);
  }
  int pos_id(std::string_view pos) const override { return known_or_1(pos_.find(pos)); }
  int chunk_id(std::string_view chunk) const override { return known_or_1(chunks_.find(chunk)); }

  std::vector<int32_t> marks(const std::vector<std::string_view>& words) const override {
    auto longest = [&](std::string_view word) {
      int id = starts_.find(word);
      return id >= 0 && static_cast<size_t>(id) < longest_.size
                 ? std::min<size_t>(longest_[static_cast<size_t>(id)], kMostNameWords)
                 : 0;
    };
    auto mark = [&](const std::string& name, int32_t* to, size_t length) {
      int id = names_.find(name);
      if (id < 0 || static_cast<size_t>(id) >= kinds_.size) return false;
      for (size_t k = 0; k < length; ++k)
        for (size_t kind = 0; kind < types_; ++kind)
          if (kinds_[static_cast<size_t>(id)] >> kind & 1) to[k * types_ + kind] = 1;
      return true;
    };
    return mark_names(words, types_, longest, mark);
  }

 private:
  int find_character(uint32_t code) const {
    std::string token;
    append_utf8(code, &token);
    return known_or_1(chars_.find(token));
  }

  size_t types_;
  TokenIndex words_, chars_, pos_, chunks_, names_, starts_;
  Span<uint32_t> kinds_, longest_;
  std::array<int, 128> ascii_ids_{};
};

const Kernels& need_kernels(const std::string& instructions) {
  const Kernels* kernels = kernels_for(instructions.c_str());
  if (kernels) return *kernels;
  std::string known;
  for (const char* name : {"avx512vbmi", "avx512", "avx2", "neon", "portable"})
    if (kernels_for(name)) known.append(known.empty() ? "" : ", ").append(name);
  throw Error("--instructions " + instructions + ": unknown, or not on this machine, which has " +
              known);
}

class FileEngine : public Engine {
 public:
  FileEngine(ModelFile file, const std::string& instructions)
      : file_(std::move(file)),
        settings_(Settings::parse(file_.header(), file_.path())),
        ids_(file_, settings_),
        feeder_(settings_, ids_),
        network_(file_, settings_, need_kernels(instructions)),
        converter_(settings_.tags, settings_.tag_scheme, settings_.data_scheme) {
    auto needs_tensorflow = [&](const FeatureRow& row) {
      return row.reading == FeatureReading::kTensorFlow && settings_.has(row.feature);
    };
    if (settings_.use_bert ||
        std::any_of(kFeatureTable.begin(), kFeatureTable.end(), needs_tensorflow))
      throw Error(file_.path() +
                  ": a model with ELMo or BERT; serve it with TensorFlow: freeze.py");
    chain_tags_ = chain_tags(settings_.tags, settings_.tag_scheme, &types_);
  }

  Tags tag(const std::vector<Sentence>& all, size_t first, size_t count, size_t batch_size,
           std::vector<Timing>* timings, Stop stop) const override {
    Tags tags(count);
    for (size_t i = 0; i < count; ++i)
      if (all[first + i].is_docstart()) tags[i] = {"O"};
    run({all, first, count, batch_size, timings, stop},
        [&](size_t place, const Scores& scores, Scratch* scratch) {
          tags[place] = converter_.convert(decoded(scores, scratch), scores.length);
        });
    return tags;
  }

  std::vector<Confident> confident(const std::vector<Sentence>& all, size_t first, size_t count,
                                   size_t batch_size, double temperature,
                                   std::vector<Timing>* timings, Stop stop) const override {
    std::vector<Confident> found(count);
    for (size_t i = 0; i < count; ++i)
      if (all[first + i].is_docstart()) found[i] = {{"O"}, {1.0}, {}};
    const std::shared_ptr<const Chain> chain = chain_at(temperature);
    run({all, first, count, batch_size, timings, stop},
        [&](size_t place, const Scores& scores, Scratch* scratch) {
          found[place] = confident_in(*chain, scores, scratch);
        });
    return found;
  }

  std::vector<Readings> nbest(const std::vector<Sentence>& all, size_t first, size_t count,
                              size_t n, size_t batch_size, double temperature,
                              std::vector<Timing>* timings, Stop stop) const override {
    if (n < 1 || n > kMostReadings)
      throw Error("nbest " + std::to_string(n) + ": expected 1 to " + with_commas(kMostReadings) +
                  "; time and memory grow with it");
    std::vector<Readings> found(count);
    for (size_t i = 0; i < count; ++i) {
      const Sentence& sentence = all[first + i];
      if (sentence.is_docstart()) found[i] = {{1.0, {"O"}}};
      if (sentence.words.empty()) found[i] = {{1.0, {}}};
    }
    const std::shared_ptr<const Chain> chain = chain_at(temperature);
    run({all, first, count, batch_size, timings, stop}, [&](size_t place, const Scores& scores,
                                                            Scratch* scratch) {
      for (const ChainPath& path :
           chain->nbest(scores.rows, network_.stride(), scores.length, n, &scratch->chain, stop))
        found[place].push_back(
            {std::exp(path.log_probability), converter_.convert(path.ids.data(), path.ids.size())});
    });
    return found;
  }

  std::vector<std::vector<float>> emissions(const std::vector<Sentence>& sentences,
                                            size_t batch_size) const override {
    std::vector<std::vector<float>> scores(sentences.size());
    std::vector<Example> examples;
    for (const Sentence& sentence : sentences) examples.push_back(feeder_.encode(sentence));
    Scratch scratch;
    for (const Batch& batch : tagging_batches(examples, batch_size, kMaxBatchTokens)) {
      const float* row = network_.emissions(picked(examples, batch), &scratch);
      for (size_t k : batch.indices)
        for (size_t t = 0; t < examples[k].length; ++t, row += network_.stride())
          scores[k].insert(scores[k].end(), row, row + network_.tags());
    }
    return scores;
  }

  std::vector<int32_t> decode(const std::vector<float>& emissions) const override {
    Scratch scratch;
    const size_t tags = network_.tags(), length = emissions.size() / tags;
    std::vector<float> rows(length * network_.stride());
    for (size_t t = 0; t < length; ++t)
      std::copy_n(&emissions[t * tags], tags, &rows[t * network_.stride()]);
    std::vector<int32_t> ids(length);
    if (length) network_.decode(rows.data(), length, &scratch, ids.data());
    return ids;
  }

  const Settings& settings() const override { return settings_; }
  std::string fingerprint() const override { return file_.fingerprint(); }

 private:
  static std::vector<const Example*> picked(const std::vector<Example>& examples,
                                            const Batch& batch) {
    std::vector<const Example*> together;
    for (size_t k : batch.indices) together.push_back(&examples[k]);
    return together;
  }

  // Which sentences are tagged, as Tagger::tag takes them.
  struct Request {
    const std::vector<Sentence>& all;
    size_t first, count, batch_size;
    std::vector<Timing>* timings;
    Stop stop;
  };

  // Emission scores of a sentence: (length, stride()).
  struct Scores {
    const float* rows;
    size_t length;
  };

  // Calls use(place, scores, scratch) for each sentence that the network is asked for; place: from
  // request.first on.
  template <class Use>
  void run(const Request& request, Use use) const {
    file_.check_whole();
    std::vector<size_t> places;
    std::vector<Example> examples =
        feeder_.encode(request.all, request.first, request.count, &places);
    for (const Batch& batch : tagging_batches(examples, request.batch_size, kMaxBatchTokens)) {
      request.stop.check();
      run_batch(examples, places, batch, request.timings, use);
    }
  }

  template <class Use>
  void run_batch(const std::vector<Example>& examples, const std::vector<size_t>& places,
                 const Batch& batch, std::vector<Timing>* timings, Use use) const {
    // Of the thread, not of the model: each of a program's many threads needs it but once, and what
    // it holds of one model is never taken for another's (Network::number_).
    thread_local Scratch scratch;
    std::vector<const Example*> together = picked(examples, batch);
    auto started = std::chrono::steady_clock::now();
    const float* emissions = network_.emissions(together, &scratch);
    for (size_t i = 0; i < together.size(); ++i)
      use(places[batch.indices[i]],
          Scores{emissions + scratch.sentences[i].begin * network_.stride(), together[i]->length},
          &scratch);
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
    if (timings) timings->push_back({seconds.count(), together.size()});
    if (batch.length > kMaxBatchTokens) scratch.release();
  }

  // The best tag ids, which hold until the next call.
  const int32_t* decoded(const Scores& scores, Scratch* scratch) const {
    scratch->ids.resize(scores.length);
    network_.decode(scores.rows, scores.length, scratch, scratch->ids.data());
    return scratch->ids.data();
  }

  // That of temperature 1, which nearly all calls ask for, is made once.
  std::shared_ptr<const Chain> chain_at(double temperature) const {
    if (!(temperature > 0 && std::isfinite(temperature)))
      throw Error("temperature " + std::to_string(temperature) + ": expected a number above 0");
    if (temperature != 1) return new_chain(temperature);
    std::call_once(chain_is_made_, [&] { chain_ = new_chain(1); });
    return chain_;
  }

  std::shared_ptr<const Chain> new_chain(double temperature) const {
    return std::make_shared<Chain>(network_.kernels(), network_.transitions(), chain_tags_,
                                   temperature);
  }

  Confident confident_in(const Chain& chain, const Scores& scores, Scratch* scratch) const {
    const int32_t* ids = decoded(scores, scratch);
    std::vector<ChainSpan> spans;
    for_each_chunk(
        scores.length, [&](size_t i) { return chain_tags_[static_cast<size_t>(ids[i])]; },
        [&](size_t start, size_t end, size_t type) { spans.push_back({start, end, type}); });
    Confident found{converter_.convert(ids, scores.length), std::vector<double>(scores.length), {}};
    std::vector<double> of_spans(spans.size());
    chain.probabilities(scores.rows, network_.stride(), scores.length, ids, spans, &scratch->chain,
                        found.probabilities.data(), of_spans.data());
    for (size_t k = 0; k < spans.size(); ++k)
      found.entities.push_back({spans[k].start, spans[k].end, types_[spans[k].type], of_spans[k]});
    return found;
  }

  ModelFile file_;
  Settings settings_;
  FileIds ids_;
  Feeder feeder_;
  Network network_;
  TagConverter converter_;
  std::vector<ChainTag> chain_tags_;     // of the tags
  std::vector<std::string_view> types_;  // of entities, by their number; they end in NUL
  mutable std::once_flag chain_is_made_;
  mutable std::shared_ptr<const Chain> chain_;
};

}  // namespace

std::unique_ptr<Engine> open_engine(ModelFile file, const std::string& instructions) {
  return std::make_unique<FileEngine>(std::move(file), instructions);
}

std::unique_ptr<Engine> open_engine(const std::string& path, const std::string& instructions) {
  return open_engine(ModelFile(path), instructions);
}

size_t verify_engine_file(const std::string& path) {
  ModelFile file(path);
  file.verify();
  size_t size = file.size();
  open_engine(std::move(file));
  return size;
}

}  // namespace etagger
