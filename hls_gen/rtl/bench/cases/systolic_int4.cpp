// Prefill engine: 4 tokens x 16 channels of int4 in two sub-arrays, a ragged last pass, two blocks.
#include "flexdse_hls/systolic_linear.hpp"

using mac = mac_format<symmetry::asymmetric, 4, 4>;
constexpr int kAcc = mac::accumulator_bits(96);
static_assert(kAcc == 15);

void top() {
  fifo<lanes<mac::x_type, 4>, 2> x("x");
  fifo<lanes<mac::x_type, 4>, 2> operands[2];
  FLEXDSE_NAME_STREAMS(operands, "operands");
  fifo<lanes<mac::w_type, 8>, 4> w0("w0");
  fifo<lanes<int_t<kAcc>, 4>, 4> y0("y0");
  fifo<lanes<mac::w_type, 8>, 4> w1("w1");
  fifo<lanes<int_t<kAcc>, 4>, 4> y1("y1");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(source_of(x, 192, 1, 1));
  FLEXDSE_PROCESS((feed_tokens<mac, 4, 16, 96>(x, operands, 96, 40, 2)));
  FLEXDSE_PROCESS(source_of(w0, 576, 1, 10));
  FLEXDSE_PROCESS((systolic_sub_array<mac, pe_kind::dsp2, 4, 8, 16, 96, kAcc>(operands[0], w0, y0, 96, 40, 2)));
  FLEXDSE_PROCESS(sink_of(y0, 48, 1, 0));
  FLEXDSE_PROCESS(source_of(w1, 576, 1, 11));
  FLEXDSE_PROCESS((systolic_sub_array<mac, pe_kind::dsp2, 4, 8, 16, 96, kAcc>(operands[1], w1, y1, 96, 40, 2)));
  FLEXDSE_PROCESS(sink_of(y1, 48, 1, 1));
  FLEXDSE_DATAFLOW_END;
}
