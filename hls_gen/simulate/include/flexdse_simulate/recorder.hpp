// Purpose: records what the processes of a kernel do with streams and memories, in a form that no run is too long for.
//
// The program runs once, process after process, without time. Each loop, iteration and access reports here; equal
// iterations, loops, processes and regions are stored once (hash-consing), and repeated patterns of iterations are
// counted. What remains is a small tree, from which the solver computes cycles for any FIFO depths.
//
// Text of the trace, a record a line:
//   site ID KIND LINE FUNCTION \t FILE \t LABEL        a loop: p pipelined, f flattened into one, s sequential
//   stream ID DEPTH NAME
//   port ID NAME
//   access ID KIND OBJECT LINE \t FILE                 r, w: of a stream; l, L, t, T: load, store; capital: next address
//   body ID N item...                                  aACCESS, nNODE
//   loop ID SITE GROUPS {REPEATS N {BODY COUNT}...}...
//   region ID LINE N {BODY PROCESS}... \t FILE
//   process ID LINE NAME \t FILE
//   top BODY
//   verdict KIND \t FILE \t LINE \t MESSAGE            the program cannot be simulated, or breaks a rule
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <unordered_map>
#include <vector>

namespace flexdse_simulate {

using code = std::uint32_t;  // an item: access * 2, or node * 2 + 1

struct text_hash {
  static std::uint64_t of(const code* items, std::size_t n) {
    std::uint64_t hash = 1469598103934665603ull ^ n;
    for (std::size_t i = 0; i < n; ++i) hash = (hash ^ items[i]) * 1099511628211ull + (hash >> 29);
    return hash;
  }
};

// Sequences of codes, each stored once.
class interned {
 public:
  std::uint32_t id_of(const code* items, std::size_t n) {
    auto& bucket = by_hash_[text_hash::of(items, n)];
    for (const std::uint32_t id : bucket) {
      const std::vector<code>& known = all_[id];
      if (known.size() == n && (n == 0 || std::memcmp(known.data(), items, n * sizeof(code)) == 0)) return id;
    }
    const auto id = static_cast<std::uint32_t>(all_.size());
    all_.emplace_back(items, items + n);
    bucket.push_back(id);
    return id;
  }
  std::uint32_t id_of(const std::vector<code>& items) { return id_of(items.data(), items.size()); }
  const std::vector<std::vector<code>>& all() const { return all_; }

 private:
  std::vector<std::vector<code>> all_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> by_hash_;
};

struct place {
  const char* file;
  int line;
};

class recorder {
 public:
  static recorder& only() {
    static recorder it;
    return it;
  }

  // ---- streams

  int open_stream(const std::string& name, std::size_t depth) {
    auto& free = free_streams_[{name, depth}];
    if (!free.empty()) {
      const int id = free.back();
      free.pop_back();
      return id;
    }
    streams_.push_back({name, depth});
    return static_cast<int>(streams_.size()) - 1;
  }
  void set_stream_depth(int id, std::size_t depth) { streams_[id].second = depth; }
  void close_stream(int id) { free_streams_[{streams_[id].first, streams_[id].second}].push_back(id); }

  std::uint32_t access_id(char kind, int object, place at) {
    const auto key = std::make_tuple(kind, object, at.line, std::string(at.file));
    const auto found = access_ids_.find(key);
    if (found != access_ids_.end()) return found->second;
    const auto id = static_cast<std::uint32_t>(access_ids_.size());
    access_ids_.emplace(key, id);
    accesses_.push_back(key);
    return id;
  }

  void access(std::uint32_t id) {
    items_->push_back(2 * id);
    if (++accesses_seen_ > max_accesses_) {
      verdict("unbounded", site_file(), site_line(),
              "more than " + std::to_string(max_accesses_) + " stream and memory accesses: a loop without a bound, or too much to simulate");
    }
  }

  // ---- memory

  // Pretends a memory behind a port: its addresses are never touched.
  void* port(const std::string& name) {
    ports_.push_back({name, {0, 0}});
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(ports_.size()) << kPortShift);
  }
  bool is_port(const void* address) const {
    const std::uintptr_t number = reinterpret_cast<std::uintptr_t>(address) >> kPortShift;
    return number >= 1 && number <= ports_.size();
  }
  void memory(const void* address, std::size_t bytes, bool is_store, place at) {
    const auto value = reinterpret_cast<std::uintptr_t>(address);
    const auto number = static_cast<std::size_t>((value >> kPortShift) - 1);
    std::uintptr_t& expected = ports_[number].second[is_store];
    const bool next = expected == value;
    expected = value + bytes;
    const char kind = is_store ? (next ? 'T' : 't') : (next ? 'L' : 'l');
    // Nearly always the same place as the last time.
    memo& last = memory_memo_[number * 4 + (is_store ? 2 : 0) + (next ? 1 : 0)];
    if (last.line != at.line || last.file != at.file) last = {at.file, at.line, access_id(kind, static_cast<int>(number), at)};
    access(last.id);
  }

