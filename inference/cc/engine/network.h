// The network: ids of a sentence -> tag ids, on the weights as they lie in the file.
#pragma once

#include <cstdint>
#include <vector>

#include "feed.h"
#include "kernels.h"
#include "model_file.h"
#include "settings.h"

namespace etagger {

// Memory of one thread; it grows to what the longest sentence needs and is used again.
class Scratch {
 public:
  // `count` floats, aligned; those of an earlier sentence may still be in them.
  float* floats(size_t place, size_t count);

  std::vector<size_t> begins, lengths;

 private:
  std::vector<std::vector<float>> parts_;
};

class Network {
 public:
  // Checks that every section that the settings ask for is there and has the dimensions that it should. Throws Error.
  Network(const ModelFile& file, const Settings& settings, const Kernels& kernels);

  // Emission scores of some sentences, the longest first: (all their tokens, stride()) floats of which the first tags() of a row count.
  // They lie in the scratch memory.
  const float* emissions(const std::vector<const Example*>& examples, Scratch* scratch) const;

  // The best tag of each token, to ids (sentence,).
  void decode(const float* emissions, size_t length, Scratch* scratch, int32_t* ids) const;

  size_t tags() const { return tags_; }
  size_t stride() const { return projection_.groups * kGroup; }

 private:
  struct Table {                        // an embedding
    Span<float> values;
    size_t rows = 0, dim = 0;
    const float* row(int32_t id) const { return values.data + (static_cast<size_t>(id) < rows ? static_cast<size_t>(id) : 1) * dim; }
  };
  struct Dense {
    const float *kernel = nullptr, *bias = nullptr;
    size_t dim = 0, groups = 0;
  };
  struct Filter {                       // of one width: what each character gives to each tap
    const float *taps = nullptr, *bias = nullptr;
    size_t characters = 0, width = 0, padded = 0;
  };
  struct Direction {
    Dense input;
    const float* recurrent = nullptr;
  };

  Table table(const ModelFile& file, const char* name, size_t least) const;
  Dense dense(const ModelFile& file, const std::string& kernel, const std::string& bias, size_t dim, size_t columns) const;
  void open_characters(const ModelFile& file, const Settings& settings);
  void open_encoder(const ModelFile& file, const Settings& settings);
  void open_decoder(const ModelFile& file, const Settings& settings);
  void features(const Example& example, float* x) const;
  void encode(const std::vector<const Example*>& examples, const float* x, size_t x_stride, size_t rows, size_t layer, float* y, Scratch* scratch) const;
  void characters(const int32_t* ids, float* to) const;
  void run(const Dense& layer, const float* x, size_t x_stride, size_t rows, float* y) const;

  const Kernels& kernels_;
  size_t tags_, features_ = 0, wide_ = 0;                    // features of a token; the same padded to groups
  size_t word_length_ = 0, num_filters_ = 0, gazetteer_types_ = 0;
  bool masked_ = true;                                       // conv1d: padding is no maximum; conv2d: it is
  Table words_, pos_, chunks_, shapes_;
  std::vector<Filter> filters_;
  std::vector<Dense> highway_;                               // transform, gate, transform, gate, ...
  size_t size_ = 0, blocks_ = 0;                             // hidden size, in blocks of 16
  std::vector<Direction> layers_;                            // forward, backward, forward, ...
  Dense projection_;
  const float *transitions_ = nullptr, *begin_ = nullptr, *end_ = nullptr;
  size_t width_ = 0;                                         // of a row of transitions_
};

}  // namespace etagger
