// Purpose: processing elements: ROWS activations x LANES weights of multiply-accumulates a cycle, in DSPs or in LUTs.
//
// Weights that share a multiplier: with fields F bits apart, (high * 2^F + low) * x = (high * x) * 2^F + low * x. A field
// is split off by its sign; the field above gets back the borrow that a negative one took. Kinds:
//   dsp2  two weights a multiplier. Where two sums fit a DSP's accumulator (F = ACC), they stay in it until the dot
//         product ends; where they do not (int8), each product is split at once (F = product bits) and summed in LUTs.
//   dsp4  two weights x two activations (of two tokens) a multiplier, four products split at once: up to 4 bit each.
//   dsp1  one product a multiplier.   lut  products in LUTs.
// All kinds compute the same sums; the library's tests prove them equal for every operand of a product. The fast C simulation
// therefore computes plain products.
//
// Template parameters: ROWS tokens; LANES weights of a cycle; F mac_format; ACC bits of a sum; KIND.
// II 1, a 1-cycle accumulate recurrence. DSPs: ROWS * LANES / {1, 2, 4, none}.
#pragma once

#include "flexdse_hls/ints.hpp"
#include "flexdse_hls/lanes.hpp"

namespace flexdse_hls {

enum class pe_kind { dsp1, dsp2, dsp4, lut };

// What the kinds must equal.
template <class F, int ACC>
int_t<ACC> plain_mac(int_t<ACC> sum, typename F::x_type x, typename F::w_type w) {
#pragma HLS inline
  return int_t<ACC>(sum + x * w);
}

// COUNT signed fields of FIELD bits in one word, each the lower part of the sum of those below it.
template <int COUNT, int FIELD>
lanes<int_t<FIELD>, COUNT> split_fields(int_t<COUNT * FIELD> word) {
#pragma HLS inline
  lanes<int_t<FIELD>, COUNT> fields;
Field_Unroll:
  for (int i = 0; i < COUNT; ++i) {
#pragma HLS unroll
    fields[i] = int_t<FIELD>(word);
    word = int_t<COUNT * FIELD>((word - fields[i]) >> FIELD);
  }
  return fields;
}

// Two weights FIELD bits apart.
template <class F, int FIELD>
struct weight_pair {
  // The product field and the weight above it, which may be the most negative one minus a borrow.
  static constexpr int kBits = FIELD + F::kWeightBits + 1;
  static_assert(FIELD >= F::accumulator_bits(1), "a field holds at least one product");
  static_assert(kBits <= kMultiplierOperandBits,
                "two packed weights exceed the 27-bit multiplier input: shorten the dot product or the operands");
  using type = int_t<kBits>;

  static type pack(typename F::w_type low, typename F::w_type high) {
#pragma HLS inline
    return type((type(high) << FIELD) + low);
  }
};

template <int ROWS, int LANES, class F, int ACC, pe_kind KIND>
class pe_array {
  static_assert(ROWS >= 1, "an array of processing elements has at least one row");
  static_assert(LANES >= 2 && LANES % 2 == 0, "weights are packed in pairs: the lanes of a row must be even");
  static_assert(ACC >= F::accumulator_bits(1), "an accumulator holds at least one product");
  static_assert(KIND != pe_kind::dsp4 || ROWS % 2 == 0, "four products a DSP take the activations of two rows");
  static_assert(KIND != pe_kind::dsp4 || (F::kWeightBits <= 4 && F::kActivationBits <= 4),
                "four products fit a DSP up to 4 bits an operand");

 public:
  using x_type = typename F::x_type;
  using w_type = typename F::w_type;

  static constexpr int kProductBits = F::accumulator_bits(1);
#ifdef FLEXDSE_FAST_CSIM
  static constexpr bool kSumsArePacked = false;
#else
  static constexpr bool kSumsArePacked = KIND == pe_kind::dsp2 && 2 * ACC <= kDspAccumulatorBits &&
                                         ACC + F::kWeightBits + 1 <= kMultiplierOperandBits;
#endif

  pe_array() {
#pragma HLS array_partition variable=sums_ complete dim=0
  }

  // `first` starts a new dot product.
  void step(const lanes<w_type, LANES>& w, const lanes<x_type, ROWS>& x, bool first) {
#pragma HLS inline
#ifdef FLEXDSE_FAST_CSIM
    for (int r = 0; r < ROWS; ++r) {
      const int value = x[r];
      if (first) {
        for (int n = 0; n < LANES; ++n) sums_[r][n] = static_cast<sum_type>(value * w[n]);
      } else {
        for (int n = 0; n < LANES; ++n) sums_[r][n] = static_cast<sum_type>(sums_[r][n] + value * w[n]);
      }
    }
#else
    if constexpr (kSumsArePacked) {
      step_packed(w, x, first);
    } else if constexpr (KIND == pe_kind::dsp2) {
      step_pairs(w, x, first);
    } else if constexpr (KIND == pe_kind::dsp4) {
      step_quads(w, x, first);
    } else {
      step_single(w, x, first);
    }
#endif
  }

