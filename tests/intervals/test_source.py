"""What the scanner reads from the text: loops, labels, pragmas; and that it moves no line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hls_gen.intervals.source import blanked, read_source

CODE = """
void f(int a[4][8]) {
#pragma HLS ARRAY_PARTITION variable=a type=cyclic factor=2 dim=2
  // for (;;) { #pragma HLS pipeline }
  const char* text = "for (int i = 0;;) {";
Outer:
  for (int i = 0; i < 4; ++i) {
  Inner:
    for (int j = 0; j < 8; ++j) {
#pragma hls pipeline II = 2  /* as asked */
      Deep: for (int k = 0; k < 2; ++k) a[i][j] += k;
    }
  }
  for (int i = 0; i < 4; ++i) {
#pragma HLS unroll
    a[i][0] = 0;
  }
  do { a[0][0]--; } while (a[0][0] > 0);
}
"""


def test_loops_and_pragmas_of_a_function() -> None:
    source = read_source(CODE)
    by_label = {loop.label or loop.line: loop for loop in source.loops}
    assert list(by_label) == ["Outer", "Inner", "Deep", 14, 18]
    assert CODE[by_label[18].begin : by_label[18].end + 1] == "do { a[0][0]--; } while (a[0][0] > 0);"
    assert not source.unplaced
    assert (by_label["Inner"].pipelined, by_label["Inner"].requested_ii) == (True, 2)
    assert by_label["Inner"].perfect_in == by_label["Outer"].line == 7
    assert by_label["Deep"].unroll, "a loop inside a pipelined one is unrolled"
    assert by_label[14].unroll
    assert not by_label["Outer"].unroll
    (partition,) = source.partitions
    assert (partition.variable, partition.kind, partition.factor, partition.dim) == ("a", "cyclic", 2, 2)


def test_a_loop_that_is_unrolled_in_part_stays_a_loop() -> None:
    code = """void f(int a[64]) {
Part: for (int i = 0; i < 64; ++i) {
#pragma HLS unroll factor=8
  a[i] = 0;
}
Around: for (int i = 0; i < 64; ++i) {
#pragma HLS unroll factor=8
  for (int j = 0; j < 4; ++j) a[i] += j;
}
}
"""
    part, around, inner = read_source(code).loops
    whole = read_source(code.replace("factor=8", "factor=64")).loops
    assert whole[0].unroll, "as many copies as iterations"
    assert not part.unroll
    assert (part.unroll, part.together) == (False, 8)
    assert (around.together, inner.together) == (1, 1), "its inner loops would run one after the other all the same"
    assert '_Pragma("clang loop unroll_count(8)") for (int i = 0' in read_source(code).text


def test_a_request_is_that_of_its_loop_or_has_no_place() -> None:
    """Those of do loops and of the operator `_Pragma` are read; those that no loop can be judged for are told."""
    code = """void f(int a[64]) {
#pragma HLS pipeline II=3
  int i = 0;
  do {
_Pragma("HLS pipeline II=2")
    if (a[i]) a[i] = 1; else a[i] = 2;
  } while (++i < 64);
  for (int j = 0; j < 4; ++j) {
#pragma HLS dataflow
    for (int k = 0; k < 4; ++k) if (j) a[k] = j; else a[j] = k;
  }
  // _Pragma("HLS pipeline II=2")
}
#define FAST _Pragma("HLS pipeline")
"""
    source = read_source(code)
    assert [(x.line, x.last_line, x.requested_ii) for x in source.loops] == [(4, 7, 2), (8, 11, None), (10, 10, None)]
    assert code[: source.loops[2].end + 1].endswith("else a[j] = k;")
    assert [(u.line, u.requested_ii, u.reason.split()[0]) for u in source.unplaced] == [
        (2, 3, "PIPELINE"),
        (9, None, "DATAFLOW"),
        (14, None, "PIPELINE"),
    ]


def test_unroll_requests_move_no_line_and_nothing_else_changes() -> None:
    marked = read_source(CODE).text
    assert marked.count("\n") == CODE.count("\n")
    for request in ("full", "disable"):
        marked = marked.replace(f'_Pragma("clang loop unroll({request})") ', "")
    assert marked == CODE


@given(st.text(alphabet="for(){}[];/*\"'\\\n# ax=+:wile", max_size=120))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert len(blanked(text)) == len(text)
    assert read_source(text).text.count("\n") == text.count("\n")
