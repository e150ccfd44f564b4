// Purpose: the dynamic per-token quantization of activations (numerics.md, "Quantize").
//
// Asymmetric: scale = (max - min) / (2^BITS - 1), q = nearest((x - min) / scale), unsigned. Symmetric: scale = max |x| / Q
// with Q = 2^(BITS - 1) - 1, q = nearest(x / scale), signed. A token whose scale is zero (all values equal, or so close
// that the scale is subnormal) has q = 0. With quotient::reciprocal one division a token and a product a value replace
// the division a value: other bits now and then, a fraction of the logic.
//
// Template parameters: S symmetry; BITS of a quantized value; Q quotient.
#pragma once

#include "flexdse_hls/ints.hpp"
#include "flexdse_hls/real.hpp"

namespace flexdse_hls {

enum class quotient { divide, reciprocal };

// x is about q * scale + min; min is 0 where the quantizer is symmetric.
struct token_scale {
  real scale;
  real min;
};

template <symmetry S, int BITS>
constexpr int quantizer_levels() {
  static_assert(BITS >= 2 && BITS <= 16, "activations are quantized to 2 to 16 bits");
  return S == symmetry::symmetric ? (1 << (BITS - 1)) - 1 : (1 << BITS) - 1;
}

// All that the quantizer of a token multiplies, divides and subtracts.
template <symmetry S, int BITS, quotient Q>
struct token_quantizer {
  token_scale token;
  real factor;  // the reciprocal of the scale, for quotient::reciprocal

  activation<S, BITS> quantize(real canonical_value) const {
#pragma HLS inline
    const real offset = S == symmetry::symmetric ? canonical_value : fp_sub(canonical_value, token.min);
    const real position = is_zero(token.scale)      ? real{}
                           : Q == quotient::divide ? fp_div(offset, token.scale)
                                                   : fp_mul(offset, factor);
    if constexpr (S == symmetry::symmetric) {
      constexpr int kTop = quantizer_levels<S, BITS>();
      const int q = static_cast<int>(round_to_signed<BITS>(position));
      return static_cast<activation<S, BITS>>(q < -kTop ? -kTop : q);
    } else {
      return round_to_unsigned<BITS>(position);
    }
  }
};

// Running minimum and maximum, kept as integers that order as the floats do (fp32.hpp).
struct value_range {
  real_key min_key;
  real_key max_key;

  void reset() {
#pragma HLS inline
    min_key = static_cast<real_key>(~0u);
    max_key = 0;
  }

  void include(real canonical_value) {
#pragma HLS inline
    const real_key key = ordered_key(canonical_value);
    if (key < min_key) min_key = key;
    if (key > max_key) max_key = key;
  }

  void include(const value_range& other) {
#pragma HLS inline
    if (other.min_key < min_key) min_key = other.min_key;
    if (other.max_key > max_key) max_key = other.max_key;
  }

  template <symmetry S, int BITS, quotient Q>
  token_quantizer<S, BITS, Q> quantizer() const {
#pragma HLS inline
    constexpr float kLevels = static_cast<float>(quantizer_levels<S, BITS>());
    const float min = to_fp32(from_ordered_key(min_key));
    const float max = to_fp32(from_ordered_key(max_key));
    const float below = min < 0.0f ? -min : min;
    const float above = max < 0.0f ? -max : max;
    const float magnitude = below > above ? below : above;
    const float range = S == symmetry::symmetric ? magnitude : fp_sub(max, min);
    token_quantizer<S, BITS, Q> found;
    found.token = {rounded_to<real>(fp_div(range, kLevels)), S == symmetry::symmetric ? real{} : from_ordered_key(min_key)};
    found.factor = Q == quotient::reciprocal && !is_zero(found.token.scale) ? rounded_to<real>(fp_div(kLevels, range)) : real{};
    return found;
  }
};

}  // namespace flexdse_hls
