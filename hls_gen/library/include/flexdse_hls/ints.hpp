// Purpose: integer types of W4A4 and the widths that follow from the longest dot product.
//
// Types: `int4` weights (-8..7), `uint4` activations (0..15), accumulators `ap_int<accumulator_bits(max_d_in)>`.
// The widths are computed here once, so that engine, FIFO and dequantizer can not disagree.
#pragma once

#include <ap_int.h>

namespace flexdse_hls {

using int4 = ap_int<4>;
using uint4 = ap_uint<4>;

constexpr int kMaxActivation = 15;          // uint4
constexpr int kMaxWeightMagnitude = 8;      // int4: -8
constexpr int kMultiplierOperandBits = 27;  // wide input of a DSP48E2 or DSP58 multiplier (UG579, AM004)
constexpr int kDspAccumulatorBits = 48;     // accumulator of a DSP48E2 (UG579); a DSP58 has 58
constexpr int kFp32SignificandBits = 24;    // integers up to 2^24 convert to fp32 without rounding (IEEE 754)

constexpr int ceil_div(int numerator, int denominator) { return (numerator + denominator - 1) / denominator; }

// Two's complement bits that hold every sum of `max_d_in` products of a uint4 and an int4.
constexpr int accumulator_bits(int max_d_in) {
  const long long magnitude = static_cast<long long>(kMaxActivation) * kMaxWeightMagnitude * max_d_in;
  int bits = 1;
  while ((1LL << (bits - 1)) < magnitude) ++bits;
  return bits;
}

}  // namespace flexdse_hls
