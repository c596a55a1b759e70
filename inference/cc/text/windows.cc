#include "text/windows.h"

#include <algorithm>

#include "base/error.h"

namespace etagger {
namespace {

int32_t special(const Section& vocabulary, const char* piece) {
  int id = vocabulary.find(piece);
  if (id < 0) throw Error(std::string("BERT's vocabulary has no ") + piece);
  return id;
}

// The size of a word in pieces.
size_t pieces_of(const std::vector<size_t>& begins, size_t word) {
  return begins[word + 1] - begins[word];
}

// How many pieces of the words before document[place] fit into `room`, the nearest words first.
size_t fitting_before(const CutWords* document, size_t place, size_t room) {
  size_t taken = 0;
  for (size_t i = place; i > 0; --i) {
    const std::vector<size_t>& begins = document[i - 1].begins;
    for (size_t word = begins.size() - 1; word > 0; --word) {
      size_t size = pieces_of(begins, word - 1);
      if (taken + size > room) return taken;
      taken += size;
    }
  }
  return taken;
}

// The same of the words after it.
size_t fitting_after(const CutWords* document, size_t count, size_t place, size_t room) {
  size_t taken = 0;
  for (size_t i = place + 1; i < count; ++i) {
    const std::vector<size_t>& begins = document[i].begins;
    for (size_t word = 0; word + 1 < begins.size(); ++word) {
      size_t size = pieces_of(begins, word);
      if (taken + size > room) return taken;
      taken += size;
    }
  }
  return taken;
}

}  // namespace

WindowMaker::WindowMaker(const Section& vocabulary, bool lower, size_t max_seq_length)
    : wordpiece_(vocabulary, lower),
      capacity_(max_seq_length - 2),
      padding_(special(vocabulary, "[PAD]")),
      unknown_(special(vocabulary, "[UNK]")),
      begin_(special(vocabulary, "[CLS]")),
      end_(special(vocabulary, "[SEP]")) {}

CutWords WindowMaker::cut(const std::vector<std::string_view>& words) const {
  CutWords cut;
  cut.begins.reserve(words.size() + 1);
  cut.begins.push_back(0);
  for (std::string_view word : words) {
    size_t begin = cut.begins.back();
    wordpiece_.pieces(word, &cut.ids);
    if (cut.ids.size() == begin) cut.ids.push_back(unknown_);
    cut.ids.resize(std::min(cut.ids.size(), begin + capacity_));
    cut.begins.push_back(cut.ids.size());
  }
  return cut;
}

Windows WindowMaker::windows(const CutWords* document, size_t count, size_t place) const {
  const CutWords& sentence = document[place];
  Windows made = sentence.ids.size() <= capacity_ ? whole(document, count, place) : parts(sentence);
  for (size_t word = 0; word + 1 < sentence.begins.size(); ++word)
    made.count.push_back(sentence.begins[word + 1] - sentence.begins[word]);
  return made;
}

// Half of the room is for words before it, or more where there are fewer after it.
Windows WindowMaker::whole(const CutWords* document, size_t count, size_t place) const {
  const CutWords& sentence = document[place];
  const size_t room = capacity_ - sentence.ids.size();
  size_t there = 0;  // pieces after it; more than fill the room do not count
  for (size_t i = place + 1; i < count && there < room; ++i) there += document[i].ids.size();
  const size_t before =
      fitting_before(document, place, std::max(room / 2, room - std::min(there, room)));
  size_t after = fitting_after(document, count, place, room - before);

  std::vector<int32_t> window{begin_};
  auto append = [&](const std::vector<int32_t>& ids, size_t begin, size_t end) {
    window.insert(window.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin),
                  ids.begin() + static_cast<std::ptrdiff_t>(end));
  };
  // The pieces before it are all of document[first] ... and the last `part` of the one before that.
  size_t first = place, part = before;
  while (part && part >= document[first - 1].ids.size()) {
    --first;
    part -= document[first].ids.size();
  }
  if (part) {
    const std::vector<int32_t>& ids = document[first - 1].ids;
    append(ids, ids.size() - part, ids.size());
  }
  for (size_t i = first; i <= place; ++i) append(document[i].ids, 0, document[i].ids.size());
  for (size_t i = place + 1; after > 0; ++i) {
    const size_t taken = std::min(after, document[i].ids.size());
    append(document[i].ids, 0, taken);
    after -= taken;
  }
  window.push_back(end_);

  Windows made;
  made.windows.push_back(std::move(window));
  made.window.assign(sentence.begins.size() - 1, 0);
  for (size_t word = 0; word + 1 < sentence.begins.size(); ++word)
    made.offset.push_back(1 + before + sentence.begins[word]);
  return made;
}

// Each word is read in the window where the lesser of its contexts, before or after it, is the
// greatest; of equals in the first.
Windows WindowMaker::parts(const CutWords& sentence) const {
  const std::vector<size_t>& begins = sentence.begins;
  Windows made;
  std::vector<size_t> best(begins.size() - 1, 0);  // that context, + 1
  made.window.assign(best.size(), 0);
  made.offset.assign(best.size(), 0);
  for (auto [first, end] : spans_of(begins, capacity_)) {
    std::vector<int32_t> window{begin_};
    window.insert(window.end(), sentence.ids.begin() + static_cast<std::ptrdiff_t>(begins[first]),
                  sentence.ids.begin() + static_cast<std::ptrdiff_t>(begins[end]));
    window.push_back(end_);
    for (size_t word = first; word < end; ++word) {
      size_t context = 1 + std::min(begins[word] - begins[first], begins[end] - begins[word + 1]);
      if (context <= best[word]) continue;
      best[word] = context;
      made.window[word] = made.windows.size();
      made.offset[word] = 1 + begins[word] - begins[first];
    }
    made.windows.push_back(std::move(window));
  }
  return made;
}

std::vector<std::pair<size_t, size_t>> spans_of(const std::vector<size_t>& begins,
                                                size_t capacity) {
  std::vector<std::pair<size_t, size_t>> spans;
  const size_t words = begins.size() - 1;
  for (size_t first = 0;;) {
    size_t end = first;
    while (end < words && begins[end + 1] - begins[first] <= capacity) ++end;
    spans.emplace_back(first, end);
    if (end == words) return spans;
    size_t next = first + 1;
    while (begins[next + 1] - begins[first] <= capacity / 2) ++next;
    first = next;
  }
}

}  // namespace etagger
