// Purpose: runs composed units of RTL to their end, counts their cycles and holds what they give against the C++ library.
//
// A case is C++ with a `top` that has sources and sinks (cases/*.cpp), and the same in RTL (cases/*.sv). Sources write the
// words of word_source.sv; what the sinks of the C++ read is what those of the RTL must take, bit for bit.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "bench.hpp"
#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_bench {

// As word_source.sv.
inline std::uint32_t mixed(std::uint32_t seed, std::uint32_t number, std::uint32_t lane) {
  std::uint32_t x = seed * 0x9E3779B1u + number * 0x85EBCA77u + lane * 0xC2B2AE3Du + 0x27D4EB2Fu;
  x = (x ^ (x >> 15)) * 0x2C1B3C6Du;
  x = (x ^ (x >> 12)) * 0x297A2D39u;
  return x ^ (x >> 15);
}

// A value of a word: its bits, and how to draw it.
template <class T>
struct value_bits {
  static constexpr int kBits = T::width;
  static std::uint64_t of(const T& value) {
    return static_cast<std::uint64_t>(static_cast<long long>(value)) & (~std::uint64_t{0} >> (64 - kBits));
  }
  static T drawn(std::uint32_t x) { return static_cast<T>(static_cast<int>(x >> 8)); }
};
template <>
struct value_bits<float> {
  static constexpr int kBits = 32;
  static std::uint64_t of(float value) { return flexdse_hls::bits_of(value); }
  static float drawn(std::uint32_t x) {
    return flexdse_hls::float_of((x & 0x80000000u) | (120u + (x >> 28 & 7u)) << 23 | (x & 0x7fffffu));
  }
};

template <class T>
struct word_of {  // one value
  using value = T;
  static constexpr int kLanes = 1;
  static value& lane(T& word, int) { return word; }
};
template <class T, int N>
struct word_of<flexdse_hls::lanes<T, N>> {
  using value = T;
  static constexpr int kLanes = N;
  static value& lane(flexdse_hls::lanes<T, N>& word, int i) { return word[i]; }
};

// Values of the words that a sink takes, in order, and the bits of each value.
struct taken {
  int bits = 0;
  int lanes = 0;
  std::vector<std::uint64_t> values;
};
inline std::map<int, taken>& sinks() {
  static std::map<int, taken> all;
  return all;
}

template <class S>
void source_of(S& stream, int words, int, unsigned seed) {
  using word = decltype(stream.read());
  using parts = word_of<word>;
  for (int i = 0; i < words; ++i) {
    word next = {};
    for (int lane = 0; lane < parts::kLanes; ++lane) {
      parts::lane(next, lane) = value_bits<typename parts::value>::drawn(mixed(seed, static_cast<unsigned>(i), static_cast<unsigned>(lane)));
    }
    stream.write(next);
  }
}

template <class S>
void sink_of(S& stream, int words, int, int number) {
  using parts = word_of<decltype(stream.read())>;
  taken& found = sinks()[number];
  found.bits = value_bits<typename parts::value>::kBits;
  found.lanes = parts::kLanes;
  for (int i = 0; i < words; ++i) {
    auto word = stream.read();
    for (int lane = 0; lane < parts::kLanes; ++lane) {
      found.values.push_back(value_bits<typename parts::value>::of(parts::lane(word, lane)));
    }
  }
}

// What a memory port holds, as memory_reader.sv makes it: of vectors of two words, number of the vector and of the word.
inline std::vector<flexdse_hls::hbm_word<128>> numbered_words() {
  std::vector<flexdse_hls::hbm_word<128>> words(4096);
  for (std::uint32_t i = 0; i < words.size(); ++i) {
    for (std::uint32_t& part : words[i].part) part = i / 2 << 16 | i % 2;
  }
  return words;
}

// One unit of RTL under test.
class unit {
 public:
  unit(std::string name, const unsigned char& finished, port fire, port data, int data_bits, const std::function<void()>& library)
      : name_(std::move(name)), finished_(finished), fire_(fire), data_(data), data_bits_(data_bits) {
    sinks().clear();
    if (library) library();
    expected_ = sinks();
  }

  // In the middle of a cycle; the first is the one in which the processes begin.
  void observe(long cycle) {
    if (cycles_ < 0 && finished_) cycles_ = cycle;
    for (auto& [number, sink] : expected_) {
      if (!fire_.get(number, 1)) continue;
      std::size_t& at = position_[number];
      for (int lane = 0; lane < sink.lanes; ++lane) {
        const std::uint64_t found = data_.get(number * data_bits_ + lane * sink.bits, sink.bits);
        differing_ += at >= sink.values.size() || found != sink.values[at];
        ++at;
        ++values_;
      }
    }
  }
  bool finished() const { return cycles_ >= 0; }

  void report() const {
    std::size_t missing = 0;
    for (const auto& [number, sink] : expected_) missing += sink.values.size() - (position_.count(number) ? position_.at(number) : 0);
    std::printf("{\"name\": \"%s\", \"cycles\": ", name_.c_str());
    if (finished()) {
      std::printf("%ld", cycles_);
    } else {
      std::printf("null");
    }
    std::printf(", \"values\": %zu, \"differing\": %zu, \"missing\": %zu}\n", values_, differing_, missing);
  }

 private:
  std::string name_;
  const unsigned char& finished_;
  port fire_;
  port data_;
  int data_bits_;
  std::map<int, taken> expected_;
  std::map<int, std::size_t> position_;
  long cycles_ = -1;
  std::size_t values_ = 0;
  std::size_t differing_ = 0;
};

// All units side by side, from a common start until each has finished or `most` cycles have passed.
template <class Model>
int run_units(Model& model, std::vector<unit>& units, long most) {
  auto half = [&](int clock) {
    model.clk = static_cast<unsigned char>(clock);
    model.eval();
  };
  model.reset = 1;
  model.start = 0;
  for (int i = 0; i < 4; ++i) half(0), half(1);
  model.reset = 0;
  model.start = 1;
  half(0), half(1);
  model.start = 0;
  for (long cycle = 0; cycle < most; ++cycle) {
    half(0);  // cycle 0: every process is in its first state
    bool all = true;
    for (unit& one : units) {
      one.observe(cycle);
      all = all && one.finished();
    }
    if (all) break;
    half(1);
  }
  for (const unit& one : units) one.report();
  return 0;
}

}  // namespace flexdse_bench
