// The headers of the HMT plug-in on cases from a file, whose values the golden reference computed: through every shape that a
// case fits, over FIFOs of the least depth, with what goes from one pass of the engine to the next in memory, as in the kernel.
// A second argument picks a run that has to end in a deadlock, or in a broken precondition.
#include <string>
#include <vector>

#include "cases.hpp"
#include "flexdse_hls/gemv.hpp"
#include "flexdse_hls/hmt/fp32_engine.hpp"
#include "flexdse_hls/hmt/memory_queue.hpp"
#include "flexdse_hls/hmt/retrieval.hpp"
#include "flexdse_hls/hmt/window.hpp"
#include "flexdse_hls/resize_words.hpp"
#include "flexdse_hls/route_words.hpp"
#include "flexdse_hls/softmax.hpp"
#include "flexdse_hls/vector_io.hpp"

using namespace flexdse_hls;

template <int T>
std::vector<lanes<float, T>> as_words(const std::vector<float>& values) {
  std::vector<lanes<float, T>> words(values.size() / T);
  for (std::size_t i = 0; i < words.size() * T; ++i) words[i / T][static_cast<int>(i % T)] = values[i];
  return words;
}

template <int T>
std::vector<float> as_values(const std::vector<lanes<float, T>>& words) {
  std::vector<float> values;
  for (const auto& word : words) values.insert(values.end(), word.lane, word.lane + T);
  return values;
}

std::vector<float> floats(const std::vector<std::uint32_t>& bits, std::size_t first, std::size_t count) {
  std::vector<float> values;
  for (std::size_t i = first; i < first + count; ++i) values.push_back(float_of(bits[i]));
  return values;
}

void equal_values(const test_case& c, const char* form, const std::vector<float>& got,
                  const std::vector<std::uint32_t>& expected, std::size_t first) {
  for (std::size_t i = 0; i < got.size(); ++i) equal(c, form, i, bits_of(got[i]), expected[first + i]);
}

// A matrix (d_out, d_in) as the ports hold it: pass, input channel, W lanes of the port's group.
template <int T, int W, int BITS>
void store_matrix(std::vector<hbm_word<BITS>> (&ports)[T], int first_word, const std::vector<std::uint32_t>& matrix,
                  int d_out, int d_in) {
  for (int channel = 0; channel < d_out; ++channel) {
    const int in_pass = channel % (T * W);
    for (int k = 0; k < d_in; ++k) {
      const int word = first_word + channel / (T * W) * d_in + k;
      ports[in_pass % T].at(word).part[in_pass / T] = matrix.at(static_cast<std::size_t>(channel) * d_in + k);
    }
  }
}

// One vector through the engine, its weights from `first_word` of the ports on.
template <int T, int W, int MAX_D_IN, int BITS>
std::vector<float> through_engine(const std::vector<hbm_word<BITS>> (&ports)[T], int first_word, bool turned,
                                  const std::vector<float>& x, int d_out) {
  const int d_in = static_cast<int>(x.size());
  const int passes = d_out / (T * W);
  const auto sent = as_words<T>(x);
  fifo<lanes<float, T>, 1> in("test.in");
  fifo<float, 1> operands[T];
  fifo<lanes<float, W>, 1> stored[T];
  fifo<lanes<float, W>, 1> weights[T];
  fifo<float, 1> results[T];
  fifo<lanes<float, T>, 1> out("test.out");
  FLEXDSE_NAME_STREAMS(operands, "test.operands");
  FLEXDSE_NAME_STREAMS(results, "test.results");
  std::vector<lanes<float, T>> y;
  auto feed = &feed_vector<fp32_operands, T, T * W, MAX_D_IN, T, 1, 1>;
  auto group = &fp32_lane_group<W, MAX_D_IN, 1, 1, 1>;
  auto join = &join_groups<T, 1>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(in, sent));
  FLEXDSE_PROCESS(feed(in, operands, d_in, d_out, 1));
  for (int g = 0; g < T; ++g) {
    flexdse_region_.add("read_queue", [&, g] { read_queue<W>(ports[g].data(), stored[g], first_word, passes * d_in); });
    flexdse_region_.add("turn_tiles", [&, g] { turn_tiles<W>(stored[g], weights[g], turned, passes * d_in); });
    flexdse_region_.add("group", [&, g] { group(operands[g], weights[g], results[g], d_in, passes); });
  }
  FLEXDSE_PROCESS(join(results, out, passes * W));
  FLEXDSE_PROCESS(collect(out, y, static_cast<std::size_t>(passes) * W));
  FLEXDSE_DATAFLOW_END;
  return as_values<T>(y);
}

