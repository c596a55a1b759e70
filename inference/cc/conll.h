// CoNLL column files: bytes -> blocks -> sentences, and back with the predicted tags. The rules are those of conll.py.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace etagger {

// One sentence as it stands in the stream, and the blank line that ended it. The views hold until the reader's next read.
struct Block {
  size_t first_line = 0;                  // number of its first line, from 1
  std::vector<std::string_view> rows;     // without the `\n`; none for a further blank line
  std::string_view end;                   // the blank line without its `\n`
  bool has_end = false;                   // false at the end of the input
  bool newline = false;                   // whether the last line of the block had its `\n`

  // Appends the block unchanged but for one tag behind each row. tags: as many as rows.
  void write(const std::vector<std::string_view>& tags, std::string* out) const;
};

// Cuts a stream of bytes into Blocks; a block is out as soon as its blank line is in.
class BlockReader {
 public:
  // Makes room for `size` bytes of the stream; what is written there is taken by feed(). Earlier Blocks end here.
  char* room(size_t size);
  std::vector<Block> feed(size_t size);   // blocks that the next `size` bytes complete
  std::vector<Block> close();             // the last ones, at the end of the stream

 private:
  std::string_view line_at(size_t index) const;
  Block cut(size_t end_line, bool has_end, bool newline);

  std::string buffer_;
  size_t used_ = 0;                       // bytes of the stream in buffer_
  size_t done_ = 0;                       // of them, those of blocks that are out
  size_t scanned_ = 0;                    // of them, those whose lines are known
  std::vector<std::pair<size_t, size_t>> lines_;      // begin and end of the lines behind done_
  size_t line_ = 0;                       // lines before those
};

// Columns of one sentence.
struct Sentence {
  std::vector<std::string_view> words, pos, chunks;
  bool has_pos = false, has_chunks = false;
  bool is_docstart = false;               // a -DOCSTART- line alone: O without asking the model
};

// `word pos chunk tag`, or with commas; `_` ignores a column. Throws Error.
std::vector<std::string> parse_columns(std::string_view text);

// Blocks -> Sentences, checking that every row has the columns that the first row has.
class SentenceParser {
 public:
  // name: of the file, in messages. columns: from parse_columns, or none. own: the model's columns.
  SentenceParser(std::string name, std::vector<std::string> columns, std::vector<std::string> own);

  Sentence parse(const Block& block);     // throws Error naming file and line
  const std::string& name() const { return name_; }
  size_t bad_bytes() const { return bad_bytes_; }

 private:
  struct Field {                          // of a column
    std::vector<std::string_view> Sentence::*to;      // nullptr: nowhere
    bool is_read;                         // its bytes are checked
  };
  void set_columns(std::vector<std::string> columns);
  void choose_columns(size_t count, size_t line);
  void add_row(std::string_view row, Sentence* sentence);
  [[noreturn]] void fail(size_t line, const std::string& message) const;

  std::string name_;
  std::vector<std::string> columns_, own_;
  std::vector<Field> fields_;             // of columns_
  size_t bad_bytes_ = 0;
  std::vector<std::string_view> cells_;   // of a row
};

}  // namespace etagger
