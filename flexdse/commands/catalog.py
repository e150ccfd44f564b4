"""`flexdse devices|models|designs list|show NAME` and `flexdse schema NAME`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flexdse.console import emit, emit_json, table
from flexdse.options import AsJson

devices = typer.Typer(help="FPGA cards of the catalog; alone it lists them.")
models = typer.Typer(help="Models of the catalog; alone it lists them.")
designs = typer.Typer(help="Published designs of the catalog; alone it lists them.")

Name = Annotated[str, typer.Argument(help="Catalog name, or a file.")]


def _document(schema: str, value: Any) -> dict[str, Any]:
    from spec.documents import envelope

    data = value.model_dump(mode="json", by_alias=True)
    data.pop("schema", None)
    return {**envelope(schema), **data}


def _show(data: dict[str, Any], sources: dict[str, str], prefix: str = "") -> None:
    for key, value in data.items():
        path = f"{prefix}{key}"
        if key == "sources":
            continue
        if isinstance(value, dict):
            emit(f"{path}:")
            _show(value, sources, f"{path}.")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for i, item in enumerate(value):
                emit(f"{path}[{i}]:")
                _show(item, sources, f"{path}[{i}].")
        else:
            source = sources.get(path, "")
            emit(f"  {path} = {value}" + (f"    [{source}]" if source else ""))


@devices.callback(invoke_without_command=True)
def devices_alone(context: typer.Context, as_json: AsJson = False) -> None:
    """List them."""
    if context.invoked_subcommand is None:
        list_devices(as_json)


@devices.command("list")
def list_devices(as_json: AsJson = False) -> None:
    """Cards with their main figures."""
    from spec.catalog import load_device, names
    from spec.documents import envelope

    found = [load_device(name) for name in names("devices")]
    if as_json:
        emit_json({**envelope("devices/v1"), "devices": [{"name": d.name, "title": d.title} for d in found]})
        return
    rows = []
    for device in found:
        total, hbm = device.total, device.hbm
        bandwidth = f"{hbm.channels} x {hbm.channel_sustained_bytes_per_s / 1e9:.2f} GB/s" if hbm else "-"
        rows.append([device.name, f"{total.lut:,}", f"{total.dsp:,} {device.dsp_kind}", f"{total.bram_18k:,}",
                     f"{total.uram:,}", bandwidth])  # fmt: skip
    emit(table(rows, ["device", "LUT", "DSP", "BRAM18", "URAM", "HBM sustained"], ["HBM sustained"]))


@devices.command("show")
def show_device(name: Name, as_json: AsJson = False) -> None:
    """Every number of a card with its source."""
    from spec.catalog import resolve_device

    device = resolve_device(name)
    document = _document("device/v1", device)
    emit_json(document) if as_json else _show(device.model_dump(mode="json", by_alias=True), device.sources)


@models.callback(invoke_without_command=True)
def models_alone(context: typer.Context, as_json: AsJson = False) -> None:
    """List them."""
    if context.invoked_subcommand is None:
        list_models(as_json)


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Models with their shapes."""
    from spec.catalog import load_model, names
    from spec.documents import envelope

    found = [load_model(name) for name in names("models")]
    if as_json:
        emit_json({**envelope("models/v1"), "models": [{"name": m.name, "title": m.title} for m in found]})
        return
    rows = [
        [m.name, f"{m.parameters / 1e6:,.0f} M", str(m.n_layers), str(m.hidden_dim), f"{m.n_q_heads}/{m.n_kv_heads}",
         str(m.ffn_dim), f"{m.vocab_size:,}"]
        for m in found
    ]  # fmt: skip
    emit(table(rows, ["model", "parameters", "layers", "hidden", "Q/KV heads", "FFN", "vocabulary"]))


@models.command("show")
def show_model(name: Name, as_json: AsJson = False) -> None:
    """Every number of a model with its source."""
    from spec.catalog import resolve_model

    model = resolve_model(name)
    emit_json(_document("model/v1", model)) if as_json else _show(
        model.model_dump(mode="json", by_alias=True), model.sources
    )


@designs.callback(invoke_without_command=True)
def designs_alone(context: typer.Context, as_json: AsJson = False) -> None:
    """List them."""
    if context.invoked_subcommand is None:
        list_designs(as_json)


@designs.command("list")
def list_designs(as_json: AsJson = False) -> None:
    """Published designs."""
    from spec.catalog import load_published_design, names
    from spec.documents import envelope

    found = [load_published_design(name) for name in names("designs")]
    if as_json:
        entries = [{"name": d.name, "title": d.title, "device": d.device, "model": d.model} for d in found]
        emit_json({**envelope("designs/v1"), "designs": entries})
        return
    header = ["design", "device", "model", "what"]
    emit(table([[d.name, d.device, d.model, d.title] for d in found], header, header))


@designs.command("show")
def show_design(name: Name, as_json: AsJson = False) -> None:
    """A published design: parameters, memory map, measurements, sources."""
    from spec.catalog import load_published_design, names, resolve_design

    file = name.rpartition("#")[0] or name  # front.json#3: entry 3 of a front
    if name in names("designs") or not file.endswith((".json", ".yaml", ".yml")):
        published = load_published_design(name)
        if as_json:
            emit_json(_document("published-design/v1", published))
        else:
            _show(published.model_dump(mode="json", by_alias=True), published.sources)
        return
    point = resolve_design(name)
    emit_json(_document("design/v1", point)) if as_json else _show(point.model_dump(mode="json", by_alias=True), {})


def schema(
    name: Annotated[str, typer.Argument(help="device, model, design, exploration-request, cost-report, ...")],
    as_json: AsJson = False,
) -> None:
    """The JSON Schema of one of our documents; with and without --json."""
    from pydantic import BaseModel

    from spec.calibration import CalibrationTable, MeasurementFile
    from spec.cost_report import CostReport
    from spec.csim_report import CsimReport
    from spec.design_point import DesignPoint
    from spec.device import Device
    from spec.errors import UnknownNameError
    from spec.exploration import ExplorationRequest
    from spec.exploration_result import ExplorationResult
    from spec.model_config import ModelConfig
    from spec.simulation_report import SimulationReport
    from spec.synthesis_report import SynthesisReport, SynthesisStepReport
    from spec.workload import Workload

    known: dict[str, type[BaseModel]] = {
        "calibration": CalibrationTable,
        "cost-report": CostReport,
        "csim-report": CsimReport,
        "design": DesignPoint,
        "device": Device,
        "exploration-request": ExplorationRequest,
        "exploration-result": ExplorationResult,
        "measurements": MeasurementFile,
        "model": ModelConfig,
        "simulation-report": SimulationReport,
        "synthesis-report": SynthesisReport,
        "synthesis-step-report": SynthesisStepReport,
        "workload": Workload,
    }
    if name not in known:
        raise UnknownNameError("schema", name, known)
    emit_json(known[name].model_json_schema(by_alias=True))
