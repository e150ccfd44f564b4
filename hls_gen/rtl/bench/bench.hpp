// Purpose: drives several RTL modules in lock step with random values and holds each against the C++ library.
//
// A pipelined module is given new operands in each enabled cycle; `enable` is low at random, as a stalled HLS pipeline's.
// Its outputs must be those of C++ for the operands of LATENCY enabled cycles ago. The latency is measured too: the only
// shift between operands and results at which all of them agree.
// Output: one line of JSON for each module.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace flexdse_bench {

// A port of a verilated model: little-endian words, whatever their type.
class port {
 public:
  template <class T, class = std::enable_if_t<!std::is_same_v<T, port>>>
  port(T& words) : bytes_(reinterpret_cast<unsigned char*>(&words)), size_(static_cast<int>(sizeof(T))) {}

  std::uint64_t get(int low, int width) const {
    const unsigned __int128 value = load(low / 8) >> (low % 8);
    return static_cast<std::uint64_t>(value) & mask(width);
  }

  std::int64_t get_signed(int low, int width) const {
    const std::uint64_t value = get(low, width);
    return static_cast<std::int64_t>(value << (64 - width)) >> (64 - width);
  }

  void set(int low, int width, std::uint64_t value) {
    const int first = low / 8;
    const unsigned __int128 cleared = load(first) & ~(static_cast<unsigned __int128>(mask(width)) << (low % 8));
    const unsigned __int128 merged = cleared | (static_cast<unsigned __int128>(value & mask(width)) << (low % 8));
    std::memcpy(bytes_ + first, &merged, static_cast<std::size_t>(size_ - first < 16 ? size_ - first : 16));
  }

 private:
  static std::uint64_t mask(int width) { return width >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << width) - 1; }

  unsigned __int128 load(int first) const {
    unsigned __int128 value = 0;
    std::memcpy(&value, bytes_ + first, static_cast<std::size_t>(size_ - first < 16 ? size_ - first : 16));
    return value;
  }

  unsigned char* bytes_;
  int size_;
};

class random_numbers {
 public:
  explicit random_numbers(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}

  std::uint64_t bits(int count) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return (state_ * 0x2545f4914f6cdd1du) >> (64 - count);
  }
  int below(int bound) { return static_cast<int>(bits(32) % static_cast<unsigned>(bound)); }
  bool one_in(int count) { return below(count) == 0; }

  // An integer of `width` bits; often one of the extremes.
  std::int64_t integer(int width, bool is_signed) {
    const int choice = below(16);
    const std::uint64_t value = choice == 0   ? std::uint64_t{1} << (width - 1)
                                : choice == 1 ? (std::uint64_t{1} << (width - 1)) - 1
                                : choice == 2 ? ~std::uint64_t{0}
                                              : bits(width);
    const std::uint64_t cut = value << (64 - width);
    return is_signed ? static_cast<std::int64_t>(cut) >> (64 - width) : static_cast<std::int64_t>(cut >> (64 - width));
  }

  // A finite floating-point number: any bit pattern, neighbouring exponents, or a special value.
  std::uint32_t floating(int exponent_bits, int fraction_bits) {
    const std::uint32_t most = (1u << exponent_bits) - 1;
    const std::uint32_t sign = static_cast<std::uint32_t>(bits(1)) << (exponent_bits + fraction_bits);
    std::uint32_t exponent = static_cast<std::uint32_t>(bits(exponent_bits));
    std::uint32_t fraction = static_cast<std::uint32_t>(bits(fraction_bits));
    const int choice = below(16);
    if (choice < 8) exponent = most / 2 - 12 + static_cast<std::uint32_t>(below(24));
    if (choice == 8) exponent = 0;
    if (choice == 9) exponent = most - 1;
    if (choice == 10) fraction = (1u << fraction_bits) - 1;
    if (choice == 11) fraction = 0;
    if (choice == 12) exponent = most / 4 + static_cast<std::uint32_t>(below(3));
    if (exponent == most) exponent = most - 1;
    return sign | exponent << fraction_bits | fraction;
  }

 private:
  std::uint64_t state_;
};