  // ---- loops

  struct loop_frame {
    std::uint32_t site;
    std::vector<code> runs;  // body, count, body, count ...
    std::vector<code>* outer;
    std::vector<code> items;
    bool ignored;
    int together;  // iterations that are one, by `unroll factor=`
    int open;      // of them so far
  };

  std::uint32_t site_id(char kind, const char* mangled, const char* label, place at) {
    sites_.push_back({kind, mangled, label, at});
    return static_cast<std::uint32_t>(sites_.size()) - 1;
  }

  // A loop of a driver: its label is its interval.
  std::uint32_t driver_site(int interval) {
    const auto known = drivers_.find(interval);
    if (known != drivers_.end()) return known->second;
    driver_labels_.push_back(std::to_string(interval));
    const std::uint32_t id = site_id('p', "driver", driver_labels_.back().c_str(), {"", 0});
    drivers_.emplace(interval, id);
    return id;
  }

  void enter_loop(std::uint32_t site, int together = 1) {
    if (++depth_ > frames_.size()) frames_.push_back(new loop_frame());
    loop_frame& frame = *frames_[depth_ - 1];
    frame.ignored = pipelined_ > 0;
    if (frame.ignored) return;  // all loops inside a pipelined one are unrolled
    if (std::get<0>(sites_[site]) == 'p') ++pipelined_;
    frame.site = site;
    frame.together = together;
    frame.open = 0;
    frame.runs.clear();
    frame.items.clear();
    frame.outer = items_;
    items_ = &frame.items;
  }

  void end_iteration() {
    loop_frame& frame = *frames_[depth_ - 1];
    if (frame.ignored) return;
    if (++frame.open < frame.together) return count_iteration();
    close_iteration(frame);
    count_iteration();
  }

  void close_iteration(loop_frame& frame) {
    frame.open = 0;
    std::vector<code>& runs = frame.runs;
    const std::vector<code>& items = frame.items;
    if (!runs.empty()) {
      const std::vector<code>& last = bodies_.all()[runs[runs.size() - 2]];
      if (last.size() == items.size() &&
          (items.empty() || std::memcmp(last.data(), items.data(), items.size() * sizeof(code)) == 0) &&
          runs.back() != 0xffffffffu) {
        ++runs.back();
        frame.items.clear();
        return;
      }
    }
    const std::uint32_t body = bodies_.id_of(items);
    runs.push_back(body);
    runs.push_back(1);
    frame.items.clear();
  }

  void leave_loop() {
    loop_frame& frame = *frames_[depth_ - 1];
    --depth_;
    if (frame.ignored) return;
    if (frame.open > 0) close_iteration(frame);  // the last ones are fewer
    if (std::get<0>(sites_[frame.site]) == 'p') --pipelined_;
    items_ = frame.outer;
    items_->push_back(2 * node('l', grouped(frame.site, frame.runs)) + 1);
  }

  // ---- processes

  struct region_frame {
    place at;
    std::vector<code> processes;  // body, process ...
    int serial;
  };

  void enter_region(place at) {
    // The first access of a region to a memory starts a burst, whatever was accessed before.
    if (regions_.empty()) {
      for (auto& port : ports_) port.second = {0, 0};
    }
    regions_.push_back({at, {}, ++serial_});
  }
  void leave_region() {
    region_frame frame = regions_.back();
    regions_.pop_back();
    std::vector<code> words{place_id(frame.at)};
    words.insert(words.end(), frame.processes.begin(), frame.processes.end());
    items_->push_back(2 * node('g', words) + 1);
  }

