// Feeder, lane units, partial sums and dequantizer of the decode engine against a plain double loop, for a sweep of shapes.
#include <type_traits>
#include <utility>
#include <vector>

#include "check.hpp"
#include "flexdse_hls/d_in_parts.hpp"
#include "flexdse_hls/dequantize_vector.hpp"
#include "flexdse_hls/gemv.hpp"
#include "flexdse_hls/resize_words.hpp"

using namespace flexdse_hls;

template <class T>
void send(stream<T>& out, const std::vector<T>& values) {
  for (const T& value : values) out.write(value);
}

template <class T>
void collect(stream<T>& in, std::vector<T>& values, int count) {
  for (int i = 0; i < count; ++i) values.push_back(in.read());
}

// The units differ in a template argument, so each is spelled out. TB, MAX_D_IN of a part of the input channels.
template <class F, pe_kind KIND, int TB, int W, int LANES, int MAX_D_IN, bool PARTED, class Operands, class Streams, class Weights, class Sums, int... UNIT>
void add_units(host::dataflow_region& region, Operands& operands, Streams& streams, Weights& weights, Sums& sums, int d_in,
               int d_out, int tokens, std::integer_sequence<int, UNIT...>) {
  constexpr int kSplitUnits = std::extent<std::remove_reference_t<decltype(operands[0])>>::value;
  (region.add("send", [&] { send(streams[UNIT], weights[UNIT]); }), ...);
  (region.add("gemv_lane_unit",
              [&, d_in, d_out, tokens] {
                gemv_lane_unit<F, KIND, W, LANES, UNIT * LANES % W, TB * W, 0, MAX_D_IN, F::accumulator_bits(MAX_D_IN)>(
                    operands[UNIT / kSplitUnits][UNIT % kSplitUnits], streams[UNIT], sums[PARTED ? UNIT : 0][PARTED ? 0 : UNIT],
                    d_in, d_out, tokens);
              }),
   ...);
}

// A feeder for each engine part, with the channels of its part of the input.
template <class F, int PARTS, int TB, int W, int MAX_D_IN, class Quantized, class Inputs, class Operands, int... SPLIT>
void add_feeders(host::dataflow_region& region, Quantized& quantized, Inputs& inputs, Operands& operands, int d_in, int d_out,
                 int tokens, std::integer_sequence<int, SPLIT...>) {
  constexpr int kSplits = sizeof...(SPLIT);
  if constexpr (PARTS == 1) {
    (region.add("feed_vector", [&, d_in, d_out, tokens] {
      feed_vector<F, TB, TB * W, MAX_D_IN>(quantized[SPLIT], operands[SPLIT], d_in, d_out, tokens);
    }), ...);
  } else {
    constexpr int kPartTb = TB / PARTS;
    (region.add("take_part", [&, d_in, tokens] {
      take_part<PARTS, SPLIT * PARTS / kSplits>(quantized[SPLIT], inputs[SPLIT], tokens * d_in / TB);
    }), ...);
    (region.add("feed_vector", [&, d_in, d_out, tokens] {
      feed_vector<F, kPartTb, kPartTb * W, MAX_D_IN / PARTS>(inputs[SPLIT], operands[SPLIT], d_in / PARTS, d_out, tokens);
    }), ...);
  }
}

