#include "engine/model_file.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "base/crc32.h"
#include "base/hash.h"

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

constexpr size_t kChecked = 56;  // bytes of the prelude that its checksum covers

constexpr size_t kTypeSize[] = {1, 4, 4, 8, 4};

// The most that a file may ask for, far above what export.py writes; a hostile one would ask for
// more. The header is parsed as a whole, and the table is searched from its beginning.
constexpr size_t kMostHeader = 1 << 20, kMostSections = 4096;
// The bits of a hash table's entry that hold id + 1, or 0 where the slot is free. Those above them
// are bits of the token's hash.
constexpr uint32_t kIdMask = (1 << 24) - 1;
// Slots that a look-up visits at most; export.py puts no token farther from its place.
constexpr size_t kMostProbes = 256;

size_t aligned(size_t at) {
  return (at + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

ModelFile::ModelFile(const std::string& path)
    : path_(path), mapped_(std::make_unique<MappedFile>(path)), all_(mapped_->text()) {
  open();
}

ModelFile::ModelFile(const std::string& name, std::string_view bytes) : path_(name), all_(bytes) {
  open();
}

void ModelFile::open() {
  Prelude prelude;
  if (all_.size() < sizeof prelude) fail("truncated");
  std::memcpy(&prelude, all_.data(), sizeof prelude);
  if (std::memcmp(prelude.magic, kMagic, sizeof kMagic)) fail("not an .etagger file");
  if (prelude.version != kVersion || prelude.flags)
    fail("format version " + std::to_string(prelude.version) + "." + std::to_string(prelude.flags) +
         ", this engine reads " + std::to_string(kVersion) + ".0");
  if (prelude.size != all_.size())
    fail(std::to_string(all_.size()) + " bytes, expected " + std::to_string(prelude.size) +
         ": truncated, or added to");
  bool inside =
      prelude.header == sizeof prelude &&
      prelude.header_bytes <= std::min(all_.size(), kMostHeader) &&
      prelude.table == aligned(prelude.header + prelude.header_bytes) &&
      prelude.table <= all_.size() &&
      prelude.sections <= std::min((all_.size() - prelude.table) / sizeof(Entry), kMostSections);
  if (!inside) fail("its header lies outside of it, or is too large");
  front_ = prelude.table + prelude.sections * sizeof(Entry);
  if (prelude.unused || crc32(all_.substr(sizeof prelude, front_ - sizeof prelude),
                              crc32(all_.substr(0, kChecked))) != prelude.crc)
    fail("its header is damaged");
  crc_ = prelude.crc;
  header_ = all_.substr(prelude.header, prelude.header_bytes);
  table_ = {reinterpret_cast<const Entry*>(all_.data() + prelude.table), prelude.sections};
  uint64_t end = front_;
  for (size_t i = 0; i < table_.size; ++i) {
    check_entry(table_[i]);
    if (table_[i].offset < end || find(table_[i].name) != &table_[i])
      fail("two of its sections overlap, or have one name");
    end = table_[i].offset + table_[i].bytes;
  }
}

void ModelFile::check_entry(const Entry& entry) const {
  uint64_t size = all_.size();
  bool sound = entry.name[sizeof entry.name - 1] == '\0' && entry.type < kTypes &&
               entry.rank >= 1 && entry.rank <= 4 && entry.offset % kAlignment == 0 &&
               entry.offset <= size && entry.bytes <= size - entry.offset;
  uint64_t count = 1;
  for (size_t i = 0; sound && i < 4; ++i) {
    sound =
        i < entry.rank ? entry.dims[i] >= 1 && entry.dims[i] <= size / count : entry.dims[i] == 1;
    count *= entry.dims[i];
  }
  if (!sound || count * kTypeSize[entry.type] != entry.bytes)
    fail("a section lies outside of it, or has another size than it says");
}

std::string ModelFile::fingerprint() const {
  char text[40];
  std::snprintf(text, sizeof text, "%zu-%08x", all_.size(), crc_);
  return text;
}

void ModelFile::verify() const {
  uint64_t end = front_;
  auto check_gap = [&](uint64_t next) {
    if (all_.substr(end, next - end).find_first_not_of('\0') != std::string_view::npos)
      fail("a byte between its sections is damaged");
  };
  for (size_t i = 0; i < table_.size; ++i) {
    const Entry& entry = table_[i];
    check_gap(entry.offset);
    if (crc32(all_.substr(entry.offset, entry.bytes)) != entry.crc)
      fail(std::string("section ") + entry.name + " is damaged");
    end = entry.offset + entry.bytes;
  }
  check_gap(all_.size());
}

const ModelFile::Entry* ModelFile::find(std::string_view name) const {
  for (size_t i = 0; i < table_.size; ++i)
    if (name == table_[i].name) return &table_[i];
  return nullptr;
}

const ModelFile::Entry& ModelFile::need(std::string_view name, Type type, size_t rank) const {
  const Entry* entry = find(name);
  if (!entry) fail("section " + std::string(name) + " is missing");
  if (entry->type != type || entry->rank != rank)
    fail("section " + std::string(name) + " is of another type or rank");
  return *entry;
}

Span<float> ModelFile::floats(std::string_view name, std::vector<int64_t>* dims) const {
  const Entry& entry = need(name, kFloat32, dims->size());
  for (size_t i = 0; i < dims->size(); ++i) {
    if ((*dims)[i] >= 0 && static_cast<uint64_t>((*dims)[i]) != entry.dims[i])
      fail("section " + std::string(name) + " has other dimensions than the model");
    (*dims)[i] = static_cast<int64_t>(entry.dims[i]);
  }
  return {reinterpret_cast<const float*>(all_.data() + entry.offset), entry.bytes / 4};
}

Span<uint32_t> ModelFile::words(std::string_view name) const {
  const Entry& entry = need(name, kUint32, 1);
  return {reinterpret_cast<const uint32_t*>(all_.data() + entry.offset), entry.bytes / 4};
}

Span<uint64_t> ModelFile::longs(std::string_view name) const {
  const Entry& entry = need(name, kUint64, 1);
  return {reinterpret_cast<const uint64_t*>(all_.data() + entry.offset), entry.bytes / 8};
}

std::string_view ModelFile::bytes(std::string_view name) const {
  const Entry& entry = need(name, kUint8, 1);
  return all_.substr(entry.offset, entry.bytes);
}

void ModelFile::fail(const std::string& what) const {
  throw Error(path_ + ": " + what + "; make it again with export.py --engine");
}

TokenIndex::TokenIndex(const ModelFile& file, const std::string& name)
    : text_(file.bytes(name + ".text")),
      offsets_(file.longs(name + ".offsets")),
      table_(file.words(name + ".table")) {
  if (offsets_.size < 2 || table_.size == 0 || (table_.size & (table_.size - 1)))
    throw Error(file.path() + ": the index of " + name +
                " is damaged; make it again with export.py --engine");
}

// The offsets are checked here, where they are used, since opening a file does not read them all.
std::string_view TokenIndex::token(size_t id) const {
  uint64_t begin = offsets_[id], end = offsets_[id + 1];
  return begin <= end && end <= text_.size() ? text_.substr(begin, end - begin)
                                             : std::string_view();
}

int TokenIndex::find(std::string_view token) const {
  const uint32_t mask = static_cast<uint32_t>(table_.size - 1), hash = token_hash(token);
  uint32_t slot = hash & mask;
  for (size_t probes = 0; probes < std::min(table_.size, kMostProbes);
       ++probes, slot = (slot + 1) & mask) {
    uint32_t entry = table_[slot], id = entry & kIdMask;
    if (id == 0) return -1;
    if (((entry ^ hash) & ~kIdMask) == 0 && id <= size() && this->token(id - 1) == token)
      return static_cast<int>(id - 1);
  }
  return -1;
}

}  // namespace etagger
