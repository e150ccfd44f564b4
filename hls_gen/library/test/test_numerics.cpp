// The quantizer, the dequantization and whole engines, from fp32 activations to fp32 results, on cases from a file.
#include <string>
#include <vector>

#include "cases.hpp"
#include "flexdse_hls/dequantize_tokens.hpp"
#include "flexdse_hls/dequantize_vector.hpp"
#include "flexdse_hls/gemv.hpp"
#include "flexdse_hls/quantize_dynamic.hpp"
#include "flexdse_hls/systolic_linear.hpp"

using namespace flexdse_hls;

constexpr int kMaxDIn = 128;

std::vector<channel_scale> channel_scales_of(const test_case& c) {
  const int d_in = c.size("weights", 1);
  std::vector<channel_scale> channels;
  for (int i = 0; i < c.size("weights", 0); ++i) {
    int sum = 0;
    for (int k = 0; k < d_in; ++k) sum += static_cast<int>(c.words("weights")[i * d_in + k]);
    const float scale = float_of(c.words("scales")[i]);
    channels.push_back({scale, fp_mul(static_cast<float>(sum), scale)});
  }
  return channels;
}

// The weight of a channel, 0 beyond the last one.
template <class T>
T weight_of(const test_case& c, int channel, int k) {
  const int d_in = c.size("weights", 1);
  return static_cast<T>(channel < c.size("weights", 0) ? static_cast<int>(c.words("weights")[channel * d_in + k]) : 0);
}

// TP tokens, SUBS sub-arrays of 4 columns.
template <symmetry S, int A, int W, pe_kind KIND, int TP, int SUBS>
void prefill_engine_of(const test_case& c) {
  using mac = mac_format<S, A, W>;
  constexpr int kAcc = mac::accumulator_bits(kMaxDIn);
  constexpr int kColumns = 4;
  constexpr int kPass = SUBS * kColumns;
  const int tokens = c.size("x", 0);
  const int d_in = c.size("x", 1);
  const int d_out = c.size("weights", 0);
  const int blocks = ceil_div(tokens, TP);
  const int passes = ceil_div(d_out, kPass);
  const auto token_of = [&](int block, int t) { return (block * TP + t) % tokens; };
  std::vector<lanes<float, TP>> x;
  std::vector<lanes<typename mac::w_type, kColumns>> w[SUBS];
  std::vector<lanes<channel_scale, 1>> channels;
  for (int block = 0; block < blocks; ++block) {
    for (int k = 0; k < d_in; ++k) {
      lanes<float, TP> word;
      for (int t = 0; t < TP; ++t) word[t] = float_of(c.words("x")[token_of(block, t) * d_in + k]);
      x.push_back(word);
    }
    for (int pass = 0; pass < passes; ++pass) {
      for (int k = 0; k < d_in; ++k) {
        for (int sub = 0; sub < SUBS; ++sub) {
          lanes<typename mac::w_type, kColumns> beat;
          for (int n = 0; n < kColumns; ++n) {
            beat[n] = weight_of<typename mac::w_type>(c, pass * kPass + sub * kColumns + n, k);
          }
          w[sub].push_back(beat);
        }
      }
    }
    for (const channel_scale& channel : channel_scales_of(c)) channels.push_back({{channel}});
  }
  fifo<lanes<float, TP>, 2> activations("test.activations");
  fifo<token_scale, 2 * TP> token_scales("test.token_scales");
  fifo<lanes<typename mac::x_type, TP>, 2> quantized[1];
  fifo<lanes<typename mac::x_type, TP>, 2> operands[SUBS];
  fifo<lanes<typename mac::w_type, kColumns>, 2> weights[SUBS];
  fifo<lanes<int_t<kAcc>, TP>, kColumns> sums[SUBS];
  fifo<lanes<channel_scale, 1>, 2> channel_scales("test.channel_scales");
  fifo<lanes<float, TP>, 2> results("test.results");
  std::vector<lanes<float, TP>> y;
  const auto quantize = &quantize_dynamic<S, A, TP, 1, kMaxDIn, 1, 2>;
  const auto feed = &feed_tokens<mac, TP, kPass, kMaxDIn, input_fill::before_first_pass, SUBS, 2>;
  const auto compute = &systolic_sub_array<mac, KIND, TP, kColumns, kPass, kMaxDIn, kAcc>;
  const auto finish = &dequantize_tokens<S, TP, SUBS, kColumns, kAcc, kColumns>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(activations, x));
  FLEXDSE_PROCESS(send(channel_scales, channels));
  FLEXDSE_PROCESS(quantize(activations, token_scales, quantized, d_in, blocks));
  FLEXDSE_PROCESS(feed(quantized[0], operands, d_in, d_out, blocks));
  for (int sub = 0; sub < SUBS; ++sub) {
    flexdse_region_.add("send", [&, sub] { send(weights[sub], w[sub]); });
    flexdse_region_.add("compute", [&, sub] { compute(operands[sub], weights[sub], sums[sub], d_in, d_out, blocks); });
  }
  FLEXDSE_PROCESS(finish(sums, token_scales, channel_scales, results, d_out, blocks));
  FLEXDSE_PROCESS(collect(results, y, static_cast<std::size_t>(blocks) * d_out));
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < blocks * d_out; ++i) {
    for (int t = 0; t < TP; ++t) {
      const std::size_t at = static_cast<std::size_t>(token_of(i / d_out, t)) * d_out + i % d_out;
      equal(c, "prefill", at, bits_of(y[i][t]), c.words("y")[at]);
    }
  }
}

