// Purpose: quantizer with scales that are known beforehand: per tensor, head, channel or group (numerics.md, "Quantize").
//
// q = nearest(x * inverse scale), ties to even, clipped to -2^(BITS - 1) .. 2^(BITS - 1) - 1. The inverse scales are data.
// Template parameters: BITS of a quantized value; TP tokens side by side, CP channels of each a word.
// Streams, per group: in, one word of CP inverse scales, then `words_per_scale` words of TP x CP fp32 (lane t * CP + c); out,
// as many words of integers. Per tensor: one group a block; per head: head_dim / CP words a group, the CP scales equal;
// per channel: groups of one word.
// II 1. Latency: groups * words_per_scale + pipeline depth. DSPs: 3 * TP * CP.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/real.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int BITS, int TP, int CP>
void quantize_static(stream<lanes<real, TP * CP>>& x, stream<lanes<real, CP>>& inverse_scales,
                     stream<lanes<int_t<BITS>, TP * CP>>& quantized, int words_per_scale, int groups) {
  static_assert(BITS >= 2 && BITS <= 16, "quantize_static makes integers of 2 to 16 bits");
  static_assert(TP >= 1 && CP >= 1, "quantize_static needs at least one token and one channel a word");
  FLEXDSE_REQUIRE(groups == 0 || words_per_scale >= 1, "a scale serves at least one word");

  lanes<real, CP> inverse;
Group:
  for (int group = 0; group < groups; ++group) {
  Word_Pipeline:
    for (int word = 0; word < words_per_scale; ++word) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
      if (word == 0) inverse = inverse_scales.read();
      const lanes<real, TP * CP> values = x.read();
      lanes<int_t<BITS>, TP * CP> q;
    Lane_Unroll:
      for (int i = 0; i < TP * CP; ++i) {
#pragma HLS unroll
        q[i] = round_to_signed<BITS>(fp_mul(values[i], inverse[i % CP]));
      }
      quantized.write(q);
    }
  }
}

}  // namespace flexdse_hls
