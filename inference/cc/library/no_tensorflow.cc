// In place of tagging/backend.cc and tagging/tagger.cc where there is no TensorFlow:
// -DETAGGER_TENSORFLOW=OFF.
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

}  // namespace etagger
