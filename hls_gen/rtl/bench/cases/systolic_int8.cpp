// Prefill engine: 2 tokens x 4 channels of int8, behind it a reader that holds it up.
#include "flexdse_hls/systolic_linear.hpp"

using mac = mac_format<symmetry::symmetric, 8, 8>;
constexpr int kAcc = mac::accumulator_bits(64);
static_assert(kAcc == 22);

void top() {
  fifo<lanes<mac::x_type, 2>, 2> x("x");
  fifo<lanes<mac::x_type, 2>, 2> operands[1];
  FLEXDSE_NAME_STREAMS(operands, "operands");
  fifo<lanes<mac::w_type, 4>, 4> w0("w0");
  fifo<lanes<int_t<kAcc>, 2>, 4> y0("y0");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(source_of(x, 192, 1, 1));
  FLEXDSE_PROCESS((feed_tokens<mac, 2, 4, 64>(x, operands, 64, 24, 3)));
  FLEXDSE_PROCESS(source_of(w0, 1152, 1, 10));
  FLEXDSE_PROCESS((systolic_sub_array<mac, pe_kind::dsp2, 2, 4, 4, 64, kAcc>(operands[0], w0, y0, 64, 24, 3)));
  FLEXDSE_PROCESS(sink_of(y0, 72, 6, 0));
  FLEXDSE_DATAFLOW_END;
}
