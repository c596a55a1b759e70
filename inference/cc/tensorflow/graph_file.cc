#include "graph_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>

#include "error.h"
#include "tensorflow/core/platform/env.h"

namespace etagger {

void check(const absl::Status& status, const std::string& what) {
  if (!status.ok()) throw Error(what + ": " + std::string(status.message().substr(0, 300)));
}

tensorflow::GraphDef read_graph(const std::string& path) {
  check_plain_file(path);
  tensorflow::GraphDef graph;
  if (!tensorflow::ReadBinaryProto(tensorflow::Env::Default(), path, &graph).ok() ||
      graph.node().empty())
    throw Error(path +
                ": not a graph, or truncated; expected what freeze.py writes (a .memmapped file is "
                "for inference_mm)");
  return graph;
}

void check_plain_file(const std::string& path) {
  struct stat about;
  if (stat(path.c_str(), &about) || access(path.c_str(), R_OK))
    throw Error(path + ": " +
                (errno == ENOENT ? "no such file; check the path" : std::strerror(errno)));
  if (!S_ISREG(about.st_mode)) throw Error(path + ": not a plain file; check the path");
}

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names;
  std::istringstream stream(text);
  for (std::string name; std::getline(stream, name, ',');)
    if (!name.empty()) names.push_back(name);
  return names;
}

}  // namespace etagger
