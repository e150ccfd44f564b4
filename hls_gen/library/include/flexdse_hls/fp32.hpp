// Purpose: the fp32 operations that the engines use, with the arithmetic of the FPGA's operators.
//
// Each result is rounded once, to nearest even, and a subnormal operand or result counts as a zero of its sign
// (numerics.md, "fp32"). FPGA operators flush by themselves, so synthesis sees the plain operator; the C simulation
// flushes explicitly and is compiled with -ffp-contract=off, so that no multiply-add is fused.
#pragma once

#include <cstdint>

#include "flexdse_hls/ints.hpp"

namespace flexdse_hls {

inline std::uint32_t bits_of(float value) {
#pragma HLS inline
  union {
    float as_float;
    std::uint32_t as_bits;
  } both;
  both.as_float = value;
  return both.as_bits;
}

inline float float_of(std::uint32_t bits) {
#pragma HLS inline
  union {
    float as_float;
    std::uint32_t as_bits;
  } both;
  both.as_bits = bits;
  return both.as_float;
}

// Subnormal to zero of the same sign.
inline float flush(float value) {
#pragma HLS inline
#ifdef __SYNTHESIS__
  return value;
#else
  const std::uint32_t bits = bits_of(value);
  return (bits & 0x7f800000u) == 0 ? float_of(bits & 0x80000000u) : value;
#endif
}

// Zero of either sign and subnormals to +0: what the quantizer makes of its input, so that -0 and +0 can not differ.
inline float canonical(float value) {
#pragma HLS inline
  const std::uint32_t bits = bits_of(value);
  return (bits & 0x7f800000u) == 0 ? 0.0f : value;
}

inline float fp_add(float a, float b) {
#pragma HLS inline
  return flush(flush(a) + flush(b));
}

inline float fp_sub(float a, float b) {
#pragma HLS inline
  return flush(flush(a) - flush(b));
}

inline float fp_mul(float a, float b) {
#pragma HLS inline
  return flush(flush(a) * flush(b));
}

inline float fp_div(float a, float b) {
#pragma HLS inline
  return flush(flush(a) / flush(b));
}

// An unsigned integer that orders as the floats do: a running minimum is then one integer comparison, II=1, where a
// floating-point comparator's latency would not fit the recurrence.
inline std::uint32_t ordered_key(float value) {
#pragma HLS inline
  const std::uint32_t bits = bits_of(value);
  return (bits & 0x80000000u) != 0 ? ~bits : (bits | 0x80000000u);
}

inline float from_ordered_key(std::uint32_t key) {
#pragma HLS inline
  return float_of((key & 0x80000000u) != 0 ? (key & 0x7fffffffu) : ~key);
}

// Nearest integer of the magnitude of a finite value, ties to even, at most 2^BITS - 1: shifts and one increment instead
// of an adder.
template <int BITS>
std::uint32_t round_magnitude(float value) {
#pragma HLS inline
  static_assert(BITS >= 1 && BITS <= 22, "a rounded magnitude has 1 to 22 bits");
  constexpr std::uint32_t kLargest = (1u << BITS) - 1u;
  const std::uint32_t bits = bits_of(value);
  const int exponent = static_cast<int>(bits >> 23 & 0xffu) - 127;  // magnitude = significand * 2^(exponent - 23)
  const std::uint32_t significand = (bits & 0x7fffffu) | 0x800000u;
  if (exponent < -1) return 0;  // below one half
  if (exponent >= BITS) return kLargest;
  const int dropped_bits = 23 - exponent;  // 2..24
  const std::uint32_t whole = significand >> dropped_bits;
  const std::uint32_t rest = significand & ((1u << dropped_bits) - 1u);
  const std::uint32_t half = 1u << (dropped_bits - 1);
  const bool up = rest > half || (rest == half && (whole & 1u) != 0);
  const std::uint32_t rounded = whole + (up ? 1u : 0u);
  return rounded > kLargest ? kLargest : rounded;
}

// Nearest integer of a finite 0 <= value, ties to even, at most 2^BITS - 1.
template <int BITS>
uint_t<BITS> round_to_unsigned(float value) {
#pragma HLS inline
  return static_cast<uint_t<BITS>>(round_magnitude<BITS>(value));
}

// Nearest integer of a finite value, ties to even, clipped to two's complement of BITS.
template <int BITS>
int_t<BITS> round_to_signed(float value) {
#pragma HLS inline
  const int magnitude = static_cast<int>(round_magnitude<BITS>(value));
  const bool negative = bits_of(value) >> 31 != 0;
  const int limit = negative ? 1 << (BITS - 1) : (1 << (BITS - 1)) - 1;
  const int clipped = magnitude > limit ? limit : magnitude;
  return static_cast<int_t<BITS>>(negative ? -clipped : clipped);
}

}  // namespace flexdse_hls
