// Sentences -> ids -> the graph's inputs, in batches of similar length, as features/feed.py makes them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/columns.h"
#include "text/ids.h"
#include "tagging/settings.h"
#include "text/windows.h"

namespace etagger {

// A sentence as ids. What the model does not use is empty.
struct Example {
  size_t length = 0;
  std::vector<int32_t> words, characters, pos, chunks, shapes,
      gazetteer;              // characters: word_length a token
  std::vector<int32_t> elmo;  // bytes, 50 a token, those of <S> and </S> included
  Windows bert;
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
  // Examples of the sentences that a network must see, all but -DOCSTART- lines and those without
  // words; places: their indices.
  std::vector<Example> encode(const Sentence* sentences, size_t count, std::vector<size_t>* places,
                              Around around = {}) const;
  // Inputs of the graph for a batch of examples, sentence_length included.
  std::vector<Input> inputs(const std::vector<Example>& examples, const Batch& batch) const;

 private:
  using Field = std::vector<int32_t> Example::*;
  std::vector<int32_t> characters(const std::vector<std::string_view>& words) const;
  Input padded(const std::string& name, Field field, size_t width,
               const std::vector<Example>& examples, const Batch& batch, size_t length) const;
  void add_windows(const Sentence* sentences, size_t count, Around around,
                   const std::vector<size_t>& places, std::vector<Example>* examples) const;
  void add_bert(const std::vector<Example>& examples, const Batch& batch,
                std::vector<Input>* inputs) const;

  const Settings& settings_;
  const Ids& ids_;
  const WindowMaker* windows_;
};

// Id of a word's shape; the list is in features/feed.py.
int word_shape(std::string_view word);

// Batches for tagging, with few different shapes, as feed.tagging_batches cuts them.
std::vector<Batch> tagging_batches(const std::vector<Example>& examples, size_t batch_size,
                                   size_t max_tokens);

}  // namespace etagger
