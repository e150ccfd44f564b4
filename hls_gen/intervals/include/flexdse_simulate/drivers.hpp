// The drivers of a unit's timed simulation, as the interval analysis sees them: their rate is given, not derived.
#pragma once

namespace flexdse_simulate {

template <class S>
void source(S& stream, int words, int = 1) {
  for (int i = 0; i < words; ++i) stream.write(decltype(stream.read()){});
}

template <class S>
void sink(S& stream, int words, int = 1) {
  for (int i = 0; i < words; ++i) stream.read();
}

}  // namespace flexdse_simulate
