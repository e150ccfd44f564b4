"""A stand-in for AMD's tools: reads the same scripts, writes files in the same places, prints lines in the same form.

Started as `tool.py NAME ARGUMENTS` by a shell script called NAME, as the real ones are. What it should do in which step comes
from STAND_IN_MODES, a JSON object of step to mode; each step it runs is noted in STAND_IN_CALLS.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

VERSION = os.environ.get("STAND_IN_VERSION", "2023.2")
MODES = json.loads(os.environ.get("STAND_IN_MODES", "{}"))
REPORTS = Path(os.environ["STAND_IN_REPORTS"])


def say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()


class Design:
    """What a script says of the design."""

    def __init__(self) -> None:
        self.top = self.part = self.argument = self.output = self.flow = ""
        self.period_ns = "0"
        self.sources: list[str] = []
        self.synthesized_here = False

    def load(self, file: Path) -> None:
        self.__dict__.update(json.loads(file.read_text()))
        self.synthesized_here = False

    def save(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.__dict__))


def csynth_xml(design: Design, part: str, period: str) -> str:
    lut = 41000 if design.top.startswith("prefill") else 52000
    return f"""<profile>
    <ReportVersion>
        <Version>{VERSION}</Version>
    </ReportVersion>
    <UserAssignments>
        <unit>ns</unit>
        <ProductFamily>virtexuplusHBM</ProductFamily>
        <Part>{part}</Part>
        <TopModelName>{design.top}</TopModelName>
        <TargetClockPeriod>{float(period):.2f}</TargetClockPeriod>
        <ClockUncertainty>{0.27 * float(period):.2f}</ClockUncertainty>
        <FlowTarget>{design.flow}</FlowTarget>
    </UserAssignments>
    <PerformanceEstimates>
        <PipelineType>dataflow</PipelineType>
        <SummaryOfTimingAnalysis>
            <unit>ns</unit>
            <EstimatedClockPeriod>2.433</EstimatedClockPeriod>
        </SummaryOfTimingAnalysis>
        <SummaryOfOverallLatency>
            <unit>clock cycles</unit>
            <Best-caseLatency>1200</Best-caseLatency>
            <Average-caseLatency>1300</Average-caseLatency>
            <Worst-caseLatency>1400</Worst-caseLatency>
            <Interval-min>1150</Interval-min>
            <Interval-max>1350</Interval-max>
        </SummaryOfOverallLatency>
    </PerformanceEstimates>
    <AreaEstimates>
        <Resources>
            <BRAM_18K>96</BRAM_18K>
            <DSP>256</DSP>
            <FF>61000</FF>
            <LUT>{lut}</LUT>
            <URAM>0</URAM>
        </Resources>
        <AvailableResources>
            <BRAM_18K>4032</BRAM_18K>
            <DSP>9024</DSP>
            <FF>2607360</FF>
            <LUT>1303680</LUT>
            <URAM>960</URAM>
        </AvailableResources>
    </AreaEstimates>
</profile>
"""


def cosim_rpt(status: str) -> str:
    values = "|".join(f"{value:>15}" for value in ("1211", "1311", "1411", "1160", "1260", "1360"))
    rule = f"+{'-' * 10}+{'-' * 10}+{'-' * 47}+{'-' * 47}+{'-' * 22}+"
    return "\n".join([
        "Report time       : Fri Nov 20 11:00:00 AM UTC 2026.", "Solution          : solution.",
        "Simulation tool   : xsim.", "", rule,
        f"|          |          |{'Latency(Clock Cycles)':^47}|{'Interval(Clock Cycles)':^47}| Total Execution Time |", rule,
        f"|      VHDL|        NA|{'|'.join(['             NA'] * 6)}|                    NA|",
        f"|   Verilog|{status:>10}|{values}|{5210:>22}|", rule, ""])  # fmt: skip


def export_xml(design: Design, met: bool) -> str:
    achieved = float(design.period_ns) + (-0.3 if met else 0.2)
    return f"""<profile>
<RunData>
  <RUN_TYPE>impl</RUN_TYPE>
  <VIVADO_VERSION>v.{VERSION}</VIVADO_VERSION>
</RunData>
<TimingReport>
  <TargetClockPeriod>{design.period_ns}</TargetClockPeriod>
  <AchievedClockPeriod>{achieved:.3f}</AchievedClockPeriod>
  <CP_ROUTE>{achieved:.3f}</CP_ROUTE>
  <TIMING_MET>{str(met).upper()}</TIMING_MET>
  <WNS_FINAL>{float(design.period_ns) - achieved:.3f}</WNS_FINAL>
