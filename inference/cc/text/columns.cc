#include "text/columns.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"

namespace etagger {
namespace {

bool is_separator(char c) {
  return c == ' ' || c == '\t';
}

bool is_blank(std::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) { return is_separator(c) || c == '\r'; });
}

size_t newlines(std::string_view text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

std::string_view without_return(std::string_view row) {
  if (!row.empty() && row.back() == '\r') row.remove_suffix(1);
  return row;
}

// Columns of a row, which single tabs separate.
void split_at_tabs(std::string_view row, std::vector<std::string_view>* cells) {
  cells->clear();
  for (size_t tab; (tab = row.find('\t')) != std::string_view::npos; row.remove_prefix(tab + 1))
    cells->push_back(row.substr(0, tab));
  cells->push_back(row);
}

// The same where runs of spaces and tabs separate them.
void split(std::string_view row, std::vector<std::string_view>* cells) {
  cells->clear();
  const char *at = row.data(), *end = at + row.size();
  for (;;) {
    while (at < end && is_separator(*at)) ++at;
    if (at == end) return;
    const char* begin = at;
    while (at < end && !is_separator(*at)) ++at;
    cells->emplace_back(begin, static_cast<size_t>(at - begin));
  }
}

std::string join(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : " ") + part;
  return out;
}

std::string columns_in_words(size_t count) {
  return count == 1 ? "1 column" : std::to_string(count) + " columns";
}

// The row, a separator, then the tag; a final `\r` stays last. is_tabbed: see Block.
void append_tagged(std::string_view row, std::string_view tag, bool is_tabbed, std::string* out) {
  std::string_view body = without_return(row);
  out->append(body);
  size_t column = body.size();  // where its last column begins, or its end behind a separator
  while (!is_tabbed && column > 0 && !is_separator(body[column - 1])) --column;
  if (is_tabbed)
    out->push_back('\t');
  else if (column < body.size())
    out->push_back(column > 0 ? body[column - 1] : ' ');
  out->append(tag);
  if (body.size() < row.size()) out->push_back('\r');
}

// The -DOCSTART- that the row begins with, or nothing.
std::string_view docstart_of(std::string_view row) {
  while (!row.empty() && is_separator(row[0])) row.remove_prefix(1);
  if (row.empty() || row[0] != kDocstart[0]) return {};
  row = without_return(row);
  size_t end = kDocstart.size();
  if (row.size() > end && !is_separator(row[end])) return {};
  return is_docstart(row.substr(0, end)) ? row.substr(0, end) : std::string_view();
}

bool is_docstart(const Block& block) {
  return block.rows.size() == 1 && !docstart_of(block.rows[0]).empty();
}

// CoNLL-U: how many fields a row has, and what its file's name ends in.
constexpr size_t kConlluWidth = 10;
constexpr std::string_view kConlluNames[] = {".conllu", ".conll-u"};

char lower_ascii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

bool same_letters(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](char a, char b) { return lower_ascii(a) == lower_ascii(b); });
}

bool has_conllu_name(std::string_view path) {
  return std::any_of(std::begin(kConlluNames), std::end(kConlluNames), [&](std::string_view end) {
    return path.size() >= end.size() && same_letters(path.substr(path.size() - end.size()), end);
  });
}

bool is_comment(std::string_view row) {
  return row[0] == '#';
}

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// A number, a range of them such as 3-4, or a decimal such as 3.1.
bool is_conllu_id(std::string_view cell) {
  size_t middle = cell.find_first_of("-.");
  if (middle == std::string_view::npos) return is_number(cell);
  return is_number(cell.substr(0, middle)) && is_number(cell.substr(middle + 1));
}

std::string_view first_tabbed(std::string_view row) {
  row = without_return(row);
  return row.substr(0, row.find('\t'));
}

size_t count_tabbed(std::string_view row) {
  return 1 + static_cast<size_t>(std::count(row.begin(), row.end(), '\t'));
}

bool begins_with_id(const std::vector<std::string>& columns) {
  return !columns.empty() && columns[0] == "id";
}

// Whether names of columns go for a CoNLL-U file, though they do not say that it is one.
bool may_be_conllu(const std::vector<std::string>& columns) {
  return columns.size() == kConlluWidth && columns[0] == "_";
}

// `own`, or `own` without the tag, where it has `count` names; else none.
std::vector<std::string> own_columns(size_t count, const std::vector<std::string>& own) {
  if (own.size() == count) return own;
  std::vector<std::string> without_tag = own;
  without_tag.erase(std::remove(without_tag.begin(), without_tag.end(), "tag"), without_tag.end());
  return without_tag.size() == count ? without_tag : std::vector<std::string>();
}

