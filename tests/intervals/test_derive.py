"""Intervals of small loops whose answer follows from theory, written out beside each."""

from __future__ import annotations

from pathlib import Path

import pytest

from hls_gen.errors import CompileError
from hls_gen.intervals.report import interval_report
from spec.errors import InputError
from spec.interval_report import LoopInterval

pytestmark = pytest.mark.needs_program("clang++-16")

HEADER = "#include <hls_stream.h>\n#include <ap_int.h>\n#include <hls_math.h>\n"


def loops_of(tmp_path: Path, code: str, unsafe_math: bool = False) -> dict[str, LoopInterval]:
    file = tmp_path / "unit.cpp"
    file.write_text(HEADER + code)
    report = interval_report(file, unsafe_math=unsafe_math)
    return {loop.loop[-1]: loop for loop in report.loops}


# One file, many functions: clang starts once.
CASES = """
void sum_in_order(const float x[64], float& total) {
  float sum = 0;
Sum:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    sum += x[i];
  }
  total = sum;
}
void sum_of_integers(const int x[64], int& total) {
  int sum = 0;
IntegerSum:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    sum += x[i];
  }
  total = sum;
}
void every_fourth(float y[256], float a) {
  float history[256];
#pragma HLS array_partition variable=history complete
Fourth:
  for (int i = 4; i < 256; i++) {
#pragma HLS pipeline II=1
    history[i] = history[i - 4] * a + y[i];
    y[i] = history[i];
  }
}
void four_words(const float x[256], float y[64]) {
Four:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    y[i] = (x[4 * i] + x[4 * i + 1]) + (x[4 * i + 2] + x[4 * i + 3]);
  }
}
void four_banks(const float x[256], float y[64]) {
#pragma HLS array_partition variable=x cyclic factor=2
Banks:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    y[i] = (x[4 * i] + x[4 * i + 1]) + (x[4 * i + 2] + x[4 * i + 3]);
  }
}
void unrolled_words(const float x[64][8], float y[64]) {
Rows:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    float sum = 0;
    for (int j = 0; j < 8; j++) sum += x[i][j];
    y[i] = sum;
  }
}
void two_reads(hls::stream<int>& in, hls::stream<int>& out) {
Pair:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    int a = in.read();
    out.write(a + in.read());
  }
}
void reads_by_turns(hls::stream<int>& left, hls::stream<int>& right, hls::stream<int>& out) {
Turns:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    if (i % 2 == 0) out.write(left.read());
    else out.write(right.read());
  }
}
void histogram(const unsigned char x[256], int counts[256]) {
Histogram:
  for (int i = 0; i < 256; i++) {
#pragma HLS pipeline II=1
    counts[x[i]] += 1;
  }
}
void histogram_of_distinct(const unsigned char x[256], int counts[256]) {
Distinct:
  for (int i = 0; i < 256; i++) {
#pragma HLS pipeline II=1
#pragma HLS dependence variable=counts inter false
    counts[x[i]] += 1;
  }
}
const float kSquares[8] = {0, 1, 4, 9, 16, 25, 36, 49};
const float kCubes[8] = {0, 1, 8, 27, 64, 125, 216, 343};
void tables(const unsigned char x[64][4], float y[64]) {
#pragma HLS array_partition variable=x complete dim=2
#pragma HLS bind_storage variable=kCubes type=rom_np impl=lutram
TwoPorts:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    y[i] = (kSquares[x[i][0]] + kSquares[x[i][1]]) + (kSquares[x[i][2]] + kSquares[x[i][3]]);
  }
ManyPorts:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    y[i] = (kCubes[x[i][0]] + kCubes[x[i][1]]) + (kCubes[x[i][2]] + kCubes[x[i][3]]);
  }
}
void columns(const float a[32][16], float sums[16]) {
  float local[16];
Row:
  for (int i = 0; i < 32; i++) {
  Column:
    for (int j = 0; j < 16; j++) {
#pragma HLS pipeline II=1
      float before = i == 0 ? 0.0f : local[j];
      local[j] = before + a[i][j];
      if (i == 31) sums[j] = local[j];
    }
  }
}
void four_at_once(const float x[64], float y[64]) {
#pragma HLS array_partition variable=y cyclic factor=4
FourAtOnce:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
#pragma HLS unroll factor=4
    y[i] = x[i];
  }
}
void borrows(const float x[64][8], float y[64]) {
Borrowed:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    float sum = 0;
    for (int j = 0; j < 8; j++) sum += x[i][j];
    y[i] = sum;
  }
}
void lends(hls::stream<float>& in, float y[64]) {
  float x[64][8];
Lender:
  for (int i = 0; i < 512; i++) {
#pragma HLS pipeline II=1
    x[i / 8][i % 8] = in.read();
  }
  borrows(x, y);
}
void same_row(const float a[32][4], float y[32][16]) {
SameRow:
  for (int i = 0; i < 32; i++) {
  SameRowColumn:
    for (int j = 0; j < 16; j++) {
#pragma HLS pipeline II=1
      y[i][j] = j * ((a[i][0] + a[i][1]) + (a[i][2] + a[i][3]));
    }
  }
}
void last_only(const int x[16], int n, float& inverse) {
  int sum = 0;
  float found = 0;
LastOnly:
  for (int i = 0; i < n; i++) {
#pragma HLS pipeline II=1
    sum += x[i];
    if (i == n - 1) found = 1.0f / sum;
  }
  inverse = found;
}
void registers(const int which[64], int y[64]) {
  int table[64];
#pragma HLS array_partition variable=table complete
Fill:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    table[i] = which[i];
  }
Registers:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    y[i] = table[i];
  }
}
void wide(hls::stream<ap_int<40>>& in, hls::stream<ap_int<80>>& out) {
  ap_int<80> sum = 0;
Wide:
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    const ap_int<40> x = in.read();
    sum += x * x;
    out.write(sum);
  }
}
"""

