// Purpose: the few lines that the library's tests need to check and to report.
#pragma once

#include <cstdio>
#include <cstdlib>

#define CHECK(condition, ...)                                                                   \
  do {                                                                                          \
    if (!(condition)) {                                                                         \
      std::fprintf(stderr, "%s:%d: %s is false: ", __FILE__, __LINE__, #condition);             \
      std::fprintf(stderr, __VA_ARGS__);                                                        \
      std::fprintf(stderr, "\n");                                                               \
      std::exit(1);                                                                             \
    }                                                                                           \
  } while (false)

// The same numbers on every machine: a test that fails can be repeated.
class random_numbers {
 public:
  explicit random_numbers(unsigned seed) : state_(seed * 2654435761u + 1u) {}

  // 0 <= result < bound
  int below(int bound) {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<int>((state_ >> 33) % static_cast<unsigned>(bound));
  }

  // -1 <= result < 1
  float real() { return static_cast<float>(below(1 << 24)) / static_cast<float>(1 << 23) - 1.0f; }

 private:
  unsigned long long state_;
};
