// Purpose: what processes of a region meet in: bounded FIFOs with the cycle of each word and freed place, and memory ports.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace timed {

using cycle = std::int64_t;

// Values by consecutive number, of which a window is kept.
class window {
 public:
  window() : values_(16) {}
  cycle operator[](std::int64_t i) const { return values_[static_cast<std::size_t>(i) & (values_.size() - 1)]; }
  // `first`: the lowest number that is still needed.
  void put(std::int64_t i, cycle value, std::int64_t first) {
    if (i - first >= static_cast<std::int64_t>(values_.size())) grow(i, first);
    values_[static_cast<std::size_t>(i) & (values_.size() - 1)] = value;
  }

 private:
  void grow(std::int64_t i, std::int64_t first) {
    std::size_t size = values_.size();
    while (static_cast<std::int64_t>(size) <= i - first) size *= 2;
    std::vector<cycle> wider(size);
    for (std::int64_t j = std::max<std::int64_t>(first, i - static_cast<std::int64_t>(values_.size())); j < i; ++j) {
      wider[static_cast<std::size_t>(j) & (size - 1)] = (*this)[j];
    }
    values_.swap(wider);
  }
  std::vector<cycle> values_;
};

struct process;

struct fifo {
  std::int64_t depth = 0;
  std::int64_t read = 0;
  std::int64_t written = 0;
  window read_at;
  window written_at;
  process* waiting_reader = nullptr;
  process* waiting_writer = nullptr;
  process* reader = nullptr;
  process* writer = nullptr;
  cycle empty_stall = 0;
  cycle full_stall = 0;
  // The places that the schedule found needs: write n waits for no read if read(n - places) < write(n).
  std::int64_t places = 0;
  std::int64_t judged = 0;   // writes
  std::int64_t freed = 0;    // reads before the next write to judge
  std::int64_t now_read = 0;     // of the cycle that is being judged, before the access in question
  std::int64_t now_written = 0;

  void judge() {
    while (judged < written) {
      while (freed < judged && freed < read && read_at[freed] < written_at[judged]) ++freed;
      if (freed >= judged) {
        places = std::max<std::int64_t>(places, 1);
      } else if (freed < read) {
        places = std::max<std::int64_t>(places, judged - freed + 1);
      } else {
        return;
      }
      ++judged;
    }
  }
  std::int64_t first_needed_read() const { return std::min(freed, std::max<std::int64_t>(0, written - depth)); }
};

struct port_state {
  cycle arrival_millicycles = 0;
  cycle write_millicycles = 0;
  cycle stall = 0;
};

}  // namespace timed
