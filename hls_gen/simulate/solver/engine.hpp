// Purpose: cycles of a recorded region, by replaying its processes against bounded FIFOs.
//
// Each process has a clock of its own; processes meet only in FIFOs, whose words and freed places carry the cycle in
// which they came to be. Reads and writes block, so the result does not depend on the order in which processes are
// replayed (Kahn), and is the least solution of the max-plus equations
//   read(n) >= write(n) + 1,  write(n) >= read(n - depth) + 1,
// and of each process's own schedule. A process runs until it has to wait for a word or a place that is not replayed yet;
// when all wait, the hardware is deadlocked.
//
// A pipelined loop issues an iteration every `interval` cycles; an access happens `offset` cycles later. A pipeline that
// does not flush stands still as a whole while an access waits: what is in it gets no further, and of the accesses of a
// cycle, whichever iterations they belong to, none happens before all can. One that flushes lets earlier iterations run
// on while a read waits.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bodies.hpp"
#include "critical_path.hpp"
#include "deadlock.hpp"
#include "fifo.hpp"
#include "process.hpp"
#include "trace.hpp"

namespace timed {

struct process_result {
  int record;
  int parent;  // index in the region, -1 for none
  cycle start;
  cycle end;
  cycle empty_stall;
  cycle full_stall;
  cycle memory_stall;
  cycle region_stall;  // for the processes of a region of its own
};

struct stream_result {
  int id;
  std::int64_t words;
  cycle empty_stall;
  cycle full_stall;
  std::int64_t places;
  int writer;
  int reader;
};

struct region_result {
  cycle cycles = 0;
  std::vector<process_result> processes;
  std::vector<stream_result> streams;
  std::vector<critical_part> critical;
  std::vector<std::pair<int, cycle>> ports;  // stall
};

class engine {
 public:
  explicit engine(const trace& recorded) : trace_(recorded), fifos_(recorded.streams.size()), ports_(recorded.ports.size()), bodies_(recorded) {}

  // The cycles of the whole program; throws `deadlock`.
  cycle run() {
    process top;
    top.stack.push_back({nullptr, &bodies_.steps_of(trace_.top, -1), 0, 0, 0, 0, 0, false, nullptr});
    top_ = &top;
    ready_.push_back(&top);
    replay();
    if (top.end < 0) report_deadlock(live_, fifos_, top);
    judge_top_streams();
    return top.end;
  }

  struct done_region {
    int node;
    std::int64_t times;
  };
  const std::vector<done_region>& order() const { return order_; }
  const std::map<int, region_result>& regions() const { return regions_; }

 private:
  // ---- regions

  void spawn(process& parent, int node) {
    const node_record& record = trace_.nodes[static_cast<std::size_t>(node)];
    const cycle start = (parent.pipelined ? parent.base + parent.local + parent.read_stalls + parent.write_stalls : parent.now) +
                        trace_.costs.region_start;
    parent.children = static_cast<int>(record.processes.size());
    parent.children_start = parent.children_end = start;
    parent.last_child = nullptr;
    for (const auto& [body, which] : record.processes) {
      auto child = std::make_unique<process>();
      child->record = which;
      child->parent = &parent;
      child->start = child->now = start;
      child->stack.push_back({nullptr, &bodies_.steps_of(body, -1), 0, 0, 0, 0, 0, false, nullptr});
      for (const auto& [stream, writes] : bodies_.streams_of(body)) {
        fifo& f = fifos_[static_cast<std::size_t>(stream)];
        (writes ? f.writer : f.reader) = child.get();
        used_.insert(stream);
      }
      ready_.push_back(child.get());
      live_.push_back(std::move(child));
    }
    if (parent.children == 0) ready_.push_back(&parent);
  }

  // A region of the top function: nothing is left of it when it has ended, so equal ones take equally long.
  bool enter_top_region(process& top, int node) {
    count(node);
    const auto known = regions_.find(node);
    if (known != regions_.end()) {
      top.now += trace_.costs.region_start + known->second.cycles + trace_.costs.region_end;
      return false;
    }
    if (trace_.nodes[static_cast<std::size_t>(node)].processes.empty()) {
      regions_[node] = region_result();
      top.now += trace_.costs.region_start + trace_.costs.region_end;
      return false;
    }
    used_.clear();
    for (port_state& port : ports_) port = {};
    region_node_ = node;
    spawn(top, node);
    return true;
  }

