// Purpose: dequantizer of the prefill engine: collects the sub-arrays' sums, discards surplus channels, makes fp32.
//
// Template parameters: S of the activations; TP tokens of a block; SUBS sub-arrays of COLUMNS channels; ACC bits of a sum.
// Streams, per block: in, TP token scales, d_out channel scales, and per pass COLUMNS vectors from each sub-array; out,
// d_out vectors of TP fp32 in channel order.
// II 1; flushing, as the sums of the next pass come a whole pass later, and a stalled pipeline would keep the last
// results of this pass until then. Latency per block: ceil(d_out / WP) * WP + TP + pipeline depth. DSPs: TP * (3 multipliers + 1 adder).
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/dequantized_channel.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <symmetry S, int TP, int SUBS, int COLUMNS, int ACC, int DEPTH>
void dequantize_tokens(fifo<lanes<int_t<ACC>, TP>, DEPTH> (&sums)[SUBS], stream<token_scale>& token_scales,
                       stream<lanes<channel_scale, 1>>& channel_scales, stream<lanes<real, TP>>& results,
                       int d_out, int blocks) {
  static_assert(TP >= 1 && SUBS >= 1 && COLUMNS >= 1, "dequantize_tokens needs a token, a sub-array and a column");
  static_assert(DEPTH >= COLUMNS, "the FIFO behind a sub-array holds the results of one pass, or the array stalls");

  token_scale tokens[TP];
#pragma HLS array_partition variable=tokens complete

Block:
  for (int block = 0; block < blocks; ++block) {
  Scale_Pipeline:
    for (int t = 0; t < TP; ++t) {
#pragma HLS pipeline II=1
      tokens[t] = token_scales.read();
    }
  Pass:
    for (int first_channel = 0; first_channel < d_out; first_channel += SUBS * COLUMNS) {
    Channel_Pipeline:
      for (int c = 0; c < SUBS * COLUMNS; ++c) {
#pragma HLS pipeline II=1 style=flp
#pragma HLS loop_flatten
        lanes<int_t<ACC>, TP> sum = {};
      Sub_Unroll:
        for (int sub = 0; sub < SUBS; ++sub) {
#pragma HLS unroll
          if (c / COLUMNS == sub) sum = sums[sub].read();
        }
        if (first_channel + c < d_out) {
          const channel_scale channel = channel_scales.read()[0];
          lanes<real, TP> y;
        Token_Unroll:
          for (int t = 0; t < TP; ++t) {
#pragma HLS unroll
            y[t] = dequantize<S, ACC>(sum[t], tokens[t], channel);
          }
          results.write(y);
        }
      }
    }
  }
}

}  // namespace flexdse_hls
