// Purpose: stands in for the library's header of the same name: the tool's stream, and names for arrays of streams.
#pragma once

#include <string>

#include <hls_stream.h>

namespace flexdse_hls {
template <class T>
using stream = hls::stream<T>;
template <class T, int DEPTH>
using fifo = hls::stream<T, DEPTH>;
}  // namespace flexdse_hls

namespace flexdse_simulate {
template <class T, int DEPTH, int COUNT>
void name_streams(hls::stream<T, DEPTH> (&array)[COUNT], const std::string& prefix) {
  for (int i = 0; i < COUNT; ++i) array[i].describe(prefix + "[" + std::to_string(i) + "]", 0);
}
template <class T, int DEPTH, int ROWS, int COUNT>
void name_streams(hls::stream<T, DEPTH> (&array)[ROWS][COUNT], const std::string& prefix) {
  for (int i = 0; i < ROWS; ++i) name_streams(array[i], prefix + "[" + std::to_string(i) + "]");
}
}  // namespace flexdse_simulate

#define FLEXDSE_NAME_STREAMS(array, prefix) ::flexdse_simulate::name_streams(array, prefix)
