// Adders, repeated parameters and rounding against naive references; modules with nothing to do; and the least depths of
// FIFOs. An argument picks a run with one FIFO too shallow, which has to end in a deadlock.
#include <cmath>
#include <cstring>
#include <vector>

#include "check.hpp"
#include "flexdse_hls/add_bias.hpp"
#include "flexdse_hls/hadamard.hpp"
#include "flexdse_hls/quantize_dynamic.hpp"
#include "flexdse_hls/quantize_static.hpp"
#include "flexdse_hls/repeat_words.hpp"
#include "flexdse_hls/residual.hpp"
#include "flexdse_hls/rms_norm.hpp"
#include "flexdse_hls/rope.hpp"
#include "flexdse_hls/sampler.hpp"
#include "flexdse_hls/softmax.hpp"
#include "flexdse_hls/swiglu.hpp"

using namespace flexdse_hls;

template <class T>
void send(stream<T>& out, const std::vector<T>& values) {
  for (const T& value : values) out.write(value);
}

template <class T>
void collect(stream<T>& in, std::vector<T>& values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) values.push_back(in.read());
}

template <int LANES>
std::vector<lanes<float, LANES>> random_words(random_numbers& random, int count) {
  std::vector<lanes<float, LANES>> words(count);
  for (auto& word : words) {
    for (float& value : word.lane) value = random.real();
  }
  return words;
}

template <int TP, int CP>
void adders(random_numbers& random) {
  constexpr int kLanes = TP * CP;
  const int words = 5;
  const int blocks = 3;
  const auto a = random_words<kLanes>(random, words * blocks);
  const auto b = random_words<kLanes>(random, words * blocks);
  const auto bias = random_words<CP>(random, words);
  fifo<lanes<float, kLanes>, 1> x("x");
  fifo<lanes<float, kLanes>, 1> branch("branch");
  fifo<lanes<float, kLanes>, 1> sum("sum");
  fifo<lanes<float, CP>, 1> biases("biases");
  fifo<lanes<float, CP>, 1> repeated("repeated");
  fifo<lanes<float, kLanes>, 1> y("y");
  std::vector<lanes<float, kLanes>> got;
  auto repeat = &repeat_words<lanes<float, CP>, 8>;
  auto add = &add_bias<TP, CP>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(x, a));
  FLEXDSE_PROCESS(send(branch, b));
  FLEXDSE_PROCESS(send(biases, bias));
  FLEXDSE_PROCESS(add_residual<kLanes>(x, branch, sum, words, blocks));
  FLEXDSE_PROCESS(repeat(biases, repeated, words, blocks));
  FLEXDSE_PROCESS(add(sum, repeated, y, words, blocks));
  FLEXDSE_PROCESS(collect(y, got, a.size()));
  FLEXDSE_DATAFLOW_END;
  for (std::size_t w = 0; w < a.size(); ++w) {
    for (int i = 0; i < kLanes; ++i) {
      const float both = a[w][i] + b[w][i];
      const float expected = both + bias[w % words][i % CP];
      CHECK(got[w][i] == expected, "word %zu lane %d", w, i);
    }
  }
}

template <int BITS>
void rounding() {
  const int top = (1 << BITS) - 1;
  for (std::uint32_t bits = 0; bits < bits_of(3.0e6f); bits += 100003) {
    const float value = float_of(bits);
    const float nearest = std::nearbyint(value);
    const int unsigned_one = nearest > top ? top : static_cast<int>(nearest);
    CHECK(static_cast<int>(round_to_unsigned<BITS>(value)) == unsigned_one, "%d bits: %.9g", BITS, value);
    const int high = (1 << (BITS - 1)) - 1;
    const int positive = nearest > high ? high : static_cast<int>(nearest);
    const int negative = nearest > high + 1 ? -high - 1 : -static_cast<int>(nearest);
    CHECK(static_cast<int>(round_to_signed<BITS>(value)) == positive, "%d bits: %.9g", BITS, value);
    CHECK(static_cast<int>(round_to_signed<BITS>(-value)) == negative, "%d bits: -%.9g", BITS, value);
  }
}

