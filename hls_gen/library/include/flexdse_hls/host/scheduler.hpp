// Purpose: runs the processes of a C simulation side by side, and reports a deadlock at once, by name.
//
// Each process of a dataflow region is a thread with a stack of its own. The threads are cooperative: a process runs
// until it waits for a full stream to drain or an empty one to fill, then the next one that can run does. So the run is
// the same every time, a switch costs a fraction of a microsecond, and a deadlock needs no time-out: when a process
// waits and none can run, nothing can ever change, which is exactly a deadlock of the hardware's FIFOs.
// A scheduler belongs to one thread of the operating system; simulations in several such threads do not meet.
#pragma once

#include <sys/mman.h>
#include <ucontext.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "flexdse_hls/host/tap.hpp"

namespace flexdse_hls::host {

// Exit codes of a simulation that cannot go on; the driver of csim knows them.
constexpr int kDeadlockExitCode = 86;
constexpr int kProtocolExitCode = 87;

[[noreturn]] inline void stop_simulation(int exit_code, const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "csim: %s\n", message.c_str());
  std::fflush(stderr);
  std::_Exit(exit_code);  // other processes are in the middle of their work: no destructor may run
}

enum class side { reading, writing };

class process;

// What the scheduler needs to know of a stream, whatever its element type.
class stream_base {
 public:
  stream_base(std::string name, std::size_t depth) : name_(std::move(name)), depth_(depth), tap_(tap_of(name_)) {}
  stream_base(const stream_base&) = delete;
  stream_base& operator=(const stream_base&) = delete;

  const std::string& name() const { return name_; }
  void set_name(std::string name) {
    name_ = std::move(name);
    tap_ = tap_of(name_);
  }
  std::size_t depth() const { return depth_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == depth_; }

 protected:
  ~stream_base() = default;

  std::string name_;
  std::size_t depth_;
  std::size_t size_ = 0;
  process* waiting_reader_ = nullptr;
  process* waiting_writer_ = nullptr;
  tap* tap_ = nullptr;
  friend class scheduler;
};

// The processes of one dataflow region that still run, and the process (or none: the testbench) that waits for them.
struct region_state {
  int id = -1;
  int running = 0;
  process* parent = nullptr;
};

// Stacks of processes, kept for those of the next region: a kernel runs its datapath hundreds of times a token, and to
// map and touch new pages would take longer than most steps.
class stack_pool {
 public:
  static constexpr std::size_t kStackBytes = std::size_t{32} << 20;  // the on-chip buffers are locals of their process

  ~stack_pool() {
    for (void* stack : free_) munmap(stack, kStackBytes);
  }

  // Null: no memory.
  void* take() {
    if (!free_.empty()) {
      void* stack = free_.back();
      free_.pop_back();
      return stack;
    }
    // Reserved, not used: a page of it exists once it is touched. The lowest page stays a guard.
    void* stack = mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED || mprotect(stack, kGuardBytes, PROT_NONE) != 0) return nullptr;
    return stack;
  }

  void give_back(void* stack) { free_.push_back(stack); }

 private:
  static constexpr std::size_t kGuardBytes = 4096;
  std::vector<void*> free_;
};

inline stack_pool& stacks() {
  thread_local stack_pool only;
  return only;
}

class process {
 public:
  process(std::string name, std::function<void()> body, region_state& region)
      : name_(std::move(name)), body_(std::move(body)), region_(region) {
    stack_ = stacks().take();
    if (stack_ == nullptr) stop_simulation(kProtocolExitCode, "no memory for the stack of process " + name_);
  }
  ~process() { stacks().give_back(stack_); }
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  const std::string& name() const { return name_; }
  int id() const { return id_; }
  int region() const { return region_.id; }

 private:
  friend class scheduler;
  std::string name_;
  std::function<void()> body_;
  region_state& region_;
  int id_ = -1;
  void* stack_ = nullptr;
  ucontext_t context_ = {};
  stream_base* waits_for_ = nullptr;
  side waits_to_ = side::reading;
};

class scheduler {
 public:
  static scheduler& of_this_thread() {
    thread_local scheduler only;
    return only;
  }

  // The process that runs now; null for the testbench, outside of every region.
  const process* running() const { return running_; }

  // Runs all processes and returns when the last has ended.
  void run(std::list<process>& processes, region_state& region) {
    region.id = next_id_++;
    region.running = static_cast<int>(processes.size());
    region.parent = running_;
    for (process& each : processes) {
      each.id_ = next_id_++;
      getcontext(&each.context_);
      each.context_.uc_stack.ss_sp = each.stack_;
      each.context_.uc_stack.ss_size = stack_pool::kStackBytes;
      each.context_.uc_link = nullptr;
      makecontext(&each.context_, &scheduler::enter_process, 0);
      live_.push_back(&each);
      ready_.push_back(&each);
    }
    if (region.running > 0) switch_from(running_ != nullptr ? running_->context_ : testbench_);
  }

  // The running process waits until the other side of `stream` has made room or sent a value.
  void wait(stream_base& stream, side to) {
    if (running_ == nullptr) {
      stop_simulation(kDeadlockExitCode, "DEADLOCK: no process runs, and " + waiting("the testbench", stream, to));
    }
    (to == side::reading ? stream.waiting_reader_ : stream.waiting_writer_) = running_;
    running_->waits_for_ = &stream;
    running_->waits_to_ = to;
    switch_from(running_->context_);
  }

  // Called after each access: whoever waited for it can run again.
  void accessed(process*& waiting_process) {
    if (waiting_process == nullptr) return;
    waiting_process->waits_for_ = nullptr;
    ready_.push_back(waiting_process);
    waiting_process = nullptr;
  }

  void written(stream_base& stream) { accessed(stream.waiting_reader_); }
  void taken(stream_base& stream) { accessed(stream.waiting_writer_); }

 private:
  static void enter_process() {
    scheduler& self = of_this_thread();
    process& me = *self.running_;
    me.body_();
    self.live_.remove(&me);
    if (--me.region_.running == 0) {
      if (me.region_.parent == nullptr) {
        self.running_ = nullptr;
        setcontext(&self.testbench_);
      }
      self.ready_.push_back(me.region_.parent);
    }
    self.switch_from(me.context_);  // never to return
  }

  void switch_from(ucontext_t& from) {
    if (ready_.empty()) report_deadlock();
    running_ = ready_.front();
    ready_.pop_front();
    if (&running_->context_ != &from) swapcontext(&from, &running_->context_);
  }

  static std::string waiting(const std::string& who, const stream_base& stream, side to) {
    return who + " waits to " + (to == side::reading ? "read " : "write ") + stream.name() +
           (to == side::reading ? " (empty, depth " : " (full, depth ") + std::to_string(stream.depth()) + ")";
  }

  void report_deadlock() {
    std::string message = "DEADLOCK: every running process waits for a stream";
    // Those that wait for room come last, where a shortened message keeps them: among them is the FIFO that is too shallow.
    for (side to : {side::reading, side::writing}) {
      for (const process* stalled : live_) {
        if (stalled->waits_for_ == nullptr || stalled->waits_to_ != to) continue;  // or waits for a region inside it
        message += "\n  process " + waiting(stalled->name(), *stalled->waits_for_, to);
      }
    }
    stop_simulation(kDeadlockExitCode, message);
  }

  ucontext_t testbench_ = {};
  int next_id_ = 0;
  process* running_ = nullptr;
  std::deque<process*> ready_;
  std::list<process*> live_;
};

}  // namespace flexdse_hls::host
