// Scores, softmax and values together, on cases whose scores, weights and results the golden reference computed: prefill in
// blocks of tokens, with and without the keys that the mask hides, and decode, a token at a time.
#include <string>
#include <vector>

#include "cases.hpp"
#include "flexdse_hls/attention_scores.hpp"
#include "flexdse_hls/attention_softmax.hpp"
#include "flexdse_hls/attention_values.hpp"

using namespace flexdse_hls;

constexpr int kHeadDim = 16;
constexpr int kMaxKeys = 32;
constexpr int kDepth = 2;

// What stands in a case: q (query heads, tokens, channels), k and v (KV heads, tokens, channels), and so on.
struct heads_of_case {
  const test_case& c;
  int tokens;
  int query_heads;
  int kv_heads;

  explicit heads_of_case(const test_case& from)
      : c(from), tokens(from.size("q", 1)), query_heads(from.size("q", 0)), kv_heads(from.size("k", 0)) {}

  int integer(const char* name, int head, int token, int channel) const {
    return static_cast<int>(c.words(name)[(head * tokens + token) * kHeadDim + channel]);
  }
};

// `keys` words of one KV head, CHUNK channels each, zeros beyond the head.
template <class T, int CHUNK>
void push_cache(std::vector<lanes<T, CHUNK>>& words, const heads_of_case& heads, const char* name, int head, int keys) {
  for (int key = 0; key < keys; ++key) {
    for (int chunk = 0; chunk < ceil_div(kHeadDim, CHUNK); ++chunk) {
      lanes<T, CHUNK> word;
      for (int i = 0; i < CHUNK; ++i) {
        const int channel = chunk * CHUNK + i;
        word[i] = static_cast<T>(channel < kHeadDim ? heads.integer(name, head, key, channel) : 0);
      }
      words.push_back(word);
    }
  }
}

