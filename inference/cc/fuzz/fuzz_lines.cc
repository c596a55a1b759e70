// Bytes as a line of raw text and tags: its tokens lie in it, in order, and its JSON says where
// each entity stands; its sentences break where they may.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tagging/entities.h"
#include "fuzz/fuzz.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/sentences.h"
#include "text/tokenizer.h"

namespace {

constexpr std::string_view kTags[] = {"O",     "B-PER", "I-PER",      "E-PER", "S-LOC",
                                      "I-LOC", "B",     "L-\xFF\"\\", "X",     "U-"};

// Where each character of a text that is UTF-8 begins, and its end.
std::vector<size_t> characters_of(std::string_view text) {
  std::vector<size_t> begins;
  for (size_t at = 0; at < text.size(); at += etagger::character_at(text, at).size) {
    require(etagger::character_at(text, at).code != etagger::kBadByte, "JSON is UTF-8");
    begins.push_back(at);
  }
  begins.push_back(text.size());
  return begins;
}

// Sentences follow one another without a gap, and abbreviations only remove breaks.
void check_sentences(std::string_view line) {
  size_t plain = 0;
  for (size_t at = 0; at < line.size();) {
    const size_t end = etagger::sentence_end(line, at);
    require(end > at && end <= line.size(), "a sentence ends after its beginning");
    while (plain < end) plain = etagger::sentence_end(line, plain, false);
    require(plain == end, "a break of the annex");
    at = end;
  }
}

void check_json(const std::string& line, size_t entities) {
  require(!line.empty() && line.find('\n') == line.size() - 1, "one line");
  etagger::Json json = etagger::Json::parse(line, "fuzz");
  const std::string& text = json["text"].string();
  std::vector<size_t> begins = characters_of(text);
  require(json["entities"].array().size() == entities, "every entity");
  size_t last = 0;
  for (const etagger::Json& entity : json["entities"].array()) {
    auto start = static_cast<size_t>(entity["start"].number()),
         end = static_cast<size_t>(entity["end"].number());
    require(last <= start && start < end && end < begins.size(), "places in order");
    require(text.substr(begins[start], begins[end] - begins[start]) == entity["text"].string(),
            "an entity where it says");
    last = end;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 9) return 0;
  const std::string line(reinterpret_cast<const char*>(data) + 9, size - 9);
  const auto tokenizer = static_cast<etagger::Tokenizer>(data[8] / 2 % 2);
  std::vector<std::string_view> words = etagger::tokenize(line, tokenizer), tags;
  check_sentences(line);
  const char* last = line.data();
  for (std::string_view word : words) {
    require(last <= word.data() && !word.empty() &&
                word.data() + word.size() <= line.data() + line.size(),
            "tokens in order");
    last = word.data() + word.size();
    tags.push_back(kTags[data[tags.size() % 8] % std::size(kTags)]);
  }
  std::vector<etagger::Entity> found = etagger::entities(tags, data[8] % 2 ? "bio" : "raw");
  std::string of_line, of_columns;
  etagger::append_json(line, words, found, &of_line);
  etagger::append_json(words, found, &of_columns);
  check_json(of_line, found.size());
  check_json(of_columns, found.size());
  return 0;
}
