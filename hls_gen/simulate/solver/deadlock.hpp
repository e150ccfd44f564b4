// Purpose: who waits for whom in a deadlock, and which of them form the ring.
#pragma once

#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "fifo.hpp"
#include "process.hpp"

namespace timed {

struct blocked_process {
  int record;
  cause why;
  int stream;
  int access;
  bool in_ring;
  bool other_has_ended;
};

struct deadlock {
  std::vector<blocked_process> processes;
};

// Throws who waits for whom when no process of a region can go on.
[[noreturn]] inline void report_deadlock(const std::vector<std::unique_ptr<process>>& live, const std::vector<fifo>& fifos, process& top) {
  std::vector<process*> waiting;
  for (const auto& each : live) {
    if (each->blocked) waiting.push_back(each.get());
  }
  if (top.blocked) waiting.push_back(&top);
  std::unordered_map<const process*, process*> next;
  for (process* each : waiting) {
    const fifo& f = fifos[static_cast<std::size_t>(each->waits_for)];
    next[each] = each->why == cause::empty ? f.writer : f.reader;
  }
  std::set<const process*> ring;
  for (process* each : waiting) {
    std::vector<const process*> path;
    std::set<const process*> seen;
    const process* at = each;
    while (at != nullptr && next.count(at) && seen.insert(at).second) {
      path.push_back(at);
      at = next[at];
    }
    if (at != nullptr && seen.count(at)) {
      bool inside = false;
      for (const process* on : path) {
        inside = inside || on == at;
        if (inside) ring.insert(on);
      }
      break;
    }
  }
  deadlock found;
  for (process* each : waiting) {
    const process* other = next[each];
    found.processes.push_back(
        {each->record, each->why, each->waits_for, each->waits_at, ring.count(each) > 0, other == nullptr || other->end >= 0});
  }
  throw found;
}

}  // namespace timed
