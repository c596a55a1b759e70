#include "network.h"

#include <algorithm>
#include <cstring>

#include "error.h"

namespace etagger {
namespace {

size_t padded_to(size_t size, size_t unit) { return (size + unit - 1) / unit * unit; }

// What a hostile header may ask for, far above what a model needs.
constexpr size_t kMostFloats = 1 << 15;      // of scratch memory for a token
constexpr size_t kMostCharacters = 1024;     // of a word; export.py refuses more

}  // namespace

float* Scratch::floats(size_t place, size_t count) {
  if (parts_.size() <= place) parts_.resize(place + 1);
  std::vector<float>& part = parts_[place];
  if (part.size() < count) part.resize(count + count / 4);
  return part.data();
}

// ------------------------------------------------------------ opening

Network::Network(const ModelFile& file, const Settings& settings, const Kernels& kernels) : kernels_(kernels), tags_(settings.tags.size()) {
  auto add = [&](bool used, Table* table, const char* name, size_t least) {
    if (!used) return;
    *table = this->table(file, name, least);
    features_ += table->dim;
  };
  add(settings.use_word, &words_, "wrd.vectors", 2);
  if (settings.use_chr) open_characters(file, settings);
  add(settings.use_pos, &pos_, "pos.vectors", 2);
  add(settings.use_chk, &chunks_, "chk.vectors", 2);
  add(settings.use_shape, &shapes_, "shape.vectors", 2);
  gazetteer_types_ = settings.gazetteer_types.size();
  features_ += gazetteer_types_;
  if (features_ == 0 || tags_ == 0) throw Error(file.path() + ": a model without features or tags; export it again");
  wide_ = padded_to(features_, kGroup);
  for (size_t layer = 0; settings.use_highway && layer < static_cast<size_t>(settings.highway_layers); ++layer)
    for (const char* part : {"transform", "gate"}) {
      std::string name = "highway." + std::to_string(layer) + "." + part;
      highway_.push_back(dense(file, name, name + ".bias", features_, wide_));
    }
  open_encoder(file, settings);
  open_decoder(file, settings);
  size_t floats = 3 * wide_ + blocks_ * (kGroup + 4 * kLanes) + stride() + width_;
  if (floats > kMostFloats)
    throw Error(file.path() + ": " + std::to_string(floats) + " numbers of memory for a token, at most " + std::to_string(kMostFloats) +
                " go; serve the model with TensorFlow: freeze.py");
}

Network::Table Network::table(const ModelFile& file, const char* name, size_t least) const {
  std::vector<int64_t> dims = {-1, -1};
  Table table{file.floats(name, &dims), static_cast<size_t>(dims[0]), static_cast<size_t>(dims[1])};
  if (table.rows < least) throw Error(file.path() + ": section " + name + " has other dimensions than the model; export it again");
  return table;
}

Network::Dense Network::dense(const ModelFile& file, const std::string& kernel, const std::string& bias, size_t dim, size_t columns) const {
  int64_t groups = static_cast<int64_t>(columns / kGroup);
  std::vector<int64_t> dims = {groups, static_cast<int64_t>(dim), 4, kLanes}, bias_dims = {groups, 4, kLanes};
  return {file.floats(kernel, &dims).data, file.floats(bias, &bias_dims).data, dim, static_cast<size_t>(groups)};
}

void Network::open_characters(const ModelFile& file, const Settings& settings) {
  word_length_ = static_cast<size_t>(settings.word_length);
  if (word_length_ > kMostCharacters)
    throw Error(file.path() + ": word_length " + std::to_string(word_length_) + ", at most " + std::to_string(kMostCharacters) + " goes; export it again");
  num_filters_ = static_cast<size_t>(settings.num_filters);
  masked_ = settings.chr_conv_type == "conv1d";
  for (size_t i = 0; i < settings.chr_filter_widths.size(); ++i) {
    std::string number = std::to_string(i);
    int64_t padded = static_cast<int64_t>(padded_to(num_filters_, kLanes));
    std::vector<int64_t> dims = {-1, settings.chr_filter_widths[i], padded}, bias_dims = {padded};
    Filter filter{file.floats("chr.taps." + number, &dims).data, file.floats("chr.bias." + number, &bias_dims).data,
                  static_cast<size_t>(dims[0]), static_cast<size_t>(dims[1]), static_cast<size_t>(padded)};
    if (filter.characters < 2 || (!masked_ && filter.width > word_length_)) throw Error(file.path() + ": a filter of no use; export it again");
    filters_.push_back(filter);
    features_ += num_filters_;
  }
}

void Network::open_encoder(const ModelFile& file, const Settings& settings) {
  size_ = static_cast<size_t>(settings.rnn_size);
  blocks_ = padded_to(size_, kLanes) / kLanes;
  size_t dim = features_;
  for (int layer = 0; layer < settings.rnn_layers; ++layer) {
    for (const char* name : {"forward", "backward"}) {
      std::string scope = "bilstm." + std::to_string(layer) + "." + name;
      std::vector<int64_t> dims = {static_cast<int64_t>(blocks_), static_cast<int64_t>(size_), 4, kLanes};
      layers_.push_back({dense(file, scope + ".input", scope + ".bias", dim, blocks_ * kGroup), file.floats(scope + ".recurrent", &dims).data});
    }
    dim = 2 * blocks_ * kLanes;
  }
  projection_ = dense(file, "projection.kernel", "projection.bias", dim, padded_to(tags_, kGroup));
}

void Network::open_decoder(const ModelFile& file, const Settings& settings) {
  if (!settings.use_crf && !file.has("crf.transitions")) return;
  width_ = padded_to(tags_, kLanes);
  std::vector<int64_t> dims = {static_cast<int64_t>(tags_), static_cast<int64_t>(width_)}, edge = {static_cast<int64_t>(tags_)};
  transitions_ = file.floats("crf.transitions", &dims).data;
  begin_ = file.floats("crf.begin", &edge).data;
  end_ = file.floats("crf.end", &edge).data;
}

// ------------------------------------------------------------ features

// The character CNN of one word: for each position the taps of the characters around it are summed, then the maximum over the word.
void Network::characters(const int32_t* ids, float* to) const {
  const size_t length = word_length_;
  size_t count = length;
  while (count > 0 && ids[count - 1] == 0) --count;
  for (const Filter& filter : filters_) {
    const size_t before = masked_ ? (filter.width - 1) / 2 : 0;                 // taps left of the middle; conv2d starts at the position
    const size_t positions = masked_ ? count : length - filter.width + 1;
    const size_t busy = masked_ ? count : std::min(positions, count);           // behind those lies padding alone
    for (size_t lane = 0; lane < num_filters_; lane += kLanes) {
      float best[kLanes];
      std::fill(best, best + kLanes, busy < positions ? 0.0f : -3.4e38f);       // padding alone sums to 0
      for (size_t t = 0; t < busy; ++t) {
        float sum[kLanes] = {};
        for (size_t tap = 0; tap < filter.width; ++tap) {
          size_t place = t + tap - before;                                      // wraps around below 0
          if (place >= count) continue;
          size_t id = static_cast<size_t>(ids[place]);
          const float* share = filter.taps + ((id < filter.characters ? id : 1) * filter.width + tap) * filter.padded + lane;
          for (size_t i = 0; i < kLanes; ++i) sum[i] += share[i];
        }
        for (size_t i = 0; i < kLanes; ++i) best[i] = std::max(best[i], sum[i]);
      }
      for (size_t i = 0; i < std::min(kLanes, num_filters_ - lane); ++i) {
        float value = best[i] + filter.bias[lane + i];
        to[lane + i] = masked_ ? value : std::max(value, 0.0f);
      }
    }
    to += num_filters_;
  }
}

// Rows of wide_ floats, zeros behind the features.
void Network::features(const Example& example, float* x) const {
  std::fill(x, x + example.length * wide_, 0.0f);
  for (size_t i = 0; i < example.length; ++i) {
    float* to = x + i * wide_;
    auto add = [&](const Table& table, const std::vector<int32_t>& ids) {
      if (!table.dim) return;
      std::memcpy(to, table.row(ids[i]), table.dim * sizeof(float));
      to += table.dim;
    };
    add(words_, example.words);
    if (!filters_.empty()) {
      characters(&example.characters[i * word_length_], to);
      to += filters_.size() * num_filters_;
    }
    add(pos_, example.pos);
    add(chunks_, example.chunks);
    add(shapes_, example.shapes);
    for (size_t k = 0; k < gazetteer_types_; ++k) to[k] = static_cast<float>(example.gazetteer[i * gazetteer_types_ + k]);
  }
}

// ------------------------------------------------------------ the network

void Network::run(const Dense& layer, const float* x, size_t x_stride, size_t rows, float* y) const {
  kernels_.dense(x, x_stride, rows, layer.dim, layer.kernel, layer.groups, layer.bias, y, layer.groups * kGroup);
}

// Both directions of layer `layer / 2`.
void Network::encode(const std::vector<const Example*>& examples, const float* x, size_t x_stride, size_t rows, size_t layer, float* y, Scratch* scratch) const {
  const size_t half = blocks_ * kLanes, count = examples.size();
  float* gates = scratch->floats(3, rows * blocks_ * kGroup);
  float* cell = scratch->floats(4, count * half);
  for (size_t direction = 0; direction < 2; ++direction) {
    const Direction& lstm = layers_[layer + direction];
    run(lstm.input, x, x_stride, rows, gates);
    float* h = y + direction * half;
    if (count == 1) kernels_.lstm(gates, rows, direction == 1, size_, blocks_, lstm.recurrent, h, 2 * half, cell);
    else kernels_.lstm_batch(gates, scratch->begins.data(), scratch->lengths.data(), count, direction == 1, size_, blocks_, lstm.recurrent, h, 2 * half, cell);
  }
}

const float* Network::emissions(const std::vector<const Example*>& examples, Scratch* scratch) const {
  scratch->begins.clear();
  scratch->lengths.clear();
  size_t rows = 0;
  for (const Example* example : examples) {
    scratch->begins.push_back(rows);
    scratch->lengths.push_back(example->length);
    rows += example->length;
  }
  float* x = scratch->floats(0, rows * wide_);
  for (size_t i = 0; i < examples.size(); ++i) features(*examples[i], x + scratch->begins[i] * wide_);
  float* transform = scratch->floats(1, rows * wide_);
  float* gate = scratch->floats(2, rows * wide_);
  for (size_t layer = 0; layer < highway_.size(); layer += 2) {
    run(highway_[layer], x, wide_, rows, transform);
    run(highway_[layer + 1], x, wide_, rows, gate);
    kernels_.highway(transform, gate, x, rows * wide_);
  }
  const size_t wide = 2 * blocks_ * kLanes;
  size_t stride = wide_;
  for (size_t layer = 0; layer < layers_.size(); layer += 2) {
    float* y = scratch->floats(5 + layer / 2 % 2, rows * wide);
    encode(examples, x, stride, rows, layer, y, scratch);
    for (size_t i = 0; layer && i < rows * wide; ++i) y[i] += x[i];
    x = y;
    stride = wide;
  }
  float* logits = scratch->floats(7, rows * this->stride());
  run(projection_, x, stride, rows, logits);
  return logits;
}

void Network::decode(const float* emissions, size_t length, Scratch* scratch, int32_t* ids) const {
  const size_t row = stride();
  if (!transitions_) {
    for (size_t t = 0; t < length; ++t) ids[t] = static_cast<int32_t>(std::max_element(emissions + t * row, emissions + t * row + tags_) - (emissions + t * row));
    return;
  }
  float* score = scratch->floats(8, width_);
  float* next = scratch->floats(9, width_);
  auto* pointers = reinterpret_cast<int32_t*>(scratch->floats(10, length * width_));
  for (size_t tag = 0; tag < tags_; ++tag) score[tag] = emissions[tag] + begin_[tag];
  for (size_t t = 1; t < length; ++t) {
    kernels_.viterbi(score, tags_, transitions_, width_, emissions + t * row, next, pointers + t * width_);
    float best = *std::max_element(next, next + tags_);      // small numbers: long sentences stay exact
    for (size_t tag = 0; tag < tags_; ++tag) score[tag] = next[tag] - best;
  }
  for (size_t tag = 0; tag < tags_; ++tag) score[tag] += end_[tag];
  ids[length - 1] = static_cast<int32_t>(std::max_element(score, score + tags_) - score);
  for (size_t t = length - 1; t > 0; --t) ids[t - 1] = pointers[t * width_ + static_cast<size_t>(ids[t])];
}

}  // namespace etagger
