// Purpose: the residual adder: the stream around a half layer plus the half layer's result.
//
// Template parameters: LANES values of a word, tokens or channels alike.
// Streams, per block: in, `words` words of each operand, one of each in turn: the FIFO of `x` must hold what the half layer
// keeps back before its first result; out, `words` words.
// II 1. Latency: words * blocks + pipeline depth. One adder a lane.
#pragma once

#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/real.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int LANES>
void add_residual(stream<lanes<real, LANES>>& x, stream<lanes<real, LANES>>& branch,
                  stream<lanes<real, LANES>>& y, int words, int blocks) {
  static_assert(LANES >= 1, "add_residual needs at least one lane");

Word_Pipeline:
  for (int word = 0; word < words * blocks; ++word) {
#pragma HLS pipeline II=1
    // Hardware takes both words in one cycle. Simulation waits for the late one first, so that it does not hold a word of
    // x that hardware would leave in its FIFO.
    const lanes<real, LANES> b = branch.read();
    const lanes<real, LANES> a = x.read();
    lanes<real, LANES> sum;
  Lane_Unroll:
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS unroll
      sum[lane] = fp_add(a[lane], b[lane]);
    }
    y.write(sum);
  }
}

}  // namespace flexdse_hls
