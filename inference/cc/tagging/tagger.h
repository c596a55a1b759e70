// Tags sentences: what the commands and the library use, whatever computes the tags.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/columns.h"
#include "tagging/graph.h"
#include "tagging/settings.h"
#include "base/stop.h"

namespace etagger {

// How long the network took for a batch, and for how many sentences.
struct Timing {
  double seconds;
  size_t sentences;
};

// The tags of some sentences, one for each word.
using Tags = std::vector<std::vector<std::string_view>>;

// Words start .. end - 1 of a sentence, and how probable it is that they are an entity of this
// type, whatever the other tags are. The type ends in NUL and lives as long as the tagger.
struct ScoredEntity {
  size_t start, end;
  std::string_view type;
  double score;
};

// A sentence's tags, as Tagger::tag gives them, and how sure the model is of them.
struct Confident {
  std::vector<std::string_view> tags;
  std::vector<double> probabilities;  // of the tag that the model gave each word, in its own scheme
  std::vector<ScoredEntity> entities;
};

// One of a sentence's tag sequences.
struct Reading {
  double probability;
  std::vector<std::string_view> tags;
};
using Readings = std::vector<Reading>;  // of a sentence, the best first

constexpr size_t kMostReadings = 1000;  // of a sentence: time and memory grow with them

class Tagger {
 public:
  virtual ~Tagger() = default;

  // Tags of the sentences all[first] ... all[first + count - 1], in the scheme of the training
  // data; the views live as long as the tagger, and each ends in NUL. The other sentences are
  // context, where tags depend on neighbours (Settings::context_words). A -DOCSTART- line alone is
  // O. timings, unless it is null, gets an entry for each batch. Threads may call it at the same
  // time. Throws Error, also once `stop` is set.
  virtual Tags tag(const std::vector<Sentence>& all, size_t first, size_t count, size_t batch_size,
                   std::vector<Timing>* timings = nullptr, Stop stop = {}) const = 0;

  // The same, and how probable the tags and entities are. temperature: what scores are divided by
  // before they become probabilities. A -DOCSTART- line alone is O with probability 1. Throws Error
  // also where the model gives no scores, such as a TensorFlow graph.
  virtual std::vector<Confident> confident(const std::vector<Sentence>& all, size_t first,
                                           size_t count, size_t batch_size, double temperature = 1,
                                           std::vector<Timing>* timings = nullptr,
                                           Stop stop = {}) const = 0;

  // The `n` most probable tag sequences of each sentence, 1 to kMostReadings, or all where there
  // are fewer. The other arguments, and what it throws, are those of confident().
  virtual std::vector<Readings> nbest(const std::vector<Sentence>& all, size_t first, size_t count,
                                      size_t n, size_t batch_size, double temperature = 1,
                                      std::vector<Timing>* timings = nullptr,
                                      Stop stop = {}) const = 0;

  virtual const Settings& settings() const = 0;

  // One word that differs from model to model.
  virtual std::string fingerprint() const = 0;
};

// A TensorFlow graph and its vocab.txt. trust: whatever its ops do. Throws Error, also where the
// vocabulary is not the one that the model was trained with.
std::unique_ptr<Tagger> open_graph_tagger(const std::string& graph_path, GraphFile kind,
                                          const std::string& vocab_path, int threads,
                                          bool trust = false);

// The graph in a folder that freeze.py or convert_graphdef_memmapped_format wrote it to:
// ner_frozen.pb.memmapped, or without that one ner_frozen.pb, and vocab.txt. Throws Error.
std::unique_ptr<Tagger> open_folder_tagger(const std::string& folder, bool trust = false);

}  // namespace etagger
