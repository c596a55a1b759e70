#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/error.h"
#include "absl/log/globals.h"
#include "tagging/backend.h"
#include "tensorflow/graph_file.h"
#include "tensorflow/core/framework/graph.pb.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/framework/tensor.pb.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/public/session.h"
#include "tensorflow/core/util/memmapped_file_system.h"

namespace etagger {
namespace {

namespace tf = tensorflow;

// ------------------------------------------------------------ a mapping that processes share

class SharedRegion : public tf::ReadOnlyMemoryRegion {
 public:
  SharedRegion(void* data, uint64_t size) : data_(data), size_(size) {}
  ~SharedRegion() override { munmap(data_, size_); }
  const void* data() override { return data_; }
  uint64_t length() override { return size_; }

 private:
  void* data_;
  uint64_t size_;
};

// The real file system, except that it maps files with MAP_SHARED; TensorFlow's uses MAP_PRIVATE.
class SharingFileSystem : public tsl::WrappedFileSystem {
 public:
  explicit SharingFileSystem(tf::FileSystem* real) : WrappedFileSystem(real, nullptr) {}

  absl::Status NewReadOnlyMemoryRegionFromFile(
      const std::string& path, tf::TransactionToken*,
      std::unique_ptr<tf::ReadOnlyMemoryRegion>* result) override {
    int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (file < 0 || fstat(file, &about)) {
      int reason = errno;
      if (file >= 0) ::close(file);
      return absl::NotFoundError(std::strerror(reason));
    }
    size_t size = static_cast<size_t>(about.st_size);
    void* data = size ? mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0) : MAP_FAILED;
    ::close(file);
    if (data == MAP_FAILED) return absl::InvalidArgumentError("it cannot be mapped into memory");
    *result = std::make_unique<SharedRegion>(data, size);
    return absl::OkStatus();
  }
};

class SharingEnv : public tf::EnvWrapper {
 public:
  SharingEnv() : EnvWrapper(tf::Env::Default()) {
    tf::FileSystem* real = nullptr;
    check(target()->GetFileSystemForFile("/", &real), "the file system");
    files_ = std::make_unique<SharingFileSystem>(real);
  }

  absl::Status GetFileSystemForFile(const std::string&, tf::FileSystem** result) override {
    *result = files_.get();
    return absl::OkStatus();
  }

 private:
  std::unique_ptr<SharingFileSystem> files_;
};

// ------------------------------------------------------------ sessions

// A batch never takes so long, but a loop in a stranger's graph may.
constexpr int64_t kLongestRun = 600'000;  // milliseconds

// Session options without TensorFlow's rewriting of graphs (Grappler). It does not check constants,
// copies mapped ones to the heap, and does not make etagger's graphs faster.
tf::SessionOptions session_options(int threads, bool trust) {
  tf::SessionOptions options;
  if (threads <= 0) threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  options.config.set_intra_op_parallelism_threads(threads);
  options.config.set_inter_op_parallelism_threads(threads);
  if (!trust) options.config.set_operation_timeout_in_ms(kLongestRun);
  auto* graph_options = options.config.mutable_graph_options();
  graph_options->mutable_optimizer_options()->set_opt_level(tf::OptimizerOptions::L0);
  graph_options->mutable_rewrite_options()->set_disable_meta_optimizer(true);
  return options;
}

// The value of a scalar string constant, or "".
std::string string_in(const tf::NodeDef& node) {
  auto value = node.attr().find("value");
  return value != node.attr().end() && value->second.tensor().string_val_size() == 1
             ? value->second.tensor().string_val(0)
             : "";
}

// ------------------------------------------------------------ placeholders

// The shape that a placeholder declares.
tf::PartialTensorShape shape_of(const tf::NodeDef& placeholder, const std::string& path) {
  tf::PartialTensorShape shape;
  auto declared = placeholder.attr().find("shape");
  if (declared != placeholder.attr().end())
    check(tf::PartialTensorShape::BuildPartialTensorShape(declared->second.shape(), &shape), path);
  return shape;
}

// Throws Error if an input's shape is not the one that its placeholder declares. TensorFlow does
// not check this, and the ranks that graph_check.h checks depend on it.
void check_fits(const tf::Tensor& fed, const std::string& placeholder,
                const tf::PartialTensorShape& shape, const std::string& path) {
  if (!shape.IsCompatibleWith(fed.shape()))
    throw Error(path + ": its placeholder " + placeholder + " has the shape " +
                shape.DebugString() + ", which is not what etagger feeds; export it again");
}

// ------------------------------------------------------------ the graph

class TensorFlowGraph : public Graph {
 public:
  TensorFlowGraph(const std::string& path, GraphFile kind, int threads, bool trust)
      : path_(path), mapped_(&sharing_) {
    tf::GraphDef graph = kind == GraphFile::kMemoryMapped ? read_mapped(path, trust, &mapped_)
                                                          : read_graph(path, trust);
    look_at(graph);
    tf::SessionOptions options = session_options(threads, trust);
    if (kind == GraphFile::kMemoryMapped) options.env = &mapped_;
    tf::Session* session = nullptr;
    check(tf::NewSession(options, &session), path);
    session_.reset(session);
    check(session_->Create(std::move(graph)), path);
    tf::CallableOptions call;
    for (const std::string& name : placeholders_) call.add_feed(name + ":0");
    call.add_fetch("logits_indices:0");
    check(session_->MakeCallable(call, &callable_), path);
  }

