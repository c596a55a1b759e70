#include "tensorflow/graph_check.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/error.h"
#include "tensorflow/readers.h"
#include "tensorflow/core/framework/attr_value.pb.h"
#include "tensorflow/core/framework/function.pb.h"
#include "tensorflow/core/framework/node_def.pb.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_def_util.h"
#include "tensorflow/core/framework/tensor.pb.h"
#include "tensorflow/core/framework/types.pb.h"
#include "tensorflow/core/public/version.h"
#include "tensorflow/core/util/memmapped_file_system.h"

namespace etagger {
namespace {

namespace tf = tensorflow;

// inference/graph_check.py explains these limits.
constexpr int64_t kLargestAttribute = 1 << 16;   // largest integer in an attribute
constexpr int64_t kLargestInteger = 1 << 24;     // largest integer in a constant
constexpr int64_t kLongestList = 1 << 22;        // elements of a list
constexpr int64_t kLargestFilled = 1 << 26;      // elements, if a constant gives a tensor's size
constexpr uint64_t kRoom = 1 << 26;              // bytes of constants beyond twice the file's size
constexpr int kDeepest = 8;                      // depth of functions that call functions
constexpr int64_t kLargestExpanded = 1'000'000;  // nodes, each call replaced by a function's nodes

const std::unordered_set<std::string_view>& allowed() {
  static const std::unordered_set<std::string_view> names = {
#include "graph_ops.inc"
  };
  return names;
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(what);
}

// ------------------------------------------------------------ names

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_name(std::string_view text) {
  if (text.empty() || !(is_alphanumeric(text[0]) || text[0] == '.')) return false;
  return std::all_of(text.begin() + 1, text.end(), [](char c) {
    return is_alphanumeric(c) || std::string_view("_.\\/>-").find(c) != std::string_view::npos;
  });
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The node or argument that an input names.
std::string_view source_of(std::string_view input) {
  if (!input.empty() && input[0] == '^') input.remove_prefix(1);
  return input.substr(0, input.find(':'));
}

// Whether an input is ^name, name or name:1; in a function name:output:1.
bool is_input(std::string_view input, bool in_function) {
  if (!input.empty() && input[0] == '^') input.remove_prefix(1);
  size_t colon = input.find(':');
  if (!is_name(input.substr(0, colon))) return false;
  if (colon == std::string_view::npos) return true;
  std::string_view port = input.substr(colon + 1);
  if (!in_function) return is_number(port);
  colon = port.find(':');
  if (colon == std::string_view::npos || colon == 0 || !is_number(port.substr(colon + 1)))
    return false;
  return std::all_of(port.begin(), port.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](char c) { return is_alphanumeric(c) || c == '_'; });
}

// ------------------------------------------------------------ values

struct Kind {
  int64_t bytes;                         // of an element
  int (*given)(const tf::TensorProto&);  // the number of elements outside tensor_content
};

const Kind* kind_of(int type) {
  static const std::map<int, Kind> kinds = {
      {tf::DT_FLOAT, {4, [](const tf::TensorProto& t) { return t.float_val_size(); }}},
      {tf::DT_DOUBLE, {8, [](const tf::TensorProto& t) { return t.double_val_size(); }}},
      {tf::DT_INT32, {4, [](const tf::TensorProto& t) { return t.int_val_size(); }}},
      {tf::DT_UINT8, {1, [](const tf::TensorProto& t) { return t.int_val_size(); }}},
      {tf::DT_INT16, {2, [](const tf::TensorProto& t) { return t.int_val_size(); }}},
      {tf::DT_INT8, {1, [](const tf::TensorProto& t) { return t.int_val_size(); }}},
      {tf::DT_STRING, {32, [](const tf::TensorProto& t) { return t.string_val_size(); }}},
      {tf::DT_INT64, {8, [](const tf::TensorProto& t) { return t.int64_val_size(); }}},
      {tf::DT_BOOL, {1, [](const tf::TensorProto& t) { return t.bool_val_size(); }}},
      {tf::DT_QINT8, {1, [](const tf::TensorProto& t) { return t.int_val_size(); }}},
      {tf::DT_QUINT8, {1, [](const tf::TensorProto& t) { return t.int_val_size(); }}},
      {tf::DT_QINT32, {4, [](const tf::TensorProto& t) { return t.int_val_size(); }}},
      {tf::DT_BFLOAT16, {2, [](const tf::TensorProto& t) { return t.half_val_size(); }}},
      {tf::DT_UINT16, {2, [](const tf::TensorProto& t) { return t.int_val_size(); }}},
      {tf::DT_HALF, {2, [](const tf::TensorProto& t) { return t.half_val_size(); }}},
      {tf::DT_UINT32, {4, [](const tf::TensorProto& t) { return t.uint32_val_size(); }}},
      {tf::DT_UINT64, {8, [](const tf::TensorProto& t) { return t.uint64_val_size(); }}},
  };
  auto found = kinds.find(type);
  return found == kinds.end() ? nullptr : &found->second;
}

// Whether a node may have an output of this type; resources and variants are allowed as well,
// though a constant cannot hold them.
bool is_type(int type) {
  return kind_of(type) || type == tf::DT_RESOURCE || type == tf::DT_VARIANT;
}

// Whether each dimension is a size or -1 (unknown), and the product of the sizes fits.
bool is_shape(const tf::TensorShapeProto& shape) {
  if (shape.dim_size() > 8 || (shape.unknown_rank() && shape.dim_size())) return false;
  int64_t count = 1;
  for (const auto& dim : shape.dim()) {
    if (dim.size() < -1 || dim.size() >= int64_t{1} << 31) return false;
    count *= std::max<int64_t>(dim.size(), 1);
    if (count >= int64_t{1} << 40) return false;
  }
  return true;
}

// The numbers of a constant of int32 or int64; nothing for any other type.
std::optional<std::vector<int64_t>> integers(const tf::TensorProto& tensor) {
  const bool is_short = tensor.dtype() == tf::DT_INT32;
  if (!is_short && tensor.dtype() != tf::DT_INT64) return std::nullopt;
  std::vector<int64_t> numbers;
  const std::string& content = tensor.tensor_content();
  const size_t width = is_short ? 4 : 8;
  for (size_t at = 0; at + width <= content.size(); at += width) {
    int32_t low = 0;
    int64_t number = 0;
    std::memcpy(is_short ? static_cast<void*>(&low) : &number, content.data() + at, width);
    numbers.push_back(is_short ? low : number);
  }
  if (!content.empty()) return numbers;
  if (is_short)
    numbers.assign(tensor.int_val().begin(), tensor.int_val().end());
  else
    numbers.assign(tensor.int64_val().begin(), tensor.int64_val().end());
  return numbers;
}

// Whether TensorFlow can read an attribute safely. False for a function and for a tensor.
bool is_plain(const tf::AttrValue& value) {
  auto small = [](int64_t number) {
    return number >= -kLargestAttribute && number <= kLargestAttribute;
  };
  switch (value.value_case()) {
    case tf::AttrValue::kS:
    case tf::AttrValue::kF:
    case tf::AttrValue::kB:
      return true;
    case tf::AttrValue::kI:
      return small(value.i());
    case tf::AttrValue::kType:
      return is_type(value.type());
    case tf::AttrValue::kShape:
      return is_shape(value.shape());
    case tf::AttrValue::kList: {
      const auto& list = value.list();
      return list.func().empty() && list.tensor().empty() &&
             std::all_of(list.i().begin(), list.i().end(), small) &&
             std::all_of(list.type().begin(), list.type().end(), is_type) &&
             std::all_of(list.shape().begin(), list.shape().end(), is_shape);
    }
    default:
      return false;
  }
}

// ------------------------------------------------------------ the graph and its functions

using Functions = std::unordered_map<std::string, const tf::FunctionDef*>;

// What an input reads: a node, or the argument of a function with this index.
struct Producer {
  const tf::NodeDef* node = nullptr;
  int argument = -1;

