// Loaders, ports and the KV cache: packing order, surplus lanes, layouts; and the movers between streams.
#include <vector>

#include "check.hpp"
#include "flexdse_hls/fp32_io.hpp"
#include "flexdse_hls/join_beats.hpp"
#include "flexdse_hls/kv_cache.hpp"
#include "flexdse_hls/load_scales.hpp"
#include "flexdse_hls/load_weights.hpp"
#include "flexdse_hls/route_words.hpp"
#include "flexdse_hls/vector_io.hpp"

using namespace flexdse_hls;

template <class T>
void collect(stream<T>& in, std::vector<T>& values, int count) {
  for (int i = 0; i < count; ++i) values.push_back(in.read());
}

// The weights begin at the third word; nibbles or bytes.
template <int W_BITS, int LANES, int BITS, int UNITS = 1>
void weights_in_memory_order(int words, int repeats) {
  constexpr int kFirst = 3;
  std::vector<hbm_word<BITS>> memory(kFirst + words);
  for (int i = 0; i < words; ++i) {
    unsigned char bytes[BITS / 8];
    for (int b = 0; b < BITS / 8; ++b) bytes[b] = static_cast<unsigned char>((i * 37 + b * 11) & 0xff);
    for (int p = 0; p < BITS / 32; ++p) {
      memory[kFirst + i].part[p] = bytes[4 * p] | bytes[4 * p + 1] << 8 | bytes[4 * p + 2] << 16 |
                          static_cast<std::uint32_t>(bytes[4 * p + 3]) << 24;
    }
  }
  fifo<lanes<int_t<W_BITS>, LANES>, 2> weights[UNITS];
  FLEXDSE_NAME_STREAMS(weights, "test.weights");
  std::vector<lanes<int_t<W_BITS>, LANES>> got[UNITS];
  const hbm_word<BITS>* port = memory.data();
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(load_weights<W_BITS, LANES, BITS, LANES * UNITS>(port, weights, kFirst, words, LANES * UNITS, repeats));
  for (int unit = 0; unit < UNITS; ++unit) {
    flexdse_region_.add("collect", [&, unit] { collect(weights[unit], got[unit], words * repeats); });
  }
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < words * repeats; ++i) {
    for (int n = 0; n < LANES * UNITS; ++n) {
      const int per_byte = 8 / W_BITS;
      const int byte = (i % words * 37 + n / per_byte * 11) & 0xff;
      const int raw = byte >> (W_BITS * (n % per_byte)) & ((1 << W_BITS) - 1);
      const int expected = raw < 1 << (W_BITS - 1) ? raw : raw - (1 << W_BITS);
      CHECK(static_cast<int>(got[n / LANES][i][n % LANES]) == expected, "word %d lane %d", i, n);
    }
  }
}

template <int PAIRS, int BITS>
void scales_in_memory_order(int pairs, int repeats) {
  constexpr int kPairsPerWord = BITS / 64;
  constexpr int kFirst = 2;
  std::vector<hbm_word<BITS>> memory(kFirst + ceil_div(pairs, kPairsPerWord));
  for (int i = 0; i < pairs; ++i) {
    memory[kFirst + i / kPairsPerWord].part[2 * (i % kPairsPerWord)] = bits_of(1.0f + i);
    memory[kFirst + i / kPairsPerWord].part[2 * (i % kPairsPerWord) + 1] = bits_of(-1.0f - i);
  }
  fifo<lanes<channel_scale, PAIRS>, 2> scales("test.scales");
  std::vector<lanes<channel_scale, PAIRS>> got;
  const hbm_word<BITS>* port = memory.data();
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(load_scales<PAIRS, BITS>(port, scales, kFirst, pairs, repeats));
  FLEXDSE_PROCESS(collect(scales, got, pairs / PAIRS * repeats));
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < pairs * repeats; ++i) {
    const channel_scale& pair = got[i / PAIRS][i % PAIRS];
    CHECK(pair.scale == 1.0f + i % pairs && pair.row_sum == -1.0f - i % pairs, "pair %d", i);
  }
}

