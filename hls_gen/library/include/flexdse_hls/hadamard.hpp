// Purpose: orthonormal Hadamard transform of vectors, serial over a buffer or streaming (numerics.md, "Hadamard").
//
// N = base * 2^k. Channel b * 2^k + j meets row b of the base (hadamard_signs.hpp) and row j of Sylvester's matrix:
// butterflies (u + v, u - v) of stride 1, 2, 4 ... within each 2^k channels, then the rows of the base summed left to
// right, then the factor fp32(1 / sqrt(N)). Which operations there are, and in which order a value meets them, is the same
// in every form, so all forms give the same bits. A block-wise transform of d channels is d / N vectors of N.
// Template parameters: N order; TP tokens side by side, CP channels of each a word; ADDERS rows of the base at a time.
// Streams: in, `vectors` vectors of N / CP words of TP x CP fp32 (lane t * CP + c, channels in order); out, the same.
// hadamard_serial: one buffer, one butterfly of a word. Latency per vector, with W = N / CP words and 2^k channels of a
// base row: W * (2 + k - log2 CP + base / ADDERS), the last term only where base > 1, and for each of the k - log2 CP strides
// the depth of its pipeline and a cycle more; II 1 (butterflies: two words in two cycles). Buffers: W x TP x CP fp32 and
// ADDERS x W / base x TP x CP. Adders: TP * CP * (log2 CP + 2 + ADDERS).
// hadamard_streaming: a word every cycle. Latency of the first word 2^k / CP, plus W where base > 1. Buffers:
// about 2 x 2^k / CP words; base > 1: 2 W more. Adders: TP * CP * (k + base).
// The sums over base rows need 2^k / CP at least as large as the adder's latency for II 1.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/hadamard_signs.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/real.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

// fp32(1 / sqrt(n)), by Newton's method in double precision at compile time.
constexpr float inverse_root(int n) {
  double root = n;
  for (int i = 0; i < 64; ++i) root = 0.5 * (root + n / root);
  return static_cast<float>(1.0 / root);
}

template <int N, int TP, int CP>
struct hadamard_shape {
  static constexpr int kBase = hadamard_base(N);
  static_assert(kBase > 0, "the order of a Hadamard transform is a base of Paley times a power of two");
  static constexpr int kPower = kBase > 0 ? N / (kBase > 0 ? kBase : 1) : 1;
  static_assert(TP >= 1 && CP >= 1, "a Hadamard transform needs at least one token and one channel a word");
  static_assert((CP & (CP - 1)) == 0 && kPower % CP == 0,
                "the channels of a word must be a power of two that divides the power of two in the order");
  static constexpr int kRowWords = kPower / CP;  // words of one row of the base
  static constexpr int kWords = N / CP;
  static constexpr int kLanes = TP * CP;
  using word = lanes<real, TP * CP>;
};

// The butterflies whose channels lie in one word: strides 1 to CP / 2.
template <int TP, int CP>
lanes<real, TP * CP> butterflies_in_word(lanes<real, TP * CP> x) {
#pragma HLS inline
Stride_Unroll:
  for (int stride = 1; stride < CP; stride *= 2) {
#pragma HLS unroll
  Pair_Unroll:
    for (int i = 0; i < TP * CP; ++i) {
#pragma HLS unroll
      if (i % CP / stride % 2 == 0) {
        const real u = x[i];
        const real v = x[i + stride];
        x[i] = fp_add(u, v);
        x[i + stride] = fp_sub(u, v);
      }
    }
  }
  return x;
}

template <int LANES>
lanes<real, LANES> scaled_word(const lanes<real, LANES>& x, real factor) {
#pragma HLS inline
  lanes<real, LANES> y;
Lane_Unroll:
  for (int i = 0; i < LANES; ++i) {
#pragma HLS unroll
    y[i] = fp_mul(x[i], factor);
  }
  return y;
}

