// GraphDef files; includes TensorFlow.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tensorflow/core/framework/graph.pb.h"
#include "tensorflow/core/util/memmapped_file_system.h"

namespace etagger {

// Throws Error with `what` in front where `status` is none of success.
void check(const absl::Status& status, const std::string& what);

// Throws Error where the file is missing or no graph; and where the graph is not what etagger
// writes (graph_check.h), unless whoever made it is trusted.
tensorflow::GraphDef read_graph(const std::string& path, bool trust);

// The graph of a memory-mapped file, which `env` gives to a session. Throws Error, as read_graph
// does; also where a trusted graph has constants that are not whole in the file's regions.
tensorflow::GraphDef read_mapped(const std::string& path, bool trust,
                                 tensorflow::MemmappedEnv* env);

// Throws Error where `path` is missing or not a plain file that can be read.
void check_plain_file(const std::string& path);

// "a,b" -> {"a", "b"}.
std::vector<std::string> split_names(const std::string& text);

}  // namespace etagger
