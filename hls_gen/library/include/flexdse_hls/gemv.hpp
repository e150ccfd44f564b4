// Purpose: the decode engine: TB groups x W output channels of one token, block-parallel, fed by several weight ports.
//
// Pass p computes the PASS_CHANNELS output channels from p * PASS_CHANNELS on, W of them in each of TB groups: group g
// has every TB-th, from channel g of the pass on, so that the results leave TB consecutive channels at a time. The TB x W
// lanes, group by group, are shared out evenly to lane units, one process each with a weight stream of its own; a unit
// may serve several groups, a part of one, or the end of one and the start of the next. Each of the engine's parts has
// a feeder with a copy of the quantized token for its units.
// An engine may be faster than its ports: then it has SUBS sub-engines of TB x W lanes, whose passes lie one behind the
// other in the output channels and are computed at a time, PASS_CHANNELS = SUBS x TB x W; a port feeds one unit of each. In
// a ragged last pass a sub-engine may have no channels: its units let the operands pass and take no weights.
//
// Template parameters: TB groups; W channels of a group a pass; PASS_CHANNELS of all sub-engines; UNITS lane units of a
// part; LANES of a unit; FIRST channel of a pass in the unit's sub-engine; BEAT of its weights (load_weights.hpp unpacks
// lanes; or a word of a port as it is); OFFSET lanes of the unit's first group that lie before it; MAX_D_IN longest dot product; F mac_format;
// ACC = F::accumulator_bits(MAX_D_IN); KIND of processing element (pe.hpp).
// Latency per token: ceil(d_out / (TB * W)) * (d_in + loop restart): the first pass feeds the vector as it arrives. The
// results of a pass leave during the next pass, those of the last pass in W cycles more.
// II 1. DSPs: TB * W / multiply-accumulates a DSP.
// `gemv_port_unit`: the units of one port in all SUBS sub-engines as one process, for an engine with many ports.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/pe.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

// Streams, per token: in, d_in / TB vectors of TB activations in channel order; out, to each unit, for each pass the d_in
// activations in channel order.
template <class F, int TB, int PASS_CHANNELS, int MAX_D_IN, int UNITS, int IN_DEPTH, int DEPTH>
void feed_vector(fifo<lanes<typename F::x_type, TB>, IN_DEPTH>& quantized,
                 fifo<typename F::x_type, DEPTH> (&operands)[UNITS], int d_in, int d_out, int tokens) {
  static_assert(TB >= 1 && PASS_CHANNELS % TB == 0, "the groups of feed_vector must divide the channels of a pass");
  static_assert(MAX_D_IN >= 1 && MAX_D_IN % TB == 0, "the lanes of feed_vector must divide the longest vector");
  FLEXDSE_REQUIRE(tokens == 0 || (d_in >= 1 && d_in <= MAX_D_IN && d_in % TB == 0),
                  "d_in must be a multiple of the lanes, at most MAX_D_IN");
  FLEXDSE_REQUIRE(tokens == 0 || d_out >= 1, "a vector that arrives has a pass to feed");

  typename F::x_type buffer[TB][MAX_D_IN / TB];
#pragma HLS array_partition variable=buffer complete dim=1
  const int passes = ceil_div(d_out, PASS_CHANNELS);

Token:
  for (int token = 0; token < tokens; ++token) {
  Pass:
    for (int pass = 0; pass < passes; ++pass) {
      int bank = 0;
      int row = 0;
      lanes<typename F::x_type, TB> fresh = {};
#pragma HLS array_partition variable=fresh.lane complete
    Feed_Pipeline:
      for (int k = 0; k < d_in; ++k) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_D_IN
        if (pass == 0 && bank == 0) {
          fresh = quantized.read();
        Bank_Unroll:
          for (int g = 0; g < TB; ++g) {
#pragma HLS unroll
            buffer[g][row] = fresh[g];
          }
        }
        const typename F::x_type stored = buffer[bank][row];
        const typename F::x_type x = pass == 0 ? fresh[0] : stored;
      Shift_Unroll:
        for (int g = 0; g + 1 < TB; ++g) {
#pragma HLS unroll
          fresh[g] = fresh[g + 1];
        }
      Unit_Unroll:
        for (int unit = 0; unit < UNITS; ++unit) {
#pragma HLS unroll
          operands[unit].write(x);
        }
        row = bank + 1 == TB ? row + 1 : row;  // counters: a division by TB would be built where it is no power of two
        bank = bank + 1 == TB ? 0 : bank + 1;
      }
    }
  }
}