// TB groups of W_LANES channels a pass, one lane unit, PAIRS channel scales a cycle.
template <symmetry S, int A, int W, pe_kind KIND, int TB, int W_LANES, int PAIRS>
void decode_engine_of(const test_case& c) {
  using mac = mac_format<S, A, W>;
  constexpr int kAcc = mac::accumulator_bits(kMaxDIn);
  constexpr int kPass = TB * W_LANES;
  const int tokens = c.size("x", 0);
  const int d_in = c.size("x", 1);
  const int d_out = c.size("weights", 0);
  if (d_in % TB != 0 || d_out % TB != 0) return;
  const int passes = ceil_div(d_out, kPass);
  std::vector<lanes<float, TB>> x(tokens * d_in / TB);
  for (int i = 0; i < tokens * d_in; ++i) x[i / TB][i % TB] = float_of(c.words("x")[i]);
  std::vector<lanes<typename mac::w_type, kPass>> w;
  std::vector<lanes<channel_scale, PAIRS>> channels;
  const auto scales = channel_scales_of(c);
  for (int token = 0; token < tokens; ++token) {
    for (int pass = 0; pass < passes; ++pass) {
      for (int k = 0; k < d_in; ++k) {
        lanes<typename mac::w_type, kPass> beat;  // lane g * W + n: channel n * TB + g of the pass
        for (int i = 0; i < kPass; ++i) {
          beat[i] = weight_of<typename mac::w_type>(c, pass * kPass + i % W_LANES * TB + i / W_LANES, k);
        }
        w.push_back(beat);
      }
    }
    for (int i = 0; i < d_out; i += PAIRS) {
      lanes<channel_scale, PAIRS> beat;
      for (int pair = 0; pair < PAIRS; ++pair) beat[pair] = scales[i + pair];
      channels.push_back(beat);
    }
  }
  fifo<lanes<float, TB>, 2> activations("test.activations");
  fifo<token_scale, 2> token_scales("test.token_scales");
  fifo<lanes<typename mac::x_type, TB>, 2> quantized[1];
  fifo<typename mac::x_type, 2> operands[1];
  fifo<lanes<typename mac::w_type, kPass>, 2> weights("test.weights");
  fifo<lanes<int_t<kAcc>, groups_of_unit<W_LANES, kPass>()>, W_LANES> sums[1][1];
  fifo<lanes<channel_scale, PAIRS>, 2> channel_scales("test.channel_scales");
  fifo<lanes<float, TB>, 2> results("test.results");
  std::vector<lanes<float, TB>> y;
  const auto quantize = &quantize_dynamic<S, A, 1, TB, kMaxDIn / TB, 1, 2>;
  const auto feed = &feed_vector<mac, TB, kPass, kMaxDIn, 1, 2, 2>;
  const auto compute = &gemv_lane_unit<mac, KIND, W_LANES, kPass, 0, kPass, 0, kMaxDIn, kAcc, lanes<typename mac::w_type, kPass>, 2, 2, W_LANES>;
  const auto finish = &dequantize_vector<S, TB, W_LANES, 1, 1, kPass, PAIRS, kAcc, W_LANES>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(activations, x));
  FLEXDSE_PROCESS(send(weights, w));
  FLEXDSE_PROCESS(send(channel_scales, channels));
  FLEXDSE_PROCESS(quantize(activations, token_scales, quantized, d_in / TB, tokens));
  FLEXDSE_PROCESS(feed(quantized[0], operands, d_in, d_out, tokens));
  FLEXDSE_PROCESS(compute(operands[0], weights, sums[0][0], d_in, d_out, tokens));
  FLEXDSE_PROCESS(finish(sums, token_scales, channel_scales, results, d_out, tokens));
  FLEXDSE_PROCESS(collect(results, y, x.size() * d_out / d_in));
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < tokens * d_out; ++i) equal(c, "decode", i, bits_of(y[i / TB][i % TB]), c.words("y")[i]);
}

