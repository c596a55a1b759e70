// Checks the shapes that TensorFlow infers for a graph of unknown origin, before any kernel runs.
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "base/error.h"
#include "tensorflow/graph_check.h"
#include "tensorflow/graph_file.h"
#include "tensorflow/core/common_runtime/graph_constructor.h"
#include "tensorflow/core/common_runtime/shape_refiner.h"
#include "tensorflow/core/framework/attr_value.pb.h"
#include "tensorflow/core/framework/node_def.pb.h"
#include "tensorflow/core/framework/tensor.pb.h"
#include "tensorflow/core/graph/graph.h"

namespace etagger {
namespace {

namespace tf = tensorflow;
using tf::shape_inference::InferenceContext;

constexpr uint64_t kLargestTensor = 1 << 28;  // elements of a tensor whose shape is known
constexpr size_t kLargestValue = 1 << 10;     // bytes of a float constant that may give a shape

// Whether a node is a constant that cannot give the shape of another tensor.
bool is_weight(const tf::NodeDef& node) {
  if (node.op() != "Const") return false;
  const tf::TensorProto& tensor = node.attr().at("value").tensor();
  const int type = tensor.dtype();
  return type != tf::DT_INT32 && type != tf::DT_STRING && type != tf::DT_INT64 &&
         type != tf::DT_BOOL && tensor.ByteSizeLong() > kLargestValue;
}

// A small copy of a graph, from which shapes are inferred: placeholders stand for the weights, and
// the shapes that a loop declares for its results are left out, as no kernel checks them.
tf::GraphDef skeleton_of(const tf::GraphDef& graph) {
  tf::GraphDef skeleton;
  *skeleton.mutable_versions() = graph.versions();
  for (const tf::NodeDef& node : graph.node()) {
    tf::NodeDef* copy = skeleton.add_node();
    if (is_weight(node)) {
      const tf::TensorProto& tensor = node.attr().at("value").tensor();
      copy->set_name(node.name());
      copy->set_op("Placeholder");
      *copy->mutable_input() = node.input();
      (*copy->mutable_attr())["dtype"].set_type(tensor.dtype());
      *(*copy->mutable_attr())["shape"].mutable_shape() = tensor.tensor_shape();
      continue;
    }
    *copy = node;
    if (node.op() != "StatelessWhile") continue;
    const int outputs = (*copy->mutable_attr())["T"].list().type_size();
    auto* claimed = (*copy->mutable_attr())["output_shapes"].mutable_list();
    claimed->clear_shape();
    for (int i = 0; i < outputs; ++i) claimed->add_shape()->set_unknown_rank(true);
  }
  return skeleton;
}

// Inputs whose rank the kernel does not check; a wrong one ends the process.
std::vector<int> ranked_operands(const std::string& op) {
  if (op == "Conv2D") return {0, 1};
  if (op == "Dequantize") return {1, 2};
  return {};
}

// The product of the known sizes; the largest number where it overflows.
uint64_t elements_of(InferenceContext* context, int output) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  const auto shape = context->output(output);
  if (!context->RankKnown(shape)) return 1;
  uint64_t count = 1;
  for (int i = 0; i < context->Rank(shape); ++i) {
    const auto dim = context->Dim(shape, i);
    if (!context->ValueKnown(dim)) continue;
    const auto size = static_cast<uint64_t>(std::max<int64_t>(context->Value(dim), 1));
    count = size > kMost / count ? kMost : count * size;
  }
  return count;
}

bool may_be_empty(InferenceContext* context, tf::shape_inference::ShapeHandle shape) {
  if (!context->FullyDefined(shape)) return true;
  for (int i = 0; i < context->Rank(shape); ++i)
    if (context->Value(context->Dim(shape, i)) == 0) return true;
  return false;
}

// Throws Error where an input of one node has an unknown rank, or an output is too large.
void check_node(const tf::Node& node, InferenceContext* context, uint64_t most) {
  const std::string what = "node " + node.name() + " (" + node.type_string() + "): ";
  for (int place : ranked_operands(node.type_string()))
    if (!context->RankKnown(context->input(place)))
      throw Error(what + "the rank of its input " + std::to_string(place) + " is not known");
  if (node.type_string() == "Dequantize" && may_be_empty(context, context->input(0)))
    throw Error(what + "its input may be empty, which ends the process");
  for (int i = 0; i < context->num_outputs(); ++i)
    if (elements_of(context, i) > most)
      throw Error(what + "makes more than " + std::to_string(most) + " elements");
}

}  // namespace

void check_shapes(const tf::GraphDef& graph, const std::string& path, uint64_t size) {
  tf::Graph shapes(tf::OpRegistry::Global());
  tf::ShapeRefiner refiner(graph.versions(), shapes.op_registry());
  check(tf::ImportGraphDef(tf::ImportGraphDefOptions(), skeleton_of(graph), &shapes, &refiner),
        path);
  try {
    for (const tf::Node* node : shapes.op_nodes())
      check_node(*node, refiner.GetContext(node), std::max(kLargestTensor, size));
  } catch (const Error& error) {
    refuse_graph(path, error.what());
  }
}

}  // namespace etagger
