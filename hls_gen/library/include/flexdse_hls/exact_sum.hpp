// Purpose: a sum of squares that is exact, so that its order, and with it a design's parallelism, cannot change a bit.
//
// Each square is rounded to fp32 once, cut to 44 fraction bits, and added as an integer (numerics.md, "Sum of squares").
// Whole and fraction are counted in two registers of 64 bits whose carry is settled at the end: one cycle a value where
// a floating-point adder would need as many partial sums as it has stages.
// Capacity: 2^16 values; squares beyond 2^46 count as the largest fp32 below 2^46.
#pragma once

#include "flexdse_hls/bf16.hpp"

namespace flexdse_hls {

struct square_sum {
  static constexpr int kFractionBits = 44;
  static constexpr int kWholeBits = 46;

  std::uint64_t whole;
  std::uint64_t fraction;

  void reset() {
#pragma HLS inline
    whole = 0;
    fraction = 0;
  }

  void include(float value) {
#pragma HLS inline
    const std::uint32_t bits = bits_of(fp_mul(value, value));
    add(static_cast<int>(bits >> 23) - 127, (bits & 0x7fffffu) | 0x800000u);
  }

  // The square of 8 bits of significand fits fp32: no rounding.
  void include(bf16 value) {
#pragma HLS inline
    const std::uint32_t square = significand_of(value) * significand_of(value);  // 2^14 .. 2^16 - 1, or 0
    const bool long_square = square >> 15 != 0;
    const int exponent = 2 * (exponent_of(value) - 127) + (long_square ? 1 : 0);
    if (square != 0) add(exponent, long_square ? square << 8 : square << 9);
  }

  // significand * 2^(exponent - 23), cut.
  void add(int exponent, std::uint64_t significand) {
#pragma HLS inline
    constexpr std::uint64_t kOnes = 0xffffffu;
    if (exponent >= kWholeBits) {
      whole += kOnes << (kWholeBits - 24);
    } else if (exponent >= 23) {
      whole += significand << (exponent - 23);
    } else if (exponent >= 0) {
      whole += significand >> (23 - exponent);
      fraction += (significand & ((std::uint64_t{1} << (23 - exponent)) - 1)) << (exponent + 21);
    } else if (exponent >= -21) {
      fraction += significand << (exponent + 21);
    } else if (exponent >= -kFractionBits) {
      fraction += significand >> -(exponent + 21);
    }
  }

  void include(const square_sum& other) {
#pragma HLS inline
    whole += other.whole;
    fraction += other.fraction;
  }

  // The sum, rounded once to nearest even.
  float total() const {
#pragma HLS inline
    const std::uint64_t high = whole + (fraction >> kFractionBits);
    const std::uint64_t low = fraction & ((std::uint64_t{1} << kFractionBits) - 1);
    if (high == 0) return fp_mul(static_cast<float>(low), 5.684341886080802e-14f);  // 2^-44
    if (high >> 26 != 0) return static_cast<float>(high | (low != 0 ? 1u : 0u));    // the last bit is beyond rounding
    const std::uint64_t joined = high << 38 | low >> 6 | ((low & 63u) != 0 ? 1u : 0u);
    return fp_mul(static_cast<float>(joined), 3.637978807091713e-12f);  // 2^-38
  }
};

}  // namespace flexdse_hls