  void enter_process(const char* name, place at) {
    if (regions_.empty()) verdict("unsupported", at.file, at.line, "a process outside of a dataflow region");
    process_stack_.push_back({process_, items_, pipelined_, depth_, process_names_index_});
    process_ = ++serial_;
    process_region_[process_ & kMask] = regions_.back().serial;
    process_names_[process_ & kMask] = name;
    items_ = new std::vector<code>();
    pipelined_ = 0;
    process_names_index_ = process_name_id(name, at);
  }
  void leave_process() {
    const std::uint32_t body = bodies_.id_of(*items_);
    delete items_;
    const process_frame outer = process_stack_.back();
    regions_.back().processes.push_back(body);
    regions_.back().processes.push_back(process_names_index_);
    process_ = outer.process;
    items_ = outer.items;
    pipelined_ = outer.pipelined;
    process_names_index_ = outer.name;
    process_stack_.pop_back();
  }
  int process() const { return process_; }
  int region_of(int process) const { return process_region_[process & kMask]; }
  const char* name_of(int process) const { return process_names_[process & kMask]; }

  // ---- verdicts

  [[noreturn]] void verdict(const char* kind, const char* file, int line, const std::string& message) {
    write(nullptr, kind, file, line, message);
    std::fflush(stdout);
    std::_Exit(3);
  }
  void start() { items_ = &top_; }
  void finish() { write("top", "", "", 0, ""); }
  void set_output(const char* path) { path_ = path; }
  void set_max_accesses(std::uint64_t most) { max_accesses_ = most; }

 private:
  static constexpr int kPortShift = 40;
  static constexpr int kMask = (1 << 16) - 1;

  struct memo {
    const char* file = nullptr;
    int line = 0;
    std::uint32_t id = 0;
  };
  struct process_frame {
    int process;
    std::vector<code>* items;
    int pipelined;
    std::size_t depth;
    std::uint32_t name;
  };

  recorder() : memory_memo_(4 * 4096), process_region_(kMask + 1), process_names_(kMask + 1) { items_ = &top_; }

  const char* site_file() const { return depth_ > 0 && !frames_[depth_ - 1]->ignored ? std::get<3>(sites_[frames_[depth_ - 1]->site]).file : ""; }
  int site_line() const { return depth_ > 0 && !frames_[depth_ - 1]->ignored ? std::get<3>(sites_[frames_[depth_ - 1]->site]).line : 0; }

  void count_iteration() {
    if (++iterations_seen_ > max_accesses_) {
      verdict("unbounded", site_file(), site_line(), "more than " + std::to_string(max_accesses_) + " iterations: a loop without a bound, or too much to simulate");
    }
  }

  std::uint32_t node(char kind, std::vector<code> words) {
    words.insert(words.begin(), static_cast<code>(kind));
    return nodes_.id_of(words);
  }
  std::uint32_t place_id(place at) {
    const auto key = std::make_pair(std::string(at.file), at.line);
    const auto found = places_.find(key);
    if (found != places_.end()) return found->second;
    const auto id = static_cast<std::uint32_t>(places_.size());
    places_.emplace(key, id);
    place_list_.push_back(key);
    return id;
  }
  std::uint32_t process_name_id(const char* name, place at) {
    const std::uint32_t where = place_id(at);
    const auto key = std::make_pair(std::string(name), where);
    const auto found = process_ids_.find(key);
    if (found != process_ids_.end()) return found->second;
    const auto id = static_cast<std::uint32_t>(process_ids_.size());
    process_ids_.emplace(key, id);
    process_list_.push_back(key);
    return id;
  }

  // Runs of equal iterations, with repetitions of up to kLongestPeriod runs counted: site, groups, {repeats, n, runs}.
  static std::vector<code> grouped(std::uint32_t site, const std::vector<code>& runs) {
    constexpr std::size_t kLongestPeriod = 64;
    const std::size_t n = runs.size() / 2;
    const auto* pairs = reinterpret_cast<const std::uint64_t*>(runs.data());
    std::vector<std::uint64_t> aligned(n);  // vectors of codes need not be aligned to pairs
    if (n > 0) std::memcpy(aligned.data(), runs.data(), n * sizeof(std::uint64_t));
    (void)pairs;
    std::vector<code> words{site, 0};
    std::size_t at = 0;
    std::size_t plain = 0;  // where the open group without repetition has its count
    while (at < n) {
      std::size_t period = 0;
      std::size_t repeats = 0;
      for (std::size_t p = 1; p <= kLongestPeriod && at + 2 * p <= n; ++p) {
        std::size_t same = 0;
        while (at + p + same < n && aligned[at + same] == aligned[at + p + same]) ++same;
        const std::size_t times = 1 + same / p;
        if (times >= 2 && times * p >= 3 && times * p > repeats * period) {
          period = p;
          repeats = times;
          if (times >= 4) break;
        }
      }
      if (period > 0) {
        ++words[1];
        words.push_back(static_cast<code>(repeats));
        words.push_back(static_cast<code>(period));
        words.insert(words.end(), runs.begin() + 2 * at, runs.begin() + 2 * (at + period));
        at += repeats * period;
        plain = 0;
      } else {
        if (plain == 0) {
          ++words[1];
          words.push_back(1);
          plain = words.size();
          words.push_back(0);
        }
        ++words[plain];
        words.push_back(runs[2 * at]);
        words.push_back(runs[2 * at + 1]);
        ++at;
      }
    }
    return words;
  }

