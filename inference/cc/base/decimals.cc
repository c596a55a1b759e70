#include "base/decimals.h"

#include <cmath>
#include <cstdint>
#include <cstdio>

namespace etagger {

void append_six_digits(double number, std::string* out) {
  char text[32];
  const double millionths = number * 1e6, whole = std::floor(millionths), rest = millionths - whole;
  // The product is rounded by less than 1e-9: nearer to a half than that, printf decides.
  if (!(number >= 0 && number <= 1) || std::fabs(rest - 0.5) < 1e-9) {
    std::snprintf(text, sizeof text, "%.6f", number);
    out->append(text);
    return;
  }
  auto digits = static_cast<uint32_t>(whole) + (rest > 0.5);
  for (int place = 7; place >= 0; --place) {
    if (place == 1) {
      text[place] = '.';
      continue;
    }
    text[place] = static_cast<char>('0' + digits % 10);
    digits /= 10;
  }
  out->append(text, 8);
}

}  // namespace etagger