  void count(int node) {
    if (!order_.empty() && order_.back().node == node) {
      ++order_.back().times;
    } else {
      order_.push_back({node, 1});
    }
  }

  void leave_top_region(process& top) {
    region_result result;
    result.cycles = top.children_end - (top.now + trace_.costs.region_start);
    const cycle begin = top.now + trace_.costs.region_start;
    std::unordered_map<const process*, int> number;
    for (const auto& each : live_) {
      const int parent = each->parent != &top ? number[each->parent] : -1;
      number[each.get()] = static_cast<int>(result.processes.size());
      result.processes.push_back({each->record, parent, each->start - begin, each->end - begin, each->stall[0], each->stall[1], each->stall[2], each->stall[3]});
    }
    result.critical = critical_path(live_, fifos_, top, begin);
    for (const int stream : used_) {
      fifo& f = fifos_[static_cast<std::size_t>(stream)];
      f.judge();
      const auto owner = [&](process* p) { return p != nullptr && number.count(p) ? number[p] : -1; };
      result.streams.push_back({stream, f.written, f.empty_stall, f.full_stall, f.places, owner(f.writer), owner(f.reader)});
      const std::int64_t depth = f.depth;
      f = fifo();
      f.depth = depth;
    }
    for (std::size_t i = 0; i < ports_.size(); ++i) {
      if (ports_[i].stall > 0) result.ports.push_back({static_cast<int>(i), ports_[i].stall});
    }
    regions_[region_node_] = std::move(result);
    live_.clear();
    top.now = top.children_end + trace_.costs.region_end;
  }

  void judge_top_streams() {
    for (fifo& f : fifos_) f.judge();
  }

  // ---- replay

  void replay() {
    while (!ready_.empty()) {
      process& next = *ready_.front();
      ready_.pop_front();
      next.blocked = false;
      advance(next);
    }
  }

  void finish(process& p) {
    p.end = p.now;
    process* parent = p.parent;
    if (parent == nullptr) return;
    if (parent->last_child == nullptr || p.end >= parent->children_end) parent->last_child = &p;
    parent->children_end = std::max(parent->children_end, p.end);
    if (--parent->children > 0) return;
    if (parent == top_) {
      leave_top_region(*top_);
    } else {
      parent->now = parent->children_end + trace_.costs.region_end;
      parent->stall[static_cast<int>(cause::region)] += parent->children_end - parent->children_start;
      parent->waits.push_back({parent->children_start, parent->children_end, cause::region, static_cast<int>(parent->last_of_region.size())});
      parent->last_of_region.push_back(parent->last_child);
    }
    ready_.push_back(parent);
  }

  void advance(process& p) {
    while (true) {
      frame& f = p.stack.back();
      if (f.position < f.body->size()) {
        const step& s = (*f.body)[f.position];
        switch (s.kind) {
          case 'r':
            if (!read(p, s)) return;
            ++f.position;
            break;
          case 'w':
            if (!write(p, s)) return;
            ++f.position;
            break;
          case 'n':
            ++f.position;
            enter_loop(p, trace_.nodes[static_cast<std::size_t>(s.object)]);
            break;
          case 'b':
            ++f.position;
            begin_beside(p, bodies_.beside(s.object), static_cast<std::size_t>(s.offset));
            break;
          case 'e':
            ++f.position;
            end_beside(p);
            break;
          case 'g':
            ++f.position;
            if (&p == top_) {
              if (enter_top_region(p, s.object)) return;
            } else {
              spawn(p, s.object);
              return;
            }
            break;
          default:
            if (!memory(p, s)) return;
            ++f.position;
        }
        continue;
      }
      if (f.loop == nullptr) {
        finish(p);
        return;
      }
      if (!next_iteration(p, f)) return;
    }
  }

  // ---- loops