template <int T, int W, int BITS>
void engine_of(const test_case& c) {
  const int d_in = c.size("x", 0);
  const int d_out = c.size("weights", 0);
  if (d_out % (T * W) != 0 || d_in % T != 0 || d_in < W) return;
  std::vector<hbm_word<BITS>> ports[T];
  for (auto& port : ports) port.resize(static_cast<std::size_t>(d_out) / (T * W) * d_in + 1);
  store_matrix<T, W>(ports, 1, c.words("weights"), d_out, d_in);
  const auto x = floats(c.words("x"), 0, d_in);
  equal_values(c, "engine", through_engine<T, W, 240>(ports, 1, false, x, d_out), c.words("y"), 0);
}

// The row of a memory is appended while its key is computed: what the kernel does in step `remember`.
template <int T, int W, int D, int SLOTS, int BITS>
void append(std::vector<hbm_word<BITS>> (&ports)[T], const std::vector<float>& memory, const std::vector<float>& key,
            int slot) {
  using layout = queue_layout<T, W, D, SLOTS>;
  const auto row = as_words<T>(memory);
  const auto channels = as_words<T>(key);
  fifo<lanes<float, T>, 1> row_in("test.row");
  fifo<lanes<float, T>, 1> key_in("test.key");
  fifo<lanes<float, W>, 1> chunks("test.chunks");
  fifo<lanes<float, W>, 1> rows[T];
  fifo<lanes<float, W>, 1> keys[T];
  constexpr int kKeyWords = D / W;
  const int owner = layout::group_of(slot);
  auto deal = &deal_memory<T, W, 1>;
  auto append_to = &append_queue<T, W, D, SLOTS, BITS>;
  auto resize = &resize_words<T, W, float>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(row_in, row));
  FLEXDSE_PROCESS(send(key_in, channels));
  FLEXDSE_PROCESS(deal(row_in, rows, D / T));
  FLEXDSE_PROCESS(resize(key_in, chunks, D));
  flexdse_region_.add("route", [&] {
    for (int i = 0; i < kKeyWords; ++i) keys[owner].write(chunks.read());
  });
  for (int g = 0; g < T; ++g) {
    flexdse_region_.add("append", [&, g] {
      append_to(ports[g].data(), rows[g], keys[g], slot, layout::kPasses, g == owner ? kKeyWords : 0);
    });
  }
  FLEXDSE_DATAFLOW_END;
}

template <int T>
struct packed_scores {
  std::vector<float> scores;
  std::vector<std::uint32_t> weights;
  std::vector<lanes<float, T>> packed;
};

template <int T, int SLOTS>
packed_scores<T> weigh(const std::vector<float>& products, float scale, int filled) {
  packed_scores<T> found;
  const auto words = as_words<T>(products);
  fifo<lanes<float, T>, 1> in("test.products");
  fifo<lanes<real, 1>, 1> scaled("test.scaled");
  fifo<lanes<real, 1>, 1> scores("test.scores");
  fifo<lanes<uint_t<kRetrievalBits>, 1>, 1> made("test.made");
  fifo<lanes<uint_t<kRetrievalBits>, 1>, 1> weights("test.weights");
  fifo<lanes<float, 1>, 1> sums("test.sums");
  fifo<lanes<float, T>, 1> out("test.packed");
  auto normalise = &softmax<attention_rows::heads, 1, 1, kRetrievalBits, SLOTS>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(send(in, words));
  FLEXDSE_PROCESS(scale_scores<T>(in, scaled, scale, SLOTS));
  flexdse_region_.add("watch", [&] {
    for (int i = 0; i < SLOTS; ++i) {
      const auto score = scaled.read();
      found.scores.push_back(score[0]);
      scores.write(score);
    }
  });
  FLEXDSE_PROCESS(normalise(scores, made, sums, SLOTS, filled - 1, 1));
  flexdse_region_.add("watch", [&] {
    for (int i = 0; i < SLOTS; ++i) {
      const auto weight = made.read();
      found.weights.push_back(static_cast<std::uint32_t>(static_cast<int>(weight[0])));
      weights.write(weight);
    }
  });
  FLEXDSE_PROCESS(pack_weights<T>(weights, sums, out, SLOTS));
  FLEXDSE_PROCESS(collect(out, found.packed, SLOTS / T + 1));
  FLEXDSE_DATAFLOW_END;
  return found;
}

