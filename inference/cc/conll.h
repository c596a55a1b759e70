// CoNLL column files: bytes -> blocks -> sentences, and back with the predicted tags. The rules are
// those of conll.py.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "error.h"

namespace etagger {

// More rows than any sentence has: one with more is cut there, and each piece is tagged as a
// sentence of its own, so that a stream without blank lines takes no more memory than this. The
// same for the words of a line of raw text.
constexpr size_t kMostRows = 100000;
constexpr size_t kMostLine = 1 << 24;  // bytes of a line; a longer one throws LongLine

// Such a line.
struct LongLine : Error {
  using Error::Error;
};

// One sentence as it stands in the stream, and the blank line that ended it. The views are of its
// Run.
struct Block {
  size_t first_line = 0;               // number of its first line, from 1
  std::vector<std::string_view> rows;  // without the `\n`; none for a further blank line
  std::string_view end;                // the blank line without its `\n`
  bool has_end = false;                // false at the end of the input
  bool newline = false;                // whether the last line of the block had its `\n`
  bool is_cut = false;                 // whether the sentence goes on in the next block

  // Appends the block unchanged but for one tag behind each row. tags: as many as rows.
  void write(const std::vector<std::string_view>& tags, std::string* out) const;
};

// Whole sentences of a stream, with the blank lines behind them.
struct Run {
  std::string text;
  size_t first_line = 1;          // number of its first line, from 1
  size_t before = 0, behind = 0;  // how many of its first and of its last blocks are not its own:
                                  // those around it, see DocumentReader
  bool is_cut = false;            // whether its last sentence goes on
};

// The sentences of a run, cut after kMostRows rows. A line that has only spaces, tabs or `\r` is
// blank.
std::vector<Block> blocks_of(const Run& run);

// Cuts a stream of bytes into Runs: a sentence is out as soon as its blank line is in.
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

 private:
  Run cut(size_t end);
  bool cut_rows(Run* run);
  void check_line(size_t before) const;

  bool lines_;
  std::string name_;
  std::string buffer_;
  size_t used_ = 0;  // bytes of the stream in buffer_
  size_t open_ = 0;  // of them, those before the last line that is not yet whole
  size_t rows_ = 0;  // whole lines among these bytes
  size_t line_ = 1;  // number of the first line in buffer_
};

constexpr std::string_view kDocstart = "-DOCSTART-";

// Holds the sentences of Runs back until the words around each are known: `words` on each side, or
// fewer where its document begins or ends. With 0 it lets all pass.
class DocumentReader {
 public:
  explicit DocumentReader(size_t words) : words_(words) {}

  // Takes the next Run, and puts in its place the sentences that are ready, with those around them.
  // false: none is.
  bool feed(Run* run);
  // The same at the end of the stream: all that are left.
  void close(Run* run);

 private:
  struct Held {  // a sentence, and the blank lines behind it
    size_t blocks, bytes, words;
    bool is_docstart;
  };
  void add(const Run& run);
  Run take(size_t ready);

  size_t words_;
  std::string text_;  // of what is held
  size_t line_ = 1;   // number of its first line
  std::vector<Held> held_;
  size_t out_ =
      0;  // of them, those at the beginning that are out: only what follows still needs them
};

// Columns of one sentence.
struct Sentence {
  std::vector<std::string_view> words, pos, chunks;
  bool has_pos = false, has_chunks = false;

  bool is_docstart() const {
    return words.size() == 1 && words[0] == kDocstart;
  }  // such a line alone: O without asking the model
};

// Sentences that lie before the first and behind the last of some others in memory: to be read, and
// not to be tagged.
struct Around {
  size_t before = 0, behind = 0;
};

// `word pos chunk tag`, or with commas; `_` ignores a column. Throws Error.
std::vector<std::string> parse_columns(std::string_view text);

// Whether each name is one that parse_columns knows, stands once (but `_`), and `word` is among
// them. Throws Error that begins with `whose`.
void check_columns(const std::vector<std::string>& names, const std::string& whose);

// Blocks -> Sentences, checking that every row has the columns that the first row has.
class SentenceParser {
 public:
  // name: of the file, in messages. columns: from parse_columns, or none. own: the model's columns.
  SentenceParser(std::string name, std::vector<std::string> columns, std::vector<std::string> own);

  Sentence parse(const Block& block);  // throws Error naming file and line
  const std::string& name() const { return name_; }
  size_t take_bad_bytes() { return std::exchange(bad_bytes_, 0); }  // those since the last call

 private:
  struct Field {                                   // of a column
    std::vector<std::string_view> Sentence::* to;  // nullptr: nowhere
    bool is_read;                                  // its bytes are checked
  };
  void set_columns(std::vector<std::string> columns);
  void choose_columns(size_t count, size_t line);
  void add_row(std::string_view row, Sentence* sentence);
  [[noreturn]] void fail(size_t line, const std::string& message) const;

  std::string name_;
  std::vector<std::string> columns_, own_;
  std::vector<Field> fields_;  // of columns_
  size_t bad_bytes_ = 0;
  std::vector<std::string_view> cells_;  // of a row
};

}  // namespace etagger
