// Tells which ops read the output of a node; includes TensorFlow.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tensorflow/core/framework/function.pb.h"
#include "tensorflow/core/framework/graph.pb.h"

namespace etagger {

// Tells whether all ops that read a tensor leave it unchanged. Other ops may write their result
// over an input that nothing else uses, and mapped memory must not be written; such weights stay in
// the graph. It refers to the nodes of the graph, which must not change while it is used.
class Readers {
 public:
  explicit Readers(const tensorflow::GraphDef& graph);

  // Whether this holds for the node `name`, in the function `scope` or (if empty) in the graph.
  bool only_read(const std::string& name, const std::string& scope = "") const;

 private:
  using Output = std::pair<std::string, std::string>;  // scope, name

  template <class Nodes>
  void index(const Nodes& nodes, const std::string& scope);
  bool only_read_by(const tensorflow::NodeDef& node, int place, const std::string& scope,
                    std::vector<Output>* more) const;

  std::unordered_map<std::string, const tensorflow::FunctionDef*> functions_;
  // scope -> name -> the nodes that read it, each with the index of its input
  std::unordered_map<
      std::string,
      std::unordered_map<std::string, std::vector<std::pair<const tensorflow::NodeDef*, int>>>>
      readers_;
};

}  // namespace etagger
