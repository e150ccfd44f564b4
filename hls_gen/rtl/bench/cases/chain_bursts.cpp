// Bursts of 20 words, one for each of 12 credits, through a pipeline to a reader of half their rate.
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/fp32.hpp"
#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/stream.hpp"

void bursts(stream<lanes<float, 1>>& credits, stream<lanes<float, 1>>& out, int count, int words) {
Burst:
  for (int burst = 0; burst < count; ++burst) {
    const lanes<float, 1> credit = credits.read();
  Word_Pipeline:
    for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
      out.write(credit);
    }
  }
}

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
  fifo<lanes<float, 1>, 2> credits("credits");
  fifo<lanes<float, 1>, 8> a("a");
  fifo<lanes<float, 1>, 4> b("b");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(source_of(credits, 12, 30, 1));
  FLEXDSE_PROCESS(bursts(credits, a, 12, 20));
  FLEXDSE_PROCESS(shift(a, b, 240));
  FLEXDSE_PROCESS(sink_of(b, 240, 2, 0));
  FLEXDSE_DATAFLOW_END;
}
