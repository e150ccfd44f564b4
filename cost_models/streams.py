"""Streams between the units of a stage: what crosses when two of them stand in different super logic regions.

Widths follow from the design: lanes x bits of what flows. Handshake wires are left out, two a stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cost_models.resources import FFN_PROJECTIONS, array_owner
from spec.design_point import DesignPoint
from spec.memory_map import MemoryPort
from spec.workload import Stage

ACCUMULATOR_BITS = 24  # 19 to 27 bits leave an array (FlexLLM PE.h, MHA.h: log2(d_in) + 8 to 16 and 10 + 16)
FLOAT_BITS = {"fp32": 32, "bf16": 16, "fixed": 18}


@dataclass(frozen=True, slots=True)
class Stream:
    """`bits` wires a cycle that all `units` share."""

    bits: int
    units: tuple[str, ...]


def adapter_unit(stage: Stage, memory: str) -> str:
    """Name of the unit of all adapters of a stage's ports to one memory."""
    return f"{stage}.axi_{memory}"


def stage_streams(stage: Stage, point: DesignPoint, units: Mapping[str, Sequence[str]]) -> list[Stream]:
    """All streams of a stage. `units`: the units of each module, adapters aside."""
    known = _Units(stage, point, units)
    inner = _prefill_streams(point, known) if stage == "prefill" else _decode_streams(point, known)
    found = [*inner, *_memory_streams(stage, point, known)]
    return [stream for stream in found if len(set(stream.units)) > 1 and stream.bits > 0]


class _Units:
    """Units by module and by array: an array's units belong to the module that the array is counted under."""

    def __init__(self, stage: Stage, point: DesignPoint, units: Mapping[str, Sequence[str]]) -> None:
        self._units = units
        self._hub = "norm_and_quant" if stage == "prefill" else "vector_passes"
        self._group: dict[str, int] = {}
        self.arrays: list[tuple[str, ...]] = []
        taken: dict[str, int] = {}
        groups = point.prefill.modules.linear_groups if stage == "prefill" else point.decode.modules.linear_groups
        for i, group in enumerate(groups):
            self._group.update(dict.fromkeys(group, i))
            owner = array_owner(group, stage)
            if stage == "decode":
                parts = point.decode.engine_splits
            else:
                parts = point.prefill.ffn_weight_blocks if FFN_PROJECTIONS & set(group) else 1
            start = taken.get(owner, 0)
            taken[owner] = start + parts
            self.arrays.append(tuple(units.get(owner, ())[start : start + parts]))

    def of(self, module: str) -> tuple[str, ...]:
        """The units of a module; of the norm and quantizer lanes where it has none of its own."""
        return tuple(self._units.get(module) or self._units[self._hub][:1])

    def all(self, module: str) -> tuple[str, ...]:
        """All units of a module."""
        return tuple(self._units.get(module, ()))

    def array(self, projection: str) -> tuple[str, ...]:
        """The units of the array that computes a projection."""
        return self.arrays[self._group[projection]] or self.of(self._hub)

    def lanes(self, index: int) -> tuple[str, ...]:
        """The norm and quantizer lanes at one array."""
        hub = self._units[self._hub]
        return (hub[index % len(hub)],)

    def lanes_of(self, projection: str) -> tuple[str, ...]:
        """The norm and quantizer lanes at the array of a projection."""
        return self.lanes(self._group[projection])


