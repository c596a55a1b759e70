// Tags sentences: a graph, its settings and its vocabulary put together.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conll.h"
#include "feed.h"
#include "graph.h"
#include "scheme.h"
#include "settings.h"
#include "vocab.h"

namespace etagger {

// How long the graph took for a batch, and for how many sentences.
struct Timing {
  double seconds;
  size_t sentences;
};

class Tagger {
 public:
  // Throws Error, also where the vocabulary is not the one that the model was trained with.
  Tagger(const std::string& graph_path, GraphFile kind, const std::string& vocab_path, int threads);

  // Tags in the scheme of the training data; the views live as long as the tagger. A -DOCSTART- line alone is O.
  // timings, if given, gets an entry for each batch. Threads may call it at the same time.
  std::vector<std::vector<std::string_view>> tag(const Sentence* sentences, size_t count, size_t batch_size,
                                                 std::vector<Timing>* timings = nullptr) const;

  const Settings& settings() const { return settings_; }

 private:
  std::unique_ptr<Graph> graph_;
  Settings settings_;
  Vocabulary vocab_;
  Feeder feeder_;
  TagConverter converter_;
};

}  // namespace etagger
