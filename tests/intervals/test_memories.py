"""Intervals that ports of memories and words that are looked up allow; what AMD says of each stands beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hls_gen.intervals.report import interval_report
from spec.interval_report import LoopInterval

pytestmark = pytest.mark.needs_program("clang++-16")

CASES = """
#include <cstdint>
#include <hls_stream.h>
#include <ap_int.h>
template <class T> struct vec { T lane[4]; };

void two_reads(const int* in, int* out, int n) {
#pragma HLS INTERFACE m_axi port=in bundle=g0
#pragma HLS INTERFACE mode=m_axi port=out bundle=g1
TwoReads: for (int i = 0; i < n; i++) {
#pragma HLS pipeline II=1
    out[i] = in[i] + in[i + 100000];
  }
}
void one_bundle(const int* a, const int* b, int* out, int n) {
#pragma HLS INTERFACE m_axi port=a
#pragma HLS INTERFACE m_axi port=b
#pragma HLS INTERFACE m_axi port=out
OneBundle: for (int i = 0; i < n; i++) {
#pragma HLS pipeline II=1
    out[i] = a[i] + b[i];
  }
}
void read_and_write(const int* a, int* out, int n) {
#pragma HLS INTERFACE m_axi port=a
#pragma HLS INTERFACE m_axi port=out
ReadAndWrite: for (int i = 0; i < n; i++) {
#pragma HLS pipeline II=1
    out[i] = a[i];
  }
}
void two_writes(const int* a, int* out, int n) {
#pragma HLS INTERFACE m_axi port=a bundle=g0
#pragma HLS INTERFACE m_axi port=out bundle=g1
TwoWrites: for (int i = 0; i < n; i++) {
#pragma HLS pipeline II=1
    out[i] = a[i];
    out[i + 100000] = a[i] + 1;
  }
}
void neighbours(const int* a, int* out, int n) {
#pragma HLS INTERFACE m_axi port=a bundle=g0
#pragma HLS INTERFACE m_axi port=out bundle=g1
Neighbours: for (int i = 0; i < n; i++) {
#pragma HLS pipeline II=1
    out[i] = a[2 * i] + a[2 * i + 1];
  }
}
void one_port(const int x[1024], int y[1024]) {
  int buffer[1024];
#pragma HLS BIND_STORAGE variable=buffer type=ram_1p
OnePort: for (int i = 1; i < 1024; i++) {
#pragma HLS pipeline II=1
    buffer[i] = x[i];
    y[i] = buffer[(i * 7) & 1023];
  }
}
void chosen(const int sel[1024], const int seed[1024], int cc[1024]) {
  int b0[1024]; int b1[1024];
#pragma HLS BIND_STORAGE variable=b0 type=RAM_1P
#pragma HLS BIND_STORAGE variable=b1 type=RAM_1P
ChosenFill: for (int i = 0; i < 1024; i++) {
#pragma HLS pipeline II=1
    b0[i] = seed[i] & 1023; b1[i] = (seed[i] * 3) & 1023;
  }
Chosen: for (int i = 0; i < 1024; i++) {
#pragma HLS pipeline II=1
    int u, v;
    if (sel[i] & 1) { u = b1[i]; v = b0[u & 1023]; }
    else            { u = b0[i]; v = b1[u & 1023]; }
    cc[i] = v;
  }
}
void simple_dual(const int a[1024], const int b[1024], int y[1024], const int seed[1024]) {
  int s2p[1024]; int t2p[1024];
#pragma HLS BIND_STORAGE variable=s2p type=ram_s2p
#pragma HLS RESOURCE variable=t2p core=RAM_T2P_BRAM
SimpleFill: for (int i = 0; i < 1024; i++) {
#pragma HLS pipeline II=1
    s2p[i] = seed[i]; t2p[i] = seed[i];
  }
SimpleDual: for (int i = 0; i < 1024; i++) {
#pragma HLS pipeline II=1
    y[i] = s2p[a[i] & 1023] + s2p[b[i] & 1023];
  }
TrueDual: for (int i = 0; i < 1024; i++) {
#pragma HLS pipeline II=1
    y[i] = t2p[a[i] & 1023] + t2p[b[i] & 1023];
  }
}
void butterflies(hls::stream<int>& in, hls::stream<int>& out) {
  vec<int> words[256];
#pragma HLS bind_storage variable=words type=ram_t2p impl=bram
WholeWords: for (int i = 0; i < 256; i++) {
#pragma HLS pipeline II=1
    const int x = in.read();
    for (int j = 0; j < 4; j++) words[i].lane[j] = x + j;
  }
Butterfly: for (int i = 0; i < 128; i++) {
#pragma HLS pipeline II=1
#pragma HLS dependence variable=words inter false
    const vec<int> a = words[i], b = words[i + 128];
    for (int j = 0; j < 4; j++) { words[i].lane[j] = a.lane[j] + b.lane[j]; words[i + 128].lane[j] = a.lane[j] - b.lane[j]; }
  }
Out: for (int i = 0; i < 256; i++) {
#pragma HLS pipeline II=1
    out.write(words[i].lane[0] + words[i].lane[3]);
  }
}
void gather(hls::stream<ap_uint<40> >& in, hls::stream<int>& out, const int seed[1024]) {
  int t[1024];
GatherFill: for (int i = 0; i < 1024; i++) {
#pragma HLS pipeline II=1
    t[i] = seed[i];
  }
Gather: for (int i = 0; i < 1024; i++) {
#pragma HLS pipeline II=1
    const ap_uint<40> w = in.read();
    out.write(t[w.range(9, 0).to_int()] + t[w.range(19, 10).to_int()] + t[w.range(29, 20).to_int()] + t[w.range(39, 30).to_int()]);
  }
}
void local_histogram(hls::stream<ap_uint<8> >& in, int out[256]) {
  int h[256];
Clear: for (int i = 0; i < 256; i++) {
#pragma HLS pipeline II=1
    h[i] = 0;
  }
LocalHistogram: for (int i = 0; i < 1024; i++) {
#pragma HLS pipeline II=1
    h[(int)in.read()] += 1;
  }
HistogramOut: for (int i = 0; i < 256; i++) {
#pragma HLS pipeline II=1
    out[i] = h[i];
  }
}
void hash(const uint64_t x[1024], uint64_t& out) {
  uint64_t h = 1469598103934665603ULL;
Hash: for (int i = 0; i < 1024; i++) {
#pragma HLS pipeline II=1
    h = (h ^ x[i]) * 1099511628211ULL;
  }
  out = h;
}
void chase(const int next[1024], int& out) {
  int p = 0;
Chase: for (int i = 0; i < 1024; i++) {
#pragma HLS pipeline II=1
    p = next[p & 1023];
  }
  out = p;
}
void double_sum(const double x[1024], double& out) {
  double s = 0;
DoubleSum: for (int i = 0; i < 1024; i++) {
#pragma HLS pipeline II=1
    s += x[i];
  }
  out = s;
}
int window(const int mem[1024]) {
  int sum = 0;
Window: for (int i = 2; i < 1024; ++i) {
#pragma HLS pipeline II=1
    sum += mem[i] + mem[i - 1] + mem[i - 2];
  }
  return sum;
}
void reshaped(const int x[1024], int y[256]) {
#pragma HLS array_reshape variable=x cyclic factor=4
Reshaped: for (int i = 0; i < 256; i++) {
#pragma HLS pipeline II=1
    y[i] = x[4 * i] + x[4 * i + 1] + x[4 * i + 2] + x[4 * i + 3];
  }
AcrossWords: for (int i = 0; i < 252; i++) {
#pragma HLS pipeline II=1
    y[i] = x[i] + x[i + 4] + x[i + 8];
  }
}
"""

EXPECTED = {
    "TwoReads": 2,  # UG1399, M_AXI: reads and writes side by side, each at one location
    "OneBundle": 2,  # pointers without a bundle share one
    "ReadAndWrite": 1,
    "TwoWrites": 2,
    "Neighbours": None,  # Vitis HLS may make one word of 64 bits of the two
    "OnePort": 2,
    "ChosenFill": 1,
    "Chosen": 2,  # message HLS 200-885, whose page says that 2 is the least
    "SimpleDual": 2,
    "TrueDual": 1,
    "WholeWords": 1,
    "Butterfly": 2,  # two words read and two written, two ports
    "Out": 1,
    "Gather": 2,  # no partition serves addresses that are data
    "LocalHistogram": 2,  # message HLS 200-880
    "Hash": 5,  # mul_64s_64s_64_5
    "Chase": 2,  # a RAM between two halves of a cycle
    "DoubleSum": None,
    "Window": 2,  # UG1399, where a shift register in the source mends it
    "Reshaped": 1,
    "AcrossWords": 2,  # three words of one memory with two ports
}


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoopInterval]:
    file = tmp_path_factory.mktemp("memories") / "unit.cpp"
    file.write_text(CASES)
    return {loop.loop[-1]: loop for loop in interval_report(file).loops}


@pytest.mark.parametrize("name", EXPECTED)
def test_interval(derived: dict[str, LoopInterval], name: str) -> None:
    loop = derived[name]
    assert loop.derived == EXPECTED[name], loop.reason
    assert loop.derived is not None or loop.reason


def test_the_serial_hadamard_cannot_have_the_interval_of_one_that_it_does_not_ask_for(tmp_path: Path) -> None:
    """The library's only loop that asks for two cycles: its butterflies move four words of a memory with two ports."""
    library = Path(__file__).parents[2] / "hls_gen" / "library" / "include"
    for header in (library / "flexdse_hls").glob("*.hpp"):
        copy = tmp_path / "flexdse_hls" / header.name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(header.read_text().replace("pipeline II=2", "pipeline II=1"))
    unit = tmp_path / "unit.cpp"
    unit.write_text(
        '#include "flexdse_hls/hadamard.hpp"\n'
        "using namespace flexdse_hls;\n"
        "void top(stream<lanes<real, 2>>& a, stream<lanes<real, 2>>& b) { hadamard_serial<128, 1, 2>(a, b, 2); }\n"
    )
    loops = interval_report(unit).loops
    missed = [loop for loop in loops if loop.missed]
    assert [loop.loop[-1] for loop in missed] == ["Butterfly_Pipeline"]
    assert missed[0].derived == 2


