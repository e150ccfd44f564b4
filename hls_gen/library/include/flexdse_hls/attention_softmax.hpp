// Purpose: the softmax between attention_scores.hpp and attention_values.hpp, block after block.
//
// Template parameters and streams as in softmax.hpp; the first row of block b is position first_position + b * ROWS, and
// the block has range.of(b) keys. Latency: that of softmax.hpp for each block.
#pragma once

#include "flexdse_hls/key_range.hpp"
#include "flexdse_hls/softmax.hpp"

namespace flexdse_hls {

template <int ROWS, int GROUPS, int P_BITS, int MAX_KEYS>
void attention_softmax(stream<lanes<float, ROWS>>& scores, stream<lanes<uint_t<P_BITS>, ROWS>>& weights,
                       stream<lanes<float, ROWS>>& sums, key_range range, int first_position, int units, int blocks) {
Block:
  for (int block = 0; block < blocks; ++block) {
    softmax<ROWS, GROUPS, P_BITS, MAX_KEYS>(scores, weights, sums, range.of(block), first_position + block * ROWS, units);
  }
}

}  // namespace flexdse_hls
