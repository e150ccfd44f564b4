// Purpose: a dataflow region of the C simulation: its processes run side by side (scheduler.hpp).
#pragma once

#include <functional>
#include <list>
#include <string>
#include <utility>

#include "flexdse_hls/host/scheduler.hpp"

namespace flexdse_hls::host {

class dataflow_region {
 public:
  // `call` is the text of the process's call; its function is its name.
  void add(const std::string& call, std::function<void()> body) {
    processes_.emplace_back(call.substr(0, call.find_first_of("<(")), std::move(body), state_);
  }

  // Starts all processes together and returns when the last has ended.
  void run() { scheduler::of_this_thread().run(processes_, state_); }

 private:
  region_state state_;
  std::list<process> processes_;
};

}  // namespace flexdse_hls::host