  ~TensorFlowGraph() override {
    if (session_) session_->Close().IgnoreError();
  }

  std::string model_config() const override { return model_config_; }

  std::vector<int32_t> run(const std::vector<Input>& inputs) const override {
    std::vector<tf::Tensor> feeds, fetched;
    for (size_t i = 0; i < placeholders_.size(); ++i)
      feeds.push_back(feed(placeholders_[i], shapes_[i], inputs));
    check(session_->RunCallable(callable_, feeds, &fetched, nullptr), path_);
    if (fetched.at(0).dtype() != tf::DT_INT32 || fetched.at(0).dims() != 2)
      throw Error(path_ +
                  ": logits_indices is not int32 (batch, sentence); export it with export.py");
    auto ids = fetched.at(0).flat<int32_t>();
    return std::vector<int32_t>(ids.data(), ids.data() + ids.size());
  }

 private:
  // Notes placeholders and model_config, and refuses what cannot be run alone.
  void look_at(const tf::GraphDef& graph) {
    bool decodes = false;
    for (const tf::NodeDef& node : graph.node()) {
      if (node.op() == "VarHandleOp" || node.op() == "VariableV2")
        throw Error(path_ + ": not frozen, it has variables such as " + node.name() +
                    "; freeze it with freeze.py");
      if (node.op() == "Placeholder") add_placeholder(node);
      if (node.name() == "model_config" && node.op() == "Const") model_config_ = string_in(node);
      decodes |= node.name() == "logits_indices";
    }
    if (model_config_.empty() || !decodes)
      throw Error(path_ +
                  ": no etagger model: model_config or logits_indices is missing; export it with "
                  "export.py");
  }

  void add_placeholder(const tf::NodeDef& node) {
    auto type = node.attr().find("dtype");
    if (type == node.attr().end() || type->second.type() != tf::DT_INT32)
      throw Error(path_ + ": its placeholder " + node.name() +
                  " is not int32; export it with export.py");
    placeholders_.push_back(node.name());
    shapes_.push_back(shape_of(node, path_));
  }

  tf::Tensor feed(const std::string& name, const tf::PartialTensorShape& shape,
                  const std::vector<Input>& inputs) const {
    auto input = std::find_if(inputs.begin(), inputs.end(),
                              [&](const Input& fed) { return fed.name == name; });
    if (input == inputs.end())
      throw Error(path_ + ": its placeholder " + name +
                  " is none that etagger feeds; export it with export.py");
    tf::Tensor tensor(tf::DT_INT32, tf::TensorShape(input->shape));
    check_fits(tensor, name, shape, path_);
    std::copy(input->values.begin(), input->values.end(), tensor.flat<int32_t>().data());
    return tensor;
  }

  std::string path_;
  SharingEnv sharing_;
  tf::MemmappedEnv mapped_;
  std::unique_ptr<tf::Session> session_;  // destroyed before the environment with its weights
  tf::Session::CallableHandle callable_;
  std::vector<std::string> placeholders_;
  std::vector<tf::PartialTensorShape> shapes_;  // of the placeholders
  std::string model_config_;
};

}  // namespace

std::unique_ptr<Graph> open_graph(const std::string& path, GraphFile kind, int threads,
                                  bool trust) {
  return std::make_unique<TensorFlowGraph>(path, kind, threads, trust);
}

std::vector<float> run_once(const std::string& path, const std::string& input,
                            const std::vector<int64_t>& shape, const std::vector<float>& values,
                            const std::string& output, size_t size, bool trust) {
  tf::GraphDef graph = read_graph(path, trust);
  tf::Tensor tensor(tf::DT_FLOAT, tf::TensorShape(shape));
  auto fed = std::find_if(graph.node().begin(), graph.node().end(), [&](const tf::NodeDef& node) {
    return node.name() == input && node.op() == "Placeholder";
  });
  if (fed == graph.node().end())
    throw Error(path + ": its placeholder " + input + " is missing; freeze it again");
  check_fits(tensor, input, shape_of(*fed, path), path);
  tf::SessionOptions options = session_options(0, trust);
  std::unique_ptr<tf::Session> session(tf::NewSession(options));
  check(session->Create(graph), path);
  std::copy(values.begin(), values.end(), tensor.flat<float>().data());
  std::vector<tf::Tensor> fetched;
  check(session->Run({{input, tensor}}, {output}, {}, &fetched), path);
  if (fetched.at(0).dtype() != tf::DT_FLOAT ||
      static_cast<size_t>(fetched.at(0).NumElements()) != size)
    throw Error(path + ": " + output + " is not " + std::to_string(size) +
                " floats; freeze it again");
  auto flat = fetched.at(0).flat<float>();
  return std::vector<float>(flat.data(), flat.data() + flat.size());
}

}  // namespace etagger

extern "C" __attribute__((visibility("default"))) const etagger::Backend etagger_tf_backend = {
    etagger::open_graph, etagger::run_once, etagger::transform_graph,
    etagger::convert_to_memory_mapped,
    [] { absl::SetMinLogLevel(absl::LogSeverityAtLeast::kFatal); }};
