// CoNLL column files: bytes -> blocks -> sentences, and back with the predicted tags. The rules are
// those of conll.py, which says them: byte order marks, -DOCSTART-, --delimiter tab, CoNLL-U.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

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
  bool has_end = false;                // false where no blank line ended it
  bool newline = false;                // whether the last line of the block had its `\n`
  std::vector<bool> is_token;          // of each row; empty: all are. SentenceParser says it
  bool is_cut = false;                 // whether the sentence goes on in the next block
  // A tab comes before a tag; else the row's own last separator, or a space.
  bool is_tabbed = false;

  // How many of its rows are tokens.
  size_t tokens() const;
  // Appends the block unchanged but for one tag behind each token's row. tags: as many as tokens.
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
// blank. A row that begins with -DOCSTART- is a block of its own.
std::vector<Block> blocks_of(const Run& run);

constexpr std::string_view kMark = "\xEF\xBB\xBF";  // the byte order mark of UTF-8

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

constexpr std::string_view kDocstart = "-DOCSTART-";  // in any case

// Whether `word` is kDocstart.
bool is_docstart(std::string_view word);

// Columns of one sentence.
struct Sentence {
  std::vector<std::string_view> words, pos, chunks;
  bool has_pos = false, has_chunks = false;

  bool is_docstart() const {
    return words.size() == 1 && etagger::is_docstart(words[0]);
  }  // such a line alone: O without asking the model
};

// Sentences that lie before the first and behind the last of some others in memory: to be read, and
// not to be tagged.
struct Around {
  size_t before = 0, behind = 0;
};

// What --delimiter says.
enum class Delimiter { kUnsaid, kSpace, kTab };

// `space`, `tab`, or nothing. Throws Error.
Delimiter parse_delimiter(std::string_view text);

// `word pos chunk tag`, or with commas; `_` ignores a column, `id` before the others is that of
// CoNLL-U. Throws Error.
std::vector<std::string> parse_columns(std::string_view text,
                                       Delimiter delimiter = Delimiter::kUnsaid);

// Whether each name is one that parse_columns knows, stands once (but `_`), and `word` is among
// them. Throws Error that begins with `whose`.
void check_columns(const std::vector<std::string>& names, const std::string& whose);

// Blocks -> Sentences, checking that every row has the columns that the first row has.
class SentenceParser {
 public:
  // name: of the file, in messages. columns: from parse_columns, or none. own: the model's columns.
  SentenceParser(std::string name, std::vector<std::string> columns, std::vector<std::string> own,
                 Delimiter delimiter = Delimiter::kUnsaid);

  // Says in the block which rows are tokens and what comes before a tag; a sentence without words
  // where none is a token. Throws Error naming file and line.
  Sentence parse(Block* block);
  // How many tokens a block of rows has.
  size_t count_tokens(const Block& block);
  const std::string& name() const { return name_; }
  // Whether rows are single columns, in a file whose columns single tabs separate.
  bool is_one_tabbed_column() const { return is_tabbed() && columns_.size() == 1; }
  size_t take_bad_bytes() { return std::exchange(bad_bytes_, 0); }  // those since the last call

 private:
  struct Field {                                   // of a column
    std::vector<std::string_view> Sentence::* to;  // nullptr: nowhere
    bool is_read;                                  // its bytes are checked
  };
  bool is_tabbed() const { return delimiter_ == Delimiter::kTab; }
  void settle(const Block& block);
  bool looks_like_conllu(const Block& block) const;
  void check_conllu(const Block& block) const;
  void set_columns(std::vector<std::string> columns);
  void choose_columns(std::string_view row, size_t line);
  void add_row(std::string_view row, Sentence* sentence);
  std::string hint(std::string_view row) const;
  [[noreturn]] void fail(size_t line, const std::string& message) const;

  std::string name_;
  std::vector<std::string> columns_, own_;
  Delimiter delimiter_;
  bool is_settled_ = false, is_conllu_ = false;  // by the first sentence
  std::vector<Field> fields_;                    // of columns_
  size_t bad_bytes_ = 0;
  std::vector<std::string_view> cells_;  // of a row
};

// Holds the sentences of Runs back until the words around each are known: `words` on each side, or
// fewer where its document begins or ends. With 0 it lets all pass.
class DocumentReader {
 public:
  // parser: counts tokens.
  DocumentReader(size_t words, SentenceParser parser) : words_(words), parser_(std::move(parser)) {}

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
  SentenceParser parser_;
  std::string text_;  // of what is held
  size_t line_ = 1;   // number of its first line
  std::vector<Held> held_;
  size_t out_ =
      0;  // of them, those at the beginning that are out: only what follows still needs them
};

}  // namespace etagger
