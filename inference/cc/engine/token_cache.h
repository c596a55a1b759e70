// What the first layer makes of a token depends on nothing but its features, and words come again:
// their rows are kept.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/scratch.h"

namespace etagger {

// Rows of floats by keys of int32, sets of 4 of which the one longest unused makes room.
class TokenCache {
 public:
  struct Found {
    float* row;  // nullptr: all of its places are in use by this batch
    bool known;  // false: the row is the key's from now on, and must be filled
  };

  // Empties it where it was another model's. model: a number of the model's own, not 0.
  void open(uint64_t model, size_t key_size, size_t row_size) {
    if (model == model_) return;
    model_ = 0;  // until there is memory for all of it
    key_size_ = key_size;
    row_size_ = row_size;
    sets_ = kMostSets;
    while (sets_ > 16 && sets_ * kWays * row_size * sizeof(float) > kMostBytes) sets_ /= 2;
    used_.assign(sets_ * kWays, 0);
    keys_.resize(sets_ * kWays * key_size);
    batch_ = 0;
    model_ = model;
  }

  // Rows that find() gives hold until the next batch.
  void begin_batch() {
    ++batch_;
    rows_.room(sets_ * kWays * row_size_);
  }

  Found find(const int32_t* key) {
    size_t first = hash(key) % sets_ * kWays, place = first;
    for (size_t slot = first; slot < first + kWays; ++slot) {
      if (used_[slot] && std::equal(key, key + key_size_, &keys_[slot * key_size_])) {
        used_[slot] = batch_;
        return {row(slot), true};
      }
      if (used_[slot] < used_[place]) place = slot;
    }
    if (used_[place] == batch_) return {nullptr, false};
    used_[place] = batch_;
    std::copy(key, key + key_size_, &keys_[place * key_size_]);
    return {row(place), false};
  }

 private:
  static constexpr size_t kWays = 4, kMostSets = 256, kMostBytes = 8 << 20;

  size_t hash(const int32_t* key) const {
    uint64_t hash = 0;
    for (size_t i = 0; i < key_size_; ++i)
      hash = (hash ^ static_cast<uint32_t>(key[i])) * 0x9E3779B97F4A7C15;
    return hash >> 32;
  }
  float* row(size_t slot) { return rows_.data() + slot * row_size_; }

  uint64_t model_ = 0, batch_ = 0;
  size_t key_size_ = 0, row_size_ = 0, sets_ = 0;
  std::vector<uint64_t> used_;  // the batch that used a place last; 0: nobody yet
  std::vector<int32_t> keys_;
  Floats rows_;
};

}  // namespace etagger