// sum + x or sum - x; `first` starts a sum with x or -x.
inline real signed_sum(real sum, real x, bool negative, bool first) {
#pragma HLS inline
  const real term = negative ? -x : x;
  return first ? term : fp_add(sum, term);
}

template <int N, int TP, int CP, int ADDERS = 1>
void hadamard_serial(stream<lanes<real, TP * CP>>& x, stream<lanes<real, TP * CP>>& y, int vectors) {
  using shape = hadamard_shape<N, TP, CP>;
  static_assert(ADDERS >= 1 && shape::kBase % ADDERS == 0, "the adders of a Hadamard transform must divide the base");
  constexpr int kWords = shape::kWords;
  constexpr int kRowWords = shape::kRowWords;
  constexpr float kInverseRoot = inverse_root(N);
  const real factor = rounded_to<real>(kInverseRoot);
  constexpr hadamard_signs<shape::kBase> kSigns;

  typename shape::word buffer[kWords];
#pragma HLS aggregate variable=buffer
#pragma HLS bind_storage variable=buffer type=ram_t2p impl=bram

Vector:
  for (int vector = 0; vector < vectors; ++vector) {
  Load_Pipeline:
    for (int w = 0; w < kWords; ++w) {
#pragma HLS pipeline II=1
      buffer[w] = butterflies_in_word<TP, CP>(x.read());
    }
  Level:
    for (int level = 0; 1 << level < kRowWords; ++level) {
    Butterfly_Pipeline:
      for (int pair = 0; pair < kWords / 2; ++pair) {
#pragma HLS pipeline II=2
#pragma HLS dependence variable=buffer type=inter false
#pragma HLS loop_flatten off
        // The pairs of a stride are disjoint; but a stride reads what the one before has written, so the strides stay pipelines of
        // their own. Shifts, as a division by the stride would be built.
        const int stride = 1 << level;
        const int low = (pair >> level << (level + 1)) + (pair & (stride - 1));
        const typename shape::word u = buffer[low];
        const typename shape::word v = buffer[low + stride];
        typename shape::word sum;
        typename shape::word difference;
      Lane_Unroll:
        for (int i = 0; i < shape::kLanes; ++i) {
#pragma HLS unroll
          sum[i] = fp_add(u[i], v[i]);
          difference[i] = fp_sub(u[i], v[i]);
        }
        buffer[low] = sum;
        buffer[low + stride] = difference;
      }
    }
    if constexpr (shape::kBase == 1) {
    Scale_Pipeline:
      for (int w = 0; w < kWords; ++w) {
#pragma HLS pipeline II=1
        y.write(scaled_word(buffer[w], factor));
      }
    } else {
      typename shape::word sums[ADDERS][kRowWords];
#pragma HLS aggregate variable=sums
#pragma HLS array_partition variable=sums complete dim=1
    Row:
      for (int first_row = 0; first_row < shape::kBase; first_row += ADDERS) {
      Column:
        for (int column = 0; column < shape::kBase; ++column) {
        Sum_Pipeline:
          for (int j = 0; j < kRowWords; ++j) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
            const typename shape::word term = buffer[column * kRowWords + j];
          Adder_Unroll:
            for (int a = 0; a < ADDERS; ++a) {
#pragma HLS unroll
              typename shape::word sum = sums[a][j];
            Sum_Unroll:
              for (int i = 0; i < shape::kLanes; ++i) {
#pragma HLS unroll
                sum[i] = signed_sum(sum[i], term[i], kSigns.minus(first_row + a, column), column == 0);
              }
              sums[a][j] = sum;
            }
          }
        }
      Result:
        for (int a = 0; a < ADDERS; ++a) {
        Result_Pipeline:
          for (int j = 0; j < kRowWords; ++j) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
            const typename shape::word sum = sums[a][j];
            y.write(scaled_word(sum, factor));
          }
        }
      }
    }
  }
}

