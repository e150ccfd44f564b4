// Hadamard transform of 64 channels on a stream, read at half its rate, four vectors.
#include "flexdse_hls/hadamard.hpp"

void top() {
  fifo<lanes<float, 2>, 2> x("x");
  fifo<lanes<float, 2>, 2> rows("rows");
  fifo<lanes<float, 2>, 2> y("y");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(source_of(x, 128, 1, 1));
  FLEXDSE_PROCESS((hadamard_butterflies<64, 1, 2>(x, rows, 4)));
  FLEXDSE_PROCESS((hadamard_rows<64, 1, 2>(rows, y, 4)));
  FLEXDSE_PROCESS(sink_of(y, 128, 2, 0));
  FLEXDSE_DATAFLOW_END;
}
