"""Units of HLS C++ through the whole chain: instrumented, run, scheduled by derived intervals, solved."""

from __future__ import annotations

from pathlib import Path

import pytest

from hls_gen.errors import CompileError
from hls_gen.simulate.unit import simulate_unit
from spec.errors import InputError
from spec.simulation_report import SimulatedStage

pytestmark = pytest.mark.needs_program("clang++-16")

HEAD = """
#include "flexdse_hls/dataflow.hpp"
#include "flexdse_hls/stream.hpp"
#include "flexdse_simulate/drivers.hpp"
using namespace flexdse_hls;
using flexdse_simulate::sink;
using flexdse_simulate::source;
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("units")


def simulated(folder: Path, name: str, code: str, **options: object) -> SimulatedStage:
    place = folder / name
    place.mkdir(exist_ok=True)
    (place / f"{name}.cpp").write_text(HEAD + code)
    return simulate_unit(place / f"{name}.cpp", folder=folder / f"{name}-build", **options)  # type: ignore[arg-type]


def region(calls: list[str]) -> str:
    processes = "\n".join(f"  FLEXDSE_PROCESS({call});" for call in calls)
    return f"  FLEXDSE_DATAFLOW_BEGIN;\n{processes}\n  FLEXDSE_DATAFLOW_END;\n"


SCALE = """
void scale(stream<int>& in, stream<int>& out, int words) {
Scale:
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    out.write(in.read() + 1);
  }
}
void fold(stream<float>& in, stream<float>& out, int words) {
  float sum = 0;
Fold:
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    sum += in.read();
    out.write(sum);
  }
}
"""


def test_back_pressure_and_rates_of_a_chain(folder: Path) -> None:
    """A sink of a word every 3 cycles sets the pace; the FIFOs before it fill, their writers wait."""
    chain = region(["source(a, 200)", "scale(a, b, 200)", "sink(b, 200, 3)"])
    top = f'void top() {{\n  fifo<int, 4> a("a");\n  fifo<int, 4> b("b");\n{chain}}}\n'
    stage = simulated(folder, "chain", SCALE + top)
    assert stage.cycles is not None
    assert 599 <= stage.cycles <= 599 + 14
    assert stage.modules[0].module == "sink"
    assert stage.modules[0].critical_cycles > 590
    streams = {s.stream: s for s in stage.streams}
    assert streams["b"].used_depth == 4
    assert streams["b"].words == 200
    assert streams["b"].full_stall_cycles > 350
    # Four times as deep: the writers wait less, the sink sets the pace all the same.
    deeper = simulated(folder, "chain", SCALE + top, depths={"a": 16, "b": 16})
    assert deeper.cycles == stage.cycles
    assert {s.stream: s for s in deeper.streams}["b"].used_depth == 16


def test_an_added_recurrence_is_simulated_at_its_derived_interval(folder: Path) -> None:
    """fp32 sums that depend on each other: 4 cycles an addition, whatever II the pragma asks for."""
    chain = region(["source(a, 100)", "fold(a, b, 100)", "sink(b, 100)"])
    top = f'void top() {{\n  fifo<float, 4> a("a");\n  fifo<float, 4> b("b");\n{chain}}}\n'
    stage = simulated(folder, "fold", SCALE + top)
    (missed,) = stage.loops_missed
    assert (missed.loop, missed.requested, missed.derived) == ("Fold", 1, 4)
    assert stage.cycles is not None
    assert 4 * 99 < stage.cycles < 4 * 99 + 25


BAD = {
    "deadlock": (
        'fifo<int, 2> a("a");\n  fifo<int, 2> b("b");\n',
        ["both(a, b, 16)", "one_then_other(b, a, 16)"],
        """
