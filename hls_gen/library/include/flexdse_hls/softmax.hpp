// Purpose: causal softmax of attention, with unsigned integer weights (numerics.md, "Softmax").
//
// weight = nearest(exp(score - max) * (2^P_BITS - 1)); the sum of the weights follows them, and the division by it is left to
// the consumer, once a row: a probability is weight / sum. The largest weight of a row is always 2^P_BITS - 1, so that
// small probabilities of a long context survive 8 bits.
// Template parameters: ROWS tokens side by side; GROUPS query heads that share the KV head; P_BITS of a weight; MAX_KEYS.
// Streams, per unit (a KV head): in, keys * GROUPS words of ROWS scores (for key, for query head); out, weights in the same
// order, then GROUPS words of ROWS sums as fp32. Row t counts the keys j <= first_position + t; what stands in the others'
// scores is ignored, their weight is 0.
// II 1. Latency per unit: (2 * keys + 1) * GROUPS + pipeline depths. Buffer: MAX_KEYS x GROUPS x ROWS fp32; maxima are found
// as integers (fp32.hpp), one cycle each, and sums are integers, so neither depends on an order. One fp_exp a row.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/exp.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int ROWS, int GROUPS, int P_BITS, int MAX_KEYS>
void softmax(stream<lanes<float, ROWS>>& scores, stream<lanes<uint_t<P_BITS>, ROWS>>& weights,
             stream<lanes<float, ROWS>>& sums, int keys, int first_position, int units) {
  static_assert(ROWS >= 1 && GROUPS >= 1, "softmax needs at least one row and one query head");
  static_assert(P_BITS >= 2 && P_BITS <= 16, "softmax weights have 2 to 16 bits");
  static_assert(MAX_KEYS >= 1 && MAX_KEYS <= (1 << (32 - P_BITS)), "the sum of the softmax weights must fit 32 bits");
  FLEXDSE_REQUIRE(units == 0 || (keys >= 1 && keys <= MAX_KEYS), "keys must be 1 to MAX_KEYS");
  FLEXDSE_REQUIRE(units == 0 || first_position >= 0, "each row needs a key: first_position must not be negative");

  constexpr float kTop = static_cast<float>((1 << P_BITS) - 1);
  lanes<float, ROWS> buffer[MAX_KEYS][GROUPS];
#pragma HLS aggregate variable=buffer
#pragma HLS bind_storage variable=buffer type=ram_2p impl=uram
  std::uint32_t largest[GROUPS][ROWS];
#pragma HLS array_partition variable=largest complete dim=0
  std::uint32_t totals[GROUPS][ROWS];
#pragma HLS array_partition variable=totals complete dim=0

Unit:
  for (int unit = 0; unit < units; ++unit) {
  Load_Key:
    for (int key = 0; key < keys; ++key) {
#pragma HLS loop_tripcount min=1 max=MAX_KEYS
    Load_Pipeline:
      for (int g = 0; g < GROUPS; ++g) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
        const lanes<float, ROWS> score = scores.read();
      Largest_Unroll:
        for (int t = 0; t < ROWS; ++t) {
#pragma HLS unroll
          const std::uint32_t before = key == 0 ? 0u : largest[g][t];
          const std::uint32_t now = ordered_key(score[t]);
          largest[g][t] = key <= first_position + t && now > before ? now : before;
        }
        buffer[key][g] = score;
      }
    }
  Weight_Key:
    for (int key = 0; key < keys; ++key) {
#pragma HLS loop_tripcount min=1 max=MAX_KEYS
    Weight_Pipeline:
      for (int g = 0; g < GROUPS; ++g) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
        const lanes<float, ROWS> score = buffer[key][g];
        lanes<uint_t<P_BITS>, ROWS> weight;
      Weight_Unroll:
        for (int t = 0; t < ROWS; ++t) {
#pragma HLS unroll
          const bool valid = key <= first_position + t;
          const float top = from_ordered_key(largest[g][t]);
          const float exponential = fp_exp(fp_sub(valid ? score[t] : top, top));
          const std::uint32_t rounded = valid ? round_magnitude<P_BITS>(fp_mul(exponential, kTop)) : 0u;
          weight[t] = static_cast<uint_t<P_BITS>>(rounded);
          totals[g][t] = (key == 0 ? 0u : totals[g][t]) + rounded;
        }
        weights.write(weight);
      }
    }
  Sum_Pipeline:
    for (int g = 0; g < GROUPS; ++g) {
#pragma HLS pipeline II=1
      lanes<float, ROWS> sum;
    Sum_Unroll:
      for (int t = 0; t < ROWS; ++t) {
#pragma HLS unroll
        sum[t] = static_cast<float>(totals[g][t]);
      }
      sums.write(sum);
    }
  }
}

}  // namespace flexdse_hls
