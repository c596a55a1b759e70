#include "conll.h"

#include <algorithm>

#include "error.h"
#include "text.h"

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

// The row, then its own last separator (a space where it has none), then the tag; a final `\r`
// stays last.
void append_tagged(std::string_view row, std::string_view tag, std::string* out) {
  std::string_view body = without_return(row);
  out->append(body);
  size_t column = body.size();  // where its last column begins, or its end behind a separator
  while (column > 0 && !is_separator(body[column - 1])) --column;
  if (column < body.size()) out->push_back(column > 0 ? body[column - 1] : ' ');
  out->append(tag);
  if (body.size() < row.size()) out->push_back('\r');
}

// Whether it is a line alone that begins a document.
bool is_docstart(const Block& block) {
  if (block.rows.size() != 1) return false;
  std::vector<std::string_view> cells;
  split(without_return(block.rows[0]), &cells);
  return cells[0] == kDocstart;
}

}  // namespace

void Block::write(const std::vector<std::string_view>& tags, std::string* out) const {
  for (size_t i = 0; i < rows.size(); ++i) {
    append_tagged(rows[i], tags[i], out);
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
  size_t line = block.first_line = run.first_line;
  for (size_t at = 0; at < text.size(); ++line) {
    size_t end = text.find('\n', at);
    const bool newline = end != std::string_view::npos;
    if (!newline) end = text.size();
    std::string_view row = text.substr(at, end - at);
    at = end + 1;
    if (block.rows.size() == kMostRows && !is_blank(row)) {
      block.is_cut = true;
      blocks.push_back(std::move(block));
      block = Block();
      block.first_line = line;
    }
    block.newline = newline;
    if (is_blank(row)) {
      block.end = row;
      block.has_end = true;
      blocks.push_back(std::move(block));
      block = Block();
      block.first_line = line + 1;
    } else {
      block.rows.push_back(row);
    }
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
  const size_t before = used_, open = open_;
  used_ += size;
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
      held_.push_back({0, 0, block.rows.size(), is_docstart(block)});
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

std::vector<std::string> parse_columns(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), ',', ' ');
  std::vector<std::string_view> cells;
  split(spaced, &cells);
  std::vector<std::string> names(cells.begin(), cells.end());
  check_columns(names, "--columns");
  return names;
}

void check_columns(const std::vector<std::string>& names, const std::string& whose) {
  static const std::vector<std::string> known = {"word", "pos", "chunk", "tag", "_"};
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end())
      throw Error(whose + ": unknown column '" + name +
                  "'; known are word pos chunk tag and _ to ignore one");
    if (name != "_" && std::count(names.begin(), names.end(), name) > 1)
      throw Error(whose + ": '" + name + "' is named twice");
  }
  if (std::find(names.begin(), names.end(), "word") == names.end())
    throw Error(whose + ": no word column in '" + join(names) +
                "'; name one of the columns `word`");
}

SentenceParser::SentenceParser(std::string name, std::vector<std::string> columns,
                               std::vector<std::string> own)
    : name_(std::move(name)), own_(std::move(own)) {
  set_columns(std::move(columns));
}

void SentenceParser::set_columns(std::vector<std::string> columns) {
  columns_ = std::move(columns);
  for (const std::string& column : columns_) {
    fields_.push_back({nullptr, column != "_"});
    if (column == "word") fields_.back().to = &Sentence::words;
    if (column == "pos") fields_.back().to = &Sentence::pos;
    if (column == "chunk") fields_.back().to = &Sentence::chunks;
  }
}

Sentence SentenceParser::parse(const Block& block) {
  Sentence sentence;
  split(without_return(block.rows[0]), &cells_);
  if (block.rows.size() == 1 && cells_[0] == kDocstart) {
    sentence.words = {cells_[0]};
    return sentence;
  }
  if (columns_.empty()) choose_columns(cells_.size(), block.first_line);
  for (const Field& field : fields_)
    if (field.to) (sentence.*field.to).reserve(block.rows.size());
  for (size_t i = 0; i < block.rows.size(); ++i) {
    if (i > 0) split(without_return(block.rows[i]), &cells_);
    if (cells_.size() != columns_.size())
      fail(block.first_line + i, columns_in_words(cells_.size()) + ", expected " +
                                     std::to_string(columns_.size()) + " (" + join(columns_) +
                                     "); mend the row, or name the columns with --columns");
    add_row(block.rows[i], &sentence);
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

// The columns of a file whose rows have `count`, when --columns does not say: the model's own, with
// or without the tag, first.
void SentenceParser::choose_columns(size_t count, size_t line) {
  std::vector<std::string> without_tag = own_;
  without_tag.erase(std::remove(without_tag.begin(), without_tag.end(), "tag"), without_tag.end());
  static const std::vector<std::string> defaults[] = {
      {}, {"word"}, {"word", "tag"}, {"word", "pos", "chunk"}, {"word", "pos", "chunk", "tag"}};
  if (count == own_.size())
    set_columns(own_);
  else if (count == without_tag.size())
    set_columns(without_tag);
  else if (count <= 4)
    set_columns(defaults[count]);
  else
    fail(line,
         std::to_string(count) +
             " columns, expected 1 to 4 (word pos chunk tag); name the columns with --columns, "
             "with _ for each to ignore");
}

void SentenceParser::fail(size_t line, const std::string& message) const {
  throw Error(name_ + ":" + std::to_string(line) + ": " + message);
}

}  // namespace etagger
