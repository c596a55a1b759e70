// The network: ids of a sentence -> tag ids, on the weights as they lie in the file.
#pragma once

#include <cstdint>
#include <vector>

#include "tagging/feed.h"
#include "engine/chain.h"
#include "engine/kernels.h"
#include "engine/model_file.h"
#include "engine/scratch.h"
#include "tagging/settings.h"
#include "engine/token_cache.h"

namespace etagger {

// Memory of one thread; it grows to what the longest batch needs and is used again, by any model.
struct Scratch {
  Floats x, transform, gate, gates, cell, outputs[2], logits, score, next, pointers;
  std::vector<Stretch> sentences;  // of the batch: their rows
  std::vector<float*> rows, to;    // where the gates of each row lie; where a product's rows go
  std::vector<int32_t> keys, ids;
  std::vector<size_t> unknown;  // rows of x that the cache does not have
  TokenCache cache;
  ChainScratch chain;

  void release();  // gives back what a long sentence took
};

class Network {
 public:
  // Checks that every section that the settings ask for is there and has the dimensions that it
  // should. Throws Error.
  Network(const ModelFile& file, const Settings& settings, const Kernels& kernels);

  // Emission scores of some sentences, the longest first: (all their tokens, stride()) floats of
  // which the first tags() of a row count. They lie in the scratch memory.
  const float* emissions(const std::vector<const Example*>& examples, Scratch* scratch) const;

  // The best tag of each token, to ids (sentence,).
  void decode(const float* emissions, size_t length, Scratch* scratch, int32_t* ids) const;

  // What the sums over tag sequences need of the decoder.
  TransitionScores transitions() const { return {transitions_, begin_, end_, width_}; }

  const Kernels& kernels() const { return kernels_; }
  size_t tags() const { return tags_; }
  size_t stride() const { return projection_.columns; }

 private:
  struct Table {  // an embedding
    Span<float> values;
    size_t rows = 0, dim = 0;
    const float* row(int32_t id) const {
      return values.data + (static_cast<size_t>(id) < rows ? static_cast<size_t>(id) : 1) * dim;
    }
  };
  struct Dense {
    const float *kernel = nullptr, *bias = nullptr;
    size_t dim = 0, columns = 0;  // columns: a multiple of 16
  };
  struct Layer {
    Dense input;  // of both directions: forward, backward
    Recurrence forward, backward;
  };

  struct TokenFeature {  // one that the model has, in the order of a token's ids and features
    Feature feature;
    FeatureReading reading;
    size_t width;   // ids of a token
    Table vectors;  // for FeatureReading::kVectors
  };

  void open_features(const ModelFile& file, const Settings& settings);
  Table table(const ModelFile& file, const char* name) const;
  Dense dense(const ModelFile& file, const std::string& kernel, const std::string& bias, size_t dim,
              size_t columns) const;
  Recurrence recurrence(const ModelFile& file, const std::string& name, bool backward) const;
  void open_characters(const ModelFile& file, const Settings& settings);
  void open_encoder(const ModelFile& file, const Settings& settings);
  void open_decoder(const ModelFile& file, const Settings& settings);
  void key(const Example& example, size_t token, int32_t* to) const;
  void features(const int32_t* key, float* x) const;
  float* character_features(const int32_t* characters, float* x) const;
  void project_tokens(const std::vector<const Example*>& examples, size_t rows,
                      Scratch* scratch) const;
  void run(const Dense& layer, const float* x, size_t x_stride, size_t rows, float* const* y) const;
  void run(const Dense& layer, const float* x, size_t x_stride, size_t rows, float* y,
           std::vector<float*>* to) const;
  void encode(const Layer& layer, size_t rows, float* y, Scratch* scratch) const;

  const Kernels& kernels_;
  const uint64_t number_;                  // of this model in the process
  size_t tags_, features_ = 0, wide_ = 0;  // features of a token; the same padded to groups
  size_t key_size_ = 0;                    // ids of a token: all that its features depend on
  size_t word_length_ = 0, num_filters_ = 0;
  std::vector<TokenFeature> token_features_;
  std::vector<CharacterFilter> filters_;
  std::vector<Dense> highway_;    // transform, gate, transform, gate, ...
  size_t size_ = 0, blocks_ = 0;  // hidden size, in blocks of 16
  std::vector<Layer> layers_;
  Dense projection_;
  const float *transitions_ = nullptr, *begin_ = nullptr, *end_ = nullptr;
  size_t width_ = 0;  // of a row of transitions_
};

}  // namespace etagger
