// Purpose: activation quantizer of both stages: scales from the token's own values (quantized_token.hpp).
//
// Template parameters: S symmetry; BITS of a quantized value; TP tokens side by side, CP channels of each a word; MAX_WORDS
// words of the longest token; COPIES of the result, one per part of an engine; Q whether values are divided.
// Streams, per block: in, `words` words of TP x CP fp32 (lane t * CP + c); out, first TP token scales (token order), then
// `words` words of quantized values in the order of the input, to each of the COPIES streams.
// II 1. Latency per block: 2 * words + TP * CP + pipeline depths (load with the running range; the ranges of the CP lanes
// merged one by one and the scales; quantize). Minimum and maximum need no order, so the result does not depend on TP or
// CP. The buffer is single, so blocks do not overlap: MAX_WORDS x TP x CP fp32. Dividers: TP * CP with quotient::divide.
// The scales of a block precede its values: whoever reads the values first needs a scale FIFO of TP.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/quantized_token.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <symmetry S, int BITS, int TP, int CP, int MAX_WORDS, int COPIES, int DEPTH, quotient Q = quotient::divide>
void quantize_dynamic(stream<lanes<real, TP * CP>>& x, stream<token_scale>& scales,
                      fifo<lanes<activation<S, BITS>, TP * CP>, DEPTH> (&quantized)[COPIES], int words, int blocks) {
  static_assert(TP >= 1 && CP >= 1, "quantize_dynamic needs at least one token and one channel a word");
  static_assert(MAX_WORDS >= 1, "quantize_dynamic needs room for at least one word");
  FLEXDSE_REQUIRE(blocks == 0 || (words >= 1 && words <= MAX_WORDS), "words must be 1 to MAX_WORDS");

  lanes<real, TP * CP> buffer[MAX_WORDS];
#pragma HLS aggregate variable=buffer
#pragma HLS bind_storage variable=buffer type=ram_2p impl=uram
  value_range ranges[TP * CP];
#pragma HLS array_partition variable=ranges complete
  token_quantizer<S, BITS, Q> tokens[TP];
#pragma HLS array_partition variable=tokens complete

Block:
  for (int block = 0; block < blocks; ++block) {
  Reset_Unroll:
    for (int i = 0; i < TP * CP; ++i) {
#pragma HLS unroll
      ranges[i].reset();
    }
  Load_Pipeline:
    for (int word = 0; word < words; ++word) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_WORDS
      lanes<real, TP * CP> values = x.read();
    Load_Unroll:
      for (int i = 0; i < TP * CP; ++i) {
#pragma HLS unroll
        values[i] = canonical(values[i]);
        ranges[i].include(values[i]);
      }
      buffer[word] = values;
    }
    value_range whole;
  Scale_Pipeline:
    for (int i = 0; i < TP * CP; ++i) {
#pragma HLS pipeline II=1
      if (i % CP == 0) whole.reset();
      whole.include(ranges[i]);
      if (i % CP == CP - 1) {
        tokens[i / CP] = whole.template quantizer<S, BITS, Q>();
        scales.write(tokens[i / CP].token);
      }
    }
  Quantize_Pipeline:
    for (int word = 0; word < words; ++word) {
#pragma HLS pipeline II=1
#pragma HLS loop_tripcount min=1 max=MAX_WORDS
      const lanes<real, TP * CP> values = buffer[word];
      lanes<activation<S, BITS>, TP * CP> q;
    Quantize_Unroll:
      for (int i = 0; i < TP * CP; ++i) {
#pragma HLS unroll
        q[i] = tokens[i / CP].quantize(values[i]);
      }
    Copy_Unroll:
      for (int copy = 0; copy < COPIES; ++copy) {
#pragma HLS unroll
        quantized[copy].write(q);
      }
    }
  }
}

}  // namespace flexdse_hls
