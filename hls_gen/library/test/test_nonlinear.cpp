// The non-linear headers on cases from a file: shared vectors, or a sweep whose values the golden reference computed.
// Each case runs through every width of the modules that it fits, over FIFOs of the least depth.
#include <string>
#include <vector>

#include "cases.hpp"
#include "flexdse_hls/add_bias.hpp"
#include "flexdse_hls/dequantized_channel.hpp"
#include "flexdse_hls/exact_sum.hpp"
#include "flexdse_hls/exp.hpp"
#include "flexdse_hls/hadamard.hpp"
#include "flexdse_hls/quantize_dynamic.hpp"
#include "flexdse_hls/quantize_static.hpp"
#include "flexdse_hls/rms_norm.hpp"
#include "flexdse_hls/rope.hpp"
#include "flexdse_hls/rsqrt.hpp"
#include "flexdse_hls/sampler.hpp"
#include "flexdse_hls/softmax.hpp"
#include "flexdse_hls/swiglu.hpp"

using namespace flexdse_hls;

// Token `token` modulo the tokens that there are: a block is filled with further copies.
template <int TP, int CP>
std::vector<lanes<real, TP * CP>> as_blocks(const std::vector<std::uint32_t>& x, int tokens, int d, int blocks) {
  std::vector<lanes<real, TP * CP>> words;
  for (int block = 0; block < blocks; ++block) {
    for (int w = 0; w < d / CP; ++w) {
      lanes<real, TP * CP> word;
      for (int i = 0; i < TP * CP; ++i) {
        const int token = (block * TP + i / CP) % tokens;
        word[i] = from_memory<real>(x[static_cast<std::size_t>(token) * d + w * CP + i % CP]);
      }
      words.push_back(word);
    }
  }
  return words;
}

template <int CP>
std::vector<lanes<real, CP>> as_parameters(const std::vector<std::uint32_t>& values, int times) {
  std::vector<lanes<real, CP>> words;
  for (int i = 0; i < times; ++i) {
    for (const auto& word : as_blocks<1, CP>(values, 1, static_cast<int>(values.size()), 1)) words.push_back(word);
  }
  return words;
}

template <int TP, int CP>
void equal_blocks(const test_case& c, const char* form, const std::vector<lanes<real, TP * CP>>& got,
                  const std::vector<std::uint32_t>& expected, int tokens, int d) {
  for (std::size_t w = 0; w < got.size(); ++w) {
    const int block = static_cast<int>(w) / (d / CP);
    for (int i = 0; i < TP * CP; ++i) {
      const int token = (block * TP + i / CP) % tokens;
      const std::size_t at = static_cast<std::size_t>(token) * d + w % (d / CP) * CP + i % CP;
      equal(c, form, at, bits_of(got[w][i]), expected[at]);
    }
  }
}

constexpr int kMaxChannels = 256;

template <int TP, int CP>
void rms_norm_of(const test_case& c) {
  const int tokens = c.size("x", 0);
  const int d = c.size("x", 1);
  if (d % CP != 0) return;
  const int blocks = ceil_div(tokens, TP);
  const int words = d / CP;
  const auto x = as_blocks<TP, CP>(c.words("x"), tokens, d, blocks);
  const auto weights = as_parameters<CP>(c.words("gamma"), blocks);
  fifo<lanes<real, TP * CP>, 1> in("in");
  fifo<lanes<real, CP>, 1> gamma("gamma");
  fifo<lanes<real, TP * CP>, 1> out("out");
  std::vector<lanes<real, TP * CP>> y;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(in, x));
  FLEXDSE_PROCESS(send(gamma, weights));
  FLEXDSE_PROCESS(rms_norm<TP, CP, kMaxChannels / CP>(in, gamma, out, c.real("epsilon"), words, blocks));
  FLEXDSE_PROCESS(collect(out, y, x.size()));
  FLEXDSE_DATAFLOW_END;
  equal_blocks<TP, CP>(c, "rms_norm", y, c.words("y"), tokens, d);
}

