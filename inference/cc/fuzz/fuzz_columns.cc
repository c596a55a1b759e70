// Bytes as a column file: the same rows come out, each token's with a tag that can be taken away
// again, whatever the chunks that they came in.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "text/columns.h"
#include "base/error.h"
#include "base/utf8.h"
#include "fuzz/fuzz.h"

namespace {

constexpr std::string_view kTag = "B-PER";

struct Result {
  std::string out, error;  // error: what the first bad row says
  size_t rows = 0, bad_bytes = 0;
};

// Reads the input in chunks of the sizes that `sizes` gives in turn, and tags every token.
Result tag_all(std::string_view input, etagger::SentenceParser parser, const std::string& sizes) {
  Result result;
  auto process = [&](const etagger::Run& run) {
    for (etagger::Block& block : etagger::blocks_of(run)) {
      if (!block.rows.empty()) {
        const size_t count = parser.count_tokens(block);
        etagger::Sentence sentence = parser.parse(&block);
        require(sentence.words.size() == block.tokens() && count == block.tokens(),
                "a word for each token");
        require(!sentence.has_pos || sentence.pos.size() == block.tokens(),
                "a pos for each token, or none");
        require(!sentence.has_chunks || sentence.chunks.size() == block.tokens(),
                "a chunk for each token, or none");
        result.rows += block.rows.size();
      }
      const etagger::Block::Column tags(block.tokens(), kTag);
      block.write({&tags}, &result.out);
    }
  };
  etagger::RunReader reader;
  etagger::Run run;
  try {
    for (size_t at = 0, turn = 0; at < input.size(); ++turn) {
      size_t size = std::min<size_t>(1 + static_cast<unsigned char>(sizes[turn % sizes.size()]),
                                     input.size() - at);
      std::memcpy(reader.room(1 << 9), input.data() + at, size);
      const bool is_whole = reader.feed(size, &run);
      if (reader.take_mark()) result.out += etagger::kByteOrderMark;
      if (is_whole) process(run);
      at += size;
    }
    process(reader.close());
  } catch (const etagger::Error& error) {
    result.error = error.what();
  }
  result.bad_bytes = parser.take_bad_bytes();
  return result;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (size_t at = 0; at <= text.size();) {
    size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

std::string_view take_return(std::string_view* line) {
  size_t size = line->size() - (!line->empty() && line->back() == '\r');
  std::string_view taken = line->substr(size);
  *line = line->substr(0, size);
  return taken;
}

// Whether a row of CoNLL-U is no token, so that it comes out as it came in.
bool passes(std::string_view row) {
  return row[0] == '#' || row.substr(0, row.find('\t')).find_first_of("-.") != row.npos;
}

// Whether `out` is `in` with a tag and at most one separator before it.
bool is_tagged(std::string_view out, std::string_view in) {
  if (take_return(&out) != take_return(&in) || out.size() < in.size() + kTag.size() ||
      out.substr(out.size() - kTag.size()) != kTag)
    return false;
  std::string_view separator = out.substr(in.size(), out.size() - kTag.size() - in.size());
  bool ends_in_one = !in.empty() && (in.back() == ' ' || in.back() == '\t');
  bool one = separator.size() == 1 && (separator[0] == ' ' || separator[0] == '\t');
  return out.substr(0, in.size()) == in && (one || (ends_in_one && separator.empty()));
}

void compare(const std::vector<std::string_view>& in, const std::vector<std::string_view>& out,
             bool whole, bool may_pass) {
  require(whole ? in.size() == out.size() : out.size() <= in.size(), "as many lines out as in");
  // In a part, nothing comes after the last newline.
  for (size_t i = 0; i + !whole < out.size(); ++i) {
    bool blank = in[i].find_first_not_of(" \t\r") == std::string_view::npos;
    bool is_same = out[i] == in[i] && (blank || (may_pass && passes(in[i])));
    require(is_same || (!blank && is_tagged(out[i], in[i])),
            "line " + std::to_string(i + 1) + " is the same but for a tag");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 8) return 0;
  std::string sizes(reinterpret_cast<const char*>(data), 7);
  std::string_view input(reinterpret_cast<const char*>(data) + 8, size - 8);
  static const std::vector<std::vector<std::string>> choices = {{},
                                                                {"word"},
                                                                {"word", "tag"},
                                                                {"word", "pos", "chunk", "tag"},
                                                                {"_", "word", "_", "chunk"},
                                                                {"id", "word", "tag"}};
  const std::vector<std::string>& columns = choices[data[7] % choices.size()];
  const std::vector<std::string>& own =
      choices[1 + data[7] / choices.size() % (choices.size() - 1)];
  const auto delimiter = static_cast<etagger::Delimiter>(data[6] % 3);
  const etagger::SentenceParser parser(data[5] % 4 ? "file" : "file.conllu", columns, own,
                                       delimiter);
  Result result = tag_all(input, parser, sizes);
  std::string_view in = input, out = result.out;
  if (in.substr(0, etagger::kByteOrderMark.size()) == etagger::kByteOrderMark) {
    require(out.substr(0, etagger::kByteOrderMark.size()) == etagger::kByteOrderMark,
            "the mark passes through");
    in.remove_prefix(etagger::kByteOrderMark.size());
    out.remove_prefix(etagger::kByteOrderMark.size());
  }
  compare(lines_of(in), lines_of(out), result.error.empty(), columns.empty() || columns[0] == "id");
  for (const std::string& other : {std::string(1, '\0'), std::string(1, '\xFF')}) {
    Result same = tag_all(input, parser, other);
    require(same.out == result.out && same.error == result.error && same.rows == result.rows &&
                same.bad_bytes == result.bad_bytes,
            "the same whatever the chunks");
  }
  return 0;
}
