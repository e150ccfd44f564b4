// Purpose: the softmax between attention_scores.hpp and attention_values.hpp, block after block.
//
// Template parameters and streams as in softmax.hpp; rows are tokens: the first of block b is position first_position + b * ROWS, and
// the block has range.of(b) keys. Latency: that of softmax.hpp for each block.
#pragma once

#include "flexdse_hls/key_range.hpp"
#include "flexdse_hls/softmax.hpp"

namespace flexdse_hls {

template <int ROWS, int GROUPS, int P_BITS, int MAX_KEYS>
void attention_softmax(stream<lanes<real, ROWS>>& scores, stream<lanes<uint_t<P_BITS>, ROWS>>& weights,
                       stream<lanes<float, ROWS>>& sums, key_range range, int first_position, int units, int blocks) {
Block:
  for (int block = 0; block < blocks; ++block) {
    softmax<attention_rows::tokens, ROWS, GROUPS, P_BITS, MAX_KEYS>(scores, weights, sums, range.of(block), first_position + block * ROWS, units);
  }
}

// The two processes of a pipelined softmax, block after block.
template <int ROWS, int GROUPS, int HELD, int MAXIMA_DEPTH>
void attention_maxima(stream<lanes<real, ROWS>>& scores, fifo<lanes<real, ROWS>, HELD>& held,
                      fifo<lanes<real, ROWS>, MAXIMA_DEPTH>& maxima, key_range range, int first_position, int units,
                      int blocks) {
Block:
  for (int block = 0; block < blocks; ++block) {
    softmax_maxima<attention_rows::tokens, ROWS, GROUPS>(scores, held, maxima, range.of(block), first_position + block * ROWS,
                                                         units);
  }
}

template <int ROWS, int GROUPS, int P_BITS, int HELD, int MAXIMA_DEPTH>
void attention_weights(fifo<lanes<real, ROWS>, HELD>& held, fifo<lanes<real, ROWS>, MAXIMA_DEPTH>& maxima,
                       stream<lanes<uint_t<P_BITS>, ROWS>>& weights, stream<lanes<float, ROWS>>& sums, key_range range,
                       int first_position, int units, int blocks) {
Block:
  for (int block = 0; block < blocks; ++block) {
    softmax_weights<attention_rows::tokens, ROWS, GROUPS, P_BITS>(held, maxima, weights, sums, range.of(block),
                                                                  first_position + block * ROWS, units);
  }
}

}  // namespace flexdse_hls
