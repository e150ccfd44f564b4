"""The analysis' own integers against AMD's: the same program, compiled with either, prints the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hls_gen.intervals.frontend import SHIM_HEADERS, find_clang
from hls_gen.toolchain.compiler import find_ap_headers

PROGRAM = r"""
#include <ap_int.h>
#include <cstdio>

static unsigned long long state = 88172645463325252ull;
static unsigned long long next() {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}
template <class T>
void show(const T& x) {
  std::printf("%lld %d|", static_cast<long long>(x.to_int64()), static_cast<int>(T::width));
}
template <int A, bool SA, int B, bool SB>
void pairs() {
  typedef ap_int_base<A, SA> first;
  typedef ap_int_base<B, SB> second;
  for (int i = 0; i < 200; i++) {
    const unsigned long long bits = i < 8 ? (i & 1 ? ~0ull : 0ull) : next(), more = i < 8 ? (i & 2 ? ~0ull : 1ull) : next();
    first a;
    second b;
    a = first(static_cast<long long>(bits));
    b = second(static_cast<long long>(more));
    show(a + b), show(a - b), show(a * b), show(a & b), show(a | b), show(a ^ b);
    std::printf("%d%d%d%d%d%d|", a == b, a != b, a < b, a <= b, a > b, a >= b);
    show(first(a << 2)), show(first(a >> 3)), show(first(~a));
    std::printf("%d %u %g|", (a + 3).to_int(), (5 - b).to_uint(), static_cast<double>(a.to_double()));
    a += b;
    show(a);
    a.range(3, 1) = b.range(2, 0);
    std::printf("%u %d %d\n", a.range(A - 1, A - 3).to_uint(), static_cast<int>(a[2]), a < 7);
  }
}
int main() {
  pairs<8, true, 8, true>();
  pairs<8, false, 5, true>();
  pairs<19, true, 12, false>();
  pairs<4, false, 4, true>();
  pairs<27, true, 21, true>();
}
"""


@pytest.mark.needs_program("clang++-16")
def test_the_same_program_prints_the_same(tmp_path: Path) -> None:
    clang = str(find_clang().path)
    outputs = []
    for name, folder in (("ours", SHIM_HEADERS), ("amd", find_ap_headers().folder)):
        source = tmp_path / f"{name}.cpp"
        source.write_text(PROGRAM)
        program = tmp_path / name
        command = [clang, "-std=c++17", "-O1", "-w", "-isystem", str(folder), str(source), "-o", str(program)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        outputs.append(subprocess.run([program], check=True, capture_output=True, text=True).stdout)
    assert outputs[0].count("\n") == 1000
    for ours, amd in zip(outputs[0].splitlines(), outputs[1].splitlines(), strict=True):
        assert ours == amd
