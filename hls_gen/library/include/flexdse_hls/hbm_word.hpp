// Purpose: one beat of an m_axi port, and the values that are packed in it.
//
// Template parameter BITS: width of the port. Memory order is little-endian: nibble i of the word is bits
// [4i, 4i+3], so the low nibble of a byte is the even lane; fp32 value i is bits [32i, 32i+31].
#pragma once

#include <cstdint>

#include "flexdse_hls/fp32.hpp"
#include "flexdse_hls/ints.hpp"

namespace flexdse_hls {

template <int BITS>
struct alignas(BITS / 8) hbm_word {
  static_assert(BITS >= 32 && BITS <= 1024 && (BITS & (BITS - 1)) == 0,
                "a memory port is a power of two from 32 to 1024 bits wide");

  std::uint32_t part[BITS / 32];
};

template <int BITS>
int4 nibble_of(const hbm_word<BITS>& word, int i) {
#pragma HLS inline
  return int4((word.part[i / 8] >> (4 * (i % 8))) & 0xfu);
}

template <int BITS>
float float_of(const hbm_word<BITS>& word, int i) {
#pragma HLS inline
  return float_of(word.part[i]);
}

}  // namespace flexdse_hls
