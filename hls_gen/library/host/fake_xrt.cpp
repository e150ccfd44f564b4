// Purpose: a card without a card: the part of XRT's C++ interface that the host program uses, on the C model of the kernels.
//
// In the place of an xclbin it takes a connectivity file (vitis/*.cfg): the kernels that `nk` names, and the bank of each
// argument as `sp` connects it. It insists on what a card insists on: a buffer in another bank than
// its argument's, an unknown argument, one that was not set, or a buffer of an earlier bitstream is an error. Device and host copy
// of a buffer are two memories, so that a forgotten sync shows.
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_kernel.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "fake_kernels.hpp"

namespace xrt_core {

class device {
 public:
  std::map<std::string, std::string> kernels;  // instance -> kernel
  std::map<std::string, std::string> bank_of;  // kernel.argument -> bank
  std::vector<std::string> banks;              // a memory group is an index into it
  int generation = 0;

  bool holds(const std::string& kernel) const {
    for (const auto& entry : kernels) {
      if (entry.second == kernel) return true;
    }
    return false;
  }

  int group(const std::string& kernel, const std::string& argument) {
    const auto found = bank_of.find(kernel + "." + argument);
    if (found == bank_of.end()) throw std::runtime_error("the link connects no bank to " + argument);
    for (std::size_t i = 0; i < banks.size(); ++i) {
      if (banks[i] == found->second) return static_cast<int>(i);
    }
    banks.push_back(found->second);
    return static_cast<int>(banks.size()) - 1;
  }
};

}  // namespace xrt_core

namespace {

struct aligned_memory {
  explicit aligned_memory(std::size_t size) : data(std::aligned_alloc(4096, (size + 4095) / 4096 * 4096)) {
    if (data == nullptr) throw std::runtime_error("no memory for a buffer");
    std::memset(data, 0, (size + 4095) / 4096 * 4096);
  }
  ~aligned_memory() { std::free(data); }
  aligned_memory(const aligned_memory&) = delete;
  aligned_memory& operator=(const aligned_memory&) = delete;
  void* data;
};

}  // namespace

namespace xrt {

class bo_impl {
 public:
  bo_impl(std::size_t bytes, int memory_group) : size(bytes), group(memory_group), host(bytes), card(bytes) {}
  std::size_t size;
  int group;
  aligned_memory host, card;

  void check(std::size_t bytes, std::size_t offset) const {
    if (offset + bytes > size) throw std::runtime_error("access behind the end of a buffer");
  }
};

class kernel_impl {
 public:
  xrt_core::device* device;
  const fake::kernel_model* model;

