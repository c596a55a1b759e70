// Files that are mapped into memory.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace etagger {

// A file mapped into memory, read only and shared with other processes.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);  // throws Error
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view text() const { return {data_, size_}; }

  // Throws Error where the file was cut short since: reading what it has lost would end the process
  // with SIGBUS. To be called before much of it is read; it cannot help against a cut meanwhile.
  void check_whole() const;

 private:
  [[noreturn]] void fail(const std::string& what);

  std::string path_;
  int file_;
  const char* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace etagger
