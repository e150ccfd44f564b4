// Purpose: causal softmax of attention, with unsigned integer weights (numerics.md, "Softmax").
//
// weight = nearest(exp(score - max) * (2^P_BITS - 1)); the sum of the weights follows them, and the division by it is left to
// the consumer, once a row: a probability is weight / sum. The largest weight of a row is always 2^P_BITS - 1, so that
// small probabilities of a long context survive 8 bits.
// `softmax` does one unit after the other. `softmax_maxima` and `softmax_weights` are its two passes as processes, with a
// FIFO of all scores of a unit between them: the scores of the next unit arrive while the weights of this one leave.
// Template parameters: KIND of the rows (attention_rows.hpp); ROWS side by side; GROUPS query heads that share the KV head; P_BITS of a weight; MAX_KEYS.
// Streams, per unit (a KV head): in, keys * GROUPS words of ROWS scores (for key, for query head); out, weights in the same
// order, then GROUPS words of ROWS sums as fp32. Row t counts the keys j <= first_position + t
// (rows of tokens) or j <= first_position (heads); what stands in the others'
// scores is ignored, their weight is 0.
// II 1. Latency per unit: (2 * keys + 1) * GROUPS + pipeline depths; of the two processes (keys + 1) * GROUPS between units. Buffer: MAX_KEYS x GROUPS x ROWS fp32; maxima are found
// as integers (fp32.hpp), one cycle each, and sums are integers, so neither depends on an order. One fp_exp a row.
#pragma once

#include "flexdse_hls/attention_rows.hpp"
#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/exp.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

// The weight of a score under the maximum of its row.
template <int P_BITS>
std::uint32_t softmax_weight(real score, real top, bool valid) {
#pragma HLS inline
  const real exponential = fp_exp(fp_sub(valid ? score : top, top));
  return valid ? round_magnitude<P_BITS>(fp_mul(exponential, rounded_to<real>(static_cast<float>((1 << P_BITS) - 1)))) : 0u;
}

// Whether a row attends to a key: each token is one position further than the one before, heads are all at the first.
template <attention_rows KIND>
bool is_visible(int key, int first_position, int row) {
#pragma HLS inline
  return key <= first_position + (KIND == attention_rows::tokens ? row : 0);
}

// The larger of a row's maximum so far and a score that it sees, as an ordered key.
inline real_key larger_key(real_key before, real score, bool visible) {
#pragma HLS inline
  const real_key now = ordered_key(score);
  return visible && now > before ? now : before;
}

