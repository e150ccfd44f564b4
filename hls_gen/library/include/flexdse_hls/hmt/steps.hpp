// Purpose: the program of the HMT plug-in: which windows a prompt becomes, and for each step how much every module has to do.
//
// Of segment n (from 0): window [T, first tokens, T] and prefill, then steps `query`, `score`, `value` make P_n of its last row;
// window [P_n, tokens before, the segment, P_n] and prefill; step `remember` appends its last row. Segment 0 has P_0 = T and
// begins with the second window; the last segment is not remembered. All that goes from step to step lies in memory.
// `read_state` and `write_state` move what one step of the plug-in leaves for another.
//
// Template parameter Shape: a struct with the constants of the design (config.hpp): kBlocks (T), kLanes (W), kHidden, kSlots, kRowWords
// and the words of the state's parts, kMultiple of rows of a window.
#pragma once

#include "flexdse_hls/fp32_io.hpp"
#include "flexdse_hls/hmt/memory_queue.hpp"
#include "flexdse_hls/hmt/window.hpp"
#include "flexdse_hls/ints.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

// A prompt and how it is cut.
struct hmt_prompt {
  int tokens, segment_tokens, summary_tokens, recall_tokens;

  int segments() const { return ceil_div(tokens, segment_tokens); }
  int windows() const { return tokens > 0 ? 2 * segments() - 1 : 0; }
};

// A window, the steps of the plug-in before its prefill and those after it.
struct hmt_window {
  int segment;
  bool is_summary;
  window_rows rows;
  int steps_before, steps_after;
};

constexpr int kRetrievalSteps = 3;  // query, score, value

template <class Shape>
hmt_window make_hmt_window(int number, hmt_prompt prompt) {
  hmt_window window = {};
  window.segment = (number + 1) / 2;
  window.is_summary = number % 2 == 1;
  const int first = window.segment * prompt.segment_tokens;
  const int left = prompt.tokens - first;
  const int tokens = left < prompt.segment_tokens ? left : prompt.segment_tokens;
  const int recalled = first < prompt.recall_tokens ? first : prompt.recall_tokens;
  const int summarised = tokens < prompt.summary_tokens ? tokens : prompt.summary_tokens;
  const int before = window.is_summary ? 0 : recalled;
  window.rows.zero_rows = window.is_summary ? 0 : prompt.recall_tokens - recalled;
  window.rows.prompt_rows = window.is_summary ? summarised : before + tokens;
  window.rows.prompt_word = Shape::kPromptWord + (first - before) * Shape::kRowWords;
  window.rows.outer_word = window.is_summary || window.segment == 0 ? Shape::kOuterWord : Shape::kVectorWord;
  window.rows.rows = ceil_div(window.rows.closing_row() + 1, Shape::kMultiple) * Shape::kMultiple;
  window.steps_before = window.is_summary || window.segment == 0 ? 1 : kRetrievalSteps + 1;
  window.steps_after = !window.is_summary && window.segment + 1 < prompt.segments() ? 1 : 0;
  return window;
}

struct hmt_step {
  window_rows window;
  int window_words;
  int row, row_count, row_words, memory_row_words;
  int state_word, state_values, state_words, inverse_words;
  int source, engine_in_words, d_in, d_out, passes, vectors, weight_word, weight_words;
  bool turned;
  int sink, engine_out_words, scores, filled, retrievals;
  int query_values, packed_values, prompt_words, prompt_values;
  int slot, slot_group, key_channels, key_words, appended_words;
};

// One vector through the engine: `d_in` channels, `d_out` results to sink 0 query, 1 scores, 2 prompt, 3 key.
template <class Shape>
void set_engine(hmt_step& step, int source, int sink, int weight_word, int d_in, int d_out) {
#pragma HLS inline
  step.source = source;
  step.sink = sink;
  step.weight_word = weight_word;
  step.d_in = d_in;
  step.d_out = d_out;
  step.vectors = 1;
  step.passes = d_out / (Shape::kBlocks * Shape::kLanes);
  step.weight_words = step.passes * d_in;
  step.engine_in_words = d_in / Shape::kBlocks;
  step.engine_out_words = d_out / Shape::kBlocks;
}

// Step `number` of those before the prefill of a window, or after it: there is only `remember`. `hidden_row`: the last row of the prefill before.
template <class Shape>
hmt_step make_hmt_step(hmt_window window, int number, bool after, hmt_prompt prompt) {
  using layout = queue_layout<Shape::kBlocks, Shape::kLanes, Shape::kHidden, Shape::kSlots>;
  constexpr int kRow = Shape::kHidden / Shape::kBlocks;
  hmt_step step = {};
  if (!after && number == window.steps_before - 1) {
    step.window = window.rows;
    step.window_words = window.rows.rows / Shape::kTokens * Shape::kHidden;
  } else if (after) {
    step.row = window.rows.closing_row();
    step.row_count = 1;
    step.row_words = step.memory_row_words = kRow;
    set_engine<Shape>(step, 0, 3, layout::kKeyMatrixWord, Shape::kHidden, Shape::kHidden);
    step.slot = window.segment % Shape::kSlots;
    step.slot_group = layout::group_of(step.slot);
    step.key_channels = Shape::kHidden;
    step.key_words = Shape::kHidden / Shape::kLanes;
    step.appended_words = layout::kPasses;
  } else if (number == 0) {
    step.row = make_hmt_window<Shape>(2 * window.segment - 1, prompt).rows.closing_row();
    step.row_count = 1;
    step.row_words = kRow;
    set_engine<Shape>(step, 0, 0, 0, Shape::kHidden, Shape::kHidden);
    step.query_values = Shape::kHidden;
  } else if (number == 1) {
    step.state_word = Shape::kQueryWord;
    step.state_values = Shape::kHidden;
    step.state_words = kRow;
    set_engine<Shape>(step, 1, 1, layout::kKeyWord, Shape::kHidden, Shape::kSlots);
    step.turned = true;
    step.scores = Shape::kSlots;
    step.retrievals = 1;
    step.filled = window.segment < Shape::kSlots ? window.segment : Shape::kSlots;
    step.packed_values = Shape::kSlots + Shape::kBlocks;
  } else {
    step.state_word = Shape::kWeightsWord;
    step.state_values = Shape::kSlots + Shape::kBlocks;
    step.state_words = Shape::kSlots / Shape::kBlocks;
    step.inverse_words = 1;
    set_engine<Shape>(step, 1, 2, layout::kMemoryWord, Shape::kSlots, Shape::kHidden);
    step.prompt_words = kRow;
    step.prompt_values = Shape::kHidden;
  }
  return step;
}

// The window's rows, or what an earlier step left.
template <int TP, int T, int D, int BITS, class Step>
void read_plugin(const hbm_word<BITS>* memory, stream<lanes<float, TP>>& window, stream<lanes<float, T>>& state, Step step) {
  read_window<TP, T, D>(memory, window, step.window);
  read_fp32(memory, step.state_word, state, step.state_values);
}

template <int T, int BITS, class Step>
void write_plugin(hbm_word<BITS>* memory, stream<lanes<float, T>>& query, stream<lanes<float, T>>& packed,
                  stream<lanes<float, T>>& prompt, int query_word, int weights_word, int vector_word, Step step) {
  write_fp32(memory, query_word, query, step.query_values);
  write_fp32(memory, weights_word, packed, step.packed_values);
  write_fp32(memory, vector_word, prompt, step.prompt_values);
}

}  // namespace flexdse_hls
