// Decode engine: four lane units of 2 int8 channels whose weights come every other cycle.
#include "flexdse_hls/gemv.hpp"

using mac = mac_format<symmetry::symmetric, 8, 8>;
constexpr int kAcc = mac::accumulator_bits(64);
static_assert(kAcc == 22);

void top() {
  fifo<lanes<mac::x_type, 4>, 2> x("x");
  fifo<mac::x_type, 2> operands[4];
  FLEXDSE_NAME_STREAMS(operands, "operands");
  fifo<lanes<mac::w_type, 2>, 4> w0("w0");
  fifo<lanes<int_t<kAcc>, 1>, 2> y0("y0");
  fifo<lanes<mac::w_type, 2>, 4> w1("w1");
  fifo<lanes<int_t<kAcc>, 1>, 2> y1("y1");
  fifo<lanes<mac::w_type, 2>, 4> w2("w2");
  fifo<lanes<int_t<kAcc>, 1>, 2> y2("y2");
  fifo<lanes<mac::w_type, 2>, 4> w3("w3");
  fifo<lanes<int_t<kAcc>, 1>, 2> y3("y3");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(source_of(x, 32, 1, 1));
  FLEXDSE_PROCESS((feed_vector<mac, 4, 8, 64>(x, operands, 64, 32, 2)));
  FLEXDSE_PROCESS(source_of(w0, 512, 2, 10));
  FLEXDSE_PROCESS((gemv_lane_unit<mac, pe_kind::dsp2, 2, 2, 0, 8, 0, 64, kAcc>(operands[0], w0, y0, 64, 32, 2)));
  FLEXDSE_PROCESS(sink_of(y0, 16, 1, 0));
  FLEXDSE_PROCESS(source_of(w1, 512, 2, 11));
  FLEXDSE_PROCESS((gemv_lane_unit<mac, pe_kind::dsp2, 2, 2, 0, 8, 0, 64, kAcc>(operands[1], w1, y1, 64, 32, 2)));
  FLEXDSE_PROCESS(sink_of(y1, 16, 1, 1));
  FLEXDSE_PROCESS(source_of(w2, 512, 2, 12));
  FLEXDSE_PROCESS((gemv_lane_unit<mac, pe_kind::dsp2, 2, 2, 0, 8, 0, 64, kAcc>(operands[2], w2, y2, 64, 32, 2)));
  FLEXDSE_PROCESS(sink_of(y2, 16, 1, 2));
  FLEXDSE_PROCESS(source_of(w3, 512, 2, 13));
  FLEXDSE_PROCESS((gemv_lane_unit<mac, pe_kind::dsp2, 2, 2, 0, 8, 0, 64, kAcc>(operands[3], w3, y3, 64, 32, 2)));
  FLEXDSE_PROCESS(sink_of(y3, 16, 1, 3));
  FLEXDSE_DATAFLOW_END;
}