std::vector<std::string> conllu_columns(size_t count, std::vector<std::string> own) {
  if (begins_with_id(own) || may_be_conllu(own)) {
    own[0] = "id";
    std::vector<std::string> columns = own_columns(count, own);
    if (!columns.empty()) return columns;
  }
  if (count != kConlluWidth) return {};
  return {"id", "word", "_", "_", "_", "_", "_", "_", "_", "_"};
}

std::vector<std::string> plain_columns(size_t count, const std::vector<std::string>& own) {
  static const std::vector<std::string> defaults[] = {
      {}, {"word"}, {"word", "tag"}, {"word", "pos", "chunk"}, {"word", "pos", "chunk", "tag"}};
  if (!begins_with_id(own)) {
    std::vector<std::string> columns = own_columns(count, own);
    if (!columns.empty()) return columns;
  }
  return count <= 4 ? defaults[count] : std::vector<std::string>();
}

}  // namespace

bool is_docstart(std::string_view word) {
  return same_letters(word, kDocstart);
}

size_t Block::tokens() const {
  if (is_token.empty()) return rows.size();
  return static_cast<size_t>(std::count(is_token.begin(), is_token.end(), true));
}

void Block::write(const std::vector<std::string_view>& tags, std::string* out) const {
  size_t next = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (is_token.empty() || is_token[i])
      append_tagged(rows[i], tags[next++], is_tabbed, out);
    else
      out->append(rows[i]);
    if (i + 1 < rows.size() || has_end || newline) out->push_back('\n');
  }
  if (has_end) {
    out->append(end);
    if (newline) out->push_back('\n');
  }
}

std::vector<Block> blocks_of(const Run& run) {
  std::vector<Block> blocks;
  std::string_view text = run.text;
  Block block;
  bool after_docstart = false;  // the rows of `block` are one -DOCSTART-
  size_t line = block.first_line = run.first_line;
  auto take = [&](size_t next_line) {
    blocks.push_back(std::move(block));
    block = Block();
    block.first_line = next_line;
  };
  for (size_t at = 0; at < text.size(); ++line) {
    size_t end = text.find('\n', at);
    const bool newline = end != std::string_view::npos;
    if (!newline) end = text.size();
    std::string_view row = text.substr(at, end - at);
    at = end + 1;
    if (block.rows.size() == kMostRows && !is_blank(row)) {
      block.is_cut = true;
      take(line);
    }
    if (is_blank(row)) {
      block.end = row;
      block.has_end = true;
      block.newline = newline;
      take(line + 1);
      after_docstart = false;
      continue;
    }
    const bool is_docstart = !docstart_of(row).empty();
    if (!block.rows.empty() && (is_docstart || after_docstart)) take(line);
    block.rows.push_back(row);
    block.newline = newline;
    after_docstart = is_docstart;
  }
  if (block.rows.empty()) return blocks;
  block.is_cut = run.is_cut;
  blocks.push_back(std::move(block));
  return blocks;
}

char* RunReader::room(size_t size) {
  if (buffer_.size() < used_ + size) buffer_.resize(used_ + size);
  return &buffer_[used_];
}

bool RunReader::feed(size_t size, Run* run) {
  const size_t before = is_begin_ ? 0 : used_, open = open_;
  used_ += size;
  if (is_begin_ && !find_mark()) return false;
  check_line(before);
  std::string_view known = std::string_view(buffer_).substr(0, used_);
  rows_ += newlines(known.substr(before));
  size_t last = known.substr(before).rfind('\n');  // older bytes have none behind open_
  if (last == std::string_view::npos) return false;
  last += before;
  open_ = last + 1;
  for (size_t end = last;; --end) {  // from the last whole line back to the first new one
    size_t newline = end ? known.rfind('\n', end - 1) : std::string_view::npos;
    size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
    if (lines_ || is_blank(known.substr(begin, end - begin))) {
      *run = cut(end + 1);
      return true;
    }
    if (begin <= open) return cut_rows(run);
    end = begin;
  }
}

// Takes a byte order mark off the first bytes; false: they may be a part of one.
bool RunReader::find_mark() {
  std::string_view first = std::string_view(buffer_).substr(0, std::min(used_, kMark.size()));
  has_mark_ = first == kMark;
  if (!has_mark_ && first == kMark.substr(0, first.size())) return false;
  is_begin_ = false;
  if (has_mark_) {
    buffer_.erase(0, kMark.size());
    used_ -= kMark.size();
  }
  return true;
}

// The first kMostRows rows of the open sentence, where it has more.
bool RunReader::cut_rows(Run* run) {
  if (rows_ <= kMostRows) return false;
  size_t end = 0;
  for (size_t row = 0; row < kMostRows; ++row) end = buffer_.find('\n', end) + 1;
  *run = cut(end);
  run->is_cut = true;
  return true;
}