  void enter_loop(process& p, const node_record& node) {
    const site_record& site = trace_.sites[static_cast<std::size_t>(node.site)];
    bool owns = false;
    if (site.kind != 's' && !p.pipelined) {
      owns = true;
      p.pipelined = true;
      p.pipeline = &site;
      p.pipeline_site = node.site;
      p.base = p.now + trace_.costs.loop_entry;
      p.local = 0;
      p.last_issue = -1;
      p.read_stalls = p.write_stalls = 0;
      p.burst = p.wrote_memory = false;
      p.pending.clear();
      p.first_pending = 0;
      p.under_way.clear();
    }
    if (site.kind == 's' && !p.pipelined && !node.groups.empty()) p.now += trace_.costs.iteration;
    static const steps nothing;
    frame f{&node, &nothing, 0, 0, 0, 0, 0, owns, &site};
    if (!node.groups.empty()) f.body = &body_of(p, node.groups[0].runs[0].body);
    p.stack.push_back(f);
  }

  const steps& body_of(const process& p, int body) { return bodies_.steps_of(body, p.pipelined ? p.pipeline_site : -1); }

  // The end of an iteration; false: the process waits.
  bool next_iteration(process& p, frame& f) {
    const node_record& node = *f.loop;
    if (node.groups.empty()) return leave_loop(p, f);
    if (f.group == node.groups.size()) return leave_loop(p, f);  // again, after it waited
    const group_record& group = node.groups[f.group];
    const run_record& run = group.runs[f.run];
    const bool issues = p.pipelined && f.site->kind == 'p';
    std::int64_t n = 1;
    if (f.body->empty()) n = run.count - f.count;  // nothing happens in any of them
    if (issues) {
      p.last_issue = p.local + (n - 1) * p.pipeline->interval;
      p.local += n * p.pipeline->interval;
    }
    f.count += n;
    if (f.count < run.count) {
      f.position = 0;
      if (!p.pipelined) p.now += trace_.costs.iteration;
      return true;
    }
    if (!p.pipelined) p.now += (n - 1) * trace_.costs.iteration;
    f.count = 0;
    if (++f.run == group.runs.size()) {
      f.run = 0;
      if (++f.repeat == group.repeats) {
        f.repeat = 0;
        ++f.group;
      }
    }
    if (f.group == node.groups.size()) return leave_loop(p, f);
    f.body = &body_of(p, node.groups[f.group].runs[f.run].body);
    f.position = 0;
    if (!p.pipelined) p.now += trace_.costs.iteration;
    return true;
  }

  // They meet nothing outside of the process, so that each takes as long whenever it begins.
  void begin_beside(process& p, const side_by_side& loops, std::size_t which) {
    if (which == 0) p.beside.push_back({&loops, p.now, {}});
    const open_side_by_side& open = p.beside.back();
    p.now = open.begin;
    for (const std::size_t earlier : loops.waits_for[which]) p.now = std::max(p.now, open.ends[earlier]);
  }

  void end_beside(process& p) {
    open_side_by_side& open = p.beside.back();
    open.ends.push_back(p.now);
    if (open.ends.size() < open.loops->waits_for.size()) return;
    p.now = *std::max_element(open.ends.begin(), open.ends.end());
    p.beside.pop_back();
  }

  bool leave_loop(process& p, frame& f) {
    if (f.owns_pipeline) {
      while (p.first_pending < p.pending.size()) {
        if (!commit(p)) return false;
      }
      if (!settle_cycles(p, kForEver)) return false;
      const cycle stalls = p.read_stalls + p.write_stalls;
      p.now = p.last_issue < 0 ? p.base : p.base + p.last_issue + p.pipeline->depth + stalls;
      p.now += trace_.costs.loop_exit;
      if (p.wrote_memory) p.now = std::max(p.now, p.last_memory_write);
      p.pipelined = false;
    } else if (!p.pipelined) {
      p.now += trace_.costs.iteration;  // the test that ends it
    }
    p.stack.pop_back();
    return true;
  }

  // ---- accesses

  cycle nominal(const process& p, cycle local) const { return p.base + local + p.read_stalls + p.write_stalls; }

