#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/files.h"

namespace etagger {

// O_NONBLOCK: opening a named pipe must not wait for its writer.
MappedFile::MappedFile(const std::string& path)
    : path_(path), file_(open_file(path, O_RDONLY | O_NONBLOCK)) {
  struct stat about;
  if (file_ < 0 || fstat(file_, &about))
    fail(errno == ENOENT ? "no such file; check the path" : std::strerror(errno));
  if (!S_ISREG(about.st_mode)) fail("not a plain file; check the path");
  size_ = static_cast<size_t>(about.st_size);
  void* mapped = size_ ? mmap(nullptr, size_, PROT_READ, MAP_SHARED, file_, 0) : nullptr;
  if (mapped == MAP_FAILED)
    fail(std::string("cannot be mapped into memory (") + std::strerror(errno) + ")");
  data_ = static_cast<const char*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<char*>(data_), size_);
  close(file_);
}

void MappedFile::check_whole() const {
  struct stat about;
  if (fstat(file_, &about) == 0 && static_cast<size_t>(about.st_size) < size_)
    throw Error(path_ +
                ": the file was cut short while it was open; put a new file in its place by "
                "renaming, do not write over it, and open it again");
}

// Of the constructor.
void MappedFile::fail(const std::string& what) {
  if (file_ >= 0) close(file_);
  throw Error(path_ + ": " + what);
}

}  // namespace etagger
