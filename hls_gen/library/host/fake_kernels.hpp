// Purpose: what the fake device knows of the kernels: names of arguments, and how to call the C model with them.
#pragma once

#include <string>
#include <vector>

namespace fake {

struct kernel_argument {
  const char* name;
  bool is_memory;
};

struct kernel_model {
  const char* name;
  std::vector<kernel_argument> arguments;
  void (*call)(const std::vector<void*>& values);  // a pointer to memory, or to a scalar
};

const std::vector<kernel_model>& kernels();

// Calls the C model and prints its seconds. With FLEXDSE_GOLDEN=<folder> in the environment the tapped streams are
// compared with <folder>/<kernel>/ (testbench golden.hpp); a difference is an error.
void call(const kernel_model& kernel, const std::vector<void*>& values);

}  // namespace fake
