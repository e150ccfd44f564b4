"""Measurements of built or simulated designs, and the CalibrationTable fitted on them: data that travels, no code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from spec.attached_report import Lineage
from spec.cost_report import ErrorBand
from spec.device import Device
from spec.errors import InputError, UnknownNameError
from spec.strict import StrictModel
from spec.versions import FLEXDSE_VERSION
from spec.workload import Stage

# Fidelities of a measured value, in rising order of what they say of the chip. Never mixed in one column.
MeasuredProvenance = Literal["timed_sim", "open_synthesis", "csynth", "cosim", "post_route", "board"]
MEASURED_PROVENANCES: tuple[MeasuredProvenance, ...] = get_args(MeasuredProvenance)

# `cycles` and `latency_s` of the mean decode step after the first, or of the whole prefill; `power_w` of the board
# during the stage; resources of the stage's kernel, shell not included.
CalibratedMetric = Literal["cycles", "latency_s", "lut", "ff", "dsp", "bram_18k", "uram", "power_w"]

TIME_METRICS = ("cycles", "latency_s")  # two spellings of one column
MODULE_METRICS = ("cycles", "dsp")  # what the cost models split by module

# A factor beyond this is worth a look: no band of the models is as wide. Our choice.
FAR = 1.5

# A ratio beyond this is a slip of unit (ms for s) or of design, not an error of a model.
MAX_RATIO = 100.0

Name = Annotated[str, Field(min_length=1, max_length=100)]
Module = Annotated[
    str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$", description="module of the breakdown; null: all of it")
]
DeviceDigest = Annotated[
    str | None,
    Field(pattern=r"^[0-9a-f]{16}$", description="content digest of the device document; null: only its name is known"),
]
DesignKey = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$", description="DesignPoint.canonical_key()")]
Source = Annotated[str, Field(min_length=1, max_length=1000, description="report, run or publication of the value")]


def column(metric: CalibratedMetric) -> str:
    """The column that a metric belongs to: cycles and seconds share one."""
    return "time" if metric in TIME_METRICS else metric


def _refuse_module_metric(module: str | None, metric: str) -> None:
    if module is not None and metric not in MODULE_METRICS:
        raise InputError(
            f"{metric} of a module cannot be calibrated: the cost models do not split it by module",
            field="metric",
            value=metric,
            rule=f"of a module: one of {', '.join(MODULE_METRICS)}",
            hint="measure the whole stage (module: null)",
        )


def _refuse_foreign_metric(provenance: MeasuredProvenance, metric: CalibratedMetric) -> None:
    """A simulation measures time alone, an open synthesis everything but time and power; C synthesis knows no power."""
    if provenance == "csynth" and metric == "power_w":
        raise InputError(
            "csynth does not measure power_w",
            field="metric",
            value=metric,
            rule="of csynth: cycles, latency_s and resources",
            hint="take the power of a routed design or of a board",
        )
    simulated, mapped = provenance in ("timed_sim", "cosim"), provenance == "open_synthesis"
    if (simulated and metric not in TIME_METRICS) or (mapped and metric in (*TIME_METRICS, "power_w")):
        raise InputError(
            f"{provenance} does not measure {metric}",
            field="metric",
            value=metric,
            rule=f"of {provenance}: {', '.join(TIME_METRICS) if simulated else 'lut, ff, dsp, bram_18k, uram'}",
            hint="name the provenance that the value has",
        )


class Measurement(StrictModel):
    """One value that was measured, beside what the models of a stated version predicted for the same design.

    `measured` as the tool or the board gave it; `fit` alone takes csynth resources to post-route. A tool that gives a range
    (LUT and FF of an open synthesis): `measured` is its upper end, `measured_at_least` its lower one.
    """

    provenance: MeasuredProvenance
    device: Name
    model_version: Name
    timing_table_version: Name
    design_key: DesignKey
    stage: Stage
    module: Module | None
    metric: CalibratedMetric
    predicted: float
    measured: float
    measured_at_least: Annotated[float | None, Field(description="lower end of a range; null: one value")] = None
    device_digest: DeviceDigest = None
    source: Source
    lineage: Annotated[
        Lineage | None, Field(description="design, project, run and report; null: not from a project")
    ] = None

    @field_validator("predicted", "measured", "measured_at_least")
    @classmethod
    def _positive(cls, value: float | None, info: object) -> float | None:
        if value is not None and not 0.0 < value < float("inf"):
            raise InputError(
                f"{getattr(info, 'field_name', 'value')} is not a positive number",
                field=str(getattr(info, "field_name", "value")),
                value=value,
                rule="finite and > 0: a factor is a ratio of the two",
                hint="leave out what was not measured, or what is zero in the design",
            )
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Measurement:
        _refuse_module_metric(self.module, self.metric)
        _refuse_foreign_metric(self.provenance, self.metric)
        if self.measured_at_least is not None and self.measured_at_least > self.measured:
            raise InputError(
                "the lower end of a measured range is above the upper one",
                field="measured_at_least",
                value=self.measured_at_least,
                rule=f"at most measured = {self.measured:g}",
                hint="exchange the two, or leave measured_at_least out",
            )
        if not 1 / MAX_RATIO <= self.measured / self.predicted <= MAX_RATIO:
            raise InputError(
                f"measured and predicted {self.metric} are a factor of {MAX_RATIO:g} or more apart",
                field="measured",
                value=self.measured,
                rule=f"within a factor of {MAX_RATIO:g} of predicted = {self.predicted:g}",
                hint="check the units (cycles, s, counts, W) and that both are of the same design",
            )
        return self

    @property
    def nearest(self) -> float:
        """The measured value that is nearest to the predicted one: a range that holds the prediction says nothing against it."""
        if self.measured_at_least is None:
            return self.measured
        return min(max(self.predicted, self.measured_at_least), self.measured)


class MeasurementFile(StrictModel):
    """The document that `flexdse calibrate` reads."""

    schema_name: Annotated[Literal["flexdse/measurements/v1"], Field(alias="schema")]
    measurements: Annotated[tuple[Measurement, ...], Field(max_length=20_000)]

    @field_validator("measurements")
    @classmethod
    def _something(cls, value: tuple[Measurement, ...]) -> tuple[Measurement, ...]:
        # No `min_length`: it would count an item that is refused already as one that is missing.
        if not value:
            raise InputError("no measurements", field="measurements", value=[], rule="at least one", hint="list them")
        return value


class LeaveOneOut(StrictModel):
    """Mean and worst |model / measured - 1| of each design, by the model alone and by a fit on the other designs."""

    mean_relative_error_before: float
    mean_relative_error_after: float
    worst_relative_error_before: float
    worst_relative_error_after: float


class CalibrationEntry(StrictModel):
    """The factor of one (provenance, stage, module, metric) and the interval of value / truth - 1 after it.

    `relative_low`, `relative_high`: where the next design lies with the table's confidence. `uncalibrated_low`,
    `uncalibrated_high`: the same without the calibration. `designs` counts distinct designs: several readings of one
    design are one datum.
    """

    provenance: MeasuredProvenance
    stage: Stage
    module: Module | None
    metric: CalibratedMetric
    factor: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    relative_low: Annotated[float, Field(gt=-1, le=0)]
    relative_high: Annotated[float, Field(ge=0)]
    uncalibrated_low: Annotated[float, Field(gt=-1, le=0)]
    uncalibrated_high: Annotated[float, Field(ge=0)]
    route_factor: Annotated[
        float | None, Field(description="csynth to post-route, published, applied to the measured values; null: none")
    ]
    designs: Annotated[int, Field(ge=1)]
    measurements: Annotated[int, Field(ge=1)]
    of_projects: Annotated[
        bool,
        Field(description="measured on generated projects, priced as the generator builds them: granularity array"),
    ] = False
    floored: Annotated[
        bool,
        Field(description="band never narrower than uncalibrated: one design, ranges, or a tool that shares our laws"),
    ] = False
    design_keys: tuple[DesignKey, ...]
    sources: tuple[Source, ...]
    leave_one_out: LeaveOneOut | None
    missing: dict[str, str] = {}

    @model_validator(mode="after")
    def _consistent(self) -> CalibrationEntry:
        _refuse_module_metric(self.module, self.metric)
        return self

    @property
    def label(self) -> str:
        """What it is the factor of, in words."""
        return f"{self.stage}.{self.module} {self.metric}" if self.module else f"{self.stage} {self.metric}"

    @property
    def basis(self) -> str:
        """Where the band comes from, in words."""
        route = f", taken to post-route by x{self.route_factor:g}" if self.route_factor is not None else ""
        designs = "1 design" if self.designs == 1 else f"{self.designs} designs"
        floor = ", never narrower than uncalibrated" if self.floored or self.designs == 1 else ""
        return (
            f"calibrated on {self.provenance} of {designs}{floor}{route}: 90 % predictive interval of a further design"
        )

    @property
    def band(self) -> ErrorBand:
        """The calibrated error band of a further design."""
        return ErrorBand(relative_low=self.relative_low, relative_high=self.relative_high, basis=self.basis)


class CalibrationTable(StrictModel):
    """Factors for one device, model version and timing table. Nothing else may use them."""

    schema_name: Annotated[Literal["flexdse/calibration/v1"], Field(alias="schema")] = "flexdse/calibration/v1"
    flexdse_version: str = FLEXDSE_VERSION
    model_version: Name
    timing_table_version: Name
    device: Name
    device_digest: DeviceDigest = None
    confidence: Annotated[float, Field(ge=0.9, le=0.9, description="of every interval")] = 0.9
    entries: tuple[CalibrationEntry, ...]

    @model_validator(mode="after")
    def _each_entry_once(self) -> CalibrationTable:
        seen: set[tuple[str, str, str | None, str]] = set()
        for entry in self.entries:
            key = (entry.provenance, entry.stage, entry.module, entry.metric)
            if key in seen:
                raise InputError(
                    f"two factors of {entry.label}, {entry.provenance}",
                    field="entries",
                    value=entry.label,
                    rule="one entry for each provenance, stage, module and metric",
                    hint="fit again from the measurements instead of merging tables by hand",
                )
            seen.add(key)
        return self

    def key(self) -> str:
        """16 hex digits that are equal exactly for equal tables."""
        document = self.model_dump(mode="json", by_alias=True)
        if self.device_digest is None:  # tables of before there was one keep their key
            del document["device_digest"]
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def of(self, stage: Stage) -> Iterator[CalibrationEntry]:
        """The entries of one stage."""
        return (entry for entry in self.entries if entry.stage == stage)

    def find(self, stage: Stage, module: str | None, metric: CalibratedMetric) -> CalibrationEntry | None:
        """The entry of that stage, module and metric, of whatever provenance."""
        for entry in self.entries:
            if (entry.stage, entry.module, entry.metric) == (stage, module, metric):
                return entry
        return None

    def stage_time(self, stage: Stage) -> CalibrationEntry | None:
        """The entry that sets the time of a whole stage: seconds where they were measured, else cycles."""
        return self.find(stage, None, "latency_s") or self.find(stage, None, "cycles")

    def only(self, provenances: tuple[str, ...]) -> CalibrationTable:
        """The entries of those provenances.

        Raises:
            UnknownNameError: a provenance that the table does not have.
        """
        present = {entry.provenance for entry in self.entries}
        for name in provenances:
            if name not in present:
                raise UnknownNameError("provenance of this calibration", name, present, field="provenance")
        return self.model_copy(update={"entries": tuple(e for e in self.entries if e.provenance in provenances)})

    def warnings(self) -> list[str]:
        """What a person should look at before using the table: factors far outside the models' own band, mixed columns."""
        found = [] if self.device_digest is not None else [self.device_by_name_note]
        found += [
            f"{entry.label} x{entry.factor:.3g} ({entry.provenance}) is far from 1, where the models' own band is "
            f"{entry.uncalibrated_low:+.0%} .. {entry.uncalibrated_high:+.0%}: is each report of its design? {'; '.join(entry.sources)}"
            for entry in self.entries
            if not 1 / FAR <= entry.factor <= FAR
        ]
        for name, provenances in sorted(self._columns().items()):
            if len(provenances) > 1:
                keep = " or ".join(f"--provenance {one}" for one in provenances)
                found.append(
                    f"{name} has {' and '.join(provenances)}: evaluate takes one a column, fit again with {keep}"
                )
        return found

    @property
    def device_by_name_note(self) -> str:
        """What a table that knows no more than the name of its device cannot tell."""
        return (
            f"this calibration names its device, {self.device}, but not the numbers in its document: whether it is the card of "
            "this evaluation nobody can check; fit again to have it checked"
        )

    def _columns(self) -> dict[str, list[str]]:
        """The provenances of each column, in the order of the entries."""
        found: dict[str, list[str]] = {}
        for entry in self.entries:
            known = found.setdefault(column(entry.metric), [])
            if entry.provenance not in known:
                known.append(entry.provenance)
        return found

    def check_applies(self, device: Device, model_version: str, timing_table_version: str) -> None:
        """Refuse another device, model version or timing table, and two provenances in one column. Devices are compared by
        content, whatever they are called; by name where the table knows nothing else.

        Raises:
            InputError: naming the field, the value, the rule and a way out.
        """
        digest = device.content_digest()
        if self.device_digest is not None and self.device_digest != digest and self.device == device.name:
            raise InputError(
                f"the calibration was fitted on another device that is called {device.name} too",
                field="calibration.device_digest",
                value=digest,
                rule=f"device_digest = {self.device_digest}, as fitted: the numbers of the device document",
                hint="evaluate without a calibration, or fit one on measurements of this very device (their device_digest)",
            )
        same = self.device == device.name if self.device_digest is None else self.device_digest == digest
        for field, fitted, used in (
            ("device", device.name if same else self.device, device.name),
            ("model_version", self.model_version, model_version),
            ("timing_table_version", self.timing_table_version, timing_table_version),
        ):
            if fitted != used:
                raise InputError(
                    f"the calibration was fitted on another {field.replace('_', ' ')}",
                    field=f"calibration.{field}",
                    value=used,
                    rule=f"{field} = {fitted}, as fitted",
                    hint=f"fit one on measurements of {field} {used}, or evaluate without a calibration",
                )
        for name, provenances in self._columns().items():
            if len(provenances) > 1:
                raise InputError(
                    f"the calibration has {name} of two provenances, {' and '.join(provenances)}",
                    field="calibration.entries",
                    value=provenances,
                    rule="one provenance a column: they measure different things",
                    hint=f"keep one: flexdse calibrate --provenance {provenances[-1]}",
                )
