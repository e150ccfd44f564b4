// Purpose: contiguous packed integers between an m_axi port and a stream: what a later step of the same token needs again.
//
// Template parameters: VALUE_BITS; N lanes of a word of the stream; BITS port width. The data begin at `first_word` of the
// memory, VALUE_BITS apart, and occupy ceil(values / (BITS / VALUE_BITS)) words. `values` is a multiple of N.
// II 1, consecutive addresses; a cycle moves gcd(N, BITS / VALUE_BITS) values. Latency: values / gcd + memory latency.
#pragma once

#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/resize_words.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int VALUE_BITS, int N, int BITS>
void read_integers(const hbm_word<BITS>* memory, int first_word, stream<lanes<int_t<VALUE_BITS>, N>>& vectors, int values) {
  constexpr int kPort = BITS / VALUE_BITS;
  constexpr int kChunk = common_divisor(N, kPort);
  hbm_word<BITS> word = {};
  lanes<int_t<VALUE_BITS>, N> vector = {};
#pragma HLS array_partition variable=vector.lane complete

Chunk_Pipeline:
  for (int i = 0; i < values / kChunk; ++i) {
#pragma HLS pipeline II=1
    const int in = i % (kPort / kChunk);
    const int out = i % (N / kChunk);
    if (in == 0) word = memory[first_word + i / (kPort / kChunk)];
  Lane_Unroll:
    for (int j = 0; j < kChunk; ++j) {
#pragma HLS unroll
      vector[out * kChunk + j] = value_of<VALUE_BITS>(word, in * kChunk + j);
    }
    if (out == N / kChunk - 1) vectors.write(vector);
  }
}

template <int VALUE_BITS, int N, int BITS>
void write_integers(hbm_word<BITS>* memory, int first_word, stream<lanes<int_t<VALUE_BITS>, N>>& vectors, int values) {
  constexpr int kPort = BITS / VALUE_BITS;
  constexpr int kChunk = common_divisor(N, kPort);
  constexpr int kPerPart = 32 / VALUE_BITS;
  constexpr std::uint32_t kMask = (1u << VALUE_BITS) - 1u;
  std::uint32_t raw[kPort] = {};
#pragma HLS array_partition variable=raw complete
  lanes<int_t<VALUE_BITS>, N> vector = {};
#pragma HLS array_partition variable=vector.lane complete

Chunk_Pipeline:
  for (int i = 0; i < values / kChunk; ++i) {
#pragma HLS pipeline II=1
    const int in = i % (N / kChunk);
    const int out = i % (kPort / kChunk);
    if (in == 0) vector = vectors.read();
  Lane_Unroll:
    for (int j = 0; j < kChunk; ++j) {
#pragma HLS unroll
      raw[out * kChunk + j] = static_cast<std::uint32_t>(static_cast<int>(vector[in * kChunk + j])) & kMask;
    }
    if (out == kPort / kChunk - 1 || (i + 1) * kChunk >= values) {
      hbm_word<BITS> word = {};
    Value_Unroll:
      for (int v = 0; v < kPort; ++v) {
#pragma HLS unroll
        word.part[v / kPerPart] |= raw[v] << (VALUE_BITS * (v % kPerPart));
      }
      memory[first_word + i / (kPort / kChunk)] = word;
    }
  }
}

}  // namespace flexdse_hls
