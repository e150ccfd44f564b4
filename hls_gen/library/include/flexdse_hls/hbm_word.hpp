// Purpose: one beat of an m_axi port, and the values that are packed in it.
//
// Template parameter BITS: width of the port. Memory order is little-endian: nibble i of the word is bits
// [4i, 4i+3], so the low nibble of a byte is the even lane; byte i is bits [8i, 8i+7]; fp32 value i is bits
// [32i, 32i+31].
#pragma once

#include <cstdint>

#include "flexdse_hls/ints.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/real.hpp"

namespace flexdse_hls {

template <int BITS>
struct alignas(BITS / 8) hbm_word {
  static_assert(BITS >= 32 && BITS <= 1024 && (BITS & (BITS - 1)) == 0,
                "a memory port is a power of two from 32 to 1024 bits wide");

  std::uint32_t part[BITS / 32];
};

// Signed integer i of a word that is packed with them.
template <int VALUE_BITS, int BITS>
int_t<VALUE_BITS> value_of(const hbm_word<BITS>& word, int i) {
#pragma HLS inline
  static_assert(VALUE_BITS == 4 || VALUE_BITS == 8, "packed integers have 4 or 8 bits");
  constexpr int kPerPart = 32 / VALUE_BITS;
  const std::uint32_t raw = word.part[i / kPerPart] >> (VALUE_BITS * (i % kPerPart));
  return int_t<VALUE_BITS>(static_cast<std::int8_t>(raw << (8 - VALUE_BITS)) >> (8 - VALUE_BITS));
}

// COUNT signed integers from number `first` on.
template <int VALUE_BITS, int COUNT, int BITS>
lanes<int_t<VALUE_BITS>, COUNT> values_of(const hbm_word<BITS>& word, int first) {
#pragma HLS inline
  lanes<int_t<VALUE_BITS>, COUNT> values;
Value_Unroll:
  for (int i = 0; i < COUNT; ++i) {
#pragma HLS unroll
    values[i] = value_of<VALUE_BITS>(word, first + i);
  }
  return values;
}

template <int BITS>
real real_of(const hbm_word<BITS>& word, int i) {
#pragma HLS inline
  return from_memory<real>(word.part[i]);
}

}  // namespace flexdse_hls
