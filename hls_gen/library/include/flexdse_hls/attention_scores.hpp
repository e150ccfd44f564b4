// Purpose: the QK half of attention: scores of LANES query rows against the keys of one KV head at a time, scaled to fp32.
//
// One unit of work is GROUPS query heads that share a KV head. Each key arrives once, KP channels a word, and meets the
// GROUPS heads in turn: keys are read once per KV head where GROUPS is the whole group (n_q_heads / n_kv_heads), once per
// query head where it is 1. Prefill: LANES = the tokens of a block, ROWS tokens; decode: ROWS heads, LANES of them beside
// each other on one read of the keys, an instance for each head lane.
//
// Template parameters: F mac_format of query and key; KIND of processing element; ROWS (attention_rows.hpp); LANES; CP
// channels of a word of queries; KP channels of a word of keys; GROUPS; DH channels of a head. The last word of a key has
// DH mod KP channels if KP does not divide DH.
// Streams, per block and unit: in, factors (fp32: both scales and 1 / sqrt(DH)), one for each head; the queries (head, then
// channel): rows of tokens in GROUPS * DH / CP words of LANES * CP (lane t * CP + c), rows of heads in LANES * DH / CP
// words of CP; keys.of(block) * ceil(DH / KP) words of keys; out, for each key, for each of the GROUPS heads, a word of
// LANES scores.
// II 1. Latency per unit: words of queries, ceil(CP / (2 KP)) cycles each, + GROUPS * keys * ceil(DH / KP). Multipliers: LANES * KP; dsp2 pairs the rows of two
// lanes on one DSP, with a single lane each product has its own.
#pragma once

#include "flexdse_hls/attention_rows.hpp"
#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/real.hpp"
#include "flexdse_hls/key_range.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/pe.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

// Products of one key word with the rows of all lanes, summed over the word.
template <class F, pe_kind KIND, int LANES, int KP, int ACC>
lanes<int_t<ACC>, LANES> dot_products(const typename F::x_type (&rows)[LANES][KP],
                                      const typename F::w_type (&key)[KP]) {
#pragma HLS inline
  static_assert(KIND != pe_kind::dsp4, "attention operands of 8 bits do not share a DSP four by four");
  lanes<int_t<ACC>, LANES> sums;
Lane_Unroll:
  for (int t = 0; t < LANES; ++t) {
#pragma HLS unroll
    sums[t] = 0;
  }
#ifdef FLEXDSE_FAST_CSIM
  for (int t = 0; t < LANES; ++t) {
    int sum = 0;
    for (int c = 0; c < KP; ++c) sum += rows[t][c] * key[c];
    sums[t] = static_cast<int_t<ACC>>(sum);
  }
#else
  constexpr int kProduct = F::accumulator_bits(1);
Channel_Unroll:
  for (int c = 0; c < KP; ++c) {
#pragma HLS unroll
    if constexpr (KIND == pe_kind::dsp2 && LANES % 2 == 0) {
    Pair_Unroll:
      for (int t = 0; t < LANES; t += 2) {
#pragma HLS unroll
        const int_t<kProduct + F::kActivationBits + 1> pair =
            (int_t<kProduct + F::kActivationBits + 1>(rows[t + 1][c]) << kProduct) + rows[t][c];
        const int_t<2 * kProduct> product = pair * key[c];
#pragma HLS bind_op variable=product op=mul impl=dsp
        const auto products = split_fields<2, kProduct>(product);
        sums[t] = int_t<ACC>(sums[t] + products[0]);
        sums[t + 1] = int_t<ACC>(sums[t + 1] + products[1]);
      }
    } else {
    Single_Unroll:
      for (int t = 0; t < LANES; ++t) {
#pragma HLS unroll
        if constexpr (KIND == pe_kind::lut) {
          const int_t<kProduct> product = rows[t][c] * key[c];
#pragma HLS bind_op variable=product op=mul impl=fabric
          sums[t] = int_t<ACC>(sums[t] + product);
        } else {
          const int_t<kProduct> product = rows[t][c] * key[c];
#pragma HLS bind_op variable=product op=mul impl=dsp
          sums[t] = int_t<ACC>(sums[t] + product);
        }
      }
    }
  }
#endif
  return sums;
}

template <class F, pe_kind KIND, attention_rows ROWS, int LANES, int CP, int KP, int GROUPS, int DH, int FACTOR_DEPTH,
          int QUERY_DEPTH, int KEY_DEPTH, int SCORE_DEPTH>
