// Purpose: `lanes<T, N>`: N values that move together in one cycle, one element of a stream.
//
// Template parameters: T value type, N number of lanes. Lane 0 is the first token or the lowest channel.
#pragma once

namespace flexdse_hls {

template <class T, int N>
struct lanes {
  static_assert(N >= 1, "a vector has at least one lane");

  T lane[N];

  T& operator[](int i) { return lane[i]; }
  const T& operator[](int i) const { return lane[i]; }
};

}  // namespace flexdse_hls