template <class F, pe_kind KIND, int TB, int W, int UNITS, int SPLITS, int PAIRS, int MAX_D_IN, int PARTS = 1>
void engine(int d_in, int d_out, int tokens, unsigned seed) {
  constexpr int kAcc = F::accumulator_bits(MAX_D_IN);
  constexpr symmetry kSymmetry = F::kUnsignedActivations ? symmetry::asymmetric : symmetry::symmetric;
  constexpr int kLowX = F::kUnsignedActivations ? 0 : -F::kMaxActivationMagnitude;
  constexpr int kSpanX = F::kUnsignedActivations ? F::kMaxActivationMagnitude + 1 : 2 * F::kMaxActivationMagnitude;
  constexpr int kUnitLanes = TB * W / UNITS;
  constexpr int kSplitUnits = UNITS / SPLITS;
  constexpr int kPartTb = TB / PARTS;
  constexpr int kPartUnits = UNITS / PARTS;
  constexpr int kPartAcc = F::accumulator_bits(MAX_D_IN / PARTS);
  const int rows = d_out / kPartTb;
  const int passes = ceil_div(rows, W);
  random_numbers random(seed);

  std::vector<std::vector<int>> x(tokens, std::vector<int>(d_in));
  std::vector<lanes<typename F::x_type, TB>> vectors;
  std::vector<token_scale> token_factors;
  for (auto& token : x) {
    for (int& value : token) value = kLowX + random.below(kSpanX);
    for (int row = 0; row < d_in / TB; ++row) {
      lanes<typename F::x_type, TB> vector;
      for (int g = 0; g < TB; ++g) vector[g] = static_cast<typename F::x_type>(token[row * TB + g]);
      vectors.push_back(vector);
    }
    token_factors.push_back({0.01f * (1 + random.below(100)), random.real()});
  }
  std::vector<std::vector<int>> w(d_out, std::vector<int>(d_in));
  for (auto& row : w) {
    for (int& value : row) value = random.below(2 * F::kMaxWeightMagnitude) - F::kMaxWeightMagnitude;
  }
  std::vector<channel_scale> channels(d_out);
  for (auto& channel : channels) channel = {0.001f * (1 + random.below(50)), random.real()};

  std::vector<lanes<typename F::w_type, kUnitLanes>> weights[UNITS];
  std::vector<lanes<channel_scale, PAIRS>> scales;
  for (int token = 0; token < tokens; ++token) {
    for (int pass = 0; pass < passes; ++pass) {
      for (int k = 0; k < d_in / PARTS; ++k) {
        for (int unit = 0; unit < UNITS; ++unit) {
          lanes<typename F::w_type, kUnitLanes> beat;
          for (int i = 0; i < kUnitLanes; ++i) {
            const int lane = unit * kUnitLanes + i;
            const int row = pass * W + lane % W;
            const int group = lane / W % kPartTb;
            const int part = lane / W / kPartTb;
            // A group has every kPartTb-th channel, a part every PARTS-th input; a surplus lane may hold anything.
            beat[i] = static_cast<typename F::w_type>(row < rows ? w[row * kPartTb + group][k * PARTS + part] : 5);
          }
          weights[unit].push_back(beat);
        }
      }
    }
    for (int row = 0; row < rows; ++row) {
      for (int group = 0; group < kPartTb; group += PAIRS) {
        lanes<channel_scale, PAIRS> beat;
        for (int pair = 0; pair < PAIRS; ++pair) beat[pair] = channels[row * kPartTb + group + pair];
        scales.push_back(beat);
      }
    }
  }

  fifo<lanes<typename F::x_type, TB>, 2> quantized[SPLITS];
  FLEXDSE_NAME_STREAMS(quantized, "test.quantized");
  fifo<typename F::x_type, 2> operands[SPLITS][kSplitUnits];
  fifo<lanes<typename F::w_type, kUnitLanes>, 2> weight_streams[UNITS];
  FLEXDSE_NAME_STREAMS(weight_streams, "test.weights");
  fifo<lanes<typename F::x_type, kPartTb>, 2> inputs[SPLITS];
  FLEXDSE_NAME_STREAMS(inputs, "test.inputs");
  fifo<lanes<int_t<kPartAcc>, groups_of_unit<W, kUnitLanes>()>, W> sums[PARTS == 1 ? 1 : UNITS][PARTS == 1 ? UNITS : 1];
  FLEXDSE_NAME_STREAMS(sums, "test.sums");
  fifo<lanes<int_t<kAcc>, groups_of_unit<W, kUnitLanes>()>, W> totals[1][kPartUnits];
  FLEXDSE_NAME_STREAMS(totals, "test.totals");
  fifo<lanes<float, kPartTb>, 2> part_results("test.part_results");
  fifo<token_scale, 2> token_scales("test.token_scales");
  fifo<lanes<channel_scale, PAIRS>, 2> channel_scales("test.channel_scales");
  fifo<lanes<float, TB>, 2> results("test.results");
  std::vector<lanes<float, TB>> y;

  FLEXDSE_DATAFLOW_BEGIN;
  for (int split = 0; split < SPLITS; ++split) {
    FLEXDSE_NAME_STREAMS(operands[split], "test.operands");
    flexdse_region_.add("send", [&, split] { send(quantized[split], vectors); });
  }
  add_feeders<F, PARTS, TB, W, MAX_D_IN>(flexdse_region_, quantized, inputs, operands, d_in, d_out, tokens,
                                         std::make_integer_sequence<int, SPLITS>());
  add_units<F, KIND, kPartTb, W, kUnitLanes, MAX_D_IN / PARTS, (PARTS > 1)>(flexdse_region_, operands, weight_streams, weights, sums,
                                                               d_in / PARTS, d_out, tokens,
                                                               std::make_integer_sequence<int, UNITS>());
  FLEXDSE_PROCESS(send(token_scales, token_factors));
  FLEXDSE_PROCESS(send(channel_scales, scales));
  if constexpr (PARTS == 1) {
    FLEXDSE_PROCESS(dequantize_vector<kSymmetry, TB, W, 1, UNITS, kUnitLanes, PAIRS, kAcc>(sums, token_scales, channel_scales,
                                                                                        results, d_out, tokens));
  } else {
    FLEXDSE_PROCESS(add_parts<PARTS, kPartTb, W, kUnitLanes, kPartAcc, kAcc, 1>(sums, totals, d_out, tokens));
    FLEXDSE_PROCESS(dequantize_vector<kSymmetry, kPartTb, W, 1, kPartUnits, kUnitLanes, PAIRS, kAcc>(
        totals, token_scales, channel_scales, part_results, d_out, tokens));
    FLEXDSE_PROCESS(resize_words(part_results, results, tokens * d_out));
  }
  FLEXDSE_PROCESS(collect(results, y, tokens * (d_out / TB)));
  FLEXDSE_DATAFLOW_END;

  for (int token = 0; token < tokens; ++token) {
    for (int c = 0; c < d_out; ++c) {
      int sum = 0;
      for (int k = 0; k < d_in; ++k) sum += x[token][k] * w[c][k];
      const float scaled = static_cast<float>(sum) * token_factors[token].scale * channels[c].scale;
      const float offset = token_factors[token].min * channels[c].row_sum;
      const float expected = kSymmetry == symmetry::symmetric ? scaled : scaled + offset;
      const float got = y[token * (d_out / TB) + c / TB][c % TB];
      CHECK(bits_of(got) == bits_of(expected), "token %d channel %d: %g, not %g", token, c, got, expected);
    }
  }
}

