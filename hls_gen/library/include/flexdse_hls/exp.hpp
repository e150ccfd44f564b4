// Purpose: e^x in fp32, bit for bit the same in hardware, in C simulation and in the golden reference (numerics.md, "exp").
//
// x becomes fixed point with 24 fraction bits, times log2(e); the whole part is the exponent, the upper 8 fraction bits
// pick 2^(i/256) from a table, the lower 16 bits r enter as 1 + a + a^2 / 2 with a = r * ln(2). All integer, so there is no
// rounding to argue about. Relative error below 2.0e-7 (numerics.md). Arguments beyond 88 count as 88, below -88 as -88.
// II 1. DSPs: 4 (log2(e), 32 x 31 bits) + 3 (18 x 27 bits or less) + 0 for the table, 256 x 26 bits of LUT ROM.
#pragma once

#include "flexdse_hls/exp_table.hpp"
#include "flexdse_hls/bf16.hpp"

namespace flexdse_hls {

inline float fp_exp(float x) {
#pragma HLS inline
#pragma HLS bind_storage variable=kExp2Table type=rom_np impl=lutram
  constexpr std::int32_t kLog2E = 1549082005;  // log2(e), 30 fraction bits
  constexpr std::int32_t kLn2 = 90852;         // ln(2), 17 fraction bits
  constexpr std::int32_t kLimit = 88 << 24;
  const std::uint32_t bits = bits_of(x);
  const int exponent = static_cast<int>(bits >> 23 & 0xffu) - 127;
  const std::uint32_t significand = (bits & 0x7fffffu) | 0x800000u;
  // |x| with 24 fraction bits, cut off: significand * 2^(exponent + 1).
  std::uint32_t magnitude = 0;
  if (exponent >= 7) {
    magnitude = kLimit;
  } else if (exponent >= -1) {
    magnitude = significand << (exponent + 1);
  } else if (exponent >= -24) {
    magnitude = significand >> -(exponent + 1);
  }
  if (magnitude > static_cast<std::uint32_t>(kLimit)) magnitude = kLimit;
  const std::int32_t fixed =
      (bits >> 31) != 0 ? -static_cast<std::int32_t>(magnitude) : static_cast<std::int32_t>(magnitude);

  const std::int32_t power = static_cast<std::int32_t>((static_cast<std::int64_t>(fixed) * kLog2E) >> 30);
  const int whole = power >> 24;
  const std::int32_t base = kExp2Table[(power >> 16) & 0xff];
  const std::int32_t rest =  // a, 25 fraction bits, below 2^17
      static_cast<std::int32_t>((static_cast<std::int64_t>(power & 0xffff) * kLn2 + (1 << 15)) >> 16);
  const std::int32_t growth = rest + static_cast<std::int32_t>((static_cast<std::int64_t>(rest) * rest) >> 26);
  const std::int32_t product = base + static_cast<std::int32_t>((static_cast<std::int64_t>(base) * growth) >> 25);
  const std::int32_t rounded = (product + 2) >> 2;  // 2^23 .. 2^24; 2^24 carries into the exponent
  if (whole < -126) return 0.0f;
  return float_of((static_cast<std::uint32_t>(whole + 127) << 23) + static_cast<std::uint32_t>(rounded - (1 << 23)));
}

// In bf16: the power of two to 8 fraction bits, rounded, is all that the result can show. One DSP: 19 x 16 bits. Relative error
// below 0.6 % (numerics.md).
inline bf16 fp_exp(bf16 x) {
#pragma HLS inline
#pragma HLS bind_storage variable=kExp2Fractions type=rom_np impl=lutram
  constexpr std::int32_t kLog2E = 23637;  // log2(e), 14 fraction bits
  constexpr std::int32_t kLimit = 88 << 12;
  const int exponent = exponent_of(x) - 127;
  const std::uint32_t significand = significand_of(x);
  // |x| with 12 fraction bits, cut off: significand * 2^(exponent + 5).
  std::int32_t magnitude = 0;
  if (exponent >= 7) {
    magnitude = kLimit;
  } else if (exponent >= -5) {
    magnitude = static_cast<std::int32_t>(significand << (exponent + 5));
  } else if (exponent >= -12) {
    magnitude = static_cast<std::int32_t>(significand >> -(exponent + 5));
  }
  if (magnitude > kLimit) magnitude = kLimit;
  const std::int64_t product = static_cast<std::int64_t>((x.bits & 0x8000u) != 0 ? -magnitude : magnitude) * kLog2E;
  const int power = static_cast<int>((product + (1 << 17)) >> 18);  // 8 fraction bits
  const int whole = power >> 8;
  if (whole < -126) return {0};
  return {static_cast<std::uint16_t>(((whole + 127) << 7) + kExp2Fractions[power & 0xff])};
}

}  // namespace flexdse_hls
