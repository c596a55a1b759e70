#include "cli.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

#include "error.h"
#include "version.h"

namespace etagger {
namespace {

std::string program_name = "etagger";

// A file under its temporary name, which Ctrl-C removes: in a command, which has one at most.
char unfinished[4096] = "";
bool is_command = false;

void on_interrupt(int) {
  if (unfinished[0]) unlink(unfinished);
  std::string_view line = "interrupted\n";
  [[maybe_unused]] ssize_t written = ::write(2, program_name.data(), program_name.size());
  written = ::write(2, ": ", 2);
  written = ::write(2, line.data(), line.size());
  _exit(130);
}

int number(const std::string& flag, const std::string& text) {
  char* end = nullptr;
  errno = 0;
  long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end || errno || value != static_cast<int>(value))
    throw Error(flag + " " + text + ": expected a whole number");
  return static_cast<int>(value);
}

}  // namespace

// ------------------------------------------------------------ flags

Cli::Cli(int argc, char** argv, std::string usage, std::string about)
    : args_(argv + 1, argv + argc),
      name_(argv[0]),
      usage_(std::move(usage)),
      about_(std::move(about)) {}

void Cli::positional(std::string* value, const char* name, const char* help) {
  positionals_.push_back({name, help, value});
}

void Cli::flag(const char* name, std::string* value, const char* help, const char* shorter) {
  flags_.push_back(
      {name, shorter, help, true, [value](const std::string& text) { *value = text; }});
}

void Cli::flag(const char* name, int* value, const char* help, const char* shorter) {
  flags_.push_back(
      {name, shorter, help, true, [=](const std::string& text) { *value = number(name, text); }});
}

void Cli::flag(const char* name, bool* value, const char* help) {
  flags_.push_back({name, "", help, false, [value](const std::string&) { *value = true; }});
}

void Cli::trust_flag(bool* value) {
  flag("--trust", value,
       "open a graph with any of TensorFlow's ops, which may read and write files");
}

const Cli::Flag* Cli::find(std::string_view name) const {
  for (const Flag& flag : flags_)
    if (name == flag.name || (!flag.shorter.empty() && name == flag.shorter)) return &flag;
  return nullptr;
}

void Cli::parse() {
  size_t place = 0;
  for (size_t i = 0; i < args_.size(); ++i) {
    const std::string& arg = args_[i];
    if (arg == "--help" || arg == "-h") print_help();
    if (arg == "--version") {
      std::printf("etagger %s\n", kVersion);
      std::exit(0);
    }
    if (arg.size() < 2 || arg[0] != '-') {
      if (place == positionals_.size()) throw Error("unknown argument " + arg + "; see --help");
      *positionals_[place++].value = arg;
      continue;
    }
    if (arg.size() > 2 && arg[1] != '-') {  // -j2
      const Flag* flag = find(std::string_view(arg).substr(0, 2));
      if (!flag || !flag->takes_value) throw Error("unknown argument " + arg + "; see --help");
      flag->set(arg.substr(2));
      continue;
    }
    size_t equals = arg.find('=');
    const Flag* flag = find(std::string_view(arg).substr(0, equals));
    if (!flag || (!flag->takes_value && equals != std::string::npos))
      throw Error("unknown argument " + arg + "; see --help");
    if (!flag->takes_value)
      flag->set("");
    else if (equals != std::string::npos)
      flag->set(arg.substr(equals + 1));
    else if (i + 1 < args_.size())
      flag->set(args_[++i]);
    else
      throw Error(arg + ": a value is missing; see --help");
  }
  if (place < positionals_.size())
    throw Error(positionals_[place].name + " is missing; see --help");
}

void Cli::print_help() const {
  std::printf("usage: %s %s[flags]\n\n%s\n\n", name_.c_str(),
              usage_.empty() ? "" : (usage_ + " ").c_str(), about_.c_str());
  for (const Positional& each : positionals_)
    std::printf("  %-16s %s\n", each.name.c_str(), each.help.c_str());
  for (const Flag& each : flags_)
    std::printf("  %-16s %s\n",
                (each.name + (each.shorter.empty() ? "" : ", " + each.shorter)).c_str(),
                each.help.c_str());
  std::printf("  %-16s %s\n  %-16s %s\n", "--help, -h", "this page", "--version", "the version");
  std::exit(0);
}

