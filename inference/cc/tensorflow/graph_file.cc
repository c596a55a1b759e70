#include "tensorflow/graph_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "tensorflow/graph_check.h"
#include "tensorflow/core/framework/allocator.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/util/memmapped_file_system.pb.h"

namespace etagger {

void check(const absl::Status& status, const std::string& what) {
  if (status.ok()) return;
  std::string reason(
      status.message().substr(0, 300));  // of several lines, with names of the graph's
  for (char& c : reason)
    if (static_cast<unsigned char>(c) < ' ' || c == 127) c = ' ';
  throw Error(what + ": " + reason);
}

namespace {

namespace tf = tensorflow;

uint64_t size_of(const std::string& path) {
  struct stat about;
  return stat(path.c_str(), &about) ? 0 : static_cast<uint64_t>(about.st_size);
}

// Reads bytes of a file from `offset` on. Throws Error where the file is too short.
std::string bytes_of(const std::string& path, uint64_t offset, uint64_t size) {
  std::ifstream stream(path, std::ios::binary);
  std::string bytes(size, '\0');
  stream.seekg(static_cast<std::streamoff>(offset));
  if (!stream.read(bytes.data(), static_cast<std::streamsize>(size))) throw Error("truncated");
  return bytes;
}

// The directory of a memory-mapped file. It stands at the end, and the last 8 bytes of the file are
// its offset. Throws Error where a region is not within the file, or is not aligned for a tensor.
RegionSizes read_directory(const std::string& path) {
  const uint64_t size = size_of(path);
  if (size < 8) throw Error("truncated");
  uint64_t begin = 0;
  for (unsigned char byte : bytes_of(path, size - 8, 8)) begin = begin >> 8 | uint64_t{byte} << 56;
  tf::MemmappedFileSystemDirectory directory;
  if (begin > size - 8 || !directory.ParseFromString(bytes_of(path, begin, size - 8 - begin)))
    throw Error("it has no directory");
  RegionSizes regions;
  for (const auto& region : directory.element()) {
    const bool is_graph =
        region.name() == tf::MemmappedFileSystem::kMemmappedPackageDefaultGraphDef;
    if (region.offset() > begin || region.length() > begin - region.offset() ||
        (!is_graph && region.offset() % tf::Allocator::kAllocatorAlignment) ||
        !regions.emplace(region.name(), region.length()).second)
      throw Error("a region that the file does not have");
  }
  return regions;
}

}  // namespace

tensorflow::GraphDef read_mapped(const std::string& path, bool trust, tf::MemmappedEnv* env) {
  check_plain_file(path);
  RegionSizes regions;
  tf::GraphDef graph;
  try {
    regions = read_directory(path);
    check(env->InitializeFromFile(path), "its directory");
    check(
        tf::ReadBinaryProto(env, tf::MemmappedFileSystem::kMemmappedPackageDefaultGraphDef, &graph),
        "its graph");
  } catch (const Error& error) {
    throw Error(path + ": not a memory-mapped graph, or truncated (" + error.what() +
                "); expected what convert_graphdef_memmapped_format writes");
  }
  if (!trust) {
    check_graph(graph, path, size_of(path), &regions);
    normalize(&graph);
  }
  check_regions(graph, path, regions);
  if (!trust) check_shapes(graph, path, size_of(path));
  return graph;
}

tensorflow::GraphDef read_graph(const std::string& path, bool trust) {
  check_plain_file(path);
  tensorflow::GraphDef graph;
  if (!tensorflow::ReadBinaryProto(tensorflow::Env::Default(), path, &graph).ok() ||
      graph.node().empty())
    throw Error(path +
                ": not a graph, or truncated; expected what freeze.py writes (a .memmapped file is "
                "for inference_mm)");
  if (!trust) {
    check_graph(graph, path, size_of(path));
    normalize(&graph);
    check_shapes(graph, path, size_of(path));
  }
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