template <attention_rows KIND, int ROWS, int GROUPS, int P_BITS, int MAX_KEYS>
void softmax(stream<lanes<real, ROWS>>& scores, stream<lanes<uint_t<P_BITS>, ROWS>>& weights,
             stream<lanes<float, ROWS>>& sums, int keys, int first_position, int units) {
  static_assert(ROWS >= 1 && GROUPS >= 1, "softmax needs at least one row and one query head");
  static_assert(P_BITS >= 2 && P_BITS <= 16, "softmax weights have 2 to 16 bits");
  static_assert(MAX_KEYS >= 1 && MAX_KEYS <= (1 << (32 - P_BITS)), "the sum of the softmax weights must fit 32 bits");
  FLEXDSE_REQUIRE(units == 0 || (keys >= 1 && keys <= MAX_KEYS), "keys must be 1 to MAX_KEYS");
  FLEXDSE_REQUIRE(units == 0 || first_position >= 0, "each row needs a key: first_position must not be negative");

  lanes<real, ROWS> buffer[MAX_KEYS][GROUPS];
#pragma HLS aggregate variable=buffer
#pragma HLS bind_storage variable=buffer type=ram_2p impl=uram
  real_key largest[GROUPS][ROWS];
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
        const lanes<real, ROWS> score = scores.read();
      Largest_Unroll:
        for (int t = 0; t < ROWS; ++t) {
#pragma HLS unroll
          largest[g][t] = larger_key(key == 0 ? real_key{0} : largest[g][t], score[t], is_visible<KIND>(key, first_position, t));
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
        const lanes<real, ROWS> score = buffer[key][g];
        lanes<uint_t<P_BITS>, ROWS> weight;
      Weight_Unroll:
        for (int t = 0; t < ROWS; ++t) {
#pragma HLS unroll
          const bool valid = is_visible<KIND>(key, first_position, t);
          const std::uint32_t rounded = softmax_weight<P_BITS>(score[t], from_ordered_key(largest[g][t]), valid);
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

// Passes the scores on and, behind those of a unit, says the GROUPS words of maxima.
template <attention_rows KIND, int ROWS, int GROUPS, int HELD, int MAXIMA_DEPTH>
void softmax_maxima(stream<lanes<real, ROWS>>& scores, fifo<lanes<real, ROWS>, HELD>& held,
                    fifo<lanes<real, ROWS>, MAXIMA_DEPTH>& maxima, int keys, int first_position, int units) {
  static_assert(MAXIMA_DEPTH >= GROUPS, "the FIFO of maxima holds those of a unit");
  FLEXDSE_REQUIRE(units == 0 || keys * GROUPS <= HELD, "the FIFO behind softmax_maxima must hold the scores of a unit");
  real_key largest[GROUPS][ROWS];
#pragma HLS array_partition variable=largest complete dim=0

Unit:
  for (int unit = 0; unit < units; ++unit) {
  Key:
    for (int key = 0; key < keys; ++key) {
#pragma HLS loop_tripcount min=1 max=HELD
    Group_Pipeline:
      for (int g = 0; g < GROUPS; ++g) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
        const lanes<real, ROWS> score = scores.read();
      Largest_Unroll:
        for (int t = 0; t < ROWS; ++t) {
#pragma HLS unroll
          largest[g][t] = larger_key(key == 0 ? real_key{0} : largest[g][t], score[t], is_visible<KIND>(key, first_position, t));
        }
        held.write(score);
      }
    }
  Maximum_Pipeline:
    for (int g = 0; g < GROUPS; ++g) {
#pragma HLS pipeline II=1
      lanes<real, ROWS> maximum;
    Maximum_Unroll:
      for (int t = 0; t < ROWS; ++t) {
#pragma HLS unroll
        maximum[t] = from_ordered_key(largest[g][t]);
      }
      maxima.write(maximum);
    }
  }
}

template <attention_rows KIND, int ROWS, int GROUPS, int P_BITS, int HELD, int MAXIMA_DEPTH>
void softmax_weights(fifo<lanes<real, ROWS>, HELD>& held, fifo<lanes<real, ROWS>, MAXIMA_DEPTH>& maxima,
                     stream<lanes<uint_t<P_BITS>, ROWS>>& weights, stream<lanes<float, ROWS>>& sums, int keys,
                     int first_position, int units) {
  static_assert(HELD >= 1 && static_cast<std::int64_t>(HELD) <= std::int64_t{1} << (32 - P_BITS),
                "the sum of the weights of a row must fit 32 bits");
  lanes<real, ROWS> maximum[GROUPS];
#pragma HLS array_partition variable=maximum complete
  std::uint32_t totals[GROUPS][ROWS];
#pragma HLS array_partition variable=totals complete dim=0

Unit:
  for (int unit = 0; unit < units; ++unit) {
  Maximum_Pipeline:
    for (int g = 0; g < GROUPS; ++g) {
#pragma HLS pipeline II=1
      maximum[g] = maxima.read();
    }
  Key:
    for (int key = 0; key < keys; ++key) {
#pragma HLS loop_tripcount min=1 max=HELD
    Group_Pipeline:
      for (int g = 0; g < GROUPS; ++g) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
        const lanes<real, ROWS> score = held.read();
        lanes<uint_t<P_BITS>, ROWS> weight;
      Weight_Unroll:
        for (int t = 0; t < ROWS; ++t) {
#pragma HLS unroll
          const bool valid = is_visible<KIND>(key, first_position, t);
          const std::uint32_t rounded = softmax_weight<P_BITS>(score[t], maximum[g][t], valid);
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
