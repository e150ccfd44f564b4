// The host stream and the scheduler. An argument picks a run that has to end with a message instead of a result.
#include <cstring>
#include <vector>

#include "check.hpp"
#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/stream.hpp"

using namespace flexdse_hls;

void produce(stream<int>& out, int count) {
  for (int i = 0; i < count; ++i) out.write(i);
}

void add(stream<int>& a, stream<int>& b, stream<int>& out, int count) {
  for (int i = 0; i < count; ++i) out.write(a.read() + b.read());
}

void collect(stream<int>& in, std::vector<int>& values, int count) {
  for (int i = 0; i < count; ++i) values.push_back(in.read());
}

template <int DEPTH>
void values_keep_their_order(int count) {
  fifo<int, DEPTH> a("a");
  fifo<int, DEPTH> b("b");
  fifo<int, DEPTH> sum("sum");
  std::vector<int> values;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(collect(sum, values, count));
  FLEXDSE_PROCESS(add(a, b, sum, count));
  FLEXDSE_PROCESS(produce(a, count));
  FLEXDSE_PROCESS(produce(b, count));
  FLEXDSE_DATAFLOW_END;
  CHECK(static_cast<int>(values.size()) == count, "%zu values", values.size());
  for (int i = 0; i < count; ++i) CHECK(values[i] == 2 * i, "value %d is %d", i, values[i]);
}

// A process that is itself a dataflow region.
void inner(stream<int>& in, stream<int>& out, int count) {
  fifo<int, 1> copy("inner.copy");
  fifo<int, 1> zeros("inner.zeros");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS([&] { for (int i = 0; i < count; ++i) { copy.write(in.read()); zeros.write(0); } }());
  FLEXDSE_PROCESS(add(copy, zeros, out, count));
  FLEXDSE_DATAFLOW_END;
}

void regions_nest() {
  fifo<int, 2> in("in");
  fifo<int, 2> out("out");
  std::vector<int> values;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(produce(in, 100));
  FLEXDSE_PROCESS(inner(in, out, 100));
  FLEXDSE_PROCESS(collect(out, values, 100));
  FLEXDSE_DATAFLOW_END;
  CHECK(values.size() == 100 && values[99] == 99, "%zu values", values.size());
}

void the_testbench_fills_and_empties() {
  fifo<int, 5> in("in");
  fifo<int, 5> out("out");
  for (int i = 0; i < 5; ++i) in.write(i);
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(inner(in, out, 5));
  FLEXDSE_DATAFLOW_END;
  for (int i = 0; i < 5; ++i) CHECK(out.read() == i, "value %d", i);
}

void split(stream<int>& even, stream<int>& odd, int count) {
  for (int i = 0; i < count; ++i) {
    even.write(2 * i);
    odd.write(2 * i + 1);
  }
}

// Reads all even values before the first odd one, so `odd` has to hold them all.
void join(stream<int>& even, stream<int>& odd, int count) {
  for (int i = 0; i < count; ++i) even.read();
  for (int i = 0; i < count; ++i) odd.read();
}

template <int DEPTH>
void reconvergent_paths() {
  fifo<int, 2> even("test.even");
  fifo<int, DEPTH> odd("test.odd");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(split(even, odd, 10));
  FLEXDSE_PROCESS(join(even, odd, 10));
  FLEXDSE_DATAFLOW_END;
}

void two_writers() {
  fifo<int, 4> shared("test.shared");
  std::vector<int> values;
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(produce(shared, 4));
  FLEXDSE_PROCESS(produce(shared, 4));
  FLEXDSE_PROCESS(collect(shared, values, 8));
  FLEXDSE_DATAFLOW_END;
}

void unread_values() {
  fifo<int, 4> forgotten("test.forgotten");
  FLEXDSE_DATAFLOW_BEGIN;
  FLEXDSE_PROCESS(produce(forgotten, 3));
  FLEXDSE_DATAFLOW_END;
}

int main(int argc, char** argv) {
  const char* mistake = argc > 1 ? argv[1] : "";
  if (std::strcmp(mistake, "shallow") == 0) reconvergent_paths<3>();
  if (std::strcmp(mistake, "two_writers") == 0) two_writers();
  if (std::strcmp(mistake, "unread") == 0) unread_values();
  if (std::strcmp(mistake, "testbench") == 0) fifo<int, 2>("test.empty").read();
  if (argc > 1) return 0;

  values_keep_their_order<1>(1000);
  values_keep_their_order<2>(1000);
  values_keep_their_order<64>(1000);
  regions_nest();
  the_testbench_fills_and_empties();
  reconvergent_paths<10>();
  std::puts("stream: ok");
}
