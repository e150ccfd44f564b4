// Purpose: the dynamic per-token asymmetric quantization that both quantizers apply (numerics.md, "quantize").
//
// Of a token's values: min and max, scale = (max - min) / 15, q = nearest((x - min) / scale) as uint4. A token whose
// scale is zero (all values equal, or so close that the scale is subnormal) has q = 0.
#pragma once

#include "flexdse_hls/fp32.hpp"
#include "flexdse_hls/ints.hpp"

namespace flexdse_hls {

// x is about q * scale + min.
struct token_scale {
  float scale;
  float min;
};

// Running minimum and maximum, kept as ordered integers (fp32.hpp).
struct value_range {
  ap_uint<32> min_key;
  ap_uint<32> max_key;

  void reset() {
#pragma HLS inline
    min_key = 0xffffffffu;
    max_key = 0;
  }

  void include(float canonical_value) {
#pragma HLS inline
    const ap_uint<32> key = ordered_key(canonical_value);
    if (key < min_key) min_key = key;
    if (key > max_key) max_key = key;
  }

  void include(const value_range& other) {
#pragma HLS inline
    if (other.min_key < min_key) min_key = other.min_key;
    if (other.max_key > max_key) max_key = other.max_key;
  }

  token_scale scale() const {
#pragma HLS inline
    const float min = from_ordered_key(min_key);
    const float range = fp_sub(from_ordered_key(max_key), min);
    return {fp_div(range, static_cast<float>(kMaxActivation)), min};
  }
};

inline uint4 quantize(float canonical_value, const token_scale& token) {
#pragma HLS inline
  if (token.scale == 0.0f) return 0;
  return round_to_uint4(fp_div(fp_sub(canonical_value, token.min), token.scale));
}

}  // namespace flexdse_hls
