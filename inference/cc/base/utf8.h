// Text as etagger reads it: bytes, UTF-8 where they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace etagger {

// Code point of a byte that is not UTF-8: it is a character of its own, which no vocabulary knows.
constexpr uint32_t kBadByte = 0xFFFFFFFF;

struct Character {
  uint32_t code;  // code point, or kBadByte
  uint32_t size;  // bytes that it takes, 1 to 4
};

// The character that begins at text[at], at < text.size().
Character wide_character_at(std::string_view text, size_t at);  // of a byte beyond ASCII
inline Character character_at(std::string_view text, size_t at) {
  unsigned char first = static_cast<unsigned char>(text[at]);
  return first < 0x80 ? Character{first, 1} : wide_character_at(text, at);
}

// Where the character before text[at] begins, 0 < at <= text.size().
size_t character_before(std::string_view text, size_t at);

// How many characters there are, each byte that is not UTF-8 one of them: Python's len().
size_t count_characters(std::string_view text);

// Appends the code point as UTF-8.
void append_utf8(uint32_t code, std::string* out);

// Whether all of it is ASCII.
bool is_ascii(std::string_view text);

// Whether two texts are equal but for the case of ASCII letters.
bool equal_ignoring_case(std::string_view one, std::string_view other);

// Throws Error where a text that begins with these bytes is UTF-16 or UTF-32, as files/text.py has
// it: by its byte order mark, or, given 8 bytes or more, by the zeros of its ASCII characters.
// name: in the message.
void check_encoding(std::string_view head, const std::string& name);

// UTF-8's byte order mark.
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// How many bytes are not UTF-8.
size_t bad_bytes(std::string_view text);

// A text as one line that can be shown to a person, whatever its bytes: control characters, line
// ends of any kind and marks that turn the direction of writing become \n, \x1b or \u202e, as
// Python writes them, and bytes that are not UTF-8 \xff.
std::string printable(std::string_view text);

// A text that a person reads in a message: 1234567 -> "1,234,567".
std::string with_commas(uint64_t number);

}  // namespace etagger
