#include "base/durations.h"

#include <algorithm>
#include <cmath>

namespace etagger {

void Durations::add(double seconds, size_t count) {
  double bucket = seconds > kLeast ? std::log(seconds / kLeast) / std::log(kStep) : 0;
  buckets_[std::min(static_cast<size_t>(bucket), buckets_.size() - 1)] += count;
  count_ += count;
}

double Durations::percentile(size_t percent) const {
  size_t rank = std::min(count_ - 1, count_ / 100 * percent + count_ % 100 * percent / 100);
  size_t bucket = 0;
  for (size_t before = buckets_[0]; before <= rank; before += buckets_[bucket]) ++bucket;
  return kLeast * std::pow(kStep, static_cast<double>(bucket) + 0.5);
}

}  // namespace etagger
