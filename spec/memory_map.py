"""MemoryMap: which AXI port carries what, to which channel, how wide."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from spec.device import MemoryKind
from spec.errors import InputError
from spec.strict import StrictModel
from spec.workload import Stage

PortRole = Literal[
    "io",
    "norm_weights",
    "weights_kq",
    "weights_vo",
    "weights_gate",
    "weights_up",
    "weights_down",
    "scales_kq",
    "scales_vo",
    "scales_gate",
    "scales_up",
    "scales_down",
    "weights",
    "scales",
    "k_cache",
    "v_cache",
    "embedding",
    "hmt_io",
    "hmt_weights",
    "weights_lm_head",
]

PREFILL_ROLES: tuple[PortRole, ...] = (
    "io",
    "norm_weights",
    "weights_kq",
    "weights_vo",
    "weights_gate",
    "weights_up",
    "weights_down",
    "scales_kq",
    "scales_vo",
    "scales_gate",
    "scales_up",
    "scales_down",
    "k_cache",
    "v_cache",
    "hmt_io",
    "hmt_weights",
)
DECODE_ROLES: tuple[PortRole, ...] = (
    "io",
    "norm_weights",
    "weights",
    "scales",
    "k_cache",
    "v_cache",
    "embedding",
    "weights_lm_head",
)
HMT_ROLES: tuple[PortRole, ...] = ("hmt_io", "hmt_weights")  # only with an HMT plug-in; DesignPoint checks them
WRITTEN_ROLES: frozenset[PortRole] = frozenset({"io", "k_cache", "v_cache"})  # the others are only read
# Without ports of its own, lm_head streams over those of `weights`.
OPTIONAL_ROLES: tuple[PortRole, ...] = (*HMT_ROLES, "weights_lm_head")
ROLES: dict[Stage, tuple[PortRole, ...]] = {"prefill": PREFILL_ROLES, "decode": DECODE_ROLES}


Sharing = Literal["per_stage", "shared"]


class MemoryPort(StrictModel):
    """One m_axi port of a kernel. A port that carries several roles serves them one after the other."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
    stage: Stage
    roles: Annotated[tuple[PortRole, ...], Field(min_length=1)]
    memory: MemoryKind
    channel: Annotated[int, Field(ge=0, le=255)]
    width_bits: Literal[32, 64, 128, 256, 512, 1024]


class MemoryMap(StrictModel):
    """All ports of both stages. Channels are numbered within their memory kind.

    `kv_layout`, `weight_copies`: shared where both stages read one image of the KV cache or of the weights; per_stage
    where each has its own, the cache re-laid out by the host between the stages.
    """

    ports: Annotated[tuple[MemoryPort, ...], Field(min_length=1, max_length=256)]
    kv_layout: Sharing = "per_stage"
    weight_copies: Sharing = "per_stage"

    @model_validator(mode="after")
    def _roles_are_served(self) -> MemoryMap:
        names = [(port.stage, port.name) for port in self.ports]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(
                "two ports of one stage have one name",
                field="ports",
                value=twice[1],
                rule="port names are unique in a stage",
                hint="rename one of the two",
            )
        for i, port in enumerate(self.ports):
            for role in port.roles:
                if role not in ROLES[port.stage]:
                    raise InputError(
                        f"{port.stage} has no role {role}",
                        field=f"ports[{i}].roles",
                        value=role,
                        rule=f"one of {', '.join(ROLES[port.stage])}",
                        hint="give the port a role of its stage",
                    )
        for stage, roles in ROLES.items():
            served = {role for port in self.ports if port.stage == stage for role in port.roles}
            for role in roles:
                if role not in served and role not in OPTIONAL_ROLES:
                    raise InputError(
                        f"no {stage} port carries {role}",
                        field="ports",
                        value=role,
                        rule=f"every role of {stage} has a port: {', '.join(r for r in roles if r not in OPTIONAL_ROLES)}",
                        hint=f"add {role} to the roles of a port",
                    )
        return self

    def of(self, stage: Stage, role: PortRole) -> tuple[MemoryPort, ...]:
        """The ports of `stage` that carry `role`."""
        return tuple(port for port in self.ports if port.stage == stage and role in port.roles)
