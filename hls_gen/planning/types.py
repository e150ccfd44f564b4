"""ProjectPlan: every number and name that a template prints. Frozen; templates compute nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spec.design_point import Deployment
from spec.hmt import HmtPlugin
from spec.model_config import ModelConfig
from spec.module_choices import NonlinearFormat
from spec.quant_scheme import QuantScheme
from spec.workload import Stage

if TYPE_CHECKING:
    from hls_gen.planning.host import HostPlan


@dataclass(frozen=True, slots=True)
class PortPlan:
    """One m_axi port of a kernel.

    `csim_words`: its memory in C simulation, of which `image_words` come from a file. `cache_*`: the head lane whose cache
    lies behind the weights, if one does.
    """

    name: str
    argument: str
    bundle: str
    bank: str
    width_bits: int
    burst_words: int
    outstanding: int
    is_written: bool
    csim_words: int = 0
    image_words: int = 0
    cache_lane: int | None = None
    cache_is_keys: bool = False
    cache_chunk: str = ""
    cache_stream: str = ""
    cache_word: str = ""


@dataclass(frozen=True, slots=True)
class LinearPlan:
    """A linear layer as an engine computes it: `projections` stacked, `d_out` padded to whole result words.

    `weight_word`, `scale_word`: where it begins in the image of a layer, in words of the port.
    """

    name: str
    projections: tuple[str, ...]
    d_in: int
    d_out: int
    passes: int
    weight_word: int
    scale_word: int


@dataclass(frozen=True, slots=True)
class ModuleCycles:
    """Expected cycles of one module for one linear layer, per token block (prefill) or per token (decode)."""

    stage: Stage
    module: str
    linear: str
    cycles: int
    law: str


@dataclass(frozen=True, slots=True)
class CsimCase:
    """A run of `values` on a tapped stream; value i is channel i / lanes of token first_token + i mod lanes.

    `linear`: the name of these values in the reference's trace. Only the first `valid` lanes hold tokens. `window`: of a
    prompt that goes segment by segment, the prefill that the run belongs to.
    """

    stage: Stage
    module: str
    linear: str
    stream: str
    first_token: int
    lanes: int
    valid: int
    values: int
    window: int = 0

    @property
    def compared(self) -> int:
        """Values of the valid lanes."""
        return self.values // self.lanes * self.valid


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """What both stages' kernels have: a name, an instance, a clock."""

    stage: Stage
    function: str
    instance: str
    slr: str | None
    clock_mhz: float
    clock_period_ns: str
    ports: tuple[PortPlan, ...]
    scalars: tuple[str, ...]
    token_port: PortPlan | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a parameter image: `words` of the port from `word` on, holding `values` fp32."""

    name: str
    word: int
    values: int


@dataclass(frozen=True, slots=True)
class LaneUnitPlan:
    """One lane unit of the decode engine."""

    index: int
    group_offset: int
    port: int
    port_unit: int
    split: int
    split_unit: int


@dataclass(frozen=True, slots=True)
class HeadLanePlan:
    """One lane of decode attention, with its ports."""

    index: int
    k_port: PortPlan
    v_port: PortPlan
    cache_is_shared: bool
    heads: int


@dataclass(frozen=True, slots=True)
class CacheLayout:
    """Numbers of `cache_layout` of the library's kv_cache.hpp."""

    chunk: int
    chunks: int
    chunks_per_word: int
    words_per_token: int
    words_per_head: int


@dataclass(frozen=True, slots=True)
class DecodePlan:
    """The decode kernel."""

    kernel: KernelPlan
    block_parallelism: int
    weight_parallelism: int
    sub_engines: int
    d_in_splits: int
    buffer_beats: int
    engine_splits: int
    head_parallelism: int
    vector_parallelism: int
    unit_lanes: int
    unit_groups: int
    units: tuple[LaneUnitPlan, ...]
    units_per_port: int
    units_per_split: int
    pairs: int
    max_d_in: int
    linear_pe: str
    attention_pe: str
    quotient: str
    groups: int
    head_word_lanes: int
    result_lanes: int
    softmax_is_pipelined: bool
    sampler_lists: int
    transform_lanes: int
    transform_order: int
    transform_streams: bool
    head_transform_lanes: int
    head_transform_streams: bool
    weight_ports: tuple[PortPlan, ...]
    scale_port: PortPlan
    io_port: PortPlan
    parameter_port: PortPlan
    embedding_ports: tuple[PortPlan, ...]
    head_lanes: tuple[HeadLanePlan, ...]
    key_layout: CacheLayout
    value_layout: CacheLayout
    cache_is_shared: bool
    lane_heads: int
    linears: tuple[LinearPlan, ...]
    head: LinearPlan
    layer_weight_words: int
    layer_scale_words: int
    sections: tuple[Section, ...]
    layer_parameter_words: int
    rope_row_words: int
    first_layer_word: int
    x_word: int
    q_word: int
    h_word: int
    k_word: int
    v_word: int
    state_words: int
    embedding_row_words: int
    embedding_rows_per_port: int
    max_top_k: int
    operand_depth: int
    weight_depth: int
    vector_depth: int
    cache_depth: int

    @property
    def ports(self) -> tuple[PortPlan, ...]:
        """All ports, in the order of the kernel's arguments."""
        return self.kernel.ports

    def section(self, name: str) -> Section:
        """A section of a layer's parameters."""
        return next(section for section in self.sections if section.name == name)

    def linear(self, name: str) -> LinearPlan:
        """A linear layer by name."""
        return next(linear for linear in self.linears if linear.name == name)