</TimingReport>
<AreaReport>
  <Resources>
    <LUT>31000</LUT><FF>49000</FF><DSP>260</DSP><BRAM>96</BRAM><URAM>0</URAM><CLB>8000</CLB><SLICE>0</SLICE>
  </Resources>
  <AvailableResources>
    <LUT>1303680</LUT><FF>2607360</FF><DSP>9024</DSP><BRAM>4032</BRAM><URAM>960</URAM><CLB>162960</CLB>
  </AvailableResources>
</AreaReport>
</profile>
"""


def copy(name: str, place: Path) -> None:
    place.write_text((REPORTS / name).read_text())


def misbehave(mode: str, design: Design, step: str) -> None:
    """Modes that end the tool before its step is done."""
    if mode == "license":
        say(f"ERROR: [Common 17-345] A valid license was not found for feature 'Synthesis' and/or device '{design.part}'. "
            "Please run the Vivado License Manager for assistance.")  # fmt: skip
    elif mode == "missing_part":
        say(f"ERROR: [HLS 200-1023] Part '{design.part}' is not installed.")
    elif mode == "part_not_supported":
        say(f"ERROR: [HLS 200-1023] Part '{design.part}' is not supported. It is either unknown, not installed or does not "
            "have an appropriate license.")  # fmt: skip
    elif mode == "missing_platform":
        say("ERROR: [v++ 60-300] Failed to open platform file", "ERROR: [v++ 60-703] Failed to finish linking")
    elif mode == "xform":
        say("ERROR: [XFORM 203-504] Stop unrolling loop 'Channel' (decode.hpp:41) because it may cause large runtime.",
            "ERROR: [HLS 200-70] Pre-synthesis failed.", "    while executing", '"csynth_design"')  # fmt: skip
    elif mode == "pragma":
        say("ERROR: [HLS 214-256] in function 'gemv': Unsupported aggregate pragma/directive on variable 'a'",
            "ERROR: [HLS 200-1715] Encountered problem during source synthesis", "Pre-synthesis failed.")  # fmt: skip
    elif mode == "disk_full":
        say("ERROR: [Common 17-49] Internal Data Exception: write failed: No space left on device")
    elif mode == "killed":
        say(f'/opt/amd/bin/rdiArgs.sh: line 312: {os.getpid()} Killed                  "$RDI_PROG" "$@"')
        sys.exit(137)
    elif mode == "bad_alloc":
        say("terminate called after throwing an instance of 'std::bad_alloc'", "  what():  std::bad_alloc")
        os.kill(os.getpid(), signal.SIGABRT)
    elif mode == "sigkill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif mode == "segfault":
        say("Abnormal program termination (11)", "Please check 'hs_err_pid1.log' for details")
        os.kill(os.getpid(), signal.SIGSEGV)
    elif mode == "timing":
        say("ERROR: [VPL 101-2] design did not meet timing - system clock: ap_clk; slack: -0.022 ns",
            "ERROR: [v++ 60-661] v++ link run 'run_link' failed")  # fmt: skip
    elif mode == "deadlock":
        say("ERROR!!! DEADLOCK DETECTED at 123455000 ns! SIMULATION WILL BE STOPPED!",
            "ERROR: [COSIM 212-4] *** C/RTL co-simulation finished: FAIL ***")  # fmt: skip
    elif mode == "compile_error":
        say("   Compiling ../../../../src/decode.cpp in debug mode",
            "../../../../src/decode.cpp:40:9: error: 'x' was not declared in this scope",
            "make: *** [obj/decode.o] Error 1",
            "ERROR: [SIM 211-100] 'csim_design' failed: compilation error(s).")  # fmt: skip
    elif mode == "csim_differs":
        say("@E Simulation failed: Function 'main' returns nonzero value '1'.",
            "ERROR: [SIM 211-100] 'csim_design' failed: nonzero return value.")  # fmt: skip
    elif mode == "odd":
        say("INFO: [HLS 200-10] nothing unusual, error count 0", "something odd")
        sys.exit(3)
    elif mode == "hang":
        hang()
    elif mode == "hog":
        hog = bytearray(400 * 2**20)
        say(f"hogging {len(hog)} bytes")
        hang()
    elif mode == "forgets" and not design.synthesized_here:
        say(
            "ERROR: [COSIM 212-40] C/RTL co-simulation cannot be started, possible causes: 1) Synthesis was not successful;"
        )
    else:
        return
    sys.exit(1)


def hang() -> None:
    """With a detached child, as simulators have."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os.execvp("sleep", ["sleep", "300"])
    Path(os.environ["STAND_IN_PIDS"]).write_text(f"{os.getpid()} {child}")
    say("INFO: [HLS 200-10] waiting")
    while True:
        time.sleep(300)


