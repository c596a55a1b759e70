#include "tagging/run_text.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/utf8.h"
#include "tagging/entities.h"
#include "text/tokenizer.h"

namespace etagger {
namespace {

// Returns whether the block is a sentence.
bool read_block(Block* block, SentenceParser* parser, RunText* text) {
  if (block->rows.empty()) return false;
  Sentence sentence = parser->parse(block);
  if (sentence.words.empty()) return false;
  text->sentences.push_back(std::move(sentence));
  return true;
}

// Adds a sentence, or several where the line has more words than a sentence may have.
void add_line(std::string_view line, RunText* text) {
  const std::vector<std::string_view> words = tokenize(line);
  const size_t pieces = std::max<size_t>(1, (words.size() + kMostRows - 1) / kMostRows);
  for (size_t piece = 0; piece < pieces; ++piece) {
    auto begin = words.begin() + static_cast<std::ptrdiff_t>(kMostRows * piece);
    Sentence sentence;
    sentence.words.assign(begin, begin + std::min<std::ptrdiff_t>(kMostRows, words.end() - begin));
    text->sentences.push_back(std::move(sentence));
  }
  text->lines.push_back(line);
  text->line_pieces.push_back(pieces);
}

}  // namespace

// ------------------------------------------------------------ in

void read_columns(const Run& run, SentenceParser* parser, RunText* text, size_t* bad_bytes) {
  std::vector<Block> blocks = blocks_of(run);
  const size_t end = blocks.size() - run.blocks_after;
  for (size_t i = 0; i < run.blocks_before; ++i)
    text->sentences_before += read_block(&blocks[i], parser, text);
  parser->take_bad_bytes();
  for (size_t i = run.blocks_before; i < end; ++i) {
    read_block(&blocks[i], parser, text);
    text->blocks.push_back(std::move(blocks[i]));
  }
  *bad_bytes += parser->take_bad_bytes();
  try {
    for (size_t i = end; i < blocks.size(); ++i)
      text->sentences_after += read_block(&blocks[i], parser, text);
  } catch (const Error&) {
    // A bad row ends the context. It is reported once its own sentence is read.
  }
  parser->take_bad_bytes();
}

void read_lines(const Run& run, RunText* text, size_t* bad) {
  std::string_view all = run.text;
  for (size_t at = 0; at < all.size();) {
    size_t end = std::min(all.find('\n', at), all.size());
    std::string_view line = without_return(all.substr(at, end - at));
    at = end + 1;
    add_line(line, text);
    *bad += bad_bytes(line);
  }
}

// ------------------------------------------------------------ pieces

size_t count_pieces(const RunText& text) {
  size_t pieces = 0;
  for (const Block& block : text.blocks) pieces += block.is_cut;
  for (size_t of_line : text.line_pieces) pieces += of_line - 1;
  return pieces;
}

void join_pieces(RunText* text, Tags* tags) {
  if (text->line_pieces.size() == text->sentences.size()) return;
  std::vector<Sentence> sentences;
  Tags joined;
  size_t next = 0;
  for (size_t pieces : text->line_pieces) {
    sentences.push_back(std::move(text->sentences[next]));
    joined.push_back(std::move((*tags)[next]));
    for (size_t i = next + 1; i < next + pieces; ++i) {
      const std::vector<std::string_view>& words = text->sentences[i].words;
      sentences.back().words.insert(sentences.back().words.end(), words.begin(), words.end());
      joined.back().insert(joined.back().end(), (*tags)[i].begin(), (*tags)[i].end());
    }
    next += pieces;
  }
  text->sentences = std::move(sentences);
  *tags = std::move(joined);
}

// ------------------------------------------------------------ out

void write_columns(const RunText& text, const Tags& tags, std::string* out) {
  static const std::vector<std::string_view> none;
  size_t next = 0;
  for (const Block& block : text.blocks) {
    const bool has_tags = block.tokens() > 0;
    block.write(has_tags ? tags[next] : none, out);
    if (has_tags) ++next;
  }
}

// Word, POS, chunk and tag column, which are unknown, and the predicted tag.
void write_lines(const RunText& text, const Tags& tags, std::string* out) {
  for (size_t i = 0; i < tags.size(); ++i) {
    const std::vector<std::string_view>& words = text.sentences[i].words;
    for (size_t k = 0; k < tags[i].size(); ++k)
      out->append(words[k]).append(" O O O ").append(tags[i][k]).append("\n");
    out->append("\n");
  }
}

void write_json(const RunText& text, const Tags& tags, const std::string& scheme,
                std::string* out) {
  for (size_t i = 0; i < tags.size(); ++i) {
    const std::vector<std::string_view>& words = text.own(i).words;
    std::vector<Entity> found = entities(tags[i], scheme);
    if (text.lines.empty())
      append_json(words, found, out);
    else
      append_json(text.lines[i], words, found, out);
  }
}

void write_html(const RunText& text, const Tags& tags, const std::string& scheme,
                const HtmlWriter& html, std::string* out) {
  for (size_t i = 0; i < tags.size(); ++i) {
    const std::vector<std::string_view>& words = text.own(i).words;
    const std::vector<Entity> found = entities(tags[i], scheme);
    if (text.lines.empty())
      html.append(words, found, {}, out);
    else
      html.append(text.lines[i], words, found, {}, out);
  }
}

}  // namespace etagger
