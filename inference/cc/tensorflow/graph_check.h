// Tells whether a graph of unknown origin may be handed to TensorFlow; includes TensorFlow.
//
// Call check_graph, normalize and check_shapes, in this order. Python has the same rules in
// inference/graph_check.py; inference/graph_ops.txt lists the allowed ops for both.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "tensorflow/core/framework/graph.pb.h"

namespace etagger {

// The regions of a memory-mapped graph's file, and the number of bytes of each.
using RegionSizes = std::unordered_map<std::string, uint64_t>;

// Throws Error where etagger would not have written a graph, read from the file `path` of `size`
// bytes. regions: those of a memory-mapped graph, whose constants may lie in them; otherwise null.
void check_graph(const tensorflow::GraphDef& graph, const std::string& path, uint64_t size,
                 const RegionSizes* regions = nullptr);

// Throws Error where a constant is larger than its region, or where an op that reads it might write
// its result over it.
void check_regions(const tensorflow::GraphDef& graph, const std::string& path,
                   const RegionSizes& regions);

// Removes from a graph what tells TensorFlow how to read it: devices, gradients, types and shapes
// that TensorFlow derives anyway, and versions, as TensorFlow checks less in a graph of an old
// version. Bounds the length of lists as well.
void normalize(tensorflow::GraphDef* graph);

// Infers the shapes of a normalized graph, read from the file `path` of `size` bytes. Throws Error
// where they do not fit together, where the rank of an input is unknown that its kernel does not
// check, and where a tensor is too large. In graph_shapes.cc.
void check_shapes(const tensorflow::GraphDef& graph, const std::string& path, uint64_t size);

// Throws Error: what is wrong with the graph of the file `path`, and how to mend it.
[[noreturn]] void refuse_graph(const std::string& path, const std::string& what);

}  // namespace etagger