def run(step: str, design: Design, results: Path) -> None:
    """One step. `results` holds syn/, sim/, impl/ and csim/."""
    with Path(os.environ["STAND_IN_CALLS"]).open("a") as calls:
        calls.write(f"{step} {design.top}\n")
    mode = MODES.get(f"{step} {design.top}", MODES.get(step, "ok"))
    say(f"INFO: [HLS 200-1510] Running: {step}_design ")
    misbehave(mode, design, step)
    if mode == "no_report":
        say("INFO: [HLS 200-112] Total elapsed time: 1.0 seconds; peak allocated memory: 300.0 MB.")
        return
    {"csim": csim, "csynth": csynth, "cosim": cosim, "export": export, "impl": implement}[step](design, results, mode)


def csim(design: Design, results: Path, mode: str) -> None:
    say("INFO: [SIM 211-2] *************** CSIM start ***************",
        "INFO: [SIM 211-4] CSIM will launch CLANG as the compiler.", "   Generating csim.exe")  # fmt: skip
    for source in design.sources:
        if not Path(source).is_file():
            say(f"ERROR: [HLS 200-642] The source file '{source}' does not exist.")
            sys.exit(1)
    cases = json.loads((Path(design.argument) / "manifest.json").read_text())["csim"]
    stage = design.top.partition("_")[0]
    for case in [case for case in cases if case["stage"] == stage][: 1 if mode == "some_values" else None]:
        values = {"compared_values": case["values"], "differences": 1 if mode == "silent_difference" else 0}
        say("@case " + json.dumps({**{key: case[key] for key in ("stage", "module", "linear")}, **values}))
    say("INFO: [SIM 211-1] CSim done with 0 errors.", "INFO: [SIM 211-3] *************** CSIM finish ***************")
    log = results / "csim" / "report" / f"{design.top}_csim.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("INFO: [SIM 211-1] CSim done with 0 errors.\n")


