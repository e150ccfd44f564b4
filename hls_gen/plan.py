"""From a design point to a ProjectPlan. Pure: illegal designs are refused here, before any file is written."""

from __future__ import annotations

from hls_gen.planning.decode import decode_csim_cases, decode_cycles, plan_decode
from hls_gen.planning.prefill import plan_prefill, prefill_csim_cases, prefill_cycles
from hls_gen.planning.types import ProjectPlan
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.legality import rules
from spec.model_config import ModelConfig
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.workload import Workload

MAX_SEED = 2**32 - 1

# Modules of the two stages that the project does not hold.
_OUTSIDE = (
    "RMSNorm, RoPE",
    "attention with its KV cache",
    "SwiGLU",
    "the online Hadamard transform",
    "residual additions",
    "embedding and sampling",
)


def plan_project(
    design: DesignPoint,
    model: ModelConfig,
    device: Device,
    workload: Workload,
    seed: int = 0,
    *,
    timing: TimingTable = DEFAULT_TIMING_TABLE,
) -> ProjectPlan:
    """Every number of the HLS project of `design` for `model` on `device`.

    Raises:
        InputError: the design breaks a rule, or a number that no module of the library can be built with.
    """
    if not 0 <= seed <= MAX_SEED:
        raise InputError("seed out of range", field="seed", value=seed, rule=f"0 to {MAX_SEED}", hint="use 0")
    for rule in rules(DesignBatch.from_points([design], device), model, device):
        if rule.broken[0]:
            raise InputError(
                rule.message,
                field=rule.where,
                value=f"{rule.demand[0]:g} {rule.unit}",
                rule=f"at most {rule.bound[0]:g} {rule.unit} ({rule.constraint})",
                hint=" or ".join(rule.levers),
            )
    restart = round(timing.loop_restart_cycles)
    prefill = plan_prefill(design, model, workload, restart)
    decode = plan_decode(design, model, restart)
    outside = _OUTSIDE + (("the HMT plug-in",) if design.hmt is not None else ())
    outside += ("the biases of the Q, K and V projections",) if model.qkv_bias else ()
    return ProjectPlan(
        model_name=model.name,
        device_name=device.name,
        part_number=device.part_number,
        platform=device.platform,
        design_key=design.canonical_key(),
        prompt_tokens=workload.prompt_tokens,
        output_tokens=workload.output_tokens,
        seed=seed,
        timing_table_version=timing.version,
        loop_restart_cycles=restart,
        prefill=prefill,
        decode=decode,
        cycles=(*prefill_cycles(prefill, restart), *decode_cycles(decode, restart)),
        csim_cases=(*prefill_csim_cases(prefill), *decode_csim_cases(decode)),
        outside=outside,
    )
