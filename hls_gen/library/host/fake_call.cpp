// Purpose: calls a kernel's C model for the fake device: timed, and compared with golden streams on request.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <stdexcept>

#include "fake_kernels.hpp"
#include "golden.hpp"

namespace fake {

void call(const kernel_model& kernel, const std::vector<void*>& values) {
  const auto started = std::chrono::steady_clock::now();
  const std::clock_t cpu_started = std::clock();
  const auto timed = [&] {
    kernel.call(values);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
    const double cpu_seconds = static_cast<double>(std::clock() - cpu_started) / CLOCKS_PER_SEC;
    std::fprintf(stderr, "fake: %s took %.3f s, %.3f s of one core\n", kernel.name, seconds.count(), cpu_seconds);
  };
  const char* golden = std::getenv("FLEXDSE_GOLDEN");
  if (golden == nullptr) return timed();
  testbench::project_folder() = golden;
  testbench::comparison comparison(kernel.name, kernel.name);
  timed();
  if (comparison.finish() != 0) throw std::runtime_error(std::string(kernel.name) + " differs from the reference");
}

}  // namespace fake
