// Feeder, lane units and dequantizer of the decode engine against a plain double loop, for a sweep of shapes.
#include <type_traits>
#include <utility>
#include <vector>

#include "check.hpp"
#include "flexdse_hls/dequantize_vector.hpp"
#include "flexdse_hls/gemv.hpp"

using namespace flexdse_hls;

template <class T>
void send(stream<T>& out, const std::vector<T>& values) {
  for (const T& value : values) out.write(value);
}

template <class T>
void collect(stream<T>& in, std::vector<T>& values, int count) {
  for (int i = 0; i < count; ++i) values.push_back(in.read());
}

// The units differ in a template argument, so each is spelled out.
template <int TB, int W, int LANES, int MAX_D_IN, class Operands, class Streams, class Weights, class Sums, int... UNIT>
void add_units(host::dataflow_region& region, Operands& operands, Streams& streams, Weights& weights, Sums& sums, int d_in,
               int d_out, int tokens, std::integer_sequence<int, UNIT...>) {
  constexpr int kSplitUnits = std::extent<std::remove_reference_t<decltype(operands[0])>>::value;
  (region.add("send", [&] { send(streams[UNIT], weights[UNIT]); }), ...);
  (region.add("gemv_lane_unit",
              [&, d_in, d_out, tokens] {
                gemv_lane_unit<W, LANES, UNIT * LANES % W, TB * W, MAX_D_IN, accumulator_bits(MAX_D_IN)>(
                    operands[UNIT / kSplitUnits][UNIT % kSplitUnits], streams[UNIT], sums[UNIT], d_in, d_out, tokens);
              }),
   ...);
}

