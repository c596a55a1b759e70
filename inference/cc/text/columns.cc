#include "text/columns.h"

#include <algorithm>

#include "base/error.h"
#include "base/utf8.h"

namespace etagger {
namespace {

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

// CoNLL-U: how many fields a row has, and what its file's name ends in.
constexpr size_t kConlluWidth = 10;
constexpr std::string_view kConlluNames[] = {".conllu", ".conll-u"};

bool has_conllu_name(std::string_view path) {
  return std::any_of(std::begin(kConlluNames), std::end(kConlluNames), [&](std::string_view end) {
    return path.size() >= end.size() &&
           equal_ignoring_case(path.substr(path.size() - end.size()), end);
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
  if (is_conllu_) return "";
  if (is_tabbed()) return tabbed > 1 ? "" : "; it has no tab: --delimiter space cuts it at spaces";
  if (tabbed == 1 || tabbed == cells_.size()) return "";
  return "; it has tabs: --delimiter tab cuts it at each of them, and nowhere else";
}

void SentenceParser::fail(size_t line, const std::string& message) const {
  throw Error(name_ + ":" + std::to_string(line) + ": " + message);
}

}  // namespace etagger
