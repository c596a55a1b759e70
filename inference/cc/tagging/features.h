// The features of a token, a row each in one table, which the settings, the feeder and the engine's
// network read. A new feature is an entry of Feature, its row in features.cc, and the function
// there that computes its ids.
//
// BERT is none of them: what it reads of a sentence is windows of pieces (text/windows.h), not ids
// of tokens.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "text/columns.h"
#include "text/ids.h"

namespace etagger {

struct Settings;

// In the order in which a token's vector holds them.
enum class Feature { kWord, kCharacters, kPos, kChunk, kShape, kGazetteer, kElmo };
constexpr size_t kFeatureCount = 7;

// What the engine's network makes of a token's ids.
enum class FeatureReading {
  kVectors,       // the row of a table of vectors
  kCharacterCnn,  // the maxima of convolutions over the characters
  kNumbers,       // the ids themselves
  kTensorFlow,    // nothing: a model with this feature is served with TensorFlow
};

struct FeatureRow {
  Feature feature;
  const char* flag;        // in model_config's "config"; nullptr: Settings::parse decides
  bool is_in_every_model;  // false: models from before the feature was known lack the flag
  const char* input;       // the graph's placeholder, int32 (batch, sentence[, width])
  size_t more_rows;        // in a sentence's ids beside those of its tokens, such as of <S>, </S>
  FeatureReading reading;  // in the engine
  const char* vectors;     // section of an .etagger file, for kVectors
  // Ids of a token; nullptr: one, and the placeholder has no third dimension.
  size_t (*width)(const Settings& settings);
  // int32 (sentence + more_rows, width), in row-major order.
  std::vector<int32_t> (*ids)(const Sentence& sentence, const Settings& settings, const Ids& ids);

  size_t ids_of_token(const Settings& settings) const { return width ? width(settings) : 1; }
};

// Every feature, in the order of Feature.
extern const std::array<FeatureRow, kFeatureCount> kFeatureTable;

// Id of a word's shape; the list is in features/feed.py.
int word_shape(std::string_view word);

}  // namespace etagger
