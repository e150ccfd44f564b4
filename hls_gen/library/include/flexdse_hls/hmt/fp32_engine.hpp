// Purpose: the fp32 engine of the HMT plug-in: T groups x W output channels of one vector, each group fed by a port of its own.
//
// Pass p computes the T * W output channels from p * T * W on: lane n of group g has channel p * T * W + n * T + g, so that
// results leave T consecutive channels at a time. A dot product has eight partial sums, channel k in sum k mod 8, as many
// as an adder has additions in flight; they are added in pairs at the end (numerics.md, "HMT").
// `feed_vector` of gemv.hpp sends the vector to the groups.
//
// Template parameters: T groups; W channels of a group a pass; MAX_D_IN longest dot product.
// Streams of a group, per vector: in, for each pass d_in operands and d_in words of W weights; out, W results a pass, which
// leave during the next one.
// II 1. Latency: passes * d_in, W for the last results, and pipeline depths.
// Operators of a group: W multipliers and adders, 7 adders of the pairs.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/fp32.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

// What feed_vector needs to know of the operands.
struct fp32_operands {
  using x_type = float;
};

constexpr int kPartialSums = 8;

// The eight partial sums of a lane, the oldest last.
struct partial_sums {
  float sum[kPartialSums];

  partial_sums() {
#pragma HLS array_partition variable=sum complete
  }

  // The oldest is a register of its own eight cycles later: an addition has that long.
  void add(float product, bool first_round) {
#pragma HLS inline
    const float next = fp_add(first_round ? 0.0f : sum[kPartialSums - 1], product);
  Shift_Unroll:
    for (int i = kPartialSums - 1; i > 0; --i) {
#pragma HLS unroll
      sum[i] = sum[i - 1];
    }
    sum[0] = next;
  }

  // Of a whole number of rounds: sum[7 - r] is that of the channels r modulo 8.
  float total() const {
#pragma HLS inline
    const float even = fp_add(fp_add(sum[7], sum[3]), fp_add(sum[5], sum[1]));
    const float odd = fp_add(fp_add(sum[6], sum[2]), fp_add(sum[4], sum[0]));
    return fp_add(even, odd);
  }
};

template <int W, int MAX_D_IN, int X_DEPTH, int W_DEPTH, int OUT_DEPTH>
void fp32_lane_group(fifo<float, X_DEPTH>& operands, fifo<lanes<float, W>, W_DEPTH>& weights,
                     fifo<float, OUT_DEPTH>& results, int d_in, int passes) {
  static_assert(W >= 1, "a group of the fp32 engine computes at least one channel");
  static_assert(MAX_D_IN >= kPartialSums && MAX_D_IN % kPartialSums == 0,
                "the longest vector of the fp32 engine is whole rounds of its eight partial sums");
  FLEXDSE_REQUIRE(passes == 0 || (d_in >= W && d_in <= MAX_D_IN && d_in % kPartialSums == 0),
                  "d_in must be a multiple of 8, at least W and at most MAX_D_IN");

  partial_sums running[W];
  partial_sums finished[W];
#pragma HLS array_partition variable=running complete
#pragma HLS array_partition variable=finished complete

Pass:
  for (int pass = 0; pass < passes; ++pass) {
  Mac_Pipeline:
    for (int k = 0; k < d_in; ++k) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=8 max=MAX_D_IN
      if (pass > 0 && k < W) {
        results.write(finished[0].total());
      Shift_Unroll:
        for (int n = 0; n + 1 < W; ++n) {
#pragma HLS unroll
          finished[n] = finished[n + 1];
        }
      }
      const float x = operands.read();
      const lanes<float, W> word = weights.read();
    Lane_Unroll:
      for (int n = 0; n < W; ++n) {
#pragma HLS unroll
        running[n].add(fp_mul(x, word[n]), k < kPartialSums);
        if (k == d_in - 1) finished[n] = running[n];
      }
    }
  }
Flush_Pipeline:
  for (int n = 0; passes > 0 && n < W; ++n) {
#pragma HLS pipeline II=1
    results.write(finished[0].total());
  Flush_Shift_Unroll:
    for (int lane = 0; lane + 1 < W; ++lane) {
#pragma HLS unroll
      finished[lane] = finished[lane + 1];
    }
  }
}

// The results of the T groups side by side, in channel order.
template <int T, int DEPTH>
void join_groups(fifo<float, DEPTH> (&results)[T], stream<lanes<float, T>>& y, int words) {
Word_Pipeline:
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    lanes<float, T> word;
  Group_Unroll:
    for (int g = 0; g < T; ++g) {
#pragma HLS unroll
      word[g] = results[g].read();
    }
    y.write(word);
  }
}

}  // namespace flexdse_hls
