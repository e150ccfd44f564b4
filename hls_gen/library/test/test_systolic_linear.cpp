// Feeder, sub-arrays and dequantizer of the prefill engine against a plain triple loop, for a sweep of shapes.
#include <vector>

#include "check.hpp"
#include "flexdse_hls/dequantize_tokens.hpp"
#include "flexdse_hls/systolic_linear.hpp"

using namespace flexdse_hls;

template <class T>
void send(stream<T>& out, const std::vector<T>& values) {
  for (const T& value : values) out.write(value);
}

template <class T>
void collect(stream<T>& in, std::vector<T>& values, int count) {
  for (int i = 0; i < count; ++i) values.push_back(in.read());
}

template <class F, pe_kind KIND, int TP, int COLUMNS, int SUBS, int MAX_D_IN, input_fill FILL = input_fill::before_first_pass>
void engine(int d_in, int d_out, int blocks, unsigned seed) {
  constexpr int kAcc = F::accumulator_bits(MAX_D_IN);
  constexpr symmetry kSymmetry = F::kUnsignedActivations ? symmetry::asymmetric : symmetry::symmetric;
  constexpr int kLowX = F::kUnsignedActivations ? 0 : -F::kMaxActivationMagnitude;
  constexpr int kSpanX = F::kUnsignedActivations ? F::kMaxActivationMagnitude + 1 : 2 * F::kMaxActivationMagnitude;
  constexpr int kWidth = COLUMNS * SUBS;
  const int passes = ceil_div(d_out, kWidth);
  random_numbers random(seed);

  std::vector<lanes<typename F::x_type, TP>> x(blocks * d_in);
  for (auto& vector : x) {
    for (int t = 0; t < TP; ++t) vector[t] = static_cast<typename F::x_type>(kLowX + random.below(kSpanX));
  }
  // w[k][channel], zero for the surplus channels of the last pass
  std::vector<std::vector<int>> w(d_in, std::vector<int>(passes * kWidth, 0));
  for (auto& row : w) {
    for (int c = 0; c < d_out; ++c) row[c] = random.below(2 * F::kMaxWeightMagnitude) - F::kMaxWeightMagnitude;
  }
  std::vector<token_scale> tokens(blocks * TP);
  for (auto& token : tokens) token = {0.01f + random.below(100), random.real()};
  std::vector<channel_scale> channels(d_out);
  for (auto& channel : channels) channel = {0.001f * (1 + random.below(50)), random.real()};

  std::vector<lanes<typename F::w_type, COLUMNS>> weights[SUBS];
  std::vector<lanes<channel_scale, 1>> all_channels;
  for (int block = 0; block < blocks; ++block) {
    for (int pass = 0; pass < passes; ++pass) {
      for (int k = 0; k < d_in; ++k) {
        for (int sub = 0; sub < SUBS; ++sub) {
          lanes<typename F::w_type, COLUMNS> beat;
          for (int c = 0; c < COLUMNS; ++c) beat[c] = static_cast<typename F::w_type>(w[k][pass * kWidth + sub * COLUMNS + c]);
          weights[sub].push_back(beat);
        }
      }
    }
    for (const channel_scale& channel : channels) all_channels.push_back({{channel}});
  }

  fifo<lanes<typename F::x_type, TP>, 2> quantized("test.quantized");
  fifo<lanes<typename F::x_type, TP>, 3> operands[SUBS];
  FLEXDSE_NAME_STREAMS(operands, "test.operands");
  fifo<lanes<typename F::w_type, COLUMNS>, 4> weight_streams[SUBS];
  FLEXDSE_NAME_STREAMS(weight_streams, "test.weights");
  fifo<lanes<int_t<kAcc>, TP>, COLUMNS> sums[SUBS];
  FLEXDSE_NAME_STREAMS(sums, "test.sums");
  fifo<token_scale, 2> token_scales("test.token_scales");
  fifo<lanes<channel_scale, 1>, 2> channel_scales("test.channel_scales");
  fifo<lanes<float, TP>, 2> results("test.results");
  std::vector<lanes<float, TP>> y;

  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(quantized, x));
  FLEXDSE_PROCESS(feed_tokens<F, TP, kWidth, MAX_D_IN, FILL>(quantized, operands, d_in, d_out, blocks));
  for (int sub = 0; sub < SUBS; ++sub) {
    flexdse_region_.add("send", [&, sub] { send(weight_streams[sub], weights[sub]); });
    flexdse_region_.add("systolic_sub_array", [&, sub] {
      systolic_sub_array<F, KIND, TP, COLUMNS, kWidth, MAX_D_IN, kAcc>(operands[sub], weight_streams[sub], sums[sub], d_in,
                                                                       d_out, blocks);
    });
  }
  FLEXDSE_PROCESS(send(token_scales, tokens));
  FLEXDSE_PROCESS(send(channel_scales, all_channels));
  FLEXDSE_PROCESS(
      dequantize_tokens<kSymmetry, TP, SUBS, COLUMNS, kAcc>(sums, token_scales, channel_scales, results, d_out, blocks));
  FLEXDSE_PROCESS(collect(results, y, blocks * d_out));
  FLEXDSE_DATAFLOW_END;

  for (int block = 0; block < blocks; ++block) {
    for (int c = 0; c < d_out; ++c) {
      for (int t = 0; t < TP; ++t) {
        int sum = 0;
        for (int k = 0; k < d_in; ++k) sum += static_cast<int>(x[block * d_in + k][t]) * w[k][c];
        const token_scale& token = tokens[block * TP + t];
        const float scaled = static_cast<float>(sum) * token.scale * channels[c].scale;
        const float offset = token.min * channels[c].row_sum;
        const float expected = kSymmetry == symmetry::symmetric ? scaled : scaled + offset;
        CHECK(bits_of(y[block * d_out + c][t]) == bits_of(expected), "block %d channel %d token %d: %g, not %g", block, c,
              t, y[block * d_out + c][t], expected);
      }
    }
  }
}

int main() {
  using w4a4 = mac_format<symmetry::asymmetric, 4, 4>;
  using w4a8 = mac_format<symmetry::symmetric, 8, 4>;
  using w8a8 = mac_format<symmetry::asymmetric, 8, 8>;
  engine<w4a4, pe_kind::dsp2, 1, 2, 1, 8>(8, 2, 1, 1);      // smallest
  engine<w4a4, pe_kind::dsp2, 4, 6, 1, 40>(33, 18, 2, 2);   // whole passes, d_in below the maximum
  engine<w4a4, pe_kind::dsp4, 4, 6, 1, 40>(40, 20, 3, 3);   // ragged last pass
  engine<w8a8, pe_kind::dsp2, 3, 4, 3, 24>(24, 31, 2, 4);   // three sub-arrays, odd tokens, ragged inside a sub-array
  engine<w4a8, pe_kind::lut, 8, 8, 2, 64>(8, 5, 2, 5);      // fewer channels than a pass, d_in as short as the columns
  engine<w4a4, pe_kind::dsp1, 2, 4, 1, 16>(16, 4, 0, 6);    // no block at all
  engine<w4a4, pe_kind::dsp2, 4, 6, 2, 40, input_fill::during_first_pass>(33, 25, 3, 7);  // blocks follow without a fill
  engine<w8a8, pe_kind::dsp1, 2, 4, 1, 16, input_fill::during_first_pass>(16, 3, 2, 8);   // one pass: nothing is read back
  std::puts("systolic_linear: ok");
}
