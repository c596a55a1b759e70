#include "tagging/texts.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "base/utf8.h"
#include "tagging/entities.h"
#include "text/blocks.h"
#include "text/sentences.h"
#include "text/tokenizer.h"

namespace etagger {
namespace {

constexpr size_t kBatchSize = 64;                              // sentences
constexpr size_t kMostTokens = 4096;                           // tagged together
constexpr size_t kLeastBytes = 1 << 12, kMostBytes = 1 << 15;  // of a part

constexpr double kNoScore = std::numeric_limits<double>::quiet_NaN();

// Whole lines of a text: its bytes begin .. end - 1.
struct Piece {
  size_t text, begin, end;
  size_t units = 0;   // its length in the unit of TextOptions::offsets
  size_t tokens = 0;  // how many it has
};

// Pieces begin .. end - 1, which one thread tags at a time, and their entities. The entities'
// places count from the beginning of their piece until all parts are done.
struct Part {
  size_t begin, end;
  std::vector<TextEntity> entities;
};

// Cuts a text after line ends into pieces of at most `most` bytes, or more if a line is longer.
void cut(std::string_view text, size_t number, size_t most, std::vector<Piece>* pieces) {
  for (size_t begin = 0; begin < text.size();) {
    size_t end = text.size();
    if (end - begin > most) end = std::min(text.find('\n', begin + most - 1), end - 1) + 1;
    pieces->push_back({number, begin, end});
    begin = end;
  }
}

std::vector<Part> parts_of(const std::vector<Piece>& pieces, size_t most) {
  std::vector<Part> parts;
  size_t bytes = most;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (bytes >= most) {
      parts.push_back({i, i, {}});
      bytes = 0;
    }
    parts.back().end = i + 1;
    bytes += pieces[i].end - pieces[i].begin;
  }
  return parts;
}

size_t count_units(std::string_view text, Offsets offsets) {
  if (offsets == Offsets::kBytes || is_ascii(text)) return text.size();
  size_t units = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t size = character_at(text, at).size;
    units += 1 + (offsets == Offsets::kUtf16 && size == 4);
    at += size;
  }
  return units;
}

// Where the first word of a text may begin.
size_t after_mark(std::string_view text) {
  return text.substr(0, kByteOrderMark.size()) == kByteOrderMark ? kByteOrderMark.size() : 0;
}

// The only line of a text that has words; empty if there is none. Throws Error if several have
// words.
Sentence only_sentence(std::string_view text, Tokenizer tokenizer) {
  Sentence only;
  for (size_t at = after_mark(text); at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::vector<std::string_view> words = tokenize(text.substr(at, end - at), tokenizer);
    if (!words.empty() && !only.words.empty())
      throw Error("the text has several lines with words, expected one sentence; give one line");
    if (!words.empty()) only.words = std::move(words);
    at = end + 1;
  }
  if (only.words.size() > kMostRows)
    throw Error("the text has more than " + with_commas(kMostRows) + " words; cut it");
  return only;
}

// Tags the sentences of a part in batches.
class PartTagger {
 public:
  PartTagger(const Tagger& tagger, const std::vector<std::string_view>& texts,
             const TextOptions& options, std::vector<TextEntity>* found)
      : tagger_(tagger), texts_(texts), options_(options), found_(found) {}

  void add(Piece* piece) {
    std::string_view text = texts_[piece->text].substr(0, piece->end);
    size_t at = piece->begin ? piece->begin : after_mark(text);
    while (at < text.size()) {
      const size_t end = std::min(text.find('\n', at), text.size());
      add_line(text.substr(at, end - at), piece);
      at = end + 1;
    }
  }

  // Tags what has been added and is not tagged yet.
  void finish() {
    options_.stop.check();
    if (options_.scores)
      find_scored();
    else
      find();
    sentences_.clear();
    texts_of_.clear();
    tokens_ = 0;
  }

 private:
  void find() {
    const Tags tags =
        tagger_.tag(sentences_, 0, sentences_.size(), kBatchSize, nullptr, options_.stop);
    for (size_t i = 0; i < tags.size(); ++i)
      for (const Entity& entity : entities(tags[i], tagger_.settings().data_scheme))
        add_entity(i, entity.start, entity.end, entity.type, kNoScore);
  }

  void find_scored() {
    const std::vector<Confident> all =
        tagger_.confident(sentences_, 0, sentences_.size(), kBatchSize, 1, nullptr, options_.stop);
    for (size_t i = 0; i < all.size(); ++i)
      for (const ScoredEntity& entity : all[i].entities)
        add_entity(i, entity.start, entity.end, entity.type, entity.score);
  }

  void add_line(std::string_view line, Piece* piece) {
    if (!options_.split) return add_sentence(line, piece);
    for (size_t at = 0; at < line.size();) {
      const size_t end = sentence_end(line, at);
      add_sentence(line.substr(at, end - at), piece);
      at = end;
    }
  }

  void add_sentence(std::string_view sentence, Piece* piece) {
    const Tokenizer tokenizer = tagger_.settings().tokenizer;
    std::vector<std::string_view> words;
    for (size_t at = 0; at < sentence.size();) {
      at = tokenize_on(sentence, at, kMostRows - words.size(), tokenizer, &words);
      while (words.size() >= kMostRows) {
        const auto middle = words.begin() + kMostRows;
        std::vector<std::string_view> rest(middle, words.end());
        words.erase(middle, words.end());
        add_words(std::move(words), piece);
        words = std::move(rest);
      }
    }
    if (!words.empty()) add_words(std::move(words), piece);
  }

