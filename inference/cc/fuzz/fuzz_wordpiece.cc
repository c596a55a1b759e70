// Bytes as a vocabulary and a document: every word is read in a window, where its pieces stand, and
// no window is too long.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.h"
#include "base/utf8.h"
#include "text/windows.h"

namespace {

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    size_t end = std::min(text.find(at), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

// The special pieces, and those among `text` that are UTF-8.
etagger::Section vocabulary_of(std::string_view text) {
  std::vector<std::string_view> pieces = {"[PAD]", "[UNK]", "[CLS]", "[SEP]"};
  for (std::string_view piece : split(text, ' '))
    if (!etagger::bad_bytes(piece)) pieces.push_back(piece);
  etagger::Section section;
  section.reserve(pieces.size());
  for (std::string_view piece : pieces) section.add(piece);
  return section;
}

void check_tokens(std::string_view word, bool lower) {
  for (const std::string& token : etagger::bert_tokens(word, lower))
    require(!token.empty() && !etagger::bad_bytes(token) && token.find(' ') == std::string::npos,
            "tokens are UTF-8 without blanks");
}

void check_windows(const etagger::Windows& made, const etagger::CutWords& sentence, size_t longest,
                   const etagger::Section& vocabulary) {
  const size_t words = sentence.begins.size() - 1;
  require(made.window.size() == words && made.offset.size() == words && made.count.size() == words,
          "a place for each word");
  for (const std::vector<int32_t>& window : made.windows) {
    require(
        window.size() >= 2 && window.size() <= longest && window.front() == 2 && window.back() == 3,
        "a window of the size that goes");
    for (int32_t id : window)
      require(id >= 0 && static_cast<size_t>(id) < vocabulary.size(), "ids of the vocabulary");
  }
  for (size_t word = 0; word < words; ++word) {
    require(made.count[word] == sentence.begins[word + 1] - sentence.begins[word] &&
                made.count[word] > 0,
            "a piece for each word");
    const std::vector<int32_t>& window = made.windows.at(made.window[word]);
    require(made.offset[word] + made.count[word] < window.size(), "a word within its window");
    require(
        std::equal(sentence.ids.begin() + static_cast<std::ptrdiff_t>(sentence.begins[word]),
                   sentence.ids.begin() + static_cast<std::ptrdiff_t>(sentence.begins[word + 1]),
                   window.begin() + static_cast<std::ptrdiff_t>(made.offset[word])),
        "a word's pieces where it says");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const bool lower = data[0] % 2;
  const size_t longest = 3 + data[1];
  std::string_view text(reinterpret_cast<const char*>(data) + 3, size - 3);
  std::string_view pieces = text.substr(0, data[2]);
  etagger::Section vocabulary = vocabulary_of(pieces);
  etagger::WindowMaker maker(vocabulary, lower, longest);
  std::vector<etagger::CutWords> document;
  for (std::string_view line : split(text.substr(pieces.size()), '\n')) {
    std::vector<std::string_view> words = split(line, ' ');
    for (std::string_view word : words) check_tokens(word, lower);
    document.push_back(maker.cut(words));
  }
  for (size_t i = 0; i < document.size(); ++i)
    check_windows(maker.windows(document.data(), document.size(), i), document[i], longest,
                  vocabulary);
  return 0;
}