constexpr int greatest_common_divisor(int a, int b) { return b == 0 ? a : greatest_common_divisor(b, a % b); }

// The most groups that a unit of LANES consecutive lanes touches, when groups of W lanes begin at lane 0.
template <int W, int LANES>
constexpr int groups_of_unit() {
  static_assert(W >= 1 && LANES >= 1, "a lane unit computes at least one channel of one group");
  return LANES % W == 0 ? LANES / W : ceil_div(W - greatest_common_divisor(W, LANES) + LANES, W);
}

// The finished sums of a pass on their way out: in step n, channel n of each group that the unit touches; 0 where
// another unit has that lane.
template <int W, int LANES, int OFFSET, int ACC>
struct group_drain {
  static constexpr int kGroups = groups_of_unit<W, LANES>();
  int_t<ACC> sums[kGroups][W];

  group_drain() {
#pragma HLS array_partition variable=sums complete dim=0
  }

  template <class Row>
  void load(const Row& row) {
#pragma HLS inline
  Group_Unroll:
    for (int g = 0; g < kGroups; ++g) {
#pragma HLS unroll
    Channel_Unroll:
      for (int n = 0; n < W; ++n) {
#pragma HLS unroll
        const int lane = g * W + n - OFFSET;
        sums[g][n] = lane >= 0 && lane < LANES ? row.sum(0, lane) : int_t<ACC>(0);
      }
    }
  }

  lanes<int_t<ACC>, kGroups> next() {
#pragma HLS inline
    lanes<int_t<ACC>, kGroups> channel;
  Group_Unroll:
    for (int g = 0; g < kGroups; ++g) {
#pragma HLS unroll
      channel[g] = sums[g][0];
    Shift_Unroll:
      for (int n = 0; n + 1 < W; ++n) {
#pragma HLS unroll
        sums[g][n] = sums[g][n + 1];
      }
    }
    return channel;
  }
};

// The weights of a beat, which is them or packs them.
template <int W_BITS, int LANES>
lanes<int_t<W_BITS>, LANES> weights_of(const lanes<int_t<W_BITS>, LANES>& beat) {
#pragma HLS inline
  return beat;
}
template <int W_BITS, int LANES, int BITS>
lanes<int_t<W_BITS>, LANES> weights_of(const hbm_word<BITS>& beat) {
#pragma HLS inline
  return values_of<W_BITS, LANES>(beat, 0);
}

// Streams, per token and pass with channels of its own: in, d_in activations and d_in beats of LANES weights; out, W
// vectors of the unit's groups. In another pass: in, d_in activations.
template <class F, pe_kind KIND, int W, int LANES, int OFFSET, int PASS_CHANNELS, int FIRST, int MAX_D_IN, int ACC,
          class BEAT, int X_DEPTH, int W_DEPTH, int OUT_DEPTH>
void gemv_lane_unit(fifo<typename F::x_type, X_DEPTH>& operands, fifo<BEAT, W_DEPTH>& weights,
                    fifo<lanes<int_t<ACC>, groups_of_unit<W, LANES>()>, OUT_DEPTH>& sums, int d_in, int d_out,
                    int tokens) {
  static_assert(PASS_CHANNELS % LANES == 0, "lane units share out the channels of a pass evenly");
  static_assert(OFFSET >= 0 && OFFSET < W, "the first lane of a unit lies in its first group");
  static_assert(LANES >= 2 && LANES % 2 == 0, "the weights of a lane unit are packed in pairs: their number must be even");
  static_assert(ACC == F::accumulator_bits(MAX_D_IN), "the accumulator of a lane unit is sized for its longest dot product");
  static_assert(OUT_DEPTH >= W, "the FIFO behind a lane unit holds the results of one pass");
  static_assert(FIRST >= 0 && FIRST < PASS_CHANNELS, "the channels of a sub-engine lie in the pass");
  FLEXDSE_REQUIRE(tokens == 0 || (d_in >= W && d_in <= MAX_D_IN),
                  "d_in must be at least W, as many results drain during the next pass, and at most MAX_D_IN");

  pe_array<1, LANES, F, ACC, KIND> row;
  group_drain<W, LANES, OFFSET, ACC> drain;
  const int passes = ceil_div(d_out, PASS_CHANNELS);
  const int own_passes = ceil_div(d_out - FIRST, PASS_CHANNELS);  // `passes`, or one fewer

Token:
  for (int token = 0; token < tokens; ++token) {
  Pass:
    for (int pass = 0; pass < passes; ++pass) {
    Mac_Pipeline:
      for (int k = 0; k < d_in; ++k) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_D_IN
        if (pass > 0 && k < W) sums.write(drain.next());
        lanes<typename F::x_type, 1> x;
        x[0] = operands.read();
        if (pass < own_passes) {
          row.step(weights_of<F::kWeightBits, LANES>(weights.read()), x, k == 0);
          if (k == d_in - 1) drain.load(row);
        }
      }
    }
  Flush_Pipeline:
    for (int n = 0; passes > 0 && own_passes == passes && n < W; ++n) {
#pragma HLS pipeline II=1
      sums.write(drain.next());
    }
  }
}

