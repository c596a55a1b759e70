// Splits a text into sentences: the rules of features/sentences.py, which explains them.
// make_sentence_break.py makes its table, unicode_sentence.inc.
#pragma once

#include <cstddef>
#include <string_view>

namespace etagger {

// Where the sentence ends that goes on at text[at], at < text.size(). tailored: abbreviations and
// initials remove breaks of Unicode's Standard Annex 29. What is before text[at] is looked at, too,
// so that the sentences of a text are the same wherever it is begun.
size_t sentence_end(std::string_view text, size_t at, bool tailored = true);

// The text without the white space at both ends that is in no token.
std::string_view stripped(std::string_view text);

}  // namespace etagger
