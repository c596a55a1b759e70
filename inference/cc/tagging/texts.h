// From texts to entities. Texts of any size are split into lines, or further into sentences, and
// these into tokens as the training data were; the entities have their places in the text.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/stop.h"
#include "tagging/tagger.h"

namespace etagger {

// The unit of places. A byte that is not UTF-8 counts as one in every unit.
enum class Offsets { kCodePoints, kUtf16, kBytes };

struct TextOptions {
  bool split = false;   // split lines into sentences (text/sentences.h); else a line is a sentence
  bool scores = false;  // see Tagger::confident
  Offsets offsets = Offsets::kCodePoints;
  size_t threads = 1;
  Stop stop;  // once set, tag_texts soon throws Error
};

// An entity of a text; ends are exclusive. The type ends in NUL and lives as long as the tagger.
struct TextEntity {
  std::string_view type;
  size_t text;                  // index of the text
  size_t start, end;            // place in the text as it was given, in TextOptions::offsets
  size_t first_byte, end_byte;  // the same place in bytes
  double score;                 // NaN without scores
};

// The entities of texts, and how many tokens the texts have.
struct TextsFound {
  std::vector<TextEntity> entities;  // text by text, from left to right
  std::vector<size_t> tokens;        // (texts,)
};

// The entities of all texts. A byte order mark at the beginning of a text belongs to no word, but
// counts in the places. A line of more than kMostRows words is tagged in pieces of that many, each
// as a sentence of its own. The memory beside the result does not grow with the texts, except for a
// model with document context, where a text is tagged as a whole. Throws Error.
TextsFound tag_texts(const Tagger& tagger, const std::vector<std::string_view>& texts,
                     const TextOptions& options);

// One of the n best readings of a text. Its entities have no scores, and their `text` is 0.
struct TextReading {
  double probability;
  std::vector<TextEntity> entities;
};

struct TextReadings {
  std::vector<TextReading> readings;
  size_t tokens;  // of the text
};

// The `n` (1 to kMostReadings) most probable readings of a text, or all if there are fewer, the
// best first. The text is one sentence; a text without words has one reading. Throws Error, also if
// several of its lines have words.
TextReadings nbest_text(const Tagger& tagger, std::string_view text, size_t n, Offsets offsets,
                        Stop stop = {});

}  // namespace etagger
