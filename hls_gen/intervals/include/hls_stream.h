// A stream as the interval analysis sees it: each read and each write is one volatile access of one word, which the
// compiler neither merges nor moves.
#pragma once

#define FLEXDSE_REFUSED \
  __attribute__((unavailable("non-blocking accesses of a stream are not supported: what they return depends on timing")))

namespace hls {

template <class T, int DEPTH = 0>
class stream;

template <class T>
class stream<T, 0> {
  using word = unsigned _BitInt(8 * sizeof(T));
  volatile word slot_;

 public:
  stream() {}
  explicit stream(const char*) {}

  T read() {
    const word bits = slot_;
    T value;
    __builtin_memcpy(static_cast<void*>(&value), &bits, sizeof(T));  // ap_int is not trivially copyable to the compiler
    return value;
  }
  void read(T& value) { value = read(); }
  void write(const T& value) {
    word bits;
    __builtin_memcpy(&bits, static_cast<const void*>(&value), sizeof(T));
    slot_ = bits;
  }
  void operator>>(T& value) { value = read(); }
  void operator<<(const T& value) { write(value); }
  FLEXDSE_REFUSED bool read_nb(T&);
  FLEXDSE_REFUSED bool write_nb(const T&);
  FLEXDSE_REFUSED bool empty() const;
  FLEXDSE_REFUSED bool full() const;
  FLEXDSE_REFUSED unsigned size() const;
};

template <class T, int DEPTH>
class stream : public stream<T, 0> {
 public:
  stream() {}
  explicit stream(const char*) {}
};

#undef FLEXDSE_REFUSED

}  // namespace hls