void attention_scores(fifo<lanes<real, 1>, FACTOR_DEPTH>& factors,
                      fifo<lanes<typename F::x_type, (ROWS == attention_rows::heads ? CP : LANES * CP)>, QUERY_DEPTH>& queries,
                      fifo<lanes<typename F::w_type, KP>, KEY_DEPTH>& keys, fifo<lanes<real, LANES>, SCORE_DEPTH>& scores,
                      key_range range, int units, int blocks) {
  static_assert(LANES >= 1 && KP >= 1 && GROUPS >= 1, "attention needs a query row, a key channel and a head");
  static_assert(DH % CP == 0, "the words of a query divide its head");
  static_assert(ROWS == attention_rows::tokens || GROUPS == 1, "heads that are rows leave no group for another loop");
  constexpr bool kRowsAreHeads = ROWS == attention_rows::heads;
  constexpr int kHeads = kRowsAreHeads ? LANES : GROUPS;
  constexpr int kChunks = ceil_div(DH, KP);
  // The memory of a channel of rows has two ports, so that a word of a query is stored in steps of 2 KP channels.
  constexpr int kSteps = ceil_div(CP, 2 * KP);
  constexpr int kStepChannels = kSteps == 1 ? CP : 2 * KP;
  constexpr int kAcc = F::accumulator_bits(DH);
  static_assert(kAcc <= 32, "the sum of a score has at most 32 bits");

  typename F::x_type rows[GROUPS * kChunks][LANES][KP];
#pragma HLS array_partition variable=rows complete dim=2
#pragma HLS array_partition variable=rows complete dim=3
  real factor[kHeads];
#pragma HLS array_partition variable=factor complete
  lanes<int_t<kAcc>, LANES> sums[GROUPS];
#pragma HLS array_partition variable=sums complete

  // Channels that pad the last word of a key meet zeros.
Clear:
  for (int i = 0; i < GROUPS * kChunks; ++i) {
  Clear_Unroll:
    for (int t = 0; t < LANES; ++t) {
#pragma HLS unroll
      for (int c = 0; c < KP; ++c) rows[i][t][c] = 0;
    }
  }

Block:
  for (int block = 0; block < blocks; ++block) {
  Unit:
    for (int unit = 0; unit < units; ++unit) {
    Factor_Pipeline:
      for (int g = 0; g < kHeads; ++g) {
#pragma HLS pipeline II=1
        factor[g] = factors.read()[0];
      }
      lanes<typename F::x_type, (kRowsAreHeads ? CP : LANES * CP)> word;
    Query_Pipeline:
      for (int i = 0; i < kHeads * (DH / CP) * kSteps; ++i) {
#pragma HLS pipeline II=1
        if (i % kSteps == 0) word = queries.read();
        const int head = i / (DH / CP * kSteps);
      Channel_Unroll:
        for (int s = 0; s < kStepChannels; ++s) {
#pragma HLS unroll
          const int c = i % kSteps * kStepChannels + s;
          if (c >= CP) continue;
          const int channel = i / kSteps % (DH / CP) * CP + c;
        Lane_Unroll:
          for (int t = 0; t < LANES; ++t) {
#pragma HLS unroll
            if constexpr (kRowsAreHeads) {
              if (t == head) rows[channel / KP][t][channel % KP] = word[c];
            } else {
              rows[head * kChunks + channel / KP][t][channel % KP] = word[t * CP + c];
            }
          }
        }
      }
      // One loop over keys, words of a key and heads: the pipeline never empties between keys.
      typename F::w_type key[KP];
#pragma HLS array_partition variable=key complete
      int chunk = 0;
      int g = 0;
    Step_Pipeline:
      for (int i = 0; i < range.of(block) * kChunks * GROUPS; ++i) {
#pragma HLS pipeline II=1
        if (g == 0) {
          const lanes<typename F::w_type, KP> word = keys.read();
        Key_Unroll:
          for (int c = 0; c < KP; ++c) {
#pragma HLS unroll
            key[c] = word[c];
          }
        }
        const auto part = dot_products<F, KIND, LANES, KP, kAcc>(rows[g * kChunks + chunk], key);
        lanes<real, LANES> score;
      Sum_Unroll:
        for (int t = 0; t < LANES; ++t) {
#pragma HLS unroll
          sums[g][t] = chunk == 0 ? part[t] : int_t<kAcc>(sums[g][t] + part[t]);
          score[t] = fp_mul(from_integer<real>(static_cast<int>(sums[g][t])), factor[kRowsAreHeads ? t : g]);
        }
        if (chunk == kChunks - 1) scores.write(score);
        const bool last_head = g + 1 == GROUPS;
        g = last_head ? 0 : g + 1;
        chunk = !last_head ? chunk : chunk + 1 == kChunks ? 0 : chunk + 1;
      }
    }
  }
}

}  // namespace flexdse_hls
