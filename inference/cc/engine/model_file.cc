#include "model_file.h"

#include <array>
#include <cstring>

#include "error.h"
#include "hash.h"

namespace etagger {
namespace {

constexpr char kMagic[8] = {'e', 't', 'a', 'g', 'g', 'e', 'r', '\0'};
constexpr uint32_t kVersion = 1;
constexpr size_t kAlignment = 64;

struct Prelude {
  char magic[8];
  uint32_t version, flags;
  uint64_t size, header, header_bytes, table, sections;
  uint32_t crc, unused;
};
static_assert(sizeof(Prelude) == 64);

constexpr size_t kChecked = 56;      // bytes of the prelude that its checksum covers

// Tables for eight bytes at a time.
constexpr auto kCrc = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    tables[0][i] = crc;
  }
  for (size_t t = 1; t < 8; ++t)
    for (size_t i = 0; i < 256; ++i) tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 255];
  return tables;
}();

constexpr size_t kTypeSize[] = {1, 4, 4, 8, 4};

}  // namespace

uint32_t crc32(std::string_view data, uint32_t before) {
  uint32_t crc = ~before;
  const char* at = data.data();
  size_t left = data.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t eight;
    std::memcpy(&eight, at, 8);
    eight ^= crc;
    crc = 0;
    for (size_t t = 0; t < 8; ++t) crc ^= kCrc[7 - t][eight >> (8 * t) & 255];
  }
  for (; left; ++at, --left) crc = crc >> 8 ^ kCrc[0][(crc ^ static_cast<unsigned char>(*at)) & 255];
  return ~crc;
}

ModelFile::ModelFile(const std::string& path) : path_(path), file_(path) {
  std::string_view all = file_.text();
  Prelude prelude;
  if (all.size() < sizeof prelude) fail("truncated");
  std::memcpy(&prelude, all.data(), sizeof prelude);
  if (std::memcmp(prelude.magic, kMagic, sizeof kMagic)) fail("not an .etagger file");
  if (prelude.version != kVersion)
    fail("format version " + std::to_string(prelude.version) + ", this engine reads " + std::to_string(kVersion));
  if (prelude.size != all.size()) fail(std::to_string(all.size()) + " bytes, expected " + std::to_string(prelude.size) + ": truncated, or added to");
  bool inside = prelude.header == sizeof prelude && prelude.header_bytes <= all.size() && prelude.table % kAlignment == 0 &&
                prelude.table >= prelude.header + prelude.header_bytes && prelude.table <= all.size() &&
                prelude.sections <= (all.size() - prelude.table) / sizeof(Entry);
  if (!inside) fail("its header lies outside of it");
  front_ = prelude.table + prelude.sections * sizeof(Entry);
  if (crc32(all.substr(sizeof prelude, front_ - sizeof prelude), crc32(all.substr(0, kChecked))) != prelude.crc) fail("its header is damaged");
  header_ = all.substr(prelude.header, prelude.header_bytes);
  table_ = {reinterpret_cast<const Entry*>(all.data() + prelude.table), prelude.sections};
  for (size_t i = 0; i < table_.size; ++i) check_entry(table_[i]);
}

void ModelFile::check_entry(const Entry& entry) const {
  uint64_t size = file_.text().size();
  bool sound = entry.name[sizeof entry.name - 1] == '\0' && entry.type < kTypes && entry.rank >= 1 && entry.rank <= 4 &&
               entry.offset % kAlignment == 0 && entry.offset >= front_ && entry.offset <= size && entry.bytes <= size - entry.offset;
  uint64_t count = 1;
  for (size_t i = 0; sound && i < 4; ++i) {
    sound = (i < entry.rank || entry.dims[i] == 1) && (entry.dims[i] == 0 || count <= size / entry.dims[i]);
    count *= entry.dims[i];
  }
  if (!sound || count * kTypeSize[entry.type] != entry.bytes) fail("a section lies outside of it, or has another size than it says");
}