  bool is(const char* op) const { return node && node->op() == op; }
};

// The graph itself or one of its functions.
class Scope {
 public:
  template <class Nodes, class Arguments>
  Scope(const std::string& name, const Nodes& nodes, const Arguments& arguments) : name_(name) {
    for (const auto& argument : arguments)
      if (!is_name(argument.name()) ||
          !arguments_.emplace(argument.name(), static_cast<int>(arguments_.size())).second)
        refuse("an argument's name is not one, or stands twice");
    for (const tf::NodeDef& node : nodes) {
      if (!is_name(node.name()) || has(node.name()))
        refuse("a node's name is not one, or stands twice");
      nodes_.emplace(node.name(), &node);
      order_.push_back(&node);
    }
  }

  const std::string& name() const { return name_; }
  const std::vector<const tf::NodeDef*>& nodes() const { return order_; }
  size_t arguments() const { return arguments_.size(); }
  bool has(std::string_view name) const {
    return nodes_.count(std::string(name)) || arguments_.count(std::string(name));
  }

  // What an input reads, passing over Identity.
  Producer producer(std::string_view input) const {
    for (size_t i = 0; i <= order_.size(); ++i) {
      const std::string name(source_of(input));
      auto argument = arguments_.find(name);
      if (argument != arguments_.end()) return {nullptr, argument->second};
      auto node = nodes_.find(name);
      if (node == nodes_.end()) return {};
      if (node->second->op() != "Identity" || !node->second->input_size())
        return {node->second, -1};
      input = node->second->input(0);
    }
    return {};
  }

