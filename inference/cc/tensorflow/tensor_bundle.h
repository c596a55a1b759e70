// What a TensorFlow checkpoint says that it holds; includes TensorFlow. The same rules in Python:
// files/tensor_bundle.py.
#pragma once

#include <string>
#include <unordered_map>

#include "tensorflow/core/protobuf/tensor_bundle.pb.h"

namespace etagger {

struct Checkpoint {
  std::string prefix;
  std::unordered_map<std::string, tensorflow::BundleEntryProto> entries;  // variables by name
};

// Reads PREFIX.index, before TensorFlow does, which ends the process where a shape in it is none,
// and asks for the memory of any shape. Throws Error where the index does not fit its data files.
Checkpoint read_index(const std::string& prefix);

}  // namespace etagger