// A butterfly of STRIDE words on a stream: sums leave while the second half arrives, differences during the next first
// half. Only inputs are stored, so no addition lies on a path from one cycle to the next.
template <int LANES, int STRIDE>
struct delayed_butterfly {
  lanes<real, LANES> firsts[STRIDE];
  lanes<real, LANES> seconds[STRIDE];

  // `time` counts this stage's words; its results are STRIDE words late, those before mean nothing.
  lanes<real, LANES> step(const lanes<real, LANES>& x, unsigned time) {
#pragma HLS inline
    const unsigned i = time % STRIDE;
    const bool second_half = time / STRIDE % 2 != 0;
    const lanes<real, LANES> first = firsts[i];
    const lanes<real, LANES> stored = seconds[i];
    lanes<real, LANES> result;
  Lane_Unroll:
    for (int lane = 0; lane < LANES; ++lane) {
#pragma HLS unroll
      result[lane] = fp_add(first[lane], second_half ? x[lane] : -stored[lane]);
    }
    if (second_half) {
      seconds[i] = x;
    } else {
      firsts[i] = x;
    }
    return result;
  }
};

// The butterflies alone, of each row of the base.
// Each stage is a variable of its own: what one stores has nothing to do with what another reads.
constexpr int stage_stride(int number, int end) { return 1 << number < end ? 1 << number : 1; }

template <int N, int TP, int CP>
void hadamard_butterflies(stream<lanes<real, TP * CP>>& x, stream<lanes<real, TP * CP>>& y, int vectors) {
  using shape = hadamard_shape<N, TP, CP>;
  constexpr int kLanes = shape::kLanes;
  constexpr int kEnd = shape::kRowWords;  // strides of 1 to kEnd / 2 words
  constexpr int kDelay = kEnd - 1;
  static_assert(kEnd <= 1 << 14, "a streaming transform has at most fourteen stages between words");
  const int words = vectors * shape::kWords;

  delayed_butterfly<kLanes, stage_stride(0, kEnd)> stage_0;
  delayed_butterfly<kLanes, stage_stride(1, kEnd)> stage_1;
  delayed_butterfly<kLanes, stage_stride(2, kEnd)> stage_2;
  delayed_butterfly<kLanes, stage_stride(3, kEnd)> stage_3;
  delayed_butterfly<kLanes, stage_stride(4, kEnd)> stage_4;
  delayed_butterfly<kLanes, stage_stride(5, kEnd)> stage_5;
  delayed_butterfly<kLanes, stage_stride(6, kEnd)> stage_6;
  delayed_butterfly<kLanes, stage_stride(7, kEnd)> stage_7;
  delayed_butterfly<kLanes, stage_stride(8, kEnd)> stage_8;
  delayed_butterfly<kLanes, stage_stride(9, kEnd)> stage_9;
  delayed_butterfly<kLanes, stage_stride(10, kEnd)> stage_10;
  delayed_butterfly<kLanes, stage_stride(11, kEnd)> stage_11;
  delayed_butterfly<kLanes, stage_stride(12, kEnd)> stage_12;
  delayed_butterfly<kLanes, stage_stride(13, kEnd)> stage_13;
  typename shape::word word = {};
Word_Pipeline:
  for (int time = 0; time < (vectors > 0 ? words + kDelay : 0); ++time) {
#pragma HLS pipeline II=1
    if (time < words) word = butterflies_in_word<TP, CP>(x.read());
    const unsigned now = static_cast<unsigned>(time);
    typename shape::word result = word;
    if constexpr (kEnd > 1) result = stage_0.step(result, now - 0u);
    if constexpr (kEnd > 2) result = stage_1.step(result, now - 1u);
    if constexpr (kEnd > 4) result = stage_2.step(result, now - 3u);
    if constexpr (kEnd > 8) result = stage_3.step(result, now - 7u);
    if constexpr (kEnd > 16) result = stage_4.step(result, now - 15u);
    if constexpr (kEnd > 32) result = stage_5.step(result, now - 31u);
    if constexpr (kEnd > 64) result = stage_6.step(result, now - 63u);
    if constexpr (kEnd > 128) result = stage_7.step(result, now - 127u);
    if constexpr (kEnd > 256) result = stage_8.step(result, now - 255u);
    if constexpr (kEnd > 512) result = stage_9.step(result, now - 511u);
    if constexpr (kEnd > 1024) result = stage_10.step(result, now - 1023u);
    if constexpr (kEnd > 2048) result = stage_11.step(result, now - 2047u);
    if constexpr (kEnd > 4096) result = stage_12.step(result, now - 4095u);
    if constexpr (kEnd > 8192) result = stage_13.step(result, now - 8191u);
    if (time >= kDelay) y.write(result);
  }
}

