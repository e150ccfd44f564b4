// Purpose: the KV cache in memory: writes the keys or values of new tokens, streams those of all tokens so far.
//
// Layout, of keys and values alike: [layer][KV head][token], each token from a whole port word on. A token's head is
// ceil(DH / CHUNK) chunks of CHUNK channels, as many to a word as fit. In prefill one port holds all KV heads, in decode
// a head lane has its own heads. Chunk, bits and port width fix the layout, `cache_layout` has its numbers.
//
// Template parameters: KV_BITS; CHUNK channels that attention takes a cycle; DH channels of a head; BITS port width;
// MAX_TOKENS of a head in memory; ROWS tokens written side by side (prefill), CP channels of a word written (decode).
// II 1. Latency: reading, per head, keys * ceil(DH / CHUNK) + memory latency; writing, per head, DH / CP + ROWS * words
// of a token + memory latency. A writer ends with its last write response.
#pragma once

#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/key_range.hpp"
#include "flexdse_hls/lanes.hpp"
#include "flexdse_hls/stream.hpp"

namespace flexdse_hls {

template <int KV_BITS, int CHUNK, int DH, int BITS, int MAX_TOKENS>
struct cache_layout {
  static_assert(CHUNK >= 1 && KV_BITS * CHUNK <= BITS, "a chunk of the cache fits a word of its port");

  static constexpr int kChunks = ceil_div(DH, CHUNK);
  static constexpr int kChunksPerWord = BITS / (KV_BITS * CHUNK);
  static constexpr int kWordsPerToken = ceil_div(kChunks, kChunksPerWord);
  static constexpr int kWordsPerHead = kWordsPerToken * MAX_TOKENS;
};

// Streams, per block: out, for each KV head `reads_per_head` times: range.of(block) * kChunks words of CHUNK values.
template <int KV_BITS, int CHUNK, int DH, int MAX_TOKENS, int BITS, int DEPTH>
void read_cache(const hbm_word<BITS>* memory, fifo<lanes<int_t<KV_BITS>, CHUNK>, DEPTH>& cached, int first_word,
                key_range range, int heads, int reads_per_head, int blocks) {
  using layout = cache_layout<KV_BITS, CHUNK, DH, BITS, MAX_TOKENS>;

Block:
  for (int block = 0; block < blocks; ++block) {
    FLEXDSE_REQUIRE(range.of(block) <= MAX_TOKENS, "the cache holds at most MAX_TOKENS");
  Head:
    for (int read = 0; read < heads * reads_per_head; ++read) {
      const int base = first_word + read / reads_per_head * layout::kWordsPerHead;
      hbm_word<BITS> word = {};
    Token:
      for (int token = 0; token < range.of(block); ++token) {
      Chunk_Pipeline:
        for (int chunk = 0; chunk < layout::kChunks; ++chunk) {
#pragma HLS pipeline II=1
#pragma HLS loop_flatten
          const int part = chunk % layout::kChunksPerWord;
          if (part == 0) word = memory[base + token * layout::kWordsPerToken + chunk / layout::kChunksPerWord];
          cached.write(values_of<KV_BITS, CHUNK>(word, part * CHUNK));
        }
      }
    }
  }
}

// Streams, per block: in, heads * DH / CP words; lane t * CP + c is channel c of token t. Block b writes the tokens from
// first_token + b * ROWS on.
template <int KV_BITS, int CHUNK, int DH, int MAX_TOKENS, int ROWS, int CP, int BITS, int DEPTH>
void write_cache(hbm_word<BITS>* memory, fifo<lanes<int_t<KV_BITS>, ROWS * CP>, DEPTH>& fresh, int first_word,
                 int first_token, int heads, int blocks) {
  using layout = cache_layout<KV_BITS, CHUNK, DH, BITS, MAX_TOKENS>;
  static_assert(DH % CP == 0, "the words that are written divide a head");
  constexpr int kPerPart = 32 / KV_BITS;

  int_t<KV_BITS> buffer[ROWS][layout::kChunks * CHUNK];
#pragma HLS array_partition variable=buffer complete dim=0
Clear:
  for (int row = 0; row < ROWS; ++row) {
    for (int channel = 0; channel < layout::kChunks * CHUNK; ++channel) buffer[row][channel] = 0;
  }

Block:
  for (int block = 0; block < blocks; ++block) {
    FLEXDSE_REQUIRE(first_token + (block + 1) * ROWS <= MAX_TOKENS, "the cache holds at most MAX_TOKENS");
  Head:
    for (int head = 0; head < heads; ++head) {
    Collect_Pipeline:
      for (int i = 0; i < DH / CP; ++i) {
#pragma HLS pipeline II=1
        const lanes<int_t<KV_BITS>, ROWS * CP> word = fresh.read();
      Row_Unroll:
        for (int row = 0; row < ROWS; ++row) {
#pragma HLS unroll
        Channel_Unroll:
          for (int c = 0; c < CP; ++c) {
#pragma HLS unroll
            buffer[row][i * CP + c] = word[row * CP + c];
          }
        }
      }
      const int base = first_word + head * layout::kWordsPerHead + (first_token + block * ROWS) * layout::kWordsPerToken;
    Write_Pipeline:
      for (int i = 0; i < ROWS * layout::kWordsPerToken; ++i) {
#pragma HLS pipeline II=1
        const int row = i / layout::kWordsPerToken;
        const int first_chunk = i % layout::kWordsPerToken * layout::kChunksPerWord;
        hbm_word<BITS> word = {};
      Value_Unroll:
        for (int v = 0; v < layout::kChunksPerWord * CHUNK; ++v) {
#pragma HLS unroll
          const int channel = first_chunk * CHUNK + v;
          if (channel < layout::kChunks * CHUNK) {
            const std::uint32_t mask = (1u << KV_BITS) - 1u;
            const std::uint32_t raw = static_cast<std::uint32_t>(static_cast<int>(buffer[row][channel])) & mask;
            word.part[v / kPerPart] |= raw << (KV_BITS * (v % kPerPart));
          }
        }
        memory[base + i] = word;
      }
    }
  }
}

}  // namespace flexdse_hls