EXPECTED = {
    "Sum": (4, "recurrence"),  # one addition of 4 cycles, in each iteration
    "IntegerSum": (1, "none"),  # an integer adder fits a cycle
    "Fourth": (2, "recurrence"),  # multiplication 3 + addition 4 cycles, four iterations later: ceil(7 / 4)
    "Four": (2, "memory_ports"),  # 4 words of one memory with 2 ports
    "Banks": (1, "none"),  # 2 words in each of 2 banks
    "Rows": (4, "memory_ports"),  # 8 words of one memory
    "Pair": (2, "stream_accesses"),  # a stream gives a word a cycle
    "Turns": (1, "none"),  # one word of one of two streams
    "Histogram": (4, "recurrence"),  # read 2 + add + write 2, if the same word comes next
    "Distinct": (1, "none"),  # the pragma says that it does not
    "Column": (1, "none"),  # the same column comes back 16 iterations later
    "Wide": (1, "none"),
    "TwoPorts": (2, "memory_ports"),  # 4 words of a table with 2 ports
    "ManyPorts": (1, "none"),  # of one that is copied as often as it takes
    "FourAtOnce": (2, "memory_ports"),  # 4 words of x, which has 2 ports
    "Borrowed": (1, "none"),  # 8 words of a local array of the caller, which is split for throughput
    "Lender": (1, "none"),
    "SameRowColumn": (
        2,
        "memory_ports",
    ),  # 4 words in each iteration of the flattened nest, though all of a row read the same
    "LastOnly": (1, "none"),
    "Fill": (1, "none"),
    "Registers": (1, "none"),
}
DEPTHS = {
    # Read and add, to fp32, division, which the compiler moves behind the loop; a multiplexer, test of the end.
    "LastOnly": 2 + 6 + 12 + 1 + 1,
    "Fill": 2 + 1,
    "Registers": 0 + 1 + 1,  # no RAM; the counter, and test of the end
}


@pytest.fixture(scope="module")
def derived(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LoopInterval]:
    return loops_of(tmp_path_factory.mktemp("cases"), CASES)


@pytest.mark.parametrize("name", EXPECTED)
def test_interval_of_a_known_loop(derived: dict[str, LoopInterval], name: str) -> None:
    loop = derived[name]
    assert (loop.derived, loop.cause) == EXPECTED[name], loop.reason
    assert loop.missed == (EXPECTED[name][0] > 1)


@pytest.mark.parametrize("name", DEPTHS)
def test_depth_of_a_known_loop(derived: dict[str, LoopInterval], name: str) -> None:
    assert derived[name].depth == DEPTHS[name]


def test_iterations_that_run_side_by_side_count_as_one(derived: dict[str, LoopInterval]) -> None:
    assert (derived["FourAtOnce"].iterations, derived["Four"].iterations) == (16, 64)


def test_what_the_pragma_asks_for_changes_nothing(tmp_path: Path, derived: dict[str, LoopInterval]) -> None:
    other = loops_of(tmp_path, CASES.replace("II=1", "II=3"))
    assert {name: loop.derived for name, loop in other.items()} == {
        name: loop.derived for name, loop in derived.items()
    }
    assert {loop.requested for loop in other.values()} == {3}