MORE = """
#include <hls_stream.h>
void rows(const int seed[640], int y[640], hls::stream<int>& in, hls::stream<int>& out) {
  int lb[4][640], pair[2][640];
#pragma HLS array_partition variable=lb complete dim=1
#pragma HLS array_partition variable=pair complete dim=1
RowZero: for (int c = 0; c < 600; c++) {
#pragma HLS pipeline II=1
    y[c] = lb[0][c] + lb[0][c + 2] + lb[0][c + 4];
    lb[3][c] = seed[c];
  }
RowOne: for (int c = 0; c < 600; c++) {
#pragma HLS pipeline II=1
    y[c] = lb[1][c] + lb[1][c + 2] + lb[1][c + 4];
    lb[3][c] = seed[c];
  }
LineBuffer: for (int c = 0; c < 640; c++) {
#pragma HLS pipeline II=1
#pragma HLS dependence variable=pair inter false
    out.write(pair[0][c] + pair[1][c]);
    pair[0][c] = pair[1][c];
    pair[1][c] = in.read();
  }
}
void other(const int x[64], int y[64]) {
  int buffer[64];
#pragma HLS BIND_STORAGE variable=buffer type=ram_1p
Fill: for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    buffer[i] = x[i];
  }
Other: for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    y[i] = buffer[i] + buffer[63 - i];
  }
}
void mine(const int x[64], int y[64]) {
  int buffer[64];
MyFill: for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    buffer[i] = x[i];
  }
Mine: for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    y[i] = buffer[i] + buffer[63 - i];
  }
}
void two(const int* p, int* q, int n) {
Offset: for (int i = 0; i < n; i++) {
#pragma HLS pipeline II=1
    q[i] = p[i] + p[i + 4096];
  }
}
void top(const int* a, int* b, int layer, int n) {
#pragma HLS INTERFACE m_axi port=a bundle=g0
#pragma HLS INTERFACE m_axi port=b bundle=g1
  two(a + layer * 65536, b + layer * 65536, n);
}
void add(const int* p, const int* q, int* r, int n) {
Twice: for (int i = 0; i < n; i++) {
#pragma HLS pipeline II=1
    r[i] = p[i] + q[i];
  }
}
void calls(const int* a, const int* b, int* c, int n) {
#pragma HLS INTERFACE m_axi port=a bundle=g0
#pragma HLS INTERFACE m_axi port=b bundle=g1
#pragma HLS INTERFACE m_axi port=c bundle=g2
  add(a, b, c, n);
  add(a, a, c, n);
}
void histogram(const int* in, int* h, int n) {
#pragma HLS INTERFACE m_axi port=in bundle=g0
#pragma HLS INTERFACE m_axi port=h bundle=g1
Histogram: for (int i = 0; i < n; i++) {
#pragma HLS pipeline II=1
    h[in[i]] += 1;
  }
}
void sides(hls::stream<int>& in, hls::stream<int>& out, const int seed[64]) {
  int t[64];
#pragma HLS BIND_STORAGE variable=t type=ram_1p
SideFill: for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    t[i] = seed[i];
  }
Sides: for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    const int x = in.read();
    if (x & 1) out.write(t[i] * x); else out.write(t[63 - i] - 3);
  }
}
void independent(const int at[64], int y[64]) {
#pragma HLS dependence variable=y inter false
Independent: for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    y[at[i]] += 1;
  }
Within: for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    y[at[i]] += 2;
  }
}
"""

MORE_EXPECTED = {
    "RowZero": 2,  # three words of one bank, two ports: as in any other row
    "RowOne": 2,
    "LineBuffer": 1,
    "Other": 2,
    "Mine": 1,  # another function's `buffer`
    "Offset": 2,  # a memory-mapped port that is handed on from an offset
    "Twice": 2,  # once with two ports, once with one
    "Histogram": None,  # as long as the memory behind the port takes
    "Sides": 1,  # one of two words, one of two writes
    "Independent": 1,  # the pragma stands at the top of the function
    "Within": 1,
}


def test_interval_of_what_stands_in_other_places(tmp_path: Path) -> None:
    file = tmp_path / "unit.cpp"
    file.write_text(MORE)
    found = {loop.loop[-1]: loop for loop in interval_report(file).loops}
    assert {name: found[name].derived for name in MORE_EXPECTED} == MORE_EXPECTED
