// Purpose: 1 / sqrt(v) in fp32, bit for bit (numerics.md, "rsqrt"): a seed from the bit pattern, three Newton steps.
//
// Domain: normal v > 0. Relative error below 1.7e-7. Latency: 12 operators in series; it is used once a token or head, so
// the operators are shared by whoever asks for a larger II.
#pragma once

#include "flexdse_hls/fp32.hpp"

namespace flexdse_hls {

inline float fp_rsqrt(float v) {
#pragma HLS inline
  constexpr std::uint32_t kSeed = 0x5f375a86u;
  constexpr int kSteps = 3;
  const float half = fp_mul(0.5f, v);
  float y = float_of(kSeed - (bits_of(v) >> 1));
Step_Unroll:
  for (int step = 0; step < kSteps; ++step) {
#pragma HLS unroll
    y = fp_mul(y, fp_sub(1.5f, fp_mul(fp_mul(half, y), y)));
  }
  return y;
}

}  // namespace flexdse_hls
