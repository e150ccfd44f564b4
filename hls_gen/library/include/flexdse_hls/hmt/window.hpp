// Purpose: windows of the HMT plug-in, rows of a prompt in and one row of the result out of the hidden state of prefill.
//
// The prompt lies as rows of D fp32, the hidden state of prefill as blocks of TP tokens, a vector of TP values for each channel.
// `read_window` makes the blocks of a window [outer row, zero rows, rows of the prompt, outer row, zero rows to the end].
// `read_summary` takes a single row out of the blocks: the last one of a window is its summary, or its memory.
//
// Template parameters: TP tokens of a block; T channels of a word of a row; D channels; BITS of the port.
// II 1. Latency of a window: for each row D / T, and the memory's where it is read; for each block D more. Of a row: D
// vectors, and the memory's. Buffer: a block, T banks for each token.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"
#include "flexdse_hls/vector_io.hpp"

namespace flexdse_hls {

// What the rows of a window are; `rows` of 0: no window.
struct window_rows {
  int rows;         // a multiple of TP
  int outer_word;   // of the row before and after
  int zero_rows;    // behind the first outer row
  int prompt_word;  // of the first row of the prompt
  int prompt_rows;

  // The last row that is not padding.
  int closing_row() const { return 1 + zero_rows + prompt_rows; }
};

// Row `row` of a window as a word of the memory; -1: zeros.
template <int ROW_WORDS>
int word_of_row(window_rows window, int row) {
#pragma HLS inline
  const int from_prompt = row - 1 - window.zero_rows;
  if (row == 0 || row == window.closing_row()) return window.outer_word;
  if (from_prompt < 0 || row > window.closing_row()) return -1;
  return window.prompt_word + from_prompt * ROW_WORDS;
}

template <int TP, int T, int D, int BITS>
void read_window(const hbm_word<BITS>* memory, stream<lanes<float, TP>>& blocks, window_rows window) {
  static_assert(TP >= 1, "a block of a window has at least one token");
  static_assert(T >= 1 && 32 * T <= BITS && BITS / 32 % T == 0, "a word of the port is whole words of T channels");
  static_assert(D % (BITS / 32) == 0, "a row of the prompt is whole words of its port");
  FLEXDSE_REQUIRE(window.rows == 0 || window.rows % TP == 0, "a window is whole blocks of tokens");
  FLEXDSE_REQUIRE(window.rows == 0 || window.closing_row() < window.rows, "a window has room for its rows");
  constexpr int kPort = BITS / 32;
  constexpr int kParts = kPort / T;

  float buffer[TP][T][D / T];
#pragma HLS array_partition variable=buffer complete dim=1
#pragma HLS array_partition variable=buffer complete dim=2
  float channels[TP][T];
#pragma HLS array_partition variable=channels complete dim=0

Block:
  for (int first = 0; first < window.rows; first += TP) {
  Row:
    for (int t = 0; t < TP; ++t) {
      const int word_of = word_of_row<D / kPort>(window, first + t);
      hbm_word<BITS> word = {};
    Load_Pipeline:
      for (int i = 0; i < D / T; ++i) {
#pragma HLS pipeline II=1
        if (i % kParts == 0 && word_of >= 0) word = memory[word_of + i / kParts];
      Channel_Unroll:
        for (int c = 0; c < T; ++c) {
#pragma HLS unroll
          buffer[t][c][i] = float_of(word.part[i % kParts * T + c]);
        }
      }
    }
    int bank = 0;
    int index = 0;
  Send_Pipeline:
    for (int i = 0; i < D; ++i) {
#pragma HLS pipeline II=1
      lanes<float, TP> vector;
    Token_Unroll:
      for (int t = 0; t < TP; ++t) {
#pragma HLS unroll
      Bank_Unroll:
        for (int c = 0; c < T; ++c) {
#pragma HLS unroll
          // Every bank once for T channels, which then move up.
          if (bank == 0) {
            channels[t][c] = buffer[t][c][index];
          } else if (c + 1 < T) {
            channels[t][c] = channels[t][c + 1];
          }
        }
        vector[t] = channels[t][0];
      }
      blocks.write(vector);
      index = bank + 1 == T ? index + 1 : index;
      bank = bank + 1 == T ? 0 : bank + 1;
    }
  }
}

// Row `number` of the hidden state, `count` = 1 or 0: none.
template <int TP, int T, int D, int BITS>
void read_summary(const hbm_word<BITS>* hidden, stream<lanes<float, T>>& row, int number, int count) {
  static_assert(D % T == 0, "a row of the hidden state is whole words of T channels");
  constexpr int kWords = words_per_vector<TP, BITS>();
  constexpr int kFloats = BITS / 32;
  const int lane = number % TP;
  const int first_word = number / TP * D * kWords;
  lanes<float, T> word = {};
  int part = 0;
  int channel = 0;

Word_Pipeline:
  for (int i = 0; i < count * D * kWords; ++i) {
#pragma HLS pipeline II=1
    const hbm_word<BITS> stored = hidden[first_word + i];
    if (part == lane / kFloats) word[channel] = float_of(stored.part[lane % kFloats]);
    const bool last = part == kWords - 1;
    if (last && channel == T - 1) row.write(word);
    channel = !last ? channel : channel + 1 == T ? 0 : channel + 1;
    part = last ? 0 : part + 1;
  }
}

}  // namespace flexdse_hls
