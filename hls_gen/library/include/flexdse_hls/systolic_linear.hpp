// Purpose: the prefill engine: TP tokens x WP output channels, output-stationary, in SUBS sub-arrays.
//
// A feeder holds the quantized token block and sends it once per pass to every sub-array; a sub-array is one process,
// TP x COLUMNS processing elements as unrolled loops, with a weight stream of its own. Weights are streamed again for
// every token block. The feeder takes a block in before its first pass, or during it (FILL): then the first pass feeds
// what arrives and stores it for the others. Pass p of sub-array j computes output channels p * WP + j * COLUMNS + (0..COLUMNS-1), where
// WP = SUBS * COLUMNS; surplus channels of a ragged last pass are computed on padding and discarded downstream.
//
// Template parameters: TP tokens of a block; COLUMNS output channels of a sub-array; SUBS sub-arrays; PASS_CHANNELS = WP;
// MAX_D_IN longest dot product; F mac_format; ACC = F::accumulator_bits(MAX_D_IN); KIND of processing element (pe.hpp).
// Latency per token block: d_in (fill before the first pass) + ceil(d_out / WP) * (d_in + loop restart). The results of pass p leave during
// pass p + 1, those of a block's last pass during the fill of the next block; the end of the call adds COLUMNS cycles.
// II 1. DSPs: TP * WP / multiply-accumulates a DSP.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/pe.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

enum class input_fill { before_first_pass, during_first_pass };

// Streams, per block: in, d_in vectors of TP activations; out, to each sub-array and for each pass, the same d_in vectors.
template <class F, int TP, int PASS_CHANNELS, int MAX_D_IN, input_fill FILL = input_fill::before_first_pass, int SUBS,
          int DEPTH>
void feed_tokens(stream<lanes<typename F::x_type, TP>>& quantized,
                 fifo<lanes<typename F::x_type, TP>, DEPTH> (&operands)[SUBS], int d_in, int d_out, int blocks) {
  static_assert(TP >= 1 && PASS_CHANNELS >= 1, "feed_tokens needs at least one token and one output channel");
  static_assert(MAX_D_IN >= 1, "feed_tokens needs room for at least one channel");
  FLEXDSE_REQUIRE(blocks == 0 || (d_in >= 1 && d_in <= MAX_D_IN), "d_in must be 1 to MAX_D_IN");
  FLEXDSE_REQUIRE(blocks == 0 || d_out >= 1, "a block that arrives has a pass to feed");

  lanes<typename F::x_type, TP> buffer[MAX_D_IN];
#pragma HLS aggregate variable=buffer
#pragma HLS bind_storage variable=buffer type=ram_2p impl=uram
  const int passes = ceil_div(d_out, PASS_CHANNELS);

Block:
  for (int block = 0; block < blocks; ++block) {
    if constexpr (FILL == input_fill::before_first_pass) {
    Fill_Pipeline:
      for (int k = 0; k < d_in; ++k) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_D_IN
        buffer[k] = quantized.read();
      }
    }
  Pass:
    for (int pass = 0; pass < passes; ++pass) {
    Feed_Pipeline:
      for (int k = 0; k < d_in; ++k) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_D_IN
        lanes<typename F::x_type, TP> x;
        if (FILL == input_fill::during_first_pass && pass == 0) {
          x = quantized.read();
          buffer[k] = x;
        } else {
          x = buffer[k];
        }
      Sub_Unroll:
        for (int sub = 0; sub < SUBS; ++sub) {
#pragma HLS unroll
          operands[sub].write(x);
        }
      }
    }
  }
}

// The finished sums of a pass on their way out: one output channel per cycle, TP tokens wide.
template <int TP, int COLUMNS, int ACC>
struct column_drain {
  int_t<ACC> sums[TP][COLUMNS];

  column_drain() {
#pragma HLS array_partition variable=sums complete dim=0
  }

  template <class Array>
  void load(const Array& array) {
#pragma HLS inline
  Token_Unroll:
    for (int t = 0; t < TP; ++t) {
#pragma HLS unroll
    Column_Unroll:
      for (int c = 0; c < COLUMNS; ++c) {
#pragma HLS unroll
        sums[t][c] = array.sum(t, c);
      }
    }
  }

  // Shifting keeps the output at column 0: no COLUMNS-to-1 multiplexer.
  lanes<int_t<ACC>, TP> next() {
#pragma HLS inline
    lanes<int_t<ACC>, TP> column;
  Token_Unroll:
    for (int t = 0; t < TP; ++t) {
#pragma HLS unroll
      column[t] = sums[t][0];
    Shift_Unroll:
      for (int c = 0; c + 1 < COLUMNS; ++c) {
#pragma HLS unroll
        sums[t][c] = sums[t][c + 1];
      }
    }
    return column;
  }
};

// Streams, per block and pass: in, d_in vectors of TP activations and d_in vectors of COLUMNS weights; out, COLUMNS
// vectors of TP sums, in channel order.
template <class F, pe_kind KIND, int TP, int COLUMNS, int PASS_CHANNELS, int MAX_D_IN, int ACC>
void systolic_sub_array(stream<lanes<typename F::x_type, TP>>& operands, stream<lanes<typename F::w_type, COLUMNS>>& weights,
                        stream<lanes<int_t<ACC>, TP>>& sums, int d_in, int d_out, int blocks) {
  static_assert(TP >= 1, "a systolic array needs at least one token row");
  static_assert(COLUMNS >= 2 && COLUMNS % 2 == 0, "a sub-array has an even number of columns: weights are packed in pairs");
  static_assert(PASS_CHANNELS % COLUMNS == 0, "the sub-arrays share out the channels of a pass evenly");
  static_assert(ACC == F::accumulator_bits(MAX_D_IN), "the accumulator of a sub-array is sized for its longest dot product");
  FLEXDSE_REQUIRE(blocks == 0 || (d_in >= COLUMNS && d_in <= MAX_D_IN),
                  "d_in must be at least the columns, which drain during the next pass, and at most MAX_D_IN");

  pe_array<TP, COLUMNS, F, ACC, KIND> array;
  column_drain<TP, COLUMNS, ACC> drain;
  const int passes = ceil_div(d_out, PASS_CHANNELS);

Block:
  for (int block = 0; block < blocks; ++block) {
  Pass:
    for (int pass = 0; pass < passes; ++pass) {
    Mac_Pipeline:
      for (int k = 0; k < d_in; ++k) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_D_IN
        if (pass > 0 && k < COLUMNS) sums.write(drain.next());
        const lanes<typename F::x_type, TP> x = operands.read();
        array.step(weights.read(), x, k == 0);
        if (k == d_in - 1) drain.load(array);
      }
    }
  Flush_Pipeline:
    for (int c = 0; passes > 0 && c < COLUMNS; ++c) {
#pragma HLS pipeline II=1
      sums.write(drain.next());
    }
  }
}

}  // namespace flexdse_hls