  bool blocks(process& p, cause why, const int object, const int access) {
    p.blocked = true;
    p.why = why;
    p.waits_for = object;
    p.waits_at = access;
    fifo& f = fifos_[static_cast<std::size_t>(object)];
    (why == cause::empty ? f.waiting_reader : f.waiting_writer) = &p;
    return false;
  }

  void wake(process*& who) {
    if (who == nullptr) return;
    ready_.push_back(who);
    who = nullptr;
  }

  void note_stall(process& p, cause why, int object, cycle from, cycle to) {
    p.stall[static_cast<int>(why)] += to - from;
    // Waits for the same thing in quick succession are one, also where a process waits for a few things in turn.
    constexpr std::size_t kInTurn = 4;
    for (std::size_t i = p.waits.size(); i > 0 && i + kInTurn > p.waits.size(); --i) {
      wait& recent = p.waits[i - 1];
      if (recent.why == why && recent.object == object && from - recent.to <= p.apart) {
        recent.to = to;
        return;
      }
    }
    p.waits.push_back({from, to, why, object});
    if (p.waits.size() >= kMostWaits) coarsen(p);
  }

  static constexpr std::size_t kMostWaits = 100'000;

  // Joins waits that lie further apart, when there are too many to remember.
  static void coarsen(process& p) {
    while (p.waits.size() >= kMostWaits / 2) {
      p.apart *= 2;
      std::vector<wait> joined;
      for (const wait& each : p.waits) {
        bool known = false;
        for (std::size_t i = joined.size(); i > 0 && i + 4 > joined.size() && !known; --i) {
          wait& recent = joined[i - 1];
          known = recent.why == each.why && recent.object == each.object && each.from - recent.to <= p.apart;
          if (known) recent.to = std::max(recent.to, each.to);
        }
        if (!known) joined.push_back(each);
      }
      p.waits.swap(joined);
    }
  }

  // ---- pipelines that stall

  static constexpr cycle kForEver = std::int64_t{1} << 60;

  // An access of the iteration that is being issued. What lies before that iteration's first cycle is complete, and is done.
  bool start_access(process& p, const step& s) {
    if (!settle_cycles(p, p.local)) return false;
    accesses_of_offset* line = nullptr;
    for (accesses_of_offset& each : p.under_way) {
      if (each.offset == s.offset) line = &each;
    }
    if (line == nullptr) {
      p.under_way.emplace_back();
      line = &p.under_way.back();
      line->offset = s.offset;
    }
    line->entries.push_back({p.local + s.offset, s.kind, s.object, s.access});
    return true;
  }

  // Does the accesses of the cycles before `until`; false: it waits.
  bool settle_cycles(process& p, cycle until) {
    while (true) {
      cycle first = kForEver;
      for (const accesses_of_offset& line : p.under_way) {
        if (!line.empty()) first = std::min(first, line.front().local);
      }
      if (first >= until) return true;
      if (!do_cycle(p, first)) return false;
    }
  }

  template <class Do>
  void for_each_access(const process& p, cycle local, Do&& visit) {
    for (const accesses_of_offset& line : p.under_way) {
      for (std::size_t i = line.first; i < line.entries.size() && line.entries[i].local == local; ++i) visit(line.entries[i]);
    }
  }