  int index_of(const std::string& name) const {
    for (std::size_t i = 0; i < model->arguments.size(); ++i) {
      if (name == model->arguments[i].name) return static_cast<int>(i);
    }
    throw std::runtime_error(std::string(model->name) + " has no argument " + name);
  }
};

class run_impl {
 public:
  std::shared_ptr<kernel_impl> kernel;
  std::vector<std::shared_ptr<bo_impl>> buffers;
  std::vector<std::vector<unsigned char>> scalars;
  bool done = false;
};

device::device(unsigned int) : handle(std::make_shared<xrt_core::device>()) {}
device::operator xclDeviceHandle() const { return handle.get(); }

uuid device::load_xclbin(const std::string& path) {
  std::ifstream lines(path);
  if (!lines) throw std::runtime_error(path + " can not be read");
  handle->kernels.clear();
  handle->bank_of.clear();
  std::string line;
  while (std::getline(lines, line)) {
    if (line.rfind("nk=", 0) == 0) {
      const std::size_t first = line.find(':'), second = line.find(':', first + 1);
      handle->kernels[line.substr(second + 1)] = line.substr(3, first - 3);
    } else if (line.rfind("sp=", 0) == 0) {
      const std::size_t dot = line.find('.'), colon = line.find(':');
      const auto instance = handle->kernels.find(line.substr(3, dot - 3));
      if (instance == handle->kernels.end()) throw std::runtime_error("sp of an instance that nk does not name: " + line);
      handle->bank_of[instance->second + "." + line.substr(dot + 1, colon - dot - 1)] = line.substr(colon + 1);
    }
  }
  return uuid();
}

kernel::kernel(const device& on, const uuid&, const std::string& name, cu_access_mode)
    : handle(std::make_shared<kernel_impl>()) {
  handle->device = on.get_handle().get();
  if (!handle->device->holds(name)) throw std::runtime_error("the bitstream holds no kernel " + name);
  handle->model = nullptr;
  for (const fake::kernel_model& model : fake::kernels()) {
    if (name == model.name) handle->model = &model;
  }
  if (handle->model == nullptr) throw std::runtime_error("there is no C model of " + name);
}

int kernel::group_id(int index) const {
  return handle->device->group(handle->model->name, handle->model->arguments.at(static_cast<std::size_t>(index)).name);
}

bo::bo(xclDeviceHandle, std::size_t size, bo::flags, memory_group group)
    : handle(std::make_shared<bo_impl>(size, static_cast<int>(group))) {}
std::size_t bo::size() const { return handle->size; }
void* bo::map() { return handle->host.data; }
void bo::write(const void* from, std::size_t size, std::size_t seek) {
  handle->check(size, seek);
  std::memcpy(static_cast<char*>(handle->host.data) + seek, from, size);
}
void bo::read(void* to, std::size_t size, std::size_t skip) {
  handle->check(size, skip);
  std::memcpy(to, static_cast<char*>(handle->host.data) + skip, size);
}
void bo::sync(xclBOSyncDirection direction, std::size_t size, std::size_t offset) {
  handle->check(size, offset);
  char* host = static_cast<char*>(handle->host.data) + offset;
  char* card = static_cast<char*>(handle->card.data) + offset;
  if (direction == XCL_BO_SYNC_BO_TO_DEVICE) {
    std::memcpy(card, host, size);
  } else {
    std::memcpy(host, card, size);
  }
}

run::run(const kernel& of) : handle(std::make_shared<run_impl>()) {
  handle->kernel = of.get_handle();
  handle->buffers.resize(handle->kernel->model->arguments.size());
  handle->scalars.resize(handle->kernel->model->arguments.size());
}

int run::get_arg_index(const std::string& name) const { return handle->kernel->index_of(name); }

void run::set_arg_at_index(int index, const void* value, std::size_t bytes) {
  const std::size_t at = static_cast<std::size_t>(index);
  const fake::kernel_argument& argument = handle->kernel->model->arguments.at(at);
  if (argument.is_memory) throw std::runtime_error(std::string(argument.name) + " wants a buffer");
  if (bytes != 4) throw std::runtime_error(std::string(argument.name) + " has 4 bytes");
  const unsigned char* first = static_cast<const unsigned char*>(value);
  handle->scalars[at].assign(first, first + bytes);
}

void run::set_arg_at_index(int index, const bo& buffer) {
  const std::size_t at = static_cast<std::size_t>(index);
  const fake::kernel_argument& argument = handle->kernel->model->arguments.at(at);
  if (!argument.is_memory) throw std::runtime_error(std::string(argument.name) + " wants a value");
  if (buffer.get_handle()->group != handle->kernel->device->group(handle->kernel->model->name, argument.name)) {
    throw std::runtime_error(std::string("the buffer of ") + argument.name + " lies in another bank than the port reaches");
  }
  handle->buffers[at] = buffer.get_handle();
}

void run::start() {
  std::vector<void*> values;
  const auto& arguments = handle->kernel->model->arguments;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const bool set = arguments[i].is_memory ? handle->buffers[i] != nullptr : !handle->scalars[i].empty();
    if (!set) throw std::runtime_error(std::string("argument ") + arguments[i].name + " was not set");
    values.push_back(arguments[i].is_memory ? handle->buffers[i]->card.data : handle->scalars[i].data());
  }
  fake::call(*handle->kernel->model, values);
  handle->done = true;
}

ert_cmd_state run::wait(const std::chrono::milliseconds&) const {
  return handle->done ? ERT_CMD_STATE_COMPLETED : ERT_CMD_STATE_ERROR;
}

}  // namespace xrt
