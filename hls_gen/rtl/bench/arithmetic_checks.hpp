// Purpose: floating-point operators and the data paths of quantizers and Hadamard transforms against the library.
#pragma once

#include <cmath>

#include "bench.hpp"
#include "flexdse_hls/exact_sum.hpp"
#include "flexdse_hls/fp32.hpp"
#include "flexdse_hls/hadamard.hpp"
#include "flexdse_hls/quantized_token.hpp"
#include "flexdse_hls/sampler.hpp"

namespace flexdse_bench {

using namespace flexdse_hls;

inline std::uint32_t fp32_result(bool adds, bool negates, std::uint32_t a, std::uint32_t b) {
  const float x = float_of(a);
  const float y = float_of(b);
  return bits_of(adds ? (negates ? fp_sub(x, y) : fp_add(x, y)) : fp_mul(x, y));
}

// The library has no bf16: its rule (numerics.md, "fp32", with 8 bits of significand) in double precision, which holds
// products exactly, and sums as far as the 8 bits can tell.
inline std::uint32_t bf16_result(bool adds, bool negates, std::uint32_t a, std::uint32_t b) {
  const double x = flush(float_of(a << 16));
  const double y = flush(float_of(b << 16));
  const double exact = adds ? (negates ? x - y : x + y) : x * y;
  if (exact == 0) return (std::signbit(exact) ? 1u : 0u) << 15;
  int exponent = 0;
  std::frexp(exact, &exponent);  // 0.5 <= |mantissa| < 1
  const int grid = exponent - 8 < -133 ? -133 : exponent - 8;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(exact, -grid)), grid);
  const float narrow = flush(static_cast<float>(rounded));
  return bits_of(narrow) >> 16;
}

// OPERATION 0 product, 1 sum, 2 difference.
template <int OPERATION, int EXPONENT, int FRACTION>
class floating_check : public pipeline_check {
 public:
  floating_check(const char* name, int latency, port a, port b, port y)
      : pipeline_check(name, latency), random_(OPERATION * 5 + FRACTION), a_(a), b_(b), y_(y) {}

 protected:
  std::vector<std::uint64_t> step() override {
    const std::uint32_t a = random_.floating(EXPONENT, FRACTION);
    std::uint32_t b = random_.floating(EXPONENT, FRACTION);
    const int choice = random_.below(16);
    if (choice == 0) b = a ^ 1u << kBits;                                 // cancels
    if (choice == 1) b = (a ^ 1u << kBits) + 1 - random_.bits(1);         // almost cancels
    if (choice == 2) b = least_result(a);                                 // a product at the least normal number
    a_.set(0, kBits + 1, a);
    b_.set(0, kBits + 1, b);
    const bool fp32 = FRACTION == 23;
    return {(fp32 ? fp32_result : bf16_result)(OPERATION != 0, OPERATION == 2, a, b)};
  }
  std::vector<std::uint64_t> results() const override { return {y_.get(0, kBits + 1)}; }

 private:
  static constexpr int kBits = EXPONENT + FRACTION;
  std::uint32_t least_result(std::uint32_t a) {
    const int exponent = static_cast<int>(a >> FRACTION & 0xff);
    const int other = 127 + 1 - exponent - random_.below(3);
    return other < 1 || other > 253 ? a : static_cast<std::uint32_t>(other) << FRACTION | ((1u << FRACTION) - 1 - random_.bits(2));
  }
  random_numbers random_;
  port a_, b_, y_;
};

template <int IN>
class int_to_fp_check : public pipeline_check {
 public:
  int_to_fp_check(const char* name, int latency, port x, port y)
      : pipeline_check(name, latency), random_(IN), x_(x), y_(y) {}

 protected:
  std::vector<std::uint64_t> step() override {
    const int width = 1 + random_.below(IN);
    const std::int64_t value = random_.integer(width, true);
    x_.set(0, IN, static_cast<std::uint64_t>(value));
    return {bits_of(static_cast<float>(static_cast<std::int32_t>(value)))};
  }
  std::vector<std::uint64_t> results() const override { return {y_.get(0, 32)}; }

 private:
  random_numbers random_;
  port x_, y_;
};

// A number that rounds to an integer of about BITS bits; often a tie.
template <int BITS>
float near_integer(random_numbers& random, bool is_signed) {
  float value = static_cast<float>(random.below(1 << (BITS + 3))) / 4.0f;
  if (random.one_in(3)) value = float_of(bits_of(value) + static_cast<std::uint32_t>(random.below(3)) - 1);
  if (random.one_in(8)) value = float_of(random.floating(8, 23) & 0x7fffffffu);
  return is_signed && random.bits(1) != 0 ? -value : value < 0.0f ? -value : value;
}

template <int BITS, bool SIGNED>
class round_check : public pipeline_check {
 public:
  round_check(const char* name, int latency, port x, port q)
      : pipeline_check(name, latency), random_(BITS), x_(x), q_(q) {}

 protected:
  std::vector<std::uint64_t> step() override {
    const float value = near_integer<BITS>(random_, SIGNED);
    x_.set(0, 32, bits_of(value));
    const int rounded = SIGNED ? static_cast<int>(round_to_signed<BITS>(value)) : static_cast<int>(round_to_unsigned<BITS>(value));
    return {static_cast<std::uint64_t>(rounded) & ((1u << BITS) - 1)};
  }
  std::vector<std::uint64_t> results() const override { return {q_.get(0, BITS)}; }

 private:
  random_numbers random_;
  port x_, q_;
};

