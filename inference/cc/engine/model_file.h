// The `.etagger` file, mapped into memory: README.md has the format. Whatever bytes it holds,
// nothing here reads outside of it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mapped_file.h"

namespace etagger {

// The values of a section, where they lie.
template <class T>
struct Span {
  const T* data = nullptr;
  size_t size = 0;
  const T& operator[](size_t i) const { return data[i]; }
};

class ModelFile {
 public:
  // Maps the file; checks header, table and the place of each section against their checksum and
  // the file's size. Throws Error.
  explicit ModelFile(const std::string& path);

  // The same of a file that is in memory already, at a multiple of 64 bytes; the bytes must outlive
  // it. name: of the file, in messages.
  ModelFile(const std::string& name, std::string_view bytes);

  // Checks every byte of every section against its checksum, and that what lies between them is 0.
  // Throws Error.
  void verify() const;

  // Throws Error where the file was cut short since it was mapped.
  void check_whole() const {
    if (mapped_) mapped_->check_whole();
  }

  // Tells this file from another: its size, and the checksum of its header and table, which hold
  // the checksum of each section.
  std::string fingerprint() const;

  const std::string& path() const { return path_; }
  size_t size() const { return all_.size(); }
  std::string_view header() const { return header_; }  // JSON

  bool has(std::string_view name) const { return find(name) != nullptr; }

  // A section of the given type and dimensions; -1 leaves a dimension open, `dims` gets what it is.
  // Throws Error where it is another.
  Span<float> floats(std::string_view name, std::vector<int64_t>* dims) const;
  Span<uint32_t> words(std::string_view name) const;    // uint32, of one dimension
  Span<uint64_t> longs(std::string_view name) const;    // uint64, of one dimension
  std::string_view bytes(std::string_view name) const;  // uint8, of one dimension

 private:
  enum Type : uint32_t { kUint8, kInt32, kUint32, kUint64, kFloat32, kTypes };
  struct Entry {
    char name[48];
    uint32_t type, rank;
    uint64_t dims[4], offset, bytes;
    uint32_t crc, unused[5];
  };
  void open();
  const Entry* find(std::string_view name) const;
  const Entry& need(std::string_view name, Type type, size_t rank) const;
  void check_entry(const Entry& entry) const;
  [[noreturn]] void fail(const std::string& what) const;

  std::string path_;
  std::unique_ptr<MappedFile> mapped_;  // none: the bytes are somebody else's
  std::string_view all_, header_;
  Span<Entry> table_;
  size_t front_ = 0;  // bytes before the first section
  uint32_t crc_ = 0;  // of them
};

// Tokens -> ids over sections of the file: NAME.text, NAME.offsets, NAME.table.
class TokenIndex {
 public:
  TokenIndex() = default;
  TokenIndex(const ModelFile& file, const std::string& name);  // throws Error

  int find(std::string_view token) const;  // -1: not there
  size_t size() const { return offsets_.size - 1; }

 private:
  std::string_view token(size_t id) const;

  std::string_view text_;
  Span<uint64_t> offsets_;
  Span<uint32_t> table_;
};

}  // namespace etagger
