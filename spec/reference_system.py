"""ReferenceSystem: a machine that others compared themselves with, known by the ratios that they printed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from spec.device import Name
from spec.strict import StrictModel

Positive = Annotated[float, Field(gt=0, le=1e18)]
RatioQuantity = Literal["e2e_latency", "decode_rate", "tokens_per_j"]
RatioKind = Literal["measured", "projected"]


class ReferenceLimits(StrictModel):
    """What the machine cannot exceed, by its specification; nothing that anybody measured."""

    memory_bytes_per_s: Positive
    flop_per_s: Positive
    power_w: Positive


class PublishedRatio(StrictModel):
    """How many times better than the reference a catalog design was said to be: latency over latency, rate over rate,
    tokens per J over tokens per J.

    `explains`: the ratio counts in the fit of the baseline; if not, `sources` says why.
    """

    design: Name
    quantity: RatioQuantity
    value: Positive
    kind: RatioKind
    explains: bool = True


class ReferenceSystem(StrictModel):
    """A reference with its limits and the published ratios against it. Its own times and power are in no table: they
    follow from the ratios (`cost_models.reference.fit_baseline`), for `model` at the fit's workload.
    """

    name: Name
    title: Annotated[str, Field(min_length=1, max_length=200)]
    model: Name
    weight_bits: Annotated[int, Field(ge=1, le=32)]
    prompt_tokens: Annotated[int, Field(ge=1, le=1_048_576, description="of the request that the ratios are read as")]
    output_tokens: Annotated[int, Field(ge=1, le=1_048_576)]
    limits: ReferenceLimits
    ratios: Annotated[tuple[PublishedRatio, ...], Field(min_length=1)]
    sources: dict[str, str] = {}
