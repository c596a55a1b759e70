// Who reads a node's output in a graph; includes TensorFlow.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tensorflow/core/framework/function.pb.h"
#include "tensorflow/core/framework/graph.pb.h"

namespace etagger {

// Whether every reader of a tensor only reads it. Others may write their result over an input that
// nobody else holds, and what is mapped must not be written: such weights stay in the graph. It
// refers to the graph's nodes: those that read something must stay as they are while it is asked.
class Readers {
 public:
  explicit Readers(const tensorflow::GraphDef& graph);

  // Of the node `name` in the graph itself, or in the function `scope`.
  bool only_read(const std::string& name, const std::string& scope = "") const;

 private:
  using Output = std::pair<std::string, std::string>;  // scope, name

  template <class Nodes>
  void index(const Nodes& nodes, const std::string& scope);
  bool only_read_by(const tensorflow::NodeDef& node, int place, const std::string& scope,
                    std::vector<Output>* more) const;

  std::unordered_map<std::string, const tensorflow::FunctionDef*> functions_;
  // scope -> name -> who reads it, and as which input
  std::unordered_map<
      std::string,
      std::unordered_map<std::string, std::vector<std::pair<const tensorflow::NodeDef*, int>>>>
      readers_;
};

}  // namespace etagger
