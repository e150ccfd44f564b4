// Purpose: the AV half of attention: the weighted sum of the values of one KV head for LANES query rows, made fp32.
//
// A unit of work is GROUPS query heads of one KV head, as in attention_scores.hpp: a word of values meets the heads of the
// unit in turn. out = fp32(sum of weight * value) * (value scale / fp32(sum of the weights)), numerics.md.
//
// Template parameters: F mac_format of softmax weight (unsigned) and value; KIND of processing element; ROWS
// (attention_rows.hpp), LANES of them; VP channels of a word of values; GROUPS; OUT channels of a word of results, of rows
// of heads; DH channels of a head; MAX_KEYS.
// Streams, per block and unit: in, the value scale; for each key, for each head, a word of LANES weights; afterwards GROUPS
// words of LANES sums of weights in fp32; keys.of(block) * ceil(DH / VP) words of values; out, the
// results (head, then channel): of tokens GROUPS * DH words of LANES, of heads LANES * DH / OUT words of OUT channels.
// II 1. Latency per unit: GROUPS * (keys * ceil(DH / VP) + 1) + words of results. Multipliers: LANES * VP; dsp2: half of that.
#pragma once

#include "flexdse_hls/attention_rows.hpp"
#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/real.hpp"
#include "flexdse_hls/key_range.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/pe.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

// Adds the products of a value word with one weight of each lane.
template <class F, pe_kind KIND, int LANES, int VP, int ACC>
void accumulate(int_t<ACC> (&sums)[LANES][VP], const lanes<typename F::x_type, LANES>& weight,
                const lanes<typename F::w_type, VP>& values, bool first) {
#pragma HLS inline
  static_assert(KIND != pe_kind::dsp4, "attention operands of 8 bits do not share a DSP four by four");
#ifdef FLEXDSE_FAST_CSIM
  for (int t = 0; t < LANES; ++t) {
    const int x = weight[t];
    for (int c = 0; c < VP; ++c) sums[t][c] = static_cast<int_t<ACC>>((first ? 0 : sums[t][c]) + x * values[c]);
  }
#else
  constexpr int kProduct = F::accumulator_bits(1);
Lane_Unroll:
  for (int t = 0; t < LANES; ++t) {
#pragma HLS unroll
    if constexpr (KIND == pe_kind::dsp2 && VP % 2 == 0) {
    Pair_Unroll:
      for (int c = 0; c < VP; c += 2) {
#pragma HLS unroll
        const auto pair = weight_pair<F, kProduct>::pack(values[c], values[c + 1]);
        const int_t<2 * kProduct> product = pair * weight[t];
#pragma HLS bind_op variable=product op=mul impl=dsp
        const auto products = split_fields<2, kProduct>(product);
        sums[t][c] = int_t<ACC>((first ? int_t<ACC>(0) : sums[t][c]) + products[0]);
        sums[t][c + 1] = int_t<ACC>((first ? int_t<ACC>(0) : sums[t][c + 1]) + products[1]);
      }
    } else {
    Channel_Unroll:
      for (int c = 0; c < VP; ++c) {
#pragma HLS unroll
        if constexpr (KIND == pe_kind::lut) {
          const int_t<kProduct> product = weight[t] * values[c];
#pragma HLS bind_op variable=product op=mul impl=fabric
          sums[t][c] = int_t<ACC>((first ? int_t<ACC>(0) : sums[t][c]) + product);
        } else {
          const int_t<kProduct> product = weight[t] * values[c];
#pragma HLS bind_op variable=product op=mul impl=dsp
          sums[t][c] = int_t<ACC>((first ? int_t<ACC>(0) : sums[t][c]) + product);
        }
      }
    }
  }
#endif
}

template <class F, pe_kind KIND, attention_rows ROWS, int LANES, int VP, int GROUPS, int OUT, int DH, int MAX_KEYS,
          int SCALE_DEPTH, int WEIGHT_DEPTH, int SUM_DEPTH, int VALUE_DEPTH, int OUT_DEPTH>
