// Purpose: adds the bias of a projection, one fp32 per output channel, to all tokens.
//
// Template parameters: TP tokens side by side, CP channels of each a word.
// Streams, per block: in, `words` words of TP x CP fp32 (lane t * CP + c) and `words` words of CP biases, one of each in
// turn; out, `words` words.
// II 1. Latency: words * blocks + pipeline depth. One adder a lane.
#pragma once

#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/real.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int TP, int CP>
void add_bias(stream<lanes<real, TP * CP>>& x, stream<lanes<real, CP>>& bias, stream<lanes<real, TP * CP>>& y,
              int words, int blocks) {
  static_assert(TP >= 1 && CP >= 1, "add_bias needs at least one token and one channel a word");

Word_Pipeline:
  for (int word = 0; word < words * blocks; ++word) {
#pragma HLS pipeline II=1
    const lanes<real, TP * CP> values = x.read();
    const lanes<real, CP> biases = bias.read();
    lanes<real, TP * CP> sum;
  Lane_Unroll:
    for (int i = 0; i < TP * CP; ++i) {
#pragma HLS unroll
      sum[i] = fp_add(values[i], biases[i % CP]);
    }
    y.write(sum);
  }
}

}  // namespace flexdse_hls
