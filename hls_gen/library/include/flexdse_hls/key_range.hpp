// Purpose: how many keys a block of query rows attends to: `first` for block 0 and `step` more for each further block.
//
// Prefill without skipping: {all keys, 0}; prefill that skips what the causal mask hides: {TP, TP}; decode: {position + 1, 0}.
#pragma once

namespace flexdse_hls {

struct key_range {
  int first;
  int step;

  int of(int block) const {
#pragma HLS inline
    return first + block * step;
  }
};

}  // namespace flexdse_hls
