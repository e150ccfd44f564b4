"""Memory layouts of designs that are given by their parameters: the same ports get the same layout, made once.

A space lays out every combination of ports that it has (`dse.space`). Batches that users bring have no space, but keep to
the same few thousand layouts: of the last large ones they are remembered, because making them takes as long as pricing
half a million designs.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from cost_models.arrays import distinct_rows
from spec.design_batch import IntArray, StagePlacements
from spec.device import Device
from spec.errors import InputError
from spec.model_config import ModelConfig
from spec.quant_scheme import QuantScheme
from spec.spread_memory_map import MIN_PORT_BITS, PlannedPort, decode_ports, embedding_port_count, prefill_ports
from spec.workload import Stage

LARGE_LAYOUTS = 500  # distinct ones of a batch that is worth remembering
MAX_REMEMBERED_LAYOUTS = 20_000  # of one stage, card and scheme: some 100 MB
MAX_REMEMBERED_TABLES = 4


def layout_of(
    stage: Stage, design: dict[str, int], model: ModelConfig, device: Device, scheme: QuantScheme
) -> list[PlannedPort]:
    """The ports of one stage of a design, spread over the card."""
    if stage == "prefill":
        return prefill_ports(
            design["qkvo_weight_parallelism"],
            design["ffn_weight_parallelism"] // design["ffn_weight_blocks"],
            design["ffn_weight_blocks"],
            design["key_parallelism"],
            design["value_parallelism"],
            device,
            scheme,
        )
    return decode_ports(
        design["block_parallelism"] * design["weight_parallelism"],
        design["weight_port_bits"],
        design["head_parallelism"],
        design["key_parallelism"],
        design["value_parallelism"],
        device,
        scheme,
        embedding_bytes(model),
    )


def embedding_bytes(model: ModelConfig) -> int:
    """Bytes of the embedding table on the card."""
    return 4 * model.vocab_size * model.hidden_dim  # fp32


def embedding_ports(model: ModelConfig, device: Device) -> int:
    """All that a model says about layouts: with as many of these ports, those of two models are the same."""
    return embedding_port_count(embedding_bytes(model), device)


def port_keys(stage: str, columns: dict[str, IntArray], scheme: QuantScheme, n: int) -> list[IntArray]:
    """What decides the ports of designs of which these are some of the parameters, (n_points,) each.

    Port counts and widths, so that designs with equal keys have equal ports. Parameters that decide together are on
    one axis.
    """
    keys = [np.zeros(n, dtype=np.int64)]
    if stage == "prefill":
        for name, bits in (
            ("qkvo_weight_parallelism", scheme.weight_bits),
            ("key_parallelism", scheme.kv_bits),
            ("value_parallelism", scheme.kv_bits),
        ):
            if name in columns:
                keys.append(_lane_port_bits(columns[name], bits))
        if "ffn_weight_parallelism" in columns:
            blocks = columns["ffn_weight_blocks"]
            lanes = columns["ffn_weight_parallelism"] // blocks
            keys.extend([blocks, _lane_port_bits(lanes, scheme.weight_bits)])
    elif "block_parallelism" in columns:
        port_bits = columns["weight_port_bits"]
        lane_bits = columns["block_parallelism"] * columns["weight_parallelism"] * scheme.weight_bits
        keys.extend([port_bits, lane_bits // port_bits])
        keys.extend(columns[name] for name in ("head_parallelism", "key_parallelism", "value_parallelism"))
    return keys


def _lane_port_bits(lanes: IntArray, bits: int) -> IntArray:
    """`spread_memory_map.lane_port_bits` of arrays."""
    exponent = np.frexp((lanes * bits - 1).astype(np.float64))[1].astype(np.int64)
    return np.asarray(np.maximum(MIN_PORT_BITS, 1 << exponent))


@dataclass(frozen=True, slots=True)
class _Remembered:
    """Layouts by the keys of their ports."""

    row_of: dict[tuple[int, ...], int]
    layouts: list[list[PlannedPort]]
    placements: StagePlacements


_lock = threading.Lock()
_tables: OrderedDict[tuple[object, ...], _Remembered] = OrderedDict()  # the one that was used last comes last


def spread_placements(
    stage: Stage,
    columns: dict[str, IntArray],
    model: ModelConfig,
    device: Device,
    scheme: QuantScheme,
    *,
    max_layouts: int,
) -> tuple[IntArray, StagePlacements]:
    """Placement of each of the given designs, (n_points,), and the distinct ones, as `spread_memory_map` lays them out.

    For designs that are given by their parameters and need not be in any space; decode has `weight_port_bits` among
    them. Each distinct layout takes some
    0.3 ms the first time; those of the last large batches are remembered.

    Raises:
        InputError: more than `max_layouts` distinct ones.
    """
    n = len(next(iter(columns.values())))
    port_columns = port_keys(stage, columns, scheme, n)
    first, index = distinct_rows(*port_columns)
    if len(first) > max_layouts:
        raise InputError(
            f"these {stage} designs have {len(first)} distinct memory layouts",
            field="designs",
            value=len(first),
            rule=f"at most {max_layouts} at once",
            hint="send fewer designs at once, or sort them by their parallelism first",
        )

    def laid_out(row: int) -> list[PlannedPort]:
        return layout_of(stage, {name: int(c[row]) for name, c in columns.items()}, model, device, scheme)

    if len(first) < LARGE_LAYOUTS:
        return index, StagePlacements.of([laid_out(int(row)) for row in first], stage, device)
    keys = list(zip(*(column[first].tolist() for column in port_columns), strict=True))
    about = (stage, device.model_dump_json(), scheme.model_dump_json(), embedding_ports(model, device))
    with _lock:
        known = _tables.get(about)
    row_of = dict(known.row_of) if known is not None else {}
    layouts = list(known.layouts) if known is not None else []
    fresh = [place for place, key in enumerate(keys) if key not in row_of]
    if len(row_of) + len(fresh) > MAX_REMEMBERED_LAYOUTS:
        row_of, layouts, fresh, known = {}, [], list(range(len(keys))), None
    for place in fresh:
        row_of[keys[place]] = len(layouts)
        layouts.append(laid_out(int(first[place])))
    if known is None or fresh:
        known = _Remembered(row_of, layouts, StagePlacements.of(layouts, stage, device))
    with _lock:
        _tables[about] = known
        _tables.move_to_end(about)
        while len(_tables) > MAX_REMEMBERED_TABLES:
            _tables.popitem(last=False)
    return np.array([row_of[key] for key in keys], dtype=np.int64)[index], known.placements