template <int LANES, int BITS>
void vectors_there_and_back(int count) {
  constexpr int kWords = words_per_vector<LANES, BITS>();
  std::vector<hbm_word<BITS>> in(count * kWords);
  std::vector<hbm_word<BITS>> out(count * kWords);
  for (int i = 0; i < count * LANES; ++i) {
    const int word = i / LANES * kWords + i % LANES / (BITS / 32);
    in[word].part[i % LANES % (BITS / 32)] = bits_of(0.5f * i);
  }
  fifo<lanes<float, LANES>, 2> vectors("test.vectors");
  const hbm_word<BITS>* source = in.data();
  hbm_word<BITS>* target = out.data();
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(read_vectors<LANES, BITS>(source, vectors, count));
  FLEXDSE_PROCESS(write_vectors<LANES, BITS>(target, vectors, count));
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < count * kWords; ++i) {
    for (int part = 0; part < BITS / 32; ++part) {
      const bool padding = i % kWords * (BITS / 32) + part >= LANES;
      CHECK(out[i].part[part] == (padding ? 0u : in[i].part[part]), "%d lanes, word %d", LANES, i);
    }
  }
}

// `values` fp32 from an odd word on, out of memory in words of N and back.
template <int N, int BITS>
void fp32_there_and_back(int values) {
  constexpr int kFirst = 1;
  constexpr int kPort = BITS / 32;
  std::vector<hbm_word<BITS>> in(kFirst + ceil_div(values, kPort));
  std::vector<hbm_word<BITS>> out(in.size());
  for (int i = 0; i < values; ++i) in[kFirst + i / kPort].part[i % kPort] = bits_of(0.5f + i);
  fifo<lanes<float, N>, 1> first("test.first");
  fifo<lanes<float, N>, 1> second("test.second");
  std::vector<lanes<float, N>> seen;
  const hbm_word<BITS>* source = in.data();
  hbm_word<BITS>* target = out.data();
  const auto watch = [&] {
    for (int i = 0; i < ceil_div(values, N); ++i) {
      seen.push_back(first.read());
      second.write(seen.back());
    }
  };
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(read_fp32<N, BITS>(source, kFirst, first, values));
  FLEXDSE_PROCESS(watch());
  FLEXDSE_PROCESS(write_fp32<N, BITS>(target, kFirst, second, values));
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < ceil_div(values, N) * N; ++i) {
    CHECK(seen[i / N][i % N] == (i < values ? 0.5f + i : 0.0f), "%d lanes of %d bit: value %d", N, BITS, i);
  }
  for (int i = 0; i < values; ++i) {
    CHECK(out[kFirst + i / kPort].part[i % kPort] == bits_of(0.5f + i), "%d lanes of %d bit: value %d", N, BITS, i);
  }
}

template <int A, int B>
void words_keep_their_order(int channels) {
  fifo<lanes<int, A>, 1> in("test.in");
  fifo<lanes<int, B>, 1> out("test.out");
  std::vector<lanes<int, A>> x(ceil_div(channels, A));
  for (int i = 0; i < static_cast<int>(x.size()) * A; ++i) x[i / A][i % A] = i;
  std::vector<lanes<int, B>> y;
  const auto send_all = [&] { for (const auto& word : x) in.write(word); };
  const auto resize = &resize_words<A, B, int>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send_all());
  FLEXDSE_PROCESS(resize(in, out, channels));
  FLEXDSE_PROCESS(collect(out, y, ceil_div(channels, B)));
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < channels; ++i) CHECK(y[i / B][i % B] == i, "%d to %d lanes: channel %d", A, B, i);
}

