// The built-in tokenizer of line mode: the rules of features/tokenizer.py, to the letter.
#pragma once

#include <string_view>
#include <vector>

namespace etagger {

// A line of text -> its tokens, views into the line, in order; nothing but white space is lost. A
// line end at its end is white space, a byte that is not UTF-8 is a character like any other.
std::vector<std::string_view> tokenize(std::string_view line);

}  // namespace etagger
