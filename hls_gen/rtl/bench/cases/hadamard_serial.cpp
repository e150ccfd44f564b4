// Hadamard transform of 128 channels in one buffer, two channels a word, three vectors.
#include "flexdse_hls/hadamard.hpp"

void top() {
  fifo<lanes<float, 2>, 2> x("x");
  fifo<lanes<float, 2>, 2> y("y");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(source_of(x, 192, 1, 1));
  FLEXDSE_PROCESS((hadamard_serial<128, 1, 2>(x, y, 3)));
  FLEXDSE_PROCESS(sink_of(y, 192, 1, 0));
  FLEXDSE_DATAFLOW_END;
}
