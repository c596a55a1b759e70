#include "base/utf8.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace etagger {

Character wide_character_at(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  unsigned first = byte(0);
  uint32_t size = 2;
  if (first >= 0xE0) size = 3;
  if (first >= 0xF0) size = 4;
  if (first < 0xC2 || first > 0xF4 || at + size > text.size()) return {kBadByte, 1};
  uint32_t code = first & (0xFF >> (size + 1));
  for (uint32_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {kBadByte, 1};
    code = code << 6 | (byte(i) & 0x3F);
  }
  bool overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (overlong || surrogate || code > 0x10FFFF) return {kBadByte, 1};
  return {code, size};
}

size_t character_before(std::string_view text, size_t at) {
  for (size_t size = std::min<size_t>(4, at); size > 1; --size)
    if (character_at(text, at - size).size == size) return at - size;
  return at - 1;
}

size_t count_characters(std::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) at += character_at(text, at).size;
  return count;
}

void append_utf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
    return;
  }
  int count = 2;  // bytes
  if (code >= 0x800) count = 3;
  if (code >= 0x10000) count = 4;
  out->push_back(static_cast<char>((0xF00 >> count & 0xFF) | code >> (6 * (count - 1))));
  for (int i = count - 2; i >= 0; --i)
    out->push_back(static_cast<char>(0x80 | (code >> (6 * i) & 0x3F)));
}

bool is_ascii(std::string_view text) {
  uint64_t bits = 0, word;
  size_t at = 0;
  for (; at + sizeof word <= text.size(); at += sizeof word) {
    std::memcpy(&word, text.data() + at, sizeof word);
    bits |= word;
  }
  for (; at < text.size(); ++at) bits |= static_cast<unsigned char>(text[at]);
  return (bits & 0x8080808080808080) == 0;
}

bool equal_ignoring_case(std::string_view one, std::string_view other) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [&](char a, char b) { return lower(a) == lower(b); });
}

namespace {

// UTF-16 or UTF-32 by the byte order mark; with LE or BE after it by the zeros; "": neither.
std::string encoding_of(std::string_view head) {
  using namespace std::string_view_literals;
  static constexpr std::pair<std::string_view, const char*> kMarks[] = {
      // the longer mark first
      {"\xFF\xFE\0\0"sv, "UTF-32"},
      {"\0\0\xFE\xFF"sv, "UTF-32"},
      {"\xFF\xFE"sv, "UTF-16"},
      {"\xFE\xFF"sv, "UTF-16"}};
  for (auto [mark, name] : kMarks)
    if (head.substr(0, mark.size()) == mark) return name;
  const size_t quarter = std::min<size_t>(head.size(), 256) / 4;
  size_t zeros[4] = {0, 0, 0, 0};
  for (size_t i = 0; i < 4 * quarter; ++i) zeros[i % 4] += head[i] == '\0';
  if (quarter < 2 || 10 * (zeros[0] + zeros[1] + zeros[2] + zeros[3]) < 3 * 4 * quarter) return "";
  if (zeros[2] == quarter && zeros[3] == quarter && !zeros[0]) return "UTF-32LE";
  if (zeros[0] == quarter && zeros[1] == quarter && !zeros[3]) return "UTF-32BE";
  if (!zeros[0] && !zeros[2]) return "UTF-16LE";
  return !zeros[1] && !zeros[3] ? "UTF-16BE" : "";
}

}  // namespace

void check_encoding(std::string_view head, const std::string& name) {
  const std::string encoding = encoding_of(head);
  if (!encoding.empty())
    throw Error(name + ": not UTF-8, but " + encoding + "; convert it with `iconv -f " + encoding +
                " -t UTF-8`");
}

size_t bad_bytes(std::string_view text) {
  if (is_ascii(text)) return 0;
  size_t count = 0;
  for (size_t at = 0; at < text.size();) {
    Character character = character_at(text, at);
    count += character.code == kBadByte;
    at += character.size;
  }
  return count;
}

std::string printable(std::string_view text) {
  auto turns = [](uint32_t code) {  // the direction of writing, in what comes after it
    return code == 0x61C || code == 0x200E || code == 0x200F ||
           (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
  };
  std::string out;
  char escape[12];
  for (size_t at = 0; at < text.size();) {
    auto [code, size] = character_at(text, at);
    const unsigned byte = static_cast<unsigned char>(text[at]);
    if (code == '\n')
      out += "\\n";
    else if (code == '\r')
      out += "\\r";
    else if (code == '\t')
      out += "\\t";
    else if (code == kBadByte || code < ' ' || (code >= 0x7F && code < 0xA0))
      out.append(escape, static_cast<size_t>(std::snprintf(escape, sizeof escape, "\\x%02x",
                                                           code == kBadByte ? byte : code)));
    else if (code == 0x2028 || code == 0x2029 || turns(code))
      out.append(escape,
                 static_cast<size_t>(std::snprintf(escape, sizeof escape, "\\u%04x", code)));
    else
      out += text.substr(at, size);
    at += size;
  }
  return out;
}

std::string with_commas(uint64_t number) {
  std::string digits = std::to_string(number);
  for (int i = static_cast<int>(digits.size()) - 3; i > 0; i -= 3) digits.insert(i, ",");
  return digits;
}

}  // namespace etagger
