// Loaders and activation ports: packing order, surplus lanes, several engines on one port.
#include <vector>

#include "check.hpp"
#include "flexdse_hls/block_io.hpp"
#include "flexdse_hls/load_scales.hpp"
#include "flexdse_hls/load_weights.hpp"
#include "flexdse_hls/vector_io.hpp"

using namespace flexdse_hls;

template <class T>
void collect(stream<T>& in, std::vector<T>& values, int count) {
  for (int i = 0; i < count; ++i) values.push_back(in.read());
}

template <int LANES, int BITS, int UNITS = 1>
void weights_in_memory_order(int words, int repeats) {
  std::vector<hbm_word<BITS>> memory(words);
  for (int i = 0; i < words; ++i) {
    unsigned char bytes[BITS / 8];
    for (int b = 0; b < BITS / 8; ++b) bytes[b] = static_cast<unsigned char>((i * 37 + b * 11) & 0xff);
    for (int p = 0; p < BITS / 32; ++p) {
      memory[i].part[p] = bytes[4 * p] | bytes[4 * p + 1] << 8 | bytes[4 * p + 2] << 16 |
                          static_cast<std::uint32_t>(bytes[4 * p + 3]) << 24;
    }
  }
  fifo<lanes<int4, LANES>, 2> weights[UNITS];
  FLEXDSE_NAME_STREAMS(weights, "test.weights");
  std::vector<lanes<int4, LANES>> got[UNITS];
  const hbm_word<BITS>* port = memory.data();
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(load_weights<LANES, BITS, LANES * UNITS>(port, weights, words, LANES * UNITS, repeats));
  for (int unit = 0; unit < UNITS; ++unit) {
    flexdse_region_.add("collect", [&, unit] { collect(weights[unit], got[unit], words * repeats); });
  }
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < words * repeats; ++i) {
    for (int n = 0; n < LANES * UNITS; ++n) {
      const int byte = (i % words * 37 + n / 2 * 11) & 0xff;
      const int nibble = n % 2 == 0 ? byte & 15 : byte >> 4;
      CHECK(got[n / LANES][i][n % LANES] == (nibble < 8 ? nibble : nibble - 16), "word %d lane %d", i, n);
    }
  }
}

template <int PAIRS, int BITS>
void scales_in_memory_order(int pairs, int repeats) {
  constexpr int kPairsPerWord = BITS / 64;
  std::vector<hbm_word<BITS>> memory(ceil_div(pairs, kPairsPerWord));
  for (int i = 0; i < pairs; ++i) {
    memory[i / kPairsPerWord].part[2 * (i % kPairsPerWord)] = bits_of(1.0f + i);
    memory[i / kPairsPerWord].part[2 * (i % kPairsPerWord) + 1] = bits_of(-1.0f - i);
  }
  fifo<lanes<channel_scale, PAIRS>, 2> scales("test.scales");
  std::vector<lanes<channel_scale, PAIRS>> got;
  const hbm_word<BITS>* port = memory.data();
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(load_scales<PAIRS, BITS>(port, scales, pairs, repeats));
  FLEXDSE_PROCESS(collect(scales, got, pairs / PAIRS * repeats));
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < pairs * repeats; ++i) {
    const channel_scale& pair = got[i / PAIRS][i % PAIRS];
    CHECK(pair.scale == 1.0f + i % pairs && pair.row_sum == -1.0f - i % pairs, "pair %d", i);
  }
}

template <int LANES, int BITS>
void vectors_there_and_back(int count) {
  constexpr int kWords = words_per_vector<LANES, BITS>();
  std::vector<hbm_word<BITS>> in(count * kWords);
  std::vector<hbm_word<BITS>> out(count * kWords);
  for (int i = 0; i < count * LANES; ++i) {
    const int word = i / LANES * kWords + i % LANES / (BITS / 32);
    in[word].part[i % LANES % (BITS / 32)] = bits_of(0.5f * i);
  }
  fifo<lanes<float, LANES>, 2> vectors("test.vectors");
  const hbm_word<BITS>* source = in.data();
  hbm_word<BITS>* target = out.data();
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(read_vectors<LANES, BITS>(source, vectors, count));
  FLEXDSE_PROCESS(write_vectors<LANES, BITS>(target, vectors, count));
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < count * kWords; ++i) {
    for (int part = 0; part < BITS / 32; ++part) {
      const bool padding = i % kWords * (BITS / 32) + part >= LANES;
      CHECK(out[i].part[part] == (padding ? 0u : in[i].part[part]), "%d lanes, word %d", LANES, i);
    }
  }
}

