// Purpose: a process that is being replayed: where it stands in its loops, its clock, and what it waited for.
#pragma once

#include <vector>

#include "bodies.hpp"
#include "fifo.hpp"
#include "trace.hpp"

namespace timed {

enum class cause : char { empty, full, memory, region };

struct wait {
  cycle from;
  cycle to;
  cause why;
  int object;
};

struct frame {
  const node_record* loop;
  const steps* body;
  std::size_t position;
  std::size_t group;
  std::size_t run;
  std::int64_t repeat;
  std::int64_t count;
  bool owns_pipeline;
  const site_record* site;
};

// Of loops side by side that are being replayed, one after the other: when they began, and when each of them ended.
struct open_side_by_side {
  const side_by_side* loops;
  cycle begin;
  std::vector<cycle> ends;
};

struct pending_write {
  cycle local;
  int object;
  int access;
};

// Accesses that are under way in a stalling pipeline, of one offset, hence in the order of their cycles.
struct accesses_of_offset {
  struct entry {
    cycle local;
    char kind;
    int object;
    int access;
  };
  cycle offset = 0;
  std::vector<entry> entries;
  std::size_t first = 0;
  bool empty() const { return first == entries.size(); }
  const entry& front() const { return entries[first]; }
  void pop() {
    if (++first == entries.size()) {
      entries.clear();
      first = 0;
    } else if (first >= 4096) {
      entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(first));
      first = 0;
    }
  }
};

struct process {
  int record = -1;
  process* parent = nullptr;
  std::vector<frame> stack;
  cycle start = 0;
  cycle now = 0;
  cycle end = -1;
  // The open pipeline. Cycle of a local time: base + local + stalls.
  bool pipelined = false;
  const site_record* pipeline = nullptr;
  int pipeline_site = -1;
  cycle base = 0;
  cycle local = 0;
  cycle read_stalls = 0;
  cycle write_stalls = 0;
  cycle last_issue = -1;
  bool burst = false;
  bool wrote_memory = false;
  cycle last_memory_write = 0;
  std::vector<pending_write> pending;
  std::size_t first_pending = 0;
  std::vector<accesses_of_offset> under_way;
  std::vector<open_side_by_side> beside;
  // What it waits for.
  bool blocked = false;
  cause why = cause::empty;
  int waits_for = -1;
  int waits_at = -1;
  int children = 0;
  cycle children_start = 0;
  cycle children_end = 0;
  process* last_child = nullptr;
  std::vector<process*> last_of_region;
  std::vector<wait> waits;  // by their beginning
  cycle apart = 64;         // cycles between two waits that count as one
  cycle stall[4] = {0, 0, 0, 0};  // by cause
};

}  // namespace timed
