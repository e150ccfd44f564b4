// Purpose: what drives a unit in a simulation of its own: a source and a sink of words at a fixed rate.
//
// A word every `interval` cycles, the first in the cycle after the process starts. Pipelines of their own, depth 1.
#pragma once

#include <hls_stream.h>

#include "flexdse_simulate/recorder.hpp"

namespace flexdse_simulate {

template <class S>
void source(S& stream, int words, int interval = 1) {
  using word = decltype(stream.read());
  recorder& record = recorder::only();
  const std::uint32_t site = record.driver_site(interval);
  record.enter_loop(site);
  for (int i = 0; i < words; ++i) {
    stream.write(word{});
    record.end_iteration();
  }
  record.leave_loop();
}

template <class S>
void sink(S& stream, int words, int interval = 1) {
  recorder& record = recorder::only();
  const std::uint32_t site = record.driver_site(interval);
  record.enter_loop(site);
  for (int i = 0; i < words; ++i) {
    stream.read();
    record.end_iteration();
  }
  record.leave_loop();
}

}  // namespace flexdse_simulate