void ModelFile::verify() const {
  std::string_view all = file_.text();
  std::vector<std::pair<uint64_t, uint64_t>> taken = {{0, front_}};
  for (size_t i = 0; i < table_.size; ++i) {
    const Entry& entry = table_[i];
    if (crc32(all.substr(entry.offset, entry.bytes)) != entry.crc) fail(std::string("section ") + entry.name + " is damaged");
    if (entry.offset < taken.back().second) fail("its sections are not in order");
    taken.emplace_back(entry.offset, entry.offset + entry.bytes);
  }
  taken.emplace_back(all.size(), all.size());
  for (size_t i = 1; i < taken.size(); ++i)
    for (uint64_t at = taken[i - 1].second; at < taken[i].first; ++at)
      if (all[at]) fail("a byte between its sections is damaged");
}

const ModelFile::Entry* ModelFile::find(std::string_view name) const {
  for (size_t i = 0; i < table_.size; ++i)
    if (name == table_[i].name) return &table_[i];
  return nullptr;
}

const ModelFile::Entry& ModelFile::need(std::string_view name, Type type, size_t rank) const {
  const Entry* entry = find(name);
  if (!entry) fail("section " + std::string(name) + " is missing");
  if (entry->type != type || entry->rank != rank) fail("section " + std::string(name) + " is of another type or rank");
  return *entry;
}

Span<float> ModelFile::floats(std::string_view name, std::vector<int64_t>* dims) const {
  const Entry& entry = need(name, kFloat32, dims->size());
  for (size_t i = 0; i < dims->size(); ++i) {
    if ((*dims)[i] >= 0 && static_cast<uint64_t>((*dims)[i]) != entry.dims[i]) fail("section " + std::string(name) + " has other dimensions than the model");
    (*dims)[i] = static_cast<int64_t>(entry.dims[i]);
  }
  return {reinterpret_cast<const float*>(file_.text().data() + entry.offset), entry.bytes / 4};
}

Span<uint32_t> ModelFile::words(std::string_view name) const {
  const Entry& entry = need(name, kUint32, 1);
  return {reinterpret_cast<const uint32_t*>(file_.text().data() + entry.offset), entry.bytes / 4};
}

Span<uint64_t> ModelFile::longs(std::string_view name) const {
  const Entry& entry = need(name, kUint64, 1);
  return {reinterpret_cast<const uint64_t*>(file_.text().data() + entry.offset), entry.bytes / 8};
}

std::string_view ModelFile::bytes(std::string_view name) const {
  const Entry& entry = need(name, kUint8, 1);
  return file_.text().substr(entry.offset, entry.bytes);
}

void ModelFile::fail(const std::string& what) const {
  throw Error(path_ + ": " + what + "; make it again with export.py --engine");
}

TokenIndex::TokenIndex(const ModelFile& file, const std::string& name)
    : text_(file.bytes(name + ".text")), offsets_(file.longs(name + ".offsets")), table_(file.words(name + ".table")) {
  if (offsets_.size < 2 || table_.size == 0 || (table_.size & (table_.size - 1)))
    throw Error(file.path() + ": the index of " + name + " is damaged; make it again with export.py --engine");
}

// The entries are checked here, at use: opening does not read them all.
std::string_view TokenIndex::token(size_t id) const {
  uint64_t begin = offsets_[id], end = offsets_[id + 1];
  return begin <= end && end <= text_.size() ? text_.substr(begin, end - begin) : std::string_view();
}

int TokenIndex::find(std::string_view token) const {
  const uint32_t mask = static_cast<uint32_t>(table_.size - 1);
  uint32_t slot = token_hash(token) & mask;
  for (size_t probes = 0; probes < table_.size; ++probes, slot = (slot + 1) & mask) {
    uint32_t id = table_[slot];
    if (id == 0) return -1;
    if (id <= size() && this->token(id - 1) == token) return static_cast<int>(id - 1);
  }
  return -1;
}

}  // namespace etagger
