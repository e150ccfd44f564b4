"""Capacity of external memory: what lies where, what does not fit, and what would have to move."""

from __future__ import annotations

from spec.device import MemoryKind
from spec.strict import StrictModel
from spec.workload import Stage


class StoredRole(StrictModel):
    """One kind of data of a stage. `bytes_per_channel`: on the channel of its own that holds most of it."""

    role: str
    memory: MemoryKind
    channels: tuple[int, ...]
    stored_bytes: float
    bytes_per_channel: float


class MemoryUse(StrictModel):
    """One memory during one stage against its capacity. `fullest_channel` is None where the stage keeps nothing there.

    `fits`: every channel holds what is mapped to it. `shortfall_bytes`: what the fullest channel lacks.
    `even_fraction`: fill of the whole memory if the same data were spread evenly; above 1 no placement fits.
    """

    stage: Stage
    memory: MemoryKind
    channels: int
    channel_capacity_bytes: int
    stored_bytes: float
    fullest_channel: int | None
    fullest_channel_bytes: float
    fits: bool
    shortfall_bytes: float
    even_fraction: float
    message: str
    levers: tuple[str, ...]


class Relocation(StrictModel):
    """Data that would have to move from HBM to DDR. `s_per_token`: what reading it there adds to a token at most."""

    what: str
    moved_bytes: float
    s_per_token: float


class CardNeed(StrictModel):
    """What one decode image of the model needs at a weight width, whatever the design, spread evenly over the card.

    `hbm_fraction` of the HBM (None: the card has none) after `relocations`; `ddr_fraction` likewise. `fits`: with them.
    """

    weight_bits: int
    weight_bytes: float
    scale_bytes: float
    kv_cache_bytes: float
    embedding_bytes: float
    hbm_fraction: float | None
    ddr_fraction: float | None
    relocations: tuple[Relocation, ...]
    fits: bool
    message: str


class CapacityReport(StrictModel):
    """The memories of a design, and of its model at the usual weight widths."""

    roles: tuple[StoredRole, ...]
    memories: tuple[MemoryUse, ...]
    card: tuple[CardNeed, ...]
