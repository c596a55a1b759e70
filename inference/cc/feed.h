// Sentences -> ids -> the graph's inputs, in batches of similar length, as feed.py makes them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "conll.h"
#include "settings.h"
#include "vocab.h"

namespace etagger {

// A sentence as ids. What the model does not use is empty.
struct Example {
  size_t length = 0;
  std::vector<int32_t> words, characters, pos, chunks, shapes, gazetteer;     // characters: word_length a token
};

// One input of the graph: int32 values in row-major order.
struct Input {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<int32_t> values;
};

struct Batch {
  std::vector<size_t> indices;        // sentences, the longest first
  size_t rows = 0;                    // sentences to fill it up to, by repeating the last
  size_t length = 0;                  // tokens to pad to
};

// Names -> a mark on each token for each type: the longest match from the left, as gazetteer.py finds them.
class Gazetteer {
 public:
  Gazetteer(std::vector<std::string> types, const std::vector<std::pair<std::vector<std::string>, std::vector<int>>>& names);
  size_t types() const { return types_.size(); }
  std::vector<int32_t> marks(const std::vector<std::string_view>& words) const;      // (sentence, types), 0 or 1

 private:
  std::vector<std::string> types_;
  std::unordered_map<std::string, std::vector<int>> names_;      // words joined by spaces -> indices of types
  std::unordered_map<std::string, size_t> longest_;              // first word -> words in the longest name that it begins
};

class Feeder {
 public:
  // Both must outlive the feeder.
  Feeder(const Settings& settings, const Vocabulary& vocab);

  Example encode(const Sentence& sentence) const;
  // Inputs of the graph for a batch of examples, sentence_length included.
  std::vector<Input> inputs(const std::vector<Example>& examples, const Batch& batch) const;

 private:
  using Field = std::vector<int32_t> Example::*;
  Input padded(const std::string& name, Field field, size_t width, const std::vector<Example>& examples, const Batch& batch) const;

  const Settings& settings_;
  const Vocabulary& vocab_;
  Gazetteer gazetteer_;
};

// Id of a word's shape; the list is in feed.py.
int word_shape(std::string_view word);

// Batches for tagging, with few different shapes, as feed.tagging_batches cuts them.
std::vector<Batch> tagging_batches(const std::vector<Example>& examples, size_t batch_size, size_t max_tokens);

}  // namespace etagger
