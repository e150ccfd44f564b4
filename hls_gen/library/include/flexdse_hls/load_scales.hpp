// Purpose: streams the channel scales {scale, row sum} from one memory port.
//
// Template parameters: PAIRS channel scales of a cycle; BITS port width, BITS / 64 pairs a word.
// Streams, per repeat: out, `pairs` / PAIRS vectors in memory order, from `first_word` on; the surplus pairs of the last word are discarded.
// II 1, consecutive addresses. Latency: repeats * pairs / PAIRS + memory latency.
#pragma once

#include "flexdse_hls/dequantized_channel.hpp"
#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int PAIRS, int BITS>
void load_scales(const hbm_word<BITS>* memory, stream<lanes<channel_scale, PAIRS>>& scales, int first_word,
                 int pairs, int repeats) {
  static_assert(BITS >= 64, "a scale port carries at least one {scale, row sum} pair of 64 bits");
  static_assert(PAIRS >= 1 && (BITS / 64) % PAIRS == 0, "the channel scales of a cycle must divide those of a word");

  constexpr int kBeatsPerWord = BITS / 64 / PAIRS;
  hbm_word<BITS> word = {};

Repeat:
  for (int repeat = 0; repeat < repeats; ++repeat) {
  Beat_Pipeline:
    for (int i = 0; i < pairs / PAIRS; ++i) {
#pragma HLS pipeline II=1
      const int beat_of_word = i % kBeatsPerWord;
      if (beat_of_word == 0) word = memory[first_word + i / kBeatsPerWord];
      lanes<channel_scale, PAIRS> beat;
    Pair_Unroll:
      for (int pair = 0; pair < PAIRS; ++pair) {
#pragma HLS unroll
        const int index = 2 * (beat_of_word * PAIRS + pair);
        beat[pair] = {real_of(word, index), real_of(word, index + 1)};
      }
      scales.write(beat);
    }
  }
}

}  // namespace flexdse_hls
