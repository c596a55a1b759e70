// A stream of CoNLL columns, or of lines: bytes -> runs of whole sentences -> blocks of rows. The
// rules are those of conll.py, which explains them: byte order marks, -DOCSTART-, blank lines.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace etagger {

// A stream without blank lines takes no more memory than these allow.
constexpr size_t kMostRows = 100000;  // of a sentence, in rows or in words of a line of raw text; a
                                      // longer one is cut, and each piece is a sentence of its own
constexpr size_t kMostLine = 1 << 24;  // bytes of a line; a longer one throws LongLine

struct LongLine : Error {
  using Error::Error;
};

constexpr std::string_view kDocstart = "-DOCSTART-";  // in any case

// Whether `word` is kDocstart.
bool is_docstart(std::string_view word);

// One sentence as it stands in the stream, and the blank line that ended it. The views are of its
// Run.
struct Block {
  size_t first_line = 0;               // number of its first line, from 1
  std::vector<std::string_view> rows;  // without the `\n`; none for a further blank line
  std::string_view end;                // the blank line without its `\n`
  bool has_end = false;                // false where no blank line ended it
  bool newline = false;                // whether the last line of the block had its `\n`
  std::vector<bool> is_token;          // of each row, set by SentenceParser; empty: all are
  bool is_cut = false;                 // whether the sentence goes on in the next block
  // A tab comes before a tag; else the row's own last separator, or a space.
  bool is_tabbed = false;

  // How many of its rows are tokens.
  size_t tokens() const;
  // Appends the block unchanged but for one cell of each column after each token's row. A column
  // has as many as there are tokens.
  using Column = std::vector<std::string_view>;
  void write(std::initializer_list<const Column*> columns, std::string* out) const;
};

// Whole sentences of a stream, each with the blank lines after it.
struct Run {
  std::string text;
  size_t first_line = 1;  // number of its first line, from 1
  // How many blocks at its beginning and at its end are only context, see DocumentReader.
  size_t blocks_before = 0, blocks_after = 0;
  bool is_cut = false;  // whether its last sentence goes on
};

// The sentences of a run, cut after kMostRows rows. A line that has only spaces, tabs or `\r` is
// blank. A row that begins with -DOCSTART- is a block of its own.
std::vector<Block> blocks_of(const Run& run);

// Whether the block is a -DOCSTART- row.
bool is_docstart(const Block& block);

// The -DOCSTART- that the row begins with, or nothing.
std::string_view docstart_of(std::string_view row);

// Space and tab.
inline bool is_separator(char c) {
  return c == ' ' || c == '\t';
}

// The row without a `\r` at its end.
std::string_view without_return(std::string_view row);

// Cuts a stream of bytes into Runs: a sentence is out as soon as its blank line is in. A byte order
// mark before the text is in none of them.
class RunReader {
 public:
  // lines: every line is a sentence. name: of the stream, in messages.
  explicit RunReader(bool lines = false, std::string name = "<stdin>")
      : lines_(lines), name_(std::move(name)) {}

  // Makes room for `size` bytes of the stream; what is written there is taken by feed().
  char* room(size_t size);
  // The sentences that the next `size` bytes complete, or the first kMostRows rows of one that goes
  // on; false: none. Throws LongLine for a line of more than kMostLine bytes.
  bool feed(size_t size, Run* run);
  // The last ones, at the end of the stream.
  Run close();
  // Whether the text has a byte order mark before it; true once, before its first Run is used.
  bool take_mark() { return std::exchange(has_mark_, false); }

 private:
  bool find_mark();
  Run cut(size_t end);
  bool cut_rows(Run* run);
  void check_line(size_t before) const;

  bool lines_;
  bool is_begin_ = true, has_mark_ = false;  // is_begin_: the first bytes may be a part of a mark
  std::string name_;
  std::string buffer_;
  size_t used_ = 0;  // bytes of the stream in buffer_
  size_t open_ = 0;  // of them, those before the last line that is not yet whole
  size_t rows_ = 0;  // whole lines among these bytes
  size_t line_ = 1;  // number of the first line in buffer_
};

}  // namespace etagger
