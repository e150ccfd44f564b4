// A burst of 120 words from a port of half a word a cycle and 64 cycles to the first, packed in pairs.
#include "flexdse_hls/vector_io.hpp"

void top(const hbm_word<128>* memory) {
  fifo<lanes<float, 8>, 2> vectors("vectors");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS((read_vectors<8, 128>(memory, vectors, 60)));
  FLEXDSE_PROCESS(sink_of(vectors, 60, 1, 0));
  FLEXDSE_DATAFLOW_END;
}