template <int TB, int W, int UNITS, int SPLITS, int PAIRS, int MAX_D_IN>
void engine(int d_in, int d_out, int tokens, unsigned seed) {
  constexpr int kAcc = accumulator_bits(MAX_D_IN);
  constexpr int kUnitLanes = TB * W / UNITS;
  constexpr int kSplitUnits = UNITS / SPLITS;
  const int rows = d_out / TB;
  const int passes = ceil_div(rows, W);
  random_numbers random(seed);

  std::vector<std::vector<int>> x(tokens, std::vector<int>(d_in));
  std::vector<lanes<uint4, TB>> vectors;
  std::vector<token_scale> token_factors;
  for (auto& token : x) {
    for (int& value : token) value = random.below(16);
    for (int row = 0; row < d_in / TB; ++row) {
      lanes<uint4, TB> vector;
      for (int g = 0; g < TB; ++g) vector[g] = token[g * (d_in / TB) + row];
      vectors.push_back(vector);
    }
    token_factors.push_back({0.01f * (1 + random.below(100)), random.real()});
  }
  std::vector<std::vector<int>> w(d_out, std::vector<int>(d_in));
  for (auto& row : w) {
    for (int& value : row) value = random.below(16) - 8;
  }
  std::vector<channel_scale> channels(d_out);
  for (auto& channel : channels) channel = {0.001f * (1 + random.below(50)), random.real()};

  std::vector<lanes<int4, kUnitLanes>> weights[UNITS];
  std::vector<lanes<channel_scale, PAIRS>> scales;
  for (int token = 0; token < tokens; ++token) {
    for (int pass = 0; pass < passes; ++pass) {
      for (int k = 0; k < d_in; ++k) {
        for (int unit = 0; unit < UNITS; ++unit) {
          lanes<int4, kUnitLanes> beat;
          for (int i = 0; i < kUnitLanes; ++i) {
            const int lane = unit * kUnitLanes + i;
            const int row = pass * W + lane % W;
            beat[i] = row < rows ? w[lane / W * rows + row][k] : 5;  // a surplus lane may hold anything
          }
          weights[unit].push_back(beat);
        }
      }
    }
    for (int row = 0; row < rows; ++row) {
      for (int group = 0; group < TB; group += PAIRS) {
        lanes<channel_scale, PAIRS> beat;
        for (int pair = 0; pair < PAIRS; ++pair) beat[pair] = channels[(group + pair) * rows + row];
        scales.push_back(beat);
      }
    }
  }

  fifo<lanes<uint4, TB>, 2> quantized[SPLITS];
  FLEXDSE_NAME_STREAMS(quantized, "test.quantized");
  fifo<uint4, 2> operands[SPLITS][kSplitUnits];
  fifo<lanes<int4, kUnitLanes>, 2> weight_streams[UNITS];
  FLEXDSE_NAME_STREAMS(weight_streams, "test.weights");
  fifo<lanes<ap_int<kAcc>, groups_of_unit<W, kUnitLanes>()>, W> sums[UNITS];
  FLEXDSE_NAME_STREAMS(sums, "test.sums");
  fifo<token_scale, 2> token_scales("test.token_scales");
  fifo<lanes<channel_scale, PAIRS>, 2> channel_scales("test.channel_scales");
  fifo<lanes<float, TB>, 2> results("test.results");
  std::vector<lanes<float, TB>> y;

  FLEXDSE_DATAFLOW_BEGIN;
  for (int split = 0; split < SPLITS; ++split) {
    FLEXDSE_NAME_STREAMS(operands[split], "test.operands");
    flexdse_region_.add("send", [&, split] { send(quantized[split], vectors); });
    flexdse_region_.add("feed_vector", [&, split] {
      feed_vector<TB, TB * W, MAX_D_IN>(quantized[split], operands[split], d_in, d_out, tokens);
    });
  }
  add_units<TB, W, kUnitLanes, MAX_D_IN>(flexdse_region_, operands, weight_streams, weights, sums, d_in, d_out, tokens,
                                     std::make_integer_sequence<int, UNITS>());
  FLEXDSE_PROCESS(send(token_scales, token_factors));
  FLEXDSE_PROCESS(send(channel_scales, scales));
  FLEXDSE_PROCESS(dequantize_vector<TB, W, UNITS, kUnitLanes, PAIRS, kAcc>(sums, token_scales, channel_scales, results,
                                                                           d_out, tokens));
  FLEXDSE_PROCESS(collect(results, y, tokens * rows));
  FLEXDSE_DATAFLOW_END;

  for (int token = 0; token < tokens; ++token) {
    for (int c = 0; c < d_out; ++c) {
      int sum = 0;
      for (int k = 0; k < d_in; ++k) sum += x[token][k] * w[c][k];
      const float scaled = static_cast<float>(sum) * token_factors[token].scale * channels[c].scale;
      const float offset = token_factors[token].min * channels[c].row_sum;
      const float expected = scaled + offset;
      const float got = y[token * rows + c % rows][c / rows];
      CHECK(bits_of(got) == bits_of(expected), "token %d channel %d: %g, not %g", token, c, got, expected);
    }
  }
}

int main() {
  engine<1, 2, 1, 1, 1, 8>(8, 2, 1, 1);        // smallest
  engine<4, 4, 4, 2, 1, 32>(32, 32, 2, 2);     // a port per group, two parts, whole passes
  engine<4, 4, 2, 1, 2, 32>(20, 20, 2, 3);     // two groups per port, ragged last pass
  engine<2, 8, 4, 2, 1, 24>(24, 26, 3, 4);     // half a group per port, ragged inside the second half
  engine<2, 12, 6, 3, 2, 24>(24, 10, 1, 5);    // a third of a group per port, less than one pass
  engine<4, 6, 3, 3, 1, 24>(24, 44, 2, 8);     // units of 8 lanes over groups of 6: boundaries inside units
  engine<8, 3, 3, 1, 4, 24>(16, 40, 2, 9);     // units of 8 lanes over groups of 3
  engine<3, 16, 2, 1, 3, 48>(48, 51, 1, 10);   // units of 24 lanes over groups of 16
  engine<8, 4, 4, 2, 8, 64>(40, 104, 2, 6);    // all scales of a row in one cycle
  engine<4, 2, 4, 4, 4, 16>(16, 8, 0, 7);      // no token at all
  std::puts("gemv: ok");
}
