// Purpose: stands in for the library's header of the same name: reports regions and processes to the recorder.
#pragma once

#include "flexdse_simulate/recorder.hpp"

#define FLEXDSE_DATAFLOW_BEGIN ::flexdse_simulate::region flexdse_region_(__FILE__, __LINE__)
#define FLEXDSE_PROCESS(...)                                                        \
  do {                                                                              \
    ::flexdse_simulate::process flexdse_process_(#__VA_ARGS__, __FILE__, __LINE__); \
    __VA_ARGS__;                                                                    \
  } while (false)
#define FLEXDSE_DATAFLOW_END
#define FLEXDSE_REQUIRE(condition, sentence)                                                                              \
  do {                                                                                                                    \
    if (!(condition)) ::flexdse_simulate::recorder::only().verdict("requirement", __FILE__, __LINE__, (sentence));         \
  } while (false)
