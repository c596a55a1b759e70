// Shows the tests what our C++ makes of lines from standard input:
//   probe lower|shape|sha256|json
//   probe scheme SOURCE TARGET TAG...
//   probe emissions MODEL [INSTRUCTIONS [BATCH_SIZE]]     columns -> emission scores, a row each token
//   probe decode MODEL [INSTRUCTIONS]                     emission scores -> tag ids, a row each sentence
#include <cstdio>
#include <iostream>
#include <iterator>
#include <sstream>
#include <string>
#include <vector>

#include "cli.h"
#include "engine.h"
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

std::string all_input() { return std::string(std::istreambuf_iterator<char>(std::cin), {}); }

std::string argument(const std::vector<std::string>& args, size_t i) { return i < args.size() ? args[i] : ""; }

// Columns in, emission scores out: a row each token, a blank line after each sentence.
void print_emissions(const std::vector<std::string>& args) {
  auto engine = etagger::open_engine(args[0], argument(args, 1));
  size_t batch_size = args.size() > 2 ? std::stoul(args[2]) : 64, tags = engine->settings().tags.size();
  etagger::Run input{all_input()};
  etagger::SentenceParser parser("<stdin>", {}, engine->settings().columns);
  std::vector<etagger::Sentence> sentences;
  for (const etagger::Block& block : etagger::blocks_of(input))
    if (!block.rows.empty()) sentences.push_back(parser.parse(block));
  for (const std::vector<float>& scores : engine->emissions(sentences.data(), sentences.size(), batch_size)) {
    for (size_t i = 0; i < scores.size(); ++i) std::printf("%.9g%c", static_cast<double>(scores[i]), (i + 1) % tags ? ' ' : '\n');
    std::printf("\n");
  }
}

// The other way round: such rows in, tag ids out, a line each sentence.
void decode_emissions(const std::vector<std::string>& args) {
  auto engine = etagger::open_engine(args[0], argument(args, 1));
  std::vector<float> scores;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream cells(line);
    for (float score; cells >> score;) scores.push_back(score);
    if (!line.empty()) continue;
    for (int32_t id : engine->decode(scores)) std::cout << id << " ";
    std::cout << "\n";
    scores.clear();
  }
}

void run(const std::string& what, const std::vector<std::string>& args) {
  if (what == "scheme") return convert_lines(args);
  if (what == "emissions") return print_emissions(args);
  if (what == "decode") return decode_emissions(args);
  if (what == "sha256") {
    std::cout << etagger::sha256(all_input()) << "\n";
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
