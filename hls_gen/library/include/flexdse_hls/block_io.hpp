// Purpose: shares the one activation port of the prefill kernel among its engines, a token block at a time.
//
// Memory order: engine, then token block, then channel; a vector holds the TP tokens of one channel. The reader serves
// the engines in turn. Engines finish passes at different times, so the writer takes, within a block, always the pass
// that is due first: engine e finishes pass p (p + 2) * d_in cycles after its fill began. Taking the engines one after
// the other instead would stall all but one. Both go block by block, which no choice of sizes can deadlock.
//
// Template parameters: ENGINES sharing the port; LANES = TP; BITS port width; DEPTH of the streams.
// Latency: the vectors of all engines, words_per_vector cycles each; a burst per engine and block, or pass.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/vector_io.hpp"

namespace flexdse_hls {

// What one engine computes in one call of the kernel; an idle engine has 0 blocks.
struct engine_call {
  int blocks;
  int d_in;
  int d_out;
  int weight_parallelism;  // output channels of a pass
};

template <int ENGINES>
int most_blocks(const engine_call (&calls)[ENGINES]) {
#pragma HLS inline
  int blocks = 0;
Engine_Unroll:
  for (int e = 0; e < ENGINES; ++e) {
#pragma HLS unroll
    if (calls[e].blocks > blocks) blocks = calls[e].blocks;
  }
  return blocks;
}

template <int ENGINES, int LANES, int BITS, int DEPTH>
void read_blocks(const hbm_word<BITS>* memory, fifo<lanes<float, LANES>, DEPTH> (&activations)[ENGINES],
                 const engine_call (&calls)[ENGINES]) {
  static_assert(ENGINES >= 1, "read_blocks serves at least one engine");
  constexpr int kWords = words_per_vector<LANES, BITS>();

Block:
  for (int block = 0; block < most_blocks(calls); ++block) {
    int engine_base = 0;
  Engine_Unroll:
    for (int e = 0; e < ENGINES; ++e) {
#pragma HLS unroll
      if (block < calls[e].blocks) {
        const int vectors_before = engine_base + block * calls[e].d_in;
        read_vectors<LANES, BITS>(memory + vectors_before * kWords, activations[e], calls[e].d_in);
      }
      engine_base += calls[e].blocks * calls[e].d_in;
    }
  }
}

template <int ENGINES, int LANES, int BITS, int DEPTH>
void write_blocks(hbm_word<BITS>* memory, fifo<lanes<float, LANES>, DEPTH> (&results)[ENGINES],
                  const engine_call (&calls)[ENGINES]) {
  static_assert(ENGINES >= 1, "write_blocks serves at least one engine");
  constexpr int kWords = words_per_vector<LANES, BITS>();
  int channels_done[ENGINES];
#pragma HLS array_partition variable=channels_done complete
  int due[ENGINES];
#pragma HLS array_partition variable=due complete

Block:
  for (int block = 0; block < most_blocks(calls); ++block) {
  Start_Unroll:
    for (int e = 0; e < ENGINES; ++e) {
#pragma HLS unroll
      channels_done[e] = block < calls[e].blocks ? 0 : calls[e].d_out;
      due[e] = 2 * calls[e].d_in;
    }
  Pass:
    for (;;) {
      int chosen = -1;
    Choose_Unroll:
      for (int e = 0; e < ENGINES; ++e) {
#pragma HLS unroll
        if (channels_done[e] < calls[e].d_out && (chosen < 0 || due[e] < due[chosen])) chosen = e;
      }
      if (chosen < 0) break;
      int engine_base = 0;
    Engine_Unroll:
      for (int e = 0; e < ENGINES; ++e) {
#pragma HLS unroll
        if (e == chosen) {
          const int channels_left = calls[e].d_out - channels_done[e];
          const int channels = channels_left < calls[e].weight_parallelism ? channels_left : calls[e].weight_parallelism;
          const int vectors_before = engine_base + block * calls[e].d_out + channels_done[e];
          write_vectors<LANES, BITS>(memory + vectors_before * kWords, results[e], channels);
          channels_done[e] += channels;
          due[e] += calls[e].d_in;
        }
        engine_base += calls[e].blocks * calls[e].d_out;
      }
    }
  }
}

}  // namespace flexdse_hls