// Blocks of ROWS tokens are written head after head, then each head is read by two query heads.
template <int KV_BITS, int CHUNK, int DH, int BITS, int ROWS, int CP>
void cache_gives_back(int heads, int blocks) {
  constexpr int kMaxTokens = 16;
  constexpr int kFirst = 5;
  using layout = cache_layout<KV_BITS, CHUNK, DH, BITS, kMaxTokens>;
  std::vector<hbm_word<BITS>> memory(kFirst + heads * layout::kWordsPerHead);
  const auto value = [&](int head, int token, int channel) {
    return (head * 31 + token * 7 + channel * 3) % (1 << KV_BITS) - (1 << (KV_BITS - 1));
  };
  std::vector<lanes<int_t<KV_BITS>, ROWS * CP>> written;
  for (int block = 0; block < blocks; ++block) {
    for (int i = 0; i < heads * DH / CP; ++i) {
      lanes<int_t<KV_BITS>, ROWS * CP> word;
      for (int lane = 0; lane < ROWS * CP; ++lane) {
        const int channel = i % (DH / CP) * CP + lane % CP;
        word[lane] = static_cast<int_t<KV_BITS>>(value(i / (DH / CP), block * ROWS + lane / CP, channel));
      }
      written.push_back(word);
    }
  }
  fifo<lanes<int_t<KV_BITS>, ROWS * CP>, 1> fresh("test.fresh");
  fifo<lanes<int_t<KV_BITS>, CHUNK>, 1> cached("test.cached");
  std::vector<lanes<int_t<KV_BITS>, CHUNK>> got;
  hbm_word<BITS>* port = memory.data();
  const auto send_all = [&] { for (const auto& word : written) fresh.write(word); };
  const auto write = &write_cache<KV_BITS, CHUNK, DH, kMaxTokens, ROWS, CP, BITS, 1>;
  const auto read = &read_cache<KV_BITS, CHUNK, DH, kMaxTokens, BITS, 1>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send_all());
  FLEXDSE_PROCESS(write(port, fresh, kFirst, 0, heads, blocks));
  FLEXDSE_DATAFLOW_END;
  // What a causal prefill of `blocks` blocks reads: block b has (b + 1) * ROWS keys.
  std::size_t words = 0;
  for (int block = 0; block < blocks; ++block) words += 2 * heads * (block + 1) * ROWS * layout::kChunks;
  {
    FLEXDSE_DATAFLOW_BEGIN;
    FLEXDSE_PROCESS(read(port, cached, kFirst, {ROWS, ROWS}, heads, 2, blocks));
    FLEXDSE_PROCESS(collect(cached, got, static_cast<int>(words)));
    FLEXDSE_DATAFLOW_END;
  }
  std::size_t at = 0;
  for (int block = 0; block < blocks; ++block) {
    for (int query_head = 0; query_head < 2 * heads; ++query_head) {
      for (int token = 0; token < (block + 1) * ROWS; ++token) {
        for (int channel = 0; channel < layout::kChunks * CHUNK; ++channel) {
          const int expected = channel < DH ? value(query_head / 2, token, channel) : 0;
          const int found = static_cast<int>(got[at + channel / CHUNK][channel % CHUNK]);
          CHECK(found == expected, "head %d token %d channel %d: %d", query_head / 2, token, channel, found);
        }
        at += layout::kChunks;
      }
    }
  }
}

// Words of attention from the beats of a narrower port: channels in order, through every block, unit and key.
template <int BEAT, int CHUNK, int DH>
void beats_make_words(key_range range, int units, int blocks) {
  fifo<lanes<int, BEAT>, 1> beats("test.beats");
  fifo<lanes<int, CHUNK>, 1> words("test.words");
  std::vector<lanes<int, CHUNK>> got;
  int channels = 0;
  for (int block = 0; block < blocks; ++block) channels += units * range.of(block) * DH;
  const auto send_all = [&] {
    for (int first = 0; first < channels; first += BEAT) {
      lanes<int, BEAT> beat;
      for (int c = 0; c < BEAT; ++c) beat[c] = first + c;
      beats.write(beat);
    }
  };
  const auto join = &join_beats<BEAT, CHUNK, DH, int, 1, 1>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send_all());
  FLEXDSE_PROCESS(join(beats, words, range, units, blocks));
  FLEXDSE_PROCESS(collect(words, got, channels / CHUNK));
  FLEXDSE_DATAFLOW_END;
  for (int channel = 0; channel < channels; ++channel) {
    const int found = got[channel / CHUNK][channel % CHUNK];
    CHECK(found == channel, "channel %d: %d", channel, found);
  }
}