template <symmetry S, int A, int W, pe_kind PREFILL, pe_kind DECODE, int TB>
void engines_of(const test_case& c) {
  prefill_engine_of<S, A, W, PREFILL, 2, 2>(c);
  decode_engine_of<S, A, W, DECODE, TB, 2, TB == 1 ? 1 : 2>(c);
}

void quantize_of(const test_case& c) {
  const int d_in = c.size("x", 0);
  std::vector<lanes<float, 1>> x;
  for (const std::uint32_t bits : c.words("x")) x.push_back({{float_of(bits)}});
  fifo<lanes<float, 1>, 1> activations("test.activations");
  fifo<token_scale, 1> scales("test.scales");
  fifo<lanes<uint4, 1>, 1> quantized[1];
  std::vector<token_scale> scale;
  std::vector<lanes<uint4, 1>> q;
  const auto quantize = &quantize_dynamic<symmetry::asymmetric, 4, 1, 1, kMaxDIn, 1, 1>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(activations, x));
  FLEXDSE_PROCESS(quantize(activations, scales, quantized, d_in, 1));
  FLEXDSE_PROCESS(collect(scales, scale, 1));
  FLEXDSE_PROCESS(collect(quantized[0], q, d_in));
  FLEXDSE_DATAFLOW_END;
  equal(c, "scale", 0, bits_of(scale[0].scale), c.words("scale")[0]);
  equal(c, "min", 0, bits_of(scale[0].min), c.words("min")[0]);
  for (int i = 0; i < d_in; ++i) {
    equal(c, "q", i, static_cast<std::uint32_t>(static_cast<int>(q[i][0])), c.words("q")[i]);
  }
}

void run(const test_case& c) {
  if (c.section == "quantize") {
    quantize_of(c);
  } else if (c.section == "dequantize") {
    const token_scale token = {c.real("token_scale"), c.real("token_min")};
    const channel_scale channel = {c.real("channel_scale"), c.real("row_sum")};
    const float y = dequantize<symmetry::asymmetric, 22>(int_t<22>(c.integer("sum")), token, channel);
    equal(c, "", 0, bits_of(y), c.words("y")[0]);
  } else if (c.section == "linear") {
    const int format = c.integer("activation_bits") * 10 + c.integer("weight_bits");
    const bool symmetric = c.integer("symmetric") != 0;
    if (symmetric && format == 84) engines_of<symmetry::symmetric, 8, 4, pe_kind::lut, pe_kind::dsp2, 4>(c);
    if (!symmetric && format == 88) engines_of<symmetry::asymmetric, 8, 8, pe_kind::dsp1, pe_kind::lut, 4>(c);
#ifndef FLEXDSE_FAST_CSIM
    if (!symmetric && format == 44) engines_of<symmetry::asymmetric, 4, 4, pe_kind::dsp4, pe_kind::dsp2, 1>(c);
    if (!symmetric && format == 84) engines_of<symmetry::asymmetric, 8, 4, pe_kind::dsp2, pe_kind::dsp1, 4>(c);
    if (symmetric && format == 88) engines_of<symmetry::symmetric, 8, 8, pe_kind::dsp2, pe_kind::dsp2, 4>(c);
#endif
  } else {
    CHECK(false, "no program for the section %s", c.section.c_str());
  }
}

int main(int argc, char** argv) { return run_cases("numerics", argc, argv, run); }
