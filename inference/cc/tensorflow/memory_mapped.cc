#include <string>
#include <unordered_map>
#include <unordered_set>

#include "backend.h"
#include "error.h"
#include "graph_file.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/framework/tensor.pb.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/util/memmapped_file_system.h"
#include "tensorflow/core/util/memmapped_file_system_writer.h"
#include "tensorflow/core/util/tensor_bundle/tensor_bundle.h"
#include "text.h"

namespace etagger {
namespace {

namespace tf = tensorflow;

// Regions of the new file.
class Regions {
 public:
  explicit Regions(const std::string& path) : path_(path) {
    check(writer_.InitializeToFile(tf::Env::Default(), path), path);
  }

  // Writes a tensor, and makes `node` the constant that reads it.
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

// Whether every reader of a tensor only reads it. Others may write their result over an input that
// nobody else holds, and what is mapped must not be written: such weights stay in the graph. It
// refers to the graph's nodes: those that read something must stay as they are while it is asked.
class Readers {
 public:
  explicit Readers(const tf::GraphDef& graph) {
    for (const tf::FunctionDef& function : graph.library().function())
      functions_[function.signature().name()] = &function;
    index(graph.node(), "");
    for (const auto& [name, function] : functions_) index(function->node_def(), name + "/");
  }

  bool only_read(const std::string& name, const std::string& scope = "") const {
    auto readers = readers_.find(scope + name);
    if (readers == readers_.end()) return true;
    for (const auto& [node, place] : readers->second)
      if (!only_read_by(*node, place, scope)) return false;
    return true;
  }

 private:
  template <class Nodes>
  void index(const Nodes& nodes, const std::string& scope) {
    for (const tf::NodeDef& node : nodes)
      for (int i = 0; i < node.input_size(); ++i)
        readers_[scope + node.input(i).substr(0, node.input(i).find(':'))].push_back({&node, i});
  }

  bool only_read_by(const tf::NodeDef& node, int place, const std::string& scope) const {
    static const std::unordered_set<std::string> safe = {
        "MatMul", "BatchMatMulV2", "Conv2D",         "BlockLSTM",
        "Gather", "GatherV2",      "ResourceGather", "Shape"};
    static const std::unordered_set<std::string> alias = {
        "Identity",   "ReadVariableOp", "StopGradient", "Reshape",
        "ExpandDims", "Squeeze",        "StridedSlice", "Transpose"};
    if (safe.count(node.op())) return true;
    if (alias.count(node.op())) return only_read(node.name(), scope);
    if (node.op() != "StatelessWhile" && node.op() != "While") return false;
    return only_read_in(node.attr().at("body").func().name(), place) &&
           only_read_in(node.attr().at("cond").func().name(), place);
  }

  bool only_read_in(const std::string& function, int argument) const {
    return only_read(functions_.at(function)->signature().input_arg(argument).name(),
                     function + "/");
  }

  std::unordered_map<std::string, const tf::FunctionDef*> functions_;
  std::unordered_map<std::string, std::vector<std::pair<const tf::NodeDef*, int>>> readers_;
};

// A tensor that is worth a region moves there; another becomes a constant of the graph.
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
    if (!tensor.FromProto(node.attr().at("value").tensor()))
      throw Error("constant " + node.name() + " can not be read; freeze the graph again");
    place(tensor, readers.only_read(node.name()), smallest, &node, regions);
  }
}

// The type of each variable, whose value comes from the checkpoint, one at a time.
std::unordered_map<std::string, tf::DataType> place_variables(tf::GraphDef* graph,
                                                              const std::string& checkpoint,
                                                              int smallest, Regions* regions) {
  tf::BundleReader reader(tf::Env::Default(), checkpoint);
  check(reader.status(), checkpoint);
  Readers readers(*graph);
  std::unordered_map<std::string, tf::DataType> types;
  for (tf::NodeDef& node : *graph->mutable_node()) {
    if (node.op() != "VarHandleOp") continue;
    const std::string name = node.attr().at("shared_name").s();
    tf::DataType& type = types[node.name()];
    tf::TensorShape shape;
    check(reader.LookupDtypeAndShape(name, &type, &shape), checkpoint);
    tf::Tensor tensor(type, shape);
    check(reader.Lookup(name, &tensor), checkpoint);
    place(tensor, readers.only_read(node.name()), smallest, &node, regions);
  }
  return types;
}

// What read a variable reads a constant now.
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
    } else if (node.op() == "ResourceGather" && attributes->at("batch_dims").i() == 0) {
      node.set_op("Gather");
      (*attributes)["Tparams"].set_type(variable->second);
      attributes->erase("batch_dims");
    } else {
      throw Error(
          "node " + node.name() + " (" + node.op() +
          ") uses a variable in a way that can not be converted; export the model with export.py");
    }
  }
}

}  // namespace

std::string convert_to_memory_mapped(const std::string& in_graph, const std::string& checkpoint,
                                     int smallest, const std::string& to) {
  if (!checkpoint.empty()) check_plain_file(checkpoint + ".index");
  tf::GraphDef graph = read_graph(in_graph);
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