def _prefill_streams(point: DesignPoint, known: _Units) -> list[Stream]:
    tp, scheme = point.prefill.token_parallelism, point.quant_scheme
    real, inputs = FLOAT_BITS[point.nonlinear_format] * tp, scheme.activation_bits * tp
    results, weights = ACCUMULATOR_BITS * tp, scheme.attention_bits * tp
    streams = []
    for i, array in enumerate(known.arrays):
        streams.append(Stream(inputs, (*known.lanes(i), *array)))  # one input for all sub-arrays
        streams += [Stream(results // len(array), (*known.lanes(i), unit)) for unit in array]
    at = {name: known.lanes_of(name) for name in ("q", "o", "gate", "up", "down")}
    qk, softmax, av = (known.of(f"attention_{name}") for name in ("qk", "softmax", "av"))
    hadamard = known.of("hadamard")
    streams += [
        Stream(real, (*at["q"], *qk)),
        Stream(real, (*qk, *softmax)),
        Stream(weights, (*softmax, *av)),
        Stream(real, (*av, *at["o"])),
        Stream(real, (*at["q"], *at["o"])),  # residual past attention
        Stream(real, (*at["o"], *at["gate"], *at["up"])),
        Stream(real, (*at["o"], *at["down"])),  # residual past the FFN
        Stream(real, (*at["gate"], *at["up"])),  # their product
        Stream(real, (*at["up"], *hadamard)),
        Stream(real, (*hadamard, *at["down"])),
    ]
    streams += [Stream(real, (*at["q"], *known.of(name))) for name in HMT_UNITS]
    return streams


HMT_UNITS = ("hmt_loader", "hmt_memory")


def _decode_streams(point: DesignPoint, known: _Units) -> list[Stream]:
    decode, scheme = point.decode, point.quant_scheme
    real = FLOAT_BITS[point.nonlinear_format]
    blocks, heads = decode.block_parallelism, decode.head_parallelism
    lanes = known.all("vector_passes")
    attention, hadamard, sampler = (known.of(name) for name in ("attention", "hadamard", "sampler"))
    streams = [
        Stream(real * heads, (*lanes, attention[0])),
        Stream((scheme.attention_bits + real) * heads, (attention[0], attention[-1])),
        Stream(real * heads, (attention[-1], *lanes)),
        Stream(real * blocks, (*lanes, *hadamard)),
        Stream(real * blocks, (*hadamard, *lanes)),
        Stream(real * blocks, (*lanes, *sampler)),
    ]
    for engine in known.arrays:
        streams.append(Stream(scheme.activation_bits * blocks, (*lanes, *engine)))  # each part has a copy of the input
        streams += [
            Stream(ACCUMULATOR_BITS * blocks // len(engine), (*known.lanes(i), unit)) for i, unit in enumerate(engine)
        ]
    return streams


_WEIGHTS_OF = {
    "weights_kq": "q", "weights_vo": "o", "weights_gate": "gate", "weights_up": "up", "weights_down": "down",
    "weights_lm_head": "lm_head",
}  # fmt: skip


def _memory_streams(stage: Stage, point: DesignPoint, known: _Units) -> list[Stream]:
    """From the adapters beside the memories to what they feed; the others go to the norm and quantizer lanes."""
    streams = []
    ports = [port for port in point.memory_map.ports if port.stage == stage]
    for role in {role: None for port in ports for role in port.roles}:
        carrying = [port for port in ports if role in port.roles]
        streams += _spread(stage, carrying, _consumers(stage, role, known))
    return streams


def _consumers(stage: Stage, role: str, known: _Units) -> tuple[str, ...]:
    if role in _WEIGHTS_OF:
        return known.array(_WEIGHTS_OF[role])
    if role == "weights":
        return tuple(unit for array in known.arrays for unit in array)
    if role in ("k_cache", "v_cache"):
        if stage == "prefill":
            return known.of("attention_qk" if role == "k_cache" else "attention_av")
        return known.of("attention")[:1] if role == "k_cache" else known.of("attention")[-1:]
    return known.lanes(0)


def _spread(stage: Stage, ports: Sequence[MemoryPort], consumers: Sequence[str]) -> list[Stream]:
    """Each port's words go to one consumer, the ports to the consumers in turn; fewer ports than consumers: a part each."""
    if not consumers:
        return []
    if len(ports) >= len(consumers):
        bits: dict[tuple[str, str], int] = {}
        for i, port in enumerate(ports):
            key = (adapter_unit(stage, port.memory), consumers[i * len(consumers) // len(ports)])
            bits[key] = bits.get(key, 0) + port.width_bits
        return [Stream(width, units) for units, width in bits.items()]
    total = sum(port.width_bits for port in ports)
    memory = adapter_unit(stage, ports[0].memory)
    return [Stream(-(-total // len(consumers)), (memory, unit)) for unit in consumers]