template <int BITS>
class quantize_lane_check : public pipeline_check {
 public:
  quantize_lane_check(const char* name, int latency, port x, port inverse, port q)
      : pipeline_check(name, latency), random_(BITS), x_(x), inverse_(inverse), q_(q) {}

 protected:
  std::vector<std::uint64_t> step() override {
    const float value = near_integer<BITS>(random_, true);
    const float inverse = random_.one_in(4) ? 1.0f : 0.25f + static_cast<float>(random_.below(1 << 20)) / (1 << 20);
    x_.set(0, 32, bits_of(value));
    inverse_.set(0, 32, bits_of(inverse));
    return {static_cast<std::uint64_t>(static_cast<int>(round_to_signed<BITS>(fp_mul(value, inverse)))) & ((1u << BITS) - 1)};
  }
  std::vector<std::uint64_t> results() const override { return {q_.get(0, BITS)}; }

 private:
  random_numbers random_;
  port x_, inverse_, q_;
};

class value_range_check : public pipeline_check {
 public:
  value_range_check(const char* name, int latency, port first, port x, port min_key, port max_key)
      : pipeline_check(name, latency), random_(3), first_(first), x_(x), min_key_(min_key), max_key_(max_key) {}

 protected:
  std::vector<std::uint64_t> step() override {
    const bool first = steps_++ % 37 == 0;
    const std::uint32_t bits = random_.floating(8, 23);
    first_.set(0, 1, first);
    x_.set(0, 32, bits);
    if (first) range_.reset();
    range_.include(canonical(float_of(bits)));
    return {range_.min_key, range_.max_key};
  }
  std::vector<std::uint64_t> results() const override { return {min_key_.get(0, 32), max_key_.get(0, 32)}; }

 private:
  random_numbers random_;
  value_range range_;
  int steps_ = 0;
  port first_, x_, min_key_, max_key_;
};

class exact_sum_check : public pipeline_check {
 public:
  exact_sum_check(const char* name, int latency, port first, port square, port whole, port fraction)
      : pipeline_check(name, latency), random_(5), first_(first), square_(square), whole_(whole), fraction_(fraction) {}

 protected:
  std::vector<std::uint64_t> step() override {
    const bool first = steps_++ % 53 == 0;
    float value = float_of(random_.floating(8, 23));
    if (!random_.one_in(4)) value = std::ldexp(1.0f + static_cast<float>(random_.below(1 << 23)) / (1 << 23), random_.below(64) - 34);
    first_.set(0, 1, first);
    square_.set(0, 32, bits_of(fp_mul(value, value)));
    if (first) sum_.reset();
    sum_.include(value);
    return {sum_.whole, sum_.fraction};
  }
  std::vector<std::uint64_t> results() const override { return {whole_.get(0, 64), fraction_.get(0, 64)}; }

 private:
  random_numbers random_;
  square_sum sum_;
  int steps_ = 0;
  port first_, square_, whole_, fraction_;
};

template <int MAX_K>
class candidate_list_check : public pipeline_check {
 public:
  candidate_list_check(const char* name, int latency, port first, port key, port token, port keys, port tokens)
      : pipeline_check(name, latency), random_(MAX_K), first_(first), key_(key), token_(token), keys_(keys), tokens_(tokens) {}

 protected:
  std::vector<std::uint64_t> step() override {
    const bool first = steps_++ % 61 == 0;
    const std::uint32_t key = random_.one_in(3) ? static_cast<std::uint32_t>(random_.bits(4)) : static_cast<std::uint32_t>(random_.bits(32));
    first_.set(0, 1, first);
    key_.set(0, 32, key);
    token_.set(0, 32, static_cast<std::uint64_t>(steps_));
    if (first) list_ = candidate_list<MAX_K>();
    list_.insert(key, steps_);
    std::vector<std::uint64_t> wanted;
    for (int i = 0; i < MAX_K; ++i) {
      wanted.push_back(list_.keys[i]);
      wanted.push_back(static_cast<std::uint64_t>(list_.tokens[i]));
    }
    return wanted;
  }
  std::vector<std::uint64_t> results() const override {
    std::vector<std::uint64_t> found;
    for (int i = 0; i < MAX_K; ++i) {
      found.push_back(keys_.get(32 * i, 32));
      found.push_back(tokens_.get(32 * i, 32));
    }
    return found;
  }

 private:
  random_numbers random_;
  candidate_list<MAX_K> list_;
  int steps_ = 0;
  port first_, key_, token_, keys_, tokens_;
};

template <int CHANNELS>
class hadamard_word_check : public pipeline_check {
 public:
  hadamard_word_check(const char* name, int latency, port x, port y)
      : pipeline_check(name, latency), random_(CHANNELS), x_(x), y_(y) {}

 protected:
  std::vector<std::uint64_t> step() override {
    lanes<float, CHANNELS> word;
    for (int i = 0; i < CHANNELS; ++i) {
      word[i] = float_of(random_.floating(8, 23) & 0xbfffffffu);  // no sum overflows
      x_.set(32 * i, 32, bits_of(word[i]));
    }
    const auto turned = butterflies_in_word<1, CHANNELS>(word);
    std::vector<std::uint64_t> wanted;
    for (int i = 0; i < CHANNELS; ++i) wanted.push_back(bits_of(turned[i]));
    return wanted;
  }
  std::vector<std::uint64_t> results() const override {
    std::vector<std::uint64_t> found;
    for (int i = 0; i < CHANNELS; ++i) found.push_back(y_.get(32 * i, 32));
    return found;
  }

 private:
  random_numbers random_;
  port x_, y_;
};

}  // namespace flexdse_bench
