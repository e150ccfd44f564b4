// Purpose: what the decode datapath reads and writes between its steps: hidden state, parameters, cache beside weights, tokens.
//
// The hidden state is three vectors of fp32 in the io memory: x (residual stream), q (queries) and h (FFN). A step reads one
// as the source of its engine and, where it ends in a residual addition, x as well, which it replaces value by value.
// Where the weight ports run ahead (run_ahead.hpp) the quantized keys and values of the newest token, k and v, are kept too.
// II 1 each, consecutive addresses.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/fp32_io.hpp"
#include "flexdse_hls/integer_io.hpp"
#include "flexdse_hls/kv_cache.hpp"
#include "flexdse_hls/load_weights.hpp"
#include "flexdse_hls/rope.hpp"
#include "flexdse_hls/sampler.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int BITS, int V, int Q, int H, class Step>
void read_state(const hbm_word<BITS>* memory, stream<lanes<real, V>>& norm, stream<lanes<real, Q>>& query,
                stream<lanes<real, H>>& hidden, stream<lanes<real, V>>& residual, int x_word, int q_word, int h_word,
                Step step) {
  read_fp32(memory, x_word, norm, step.norm_channels);
  read_fp32(memory, q_word, query, step.query_channels);
  read_fp32(memory, h_word, hidden, step.hidden_channels);
  read_fp32(memory, x_word, residual, step.residual_channels);
}

template <int BITS, int V, int Q, int B, class Step>
void write_state(hbm_word<BITS>* memory, stream<lanes<real, V>>& embedding, stream<lanes<real, Q>>& query,
                 stream<lanes<real, V>>& residual, stream<lanes<real, B>>& hidden, int x_word, int q_word, int h_word,
                 Step step) {
  write_fp32(memory, x_word, embedding, step.embed_channels);
  write_fp32(memory, q_word, query, step.query_out_channels);
  write_fp32(memory, x_word, residual, step.residual_channels);
  write_fp32(memory, h_word, hidden, step.hidden_out_channels);
}

template <int KV_BITS, int BITS, int V, int Q, int H, int K, class Step>
void read_state_and_newest(const hbm_word<BITS>* memory, stream<lanes<real, V>>& norm, stream<lanes<real, Q>>& query,
                           stream<lanes<real, H>>& hidden, stream<lanes<real, V>>& residual,
                           stream<lanes<int_t<KV_BITS>, K>>& keys, stream<lanes<int_t<KV_BITS>, K>>& values, int x_word,
                           int q_word, int h_word, int k_word, int v_word, Step step) {
  read_integers<KV_BITS>(memory, k_word, keys, step.newest_in_channels);
  read_integers<KV_BITS>(memory, v_word, values, step.newest_in_channels);
  read_state(memory, norm, query, hidden, residual, x_word, q_word, h_word, step);
}

// Keys leave the engine before the queries, values after them.
template <int KV_BITS, int BITS, int V, int Q, int B, int K, class Step>
void write_state_and_newest(hbm_word<BITS>* memory, stream<lanes<real, V>>& embedding, stream<lanes<real, Q>>& query,
                            stream<lanes<real, V>>& residual, stream<lanes<real, B>>& hidden,
                            stream<lanes<int_t<KV_BITS>, K>>& keys, stream<lanes<int_t<KV_BITS>, K>>& values, int x_word,
                            int q_word, int h_word, int k_word, int v_word, Step step) {
  write_integers<KV_BITS>(memory, k_word, keys, step.newest_out_channels);
  write_state(memory, embedding, query, residual, hidden, x_word, q_word, h_word, step);
  write_integers<KV_BITS>(memory, v_word, values, step.newest_out_channels);
}