// Checks the line that ends, or does not, in the bytes from `before` on.
void RunReader::check_line(size_t before) const {
  size_t end = std::min(buffer_.find('\n', before), used_);
  if (end - open_ > kMostLine)
    throw LongLine(name_ + ":" + std::to_string(line_ + rows_) + ": a line of more than " +
                   with_commas(kMostLine) +
                   " bytes, expected a token or a sentence; is it a text?");
}

// The first `end` bytes of the buffer; what is behind them stays.
Run RunReader::cut(size_t end) {
  Run run{std::move(buffer_), line_};
  buffer_.assign(run.text, end, used_ - end);
  run.text.resize(end);
  used_ -= end;
  open_ -= end;
  line_ += newlines(run.text);
  rows_ = newlines(std::string_view(buffer_).substr(0, used_));
  return run;
}

Run RunReader::close() {
  open_ = used_;
  return cut(used_);
}

bool DocumentReader::feed(Run* run) {
  if (!words_) return true;
  add(*run);
  size_t ready = held_.size(), behind = 0;
  while (ready > out_ && behind < words_ && !held_[ready - 1].is_docstart)
    behind += held_[--ready].words;
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
  for (size_t i = 0; i < out_; ++i) run.before += held_[i].blocks;
  for (size_t i = ready; i < held_.size(); ++i) run.behind += held_[i].blocks;
  size_t first = ready, bytes = 0;
  for (size_t words = 0; first > 0 && words < words_ && !held_[first - 1].is_docstart;)
    words += held_[--first].words;
  for (size_t i = 0; i < first; ++i) bytes += held_[i].bytes;
  line_ += newlines(std::string_view(text_).substr(0, bytes));
  text_.erase(0, bytes);
  held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(first));
  out_ = ready - first;
  return run;
}

Delimiter parse_delimiter(std::string_view text) {
  if (text.empty()) return Delimiter::kUnsaid;
  if (text == "space") return Delimiter::kSpace;
  if (text == "tab") return Delimiter::kTab;
  throw Error("--delimiter " + std::string(text) + ": expected space or tab");
}

std::vector<std::string> parse_columns(std::string_view text, Delimiter delimiter) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), ',', ' ');
  std::vector<std::string_view> cells;
  split(spaced, &cells);
  std::vector<std::string> names(cells.begin(), cells.end());
  check_columns(names, "--columns");
  if (begins_with_id(names) && delimiter == Delimiter::kSpace)
    throw Error(
        "--delimiter space: single tabs separate the columns of CoNLL-U, which 'id' in --columns "
        "names; leave one of them out");
  return names;
}

void check_columns(const std::vector<std::string>& names, const std::string& whose) {
  static const std::vector<std::string> known = {"word", "pos", "chunk", "tag", "id", "_"};
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw Error(whose + ": unknown column '" + name +
                  "'; known are word pos chunk tag, id in a CoNLL-U file, and _ to ignore one");
    if (name != "_" && std::count(names.begin(), names.end(), name) > 1)
      throw Error(whose + ": '" + name + "' is named twice");
  }
  if (std::find(names.begin(), names.end(), "word") == names.end())
    throw Error(whose + ": no word column in '" + join(names) +
                "'; name one of the columns `word`");
  if (std::find(names.begin() + 1, names.end(), "id") != names.end())
    throw Error(whose + ": 'id' is CoNLL-U's first column, expected it before '" + names[0] + "'");
}

SentenceParser::SentenceParser(std::string name, std::vector<std::string> columns,
                               std::vector<std::string> own, Delimiter delimiter)
    : name_(std::move(name)), own_(std::move(own)), delimiter_(delimiter) {
  set_columns(std::move(columns));
}

void SentenceParser::set_columns(std::vector<std::string> columns) {
  columns_ = std::move(columns);
  fields_.clear();
  for (const std::string& column : columns_) {
    fields_.push_back({nullptr, column != "_" && column != "id"});
    if (column == "word") fields_.back().to = &Sentence::words;
    if (column == "pos") fields_.back().to = &Sentence::pos;
    if (column == "chunk") fields_.back().to = &Sentence::chunks;
  }
}

// Decides by the first sentence whether the file is CoNLL-U, see conll.py.
void SentenceParser::settle(const Block& block) {
  is_settled_ = true;
  is_conllu_ = looks_like_conllu(block);
  if (!is_conllu_) return;
  delimiter_ = Delimiter::kTab;
  if (columns_.empty()) return;
  columns_[0] = "id";
  set_columns(std::move(columns_));
}

