// Sentences -> ids -> the graph's inputs, in batches of similar length, as features/feed.py makes
// them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "text/columns.h"
#include "text/ids.h"
#include "tagging/features.h"
#include "tagging/settings.h"
#include "text/windows.h"

namespace etagger {

// A sentence as ids.
struct Example {
  // Of a feature, see FeatureRow::ids; empty where the model does not have it.
  std::vector<int32_t>& ids(Feature feature) { return all_ids[static_cast<size_t>(feature)]; }
  const std::vector<int32_t>& ids(Feature feature) const {
    return all_ids[static_cast<size_t>(feature)];
  }

  size_t length = 0;                                        // in tokens
  std::array<std::vector<int32_t>, kFeatureCount> all_ids;  // by Feature
  Windows bert;                                             // where the model has BERT
};

// One input of the graph: int32 values in row-major order.
struct Input {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<int32_t> values;
};

struct Batch {
  std::vector<size_t> indices;  // sentences, the longest first
  size_t rows = 0;              // sentences to fill it up to, by repeating the last
  size_t length = 0;            // tokens to pad to
};

class Feeder {
 public:
  // All must outlive the feeder. windows: where the model has BERT.
  Feeder(const Settings& settings, const Ids& ids, const WindowMaker* windows = nullptr);

  // Without what goes into BERT.
  Example encode(const Sentence& sentence) const;
  // Examples of those of all[first] ... all[first + count - 1] that a network must see: all but
  // -DOCSTART- lines and sentences without words. places: gets where each stands, from `first` on.
  // The others of `all` are context.
  std::vector<Example> encode(const std::vector<Sentence>& all, size_t first, size_t count,
                              std::vector<size_t>* places) const;
  // Inputs of the graph for a batch of examples, sentence_length included.
  std::vector<Input> inputs(const std::vector<Example>& examples, const Batch& batch) const;

 private:
  Input padded(const FeatureRow& feature, const std::vector<Example>& examples,
               const Batch& batch) const;
  void add_windows_of_documents(const std::vector<Sentence>& all, size_t first,
                                const std::vector<size_t>& places,
                                std::vector<Example>* examples) const;
  void add_bert(const std::vector<Example>& examples, const Batch& batch,
                std::vector<Input>* inputs) const;

  const Settings& settings_;
  const Ids& ids_;
  const WindowMaker* windows_;
};

// Batches for tagging, with few different shapes, as feed.tagging_batches cuts them.
std::vector<Batch> tagging_batches(const std::vector<Example>& examples, size_t batch_size,
                                   size_t max_tokens);

}  // namespace etagger
