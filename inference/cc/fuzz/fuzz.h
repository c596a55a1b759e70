// What the fuzz targets share.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

// Ends the fuzzer, which keeps the input, where a property does not hold.
inline void require(bool holds, const std::string& property) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", property.c_str());
  std::abort();
}
