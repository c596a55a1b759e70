// What our C++ commands share: flags, one-line errors, exit codes, and files that bear their name
// only once they are whole.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace etagger {

// `--flag value` or `--flag=value`, and positional arguments. --help and --version print and exit.
class Cli {
 public:
  Cli(int argc, char** argv, std::string usage, std::string about);

  void positional(std::string* value, const char* name, const char* help);
  void flag(const char* name, std::string* value, const char* help, const char* shorter = "");
  void flag(const char* name, int* value, const char* help, const char* shorter = "");
  void flag(const char* name, bool* value, const char* help);
  // --trust, of the commands that open TensorFlow's graphs.
  void trust_flag(bool* value);

  // Throws Error for what it does not know or what is missing.
  void parse();

 private:
  struct Flag {
    std::string name, shorter, help;
    bool takes_value;
    std::function<void(const std::string&)> set;
  };
  struct Positional {
    std::string name, help;
    std::string* value;
  };
  const Flag* find(std::string_view name) const;
  [[noreturn]] void print_help() const;

  std::vector<std::string> args_;
  std::string name_, usage_, about_;
  std::vector<Flag> flags_;
  std::vector<Positional> positionals_;
};

// Bytes from a file, or from standard input where `path` is empty.
class Source {
 public:
  explicit Source(const std::string& path);  // throws Error
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  // Waits for some bytes and returns with those that are there: a slow pipe is answered at once. 0
  // at the end.
  size_t read(char* to, size_t size);
  // Waits until there is something to read; false where `wake`, another file, has something first.
  bool wait(int wake) const;
  const std::string& name() const { return name_; }  // in messages

 private:
  std::string name_;
  int file_;
};

// A file that bears its name only after rename(); what is left unfinished is removed, also on
// Ctrl-C.
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

// Bytes to standard output, or to a file that bears its name only after finish().
class Sink {
 public:
  explicit Sink(const std::string& path);  // throws Error
  ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  void write(std::string_view bytes);  // throws Error, or ReaderGone
  void finish();

 private:
  std::string path_;
  std::unique_ptr<TemporaryFile> beside_;
  int file_ = 1;
};

// The reader of our standard output went away: a command ends quietly with 0.
struct ReaderGone {};

// Runs a command. Returns 0, or 2 after one line on standard error for Error; Ctrl-C exits with
// 130.
int run_command(const char* program, const std::function<void()>& main);

// A line on standard error, behind the command's name.
void note(const std::string& text);

}  // namespace etagger
