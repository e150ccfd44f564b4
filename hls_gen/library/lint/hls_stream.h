// Purpose: the interface of the tool's stream, for lint: it reads the kernels as synthesis does, without the tool.
#pragma once

namespace hls {

template <class T, int DEPTH = 0>
class stream;

template <class T>
class stream<T, 0> {
 public:
  stream() {}
  explicit stream(const char*) {}
  T read() { return T(); }
  void write(const T&) {}
};

template <class T, int DEPTH>
class stream : public stream<T, 0> {
 public:
  using stream<T, 0>::stream;
};

}  // namespace hls
