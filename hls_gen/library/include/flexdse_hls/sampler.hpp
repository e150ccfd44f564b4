// Purpose: the choice of the next token from the logits: greedy, or top-k with temperature (numerics.md, "Sampling").
//
// The K largest logits are kept sorted while they arrive; of equal ones the lower index comes first. Weights are
// trunc(exp((logit - largest) / temperature) * 2^30); the token is the first one whose cumulated weight exceeds
// (random word * sum of weights) >> 32. With top_k 1 that is the largest logit, whatever the random word.
// Template parameters: CP logits of a word; LISTS of candidates, each of which takes a logit a cycle; MAX_K candidates.
// Streams: in, `words` words of CP logits in vocabulary order, lanes from `vocabulary` on are padding and ignored; out, one
// token id.
// II 1 per LISTS logits: an insertion is MAX_K comparisons of integers (fp32.hpp) side by side. Latency: words * CP / LISTS,
// then (LISTS - 1) * MAX_K to merge the lists, 2 * top_k to choose, and depths.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/exp.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

struct sampling_options {
  int top_k;
  float inverse_temperature;
};

// Marsaglia's generator of 32-bit words: the next state, which is the random word of the next token. Not 0.
inline std::uint32_t xorshift32(std::uint32_t state) {
#pragma HLS inline
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state;
}

// The largest logits so far, largest first.
template <int MAX_K>
struct candidate_list {
  real_key keys[MAX_K];
  int tokens[MAX_K];

  candidate_list() {
#pragma HLS array_partition variable=keys complete
#pragma HLS array_partition variable=tokens complete
  Clear_Unroll:
    for (int i = 0; i < MAX_K; ++i) {
#pragma HLS unroll
      keys[i] = 0;  // below every finite value
      tokens[i] = 0;
    }
  }

  // Of equal keys the one that is there stays before; a merge also asks which token comes first.
  template <bool MERGES = false>
  void insert(real_key key, int token) {
#pragma HLS inline
    const auto beats = [&](int i) { return key > keys[i] || (MERGES && key == keys[i] && token < tokens[i]); };
  Place_Unroll:
    for (int i = MAX_K - 1; i >= 0; --i) {
#pragma HLS unroll
      const bool beats_this = beats(i);
      const bool beats_previous = i > 0 && beats(i > 0 ? i - 1 : 0);
      if (beats_previous) {
        keys[i] = keys[i > 0 ? i - 1 : 0];
        tokens[i] = tokens[i > 0 ? i - 1 : 0];
      } else if (beats_this) {
        keys[i] = key;
        tokens[i] = token;
      }
    }
  }
};

template <int CP, int LISTS, int MAX_K>
void sample(stream<lanes<real, CP>>& logits, stream<int>& token, const sampling_options& options,
            std::uint32_t random_word, int vocabulary, int words) {
  static_assert(CP >= 1, "sample needs at least one logit a word");
  static_assert(LISTS >= 1 && CP % LISTS == 0, "the lists of candidates share out the logits of a word evenly");
  static_assert(MAX_K >= 1 && MAX_K <= 256, "sample keeps 1 to 256 candidates");
  FLEXDSE_REQUIRE(words == 0 || (options.top_k >= 1 && options.top_k <= MAX_K && options.top_k <= vocabulary),
                  "top_k must be 1 to MAX_K and at most the vocabulary");
  FLEXDSE_REQUIRE(words == 0 || vocabulary <= words * CP, "the words must hold the vocabulary");

  if (words == 0) return;
  candidate_list<MAX_K> lists[LISTS];
#pragma HLS array_partition variable=lists complete
  lanes<real, CP> word;
#pragma HLS array_partition variable=word.lane complete
Logit_Pipeline:
  for (int i = 0; i < words * CP; i += LISTS) {
#pragma HLS pipeline II=1
    if (i % CP == 0) word = logits.read();
  List_Unroll:
    for (int l = 0; l < LISTS; ++l) {
#pragma HLS unroll
      if (i + l < vocabulary) lists[l].insert(ordered_key(canonical(word[i % CP + l])), i + l);
    }
  }
  candidate_list<MAX_K>& candidates = lists[0];
List:
  for (int l = 1; l < LISTS; ++l) {
  Merge_Pipeline:
    for (int k = 0; k < MAX_K; ++k) {
#pragma HLS pipeline II=1
      candidates.template insert<true>(lists[l].keys[k], lists[l].tokens[k]);
    }
  }

  std::uint32_t weights[MAX_K];
  std::uint64_t total = 0;
  const float largest = to_fp32(from_ordered_key(candidates.keys[0]));
Weight_Pipeline:
  for (int i = 0; i < options.top_k; ++i) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_K
    const float distance = fp_sub(to_fp32(from_ordered_key(candidates.keys[i])), largest);
    const float weight = fp_exp(fp_mul(distance, options.inverse_temperature));
    weights[i] = static_cast<std::uint32_t>(fp_mul(weight, 1073741824.0f));  // 2^30, cut off
    total += weights[i];
  }
  // random * total >> 32 in two halves: the total has up to 38 bits.
  const std::uint64_t threshold = random_word * (total >> 32) + ((random_word * (total & 0xffffffffu)) >> 32);
  std::uint64_t cumulated = 0;
  int chosen = candidates.tokens[0];
  bool found = false;
Choose_Pipeline:
  for (int i = 0; i < options.top_k; ++i) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_K
    cumulated += weights[i];
    if (!found && cumulated > threshold) {
      chosen = candidates.tokens[i];
      found = true;
    }
  }
  token.write(chosen);
}

}  // namespace flexdse_hls
