// Decode engine: two lane units of 4 int4 channels, weights at full rate, three tokens.
#include "flexdse_hls/gemv.hpp"

using mac = mac_format<symmetry::asymmetric, 4, 4>;
constexpr int kAcc = mac::accumulator_bits(96);
static_assert(kAcc == 15);

void top() {
  fifo<lanes<mac::x_type, 2>, 2> x("x");
  fifo<mac::x_type, 2> operands[2];
  FLEXDSE_NAME_STREAMS(operands, "operands");
  fifo<lanes<mac::w_type, 4>, 4> w0("w0");
  fifo<lanes<int_t<kAcc>, 1>, 4> y0("y0");
  fifo<lanes<mac::w_type, 4>, 4> w1("w1");
  fifo<lanes<int_t<kAcc>, 1>, 4> y1("y1");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(source_of(x, 144, 1, 1));
  FLEXDSE_PROCESS((feed_vector<mac, 2, 8, 96>(x, operands, 96, 40, 3)));
  FLEXDSE_PROCESS(source_of(w0, 1440, 1, 10));
  FLEXDSE_PROCESS((gemv_lane_unit<mac, pe_kind::dsp2, 4, 4, 0, 8, 0, 96, kAcc>(operands[0], w0, y0, 96, 40, 3)));
  FLEXDSE_PROCESS(sink_of(y0, 60, 1, 0));
  FLEXDSE_PROCESS(source_of(w1, 1440, 1, 11));
  FLEXDSE_PROCESS((gemv_lane_unit<mac, pe_kind::dsp2, 4, 4, 0, 8, 0, 96, kAcc>(operands[1], w1, y1, 96, 40, 3)));
  FLEXDSE_PROCESS(sink_of(y1, 60, 1, 1));
  FLEXDSE_DATAFLOW_END;
}
