#include <string>
#include <unordered_map>

#include "tagging/backend.h"
#include "base/error.h"
#include "tensorflow/graph_file.h"
#include "tensorflow/readers.h"
#include "tensorflow/tensor_bundle.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/framework/tensor.pb.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/util/memmapped_file_system.h"
#include "tensorflow/core/util/memmapped_file_system_writer.h"
#include "tensorflow/core/util/tensor_bundle/tensor_bundle.h"
#include "base/utf8.h"

namespace etagger {
namespace {

namespace tf = tensorflow;

// Regions of the new file.
class Regions {
 public:
  explicit Regions(const std::string& path) : path_(path) {
    check(writer_.InitializeToFile(tf::Env::Default(), path), path);
  }

  // Writes a tensor into a new region, and turns `node` into the constant that reads it.
  void move(const tf::Tensor& tensor, tf::NodeDef* node) {
    std::string region =
        tf::MemmappedFileSystem::kMemmappedPackagePrefix + ("region_" + std::to_string(++count_));
    check(writer_.SaveTensor(tensor, region), path_);
    bytes_ += tensor.TotalBytes();
    node->set_op("ImmutableConst");
    node->clear_input();
    node->clear_attr();
    (*node->mutable_attr())["dtype"].set_type(tensor.dtype());
    tensor.shape().AsProto((*node->mutable_attr())["shape"].mutable_shape());
    (*node->mutable_attr())["memory_region_name"].set_s(region);
  }

  void finish(const tf::GraphDef& graph) {
    check(writer_.SaveProtobuf(graph, tf::MemmappedFileSystem::kMemmappedPackageDefaultGraphDef),
          path_);
    check(writer_.FlushAndClose(), path_);
  }

  int count() const { return count_; }
  size_t bytes() const { return bytes_; }

 private:
  std::string path_;
  tf::MemmappedFileSystemWriter writer_;
  int count_ = 0;
  size_t bytes_ = 0;
};

// Moves a large tensor that is only read into a region; any other becomes a constant of the graph.
void place(const tf::Tensor& tensor, bool only_read, int smallest, tf::NodeDef* node,
           Regions* regions) {
  bool large =
      tensor.TotalBytes() >= static_cast<size_t>(smallest) && tensor.dtype() != tf::DT_STRING;
  if (large && only_read) {
    regions->move(tensor, node);
  } else if (node->op() != "Const") {
    node->set_op("Const");
    node->clear_attr();
    (*node->mutable_attr())["dtype"].set_type(tensor.dtype());
    tensor.AsProtoTensorContent((*node->mutable_attr())["value"].mutable_tensor());
  }
}

void place_constants(tf::GraphDef* graph, int smallest, Regions* regions) {
  Readers readers(*graph);
  for (tf::NodeDef& node : *graph->mutable_node()) {
    if (node.op() != "Const") continue;
    tf::Tensor tensor;
    auto value = node.attr().find("value");
    if (value == node.attr().end() || !tensor.FromProto(value->second.tensor()))
      throw Error("constant " + node.name() + " cannot be read; freeze the graph again");
    place(tensor, readers.only_read(node.name()), smallest, &node, regions);
  }
}

// Reads the value of a variable. Throws Error where the checkpoint has no value of the type and
// shape that the graph declares.
tf::Tensor read_variable(const tf::NodeDef& node, const Checkpoint& checkpoint,
                         tf::BundleReader* reader) {
  auto shared = node.attr().find("shared_name"), type = node.attr().find("dtype"),
       shape = node.attr().find("shape");
  const auto end = node.attr().end();
  const std::string name = shared == end ? "" : shared->second.s();
  auto entry = checkpoint.entries.find(name);
  if (entry == checkpoint.entries.end() || type == end || shape == end ||
      type->second.type() != entry->second.dtype() ||
      !tf::PartialTensorShape(shape->second.shape())
           .IsCompatibleWith(tf::TensorShape(entry->second.shape())))
    throw Error(checkpoint.prefix + ": variable " + node.name() +
                " is not in the checkpoint as the graph wants it; export it again");
  tf::Tensor tensor(entry->second.dtype(), tf::TensorShape(entry->second.shape()));
  check(reader->Lookup(name, &tensor), checkpoint.prefix);
  return tensor;
}

// Replaces the variables by their values, which are read from the checkpoint one at a time. Returns
// the type of each variable.
std::unordered_map<std::string, tf::DataType> place_variables(tf::GraphDef* graph,
                                                              const std::string& prefix,
                                                              int smallest, Regions* regions) {
  const Checkpoint checkpoint = read_index(prefix);
  tf::BundleReader reader(tf::Env::Default(), prefix);
  check(reader.status(), prefix);
  Readers readers(*graph);
  std::unordered_map<std::string, tf::DataType> types;
  for (tf::NodeDef& node : *graph->mutable_node()) {
    if (node.op() != "VarHandleOp") continue;
    tf::Tensor tensor = read_variable(node, checkpoint, &reader);
    types[node.name()] = tensor.dtype();
    place(tensor, readers.only_read(node.name()), smallest, &node, regions);
  }
  return types;
}

// Lets the ops that read a variable read the constant in its place.
void rewrite_readers(const std::unordered_map<std::string, tf::DataType>& types,
                     tf::GraphDef* graph) {
  for (tf::NodeDef& node : *graph->mutable_node()) {
    auto variable = node.input_size() > 0 ? types.find(node.input(0)) : types.end();
    if (variable == types.end()) continue;
    auto* attributes = node.mutable_attr();
    attributes->erase("dtype");
    if (node.op() == "ReadVariableOp") {
      node.set_op("Identity");
      (*attributes)["T"].set_type(variable->second);
    } else if (node.op() == "ResourceGather" && (*attributes)["batch_dims"].i() == 0) {
      node.set_op("Gather");
      (*attributes)["Tparams"].set_type(variable->second);
      attributes->erase("batch_dims");
    } else {
      throw Error(
          "node " + node.name() + " (" + node.op() +
          ") uses a variable in a way that cannot be converted; export the model with export.py");
    }
  }
}

}  // namespace

std::string convert_to_memory_mapped(const std::string& in_graph, const std::string& checkpoint,
                                     int smallest, const std::string& to, bool trust) {
  if (!checkpoint.empty()) check_plain_file(checkpoint + ".index");
  tf::GraphDef graph = read_graph(in_graph, trust);
  Regions regions(to);
  if (!checkpoint.empty())
    rewrite_readers(place_variables(&graph, checkpoint, smallest, &regions), &graph);
  for (const tf::NodeDef& node : graph.node())
    if (node.op() == "VarHandleOp")
      throw Error(in_graph + ": not frozen, it has variables such as " + node.name() +
                  "; freeze it with freeze.py, or give --in_checkpoint");
  place_constants(&graph, smallest, &regions);
  regions.finish(graph);
  return std::to_string(regions.count()) + " regions, " + with_commas(regions.bytes()) + " bytes";
}

}  // namespace etagger
