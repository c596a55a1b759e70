// Shows the tests what our C++ makes of lines from standard input:  probe lower|shape|sha256|json|scheme SOURCE TARGET TAG...
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "cli.h"
#include "feed.h"
#include "json.h"
#include "scheme.h"
#include "sha256.h"
#include "text.h"

namespace {

// Each line is a sentence of tags; out comes the same one in the other scheme.
void convert_lines(const std::vector<std::string>& args) {
  std::vector<std::string> tags(args.begin() + 2, args.end());
  etagger::TagConverter converter(tags, args[0], args[1]);
  for (std::string line; std::getline(std::cin, line);) {
    std::vector<int> ids;
    for (size_t at = 0; at < line.size(); at = line.find(' ', at) == std::string::npos ? line.size() : line.find(' ', at) + 1)
      ids.push_back(std::stoi(line.substr(at)));
    std::string out;
    for (std::string_view tag : converter.convert(ids.data(), ids.size())) out.append(out.empty() ? "" : " ").append(tag);
    std::cout << out << "\n";
  }
}

void run(const std::string& what, const std::vector<std::string>& args) {
  if (what == "scheme") return convert_lines(args);
  if (what == "sha256") {
    std::cout << etagger::sha256(std::string(std::istreambuf_iterator<char>(std::cin), {})) << "\n";
    return;
  }
  for (std::string line; std::getline(std::cin, line);) {
    if (what == "lower") std::cout << etagger::lower(line) << "\n";
    if (what == "shape") std::cout << etagger::word_shape(line) << "\n";
    if (what == "json") std::cout << etagger::Json::parse(line, "line").string() << "\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  return etagger::run_command(argv[0], [&] { run(argv[1], std::vector<std::string>(argv + 2, argv + argc)); });
}
