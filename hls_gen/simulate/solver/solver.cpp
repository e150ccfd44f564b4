// Solves a recorded trace for cycles: solver TRACE SCHEDULE [unbounded | GROUPS]; JSON on standard output, a line each.
//
// unbounded: solves once more, with FIFOs without bounds. GROUPS: a file with numbers of streams, a group a line; finds
// the least depth of each at which no cycle is lost.
#include <cstdio>
#include <iostream>

#include "engine.hpp"

namespace {

void put_region(int node, const timed::region_result& r, const timed::trace& t) {
  std::printf("{\"node\":%d,\"line\":%d,\"file\":\"%s\",\"cycles\":%lld,\"processes\":[", node, t.nodes[node].line,
              t.nodes[node].file.c_str(), static_cast<long long>(r.cycles));
  for (std::size_t i = 0; i < r.processes.size(); ++i) {
    const timed::process_result& p = r.processes[i];
    std::printf("%s[%d,%d,%lld,%lld,%lld,%lld,%lld,%lld]", i ? "," : "", p.record, p.parent, static_cast<long long>(p.start),
                static_cast<long long>(p.end), static_cast<long long>(p.empty_stall), static_cast<long long>(p.full_stall),
                static_cast<long long>(p.memory_stall), static_cast<long long>(p.region_stall));
  }
  std::printf("],\"streams\":[");
  for (std::size_t i = 0; i < r.streams.size(); ++i) {
    const timed::stream_result& s = r.streams[i];
    std::printf("%s[%d,%lld,%lld,%lld,%lld,%d,%d]", i ? "," : "", s.id, static_cast<long long>(s.words),
                static_cast<long long>(s.empty_stall), static_cast<long long>(s.full_stall), static_cast<long long>(s.places),
                s.writer, s.reader);
  }
  std::printf("],\"critical\":[");
  for (std::size_t i = 0; i < r.critical.size(); ++i) {
    const timed::critical_part& c = r.critical[i];
    std::printf("%s[\"%c\",%d,%lld]", i ? "," : "", c.kind, c.object, static_cast<long long>(c.cycles));
  }
  std::printf("],\"ports\":[");
  for (std::size_t i = 0; i < r.ports.size(); ++i) {
    std::printf("%s[%d,%lld]", i ? "," : "", r.ports[i].first, static_cast<long long>(r.ports[i].second));
  }
  std::printf("]}");
}

void solve(const timed::trace& t) {
  timed::engine engine(t);
  try {
    const timed::cycle cycles = engine.run();
    std::printf("{\"cycles\":%lld,\"order\":[", static_cast<long long>(cycles));
    bool first = true;
    for (const auto& done : engine.order()) {
      std::printf("%s[%d,%lld]", first ? "" : ",", done.node, static_cast<long long>(done.times));
      first = false;
    }
    std::printf("],\"regions\":[");
    first = true;
    for (const auto& [node, region] : engine.regions()) {
      if (!first) std::printf(",");
      put_region(node, region, t);
      first = false;
    }
    std::printf("]}\n");
  } catch (const timed::deadlock& found) {
    std::printf("{\"deadlock\":[");
    for (std::size_t i = 0; i < found.processes.size(); ++i) {
      const timed::blocked_process& p = found.processes[i];
      std::printf("%s[%d,\"%s\",%d,%d,%s,%s]", i ? "," : "", p.record, p.why == timed::cause::empty ? "empty" : "full", p.stream,
                  p.access, p.in_ring ? "true" : "false", p.other_has_ended ? "true" : "false");
    }
    std::printf("]}\n");
  }
  std::fflush(stdout);
}

// Cycles with the depths of a trace; -1 where they deadlock.
timed::cycle cycles_of(const timed::trace& t, std::vector<std::int64_t>* places = nullptr) {
  timed::engine engine(t);
  try {
    const timed::cycle cycles = engine.run();
    if (places != nullptr) {
      places->assign(t.streams.size(), 1);
      for (const auto& [node, region] : engine.regions()) {
        (void)node;
        for (const timed::stream_result& s : region.streams) {
          std::int64_t& most = (*places)[static_cast<std::size_t>(s.id)];
          most = std::max(most, s.places);
        }
      }
    }
    return cycles;
  } catch (const timed::deadlock&) {
    return -1;
  }
}

constexpr std::int64_t kUnbounded = std::int64_t{1} << 40;

// The least depth of each group of FIFOs at which no cycle is lost against FIFOs without bounds, group after group.
void minimize(timed::trace t, const std::vector<std::vector<int>>& groups) {
  for (timed::stream_record& s : t.streams) s.depth = kUnbounded;
  std::vector<std::int64_t> places;
  const timed::cycle best = cycles_of(t, &places);
  std::printf("{\"cycles\":%lld,\"smallest\":[", static_cast<long long>(best));
  // Deep enough for the schedule without bounds, hence for its cycles.
  for (std::size_t i = 0; i < t.streams.size(); ++i) t.streams[i].depth = places[i];
  // FIFOs of a group have one depth: where one of them starts with less, a search of another group sees losses that the answer has not.
  for (const std::vector<int>& group : groups) {
    std::int64_t most = 1;
    for (const int id : group) most = std::max(most, t.streams[static_cast<std::size_t>(id)].depth);
    for (const int id : group) t.streams[static_cast<std::size_t>(id)].depth = most;
  }
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::int64_t high = t.streams[static_cast<std::size_t>(groups[g].front())].depth;
    std::int64_t low = 1;
    while (low < high) {
      const std::int64_t middle = (low + high) / 2;
      timed::trace tried = t;
      for (const int id : groups[g]) tried.streams[static_cast<std::size_t>(id)].depth = middle;
      if (cycles_of(tried) == best) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    for (const int id : groups[g]) t.streams[static_cast<std::size_t>(id)].depth = high;
    std::printf("%s%lld", g ? "," : "", static_cast<long long>(high));
  }
  std::printf("]}\n");
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 3) return 4;
  timed::trace recorded;
  recorded.read(arguments[1]);
  recorded.read_schedule(arguments[2]);
  solve(recorded);
  if (count == 3) return 0;
  if (std::string(arguments[3]) == "unbounded") {
    for (timed::stream_record& s : recorded.streams) s.depth = kUnbounded;
    solve(recorded);
    return 0;
  }
  std::ifstream groups_file(arguments[3]);
  std::vector<std::vector<int>> groups;
  std::string line;
  while (std::getline(groups_file, line)) {
    std::istringstream words(line);
    groups.emplace_back();
    int id;
    while (words >> id) groups.back().push_back(id);
    if (groups.back().empty()) groups.pop_back();
  }
  minimize(recorded, groups);
}
