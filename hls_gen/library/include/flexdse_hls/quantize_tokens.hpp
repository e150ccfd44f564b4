// Purpose: activation quantizer of the prefill engines: TP tokens side by side, one lane each.
//
// Template parameters: TP tokens of a block; MAX_D_IN longest token vector.
// Streams, per block: in, d_in vectors of TP fp32 (channel order); out, first TP token scales (token order), then d_in
// vectors of TP uint4 (channel order).
// II 1. Latency per block: 2 * d_in + TP (load with running min and max, scales, quantize) + pipeline depths; the buffer
// is single, so blocks do not overlap. Buffer: MAX_D_IN x TP fp32.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/quantized_token.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int TP, int MAX_D_IN>
void quantize_tokens(stream<lanes<float, TP>>& activations, stream<token_scale>& scales,
                     stream<lanes<uint4, TP>>& quantized, int d_in, int blocks) {
  static_assert(TP >= 1, "quantize_tokens needs at least one token in a block");
  static_assert(MAX_D_IN >= 1, "quantize_tokens needs room for at least one channel");
  FLEXDSE_REQUIRE(blocks == 0 || (d_in >= 1 && d_in <= MAX_D_IN), "d_in must be 1 to MAX_D_IN");

  lanes<float, TP> buffer[MAX_D_IN];
#pragma HLS aggregate variable=buffer
#pragma HLS bind_storage variable=buffer type=ram_2p impl=uram
  value_range ranges[TP];
#pragma HLS array_partition variable=ranges complete
  token_scale tokens[TP];
#pragma HLS array_partition variable=tokens complete

Block:
  for (int block = 0; block < blocks; ++block) {
  Reset_Unroll:
    for (int t = 0; t < TP; ++t) {
#pragma HLS unroll
      ranges[t].reset();
    }
  Load_Pipeline:
    for (int k = 0; k < d_in; ++k) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_D_IN
      lanes<float, TP> x = activations.read();
    Load_Unroll:
      for (int t = 0; t < TP; ++t) {
#pragma HLS unroll
        x[t] = canonical(x[t]);
        ranges[t].include(x[t]);
      }
      buffer[k] = x;
    }
  Scale_Pipeline:
    for (int t = 0; t < TP; ++t) {
#pragma HLS pipeline II=1
      tokens[t] = ranges[t].scale();
      scales.write(tokens[t]);
    }
  Quantize_Pipeline:
    for (int k = 0; k < d_in; ++k) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_D_IN
      const lanes<float, TP> x = buffer[k];
      lanes<uint4, TP> q;
    Quantize_Unroll:
      for (int t = 0; t < TP; ++t) {
#pragma HLS unroll
        q[t] = quantize(x[t], tokens[t]);
      }
      quantized.write(q);
    }
  }
}

}  // namespace flexdse_hls
