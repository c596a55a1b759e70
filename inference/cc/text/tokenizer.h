// The built-in tokenizers: the rules of features/tokenizer.py, to the letter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace etagger {

enum class Tokenizer { kWords, kCharacters };

// `words` or `characters`. Throws Error.
Tokenizer parse_tokenizer(std::string_view name);

// Whether a token never holds this character.
bool is_white_space(uint32_t code);

// A line of text -> its tokens, views into the line, in order; nothing but white space is lost. A
// line end at its end is white space, a byte that is not UTF-8 is a character like any other.
std::vector<std::string_view> tokenize(std::string_view line, Tokenizer tokenizer);

// The same in pieces: appends the tokens of the line from its byte `at` on, until there are
// `enough` of them and a word ends. Returns where to go on, or the line's size.
size_t tokenize_on(std::string_view line, size_t at, size_t enough, Tokenizer tokenizer,
                   std::vector<std::string_view>* tokens);

}  // namespace etagger
