// Purpose: the critical path of a region that has been replayed.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fifo.hpp"
#include "process.hpp"

namespace timed {

struct critical_part {
  char kind;  // p work of a process, s latency of a stream, m memory
  int object;
  cycle cycles;
};

// Whose work the cycles of a region are, from its end back to its beginning.
inline std::vector<critical_part> critical_path(const std::vector<std::unique_ptr<process>>& live, const std::vector<fifo>& fifos,
                                                const process& top, cycle begin) {
  std::map<std::pair<char, int>, cycle> parts;
  process* at = nullptr;
  for (const auto& each : live) {
    if (each->parent == &top && (at == nullptr || each->end > at->end)) at = each.get();
  }
  cycle t = at != nullptr ? at->end : begin;
  std::unordered_map<const process*, std::size_t> from;  // waits of a process that lie before the walk
  while (at != nullptr && t > begin) {
    auto [entry, is_new] = from.try_emplace(at, at->waits.size());
    std::size_t& i = entry->second;
    (void)is_new;
    while (i > 0 && at->waits[i - 1].from >= t) --i;
    if (i == 0) {
      const cycle first = std::max(begin, at->start);
      if (t > first) parts[{'p', at->record}] += t - first;
      t = std::min(t, first);
      if (at->parent == &top) break;
      at = at->parent;
      continue;
    }
    // Of the last few, which may overlap, the one that ended last.
    std::size_t last = i - 1;
    for (std::size_t j = i - 1; j > 0 && j + 4 > i; --j) {
      if (std::min(at->waits[j - 1].to, t) > std::min(at->waits[last].to, t)) last = j - 1;
    }
    const wait& w = at->waits[last];
    if (t > w.to) {
      parts[{'p', at->record}] += t - w.to;
      t = w.to;
    }
    if (w.why == cause::region) {
      t = std::min(t, w.to);
      at = at->last_of_region[static_cast<std::size_t>(w.object)];
      if (at != nullptr) t = std::min(t, at->end);
      continue;
    }
    if (w.why == cause::memory) {
      parts[{'m', w.object}] += t - w.from;
      t = w.from;
      continue;
    }
    const fifo& f = fifos[static_cast<std::size_t>(w.object)];
    process* other = w.why == cause::empty ? f.writer : f.reader;
    if (other == nullptr) {
      parts[{'s', w.object}] += t - w.from;
      t = w.from;
      continue;
    }
    parts[{'s', w.object}] += 1;
    t -= 1;
    at = other;
    if (t > at->end) t = at->end;
  }
  if (t > begin) parts[{'p', -1}] += t - begin;
  std::vector<critical_part> found;
  for (const auto& [key, cycles] : parts) found.push_back({key.first, key.second, cycles});
  std::sort(found.begin(), found.end(), [](const critical_part& a, const critical_part& b) { return a.cycles > b.cycles; });
  return found;
}

}  // namespace timed
