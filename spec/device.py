"""Device: an FPGA card, per super logic region (SLR) and memory system."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Literal

from pydantic import Field, model_validator

from spec.errors import InputError
from spec.resources import RESOURCE_NAMES, ResourceVector
from spec.strict import StrictModel

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
DspKind = Literal["dsp48e2", "dsp58"]
MemoryKind = Literal["hbm", "ddr"]


class SuperLogicRegion(StrictModel):
    """One SLR: all of its resources, and the part that kernels can use beside the shell's static region."""

    name: Annotated[str, Field(pattern=r"^SLR[0-9]$")]
    total: ResourceVector
    usable: ResourceVector

    @model_validator(mode="after")
    def _usable_within_total(self) -> SuperLogicRegion:
        for name in RESOURCE_NAMES:
            if getattr(self.usable, name) > getattr(self.total, name):
                raise InputError(
                    f"{self.name}: more {name} usable than there are",
                    field=f"usable.{name}",
                    value=getattr(self.usable, name),
                    rule=f"usable.{name} <= total.{name} = {getattr(self.total, name)}",
                    hint="exchange the two or correct one",
                )
        return self


class MemorySystem(StrictModel):
    """One kind of external memory. A channel is an HBM pseudo-channel or a DDR channel."""

    kind: MemoryKind
    channels: Annotated[int, Field(ge=1, le=256)]
    channel_capacity_bytes: Annotated[int, Field(ge=2**20, le=2**42)]
    channel_peak_bytes_per_s: Annotated[float, Field(ge=1e6, le=1e12)]
    channel_sustained_bytes_per_s: Annotated[float, Field(ge=1e6, le=1e12)]
    max_port_bits: Annotated[int, Field(ge=32, le=1024, description="widest AXI port that a kernel may ask for")]
    memory_port_bits: Annotated[int, Field(ge=32, le=1024, description="width on the memory side of the port")]
    memory_port_mhz: Annotated[float, Field(ge=1, le=2000, description="clock on the memory side of the port")]
    efficiency: Annotated[
        float, Field(ge=0.001, le=1, description="share of the sustained rate that long sequential bursts reach")
    ]
    attached_slr: Annotated[str, Field(pattern=r"^SLR[0-9]$")]

    @model_validator(mode="after")
    def _sustained_within_peak(self) -> MemorySystem:
        if self.channel_sustained_bytes_per_s > self.channel_peak_bytes_per_s:
            raise InputError(
                "sustained rate above the peak rate",
                field="channel_sustained_bytes_per_s",
                value=self.channel_sustained_bytes_per_s,
                rule=f"<= channel_peak_bytes_per_s = {self.channel_peak_bytes_per_s}",
                hint="exchange the two or correct one",
            )
        return self

    @property
    def memory_port_bytes_per_s(self) -> float:
        """Rate of the memory side of one port (bytes/s)."""
        return self.memory_port_bits / 8 * self.memory_port_mhz * 1e6

    @property
    def capacity_bytes(self) -> int:
        """Capacity of all channels (bytes)."""
        return self.channels * self.channel_capacity_bytes


class ClockLimits(StrictModel):
    """Kernel clocks (MHz)."""

    default_mhz: Annotated[float, Field(ge=1, le=1500, description="target of a new design")]
    max_mhz: Annotated[
        float, Field(ge=1, le=1500, description="highest clock that public designs of this kind reached")
    ]
    free_hbm_port_words: Annotated[
        float, Field(ge=0, le=1024, description="256-bit words of HBM ports that cost no clock")
    ] = 0.0
    mhz_per_hbm_port_word: Annotated[
        float, Field(ge=0, le=100, description="clock lost for each word above; 0 where ports have hard wires")
    ] = 0.0


class PowerStates(StrictModel):
    """Board power (W). `None`: no public measurement, see `Device.sources`.

    `relative_low`, `relative_high`: the true power of a running design lies within (1 + low, 1 + high) times the
    model's; `None`: nothing is known of it.
    """

    idle_w: Annotated[float, Field(ge=0, le=2000)] | None
    configured_w: Annotated[float, Field(ge=0, le=2000)] | None
    limit_w: Annotated[float, Field(ge=1, le=2000)]
    fabric_scale: Annotated[
        float, Field(ge=0.001, le=10, description="energy of the fabric per operation, the U280's (16 nm) being 1")
    ] = 1.0
    relative_low: Annotated[float, Field(ge=-1, le=0)] | None = None
    relative_high: Annotated[float, Field(ge=0, le=10)] | None = None


class Reconfiguration(StrictModel):
    """What it takes to load another bitstream."""

    swap_s: Annotated[float, Field(ge=0, le=3600)]
    host_link_bytes_per_s: Annotated[float, Field(ge=1e3, le=1e12)]


