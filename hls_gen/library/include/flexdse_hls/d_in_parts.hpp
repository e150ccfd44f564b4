// Purpose: lets the lanes of the decode engine share out the input channels of a linear layer, beside its output channels.
//
// More lanes than a layer has output channels would lie idle (down_proj of a small model). In PARTS parts of as many groups
// each, all parts compute the same output channels: part p takes the input channels k * PARTS + p, so that a pass has
// d_in / PARTS steps, and the vector still feeds the lanes in the order in which it arrives. The feeders and lane units
// (gemv.hpp) of a part know nothing of the others; their partial sums are integers, so their order changes no result.
//
// `d_in_parts_of`: PARTS of a design's shape (config.hpp); one in a shape that does not say.
// `take_part`: the channels of a part. Template parameters: PARTS, PART, TB channels of a word. Streams: in, words of TB
// channels; out, as many words of the TB / PARTS channels of the part. II 1.
// `add_parts`: total of the parts. Template parameters: PARTS; TB groups of a part; W channels of a group a pass; LANES of a
// unit; ACC bits of a total; SUBS sub-engines of UNITS lane units. Streams, per token and pass of a sub-engine, in turn: in,
// W vectors from each of its units; out, W vectors as from the UNITS / PARTS units of one part. II 1; flushing, as the
// dequantizer is. Latency: d_out / TB. Adders: (PARTS - 1) * TB.
#pragma once

#include <type_traits>

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/gemv.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <class Shape, class = void>
struct d_in_parts_of {
  static constexpr int kParts = 1;
};
template <class Shape>
struct d_in_parts_of<Shape, std::void_t<decltype(Shape::kDInSplits)>> {
  static constexpr int kParts = Shape::kDInSplits;
};

template <int PARTS, int PART, class T, int TB, int PART_TB>
void take_part(stream<lanes<T, TB>>& words, stream<lanes<T, PART_TB>>& of_part, int count) {
  static_assert(PART >= 0 && PART < PARTS, "a part of the input channels is one of PARTS");
  static_assert(PART_TB * PARTS == TB, "the parts share out the channels of a word evenly");
Word_Pipeline:
  for (int i = 0; i < count; ++i) {
#pragma HLS pipeline II=1
    const lanes<T, TB> word = words.read();
    lanes<T, PART_TB> mine;
  Channel_Unroll:
    for (int k = 0; k < PART_TB; ++k) {
#pragma HLS unroll
      mine[k] = word[k * PARTS + PART];
    }
    of_part.write(mine);
  }
}

template <int PARTS, int TB, int W, int LANES, int PART_ACC, int ACC, int SUBS, int UNITS, int DEPTH, int PART_UNITS,
          int OUT_DEPTH>
void add_parts(fifo<lanes<int_t<PART_ACC>, groups_of_unit<W, LANES>()>, DEPTH> (&sums)[UNITS][SUBS],
               fifo<lanes<int_t<ACC>, groups_of_unit<W, LANES>()>, OUT_DEPTH> (&totals)[1][PART_UNITS], int d_out,
               int tokens) {
  static_assert(PART_UNITS * PARTS == UNITS, "each part of the input channels has whole lane units");
  static_assert(PART_UNITS * LANES == TB * W, "the lane units of a part together have its lanes");
  static_assert(ACC >= PART_ACC, "a total of parts is at least as wide as a partial sum");

  const int passes = ceil_div(d_out, TB * W);
Token:
  for (int token = 0; token < tokens; ++token) {
    int sub = 0;
    int n = 0;
  Row_Pipeline:
    for (int row = 0; row < passes * W; ++row) {
#pragma HLS pipeline II=1 style=flp
    Unit_Unroll:
      for (int unit = 0; unit < PART_UNITS; ++unit) {
#pragma HLS unroll
        lanes<int_t<ACC>, groups_of_unit<W, LANES>()> total;
      Part_Unroll:
        for (int part = 0; part < PARTS; ++part) {
#pragma HLS unroll
          lanes<int_t<PART_ACC>, groups_of_unit<W, LANES>()> partial = {};
        Sub_Unroll:
          for (int s = 0; s < SUBS; ++s) {
#pragma HLS unroll
            if (s == sub) partial = sums[part * PART_UNITS + unit][s].read();
          }
        Group_Unroll:
          for (int g = 0; g < groups_of_unit<W, LANES>(); ++g) {
#pragma HLS unroll
            total[g] = part == 0 ? int_t<ACC>(partial[g]) : static_cast<int_t<ACC>>(total[g] + partial[g]);
          }
        }
        totals[0][unit].write(total);
      }
      sub = n + 1 < W ? sub : sub + 1 == SUBS ? 0 : sub + 1;
      n = n + 1 < W ? n + 1 : 0;
    }
  }
}

}  // namespace flexdse_hls
