// Splits a text into sentences by the rules of features/sentences.py, which explains them.
// make_sentence_break.py writes the table unicode_sentence.inc.
#pragma once

#include <cstddef>
#include <string_view>

namespace etagger {

// Returns where the sentence ends that contains text[at], at < text.size(). tailored: no sentence
// ends after abbreviations and initials; otherwise the boundaries are exactly those of Unicode's
// Standard Annex 29. It also reads text before `at`, so the result does not depend on where in the
// sentence `at` is.
size_t sentence_end(std::string_view text, size_t at, bool tailored = true);

// The text without white space at both ends.
std::string_view stripped(std::string_view text);

}  // namespace etagger
