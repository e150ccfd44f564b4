// Purpose: a weight port of decode that runs ahead of the engine, through attention, norms and into later layers.
//
// One process a port streams all that the port holds for a token, in the order of use, into FIFOs that hold BEATS words
// (URAM): the engine takes them step by step (decode_steps.hpp), the port never waits while there is room. A port that
// carries a head lane's cache streams the keys or values of the earlier tokens where step `attend` needs them; those of
// the newest token come from the hidden state (append_newest), so that no write has to be awaited within a token.
//
// Template parameters: Shape, the constants of the design (config.hpp); SUBS sub-engines (gemv.hpp), a FIFO each; BITS of
// the port; KV_BITS, CHUNK, DH, MAX_TOKENS of the cache (kv_cache.hpp).
// Streams: out, for each linear layer of a layer and then for lm_head, for each pass, for each input channel of a part
// (d_in_parts.hpp), a word for each sub-engine that has channels in the pass; between qkv and o: `heads` times
// `reads_per_head` times the words of `old_tokens` tokens of the cache.
// II 1. Latency: the words of a token + memory latency.
#pragma once

#include "flexdse_hls/d_in_parts.hpp"
#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/kv_cache.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

// The words of one linear layer, dealt to the sub-engines; SUB_CHANNELS output channels of a pass of one of them.
template <int SUB_CHANNELS, int BITS, int SUBS, int DEPTH>
void deal_weights(const hbm_word<BITS>* memory, fifo<hbm_word<BITS>, DEPTH> (&ahead)[SUBS], int first_word, int d_in,
                  int d_out) {
  const int sub_passes = ceil_div(d_out, SUB_CHANNELS);
  const int words = sub_passes * d_in;
  const int whole_words = sub_passes / SUBS * SUBS * d_in;  // of the passes in which every sub-engine takes part
  const int subs_of_last_pass = sub_passes % SUBS;
  int sub = 0;
Word_Pipeline:
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    const hbm_word<BITS> word = memory[first_word + i];
  Sub_Unroll:
    for (int s = 0; s < SUBS; ++s) {
#pragma HLS unroll
      if (s == sub) ahead[s].write(word);
    }
    const int subs = i < whole_words ? SUBS : subs_of_last_pass;
    sub = sub + 1 >= subs ? 0 : sub + 1;
  }
}

// Keys or values of the tokens before the newest, as they lie in memory.
template <int KV_BITS, int CHUNK, int DH, int MAX_TOKENS, int BITS, int DEPTH>
void run_ahead_cache(const hbm_word<BITS>* memory, fifo<hbm_word<BITS>, DEPTH>& cached, int first_word, int old_tokens,
                     int heads, int reads_per_head) {
  using layout = cache_layout<KV_BITS, CHUNK, DH, BITS, MAX_TOKENS>;
Read:
  for (int read = 0; read < heads * reads_per_head; ++read) {
    const int base = first_word + read / reads_per_head * layout::kWordsPerHead;
  Word_Pipeline:
    for (int i = 0; i < old_tokens * layout::kWordsPerToken; ++i) {
#pragma HLS pipeline II=1
      cached.write(memory[base + i]);
    }
  }
}

// Linear layer number `linear` of a layer, or lm_head (4), of a port without a cache.
template <class Shape, int BITS, int SUBS, int DEPTH>
void run_ahead_linear(const hbm_word<BITS>* memory, fifo<hbm_word<BITS>, DEPTH> (&ahead)[SUBS], int layer, int linear,
                      int head_channels) {
  const int d_in = (linear == 1 ? Shape::kQDim : linear == 3 ? Shape::kFfn : Shape::kHidden) / d_in_parts_of<Shape>::kParts;
  const int d_out = linear == 0   ? Shape::kQkvChannels
                    : linear == 2 ? 2 * Shape::kFfn
                    : linear == 4 ? head_channels
                                  : Shape::kHidden;
  const int before = linear == 1   ? Shape::kOWeightWord
                     : linear == 2 ? Shape::kGateUpWeightWord
                     : linear == 3 ? Shape::kDownWeightWord
                                   : 0;
  deal_weights<Shape::kSubChannels>(memory, ahead, layer * Shape::kLayerWeightWords + before, d_in, d_out);
}

