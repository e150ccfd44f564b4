// Purpose: the activation port of the decode kernel: token vectors of d channels, TB lanes a stream element.
//
// Template parameters: TB lanes; BITS port width. Memory order: token, then row i, then lane g: channel g * (d / TB) + i.
// Latency: tokens * d / TB * words_per_vector + memory latency.
#pragma once

#include "flexdse_hls/vector_io.hpp"

namespace flexdse_hls {

template <int TB, int BITS>
void read_tokens(const hbm_word<BITS>* memory, stream<lanes<float, TB>>& activations, int d_in, int tokens) {
  read_vectors<TB, BITS>(memory, activations, tokens * (d_in / TB));
}

template <int TB, int BITS>
void write_tokens(hbm_word<BITS>* memory, stream<lanes<float, TB>>& results, int d_out, int tokens) {
  write_vectors<TB, BITS>(memory, results, tokens * (d_out / TB));
}

}  // namespace flexdse_hls
