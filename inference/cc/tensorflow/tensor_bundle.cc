#include "tensorflow/tensor_bundle.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <numeric>
#include <vector>

#include "base/error.h"
#include "tensorflow/graph_file.h"
#include "tensorflow/core/framework/types.h"
#include "tensorflow/core/platform/env.h"
#include "xla/tsl/lib/io/iterator.h"
#include "xla/tsl/lib/io/table.h"
#include "xla/tsl/lib/io/table_options.h"

namespace etagger {
namespace {

namespace tf = tensorflow;

// The size of a plain file in bytes. Throws Error where there is no such file.
uint64_t size_of(const std::string& path) {
  struct stat about;
  if (stat(path.c_str(), &about) || !S_ISREG(about.st_mode)) throw Error("there is no " + path);
  return static_cast<uint64_t>(about.st_size);
}

// The size of each data file in bytes.
std::vector<uint64_t> data_sizes(const std::string& prefix, int shards) {
  if (shards < 1 || shards > 10'000) throw Error("its number of data files is out of bounds");
  std::vector<uint64_t> sizes;
  for (int shard = 0; shard < shards; ++shard) {
    char ending[40];
    std::snprintf(ending, sizeof ending, ".data-%05d-of-%05d", shard, shards);
    sizes.push_back(size_of(prefix + ending));
  }
  return sizes;
}

// Checks a variable's shape and the place of its values. Returns their size in bytes.
uint64_t check_entry(const tf::BundleEntryProto& entry, const std::vector<uint64_t>& sizes,
                     uint64_t total) {
  const bool is_string = entry.dtype() == tf::DT_STRING;
  const uint64_t width =
      is_string ? 1 : static_cast<uint64_t>(std::max(tf::DataTypeSize(entry.dtype()), 0));
  if (!width) throw Error("a variable of type " + std::to_string(entry.dtype()));
  uint64_t count = 1, whole = width;
  bool good = !entry.shape().unknown_rank() && entry.shape().dim_size() <= 8;
  for (const auto& dim : entry.shape().dim()) {
    good = good && dim.size() >= 0;
    if (!good) break;
    whole *= static_cast<uint64_t>(dim.size());
    const auto size = static_cast<uint64_t>(std::max<int64_t>(dim.size(), 1));
    good = size <= (total / width + 1) / count;
    count *= good ? size : 1;
  }
  if (!good) throw Error("a variable of a shape that the data files do not have");
  if (entry.slices_size()) return 0;  // its values stand in other entries
  const auto shard = static_cast<size_t>(entry.shard_id());
  const auto begin = static_cast<uint64_t>(entry.offset()),
             size = static_cast<uint64_t>(entry.size());
  if (entry.shard_id() < 0 || shard >= sizes.size() || entry.offset() < 0 || entry.size() < 0 ||
      begin > sizes[shard] || size > sizes[shard] - begin ||
      (is_string ? size < whole : size != whole))
    throw Error("a variable that is not where the data file has it, or truncated");
  return size;
}

// Calls `use` with the key and the value of each entry of a table.
template <class Use>
void for_each_entry(const std::string& path, Use use) {
  std::unique_ptr<tf::RandomAccessFile> file;
  check(tf::Env::Default()->NewRandomAccessFile(path, &file), "it cannot be read");
  tsl::table::Table* opened = nullptr;
  check(tsl::table::Table::Open(tsl::table::Options(), file.get(), size_of(path), &opened),
        "its table");
  std::unique_ptr<tsl::table::Table> table(opened);
  std::unique_ptr<tsl::table::Iterator> entries(table->NewIterator());
  for (entries->SeekToFirst(); entries->Valid(); entries->Next())
    use(std::string(entries->key()), std::string(entries->value()));
  check(entries->status(), "its table");
}

}  // namespace

Checkpoint read_index(const std::string& prefix) {
  const std::string path = prefix + ".index";
  Checkpoint checkpoint{prefix, {}};
  try {
    std::vector<uint64_t> sizes;
    uint64_t total = 0, taken = 0;
    for_each_entry(path, [&](const std::string& key, const std::string& value) {
      tf::BundleHeaderProto header;
      tf::BundleEntryProto entry;
      if (!(key.empty() ? header.ParseFromString(value) : entry.ParseFromString(value)))
        throw Error("an entry that is none");
      if (key.empty()) {  // the header, which is the first entry
        sizes = data_sizes(prefix, header.num_shards());
        total = std::accumulate(sizes.begin(), sizes.end(), uint64_t{0});
        return;
      }
      taken += check_entry(entry, sizes, total);
      // A key that begins with a byte 0 is a slice of a variable; the variable's own entry has the
      // whole shape.
      if (key[0]) checkpoint.entries[key] = entry;
    });
    if (taken > total) throw Error("the variables are larger than the data files");
  } catch (const Error& error) {
    throw Error(path + ": not as a TensorFlow checkpoint has it, or damaged (" + error.what() +
                "); get it again");
  }
  return checkpoint;
}

}  // namespace etagger