template <class Shape, int BITS, int SUBS, int DEPTH>
void run_ahead(const hbm_word<BITS>* memory, fifo<hbm_word<BITS>, DEPTH> (&ahead)[SUBS], int layers, int head_channels) {
Layer:
  for (int layer = 0; layer < layers; ++layer) {
  Linear:
    for (int linear = 0; linear < 4; ++linear) run_ahead_linear<Shape>(memory, ahead, layer, linear, head_channels);
  }
  run_ahead_linear<Shape>(memory, ahead, layers, 4, head_channels);
}

// The same of a port that also carries the cache of a head lane, of which a layer occupies `cache_layer_words`.
template <class Shape, int KV_BITS, int CHUNK, int DH, int MAX_TOKENS, int BITS, int SUBS, int DEPTH>
void run_ahead_with_cache(const hbm_word<BITS>* memory, fifo<hbm_word<BITS>, DEPTH> (&ahead)[SUBS],
                          fifo<hbm_word<BITS>, DEPTH>& cached, int layers, int head_channels, int cache_layer_words,
                          int old_tokens, int heads) {
  const int cache_word = layers * Shape::kLayerWeightWords +
                         ceil_div(head_channels, Shape::kSubChannels) * (Shape::kHidden / d_in_parts_of<Shape>::kParts);
Layer:
  for (int layer = 0; layer < layers; ++layer) {
  Linear:
    for (int linear = 0; linear < 4; ++linear) {
      if (linear == 1) {
        run_ahead_cache<KV_BITS, CHUNK, DH, MAX_TOKENS>(memory, cached, cache_word + layer * cache_layer_words, old_tokens,
                                                        heads, Shape::kUnitsOfKvHead);
      }
      run_ahead_linear<Shape>(memory, ahead, layer, linear, head_channels);
    }
  }
  run_ahead_linear<Shape>(memory, ahead, layers, 4, head_channels);
}

// Keys or values of a head lane in the order that attention takes them: per KV head and read the earlier tokens, then the
// newest. Streams: in, words of the cache; per head DH / CP words of the newest token, all before its earlier tokens are
// taken; out, per token ceil(DH / CHUNK) words of CHUNK. II 1. Latency per head: DH / CP + reads * tokens * chunks.
template <int KV_BITS, int CHUNK, int DH, int MAX_TOKENS, int CP, int BITS, int CACHE_DEPTH, int NEWEST_DEPTH, int DEPTH>
void append_newest(fifo<hbm_word<BITS>, CACHE_DEPTH>& cached, fifo<lanes<int_t<KV_BITS>, CP>, NEWEST_DEPTH>& newest,
                   fifo<lanes<int_t<KV_BITS>, CHUNK>, DEPTH>& all, int tokens, int heads, int reads_per_head) {
  using layout = cache_layout<KV_BITS, CHUNK, DH, BITS, MAX_TOKENS>;
  static_assert(DH % CP == 0, "the words of the newest token divide a head");
  int_t<KV_BITS> last[layout::kChunks * CHUNK];
#pragma HLS array_partition variable=last complete
Clear_Unroll:
  for (int channel = 0; channel < layout::kChunks * CHUNK; ++channel) {
#pragma HLS unroll
    last[channel] = 0;
  }

Head:
  for (int head = 0; head < heads; ++head) {
  Newest_Pipeline:
    for (int i = 0; i < DH / CP; ++i) {
#pragma HLS pipeline II=1
      const lanes<int_t<KV_BITS>, CP> word = newest.read();
    Channel_Unroll:
      for (int c = 0; c < CP; ++c) {
#pragma HLS unroll
        last[i * CP + c] = word[c];
      }
    }
  Read:
    for (int read = 0; read < reads_per_head; ++read) {
      hbm_word<BITS> word = {};
    Token:
      for (int token = 0; token < tokens; ++token) {
      Chunk_Pipeline:
        for (int chunk = 0; chunk < layout::kChunks; ++chunk) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
          const int part = chunk % layout::kChunksPerWord;
          if (part == 0 && token + 1 < tokens) word = cached.read();
          lanes<int_t<KV_BITS>, CHUNK> values = values_of<KV_BITS, CHUNK>(word, part * CHUNK);
        Value_Unroll:
          for (int c = 0; c < CHUNK; ++c) {
#pragma HLS unroll
            if (token + 1 == tokens) values[c] = last[chunk * CHUNK + c];
          }
          all.write(values);
        }
      }
    }
  }
}

}  // namespace flexdse_hls
