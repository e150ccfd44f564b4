// Residual adder and static quantizer, a scale for every eight words.
#include "flexdse_hls/quantize_static.hpp"
#include "flexdse_hls/residual.hpp"

void top() {
  fifo<lanes<float, 2>, 2> a("a");
  fifo<lanes<float, 2>, 2> b("b");
  fifo<lanes<float, 2>, 2> x("x");
  fifo<lanes<float, 2>, 2> scales("scales");
  fifo<lanes<int_t<8>, 2>, 2> q("q");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(source_of(a, 320, 1, 1));
  FLEXDSE_PROCESS(source_of(b, 320, 1, 2));
  FLEXDSE_PROCESS(source_of(scales, 40, 3, 3));
  FLEXDSE_PROCESS((add_residual<2>(a, b, x, 320, 1)));
  FLEXDSE_PROCESS((quantize_static<8, 1, 2>(x, scales, q, 8, 40)));
  FLEXDSE_PROCESS(sink_of(q, 320, 1, 0));
  FLEXDSE_DATAFLOW_END;
}
