// Purpose: the bf16 operations of the non-linear modules: the rules of fp32 with 8 bits of significand (numerics.md, "bf16").
//
// Written in integers, so that synthesis builds adders and shifters of that width, no fp32 operators. Each result is
// rounded once, to nearest even; subnormal operands and results are zeros of their sign; a result that is too large is
// infinite. Sum: one alignment and one normalisation of 12 bits. Product: 8 x 8 bits. Quotient: ten steps of a restoring
// division, unrolled.
#pragma once

#include <cstdint>

#include "flexdse_hls/fp32.hpp"

namespace flexdse_hls {

struct bf16 {
  std::uint16_t bits;  // sign, 8 bits of exponent, 7 of fraction: the upper half of the fp32 of the same value

  bf16 operator-() const {
#pragma HLS inline
    return {static_cast<std::uint16_t>(bits ^ 0x8000u)};
  }
};

// The pattern as fp32.
inline std::uint32_t bits_of(bf16 value) {
#pragma HLS inline
  return static_cast<std::uint32_t>(value.bits) << 16;
}

inline float to_fp32(bf16 value) {
#pragma HLS inline
  return float_of(bits_of(value));
}

inline bf16 canonical(bf16 value) {
#pragma HLS inline
  return {static_cast<std::uint16_t>((value.bits & 0x7f80u) == 0 ? 0u : value.bits)};
}

// Significand with its hidden bit; 0 of a zero and of a subnormal.
inline std::uint32_t significand_of(bf16 value) {
#pragma HLS inline
  return (value.bits & 0x7f80u) == 0 ? 0u : (value.bits & 0x7fu) | 0x80u;
}

inline int exponent_of(bf16 value) {
#pragma HLS inline
  return value.bits >> 7 & 0xff;
}

// `kept` of 8 bits, its leading one at bit 7, and whether what was cut off rounds it up; magnitude kept * 2^(exponent - 134).
// Only all ones below the least normal number can still become it: the grid of the subnormals rounds them up.
inline bf16 packed(bool negative, int exponent, std::uint32_t kept, bool up) {
#pragma HLS inline
  const std::uint32_t sign = negative ? 0x8000u : 0u;
  if (exponent == 0 && kept == 0xffu) return {static_cast<std::uint16_t>(sign | 0x80u)};
  if (exponent <= 0) return {static_cast<std::uint16_t>(sign)};
  // A carry out of the fraction raises the exponent.
  const int magnitude = (exponent << 7) + static_cast<int>(kept & 0x7fu) + (up ? 1 : 0);
  return {static_cast<std::uint16_t>(sign | static_cast<std::uint32_t>(magnitude >= 0x7f80 ? 0x7f80 : magnitude))};
}

inline bf16 fp_add(bf16 a, bf16 b) {
#pragma HLS inline
  const bool in_order = (a.bits & 0x7fffu) >= (b.bits & 0x7fffu);
  const bf16 upper = in_order ? a : b;
  const bf16 lower = in_order ? b : a;
  const int distance = exponent_of(upper) - exponent_of(lower);
  // Three bits below the significand, of which the last collects all that is shifted out.
  const std::uint32_t significand = significand_of(upper) << 3;
  const std::uint32_t other = significand_of(lower) << 3;
  const int shift = distance > 11 ? 11 : distance;
  const std::uint32_t aligned = other >> shift | ((other & ((1u << shift) - 1u)) != 0 ? 1u : 0u);
  const bool subtracts = ((upper.bits ^ lower.bits) & 0x8000u) != 0;
  std::uint32_t sum = subtracts ? significand - aligned : significand + aligned;  // 12 bits
  if (exponent_of(upper) == 255) return upper;
  if (sum == 0) return {static_cast<std::uint16_t>(upper.bits & lower.bits & 0x8000u)};
  int exponent = exponent_of(upper) + 1;
  // The leading one to bit 11.
Normalise_Unroll:
  for (int step = 8; step >= 1; step /= 2) {
#pragma HLS unroll
    if (sum >> (12 - step) == 0) {
      sum <<= step;
      exponent -= step;
    }
  }
  const std::uint32_t kept = sum >> 4;
  const std::uint32_t rest = sum & 15u;
  return packed((upper.bits & 0x8000u) != 0, exponent, kept, rest > 8u || (rest == 8u && (kept & 1u) != 0));
}

inline bf16 fp_sub(bf16 a, bf16 b) {
#pragma HLS inline
  return fp_add(a, -b);
}

inline bf16 fp_mul(bf16 a, bf16 b) {
#pragma HLS inline
  const bool negative = ((a.bits ^ b.bits) & 0x8000u) != 0;
  const std::uint32_t product = significand_of(a) * significand_of(b);  // 15 or 16 bits
// Left to themselves the tools put so narrow a product into LUTs; the cost models count a DSP slice.
#pragma HLS bind_op variable=product op=mul impl=dsp
  if (exponent_of(a) == 255 || exponent_of(b) == 255) {
    return {static_cast<std::uint16_t>(negative ? 0xff80u : 0x7f80u)};
  }
  if (product == 0) return {static_cast<std::uint16_t>(negative ? 0x8000u : 0u)};
  const bool long_product = product >> 15 != 0;
  const std::uint32_t normal = long_product ? product : product << 1;
  const std::uint32_t kept = normal >> 8;
  const std::uint32_t rest = normal & 0xffu;
  const int exponent = exponent_of(a) + exponent_of(b) - 127 + (long_product ? 1 : 0);
  return packed(negative, exponent, kept, rest > 0x80u || (rest == 0x80u && (kept & 1u) != 0));
}

// Finite a, normal b.
inline bf16 fp_div(bf16 a, bf16 b) {
#pragma HLS inline
  const bool negative = ((a.bits ^ b.bits) & 0x8000u) != 0;
  const std::uint32_t divisor = significand_of(b);
  const bool below_one = significand_of(a) < divisor;
  std::uint32_t remainder = below_one ? significand_of(a) << 1 : significand_of(a);
  std::uint32_t quotient = 0;  // 9 bits: the significand and one that says which way to round
Digit_Unroll:
  for (int digit = 0; digit < 9; ++digit) {
#pragma HLS unroll
    const bool fits = remainder >= divisor;
    quotient = quotient << 1 | (fits ? 1u : 0u);
    remainder = (fits ? remainder - divisor : remainder) << 1;
  }
  if (significand_of(a) == 0) return {static_cast<std::uint16_t>(negative ? 0x8000u : 0u)};
  const std::uint32_t kept = quotient >> 1;
  // A quotient of 8-bit significands is never half-way between two of them.
  const int exponent = exponent_of(a) - exponent_of(b) + 127 - (below_one ? 1 : 0);
  return packed(negative, exponent, kept, (quotient & 1u) != 0 && (remainder != 0 || (kept & 1u) != 0));
}

// Orders as the values do, in 16 bits.
inline std::uint16_t ordered_key(bf16 value) {
#pragma HLS inline
  return static_cast<std::uint16_t>((value.bits & 0x8000u) != 0 ? ~value.bits : value.bits | 0x8000u);
}

inline bf16 from_ordered_key(std::uint16_t key) {
#pragma HLS inline
  return {static_cast<std::uint16_t>((key & 0x8000u) != 0 ? key & 0x7fffu : ~key)};
}

template <int BITS>
std::uint32_t round_magnitude(bf16 value) {
#pragma HLS inline
  return round_magnitude<BITS>(to_fp32(value));
}

template <int BITS>
uint_t<BITS> round_to_unsigned(bf16 value) {
#pragma HLS inline
  return round_to_unsigned<BITS>(to_fp32(value));
}

template <int BITS>
int_t<BITS> round_to_signed(bf16 value) {
#pragma HLS inline
  return round_to_signed<BITS>(to_fp32(value));
}

// A finite fp32, rounded once.
inline bf16 bf16_nearest(float value) {
#pragma HLS inline
  const std::uint32_t bits = bits_of(flush(value));
  return {static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}

// An integer of 32 bits, rounded once.
inline bf16 bf16_of_integer(std::int32_t value) {
#pragma HLS inline
  const bool negative = value < 0;
  std::uint32_t magnitude = negative ? 0u - static_cast<std::uint32_t>(value) : static_cast<std::uint32_t>(value);
  if (magnitude == 0) return {0};
  int exponent = 127 + 31;
Normalise_Unroll:
  for (int step = 16; step >= 1; step /= 2) {
#pragma HLS unroll
    if (magnitude >> (32 - step) == 0) {
      magnitude <<= step;
      exponent -= step;
    }
  }
  const std::uint32_t kept = magnitude >> 24;
  const std::uint32_t rest = magnitude & 0xffffffu;
  return packed(negative, exponent, kept, rest > 0x800000u || (rest == 0x800000u && (kept & 1u) != 0));
}

}  // namespace flexdse_hls
