// Purpose: bodies of loops and processes as the steps that a replay takes, made once each from the trace.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fifo.hpp"
#include "trace.hpp"

namespace timed {

// Loops of a body that follow each other and touch no stream or port, with those that each of them waits for.
struct side_by_side {
  std::vector<std::vector<std::size_t>> waits_for;
};

// An access or a node, with the cycle in which it happens in an iteration.
struct step {
  char kind;  // r w l L t T as in the trace, n loop, g region; b, e: beginning and end of a loop that may run beside others
  int object;
  int access;
  cycle offset;
};
using steps = std::vector<step>;

class bodies {
 public:
  explicit bodies(const trace& recorded) : trace_(recorded) {}

  const side_by_side& beside(int which) const { return beside_[static_cast<std::size_t>(which)]; }

  const steps& steps_of(int body, int site) {
    const std::uint64_t key = (static_cast<std::uint64_t>(body) << 32) | static_cast<std::uint32_t>(site);
    const auto found = compiled_.find(key);
    if (found != compiled_.end()) return *found->second;
    auto made = std::make_unique<steps>();
    const std::vector<item_record>& items = trace_.bodies[static_cast<std::size_t>(body)];
    std::map<std::pair<int, char>, cycle> last;  // access of each stream in this iteration
    std::size_t beside = 0;                      // of the items that follow, how many are loops side by side
    for (std::size_t i = 0; i < items.size(); ++i) {
      const item_record& item = items[i];
      if (beside == 0 && site < 0 && !trace_.independent.empty()) {
        beside = quiet_loops(items, i);
        beside = beside > 1 && runs_beside(items, i, beside) ? beside : 0;
      }
      if (beside > 0) {
        const auto loops = static_cast<int>(beside_.size()) - 1;
        made->push_back({'b', loops, -1, static_cast<cycle>(beside_.back().waits_for.size() - beside)});
        made->push_back({'n', item.id, -1, 0});
        made->push_back({'e', loops, -1, 0});
        --beside;
        continue;
      }
      if (item.is_node) {
        const bool is_loop = trace_.nodes[static_cast<std::size_t>(item.id)].is_loop;
        made->push_back({is_loop ? 'n' : 'g', item.id, -1, 0});
        continue;
      }
      const access_record& access = trace_.accesses[static_cast<std::size_t>(item.id)];
      cycle offset = 0;
      if (site >= 0) {
        const site_record& s = trace_.sites[static_cast<std::size_t>(site)];
        const auto known = s.offset.find(item.id);
        const bool leaves = access.kind == 'w' || access.kind == 't' || access.kind == 'T';
        offset = known != s.offset.end() ? known->second : leaves ? std::max<cycle>(0, s.depth - 1) : 0;
        // A FIFO takes and gives a word a cycle: accesses of an iteration to one stream follow each other.
        if (access.kind == 'r' || access.kind == 'w') {
          const auto [before, is_first] = last.try_emplace({access.object, access.kind}, offset);
          if (!is_first) before->second = offset = std::max(offset, before->second + 1);
        }
      }
      made->push_back({access.kind, access.object, item.id, offset});
    }
    const steps& result = *made;
    compiled_.emplace(key, std::move(made));
    return result;
  }

  // Streams that a process touches, and whether it writes them.
  const std::set<std::pair<int, bool>>& streams_of(int body) {
    const auto found = touched_.find(body);
    if (found != touched_.end()) return found->second;
    std::set<std::pair<int, bool>> touched;
    for (const item_record& item : trace_.bodies[static_cast<std::size_t>(body)]) {
      if (!item.is_node) {
        const access_record& access = trace_.accesses[static_cast<std::size_t>(item.id)];
        if (access.kind == 'r' || access.kind == 'w') touched.insert({access.object, access.kind == 'w'});
        continue;
      }
      const node_record& node = trace_.nodes[static_cast<std::size_t>(item.id)];
      for (const group_record& group : node.groups) {
        for (const run_record& run : group.runs) {
          const auto& inner = streams_of(run.body);
          touched.insert(inner.begin(), inner.end());
        }
      }
      for (const auto& [inner_body, which] : node.processes) {
        (void)which;
        const auto& inner = streams_of(inner_body);
        touched.insert(inner.begin(), inner.end());
      }
    }
    return touched_.emplace(body, std::move(touched)).first->second;
  }

 private:
  // How many items from the first on are loops without streams, ports and regions.
  std::size_t quiet_loops(const std::vector<item_record>& items, std::size_t first) {
    std::size_t n = 0;
    while (first + n < items.size() && items[first + n].is_node && quiet_node(items[first + n].id)) ++n;
    return n;
  }

  bool quiet_node(int node) {
    const auto found = quiet_.find(node);
    if (found != quiet_.end()) return found->second;
    const node_record& record = trace_.nodes[static_cast<std::size_t>(node)];
    bool quiet = record.is_loop;
    for (const group_record& group : record.groups) {
      for (const run_record& run : group.runs) {
        for (const item_record& item : trace_.bodies[static_cast<std::size_t>(run.body)]) {
          quiet = quiet && item.is_node && quiet_node(item.id);
        }
      }
    }
    quiet_[node] = quiet;
    return quiet;
  }

  // Notes which of the loops wait for which; false: each waits for the one before it.
  bool runs_beside(const std::vector<item_record>& items, std::size_t first, std::size_t n) {
    side_by_side found;
    bool any = false;
    for (std::size_t i = 0; i < n; ++i) {
      found.waits_for.emplace_back();
      const int later = trace_.nodes[static_cast<std::size_t>(items[first + i].id)].site;
      for (std::size_t j = 0; j < i; ++j) {
        const int earlier = trace_.nodes[static_cast<std::size_t>(items[first + j].id)].site;
        const bool free = trace_.independent.count({earlier, later}) > 0;
        any = any || free;
        if (!free) found.waits_for.back().push_back(j);
      }
    }
    if (any) beside_.push_back(std::move(found));
    return any;
  }

  const trace& trace_;
  std::unordered_map<std::uint64_t, std::unique_ptr<steps>> compiled_;
  std::unordered_map<int, std::set<std::pair<int, bool>>> touched_;
  std::unordered_map<int, bool> quiet_;
  std::deque<side_by_side> beside_;
};

}  // namespace timed
