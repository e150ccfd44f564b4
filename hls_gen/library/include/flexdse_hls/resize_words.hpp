// Purpose: changes the number of lanes of a channel-parallel stream; the order of the channels stays.
//
// Template parameters: A lanes of a word in, B lanes of a word out.
// Streams: in, ceil(channels / A) words; out, ceil(channels / B) words, surplus lanes of the last one unspecified.
// II 1; a cycle moves gcd(A, B) channels. Latency: channels / gcd(A, B).
#pragma once

#include "flexdse_hls/ints.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

constexpr int common_divisor(int a, int b) { return b == 0 ? a : common_divisor(b, a % b); }

template <int A, int B, class T>
void resize_words(stream<lanes<T, A>>& in, stream<lanes<T, B>>& out, int channels) {
  constexpr int kChunk = common_divisor(A, B);
  constexpr int kIn = A / kChunk;
  constexpr int kOut = B / kChunk;
  lanes<T, A> from = {};
  lanes<T, B> to = {};
  const int chunks = ceil_div(channels, kChunk);

Chunk_Pipeline:
  for (int i = 0; i < chunks; ++i) {
#pragma HLS pipeline II=1
    if (i % kIn == 0) from = in.read();
  Lane_Unroll:
    for (int j = 0; j < kChunk; ++j) {
#pragma HLS unroll
      to[(i % kOut) * kChunk + j] = from[(i % kIn) * kChunk + j];
    }
    if (i % kOut == kOut - 1 || i == chunks - 1) out.write(to);
  }
}

}  // namespace flexdse_hls
