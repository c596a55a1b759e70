// CoNLL columns: blocks of rows -> sentences. The rules are those of conll.py, which explains them:
// --columns, --delimiter tab, CoNLL-U.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/blocks.h"

namespace etagger {

// Columns of one sentence.
struct Sentence {
  std::vector<std::string_view> words, pos, chunks;
  bool has_pos = false, has_chunks = false;

  // Whether it is a -DOCSTART- line, whose tag is O without asking the model.
  bool is_docstart() const { return words.size() == 1 && etagger::is_docstart(words[0]); }
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

}  // namespace etagger
