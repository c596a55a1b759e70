#include "tagging/run_text.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/decimals.h"
#include "base/error.h"
#include "base/utf8.h"
#include "tagging/entities.h"
#include "text/sentences.h"
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
void add_line(std::string_view line, Tokenizer tokenizer, RunText* text) {
  const std::vector<std::string_view> words = tokenize(line, tokenizer);
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

// The line's sentences; an empty one where it has none, so that each line is answered.
void split_line(std::string_view line, Tokenizer tokenizer, RunText* text) {
  const size_t before = text->lines.size();
  for (size_t at = 0; at < line.size();) {
    const size_t end = sentence_end(line, at);
    const std::string_view sentence = stripped(line.substr(at, end - at));
    if (!sentence.empty()) add_line(sentence, tokenizer, text);
    at = end;
  }
  if (text->lines.size() == before) add_line({}, tokenizer, text);
}

// The entities of the run's own sentence i, and a probability for each where there are any.
struct Found {
  std::vector<Entity> entities;
  std::vector<double> scores;
};

Found found_in(const Answers& answers, size_t i, const std::string& scheme) {
  Found found;
  if (answers.confident.empty()) {
    found.entities = entities(answers.tags[i], scheme);
    return found;
  }
  for (const ScoredEntity& entity : answers.confident[i].entities) {
    found.entities.push_back({entity.start, entity.end, entity.type});
    found.scores.push_back(entity.score);
  }
  return found;
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

void read_lines(const Run& run, Tokenizer tokenizer, bool split, RunText* text, size_t* bad) {
  std::string_view all = run.text;
  for (size_t at = 0; at < all.size();) {
    size_t end = std::min(all.find('\n', at), all.size());
    std::string_view line = without_return(all.substr(at, end - at));
    at = end + 1;
    if (split)
      split_line(line, tokenizer, text);
    else
      add_line(line, tokenizer, text);
    *bad += bad_bytes(line);
  }
}

// ------------------------------------------------------------ pieces

namespace {

template <class Value>
void append(const std::vector<Value>& more, std::vector<Value>* to) {
  to->insert(to->end(), more.begin(), more.end());
}

// words: those before the piece.
void append(const Confident& piece, size_t words, Confident* to) {
  append(piece.tags, &to->tags);
  append(piece.probabilities, &to->probabilities);
  for (ScoredEntity entity : piece.entities) {
    entity.start += words;
    entity.end += words;
    to->entities.push_back(entity);
  }
}

}  // namespace

size_t count_pieces(const RunText& text) {
  size_t pieces = 0;
  for (const Block& block : text.blocks) pieces += block.is_cut;
  for (size_t of_line : text.line_pieces) pieces += of_line - 1;
  return pieces;
}

void join_pieces(RunText* text, Answers* answers) {
  if (text->line_pieces.size() == text->sentences.size()) return;
  std::vector<Sentence> sentences;
  Answers joined;
  size_t next = 0;
  for (size_t pieces : text->line_pieces) {
    for (size_t i = next; i < next + pieces; ++i) {
      if (i == next) {
        sentences.emplace_back();
        if (!answers->tags.empty()) joined.tags.emplace_back();
        if (!answers->confident.empty()) joined.confident.emplace_back();
      }
      if (!answers->tags.empty()) append(answers->tags[i], &joined.tags.back());
      if (!answers->confident.empty())
        append(answers->confident[i], sentences.back().words.size(), &joined.confident.back());
      append(text->sentences[i].words, &sentences.back().words);
    }
    next += pieces;
  }
  text->sentences = std::move(sentences);
  *answers = std::move(joined);
}

// ------------------------------------------------------------ out

namespace {

// Calls write(cells...) with the columns that come after a sentence's words: the tag, and where
// there are probabilities that of the tag, and that of the token's entity.
template <class Write>
void with_columns(const Answers& answers, size_t i, Write write) {
  if (answers.confident.empty()) return write({&answers.tags[i]});
  const Confident& found = answers.confident[i];
  std::string digits;
  digits.reserve(8 * (found.tags.size() + found.entities.size()));  // the views below hold
  auto six_digits = [&](double probability) {
    const size_t begin = digits.size();
    append_six_digits(probability, &digits);
    return std::string_view(digits).substr(begin);
  };
  Block::Column of_tags, of_entities(found.tags.size(), "_");
  of_tags.reserve(found.tags.size());
  for (double probability : found.probabilities) of_tags.push_back(six_digits(probability));
  for (const ScoredEntity& entity : found.entities) {
    auto begin = of_entities.begin() + static_cast<std::ptrdiff_t>(entity.start);
    std::fill_n(begin, entity.end - entity.start, six_digits(entity.score));
  }
  write({&found.tags, &of_tags, &of_entities});
}

}  // namespace

void write_columns(const RunText& text, const Answers& answers, std::string* out) {
  size_t next = 0;
  for (const Block& block : text.blocks) {
    if (block.tokens() == 0) {
      block.write({}, out);
      continue;
    }
    with_columns(answers, next, [&](std::initializer_list<const Block::Column*> columns) {
      block.write(columns, out);
    });
    ++next;
  }
}

// A sentence of comments alone has one reading.
void write_readings(const RunText& text, const std::vector<Readings>& readings, std::string* out) {
  const Readings of_nothing = {{1.0, {}}};
  size_t next = 0;
  for (const Block& block : text.blocks) {
    if (block.rows.empty()) {
      block.write({}, out);
      continue;
    }
    const bool has_return = without_return(block.rows[0]).size() < block.rows[0].size();
    Block ended = block;
    if (!ended.has_end && has_return) ended.end = "\r";
    ended.has_end = ended.newline = true;
    size_t number = 0;
    for (const Reading& reading : block.tokens() ? readings[next] : of_nothing) {
      char line[60];
      std::snprintf(line, sizeof line, "# %zu %.6g%s\n", ++number, reading.probability,
                    has_return ? "\r" : "");
      out->append(line);
      ended.write({&reading.tags}, out);
    }
    next += block.tokens() > 0;
  }
}

// Word, POS, chunk and tag column, which are unknown, and the columns of the answer.
void write_lines(const RunText& text, const Answers& answers, std::string* out) {
  for (size_t i = 0; i < text.sentences.size(); ++i) {
    const std::vector<std::string_view>& words = text.sentences[i].words;
    with_columns(answers, i, [&](std::initializer_list<const Block::Column*> columns) {
      for (size_t k = 0; k < words.size(); ++k) {
        out->append(words[k]).append(" O O O");
        for (const Block::Column* column : columns) out->append(" ").append((*column)[k]);
        out->append("\n");
      }
    });
    out->append("\n");
  }
}

void write_json(const RunText& text, const Answers& answers, const std::string& scheme,
                std::string* out) {
  for (size_t i = 0; i < text.count(); ++i) {
    const std::vector<std::string_view>& words = text.own(i).words;
    const Found found = found_in(answers, i, scheme);
    if (text.lines.empty())
      append_json(words, found.entities, out, found.scores);
    else
      append_json(text.lines[i], words, found.entities, out, found.scores);
  }
}

void write_html(const RunText& text, const Answers& answers, const std::string& scheme,
                const HtmlWriter& html, std::string* out) {
  for (size_t i = 0; i < text.count(); ++i) {
    const std::vector<std::string_view>& words = text.own(i).words;
    const Found found = found_in(answers, i, scheme);
    if (text.lines.empty())
      html.append(words, found.entities, found.scores, out);
    else
      html.append(text.lines[i], words, found.entities, found.scores, out);
  }
}

}  // namespace etagger
