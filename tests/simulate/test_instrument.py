"""What is put into sources: at the right places, on the right lines, and nothing where synthesis unrolls."""

from __future__ import annotations

import re

from hls_gen.simulate.instrument import EndlessLoop, Instrumentation
from hls_gen.simulate.trace import mangled_function

SOURCE = """\
constexpr int power(int n) {
  int result = 1;
  for (int i = 0; i < n; ++i) result *= 2;
  return result;
}
template <int N>
void load(const float* memory, float (&local)[N], int words) {
Row:
  for (int r = 0; r < words; ++r) {
  Column:
    for (int c = 0; c < N; ++c) {
#pragma HLS pipeline II=1
      local[c] = memory[r * N + c];
      for (int k = 0; k < 4; ++k) local[c] += k;
    }
  }
}
void twice(const float* memory, float (&local)[8], bool on) {
Time:
  for (int t = 0; t < 2; ++t) {
    load<8>(memory, local, t);
  }
  if (on)
    for (int i = 0; i < 8; ++i) local[i] = 0;
  else
    local[0] = 1;
}
"""


def test_lines_stay_and_kinds_follow_the_structure() -> None:
    text = Instrumentation({"src/a.cpp": SOURCE}).rewritten("src/a.cpp")
    assert text.count("\n") == SOURCE.count("\n")
    lines = text.splitlines()
    assert "site" not in lines[2], "a constexpr function runs in the compiler"
    assert "'f', " in lines[8]
    assert '"Row", "src/a.cpp", 9' in lines[8]
    assert "'p', " in lines[10]
    assert '"Column"' in lines[10]
    assert "::flexdse_simulate::memory(memory)[r * N + c]" in lines[12]
    assert "memory(local)" not in text
    assert "site" not in lines[13], "a loop inside a pipelined one is unrolled"
    assert "'s', " in lines[19], "a loop that calls a module"
    assert "'p', " in lines[23]
    assert lines[23].rstrip().endswith("}"), "closed before the else"


def test_without_what_was_put_in_the_source_is_the_same() -> None:
    text = Instrumentation({"a.cpp": SOURCE}).rewritten("a.cpp")
    position = 0
    for word in re.findall(r"\w+|[^\w\s]", SOURCE):
        position = text.find(word, position)
        assert position >= 0, word
        position += len(word)


def test_loops_that_nothing_ends_are_found() -> None:
    endless = "void f() {\n  while (1) { g(); }\n}\nvoid h() {\n  for (;;) { if (k()) break; }\n}\nvoid i() {\n  for (;;) g();\n}\n"
    assert Instrumentation({"b.cpp": endless}).endless_loops() == [EndlessLoop("b.cpp", 2), EndlessLoop("b.cpp", 8)]


def test_only_what_leaves_a_loop_ends_it() -> None:
    """A break of a loop or a choice inside does not; conditions of numbers are judged."""
    heads = {
        "while (1 == 1) { for (int k = 0; k < 4; ++k) { if (k == 2) break; } g(); }": True,
        "while (1 == 1) { for (int k = 0; k < 4; ++k) g(); if (k()) break; }": False,
        "for (;;) { switch (g()) { case 1: break; } }": True,
        "for (;;) { switch (g()) { case 1: return; } }": False,
        "do { g(); } while (true);": True,
        "do { g(); } while ((2 < 1));": False,
        "do { g(); } while (n > 0);": False,
        "while (!false) g();": True,
        "for (int i = 0; 3; ++i) g();": True,
        "for (int i : all) g();": False,
    }
    for loop, is_endless in heads.items():
        found = Instrumentation({"b.cpp": f"void f() {{\n  {loop}\n}}\n"}).endless_loops()
        assert found == ([EndlessLoop("b.cpp", 2)] if is_endless else []), loop


def test_the_function_around_a_local_type_is_read_from_its_name() -> None:
    assert mangled_function("Z5scaleiE14flexdse_here_0") == "_Z5scalei"
    assert mangled_function("ZN2ns4loadILi8EEEvPKfRAT__fiE15flexdse_here_12") == "_ZN2ns4loadILi8EEEvPKfRAT__fi"
