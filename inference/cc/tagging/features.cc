#include "tagging/features.h"

#include <string>

#include "base/utf8.h"
#include "tagging/settings.h"
#include "text/lowercase.h"

namespace etagger {
namespace {

// ------------------------------------------------------------ a column, an id a token

// Ids of a column's cells; 1, unknown, for each token where the column is not there.
template <class IdOf>
std::vector<int32_t> column_ids(const Sentence& sentence,
                                const std::vector<std::string_view>& column, IdOf id_of) {
  std::vector<int32_t> ids(sentence.words.size(), 1);
  for (size_t i = 0; i < column.size(); ++i) ids[i] = id_of(column[i]);
  return ids;
}

std::vector<int32_t> word_ids(const Sentence& sentence, const Settings& settings, const Ids& ids) {
  return column_ids(sentence, sentence.words,
                    [&](std::string_view word) { return ids.word_id(word, settings.lowercase); });
}

std::vector<int32_t> pos_ids(const Sentence& sentence, const Settings&, const Ids& ids) {
  return column_ids(sentence, sentence.pos, [&](std::string_view pos) { return ids.pos_id(pos); });
}

std::vector<int32_t> chunk_ids(const Sentence& sentence, const Settings&, const Ids& ids) {
  return column_ids(sentence, sentence.chunks,
                    [&](std::string_view chunk) { return ids.chunk_id(chunk); });
}

std::vector<int32_t> shape_ids(const Sentence& sentence, const Settings&, const Ids&) {
  return column_ids(sentence, sentence.words, word_shape);
}

// ------------------------------------------------------------ characters

size_t word_length(const Settings& settings) {
  return static_cast<size_t>(settings.word_length);
}

// 0 after the end of a word.
std::vector<int32_t> character_ids(const Sentence& sentence, const Settings& settings,
                                   const Ids& ids) {
  const size_t width = word_length(settings);
  std::vector<int32_t> all(sentence.words.size() * width);
  int32_t* row = all.data();
  for (std::string_view word : sentence.words) {
    for (size_t at = 0, k = 0; at < word.size() && k < width; ++k) {
      Character character = character_at(word, at);
      row[k] = ids.character_id(character.code);
      at += character.size;
    }
    row += width;
  }
  return all;
}

// ------------------------------------------------------------ gazetteer

size_t gazetteer_width(const Settings& settings) {
  return settings.gazetteer_types.size();
}

std::vector<int32_t> gazetteer_marks(const Sentence& sentence, const Settings&, const Ids& ids) {
  return ids.marks(sentence.words);
}

// ------------------------------------------------------------ ELMo

// ELMo's input, as features/elmo_bytes.py makes it: a row of bytes each of <S>, the words and </S>,
// with begin and end of word and padding, all + 1.
constexpr size_t kElmoWidth = 50;
constexpr int32_t kBeginSentence = 257, kEndSentence = 258, kBeginWord = 259, kEndWord = 260,
                  kNoByte = 261;

size_t elmo_width(const Settings&) {
  return kElmoWidth;
}

void append_elmo_ids(std::string_view word, std::vector<int32_t>* ids) {
  const size_t end = ids->size() + kElmoWidth;
  ids->push_back(kBeginWord);
  if (word == "<S>") {
    ids->push_back(kBeginSentence);
  } else if (word == "</S>") {
    ids->push_back(kEndSentence);
  } else {
    for (unsigned char byte : word.substr(0, kElmoWidth - 2)) ids->push_back(byte + 1);
  }
  ids->push_back(kEndWord);
  ids->resize(end, kNoByte);
}

std::vector<int32_t> elmo_ids(const Sentence& sentence, const Settings&, const Ids&) {
  std::vector<int32_t> ids;
  ids.reserve((sentence.words.size() + 2) * kElmoWidth);
  append_elmo_ids("<S>", &ids);
  for (std::string_view word : sentence.words) append_elmo_ids(word, &ids);
  append_elmo_ids("</S>", &ids);
  return ids;
}

// ------------------------------------------------------------ shapes

bool is_ascii_digit(uint32_t code) {
  return code >= '0' && code <= '9';
}

bool is_ascii_letter(uint32_t code) {
  return (code | 32) >= 'a' && (code | 32) <= 'z';
}

bool is_ascii_punctuation(uint32_t code) {
  return code > ' ' && code < 127 && !is_ascii_digit(code) && !is_ascii_letter(code);
}

}  // namespace

int word_shape(std::string_view word) {
  enum { kLower = 2, kUpper, kInitial, kMixed, kDigits, kWithDigit, kPunctuation, kOther };
  size_t count = 0, digits = 0, letters = 0, punctuation = 0, upper = 0, upper_or_punctuation = 0;
  bool initial = false;
  for (size_t at = 0; at < word.size(); ++count) {
    Character character = character_at(word, at);
    uint32_t code = character.code;
    bool is_capital = is_upper(code), is_mark = is_ascii_punctuation(code);
    digits += is_ascii_digit(code);
    letters += is_ascii_letter(code);
    punctuation += is_mark;
    upper += is_capital;
    upper_or_punctuation += is_capital || is_mark;
    if (count == 0) initial = is_capital;
    at += character.size;
  }
  if (punctuation == count) return kPunctuation;
  if (digits) return digits + punctuation == count ? kDigits : kWithDigit;
  if (!upper) return letters + punctuation == count ? kLower : kOther;
  if (upper_or_punctuation == count) return count > 1 ? kUpper : kInitial;
  return initial && upper == 1 ? kInitial : kMixed;
}

// clang-format off: a row each
const std::array<FeatureRow, kFeatureCount> kFeatureTable = {{
    {Feature::kWord, "use_word", true, "input_data_word_ids", 0,
     FeatureReading::kVectors, "wrd.vectors", nullptr, word_ids},
    {Feature::kCharacters, "use_chr", true, "input_data_wordchr_ids", 0,
     FeatureReading::kCharacterCnn, nullptr, word_length, character_ids},
    {Feature::kPos, "use_pos", true, "input_data_pos_ids", 0,
     FeatureReading::kVectors, "pos.vectors", nullptr, pos_ids},
    {Feature::kChunk, "use_chk", true, "input_data_chk_ids", 0,
     FeatureReading::kVectors, "chk.vectors", nullptr, chunk_ids},
    {Feature::kShape, "use_shape", true, "input_data_shape_ids", 0,
     FeatureReading::kVectors, "shape.vectors", nullptr, shape_ids},
    {Feature::kGazetteer, nullptr, false, "input_data_gazetteer", 0,
     FeatureReading::kNumbers, nullptr, gazetteer_width, gazetteer_marks},
    {Feature::kElmo, "use_elmo", false, "elmo_input_data_wordchr_ids", 2,
     FeatureReading::kTensorFlow, nullptr, elmo_width, elmo_ids},
}};
// clang-format on

}  // namespace etagger