// LANES = TP * CP; head_dim is known at compile time.
template <int TP, int CP, int HEAD_DIM>
void rope_of(const test_case& c) {
  const int tokens = c.size("x", 0);
  const int heads = c.size("x", 1);
  if (c.size("x", 2) != HEAD_DIM) return;
  constexpr int kHalfWords = HEAD_DIM / 2 / CP;
  const int d = heads * HEAD_DIM;
  const int blocks = ceil_div(tokens, TP);
  const auto x = as_blocks<TP, CP>(c.words("x"), tokens, d, blocks);
  const auto cos = as_blocks<TP, CP>(c.words("cos"), tokens, HEAD_DIM / 2, blocks);
  const auto sin = as_blocks<TP, CP>(c.words("sin"), tokens, HEAD_DIM / 2, blocks);
  std::vector<rope_word<TP * CP>> rows;
  for (std::size_t i = 0; i < cos.size(); ++i) rows.push_back({cos[i], sin[i]});
  fifo<lanes<real, TP * CP>, 1> in("in");
  fifo<rope_word<TP * CP>, 1> table("table");
  fifo<lanes<real, TP * CP>, 1> out("out");
  std::vector<lanes<real, TP * CP>> y;
  auto turn = &rope<TP * CP, kHalfWords>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(in, x));
  FLEXDSE_PROCESS(send(table, rows));
  FLEXDSE_PROCESS(turn(in, table, out, heads, blocks));
  FLEXDSE_PROCESS(collect(out, y, x.size()));
  FLEXDSE_DATAFLOW_END;
  equal_blocks<TP, CP>(c, "rope", y, c.words("y"), tokens, d);
}

template <int ROWS, int GROUPS, int P_BITS, bool PIPELINED = false>
void softmax_of(const test_case& c) {
  const int heads = c.size("scores", 0);
  const int rows = c.size("scores", 1);
  const int keys = c.size("scores", 2);
  if (c.integer("bits") != P_BITS || rows != ROWS || heads != GROUPS) return;
  const auto& from = c.words("scores");
  const int units = 2;
  std::vector<lanes<real, ROWS>> x;
  for (int i = 0; i < units * keys * heads; ++i) {
    lanes<real, ROWS> word;
    for (int t = 0; t < ROWS; ++t) word[t] = from_memory<real>(from[(i % heads * rows + t) * keys + i / heads % keys]);
    x.push_back(word);
  }
  fifo<lanes<real, ROWS>, 1> scores("scores");
  fifo<lanes<uint_t<P_BITS>, ROWS>, 1> weights("weights");
  fifo<lanes<float, ROWS>, 1> sums("sums");
  fifo<lanes<real, ROWS>, 64 * GROUPS> held("held");
  fifo<lanes<real, ROWS>, GROUPS> maxima("maxima");
  std::vector<lanes<uint_t<P_BITS>, ROWS>> got;
  std::vector<lanes<float, ROWS>> got_sums;
  const int first = c.integer("first_position");
  auto normalise = &softmax<attention_rows::tokens, ROWS, GROUPS, P_BITS, 64>;
  auto find = &softmax_maxima<attention_rows::tokens, ROWS, GROUPS, 64 * GROUPS, GROUPS>;
  auto weigh = &softmax_weights<attention_rows::tokens, ROWS, GROUPS, P_BITS, 64 * GROUPS, GROUPS>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(scores, x));
  if (PIPELINED) {
    FLEXDSE_PROCESS(find(scores, held, maxima, keys, first, units));
    FLEXDSE_PROCESS(weigh(held, maxima, weights, sums, keys, first, units));
  } else {
    FLEXDSE_PROCESS(normalise(scores, weights, sums, keys, first, units));
  }
  FLEXDSE_PROCESS(collect(weights, got, x.size()));
  FLEXDSE_PROCESS(collect(sums, got_sums, units * heads));
  FLEXDSE_DATAFLOW_END;
  for (std::size_t i = 0; i < got.size(); ++i) {
    for (int t = 0; t < ROWS; ++t) {
      const std::size_t at = (i % heads * rows + t) * keys + i / heads % keys;
      equal(c, "weight", at, static_cast<std::uint32_t>(static_cast<int>(got[i][t])), c.words("weights")[at]);
    }
  }
  for (std::size_t i = 0; i < got_sums.size(); ++i) {
    for (int t = 0; t < ROWS; ++t) {
      equal(c, "sum", i, bits_of(got_sums[i][t]), c.words("sums")[i % heads * rows + t]);
    }
  }
}

