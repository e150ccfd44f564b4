// Purpose: multiply-accumulate modules against pe_array, its drains and dot_products of the library.
#pragma once

#include "bench.hpp"
#include "flexdse_hls/attention_scores.hpp"
#include "flexdse_hls/pe.hpp"
#include "flexdse_hls/systolic_linear.hpp"

namespace flexdse_bench {

using namespace flexdse_hls;

constexpr pe_kind kind_of(int kind) {
  return kind == 0 ? pe_kind::dsp1 : kind == 3 ? pe_kind::dsp4 : kind == 4 ? pe_kind::lut : pe_kind::dsp2;
}

template <bool X_SIGNED, int X_BITS, int W_BITS>
using format_of = mac_format<X_SIGNED ? symmetry::symmetric : symmetry::asymmetric, X_BITS, W_BITS>;

// Dot products of random length; each step promises the column that leaves the drain after it.
template <int ROWS, int COLUMNS, int KIND, int X_BITS, bool X_SIGNED, int W_BITS, int ACC>
class mac_tile_check : public pipeline_check {
 public:
  mac_tile_check(const char* name, int latency, port first, port last, port x, port w, port column, port column_0)
      : pipeline_check(name, latency), random_(ROWS * 131 + COLUMNS * 17 + KIND), first_(first), last_(last), x_(x),
        w_(w), column_(column), column_0_(column_0) {}

 protected:
  std::vector<std::uint64_t> step() override {
    const bool first = left_ == 0;
    if (first) left_ = COLUMNS + random_.below(kLongest - COLUMNS + 1);
    left_ -= 1;
    const bool last = left_ == 0;
    lanes<typename format::w_type, COLUMNS> w;
    lanes<typename format::x_type, ROWS> x;
    first_.set(0, 1, first);
    last_.set(0, 1, last);
    for (int n = 0; n < COLUMNS; ++n) {
      const std::int64_t value = random_.integer(W_BITS, true);
      w[n] = static_cast<typename format::w_type>(value);
      w_.set(n * W_BITS, W_BITS, static_cast<std::uint64_t>(value));
    }
    for (int r = 0; r < ROWS; ++r) {
      const std::int64_t value = random_.integer(X_BITS, X_SIGNED);
      x[r] = static_cast<typename format::x_type>(value);
      x_.set(r * X_BITS, X_BITS, static_cast<std::uint64_t>(value));
    }
    array_.step(w, x, first);
    if (last) {
      drain_.load(array_);
      drained_ = 0;
    }
    if (drained_ < 0 || drained_ >= COLUMNS) return {};  // nothing finished yet, or all has left
    const auto column = drain_.next();
    std::vector<std::uint64_t> wanted{drained_ == 0 ? 1u : 0u};
    for (int r = 0; r < ROWS; ++r) {
      wanted.push_back(static_cast<std::uint64_t>(static_cast<std::int64_t>(static_cast<long long>(column[r]))));
    }
    drained_ += 1;
    return wanted;
  }

  std::vector<std::uint64_t> results() const override {
    std::vector<std::uint64_t> found{column_0_.get(0, 1)};
    for (int r = 0; r < ROWS; ++r) found.push_back(static_cast<std::uint64_t>(column_.get_signed(r * ACC, ACC)));
    return found;
  }

 private:
  using format = format_of<X_SIGNED, X_BITS, W_BITS>;
  // As many products as the accumulator holds, at most 64, so that many dot products end.
  static constexpr int fitting(int terms) {
    return terms > COLUMNS && format::accumulator_bits(terms) > ACC ? fitting(terms - 1) : terms;
  }
  static constexpr int kLongest = fitting(64);
  static_assert(format::accumulator_bits(kLongest) <= ACC, "the accumulator holds a dot product of COLUMNS terms");

  random_numbers random_;
  pe_array<ROWS, COLUMNS, format, ACC, kind_of(KIND)> array_;
  column_drain<ROWS, COLUMNS, ACC> drain_;
  int left_ = 0;
  int drained_ = -1;
  port first_, last_, x_, w_, column_, column_0_;
};

// Values that a function of the library takes either as an array or as lanes.
template <class T, int N>
struct either_form {
  lanes<T, N> values;
  operator const lanes<T, N>&() const { return values; }
  using array = const T[N];
  operator array&() const { return values.lane; }
};

template <int TERMS, int ROWS, int KIND, int X_BITS, bool X_SIGNED, int W_BITS, int ACC>
class dot_product_check : public pipeline_check {
 public:
  dot_product_check(const char* name, int latency, port x, port w, port sums)
      : pipeline_check(name, latency), random_(TERMS * 7 + ROWS * 3 + KIND), x_(x), w_(w), sums_(sums) {}

 protected:
  std::vector<std::uint64_t> step() override {
    typename format::x_type rows[ROWS][TERMS];
    either_form<typename format::w_type, TERMS> key;
    for (int i = 0; i < TERMS; ++i) {
      const std::int64_t weight = random_.integer(W_BITS, true);
      key.values[i] = static_cast<typename format::w_type>(weight);
      w_.set(i * W_BITS, W_BITS, static_cast<std::uint64_t>(weight));
      for (int r = 0; r < ROWS; ++r) {
        const std::int64_t value = random_.integer(X_BITS, X_SIGNED);
        rows[r][i] = static_cast<typename format::x_type>(value);
        x_.set((r * TERMS + i) * X_BITS, X_BITS, static_cast<std::uint64_t>(value));
      }
    }
    const auto sums = dot_products<format, kind_of(KIND), ROWS, TERMS, ACC>(rows, key);
    std::vector<std::uint64_t> wanted;
    for (int r = 0; r < ROWS; ++r) wanted.push_back(static_cast<std::uint64_t>(static_cast<long long>(sums[r])));
    return wanted;
  }

  std::vector<std::uint64_t> results() const override {
    std::vector<std::uint64_t> found;
    for (int r = 0; r < ROWS; ++r) found.push_back(static_cast<std::uint64_t>(sums_.get_signed(r * ACC, ACC)));
    return found;
  }

 private:
  using format = format_of<X_SIGNED, X_BITS, W_BITS>;
  static_assert(ACC == format::accumulator_bits(TERMS), "the sums are as wide as their terms make them");
  random_numbers random_;
  port x_, w_, sums_;
};

}  // namespace flexdse_bench
