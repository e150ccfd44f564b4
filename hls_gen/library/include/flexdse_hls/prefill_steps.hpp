// Purpose: the two steps of a prefill layer and, for each, how much every module of the datapath has to do.
//
// Step `kv` makes the keys and values of all token blocks, step `main` everything else. A module without a part in a step
// has a count of 0. Counts are made here, outside of the dataflow region, which holds nothing but calls.
//
// Template parameter Shape: a struct with the constants of the design (config.hpp).
#pragma once

#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/ints.hpp"
#include "flexdse_hls/key_range.hpp"
#include "flexdse_hls/rope.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

struct prefill_step {
  int layer;
  int phase;  // 0: kv, 1: main
  // Vectors of a kind are blocks; words of TP tokens.
  int blocks, x_words, key_blocks, main_blocks, main_x_words, key_x_words;
  // Engines kq and vo do other layers in each step.
  int kq_d_out, kq_heads, kq_norms, kq_words, kq_weight_word, kq_scale_word;
  int vo_d_in, vo_d_out, vo_in_words, vo_words, vo_weight_word, vo_scale_word;
  int gate_weight_word, gate_scale_word, up_weight_word, up_scale_word, down_weight_word, down_scale_word;
  key_range keys;
  int fresh_heads, query_heads, units;
  int k_word, v_word, parameter_word;
  int transforms;
};

constexpr int kStepsOfPrefillLayer = 2;

template <class Shape>
prefill_step make_prefill_step(int number, int tokens) {
  prefill_step step = {};
  const bool main = number % kStepsOfPrefillLayer == 1;
  step.layer = number / kStepsOfPrefillLayer;
  step.phase = main ? 1 : 0;
  step.blocks = ceil_div(tokens, Shape::kTokens);
  step.key_blocks = main ? 0 : step.blocks;
  step.main_blocks = main ? step.blocks : 0;
  step.x_words = step.blocks * Shape::kHidden;
  step.main_x_words = step.main_blocks * Shape::kHidden;
  step.key_x_words = step.key_blocks * Shape::kHidden;
  step.kq_d_out = main ? Shape::kQDim : Shape::kKvDim;
  step.kq_heads = main ? Shape::kQHeads : Shape::kKvHeads;
  step.kq_norms = step.blocks * step.kq_heads;
  step.kq_words = step.blocks * step.kq_d_out;
  step.kq_weight_word = step.layer * Shape::kKqLayerWeightWords + (main ? Shape::kQWeightWord : 0);
  step.kq_scale_word = step.layer * Shape::kKqLayerScaleWords + (main ? Shape::kQScaleWord : 0);
  step.vo_d_in = main ? Shape::kQDim : Shape::kHidden;
  step.vo_d_out = main ? Shape::kHidden : Shape::kKvDim;
  step.vo_in_words = step.blocks * step.vo_d_in;
  step.vo_words = step.blocks * step.vo_d_out;
  step.vo_weight_word = step.layer * Shape::kVoLayerWeightWords + (main ? Shape::kOWeightWord : 0);
  step.vo_scale_word = step.layer * Shape::kVoLayerScaleWords + (main ? Shape::kOScaleWord : 0);
  step.gate_weight_word = step.layer * Shape::kGateLayerWeightWords;
  step.gate_scale_word = step.layer * Shape::kGateLayerScaleWords;
  step.up_weight_word = step.layer * Shape::kUpLayerWeightWords;
  step.up_scale_word = step.layer * Shape::kUpLayerScaleWords;
  step.down_weight_word = step.layer * Shape::kDownLayerWeightWords;
  step.down_scale_word = step.layer * Shape::kDownLayerScaleWords;
  step.keys = {Shape::kSkipsMasked ? Shape::kTokens : step.blocks * Shape::kTokens, Shape::kSkipsMasked ? Shape::kTokens : 0};
  step.fresh_heads = step.key_blocks * Shape::kKvHeads;
  step.query_heads = step.main_blocks * Shape::kQHeads;
  step.units = main ? Shape::kKvHeads * Shape::kUnitsOfKvHead : 0;
  step.k_word = step.layer * Shape::kKeyLayerWords;
  step.v_word = step.layer * Shape::kValueLayerWords;
  step.parameter_word = Shape::kFirstLayerWord + step.layer * Shape::kLayerParameterWords;
  step.transforms = step.main_blocks * Shape::kTransforms;
  return step;
}

// RoPE rows of the TP tokens of each block: in memory a row for each position, cosine and sine of a channel side by side.
template <int TP, int DH, int BITS>
void read_rope_blocks(const hbm_word<BITS>* memory, stream<rope_word<TP>>& rows, int row_words, int blocks) {
  constexpr int kPort = BITS / 32;
  lanes<real, DH> table[TP];
#pragma HLS array_partition variable=table complete dim=1
Block:
  for (int block = 0; block < blocks; ++block) {
  Token:
    for (int t = 0; t < TP; ++t) {
      hbm_word<BITS> word = {};
    Value_Pipeline:
      for (int i = 0; i < DH; ++i) {
#pragma HLS pipeline II=1
        if (i % kPort == 0) word = memory[(block * TP + t) * row_words + i / kPort];
        table[t][i] = real_of(word, i % kPort);
      }
    }
  Row_Pipeline:
    for (int i = 0; i < DH / 2; ++i) {
#pragma HLS pipeline II=1
      rope_word<TP> row;
    Token_Unroll:
      for (int t = 0; t < TP; ++t) {
#pragma HLS unroll
        row.cos[t] = table[t][2 * i];
        row.sin[t] = table[t][2 * i + 1];
      }
      rows.write(row);
    }
  }
}

}  // namespace flexdse_hls
