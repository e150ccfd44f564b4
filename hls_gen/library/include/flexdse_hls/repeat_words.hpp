// Purpose: keeps a parameter vector (norm weights, inverse scales, a bias) on chip and sends it once for every block.
//
// Template parameters: T word; MAX_WORDS longest vector.
// Streams: in, `words` words (none where `times` is 0); out, the same `times` times, after all have arrived:
// so a loader that serves several parameters in turn never waits for what they are used on.
// II 1. Latency: words * (times + 1) + pipeline depth. Buffer: MAX_WORDS words.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <class T, int MAX_WORDS>
void repeat_words(stream<T>& in, stream<T>& out, int words, int times) {
  static_assert(MAX_WORDS >= 1, "repeat_words needs room for at least one word");
  FLEXDSE_REQUIRE(times == 0 || words <= MAX_WORDS, "words must be at most MAX_WORDS");

  T buffer[MAX_WORDS];
#pragma HLS aggregate variable=buffer
Load_Pipeline:
  for (int i = 0; times > 0 && i < words; ++i) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_WORDS
    buffer[i] = in.read();
  }
Time:
  for (int time = 0; time < times; ++time) {
  Word_Pipeline:
    for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_WORDS
      out.write(buffer[i]);
    }
  }
}

}  // namespace flexdse_hls
