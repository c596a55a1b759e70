#include "engine/network.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/error.h"

namespace etagger {
namespace {

size_t padded_to(size_t size, size_t unit) {
  return (size + unit - 1) / unit * unit;
}

// What a hostile header may ask for, far above what a model needs.
constexpr size_t kMostFloats = 1 << 15;  // of scratch memory for a token
constexpr size_t kMostFilters = 1 << 12;

// Mutable, and of the whole process: it numbers the models, so that the scratch memory of a thread,
// which all models share, tells them apart also where one is opened in the memory of another.
std::atomic<uint64_t> models_opened{0};

}  // namespace

void Scratch::release() {
  for (Floats* floats : {&x, &transform, &gate, &gates, &cell, &outputs[0], &outputs[1], &logits,
                         &score, &next, &pointers})
    floats->release();
  chain.release();
}

// ------------------------------------------------------------ opening

Network::Network(const ModelFile& file, const Settings& settings, const Kernels& kernels)
    : kernels_(kernels), number_(++models_opened), tags_(settings.tags.size()) {
  open_features(file, settings);
  if (features_ == 0 || tags_ == 0)
    throw Error(file.path() + ": a model without features or tags; export it again");
  wide_ = padded_to(features_, kGroup);
  for (size_t layer = 0;
       settings.use_highway && layer < static_cast<size_t>(settings.highway_layers); ++layer)
    for (const char* part : {"transform", "gate"}) {
      std::string name = "highway." + std::to_string(layer) + "." + part;
      highway_.push_back(dense(file, name, name + ".bias", features_, wide_));
    }
  open_encoder(file, settings);
  open_decoder(file, settings);
  size_t floats = 3 * wide_ + blocks_ * (2 * kGroup + 4 * kLanes) + stride() + width_;
  if (floats > kMostFloats)
    throw Error(file.path() + ": " + std::to_string(floats) +
                " numbers of memory for a token, at most " + std::to_string(kMostFloats) +
                " go; serve the model with TensorFlow: freeze.py");
}

void Network::open_features(const ModelFile& file, const Settings& settings) {
  for (const FeatureRow& row : kFeatureTable) {
    if (!settings.has(row.feature) || row.reading == FeatureReading::kTensorFlow) continue;
    TokenFeature added{row.feature, row.reading, row.ids_of_token(settings), {}};
    if (row.reading == FeatureReading::kVectors) {
      added.vectors = table(file, row.vectors);
      features_ += added.vectors.dim;
    } else if (row.reading == FeatureReading::kCharacterCnn) {
      open_characters(file, settings);
    } else {
      features_ += added.width;
    }
    key_size_ += added.width;
    token_features_.push_back(added);
  }
}

// At least two rows: padding and unknown.
Network::Table Network::table(const ModelFile& file, const char* name) const {
  std::vector<int64_t> dims = {-1, -1};
  Table table{file.floats(name, &dims), static_cast<size_t>(dims[0]), static_cast<size_t>(dims[1])};
  if (table.rows < 2)
    throw Error(file.path() + ": section " + name +
                " has other dimensions than the model; export it again");
  return table;
}

Network::Dense Network::dense(const ModelFile& file, const std::string& kernel,
                              const std::string& bias, size_t dim, size_t columns) const {
  auto groups = static_cast<int64_t>(padded_to(columns, kGroup) / kGroup);
  std::vector<int64_t> dims = {groups, static_cast<int64_t>(dim), 4, kLanes},
                       bias_dims = {groups, 4, kLanes};
  return {file.floats(kernel, &dims).data, file.floats(bias, &bias_dims).data, dim, columns};
}

void Network::open_characters(const ModelFile& file, const Settings& settings) {
  word_length_ = static_cast<size_t>(settings.word_length);
  num_filters_ = static_cast<size_t>(settings.num_filters);
  if (num_filters_ > kMostFilters)
    throw Error(file.path() + ": more than " + std::to_string(kMostFilters) +
                " filters; export it again");
  const bool same = settings.chr_conv_type == "conv1d";
  for (size_t i = 0; i < settings.chr_filter_widths.size(); ++i) {
    std::string number = std::to_string(i);
    int64_t padded = static_cast<int64_t>(padded_to(num_filters_, kLanes));
    std::vector<int64_t> dims = {-1, settings.chr_filter_widths[i], padded}, bias_dims = {padded};
    CharacterFilter filter{file.floats("chr.taps." + number, &dims).data,
                           file.floats("chr.bias." + number, &bias_dims).data,
                           static_cast<size_t>(dims[0]),
                           static_cast<size_t>(dims[1]),
                           static_cast<size_t>(padded),
                           same};
    if (filter.characters < 2 || (!same && filter.width > word_length_))
      throw Error(file.path() + ": a filter of no use; export it again");
    filters_.push_back(filter);
    features_ += num_filters_;
  }
}

Recurrence Network::recurrence(const ModelFile& file, const std::string& name,
                               bool backward) const {
  std::vector<int64_t> dims = {static_cast<int64_t>(blocks_), static_cast<int64_t>(size_), 4,
                               kLanes};
  const float* w = file.floats(name, &dims).data;
  std::string_view packed = file.bytes(name + ".packed");
  if (packed.size() != blocks_ * size_ * 3 * kGroup + kLanes)
    throw Error(file.path() + ": section " + name +
                ".packed has another size than the model; export it again");
  return {w, reinterpret_cast<const uint8_t*>(packed.data()), size_, blocks_, backward};
}

void Network::open_encoder(const ModelFile& file, const Settings& settings) {
  size_ = static_cast<size_t>(settings.rnn_size);
  blocks_ = padded_to(size_, kLanes) / kLanes;
  size_t dim = features_;
  for (int number = 0; number < settings.rnn_layers; ++number) {
    std::string scope = "bilstm." + std::to_string(number);
    layers_.push_back({dense(file, scope + ".input", scope + ".bias", dim, 2 * blocks_ * kGroup),
                       recurrence(file, scope + ".forward", false),
                       recurrence(file, scope + ".backward", true)});
    dim = 2 * blocks_ * kLanes;
  }
  projection_ = dense(file, "projection.kernel", "projection.bias", dim, padded_to(tags_, kLanes));
}

void Network::open_decoder(const ModelFile& file, const Settings& settings) {
  if (!settings.use_crf && !file.has("crf.transitions")) return;
  width_ = padded_to(tags_, kLanes);
  std::vector<int64_t> dims = {static_cast<int64_t>(tags_), static_cast<int64_t>(width_)},
                       edge = {static_cast<int64_t>(tags_)};
  transitions_ = file.floats("crf.transitions", &dims).data;
  begin_ = file.floats("crf.begin", &edge).data;
  end_ = file.floats("crf.end", &edge).data;
}

// ------------------------------------------------------------ features

// All ids of a token, int32 (key_size_,), in the order of the features.
void Network::key(const Example& example, size_t token, int32_t* to) const {
  for (const TokenFeature& added : token_features_) {
    const int32_t* ids = example.ids(added.feature).data() + token * added.width;
    to = std::copy_n(ids, added.width, to);
  }
}

// float32 (wide_,), zeros after the features. The character CNN writes whole vectors of floats:
// what comes after them is written later.
void Network::features(const int32_t* key, float* x) const {
  float* const end = x + wide_;
  for (const TokenFeature& added : token_features_) {
    if (added.reading == FeatureReading::kVectors)
      x = std::copy_n(added.vectors.row(*key), added.vectors.dim, x);
    else if (added.reading == FeatureReading::kCharacterCnn)
      x = character_features(key, x);
    else
      x = std::copy_n(key, added.width, x);
    key += added.width;
  }
  std::fill(x, end, 0.0f);
}

// The maxima of each filter over a word's characters, int32 (word_length_,). Returns the end of
// what it wrote to x.
float* Network::character_features(const int32_t* characters, float* x) const {
  size_t count = word_length_;
  while (count > 0 && characters[count - 1] == 0) --count;
  float vector[kMostFilters];
  for (const CharacterFilter& filter : filters_) {
    if (filter.same && count == 0)
      std::fill_n(vector, filter.padded, 0.0f);  // an empty word has no maximum
    else
      kernels_.characters(filter, characters, count, word_length_, vector);
    x = std::copy_n(vector, num_filters_, x);
  }
  return x;
}

// ------------------------------------------------------------ the network

void Network::run(const Dense& layer, const float* x, size_t x_stride, size_t rows,
                  float* const* y) const {
  kernels_.dense(x, x_stride, rows, layer.dim, layer.kernel, layer.columns, layer.bias, y);
}

// The same with rows of y one after another; `to` gets their places.
void Network::run(const Dense& layer, const float* x, size_t x_stride, size_t rows, float* y,
                  std::vector<float*>* to) const {
  to->resize(rows);
  for (size_t i = 0; i < rows; ++i) (*to)[i] = y + i * layer.columns;
  run(layer, x, x_stride, rows, to->data());
}

// Features, highway network and the first layer's products of all tokens: scratch->rows gets where
// those of each lie. Tokens that the cache has, from this batch or an earlier one, are not computed
// again.
void Network::project_tokens(const std::vector<const Example*>& examples, size_t rows,
                             Scratch* scratch) const {
  const Dense& first = layers_[0].input;
  const size_t row_size = first.columns;
  scratch->cache.open(number_, key_size_, row_size);
  float* x = scratch->x.room(rows * wide_);
  float* transform = scratch->transform.room(rows * wide_);
  float* gate = scratch->gate.room(rows * wide_);
  float* beside = scratch->gates.room(rows * row_size);
  scratch->keys.resize(key_size_);
  scratch->rows.clear();
  scratch->rows.reserve(rows);
  scratch->to.reserve(rows);
  std::vector<float*> missing;
  missing.reserve(rows);
  scratch->cache.begin_batch();
  for (const Example* example : examples)
    for (size_t t = 0; t < example->length; ++t) {
      key(*example, t, scratch->keys.data());
      auto [row, known] = scratch->cache.find(scratch->keys.data());
      if (!row) {
        row = beside;
        beside += row_size;
      }
      if (!known) {
        features(scratch->keys.data(), x + missing.size() * wide_);
        missing.push_back(row);
      }
      scratch->rows.push_back(row);
    }
  for (size_t layer = 0; layer < highway_.size(); layer += 2) {
    run(highway_[layer], x, wide_, missing.size(), transform, &scratch->to);
    run(highway_[layer + 1], x, wide_, missing.size(), gate, &scratch->to);
    kernels_.highway(transform, gate, x, missing.size() * wide_);
  }
  run(first, x, wide_, missing.size(), missing.data());
}

// Both directions of a layer, whose gates' inputs lie at scratch->rows. y: (rows, 2 * blocks_ *
// 16).
void Network::encode(const Layer& layer, size_t rows, float* y, Scratch* scratch) const {
  const size_t half = blocks_ * kLanes, count = scratch->sentences.size();
  float* cell = scratch->cell.room(count * half);
  for (bool backward : {false, true}) {
    const Recurrence& lstm = backward ? layer.backward : layer.forward;
    float* h = y + backward * half;
    if (count == 1)
      kernels_.lstm(lstm, scratch->rows.data(), rows, h, 2 * half, cell);
    else
      kernels_.lstm_batch(lstm, scratch->rows.data(), scratch->sentences.data(), count, h, 2 * half,
                          cell);
    for (float*& row : scratch->rows) row += blocks_ * kGroup;
  }
}

const float* Network::emissions(const std::vector<const Example*>& examples,
                                Scratch* scratch) const {
  scratch->sentences.clear();
  size_t rows = 0;
  for (const Example* example : examples) {
    scratch->sentences.push_back({rows, example->length});
    rows += example->length;
  }
  project_tokens(examples, rows, scratch);
  const size_t wide = 2 * blocks_ * kLanes;
  const float* x = nullptr;
  for (size_t layer = 0; layer < layers_.size(); ++layer) {
    float* y = scratch->outputs[layer % 2].room(rows * wide);
    if (layer)
      run(layers_[layer].input, x, wide, rows, scratch->gates.room(rows * 2 * blocks_ * kGroup),
          &scratch->rows);
    encode(layers_[layer], rows, y, scratch);
    for (size_t i = 0; layer && i < rows * wide; ++i) y[i] += x[i];
    x = y;
  }
  float* logits = scratch->logits.room(rows * stride());
  run(projection_, x, wide, rows, logits, &scratch->to);
  return logits;
}

void Network::decode(const float* emissions, size_t length, Scratch* scratch, int32_t* ids) const {
  const size_t row = stride();
  if (!transitions_) {
    for (size_t t = 0; t < length; ++t)
      ids[t] =
          static_cast<int32_t>(std::max_element(emissions + t * row, emissions + t * row + tags_) -
                               (emissions + t * row));
    return;
  }
  float* score = scratch->score.room(width_);
  float* next = scratch->next.room(width_);
  auto* pointers = reinterpret_cast<int32_t*>(scratch->pointers.room(length * width_));
  for (size_t tag = 0; tag < tags_; ++tag) score[tag] = emissions[tag] + begin_[tag];
  for (size_t t = 1; t < length; ++t) {
    kernels_.viterbi(score, tags_, transitions_, width_, emissions + t * row, next,
                     pointers + t * width_);
    float best = *std::max_element(next, next + tags_);  // small numbers: long sentences stay exact
    for (size_t tag = 0; tag < tags_; ++tag) score[tag] = next[tag] - best;
  }
  for (size_t tag = 0; tag < tags_; ++tag) score[tag] += end_[tag];
  ids[length - 1] = static_cast<int32_t>(std::max_element(score, score + tags_) - score);
  for (size_t t = length - 1; t > 0; --t)
    ids[t - 1] = pointers[t * width_ + static_cast<size_t>(ids[t])];
}

}  // namespace etagger
