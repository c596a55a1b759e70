// A graph that tags, without TensorFlow's headers: backend.h opens it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tagging/feed.h"

namespace etagger {

enum class GraphFile {
  kFrozen,        // a GraphDef that freeze.py or transform_graph wrote
  kMemoryMapped,  // what convert_graphdef_memmapped_format wrote; its weights stay in the file's
                  // pages
};

class Graph {
 public:
  virtual ~Graph() = default;

  // The string constant `model_config`, JSON.
  virtual std::string model_config() const = 0;

  // logits_indices, int32 (rows, length) in row-major order. Throws Error. Threads may call it at
  // the same time.
  virtual std::vector<int32_t> run(const std::vector<Input>& inputs) const = 0;
};

}  // namespace etagger
