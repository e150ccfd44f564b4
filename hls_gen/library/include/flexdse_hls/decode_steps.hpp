// Purpose: the steps of a decoded token and, for each, how much every module of the datapath has to do.
//
// Order: embed; per layer qkv, attend, gate_up, down; head. A module without a part in a step has a count of 0. Counts are
// made here, outside of the dataflow region, which holds nothing but calls.
//
// Template parameters: HEAD_LANES of attention; Shape, a struct with the constants of the design (config.hpp).
#pragma once

#include <cstdint>

#include "flexdse_hls/d_in_parts.hpp"
#include "flexdse_hls/ints.hpp"
#include "flexdse_hls/key_range.hpp"

namespace flexdse_hls {

enum class decode_kind { embed, qkv, attend, gate_up, down, head };

template <int HEAD_LANES>
struct decode_step_of {
  decode_kind kind;
  int layer;
  int position;
  int token;
  // Engine: one vector, or none; d_in of a part of the input channels (d_in_parts.hpp).
  int source, sink;
  int engine_vectors, engine_in_words, engine_out_words, d_in, d_out;
  int weight_word, scale_word, gamma_word;
  // Sources.
  int embed_channels, norm_vectors, norm_channels, query_channels, hidden_channels, transform_vectors;
  int residual_vectors, residual_channels;
  // Attention.
  key_range keys;
  int query_heads, kv_reads, attention_units;
  int lane_heads[HEAD_LANES], lane_units[HEAD_LANES], lane_fresh_heads[HEAD_LANES];
  int k_word[HEAD_LANES], v_word[HEAD_LANES];
  // Sinks.
  int qkv_channels, query_out_channels, newest_out_channels, newest_in_channels, qkv_words, rope_vectors, rope_heads, kv_heads, ffn_words, hidden_out_channels,
      head_vectors;
  // Sampling.
  int vocab, top_k;
  float inverse_temperature;
  std::uint32_t random_word;
};

constexpr int kStepsOfLayer = 4;

inline int decode_steps_of_token(int layers) {
#pragma HLS inline
  return 2 + kStepsOfLayer * layers;
}

// Output channels of lm_head in whole words of the groups.
template <class Shape>
int head_channels(int vocab) {
#pragma HLS inline
  return ceil_div(vocab, Shape::kBlocks) * Shape::kBlocks;
}

template <class Shape>
decode_step_of<Shape::kHeadLanes> make_step(int number, int layers, int position, int token, int vocab, int top_k,
                                            float inverse_temperature, std::uint32_t random_word) {
  decode_step_of<Shape::kHeadLanes> step = {};
  const bool last = number == 1 + kStepsOfLayer * layers;
  step.layer = last ? layers : number == 0 ? 0 : (number - 1) / kStepsOfLayer;
  step.kind = number == 0 ? decode_kind::embed
              : last      ? decode_kind::head
                          : static_cast<decode_kind>(1 + (number - 1) % kStepsOfLayer);
  step.position = position;
  step.token = token;
  step.keys = {position + 1, 0};
  step.vocab = vocab;
  step.top_k = top_k;
  step.inverse_temperature = inverse_temperature;
  step.random_word = random_word;

  const bool qkv = step.kind == decode_kind::qkv;
  const bool attend = step.kind == decode_kind::attend;
  const bool gate_up = step.kind == decode_kind::gate_up;
  const bool down = step.kind == decode_kind::down;
  const bool head = step.kind == decode_kind::head;
  const int logits = head_channels<Shape>(vocab);

  step.engine_vectors = number == 0 ? 0 : 1;
  step.source = attend ? 1 : down ? 2 : 0;
  step.sink = qkv ? 0 : attend || down ? 1 : gate_up ? 2 : 3;
  const int d_in = number == 0 ? 0 : attend ? Shape::kQDim : down ? Shape::kFfn : Shape::kHidden;
  step.d_in = d_in / d_in_parts_of<Shape>::kParts;
  step.d_out = qkv ? Shape::kQkvChannels : gate_up ? 2 * Shape::kFfn : attend || down ? Shape::kHidden : head ? logits : 0;
  step.engine_in_words = d_in / Shape::kBlocks;
  step.engine_out_words = step.d_out / Shape::kBlocks;

  const int weights_before = qkv ? 0 : attend ? Shape::kOWeightWord : gate_up ? Shape::kGateUpWeightWord : down ? Shape::kDownWeightWord : 0;
  const int scales_before = qkv ? 0 : attend ? Shape::kOScaleWord : gate_up ? Shape::kGateUpScaleWord : down ? Shape::kDownScaleWord : 0;
  step.weight_word = step.layer * Shape::kLayerWeightWords + weights_before;
  step.scale_word = step.layer * Shape::kLayerScaleWords + scales_before;
  step.gamma_word = gate_up ? Shape::kSecondGammaWord : 0;

  step.embed_channels = number == 0 ? Shape::kHidden : 0;
  step.norm_vectors = qkv || gate_up || head ? 1 : 0;
  step.norm_channels = step.norm_vectors * Shape::kHidden;
  step.query_channels = attend ? Shape::kQDim : 0;
  step.hidden_channels = down ? Shape::kFfn : 0;
  step.transform_vectors = gate_up ? Shape::kTransforms : 0;
  step.residual_vectors = attend || down ? 1 : 0;
  step.residual_channels = step.residual_vectors * Shape::kHidden;

  step.query_heads = attend ? Shape::kQHeads : 0;
  step.kv_reads = attend ? Shape::kKvHeads : 0;
  step.attention_units = step.kv_reads * Shape::kUnitsOfKvHead;
  step.rope_vectors = qkv ? 1 : 0;
  step.rope_heads = qkv ? Shape::kKvHeads + Shape::kQHeads : 0;
  step.kv_heads = qkv ? Shape::kKvHeads : 0;
  step.qkv_channels = qkv ? Shape::kQDim + 2 * Shape::kKvDim : 0;
  step.query_out_channels = qkv ? Shape::kQDim : 0;
  step.newest_out_channels = qkv ? Shape::kKvDim : 0;
  step.newest_in_channels = attend ? Shape::kKvDim : 0;
  step.qkv_words = qkv ? Shape::kQkvChannels / Shape::kBlocks : 0;
  step.ffn_words = gate_up ? Shape::kFfn / Shape::kBlocks : 0;
  step.hidden_out_channels = gate_up ? Shape::kFfn : 0;
  step.head_vectors = head ? 1 : 0;

  // Behind the weights, where a port carries both.
  const int cache = Shape::kCacheBehindWeights
                        ? layers * Shape::kLayerWeightWords + ceil_div(logits, Shape::kSubChannels) *
                                                                  (Shape::kHidden / d_in_parts_of<Shape>::kParts)
                        : 0;
Lane_Unroll:
  for (int m = 0; m < Shape::kHeadLanes; ++m) {
#pragma HLS unroll
    const int heads = (Shape::kKvHeads - m + Shape::kHeadLanes - 1) / Shape::kHeadLanes;
    step.lane_heads[m] = attend ? heads : 0;
    step.lane_units[m] = step.lane_heads[m] * Shape::kUnitsOfKvHead;
    step.lane_fresh_heads[m] = qkv ? heads : 0;
    step.k_word[m] = cache + step.layer * Shape::kLaneHeads * Shape::kKeyWordsOfHead;
    step.v_word[m] = cache + step.layer * Shape::kLaneHeads * Shape::kValueWordsOfHead;
  }
  return step;
}

}  // namespace flexdse_hls