  // The accesses of one cycle, all at once, as soon as the last of them can happen; false: one cannot yet.
  bool do_cycle(process& p, cycle local) {
    const cycle planned = nominal(p, local);
    cycle when = planned;
    wait latest{planned, planned, cause::empty, -1};
    const accesses_of_offset::entry* waits = nullptr;
    const auto later = [&](cycle time, cause why, int object) {
      if (time <= when) return;
      when = time;
      latest.why = why;
      latest.object = object;
    };
    for_each_access(p, local, [&](const accesses_of_offset::entry& e) {
      if (waits != nullptr || (e.kind != 'r' && e.kind != 'w')) return;
      fifo& f = fifos_[static_cast<std::size_t>(e.object)];
      if (e.kind == 'r') {
        const std::int64_t word = f.read + f.now_read++;
        if (word >= f.written) {
          waits = &e;
        } else {
          later(f.written_at[word] + 1, cause::empty, e.object);
        }
        return;
      }
      if (f.depth == 0) f.depth = std::max<std::int64_t>(1, trace_.streams[static_cast<std::size_t>(e.object)].depth);
      const std::int64_t word = f.written + f.now_written++;
      if (word - f.read >= f.depth) {
        waits = &e;
      } else if (word >= f.depth) {
        later(f.read_at[word - f.depth] + 1, cause::full, e.object);
      }
    });
    for_each_access(p, local, [&](const accesses_of_offset::entry& e) {
      if (e.kind != 'r' && e.kind != 'w') return;
      fifo& f = fifos_[static_cast<std::size_t>(e.object)];
      f.now_read = f.now_written = 0;
    });
    if (waits != nullptr) return blocks(p, waits->kind == 'r' ? cause::empty : cause::full, waits->object, waits->access);
    for_each_access(p, local, [&](const accesses_of_offset::entry& e) {
      if (e.kind != 'r' && e.kind != 'w') later(transferred(p, e.kind, e.object, planned), cause::memory, e.object);
    });
    if (when > planned) {
      if (latest.why == cause::memory) {
        ports_[static_cast<std::size_t>(latest.object)].stall += when - planned;
      } else {
        fifo& f = fifos_[static_cast<std::size_t>(latest.object)];
        (latest.why == cause::empty ? f.empty_stall : f.full_stall) += when - planned;
      }
      note_stall(p, latest.why, latest.object, planned, when);
      p.read_stalls += when - planned;
    }
    for_each_access(p, local, [&](const accesses_of_offset::entry& e) {
      if (e.kind == 'r') take(e.object, when);
      if (e.kind == 'w') give(e.object, when);
    });
    for (accesses_of_offset& line : p.under_way) {
      while (!line.empty() && line.front().local == local) line.pop();
    }
    return true;
  }

  void take(int object, cycle when) {
    fifo& f = fifos_[static_cast<std::size_t>(object)];
    f.read_at.put(f.read, when, f.first_needed_read());
    ++f.read;
    f.judge();
    wake(f.waiting_writer);
  }

  void give(int object, cycle when) {
    fifo& f = fifos_[static_cast<std::size_t>(object)];
    f.written_at.put(f.written, when, std::min(f.read, f.judged));
    ++f.written;
    wake(f.waiting_reader);
  }

  // ---- other accesses

  bool read(process& p, const step& s) {
    if (p.pipelined && !p.pipeline->flushes) return start_access(p, s);
    fifo& f = fifos_[static_cast<std::size_t>(s.object)];
    cycle when = p.now;
    if (p.pipelined) {
      const cycle local = p.local + s.offset;
      // What is in the pipeline runs on while the read waits, at most until the word is there.
      while (p.first_pending < p.pending.size() &&
             (f.read == f.written || write_time(p) <= std::max(nominal(p, local), f.written_at[f.read] + 1))) {
        if (!commit(p)) return false;
      }
      when = nominal(p, local);
    }
    if (f.read == f.written) return blocks(p, cause::empty, s.object, s.access);
    const cycle ready = f.written_at[f.read] + 1;
    if (ready > when) {
      f.empty_stall += ready - when;
      note_stall(p, cause::empty, s.object, when, ready);
      if (p.pipelined) p.read_stalls += ready - when;
      when = ready;
    }
    take(s.object, when);
    if (!p.pipelined) p.now = when + 1;
    return true;
  }

  // What a flushing pipeline has to write up to a local time; false: it waits.
  bool settle(process& p, cycle local) {
    const cycle until = local + p.read_stalls;
    while (p.first_pending < p.pending.size() && p.pending[p.first_pending].local <= until) {
      if (!commit(p)) return false;
    }
    return true;
  }

