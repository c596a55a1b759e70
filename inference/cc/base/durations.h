// Percentiles of durations.
#pragma once

#include <array>
#include <cstddef>

namespace etagger {

// Durations in buckets of 1% each: percentiles of any number of them in constant memory.
class Durations {
 public:
  void add(double seconds, size_t count);
  size_t count() const { return count_; }
  double percentile(size_t percent) const;  // in seconds; count() must not be 0

 private:
  static constexpr double kLeast = 1e-7, kStep = 1.01;
  std::array<size_t, 2400> buckets_{};  // to 1e-7 * 1.01^2400, 2,300 s
  size_t count_ = 0;
};

}  // namespace etagger
