#include "text/blocks.h"

#include <algorithm>

#include "base/utf8.h"

namespace etagger {
namespace {

bool is_blank(std::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) { return is_separator(c) || c == '\r'; });
}

size_t newlines(std::string_view text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

// A separator, then the cell, after the row that begins at `row` of `out`. is_tabbed: see Block.
void append_cell(std::string_view cell, bool is_tabbed, size_t row, std::string* out) {
  size_t column = out->size();  // where its last column begins, or its end after a separator
  while (!is_tabbed && column > row && !is_separator((*out)[column - 1])) --column;
  if (is_tabbed)
    out->push_back('\t');
  else if (column < out->size())
    out->push_back(column > row ? (*out)[column - 1] : ' ');
  out->append(cell);
}

}  // namespace

bool is_docstart(std::string_view word) {
  return equal_ignoring_case(word, kDocstart);
}

bool is_docstart(const Block& block) {
  return block.rows.size() == 1 && !docstart_of(block.rows[0]).empty();
}

std::string_view docstart_of(std::string_view row) {
  while (!row.empty() && is_separator(row[0])) row.remove_prefix(1);
  if (row.empty() || row[0] != kDocstart[0]) return {};
  row = without_return(row);
  size_t end = kDocstart.size();
  if (row.size() > end && !is_separator(row[end])) return {};
  return is_docstart(row.substr(0, end)) ? row.substr(0, end) : std::string_view();
}

std::string_view without_return(std::string_view row) {
  if (!row.empty() && row.back() == '\r') row.remove_suffix(1);
  return row;
}

size_t Block::tokens() const {
  if (is_token.empty()) return rows.size();
  return static_cast<size_t>(std::count(is_token.begin(), is_token.end(), true));
}

void Block::write(std::initializer_list<const Column*> columns, std::string* out) const {
  size_t next = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const std::string_view body = without_return(rows[i]);
    const size_t begin = out->size();
    out->append(body);
    if (is_token.empty() || is_token[i]) {
      for (const Column* column : columns) append_cell((*column)[next], is_tabbed, begin, out);
      ++next;
    }
    if (body.size() < rows[i].size()) out->push_back('\r');  // stays last
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
  size_t line = run.first_line;
  block.first_line = line;
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
  size_t last = known.substr(before).rfind('\n');  // older bytes have none after open_
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
  std::string_view first =
      std::string_view(buffer_).substr(0, std::min(used_, kByteOrderMark.size()));
  has_mark_ = first == kByteOrderMark;
  if (!has_mark_ && first == kByteOrderMark.substr(0, first.size())) return false;
  is_begin_ = false;
  if (has_mark_) {
    buffer_.erase(0, kByteOrderMark.size());
    used_ -= kByteOrderMark.size();
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

// The first `end` bytes of the buffer; what comes after them stays.
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

}  // namespace etagger
