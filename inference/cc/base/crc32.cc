#include "base/crc32.h"

#include <array>
#include <cstddef>
#include <cstring>

namespace etagger {
namespace {

// Tables for eight bytes at a time.
constexpr auto kCrc = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    tables[0][i] = crc;
  }
  for (size_t t = 1; t < 8; ++t)
    for (size_t i = 0; i < 256; ++i)
      tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 255];
  return tables;
}();

}  // namespace

uint32_t crc32(std::string_view data, uint32_t before) {
  uint32_t crc = ~before;
  const char* at = data.data();
  size_t left = data.size();
  for (; left >= 8; at += 8, left -= 8) {
    uint64_t eight;
    std::memcpy(&eight, at, 8);
    eight ^= crc;
    crc = 0;
    for (size_t t = 0; t < 8; ++t) crc ^= kCrc[7 - t][eight >> (8 * t) & 255];
  }
  for (; left; ++at, --left)
    crc = crc >> 8 ^ kCrc[0][(crc ^ static_cast<unsigned char>(*at)) & 255];
  return ~crc;
}

}  // namespace etagger