bool SentenceParser::looks_like_conllu(const Block& block) const {
  if (begins_with_id(columns_)) return true;
  if (delimiter_ == Delimiter::kSpace || (!columns_.empty() && !may_be_conllu(columns_)))
    return false;
  if (has_conllu_name(name_)) return true;
  const bool by_own = columns_.empty() && begins_with_id(own_);
  auto first = std::find_if_not(block.rows.begin(), block.rows.end(), is_comment);
  if (first == block.rows.end()) return by_own;
  const size_t count = count_tabbed(*first);
  return is_conllu_id(first_tabbed(*first)) &&
         (count == kConlluWidth || (by_own && !own_columns(count, own_).empty()));
}

// Throws Error for a row that is neither a comment nor begins with an id.
void SentenceParser::check_conllu(const Block& block) const {
  for (size_t i = 0; i < block.rows.size(); ++i)
    if (!is_comment(block.rows[i]) && !is_conllu_id(first_tabbed(block.rows[i])))
      fail(block.first_line + i,
           "no CoNLL-U id in the first column, expected a number, a range such as 3-4, or a "
           "decimal such as 3.1; mend the row, or name the columns with --columns");
}

size_t SentenceParser::count_tokens(const Block& block) {
  if (block.rows.empty() || is_docstart(block)) return block.rows.size();
  if (!is_settled_) settle(block);
  if (!is_conllu_) return block.rows.size();
  return static_cast<size_t>(
      std::count_if(block.rows.begin(), block.rows.end(),
                    [](std::string_view row) { return is_number(first_tabbed(row)); }));
}

Sentence SentenceParser::parse(Block* block) {
  Sentence sentence;
  const bool begins_document = is_docstart(*block);
  if (!is_settled_ && !begins_document) settle(*block);
  block->is_tabbed = is_tabbed();
  if (begins_document) {
    sentence.words = {docstart_of(block->rows[0])};
    return sentence;
  }
  if (is_conllu_) {
    check_conllu(*block);
    block->is_token.clear();
    for (std::string_view row : block->rows)
      block->is_token.push_back(is_number(first_tabbed(row)));
  }
  for (size_t i = 0; i < block->rows.size(); ++i) {
    if (is_conllu_ && !block->is_token[i]) continue;
    std::string_view row = without_return(block->rows[i]);
    if (is_tabbed())
      split_at_tabs(row, &cells_);
    else
      split(row, &cells_);
    if (columns_.empty()) choose_columns(row, block->first_line + i);
    if (sentence.words.empty())
      for (const Field& field : fields_)
        if (field.to) (sentence.*field.to).reserve(block->rows.size());
    if (cells_.size() != columns_.size())
      fail(block->first_line + i, columns_in_words(cells_.size()) + ", expected " +
                                      std::to_string(columns_.size()) + " (" + join(columns_) +
                                      "); mend the row, or name the columns with --columns" +
                                      hint(row));
    add_row(row, &sentence);
  }
  sentence.has_pos = !sentence.pos.empty();
  sentence.has_chunks = !sentence.chunks.empty();
  return sentence;
}

// Adds cells_, those of `row`.
void SentenceParser::add_row(std::string_view row, Sentence* sentence) {
  for (size_t k = 0; k < fields_.size(); ++k)
    if (fields_[k].to) (sentence->*fields_[k].to).push_back(cells_[k]);
  if (is_ascii(row)) return;
  for (size_t k = 0; k < fields_.size(); ++k)
    if (fields_[k].is_read) bad_bytes_ += etagger::bad_bytes(cells_[k]);
}

// The columns of a file whose rows have as many as cells_, those of `row`, when --columns does not
// say: the model's own, with or without the tag, first.
void SentenceParser::choose_columns(std::string_view row, size_t line) {
  const size_t count = cells_.size();
  set_columns(is_conllu_ ? conllu_columns(count, own_) : plain_columns(count, own_));
  if (columns_.empty())
    fail(line, columns_in_words(count) +
                   (is_conllu_ ? ", expected 10 in a CoNLL-U file"
                               : ", expected 1 to 4 (word pos chunk tag)") +
                   "; name the columns with --columns, with _ for each to ignore" + hint(row));
}

// What to say of a row, that of cells_, which another delimiter cuts into other columns.
std::string SentenceParser::hint(std::string_view row) const {
  const size_t tabbed = count_tabbed(row);
  if (is_conllu_ || (is_tabbed() ? tabbed > 1 : tabbed == 1 || tabbed == cells_.size())) return "";
  return is_tabbed() ? "; it has no tab: --delimiter space cuts it at spaces"
                     : "; it has tabs: --delimiter tab cuts it at each of them, and nowhere else";
}

void SentenceParser::fail(size_t line, const std::string& message) const {
  throw Error(name_ + ":" + std::to_string(line) + ": " + message);
}

}  // namespace etagger