int main() {
  using w4a4 = mac_format<symmetry::asymmetric, 4, 4>;
  using w4a8 = mac_format<symmetry::symmetric, 8, 4>;
  using w8a8 = mac_format<symmetry::asymmetric, 8, 8>;
  engine<w4a4, pe_kind::dsp2, 1, 2, 1, 1, 1, 8>(8, 2, 1, 1);        // smallest
  engine<w8a8, pe_kind::dsp2, 2, 8, 4, 2, 1, 24>(24, 26, 3, 4);     // half a group per port, ragged inside the second half
  engine<w4a4, pe_kind::lut, 2, 12, 6, 3, 2, 24>(24, 10, 1, 5);    // a third of a group per port, less than one pass
  engine<w4a4, pe_kind::dsp2, 4, 6, 3, 3, 1, 24>(24, 44, 2, 8);     // units of 8 lanes over groups of 6: boundaries inside units
  engine<w8a8, pe_kind::dsp1, 8, 3, 3, 1, 4, 24>(16, 40, 2, 9);     // units of 8 lanes over groups of 3
  engine<w4a4, pe_kind::dsp2, 3, 16, 2, 1, 3, 48>(48, 51, 1, 10);   // units of 24 lanes over groups of 16
  engine<w4a8, pe_kind::dsp1, 8, 4, 4, 2, 8, 64>(40, 104, 2, 6);    // all scales of a row in one cycle
  engine<w4a4, pe_kind::dsp2, 4, 2, 4, 4, 4, 16>(16, 8, 0, 7);      // no token at all
  engine<w4a4, pe_kind::dsp2, 4, 4, 4, 2, 1, 32, 2>(32, 32, 2, 2);     // two parts of the input, a port per group, whole passes
  engine<w8a8, pe_kind::dsp1, 6, 8, 6, 3, 2, 48, 3>(24, 42, 3, 12);    // three parts of 16 output channels a pass, the last ragged
  std::puts("gemv: ok");
}
