"""The commands of each step, and the scripts that they read: Tcl for vitis_hls, a configuration for v++ and vitis-run."""

from __future__ import annotations

from pathlib import Path

from hls_gen.toolchain.flags import CXX_FLAGS
from hls_gen.toolchain.vitis.find import Vitis, require_linker
from hls_gen.toolchain.vitis.jobs import KernelJob
from spec.synthesis_report import SynthesisStep

SOLUTION = "solution"
_TCL_COMMANDS: dict[SynthesisStep, str] = {
    "csim": "csim_design -argv {%(project)s}",
    "csynth": "csynth_design",
    "cosim": "cosim_design -rtl verilog -tool xsim -argv {%(project)s}",
    "export": "export_design -rtl verilog -format %(format)s -output {%(output)s}",
    "impl": "export_design -flow impl -rtl verilog -format %(format)s -output {%(scratch)s}",
}
_RUN_FLAGS: dict[SynthesisStep, str] = {"csim": "--csim", "cosim": "--cosim", "export": "--package", "impl": "--impl"}


def tool_folder(job: KernelJob, step: SynthesisStep) -> Path:
    """Where the HLS tool keeps its project. C simulation has its own, so that it never resets a synthesis."""
    return job.folder / ("csim" if step == "csim" else "hls")


def results_folder(job: KernelJob, step: SynthesisStep, vitis: Vitis) -> Path:
    """Where a step leaves syn/, sim/ and impl/."""
    if step == "link":
        return job.folder / "link"
    return tool_folder(job, step) / (SOLUTION if vitis.generation == "vitis_hls" else "hls")


def script_text(job: KernelJob, step: SynthesisStep, vitis: Vitis, *, with_csynth: bool = False) -> str:
    """The script of a step, the same text for the same job; empty for link.

    `with_csynth`: synthesize again first, for a tool that forgot the synthesis of an earlier run.
    """
    if step == "link":
        return ""
    return _tcl(job, step, with_csynth) if vitis.generation == "vitis_hls" else _config(job)


def _flags(job: KernelJob, *folders: str) -> str:
    return " ".join([*CXX_FLAGS, *(f"-I{job.project / folder}" for folder in folders)])


def _testbench_flags(job: KernelJob) -> str:
    return f"{_flags(job, 'include', 'src', 'tb')} -Wno-unknown-pragmas"


def _tcl(job: KernelJob, step: SynthesisStep, with_csynth: bool) -> str:
    fresh = step in ("csim", "csynth")
    reset = "-reset " if fresh else ""
    lines = [f"open_project {reset}{tool_folder(job, step).name}"]
    if fresh:
        lines += [
            f"set_top {job.kernel}",
            f"add_files {{{job.project / 'src' / job.kernel}.cpp}} -cflags {{{_flags(job, 'include')}}}",
            f"add_files -tb {{{job.project / 'tb' / job.kernel}_tb.cpp}} -cflags {{{_testbench_flags(job)}}}",
        ]
    lines.append(f"open_solution {reset}-flow_target {job.flow} {SOLUTION}")
    if fresh:
        lines += [f"set_part {{{job.part}}}", f"create_clock -period {job.period_ns} -name default"]
    if with_csynth:
        lines.append("csynth_design")
    values = {
        "project": job.project,
        "format": job.export_format,
        "output": job.kernel_object,
        "scratch": job.folder / f"impl{job.kernel_object.suffix}",
    }
    return "\n".join([*lines, _TCL_COMMANDS[step] % values, "exit", ""])


def _config(job: KernelJob) -> str:
    lines = [
        f"part={job.part}",
        "",
        "[hls]",
        f"flow_target={job.flow}",
        f"clock={job.period_ns}ns",
        f"syn.top={job.kernel}",
        f"syn.file={job.project / 'src' / job.kernel}.cpp",
        f"syn.cflags={_flags(job, 'include')}",
        f"tb.file={job.project / 'tb' / job.kernel}_tb.cpp",
        f"tb.cflags={_testbench_flags(job)}",
        f"csim.argv={job.project}",
        f"cosim.argv={job.project}",
        "package.output.syn=false",  # packaging is a step of its own
        f"package.output.format={job.export_format}",
        f"package.output.file={job.kernel_object}",
        "vivado.flow=impl",
        "vivado.rtl=verilog",
    ]
    return "\n".join([*lines, ""])


def script_path(job: KernelJob, step: SynthesisStep, vitis: Vitis) -> Path:
    """Where the script of a step stands."""
    return job.folder / (f"{step}.tcl" if vitis.generation == "vitis_hls" else "hls_config.cfg")


def step_command(job: KernelJob, step: SynthesisStep, vitis: Vitis) -> list[str]:
    """The command of a step; it runs in the kernel's folder.

    Raises:
        ToolNotFoundError: the linker of the card is missing.
    """
    if step == "link":
        return _link_command(job, vitis)
    if vitis.generation == "vitis_hls":
        return [str(vitis.hls.path), "-f", str(script_path(job, step, vitis))]
    where = ["--config", str(script_path(job, step, vitis)), "--work_dir", str(tool_folder(job, step))]
    if step == "csynth":
        assert vitis.compiler is not None
        return [str(vitis.compiler.path), "-c", "--mode", "hls", *where]
    return [str(vitis.hls.path), "--mode", "hls", _RUN_FLAGS[step], *where]


def linked_file(job: KernelJob) -> Path:
    """What link makes: what the card's driver loads."""
    return job.folder / f"{job.kernel}{'.vbin' if job.is_versal else '.xclbin'}"


def _link_command(job: KernelJob, vitis: Vitis) -> list[str]:
    connectivity = str(job.project / "vitis" / f"{job.stage}.cfg")
    if job.is_versal:  # SLASH on AVED
        linker = require_linker("slashkit", "the V80")
        component = tool_folder(job, "export") / (SOLUTION if vitis.generation == "vitis_hls" else "hls")
        core = str(component / "impl" / "ip" / "component.xml")
        return [str(linker), "link", "-c", connectivity, "-p", "hw", "-k", core, "-o", str(linked_file(job))]
    linker = vitis.compiler.path if vitis.compiler else require_linker("v++", "Alveo cards")
    folders = ["--temp_dir", str(results_folder(job, "link", vitis)), "--save-temps"]
    return [str(linker), "-l", "-t", "hw", "--config", connectivity, *folders, "-o", str(linked_file(job)),
            str(job.kernel_object)]  # fmt: skip
