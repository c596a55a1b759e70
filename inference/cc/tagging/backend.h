// TensorFlow, loaded only when it is needed: libetagger_tf.so, a gigabyte with what it links. So a
// wrong flag or a missing file is reported at once, and everything of ours but that library can be
// built with sanitizers.
//
// Its log stays off standard error, unless TF_CPP_MIN_LOG_LEVEL is 0: what goes wrong comes as
// Error.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tagging/graph.h"

namespace etagger {

// In all of these, `trust` opens a graph whatever its ops do, also where they write files.

// Opens a graph. Throws Error. threads: 0 for one on each core.
std::unique_ptr<Graph> open_graph(const std::string& path, GraphFile kind, int threads, bool trust);

// One run of a small graph with one float input. Returns `output`, `size` floats, in row-major
// order. Throws Error.
std::vector<float> run_once(const std::string& path, const std::string& input,
                            const std::vector<int64_t>& shape, const std::vector<float>& values,
                            const std::string& output, size_t size, bool trust);

// TransformGraph of TensorFlow's Graph Transform Tool; inputs and outputs are names with commas.
// Writes the file `to`. Returns what there is to say of it, a line each. Throws Error.
std::vector<std::string> transform_graph(const std::string& in_graph, const std::string& inputs,
                                         const std::string& outputs, const std::string& transforms,
                                         const std::string& to, bool trust);

// Moves weights of at least `smallest` bytes into regions of a file that can be mapped. checkpoint:
// prefix, where the graph is not frozen, or "". Writes the file `to`. Returns what there is to say
// of it. Throws Error.
std::string convert_to_memory_mapped(const std::string& in_graph, const std::string& checkpoint,
                                     int smallest, const std::string& to, bool trust);

// Whether this process is a fork of `loader`, one that loaded TensorFlow. The threads of TensorFlow
// are not in it, and TensorFlow would wait for them without end: all of the above throw Error.
bool is_fork_of(pid_t loader);

// Throws Error where is_fork_of(loader).
void check_not_fork_of(pid_t loader);

// What libetagger_tf.so gives under the name etagger_tf_backend.
struct Backend {
  decltype(&open_graph) open;
  decltype(&run_once) once;
  decltype(&transform_graph) transform;
  decltype(&convert_to_memory_mapped) convert;
  void (*silence)();
};

}  // namespace etagger