// One module under test.
class check {
 public:
  virtual ~check() = default;
  virtual void drive(bool enabled) = 0;    // before the clock edge
  virtual void observe(bool enabled) = 0;  // after it
  virtual void report() const = 0;
};

constexpr int kLongestLatency = 32;

// A module that takes operands in each enabled cycle. A subclass draws and sets them, and computes the results of C++.
class pipeline_check : public check {
 public:
  pipeline_check(std::string name, int latency) : name_(std::move(name)), latency_(latency) {
    for (bool& possible : possible_) possible = true;
  }

  void drive(bool enabled) override {
    if (!enabled) return;
    vectors_ += 1;
    expected_.push_front(step());
    if (static_cast<int>(expected_.size()) > kLongestLatency) expected_.pop_back();
  }

  void observe(bool enabled) override {
    if (!enabled) return;
    const std::vector<std::uint64_t> found = results();
    for (int shift = 1; shift <= kLongestLatency; ++shift) {
      if (static_cast<int>(expected_.size()) < shift) break;
      const std::vector<std::uint64_t>& wanted = expected_[static_cast<std::size_t>(shift - 1)];
      if (wanted.empty()) continue;  // nothing is promised for these operands
      std::uint64_t differing = 0;
      for (std::size_t i = 0; i < wanted.size(); ++i) differing += wanted[i] != found[i];
      if (differing != 0) possible_[shift] = false;
      if (shift != latency_) continue;
      values_ += wanted.size();
      differing_ += differing;
    }
  }

  void report() const override {
    int measured = -1;
    for (int shift = kLongestLatency; shift >= 1; --shift) {
      if (possible_[shift]) measured = shift;
    }
    std::printf("{\"name\": \"%s\", \"vectors\": %llu, \"values\": %llu, \"differing\": %llu, \"latency_cycles\": %d}\n",
                name_.c_str(), static_cast<unsigned long long>(vectors_), static_cast<unsigned long long>(values_),
                static_cast<unsigned long long>(differing_), measured);
  }

 protected:
  virtual std::vector<std::uint64_t> step() = 0;
  virtual std::vector<std::uint64_t> results() const = 0;

 private:
  std::string name_;
  int latency_;
  std::deque<std::vector<std::uint64_t>> expected_;
  bool possible_[kLongestLatency + 1];
  std::uint64_t vectors_ = 0;
  std::uint64_t values_ = 0;
  std::uint64_t differing_ = 0;
};

// A module whose outputs a subclass compares by itself; no latency is measured.
class protocol_check : public check {
 public:
  explicit protocol_check(std::string name) : name_(std::move(name)) {}
  void report() const override {
    std::printf("{\"name\": \"%s\", \"vectors\": %llu, \"values\": %llu, \"differing\": %llu, \"latency_cycles\": null}\n",
                name_.c_str(), static_cast<unsigned long long>(values_), static_cast<unsigned long long>(values_),
                static_cast<unsigned long long>(differing_));
  }

 protected:
  void compare(std::uint64_t found, std::uint64_t wanted) {
    values_ += 1;
    differing_ += found != wanted;
  }

 private:
  std::string name_;
  std::uint64_t values_ = 0;
  std::uint64_t differing_ = 0;
};

// Clocks a model whose ports are clk, reset and enable, besides those of the checks.
template <class Model>
int run(Model& model, const std::vector<std::unique_ptr<check>>& checks, long cycles, std::uint64_t seed) {
  random_numbers random(seed);
  auto edge = [&] {
    model.clk = 0;
    model.eval();
    model.clk = 1;
    model.eval();
  };
  model.enable = 1;
  model.reset = 1;
  for (int i = 0; i < 4; ++i) edge();
  model.reset = 0;
  for (long cycle = 0; cycle < cycles; ++cycle) {
    const bool enabled = !random.one_in(8);
    model.enable = enabled;
    for (const auto& one : checks) one->drive(enabled);
    edge();
    for (const auto& one : checks) one->observe(enabled);
  }
  for (const auto& one : checks) one->report();
  return 0;
}

}  // namespace flexdse_bench
