// Purpose: integer types by width, and the widths that follow from the operands and the longest dot product.
//
// `int_t<B>`, `uint_t<B>`: in synthesis and in the strict C simulation ap_int/ap_uint of exactly B bits; in the fast one
// (FLEXDSE_FAST_CSIM) the smallest native integer that holds B bits. No module relies on wrapping at B bits, so the two
// give the same values, which the tests compare. Where modules agree on a format, its widths are computed here once.
#pragma once

#include <cstdint>
#include <type_traits>

#ifndef FLEXDSE_FAST_CSIM
#include <ap_int.h>
#endif

namespace flexdse_hls {

#ifdef FLEXDSE_FAST_CSIM

template <int B>
struct native_int {
  static_assert(B >= 1 && B <= 64, "a native integer holds 1 to 64 bits");
  using type = std::conditional_t<(B <= 8), std::int8_t,
                                  std::conditional_t<(B <= 16), std::int16_t,
                                                     std::conditional_t<(B <= 32), std::int32_t, std::int64_t>>>;
};
template <int B>
using int_t = typename native_int<B>::type;
template <int B>
using uint_t = std::make_unsigned_t<typename native_int<B>::type>;

#else

template <int B>
using int_t = ap_int<B>;
template <int B>
using uint_t = ap_uint<B>;

#endif

using int4 = int_t<4>;
using uint4 = uint_t<4>;

enum class symmetry { symmetric, asymmetric };

// A quantized activation: signed where the quantizer is symmetric, unsigned where it is not.
template <symmetry S, int BITS>
using activation = std::conditional_t<S == symmetry::symmetric, int_t<BITS>, uint_t<BITS>>;

constexpr int kMaxActivation = 15;          // uint4
constexpr int kMultiplierOperandBits = 27;  // wide input of a DSP48E2 or DSP58 multiplier (UG579, AM004)
constexpr int kNarrowOperandBits = 18;      // narrow input of a DSP48E2 multiplier (UG579); a DSP58 has 24
constexpr int kDspAccumulatorBits = 48;     // accumulator of a DSP48E2 (UG579); a DSP58 has 58

constexpr int ceil_div(int numerator, int denominator) { return (numerator + denominator - 1) / denominator; }

// Two's complement bits that hold every value from -magnitude to magnitude - 1.
constexpr int signed_bits(long long magnitude) {
  int bits = 1;
  for (int i = 0; i < 62 && (1LL << (bits - 1)) < magnitude; ++i) ++bits;
  return bits;
}

// Operands of the multiply-accumulates of an engine: activations of A_BITS, signed or unsigned; signed weights of W_BITS.
template <symmetry S, int A_BITS, int W_BITS>
struct mac_format {
  static_assert(A_BITS >= 2 && A_BITS <= 8 && W_BITS >= 2 && W_BITS <= 8, "operands have 2 to 8 bits");

  using x_type = activation<S, A_BITS>;
  using w_type = int_t<W_BITS>;
  static constexpr int kActivationBits = A_BITS;
  static constexpr int kWeightBits = W_BITS;
  static constexpr bool kUnsignedActivations = S == symmetry::asymmetric;
  static constexpr int kMaxWeightMagnitude = 1 << (W_BITS - 1);
  static constexpr int kMaxActivationMagnitude = kUnsignedActivations ? (1 << A_BITS) - 1 : 1 << (A_BITS - 1);

  // Bits of the sum of `terms` products. Of unsigned activations the extreme is negative, -8 x 15 at four bits; of signed
  // ones it may be positive, -8 x -8, which needs the value itself to fit.
  static constexpr int accumulator_bits(int terms) {
    return signed_bits(static_cast<long long>(kMaxActivationMagnitude) * kMaxWeightMagnitude * terms +
                       (kUnsignedActivations ? 0 : 1));
  }
};

using w4a4_format = mac_format<symmetry::asymmetric, 4, 4>;

// Two's complement bits that hold every sum of `max_d_in` products of a uint4 and an int4.
constexpr int accumulator_bits(int max_d_in) { return w4a4_format::accumulator_bits(max_d_in); }

constexpr int kFp32SignificandBits = 24;  // integers up to 2^24 convert to fp32 without rounding (IEEE 754)

}  // namespace flexdse_hls
