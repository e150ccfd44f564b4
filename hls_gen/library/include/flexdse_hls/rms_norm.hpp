// Purpose: RMSNorm over a token's channels, and QK-norm over the channels of a head (numerics.md, "RMSNorm").
//
// y = (x * rsqrt(mean of x^2 + epsilon)) * gamma. The sum of squares is exact (exact_sum.hpp): the result does not depend
// on TP, CP or the order of the channels.
// Template parameters: TP tokens side by side, CP channels of each a word; MAX_WORDS words of the longest vector.
// Streams, per block (for QK-norm: per head of a block): in, `words` words of TP x CP fp32 (lane t * CP + c), and `words`
// words of CP norm weights, which are read while the results leave; out, `words` words.
// II 1. Latency per block: 2 * words + TP * CP + pipeline depths. The buffer is single: MAX_WORDS x TP x CP fp32.
// DSPs: 2 multipliers and one squarer a lane; one rsqrt and one divider for all.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/exact_sum.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/rsqrt.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int TP, int CP, int MAX_WORDS>
void rms_norm(stream<lanes<real, TP * CP>>& x, stream<lanes<real, CP>>& gamma, stream<lanes<real, TP * CP>>& y,
              float epsilon, int words, int blocks) {
  static_assert(TP >= 1 && CP >= 1, "rms_norm needs at least one token and one channel a word");
  static_assert(MAX_WORDS >= 1 && MAX_WORDS <= 65536 / CP, "rms_norm normalises 1 to 65536 channels");
  FLEXDSE_REQUIRE(blocks == 0 || (words >= 1 && words <= MAX_WORDS), "words must be 1 to MAX_WORDS");

  lanes<real, TP * CP> buffer[MAX_WORDS];
#pragma HLS aggregate variable=buffer
#pragma HLS bind_storage variable=buffer type=ram_2p impl=uram
  square_sum sums[TP * CP];
#pragma HLS array_partition variable=sums complete
  real factors[TP];
#pragma HLS array_partition variable=factors complete
  const float channels = static_cast<float>(words * CP);

Block:
  for (int block = 0; block < blocks; ++block) {
  Reset_Unroll:
    for (int i = 0; i < TP * CP; ++i) {
#pragma HLS unroll
      sums[i].reset();
    }
  Load_Pipeline:
    for (int word = 0; word < words; ++word) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_WORDS
      const lanes<real, TP * CP> values = x.read();
    Load_Unroll:
      for (int i = 0; i < TP * CP; ++i) {
#pragma HLS unroll
        sums[i].include(values[i]);
      }
      buffer[word] = values;
    }
    square_sum whole;
  Factor_Pipeline:
    for (int i = 0; i < TP * CP; ++i) {
#pragma HLS pipeline II=1
      if (i % CP == 0) whole.reset();
      whole.include(sums[i]);
      if (i % CP == CP - 1) factors[i / CP] = rounded_to<real>(fp_rsqrt(fp_add(fp_div(whole.total(), channels), epsilon)));
    }
  Scale_Pipeline:
    for (int word = 0; word < words; ++word) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_WORDS
      const lanes<real, TP * CP> values = buffer[word];
      const lanes<real, CP> weights = gamma.read();
      lanes<real, TP * CP> results;
    Scale_Unroll:
      for (int i = 0; i < TP * CP; ++i) {
#pragma HLS unroll
        results[i] = fp_mul(fp_mul(values[i], factors[i / CP]), weights[i % CP]);
      }
      y.write(results);
    }
  }
}

}  // namespace flexdse_hls
