#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tagging/backend.h"
#include "base/error.h"
#include "tensorflow/graph_file.h"
#include "tensorflow/core/platform/env.h"

// TensorFlow's library exports these two functions, but pip installs no header for them.
namespace tensorflow::graph_transforms {
typedef std::map<std::string, std::vector<std::string>> TransformFuncParameters;
typedef std::vector<std::pair<std::string, TransformFuncParameters>> TransformParameters;
absl::Status ParseTransformParameters(const std::string& transforms,
                                      TransformParameters* parameters);
absl::Status TransformGraph(const std::vector<std::string>& inputs,
                            const std::vector<std::string>& outputs,
                            const TransformParameters& transforms, GraphDef* graph);
}  // namespace tensorflow::graph_transforms

namespace etagger {
namespace {

namespace tf = tensorflow;

const tf::NodeDef* find_node(const tf::GraphDef& graph, const std::string& name) {
  for (const tf::NodeDef& node : graph.node())
    if (node.name() == name) return &node;
  return nullptr;
}

// The named inputs that the graph has, and all its other placeholders, as merge_duplicate_nodes
// would otherwise merge these.
std::vector<std::string> inputs_of(const tf::GraphDef& graph, const std::vector<std::string>& named,
                                   std::vector<std::string>* notes) {
  std::vector<std::string> inputs;
  for (const std::string& name : named) {
    if (find_node(graph, name))
      inputs.push_back(name);
    else
      notes->push_back("--inputs " + name + ": not in this graph, left out" +
                       (name == "is_train" ? " (exported graphs do not need it)" : ""));
  }
  for (const tf::NodeDef& node : graph.node()) {
    if (node.op() != "Placeholder" || std::count(inputs.begin(), inputs.end(), node.name()))
      continue;
    notes->push_back("--inputs: " + node.name() + " is a placeholder too, added");
    inputs.push_back(node.name());
  }
  return inputs;
}

std::vector<std::string> outputs_of(const tf::GraphDef& graph, std::vector<std::string> outputs) {
  for (const std::string& name : outputs)
    if (!find_node(graph, name))
      throw Error("--outputs " + name + ": the graph has no such node; export.py lists them");
  if (find_node(graph, "model_config")) outputs.push_back("model_config");
  return outputs;
}

}  // namespace

std::vector<std::string> transform_graph(const std::string& in_graph, const std::string& inputs,
                                         const std::string& outputs, const std::string& transforms,
                                         const std::string& to, bool trust) {
  tf::GraphDef graph = read_graph(in_graph, trust);
  std::vector<std::string> notes;
  tf::graph_transforms::TransformParameters steps;
  check(tf::graph_transforms::ParseTransformParameters(transforms, &steps), "--transforms");
  check(
      tf::graph_transforms::TransformGraph(inputs_of(graph, split_names(inputs), &notes),
                                           outputs_of(graph, split_names(outputs)), steps, &graph),
      "--transforms");
  check(tf::WriteBinaryProto(tf::Env::Default(), to, graph), to);
  notes.push_back(std::to_string(graph.node_size()) + " nodes");
  return notes;
}

}  // namespace etagger