  void write(const char* top, const char* kind, const char* file, int line, const std::string& message) {
    const std::string partial = path_ + ".partial";
    std::FILE* out = std::fopen(partial.c_str(), "w");
    if (out == nullptr) std::_Exit(4);
    for (std::size_t i = 0; i < sites_.size(); ++i) {
      const auto& [k, function, label, at] = sites_[i];
      std::fprintf(out, "site %zu %c %d %s\t%s\t%s\n", i, k, at.line, function, at.file, label);
    }
    for (std::size_t i = 0; i < streams_.size(); ++i) {
      std::fprintf(out, "stream %zu %zu %s\n", i, streams_[i].second, streams_[i].first.c_str());
    }
    for (std::size_t i = 0; i < ports_.size(); ++i) std::fprintf(out, "port %zu %s\n", i, ports_[i].first.c_str());
    for (std::size_t i = 0; i < accesses_.size(); ++i) {
      const auto& [k, object, where, name] = accesses_[i];
      std::fprintf(out, "access %zu %c %d %d\t%s\n", i, k, object, where, name.c_str());
    }
    for (std::size_t i = 0; i < process_list_.size(); ++i) {
      const auto& at = place_list_[process_list_[i].second];
      std::fprintf(out, "process %zu %d %s\t%s\n", i, at.second, process_list_[i].first.c_str(), at.first.c_str());
    }
    if (top != nullptr) {
      const std::uint32_t body = bodies_.id_of(top_);
      const auto& bodies = bodies_.all();
      for (std::size_t i = 0; i < bodies.size(); ++i) {
        std::fprintf(out, "body %zu %zu", i, bodies[i].size());
        for (const code item : bodies[i]) std::fprintf(out, " %c%u", item % 2 ? 'n' : 'a', item / 2);
        std::fputc('\n', out);
      }
      const auto& nodes = nodes_.all();
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        const std::vector<code>& words = nodes[i];
        if (words[0] == 'l') {
          std::fprintf(out, "loop %zu", i);
          for (std::size_t j = 1; j < words.size(); ++j) std::fprintf(out, " %u", words[j]);
          std::fputc('\n', out);
        } else {
          const auto& at = place_list_[words[1]];
          std::fprintf(out, "region %zu %d %zu", i, at.second, (words.size() - 2) / 2);
          for (std::size_t j = 2; j < words.size(); ++j) std::fprintf(out, " %u", words[j]);
          std::fprintf(out, "\t%s\n", at.first.c_str());
        }
      }
      std::fprintf(out, "top %u\n", body);
    } else {
      std::string flat = message;
      for (char& c : flat) c = c == '\n' || c == '\t' ? ' ' : c;
      std::fprintf(out, "verdict %s\t%s\t%d\t%s\n", kind, file, line, flat.c_str());
    }
    const bool good = std::fclose(out) == 0;
    if (!good || std::rename(partial.c_str(), path_.c_str()) != 0) std::_Exit(4);
  }

  std::string path_ = "trace.txt";
  std::vector<code> top_;
  std::vector<code>* items_ = nullptr;
  interned bodies_;
  interned nodes_;
  std::vector<std::tuple<char, const char*, const char*, place>> sites_;
  std::vector<std::pair<std::string, std::size_t>> streams_;
  std::map<std::pair<std::string, std::size_t>, std::vector<int>> free_streams_;
  std::map<std::tuple<char, int, int, std::string>, std::uint32_t> access_ids_;
  std::vector<std::tuple<char, int, int, std::string>> accesses_;
  struct range {
    std::uintptr_t expected[2];
    std::uintptr_t& operator[](bool i) { return expected[i]; }
  };
  std::vector<std::pair<std::string, range>> ports_;
  std::vector<memo> memory_memo_;
  std::map<int, std::uint32_t> drivers_;
  std::deque<std::string> driver_labels_;
  std::vector<loop_frame*> frames_;
  std::size_t depth_ = 0;
  int pipelined_ = 0;
  std::vector<region_frame> regions_;
  std::vector<process_frame> process_stack_;
  int process_ = 0;
  int serial_ = 0;
  std::vector<int> process_region_;
  std::vector<const char*> process_names_;
  std::map<std::pair<std::string, int>, std::uint32_t> places_;
  std::vector<std::pair<std::string, int>> place_list_;
  std::map<std::pair<std::string, std::uint32_t>, std::uint32_t> process_ids_;
  std::vector<std::pair<std::string, std::uint32_t>> process_list_;
  std::uint32_t process_names_index_ = 0;
  std::uint64_t accesses_seen_ = 0;
  std::uint64_t iterations_seen_ = 0;
  std::uint64_t max_accesses_ = 20'000'000'000ull;
};

