// Where a Feeder gets its ids from: vocab.txt, or an .etagger file.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/lowercase.h"

namespace etagger {

class Ids {
 public:
  virtual ~Ids() = default;

  virtual int word_id(std::string_view word,
                      bool lowercase) const = 0;      // unknown is 1, as in all of these
  virtual int character_id(uint32_t code) const = 0;  // unknown also for kBadByte
  virtual int pos_id(std::string_view pos) const = 0;
  virtual int chunk_id(std::string_view chunk) const = 0;

  // The indices of a gazetteer's types for each token, int32 (sentence, types), 0 or 1.
  virtual std::vector<int32_t> marks(const std::vector<std::string_view>& words) const = 0;
};

inline int known_or_1(int id) {
  return id > 0 ? id : 1;
}

// The word as it is; lowercased, where the vectors are; then with its ASCII digits as 0; else
// unknown. find: token -> id or -1.
template <class Find>
int look_up_word(std::string_view word, bool lowercase, Find find) {
  int found = find(word);
  if (found >= 0) return known_or_1(found);
  std::string other = lowercase ? lower(word) : std::string(word);
  if (other != word) {
    found = find(other);
    if (found >= 0) return known_or_1(found);
  }
  bool has_digits = false;
  for (char& letter : other) {
    if (letter < '1' || letter > '9') continue;
    letter = '0';
    has_digits = true;
  }
  return has_digits ? known_or_1(find(other)) : 1;
}

// Marks the longest names from the left; names do not overlap, and a token with a space in it is
// none of their words. longest(word): words in the longest name that it begins, or 0. mark(name,
// to, length): whether the name, words joined by spaces, is known; marks its types in `length` rows
// of `to` if so.
template <class Longest, class Mark>
std::vector<int32_t> mark_names(const std::vector<std::string_view>& words, size_t types,
                                Longest longest, Mark mark) {
  std::vector<int32_t> marks(words.size() * types, 0);
  for (size_t i = 0; i < words.size();) {
    auto has_space = [](std::string_view word) { return word.find(' ') != word.npos; };
    size_t length = 0;
    for (size_t most = std::min<size_t>(longest(words[i]), words.size() - i);
         length < most && !has_space(words[i + length]);)
      ++length;
    for (; length > 0; --length) {
      std::string joined(words[i]);
      for (size_t k = 1; k < length; ++k) joined.append(" ").append(words[i + k]);
      if (mark(joined, &marks[i * types], length)) break;
    }
    i += std::max<size_t>(length, 1);
  }
  return marks;
}

}  // namespace etagger
