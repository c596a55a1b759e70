// Texts to entities: texts of any size are split into lines, or further into sentences, and these
// into tokens as the model was trained; entities come back with their places in the text.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/stop.h"
#include "tagging/tagger.h"

namespace etagger {

// What places count. A byte that is not UTF-8 counts as one, whatever the unit.
enum class Offsets { kCodePoints, kUtf16, kBytes };

struct TextOptions {
  bool split = false;   // a line may have several sentences, see text/sentences.h; else it is one
  bool scores = false;  // see Tagger::confident
  Offsets offsets = Offsets::kCodePoints;
  size_t threads = 1;  // that tag
  Stop stop;           // ends it, with Error
};

// An entity of a text; ends are exclusive. The type ends in NUL and lives as long as the tagger.
struct TextEntity {
  std::string_view type;
  size_t text;                  // which of the texts
  size_t start, end;            // in the text as it was given, counted as TextOptions::offsets says
  size_t first_byte, end_byte;  // the same in bytes
  double score;                 // NaN without scores
};

// What is found in texts.
struct TextsFound {
  std::vector<TextEntity> entities;  // from left to right, text by text
  std::vector<size_t> tokens;        // of each text: how many
};

// The entities of all texts. A byte order mark at the beginning
// of a text belongs to no word; it counts in the places. A line of more than kMostRows words is
// tagged in pieces of so many, each as a sentence of its own. What it needs beside the result does
// not grow with the texts, unless the model reads sentences with those around them: there a text is
// tagged as a whole. Throws Error.
TextsFound tag_texts(const Tagger& tagger, const std::vector<std::string_view>& texts,
                     const TextOptions& options);

// One of the ways to read a text that is a sentence; the entities have no scores, and `text` is 0.
struct TextReading {
  double probability;
  std::vector<TextEntity> entities;
};

struct TextReadings {
  std::vector<TextReading> readings;
  size_t tokens;  // of the text
};

// The `n` most probable readings of a text, 1 to kMostReadings, or all where there are fewer, the
// best first. The text is one sentence; one without words has one reading. Throws Error, also where
// several of its lines have words.
TextReadings nbest_text(const Tagger& tagger, std::string_view text, size_t n, Offsets offsets,
                        Stop stop = {});

}  // namespace etagger
