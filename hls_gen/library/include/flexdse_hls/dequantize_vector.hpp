// Purpose: dequantizer of the decode engine: collects the lane units' sums, discards surplus rows, makes fp32.
//
// Template parameters: S of the activations; TB groups; W channels of a group a pass; SUBS sub-engines of UNITS lane units
// of LANES; PAIRS channel scales that
// arrive per cycle; ACC bits of a sum.
// Streams, per token: in, one token scale, d_out channel scales in channel order, and per pass of a
// sub-engine, in turn, W vectors from each of its units (gemv.hpp); out, d_out / TB vectors of TB fp32 in channel order.
// Only PAIRS channels are computed per cycle, at the rate of the scale port, so only PAIRS dequantizers are built.
// II 1; flushing, as the sums of the next pass come a whole pass later, and a stalled pipeline would keep the last
// results of this pass until then. Latency per token: ceil(d_out / (TB * W)) * W * TB / PAIRS; hidden behind the lane units while
// W * TB / PAIRS <= d_in. DSPs: PAIRS * (3 multipliers + 1 adder).
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/dequantized_channel.hpp"
#include "flexdse_hls/gemv.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <symmetry S, int TB, int W, int SUBS, int UNITS, int LANES, int PAIRS, int ACC, int DEPTH>
void dequantize_vector(fifo<lanes<int_t<ACC>, groups_of_unit<W, LANES>()>, DEPTH> (&sums)[SUBS][UNITS],
                       stream<token_scale>& token_scales, stream<lanes<channel_scale, PAIRS>>& channel_scales,
                       stream<lanes<real, TB>>& results, int d_out, int tokens) {
  static_assert(UNITS * LANES == TB * W, "the lane units together have the lanes of the engine");
  static_assert(PAIRS >= 1 && TB % PAIRS == 0, "the channel scales of a cycle must divide the groups");
  static_assert(DEPTH >= W, "the FIFO behind a lane unit holds the results of one pass, or the unit stalls");
  FLEXDSE_REQUIRE(d_out % TB == 0, "d_out must be a multiple of the groups");

  constexpr int kBeats = TB / PAIRS;  // cycles of a row
  const int rows = d_out / TB;
  // Both are reached by a variable index in the pipelined loop: as registers, not as memories with two ports.
  lanes<int_t<ACC>, TB> sum = {};
#pragma HLS array_partition variable=sum.lane complete
  lanes<real, TB> y = {};
#pragma HLS array_partition variable=y.lane complete

Token:
  for (int token = 0; token < tokens; ++token) {
    const token_scale token_factor = token_scales.read();
    int sub = 0;
  Pass:
    for (int first_row = 0; first_row < rows; first_row += W) {
    Beat_Pipeline:
      for (int i = 0; i < W * kBeats; ++i) {
#pragma HLS pipeline II=1 style=flp
#pragma HLS loop_flatten
        const int n = i / kBeats;
        const int first_group = i % kBeats * PAIRS;
        if (first_group == 0) {
        Unit_Unroll:
          for (int unit = 0; unit < UNITS; ++unit) {
#pragma HLS unroll
            lanes<int_t<ACC>, groups_of_unit<W, LANES>()> part = {};
          Sub_Unroll:
            for (int s = 0; s < SUBS; ++s) {
#pragma HLS unroll
              if (s == sub) part = sums[s][unit].read();
            }
          Group_Unroll:
            for (int g = 0; g < groups_of_unit<W, LANES>(); ++g) {
#pragma HLS unroll
              const int group = unit * LANES / W + g;
              const int lane = group * W + n - unit * LANES;
              if (lane >= 0 && lane < LANES) sum[group] = part[g];
            }
          }
        }
        if (first_row + n < rows) {  // the surplus rows of the ragged last pass are dropped
          const lanes<channel_scale, PAIRS> channels = channel_scales.read();
        Pair_Unroll:
          for (int pair = 0; pair < PAIRS; ++pair) {
#pragma HLS unroll
            const int group = first_group + pair;
            y[group] = dequantize<S, ACC>(sum[group], token_factor, channels[pair]);
          }
          if (first_group + PAIRS == TB) results.write(y);
        }
      }
      sub = sub + 1 == SUBS ? 0 : sub + 1;
    }
  }
}

}  // namespace flexdse_hls