// Routes, shares, splits and joins: 12 words over four of them and back.
void words_find_their_way() {
  fifo<int, 1> in("test.in");
  fifo<int, 12> lanes_of_words[3];
  FLEXDSE_NAME_STREAMS(lanes_of_words, "test.lanes");
  fifo<int, 1> gathered("test.gathered");
  fifo<int, 12> head("test.head");
  fifo<int, 12> tail("test.tail");
  fifo<int, 1> joined("test.joined");
  fifo<int, 1> first("test.first");
  fifo<int, 1> second("test.second");
  fifo<int, 12> ways[2];
  FLEXDSE_NAME_STREAMS(ways, "test.ways");
  fifo<int, 1> selected("test.selected");
  std::vector<int> got;
  std::vector<int> shared;
  const auto count = [&] { for (int i = 0; i < 12; ++i) in.write(i); };
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(count());
  FLEXDSE_PROCESS(deal_words(in, lanes_of_words, 2, 6));
  FLEXDSE_PROCESS(gather_words(lanes_of_words, gathered, 2, 6));
  FLEXDSE_PROCESS(split_words(gathered, head, tail, 1, 3, 3));
  FLEXDSE_PROCESS(join_words(head, tail, joined, 1, 3, 3));
  FLEXDSE_PROCESS(share_words(joined, first, second, 12, 9));
  FLEXDSE_PROCESS(route_words(first, ways, 1, 12));
  FLEXDSE_PROCESS(select_words(ways, selected, 1, 12));
  FLEXDSE_PROCESS(collect(selected, got, 12));
  FLEXDSE_PROCESS(collect(second, shared, 9));
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < 12; ++i) CHECK(got[i] == i, "word %d is %d", i, got[i]);
  for (int i = 0; i < 9; ++i) CHECK(shared[i] == i, "shared word %d is %d", i, shared[i]);
}

int main() {
  weights_in_memory_order<4, 8, 32>(5, 2);
  weights_in_memory_order<4, 24, 128>(7, 3);
  weights_in_memory_order<4, 3, 64>(4, 1);
  weights_in_memory_order<8, 128, 1024>(2, 2);
  weights_in_memory_order<4, 16, 256, 3>(5, 2);
  weights_in_memory_order<8, 5, 128, 2>(5, 2);
  scales_in_memory_order<1, 64>(5, 2);
  scales_in_memory_order<1, 256>(7, 2);
  scales_in_memory_order<2, 256>(6, 2);
  scales_in_memory_order<8, 512>(16, 1);
  vectors_there_and_back<8, 256>(5);
  vectors_there_and_back<16, 256>(5);
  vectors_there_and_back<3, 256>(4);
  vectors_there_and_back<20, 512>(4);
  fp32_there_and_back<1, 32>(5);
  fp32_there_and_back<4, 256>(24);
  fp32_there_and_back<6, 128>(20);
  fp32_there_and_back<8, 64>(13);
  words_keep_their_order<1, 4>(8);
  words_keep_their_order<8, 2>(24);
  words_keep_their_order<6, 4>(22);
  cache_gives_back<8, 8, 16, 128, 1, 4>(3, 5);    // decode: a token at a time
  cache_gives_back<8, 4, 16, 64, 4, 1>(2, 3);     // prefill: blocks of tokens
  cache_gives_back<8, 6, 16, 128, 2, 1>(2, 3);    // chunks that do not divide a head
  cache_gives_back<4, 8, 16, 64, 1, 2>(3, 4);     // four bits
  beats_make_words<4, 8, 16>({4, 4}, 3, 2);
  beats_make_words<2, 8, 8>({3, 1}, 1, 3);
  beats_make_words<4, 4, 8>({2, 0}, 2, 1);  // a port as wide as attention
  words_find_their_way();
  std::puts("memory: ok");
}