def csynth(design: Design, results: Path, mode: str) -> None:
    folder = results / "syn" / "report"
    folder.mkdir(parents=True, exist_ok=True)
    part = "xcu55c-fsvh2892-2L-e" if mode == "other_part" else design.part
    period = "5.000" if mode == "other_clock" else design.period_ns
    text = csynth_xml(design, part, period)
    if mode == "other_version":
        text = text.replace(f"<Version>{VERSION}", "<Version>2019.1")
    (folder / "csynth.xml").write_text(text[: len(text) // 2] if mode == "damaged" else text)
    (folder / f"{design.top}_csynth.xml").write_text(text)
    say("WARNING: [HLS 200-871] Estimated clock period (2.433 ns) exceeds the target",
        "INFO: [HLS 200-790] **** Loop Constraint Status: All loop constraints were satisfied.",
        "INFO: [HLS 200-789] **** Estimated Fmax: 411.02 MHz")  # fmt: skip
    design.synthesized_here = True


def need_synthesis(results: Path) -> None:
    if not (results / "syn" / "report" / "csynth.xml").is_file():
        say(
            "ERROR: [COSIM 212-40] C/RTL co-simulation cannot be started, possible causes: 1) Synthesis was not successful;"
        )
        sys.exit(1)


def cosim(design: Design, results: Path, mode: str) -> None:
    need_synthesis(results)
    folder = results / "sim" / "report"
    folder.mkdir(parents=True, exist_ok=True)
    passed = mode != "fails"
    (folder / f"{design.top}_cosim.rpt").write_text(cosim_rpt("Pass" if passed else "Fail"))
    say(f"INFO: [COSIM 212-1000] *** C/RTL co-simulation finished: {'PASS' if passed else 'FAIL'} ***")


def export(design: Design, results: Path, mode: str) -> None:
    need_synthesis(results)
    Path(design.output).write_bytes(b"PK\x03\x04 kernel")
    component = results / "impl" / "ip" / "component.xml"
    component.parent.mkdir(parents=True, exist_ok=True)
    component.write_text("<component/>")
    say("INFO: [HLS 200-802] Generated output file")


def implement(design: Design, results: Path, mode: str) -> None:
    need_synthesis(results)
    folder = results / "impl" / "report" / "verilog"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "export_impl.xml").write_text(export_xml(design, met=mode != "not_met"))
    extra = results / "impl" / "verilog" / "report"
    extra.mkdir(parents=True, exist_ok=True)
    if design.part.startswith("xcu280"):
        copy("power_routed.rpt", extra / f"{design.top}_power_routed.rpt")
    (extra / f"{design.top}_utilization_routed.rpt").write_text("cut off")


def vitis_hls(arguments: list[str]) -> None:
    """`vitis_hls -f script.tcl`."""
    say(f"****** Vitis HLS - High-Level Synthesis from C, C++ and OpenCL v{VERSION} (64-bit)")
    design, project, solution = Design(), Path(), Path()
    for line in Path(arguments[1]).read_text().splitlines():
        words = [one or other for one, other in re.findall(r"\{([^}]*)\}|(\S+)", line)]
        command = words[0] if words else ""
        if command == "open_project":
            project = Path(words[-1])
            if "-reset" in words and project.exists():
                import shutil

                shutil.rmtree(project)
            if (project / "hls.app").is_file():
                design.load(project / "hls.app")
        elif command == "set_top":
            design.top = words[1]
        elif command == "add_files":
            design.sources.append(words[words.index("-cflags") - 1])
        elif command == "open_solution":
            solution = project / words[-1]
            design.flow = words[words.index("-flow_target") + 1]
        elif command == "set_part":
            design.part = words[1]
        elif command == "create_clock":
            design.period_ns = words[words.index("-period") + 1]
        elif command.endswith("_design"):
            options = dict(pairwise(words))
            design.argument, design.output = options.get("-argv", ""), options.get("-output", "")
            step = command.removesuffix("_design")
            run("impl" if step == "export" and options.get("-flow") == "impl" else step, design, solution)
            design.save(project / "hls.app")
        elif command == "exit":
            return
        elif command:
            say(f'invalid command name "{command}"')
            sys.exit(1)


def unified(name: str, arguments: list[str]) -> None:
    """`v++ -c --mode hls ...` and `vitis-run --mode hls --csim|--cosim|--package|--impl ...`."""
    say(f"****** {name} v{VERSION} (64-bit)", f"  **** HLS Build v{VERSION} 5238294")
    options = dict(zip(arguments, [*arguments[1:], ""], strict=True))
    if "-l" in options:
        link(Path(options["--temp_dir"]), Path(options["-o"]), Path(arguments[-1]))
        return
    if options["--mode"] != "hls":
        sys.exit(2)
    design, values = Design(), {}
    for line in Path(options["--config"]).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals:
            values[key] = value
            if key.endswith(".file") and key.startswith(("syn", "tb")):
                design.sources.append(value)
    design.top, design.part, design.flow = values["syn.top"], values["part"], values["flow_target"]
    design.period_ns, design.output = values["clock"].removesuffix("ns"), values["package.output.file"]
    design.argument = values["csim.argv"]
    flags = {"--csim": "csim", "--cosim": "cosim", "--package": "export", "--impl": "impl", "-c": "csynth"}
    step = next(step for flag, step in flags.items() if flag in options)
    if (step == "csynth") != (name == "v++"):
        say(f"ERROR: [{name} 60-1] wrong tool for {step}")
        sys.exit(1)
    run(step, design, Path(options["--work_dir"]) / "hls")


def link(folder: Path, output: Path, kernel: Path) -> None:
    design = Design()
    design.top = output.stem
    with Path(os.environ["STAND_IN_CALLS"]).open("a") as calls:
        calls.write(f"link {design.top}\n")
    mode = MODES.get("link", "ok")
    misbehave(mode, design, "link")
    if not kernel.is_file():
        say(f"ERROR: [v++ 60-602] Source file does not exist: {kernel}")
        sys.exit(1)
    reports = folder / "link" / "vivado" / "vpl" / "prj" / "prj.runs" / "impl_1"
    reports.mkdir(parents=True, exist_ok=True)
    copy("accelerator_routed.rpt", reports / "kernel_util_routed.rpt")
    copy("utilization_slr_routed.rpt", reports / "slr_util_routed.rpt")
    timing = "timing_not_met.rpt" if mode == "not_met" else "timing_met.rpt"
    copy(timing, reports / "dr_timing_summary.rpt")
    if mode != "no_report":
        output.write_bytes(b"xclbin2")


def slashkit(arguments: list[str]) -> None:
    """`slashkit link -c config -p hw -k component.xml -o out.vbin`."""
    options = dict(zip(arguments, [*arguments[1:], ""], strict=True))
    with Path(os.environ["STAND_IN_CALLS"]).open("a") as calls:
        calls.write(f"link {Path(options['-o']).stem}\n")
    if not Path(options["-k"]).is_file():
        say("no component")
        sys.exit(1)
    Path(options["-o"]).write_bytes(b"vbin")


if __name__ == "__main__":
    tool, *given = sys.argv[1:]
    if tool == "vitis_hls":
        vitis_hls(given)
    elif tool == "slashkit":
        slashkit(given)
    else:
        unified(tool, given)
