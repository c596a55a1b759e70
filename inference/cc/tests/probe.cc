// Shows the tests what our C++ makes of lines from standard input:
//   probe lower|shape|sha256|json|tokenize|scheme SOURCE TARGET TAG...|entities line|columns SCHEME
#include <algorithm>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "cli.h"
#include "entities.h"
#include "feed.h"
#include "json.h"
#include "scheme.h"
#include "sha256.h"
#include "text.h"
#include "tokenizer.h"

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

// The first and the last byte of each token, the latter exclusive: 0-5 6-10.
void tokenize_line(const std::string& line) {
  for (std::string_view token : etagger::tokenize(line)) {
    size_t begin = static_cast<size_t>(token.data() - line.data());
    std::cout << begin << '-' << begin + token.size() << ' ';
  }
  std::cout << "\n";
}

std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> parts;
  for (size_t at = 0; at < line.size();) {
    size_t end = std::min(line.find(' ', at), line.size());
    parts.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

// Two lines a sentence, its text (or its words, for columns) and a tag for each token; out comes its JSON.
void print_json(const std::string& kind, const std::string& scheme) {
  for (std::string text, tags; std::getline(std::cin, text) && std::getline(std::cin, tags);) {
    std::vector<etagger::Entity> entities = etagger::entities(split(tags), scheme);
    std::string out;
    if (kind == "line") etagger::append_json(text, etagger::tokenize(text), entities, &out);
    else etagger::append_json(split(text), entities, &out);
    std::cout << out;
  }
}

void run(const std::string& what, const std::vector<std::string>& args) {
  if (what == "scheme") return convert_lines(args);
  if (what == "entities") return print_json(args[0], args[1]);
  if (what == "sha256") {
    std::cout << etagger::sha256(std::string(std::istreambuf_iterator<char>(std::cin), {})) << "\n";
    return;
  }
  for (std::string line; std::getline(std::cin, line);) {
    if (what == "lower") std::cout << etagger::lower(line) << "\n";
    if (what == "tokenize") tokenize_line(line);
    if (what == "shape") std::cout << etagger::word_shape(line) << "\n";
    if (what == "json") std::cout << etagger::Json::parse(line, "line").string() << "\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  return etagger::run_command(argv[0], [&] { run(argv[1], std::vector<std::string>(argv + 2, argv + argc)); });
}
