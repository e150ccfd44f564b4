// Purpose: `real`, the number format of the non-linear modules: what their streams carry and their buffers hold.
//
// This line is all that a project of another format changes: fp32 here, bf16 (bf16.hpp) where the design says so. Scalars
// of a token, head or row, and all values in memory, are fp32 in every format (numerics.md, "bf16").
#pragma once

#include <type_traits>

#include "flexdse_hls/bf16.hpp"

namespace flexdse_hls {

using real = float;

using real_key = std::conditional_t<std::is_same_v<real, float>, std::uint32_t, std::uint16_t>;  // of ordered_key

inline float to_fp32(float value) {
#pragma HLS inline
  return value;
}

inline bool is_zero(float value) {
#pragma HLS inline
  return value == 0.0f;
}

inline bool is_zero(bf16 value) {
#pragma HLS inline
  return (value.bits & 0x7fffu) == 0;
}

// An fp32 rounded once.
template <class T>
T rounded_to(float value) {
#pragma HLS inline
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return bf16_nearest(value);
  }
}

// An integer rounded once.
template <class T>
T from_integer(std::int32_t value) {
#pragma HLS inline
  if constexpr (std::is_same_v<T, float>) {
    return static_cast<float>(value);
  } else {
    return bf16_of_integer(value);
  }
}

// The fp32 of a memory, which the packer has rounded.
template <class T>
T from_memory(std::uint32_t bits) {
#pragma HLS inline
  if constexpr (std::is_same_v<T, float>) {
    return float_of(bits);
  } else {
    return bf16{static_cast<std::uint16_t>(bits >> 16)};
  }
}

}  // namespace flexdse_hls
