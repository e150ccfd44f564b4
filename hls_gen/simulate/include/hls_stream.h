// Purpose: the tool's stream as timed simulation sees it: each access is reported to the recorder with file and line.
//
// Without values (the default) a stream carries nothing: what is computed from it is never used, and the compiler
// drops the arithmetic. That is right where data do not steer the number or order of accesses. With
// FLEXDSE_SIMULATE_VALUES streams carry their values.
#pragma once

#include <cstddef>
#include <string>
#ifdef FLEXDSE_SIMULATE_VALUES
#include <deque>
#endif

#include "flexdse_simulate/recorder.hpp"

namespace hls {

template <class T, int DEPTH = 0>
class stream;

template <class T>
class stream<T, 0> {
 public:
  explicit stream(const std::string& name = "unnamed stream", std::size_t depth = 2)
      : name_(name), depth_(depth), id_(flexdse_simulate::recorder::only().open_stream(name_, depth_)) {}
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;
  ~stream() {
    flexdse_simulate::recorder& record = flexdse_simulate::recorder::only();
    if (words_ > 0) {
      record.verdict("unread", written_at_.file, written_at_.line,
                     "stream " + name_ + " ends with " + std::to_string(words_) + " words that nobody read");
    }
    if (words_ < 0) {
      record.verdict("past_input", read_at_.file, read_at_.line,
                     "stream " + name_ + " is read " + std::to_string(-words_) + " words past its input");
    }
    record.close_stream(id_);
  }

  // A pragma or a statement of the source says more than the declaration.
  void describe(const std::string& name, std::size_t depth) {
    flexdse_simulate::recorder& record = flexdse_simulate::recorder::only();
    if (reader_ != 0 || writer_ != 0) {  // a pragma of the function that it was handed to: the words in it stay where they are
      if (depth > 0) record.set_stream_depth(id_, depth_ = depth);
      return;
    }
    record.close_stream(id_);
    if (!name.empty()) name_ = name;
    if (depth > 0) depth_ = depth;
    id_ = record.open_stream(name_, depth_);
    read_at_ = written_at_ = {nullptr, -1};
  }

  T read(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    flexdse_simulate::recorder& record = flexdse_simulate::recorder::only();
    if (line != read_at_.line || file != read_at_.file) {
      read_at_ = {file, line};
      read_id_ = record.access_id('r', id_, read_at_);
    }
    claim(record, reader_, reader_region_, "read", read_at_);
    record.access(read_id_);
    --words_;
#ifdef FLEXDSE_SIMULATE_VALUES
    if (values_.empty()) {
      record.verdict("past_input", file, line, "stream " + name_ + " is read past its input");
    }
    T value = values_.front();
    values_.pop_front();
    return value;
#else
    return T{};
#endif
  }
  void read(T& value, const char* file = __builtin_FILE(), int line = __builtin_LINE()) { value = read(file, line); }

  void write(const T& value, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    flexdse_simulate::recorder& record = flexdse_simulate::recorder::only();
    if (line != written_at_.line || file != written_at_.file) {
      written_at_ = {file, line};
      write_id_ = record.access_id('w', id_, written_at_);
    }
    claim(record, writer_, writer_region_, "written", written_at_);
    record.access(write_id_);
    ++words_;
#ifdef FLEXDSE_SIMULATE_VALUES
    values_.push_back(value);
#else
    (void)value;
#endif
  }
  // Operators take no default arguments: what they are given notes where it stands.
  struct taken {
    T& value;
    flexdse_simulate::place at;
    taken(T& into, const char* file = __builtin_FILE(), int line = __builtin_LINE()) : value(into), at{file, line} {}
  };
  struct given {
    T value;
    flexdse_simulate::place at;
    template <class U>
    given(const U& word, const char* file = __builtin_FILE(), int line = __builtin_LINE()) : value(word), at{file, line} {}
  };
  void operator>>(taken word) { word.value = read(word.at.file, word.at.line); }
  void operator<<(const given& word) { write(word.value, word.at.file, word.at.line); }

  // What these return depends on the very timing that is to be found out.
  bool read_nb(T&, const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return refused("read_nb", file, line); }
  bool write_nb(const T&, const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return refused("write_nb", file, line); }
  bool empty(const char* file = __builtin_FILE(), int line = __builtin_LINE()) const { return refused("empty", file, line); }
  bool full(const char* file = __builtin_FILE(), int line = __builtin_LINE()) const { return refused("full", file, line); }
  std::size_t size(const char* file = __builtin_FILE(), int line = __builtin_LINE()) const { return refused("size", file, line); }

 private:
  bool refused(const char* what, const char* file, int line) const {
    flexdse_simulate::recorder::only().verdict(
        "unsupported", file, line, std::string("non-blocking access ") + what + " of stream " + name_ + ": what it returns depends on timing");
  }
  void claim(flexdse_simulate::recorder& record, int& owner, int& region, const char* action, flexdse_simulate::place at) {
    const int self = record.process();
    if (self == owner || self == 0) return;
    if (owner != 0 && region == record.region_of(self)) {
      record.verdict("two_owners", at.file, at.line,
                     "stream " + name_ + " is " + action + " by two processes, " + record.name_of(owner) + " and " + record.name_of(self));
    }
    owner = self;
    region = record.region_of(self);
  }

  std::string name_;
  std::size_t depth_;
  int id_;
  long words_ = 0;
  flexdse_simulate::place read_at_ = {nullptr, -1};
  flexdse_simulate::place written_at_ = {nullptr, -1};
  std::uint32_t read_id_ = 0;
  std::uint32_t write_id_ = 0;
  int reader_ = 0;
  int reader_region_ = 0;
  int writer_ = 0;
  int writer_region_ = 0;
#ifdef FLEXDSE_SIMULATE_VALUES
  std::deque<T> values_;
#endif
};

template <class T, int DEPTH>
class stream : public stream<T, 0> {
 public:
  explicit stream(const std::string& name = "unnamed stream") : stream<T, 0>(name, DEPTH) {}
};

}  // namespace hls