  void add_words(std::vector<std::string_view> words, Piece* piece) {
    tokens_ += words.size();
    piece->tokens += words.size();
    sentences_.emplace_back();
    sentences_.back().words = std::move(words);
    texts_of_.push_back(piece->text);
    if (tokens_ >= kMostTokens && !tagger_.settings().context_words()) finish();
  }

  // Words start .. end - 1 of sentence i.
  void add_entity(size_t i, size_t start, size_t end, std::string_view type, double score) {
    const std::vector<std::string_view>& words = sentences_[i].words;
    const char* text = texts_[texts_of_[i]].data();
    const auto first = static_cast<size_t>(words[start].data() - text);
    const auto last = static_cast<size_t>(words[end - 1].data() - text) + words[end - 1].size();
    found_->push_back({type, texts_of_[i], first, last, first, last, score});
  }

  const Tagger& tagger_;
  const std::vector<std::string_view>& texts_;
  const TextOptions& options_;
  std::vector<TextEntity>* found_;
  std::vector<Sentence> sentences_;
  std::vector<size_t> texts_of_;  // the index of each sentence's text
  size_t tokens_ = 0;             // in all sentences
};

// Converts the places of a part's entities into units, from the beginning of their piece, and
// counts the units of each piece.
void count_part(const std::vector<std::string_view>& texts, Offsets offsets, Part* part,
                std::vector<Piece>* pieces) {
  auto entity = part->entities.begin();
  for (size_t i = part->begin; i < part->end; ++i) {
    Piece& piece = (*pieces)[i];
    const std::string_view text = texts[piece.text];
    size_t at = piece.begin;
    auto units_before = [&](size_t byte) {
      piece.units += count_units(text.substr(at, byte - at), offsets);
      at = byte;
      return piece.units;
    };
    for (; entity != part->entities.end() && entity->text == piece.text &&
           entity->first_byte < piece.end;
         ++entity) {
      entity->start = units_before(entity->first_byte);
      entity->end = units_before(entity->end_byte);
    }
    units_before(piece.end);
  }
}

// The entities of all parts, with places from the beginning of their text.
std::vector<TextEntity> joined(std::vector<Part> parts, const std::vector<Piece>& pieces) {
  std::vector<TextEntity> all;
  size_t count = 0;
  for (const Part& part : parts) count += part.entities.size();
  if (parts.size() > 1) all.reserve(count);
  size_t units = 0;  // of a text before the piece
  for (Part& part : parts) {
    auto entity = part.entities.begin();
    for (size_t i = part.begin; i < part.end; ++i) {
      const Piece& piece = pieces[i];
      if (piece.begin == 0) units = 0;
      for (; entity != part.entities.end() && entity->text == piece.text &&
             entity->first_byte < piece.end;
           ++entity) {
        entity->start += units;
        entity->end += units;
      }
      units += piece.units;
    }
    if (parts.size() == 1)
      all = std::move(part.entities);
    else
      all.insert(all.end(), part.entities.begin(), part.entities.end());
    part.entities = {};
  }
  return all;
}

}  // namespace

TextsFound tag_texts(const Tagger& tagger, const std::vector<std::string_view>& texts,
                     const TextOptions& options) {
  const bool has_context = tagger.settings().context_words() > 0;
  size_t bytes = 0;
  for (std::string_view text : texts) bytes += text.size();
  const size_t most = std::clamp(bytes / (4 * options.threads), kLeastBytes, kMostBytes);
  std::vector<Piece> pieces;
  for (size_t i = 0; i < texts.size(); ++i)
    cut(texts[i], i, has_context ? texts[i].size() : most, &pieces);
  std::vector<Part> parts = parts_of(pieces, has_context ? 0 : most);
  run_parts(parts.size(), options.threads, [&](size_t number) {
    Part& part = parts[number];
    PartTagger work(tagger, texts, options, &part.entities);
    for (size_t i = part.begin; i < part.end; ++i) work.add(&pieces[i]);
    work.finish();
    count_part(texts, options.offsets, &part, &pieces);
  });
  std::vector<size_t> tokens(texts.size());
  for (const Piece& piece : pieces) tokens[piece.text] += piece.tokens;
  return {joined(std::move(parts), pieces), std::move(tokens)};
}

TextReadings nbest_text(const Tagger& tagger, std::string_view text, size_t n, Offsets offsets,
                        Stop stop) {
  const Sentence sentence = only_sentence(text, tagger.settings().tokenizer);
  const std::vector<std::string_view>& words = sentence.words;
  if (words.empty()) return {{{1.0, {}}}, 0};
  std::vector<std::pair<size_t, size_t>> units;  // before each word, and after it
  size_t at = 0, before = 0;
  auto units_before = [&](const char* place) {
    const auto byte = static_cast<size_t>(place - text.data());
    before += count_units(text.substr(at, byte - at), offsets);
    at = byte;
    return before;
  };
  for (std::string_view word : words) {
    const size_t start = units_before(word.data());
    units.emplace_back(start, units_before(word.data() + word.size()));
  }
  std::vector<TextReading> found;
  const std::vector<Readings> all = tagger.nbest({sentence}, 0, 1, n, kBatchSize, 1, nullptr, stop);
  for (const Reading& reading : all[0]) {
    found.push_back({reading.probability, {}});
    for (const Entity& entity : entities(reading.tags, tagger.settings().data_scheme)) {
      const std::string_view last = words[entity.end - 1];
      found.back().entities.push_back(
          {entity.type, 0, units[entity.start].first, units[entity.end - 1].second,
           static_cast<size_t>(words[entity.start].data() - text.data()),
           static_cast<size_t>(last.data() - text.data()) + last.size(), kNoScore});
    }
  }
  return {std::move(found), words.size()};
}

}  // namespace etagger
