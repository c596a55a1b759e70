// Whether a graph of unknown origin may be handed to TensorFlow; includes TensorFlow.
//
// The same rules in Python, word for word: inference/graph_check.py. inference/graph_ops.txt lists
// the ops for both.
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

// Takes out of a graph what says how TensorFlow is to read it: devices, types that TensorFlow
// derives anyway, gradients, and versions before which it checks less; and bounds its lists.
void normalize(tensorflow::GraphDef* graph);

}  // namespace etagger
