// Purpose: the memory queue of the HMT plug-in: a ring of memories and their keys in external memory, beside W_q and W_k.
//
// Each of the T ports of the engine (fp32_engine.hpp) holds the share of its group, words of W fp32: W_q, W_k, keys,
// memories. Matrices and memories lie as the engine takes them: for each pass, for each input channel (of memories: slot), the W
// lanes. A key is a slot of a pass and would be one lane of each word; so keys lie in tiles of W slots x W channels, a
// word being W channels of one slot, and `turn_tiles` turns them on the way to the engine. An appended memory is then
// whole words: on each port one for each pass, its key D / W words of one port. Empty slots are zeros, which the host writes.
//
// Template parameters: T groups; W lanes of a group; D channels of a memory; SLOTS of the ring; BITS of a port.
// A process that writes ends with its last write response: a retrieval that is started later reads what was appended.
// II 1, a word a cycle. Latency: read, the words and the memory's; turned, W more; append, D / (T W) or that and D / W words, the memory's latency each.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

// Words of a port: where the parts begin, and how long each is.
template <int T, int W, int D, int SLOTS>
struct queue_layout {
  static_assert(T >= 1 && W >= 1 && D % (T * W) == 0, "the lanes of the engine divide the channels of a memory");
  static_assert(SLOTS >= 1 && SLOTS % (T * W) == 0, "the lanes of the engine divide the slots of the memory queue");

  static constexpr int kPasses = D / (T * W);
  static constexpr int kSlotPasses = SLOTS / (T * W);
  static constexpr int kMatrixWords = kPasses * D;
  static constexpr int kKeyMatrixWord = kMatrixWords;
  static constexpr int kKeyWord = 2 * kMatrixWords;
  static constexpr int kMemoryWord = kKeyWord + kSlotPasses * D;
  static constexpr int kWords = kMemoryWord + kPasses * SLOTS;

  // The group of a slot, and the word of its first channels on the group's port.
  static constexpr int group_of(int slot) { return slot % T; }
  static constexpr int key_word(int slot) { return kKeyWord + slot / (T * W) * D + slot % (T * W) / T; }
};

template <int W, int BITS>
lanes<float, W> floats_of(const hbm_word<BITS>& word) {
#pragma HLS inline
  static_assert(32 * W <= BITS, "a word of the port holds a weight for each lane of its group");
  lanes<float, W> values;
Value_Unroll:
  for (int n = 0; n < W; ++n) {
#pragma HLS unroll
    values[n] = float_of(word.part[n]);
  }
  return values;
}

template <int W, int BITS>
void read_queue(const hbm_word<BITS>* memory, stream<lanes<float, W>>& words, int first_word, int count) {
Word_Pipeline:
  for (int i = 0; i < count; ++i) {
#pragma HLS pipeline II=1
    words.write(floats_of<W>(memory[first_word + i]));
  }
}

// Words as they are, or (`turned`) tiles of W x W with rows and columns exchanged; `count` is then a multiple of W.
template <int W>
void turn_tiles(stream<lanes<float, W>>& in, stream<lanes<float, W>>& out, bool turned, int count) {
  FLEXDSE_REQUIRE(!turned || count % W == 0, "keys arrive in whole tiles");
  float tile[2][W][W];
#pragma HLS array_partition variable=tile complete dim=0
  const int delay = turned ? W : 0;
  int row = 0;
  int half = 0;

Word_Pipeline:
  for (int i = 0; i < count + (count > 0 ? delay : 0); ++i) {
#pragma HLS pipeline II=1
    lanes<float, W> word = {};
    if (i < count) word = in.read();
    lanes<float, W> column;
  Slot_Unroll:
    for (int n = 0; n < W; ++n) {
#pragma HLS unroll
      column[n] = tile[1 - half][n][row];
      tile[half][row][n] = word[n];
    }
    if (i >= delay) out.write(turned ? column : word);
    half = row + 1 == W ? 1 - half : half;
    row = row + 1 == W ? 0 : row + 1;
  }
}

// A memory to the ports: of each pass the W lanes of each group. In, D / T words of T channels.
template <int T, int W, int DEPTH>
void deal_memory(stream<lanes<float, T>>& row, fifo<lanes<float, W>, DEPTH> (&words)[T], int count) {
  FLEXDSE_REQUIRE(count % W == 0, "a memory is whole passes of the engine");
  lanes<float, W> word[T];
#pragma HLS array_partition variable=word complete
  int lane = 0;
Channel_Pipeline:
  for (int i = 0; i < count; ++i) {
#pragma HLS pipeline II=1
    const lanes<float, T> channels = row.read();
  Group_Unroll:
    for (int g = 0; g < T; ++g) {
#pragma HLS unroll
      word[g][lane] = channels[g];
      if (lane == W - 1) words[g].write(word[g]);
    }
    lane = lane + 1 == W ? 0 : lane + 1;
  }
}

// Appends the port's share of a memory to `slot`, and where the slot is this group's its key. Counts of 0: nothing.
template <int T, int W, int D, int SLOTS, int BITS>
void append_queue(hbm_word<BITS>* memory, stream<lanes<float, W>>& row, stream<lanes<float, W>>& key, int slot,
                  int row_words, int key_words) {
  using layout = queue_layout<T, W, D, SLOTS>;
  FLEXDSE_REQUIRE(row_words == 0 || (slot >= 0 && slot < SLOTS), "the slot is one of the ring");
Row_Pipeline:
  for (int pass = 0; pass < row_words; ++pass) {
#pragma HLS pipeline II=1
    const lanes<float, W> values = row.read();
    hbm_word<BITS> word = {};
  Row_Unroll:
    for (int n = 0; n < W; ++n) {
#pragma HLS unroll
      word.part[n] = bits_of(values[n]);
    }
    memory[layout::kMemoryWord + pass * SLOTS + slot] = word;
  }
Key_Pipeline:
  for (int chunk = 0; chunk < key_words; ++chunk) {
#pragma HLS pipeline II=1
    const lanes<float, W> values = key.read();
    hbm_word<BITS> word = {};
  Key_Unroll:
    for (int n = 0; n < W; ++n) {
#pragma HLS unroll
      word.part[n] = bits_of(values[n]);
    }
    memory[layout::key_word(slot) + chunk * W] = word;
  }
}

}  // namespace flexdse_hls