// Rows of tokens: LANES tokens a block from `first_token` on. Rows of heads: `first_token` for LANES heads at a time. CP
// channels of a query word, KP of a key word, VP of a value word, OUT of a word of results of heads.
template <pe_kind KIND, attention_rows ROWS, int LANES, int CP, int KP, int VP, int GROUPS, int OUT = 1>
void attention_of(const test_case& c, int first_token, int blocks, key_range range) {
  using qk = mac_format<symmetry::symmetric, 8, 8>;
  using av = mac_format<symmetry::asymmetric, 8, 8>;
  const heads_of_case heads(c);
  constexpr bool kRowsAreHeads = ROWS == attention_rows::heads;
  constexpr int kHeads = kRowsAreHeads ? LANES : GROUPS;  // of a unit
  constexpr int kQueryLanes = kRowsAreHeads ? CP : LANES * CP;
  constexpr int kOutLanes = kRowsAreHeads ? OUT : LANES;
  const int group = heads.query_heads / heads.kv_heads;
  const int units = heads.query_heads / kHeads;
  // Of lane t of block `block`, where a word is of head `head` of a unit.
  const auto token_of = [&](int block, int t) { return kRowsAreHeads ? first_token : first_token + block * LANES + t; };
  const auto head_of = [&](int unit, int head, int t) { return unit * kHeads + (kRowsAreHeads ? t : head); };
  std::vector<lanes<float, 1>> factors;
  std::vector<lanes<float, 1>> value_scales;
  std::vector<lanes<qk::x_type, kQueryLanes>> queries;
  std::vector<lanes<qk::w_type, KP>> keys;
  std::vector<lanes<av::w_type, VP>> values;
  std::size_t score_words = 0;
  for (int block = 0; block < blocks; ++block) {
    for (int unit = 0; unit < units; ++unit) {
      const int kv_head = unit * kHeads / group;
      for (int g = 0; g < kHeads; ++g) {
        const int head = unit * kHeads + g;
        factors.push_back({{float_of(c.words("score_factor")[head])}});
        for (int i = 0; i < kHeadDim / CP; ++i) {
          lanes<qk::x_type, kQueryLanes> word;
          for (int lane = 0; lane < kQueryLanes; ++lane) {
            const int token = token_of(block, lane / CP);
            word[lane] = static_cast<qk::x_type>(heads.integer("q", head, token, i * CP + lane % CP));
          }
          queries.push_back(word);
        }
      }
      value_scales.push_back({{float_of(c.words("v_scale")[kv_head])}});
      push_cache<qk::w_type, KP>(keys, heads, "k", kv_head, range.of(block));
      push_cache<av::w_type, VP>(values, heads, "v", kv_head, range.of(block));
      score_words += range.of(block) * GROUPS;
    }
  }
  fifo<lanes<float, 1>, kDepth> factor_in("test.factors");
  fifo<lanes<float, 1>, kDepth> value_scale_in("test.value_scales");
  fifo<lanes<qk::x_type, kQueryLanes>, kDepth> query_in("test.queries");
  fifo<lanes<qk::w_type, KP>, kDepth> key_in("test.keys");
  fifo<lanes<av::w_type, VP>, kDepth> value_in("test.values");
  fifo<lanes<float, LANES>, kDepth> scores("test.scores");
  fifo<lanes<float, LANES>, kDepth> seen("test.seen");
  fifo<lanes<uint_t<8>, LANES>, kDepth> weights("test.weights");
  fifo<lanes<uint_t<8>, LANES>, kDepth> seen_weights("test.seen_weights");
  fifo<lanes<float, LANES>, GROUPS> sums("test.sums");
  fifo<lanes<float, kOutLanes>, kDepth> out("test.out");
  std::vector<lanes<float, LANES>> all_scores;
  std::vector<lanes<uint_t<8>, LANES>> all_weights;
  std::vector<lanes<float, kOutLanes>> y;
  const auto watch_scores = [&] {
    for (std::size_t i = 0; i < score_words; ++i) {
      all_scores.push_back(scores.read());
      seen.write(all_scores.back());
    }
  };
  const auto watch_weights = [&] {
    for (std::size_t i = 0; i < score_words; ++i) {
      all_weights.push_back(weights.read());
      seen_weights.write(all_weights.back());
    }
  };
  const auto score = [&] {
    attention_scores<qk, KIND, ROWS, LANES, CP, KP, GROUPS, kHeadDim>(factor_in, query_in, key_in, scores, range, units, blocks);
  };
  const auto normalise = [&] {
    if constexpr (kRowsAreHeads) {
      softmax<ROWS, LANES, GROUPS, 8, kMaxKeys>(seen, weights, sums, range.first, first_token, units);
    } else {
      attention_softmax<LANES, GROUPS, 8, kMaxKeys>(seen, weights, sums, range, first_token, units, blocks);
    }
  };
  const auto mix = [&] {
    attention_values<av, KIND, ROWS, LANES, VP, GROUPS, OUT, kHeadDim, kMaxKeys>(value_scale_in, seen_weights, sums, value_in,
                                                                                 out, range, units, blocks);
  };
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(factor_in, factors));
  FLEXDSE_PROCESS(send(query_in, queries));
  FLEXDSE_PROCESS(send(key_in, keys));
  FLEXDSE_PROCESS(send(value_scale_in, value_scales));
  FLEXDSE_PROCESS(send(value_in, values));
  FLEXDSE_PROCESS(score());
  FLEXDSE_PROCESS(watch_scores());
  FLEXDSE_PROCESS(normalise());
  FLEXDSE_PROCESS(watch_weights());
  FLEXDSE_PROCESS(mix());
  FLEXDSE_PROCESS(collect(out, y, static_cast<std::size_t>(blocks) * units * GROUPS * kHeadDim * LANES / kOutLanes));
  FLEXDSE_DATAFLOW_END;

  std::size_t word = 0;
  for (int block = 0; block < blocks; ++block) {
    for (int unit = 0; unit < units; ++unit) {
      for (int key = 0; key < range.of(block); ++key) {
        for (int g = 0; g < GROUPS; ++g, ++word) {
          for (int t = 0; t < LANES; ++t) {
            const int token = token_of(block, t);
            const int head = head_of(unit, g, t);
            const std::size_t at = static_cast<std::size_t>(head * heads.tokens + token) * heads.tokens + key;
            const std::uint32_t weight = static_cast<std::uint32_t>(static_cast<int>(all_weights[word][t]));
            equal(c, "weight", at, weight, c.words("weights")[at]);
            if (key <= token) equal(c, "score", at, bits_of(all_scores[word][t]), c.words("scores")[at]);
          }
        }
      }
      for (int i = 0; i < GROUPS * kHeadDim; ++i) {
        for (int t = 0; t < LANES; ++t) {
          const int token = token_of(block, t);
          const int head = head_of(unit, i / kHeadDim, t);
          const std::size_t at = static_cast<std::size_t>(head * heads.tokens + token) * kHeadDim + i % kHeadDim;
          const std::size_t first = (static_cast<std::size_t>(block) * units + unit) * GROUPS * kHeadDim;
          const float got = kRowsAreHeads ? y[(first * LANES + t * kHeadDim + i) / OUT][i % OUT] : y[first + i][t];
          equal(c, "output", at, bits_of(got), c.words("output")[at]);
        }
      }
    }
  }
}

void run(const test_case& c) {
  const int tokens = c.size("q", 1);
  const bool grouped = c.size("q", 0) == 2 * c.size("k", 0);
  constexpr attention_rows kTokens = attention_rows::tokens;
  constexpr attention_rows kHeads = attention_rows::heads;
  if (grouped) {
    attention_of<pe_kind::dsp2, kTokens, 2, 1, 4, 8, 2>(c, 0, tokens / 2, {2, 2});       // prefill, only the keys of each block
    attention_of<pe_kind::dsp1, kTokens, 3, 1, 6, 5, 2>(c, 0, tokens / 3, {tokens, 0});  // all keys, chunks that do not divide
    for (int token = 0; token < tokens; ++token) {
      attention_of<pe_kind::dsp2, kHeads, 2, 4, 16, 4, 1, 2>(c, token, 1, {token + 1, 0});  // a group on one read
      attention_of<pe_kind::lut, kHeads, 2, 2, 6, 16, 1, 8>(c, token, 1, {token + 1, 0});
    }
  }
  for (int token = 0; token < tokens; ++token) {
    attention_of<pe_kind::dsp2, kHeads, 1, 16, 3, 8, 1, 8>(c, token, 1, {token + 1, 0});  // a query word in three steps
  }
  attention_of<pe_kind::lut, kTokens, 2, 8, 2, 2, 1>(c, 0, tokens / 2, {2, 2});  // a key read for every query head
}

int main(int argc, char** argv) { return run_cases("attention", argc, argv, run); }
