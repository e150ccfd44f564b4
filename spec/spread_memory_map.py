"""The memory map that the search gives a design: every stream on a channel of its own while there are channels."""

from __future__ import annotations

from typing import NamedTuple

from spec.design_point import DecodeDesign, PrefillDesign
from spec.device import Device, MemoryKind
from spec.memory_map import MemoryMap, MemoryPort, PortRole
from spec.quant_scheme import QuantScheme
from spec.workload import Stage

MIN_PORT_BITS = 32
SCALE_PORT_BITS = 64  # one fp32 {scale, row sum} a beat
VECTOR_PORT_BITS = 256


def next_power_of_two(value: int) -> int:
    """The smallest power of two >= `value`."""
    return 1 << (value - 1).bit_length()


def last_power_of_two(bits: int) -> int:
    """The largest power of two <= `bits`."""
    return 1 << (bits.bit_length() - 1)


def lane_port_bits(lanes: int, bits: int) -> int:
    """Port width that feeds `lanes` operands of `bits` each cycle; what is left of a word is fetched and discarded."""
    return max(MIN_PORT_BITS, next_power_of_two(lanes * bits))


class PlannedPort(NamedTuple):
    """A port before it is a `MemoryPort`: cheap enough to lay out thousands of designs."""

    name: str
    roles: tuple[PortRole, ...]
    memory: MemoryKind
    channel: int
    width_bits: int


class _Layout:
    """Ports of one stage, each on the next channel of its memory, round robin."""

    def __init__(self, device: Device) -> None:
        self.stream_memory: MemoryKind = "hbm" if device.hbm is not None else "ddr"
        self.slow_memory: MemoryKind = "ddr" if device.ddr is not None else self.stream_memory
        self._device = device
        self._used = {"hbm": 0, "ddr": 0}
        self.ports: list[PlannedPort] = []

    def add(self, name: str, roles: tuple[PortRole, ...], width_bits: int, memory: MemoryKind | None = None) -> None:
        kind = memory or self.stream_memory
        channel = self._used[kind] % self._device.memory(kind).channels
        self._used[kind] += 1
        self.ports.append(PlannedPort(name, roles, kind, channel, width_bits))

    def vector_bits(self, memory: MemoryKind | None = None) -> int:
        """Width of a port for short bursts of fp32 vectors, few and short enough that it need not match the lanes."""
        return min(VECTOR_PORT_BITS, self._device.memory(memory or self.stream_memory).max_port_bits)


def embedding_port_count(embedding_bytes: int, device: Device) -> int:
    """Ports of an embedding table: one for each channel that it takes."""
    slow = device.memory(_Layout(device).slow_memory)
    return max(1, min(-(-embedding_bytes // slow.channel_capacity_bytes), slow.channels))


def prefill_ports(
    qkvo_lanes: int, ffn_lanes: int, ffn_blocks: int, keys: int, values: int, device: Device, scheme: QuantScheme
) -> list[PlannedPort]:
    """Ports of the prefill kernel, the heaviest streams first. `ffn_lanes` are those of one block."""
    layout = _Layout(device)
    qkvo_bits, ffn_bits = lane_port_bits(qkvo_lanes, scheme.weight_bits), lane_port_bits(ffn_lanes, scheme.weight_bits)
    layout.add("w_kq", ("weights_kq",), qkvo_bits)
    layout.add("w_vo", ("weights_vo",), qkvo_bits)
    for block in range(ffn_blocks):
        layout.add(f"w_gate_{block}", ("weights_gate",), ffn_bits)
    for block in range(ffn_blocks):
        layout.add(f"w_up_{block}", ("weights_up",), ffn_bits)
    for block in range(ffn_blocks):
        layout.add(f"w_down_{block}", ("weights_down",), ffn_bits)
    layout.add("k_cache", ("k_cache",), lane_port_bits(keys, scheme.kv_bits))
    layout.add("v_cache", ("v_cache",), lane_port_bits(values, scheme.kv_bits))
    layout.add("io", ("io",), layout.vector_bits())
    layout.add("norm", ("norm_weights",), 32)
    layout.add("s_kq", ("scales_kq",), SCALE_PORT_BITS)
    layout.add("s_vo", ("scales_vo",), SCALE_PORT_BITS)
    layout.add("s_gate", ("scales_gate",), SCALE_PORT_BITS)
    layout.add("s_up", ("scales_up",), SCALE_PORT_BITS)
    layout.add("s_down", ("scales_down",), SCALE_PORT_BITS)
    return layout.ports


def decode_ports(
    lanes: int,
    weight_port_bits: int,
    heads: int,
    keys: int,
    values: int,
    device: Device,
    scheme: QuantScheme,
    embedding_bytes: int = 0,
) -> list[PlannedPort]:
    """Ports of the decode kernel; `lanes` = block_parallelism x weight_parallelism.

    The caches ride on the weight ports, K on one half and V on the other, where that costs no time: a port for each
    head lane in each half, of one or two cache words (FlexLLM's u280_mem_opt and its 512-bit form). Weights and cache
    are read in turn. Otherwise each head lane gets a K and a V port of its own. The embedding table gets as many ports
    as it needs channels: each holds part of the rows.
    """
    layout = _Layout(device)
    count = max(1, lanes * scheme.weight_bits // weight_port_bits)
    fitting = (weight_port_bits, weight_port_bits // 2)
    shared = count // 2 >= heads and keys * scheme.kv_bits in fitting and values * scheme.kv_bits in fitting
    for i in range(count):
        cache: PortRole = "k_cache" if i < count // 2 else "v_cache"
        layout.add(f"w_{i}", ("weights", cache) if shared else ("weights",), weight_port_bits)
    if not shared:
        for i in range(heads):
            layout.add(f"k_cache_{i}", ("k_cache",), lane_port_bits(keys, scheme.kv_bits))
        for i in range(heads):
            layout.add(f"v_cache_{i}", ("v_cache",), lane_port_bits(values, scheme.kv_bits))
    layout.add("scales", ("scales",), SCALE_PORT_BITS)
    layout.add("io", ("io",), layout.vector_bits())
    layout.add("norm", ("norm_weights",), 32)
    for i in range(embedding_port_count(embedding_bytes, device)):
        layout.add(f"embedding_{i}", ("embedding",), layout.vector_bits(layout.slow_memory), layout.slow_memory)
    return layout.ports


def spread_memory_map(
    prefill: PrefillDesign,
    decode: DecodeDesign,
    device: Device,
    scheme: QuantScheme,
    decode_weight_port_bits: int = 256,
    embedding_bytes: int = 0,
) -> MemoryMap:
    """Ports of both stages over the channels of `device`."""
    stages: dict[Stage, list[PlannedPort]] = {
        "prefill": prefill_ports(
            prefill.qkvo_weight_parallelism,
            prefill.ffn_weight_parallelism // prefill.ffn_weight_blocks,
            prefill.ffn_weight_blocks,
            prefill.key_parallelism,
            prefill.value_parallelism,
            device,
            scheme,
        ),
        "decode": decode_ports(
            decode.block_parallelism * decode.weight_parallelism,
            decode_weight_port_bits,
            decode.head_parallelism,
            decode.key_parallelism,
            decode.value_parallelism,
            device,
            scheme,
            embedding_bytes,
        ),
    }
    ports = [
        MemoryPort.model_validate({"stage": stage, **port._asdict()}) for stage, plan in stages.items() for port in plan
    ]
    return MemoryMap(ports=tuple(ports))
