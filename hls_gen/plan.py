"""From a design point to a ProjectPlan. Pure: illegal designs are refused here, before any file is written."""

from __future__ import annotations

from itertools import chain

from hls_gen.errors import IllegalDesignError
from hls_gen.planning.csim import decode_memories, plan_csim, prefill_memories, with_memories
from hls_gen.planning.cycle_laws import ceil_div
from hls_gen.planning.decode import decode_cycles, plan_decode
from hls_gen.planning.hmt import cached_tokens
from hls_gen.planning.host import plan_host
from hls_gen.planning.prefill import plan_prefill, prefill_cycles
from hls_gen.planning.resolve import resolved
from hls_gen.planning.types import ProjectPlan
from hls_gen.planning.unrolled import check_operations
from hls_gen.planning.variants import refuse_unbuilt
from spec.design_batch import DesignBatch
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import InputError
from spec.hmt_rules import hmt_rules
from spec.legality import rules
from spec.model_config import ModelConfig
from spec.timing import DEFAULT_TIMING_TABLE, TimingTable
from spec.workload import Workload

MAX_SEED = 2**32 - 1


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
        IllegalDesignError: the design breaks a rule.
        InputError: it chooses what no module of the library can be built with.
    """
    if not 0 <= seed <= MAX_SEED:
        raise InputError("seed out of range", field="seed", value=seed, rule=f"0 to {MAX_SEED}", hint="use 0")
    batch = DesignBatch.from_points([design], device)
    plugin = () if design.hmt is None else hmt_rules(batch.prefill, design.hmt, model, workload.prompt_tokens - 1)
    for rule in chain(rules(batch, model, device), plugin):
        if rule.broken[0]:
            raise IllegalDesignError(
                rule.message,
                field=rule.where,
                value=f"{rule.demand[0]:g} {rule.unit}",
                rule=f"at most {rule.bound[0]:g} {rule.unit} ({rule.constraint})",
                hint=" or ".join(rule.levers),
            )
    refuse_unbuilt(design, model)
    restart = round(timing.loop_restart_cycles)
    tp = design.prefill.token_parallelism
    # Prefill writes whole blocks; C simulation runs two of them and a few decoded tokens.
    max_tokens = max(ceil_div(cached_tokens(design.hmt, workload), tp), 3) * tp
    prefill = plan_prefill(design, model, workload, max_tokens)
    decode = plan_decode(design, model, max_tokens)
    check_operations(prefill, decode)
    csim = plan_csim(model, prefill, decode, design.quant_scheme, seed)
    prefill = resolved(prefill, with_memories(prefill.ports, prefill_memories(prefill, csim)))
    decode = resolved(decode, with_memories(decode.ports, decode_memories(decode, csim)))
    return ProjectPlan(
        model=model,
        scheme=design.quant_scheme,
        nonlinear_format=design.nonlinear_format,
        device_name=device.name,
        device_family="versal" if device.part_number.startswith("xcv") else "ultrascale_plus",
        part_number=device.part_number,
        platform=device.platform,
        deployment=design.deployment,
        design_key=design.canonical_key(),
        prompt_tokens=workload.prompt_tokens,
        output_tokens=workload.output_tokens,
        max_tokens=max_tokens,
        seed=seed,
        timing_table_version=timing.version,
        loop_restart_cycles=restart,
        prefill=prefill,
        decode=decode,
        cycles=(*prefill_cycles(prefill, restart), *decode_cycles(decode, restart)),
        csim=csim,
        host=plan_host(prefill, decode, model, max(workload.prompt_tokens - 1, csim.prefill_tokens)),
    )
