// In the place of backend.cc and tagger.cc where there is no TensorFlow: -DETAGGER_TENSORFLOW=OFF.
#include "tagging/backend.h"
#include "base/error.h"
#include "tagging/tagger.h"

namespace etagger {
namespace {

[[noreturn]] void refuse(const std::string& path) {
  throw Error(path +
              ": this build of etagger has no TensorFlow route; give an .etagger file, which "
              "export.py --engine writes");
}

}  // namespace

std::unique_ptr<Tagger> open_graph_tagger(const std::string& graph_path, GraphFile,
                                          const std::string&, int, bool) {
  refuse(graph_path);
}

std::unique_ptr<Tagger> open_folder_tagger(const std::string& folder, bool) {
  refuse(folder);
}

void silence_tensorflow() {}

}  // namespace etagger
