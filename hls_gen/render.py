"""From a ProjectPlan to the text of its files. Templates hold text only; the same plan gives the same bytes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

import jinja2

from hls_gen.planning.types import ProjectPlan
from hls_gen.toolchain.flags import CSIM_FLAGS, CXX_FLAGS, FAST_FLAGS, WHOLE_MODEL_FLAGS
from spec.module_choices import NonlinearFormat
from spec.workload import STAGES

# What a value may consist of: names, numbers, laws, compiler flags, a memory bank. Nothing here ends a comment or a string
# of C++, starts a substitution of Tcl or make, or a link of Markdown, whatever a user called a model or a port.
_HARMLESS = re.compile(r"[A-Za-z0-9_ .,;:=+()/-]*(\[[0-9]+\])?")


def _checked(value: Any) -> Any:
    """The value as it may be printed into C++, Tcl, make, a configuration file or Markdown."""
    text = str(value)
    if isinstance(value, bool) or value is None or not _HARMLESS.fullmatch(text) or "//" in text:
        raise ValueError(f"a template prints {text!r}, which is not safe in every language that it may stand in")
    return value


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("hls_gen", "templates"),
        undefined=jinja2.StrictUndefined,
        finalize=_checked,
        autoescape=False,  # C++ and Tcl, not HTML: every value passes _checked
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _tree(folder: Traversable, prefix: str, suffix: str) -> dict[str, str]:
    found = {}
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            found.update(_tree(entry, f"{prefix}/{entry.name}", suffix))
        elif entry.name.endswith(suffix):
            found[f"{prefix}/{entry.name}"] = entry.read_text(encoding="utf-8")
    return found


def library_headers() -> dict[str, str]:
    """Path in a project -> text, of the library and of the testbenches' shared header."""
    library = files("hls_gen") / "library"
    return {
        **_tree(library / "include" / "flexdse_hls", "include/flexdse_hls", ".hpp"),
        **_tree(library / "testbench", "tb", ".hpp"),
        **_tree(library / "host", "host", ".cpp"),
        **_tree(library / "host", "host", ".hpp"),
    }


# Headers that only the projects have which call them: a header that is added later leaves the others' files as they were.
_CALLED_BY_SOME: dict[str, Callable[[ProjectPlan], bool]] = {
    "include/flexdse_hls/join_beats.hpp": lambda plan: plan.prefill.joins_beats,
    **{
        f"include/flexdse_hls/hmt/{name}.hpp": lambda plan: plan.prefill.hmt is not None
        for name in ("fp32_engine", "memory_queue", "retrieval", "steps", "window")
    },
}

_REAL_HEADER, _REAL_LINE = "include/flexdse_hls/real.hpp", "using real = {};"


def real_header(text: str, number_format: NonlinearFormat) -> str:
    """real.hpp of a project: its one line that names the number format."""
    of_library, of_project = (
        _REAL_LINE.format("float"),
        _REAL_LINE.format({"fp32": "float"}.get(number_format, number_format)),
    )
    assert text.count(of_library) == 1
    return text.replace(of_library, of_project)


def render(plan: ProjectPlan) -> dict[str, str]:
    """Path in the project -> text, of every text file but the manifest."""
    environment = _environment()
    values: dict[str, Any] = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}
    values.update(
        cxx_flags=" ".join(CXX_FLAGS),
        csim_flags=" ".join(CSIM_FLAGS),
        fast_flags=" ".join(FAST_FLAGS),
        whole_model_flags=" ".join(WHOLE_MODEL_FLAGS),
        norm_epsilon=f"{plan.model.rms_norm_eps!r}f",
    )

    def text(template: str, **more: Any) -> str:
        return environment.get_template(f"{template}.j2").render({**values, **more})

    rendered = {"README.md": text("README.md"), "Makefile": text("Makefile"), "include/config.hpp": text("config.hpp")}
    rendered["host/design.hpp"] = text("design.hpp")
    rendered["host/host.cpp"] = text("host.cpp")
    rendered["host/fake_kernels.cpp"] = text("fake_kernels.cpp")
    for stage in STAGES:
        kernel = plan.prefill.kernel if stage == "prefill" else plan.decode.kernel
        rendered[f"src/{stage}.hpp"] = text(f"{stage}.hpp")
        rendered[f"src/{stage}_modules.hpp"] = text(f"{stage}_modules.hpp")
        rendered[f"src/{stage}_interface.inc"] = text(f"{stage}_interface.inc")
        rendered[f"src/{stage}.cpp"] = text(f"{stage}.cpp")
        rendered[f"tb/{stage}_tb.cpp"] = text(f"{stage}_tb.cpp")
        rendered[f"vitis/{stage}.tcl"] = text("vitis.tcl", kernel=kernel)
        rendered[f"vitis/{stage}_hls_config.cfg"] = text("hls_config.cfg", kernel=kernel)
        rendered[f"vitis/{stage}.cfg"] = text("connectivity.cfg", kernels=(kernel,))
    if plan.prefill.hmt is not None:
        rendered["src/prefill_hmt.hpp"] = text("prefill_hmt.hpp")
    if plan.deployment == "co_resident":
        rendered["vitis/accelerator.cfg"] = text("connectivity.cfg", kernels=(plan.prefill.kernel, plan.decode.kernel))
    headers = library_headers()
    for name, is_called in _CALLED_BY_SOME.items():
        if not is_called(plan):
            del headers[name]
    headers[_REAL_HEADER] = real_header(headers[_REAL_HEADER], plan.nonlinear_format)
    return {**rendered, **headers}
