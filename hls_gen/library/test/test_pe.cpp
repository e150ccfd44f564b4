// The packed processing element against the plain one: every operand, and the extreme sums of the longest dot product.
#include "check.hpp"
#include "flexdse_hls/pe.hpp"

using namespace flexdse_hls;

// Every (activation, low weight, high weight), started afresh and added to each of a range of earlier sums.
template <int ACC>
void every_operand() {
  using pe = packed_pe<ACC>;
  const int reach = (1 << (ACC - 1)) - 1 - 120;
  const int starts[] = {-reach - 1, -reach / 3, -1, 0, 1, reach / 3, reach};
  for (int x = 0; x < 16; ++x) {
    for (int low = -8; low < 8; ++low) {
      for (int high = -8; high < 8; ++high) {
        const typename pe::sum_pair product = pe::product(pe::pack(low, high), x);
        CHECK(pe::low(product) == low * x && pe::high(product) == high * x, "%d * (%d, %d)", x, low, high);
        for (int start_low : starts) {
          for (int start_high : starts) {
            const typename pe::sum_pair before =
                (typename pe::sum_pair(start_high) << ACC) + typename pe::sum_pair(start_low);
            const typename pe::sum_pair after = before + product;
            const ap_int<ACC> expected_low = plain_mac<ACC>(start_low, x, low);
            const ap_int<ACC> expected_high = plain_mac<ACC>(start_high, x, high);
            CHECK(pe::low(after) == expected_low && pe::high(after) == expected_high, "(%d, %d) + %d * (%d, %d)",
                  start_low, start_high, x, low, high);
          }
        }
      }
    }
  }
}

// The four corners of the sum of `length` products, through pe_row.
template <int LENGTH>
void longest_dot_product() {
  constexpr int kAcc = accumulator_bits(LENGTH);
  pe_row<4, kAcc> row;
  lanes<int4, 4> weights;
  weights[0] = -8;
  weights[1] = 7;
  weights[2] = -8;
  weights[3] = -8;
  for (int k = 0; k < LENGTH; ++k) row.step(pack_weights<4, kAcc>(weights), 15, k == 0);
  CHECK(row.sum(0) == -120 * LENGTH && row.sum(1) == 105 * LENGTH, "low negative, high positive");
  CHECK(row.sum(2) == -120 * LENGTH && row.sum(3) == -120 * LENGTH, "both negative");
}

template <int LENGTH>
void random_dot_products(unsigned seed) {
  constexpr int kAcc = accumulator_bits(LENGTH);
  random_numbers random(seed);
  pe_row<6, kAcc> row;
  long sums[6];
  for (int repeat = 0; repeat < 3; ++repeat) {
    for (int k = 0; k < LENGTH; ++k) {
      lanes<int4, 6> weights;
      const int x = random.below(16);
      for (int n = 0; n < 6; ++n) {
        const int w = random.below(16) - 8;
        weights[n] = w;
        sums[n] = (k == 0 ? 0 : sums[n]) + w * x;
      }
      row.step(pack_weights<6, kAcc>(weights), x, k == 0);
    }
    for (int n = 0; n < 6; ++n) CHECK(row.sum(n).to_int() == sums[n], "lane %d, length %d", n, LENGTH);
  }
}

int main() {
  static_assert(accumulator_bits(1) == 8 && accumulator_bits(2048) == 19 && accumulator_bits(8192) == 21, "widths");
  every_operand<9>();
  every_operand<13>();
  every_operand<22>();
  longest_dot_product<3>();
  longest_dot_product<576>();
  longest_dot_product<8192>();
  longest_dot_product<17476>();
  random_dot_products<5>(1);
  random_dot_products<1536>(2);
  std::puts("pe: ok");
}
