// Purpose: contiguous fp32 between an m_axi port and a stream, whatever the width of either.
//
// Template parameters: N lanes of a word of the stream; BITS port width. The data begin at `first_word` of the memory and
// occupy ceil(values / (BITS / 32)) words; surplus lanes of the last word of a stream are +0.
// II 1, consecutive addresses; a cycle moves gcd(N, BITS / 32) values. Latency: values / gcd + memory latency.
#pragma once

#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/resize_words.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int N, int BITS>
void read_fp32(const hbm_word<BITS>* memory, int first_word, stream<lanes<real, N>>& vectors, int values) {
  constexpr int kPort = BITS / 32;
  constexpr int kChunk = common_divisor(N, kPort);
  hbm_word<BITS> word = {};
  lanes<real, N> vector = {};

Chunk_Pipeline:
  for (int i = 0; i < ceil_div(ceil_div(values, kChunk), N / kChunk) * (N / kChunk); ++i) {
#pragma HLS pipeline II=1
    const int in = i % (kPort / kChunk);
    const int out = i % (N / kChunk);
    if (in == 0 && i * kChunk < values) word = memory[first_word + i / (kPort / kChunk)];
  Lane_Unroll:
    for (int j = 0; j < kChunk; ++j) {
#pragma HLS unroll
      vector[out * kChunk + j] = i * kChunk + j < values ? real_of(word, in * kChunk + j) : real{};
    }
    if (out == N / kChunk - 1) vectors.write(vector);
  }
}

template <int N, int BITS>
void write_fp32(hbm_word<BITS>* memory, int first_word, stream<lanes<real, N>>& vectors, int values) {
  constexpr int kPort = BITS / 32;
  constexpr int kChunk = common_divisor(N, kPort);
  hbm_word<BITS> word = {};
  lanes<real, N> vector = {};

Chunk_Pipeline:
  for (int i = 0; i < ceil_div(ceil_div(values, kChunk), N / kChunk) * (N / kChunk); ++i) {
#pragma HLS pipeline II=1
    const int in = i % (N / kChunk);
    const int out = i % (kPort / kChunk);
    if (in == 0) vector = vectors.read();
  Lane_Unroll:
    for (int j = 0; j < kChunk; ++j) {
#pragma HLS unroll
      word.part[out * kChunk + j] = bits_of(vector[in * kChunk + j]);
    }
    const bool last = (i + 1) * kChunk >= values && i * kChunk < values;
    if ((out == kPort / kChunk - 1 || last) && i * kChunk < values) memory[first_word + i / (kPort / kChunk)] = word;
  }
}

}  // namespace flexdse_hls
