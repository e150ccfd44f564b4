"""A kernel's resources from its structure: each unit's parts, times their instances, FIFOs, memories, adapters, control."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hls_gen.toolchain.open.leaves import Leaf, leaf, tile_parts
from hls_gen.toolchain.open.netlist import Mapped
from hls_gen.toolchain.open.operators import NOTHING, OPERATOR_LEAVES, Range, operator_use
from hls_gen.toolchain.open.structure import AxiPort, Kernel
from hls_gen.toolchain.open.units import Hardware, hardware_of
from spec.axi_bursts import adapter_bram18
from spec.device import DspKind
from spec.library_memories import Memory
from spec.library_units import FP32
from spec.timing import TimingTable

# Control of a process: a nest of loops of ours; at most two such, of wider counters, with the handshakes of Vitis HLS.
CONTROL_LOW, CONTROL_HIGH = leaf("loop_nest", LOOPS=2, BITS=16), leaf("loop_nest", LOOPS=3, BITS=32)
_CONTROL_NESTS = 2
# Read and write side of a FIFO in memory, and of one in LUTs: what our own take without their words.
FIFO_CONTROL = leaf("fifo_memory", WIDTH=36, DEPTH=1024, ULTRA=0)
_SHORT_FIFO_LUT, _SHORT_FIFO_FF = (
    Range(6, 20),
    Range(6, 16),
)  # counter, comparisons, handshake: fifo_registers of one bit
# An m_axi adapter. BRAM: load and store unit each buffer the words in flight; 512 bits x (16 bursts of 16) twice are the
# 30 blocks that Vitis HLS 2023.2 reports (csynth of UCLA-VAST/Prometheus 2mm). LUT, FF: the lower end lies below every row
# `*_m_axi_U` of public csynth reports of a known width (LUT/FF of 32 bits 580/512, 64 bits 766/566, 256 bits 1,052/881), the
# base of the upper end at the largest row of a narrow port (2,265/2,080); its slope in the width is our estimate.
_AXI_LUT, _AXI_LUT_PER_BIT = Range(480, 2300), Range(2.2, 12)
_AXI_FF, _AXI_FF_PER_BIT = Range(430, 2100), Range(1.7, 20)
# The s_axilite port with the kernel's arguments: the least and the largest row `control_s_axi_U` of the same reports.
_CONTROL_PORT_LUT, _CONTROL_PORT_FF = Range(488, 4520), Range(290, 2486)
# What a placed register or multiplexer of ours may come to: Vitis HLS registers the stages of a pipeline once more, and merges.
_MUX_LUT_PER_BIT, _REGISTER_FF_PER_BIT, _REGISTER_LUT_PER_BIT = Range(0.5, 1.0), Range(1.0, 2.0), Range(0.0, 0.5)


# Leaves of fp32 values: of narrower ones they have no fewer than in proportion.
_OF_FP32_VALUES = frozenset({"exact_sum", "value_range", "round_to_integer", "candidate_list"})


@dataclass(frozen=True, slots=True)
class Amount:
    """Resources of a unit or a kernel. LUT and FF as ranges, the others by rule."""

    lut: Range = NOTHING
    ff: Range = NOTHING
    dsp: int = 0
    bram_18k: int = 0
    uram: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(
            self.lut + other.lut,
            self.ff + other.ff,
            self.dsp + other.dsp,
            self.bram_18k + other.bram_18k,
            self.uram + other.uram,
        )

    def times(self, count: int) -> Amount:
        """So many instances."""
        return Amount(
            self.lut.times(count), self.ff.times(count), count * self.dsp, count * self.bram_18k, count * self.uram
        )


@dataclass(frozen=True, slots=True)
class UnitAmount:
    """Equal units of a kernel: the resources of all of them."""

    name: str
    instances: int
    amount: Amount


@dataclass(slots=True)
class KernelParts:
    """The parts of a kernel by unit, before anything is mapped."""

    units: dict[str, tuple[Hardware, int]] = field(default_factory=dict)
    processes: int = 0
    fifos: list[Memory] = field(default_factory=list)
    ports: list[AxiPort] = field(default_factory=list)

    def leaves(self) -> set[Leaf]:
        """All that must be mapped."""
        used = {one for hardware, _ in self.units.values() for one in hardware.leaves}
        found = {part for one in used for part in _parts_of_leaf(one) if part.module != "drain_row"}
        operators = {name for hardware, _ in self.units.values() for name in hardware.operators}
        found |= {OPERATOR_LEAVES[name] for name in operators & OPERATOR_LEAVES.keys()}
        return found | {CONTROL_LOW, CONTROL_HIGH, FIFO_CONTROL}


def parts_of(kernel: Kernel) -> KernelParts:
    """Units of equal hardware together; a process is named by the function that it runs.

    Raises:
        UnknownUnitError: a function without a law.
    """
    parts = KernelParts(processes=len(kernel.processes), ports=list(kernel.ports))
    grouped: Counter[tuple[str, tuple[object, ...]]] = Counter()
    for process in kernel.processes:
        grouped[(process.name, process.calls)] += 1
    numbers: Counter[str] = Counter()
    for (name, calls), instances in grouped.items():
        hardware = Hardware()
        for call in calls:
            hardware.add(hardware_of(call, kernel.value_bits))  # type: ignore[arg-type]
        numbers[name] += 1
        title = name if numbers[name] == 1 else f"{name}_{numbers[name]}"
        parts.units[title] = (hardware, instances)
    for fifo in kernel.fifos:
        stream = fifo.stream
        parts.fifos.append(
            Memory(fifo.name, stream.depth or 2, stream.word.bits, stream.count, fifo.storage, is_fifo=True)
        )
    return parts


def kernel_amounts(
    parts: KernelParts, mapped: Mapping[Leaf, Mapped], table: TimingTable, dsp_kind: DspKind
) -> list[UnitAmount]:
    """Resources of each group of units, of FIFOs, adapters and control."""
    rows = [
        UnitAmount(name, instances, _hardware(hardware, mapped, table, dsp_kind).times(instances))
        for name, (hardware, instances) in parts.units.items()
    ]
    control = Amount(
        Range(mapped[CONTROL_LOW].lut_paired, _CONTROL_NESTS * mapped[CONTROL_HIGH].lut_cells),
        Range(mapped[CONTROL_LOW].ff, _CONTROL_NESTS * mapped[CONTROL_HIGH].ff),
    )
    fifo_control = mapped[FIFO_CONTROL]
    rows += [
        UnitAmount("process_control", parts.processes, control.times(parts.processes)),
        UnitAmount(
            "fifos", sum(int(fifo.banks) for fifo in parts.fifos), _total(_fifo(f, fifo_control) for f in parts.fifos)
        ),
        UnitAmount("axi_adapters", len(parts.ports), _total(_adapter(port) for port in parts.ports)),
        UnitAmount("control_port", 1, Amount(_CONTROL_PORT_LUT, _CONTROL_PORT_FF)),
    ]
    return rows


def total(rows: Iterable[UnitAmount]) -> Amount:
    """The kernel."""
    return _total(row.amount for row in rows)


def _total(amounts: Iterable[Amount]) -> Amount:
    result = Amount()
    for amount in amounts:
        result += amount
    return result


def _hardware(hardware: Hardware, mapped: Mapping[Leaf, Mapped], table: TimingTable, dsp_kind: DspKind) -> Amount:
    result = Amount(
        lut=_MUX_LUT_PER_BIT.times(hardware.mux_bits) + _REGISTER_LUT_PER_BIT.times(hardware.register_bits),
        ff=_REGISTER_FF_PER_BIT.times(hardware.register_bits),
        dsp=hardware.dsp,
    )
    for one, number in hardware.leaves.items():
        counts = _counts(one, mapped)
        least = hardware.value_bits / FP32 if one.module in _OF_FP32_VALUES else 1.0
        result += Amount(
            Range(least * counts.lut_paired, counts.lut_cells), Range(least * counts.ff, counts.ff), counts.dsp,
            counts.bram_18k, counts.uram,
        ).times(number)  # fmt: skip
    for name, number in hardware.operators.items():
        use = operator_use(name, table, dsp_kind)
        lut, ff = use.lut, use.ff
        own = mapped.get(OPERATOR_LEAVES[name]) if name in OPERATOR_LEAVES else None
        if own is not None and not (dsp_kind == "dsp58" and own.dsp < use.dsp == 1):
            lut, ff = lut.around(own.lut_paired, own.lut_cells), ff.around(own.ff, own.ff)
        result += Amount(lut, ff, use.dsp).times(number)
    return result + _total(_memory(memory) for memory in hardware.memories)


def _parts_of_leaf(one: Leaf) -> dict[Leaf, int]:
    return tile_parts(one) if one.module == "mac_tile" else {one: 1}


def _counts(one: Leaf, mapped: Mapping[Leaf, Mapped]) -> Mapped:
    """Counts of a leaf: mapped, of an array by its elements and drains."""
    result = Mapped()
    for part, number in _parts_of_leaf(one).items():
        result += (drain_counts(part) if part.module == "drain_row" else mapped[part]).times(number)
    return result


def drain_counts(drain: Leaf) -> Mapped:
    """A drain by rule, for which nothing need be mapped: a register a bit, and a choice of two a bit but for the last column,
    two of which share a site and the select."""
    columns, acc = drain.values["COLUMNS"], drain.values["ACC"]
    cells = (columns - 1) * acc + 1  # the last: load and enable
    return Mapped(lut_cells=cells, lut_paired=-(-cells // 2), ff=columns * acc)


def _memory(memory: Memory) -> Amount:
    # Distributed RAM: the words, and where a second port reads them the same once more.
    luts = int(memory.luts)
    return Amount(lut=Range(luts, 2 * luts), bram_18k=int(memory.bram_18k), uram=int(memory.uram))


def _fifo(fifo: Memory, control: Mapped) -> Amount:
    luts = int(fifo.luts)
    words = Amount(lut=Range(luts, 2 * luts), bram_18k=int(fifo.bram_18k), uram=int(fifo.uram))
    register = Range(0, int(fifo.width_bits * fifo.banks))  # of the word at the output, which Vitis HLS may add
    if fifo.in_shift_registers:
        sides = Amount(_SHORT_FIFO_LUT, _SHORT_FIFO_FF)
    else:
        sides = Amount(Range(control.lut_paired, control.lut_cells), Range(control.ff, control.ff))
    return words + sides.times(int(fifo.banks)) + Amount(ff=register)


def _adapter(port: AxiPort) -> Amount:
    bits = port.width_bits
    return Amount(
        lut=_AXI_LUT + _AXI_LUT_PER_BIT.times(bits),
        ff=_AXI_FF + _AXI_FF_PER_BIT.times(bits),
        bram_18k=int(adapter_bram18(bits, port.read_words, port.write_words)),
    )
