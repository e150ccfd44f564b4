"""Documents of model quality: what was measured, by which protocol, and the fitted sensitivity of each tensor group.

Two kinds of number are never mixed: `measured` ones, which we measured on the model named, and `published` ones, copied
from a paper with its protocol. `quality` of a design (spec/metrics.py) is the increase of perplexity over the unquantized
model as a fraction: 0.10 is 10 % more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator, model_validator

from spec.errors import InputError
from spec.quant_scheme import Bits, Name, QuantScheme
from spec.quantized_checkpoint import CalibrationText
from spec.strict import StrictModel

TensorGroup = Literal[
    "weight.attention",
    "weight.gate_up",
    "weight.down",
    "weight.lm_head",
    "activation.attention",
    "activation.gate_up",
    "activation.down",
    "activation.lm_head",
    "key",
    "value",
    "attention",
]
TENSOR_GROUPS: tuple[TensorGroup, ...] = get_args(TensorGroup)

# A third of the layers, first to last; a group without layers (lm_head) has the depth "all".
Depth = Literal["all", "first", "middle", "last"]
DEPTHS: tuple[Depth, ...] = ("first", "middle", "last")
DEPTHLESS: frozenset[TensorGroup] = frozenset({"weight.lm_head", "activation.lm_head"})

UNQUANTIZED_BITS = 16  # a width of 16 bits stands for "not quantized"

QualitySource = Literal["measured", "published"]
Rounding = Literal["rtn", "gptq"]
FoldedRotations = Literal["none", "r1_r2"]
Text = Annotated[str, Field(min_length=1, max_length=500)]


def depth_layers(depth: Depth, n_layers: int) -> range:
    """The layers of a depth; thirds differ by at most one layer."""
    if depth == "all":
        return range(n_layers)
    third = DEPTHS.index(depth)
    return range(third * n_layers // 3, (third + 1) * n_layers // 3)


class WidthOverride(StrictModel):
    """Another width for one tensor group in some of the layers: mixed precision."""

    group: TensorGroup
    depth: Depth = "all"
    bits: Bits

    @model_validator(mode="after")
    def _head_has_no_depth(self) -> WidthOverride:
        if self.group in DEPTHLESS and self.depth != "all":
            raise InputError(
                "lm_head comes after all layers and has no depth",
                field="depth",
                value=self.depth,
                rule="all, for a group of lm_head",
                hint="leave depth out",
            )
        return self

    def covers(self, layer: int, n_layers: int) -> bool:
        """Whether it holds in that layer."""
        return layer in depth_layers(self.depth, n_layers) or self.group in DEPTHLESS


class PrecisionPlan(StrictModel):
    """Mixed precision: a scheme and what differs from it; the last override that covers a tensor wins."""

    schema_name: Annotated[Literal["flexdse/precision-plan/v1"], Field(alias="schema")] = "flexdse/precision-plan/v1"
    scheme: QuantScheme
    overrides: tuple[WidthOverride, ...] = ()


class QuantMode(StrictModel):
    """Everything about a scheme but its widths. Sensitivities hold within one mode and are not transferred to another."""

    weight_rounding: Rounding
    folded_rotations: FoldedRotations
    online_hadamard: Literal["down_proj", "qk", "qk_and_down_proj", "none"]
    activation_scale: Literal["dynamic_per_token", "static_per_tensor"]
    activation_symmetry: Literal["asymmetric", "symmetric"]
    weight_scale: Literal["per_channel", "per_group", "per_tensor"]
    weight_symmetry: Literal["symmetric", "asymmetric"]
    weight_group_size: int | None = None
    attention_scale: Literal["static_per_head", "dynamic_per_token"]
    hadamard_block: int | None = None


def mode_of(scheme: QuantScheme, rounding: Rounding, folded: FoldedRotations = "r1_r2") -> QuantMode:
    """The mode of a scheme whose weights are rounded so."""
    fields = {name: getattr(scheme, name) for name in QuantMode.model_fields if name in QuantScheme.model_fields}
    return QuantMode(weight_rounding=rounding, folded_rotations=folded, **fields)


class Protocol(StrictModel):
    """How perplexity was measured: text, windows, and how far a window starts after the one before."""

    text: Text
    text_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    window_tokens: Annotated[int, Field(ge=2)] | None  # None: the publication does not say
    stride_tokens: Annotated[int, Field(ge=1)] | None
    predicted_tokens: Annotated[int, Field(ge=1)] | None


class Measurement(StrictModel):
    """Quality of one assignment of widths, against the unquantized model on the same tokens.

    Standard errors are over the windows: how far the mean would move with other text of the same kind. That of the increase
    pairs each window with the unquantized model's, so what makes a window hard for both is no part of it. None with fewer
    than two windows, and of the increase for the unquantized model itself.
    """

    perplexity: Annotated[float, Field(gt=0)]
    nll: float  # mean negative log likelihood of a token, nats
    kl_divergence: Annotated[float, Field(ge=0)] | None = None  # mean over tokens, nats, reference to quantized
    top1_agreement: Annotated[float, Field(ge=0, le=1)] | None = None  # fraction of tokens with the same best token
    nll_standard_error: Annotated[float, Field(ge=0)] | None = None  # nats
    increase_standard_error: Annotated[float, Field(ge=0)] | None = None  # nats, of nll minus the unquantized model's


class Sensitivity(StrictModel):
    """Increase of nll over the base when one group at one depth gets another width, alone.

    `standard_error`: of that increase, over the windows, each paired with the base on the same tokens; None with one window,
    or where it was measured before standard errors were kept.
    """

    group: TensorGroup
    depth: Depth
    bits: Bits
    delta_nll: float
    standard_error: Annotated[float, Field(ge=0)] | None = None  # nats


class MeasuredCombination(StrictModel):
    """A measured mixture of widths, for fitting or for checking the prediction."""

    overrides: tuple[WidthOverride, ...]
    nll: float
    used_in_fit: bool
    increase_standard_error: Annotated[float, Field(ge=0)] | None = None  # as in Measurement


BAND_SHARE = 0.9  # of mixtures that the band shall hold, the next one that is measured included
# Of n errors and one to come, the next is the k-th smallest or less with probability k / (n + 1), whatever their
# distribution (split conformal prediction, Vovk et al. 2005): nine errors are the fewest of which one reaches the share.
MIN_UNSEEN = math.ceil(BAND_SHARE / (1 - BAND_SHARE) - 1e-9)


def band_of(errors: Sequence[float]) -> float | None:
    """What the error of the next mixture stays within, with probability `BAND_SHARE`; None of fewer than `MIN_UNSEEN`.

    Errors of exactly nothing are no band either: no measurement gives that.
    """
    rank = math.ceil(BAND_SHARE * (len(errors) + 1) - 1e-9)
    return sorted(errors)[rank - 1] or None if rank <= len(errors) else None


class SensitivityTable(StrictModel):
    """Predicts nll of any assignment of widths in one mode: base + d + curvature d^2, d the sum of the sensitivities.

    `band_relative`: the next combination that no fit has seen, and that stays below twice the reference's perplexity, is
    predicted within this fraction of its measured perplexity with a probability of 90 % (`band_of` those that were measured,
    if it is one of their kind). Beyond that limit a prediction only ranks. None where
    fewer than `MIN_UNSEEN` such combinations were measured: an error is not known then, and not zero.
    """

    schema_name: Annotated[Literal["flexdse/sensitivity-table/v1"], Field(alias="schema")] = (
        "flexdse/sensitivity-table/v1"
    )
    source: Literal["measured"] = "measured"
    model: Name
    checkpoint: Text
    checkpoint_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    mode: QuantMode
    protocol: Protocol
    reference: Measurement  # the unquantized model
    base_bits: Bits  # of every group; the sensitivities are relative to it
    base: Measurement
    sensitivities: tuple[Sensitivity, ...]
    calibration: CalibrationText | None = None  # with the seed, what it takes to measure more in the same way
    rotation_seed: Annotated[int, Field(ge=0)] = 0
    curvature: Annotated[float, Field(ge=0)] = 0.0
    band_relative: Annotated[float, Field(gt=0)] | None = None
    combinations: tuple[MeasuredCombination, ...] = ()

    @field_validator("band_relative", mode="before")
    @classmethod
    def _zero_was_none(cls, value: object) -> object:
        """Tables written before a band could be None have 0 there."""
        return None if value == 0 else value


class MeasuredResult(StrictModel):
    """One scheme measured as a whole."""

    name: Text
    scheme: QuantScheme
    overrides: tuple[WidthOverride, ...] = ()
    mode: QuantMode
    measurement: Measurement


class MeasuredTable(StrictModel):
    """Schemes measured as a whole by one protocol, for comparison and for the record."""

    schema_name: Annotated[Literal["flexdse/measured-quality/v1"], Field(alias="schema")] = (
        "flexdse/measured-quality/v1"
    )
    source: Literal["measured"] = "measured"
    model: Name
    checkpoint: Text
    checkpoint_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    protocol: Protocol
    reference: Measurement
    results: tuple[MeasuredResult, ...]


class PublishedResult(StrictModel):
    """A perplexity from a publication."""

    name: Text
    scheme: QuantScheme | None = None  # None: not a scheme of ours, kept for the order only
    perplexity: Annotated[float, Field(gt=0)]
    is_lower_bound: bool = False  # the publication says only that it is above
    note: Text | None = None


class PublishedTable(StrictModel):
    """Perplexities of one model from one publication: looked up, never interpolated."""

    schema_name: Annotated[Literal["flexdse/published-quality/v1"], Field(alias="schema")] = (
        "flexdse/published-quality/v1"
    )
    source: Literal["published"] = "published"
    model: Name
    publication: Text
    protocol: Protocol
    reference: PublishedResult
    results: tuple[PublishedResult, ...]


def delta_nll(table: SensitivityTable, group: TensorGroup, depth: Depth, bits: int) -> float | None:
    """The increase of nll of one group at one depth and width; None where nothing was measured that tells it.

    All layers are the sum of their thirds at every width, so that fewer bits in one third never come out better than more.
    The base adds nothing; what wider ones would take away was not measured. Between two measured widths the logarithm is
    interpolated: the error of a grid falls by a constant factor with each bit. It falls by 4 a bit at most, as squared error
    does: so above the widest measured one, and where the wider one is lost in noise.
    """
    if bits == table.base_bits:
        return 0.0
    if bits > table.base_bits:
        return None
    if depth == "all" and group not in DEPTHLESS:
        thirds = [delta_nll(table, group, third, bits) for third in DEPTHS]
        return None if None in thirds else sum(third for third in thirds if third is not None)
    known = _known_widths(table, group, depth)
    if not known or bits < min(known):
        return None
    if bits in known:
        return known[bits]
    below = max(width for width in known if width < bits)
    above = min((width for width in known if width > bits), default=None)
    if above is None or known[below] == 0:
        return known[below] * 4.0 ** (below - bits)
    wide = max(known[above], known[below] * 4.0 ** (below - above))
    share = (bits - below) / (above - below)
    return float(known[below] ** (1 - share) * wide**share)


def interpolated_widths(table: SensitivityTable, overrides: Sequence[WidthOverride]) -> tuple[int, ...]:
    """Widths of a mixture that lie between measured ones and that no mixture measured for checking had."""
    checked = {(o.group, o.bits) for c in table.combinations if not c.used_in_fit for o in c.overrides}
    found: set[int] = set()
    for group, thirds in group_widths(table.base_bits, overrides).items():
        measured = {s.bits for s in table.sensitivities if s.group == group} | {table.base_bits}
        found.update(bits for bits in thirds if bits not in measured and (group, bits) not in checked)
    return tuple(sorted(found))


def is_unquantized(overrides: Sequence[WidthOverride], base_bits: int) -> bool:
    """Whether every width of a mixture is 16: the reference itself."""
    widths = group_widths(base_bits, overrides).values()
    return all(bits == UNQUANTIZED_BITS for thirds in widths for bits in thirds)


def measured_alone(table: SensitivityTable, overrides: Sequence[WidthOverride]) -> bool:
    """Whether a mixture is the base or one of the single changes: the table knows it, so it tests no prediction."""
    wanted = group_widths(table.base_bits, overrides)
    single: list[tuple[WidthOverride, ...]] = [
        (WidthOverride(group=s.group, depth=s.depth, bits=s.bits),) for s in table.sensitivities
    ]
    return any(group_widths(table.base_bits, one) == wanted for one in [(), *single])


def _known_widths(table: SensitivityTable, group: TensorGroup, depth: Depth) -> dict[int, float]:
    """Width -> delta of a group at a third ("all" of a group without layers), never less than that of a wider one.

    Without its own entry a third is a third of the whole; where both were measured, what thirds lack of the whole is shared.
    """
    entries = {(s.depth, s.bits): s.delta_nll for s in table.sensitivities if s.group == group}
    known: dict[int, float] = {}
    least = 0.0  # the base adds nothing, and fewer bits do not help: what seems to is noise of a text of this length
    for bits in sorted({bits for _, bits in entries}, reverse=True):
        whole = entries.get(("all", bits))
        if depth == "all":
            value = whole
        elif whole is None:
            value = entries.get((depth, bits))
        else:
            thirds = {d: entries.get((d, bits), whole / len(DEPTHS)) for d in DEPTHS}
            value = thirds[depth] + max(whole - sum(thirds.values()), 0.0) / len(DEPTHS)
        if value is not None:
            known[bits] = least = max(value, least)
    return known


def sum_of_sensitivities(table: SensitivityTable, overrides: Sequence[WidthOverride]) -> float | None:
    """The sum over all groups and depths of a mixture on top of the base; None where a width was never measured."""
    total = 0.0
    for group in TENSOR_GROUPS:
        last: dict[Depth, int] = {}
        for override in overrides:
            if override.group == group:
                last.update(
                    dict.fromkeys(DEPTHS, override.bits) if override.depth == "all" else {override.depth: override.bits}
                )
        widths = set(last.values())
        parts: list[tuple[Depth, int]] = list(last.items())
        if len(widths) == 1 and len(last) == len(DEPTHS):
            parts = [("all", widths.pop())]
        for depth, bits in parts:
            delta = delta_nll(table, group, depth, bits)
            if delta is None:
                return None
            total += delta
    return total


def predicted_nll(table: SensitivityTable, overrides: Sequence[WidthOverride]) -> float:
    """nll of a mixture; NaN where a width of it was never measured."""
    if is_unquantized(overrides, table.base_bits):
        return table.reference.nll
    total = sum_of_sensitivities(table, overrides)
    if total is None:
        return math.nan
    return table.base.nll + with_curvature(total, table.curvature)


def group_widths(base_bits: int, overrides: Sequence[WidthOverride]) -> dict[TensorGroup, tuple[int, int, int]]:
    """The width of each group in the three thirds of the layers, for a mixture on top of `base_bits` everywhere."""
    widths: dict[TensorGroup, dict[Depth, int]] = {g: dict.fromkeys(DEPTHS, base_bits) for g in TENSOR_GROUPS}
    for override in overrides:
        depths = DEPTHS if override.depth == "all" else (override.depth,)
        widths[override.group].update(dict.fromkeys(depths, override.bits))
    return {group: (w["first"], w["middle"], w["last"]) for group, w in widths.items()}


def measured_mixture(table: SensitivityTable, overrides: Sequence[WidthOverride]) -> MeasuredCombination | None:
    """A mixture that was measured as it is, however its overrides are written; None if it never was."""
    wanted = group_widths(table.base_bits, overrides)
    if all(bits == table.base_bits for thirds in wanted.values() for bits in thirds):
        base = table.base
        return MeasuredCombination(
            overrides=(), nll=base.nll, used_in_fit=False, increase_standard_error=base.increase_standard_error
        )
    return next((c for c in table.combinations if group_widths(table.base_bits, c.overrides) == wanted), None)


def without_mixture(table: SensitivityTable, overrides: Sequence[WidthOverride]) -> SensitivityTable:
    """The table without that mixture; curvature and band are still those with it."""
    wanted = group_widths(table.base_bits, overrides)
    others = (c for c in table.combinations if group_widths(table.base_bits, c.overrides) != wanted)
    return table.model_copy(update={"combinations": tuple(others)})


def with_curvature(total: float, curvature: float) -> float:
    """d + c d^2; a mixture that happens to help (d < 0) is taken as it is."""
    return total + curvature * max(total, 0.0) ** 2


def plan_overrides(scheme: QuantScheme, overrides: Sequence[WidthOverride] = ()) -> tuple[WidthOverride, ...]:
    """A scheme's widths as overrides of any base, followed by `overrides`."""
    uniform = [WidthOverride(group=group, bits=scheme_bits(scheme, group)) for group in TENSOR_GROUPS]
    return (*uniform, *overrides)


def scheme_bits(scheme: QuantScheme, group: TensorGroup) -> int:
    """The width that a uniform scheme gives a tensor group."""
    kind, _, part = group.partition(".")
    if kind == "weight":
        return scheme.lm_head_weight_bits if part == "lm_head" else scheme.weight_bits
    if kind == "activation":
        return scheme.activation_bits
    return scheme.kv_bits if kind in ("key", "value") else scheme.attention_bits