template <int T>
std::vector<float> normalised(const lanes<float, T>& last, const std::vector<float>& sums, bool without_inverse = false) {
  const auto words = as_words<T>(sums);
  fifo<lanes<float, T>, 1> inverse("test.inverse");
  fifo<lanes<float, T>, 1> in("test.mixed");
  fifo<lanes<float, T>, 1> out("test.prompt");
  std::vector<lanes<float, T>> prompt;
  FLEXDSE_DATAFLOW_BEGIN;
  flexdse_region_.add("split", [&] {
    if (!without_inverse) inverse.write(last);
  });
  FLEXDSE_PROCESS(send(in, words));
  FLEXDSE_PROCESS(normalise_prompt<T>(inverse, in, out, static_cast<int>(words.size())));
  FLEXDSE_PROCESS(collect(out, prompt, words.size()));
  FLEXDSE_DATAFLOW_END;
  return as_values<T>(prompt);
}

// Memory i is appended, then summary i retrieves: through the empty, the filling and the overwritten queue.
template <int T, int W, int D, int SLOTS, int BITS>
void queue_of(const test_case& c) {
  using layout = queue_layout<T, W, D, SLOTS>;
  if (c.size("w_q", 0) != D || c.size("weights", 1) != SLOTS) return;
  const auto scale = c.real("scale");
  std::vector<hbm_word<BITS>> ports[T];
  for (auto& port : ports) port.resize(layout::kWords);
  store_matrix<T, W>(ports, 0, c.words("w_q"), D, D);
  store_matrix<T, W>(ports, layout::kKeyMatrixWord, c.words("w_k"), D, D);
  constexpr int kMax = D > SLOTS ? D : SLOTS;
  for (int i = 0; i < c.size("memories", 0); ++i) {
    const std::size_t row = static_cast<std::size_t>(i) * D;
    const std::size_t score = static_cast<std::size_t>(i) * SLOTS;
    const auto memory = floats(c.words("memories"), row, D);
    const auto key = through_engine<T, W, kMax>(ports, layout::kKeyMatrixWord, false, memory, D);
    equal_values(c, "key", key, c.words("keys"), row);
    append<T, W, D, SLOTS>(ports, memory, key, i % SLOTS);
    const int filled = i + 1 < SLOTS ? i + 1 : SLOTS;
    const auto query = through_engine<T, W, kMax>(ports, 0, false, floats(c.words("summaries"), row, D), D);
    equal_values(c, "query", query, c.words("queries"), row);
    const auto products = through_engine<T, W, kMax>(ports, layout::kKeyWord, true, query, SLOTS);
    auto found = weigh<T, SLOTS>(products, scale, filled);
    equal_values(c, "score", found.scores, c.words("scores"), score);
    for (int slot = 0; slot < SLOTS; ++slot) equal(c, "weight", slot, found.weights[slot], c.words("weights")[score + slot]);
    const auto last = found.packed.back();
    found.packed.pop_back();
    const auto sums = through_engine<T, W, kMax>(ports, layout::kMemoryWord, false, as_values<T>(found.packed), D);
    equal_values(c, "prompt", normalised<T>(last, sums), c.words("prompts"), row);
  }
}

