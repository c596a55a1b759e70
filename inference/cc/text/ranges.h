// Tables of Unicode's properties: sorted, disjoint ranges of code points.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>

namespace etagger {

struct Range {
  uint32_t first, last;
};

// The range that holds `code`; nullptr if none does.
template <class R, size_t N>
const R* find_range(const R (&ranges)[N], uint32_t code) {
  const R* found =
      std::lower_bound(std::begin(ranges), std::end(ranges), code,
                       [](const R& range, uint32_t value) { return range.last < value; });
  return found != std::end(ranges) && found->first <= code ? found : nullptr;
}

}  // namespace etagger
