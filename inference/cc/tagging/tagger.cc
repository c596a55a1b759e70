#include "tagging/tagger.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "tagging/backend.h"
#include "base/crc32.h"
#include "base/error.h"
#include "tagging/feed.h"
#include "tagging/scheme.h"
#include "text/vocab.h"
#include "text/windows.h"

namespace etagger {
namespace {

constexpr size_t kMaxBatchTokens = 4000;  // padded tokens in a batch, as in inference.py

class GraphTagger : public Tagger {
 public:
  GraphTagger(const std::string& graph_path, GraphFile kind, const std::string& vocab_path,
              int threads, bool trust);
  ~GraphTagger() override {
    if (is_fork_of(process_)) graph_.release();  // closing it would wait for TensorFlow's threads
  }
  Tags tag(const std::vector<Sentence>& all, size_t first, size_t count, size_t batch_size,
           std::vector<Timing>* timings, Stop stop) const override;
  std::vector<Confident> confident(const std::vector<Sentence>&, size_t, size_t, size_t, double,
                                   std::vector<Timing>*, Stop) const override {
    refuse_scores();
  }
  std::vector<Readings> nbest(const std::vector<Sentence>&, size_t, size_t, size_t, size_t, double,
                              std::vector<Timing>*, Stop) const override {
    refuse_scores();
  }
  const Settings& settings() const override { return settings_; }
  std::string fingerprint() const override { return fingerprint_; }

 private:
  [[noreturn]] void refuse_scores() const {
    throw Error(path_ +
                ": a TensorFlow graph gives tags alone; probabilities come from an .etagger file, "
                "which export.py --engine writes, or from inference.py");
  }

  const pid_t process_ = getpid();  // the one that opened the graph
  const std::string path_;
  std::unique_ptr<Graph> graph_;
  Settings settings_;
  Vocabulary vocab_;
  std::unique_ptr<WindowMaker> windows_;  // of BERT
  Feeder feeder_;
  TagConverter converter_;
  std::string fingerprint_;
};

// Size and checksum of a graph's file: of its first and its last bytes, where it is large.
std::string fingerprint_of(const std::string& path) {
  constexpr size_t kMost = 1 << 20;
  MappedFile file(path);
  std::string_view text = file.text();
  uint32_t crc = crc32(text.substr(0, kMost));
  if (text.size() > kMost) crc = crc32(text.substr(std::max(kMost, text.size() - kMost)), crc);
  char fingerprint[40];
  std::snprintf(fingerprint, sizeof fingerprint, "%zu-%08x", text.size(), crc);
  return fingerprint;
}

// The vocabulary, once it is sure that it is the model's.
const Vocabulary& checked(const Vocabulary& vocab, const std::string& vocab_path,
                          const Settings& settings, const std::string& graph_path) {
  if (vocab.hash() == settings.vocab_hash) return vocab;
  throw Error(vocab_path + ": not the vocabulary that " + graph_path +
              " was trained with; give the vocab.txt that export.py wrote beside it");
}

std::unique_ptr<WindowMaker> make_windows(const Vocabulary& vocab, const Settings& settings) {
  if (!settings.use_bert) return nullptr;
  return std::make_unique<WindowMaker>(vocab.pieces(), settings.bert_lower,
                                       static_cast<size_t>(settings.bert_length));
}

GraphTagger::GraphTagger(const std::string& graph_path, GraphFile kind,
                         const std::string& vocab_path, int threads, bool trust)
    : path_(graph_path),
      graph_(open_graph(graph_path, kind, threads, trust)),
      settings_(Settings::parse(graph_->model_config(), graph_path)),
      vocab_(vocab_path, settings_.gazetteer_types.size(), settings_.gazetteer_names),
      windows_(make_windows(checked(vocab_, vocab_path, settings_, graph_path), settings_)),
      feeder_(settings_, vocab_, windows_.get()),
      converter_(settings_.tags, settings_.tag_scheme, settings_.data_scheme),
      fingerprint_(fingerprint_of(graph_path)) {}

Tags GraphTagger::tag(const std::vector<Sentence>& all, size_t first, size_t count,
                      size_t batch_size, std::vector<Timing>* timings, Stop stop) const {
  check_not_fork_of(process_);
  Tags tags(count);
  for (size_t i = 0; i < count; ++i)
    if (all[first + i].is_docstart()) tags[i] = {"O"};
  std::vector<size_t> places;
  std::vector<Example> examples = feeder_.encode(all, first, count, &places);
  for (const Batch& batch : tagging_batches(examples, batch_size, kMaxBatchTokens)) {
    stop.check();
    std::vector<Input> inputs = feeder_.inputs(examples, batch);
    auto started = std::chrono::steady_clock::now();
    std::vector<int32_t> ids = graph_->run(inputs);
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
    if (timings) timings->push_back({seconds.count(), batch.indices.size()});
    auto unknown = [&](int32_t id) {
      return id < 0 || id >= static_cast<int>(settings_.tags.size());
    };
    if (ids.size() != batch.rows * batch.length || std::any_of(ids.begin(), ids.end(), unknown))
      throw Error(
          "the graph gives tags that its model_config does not know; export the model again");
    for (size_t row = 0; row < batch.indices.size(); ++row) {
      size_t k = batch.indices[row];
      tags[places[k]] = converter_.convert(&ids[row * batch.length], examples[k].length);
    }
  }
  return tags;
}

}  // namespace

std::unique_ptr<Tagger> open_graph_tagger(const std::string& graph_path, GraphFile kind,
                                          const std::string& vocab_path, int threads, bool trust) {
  return std::make_unique<GraphTagger>(graph_path, kind, vocab_path, threads, trust);
}

std::unique_ptr<Tagger> open_folder_tagger(const std::string& folder, bool trust) {
  std::string mapped = folder + "/ner_frozen.pb.memmapped", frozen = folder + "/ner_frozen.pb";
  bool is_mapped = access(mapped.c_str(), F_OK) == 0;
  if (!is_mapped && access(frozen.c_str(), F_OK) != 0)
    throw Error(folder +
                ": neither ner_frozen.pb.memmapped nor ner_frozen.pb is in it; write them with "
                "inference/export.py and freeze.py");
  const std::string vocab = folder + "/vocab.txt";
  if (is_mapped) return open_graph_tagger(mapped, GraphFile::kMemoryMapped, vocab, 0, trust);
  return open_graph_tagger(frozen, GraphFile::kFrozen, vocab, 0, trust);
}

}  // namespace etagger