// The window into the hidden state of prefill, and rows of it back.
template <int TP, int T, int D, int BITS, int HIDDEN_BITS>
void window_of(const test_case& c) {
  const int rows = c.size("rows", 0);
  if (c.size("rows", 1) != D || rows % TP != 0) return;
  constexpr int kRowWords = 32 * D / BITS;
  const auto& stored = c.words("memory");
  std::vector<hbm_word<BITS>> memory(stored.size() * 32 / BITS);
  for (std::size_t i = 0; i < stored.size(); ++i) memory[i / (BITS / 32)].part[i % (BITS / 32)] = stored[i];
  std::vector<hbm_word<HIDDEN_BITS>> hidden(static_cast<std::size_t>(rows / TP) * D * words_per_vector<TP, HIDDEN_BITS>());
  window_rows window = {};
  window.rows = rows;
  window.outer_word = c.integer("outer_row") * kRowWords;
  window.zero_rows = c.integer("zero_rows");
  window.prompt_word = c.integer("prompt_row") * kRowWords;
  window.prompt_rows = c.integer("prompt_rows");
  const hbm_word<BITS>* from = memory.data();
  fifo<lanes<float, TP>, 1> blocks("test.blocks");
  auto load = &read_window<TP, T, D, BITS>;
  auto store = &write_vectors<TP, HIDDEN_BITS>;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(load(from, blocks, window));
  FLEXDSE_PROCESS(store(hidden.data(), blocks, rows / TP * D));
  FLEXDSE_DATAFLOW_END;
  for (int row = 0; row < rows; ++row) {
    fifo<lanes<float, T>, 1> words("test.words");
    std::vector<lanes<float, T>> got;
    auto read = &read_summary<TP, T, D, HIDDEN_BITS>;
    const hbm_word<HIDDEN_BITS>* state = hidden.data();
    FLEXDSE_DATAFLOW_BEGIN;
    FLEXDSE_PROCESS(read(state, words, row, 1));
    FLEXDSE_PROCESS(collect(words, got, D / T));
    FLEXDSE_DATAFLOW_END;
    equal_values(c, "row", as_values<T>(got), c.words("rows"), static_cast<std::size_t>(row) * D);
  }
  CHECK(window.closing_row() == c.integer("read_back"), "the closing row is %d", window.closing_row());
}

void run_case(const test_case& c) {
  if (c.section == "engine") {
    engine_of<1, 2, 64>(c);
    engine_of<2, 1, 32>(c);
    engine_of<2, 4, 256>(c);
    engine_of<3, 2, 64>(c);
    engine_of<4, 8, 256>(c);
  } else if (c.section == "queue") {
    queue_of<2, 2, 16, 8, 64>(c);
    queue_of<8, 1, 16, 8, 32>(c);
    queue_of<1, 8, 16, 8, 512>(c);
    queue_of<4, 4, 32, 16, 128>(c);
    queue_of<3, 2, 24, 24, 64>(c);
  } else if (c.section == "window") {
    window_of<2, 2, 16, 64, 64>(c);
    window_of<4, 1, 16, 128, 64>(c);
    window_of<8, 4, 16, 256, 256>(c);
    window_of<3, 2, 24, 128, 128>(c);
    window_of<12, 4, 24, 128, 256>(c);
  } else {
    CHECK(false, "no section %s", c.section.c_str());
  }
}

// Runs that have to stop.
int mistake(const std::string& name) {
  if (name == "no_inverse") {
    normalised<2>({}, std::vector<float>(8), true);
  } else if (name == "ragged_vector") {
    std::vector<hbm_word<64>> ports[1];
    ports[0].resize(12);
    through_engine<1, 2, 16>(ports, 0, false, std::vector<float>(12), 2);
  } else if (name == "crowded_window") {
    std::vector<hbm_word<64>> memory(64);
    const hbm_word<64>* from = memory.data();
    fifo<lanes<float, 2>, 64> blocks("test.blocks");
    read_window<2, 2, 16>(from, blocks, window_rows{4, 0, 0, 8, 3});
  }
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 3) return mistake(argv[2]);
  return run_cases("hmt", argc, argv, run_case);
}
