// RMSNorm of 128 channels, three tokens: two passes over a buffer and a long chain of operators between them.
#include "flexdse_hls/real.hpp"
#include "flexdse_hls/rms_norm.hpp"

void top() {
  fifo<lanes<float, 2>, 2> x("x");
  fifo<lanes<float, 2>, 2> gamma("gamma");
  fifo<lanes<float, 2>, 2> y("y");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(source_of(x, 192, 1, 1));
  FLEXDSE_PROCESS(source_of(gamma, 192, 1, 2));
  FLEXDSE_PROCESS((rms_norm<1, 2, 64>(x, gamma, y, 1e-5f, 64, 3)));
  FLEXDSE_PROCESS(sink_of(y, 192, 1, 0));
  FLEXDSE_DATAFLOW_END;
}
