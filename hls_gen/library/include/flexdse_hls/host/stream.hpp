// Purpose: the stream of the C simulation: bounded, named, blocking, one writing and one reading process.
//
// A write to a full stream and a read of an empty one wait, as the FIFO of the hardware does; when all processes wait
// for ever, the run ends with a message that names the streams (scheduler.hpp). Two more mistakes that the hardware
// compiler would refuse end it too: a second writer or reader, and values that nobody read.
// Only blocking accesses exist: what a non-blocking one returns would depend on timing that C simulation does not have.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "flexdse_hls/host/scheduler.hpp"

namespace flexdse_hls {

template <class T>
class stream : public host::stream_base {
 public:
  explicit stream(std::string name = "unnamed stream", std::size_t depth = 2)
      : host::stream_base(std::move(name), depth), ring_(depth) {}

  ~stream() {
    if (!this->empty()) {
      host::stop_simulation(host::kProtocolExitCode, "stream " + this->name() + " ends with " +
                                                         std::to_string(this->size()) + " values that nobody read");
    }
  }

  void write(const T& value) {
    host::scheduler& scheduler = host::scheduler::of_this_thread();
    claim(writer_, scheduler.running(), "written");
    if (this->full()) scheduler.wait(*this, host::side::writing);
    if (this->tap_ != nullptr) host::record(*this->tap_, value);
    ring_[write_slot_] = value;
    write_slot_ = write_slot_ + 1 == this->depth_ ? 0 : write_slot_ + 1;
    ++this->size_;
    scheduler.written(*this);
  }

  T read() {
    host::scheduler& scheduler = host::scheduler::of_this_thread();
    claim(reader_, scheduler.running(), "read");
    if (this->empty()) scheduler.wait(*this, host::side::reading);
    T value = ring_[read_slot_];
    read_slot_ = read_slot_ + 1 == this->depth_ ? 0 : read_slot_ + 1;
    --this->size_;
    scheduler.taken(*this);
    return value;
  }

 private:
  struct owner {
    int process_id = -1;
    int region = -1;
    std::string name;
  };

  // A FIFO has one port for each side. The testbench may fill a stream before a region and empty it after, and a later
  // region may have another writer.
  void claim(owner& port, const host::process* self, const char* action) {
    if (self == nullptr || port.process_id == self->id()) return;
    if (port.region == self->region()) {
      host::stop_simulation(host::kProtocolExitCode, "stream " + this->name() + " is " + action +
                                                         " by two processes, " + port.name + " and " + self->name());
    }
    port = {self->id(), self->region(), self->name()};
  }

  std::vector<T> ring_;
  std::size_t write_slot_ = 0;
  std::size_t read_slot_ = 0;
  owner writer_;
  owner reader_;
};

template <class T, int DEPTH>
class fifo : public stream<T> {
  static_assert(DEPTH >= 1, "a FIFO holds at least one value");

 public:
  explicit fifo(std::string name = "unnamed stream") : stream<T>(std::move(name), DEPTH) {}
};

}  // namespace flexdse_hls
