#include "text/vocab.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/hash.h"
#include "base/sha256.h"
#include "base/utf8.h"

namespace etagger {
namespace {

constexpr const char* kMend =
    "; make it again with embvec.py, or take the vocab.txt that export.py wrote";
constexpr size_t kMostProbes = 256;  // slots; honest tokens fill half of them, and need some 50

// The line at *at, without its newline; *at moves past it.
std::string_view next_line(std::string_view text, size_t* at) {
  size_t end = text.find('\n', *at);
  if (end == std::string_view::npos) end = text.size();
  std::string_view line = text.substr(*at, end - *at);
  *at = end + 1;
  return line;
}

// The digits of `text` as a number, or -1.
int64_t number_in(std::string_view text) {
  int64_t number = -1;
  auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && stop == text.data() + text.size() && number >= 0 ? number : -1;
}

}  // namespace

void Section::reserve(size_t tokens) {
  size_t slots = 16;
  while (slots < 2 * tokens) slots *= 2;
  table_.assign(slots, 0);
  tokens_.reserve(tokens);
}

size_t Section::place(std::string_view token) const {
  size_t mask = table_.size() - 1, slot = token_hash(token) & mask;
  for (size_t probes = 0; probes < kMostProbes; ++probes, slot = (slot + 1) & mask)
    if (!table_[slot] || tokens_[table_[slot] - 1] == token) return slot;
  return kNowhere;
}

bool Section::add(std::string_view token) {
  size_t slot = place(token);
  if (slot == kNowhere) return false;
  tokens_.push_back(token);
  if (!table_[slot]) table_[slot] = static_cast<uint32_t>(tokens_.size());
  return true;
}

int Section::find(std::string_view token) const {
  size_t slot = place(token);
  return slot == kNowhere ? -1 : static_cast<int>(table_[slot]) - 1;
}

Vocabulary::Vocabulary(
    const std::string& path, size_t types,
    const std::vector<std::pair<std::vector<std::string>, std::vector<int>>>& names)
    : file_(path), text_(file_.text()), path_(path), types_(types) {
  check_encoding(text_, path);
  if (text_.substr(0, kByteOrderMark.size()) == kByteOrderMark)
    text_.remove_prefix(kByteOrderMark.size());
  for (const auto& [words, kinds] : names) {
    std::string joined;
    for (const std::string& word : words) joined += (joined.empty() ? "" : " ") + word;
    names_[joined] = kinds;
    size_t& longest = longest_[words.front()];
    longest = std::max(longest, words.size());
  }
  size_t at = 0;
  int line = 0;
  read_section(&words_, "wrd", &at, &line);
  read_section(&chars_, "chr", &at, &line);
  read_section(&pos_, "pos", &at, &line);
  read_section(&chunks_, "chk", &at, &line);
  read_section(&tags_, "tag", &at, &line);
  pieces_.reserve(0);
  if (text_.substr(std::min(at, text_.size())).rfind("# bert_vocab ", 0) == 0)
    read_section(&pieces_, "bert", &at, &line);
  if (at < text_.size())
    throw Error(path + ":" + std::to_string(line + 1) + ": more than the sections of a vocabulary" +
                kMend);

  ascii_ids_.fill(1);
  for (size_t id = 2; id < chars_.size(); ++id) {
    std::string_view token = chars_.token(id);
    Character character = token.empty() ? Character{kBadByte, 0} : character_at(token, 0);
    if (character.size != token.size()) continue;
    if (character.code < 128)
      ascii_ids_[character.code] = static_cast<int>(id);
    else
      character_ids_.emplace(character.code, static_cast<int>(id));
  }
}

void Vocabulary::read_section(Section* section, const char* name, size_t* at, int* line) {
  std::string_view text = text_;
  auto fail = [&](const std::string& what) {
    throw Error(path_ + ":" + std::to_string(*line) + ": " + what + kMend);
  };
  std::string heading = std::string("# ") + name + "_vocab ";
  ++*line;
  std::string_view first = *at < text.size() ? next_line(text, at) : std::string_view();
  int64_t count =
      first.substr(0, heading.size()) == heading ? number_in(first.substr(heading.size())) : -1;
  if (count < 0) fail("expected `" + heading + "N`");
  section->reserve(
      std::min(static_cast<size_t>(count), text.size() / 3));  // a row has three bytes at least
  for (int64_t id = 0; id < count; ++id) {
    ++*line;
    if (*at >= text.size())
      fail("the file ends in section " + std::string(name) + ", " + std::to_string(count) +
           " tokens were expected");
    std::string_view row = next_line(text, at);
    size_t space = row.rfind(' ');
    if (space == std::string_view::npos || number_in(row.substr(space + 1)) != id)
      fail("expected `token " + std::to_string(id) + "`");
    if (!section->add(row.substr(0, space)))
      fail("its hash is that of " + std::to_string(kMostProbes) +
           " tokens before, which no text has by chance");
  }
}

std::string Vocabulary::hash() const {
  return sha256(text_);
}

int Vocabulary::word_id(std::string_view word, bool lowercase) const {
  return look_up_word(word, lowercase, [&](std::string_view token) { return words_.find(token); });
}

int Vocabulary::character_id(uint32_t code) const {
  if (code < 128) return ascii_ids_[code];
  auto found = character_ids_.find(code);
  return found == character_ids_.end() ? 1 : found->second;
}

std::vector<int32_t> Vocabulary::marks(const std::vector<std::string_view>& words) const {
  auto longest = [&](std::string_view word) {
    auto begins = longest_.find(word);
    return begins == longest_.end() ? 0 : begins->second;
  };
  auto mark = [&](const std::string& name, int32_t* to, size_t length) {
    auto found = names_.find(name);
    if (found == names_.end()) return false;
    for (size_t k = 0; k < length; ++k)
      for (int kind : found->second) to[k * types_ + static_cast<size_t>(kind)] = 1;
    return true;
  };
  return mark_names(words, types_, longest, mark);
}

}  // namespace etagger
