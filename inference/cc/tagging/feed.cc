#include "tagging/feed.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace etagger {
namespace {

// The next number with at most `digits` binary digits before its zeros.
size_t rounded_up(size_t count, int digits) {
  int bits = 0;
  while (count >> bits) ++bits;
  size_t unit = size_t{1} << std::max(bits - digits, 0);
  return (count + unit - 1) / unit * unit;
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

Feeder::Feeder(const Settings& settings, const Ids& ids, const WindowMaker* windows)
    : settings_(settings), ids_(ids), windows_(windows) {}

Example Feeder::encode(const Sentence& sentence) const {
  Example example;
  example.length = sentence.words.size();
  for (const FeatureRow& row : kFeatureTable)
    if (settings_.has(row.feature)) example.ids(row.feature) = row.ids(sentence, settings_, ids_);
  return example;
}

std::vector<Example> Feeder::encode(const std::vector<Sentence>& all, size_t first, size_t count,
                                    std::vector<size_t>* places) const {
  std::vector<Example> examples;
  examples.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const Sentence& sentence = all[first + i];
    if (sentence.words.empty() || sentence.is_docstart()) continue;
    examples.push_back(encode(sentence));
    places->push_back(i);
  }
  if (windows_ && settings_.bert_context) {
    add_windows_of_documents(all, first, *places, &examples);
  } else if (windows_) {
    for (size_t k = 0; k < examples.size(); ++k) {
      const CutWords sentence = windows_->cut(all[first + (*places)[k]].words);
      examples[k].bert = windows_->windows(&sentence, 1, 0);
    }
  }
  return examples;
}

// With context, a sentence's windows depend on its document, which ends at a -DOCSTART-.
void Feeder::add_windows_of_documents(const std::vector<Sentence>& all, size_t first,
                                      const std::vector<size_t>& places,
                                      std::vector<Example>* examples) const {
  size_t next = 0;  // the first example that has no windows yet
  for (size_t begin = 0; begin < all.size() && next < places.size();) {
    auto docstart = std::find_if(all.begin() + static_cast<std::ptrdiff_t>(begin), all.end(),
                                 [](const Sentence& sentence) { return sentence.is_docstart(); });
    const size_t end = static_cast<size_t>(docstart - all.begin());
    std::vector<CutWords> document;
    for (size_t i = begin; i < end; ++i) document.push_back(windows_->cut(all[i].words));
    for (; next < places.size() && first + places[next] < end; ++next)
      (*examples)[next].bert =
          windows_->windows(document.data(), document.size(), first + places[next] - begin);
    begin = end + 1;
  }
}

std::vector<Input> Feeder::inputs(const std::vector<Example>& examples, const Batch& batch) const {
  std::vector<Input> inputs;
  inputs.push_back({"sentence_length", {}, {static_cast<int32_t>(batch.length)}});
  for (const FeatureRow& row : kFeatureTable)
    if (settings_.has(row.feature)) inputs.push_back(padded(row, examples, batch));
  if (windows_) add_bert(examples, batch, &inputs);
  return inputs;
}

// int32 (rows, length), or (rows, length, width) where a token has several ids; 0 after the end of
// a sentence.
Input Feeder::padded(const FeatureRow& feature, const std::vector<Example>& examples,
                     const Batch& batch) const {
  const size_t length = batch.length + feature.more_rows, width = feature.ids_of_token(settings_);
  std::vector<size_t> shape{batch.rows, length};
  if (feature.width) shape.push_back(width);
  Input input = input_of(feature.input, shape);
  for (size_t row = 0; row < batch.rows; ++row) {
    const std::vector<int32_t>& values = example_of(examples, batch, row).ids(feature.feature);
    std::copy(values.begin(), values.end(),
              input.values.begin() + static_cast<std::ptrdiff_t>(row * length * width));
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
  Input tokens = input_of("bert_input_data_token_ids", {count, size}, windows_->padding());
  Input masks = input_of("bert_input_data_token_masks", {count, size});
  Input index = input_of("bert_input_data_word_index", {batch.rows, batch.length});
  Input pieces = input_of("bert_input_data_word_pieces", {batch.rows, batch.length});
  size_t first = 0;  // the sentence's first window, among all of them
  for (size_t row = 0; row < batch.rows; ++row) {
    const Windows& bert = example_of(examples, batch, row).bert;
    for (size_t word = 0; word < bert.window.size(); ++word) {
      index.values[row * batch.length + word] =
          static_cast<int32_t>((first + bert.window[word]) * size + bert.offset[word]);
      pieces.values[row * batch.length + word] = static_cast<int32_t>(bert.count[word]);
    }
    for (const std::vector<int32_t>& window : bert.windows) {
      auto place = static_cast<std::ptrdiff_t>(first * size);
      std::copy(window.begin(), window.end(), tokens.values.begin() + place);
      std::fill_n(masks.values.begin() + place, window.size(), 1);
      ++first;
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
