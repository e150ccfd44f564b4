// Purpose: rotary position embedding; channel i of a head turns with channel i + head_dim / 2 (numerics.md, "RoPE").
//
// The table of cosines and sines is run-time data: scaled frequencies (llama3, linear) are in the data, not here.
// Template parameters: LANES values of a word: TP tokens of one channel, or CP consecutive channels of one token; HALF_WORDS
// words of half a head: head_dim / 2 (token lanes) or head_dim / (2 CP) (channel lanes).
// Streams, per block: in, HALF_WORDS words of the table, then for each head its 2 HALF_WORDS words of x in channel order;
// out, the same words turned.
// II 1. Latency per block: (2 * heads + 2) * HALF_WORDS + pipeline depth: the upper half of a head leaves while the
// lower half of the next one arrives. Buffers: 4 x HALF_WORDS x LANES fp32. DSPs: 4 multipliers and 2 adders a lane.
#pragma once

#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/real.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int LANES>
struct rope_word {
  lanes<real, LANES> cos;
  lanes<real, LANES> sin;
};

template <int LANES, int HALF_WORDS>
void rope(stream<lanes<real, LANES>>& x, stream<rope_word<LANES>>& table, stream<lanes<real, LANES>>& y, int heads,
          int blocks) {
  static_assert(LANES >= 1 && HALF_WORDS >= 1, "rope needs at least one lane and one word of half a head");

  rope_word<LANES> rows[HALF_WORDS];
#pragma HLS aggregate variable=rows
  lanes<real, LANES> low[HALF_WORDS];
#pragma HLS aggregate variable=low
  lanes<real, LANES> turned[HALF_WORDS];
#pragma HLS aggregate variable=turned

Block:
  for (int block = 0; block < blocks; ++block) {
  Table_Pipeline:
    for (int i = 0; i < HALF_WORDS; ++i) {
#pragma HLS pipeline II=1
      rows[i] = table.read();
    }
  Head:
    for (int head = 0; head <= heads; ++head) {
    Low_Pipeline:
      for (int i = 0; i < HALF_WORDS; ++i) {
#pragma HLS pipeline II=1
        if (head > 0) y.write(turned[i]);
        if (head < heads) low[i] = x.read();
      }
    High_Pipeline:
      for (int i = 0; i < HALF_WORDS && head < heads; ++i) {
#pragma HLS pipeline II=1
        const rope_word<LANES> row = rows[i];
        const lanes<real, LANES> below = low[i];
        const lanes<real, LANES> above = x.read();
        lanes<real, LANES> first;
        lanes<real, LANES> second;
      Lane_Unroll:
        for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS unroll
          first[lane] = fp_sub(fp_mul(below[lane], row.cos[lane]), fp_mul(above[lane], row.sin[lane]));
          second[lane] = fp_add(fp_mul(above[lane], row.cos[lane]), fp_mul(below[lane], row.sin[lane]));
        }
        y.write(first);
        turned[i] = second;
      }
    }
  }
}

}  // namespace flexdse_hls
