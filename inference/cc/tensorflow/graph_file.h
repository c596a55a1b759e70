// GraphDef files; includes TensorFlow.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tensorflow/core/framework/graph.pb.h"
#include "tensorflow/core/util/memmapped_file_system.h"

namespace etagger {

// Throws Error with `what` in front unless `status` is OK.
void check(const absl::Status& status, const std::string& what);

// Reads a GraphDef. Throws Error where the file is missing or is not a graph, and, unless `trust`,
// where etagger would not have written it (graph_check.h).
tensorflow::GraphDef read_graph(const std::string& path, bool trust);

// Reads the graph of a memory-mapped file; `env` gives its regions to a session. Throws Error as
// read_graph does, and for a trusted graph where a constant is not within the regions of the file.
tensorflow::GraphDef read_mapped(const std::string& path, bool trust,
                                 tensorflow::MemmappedEnv* env);

// Throws Error where `path` is missing or is not a plain, readable file.
void check_plain_file(const std::string& path);

// "a,b" -> {"a", "b"}.
std::vector<std::string> split_names(const std::string& text);

}  // namespace etagger
