// Purpose: the fp32 operations that the engines use, with the arithmetic of the FPGA's operators.
//
// Each result is rounded once, to nearest even, and a subnormal operand or result counts as a zero of its sign
// (numerics.md, "fp32"). FPGA operators flush by themselves, so synthesis sees the plain operator; the C simulation
// flushes explicitly and is compiled with -ffp-contract=off, so that no multiply-add is fused.
#pragma once

#include <ap_int.h>

#include <cstdint>

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
inline ap_uint<32> ordered_key(float value) {
#pragma HLS inline
  const std::uint32_t bits = bits_of(value);
  return (bits & 0x80000000u) != 0 ? ~bits : (bits | 0x80000000u);
}

inline float from_ordered_key(ap_uint<32> key) {
#pragma HLS inline
  const std::uint32_t bits = key.to_uint();
  return float_of((bits & 0x80000000u) != 0 ? (bits & 0x7fffffffu) : ~bits);
}

// Nearest integer of a finite 0 <= value, ties to even, at most 15: shifts and one increment instead of an adder.
inline ap_uint<4> round_to_uint4(float value) {
#pragma HLS inline
  const std::uint32_t bits = bits_of(value);
  const int exponent = static_cast<int>(bits >> 23) - 127;          // value = significand * 2^(exponent - 23)
  const std::uint32_t significand = (bits & 0x7fffffu) | 0x800000u;
  if (exponent < -1) return 0;                                      // below one half
  if (exponent > 3) return 15;                                      // 16 and above
  const int dropped_bits = 23 - exponent;                           // 20..24
  const std::uint32_t whole = significand >> dropped_bits;
  const std::uint32_t rest = significand & ((1u << dropped_bits) - 1u);
  const std::uint32_t half = 1u << (dropped_bits - 1);
  const bool up = rest > half || (rest == half && (whole & 1u) != 0);
  const std::uint32_t rounded = whole + (up ? 1u : 0u);
  return rounded > 15u ? 15u : rounded;
}

}  // namespace flexdse_hls