template <int LANES>
void swiglu_of(const test_case& c) {
  const int d = c.size("gate", 0);
  const auto gates = as_parameters<LANES>(c.words("gate"), 2);
  const auto ups = as_parameters<LANES>(c.words("up"), 2);
  fifo<lanes<real, LANES>, 1> gate("gate");
  fifo<lanes<real, LANES>, 1> up("up");
  fifo<lanes<real, LANES>, 1> out("out");
  std::vector<lanes<real, LANES>> y;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(gate, gates));
  FLEXDSE_PROCESS(send(up, ups));
  FLEXDSE_PROCESS(swiglu<LANES>(gate, up, out, d / LANES, 2));
  FLEXDSE_PROCESS(collect(out, y, gates.size()));
  FLEXDSE_DATAFLOW_END;
  equal_blocks<1, LANES>(c, "swiglu", y, c.words("y"), 1, d);
}

template <symmetry S, int BITS, quotient Q, int TP, int CP>
void quantize_of(const test_case& c) {
  const int d = c.size("x", 0);
  if (d % CP != 0) return;
  const int words = d / CP;
  const auto x = as_blocks<TP, CP>(c.words("x"), 1, d, 2);
  fifo<lanes<real, TP * CP>, 1> in("in");
  fifo<token_scale, TP> scales("scales");
  fifo<lanes<activation<S, BITS>, TP * CP>, 1> quantized[2];
  FLEXDSE_NAME_STREAMS(quantized, "quantized");
  std::vector<token_scale> tokens;
  std::vector<lanes<activation<S, BITS>, TP * CP>> q[2];
  auto quantize_it = &quantize_dynamic<S, BITS, TP, CP, kMaxChannels / CP, 2, 1, Q>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(in, x));
  FLEXDSE_PROCESS(quantize_it(in, scales, quantized, words, 2));
  FLEXDSE_PROCESS(collect(scales, tokens, 2 * TP));
  FLEXDSE_PROCESS(collect(quantized[0], q[0], x.size()));
  FLEXDSE_PROCESS(collect(quantized[1], q[1], x.size()));
  FLEXDSE_DATAFLOW_END;
  for (const token_scale& token : tokens) {
    equal(c, "scale", 0, bits_of(token.scale), c.words("scale")[0]);
    equal(c, "min", 0, bits_of(token.min), c.words("min")[0]);
  }
  for (const auto& copy : q) {
    for (std::size_t i = 0; i < copy.size() * TP * CP; ++i) {
      const std::size_t at = i / (TP * CP) % words * CP + i % CP;
      const int got = static_cast<int>(copy[i / (TP * CP)][static_cast<int>(i % (TP * CP))]);
      equal(c, "q", at, static_cast<std::uint32_t>(got), c.words("q")[at]);
    }
  }
}

template <symmetry S, quotient Q>
void quantize_bits(const test_case& c) {
  switch (c.integer("bits")) {
    case 4: return quantize_of<S, 4, Q, 1, 8>(c);
    case 6: return quantize_of<S, 6, Q, 1, 1>(c);
    case 8: return quantize_of<S, 8, Q, 3, 1>(c);
    case 16: return quantize_of<S, 16, Q, 1, 4>(c);
    default: CHECK(false, "no program for %d bits", c.integer("bits"));
  }
}

// Half of the words have the case's scale, half of them scale 1: the scale changes in time.
template <int BITS, int TP, int CP>
void quantize_static_of(const test_case& c) {
  const int d = c.size("x", 0);
  if (c.integer("bits") != BITS || d % CP != 0) return;
  const auto once = as_blocks<TP, CP>(c.words("x"), 1, d, 1);
  auto x = once;
  x.insert(x.end(), once.begin(), once.end());
  std::vector<lanes<real, CP>> inverse(2);
  for (int i = 0; i < CP; ++i) {
    inverse[0][i] = rounded_to<real>(1.0f);
    inverse[1][i] = from_memory<real>(c.words("inverse")[0]);
  }
  fifo<lanes<real, TP * CP>, 1> in("in");
  fifo<lanes<real, CP>, 1> scales("scales");
  fifo<lanes<int_t<BITS>, TP * CP>, 1> out("out");
  std::vector<lanes<int_t<BITS>, TP * CP>> q;
  auto quantize_it = &quantize_static<BITS, TP, CP>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(in, x));
  FLEXDSE_PROCESS(send(scales, inverse));
  FLEXDSE_PROCESS(quantize_it(in, scales, out, d / CP, 2));
  FLEXDSE_PROCESS(collect(out, q, x.size()));
  FLEXDSE_DATAFLOW_END;
  for (std::size_t w = 0; w < once.size(); ++w) {
    for (int i = 0; i < TP * CP; ++i) {
      const int plain = static_cast<int>(round_to_signed<BITS>(once[w][i]));
      CHECK(static_cast<int>(q[w][i]) == plain, "scale 1, word %zu", w);
      const int got = static_cast<int>(q[once.size() + w][i]);
      equal(c, "q", w, static_cast<std::uint32_t>(got), c.words("q")[w * CP + i % CP]);
    }
  }
}

