#include "tensorflow/readers.h"

#include <set>
#include <unordered_set>

namespace etagger {

namespace tf = tensorflow;

Readers::Readers(const tf::GraphDef& graph) {
  for (const tf::FunctionDef& function : graph.library().function())
    functions_[function.signature().name()] = &function;
  index(graph.node(), "");
  for (const auto& [name, function] : functions_) index(function->node_def(), name);
}

template <class Nodes>
void Readers::index(const Nodes& nodes, const std::string& scope) {
  for (const tf::NodeDef& node : nodes)
    for (int i = 0; i < node.input_size(); ++i)
      readers_[scope][node.input(i).substr(0, node.input(i).find(':'))].push_back({&node, i});
}

bool Readers::only_read(const std::string& name, const std::string& scope) const {
  std::vector<Output> waiting{{scope, name}};
  std::set<Output> seen;
  while (!waiting.empty()) {
    Output output = waiting.back();
    waiting.pop_back();
    auto in_scope = readers_.find(output.first);
    if (!seen.insert(output).second || in_scope == readers_.end()) continue;
    auto readers = in_scope->second.find(output.second);
    if (readers == in_scope->second.end()) continue;
    for (const auto& [node, place] : readers->second)
      if (!only_read_by(*node, place, output.first, &waiting)) return false;
  }
  return true;
}

// more: receives outputs that are the same tensor, whose readers must be checked as well.
bool Readers::only_read_by(const tf::NodeDef& node, int place, const std::string& scope,
                           std::vector<Output>* more) const {
  static const std::unordered_set<std::string> safe = {
      "MatMul", "BatchMatMulV2", "Conv2D",         "BlockLSTM",
      "Gather", "GatherV2",      "ResourceGather", "Shape"};
  static const std::unordered_set<std::string> alias = {
      "Identity",   "ReadVariableOp", "StopGradient", "Reshape",
      "ExpandDims", "Squeeze",        "StridedSlice", "Transpose"};
  if (safe.count(node.op())) return true;
  if (alias.count(node.op())) {
    more->push_back({scope, node.name()});
    return true;
  }
  if (node.op() != "StatelessWhile" && node.op() != "While") return false;
  for (const char* part : {"body", "cond"}) {
    auto attribute = node.attr().find(part);
    if (attribute == node.attr().end()) return false;
    auto function = functions_.find(attribute->second.func().name());
    if (function == functions_.end() || place >= function->second->signature().input_arg_size())
      return false;
    more->push_back({function->first, function->second->signature().input_arg(place).name()});
  }
  return true;
}

}  // namespace etagger
