"""TimingTable: operator latencies and costs, loop restart, AXI and HBM parameters of the HLS tools and parts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from spec.strict import StrictModel

Cycles = Annotated[float, Field(ge=0, le=1e6)]


class OperatorCost(StrictModel):
    """One pipelined fp32 operator instance at II=1."""

    latency_cycles: Cycles
    dsp: Annotated[int, Field(ge=0)]
    lut: Annotated[int, Field(ge=0)]
    ff: Annotated[int, Field(ge=0)]


class TimingTable(StrictModel):
    """Shared by the cost models, the planner and the simulator."""

    version: str
    loop_restart_cycles: Annotated[Cycles, Field(description="overhead of one iteration of a dataflow loop")]
    decode_chain_depth_cycles: Annotated[
        Cycles, Field(description="pipeline depths and AXI read latencies in series along one decode layer")
    ]
    memory_access_cycles: Annotated[
        Cycles, Field(description="latency of one dependent access over an m_axi port, request to first data")
    ]
    sampler_merge_cycles: Annotated[Cycles, Field(description="merge of one candidate into the top-k list")]
    sampler_insert_cycles: Annotated[Cycles, Field(description="insertion of one logit into the top-k list")]
    sampler_tail_cycles: Annotated[Cycles, Field(description="softmax, CDF, compare and write-back of a sampled token")]
    top_k: Annotated[int, Field(ge=1)]
    operators: dict[str, OperatorCost]


DEFAULT_TIMING_TABLE = TimingTable(
    version="2",
    # 6..12 cycles a dataflow-loop iteration in FlexLLM's task graph; 8 is the middle used in its timed simulation.
    loop_restart_cycles=8,
    # Operator depths in series along a layer: what a timed simulation of FlexLLM's decode graph (8846 / 5689 / ~5900
    # cycles of gaps a layer for its three configurations) leaves after every pass that cost_models/decode.py counts.
    decode_chain_depth_cycles=1200,
    # HBM closed-page access 122 ns (Shuhai, FCCM 2020) = 36 cycles at 300 MHz, and the 64 cycles that Vitis HLS plans
    # for an m_axi port by default (m_axi_latency of the kernel flow).
    memory_access_cycles=100,
    # Find 5 (II=1) + insert 5 (II=2) + loop entries of FlexLLM's dec_Sampling_Embedding_Layer.
    sampler_merge_cycles=24,
    sampler_insert_cycles=24,
    sampler_tail_cycles=2600,  # remainder of the same simulation's lm_head tail (6467 cycles at BP 16)
    top_k=5,  # FlexLLM LOGITS_MAX_K
    # DSP: Vitis HLS fp32 defaults on UltraScale+ (full DSP adder 2, multiplier 3, exp 7, divider and root 0). fadd, fmul, fexp:
    # instances of Vitis HLS 2023.2 csynth reports (UCLA-VAST/Stream-HLS MHSA and Prometheus: fadd 7 full_dsp, fmul 4 max_dsp,
    # fexp 14 full_dsp). The others' latency is from the same reports, which print no LUT or FF for operators without DSP;
    # their LUT, FF: Vivado HLS estimates before mapping, general knowledge, checked only in the whole-chip totals.
    operators={
        "fadd": OperatorCost(latency_cycles=7, dsp=2, lut=198, ff=318),
        "fmul": OperatorCost(latency_cycles=4, dsp=3, lut=78, ff=143),
        "fdiv": OperatorCost(latency_cycles=12, dsp=0, lut=994, ff=761),
        "fsqrt": OperatorCost(latency_cycles=16, dsp=0, lut=615, ff=405),
        "fexp": OperatorCost(latency_cycles=14, dsp=7, lut=748, ff=316),
        "fcmp": OperatorCost(latency_cycles=2, dsp=0, lut=239, ff=66),
        "int_to_float": OperatorCost(latency_cycles=6, dsp=0, lut=554, ff=340),
    },
)
