// BERT's word pieces (Wu et al. 2016; Devlin et al. 2019), as the library `tokenizers` cuts them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocab.h"

namespace etagger {

class Wordpiece {
 public:
  // vocabulary: the pieces, in UTF-8, by id; it must outlive this. lower: of an uncased model,
  // which strips accents as well. Throws Error where it has no [UNK].
  Wordpiece(const Section& vocabulary, bool lower);

  // Appends the ids of a word's pieces, which may be none. Bytes that are not UTF-8 count as
  // U+FFFD, which is left out.
  void pieces(std::string_view word, std::vector<int32_t>* out) const;

 private:
  void cut(std::string_view token, std::vector<int32_t>* out) const;

  const Section& vocabulary_;
  bool lower_;
  int32_t unknown_;
  size_t longest_ = 0;  // bytes of a piece
};

// The tokens of a word, in UTF-8. BERT's normalizer: control characters away, white space to
// U+0020; spaces around ideographs; where `lower`, NFD without nonspacing marks, and each character
// in lower case. Then its split: at spaces, and around punctuation.
std::vector<std::string> bert_tokens(std::string_view word, bool lower);

}  // namespace etagger
