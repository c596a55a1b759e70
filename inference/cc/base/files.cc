#include "base/files.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace etagger {
namespace {

constexpr int kPatience = 50;  // milliseconds between two looks at a Stop

// The name of the TemporaryFile that is not finished, for remove_unfinished(). Mutable and global,
// because a signal handler reaches nothing else. is_unfinished is set last, so that a handler never
// sees half of a name; while is_being_made is set, the file may be there and its name not yet.
char unfinished[PATH_MAX];
std::atomic<bool> is_unfinished{false}, is_being_made{false};
bool notes_unfinished = false;

// No signal is handled in this thread while it lives.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

// Waits until `file` is ready for `events`. Returns false where `wake`, unless it is -1, has
// something to read first. Throws Error once `stop` is set.
bool wait_for(int file, short events, int wake, const Stop& stop) {
  pollfd files[] = {{file, events, 0}, {wake, POLLIN, 0}};
  while (true) {
    stop.check();
    int ready = poll(files, 2, stop.is_given() ? kPatience : -1);
    if (ready > 0) return !files[1].revents;
    if (ready < 0 && errno != EINTR)
      throw Error(std::string("cannot wait for a file (") + std::strerror(errno) + ")");
  }
}

bool is_fifo(const std::string& path) {
  struct stat about;
  return stat(path.c_str(), &about) == 0 && S_ISFIFO(about.st_mode);
}

// A named pipe that nobody reads is waited for; with `stop`, no longer than until that is set.
int open_for_writing(const std::string& path, const Stop& stop) {
  const bool looks = stop.is_given() && is_fifo(path);
  while (true) {
    int file = open_file(path, O_WRONLY | (looks ? O_NONBLOCK : 0));
    if (file >= 0 || !looks || errno != ENXIO) return file;
    stop.check();
    poll(nullptr, 0, kPatience);
  }
}

// Throws Error where standard input or output is closed, or is open for the other direction alone.
void check_standard(int file, int wrong, const char* name) {
  int flags = fcntl(file, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == wrong)
    throw Error(std::string(name) + " is closed; redirect it to a file or a pipe");
}

}  // namespace

int open_file(const std::string& path, int flags) {
  return above_standard(open(path.c_str(), flags | O_CLOEXEC));
}

int above_standard(int file) {
  if (file < 0 || file > 2) return file;
  int moved = fcntl(file, F_DUPFD_CLOEXEC, 3), reason = errno;
  close(file);
  errno = reason;
  return moved;
}

void reserve_standard_files() {
  constexpr int kModes[] = {O_WRONLY, O_RDONLY, O_RDWR};  // by descriptor
  for (int file = 0; file <= 2; ++file)
    if (fcntl(file, F_GETFD) < 0)  // open() takes the lowest number that is free: this one
        [[maybe_unused]]
      int same = open("/dev/null", kModes[file]);
}

int write_all(int file, std::string_view bytes, const Stop& stop) {
  while (!bytes.empty()) {
    ssize_t written = write(file, bytes.data(), bytes.size());
    if (written >= 0)
      bytes.remove_prefix(static_cast<size_t>(written));
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
      wait_for(file, POLLOUT, -1, stop);
    else if (errno != EINTR)
      return errno;
  }
  return 0;
}

// ------------------------------------------------------------ in

Source::Source(const std::string& path, Stop stop)
    : name_(path.empty() ? "<stdin>" : path), stop_(stop), is_ours_(!path.empty()) {
  if (path.empty()) {
    check_standard(0, O_WRONLY, "standard input");
    return;
  }
  struct stat about;
  if (stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode))
    throw Error(path + ": is a directory, a file was expected; check --input");
  // Opening a named pipe does not wait for its writer; reading it does, where it can be ended.
  file_ = open_file(path, O_RDONLY | O_NONBLOCK);
  if (file_ < 0)
    throw Error(path + ": " + (errno == ENOENT ? "no such file" : std::strerror(errno)) +
                "; check --input");
}

Source::~Source() {
  if (is_ours_) close(file_);
}

size_t Source::read(char* to, size_t size) {
  while (true) {
    wait();
    ssize_t got = ::read(file_, to, size);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
      throw Error(name_ + ": cannot be read (" + std::strerror(errno) + ")");
  }
}

bool Source::wait(int wake) const {
  return wait_for(file_, POLLIN, wake, stop_);
}

// ------------------------------------------------------------ a file that is not finished

void note_unfinished() {
  notes_unfinished = true;
}

void remove_unfinished() {
  // Another thread makes the file, since the one that does handles no signal meanwhile.
  while (is_being_made) poll(nullptr, 0, 1);
  if (is_unfinished) unlink(unfinished);
}

TemporaryFile::TemporaryFile(const std::string& path) : path_(path) {
  if (char* real = realpath(path.c_str(), nullptr)) {  // a link stays one
    path_ = real;
    std::free(real);
  }
  beside_ = path_ + ".XXXXXX";
  NoSignals none;
  is_being_made = true;
  int file = mkstemp(beside_.data());
  const int reason = errno;
  if (file >= 0 && notes_unfinished && beside_.size() < sizeof unfinished) {
    std::strcpy(unfinished, beside_.c_str());
    is_unfinished = true;
  }
  is_being_made = false;
  if (file < 0)
    throw Error(path + ": cannot be written (" + std::strerror(reason) + "); check the path");
  close(file);
}

TemporaryFile::~TemporaryFile() {
  if (!beside_.empty()) unlink(beside_.c_str());
  if (notes_unfinished) is_unfinished = false;
}

void TemporaryFile::rename() {
  int file = open_file(beside_, O_RDONLY);
  mode_t mask = umask(0);
  umask(mask);
  bool done = file >= 0 && fsync(file) == 0 && fchmod(file, 0666 & ~mask) == 0 &&
              std::rename(beside_.c_str(), path_.c_str()) == 0;
  int reason = errno;
  if (file >= 0) close(file);
  if (!done) throw Error(path_ + ": " + std::strerror(reason));
  beside_.clear();
}

// ------------------------------------------------------------ out

Sink::Sink(const std::string& path, Stop stop) : path_(path), stop_(stop) {
  if (path.empty()) {
    check_standard(1, O_RDONLY, "standard output");
    return;
  }
  struct stat about;
  bool exists = stat(path.c_str(), &about) == 0;
  if (exists && S_ISDIR(about.st_mode))
    throw Error(path + ": is a directory, a file was expected; check --output");
  // A pipe or a device cannot be renamed over.
  bool special = exists && !S_ISREG(about.st_mode);
  if (!special) beside_ = std::make_unique<TemporaryFile>(path);
  file_ = open_for_writing(special ? path : beside_->path(), stop_);
  if (file_ < 0)
    throw Error(path + ": cannot be written (" + std::strerror(errno) + "); check --output");
}

Sink::~Sink() {
  if (!path_.empty()) close(file_);
}

void Sink::write(std::string_view bytes) {
  stop_.check();
  int reason = write_all(file_, bytes, stop_);
  if (reason == EPIPE) throw ReaderGone();
  if (reason) throw Error((path_.empty() ? "standard output" : path_) + ": " + strerror(reason));
}

void Sink::finish() {
  stop_.check();
  if (beside_) beside_->rename();
}

}  // namespace etagger
