#include "tagging/backend.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/files.h"

namespace etagger {
namespace {

// Standard error goes nowhere while it lives: TensorFlow writes lines while it is loaded that no
// setting of 2.21 silences.
class NoStandardError {
 public:
  NoStandardError() : saved_(fcntl(2, F_DUPFD_CLOEXEC, 3)) {
    int nowhere = open_file("/dev/null", O_WRONLY);
    dup2(nowhere, 2);
    close(nowhere);
  }
  ~NoStandardError() {
    if (saved_ < 0) {
      close(2);  // as it was
      return;
    }
    dup2(saved_, 2);
    close(saved_);
  }

 private:
  int saved_;
};

// Opens libetagger_tf.so: where the linker looks, or beside the command or library that this code
// is part of (a sanitizer's dlopen does not look there by itself).
void* open_library() {
  void* library = dlopen("libetagger_tf.so", RTLD_NOW | RTLD_LOCAL);
  Dl_info about;
  if (library || !dladdr(reinterpret_cast<void*>(&open_library), &about) || !about.dli_fname)
    return library;
  std::string path = about.dli_fname;
  return dlopen((path.substr(0, path.rfind('/') + 1) + "libetagger_tf.so").c_str(),
                RTLD_NOW | RTLD_LOCAL);
}

bool is_log_wanted() {
  const char* level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
  return level && std::string(level) == "0";
}

struct Loaded {
  const Backend* backend;
  pid_t process;  // the one that loaded it
};

Loaded load() {
  const bool is_silent = !is_log_wanted();
  std::unique_ptr<NoStandardError> quiet(is_silent ? new NoStandardError : nullptr);
  void* library = open_library();
  void* symbol = library ? dlsym(library, "etagger_tf_backend") : nullptr;
  if (!symbol)
    throw Error(std::string(dlerror()) +
                "; build it with cmake --build, or check where TensorFlow is installed");
  auto* backend = static_cast<const Backend*>(symbol);
  if (is_silent) backend->silence();
  return {backend, getpid()};
}

const Backend& backend() {
  static const Loaded loaded = load();  // once in a process
  check_not_fork_of(loaded.process);
  return *loaded.backend;
}

}  // namespace

std::unique_ptr<Graph> open_graph(const std::string& path, GraphFile kind, int threads,
                                  bool trust) {
  return backend().open(path, kind, threads, trust);
}

std::vector<float> run_once(const std::string& path, const std::string& input,
                            const std::vector<int64_t>& shape, const std::vector<float>& values,
                            const std::string& output, size_t size, bool trust) {
  return backend().once(path, input, shape, values, output, size, trust);
}

std::vector<std::string> transform_graph(const std::string& in_graph, const std::string& inputs,
                                         const std::string& outputs, const std::string& transforms,
                                         const std::string& to, bool trust) {
  return backend().transform(in_graph, inputs, outputs, transforms, to, trust);
}

std::string convert_to_memory_mapped(const std::string& in_graph, const std::string& checkpoint,
                                     int smallest, const std::string& to, bool trust) {
  return backend().convert(in_graph, checkpoint, smallest, to, trust);
}

bool is_fork_of(pid_t loader) {
  return loader != getpid();
}

void check_not_fork_of(pid_t loader) {
  if (is_fork_of(loader))
    throw Error(
        "TensorFlow was loaded before this process was forked, and does not go on in it; "
        "start processes with spawn or forkserver, or open the model in each of them");
}

}  // namespace etagger
