// Causal softmax of two rows and two query heads over 48 keys, two units.
#include "flexdse_hls/real.hpp"
#include "flexdse_hls/softmax.hpp"

void top() {
  fifo<lanes<float, 2>, 2> scores("scores");
  fifo<lanes<uint_t<8>, 2>, 2> weights("weights");
  fifo<lanes<float, 2>, 2> sums("sums");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(source_of(scores, 192, 1, 1));
  FLEXDSE_PROCESS((softmax<attention_rows::tokens, 2, 2, 8, 48>(scores, weights, sums, 48, 20, 2)));
  FLEXDSE_PROCESS(sink_of(weights, 192, 1, 0));
  FLEXDSE_PROCESS(sink_of(sums, 4, 1, 1));
  FLEXDSE_DATAFLOW_END;
}