// The rows of the base, of which the results of a vector leave during the next one, and the factor.
template <int N, int TP, int CP>
void hadamard_rows(stream<lanes<real, TP * CP>>& x, stream<lanes<real, TP * CP>>& y, int vectors) {
  using shape = hadamard_shape<N, TP, CP>;
  constexpr float kInverseRoot = inverse_root(N);
  const real factor = rounded_to<real>(kInverseRoot);
  if constexpr (shape::kBase == 1) {
  Scale_Pipeline:
    for (int w = 0; w < vectors * shape::kWords; ++w) {
#pragma HLS pipeline II=1
      y.write(scaled_word(x.read(), factor));
    }
  } else {
    constexpr hadamard_signs<shape::kBase> kSigns;
    real sums[shape::kBase][shape::kRowWords][shape::kLanes];
#pragma HLS array_partition variable=sums complete dim=1
#pragma HLS array_partition variable=sums complete dim=3
    real finished[shape::kBase][shape::kRowWords][shape::kLanes];
#pragma HLS array_partition variable=finished complete dim=1
#pragma HLS array_partition variable=finished complete dim=3

  Vector:
    for (int vector = 0; vector <= (vectors > 0 ? vectors : -1); ++vector) {
    Column:
      for (int column = 0; column < shape::kBase; ++column) {
      Word_Pipeline:
        for (int j = 0; j < shape::kRowWords; ++j) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
          if (vector > 0) {
            typename shape::word result = {};
          Finished_Unroll:
            for (int row = 0; row < shape::kBase; ++row) {
#pragma HLS unroll
            Finished_Lane_Unroll:
              for (int i = 0; i < shape::kLanes; ++i) {
#pragma HLS unroll
                const real of_row = finished[row][j][i];
                if (row == column) result[i] = of_row;
              }
            }
            y.write(scaled_word(result, factor));
          }
          if (vector < vectors) {
            const typename shape::word term = x.read();
          Row_Unroll:
            for (int row = 0; row < shape::kBase; ++row) {
#pragma HLS unroll
            Sum_Unroll:
              for (int i = 0; i < shape::kLanes; ++i) {
#pragma HLS unroll
                const real sum = signed_sum(sums[row][j][i], term[i], kSigns.minus(row, column), column == 0);
                sums[row][j][i] = sum;
                if (column == shape::kBase - 1) finished[row][j][i] = sum;
              }
            }
          }
        }
      }
    }
  }
}

// Both, as processes of a region of their own.
template <int N, int TP, int CP>
void hadamard_streaming(stream<lanes<real, TP * CP>>& x, stream<lanes<real, TP * CP>>& y, int vectors) {
#pragma HLS dataflow
  fifo<lanes<real, TP * CP>, 2> rows("hadamard.rows");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(hadamard_butterflies<N, TP, CP>(x, rows, vectors));
  FLEXDSE_PROCESS(hadamard_rows<N, TP, CP>(rows, y, vectors));
  FLEXDSE_DATAFLOW_END;
}

}  // namespace flexdse_hls
