// Purpose: streams packed int4 weights from one memory port, one word a cycle.
//
// Template parameters: UNITS that share the port; LANES weights of a beat for each unit; BITS port width; PASS_CHANNELS
// output channels of a pass, over all ports. A layer has ceil(d_out / PASS_CHANNELS) * d_in words on each port. The surplus
// nibbles of a word, BITS / 4 - UNITS * LANES, are fetched and discarded.
// Streams, per repeat: out, to each unit, one vector a word, LANES int4 from nibble u * LANES on for unit u (prefill
// repeats per token block, decode per token).
// II 1, consecutive addresses: the tool infers full bursts. Latency: repeats * words + memory latency.
#pragma once

#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int LANES, int BITS, int PASS_CHANNELS, int UNITS, int DEPTH>
void load_weights(const hbm_word<BITS>* memory, fifo<lanes<int4, LANES>, DEPTH> (&weights)[UNITS], int d_in,
                  int d_out, int repeats) {
  static_assert(LANES >= 1 && 4 * LANES * UNITS <= BITS, "the int4 lanes of a beat must fit the memory port");
  static_assert(PASS_CHANNELS >= LANES * UNITS, "a pass has at least the channels of one port");

  const int words = ceil_div(d_out, PASS_CHANNELS) * d_in;

Repeat:
  for (int repeat = 0; repeat < repeats; ++repeat) {
  Word_Pipeline:
    for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
      const hbm_word<BITS> word = memory[i];
    Unit_Unroll:
      for (int unit = 0; unit < UNITS; ++unit) {
#pragma HLS unroll
        lanes<int4, LANES> beat;
      Lane_Unroll:
        for (int n = 0; n < LANES; ++n) {
#pragma HLS unroll
          beat[n] = nibble_of(word, unit * LANES + n);
        }
        weights[unit].write(beat);
      }
    }
  }
}

}  // namespace flexdse_hls
