// Windows of pieces, in which BERT reads sentences (Devlin et al. 2019), as features/wordpiece.py
// makes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "text/wordpiece.h"

namespace etagger {

// A sentence's words as ids of their pieces, one after the other.
struct CutWords {
  std::vector<int32_t> ids;
  std::vector<size_t> begins;  // of each word in ids, and the end of the last
};

// A sentence as BERT reads it.
struct Windows {
  std::vector<std::vector<int32_t>> windows;  // ids of pieces, [CLS] and [SEP] included
  std::vector<size_t> window;                 // of each word: the one in which it is read
  std::vector<size_t> offset;                 // of each word: where its first piece lies there
  std::vector<size_t> count;                  // of each word: its pieces there
};

class WindowMaker {
 public:
  // vocabulary: see Wordpiece. max_seq_length: pieces of a window, at most. Throws Error where a
  // special piece is missing.
  WindowMaker(const Section& vocabulary, bool lower, size_t max_seq_length);

  // Pieces of words: [UNK] where there are none, and no more than a window holds.
  CutWords cut(const std::vector<std::string_view>& words) const;

  // Windows of the sentence document[place]: one where it fits, which the nearest words of the
  // sentences around it fill up.
  Windows windows(const CutWords* document, size_t count, size_t place) const;

  int32_t padding() const { return padding_; }

 private:
  Windows whole(const CutWords* document, size_t count, size_t place) const;
  Windows parts(const CutWords& sentence) const;

  Wordpiece wordpiece_;
  size_t capacity_;  // pieces of a window without [CLS] and [SEP]
  int32_t padding_, unknown_, begin_, end_;
};

// Overlapping windows of whole words, [first, end). A window takes the words that fit; the next one
// begins about half a window further. begins: as in CutWords; no word has more than `capacity`
// pieces.
std::vector<std::pair<size_t, size_t>> spans_of(const std::vector<size_t>& begins, size_t capacity);

}  // namespace etagger
