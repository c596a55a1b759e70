// The hash of tokens in vocabularies: FNV-1a, 64 bits, its halves folded. Files depend on it
// (engine_file.py).
#pragma once

#include <cstdint>
#include <string_view>

namespace etagger {

inline uint32_t token_hash(std::string_view token) {
  uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char byte : token) hash = (hash ^ byte) * 0x100000001b3;
  return static_cast<uint32_t>(hash ^ hash >> 32);
}

}  // namespace etagger