// ------------------------------------------------------------ files

Source::Source(const std::string& path) : name_(path.empty() ? "<stdin>" : path), file_(0) {
  if (path.empty()) return;
  struct stat about;
  if (stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode))
    throw Error(path + ": is a directory, a file was expected; check --input");
  file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0)
    throw Error(path + ": " + (errno == ENOENT ? "no such file" : std::strerror(errno)) +
                "; check --input");
}

Source::~Source() {
  if (file_ > 0) close(file_);
}

size_t Source::read(char* to, size_t size) {
  ssize_t got;
  do got = ::read(file_, to, size);
  while (got < 0 && errno == EINTR);
  if (got < 0) throw Error(name_ + ": cannot be read (" + std::strerror(errno) + ")");
  return static_cast<size_t>(got);
}

bool Source::wait(int wake) const {
  pollfd files[] = {{file_, POLLIN, 0}, {wake, POLLIN, 0}};
  while (poll(files, 2, -1) < 0 && errno == EINTR) continue;
  return !files[1].revents;
}

TemporaryFile::TemporaryFile(const std::string& path) : path_(path) {
  if (char* real = realpath(path.c_str(), nullptr)) {  // a link stays one
    path_ = real;
    std::free(real);
  }
  beside_ = path_ + ".XXXXXX";
  int file = mkstemp(beside_.data());
  if (file < 0)
    throw Error(path + ": cannot be written (" + std::strerror(errno) + "); check the path");
  close(file);
  if (is_command && beside_.size() < sizeof unfinished) std::strcpy(unfinished, beside_.c_str());
}

TemporaryFile::~TemporaryFile() {
  if (!beside_.empty()) unlink(beside_.c_str());
  if (is_command) unfinished[0] = 0;
}

void TemporaryFile::rename() {
  int file = open(beside_.c_str(), O_RDONLY | O_CLOEXEC);
  mode_t mask = umask(0);
  umask(mask);
  bool done = file >= 0 && fsync(file) == 0 && fchmod(file, 0666 & ~mask) == 0 &&
              std::rename(beside_.c_str(), path_.c_str()) == 0;
  int reason = errno;
  if (file >= 0) close(file);
  if (!done) throw Error(path_ + ": " + std::strerror(reason));
  beside_.clear();
}

Sink::Sink(const std::string& path) : path_(path) {
  if (path.empty()) return;
  struct stat about;
  bool exists = stat(path.c_str(), &about) == 0;
  if (exists && S_ISDIR(about.st_mode))
    throw Error(path + ": is a directory, a file was expected; check --output");
  bool special =
      exists && !S_ISREG(about.st_mode);  // a pipe or a device, which can not be renamed over
  if (!special) beside_ = std::make_unique<TemporaryFile>(path);
  file_ = open(special ? path.c_str() : beside_->path().c_str(), O_WRONLY | O_CLOEXEC);
  if (file_ < 0)
    throw Error(path + ": cannot be written (" + std::strerror(errno) + "); check --output");
}

Sink::~Sink() {
  if (file_ > 1) close(file_);
}

void Sink::write(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t written = ::write(file_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE) throw ReaderGone();
    if (written < 0)
      throw Error((path_.empty() ? "standard output" : path_) + ": " + std::strerror(errno));
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void Sink::finish() {
  if (beside_) beside_->rename();
}

// ------------------------------------------------------------ the frame of a command

// Control characters, which a file may bring into a message, are shown as `?`: it stays one line.
void note(const std::string& text) {
  std::string line = program_name + ": " + text;
  std::replace_if(
      line.begin(), line.end(), [](unsigned char letter) { return letter < ' ' || letter == 127; },
      '?');
  std::fprintf(stderr, "%s\n", line.c_str());
}

int run_command(const char* program, const std::function<void()>& main) {
  std::string_view path = program;
  program_name = path.substr(path.rfind('/') + 1);
  is_command = true;
  signal(SIGPIPE, SIG_IGN);
  signal(SIGINT, on_interrupt);
  try {
    main();
    return 0;
  } catch (const ReaderGone&) {
    return 0;
  } catch (const std::bad_alloc&) {
    note("out of memory");
    return 2;
  } catch (const std::exception& error) {
    note(error.what());
    return 2;
  }
}

}  // namespace etagger