 private:
  std::string name_;
  std::unordered_map<std::string, const tf::NodeDef*> nodes_;
  std::vector<const tf::NodeDef*> order_;
  std::unordered_map<std::string, int> arguments_;
};

using Scopes = std::unordered_map<std::string, Scope>;

[[noreturn]] void refuse(const Scope& scope, const tf::NodeDef& node, const std::string& what) {
  std::string where = scope.name().empty() ? "" : " of function " + scope.name();
  refuse("node " + node.name() + " (" + node.op() + ")" + where + ": " + what);
}

// Whether all attributes are allowed and have plain values.
template <class Attributes>
bool are_plain(const Attributes& attributes) {
  for (const auto& [name, value] : attributes)
    if (!allowed().count(name) || !is_plain(value)) return false;
  return true;
}

// Throws Error unless each argument has one fixed type, and a node or argument gives each result.
void check_signature(const tf::FunctionDef& function, const Scope& scope) {
  const tf::OpDef& signature = function.signature();
  bool plain = signature.attr().empty() && function.control_ret().empty() &&
               function.resource_arg_unique_id().empty() && are_plain(function.attr());
  for (const auto* arguments : {&signature.input_arg(), &signature.output_arg()})
    for (const auto& argument : *arguments)
      plain &= is_type(argument.type()) && argument.type_attr().empty() &&
               argument.number_attr().empty() && argument.type_list_attr().empty() &&
               !argument.is_ref();
  std::set<std::string> names;
  for (const auto& output : signature.output_arg())
    plain &= names.insert(output.name()).second && function.ret().count(output.name());
  plain &= names.size() == static_cast<size_t>(function.ret_size());
  for (const auto& result : function.ret())
    plain &= is_input(result.second, true) && scope.has(source_of(result.second));
  for (const auto& argument : function.arg_attr()) plain &= are_plain(argument.second.attr());
  if (!plain) refuse("function " + scope.name() + ": its arguments or results are not plain");
}

// ------------------------------------------------------------ single nodes

// The bytes that a tensor takes in memory. Throws Error where it is incomplete.
uint64_t tensor_size(const Scope& scope, const tf::NodeDef& node, const tf::TensorProto& tensor) {
  const Kind* kind = kind_of(tensor.dtype());
  if (!kind || !is_shape(tensor.tensor_shape()))
    refuse(scope, node, "a tensor of a type or shape that etagger's graphs do not have");
  int64_t count = 1;
  for (const auto& dim : tensor.tensor_shape().dim()) {
    if (dim.size() < 0) refuse(scope, node, "a tensor of unknown shape");
    count *= dim.size();
  }
  if (tensor.tensor_shape().unknown_rank()) refuse(scope, node, "a tensor of unknown shape");
  const size_t content = tensor.tensor_content().size();
  bool whole = content ? tensor.dtype() != tf::DT_STRING &&
                             content == static_cast<uint64_t>(count * kind->bytes)
                       : kind->given(tensor) <= count;
  if (!whole) refuse(scope, node, "a tensor whose values do not fill its shape");
  return static_cast<uint64_t>(count * kind->bytes);
}

// Throws Error unless a Const has a value of its own type, whose integers are at most
// kLargestInteger in magnitude.
void check_constant(const Scope& scope, const tf::NodeDef& node) {
  auto value = node.attr().find("value"), type = node.attr().find("dtype");
  if (value == node.attr().end() || type == node.attr().end() || !value->second.has_tensor())
    refuse(scope, node, "a constant without a value");
  if (type->second.type() != value->second.tensor().dtype())
    refuse(scope, node, "a constant whose value is of another type");
  if (auto numbers = integers(value->second.tensor()))
    for (int64_t number : *numbers)
      if (number < -kLargestInteger || number > kLargestInteger)
        refuse(scope, node, "a whole number above " + std::to_string(kLargestInteger));
}

// Whether an attribute, if it counts inputs or outputs, has a possible value.
bool is_count(const tf::NodeDef& node, const std::string& name, const tf::AttrValue& value) {
  if (name == "N") return value.i() >= 1 && value.i() <= node.input_size();
  return (name != "num" && name != "num_split") || value.i() >= 0;
}

// Throws Error where the op's declaration does not allow the value of an attribute.
void check_declared(const Scope& scope, const tf::NodeDef& node) {
  const tf::OpDef* op = nullptr;
  if (!tf::OpRegistry::Global()->LookUpOpDef(node.op(), &op).ok())
    refuse(scope, node, "an op that TensorFlow does not have");
  for (const tf::OpDef::AttrDef& declared : op->attr()) {
    auto given = node.attr().find(declared.name());
    if (given != node.attr().end() && !tf::ValidateAttrValue(given->second, declared).ok())
      refuse(scope, node,
             "attribute " + declared.name() + " has a value that its op does not allow");
  }
}

// Checks a node's op, inputs and attributes. Returns the bytes of its tensors.
uint64_t check_node(const Scope& scope, const tf::NodeDef& node, const Functions& functions,
                    bool mapped) {
  if (!allowed().count(node.op()) || node.op()[0] == '_')
    refuse("node " + node.name() + ": op " +
           (is_name(node.op()) && node.op().size() < 100 ? node.op() : "?") +
           " is none that etagger's graphs have (see inference/graph_ops.txt)");
  if (node.op() == "ImmutableConst" && !mapped)
    refuse(scope, node, "reads a file, which only a memory-mapped graph does");
  for (const std::string& input : node.input())
    if (!is_input(input, !scope.name().empty()) || !scope.has(source_of(input)))
      refuse(scope, node, "one of its inputs is none of the graph's");
  uint64_t size = 0;
  for (const auto& [name, value] : node.attr()) {
    std::string_view rest = name;
    rest.remove_prefix(std::min(rest.find_first_not_of('_'), rest.size()));
    if ((name[0] == '_' && !allowed().count(name)) || !is_name(rest))
      refuse(scope, node, "an attribute that etagger's graphs do not have");
    if (value.has_func()) {
      if (!functions.count(value.func().name()) || !value.func().attr().empty())
        refuse(scope, node, "attribute " + name + " names no function of the graph");
    } else if (value.has_tensor()) {
      size += tensor_size(scope, node, value.tensor());
    } else if (!is_plain(value) || !is_count(node, name, value)) {
      refuse(scope, node, "attribute " + name + " has a value out of bounds");
    }
  }
  if (node.op() == "Const") check_constant(scope, node);
  check_declared(scope, node);
  return size;
}

// ------------------------------------------------------------ order and calls

// Throws Error where the nodes form a cycle (topological sort).
void check_order(const Scope& scope) {
  std::unordered_map<std::string_view, int> waits;
  std::unordered_map<std::string_view, std::vector<std::string_view>> readers;
  for (const tf::NodeDef* node : scope.nodes()) waits[node->name()] = 0;
  for (const tf::NodeDef* node : scope.nodes())
    for (const std::string& input : node->input())
      if (waits.count(source_of(input))) {
        readers[source_of(input)].push_back(node->name());
        ++waits[node->name()];
      }
  std::vector<std::string_view> ready;
  for (const auto& [name, count] : waits)
    if (!count) ready.push_back(name);
  for (size_t i = 0; i < ready.size(); ++i) {
    const std::string_view name = ready[i];
    for (std::string_view reader : readers[name])
      if (!--waits[reader]) ready.push_back(reader);
  }
  if (ready.size() < waits.size()) refuse("the nodes wait for each other in a circle");
}

// Throws Error where functions call each other in a cycle, too deeply or too often.
void check_calls(const Scope& main, const Scopes& scopes) {
  std::vector<const Scope*> left{&main};
  for (const auto& [name, scope] : scopes) left.push_back(&scope);
  std::unordered_map<std::string, int64_t> expanded;
  // The number of nodes of a scope and of all functions that it calls; -1 if one of these is not
  // known yet.
  auto count = [&](const Scope& scope) {
    int64_t total = static_cast<int64_t>(scope.nodes().size());
    for (const tf::NodeDef* node : scope.nodes())
      for (const auto& attribute : node->attr()) {
        if (!attribute.second.has_func()) continue;
        auto called = expanded.find(attribute.second.func().name());
        if (called == expanded.end()) return int64_t{-1};
        total = std::min(total + called->second, 2 * kLargestExpanded);
      }
    return total;
  };
  int64_t largest = 0;
  for (int round = 0; round < kDeepest && !left.empty(); ++round) {
    std::vector<const Scope*> later;
    for (const Scope* scope : left) {
      int64_t total = count(*scope);
      if (total < 0)
        later.push_back(scope);
      else
        largest = std::max(largest, expanded[scope->name()] = total);
    }
    left = later;
  }
  if (!left.empty() || largest > kLargestExpanded)
    refuse("the functions call each other in a circle, or too deep, or too often");
}

// ------------------------------------------------------------ operands

// The integers of a constant node; nothing for any other node and for an argument.
std::optional<std::vector<int64_t>> constant(const Producer& producer) {
  if (!producer.is("Const")) return std::nullopt;
  return integers(producer.node->attr().at("value").tensor());
}

// Whether an input is certainly a scalar: the counter of a loop, a constant, an element of a shape,
// or a sum or difference of such.
bool is_scalar(const Scope& scope, const std::string& input, int counter, int depth = 8) {
  Producer producer = scope.producer(input);
  if (!producer.node || !depth) return producer.argument >= 0 && producer.argument == counter;
  const tf::NodeDef& node = *producer.node;
  if (node.op() == "Const") return node.attr().at("value").tensor().tensor_shape().dim_size() == 0;
  if (node.input_size() < 2) return false;
  if (node.op() == "AddV2" || node.op() == "Sub")
    return is_scalar(scope, node.input(0), counter, depth - 1) &&
           is_scalar(scope, node.input(1), counter, depth - 1);
  if (node.op() != "StridedSlice") return false;
  auto begin = constant(scope.producer(node.input(1)));
  bool shrinks = false, plain = true;
  for (const auto& [name, value] : node.attr()) {
    if (name == "shrink_axis_mask")
      shrinks = value.i() == 1;
    else if (name.size() > 5 && name.substr(name.size() - 5) == "_mask")
      plain &= value.i() == 0;
  }
  return scope.producer(node.input(0)).is("Shape") && begin && begin->size() == 1 && shrinks &&
         plain;
}

// Whether a node that reads or writes an element of a list has a scalar as the index: anything else
// ends the process. True for all other nodes. counter: index of the argument that counts the steps
// of a loop.
void check_list_index(const Scope& scope, const tf::NodeDef& node, int counter) {
  if (node.op() != "TensorListGetItem" && node.op() != "TensorListSetItem") return;
  if (node.input_size() < 2 || !is_scalar(scope, node.input(1), counter))
    refuse(scope, node, "the place in a list is not a single number");
}

// Whether a BlockLSTM's seq_len_max is tf.shape(x)[0] of its own input x; with a larger number the
// kernel reads out of bounds, and the process ends.
bool reads_its_own_length(const Scope& scope, const tf::NodeDef& node) {
  if (node.input_size() < 2) return false;
  Producer x = scope.producer(node.input(1)), size = scope.producer(node.input(0));
  if (size.is("Cast") && size.node->input_size()) size = scope.producer(size.node->input(0));
  if (!size.is("StridedSlice") || size.node->input_size() < 2) return false;
  Producer shape = scope.producer(size.node->input(0));
  auto begin = constant(scope.producer(size.node->input(1)));
  if (!shape.is("Shape") || !begin || begin->size() != 1 || begin->front() != 0 ||
      !shape.node->input_size())
    return false;
  auto port = [](const std::string& input) {
    size_t colon = input.find(':');
    return colon == std::string::npos || colon + 1 == input.size() ? "0" : input.substr(colon + 1);
  };
  Producer own = scope.producer(shape.node->input(0));
  return (x.node || x.argument >= 0) && own.node == x.node && own.argument == x.argument &&
         port(shape.node->input(0)) == port(node.input(1));
}

// Whether a loop moves its counter towards the bound: it adds or subtracts a constant, or it
// multiplies a counter that starts at 1 or more by 2 or more.
bool moves(const Producer& step, const Scope& turn, int counter, bool upwards,
           const Producer& start) {
  if (!(step.is("AddV2") || step.is("Sub") || step.is("Mul")) || step.node->input_size() < 2)
    return false;
  Producer one = turn.producer(step.node->input(0)), other = turn.producer(step.node->input(1));
  if (!step.is("Sub") && one.argument < 0) std::swap(one, other);  // both commute
  auto numbers = constant(other);
  if (one.argument != counter || !numbers || numbers->size() != 1) return false;
  const int64_t number = (*numbers)[0];
  if (step.is("Mul")) {
    auto begin = constant(start);
    return upwards && number >= 2 && begin && !begin->empty() && (*begin)[0] >= 1;
  }
  return number != 0 && (number > 0) == (upwards == step.is("AddV2"));
}

// A loop whose condition and body are functions of the graph.
struct Loop {
  const tf::FunctionDef *cond, *body;
  const Scope *inside, *turn;  // of the two
};

std::optional<Loop> loop_of(const tf::NodeDef& node, const Functions& functions,
                            const Scopes& scopes) {
  auto function = [&](const char* name) {
    auto attribute = node.attr().find(name);
    auto found = attribute == node.attr().end() ? functions.end()
                                                : functions.find(attribute->second.func().name());
    return found == functions.end() ? nullptr : found->second;
  };
  Loop loop{function("cond"), function("body"), nullptr, nullptr};
  if (!loop.cond || !loop.body || loop.cond->signature().output_arg_size() != 1)
    return std::nullopt;
  loop.inside = &scopes.at(loop.cond->signature().name());
  loop.turn = &scopes.at(loop.body->signature().name());
  size_t given = 0;
  for (const std::string& input : node.input()) given += input[0] != '^';
  if (given != loop.inside->arguments() || given != loop.turn->arguments() ||
      given != static_cast<size_t>(loop.body->signature().output_arg_size()))
    return std::nullopt;
  return loop;
}

// The index of the argument that counts the steps of a loop; -1 where the loop may not end. The
// loop must run while the counter is below (or above) a bound, must not change the bound, and must
// move the counter towards it in each step.
int counter_of(const Scope& scope, const tf::NodeDef& node, const Loop& loop) {
  Producer test =
      loop.inside->producer(loop.cond->ret().at(loop.cond->signature().output_arg(0).name()));
  if (!(test.is("Less") || test.is("Greater")) || test.node->input_size() < 2) return -1;
  Producer counter = loop.inside->producer(test.node->input(0)),
           bound = loop.inside->producer(test.node->input(1));
  if (counter.argument < 0) return -1;
  auto result = [&](int place) {
    return loop.turn->producer(
        loop.body->ret().at(loop.body->signature().output_arg(place).name()));
  };
  bool still = bound.argument >= 0 ? result(bound.argument).argument == bound.argument
                                   : constant(bound).has_value();
  std::vector<std::string> given;
  for (const std::string& input : node.input())
    if (input[0] != '^') given.push_back(input);
  Producer start = scope.producer(given[static_cast<size_t>(counter.argument)]);
  return still && moves(result(counter.argument), *loop.turn, counter.argument, test.is("Less"),
                        start)
             ? counter.argument
             : -1;
}

// The input of an op that is a shape: the output has as many elements as the product of its
// numbers.
int size_operand(const std::string& op) {
  if (op == "Fill") return 0;
  return op == "BroadcastTo" || op == "Tile" || op == "TensorListReserve" ? 1 : -1;
}

// Throws Error where the product of the numbers is above kLargestFilled.
void check_filled(const Scope& scope, const tf::NodeDef& node) {
  const int operand = size_operand(node.op());
  if (operand < 0 || node.input_size() <= operand) return;
  auto numbers = constant(scope.producer(node.input(operand)));
  if (!numbers) return;
  int64_t count = 1;
  for (int64_t number : *numbers) {
    count *= std::max<int64_t>(number, 1);
    if (count > kLargestFilled)
      refuse(scope, node, "makes more than " + std::to_string(kLargestFilled) + " elements");
  }
}

// Throws Error where an op gets an input that its kernel should check, but does not.
void check_operands(const Scope& scope, const tf::NodeDef& node, const Functions& functions,
                    const Scopes& scopes) {
  check_filled(scope, node);
  if (node.op() == "TensorListReserve" && !scope.name().empty())
    refuse(scope, node, "makes a list within a function");
  if (node.op() == "TensorListGetItem" && scope.name().empty())
    refuse(scope, node, "reads an element of a list outside of a function");
  if ((node.op() == "Conv2D" || node.op() == "Dequantize") && !scope.name().empty())
    refuse(scope, node, "stands in a function, where shapes are not known");
  auto padding = node.attr().find("explicit_paddings");
  if (node.op() == "Conv2D" && padding != node.attr().end() && padding->second.list().i_size())
    refuse(scope, node, "pads by numbers of its own");
  auto resizes = node.attr().find("resize_if_index_out_of_bounds");
  if (node.op() == "TensorListSetItem" && resizes != node.attr().end() && resizes->second.b())
    refuse(scope, node, "may make a list of any length");
  if (scope.name().empty()) check_list_index(scope, node, -1);
  if (node.op() == "BlockLSTM" && !reads_its_own_length(scope, node))
    refuse(scope, node, "its seq_len_max is not the number of its steps");
  if (node.op() != "StatelessWhile") return;
  auto loop = loop_of(node, functions, scopes);
  const int counter = loop ? counter_of(scope, node, *loop) : -1;
  if (counter < 0) refuse(scope, node, "a loop that may not end");
  for (const Scope* inside : {loop->inside, loop->turn})
    for (const tf::NodeDef* inner : inside->nodes()) check_list_index(*inside, *inner, counter);
}

// Whether the length of a list is bounded already, by an export or a transformation.
bool is_bounded(const Scope& scope, const tf::NodeDef& node) {
  Producer size = scope.producer(node.input(1));
  if (!size.is("Minimum") || size.node->input_size() < 2) return false;
  auto numbers = constant(scope.producer(size.node->input(1)));
  return numbers && numbers->size() == 1 && numbers->front() <= kLongestList;
}

// Bounds the length of each list by kLongestList: where memory runs out, the process ends.
void bound_lists(tf::GraphDef* graph) {
  const Scope main("", graph->node(), google::protobuf::RepeatedPtrField<tf::OpDef::ArgDef>());
  std::vector<tf::NodeDef*> lists;
  for (tf::NodeDef& node : *graph->mutable_node())
    if (node.op() == "TensorListReserve" && node.input_size() > 1 && !is_bounded(main, node))
      lists.push_back(&node);
  for (tf::NodeDef* node : lists) {
    tf::NodeDef* most = graph->add_node();
    most->set_op("Const");
    most->set_name(node->name() + "/most");
    (*most->mutable_attr())["dtype"].set_type(tf::DT_INT32);
    tf::TensorProto* value = (*most->mutable_attr())["value"].mutable_tensor();
    value->set_dtype(tf::DT_INT32);
    value->mutable_tensor_shape();
    value->add_int_val(static_cast<int>(kLongestList));
    tf::NodeDef* least = graph->add_node();
    least->set_op("Minimum");
    least->set_name(node->name() + "/bounded");
    least->add_input(node->input(1));
    least->add_input(most->name());
    (*least->mutable_attr())["T"].set_type(tf::DT_INT32);
    node->set_input(1, least->name());
  }
}

void check(const tf::GraphDef& graph, uint64_t size, bool mapped) {
  const Scope main("", graph.node(), google::protobuf::RepeatedPtrField<tf::OpDef::ArgDef>());
  Functions functions;
  Scopes scopes;
  for (const tf::FunctionDef& function : graph.library().function()) {
    const std::string& name = function.signature().name();
    if (!is_name(name) || allowed().count(name) || !functions.emplace(name, &function).second)
      refuse("a function's name is not one, or stands twice, or is that of an op");
    scopes.emplace(name, Scope(name, function.node_def(), function.signature().input_arg()));
  }
  for (const auto& [name, function] : functions) check_signature(*function, scopes.at(name));
  std::vector<const Scope*> all{&main};
  for (const auto& [name, scope] : scopes) all.push_back(&scope);
  uint64_t room = 2 * size + kRoom;
  for (const Scope* scope : all) {
    for (const tf::NodeDef* node : scope->nodes()) {
      uint64_t taken = check_node(*scope, *node, functions, mapped);
      if (taken > room) refuse(*scope, *node, "the constants are far larger than the file");
      room -= taken;
    }
    check_order(*scope);
  }
  check_calls(main, scopes);
  for (const Scope* scope : all)
    for (const tf::NodeDef* node : scope->nodes()) check_operands(*scope, *node, functions, scopes);
}

// Throws Error where a constant in a region has no valid type, shape or region.
void check_region(const tf::NodeDef& node, const RegionSizes& regions) {
  auto shape = node.attr().find("shape"), type = node.attr().find("dtype"),
       name = node.attr().find("memory_region_name");
  const std::string what = "node " + node.name() + " (ImmutableConst): ";
  const auto end = node.attr().end();
  if (shape == end || type == end || name == end) refuse(what + "a constant without a value");
  const Kind* kind = kind_of(type->second.type());
  if (!kind || type->second.type() == tf::DT_STRING || !is_shape(shape->second.shape()) ||
      shape->second.shape().unknown_rank())
    refuse(what + "a tensor of a type or shape that no region holds");
  int64_t count = 1;
  for (const auto& dim : shape->second.shape().dim()) {
    if (dim.size() < 0) refuse(what + "a tensor of unknown shape");
    count *= dim.size();
  }
  auto region = regions.find(name->second.s());
  if (region == regions.end()) refuse(what + "its region is not in the file");
  if (static_cast<uint64_t>(count * kind->bytes) > region->second)
    refuse(what + "larger than its region");
}

}  // namespace

void check_graph(const tf::GraphDef& graph, const std::string& path, uint64_t size,
                 const RegionSizes* regions) {
  try {
    check(graph, size, regions != nullptr);
  } catch (const Error& error) {
    refuse_graph(path, error.what());
  }
}

void refuse_graph(const std::string& path, const std::string& what) {
  throw Error(path + ": " + what +
              "; export the model again with export.py, or give --trust where you trust whoever "
              "made the graph");
}

void check_regions(const tf::GraphDef& graph, const std::string& path, const RegionSizes& regions) {
  try {
    Readers readers(graph);
    auto look_at = [&](const auto& nodes, const std::string& scope) {
      for (const tf::NodeDef& node : nodes) {
        if (node.op() != "ImmutableConst") continue;
        check_region(node, regions);
        if (!readers.only_read(node.name(), scope))
          refuse("node " + node.name() + " (ImmutableConst): read by a node that may write to it");
      }
    };
    look_at(graph.node(), "");
    for (const tf::FunctionDef& function : graph.library().function())
      look_at(function.node_def(), function.signature().name());
  } catch (const Error& error) {
    throw Error(path + ": " + error.what() +
                "; convert the graph again with convert_graphdef_memmapped_format");
  }
}

void normalize(tf::GraphDef* graph) {
  graph->clear_versions();
  graph->mutable_versions()->set_producer(TF_GRAPH_DEF_VERSION);
  graph->clear_debug_info();
  graph->mutable_library()->clear_gradient();
  graph->mutable_library()->clear_registered_gradients();
  auto clear = [](auto* nodes) {
    for (tf::NodeDef& node : *nodes) {
      node.clear_device();
      node.clear_experimental_type();
      node.clear_experimental_debug_info();
      for (const char* name : {"_class", "_output_shapes"}) node.mutable_attr()->erase(name);
    }
  };
  clear(graph->mutable_node());
  for (tf::FunctionDef& function : *graph->mutable_library()->mutable_function()) {
    clear(function.mutable_node_def());
    for (auto* arguments : {function.mutable_signature()->mutable_input_arg(),
                            function.mutable_signature()->mutable_output_arg()})
      for (auto& argument : *arguments) argument.clear_experimental_full_type();
  }
  bound_lists(graph);
}

}  // namespace etagger