// Streams, per token and pass: in, d_in activations, and for each sub-engine with channels in the pass d_in beats; out, for
// each of these, W vectors of the unit's groups.
template <class F, pe_kind KIND, int W, int LANES, int OFFSET, int PASS_CHANNELS, int MAX_D_IN, int ACC, int SUBS, class BEAT,
          int X_DEPTH, int W_DEPTH, int OUT_DEPTH>
void gemv_port_unit(fifo<typename F::x_type, X_DEPTH>& operands, fifo<BEAT, W_DEPTH> (&weights)[SUBS],
                    fifo<lanes<int_t<ACC>, groups_of_unit<W, LANES>()>, OUT_DEPTH> (&sums)[SUBS], int d_in, int d_out,
                    int tokens) {
  static_assert(PASS_CHANNELS % (SUBS * LANES) == 0, "the units of a port share out the channels of every sub-engine evenly");
  static_assert(OFFSET >= 0 && OFFSET < W, "the first lane of a unit lies in its first group");
  static_assert(LANES >= 2 && LANES % 2 == 0, "the weights of a lane unit are packed in pairs: their number must be even");
  static_assert(ACC == F::accumulator_bits(MAX_D_IN), "the accumulator of a lane unit is sized for its longest dot product");
  static_assert(OUT_DEPTH >= W, "the FIFO behind a lane unit holds the results of one pass");
  FLEXDSE_REQUIRE(tokens == 0 || (d_in >= W && d_in <= MAX_D_IN),
                  "d_in must be at least W, as many results drain during the next pass, and at most MAX_D_IN");

  pe_array<1, LANES, F, ACC, KIND> rows[SUBS];
#pragma HLS array_partition variable=rows complete
  group_drain<W, LANES, OFFSET, ACC> drains[SUBS];
#pragma HLS array_partition variable=drains complete
  const int passes = ceil_div(d_out, PASS_CHANNELS);
  const int channels_of_last = d_out - (passes - 1) * PASS_CHANNELS;

Token:
  for (int token = 0; token < tokens; ++token) {
  Pass:
    for (int pass = 0; pass < passes; ++pass) {
    Mac_Pipeline:
      for (int k = 0; k < d_in; ++k) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_D_IN
        lanes<typename F::x_type, 1> x;
        x[0] = operands.read();
      Sub_Unroll:
        for (int s = 0; s < SUBS; ++s) {
#pragma HLS unroll
          if (pass > 0 && k < W) sums[s].write(drains[s].next());
          if (pass + 1 < passes || s * (PASS_CHANNELS / SUBS) < channels_of_last) {
            rows[s].step(weights_of<F::kWeightBits, LANES>(weights[s].read()), x, k == 0);
            if (k == d_in - 1) drains[s].load(rows[s]);
          }
        }
      }
    }
  Flush_Pipeline:
    for (int n = 0; passes > 0 && n < W; ++n) {
#pragma HLS pipeline II=1
    Last_Sub_Unroll:
      for (int s = 0; s < SUBS; ++s) {
#pragma HLS unroll
        if (s * (PASS_CHANNELS / SUBS) < channels_of_last) sums[s].write(drains[s].next());
      }
    }
  }
}

}  // namespace flexdse_hls
