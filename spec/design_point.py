"""DesignPoint: everything an architect decides, and nothing that follows from it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from spec.errors import InputError
from spec.hmt import HmtPlugin
from spec.memory_map import HMT_ROLES, MemoryMap, Sharing
from spec.module_choices import DecodeModules, NonlinearFormat, PrefillModules
from spec.quant_scheme import LATER_SCHEME_FIELDS, QuantScheme
from spec.strict import StrictModel

Deployment = Literal["two_bitstreams", "co_resident", "two_cards"]
Parallelism = Annotated[int, Field(ge=1, le=65536)]
ClockMHz = Annotated[float, Field(gt=0, le=1500)]


class PrefillDesign(StrictModel):
    """Spatial prefill: five int4 systolic arrays (kq, vo, gate, up, down), each TP x WP, weights re-streamed per block.

    The same five numbers as FlexLLM's `TOKEN_PARALLEL`, `PRE_QKVO_W_PARALLEL`, `PRE_FFN_W_PARALLEL`,
    `PRE_FFN_W_BLOCK_NUM`, `PRE_K_PARALLEL` and `PRE_V_PARALLEL` (shared names in docs/concepts.md).
    """

    token_parallelism: Annotated[Parallelism, Field(description="tokens of a block = rows of every array")]
    qkvo_weight_parallelism: Annotated[
        Parallelism, Field(description="output channels per pass of the kq and vo arrays")
    ]
    ffn_weight_parallelism: Annotated[Parallelism, Field(description="output channels per pass of each FFN array")]
    ffn_weight_blocks: Annotated[Parallelism, Field(description="sub-arrays of an FFN array, one weight port each")]
    key_parallelism: Annotated[Parallelism, Field(description="keys per pass of the QK array")]
    value_parallelism: Annotated[Parallelism, Field(description="head channels per pass of the AV array")]
    modules: Annotated[PrefillModules, Field(description="which variant of each module is built")] = PrefillModules()


class DecodeDesign(StrictModel):
    """Temporal decode: one block-parallel GEMV engine that every linear layer reuses."""

    block_parallelism: Annotated[Parallelism, Field(description="groups of output channels computed side by side")]
    weight_parallelism: Annotated[Parallelism, Field(description="output channels per group and pass")]
    engine_splits: Annotated[Parallelism, Field(description="parts of the engine, each with a copy of the input")]
    head_parallelism: Annotated[Parallelism, Field(description="heads computed side by side in attention")]
    key_parallelism: Annotated[Parallelism, Field(description="keys per pass of each QK lane")]
    value_parallelism: Annotated[Parallelism, Field(description="head channels per pass of each AV lane")]
    vector_parallelism: Annotated[Parallelism, Field(description="lanes of embedding, norm and residual")]
    modules: Annotated[DecodeModules, Field(description="which variant of each module is built")] = DecodeModules()


# The numbers of a stage, as against the choice of its modules.
PREFILL_PARAMETERS = tuple(name for name in PrefillDesign.model_fields if name != "modules")
DECODE_PARAMETERS = tuple(name for name in DecodeDesign.model_fields if name != "modules")


class StageClocks(StrictModel):
    """Clock asked of the tools for each stage's bitstream (MHz)."""

    prefill: ClockMHz
    decode: ClockMHz


class KernelPlacement(StrictModel):
    """A module's kernel and SLR. `slr` None: left to the vendor's placer."""

    module: Annotated[str, Field(pattern=r"^(prefill|decode)(\.[a-z][a-z0-9_]{0,40})?$")]
    kernel: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
    slr: Annotated[str, Field(pattern=r"^SLR[0-9]$")] | None = None


@dataclass(frozen=True, slots=True)
class SystemChoices:
    """What holds for a design as a whole and decides how its stages are priced and put together."""

    deployment: Deployment = "two_bitstreams"
    nonlinear_format: NonlinearFormat = "fp32"
    kv_layout: Sharing = "per_stage"
    weight_copies: Sharing = "per_stage"


DEFAULT_SYSTEM = SystemChoices()  # FlexLLM's

DEFAULT_KERNELS = (
    KernelPlacement(module="prefill", kernel="prefill"),
    KernelPlacement(module="decode", kernel="decode"),
)


class DesignPoint(StrictModel):
    """One pair of accelerators for one model on one card."""

    schema_name: Annotated[Literal["flexdse/design/v1"], Field(alias="schema")] = "flexdse/design/v1"
    deployment: Deployment
    prefill: PrefillDesign
    decode: DecodeDesign
    memory_map: MemoryMap
    kernels: tuple[KernelPlacement, ...] = DEFAULT_KERNELS
    quant_scheme: QuantScheme
    nonlinear_format: NonlinearFormat
    clock_target_mhz: StageClocks
    hmt: HmtPlugin | None = None

    @model_validator(mode="after")
    def _plugin_has_ports(self) -> DesignPoint:
        for role in HMT_ROLES:
            ports = self.memory_map.of("prefill", role)
            if self.hmt is not None and not ports:
                raise InputError(
                    f"no prefill port carries {role}",
                    field="memory_map.ports",
                    value=role,
                    rule=f"with an HMT plug-in {' and '.join(HMT_ROLES)} have ports",
                    hint=f"add a prefill port of the role {role}, or leave hmt out",
                )
            if self.hmt is None and ports:
                raise InputError(
                    f"port {ports[0].name} serves an HMT plug-in, and the design has none",
                    field="hmt",
                    value=None,
                    rule=f"{' and '.join(HMT_ROLES)} have ports only with an HMT plug-in",
                    hint="give hmt its sizes, or remove the port",
                )
        return self

    @property
    def system(self) -> SystemChoices:
        """The choices for the whole system."""
        return SystemChoices(
            self.deployment, self.nonlinear_format, self.memory_map.kv_layout, self.memory_map.weight_copies
        )

    def canonical_key(self) -> str:
        """16 hex digits that are equal exactly for equal designs."""
        document = self.model_dump(mode="json", by_alias=True)
        # The key of a design from before there were plug-ins and module variants stays what it was.
        if self.hmt is None:
            del document["hmt"]
        for stage, modules in (("prefill", self.prefill.modules), ("decode", self.decode.modules)):
            document[stage]["modules"] = modules.model_dump(mode="json", exclude_defaults=True)
            if not document[stage]["modules"]:
                del document[stage]["modules"]
        for name in LATER_SCHEME_FIELDS:
            if getattr(self.quant_scheme, name) == QuantScheme.model_fields[name].default:
                del document["quant_scheme"][name]
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]
