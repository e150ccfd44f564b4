// Purpose: lets a testbench record what is written to the streams of a kernel, by name.
//
// A testbench calls `tap_stream(name)` before it calls the kernel; from then on every value written to a stream of that
// name is appended, lane by lane, as 32 bits: the pattern of an fp32 (of a bf16, the fp32 of its value), or a sign-extended integer. Names of an array's
// streams end in "[i]".
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "flexdse_hls/bf16.hpp"
#include "flexdse_hls/lanes.hpp"

namespace flexdse_hls::host {

using tap = std::vector<std::uint32_t>;

inline std::map<std::string, tap>& taps() {
  static std::map<std::string, tap> all;
  return all;
}

inline tap& tap_stream(const std::string& name) { return taps()[name]; }

// Null where nobody listens.
inline tap* tap_of(const std::string& name) {
  if (taps().empty()) return nullptr;
  const auto found = taps().find(name);
  return found == taps().end() ? nullptr : &found->second;
}

inline void record(tap& to, float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  to.push_back(bits);
}

inline void record(tap& to, bf16 value) { to.push_back(bits_of(value)); }

template <class T, int N>
void record(tap& to, const lanes<T, N>& word);

// Integers of any width; a struct of fields is not tapped.
template <class T>
void record(tap& to, const T& value) {
  if constexpr (std::is_convertible_v<T, long long>) {
    to.push_back(static_cast<std::uint32_t>(static_cast<std::int32_t>(static_cast<long long>(value))));
  } else {
    (void)to;
    (void)value;
  }
}

template <class T, int N>
void record(tap& to, const lanes<T, N>& word) {
  for (int i = 0; i < N; ++i) record(to, word[i]);
}

}  // namespace flexdse_hls::host
