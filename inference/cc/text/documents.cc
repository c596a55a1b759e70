#include "text/documents.h"

#include <algorithm>
#include <string_view>

namespace etagger {

bool DocumentReader::feed(Run* run) {
  if (!words_) return true;
  add(*run);
  size_t ready = held_.size(), words_after = 0;
  while (ready > out_ && words_after < words_ && !held_[ready - 1].is_docstart) {
    --ready;
    words_after += held_[ready].words;
  }
  if (ready == out_) return false;
  *run = take(ready);
  return true;
}

void DocumentReader::close(Run* run) {
  if (!words_) return;
  add(*run);
  *run = take(held_.size());
}

void DocumentReader::add(const Run& run) {
  if (text_.empty()) line_ = run.first_line;
  text_ += run.text;
  size_t begin = 0;
  for (const Block& block : blocks_of(run)) {
    std::string_view last = block.has_end ? block.end : block.rows.back();
    size_t end = static_cast<size_t>(last.data() + last.size() - run.text.data()) + block.newline;
    if (!block.rows.empty() || held_.size() == out_)
      held_.push_back({0, 0, parser_.count_tokens(block), is_docstart(block)});
    held_.back().blocks += 1;
    held_.back().bytes += end - begin;
    begin = end;
  }
}

// All that is held, of which the first `ready` are out then; those that nothing needs any more are
// dropped.
Run DocumentReader::take(size_t ready) {
  Run run{text_, line_};
  for (size_t i = 0; i < out_; ++i) run.blocks_before += held_[i].blocks;
  for (size_t i = ready; i < held_.size(); ++i) run.blocks_after += held_[i].blocks;
  size_t first = ready, bytes = 0;
  for (size_t words = 0; first > 0 && words < words_ && !held_[first - 1].is_docstart;) {
    --first;
    words += held_[first].words;
  }
  for (size_t i = 0; i < first; ++i) bytes += held_[i].bytes;
  line_ += static_cast<size_t>(
      std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(bytes), '\n'));
  text_.erase(0, bytes);
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(first));
  out_ = ready - first;
  return run;
}

}  // namespace etagger