class Device(StrictModel):
    """An FPGA card. `sources` maps the dotted path of a number to where it comes from."""

    schema_name: Annotated[Literal["flexdse/device/v1"], Field(alias="schema")]
    name: Name
    title: Annotated[str, Field(min_length=1, max_length=200)]
    part_number: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    platform: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")] | None = None
    dsp_kind: DspKind
    slrs: Annotated[tuple[SuperLogicRegion, ...], Field(min_length=1, max_length=8)]
    shell: ResourceVector
    sll_per_boundary: Annotated[int, Field(ge=0, le=10**6)] | None  # None: no public figure
    sll_shell: Annotated[
        tuple[Annotated[int, Field(ge=0, le=10**6)], ...],
        Field(max_length=7, description="super long lines that the shell takes, per boundary from the first SLR up"),
    ] = ()
    hbm: MemorySystem | None
    ddr: MemorySystem | None
    clock: ClockLimits
    power: PowerStates
    reconfiguration: Reconfiguration
    price_usd: Annotated[
        float | None, Field(gt=0, le=1e7, description="of one card, for card_cost_usd; null: not stated")
    ] = None
    sources: dict[str, str] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Device:
        names = [slr.name for slr in self.slrs]
        if len(set(names)) != len(names):
            raise InputError(
                "two SLRs have one name", field="slrs", value=names, rule="SLR names are unique", hint="rename one"
            )
        for name in ("lut", "ff", "dsp", "bram_18k"):
            if not any(getattr(slr.total, name) for slr in self.slrs):
                raise InputError(
                    f"the card has no {name}",
                    field=f"slrs[0].total.{name}",
                    value=0,
                    rule=f"every design needs {name}",
                    hint="take the count of the part's data sheet",
                )
        if self.hbm is None and self.ddr is None:
            raise InputError(
                "the card has no memory",
                field="hbm",
                value=None,
                rule="hbm or ddr: the weights lie there",
                hint="describe one of them",
            )
        for label, memory in (("hbm", self.hbm), ("ddr", self.ddr)):
            if memory is None:
                continue
            if memory.kind != label:
                raise InputError(
                    f"{label} holds a memory of another kind",
                    field=f"{label}.kind",
                    value=memory.kind,
                    rule=f"must be {label}",
                    hint=f"write kind: {label}",
                )
            if memory.attached_slr not in names:
                raise InputError(
                    f"{label} is attached to an SLR that the device does not have",
                    field=f"{label}.attached_slr",
                    value=memory.attached_slr,
                    rule=f"one of {', '.join(names)}",
                    hint="name one of them, or add the SLR",
                )
        if self.sll_shell and len(self.sll_shell) != len(self.slrs) - 1:
            raise InputError(
                "not one number for each boundary between SLRs",
                field="sll_shell",
                value=list(self.sll_shell),
                rule=f"{len(self.slrs) - 1} numbers, or none where they are not known",
                hint="give one for each pair of neighbouring SLRs",
            )
        if self.sll_per_boundary is not None and any(used > self.sll_per_boundary for used in self.sll_shell):
            raise InputError(
                "the shell takes more super long lines than a boundary has",
                field="sll_shell",
                value=max(self.sll_shell),
                rule=f"<= sll_per_boundary = {self.sll_per_boundary}",
                hint="correct one of the two",
            )
        if self.clock.default_mhz > self.clock.max_mhz:
            raise InputError(
                "default clock above the highest clock",
                field="clock.default_mhz",
                value=self.clock.default_mhz,
                rule=f"<= clock.max_mhz = {self.clock.max_mhz}",
                hint="exchange the two or correct one",
            )
        for name in RESOURCE_NAMES:
            if getattr(self.shell, name) > getattr(self.total, name):
                raise InputError(
                    f"the shell takes more {name} than there are",
                    field=f"shell.{name}",
                    value=getattr(self.shell, name),
                    rule=f"<= total of the SLRs = {getattr(self.total, name)}",
                    hint="correct the shell or the SLRs",
                )
        return self

    def content_digest(self) -> str:
        """16 hex digits that are equal exactly for cards of equal content: all but what they are called, cost, and cite."""
        content = self.model_dump(mode="json", by_alias=True, exclude={"name", "title", "sources", "price_usd"})
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def total(self) -> ResourceVector:
        """Resources of the whole card."""
        return sum((slr.total for slr in self.slrs[1:]), self.slrs[0].total)

    @property
    def usable(self) -> ResourceVector:
        """Resources that kernels can use."""
        return sum((slr.usable for slr in self.slrs[1:]), self.slrs[0].usable)

    def shell_in(self, slr: SuperLogicRegion) -> ResourceVector:
        """The shell's part in one SLR: the shell split like what each SLR withholds from kernels (all of it in the
        first SLR where none withholds anything). Over all SLRs the parts sum to the shell.
        """
        parts: dict[str, int] = {}
        for name in RESOURCE_NAMES:
            withheld = [getattr(each.total, name) - getattr(each.usable, name) for each in self.slrs]
            if not sum(withheld):
                withheld = [1, *([0] * (len(self.slrs) - 1))]
            shell, before = getattr(self.shell, name), 0
            for each, own in zip(self.slrs, withheld, strict=True):
                if each.name == slr.name:
                    total = sum(withheld)
                    parts[name] = shell * (before + own) // total - shell * before // total
                    break
                before += own
        return ResourceVector(**parts)

    def memory(self, kind: MemoryKind) -> MemorySystem:
        """The memory system of that kind.

        Raises:
            InputError: the card has none.
        """
        found = self.hbm if kind == "hbm" else self.ddr
        if found is None:
            raise InputError(
                f"{self.name} has no {kind.upper()}",
                field=kind,
                value=None,
                rule=f"this design streams weights from {kind.upper()}",
                hint=f"take a card with {kind.upper()}",
            )
        return found
