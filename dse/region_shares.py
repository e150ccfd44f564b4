"""How much of each kernel stands in which region, by one assignment of its modules that fits: for totals by region."""

from __future__ import annotations

from dse.floorplan import plan_floorplan
from spec.built_design import as_built
from spec.design_point import DesignPoint
from spec.device import Device
from spec.errors import FlexDSEError
from spec.model_config import ModelConfig
from spec.resources import RESOURCE_NAMES
from spec.workload import STAGES, Stage, Workload

_SOLVER_LIMIT = 0.3  # of the solver's own units, about a second: then no assignment that it still finds differs much

RegionShares = dict[str, dict[str, float]]  # region -> resource -> share of the kernel's, 1 in all


def region_shares(
    design: DesignPoint, model: ModelConfig, device: Device, workload: Workload
) -> dict[Stage, RegionShares]:
    """The shares of the kernels as our generator builds them, each alone on the card; without those that fit nowhere.

    The best assignment that the solver finds in about a second; that it is the best of all, as `evaluate` proves, may take
    half a minute. Empty without OR-Tools, on a card of one region, and for co-resident designs, whose
    kernels share the regions.
    """
    if len(device.slrs) < 2 or design.deployment == "co_resident":
        return {}
    found: dict[Stage, RegionShares] = {}
    for stage in STAGES:
        try:
            plan = plan_floorplan(
                as_built(design), model, device, workload, stage=stage, levers=False, deterministic_limit=_SOLVER_LIMIT
            )  # fmt: skip
        except FlexDSEError:
            return {}
        (bitstream,) = plan.bitstreams
        used = {region.slr: region.used for region in bitstream.regions}
        if bitstream.status not in ("placed", "within_band") or not used:
            continue
        kernel = {
            slr.name: {name: max(0, getattr(used[slr.name], name) - getattr(device.shell_in(slr), name))
                       for name in RESOURCE_NAMES}
            for slr in device.slrs
        }  # fmt: skip
        totals = {name: sum(region[name] for region in kernel.values()) for name in RESOURCE_NAMES}
        found[stage] = {
            region: {name: amount / totals[name] if totals[name] else 0.0 for name, amount in amounts.items()}
            for region, amounts in kernel.items()
        }
    return found
