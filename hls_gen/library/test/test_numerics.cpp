// The quantizers, the dequantization and both engines on the shared vectors; `vectors.hpp` is made of the JSON document.
#include <string>
#include <vector>

#include "check.hpp"
#include "flexdse_hls/dequantize_tokens.hpp"
#include "flexdse_hls/dequantize_vector.hpp"
#include "flexdse_hls/gemv.hpp"
#include "flexdse_hls/quantize_tokens.hpp"
#include "flexdse_hls/quantize_vector.hpp"
#include "flexdse_hls/systolic_linear.hpp"
#include "vectors.hpp"

using namespace flexdse_hls;

template <class T>
void send(stream<T>& out, const std::vector<T>& values) {
  for (const T& value : values) out.write(value);
}

template <class T>
void collect(stream<T>& in, std::vector<T>& values, int count) {
  for (int i = 0; i < count; ++i) values.push_back(in.read());
}

constexpr int kMaxDIn = 128;
constexpr int kAcc = accumulator_bits(kMaxDIn);

// The same token in each of two lanes, twice.
void quantize_tokens_of(const quantize_case& c) {
  const int d_in = static_cast<int>(c.x.size());
  std::vector<lanes<float, 2>> x;
  for (int block = 0; block < 2; ++block) {
    for (std::uint32_t bits : c.x) x.push_back({{float_of(bits), float_of(bits)}});
  }
  fifo<lanes<float, 2>, 2> activations("test.activations");
  fifo<token_scale, 2> scales("test.scales");
  fifo<lanes<uint4, 2>, 2> quantized("test.quantized");
  std::vector<token_scale> got_scales;
  std::vector<lanes<uint4, 2>> q;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(activations, x));
  FLEXDSE_PROCESS(quantize_tokens<2, kMaxDIn>(activations, scales, quantized, d_in, 2));
  FLEXDSE_PROCESS(collect(scales, got_scales, 4));
  FLEXDSE_PROCESS(collect(quantized, q, 2 * d_in));
  FLEXDSE_DATAFLOW_END;
  for (const token_scale& scale : got_scales) {
    CHECK(bits_of(scale.scale) == c.scale && bits_of(scale.min) == c.min, "%s: scale %08x min %08x", c.name,
          bits_of(scale.scale), bits_of(scale.min));
  }
  for (int i = 0; i < 2 * d_in; ++i) {
    for (int t = 0; t < 2; ++t) CHECK(q[i][t] == c.q[i % d_in], "%s: q[%d]", c.name, i % d_in);
  }
}

// One token over TB lanes, to two parts of an engine.
template <int TB>
void quantize_vector_of(const quantize_case& c) {
  const int d_in = static_cast<int>(c.x.size());
  if (d_in % TB != 0) return;
  const int rows = d_in / TB;
  std::vector<lanes<float, TB>> x(rows);
  for (int i = 0; i < d_in; ++i) x[i % rows][i / rows] = float_of(c.x[i]);
  fifo<lanes<float, TB>, 2> activations("test.activations");
  fifo<token_scale, 2> scales("test.scales");
  fifo<lanes<uint4, TB>, 2> quantized[2];
  FLEXDSE_NAME_STREAMS(quantized, "test.quantized");
  std::vector<token_scale> scale;
  std::vector<lanes<uint4, TB>> q[2];
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(activations, x));
  FLEXDSE_PROCESS(quantize_vector<TB, kMaxDIn>(activations, scales, quantized, d_in, 1));
  FLEXDSE_PROCESS(collect(scales, scale, 1));
  FLEXDSE_PROCESS(collect(quantized[0], q[0], rows));
  FLEXDSE_PROCESS(collect(quantized[1], q[1], rows));
  FLEXDSE_DATAFLOW_END;
  CHECK(bits_of(scale[0].scale) == c.scale && bits_of(scale[0].min) == c.min, "%s, %d lanes", c.name, TB);
  for (int i = 0; i < d_in; ++i) {
    for (const auto& copy : q) CHECK(copy[i % rows][i / rows] == c.q[i], "%s, %d lanes: q[%d]", c.name, TB, i);
  }
}