enum class form { serial, streaming };

template <form FORM, int N, int TP, int CP, int ADDERS>
void hadamard_of(const test_case& c) {
  const int d = c.size("x", 0);
  if (d != N) return;
  const int vectors = 3;
  const auto x = as_blocks<TP, CP>(c.words("x"), 1, d, vectors);
  fifo<lanes<real, TP * CP>, 1> in("in");
  fifo<lanes<real, TP * CP>, 1> out("out");
  std::vector<lanes<real, TP * CP>> y;
  auto transform = [&] {
    if constexpr (FORM == form::serial) {
      hadamard_serial<N, TP, CP, ADDERS>(in, out, vectors);
    } else {
      hadamard_streaming<N, TP, CP>(in, out, vectors);
    }
  };
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(in, x));
  FLEXDSE_PROCESS(transform());
  FLEXDSE_PROCESS(collect(out, y, x.size()));
  FLEXDSE_DATAFLOW_END;
  equal_blocks<TP, CP>(c, FORM == form::serial ? "serial" : "streaming", y, c.words("y"), 1, d);
}

template <int N, int TP, int CP, int ADDERS>
void hadamard_forms(const test_case& c) {
  hadamard_of<form::serial, N, TP, CP, ADDERS>(c);
  hadamard_of<form::streaming, N, TP, CP, ADDERS>(c);
}

template <int CP, int LISTS, int MAX_K>
void sample_of(const test_case& c) {
  const int texts = c.size("logits", 0);
  const int vocabulary = c.size("logits", 1);
  if (c.integer("top_k") > MAX_K) return;
  const int words = ceil_div(vocabulary, CP) + 1;
  std::uint32_t state = c.words("seed")[0];
  for (int text = 0; text < texts; ++text) {
    fifo<lanes<real, CP>, 1> logits("logits");
    fifo<int, 1> chosen("chosen");
    std::vector<lanes<real, CP>> x(words);
    for (int i = 0; i < words * CP; ++i) {  // the padding must not win
      x[i / CP][i % CP] = i < vocabulary ? from_memory<real>(c.words("logits")[text * vocabulary + i]) : rounded_to<real>(1e30f);
    }
    std::vector<int> tokens;
    state = xorshift32(state);
    const sampling_options options = {c.integer("top_k"), c.real("inverse_temperature")};
    auto choose = &sample<CP, LISTS, MAX_K>;
    FLEXDSE_DATAFLOW_BEGIN;
    FLEXDSE_PROCESS(send(logits, x));
    FLEXDSE_PROCESS(choose(logits, chosen, options, state, vocabulary, words));
    FLEXDSE_PROCESS(collect(chosen, tokens, 1));
    FLEXDSE_DATAFLOW_END;
    equal(c, "token", text, static_cast<std::uint32_t>(tokens[0]), c.words("tokens")[text]);
  }
}

// bf16.hpp, whatever the format of the modules: `compute` of operands a and b.
template <class Operation>
void arithmetic_of(const test_case& c, const char* name, Operation compute) {
  for (std::size_t i = 0; i < c.words("a").size(); ++i) {
    const bf16 a = from_memory<bf16>(c.words("a")[i]);
    const bf16 b = from_memory<bf16>(c.words("b")[i]);
    equal(c, name, i, bits_of(compute(a, b)), c.words(name)[i]);
  }
}