void attention_values(fifo<lanes<real, 1>, SCALE_DEPTH>& value_scales,
                      fifo<lanes<typename F::x_type, LANES>, WEIGHT_DEPTH>& weights,
                      fifo<lanes<float, LANES>, SUM_DEPTH>& weight_sums,
                      fifo<lanes<typename F::w_type, VP>, VALUE_DEPTH>& values,
                      fifo<lanes<real, (ROWS == attention_rows::heads ? OUT : LANES)>, OUT_DEPTH>& out, key_range range, int units, int blocks) {
  static_assert(LANES >= 1 && VP >= 1 && GROUPS >= 1, "attention needs a query row, a value channel and a head");
  static_assert(ROWS == attention_rows::tokens || GROUPS == 1, "heads that are rows leave no group for another loop");
  static_assert(ROWS == attention_rows::tokens || (VP % OUT == 0 && DH % OUT == 0),
                "the channels of a word of results divide a word of values and the head");
  constexpr int kChunks = ceil_div(DH, VP);
  constexpr int kAcc = F::accumulator_bits(MAX_KEYS);
  static_assert(kAcc <= 32, "the weighted sum of values has at most 32 bits: fewer keys or narrower operands");

  int_t<kAcc> sums[GROUPS * kChunks][LANES][VP];
#pragma HLS array_partition variable=sums complete dim=2
#pragma HLS array_partition variable=sums complete dim=3
  lanes<typename F::x_type, LANES> weight[GROUPS];
  lanes<real, LANES> factor[GROUPS];

Block:
  for (int block = 0; block < blocks; ++block) {
    FLEXDSE_REQUIRE(range.of(block) <= MAX_KEYS, "the accumulators hold the sums of at most MAX_KEYS keys");
  Unit:
    for (int unit = 0; unit < units; ++unit) {
      const float value_scale = to_fp32(value_scales.read()[0]);
      // One loop over keys, words of a value and heads: the pipeline never empties between keys.
      lanes<typename F::w_type, VP> word = {};
#pragma HLS array_partition variable=word.lane complete
      int chunk = 0;
      int g = 0;
    Step_Pipeline:
      for (int i = 0; i < range.of(block) * kChunks * GROUPS; ++i) {
#pragma HLS pipeline II=1
        if (g == 0) word = values.read();
        if (chunk == 0) weight[g] = weights.read();
        accumulate<F, KIND, LANES, VP, kAcc>(sums[g * kChunks + chunk], weight[g], word, i < kChunks * GROUPS);
        const bool last_head = g + 1 == GROUPS;
        g = last_head ? 0 : g + 1;
        chunk = !last_head ? chunk : chunk + 1 == kChunks ? 0 : chunk + 1;
      }
    Factor_Pipeline:
      for (int g = 0; g < GROUPS; ++g) {
#pragma HLS pipeline II=1
        const lanes<float, LANES> total = weight_sums.read();
      Factor_Unroll:
        for (int t = 0; t < LANES; ++t) {
#pragma HLS unroll
          factor[g][t] = rounded_to<real>(fp_div(value_scale, total[t]));
        }
      }
      if constexpr (ROWS == attention_rows::heads) {
      Head:
        for (int head = 0; head < LANES; ++head) {
        Head_Out_Pipeline:
          for (int i = 0; i < DH / OUT; ++i) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
            const int channel = i * OUT;
            lanes<real, OUT> y;
          Head_Out_Unroll:
            for (int c = 0; c < OUT; ++c) {
#pragma HLS unroll
              const int sum = static_cast<int>(sums[channel / VP][head][channel % VP + c]);
              y[c] = fp_mul(from_integer<real>(sum), factor[0][head]);
            }
            out.write(y);
          }
        }
      } else {
      Out_Pipeline:
        for (int i = 0; i < GROUPS * DH; ++i) {
#pragma HLS pipeline II=1
          const int g = i / DH;
          const int channel = i % DH;
          lanes<real, LANES> y;
        Out_Unroll:
          for (int t = 0; t < LANES; ++t) {
#pragma HLS unroll
            const int sum = static_cast<int>(sums[g * kChunks + channel / VP][t][channel % VP]);
            y[t] = fp_mul(from_integer<real>(sum), factor[g][t]);
          }
          out.write(y);
        }
      }
    }
  }
}

}  // namespace flexdse_hls
