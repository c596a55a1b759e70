// Whether a graph of unknown origin may be handed to TensorFlow; includes TensorFlow.
//
// check_graph, normalize and check_shapes, in this order. The same rules in Python, word for word:
// inference/graph_check.py. inference/graph_ops.txt lists the ops for both.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "tensorflow/core/framework/graph.pb.h"

namespace etagger {

// The regions of a memory-mapped graph's file, and how many bytes each has.
using RegionSizes = std::unordered_map<std::string, uint64_t>;

// Throws Error where a graph, read from the file `path` of `size` bytes, is not what etagger
// writes. regions: of a memory-mapped graph, or else null: such a graph may have constants in
// regions.
void check_graph(const tensorflow::GraphDef& graph, const std::string& path, uint64_t size,
                 const RegionSizes* regions = nullptr);

// Throws Error where a constant in a region is larger than it, or has readers that might write
// their result over it.
void check_regions(const tensorflow::GraphDef& graph, const std::string& path,
                   const RegionSizes& regions);

// Takes out of a graph what says how TensorFlow is to read it: devices, types and shapes that
// TensorFlow derives anyway, gradients, and versions before which it checks less; and bounds its
// lists.
void normalize(tensorflow::GraphDef* graph);

// Throws Error where the shapes of a normalized graph, read from the file `path` of `size` bytes,
// do not fit together; where TensorFlow cannot tell the rank of an operand that must have the right
// one; or where a tensor is too large. In graph_shapes.cc.
void check_shapes(const tensorflow::GraphDef& graph, const std::string& path, uint64_t size);

// Throws Error: what is wrong with the graph of the file `path`, and how to mend it.
[[noreturn]] void refuse_graph(const std::string& path, const std::string& what);

}  // namespace etagger
