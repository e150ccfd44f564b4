// Purpose: SwiGLU, silu(gate) * up with silu(g) = g / (1 + exp(-g)) (numerics.md, "SwiGLU").
//
// Template parameters: LANES values of a word, tokens or channels alike.
// Streams, per block: in, `words` words of gate and of up, one of each in turn; out, `words` words.
// II 1. Latency: words * blocks + pipeline depth. Per lane: one fp_exp, an adder, a divider, a multiplier.
#pragma once

#include "flexdse_hls/exp.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

inline real fp_silu(real x) {
#pragma HLS inline
  return fp_div(x, fp_add(rounded_to<real>(1.0f), fp_exp(-x)));
}

template <int LANES>
void swiglu(stream<lanes<real, LANES>>& gate, stream<lanes<real, LANES>>& up, stream<lanes<real, LANES>>& y,
            int words, int blocks) {
  static_assert(LANES >= 1, "swiglu needs at least one lane");

Word_Pipeline:
  for (int word = 0; word < words * blocks; ++word) {
#pragma HLS pipeline II=1
    const lanes<real, LANES> gates = gate.read();
    const lanes<real, LANES> ups = up.read();
    lanes<real, LANES> results;
  Lane_Unroll:
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS unroll
      results[lane] = fp_mul(fp_silu(gates[lane]), ups[lane]);
    }
    y.write(results);
  }
}

}  // namespace flexdse_hls
