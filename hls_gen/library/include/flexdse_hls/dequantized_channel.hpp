// Purpose: the dequantization that both dequantizers apply (numerics.md, "dequantize").
//
// y = (sum * token scale) * channel scale + token min * row sum, each operation rounded by itself, in this order.
#pragma once

#include "flexdse_hls/fp32.hpp"
#include "flexdse_hls/ints.hpp"
#include "flexdse_hls/quantized_token.hpp"

namespace flexdse_hls {

// Of one output channel: the weight scale, and scale * (sum of its int4 weights). 8 bytes in memory, in this order.
struct channel_scale {
  float scale;
  float row_sum;
};

template <int ACC>
float dequantize(ap_int<ACC> sum, const token_scale& token, const channel_scale& channel) {
#pragma HLS inline
  static_assert(ACC <= kFp32SignificandBits + 1, "an accumulator of more than 25 bits does not convert to fp32 exactly");
  const float scaled = fp_mul(fp_mul(static_cast<float>(sum.to_int()), token.scale), channel.scale);
  return fp_add(scaled, fp_mul(token.min, channel.row_sum));
}

}  // namespace flexdse_hls
