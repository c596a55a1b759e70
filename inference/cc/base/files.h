// Files of our commands and of the library: bytes in, bytes out, and files that bear their name
// only once they are whole.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/stop.h"

namespace etagger {

// Opens a file as open(2) does, with O_CLOEXEC. Returns its descriptor, never 0, 1 or 2, or -1 and
// errno.
int open_file(const std::string& path, int flags);

// Moves a new descriptor that came out as 0, 1 or 2, because the program was started without them,
// to a higher number: what anybody prints must not go into it. Returns -1, and errno, for -1.
int above_standard(int file);

// Opens /dev/null in place of those of the descriptors 0, 1 and 2 that are closed. What is read
// from the first and written to the second still fails.
void reserve_standard_files();

// Writes all bytes; waits where a descriptor with O_NONBLOCK has no room. Returns 0, or errno.
int write_all(int file, std::string_view bytes, const Stop& stop = {});

// Bytes from a file, or from standard input where `path` is empty.
class Source {
 public:
  explicit Source(const std::string& path, Stop stop = {});  // throws Error
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  // Waits for some bytes and returns with those that are there: a slow pipe is answered at once. 0
  // at the end. Throws Error, also once `stop` is set.
  size_t read(char* to, size_t size);
  // Waits until there is something to read; false where `wake`, another file, has something first.
  bool wait(int wake = -1) const;
  const std::string& name() const { return name_; }  // in messages

 private:
  std::string name_;
  Stop stop_;
  bool is_ours_;
  int file_ = 0;
};

// A file that bears its name only after rename(); what is left unfinished is removed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& path);  // makes it, empty; throws Error
  ~TemporaryFile();
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return beside_; }  // where it is now
  void rename();                                       // flushes it to disk first; throws Error

 private:
  std::string path_, beside_;
};

// For a command, which has one TemporaryFile at a time: from the first call on,
// remove_unfinished() removes the one that is not finished. A signal handler may call the latter.
void note_unfinished();
void remove_unfinished();

// Bytes to standard output, or to a file that bears its name only after finish().
class Sink {
 public:
  explicit Sink(const std::string& path, Stop stop = {});  // throws Error
  ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  void write(std::string_view bytes);  // throws Error, also once `stop` is set, or ReaderGone
  void finish();

 private:
  std::string path_;
  Stop stop_;
  std::unique_ptr<TemporaryFile> beside_;
  int file_ = 1;
};

// The reader of our standard output went away: a command ends quietly with 0.
struct ReaderGone {};

}  // namespace etagger
