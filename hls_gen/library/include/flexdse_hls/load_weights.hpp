// Purpose: streams packed int4 or int8 weights from one memory port, one word a cycle.
//
// Template parameters: W_BITS of a weight; UNITS that share the port; LANES weights of a beat for each unit; BITS port
// width; PASS_CHANNELS output channels of a pass, over all ports. A layer has ceil(d_out / PASS_CHANNELS) * d_in words
// on each port, from `first_word` on. The surplus of a word, BITS - W_BITS * UNITS * LANES, is fetched and discarded.
// Streams, per repeat: out, to each unit, one vector a word, LANES weights from number u * LANES on for unit u (prefill
// repeats per token block, decode per token).
// II 1, consecutive addresses: the tool infers full bursts. Latency: repeats * words + memory latency.
#pragma once

#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int W_BITS, int LANES, int BITS, int PASS_CHANNELS, int UNITS, int DEPTH>
void load_weights(const hbm_word<BITS>* memory, fifo<lanes<int_t<W_BITS>, LANES>, DEPTH> (&weights)[UNITS],
                  int first_word, int d_in, int d_out, int repeats) {
  static_assert(LANES >= 1 && W_BITS * LANES * UNITS <= BITS, "the weights of a beat must fit the memory port");
  static_assert(PASS_CHANNELS >= LANES * UNITS, "a pass has at least the channels of one port");

  const int words = ceil_div(d_out, PASS_CHANNELS) * d_in;

Repeat:
  for (int repeat = 0; repeat < repeats; ++repeat) {
  Word_Pipeline:
    for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
      const hbm_word<BITS> word = memory[first_word + i];
    Unit_Unroll:
      for (int unit = 0; unit < UNITS; ++unit) {
#pragma HLS unroll
        weights[unit].write(values_of<W_BITS, LANES>(word, unit * LANES));
      }
    }
  }
}

}  // namespace flexdse_hls