  int_t<ACC> sum(int row, int lane) const {
#pragma HLS inline
    if constexpr (kSumsArePacked) {
      return split_fields<2, ACC>(sums_[row][lane / 2])[lane % 2];
    } else {
      return sums_[row][lane];
    }
  }

 private:
  using sum_type = int_t<kSumsArePacked ? 2 * ACC : ACC>;
  static constexpr int kSums = kSumsArePacked ? LANES / 2 : LANES;

#ifndef FLEXDSE_FAST_CSIM
  void accumulate(int row, int lane, int_t<kProductBits> product, bool first) {
#pragma HLS inline
    // Of this form it packs into the accumulator of a DSP; a choice behind the sum would cost a LUT a bit.
    sums_[row][lane] = sum_type((first ? sum_type(0) : sums_[row][lane]) + product);
  }

  void step_packed(const lanes<w_type, LANES>& w, const lanes<x_type, ROWS>& x, bool first) {
#pragma HLS inline
  Pair_Unroll:
    for (int i = 0; i < LANES / 2; ++i) {
#pragma HLS unroll
      const typename weight_pair<F, ACC>::type pair = weight_pair<F, ACC>::pack(w[2 * i], w[2 * i + 1]);
    Row_Unroll:
      for (int r = 0; r < ROWS; ++r) {
#pragma HLS unroll
        const sum_type product = pair * x[r];
#pragma HLS bind_op variable=product op=mul impl=dsp
        sums_[r][i] = sum_type((first ? sum_type(0) : sums_[r][i]) + product);
      }
    }
  }

  void step_pairs(const lanes<w_type, LANES>& w, const lanes<x_type, ROWS>& x, bool first) {
#pragma HLS inline
  Pair_Unroll:
    for (int i = 0; i < LANES / 2; ++i) {
#pragma HLS unroll
      const auto pair = weight_pair<F, kProductBits>::pack(w[2 * i], w[2 * i + 1]);
    Row_Unroll:
      for (int r = 0; r < ROWS; ++r) {
#pragma HLS unroll
        const int_t<2 * kProductBits> product = pair * x[r];
#pragma HLS bind_op variable=product op=mul impl=dsp
        const auto products = split_fields<2, kProductBits>(product);
        accumulate(r, 2 * i, products[0], first);
        accumulate(r, 2 * i + 1, products[1], first);
      }
    }
  }

  void step_quads(const lanes<w_type, LANES>& w, const lanes<x_type, ROWS>& x, bool first) {
#pragma HLS inline
    constexpr int kField = kProductBits;
    static_assert(3 * kField + 1 <= kMultiplierOperandBits, "two weights two fields apart fit the multiplier");
    static_assert(2 * kField + 1 <= kNarrowOperandBits, "two activations a field apart fit the multiplier");
  Row_Unroll:
    for (int r = 0; r < ROWS; r += 2) {
#pragma HLS unroll
      const int_t<2 * kField + 1> activations = (int_t<2 * kField + 1>(x[r + 1]) << kField) + x[r];
    Pair_Unroll:
      for (int i = 0; i < LANES / 2; ++i) {
#pragma HLS unroll
        const int_t<3 * kField + 1> weights = (int_t<3 * kField + 1>(w[2 * i + 1]) << (2 * kField)) + w[2 * i];
        const int_t<4 * kField> product = weights * activations;
#pragma HLS bind_op variable=product op=mul impl=dsp
        const auto products = split_fields<4, kField>(product);
        accumulate(r, 2 * i, products[0], first);
        accumulate(r + 1, 2 * i, products[1], first);
        accumulate(r, 2 * i + 1, products[2], first);
        accumulate(r + 1, 2 * i + 1, products[3], first);
      }
    }
  }

  void step_single(const lanes<w_type, LANES>& w, const lanes<x_type, ROWS>& x, bool first) {
#pragma HLS inline
  Row_Unroll:
    for (int r = 0; r < ROWS; ++r) {
#pragma HLS unroll
    Lane_Unroll:
      for (int n = 0; n < LANES; ++n) {
#pragma HLS unroll
        if constexpr (KIND == pe_kind::lut) {
          const int_t<kProductBits> product = x[r] * w[n];
#pragma HLS bind_op variable=product op=mul impl=fabric
          accumulate(r, n, product, first);
        } else {
          const int_t<kProductBits> product = x[r] * w[n];
#pragma HLS bind_op variable=product op=mul impl=dsp
          accumulate(r, n, product, first);
        }
      }
    }
  }
#endif

  sum_type sums_[ROWS][kSums];
};

}  // namespace flexdse_hls
