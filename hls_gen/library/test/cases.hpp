// Test cases from a file, for tests that compare with the golden reference.
// A line is a section, the number of its fields, and of each its name, rank, sizes and 32-bit words in hexadecimal.
#pragma once

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "check.hpp"
#include "flexdse_hls/fp32.hpp"
#include "flexdse_hls/stream.hpp"

using namespace flexdse_hls;

struct field {
  std::vector<int> sizes;
  std::vector<std::uint32_t> words;
};

struct test_case {
  std::string section;
  std::map<std::string, field> fields;

  const std::vector<std::uint32_t>& words(const std::string& name) const { return fields.at(name).words; }
  int size(const std::string& name, int dimension) const { return fields.at(name).sizes.at(dimension); }
  int integer(const std::string& name) const { return static_cast<int>(words(name).at(0)); }
  float real(const std::string& name) const { return float_of(words(name).at(0)); }
};

inline test_case parsed(const std::string& line) {
  std::istringstream in(line);
  test_case found;
  int count = 0;
  in >> found.section >> count;
  for (int i = 0; i < count; ++i) {
    std::string name;
    int rank = 0;
    in >> name >> rank;
    field& one = found.fields[name];
    std::size_t words = 1;
    for (int d = 0; d < rank; ++d) {
      int size = 0;
      in >> size;
      one.sizes.push_back(size);
      words *= static_cast<std::size_t>(size);
    }
    for (std::size_t w = 0; w < words; ++w) {
      std::string text;
      in >> text;
      one.words.push_back(static_cast<std::uint32_t>(std::strtoul(text.c_str(), nullptr, 16)));
    }
  }
  CHECK(!in.fail(), "a field is cut off");
  return found;
}

template <class T>
void send(stream<T>& out, const std::vector<T>& values) {
  for (const T& value : values) out.write(value);
}

template <class T>
void collect(stream<T>& in, std::vector<T>& values, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) values.push_back(in.read());
}

inline int values_compared = 0;  // of the case at hand

inline void equal(const test_case& c, const char* form, std::size_t i, std::uint32_t got, std::uint32_t expected) {
  ++values_compared;
  CHECK(got == expected, "%s %s: value %zu is %08x, not %08x", c.section.c_str(), form, i, got, expected);
}

// Each line of the file through `run`, which has to compare something.
template <class Run>
int run_cases(const char* name, int argc, char** argv, Run run) {
  CHECK(argc == 2, "the file of cases is missing");
  std::ifstream file(argv[1]);
  std::string line;
  int cases = 0;
  while (std::getline(file, line)) {
    const test_case one = parsed(line);
    values_compared = 0;
    run(one);
    CHECK(values_compared > 0, "no form of %s fits case %d", one.section.c_str(), cases);
    ++cases;
  }
  CHECK(cases > 0, "%s has no case", argv[1]);
  std::printf("%s: ok, %d cases\n", name, cases);
  return 0;
}
