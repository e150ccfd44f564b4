// The processing elements of every kind against plain multiply-accumulates: every operand, and the extreme sums of the
// longest dot products.
#include "check.hpp"
#include "flexdse_hls/pe.hpp"

using namespace flexdse_hls;

template <class F>
struct operand_range {
  static constexpr int kLowX = F::kUnsignedActivations ? 0 : -F::kMaxActivationMagnitude;
  static constexpr int kHighX = F::kUnsignedActivations ? F::kMaxActivationMagnitude : F::kMaxActivationMagnitude - 1;
  static constexpr int kLowW = -F::kMaxWeightMagnitude;
  static constexpr int kHighW = F::kMaxWeightMagnitude - 1;
};

// Two steps on 2 rows x 2 lanes: all combinations of two weights and one activation, its neighbour beside it.
template <class F, pe_kind KIND, int STRIDE>
void every_operand() {
  using range = operand_range<F>;
  constexpr int kAcc = F::accumulator_bits(2);
  pe_array<2, 2, F, kAcc, KIND> array;
  for (int x = range::kLowX; x <= range::kHighX; x += STRIDE) {
    const int other = range::kLowX + range::kHighX - x;
    for (int low = range::kLowW; low <= range::kHighW; low += STRIDE) {
      for (int high = range::kLowW; high <= range::kHighW; high += STRIDE) {
        const int ws[2] = {low, high};
        const int xs[2] = {x, other};
        lanes<typename F::w_type, 2> w = {{static_cast<typename F::w_type>(low), static_cast<typename F::w_type>(high)}};
        lanes<typename F::x_type, 2> row = {{static_cast<typename F::x_type>(x), static_cast<typename F::x_type>(other)}};
        for (int step = 1; step <= 2; ++step) {
          array.step(w, row, step == 1);
          for (int r = 0; r < 2; ++r) {
            for (int n = 0; n < 2; ++n) {
              CHECK(static_cast<int>(array.sum(r, n)) == step * xs[r] * ws[n], "row %d lane %d: %d * %d", r, n, xs[r], ws[n]);
            }
          }
        }
      }
    }
  }
}

// The corners of the sum of `LENGTH` products.
template <class F, pe_kind KIND, int LENGTH>
void longest_dot_product() {
  using range = operand_range<F>;
  constexpr int kAcc = F::accumulator_bits(LENGTH);
  pe_array<2, 4, F, kAcc, KIND> array;
  const int ws[4] = {range::kLowW, range::kHighW, range::kLowW, range::kLowW};
  const int xs[2] = {range::kHighX, range::kLowX};
  lanes<typename F::w_type, 4> w;
  for (int n = 0; n < 4; ++n) w[n] = static_cast<typename F::w_type>(ws[n]);
  const lanes<typename F::x_type, 2> x = {{static_cast<typename F::x_type>(xs[0]), static_cast<typename F::x_type>(xs[1])}};
  for (int k = 0; k < LENGTH; ++k) array.step(w, x, k == 0);
  for (int r = 0; r < 2; ++r) {
    for (int n = 0; n < 4; ++n) {
      CHECK(static_cast<int>(array.sum(r, n)) == LENGTH * xs[r] * ws[n], "row %d lane %d, length %d", r, n, LENGTH);
    }
  }
}

template <class F, pe_kind KIND, int LENGTH>
void random_dot_products(unsigned seed) {
  using range = operand_range<F>;
  constexpr int kAcc = F::accumulator_bits(LENGTH);
  random_numbers random(seed);
  pe_array<2, 6, F, kAcc, KIND> array;
  int sums[2][6] = {};
  for (int repeat = 0; repeat < 3; ++repeat) {
    for (int k = 0; k < LENGTH; ++k) {
      lanes<typename F::w_type, 6> w;
      lanes<typename F::x_type, 2> x;
      for (auto& value : x.lane) {
        value = static_cast<typename F::x_type>(range::kLowX + random.below(range::kHighX - range::kLowX + 1));
      }
      for (int n = 0; n < 6; ++n) {
        w[n] = static_cast<typename F::w_type>(range::kLowW + random.below(range::kHighW - range::kLowW + 1));
        for (int r = 0; r < 2; ++r) {
          sums[r][n] = (k == 0 ? 0 : sums[r][n]) + static_cast<int>(w[n]) * static_cast<int>(x[r]);
        }
      }
      array.step(w, x, k == 0);
    }
    for (int r = 0; r < 2; ++r) {
      for (int n = 0; n < 6; ++n) CHECK(static_cast<int>(array.sum(r, n)) == sums[r][n], "row %d lane %d", r, n);
    }
  }
}

template <class F, pe_kind KIND, int STRIDE>
void kind_of_format() {
  every_operand<F, KIND, STRIDE>();
  longest_dot_product<F, KIND, 3>();
  longest_dot_product<F, KIND, 1536>();
  longest_dot_product<F, KIND, 17476>();
  random_dot_products<F, KIND, 5>(1);
  random_dot_products<F, KIND, 577>(2);
}

int main() {
  using w4a4 = mac_format<symmetry::asymmetric, 4, 4>;
  using w4a4_symmetric = mac_format<symmetry::symmetric, 4, 4>;
  using w4a8 = mac_format<symmetry::asymmetric, 8, 4>;
  using w8a8 = mac_format<symmetry::symmetric, 8, 8>;
  using w8a8_asymmetric = mac_format<symmetry::asymmetric, 8, 8>;
  static_assert(accumulator_bits(1) == 8 && accumulator_bits(2048) == 19 && accumulator_bits(8192) == 21, "widths");
  static_assert(w8a8_asymmetric::accumulator_bits(1) == 16, "width of a product of int8");
  kind_of_format<w4a4, pe_kind::dsp1, 1>();
  kind_of_format<w4a4, pe_kind::dsp2, 1>();
  kind_of_format<w4a4, pe_kind::dsp4, 1>();
  kind_of_format<w4a4, pe_kind::lut, 1>();
  kind_of_format<w4a4_symmetric, pe_kind::dsp4, 1>();
  kind_of_format<w4a8, pe_kind::dsp2, 3>();
  kind_of_format<w8a8, pe_kind::dsp2, 5>();
  kind_of_format<w8a8_asymmetric, pe_kind::dsp2, 5>();
  kind_of_format<w8a8_asymmetric, pe_kind::lut, 5>();
  std::puts("pe: ok");
}
