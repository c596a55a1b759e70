// Bytes as a column file whose sentences are held back for their documents: all of it comes out
// once and in order, and around each sentence stand the words that are around it in the file, as
// many as were asked for or the document has, whatever the chunks.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/utf8.h"
#include "text/documents.h"
#include "fuzz/fuzz.h"

namespace {

// The first column of a file, and where a document begins in it: 0 words.
struct Text {
  std::vector<std::vector<std::string_view>> sentences;
  size_t begin = 0, end = 0;  // of those that are the run's own
};

Text text_of(const std::vector<etagger::Block>& blocks, size_t before, size_t after) {
  Text text;
  for (size_t i = 0; i < blocks.size(); ++i) {
    if (i == before) text.begin = text.sentences.size();
    if (i + after == blocks.size()) text.end = text.sentences.size();
    if (blocks[i].rows.empty()) continue;
    text.sentences.push_back(blocks[i].rows);
  }
  if (before == blocks.size()) text.begin = text.sentences.size();
  if (!after) text.end = text.sentences.size();
  return text;
}

bool is_docstart(const std::vector<std::string_view>& rows) {
  size_t first = rows[0].find_first_not_of(" \t");
  size_t end = std::min(rows[0].find_first_of(" \t\r", first), rows[0].size());
  return rows.size() == 1 && etagger::is_docstart(rows[0].substr(first, end - first));
}

// The `most` words on one side of a sentence in its document, the nearest first.
std::vector<std::string_view> words_beside(const Text& text, size_t place, bool before,
                                           size_t most) {
  std::vector<std::string_view> words;
  while (before ? place > 0 : place + 1 < text.sentences.size()) {
    const std::vector<std::string_view>& rows = text.sentences[before ? --place : ++place];
    if (is_docstart(rows)) break;
    if (before)
      words.insert(words.end(), rows.rbegin(), rows.rend());
    else
      words.insert(words.end(), rows.begin(), rows.end());
    if (words.size() >= most) break;
  }
  words.resize(std::min(words.size(), most));
  return words;
}

std::string own_text(const std::vector<etagger::Block>& blocks, size_t before, size_t after) {
  std::string text;
  for (size_t i = before; i + after < blocks.size(); ++i) {
    for (std::string_view row : blocks[i].rows) text.append(row).append("\n");
    if (blocks[i].has_end) text.append(blocks[i].end).append("\n");
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 8) return 0;
  const size_t most = 1 + data[0] % 20;
  const std::string input(reinterpret_cast<const char*>(data) + 8, size - 8);
  const bool has_mark = input.substr(0, etagger::kByteOrderMark.size()) == etagger::kByteOrderMark;
  const etagger::Run whole{input.substr(has_mark ? etagger::kByteOrderMark.size() : 0)};
  std::vector<etagger::Block> blocks = etagger::blocks_of(whole);
  const Text all = text_of(blocks, 0, 0);
  std::string out;
  size_t next = 0, line = 1;  // of the sentence, and of the run's own text
  auto check = [&](const etagger::Run& run) {
    std::vector<etagger::Block> parts = etagger::blocks_of(run);
    require(run.blocks_before + run.blocks_after <= parts.size(), "blocks around");
    if (run.blocks_before < parts.size())
      require(parts[run.blocks_before].first_line == line, "the number of the first line");
    const Text text = text_of(parts, run.blocks_before, run.blocks_after);
    for (size_t i = text.begin; i < text.end; ++i, ++next) {
      require(next < all.sentences.size() && text.sentences[i] == all.sentences[next],
              "the same sentence");
      if (is_docstart(text.sentences[i])) continue;
      for (bool before : {true, false})
        require(words_beside(text, i, before, most) == words_beside(all, next, before, most),
                "the words around it");
    }
    std::string own = own_text(parts, run.blocks_before, run.blocks_after);
    line += static_cast<size_t>(std::count(own.begin(), own.end(), '\n'));
    out += own;
  };
  etagger::RunReader reader;
  etagger::DocumentReader documents(most, {"file", {}, {}, etagger::Delimiter::kSpace});
  etagger::Run run;
  for (size_t at = 0, turn = 0; at < input.size(); ++turn) {
    size_t count = std::min<size_t>(1 + data[1 + turn % 7], input.size() - at);
    std::memcpy(reader.room(1 << 9), input.data() + at, count);
    if (reader.feed(count, &run) && documents.feed(&run)) check(run);
    at += count;
  }
  run = reader.close();
  documents.close(&run);
  check(run);
  require(next == all.sentences.size() && out == own_text(blocks, 0, 0),
          "all of it comes out once");
  return 0;
}
