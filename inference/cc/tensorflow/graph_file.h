// GraphDef files; includes TensorFlow.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tensorflow/core/framework/graph.pb.h"

namespace etagger {

// Throws Error with `what` in front where `status` is none of success.
void check(const absl::Status& status, const std::string& what);

// Throws Error where the file is missing or no graph.
tensorflow::GraphDef read_graph(const std::string& path);

// Throws Error where `path` is missing or not a plain file that can be read.
void check_plain_file(const std::string& path);

// "a,b" -> {"a", "b"}.
std::vector<std::string> split_names(const std::string& text);

}  // namespace etagger
