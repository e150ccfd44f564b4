// Purpose: what the HMT plug-in's cross-attention does between the passes of the engine: scores to weights, sums to the prompt vector.
//
// The engine (fp32_engine.hpp) gives q = W_q s, then the products of q with all keys, then the sums of the memories under
// the weights. `scale_scores` multiplies a product by 1 / sqrt(D); softmax.hpp makes unsigned weights of 16 bits, those of
// empty slots 0; `pack_weights` makes the engine's vector of them, and a last word with the reciprocal of their sum, which
// `normalise_prompt` multiplies with (numerics.md, "HMT").
//
// Template parameters: T channels or slots of a word. SLOTS of the queue are an argument of softmax.
// Streams, per retrieval: scale_scores, in SLOTS / T words, out a score at a time; pack_weights, in a weight at a time and
// their sum, out SLOTS / T words and one more; normalise_prompt, in that one and D / T words of sums, out D / T words.
// II 1. Latency: SLOTS; SLOTS + a quotient; D / T. Operators: one multiplier; one divider; T multipliers.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/fp32.hpp"
#include "flexdse_hls/ints.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/real.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

constexpr int kRetrievalBits = 16;

template <int T>
void scale_scores(stream<lanes<float, T>>& products, stream<lanes<real, 1>>& scores, float scale, int slots) {
  FLEXDSE_REQUIRE(slots % T == 0, "the slots are whole words of scores");
  lanes<float, T> word = {};
  int lane = 0;
Score_Pipeline:
  for (int slot = 0; slot < slots; ++slot) {
#pragma HLS pipeline II=1
    if (lane == 0) word = products.read();
    lanes<real, 1> score;
    score[0] = fp_mul(word[0], scale);
    scores.write(score);
  Shift_Unroll:
    for (int n = 0; n + 1 < T; ++n) {
#pragma HLS unroll
      word[n] = word[n + 1];
    }
    lane = lane + 1 == T ? 0 : lane + 1;
  }
}

template <int T>
void pack_weights(stream<lanes<uint_t<kRetrievalBits>, 1>>& weights, stream<lanes<float, 1>>& sums,
                  stream<lanes<float, T>>& packed, int slots) {
  FLEXDSE_REQUIRE(slots % T == 0, "the slots are whole words of weights");
  lanes<float, T> word = {};
  int lane = 0;
Weight_Pipeline:
  for (int slot = 0; slot < slots; ++slot) {
#pragma HLS pipeline II=1
    word[lane] = static_cast<float>(static_cast<int>(weights.read()[0]));
    if (lane == T - 1) packed.write(word);
    lane = lane + 1 == T ? 0 : lane + 1;
  }
  if (slots > 0) {
    lanes<float, T> last = {};
    last[0] = fp_div(1.0f, sums.read()[0]);
    packed.write(last);
  }
}

template <int T>
void normalise_prompt(stream<lanes<float, T>>& inverse, stream<lanes<float, T>>& sums, stream<lanes<float, T>>& prompt,
                      int words) {
  lanes<float, T> factor = {};
  if (words > 0) factor = inverse.read();
Word_Pipeline:
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    const lanes<float, T> sum = sums.read();
    lanes<float, T> scaled;
  Lane_Unroll:
    for (int n = 0; n < T; ++n) {
#pragma HLS unroll
      scaled[n] = fp_mul(sum[n], factor[0]);
    }
    prompt.write(scaled);
  }
}

}  // namespace flexdse_hls
