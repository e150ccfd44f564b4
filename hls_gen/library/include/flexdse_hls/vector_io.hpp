// Purpose: fp32 vectors between an m_axi port and a stream.
//
// Template parameters: LANES of a vector; BITS port width. A vector occupies words_per_vector whole words; surplus fp32
// of its last word are padding.
// II 1 per word, consecutive addresses. Latency: count * words_per_vector + memory latency.
#pragma once

#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int LANES, int BITS>
constexpr int words_per_vector() {
  static_assert(LANES >= 1, "a vector in memory has at least one fp32");
  return ceil_div(32 * LANES, BITS);
}

template <int LANES, int BITS>
void read_vectors(const hbm_word<BITS>* memory, stream<lanes<real, LANES>>& vectors, int count) {
  constexpr int kWords = words_per_vector<LANES, BITS>();
  constexpr int kFloats = BITS / 32;
  lanes<real, LANES> vector;

Vector:
  for (int i = 0; i < count; ++i) {
  Word_Pipeline:
    for (int w = 0; w < kWords; ++w) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
      const hbm_word<BITS> word = memory[i * kWords + w];
    Lane_Unroll:
      for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS unroll
        if (lane / kFloats == w) vector[lane] = real_of(word, lane % kFloats);
      }
      if (w == kWords - 1) vectors.write(vector);
    }
  }
}

template <int LANES, int BITS>
void write_vectors(hbm_word<BITS>* memory, stream<lanes<real, LANES>>& vectors, int count) {
  constexpr int kWords = words_per_vector<LANES, BITS>();
  constexpr int kFloats = BITS / 32;
  lanes<real, LANES> vector;

Vector:
  for (int i = 0; i < count; ++i) {
  Word_Pipeline:
    for (int w = 0; w < kWords; ++w) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
      if (w == 0) vector = vectors.read();
      hbm_word<BITS> word;
    Part_Unroll:
      for (int part = 0; part < kFloats; ++part) {
#pragma HLS unroll
        const int lane = w * kFloats + part;
        word.part[part] = lane < LANES ? bits_of(vector[lane < LANES ? lane : 0]) : 0u;
      }
      memory[i * kWords + w] = word;
    }
  }
}

}  // namespace flexdse_hls
