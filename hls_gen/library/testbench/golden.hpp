// Purpose: what both testbenches share: memories of the ports from image files, and the comparison of tapped streams.
//
// Files of a stage (little-endian): `images/<port>.bin`, the image that the port's memory begins with; `expected.bin`, the values of all
// tapped streams as 32 bits each, stream after stream; `streams.txt`, a line for each run of values, in that order:
//   stream module linear first_token lanes valid values
// Value i of a run is channel i / lanes of token first_token + i % lanes; lanes from `valid` on hold no token. Each module and linear prints one line
// "@case {...}", which the driver of csim reads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "flexdse_hls/hbm_word.hpp"
#include "flexdse_hls/host/tap.hpp"

namespace testbench {

constexpr int kBadVectorsExitCode = 88;

using flexdse_hls::hbm_word;

inline std::string& project_folder() {
  static std::string folder = ".";
  return folder;
}

// The project: the first argument, or else the nearest folder above the working folder that holds a manifest, since tools run
// a testbench deep inside of a project.
inline void find_project(int argc, char** argv) {
  if (argc > 1) {
    project_folder() = argv[1];
    return;
  }
  std::string folder = ".";
  for (int level = 0; level < 12; ++level, folder += "/..") {
    if (std::ifstream(folder + "/manifest.json")) {
      project_folder() = folder;
      return;
    }
  }
}

[[noreturn]] inline void bad_vectors(const std::string& path, const std::string& why) {
  std::fprintf(stderr, "csim: golden vectors %s: %s\n", path.c_str(), why.c_str());
  std::exit(kBadVectorsExitCode);
}

inline std::vector<char> read_file(const std::string& path) {
  std::ifstream file(project_folder() + "/" + path, std::ios::binary);
  if (!file) bad_vectors(path, "cannot be read");
  return std::vector<char>((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

// The memory of a port: `words` words, an image of `image_words` at its start (none: no file), zeros behind it.
template <int BITS>
std::vector<hbm_word<BITS>> memory_of(const std::string& path, std::size_t image_words, std::size_t words) {
  std::vector<hbm_word<BITS>> memory(words);
  if (image_words == 0) return memory;
  const std::vector<char> image = read_file(path);
  if (image.size() != image_words * sizeof(hbm_word<BITS>) || image_words > words) {
    bad_vectors(path, std::to_string(image.size()) + " bytes instead of " +
                          std::to_string(image_words * sizeof(hbm_word<BITS>)));
  }
  std::memcpy(static_cast<void*>(memory.data()), image.data(), image.size());
  return memory;
}

// What was recorded on the tapped streams of one stage, against what the reference expects.
class comparison {
 public:
  comparison(std::string stage, const std::string& folder) : stage_(std::move(stage)) {
    std::ifstream lines(project_folder() + "/" + folder + "/streams.txt");
    if (!lines) bad_vectors(folder + "/streams.txt", "cannot be read");
    std::string line;
    std::size_t values = 0;
    while (std::getline(lines, line)) {
      run next;
      std::istringstream fields(line);
      if (!(fields >> next.stream >> next.module >> next.linear >> next.first_token >> next.lanes >> next.valid >> next.values)) {
        bad_vectors(folder + "/streams.txt", "bad line: " + line);
      }
      values += next.values;
      flexdse_hls::host::tap_stream(next.stream);
      runs_.push_back(next);
    }
    const std::vector<char> content = read_file(folder + "/expected.bin");
    if (content.size() != 4 * values) bad_vectors(folder + "/expected.bin", "has not the values that streams.txt names");
    expected_.resize(values);
    std::memcpy(expected_.data(), content.data(), content.size());
  }

  // Compares every value; the number that differ or are missing.
  long finish() {
    std::vector<std::pair<std::string, result>> results;
    std::map<std::string, std::size_t> position;
    std::size_t at = 0;
    for (const run& next : runs_) {
      const auto& recorded = flexdse_hls::host::tap_stream(next.stream);
      std::size_t& offset = position[next.stream];
      result& found = result_of(results, next.module + "\", \"linear\": \"" + next.linear);
      for (std::size_t i = 0; i < next.values; ++i, ++at, ++offset) {
        if (offset >= recorded.size()) continue;  // not compared: the report says how many
        if (static_cast<long>(i) % next.lanes >= next.valid) continue;
        ++found.compared;
        if (recorded[offset] != expected_[at]) found.differs(next, i, recorded[offset], expected_[at]);
      }
    }
    long differences = 0;
    for (const auto& [name, found] : results) {
      std::printf("@case {\"stage\": \"%s\", \"module\": \"%s\", \"compared_values\": %ld, \"differences\": %ld%s}\n",
                  stage_.c_str(), name.c_str(), found.compared, found.differences, found.first.c_str());
      differences += found.differences;
    }
    for (const auto& [stream, count] : position) {
      if (flexdse_hls::host::tap_stream(stream).size() != count) ++differences;
    }
    std::fflush(stdout);
    return differences;
  }

 private:
  struct run {
    std::string stream, module, linear;
    long first_token = 0;
    long lanes = 1;
    long valid = 1;
    std::size_t values = 0;
  };

  struct result {
    long compared = 0;
    long differences = 0;
    std::string first;

    void differs(const run& where, std::size_t i, std::uint32_t got, std::uint32_t want) {
      if (differences++ > 0) return;
      char text[160];
      std::snprintf(text, sizeof text, ", \"token\": %ld, \"channel\": %ld, \"got\": \"%08x\", \"expected\": \"%08x\"",
                    where.first_token + static_cast<long>(i) % where.lanes, static_cast<long>(i) / where.lanes, got, want);
      first = text;
    }
  };

  static result& result_of(std::vector<std::pair<std::string, result>>& all, const std::string& name) {
    for (auto& [known, found] : all) {
      if (known == name) return found;
    }
    all.emplace_back(name, result{});
    return all.back().second;
  }

  std::string stage_;
  std::vector<run> runs_;
  std::vector<std::uint32_t> expected_;
};

}  // namespace testbench