@dataclass(frozen=True, slots=True)
class PrefillEnginePlan:
    """One systolic array with its dequantizer and loaders."""

    name: str
    weight_parallelism: int
    sub_arrays: int
    columns: int
    max_d_in: int
    weight_ports: tuple[PortPlan, ...]
    scale_port: PortPlan
    linears: tuple[LinearPlan, ...]
    layer_weight_words: int
    layer_scale_words: int


@dataclass(frozen=True, slots=True)
class HmtPlan:
    """The HMT plug-in of the prefill kernel. `..._word`: where a part of its state begins on the port of hmt_io."""

    plugin: HmtPlugin
    block_parallelism: int
    weight_parallelism: int
    memories: int
    window_multiple: int
    max_d_in: int
    score_scale: str
    io_port: PortPlan
    weight_ports: tuple[PortPlan, ...]
    hidden_port: PortPlan
    row_words: int
    query_word: int
    weights_word: int
    outer_word: int
    prompt_word: int
    port_words: int

    @property
    def datapath_ports(self) -> tuple[PortPlan, ...]:
        """The ports that its datapath reads and writes."""
        return (self.hidden_port, self.io_port, *self.weight_ports)


@dataclass(frozen=True, slots=True)
class PrefillPlan:
    """The prefill kernel. The chunk of a cache's layout is what a beat of its port brings attention, which takes
    `key_parallelism` and `value_parallelism` channels at once.
    """

    kernel: KernelPlan
    token_parallelism: int
    engines: tuple[PrefillEnginePlan, ...]
    linear_pe: str
    attention_pe: str
    quotient: str
    groups: int
    causal_skip: bool
    input_fill: str
    softmax_is_pipelined: bool
    transform_order: int
    transform_streams: bool
    head_transform_streams: bool
    io_port: PortPlan
    parameter_port: PortPlan
    k_port: PortPlan
    v_port: PortPlan
    key_parallelism: int
    value_parallelism: int
    key_layout: CacheLayout
    value_layout: CacheLayout
    sections: tuple[Section, ...]
    layer_parameter_words: int
    rope_row_words: int
    first_layer_word: int
    vector_words: int
    max_tokens: int
    token_blocks: int
    residual_depth: int
    quantizer_depth: int
    operand_depth: int
    weight_depth: int
    vector_depth: int
    cache_depth: int
    hmt: HmtPlan | None = None

    @property
    def datapath_ports(self) -> tuple[PortPlan, ...]:
        """The ports that its datapath reads and writes: those of an HMT plug-in are left out."""
        own = set() if self.hmt is None else {port.name for port in (self.hmt.io_port, *self.hmt.weight_ports)}
        return tuple(port for port in self.ports if port.name not in own)

    @property
    def joins_key_beats(self) -> bool:
        """Whether a word of keys for attention is made of several beats of the port."""
        return self.key_layout.chunk < self.key_parallelism

    @property
    def joins_value_beats(self) -> bool:
        """The same of values."""
        return self.value_layout.chunk < self.value_parallelism

    @property
    def joins_beats(self) -> bool:
        """Whether either is."""
        return self.joins_key_beats or self.joins_value_beats

    @property
    def ports(self) -> tuple[PortPlan, ...]:
        """All ports, in the order of the kernel's arguments."""
        return self.kernel.ports

    def section(self, name: str) -> Section:
        """A section of a layer's parameters."""
        return next(section for section in self.sections if section.name == name)


@dataclass(frozen=True, slots=True)
class CsimPlan:
    """What C simulation runs: the model with fewer layers and rows of lm_head, on a few tokens.

    `hmt`: the sizes of its segments, where the prompt goes segment by segment.
    """

    model: ModelConfig
    prefill_tokens: int
    decode_tokens: int
    token_ids: tuple[int, ...]
    cases: tuple[CsimCase, ...] = ()
    hmt: HmtPlugin | None = None

    @property
    def position(self) -> int:
        """Tokens in the caches when decode begins."""
        return self.prefill_tokens if self.hmt is None else self.hmt.kept_tokens(self.prefill_tokens)

    @property
    def first_token(self) -> int:
        """The last token of the prompt, with which decode begins."""
        return self.token_ids[-1]


@dataclass(frozen=True, slots=True)
class ProjectPlan:
    """The whole project."""

    model: ModelConfig
    scheme: QuantScheme
    nonlinear_format: NonlinearFormat
    device_name: str
    device_family: str
    part_number: str
    platform: str | None
    deployment: Deployment
    design_key: str
    prompt_tokens: int
    output_tokens: int
    max_tokens: int
    seed: int
    timing_table_version: str
    loop_restart_cycles: int
    prefill: PrefillPlan
    decode: DecodePlan
    cycles: tuple[ModuleCycles, ...]
    csim: CsimPlan
    host: HostPlan
