// Purpose: the one stream type of the library; `stream<T>` in signatures, `fifo<T, DEPTH>` where one is declared.
//
// In synthesis both are the tool's hls::stream, in C simulation our own (host/stream.hpp). Every FIFO is bounded and
// named: a design that needs a deeper FIFO than it declares stalls in C simulation as it would on the card.
#pragma once

#ifdef __SYNTHESIS__

#include <hls_stream.h>

namespace flexdse_hls {
template <class T>
using stream = hls::stream<T>;
template <class T, int DEPTH>
using fifo = hls::stream<T, DEPTH>;
}  // namespace flexdse_hls

#define FLEXDSE_NAME_STREAMS(array, prefix)

#else

#include <string>

#include "flexdse_hls/host/stream.hpp"

namespace flexdse_hls::host {
template <class T, int DEPTH, int COUNT>
void name_streams(fifo<T, DEPTH> (&array)[COUNT], const char* prefix) {
  for (int i = 0; i < COUNT; ++i) array[i].set_name(std::string(prefix) + "[" + std::to_string(i) + "]");
}
template <class T, int DEPTH, int ROWS, int COUNT>
void name_streams(fifo<T, DEPTH> (&array)[ROWS][COUNT], const char* prefix) {
  for (int i = 0; i < ROWS; ++i) name_streams(array[i], (std::string(prefix) + "[" + std::to_string(i) + "]").c_str());
}
}  // namespace flexdse_hls::host

// Streams of an array have no constructor argument, so they get their names by this statement.
#define FLEXDSE_NAME_STREAMS(array, prefix) ::flexdse_hls::host::name_streams(array, prefix)

#endif