// Three engines of different lengths and block counts; each "engine" turns d_in vectors into d_out vectors.
constexpr int kEngines = 3;
constexpr int kLanes = 4;

void read_all(const hbm_word<128>* memory, fifo<lanes<float, kLanes>, 4> (&streams)[kEngines],
              const engine_call (&calls)[kEngines]) {
  read_blocks<kEngines, kLanes, 128>(memory, streams, calls);
}

void write_all(hbm_word<128>* memory, fifo<lanes<float, kLanes>, 4> (&streams)[kEngines],
               const engine_call (&calls)[kEngines]) {
  write_blocks<kEngines, kLanes, 128>(memory, streams, calls);
}

void sum_engine(stream<lanes<float, kLanes>>& in, stream<lanes<float, kLanes>>& out, engine_call call) {
  for (int block = 0; block < call.blocks; ++block) {
    lanes<float, kLanes> sum = {};
    for (int k = 0; k < call.d_in; ++k) {
      const lanes<float, kLanes> x = in.read();
      for (int t = 0; t < kLanes; ++t) sum[t] += x[t];
    }
    for (int c = 0; c < call.d_out; ++c) {
      lanes<float, kLanes> y;
      for (int t = 0; t < kLanes; ++t) y[t] = sum[t] + static_cast<float>(c);
      out.write(y);
    }
  }
}

void engines_share_a_port(const engine_call (&calls)[kEngines]) {
  int in_vectors = 0;
  int out_vectors = 0;
  for (const engine_call& call : calls) {
    in_vectors += call.blocks * call.d_in;
    out_vectors += call.blocks * call.d_out;
  }
  std::vector<hbm_word<128>> in(in_vectors + 1);
  std::vector<hbm_word<128>> out(out_vectors + 1);
  for (int i = 0; i < in_vectors; ++i) {
    for (int t = 0; t < kLanes; ++t) in[i].part[t] = bits_of(static_cast<float>(i % 97 + t));
  }
  fifo<lanes<float, kLanes>, 4> inputs[kEngines];
  FLEXDSE_NAME_STREAMS(inputs, "test.inputs");
  fifo<lanes<float, kLanes>, 4> outputs[kEngines];
  FLEXDSE_NAME_STREAMS(outputs, "test.outputs");
  const hbm_word<128>* source = in.data();
  hbm_word<128>* target = out.data();
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(read_all(source, inputs, calls));
  FLEXDSE_PROCESS(sum_engine(inputs[0], outputs[0], calls[0]));
  FLEXDSE_PROCESS(sum_engine(inputs[1], outputs[1], calls[1]));
  FLEXDSE_PROCESS(sum_engine(inputs[2], outputs[2], calls[2]));
  FLEXDSE_PROCESS(write_all(target, outputs, calls));
  FLEXDSE_DATAFLOW_END;
  int in_vector = 0;
  int out_vector = 0;
  for (const engine_call& call : calls) {
    for (int block = 0; block < call.blocks; ++block) {
      float sum[kLanes] = {};
      for (int k = 0; k < call.d_in; ++k, ++in_vector) {
        for (int t = 0; t < kLanes; ++t) sum[t] += float_of(in[in_vector].part[t]);
      }
      for (int c = 0; c < call.d_out; ++c, ++out_vector) {
        for (int t = 0; t < kLanes; ++t) {
          CHECK(float_of(out[out_vector].part[t]) == sum[t] + static_cast<float>(c), "vector %d", out_vector);
        }
      }
    }
  }
}

int main() {
  weights_in_memory_order<8, 32>(5, 2);
  weights_in_memory_order<24, 128>(7, 3);
  weights_in_memory_order<3, 64>(4, 1);
  weights_in_memory_order<256, 1024>(2, 2);
  weights_in_memory_order<16, 256, 3>(5, 2);
  scales_in_memory_order<1, 64>(5, 2);
  scales_in_memory_order<1, 256>(7, 2);
  scales_in_memory_order<2, 256>(6, 2);
  scales_in_memory_order<8, 512>(16, 1);
  vectors_there_and_back<8, 256>(5);
  vectors_there_and_back<16, 256>(5);
  vectors_there_and_back<3, 256>(4);
  vectors_there_and_back<20, 512>(4);
  engines_share_a_port({{2, 5, 7, 3}, {3, 11, 6, 2}, {0, 4, 4, 4}});
  engines_share_a_port({{5, 2, 40, 4}, {2, 60, 2, 2}, {5, 30, 31, 8}});
  engines_share_a_port({{0, 1, 1, 1}, {0, 1, 1, 1}, {0, 1, 1, 1}});
  std::puts("memory: ok");
}