std::vector<channel_scale> channel_scales_of(const linear_case& c) {
  std::vector<channel_scale> channels;
  for (int i = 0; i < c.d_out; ++i) {
    int sum = 0;
    for (int k = 0; k < c.d_in; ++k) sum += c.weights[i * c.d_in + k];
    const float scale = float_of(c.scales[i]);
    channels.push_back({scale, fp_mul(static_cast<float>(sum), scale)});
  }
  return channels;
}

// TP 2, one sub-array of 4 columns.
void prefill_engine_of(const linear_case& c) {
  const int blocks = c.tokens / 2;
  const int passes = ceil_div(c.d_out, 4);
  std::vector<lanes<float, 2>> x;
  std::vector<lanes<int4, 4>> w;
  std::vector<lanes<channel_scale, 1>> channels;
  for (int block = 0; block < blocks; ++block) {
    for (int k = 0; k < c.d_in; ++k) {
      x.push_back({{float_of(c.x[2 * block * c.d_in + k]), float_of(c.x[(2 * block + 1) * c.d_in + k])}});
    }
    for (int pass = 0; pass < passes; ++pass) {
      for (int k = 0; k < c.d_in; ++k) {
        lanes<int4, 4> beat;
        for (int n = 0; n < 4; ++n) beat[n] = 4 * pass + n < c.d_out ? c.weights[(4 * pass + n) * c.d_in + k] : 0;
        w.push_back(beat);
      }
    }
    for (const channel_scale& channel : channel_scales_of(c)) channels.push_back({{channel}});
  }
  fifo<lanes<float, 2>, 2> activations("test.activations");
  fifo<token_scale, 4> token_scales("test.token_scales");
  fifo<lanes<uint4, 2>, 2> quantized("test.quantized");
  fifo<lanes<uint4, 2>, 2> operands[1];
  fifo<lanes<int4, 4>, 2> weights("test.weights");
  fifo<lanes<ap_int<kAcc>, 2>, 4> sums[1];
  fifo<lanes<channel_scale, 1>, 2> channel_scales("test.channel_scales");
  fifo<lanes<float, 2>, 2> results("test.results");
  std::vector<lanes<float, 2>> y;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(activations, x));
  FLEXDSE_PROCESS(send(weights, w));
  FLEXDSE_PROCESS(send(channel_scales, channels));
  FLEXDSE_PROCESS(quantize_tokens<2, kMaxDIn>(activations, token_scales, quantized, c.d_in, blocks));
  FLEXDSE_PROCESS(feed_tokens<2, 4, kMaxDIn>(quantized, operands, c.d_in, c.d_out, blocks));
  FLEXDSE_PROCESS(systolic_sub_array<2, 4, 4, kMaxDIn, kAcc>(operands[0], weights, sums[0], c.d_in, c.d_out, blocks));
  FLEXDSE_PROCESS(dequantize_tokens<2, 1, 4, kAcc>(sums, token_scales, channel_scales, results, c.d_out, blocks));
  FLEXDSE_PROCESS(collect(results, y, blocks * c.d_out));
  FLEXDSE_DATAFLOW_END;
  for (int token = 0; token < c.tokens; ++token) {
    for (int i = 0; i < c.d_out; ++i) {
      const std::uint32_t got = bits_of(y[token / 2 * c.d_out + i][token % 2]);
      CHECK(got == c.y[token * c.d_out + i], "prefill token %d channel %d: %08x", token, i, got);
    }
  }
}