  bool write(process& p, const step& s) {
    if (!p.pipelined) return place(p, p.now, s.object, s.access);
    if (!p.pipeline->flushes) return start_access(p, s);
    if (!settle(p, p.local)) return false;
    pending_write entry{p.local + s.offset + p.read_stalls, s.object, s.access};
    p.pending.push_back(entry);
    // Kept in the order of their cycles; nearly always it is the last.
    for (std::size_t i = p.pending.size() - 1; i > p.first_pending && p.pending[i - 1].local > entry.local; --i) {
      std::swap(p.pending[i], p.pending[i - 1]);
    }
    return true;
  }

  cycle write_time(const process& p) const {
    return p.base + p.pending[p.first_pending].local + p.write_stalls;
  }

  // The oldest write that is still in the pipeline.
  bool commit(process& p) {
    const pending_write& oldest = p.pending[p.first_pending];
    if (!place(p, write_time(p), oldest.object, oldest.access)) return false;
    if (++p.first_pending == p.pending.size()) {
      p.pending.clear();
      p.first_pending = 0;
    } else if (p.first_pending >= 4096) {
      p.pending.erase(p.pending.begin(), p.pending.begin() + static_cast<std::ptrdiff_t>(p.first_pending));
      p.first_pending = 0;
    }
    return true;
  }

  bool place(process& p, cycle when, int object, int access) {
    fifo& f = fifos_[static_cast<std::size_t>(object)];
    if (f.depth == 0) f.depth = std::max<std::int64_t>(1, trace_.streams[static_cast<std::size_t>(object)].depth);
    if (f.written - f.read >= f.depth) return blocks(p, cause::full, object, access);
    if (f.written >= f.depth) {
      const cycle free = f.read_at[f.written - f.depth] + 1;
      if (free > when) {
        f.full_stall += free - when;
        note_stall(p, cause::full, object, when, free);
        if (p.pipelined) p.write_stalls += free - when;
        when = free;
      }
    }
    give(object, when);
    if (!p.pipelined) p.now = when + 1;
    return true;
  }

  // When the port has brought or taken a word that is asked for at `when`.
  cycle transferred(process& p, char kind, int object, cycle when) {
    const port_record& record = trace_.ports[static_cast<std::size_t>(object)];
    port_state& port = ports_[static_cast<std::size_t>(object)];
    if (kind == 'l' || kind == 'L') {
      cycle arrival;
      if (kind == 'l' || !p.burst) {
        arrival = std::max((when + record.latency) * 1000, port.arrival_millicycles + record.beat_millicycles);
      } else {
        // The words of a burst follow each other, whether or not they are asked for yet.
        arrival = std::max(port.arrival_millicycles + record.beat_millicycles, 1000 * when - record.prefetched_words * record.beat_millicycles);
      }
      port.arrival_millicycles = arrival;
      p.burst = true;
      return std::max(when, (arrival + 999) / 1000);
    }
    const cycle start = std::max(1000 * when, port.write_millicycles);
    port.write_millicycles = start + record.beat_millicycles;
    const cycle done = (start + 999) / 1000;
    p.wrote_memory = true;
    p.last_memory_write = done + record.response;
    return done;
  }

  bool memory(process& p, const step& s) {
    if (p.pipelined && !p.pipeline->flushes) return start_access(p, s);
    if (p.pipelined && !settle(p, p.local + s.offset)) return false;
    const cycle when = p.pipelined ? nominal(p, p.local + s.offset) : p.now;
    const cycle done = transferred(p, s.kind, s.object, when);
    if (done > when) {
      ports_[static_cast<std::size_t>(s.object)].stall += done - when;
      note_stall(p, cause::memory, s.object, when, done);
      if (p.pipelined) p.read_stalls += done - when;
    }
    if (!p.pipelined) p.now = std::max(done, p.wrote_memory ? p.last_memory_write : done) + 1;
    if (!p.pipelined) p.wrote_memory = false;
    return true;
  }

  const trace& trace_;
  std::vector<fifo> fifos_;
  std::vector<port_state> ports_;
  std::deque<process*> ready_;
  std::vector<std::unique_ptr<process>> live_;
  std::set<int> used_;
  process* top_ = nullptr;
  int region_node_ = -1;
  std::map<int, region_result> regions_;
  std::vector<done_region> order_;
  bodies bodies_;
};

}  // namespace timed
