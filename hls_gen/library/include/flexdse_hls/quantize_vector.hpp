// Purpose: activation quantizer of the decode engine: one token, whose channels arrive TB at a time.
//
// Template parameters: TB lanes; MAX_D_IN longest token vector; COPIES of the result, one per part of the engine.
// Streams, per token: in, d_in / TB vectors of TB fp32, lane g row i being channel g * (d_in / TB) + i; out, one token
// scale, then d_in / TB vectors of TB uint4 in the same order, to each of the COPIES streams.
// II 1. Latency per token: 2 * d_in / TB + TB (the lanes' ranges are merged one by one) + pipeline depths.
// Buffer: MAX_D_IN fp32 in TB banks.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/quantized_token.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int TB, int MAX_D_IN, int COPIES, int DEPTH>
void quantize_vector(stream<lanes<float, TB>>& activations, stream<token_scale>& scales,
                     fifo<lanes<uint4, TB>, DEPTH> (&quantized)[COPIES], int d_in, int tokens) {
  static_assert(TB >= 1, "quantize_vector needs at least one lane");
  static_assert(MAX_D_IN >= 1 && MAX_D_IN % TB == 0, "the lanes of quantize_vector must divide the longest vector");
  FLEXDSE_REQUIRE(tokens == 0 || (d_in >= 1 && d_in <= MAX_D_IN && d_in % TB == 0),
                  "d_in must be a multiple of the lanes, at most MAX_D_IN");

  lanes<float, TB> buffer[MAX_D_IN / TB];
#pragma HLS aggregate variable=buffer
#pragma HLS bind_storage variable=buffer type=ram_2p impl=uram
  value_range ranges[TB];
#pragma HLS array_partition variable=ranges complete

Token:
  for (int token = 0; token < tokens; ++token) {
  Reset_Unroll:
    for (int g = 0; g < TB; ++g) {
#pragma HLS unroll
      ranges[g].reset();
    }
  Load_Pipeline:
    for (int row = 0; row < d_in / TB; ++row) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_D_IN
      lanes<float, TB> x = activations.read();
    Load_Unroll:
      for (int g = 0; g < TB; ++g) {
#pragma HLS unroll
        x[g] = canonical(x[g]);
        ranges[g].include(x[g]);
      }
      buffer[row] = x;
    }
    value_range whole;
    whole.reset();
  Merge_Pipeline:
    for (int g = 0; g < TB; ++g) {
#pragma HLS pipeline II=1
      whole.include(ranges[g]);
    }
    const token_scale scale = whole.scale();
    scales.write(scale);
  Quantize_Pipeline:
    for (int row = 0; row < d_in / TB; ++row) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_D_IN
      const lanes<float, TB> x = buffer[row];
      lanes<uint4, TB> q;
    Quantize_Unroll:
      for (int g = 0; g < TB; ++g) {
#pragma HLS unroll
        q[g] = quantize(x[g], scale);
      }
    Copy_Unroll:
      for (int copy = 0; copy < COPIES; ++copy) {
#pragma HLS unroll
        quantized[copy].write(q);
      }
    }
  }
}

}  // namespace flexdse_hls