def test_reordered_sums_shorten_a_chain_of_additions(tmp_path: Path) -> None:
    code = """
    void blocks(hls::stream<float>& in, float& total) {
      float sum = 0;
    Chain:
      for (int i = 0; i < 64; i++) {
    #pragma HLS pipeline II=1
        float x = in.read();
        for (int k = 1; k <= 7; k++) sum = sum + (x * k) * x;
      }
      total = sum;
    }
    void through_memory(hls::stream<float>& in, hls::stream<float>& out) {
      float sums[16];
    Row:
      for (int row = 0; row < 4; row++) {
      Word:
        for (int i = 0; i < 16; i++) {
    #pragma HLS pipeline II=1
          for (int k = 0; k < 16; k++) {
            if (row * 16 + k == 0) sums[i] = 0;
            sums[i] = sums[i] + in.read();
            if (row * 16 + k == 63) out.write(sums[i]);
          }
        }
      }
    }
    void two_products(const float x[64][2], const float y[64][2], float& total) {
    #pragma HLS array_partition variable=x complete dim=2
    #pragma HLS array_partition variable=y complete dim=2
      float sum = 0;
    Products:
      for (int i = 0; i < 64; i++) {
    #pragma HLS pipeline II=1
        sum = (sum + x[i][0] * y[i][0]) + x[i][1] * y[i][1];
      }
      total = sum;
    }
    """
    plain, free = loops_of(tmp_path, code), loops_of(tmp_path, code, unsafe_math=True)
    # A tree of sixteen terms and the sum so far, 5 additions of 7 cycles high; in order there are sixteen of them. The terms are
    # words of one stream, which come a cycle apart.
    assert plain["Word"].depth is not None
    assert free["Word"].depth is not None
    assert plain["Word"].depth > 16 * 7
    assert 4 * 7 < free["Word"].depth < 15 + 5 * 7
    assert (plain["Products"].derived, free["Products"].derived) == (8, 4)
    in_order, reordered = plain["Chain"].derived, free["Chain"].derived
    assert in_order == 28  # seven additions of 4 cycles
    # The compiler itself adds the seven terms first where it may; at worst a tree of eight leaves is left: 3 levels.
    assert reordered is not None
    assert 4 <= reordered <= 12


def test_code_that_cannot_be_judged_is_unknown_and_says_why(tmp_path: Path) -> None:
    code = """
    int somewhere_else(int);
    void calls(const int x[64], int y[64]) {
    Call:
      for (int i = 0; i < 64; i++) {
    #pragma HLS pipeline II=1
        y[i] = somewhere_else(x[i]);
      }
    }
    struct node { node* next; int value; };
    void list(const node* first, int& total) {
      int sum = 0;
    List:
      while (first) {
    #pragma HLS pipeline II=1
        sum += first->value;
        first = first->next;
      }
      total = sum;
    }
    """
    found = loops_of(tmp_path, code)
    assert found["Call"].derived is None
    assert "somewhere_else" in found["Call"].reason
    assert (found["Call"].file.rsplit("/", 1)[1], found["Call"].line) == ("unit.cpp", 8)
    assert found["List"].derived is None
    assert "pointer" in found["List"].reason
    assert not found["Call"].missed


def test_a_request_that_no_loop_is_judged_for_is_unknown(tmp_path: Path) -> None:
    """Of a whole function, or around a loop that no tool can unroll; that of a do loop or of the operator is judged as any."""
    code = """
    void whole(const float x[64], float& total) {
    #pragma HLS pipeline II=1
      float sum = 0;
      for (int i = 0; i < 64; i++) sum += x[i];
      total = sum;
    }
    void around(const float x[64][64], const int last[64], float y[64]) {
    Around:
      for (int i = 0; i < 64; i++) {
    #pragma HLS pipeline II=1
        float sum = 0;
        for (int j = 0; j < last[i]; j++) sum += x[i][j];
        y[i] = sum;
      }
    }
    void repeated(const float x[64], float& total) {
      float sum = 0;
      int i = 0;
    Do:
      do {
    _Pragma("HLS pipeline II=1")
        sum += x[i++];
      } while (i < 64);
      total = sum;
    }
    """
    found = loops_of(tmp_path, code)
    assert (found["Do"].requested, found["Do"].derived) == (1, 4)
    assert (found["Around"].requested, found["Around"].derived) == (1, None)
    assert "cannot be unrolled" in found["Around"].reason
    (request,) = [loop for loop in found.values() if not loop.function]
    assert (request.requested, request.derived) == (1, None)
    assert "#pragma HLS pipeline" in (HEADER + code).splitlines()[request.line - 1]


def test_a_folder_of_headers_comes_before_ours_and_a_relative_path_keeps_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "hls_math.h").write_text("namespace hls { inline float sin(float x) { return 2 * x; } }\n")
    unit = tmp_path / "unit.cpp"
    unit.write_text(
        "#include <hls_math.h>\nvoid f(float x[8]) {\n  for (int i = 0; i < 8; i++) x[i] = hls::sin(x[i]);\n}\n"
    )
    with pytest.raises(CompileError, match="sin"):
        interval_report(unit)
    monkeypatch.chdir(tmp_path)
    (loop,) = interval_report(Path("unit.cpp"), [Path("vendor")]).loops
    assert (loop.file, loop.line) == (f"{tmp_path.name}/unit.cpp", 3)
    with pytest.raises(InputError, match="no such folder of headers"):
        interval_report(unit, [tmp_path / "nowhere"])


def test_bad_input_is_refused_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no HLS C\+\+"):
        interval_report(tmp_path)
    broken = tmp_path / "broken.cpp"
    broken.write_text("#include <no_such_vendor_header.h>\nvoid f() {}\n")
    with pytest.raises(CompileError, match=r"no_such_vendor_header\.h") as missing:
        interval_report(broken)
    assert f"{broken}:1:" in str(missing.value), "the user's file, not the copy that clang saw"
    broken.write_text(HEADER + "void f(hls::stream<int>& in, int& x) {\n  in.read_nb(x);\n}\n")
    with pytest.raises(CompileError, match=r"broken\.cpp:5:6: .* non-blocking accesses of a stream are not supported"):
        interval_report(broken)
