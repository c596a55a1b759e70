#include "text/lowercase.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/ranges.h"

namespace etagger {
namespace {

// Code points first, first + step, ... last have the lower case code + delta.
struct CaseRange {
  uint32_t first, last, step;
  int32_t delta;
};

#include "text/unicode_lower.inc"  // kUnicodeVersion, kLowerCase, kCased, kCaseIgnorable

constexpr uint32_t kCapitalSigma = 0x3A3, kSmallSigma = 0x3C3, kFinalSigma = 0x3C2,
                   kCapitalIWithDot = 0x130;
constexpr uint32_t kCombiningDotAbove = 0x307;

// Lower case of one code point without special casing.
uint32_t simple_lower(uint32_t code) {
  if (code < 0x80) return code >= 'A' && code <= 'Z' ? code + 32 : code;
  const CaseRange* range = find_range(kLowerCase, code);
  return range && (code - range->first) % range->step == 0 ? code + range->delta : code;
}

// Unicode's Final_Sigma as Python decides it: after a cased character and not before one,
// case-ignorable ones left out.
bool is_final_sigma(std::string_view text, size_t at, size_t next) {
  bool follows = false;
  while (at > 0 && !follows) {
    at = character_before(text, at);
    uint32_t code = character_at(text, at).code;
    if (find_range(kCaseIgnorable, code)) continue;
    if (!find_range(kCased, code)) return false;
    follows = true;
  }
  while (next < text.size()) {
    Character character = character_at(text, next);
    if (!find_range(kCaseIgnorable, character.code))
      return follows && !find_range(kCased, character.code);
    next += character.size;
  }
  return follows;
}

}  // namespace

std::string lower(std::string_view text) {
  std::string out;
  if (is_ascii(text)) {
    out.resize(text.size());
    std::transform(text.begin(), text.end(), out.begin(), [](char c) {
      return static_cast<char>(simple_lower(static_cast<uint32_t>(c)));
    });
    return out;
  }
  out.reserve(text.size() + 2);
  for (size_t at = 0; at < text.size();) {
    Character character = character_at(text, at);
    size_t next = at + character.size;
    if (character.code == kBadByte) {
      out.push_back(text[at]);
    } else if (character.code == kCapitalSigma) {
      append_utf8(is_final_sigma(text, at, next) ? kFinalSigma : kSmallSigma, &out);
    } else if (character.code == kCapitalIWithDot) {
      append_utf8('i', &out);
      append_utf8(kCombiningDotAbove, &out);
    } else {
      append_utf8(simple_lower(character.code), &out);
    }
    at = next;
  }
  return out;
}

bool is_wide_upper(uint32_t code) {
  return code == kCapitalIWithDot || (code != kBadByte && simple_lower(code) != code);
}

}  // namespace etagger
