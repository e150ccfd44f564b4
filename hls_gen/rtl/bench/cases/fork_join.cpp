// A fork, two adders on one way and a FIFO on the other, a join. WORDS, INTERVAL of the source, places of the FIFO: of the case.
#include "flexdse_hls/residual.hpp"

void split(stream<lanes<float, 1>>& in, stream<lanes<float, 1>>& skip, stream<lanes<float, 1>>& branch, int words) {
Word_Pipeline:
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    const lanes<float, 1> word = in.read();
    skip.write(word);
    branch.write(word);
  }
}

void twice_shifted(stream<lanes<float, 1>>& in, stream<lanes<float, 1>>& out, int words) {
Word_Pipeline:
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    lanes<float, 1> word = in.read();
    word[0] = fp_add(fp_add(word[0], 1.0f), 1.0f);
    out.write(word);
  }
}

void top() {
  fifo<lanes<float, 1>, 2> in("in");
  fifo<lanes<float, 1>, SKIP_DEPTH> skip("skip");
  fifo<lanes<float, 1>, 2> branch("branch");
  fifo<lanes<float, 1>, 2> late("late");
  fifo<lanes<float, 1>, 2> out("out");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(source_of(in, WORDS, INTERVAL, 1));
  FLEXDSE_PROCESS(split(in, skip, branch, WORDS));
  FLEXDSE_PROCESS(twice_shifted(branch, late, WORDS));
  FLEXDSE_PROCESS((add_residual<1>(skip, late, out, WORDS, 1)));
  FLEXDSE_PROCESS(sink_of(out, WORDS, 1, 0));
  FLEXDSE_DATAFLOW_END;
}
