// What our C++ commands share: flags, one-line errors, exit codes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"

namespace etagger {

// `--flag value` or `--flag=value`, and positional arguments. --help and --version print and exit.
class Cli {
 public:
  Cli(int argc, char** argv, std::string usage, std::string about);

  void positional(std::string* value, const char* name, const char* help);
  void flag(const char* name, std::string* value, const char* help, const char* shorter = "");
  void flag(const char* name, int* value, const char* help, const char* shorter = "");
  void flag(const char* name, bool* value, const char* help);
  // Without a value where the flag is not given.
  void flag(const char* name, std::optional<int>* value, const char* help);
  void flag(const char* name, std::optional<double>* value, const char* help);
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

// Runs a command. Returns 0, or 2 after one line on standard error for Error; Ctrl-C exits with
// 130. A signal that ends it leaves no TemporaryFile.
int run_command(const char* program, const std::function<void()>& main);

// A line on standard error, after the command's name.
void note(const std::string& text);

}  // namespace etagger
