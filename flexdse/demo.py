"""`make demo`: the whole chain on real input, then the dashboard until Ctrl-C (DEMO_ONCE=1: exit when done)."""

from __future__ import annotations

import os
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flexdse.console import emit, note, report_error, table
from flexdse.stopping import EXIT_INTERRUPTED, Terminated, stoppable
from flexdse.usage import system_error
from spec.errors import FlexDSEError

if TYPE_CHECKING:
    from spec.design_point import DecodeDesign, PrefillDesign

MODEL, DEVICE, DESIGN = "llama-3.2-1b", "u280", "flexllm-u280"
PROMPT_TOKENS, OUTPUT_TOKENS = 1024, 1024
HOME = Path("build/demo")
POLL_S = 0.25
WAIT_S = 600.0


def _parameters(stage: str, design: PrefillDesign | DecodeDesign) -> list[str]:
    """The numbers of a stage, and those of its module choices that are not FlexLLM's."""
    values = design.model_dump(mode="json")
    chosen, usual = values.pop("modules"), type(design.modules)().model_dump(mode="json")
    values |= {name: value for name, value in chosen.items() if value != usual[name]}
    text = f"{stage}: {', '.join(f'{name} {value}' for name, value in values.items())}"
    return textwrap.wrap(text, 108, initial_indent="  ", subsequent_indent="    ")


def main() -> int:
    """Run the demo; the exit code of the process."""
    once = os.environ.get("DEMO_ONCE", "") not in ("", "0")
    try:
        with stoppable():
            return run(once)
    except (KeyboardInterrupt, Terminated):
        note("\nstopped")
        return 0 if not once else EXIT_INTERRUPTED
    except FlexDSEError as error:
        report_error(error, as_json=False)
        return error.exit_code
    except OSError as error:
        report_error(system_error(error), as_json=False)
        return FlexDSEError.exit_code


def run(once: bool) -> int:
    """Explore through the service, generate and prove the knee design, and stay up unless `once`."""
    import httpx

    from flexdse.serve import start_background

    started = time.monotonic()
    HOME.mkdir(parents=True, exist_ok=True)
    with start_background(home=HOME / "home", log=HOME / "serve.log") as service:
        emit(f"FlexDSE at {service.address.login_url()}")
        emit(f"exploring {MODEL} on {DEVICE}: {PROMPT_TOKENS} tokens in, {OUTPUT_TOKENS} out, exact")
        try:
            # trust_env: a proxy of the company must not get requests to this very machine.
            with httpx.Client(
                base_url=service.url, headers=service.address.headers, timeout=30, trust_env=False
            ) as client:
                exploration = _explored(client)
                front = _ok(client.get(f"/api/v1/explorations/{exploration['id']}/front"))
        except httpx.HTTPError as error:
            raise FlexDSEError(f"the service does not answer: {error}", hint=f"look into {HOME}/serve.log") from error
        passed = _show_and_prove(front, exploration)
        emit()
        emit(f"results:   {HOME}/exploration (front.parquet, front.json, exploration.json, report.html)")
        emit(f"project:   {HOME}/project (HLS sources, testbench, golden vectors, Vitis scripts)")
        emit(f"database:  {HOME}/home")
        page = service.address.login_url(f"/explorations/{exploration['id']}")
        emit(f"dashboard: {page}")
        emit(f"{time.monotonic() - started:.1f} s in all")
        if not once and passed:
            emit("Ctrl-C stops it")
            while True:
                time.sleep(3600)
    return 0 if passed else 1


def _ok(response: Any) -> Any:
    if response.is_error:
        raise FlexDSEError(f"the service answered {response.status_code}: {response.text[:500]}")
    return response.json()


def _explored(client: Any) -> dict[str, Any]:
    body = {
        "name": "demo",
        "model": MODEL,
        "device": DEVICE,
        "workload": {"prompt_tokens": PROMPT_TOKENS, "output_tokens": OUTPUT_TOKENS},
        "method": "exact",
    }
    exploration = _ok(client.post("/api/v1/explorations", json=body))
    deadline = time.monotonic() + WAIT_S
    show = _progress_line()
    while exploration["state"] in ("queued", "running"):
        if time.monotonic() > deadline:
            raise FlexDSEError("the exploration did not end in time", hint=f"look into {HOME}/serve.log")
        time.sleep(POLL_S)
        exploration = _ok(client.get(f"/api/v1/explorations/{exploration['id']}"))
        show(exploration.get("progress"))
    show(None)
    if exploration["state"] != "succeeded":
        raise FlexDSEError(f"the exploration {exploration['state']}: {exploration.get('error')}")
    return dict(exploration)


def _progress_line() -> Callable[[dict[str, Any] | None], None]:
    live = sys.stderr.isatty()

    def show(progress: dict[str, Any] | None) -> None:
        if not live:
            return
        text = ""
        if progress:
            total = progress["total"] or 1
            text = (
                f"{progress['phase']}: {progress['evaluations'] / total:4.0%}, "
                f"{progress['designs_per_s']:,.0f} designs/s, front {len(progress['front'])}"
            )
        sys.stderr.write(f"\r\033[K{text}")
        sys.stderr.flush()

    return show


def _show_and_prove(front: dict[str, Any], exploration: dict[str, Any]) -> bool:
    """Print the front, write its files, generate the knee design's project and run its C simulation."""
    from cost_models.report import evaluate_point
    from dse.shortlist import shortlist
    from flexdse.commands.explore import print_front
    from flexdse.exploration_files import save_exploration
    from flexdse.figures import figure
    from flexdse.front_door import exploration_request
    from hls_gen.project import generate_project
    from hls_gen.toolchain.csim import run_csim
    from spec.catalog import load_design
    from spec.exploration_result import ExplorationResult
    from spec.strict import validate

    request = exploration_request(model=MODEL, device=DEVICE, prompt_tokens=PROMPT_TOKENS, output_tokens=OUTPUT_TOKENS)
    entries = [{"design": e["design"], "metrics": e["metrics"]} for e in front["entries"]]
    result = validate(
        ExplorationResult,
        {
            "request": request.model_dump(mode="json", by_alias=True),
            "front": entries,
            "record": exploration["record"],
        },
    )
    print_front(result)
    save_exploration(result, HOME / "exploration", force=True)
    names = request.objectives
    pick = shortlist(result.front, names, 1)[0]
    chosen = result.front[pick.index]
    published = evaluate_point(load_design(DESIGN), request.model, request.device, request.workload)
    emit()
    emit(f"chosen: {chosen.design.canonical_key()} ({pick.reason})")
    for stage in ("prefill", "decode"):
        for line in _parameters(stage, getattr(chosen.design, stage)):
            emit(line)
    rows = [[name, figure(name, chosen.metrics[name]), figure(name, published.metrics[name])] for name in names]
    emit()
    emit(table(rows, ["by the same model", "chosen", "FlexLLM's own"]))
    emit()
    project = generate_project(
        chosen.design, request.model, request.device, request.workload, HOME / "project", force=True
    )
    report = run_csim(project)
    emit(report.summary_line())
    return report.passed


if __name__ == "__main__":
    sys.exit(main())