void run(const test_case& c) {
  if (c.section == "arithmetic") {
    arithmetic_of(c, "sum", [](bf16 a, bf16 b) { return fp_add(a, b); });
    arithmetic_of(c, "difference", [](bf16 a, bf16 b) { return fp_sub(a, b); });
    arithmetic_of(c, "product", [](bf16 a, bf16 b) { return fp_mul(a, b); });
    arithmetic_of(c, "quotient", [](bf16 a, bf16 b) { return fp_div(a, exponent_of(b) == 0 ? bf16_of_integer(1) : b); });
  } else if (c.section == "of_integer") {
    for (std::size_t i = 0; i < c.words("x").size(); ++i) {
      equal(c, "", i, bits_of(bf16_of_integer(static_cast<std::int32_t>(c.words("x")[i]))), c.words("y")[i]);
    }
  } else if (c.section == "exp" || c.section == "rsqrt") {
    for (std::size_t i = 0; i < c.words("x").size(); ++i) {
      const std::uint32_t x = c.words("x")[i];
      equal(c, "", i, c.section == "exp" ? bits_of(fp_exp(from_memory<real>(x))) : bits_of(fp_rsqrt(float_of(x))), c.words("y")[i]);
    }
  } else if (c.section == "sum_of_squares") {
    square_sum parts[2];
    parts[0].reset();
    parts[1].reset();
    for (std::size_t i = 0; i < c.words("x").size(); ++i) parts[i % 3 == 0].include(from_memory<real>(c.words("x")[i]));
    parts[0].include(parts[1]);
    equal(c, "", 0, bits_of(parts[0].total()), c.words("y")[0]);
  } else if (c.section == "rms_norm") {
    rms_norm_of<1, 1>(c);
    rms_norm_of<3, 1>(c);
    rms_norm_of<1, 8>(c);
    rms_norm_of<2, 2>(c);
  } else if (c.section == "rope") {
    rope_of<1, 1, 8>(c);
    rope_of<3, 1, 16>(c);
    rope_of<1, 4, 8>(c);
    rope_of<2, 2, 16>(c);
  } else if (c.section == "softmax") {
    softmax_of<2, 3, 8, true>(c);
    softmax_of<4, 1, 8>(c);
    softmax_of<4, 3, 12>(c);
    softmax_of<1, 1, 8>(c);
    softmax_of<2, 1, 16>(c);
    softmax_of<4, 3, 8, true>(c);
    softmax_of<2, 1, 12, true>(c);
    softmax_of<1, 3, 16>(c);
  } else if (c.section == "swiglu") {
    swiglu_of<1>(c);
    swiglu_of<8>(c);
  } else if (c.section == "quantize") {
    if (c.integer("symmetric") != 0) {
      c.integer("reciprocal") != 0 ? quantize_bits<symmetry::symmetric, quotient::reciprocal>(c)
                                   : quantize_bits<symmetry::symmetric, quotient::divide>(c);
    } else {
      c.integer("reciprocal") != 0 ? quantize_bits<symmetry::asymmetric, quotient::reciprocal>(c)
                                   : quantize_bits<symmetry::asymmetric, quotient::divide>(c);
    }
  } else if (c.section == "quantize_static") {
    quantize_static_of<4, 1, 1>(c);
    quantize_static_of<4, 2, 1>(c);
    quantize_static_of<8, 1, 1>(c);
    quantize_static_of<8, 1, 8>(c);
  } else if (c.section == "dequantize_symmetric") {
    const token_scale token = {from_memory<real>(c.words("token_scale")[0]), rounded_to<real>(7.0f)};  // neither the offset nor the row sum may matter
    const channel_scale channel = {from_memory<real>(c.words("channel_scale")[0]), rounded_to<real>(123.0f)};
    const real y = dequantize<symmetry::symmetric, 32>(int_t<32>(c.integer("sum")), token, channel);
    equal(c, "", 0, bits_of(y), c.words("y")[0]);
  } else if (c.section == "hadamard") {
    hadamard_forms<2, 1, 2, 1>(c);
    hadamard_forms<8, 2, 1, 1>(c);
    hadamard_forms<32, 1, 4, 1>(c);
    hadamard_forms<12, 2, 1, 3>(c);
    hadamard_forms<96, 1, 1, 1>(c);
    hadamard_forms<96, 1, 8, 4>(c);
    hadamard_forms<40, 1, 2, 5>(c);
    hadamard_of<form::serial, 28, 1, 1, 7>(c);
    hadamard_of<form::streaming, 72, 1, 2, 1>(c);
    hadamard_of<form::streaming, 44, 1, 1, 1>(c);
    hadamard_of<form::serial, 76, 1, 1, 1>(c);
    hadamard_of<form::streaming, 140, 1, 1, 1>(c);
    hadamard_of<form::serial, 112, 1, 4, 14>(c);
  } else if (c.section == "sample") {
    sample_of<1, 1, 1>(c);
    sample_of<4, 1, 5>(c);
    sample_of<8, 2, 16>(c);
    sample_of<4, 4, 16>(c);
  } else {
    CHECK(false, "no program for the section %s", c.section.c_str());
  }
}

int main(int argc, char** argv) { return run_cases("nonlinear", argc, argv, run); }
