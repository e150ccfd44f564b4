// Purpose: joins and splits of streams, in an order that the arguments fix.
//
// `select_words`: the words of one of several streams; `route_words`: all words to one of several streams. The streams
// not chosen are left alone. `share_words`: each word to two streams, the second perhaps fewer. `deal_words` and `gather_words`: runs of words to
// and from lanes in turn, the heads of attention. II 1, one word a cycle.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <class T, int WAYS, int DEPTH>
void select_words(fifo<T, DEPTH> (&in)[WAYS], stream<T>& out, int way, int words) {
  static_assert(WAYS >= 2, "a choice needs two streams");
  FLEXDSE_REQUIRE(words == 0 || (way >= 0 && way < WAYS), "the way is one of the streams");
Word_Pipeline:
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    T word = {};
  Way_Unroll:
    for (int w = 0; w < WAYS; ++w) {
#pragma HLS unroll
      if (w == way) word = in[w].read();
    }
    out.write(word);
  }
}

template <class T, int WAYS, int DEPTH>
void route_words(stream<T>& in, fifo<T, DEPTH> (&out)[WAYS], int way, int words) {
  static_assert(WAYS >= 2, "a choice needs two streams");
  FLEXDSE_REQUIRE(words == 0 || (way >= 0 && way < WAYS), "the way is one of the streams");
Word_Pipeline:
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    const T word = in.read();
  Way_Unroll:
    for (int w = 0; w < WAYS; ++w) {
#pragma HLS unroll
      if (w == way) out[w].write(word);
    }
  }
}

template <class T>
void share_words(stream<T>& in, stream<T>& first, stream<T>& second, int words, int words_of_second) {
Word_Pipeline:
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    const T word = in.read();
    first.write(word);
    if (i < words_of_second) second.write(word);
  }
}

// The first `head_words` of each round go to `first`, the next `tail_words` to `second`.
template <class T>
void split_words(stream<T>& in, stream<T>& first, stream<T>& second, int head_words, int tail_words, int rounds) {
Round:
  for (int round = 0; round < rounds; ++round) {
  Word_Pipeline:
    for (int i = 0; i < head_words + tail_words; ++i) {
#pragma HLS pipeline II=1
      const T word = in.read();
      if (i < head_words) {
        first.write(word);
      } else {
        second.write(word);
      }
    }
  }
}

// In each round `head_words` from `first`, then `tail_words` from `second`.
template <class T>
void join_words(stream<T>& first, stream<T>& second, stream<T>& out, int head_words, int tail_words, int rounds) {
Round:
  for (int round = 0; round < rounds; ++round) {
  Word_Pipeline:
    for (int i = 0; i < head_words + tail_words; ++i) {
#pragma HLS pipeline II=1
      if (i < head_words) {
        out.write(first.read());
      } else {
        out.write(second.read());
      }
    }
  }
}

// Run r of `run_words` words goes to lane r mod LANES.
template <class T, int LANES, int DEPTH>
void deal_words(stream<T>& in, fifo<T, DEPTH> (&out)[LANES], int run_words, int runs) {
  int lane = 0;
Run:
  for (int run = 0; run < runs; ++run) {
  Word_Pipeline:
    for (int i = 0; i < run_words; ++i) {
#pragma HLS pipeline II=1
      const T word = in.read();
    Lane_Unroll:
      for (int m = 0; m < LANES; ++m) {
#pragma HLS unroll
        if (m == lane) out[m].write(word);
      }
    }
    lane = lane + 1 == LANES ? 0 : lane + 1;
  }
}

template <class T, int LANES, int DEPTH>
void gather_words(fifo<T, DEPTH> (&in)[LANES], stream<T>& out, int run_words, int runs) {
  int lane = 0;
Run:
  for (int run = 0; run < runs; ++run) {
  Word_Pipeline:
    for (int i = 0; i < run_words; ++i) {
#pragma HLS pipeline II=1
      T word = {};
    Lane_Unroll:
      for (int m = 0; m < LANES; ++m) {
#pragma HLS unroll
        if (m == lane) word = in[m].read();
      }
      out.write(word);
    }
    lane = lane + 1 == LANES ? 0 : lane + 1;
  }
}

}  // namespace flexdse_hls
