// Python's str.lower() for all of Unicode. make_lowercase.py makes its tables, unicode_lower.inc.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace etagger {

// Python's str.lower(): special casing of U+0130 and of the final sigma included. Bytes that are
// not UTF-8 stay.
std::string lower(std::string_view text);

// Whether lower() changes the character when it stands alone.
bool is_wide_upper(uint32_t code);  // of one beyond ASCII
inline bool is_upper(uint32_t code) {
  return code < 0x80 ? code >= 'A' && code <= 'Z' : is_wide_upper(code);
}

}  // namespace etagger
