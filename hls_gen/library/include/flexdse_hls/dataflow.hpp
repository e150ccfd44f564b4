// Purpose: one source for a dataflow region in synthesis and in C simulation.
//
//   #pragma HLS dataflow
//   FLEXDSE_DATAFLOW_BEGIN;
//   FLEXDSE_PROCESS(load(memory, words));
//   FLEXDSE_PROCESS(store(words, result));
//   FLEXDSE_DATAFLOW_END;
//
// In synthesis the macros leave plain function calls under the pragma. In C simulation the calls run side by side
// (host/scheduler.hpp), so that a FIFO that is too shallow deadlocks here as it would in hardware; one call after the
// other would need FIFOs without bounds, and hide it.
// FLEXDSE_REQUIRE(condition, sentence) checks a run-time argument in C simulation and vanishes in synthesis.
#pragma once

#ifdef __SYNTHESIS__

#define FLEXDSE_DATAFLOW_BEGIN
#define FLEXDSE_PROCESS(...) __VA_ARGS__
#define FLEXDSE_DATAFLOW_END
#define FLEXDSE_REQUIRE(condition, sentence)

#else

#include <string>

#include "flexdse_hls/host/dataflow.hpp"

#define FLEXDSE_DATAFLOW_BEGIN ::flexdse_hls::host::dataflow_region flexdse_region_
#define FLEXDSE_PROCESS(...) flexdse_region_.add(#__VA_ARGS__, [&] { __VA_ARGS__; })
#define FLEXDSE_DATAFLOW_END flexdse_region_.run()
#define FLEXDSE_REQUIRE(condition, sentence)                                                           \
  do {                                                                                                 \
    if (!(condition)) {                                                                                \
      ::flexdse_hls::host::stop_simulation(::flexdse_hls::host::kProtocolExitCode,                     \
                                           std::string(__func__) + ": " + (sentence));                 \
    }                                                                                                  \
  } while (false)

#endif