// TB 1, W 2, one unit.
void decode_engine_of(const linear_case& c) {
  const int passes = ceil_div(c.d_out, 2);
  std::vector<lanes<float, 1>> x;
  std::vector<lanes<int4, 2>> w;
  std::vector<lanes<channel_scale, 1>> channels;
  for (int token = 0; token < c.tokens; ++token) {
    for (int k = 0; k < c.d_in; ++k) x.push_back({{float_of(c.x[token * c.d_in + k])}});
    for (int pass = 0; pass < passes; ++pass) {
      for (int k = 0; k < c.d_in; ++k) {
        lanes<int4, 2> beat;
        for (int n = 0; n < 2; ++n) beat[n] = 2 * pass + n < c.d_out ? c.weights[(2 * pass + n) * c.d_in + k] : 0;
        w.push_back(beat);
      }
    }
    for (const channel_scale& channel : channel_scales_of(c)) channels.push_back({{channel}});
  }
  fifo<lanes<float, 1>, 2> activations("test.activations");
  fifo<token_scale, 2> token_scales("test.token_scales");
  fifo<lanes<uint4, 1>, 2> quantized[1];
  fifo<uint4, 2> operands[1];
  fifo<lanes<int4, 2>, 2> weights("test.weights");
  fifo<lanes<ap_int<kAcc>, 1>, 2> sums[1];
  fifo<lanes<channel_scale, 1>, 2> channel_scales("test.channel_scales");
  fifo<lanes<float, 1>, 2> results("test.results");
  std::vector<lanes<float, 1>> y;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(activations, x));
  FLEXDSE_PROCESS(send(weights, w));
  FLEXDSE_PROCESS(send(channel_scales, channels));
  FLEXDSE_PROCESS(quantize_vector<1, kMaxDIn>(activations, token_scales, quantized, c.d_in, c.tokens));
  FLEXDSE_PROCESS(feed_vector<1, 2, kMaxDIn>(quantized[0], operands, c.d_in, c.d_out, c.tokens));
  FLEXDSE_PROCESS(gemv_lane_unit<2, 2, 0, 2, kMaxDIn, kAcc>(operands[0], weights, sums[0], c.d_in, c.d_out, c.tokens));
  FLEXDSE_PROCESS(
      dequantize_vector<1, 2, 1, 2, 1, kAcc>(sums, token_scales, channel_scales, results, c.d_out, c.tokens));
  FLEXDSE_PROCESS(collect(results, y, c.tokens * c.d_out));
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < c.tokens * c.d_out; ++i) {
    CHECK(bits_of(y[i][0]) == c.y[i], "decode token %d channel %d: %08x", i / c.d_out, i % c.d_out, bits_of(y[i][0]));
  }
}

int main() {
  int checked = 0;
  for (const quantize_case& c : kQuantizeCases) {
    quantize_tokens_of(c);
    quantize_vector_of<1>(c);
    quantize_vector_of<4>(c);
    quantize_vector_of<8>(c);
    ++checked;
  }
  for (const dequantize_case& c : kDequantizeCases) {
    const token_scale token = {float_of(c.token_scale), float_of(c.token_min)};
    const channel_scale channel = {float_of(c.channel_scale), float_of(c.row_sum)};
    const std::uint32_t got = bits_of(dequantize<22>(c.sum, token, channel));
    CHECK(got == c.y, "sum %d: %08x, not %08x", c.sum, got, c.y);
    ++checked;
  }
  for (const linear_case& c : kLinearCases) {
    prefill_engine_of(c);
    decode_engine_of(c);
    ++checked;
  }
  // Rounding over all of its range, against the C library's.
  for (std::uint32_t bits = 0; bits < bits_of(40.0f); bits += 1013) {
    const float value = float_of(bits);
    const float expected = __builtin_nearbyintf(value);
    CHECK(round_to_uint4(value).to_int() == (expected > 15.0f ? 15 : static_cast<int>(expected)), "%.9g", value);
  }
  // The integer order of floats.
  const float ordered[] = {-3e38f, -1.0f, -1e-30f, 0.0f, 1e-30f, 1.0f, 3e38f};
  for (int i = 0; i + 1 < 7; ++i) {
    CHECK(ordered_key(ordered[i]) < ordered_key(ordered[i + 1]), "%g", ordered[i]);
    CHECK(from_ordered_key(ordered_key(ordered[i])) == ordered[i], "%g", ordered[i]);
  }
  std::printf("numerics: ok, %d vectors\n", checked);
}
