"""What couples the stages: both kernels in one bitstream, one image of cache or weights for both."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cost_models.bands import resource_band
from cost_models.clb import CLB_CAP, clb_fraction
from cost_models.slr import UTILIZATION_CAPS
from cost_models.stage_summary import StageSummary
from spec.design_point import SystemChoices
from spec.device import Device
from spec.legality import Rule

WHERE = "co_resident"
_LEVERS = ("lower the parallelism of one stage", "deploy two_bitstreams or two_cards")


def co_resident_rules(
    prefill: StageSummary, decode: StageSummary, device: Device, system: SystemChoices
) -> Iterator[Rule]:
    """Both kernels and one shell on one card, their ports and their data in one memory."""
    n = len(prefill.step_s)
    resources = prefill.resources_with(decode)
    total, shell = device.total.as_dict(), device.shell.as_dict()
    used = {name: (array + shell[name]) / max(total[name], 1) for name, array in resources.items()}
    used["clb"] = np.asarray(clb_fraction(used["lut"]))
    caps = {**UTILIZATION_CAPS, "clb": CLB_CAP}
    for name, fraction in used.items():
        low, high = resource_band(name, device)
        yield Rule(
            constraint=f"{name}_utilization",
            where=WHERE,
            demand=fraction,
            bound=np.broadcast_to(caps[name], (n,)),
            unit="fraction",
            message=f"both kernels together use too many {name} of {device.name}, shell included",
            levers=_LEVERS,
            relative_low=low,
            relative_high=high,
            limit=1.0,
        )
    if device.hbm is None:
        return
    yield Rule(
        constraint="hbm_ports",
        where=WHERE,
        demand=prefill.hbm_ports + decode.hbm_ports,
        bound=np.broadcast_to(float(device.hbm.channels), (n,)),
        unit="ports",
        message=f"both kernels together have more HBM ports than {device.name} has HBM channels",
        levers=("use wider ports", "let ports carry several roles", *_LEVERS),
    )
    # One image of the weights, nearly all of what is stored, is counted once; of two images the fullest channels add up
    # at most.
    if system.weight_copies == "shared":
        held = np.maximum(prefill.hbm_channel_bytes, decode.hbm_channel_bytes)
    else:
        held = prefill.hbm_channel_bytes + decode.hbm_channel_bytes
    yield Rule(
        constraint="hbm_channel_capacity",
        where=WHERE,
        demand=held,
        bound=np.broadcast_to(float(device.hbm.channel_capacity_bytes), (n,)),
        unit="bytes",
        message="the fullest HBM channels of both kernels together hold more than a channel has",
        levers=("share one image of the weights", "spread the weights over more ports", *_LEVERS),
    )


def shared_image_rules(prefill: StageSummary, decode: StageSummary, system: SystemChoices) -> Iterator[Rule]:
    """One image in memory is laid out for one width of reading."""
    n = len(prefill.step_s)
    for choice, shared, ours, theirs, levers in (
        ("kv_layout", system.kv_layout, prefill.cache_word, decode.cache_word,
         ("use equal key_parallelism and value_parallelism in both stages", "set memory_map.kv_layout: per_stage")),
        ("weight_copies", system.weight_copies, prefill.weight_word, decode.weight_word,
         ("use equal lanes per weight port in both stages", "set memory_map.weight_copies: per_stage")),
    ):  # fmt: skip
        if shared == "shared":
            yield Rule(
                constraint=f"shared_{choice}",
                where=f"memory_map.{choice}",
                demand=np.where((ours == theirs) & (ours > 0), 0.0, 1.0),
                bound=np.zeros(n),
                unit="layouts too many",
                message="prefill and decode read words of different widths from what they should share",
                levers=levers,
            )
