// Purpose: the dequantization that both dequantizers apply (numerics.md, "Dequantize").
//
// Asymmetric: y = (sum * token scale) * channel scale + token min * row sum; symmetric: without the last two operations.
// Each operation is rounded by itself, in this order; so is the conversion of a sum of more than 25 bits.
// Template parameters: S symmetry of the activations; ACC bits of a sum.
#pragma once

#include "flexdse_hls/real.hpp"
#include "flexdse_hls/ints.hpp"
#include "flexdse_hls/quantized_token.hpp"

namespace flexdse_hls {

// Of one output channel: the weight scale, and scale * (sum of its integer weights). 8 bytes in memory, in this order.
struct channel_scale {
  real scale;
  real row_sum;
};

template <symmetry S, int ACC>
real dequantize(int_t<ACC> sum, const token_scale& token, const channel_scale& channel) {
#pragma HLS inline
  static_assert(ACC <= 32, "the sums of a linear layer have at most 32 bits");
  const real scaled = fp_mul(fp_mul(from_integer<real>(static_cast<std::int32_t>(sum)), token.scale), channel.scale);
  return S == symmetry::symmetric ? scaled : fp_add(scaled, fp_mul(token.min, channel.row_sum));
}

}  // namespace flexdse_hls