void both(stream<int>& a, stream<int>& b, int words) {
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    a.write(i);
    b.write(i);
  }
}
void one_then_other(stream<int>& b, stream<int>& a, int words) {
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    b.read();
  }
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    a.read();
  }
}
""",
        "a.write(i)",
    ),
    "past_input": ('fifo<int, 2> a("a");\n', ["source(a, 3)", "take(a, 5)"], "", "in.read();"),
    "unread": ('fifo<int, 2> a("a");\n', ["give(a, 5)", "sink(a, 3)"], "", "out.write(i);"),
    "two_owners": ('fifo<int, 2> a("a");\n', ["source(a, 8)", "take(a, 4)", "take(a, 4)"], "", "in.read();"),
    "unsupported": ('fifo<int, 2> a("a");\n', ["source(a, 8)", "poll(a, 8)"], "", "in.empty()"),
    "unbounded": ('fifo<int, 2> a("a");\n', ["source(a, 8)", "forever(a)"], "", "while (true)"),
}
HELPERS = """
void take(stream<int>& in, int words) {
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    in.read();
  }
}
void give(stream<int>& out, int words) {
  for (int i = 0; i < words; ++i) {
#pragma HLS pipeline II=1
    out.write(i);
  }
}
"""
# Compiled only where they are called: the interval analysis does not know non-blocking accesses.
POLL = """
void poll(stream<int>& in, int words) {
  for (int i = 0; i < words; ++i) {
    if (!in.empty()) in.read();
  }
}
"""
FOREVER = """
void forever(stream<int>& in) {
  while (true) {
#pragma HLS pipeline II=1
    in.read();
  }
}
"""


@pytest.mark.parametrize("verdict", BAD)
def test_bad_input_has_a_verdict_with_file_and_line(folder: Path, verdict: str) -> None:
    streams, calls, own, blamed = BAD[verdict]
    extra = {"unsupported": POLL, "unbounded": FOREVER}.get(verdict, "")
    code = HELPERS + extra + own + f"void top() {{\n  {streams}{region(calls)}}}\n"
    stage = simulated(folder, f"bad_{verdict}", code)
    assert stage.cycles is None
    assert stage.failure is not None
    assert stage.failure.verdict == verdict, stage.failure
    lines = (HEAD + code).splitlines()
    assert stage.failure.place.file.endswith(f"bad_{verdict}.cpp")
    assert blamed in lines[stage.failure.place.line - 1], stage.failure
    if verdict == "deadlock":
        assert [(b.process, b.stream, b.waits_to) for b in stage.failure.blocked if b.in_ring] == [
            ("both", "a", "write"),
            ("one_then_other", "b", "read"),
        ]


FOREIGN = """
#include <hls_stream.h>
void send(const int y[64], hls::stream<int>& s) {
  for (int i = 0; i < 64; i++) {
    #pragma HLS pipeline II=1
    s.write(y[i]);
  }
}
void receive(hls::stream<int>& s, int z[64]) {
  for (int i = 0; i < 64; i++) {
    #pragma HLS pipeline II=2
    z[i] = s.read();
  }
}
void forward(const int x[64], int z[64]) {
  #pragma HLS dataflow
  #pragma HLS array_partition variable=x cyclic factor=2
  int buffer[64];
  hls::stream<int> words;
  #pragma HLS STREAM variable=words depth=8
  Fill: for (int i = 0; i < 64; i++) {
    #pragma HLS pipeline II=1
    #pragma HLS unroll factor=4
    buffer[i] = x[i];
  }
  send(buffer, words);
  receive(words, z);
}
"""


def test_foreign_code_with_plain_dataflow_pragmas(folder: Path) -> None:
    """A buffer is handed over as a whole, so its reader starts when its writer has ended; a FIFO overlaps both ends.

    A loop of the region is a process too; of four iterations that are one it has a quarter.
    """
    place = folder / "foreign"
    place.mkdir()
    (place / "foreign.cpp").write_text(FOREIGN)
    stage = simulate_unit(place / "foreign.cpp", "forward", folder=folder / "foreign-build")
    # 16 cycles to fill, then 64 words at the II=2 that the reader asks for: it could take one a cycle, Vitis HLS gives it what it asks.
    assert stage.cycles is not None
    assert 16 + 127 < stage.cycles < 16 + 127 + 25
    assert [m.module for m in sorted(stage.modules, key=lambda m: m.module)] == ["loop_Fill", "receive", "send"]
    streams = {s.stream: s for s in stage.streams}
    assert (streams["words"].depth, streams["words"].writer, streams["words"].reader) == (8, "send", "receive")
    handed = next(s for name, s in streams.items() if name.startswith("buffer"))
    assert (handed.words, handed.writer, handed.reader) == (1, "loop_Fill", "send")


SIDE_BY_SIDE = """
void scaled(const float x[500], float y[500]) {
  for (int i = 0; i < 500; i++) {
    #pragma HLS pipeline II=1
    y[i] = 2 * x[i];
  }
}
void forward(const float a[500], const float b[300], float c[500], float d[500], float e[500]) {
  scaled(a, c);
  for (int i = 0; i < 300; i++) {
    #pragma HLS pipeline II=1
    d[i] = b[i] + 1;
  }
  for (int i = 0; i < 200; i++) {
    #pragma HLS pipeline II=1
    e[i] = c[i] * d[i];
  }
  float last = 0;
  for (int once = 0; once < 1; once++) {
    #pragma HLS pipeline II=1
    last = 1 / e[0];
  }
  e[1] = last;
}
"""


def test_modules_that_share_nothing_run_at_the_same_time(folder: Path) -> None:
    """A call beside a loop; behind both a loop that reads what they wrote, and a division that no loop is left of."""
    place = folder / "side_by_side"
    place.mkdir()
    (place / "side_by_side.cpp").write_text(SIDE_BY_SIDE)
    stage = simulate_unit(place / "side_by_side.cpp", "forward", folder=folder / "side_by_side-build")
    assert stage.cycles is not None
    assert 500 + 200 + 12 < stage.cycles < 500 + 200 + 12 + 30
    written = (place / "side_by_side.cpp").read_text()
    (place / "side_by_side.cpp").write_text(written.replace("d[i] = b[i] + 1", "c[i] = b[i] + 1"))
    again = simulate_unit(place / "side_by_side.cpp", "forward", folder=folder / "side_by_side-build")
    assert again.cycles is not None
    assert 500 + 300 + 200 + 12 < again.cycles < 500 + 300 + 200 + 12 + 40, "both write c"


SEVERAL_WORDS = """
void halves(stream<float>& in, stream<float>& out) {
  for (int i = 0; i < 100; ++i) {
#pragma HLS pipeline II=4
    const float a = in.read();
    const float b = in.read();
    const float c = in.read(); const float d = in.read();
    out.write((a + b) + (c + d));
  }
}
void copies(stream<float>& in, stream<float>& out) {
  for (int i = 0; i < 100; ++i) {
#pragma HLS pipeline II=4
    const float a = in.read();
    out.write(a);
    out.write(a + 1.0f); out.write(a);
    out.write(a + 2.0f);
  }
}
"""


@pytest.mark.parametrize("depth", [1, 2, 8])
def test_accesses_of_one_stream_in_an_iteration_follow_each_other(folder: Path, depth: int) -> None:
    """A FIFO takes and gives a word a cycle: four of an iteration need no FIFO of four, and with two places no cycle is lost."""
    chain = region(["source(a, 400)", "halves(a, b)", "copies(b, c)", "sink(c, 400)"])
    declared = f'  fifo<float, {depth}> a("a"), c("c");\n  fifo<float, 2> b("b");\n'
    stage = simulated(folder, f"several_{depth}", SEVERAL_WORDS + f"void top() {{\n{declared}{chain}}}\n")
    assert stage.failure is None, stage.failure
    assert not stage.loops_missed
    assert stage.cycles is not None
    # A FIFO of one place passes a word every two cycles.
    most = 400 * (2 if depth == 1 else 1)
    assert most < stage.cycles < most + 60


BY_DATA = """
#include <hls_stream.h>
void give(hls::stream<int>& out) {
  for (int i = 0; i < 64; i++) {
#pragma HLS pipeline II=1
    out << i;
  }
}
void odd_ones(hls::stream<int>& in, hls::stream<int>& out) {
  int i = 0;
  do {
#pragma HLS pipeline II=1
    int v;
    in >> v;
    if (v & 1) out << v;
    i++;
  } while (i < 64);
}
void add(hls::stream<int>& in, float y[32]) {
  float sum = 0;
  int i = 0;
  do {
#pragma HLS pipeline II=1
    sum += in.read();
    y[i] = sum;
    i++;
  } while (i < 32);
}
void top(float y[32]) {
#pragma HLS dataflow
  hls::stream<int> s("s"), q("q");
  give(s);
  odd_ones(s, q);
  add(q, y);
}
void two_readers(float y[32], float z[32]) {
#pragma HLS dataflow
  hls::stream<int> s("s");
  give(s);
  add(s, y);
  add(s, z);
}
"""


def test_words_that_steer_are_carried_and_do_loops_take_their_time(folder: Path) -> None:
    """Half of the words go on, which only their values tell; the sum of a do loop has an interval as that of any other."""
    place = folder / "by_data"
    place.mkdir()
    (place / "by_data.cpp").write_text(BY_DATA)
    stage = simulate_unit(place / "by_data.cpp", "top", folder=folder / "by_data-build")
    assert stage.failure is None, stage.failure
    (missed,) = stage.loops_missed
    assert (missed.requested, missed.derived) == (1, 4)
    assert stage.cycles is not None
    assert 31 * 4 < stage.cycles < 31 * 4 + 40
    assert {s.stream: s.words for s in stage.streams} == {"s": 64, "q": 32}
    # Without them the verdict says what it may come of, and where; operators of streams stand somewhere too.
    zeros = simulate_unit(place / "by_data.cpp", "top", with_values=False, folder=folder / "by_data-build")
    assert zeros.failure is not None
    assert (zeros.failure.verdict, "--with-values" in zeros.failure.message) == ("past_input", True)
    twice = simulate_unit(place / "by_data.cpp", "two_readers", folder=folder / "by_data-build")
    assert twice.failure is not None
    assert twice.failure.verdict == "two_owners"
    assert "sum += in.read();" in BY_DATA.splitlines()[twice.failure.place.line - 1]


def test_what_does_not_compile_is_told_of_the_users_file(folder: Path) -> None:
    place = folder / "broken"
    place.mkdir()
    source = place / "broken.cpp"
    source.write_text(
        "#include <hls_stream.h>\nvoid top(hls::stream<int>& in) {\n  for (int i = 0; i < 4; i++ {\n  }\n}\n"
    )
    with pytest.raises(CompileError) as refused:
        simulate_unit(source)
    assert f"{source}:3: error" in str(refused.value)
    assert "folder of the header" not in str(refused.value)
    with pytest.raises(InputError, match="defines no function bottom"):
        simulate_unit(source, "bottom")
