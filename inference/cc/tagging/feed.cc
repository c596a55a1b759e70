#include "tagging/feed.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "base/utf8.h"
#include "text/lowercase.h"

namespace etagger {
namespace {

bool is_ascii_digit(uint32_t code) {
  return code >= '0' && code <= '9';
}

bool is_ascii_letter(uint32_t code) {
  return (code | 32) >= 'a' && (code | 32) <= 'z';
}

bool is_ascii_punctuation(uint32_t code) {
  return code > ' ' && code < 127 && !is_ascii_digit(code) && !is_ascii_letter(code);
}

// ELMo's input, as features/elmo_bytes.py makes it: a row of bytes each of <S>, the words and </S>, with
// begin and end of word and padding, all + 1.
constexpr size_t kElmoWidth = 50;
constexpr int32_t kBeginSentence = 257, kEndSentence = 258, kBeginWord = 259, kEndWord = 260,
                  kNoByte = 261;

void append_elmo_ids(std::string_view word, std::vector<int32_t>* ids) {
  const size_t end = ids->size() + kElmoWidth;
  ids->push_back(kBeginWord);
  if (word == "<S>")
    ids->push_back(kBeginSentence);
  else if (word == "</S>")
    ids->push_back(kEndSentence);
  else
    for (unsigned char byte : word.substr(0, kElmoWidth - 2)) ids->push_back(byte + 1);
  ids->push_back(kEndWord);
  ids->resize(end, kNoByte);
}

std::vector<int32_t> elmo_ids(const std::vector<std::string_view>& words) {
  std::vector<int32_t> ids;
  ids.reserve((words.size() + 2) * kElmoWidth);
  append_elmo_ids("<S>", &ids);
  for (std::string_view word : words) append_elmo_ids(word, &ids);
  append_elmo_ids("</S>", &ids);
  return ids;
}

// The next number with at most `digits` binary digits before its zeros.
size_t rounded_up(size_t count, int digits) {
  int bits = 0;
  while (count >> bits) ++bits;
  size_t unit = size_t{1} << std::max(bits - digits, 0);
  return (count + unit - 1) / unit * unit;
}

bool begins_document(const Sentence& sentence) {
  return sentence.is_docstart();
}

// An input whose values are all `value`.
Input input_of(const std::string& name, const std::vector<size_t>& shape, int32_t value = 0) {
  size_t size = std::accumulate(shape.begin(), shape.end(), size_t{1}, std::multiplies<>());
  return {name, {shape.begin(), shape.end()}, std::vector<int32_t>(size, value)};
}

// The example in a row of a batch, the last one in all rows that fill it up.
const Example& example_of(const std::vector<Example>& examples, const Batch& batch, size_t row) {
  return examples[batch.indices[std::min(row, batch.indices.size() - 1)]];
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

Feeder::Feeder(const Settings& settings, const Ids& ids, const WindowMaker* windows)
    : settings_(settings), ids_(ids), windows_(windows) {}

Example Feeder::encode(const Sentence& sentence) const {
  Example example;
  example.length = sentence.words.size();
  auto add = [&](bool used, const std::vector<std::string_view>& column, Field field, auto id_of) {
    if (!used) return;
    (example.*field).assign(example.length, 1);  // unknown, where the column is not there
    for (size_t i = 0; i < column.size(); ++i) (example.*field)[i] = id_of(column[i]);
  };
  add(settings_.use_word, sentence.words, &Example::words,
      [&](std::string_view word) { return ids_.word_id(word, settings_.lowercase); });
  add(settings_.use_shape, sentence.words, &Example::shapes, word_shape);
  add(settings_.use_pos, sentence.pos, &Example::pos,
      [&](std::string_view pos) { return ids_.pos_id(pos); });
  add(settings_.use_chk, sentence.chunks, &Example::chunks,
      [&](std::string_view chunk) { return ids_.chunk_id(chunk); });
  if (settings_.use_chr) example.characters = characters(sentence.words);
  if (!settings_.gazetteer_types.empty()) example.gazetteer = ids_.marks(sentence.words);
  if (settings_.use_elmo) example.elmo = elmo_ids(sentence.words);
  return example;
}

std::vector<Example> Feeder::encode(const Sentence* sentences, size_t count,
                                    std::vector<size_t>* places, Around around) const {
  std::vector<Example> examples;
  examples.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if (sentences[i].words.empty() || sentences[i].is_docstart()) continue;
    examples.push_back(encode(sentences[i]));
    places->push_back(i);
  }
  if (windows_) add_windows(sentences, count, around, *places, &examples);
  return examples;
}

// With context, a sentence's windows depend on its document, which ends at a -DOCSTART-.
void Feeder::add_windows(const Sentence* sentences, size_t count, Around around,
                         const std::vector<size_t>& places, std::vector<Example>* examples) const {
  const size_t before = settings_.bert_context ? around.before : 0,
               all = before + count + (settings_.bert_context ? around.behind : 0);
  const Sentence* first = sentences - before;
  size_t k = 0;
  for (size_t begin = 0, end; begin < all && k < places.size();
       begin = end + settings_.bert_context) {
    end = begin + 1;
    if (settings_.bert_context)
      end = static_cast<size_t>(std::find_if(first + begin, first + all, begins_document) - first);
    std::vector<CutWords> document;
    for (size_t i = begin; i < end; ++i) document.push_back(windows_->cut(first[i].words));
    for (; k < places.size() && before + places[k] < end; ++k)
      (*examples)[k].bert =
          windows_->windows(document.data(), document.size(), before + places[k] - begin);
  }
}

// int32 (words, word_length), 0 behind the end of a word.
std::vector<int32_t> Feeder::characters(const std::vector<std::string_view>& words) const {
  const size_t width = static_cast<size_t>(settings_.word_length);
  std::vector<int32_t> ids(words.size() * width);
  int32_t* row = ids.data();
  for (std::string_view word : words) {
    for (size_t at = 0, k = 0; at < word.size() && k < width; ++k) {
      Character character = character_at(word, at);
      row[k] = ids_.character_id(character.code);
      at += character.size;
    }
    row += width;
  }
  return ids;
}

std::vector<Input> Feeder::inputs(const std::vector<Example>& examples, const Batch& batch) const {
  std::vector<Input> inputs;
  inputs.push_back({"sentence_length", {}, {static_cast<int32_t>(batch.length)}});
  auto add = [&](bool used, const char* name, Field field, size_t width = 0, size_t more = 0) {
    if (used) inputs.push_back(padded(name, field, width, examples, batch, batch.length + more));
  };
  add(settings_.use_word, "input_data_word_ids", &Example::words);
  add(settings_.use_chr, "input_data_wordchr_ids", &Example::characters,
      static_cast<size_t>(settings_.word_length));
  add(settings_.use_pos, "input_data_pos_ids", &Example::pos);
  add(settings_.use_chk, "input_data_chk_ids", &Example::chunks);
  add(settings_.use_shape, "input_data_shape_ids", &Example::shapes);
  add(!settings_.gazetteer_types.empty(), "input_data_gazetteer", &Example::gazetteer,
      settings_.gazetteer_types.size());
  add(settings_.use_elmo, "elmo_input_data_wordchr_ids", &Example::elmo, kElmoWidth, 2);
  if (windows_) add_bert(examples, batch, &inputs);
  return inputs;
}

// int32 (rows, length), or (rows, length, width) where width is not 0; 0 behind the end of a
// sentence.
Input Feeder::padded(const std::string& name, Field field, size_t width,
                     const std::vector<Example>& examples, const Batch& batch,
                     size_t length) const {
  std::vector<size_t> shape{batch.rows, length};
  if (width) shape.push_back(width);
  Input input = input_of(name, shape);
  const size_t stride = length * std::max<size_t>(width, 1);
  for (size_t row = 0; row < batch.rows; ++row) {
    const std::vector<int32_t>& values = example_of(examples, batch, row).*field;
    std::copy(values.begin(), values.end(),
              input.values.begin() + static_cast<std::ptrdiff_t>(row * stride));
  }
  return input;
}

// BERT's inputs: the windows of all sentences one below the other, their number and their length
// rounded up, so that there are few shapes.
void Feeder::add_bert(const std::vector<Example>& examples, const Batch& batch,
                      std::vector<Input>* inputs) const {
  size_t count = 0, size = 0;
  for (size_t row = 0; row < batch.rows; ++row)
    for (const std::vector<int32_t>& window : example_of(examples, batch, row).bert.windows) {
      ++count;
      size = std::max(size, window.size());
    }
  count = rounded_up(count, 3);
  size = std::min(rounded_up(size, 3), static_cast<size_t>(settings_.bert_length));
  Input tokens = input_of("bert_input_data_token_ids", {count, size}, windows_->padding()),
        masks = input_of("bert_input_data_token_masks", {count, size});
  Input index = input_of("bert_input_data_word_index", {batch.rows, batch.length}),
        pieces = input_of("bert_input_data_word_pieces", {batch.rows, batch.length});
  size_t first = 0;  // window of the sentence
  for (size_t row = 0; row < batch.rows; ++row) {
    const Windows& bert = example_of(examples, batch, row).bert;
    for (size_t word = 0; word < bert.window.size(); ++word) {
      index.values[row * batch.length + word] =
          static_cast<int32_t>((first + bert.window[word]) * size + bert.offset[word]);
      pieces.values[row * batch.length + word] = static_cast<int32_t>(bert.count[word]);
    }
    for (const std::vector<int32_t>& window : bert.windows) {
      auto place = static_cast<std::ptrdiff_t>(first++ * size);
      std::copy(window.begin(), window.end(), tokens.values.begin() + place);
      std::fill_n(masks.values.begin() + place, window.size(), 1);
    }
  }
  for (Input* input : {&tokens, &masks, &index}) inputs->push_back(std::move(*input));
  inputs->push_back(input_of("bert_input_data_segment_ids", {count, size}));
  if (settings_.bert_mean) inputs->push_back(std::move(pieces));
}

std::vector<Batch> tagging_batches(const std::vector<Example>& examples, size_t batch_size,
                                   size_t max_tokens) {
  std::vector<size_t> order(examples.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return examples[a].length > examples[b].length; });
  std::vector<Batch> batches;
  for (size_t i : order) {
    size_t length = rounded_up(examples[i].length, 3);
    if (!batches.empty()) {
      Batch& last = batches.back();
      bool full =
          last.indices.size() == batch_size || last.length * (last.indices.size() + 1) > max_tokens;
      if (!full && last.length <= 2 * length + 8) {
        last.indices.push_back(i);
        continue;
      }
    }
    batches.push_back({{i}, 0, length});
  }
  for (Batch& batch : batches) {
    size_t full = std::max<size_t>(1, std::min(batch_size, max_tokens / batch.length));
    batch.rows = std::min(rounded_up(batch.indices.size(), 1), full);
  }
  return batches;
}

}  // namespace etagger
