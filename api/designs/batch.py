"""Pricing up to a million designs at once: one design as the base, and columns for what differs from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from api.designs.processes import in_processes, process_count
from spec.calibration import CalibrationTable
from spec.context_limit import check_context
from spec.design_point import DECODE_PARAMETERS, PREFILL_PARAMETERS, DesignPoint
from spec.device import Device
from spec.errors import InputError, UnknownNameError
from spec.metrics import METRICS
from spec.model_config import ModelConfig
from spec.workload import Workload

if TYPE_CHECKING:
    import pyarrow as pa

    from spec.design_batch import DecodeBatch, DesignBatch, PrefillBatch, StagePlacements

MAX_DESIGNS = 1_000_000
MAX_JSON_ROWS = 100_000
MAX_JSON_DESIGNS = 1_000

PORT_BITS_COLUMN = "decode.weight_port_bits"
INTEGER_COLUMNS = (
    *(f"prefill.{name}" for name in PREFILL_PARAMETERS),
    *(f"decode.{name}" for name in DECODE_PARAMETERS),
    PORT_BITS_COLUMN,
)
CLOCK_COLUMNS = ("clock_target_mhz.prefill", "clock_target_mhz.decode")
COLUMNS = (*INTEGER_COLUMNS, *CLOCK_COLUMNS)

_MAX_INTEGER = 65_536  # as `spec.design_point.Parallelism`
_MAX_CLOCK_MHZ = 1_500.0  # as `spec.design_point.ClockMHz`
_PORT_BITS = (32, 64, 128, 256, 512, 1024)  # as `spec.memory_map.MemoryPort`
# A design of the catalog has some 60 ports. Laid out one by one, so these bound time and memory of a request.
_MAX_PORTS_OF_A_DESIGN = 1_024
_MAX_MEMORY_MAPS = 20_000
_ROWS_FOR_PROCESSES = 150_000  # below, starting and feeding them costs more than it saves


@dataclass(frozen=True, slots=True)
class _Part:
    """Some rows of a large batch, as a process of its own gets them."""

    base: DesignPoint
    columns: Mapping[str, Any]
    model: ModelConfig
    device: Device
    workload: Workload
    metrics: tuple[str, ...]
    calibration: CalibrationTable | None


@dataclass(frozen=True, slots=True)
class _Prices:
    """Arrays (n_points,) by metric, NaN where one is missing; why whole metrics are; the excess over the limits."""

    metrics: dict[str, Any]
    missing: dict[str, str]
    excess: Any


def evaluate_columns(
    base: DesignPoint,
    columns: Mapping[str, Any],
    model: ModelConfig,
    device: Device,
    workload: Workload,
    metrics: Sequence[str] | None = None,
    calibration: CalibrationTable | None = None,
) -> tuple[pa.Table, dict[str, str]]:
    """Metrics of the designs that are `base` but for `columns` (name -> array, all of one length).

    The memory of each design is spread over the card as the search does it. The table has the metrics, `feasible` and
    `excess`, the largest relative excess over a limit; second the reasons why metrics are missing.

    Raises:
        InputError: an unknown column, a value that no design can have, a workload that the model cannot hold.
    """
    import numpy as np

    names = _wanted(metrics)
    n = _checked_rows(columns)
    check_context(model, workload, base.hmt)
    if n < _ROWS_FOR_PROCESSES or process_count() < 2:
        prices = _price_part(_Part(base, columns, model, device, workload, names, calibration))
    else:
        size = -(-n // process_count())
        parts = in_processes(
            _price_part,
            [
                _Part(
                    base,
                    {name: column[first : first + size] for name, column in columns.items()},
                    model,
                    device,
                    workload,
                    names,
                    calibration,
                )
                for first in range(0, n, size)
            ],
        )
        prices = _Prices(
            {name: np.concatenate([part.metrics[name] for part in parts]) for name in parts[0].metrics},
            parts[0].missing,
            np.concatenate([part.excess for part in parts]),
        )
    return _table(names, prices), prices.missing


def _price_part(part: _Part) -> _Prices:
    return _priced(
        _design_batch(part.base, part.columns, part.model, part.device),
        part.model,
        part.device,
        part.workload,
        part.metrics,
        part.calibration,
    )


def evaluate_designs(
    designs: Sequence[DesignPoint],
    model: ModelConfig,
    device: Device,
    workload: Workload,
    metrics: Sequence[str] | None = None,
    calibration: CalibrationTable | None = None,
) -> tuple[pa.Table, dict[str, str]]:
    """The same for whole designs, each with its own memory map, whatever their schemes and modules."""
    import numpy as np
    import pyarrow as pa

    from spec.design_batch import DesignBatch

    names = _wanted(metrics)
    alike: dict[Any, list[int]] = {}
    for i, design in enumerate(designs):
        alike.setdefault((design.quant_scheme, design.hmt, design.system), []).append(i)
    tables: list[pa.Table] = []
    order: list[int] = []
    missing: dict[str, str] = {}
    for places in alike.values():
        batch = DesignBatch.from_points([designs[i] for i in places], device)
        check_context(model, workload, batch.hmt)
        prices = _priced(batch, model, device, workload, names, calibration)
        missing = prices.missing
        tables.append(_table(names, prices))
        order += places
    return pa.concat_tables(tables).take(np.argsort(np.array(order))), missing


def _priced(
    batch: DesignBatch,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    names: Sequence[str],
    calibration: CalibrationTable | None,
) -> _Prices:
    from cost_models.evaluate import Context, evaluate_batch, missing_reasons

    context = Context(model, device, workload, batch.quant_scheme, calibration=calibration)
    missing = missing_reasons(context)
    costs = evaluate_batch(batch, context)
    return _Prices({name: costs.metrics[name] for name in names if name not in missing}, missing, costs.excess)


def _wanted(metrics: Sequence[str] | None) -> tuple[str, ...]:
    if metrics is None:
        return tuple(METRICS)
    for name in metrics:
        if name not in METRICS:
            raise UnknownNameError("metric", name, METRICS, field="metrics")
    return tuple(dict.fromkeys(metrics))


def _table(names: Sequence[str], prices: _Prices) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    def column(values: Any) -> pa.Array:
        known = np.isfinite(values)  # NaN and infinities are no numbers to tell anybody: they are missing
        return pa.array(values) if known.all() else pa.array(values, mask=~known)

    n = len(prices.excess)
    columns = {
        name: column(prices.metrics[name]) if name in prices.metrics else pa.nulls(n, pa.float64()) for name in names
    }
    return pa.table({**columns, "feasible": pa.array(prices.excess <= 0.0), "excess": column(prices.excess)})


def table_columns(table: pa.Table) -> dict[str, Any]:
    """The columns of an Arrow table as arrays.

    Raises:
        InputError: a column of another type, or with missing values.
    """
    import numpy as np
    import pyarrow as pa

    result = {}
    for name in table.column_names:
        column = table.column(name)
        kind = "integers" if name in INTEGER_COLUMNS else "numbers"
        wanted = pa.types.is_integer(column.type) or (kind == "numbers" and pa.types.is_floating(column.type))
        if name in COLUMNS and not wanted:
            raise _bad_column(name, str(column.type), f"a column of {kind}")
        if column.null_count:
            raise _bad_column(name, f"{column.null_count} of them", "no missing values")
        result[name] = column.to_numpy() if name in COLUMNS else np.empty(table.num_rows)
    return result


def _checked_rows(columns: Mapping[str, Any]) -> int:
    """The number of rows.

    Raises:
        InputError: an unknown column, or a value that no design can have.
    """
    for name in columns:
        if name not in COLUMNS:
            raise UnknownNameError("column", name, COLUMNS, field=f"columns.{name}")
    lengths = {name: len(column) for name, column in columns.items()}
    n = next(iter(lengths.values()), 0)
    if len(set(lengths.values())) > 1:
        raise InputError("columns of several lengths", field="columns", value=lengths, rule="all of one length")
    if not 1 <= n <= MAX_DESIGNS:
        raise InputError(
            "no designs" if n == 0 else "too many designs",
            field="columns",
            value=n,
            rule=f"1 to {MAX_DESIGNS} rows",
            hint=f"columns are {', '.join(COLUMNS[:3])}, ...",
        )
    for name, column in columns.items():
        _check_range(name, column)
    return n


def _design_batch(base: DesignPoint, columns: Mapping[str, Any], model: ModelConfig, device: Device) -> DesignBatch:
    import numpy as np

    from spec.design_batch import DesignBatch

    n = len(next(iter(columns.values())))
    template = DesignBatch.from_points([base], device)
    everything = {name: np.asarray(value, dtype=np.int64) for name, value in columns.items() if name in INTEGER_COLUMNS}
    stages: dict[str, Any] = {}
    wanted: tuple[tuple[Literal["prefill", "decode"], tuple[str, ...]], ...] = (
        ("prefill", PREFILL_PARAMETERS),
        ("decode", DECODE_PARAMETERS),
    )
    for stage, parameters in wanted:
        parallelism = {
            name: everything.get(f"{stage}.{name}", np.full(n, getattr(getattr(base, stage), name), dtype=np.int64))
            for name in parameters
        }
        clock = columns.get(f"clock_target_mhz.{stage}", np.full(n, getattr(base.clock_target_mhz, stage)))
        placement, placements = _placements(stage, parallelism, everything, base, model, device)
        stages[stage] = replace(
            _repeated(getattr(template, stage), n),
            **parallelism,
            clock_mhz=np.asarray(clock, dtype=np.float64),
            placement=placement,
            placements=placements,
        )
    return replace(template, **stages)


def _repeated(one: PrefillBatch | DecodeBatch, n: int) -> Any:
    """What has no column is that of the base, for each of `n` rows; but its clock was measured on the base alone."""
    import numpy as np

    rows: dict[str, Any] = {
        field.name: np.repeat(value, n)
        for field in fields(one)
        if isinstance(value := getattr(one, field.name), np.ndarray)
    }
    rows["clock_measured"] = None
    return replace(one, **rows)


def _placements(
    stage: Literal["prefill", "decode"],
    parallelism: dict[str, Any],
    columns: Mapping[str, Any],
    base: DesignPoint,
    model: ModelConfig,
    device: Device,
) -> tuple[Any, StagePlacements]:
    import numpy as np

    from dse.spread import spread_placements

    if stage == "prefill":
        ports = 3 * parallelism["ffn_weight_blocks"]
    else:
        own = base.memory_map.of("decode", "weights")
        own_bits = own[0].width_bits if own else 256
        bits = columns.get(PORT_BITS_COLUMN, np.full(len(parallelism["block_parallelism"]), own_bits, dtype=np.int64))
        parallelism = {**parallelism, "weight_port_bits": bits}
        lanes = parallelism["block_parallelism"] * parallelism["weight_parallelism"]
        ports = lanes * base.quant_scheme.weight_bits // bits + 2 * parallelism["head_parallelism"]
    most = int(ports.argmax())
    if ports[most] > _MAX_PORTS_OF_A_DESIGN:
        raise InputError(
            f"row {most} needs {int(ports[most])} {stage} memory ports",
            field="columns",
            value=int(ports[most]),
            rule=f"at most {_MAX_PORTS_OF_A_DESIGN}; no card has a tenth of them",
            hint="lower its parallelism",
        )
    return spread_placements(stage, parallelism, model, device, base.quant_scheme, max_layouts=_MAX_MEMORY_MAPS)


def _check_range(name: str, column: Any) -> None:
    if name == PORT_BITS_COLUMN:
        if not set(_distinct(column)) <= set(_PORT_BITS):
            raise _bad_column(name, _distinct(column)[:10], f"each one of {', '.join(map(str, _PORT_BITS))}")
        return
    low, high = column.min(), column.max()
    if name in CLOCK_COLUMNS:
        if not (low > 0.0 and high <= _MAX_CLOCK_MHZ):  # false for NaN too
            raise _bad_column(name, (float(low), float(high)), f"above 0, at most {_MAX_CLOCK_MHZ:g} (MHz)")
    elif low < 1 or high > _MAX_INTEGER:
        raise _bad_column(name, (int(low), int(high)), f"1 to {_MAX_INTEGER}")


def _distinct(column: Any) -> list[int]:
    import numpy as np

    return [int(value) for value in np.unique(column)]


def _bad_column(name: str, value: Any, rule: str) -> InputError:
    return InputError(
        f"the column {name} cannot be that of designs",
        field=f"columns.{name}",
        value=value,
        rule=rule,
        hint="correct the column, or leave it out to take the value of the base design",
    )
