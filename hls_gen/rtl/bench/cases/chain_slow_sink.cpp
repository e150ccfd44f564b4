// Two adders in a row between sources of different rates and a reader slower than both.
#include "flexdse_hls/residual.hpp"

void shift(stream<lanes<float, 1>>& in, stream<lanes<float, 1>>& out, int words) {
Word_Pipeline:
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    lanes<float, 1> word = in.read();
    word[0] = fp_add(word[0], 1.0f);
    out.write(word);
  }
}

void top() {
  fifo<lanes<float, 1>, 4> a("a");
  fifo<lanes<float, 1>, 2> b("b");
  fifo<lanes<float, 1>, 4> c("c");
  fifo<lanes<float, 1>, 3> d("d");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(source_of(a, 300, 1, 1));
  FLEXDSE_PROCESS(source_of(b, 300, 2, 2));
  FLEXDSE_PROCESS((add_residual<1>(a, b, c, 300, 1)));
  FLEXDSE_PROCESS(shift(c, d, 300));
  FLEXDSE_PROCESS(sink_of(d, 300, 3, 0));
  FLEXDSE_DATAFLOW_END;
}
