// Reads and checks the index of a TensorFlow checkpoint; includes TensorFlow. Python has the same
// rules in files/tensor_bundle.py.
#pragma once

#include <string>
#include <unordered_map>

#include "tensorflow/core/protobuf/tensor_bundle.pb.h"

namespace etagger {

struct Checkpoint {
  std::string prefix;
  std::unordered_map<std::string, tensorflow::BundleEntryProto> entries;  // variables by name
};

// Reads PREFIX.index. This must come before TensorFlow reads it, which ends the process for an
// invalid shape, and allocates memory for any other one. Throws Error where the index does not fit
// its data files.
Checkpoint read_index(const std::string& prefix);

}  // namespace etagger
