// Purpose: words of the KV cache for attention from the beats of a port that is narrower than they are.
//
// Attention takes CHUNK channels of a key or value at once; a port of BITS brings only BEAT of them in a cycle. Where each word
// meets several query heads in turn (GROUPS of attention_scores.hpp, attention_values.hpp), as many beats come meanwhile, and
// the narrow port costs no time.
//
// Template parameters: BEAT channels of a word in; CHUNK channels of a word out; DH channels of a head.
// Streams, per block: in, units * range.of(block) * DH / BEAT words, as read_cache writes them with BEAT as its chunk; out,
// units * range.of(block) * DH / CHUNK words, channels in order.
// II 1 of a beat. Latency: that of the beats.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/key_range.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int BEAT, int CHUNK, int DH, class T, int BEAT_DEPTH, int WORD_DEPTH>
void join_beats(fifo<lanes<T, BEAT>, BEAT_DEPTH>& beats, fifo<lanes<T, CHUNK>, WORD_DEPTH>& words, key_range range, int units,
                int blocks) {
  static_assert(BEAT >= 1 && CHUNK % BEAT == 0, "whole beats make a word of attention");
  static_assert(DH % CHUNK == 0, "whole words make a head: none is padded, so beats and words stay in step");
  constexpr int kBeats = CHUNK / BEAT;

  lanes<T, CHUNK> word = {};
Block:
  for (int block = 0; block < blocks; ++block) {
    int part = 0;
  Beat_Pipeline:
    for (int i = 0; i < units * range.of(block) * (DH / BEAT); ++i) {
#pragma HLS pipeline II=1
      const lanes<T, BEAT> beat = beats.read();
      // Beats move up by one place: the first of a word ends in front without a multiplexer.
    Shift_Unroll:
      for (int c = 0; c + BEAT < CHUNK; ++c) {
#pragma HLS unroll
        word[c] = word[c + BEAT];
      }
    Beat_Unroll:
      for (int c = 0; c < BEAT; ++c) {
#pragma HLS unroll
        word[CHUNK - BEAT + c] = beat[c];
      }
      const bool is_whole = part + 1 == kBeats;
      part = is_whole ? 0 : part + 1;
      if (is_whole) words.write(word);
    }
  }
}

}  // namespace flexdse_hls
