// Purpose: what both testbenches share: golden vectors from files, their place in the ports' memories, the comparison.
//
// Files of a linear layer (little-endian): activations.bin, fp32 [token][d_in]; weights.bin and scales.bin, the ports'
// memory images one after the other; expected.bin, fp32 [token][d_out]. Each comparison prints one line "@case {...}",
// which the driver of csim reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/vector_io.hpp"

namespace testbench {

constexpr int kBadVectorsExitCode = 88;

using flexdse_hls::hbm_word;

inline std::string& project_folder() {
  static std::string folder = ".";
  return folder;
}

[[noreturn]] inline void bad_vectors(const std::string& path, const std::string& why) {
  std::fprintf(stderr, "csim: golden vectors %s: %s\n", path.c_str(), why.c_str());
  std::exit(kBadVectorsExitCode);
}

inline std::vector<char> read_file(const std::string& path, std::size_t bytes) {
  std::ifstream file(project_folder() + "/" + path, std::ios::binary);
  if (!file) bad_vectors(path, "cannot be read");
  std::vector<char> content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (content.size() != bytes) {
    bad_vectors(path, std::to_string(content.size()) + " bytes instead of " + std::to_string(bytes));
  }
  return content;
}

inline std::vector<std::uint32_t> read_fp32(const std::string& path, std::size_t count) {
  const std::vector<char> content = read_file(path, 4 * count);
  std::vector<std::uint32_t> values(count);
  std::memcpy(values.data(), content.data(), content.size());
  return values;
}

// Puts `words` words of the image into a port's memory, from its start.
template <int BITS>
void upload(std::vector<hbm_word<BITS>>& memory, const std::vector<char>& image, std::size_t first_word,
            std::size_t words) {
  if (words > memory.size()) memory.resize(words);
  std::memcpy(static_cast<void*>(memory.data()), image.data() + first_word * sizeof(hbm_word<BITS>),
              words * sizeof(hbm_word<BITS>));
}

// The fp32 of one lane of a vector in a port's memory (vector_io.hpp).
template <int LANES, int BITS>
std::uint32_t& lane_at(std::vector<hbm_word<BITS>>& memory, std::size_t vector, int lane) {
  constexpr int kFloats = BITS / 32;
  const std::size_t word = vector * flexdse_hls::words_per_vector<LANES, BITS>() + lane / kFloats;
  if (word >= memory.size()) memory.resize(word + 1);
  return memory[word].part[lane % kFloats];
}

// Prefill: a block of TP tokens after the other, in it a channel after the other, its tokens side by side.
struct block_layout {
  std::size_t first_vector;
  int tokens_per_block;
  int channels;

  std::size_t vector(int token, int channel) const {
    return first_vector + static_cast<std::size_t>(token / tokens_per_block) * channels + channel;
  }
  int lane(int token, int) const { return token % tokens_per_block; }
};

// Decode: a token after the other, in it row i of all lanes, lane g being channel g * (channels / TB) + i.
struct token_layout {
  int lanes;
  int channels;

  std::size_t vector(int token, int channel) const {
    const int rows = channels / lanes;
    return static_cast<std::size_t>(token) * rows + channel % rows;
  }
  int lane(int, int channel) const { return channel / (channels / lanes); }
};

template <int LANES, int BITS, class Layout>
void place(std::vector<hbm_word<BITS>>& memory, const Layout& layout, const std::vector<std::uint32_t>& values,
           int tokens, int channels) {
  for (int token = 0; token < tokens; ++token) {
    for (int channel = 0; channel < channels; ++channel) {
      lane_at<LANES>(memory, layout.vector(token, channel), layout.lane(token, channel)) =
          values[static_cast<std::size_t>(token) * channels + channel];
    }
  }
}

// Compares every value and prints the line of this case; returns the number of values that differ.
template <int LANES, int BITS, class Layout>
long compare(const char* stage, const char* module, const char* linear, std::vector<hbm_word<BITS>>& memory,
             const Layout& layout, const std::vector<std::uint32_t>& expected, int tokens, int channels) {
  long differences = 0;
  std::string first;
  for (int token = 0; token < tokens; ++token) {
    for (int channel = 0; channel < channels; ++channel) {
      const std::uint32_t want = expected[static_cast<std::size_t>(token) * channels + channel];
      const std::uint32_t got = lane_at<LANES>(memory, layout.vector(token, channel), layout.lane(token, channel));
      if (got == want) continue;
      if (differences++ == 0) {
        char text[160];
        std::snprintf(text, sizeof text, ", \"token\": %d, \"channel\": %d, \"got\": \"%08x\", \"expected\": \"%08x\"",
                      token, channel, got, want);
        first = text;
      }
    }
  }
  std::printf("@case {\"stage\": \"%s\", \"module\": \"%s\", \"linear\": \"%s\", \"compared_values\": %ld, "
              "\"differences\": %ld%s}\n",
              stage, module, linear, static_cast<long>(tokens) * channels, differences, first.c_str());
  std::fflush(stdout);
  return differences;
}

}  // namespace testbench
