// Purpose: FIFOs, buffers and loop control against what C++ means by a stream, an array and nested loops.
#pragma once

#include "bench.hpp"

namespace flexdse_bench {

// Words leave in order, none is lost, and exactly DEPTH fit. Phases of filling and draining reach both ends.
template <int WIDTH, int DEPTH>
class fifo_check : public protocol_check {
 public:
  fifo_check(const char* name, port in, port in_valid, port in_ready, port out, port out_valid, port out_ready)
      : protocol_check(name), random_(WIDTH + DEPTH), in_(in), in_valid_(in_valid), in_ready_(in_ready), out_(out),
        out_valid_(out_valid), out_ready_(out_ready) {}

  void drive(bool) override {
    if (phase_left_-- == 0) {
      phase_left_ = DEPTH + random_.below(2 * DEPTH + 8);
      writes_in_8_ = 1 + random_.below(8);
      reads_in_8_ = 1 + random_.below(8);
    }
    const bool offers = random_.below(8) < writes_in_8_;
    const bool takes = random_.below(8) < reads_in_8_;
    word_ = random_.bits(WIDTH < 64 ? WIDTH : 64);
    in_.set(0, WIDTH < 64 ? WIDTH : 64, word_);
    in_valid_.set(0, 1, offers);
    out_ready_.set(0, 1, takes);
    // Both are registered: they do not depend on what was just set.
    compare(in_ready_.get(0, 1), held_.size() != DEPTH);
    if (held_.empty()) compare(out_valid_.get(0, 1), 0);
    waiting_ = held_.empty() || out_valid_.get(0, 1) != 0 ? 0 : waiting_ + 1;
    compare(waiting_ <= 1, 1);  // a word is out after two cycles
    if (takes && out_valid_.get(0, 1) != 0) {
      if (!held_.empty()) {
        compare(out_.get(0, WIDTH < 64 ? WIDTH : 64), held_.back());
        held_.pop_back();
      }
    }
    if (offers && in_ready_.get(0, 1) != 0) held_.push_front(word_);
  }
  void observe(bool) override {}

 private:
  random_numbers random_;
  std::deque<std::uint64_t> held_;
  std::uint64_t word_ = 0;
  int phase_left_ = 0;
  int writes_in_8_ = 4;
  int reads_in_8_ = 4;
  int waiting_ = 0;
  port in_, in_valid_, in_ready_, out_, out_valid_, out_ready_;
};

template <int WIDTH, int DEPTH>
class buffer_check : public protocol_check {
 public:
  buffer_check(const char* name, port write, port write_address, port write_data, port read, port read_address, port read_data)
      : protocol_check(name), random_(WIDTH + DEPTH), words_(DEPTH), known_(DEPTH, false), write_(write),
        write_address_(write_address), write_data_(write_data), read_(read), read_address_(read_address), read_data_(read_data) {}

  void drive(bool) override {
    const int row = random_.below(DEPTH < 64 ? DEPTH : 64) * (DEPTH < 64 ? 1 : DEPTH / 64);
    const int from = random_.below(DEPTH < 64 ? DEPTH : 64) * (DEPTH < 64 ? 1 : DEPTH / 64);
    const bool writes = random_.bits(1) != 0;
    const bool reads = !random_.one_in(4);
    const std::uint64_t word = random_.bits(WIDTH < 64 ? WIDTH : 64);
    write_.set(0, 1, writes);
    write_address_.set(0, 16, static_cast<std::uint64_t>(row));
    write_data_.set(0, WIDTH < 64 ? WIDTH : 64, word);
    read_.set(0, 1, reads);
    read_address_.set(0, 16, static_cast<std::uint64_t>(from));
    if (reads) {
      wanted_ = words_[static_cast<std::size_t>(from)];
      is_known_ = known_[static_cast<std::size_t>(from)] && !(writes && row == from);  // same word: either, by device
    }
    if (writes) {
      words_[static_cast<std::size_t>(row)] = word;
      known_[static_cast<std::size_t>(row)] = true;
    }
  }
  void observe(bool) override {
    if (is_known_) compare(read_data_.get(0, WIDTH < 64 ? WIDTH : 64), wanted_);
  }

 private:
  random_numbers random_;
  std::vector<std::uint64_t> words_;
  std::vector<bool> known_;
  std::uint64_t wanted_ = 0;
  bool is_known_ = false;
  port write_, write_address_, write_data_, read_, read_address_, read_data_;
};

// The counters of nested loops, iteration by iteration, against nested loops; `done` follows the last one, once.
template <int LOOPS, int BITS>
class loop_nest_check : public protocol_check {
 public:
  loop_nest_check(const char* name, port start, port step, port bounds, port running, port first, port last, port done,
                  port counters)
      : protocol_check(name), random_(LOOPS * 100 + BITS), start_(start), step_(step), bounds_(bounds), running_(running),
        first_(first), last_(last), done_(done), counters_(counters) {}

  void drive(bool) override {
    compare(done_.get(0, 1), done_is_due_);
    done_is_due_ = false;
    compare(running_.get(0, 1), !iterations_.empty());
    const bool steps = !random_.one_in(8);
    step_.set(0, 1, steps);
    if (!iterations_.empty()) {
      start_.set(0, 1, random_.bits(1));  // ignored while it runs
      if (!steps) return;
      const std::vector<int> now = iterations_.back();
      for (int i = 0; i < LOOPS; ++i) compare(counters_.get(i * BITS, BITS), static_cast<std::uint64_t>(now[static_cast<std::size_t>(i)]));
      compare(first_.get(0, 1), now[0] == 0);
      compare(last_.get(0, 1), now[0] == limits_[0] - 1);
      iterations_.pop_back();
      done_is_due_ = iterations_.empty();
      return;
    }
    const bool starts = random_.one_in(3);
    start_.set(0, 1, starts);
    int total = 1;
    for (int i = 0; i < LOOPS; ++i) {
      const int bound = random_.one_in(12) ? 0 : 1 + random_.below(4);
      bounds_.set(i * BITS, BITS, static_cast<std::uint64_t>(bound));
      if (starts) limits_[i] = bound;
      total *= bound;
    }
    if (!starts) return;
    done_is_due_ = total == 0;
    for (int n = total - 1; n >= 0; --n) {
      std::vector<int> one;
      int rest = n;
      for (int i = 0; i < LOOPS; ++i) {
        one.push_back(rest % limits_[i]);
        rest /= limits_[i];
      }
      iterations_.push_back(one);
    }
  }
  void observe(bool) override {}

 private:
  random_numbers random_;
  std::vector<std::vector<int>> iterations_;
  int limits_[LOOPS] = {};
  bool done_is_due_ = false;
  port start_, step_, bounds_, running_, first_, last_, done_, counters_;
};

}  // namespace flexdse_bench
