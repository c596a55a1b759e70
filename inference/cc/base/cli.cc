#include "base/cli.h"

#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <new>

#include "base/error.h"
#include "base/utf8.h"
#include "base/version.h"

namespace etagger {
namespace {

// Mutable and global, because a signal handler reaches nothing else. run_command() sets it.
std::string program_name = "etagger";

// ------------------------------------------------------------ signals

// Writes `program: text` from a signal handler.
void say(std::string_view text) {
  for (std::string_view part : {std::string_view(program_name), std::string_view(": "), text})
      [[maybe_unused]]
    ssize_t written = ::write(2, part.data(), part.size());
}

// Removes what is unfinished, and ends the process: as Ctrl-C does in all our commands; with a
// line where a file that is mapped into memory was cut short; else by the signal itself, once this
// handler is back.
void on_signal(int number) {
  remove_unfinished();
  if (number == SIGINT) {
    say("interrupted\n");
    _exit(130);
  }
  if (number == SIGBUS) {
    say("the model's file was cut short in the middle of the run; put a new file in its place by "
        "renaming, do not write over it\n");
    _exit(2);
  }
  signal(number, SIG_DFL);
  raise(number);
}

void handle_signals() {
  note_unfinished();
  signal(SIGPIPE, SIG_IGN);  // a broken pipe and a file that is too large come as errors
  signal(SIGXFSZ, SIG_IGN);
  signal(SIGINT, on_signal);
  signal(SIGBUS, on_signal);
  for (int number : {SIGTERM, SIGHUP, SIGQUIT, SIGXCPU})
    if (signal(number, on_signal) == SIG_IGN) signal(number, SIG_IGN);  // such as by nohup
}

// ------------------------------------------------------------ numbers

int number(const std::string& flag, const std::string& text) {
  char* end = nullptr;
  errno = 0;
  long value = std::strtol(text.c_str(), &end, 10);
  if (text.empty() || *end || errno || value != static_cast<int>(value))
    throw Error(flag + " " + text + ": expected a whole number");
  return static_cast<int>(value);
}

double decimal(const std::string& flag, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end) throw Error(flag + " " + text + ": expected a number");
  return value;
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

void Cli::flag(const char* name, std::optional<int>* value, const char* help) {
  flags_.push_back(
      {name, "", help, true, [=](const std::string& text) { *value = number(name, text); }});
}

void Cli::flag(const char* name, std::optional<double>* value, const char* help) {
  flags_.push_back(
      {name, "", help, true, [=](const std::string& text) { *value = decimal(name, text); }});
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
      Sink("").write(std::string("etagger ") + kVersion + "\n");
      std::exit(0);
    }
    if (arg.size() < 2 || arg[0] != '-') {
      if (place == positionals_.size()) throw Error("unknown argument " + arg + "; see --help");
      *positionals_[place].value = arg;
      ++place;
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
  auto row = [](const std::string& name, const std::string& help) {
    return "  " + name + std::string(name.size() < 16 ? 16 - name.size() : 0, ' ') + " " + help +
           "\n";
  };
  std::string text = "usage: " + name_ + " " + usage_ + (usage_.empty() ? "" : " ") +
                     "[flags]\n\n" + about_ + "\n\n";
  for (const Positional& argument : positionals_) text += row(argument.name, argument.help);
  for (const Flag& flag : flags_)
    text += row(flag.name + (flag.shorter.empty() ? "" : ", " + flag.shorter), flag.help);
  Sink("").write(text + row("--help, -h", "this page") + row("--version", "the version"));
  std::exit(0);
}

// ------------------------------------------------------------ the frame of a command

void note(const std::string& text) {
  write_all(2, program_name + ": " + printable(text) + "\n");
}

int run_command(const char* program, const std::function<void()>& main) {
  std::string_view path = program;
  program_name = path.substr(path.rfind('/') + 1);
  reserve_standard_files();
  handle_signals();
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