// ---- what the instrumented source says

// A loop of the source; one for each instance of the function that it stands in.
struct site {
  std::uint32_t id;
  site(char kind, const std::type_info& here, const char* label, const char* file, int line)
      : id(recorder::only().site_id(kind, here.name(), label, {file, line})) {}
};

class loop {
 public:
  loop(const site& where, int together) { recorder::only().enter_loop(where.id, together); }
  ~loop() { recorder::only().leave_loop(); }
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;
};

struct iteration {
  iteration() = default;
  iteration(const iteration&) = delete;
  iteration& operator=(const iteration&) = delete;
  ~iteration() { recorder::only().end_iteration(); }
};

struct region {
  region(const char* file, int line) { recorder::only().enter_region({file, line}); }
  ~region() { recorder::only().leave_region(); }
  region(const region&) = delete;
  region& operator=(const region&) = delete;
};

struct process {
  process(const char* name, const char* file, int line) { recorder::only().enter_process(name, {file, line}); }
  ~process() { recorder::only().leave_process(); }
  process(const process&) = delete;
  process& operator=(const process&) = delete;
};

// ---- memories behind a pointer

template <class T>
class memory_word {
 public:
  memory_word(T* address, place at) : address_(address), at_(at) {}
  operator T() const {
    recorder& record = recorder::only();
    if (!record.is_port(address_)) return *address_;
    record.memory(address_, sizeof(T), false, at_);
    return T{};
  }
  const memory_word& operator=(const T& value) const {
    recorder& record = recorder::only();
    if (record.is_port(address_)) {
      record.memory(address_, sizeof(T), true, at_);
    } else {
      *address_ = value;
    }
    return *this;
  }
  const memory_word& operator=(const memory_word& other) const { return *this = static_cast<T>(other); }
  template <class U>
  const memory_word& operator+=(const U& value) const {
    return *this = static_cast<T>(static_cast<T>(*this) + value);
  }

 private:
  T* address_;
  place at_;
};

template <class T>
class memory_pointer {
 public:
  memory_pointer(T* base, place at) : base_(base), at_(at) {}
  template <class I>
  memory_word<T> operator[](I index) const {
    return {base_ + static_cast<std::ptrdiff_t>(index), at_};
  }

 private:
  T* base_;
  place at_;
};

template <class T>
class memory_pointer<const T> {
 public:
  memory_pointer(const T* base, place at) : base_(base), at_(at) {}
  template <class I>
  T operator[](I index) const {
    const T* address = base_ + static_cast<std::ptrdiff_t>(index);
    recorder& record = recorder::only();
    if (!record.is_port(address)) return *address;
    record.memory(address, sizeof(T), false, at_);
    return T{};
  }

 private:
  const T* base_;
  place at_;
};

// Anything that is no pointer, an array or a word of lanes, is left as it is.
template <class T>
decltype(auto) memory(T& base, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if constexpr (std::is_pointer_v<std::remove_const_t<T>>) {
    return memory_pointer<std::remove_pointer_t<std::remove_const_t<T>>>(base, {file, line});
  } else {
    return static_cast<T&>(base);
  }
}

// A pragma of the source about a stream, or about each of an array.
template <class S>
void describe(S& stream, const std::string& name, std::size_t depth) {
  if constexpr (std::is_array_v<S>) {
    for (std::size_t i = 0; i < std::extent_v<S>; ++i) describe(stream[i], name + "[" + std::to_string(i) + "]", depth);
  } else {
    stream.describe(name, depth);
  }
}

}  // namespace flexdse_simulate
