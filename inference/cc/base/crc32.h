// CRC-32 of zlib and PNG.
#pragma once

#include <cstdint>
#include <string_view>

namespace etagger {

// The checksum of some bytes and then `data`. before: the checksum of those bytes, 0 for none.
uint32_t crc32(std::string_view data, uint32_t before = 0);

}  // namespace etagger
