#include "text/tokenizer.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/error.h"
#include "base/utf8.h"

namespace etagger {
namespace {

// The characters of features/tokenizer.py.
constexpr std::u32string_view kSpaces = U" \t\r\n\x0b\x0c\u00a0\u2003\u2009\u3000";
constexpr std::u32string_view kOpening = U"\"'`([{<$#@*“‘«‹„¿¡（「『【《";
constexpr std::u32string_view kClosing = U"\"'`)]}>.,;:!?%*…”’»›。，、；：？！）」』】》";

enum : uint8_t { kSpace = 1, kOpens = 2, kCloses = 4 };

constexpr uint8_t kinds_of(uint32_t code) {
  auto among = [code](std::u32string_view characters) {
    return characters.find(static_cast<char32_t>(code)) != std::u32string_view::npos;
  };
  return static_cast<uint8_t>((among(kSpaces) ? kSpace : 0) | (among(kOpening) ? kOpens : 0) |
                              (among(kClosing) ? kCloses : 0));
}

constexpr std::array<uint8_t, 128> ascii_kinds() {
  std::array<uint8_t, 128> kinds{};
  for (uint32_t code = 0; code < 128; ++code) kinds[code] = kinds_of(code);
  return kinds;
}

bool is(uint8_t kind, uint32_t code) {
  static constexpr std::array<uint8_t, 128> ascii = ascii_kinds();
  return ((code < 128 ? ascii[code] : kinds_of(code)) & kind) != 0;
}

bool is_acronym(std::string_view word) {
  if (word.empty() || word.size() % 2 || word.size() > 20) return false;
  for (size_t i = 0; i < word.size(); i += 2) {
    char lower = static_cast<char>(word[i] | 32);
    if (lower < 'a' || lower > 'z' || word[i + 1] != '.') return false;
  }
  return true;
}

// n't, or an apostrophe of either kind and one of the endings.
bool is_clitic(std::string_view word) {
  constexpr std::string_view kCurly = "’",
                             kLongS = "ſ";  // to Python's re.IGNORECASE a long s is an s
  if (equal_ignoring_case(word, "n't")) return true;
  if (word.substr(0, 1) == "'")
    word.remove_prefix(1);
  else if (word.substr(0, kCurly.size()) == kCurly)
    word.remove_prefix(kCurly.size());
  else
    return false;
  for (std::string_view ending : {"s", "m", "d", "re", "ve", "ll"})
    if (equal_ignoring_case(word, ending)) return true;
  return word == kLongS;
}

// How many bytes at the end of `word` are a clitic that follows something else, or 0. Clitics have
// 3 or 2 characters; n't comes before 't.
size_t clitic_size(std::string_view word) {
  std::array<size_t, 4> begins{word.size()};  // of the last 0, 1, 2, 3 characters
  size_t count = 0;
  for (; count < 3 && begins[count] > 0; ++count)
    begins[count + 1] = character_before(word, begins[count]);
  for (; count > 1; --count)
    if (begins[count] > 0 && is_clitic(word.substr(begins[count])))
      return word.size() - begins[count];
  return 0;
}

// A word between white space, from its left end to what closes it on the right, which is found from
// the right.
void append_tokens(std::string_view word, std::vector<std::string_view>* tokens) {
  for (;;) {
    Character first = character_at(word, 0);
    if (first.size == word.size() || !is(kOpens, first.code) || is_clitic(word)) break;
    tokens->push_back(word.substr(0, first.size));
    word.remove_prefix(first.size);
  }
  const auto after = static_cast<std::ptrdiff_t>(tokens->size());
  for (;;) {
    size_t last = character_before(word, word.size());
    if (last == 0 || !is(kCloses, character_at(word, last).code) || is_acronym(word)) break;
    if (word.size() >= 3 && word.substr(word.size() - 3) == "...") last = word.size() - 3;
    if (last == 0) break;
    tokens->push_back(word.substr(last));
    word.remove_suffix(word.size() - last);
  }
  if (size_t size = clitic_size(word)) {
    tokens->push_back(word.substr(word.size() - size));
    word.remove_suffix(size);
  }
  tokens->push_back(word);
  std::reverse(tokens->begin() + after, tokens->end());
}

}  // namespace

Tokenizer parse_tokenizer(std::string_view name) {
  if (name == "words") return Tokenizer::kWords;
  if (name == "characters") return Tokenizer::kCharacters;
  throw Error("its tokenizer is neither words nor characters; export it again");
}

bool is_white_space(uint32_t code) {
  return is(kSpace, code);
}

size_t tokenize_on(std::string_view line, size_t at, size_t enough, Tokenizer tokenizer,
                   std::vector<std::string_view>* tokens) {
  const size_t most = tokens->size() + enough;
  size_t begin = at;  // of a word
  while (at < line.size()) {
    Character character = character_at(line, at);
    const size_t next = at + character.size;
    if (is(kSpace, character.code)) {
      if (at > begin) append_tokens(line.substr(begin, at - begin), tokens);
      begin = next;
      if (tokens->size() >= most) return next;
    } else if (tokenizer == Tokenizer::kCharacters) {
      tokens->push_back(line.substr(at, character.size));
      begin = next;
      if (tokens->size() >= most) return next;
    }
    at = next;
  }
  if (at > begin) append_tokens(line.substr(begin), tokens);
  return line.size();
}

std::vector<std::string_view> tokenize(std::string_view line, Tokenizer tokenizer) {
  std::vector<std::string_view> tokens;
  for (size_t at = 0; at < line.size();)
    at = tokenize_on(line, at, line.size(), tokenizer, &tokens);
  return tokens;
}

}  // namespace etagger