// A position's row of {cos, sin}: per word of half a head LANES cosines, then LANES sines. `channels` = those of a head, or 0.
template <int BITS, int LANES>
void read_rope_rows(const hbm_word<BITS>* memory, int first_word, stream<rope_word<LANES>>& rows, int channels) {
  constexpr int kPort = BITS / 32;
  hbm_word<BITS> word = {};
  rope_word<LANES> row = {};
Value_Pipeline:
  for (int i = 0; i < channels; ++i) {
#pragma HLS pipeline II=1
    if (i % kPort == 0) word = memory[first_word + i / kPort];
    const real value = real_of(word, i % kPort);
    const int part = i % (2 * LANES);
    if (part < LANES) {
      row.cos[part] = value;
    } else {
      row.sin[part - LANES] = value;
    }
    if (part == 2 * LANES - 1) rows.write(row);
  }
}

// The row of the step's token; the table may lie on several ports, ROWS_PER_PORT rows on each.
template <int ROWS_PER_PORT, int ROW_WORDS, int BITS, int V, class Step>
void load_embedding(const hbm_word<BITS>* table, stream<lanes<real, V>>& row, Step step) {
  read_fp32(table, step.token % ROWS_PER_PORT * ROW_WORDS, row, step.embed_channels);
}

template <int ROWS_PER_PORT, int ROW_WORDS, int BITS, int V, class Step>
void load_embedding(const hbm_word<BITS>* first, const hbm_word<BITS>* second, stream<lanes<real, V>>& row, Step step) {
  const int port = step.token / ROWS_PER_PORT;
  const int word = step.token % ROWS_PER_PORT * ROW_WORDS;
  read_fp32(first, word, row, port == 0 ? step.embed_channels : 0);
  read_fp32(second, word, row, port == 1 ? step.embed_channels : 0);
}

// A port that carries a head lane's cache beside weights reads the cache first: the engine waits for attention anyway.
template <int W_BITS, int LANES, int PASS_CHANNELS, int KV_BITS, int CHUNK, int DH, int MAX_TOKENS, int UNITS, int BITS,
          int DEPTH, int CACHE_DEPTH>
void load_cache_and_weights(const hbm_word<BITS>* memory, fifo<lanes<int_t<KV_BITS>, CHUNK>, CACHE_DEPTH>& cached,
                            fifo<lanes<int_t<W_BITS>, LANES>, DEPTH> (&weights)[UNITS], int cache_word, key_range keys,
                            int heads, int reads_per_head, int weight_word, int d_in, int d_out, int vectors) {
  read_cache<KV_BITS, CHUNK, DH, MAX_TOKENS>(memory, cached, cache_word, keys, heads, reads_per_head, 1);
  load_weights<W_BITS, LANES, BITS, PASS_CHANNELS>(memory, weights, weight_word, d_in, d_out, vectors);
}

// Runs of `run_values` fp32 to the lanes in turn.
template <int LANES, int BITS, int DEPTH>
void deal_fp32(const hbm_word<BITS>* memory, int first_word, fifo<lanes<real, 1>, DEPTH> (&out)[LANES], int run_values,
               int runs) {
  constexpr int kPort = BITS / 32;
  hbm_word<BITS> word = {};
  int lane = 0;
  int in_run = 0;
Value_Pipeline:
  for (int i = 0; i < run_values * runs; ++i) {
#pragma HLS pipeline II=1
    if (i % kPort == 0) word = memory[first_word + i / kPort];
    lanes<real, 1> value;
    value[0] = real_of(word, i % kPort);
  Lane_Unroll:
    for (int m = 0; m < LANES; ++m) {
#pragma HLS unroll
      if (m == lane) out[m].write(value);
    }
    const bool last = in_run + 1 == run_values;
    in_run = last ? 0 : in_run + 1;
    lane = !last ? lane : lane + 1 == LANES ? 0 : lane + 1;
  }
}

// The token that follows, from the logits of step `head`; other steps leave it as it is.
template <int B, int LISTS, int MAX_K, class Step>
void sample_token(stream<lanes<real, B>>& logits, int* token, Step step) {
  if (step.head_vectors == 0) return;
  fifo<int, 2> chosen("decode.chosen");
  sampling_options options = {};
  options.top_k = step.top_k;
  options.inverse_temperature = step.inverse_temperature;
  sample<B, LISTS, MAX_K>(logits, chosen, options, step.random_word, step.vocab, ceil_div(step.vocab, B));
  *token = chosen.read();
}

}  // namespace flexdse_hls
