// Purpose: the processing element: multiply-accumulate of uint4 activations and int4 weights, two to a DSP.
//
// Two weights share one multiplier: with S = ACC bits, (high * 2^S + low) * x = (high * x) * 2^S + low * x. The sum over
// a dot product stays in one 2S-bit accumulator; `low` and `high` split it once at the end, giving back the borrow that
// a negative low half took from the high half. The library's tests prove this equal to `plain_mac` for every operand.
//
// Template parameters: ACC bits of one accumulator (accumulator_bits of the longest dot product); LANES weights of a
// cycle, paired (2i, 2i+1).
// II 1 with a 1-cycle accumulate recurrence inside the DSP; DSPs: 1 per pair.
#pragma once

#include "flexdse_hls/ints.hpp"
#include "flexdse_hls/lanes.hpp"

namespace flexdse_hls {

template <int ACC>
ap_int<ACC> plain_mac(ap_int<ACC> sum, uint4 activation, int4 weight) {
#pragma HLS inline
  return sum + activation * weight;
}

template <int ACC>
struct packed_pe {
  // The product (-8 * 2^S - 8) of the two most negative weights needs S + 5 bits.
  static constexpr int kOperandBits = ACC + 5;
  static_assert(ACC >= 9, "an accumulator holds at least one product of a uint4 and an int4");
  static_assert(kOperandBits <= kMultiplierOperandBits,
                "two packed weights exceed the 27-bit multiplier input: shorten the dot product to 17476 channels");
  static_assert(2 * ACC <= kDspAccumulatorBits, "two packed sums exceed the 48-bit accumulator of a DSP");

  using weight_pair = ap_int<kOperandBits>;
  using sum_pair = ap_int<2 * ACC>;

  static weight_pair pack(int4 low, int4 high) {
#pragma HLS inline
    return (weight_pair(high) << ACC) + low;
  }

  static sum_pair product(weight_pair weights, uint4 activation) {
#pragma HLS inline
    return weights * activation;
  }

  static ap_int<ACC> low(sum_pair sums) {
#pragma HLS inline
    return ap_int<ACC>(sums);
  }

  static ap_int<ACC> high(sum_pair sums) {
#pragma HLS inline
    return ap_int<ACC>(sums >> ACC) + (low(sums) < 0 ? 1 : 0);
  }
};

// One row of processing elements: LANES weights times one activation, LANES / 2 DSPs.
template <int LANES, int ACC>
struct pe_row {
  static_assert(LANES >= 2 && LANES % 2 == 0, "weights are packed in pairs: the lanes of a row must be even");
  using pe = packed_pe<ACC>;

  typename pe::sum_pair sums[LANES / 2];

  pe_row() {
#pragma HLS array_partition variable=sums complete
  }

  // `first` starts a new dot product.
  void step(const lanes<typename pe::weight_pair, LANES / 2>& weights, uint4 activation, bool first) {
#pragma HLS inline
  Unroll_Pair:
    for (int i = 0; i < LANES / 2; ++i) {
#pragma HLS unroll
      const typename pe::sum_pair product = pe::product(weights[i], activation);
#pragma HLS bind_op variable=product op=mul impl=dsp
      sums[i] = first ? product : typename pe::sum_pair(sums[i] + product);
    }
  }

  ap_int<ACC> sum(int lane) const {
#pragma HLS inline
    return lane % 2 == 0 ? pe::low(sums[lane / 2]) : pe::high(sums[lane / 2]);
  }
};

template <int LANES, int ACC>
lanes<typename packed_pe<ACC>::weight_pair, LANES / 2> pack_weights(const lanes<int4, LANES>& weights) {
#pragma HLS inline
  lanes<typename packed_pe<ACC>::weight_pair, LANES / 2> pairs;
Unroll_Pair:
  for (int i = 0; i < LANES / 2; ++i) {
#pragma HLS unroll
    pairs[i] = packed_pe<ACC>::pack(weights[2 * i], weights[2 * i + 1]);
  }
  return pairs;
}

}  // namespace flexdse_hls