// Whatever a module would read or write here would stand for ever, or be left in a stream.
void nothing_to_do() {
  fifo<lanes<float, 2>, 1> a("a");
  fifo<lanes<float, 2>, 1> b("b");
  fifo<lanes<float, 2>, 1> c("c");
  fifo<lanes<float, 1>, 1> narrow("narrow");
  fifo<rope_word<2>, 1> table("table");
  fifo<token_scale, 1> scales("scales");
  fifo<lanes<int_t<8>, 2>, 1> quantized[1];
  fifo<lanes<int_t<8>, 2>, 1> q("q");
  fifo<lanes<uint_t<8>, 2>, 1> weights("weights");
  fifo<int, 1> token("token");
  rms_norm<2, 1, 4>(a, narrow, b, 1e-5f, 4, 0);
  rope<2, 2>(a, table, b, 3, 0);
  softmax<attention_rows::tokens, 2, 1, 8, 4>(a, weights, b, 1, 0, 0);
  swiglu<2>(a, b, c, 4, 0);
  add_residual<2>(a, b, c, 4, 0);
  add_bias<2, 1>(a, narrow, b, 4, 0);
  quantize_dynamic<symmetry::symmetric, 8, 2, 1, 4, 1, 1>(a, scales, quantized, 4, 0);
  quantize_static<8, 2, 1>(a, narrow, q, 4, 0);
  hadamard_serial<12, 2, 1>(a, b, 0);
  hadamard_streaming<12, 2, 1>(a, b, 0);
  repeat_words<int, 2>(token, token, 2, 0);
  sample<2, 1, 2>(a, token, {1, 1.0f}, 1, 5, 0);
}

constexpr int kWords = 6;

void fork(stream<lanes<float, 1>>& in, stream<lanes<float, 1>>& skip, stream<lanes<float, 1>>& branch) {
  for (int i = 0; i < kWords; ++i) {
    const lanes<float, 1> word = in.read();
    skip.write(word);
    branch.write(word);
  }
}

// x around a norm that keeps a whole token back: the FIFO of the residual holds a token.
template <int SKIP_DEPTH>
void norm_and_residual() {
  random_numbers random(3);
  const auto x = random_words<1>(random, kWords);
  const std::vector<lanes<float, 1>> gammas(kWords, {{1.0f}});
  fifo<lanes<float, 1>, 1> in("test.in");
  fifo<lanes<float, 1>, SKIP_DEPTH> skip("test.skip");
  fifo<lanes<float, 1>, 1> branch("test.branch");
  fifo<lanes<float, 1>, 1> gamma("test.gamma");
  fifo<lanes<float, 1>, 1> normed("test.normed");
  fifo<lanes<float, 1>, 1> out("test.out");
  std::vector<lanes<float, 1>> y;
  auto norm = &rms_norm<1, 1, kWords>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(in, x));
  FLEXDSE_PROCESS(send(gamma, gammas));
  FLEXDSE_PROCESS(fork(in, skip, branch));
  FLEXDSE_PROCESS(norm(branch, gamma, normed, 1e-5f, kWords, 1));
  FLEXDSE_PROCESS(add_residual<1>(skip, normed, out, kWords, 1));
  FLEXDSE_PROCESS(collect(out, y, kWords));
  FLEXDSE_DATAFLOW_END;
  double squares = 0;
  for (const auto& word : x) squares += static_cast<double>(word[0]) * word[0];
  for (int i = 0; i < kWords; ++i) {
    const double expected = x[i][0] + x[i][0] / std::sqrt(squares / kWords + 1e-5);
    CHECK(std::fabs(y[i][0] - expected) < 1e-5, "word %d: %g, not %g", i, y[i][0], expected);
  }
}

void values_then_scales(stream<lanes<int_t<8>, 3>>& quantized, stream<token_scale>& scales) {
  for (int i = 0; i < kWords; ++i) quantized.read();
  for (int t = 0; t < 3; ++t) scales.read();
}

// Three tokens side by side: their three scales come before the values.
template <int SCALE_DEPTH>
void scales_before_values() {
  random_numbers random(4);
  const auto x = random_words<3>(random, kWords);
  fifo<lanes<float, 3>, 1> in("test.in");
  fifo<token_scale, SCALE_DEPTH> scales("test.scales");
  fifo<lanes<int_t<8>, 3>, 1> quantized[1];
  FLEXDSE_NAME_STREAMS(quantized, "test.quantized");
  auto quantize_it = &quantize_dynamic<symmetry::symmetric, 8, 3, 1, kWords, 1, 1, quotient::divide>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(in, x));
  FLEXDSE_PROCESS(quantize_it(in, scales, quantized, kWords, 1));
  FLEXDSE_PROCESS(values_then_scales(quantized[0], scales));
  FLEXDSE_DATAFLOW_END;
}

int main(int argc, char** argv) {
  const char* mistake = argc > 1 ? argv[1] : "";
  if (std::strcmp(mistake, "residual") == 0) norm_and_residual<kWords - 1>();
  if (std::strcmp(mistake, "scales") == 0) scales_before_values<2>();
  if (argc > 1) return 0;

  random_numbers random(1);
  adders<1, 1>(random);
  adders<3, 1>(random);
  adders<1, 4>(random);
  adders<2, 2>(random);
  rounding<4>();
  rounding<8>();
  rounding<16>();
  nothing_to_do();
  norm_and_residual<kWords>();
  scales_before_values<3>();
  std::puts("data_path: ok");
}
